// Changes that take rights from more than 1,000 holders: one row ends their tokens at once for
// introspection and /v1, and the job flips their entries page by page.
import { expect, test } from 'vitest'
import { type Statement, sql } from '../../worker/db/sql.ts'
import { changeClient } from '../../worker/oauth/clients/clients.ts'
import { spreadStatus } from '../../worker/status/spreading.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import { basic, signIn, token, write } from '../oauth/token_fixtures.ts'
import { addGroup, addMember, addRole, give, startHouse } from './house.ts'
import { claimsOf, statusOf } from './status_reader.ts'

const allow = (topic: string) => ({ permission: 'allow', action: 'subscribe', topic })

/** Devices in a group, which authenticate by the same secret as `dim-1`. */
async function addFleet(worker: TestWorker, group_id: string, n: number) {
  const numbers = sql`with recursive s(i) as (select 1 union all select i + 1 from s where i < ${n})`
  await write(
    worker,
    sql`insert into principal (id, kind, rid, created_at)
      ${numbers} select 'lamp-' || i, 'device', 'fixture', 1 from s`,
    sql`insert into device (id, type, status, metadata, created_at, updated_at, version)
      ${numbers} select 'lamp-' || i, 'type-of-dim-1', 'active', '{}', 1, 1, 1 from s`,
    sql`insert into device_credential (id, device_id, kind, secret_hash, created_at)
      select 'crd-' || d.id, d.id, 'secret', c.secret_hash, 1 from device d
      join device_credential c on c.device_id = 'dim-1' where d.id like 'lamp-%'`,
    sql`insert into membership (group_id, member_id, created_at)
      ${numbers} select ${group_id}, 'lamp-' || i, 1 from s`,
  )
}

async function startFleet(n: number) {
  const house = await startHouse()
  const { worker } = house
  await addGroup(worker, 'fleet')
  await addGroup(worker, 'lamps', 'fleet')
  await addFleet(worker, 'lamps', n)
  await addRole(worker, 'reader', [allow('news/#')])
  const grant = await give(worker, 'fleet', 'reader', '*')
  const ofLamp = async (i: number) => {
    const headers = basic(`lamp-${i}`, 'of-dim-1')
    const { body } = await token(worker, { grant_type: 'client_credentials' }, headers)
    return body.access_token ?? ''
  }
  const isActive = async (one: string) => (await house.look(one))['active']
  const changes = () => worker.context().db.read(sql<{ n: number }>`select n from status_change`)
  return { ...house, grant, ofLamp, isActive, changes }
}

test('1,000 holders are flipped at once', async () => {
  const { worker, ofLamp, changes } = await startFleet(998)
  const lamp = await ofLamp(998)
  await write(worker, sql`delete from "grant"`)
  expect(await changes()).toEqual([])
  expect(await statusOf(worker, lamp)).toBe(3)
})

test('of more, the tokens are refused at once, and the next list shows it', async () => {
  const { worker, tokens, ofLamp, isActive, changes } = await startFleet(1200)
  const [first, last, stranger] = [await ofLamp(1), await ofLamp(1200), await tokens.device()]
  await write(worker, sql`delete from "grant"`)
  expect(await changes()).toHaveLength(1)
  expect([await isActive(first), await isActive(last)]).toEqual([false, false])
  expect(await isActive(stranger)).toBe(true)

  // A token that is fetched meanwhile is good, now and later; it takes one round trip more, once.
  const anew = await countRoundTrips(worker, () => ofLamp(1))
  expect(anew.roundTrips).toBe(2)
  expect(await isActive(anew.value)).toBe(true)
  expect((await countRoundTrips(worker, () => ofLamp(1))).roundTrips).toBe(1)

  expect(await statusOf(worker, last)).toBe(3)
  expect(await changes()).toEqual([])
  const seen = [first, last, anew.value, stranger].map((one) => statusOf(worker, one))
  expect(await Promise.all(seen)).toEqual([3, 3, 0, 0])
  expect(await isActive(anew.value)).toBe(true)
  expect(await isActive(last)).toBe(false)
  expect(await isActive(await ofLamp(1200))).toBe(true)
})

