import { expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import type { DeviceInput } from '../../worker/devices/device_schema.ts'
import { changeDevice, createDevice, planDevice } from '../../worker/devices/devices.ts'
import { countRoundTrips } from '../context.ts'
import { type Answer, eventsOf, newJwk, startDevices } from './device_api.ts'

const pointers = (answer: Answer) =>
  (answer.body.errors ?? []).map((error: { pointer: string }) => error.pointer)

test('a device is registered, read, changed and deleted, and each change leaves an event', async () => {
  const { worker, api } = await startDevices(['site-1', 'site-2'])
  const made = await api('POST', '/v1/devices', {
    id: 'dim-1',
    type: 'dimmer',
    name: 'Hall',
    mqtt_client_id: 'legacy 7',
    metadata: { room: 'hall', floor: '1' },
    groups: ['site-1'],
    credentials: [{ kind: 'jwk', jwk: await newJwk() }],
  })
  expect(made.status).toBe(201)
  expect(made.headers.get('location')).toBe('/v1/devices/dim-1')
  expect(made.headers.get('cache-control')).toBe('no-store')
  expect(made.body.credentials).toHaveLength(1)

  const read = await api('GET', '/v1/devices/dim-1')
  const { credentials: _, ...rest } = made.body
  expect(read.body).toEqual(rest)
  expect(read.body).toEqual({
    id: 'dim-1',
    type: 'dimmer',
    name: 'Hall',
    status: 'active',
    mqtt_client_id: 'legacy 7',
    metadata: { room: 'hall', floor: '1' },
    groups: ['site-1'],
    hardware_ids: [],
    tags: [],
    parent: null,
    first_seen_at: null,
    last_seen_at: null,
    created_at: worker.clock.now,
    updated_at: worker.clock.now,
  })
  expect(read.headers.get('etag')).toBe('"1"')

  worker.clock.now += 10
  const changed = await api('PATCH', '/v1/devices/dim-1', {
    name: null,
    metadata: { room: 'attic', floor: null, lamp: 'x' },
    groups: ['site-2'],
  })
  expect(changed.status).toBe(200)
  expect(changed.headers.get('etag')).toBe('"2"')
  expect(changed.body).toMatchObject({
    name: null,
    metadata: { room: 'attic', lamp: 'x' },
    groups: ['site-2'],
    mqtt_client_id: 'legacy 7',
    updated_at: worker.clock.now,
  })
  const same = await api('PATCH', '/v1/devices/dim-1', { groups: ['site-2'], status: 'active' })
  expect(same.headers.get('etag')).toBe('"2"')
  const emptied = await api('PATCH', '/v1/devices/dim-1', { groups: null, metadata: null })
  expect(emptied.body).toMatchObject({ groups: [], metadata: {} })

  expect((await api('DELETE', '/v1/devices/dim-1')).status).toBe(204)
  expect((await api('GET', '/v1/devices/dim-1')).status).toBe(404)
  expect((await api('DELETE', '/v1/devices/dim-1')).status).toBe(404)
  expect(await eventsOf(worker, 'dim-1')).toEqual([
    'device.created',
    'device.updated',
    'device.updated',
    'device.deleted',
  ])
  const left = await worker.context().db.read(
    sql`select 1 from device_credential union all select 1 from membership
        union all select 1 from principal where id = 'dim-1' and deleted_at is null`,
  )
  expect(left).toEqual([])
})

test('the id of a deleted device, or of anything else, is refused to a new one', async () => {
  const { api } = await startDevices(['site-1'])
  await api('POST', '/v1/devices', { id: 'dim-1', type: 'dimmer' })
  await api('DELETE', '/v1/devices/dim-1')
  for (const id of ['dim-1', 'site-1']) {
    const again = await api('POST', '/v1/devices', { id, type: 'dimmer' })
    expect(again.status, id).toBe(409)
    expect(pointers(again)).toEqual(['/id'])
    expect((await api('GET', `/v1/devices/${id}`)).status).toBe(404)
  }
})

test('a device without an id gets one', async () => {
  const { api } = await startDevices()
  const { body } = await api('POST', '/v1/devices', { type: 'dimmer' })
  expect(body.id).toMatch(/^dev_[0-9a-hjkmnp-tv-z]{26}$/)
})

test('twenty parallel registrations of one id give one device, the others are refused', async () => {
  const { worker, api } = await startDevices(['site-1'])
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      api('POST', '/v1/devices', {
        id: 'dim-1',
        type: 'dimmer',
        name: `writer ${n}`,
        credentials: [{ kind: 'secret' }],
      }),
    ),
  )
  const created = answers.filter(({ status }) => status === 201)
  const refused = answers.filter(({ status }) => status === 409)
  console.log(`20 parallel registrations: ${created.length} made, ${refused.length} refused`)
  expect([created.length, refused.length]).toEqual([1, 19])
  const { body } = await api('GET', '/v1/devices/dim-1')
  expect(body.name).toBe(created[0]?.body.name)
  expect(await eventsOf(worker, 'dim-1')).toEqual(['device.created'])
  const list = await api('GET', '/v1/devices/dim-1/credentials')
  expect(list.body.items.map(({ id }: { id: string }) => id)).toEqual(
    created[0]?.body.credentials.map(({ id }: { id: string }) => id),
  )
})

