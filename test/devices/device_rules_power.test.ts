// Nobody hands out rules by the type of a device, nor by a value that a rule reads, that it could not
// write itself. What names the device alone is what devices:write is for.
import { expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import type { Actor } from '../../worker/context.ts'
import { changeDeviceType } from '../../worker/devices/device_types.ts'
import { createDevice } from '../../worker/devices/devices.ts'
import { countRoundTrips, startWorker } from '../context.ts'
import { callApi, clientToken, newClientToken } from '../support/operator.ts'
import { overtakenOnce } from '../support/repeated_writes.ts'

const allow = (topic: string) => ({ permission: 'allow', action: 'all', topic })
const deny = (topic: string) => ({ permission: 'deny', action: 'all', topic })
const SITE = allow('sites/${device.metadata.site}/#')
const CHANNEL = allow('channels/${clientid}/#')
const PLACE = allow('places/${group.id}/#')

const SECRET = 'few-secret-of-at-least-32-characters-0001'
const SCOPE = 'devices:read devices:write access:write'

/** factory holds devices:write and access:write, and the rules of `placed` on the group home. */
async function startFactory() {
  const worker = await startWorker()
  await applyBlueprint(
    worker.context(),
    {
      groups: [{ id: 'home' }, { id: 'room', parent_id: 'home' }, { id: 'office' }],
      device_types: [
        { name: 'plain' },
        { name: 'own', acl: [allow('lamps/${device.id}/#'), allow('p/${group.id}/${subject.id}')] },
        { name: 'broad', acl: [allow('#')] },
        { name: 'bound', acl: [deny('doors/#')] },
        { name: 'sited', acl: [SITE] },
        { name: 'named', acl: [allow('${device.metadata.site}/${device.id}')] },
        { name: 'channelled', acl: [CHANNEL] },
        { name: 'placed', acl: [PLACE] },
      ],
      roles: [
        { name: 'reader', acl: [SITE] },
        { name: 'listener', acl: [CHANNEL] },
        { name: 'placer', acl: [PLACE] },
        { name: 'keeper', permissions: ['device:read'] },
      ],
      clients: [
        {
          client_id: 'factory',
          client_secret: SECRET,
          grant_types: ['client_credentials'],
          scope: SCOPE,
        },
      ],
      users: [{ id: 'bob', email: 'bob@example.com' }],
      devices: [
        { id: 'low', type: 'plain' },
        { id: 'lamp', type: 'own' },
        { id: 'hub', type: 'broad' },
        { id: 'caged', type: 'bound' },
        { id: 'meter', type: 'sited', metadata: { site: 'a', floor: '1' } },
        { id: 'blank', type: 'sited' },
        { id: 'radio', type: 'channelled', mqtt_client_id: 'c-1' },
        { id: 'silent', type: 'channelled' },
        { id: 'there', type: 'placed' },
        { id: 'read', type: 'plain', groups: ['room'], metadata: { site: 'a', floor: '1' } },
        { id: 'heard', type: 'plain' },
      ],
      grants: [
        { subject: 'factory', role: 'placer', object: 'home' },
        { subject: 'factory', role: 'reader', object: 'home' },
        { subject: 'factory', role: 'listener', object: 'home' },
        { subject: 'bob', role: 'reader', object: 'home' },
        { subject: 'heard', role: 'listener', object: 'home' },
      ],
    },
    {},
  )
  const factory: Actor = { kind: 'client', id: 'factory', scopes: new Set(SCOPE.split(' ')) }
  return { worker, factory }
}

/** Calls of factory over HTTP, and of an operator. */
async function startCalls() {
  const house = await startFactory()
  const { worker } = house
  const token = await clientToken(worker, 'factory', SECRET, SCOPE)
  const manage = await newClientToken(worker)
  const as = (access_token: string) => (method: string, path: string, body?: unknown) =>
    callApi(worker, access_token, method, path, body)
  return { ...house, few: as(token), ops: as(manage) }
}

const NEW_SECRET = { kind: 'secret' }

const REFUSED: [string, string, unknown, string][] = [
  ['POST', '/v1/devices', { id: 'n', type: 'broad' }, '/type'],
  ['POST', '/v1/devices', { id: 'n', type: 'bound' }, '/type'],
  ['POST', '/v1/devices', { id: 'n', type: 'sited', metadata: { site: 'b' } }, '/type'],
  ['POST', '/v1/devices', { id: 'n', type: 'named', metadata: { site: 'b' } }, '/type'],
  ['POST', '/v1/devices', { id: 'n', type: 'channelled', mqtt_client_id: 'main' }, '/type'],
  ['POST', '/v1/devices', { id: 'n', type: 'placed', groups: ['office'] }, '/type'],
  [
    'POST',
    '/v1/devices',
    { id: 'n', type: 'plain', groups: ['home'], metadata: { site: 'b' } },
    '/metadata',
  ],
  ['PATCH', '/v1/devices/low', { type: 'broad' }, '/type'],
  ['PATCH', '/v1/devices/low', { type: 'bound' }, '/type'],
  ['PATCH', '/v1/devices/caged', { type: 'plain' }, '/type'],
  ['PATCH', '/v1/devices/hub', { type: 'plain' }, '/type'],
  ['PATCH', '/v1/devices/hub', { name: 'Mine' }, '/type'],
  ['PATCH', '/v1/devices/meter', { metadata: { site: 'b' } }, '/type'],
  ['PATCH', '/v1/devices/meter', { metadata: null }, '/type'],
  ['PATCH', '/v1/devices/blank', { metadata: { site: 'b' } }, '/type'],
  ['PATCH', '/v1/devices/silent', { mqtt_client_id: 'main' }, '/type'],
  ['PATCH', '/v1/devices/there', { groups: ['office'] }, '/type'],
  ['PATCH', '/v1/devices/read', { metadata: { site: 'b' } }, '/metadata'],
  ['PATCH', '/v1/devices/read', { metadata: null }, '/metadata'],
  ['PATCH', '/v1/devices/heard', { mqtt_client_id: 'main' }, '/mqtt_client_id'],
  ['POST', '/v1/devices/hub/credentials', NEW_SECRET, '/type'],
  ['POST', '/v1/devices/hub/tokens', { expires_in: 600 }, '/type'],
  ['DELETE', '/v1/devices/hub', undefined, '/type'],
  ['POST', '/v1/groups/office/members', { id: 'there' }, '/type'],
]

test('no type, value or place is given by which a device or a role gets more than the actor may write', async () => {
  const { few, ops } = await startCalls()
  for (const [method, path, body, pointer] of REFUSED) {
    const { status, body: answer } = await few(method, path, body)
    const pointers = ((answer['errors'] ?? []) as { pointer: string }[]).map((one) => one.pointer)
    const tried = `${method} ${path} ${JSON.stringify(body)}`
    expect([tried, status, pointers]).toEqual([tried, 403, expect.arrayContaining([pointer])])
  }
  expect((await ops('GET', '/v1/devices/n')).status).toBe(404)
  expect((await ops('GET', '/v1/devices/low')).body['type']).toBe('plain')
  expect((await ops('GET', '/v1/devices/read')).body['metadata']).toEqual({ site: 'a', floor: '1' })
  expect((await ops('PATCH', '/v1/devices/low', { type: 'broad' })).status).toBe(200)
  expect((await ops('PATCH', '/v1/devices/read', { metadata: { site: 'b' } })).status).toBe(200)
})

test('what names the device alone, is void or is held by the actor needs no more, in two round trips', async () => {
  const { few, worker } = await startCalls()
  const allowed: [string, string, unknown, number][] = [
    [
      'POST',
      '/v1/devices',
      { id: 'n-1', type: 'own', groups: ['office'], metadata: { site: 'b' } },
      201,
    ],
    ['POST', '/v1/devices', { id: 'n-2', type: 'sited', metadata: { floor: '2' } }, 201],
    ['POST', '/v1/devices', { id: 'n-3', type: 'channelled' }, 201],
    ['POST', '/v1/devices', { id: 'n-4', type: 'placed' }, 201],
    [
      'POST',
      '/v1/devices',
      { id: 'n-5', type: 'plain', groups: ['office'], metadata: { site: 'b' } },
      201,
    ],
    ['PATCH', '/v1/devices/low', { type: 'own' }, 200],
    ['PATCH', '/v1/devices/lamp', { name: 'Lamp', metadata: { site: 'b' } }, 200],
    ['PATCH', '/v1/devices/lamp', { mqtt_client_id: 'lamp-client' }, 200],
    ['PATCH', '/v1/devices/read', { metadata: { floor: '2' } }, 200],
    ['PATCH', '/v1/devices/read', { name: 'Read' }, 200],
    ['POST', '/v1/devices/lamp/credentials', NEW_SECRET, 201],
    ['POST', '/v1/groups/office/members', { id: 'lamp' }, 201],
    ['DELETE', '/v1/devices/lamp', undefined, 204],
  ]
  for (const [method, path, body, status] of allowed) {
    const { value, roundTrips } = await countRoundTrips(worker, () => few(method, path, body))
    const tried = `${method} ${path} ${JSON.stringify(body)}`
    expect([tried, value.status, value.body]).toEqual([tried, status, value.body])
    // With the guard, and one more where rules of others read what changes.
    const most = tried.startsWith('PATCH') && tried.includes('"floor"') ? 4 : 3
    expect(roundTrips, tried).toBeLessThanOrEqual(most)
  }
})

test('a type that grows between the look and the write is given to no device', async () => {
  const { worker, factory } = await startFactory()
  const cx = overtakenOnce(worker.context(factory), () =>
    changeDeviceType(
      worker.context(),
      'plain',
      { acl: [{ permission: 'allow', action: 'all', topic: '#' }] },
      null,
    ),
  )
  await expect(createDevice(cx, { id: 'n', type: 'plain' })).rejects.toMatchObject({
    type: 'forbidden',
  })
})
