// The door on Workers: every fault of a deployment in one line of the log, and an issuer on this
// machine only on this machine.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import workers from '../../worker/entry/workers.ts'
import { ENVIRONMENT } from '../support/environment.ts'

const GOOD = {
  ISSUER: 'https://id.example.com',
  SECRET_KEY: ENVIRONMENT.SECRET_KEY,
  DATABASE_URL: 'libsql://allauth.example.com',
}
const DEPLOYED = 'https://id.example.com'

const execution = { waitUntil: () => {} }

let lines: string[]
beforeEach(() => {
  lines = []
  vi.spyOn(console, 'error').mockImplementation((line: string) => {
    lines.push(line)
  })
})
afterEach(() => {
  vi.restoreAllMocks()
})

const ask = (env: Record<string, unknown>, origin = DEPLOYED) =>
  workers.fetch(new Request(`${origin}/healthz`), env, execution)

/** The faults that the log names, each with its variable first. */
const faults = (): string[] =>
  lines.flatMap((line) => (JSON.parse(line) as { faults: string }).faults.split('\n'))

const named = (): string[] => faults().map((fault) => fault.split(' ')[0] ?? '')

test('a deployment without variables hears at once what it needs', async () => {
  const answer = await ask({})
  expect(answer.status).toBe(503)
  expect(answer.headers.get('retry-after')).toBe('60')
  expect(await answer.text()).not.toContain('SECRET_KEY')
  expect(named().sort()).toEqual(['DATABASE_URL', 'ISSUER', 'SECRET_KEY'])
  for (const fault of faults()) expect(fault).toMatch(/^[A-Z_]+ is missing\. Example: /)
})

test('faults that only Workers have are told beside all others, each variable once', async () => {
  const answer = await ask({
    ISSUER: 'http://localhost:8787',
    SECRET_KEY: 'short',
    DATABASE_URL: 'file:.allauth/allauth.db',
    CLIENT_CERTIFICATE_HEADER: 'Client-Cert',
    SURFACE: 'outside',
    EMAIL_URL: 'smtp://mail.example.com:25',
    EMAIL_LAYOUT: 'mail.html',
  })
  expect(answer.status).toBe(503)
  expect(named().sort()).toEqual([
    'CLIENT_CERTIFICATE_HEADER',
    'DATABASE_URL',
    'EMAIL_LAYOUT',
    'EMAIL_URL',
    'ISSUER',
    'SECRET_KEY',
    'SURFACE',
  ])
})

test.each([
  'http://localhost:8787',
  'https://localhost',
  'http://127.0.0.1:8787',
  'http://[::1]:8787',
])(
  'the issuer %s is refused where the worker is deployed, and served on this machine',
  async (ISSUER) => {
    const env = { ...GOOD, ISSUER }
    expect((await ask(env, 'http://localhost:8787')).status).toBe(200)
    expect((await ask(env, 'http://127.0.0.1:8787')).status).toBe(200)
    expect(lines).toEqual([])
    expect((await ask(env)).status).toBe(503)
    expect(named()).toEqual(['ISSUER'])
    expect((await ask(env, 'https://allauth.example.workers.dev')).status).toBe(503)
  },
)

test('a whole deployment answers, at another host than the issuer too', async () => {
  expect((await ask(GOOD)).status).toBe(200)
  expect((await ask(GOOD, 'https://admin.example.net')).status).toBe(200)
  expect(lines).toEqual([])
})

test('a number in wrangler.toml is read as if it were text', async () => {
  expect((await ask({ ...GOOD, DATABASE_TIMEOUT: 10 })).status).toBe(200)
  expect((await ask({ ...GOOD, DATABASE_TIMEOUT: 600 })).status).toBe(503)
  expect(named()).toEqual(['DATABASE_TIMEOUT'])
})

test('the timer of a faulty deployment says the same, and does not fail', async () => {
  await workers.scheduled({}, { ISSUER: GOOD.ISSUER }, execution)
  expect(named().sort()).toEqual(['DATABASE_URL', 'SECRET_KEY'])
  lines = []
  await workers.scheduled({}, { ...GOOD, ISSUER: 'http://localhost:8787' }, execution)
  expect(named()).toEqual(['ISSUER'])
})