test('a change of a type, a role and a place that is large is cut off too', async () => {
  const { worker, ofLamp, isActive, changes, tokens } = await startFleet(1200)
  await give(worker, 'lamps', 'reader', 'home')
  const stranger = await tokens.person()
  for (const change of [
    sql`update device_type set acl = '[]' where name = 'type-of-dim-1'`,
    sql`update role set acl = '[]' where name = 'reader'`,
    sql`update "group" set parent_id = 'home' where id = 'lamps'`,
  ]) {
    const before = await ofLamp(7)
    expect(await isActive(before)).toBe(true)
    await write(worker, change)
    expect(await changes()).toHaveLength(1)
    expect(await isActive(before)).toBe(false)
    expect(await isActive(stranger)).toBe(true)
    await spreadStatus(worker.context())
    expect(await statusOf(worker, before)).toBe(3)
  }
})

test.each([
  ['their role changes', sql`update role set acl = '[]' where name = 'keeper'`],
  ['a device leaves', sql`delete from membership where member_id = 'lamp-1'`],
])('holders with several grants lose their tokens, all of them, when %s', async (_, change) => {
  const { worker } = await startFleet(600)
  for (const role of ['keeper', 'warden']) {
    await addRole(worker, role, [allow('lamps/${device.id}/#')])
  }
  const held = JSON.stringify([
    ['keeper', 'lamps'],
    ['keeper', 'fleet'],
    ['warden', 'lamps'],
  ])
  await write(
    worker,
    sql`insert into "grant" (id, subject_id, role, object_id, created_at, updated_at, version)
      select 'grt-' || d.id || '-' || h.key, d.id, h.value ->> 0, h.value ->> 1, 1, 1, 1
      from device d, json_each(${held}) h where d.id like 'lamp-%' order by d.id, h.key`,
  )
  const { db } = worker.context()
  const [last] = await db.read(sql<{ seq: number }>`select max(seq) as seq from status_entry`)
  const untouched = () =>
    db.read(sql`select e.origin_id from status_entry e
      where e.seq <= ${last?.seq ?? 0} and e.origin_id like 'lamp-%'
        and not exists (select 1 from status_waiting w where w.seq = e.seq)`)
  expect(await untouched()).toHaveLength(600)
  await write(worker, change)
  expect(await untouched()).toEqual([])
  await spreadStatus(worker.context())
  expect(await untouched()).toEqual([])
})

test.each([
  ['moves', sql`update "group" set parent_id = 'home' where id = 'lamps'`],
  ['is no site any more', sql`update "group" set kind = 'room' where id = 'lamps'`],
])(
  'a place with many grants that %s is a few rows, and reaches all who hold them',
  async (_, change) => {
    const { worker } = await startFleet(600)
    await addRole(worker, 'keeper', [allow('sites/${site.id}/${group.id}/#')])
    await write(
      worker,
      sql`insert into principal (id, kind, rid, created_at)
      select 'room-' || value, 'group', 'fixture', 1 from json_each('[1,2]')`,
      sql`insert into "group" (id, kind, name, parent_id, created_at, updated_at, version)
      select 'room-' || value, 'room', '', 'lamps', 1, 1, 1 from json_each('[1,2]')`,
      sql`insert into "grant" (id, subject_id, role, object_id, created_at, updated_at, version)
      select 'grt-' || d.id || r.value, d.id, 'keeper', 'room-' || r.value, 1, 1, 1
      from device d, json_each('[1,2]') r where d.id like 'lamp-%'`,
      // Nobody is concerned as a member of the place.
      sql`delete from membership where group_id = 'lamps'`,
    )
    const { db } = worker.context()
    await spreadStatus(worker.context())
    const one = async (statement: Statement<{ n: number }>) => (await db.read(statement))[0]?.n ?? 0
    const rows = sql<{
      n: number
    }>`select seq as n from sqlite_sequence where name = 'status_change'`
    const last = await one(sql<{ n: number }>`select max(seq) as n from status_entry`)
    const before = await one(rows)
    await write(worker, change)
    expect((await one(rows)) - before).toBeLessThan(10)
    const untouched = sql`select e.origin_id from status_entry e
    where e.seq <= ${last} and e.origin_id like 'lamp-%'
      and not exists (select 1 from status_waiting w where w.seq = e.seq)`
    expect(await db.read(untouched)).toEqual([])
    await spreadStatus(worker.context())
    expect(await db.read(untouched)).toEqual([])
  },
)

