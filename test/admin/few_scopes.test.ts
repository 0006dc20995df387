// A client with few scopes tries the management API, with the tokens that it really gets.
import { expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { startWorker } from '../context.ts'
import { callApi, clientToken } from '../support/operator.ts'

const SECRET = 'few-secret-of-at-least-32-characters-0001'

async function startFew(document: Record<string, unknown> = {}) {
  const worker = await startWorker()
  const client = (client_id: string, scope: string) => ({
    client_id,
    client_secret: SECRET,
    grant_types: ['client_credentials'],
    scope,
  })
  await applyBlueprint(
    worker.context(),
    {
      clients: [
        client('ops', 'manage'),
        client('factory', 'devices:read devices:write access:read access:write events:read'),
      ],
      device_types: [{ name: 'meter' }],
      ...document,
    },
    {},
  )
  const actor = async (client_id: string, scope: string) => {
    const access_token = await clientToken(worker, client_id, SECRET, scope)
    return (method: string, path: string, body?: unknown, more: HeadersInit = {}) =>
      callApi(worker, access_token, method, path, body, more)
  }
  return { worker, actor }
}

test('no token is minted, nor revoked, for a device that holds more than who asks', async () => {
  const { actor } = await startFew({
    roles: [
      { name: 'master', acl: [{ permission: 'allow', action: 'all', topic: '#' }] },
      { name: 'reader', permissions: ['users:read'] },
    ],
    groups: [{ id: 'gateways' }],
    devices: [
      { id: 'meter-1', type: 'meter' },
      { id: 'hub', type: 'meter' },
      { id: 'hub-2', type: 'meter', groups: ['gateways'] },
    ],
    grants: [
      { subject: 'hub', role: 'master', object: '*' },
      { subject: 'gateways', role: 'reader', object: '*' },
    ],
  })
  const ops = await actor('ops', 'manage')
  const factory = await actor('factory', 'devices:write')
  for (const id of ['hub', 'hub-2']) {
    const refused = await factory('POST', `/v1/devices/${id}/tokens`, { expires_in: 600 })
    expect(refused.status, id).toBe(403)
    expect(refused.body['access_token']).toBeUndefined()
    const minted = await ops('POST', `/v1/devices/${id}/tokens`, { expires_in: 600 })
    expect(minted.status).toBe(201)
    const path = `/v1/devices/${id}/tokens/${minted.body['id']}`
    expect((await factory('DELETE', path)).status).toBe(403)
  }
  const own = await factory('POST', '/v1/devices/meter-1/tokens', { expires_in: 600 })
  expect(own.status).toBe(201)
  const path = `/v1/devices/meter-1/tokens/${own.body['id']}`
  expect((await factory('DELETE', path)).status).toBe(204)
})

test('an answer kept for an Idempotency-Key is not given to a token with fewer scopes, or to others', async () => {
  const { actor } = await startFew({ devices: [{ id: 'meter-1', type: 'meter' }] })
  const wide = await actor('factory', 'devices:write access:read')
  const key = { 'idempotency-key': '1' }
  const ask = [`/v1/devices/meter-1/credentials`, { kind: 'secret' }, key] as const
  const first = await wide('POST', ...ask)
  expect(first.status).toBe(201)
  const again = await wide('POST', ...ask)
  expect([again.status, again.body['secret']]).toEqual([201, first.body['secret']])
  const narrow = await actor('factory', 'access:read')
  const refused = await narrow('POST', ...ask)
  expect([refused.status, refused.body['secret']]).toEqual([403, undefined])
  const other = await (await actor('ops', 'manage'))('POST', ...ask)
  expect(other.status).toBe(201)
  expect(other.body['secret']).not.toBe(first.body['secret'])
  expect(again.headers.get('cache-control')).toBe('no-store')
})

test('cursors for lists that are nowhere, and of other lists, are refused and leave nothing in memory', async () => {
  const { worker, actor } = await startFew({
    groups: [{ id: 'g-1' }, { id: 'g-2' }],
    devices: ['a', 'b', 'c'].map((id) => ({ id, type: 'meter', groups: ['g-1', 'g-2'] })),
  })
  const factory = await actor('factory', 'access:read devices:read')
  const page = await factory('GET', '/v1/groups/g-1/members?limit=1')
  const cursor = String(page.body['next_cursor'])
  const rest = await factory('GET', `/v1/groups/g-1/members?cursor=${cursor}`)
  expect(rest.body['items']).toHaveLength(2)
  const before = worker.memory.size
  for (const path of ['groups/g-2/members', 'groups', 'devices', 'devices/a/tokens']) {
    expect((await factory('GET', `/v1/${path}?cursor=${cursor}`)).status, path).toBe(400)
  }
  for (let i = 0; i < 50; i++) {
    const answer = await factory('GET', `/v1/devices/x${i}/tokens?cursor=${cursor}`)
    expect(answer.status).toBe(400)
  }
  expect(worker.memory.size).toBe(before)
})

test('who may write access gives nobody, itself included, what it does not hold', async () => {
  const { actor } = await startFew({
    roles: [
      { name: 'master', acl: [{ permission: 'allow', action: 'all', topic: '#' }] },
      { name: 'viewer', permissions: ['device:read'] },
      { name: 'writer', permissions: ['users:write'] },
    ],
    groups: [
      { id: 'operators' },
      { id: 'below', parent_id: 'operators' },
      { id: 'homes' },
      { id: 'mine' },
    ],
    users: [{ id: 'eve', email: 'eve@example.com' }],
    devices: [{ id: 'meter-1', type: 'meter', groups: ['homes'] }],
    grants: [
      { subject: 'operators', role: 'operator', object: '*' },
      { subject: 'eve', role: 'viewer', object: 'mine' },
    ],
  })
  const few = await actor('factory', 'access:write devices:write')
  const tries: [string, string, unknown][] = [
    ['POST', '/v1/grants', { subject: 'factory', role: 'operator', object: '*' }],
    ['POST', '/v1/grants', { subject: 'factory', role: 'operator', object: 'meter-1' }],
    ['POST', '/v1/grants', { subject: 'eve', role: 'writer', object: '*' }],
    ['POST', '/v1/grants', { subject: 'eve', role: 'viewer', object: 'meter-1' }],
    ['POST', '/v1/grants', { subject: 'eve', role: 'master', object: 'mine' }],
    ['POST', '/v1/grants', { subject: 'EVE@example.com', role: 'viewer', object: 'homes' }],
    ['POST', '/v1/groups/operators/members', { id: 'eve' }],
    ['POST', '/v1/groups/below/members', { id: 'Eve@example.com' }],
    ['POST', '/v1/groups/below/members', { id: 'factory' }],
    ['POST', '/v1/groups/mine/members', { id: 'meter-1' }],
    ['PATCH', '/v1/devices/meter-1', { groups: ['homes', 'mine'] }],
    ['POST', '/v1/devices', { id: 'n', type: 'meter', groups: ['operators'] }],
    ['PATCH', '/v1/groups/homes', { parent_id: 'mine' }],
    ['PATCH', '/v1/groups/homes', { parent_id: 'below' }],
    ['POST', '/v1/groups', { id: 'sub', parent_id: 'mine' }],
    ['PATCH', '/v1/roles/viewer', { permissions: ['device:read', 'manage'] }],
    ['PATCH', '/v1/roles/viewer', { acl: [{ permission: 'allow', action: 'all', topic: '#' }] }],
    ['POST', '/v1/roles', { name: 'x', permissions: ['users:write'] }],
    ['POST', '/v1/roles', { name: 'x', permissions: ['door:open'] }],
    ['POST', '/v1/roles', { name: 'x', acl: [{ permission: 'deny', action: 'all', topic: 'a' }] }],
  ]
  for (const [method, path, body] of tries) {
    const answer = await few(method, path, body)
    expect(answer.status, `${method} ${path} ${JSON.stringify(body)}`).toBe(403)
  }
  console.log(`${tries.length} ways refused`)
})
