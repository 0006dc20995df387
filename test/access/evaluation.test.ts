import { describe, expect, test } from 'vitest'
import { countRoundTrips } from '../context.ts'
import { actor, details, startHouse } from './fixture.ts'

const ask = (subject: string, action: string, resource: string) => {
  const part = (text: string) => {
    const [type = '', id = ''] = text.split('/')
    return { type, id }
  }
  return { subject: part(subject), action: { name: action }, resource: part(resource) }
}

/** fleet > site-1 (lamp), site-2 (door); ann is resident of site-1, the crew commands the fleet. */
async function startSites() {
  const house = await startHouse()
  const { make, user, device, client } = house
  await make('POST /v1/groups', { id: 'fleet' })
  await make('POST /v1/groups', { id: 'site-1', parent_id: 'fleet' })
  await make('POST /v1/groups', { id: 'site-2', parent_id: 'fleet' })
  await make('POST /v1/groups', { id: 'crew' })
  await make('POST /v1/groups', { id: 'night-crew', parent_id: 'crew' })
  for (const id of ['ann', 'bob', 'eve', 'boss']) await user(id)
  await client('backend')
  await device('lamp', { groups: ['site-1'] })
  await device('door', { groups: ['site-2'] })
  await make('POST /v1/groups/night-crew/members', { id: 'bob' })
  await make('POST /v1/roles', { name: 'resident', permissions: ['device:read', 'device:command'] })
  await make('POST /v1/roles', { name: 'technician', permissions: ['device:reset'] })
  const grants = {
    ann: (await make('POST /v1/grants', { subject: 'ann', role: 'resident', object: 'site-1' }))[
      'id'
    ],
    crew: (await make('POST /v1/grants', { subject: 'crew', role: 'technician', object: 'fleet' }))[
      'id'
    ],
    boss: (await make('POST /v1/grants', { subject: 'boss', role: 'operator', object: '*' }))['id'],
    backend: (
      await make('POST /v1/grants', { subject: 'backend', role: 'resident', object: 'door' })
    )['id'],
  }
  const decide = async (subject: string, action: string, resource: string) =>
    (await make('POST /access/v1/evaluation', ask(subject, action, resource))) as {
      decision: boolean
      context: { reason: string; grant?: string }
    }
  return { ...house, grants, decide }
}

