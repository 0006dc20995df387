// The rule of a token that decides about a topic, in the order in which mProxy reads them
// (policy/acl.ts), and the one that comes nearest where none does.
import type { AclRule } from '../../../policy/acl.ts'
import { coversFilter, matchesTopic, overlapsFilter } from '../../../policy/topic_filter.ts'

type Action = 'publish' | 'subscribe'

export const decidingRule = (
  rules: readonly AclRule[],
  action: Action,
  topic: string,
): AclRule | undefined => rules.find((one) => decides(one, action, topic))

/** Whether a rule is the one that decides, once no rule before it did. */
function decides(rule: AclRule, action: Action, topic: string): boolean {
  if (rule.action !== 'all' && rule.action !== action) return false
  if (action === 'publish') return matchesTopic(rule.topic, topic)
  return rule.permission === 'deny'
    ? overlapsFilter(rule.topic, topic)
    : coversFilter(rule.topic, topic)
}

/**
 * The allowance that has most levels in common with the topic, from the first one on; of these one
 * for the action, and one of as many levels. Undefined where none has any.
 */
export function nearestRule(
  rules: readonly AclRule[],
  action: Action,
  topic: string,
): AclRule | undefined {
  const levels = topic.split('/')
  const score = (rule: AclRule): number => {
    const common = commonLevels(rule.topic.split('/'), levels)
    if (common === 0) return 0
    const isOfAction = rule.action === 'all' || rule.action === action
    const isAsLong = rule.topic.split('/').length === levels.length
    return common * 4 + (isOfAction ? 2 : 0) + (isAsLong ? 1 : 0)
  }
  const allowances = rules.filter(({ permission }) => permission === 'allow')
  let best: { rule: AclRule; score: number } | undefined
  for (const rule of allowances) {
    const one = score(rule)
    if (one > (best?.score ?? 0)) best = { rule, score: one }
  }
  return best?.rule
}

function commonLevels(filter: readonly string[], levels: readonly string[]): number {
  const differs = levels.findIndex(
    (level, n) => filter[n] !== level && filter[n] !== '+' && filter[n] !== '#',
  )
  return differs === -1 ? Math.min(filter.length, levels.length) : differs
}
