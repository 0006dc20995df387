// Reports of mProxy: who is connected, until when that counts, and why something was refused.
import { beforeEach, describe, expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { runJobs } from '../../worker/jobs.ts'
import { countRoundTrips, startWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { type Call, HOMES, startHomes } from '../support/places.ts'

const EPOCH = 'epoch-of-the-first-start'

let homes: Awaited<ReturnType<typeof startHomes>>
let ops: Call
let token: string
let seq = 0

beforeEach(async () => {
  homes = await startHomes({
    ...HOMES,
    device_types: [
      {
        name: 'dimmer',
        acl: [
          { permission: 'allow', action: 'publish', topic: 's/${group.id}/${device.id}/state' },
          { permission: 'deny', action: 'all', topic: 'secret/#' },
        ],
      },
    ],
  })
  ops = homes.ops
  token = await newClientToken(homes.worker, 'mproxy:report', 'door')
  seq = 0
})

type Entry = Record<string, unknown>

const entry = (event: string, session: number, sub: string, more: Entry = {}): Entry => ({
  event,
  session,
  sub,
  client_id: sub,
  at: homes.worker.clock.now,
  ...more,
})

async function report(entries: Entry[], more: Entry = {}, by = token) {
  const { now } = homes.worker.clock
  seq += 1
  return callApi(homes.worker, by, 'POST', '/v1/reports', {
    ...{ proxy: 'door-1', epoch: EPOCH, seq, started_at: now - 60, sessions: 1 },
    ...{ key_age: 5, list_age: null, entries },
    ...more,
  })
}

const connected = async (call = ops, query = '') =>
  ((await call(`GET /v1/connections${query}`)).body['items'] as Entry[]).map(({ sub }) => sub)

const refusalsOf = async (id: string, call = ops) =>
  (await call(`GET /v1/devices/${id}/refusals`)).body['items'] as Entry[]

describe('sessions', () => {
  test('are there from the report that they began to the one that they ended', async () => {
    const { worker } = homes
    const { value, roundTrips } = await countRoundTrips(worker, () =>
      report([
        entry('connected', 1, 'lamp-1'),
        entry('connected', 2, 'ann', { client_id: 'ann:p' }),
      ]),
    )
    expect([value.status, value.body]).toEqual([200, { lease: 30, resync: false }])
    // The guard, and the batch.
    expect(roundTrips).toBe(2)
    expect((await ops('GET /v1/connections')).body['items']).toEqual([
      { sub: 'ann', client_id: 'ann:p', proxy: 'door-1', since: worker.clock.now },
      { sub: 'lamp-1', client_id: 'lamp-1', proxy: 'door-1', since: worker.clock.now },
    ])
    expect(await connected(ops, '?sub=lamp-1')).toEqual(['lamp-1'])
    expect((await ops('GET /v1/devices/lamp-1')).body['last_seen_at']).toBe(worker.clock.now)
    // One that began and ended between two reports, and one that was there before.
    await report([
      entry('connected', 3, 'lamp-2'),
      entry('disconnected', 3, 'lamp-2', { reason: 'client_gone' }),
      entry('disconnected', 1, 'lamp-1', { reason: 'client_disconnect' }),
    ])
    expect(await connected()).toEqual(['ann'])
  })

  test('end with their lease, so that a crash leaves no ghosts, and are there again with it', async () => {
    const { worker } = homes
    await report([entry('connected', 1, 'lamp-1')])
    worker.clock.now += 29
    expect(await connected()).toEqual(['lamp-1'])
    worker.clock.now += 1
    expect(await connected()).toEqual([])
    await report([])
    expect(await connected()).toEqual(['lamp-1'])
    worker.clock.now += 7200
    await runJobs(worker.context())
    expect(await worker.context().db.read(sql`select 1 from presence`)).toEqual([])
    expect(await worker.context().db.read(sql`select 1 from mproxy_lease`)).toEqual([])
    // A lease that is forgotten begins anew.
    token = await newClientToken(worker, 'mproxy:report', 'later')
    expect((await report([])).body['resync']).toBe(true)
  })

  test('of before a restart, or before a gap, end with the next epoch, which nothing late revives', async () => {
    await report([entry('connected', 1, 'lamp-1'), entry('connected', 2, 'lamp-2')])
    await report([], { epoch: 'another-epoch-of-it', seq: 1 })
    expect(await connected()).toEqual([])
    await report([entry('connected', 1, 'lamp-2')], { epoch: 'another-epoch-of-it', seq: 2 })
    expect(await connected()).toEqual(['lamp-2'])
    // A report of the process of before, which was on its way for long.
    expect((await report([entry('connected', 9, 'spare')])).body['resync']).toBe(true)
    expect(await connected()).toEqual(['lamp-2'])
    // Another mProxy stays as it is.
    const other = { proxy: 'door-2', epoch: 'epoch-of-another-one', seq: 1 }
    await report([entry('connected', 1, 'hub')], other)
    expect(await connected()).toEqual(['hub', 'lamp-2'])
    expect((await ops('GET /v1/reports')).body['items']).toMatchObject([
      { proxy: 'door-1', sessions: 1, key_age: 5, list_age: null, dropped: 0 },
      { proxy: 'door-2' },
    ])
  })

  test('are told once, also where a report is sent again', async () => {
    const refused = entry('publish_refused', 1, 'lamp-1', { reason: 'not_allowed', topic: 'x' })
    await report([entry('connected', 1, 'lamp-1'), refused], { seq: 1 })
    await report([refused, entry('disconnected', 1, 'lamp-1')], { seq: 2 })
    const again = await report([refused, entry('disconnected', 1, 'lamp-1')], { seq: 2 })
    expect(again.body['resync']).toBe(false)
    expect(await refusalsOf('lamp-1')).toMatchObject([{ count: 2 }])
    await report([entry('connected', 1, 'lamp-1')], { seq: 1 })
    expect(await connected()).toEqual([])
  })

  test('begin with the first report of an epoch alone, and with the client that began it', async () => {
    expect((await report([entry('connected', 1, 'lamp-1')], { seq: 7 })).body['resync']).toBe(true)
    await report([entry('connected', 1, 'lamp-1')], { seq: 1 })
    const other = await newClientToken(homes.worker, 'mproxy:report', 'another')
    const foreign = await report([entry('connected', 2, 'lamp-2')], { seq: 8 }, other)
    expect(foreign.body['resync']).toBe(true)
    expect(await connected()).toEqual(['lamp-1'])
  })

  test('of devices in the own place are what an owner sees', async () => {
    const { as } = homes
    await report([
      ...['lamp-1', 'lamp-2', 'spare', 'bob', 'iss:x'].map((sub, n) => entry('connected', n, sub)),
    ])
    expect(await connected()).toHaveLength(5)
    const ann = await as('ann')
    expect(await connected(ann)).toEqual(['lamp-1'])
    expect(await connected(ann, '?sub=bob')).toEqual([])
    expect((await ann('GET /v1/reports')).status).toBe(403)
    const pages = [await ops('GET /v1/connections?limit=3')]
    pages.push(await ops(`GET /v1/connections?limit=3&cursor=${pages[0]?.body['next_cursor']}`))
    expect(pages.flatMap(({ body }) => (body['items'] as Entry[]).map(({ sub }) => sub))).toEqual([
      ...['bob', 'iss:x', 'lamp-1', 'lamp-2', 'spare'],
    ])
  })
})

describe('refusals', () => {
  const refuse = (event: string, topic?: string, more: Entry = {}) =>
    entry(event, 1, 'lamp-1', {
      reason: 'not_allowed',
      ...(topic === undefined ? {} : { topic }),
      ...more,
    })

  test('are answered with the rule that decides now, or the nearest', async () => {
    await report([
      refuse('publish_refused', 's/room-1/lamp-2/state', { count: 3 }),
      refuse('publish_refused', 'secret/x'),
      refuse('subscribe_refused', 's/room-1/lamp-1/set'),
      refuse('publish_refused', 's/room-1/lamp-1/state'),
      refuse('publish_refused', 'elsewhere'),
      refuse('publish_refused', undefined, { count: 400 }),
      refuse('connect_refused', undefined, { reason: 'will_not_allowed' }),
    ])
    const own = { permission: 'allow', action: 'publish', topic: 's/room-1/lamp-1/state' }
    const denial = { permission: 'deny', action: 'all', topic: 'secret/#' }
    const { now } = homes.worker.clock
    const found = await refusalsOf('lamp-1')
    const of = (event: string, topic: string | null) =>
      found.find((one) => one['event'] === event && one['topic'] === topic)
    expect(of('publish_refused', 's/room-1/lamp-2/state')).toEqual({
      ...{ event: 'publish_refused', reason: 'not_allowed', topic: 's/room-1/lamp-2/state' },
      ...{ client_id: 'lamp-1', count: 3, first_at: now, last_at: now },
      ...{ decision: false, rule: null, nearest: { ...own, lacking: ['topic'] } },
    })
    const nothing = { rule: null, nearest: null }
    expect(of('publish_refused', 'secret/x')).toMatchObject({ decision: false, rule: denial })
    expect(of('subscribe_refused', 's/room-1/lamp-1/set')).toMatchObject({ nearest: own })
    expect(of('publish_refused', 's/room-1/lamp-1/state')).toMatchObject({
      decision: true,
      rule: own,
    })
    expect(of('publish_refused', 'elsewhere')).toMatchObject({ decision: false, ...nothing })
    expect(of('publish_refused', null)).toMatchObject({ count: 400, decision: null, ...nothing })
    expect(of('connect_refused', null)).toMatchObject({ decision: null, ...nothing })
  })

  test('are the last hundred of a device, for a week, and none of a device that is gone', async () => {
    const { worker } = homes
    const many = [...Array(450).keys()].map((n) => refuse('publish_refused', `t/${n}`))
    await report([...many, entry('publish_refused', 2, 'lamp-2', { reason: 'x', topic: 'y' })])
    const count = async () =>
      (await worker.context().db.read(sql`select device_id from mqtt_refusal`)).length
    expect(await count()).toBe(101)
    worker.clock.now += 60
    await report([refuse('publish_refused', 't/449'), refuse('publish_refused', 'new')])
    expect(
      (await refusalsOf('lamp-1')).slice(0, 2).map(({ topic, count: n }) => [topic, n]),
    ).toEqual([
      ['new', 1],
      ['t/449', 2],
    ])
    const first = (await ops('GET /v1/devices/lamp-1/refusals?limit=60')).body
    const rest = await ops(
      `GET /v1/devices/lamp-1/refusals?limit=60&cursor=${first['next_cursor']}`,
    )
    expect(rest.body['items']).toHaveLength(40)
    await ops('DELETE /v1/devices/lamp-2')
    expect(await count()).toBe(100)
    expect((await ops('GET /v1/devices/lamp-2/refusals')).status).toBe(404)
    worker.clock.now += 8 * 86_400
    await runJobs(worker.context())
    expect(await count()).toBe(0)
  })

  test('are shown to an owner since the place is the own one', async () => {
    const { as, worker } = homes
    await report([refuse('publish_refused', 'before')])
    worker.clock.now += 60
    await ops('POST /v1/grants', { subject: 'eve', role: 'owner', object: 'site-1' })
    worker.clock.now += 60
    await report([refuse('publish_refused', 'after')])
    const topics = async (id: string) =>
      (await refusalsOf('lamp-1', await as(id))).map(({ topic }) => topic)
    expect(await topics('ann')).toEqual(['after', 'before'])
    expect(await topics('eve')).toEqual(['after'])
    expect((await (await as('ann'))('GET /v1/devices/lamp-2/refusals')).status).toBe(404)
  })

  test('of people, and of nobody, are not kept', async () => {
    await report(
      ['ann', 'nobody', ''].map((sub) => entry('publish_refused', 1, sub, { topic: 't' })),
    )
    expect(await homes.worker.context().db.read(sql`select 1 from mqtt_refusal`)).toEqual([])
  })
})

describe('a report', () => {
  test('needs a scope of its own, which opens nothing else', async () => {
    for (const [scope, status] of [
      ['devices:read devices:write', 403],
      ['manage', 200],
    ] as const) {
      const other = await newClientToken(homes.worker, scope)
      expect(
        (
          await report(
            [],
            { seq: 1, epoch: `epoch-of-${scope}-xxxxxxxx`.replace(/\W/g, '-') },
            other,
          )
        ).status,
      ).toBe(status)
    }
    for (const path of ['/v1/connections', '/v1/reports', '/v1/devices']) {
      expect((await callApi(homes.worker, token, 'GET', path)).status).toBe(403)
    }
  })

  test.each([
    ['too many entries', { entries: Array(501).fill({}) }],
    [
      'an unknown event',
      { entries: [{ event: 'x', session: 1, sub: 'a', client_id: 'a', at: 1 }] },
    ],
    [
      'NUL in a topic',
      {
        entries: [
          { event: 'publish_refused', session: 1, sub: 'a', client_id: 'a', at: 1, topic: 'a\0' },
        ],
      },
    ],
    ['a negative number', { sessions: -1 }],
    ['a short epoch', { epoch: 'x' }],
    ['a member that nobody knows', { more: 1 }],
  ])('with %s is refused', async (_, more) => {
    expect((await report([], more)).status).toBe(400)
  })

  test('is taken with half a character, and with a time that is to come', async () => {
    const { worker } = homes
    const odd = { topic: 'x\ud800', at: worker.clock.now + 9999, reason: 'not_allowed' }
    expect((await report([entry('publish_refused', 1, 'lamp-1', odd)])).status).toBe(200)
    expect(await refusalsOf('lamp-1')).toMatchObject([
      { topic: 'x\ufffd', last_at: worker.clock.now },
    ])
  })

  test.each(['public', 'internal'])('is taken on the surface %s', async (surface) => {
    const worker = await startWorker({ SURFACE: surface })
    const answer = await worker.request('/v1/reports', { method: 'POST' })
    expect(answer.status).toBe(401)
  })
})