test('a batch that is sent twice after a lost answer makes one device, once', async () => {
  const { worker } = await startDevices(['site-1'])
  const cx = worker.context()
  const twice = {
    ...cx,
    db: {
      ...cx.db,
      write: async (batch) => {
        await cx.db.write(batch)
        return cx.db.write(batch)
      },
    },
  } satisfies typeof cx
  const input: DeviceInput = {
    id: 'dim-1',
    type: 'dimmer',
    mqtt_client_id: 'old-1',
    groups: ['site-1'],
    credentials: [{ kind: 'secret' }],
  }
  const { device } = await createDevice(twice, input)
  expect(device.groups).toBe('["site-1"]')
  await changeDevice(twice, 'dim-1', { status: 'suspended', groups: [] }, null)
  expect(await eventsOf(worker, 'dim-1')).toEqual([
    'device.created',
    'device.updated',
    'device.suspended',
  ])
  const rows = await cx.db.read(sql`select 1 from device_credential`)
  expect(rows).toHaveLength(1)
})

test('a device of an unknown type or in an unknown group is refused, all faults at once', async () => {
  const { api } = await startDevices(['site-1'])
  const body = { id: 'dim-1', type: 'lamp', groups: ['site-1', 'site-9', 'site-8'] }
  const refused = await api('POST', '/v1/devices', body)
  expect(refused.status).toBe(400)
  expect(pointers(refused)).toEqual(['/type', '/groups/1', '/groups/2'])
  // No id was spent on it.
  expect((await api('POST', '/v1/devices', { id: 'dim-1', type: 'dimmer' })).status).toBe(201)
  const patched = await api('PATCH', '/v1/devices/dim-1', { type: 'lamp', groups: ['site-9'] })
  expect(pointers(patched)).toEqual(['/type', '/groups/0'])
})

test('a type that is deleted while devices of it are made leaves no device without a type', async () => {
  const { api } = await startDevices()
  for (let round = 0; round < 5; round++) {
    const type = `lamp-${round}`
    await api('POST', '/v1/device-types', { name: type })
    const [, ...made] = await Promise.all([
      api('DELETE', `/v1/device-types/${type}`),
      ...[0, 1, 2].map((n) => api('POST', '/v1/devices', { id: `d-${round}-${n}`, type })),
    ])
    const there = (await api('GET', `/v1/device-types/${type}`)).status === 200
    for (const answer of made) {
      expect([201, 400]).toContain(answer.status)
      if (answer.status === 201) expect(there).toBe(true)
    }
  }
})

