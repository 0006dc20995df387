// The record of events, as somebody reads it who holds the scope on some groups alone.
import { expect, test } from 'vitest'
import { type Call, idsOf, startHomes } from '../support/places.ts'

const typesOf = async (call: Call, query = '') =>
  (await call(`GET /v1/events${query}`)).body.items.map(
    (one) => `${one['type']} ${one['subject_id']}`,
  )

test('an owner reads what happened to the devices and groups of the home, since it is the own one', async () => {
  const { as, ops, worker } = await startHomes()
  worker.clock.now += 100
  await ops('PATCH /v1/devices/lamp-1', { name: 'of the former owner' })
  worker.clock.now += 100
  const [own] = (await ops('GET /v1/grants?subject=ann')).body.items
  await ops(`DELETE /v1/grants/${own?.['id']}`)
  await ops('POST /v1/grants', { subject: 'ann', role: 'owner', object: 'site-1' })
  const ann = await as('ann')
  await ops('PATCH /v1/devices/lamp-1', { name: 'Lamp' })
  await ops('PATCH /v1/devices/lamp-2', { name: 'Other lamp' })
  await ops('PATCH /v1/groups/room-1', { name: 'Bath' })
  await ops('PATCH /v1/groups/region', { name: 'North' })
  await ops('PATCH /v1/users/bob', { name: 'Bob' })
  await ops('POST /v1/grants', { subject: 'bob', role: 'guest', object: 'room-1' })
  const all = [
    'grant.created bob',
    'group.updated room-1',
    'device.updated lamp-1',
    'grant.created ann',
    'grant.deleted ann',
  ]
  expect(await typesOf(ann)).toEqual(all)
  const first = await ann('GET /v1/events?limit=2')
  const next = await ann(`GET /v1/events?limit=9&cursor=${first.body['next_cursor']}`)
  expect([...idsOf(first), ...idsOf(next)]).toEqual(idsOf(await ann('GET /v1/events')))
  expect(await typesOf(ann, '?type=group.updated')).toEqual(['group.updated room-1'])
  expect(await typesOf(ann, '?object=room-1')).toEqual([
    'grant.created bob',
    'group.updated room-1',
  ])
  for (const query of ['?object=lamp-2', '?subject_id=lamp-2', '?object=region']) {
    expect(await typesOf(ann, query), query).toEqual([])
  }
  for (const query of ['?rid=x', '?client_id=x']) {
    expect((await ann(`GET /v1/events${query}`)).status, query).toBe(403)
  }
  const [event] = first.body.items
  expect(event).toMatchObject({ address: '', client_id: null, rid: null, session_id: null })
  expect((await ann('GET /v1/events?type=device.updated')).body.items).toMatchObject([
    { before: null, after: null },
  ])
})

test('nothing is told of the time before a thing or a room came into the home, nor of other places', async () => {
  const { as, ops, worker } = await startHomes()
  worker.clock.now += 100
  await ops('PATCH /v1/devices/lamp-2', { name: 'in the other home' })
  await ops('PATCH /v1/devices/spare', { name: 'in the store' })
  worker.clock.now += 100
  await ops('PATCH /v1/groups/room-2', { parent_id: 'site-1' })
  await ops('POST /v1/groups/room-1/members', { id: 'spare' })
  worker.clock.now += 100
  await ops('PATCH /v1/devices/spare', { name: 'Lamp' })
  await ops('PATCH /v1/devices/lamp-2', { name: 'Lamp' })
  // The hub is in both homes: that it moves about in the other one is no matter of this one.
  await ops('PATCH /v1/devices/hub', { groups: ['site-1', 'region'] })
  await ops('POST /v1/grants', { subject: 'hub', role: 'guest', object: '*' })
  const ann = await as('ann')
  expect(await typesOf(ann, `?from=${worker.clock.now - 250}`)).toEqual([
    'device.updated lamp-2',
    'device.updated spare',
    'group.member_added spare',
    'group.updated room-2',
  ])
})
