import { expect, test } from 'vitest'
import type { Actor } from '../../worker/context.ts'
import { grant, role } from '../../worker/db/schema.ts'
import { insertInto } from '../../worker/db/sql.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import { addGroup, deviceApi, startDevices } from './device_api.ts'

async function addRole(worker: TestWorker, name: string, permissions: string[], acl = '[]') {
  const cx = worker.context()
  const times = { created_at: cx.now(), updated_at: cx.now() }
  await cx.db.write(
    insertInto(role, {
      name,
      description: '',
      permissions: JSON.stringify(permissions),
      acl,
      builtin: 0,
      ...times,
      version: 1,
    }),
  )
}

async function addGrant(worker: TestWorker, subject_id: string, name: string, object_id: string) {
  const cx = worker.context()
  const times = { created_at: cx.now(), updated_at: cx.now(), version: 1 }
  const id = `grant-${crypto.randomUUID()}`
  await cx.db.write(insertInto(grant, { id, subject_id, role: name, object_id, ...times }))
}

test('who may write devices cannot change one that holds more, nor lift one into such a group', async () => {
  const { worker, api } = await startDevices(['plain', 'mighty'])
  await addGroup(worker, 'below', 'mighty')
  await addRole(worker, 'boss', ['users:write'])
  await addGrant(worker, 'mighty', 'boss', '*')
  await api('POST', '/v1/devices', { id: 'high', type: 'dimmer', groups: ['below'] })
  await api('POST', '/v1/devices', { id: 'low', type: 'dimmer' })
  const installer: Actor = {
    kind: 'client',
    id: 'installer',
    scopes: new Set(['devices:read', 'devices:write']),
  }
  const theirs = deviceApi(worker, installer)
  const secret = { kind: 'secret' }
  const credential = (await api('POST', '/v1/devices/high/credentials', secret)).body.id
  const refused: [string, string, unknown][] = [
    ['POST', '/v1/devices/high/credentials', secret],
    ['DELETE', `/v1/devices/high/credentials/${credential}`, undefined],
    ['PATCH', '/v1/devices/high', { name: 'mine' }],
    ['PATCH', '/v1/devices/high', { groups: [] }],
    ['DELETE', '/v1/devices/high', undefined],
    ['PATCH', '/v1/devices/low', { groups: ['mighty'] }],
    ['PATCH', '/v1/devices/low', { groups: ['plain', 'below'] }],
    [
      'POST',
      '/v1/devices',
      { id: 'new', type: 'dimmer', groups: ['below'], credentials: [secret] },
    ],
  ]
  for (const [method, path, body] of refused) {
    const answer = await theirs(method, path, body)
    expect(answer.status, `${method} ${path}`).toBe(403)
    expect(JSON.stringify(answer.body.errors)).toContain('users:write')
  }
  expect((await api('GET', '/v1/devices/new')).status).toBe(404)
  expect((await api('GET', '/v1/devices/low')).body.groups).toEqual([])
  expect((await api('GET', '/v1/devices/high')).body).toMatchObject({ name: null })
  const allowed: [string, string, unknown, number][] = [
    ['POST', '/v1/devices', { id: 'new', type: 'dimmer', groups: ['plain'] }, 201],
    ['PATCH', '/v1/devices/low', { groups: ['plain'], status: 'suspended' }, 200],
    ['POST', '/v1/devices/low/credentials', secret, 201],
    ['DELETE', '/v1/devices/low', undefined, 204],
  ]
  for (const [method, path, body, status] of allowed) {
    const { value, roundTrips } = await countRoundTrips(worker, () => theirs(method, path, body))
    expect(value.status, `${method} ${path}`).toBe(status)
    expect(roundTrips).toBeLessThanOrEqual(2)
  }
})

