// Rules found by the first level of their topic filters, so that a packet is not held against each
// of a hundred rules. What is given for a topic or filter are all rules that could match it, in the
// order of the list; only rules whose first level is another text are left out. acl.ts judges.

const HASH = 0x23
const PLUS = 0x2b
const SLASH = 0x2f

/** A shorter list is faster to go through than to look up. */
const WORTH_AN_INDEX = 9

export class RuleList<R extends { readonly topic: string }> {
  readonly rules: readonly R[]
  /** For each bucket of first levels its rules, found when first asked for. */
  #buckets: (readonly R[] | undefined)[] = []
  /** For buckets without rules of their own: the rules that begin with a wildcard. */
  #open: readonly R[] | undefined

  constructor(rules: readonly R[]) {
    this.rules = rules
  }

  /** Rules that could match this topic, or some topic of this filter. */
  near(text: string): readonly R[] {
    if (this.rules.length < WORTH_AN_INDEX || beginsWithWildcard(text)) return this.rules
    const bucket = bucketOf(text, this.rules.length)
    return this.#buckets[bucket] ?? this.#find(bucket)
  }

  /** Nothing is kept twice for a token whose rules all begin alike, or all differently. */
  #find(bucket: number): readonly R[] {
    const { length } = this.rules
    this.#open ??= this.rules.filter(({ topic }) => beginsWithWildcard(topic))
    const found = this.rules.filter(
      ({ topic }) => beginsWithWildcard(topic) || bucketOf(topic, length) === bucket,
    )
    const rules =
      found.length === length ? this.rules : found.length === this.#open.length ? this.#open : found
    this.#buckets[bucket] = rules
    return rules
  }
}

function beginsWithWildcard(text: string): boolean {
  const c = text.charCodeAt(0)
  return c === HASH || c === PLUS
}

/** FNV-1a over the first level, to one of twice to four times as many buckets as rules. */
function bucketOf(text: string, count: number): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === SLASH) break
    hash = Math.imul(hash ^ c, 0x01000193)
  }
  return (hash ^ (hash >>> 15)) & ((1 << (33 - Math.clz32(count))) - 1)
}
