// Searches (AuthZEN Authorization API 1.0, §8) over HTTP: pages, tokens, costs, and those who reach
// more than can be listed.
import { describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { countRoundTrips } from '../../context.ts'
import { actor, type House, startHouse } from '../fixture.ts'

type Found = {
  results: { type?: string; id?: string; name?: string }[]
  page: { next_token: string; count: number }
}

/** site-1 > room-1; d00 to d09 in room-1; ann reads the site, bob the room, the boss all. */
async function startSite() {
  const house = await startHouse()
  const { make, user, device } = house
  await make('POST /v1/groups', { id: 'site-1', kind: 'site' })
  await make('POST /v1/groups', { id: 'room-1', parent_id: 'site-1' })
  await make('POST /v1/groups', { id: 'team' })
  for (const id of ['ann', 'bob', 'boss', 'eve']) await user(id)
  await user('off', 'disabled')
  for (let i = 0; i < 10; i++) {
    await device(`d0${i}`, { type: i % 2 ? 'lock' : 'lamp', groups: ['room-1'] })
  }
  await device('elsewhere')
  await make('POST /v1/roles', { name: 'reader', permissions: ['read', 'list'] })
  const grant = (subject: string, object: string, more: object = {}) =>
    make('POST /v1/grants', { subject, role: 'reader', object, ...more })
  await grant('team', 'site-1')
  await make('POST /v1/groups/team/members', { id: 'ann' })
  await make('POST /v1/groups/team/members', { id: 'off' })
  await grant('bob', 'room-1')
  await make('POST /v1/grants', { subject: 'boss', role: 'operator', object: '*' })
  return { ...house, grant }
}

const ids = ({ results }: Found) => results.map(({ id, name }) => id ?? name)

const search = async ({ make }: Pick<House, 'make'>, what: string, body: object) =>
  (await make(`POST /access/v1/search/${what}`, body)) as Found

const resourcesOf = (id: string, more: object = {}) => ({
  subject: { type: 'user', id },
  action: { name: 'read' },
  resource: { type: 'device' },
  ...more,
})
const subjectsOn = (id: string, more: object = {}) => ({
  subject: { type: 'user' },
  action: { name: 'read' },
  resource: { type: 'device', id },
  ...more,
})

describe('search', () => {
  test('finds resources, subjects through their groups, and actions', async () => {
    const house = await startSite()
    const devices = Array.from({ length: 10 }, (_, i) => `d0${i}`)
    expect(ids(await search(house, 'resource', resourcesOf('ann')))).toEqual(devices)
    expect(ids(await search(house, 'resource', resourcesOf('boss')))).toEqual([
      ...devices,
      'elsewhere',
    ])
    expect(await search(house, 'resource', resourcesOf('off'))).toEqual({
      results: [],
      page: { next_token: '', count: 0 },
    })
    const groups = resourcesOf('ann', { resource: { type: 'group' } })
    expect(ids(await search(house, 'resource', groups))).toEqual(['room-1', 'site-1'])
    const documents = resourcesOf('boss', { resource: { type: 'document' } })
    expect(ids(await search(house, 'resource', documents))).toEqual([])
    expect((await search(house, 'subject', subjectsOn('d00'))).results).toEqual([
      { type: 'user', id: 'ann' },
      { type: 'user', id: 'bob' },
      { type: 'user', id: 'boss' },
    ])
    expect(ids(await search(house, 'subject', subjectsOn('elsewhere')))).toEqual(['boss'])
    expect(ids(await search(house, 'subject', subjectsOn('nothing')))).toEqual([])
    const actions = {
      subject: { type: 'user', id: 'ann' },
      resource: { type: 'device', id: 'd00' },
    }
    expect((await search(house, 'action', actions)).results).toEqual([
      { name: 'list' },
      { name: 'read' },
    ])
  })

  test('holds the conditions of grants to each object and to the context', async () => {
    const house = await startSite()
    await house.grant('eve', 'site-1', {
      condition: 'device.type == "lock" && context.pin == "ok"',
    })
    const wanted = resourcesOf('eve', { context: { pin: 'ok' } })
    expect(ids(await search(house, 'resource', wanted))).toEqual([
      'd01',
      'd03',
      'd05',
      'd07',
      'd09',
    ])
    expect(ids(await search(house, 'resource', resourcesOf('eve')))).toEqual([])
    expect(
      ids(await search(house, 'subject', subjectsOn('d01', { context: { pin: 'ok' } }))),
    ).toContain('eve')
    expect(
      ids(await search(house, 'subject', subjectsOn('d00', { context: { pin: 'ok' } }))),
    ).not.toContain('eve')
  })

  test('goes page by page; a token that is forged, or of another question, is refused', async () => {
    const house = await startSite()
    const { call } = house
    const first = await search(house, 'resource', resourcesOf('ann', { page: { limit: 4 } }))
    expect([ids(first), first.page.count]).toEqual([['d00', 'd01', 'd02', 'd03'], 4])
    const token = first.page.next_token
    const second = await search(
      house,
      'resource',
      resourcesOf('ann', { page: { token, limit: 6 } }),
    )
    expect([ids(second), second.page.next_token]).toEqual([
      ['d04', 'd05', 'd06', 'd07', 'd08', 'd09'],
      '',
    ])
    for (const body of [
      resourcesOf('ann', { page: { token: `x${token}` } }),
      resourcesOf('bob', { page: { token } }),
      resourcesOf('ann', { page: { token }, action: { name: 'list' } }),
      resourcesOf('ann', { page: { token }, context: { a: 1 } }),
      resourcesOf('ann', { page: { token }, resource: { type: 'group' } }),
    ]) {
      const answer = await call('POST /access/v1/search/resource', body)
      expect([answer.status, answer.body['type']]).toEqual([
        400,
        'urn:allauth:problem:invalid_request',
      ])
    }
  })

  test('costs one round trip, needs access:read, and is in the metadata', async () => {
    const { worker, call } = await startSite()
    for (const [what, body] of [
      ['resource', resourcesOf('ann')],
      ['subject', subjectsOn('d00')],
      ['action', { subject: { type: 'user', id: 'ann' }, resource: { type: 'device', id: 'd00' } }],
    ] as const) {
      const path = `POST /access/v1/search/${what}`
      const { value, roundTrips } = await countRoundTrips(worker, () => call(path, body))
      expect([roundTrips, value.status, value.headers.get('cache-control')]).toEqual([
        1,
        200,
        'no-store',
      ])
      const as = actor('client', 'app', 'devices:read')
      expect((await call(path, body, { as })).status).toBe(403)
      const metadata = await call('GET /.well-known/authzen-configuration')
      expect(metadata.body[`search_${what}_endpoint`]).toBe(
        `${worker.context().config.issuer}/access/v1/search/${what}`,
      )
    }
  })

  test('walks by id where a subject reaches more than can be listed, and misses none', async () => {
    const house = await startSite()
    const { worker } = house
    const cx = worker.context()
    // Every second of 5,000 devices is in the room.
    const many = sql`with recursive n(i) as (select 10000 union all select i + 1 from n where i < 14999)`
    await cx.db.write([
      sql`insert into principal (id, kind, rid, created_at)
        ${many} select 'e' || i, 'device', 'r', 0 from n`,
      sql`insert into device (id, type, status, metadata, created_at, updated_at, version)
        ${many} select 'e' || i, 'lamp', 'active', '{}', 0, 0, 1 from n`,
      sql`insert into membership (group_id, member_id, created_at)
        ${many} select 'room-1', 'e' || i, 0 from n where i % 2 = 0`,
    ])
    const found: (string | undefined)[] = []
    let token: string | undefined
    let pages = 0
    do {
      const page = { limit: 200, ...(token === undefined ? {} : { token }) }
      const answer = await search(house, 'resource', resourcesOf('ann', { page }))
      found.push(...ids(answer))
      token = answer.page.next_token
      pages++
    } while (token !== '' && pages < 100)
    expect(found).toHaveLength(2510)
    expect(found.slice(0, 11)).toEqual([
      ...Array.from({ length: 10 }, (_, i) => `d0${i}`),
      'e10000',
    ])
    expect(new Set(found).size).toBe(2510)
  })
})
