// Rights that two parties have in common: for every topic and filter, no more than each of them
// alone.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type AclRule, mayPublish, mayReceive, maySubscribe, parseAcl } from '../../policy/acl.ts'
import { intersectAcl } from '../../worker/access/acl_claim.ts'

const level = fc.constantFrom('a', 'b', 'c')
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([levels, open]) => [...levels, ...(open ? ['#'] : [])].join('/'))
const rule: fc.Arbitrary<AclRule> = fc
  .record({
    permission: fc.constantFrom('allow' as const, 'allow' as const, 'deny' as const),
    action: fc.constantFrom('publish' as const, 'subscribe' as const, 'all' as const),
    topic: filter,
    qos: fc.option(fc.constantFrom([0 as const], [0 as const, 1 as const]), { nil: undefined }),
    retain: fc.option(fc.boolean(), { nil: undefined }),
  })
  .map(({ qos, retain, ...rest }) => ({
    ...rest,
    ...(qos === undefined ? {} : { qos }),
    ...(retain === undefined ? {} : { retain }),
  }))
// As our compiler writes them: denials first.
const rules = fc
  .array(rule, { maxLength: 6 })
  .map((all) => [
    ...all.filter(({ permission }) => permission === 'deny'),
    ...all.filter(({ permission }) => permission === 'allow'),
  ])
const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'))

function read(list: readonly AclRule[]) {
  const parsed = parseAcl(list)
  if ('fault' in parsed) throw new Error(parsed.fault)
  return parsed.acl
}

test('the intersection of two lists permits nothing that one of them does not', () => {
  let permitted = 0
  fc.assert(
    fc.property(
      rules,
      rules,
      topic,
      filter,
      fc.constantFrom(0 as const, 1 as const, 2 as const),
      fc.boolean(),
      (a, b, name, requested, qos, retain) => {
        const both = read(intersectAcl(a, b))
        const each = [read(a), read(b)]
        if (mayPublish(both, name, qos, retain)) {
          permitted++
          expect(each.every((acl) => mayPublish(acl, name, qos, retain))).toBe(true)
        }
        if (maySubscribe(both, requested, qos)) {
          permitted++
          expect(each.every((acl) => maySubscribe(acl, requested, qos))).toBe(true)
        }
        if (mayReceive(both, name)) {
          permitted++
          expect(each.every((acl) => mayReceive(acl, name))).toBe(true)
        }
      },
    ),
    { numRuns: 20_000 },
  )
  console.log(`intersections that permitted something: ${permitted}`)
  expect(permitted).toBeGreaterThan(100)
})

const allow = (action: AclRule['action'], on: string): AclRule => ({
  permission: 'allow',
  action,
  topic: on,
})
const deny = (on: string): AclRule => ({ permission: 'deny', action: 'all', topic: on })

describe('the intersection', () => {
  test.each<[string, AclRule[], AclRule[], AclRule[]]>([
    [
      'keeps the narrower rule',
      [allow('all', 'a/#')],
      [allow('publish', 'a/b')],
      [allow('publish', 'a/b')],
    ],
    ['keeps equal rules once', [allow('all', 'a')], [allow('all', 'a')], [allow('all', 'a')]],
    [
      'has the denials of both',
      [deny('a/b'), allow('all', 'a/#')],
      [deny('a/c'), allow('all', 'a/#')],
      [deny('a/b'), deny('a/c'), allow('all', 'a/#')],
    ],
    ['is empty when one has nothing', [deny('x'), allow('all', '#')], [], []],
    ['is empty when nothing is shared', [allow('publish', 'a')], [allow('subscribe', 'a')], []],
    ['leaves out what no single rule covers', [allow('all', 'a/+')], [allow('all', '+/b')], []],
  ])('%s', (_, a, b, both) => {
    expect(intersectAcl(a, b)).toEqual(both)
  })
})
