// Evaluation, searches and the rules of tokens against a model of access, in small random worlds.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mayPublish, parseAcl } from '../../../policy/acl.ts'
import { compileAcl } from '../../../worker/access/acl_claim.ts'
import { evaluate } from '../../../worker/access/decisions/evaluation.ts'
import {
  searchActions,
  searchResources,
  searchSubjects,
} from '../../../worker/access/decisions/search.ts'
import { rightsOf } from '../../../worker/access/rights.ts'
import type { Context } from '../../../worker/context.ts'
import { startWorker } from '../../context.ts'
import {
  ACTIONS,
  clock,
  DEVICES,
  directGroups,
  GROUPS,
  type Grant,
  groupsAbove,
  isHeld,
  kindOf,
  mayDo,
  meaningAt,
  type Place,
  type Template,
  USERS,
  type World,
  worldArb,
  writeWorld,
} from './world.ts'

const named = (id: string) => ({ type: kindOf(id), id })

type Answer = { results: readonly unknown[]; page: { next_token: string } }

/** All pages, one after the other. */
async function everyPage<A extends Answer>(
  ask: (page: { token?: string; limit: number }) => Promise<A>,
  limit: number,
): Promise<A['results'][number][]> {
  const found: A['results'][number][] = []
  let token = ''
  for (let n = 0; n < 50; n++) {
    const answer = await ask({ limit, ...(token === '' ? {} : { token }) })
    expect(answer.results.length).toBeLessThanOrEqual(limit)
    found.push(...answer.results)
    token = answer.page.next_token
    if (token === '') return found
  }
  throw new Error('the pages do not end')
}

async function startWorld(): Promise<Context> {
  const worker = await startWorker()
  worker.clock.now = clock
  return { ...worker.context(), log: () => {} }
}

const SUBJECTS = [...USERS, 'd0']
const OBJECTS = [...DEVICES, ...GROUPS, 'u0']

test('evaluation and every search agree with the model, page by page', async () => {
  const cx = await startWorld()
  const contexts = [{}, { pin: 'ok' }, { pin: 'no' }]
  await fc.assert(
    fc.asyncProperty(
      worldArb,
      fc.constantFrom(...contexts),
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom(...ACTIONS),
      async (world, context, limit, name) => {
        await writeWorld(cx, world)
        const action = { name }
        for (const subject of SUBJECTS) {
          for (const type of ['device', 'group', 'user'] as const) {
            const found = await everyPage(
              (page) =>
                searchResources(cx, {
                  ...{ subject: named(subject), action, resource: { type }, context, page },
                }),
              limit,
            )
            const ids = { device: DEVICES, group: GROUPS, user: USERS }[type]
            const wanted = ids.filter((id) => mayDo(world, subject, name, id, context))
            expect(found.map((one) => (one as { id: string }).id)).toEqual(wanted)
          }
        }
        for (const object of OBJECTS) {
          const found = await everyPage(
            (page) =>
              searchSubjects(cx, {
                ...{ subject: { type: 'user' }, action, resource: named(object), context, page },
              }),
            limit,
          )
          const wanted = USERS.filter((id) => mayDo(world, id, name, object, context))
          expect(found.map((one) => (one as { id: string }).id)).toEqual(wanted)
        }
        const [subject, object] = [USERS[limit - 1] ?? 'u0', OBJECTS[limit] ?? 'd0']
        const decision = await evaluate(cx, {
          ...{ subject: named(subject), action, resource: named(object), context },
        })
        expect(decision.decision).toBe(mayDo(world, subject, name, object, context))
        const actions = await everyPage(
          (page) =>
            searchActions(cx, { subject: named(subject), resource: named(object), context, page }),
          limit,
        )
        for (const one of actions) {
          expect(mayDo(world, subject, (one as { name: string }).name, object, context)).toBe(true)
        }
        // `manage` gives each action, and is named as itself.
        const holdsManage = mayDo(world, subject, 'nothing else', object, context)
        expect(actions.some((one) => (one as { name: string }).name === 'manage')).toBe(holdsManage)
        if (!holdsManage) {
          expect(actions.map((one) => (one as { name: string }).name)).toEqual(
            ACTIONS.filter((one) => mayDo(world, subject, one, object, context)),
          )
        }
      },
    ),
    { numRuns: 40 },
  )
})

// --- rules in tokens --------------------------------------------------------------------------

const WORDS = [...GROUPS, ...DEVICES, 'u0', 'u1', 'x', 'other']
const TOPICS = [...WORDS, ...WORDS.flatMap((one) => WORDS.map((two) => `${one}/${two}`))]

/** Every place below the object of a grant, as the devices and groups are. */
function placesBelow(world: World, { object }: Grant): Place[] {
  if (object === '*') return [{ group: 'any', device: 'any' }]
  if (DEVICES.includes(object)) {
    const groups = directGroups(world, object)
    return groups.length === 0
      ? [{ group: null, device: object }]
      : groups.map((group) => ({ group, device: object }))
  }
  const below = GROUPS.filter((group) => groupsAbove(world, group).includes(object))
  return below.flatMap((group) => [
    { group, device: 'any' },
    ...DEVICES.filter((device) => directGroups(world, device).includes(group)).map((device) => ({
      group,
      device,
    })),
  ])
}

