// `${site.id}` names the house in a template, and lets the rules of its rooms and devices be one:
// only where the house is reached whole, and never so that a rule speaks of another house.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mayPublish, parseAcl } from '../../policy/acl.ts'
import { compileAcl } from '../../worker/access/acl_claim.ts'
import { rightsOf } from '../../worker/access/rights.ts'
import type { Context } from '../../worker/context.ts'
import { startWorker } from '../context.ts'
import {
  clock,
  DEVICES,
  directGroups,
  GROUPS,
  groupsAbove,
  type World,
  worldArb,
  writeWorld,
} from './decisions/world.ts'
import { actor, details, type House, startHouse } from './fixture.ts'

const allow = (topic: string) => ({ permission: 'allow', action: 'publish', topic })

async function rulesOf({ worker }: House, id: string, max = 100): Promise<string[]> {
  const cx = worker.context()
  const compiled = compileAcl(cx, id, await cx.db.read(rightsOf(id, cx.now())), max)
  if ('fault' in compiled) throw new Error(compiled.fault)
  return compiled.rules.map(({ topic }) => topic).sort()
}

/** estate > site-1 (with 100 rooms), site-2 (room-x). */
async function startHouses() {
  const house = await startHouse()
  const { make, user } = house
  await make('POST /v1/groups', { id: 'estate', kind: 'estate' })
  for (const id of ['site-1', 'site-2']) {
    await make('POST /v1/groups', { id, kind: 'site', parent_id: 'estate' })
  }
  await make('POST /v1/groups', { id: 'room-x', kind: 'room', parent_id: 'site-2' })
  for (const id of ['ann', 'bob', 'boss']) await user(id)
  return house
}

describe('rules that name the site', () => {
  test('are one for a hundred rooms, and one for each room where a part of the house is reached', async () => {
    const house = await startHouses()
    const { make } = house
    await make('POST /v1/groups', { id: 'floor', kind: 'floor', parent_id: 'site-1' })
    for (let i = 0; i < 100; i++) {
      await make('POST /v1/groups', {
        ...{ id: `room-${i}`, kind: 'room', parent_id: i < 2 ? 'floor' : 'site-1' },
      })
    }
    await make('POST /v1/roles', {
      name: 'resident',
      acl: [allow('s/${site.id}/r/${group.id}/set'), allow('s/${site.id}/r/${group.id}/get')],
    })
    const grant = (subject: string, object: string) =>
      make('POST /v1/grants', { subject, role: 'resident', object })
    await grant('ann', 'site-1')
    expect(await rulesOf(house, 'ann')).toEqual(['s/site-1/r/+/get', 's/site-1/r/+/set'])
    await grant('bob', 'floor')
    expect(await rulesOf(house, 'bob')).toEqual(
      ['floor', 'room-0', 'room-1'].flatMap((id) => [
        `s/site-1/r/${id}/get`,
        `s/site-1/r/${id}/set`,
      ]),
    )
    await grant('boss', 'estate')
    // The estate itself is in no site, so it has no rule.
    expect(await rulesOf(house, 'boss')).toEqual(
      ['site-1', 'site-2'].flatMap((id) => [`s/${id}/r/+/get`, `s/${id}/r/+/set`]),
    )
  })

  test('of a device type are one for a device in 45 rooms', async () => {
    const house = await startHouses()
    const { make, device, deviceType } = house
    await deviceType('hub', [
      allow('s/${site.id}/d/${device.id}/a'),
      allow('s/${site.id}/d/${device.id}/b'),
    ])
    for (let i = 0; i < 45; i++) {
      await make('POST /v1/groups', { id: `room-${i}`, kind: 'room', parent_id: 'site-1' })
    }
    await device('hub-1', {
      type: 'hub',
      groups: Array.from({ length: 45 }, (_, i) => `room-${i}`),
    })
    expect(await rulesOf(house, 'hub-1')).toEqual(['s/site-1/d/hub-1/a', 's/site-1/d/hub-1/b'])
    await device('lost', { type: 'hub', groups: ['estate'] })
    expect(await rulesOf(house, 'lost')).toEqual([])
  })

  test('stand for the devices of a house by a wildcard, and name them where it is reached in part', async () => {
    const house = await startHouses()
    const { make, device } = house
    await make('POST /v1/groups', { id: 'room-1', kind: 'room', parent_id: 'site-1' })
    await device('lamp', { groups: ['room-1'] })
    await device('door', { groups: ['site-1'] })
    await make('POST /v1/roles', { name: 'user', acl: [allow('s/${site.id}/d/${device.id}/set')] })
    await make('POST /v1/grants', { subject: 'ann', role: 'user', object: 'site-1' })
    await make('POST /v1/grants', { subject: 'bob', role: 'user', object: 'room-1' })
    expect(await rulesOf(house, 'ann')).toEqual(['s/site-1/d/+/set'])
    expect(await rulesOf(house, 'bob')).toEqual(['s/site-1/d/lamp/set'])
  })

  test('are named one by one where a condition asks of which one they speak', async () => {
    const house = await startHouses()
    const { make, device } = house
    await make('POST /v1/groups', { id: 'room-1', kind: 'room', parent_id: 'site-1' })
    await device('lock', { type: 'lock', groups: ['room-1'] })
    await device('lamp', { type: 'lamp', groups: ['room-1'] })
    await make('POST /v1/roles', {
      name: 'user',
      acl: [allow('s/${site.id}/r/${group.id}'), allow('s/${site.id}/d/${device.id}')],
    })
    const grant = (subject: string, condition: string) =>
      make('POST /v1/grants', { subject, role: 'user', object: 'site-1', condition })
    await grant('ann', 'group.kind == "room"')
    expect(await rulesOf(house, 'ann')).toEqual([
      's/site-1/d/lamp',
      's/site-1/d/lock',
      's/site-1/r/room-1',
    ])
    await grant('bob', 'device.type == "lock"')
    expect(await rulesOf(house, 'bob')).toEqual(['s/site-1/d/lock'])
  })
})

