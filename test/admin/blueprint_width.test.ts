// A blueprint makes groups, roles, grants and members at once. Rights that no token can carry are
// known only after the write: it stands, and the report names those who would get no token.
import { beforeEach, describe, expect, test } from 'vitest'
import { applyBlueprint, startBlueprint } from '../../worker/admin/blueprint.ts'
import { countRoundTrips, startWorker, type TestWorker } from '../context.ts'

const allow = (topic: string) => ({ permission: 'allow', action: 'publish', topic })
const rules = (n: number) => Array.from({ length: n }, (_, i) => allow(`fixed/${i}`))
const person = (id: string, groups: readonly string[] = []) => ({
  id,
  email: `${id}@example.com`,
  email_verified: true,
  groups,
})

/** At most 4 rules. ann and ben (in crew) hold 3: a rule for each room of site-1. */
const DOCUMENT = {
  settings: { acl_max_rules: 4, sign_in_names: ['email', 'user_name'] },
  roles: [
    { name: 'roomwise', acl: [allow('r/${group.id}')] },
    { name: 'devicewise', acl: [allow('d/${device.id}')] },
    { name: 'two', acl: rules(2) },
  ],
  groups: [
    { id: 'site-1', kind: 'site' },
    ...['a', 'b'].map((id) => ({ id, kind: 'room', parent_id: 'site-1' })),
    { id: 'far', kind: 'site' },
    ...['c', 'd'].map((id) => ({ id, kind: 'room', parent_id: 'far' })),
    { id: 'crew' },
    { id: 'wing' },
  ],
  users: [person('ann'), person('ben', ['crew']), person('cem')],
  device_types: [{ name: 'plain' }],
  devices: ['m1', 'm2', 'm3'].map((id) => ({ id, type: 'plain', groups: ['wing'] })),
  grants: [
    { subject: 'ann@example.com', role: 'roomwise', object: 'site-1' },
    { subject: 'crew', role: 'roomwise', object: 'site-1' },
    { subject: 'crew', role: 'two', object: 'wing', not_before: 4_000_000_000 },
    { subject: 'cem', role: 'devicewise', object: 'wing' },
  ],
}

let worker: TestWorker
const apply = async (document: unknown, options = {}) => {
  const { value, roundTrips } = await countRoundTrips(worker, () =>
    applyBlueprint(worker.context(), document, {}, options),
  )
  return { ...value, roundTrips }
}
const warnings = async (document: unknown) => {
  const applied = await apply(document)
  expect(applied.roundTrips).toBeLessThanOrEqual(2)
  return applied.warnings ?? []
}
const about = (name: string) => expect.stringMatching(new RegExp(`^${name} would get no token`))

beforeEach(async () => {
  worker = await startWorker()
  await worker.request('/.well-known/jwks.json')
  expect(await warnings(DOCUMENT)).toEqual([])
})

test('a grant that is too much is written, and named in words that help', async () => {
  const document = {
    users: [person('eve'), { user_name: 'grandma' }, person('fit')],
    groups: [{ id: 'elders' }],
    grants: [
      { subject: 'ANN@example.com', role: 'two', object: 'a' },
      { subject: 'eve@example.com', role: 'roomwise', object: 'site-1' },
      { subject: 'eve@example.com', role: 'two', object: 'site-1' },
      { subject: 'fit', role: 'two', object: 'site-1' },
    ],
  }
  const dry = await apply(document, { dryRun: true })
  expect(dry.warnings).toBeUndefined()
  const { changes, warnings: words = [], roundTrips } = await apply(document)
  expect(changes).toEqual(dry.changes)
  expect(roundTrips).toBe(2)
  expect([...words].sort()).toEqual([about('ann@example.com'), about('eve@example.com')])
  for (const line of words) {
    expect(line).toContain('more than 4 rules (setting acl_max_rules)')
    expect(line).toContain('${site.id}')
  }
  // Nothing changes, so nothing is looked at.
  const again = await apply(document)
  expect(again.changes).toEqual([])
  expect(again.warnings).toBeUndefined()
})

