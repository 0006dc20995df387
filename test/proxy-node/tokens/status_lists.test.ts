// Token status lists: what a list says, when it is believed, and how often it is asked for.

import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { type Clock, openJwks } from '../../../proxy-node/tokens/jwks.ts'
import { openPolicies } from '../../../proxy-node/tokens/policies.ts'
import {
  changedIndices,
  isBelowIssuer,
  readStatusList,
  type StatusList,
  statusAt,
} from '../../../proxy-node/tokens/status_list.ts'
import {
  type ListRefresh,
  openStatusLists,
  type Withdrawal,
} from '../../../proxy-node/tokens/status_lists.ts'
import { createVerifier } from '../../../proxy-node/tokens/verifier.ts'
import { audience, makeKey, startIssuer } from '../../host/mproxy_fixtures/issuer.ts'
import {
  type ListParts,
  type PublishedList,
  packList,
  publishList,
  signList,
} from '../../host/mproxy_fixtures/status_list.ts'
import { until } from '../fixtures/mosquitto.ts'

const open: { close: () => unknown }[] = []
afterEach(async () => {
  for (const { close } of open.splice(0)) await close()
})

/** Goes on when the test says so. */
function makeClock() {
  let ahead = 0
  let timers: { at: number; run: () => void }[] = []
  const now = () => Date.now() + ahead
  const clock: Clock = {
    now,
    schedule(ms, run) {
      const timer = { at: now() + ms, run }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
  }
  return {
    clock,
    timers: () => timers.length,
    advance(seconds: number) {
      ahead += seconds * 1000
      const due = timers.filter(({ at }) => at <= now())
      timers = timers.filter(({ at }) => at > now())
      for (const { run } of due) run()
    },
  }
}

async function rig(options: { path?: string; timeout_ms?: number } = {}) {
  const issuer = await startIssuer(options.path)
  const time = makeClock()
  const refreshes: ListRefresh[] = []
  const jwks = openJwks({ issuer: issuer.url, clock: time.clock })
  await jwks.start()
  const lists = openStatusLists({
    issuer: issuer.url,
    jwks,
    clock: time.clock,
    ...(options.timeout_ms === undefined ? {} : { timeout_ms: options.timeout_ms }),
    onRefresh: (refresh) => refreshes.push(refresh),
  })
  open.push(lists, jwks, { close: () => issuer.stop() })
  const policies = openPolicies({ issuer: issuer.url, jwks, clock: time.clock })
  const shared = { issuer: issuer.url, audience, jwks }
  const parts = { ...shared, statusLists: lists, policies, now: time.clock.now }
  const verifier = createVerifier(parts)
  const withdrawn: [string, Withdrawal][] = []
  return {
    issuer,
    lists,
    time,
    refreshes,
    withdrawn,
    /** Of a token with these claims: `ok`, or the reason of the refusal. */
    async verify(claims: Record<string, unknown>) {
      const verification = await verifier.verify(await issuer.mint({ claims }))
      return verification.ok ? 'ok' : verification.reason
    },
    watch(list: PublishedList, idx: number, name = String(idx), iat = 0) {
      return lists.watch({ uri: list.uri, idx, iat }, (why) => withdrawn.push([name, why]))
    },
    async refreshed(count: number): Promise<ListRefresh> {
      await until(() => refreshes.length >= count, `refresh ${count} comes to its end`)
      return refreshes[count - 1]!
    },
    outcomes: () => refreshes.map(({ outcome }) => outcome),
  }
}

const settle = () => new Promise((done) => setImmediate(() => setImmediate(done)))

describe('a list as a value', () => {
  const read = (bits: number, lst: string) => {
    const at = Date.now() / 1000
    const claims = { sub: 'u', iat: at, status_list: { bits, lst } }
    return readStatusList(claims, 'u', 'i', at) as StatusList
  }

  // The examples of the draft, §4.1 and §4.2.
  test.each([
    [1, 'eNrbuRgAAhcBXQ', [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]],
    [2, 'eNo76fITAAPfAgc', [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]],
  ])('with %i bits reads as the draft says', (bits, lst, values) => {
    const list = read(bits, lst)
    const word = (value: number) => ['valid', 'ended', 'superseded', 'superseded'][value]
    expect(values.map((_, idx) => statusAt(list, idx))).toEqual(values.map(word))
    expect(statusAt(list, values.length)).toBe('beyond')
  })

  test('says at each index what was written there, for each legal size', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2, 4, 8),
        fc.array(fc.nat(255), { minLength: 1, maxLength: 64 }),
        (bits, numbers) => {
          const values = numbers.map((value) => value % 2 ** bits)
          const list = read(bits, packList(bits, values))
          for (const [idx, value] of values.entries()) {
            const expected = value === 0 ? 'valid' : value === 1 ? 'ended' : 'superseded'
            expect(statusAt(list, idx)).toBe(expected)
          }
        },
      ),
    )
  })

  test('of another version names every index that says something else', () => {
    const values = fc.array(fc.nat(3), { maxLength: 40 })
    fc.assert(
      fc.property(values, values, (a, b) => {
        const [before, after] = [read(2, packList(2, a)), read(2, packList(2, b))]
        const changed = new Set(changedIndices(before, after, []))
        for (let idx = 0; idx < 48; idx++) {
          if (statusAt(before, idx) !== statusAt(after, idx)) expect(changed).toContain(idx)
        }
        expect([...changedIndices(before, before, [1, 2])]).toEqual([])
        expect([...changedIndices(undefined, after, [1, 2])]).toEqual([1, 2])
      }),
    )
  })

  test.each([
    ['https://id.example/status-lists/1', true],
    ['https://id.example/t/status-lists/1', true, 'https://id.example/t'],
    ['https://id.example/other/1', false, 'https://id.example/t'],
    ['https://id.example/t/../x', false, 'https://id.example/t'],
    ['https://id.example/t/%2e%2e/x', false, 'https://id.example/t'],
    ['https://id.example/t', false, 'https://id.example/t'],
    ['http://id.example/1', false],
    ['https://other.example/1', false],
    ['https://id.example.other.example/1', false],
    ['https://a@id.example/1', false],
    ['https://id.example/1?x', false],
    ['https://id.example/1#x', false],
    ['/status-lists/1', false],
  ])('%s is below the issuer: %s', (uri, expected, issuer = 'https://id.example') => {
    expect(isBelowIssuer(uri, issuer)).toBe(expected)
  })
})

