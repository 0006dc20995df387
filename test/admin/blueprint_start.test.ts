import { expect, test } from 'vitest'
import { changeGrant, listGrants, removeGrant } from '../../worker/access/grants.ts'
import { addMember, removeMember } from '../../worker/access/group_members.ts'
import { changeGroup, removeGroup } from '../../worker/access/groups.ts'
import { changeRole, removeRole } from '../../worker/access/roles.ts'
import { applyBlueprint, startBlueprint } from '../../worker/admin/blueprint.ts'
import { BlueprintFault } from '../../worker/admin/blueprint_document.ts'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import type { Context } from '../../worker/context.ts'
import { sql } from '../../worker/db/sql.ts'
import { changeDeviceType, removeDeviceType } from '../../worker/devices/device_types.ts'
import { changeDevice } from '../../worker/devices/devices.ts'
import { removeDevice } from '../../worker/devices/removal.ts'
import { changeUser, removeUser } from '../../worker/identity/users.ts'
import { reseal } from '../../worker/keys/resealing.ts'
import { changeClient, removeClient } from '../../worker/oauth/clients/clients.ts'
import { countRoundTrips, startWorker, type TestWorker } from '../context.ts'

const env = {
  OPS_SECRET: 'a-secret-of-at-least-32-characters',
  ANN_PASSWORD: 'a password for the blueprint',
}
const NOTHING = { changes: [], left: [] }

const site = () => ({
  settings: { access_token_ttl: 300 } as Record<string, number>,
  clients: [
    {
      client_id: 'ops',
      client_secret: '${OPS_SECRET}',
      client_name: 'Operations',
      grant_types: ['client_credentials'],
      scope: 'manage',
    },
  ],
  roles: [{ name: 'resident', description: 'lives here', permissions: ['device:read'] }],
  groups: [
    { id: 'site-12', kind: 'site', name: '12 Garden Street' },
    { id: 'room-1', kind: 'room', name: 'Kitchen', parent_id: 'site-12' },
  ],
  users: [
    {
      id: 'ann',
      email: 'ann@example.com',
      name: 'Ann',
      password: '${ANN_PASSWORD}',
      groups: ['site-12'],
      metadata: { flat: 3 } as Record<string, unknown>,
    },
  ],
  device_types: [{ name: 'dimmer', description: 'dims' }],
  devices: [
    {
      id: 'dim-1',
      type: 'dimmer',
      name: 'Lamp',
      groups: ['room-1'],
      metadata: { floor: '1' } as Record<string, string>,
      credentials: [{ kind: 'secret', secret: '${OPS_SECRET}' }],
    },
  ],
  grants: [
    { subject: 'ann@example.com', role: 'resident', object: 'site-12', expires_at: 2_000_000_000 },
  ] as { subject: string; role: string; object: string; expires_at?: number }[],
})

const start = (worker: TestWorker, document: unknown, variables: Record<string, string> = env) =>
  startBlueprint(worker.context(), document, variables)

async function grantId(cx: Context): Promise<string> {
  const [grant] = (await listGrants(cx, { limit: 10 })).items
  if (grant === undefined) throw new Error('there is no grant')
  return grant.id
}

/** Everything that the blueprint can write, but for the record. */
const stateOf = (worker: TestWorker) =>
  worker.context().db.read({
    settings: sql`select name, value from setting order by name`,
    clients: sql`select * from client order by id`,
    roles: sql`select * from role order by name`,
    groups: sql`select * from "group" order by id`,
    users: sql`select * from user order by id`,
    types: sql`select * from device_type order by name`,
    devices: sql`select * from device order by id`,
    grants: sql`select * from "grant" order by id`,
    members: sql`select * from membership order by group_id, member_id`,
    credentials: sql`select * from device_credential order by id`,
    secrets: sql`select * from client_secret order by hash`,
  })

async function edit(worker: TestWorker) {
  const cx = worker.context()
  await changeSettings(cx, { access_token_ttl: 120 })
  await changeClient(cx, 'ops', { client_name: 'Ops of the night' }, null)
  await changeRole(cx, 'resident', { description: 'lives there' }, null)
  await changeGroup(cx, 'site-12', { name: 'The house' }, null)
  await changeUser(cx, 'ann', { name: 'Ann B.', metadata: { flat: 4 } }, null)
  await changeDeviceType(cx, 'dimmer', { description: 'dims slowly' }, null)
  await changeDevice(cx, 'dim-1', { name: 'Night lamp', groups: [], status: 'retired' }, null)
  await changeGrant(cx, await grantId(cx), { expires_at: 1_999_999_999 }, null)
}

