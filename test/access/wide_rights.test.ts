// Rights that no token could carry are refused when they are given, in words that help.
import { expect, test } from 'vitest'
import { compileAcl } from '../../worker/access/acl_claim.ts'
import { rightsOf } from '../../worker/access/rights.ts'
import { details, type House, startHouse } from './fixture.ts'

const allow = (topic: string) => ({ permission: 'allow', action: 'publish', topic })

const isRefused = (answer: Awaited<ReturnType<House['call']>>) => {
  expect([answer.status, details(answer)]).toEqual([
    409,
    expect.stringContaining('no token any more'),
  ])
  expect(details(answer)).toContain('${site.id}')
}

/** site-1 with 60 rooms, ann, and roles with two rules for each room. */
async function startRooms() {
  const house = await startHouse()
  const { make, user, worker } = house
  await make('POST /v1/groups', { id: 'site-1', kind: 'site' })
  for (let i = 0; i < 60; i++) {
    await make('POST /v1/groups', { id: `room-${i}`, kind: 'room', parent_id: 'site-1' })
  }
  await user('ann')
  const rules = (place: string) => [allow(`${place}/get`), allow(`${place}/set`)]
  await make('POST /v1/roles', { name: 'roomwise', acl: rules('r/${group.id}') })
  await make('POST /v1/roles', { name: 'housewise', acl: rules('s/${site.id}/r/${group.id}') })
  await make('POST /v1/roles', { name: 'reader', permissions: ['read'] })
  const count = async (id: string) => {
    const cx = worker.context()
    const compiled = compileAcl(cx, id, await cx.db.read(rightsOf(id, cx.now())), 100)
    return 'fault' in compiled ? compiled.fault : compiled.rules.length
  }
  return { ...house, count }
}

test('one grant on a place with too many rooms is refused, and taken with rules that name the house', async () => {
  const { make, call, count } = await startRooms()
  const grant = (role: string) =>
    call('POST /v1/grants', { subject: 'ann', role, object: 'site-1' })
  isRefused(await grant('roomwise'))
  expect(await count('ann')).toBe(0)
  expect((await grant('housewise')).status).toBe(201)
  expect((await grant('reader')).status).toBe(201)
  expect(await count('ann')).toBe(2)
  // Given to a group, no member could have it.
  await make('POST /v1/groups', { id: 'family' })
  isRefused(
    await call('POST /v1/grants', { subject: 'family', role: 'roomwise', object: 'site-1' }),
  )
})

test('the grant that brings too many after others is refused, and one for an address too', async () => {
  const { call, count } = await startRooms()
  const grant = (subject: string, n: number) =>
    call('POST /v1/grants', { subject, role: 'roomwise', object: `room-${n}` })
  for (let i = 0; i < 35; i++) expect((await grant('ann', i)).status).toBe(201)
  expect(await count('ann')).toBe(70)
  let n = 35
  while ((await grant('ann', n)).status === 201 && n < 60) n++
  // 8 KiB of a token are full before there are a hundred rules.
  expect(n).toBeLessThan(50)
  isRefused(await grant('ann', n))
  isRefused(await grant('ann@example.com', n))
  expect(await count('ann')).toBe(2 * n)
})

test('a membership that brings too many rules is refused, of a device by its type and of a person by a group', async () => {
  const { make, call, device, deviceType, count } = await startRooms()
  await deviceType('hub', [
    allow('r/${group.id}/${device.id}/a'),
    allow('r/${group.id}/${device.id}/b'),
  ])
  await device('hub-1', { type: 'hub', groups: Array.from({ length: 37 }, (_, i) => `room-${i}`) })
  expect(await count('hub-1')).toBe(74)
  await make('POST /v1/groups/room-37/members', { id: 'hub-1' })
  isRefused(await call('POST /v1/groups/room-38/members', { id: 'hub-1' }))
  // It is a member already: nothing is brought.
  expect((await call('POST /v1/groups/room-0/members', { id: 'hub-1' })).status).toBeLessThan(300)
  await make('POST /v1/groups', { id: 'team' })
  await make('POST /v1/groups', { id: 'half', kind: 'floor' })
  for (let i = 0; i < 37; i++) {
    await make('POST /v1/groups', { id: `half-${i}`, kind: 'room', parent_id: 'half' })
  }
  await make('POST /v1/grants', { subject: 'team', role: 'roomwise', object: 'half' })
  for (let i = 0; i < 5; i++) {
    await make('POST /v1/grants', { subject: 'ann', role: 'roomwise', object: `room-${i}` })
  }
  isRefused(await call('POST /v1/groups/team/members', { id: 'ann' }))
})
