// A plain refresh by a public client uses its token up in the batch that reads it; a token that is kept is noted as
// used once in a while. Neither is laxer than reading first and writing then, which a named scope still brings about.
import { describe, expect, test } from 'vitest'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { sql } from '../../../worker/db/sql.ts'
import { changeUser } from '../../../worker/identity/users.ts'
import { changeClient } from '../../../worker/oauth/clients/clients.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import {
  addApp,
  addCode,
  addGrant,
  basic,
  claimsOf,
  losingAnswers,
  REDIRECT,
  refresh,
  setStatus,
  signIn,
  startIssuer,
  token,
  VERIFIER,
  write,
} from '../token_fixtures.ts'

const DAY = 86_400
const SCOPE = 'openid email offline_access orders'
const SHOP = 'https://shop.example/'

/** All that refreshing may change. */
const stateOf = async (worker: TestWorker) =>
  worker.context().db.read({
    families: sql<{ head: string; last_used_at: number; revoked_at: number | null }>`
      select client_id, head is null as is_open, last_used_at, revoked_at,
        (select parent is null from refresh_token where hash = head) as is_first from authorization`,
    tokens: sql<{ n: number }>`select count(*) as n from refresh_token`,
    events: sql<{ type: string }>`select type, data ->> '$.reason' as reason from event
      where type like 'authorization.%' order by type, reason`,
  })

async function startApp() {
  const worker = await startIssuer()
  await addApp(worker, { scope: `${SCOPE} mqtt users:read roles`, resources: [SHOP] })
  await addApp(worker, { client_id: 'other', scope: SCOPE })
  const first = await signIn(worker, { scope: SCOPE })
  const second = await refresh(worker, first.refresh_token)
  await signIn(worker, { client_id: 'other', scope: SCOPE })
  worker.clock.now += 100
  // Settings and keys are read once a minute.
  await worker.request('/.well-known/jwks.json')
  return { worker, first: first.refresh_token, second: second.body.refresh_token ?? '' }
}

const ATTACKS: [string, (worker: TestWorker) => Promise<unknown>, Record<string, string>?][] = [
  ['by another client', async () => {}, { client_id: 'other' }],
  ['by a client that nobody knows', async () => {}, { client_id: 'nobody' }],
  [
    'of a family that was revoked',
    (worker) => write(worker, sql`update authorization set revoked_at = 1`),
  ],
  [
    'of a family that was idle',
    async (worker) => {
      worker.clock.now += 30 * DAY
    },
  ],
  [
    'of a family that is over',
    (worker) => write(worker, sql`update authorization set expires_at = 1`),
  ],
  ['of a person who is disabled', (worker) => setStatus(worker, 'user', 'ann', 'disabled')],
  [
    'of a person who was disabled since',
    async (worker) => {
      await changeUser(worker.context(), 'ann', { status: 'disabled' }, null)
      await changeUser(worker.context(), 'ann', { status: 'active' }, null)
    },
  ],
  ['of a client that is disabled', (worker) => setStatus(worker, 'client', 'app', 'disabled')],
  [
    'of a client that was disabled since',
    async (worker) => {
      await changeClient(worker.context(), 'app', { status: 'disabled' }, null)
      await changeClient(worker.context(), 'app', { status: 'active' }, null)
    },
  ],
  [
    'of a person who was deleted',
    (worker) => write(worker, sql`delete from user where id = 'ann'`),
  ],
  [
    'that is bound to a key',
    (worker) => write(worker, sql`update authorization set cnf = '{"jkt":"x"}'`),
  ],
  [
    'by a client that has a secret now',
    async (worker) => {
      const member = 'token_endpoint_auth_method'
      await changeClient(worker.context(), 'app', { [member]: 'client_secret_basic' }, null)
    },
  ],
  [
    'by a client that has to send proofs now',
    (worker) => changeClient(worker.context(), 'app', { dpop_bound_access_tokens: true }, null),
  ],
  [
    'by a client that may not refresh any more',
    (worker) =>
      changeClient(worker.context(), 'app', { grant_types: ['authorization_code'] }, null),
  ],
  [
    'by a client that lost its scopes',
    (worker) => changeClient(worker.context(), 'app', { scope: 'profile' }, null),
  ],
]

