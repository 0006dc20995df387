// The wiring: what every answer has, what a surface shows, and what is said when the database is
// gone.
import { expect, test } from 'vitest'
import { createApp } from '../../worker/app.ts'
import { ANONYMOUS } from '../../worker/context.ts'
import { ConstraintViolation, databaseOver } from '../../worker/db/database.ts'
import { openRemoteDatabase } from '../../worker/entry/remote_database.ts'
import { JOBS, runJobs } from '../../worker/jobs.ts'
import { countRoundTrips, startWorker } from '../context.ts'

const MANAGEMENT = ['/v1/users', '/v1/devices', '/access/v1/evaluation', '/openapi.json']
const PEOPLE = ['/login', '/oauth/authorize', '/style.css']
const SHARED = ['/.well-known/jwks.json', '/.well-known/openid-configuration', '/healthz']

async function statusesOf(surface: string, paths: readonly string[]) {
  const worker = await startWorker({ SURFACE: surface })
  return Promise.all(paths.map(async (path) => (await worker.request(path)).status))
}

test('a public surface hides the management API, an internal one hides the pages', async () => {
  expect(await statusesOf('public', MANAGEMENT)).toEqual([404, 404, 404, 404])
  expect(await statusesOf('public', [...PEOPLE, ...SHARED])).not.toContain(404)
  expect(await statusesOf('internal', PEOPLE)).toEqual([404, 404, 404])
  expect(await statusesOf('internal', [...SHARED, '/openapi.json'])).toEqual([200, 200, 200, 200])
  expect(await statusesOf('internal', ['/v1/users'])).toEqual([401])
  expect(await statusesOf('all', [...MANAGEMENT, ...PEOPLE, ...SHARED])).not.toContain(404)
})

test('health costs no database round trip', async () => {
  const worker = await startWorker()
  const { value, roundTrips } = await countRoundTrips(worker, () => worker.request('/healthz'))
  expect(value.status).toBe(200)
  expect(roundTrips).toBe(0)
})

test('every answer forbids sniffing, and over https names HSTS', async () => {
  const plain = await startWorker()
  const secure = await startWorker({ ISSUER: 'https://id.example.com' })
  for (const path of ['/healthz', '/login', '/nowhere', '/v1/users']) {
    const answer = await plain.request(path)
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('strict-transport-security')).toBeNull()
    const over = await secure.app.request(`https://id.example.com${path}`)
    expect(over.headers.get('strict-transport-security')).toMatch(/^max-age=\d{8}/)
  }
})

test('a page that is not there is a page for people and JSON for programs', async () => {
  const worker = await startWorker()
  const page = await worker.request('/nowhere', { headers: { accept: 'text/html' } })
  expect(page.status).toBe(404)
  expect(page.headers.get('content-type')).toContain('text/html')
  expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
  const json = await worker.request('/nowhere')
  expect(json.headers.get('content-type')).toContain('application/json')
})

test('without its database the worker answers 503 in the words of each protocol, and says nothing more', async () => {
  const worker = await startWorker()
  const gone = createApp((request) => ({
    ...worker.context(ANONYMOUS, request.headers.get('x-test-address') ?? ''),
    memory: new Map(),
    // Nothing listens on this port.
    db: openRemoteDatabase({ url: 'http://127.0.0.1:9', patience: 500 }),
  }))
  const get = (path: string) => gone.request(`http://localhost:8787${path}`)
  expect((await get('/healthz')).status).toBe(200)
  for (const path of ['/readyz', '/.well-known/jwks.json']) {
    const answer = await get(path)
    expect(answer.status, path).toBe(503)
    expect(answer.headers.get('retry-after')).toBe('2')
    expect(await answer.json()).toMatchObject({ error: 'temporarily_unavailable' })
  }
  const token = await gone.request('http://localhost:8787/oauth/token', {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: 'x',
      client_secret: 'y',
    }),
  })
  expect(token.status).toBe(503)
  expect(await token.json()).toMatchObject({ error: 'temporarily_unavailable' })
  const page = await get('/oauth/authorize?client_id=app&response_type=code')
  expect(page.status).toBe(503)
  expect(await page.text()).not.toMatch(/127\.0\.0\.1:9|fetch|stack/)
})

test('a fault of ours is logged and answered without detail', async () => {
  const worker = await startWorker()
  const broken = createApp(() => ({
    ...worker.context(ANONYMOUS),
    memory: new Map(),
    db: databaseOver({
      read: () => Promise.reject(new Error('a secret detail')),
      write: () => Promise.reject(new Error('a secret detail')),
    }),
  }))
  const answer = await broken.request('http://localhost:8787/.well-known/jwks.json')
  expect(answer.status).toBe(500)
  expect(await answer.text()).not.toContain('secret')
  expect(JSON.stringify(worker.log)).toContain('a secret detail')
})

test('a violation that no rule foresaw is a 500, with its cause in the log', async () => {
  const worker = await startWorker()
  const fault = () => Promise.reject(new ConstraintViolation('not_null', 'device.created_at'))
  const broken = createApp(() => ({
    ...worker.context(ANONYMOUS),
    memory: new Map(),
    db: databaseOver({ read: fault, write: fault }),
  }))
  const answer = await broken.request('http://localhost:8787/.well-known/jwks.json')
  expect(answer.status).toBe(500)
  expect(await answer.text()).not.toContain('device')
  expect(JSON.stringify(worker.log)).toContain('not_null constraint failed: device.created_at')
})

test('of many instances one runs a job, and again when its time has come', async () => {
  const worker = await startWorker()
  // One of each: `forget`, `address_keys`, `sessions`, `closed_accounts`, `ended_memberships`;
  // two of `deliveries` (kinds);
  // of `bulk`, two of `status` (changes, lists); and the settings that `forget` reads.
  const work = 11
  const longest = Math.max(...JOBS.map((job) => job.every))
  const leases = async () => {
    const contexts = Array.from({ length: 5 }, () => worker.context())
    const before = await worker.roundTrips()
    await Promise.all(contexts.map((cx) => runJobs(cx)))
    return (await worker.roundTrips()) - before - contexts.length * JOBS.length
  }
  expect(await leases(), 'one instance did the work').toBe(work)
  expect(await leases(), 'nobody, so soon after').toBe(0)
  worker.clock.now += longest
  expect(await leases()).toBe(work)
  expect(worker.log.filter(({ level }) => level === 'error')).toEqual([])
})
