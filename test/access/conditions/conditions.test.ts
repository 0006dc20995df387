// Conditions of grants (CEL): taken or refused when they are saved, where they count, and that one
// which cannot be judged gives nothing and takes away what its role denies.
import { describe, expect, test } from 'vitest'
import { compileAcl } from '../../../worker/access/acl_claim.ts'
import { leavesAnOperator } from '../../../worker/access/power.ts'
import { listHeldScopes } from '../../../worker/access/reach/reach.ts'
import { permissionsSomewhere, rightsOf } from '../../../worker/access/rights.ts'
import { sql } from '../../../worker/db/sql.ts'
import { changeDevice } from '../../../worker/devices/devices.ts'
import { countRoundTrips } from '../../context.ts'
import { actor, details, startHouse } from '../fixture.ts'

/** site-1 (kind site) > room-1 (kind room); lamp and lock in room-1, meter in site-1. */
async function startSite() {
  const house = await startHouse()
  const { make, user, device, worker } = house
  await make('POST /v1/groups', { id: 'site-1', kind: 'site' })
  await make('POST /v1/groups', { id: 'room-1', kind: 'room', parent_id: 'site-1' })
  for (const id of ['ann', 'bob']) await user(id)
  await device('lamp', { type: 'light', groups: ['room-1'], metadata: { floor: '2' } })
  await device('lock', { type: 'lock', groups: ['room-1'], metadata: { floor: '1' } })
  await device('meter', { type: 'meter', groups: ['site-1'] })
  await make('POST /v1/roles', {
    name: 'resident',
    permissions: ['device:read'],
    acl: [
      {
        permission: 'allow',
        action: 'publish',
        topic: 'g/${group.id}/${device.id}/set',
      },
    ],
  })
  await make('POST /v1/roles', {
    name: 'barred',
    acl: [{ permission: 'deny', action: 'all', topic: 'g/${group.id}/${device.id}/set' }],
  })
  const grant = (condition: string | null, more: object = {}) =>
    make('POST /v1/grants', {
      subject: 'ann',
      role: 'resident',
      object: 'site-1',
      condition,
      ...more,
    })
  const decide = async (id: string, context?: object, type = 'device') =>
    (await make('POST /access/v1/evaluation', {
      subject: { type: 'user', id: 'ann' },
      action: { name: 'device:read' },
      resource: { type, id },
      ...(context === undefined ? {} : { context }),
    })) as { decision: boolean; context: { reason: string; grant?: string } }
  const rules = async (id = 'ann') => {
    const cx = worker.context()
    const compiled = compileAcl(cx, id, await cx.db.read(rightsOf(id, cx.now())), 100)
    if ('fault' in compiled) throw new Error(compiled.fault)
    return compiled.rules.map(({ permission, topic }) => `${permission} ${topic}`).sort()
  }
  return { ...house, grant, decide, rules }
}

describe('a condition that is saved', () => {
  test.each([
    ['device.type == ', 'cannot be read'],
    ['device.typ == "lock"', 'No such key: typ'],
    ['device.id == 1', 'no such overload'],
    ['device.id', 'gives string, not true or false'],
    ['device == device', 'reads device whole'],
    ['user.id == "ann"', 'reads user; there are subject, device, group, now, context'],
    ['subject.id.matches("(a+)+$")', 'uses matches()'],
    ['context.list.map(x, x == 1).size() == 1', 'uses map()'],
    ['context.list.filter(x, x == 1).size() == 1', 'uses filter()'],
    ['cel.bind(x, context.a, x == x)', 'uses bind()'],
    ['context.a.all(x, context.b.all(y, x == y))', 'loop within a loop'],
    ['context.a.exists(device, device == 1)', 'names the elements device'],
    ['{"a": 1}.size() == 1', 'uses map'],
    [`${'('.repeat(40)}true${')'.repeat(40)}`, 'maxDepth'],
    [Array.from({ length: 60 }, () => 'context.a').join(' && '), 'maxAstNodes'],
    [`device.id == "${'x'.repeat(1000)}"`, 'longer than 1000 characters'],
    [`device.id in [${Array.from({ length: 51 }, (_, i) => `"d${i}"`)}]`, 'maxListElements'],
  ])('that is not taken is refused with its reason (%#)', async (condition, words) => {
    const { call } = await startSite()
    const answer = await call('POST /v1/grants', {
      subject: 'ann',
      role: 'resident',
      object: 'site-1',
      condition,
    })
    expect([answer.status, details(answer)]).toEqual([400, expect.stringContaining('/condition')])
    expect(JSON.parse(details(answer))[1][0].detail).toContain(words)
  })

  test('the answer says where the grant counts, and a change of the condition changes it', async () => {
    const { grant, make, call } = await startSite()
    expect(await grant(null)).toMatchObject({
      condition: null,
      counts_for: ['evaluation', 'acl', 'power'],
    })
    const stable = await grant('device.type == "lock" && group.kind == "room"')
    expect(stable['counts_for']).toEqual(['evaluation', 'acl'])
    expect((await grant('now.getHours("Europe/Warsaw") >= 8'))['counts_for']).toEqual([
      'evaluation',
    ])
    const path = `/v1/grants/${stable['id']}`
    expect(await make(`PATCH ${path}`, { condition: 'has(context.ip)' })).toMatchObject({
      condition: 'has(context.ip)',
      counts_for: ['evaluation'],
    })
    expect(await make(`PATCH ${path}`, { expires_at: 2_000_000_000 })).toMatchObject({
      condition: 'has(context.ip)',
    })
    const alike = await call('POST /v1/grants', {
      subject: 'ann',
      role: 'resident',
      object: 'site-1',
    })
    expect(alike.status).toBe(409)
  })
})