describe('a token at CONNECT', () => {
  test('of a list that is not here is let in, and the list is fetched behind it', async () => {
    const { issuer, verify, refreshed } = await rig()
    const list = await publishList(issuer, '/status-lists/1', { values: { 7: 1 } })
    expect(await verify(list.at(7))).toBe('ok')
    expect(await refreshed(1)).toMatchObject({ outcome: 'ok', entries: 1024 })
    expect(await verify(list.at(7))).toBe('revoked')
  })

  test('is judged by the list that is here', async () => {
    const { issuer, verify, refreshed } = await rig()
    const list = await publishList(issuer, '/status-lists/1', { values: { 1: 1, 2: 2, 3: 3 } })
    await verify(list.at(0))
    await refreshed(1)
    const said = [0, 1, 2, 3, 4].map((idx) => verify(list.at(idx)))
    expect(await Promise.all(said)).toEqual(['ok', 'revoked', 'superseded', 'superseded', 'ok'])
    expect(await verify({})).toBe('ok')
    expect(list.requests).toMatchObject({ whole: 1, unchanged: 0 })
  })

  test.each([
    ['no object', 'x'],
    ['another mechanism', { identifier_list: { id: 'x' } }],
    ['no index', { status_list: { uri: 'URI' } }],
    ['a negative index', { status_list: { idx: -1, uri: 'URI' } }],
    ['half an index', { status_list: { idx: 0.5, uri: 'URI' } }],
    ['an index as text', { status_list: { idx: '1', uri: 'URI' } }],
    ['no address', { status_list: { idx: 1 } }],
    ['an address elsewhere', { status_list: { idx: 1, uri: 'http://127.0.0.1:9/status-lists/1' } }],
  ])('with %s as its status is refused, and nothing is asked for', async (_, status) => {
    const { issuer, verify, lists } = await rig()
    const text = JSON.stringify(status).replace('URI', `${issuer.url}/status-lists/1`)
    expect(await verify({ status: JSON.parse(text) })).toBe('bad_status')
    expect(lists.count()).toBe(0)
  })

  test('that is refused for another reason makes nobody ask for its list', async () => {
    const { issuer, verify, lists } = await rig()
    const list = await publishList(issuer)
    expect(await verify({ ...list.at(1), aud: 'urn:other' })).toBe('wrong_audience')
    expect(lists.count()).toBe(0)
  })

  test('with an index beyond the end is refused, unless the list may be too old to know it', async () => {
    const { issuer, verify, refreshed, time } = await rig()
    const list = await publishList(issuer, '/status-lists/1', { length: 4 })
    await verify(list.at(0))
    await refreshed(1)
    const at = Math.floor(Date.now() / 1000)
    expect(await verify({ ...list.at(4), iat: at })).toBe('ok')
    expect(await verify({ ...list.at(4), iat: at - 60 })).toBe('superseded')
    time.advance(40)
    await refreshed(2)
    expect(await verify({ ...list.at(4), iat: at })).toBe('superseded')
  })

  test('a hundred at once cause one request', async () => {
    const { issuer, verify, refreshed } = await rig()
    const list = await publishList(issuer)
    await Promise.all(Array.from({ length: 100 }, (_, idx) => verify(list.at(idx))))
    await refreshed(1)
    expect(list.requests).toMatchObject({ whole: 1, most: 1 })
  })
})