test('a group gets another house by those alone who could give its roles there', async () => {
  const house = await startHouses()
  const { make, call } = house
  await make('POST /v1/groups', { id: 'flat', kind: 'site', parent_id: 'site-1' })
  await make('POST /v1/groups', { id: 'room', kind: 'room', parent_id: 'flat' })
  await make('POST /v1/roles', { name: 'keeper', acl: [allow('s/${site.id}/door')] })
  await make('POST /v1/roles', { name: 'clerk', permissions: ['access:write'] })
  await make('POST /v1/grants', { subject: 'bob', role: 'keeper', object: 'room' })
  await make('POST /v1/grants', { subject: 'ann', role: 'clerk', object: '*' })
  const as = actor('user', 'ann', 'access:write')
  expect(await rulesOf(house, 'bob')).toEqual(['s/flat/door'])
  for (const [path, patch] of [
    ['flat', { kind: 'floor' }],
    ['room', { parent_id: 'site-2' }],
  ] as const) {
    expect((await call(`PATCH /v1/groups/${path}`, patch, { as })).status).toBe(403)
  }
  expect(await rulesOf(house, 'bob')).toEqual(['s/flat/door'])
  // A house that moves stays one, and the rules within it as they are.
  await make('PATCH /v1/groups/flat', { parent_id: 'site-2' }, { as })
  expect(await rulesOf(house, 'bob')).toEqual(['s/flat/door'])
  await make('POST /v1/grants', { subject: 'ann', role: 'keeper', object: 'site-2' })
  await make('PATCH /v1/groups/flat', { kind: 'floor' }, { as })
  expect(await rulesOf(house, 'bob')).toEqual(['s/site-2/door'])
})