describe('evaluation', () => {
  test('the grant that decided is named: direct, through a group of subjects, of objects, on everything', async () => {
    const { grants, decide } = await startSites()
    const granted = (grant: unknown) => ({ decision: true, context: { reason: 'granted', grant } })
    expect(await decide('user/ann', 'device:read', 'device/lamp')).toEqual(granted(grants.ann))
    expect(await decide('user/ann', 'device:command', 'group/site-1')).toEqual(granted(grants.ann))
    expect(await decide('user/bob', 'device:reset', 'device/door')).toEqual(granted(grants.crew))
    expect(await decide('user/bob', 'device:reset', 'group/site-2')).toEqual(granted(grants.crew))
    expect(await decide('user/boss', 'anything:at-all', 'device/door')).toEqual(
      granted(grants.boss),
    )
    expect(await decide('user/boss', 'user:edit', 'user/ann')).toEqual(granted(grants.boss))
    expect(await decide('client/backend', 'device:read', 'device/door')).toEqual(
      granted(grants.backend),
    )
  })

  test.each([
    ['user/ann', 'device:read', 'device/door', 'not_granted'],
    ['user/ann', 'device:reset', 'device/lamp', 'not_granted'],
    ['user/ann', 'device:read', 'group/fleet', 'not_granted'],
    ['user/ann', 'device:read', 'group/*', 'unknown_resource'],
    ['user/ann', 'device:read', 'site/site-1', 'not_granted'],
    ['client/backend', 'device:read', 'group/site-2', 'not_granted'],
    ['user/eve', 'device:read', 'device/lamp', 'not_granted'],
    ['user/nobody', 'device:read', 'device/lamp', 'unknown_subject'],
    ['client/ann', 'device:read', 'device/lamp', 'unknown_subject'],
    ['group/crew', 'device:reset', 'device/lamp', 'unknown_subject'],
    ['user/ann', 'device:read', 'device/none', 'unknown_resource'],
    ['user/ann', 'device:read', 'group/lamp', 'unknown_resource'],
    ['user/ann', 'manage', 'device/lamp', 'not_granted'],
  ])('%s is refused %s on %s: %s', async (subject, action, resource, reason) => {
    const { decide } = await startSites()
    expect(await decide(subject, action, resource)).toEqual({
      decision: false,
      context: { reason },
    })
  })

  test('a disabled user, a suspended or retired device and a disabled client are refused what they were granted', async () => {
    const { make, user, device, client, decide } = await startSites()
    await user('off', 'disabled')
    await client('off-app', '', 'disabled')
    await device('sleeper', { status: 'suspended' })
    await device('gone', { status: 'retired' })
    for (const [kind, id] of [
      ['user', 'off'],
      ['client', 'off-app'],
      ['device', 'sleeper'],
      ['device', 'gone'],
    ]) {
      await make('POST /v1/grants', { subject: id, role: 'resident', object: '*' })
      expect([id, await decide(`${kind}/${id}`, 'device:read', 'device/lamp')]).toEqual([
        id,
        { decision: false, context: { reason: 'inactive_subject' } },
      ])
    }
  })

  test('what this system does not keep is reached by a grant on everything alone', async () => {
    const { make, decide } = await startSites()
    await make('POST /v1/roles', { name: 'reader', permissions: ['document:read'] })
    await make('POST /v1/grants', { subject: 'eve', role: 'reader', object: '*' })
    expect((await decide('user/eve', 'document:read', 'document/1')).decision).toBe(true)
    await make('POST /v1/grants', { subject: 'ann', role: 'reader', object: 'site-1' })
    expect((await decide('user/ann', 'document:read', 'document/site-1')).decision).toBe(false)
  })

  test('a decision follows the clock: before and after the window it is refused', async () => {
    const { make, worker, decide } = await startSites()
    const { clock } = worker
    const noon = clock.now
    await make('POST /v1/grants', {
      subject: 'eve',
      role: 'technician',
      object: 'site-1',
      not_before: noon + 10,
      expires_at: noon + 20,
    })
    const at = async (time: number) => {
      clock.now = time
      return (await decide('user/eve', 'device:reset', 'device/lamp')).decision
    }
    expect([await at(noon), await at(noon + 10), await at(noon + 19), await at(noon + 20)]).toEqual(
      [false, true, true, false],
    )
  })

  test('one decision is one round trip, and so are a hundred', async () => {
    const { worker, call } = await startSites()
    const question = ask('user/bob', 'device:reset', 'device/door')
    const one = await countRoundTrips(worker, () => call('POST /access/v1/evaluation', question))
    expect([one.roundTrips, one.value.status]).toEqual([1, 200])
    const evaluations = Array.from({ length: 100 }, () => question)
    const many = await countRoundTrips(worker, () =>
      call('POST /access/v1/evaluations', { evaluations }),
    )
    expect([many.roundTrips, many.value.status]).toEqual([1, 200])
    expect((many.value.body['evaluations'] as unknown[]).length).toBe(100)
    const more = await call('POST /access/v1/evaluations', {
      evaluations: [...evaluations, question],
    })
    expect(more.status).toBe(400)
  })

  test('it needs access:read, and a body of the right form', async () => {
    const { call } = await startSites()
    const question = ask('user/bob', 'device:reset', 'device/door')
    const as = actor('client', 'app', 'access:write', 'devices:read')
    expect((await call('POST /access/v1/evaluation', question, { as })).status).toBe(403)
    expect((await call('POST /access/v1/evaluations', question, { as })).status).toBe(403)
    const reader = actor('client', 'app', 'access:read')
    expect((await call('POST /access/v1/evaluation', question, { as: reader })).status).toBe(200)
    const incomplete = await call('POST /access/v1/evaluation', { subject: question.subject })
    expect(incomplete.status).toBe(400)
    expect(details(incomplete)).toContain('/action')
    const nul = await call('POST /access/v1/evaluation', {
      ...question,
      action: { name: 'a\u0000' },
    })
    expect(nul.status).toBe(400)
  })

  test('further members of a question are ignored, and the id of the request comes back', async () => {
    const { call } = await startSites()
    const { subject, action, resource } = ask('user/ann', 'device:read', 'device/lamp')
    const answer = await call(
      'POST /access/v1/evaluation',
      {
        subject: { ...subject, properties: { department: 'Sales' } },
        action: { ...action, properties: { method: 'GET' } },
        resource: { ...resource, properties: {} },
        context: { time: '2026-01-01T00:00Z' },
        extension: true,
      },
      { headers: { 'x-request-id': 'bfe9eb29' } },
    )
    expect(answer.body['decision']).toBe(true)
    expect(answer.headers.get('x-request-id')).toBe('bfe9eb29')
    expect(answer.headers.get('cache-control')).toBe('no-store')
  })
})