describe('a session', () => {
  test('hears once that its index says otherwise, and others hear nothing', async () => {
    const { issuer, watch, withdrawn, refreshed, time } = await rig()
    const list = await publishList(issuer)
    for (const idx of [1, 2, 3, 1023]) watch(list, idx)
    watch(list, 1, 'the same again')
    await refreshed(1)
    expect(withdrawn).toEqual([])
    await list.publish({ values: { 1: 1, 1023: 3 } })
    time.advance(1)
    await refreshed(2)
    expect(withdrawn).toEqual([
      ['1', 'ended'],
      ['the same again', 'ended'],
      ['1023', 'superseded'],
    ])
    await list.publish({ values: { 1: 1, 2: 2, 1023: 3 } })
    time.advance(1)
    await refreshed(3)
    expect(withdrawn.slice(3)).toEqual([['2', 'superseded']])
  })

  test('that began while its list was on the way hears of it', async () => {
    const { issuer, watch, withdrawn, refreshed } = await rig()
    const list = await publishList(issuer, '/status-lists/1', { values: { 5: 1 } })
    watch(list, 5)
    await refreshed(1)
    expect(withdrawn).toEqual([['5', 'ended']])
  })

  test('that began after its list had changed hears of it', async () => {
    const { issuer, watch, withdrawn, verify, refreshed } = await rig()
    const list = await publishList(issuer, '/status-lists/1', { values: { 5: 3 } })
    await verify(list.at(0))
    await refreshed(1)
    watch(list, 5)
    await settle()
    expect(withdrawn).toEqual([['5', 'superseded']])
  })

  test('that is over hears nothing', async () => {
    const { issuer, watch, withdrawn, refreshed, time } = await rig()
    const list = await publishList(issuer)
    const unwatch = watch(list, 5)
    await refreshed(1)
    unwatch()
    await list.publish({ values: { 5: 1 } })
    time.advance(1)
    await refreshed(2)
    await settle()
    expect(withdrawn).toEqual([])
  })

  test('with an index beyond the end ends as superseded once the list must know it', async () => {
    const { issuer, watch, withdrawn, refreshed, time } = await rig()
    const list = await publishList(issuer, '/status-lists/1', { length: 4 })
    watch(list, 9, '9', Math.floor(Date.now() / 1000))
    await refreshed(1)
    await settle()
    expect(withdrawn).toEqual([])
    time.advance(40)
    await refreshed(2)
    expect(withdrawn).toEqual([['9', 'superseded']])
  })
})

