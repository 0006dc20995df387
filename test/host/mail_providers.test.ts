// Mails by providers over HTTP: the shape that each documents, held by a server that answers as they
// do, and each failure with what follows from it.
import { createHash, createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { mailTransport } from '../../worker/entry/mail_transports/mail_transports.ts'
import { readEnvironment } from '../../worker/environment.ts'
import type { OutgoingMail } from '../../worker/mail/outgoing.ts'
import { ENVIRONMENT } from '../support/environment.ts'

type Asked = { method: string; path: string; headers: IncomingHttpHeaders; body: string }

const MAIL: OutgoingMail = {
  id: 'mail_01j0000000abcdefghijklmnop',
  from: { address: 'no-reply@example.com', name: 'Zażółć "Home"' },
  to: { address: 'ann@example.com', name: 'Ann, of <here>' },
  subject: 'Ihr Passwort für Zażółć',
  text: 'Grüße\n',
  html: '<p>Grüße</p>',
}

let stop = () => {}
afterEach(() => stop())

async function startProvider(status = 200, answer = '{"id":"1"}', headers = {}, delay_ms = 0) {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method = '', url: path = '' } = request
    asked.push({ method, path, headers: request.headers, body: Buffer.concat(chunks).toString() })
    await new Promise((done) => setTimeout(done, delay_ms))
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(answer)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  stop = () => {
    server.closeAllConnections()
    server.close()
  }
  return { asked, host: `127.0.0.1:${(server.address() as AddressInfo).port}` }
}

function transportOf(EMAIL_URL: string, timeout_ms?: number) {
  const { config, faults } = readEnvironment({ ...ENVIRONMENT, EMAIL_URL })
  if (config === undefined) throw new Error(JSON.stringify(faults))
  const smtp = () => Promise.reject(new Error('this is no SMTP'))
  return mailTransport(config, smtp, timeout_ms === undefined ? {} : { timeout_ms })
}

test('Resend: POST /emails', async () => {
  const { asked, host } = await startProvider()
  const outcome = await transportOf(`http://re_key@${host}?provider=resend`)(MAIL)
  expect(outcome).toEqual({ outcome: 'sent', answer: '{"id":"1"}' })
  expect(asked).toMatchObject([
    {
      method: 'POST',
      path: '/emails',
      headers: {
        authorization: 'Bearer re_key',
        'content-type': 'application/json',
        'idempotency-key': MAIL.id,
      },
    },
  ])
  expect(JSON.parse(asked[0]?.body ?? '')).toEqual({
    from: '"Zażółć \\"Home\\"" <no-reply@example.com>',
    to: ['"Ann, of <here>" <ann@example.com>'],
    subject: MAIL.subject,
    text: MAIL.text,
    html: MAIL.html,
    headers: { 'Auto-Submitted': 'auto-generated' },
  })
})

test('Postmark: POST /email', async () => {
  const { asked, host } = await startProvider()
  await transportOf(`http://tok-en@${host}/base/?provider=postmark`)(MAIL)
  expect(asked).toMatchObject([
    {
      method: 'POST',
      path: '/base/email',
      headers: {
        accept: 'application/json',
        'content-type': 'application/json',
        'x-postmark-server-token': 'tok-en',
      },
    },
  ])
  expect(JSON.parse(asked[0]?.body ?? '')).toEqual({
    From: '"Zażółć \\"Home\\"" <no-reply@example.com>',
    To: '"Ann, of <here>" <ann@example.com>',
    Subject: MAIL.subject,
    TextBody: MAIL.text,
    HtmlBody: MAIL.html,
    MessageStream: 'outbound',
    Headers: [{ Name: 'Auto-Submitted', Value: 'auto-generated' }],
  })
})

