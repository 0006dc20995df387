import { describe, expect, test } from 'vitest'
import { parseAcl } from '../../policy/acl.ts'
import { compileAcl } from '../../worker/access/acl_claim.ts'
import { permissionsSomewhere, rightsOf } from '../../worker/access/rights.ts'
import { sql } from '../../worker/db/sql.ts'
import { countRoundTrips } from '../context.ts'
import { details, type House, startHouse } from './fixture.ts'

type Rule = {
  permission?: string
  action?: string
  topic: string
  qos?: number[]
  retain?: boolean
}
const allow = (topic: string, more: Partial<Rule> = {}) => ({
  permission: 'allow',
  action: 'publish',
  topic,
  ...more,
})
const deny = (topic: string, more: Partial<Rule> = {}) => ({
  permission: 'deny',
  action: 'publish',
  topic,
  ...more,
})

async function claimOf({ worker }: House, id: string, maxRules = 100) {
  const cx = worker.context()
  const compiled = compileAcl(cx, id, await cx.db.read(rightsOf(id, cx.now())), maxRules)
  if (!('fault' in compiled)) expect(parseAcl(compiled.rules)).toHaveProperty('acl')
  return compiled
}

/** `allow publish a/b` for each rule. */
async function rulesOf(house: House, id: string): Promise<string[]> {
  const claim = await claimOf(house, id)
  if ('fault' in claim) throw new Error(claim.fault)
  return claim.rules.map(({ permission, action, topic }) => `${permission} ${action} ${topic}`)
}

const notes = ({ worker }: House): string[] =>
  worker.log.map(({ fields }) => String(fields['note']))

/** fleet > north > site-1, site-2; devices lamp in site-1, door in site-2 and vip; ann. */
async function startSites() {
  const house = await startHouse()
  const { make, user, device } = house
  await make('POST /v1/groups', { id: 'fleet' })
  await make('POST /v1/groups', { id: 'north', parent_id: 'fleet' })
  await make('POST /v1/groups', { id: 'site-1', parent_id: 'north' })
  await make('POST /v1/groups', { id: 'site-2', parent_id: 'north' })
  await make('POST /v1/groups', { id: 'vip' })
  await user('ann')
  await device('lamp', { groups: ['site-1'], metadata: { room: 'hall' } })
  await device('door', { groups: ['site-2', 'vip'], metadata: { room: 'a/b' } })
  const grant = async (acl: Rule[], object: string, more: object = {}, subject = 'ann') => {
    const name = `role-${Math.random().toString(36).slice(2)}`
    await make('POST /v1/roles', { name, acl })
    return make('POST /v1/grants', { subject, role: name, object, ...more })
  }
  return { ...house, grant }
}

