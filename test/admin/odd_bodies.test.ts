// Bodies that are odd or enormous get an answer, and never "an error occurred".
import { expect, test } from 'vitest'
import { startWorker } from '../context.ts'
import { newClientToken } from '../support/operator.ts'

test('deep, wide and broken JSON is refused or stored, never a fault of ours', async () => {
  const worker = await startWorker()
  const access_token = await newClientToken(worker)
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
  const wide = JSON.stringify(Object.fromEntries(Array.from({ length: 40_000 }, (_, i) => [i, ''])))
  const half = '"\\ud800"'
  const bodies = [
    ...['null', '[]', '""', '1e999', '{', `{"id":${deep}}`, deep, wide],
    `{"email":"ann@example.com","metadata":{"a":${deep}}}`,
    `{"email":"ann@example.com","metadata":{"__proto__":{"x":1},"constructor":${half}}}`,
    `{"email":${half},"name":${half}}`,
    `{"id":"h","name":${half}}`,
    `{"name":"h","description":${half}}`,
    `{"name":"v","acl":[{"permission":"allow","action":"all","topic":"\${${'${'.repeat(400)}"}]}`,
    `{"name":"u","acl":[{"permission":"allow","action":"all","topic":${half}}]}`,
    `{"name":"w","acl":${JSON.stringify(Array(9000).fill({ topic: '${x}', permission: 'deny' }))}}`,
    `{"type":"t","metadata":${wide}}`,
    `{"type":"t","name":${half},"credentials":[{"kind":"jwk","jwk":{"kty":"__proto__"}}]}`,
    `{"type":"t","credentials":[{"kind":"jwk","jwk":{"kty":"RSA","n":"${'A'.repeat(9e5)}","e":"AQAB"}}]}`,
    `{"subject":${half},"role":"operator","object":"*"}`,
    `{"subject":{"type":"user","id":${half}},"action":{"name":"a"},"resource":{"type":"device","id":${half}},"context":{"a":${deep}}}`,
    `{"evaluations":${JSON.stringify(Array(101).fill({}))}}`,
    `{"evaluations":${JSON.stringify(Array(100).fill({ subject: { type: 'user', id: 'u' }, action: { name: 'a' }, resource: { type: 'device', id: 'd' } }))}}`,
    `{"client_name":${half},"redirect_uris":[${half}],"scope":${half}}`,
    `{"client_name":"x","jwks":{"keys":[${deep}]}}`,
  ]
  const paths = [
    ...['users', 'devices', 'device-types', 'groups', 'roles', 'grants', 'clients'].map(
      (name) => `/v1/${name}`,
    ),
    '/v1/devices/%ff/tokens',
    '/v1/devices/%25/credentials',
    '/v1/groups/..%2f/members',
    '/access/v1/evaluation',
    '/access/v1/evaluations',
  ]
  const counts: Record<number, number> = {}
  for (const path of paths) {
    for (const body of bodies) {
      const answer = await worker.request(path, {
        method: 'POST',
        body,
        headers: { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' },
      })
      await answer.text()
      expect(answer.status, `${path} ${body.slice(0, 200)}`).toBeLessThan(500)
      counts[answer.status] = (counts[answer.status] ?? 0) + 1
    }
  }
  for (const query of ['limit=1e9', 'limit=x', 'cursor=.', 'cursor=%F0%9F%92%A9', 'email=%ff']) {
    for (const path of paths.slice(0, 7)) {
      const answer = await worker.request(`${path}?${query}`, {
        headers: { authorization: `Bearer ${access_token}` },
      })
      expect(answer.status, `${path}?${query}`).toBeLessThan(500)
    }
  }
  console.log(`${paths.length * bodies.length} odd bodies: ${JSON.stringify(counts)}`)
  expect(counts[400]).toBeGreaterThan(200)
})
