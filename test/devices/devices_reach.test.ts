// Devices as people reach them who hold their scopes on some groups alone.
import { expect, test } from 'vitest'
import { countRoundTrips } from '../context.ts'
import { idsOf, startHomes } from '../support/places.ts'

test('an owner sees the devices of the home, page by page, and of their groups the own ones', async () => {
  const { as } = await startHomes()
  const ann = await as('ann')
  expect(idsOf(await ann('GET /v1/devices'))).toEqual(['hub', 'lamp-1'])
  const first = await ann('GET /v1/devices?limit=1')
  const next = await ann(`GET /v1/devices?limit=1&cursor=${first.body['next_cursor']}`)
  expect([idsOf(first), idsOf(next), next.body['next_cursor']]).toEqual([['hub'], ['lamp-1'], null])
  expect(idsOf(await ann('GET /v1/devices?group=room-1'))).toEqual(['lamp-1'])
  for (const group of ['site-2', 'room-2', 'nowhere']) {
    expect(idsOf(await ann(`GET /v1/devices?group=${group}`)), group).toEqual([])
  }
  for (const answer of [first.body.items[0], (await ann('GET /v1/devices/hub')).body]) {
    expect(answer).toMatchObject({ id: 'hub', groups: ['site-1'] })
  }
  expect((await ann('GET /v1/device-types')).body.items.length).toBe(1)
  expect((await ann('GET /v1/device-types/dimmer')).status).toBe(200)
  expect((await ann('POST /v1/device-types', { name: 'mine' })).status).toBe(403)
  expect((await ann('PATCH /v1/device-types/dimmer', { acl: [] })).status).toBe(403)
})

test('however devices are looked for, an owner finds those of the home alone', async () => {
  const { as, ops } = await startHomes()
  for (const id of ['lamp-1', 'lamp-2']) {
    await ops(`PATCH /v1/devices/${id}`, {
      tags: ['shared'],
      hardware_ids: [{ kind: 'serial', value: `sn-${id}` }],
      metadata: { colour: 'red' },
      parent: 'hub',
    })
  }
  const ann = await as('ann')
  const words = ['tag=shared', 'tag_any=shared', 'metadata.colour=red', 'parent=hub', 'q=lamp']
  for (const query of [
    ...words,
    'q=sn',
    'group=region&below=true',
    'hardware_id=serial:sn-lamp-2',
  ]) {
    const found = idsOf(await ops(`GET /v1/devices?${query}`))
    expect(found, query).toContain('lamp-2')
    const within = idsOf(await ann(`GET /v1/devices?${query}`))
    expect(within, query).toEqual(
      query.startsWith('group=') ? [] : found.filter((id) => id === 'lamp-1'),
    )
  }
})