describe('evaluation', () => {
  test('holds a condition over device, group and subject to the object that is asked about', async () => {
    const { grant, decide, make } = await startSite()
    const { id } = await grant('device.type == "lock"')
    expect(await decide('lock')).toEqual({
      decision: true,
      context: { reason: 'granted', grant: id },
    })
    expect(await decide('lamp')).toEqual({
      decision: false,
      context: { reason: 'condition_not_met' },
    })
    expect((await decide('room-1', {}, 'group')).decision).toBe(false)
    await make(`PATCH /v1/grants/${id}`, { condition: 'group.kind == "room"' })
    expect((await decide('lamp')).decision).toBe(true)
    expect((await decide('meter')).decision).toBe(false)
    expect((await decide('room-1', {}, 'group')).decision).toBe(true)
    await make(`PATCH /v1/grants/${id}`, { condition: 'device.metadata.floor == "2"' })
    expect((await decide('lamp')).decision).toBe(true)
    expect((await decide('lock')).decision).toBe(false)
    expect((await decide('meter')).decision).toBe(false)
    await make(`PATCH /v1/grants/${id}`, { condition: 'subject.kind == "user"' })
    expect((await decide('meter')).decision).toBe(true)
  })

  test('reads the time and the context of the question; what is missing is a no', async () => {
    const { grant, decide, worker, call } = await startSite()
    const { id } = await grant('context.pin == "ok" && now < timestamp("2040-01-01T00:00:00Z")')
    expect((await decide('lamp', { pin: 'ok' })).context).toEqual({ reason: 'granted', grant: id })
    for (const context of [undefined, {}, { pin: 1 }, { pin: ['ok'] }, { pin: null }]) {
      expect((await decide('lamp', context)).decision).toBe(false)
    }
    worker.clock.now = 2_300_000_000
    expect((await decide('lamp', { pin: 'ok' })).decision).toBe(false)
    const subject = { type: 'user', id: 'ann' }
    const question = {
      subject,
      action: { name: 'device:read' },
      resource: { type: 'device', id: 'lamp' },
    }
    const large = { ...question, context: { pad: 'x'.repeat(17_000) } }
    expect((await call('POST /access/v1/evaluation', large)).status).toBe(400)
  })

  test('a batch gives each question its own context, or that of the top, in one round trip', async () => {
    const { grant, worker, make } = await startSite()
    await grant('context.pin == "ok"')
    const { value, roundTrips } = await countRoundTrips(worker, () =>
      make('POST /access/v1/evaluations', {
        subject: { type: 'user', id: 'ann' },
        action: { name: 'device:read' },
        resource: { type: 'device', id: 'lamp' },
        context: { pin: 'ok' },
        evaluations: [{}, { context: { pin: 'no' } }, { context: {} }],
      }),
    )
    expect(roundTrips).toBe(1)
    expect((value['evaluations'] as { decision: boolean }[]).map((one) => one.decision)).toEqual([
      true,
      false,
      false,
    ])
  })

  test('of several grants the oldest that permits is named, with a condition or without', async () => {
    const { grant, decide } = await startSite()
    const first = await grant('device.type == "lock"')
    const second = await grant(null)
    expect((await decide('lock')).context.grant).toBe(first['id'])
    expect((await decide('lamp')).context.grant).toBe(second['id'])
  })
})

