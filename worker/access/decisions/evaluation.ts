// Answers "May this subject do this to that?", in the shape of the OpenID AuthZEN Authorization API
// 1.0. Any number of questions is one database round trip. An unknown name is denied and is never
// an error.
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import type { Statement } from '../../db/sql.ts'
import { CONTEXT_MAX, holds } from '../conditions/expression.ts'
import { findEvaluationWithin } from '../reach/decision_reach_store.ts'
import {
  type ConditionalGrant,
  type EvaluationRow,
  findEvaluation,
  type Named,
} from './decision_store.ts'

const text = z
  .string()
  .min(1)
  .max(1000)
  .regex(/^[^\0]*$/, 'must not contain NUL')

// AuthZEN §5: further members (`properties`) may be sent. None is kept, so they decide nothing.
export const subjectSchema = z.object({ type: text, id: text }).openapi('EvaluationSubject')
export const actionSchema = z.object({ name: text }).openapi('EvaluationAction')
export const resourceSchema = z.object({ type: text, id: text }).openapi('EvaluationResource')
export const contextSchema = z
  .record(z.string(), z.unknown())
  .refine((value) => JSON.stringify(value).length <= CONTEXT_MAX, {
    message: `must be at most ${CONTEXT_MAX} characters of JSON`,
  })
  .describe('values for the conditions of grants')

/** AuthZEN §6.1. */
export const evaluationRequest = z
  .object({
    subject: subjectSchema,
    action: actionSchema,
    resource: resourceSchema,
    context: contextSchema.optional(),
  })
  .openapi('EvaluationRequest')

export const EVALUATIONS_MAX = 100

/** AuthZEN §7.1: members at the top are the defaults of every evaluation. */
export const evaluationsRequest = z
  .object({
    ...evaluationRequest.partial().shape,
    evaluations: z.array(evaluationRequest.partial()).max(EVALUATIONS_MAX).optional(),
    options: z
      .object({
        evaluations_semantic: z
          .enum(['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'])
          .default('execute_all'),
      })
      .optional(),
  })
  .openapi('EvaluationsRequest')

const decisionSchema = z
  .object({
    decision: z.boolean(),
    context: z
      .object({
        reason: z
          .enum([
            'granted',
            'not_granted',
            'condition_not_met',
            'unknown_subject',
            'inactive_subject',
            'unknown_resource',
          ])
          .optional(),
        grant: z.string().optional().openapi({ description: 'the grant that decided' }),
        error: z.object({ status: z.int(), message: z.string() }).optional(),
      })
      .optional(),
  })
  .openapi('Decision')

export const evaluationsResponse = z
  .union([z.object({ evaluations: z.array(decisionSchema) }), decisionSchema])
  .openapi('EvaluationsResponse')

export const evaluationResponse = decisionSchema

export type Evaluation = z.infer<typeof decisionSchema>
export type EvaluationRequest = z.infer<typeof evaluationRequest>
export type EvaluationsRequest = z.infer<typeof evaluationsRequest>

type Question = {
  subject: Named
  action: string
  resource: Named
  context: Record<string, unknown> | undefined
}

/** `seen_grants`: JSON array of the ids of grants that may be named; absent: all. */
type AnsweringRow = EvaluationRow & { seen_grants?: string }

/** The decision about a subject, from its row. */
export function decisionOf(
  cx: Context,
  question: Pick<Question, 'subject' | 'context'>,
  row: EvaluationRow | undefined,
): Evaluation {
  const no = (
    reason:
      | 'not_granted'
      | 'condition_not_met'
      | 'unknown_subject'
      | 'inactive_subject'
      | 'unknown_resource',
  ) => ({ decision: false, context: { reason } }) as const
  if (row === undefined || row.usable === null) return no('unknown_subject')
  if (row.usable !== 1) return no('inactive_subject')
  if (row.object_known !== 1) return no('unknown_resource')
  const conditional = JSON.parse(row.conditional) as ConditionalGrant[]
  const grant = oldestOf(
    row.grant_id,
    conditional.find((one) => holdsFor(cx, question, one, row.device))?.id,
  )
  if (grant !== null) {
    const isNamed = row.nameable === undefined || JSON.parse(row.nameable).includes(grant)
    return { decision: true, context: { reason: 'granted', ...(isNamed ? { grant } : {}) } }
  }
  return no(conditional.length > 0 ? 'condition_not_met' : 'not_granted')
}

const oldestOf = (a: string | null, b: string | undefined): string | null =>
  a === null || (b !== undefined && b < a) ? (b ?? null) : a

/** Whether the condition of a grant holds for the object in one of its groups. */
export function holdsFor(
  cx: Context,
  { subject, context = {} }: Pick<Question, 'subject' | 'context'>,
  { condition, groups }: Omit<ConditionalGrant, 'id'>,
  device: string | null,
): boolean {
  const values = {
    subject: { id: subject.id, kind: subject.type },
    device: device === null ? undefined : JSON.parse(device),
    now: cx.now(),
    context,
  }
  const places = groups.length === 0 ? [undefined] : groups
  return places.some((group) => holds(condition, { ...values, group }) === true)
}

/** The statement that answers, within the reach of who asks. */
const statementOf = (cx: Context, question: Question): Statement<AnsweringRow> =>
  cx.actor.reach === undefined
    ? findEvaluation(question, cx.now())
    : findEvaluationWithin(cx.actor.id, cx.actor.reach, question, cx.now())

/** The decision, without the name of a grant that is out of reach. */
function answerTo(cx: Context, question: Question, row: AnsweringRow | undefined): Evaluation {
  const { decision, context } = decisionOf(cx, question, row)
  if (row?.seen_grants === undefined || context?.grant === undefined) return { decision, context }
  const { grant, ...rest } = context
  const isSeen = (JSON.parse(row.seen_grants) as string[]).includes(grant)
  return { decision, context: isSeen ? context : rest }
}

/** One round trip. */
export async function evaluate(cx: Context, request: EvaluationRequest): Promise<Evaluation> {
  const { subject, action, resource, context } = request
  const question = { subject, action: action.name, resource, context }
  const [row] = await cx.db.read(statementOf(cx, question))
  return answerTo(cx, question, row)
}

/** One round trip for all, none when no evaluation is complete. */
export async function evaluateAll(
  cx: Context,
  request: EvaluationsRequest,
): Promise<{ evaluations: Evaluation[] }> {
  const { evaluations = [], options } = request
  const questions = evaluations.map((one): Question | null => {
    const subject = one.subject ?? request.subject
    const action = one.action ?? request.action
    const resource = one.resource ?? request.resource
    const context = one.context ?? request.context
    if (subject === undefined || action === undefined || resource === undefined) return null
    return { subject, action: action.name, resource, context }
  })
  const statements = questions.map((one) => one && statementOf(cx, one))
  // Names are the positions, since a request may have any number of evaluations.
  const answers = await cx.db.read(Object.fromEntries(statements.entries()))
  const decisions = questions.map((question, place): Evaluation => {
    const [row] = answers[place] ?? []
    if (question !== null) return answerTo(cx, question, row)
    const message = 'subject, action and resource are needed, here or as defaults'
    return { decision: false, context: { error: { status: 400, message } } }
  })
  // AuthZEN §7.1.2.1: the other semantics end with the first evaluation that settles it; the rest
  // is not answered.
  const settling = { execute_all: null, deny_on_first_deny: false, permit_on_first_permit: true }[
    options?.evaluations_semantic ?? 'execute_all'
  ]
  const end = decisions.findIndex(({ decision }) => decision === settling)
  return { evaluations: end < 0 ? decisions : decisions.slice(0, end + 1) }
}
