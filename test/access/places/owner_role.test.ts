// The role of owners of places: a setting names it, a new installation has it, and it is not
// deleted while the setting names it.
import { expect, test } from 'vitest'
import { listPlacesOf, ownerRole, placeCreation } from '../../../worker/access/places/owner_role.ts'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { condition, sql } from '../../../worker/db/sql.ts'
import {
  createSetupLink,
  ensureFirstOperator,
  redeemSetupLink,
} from '../../../worker/identity/setup.ts'
import { startWorker, type TestWorker } from '../../context.ts'
import { PASSWORD } from '../../support/people.ts'
import { HOMES, startHomes } from '../../support/places.ts'

const BOSS = 'first@example.com'

const namesOf = async (worker: TestWorker): Promise<string[]> =>
  (await worker.context().db.read(sql<{ name: string }>`select name from role order by name`)).map(
    ({ name }) => name,
  )

const FIRST = ['guest', 'installer', 'operator', 'owner', 'resident']

async function setUp(worker: TestWorker) {
  const cx = worker.context()
  const token = new URL((await createSetupLink(cx)) ?? '').searchParams.get('token') ?? ''
  const form = { token, email: BOSS, password: PASSWORD, user_agent: '', replaces: undefined }
  return redeemSetupLink(cx, { ...form, browsers: [] })
}

test('a new installation has roles for a place, in whose place an operator puts others', async () => {
  const byLink = await startWorker()
  await createSetupLink(byLink.context())
  // Before the link is opened, since a blueprint may be applied first.
  expect(await namesOf(byLink)).toEqual(FIRST)
  expect((await setUp(byLink)).outcome).toBe('redeemed')
  expect(await namesOf(byLink)).toEqual(FIRST)

  const byEnvironment = await startWorker()
  await ensureFirstOperator(byEnvironment.context(), BOSS, PASSWORD)
  expect(await namesOf(byEnvironment)).toEqual(FIRST)
  const events = await byEnvironment
    .context()
    .db.read(
      sql<{ role: string }>`select data ->> 'role' as role from event where type = 'role.created'`,
    )
  expect(events.map(({ role }) => role).sort()).toEqual(['guest', 'installer', 'owner', 'resident'])

  const withBlueprint = await startWorker()
  await ensureFirstOperator(withBlueprint.context(), BOSS, PASSWORD, true)
  expect(await namesOf(withBlueprint)).toEqual(['operator'])
  const withRoles = await startWorker()
  await withRoles.context().db.write(sql`insert into role (name, description, permissions, acl,
    builtin, created_at, updated_at, version) values ('own', '', '[]', '[]', 0, 1, 1, 1)`)
  expect((await setUp(withRoles)).outcome).toBe('redeemed')
  expect(await namesOf(withRoles)).toEqual(['operator', 'own'])
})

test('an owner of a new installation may give each of its roles for places', async () => {
  const worker = await startWorker()
  await ensureFirstOperator(worker.context(), BOSS, PASSWORD)
  const homes = await startHomes(
    { ...HOMES, roles: HOMES.roles.filter(({ name }) => !FIRST.includes(name)) },
    {},
    worker,
  )
  const ann = await homes.as('ann')
  for (const role of ['owner', 'resident', 'guest', 'installer']) {
    const made = await ann('POST /v1/grants', { subject: 'tim', role, object: 'site-1' })
    expect([role, made.status, made.body['errors']]).toEqual([role, 201, undefined])
  }
  const eve = await homes.as('eve')
  expect((await eve('GET /v1/devices/lamp-1')).status).toBe(404)
})

test('the role is not deleted while the setting names it, and the setting names one that is there', async () => {
  const { worker, ops } = await startHomes()
  await worker.context().db.write(sql`delete from "grant" where role in ('owner', 'guest')`)
  const refused = await ops('DELETE /v1/roles/owner')
  expect([refused.status, refused.body['detail']]).toEqual([
    409,
    expect.stringContaining('owner_role'),
  ])
  const unknown = await ops('PATCH /v1/settings', { owner_role: 'nobody' })
  expect([unknown.status, unknown.body['errors']]).toEqual([
    400,
    [{ pointer: '/owner_role', detail: 'there is no such role' }],
  ])
  expect((await ops('PATCH /v1/settings', { owner_role: 'guest' })).status).toBe(200)
  const other = await ops('DELETE /v1/roles/guest')
  expect([other.status, other.body['detail']]).toEqual([409, refused.body['detail']])
  expect((await ops('DELETE /v1/roles/owner')).status).toBe(204)
  expect((await ops('PATCH /v1/settings', { owner_role: '' })).status).toBe(200)
  expect((await ops('DELETE /v1/roles/guest')).status).toBe(204)
})

test('an offer without a role gives the role of the setting, and without one it is refused', async () => {
  const { worker, ops, as } = await startHomes()
  const place = 'POST /v1/groups/site-1/transfer'
  const offer = { to: 'bea@example.com', dry_run: true }
  await worker.context().db.write(sql`delete from membership where member_id = 'hub'`)
  const ann = await as('ann')
  expect((await ann(place, offer)).body['role']).toBe('owner')
  expect(
    (await ops('PATCH /v1/settings', { owner_role: 'resident', sign_up: 'open' })).status,
  ).toBe(200)
  worker.memory.clear()
  expect((await ops(place, offer)).body['role']).toBe('resident')
  expect((await ops('PATCH /v1/settings', { owner_role: '' })).status).toBe(200)
  worker.memory.clear()
  const refused = await ann(place, offer)
  expect([refused.status, refused.body['detail']]).toEqual([
    409,
    expect.stringContaining('set owner_role'),
  ])
  expect((await ann(place, { ...offer, role: 'owner' })).status).toBe(200)
  await changeSettings(worker.context(), { owner_role: null })
  worker.memory.clear()
})

test('a place is made with its owner in one batch, or not at all', async () => {
  const { worker, as } = await startHomes()
  const cx = worker.context()
  const role = (await ownerRole(cx)) ?? ''
  const isThere = condition`exists (select 1 from user where id = 'bob')`
  const made = { id: 'grp_new', name: 'New home', role }
  await cx.db.write([
    ...placeCreation(cx, made, 'bob', isThere),
    ...placeCreation(cx, { ...made, id: 'grp_no' }, 'bob', condition`not ${isThere}`),
  ])
  const places = (id: string) => cx.db.read(listPlacesOf(id, 'access:write', cx.now()))
  expect(await places('bob')).toEqual([{ id: 'grp_new', name: 'New home' }])
  expect(await places('ann')).toEqual([{ id: 'site-1', name: 'Home 1' }])
  expect(await places('boss')).toEqual([])
  expect((await (await as('bob'))('GET /v1/groups/grp_new')).body['kind']).toBe('site')
  expect(await cx.db.read(sql`select id from principal where id = 'grp_no'`)).toEqual([])

  const gone = placeCreation(cx, { id: 'grp_2', name: 'Second', role: 'gone' }, 'bob', isThere)
  await expect(cx.db.write([...gone])).rejects.toMatchObject({ reason: 'no_owner_role' })
  expect(await cx.db.read(sql`select id from principal where id = 'grp_2'`)).toEqual([])
})