describe('named are', () => {
  test('the members of a group that gets a grant', async () => {
    const grants = [{ subject: 'crew', role: 'two', object: 'site-1' }]
    expect(await warnings({ grants })).toEqual([about('ben@example.com')])
  })

  test('those whose grant begins earlier', async () => {
    const grants = [{ subject: 'crew', role: 'two', object: 'wing', not_before: 1 }]
    expect(await warnings({ grants })).toEqual([about('ben@example.com')])
  })

  test('a person who enters a group, with or without an address', async () => {
    const one = { subject: 'crew', role: 'devicewise', object: 'a' }
    expect(await warnings({ grants: [one] })).toEqual([])
    const document = {
      users: [{ user_name: 'Grandma', groups: ['crew'] }],
      grants: [{ subject: 'crew', role: 'two', object: 'far', condition: 'subject.id != "ben"' }],
    }
    expect(await warnings(document)).toEqual([about('Grandma')])
    const users = [person('ann', ['crew']), person('cem', ['crew'])]
    expect([...(await warnings({ users }))].sort()).toEqual([
      about('ann@example.com'),
      about('cem@example.com'),
    ])
  })

  test('the holders of a role with other rules', async () => {
    const acl = [allow('r/${group.id}'), allow('s/${group.id}')]
    const words = await warnings({ roles: [{ name: 'roomwise', acl }] })
    expect([...words].sort()).toEqual([about('ann@example.com'), about('ben@example.com')])
  })

  test('the devices of a type with other rules', async () => {
    const words = await warnings({ device_types: [{ name: 'plain', acl: rules(5) }] })
    expect([...words].sort()).toEqual([about('m1'), about('m2'), about('m3')])
  })

  test('a new device, by its type', async () => {
    const document = {
      device_types: [{ name: 'wide', acl: rules(5) }],
      devices: [{ id: 'w1', type: 'wide' }],
    }
    expect(await warnings(document)).toEqual([about('w1')])
  })

  test('the holders around a place to which rooms or devices come', async () => {
    const groups = ['e', 'f'].map((id) => ({ id, kind: 'room', parent_id: 'site-1' }))
    const words = await warnings({ groups })
    expect([...words].sort()).toEqual([about('ann@example.com'), about('ben@example.com')])
    const devices = ['m4', 'm5'].map((id) => ({ id, type: 'plain', groups: ['wing'] }))
    expect(await warnings({ devices })).toEqual([about('cem@example.com')])
    // The group in which a device stands already counts, though the file does not name it.
    const tagged = [{ id: 'm4', type: 'plain', tags: ['light'] }]
    expect(await warnings({ devices: tagged })).toEqual([about('cem@example.com')])
  })

  test('the members of a group that enters another', async () => {
    const grants = [{ subject: 'wing', role: 'roomwise', object: 'far' }]
    expect(await warnings({ grants, roles: [{ name: 'three', acl: rules(5) }] })).toEqual([])
    const crowd = { grants: [{ subject: 'far', role: 'three', object: 'a' }] }
    expect(await warnings(crowd)).toEqual([])
    const words = await warnings({ groups: [{ id: 'wing', parent_id: 'far' }] })
    expect([...words].sort()).toEqual([about('m1'), about('m2'), about('m3')])
  })
})

test('the limit that the same file sets is the one that counts', async () => {
  const grants = [{ subject: 'crew', role: 'two', object: 'site-1' }]
  expect(await warnings({ settings: { acl_max_rules: 5 }, grants })).toEqual([])
})

test('of many the first twenty are looked at', async () => {
  const users = Array.from({ length: 30 }, (_, i) => person(`u${i}`, ['crew']))
  const grants = [{ subject: 'crew', role: 'two', object: 'site-1' }]
  expect(await warnings({ users, grants })).toHaveLength(20)
})

test('a start names them too', async () => {
  const grants = [{ subject: 'crew', role: 'two', object: 'site-1' }]
  const { value, roundTrips } = await countRoundTrips(worker, () =>
    startBlueprint(worker.context(), { ...DOCUMENT, grants }, {}),
  )
  expect(roundTrips).toBe(2)
  expect(value.warnings).toEqual([about('ben@example.com')])
  expect((await startBlueprint(worker.context(), { grants }, {})).warnings).toBeUndefined()
})