test('a new device begins in a group where others hold a role only by who holds that role there', async () => {
  const { worker, api } = await startDevices(['home', 'office'])
  await addRole(worker, 'resident', ['device:read'])
  await addGrant(worker, 'ann', 'resident', 'home')
  await addGrant(worker, 'installer', 'resident', 'home')
  const scopes = new Set(['devices:write'])
  const installer = deviceApi(worker, { kind: 'user', id: 'installer', scopes })
  const factory = deviceApi(worker, { kind: 'client', id: 'factory', scopes })
  const lamp = { id: 'lamp', type: 'dimmer', groups: ['home'] }
  const refused = await factory('POST', '/v1/devices', lamp)
  expect(refused.status).toBe(403)
  expect(JSON.stringify(refused.body.errors)).toContain('device:read on home')
  expect((await api('GET', '/v1/devices/lamp')).status).toBe(404)
  expect((await installer('POST', '/v1/devices', lamp)).status).toBe(201)
  await api('POST', '/v1/devices', { id: 'fan', type: 'dimmer', groups: ['office'] })
  for (const again of [
    await installer('POST', '/v1/devices', { ...lamp, id: 'fan' }),
    await installer('PATCH', '/v1/devices/fan', { groups: ['home'] }),
  ]) {
    expect([403, 409]).toContain(again.status)
  }
  expect((await api('GET', '/v1/devices/fan')).body.groups).toEqual(['office'])
})

test('who may write devices writes no rules for them that it does not hold itself', async () => {
  const { worker, api } = await startDevices()
  const rule = (permission: 'allow' | 'deny', topic: string) => ({
    permission,
    action: 'all',
    topic,
  })
  const own = rule('allow', 'lamps/${device.id}')
  await addRole(worker, 'lamps', [], JSON.stringify([own]))
  await addGrant(worker, 'factory', 'lamps', '*')
  await api('POST', '/v1/device-types', { name: 'bound', acl: [rule('deny', 'doors/#'), own] })
  const theirs = deviceApi(worker, {
    kind: 'client',
    id: 'factory',
    scopes: new Set(['devices:read', 'devices:write']),
  })
  const all = [rule('allow', '#')]
  for (const [method, path, body] of [
    ['POST', '/v1/device-types', { name: 'master', acl: all }],
    ['POST', '/v1/device-types', { name: 'master', acl: [rule('deny', 'x')] }],
    ['PATCH', '/v1/device-types/dimmer', { acl: all }],
    ['PATCH', '/v1/device-types/bound', { acl: [own] }],
    ['PATCH', '/v1/device-types/bound', { acl: null }],
  ] as const) {
    const answer = await theirs(method, path, body)
    expect(answer.status, `${method} ${path} ${JSON.stringify(body)}`).toBe(403)
    expect(answer.body.errors[0].pointer).toBe('/acl')
  }
  expect((await api('GET', '/v1/device-types/master')).status).toBe(404)
  expect((await api('GET', '/v1/device-types/dimmer')).body.acl).toEqual([])
  expect((await api('GET', '/v1/device-types/bound')).body.acl).toHaveLength(2)
  for (const [method, path, body, status] of [
    ['POST', '/v1/device-types', { name: 'plain' }, 201],
    ['POST', '/v1/device-types', { name: 'lamp', acl: [own] }, 201],
    ['PATCH', '/v1/device-types/dimmer', { acl: [own] }, 200],
    ['PATCH', '/v1/device-types/bound', { description: 'Bound' }, 200],
  ] as const) {
    expect((await theirs(method, path, body)).status, `${method} ${path}`).toBe(status)
  }
})

test('a token for reading devices changes none, and one for other things sees none', async () => {
  const { worker } = await startDevices()
  const actor = (...scopes: string[]): Actor => ({
    kind: 'client',
    id: 'c',
    scopes: new Set(scopes),
  })
  const reader = deviceApi(worker, actor('devices:read'))
  const stranger = deviceApi(worker, actor('users:read', 'users:write', 'access:write'))
  expect((await reader('GET', '/v1/devices')).status).toBe(200)
  const writes: [string, string, unknown][] = [
    ['POST', '/v1/devices', { type: 'dimmer' }],
    ['PATCH', '/v1/devices/d', {}],
    ['DELETE', '/v1/devices/d', undefined],
    ['POST', '/v1/devices/d/credentials', { kind: 'secret' }],
    ['DELETE', '/v1/devices/d/credentials/c', undefined],
    ['POST', '/v1/device-types', { name: 'x' }],
    ['PATCH', '/v1/device-types/dimmer', {}],
    ['DELETE', '/v1/device-types/dimmer', undefined],
  ]
  for (const [method, path, body] of writes) {
    expect((await reader(method, path, body)).status, `${method} ${path}`).toBe(403)
    expect((await stranger(method, path, body)).status, `${method} ${path}`).toBe(403)
  }
  for (const path of ['devices', 'devices/d', 'devices/d/credentials', 'device-types']) {
    expect((await stranger('GET', `/v1/${path}`)).status, path).toBe(403)
  }
})
