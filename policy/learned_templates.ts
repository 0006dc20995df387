// Templates of access rules made of what clients did in shadow mode: as few and as narrow as permit
// just that. A level that is the name of its device, or of a place of it, becomes a variable; what
// many devices of a type do is one template. A person reads them before they count.

import { type AclRule, parseRule } from './acl.ts'
import type { Seen } from './shadow_file.ts'
import { CLIENT_ID, DEVICE_ID, GROUP_ID, METADATA, SITE_ID, VARIABLE } from './templates.ts'
import { coversFilter, parseSubscription } from './topic_filter.ts'

/** Facts about a device, of the registry. */
export type DeviceFacts = {
  readonly id: string
  readonly type: string
  readonly mqtt_client_id: string | null
  readonly places: readonly { readonly group: string; readonly site: string | null }[]
  readonly metadata: Readonly<Record<string, unknown>>
}

export type LearnedTemplate = {
  readonly rule: AclRule
  /** How many devices did it. */
  readonly devices: number
  /** Whether the rules of their tokens would have refused it. */
  readonly denied: boolean
  /** Whether a level with many values became `+`. */
  readonly widened: boolean
}

/** Values of one level beyond which they are taken for a number that counts on, or the like. */
const VALUES_MAX = 8

type Draft = {
  action: 'publish' | 'subscribe'
  topic: string
  retain: ReadonlySet<boolean>
  subjects: ReadonlySet<string>
  denied: boolean
  widened: boolean
}

/** The templates of the devices of one type, the most common first. */
export function learnTemplates(
  seen: readonly Seen[],
  factsOf: (sub: string) => DeviceFacts,
): LearnedTemplate[] {
  const drafts: Draft[] = []
  for (const one of seen) {
    const filter = parseSubscription(one.topic)?.filter
    if (filter === undefined) continue
    drafts.push({
      action: one.action,
      topic: withVariables(filter, factsOf(one.sub)),
      retain: new Set(one.action === 'publish' ? one.retain : []),
      subjects: new Set([one.sub]),
      denied: one.denied,
      widened: false,
    })
  }
  const learned = withoutCovered(widen(merge(drafts))).flatMap((draft) => {
    const rule = ruleOf(draft)
    // Of a topic that no rule can spell.
    if (!('rule' in parseRule({ ...rule, topic: draft.topic.replaceAll(VARIABLE, 'x') }))) return []
    const { subjects, denied, widened } = draft
    return [{ rule, devices: subjects.size, denied, widened }]
  })
  return learned.sort((a, b) => b.devices - a.devices || compareText(a.rule.topic, b.rule.topic))
}

const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** `retain` is a permission of its own; QoS is left open. */
function ruleOf({ action, topic, retain }: Draft): AclRule {
  const [only] = retain
  return {
    permission: 'allow',
    action,
    topic,
    ...(retain.size === 1 && only !== undefined ? { retain: only } : {}),
  }
}

/** Names shorter than this are taken for names only where they are a whole level. */
const PART_MIN = 4

function withVariables(topic: string, facts: DeviceFacts): string {
  const { id, mqtt_client_id, places, metadata } = facts
  const values = new Map<string, string>()
  const note = (value: unknown, variable: string) => {
    if (typeof value === 'string' && value !== '' && !values.has(value)) values.set(value, variable)
  }
  note(id, DEVICE_ID)
  note(mqtt_client_id, CLIENT_ID)
  for (const { group } of places) note(group, GROUP_ID)
  for (const { site } of places) note(site, SITE_ID)
  for (const [name, value] of Object.entries(metadata)) note(value, `${METADATA}${name}`)
  return topic
    .split('/')
    .map((level) => {
      const variable = values.get(level)
      if (variable !== undefined) return `\${${variable}}`
      // `dev-1_state`: the name of the device within a level.
      return id.length >= PART_MIN ? level.replaceAll(id, () => `\${${DEVICE_ID}}`) : level
    })
    .join('/')
}

/** Drafts of the same action and topic are one. */
function merge(drafts: readonly Draft[]): Draft[] {
  const merged = new Map<string, Draft>()
  for (const draft of drafts) {
    const key = `${draft.action} ${draft.topic}`
    const before = merged.get(key)
    merged.set(key, before === undefined ? draft : join(before, draft))
  }
  return [...merged.values()]
}

const join = (a: Draft, b: Draft): Draft => ({
  ...a,
  retain: new Set([...a.retain, ...b.retain]),
  subjects: new Set([...a.subjects, ...b.subjects]),
  denied: a.denied || b.denied,
  widened: a.widened || b.widened,
})

/** A level that has many values where all others are the same becomes `+`. */
function widen(drafts: readonly Draft[]): Draft[] {
  const levelsOf = (draft: Draft) => draft.topic.split('/')
  const depth = Math.max(0, ...drafts.map((draft) => levelsOf(draft).length))
  let current = [...drafts]
  for (let at = 0; at < depth; at++) {
    const alike = new Map<string, Draft[]>()
    for (const draft of current) {
      const levels = levelsOf(draft)
      const level = levels[at]
      if (level === undefined || /^[+#]$|\$/.test(level)) continue
      const key = JSON.stringify([draft.action, levels.with(at, '')])
      alike.set(key, [...(alike.get(key) ?? []), draft])
    }
    for (const [, many] of alike) {
      const [first, ...others] = many
      if (first === undefined || many.length <= VALUES_MAX) continue
      const topic = levelsOf(first).with(at, '+').join('/')
      const whole = { ...others.reduce(join, first), topic, widened: true }
      current = merge([...current.filter((draft) => !many.includes(draft)), whole])
    }
  }
  return current
}

/** A template that another one permits already is of no use. */
const withoutCovered = (drafts: readonly Draft[]): Draft[] =>
  drafts.filter((one) =>
    drafts.every((other) => {
      if (other === one || other.action !== one.action) return true
      const isRetainCovered = [...one.retain].every((value) => other.retain.has(value))
      return !isRetainCovered || !coversFilter(other.topic, one.topic)
    }),
  )
