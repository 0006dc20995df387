// EMAIL_URL and EMAIL_FROM: each form, each fault, and that no fault repeats a password.
import { describe, expect, test } from 'vitest'
import { readEnvironment } from '../../worker/environment.ts'
import { readEmailFrom, readEmailUrl } from '../../worker/mail/email_url.ts'
import { headerLine, sendableAddress, subjectLine } from '../../worker/mail/outgoing.ts'
import { ENVIRONMENT } from '../support/environment.ts'

function read(url: string) {
  const faults: string[] = []
  const transport = readEmailUrl(url, (problem, example = '') => faults.push(problem + example))
  return { transport, faults }
}

const login = { user: 'us/er', password: 'pa:ss@' }

describe('EMAIL_URL', () => {
  test.each([
    ['outbox:', { via: 'outbox' }],
    [
      'smtp://mail.example.com',
      { host: 'mail.example.com', port: 587, tls: 'offered', verifies: true, login: null },
    ],
    ['smtp://us%2Fer:pa%3Ass%40@mail.example.com', { tls: 'required', verifies: true, login }],
    ['smtp://us%2Fer:pa%3Ass%40@127.0.0.1:1025', { tls: 'offered', verifies: false, login }],
    ['smtp://us%2Fer:pa%3Ass%40@[::1]:25', { host: '::1', port: 25, tls: 'offered', login }],
    ['smtps://us%2Fer:pa%3Ass%40@mail.example.com', { port: 465, tls: 'implicit', login }],
    ['smtps://u:p@localhost', { tls: 'implicit', verifies: true }],
    ['smtp://u:p@localhost.example.com', { tls: 'required' }],
    [
      'https://re_key@api.resend.com',
      { via: 'resend', url: 'https://api.resend.com', key: 're_key' },
    ],
    ['https://:tok-en@api.postmarkapp.com', { via: 'postmark', key: 'tok-en' }],
    [
      'https://AKIA:sec%2Fret@email.eu-west-1.amazonaws.com',
      { via: 'ses', region: 'eu-west-1', access_key_id: 'AKIA', secret_access_key: 'sec/ret' },
    ],
    [
      'https://k@mail.example.com/in/?provider=postmark',
      { via: 'postmark', url: 'https://mail.example.com/in' },
    ],
    ['http://k@localhost:9/?provider=resend', { via: 'resend', url: 'http://localhost:9' }],
  ])('%s', (url, transport) => {
    expect(read(url)).toMatchObject({ transport, faults: [] })
  })

  test.each([
    ['mail.example.com', /no URL|begins with none/],
    ['ftp://u:hunter2@mail.example.com', /begins with none/],
    ['smtp://u:hun/ter2@mail.example.com', /no URL/],
    ['smtp://u:hunter2%zz@mail.example.com', /%XX/],
    ['smtp://u@mail.example.com', /without a password/],
    ['smtp://:hunter2@mail.example.com', /without a password/],
    ['smtp://u:hunter2@mail.example.com:465', /speaks TLS at once/],
    ['smtps://u:hunter2@mail.example.com:587', /in the clear/],
    ['smtp://u:hunter2@mail.example.com/x?y', /path or a query/],
    ['smtp://u:hunter2%0d%0aRSET@mail.example.com', /control character/],
    ['https://hunter2@mail.example.com', /provider=/],
    ['https://hunter2@mail.example.com?provider=mailgun', /provider=/],
    ['https://hunter2@api.resend.com?x=1', /query/],
    ['https://api.resend.com', /key/],
    ['https://u:hunter2@api.resend.com', /alone/],
    ['https://hunter2@email.eu-west-1.amazonaws.com', /secret/],
    ['https://u:hunter2@mail.example.com?provider=ses', /region/],
    ['http://hunter2@api.resend.com', /https/],
  ])('%s is refused', (url, problem) => {
    const { faults, transport } = read(url)
    expect(faults).toEqual([expect.stringMatching(problem)])
    expect(faults.join()).not.toMatch(/hunter2|hun\/ter2/)
    expect(transport).toEqual({ via: 'outbox' })
  })

  test('a fault is told with all others of the environment', () => {
    const env = { ...ENVIRONMENT, PORT: 'x', EMAIL_URL: 'smtp://u:hunter2@', EMAIL_FROM: 'nobody' }
    const { config, faults } = readEnvironment(env)
    expect(config).toBeUndefined()
    expect(faults.map(({ name }) => name)).toEqual(['PORT', 'EMAIL_URL', 'EMAIL_FROM'])
    expect(JSON.stringify(faults)).not.toContain('hunter2')
  })

  test('the sender without EMAIL_FROM is of the host of the issuer', () => {
    const from = (ISSUER: string) => readEnvironment({ ...ENVIRONMENT, ISSUER }).config?.email_from
    expect(from('https://id.example.com/auth')).toEqual({
      address: 'no-reply@id.example.com',
      name: null,
    })
    expect(from('http://[::1]:8787')).toEqual({ address: 'no-reply@localhost', name: null })
  })
})

