// Small worlds of access for properties: drawn at random, written as rows, and judged by a model
// that knows no SQL, no CEL and no filter of topics.
import fc from 'fast-check'
import type { Context } from '../../../worker/context.ts'
import { type Statement, sql } from '../../../worker/db/sql.ts'

export type Template = { permission: 'allow' | 'deny'; topic: string }
export type Role = { permissions: string[]; acl: Template[] }
export type Grant = {
  subject: string
  role: number
  object: string
  condition: number | null
  window: 'open' | 'past' | 'future' | 'now'
}
export type World = {
  parents: (number | null)[]
  kinds: string[]
  deviceGroups: number[][]
  deviceTypes: string[]
  rooms: (string | null)[]
  userGroups: number[][]
  inactive: boolean[]
  roles: Role[]
  grants: Grant[]
}
export type Place = { group: string | null; device: string | null }

export const GROUPS = ['g0', 'g1', 'g2', 'g3', 'g4']
export const DEVICES = ['d0', 'd1', 'd2']
export const USERS = ['u0', 'u1', 'u2']
export const ACTIONS = ['read', 'write', 'manage']
const NOW = 1_800_000_000

type Values = {
  subject: string
  device: { type: string; room: string | null } | null
  group: { kind: string } | null
  context: { pin?: string } | null
}
type Answer = boolean | null
const or = (a: Answer, b: Answer): Answer =>
  a === true || b === true ? true : a === null || b === null ? null : false

const isLock = ({ device }: Values): Answer => (device === null ? null : device.type === 'lock')
const isRoom = ({ group }: Values): Answer => (group === null ? null : group.kind === 'room')

/** Texts and their meaning. */
export const CONDITIONS: { text: string; reads: string[]; means: (values: Values) => Answer }[] = [
  { text: 'device.type == "lock"', reads: ['device.type'], means: isLock },
  { text: 'group.kind == "room"', reads: ['group.kind'], means: isRoom },
  {
    text: 'device.metadata.room == "hall"',
    reads: ['device.metadata.room'],
    means: ({ device }) =>
      device === null || device.room === null ? null : device.room === 'hall',
  },
  { text: 'subject.id == "u1"', reads: ['subject.id'], means: ({ subject }) => subject === 'u1' },
  {
    text: 'context.pin == "ok"',
    reads: ['context'],
    means: ({ context }) => (context?.pin === undefined ? null : context.pin === 'ok'),
  },
  {
    text: 'device.type == "lock" || group.kind == "room"',
    reads: ['device.type', 'group.kind'],
    means: (values) => or(isLock(values), isRoom(values)),
  },
  {
    text: '!(device.type == "lock")',
    reads: ['device.type'],
    means: (values) => {
      const answer = isLock(values)
      return answer === null ? null : !answer
    },
  },
]

const level = fc.constantFrom('${group.id}', '${device.id}', '${subject.id}', 'x', '+')
const templateArb = (permission: 'allow' | 'deny'): fc.Arbitrary<Template> =>
  fc.record({
    permission: fc.constant(permission),
    topic: fc.array(level, { minLength: 1, maxLength: 2 }).map((levels) => levels.join('/')),
  })

const groupIndex = fc.nat(GROUPS.length - 1)
const roleArb: fc.Arbitrary<Role> = fc.record({
  permissions: fc.subarray(ACTIONS),
  acl: fc.array(fc.oneof(templateArb('allow'), templateArb('allow'), templateArb('deny')), {
    maxLength: 2,
  }),
})

