// The reads that compare power (power.ts): parts of the rights of an actor that lack for what is
// given, taken or changed. Statements only; no row means that nothing lacks.
import { API_SCOPES } from '../api.ts'
import { type Actor, carriedScopes, type Reach } from '../context.ts'
import {
  type Condition,
  condition,
  list,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../db/sql.ts'
import { isBelow } from './reach/reach_store.ts'
import { grantsHeld, nearestSite, within } from './rights_store.ts'

/** A role on an object until a time (null: for good) that an actor wants to give or take. */
export type NeededRow = { role: string; object_id: string; until: number | null }

/**
 * A right that the actor does not hold. `of`: a role, the scopes of a client, the type of a device,
 * or a role that reads a value of a device. `missing`: the permission or scope, `acl` for rules, or
 * the variable.
 */
export type Lack = {
  of: 'role' | 'scope' | 'device type' | 'reader'
  name: string
  object_id: string
  missing: string
  /** 0: about an object that is out of reach, so that nobody is told of it. */
  is_seen?: number
}

/** The same lacks, each with whether it is within the reach, where the actor may see it. */
export const markOutside = (reach: Reach, lacks: Statement<Lack>): Statement<Lack> =>
  sql<Lack>`select l.*, ${isBelow(reach, scalar`l.object_id`)} as is_seen from (${lacks}) l`

const RESERVED = ['manage', ...API_SCOPES]

/** Names of scopes of the management API among scopes. */
export const reservedOf = (scopes: Iterable<string>): string[] =>
  [...scopes].filter((scope) => RESERVED.includes(scope))

/**
 * A CTE-free condition on `p.value`: the actor's token carries this permission of the management
 * API.
 */
const tokenCarries = (actor: Actor): Condition => {
  const carried = carriedScopes(actor)
  return carried.includes('manage') ? TRUE : condition`p.value in (${list(carried)})`
}

/**
 * Lists the parts of the needed roles that the actor does not hold on those objects for as long.
 */
export const listLacking = (
  actor: Actor,
  needed: Statement<NeededRow>,
  now: number,
): Statement<Lack> => {
  const who = scalar`${actor.id}`
  const isClient = actor.kind === 'client'
  const same = condition`x.role = n.role and x.object_id = n.object_id and x.until is n.until`
  const reachGives = condition`exists (
    select 1 from reach x join role r2 on r2.name = x.by_role, json_each(r2.permissions) q
    where ${same} and q.value in (p.value, 'manage'))`
  return sql<Lack>`with recursive needed(role, object_id, until) as materialized (${needed}),
    ${within(who, now)}, ${grantsHeld(who, now)},
    above(root, id) as (
      select object_id, object_id from needed
      union select a.root, m.group_id from above a join membership m on m.member_id = a.id
      union select a.root, g.parent_id from above a join "group" g on g.id = a.id
        where g.parent_id is not null),
    reach(role, object_id, until, by_role, everywhere) as (
      select n.role, n.object_id, n.until, held.role, held.object_id = '*'
      from needed n join held on (held.object_id = '*' or exists (
          select 1 from above a where a.root = n.object_id and a.id = held.object_id))
        and (held.expires_at is null or held.expires_at >= n.until))
    select 'role' as "of", n.role as name, n.object_id, p.value as missing
    from needed n cross join role r on r.name = n.role, json_each(r.permissions) p
    where not case when p.value in (${list(RESERVED)})
      then ${tokenCarries(actor)} and (${isClient} or ${reachGives})
      else ${reachGives} end
    union
    select 'role', n.role, n.object_id, 'acl' from needed n cross join role r on r.name = n.role
    where r.acl <> '[]' and (exists (select 1 from json_each(r.acl) t
        where t.value ->> 'permission' = 'deny' or not exists (
          select 1 from reach x join role r2 on r2.name = x.by_role, json_each(r2.acl) u
          where ${same} and u.value = t.value)))
      and not exists (select 1 from reach x where ${same} and (x.everywhere and exists (select 1 from role r2, json_each(r2.permissions) q
        where r2.name = x.by_role and q.value = 'manage')))
    limit 20`
}

/** Lists the scope where the actor does not hold it on the object until the time, or for good. */
export const listLackingThere = (
  actor: Actor,
  scope: string,
  object_id: string,
  until: number | null,
  now: number,
): Statement<Lack> => {
  const who = scalar`${actor.id}`
  return sql<Lack>`with recursive ${within(who, now)}, ${grantsHeld(who, now)},
    above(id) as (
      select ${object_id}
      union select m.group_id from membership m where m.member_id = ${object_id}
      union select g.parent_id from above a join "group" g on g.id = a.id
        where g.parent_id is not null)
    select 'scope' as "of", p.value as name, ${object_id} as object_id, p.value as missing
    from json_each(json_array(${scope})) p
    where not (${tokenCarries(actor)} and exists (
      select 1 from held join role r on r.name = held.role, json_each(r.permissions) q
      where q.value in (p.value, 'manage')
        and (held.expires_at is null or held.expires_at >= ${until})
        and (held.object_id = '*' or held.object_id in (select id from above))))`
}

/** A CTE `everywhere(permissions, acl)`: the roles that the actor holds on `*` for as long. */
const heldEverywhere = (actor: Actor, until: number | null, now: number): Statement => {
  const who = scalar`${actor.id}`
  return sql`${within(who, now)}, ${grantsHeld(who, now)},
    everywhere(permissions, acl) as (
      select r.permissions, r.acl from held join role r on r.name = held.role
      where held.object_id = '*' and (held.expires_at is null or held.expires_at >= ${until}))`
}

const managesEverywhere = condition`exists (
  select 1 from everywhere e, json_each(e.permissions) q where q.value = 'manage')`

/** A condition: the actor holds the permission `p.value` on `*`, as token and roles say. */
const givesEverywhere = (actor: Actor): Condition => {
  const everywhereGives = condition`exists (
    select 1 from everywhere e, json_each(e.permissions) q where q.value in (p.value, 'manage'))`
  return condition`case when p.value in (${list(RESERVED)})
    then ${tokenCarries(actor)} and (${actor.kind === 'client'} or ${everywhereGives})
    else ${everywhereGives} end`
}

/** A condition: a role on `*` has the rule `t.value`, or the actor manages everything. */
const writesRule = condition`(t.value ->> 'permission' <> 'deny' and exists (
    select 1 from everywhere e, json_each(e.acl) u where u.value = t.value)
  or ${managesEverywhere})`

/**
 * Lists the parts of a role's content (two JSON texts) that the actor does not hold on `*` and for
 * good.
 */
export const listLackingContent = (
  actor: Actor,
  role: string,
  permissions: Scalar,
  acl: Scalar,
  now: number,
): Statement<Lack> =>
  sql<Lack>`with recursive ${heldEverywhere(actor, null, now)}
    select 'role' as "of", ${role} as name, '*' as object_id, p.value as missing
    from json_each(${permissions}) p where not ${givesEverywhere(actor)}
    union
    select 'role', ${role}, '*', 'acl' from json_each(${acl}) t where not ${writesRule}
    limit 20`

/**
 * Lists the scopes of the management API (a JSON text) that the actor does not hold until the time,
 * or for good. Other scopes are passed over.
 */
export const listLackingScopes = (
  actor: Actor,
  scopes: Scalar,
  until: number | null,
  now: number,
): Statement<Lack> =>
  sql<Lack>`with recursive ${heldEverywhere(actor, until, now)}
    select 'scope' as "of", p.value as name, '*' as object_id, p.value as missing
    from json_each(${scopes}) p
    where p.value in (${list(RESERVED)}) and not ${givesEverywhere(actor)}
    limit 20`

/**
 * The scopes of a client as a JSON text, `[]` for anything else. A first-party client counts as one
 * with `manage`: it gets tokens without consent, so its holder could collect those of everybody. So
 * does one that serves a resource: it exchanges tokens of others for all that it may ask for.
 */
export const scopesOfClient = (id: string): Scalar =>
  scalar`coalesce((select '["' || replace(scope, ' ', '","')
      || case when first_party = 1 or serves <> '[]' then '","manage"]' else '"]' end
    from client where id = ${id}), '[]')`

/** A device as its rules see it; the groups and the metadata are JSON texts. */
export type DeviceShape = {
  type: Scalar
  groups: Scalar
  metadata: Scalar
  mqtt_client_id: Scalar
}

const reads = (variable: string) => condition`instr(t.value ->> 'topic', ${variable})`
const isLevel = (variable: string) =>
  condition`instr('/' || (t.value ->> 'topic') || '/', ${`/${variable}/`})`
/** The rule `t.value` reads something that whoever may change a device chooses. */
const readsChoice = condition`(${reads('${device.metadata.')} or ${reads('${clientid}')})`
/** The rule `t.value` of a type speaks of the device itself. */
const isOwn = condition`(${isLevel('${device.id}')} or ${isLevel('${subject.id}')})
  and not ${readsChoice}`

/**
 * Lists the type of a device when the actor may not give the rules of that type. Nothing is needed
 * for an allowance that names the device itself as a level and reads nothing else that can be
 * chosen: this is what a scope over devices is for. Every other one must be a rule of a role of the
 * actor, for good, on `*` or, where it speaks of the groups alone, on each group of the device. An
 * allowance that is void for want of a value needs nothing. A denial needs `manage` on `*`.
 */
export const listLackingRules = (
  actor: Actor,
  { type, groups, metadata, mqtt_client_id }: DeviceShape,
  now: number,
): Statement<Lack> => {
  const isVoid = condition`(${reads('${clientid}')} and s.client_id is null
    or ${reads('${group.id}')} and json_array_length(s."groups") = 0
    or ${reads('${device.metadata.')} and not exists (select 1 from json_each(s.metadata) v
      where instr(t.value ->> 'topic', ${'${device.metadata.'} || v.key || '}')))`
  const onItsGroups = condition`((${reads('${group.id}')} or ${reads('${site.id}')}) and not ${readsChoice}
    and not exists (select 1 from json_each(s."groups") j where not exists (
      select 1 from upward a join held h on h.object_id = a.id and h.expires_at is null
        join role r on r.name = h.role, json_each(r.acl) u
      where a.root = j.value and u.value = t.value)))`
  return sql<Lack>`with recursive ${heldEverywhere(actor, null, now)},
    shape(type, "groups", metadata, client_id) as (
      select ${type}, coalesce(${groups}, '[]'), coalesce(${metadata}, '{}'), ${mqtt_client_id}),
    upward(root, id) as (
      select j.value, j.value from shape, json_each(shape."groups") j
      union select a.root, g.parent_id from upward a join "group" g on g.id = a.id
        where g.parent_id is not null)
    select distinct 'device type' as "of", s.type as name, '*' as object_id, 'acl' as missing
    from shape s join device_type y on y.name = s.type, json_each(y.acl) t
    where not ${writesRule} and (t.value ->> 'permission' = 'deny'
      or not (${isOwn}) and not ${isVoid} and not ${onItsGroups})`
}

/**
 * Lists the roles with a rule that reads one of the variables (a JSON text) and that the actor may
 * not write (`listLackingContent`): a new value changes what their holders may do. Metadata are
 * read by roles on the device and on the groups around it, `${clientid}` by roles that it holds.
 */
export const listLackingReaders = (
  actor: Actor,
  id: string,
  { groups }: Pick<DeviceShape, 'groups'>,
  variables: readonly string[],
  now: number,
): Statement<Lack> => {
  const ofClientId = condition`v.value = ${'${clientid}'}`
  return sql<Lack>`with recursive ${heldEverywhere(actor, null, now)},
    around(id) as (
      select ${id}
      union select value from json_each(coalesce(${groups}, '[]'))
      union select g.parent_id from around a join "group" g on g.id = a.id
        where g.parent_id is not null),
    concerned(role, object_id, is_held) as (
      select g.role, g.object_id, 0 from around a cross join "grant" g on g.object_id = a.id
        where ${inForceOrLater(now)}
      union
      select g.role, g.object_id, 1 from around a cross join "grant" g on g.subject_id = a.id
        where ${inForceOrLater(now)})
    select distinct 'reader' as "of", c.role as name, c.object_id, v.value as missing
    from concerned c join role r on r.name = c.role, json_each(r.acl) t,
      json_each(${JSON.stringify(variables)}) v
    where (${ofClientId}) = c.is_held and instr(t.value ->> 'topic', v.value)
      and not ${writesRule}
    limit 20`
}

/**
 * Lists the roles that a device is an object of under a condition that reads one of these values of
 * it (`readsOf` of conditions/expression.ts).
 */
export const listConditioned = (
  id: string,
  groups: Scalar,
  reads: readonly string[],
  now: number,
): Statement<NeededRow> =>
  sql<NeededRow>`select g.role, ${id} as object_id, g.expires_at from (
      with recursive around(id) as (
        select ${id} union select '*'
        union select value from json_each(coalesce(${groups}, '[]'))
        union select g.parent_id from around a join "group" g on g.id = a.id
          where g.parent_id is not null)
      select id from around) a cross join "grant" g on g.object_id = a.id
    where g.condition is not null and ${inForceOrLater(now)} and exists (
      select 1 from json_each(g.condition_reads) r where r.value in (${list(reads)}))`

const inForceOrLater = (now: number): Condition =>
  condition`(g.expires_at is null or g.expires_at > ${now})`

/**
 * Lists the roles that move when `member` enters or leaves the group: the grants of the group and
 * of those above. For a member that can be an object they are also the roles that others hold on
 * these groups, now on the member. Before the member exists, `member` is the group. `end`: of the
 * membership.
 */
export const listConferred = (
  group: Scalar,
  member: Scalar,
  now: number,
  end: Scalar = scalar`null`,
): Statement<NeededRow> => {
  const until = sql`case when (${end}) is null then g.expires_at
    else min(coalesce(g.expires_at, ${end}), ${end}) end`
  const upward = sql`(with recursive upward(id) as (
      select (${group})
      union select g.parent_id from upward join "group" g on g.id = upward.id
        where g.parent_id is not null)
    select id from upward)`
  return sql<NeededRow>`
    select g.role, g.object_id, ${until} from "grant" g
    where g.subject_id in ${upward} and ${inForceOrLater(now)}
    union
    select g.role, m.id, g.expires_at from principal m join "grant" g
    where m.id = (${member}) and m.kind in ('device', 'group')
      and g.object_id in ${upward} and ${inForceOrLater(now)}`
}

/**
 * The roles that speak of another house when the group gets this kind and parent: those on it and
 * on the groups below, with rules that name the site, as if on the group from which the house
 * follows then.
 */
export const listHoused = (
  id: string,
  kind: Scalar,
  parent_id: Scalar,
  now: number,
): Statement<NeededRow> =>
  sql<NeededRow>`select g.role, h.house, g.expires_at from (
      select case when ${kind} = 'site' then ${id} else ${parent_id} end as house from "group" own
      where own.id = ${id} and ((own.kind = 'site') <> (${kind} = 'site')
        or (own.kind <> 'site' and own.parent_id is not ${parent_id}))) h
    cross join (with recursive below(id) as (
        select ${id} union select c.id from below cross join "group" c on c.parent_id = below.id)
      select id from below) b
    cross join "grant" g on g.object_id = b.id
    cross join role r on r.name = g.role and instr(r.acl, ${'${site.id}'})
    where h.house is not null and ${inForceOrLater(now)}`

/**
 * Lists the types of devices whose rules speak of another house when the group gets this kind and
 * parent, and which the actor may not give there, or here, where they end. Asked are the types of
 * the devices in the group and below, but for those in a house of their own; as for
 * `listLackingRules`, a rule that speaks of its device needs nothing.
 */
export const listHousedTypes = (
  actor: Actor,
  id: string,
  kind: Scalar,
  parent_id: Scalar,
  now: number,
): Statement<Lack> =>
  sql<Lack>`with recursive ${heldEverywhere(actor, null, now)},
    move(here, there, beyond) as materialized (
      select here, case when is_site then ${id} else ${nearestSite(scalar`to_parent`)} end,
        case when is_site then to_parent end
      from (select ${nearestSite(scalar`${id}`)} as here, ${kind} = 'site' as is_site,
        ${parent_id} as to_parent)),
    above(side, id) as (
      select 'here', here from move where here is not null and here is not there
      union select 'there', there from move where there is not null and here is not there
      union select 'there', beyond from move where beyond is not null and here is not there
      union select a.side, g.parent_id from above a join "group" g on g.id = a.id
        where g.parent_id is not null and (a.side = 'here' or a.id <> ${id})),
    inside(id) as (
      select ${id}
      union select g.id from inside join "group" g on g.parent_id = inside.id
        where g.kind <> 'site')
    select distinct 'device type' as "of", y.name, '*' as object_id, 'acl' as missing
    from device_type y, json_each(y.acl) t
    where exists (select 1 from above) and ${reads('${site.id}')} and not ${writesRule}
      and (t.value ->> 'permission' = 'deny' or not (${isOwn}) and (${readsChoice} or exists (
        select 1 from above one where not exists (
          select 1 from above a join held h on h.object_id = a.id and h.expires_at is null
            join role r on r.name = h.role, json_each(r.acl) u
          where a.side = one.side and u.value = t.value))))
      and exists (select 1 from inside cross join membership m on m.group_id = inside.id
        cross join device d on d.id = m.member_id where d.type = y.name)
    limit 20`

/** Every grant that a principal holds, itself or through its groups. */
export const listNeededForPrincipal = (id: string, now: number): Statement<NeededRow> =>
  sql<NeededRow>`select g.role, g.object_id, g.expires_at from "grant" g
    where ${inForceOrLater(now)} and (g.subject_id = ${id} or g.subject_id in (
      with recursive ${within(scalar`${id}`, now)} select id from within))`
