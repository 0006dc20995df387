// compileAcl against a naive second opinion: a small world of groups and devices, random roles on
// it, and every topic that the world can speak of asked for.
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { mayPublish, mayReceive, parseAcl } from '../../policy/acl.ts'
import { compileAcl } from '../../worker/access/acl_claim.ts'
import type { RightsRows } from '../../worker/access/rights.ts'
import type { Context } from '../../worker/context.ts'
import { startWorker } from '../context.ts'
import { naiveMatch } from '../policy/oracle.ts'

let cx: Context
beforeAll(async () => {
  cx = { ...(await startWorker()).context(), log: () => {} }
})

// top > a, b; b > c. d1 is in a, d2 in b and c, d3 in none.
const BELOW: Record<string, string[]> = {
  top: ['top', 'a', 'b', 'c'],
  a: ['a'],
  b: ['b', 'c'],
  c: ['c'],
}
const DEVICES: Record<string, { groups: string[]; metadata: Record<string, string> }> = {
  d1: { groups: ['a'], metadata: { room: 'hall' } },
  d2: { groups: ['b', 'c'], metadata: { room: 'a/b' } }, // no topic level
  d3: { groups: [], metadata: {} },
}
const WORDS = ['top', 'a', 'b', 'c', 'd1', 'd2', 'd3', 'hall', 'x', 'me', 'cli', 'x-d1', 'x-a']
const TOPICS = [...WORDS, ...WORDS.flatMap((one) => WORDS.map((two) => `${one}/${two}`))]
const SUBJECT = 'me'

type Template = {
  permission: 'allow' | 'deny'
  action: 'publish' | 'subscribe' | 'all'
  topic: string
}
type Grant = { object: string; templates: Template[] }

const level = fc.constantFrom(
  '${group.id}',
  '${device.id}',
  '${subject.id}',
  '${device.metadata.room}',
  '${clientid}',
  'x-${device.id}',
  'x-${group.id}',
  'x',
  '+',
)
const template = (...permissions: ('allow' | 'deny')[]): fc.Arbitrary<Template> =>
  fc.record({
    permission: fc.constantFrom(...permissions),
    action: fc.constantFrom('publish', 'subscribe', 'all'),
    topic: fc
      .tuple(fc.array(level, { minLength: 1, maxLength: 2 }), fc.boolean())
      .map(([levels, open]) => levels.join('/') + (open && levels.length === 1 ? '/#' : '')),
  })
