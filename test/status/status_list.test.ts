// Token status lists over HTTP: what a token tells, the form of a list, and how it is kept.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { listContent } from '../../worker/status/list_store.ts'
import { spreadStatus } from '../../worker/status/spreading.ts'
import { flipped, validPlaces, valueAt } from '../../worker/status/status_list.ts'
import { countRoundTrips, ISSUER, startWorker, type TestWorker } from '../context.ts'
import { write } from '../oauth/token_fixtures.ts'
import { newClientToken } from '../support/operator.ts'
import { overtakenOnce } from '../support/repeated_writes.ts'
import { claimsOf, readList, statusOf } from './status_reader.ts'

const LIST = `${ISSUER}/status-lists/0`

/** Entries of devices that are nowhere else. */
const allot = (worker: TestWorker, n: number) =>
  write(
    worker,
    sql`insert into status_entry (kind, origin_id)
      with recursive s(i) as (select 1 union all select i + 1 from s where i < ${n})
      select 'device', 'dev-' || i from s`,
  )

/** Gives up the entries of the first devices. */
const flip = (worker: TestWorker, n: number, outcome = 1) =>
  write(
    worker,
    sql`insert into status_flip (list, idx, outcome, seq)
      select (seq - 1) >> 20, idx, ${outcome}, seq from status_entry where kind = 'device'
      order by seq limit ${n}`,
  )

const ask = (worker: TestWorker, etag?: string | null, init: RequestInit = {}) =>
  worker.request('/status-lists/0', {
    ...init,
    headers: etag == null ? {} : { 'if-none-match': etag },
  })

