// The naive second opinion that the properties of `policy/` are held against. It imports nothing,
// splits topics into arrays, and answers questions about sets of topics by listing topics.

type Rule = {
  permission: 'allow' | 'deny'
  action: 'publish' | 'subscribe' | 'all'
  topic: string
  qos?: readonly number[]
  retain?: boolean
}

export function naiveMatch(filter: string, topic: string): boolean {
  const wanted = filter.split('/')
  if (topic.startsWith('$') && ['+', '#'].includes(wanted[0] as string)) return false
  return levelsMatch(wanted, topic.split('/'))
}

function levelsMatch([f, ...fs]: string[], [t, ...ts]: string[]): boolean {
  if (f === '#') return true
  if (f === undefined || t === undefined) return f === t
  return (f === '+' || f === t) && levelsMatch(fs, ts)
}

export type Universe = {
  literals: string[]
  filters: string[]
  topics: string[]
  /** Which topics the filter matches, one bit each. */
  matched: (filter: string) => Uint32Array
}

/**
 * All filters of 1 to `depth` levels of the literals, `+` and `#`; all topics of 1 to `depth + 1`
 * levels of the literals and `fresh`. The fresh literal stands for every other one, and the further
 * level for every greater depth, so that what holds for these topics holds for all.
 */
export function enumerate(literals: string[], fresh: string, depth: number): Universe {
  const paths = (levels: string[], n: number): string[] =>
    n === 1 ? levels : paths(levels, n - 1).flatMap((p) => levels.map((l) => `${p}/${l}`))
  const upTo = (levels: string[], n: number): string[] =>
    Array.from({ length: n }, (_, i) => paths(levels, i + 1)).flat()
  const plain = upTo([...literals, '+'], depth)
  const filters = [
    ...plain.filter((f) => f !== ''),
    '#',
    ...upTo([...literals, '+'], depth - 1).map((f) => `${f}/#`),
  ]
  const topics = upTo([...literals, fresh], depth + 1).filter((t) => t !== '')
  const known = new Map<string, Uint32Array>()
  const matched = (filter: string) => {
    let bits = known.get(filter)
    if (bits === undefined) {
      bits = new Uint32Array(Math.ceil(topics.length / 32))
      for (const [i, topic] of topics.entries()) {
        if (naiveMatch(filter, topic)) bits[i >> 5] = (bits[i >> 5] as number) | (1 << (i & 31))
      }
      known.set(filter, bits)
    }
    return bits
  }
  return { literals, filters, topics, matched }
}

export function isSubset(inner: Uint32Array, outer: Uint32Array): boolean {
  for (let i = 0; i < inner.length; i++) {
    if (((inner[i] as number) & ~(outer[i] as number)) !== 0) return false
  }
  return true
}

export function intersects(a: Uint32Array, b: Uint32Array): boolean {
  for (let i = 0; i < a.length; i++) {
    if (((a[i] as number) & (b[i] as number)) !== 0) return true
  }
  return false
}

export function naivePublish(rules: Rule[], topic: string, qos: number, retain: boolean): boolean {
  const deciding = rules.find(
    (r) =>
      ['publish', 'all'].includes(r.action) &&
      (r.qos ?? [0, 1, 2]).includes(qos) &&
      (r.retain ?? retain) === retain &&
      naiveMatch(r.topic, topic),
  )
  return deciding?.permission === 'allow'
}

export function naiveReceive(rules: Rule[], topic: string): boolean {
  const deciding = rules.find((r) => r.action !== 'publish' && naiveMatch(r.topic, topic))
  return deciding?.permission === 'allow'
}

export function naiveSubscribe(
  rules: Rule[],
  filter: string,
  qos: number,
  { matched }: Universe,
): boolean {
  const deciding = rules.find(
    (r) =>
      ['subscribe', 'all'].includes(r.action) &&
      (r.permission === 'deny'
        ? intersects(matched(r.topic), matched(filter))
        : (r.qos ?? [0, 1, 2]).includes(qos) && isSubset(matched(filter), matched(r.topic))),
  )
  return deciding?.permission === 'allow'
}