const grants = (...permissions: ('allow' | 'deny')[]): fc.Arbitrary<Grant[]> =>
  fc.array(
    fc.record({
      object: fc.constantFrom('*', ...Object.keys(BELOW), ...Object.keys(DEVICES)),
      templates: fc.array(template(...permissions), { minLength: 1, maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 3 },
  )

const deviceRow = (root: string, group_id: string | null, device_id: string) => ({
  root,
  group_id,
  device_id,
  metadata: JSON.stringify(DEVICES[device_id]?.metadata),
  type: 't',
  tags: '[]',
  group_kind: null,
  site: null,
})

/** The rows that the database would answer. */
function rowsOf(given: Grant[], own?: { id: string; acl: Template[] }): RightsRows {
  const objects = [...new Set(given.map((grant) => grant.object))]
  const groups = objects.filter((object) => object in BELOW)
  const device = own && DEVICES[own.id]
  return {
    comingDenial: [],
    grants: given.map(({ object, templates }, i) => ({
      id: `grt_${i}`,
      subject_id: SUBJECT,
      role: `role${i}`,
      object_id: object,
      object_kind: object === '*' ? null : object in BELOW ? 'group' : 'device',
      expires_at: null,
      permissions: '[]',
      acl: JSON.stringify(templates),
      condition: null,
      subject_kind: 'user',
    })),
    groupsBelow: groups.flatMap((root) =>
      (BELOW[root] ?? []).map((group_id) => ({ root, group_id, kind: 'place', site: null })),
    ),
    devices: [
      ...groups.flatMap((root) =>
        Object.entries(DEVICES).flatMap(([id, { groups }]) =>
          groups
            .filter((group) => BELOW[root]?.includes(group))
            .map((group) => deviceRow(root, group, id)),
        ),
      ),
      ...objects
        .filter((object) => object in DEVICES)
        .flatMap((id) => {
          const { groups = [] } = DEVICES[id] ?? {}
          return (groups.length > 0 ? groups : [null]).map((group) => deviceRow(id, group, id))
        }),
    ],
    ownDevice:
      own && device
        ? [
            {
              id: own.id,
              type: 't',
              mqtt_client_id: 'cli',
              metadata: JSON.stringify(device.metadata),
              token_ttl: null,
              by_reference: 0 as const,
              type_acl: JSON.stringify(own.acl),
            },
          ]
        : [],
    ownGroups: (device?.groups ?? []).map((group_id) => ({ group_id, site: null })),
  }
}

/** Every (group, device) of an object, by brute force. */
function pairs(object: string): [string | null, string | null][] {
  const all = Object.entries(DEVICES).flatMap(([id, { groups }]): [string | null, string][] =>
    groups.length > 0 ? groups.map((group) => [group, id]) : [[null, id]],
  )
  if (object in DEVICES) return all.filter(([, device]) => device === object)
  const groups = object === '*' ? Object.keys(BELOW) : (BELOW[object] ?? [])
  return [
    ...all.filter(([group]) => object === '*' || (group !== null && groups.includes(group))),
    ...groups.map((group): [string, null] => [group, null]),
  ]
}

/** The topic filters that a template says outright: every value known and one level. */
function instances(topic: string, object: string, clientid: string | null): string[] {
  const found = pairs(object).map(([group, device]) => {
    const values: Record<string, string | null | undefined> = {
      'group.id': group,
      'device.id': device,
      'subject.id': SUBJECT,
      clientid,
      'device.metadata.room': device === null ? null : DEVICES[device]?.metadata['room'],
    }
    let sound = true
    const filled = topic.replace(/\$\{([^}]*)\}/g, (_, name: string) => {
      const value = values[name]
      if (value == null || value.includes('/')) sound = false
      return value ?? ''
    })
    return sound ? filled : null
  })
  return [...new Set(found.filter((one) => one !== null))]
}

const SETTINGS = { numRuns: 400 }

test('every claim is readable, without a variable, with denials first and nothing twice', () => {
  const seen = { claims: 0, rules: 0, faults: 0 }
  fc.assert(
    fc.property(
      grants('allow', 'deny'),
      fc.array(template('allow', 'deny'), { maxLength: 2 }),
      (given, acl) => {
        const compiled = compileAcl(cx, SUBJECT, rowsOf(given, { id: 'd2', acl }), 30)
        if ('fault' in compiled) {
          seen.faults++
          return
        }
        const { rules } = compiled
        const read = parseAcl(JSON.parse(JSON.stringify(rules)))
        expect(read).toHaveProperty('acl')
        expect(JSON.stringify(rules)).not.toContain('${')
        expect(rules.length).toBeLessThanOrEqual(30)
        const permissions = rules.map((rule) => rule.permission)
        expect(permissions).toEqual([...permissions].sort().reverse())
        expect(new Set(rules.map((rule) => JSON.stringify(rule))).size).toBe(rules.length)
        seen.claims++
        seen.rules += rules.length
      },
    ),
    SETTINGS,
  )
  console.log('claims read:', JSON.stringify(seen))
  expect(seen.rules).toBeGreaterThan(seen.claims)
})

test('what a role denies outright stays denied, whatever else is allowed', () => {
  let denied = 0
  fc.assert(
    fc.property(grants('deny'), grants('allow', 'deny'), (denying, others) => {
      const everything: Grant = {
        object: '*',
        templates: [{ permission: 'allow', action: 'all', topic: '#' }],
      }
      const compiled = compileAcl(cx, SUBJECT, rowsOf([everything, ...others, ...denying]), 256)
      if ('fault' in compiled) throw new Error('too many rules')
      const read = parseAcl(compiled.rules)
      if ('fault' in read) throw new Error(read.fault)
      for (const { object, templates } of denying) {
        for (const { topic, action } of templates) {
          for (const filter of instances(topic, object, null)) {
            for (const asked of TOPICS.filter((one) => naiveMatch(filter, one))) {
              denied++
              if (action !== 'subscribe' && mayPublish(read.acl, asked, 0, false))
                throw new Error(`${asked} published`)
              if (action !== 'publish' && mayReceive(read.acl, asked))
                throw new Error(`${asked} received`)
            }
          }
        }
      }
    }),
    SETTINGS,
  )
  console.log(`denials held: ${denied}`)
  expect(denied).toBeGreaterThan(1000)
})

test('what roles allow outright is allowed when nothing is denied, and fewer rules change nothing', () => {
  let allowed = 0
  fc.assert(
    fc.property(grants('allow'), (given) => {
      const compiled = compileAcl(cx, SUBJECT, rowsOf(given), 256)
      if ('fault' in compiled) throw new Error('too many rules')
      const read = parseAcl(compiled.rules)
      if ('fault' in read) throw new Error(read.fault)
      for (const { object, templates } of given) {
        for (const { topic, action } of templates) {
          // On `*` a variable within a level, and metadata, are void: they cannot be said.
          if (object === '*' && /x-\$|metadata/.test(topic)) continue
          for (const filter of instances(topic, object, null)) {
            for (const asked of TOPICS.filter((one) => naiveMatch(filter, one))) {
              allowed++
              if (action !== 'subscribe')
                expect([asked, mayPublish(read.acl, asked, 0, false)]).toEqual([asked, true])
              if (action !== 'publish')
                expect([asked, mayReceive(read.acl, asked)]).toEqual([asked, true])
            }
          }
        }
      }
    }),
    SETTINGS,
  )
  console.log(`allowances held: ${allowed}`)
  expect(allowed).toBeGreaterThan(1000)
})

test('nothing is allowed beyond the object of the grant', () => {
  let refused = 0
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.keys(BELOW), ...Object.keys(DEVICES)),
      fc.constantFrom(
        '${group.id}/${device.id}',
        '${group.id}/x',
        'x/${device.id}',
        'x-${device.id}',
        '${group.id}/x-${device.id}',
      ),
      (object, topic) => {
        const given: Grant[] = [
          { object, templates: [{ permission: 'allow', action: 'all', topic }] },
        ]
        const compiled = compileAcl(cx, SUBJECT, rowsOf(given), 256)
        if ('fault' in compiled) throw new Error('too many rules')
        const read = parseAcl(compiled.rules)
        if ('fault' in read) throw new Error(read.fault)
        // In a group, `+` may stand for its devices where the topic names the group.
        const mine = instances(topic, object, null).concat(
          topic === '${group.id}/${device.id}' && object in BELOW
            ? (BELOW[object] ?? []).map((group) => `${group}/+`)
            : [],
        )
        for (const asked of TOPICS) {
          const may = mine.some((filter) => naiveMatch(filter, asked))
          if (!may) refused++
          expect([asked, mayPublish(read.acl, asked, 1, true)]).toEqual([asked, may])
        }
      },
    ),
    { numRuns: 150 },
  )
  console.log(`topics outside refused: ${refused}`)
  expect(refused).toBeGreaterThan(1000)
})
