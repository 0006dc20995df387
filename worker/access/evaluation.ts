// Answers "May this subject do this to that?", in the shape of the OpenID AuthZEN Authorization API
// 1.0. Any number of questions is one database round trip. An unknown name is denied and is never
// an error.
import { z } from '../api.ts'
import type { Context } from '../context.ts'
import { findEvaluationWithin } from './reach/reach_store.ts'
import { type EvaluationRow, findEvaluation } from './rights_store.ts'

const text = z
  .string()
  .min(1)
  .max(1000)
  .regex(/^[^\0]*$/, 'must not contain NUL')

// AuthZEN §5: further members (`properties`) may be sent. None is kept, so they decide nothing.
const subjectSchema = z.object({ type: text, id: text }).openapi('EvaluationSubject')
const actionSchema = z.object({ name: text }).openapi('EvaluationAction')
const resourceSchema = z.object({ type: text, id: text }).openapi('EvaluationResource')
const contextSchema = z.record(z.string(), z.unknown())

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

function decide(row: (EvaluationRow & { is_granted?: number }) | undefined): Evaluation {
  const no = (
    reason: 'not_granted' | 'unknown_subject' | 'inactive_subject' | 'unknown_resource',
  ) => ({ decision: false, context: { reason } }) as const
  if (row === undefined || row.usable === null) return no('unknown_subject')
  if (row.usable !== 1) return no('inactive_subject')
  if (row.object_known !== 1) return no('unknown_resource')
  const isGranted = row.is_granted === undefined ? row.grant_id !== null : row.is_granted === 1
  if (!isGranted) return no('not_granted')
  const grant = row.grant_id === null ? {} : { grant: row.grant_id }
  return { decision: true, context: { reason: 'granted', ...grant } }
}

/** The statement that answers, within the reach of who asks. */
const answering = (cx: Context, question: Parameters<typeof findEvaluation>[0]) =>
  cx.actor.reach === undefined
    ? findEvaluation(question, cx.now())
    : findEvaluationWithin(cx.actor.id, cx.actor.reach, question, cx.now())

/** One round trip. */
export async function evaluate(cx: Context, request: EvaluationRequest): Promise<Evaluation> {
  const { subject, action, resource } = request
  const question = { subject, action: action.name, resource }
  const [row] = await cx.db.read(answering(cx, question))
  return decide(row)
}

/** One round trip for all, none when no evaluation is complete. */
export async function evaluateAll(
  cx: Context,
  request: EvaluationsRequest,
): Promise<{ evaluations: Evaluation[] }> {
  const { evaluations = [], options } = request
  const statements = evaluations.map((one) => {
    const subject = one.subject ?? request.subject
    const action = one.action ?? request.action
    const resource = one.resource ?? request.resource
    if (subject === undefined || action === undefined || resource === undefined) return null
    return answering(cx, { subject, action: action.name, resource })
  })
  // Names are the positions, since a request may have any number of evaluations.
  const answers = await cx.db.read(Object.fromEntries(statements.entries()))
  const decisions = statements.map((statement, place): Evaluation => {
    const [row] = answers[place] ?? []
    if (statement !== null) return decide(row)
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
