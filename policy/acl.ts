// The `acl` claim: the form of an access rule, the reading of a claim, and the decision on a
// packet. The worker writes the claim, mProxy judges every packet by it, and both obey this file.
// Reading is all or nothing: a rule that cannot be understood makes the whole claim unreadable,
// since it might be the denial that mattered. A packet that no rule decides is denied.
// Some brokers rewrite a space (`$queue/F`, `$delayed/N/T`). A rule that spells such a space grants
// what the broker makes of it: other rules for F or T are not looked up.

import { RuleList } from './rule_index.ts'
import {
  coversFilter,
  isTopicFilter,
  isTopicName,
  matchesTopic,
  overlapsFilter,
  parseSubscription,
} from './topic_filter.ts'

export type Qos = 0 | 1 | 2

/** One rule in the form of the claim: the one that EMQX 5.5 and later reads. */
export type AclRule = {
  readonly permission: 'allow' | 'deny'
  readonly action: 'publish' | 'subscribe' | 'all'
  readonly topic: string
  readonly qos?: readonly Qos[]
  readonly retain?: boolean
}

/** A claim after reading: its rules, and the same rules sorted by action for judging. */
export type Acl = {
  readonly rules: readonly AclRule[]
  readonly publish: RuleList<JudgedRule>
  readonly subscribe: RuleList<JudgedRule>
}

type JudgedRule = {
  readonly allow: boolean
  readonly topic: string
  /** Bit n is set when the rule holds for QoS n. */
  readonly qos: number
  readonly retain: boolean | null
}

/** Most rules; a token of 8 KiB cannot carry so many. */
export const MAX_RULES = 256

const ANY_QOS = 0b111
const MEMBERS: readonly string[] = ['permission', 'action', 'topic', 'qos', 'retain']

/**
 * Reads the claim from parsed JSON. A missing or empty claim is an acl that permits nothing
 * (CVE-2018-12550: an empty file meant "allow all"). Faults name the place and never the value.
 */
export function parseAcl(
  claim: unknown,
  maxRules: number = MAX_RULES,
): { readonly acl: Acl } | { readonly fault: string } {
  if (claim === undefined) return { acl: makeAcl([], [], []) }
  if (!Array.isArray(claim)) return { fault: 'acl is not a list' }
  if (claim.length > maxRules) return { fault: `acl has more than ${maxRules} rules` }
  const rules: AclRule[] = []
  const publish: JudgedRule[] = []
  const subscribe: JudgedRule[] = []
  for (let i = 0; i < claim.length; i++) {
    const read = parseRule(claim[i])
    if ('fault' in read) return { fault: `acl[${i}]${read.fault}` }
    const { rule } = read
    const judged: JudgedRule = {
      allow: rule.permission === 'allow',
      topic: rule.topic,
      qos: qosBits(rule),
      retain: rule.retain ?? null,
    }
    rules.push(rule)
    if (rule.action !== 'subscribe') publish.push(judged)
    if (rule.action !== 'publish') subscribe.push(judged)
  }
  return { acl: makeAcl(rules, publish, subscribe) }
}

const makeAcl = (
  rules: readonly AclRule[],
  publish: readonly JudgedRule[],
  subscribe: readonly JudgedRule[],
): Acl => ({ rules, publish: new RuleList(publish), subscribe: new RuleList(subscribe) })

/**
 * Reads one rule, with its variables filled in. The fault begins with the member that it is about
 * (`.topic is ...`), or with a space when it is about the rule.
 */
export function parseRule(value: unknown): { readonly rule: AclRule } | { readonly fault: string } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { fault: ' is not an object' }
  }
  // An unknown member may be a condition: without it the rule could become wider.
  if (Object.keys(value).some((member) => !MEMBERS.includes(member))) {
    return { fault: ' has an unknown member' }
  }
  const { permission, action, topic, qos, retain } = value as Record<string, unknown>
  if (permission !== 'allow' && permission !== 'deny') {
    return { fault: '.permission is not "allow" or "deny"' }
  }
  if (action !== 'publish' && action !== 'subscribe' && action !== 'all') {
    return { fault: '.action is not "publish", "subscribe" or "all"' }
  }
  if (typeof topic !== 'string' || !isTopicFilter(topic)) {
    return { fault: '.topic is not a topic filter' }
  }
  // EMQX reads these two in another way, and a rule must mean the same in front of EMQX.
  if (topic.startsWith('eq ')) return { fault: '.topic begins with "eq "' }
  if (topic.includes('${')) return { fault: '.topic has a variable' }
  // `$share/GROUP/FILTER` is judged by FILTER, so such a rule, a denial too, would never apply.
  if (topic === '$share' || topic.startsWith('$share/')) {
    return { fault: '.topic is a shared subscription: name the filter without "$share"' }
  }
  // An empty list would never apply either.
  if (qos !== undefined && !(Array.isArray(qos) && qos.length > 0 && qos.every(isQos))) {
    return { fault: '.qos is not a list of 0, 1 and 2' }
  }
  if (retain !== undefined && typeof retain !== 'boolean') {
    return { fault: '.retain is not true or false' }
  }
  const rule: AclRule = {
    permission,
    action,
    topic,
    ...(qos === undefined ? {} : { qos: [...(qos as Qos[])] }),
    ...(retain === undefined ? {} : { retain }),
  }
  return { rule }
}