test('SES: POST /v2/email/outbound-emails, signed', async () => {
  const { asked, host } = await startProvider(200, '{"MessageId":"1"}')
  const login = `AKIDEXAMPLE:${encodeURIComponent('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY')}`
  await transportOf(`http://${login}@${host}?provider=ses&region=eu-west-1`)(MAIL)
  const [one] = asked
  expect(one).toMatchObject({ method: 'POST', path: '/v2/email/outbound-emails' })
  const name = (text: string) => `=?UTF-8?B?${Buffer.from(text).toString('base64')}?=`
  expect(JSON.parse(one?.body ?? '')).toEqual({
    FromEmailAddress: `${name('Zażółć "Home"')} <no-reply@example.com>`,
    Destination: { ToAddresses: ['"Ann, of <here>" <ann@example.com>'] },
    Content: {
      Simple: {
        Subject: { Data: MAIL.subject, Charset: 'UTF-8' },
        Body: {
          Text: { Data: MAIL.text, Charset: 'UTF-8' },
          Html: { Data: MAIL.html, Charset: 'UTF-8' },
        },
        Headers: [{ Name: 'Auto-Submitted', Value: 'auto-generated' }],
      },
    },
  })
  expect(one?.headers.authorization).toBe(signatureOf(one!, 'eu-west-1'))
})

/** Signature Version 4 of a request as it arrived, by another hand. */
function signatureOf({ method, path, headers, body }: Asked, region: string): string {
  const sha = (text: string) => createHash('sha256').update(text).digest('hex')
  const hmac = (key: string | Buffer, text: string) =>
    createHmac('sha256', key).update(text).digest()
  const date = String(headers['x-amz-date'])
  const names = ['content-type', 'host', 'x-amz-date']
  const lines = names.map((name) => `${name}:${String(headers[name])}\n`).join('')
  const canonical = `${method}\n${path}\n\n${lines}\n${names.join(';')}\n${sha(body)}`
  const scope = `${date.slice(0, 8)}/${region}/ses/aws4_request`
  const parts = [date.slice(0, 8), region, 'ses', 'aws4_request']
  const key = parts.reduce<string | Buffer>(
    (one, part) => hmac(one, part),
    'AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  )
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha(canonical)}`)
  return `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature.toString('hex')}`
}

test.each([
  [200, '{}', { outcome: 'sent' }],
  [401, '{}', { outcome: 'again', reason: 'login_refused' }],
  [403, '{}', { outcome: 'again', reason: 'login_refused' }],
  [409, '{}', { outcome: 'again', reason: 'http_409' }],
  [429, '{}', { outcome: 'again', reason: 'http_429' }],
  [500, 'oops', { outcome: 'again', reason: 'http_500' }],
  [503, '', { outcome: 'again', reason: 'http_503' }],
  [400, '{}', { outcome: 'refused', reason: 'http_400', is_address: false }],
  [422, '{"ErrorCode": 300}', { outcome: 'refused', reason: 'http_422', is_address: false }],
  [422, '{"ErrorCode":406,"Message":"inactive"}', { outcome: 'refused', is_address: true }],
])('an answer of %i %s', async (status, answer, outcome) => {
  const { host } = await startProvider(status, answer)
  expect(await transportOf(`http://key@${host}?provider=postmark`)(MAIL)).toMatchObject(outcome)
})

test('a redirect is not followed: the key would go with it', async () => {
  const { asked, host } = await startProvider(307, '', { location: '/elsewhere' })
  const outcome = await transportOf(`http://key@${host}?provider=resend`)(MAIL)
  expect(outcome).toMatchObject({ outcome: 'again' })
  expect(asked).toHaveLength(1)
})

test('a provider that is slow, or away: again later, and the key is in no answer', async () => {
  const { host } = await startProvider(200, '{}', {}, 3000)
  const url = `http://secret-key@${host}?provider=resend`
  const slow = await transportOf(url, 300)(MAIL)
  expect(slow).toMatchObject({ outcome: 'again', reason: 'timeout' })
  stop()
  const away = await transportOf(url)(MAIL)
  expect(away).toMatchObject({ outcome: 'again', reason: 'unreachable' })
  expect(JSON.stringify([slow, away])).not.toContain('secret-key')
})