describe('rights', () => {
  test('a role on a site becomes rules for that site and every one below it', async () => {
    const house = await startSites()
    await house.grant(
      [
        allow('sites/${group.id}/devices/${device.id}/set', { qos: [0, 1], retain: false }),
        allow('sites/${group.id}/devices/+/state', { action: 'subscribe' }),
      ],
      'north',
    )
    const claim = await claimOf(house, 'ann')
    expect(claim).toEqual({
      expires_at: null,
      rules: ['north', 'site-1', 'site-2']
        .map((site) => allow(`sites/${site}/devices/+/set`, { qos: [0, 1], retain: false }))
        .concat(
          ['north', 'site-1', 'site-2'].map((site) =>
            allow(`sites/${site}/devices/+/state`, { action: 'subscribe' }),
          ),
        ),
    })
  })

  test('a template that names the device but no group lists the devices, each once', async () => {
    const house = await startSites()
    await house.make('POST /v1/groups/site-1/members', { id: 'door' })
    await house.grant([allow('devices/${device.id}/set')], 'fleet')
    expect(await rulesOf(house, 'ann')).toEqual([
      'allow publish devices/door/set',
      'allow publish devices/lamp/set',
    ])
  })

  test('a variable within a level is never a wildcard: devices of a group are listed, on * it is void', async () => {
    const house = await startSites()
    await house.grant([allow('s/${group.id}/x-${device.id}')], 'north')
    expect(await rulesOf(house, 'ann')).toEqual([
      'allow publish s/site-2/x-door',
      'allow publish s/site-1/x-lamp',
    ])
    await house.user('bob')
    await house.grant(
      [allow('s/${group.id}/x-${device.id}'), allow('s/${group.id}/${device.id}')],
      '*',
      {},
      'bob',
    )
    expect(await rulesOf(house, 'bob')).toEqual(['allow publish s/+/+'])
    expect(notes(house).join()).toContain('stands for many within a level')
  })

  test('on one device the device is named, with each group it is in', async () => {
    const house = await startSites()
    await house.grant([allow('s/${group.id}/${device.id}'), allow('${device.id}/in')], 'door')
    expect(await rulesOf(house, 'ann')).toEqual([
      'allow publish s/site-2/door',
      'allow publish s/vip/door',
      'allow publish door/in',
    ])
  })

  test('metadata fills in a level; a value that is missing or no level makes an allowance void, and says so', async () => {
    const house = await startSites()
    await house.grant(
      [allow('r/${device.metadata.room}/${device.id}'), allow('f/${device.metadata.floor}')],
      'fleet',
    )
    expect(await rulesOf(house, 'ann')).toEqual(['allow publish r/hall/lamp'])
    expect(notes(house).join()).toContain('device.metadata.room is not one topic level')
    expect(notes(house).join()).toContain('device.metadata.floor is missing')
    expect(notes(house).join()).not.toContain('a/b')
  })

  test('a denial whose value is missing or no level is widened, never dropped', async () => {
    const house = await startSites()
    await house.device('odd', { groups: ['site-1'], metadata: { word: 'eq', room: '' } })
    await house.grant([allow('#')], '*')
    await house.grant(
      [
        deny('r/${device.metadata.room}/lock'),
        deny('${device.metadata.word} b/y'),
        deny('${clientid}/c'),
      ],
      'fleet',
    )
    expect(await rulesOf(house, 'ann')).toEqual([
      'deny publish r/+/lock',
      'deny publish +/y',
      'deny publish +/c',
      'allow publish #',
    ])
    expect(notes(house).join()).toContain('device.metadata.room is not one topic level')
  })

  test('a device in no group: an allowance with the group is void, a denial holds for every group', async () => {
    const house = await startSites()
    await house.deviceType('meter', [
      allow('s/${group.id}/${device.id}'),
      deny('s/${group.id}/admin'),
      allow('m/${clientid}'),
    ])
    await house.device('m1', { type: 'meter', mqtt_client_id: 'meter-1' })
    expect(await rulesOf(house, 'm1')).toEqual([
      'deny publish s/+/admin',
      'allow publish m/meter-1',
    ])
    await house.device('m2', { type: 'meter', groups: ['site-1', 'vip'] })
    expect(await rulesOf(house, 'm2')).toEqual([
      'deny publish s/site-1/admin',
      'deny publish s/vip/admin',
      'allow publish s/site-1/m2',
      'allow publish s/vip/m2',
    ])
  })

  test('stored rules that are not understood leave no rule at all', async () => {
    const house = await startSites()
    await house.grant([allow('#')], '*')
    await house.grant([deny('a')], '*')
    const cx = house.worker.context()
    for (const acl of [
      '[{"permission":"deny","action":"publish","topic":"${new.kind}"}]',
      '{',
      '[null]',
    ]) {
      await cx.db.write(
        sql`update role set acl = ${acl} where acl like '%deny%' or name = 'broken'`,
      )
      await cx.db.write([
        sql`update role set name = 'broken' where acl = ${acl}`,
        sql`update "grant" set role = 'broken'
        where role not in (select name from role)`,
      ])
      const claim = await claimOf(house, 'ann')
      expect(claim).toEqual({ rules: [], expires_at: null, is_void: true })
    }
  })

  test('a grant holds from not_before until expires_at, and the claim says when the first one ends', async () => {
    const house = await startSites()
    const { clock } = house.worker
    const noon = clock.now
    await house.grant([allow('always')], '*')
    await house.grant([allow('shift')], '*', { not_before: noon + 100, expires_at: noon + 200 })
    await house.grant([allow('day')], '*', { expires_at: noon + 1000 })
    const at = async (time: number) => {
      clock.now = time
      const claim = await claimOf(house, 'ann')
      return 'fault' in claim
        ? claim
        : [
            claim.rules
              .map((rule) => rule.topic)
              .sort()
              .join(),
            claim.expires_at,
          ]
    }
    expect(await at(noon + 99)).toEqual(['always,day', noon + 1000])
    expect(await at(noon + 100)).toEqual(['always,day,shift', noon + 200])
    expect(await at(noon + 199)).toEqual(['always,day,shift', noon + 200])
    expect(await at(noon + 200)).toEqual(['always,day', noon + 1000])
    expect(await at(noon + 1000)).toEqual(['always', null])
  })

  test('a grant to a group holds for its members and those of the groups below, not above or beside', async () => {
    const house = await startSites()
    const { make } = house
    for (const id of ['in-fleet', 'in-north', 'in-site', 'in-vip']) await house.user(id)
    await make('POST /v1/groups/fleet/members', { id: 'in-fleet' })
    await make('POST /v1/groups/north/members', { id: 'in-north' })
    await make('POST /v1/groups/site-1/members', { id: 'in-site' })
    await make('POST /v1/groups/vip/members', { id: 'in-vip' })
    await house.grant([allow('x')], '*', {}, 'north')
    expect(await rulesOf(house, 'in-north')).toEqual(['allow publish x'])
    expect(await rulesOf(house, 'in-site')).toEqual(['allow publish x'])
    expect(await rulesOf(house, 'lamp')).toEqual(['allow publish x'])
    expect(await rulesOf(house, 'in-fleet')).toEqual([])
    expect(await rulesOf(house, 'in-vip')).toEqual([])
    await make('PATCH /v1/groups/site-1', { parent_id: null })
    expect(await rulesOf(house, 'in-site')).toEqual([])
  })

  test('what a wider rule allows is not said again, but another qos or retain is kept', async () => {
    const house = await startSites()
    await house.grant(
      [
        allow('a/b'),
        allow('a/+', { qos: [0] }),
        allow('a/+'),
        allow('a/c', { action: 'all' }),
        allow('a/d', { retain: true }),
        allow('b', { qos: [0, 1] }),
        allow('b', { qos: [1] }),
        deny('a/b/c'),
        deny('a/#'),
      ],
      '*',
    )
    const claim = await claimOf(house, 'ann')
    expect('rules' in claim && claim.rules).toEqual([
      deny('a/#'),
      allow('a/+'),
      allow('a/c', { action: 'all' }),
      allow('b', { qos: [0, 1] }),
    ])
  })

  test('more rules than the setting permits is a fault, and one that covers them all makes it none', async () => {
    const house = await startSites()
    for (let i = 0; i < 12; i++) await house.device(`d${i}`, { groups: ['site-1'] })
    await house.grant([allow('d/${device.id}')], 'site-1')
    expect(await claimOf(house, 'ann', 13)).toMatchObject({ rules: { length: 13 } })
    expect(await claimOf(house, 'ann', 12)).toEqual({ fault: 'too_many_rules' })
    await house.grant([allow('d/+')], 'site-1')
    expect(await claimOf(house, 'ann', 1)).toMatchObject({ rules: [allow('d/+')] })
  })

  test('permissions on * and on a group are those of the management API; on a device they are not', async () => {
    const house = await startSites()
    const { make, worker } = house
    await make('POST /v1/roles', { name: 'support', permissions: ['users:read', 'device:read'] })
    await make('POST /v1/grants', { subject: 'fleet', role: 'support', object: '*' })
    await make('POST /v1/grants', { subject: 'ann', role: 'operator', object: 'lamp' })
    const cx = worker.context()
    const somewhere = async (id: string) =>
      [...permissionsSomewhere(await cx.db.read(rightsOf(id, cx.now()))).keys()].sort()
    expect(await somewhere('ann')).toEqual([])
    expect(await somewhere('lamp')).toEqual(['device:read', 'users:read'])
    await make('POST /v1/grants', {
      subject: 'ann@example.com',
      role: 'operator',
      object: 'site-1',
    })
    expect(await somewhere('ann')).toEqual(['manage'])
  })

  test('the rights of a subject named by SQL come in one round trip; no subject has none', async () => {
    const house = await startSites()
    await house.grant([allow('s/${group.id}')], 'site-1')
    const cx = house.worker.context()
    const subject = sql`select id from user where email_key = ${'ann@example.com'}`
    const { value, roundTrips } = await countRoundTrips(house.worker, () =>
      cx.db.read(rightsOf(subject, cx.now())),
    )
    expect(roundTrips).toBe(1)
    expect(compileAcl(cx, 'ann', value, 10)).toMatchObject({ rules: [allow('s/site-1')] })
    const nobody = await cx.db.read(rightsOf(sql`select id from user where false`, cx.now()))
    expect(compileAcl(cx, 'x', nobody, 10)).toEqual({ rules: [], expires_at: null })
  })
})

