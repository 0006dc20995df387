// MQTT topic names and topic filters (MQTT 5.0 §4.7 and §4.8.2): which are valid, which topics a
// filter matches, and whether one filter covers or overlaps another. acl.ts says which client may
// use them. mProxy runs this for every packet, so strings are walked by index: nothing is split or
// allocated. Only the functions that ask for validity take invalid names and filters.

const NUL = 0x00
const HASH = 0x23
const DOLLAR = 0x24
const PLUS = 0x2b
const SLASH = 0x2f
const OPEN_BRACE = 0x7b

const MAX_BYTES = 65_535 // [MQTT-4.7.3-3]
const SHARE_PREFIX = '$share/'

/** One deep topic costs a broker recursion or a tree of that depth (CVE-2021-33176). */
export const MAX_LEVELS = 128

/** True for a topic of PUBLISH: not empty, no NUL, no wildcard, encodable as UTF-8. */
export function isTopicName(topic: string, maxLevels: number = MAX_LEVELS): boolean {
  return isWellFormed(topic, false, maxLevels)
}

/**
 * False for a name or filter with control characters or non-characters, which MQTT discourages
 * (5.0 §1.5.4). Brokers end the session of a client that sends one.
 */
export function isPlainText(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c < 0x20) return false
    if (c < 0x7f) continue
    if (c <= 0x9f || (c >= 0xfdd0 && c <= 0xfdef) || c >= 0xfffe) return false
    // U+1FFFE, U+1FFFF and so on, in two units.
    const isLast = c >= 0xd800 && c <= 0xdbff && (c & 0x3f) === 0x3f
    if (isLast && text.charCodeAt(i + 1) >= 0xdffe) return false
  }
  return true
}

/** True for a topic filter; for `$share` see parseSubscription. */
export function isTopicFilter(filter: string, maxLevels: number = MAX_LEVELS): boolean {
  return isWellFormed(filter, true, maxLevels)
}

/**
 * True when the value may stand for a variable in the template of a rule. It must stay one level
 * and mean only itself: a client id of `#` or `a/b` would widen the rule (CVE-2017-7650).
 */
export function isTopicLevel(value: string): boolean {
  if (value.charCodeAt(0) === DOLLAR) return false
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i)
    if (c === SLASH || c === PLUS || c === HASH) return false
    if (c === DOLLAR && value.charCodeAt(i + 1) === OPEN_BRACE) return false
  }
  return isWellFormed(value, false, 1)
}

export type Subscription = { readonly group: string | null; readonly filter: string }

/**
 * The filter of a SUBSCRIBE or UNSUBSCRIBE: `$share/GROUP/FILTER` taken apart, any other text as it
 * is with `group: null`. Null when it is malformed. FILTER may have `maxLevels` of its own.
 */
export function parseSubscription(
  requested: string,
  maxLevels: number = MAX_LEVELS,
): Subscription | null {
  if (!requested.startsWith(SHARE_PREFIX)) {
    return isTopicFilter(requested, maxLevels) ? { group: null, filter: requested } : null
  }
  if (!isTopicFilter(requested, maxLevels + 2)) return null
  const end = requested.indexOf('/', SHARE_PREFIX.length)
  // [MQTT-4.8.2-1], [MQTT-4.8.2-2]: a group of at least one character, a slash, then a filter.
  if (end <= SHARE_PREFIX.length || end === requested.length - 1) return null
  const group = requested.slice(SHARE_PREFIX.length, end)
  if (group === '+' || group === '#') return null // inside a longer level they are no filter at all
  return { group, filter: requested.slice(end + 1) }
}

/** True when the filter matches this topic. */
export function matchesTopic(filter: string, topic: string): boolean {
  // A topic name is the filter that matches itself alone, so matching it means covering it.
  return containsFilter(filter, topic)
}

/** True when `rule` matches every topic that `requested` can match. */
export function coversFilter(rule: string, requested: string): boolean {
  // A topic has at least one level: `#` asks for no more than `+/#` does.
  return containsFilter(rule, requested === '#' ? '+/#' : withoutEmptyTopic(requested))
}

