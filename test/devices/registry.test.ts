// The record of a device beyond its name: numbers of makers, tags, the gateway, when it was seen,
// and metadata with the schema of a type.
import { expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import { type Answer, deviceApi, newJwk, startDevices } from './device_api.ts'

const pointers = (answer: Answer) =>
  (answer.body.errors ?? []).map((error: { pointer: string }) => error.pointer)

const mac = (value: string) => ({ kind: 'mac', value })
const serial = (value: string) => ({ kind: 'serial', value })

test('a device has several hardware ids, and each common way to write one is the same number', async () => {
  const { api } = await startDevices()
  const hardware_ids = [mac('00:1b:44:11:3a:b7'), serial('SN-0002'), serial('SN 0001')]
  const made = await api('POST', '/v1/devices', { id: 'a', type: 'dimmer', hardware_ids })
  expect(made.status).toBe(201)
  expect(made.body.hardware_ids).toEqual(hardware_ids)
  for (const value of [
    '001B44113AB7',
    '00-1b-44-11-3A-b7',
    '001b.4411.3ab7',
    '00 1b 44 11 3a b7',
  ]) {
    const other = await api('POST', '/v1/devices', { type: 'dimmer', hardware_ids: [mac(value)] })
    expect(other.status, value).toBe(409)
    expect(pointers(other)).toEqual(['/hardware_ids'])
    const found = await api('GET', `/v1/devices?hardware_id=mac:${encodeURIComponent(value)}`)
    expect(
      found.body.items.map(({ id }: { id: string }) => id),
      value,
    ).toEqual(['a'])
  }
  const twice = [serial('x 1'), serial('X1')]
  const same = await api('POST', '/v1/devices', { type: 'dimmer', hardware_ids: twice })
  expect(same.status).toBe(400)
  const imei = { kind: 'imei', value: '49-015420-323751-8' }
  expect((await api('PATCH', '/v1/devices/a', { hardware_ids: [imei] })).status).toBe(200)
  // The same phone with the version of its software, and with no check digit.
  for (const value of ['4901542032375101', '49015420323751']) {
    const found = await api('GET', `/v1/devices?hardware_id=imei:${value}`)
    expect(found.body.items, value).toHaveLength(1)
  }
  for (const bad of [mac('00:1b'), mac('zz:1b:44:11:3a:b7'), { kind: 'imei', value: '12' }]) {
    const refused = await api('PATCH', '/v1/devices/a', { hardware_ids: [bad] })
    expect(refused.status, JSON.stringify(bad)).toBe(400)
  }
  const unknown = await api('GET', '/v1/devices?hardware_id=imei')
  expect([unknown.status, pointers(unknown)]).toEqual([400, ['/hardware_id']])
})

test('a hardware id is taken from another device by nobody, and free once that one gives it up or is gone', async () => {
  const { api } = await startDevices()
  await api('POST', '/v1/devices', { id: 'a', type: 'dimmer', hardware_ids: [serial('S1')] })
  await api('POST', '/v1/devices', { id: 'b', type: 'dimmer' })
  expect((await api('PATCH', '/v1/devices/b', { hardware_ids: [serial('s1')] })).status).toBe(409)
  expect((await api('GET', '/v1/devices/b')).body.hardware_ids).toEqual([])
  expect((await api('PATCH', '/v1/devices/a', { hardware_ids: null })).body.hardware_ids).toEqual(
    [],
  )
  expect((await api('PATCH', '/v1/devices/b', { hardware_ids: [serial('s1')] })).status).toBe(200)
  await api('DELETE', '/v1/devices/b')
  const next = await api('POST', '/v1/devices', { type: 'dimmer', hardware_ids: [serial('S1')] })
  expect(next.status).toBe(201)
})

test('of twenty devices that claim one hardware id at once one gets it', async () => {
  const { api } = await startDevices()
  const answers = await Promise.all(
    Array.from({ length: 20 }, () =>
      api('POST', '/v1/devices', { type: 'dimmer', hardware_ids: [serial('S1')] }),
    ),
  )
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
  expect(answers.filter(({ status }) => status === 409)).toHaveLength(19)
})

test('a gateway is another device, and none is behind itself', async () => {
  const { api } = await startDevices()
  for (const id of ['a', 'b', 'c']) await api('POST', '/v1/devices', { id, type: 'dimmer' })
  expect((await api('PATCH', '/v1/devices/b', { parent: 'a' })).body.parent).toBe('a')
  expect((await api('PATCH', '/v1/devices/c', { parent: 'b' })).status).toBe(200)
  for (const [id, parent] of [
    ['a', 'c'],
    ['a', 'a'],
    ['b', 'c'],
  ]) {
    const circle = await api('PATCH', `/v1/devices/${id}`, { parent })
    expect([circle.status, pointers(circle)], `${id} behind ${parent}`).toEqual([409, ['/parent']])
  }
  const missing = await api('PATCH', '/v1/devices/a', { parent: 'nobody' })
  expect([missing.status, pointers(missing)]).toEqual([400, ['/parent']])
  const own = await api('POST', '/v1/devices', { id: 'd', type: 'dimmer', parent: 'd' })
  expect(own.status).toBe(400)
  const behind = await api('GET', '/v1/devices?parent=a')
  expect(behind.body.items.map(({ id }: { id: string }) => id)).toEqual(['b'])
  await api('DELETE', '/v1/devices/a')
  expect((await api('GET', '/v1/devices/b')).body.parent).toBeNull()
})

test('of two changes that make a circle together one is refused', async () => {
  const { api } = await startDevices()
  for (const id of ['a', 'b']) await api('POST', '/v1/devices', { id, type: 'dimmer' })
  const answers = await Promise.all([
    api('PATCH', '/v1/devices/a', { parent: 'b' }),
    api('PATCH', '/v1/devices/b', { parent: 'a' }),
  ])
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
})

test('metadata are texts, unless the type has fields: then they are what its JSON Schema says', async () => {
  const { api } = await startDevices()
  const metadata = { site: 'a', watt: 40, on: true, limits: { low: 1 } }
  const plain = await api('POST', '/v1/devices', { id: 'p', type: 'dimmer', metadata })
  expect(plain.status).toBe(400)
  expect(pointers(plain)).toEqual(['/metadata/watt', '/metadata/on', '/metadata/limits'])
  const fields = {
    type: 'object',
    properties: { watt: { type: 'integer', maximum: 100 }, site: { type: 'string' } },
    required: ['site'],
  }
  const typed = await api('POST', '/v1/device-types', { name: 'lamp', fields })
  expect([typed.status, typed.body.fields]).toEqual([201, fields])
  const made = await api('POST', '/v1/devices', { id: 'l', type: 'lamp', metadata })
  expect([made.status, made.body.metadata]).toEqual([201, metadata])
  const wrong = await api('PATCH', '/v1/devices/l', { metadata: { watt: 'much' } })
  expect([wrong.status, pointers(wrong)]).toEqual([400, ['/metadata/watt']])
  const less = await api('PATCH', '/v1/devices/l', { metadata: { site: null } })
  expect(less.status).toBe(400)
  // A merge patch reaches below.
  const merged = await api('PATCH', '/v1/devices/l', {
    metadata: { limits: { high: 9 }, on: null },
  })
  expect(merged.body.metadata).toEqual({ site: 'a', watt: 40, limits: { low: 1, high: 9 } })
  // A type that its metadata do not fit is refused, and so is one without the fields.
  expect((await api('PATCH', '/v1/devices/l', { type: 'dimmer' })).status).toBe(400)
  const large = { site: 'a', text: Array.from({ length: 300 }, () => 'x'.repeat(60)) }
  expect((await api('PATCH', '/v1/devices/l', { metadata: large })).status).toBe(400)
  expect((await api('GET', '/v1/devices/l')).body.metadata).toEqual(merged.body.metadata)
})

test('a schema that fetches, cannot be read or may take for ever is refused when it is saved', async () => {
  const { api } = await startDevices()
  for (const fields of [
    { properties: { a: { $ref: 'https://example.com/schema' } } },
    { properties: { a: { $ref: '#/$defs/nothing' } } },
    { properties: { a: { pattern: '(a+)+$' } } },
    { properties: { a: { pattern: '(' } } },
    { type: 'array' },
    { description: 'x'.repeat(20_000) },
  ]) {
    const refused = await api('POST', '/v1/device-types', { name: 'bad', fields })
    expect(refused.status, JSON.stringify(fields).slice(0, 80)).toBe(400)
    expect(pointers(refused)).toEqual(['/fields'])
  }
})

test('a type says which credentials its devices get', async () => {
  const { api } = await startDevices()
  const type = await api('POST', '/v1/device-types', {
    name: 'lock',
    credential_kinds: ['jwk'],
    names: { de: 'Schloss', en: 'Lock' },
    permissions: ['lock:open', 'device:read'],
    token_ttl: 600,
    claim: 'once',
  })
  expect(type.body).toMatchObject({
    credential_kinds: ['jwk'],
    names: { de: 'Schloss', en: 'Lock' },
    permissions: ['device:read', 'lock:open'],
    token_ttl: 600,
    claim: 'once',
    fields: null,
  })
  const credentials = [{ kind: 'secret' }]
  const refused = await api('POST', '/v1/devices', { id: 'l', type: 'lock', credentials })
  expect([refused.status, pointers(refused)]).toEqual([409, ['/credentials/0/kind']])
  await api('POST', '/v1/devices', { id: 'l', type: 'lock' })
  const added = await api('POST', '/v1/devices/l/credentials', { kind: 'secret' })
  expect([added.status, pointers(added)]).toEqual([409, ['/kind']])
  const jwk = await newJwk()
  const key = await api('POST', '/v1/devices/l/credentials', { kind: 'jwk', jwk })
  expect(key.status).toBe(201)
})

const secretOf = (answer: Answer) => answer.body.credentials[0].secret as string

async function tokenOf(worker: TestWorker, id: string, secret: string) {
  const answer = await worker.request('/oauth/token', {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${id}:${secret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

test('a token counts as long as the type of the device says, and notes it as seen once a minute', async () => {
  const { worker, api } = await startDevices()
  await api('POST', '/v1/device-types', { name: 'short', token_ttl: 120 })
  const credentials = [{ kind: 'secret' }]
  const secret = secretOf(await api('POST', '/v1/devices', { id: 's', type: 'short', credentials }))
  const first = worker.clock.now
  expect((await tokenOf(worker, 's', secret)).body['expires_in']).toBe(120)
  const read = async () => (await api('GET', '/v1/devices/s')).body
  await expect.poll(read).toMatchObject({ first_seen_at: first, last_seen_at: first })
  worker.clock.now += 30
  await tokenOf(worker, 's', secret)
  expect(await read()).toMatchObject({ last_seen_at: first })
  worker.clock.now += 40
  await tokenOf(worker, 's', secret)
  await expect
    .poll(read)
    .toMatchObject({ first_seen_at: first, last_seen_at: worker.clock.now, updated_at: first })
})

test('an unclaimed device proves who it is, and gets no token for topics', async () => {
  const { worker, api } = await startDevices()
  const made = await api('POST', '/v1/devices', {
    id: 'u',
    type: 'dimmer',
    status: 'unclaimed',
    credentials: [{ kind: 'secret' }],
  })
  expect(made.body.status).toBe('unclaimed')
  const refused = await tokenOf(worker, 'u', secretOf(made))
  expect([refused.status, refused.body['error']]).toEqual([400, 'invalid_scope'])
  // No operator sets a device back by a change: that is a release.
  expect((await api('PATCH', '/v1/devices/u', { status: 'unclaimed' })).status).toBe(400)
  expect((await api('PATCH', '/v1/devices/u', { status: 'active' })).status).toBe(200)
  expect((await tokenOf(worker, 'u', secretOf(made))).status).toBe(200)
})

test('a blueprint says all of it, and a second run changes nothing', async () => {
  const { worker, api } = await startDevices()
  const blueprint = {
    device_types: [
      { name: 'lamp', fields: { properties: { watt: { type: 'integer' } } }, claim: 'again' },
    ],
    devices: [
      { id: 'gw', type: 'dimmer' },
      {
        id: 'l',
        type: 'lamp',
        status: 'unclaimed',
        metadata: { watt: 40, more: { a: 1 } },
        hardware_ids: [serial('S1')],
        tags: ['b', 'a'],
        parent: 'gw',
      },
    ],
  }
  const first = await applyBlueprint(worker.context(), blueprint, {})
  expect(first.changes).toHaveLength(3)
  await api('PATCH', '/v1/devices/l', { status: 'active' })
  const second = await applyBlueprint(worker.context(), blueprint, {})
  expect(second.changes).toEqual([])
  expect((await api('GET', '/v1/devices/l')).body).toMatchObject({
    status: 'active',
    tags: ['a', 'b'],
    parent: 'gw',
    metadata: { watt: 40, more: { a: 1 } },
    hardware_ids: [serial('S1')],
  })
  const bad = { devices: [{ id: 'x', type: 'lamp', metadata: { watt: 'much' } }] }
  await expect(applyBlueprint(worker.context(), bad, {})).rejects.toThrow(/watt/)
})

test('registering a device with all of it costs one read and one write', async () => {
  const { worker, api } = await startDevices()
  const { roundTrips } = await countRoundTrips(worker, () =>
    api('POST', '/v1/devices', {
      type: 'dimmer',
      hardware_ids: [serial('S1')],
      tags: ['a'],
      metadata: { a: 'b' },
    }),
  )
  expect(roundTrips).toBe(2)
})

test('only manage lets the tokens of a type count longer than the setting says', async () => {
  const { worker } = await startDevices()
  const few = deviceApi(worker, { kind: 'client', id: 'few', scopes: new Set(['devices:write']) })
  const longer = await few('POST', '/v1/device-types', { name: 'long', token_ttl: 7200 })
  expect([longer.status, pointers(longer)]).toEqual([403, ['/token_ttl']])
  expect((await few('POST', '/v1/device-types', { name: 's', token_ttl: 600 })).status).toBe(201)
  expect((await few('PATCH', '/v1/device-types/s', { token_ttl: 7200 })).status).toBe(403)
})
