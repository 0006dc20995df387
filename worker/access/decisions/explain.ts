// Why a decision is as it is: the grant that permits, with the groups by which it is held and
// reaches, or the grants that come nearest and what each of them lacks. For a topic (a resource of
// type `topic`), the rule that decides and the grants or the device type that it comes from.
import type { AclRule } from '../../../policy/acl.ts'
import { coversFilter, matchesTopic, overlapsFilter } from '../../../policy/topic_filter.ts'
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { loadSettings } from '../../settings.ts'
import { compileAcl, coversRule } from '../acl_claim.ts'
import {
  heldObjects,
  listExplanationsWithin,
  listSeenObjects,
} from '../reach/decision_reach_store.ts'
import { rightsWithin } from '../reach/rights_within.ts'
import { type RightsRows, rightsOf } from '../rights.ts'
import { type ExplainedGrant, type ExplanationRow, listExplanations } from './decision_store.ts'
import { evaluationRequest, holdsFor } from './evaluation.ts'

/** Most grants that one explanation looks at, and most near misses that it names. */
const LOOKED_MAX = 200
const MISSES_MAX = 5

export const explainRequest = evaluationRequest
  .describe('A resource of type `topic` with the action publish or subscribe is one of MQTT')
  .openapi('ExplainRequest')

const explainedGrant = z.object({
  id: z.string(),
  subject: z.string().describe('the principal itself, or the group by which it holds the grant'),
  role: z.string(),
  object: z.string().describe('the object itself, a group around it, or *'),
  not_before: z.int().nullable(),
  expires_at: z.int().nullable(),
  condition: z.string().nullable(),
})

const ruleSchema = z.object({
  permission: z.enum(['allow', 'deny']),
  action: z.enum(['publish', 'subscribe', 'all']),
  topic: z.string(),
})

export const explainAnswer = z
  .object({
    decision: z.boolean(),
    reason: z.enum([
      ...(['granted', 'not_granted', 'unknown_subject', 'inactive_subject'] as const),
      ...(['unknown_resource', 'allowed', 'denied', 'no_rule', 'too_many_rules'] as const),
    ]),
    grants: z.array(explainedGrant).describe('those that decided'),
    rule: ruleSchema.nullable().describe('the rule of a token that decided, for a topic'),
    device_type: z.string().nullable().describe('the type of the device, if its rule decided'),
    misses: z
      .array(
        z.object({
          grant: explainedGrant,
          lacks: z.array(z.enum(['permission', 'object', 'time', 'condition'])),
        }),
      )
      .describe('grants that come nearest, and what each lacks'),
  })
  .openapi('Explanation')

type Explanation = z.infer<typeof explainAnswer>
type Question = z.infer<typeof explainRequest>

const describeHeld = (row: ExplainedGrant): z.infer<typeof explainedGrant> => ({
  id: row.id,
  subject: row.subject_id,
  role: row.role,
  object: row.object_id,
  not_before: row.not_before,
  expires_at: row.expires_at,
  condition: row.condition,
})

const NOTHING_FOUND = { decision: false, grants: [], rule: null, device_type: null, misses: [] }