/** True when both filters match some topic. */
export function overlapsFilter(a: string, b: string): boolean {
  const left = withoutEmptyTopic(a)
  const right = withoutEmptyTopic(b)
  if (left.charCodeAt(0) === DOLLAR && startsWithWildcard(right)) return false // [MQTT-4.7.2-1]
  if (right.charCodeAt(0) === DOLLAR && startsWithWildcard(left)) return false
  let i = 0
  let j = 0
  for (;;) {
    const l = left.charCodeAt(i)
    const r = right.charCodeAt(j)
    if (l === HASH || r === HASH) return true
    if (l === PLUS || r === PLUS) {
      i = endOfLevel(left, i)
      j = endOfLevel(right, j)
    } else {
      const end = endOfSameText(left, i, right, j)
      j += end - i
      i = end
    }
    if (i === left.length) return j === right.length || endsInParentOf(right, j)
    if (j === right.length) return endsInParentOf(left, i)
    if (left.charCodeAt(i) !== SLASH || right.charCodeAt(j) !== SLASH) return false
    i++
    j++
  }
}

/**
 * `inner` is a topic name, or a filter whose wildcards stand for levels that `outer` must admit.
 */
function containsFilter(outer: string, inner: string): boolean {
  // [MQTT-4.7.2-1]: so `$SYS`, and the spaces some brokers rewrite (`$queue/F`, `$exclusive/F`,
  // `$oshare/G/F`, `$delayed/N/T`), are reached only by a rule that spells their first level.
  if (inner.charCodeAt(0) === DOLLAR && startsWithWildcard(outer)) return false
  let i = 0
  let j = 0
  for (;;) {
    const o = outer.charCodeAt(i)
    if (o === HASH) return true
    if (o === PLUS) {
      if (inner.charCodeAt(j) === HASH) return false // `#` is any number of levels, `+` is one
      i++
      j = endOfLevel(inner, j)
    } else {
      const end = endOfSameText(outer, i, inner, j)
      j += end - i
      i = end
    }
    if (j === inner.length) return i === outer.length || endsInParentOf(outer, i)
    if (outer.charCodeAt(i) !== SLASH || inner.charCodeAt(j) !== SLASH) return false
    i++
    j++
  }
}

function startsWithWildcard(filter: string): boolean {
  const c = filter.charCodeAt(0)
  return c === HASH || c === PLUS
}

/** `/#` would also match the parent of its level, the empty topic, but there is none. */
function withoutEmptyTopic(filter: string): string {
  return filter === '/#' ? '/+/#' : filter
}

/** MQTT 5.0 §4.7.1.2: `a/#` matches `a` as well. True when `/#` is what is left of the filter. */
function endsInParentOf(filter: string, at: number): boolean {
  return filter.charCodeAt(at) === SLASH && filter.charCodeAt(at + 1) === HASH
}

function endOfLevel(text: string, at: number): number {
  let i = at
  while (i < text.length && text.charCodeAt(i) !== SLASH) i++
  return i
}

/** Where, in `a` from `i`, the level ends or first differs from that of `b` from `j`. */
function endOfSameText(a: string, i: number, b: string, j: number): number {
  let end = i
  let other = j
  while (end < a.length && other < b.length) {
    const c = a.charCodeAt(end)
    if (c === SLASH || c !== b.charCodeAt(other)) break
    end++
    other++
  }
  return end
}

function isWellFormed(text: string, wildcards: boolean, maxLevels: number): boolean {
  const length = text.length
  if (length === 0 || length > MAX_BYTES) return false // [MQTT-4.7.3-1]
  let bytes = length
  let levels = 1
  for (let i = 0; i < length; i++) {
    const c = text.charCodeAt(i)
    if (c === SLASH) {
      levels++
    } else if (c === PLUS || c === HASH) {
      if (!wildcards) return false // [MQTT-3.3.2-2]
      if (i > 0 && text.charCodeAt(i - 1) !== SLASH) return false // [MQTT-4.7.1-1], [MQTT-4.7.1-2]
      if (i + 1 < length && (c === HASH || text.charCodeAt(i + 1) !== SLASH)) return false
    } else if (c === NUL) {
      return false // [MQTT-4.7.3-2]
    } else if (c >= 0xd800 && c <= 0xdfff) {
      const low = text.charCodeAt(++i)
      if (c > 0xdbff || !(low >= 0xdc00 && low <= 0xdfff)) return false // [MQTT-1.5.4-1]
      bytes += 2
    } else if (c >= 0x80) {
      bytes += c < 0x800 ? 1 : 2
    }
  }
  return levels <= maxLevels && bytes <= MAX_BYTES
}