describe('a list', () => {
  test('is told by each token with its entry, which is valid', async () => {
    const worker = await startWorker()
    const token = await newClientToken(worker)
    const { status } = claimsOf(token)
    expect(status?.status_list.uri).toBe(LIST)
    expect(status?.status_list.idx).toBeGreaterThanOrEqual(0)
    expect(status?.status_list.idx).toBeLessThan(2 ** 20)
    expect(await statusOf(worker, token)).toBe(0)
  })

  test('is a signed token with the claims of the draft, for any origin', async () => {
    const worker = await startWorker()
    await newClientToken(worker)
    const { header, claims, answer } = await readList(worker, LIST)
    expect(header).toMatchObject({ typ: 'statuslist+jwt', alg: 'ES256' })
    const iat = worker.clock.now
    expect(claims).toEqual({
      iss: ISSUER,
      sub: LIST,
      iat,
      exp: iat + 86_400,
      ttl: 10,
      status_list: { bits: 2, lst: expect.any(String) },
    })
    expect(answer.headers.get('content-type')).toBe('application/statuslist+jwt')
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    expect(answer.headers.get('cache-control')).toBe('public, no-cache')
    const head = await ask(worker, null, { method: 'HEAD' })
    expect([head.status, head.headers.get('etag')]).toEqual([200, answer.headers.get('etag')])
    const options = await worker.request(LIST, { method: 'OPTIONS' })
    expect([options.status, options.headers.get('access-control-allow-methods')]).toEqual([
      204,
      'GET, HEAD',
    ])
  })

  test.each(['internal', 'public'])('is on the surface %s', async (SURFACE) => {
    const worker = await startWorker({ SURFACE })
    await allot(worker, 1)
    expect((await ask(worker)).status).toBe(200)
    expect((await worker.request('/status-lists')).status).toBe(200)
  })

  test('is found by the aggregation that the metadata name', async () => {
    const worker = await startWorker()
    await allot(worker, 1)
    await write(
      worker,
      sql`update sqlite_sequence set seq = ${2 ** 20} where name = 'status_entry'`,
    )
    await allot(worker, 1)
    const metadata = (await (
      await worker.request('/.well-known/oauth-authorization-server')
    ).json()) as { status_list_aggregation_endpoint: string }
    const answer = await worker.request(metadata.status_list_aggregation_endpoint)
    expect(await answer.json()).toEqual({ status_lists: [LIST, `${ISSUER}/status-lists/1`] })
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
  })

  test.each(['1', '99999999999999999999', '-1', '00', '0x0', 'a', '0/1'])(
    'beyond the last one is not found: %s',
    async (id) => {
      const worker = await startWorker()
      await allot(worker, 1)
      const answer = await worker.request(`/status-lists/${id}`)
      expect(answer.status).toBe(404)
      if (id !== '0/1') expect(await answer.text()).toContain('no status list of this number')
    },
  )

  test('is read in one round trip, however it is asked', async () => {
    const worker = await startWorker()
    await allot(worker, 300)
    const first = await ask(worker)
    await flip(worker, 100)
    for (const etag of [null, first.headers.get('etag')]) {
      const { roundTrips } = await countRoundTrips(worker, () => ask(worker, etag))
      expect(roundTrips).toBe(1)
    }
  })

  test('that did not change is answered by 304, with any form of its ETag', async () => {
    const worker = await startWorker()
    await allot(worker, 3)
    const first = await ask(worker)
    const etag = first.headers.get('etag') ?? ''
    for (const form of [etag, `"other", ${etag}`, etag.slice(2)]) {
      const again = await ask(worker, form)
      expect([again.status, again.headers.get('etag')]).toEqual([304, etag])
    }
    expect((await ask(worker, '"other"')).status).toBe(200)
    // Another process gives the same ETag.
    worker.memory.clear()
    expect((await ask(worker, etag)).status).toBe(304)
    await flip(worker, 1)
    const changed = await ask(worker, etag)
    expect(changed.status).toBe(200)
    expect(changed.headers.get('etag')).not.toBe(etag)
  })

  test('is signed anew at least every 6 hours, and 304 is told while 12 hours are left', async () => {
    const worker = await startWorker()
    await allot(worker, 3)
    const seen: { etag: string; exp: number }[] = []
    const start = worker.clock.now
    for (let hours = 0; hours <= 24; hours += 0.5) {
      worker.clock.now = start + hours * 3600
      const answer = await ask(worker, seen.at(-1)?.etag)
      const left = (seen.at(-1)?.exp ?? 0) - worker.clock.now
      if (answer.status === 304) {
        expect(left).toBeGreaterThan(12 * 3600)
        continue
      }
      const exp = worker.clock.now + 86_400
      const { claims } = await readList(worker, LIST)
      expect(claims.exp).toBeGreaterThan(exp - 6 * 3600)
      seen.push({ etag: answer.headers.get('etag') ?? '', exp: claims.exp ?? 0 })
    }
    expect(seen.length).toBeGreaterThanOrEqual(4)
    expect(new Set(seen.map(({ etag }) => etag)).size).toBe(seen.length)
  })

  test('of which 100 of a million are over has less than 20 KB', async () => {
    const worker = await startWorker()
    await allot(worker, 100)
    // The list has a million places, whether they are allotted or not.
    await flip(worker, 100)
    const { jwt, places } = await readList(worker, LIST)
    expect(places.length * 4).toBe(2 ** 20)
    console.log('a list with 100 flips', { bytes: jwt.length })
    expect(jwt.length).toBeLessThan(20_000)
    const values = Array.from({ length: 2 ** 20 }, (_, idx) => valueAt(places, idx))
    expect(values.filter((value) => value === 1).length).toBe(100)
  })
})