test('an MQTT client id within the space of another principal is refused, whoever comes first', async () => {
  const { worker, api } = await startDevices(['site-1'])
  await api('POST', '/v1/devices', { id: 'a', type: 'dimmer' })
  await api('POST', '/v1/devices', { id: 'b', type: 'dimmer', mqtt_client_id: 'old:x' })
  for (const mqtt_client_id of ['a', 'a:', 'a:1', 'a:b:c', 'site-1', 'old:x']) {
    const made = await api('POST', '/v1/devices', { id: 'c', type: 'dimmer', mqtt_client_id })
    expect(made.status, mqtt_client_id).toBe(409)
  }
  await api('POST', '/v1/devices', { id: 'c', type: 'dimmer', mqtt_client_id: 'c:own' })
  for (const mqtt_client_id of ['a', 'a:1', 'old:x']) {
    const changed = await api('PATCH', '/v1/devices/c', { mqtt_client_id })
    expect(changed.status, mqtt_client_id).toBe(409)
    expect(pointers(changed)).toEqual(['/mqtt_client_id'])
  }
  const late = await api('POST', '/v1/devices', { id: 'old', type: 'dimmer' })
  expect(late.status).toBe(409)
  expect(pointers(late)).toEqual(['/id'])
  for (const mqtt_client_id of ['a1', 'ol', 'old;x', 'A', 'c', 'own']) {
    const changed = await api('PATCH', '/v1/devices/c', { mqtt_client_id })
    expect(changed.status, mqtt_client_id).toBe(200)
  }
  // The write sees a rival that the read did not see: the plan is made before its rival.
  const cx = worker.context()
  const plan = await planDevice(cx, { id: 'd', type: 'dimmer', mqtt_client_id: 'e:1' }, undefined)
  await api('POST', '/v1/devices', { id: 'e', type: 'dimmer' })
  await expect(cx.db.write(plan.statements)).rejects.toMatchObject({
    name: 'BatchRefused',
    reason: 'mqtt_client_id_taken',
  })
  expect((await api('POST', '/v1/devices', { id: 'd', type: 'dimmer' })).status).toBe(201)
})

test('of parallel claims to one MQTT client id one is heard, the others are refused', async () => {
  const { api } = await startDevices()
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, n) =>
      api('POST', '/v1/devices', { id: `d-${n}`, type: 'dimmer', mqtt_client_id: 'same' }),
    ),
  )
  expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)])
  const { body } = await api('GET', '/v1/devices')
  expect(body.items).toHaveLength(1)
})

test('a device is suspended and activated; once retired it stays so, and takes no credential', async () => {
  const { worker, api } = await startDevices()
  await api('POST', '/v1/devices', { id: 'dim-1', type: 'dimmer' })
  for (const status of ['suspended', 'active', 'suspended', 'retired']) {
    const { body } = await api('PATCH', '/v1/devices/dim-1', { status })
    expect(body.status).toBe(status)
  }
  for (const status of ['active', 'suspended']) {
    expect((await api('PATCH', '/v1/devices/dim-1', { status })).status).toBe(409)
  }
  const renamed = await api('PATCH', '/v1/devices/dim-1', { status: 'retired', name: 'gone' })
  expect(renamed.body).toMatchObject({ status: 'retired', name: 'gone' })
  const credential = await api('POST', '/v1/devices/dim-1/credentials', { kind: 'secret' })
  expect(credential.status).toBe(409)
  expect(await eventsOf(worker, 'dim-1')).toEqual([
    'device.created',
    'device.suspended',
    'device.activated',
    'device.suspended',
    'device.retired',
    'device.updated',
  ])
})

test('a change or deletion of a version that is gone is refused, and changes nothing', async () => {
  const { worker, api } = await startDevices(['site-1'])
  await api('POST', '/v1/devices', { id: 'dim-1', type: 'dimmer' })
  const parallel = await Promise.all(
    Array.from({ length: 10 }, (_, n) =>
      api(
        'PATCH',
        '/v1/devices/dim-1',
        { name: `n${n}`, groups: n % 2 ? ['site-1'] : [] },
        {
          'if-match': '"1"',
        },
      ),
    ),
  )
  expect(parallel.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(412)])
  expect(await eventsOf(worker, 'dim-1')).toEqual(['device.created', 'device.updated'])
  const stale = { 'if-match': '"1"' }
  expect((await api('DELETE', '/v1/devices/dim-1', undefined, stale)).status).toBe(412)
  expect((await api('PATCH', '/v1/devices/dim-1', { name: 'x' }, stale)).status).toBe(412)
  const wrong = { 'if-match': 'W/"1"' }
  expect((await api('PATCH', '/v1/devices/dim-1', { name: 'x' }, wrong)).status).toBe(412)
  expect((await api('GET', '/v1/devices/dim-1')).headers.get('etag')).toBe('"2"')
  const present = { 'if-match': '"2"' }
  expect((await api('DELETE', '/v1/devices/dim-1', undefined, present)).status).toBe(204)
})

