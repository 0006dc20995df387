// The rules that a small token names by reference, filled in from its claims as mProxy does it,
// against the claim `acl` of the same device: both permit the same, whatever the type says.
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { mayPublish, mayReceive, maySubscribe, parseAcl } from '../../policy/acl.ts'
import { fillPolicy, parsePolicy } from '../../policy/templates.ts'
import { compileAcl, placesByReference } from '../../worker/access/acl_claim.ts'
import type { RightsRows } from '../../worker/access/rights.ts'
import type { Context } from '../../worker/context.ts'
import { startWorker } from '../context.ts'

let cx: Context
beforeAll(async () => {
  cx = { ...(await startWorker()).context(), log: () => {} }
})

const WORDS = ['dev', 'g1', 'g2', 's1', 'plc', 'x', 'x-dev', 'x-g1']
const TOPICS = [...WORDS, ...WORDS.flatMap((one) => WORDS.map((two) => `${one}/${two}`))]

const level = fc.constantFrom(
  'x',
  '+',
  'dev',
  '${device.id}',
  '${group.id}',
  '${site.id}',
  '${clientid}',
  'x-${device.id}',
  'x-${group.id}',
)
const topic = fc
  .tuple(fc.array(level, { minLength: 1, maxLength: 2 }), fc.boolean())
  .map(([levels, isDeep]) => [...levels, ...(isDeep ? ['#'] : [])].join('/'))
const template = fc
  .record({
    permission: fc.constantFrom('allow' as const, 'allow' as const, 'deny' as const),
    action: fc.constantFrom('publish' as const, 'subscribe' as const, 'all' as const),
    topic,
    qos: fc.constantFrom(undefined, [0 as const], [1 as const, 2 as const]),
    retain: fc.constantFrom(undefined, true, false),
  })
  .map(({ qos, retain, ...rule }) => ({
    ...rule,
    ...(qos === undefined ? {} : { qos }),
    ...(retain === undefined ? {} : { retain }),
  }))
const groups = fc.subarray([
  { group_id: 'g1', site: 's1' },
  { group_id: 'g2', site: null },
  { group_id: 's1', site: 's1' },
])

const rowsOf = (
  acl: string,
  ownGroups: RightsRows['ownGroups'],
  mqtt_client_id: string | null,
): RightsRows => ({
  comingDenial: [],
  grants: [],
  groupsBelow: [],
  devices: [],
  ownGroups,
  ownDevice: [
    {
      id: 'dev',
      type: 't',
      mqtt_client_id,
      metadata: '{}',
      token_ttl: null,
      type_acl: acl,
      by_reference: 1,
    },
  ],
})

test('what the reference gives is what acl would have given', () => {
  let named = 0
  fc.assert(
    fc.property(
      fc.array(template, { maxLength: 5 }),
      groups,
      fc.constantFrom('plc', 'a/b', null),
      (templates, ownGroups, client_id) => {
        const rows = rowsOf(JSON.stringify(templates), ownGroups, client_id)
        const compiled = compileAcl(cx, 'dev', rows, 100)
        const places = placesByReference(rows)
        if ('fault' in compiled || places === null) {
          expect(compiled).toMatchObject({ is_void: true })
          return
        }
        named++
        const policy = parsePolicy(JSON.stringify(templates)) ?? []
        const filled = fillPolicy(policy, { device: 'dev', client_id, places })
        const [mine, theirs] = [parseAcl(compiled.rules), parseAcl(filled)]
        if ('fault' in mine || 'fault' in theirs) throw new Error('rules that cannot be read')
        for (const one of TOPICS) {
          const at = `${one} by ${JSON.stringify(templates)}`
          expect(mayReceive(theirs.acl, one), at).toBe(mayReceive(mine.acl, one))
          for (const qos of [0, 1] as const) {
            expect(maySubscribe(theirs.acl, one, qos), at).toBe(maySubscribe(mine.acl, one, qos))
            for (const retain of [true, false]) {
              const [a, b] = [mine, theirs].map(({ acl }) => mayPublish(acl, one, qos, retain))
              expect(b, at).toBe(a)
            }
          }
        }
      },
    ),
    { numRuns: 200 },
  )
  expect(named).toBeGreaterThan(50)
})

test('a device with rules of a role, or with a type that does not opt in, has no reference', () => {
  const acl = JSON.stringify([{ permission: 'allow', action: 'all', topic: '${device.id}' }])
  const rows = rowsOf(acl, [], null)
  const grant = {
    id: 'g',
    role: 'r',
    subject_id: 'dev',
    object_id: '*',
    object_kind: null,
    expires_at: null,
    permissions: '["x"]',
    acl: '[]',
    condition: null,
    subject_kind: 'device',
  } as const
  expect(placesByReference(rows)).toEqual([])
  expect(placesByReference({ ...rows, grants: [grant] })).toEqual([])
  expect(placesByReference({ ...rows, grants: [{ ...grant, acl }] })).toBe(null)
  const [own] = rows.ownDevice
  if (own === undefined) throw new Error('no device')
  expect(placesByReference({ ...rows, ownDevice: [{ ...own, by_reference: 0 }] })).toBe(null)
  const metadata = acl.replace('device.id', 'device.metadata.room')
  expect(placesByReference({ ...rows, ownDevice: [{ ...own, type_acl: metadata }] })).toBe(null)
})