test('a start in one read and one write; the next one reads once and changes nothing', async () => {
  const worker = await startWorker()
  await worker.request('/.well-known/jwks.json')
  const first = await countRoundTrips(worker, () => start(worker, site()))
  expect(first.roundTrips).toBe(2)
  expect(first.value.changes).toHaveLength(9)
  expect(first.value.left).toEqual([])
  const second = await countRoundTrips(worker, () => start(worker, site()))
  expect(second).toEqual({ value: NOTHING, roundTrips: 1 })
})

test('what operators changed stays, in every kind, and the start says what it left', async () => {
  const worker = await startWorker()
  await start(worker, site())
  await edit(worker)
  const before = await stateOf(worker)
  for (const _ of ['a start', 'another start']) {
    expect(await start(worker, site())).toEqual({
      changes: [],
      left: [
        'left settings (access_token_ttl): kept as it is here',
        'left role resident (description): kept as it is here',
        'left group site-12 (name): kept as it is here',
        'left device type dimmer (description): kept as it is here',
        'left user ann@example.com (name, metadata): kept as it is here',
        'left client ops (client_name): kept as it is here',
        'left device dim-1 (name, groups): kept as it is here',
        'left grant resident for ann@example.com on site-12 (expires_at): kept as it is here',
      ],
    })
  }
  expect(await stateOf(worker)).toEqual(before)
})

test('apply makes the file true over what operators changed, and says so first', async () => {
  const worker = await startWorker()
  await start(worker, site())
  const cx = worker.context()
  await changeGroup(cx, 'site-12', { name: 'The house' }, null)
  await changeDevice(cx, 'dim-1', { name: 'Night lamp', groups: [] }, null)
  const changed = site()
  changed.devices[0]!.name = 'Desk lamp'
  const lines = [
    'updated group site-12 (name); undoes what was changed here: name',
    'updated device dim-1 (name, groups); undoes what was changed here: groups',
  ]
  const before = await stateOf(worker)
  const seen: unknown[] = []
  const show = async (applied: unknown) => {
    seen.push(applied)
  }
  const dry = await applyBlueprint(cx, changed, env, { dryRun: true, show })
  expect(await stateOf(worker)).toEqual(before)
  expect(await applyBlueprint(cx, changed, env, { show })).toEqual(dry)
  expect(dry).toEqual({ changes: lines, left: [] })
  expect(seen).toEqual([dry, dry])
  expect(await start(worker, changed)).toEqual(NOTHING)
})

/** Deletes everything of the site that can be deleted. */
async function deleteAll(worker: TestWorker) {
  const cx = worker.context()
  await changeSettings(cx, { access_token_ttl: null })
  await removeGrant(cx, await grantId(cx), null)
  await removeUser(cx, 'ann', null)
  await removeDevice(cx, 'dim-1', null)
  await removeDeviceType(cx, 'dimmer', null)
  await removeRole(cx, 'resident', null)
  await removeGroup(cx, 'room-1', null)
  await removeGroup(cx, 'site-12', null)
  await removeClient(cx, 'ops', null)
}

const BURIED = 'it was deleted here, and its id is never used again'
const GONE = 'it was deleted or renamed here'