describe('a snapshot', () => {
  test('takes up the flips, and the list says the same with it', async () => {
    const worker = await startWorker()
    await allot(worker, 1200)
    await flip(worker, 400)
    await flip(worker, 400, 3)
    const before = await readList(worker, LIST)
    const cx = worker.context()
    await spreadStatus(cx)
    expect(await cx.db.read(sql`select * from status_flip`)).toEqual([])
    worker.memory.clear()
    const after = await readList(worker, LIST)
    expect(after.places).toEqual(before.places)
    expect(after.answer.headers.get('etag')).toBe(before.answer.headers.get('etag'))
    await flip(worker, 1)
    const { places } = await readList(worker, LIST)
    const over = (list: Uint8Array) =>
      Array.from({ length: 2 ** 20 }, (_, idx) => valueAt(list, idx)).filter((one) => one > 0)
    expect(over(places).length).toBe(over(before.places).length + 1)
  })

  test('is all that a request reads of a list with 50,000 flips, and the few flips after it', async () => {
    const worker = await startWorker()
    await allot(worker, 1)
    // In the list of the first 2^20 entries, each at a place of its own.
    await write(
      worker,
      sql`insert into status_flip (list, idx, outcome, seq)
        with recursive s(i) as (select 0 union all select i + 1 from s where i < 49999)
        select 0, i * 20, 1, -1 - i from s`,
    )
    await spreadStatus(worker.context())
    await flip(worker, 1)
    const { snapshot, flips } = await worker.context().db.read(listContent(0, null))
    expect([snapshot.length, flips.length]).toEqual([1, 1])
    const { places } = await readList(worker, LIST)
    const over = Array.from({ length: 2 ** 20 }, (_, idx) => valueAt(places, idx))
    expect(over.filter((value) => value === 1).length).toBeGreaterThanOrEqual(50_000)
  })

  test('that another job overtook is not stored', async () => {
    const worker = await startWorker()
    await allot(worker, 3000)
    await flip(worker, 600)
    const cx = worker.context()
    await spreadStatus(
      overtakenOnce(cx, async () => {
        await flip(worker, 600)
        await spreadStatus(cx)
      }),
    )
    const { places } = await readList(worker, LIST)
    const over = Array.from({ length: 2 ** 20 }, (_, idx) => valueAt(places, idx))
    expect(over.filter((value) => value === 1).length).toBe(1200)
  })

  test('of two jobs at once loses no flip', async () => {
    const worker = await startWorker()
    await allot(worker, 3000)
    for (let i = 0; i < 4; i += 1) {
      await Promise.all([
        flip(worker, 600),
        spreadStatus(worker.context()),
        spreadStatus(worker.context()),
      ])
    }
    await spreadStatus(worker.context())
    const { places } = await readList(worker, LIST)
    const over = Array.from({ length: 2 ** 20 }, (_, idx) => valueAt(places, idx))
    expect(over.filter((value) => value === 1).length).toBe(2400)
  })
})

test('parallel inserts get entries of their own', async () => {
  const worker = await startWorker()
  await Promise.all(Array.from({ length: 20 }, () => allot(worker, 50)))
  const [row] = await worker.context().db.read(
    sql<{ n: number; places: number }>`select count(*) as n, count(distinct idx) as places
        from status_entry where kind = 'device'`,
  )
  expect(row).toEqual({ n: 1000, places: 1000 })
})

test('flips in any order and of two writers give the same list, and set no place back', () => {
  const flips = fc.array(
    fc.record({ idx: fc.integer({ min: 0, max: 40 }), outcome: fc.constantFrom(1, 3) }),
  )
  fc.assert(
    fc.property(flips, flips, (one, other) => {
      const first = flipped(validPlaces(), one)
      const before = first.slice()
      const both = flipped(first, other)
      for (let idx = 0; idx <= 40; idx += 1) {
        const of = (list: typeof one) => list.filter((flip) => flip.idx === idx)
        const all = [...of(one), ...of(other)].map(({ outcome }) => outcome)
        const expected = all.length === 0 ? 0 : all.includes(1) ? 1 : 3
        expect(valueAt(both, idx)).toBe(expected)
        if (valueAt(before, idx) === 1) expect(valueAt(both, idx)).toBe(1)
        if (valueAt(before, idx) === 3) expect(valueAt(both, idx)).not.toBe(0)
      }
      const otherWise = flipped(flipped(validPlaces(), other), one)
      // `toEqual` takes seconds for a list of this size.
      expect(otherWise.length === both.length && otherWise.every((v, i) => v === both[i])).toBe(
        true,
      )
    }),
    { numRuns: 200 },
  )
})