test('parallel changes of different members without If-Match are all kept', async () => {
  const { api } = await startDevices()
  await api('POST', '/v1/devices', { id: 'dim-1', type: 'dimmer' })
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, n) =>
      api('PATCH', '/v1/devices/dim-1', { metadata: { [`k${n}`]: String(n) } }),
    ),
  )
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  const { body } = await api('GET', '/v1/devices/dim-1')
  expect(Object.keys(body.metadata)).toHaveLength(12)
})

test('devices are listed in pages, by type, group and status, and a forged cursor is refused', async () => {
  const { worker, api } = await startDevices(['site-1', 'site-2'])
  await api('POST', '/v1/device-types', { name: 'lamp' })
  for (let n = 0; n < 25; n++) {
    await createDevice(worker.context(), {
      id: `d-${String(n).padStart(2, '0')}`,
      type: n % 2 ? 'dimmer' : 'lamp',
      groups: n % 5 === 0 ? ['site-1', 'site-2'] : [],
      status: n < 3 ? 'suspended' : 'active',
    })
  }
  const seen: string[] = []
  let cursor: string | null = null
  let pages = 0
  do {
    const query: string = `limit=10${cursor === null ? '' : `&cursor=${cursor}`}`
    const { value, roundTrips } = await countRoundTrips(worker, () =>
      api('GET', `/v1/devices?${query}`),
    )
    expect(roundTrips).toBe(1)
    seen.push(...value.body.items.map(({ id }: { id: string }) => id))
    cursor = value.body.next_cursor
    pages++
  } while (cursor !== null)
  expect(pages).toBe(3)
  expect(seen).toEqual([...seen].sort())
  expect(new Set(seen).size).toBe(25)

  const count = async (query: string) =>
    (await api('GET', `/v1/devices?${query}`)).body.items.length
  expect(await count('type=dimmer')).toBe(12)
  expect(await count('group=site-1')).toBe(5)
  expect(await count('group=site-1&type=lamp&status=suspended')).toBe(1)
  expect(await count('group=none')).toBe(0)
  const first = await api('GET', '/v1/devices?limit=1')
  const forged = [
    `${first.body.next_cursor}x`,
    'ZC0wMw.AAAA',
    '%00',
    first.body.next_cursor.slice(1),
  ]
  for (const bad of [...forged.map((one) => `cursor=${one}`), 'limit=0', 'limit=201', 'status=x']) {
    expect((await api('GET', `/v1/devices?${bad}`)).status, bad).toBe(400)
  }
  const foreign = `/v1/device-types?cursor=${first.body.next_cursor}`
  expect((await api('GET', foreign)).status).toBe(400)
})