test('a start brings nothing back that was deleted, and comes up', async () => {
  const worker = await startWorker()
  await start(worker, site())
  await deleteAll(worker)
  const before = await stateOf(worker)
  expect(await start(worker, site())).toEqual({
    changes: [],
    left: [
      'left settings (access_token_ttl): kept as it is here',
      `left role resident: ${GONE}`,
      `left group site-12: ${BURIED}`,
      `left group room-1: ${BURIED}`,
      `left device type dimmer: ${GONE}`,
      `left user ann@example.com: ${BURIED}`,
      `left client ops: ${BURIED}`,
      `left device dim-1: ${BURIED}`,
      `left grant resident for ann@example.com on site-12: ${GONE}`,
    ],
  })
  expect(await stateOf(worker)).toEqual(before)
  // Changes that the file makes to it, or hangs on it anew, are left as well.
  const more = site()
  more.devices[0]!.name = 'Other lamp'
  more.devices.push({ ...more.devices[0]!, id: 'dim-2' })
  more.grants.push({ subject: 'dim-2', role: 'resident', object: '*' })
  const { changes, left } = await start(worker, more)
  expect(changes).toEqual([])
  expect(left).toContain('left device dim-2: it names "dimmer", which was deleted here')
  expect(left.some((line) => line.startsWith('left grant resident for dim-2 on *: it names'))).toBe(
    true,
  )
  expect(await stateOf(worker)).toEqual(before)
})

test('apply leaves what was deleted, and makes it again with recreate where its id may be', async () => {
  const worker = await startWorker()
  const document = {
    roles: [{ name: 'guest' }],
    device_types: [{ name: 'dimmer' }],
    users: [{ email: 'bob@example.com' }],
    grants: [{ subject: 'bob@example.com', role: 'guest', object: '*' }],
    devices: [] as { id: string; type: string }[],
  }
  const cx = worker.context()
  await applyBlueprint(cx, document, {})
  await removeGrant(cx, await grantId(cx), null)
  const [bob] = await cx.db.read(sql<{ id: string }>`select id from user`)
  await removeUser(cx, bob?.id ?? '', null)
  await removeRole(cx, 'guest', null)
  await removeDeviceType(cx, 'dimmer', null)
  const applied = await applyBlueprint(worker.context(), document, {})
  expect(applied.changes).toEqual([])
  expect(applied.left).toHaveLength(4)
  for (const line of applied.left) expect(line).toContain('--recreate')
  const { changes, left } = await applyBlueprint(worker.context(), document, {}, { recreate: true })
  expect(left).toEqual([])
  expect(changes).toHaveLength(4)

  document.devices.push({ id: 'dim-1', type: 'dimmer' })
  await applyBlueprint(worker.context(), document, {})
  await removeDevice(cx, 'dim-1', null)
  expect((await applyBlueprint(worker.context(), document, {})).left).toEqual([
    `left device dim-1: ${BURIED}`,
  ])
  const again = applyBlueprint(worker.context(), document, {}, { recreate: true })
  await expect(again).rejects.toThrow('devices[0].id: "dim-1" was deleted; an id is never used')
})

test('a change of the file is applied, beside what operators changed of the same entry', async () => {
  const worker = await startWorker()
  const document = site()
  document.groups.push({ id: 'hall', kind: 'room', name: 'Hall' })
  document.groups.push({ id: 'attic', kind: 'room', name: 'Attic' })
  document.devices[0]!.metadata = { floor: '1', wing: 'east' }
  await start(worker, document)
  const cx = worker.context()
  await changeDevice(
    cx,
    'dim-1',
    { name: 'Night lamp', groups: ['room-1', 'attic'], metadata: { floor: '7', note: 'loose' } },
    null,
  )
  await removeMember(cx, 'site-12', 'ann')
  await addMember(cx, 'attic', 'ann')
  await changeUser(cx, 'ann', { name: 'Ann B.', metadata: { cat: 'Tom' } }, null)
  document.settings = { access_token_ttl: 300, code_ttl: 30 }
  document.devices[0]!.metadata = { floor: '1', wall: 'north' }
  document.devices[0]!.groups = ['hall']
  document.users[0]!.groups = ['site-12', 'hall']
  document.users[0]!.metadata = { flat: 5 }
  document.grants[0]!.expires_at = 2_000_000_001
  await changeSettings(cx, { access_token_ttl: 120 })
  expect(await start(worker, document)).toEqual({
    changes: [
      'updated settings (code_ttl)',
      'updated user ann@example.com (metadata, groups)',
      'updated device dim-1 (metadata, groups)',
      'updated grant resident for ann@example.com on site-12 (expires_at)',
    ],
    left: [
      'left settings (access_token_ttl): kept as it is here',
      'left user ann@example.com (name, metadata, groups): kept as it is here',
      'left device dim-1 (name, metadata, groups): kept as it is here',
    ],
  })
  const { devices, users, members } = await worker.context().db.read({
    devices: sql<{ metadata: string; name: string }>`select name, metadata from device`,
    users: sql<{ metadata: string }>`select metadata from user`,
    members: sql<{ at: string }>`select member_id || ' ' || group_id as at from membership
      order by at`,
  })
  // `wing` went with the file, `floor` and `note` are the operator's, `wall` is new in the file.
  expect(devices.map(({ name, metadata }) => [name, JSON.parse(metadata)])).toEqual([
    ['Night lamp', { floor: '7', note: 'loose', wall: 'north' }],
  ])
  expect(JSON.parse(users[0]?.metadata ?? '')).toEqual({ flat: 5, cat: 'Tom' })
  // room-1 left the file; site-12 was taken away here; attic was added here; hall is new in it.
  expect(members.map(({ at }) => at)).toEqual([
    'ann attic',
    'ann hall',
    'dim-1 attic',
    'dim-1 hall',
  ])
})