/** One round trip. */
export async function explainDecision(cx: Context, question: Question): Promise<Explanation> {
  const { subject, action, resource, context } = question
  const isOfTopic = resource.type === 'topic' && ['publish', 'subscribe'].includes(action.name)
  const { id, reach } = cx.actor
  const wanted = { subject, action: action.name, resource }
  const rows = await cx.db.read({
    near:
      reach === undefined
        ? listExplanations(wanted, LOOKED_MAX, cx.now())
        : listExplanationsWithin(id, reach, wanted, LOOKED_MAX, cx.now()),
    rights: isOfTopic ? rightsOf(subject.id, cx.now()) : null,
    seen:
      isOfTopic && reach !== undefined
        ? listSeenObjects(reach, heldObjects(subject.id, cx.now()))
        : null,
  })
  const [first] = rows.near
  if (first === undefined || first.usable === null) {
    return { ...NOTHING_FOUND, reason: 'unknown_subject' }
  }
  if (first.usable !== 1) return { ...NOTHING_FOUND, reason: 'inactive_subject' }
  if (!Array.isArray(rows.rights)) {
    // A topic is of no place, so within a reach it is asked of the rules that come from there.
    const rights = reach === undefined ? rows.rights : rightsWithin(rows.rights, rows.seen)
    return explainTopic(cx, subject.id, action.name as 'publish', resource.id, rights)
  }
  if (first.object_known !== 1) return { ...NOTHING_FOUND, reason: 'unknown_resource' }
  const looks = rows.near
    .filter((row): row is ExplanationRow => row.id !== null)
    .map((row) => ({ row, lacks: lacksOf(cx, { subject, context }, row) }))
  const deciding = looks.filter(({ lacks }) => lacks.length === 0)
  const isSeen = ({ row }: { row: ExplanationRow }) => row.is_seen !== 0
  const misses = looks
    .filter(({ lacks }) => lacks.length > 0)
    .filter(isSeen)
    .sort((a, b) => a.lacks.length - b.lacks.length)
    .slice(0, MISSES_MAX)
    .map(({ row, lacks }) => ({ grant: describeHeld(row), lacks }))
  const isGranted = deciding.length > 0
  return {
    ...NOTHING_FOUND,
    decision: isGranted,
    reason: isGranted ? 'granted' : 'not_granted',
    grants: deciding.filter(isSeen).map(({ row }) => describeHeld(row)),
    misses: isGranted ? [] : misses,
  }
}

type Lacks = Explanation['misses'][number]['lacks']

function lacksOf(
  cx: Context,
  question: Pick<Question, 'subject' | 'context'>,
  row: ExplanationRow,
): Lacks {
  const { condition, not_before, expires_at } = row
  const lacks: Lacks = []
  if (row.permits !== 1) lacks.push('permission')
  if (row.reaches !== 1) lacks.push('object')
  const hasBegun = not_before === null || not_before <= cx.now()
  if (!hasBegun || (expires_at !== null && expires_at <= cx.now())) lacks.push('time')
  if (condition !== null && row.reaches === 1) {
    const groups = JSON.parse(row.groups)
    const principal = { subject: question.subject, context: question.context }
    if (!holdsFor(cx, principal, { condition, groups }, row.device)) lacks.push('condition')
  }
  return lacks
}

async function explainTopic(
  cx: Context,
  subject_id: string,
  action: 'publish' | 'subscribe',
  topic: string,
  rights: RightsRows,
): Promise<Explanation> {
  const { acl_max_rules } = await loadSettings(cx)
  const silent = { ...cx, log: () => {} }
  const compiled = compileAcl(silent, subject_id, rights, acl_max_rules)
  if ('fault' in compiled) return { ...NOTHING_FOUND, reason: 'too_many_rules' }
  const rule = compiled.rules.find((one) => decides(one, action, topic))
  if (rule === undefined) return { ...NOTHING_FOUND, reason: 'no_rule' }
  const gives = (some: Partial<RightsRows>): boolean => {
    const part = compileAcl(silent, subject_id, { ...rights, ...some }, acl_max_rules)
    return 'rules' in part && part.rules.some((one) => coversRule(one, rule))
  }
  const { grants, ownDevice } = rights
  const sources = grants.filter((one) => gives({ grants: [one], ownDevice: [] }))
  const [own] = ownDevice
  return {
    ...NOTHING_FOUND,
    decision: rule.permission === 'allow',
    reason: rule.permission === 'allow' ? 'allowed' : 'denied',
    rule: { permission: rule.permission, action: rule.action, topic: rule.topic },
    grants: sources.map((one) => describeHeld({ ...one, not_before: null })),
    device_type: own !== undefined && gives({ grants: [] }) ? own.type : null,
  }
}

/** Whether a rule is the one that decides, once no rule before it did (policy/acl.ts). */
function decides(rule: AclRule, action: 'publish' | 'subscribe', topic: string): boolean {
  if (rule.action !== 'all' && rule.action !== action) return false
  if (action === 'publish') return matchesTopic(rule.topic, topic)
  return rule.permission === 'deny'
    ? overlapsFilter(rule.topic, topic)
    : coversFilter(rule.topic, topic)
}
