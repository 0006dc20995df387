// Statements about the reach of an actor: the scopes that a person holds and where, the groups
// below the roots of a reach, and whether an object is within it. Reads alone.
import { API_SCOPES } from '../../api.ts'
import type { Reach } from '../../context.ts'
import {
  type Condition,
  condition,
  list,
  type Scalar,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'
import { lasts } from '../places/membership_ends.ts'
import { grantsHeld, ROWS_MAX, within } from '../rights_store.ts'

export type HeldScopeRow = { scope: string; object_id: string; since: number }

/**
 * The permissions named like scopes that a person holds on `*` or on groups, with the time since
 * which that is so. Those on `*` come first.
 */
export const listHeldScopes = (subject: string, now: number): Statement<HeldScopeRow> => {
  const who = scalar`${subject}`
  return sql<HeldScopeRow>`with recursive ${within(who, now)}, ${grantsHeld(who, now)}
    select p.value as scope, held.object_id, min(held.since) as since
    from held join role r on r.name = held.role, json_each(r.permissions) p
    where (held.object_id = '*' or held.object_kind = 'group')
      and p.value in (${list(['manage', ...API_SCOPES])})
    group by p.value, held.object_id
    order by held.object_id <> '*', held.object_id limit ${ROWS_MAX}`
}

const rootsOf = (reach: Reach): string => JSON.stringify(reach.map(({ group_id }) => group_id))

/** A CTE `below(id)`: the roots of a reach and all groups below them. */
export const groupsBelow = (reach: Reach): Statement => sql`below(id) as (
  select g.id from json_each(${rootsOf(reach)}) root cross join "group" g on g.id = root.value
  union
  select g.id from below cross join "group" g on g.parent_id = below.id)`

/** A CTE `reached(id)`: all that is a member of a root or of a group below one. */
export const membersBelow = (reach: Reach, now: number): Statement => sql`${groupsBelow(reach)},
  reached(id) as (
    select distinct m.member_id from below
      cross join membership m on m.group_id = below.id and ${lasts(now)})`

/**
 * A CTE `seen(id, since)`: the groups and devices within the reach, each with the time since which
 * it is there.
 */
export const objectsSince = (reach: Reach): Statement => sql`placed(id, since) as (
    select g.id, root.value ->> 'since' from json_each(${JSON.stringify(reach)}) root
      cross join "group" g on g.id = root.value ->> 'group_id'
    union
    select g.id, max(placed.since, g.placed_at)
      from placed cross join "group" g on g.parent_id = placed.id),
  seen(id, since) as (
    select id, min(since) from placed group by id
    union all
    select m.member_id, min(max(placed.since, m.created_at))
      from placed cross join membership m on m.group_id = placed.id
        cross join device d on d.id = m.member_id
      group by m.member_id)`

/**
 * A condition about a JSON list of pairs (kind, id), as an event has it: each of the devices and
 * groups that it names is within the reach.
 */
export const namesOnlyWithin = (reach: Reach, objects: Scalar): Condition => condition`not exists (
  select 1 from json_each(${objects}) o where o.value ->> 0 = 'principal'
    and not exists (select 1 from principal p
      where p.id = o.value ->> 1 and p.kind in ('user', 'client'))
    and not ${isBelow(reach, scalar`o.value ->> 1`)})`

/**
 * A condition: the object is a root, a group below one, or a member of one of these. `id` may be a
 * column of the query around it, so it stands where no table is. People are members until a time:
 * `now` is needed where the id may be that of a person, and left out for groups and devices.
 */
export const isBelow = (reach: Reach, id: Scalar, now = 0): Condition => condition`exists (
  with recursive above(id) as (
    select ${id}
    union select m.group_id from above join membership m on m.member_id = above.id
        and ${lasts(now)}
    union select g.parent_id from above join "group" g on g.id = above.id
      where g.parent_id is not null)
  select 1 from above join "group" g on g.id = above.id
  where above.id in (select value from json_each(${rootsOf(reach)})))`
