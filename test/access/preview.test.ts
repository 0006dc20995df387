// The preview of a change: the people and devices that gain or lose topics, and those whose token
// would not fit. To ask changes nothing.
import { expect, test } from 'vitest'
import { compileAcl } from '../../worker/access/acl_claim.ts'
import { rightsOf } from '../../worker/access/rights.ts'
import { countRoundTrips } from '../context.ts'
import { actor, startHouse } from './fixture.ts'

const allow = (topic: string) => ({ permission: 'allow', action: 'publish', topic })

async function startHome() {
  const house = await startHouse()
  const { make, user, device, deviceType, worker } = house
  await make('POST /v1/groups', { id: 'home', kind: 'site' })
  await make('POST /v1/groups', { id: 'family' })
  await deviceType('lamp', [allow('d/${device.id}/state')])
  await device('lamp-1', { type: 'lamp', groups: ['home'] })
  for (const id of ['ann', 'bob']) await user(id)
  await make('POST /v1/groups/family/members', { id: 'ann' })
  await make('POST /v1/roles', { name: 'resident', acl: [allow('s/${group.id}/set')] })
  const { id } = await make('POST /v1/grants', {
    subject: 'family',
    role: 'resident',
    object: 'home',
  })
  const rules = async (subject: string) => {
    const cx = worker.context()
    const compiled = compileAcl(cx, subject, await cx.db.read(rightsOf(subject, cx.now())), 100)
    return 'fault' in compiled ? [] : compiled.rules.map(({ topic }) => topic).sort()
  }
  const preview = (change: object) => make('POST /access/v1/preview', change)
  return { ...house, grant_id: id, rules, preview }
}

const rule = (subject: string, topic: string, permission = 'allow') => ({
  subject,
  permission,
  action: 'publish',
  topic,
})
const none = { count: 0, rules: [] }

test('each kind of change says who gains and loses, and is what happens when it is made', async () => {
  const { preview, make, grant_id, rules } = await startHome()
  const base = { examined: 1, more: false, gains: none, loses: none, unfit: [] }
  const created = { subject: 'bob', role: 'resident', object: 'home' }
  expect(await preview({ create_grant: created })).toEqual({
    ...base,
    gains: { count: 1, rules: [rule('bob', 's/home/set')] },
  })
  expect(await preview({ create_grant: { ...created, condition: 'now > now' } })).toEqual(base)
  expect(await preview({ add_member: { group: 'family', member: 'bob@example.com' } })).toEqual({
    ...base,
    gains: { count: 1, rules: [rule('bob', 's/home/set')] },
  })
  const lost = { count: 1, rules: [rule('ann', 's/home/set')] }
  expect(await preview({ remove_member: { group: 'family', member: 'ann' } })).toEqual({
    ...base,
    loses: lost,
  })
  expect(await preview({ delete_grant: grant_id })).toEqual({ ...base, loses: lost })
  const acl = [allow('s/${site.id}/#'), { ...allow('s/${site.id}/door'), permission: 'deny' }]
  expect(await preview({ role: { name: 'resident', acl } })).toEqual({
    ...base,
    gains: { count: 1, rules: [rule('ann', 's/home/#')] },
    loses: { count: 1, rules: [rule('ann', 's/home/door', 'deny')] },
  })
  expect(
    await preview({ device_type: { name: 'lamp', acl: [allow('d/${device.id}/#')] } }),
  ).toMatchObject({ gains: { count: 1, rules: [rule('lamp-1', 'd/lamp-1/#')] }, loses: none })
  expect(await rules('ann')).toEqual(['s/home/set'])
  await make('PATCH /v1/roles/resident', { acl })
  expect(await rules('ann')).toEqual(['s/home/#', 's/home/door'])
})

test('those whose token would not fit are named, before the change that is refused', async () => {
  const { preview, make, grant_id } = await startHome()
  // A holder of the role would be in the way of the rooms.
  await make(`DELETE /v1/grants/${grant_id}`)
  for (let i = 0; i < 101; i++) {
    await make('POST /v1/groups', { id: `room-${i}`, parent_id: 'home' })
  }
  const change = { create_grant: { subject: 'bob', role: 'resident', object: 'home' } }
  const { unfit } = await preview(change)
  expect(unfit).toEqual([{ subject: 'bob', reason: expect.stringContaining('acl_max_rules') }])
})

test('of many holders the first are looked at, in two round trips', async () => {
  const { worker, user, make, call } = await startHome()
  for (let i = 0; i < 25; i++) {
    await user(`u${i}`)
    await make('POST /v1/groups/family/members', { id: `u${i}` })
  }
  const ask = () => call('POST /access/v1/preview', { role: { name: 'resident', acl: [] } })
  await ask() // reads the settings
  const { value, roundTrips } = await countRoundTrips(worker, ask)
  expect(roundTrips).toBe(2)
  const loses = value.body['loses'] as { count: number; rules: unknown[] }
  expect([value.body['examined'], value.body['more'], loses.count]).toEqual([20, true, 20])
})

test('a change of something that is not there, two changes and none are refused', async () => {
  const { call } = await startHome()
  for (const change of [
    {},
    { delete_grant: 'grt_none' },
    { role: { name: 'none', acl: [] } },
    { add_member: { group: 'none', member: 'ann' } },
    { delete_grant: 'grt_none', role: { name: 'resident' } },
    { create_grant: { subject: 'ann', role: 'resident', object: 'home', condition: 'x ==' } },
  ]) {
    expect([change, (await call('POST /access/v1/preview', change)).status]).toEqual([change, 400])
  }
  const as = actor('client', 'app', 'devices:read')
  const change = { role: { name: 'resident', acl: [] } }
  expect((await call('POST /access/v1/preview', change, { as })).status).toBe(403)
})