describe('EMAIL_FROM', () => {
  test.each([
    ['a@example.com', { address: 'a@example.com', name: null }],
    ['Zażółć <a@example.com>', { address: 'a@example.com', name: 'Zażółć' }],
    [
      '"Home, sweet" <a@müller.example>',
      { address: 'a@xn--mller-kva.example', name: 'Home, sweet' },
    ],
  ])('%s', (text, sender) => {
    expect(readEmailFrom(text, () => expect.unreachable())).toEqual(sender)
  })

  test.each(['nobody', 'A <nobody>', 'a@b, c@d', '<a@example.com', 'A <a@example.com> B'])(
    '%s is refused',
    (text) => {
      const faults: string[] = []
      readEmailFrom(text, (problem) => faults.push(problem))
      expect(faults).toHaveLength(1)
    },
  )
})

describe('what reaches a header', () => {
  test.each([
    ['Ann\r\nBcc: eve@example.com', 'Ann Bcc: eve@example.com'],
    ['Ann\u0000\u0085\u2028\u202ebc', 'Ann bc'],
    ['  a \t b ', 'a b'],
    ['Zażółć 🏡', 'Zażółć 🏡'],
  ])('%j becomes %j', (text, line) => {
    expect(headerLine(text)).toBe(line)
  })

  test('a subject keeps the signs around a name of the other direction, and nothing else', () => {
    const name = '\u2068حديقة\u2069'
    expect(subjectLine(`Code for ${name}\r\nBcc: x\u202e`)).toBe(`Code for ${name} Bcc: x`)
  })

  test('a long text is cut at a whole character', () => {
    expect(headerLine('🏡'.repeat(500))).toBe('🏡'.repeat(200))
  })

  test.each([
    ['Ann.B+c@Example.COM', 'Ann.B+c@example.com'],
    ['grüße@müller.example', 'grüße@xn--mller-kva.example'],
    ['ann@localhost', 'ann@localhost'],
  ])('%s is sent to as %s', (address, sendable) => {
    expect(sendableAddress(address)).toBe(sendable)
  })

  test.each([
    'ann@example.com\r\nBcc: eve@example.com',
    'ann,eve@example.com',
    'ann<eve@example.com',
    '"ann eve"@example.com',
    'ann@example.com>',
    'ann@example.com:25',
    'ann@exa%6dple.com',
    'ann@[127.0.0.1]',
    'ann@127.1',
    'ann@user@example.com',
    'ann..b@example.com',
    'an\u200bn@example.com',
    `${'a'.repeat(65)}@example.com`,
    '@example.com',
    'ann@',
    'nobody',
    '',
  ])('%j is sent to nowhere', (address) => {
    expect(sendableAddress(address)).toBeNull()
  })
})
