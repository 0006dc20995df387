// Reads of decisions: whether a subject may do something to an object, by which grant, and under
// which conditions. Statements only: conditions are judged by evaluation.ts. Each of them is one
// statement that reaches its rows through indexes, however large the tables are.
import {
  type Condition,
  condition,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../../db/sql.ts'
import { lasts } from '../places/membership_ends.ts'
import { grantsHeld, within } from '../rights_store.ts'

/** A principal or an object as a caller names it. */
export type Named = { type: string; id: string }

export type PermitRow = {
  /** The oldest grant without a condition that permits it. */
  grant_id: string | null
  /** JSON array of `ConditionalGrant`, the oldest first: those that would permit it. */
  conditional: string
  /** JSON of the device that is asked about, or null. */
  device: string | null
}

export type EvaluationRow = PermitRow & {
  /** Null when there is no such subject, 0 when it may not act. */
  usable: number | null
  /** 1 when there is such an object, or when this system keeps no objects of that type. */
  object_known: number
  /** JSON array of the grants that may be named to who asks; without it, all of them. */
  nameable?: string
}

/** `groups`: the groups of the object through which the grant reaches it. */
export type ConditionalGrant = {
  id: string
  condition: string
  groups: { id: string; kind: string }[]
}

/** Most grants with a condition that one question looks at. */
export const CONDITIONAL_MAX = 100

const KINDS = ['user', 'client', 'device', 'group'] as const
export type Kind = (typeof KINDS)[number]

/** Whether objects of this type are kept here. */
export const isKept = (type: string): type is Kind => KINDS.some((one) => one === type)

/**
 * Finds whether the subject may do it. One row. When several grants permit it, the oldest is named.
 */
export const findEvaluation = (
  { subject, action, resource }: { subject: Named; action: string; resource: Named },
  now: number,
): Statement<EvaluationRow> => {
  const who = scalar`${subject.id}`
  return sql`with recursive ${within(who, now)}, ${grantsHeld(who, now, 'withConditional')}
    select ${usable(who, subject.type)} as usable, ${isKnown(resource)} as object_known,
      ${decisionOn(scalar`${resource.id}`, resource.type, action)}`
}

/** A condition: there is such an object, or this system keeps none of that type. */
export const isKnown = ({ type, id }: Named): Condition =>
  isKept(type)
    ? condition`exists (select 1 from principal
        where id = ${id} and kind = ${type} and deleted_at is null)`
    : TRUE

/**
 * The columns of `PermitRow`. `held` has to be there; or `held` is its CTE, where the subject is
 * another in each row.
 */
export const decisionOn = (
  what: Scalar,
  type: string,
  action: string,
  held?: Statement,
): Statement => {
  const before =
    held === undefined ? aroundObject(what, type) : sql`${held}, ${aroundObject(what, type)}`
  const permits = condition`exists (
    select 1 from json_each(role.permissions) p where p.value in (${action}, 'manage'))`
  const isReached = reaches(what, type)
  return sql`(with recursive ${before}
      select held.id from held join role on role.name = held.role
      where held.condition is null and (${isReached}) and ${permits}
      order by held.id limit 1) as grant_id,
    (with recursive ${before}
      select json_group_array(json_object('id', one.id, 'condition', one.condition,
        'groups', json(${placesOf(scalar`one.object_id`, what)})))
      from (select held.id, held.condition, held.object_id
        from held join role on role.name = held.role
        where held.condition is not null and (${isReached}) and ${permits}
        order by held.id limit ${CONDITIONAL_MAX}) one) as conditional,
    ${deviceAsJson(what, type)} as device`
}

/** A JSON array of the groups of the object through which a grant on `object_id` reaches it. */
const placesOf = (object_id: Scalar, what: Scalar): Scalar => scalar`(
  select json_group_array(json_object('id', g.id, 'kind', g.kind))
  from (select distinct root from around
    where ${object_id} = '*' or ${object_id} = ${what} or around.id = ${object_id}) place
    join "group" g on g.id = place.root)`

const deviceAsJson = (what: Scalar, type: string): Scalar => scalar`(
  select json_object('id', d.id, 'type', d.type, 'tags', json(d.tags),
    'metadata', json(d.metadata)) from device d
  where d.id = ${what} and ${type} = 'device')`

/** A CTE `around(root, id)`: the groups of an object, or itself, each with all above it. */
const aroundObject = (what: Scalar, type: string): Statement => sql`around(root, id) as (
      select group_id, group_id from membership where member_id = ${what} and ${type} = 'device'
      union select id, id from "group" where id = ${what} and ${type} = 'group'
      union select around.root, g.parent_id from around join "group" g on g.id = around.id
        where g.parent_id is not null)`

/**
 * A condition on `held`: it reaches the object. An object that this system does not keep lies in no
 * group. Only a grant on `*` reaches it, whatever its id.
 */
const reaches = (what: Scalar, type: string): Condition =>
  isKept(type)
    ? condition`held.object_id = '*' or held.object_id = ${what}
        or held.object_id in (select id from around)`
    : condition`held.object_id = '*'`

/**
 * 1 when the principal may act, 0 when it is disabled or suspended, null when there is none of this
 * kind.
 */
export const usable = (id: Scalar, type: string): Scalar => scalar`(
  select coalesce(u.status, c.status, d.status, '') = 'active' from principal p
    left join "user" u on u.id = p.id left join client c on c.id = p.id left join device d on d.id = p.id
  where p.id = ${id} and p.kind = ${type} and p.kind <> 'group' and p.deleted_at is null)`

// --- search -----------------------------------------------------------------------------------

/** Most groups, and most members, that are listed before a search walks by id instead. */
const LISTED_MAX = 2000
/** Most ids that one page looks at then. It may answer fewer than were asked for, or none. */
export const WALKED_MAX = 500

export type CandidateRow = EvaluationRow & { id: string }

/** The part of a page that comes behind `after`, in the order of ids. */
export type Slice = { after: string; limit: number }

/** The table of a kind. */
export const tableOf = (kind: Kind): Statement =>
  ({ user: sql`"user"`, client: sql`client`, device: sql`device`, group: sql`"group"` })[kind]

/**
 * A CTE `candidate(id)`: of those in `listed(id)`, or, where a CTE `size(size)` has more than can
 * be listed or `isEvery` holds, of all of the kind, the next ones. `isEvery`: all of them come in
 * question, so no more are looked at than the page has.
 */
const candidates = (kind: Kind, { after, limit }: Slice, isEvery: Condition): Statement => sql`
  walk(ids) as materialized (select case
      when ${isEvery} then ${limit + 1}
      when (select max(size) from size) > ${LISTED_MAX} then ${WALKED_MAX}
      else 0 end),
  candidate(id) as materialized (
    select id from (select id from listed order by id
      limit (select case ids when 0 then ${limit + 1} else 0 end from walk))
    union all
    select id from (select t.id from ${tableOf(kind)} t where t.id > ${after} order by t.id
      limit (select ids from walk)))`

/** Lists the next objects of a kind on which the subject may do it, to be judged one by one. */
export const listResourceCandidates = (
  { subject, action, kind }: { subject: Named; action: string; kind: Kind },
  slice: Slice,
  now: number,
): Statement<CandidateRow> => {
  const who = scalar`${subject.id}`
  const { after } = slice
  return sql`with recursive ${within(who, now)}, ${grantsHeld(who, now, 'withConditional')},
    useful(id, kind) as materialized (
      select distinct held.object_id, held.object_kind
      from held join role on role.name = held.role
      where exists (select 1 from json_each(role.permissions) p where p.value in (${action}, 'manage'))),
    below(id) as (
      select id from useful where kind = 'group' and ${kind === 'device' || kind === 'group'}
      union
      select g.id from below join "group" g on g.parent_id = below.id limit ${LISTED_MAX + 1}),
    listed(id) as materialized (
      ${
        kind === 'group'
          ? sql`select id from below where id > ${after}`
          : sql`select m.member_id from below cross join membership m
              on m.group_id = below.id and m.member_id > ${after} and ${lasts(now)}
              cross join principal p on p.id = m.member_id
            where p.kind = ${kind} and p.deleted_at is null
            union
            select id from useful where kind = ${kind} and id > ${after}`
      }
      limit ${LISTED_MAX + 1}),
    size(size) as (select count(*) from below union all select count(*) from listed),
    ${candidates(kind, slice, condition`exists (select 1 from useful where id = '*')`)}
    select candidate.id, ${usable(who, subject.type)} as usable, 1 as object_known,
      ${decisionOn(scalar`candidate.id`, kind, action)}
    from candidate order by candidate.id`
}

/** Lists the next subjects of a kind that may do it to the object, to be judged one by one. */
export const listSubjectCandidates = (
  { kind, action, resource }: { kind: Kind; action: string; resource: Named },
  slice: Slice,
  now: number,
): Statement<CandidateRow> => {
  const what = scalar`${resource.id}`
  const { after } = slice
  const candidate = scalar`candidate.id`
  const rights = sql`${within(candidate, now)}, ${grantsHeld(candidate, now, 'withConditional')}`
  return sql`with recursive ${aroundObject(what, resource.type)},
    above(id) as (select '*'
      union select ${what} where ${isKept(resource.type)} union select id from around),
    granting(id) as materialized (
      select distinct g.subject_id from above cross join "grant" g on g.object_id = above.id
        join role on role.name = g.role
      where (g.not_before is null or g.not_before <= ${now})
        and (g.expires_at is null or g.expires_at > ${now})
        and exists (select 1 from json_each(role.permissions) p where p.value in (${action}, 'manage'))
      limit ${LISTED_MAX + 1}),
    below(id) as (
      select g.id from granting cross join "group" g on g.id = granting.id
      union
      select g.id from below join "group" g on g.parent_id = below.id limit ${LISTED_MAX + 1}),
    listed(id) as materialized (
      select t.id from granting cross join ${tableOf(kind)} t on t.id = granting.id
      where t.id > ${after}
      union
      select m.member_id from below cross join membership m
        on m.group_id = below.id and m.member_id > ${after} and ${lasts(now)}
        cross join ${tableOf(kind)} t on t.id = m.member_id
      limit ${LISTED_MAX + 1}),
    size(size) as (select count(*) from granting union all select count(*) from below
      union all select count(*) from listed),
    ${candidates(kind, slice, condition`false`)}
    select candidate.id, ${usable(candidate, kind)} as usable,
      ${isKnown(resource)} as object_known, ${decisionOn(what, resource.type, action, rights)}
    from candidate order by candidate.id`
}

/** Lists the permissions that the subject's grants give on the object, a row for each grant. */
export const listActions = (
  { subject, resource }: { subject: Named; resource: Named },
  now: number,
): Statement<{
  usable: number | null
  object_known: number
  permissions: string
  condition: string | null
  groups: string
  device: string | null
}> => {
  const who = scalar`${subject.id}`
  const what = scalar`${resource.id}`
  return sql`with recursive ${within(who, now)}, ${grantsHeld(who, now, 'withConditional')},
    ${aroundObject(what, resource.type)}
    select ${usable(who, subject.type)} as usable, ${isKnown(resource)} as object_known,
      role.permissions, held.condition, ${placesOf(scalar`held.object_id`, what)} as groups,
      ${deviceAsJson(what, resource.type)} as device
    from held join role on role.name = held.role
    where ${reaches(what, resource.type)}
    order by held.condition is not null, held.id limit ${LISTED_MAX}`
}

// --- explanations and lists -------------------------------------------------------------------

export type ExplainedGrant = {
  id: string
  subject_id: string
  role: string
  object_id: string
  not_before: number | null
  expires_at: number | null
  condition: string | null
}

export type ExplanationRow = ExplainedGrant & {
  usable: number | null
  object_known: number
  /** 1 when the grant is on the object, on a group around it or on everything. */
  reaches: number
  /** 1 when its role has the permission. */
  permits: number
  groups: string
  device: string | null
  /** 0: on something that whoever asks may not know; absent: all may be known. */
  is_seen?: number
}

/** Lists grants of the subject, in force or not, the nearest first; one row at least. */
export const listExplanations = (
  { subject, action, resource }: { subject: Named; action: string; resource: Named },
  limit: number,
  now: number,
): Statement<{ [Column in keyof ExplanationRow]: ExplanationRow[Column] | null }> => {
  const who = scalar`${subject.id}`
  const what = scalar`${resource.id}`
  const isReached = isKept(resource.type)
    ? condition`g.object_id = '*' or g.object_id = ${what}
        or g.object_id in (select id from around)`
    : condition`g.object_id = '*'`
  return sql`with recursive ${within(who, now)}, ${aroundObject(what, resource.type)},
    holder(id) as (select ${who} union select id from within),
    near as materialized (
      select g.*, (${isReached}) as reaches, exists (select 1 from json_each(role.permissions) p
          where p.value in (${action}, 'manage')) as permits
      from holder cross join "grant" g on g.subject_id = holder.id
        join role on role.name = g.role
      order by reaches + permits desc, g.id limit ${limit})
    select ${usable(who, subject.type)} as usable, ${isKnown(resource)} as object_known,
      near.id, near.subject_id, near.role, near.object_id, near.not_before, near.expires_at,
      near.condition, near.reaches, near.permits,
      ${placesOf(scalar`near.object_id`, what)} as groups,
      ${deviceAsJson(what, resource.type)} as device
    from (select 1) left join near order by near.reaches + near.permits desc, near.id`
}

export type AccessRow = ExplainedGrant & { permissions: string }

/** Lists the grants in force that a principal holds, itself or by its groups. */
export const listAccessOf = (
  id: string,
  after: string,
  limit: number,
  now: number,
  isSeen: (object_id: Scalar) => Condition = () => TRUE,
): Statement<AccessRow> => {
  const who = scalar`${id}`
  return sql`with recursive ${within(who, now)}, ${grantsHeld(who, now, 'withConditional')}
    select held.id, held.subject_id, held.role, held.object_id, g.not_before, held.expires_at,
      held.condition, role.permissions
    from held join role on role.name = held.role join "grant" g on g.id = held.id
    where held.id > ${after} and ${isSeen(scalar`held.object_id`)}
    order by held.id limit ${limit + 1}`
}

/**
 * Lists the grants in force that reach an object: for each object around it, in order, a JSON array
 * of at most one more than the page has.
 */
export const listAccessTo = (
  id: string,
  after: { object_id: string; id: string },
  limit: number,
  now: number,
  isSeen: (object_id: Scalar) => Condition = () => TRUE,
): Statement<{ grants: string }> =>
  sql`with recursive above(id) as (
      select ${id} union select '*'
      union select m.group_id from membership m where m.member_id = ${id} and ${lasts(now)}
      union select g.parent_id from above join "group" g on g.id = above.id
        where g.parent_id is not null)
    select (select json_group_array(json_object('id', one.id, 'subject_id', one.subject_id,
        'role', one.role, 'object_id', one.object_id, 'not_before', one.not_before,
        'expires_at', one.expires_at, 'condition', one.condition, 'permissions', one.permissions))
      from (select g.*, role.permissions from "grant" g join role on role.name = g.role
        where g.object_id = above.id and (above.id > ${after.object_id} or g.id > ${after.id})
          and (g.not_before is null or g.not_before <= ${now})
          and (g.expires_at is null or g.expires_at > ${now})
        order by g.id limit ${limit + 1}) one) as grants
    from above where above.id >= ${after.object_id} and ${isSeen(scalar`above.id`)}
    order by above.id`
