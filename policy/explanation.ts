// The reason behind a verdict: the rule that decides, or the nearest one and what it lacks. The
// verdicts are acl.ts's; here rules are held against a request one by one, and changed ones too, so
// that no second reading of a rule can come apart from the first.

import {
  type AclRule,
  mayPublish,
  maySubscribe,
  maySubscribeInPart,
  parseAcl,
  type Qos,
} from './acl.ts'
import { overlapsFilter, parseSubscription } from './topic_filter.ts'

export type AclRequest =
  | {
      readonly action: 'publish'
      readonly topic: string
      readonly qos: Qos
      readonly retain: boolean
    }
  /** `topic` as in SUBSCRIBE, `$share/GROUP/` included. */
  | { readonly action: 'subscribe'; readonly topic: string; readonly qos: Qos }

/** `part`: it allows some of the topics that the filter matches. `topic`: it is about others. */
export type Lacking = 'action' | 'qos' | 'retain' | 'part' | 'topic'

/** A rule with its place in the list, from 0. */
export type PlacedRule = { readonly place: number; readonly rule: AclRule }

export type Explanation = {
  readonly isAllowed: boolean
  /** Null: no rule decides. */
  readonly decides: PlacedRule | null
  /** An allowance that comes nearest, where none decides. */
  readonly nearest: (PlacedRule & { readonly lacking: readonly Lacking[] }) | null
}

/** Explains what these rules say, in their order. */
export function explainVerdict(rules: readonly AclRule[], request: AclRequest): Explanation {
  const place = rules.findIndex((rule) => isDecidedBy(rule, request))
  const rule = rules[place]
  if (rule !== undefined) {
    return { isAllowed: rule.permission === 'allow', decides: { place, rule }, nearest: null }
  }
  return { isAllowed: false, decides: null, nearest: findNearest(rules, request) }
}

/** Says whether this rule, if it were the first, decides about the request. */
function isDecidedBy(rule: AclRule, request: AclRequest): boolean {
  const { topic, qos } = request
  // A denial of a PUBLISH decides where the allowance in its place would.
  if (request.action === 'publish') {
    return isPermittedBy([{ ...rule, permission: 'allow' }], request)
  }
  if (rule.permission === 'allow') return isPermittedBy([rule], request)
  const filter = parseSubscription(topic)?.filter
  if (filter === undefined || rule.action === 'publish') return false
  const exact: AclRule = { permission: 'allow', action: 'subscribe', topic: filter }
  const reading = parseAcl([rule, exact])
  // Of a filter that no rule can spell (`eq ...`).
  if ('fault' in reading) return overlapsFilter(rule.topic, filter)
  return !maySubscribe(reading.acl, topic, qos)
}

function isPermittedBy(rules: readonly AclRule[], request: AclRequest): boolean {
  const reading = parseAcl(rules)
  if ('fault' in reading) return false
  return request.action === 'publish'
    ? mayPublish(reading.acl, request.topic, request.qos, request.retain)
    : maySubscribe(reading.acl, request.topic, request.qos)
}

/** Members of a rule that may stand in the way, in the order in which they are named. */
const LIMITS = ['action', 'qos', 'retain'] as const
/** All their subsets, small ones first. */
const SUBSETS = Array.from({ length: 8 }, (_, bits) => LIMITS.filter((_, i) => bits & (1 << i)))
  .slice()
  .sort((a, b) => a.length - b.length)

type Near = PlacedRule & { readonly lacking: readonly Lacking[]; readonly common: number }

function findNearest(rules: readonly AclRule[], request: AclRequest): Explanation['nearest'] {
  let best: Near | null = null
  for (const [place, rule] of rules.entries()) {
    if (rule.permission !== 'allow') continue
    const lacking = lackingOf(rule, request)
    const common = commonLevels(rule.topic, request.topic)
    if (lacking.includes('topic') && common === 0) continue
    const one: Near = { place, rule, lacking, common }
    if (best === null || compare(one, best) < 0) best = one
  }
  if (best === null) return null
  const { place, rule, lacking } = best
  return { place, rule, lacking }
}

const WEIGHTS: Record<Lacking, number> = { action: 1, qos: 1, retain: 1, part: 10, topic: 100 }
const weigh = ({ lacking }: Near) => lacking.reduce((sum, one) => sum + WEIGHTS[one], 0)
const compare = (a: Near, b: Near) => weigh(a) - weigh(b) || b.common - a.common

function lackingOf(rule: AclRule, request: AclRequest): readonly Lacking[] {
  for (const subset of SUBSETS) {
    if (isPermittedBy([without(rule, subset)], request)) return subset
  }
  if (request.action === 'publish') return ['topic']
  for (const subset of SUBSETS) {
    const reading = parseAcl([without(rule, subset)])
    if ('fault' in reading) continue
    if (maySubscribeInPart(reading.acl, request.topic, request.qos)) return [...subset, 'part']
  }
  return ['topic']
}

/** The rule without some of its limits. */
function without(rule: AclRule, limits: readonly (typeof LIMITS)[number][]): AclRule {
  const { qos, retain, ...rest } = rule
  return {
    ...rest,
    action: limits.includes('action') ? 'all' : rule.action,
    ...(qos === undefined || limits.includes('qos') ? {} : { qos }),
    ...(retain === undefined || limits.includes('retain') ? {} : { retain }),
  }
}

/** How many levels from the left are the same or met by a `+` of the rule. */
function commonLevels(filter: string, topic: string): number {
  const wanted = parseSubscription(topic)?.filter.split('/') ?? []
  const levels = filter.split('/')
  let i = 0
  while (i < wanted.length && (levels[i] === wanted[i] || levels[i] === '+')) i++
  return i
}