describe('asking again', () => {
  test('is conditional and follows ttl', async () => {
    const { issuer, watch, refreshed, time } = await rig()
    const list = await publishList(issuer, '/status-lists/1', { claims: { ttl: 10 } })
    watch(list, 1)
    const first = await refreshed(1)
    expect(first.next).toBeGreaterThanOrEqual(9)
    expect(first.next).toBeLessThanOrEqual(10)
    time.advance(5)
    expect(list.requests.whole).toBe(1)
    time.advance(5)
    expect(await refreshed(2)).toMatchObject({ outcome: 'unchanged', entries: 1024 })
    expect(list.requests).toMatchObject({ whole: 1, unchanged: 1 })
  })

  test.each([
    ['none', undefined, 10],
    ['a tiny one', 0.001, 1],
    ['a day', 86_400, 300],
  ])('with %s as ttl stays within bounds', async (_, ttl, most) => {
    const { issuer, watch, refreshed } = await rig()
    watch(await publishList(issuer, '/status-lists/1', { claims: { ttl } }), 1)
    const { next } = await refreshed(1)
    expect(next).toBeGreaterThanOrEqual(most * 0.9)
    expect(next).toBeLessThanOrEqual(most)
  })

  test('ends ten minutes after the last token of a list, and begins with the next', async () => {
    const { issuer, watch, verify, refreshed, time, lists } = await rig()
    const list = await publishList(issuer, '/status-lists/1', { claims: { ttl: 300 } })
    const unwatch = watch(list, 1)
    await refreshed(1)
    time.advance(300)
    await refreshed(2)
    unwatch()
    for (const count of [3, 4]) {
      time.advance(300)
      await refreshed(count)
    }
    expect(time.timers()).toBe(1) // the keys
    await list.publish({ values: { 1: 1 } })
    const claims = { ...list.at(1), exp: Math.floor(Date.now() / 1000) + 3600 }
    expect(await verify(claims)).toBe('ok')
    await refreshed(5)
    expect(await verify(claims)).toBe('revoked')
    expect(lists.count()).toBe(1)
  })

  test('waits longer each time while the issuer is away, and goes on when it is back', async () => {
    const { issuer, watch, withdrawn, refreshed, time, outcomes, verify } = await rig()
    const list = await publishList(issuer)
    watch(list, 1)
    await refreshed(1)
    await issuer.stop()
    const waits: number[] = []
    for (let count = 2; count < 10; count++) {
      time.advance(waits.at(-1) ?? 1)
      waits.push((await refreshed(count)).next)
    }
    for (const [n, wait] of waits.entries()) {
      const most = Math.min(2 ** n, 30)
      expect(wait).toBeGreaterThanOrEqual(most * 0.9)
      expect(wait).toBeLessThanOrEqual(most)
    }
    expect(new Set(outcomes().slice(1))).toEqual(new Set(['unreachable']))
    expect(withdrawn).toEqual([])
    expect(await verify(list.at(1))).toBe('ok')
    await issuer.resume()
    await list.publish({ values: { 1: 1 } })
    time.advance(30)
    await refreshed(10)
    expect(withdrawn).toEqual([['1', 'ended']])
  })
})