test('the first start with things that are there already records them and changes none', async () => {
  const worker = await startWorker()
  await applyBlueprint(worker.context(), site(), env)
  await worker.context().db.write(sql`delete from blueprint_entry`)
  await edit(worker)
  const before = await stateOf(worker)
  const first = await start(worker, site())
  expect(first.changes).toEqual([])
  expect(first.left).toHaveLength(8)
  expect(await stateOf(worker)).toEqual(before)
  const changed = site()
  changed.groups[0]!.name = '12a Garden Street'
  expect((await start(worker, changed)).changes).toEqual(['updated group site-12 (name)'])
})

test('the first start comes up where a named device, client, group or person was deleted before', async () => {
  const worker = await startWorker()
  await applyBlueprint(worker.context(), site(), env)
  await deleteAll(worker)
  await worker.context().db.write(sql`delete from blueprint_entry`)
  const { changes, left } = await start(worker, site())
  expect(changes).toEqual([
    'updated settings (access_token_ttl)',
    'created role resident',
    'created device type dimmer',
  ])
  expect(left).toContain(`left device dim-1: ${BURIED}`)
  expect(left).toContain(`left client ops: ${BURIED}`)
  expect(left).toContain(`left user ann@example.com: ${BURIED}`)
  expect(left).toContain(
    'left grant resident for ann@example.com on site-12: it names "ann@example.com", which was deleted here',
  )
})

test('a person whose address an operator changed gets no second account', async () => {
  for (const id of ['ann', undefined]) {
    for (const isUpgrade of id === undefined ? [false] : [false, true]) {
      const worker = await startWorker()
      const document = { users: [{ ...(id ? { id } : {}), email: 'ann@example.com' }] }
      await start(worker, document)
      const [ann] = await worker.context().db.read(sql<{ id: string }>`select id from user`)
      await changeUser(worker.context(), ann?.id ?? '', { email: 'anna@example.com' }, null)
      if (isUpgrade) await worker.context().db.write(sql`delete from blueprint_entry`)
      const { changes, left } = await start(worker, document)
      expect(changes).toEqual([])
      expect(left).toHaveLength(1)
      const users = await worker.context().db.read(sql`select email from user`)
      expect(users).toEqual([{ email: 'anna@example.com' }])
    }
  }
})

test('a change of the file that meets what operators did is left, and tried again later', async () => {
  const worker = await startWorker()
  await start(worker, site())
  const cx = worker.context()
  await changeSettings(cx, { session_ttl: 7200, session_idle_ttl: 3600 })
  await changeGroup(cx, 'site-12', { parent_id: null }, null)
  await changeDevice(cx, 'dim-1', { status: 'retired' }, null)
  const changed = site()
  changed.settings = { ...changed.settings, session_idle_ttl: 50_000 }
  Object.assign(changed.devices[0]!, { status: 'suspended' })
  const { changes, left } = await start(worker, changed)
  expect(changes).toEqual([])
  expect(left).toEqual([
    'left settings (session_idle_ttl): an idle lifetime cannot be longer than the whole one',
    'left device dim-1 (status): a retired device stays retired: register the thing again under a new id',
  ])
  await changeSettings(cx, { session_ttl: 100_000 })
  expect((await start(worker, changed)).changes).toEqual(['updated settings (session_idle_ttl)'])
  // A file that is wrong by itself keeps the program from starting.
  changed.settings = { session_idle_ttl: 50_000, session_ttl: 7200 }
  await expect(start(worker, changed)).rejects.toThrow(BlueprintFault)
})

