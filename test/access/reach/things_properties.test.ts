// Keys and minted tokens of devices, invitations and events, as people of a limited reach have them,
// agree with the naive model over random trees; and whoever was invited holds no more than the one
// who invited holds when the invitation is accepted.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { Browser } from '../../identity/browser.ts'
import { linkIn, mailsOf } from '../../identity/mails.ts'
import { PASSWORD } from '../../support/people.ts'
import { ALL_SCOPES, type Call, idsOf, startHomes } from '../../support/places.ts'
import {
  conferred,
  documentOf,
  type Grant,
  heldBy,
  IDS,
  mayHandOn,
  powers,
  ROLES,
  reaches,
  reachOf,
  type World,
  worlds,
} from './model.ts'

const SCOPES = `manage ${ALL_SCOPES}`
const counted = { lists: 0, changes: 0, allowed: 0, invited: 0, accepted: 0 }

const OWN_ROLES = ['host', 'host', 'keeper', 'master']
const start = (world: World) =>
  startHomes({ ...documentOf(world), settings: { sign_up: 'by_invitation' } })

/** Calls as somebody, or null for one who holds no scope anywhere. */
const callOf = async (as: (id: string, scope: string) => Promise<Call>, id: string) =>
  as(id, SCOPES).catch(() => null)

const isNowhere = (world: World, me: string, scope: string) => {
  const reach = reachOf(world, me, scope)
  return reach !== 'everywhere' && reach.length === 0
}

type Invited = { groups: string[]; grants: Omit<Grant, 'subject'>[] }

/** Half of the time about the first groups, where the first person has something to give. */
const mostly = (first: readonly string[], others: readonly string[]) =>
  fc.oneof(fc.constantFrom(...first), fc.constantFrom(...others))

const invited: fc.Arbitrary<Invited> = fc.record({
  groups: fc.uniqueArray(mostly(['g0', 'g1', 'g2'], IDS.slice(5)), { maxLength: 2 }),
  grants: fc.array(
    fc.record({
      role: mostly(['user', 'host'], [...ROLES.keys(), 'none']),
      object: mostly(['g0', 'g1', 'g2'], [...IDS, '*']),
    }),
    { maxLength: 2 },
  ),
})

/** The status that a change of a device's keys or tokens should have. */
function ofDevice(world: World, me: string, id: string): number {
  if (isNowhere(world, me, 'devices:write')) return 403
  if (!world.devices.includes(id) || !reaches(world, me, 'devices:write', id)) return 404
  return mayHandOn(world, me, heldBy(world, id)) ? 201 : 403
}

/** The status that an invitation should have. */
function ofInvitation(world: World, me: string, { groups, grants }: Invited): number {
  if (isNowhere(world, me, 'users:write')) return 403
  const isEverywhere = reachOf(world, me, 'users:write') === 'everywhere'
  if (!isEverywhere && groups.length === 0) return 403
  if (groups.length + grants.length > 0 && isNowhere(world, me, 'access:write')) return 403
  const isGroup = (id: string) => world.groups.has(id)
  const isObject = (id: string) => id === '*' || isGroup(id) || world.devices.includes(id)
  const named = [...groups, ...grants.map(({ object }) => object)]
  const within = (scope: string) =>
    named.every((id) =>
      id === '*'
        ? reachOf(world, me, scope) === 'everywhere'
        : !isObject(id) || reaches(world, me, scope, id),
    )
  const isThere =
    groups.every(isGroup) &&
    grants.every(({ role, object }) => world.roles.has(role) && isObject(object))
  if (!isEverywhere && !(isThere && within('users:write'))) return 400
  const needed = [...grants, ...groups.flatMap((group) => conferred(world, group, 'nobody'))]
  const lacksNothing =
    within('access:write') &&
    mayHandOn(
      world,
      me,
      needed.filter(({ role }) => world.roles.has(role)),
    )
  if (!lacksNothing) return 403
  return isThere ? 201 : 400
}

/** Keys and tokens are listed for those devices alone that somebody reaches. */
async function checkThings(world: World, me: string, call: Call): Promise<void> {
  for (const id of [...world.devices, 'none']) {
    for (const what of ['credentials', 'tokens']) {
      const { status } = await call(`GET /v1/devices/${id}/${what}`)
      const isWithin = world.devices.includes(id) && reaches(world, me, 'devices:read', id)
      const wanted = isNowhere(world, me, 'devices:read') ? 403 : isWithin ? 200 : 404
      counted.lists++
      expect([me, id, what, status]).toEqual([me, id, what, wanted])
    }
  }
}

/** Events of a change that somebody made to each device and group. */
async function checkEvents(world: World, me: string, call: Call): Promise<void> {
  const { status, body } = await call('GET /v1/events?limit=200')
  if (isNowhere(world, me, 'events:read')) {
    expect([me, status]).toEqual([me, 403])
    return
  }
  const shown = body.items
    .filter(({ type }) => type === 'device.updated' || type === 'group.updated')
    .map((one) => String(one['subject_id']))
  const all = [...world.devices, ...world.groups.keys()]
  counted.lists++
  expect([me, ...shown.sort()]).toEqual([
    me,
    ...all.filter((id) => reaches(world, me, 'events:read', id)).sort(),
  ])
}