describe('a list that is not believed leaves the last good one in force', () => {
  const bomb = deflateSync(Buffer.alloc(64 * 1024 * 1024)).toString('base64url')
  const values = { 1: 0, 2: 1 }
  const faulty: [string, string, (list: PublishedList) => ListParts | Promise<string> | string][] =
    [
      ['of another list', 'wrong_subject', () => ({ claims: { sub: 'https://other.example/1' } })],
      ['of another issuer', 'wrong_issuer', () => ({ claims: { iss: 'https://other.example' } })],
      ['of another type', 'wrong_type', () => ({ header: { typ: 'at+jwt' } })],
      ['without a type', 'wrong_type', () => ({ header: { typ: undefined } })],
      ['without a time', 'malformed', () => ({ claims: { iat: undefined } })],
      ['of tomorrow', 'not_yet_valid', () => ({ claims: { iat: Date.now() / 1000 + 86_400 } })],
      ['that ran out', 'expired', () => ({ claims: { exp: Date.now() / 1000 - 1 } })],
      ['that is older', 'outdated', () => ({ claims: { iat: Date.now() / 1000 - 3600 } })],
      ['with three bits', 'malformed', () => ({ bits: 3, lst: packList(1, [0]) })],
      ['without entries', 'malformed', () => ({ claims: { status_list: undefined } })],
      ['that is no text', 'malformed', () => ({ lst: 7 })],
      ['that is not deflated', 'malformed', () => ({ lst: 'AAAA' })],
      ['cut short', 'malformed', () => ({ lst: packList(2, Array(999).fill(1)).slice(0, 12) })],
      ['that inflates to 64 MiB', 'too_large', () => ({ lst: bomb })],
      ['with a ttl of text', 'malformed', () => ({ claims: { ttl: '10' } })],
      ['of more than 4 MiB', 'too_large', () => 'x'.repeat(4 * 1024 * 1024 + 1)],
      ['that is no JWT', 'malformed', () => '{"status_list":{}}'],
      ['that is empty', 'malformed', () => ''],
    ]
  test.each(faulty)('%s: %s', async (_, outcome, make) => {
    const { issuer, watch, withdrawn, verify, refreshed, time } = await rig()
    const list = await publishList(issuer, '/status-lists/1', { values })
    watch(list, 1)
    await refreshed(1)
    const parts = make(list)
    const isText = typeof parts === 'string' || parts instanceof Promise
    if (isText) list.serve(await parts)
    else await list.publish({ values: { 1: 1 }, ...parts })
    time.advance(1)
    expect((await refreshed(2)).outcome).toBe(outcome)
    await settle()
    expect(withdrawn).toEqual([])
    expect([await verify(list.at(1)), await verify(list.at(2))]).toEqual(['ok', 'revoked'])
    await list.publish({ values: { 1: 3, 2: 1 } })
    time.advance(1)
    expect((await refreshed(3)).outcome).toBe('ok')
    expect(withdrawn).toEqual([['1', 'superseded']])
  })

  test('signed with another key, or with a forged one', async () => {
    const { issuer, watch, withdrawn, refreshed, time, outcomes } = await rig()
    const list = await publishList(issuer)
    watch(list, 1)
    await refreshed(1)
    for (const kid of ['other', 'first']) {
      list.serve(
        await signList(issuer, list.uri, { values: { 1: 1 }, key: await makeKey('ES256', kid) }),
      )
      time.advance(3)
      await refreshed(outcomes().length + 1)
    }
    expect(outcomes().slice(1)).toEqual(['unknown_key', 'bad_signature'])
    expect(withdrawn).toEqual([])
  })

  test('signed with a key that the issuer published meanwhile is believed', async () => {
    const { issuer, watch, withdrawn, refreshed, time } = await rig()
    const list = await publishList(issuer)
    watch(list, 1)
    await refreshed(1)
    issuer.keys = [await makeKey('ES256', 'second'), ...issuer.keys]
    await list.publish({ values: { 1: 1 } })
    time.advance(1)
    expect((await refreshed(2)).outcome).toBe('ok')
    expect(withdrawn).toEqual([['1', 'ended']])
  })

  test('and one that another process of the issuer signed, by a clock that is behind, is believed', async () => {
    const { issuer, watch, withdrawn, refreshed, time } = await rig()
    const list = await publishList(issuer)
    watch(list, 1)
    await refreshed(1)
    const iat = Math.floor(Date.now() / 1000) - 5
    await list.publish({ values: { 1: 1 }, claims: { iat } })
    time.advance(1)
    expect((await refreshed(2)).outcome).toBe('ok')
    expect(withdrawn).toEqual([['1', 'ended']])
  })

  test.each([
    ['404', 'status', 404, {}],
    ['500', 'status', 500, {}],
    ['a redirect', 'redirect', 302, { location: '/status-lists/2' }],
  ])('%s', async (_, outcome, status, headers) => {
    const { issuer, watch, withdrawn, refreshed, time, verify } = await rig()
    const list = await publishList(issuer, '/status-lists/1', { values })
    watch(list, 1)
    await refreshed(1)
    list.serve((_request, response) => {
      response.writeHead(status, headers).end()
    })
    time.advance(1)
    expect((await refreshed(2)).outcome).toBe(outcome)
    expect(withdrawn).toEqual([])
    expect([await verify(list.at(1)), await verify(list.at(2))]).toEqual(['ok', 'revoked'])
  })

  test('an issuer that does not answer in time', async () => {
    const { issuer, watch, withdrawn, refreshed, time } = await rig({ timeout_ms: 50 })
    const list = await publishList(issuer)
    watch(list, 1)
    await refreshed(1)
    list.serve((_request, response) => {
      response.writeHead(200).write('eyJ') // and then nothing more
    })
    time.advance(1)
    expect((await refreshed(2)).outcome).toBe('timeout')
    expect(withdrawn).toEqual([])
  })
})

