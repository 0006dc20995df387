// The list of devices: each filter, filters together, cursors, and the plan by which each statement
// is answered.
import { describe, expect, test } from 'vitest'
import { type Statement, sql } from '../../worker/db/sql.ts'
import {
  type DeviceFilter,
  findReach,
  lastExamined,
  leadOf,
  listCandidates,
} from '../../worker/devices/listing/device_list_store.ts'
import { demandRotationOfType } from '../../worker/devices/self/rotation.ts'
import { actor } from '../access/fixture.ts'
import type { TestWorker } from '../context.ts'
import { addGroup, addMember, newJwk, startDevices } from './device_api.ts'
import { EVERY_DEVICE } from './device_filter.ts'

type Api = Awaited<ReturnType<typeof startDevices>>['api']

/** Eight devices that differ in everything that can be asked for. */
async function startFleet() {
  const { worker, api } = await startDevices(['home'])
  await addGroup(worker, 'kitchen', 'home')
  await addGroup(worker, 'away')
  await api('POST', '/v1/device-types', { name: 'lamp', fields: {} })
  const add = (id: string, more: object) =>
    api('POST', '/v1/devices', { id, type: 'dimmer', ...more })
  await add('d1', { name: 'Großes Licht', tags: ['red', 'new'], groups: ['home'] })
  await add('d2', { tags: ['red'], groups: ['kitchen'], metadata: { floor: '2', room: 'Küche' } })
  await add('d3', { type: 'lamp', metadata: { floor: '2', watt: 40, on: true }, groups: ['home'] })
  await add('d4', { type: 'lamp', status: 'unclaimed', tags: ['new'] })
  await add('d5', { hardware_ids: [{ kind: 'serial', value: 'SN-0005' }], groups: ['away'] })
  await add('d6', { parent: 'd5', tags: ['blue'], groups: ['home', 'kitchen'] })
  const jwk = await newJwk()
  const end = worker.clock.now
  await add('d7', { credentials: [{ kind: 'jwk', jwk, expires_at: end + 900 }] })
  await add('d8', { credentials: [{ kind: 'secret', expires_at: end + 500 }] })
  await worker
    .context()
    .db.write(sql`update device set last_seen_at = ${end - 500} where id = 'd2'`)
  await worker.context().db.write(sql`update device set last_seen_at = ${end} where id = 'd1'`)
  // Members of a group are people too.
  await addMember(worker, 'home', 'a-person')
  await addMember(worker, 'home', 'another-person')
  return { worker, api, end }
}

async function idsOf(api: Api, query: string): Promise<string[]> {
  const answer = await api('GET', `/v1/devices?${query}`)
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
  return answer.body.items.map(({ id }: { id: string }) => id)
}

test('each filter finds its devices, and several together those that fit all', async () => {
  const { api, end } = await startFleet()
  const found: Record<string, string[]> = {
    'type=lamp': ['d3', 'd4'],
    'status=unclaimed': ['d4'],
    'status=active&type=lamp': ['d3'],
    'group=home': ['d1', 'd3', 'd6'],
    'group=home&below=true': ['d1', 'd2', 'd3', 'd6'],
    'group=home&below=true&type=dimmer': ['d1', 'd2', 'd6'],
    'tag=red': ['d1', 'd2'],
    'tag=red,new': ['d1'],
    'tag_any=blue,new': ['d1', 'd4', 'd6'],
    'tag=new&tag_any=blue,red': ['d1'],
    'metadata.floor=2': ['d2', 'd3'],
    'metadata.floor=2&metadata.on=true': ['d3'],
    'metadata.watt=40': ['d3'],
    'metadata.watt=4': [],
    'hardware_id=serial:sn-0005': ['d5'],
    'hardware_id=serial:sn-0005&type=lamp': [],
    'hardware_id=serial:sn-0005&q=sn': ['d5'],
    'parent=d5': ['d6'],
    'q=gross': [],
    'q=große': ['d1'],
    'q=kuche': ['d2'],
    'q=SN-00': ['d5'],
    'q=d&tag=red': ['d1', 'd2'],
    'tag=red&group=kitchen': ['d2'],
    'key_ends_before=1': [],
    [`key_ends_before=${end + 600}`]: ['d8'],
    [`key_ends_before=${end + 1000}`]: ['d8', 'd7'],
    [`key_ends_before=${end + 1000}&type=lamp`]: [],
    [`silent_since=${end}&tag=red`]: ['d2'],
    [`silent_since=${end}`]: ['d3', 'd4', 'd5', 'd6', 'd7', 'd8', 'd2'],
  }
  for (const [query, ids] of Object.entries(found)) {
    expect(await idsOf(api, query), query).toEqual(ids)
  }
})

