import { expect, test } from 'vitest'
import type { Plan } from '../../worker/api.ts'
import { deviceInput } from '../../worker/devices/device_schema.ts'
import {
  createDevice,
  findDevicesByIds,
  getDevice,
  planDevice,
} from '../../worker/devices/devices.ts'
import { Problem } from '../../worker/errors.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import { addMember, newJwk, startDevices } from './device_api.ts'

async function apply(worker: TestWorker, entry: unknown): Promise<Plan> {
  const cx = worker.context()
  const input = deviceInput.parse(entry)
  const rows = await cx.db.read(findDevicesByIds([input.id ?? '', 'another']))
  const plan = await planDevice(cx, input, rows[0])
  if (plan.statements.length > 0) await cx.db.write(plan.statements)
  return plan
}

test('an entry applied twice changes nothing the second time, nor what it does not name', async () => {
  const { worker, api } = await startDevices(['site-1', 'site-2'])
  const jwk = await newJwk()
  const entry = {
    id: 'dim-1',
    type: 'dimmer',
    name: 'Hall',
    mqtt_client_id: 'old-1',
    metadata: { b: '2', a: '1' },
    groups: ['site-2', 'site-1'],
    credentials: [
      { kind: 'jwk', jwk },
      { kind: 'secret', secret: 'q1X7zP0aLw3RkVd9TnYb5sGh2UcEj8Mf' },
    ],
  }
  expect((await apply(worker, entry)).change).toBe('created')
  const again = await apply(worker, { ...entry, groups: ['site-1', 'site-2'] })
  expect(again).toEqual({ change: 'unchanged', fields: [], statements: [] })

  await api('PATCH', '/v1/devices/dim-1', { name: 'Attic', status: 'suspended' })
  const bare = await apply(worker, { id: 'dim-1', type: 'dimmer' })
  expect(bare.change).toBe('unchanged')
  const named = await apply(worker, { ...entry, metadata: { a: '1' }, groups: ['site-2'] })
  expect(named).toMatchObject({ change: 'updated', fields: ['name', 'metadata', 'groups'] })
  expect((await api('GET', '/v1/devices/dim-1')).body).toMatchObject({
    name: 'Hall',
    status: 'suspended',
    metadata: { a: '1' },
    groups: ['site-2'],
  })
  expect((await apply(worker, { ...entry, metadata: { a: '1' }, groups: ['site-2'] })).change).toBe(
    'unchanged',
  )
})

test('a key that an entry adds is added once; a revoked one is not brought back', async () => {
  const { worker, api } = await startDevices()
  const [first, second] = [await newJwk(), await newJwk('P-256')]
  const one = { id: 'd', type: 'dimmer', credentials: [{ kind: 'jwk', jwk: first }] }
  const both = { ...one, credentials: [...one.credentials, { kind: 'jwk', jwk: second }] }
  const secret = { kind: 'secret', secret: 'q1X7zP0aLw3RkVd9TnYb5sGh2UcEj8Mf' }
  await apply(worker, one)
  worker.clock.now += 1
  expect(await apply(worker, both)).toMatchObject({ change: 'updated', fields: ['credentials'] })
  expect((await apply(worker, both)).change).toBe('unchanged')
  expect((await apply(worker, one)).change).toBe('unchanged')
  expect((await apply(worker, { ...both, credentials: [secret] })).change).toBe('unchanged')
  const list = () => api('GET', '/v1/devices/d/credentials')
  const [kept, revoked] = (await list()).body.items
  await api('DELETE', `/v1/devices/d/credentials/${revoked.id}`)
  expect((await apply(worker, both)).change).toBe('unchanged')
  const after = (await list()).body.items
  expect(after.map((item: { revoked_at: number | null }) => item.revoked_at)).toEqual([
    null,
    worker.clock.now,
  ])
  expect(kept.jwk.x).toBe(first.x)
  const etag = (await api('GET', '/v1/devices/d')).headers.get('etag')
  expect(etag).toBe('"1"')
})

test('an entry that cannot be is refused with its place: no id, no secret, too many keys, a retired device', async () => {
  const { worker, api } = await startDevices()
  const faultOf = async (entry: unknown): Promise<Problem> => {
    const error = await apply(worker, entry).catch((error: unknown) => error)
    if (!(error instanceof Problem)) throw new Error('the entry was not refused')
    return error
  }
  const base = { id: 'd', type: 'dimmer' }
  expect((await faultOf({ type: 'dimmer' })).errors[0]?.pointer).toBe('/id')
  const secretless = await faultOf({ ...base, credentials: [{ kind: 'secret' }] })
  expect(secretless.errors[0]?.pointer).toBe('/credentials/0/secret')
  const keys = await Promise.all(Array.from({ length: 6 }, () => newJwk()))
  const credentials = keys.map((jwk) => ({ kind: 'jwk', jwk }))
  await apply(worker, { ...base, credentials: credentials.slice(0, 5) })
  const sixth = await faultOf({ ...base, credentials: credentials.slice(1) })
  expect(sixth.errors[0]?.pointer).toBe('/credentials')
  await api('PATCH', '/v1/devices/d', { status: 'retired' })
  expect((await apply(worker, { ...base, credentials: credentials.slice(0, 5) })).change).toBe(
    'unchanged',
  )
  expect((await faultOf({ ...base, status: 'active' })).errors[0]?.pointer).toBe('/status')
})

test('the current rows of many devices come in one statement, with groups and credentials', async () => {
  const { worker } = await startDevices(['site-1'])
  for (let n = 0; n < 3; n++) {
    await createDevice(worker.context(), {
      id: `d-${n}`,
      type: 'dimmer',
      credentials: [{ kind: 'secret' }],
    })
  }
  await addMember(worker, 'site-1', 'd-1')
  const ids = Array.from({ length: 40_000 }, (_, n) => `d-${n}`)
  const { value, roundTrips } = await countRoundTrips(worker, () =>
    worker.context().db.read(findDevicesByIds(ids)),
  )
  expect(roundTrips).toBe(1)
  expect(value.map(({ id, groups }) => [id, groups]).sort()).toEqual([
    ['d-0', '[]'],
    ['d-1', '["site-1"]'],
    ['d-2', '[]'],
  ])
  expect(JSON.stringify(value)).not.toContain('hash')
  expect(JSON.parse(value[0]?.credentials ?? '')).toHaveLength(1)
  expect((await getDevice(worker.context(), 'd-1')).version).toBe(1)
})
