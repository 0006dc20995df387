// Edges of HTTP: preflight, health checks, weak tags, headers of storing and opening, Host.
import { expect, test } from 'vitest'
import { startWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'

const READABLE = [
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
  '/.well-known/oauth-protected-resource/v1',
  '/.well-known/authzen-configuration',
  '/.well-known/jwks.json',
  '/.well-known/paserk.json',
  '/openapi.json',
]

test.each(READABLE)('a browser may read %s, with headers of its own too', async (path) => {
  const worker = await startWorker()
  const from = { origin: 'https://app.example', 'access-control-request-method': 'GET' }
  const asked = { ...from, 'access-control-request-headers': 'dpop,x-sdk' }
  const preflight = await worker.request(path, { method: 'OPTIONS', headers: asked })
  expect(preflight.status).toBe(204)
  expect(preflight.headers.get('access-control-allow-origin')).toBe('*')
  expect(preflight.headers.get('access-control-allow-methods')).toBe('GET, HEAD')
  expect(preflight.headers.get('access-control-allow-headers')).toContain('*')
  const read = await worker.request(path, { headers: from })
  expect([read.status, read.headers.get('access-control-allow-origin')]).toEqual([200, '*'])
})

test('a load balancer checks health with GET, HEAD and OPTIONS', async () => {
  const worker = await startWorker()
  for (const path of ['/healthz', '/readyz']) {
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      expect([method, (await worker.request(path, { method })).status]).toEqual([method, 200])
    }
  }
})

test('a tag that a proxy made weak is compared by its value', async () => {
  const worker = await startWorker()
  const operator = await newClientToken(worker)
  await callApi(worker, operator, 'POST', '/v1/groups', { id: 'g', name: 'Site' })
  const change = (tag: string) =>
    callApi(worker, operator, 'PATCH', '/v1/groups/g', { name: tag }, { 'if-match': tag })
  expect((await change('W/"1"')).status).toBe(200)
  expect((await change('W/"1"')).status).toBe(412)
  expect((await change('"2"')).status).toBe(200)
  for (const tag of ['w/"3"', 'W/3', 'W/ "3"', '"3-gzip"']) {
    expect([tag, (await change(tag)).status]).toEqual([tag, 412])
  }
})

test('no answer of /v1 is stored, refusals neither', async () => {
  const worker = await startWorker()
  const operator = await newClientToken(worker)
  const paths = ['users', 'devices', 'device-types', 'groups', 'roles', 'grants', 'clients', 'keys']
  for (const path of [...paths, 'events', 'settings', 'nothing', 'users/nobody']) {
    const { headers } = await callApi(worker, operator, 'GET', `/v1/${path}`)
    expect([path, headers.get('cache-control')]).toEqual([path, 'no-store'])
  }
  const anonymous = await worker.request('/v1/users')
  expect([anonymous.status, anonymous.headers.get('cache-control')]).toEqual([401, 'no-store'])
})

test('no window keeps hold of a page that it opened', async () => {
  const worker = await startWorker()
  const html = { headers: { accept: 'text/html' } }
  for (const path of ['/login', '/account', '/device', '/oauth/authorize', '/setup', '/nowhere']) {
    const answer = await worker.request(path, html)
    // A redirect leaves that to the page behind it.
    const policy = answer.headers.has('location') ? null : 'same-origin'
    expect([path, answer.headers.get('cross-origin-opener-policy')]).toEqual([path, policy])
  }
})

test.each([
  ...['evil.example/x', 'a b', 'evil.example?x', 'evil.example#x', 'user@evil.example', ''],
  ...[
    'evil.example, id.example',
    'evil.example:port',
    'http://evil.example',
    '[::1',
    'a\\b',
    'ä.de',
  ],
])('a Host that is none is refused: %s', async (host) => {
  const worker = await startWorker()
  for (const path of ['/healthz', '/v1/users', '/oauth/token']) {
    // A Request of workerd takes a Host; its bytes are Latin-1.
    const answer = await worker.request(path, { headers: { host } })
    expect([path, answer.status]).toEqual([path, 400])
  }
  expect(worker.log.at(-1)?.fields['reason']).toBe('bad_host')
})

test.each([
  'id.example',
  'ID.example:8443',
  'localhost:8787',
  'my_service',
  '127.0.0.1',
  '[::1]:80',
])('a Host is taken: %s', async (host) => {
  const worker = await startWorker()
  expect((await worker.request('/healthz', { headers: { host } })).status).toBe(200)
})
