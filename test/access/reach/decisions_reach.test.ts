// Searches, explanations, lists of access and previews within a reach agree with a naive model over
// random trees, members and grants; and nothing tells of what is elsewhere: it is answered as an id
// that nothing has.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Call, HOMES, startHomes } from '../../support/places.ts'
import {
  chain,
  documentOf,
  heldBy,
  holds,
  IDS,
  reaches,
  reachOf,
  type World,
  worlds,
} from './model.ts'

const SCOPE = 'access:read'
const ACTION = { name: 'device:read' }

type Named = { type: string; id: string }
const kindOf = (world: World, id: string): string =>
  world.groups.has(id) ? 'group' : world.devices.includes(id) ? 'device' : 'user'
const named = (world: World, id: string): Named => ({ type: kindOf(world, id), id })

/** All pages of a search. */
async function search(call: Call, what: string, body: object, limit = 2): Promise<string[]> {
  const found: string[] = []
  let token = ''
  for (let i = 0; i < 30; i++) {
    const page = token === '' ? { limit } : { limit, token }
    const answer = await call(`POST /access/v1/search/${what}`, { ...body, page })
    expect([what, answer.status, answer.body]).toEqual([what, 200, answer.body])
    const { results, page: next } = answer.body as unknown as {
      results: { id?: string; name?: string }[]
      page: { next_token: string }
    }
    found.push(...results.map(({ id, name }) => id ?? name ?? ''))
    if (next.next_token === '') return found
    token = next.next_token
  }
  throw new Error('the pages have no end')
}

/** The answer with the id taken out, so that two of them can be compared. */
const without = ({ status, body }: { status: number; body: unknown }, id: string) =>
  `${status} ${JSON.stringify(body).replaceAll(`"${id}"`, '"it"')}`

const counted = { questions: 0, found: 0, hidden: 0 }

async function checkPerson(world: World, me: string, call: Call): Promise<void> {
  const within = (id: string) => reaches(world, me, SCOPE, id)
  const isKnown = (id: string) => id === me || within(id)
  const isEverywhere = reachOf(world, me, SCOPE) === 'everywhere'
  if (isEverywhere) return
  const objects = IDS.filter((id) => !world.users.includes(id))
  for (const object of objects) {
    const resource = named(world, object)
    const body = { subject: { type: 'user' }, action: ACTION, resource }
    const found = await search(call, 'subject', body)
    const wanted = within(object)
      ? [...world.users, 'boss'].filter(
          (u) => u === 'boss' || holds(world, u, 'device:read', object),
        )
      : []
    counted.questions++
    counted.found += found.length
    expect([me, object, ...found]).toEqual([me, object, ...wanted.sort()])
    const list = await call(`GET /access/v1/objects/${object}/access?limit=200`)
    expect([object, list.status]).toEqual([object, within(object) ? 200 : 404])
    if (!within(object)) {
      counted.hidden++
      const none = await call('GET /access/v1/objects/none/access?limit=200')
      expect(without(list, object)).toBe(without(none, 'none'))
    } else {
      const around = [object, ...chain(world, object)].filter(within)
      const keys = world.grants
        .filter((grant) => around.includes(grant.object))
        .map(({ subject, role, object: on }) => `${subject} ${role} ${on}`)
      const items = list.body.items as unknown as {
        subject: string
        role: string
        object: string
      }[]
      expect(items.map((one) => `${one.subject} ${one.role} ${one.object}`).sort()).toEqual(
        keys.sort(),
      )
    }
  }
  for (const subject of [...world.users, 'd0', 'boss', 'none']) {
    const who = subject === 'boss' ? { type: 'user', id: 'boss' } : named(world, subject)
    const body = { subject: who, action: ACTION, resource: { type: 'device' } }
    const devices = world.devices.filter(
      (one) => isKnown(subject) && within(one) && holds(world, subject, 'device:read', one),
    )
    expect([me, subject, ...(await search(call, 'resource', body))]).toEqual([
      me,
      subject,
      ...devices.sort(),
    ])
    const list = await call(`GET /access/v1/subjects/${subject}/access?limit=200`)
    expect([me, subject, list.status]).toEqual([me, subject, isKnown(subject) ? 200 : 404])
    if (isKnown(subject)) {
      const keys = heldBy(world, subject)
        .filter((grant) => grant.object !== '*' && within(grant.object))
        .map(({ subject: of, role, object }) => `${of} ${role} ${object}`)
      const items = list.body.items as unknown as {
        subject: string
        role: string
        object: string
      }[]
      expect(items.map((one) => `${one.subject} ${one.role} ${one.object}`).sort()).toEqual(
        keys.sort(),
      )
    }
    for (const object of ['d0', 'g0', 'g3', 'none']) {
      const resource = named(world, object)
      const isAnswered = isKnown(subject) && within(object)
      const actions = await search(call, 'action', { subject: who, resource }, 3)
      const permissions = isAnswered
        ? heldBy(world, subject)
            .filter((grant) => ['*', object, ...chain(world, object)].includes(grant.object))
            .flatMap(({ role }) => world.roles.get(role) ?? [])
        : []
      expect([me, subject, object, ...actions]).toEqual([
        me,
        subject,
        object,
        ...[...new Set(permissions)].sort(),
      ])
      const explained = await call('POST /access/v1/explain', {
        subject: who,
        action: ACTION,
        resource,
      })
      const decision = isAnswered && holds(world, subject, 'device:read', object)
      expect([me, subject, object, explained.body['decision']]).toEqual([
        me,
        subject,
        object,
        decision,
      ])
      const named_ = JSON.stringify(explained.body)
      for (const grant of explained.body['grants'] as { object: string }[]) {
        expect([named_, within(grant.object)]).toEqual([named_, true])
      }
      for (const { grant } of explained.body['misses'] as { grant: { object: string } }[]) {
        expect([named_, within(grant.object)]).toEqual([named_, true])
      }
      if (!isKnown(subject)) {
        const none = await call('POST /access/v1/explain', {
          subject: { ...who, id: 'none' },
          action: ACTION,
          resource,
        })
        expect(without(explained, subject)).toBe(without(none, 'none'))
        counted.hidden++
      }
    }
  }
}