describe('rules in a token', () => {
  test('follow a condition over the device, each device by itself', async () => {
    const { grant, rules } = await startSite()
    await grant('device.type == "lock" || device.type == "meter"')
    expect(await rules()).toEqual(['allow g/room-1/lock/set', 'allow g/site-1/meter/set'])
  })

  test('follow a condition over the group, the devices by a wildcard', async () => {
    const { grant, rules } = await startSite()
    await grant('group.kind == "room"')
    expect(await rules()).toEqual(['allow g/room-1/+/set'])
  })

  test('are not given by a condition over the time or the context, nor by one that fails', async () => {
    const { grant, rules } = await startSite()
    await grant('device.type == "lock" || context.open')
    await grant('now > timestamp("2000-01-01T00:00:00Z")')
    await grant('device.metadata.nope == "x"')
    await grant('device.type == "lock"', { object: '*' })
    expect(await rules()).toEqual([])
  })

  test('a grant on one device is judged by that device, also where its rule names none', async () => {
    const { grant, rules, make } = await startSite()
    await make('POST /v1/roles', {
      name: 'news',
      acl: [{ permission: 'allow', action: 'subscribe', topic: 'news' }],
    })
    await grant('device.type == "light"', { object: 'lamp', role: 'news' })
    expect(await rules()).toEqual(['allow news'])
    await grant('device.type == "light"', { object: 'lock', role: 'news', subject: 'bob' })
    expect(await rules('bob')).toEqual([])
  })

  test('a denial stands where its condition holds, and where that cannot be said', async () => {
    const { grant, rules } = await startSite()
    await grant(null)
    await grant('device.type == "lock"', { role: 'barred' })
    expect(await rules()).toContain('deny g/room-1/lock/set')
    expect((await rules()).filter((one) => one.startsWith('deny'))).toHaveLength(1)
    await grant('device.metadata.floor == "1"', { role: 'barred' })
    // The meter has no floor: the denial cannot be judged there, and stands.
    expect((await rules()).filter((one) => one.startsWith('deny'))).toEqual([
      'deny g/room-1/lock/set',
      'deny g/site-1/meter/set',
    ])
    await grant('context.guest', { role: 'barred' })
    expect((await rules()).filter((one) => one.startsWith('deny'))).toEqual([
      'deny g/room-1/+/set',
      'deny g/site-1/+/set',
    ])
  })
})

describe('power', () => {
  test('is given by no grant with a condition, not to scopes and not to hand on', async () => {
    const { grant, worker, call } = await startSite()
    await grant('true', { role: 'operator', object: '*' })
    const cx = worker.context()
    const rows = await cx.db.read(rightsOf('ann', cx.now()))
    expect([...permissionsSomewhere(rows).keys()]).toEqual([])
    expect(await cx.db.read(listHeldScopes('ann', cx.now()))).toEqual([])
    const as = actor('user', 'ann', 'access:write')
    const answer = await call(
      'POST /v1/grants',
      { subject: 'bob', role: 'resident', object: 'site-1' },
      { as },
    )
    expect([answer.status, details(answer)]).toEqual([403, expect.stringContaining('hand on')])
  })

  test('a condition on the grant of the last operator is refused, and one with it is none', async () => {
    const { grant, call, worker } = await startSite()
    const { id } = await grant(null, { role: 'operator', object: '*' })
    const answer = await call(`PATCH /v1/grants/${id}`, { condition: 'true' })
    expect([answer.status, answer.body['detail']]).toEqual([409, expect.stringContaining('last')])
    await grant('true', { role: 'operator', object: '*', subject: 'bob' })
    const remains = leavesAnOperator(worker.clock.now, { grant: String(id) })
    const [state] = await worker
      .context()
      .db.read(sql<{ remains: number }>`select ${remains} as remains`)
    expect(state?.remains).toBe(0)
  })

  test('a value of a device that a condition reads is changed by those who could give that grant', async () => {
    const { grant, worker, make, rules } = await startSite()
    await grant('device.metadata.floor == "2"', { subject: 'bob' })
    await make('POST /v1/roles', { name: 'fitter', permissions: ['devices:write', 'device:fit'] })
    await grant(null, { role: 'fitter', object: '*' })
    const cx = worker.context(actor('user', 'ann', 'devices:write'))
    const change = (metadata: Record<string, string>) =>
      changeDevice(cx, 'lock', { metadata }, null)
    await expect(change({ floor: '2' })).rejects.toMatchObject({ reason: 'power_not_held' })
    await change({ note: 'painted' })
    await grant('"safe" in device.tags', { subject: 'bob' })
    const tag = () => changeDevice(cx, 'lock', { tags: ['safe'] }, null)
    await expect(tag()).rejects.toMatchObject({ reason: 'power_not_held' })
    await grant(null, { role: 'resident', object: 'site-1' })
    await change({ floor: '2' })
    await tag()
    expect(await rules('bob')).toEqual(['allow g/room-1/lamp/set', 'allow g/room-1/lock/set'])
  })
})
