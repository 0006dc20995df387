// Reads of decisions as somebody within a reach may know them: about objects within it, and about
// subjects within it, or the one who asks. All else is as if it were not there. Whether somebody
// may do something is decided by all grants, those from elsewhere too; named are those alone that
// are on something within the reach. Who may do something on an object within it is listed whole:
// by id and kind, also where they are from elsewhere, as operators are.
import type { Reach } from '../../context.ts'
import {
  type Condition,
  condition,
  type Scalar,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'
import {
  type CandidateRow,
  decisionOn,
  type EvaluationRow,
  type ExplanationRow,
  findEvaluation,
  isKept,
  type Kind,
  listActions,
  listExplanations,
  listSubjectCandidates,
  type Named,
  type Slice,
  tableOf,
  usable,
} from '../decisions/decision_store.ts'
import { grantsHeld, within } from '../rights_store.ts'
import { groupsBelow, isBelow, membersBelow } from './reach_store.ts'

/** A condition: the subject is within the reach, or the one who asks. */
export const isKnownSubject = (
  actor_id: string | null,
  reach: Reach,
  subject: Scalar,
  now: number,
): Condition => condition`(${subject} = ${actor_id} or ${isBelow(reach, subject, now)})`

/** A condition: objects of this type are kept here, and this one is within the reach. */
const isKnownObject = (reach: Reach, { type, id }: Named, now: number): Condition =>
  condition`(${isKept(type)} and ${isBelow(reach, scalar`${id}`, now)})`

/**
 * Finds whether the subject may do it. A subject and an object that are elsewhere are unknown, and
 * `seen_grants` are those of the grants that are on something within the reach.
 */
export const findEvaluationWithin = (
  actor_id: string | null,
  reach: Reach,
  question: { subject: Named; action: string; resource: Named },
  now: number,
): Statement<EvaluationRow & { seen_grants: string }> => {
  const { subject, resource } = question
  const isKnown = isKnownSubject(actor_id, reach, scalar`${subject.id}`, now)
  return sql<EvaluationRow & { seen_grants: string }>`
    select e.grant_id, e.conditional, e.device,
      case when ${isKnown} then e.usable end as usable,
      e.object_known and ${isKnownObject(reach, resource, now)} as object_known,
      (select json_group_array(g.id) from (
          select e.grant_id as id union select value ->> 'id' from json_each(e.conditional)) one
        join "grant" g on g.id = one.id
        where ${isBelow(reach, scalar`g.object_id`)}) as seen_grants
    from (${findEvaluation(question, now)}) e`
}

/** The objects of a kind within the reach, to be judged one by one. */
export const listResourcesWithin = (
  actor_id: string | null,
  reach: Reach,
  { subject, action, kind }: { subject: Named; action: string; kind: Kind },
  { after, limit }: Slice,
  now: number,
): Statement<CandidateRow> => {
  const who = scalar`${subject.id}`
  const objects =
    kind === 'group'
      ? sql`select id from below where id > ${after}`
      : sql`select r.id from reached r cross join ${tableOf(kind)} t on t.id = r.id
          where r.id > ${after}`
  return sql`with recursive ${membersBelow(reach, now)}, ${within(who, now)},
    ${grantsHeld(who, now, 'withConditional')},
    candidate(id) as materialized (${objects} order by 1 limit ${limit + 1})
    select candidate.id, ${usable(who, subject.type)} as usable, 1 as object_known,
      ${decisionOn(scalar`candidate.id`, kind, action)}
    from candidate where ${isKnownSubject(actor_id, reach, who, now)} order by candidate.id`
}

/** The next subjects that may do it to an object within the reach, to be judged one by one. */
export const listSubjectsWithin = (
  reach: Reach,
  question: Parameters<typeof listSubjectCandidates>[0],
  slice: Slice,
  now: number,
): Statement<CandidateRow> =>
  sql<CandidateRow>`select * from (${listSubjectCandidates(question, slice, now)})
    where ${isKnownObject(reach, question.resource, now)} order by id`

/** The same as `listActions`, and nothing about others. */
export const listActionsWithin = (
  actor_id: string | null,
  reach: Reach,
  question: Parameters<typeof listActions>[0],
  now: number,
): ReturnType<typeof listActions> =>
  sql`select * from (${listActions(question, now)})
    where ${isKnownSubject(actor_id, reach, scalar`${question.subject.id}`, now)}
      and ${isKnownObject(reach, question.resource, now)}`

/** The same as `listExplanations`; `is_seen` is 1 of grants on something within the reach. */
export const listExplanationsWithin = (
  actor_id: string | null,
  reach: Reach,
  question: Parameters<typeof listExplanations>[0],
  limit: number,
  now: number,
): Statement<{ [Column in keyof ExplanationRow]: ExplanationRow[Column] | null }> => {
  const isKnown = isKnownSubject(actor_id, reach, scalar`${question.subject.id}`, now)
  return sql`select case when ${isKnown} then e.usable end as usable,
      e.object_known and ${isKnownObject(reach, question.resource, now)} as object_known,
      e.id, e.subject_id, e.role, e.object_id, e.not_before, e.expires_at, e.condition, e.reaches,
      e.permits, e.groups, e.device, ${isBelow(reach, scalar`e.object_id`)} as is_seen
    from (${listExplanations(question, limit, now)}) e`
}

/** Lists the groups within the reach, and those of the objects (JSON) that are within it. */
export const listSeenObjects = (
  reach: Reach,
  objects: Scalar,
): Statement<{ id: string; kind: 'group' | 'object' }> =>
  sql`with recursive ${groupsBelow(reach)}
    select id, 'group' as kind from below
    union all
    select value, 'object' from json_each(${objects}) one
      where ${isBelow(reach, scalar`one.value`)}`

/** The objects of grants that somebody holds, in force, as JSON. */
export const heldObjects = (subject: string, now: number): Scalar => {
  const who = scalar`${subject}`
  return scalar`(with recursive ${within(who, now)}, ${grantsHeld(who, now, 'withConditional')}
    select json_group_array(object_id) from (select distinct object_id from held))`
}