test('a job that breaks off is taken up where it was', async () => {
  const { worker, ofLamp } = await startFleet(5000)
  const tokens = await Promise.all([1, 2500, 4999].map(ofLamp))
  await write(worker, sql`delete from "grant"`)
  const cx = worker.context()
  let writes = 0
  const breaking = {
    ...cx,
    db: {
      ...cx.db,
      write: (async (batch) => {
        writes += 1
        if (writes === 3) throw new Error('the process ended')
        return cx.db.write(batch)
      }) as typeof cx.db.write,
    },
  }
  await expect(spreadStatus(breaking)).rejects.toThrow('the process ended')
  const values = () => Promise.all(tokens.map((one) => statusOf(worker, one)))
  const flipped = await cx.db.read(sql<{ n: number }>`select count(*) as n from status_flip`)
  expect(flipped).toEqual([{ n: 3996 }])
  await Promise.all([spreadStatus(cx), spreadStatus(cx)])
  expect(await values()).toEqual([3, 3, 3])
  const entries = await cx.db.read(
    sql<{ n: number }>`select count(*) as n from status_entry where origin_id like 'lamp-%'`,
  )
  expect(entries).toEqual([{ n: 5000 }])
})

test('a list that is read while a change of very many is spread shows the first, and the rest later', async () => {
  const { worker, ofLamp, changes } = await startFleet(14_000)
  const [first, last] = [await ofLamp(1), await ofLamp(14_000)]
  await write(worker, sql`delete from "grant"`)
  const lists = await Promise.all([statusOf(worker, first), statusOf(worker, first)])
  expect(lists).toEqual([3, 3])
  await worker.settled()
  expect(await changes()).toEqual([])
  expect(await statusOf(worker, last)).toBe(3)
}, 60_000)

test('a client with many people that is disabled ends for all of them', async () => {
  const { worker, changes } = await startHouse().then((house) => ({
    ...house,
    changes: () => house.worker.context().db.read(sql`select n from status_change`),
  }))
  const { access_token, authorization_id } = await signIn(worker, { scope: 'openid mqtt' })
  await write(
    worker,
    sql`insert into authorization (id, user_id, client_id, scope, resource, auth_time, amr, created_at,
        last_used_at, offline)
      with recursive s(i) as (select 1 union all select i + 1 from s where i < 1100)
      select 'azn-' || i, 'ann', client_id, scope, resource, 1, '[]', 1, 1, 1
      from s join authorization on authorization.id = ${authorization_id}`,
  )
  await changeClient(worker.context(), 'app', { status: 'disabled' }, null)
  expect(await changes()).toHaveLength(1)
  await spreadStatus(worker.context())
  expect(await changes()).toEqual([])
  expect(await statusOf(worker, access_token)).toBe(1)
  const left = await worker
    .context()
    .db.read(sql`select 1 from status_entry where kind = 'authorization'`)
  expect(left).toEqual([])
})

test('a member that leaves while its change is spread is flipped as well', async () => {
  const { worker, ofLamp } = await startFleet(1200)
  const lamp = await ofLamp(9)
  await write(worker, sql`delete from "grant"`)
  await write(worker, sql`delete from membership where member_id = 'lamp-9'`)
  expect(await statusOf(worker, lamp)).toBe(3)
  expect(claimsOf(await ofLamp(9)).status).not.toEqual(claimsOf(lamp).status)
  await addMember(worker, 'lamps', 'lamp-9')
})
