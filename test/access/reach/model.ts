// A naive model of groups, members, roles and grants, and random ones. It walks all of it for each
// question, and knows of the worker only the form of a blueprint and of the rows.
import fc from 'fast-check'

export type Grant = { subject: string; role: string; object: string }
export type World = {
  /** id -> parent. */
  groups: Map<string, string | null>
  /** Pairs of group and member. */
  members: [string, string][]
  grants: Grant[]
  roles: Map<string, readonly string[]>
  users: readonly string[]
  devices: readonly string[]
}

export const ROLES = new Map<string, readonly string[]>([
  ['reader', ['access:read', 'devices:read', 'users:read']],
  ['keeper', ['access:read', 'access:write', 'devices:read', 'devices:write', 'device:read']],
  ['writer', ['access:write', 'device:read']],
  ['user', ['device:read']],
  [
    'host',
    ['access:read', 'access:write', 'users:read', 'users:write', 'events:read', 'device:read'],
  ],
  ['master', ['manage']],
])

const USERS = ['u0', 'u1', 'u2']
const DEVICES = ['d0', 'd1', 'd2']
const GROUPS = ['g0', 'g1', 'g2', 'g3', 'g4', 'g5']

/** Everything that has an id, and one id that nothing has. */
export const IDS = [...USERS, ...DEVICES, ...GROUPS, 'none']

export const worlds = (
  objects: readonly string[] = [...GROUPS, ...DEVICES, '*'],
  ownRoles: readonly string[] = ['keeper', 'keeper', 'master'],
) =>
  fc
    .record({
      parents: fc.array(fc.integer({ min: -1, max: 4 }), { minLength: 6, maxLength: 6 }),
      members: fc.uniqueArray(
        fc.tuple(fc.constantFrom(...GROUPS), fc.constantFrom(...USERS, ...DEVICES)),
        { minLength: 4, maxLength: 10, selector: (pair) => pair.join(' ') },
      ),
      grants: fc.uniqueArray(
        fc.record({
          subject: fc.constantFrom(...USERS, ...USERS, ...GROUPS, 'd0'),
          role: fc.constantFrom(...ROLES.keys()),
          object: fc.constantFrom(...objects),
        }),
        { maxLength: 6, selector: (one) => JSON.stringify(one) },
      ),
      // Somebody who has something to give.
      own: fc.record({
        subject: fc.constant('u0'),
        role: fc.constantFrom(...ownRoles),
        object: fc.constantFrom('g0', 'g0', 'g1', 'g2'),
      }),
    })
    .map(({ parents, members, grants: others, own }): World => {
      const grants = [own, ...others.filter((one) => JSON.stringify(one) !== JSON.stringify(own))]
      const groups = new Map<string, string | null>()
      for (const [i, id] of GROUPS.entries()) {
        const parent = parents[i] ?? -1
        groups.set(id, parent >= 0 && parent < i ? (GROUPS[parent] ?? null) : null)
      }
      return { groups, members, grants, roles: ROLES, users: USERS, devices: DEVICES }
    })

/** The world as a blueprint; `boss` keeps the installation. */
export const documentOf = ({ groups, members, grants, roles, users, devices }: World) => ({
  roles: [...roles].map(([name, permissions]) => ({ name, permissions })),
  groups: [...groups].map(([id, parent_id]) => ({ id, parent_id })),
  users: [...users, 'boss'].map((id) => ({
    id,
    email: `${id}@example.com`,
    email_verified: true,
    groups: members.filter(([, member]) => member === id).map(([group]) => group),
  })),
  device_types: [{ name: 'dimmer' }],
  devices: devices.map((id) => ({
    id,
    type: 'dimmer',
    groups: members.filter(([, member]) => member === id).map(([group]) => group),
  })),
  grants: [...grants, { subject: 'boss', role: 'operator', object: '*' }],
})

/** The groups of an id, or itself if it is one, with all above. */
export function chain(world: World, id: string): string[] {
  const own = world.members.filter(([, member]) => member === id).map(([group]) => group)
  const found = new Set<string>()
  for (const start of [...own, id]) {
    let up: string | null | undefined = start
    while (up != null && world.groups.has(up)) {
      found.add(up)
      up = world.groups.get(up)
    }
  }
  return [...found]
}

export const heldBy = (world: World, id: string): Grant[] => {
  const subjects = [id, ...chain(world, id)]
  return world.grants.filter(({ subject }) => subjects.includes(subject))
}

const gives = (world: World, { role }: Grant, permission: string) => {
  const permissions = world.roles.get(role) ?? []
  return permissions.includes(permission) || permissions.includes('manage')
}

/** Whether a subject holds a permission on an object. */
export function holds(world: World, id: string, permission: string, object: string): boolean {
  const around = ['*', object, ...(object === '*' ? [] : chain(world, object))]
  return heldBy(world, id).some(
    (grant) => around.includes(grant.object) && gives(world, grant, permission),
  )
}

/** The reach of a scope: everywhere, or the groups on which a role gives it. */
export function reachOf(world: World, id: string, scope: string): 'everywhere' | string[] {
  const objects = heldBy(world, id)
    .filter((grant) => gives(world, grant, scope))
    .map(({ object }) => object)
  return objects.includes('*') ? 'everywhere' : objects.filter((one) => world.groups.has(one))
}

/** Whether somebody reaches an object with a scope. */
export function reaches(world: World, id: string, scope: string, object: string): boolean {
  const reach = reachOf(world, id, scope)
  if (reach === 'everywhere') return true
  return chain(world, object).some((one) => reach.includes(one))
}

/** Whether a token of somebody has the scope: a role on a single device gives none. */
const isCarried = (world: World, id: string, scope: string) => {
  const reach = reachOf(world, id, scope)
  return reach === 'everywhere' || reach.length > 0
}

/**
 * Whether somebody may give or take these roles on these objects. Of permissions named like scopes
 * the token has to carry the scope.
 */
export const mayHandOn = (world: World, id: string, needed: readonly Omit<Grant, 'subject'>[]) =>
  needed.every(({ role, object }) =>
    (world.roles.get(role) ?? []).every(
      (permission) =>
        holds(world, id, permission, object) &&
        (permission === 'device:read' || isCarried(world, id, permission)),
    ),
  )

/** The roles that move with a member that enters or leaves a group. */
export function conferred(world: World, group: string, member: string) {
  const above = chain(world, group)
  const isObject = world.groups.has(member) || world.devices.includes(member)
  return [
    ...world.grants.filter(({ subject }) => above.includes(subject)),
    ...(isObject ? world.grants.filter(({ object }) => above.includes(object)) : []).map(
      ({ role }) => ({ role, object: member }),
    ),
  ]
}

/** Each permission on each object that a subject holds, as texts. */
export function powers(world: World, id: string, objects: readonly string[]): Set<string> {
  const permissions = new Set([...world.roles.values()].flat())
  return new Set(
    [...permissions].flatMap((permission) =>
      objects
        .filter((object) => holds(world, id, permission, object))
        .map((object) => `${permission} on ${object}`),
    ),
  )
}