describe('evaluations', () => {
  const subject = { type: 'user', id: 'ann' }
  const action = { name: 'device:read' }
  const lamp = { resource: { type: 'device', id: 'lamp' } }
  const door = { resource: { type: 'device', id: 'door' } }

  test('the top gives the defaults, an evaluation overrides them', async () => {
    const { make, grants } = await startSites()
    const answer = await make('POST /access/v1/evaluations', {
      subject,
      action,
      evaluations: [
        lamp,
        door,
        { ...door, subject: { type: 'user', id: 'bob' }, action: { name: 'device:reset' } },
      ],
    })
    expect(answer).toEqual({
      evaluations: [
        { decision: true, context: { reason: 'granted', grant: grants.ann } },
        { decision: false, context: { reason: 'not_granted' } },
        { decision: true, context: { reason: 'granted', grant: grants.crew } },
      ],
    })
  })

  test.each([
    ['execute_all', [false, true, false, true]],
    ['deny_on_first_deny', [false]],
    ['permit_on_first_permit', [false, true]],
  ])('%s', async (evaluations_semantic, decisions) => {
    const { make } = await startSites()
    const answer = await make('POST /access/v1/evaluations', {
      subject,
      action,
      options: { evaluations_semantic, another_option: 1 },
      evaluations: [door, lamp, door, lamp],
    })
    const got = (answer['evaluations'] as { decision: boolean }[]).map((one) => one.decision)
    expect(got).toEqual(decisions)
  })

  test('an evaluation that is not complete is denied with an error of its own, the others are answered', async () => {
    const { make, call } = await startSites()
    const { evaluations } = (await make('POST /access/v1/evaluations', {
      subject,
      evaluations: [{ action }, { action, ...lamp }],
    })) as { evaluations: { decision: boolean; context: { error?: { status: number } } }[] }
    expect(evaluations.map((one) => one.decision)).toEqual([false, true])
    expect(evaluations[0]?.context.error?.status).toBe(400)
    const semantic = {
      subject,
      action,
      evaluations: [lamp],
      options: { evaluations_semantic: 'other' },
    }
    expect((await call('POST /access/v1/evaluations', semantic)).status).toBe(400)
  })

  test('without evaluations it is a single one', async () => {
    const { make, call } = await startSites()
    const single = await make('POST /access/v1/evaluations', { subject, action, ...lamp })
    expect(single['decision']).toBe(true)
    const empty = await make('POST /access/v1/evaluations', {
      subject,
      action,
      ...door,
      evaluations: [],
    })
    expect(empty['decision']).toBe(false)
    expect((await call('POST /access/v1/evaluations', { subject, action })).status).toBe(400)
  })
})
