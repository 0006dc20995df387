// Groups, members and grants as people reach them who hold their scopes on some groups alone.
import { describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { countRoundTrips } from '../../context.ts'
import { idsOf, startHomes } from '../../support/places.ts'

describe('the reach of a token', () => {
  test('an owner gets the scopes that a role gives on a home, and no others', async () => {
    const { as } = await startHomes()
    const ann = await as('ann')
    expect((await ann('GET /v1/groups/site-1')).status).toBe(200)
    expect((await ann('GET /v1/keys')).status).toBe(403)
    expect((await ann('GET /v1/settings')).status).toBe(403)
    // Scopes held on a home, for operations that are about everything.
    expect((await ann('POST /v1/roles', { name: 'mine' })).status).toBe(403)
    expect((await ann('POST /v1/devices', { type: 'dimmer' })).status).toBe(403)
    await expect(as('bob')).rejects.toThrow('invalid_')
  })

  test('the reach ends with the grant, without another token', async () => {
    const { as, worker } = await startHomes()
    const ann = await as('ann')
    const { roundTrips } = await countRoundTrips(worker, () => ann('GET /v1/groups/site-1'))
    expect(roundTrips).toBe(2)
    const end = worker.clock.now
    await worker
      .context()
      .db.write([sql`update "grant" set expires_at = ${end} where subject_id = 'ann'`])
    expect((await ann('GET /v1/groups/site-1')).status).toBe(403)
  })

  test('of two scopes one may reach everywhere and the other a home alone', async () => {
    const { as, ops } = await startHomes()
    await ops('POST /v1/roles', { name: 'looker', permissions: ['access:read'] })
    await ops('POST /v1/grants', { subject: 'ann', role: 'looker', object: '*' })
    const ann = await as('ann')
    expect((await ann('GET /v1/groups/site-2')).status).toBe(200)
    expect((await ann('PATCH /v1/groups/site-2', { name: 'Mine' })).status).toBe(404)
    expect((await ann('PATCH /v1/groups/room-1', { name: 'Bath' })).status).toBe(200)
  })
})

describe('groups', () => {
  test('an owner sees the home and all below it, page by page, and nothing beside or above', async () => {
    const { as } = await startHomes()
    const ann = await as('ann')
    expect(idsOf(await ann('GET /v1/groups'))).toEqual(['room-1', 'site-1'])
    expect(idsOf(await ann('GET /v1/groups?kind=room'))).toEqual(['room-1'])
    expect(idsOf(await ann('GET /v1/groups?parent_id=site-1'))).toEqual(['room-1'])
    for (const parent of ['region', 'site-2', 'nowhere']) {
      expect(idsOf(await ann(`GET /v1/groups?parent_id=${parent}`)), parent).toEqual([])
    }
    const first = await ann('GET /v1/groups?limit=1')
    const next = await ann(`GET /v1/groups?limit=1&cursor=${first.body['next_cursor']}`)
    expect([idsOf(first), idsOf(next), next.body['next_cursor']]).toEqual([
      ['room-1'],
      ['site-1'],
      null,
    ])
    expect((await ann('GET /v1/groups/site-1')).body['parent_id']).toBe(null)
    expect((await ann('GET /v1/groups/room-1')).body['parent_id']).toBe('site-1')
  })

  test('a group out of reach is answered like one that is not there, byte for byte', async () => {
    const { as, worker } = await startHomes()
    const ann = await as('ann')
    const calls: [string, unknown?][] = [
      ['GET /v1/groups/ID'],
      ['PATCH /v1/groups/ID', { name: 'Mine' }],
      ['PATCH /v1/groups/ID', { parent_id: 'site-1' }],
      ['DELETE /v1/groups/ID'],
      ['GET /v1/groups/ID/members'],
      ['POST /v1/groups/ID/members', { id: 'bob' }],
      ['DELETE /v1/groups/ID/members/bob'],
      ['DELETE /v1/groups/ID/members/eve'],
      ['POST /v1/groups', { parent_id: 'ID' }],
      ['PATCH /v1/groups/room-1', { parent_id: 'ID' }],
      ['POST /v1/grants', { subject: 'bob', role: 'guest', object: 'ID' }],
      ['POST /v1/grants', { subject: 'ID', role: 'guest', object: 'site-1' }],
    ]
    const conditions: HeadersInit[] = [{}, { 'if-match': '"1"' }, { 'if-match': '"7"' }]
    for (const headers of conditions) {
      for (const [what, body] of calls) {
        const answers = []
        for (const id of ['nowhere', 'site-2', 'region', 'room-2']) {
          const text = JSON.stringify(body ?? null).replace('ID', id)
          const { value, roundTrips } = await countRoundTrips(worker, () =>
            ann(what.replace('ID', id), body === undefined ? undefined : text, headers),
          )
          answers.push([value.status, JSON.stringify(value.body), roundTrips])
        }
        expect(new Set(answers.map((one) => JSON.stringify(one))).size, what).toBe(1)
        expect([404, 400, 412], what).toContain(answers[0]?.[0])
      }
    }
  })

  test('an owner makes, names, moves and deletes rooms', async () => {
    const { as } = await startHomes()
    const ann = await as('ann')
    const made = await ann('POST /v1/groups', { kind: 'room', name: 'Attic', parent_id: 'site-1' })
    expect(made.status).toBe(201)
    const attic = made.body['id']
    expect((await ann(`PATCH /v1/groups/${attic}`, { name: 'Loft' })).status).toBe(200)
    expect((await ann(`PATCH /v1/groups/${attic}`, { parent_id: 'room-1' })).body).toMatchObject({
      parent_id: 'room-1',
    })
    expect((await ann(`DELETE /v1/groups/${attic}`)).status).toBe(204)
    expect((await ann('PATCH /v1/groups/site-1', { name: 'Ours' })).status).toBe(200)
  })

  test('a home is not moved, nor hung elsewhere, and ids are not chosen', async () => {
    const { as, ops } = await startHomes()
    await ops('POST /v1/grants', { subject: 'ann', role: 'owner', object: 'site-2' })
    const ann = await as('ann')
    expect((await ann('PATCH /v1/groups/site-1', { parent_id: 'room-2' })).status).toBe(403)
    expect((await ann('PATCH /v1/groups/room-1', { parent_id: null })).status).toBe(403)
    expect((await ann('POST /v1/groups', { name: 'Free' })).status).toBe(403)
    const taken = await ann('POST /v1/groups', { id: 'room-2', parent_id: 'site-1' })
    const free = await ann('POST /v1/groups', { id: 'free', parent_id: 'site-1' })
    expect([taken.status, taken.body]).toEqual([free.status, free.body])
    expect(free.status).toBe(403)
    // Topics follow from kinds, and a factor may be the demand of whoever runs the place.
    expect((await ann('PATCH /v1/groups/site-1', { kind: 'room' })).status).toBe(403)
    expect((await ann('PATCH /v1/groups/site-1', { require_factor: true })).status).toBe(403)
    // Between two homes of one owner a room may move.
    expect((await ann('PATCH /v1/groups/room-1', { parent_id: 'site-2' })).status).toBe(200)
  })
})

describe('members', () => {
  test('an owner moves people and things between rooms, and brings nobody in', async () => {
    const { as } = await startHomes()
    const ann = await as('ann')
    expect(idsOf(await ann('GET /v1/groups/site-1/members'))).toEqual(['ann', 'bob', 'hub', 'tim'])
    for (const id of ['bob', 'bob@example.com', 'lamp-1', 'hub']) {
      expect((await ann('POST /v1/groups/room-1/members', { id })).status, id).toBeLessThan(300)
    }
    expect((await ann('DELETE /v1/groups/room-1/members/bob')).status).toBe(204)
    const strangers = ['nobody', 'eve', 'eve@example.com', 'no@example.com', 'lamp-2', 'spare']
    const answers = new Set<string>()
    for (const id of [...strangers, 'boss', 'app']) {
      const { status, body } = await ann('POST /v1/groups/room-1/members', { id })
      answers.add(JSON.stringify([status, body]))
    }
    expect(answers.size).toBe(1)
    expect([...answers][0]).toContain('there is no such')
  })

  test('a device is moved with the scope over devices alone, held on that device', async () => {
    const { as, ops } = await startHomes()
    await ops('POST /v1/roles', { name: 'host', permissions: ['access:read', 'access:write'] })
    await ops('POST /v1/grants', { subject: 'bob', role: 'host', object: 'site-1' })
    const bob = await as('bob')
    const body = { id: 'lamp-1' }
    expect((await bob('POST /v1/groups/site-1/members', body)).status).toBe(403)
    await ops('POST /v1/roles', { name: 'fitter', permissions: ['devices:write', 'device:read'] })
    await ops('POST /v1/grants', { subject: 'bob', role: 'fitter', object: 'site-2' })
    const again = await as('bob')
    expect((await again('POST /v1/groups/site-1/members', body)).status).toBe(403)
  })

  test('nobody enters a group that gives more than the owner holds', async () => {
    const { as, ops } = await startHomes()
    await ops('POST /v1/grants', { subject: 'room-1', role: 'technician', object: 'site-1' })
    const ann = await as('ann')
    expect((await ann('POST /v1/groups/room-1/members', { id: 'ann' })).status).toBe(403)
    await ops('POST /v1/grants', { subject: 'room-1', role: 'technician', object: 'site-2' })
    const refused = await ann('POST /v1/groups/room-1/members', { id: 'ann' })
    expect(JSON.stringify(refused.body)).not.toContain('site-2')
  })
})

describe('grants', () => {
  test('an owner sees who may do what in the home, wherever the subject is from', async () => {
    const { as, ops } = await startHomes()
    const made = await ops('POST /v1/grants', { subject: 'eve', role: 'guest', object: 'lamp-1' })
    const ann = await as('ann')
    const all = await ann('GET /v1/grants')
    expect(all.body.items.map(({ subject }) => subject).sort()).toEqual(['ann', 'bob', 'eve'])
    expect(idsOf(await ann('GET /v1/grants?subject=tim'))).toEqual([])
    expect(idsOf(await ann('GET /v1/grants?object=site-2'))).toEqual([])
    expect(idsOf(await ann('GET /v1/grants?object=*'))).toEqual([])
    expect((await ann(`DELETE /v1/grants/${made.body['id']}`)).status).toBe(204)
    const others = await ops('GET /v1/grants?object=site-2')
    const missing = `grt_${'0'.repeat(26)}`
    for (const what of ['GET', 'DELETE', 'PATCH']) {
      const body = what === 'PATCH' ? { expires_at: null } : undefined
      const there = await ann(`${what} /v1/grants/${others.body.items[0]?.['id']}`, body)
      const gone = await ann(`${what} /v1/grants/${missing}`, body)
      expect([there.status, there.body]).toEqual([gone.status, gone.body])
      expect(there.status).toBe(404)
    }
  })

  test('an owner gives what the own role holds there, for members alone', async () => {
    const { as } = await startHomes()
    const ann = await as('ann')
    const give = async (subject: string, role: string, object: string) =>
      (await ann('POST /v1/grants', { subject, role, object })).status
    expect(await give('bob', 'guest', 'room-1')).toBe(201)
    // The rules of the role are among those of the role that she holds there.
    expect(await give('tim', 'resident', 'site-1')).toBe(201)
    expect(await give('bob', 'technician', 'site-1')).toBe(403)
    expect(await give('ann', 'technician', 'site-1')).toBe(403)
    expect(await give('ann', 'master', 'site-1')).toBe(403)
    expect(await give('ann', 'operator', 'room-1')).toBe(403)
    expect(await give('ann', 'everything', 'site-1')).toBe(403)
    for (const object of ['*', 'region', 'site-2', 'lamp-2', 'spare']) {
      expect(await give('bob', 'guest', object), object).toBe(400)
    }
    for (const subject of ['eve', 'boss', 'spare', 'region', 'app', 'eve@example.com']) {
      expect(await give(subject, 'guest', 'site-1'), subject).toBe(400)
    }
  })

  test('whoever reaches a home until this evening gives nothing that lasts longer', async () => {
    const { as, ops, worker } = await startHomes()
    const evening = worker.clock.now + 7200
    const [own] = (await ops('GET /v1/grants?subject=ann')).body.items
    await ops(`PATCH /v1/grants/${own?.['id']}`, { expires_at: evening })
    const ann = await as('ann')
    const guest = { subject: 'bob', role: 'guest', object: 'site-1' }
    expect((await ann('POST /v1/grants', guest)).status).toBe(403)
    expect((await ann('POST /v1/grants', { ...guest, expires_at: evening + 1 })).status).toBe(403)
    expect((await ann('POST /v1/grants', { ...guest, expires_at: evening })).status).toBe(201)
    expect((await ann(`PATCH /v1/grants/${own?.['id']}`, { expires_at: null })).status).toBe(403)
  })

  test('a refusal names no place out of reach', async () => {
    const { as, ops } = await startHomes()
    await ops('POST /v1/grants', { subject: 'room-1', role: 'master', object: 'site-2' })
    const ann = await as('ann')
    const refused = await ann('POST /v1/groups/room-1/members', { id: 'bob' })
    expect(refused.status).toBe(403)
    expect(JSON.stringify(refused.body)).not.toMatch(/site-2|master/)
  })
})

test('decisions are answered about people and things of the home, with grants on it alone', async () => {
  const { as, ops } = await startHomes()
  await ops('POST /v1/grants', { subject: 'tim', role: 'technician', object: 'region' })
  const ann = await as('ann')
  const ask = async (subject: string, name: string, id: string, type = 'device') => {
    const body = {
      subject: { type: 'user', id: subject },
      action: { name },
      resource: { type, id },
    }
    const one = (await ann('POST /access/v1/evaluation', body)).body
    const several = await ann('POST /access/v1/evaluations', { ...body, evaluations: [{}] })
    expect(several.body['evaluations']).toEqual([one])
    return one
  }
  const granted = { decision: true, context: { reason: 'granted', grant: expect.any(String) } }
  expect(await ask('bob', 'device:command', 'lamp-1')).toEqual(granted)
  expect(await ask('bob', 'device:repair', 'lamp-1')).toMatchObject({ decision: false })
  // By a grant on the region, of which she is not told.
  expect(await ask('tim', 'device:repair', 'lamp-1')).toEqual({
    decision: true,
    context: { reason: 'granted' },
  })
  for (const subject of ['nobody', 'eve', 'boss']) {
    const answer = await ask(subject, 'device:read', 'lamp-1')
    expect(answer, subject).toEqual({ decision: false, context: { reason: 'unknown_subject' } })
  }
  const unknown = { decision: false, context: { reason: 'unknown_resource' } }
  for (const id of ['nothing', 'lamp-2', 'spare']) {
    expect(await ask('ann', 'device:read', id), id).toEqual(unknown)
  }
  expect(await ask('ann', 'device:read', 'page-1', 'document')).toEqual(unknown)
})