export const worldArb: fc.Arbitrary<World> = fc.record({
  // A parent has a smaller number, so that there is no circle.
  parents: fc
    .tuple(...GROUPS.map((_, i) => (i === 0 ? fc.constant(null) : fc.option(fc.nat(i - 1)))))
    .map((list) => [...list]),
  kinds: fc.array(fc.constantFrom('site', 'room'), { minLength: 5, maxLength: 5 }),
  deviceGroups: fc.array(fc.uniqueArray(groupIndex, { maxLength: 2 }), {
    minLength: DEVICES.length,
    maxLength: DEVICES.length,
  }),
  deviceTypes: fc.array(fc.constantFrom('lock', 'lamp'), { minLength: 3, maxLength: 3 }),
  rooms: fc.array(fc.constantFrom('hall', 'bath', null), { minLength: 3, maxLength: 3 }),
  userGroups: fc.array(fc.uniqueArray(groupIndex, { maxLength: 2 }), {
    minLength: USERS.length,
    maxLength: USERS.length,
  }),
  inactive: fc.array(
    fc.nat(5).map((n) => n === 0),
    { minLength: 3, maxLength: 3 },
  ),
  roles: fc.array(roleArb, { minLength: 2, maxLength: 2 }),
  grants: fc.array(
    fc.record({
      subject: fc.constantFrom(...USERS, ...GROUPS, 'd0'),
      role: fc.nat(1),
      object: fc.constantFrom('*', ...GROUPS, ...DEVICES),
      condition: fc.option(fc.nat(CONDITIONS.length - 1)),
      window: fc.constantFrom('open', 'open', 'now', 'past', 'future'),
    }),
    { minLength: 1, maxLength: 4 },
  ),
})

const WINDOWS = {
  open: [null, null],
  now: [NOW - 10, NOW + 10],
  past: [null, NOW],
  future: [NOW + 1, null],
} as const

/** Writes the world in place of the one before. The clock of `cx` has to be at `clock`. */
export const clock = NOW
export async function writeWorld(cx: Context, world: World): Promise<void> {
  const principal = (id: string, kind: string) =>
    sql`insert into principal (id, kind, rid, created_at) values (${id}, ${kind}, 'r', 0)`
  const statements: Statement[] = [
    ...['grant', 'membership', 'group', 'device', 'user', 'principal'].map(
      (table) => DELETE[table],
    ),
    sql`delete from role where name like 'role%'`,
  ].filter((one) => one !== undefined)
  for (const [i, id] of GROUPS.entries()) {
    const parent = world.parents[i] ?? null
    statements.push(
      principal(id, 'group'),
      sql`insert into "group" (id, kind, name, parent_id, created_at, updated_at, version)
        values (${id}, ${world.kinds[i] ?? ''}, ${id}, ${parent === null ? null : `g${parent}`}, 0, 0, 1)`,
    )
  }
  const join = (member: string, groups: readonly number[] = []) =>
    groups.map(
      (n) =>
        sql`insert into membership (group_id, member_id, created_at) values (${`g${n}`}, ${member}, 0)`,
    )
  for (const [i, id] of DEVICES.entries()) {
    const room = world.rooms[i] ?? null
    statements.push(
      principal(id, 'device'),
      sql`insert into device (id, type, status, metadata, created_at, updated_at, version)
        values (${id}, ${world.deviceTypes[i] ?? ''}, 'active', ${JSON.stringify(room === null ? {} : { room })},
          0, 0, 1)`,
      ...join(id, world.deviceGroups[i]),
    )
  }
  for (const [i, id] of USERS.entries()) {
    statements.push(
      principal(id, 'user'),
      sql`insert into "user" (id, email, email_key, email_verified, status, metadata, created_at,
          updated_at, version)
        values (${id}, ${`${id}@example.com`}, ${`${id}@example.com`}, 1,
          ${world.inactive[i] ? 'disabled' : 'active'}, '{}', 0, 0, 1)`,
      ...join(id, world.userGroups[i]),
    )
  }
  for (const [i, role] of world.roles.entries()) {
    const acl = role.acl.map((one) => ({ ...one, action: 'publish' }))
    statements.push(
      sql`insert into role (name, description, permissions, acl, builtin, created_at, updated_at, version)
        values (${`role${i}`}, '', ${JSON.stringify(role.permissions)}, ${JSON.stringify(acl)}, 0, 0, 0, 1)`,
    )
  }
  for (const [i, grant] of world.grants.entries()) {
    const [from, until] = WINDOWS[grant.window]
    const condition = grant.condition === null ? null : CONDITIONS[grant.condition]
    statements.push(
      sql`insert into "grant" (id, subject_id, role, object_id, not_before, expires_at, condition,
          condition_reads, created_at, updated_at, version)
        values (${`grt_${i}`}, ${grant.subject}, ${`role${grant.role}`}, ${grant.object}, ${from}, ${until},
          ${condition?.text ?? null}, ${condition ? JSON.stringify(condition.reads) : null}, 0, 0, 1)`,
    )
  }
  await cx.db.write(statements)
}

