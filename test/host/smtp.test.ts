// Mails over SMTP to a server of another make: both ways in which a host sends one, and each
// failure with what follows from it.
import { connect, createServer, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import type { SmtpServer } from '../../worker/entry/mail_transports/mail_transports.ts'
import { sendByNodemailer } from '../../worker/entry/mail_transports/node_smtp.ts'
import {
  type OpenSocket,
  type SmtpSocket,
  sendOverSocket,
} from '../../worker/entry/mail_transports/smtp_session.ts'
import { readEmailUrl } from '../../worker/mail/email_url.ts'
import { headerLine, type OutgoingMail } from '../../worker/mail/outgoing.ts'
import { SMTP_PASSWORD, startSmtpServer } from './smtp_server.ts'

/** Sockets of Node in the form of those of Workers; certificates are not what is tested by them. */
const openSocket: OpenSocket = ({ hostname, port }, { secureTransport }) => {
  const socket =
    secureTransport === 'on'
      ? connectTls({ host: hostname, port, rejectUnauthorized: false })
      : connect(port, hostname)
  return asSocket(socket)
}

function asSocket(socket: Socket): SmtpSocket {
  socket.on('error', () => {})
  const { readable, writable } = Duplex.toWeb(socket)
  return {
    readable,
    writable,
    startTls: () => asSocket(connectTls({ socket, rejectUnauthorized: false })),
    async close() {
      socket.destroy()
    },
  } as SmtpSocket
}

const WAYS = [
  ['nodemailer', sendByNodemailer],
  [
    'the sockets of Workers',
    (...mail: Parameters<typeof sendByNodemailer>) => sendOverSocket(openSocket, ...mail),
  ],
] as const

const MAIL: OutgoingMail = {
  id: 'mail_01j0000000abcdefghijklmnop',
  from: { address: 'no-reply@example.com', name: 'Zażółć Home' },
  to: { address: 'ann@example.com', name: 'Ännchen "A" Müller' },
  subject:
    'Ihr Passwort für Zażółć Home, سجّل الدخول: ein langer Betreff, der in mehr als eine Zeile geht',
  text: 'Grüße\n.\n..\nhttps://id.example.com/recover/password?token=abc=def\nEnde\n',
  html: '<p>Grüße &amp; mehr</p>\n.\n',
}

const to = (address: string): OutgoingMail => ({ ...MAIL, to: { address, name: '' } })

function serverAt(url: string): SmtpServer {
  const faults: string[] = []
  const server = readEmailUrl(url, (problem) => faults.push(problem))
  if (server.via !== 'smtp') throw new Error(faults.join())
  return server
}

const LOGIN = `someone:${encodeURIComponent(SMTP_PASSWORD)}@`
const stops: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

async function start(...options: Parameters<typeof startSmtpServer>) {
  const server = await startSmtpServer(...options)
  stops.push(server.stop)
  return server
}

describe.each(WAYS)('by %s', (_, send) => {
  const sendTo = (url: string, mail = MAIL, timeout_ms = 10_000) =>
    send(serverAt(url), mail, timeout_ms)

  test('a mail arrives with its headers and both texts', async () => {
    const server = await start()
    expect(await sendTo(`smtp://localhost:${server.port}`)).toEqual({
      outcome: 'sent',
      answer: expect.stringContaining('2.0.0 taken'),
    })
    const arrived = await server.mails(1)
    const [mail] = arrived
    expect(arrived).toHaveLength(1)
    expect(mail).toMatchObject({
      mail_from: 'no-reply@example.com',
      rcpt_tos: ['ann@example.com'],
      tls: false,
      login: '',
    })
    const headers = new Map(mail!.headers)
    expect(headers.get('Subject')).toBe(MAIL.subject)
    expect(headers.get('From')).toBe('Zażółć Home <no-reply@example.com>')
    expect(headers.get('To')).toBe('"Ännchen \\"A\\" Müller" <ann@example.com>')
    expect(headers.get('Message-ID')).toBe(`<${MAIL.id}@example.com>`)
    expect(headers.get('Auto-Submitted')).toBe('auto-generated')
    expect(Math.abs(Date.parse(headers.get('Date') ?? '') - Date.now())).toBeLessThan(60_000)
    expect(headers.get('Content-Type')).toMatch(/^multipart\/alternative/)
    const lines = (text = '') => text.replaceAll('\r\n', '\n').trim()
    expect(lines(mail!.parts['text/plain'])).toBe(MAIL.text.trim())
    expect(lines(mail!.parts['text/html'])).toBe(MAIL.html.trim())
    for (const line of mail!.raw.split('\r\n')) expect(line.length).toBeLessThanOrEqual(998)
    expect(mail!.raw).toMatch(/^[\x00-\x7f]*$/)
  })

  test('to an address with letters beyond ASCII', async () => {
    const server = await start()
    const outcome = await sendTo(`smtp://localhost:${server.port}`, to('grüße@example.com'))
    expect(outcome).toMatchObject({ outcome: 'sent' })
    expect(await server.mails(1)).toMatchObject([{ rcpt_tos: ['grüße@example.com'] }])
  })

  test('with STARTTLS and a login', async () => {
    const server = await start({ tls: 'starttls', auth: 'auth' })
    expect(await sendTo(`smtp://${LOGIN}localhost:${server.port}`)).toMatchObject({
      outcome: 'sent',
    })
    expect(await server.mails(1)).toMatchObject([{ tls: true, login: 'someone' }])
    expect(server.logins()).toMatchObject([{ tls: true }])
  })

  test('a wrong login is for the operator to mend: the mail waits', async () => {
    const server = await start({ tls: 'starttls', auth: 'auth' })
    const outcome = await sendTo(`smtp://someone:wrong@localhost:${server.port}`)
    expect(outcome).toMatchObject({ outcome: 'again', reason: 'login_refused' })
    expect(JSON.stringify(outcome)).not.toContain('wrong')
    const missing = await sendTo(`smtp://localhost:${server.port}`)
    expect(missing).toMatchObject({ outcome: 'again', reason: 'login_refused' })
    expect(await server.mails()).toEqual([])
  })

  test('a login never goes in the clear to another machine, also when STARTTLS is taken out of the offer', async () => {
    const server = await start({ auth: 'plain' })
    // An address that is not seen as loopback, and leads here.
    const url = `smtp://${LOGIN}[::ffff:127.0.0.1]:${server.port}`
    expect(await sendTo(url)).toMatchObject({ outcome: 'again', reason: 'tls' })
    expect(server.logins()).toEqual([])
    expect(await server.mails()).toEqual([])
    // On this machine nobody listens in between.
    expect(await sendTo(`smtp://${LOGIN}127.0.0.1:${server.port}`)).toMatchObject({
      outcome: 'sent',
    })
    expect(server.logins()).toMatchObject([{ tls: false }])
  })

  test.each([
    ['later@example.com', { outcome: 'again', reason: 'smtp_451' }],
    ['nobody@example.com', { outcome: 'refused', reason: 'smtp_550', is_address: true }],
    ['policy@example.com', { outcome: 'refused', reason: 'smtp_550', is_address: false }],
    ['full@example.com', { outcome: 'refused', reason: 'smtp_552', is_address: false }],
    ['gone@example.com', { outcome: 'again', reason: 'unreachable' }],
  ])('%s', async (address, outcome) => {
    const server = await start()
    expect(await sendTo(`smtp://localhost:${server.port}`, to(address))).toMatchObject(outcome)
    expect(await server.mails()).toEqual([])
  })

  test('a server that is away, slow or silent: again later, within the time', async () => {
    const server = await start()
    const begun = Date.now()
    const slow = await sendTo(`smtp://localhost:${server.port}`, to('slow@example.com'), 1500)
    expect(slow).toMatchObject({ outcome: 'again', reason: 'timeout' })
    const silent = createServer(() => {})
    await new Promise<void>((done) => silent.listen(0, 'localhost', done))
    stops.push(() => silent.close())
    const { port } = silent.address() as { port: number }
    const mute = await sendTo(`smtp://localhost:${port}`, MAIL, 1500)
    expect(mute).toMatchObject({ outcome: 'again', reason: 'timeout' })
    expect(Date.now() - begun).toBeLessThan(6000)
    await server.stop()
    const away = await sendTo(`smtp://localhost:${server.port}`)
    expect(away).toMatchObject({ outcome: 'again', reason: 'unreachable' })
  })

  test('names and subjects with line breaks reach no header, whatever they hold', async () => {
    const server = await start()
    const hostile = 'Ann\r\nBcc: eve@example.com\r\n\r\n<b>x</b>\u2028\0"<a@b.c>, =?UTF-8?Q?x?= \\'
    // As the ground hands it over, and as it must not come.
    const name = headerLine(hostile)
    const mail = { ...MAIL, subject: name, from: { ...MAIL.from, name }, to: { ...MAIL.to, name } }
    expect(await sendTo(`smtp://localhost:${server.port}`, mail)).toMatchObject({ outcome: 'sent' })
    const [arrived] = await server.mails(1)
    expect(arrived?.rcpt_tos).toEqual(['ann@example.com'])
    const names = arrived!.headers.map(([header]) => header).sort()
    expect(names.filter((header) => !/^(Content-|MIME-)/.test(header))).toEqual(
      ['Auto-Submitted', 'Date', 'From', 'Message-ID', 'Subject', 'To', ...received(names)].sort(),
    )
    const headers = new Map(arrived!.headers)
    expect(headers.get('Subject')).toBe(name)
    expect(headers.get('To')).toMatch(/ <ann@example\.com>$/)
    expect(headers.get('From')).toMatch(/ <no-reply@example\.com>$/)
  })
})

/** Headers that the server itself adds. */
const received = (names: readonly string[]) => names.filter((name) => /^(X-|Received)/.test(name))

test('a certificate that nobody signed is not trusted with a mail', async () => {
  const server = await start({ tls: 'implicit' })
  const outcome = await sendByNodemailer(serverAt(`smtps://localhost:${server.port}`), MAIL, 5000)
  expect(outcome).toMatchObject({ outcome: 'again', reason: 'tls' })
  expect(await server.mails()).toEqual([])
})

test('TLS from the first byte, over the sockets of Workers', async () => {
  const server = await start({ tls: 'implicit', auth: 'plain' })
  const url = `smtps://${LOGIN}localhost:${server.port}`
  expect(await sendOverSocket(openSocket, serverAt(url), MAIL, 5000)).toMatchObject({
    outcome: 'sent',
  })
  expect(await server.mails(1)).toMatchObject([{ tls: true, login: 'someone' }])
})

/** A server that says what it is told to, line for line; answers its port, and the lines it got. */
async function startScript(answers: readonly string[]) {
  const lines: string[] = []
  const server = createServer((socket) => {
    socket.write(answers[0] ?? '')
    let i = 1
    socket.on('data', (data) => {
      lines.push(data.toString().trim())
      socket.write(answers[i++] ?? '')
    })
    socket.on('error', () => {})
  })
  await new Promise<void>((done) => server.listen(0, 'localhost', done))
  stops.push(() => server.close())
  return { port: (server.address() as { port: number }).port, lines }
}

test('a server with the older LOGIN alone gets user and password apart', async () => {
  const { port, lines } = await startScript([
    '220 hello\r\n',
    '250-here\r\n250 AUTH LOGIN CRAM-MD5\r\n',
    '334 VXNlcm5hbWU6\r\n',
    '334 UGFzc3dvcmQ6\r\n',
    '235 good\r\n',
    '250 ok\r\n',
    '250 ok\r\n',
    '354 go\r\n',
    '250 taken\r\n',
  ])
  const url = `smtp://${LOGIN}localhost:${port}`
  expect(await sendOverSocket(openSocket, serverAt(url), MAIL, 3000)).toEqual({
    outcome: 'sent',
    answer: '250 taken',
  })
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  expect(lines.slice(0, 7)).toEqual([
    'EHLO example.com',
    'AUTH LOGIN',
    base64('someone'),
    base64(SMTP_PASSWORD),
    'MAIL FROM:<no-reply@example.com>',
    'RCPT TO:<ann@example.com>',
    'DATA',
  ])
})

test('words that somebody put before TLS are not taken for those of the server', async () => {
  const { port } = await startScript([
    '220 hello\r\n',
    '250-here\r\n250 STARTTLS\r\n',
    '220 go\r\n250 injected\r\n',
  ])
  const url = `smtp://${LOGIN}localhost:${port}`
  expect(await sendOverSocket(openSocket, serverAt(url), MAIL, 3000)).toMatchObject({
    outcome: 'again',
    reason: 'tls',
  })
})