/**
 * The order of a claim that the worker writes: denials first, so that one always wins; each rule
 * once.
 */
export function orderAcl(rules: readonly AclRule[]): AclRule[] {
  const seen = new Set<string>()
  const denials: AclRule[] = []
  const allowances: AclRule[] = []
  for (const rule of rules) {
    const { permission, action, topic, retain } = rule
    const same = `${permission} ${action} ${qosBits(rule)} ${retain} ${topic}`
    if (seen.has(same)) continue
    seen.add(same)
    if (permission === 'deny') denials.push(rule)
    else allowances.push(rule)
  }
  return [...denials, ...allowances]
}

/**
 * True when the topic may be published. False also for a text that is no topic name; isTopicName
 * tells a malformed one from a denied one.
 */
export function mayPublish(acl: Acl, topic: string, qos: Qos, retain: boolean): boolean {
  if (!isTopicName(topic)) return false
  for (const rule of acl.publish.near(topic)) {
    if ((rule.qos & (1 << qos)) === 0) continue
    if (rule.retain !== null && rule.retain !== retain) continue
    if (matchesTopic(rule.topic, topic)) return rule.allow
  }
  return false
}

/**
 * True when the filter may be subscribed to. `requested` is the text of SUBSCRIBE, `$share/GROUP/`
 * included. An allowance must hold for every topic that may come; a denial needs only one of them.
 * False also for a text that parseSubscription refuses.
 */
export function maySubscribe(acl: Acl, requested: string, qos: Qos): boolean {
  const subscription = parseSubscription(requested)
  if (subscription === null) return false
  const { filter } = subscription
  for (const rule of acl.subscribe.near(filter)) {
    if (!rule.allow) {
      if (overlapsFilter(rule.topic, filter)) return false
    } else if ((rule.qos & (1 << qos)) !== 0 && coversFilter(rule.topic, filter)) {
      return true
    }
  }
  return false
}

/** An allowance with its place in the list. */
type OpenRule = { readonly topic: string; readonly qos: number; readonly at: number }

/** The allowances of a list that no denial before them covers. Looked for once for each list. */
const openRules = new WeakMap<Acl, RuleList<OpenRule>>()

function findOpenRules(acl: Acl): RuleList<OpenRule> {
  const known = openRules.get(acl)
  if (known !== undefined) return known
  const open: OpenRule[] = []
  const { rules } = acl.subscribe
  for (const [at, { allow, topic, qos }] of rules.entries()) {
    const covers = (before: JudgedRule) => !before.allow && coversFilter(before.topic, topic)
    if (allow && !rules.slice(0, at).some(covers)) open.push({ topic, qos, at })
  }
  const list = new RuleList(open)
  openRules.set(acl, list)
  return list
}

/**
 * True when the filter may be subscribed to by a client whose every delivery is judged: some of the
 * topics that it can match may be received, and none of them at a lower QoS alone. Never for
 * `$share`, where a message that is dropped is lost to the others, nor for a filter that begins
 * with `$`, which a broker may rewrite.
 */
export function maySubscribeInPart(acl: Acl, requested: string, qos: Qos): boolean {
  const subscription = parseSubscription(requested)
  if (subscription === null || requested.startsWith('$')) return false
  const { filter } = subscription
  const isClosing = (rule: JudgedRule) => !rule.allow && coversFilter(rule.topic, filter)
  const closes = acl.subscribe.rules.findIndex(isClosing)
  const reached = findOpenRules(acl)
    .near(filter)
    .filter(({ topic, at }) => (closes < 0 || at < closes) && overlapsFilter(topic, filter))
  const holds = (rule: OpenRule) => (rule.qos & (1 << qos)) !== 0
  return (
    reached.length > 0 &&
    reached.every(
      (rule) =>
        holds(rule) || reached.some((one) => holds(one) && coversFilter(one.topic, rule.topic)),
    )
  )
}

/**
 * True when this delivery may go to the client. Judged for each delivery, since a broker may keep a
 * subscription that an earlier, wider token got (CVE-2021-34434).
 */
export function mayReceive(acl: Acl, topic: string): boolean {
  if (!isTopicName(topic)) return false
  for (const rule of acl.subscribe.near(topic)) {
    if (matchesTopic(rule.topic, topic)) return rule.allow
  }
  return false
}

function isQos(value: unknown): value is Qos {
  return value === 0 || value === 1 || value === 2
}

function qosBits(rule: AclRule): number {
  return rule.qos === undefined ? ANY_QOS : rule.qos.reduce<number>((bits, q) => bits | (1 << q), 0)
}