test('a group that an operator hung below its new parent is left where it is', async () => {
  const worker = await startWorker()
  const document = site()
  document.groups.push({ id: 'hall', kind: 'room', name: 'Hall' })
  await start(worker, document)
  await changeGroup(worker.context(), 'hall', { parent_id: 'room-1' }, null)
  Object.assign(document.groups[0]!, { parent_id: 'hall' })
  const { changes, left } = await start(worker, document)
  expect(changes).toEqual([])
  expect(left.some((line) => /^left group site-12 \(parent_id\): .* below itself/.test(line))).toBe(
    true,
  )
})

test('instances that start at once all come up, and each thing is made and changed once', async () => {
  const worker = await startWorker()
  const changed = site()
  changed.groups[0]!.name = '12a Garden Street'
  changed.devices[0]!.name = 'Desk lamp'
  changed.settings = { access_token_ttl: 200 }
  for (const [document, lines] of [
    [site(), 9],
    [changed, 3],
  ] as const) {
    const all = await Promise.all(Array.from({ length: 4 }, () => start(worker, document)))
    expect(all.flatMap(({ changes }) => changes)).toHaveLength(lines)
    expect(all.flatMap(({ left }) => left)).toEqual([])
  }
  const events = await worker.context().db.read(
    sql<{ type: string; n: number }>`select type, count(*) as n from event
      where type in ('device.created', 'device.updated', 'group.updated') group by type`,
  )
  expect(events).toEqual([
    { type: 'device.created', n: 1 },
    { type: 'device.updated', n: 1 },
    { type: 'group.updated', n: 1 },
  ])
})

test('a new SECRET_KEY changes nothing, also when the old one is dropped', async () => {
  const worker = await startWorker()
  await start(worker, site())
  await edit(worker)
  await removeGrant(worker.context(), await grantId(worker.context()), null)
  const before = await stateOf(worker)
  const [old = new Uint8Array(32)] = worker.config.secret_keys
  const fresh = crypto.getRandomValues(new Uint8Array(32))
  for (const secret_keys of [[fresh, old], [fresh]]) {
    const cx = worker.context()
    const rotated = { ...cx, config: { ...cx.config, secret_keys }, memory: new Map() }
    const { changes, left } = await startBlueprint(rotated, site(), env)
    expect(changes).toEqual([])
    expect(left).toHaveLength(8)
    expect(left.at(-1)).toBe(`left grant resident for ann@example.com on site-12: ${GONE}`)
    await reseal(rotated)
  }
  expect(await stateOf(worker)).toEqual(before)
})

test('a program with a foreign SECRET_KEY applies and records nothing', async () => {
  const worker = await startWorker()
  const secret_keys = [crypto.getRandomValues(new Uint8Array(32))]
  const cx = worker.context()
  const foreign = { ...cx, config: { ...cx.config, secret_keys }, memory: new Map() }
  await expect(startBlueprint(foreign, site(), env)).rejects.toThrow()
  const rows = await cx.db.read(
    sql`select name from stored_secret union all select key from blueprint_entry
      union all select id from device`,
  )
  expect(rows).toEqual([])
})

test('the record tells nothing of the file, and passwords and secrets are not even compared', async () => {
  const worker = await startWorker()
  await start(worker, site())
  const record = () => worker.context().db.read(sql`select * from blueprint_entry order by key`)
  const before = await record()
  const text = JSON.stringify(before)
  for (const word of ['ann', 'dim-1', 'site-12', 'Kitchen', 'flat', 'floor', env.ANN_PASSWORD]) {
    expect(text).not.toContain(word)
  }
  const other = { OPS_SECRET: `${env.OPS_SECRET}-2`, ANN_PASSWORD: `${env.ANN_PASSWORD} 2` }
  const state = await stateOf(worker)
  expect(await start(worker, site(), other)).toEqual(NOTHING)
  expect(await record()).toEqual(before)
  expect(await stateOf(worker)).toEqual(state)
})