const DELETE: Record<string, Statement> = {
  grant: sql`delete from "grant"`,
  membership: sql`delete from membership`,
  group: sql`delete from "group"`,
  device: sql`delete from device`,
  user: sql`delete from "user"`,
  principal: sql`delete from principal`,
}

// --- the model --------------------------------------------------------------------------------

const numberOf = (id: string): number => Number(id.slice(1))

export function groupsAbove(world: World, group: string): string[] {
  const parent = world.parents[numberOf(group)] ?? null
  return parent === null ? [group] : [group, ...groupsAbove(world, `g${parent}`)]
}

export const directGroups = (world: World, id: string): string[] => {
  const lists = id.startsWith('d') ? world.deviceGroups : world.userGroups
  return (lists[numberOf(id)] ?? []).map((n) => `g${n}`)
}

export const isInForce = ({ window }: Grant): boolean => window === 'open' || window === 'now'

/** Whether the subject holds the grant, itself or by a group. */
export const isHeld = (world: World, grant: Grant, subject: string): boolean =>
  isInForce(grant) &&
  (grant.subject === subject ||
    directGroups(world, subject).some((group) => groupsAbove(world, group).includes(grant.subject)))

/** The places of an object at which a grant reaches it. */
function placesAt(world: World, { object }: Grant, resource: string): Place[] {
  if (USERS.includes(resource)) return object === '*' ? [{ group: null, device: null }] : []
  if (GROUPS.includes(resource)) {
    const isReached = object === '*' || groupsAbove(world, resource).includes(object)
    return isReached ? [{ group: resource, device: null }] : []
  }
  const groups = directGroups(world, resource)
  const through = groups.filter(
    (group) => object === '*' || object === resource || groupsAbove(world, group).includes(object),
  )
  if (through.length > 0) return through.map((group) => ({ group, device: resource }))
  const isReached = object === '*' || object === resource
  return isReached ? [{ group: null, device: resource }] : []
}

/** The answer of a grant's condition at a place; true without one. */
export function meaningAt(
  world: World,
  { condition }: Grant,
  subject: string,
  { group, device }: Place,
  context: { pin?: string } | null,
): Answer {
  if (condition === null) return true
  const n = device === null ? 0 : numberOf(device)
  return (
    CONDITIONS[condition]?.means({
      subject,
      context,
      group: group === null ? null : { kind: world.kinds[numberOf(group)] ?? '' },
      device:
        device === null ? null : { type: world.deviceTypes[n] ?? '', room: world.rooms[n] ?? null },
    }) ?? null
  )
}

export function mayDo(
  world: World,
  subject: string,
  action: string,
  resource: string,
  context: { pin?: string },
): boolean {
  if (subject.startsWith('u') && world.inactive[numberOf(subject)]) return false
  return world.grants.some((grant) => {
    const permissions = world.roles[grant.role]?.permissions ?? []
    return (
      isHeld(world, grant, subject) &&
      (permissions.includes(action) || permissions.includes('manage')) &&
      placesAt(world, grant, resource).some(
        (place) => meaningAt(world, grant, subject, place, context) === true,
      )
    )
  })
}

export const kindOf = (id: string): 'user' | 'device' | 'group' =>
  id.startsWith('u') ? 'user' : id.startsWith('d') ? 'device' : 'group'