test('pages follow the order of the list to its end, and a cursor is good for its own filters alone', async () => {
  const { api, end } = await startFleet()
  for (const query of [
    'group=home',
    'tag_any=red,new,blue',
    'q=d',
    `silent_since=${end + 1}`,
    `key_ends_before=${end + 1000}`,
    'group=home&below=true',
    'status=active&metadata.floor=2',
    'type=dimmer',
  ]) {
    const whole = await idsOf(api, query)
    expect(whole.length, query).toBeGreaterThan(1)
    const walked: string[] = []
    let cursor = ''
    for (let pages = 0; pages < 20; pages++) {
      const { body } = await api('GET', `/v1/devices?${query}&limit=1${cursor}`)
      walked.push(...body.items.map(({ id }: { id: string }) => id))
      if (body.next_cursor === null) break
      cursor = `&cursor=${body.next_cursor}`
    }
    expect(walked, query).toEqual(whole)
  }
  const { body } = await api('GET', '/v1/devices?tag=red&limit=1')
  for (const query of ['tag=new', 'tag=red&type=dimmer', 'limit=1']) {
    const other = await api('GET', `/v1/devices?${query}&cursor=${body.next_cursor}`)
    expect(other.status, query).toBe(400)
  }
  const forged = await api('GET', `/v1/devices?tag=red&cursor=${body.next_cursor}x`)
  expect(forged.status).toBe(400)
})

test('the words, tags and values of a device follow it: changed, it is found so; deleted, it is not', async () => {
  const { worker, api } = await startFleet()
  await api('PATCH', '/v1/devices/d2', {
    name: 'Herd',
    tags: ['green'],
    metadata: { floor: '3' },
    hardware_ids: [{ kind: 'serial', value: 'HH77' }],
  })
  for (const [query, ids] of Object.entries({
    'q=herd': ['d2'],
    'q=hh7': ['d2'],
    'tag=green': ['d2'],
    'tag=red': ['d1'],
    'metadata.floor=3': ['d2'],
    'metadata.floor=2': ['d3'],
  })) {
    expect(await idsOf(api, query), query).toEqual(ids)
  }
  await api('DELETE', '/v1/devices/d2')
  expect(await idsOf(api, 'q=herd')).toEqual([])
  const left = await worker.context().db.read(sql`
    select device_id from device_tag where device_id = 'd2'
    union all select device_id from device_value where device_id = 'd2'
    union all select device_id from device_text where device_id = 'd2'`)
  expect(left).toEqual([])
})

test('a filter that cannot be read is refused, and so is one that is not known', async () => {
  const { api } = await startDevices()
  for (const query of [
    'below=true',
    'tag=a b',
    'q=!!!',
    'metadata.=x',
    'metadata.9=x',
    'metadata.a=',
    'hardware_id=mac:xyz',
    'silent_since=never',
    'status=broken',
    'tags=red',
    'metadata=x',
  ]) {
    expect((await api('GET', `/v1/devices?${query}`)).status, query).toBe(400)
  }
})

const PARTS: Record<string, Partial<DeviceFilter>> = {
  status: { status: 'suspended' },
  type: { type: 'lamp' },
  group: { group: 'home' },
  below: { below: 'home' },
  wide: { below: 'home', isWide: true },
  tag: { tags: ['a', 'b'] },
  tag_any: { anyTags: ['a', 'b'] },
  value: { values: [{ name: 'a', value: 'b' }] },
  hardware: { hardware: { kind: 'serial', key: 'S' } },
  parent: { parent: 'p' },
  silent: { silent_since: 9 },
  ending: { key_ends_before: 9 },
  words: { words: '"a"*' },
  reach: { reach: [{ group_id: 'home', since: 1 }] },
}

const LARGE =
  'device|device_credential|device_tag|device_value|device_text|hardware_id|membership|group'

/** Steps that read a large table without a place to begin, or that sort it. */
async function faultsOfPlan(worker: TestWorker, statement: Statement) {
  const plan = await worker
    .context()
    .db.read(sql<{ detail: string }>`explain query plan ${statement}`)
  const scan = new RegExp(`^SCAN (${LARGE}|[cdgmotv])( |$)`)
  return plan
    .map(({ detail }) => detail)
    .filter(
      (detail) =>
        scan.test(detail) ||
        /TEMP B-TREE FOR (RIGHT PART OF |LAST [A-Z0-9 ]*OF )?ORDER BY/.test(detail),
    )
}

test('no filter, and no pair of them, scans a large table', async () => {
  const { worker } = await startFleet()
  const names = Object.keys(PARTS)
  const pairs = names.flatMap((a, i) => names.slice(i).map((b) => [a, b] as const))
  const scans: Record<string, string[]> = {}
  for (const [a, b] of [['none', 'none'], ...pairs] as const) {
    const filter = { ...EVERY_DEVICE, ...PARTS[a], ...PARTS[b] }
    const lead = leadOf(filter)
    const after = { place: lead === 'words' || /since|before/.test(lead) ? 5 : 'd', place_id: 'd' }
    for (const statement of [
      listCandidates(filter, lead, after, 50),
      listCandidates(filter, lead, null, 50),
      lastExamined(filter, lead, after),
      findReach('home'),
    ]) {
      const faults = await faultsOfPlan(worker, statement)
      // Tags that may take each other's place, and the devices of a few places, are merged.
      const isMerged = ['below', 'reach', 'anyTags'].includes(lead)
      const wrong = faults.filter((one) => !isMerged || one.startsWith('SCAN'))
      if (wrong.length > 0) scans[`${a} and ${b}`] = wrong
    }
  }
  expect(pairs.length).toBeGreaterThan(80)
  expect(scans).toEqual({})
})

