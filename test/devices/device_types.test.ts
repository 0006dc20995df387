import { expect, test } from 'vitest'
import type { Plan } from '../../worker/api.ts'
import {
  type DeviceTypeInput,
  deviceTypeInput,
  findDeviceTypesByNames,
  planDeviceType,
} from '../../worker/devices/device_types.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import { type Answer, eventsOf, startDevices } from './device_api.ts'

const acl = [
  { permission: 'allow', action: 'publish', topic: 'sites/${group.id}/devices/${device.id}/state' },
  { permission: 'allow', action: 'subscribe', topic: 'd/${device.id}/set', qos: [0, 1] },
] as const

const pointers = (answer: Answer) =>
  (answer.body.errors ?? []).map((error: { pointer: string }) => error.pointer)

test('a device type is added, read, changed and deleted, and each change leaves an event', async () => {
  const { worker, api } = await startDevices()
  const made = await api('POST', '/v1/device-types', { name: 'lamp', description: 'Lamps', acl })
  expect(made.status).toBe(201)
  expect(made.headers.get('location')).toBe('/v1/device-types/lamp')
  const read = await api('GET', '/v1/device-types/lamp')
  expect(read.body).toEqual(made.body)
  expect(read.body).toMatchObject({ name: 'lamp', description: 'Lamps', acl })
  expect(read.headers.get('etag')).toBe('"1"')
  const changed = await api('PATCH', '/v1/device-types/lamp', { acl: null, description: 'L' })
  expect(changed.body).toMatchObject({ acl: [], description: 'L' })
  expect(changed.headers.get('etag')).toBe('"2"')
  const same = await api('PATCH', '/v1/device-types/lamp', { description: 'L' })
  expect(same.headers.get('etag')).toBe('"2"')
  const members = {
    names: { en: 'Lamp' },
    credential_kinds: ['jwk'],
    claim: 'once',
    fields: { type: 'object', properties: { room: { type: 'string' } } },
  }
  const more = await api('PATCH', '/v1/device-types/lamp', members)
  expect([more.status, more.body]).toEqual([200, expect.objectContaining(members)])
  expect((await api('DELETE', '/v1/device-types/lamp')).status).toBe(204)
  expect((await api('GET', '/v1/device-types/lamp')).status).toBe(404)
  expect((await api('DELETE', '/v1/device-types/lamp')).status).toBe(404)
  expect((await api('PATCH', '/v1/device-types/lamp', {})).status).toBe(404)
  expect(await eventsOf(worker, 'lamp')).toEqual([
    'device_type.created',
    'device_type.updated',
    'device_type.updated',
    'device_type.deleted',
  ])
  expect((await api('POST', '/v1/device-types', { name: 'lamp' })).status).toBe(201)
})

test('a type that devices are of is not deleted', async () => {
  const { worker, api } = await startDevices()
  await api('POST', '/v1/devices', { id: 'd', type: 'dimmer' })
  expect((await api('DELETE', '/v1/device-types/dimmer')).status).toBe(409)
  expect((await api('GET', '/v1/device-types/dimmer')).status).toBe(200)
  await api('DELETE', '/v1/devices/d')
  expect((await api('DELETE', '/v1/device-types/dimmer')).status).toBe(204)
  expect(await eventsOf(worker, 'dimmer')).toEqual(['device_type.created', 'device_type.deleted'])
})

test('of twenty parallel additions of one name one is taken, the others are refused', async () => {
  const { api } = await startDevices()
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      api('POST', '/v1/device-types', { name: 'lamp', description: String(n) }),
    ),
  )
  expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(19).fill(409)])
})

test('a change of a version that is gone is refused, and parallel ones pass once', async () => {
  const { worker, api } = await startDevices()
  const first = { 'if-match': '"1"' }
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, n) =>
      api('PATCH', '/v1/device-types/dimmer', { description: `n${n}` }, first),
    ),
  )
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(412)])
  expect((await api('DELETE', '/v1/device-types/dimmer', undefined, first)).status).toBe(412)
  expect(await eventsOf(worker, 'dimmer')).toEqual(['device_type.created', 'device_type.updated'])
  const second = { 'if-match': '"2"' }
  expect((await api('DELETE', '/v1/device-types/dimmer', undefined, second)).status).toBe(204)
})

