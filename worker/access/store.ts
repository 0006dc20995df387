// The tables `group`, `membership`, `role` and `grant`. Functions answer statements; use cases put
// them together. A batch that changes a row demands the version that was read, or that the row
// stands at the next version with the wanted values: so a batch that is repeated after a lost
// answer finds its own work.
import type { Context, Reach } from '../context.ts'
import { type grant, group, role } from '../db/schema.ts'
import {
  COUNTER_JUMP,
  type Condition,
  condition,
  insertInto,
  insertWhere,
  join,
  list,
  refuseUnless,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../db/sql.ts'
import { emailKey, formerEmailKey } from '../email_address.ts'
import { addressForms, userWithAddress } from './named_users.ts'
import { lasts, laterEnd } from './places/membership_ends.ts'
import { groupsBelow, isBelow } from './reach/reach_store.ts'

/** No id has an `@`. */
const isAddress = (reference: string): boolean => reference.includes('@')

export type GroupRow = typeof group.$inferSelect
export type RoleRow = typeof role.$inferSelect
export type GrantRow = typeof grant.$inferSelect

/** Most levels of groups, from the top group down; the top one counts. */
export const DEPTH_MAX = 16

const all = (conditions: readonly Condition[]): Condition =>
  conditions.length === 0 ? TRUE : condition`${join(conditions, ' and ')}`

// --- group ------------------------------------------------------------------------------------

export const findGroup = (id: string, which: Condition = TRUE): Statement<GroupRow> =>
  sql`select * from "group" where id = ${id} and ${which}`

export const findGroupsByIds = (ids: readonly string[]): Statement<GroupRow> =>
  sql`select * from "group" where id in (${list(ids)})`

export const listGroupsAfter = (
  after: string,
  limit: number,
  filter: { kind?: string | undefined; parent_id?: string | undefined },
  reach: Reach | undefined,
): Statement<GroupRow> => {
  const conditions = [condition`id > ${after}`]
  if (filter.kind !== undefined) conditions.push(condition`kind = ${filter.kind}`)
  if (filter.parent_id !== undefined) conditions.push(condition`parent_id = ${filter.parent_id}`)
  if (reach === undefined) {
    return sql`select * from "group" where ${all(conditions)} order by id limit ${limit + 1}`
  }
  // The parent of a root is outside: a filter would tell which it is.
  if (filter.parent_id !== undefined) {
    conditions.push(isBelow(reach, scalar`${filter.parent_id}`))
  }
  // From the reach to its groups: never through all groups.
  return sql`with recursive ${groupsBelow(reach)}
    select "group".* from below cross join "group" using (id)
    where ${all(conditions)} order by id limit ${limit + 1}`
}

/** The group and all above it. `union` ends even when damaged rows make a circle. */
const upward = (id: string): Statement => sql`with recursive up(id, depth) as (
    select id, 1 from "group" where id = ${id}
    union
    select g.parent_id, up.depth + 1 from up join "group" g on g.id = up.id
    where g.parent_id is not null and up.depth <= ${DEPTH_MAX})`

export type PlaceRow = { parent_exists: number; makes_circle: number; depth: number }

/**
 * Finds the place that the group `id` would have below `parent_id`. `depth` is that of the deepest
 * group below it.
 */
export const findPlace = (id: string, parent_id: string): Statement<PlaceRow> =>
  sql`select exists (select 1 from "group" where id = ${parent_id}) as parent_exists,
    exists (${upward(parent_id)} select 1 from up where id = ${id}) as makes_circle,
    (${upward(parent_id)} select coalesce(max(depth), 0) from up) + (
      with recursive down(id, depth) as (
        select ${id}, 1
        union
        select g.id, down.depth + 1 from down join "group" g on g.parent_id = down.id
        where down.depth <= ${DEPTH_MAX})
      select max(depth) from down) as depth`

/** A condition: the group may be below the parent. Judged in the transaction that moves it. */
const mayHangBelow = (id: string, parent_id: string | null): Condition =>
  parent_id === null
    ? TRUE
    : condition`exists (select 1 from (${findPlace(id, parent_id)})
        where parent_exists and not makes_circle and depth <= ${DEPTH_MAX})`

/**
 * Demands that the group may hang below the parent, or that it is there already. Stands before
 * `insertGroup`.
 */
export const demandPlaceOfNew = (id: string, parent_id: string): Statement =>
  refuseUnless(condition`${groupExists(id)} or ${mayHangBelow(id, parent_id)}`, 'group_place')

/** Demands that the group may hang where `row` says, or that it stands so already. */
export const demandPlace = (row: GroupRow): Statement =>
  refuseUnless(condition`${groupIs(row)} or ${mayHangBelow(row.id, row.parent_id)}`, 'group_place')

export const insertGroup = (row: GroupRow, when: Condition = TRUE): Statement =>
  insertWhere(group, row, when, sql<never>`on conflict (id) do nothing`)

export const groupExists = (id: string): Condition =>
  condition`exists (select 1 from "group" where id = ${id})`

/** A condition: the group has the wanted values. */
export const groupIs = (row: GroupRow): Condition =>
  condition`exists (select 1 from "group" where id = ${row.id} and version = ${row.version}
    and updated_at = ${row.updated_at} and kind = ${row.kind} and name = ${row.name}
    and parent_id is ${row.parent_id} and require_factor = ${row.require_factor})`

/** Demands that the group stands one version before `row`, or as `row` already. */
export const demandGroupBefore = (row: GroupRow): Statement =>
  refuseUnless(
    condition`${groupIs(row)}
      or exists (select 1 from "group" where id = ${row.id} and version = ${row.version - 1})`,
    'group_version',
  )

export const updateGroup = (row: GroupRow): Statement =>
  sql`update "group" set kind = ${row.kind}, name = ${row.name}, parent_id = ${row.parent_id},
      require_factor = ${row.require_factor}, updated_at = ${row.updated_at}, version = ${row.version},
      placed_at = ${row.placed_at}
    where id = ${row.id}`

/** Demands that the group is at this version, or gone. */
export const demandGroupVersion = (id: string, version: number): Statement =>
  refuseUnless(
    condition`not exists (select 1 from "group" where id = ${id} and version <> ${version})`,
    'group_version',
  )

/** A condition: no group is below it, nothing is a member of it, and no grant names it. */
export const groupIsUnused = (id: string): Condition =>
  condition`not exists (select 1 from "group" where parent_id = ${id})
    and not exists (select 1 from membership where group_id = ${id})
    and not exists (select 1 from "grant" where subject_id = ${id} or object_id = ${id})`

/** Demands that the group is unused, or gone. */
export const demandGroupUnused = (id: string): Statement =>
  refuseUnless(condition`not ${groupExists(id)} or (${groupIsUnused(id)})`, 'group_in_use')

export const deleteGroup = (id: string): Statement => sql`delete from "group" where id = ${id}`

// --- membership -------------------------------------------------------------------------------

export type MemberRow = {
  id: string
  kind: 'user' | 'client' | 'device'
  created_at: number
  /** Null: for good. */
  expires_at: number | null
}

export const listMembersAfter = (
  group_id: string,
  after: string,
  limit: number,
  kind: string | undefined,
  now: number,
): Statement<MemberRow> =>
  sql`select p.id, p.kind, m.created_at, m.expires_at
    from membership m join principal p on p.id = m.member_id
    where m.group_id = ${group_id} and m.member_id > ${after} and p.deleted_at is null
      and ${lasts(now)}
      and (${kind ?? null} is null or p.kind = ${kind ?? null})
    order by m.member_id limit ${limit + 1}`

export const findMember = (group_id: string, member_id: string): Statement<MemberRow> =>
  sql`select p.id, p.kind, m.created_at, m.expires_at
    from membership m join principal p on p.id = m.member_id
    where m.group_id = ${group_id} and m.member_id = ${member_id}`

/** A condition: it is a member that has not ended. */
export const isMember = (group_id: string, member_id: string | Scalar, now: number): Condition =>
  condition`exists (select 1 from membership m
    where m.group_id = ${group_id} and m.member_id = ${member_id} and ${lasts(now)})`

/** A condition: it is a member until this time; null for good. */
export const isMemberUntil = (
  group_id: string,
  member_id: string,
  expires_at: number | null,
): Condition =>
  condition`exists (select 1 from membership
    where group_id = ${group_id} and member_id = ${member_id} and expires_at is ${expires_at})`

/** The end of a membership; null where there is none, or without an end. */
export const endOfMembership = (group_id: string, member_id: string | Scalar): Scalar =>
  scalar`(select expires_at from membership
    where group_id = ${group_id} and member_id = ${member_id})`

/** A condition: there are such a group and such a user, device or client. */
const mayBeMember = (group_id: string, member_id: string): Condition =>
  condition`exists (select 1 from "group" where id = ${group_id})
    and exists (select 1 from principal where id = ${member_id} and kind <> 'group'
      and deleted_at is null)`

/** Demands that it may be a member, or that it is one. */
export const demandMayBeMember = (group_id: string, member_id: string): Statement =>
  refuseUnless(
    condition`${isMember(group_id, member_id, 0)} or (${mayBeMember(group_id, member_id)})`,
    'member_unknown',
  )

/** Inserts a membership. One that is there with an end gets the later of both. */
export const insertMembership = (
  cx: Context,
  group_id: string,
  member_id: string,
  when: Condition = TRUE,
  expires_at: number | null = null,
): Statement =>
  sql`insert into membership (group_id, member_id, created_at, expires_at)
    select ${group_id}, ${member_id}, ${cx.now()}, ${expires_at} where ${when}
    on conflict (group_id, member_id) do update
      set expires_at = ${laterEnd(scalar`membership.expires_at`, scalar`excluded.expires_at`)}
      where membership.expires_at is not null`

/** Gives a membership this end, be it earlier or later. */
export const updateMembershipEnd = (
  group_id: string,
  member_id: string,
  expires_at: number | null,
): Statement =>
  sql`update membership set expires_at = ${expires_at}
    where group_id = ${group_id} and member_id = ${member_id} and expires_at is not ${expires_at}`

/** Inserts memberships, a JSON array of `{ group_id, member_id }`, in groups that are there. */
export const insertManyMemberships = (cx: Context, memberships: string): Statement =>
  sql`insert into membership (group_id, member_id, created_at)
    select value ->> 'group_id', value ->> 'member_id', ${cx.now()} from json_each(${memberships})
    where exists (select 1 from "group" where id = value ->> 'group_id') on conflict do nothing`

export const deleteMembership = (
  group_id: string,
  member_id: string,
  when: Condition = TRUE,
): Statement =>
  sql`delete from membership
    where group_id = ${group_id} and member_id = ${member_id} and (${when})`

// --- role -------------------------------------------------------------------------------------

export const findRole = (name: string): Statement<RoleRow> =>
  sql`select * from role where name = ${name}`

export const findRolesByNames = (names: readonly string[]): Statement<RoleRow> =>
  sql`select * from role where name in (${list(names)})`

export const listRolesAfter = (after: string, limit: number): Statement<RoleRow> =>
  sql`select * from role where name > ${after} order by name limit ${limit + 1}`

/** Demands that no role has this name, or that it stands as wanted. */
export const demandFreeRoleName = (row: RoleRow): Statement =>
  refuseUnless(condition`${roleIs(row)} or not ${roleExists(row.name)}`, 'role_exists')

export const insertRole = (row: RoleRow): Statement =>
  insertInto(role, row, sql<never>`on conflict (name) do nothing`)

export const roleExists = (name: string): Condition =>
  condition`exists (select 1 from role where name = ${name})`

/** A condition: the role has the wanted values. */
export const roleIs = (row: RoleRow): Condition =>
  condition`exists (select 1 from role where name = ${row.name} and version = ${row.version}
    and updated_at = ${row.updated_at} and description = ${row.description}
    and permissions = ${row.permissions} and acl = ${row.acl}
    and require_factor = ${row.require_factor})`

/** Demands that the role stands one version before `row`, or as `row` already. */
export const demandRoleBefore = (row: RoleRow): Statement =>
  refuseUnless(
    condition`${roleIs(row)}
      or exists (select 1 from role where name = ${row.name} and version = ${row.version - 1})`,
    'role_version',
  )

export const updateRole = (row: RoleRow): Statement =>
  sql`update role set description = ${row.description}, permissions = ${row.permissions},
      acl = ${row.acl}, require_factor = ${row.require_factor}, updated_at = ${row.updated_at}, version = ${row.version}
    where name = ${row.name} and builtin = 0`

/** Demands that the role is at this version, or gone. */
export const demandRoleVersion = (name: string, version: number): Statement =>
  refuseUnless(
    condition`not exists (select 1 from role where name = ${name} and version <> ${version})`,
    'role_version',
  )

export const roleIsUnused = (name: string): Condition =>
  condition`not exists (select 1 from "grant" where role = ${name})`

/** Demands that no grant is of the role, or that it is gone. */
export const demandRoleUnused = (name: string): Statement =>
  refuseUnless(condition`not ${roleExists(name)} or ${roleIsUnused(name)}`, 'role_in_use')

export const deleteRole = (name: string): Statement =>
  sql`delete from role where name = ${name} and builtin = 0`

// --- grant ------------------------------------------------------------------------------------

export const findGrant = (id: string, which: Condition = TRUE): Statement<GrantRow> =>
  sql`select * from "grant" where id = ${id} and ${which}`

const IS = {
  subject_id: (value: string) => condition`subject_id = ${value}`,
  object_id: (value: string) => condition`object_id = ${value}`,
  role: (value: string) => condition`role = ${value}`,
}

const IS_ALSO = {
  subject_id: (value: string) => condition`+subject_id = ${value}`,
  object_id: (value: string) => condition`+object_id = ${value}`,
  role: (value: string) => condition`+role = ${value}`,
}

export const listGrantsAfter = (
  after: string,
  limit: number,
  filter: { subject?: string | undefined; role?: string | undefined; object?: string | undefined },
  reach: Reach | undefined,
): Statement<GrantRow> => {
  const { subject, role, object } = filter
  const conditions = [condition`"grant".id > ${after}`]
  // Within a reach its objects lead, else the narrowest filter: a plus keeps the planner from
  // beginning at another one.
  const found = [
    { column: 'subject_id', value: subject },
    { column: 'object_id', value: object },
    { column: 'role', value: role },
  ] as const
  let isLed = reach !== undefined
  for (const { column, value } of found) {
    if (value === undefined) continue
    conditions.push(isLed ? IS_ALSO[column](value) : IS[column](value))
    isLed = true
  }
  if (reach === undefined) {
    return sql`select * from "grant" where ${all(conditions)} order by id limit ${limit + 1}`
  }
  // The planner may not begin at the grants: a role, or no filter, would be all of them.
  return sql`with recursive ${groupsBelow(reach)}, object(id) as (
      select id from below
      union
      select m.member_id from below cross join membership m on m.group_id = below.id)
    select "grant".* from object cross join "grant" on "grant".object_id = object.id
    where ${all(conditions)} order by "grant".id limit ${limit + 1}`
}

/**
 * The id of a user, device, client or group; a user is also found by an e-mail address.
 */
export const idOfSubject = (subject: string): Scalar =>
  isAddress(subject)
    ? userWithAddress(addressForms(subject))
    : scalar`(select id from principal where id = ${subject} and deleted_at is null)`

export type NamedGrantRow = GrantRow & { position: number }

/**
 * The grants that the entries of a blueprint name, each with the position of its entry; the oldest
 * first.
 */
export const findGrantsByKeys = (
  keys: readonly { subject: string; role: string; object: string }[],
): Statement<NamedGrantRow> => {
  const wanted = JSON.stringify(
    keys.map(({ subject, ...key }) =>
      isAddress(subject)
        ? { ...key, email_key: emailKey(subject), former: formerEmailKey(subject) }
        : { ...key, subject },
    ),
  )
  const forms = { key: scalar`k.value ->> 'email_key'`, former: scalar`k.value ->> 'former'` }
  return sql`select g.*, k.key as position from json_each(${wanted}) k
    join "grant" g on g.role = k.value ->> 'role' and g.object_id = k.value ->> 'object'
      and g.subject_id = coalesce(
        ${userWithAddress(forms)}, k.value ->> 'subject')
    order by k.key, g.id`
}

type NewGrantRow = Omit<GrantRow, 'subject_id'>

/** Demands that subject, role and object of a new grant exist, or that the grant is there. */
export const demandPartiesOfGrant = (row: NewGrantRow, subject: Scalar): Statement =>
  refuseUnless(
    condition`${grantExists(row.id)} or (${subject} is not null and ${roleExists(row.role)}
      and (${row.object_id} = '*' or exists (select 1 from principal where id = ${row.object_id}
        and kind in ('device', 'group') and deleted_at is null)))`,
    'grant_parties',
  )

/** Demands that there is no other grant of the same content. */
export const demandNoSameGrant = (row: NewGrantRow, subject: Scalar): Statement =>
  refuseUnless(
    condition`not exists (select 1 from "grant" where id <> ${row.id} and subject_id = ${subject}
      and role = ${row.role} and object_id = ${row.object_id} and not_before is ${row.not_before}
      and expires_at is ${row.expires_at} and condition is ${row.condition})`,
    'grant_exists',
  )

/**
 * Inserts the grant, unless its subject is missing or the same one exists. `subject` is SQL, so
 * that an earlier statement of the batch may make it.
 */
export const insertGrant = (row: NewGrantRow, subject: Scalar): Statement =>
  sql`insert into "grant" (id, subject_id, role, object_id, not_before, expires_at, condition,
      condition_reads, created_at, updated_at, version)
    select ${row.id}, s.id, ${row.role}, ${row.object_id}, ${row.not_before}, ${row.expires_at},
      ${row.condition}, ${row.condition_reads}, ${row.created_at}, ${row.updated_at}, ${row.version}
    from (select ${subject} as id) s
    where s.id is not null and not exists (
      select 1 from "grant" g where g.subject_id = s.id and g.role = ${row.role}
        and g.object_id = ${row.object_id} and g.not_before is ${row.not_before}
        and g.expires_at is ${row.expires_at} and g.condition is ${row.condition})
    on conflict (id) do nothing`

export const grantExists = (id: string): Condition =>
  condition`exists (select 1 from "grant" where id = ${id})`

/** A condition: the grant has the wanted values. */
export const grantIs = (row: GrantRow): Condition =>
  condition`exists (select 1 from "grant" where id = ${row.id} and version = ${row.version}
    and updated_at = ${row.updated_at} and not_before is ${row.not_before}
    and expires_at is ${row.expires_at} and condition is ${row.condition})`

/** Demands that the grant stands one version before `row`, or as `row` already. */
export const demandGrantBefore = (row: GrantRow): Statement =>
  refuseUnless(
    condition`${grantIs(row)}
      or exists (select 1 from "grant" where id = ${row.id} and version = ${row.version - 1})`,
    'grant_version',
  )

export const updateGrant = (row: GrantRow): Statement =>
  sql`update "grant" set not_before = ${row.not_before}, expires_at = ${row.expires_at},
      condition = ${row.condition}, condition_reads = ${row.condition_reads}, updated_at = ${row.updated_at}, version = ${row.version}
    where id = ${row.id}`

/** Demands that the grant is at this version, or gone. */
export const demandGrantVersion = (id: string, version: number): Statement =>
  refuseUnless(
    condition`not exists (select 1 from "grant" where id = ${id} and version <> ${version})`,
    'grant_version',
  )

export const deleteGrant = (id: string): Statement => sql`delete from "grant" where id = ${id}`

/** Moves the counters of the room ahead: a version that was seen once names nothing else. */
export const jumpAccess = (): readonly Statement[] => [
  sql`update "group" set version = version + ${COUNTER_JUMP}`,
  sql`update role set version = version + ${COUNTER_JUMP}`,
  sql`update "grant" set version = version + ${COUNTER_JUMP}`,
]