test('a device out of reach is answered like one that is not there, byte for byte', async () => {
  const { as, ops, worker } = await startHomes()
  const secret = await ops('POST /v1/devices/lamp-2/credentials', { kind: 'secret' })
  const minted = await ops('POST /v1/devices/lamp-2/tokens', { expires_in: 600 })
  // A role of the device, which would be asked for before the device is looked for.
  await ops('POST /v1/grants', { subject: 'lamp-2', role: 'master', object: 'site-2' })
  const ann = await as('ann')
  const calls: [string, unknown?][] = [
    ['GET /v1/devices/ID'],
    ['PATCH /v1/devices/ID', { name: 'Mine' }],
    ['PATCH /v1/devices/ID', { groups: ['room-1'] }],
    ['PATCH /v1/devices/ID', { status: 'suspended' }],
    ['PATCH /v1/devices/ID', { mqtt_client_id: 'x' }],
    ['GET /v1/devices/ID/credentials'],
    ['POST /v1/devices/ID/credentials', { kind: 'secret' }],
    [`DELETE /v1/devices/ID/credentials/${secret.body['id']}`],
    ['GET /v1/devices/ID/tokens'],
    ['POST /v1/devices/ID/tokens', { expires_in: 600 }],
    [`DELETE /v1/devices/ID/tokens/${minted.body['id']}`],
    ['PATCH /v1/devices/lamp-1', { groups: ['room-1', 'GROUP'] }],
  ]
  for (const [what, body] of calls) {
    const answers: string[] = []
    for (const [id, group] of [
      ['nothing', 'nowhere'],
      ['lamp-2', 'room-2'],
      ['spare', 'region'],
    ] as const) {
      const text = JSON.stringify(body ?? null)
        .replace('ID', id)
        .replace('GROUP', group)
      const { value, roundTrips } = await countRoundTrips(worker, () =>
        ann(what.replace('ID', id), body === undefined ? undefined : text),
      )
      answers.push(JSON.stringify([value.status, value.body, roundTrips]))
    }
    expect(new Set(answers).size, `${what} ${answers.join(' ')}`).toBe(1)
    expect(answers[0], what).toMatch(/^\[40[04],/)
  }
  const stored = await ops('GET /v1/devices/lamp-2/credentials')
  expect(stored.body.items).toMatchObject([{ revoked_at: null }])
  expect((await ops('GET /v1/devices/lamp-2/tokens')).body.items).toMatchObject([
    { revoked_at: null },
  ])
  expect((await ops('GET /v1/devices/lamp-2')).body).toMatchObject({ name: null, status: 'active' })
})

test('an owner names, suspends and moves a device; its places elsewhere stay', async () => {
  const { as, ops } = await startHomes()
  const ann = await as('ann')
  const moved = await ann('PATCH /v1/devices/hub', { name: 'Hub', groups: ['room-1'] })
  expect([moved.status, moved.body['groups']]).toEqual([200, ['room-1']])
  expect((await ops('GET /v1/devices/hub')).body['groups']).toEqual(['room-1', 'site-2'])
  expect((await ann('PATCH /v1/devices/hub', { status: 'suspended' })).status).toBe(200)
  for (const groups of [[], null]) {
    expect((await ann('PATCH /v1/devices/lamp-1', { groups })).status).toBe(403)
  }
  expect((await ann('PATCH /v1/devices/lamp-1', { mqtt_client_id: 'lamp-1' })).status).toBe(403)
  expect((await ann('DELETE /v1/devices/lamp-1')).status).toBe(403)
  expect((await ops('GET /v1/devices/lamp-1')).body['groups']).toEqual(['room-1'])
})

test('an owner gives no device the rules of another type, nor values that rules of others read', async () => {
  const { as, ops } = await startHomes()
  const acl = [{ permission: 'allow', action: 'all', topic: '#' }]
  await ops('POST /v1/device-types', { name: 'gateway', acl })
  const reads = [{ permission: 'allow', action: 'all', topic: 'x/${device.metadata.area}' }]
  await ops('POST /v1/roles', { name: 'reader', acl: reads })
  await ops('POST /v1/grants', { subject: 'eve', role: 'reader', object: 'region' })
  const ann = await as('ann')
  expect((await ann('PATCH /v1/devices/lamp-1', { type: 'gateway' })).status).toBe(403)
  const refused = await ann('PATCH /v1/devices/lamp-1', { metadata: { area: 'home-2' } })
  expect(refused.status).toBe(403)
  expect(JSON.stringify(refused.body)).not.toContain('region')
  expect((await ann('PATCH /v1/devices/lamp-1', { metadata: { room: 'a' } })).status).toBe(200)
})

test('a key or a token of a device does not outlast the reach of who makes it', async () => {
  const { as, ops, worker } = await startHomes()
  const evening = worker.clock.now + 7200
  const [own] = (await ops('GET /v1/grants?subject=ann')).body.items
  await ops(`PATCH /v1/grants/${own?.['id']}`, { expires_at: evening })
  const ann = await as('ann')
  const credential = { kind: 'secret', expires_at: evening }
  const mint = async (expires_in: number) =>
    (await ann('POST /v1/devices/lamp-1/tokens', { expires_in })).status
  expect((await ann('POST /v1/devices/lamp-1/credentials', { kind: 'secret' })).status).toBe(403)
  expect((await ann('POST /v1/devices/lamp-1/credentials', credential)).status).toBe(201)
  expect([await mint(7201), await mint(7200)]).toEqual([403, 201])
  await ops(`PATCH /v1/grants/${own?.['id']}`, { expires_at: null })
  expect((await ann('POST /v1/devices/lamp-1/credentials', { kind: 'secret' })).status).toBe(201)
})

test('a gateway in another home is not named, asked for nor told by a cursor', async () => {
  const { as, ops } = await startHomes()
  for (const id of ['lamp-1', 'lamp-2', 'hub']) {
    const patch = { parent: 'spare', tags: ['old'] }
    expect((await ops(`PATCH /v1/devices/${id}`, patch)).status, id).toBe(200)
  }
  const ann = await as('ann')
  expect((await ann('GET /v1/devices/lamp-1')).body['parent']).toBe(null)
  expect((await ann('GET /v1/devices')).body.items).toMatchObject([
    { parent: null },
    { parent: null },
  ])
  expect(idsOf(await ann('GET /v1/devices?parent=spare'))).toEqual([])
  expect(idsOf(await ann('GET /v1/devices?group=region&below=true'))).toEqual([])
  const all = await ann('GET /v1/devices?group=site-1&below=true')
  expect(idsOf(all)).toEqual(['hub', 'lamp-1'])
  const page = await ann('GET /v1/devices?tag=old&limit=2')
  expect([idsOf(page), page.body['next_cursor']]).toEqual([['hub', 'lamp-1'], null])
  expect((await ann('PATCH /v1/devices/lamp-1', { parent: 'hub' })).body['parent']).toBe('hub')
})
