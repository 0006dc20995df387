// Events of refusals: an operator finds who was refused what, and how often; strangers write
// nothing, and no flood fills the table.
import { expect, test } from 'vitest'
import { limit } from '../../worker/attempts.ts'
import type { Context } from '../../worker/context.ts'
import { sql } from '../../worker/db/sql.ts'
import { OAuthError } from '../../worker/errors.ts'
import { noteRefusal, writeRefusals } from '../../worker/events/refusal_events.ts'
import { runJobs } from '../../worker/jobs.ts'
import { createClient } from '../../worker/oauth/clients/clients.ts'
import type { Reason } from '../../worker/refusals.ts'
import { startWorker, type TestWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { losingWrites } from '../support/repeated_writes.ts'

type Refused = {
  type: string
  subject_id: string
  data: { reason: string; count: number; last_at: number }
  [member: string]: unknown
}

async function startWithShop() {
  const worker = await startWorker()
  const { client_secret = '' } = await createClient(worker.context(), {
    client_id: 'shop',
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['client_credentials', 'authorization_code'],
    redirect_uris: ['https://shop.example/cb'],
    scope: 'users:read',
  })
  const token = await newClientToken(worker, 'manage', 'ops')
  await worker.settled()
  const ask = async (form: Record<string, string>, more: Record<string, string> = {}) => {
    const answer = await worker.request('/oauth/token', {
      method: 'POST',
      body: new URLSearchParams(form),
      headers: more,
    })
    await worker.settled()
    return answer
  }
  /** The refused events, the newest first. */
  const list = async (query: string): Promise<Refused[]> => {
    const answer = await callApi(worker, token, 'GET', `/v1/events?${query}`)
    expect(answer.status).toBe(200)
    return answer.body.items as Refused[]
  }
  const credentials = { client_id: 'shop', client_secret }
  /** A request that is refused: the scope is one that the client may not have. */
  const askTooMuch = (address = '192.0.2.1') =>
    ask(
      { ...credentials, grant_type: 'client_credentials', scope: 'users:write' },
      { 'x-test-address': address },
    )
  return { worker, ask, askTooMuch, list, credentials }
}

const rowsOf = async (worker: TestWorker): Promise<number> => {
  const [row] = await worker
    .context()
    .db.read(sql<{ n: number }>`select count(*) as n from event where outcome = 'failure'`)
  return row?.n ?? 0
}

test('who was refused what is found: principal, reason, count, address and the last time', async () => {
  const { worker, askTooMuch, list } = await startWithShop()
  await askTooMuch('192.0.2.7')
  worker.clock.now += 20
  const answer = await askTooMuch('192.0.2.8')
  expect(answer.status).toBe(400)
  const found = await list('type=token.refused')
  expect(found).toMatchObject([
    {
      type: 'token.refused',
      outcome: 'failure',
      actor_kind: 'anonymous',
      subject_id: 'shop',
      client_id: 'shop',
      address: '192.0.2.8',
      rid: answer.headers.get('x-request-id'),
      at: worker.clock.now - 20,
      objects: [{ kind: 'principal', id: 'shop' }],
      data: { reason: 'scope_not_registered', error: 'invalid_scope', count: 2, sub: null },
    },
  ])
  expect(found[0]?.data.last_at).toBe(worker.clock.now)
  expect(await list('object=shop&outcome=failure')).toEqual(found)
})

test('another reason and another minute are another event; a count is whole when its minute is over', async () => {
  const { worker, ask, askTooMuch, list, credentials } = await startWithShop()
  worker.clock.now -= worker.clock.now % 60
  for (let i = 0; i < 25; i++) await askTooMuch()
  await ask({ ...credentials, grant_type: 'authorization_code', code: 'x', redirect_uri: 'y' })
  const early = (await list('type=token.refused')).find(({ data }) => data.count > 1)
  // The first three and the tenth were written at once, and what was waiting with them.
  expect(early?.data.count).toBe(10)
  worker.clock.now += 60
  await runJobs(worker.context())
  await askTooMuch()
  const counts = (await list('type=token.refused')).map(({ data }) => [data.reason, data.count])
  expect(counts).toHaveLength(3)
  expect(counts).toContainEqual(['scope_not_registered', 25])
  expect(counts).toContainEqual(['scope_not_registered', 1])
})

test('failed client authentication is an event of the client that somebody claimed to be', async () => {
  const { ask, list } = await startWithShop()
  const answer = await ask(
    { grant_type: 'client_credentials', client_id: 'shop', client_secret: 'guess-guess-guess' },
    { 'x-test-address': '203.0.113.9' },
  )
  expect(answer.status).toBe(401)
  const [event] = await list('type=client_authentication.failed')
  expect(event).toMatchObject({
    subject_id: 'shop',
    actor_kind: 'anonymous',
    address: '203.0.113.9',
    data: { reason: 'wrong_secret', error: 'invalid_client', count: 1 },
  })
  expect(JSON.stringify(event)).not.toContain('guess-guess')
})

test('an actor that reaches beyond its power is an event of that actor', async () => {
  const { worker, list } = await startWithShop()
  const weak = await newClientToken(worker, 'access:write', 'weak')
  const role = { subject: 'weak', role: 'operator', object: '*' }
  expect((await callApi(worker, weak, 'POST', '/v1/grants', role)).status).toBe(403)
  expect((await callApi(worker, weak, 'GET', '/v1/users')).status).toBe(403)
  await worker.settled()
  const events = await list('type=escalation.refused&actor_id=weak')
  expect(events.map(({ subject_id, data }) => [subject_id, data.reason, data.count])).toEqual([
    ['weak', 'scope_not_held', 1],
    ['weak', 'power_not_held', 1],
  ])
})

test('strangers write no row and no counter, and are looked up a few times a minute at most', async () => {
  const { worker, ask, list } = await startWithShop()
  const cx = worker.context()
  refuse(cx, 'shop')
  await worker.settled()
  const state = () =>
    cx.db.read({
      events: sql`select count(*) as n from event`,
      attempts: sql`select * from attempt`,
    })
  const before = await state()
  await worker.request('/oauth/authorize?client_id=nobody&response_type=code')
  await ask({ grant_type: 'client_credentials', client_id: 'nobody', client_secret: 'x' })
  await worker.request('/oauth/userinfo', { headers: { authorization: 'Bearer x' } })
  await worker.settled()
  const trips = await worker.roundTrips()
  for (let i = 0; i < 100; i++) refuse(cx, `stranger-${i}`)
  await worker.settled()
  expect((await worker.roundTrips()) - trips).toBe(60)
  expect(await state()).toEqual(before)
  // A principal that is known already is noted all the same.
  refuse(cx, 'shop')
  await worker.settled()
  expect((await list('type=token.refused')).map(({ data }) => data.count)).toEqual([2])
})

test('an actor that reaches beyond its power is not hidden by a flood of strangers', async () => {
  const { worker, list } = await startWithShop()
  const cx = worker.context()
  const weak = await newClientToken(worker, 'access:write', 'weak')
  const reach = async () => {
    expect((await callApi(worker, weak, 'GET', '/v1/users')).status).toBe(403)
    await worker.settled()
    return (await list('type=escalation.refused')).map(({ data }) => data.count)
  }
  // All that may be written in this hour about names, that of the actor too, is written.
  refuse(cx, 'shop')
  refuse(cx, 'weak')
  await worker.settled()
  await cx.db.write(sql`update attempt set count = 100000`)
  const before = await rowsOf(worker)
  refuse(cx, 'shop', 'no_scope')
  await worker.settled()
  expect(await rowsOf(worker)).toBe(before)
  expect(await reach()).toEqual([1])
  worker.clock.now += 60
  for (let i = 0; i < 600; i++) refuse(cx, `stranger-${i}`)
  await worker.settled()
  expect(await reach()).toEqual([1, 1])
})

/** A refusal of a principal, as a room would log it. */
function refuse(cx: Context, client_id: string, reason: Reason = 'scope_not_registered'): void {
  const of = { ...cx, rid: crypto.randomUUID(), parties: { ...cx.parties, client_id } }
  noteRefusal(of, new OAuthError('invalid_scope', { description: 'no', reason }))
}

test('about one principal only so much is written in an hour', async () => {
  const { worker } = await startWithShop()
  const cx = worker.context()
  const another = async (reason: Reason) => {
    refuse(cx, 'shop', reason)
    await worker.settled()
    return rowsOf(worker)
  }
  expect(await another('no_scope')).toBe(1)
  // The other writes of this hour, counted as they would be.
  const key = { purpose: 'refusal events', value: 'shop' }
  const { take } = limit(cx, key, { max: 600, window: 3600 })
  await cx.db.write(Array.from({ length: 599 }, () => take))
  expect(await another('scope_not_registered')).toBe(1)
  worker.clock.now += 3600
  expect(await another('bad_signature')).toBe(2)
})

test('two processes add up, and a batch that is sent twice adds once', async () => {
  const { worker, list } = await startWithShop()
  const one = { ...losingWrites(worker.context()), memory: new Map() }
  const other = { ...worker.context(), memory: new Map() }
  for (const cx of [one, other, one]) {
    refuse(cx, 'shop')
    await worker.settled()
  }
  expect((await list('type=token.refused')).map(({ data }) => data.count)).toEqual([3])
})

test('a database that is away costs the event alone, never the answer', async () => {
  const { worker } = await startWithShop()
  const away = async (): Promise<never> => {
    throw new Error('away')
  }
  const cx = { ...worker.context(), memory: new Map(), db: { read: away, write: away } }
  refuse(cx, 'shop')
  await writeRefusals(cx)
  await worker.settled()
  expect(await rowsOf(worker)).toBe(0)
  expect(worker.log.map(({ message }) => message)).toContain('events of refusals were not written')
})

test('steps of the protocol and faults of this server are no events', async () => {
  const { worker } = await startWithShop()
  const cx = worker.context()
  const expected = [
    ['authorization_pending', 'authorization_pending'],
    ['server_error', 'bug'],
    ['login_required', 'no_session'],
  ] as const
  for (const [error, reason] of expected) {
    const parties = { ...cx.parties, client_id: 'shop' }
    const failure = new OAuthError(error, { description: '', reason: reason as Reason })
    noteRefusal({ ...cx, parties }, failure)
  }
  await worker.settled()
  expect(await rowsOf(worker)).toBe(0)
})