test('malformed types are refused with the place of every fault', async () => {
  const { api } = await startDevices()
  const rule = { permission: 'allow', action: 'publish', topic: 'a' }
  const cases: [unknown, string][] = [
    [{}, '/name'],
    [{ name: '' }, '/name'],
    [{ name: 'a/b' }, '/name'],
    [{ name: 'x'.repeat(65) }, '/name'],
    [{ name: 'x', id: 'x' }, ''],
    [{ name: 'x', description: 'a\0b' }, '/description'],
    [{ name: 'x', description: 'x'.repeat(501) }, '/description'],
    [{ name: 'x', acl: {} }, '/acl'],
    [{ name: 'x', acl: Array(65).fill(rule) }, '/acl'],
    [{ name: 'x', acl: [rule, { ...rule, topic: 'a/#/b' }] }, '/acl/1/topic'],
    [{ name: 'x', acl: [{ ...rule, topic: '${device.secret}' }] }, '/acl/0/topic'],
    [{ name: 'x', acl: [{ ...rule, topic: '${device.id' }] }, '/acl/0/topic'],
    [{ name: 'x', acl: [{ ...rule, permission: 'maybe' }] }, '/acl/0/permission'],
    [{ name: 'x', acl: [{ ...rule, qos: [3] }] }, '/acl/0/qos/0'],
    [{ name: 'x', acl: [{ ...rule, condition: 'x' }] }, '/acl/0'],
  ]
  for (const [body, pointer] of cases) {
    const answer = await api('POST', '/v1/device-types', body)
    expect(answer.status, JSON.stringify(body)).toBe(400)
    expect(pointers(answer), JSON.stringify(body)).toContain(pointer)
  }
  console.log(`${cases.length} malformed device types refused`)
  expect((await api('PATCH', '/v1/device-types/dimmer', { name: 'x' })).status).toBe(400)
  expect((await api('GET', '/v1/device-types/x')).status).toBe(404)
})

test('types are listed in pages; reading costs one round trip, writing two at most', async () => {
  const { worker, api } = await startDevices()
  for (const name of ['a', 'b', 'c']) await api('POST', '/v1/device-types', { name })
  const first = await api('GET', '/v1/device-types?limit=3')
  const second = await api('GET', `/v1/device-types?limit=3&cursor=${first.body.next_cursor}`)
  const names = [...first.body.items, ...second.body.items].map(({ name }) => name)
  expect(names).toEqual(['a', 'b', 'c', 'dimmer'])
  const costs: [string, string, unknown, number][] = [
    ['POST', '/v1/device-types', { name: 'lamp', acl }, 1],
    ['GET', '/v1/device-types/lamp', undefined, 1],
    ['GET', '/v1/device-types', undefined, 1],
    ['PATCH', '/v1/device-types/lamp', { acl: [] }, 2],
    ['DELETE', '/v1/device-types/lamp', undefined, 2],
  ]
  for (const [method, path, body, cost] of costs) {
    const { value, roundTrips } = await countRoundTrips(worker, () => api(method, path, body))
    console.log(`${method} ${path}: ${roundTrips} round trips`)
    expect(value.status, `${method} ${path}`).toBeLessThan(300)
    expect(roundTrips, `${method} ${path}`).toBe(cost)
  }
})

async function apply(worker: TestWorker, entry: DeviceTypeInput): Promise<Plan> {
  const cx = worker.context()
  const rows = await cx.db.read(findDeviceTypesByNames([entry.name]))
  const plan = await planDeviceType(cx, deviceTypeInput.parse(entry), rows[0])
  if (plan.statements.length > 0) await cx.db.write(plan.statements)
  return plan
}

test('an entry applied twice changes nothing the second time, nor what it does not name', async () => {
  const { worker, api } = await startDevices()
  const entry = { name: 'lamp', description: 'Lamps', acl: [...acl] } as unknown as DeviceTypeInput
  expect((await apply(worker, entry)).change).toBe('created')
  expect(await apply(worker, entry)).toEqual({ change: 'unchanged', fields: [], statements: [] })
  expect((await apply(worker, { name: 'lamp' })).change).toBe('unchanged')
  const changed = await apply(worker, { name: 'lamp', description: '' })
  expect(changed).toMatchObject({ change: 'updated', fields: ['description'] })
  const { body } = await api('GET', '/v1/device-types/lamp')
  expect(body).toMatchObject({ description: '', acl })
})
