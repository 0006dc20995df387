// Rules that are found by their first level: the verdicts are those of a walk through all of them,
// and a packet is held against those of its own first level alone.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Acl,
  type AclRule,
  mayPublish,
  mayReceive,
  maySubscribe,
  maySubscribeInPart,
  parseAcl,
  type Qos,
} from '../../policy/acl.ts'
import { coversFilter, matchesTopic, overlapsFilter } from '../../policy/topic_filter.ts'

function aclOf(list: readonly AclRule[]): Acl {
  const read = parseAcl(list)
  if ('fault' in read) throw new Error(read.fault)
  return read.acl
}

// --- The plain walk: each rule in its order ---

const named = (list: readonly AclRule[], action: string) =>
  list.filter((rule) => rule.action === 'all' || rule.action === action)
const holds = ({ qos }: AclRule, asked: Qos) => qos === undefined || qos.includes(asked)

function plainPublish(list: readonly AclRule[], topic: string, qos: Qos, retain: boolean) {
  const decides = (rule: AclRule) =>
    holds(rule, qos) && (rule.retain ?? retain) === retain && matchesTopic(rule.topic, topic)
  return named(list, 'publish').find(decides)?.permission === 'allow'
}

function plainReceive(list: readonly AclRule[], topic: string) {
  const decides = (rule: AclRule) => matchesTopic(rule.topic, topic)
  return named(list, 'subscribe').find(decides)?.permission === 'allow'
}

function plainSubscribe(list: readonly AclRule[], filter: string, qos: Qos) {
  const decides = (rule: AclRule) =>
    rule.permission === 'deny'
      ? overlapsFilter(rule.topic, filter)
      : holds(rule, qos) && coversFilter(rule.topic, filter)
  return named(list, 'subscribe').find(decides)?.permission === 'allow'
}

// Few first levels, so that a walk meets several rules of one, and rules of none.
const first = fc.constantFrom('a', 'b', 'c', 'building', '', '$x', '+', '#', '1', 'ä', '😀')
const level = fc.constantFrom('a', 'b', '', '+', '1')
const filter = fc
  .tuple(first, fc.array(level, { maxLength: 2 }), fc.boolean())
  .map(([head, rest, isOpen]) =>
    head === '#' ? '#' : [head, ...rest, ...(isOpen ? ['#'] : [])].join('/'),
  )
  .filter((text) => text !== '')
const topic = filter.map((text) => text.replaceAll(/[+#]/g, 'a'))
const rule: fc.Arbitrary<AclRule> = fc.record(
  {
    permission: fc.constantFrom('allow', 'allow', 'deny'),
    action: fc.constantFrom('publish', 'subscribe', 'all'),
    topic: filter,
    qos: fc.subarray<Qos>([0, 1, 2], { minLength: 1 }),
    retain: fc.boolean(),
  },
  { requiredKeys: ['permission', 'action', 'topic'] },
)
const list = fc.array(rule, { maxLength: 40 })
const qos = fc.constantFrom<Qos>(0, 1, 2)

describe('rules found by their first level', () => {
  test('give the verdicts of a walk through all: publish, subscribe, delivery, in part', () => {
    const counts = { published: 0, subscribed: 0, received: 0, inPart: 0 }
    const texts = { topics: fc.array(topic, { maxLength: 5 }), filters: fc.array(filter) }
    const property = fc.property(
      list,
      fc.record(texts),
      qos,
      fc.boolean(),
      (rules, asked, q, r) => {
        const acl = aclOf(rules)
        for (const name of asked.topics) {
          const published = plainPublish(rules, name, q, r)
          const received = plainReceive(rules, name)
          expect(mayPublish(acl, name, q, r)).toBe(published)
          expect(mayReceive(acl, name)).toBe(received)
          if (published) counts.published++
          if (received) counts.received++
        }
        for (const requested of asked.filters) {
          const subscribed = plainSubscribe(rules, requested, q)
          expect(maySubscribe(acl, requested, q)).toBe(subscribed)
          expect(maySubscribe(acl, `$share/g/${requested}`, q)).toBe(subscribed)
          if (subscribed) counts.subscribed++
          // A filter is taken in part only where some of its topics may be received.
          if (maySubscribeInPart(acl, requested, q)) {
            counts.inPart++
            const reaches = ({ permission, topic: granted }: AclRule) =>
              permission === 'allow' && overlapsFilter(granted, requested)
            expect(named(rules, 'subscribe').some(reaches)).toBe(true)
          }
        }
      },
    )
    fc.assert(property, { numRuns: 3000 })
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(100)
  })

  test('250 rules of other first levels cost little more than ten', () => {
    const rules = (count: number): AclRule[] =>
      Array.from({ length: count }, (_, i) => ({
        permission: 'allow',
        action: 'all',
        topic: `fleet-of-trucks-${i}/+/state`,
      }))
    const [few, many] = [aclOf(rules(10)), aclOf(rules(250))]
    const question = Array.from({ length: 20 }, (_, i) => `fleet-of-trucks-x${i}/1/state`)
    const time = (acl: Acl) => {
      const begun = performance.now()
      for (let i = 0; i < 300; i++) for (const one of question) maySubscribe(acl, one, 1)
      return performance.now() - begun
    }
    const median = (acl: Acl) => {
      const times = Array.from({ length: 9 }, () => time(acl)).sort((a, b) => a - b)
      return times[4]!
    }
    median(few)
    median(many)
    expect(median(many)).toBeLessThan(3 * median(few))
  })
})
