// The environment: each variable as its entry in VARIABLES says, and all faults at once.
import { expect, test } from 'vitest'
import { describeFaults, readEnvironment, VARIABLES } from '../../worker/environment.ts'

const SECRET_KEY = 'A'.repeat(43)

const faultsOf = (env: Record<string, string>) =>
  readEnvironment({ SECRET_KEY, ...env }).faults.map(({ name }) => name)

test('a key alone is enough: all else has a default, and an empty variable counts as absent', () => {
  const { config, faults } = readEnvironment({ SECRET_KEY, ISSUER: ' ', SURFACE: '' })
  expect(faults).toEqual([])
  expect(config).toMatchObject({
    issuer: 'http://localhost:8787',
    host: '127.0.0.1',
    port: 8787,
    database_url: 'file:.allauth/allauth.db',
    surface: 'all',
    trusted_proxy: [],
    mtls: null,
    mqtt_audience: 'urn:allauth:mqtt',
    allow_private_addresses: false,
  })
  expect(readEnvironment({ SECRET_KEY, PORT: '9000' }).config?.issuer).toBe('http://localhost:9000')
})

test('all faults are reported at once, each with its variable and an example', () => {
  const { config, faults } = readEnvironment({
    PORT: '99999',
    ISSUER: 'http://id.example.com/path?x=1',
    DATABASE_URL: 'libsql://user:secret@db.example.com',
    SURFACE: 'outside',
    ADMIN_EMAIL: 'nobody',
    ADMIN_PASSWORD: 'short',
    MTLS: 'on',
    MQTT_AUDIENCE: 'mqtt',
    ALLOW_PRIVATE_ADDRESSES: 'maybe',
  })
  expect(config).toBeUndefined()
  expect(faults.map(({ name }) => name).sort()).toEqual([
    'ADMIN_EMAIL',
    'ADMIN_PASSWORD',
    'ALLOW_PRIVATE_ADDRESSES',
    'DATABASE_URL',
    'ISSUER',
    'ISSUER',
    'MQTT_AUDIENCE',
    'MTLS',
    'PORT',
    'SECRET_KEY',
    'SURFACE',
  ])
  for (const { example } of faults) expect(example).not.toBe('')
})

test.each([
  'libsql://wuser:xqz1@db.example.com',
  'libsql://wuser:xqz1db.example.com',
  'https://wuser:xq/xqz1@db.example.com',
  'http://db.example.com/wuser:xqz1@x',
  'wss://wuser:xqz1',
  'wuser:xqz1@db.example.com',
])('no fault repeats user or password of %s, whichever variable it is put into', (url) => {
  for (const name of ['DATABASE_URL', 'EMAIL_URL', 'ISSUER']) {
    const { faults } = readEnvironment({ SECRET_KEY, [name]: url })
    expect(faults.map((fault) => fault.name)).toContain(name)
    expect(describeFaults(faults)).not.toMatch(/wuser|xqz/)
  }
})

test('an operator has both an address and a password, whose blanks count', () => {
  const ADMIN_EMAIL = 'operator@example.com'
  const ADMIN_PASSWORD = ' four random words '
  expect(faultsOf({ ADMIN_EMAIL })).toEqual(['ADMIN_PASSWORD'])
  expect(faultsOf({ ADMIN_PASSWORD })).toEqual(['ADMIN_EMAIL'])
  const { config } = readEnvironment({ SECRET_KEY, ADMIN_EMAIL, ADMIN_PASSWORD })
  expect(config?.admin_password).toBe(ADMIN_PASSWORD)
})

/** Variables that come together. */
const others: Record<string, Record<string, string>> = {
  ADMIN_EMAIL: { ADMIN_PASSWORD: VARIABLES.ADMIN_PASSWORD.example },
  ADMIN_PASSWORD: { ADMIN_EMAIL: VARIABLES.ADMIN_EMAIL.example },
  CLIENT_CERTIFICATE_HEADER: { TRUSTED_PROXY: 'loopback' },
  CLIENT_CERTIFICATE_VERIFIED_HEADER: {
    CLIENT_CERTIFICATE_HEADER: 'Client-Cert',
    TRUSTED_PROXY: 'loopback',
  },
}

// The example of a secret is the command that makes one.
const SECRETS = ['SECRET_KEY', 'REPORTS_CLIENT_SECRET']
const examples = Object.entries(VARIABLES).filter(([name]) => !SECRETS.includes(name))

test.each(examples)('%s takes the example that its faults show', (name, { example }) => {
  expect(faultsOf({ ...others[name], [name]: example })).toEqual([])
})

test('an issuer may have a path, without the slash at its end', () => {
  const read = (ISSUER: string) => readEnvironment({ SECRET_KEY, ISSUER })
  for (const [text, issuer] of [
    ['https://id.example.com/', 'https://id.example.com'],
    ['https://id.example.com/auth', 'https://id.example.com/auth'],
    ['https://id.example.com/auth/eu-1/', 'https://id.example.com/auth/eu-1'],
    ['http://localhost:8787/auth', 'http://localhost:8787/auth'],
  ] as const) {
    expect(read(text).config?.issuer, text).toBe(issuer)
  }
  for (const path of ['//', '/a//b', '/a%20b', '/ä', '/.well-known/x', '/healthz', '/a;b']) {
    const [fault] = read(`https://id.example.com${path}`).faults
    expect(fault?.name, path).toBe('ISSUER')
    expect(fault?.example).toBe('https://example.com/auth')
  }
})