describe('templates', () => {
  test.each([
    ['a/#/b', 'not a topic filter'],
    ['a+/b', 'not a topic filter'],
    ['+${group.id}', 'not a topic filter'],
    ['', 'not a topic filter'],
    ['eq a/b', 'leave it out'],
    ['eq ${group.id}', 'leave it out'],
    ['a/${nothing.id}', 'unknown variable "nothing.id"'],
    ['a/${group.name}', 'unknown variable'],
    ['a/${device.metadata.}', 'unknown variable'],
    ['a/${device.metadata.a b}', 'unknown variable'],
    ['a/${', 'not closed'],
    ['a/${group.id', 'not closed'],
    ['$share/g/a', 'without "$share"'],
    ['$x${group.id}/a', 'begins with "$"'],
  ])('%s is refused', async (topic, text) => {
    const { call } = await startHouse()
    const answer = await call('POST /v1/roles', { name: 'r', acl: [allow('fine'), allow(topic)] })
    expect(answer.status).toBe(400)
    expect(details(answer)).toContain('/acl/1/topic')
    expect(details(answer)).toContain('acl[1]')
    expect(JSON.parse(details(answer))[1][0].detail).toContain(text)
  })

  test('a rule with an unknown member, no action or a qos of 3 is refused', async () => {
    const { call } = await startHouse()
    for (const rule of [
      { ...allow('a'), username: 'x' },
      { permission: 'allow', topic: 'a' },
      { ...allow('a'), qos: [3] },
      { ...allow('a'), qos: [] },
      { ...allow('a'), retain: 'yes' },
    ]) {
      expect((await call('POST /v1/roles', { name: 'r', acl: [rule] })).status).toBe(400)
    }
  })
})