test('searches, explanations and lists agree with the naive model', async () => {
  await fc.assert(
    fc.asyncProperty(worlds(), async (world) => {
      const { as } = await startHomes(documentOf(world))
      for (const me of world.users) {
        const call = await as(me, SCOPE).catch(() => null)
        if (call !== null) await checkPerson(world, me, call)
      }
    }),
    { numRuns: 6 },
  )
  console.log('within a reach:', counted)
  expect(counted.found).toBeGreaterThan(20)
  expect(counted.hidden).toBeGreaterThan(20)
}, 180_000)

/** Two homes; tim lives in both, and everybody in site-2 may do more. */
const rule = (topic: string) => ({ permission: 'allow', action: 'publish', topic })
const TWO = {
  ...HOMES,
  roles: [
    ...HOMES.roles,
    { name: 'user', acl: [rule('sites/${group.id}/set'), rule('things/${device.id}')] },
  ],
  device_types: [{ name: 'dimmer', acl: [rule('type/${group.id}/${device.id}')] }],
  grants: [
    ...HOMES.grants,
    { subject: 'tim', role: 'user', object: 'site-1' },
    { subject: 'tim', role: 'user', object: 'room-2' },
    { subject: 'tim', role: 'user', object: 'hub' },
  ],
}

describe('within a home', () => {
  test('a topic is explained by the rules that come from there', async () => {
    const { as, ops } = await startHomes(TWO)
    const explain = (call: Call, subject: Named, id: string) =>
      call('POST /access/v1/explain', {
        subject,
        action: { name: 'publish' },
        resource: { type: 'topic', id },
      })
    const tim = { type: 'user', id: 'tim' }
    const hub = { type: 'device', id: 'hub' }
    const owner = await as('ann', SCOPE)
    for (const [who, topic, here, anywhere] of [
      [tim, 'sites/site-1/set', true, true],
      [tim, 'sites/room-2/set', false, true],
      [tim, 'things/lamp-1', true, true],
      [tim, 'things/lamp-2', false, true],
      [hub, 'type/site-1/hub', true, true],
      [hub, 'type/site-2/hub', false, true],
    ] as const) {
      const answers = [await explain(owner, who, topic), await explain(ops, who, topic)]
      expect([topic, ...answers.map(({ body }) => body['decision'])]).toEqual([
        topic,
        here,
        anywhere,
      ])
    }
    const eve = { type: 'user', id: 'eve' }
    expect((await explain(owner, eve, 'x')).body).toEqual(
      (await explain(owner, { type: 'user', id: 'none' }, 'x')).body,
    )
  })

  test('a grant elsewhere decides and is not named', async () => {
    const { as, ops } = await startHomes(TWO)
    const owner = await as('ann', SCOPE)
    const subject = { type: 'user', id: 'tim' }
    const resource = { type: 'device', id: 'hub' }
    const question = { subject, action: { name: 'device:read' }, resource }
    const { body } = await owner('POST /access/v1/explain', question)
    expect(body).toMatchObject({ decision: true, grants: [], misses: [] })
    const whole = await ops('POST /access/v1/explain', question)
    expect(whole.body).toMatchObject({ decision: true, grants: [{ object: 'site-2' }] })
  })

  test('a preview tells of topics there alone, and of nothing that is elsewhere', async () => {
    const { as, ops } = await startHomes(TWO)
    const owner = await as('ann', SCOPE)
    const preview = (change: object, call = owner) => call('POST /access/v1/preview', change)
    const rights = { subject: 'bob', role: 'user', object: 'site-1' }
    const { body } = await preview({ create_grant: rights })
    const topics = (body['gains'] as { rules: { topic: string }[] }).rules.map(({ topic }) => topic)
    expect(topics.sort()).toEqual(
      ['sites/room-1/set', 'sites/site-1/set', 'things/hub', 'things/lamp-1'].sort(),
    )
    // Somebody whose rules do not fit loses all, of which those of other places are not said.
    await ops('PATCH /v1/settings', { acl_max_rules: 9 })
    const more = { subject: 'tim', role: 'resident', object: 'site-1' }
    const wide = await preview({ create_grant: more })
    expect(wide.body['unfit']).toEqual([
      { subject: 'tim', reason: expect.not.stringMatching(/\d/) },
    ])
    expect(JSON.stringify(wide.body)).not.toMatch(/-2/)
    expect(JSON.stringify((await preview({ create_grant: more }, ops)).body)).toMatch(/-2/)
    const grants = (await ops('GET /v1/grants')).body.items as { id: string; object: string }[]
    const elsewhere = grants.find(({ object }) => object === 'site-2')?.id ?? ''
    for (const [there, nowhere] of [
      [{ delete_grant: elsewhere }, { delete_grant: 'none' }],
      [
        { add_member: { group: 'room-2', member: 'bob' } },
        { add_member: { group: 'none', member: 'bob' } },
      ],
      [
        { add_member: { group: 'room-1', member: 'eve' } },
        { add_member: { group: 'room-1', member: 'none' } },
      ],
      [
        { create_grant: { ...rights, subject: 'eve' } },
        { create_grant: { ...rights, subject: 'none' } },
      ],
      [
        { create_grant: { ...rights, object: 'site-2' } },
        { create_grant: { ...rights, object: 'none' } },
      ],
    ]) {
      const [one, other] = [await preview(there as object), await preview(nowhere as object)]
      expect([there, one.status, one.body]).toEqual([there, other.status, other.body])
    }
    expect((await preview({ role: { name: 'user', acl: [] } })).status).toBe(403)
    expect((await preview({ device_type: { name: 'dimmer', acl: [] } })).status).toBe(403)
  })

  test('a page of subjects has no id of anybody who may do nothing there', async () => {
    const { as } = await startHomes()
    const owner = await as('ann', SCOPE)
    const answer = await owner('POST /access/v1/search/subject', {
      subject: { type: 'user' },
      action: { name: 'device:read' },
      resource: { type: 'device', id: 'lamp-1' },
      page: { limit: 1 },
    })
    const { results, page } = answer.body as unknown as {
      results: Named[]
      page: { next_token: string }
    }
    expect(results).toEqual([{ type: 'user', id: 'ann' }])
    const [body = ''] = page.next_token.split('.')
    expect(atob(body.replaceAll('-', '+').replaceAll('_', '/'))).toMatch(/^v1\./)
    const forged = await owner('POST /access/v1/search/subject', {
      subject: { type: 'user' },
      action: { name: 'device:read' },
      resource: { type: 'device', id: 'hub' },
      page: { limit: 1, token: page.next_token },
    })
    expect(forged.status).toBe(400)
  })
})
