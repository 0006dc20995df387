// Wrong guesses at secrets: counted per pair of client and address, slowed down per client, and no
// way to lock anybody out by an id that is public.
import { expect, test } from 'vitest'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { sql } from '../../../worker/db/sql.ts'
import { createInitialAccessToken } from '../../../worker/oauth/registration/initial_access_tokens.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import { reasonOf } from '../../support/log.ts'
import { register, send } from '../registration_fixtures.ts'
import { addClient, addDevice, basic, count, post, startIssuer, token } from '../token_fixtures.ts'

const own = { grant_type: 'client_credentials' }
const JOB = { client_id: 'job', grant_types: ['client_credentials' as const], scope: 'orders' }
const DEVICE_SECRET = 'ads_Zp3kQ8vT1nL6xR9wB4cY7hJ2mF5sD0gA'
const MAX = 20

const at = (address: string) => ({ 'x-test-address': address })
const HERE = at('198.51.100.7')
const THERE = at('198.51.100.8')

async function startGuessed() {
  const worker = await startIssuer()
  const secret = await addClient(worker, JOB)
  await addClient(worker, { ...JOB, client_id: 'other' })
  await addDevice(worker, 'lamp', { secret: DEVICE_SECRET })
  await changeSettings(worker.context(), { registration: 'open' })
  const { body } = await register(worker)
  await changeSettings(worker.context(), { registration: 'token' })
  const permit = await createInitialAccessToken(worker.context(), {})
  return { worker, secret, registered: body, permit: permit.initial_access_token }
}

type Started = Awaited<ReturnType<typeof startGuessed>>
type Guess = (headers: Record<string, string>) => Promise<number>

/** Ways to present a secret: a wrong guess, and the right one. */
const WAYS: Record<string, (started: Started) => { wrong: Guess; right: Guess }> = {
  'the secret of a client': ({ worker, secret }) => {
    const by = (one: string): Guess => {
      return async (headers) =>
        (await token(worker, own, { ...basic('job', one), ...headers })).status
    }
    return { wrong: by('x'.repeat(43)), right: by(secret) }
  },
  'the secret of a client at introspection': ({ worker, secret }) => {
    const by = (one: string): Guess => {
      const path = '/oauth/introspect'
      return async (headers) =>
        (await post(worker, path, { token: 'x' }, { ...basic('job', one), ...headers })).status
    }
    return { wrong: by('x'.repeat(43)), right: by(secret) }
  },
  'the secret of a device': ({ worker }) => {
    const by = (one: string): Guess => {
      return async (headers) =>
        (await token(worker, own, { ...basic('lamp', one), ...headers })).status
    }
    return { wrong: by('x'.repeat(43)), right: by(DEVICE_SECRET) }
  },
  'a registration access token': ({ worker, registered }) => {
    const path = `/oauth/register/${registered.client_id}`
    const by = (one: string): Guess => {
      return async (headers) => (await send(worker, 'GET', path, undefined, one, headers)).status
    }
    return { wrong: by('x'.repeat(43)), right: by(registered.registration_access_token) }
  },
  'an initial access token': ({ worker, permit }) => {
    const by = (one: string): Guess => {
      return async (headers) => {
        const { status } = await register(worker, {}, one, headers)
        return status === 201 ? 200 : status
      }
    }
    return { wrong: by('x'.repeat(43)), right: by(permit) }
  },
}

test.each(Object.keys(WAYS))(
  '%s: wrong ones from one address end in 429, there alone',
  async (name) => {
    const started = await startGuessed()
    const { worker } = started
    const { wrong, right } = (WAYS[name] as (typeof WAYS)[string])(started)
    for (let i = 0; i < MAX; i++) expect([i, await wrong(HERE)]).toEqual([i, 401])
    expect([await wrong(HERE), reasonOf(worker)]).toEqual([429, 'too_many_wrong_secrets'])
    // Not even the right one, which would tell that it is right.
    expect(await right(HERE)).toBe(429)
    expect([await right(THERE), await wrong(THERE)]).toEqual([200, 401])
    worker.clock.now += 900
    expect(await right(HERE)).toBe(200)
  },
)

test.each(Object.keys(WAYS))(
  '%s: of two hundred parallel guesses as many are looked at',
  async (name) => {
    const started = await startGuessed()
    const { wrong, right } = (WAYS[name] as (typeof WAYS)[string])(started)
    const answers = await Promise.all(Array.from({ length: 200 }, () => wrong(HERE)))
    const looked = answers.filter((status) => status === 401).length
    console.log(`${name}: 200 parallel guesses, ${looked} looked at`)
    expect([looked, answers.filter((status) => status === 429).length]).toEqual([MAX, 200 - MAX])
    expect(await right(THERE)).toBe(200)
  },
)

test('another instance counts on, and another client is not concerned', async () => {
  const { worker, secret } = await startGuessed()
  const guess = (id: string) => token(worker, own, { ...basic(id, 'x'.repeat(43)), ...HERE })
  for (let i = 0; i < MAX; i++) await guess('job')
  for (const name of [...worker.memory.keys()]) worker.memory.delete(name)
  const refused = await token(worker, own, { ...basic('job', secret), ...HERE })
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '900'])
  expect((await guess('other')).status).toBe(401)
})

test('a right secret costs one round trip and writes nothing, a wrong one two', async () => {
  const { worker, secret } = await startGuessed()
  const by = (one: string) => () => token(worker, own, { ...basic('job', one), ...HERE })
  await by(secret)()
  const rows = () => count(worker, sql`from attempt`)
  const before = await rows()
  expect((await countRoundTrips(worker, by(secret))).roundTrips).toBe(1)
  expect(await rows()).toBe(before)
  expect((await countRoundTrips(worker, by('x'.repeat(43)))).roundTrips).toBe(2)
  expect(await rows()).toBe(before + 2)
})

async function guessFromEverywhere(worker: TestWorker, n: number): Promise<void> {
  for (let i = 0; i < n; i++) {
    await token(worker, own, { ...basic('job', 'x'.repeat(43)), ...at(`203.0.113.${i}`) })
  }
}

test('guesses from many addresses slow the client down, and never lock it out', async () => {
  const { worker, secret } = await startGuessed()
  await changeSettings(worker.context(), { secret_attempts_per_client: 30 })
  const right = () => token(worker, own, { ...basic('job', secret), ...THERE })
  await guessFromEverywhere(worker, 30)
  expect(worker.pauses).toEqual([])
  await guessFromEverywhere(worker, 60)
  expect(new Set(worker.pauses)).toEqual(new Set([1]))
  expect(worker.pauses.length).toBe(60)
  expect((await right()).status).toBe(200)
  expect(worker.pauses.length).toBe(61)
  worker.clock.now += 900
  expect((await right()).status).toBe(200)
  expect(worker.pauses.length).toBe(61)
})

test('peers without a known address are not refused, since nobody can tell them apart', async () => {
  const { worker, secret } = await startGuessed()
  const unknown = at('')
  for (let i = 0; i <= MAX; i++) {
    const { status } = await token(worker, own, { ...basic('job', 'x'.repeat(43)), ...unknown })
    expect(status).toBe(401)
  }
  expect((await token(worker, own, { ...basic('job', secret), ...unknown })).status).toBe(200)
})
