// The read of a decision as somebody within a reach may know it.
import type { Reach } from '../../context.ts'
import { condition, type Statement, scalar, sql } from '../../db/sql.ts'
import {
  type EvaluationRow,
  findEvaluation,
  isKept,
  type Named,
} from '../decisions/decision_store.ts'
import { isBelow } from './reach_store.ts'

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
  const isKnown = condition`(${subject.id} = ${actor_id} or ${isBelow(reach, scalar`${subject.id}`, now)})`
  return sql<EvaluationRow & { seen_grants: string }>`
    select e.grant_id, e.conditional, e.device,
      case when ${isKnown} then e.usable end as usable,
      e.object_known and ${isKept(resource.type)}
        and ${isBelow(reach, scalar`${resource.id}`)} as object_known,
      (select json_group_array(g.id) from (
          select e.grant_id as id union select value ->> 'id' from json_each(e.conditional)) one
        join "grant" g on g.id = one.id
        where ${isBelow(reach, scalar`g.object_id`)}) as seen_grants
    from (${findEvaluation(question, now)}) e`
}