test('malformed devices are refused with the place of every fault', async () => {
  const { api } = await startDevices(['site-1'])
  const long = 'x'.repeat(65)
  const many = Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`k${n}`, '']))
  const cases: [unknown, string[]][] = [
    [{}, ['/type']],
    [[], ['']],
    ['text', ['']],
    [{ type: 'dimmer', colour: 'red' }, ['']],
    [{ type: 7, name: 8 }, ['/type', '/name']],
    [{ type: 'a/b' }, ['/type']],
    [{ type: 'dimmer', id: 'a:b' }, ['/id']],
    [{ type: 'dimmer', id: '' }, ['/id']],
    [{ type: 'dimmer', id: long }, ['/id']],
    [{ type: 'dimmer', id: 'ümlaut' }, ['/id']],
    [{ type: 'dimmer', name: 'a\0b' }, ['/name']],
    [{ type: 'dimmer', name: '\ud800' }, ['/name']],
    [{ type: 'dimmer', name: '' }, ['/name']],
    [{ type: 'dimmer', status: 'broken' }, ['/status']],
    [{ type: 'dimmer', mqtt_client_id: 'x'.repeat(129) }, ['/mqtt_client_id']],
    [{ type: 'dimmer', mqtt_client_id: 'a\nb' }, ['/mqtt_client_id']],
    [{ type: 'dimmer', mqtt_client_id: '' }, ['/mqtt_client_id']],
    [{ type: 'dimmer', metadata: { a: 1 } }, ['/metadata/a']],
    [{ type: 'dimmer', metadata: { a: 'x'.repeat(501) } }, ['/metadata/a']],
    [{ type: 'dimmer', metadata: { 'a b': '' } }, ['/metadata/a b']],
    [{ type: 'dimmer', metadata: { a: '\0' } }, ['/metadata/a']],
    [{ type: 'dimmer', metadata: many }, ['/metadata']],
    [{ type: 'dimmer', metadata: ['a'] }, ['/metadata']],
    [{ type: 'dimmer', groups: ['site-1', 'site-1'] }, ['/groups']],
    [{ type: 'dimmer', groups: ['a:b'] }, ['/groups/0']],
    [{ type: 'dimmer', groups: 'site-1' }, ['/groups']],
    [{ type: 'dimmer', credentials: Array(6).fill({ kind: 'secret' }) }, ['/credentials']],
    [{ type: 'dimmer', credentials: [{ kind: 'password' }] }, ['/credentials/0/kind']],
  ]
  for (const [body, expected] of cases) {
    const answer = await api('POST', '/v1/devices', body)
    expect(answer.status, JSON.stringify(body)).toBe(400)
    expect(answer.body.type).toBe('urn:allauth:problem:invalid_request')
    const found = [...new Set(pointers(answer))]
    for (const pointer of expected) expect(found, JSON.stringify(body)).toContain(pointer)
  }
  await api('POST', '/v1/devices', { id: 'd', type: 'dimmer' })
  const patches: [unknown, string][] = [
    [{ id: 'e' }, ''],
    [{ type: null }, '/type'],
    [{ status: null }, '/status'],
    [{ credentials: [] }, ''],
    [{ metadata: { a: 1 } }, '/metadata/a'],
    [{ metadata: many }, '/metadata'],
    [{ groups: [1] }, '/groups/0'],
  ]
  for (const [body, pointer] of patches) {
    const answer = await api('PATCH', '/v1/devices/d', body)
    expect(answer.status, JSON.stringify(body)).toBe(400)
    expect(pointers(answer), JSON.stringify(body)).toContain(pointer)
  }
  console.log(`${cases.length} malformed devices and ${patches.length} malformed patches refused`)
  for (const id of ['none', 'a%2Fb', '%F0%9F%92%A1', 'x'.repeat(150)]) {
    expect((await api('GET', `/v1/devices/${id}`)).status, id).toBe(404)
    expect((await api('PATCH', `/v1/devices/${id}`, { name: 'x' })).status, id).toBe(404)
    expect((await api('DELETE', `/v1/devices/${id}`)).status, id).toBe(404)
  }
})

test('a body that is not JSON, or does not say that it is, is refused', async () => {
  const { api } = await startDevices()
  await api('POST', '/v1/devices', { id: 'd', type: 'dimmer' })
  const whole = '{"type":"dimmer","id":"e"}'
  const bodies: [string, string][] = [
    ['{"type":"dimmer",', 'application/json'],
    ['', 'application/json'],
    ['null', 'application/json'],
    [whole, 'text/plain'],
    [whole, 'application/x-www-form-urlencoded'],
    ['\ufeff\ud800', 'application/json'],
  ]
  for (const [text, type] of bodies) {
    const headers = { 'content-type': type }
    for (const path of ['devices', 'devices/d/credentials', 'device-types']) {
      const answer = await api('POST', `/v1/${path}`, new Blob([text]), headers)
      const status = type === 'application/json' ? 400 : 415
      expect(answer.status, `${path} ${type} ${text}`).toBe(status)
    }
  }
  expect((await api('GET', '/v1/devices')).body.items).toHaveLength(1)
})

