// Explanations: the rule that is named is the one that decides, for whatever rules and requests, and the nearest one
// would decide if it had what it is said to lack.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type AclRule, mayPublish, maySubscribe, parseAcl, type Qos } from '../../policy/acl.ts'
import { type AclRequest, explainVerdict } from '../../policy/explanation.ts'

const level = fc.constantFrom('a', 'b', 'eq ', '$SYS')
const topic = fc.array(level, { minLength: 1, maxLength: 3 }).map((levels) => levels.join('/'))
const filter = fc
  .tuple(
    fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 3 }),
    fc.boolean(),
    fc.boolean(),
  )
  .map(([levels, isOpen, isShared]) => {
    const text = [...levels, ...(isOpen ? ['#'] : [])].join('/')
    return isShared ? `$share/g/${text}` : text
  })
const qos = fc.constantFrom<Qos>(0, 1, 2)
const rule = fc.record<AclRule>(
  {
    permission: fc.constantFrom('allow', 'deny'),
    action: fc.constantFrom('publish', 'subscribe', 'all'),
    topic: filter,
    qos: fc.uniqueArray(qos, { minLength: 1 }),
    retain: fc.boolean(),
  },
  { requiredKeys: ['permission', 'action', 'topic'] },
)
const rules = fc.array(rule, { maxLength: 5 }).filter((list) => 'acl' in parseAcl(list))
const request = fc.oneof(
  fc.record({ action: fc.constant('publish' as const), topic, qos, retain: fc.boolean() }),
  fc.record({ action: fc.constant('subscribe' as const), topic: filter, qos }),
)

function isAllowed(list: readonly AclRule[], asked: AclRequest): boolean {
  const read = parseAcl(list)
  if ('fault' in read) throw new Error(read.fault)
  return asked.action === 'publish'
    ? mayPublish(read.acl, asked.topic, asked.qos, asked.retain)
    : maySubscribe(read.acl, asked.topic, asked.qos)
}

test('the verdict is that of the rules, and the rule that is named made it', () => {
  const kinds = { allowed: 0, denied: 0, open: 0 }
  fc.assert(
    fc.property(rules, request, (list, asked) => {
      const { isAllowed: is, decides, nearest } = explainVerdict(list, asked)
      expect(is).toBe(isAllowed(list, asked))
      if (decides === null) {
        kinds.open++
        expect(is).toBe(false)
        if (nearest !== null) expect(list[nearest.place]).toBe(nearest.rule)
        return
      }
      kinds[is ? 'allowed' : 'denied']++
      expect(nearest).toBe(null)
      expect(list[decides.place]).toBe(decides.rule)
      // The list up to it gives the verdict, and the list before it decides nothing.
      expect(isAllowed(list.slice(0, decides.place + 1), asked)).toBe(is)
      expect(explainVerdict(list.slice(0, decides.place), asked).decides).toBe(null)
    }),
    { numRuns: 3000 },
  )
  for (const count of Object.values(kinds)) expect(count).toBeGreaterThan(30)
})

describe('of rules that decide nothing, the nearest is named with what it lacks', () => {
  const allow = (action: AclRule['action'], topic: string, more = {}): AclRule => ({
    permission: 'allow',
    action,
    topic,
    ...more,
  })
  const publish = (topic: string, qos: Qos = 0, retain = false): AclRequest => ({
    action: 'publish',
    topic,
    qos,
    retain,
  })
  const subscribe = (topic: string, qos: Qos = 0): AclRequest => ({
    action: 'subscribe',
    topic,
    qos,
  })
  test.each<[string, AclRule[], AclRequest, [number, string[]] | null]>([
    ['another QoS', [allow('publish', 'a', { qos: [0, 1] })], publish('a', 2), [0, ['qos']]],
    ['retain', [allow('publish', 'a', { retain: false })], publish('a', 0, true), [0, ['retain']]],
    ['the other way', [allow('subscribe', 'a/#')], publish('a/b'), [0, ['action']]],
    [
      'several at once',
      [allow('subscribe', 'a', { qos: [0], retain: false })],
      publish('a', 1, true),
      [0, ['action', 'qos', 'retain']],
    ],
    ['a part', [allow('all', 'a/b/#')], subscribe('a/#'), [0, ['part']]],
    [
      'a part at another QoS',
      [allow('all', 'a/b', { qos: [0] })],
      subscribe('a/#', 1),
      [0, ['qos', 'part']],
    ],
    [
      'nothing of a shared filter',
      [allow('all', 'a/b')],
      subscribe('$share/g/a/#'),
      [0, ['topic']],
    ],
    [
      'the topic, by its first levels',
      [allow('all', 'x/y'), allow('all', 'a/+/set')],
      publish('a/1/get'),
      [1, ['topic']],
    ],
    [
      'the one that lacks least',
      [
        allow('all', 'a/c'),
        allow('all', 'a/b', { qos: [0] }),
        allow('subscribe', 'a/b', { qos: [0] }),
      ],
      publish('a/b', 1),
      [1, ['qos']],
    ],
    ['none that has nothing in common', [allow('all', 'x/y')], publish('a/b'), null],
    ['none in an empty list', [], subscribe('a'), null],
  ])('%s', (_, list, asked, expected) => {
    const { decides, nearest } = explainVerdict(list, asked)
    expect(decides).toBe(null)
    expect(nearest === null ? null : [nearest.place, nearest.lacking]).toEqual(expected)
  })
})