describe('the end of a list', () => {
  test('that is still in force is waited for while the issuer is away; then nobody is let in', async () => {
    const { issuer, watch, withdrawn, verify, refreshed, time, outcomes } = await rig()
    const list = await publishList(issuer, '/status-lists/1', { values: { 2: 1 } })
    watch(list, 1)
    await refreshed(1)
    await issuer.stop()
    time.advance(86_000)
    await refreshed(2)
    const exp = Math.floor(Date.now() / 1000) + 200_000
    expect(await verify({ ...list.at(1), exp })).toBe('ok')
    time.advance(300)
    await refreshed(outcomes().length + 1)
    time.advance(100)
    await refreshed(outcomes().length + 1)
    // The keys were confirmed when the list was: their day is over too.
    expect(await verify({ ...list.at(1), exp })).toBe('keys_unavailable')
    expect(withdrawn).toEqual([])
  })

  test('comes although the server confirms it: then it is asked for as a whole', async () => {
    const { issuer, watch, verify, refreshed, time } = await rig()
    const at = Math.floor(Date.now() / 1000)
    const list = await publishList(issuer, '/status-lists/1', {
      claims: { exp: at + 100, ttl: 90 },
    })
    watch(list, 1)
    await refreshed(1)
    time.advance(101)
    expect((await refreshed(2)).outcome).toBe('expired')
    expect(await verify(list.at(1))).toBe('status_unavailable')
    await list.publish({ claims: { exp: at + 1000 } })
    time.advance(1)
    expect((await refreshed(3)).outcome).toBe('ok')
    expect(await verify(list.at(1))).toBe('ok')
  })

  test('one that never came leaves its tokens in force for a day', async () => {
    const { issuer, verify, refreshed, time, lists } = await rig()
    const list = await publishList(issuer)
    list.serve((_request, response) => {
      response.writeHead(404).end()
    })
    const exp = Math.floor(Date.now() / 1000) + 200_000
    expect(await verify({ ...list.at(1), exp })).toBe('ok')
    await refreshed(1)
    time.advance(86_300)
    expect(await verify({ ...list.at(1), exp })).toBe('ok')
    const reference = { uri: list.uri, idx: 1, iat: 0 }
    time.advance(200)
    expect(lists.judge(reference)).toBe('unavailable')
  })
})

test('an issuer below a path has its lists below that path', async () => {
  const { issuer, verify, refreshed } = await rig({ path: '/tenant' })
  const list = await publishList(issuer, '/status-lists/1', { values: { 1: 1 } })
  expect(list.uri).toContain('/tenant/status-lists/1')
  await verify(list.at(1))
  await refreshed(1)
  expect(await verify(list.at(1))).toBe('revoked')
  const elsewhere = { idx: 1, uri: `${new URL(issuer.url).origin}/status-lists/1` }
  expect(await verify({ status: { status_list: elsewhere } })).toBe('bad_status')
})

test('a list of a million entries is 250 KB in memory, and the end of one finds one session', async () => {
  const { issuer, watch, withdrawn, refreshed, time } = await rig()
  const length = 1_000_000
  const list = await publishList(issuer, '/status-lists/1', { length })
  for (let idx = 0; idx < 1000; idx++) watch(list, idx * 997)
  expect(await refreshed(1)).toMatchObject({ outcome: 'ok', entries: length })
  await list.publish({ length, values: { [997 * 500]: 1 } })
  time.advance(1)
  await refreshed(2)
  expect(withdrawn).toEqual([[String(997 * 500), 'ended']])
})

test('age says how long ago the oldest list of a session was confirmed', async () => {
  const { issuer, watch, refreshed, time, lists } = await rig()
  const list = await publishList(issuer)
  expect(lists.age()).toBe(0)
  watch(list, 1)
  await refreshed(1)
  list.serve((_request, response) => {
    response.writeHead(500).end()
  })
  time.advance(100)
  await refreshed(2)
  expect(lists.age()).toBeGreaterThanOrEqual(100)
  expect(lists.age()).toBeLessThan(160)
})