test('the description of the API names every operation, and keys without private members', async () => {
  const { worker } = await startDevices()
  const document = await (await worker.request('/openapi.json')).text()
  for (const operationId of [
    'createDevice',
    'listDevices',
    'getDevice',
    'updateDevice',
    'deleteDevice',
    'createDeviceCredential',
    'listDeviceCredentials',
    'revokeDeviceCredential',
    'createDeviceType',
    'listDeviceTypes',
    'getDeviceType',
    'updateDeviceType',
    'deleteDeviceType',
  ]) {
    expect(document).toContain(`"operationId":"${operationId}"`)
  }
  const { schemas } = JSON.parse(document).components
  for (const name of ['Device', 'NewDevice', 'DevicePatch', 'Credential', 'DeviceType']) {
    expect(schemas[name]?.properties, name).toBeDefined()
  }
  expect(Object.keys(schemas.DeviceJwk.properties)).not.toContain('d')
})

test('a path that can be nobody is not found, a filter that no database could be asked for is refused', async () => {
  const { api } = await startDevices()
  for (const bad of ['a%00b', 'x'.repeat(201)]) {
    for (const path of [`devices/${bad}`, `devices/${bad}/credentials`, `device-types/${bad}`]) {
      expect((await api('GET', `/v1/${path}`)).status, path).toBe(404)
    }
    expect((await api('PATCH', `/v1/devices/${bad}`, {})).status).toBe(404)
    expect((await api('DELETE', `/v1/devices/d/credentials/${bad}`)).status).toBe(404)
    for (const filter of ['type', 'group']) {
      expect((await api('GET', `/v1/devices?${filter}=${bad}`)).status, filter).toBe(400)
    }
  }
})

test('reading costs one round trip, writing two at most', async () => {
  const { worker, api } = await startDevices(['site-1'])
  const jwk = await newJwk()
  const costs: [string, string, unknown, number][] = [
    ['POST', '/v1/devices', { id: 'd', type: 'dimmer', groups: ['site-1'], credentials: [] }, 2],
    ['GET', '/v1/devices/d', undefined, 1],
    ['GET', '/v1/devices', undefined, 1],
    ['PATCH', '/v1/devices/d', { name: 'x', groups: [], metadata: { a: 'b' } }, 2],
    ['POST', '/v1/devices/d/credentials', { kind: 'jwk', jwk }, 1],
    ['GET', '/v1/devices/d/credentials', undefined, 1],
    ['DELETE', '/v1/devices/d/credentials/CREDENTIAL', undefined, 1],
    ['DELETE', '/v1/devices/d', undefined, 2],
  ]
  let credential = ''
  for (const [method, path, body, cost] of costs) {
    const { value, roundTrips } = await countRoundTrips(worker, () =>
      api(method, path.replace('CREDENTIAL', credential), body),
    )
    console.log(`${method} ${path}: ${roundTrips} round trips`)
    expect(value.status, `${method} ${path}`).toBeLessThan(300)
    expect(roundTrips, `${method} ${path}`).toBe(cost)
    if (path.endsWith('/credentials') && method === 'POST') credential = value.body.id
  }
})

test('a real fault of the database is no refusal, whatever column it is about', async () => {
  const { worker, api } = await startDevices()
  const cx = worker.context()
  // NOT NULL columns of `device` are violated by a trigger, as a fault in a statement would.
  await cx.db.write(sql`create trigger faulty_change after update on device begin
    insert into device (id, type, status, metadata, created_at, updated_at, version)
      select 'faulty', type, status, metadata, null, 1, 1 from device where id = new.id; end`)
  expect((await api('POST', '/v1/devices', { id: 'd', type: 'dimmer' })).status).toBe(201)
  await expect(api('PATCH', '/v1/devices/d', { name: 'Hall' })).rejects.toMatchObject({
    name: 'ConstraintViolation',
    kind: 'not_null',
    constraint: 'device.created_at',
  })
  expect((await api('GET', '/v1/devices/d')).body.name).toBeNull()
})