test('keys, tokens, invitations and events agree with the naive model', async () => {
  await fc.assert(
    fc.asyncProperty(
      worlds(undefined, OWN_ROLES),
      fc.array(invited, { minLength: 4, maxLength: 6 }),
      async (world, invitations) => {
        const { as, ops, worker } = await start(world)
        worker.clock.now += 100
        for (const id of world.devices) await ops(`PATCH /v1/devices/${id}`, { name: 'new' })
        for (const id of world.groups.keys()) await ops(`PATCH /v1/groups/${id}`, { name: 'new' })
        for (const [n, me] of world.users.entries()) {
          const call = await callOf(as, me)
          if (call === null) continue
          await checkThings(world, me, call)
          await checkEvents(world, me, call)
          for (const id of [...world.devices, 'none']) {
            const wanted = ofDevice(world, me, id)
            for (const [what, body] of [
              ['credentials', { kind: 'secret' }],
              ['tokens', { expires_in: 600 }],
            ] as const) {
              const made = await call(`POST /v1/devices/${id}/${what}`, body)
              counted.changes++
              const seen = [me, id, what, made.status]
              expect(seen, JSON.stringify(world.grants)).toEqual([me, id, what, wanted])
              const one = wanted === 201 ? made.body['id'] : 'none'
              const ended = await call(`DELETE /v1/devices/${id}/${what}/${one}`)
              expect([...seen, ended.status]).toEqual([
                ...seen,
                wanted === 201 ? 204 : wanted === 403 && ended.status === 404 ? 404 : wanted,
              ])
            }
          }
          for (const [i, rights] of invitations.entries()) {
            const address = `new-${n}-${i}@example.com`
            const made = await call('POST /v1/invitations', { address, ...rights })
            counted.changes++
            if (made.status === 201) counted.allowed++
            const seen = [me, rights, made.status]
            expect(seen, JSON.stringify([world.grants, made.body])).toEqual([
              me,
              rights,
              ofInvitation(world, me, rights),
            ])
          }
        }
      },
    ),
    { numRuns: 12 },
  )
  console.log('compared with the model:', counted)
  expect(counted.allowed).toBeGreaterThan(0)
}, 120_000)

/** The world as it is stored now, with the people who came. */
async function stored(world: World, { worker }: Awaited<ReturnType<typeof start>>): Promise<World> {
  const { members, grants } = await worker.context().db.read({
    members: sql<{ group_id: string; member_id: string }>`
      select group_id, member_id from membership`,
    grants: sql<Grant>`select subject_id as subject, role, object_id as object from "grant"
      where subject_id <> 'boss'`,
  })
  return {
    ...world,
    members: members.map(({ group_id, member_id }): [string, string] => [group_id, member_id]),
    grants: [...grants],
  }
}

test('whoever comes by an invitation holds no more than the one who invited holds by then', async () => {
  await fc.assert(
    fc.asyncProperty(
      worlds(IDS.slice(3, 12), ['host', 'master']),
      fc.array(invited, { minLength: 4, maxLength: 8 }),
      fc.array(fc.nat(6), { maxLength: 2 }),
      async (world, invitations, ended) => {
        const homes = await start(world)
        const { as, ops, worker } = homes
        const [me = ''] = world.users
        const call = await callOf(as, me)
        if (call === null) return
        for (const [i, rights] of invitations.entries()) {
          const groups = rights.groups.length > 0 ? rights.groups : ['g0']
          const address = `new-${i}@example.com`
          const { status } = await call('POST /v1/invitations', { address, ...rights, groups })
          if (status === 201) counted.invited++
        }
        await worker.settled()
        for (const n of ended) {
          const grants = (await ops('GET /v1/grants?limit=200')).body.items
          const one = grants.filter(({ subject }) => subject !== 'boss')[n]
          if (one !== undefined) await ops(`DELETE /v1/grants/${one['id']}`)
        }
        const came: string[] = []
        for (const mail of await mailsOf(worker)) {
          if (mail.kind !== 'invitation') continue
          const browser = new Browser(worker)
          const { pathname, search } = linkIn(mail)
          const page = await browser.get(pathname + search)
          if (page.status !== 200) continue
          const done = await browser.submit(page, {
            name: 'New',
            password: PASSWORD,
            action: 'create',
          })
          if (done.status !== 303) continue
          counted.accepted++
          came.push(...idsOf(await ops(`GET /v1/users?email=${mail.address}`)))
        }
        const now = await stored(world, homes)
        const objects = [...world.groups.keys(), ...world.devices, '*']
        const own = powers(now, me, objects)
        for (const user of came) {
          const more = [...powers(now, user, objects)].filter((power) => !own.has(power))
          expect([user, more], JSON.stringify({ invitations, now: now.grants })).toEqual([user, []])
        }
      },
    ),
    { numRuns: 15 },
  )
  console.log('invitations:', counted.invited, 'accepted:', counted.accepted)
  expect(counted.accepted).toBeGreaterThan(0)
}, 120_000)