describe('a plain refresh', () => {
  test('is one round trip, and two where more than the state of the family is to be judged', async () => {
    const { worker, second } = await startApp()
    await addGrant(worker, 'ann', { name: 'clerk', permissions: ['users:read'] })
    const trips = async (refresh_token: string, more = {}) => {
      const { value, roundTrips } = await countRoundTrips(worker, () =>
        refresh(worker, refresh_token, more),
      )
      expect(value.status).toBe(200)
      return { roundTrips, next: value.body.refresh_token ?? '' }
    }
    const plain = await trips(second)
    expect(plain.roundTrips).toBe(1)
    expect((await trips(plain.next, { scope: 'openid' })).roundTrips).toBe(2)
    const shop = await signIn(worker, { scope: 'orders', resource: [SHOP] })
    expect((await trips(shop.refresh_token)).roundTrips).toBe(1)
    for (const scope of ['mqtt', 'users:read', 'openid roles offline_access']) {
      const { refresh_token } = await signIn(worker, { scope, resource: [] })
      if (refresh_token !== '')
        expect([scope, (await trips(refresh_token)).roundTrips]).toEqual([scope, 2])
    }
  })

  test('is read first while the client is not known, or was changed since it was', async () => {
    const { worker, second } = await startApp()
    worker.memory.delete('clients read lately')
    const { value, roundTrips } = await countRoundTrips(worker, () => refresh(worker, second))
    expect([value.status, roundTrips]).toEqual([200, 2])
    await changeClient(worker.context(), 'app', { client_name: 'Another' }, null)
    const next = await countRoundTrips(worker, () =>
      refresh(worker, value.body.refresh_token ?? ''),
    )
    expect([next.value.status, next.roundTrips]).toEqual([200, 2])
    const last = next.value.body.refresh_token ?? ''
    expect((await countRoundTrips(worker, () => refresh(worker, last))).roundTrips).toBe(1)
  })

  test.each(ATTACKS)(
    'with a token %s uses up and revokes no more than one that is read first',
    async (_, prepare, more = {}) => {
      const outcomes = []
      for (const scope of [undefined, SCOPE]) {
        const { worker, second } = await startApp()
        await prepare(worker)
        const before = await stateOf(worker)
        const { status, body } = await refresh(worker, second, { ...more, ...(scope && { scope }) })
        expect([status, body.access_token]).not.toEqual([200, expect.anything()])
        expect(await stateOf(worker)).toEqual(before)
        outcomes.push([status, body.error])
      }
      expect(outcomes[0]).toEqual(outcomes[1])
    },
  )

  test('with a stray token revokes its family, as one that is read first does', async () => {
    const outcomes = []
    for (const scope of [undefined, SCOPE]) {
      const { worker, first, second } = await startApp()
      expect((await refresh(worker, second)).status).toBe(200)
      const { body } = await refresh(worker, first, scope === undefined ? {} : { scope })
      outcomes.push([body.error, await stateOf(worker)])
    }
    expect(outcomes[0]).toEqual(outcomes[1])
    expect(JSON.stringify(outcomes[0])).toContain('refresh_token_reused')
  })

  test('whose answer is lost before the family is idle was still done, once', async () => {
    const { worker, second } = await startApp()
    const idle = async () => {
      worker.clock.now += 31 * DAY
    }
    const { body } = await refresh(losingAnswers(worker, idle), second)
    expect(body.refresh_token).toHaveLength(50)
    expect((await stateOf(worker)).tokens).toEqual([{ n: 4 }])
  })

  test('whose answer is lost before the family is revoked gives nothing', async () => {
    const { worker, second } = await startApp()
    const revoke = () => write(worker, sql`update authorization set revoked_at = 1`)
    const { body } = await refresh(losingAnswers(worker, revoke), second)
    expect(body.error).toBe('invalid_grant')
  })

  test('whose answer is lost before the person is disabled gives nothing', async () => {
    const { worker, second } = await startApp()
    const losing = losingAnswers(worker, () => setStatus(worker, 'user', 'ann', 'disabled'))
    const { body } = await refresh(losing, second)
    expect(body.error).toBe('invalid_grant')
  })
})

describe('a token that is kept', () => {
  async function startWeb() {
    const worker = await startIssuer()
    const secret = await addApp(worker, {
      client_id: 'web',
      token_endpoint_auth_method: 'client_secret_basic',
    })
    const { code } = await addCode(worker, { client_id: 'web' })
    const headers = basic('web', secret)
    const parameters = { grant_type: 'authorization_code', redirect_uri: REDIRECT, code }
    const { body } = await token(worker, { ...parameters, code_verifier: VERIFIER }, headers)
    const refresh_token = body.refresh_token ?? ''
    const use = () => token(worker, { grant_type: 'refresh_token', refresh_token }, headers)
    const usedAt = async () => (await stateOf(worker)).families[0]?.last_used_at
    return { worker, use, usedAt }
  }

  test.each([
    ['an hour', {}, 3600],
    ['a 24th of the time after which it is idle', { refresh_token_idle_ttl: 12 * 3600 }, 1800],
  ])('is noted as used once in %s, and else nothing is written', async (_, settings, every) => {
    const { worker, use, usedAt } = await startWeb()
    await changeSettings(worker.context(), settings)
    worker.clock.now += 61
    const start = (await usedAt()) ?? 0
    await use()
    for (const [at, trips, noted] of [
      [start + every - 1, 1, start],
      [start + every, 2, start + every],
      [start + every + 1, 1, start + every],
    ] as const) {
      worker.clock.now = at
      // Settings and keys are read once a minute.
      await worker.request('/.well-known/jwks.json')
      const before = await countRoundTrips(worker, use)
      expect([at - start, before.roundTrips]).toEqual([at - start, trips])
      expect(before.value.status).toBe(200)
      expect(claimsOf(before.value.body.access_token).sub).toBe('ann')
      expect(await usedAt()).toBe(noted)
    }
  })

  test('is refused all the same once its family has ended or its person may not act', async () => {
    for (const end of [
      (worker: TestWorker) => write(worker, sql`update authorization set revoked_at = 1`),
      (worker: TestWorker) => setStatus(worker, 'user', 'ann', 'disabled'),
      (worker: TestWorker) => setStatus(worker, 'client', 'web', 'disabled'),
    ]) {
      const { worker, use } = await startWeb()
      expect((await use()).status).toBe(200)
      await end(worker)
      expect([400, 401]).toContain((await use()).status)
    }
  })
})
