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
import { type EvaluationRow, findEvaluation, isKept } from '../decisions/decision_store.ts'
import { grantsHeld, ROWS_MAX, within } from '../rights_store.ts'

export type HeldScopeRow = { scope: string; object_id: string; since: number }

/**
 * The permissions named like scopes that a person holds on `*` or on groups, with the time since
 * which that is so. Those on `*` come first.
 */
export const listHeldScopes = (subject: string, now: number): Statement<HeldScopeRow> => {
  const who = scalar`${subject}`
  return sql<HeldScopeRow>`with recursive ${within(who)}, ${grantsHeld(who, now)}
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
export const membersBelow = (reach: Reach): Statement => sql`${groupsBelow(reach)},
  reached(id) as (
    select distinct m.member_id from below cross join membership m on m.group_id = below.id)`

/** A condition: the object is a root, a group below one, or a member of one of these. */
export const isBelow = (reach: Reach, id: Scalar): Condition => condition`exists (
  with recursive above(id) as (
    select ${id}
    union select m.group_id from membership m where m.member_id = ${id}
    union select g.parent_id from above join "group" g on g.id = above.id
      where g.parent_id is not null)
  select 1 from above join "group" g on g.id = above.id
  where above.id in (select value from json_each(${rootsOf(reach)})))`

/**
 * Finds whether the subject may do it, as one within a reach may know: a subject and an object that
 * are elsewhere are unknown, and a grant on something else is not named.
 */
export const findEvaluationWithin = (
  actor_id: string | null,
  reach: Reach,
  question: Parameters<typeof findEvaluation>[0],
  now: number,
): Statement<EvaluationRow> => {
  const { subject, resource } = question
  const isKnown = condition`(${subject.id} = ${actor_id} or ${isBelow(reach, scalar`${subject.id}`)})`
  return sql<EvaluationRow>`
    select case when ${isKnown} then e.usable end as usable,
      e.object_known and ${isKept(resource.type)}
        and ${isBelow(reach, scalar`${resource.id}`)} as object_known,
      e.grant_id, e.conditional, e.device,
      (select json_group_array(g.id) from "grant" g
        where (g.id = e.grant_id or g.id in (select value ->> 'id' from json_each(e.conditional)))
          and ${isBelow(reach, scalar`g.object_id`)}) as nameable
    from (${findEvaluation(question, now)}) e`
}