test('the plan of a list that no index leads is seen as a scan', async () => {
  const { worker } = await startFleet()
  const faults = await faultsOfPlan(worker, sql`select * from device where name = 'x' order by id`)
  expect(faults.length).toBeGreaterThan(0)
})

describe('keys that end by the demand of their type', () => {
  /** Five lamps with keys, of which `own` ends by itself, and one that comes after the demand. */
  async function startDemand() {
    const { worker, api } = await startDevices()
    const now = worker.clock.now
    const add = async (id: string, type: string, expires_at?: number) => {
      const key = { kind: 'jwk', jwk: await newJwk(), ...(expires_at && { expires_at }) }
      const made = await api('POST', '/v1/devices', { id, type, credentials: [key] })
      expect(made.status).toBe(201)
    }
    for (const name of ['lamp', 'valve']) await api('POST', '/v1/device-types', { name })
    await add('v-1', 'valve')
    await add('l-1', 'lamp')
    await add('l-early', 'lamp', now + 100)
    await add('l-same', 'lamp', now + 300)
    await add('l-late', 'lamp', now + 900)
    await add('d-1', 'dimmer', now + 300)
    await api('POST', '/v1/devices', {
      id: 'l-secret',
      type: 'lamp',
      credentials: [{ kind: 'secret' }],
    })
    const cx = worker.context(actor('client', 'ops', 'manage'))
    await demandRotationOfType(cx, 'lamp', { rotate_by: now + 300 })
    await demandRotationOfType(cx, 'valve', { rotate_by: now + 200 })
    worker.clock.now += 1
    await add('l-new', 'lamp')
    return { worker, api, now }
  }

  test('are found with those that end by themselves, each once, the first end first', async () => {
    const { api, now } = await startDemand()
    const query = `key_ends_before=${now + 1000}`
    const whole = ['l-early', 'v-1', 'd-1', 'l-same', 'l-1', 'l-late']
    expect((await idsOf(api, query)).sort()).toEqual([...whole].sort())
    const ends = new Map<string, number>()
    for (const id of await idsOf(api, query)) {
      const { items } = (await api('GET', `/v1/devices/${id}/credentials`)).body
      ends.set(id, items[0].expires_at - now)
    }
    expect([...ends.values()]).toEqual([100, 200, 300, 300, 300, 300])
    const walked: string[] = []
    let cursor = ''
    for (let pages = 0; pages < 20; pages++) {
      const { body } = await api('GET', `/v1/devices?${query}&limit=1${cursor}`)
      walked.push(...body.items.map(({ id }: { id: string }) => id))
      if (body.next_cursor === null) break
      cursor = `&cursor=${body.next_cursor}`
    }
    expect(walked).toEqual(await idsOf(api, query))
    expect(await idsOf(api, `key_ends_before=${now + 300}`)).toEqual(['l-early', 'v-1'])
    expect(await idsOf(api, `${query}&type=valve`)).toEqual(['v-1'])
    expect(await idsOf(api, `key_ends_before=${now + 200}&type=valve`)).toEqual([])
    expect(await idsOf(api, `${query}&hardware_id=serial:none`)).toEqual([])
    expect((await idsOf(api, `${query}&status=active&q=l`)).sort()).toEqual([
      'l-1',
      'l-early',
      'l-late',
      'l-same',
    ])
  })

  test('are shown with that end, and a secret is not', async () => {
    const { api, now } = await startDemand()
    const shown = async (id: string) =>
      (await api('GET', `/v1/devices/${id}/credentials`)).body.items[0]
    expect(await shown('l-1')).toMatchObject({ rotate_by: now + 300, expires_at: now + 300 })
    expect(await shown('l-early')).toMatchObject({ rotate_by: now + 300, expires_at: now + 100 })
    expect(await shown('l-new')).toMatchObject({ rotate_by: null, expires_at: null })
    expect(await shown('l-secret')).toMatchObject({ rotate_by: null, expires_at: null })
  })

  test('end by it no more once the type was deleted, also under a new type of the name', async () => {
    const { worker, api, now } = await startDemand()
    expect((await api('DELETE', '/v1/device-types/valve')).status).toBe(409)
    expect(await idsOf(api, `key_ends_before=${now + 300}&type=valve`)).toEqual(['v-1'])
    await api('PATCH', '/v1/devices/v-1', { type: 'dimmer' })
    expect((await api('DELETE', '/v1/device-types/valve')).status).toBe(204)
    const left = await worker.context().db.read(sql`select type from device_type_rotation`)
    expect(left).toEqual([{ type: 'lamp' }])
    await api('POST', '/v1/device-types', { name: 'valve' })
    await api('PATCH', '/v1/devices/v-1', { type: 'valve' })
    const { items } = (await api('GET', '/v1/devices/v-1/credentials')).body
    expect(items).toMatchObject([{ rotate_by: null, expires_at: null }])
  })
})
