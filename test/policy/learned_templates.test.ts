// Templates of what devices did: filled in again they permit just that, for whatever names and topics.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mayPublish, maySubscribe, parseAcl } from '../../policy/acl.ts'
import { type DeviceFacts, learnTemplates } from '../../policy/learned_templates.ts'
import { parseShadowFile, type Seen } from '../../policy/shadow_file.ts'
import { fillTemplate, METADATA } from '../../policy/templates.ts'

const facts = (id: string, more: Partial<DeviceFacts> = {}): DeviceFacts => ({
  id,
  type: 'press',
  mqtt_client_id: null,
  places: [{ group: 'hall', site: 'plant' }],
  metadata: {},
  ...more,
})
const did = (
  sub: string,
  action: Seen['action'],
  topic: string,
  more: Partial<Seen> = {},
): Seen => ({
  sub,
  action,
  topic,
  retain: [false],
  denied: false,
  count: 1,
  ...more,
})
const short = (seen: Seen[], of: (sub: string) => DeviceFacts = facts) =>
  learnTemplates(seen, of).map(
    ({ rule, devices, widened }) =>
      `${rule.action} ${rule.topic}${rule.retain === undefined ? '' : ` retain=${rule.retain}`} ${devices}${widened ? ' +' : ''}`,
  )

describe('names become variables', () => {
  test.each<[string, string, Partial<DeviceFacts>]>([
    ['dev-1/state', '${device.id}/state', {}],
    ['a/dev-1_state', 'a/${device.id}_state', {}],
    ['plant/hall/x', '${site.id}/${group.id}/x', {}],
    ['m/7', 'm/${clientid}', { mqtt_client_id: '7' }],
    ['line/4/x', 'line/${device.metadata.line}/x', { metadata: { line: '4', n: 4 } }],
    ['other/x', 'other/x', {}],
  ])('of %s: %s', (topic, template, more) => {
    expect(short([did('dev-1', 'publish', topic)], (id) => facts(id, more))).toEqual([
      `publish ${template} retain=false 1`,
    ])
  })
})

test('what many devices do is one template, the most common first, with retain as it was used', () => {
  const seen = ['dev-1', 'dev-2', 'dev-3'].flatMap((id) => [
    did(id, 'publish', `${id}/state`, { retain: id === 'dev-1' ? [true] : [false] }),
    did(id, 'subscribe', `${id}/set`),
  ])
  seen.push(did('dev-2', 'publish', 'odd', { retain: [true], denied: true }))
  expect(short(seen)).toEqual([
    'subscribe ${device.id}/set 3',
    'publish ${device.id}/state 3',
    'publish odd retain=true 1',
  ])
  expect(learnTemplates(seen, facts).map(({ denied }) => denied)).toEqual([false, false, true])
})

test('a level with many values becomes one template, and one that another covers is left out', () => {
  const answers = Array.from({ length: 9 }, (_, n) => did('dev-1', 'publish', `dev-1/answer/${n}`))
  expect(short(answers)).toEqual(['publish ${device.id}/answer/+ retain=false 1 +'])
  expect(short(answers.slice(1))).toHaveLength(8)
  const seen = [
    did('dev-1', 'subscribe', '$share/g/a/#'),
    did('dev-1', 'subscribe', 'a/b'),
    did('dev-1', 'publish', 'a/b'),
  ]
  expect(short(seen)).toEqual(['subscribe a/# 1', 'publish a/b retain=false 1'])
})

test('filled in again, they permit all that was done', () => {
  const level = fc.constantFrom('dev-1', 'dev-2', 'hall', 'plant', 'x', 'y', '')
  const topic = fc.array(level, { minLength: 2, maxLength: 4 }).map((levels) => levels.join('/'))
  const one = fc.record({
    sub: fc.constantFrom('dev-1', 'dev-2'),
    action: fc.constantFrom('publish' as const, 'subscribe' as const),
    topic,
    retain: fc.constantFrom<boolean[]>([true], [false], [true, false]),
    denied: fc.boolean(),
    count: fc.constant(1),
  })
  fc.assert(
    fc.property(fc.array(one, { maxLength: 20 }), (seen) => {
      const learned = learnTemplates(seen, facts)
      for (const { sub, action, topic: done, retain } of seen) {
        const values: Record<string, string> = {
          'device.id': sub,
          'group.id': 'hall',
          'site.id': 'plant',
        }
        const rules = learned.flatMap(({ rule }) => {
          const filled = fillTemplate(rule, (name) => {
            const is = values[name.replace(METADATA, '')]
            return is === undefined ? 'missing' : { is }
          })
          return 'rule' in filled ? [filled.rule] : []
        })
        const read = parseAcl(rules)
        if ('fault' in read) throw new Error(read.fault)
        const isAllowed =
          action === 'publish'
            ? retain.every((one) => mayPublish(read.acl, done, 0, one))
            : maySubscribe(read.acl, done, 2)
        expect(isAllowed).toBe(true)
      }
    }),
    { numRuns: 500 },
  )
})

test.each([
  '',
  '[]',
  '{"version":2,"dropped":0,"seen":[]}',
  '{"version":1,"dropped":0,"seen":[{}]}',
])('a file with %s is no record', (text) => {
  expect(parseShadowFile(text)).toBe(null)
  expect(parseShadowFile('{"version":1,"dropped":0,"seen":[]}')).not.toBe(null)
})