test('a group with devices gets another house by those alone who could give the rules of their types there', async () => {
  const house = await startHouses()
  const { make, call, device, deviceType } = house
  await deviceType('bell', [allow('s/${site.id}/bells'), allow('s/${site.id}/d/${device.id}')])
  await make('POST /v1/groups', { id: 'floor', kind: 'floor', parent_id: 'site-1' })
  await make('POST /v1/groups', { id: 'other', kind: 'floor', parent_id: 'site-1' })
  await make('POST /v1/groups', { id: 'room', kind: 'room', parent_id: 'floor' })
  await make('POST /v1/groups', { id: 'flat', kind: 'site', parent_id: 'floor' })
  await device('bell-1', { type: 'bell', groups: ['room'] })
  await device('bell-2', { type: 'bell', groups: ['flat'] })
  await make('POST /v1/roles', { name: 'clerk', permissions: ['access:write'] })
  await make('POST /v1/roles', { name: 'ringer', acl: [allow('s/${site.id}/bells')] })
  await make('POST /v1/grants', { subject: 'ann', role: 'clerk', object: '*' })
  const as = actor('user', 'ann', 'access:write')
  const move = (parent_id: string | null, kind?: string) =>
    call('PATCH /v1/groups/floor', { parent_id, ...(kind === undefined ? {} : { kind }) }, { as })
  const rules = async () => [await rulesOf(house, 'bell-1'), await rulesOf(house, 'bell-2')]
  const before = await rules()
  expect(before[0]).toContain('s/site-1/bells')
  const isRefused = async (answer: ReturnType<typeof call>) => {
    expect([(await answer).status, details(await answer)]).toEqual([
      403,
      expect.stringContaining('the device type bell'),
    ])
    expect(await rules()).toEqual(before)
  }
  await isRefused(move('site-2'))
  await isRefused(move('site-1', 'site'))
  // Where there is no house they lose the one that they have.
  await isRefused(move(null))
  // To hold the rules there alone is too little: those of here end.
  await make('POST /v1/grants', { subject: 'ann', role: 'ringer', object: 'site-2' })
  await isRefused(move('site-2'))
  // Within a house nothing changes for them.
  await make('PATCH /v1/groups/room', { parent_id: 'other' }, { as })
  await make('PATCH /v1/groups/room', { parent_id: 'floor' }, { as })
  await make('POST /v1/grants', { subject: 'ann', role: 'ringer', object: 'site-1' })
  await make('PATCH /v1/groups/floor', { parent_id: 'site-2' }, { as })
  expect((await rules())[0]).toContain('s/site-2/bells')
  expect((await rules())[1]).toEqual(before[1])
})

// --- the property -----------------------------------------------------------------------------

const siteOf = (world: World, group: string): string | undefined =>
  groupsAbove(world, group).find((one) => world.kinds[Number(one.slice(1))] === 'site')

const TEMPLATES = [
  's/${site.id}/${group.id}',
  's/${site.id}/${group.id}/${device.id}',
  's/${group.id}/${site.id}',
  's/${site.id}/d/${device.id}',
  's/${site.id}/x-${group.id}',
]

const fill = (template: string, site: string, group: string, device: string) =>
  template.replace('${site.id}', site).replace('${group.id}', group).replace('${device.id}', device)

async function aclOf(cx: Context, subject: string) {
  const compiled = compileAcl(cx, subject, await cx.db.read(rightsOf(subject, cx.now())), 256)
  if ('fault' in compiled) throw new Error(compiled.fault)
  const read = parseAcl(compiled.rules)
  if ('fault' in read) throw new Error(read.fault)
  return read.acl
}

test('a merged rule speaks of nothing outside the place, of what is there and of what may be made', async () => {
  const worker = await startWorker()
  worker.clock.now = clock
  const cx = { ...worker.context(), log: () => {} }
  await fc.assert(
    fc.asyncProperty(
      worldArb,
      fc.constantFrom(...GROUPS),
      fc.constantFrom(...TEMPLATES),
      async (drawn, object, template) => {
        const world: World = {
          ...drawn,
          roles: [{ permissions: [], acl: [{ permission: 'allow', topic: template }] }],
          grants: [{ subject: 'u0', role: 0, object, condition: null, window: 'open' }],
        }
        await writeWorld(cx, world)
        const acl = await aclOf(cx, 'u0')
        const may = (topic: string) => mayPublish(acl, topic, 0, false)
        // Groups and devices of every place, and some that are made later somewhere else.
        for (const group of GROUPS) {
          const site = siteOf(world, group)
          if (site === undefined) continue
          const isInside = groupsAbove(world, group).includes(object)
          const devices = DEVICES.filter((one) => directGroups(world, one).includes(group))
          for (const device of devices) {
            const isDeviceInside = directGroups(world, device).some(
              (one) => siteOf(world, one) === site && groupsAbove(world, one).includes(object),
            )
            const names = template.includes('${group.id}') ? isInside : isDeviceInside
            expect([template, may(fill(template, site, group, device))]).toEqual([template, names])
          }
          if (!isInside && template.includes('${group.id}')) {
            expect(may(fill(template, site, group, 'new'))).toBe(false)
          }
          // A new room below this group.
          if (!isInside)
            expect(may(fill(template, site, 'new-room', 'new'))).toBe(
              template.includes('${group.id}') || template.includes('${device.id}')
                ? groupsAbove(world, site).includes(object) && !template.includes('x-')
                : false,
            )
        }
        // Another house, with rooms and devices of any name.
        for (const group of [...GROUPS, 'new-room']) {
          for (const device of [...DEVICES, 'new']) {
            expect(may(fill(template, 'new-site', group, device))).toBe(false)
          }
        }
      },
    ),
    { numRuns: 80 },
  )
})
