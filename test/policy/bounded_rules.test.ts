// Rules within a bound, as properties: no topic outside is opened, and within it nothing changes.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type AclRule,
  mayPublish,
  mayReceive,
  maySubscribe,
  parseAcl,
  type Qos,
} from '../../policy/acl.ts'
import { boundRules, intersectFilters } from '../../policy/bounded_rules.ts'
import { coversFilter, isTopicFilter, matchesTopic } from '../../policy/topic_filter.ts'

const level = fc.constantFrom('a', 'b', '', '$x', 'c')
const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'))
const filter = fc
  .tuple(
    fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 3 }),
    fc.constantFrom<string[]>([], ['#'], ['a'], ['+']),
  )
  .map(([levels, end]) => [...levels, ...end].join('/'))
  .filter((text) => isTopicFilter(text))
const rule: fc.Arbitrary<AclRule> = fc.record({
  permission: fc.constantFrom('allow', 'allow', 'deny'),
  action: fc.constantFrom('publish', 'subscribe', 'all'),
  topic: filter,
})
const rules = fc.array(rule, { maxLength: 6 })
const bound = fc.array(filter, { minLength: 1, maxLength: 3 })
const qos = fc.constantFrom<Qos[]>(0, 1, 2)

const aclOf = (claim: readonly AclRule[]) => {
  const read = parseAcl(claim, 1000)
  if ('fault' in read) throw new Error(read.fault)
  return read.acl
}
const within = (claim: readonly AclRule[], filters: readonly string[]) =>
  aclOf(boundRules(claim, filters) ?? [])

test.each([
  ['a/+', '+/b', 'a/b'],
  ['a/#', 'a', 'a'],
  ['a', 'a/#', 'a'],
  ['#', 'a/+/c', 'a/+/c'],
  ['a/#', '+/+/c/#', 'a/+/c/#'],
  ['a/#', 'b/#', null],
  ['a/+', 'a', null],
  ['a/b', 'a/b/c', null],
  ['#', '$SYS/#', null],
  ['+/x', '$SYS/x', null],
  ['$SYS/#', '$SYS/broker/+', '$SYS/broker/+'],
])('%s and %s have %s in common', (a, b, both) => {
  expect([intersectFilters(a, b), intersectFilters(b, a)]).toEqual([both, both])
})

test('the common filter matches exactly what both match', () => {
  let matched = 0
  fc.assert(
    fc.property(filter, filter, topic, (a, b, name) => {
      fc.pre(name !== '')
      const both = intersectFilters(a, b)
      const expected = matchesTopic(a, name) && matchesTopic(b, name)
      if (expected) matched++
      expect(both !== null && matchesTopic(both, name)).toBe(expected)
    }),
    { numRuns: 5000 },
  )
  expect(matched).toBeGreaterThan(100)
})

test('a topic outside the bound is open to nobody, and one within as before', () => {
  let opened = 0
  fc.assert(
    fc.property(rules, bound, topic, qos, (claim, filters, name, level) => {
      fc.pre(name !== '')
      const [before, after] = [aclOf(claim), within(claim, filters)]
      const isInside = filters.some((one) => matchesTopic(one, name))
      const may = mayPublish(after, name, level, false)
      if (may) opened++
      expect(may).toBe(isInside && mayPublish(before, name, level, false))
      expect(mayReceive(after, name)).toBe(isInside && mayReceive(before, name))
    }),
    { numRuns: 5000 },
  )
  expect(opened).toBeGreaterThan(100)
})

test('a filter is granted only where the bound covers it and the rules grant it', () => {
  let granted = 0
  fc.assert(
    fc.property(rules, bound, filter, qos, (claim, filters, asked, level) => {
      if (!maySubscribe(within(claim, filters), asked, level)) return
      granted++
      expect(maySubscribe(aclOf(claim), asked, level)).toBe(true)
      expect(filters.some((one) => coversFilter(one, asked))).toBe(true)
    }),
    { numRuns: 5000 },
  )
  expect(granted).toBeGreaterThan(50)
})

test('rules that cannot be read give none at all', () => {
  expect(boundRules([{ permission: 'maybe' }], ['#'])).toBeNull()
  expect(boundRules({}, ['#'])).toBeNull()
  expect(boundRules(undefined, ['#'])).toEqual([])
})
