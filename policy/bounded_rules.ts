// Rules kept within a bound: an upper limit of topic filters that somebody else's rules may not
// reach beyond. An allowance becomes what it has in common with each filter of the bound; a denial
// stays as it is, since it permits nothing. The order is kept, so within the bound each topic is
// decided as before, and outside nothing is allowed.

import { type AclRule, parseRule } from './acl.ts'
import { coversFilter } from './topic_filter.ts'

/**
 * The filter that matches the topics that both match, or null where there are none. There is always
 * one such filter, since filters differ only in single levels and in the rest of their levels.
 */
export function intersectFilters(a: string, b: string): string | null {
  const left = a.split('/')
  const right = b.split('/')
  // [MQTT-4.7.2-1]: a wildcard in the first level reaches no topic that begins with `$`.
  if (isHidden(left) && isWildcard(right[0])) return null
  if (isHidden(right) && isWildcard(left[0])) return null
  const levels: string[] = []
  for (let i = 0; ; i++) {
    const l = left[i]
    const r = right[i]
    // `a/#` matches `a` too, so the rest may be empty.
    if (l === '#') return join([...levels, ...right.slice(i)])
    if (r === '#') return join([...levels, ...left.slice(i)])
    if (l === undefined || r === undefined) return l === r ? join(levels) : null
    if (l !== r && l !== '+' && r !== '+') return null
    levels.push(l === '+' ? r : l)
  }
}

/** No topic is empty: `/#` and `+` have none in common. */
const join = (levels: readonly string[]) => levels.join('/') || null

const isHidden = ([first = '']: readonly string[]) => first.startsWith('$')
const isWildcard = (level: string | undefined) => level === '+' || level === '#'

/** The rules of a claim within the bound, or null where one of them cannot be read. */
export function boundRules(claim: unknown, bound: readonly string[]): AclRule[] | null {
  if (claim === undefined) return []
  if (!Array.isArray(claim)) return null
  const bounded: AclRule[] = []
  for (const one of claim as unknown[]) {
    const read = parseRule(one)
    if ('fault' in read) return null
    const { rule } = read
    if (rule.permission === 'deny') {
      bounded.push(rule)
      continue
    }
    const topics: string[] = []
    for (const filter of bound) {
      const topic = intersectFilters(rule.topic, filter)
      if (topic === null || topics.some((wider) => coversFilter(wider, topic))) continue
      topics.push(topic)
    }
    for (const topic of topics) bounded.push({ ...rule, topic })
  }
  return bounded
}
