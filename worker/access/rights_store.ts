// The recursive reads of the access model: the groups of a subject, the grants that it holds, the
// groups around an object, and the rights that an actor lacks. Statements only; rights.ts,
// power.ts say what the rows mean.
import {
  type Condition,
  condition,
  join,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../db/sql.ts'
import { FOREVER, lasts } from './places/membership_ends.ts'

/** Most rows that one statement of rights answers. One row more shows that there are too many. */
export const ROWS_MAX = 4000

/**
 * A CTE `within(id, until)`: the groups that hold the subject, directly or as groups above those,
 * and until when by which membership.
 */
export const within = (
  subject: Scalar,
  now: number,
): Statement => sql`within(id, until) as materialized (
  select m.group_id, coalesce(m.expires_at, ${FOREVER}) from membership m
    where m.member_id = ${subject} and ${lasts(now)}
  union
  select g.parent_id, within.until from within join "group" g on g.id = within.id
    where g.parent_id is not null)`

/**
 * A CTE `held`: the grants in force whose subject is the subject or a group that holds it; each
 * ends with the membership by which it is held, at the latest. It is
 * materialized; else the planner may begin at the objects and look through every grant. Without
 * `withConditional` only those without a condition: a condition is nothing that a statement can
 * judge, so these give no power.
 */
export const grantsHeld = (
  subject: Scalar,
  now: number,
  withConditional?: 'withConditional',
): Statement => sql`held as materialized (
  select g.id, g.subject_id, g.role, g.object_id,
    nullif(min(coalesce(g.expires_at, ${FOREVER}), holder.until), ${FOREVER}) as expires_at,
    o.kind as object_kind, max(g.created_at, coalesce(g.not_before, 0)) as since,
    g.condition, coalesce(g.condition_reads, '') as condition_reads
  from (select ${subject} as id, ${FOREVER} as until
      union all select id, max(until) from within group by id) holder
    cross join "grant" g on g.subject_id = holder.id
    left join principal o on o.id = g.object_id and o.deleted_at is null
  where (g.not_before is null or g.not_before <= ${now})
    and (g.expires_at is null or g.expires_at > ${now})
    and (g.object_id = '*' or o.id is not null)
    and (g.condition is null or ${withConditional !== undefined}))`

const ids = scalar`(select id from subject)`

/**
 * Rights as they would be: with these grants and without those, the subject itself in other groups,
 * roles with another content, groups in other places, devices in other groups or with other values.
 * The texts are JSON. `groups` and `devices` may be new ones.
 */
export type Supposition = {
  grants?: readonly {
    id: string
    subject: Scalar
    role: string
    object: string
    expires_at: number | null
    condition: string | null
    condition_reads: string | null
  }[]
  /** Of `{ role, object, expires_at, condition }`: grants to the subject itself. */
  given?: string | Scalar
  /** Ids of grants. */
  without?: string | Scalar
  /** Ids of groups. */
  joins?: string | Scalar
  leaves?: string | Scalar
  /** Of `{ name, permissions, acl }`, the latter two JSON texts again. */
  roles?: string
  /** Of `{ id, parent_id, kind }`. */
  groups?: string
  /** Of `{ id, type, tags, metadata, groups }`; tags and metadata are JSON texts again. */
  devices?: string | Scalar
}

const rights = (subject: Scalar, now: number, supposed?: Supposition): Statement =>
  supposed === undefined
    ? sql`subject(id) as (select (${subject})), ${within(ids, now)},
        ${grantsHeld(ids, now, 'withConditional')}`
    : sql`subject(id) as (select (${subject})), ${supposedRights(supposed, now)}`

/** A condition: the place of the group is supposed, and not that in the table. */
const isSupposed = (group: Scalar): Condition => condition`${group} in (select id from tree)`

/** The CTEs of `rights`, and those in the place of tables that are other than they are. */
function supposedRights(
  {
    grants = [],
    given = '[]',
    without = '[]',
    joins = '[]',
    leaves = '[]',
    roles,
    groups = '[]',
    devices = '[]',
  }: Supposition,
  now: number,
): Statement {
  const added = grants.map(
    (one) => sql`union all
      select ${one.id}, ${one.subject}, ${one.role}, ${one.object}, ${one.expires_at},
        case when ${isSupposed(scalar`${one.object}`)} then 'group'
          when ${one.object} in (select id from placed) then 'device' else o.kind end, 0,
        ${one.condition}, coalesce(${one.condition_reads}, '')
      from (select 1) left join principal o on o.id = ${one.object} and o.deleted_at is null
      where (${one.subject} = ${ids} or ${one.subject} in (select id from within))`,
  )
  const contents =
    roles === undefined
      ? sql``
      : sql`content(name, permissions, acl) as materialized (
          select value ->> 'name', value ->> 'permissions', value ->> 'acl' from json_each(${roles})),
        role(name, permissions, acl) as materialized (
          select name, permissions, acl from main.role
          where name not in (select name from content)
          union all select name, permissions, acl from content),`
  return sql`${contents} tree(id, parent_id, kind) as materialized (
      select value ->> 'id', value ->> 'parent_id', value ->> 'kind' from json_each(${groups})),
    placed(id, type, tags, metadata, groups) as materialized (
      select value ->> 'id', value ->> 'type', value ->> 'tags', value ->> 'metadata',
        value -> 'groups' from json_each(${devices})),
    within(id, until) as materialized (
      select m.group_id, coalesce(m.expires_at, ${FOREVER}) from membership m
        where m.member_id = ${ids} and ${lasts(now)}
          and m.group_id not in (select value from json_each(${leaves}))
      union select value, ${FOREVER} from json_each(${joins})
      union
      select g.parent_id, within.until from within join "group" g on g.id = within.id
        where g.parent_id is not null and not ${isSupposed(scalar`g.id`)}
      union
      select t.parent_id, within.until from within join tree t on t.id = within.id
        where t.parent_id is not null),
    stored as materialized (select * from (with ${grantsHeld(ids, now, 'withConditional')}
      select id, subject_id, role, object_id, expires_at, object_kind, since, condition,
        condition_reads from held)
      where id not in (select value from json_each(${without}))),
    held as materialized (select * from stored ${join(added, ' ')}
      union all
      select 'given ' || one.key, ${ids}, one.value ->> 'role', one.value ->> 'object',
        one.value ->> 'expires_at', o.kind, 0, one.value ->> 'condition',
        case when one.value ->> 'condition' is null then '' else '"device.","group."' end
      from json_each(${given}) one
        left join principal o on o.id = one.value ->> 'object' and o.deleted_at is null)`
}

/** The same without the grants that hold under a condition. */
const lastingRights = (subject: Scalar, now: number): Statement =>
  sql`subject(id) as (select (${subject})), ${within(ids, now)}, ${grantsHeld(ids, now)}`

export type HeldGrantRow = {
  id: string
  subject_id: string
  role: string
  object_id: string
  object_kind: 'user' | 'client' | 'device' | 'group' | null
  expires_at: number | null
  permissions: string
  acl: string
  /** In CEL (conditions/expression.ts). */
  condition: string | null
  subject_kind: string | null
}

export const listHeldGrants = (
  subject: Scalar,
  now: number,
  supposed?: Supposition,
): Statement<HeldGrantRow> =>
  sql`with recursive ${rights(subject, now, supposed)}
    select held.id, held.subject_id, held.role, held.object_id, held.object_kind, held.expires_at,
      role.permissions, role.acl, held.condition,
      (select kind from principal where id = ${ids}) as subject_kind
    from held join role on role.name = held.role
    order by held.id limit ${ROWS_MAX + 1}`

/**
 * When the first denial of the subject begins that is granted already, as SQL; null where none is
 * to come. A role with a denial is known by its text.
 */
export const findComingDenial = (
  subject: Scalar,
  now: number,
  supposed?: Supposition,
): Statement<{ begins_at: number | null }> =>
  sql`with recursive ${rights(subject, now, supposed)}
    select min(g.not_before) as begins_at
    from (select id from subject union select id from within) one
      cross join "grant" g on g.subject_id = one.id and g.not_before > ${now}
        and (g.expires_at is null or g.expires_at > g.not_before)
      cross join role on role.name = g.role and instr(role.acl, '"deny"')`

/** The id of the nearest group of kind `site`: the group itself, or one above it. */
export const nearestSite = (group: Scalar): Scalar => scalar`(
  with recursive up(id, parent_id, kind, depth) as (
    select id, parent_id, kind, 0 from "group" where id = ${group}
    union
    select g.id, g.parent_id, g.kind, up.depth + 1 from up join "group" g on g.id = up.parent_id
    where up.kind <> 'site' and up.depth < 16)
  select id from up where kind = 'site' limit 1)`

/** The same where groups are supposed (`tree`) in other places. */
const supposedSite = (group: Scalar): Scalar => scalar`(
  with recursive up(id, parent_id, kind, depth) as (
    select id, parent_id, kind, 0 from "group" where id = ${group} and not ${isSupposed(scalar`id`)}
    union select id, parent_id, kind, 0 from tree where id = ${group}
    union
    select g.id, g.parent_id, g.kind, up.depth + 1 from up join "group" g on g.id = up.parent_id
    where up.kind <> 'site' and up.depth < 16 and not ${isSupposed(scalar`g.id`)}
    union
    select t.id, t.parent_id, t.kind, up.depth + 1 from up join tree t on t.id = up.parent_id
    where up.kind <> 'site' and up.depth < 16)
  select id from up where kind = 'site' limit 1)`

const siteOf = (group: Scalar, supposed: Supposition | undefined): Scalar =>
  supposed === undefined ? nearestSite(group) : supposedSite(group)

/** `site`: see `${site.id}`. */
export type GroupBelowRow = { root: string; group_id: string; kind: string; site: string | null }

/**
 * For each group on which the subject holds a role with `${group.id}` or `${site.id}`: that group
 * and all below it.
 */
export const listGroupsBelow = (
  subject: Scalar,
  now: number,
  supposed?: Supposition,
): Statement<GroupBelowRow> => {
  const names = condition`held.object_kind = 'group'
    and (instr(role.acl, ${'${group.id}'}) or instr(role.acl, ${'${site.id}'}))`
  const there = supposed === undefined ? TRUE : condition`not ${isSupposed(scalar`g.id`)}`
  const [roots, steps] =
    supposed === undefined
      ? [sql``, sql``]
      : [
          sql`union
      select t.id, t.id, t.kind, ${supposedSite(scalar`t.id`)}
      from held join role on role.name = held.role cross join tree t on t.id = held.object_id
      where ${names}`,
          sql`union
      select below.root, t.id, t.kind, case t.kind when 'site' then t.id else below.site end
      from below join tree t on t.parent_id = below.id`,
        ]
  return sql`with recursive ${rights(subject, now, supposed)}, below(root, id, kind, site) as (
      select g.id, g.id, g.kind, ${siteOf(scalar`g.id`, supposed)}
      from held join role on role.name = held.role cross join "group" g on g.id = held.object_id
      where ${names} and ${there}
      ${roots}
      union
      select below.root, g.id, g.kind, case g.kind when 'site' then g.id else below.site end
      from below join "group" g on g.parent_id = below.id where ${there}
      ${steps})
    select root, id as group_id, kind, site from below order by root, id limit ${ROWS_MAX + 1}`
}

export type ObjectDeviceRow = {
  root: string
  group_id: string | null
  device_id: string
  metadata: string
  type: string
  tags: string
  group_kind: string | null
  site: string | null
}

/**
 * A condition on `held` and `role`: templates of the role name the devices of its object, a group,
 * one by one.
 */
export const listsDevices = condition`held.object_kind = 'group' and (
  (instr(held.condition_reads, '"device.') or instr(held.condition_reads, '"group.'))
    and instr(role.acl, ${'${device.'}) or exists (
  select 1 from json_each(role.acl) t, (select ${'${device.id}'} as device) v
  where instr(t.value, ${'${device.'}) and (not instr(t.value, ${'${group.id}'})
      and (not instr(t.value, ${'${site.id}'}) or held.object_id not in (
        select g.id from "group" g where g.id = held.object_id and g.kind = 'site'))
    or instr(t.value, ${'${device.metadata.'})
    or instr(replace('/' || (t.value ->> 'topic') || '/', '/' || v.device || '/', '/'), v.device))))`

/**
 * The devices that templates name one by one. Either the subject holds a role on their group
 * (`root` is that group, `group_id` the group of the device), or on the device itself (a row for
 * each group of the device). Without order, so that a fleet that is too large ends at the limit.
 */
export const listObjectDevices = (
  subject: Scalar,
  now: number,
  supposed?: Supposition,
): Statement<ObjectDeviceRow> => {
  const reads = condition`held.object_kind = 'device' and (instr(role.acl, ${'${'})
    or role.acl <> '[]' and held.condition is not null)`
  const isThere = (id: Scalar) =>
    supposed === undefined ? TRUE : condition`${id} not in (select id from placed)`
  const site = siteOf(scalar`m.group_id`, supposed)
  const others =
    supposed === undefined
      ? sql``
      : sql`union all
    select below.root, m.value, placed.id, placed.metadata, placed.type, placed.tags,
      ${kindSupposed}, ${supposedSite(scalar`m.value`)}
    from placed, json_each(placed.groups) m, below where below.id = m.value
    union all
    select placed.id, m.value, placed.id, placed.metadata, placed.type, placed.tags,
      ${kindSupposed}, ${supposedSite(scalar`m.value`)}
    from held join role on role.name = held.role join placed on placed.id = held.object_id
      left join json_each(placed.groups) m
    where ${reads}`
  return sql`with recursive ${rights(subject, now, supposed)}, listed(id) as (
      select held.object_id from held join role on role.name = held.role where ${listsDevices}),
    below(root, id) as (
      select id, id from listed
      union
      select below.root, g.id from below join "group" g on g.parent_id = below.id
        where ${supposed === undefined ? TRUE : condition`not ${isSupposed(scalar`g.id`)}`}
      ${
        supposed === undefined
          ? sql``
          : sql`union select below.root, t.id from below join tree t on t.parent_id = below.id`
      })
    select below.root, m.group_id, d.id as device_id, d.metadata, d.type, d.tags,
      (select kind from "group" g where g.id = m.group_id) as group_kind, ${site} as site
    from below cross join membership m on m.group_id = below.id
      cross join device d on d.id = m.member_id where ${isThere(scalar`d.id`)}
    union all
    select d.id, m.group_id, d.id, d.metadata, d.type, d.tags,
      (select kind from "group" g where g.id = m.group_id), ${site}
    from held join role on role.name = held.role join device d on d.id = held.object_id
      left join membership m on m.member_id = d.id
    where ${reads} and ${isThere(scalar`d.id`)}
    ${others}
    limit ${ROWS_MAX + 1}`
}

const kindSupposed = scalar`coalesce((select kind from tree where id = m.value),
  (select kind from "group" g where g.id = m.value))`

export type ClaimedRightRow = {
  kind: 'role' | 'group'
  id: string
  name: string
  /** When the right ends; null: never. */
  expires_at: number | null
}

/**
 * For claims about a person: the roles on everything where the scope has `roles`, and where it has
 * `groups` the groups that it is a member of. `root` is a group: then groups within it alone; or
 * null. Without these scopes the subject is nobody, and nothing is looked through.
 */
export const listClaimedRights = (
  subject: Scalar,
  scope: Scalar,
  root: Scalar,
  now: number,
): Statement<ClaimedRightRow> =>
  sql`with recursive wish(roles, groups, root) as materialized (
      select instr(scope, ' roles ') > 0, instr(scope, ' groups ') > 0, ${root}
      from (select ' ' || (${scope}) || ' ' as scope)),
    subject(id) as materialized (select (${subject}) from wish where roles or groups),
    ${within(ids, now)}, ${grantsHeld(ids, now)}, below(id) as (
      select g.id from wish cross join "group" g on g.id = wish.root where wish.groups
      union
      select g.id from below join "group" g on g.parent_id = below.id)
    select 'role' as kind, held.role as id, held.role as name,
      nullif(max(coalesce(held.expires_at, ${FOREVER})), ${FOREVER}) as expires_at
    from held join role on role.name = held.role
    where (select roles from wish) and held.object_id = '*'
    group by held.role
    union all
    select 'group', g.id, g.name, m.expires_at
    from subject cross join membership m on m.member_id = subject.id and ${lasts(now)}
      cross join "group" g on g.id = m.group_id
    where (select groups from wish)
      and ((select root from wish) is null or g.id in (select id from below))
    order by 1, 2 limit ${ROWS_MAX}`

// --- narrowed to named objects ----------------------------------------------------------------

/** A CTE `named(kind, id)`: the objects that a JSON array of narrowings names. */
const namedObjects = (narrowings: Scalar): Statement => sql`named(kind, id) as (
  select 'device', t.value from json_each(${narrowings}) e, json_each(e.value, '$.devices') t
  union
  select 'group', t.value from json_each(${narrowings}) e, json_each(e.value, '$.groups') t)`

/** `parts`: the other roles whose permissions the role has too; a JSON array of both as text. */
export type NarrowedGrantRow = HeldGrantRow & { parts: string }

/**
 * The grants in force on a named object or on a group around it, each as if it were on the named
 * object alone.
 */
export const listNarrowedGrants = (
  subject: Scalar,
  narrowings: Scalar,
  now: number,
): Statement<NarrowedGrantRow> =>
  sql`with recursive ${namedObjects(narrowings)}, ${lastingRights(subject, now)}, above(object_id, id) as (
      select id, id from named where kind = 'group'
      union
      select named.id, m.group_id from named join membership m on m.member_id = named.id
        where named.kind = 'device'
      union
      select above.object_id, g.parent_id from above join "group" g on g.id = above.id
        where g.parent_id is not null)
    select held.id, held.subject_id, held.role, named.id as object_id, named.kind as object_kind, held.expires_at,
      role.permissions, role.acl, held.condition,
      (select kind from principal where id = ${ids}) as subject_kind,
      (select json_group_array(json_object('permissions', part.permissions, 'acl', part.acl))
        from role part where part.name <> role.name and part.permissions <> '[]' and not exists (
          select value from json_each(part.permissions)
          except select value from json_each(role.permissions))) as parts
    from named join principal p on p.id = named.id and p.kind = named.kind and p.deleted_at is null
      cross join held join role on role.name = held.role
    where held.object_id = '*' or held.object_id = named.id
      or held.object_id in (select id from above where above.object_id = named.id)
    order by held.id, named.id limit ${ROWS_MAX + 1}`

/**
 * The groups below named groups (without device), the devices in these, and the named devices in
 * their groups.
 */
export const listNarrowedPlaces = (
  narrowings: Scalar,
): Statement<{
  root: string
  group_id: string | null
  device_id: string | null
  metadata: string | null
  site: string | null
}> =>
  sql`with recursive ${namedObjects(narrowings)}, below(root, id) as (
      select id, id from named where kind = 'group'
      union
      select below.root, g.id from below join "group" g on g.parent_id = below.id)
    select root, id as group_id, null as device_id, null as metadata,
      ${nearestSite(scalar`below.id`)} as site from below
    union all
    select below.root, m.group_id, d.id, d.metadata, ${nearestSite(scalar`m.group_id`)}
    from below cross join membership m on m.group_id = below.id
      cross join device d on d.id = m.member_id
    union all
    select d.id, m.group_id, d.id, d.metadata, ${nearestSite(scalar`m.group_id`)}
    from named join device d on d.id = named.id left join membership m on m.member_id = d.id
    where named.kind = 'device'
    limit ${ROWS_MAX + 1}`

export type OwnDeviceRow = {
  id: string
  type: string
  mqtt_client_id: string | null
  metadata: string
  type_acl: string | null
  /** Seconds; null: as the setting says. */
  token_ttl: number | null
  /** Whether a token may name the templates of the type by their hash: they are kept under it. */
  by_reference: 0 | 1
}

/** The subject itself, when it is a device, with the templates of its type. */
export const findOwnDevice = (subject: Scalar): Statement<OwnDeviceRow> =>
  sql`select d.id, d.type, d.mqtt_client_id, d.metadata, t.acl as type_acl, t.token_ttl,
      coalesce(t.acl_by_reference = 1 and exists (
        select 1 from policy_document p where p.content = t.acl), 0) as by_reference
    from device d left join device_type t on t.name = d.type where d.id = (${subject})`

/** The groups that the subject is a member of, not those above. */
export const listOwnGroups = (
  subject: Scalar,
  supposed?: Supposition,
): Statement<{ group_id: string; site: string | null }> => {
  const { joins = '[]', leaves = '[]', groups = '[]' } = supposed ?? {}
  const tree =
    supposed === undefined
      ? sql``
      : sql`with tree(id, parent_id, kind) as materialized (
        select value ->> 'id', value ->> 'parent_id', value ->> 'kind' from json_each(${groups}))`
  return sql`${tree} select own.id as group_id, ${siteOf(scalar`own.id`, supposed)} as site from (
      select group_id as id from membership where member_id = (${subject})
        and group_id not in (select value from json_each(${leaves}))
      union select value from json_each(${joins})) own
    order by own.id limit ${ROWS_MAX + 1}`
}