const uses = ({ topic }: Template, variable: string) => topic.includes(`\${${variable}}`)

/**
 * Whether the template of a grant speaks of the topic, by what its condition says at each place.
 * `any` stands for what is not told apart: for all groups or devices of `*`, and for the devices of
 * a group where neither topic nor condition asks which one.
 */
function speaksOf(
  world: World,
  grant: Grant,
  template: Template,
  subject: string,
  topic: string,
): boolean {
  const asksDevice = grant.condition !== null && [0, 2, 5, 6].includes(grant.condition)
  const asksGroup = grant.condition !== null && [1, 5].includes(grant.condition)
  const isOfGroup = GROUPS.includes(grant.object)
  const names = { group: uses(template, 'group.id'), device: uses(template, 'device.id') }
  let places = placesBelow(world, grant)
  if (isOfGroup) {
    const listed = names.device && (!names.group || asksDevice)
    if (listed) places = places.filter(({ device }) => device !== 'any')
    else if (names.group) places = places.filter(({ device }) => device === 'any')
    else places = [{ group: null, device: null }]
  } else if (DEVICES.includes(grant.object)) {
    if (!names.group && !asksGroup) places = places.slice(0, 1)
    if (!names.group && !names.device && grant.condition === null) {
      places = [{ group: null, device: null }]
    }
  }
  return places.some((place) => {
    const known = (one: string | null) => (one === 'any' ? null : one)
    const says =
      grant.condition === 4
        ? null
        : meaningAt(
            world,
            grant,
            subject,
            { group: known(place.group), device: known(place.device) },
            null,
          )
    const counts = template.permission === 'deny' ? says !== false : says === true
    if (!counts) return false
    const levels = template.topic.split('/')
    const asked = topic.split('/')
    return (
      levels.length === asked.length &&
      levels.every((level, i) => {
        const value =
          level === '${group.id}'
            ? place.group
            : level === '${device.id}'
              ? place.device
              : level === '${subject.id}'
                ? subject
                : level
        // A value that is missing voids an allowance and widens a denial.
        if (value === null) return template.permission === 'deny'
        return value === 'any' || value === '+' || value === asked[i]
      })
    )
  })
}

function mayModelPublish(world: World, subject: string, topic: string): boolean {
  const speaking = world.grants
    .filter((grant) => isHeld(world, grant, subject))
    .flatMap((grant) =>
      (world.roles[grant.role]?.acl ?? []).filter((template) =>
        speaksOf(world, grant, template, subject, topic),
      ),
    )
  return (
    speaking.some(({ permission }) => permission === 'allow') &&
    !speaking.some(({ permission }) => permission === 'deny')
  )
}

const rulesOf = async (cx: Context, subject: string) => {
  const compiled = compileAcl(cx, subject, await cx.db.read(rightsOf(subject, cx.now())), 256)
  if ('fault' in compiled) throw new Error(compiled.fault)
  const read = parseAcl(compiled.rules)
  if ('fault' in read) throw new Error(read.fault)
  return { acl: read.acl, expires_at: compiled.expires_at }
}

test('the rules of a token allow what the model does, with conditions, and no token outlives a grant', async () => {
  const cx = await startWorld()
  await fc.assert(
    fc.asyncProperty(worldArb, fc.constantFrom(...USERS), async (world, subject) => {
      await writeWorld(cx, world)
      const { acl, expires_at } = await rulesOf(cx, subject)
      for (const topic of TOPICS) {
        expect([topic, mayPublish(acl, topic, 0, false)]).toEqual([
          topic,
          mayModelPublish(world, subject, topic),
        ])
      }
      const ends = world.grants.some(
        (grant) =>
          grant.window === 'now' &&
          isHeld(world, grant, subject) &&
          world.roles[grant.role]?.acl.some(({ permission }) => permission === 'allow'),
      )
      // A denial that is granted from then on may end it before.
      if (ends) expect(expires_at).toBeLessThanOrEqual(clock + 10)
      const denials = world.grants.some(({ role }) =>
        world.roles[role]?.acl.some(({ permission }) => permission === 'deny'),
      )
      if (ends && !denials) expect(expires_at).toBe(clock + 10)
    }),
    { numRuns: 60 },
  )
})

test('a grant with denials that is added never allows more, whatever its condition', async () => {
  const cx = await startWorld()
  const more = worldArb.map(({ grants, roles }) => ({ grants, role: roles[0] }))
  await fc.assert(
    fc.asyncProperty(worldArb, more, async (world, { grants, role }) => {
      await writeWorld(cx, world)
      const before = await rulesOf(cx, 'u0')
      const denials = (role?.acl ?? []).map((one) => ({ ...one, permission: 'deny' as const }))
      await writeWorld(cx, {
        ...world,
        roles: [...world.roles, { permissions: [], acl: denials }],
        grants: [...world.grants, ...grants.map((one) => ({ ...one, subject: 'u0', role: 2 }))],
      })
      const after = await rulesOf(cx, 'u0')
      for (const topic of TOPICS) {
        if (mayPublish(after.acl, topic, 0, false)) {
          expect(mayPublish(before.acl, topic, 0, false)).toBe(true)
        }
      }
    }),
    { numRuns: 30 },
  )
})
