// Refresh tokens: kept by clients that prove themselves, rotated by public ones, never stranded, never shared.
import * as oauth from 'oauth4webapi'
import { describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { deleteOldProtocolState } from '../../../worker/oauth/cleanup.ts'
import { countRoundTrips, ISSUER, type TestWorker } from '../../context.ts'
import {
  API,
  AS,
  addApp,
  addCode,
  addGrant,
  basic,
  claimsOf,
  count,
  foreign,
  foreignClient,
  losingAnswers,
  MQTT,
  redeem,
  refresh,
  row,
  setStatus,
  signIn,
  startIssuer,
  token,
  write,
} from '../token_fixtures.ts'

const DAY = 86_400

async function startApp() {
  const worker = await startIssuer()
  await addApp(worker)
  return worker
}

/** The successor, or the error. */
async function use(worker: Pick<TestWorker, 'request'>, refresh_token: string): Promise<string> {
  const { body } = await refresh(worker, refresh_token)
  return body.refresh_token ?? body.error ?? 'nothing'
}

const isRevoked = async (worker: TestWorker, id: string) =>
  (
    await row(
      worker,
      sql<{ revoked_at: number | null }>`select revoked_at from authorization where id = ${id}`,
    )
  ).revoked_at !== null

describe('rotation for public clients', () => {
  test('a strict foreign client refreshes in one round trip and gets a successor', async () => {
    const worker = await startApp()
    const first = await signIn(worker, { scope: 'openid offline_access', nonce: 'n' })
    const client = foreignClient(worker, 'app')
    const { value, roundTrips } = await countRoundTrips(worker, () =>
      oauth.refreshTokenGrantRequest(
        AS,
        client,
        oauth.None(),
        first.refresh_token,
        foreign(worker),
      ),
    )
    expect(roundTrips).toBe(1)
    const result = await oauth.processRefreshTokenResponse(AS, client, value)
    expect(result.refresh_token).not.toBe(first.refresh_token)
    expect(result.scope).toBe('openid offline_access')
    expect(result.access_token).not.toBe(first.access_token)
    const id = claimsOf(result.id_token)
    expect(id).toMatchObject({ sub: 'ann', aud: 'app', auth_time: worker.clock.now - 5 })
    expect(id.nonce).toBeUndefined() // OpenID Connect Core §12.2
    const stored = await count(worker, sql`from refresh_token where hash = ${first.refresh_token}`)
    expect(stored).toBe(0) // hashes only
  })

  test('a token whose answer was lost may be presented again until a successor was used', async () => {
    const worker = await startApp()
    const { refresh_token: first } = await signIn(worker)
    await use(worker, first) // lost
    await use(worker, first) // lost
    const third = await use(worker, first)
    const fourth = await use(worker, third)
    expect(fourth).toHaveLength(50)
    // Now the parent of a used successor is a stray one.
    expect(await use(worker, first)).toBe('invalid_grant')
    expect(await use(worker, fourth)).toBe('invalid_grant')
  })

  test('siblings die when one of them is used, and a dead one revokes the family', async () => {
    const worker = await startApp()
    const { refresh_token: first, authorization_id } = await signIn(worker)
    const [elder, younger] = [await use(worker, first), await use(worker, first)]
    const child = await use(worker, elder)
    expect(child).toHaveLength(50)
    expect(await isRevoked(worker, authorization_id)).toBe(false)
    expect(await use(worker, younger)).toBe('invalid_grant')
    expect(await isRevoked(worker, authorization_id)).toBe(true)
    expect(await use(worker, child)).toBe('invalid_grant')
    const event = await row(
      worker,
      sql<{ data: string }>`select * from event where type = 'authorization.revoked'`,
    )
    expect(JSON.parse(event.data)).toEqual({
      authorization_id,
      client_id: 'app',
      reason: 'refresh_token_reused',
    })
  })

  test('a thief who shares a token is found out at the next use, whoever is first', async () => {
    for (const order of ['thief first', 'owner first']) {
      const worker = await startApp()
      const { refresh_token, authorization_id } = await signIn(worker)
      const [a, b] = [await use(worker, refresh_token), await use(worker, refresh_token)]
      const [first, second] = order === 'thief first' ? [a, b] : [b, a]
      expect(await use(worker, first)).toHaveLength(50)
      expect(await use(worker, second)).toBe('invalid_grant')
      expect(await isRevoked(worker, authorization_id)).toBe(true)
    }
  })

  test('two hundred parallel uses leave one family in which one successor can live', async () => {
    const worker = await startApp()
    const { refresh_token, authorization_id } = await signIn(worker)
    const successors = await Promise.all(
      Array.from({ length: 200 }, () => use(worker, refresh_token)),
    )
    const given = new Set(successors.filter((one) => one.length === 50))
    expect(given.size).toBe(200)
    expect(await isRevoked(worker, authorization_id)).toBe(false)
    const [one, other] = [...given] as [string, string]
    const grandchild = await use(worker, one)
    expect(grandchild).toHaveLength(50)
    const families = await count(worker, sql`from authorization where revoked_at is null`)
    console.log(`refresh: 200 parallel uses, ${given.size} successors, ${families} family alive`)
    expect(families).toBe(1)
    expect(await use(worker, other)).toBe('invalid_grant')
    expect(await use(worker, grandchild)).toBe('invalid_grant')
  })

  test('two hundred siblings used in parallel never leave two lines alive', async () => {
    const worker = await startApp()
    const { refresh_token, authorization_id } = await signIn(worker)
    const siblings = await Promise.all(
      Array.from({ length: 200 }, () => use(worker, refresh_token)),
    )
    const children = await Promise.all(siblings.map((one) => use(worker, one)))
    const good = children.filter((one) => one.length === 50).length
    console.log(`refresh: 200 siblings in parallel, ${good} went through before the family ended`)
    expect(good).toBe(1)
    expect(await isRevoked(worker, authorization_id)).toBe(true)
  })

  test('a refresh whose answer the database lost succeeds when it is repeated, with one successor', async () => {
    const worker = await startApp()
    const { refresh_token } = await signIn(worker)
    const successor = await use(losingAnswers(worker), refresh_token)
    expect(successor).toHaveLength(50)
    expect(await count(worker, sql`from refresh_token`)).toBe(2)
    expect(await use(worker, successor)).toHaveLength(50)
  })
})

test('a batch repeated after a sibling was used does not take itself for a thief', async () => {
  const worker = await startApp()
  const { refresh_token, authorization_id } = await signIn(worker)
  const sibling = await use(worker, refresh_token)
  let child = ''
  const losing = losingAnswers(worker, async () => {
    child = await use(worker, sibling)
  })
  expect(await use(losing, refresh_token)).toHaveLength(50)
  expect(await isRevoked(worker, authorization_id)).toBe(false)
  expect(await use(worker, child)).toHaveLength(50)
})

describe('kept by clients that prove themselves', () => {
  async function startWeb() {
    const worker = await startIssuer()
    const client_secret = await addApp(worker, {
      client_id: 'web',
      token_endpoint_auth_method: 'client_secret_basic',
    })
    const { code, authorization_id } = await addCode(worker, { client_id: 'web' })
    const { body } = await token(
      worker,
      {
        grant_type: 'authorization_code',
        code,
        redirect_uri: 'https://app.example.com/callback',
        code_verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
      },
      basic('web', client_secret),
    )
    return { worker, client_secret, authorization_id, refresh_token: body.refresh_token! }
  }

  test('the token stays good, also in two hundred parallel uses, and none is added', async () => {
    const { worker, client_secret, refresh_token } = await startWeb()
    const parameters = { grant_type: 'refresh_token', refresh_token }
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => token(worker, parameters, basic('web', client_secret))),
    )
    console.log(
      `refresh: 200 parallel uses of a kept token, statuses ${[...new Set(answers.map((a) => a.status))]}`,
    )
    expect(answers.every((answer) => answer.status === 200)).toBe(true)
    expect(answers.every((answer) => answer.body.refresh_token === undefined)).toBe(true)
    expect(await count(worker, sql`from refresh_token`)).toBe(1)
  })

  test('without client authentication, or with a wrong one, it is refused and harms nothing', async () => {
    const { worker, client_secret, refresh_token } = await startWeb()
    const parameters = { grant_type: 'refresh_token', refresh_token }
    for (const attempt of [
      token(worker, { ...parameters, client_id: 'web' }),
      token(worker, parameters),
      token(worker, parameters, basic('web', 'wrong')),
      token(worker, { ...parameters, client_id: 'web', client_secret }),
    ]) {
      expect((await attempt).body.error).toBe('invalid_client')
    }
    expect((await token(worker, parameters, basic('web', client_secret))).status).toBe(200)
  })
})

test('the timer forgets what has ended, with its spent codes and tokens, and nothing that lives', async () => {
  const worker = await startApp()
  const start = worker.clock.now
  const ended = await signIn(worker)
  await signIn(worker, { scope: 'openid' }) // without refresh token
  await addCode(worker) // never redeemed
  await write(
    worker,
    sql`update authorization set revoked_at = ${start} where id = ${ended.authorization_id}`,
  )
  const alive = await signIn(worker)
  await write(
    worker,
    sql`insert into used_assertion (hash, rid, expires_at) values ('h', 'r', ${start + 60})`,
  )
  const tables = async () => ({
    authorizations: await count(worker, sql`from authorization`),
    codes: await count(worker, sql`from authorization_code`),
    tokens: await count(worker, sql`from refresh_token`),
    assertions: await count(worker, sql`from used_assertion`),
  })
  const clean = () => write(worker, ...deleteOldProtocolState(worker.context()))
  await clean()
  expect(await tables()).toEqual({ authorizations: 3, codes: 4, tokens: 2, assertions: 1 })
  worker.clock.now = start + DAY + 61
  await clean()
  expect(await tables()).toEqual({ authorizations: 1, codes: 1, tokens: 1, assertions: 0 })
  expect(await use(worker, alive.refresh_token)).toHaveLength(50)
  worker.clock.now = start + 182 * DAY
  await clean()
  expect(await tables()).toEqual({ authorizations: 0, codes: 0, tokens: 0, assertions: 0 })
})

describe('what a refresh may give', () => {
  test('a token of another client is refused and its family lives on', async () => {
    const worker = await startApp()
    await addApp(worker, { client_id: 'other' })
    const { refresh_token } = await signIn(worker)
    const stolen = await refresh(worker, refresh_token, { client_id: 'other' })
    expect(stolen.body.error).toBe('invalid_grant')
    expect(await use(worker, refresh_token)).toHaveLength(50)
  })

  test('scope may be narrowed, comes back at the next refresh, and is never widened', async () => {
    const worker = await startApp()
    const { refresh_token } = await signIn(worker, { scope: 'openid email offline_access' })
    const wide = await refresh(worker, refresh_token, { scope: 'openid profile' })
    expect(wide.body.error).toBe('invalid_scope')
    const narrow = await refresh(worker, refresh_token, { scope: 'email' })
    expect(narrow.body.scope).toBe('email')
    expect(narrow.body.id_token).toBeUndefined()
    const whole = await refresh(worker, narrow.body.refresh_token!)
    expect(whole.body.scope).toBe('openid email offline_access')
  })

  test('a scope that nobody knows is left out, and one that was not allowed is named', async () => {
    const worker = await startApp()
    const { refresh_token } = await signIn(worker, { scope: 'openid email offline_access' })
    const first = await refresh(worker, refresh_token, { scope: 'openid frobnicate' })
    expect(first.body.scope).toBe('openid')
    const next = first.body.refresh_token ?? ''
    const wide = await refresh(worker, next, { scope: 'email profile frobnicate' })
    expect(wide.body).toMatchObject({
      error: 'invalid_scope',
      error_description: expect.stringMatching(/: profile$/),
    })
    // Nothing is left of the wish, which is not the same as no wish.
    expect((await refresh(worker, next, { scope: 'frobnicate' })).body.error).toBe('invalid_scope')
    expect((await refresh(worker, next)).body.scope).toBe('openid email offline_access')
  })

  test('a resource has to be covered, and narrows the token', async () => {
    const worker = await startApp()
    const both = await signIn(worker, { scope: 'openid mqtt offline_access' })
    const mqtt = await refresh(worker, both.refresh_token, { resource: MQTT })
    expect(claimsOf(mqtt.body.access_token)).toMatchObject({ aud: MQTT, scope: 'mqtt' })
    const own = await refresh(worker, both.refresh_token, { resource: ISSUER })
    expect(claimsOf(own.body.access_token)).toMatchObject({
      aud: ISSUER,
      scope: 'openid offline_access',
    })
    for (const resource of [API, 'https://api.example.com/']) {
      const { body } = await refresh(worker, both.refresh_token, { resource })
      expect(body.error).toBe('invalid_target')
    }
    const named = await signIn(worker, { scope: 'mqtt', resource: [MQTT] })
    const { body } = await refresh(worker, named.refresh_token, { resource: ISSUER })
    expect(body.error).toBe('invalid_target')
  })

  test('management scopes end with the role, without burning the family', async () => {
    const worker = await startApp()
    await addGrant(worker, 'ann', { name: 'clerk', permissions: ['users:read'] })
    const { refresh_token, scope } = await signIn(worker, { scope: 'users:read' })
    expect(scope).toBe('users:read')
    await write(worker, sql`update role set permissions = '[]' where name = 'clerk'`)
    expect(await use(worker, refresh_token)).toBe('invalid_scope')
    await write(worker, sql`update role set permissions = '["users:read"]' where name = 'clerk'`)
    expect(await use(worker, refresh_token)).toHaveLength(50)
  })

  test('a scope that the client is no longer registered for is not given', async () => {
    const worker = await startApp()
    const { refresh_token } = await signIn(worker, { scope: 'openid email offline_access' })
    await write(worker, sql`update client set scope = 'openid offline_access' where id = 'app'`)
    const { body } = await refresh(worker, refresh_token)
    expect(body.scope).toBe('openid offline_access')
    await write(worker, sql`update client set scope = 'mqtt' where id = 'app'`)
    expect(await use(worker, body.refresh_token!)).toBe('invalid_scope')
  })

  test('a resource that the client is no longer registered for is not given', async () => {
    const worker = await startIssuer()
    const shop = 'https://shop.example/'
    await addApp(worker, { scope: 'orders', resources: [shop] })
    const { access_token, refresh_token } = await signIn(worker, {
      scope: 'orders',
      resource: [shop],
    })
    expect(claimsOf(access_token).aud).toBe(shop)
    await write(worker, sql`update client set resources = '[]' where id = 'app'`)
    expect(await use(worker, refresh_token)).toBe('invalid_target')
  })

  test('a locked person gets nothing, and the family is still there afterwards', async () => {
    const worker = await startApp()
    const { refresh_token: first } = await signIn(worker)
    const second = await use(worker, first)
    await setStatus(worker, 'user', 'ann', 'disabled')
    expect(await use(worker, second)).toBe('invalid_grant')
    expect(await use(worker, first)).toBe('invalid_grant')
    await setStatus(worker, 'user', 'ann', 'active')
    expect(await use(worker, second)).toHaveLength(50)
  })

  test('a family ends when it was idle too long, and at the latest after its whole time', async () => {
    const worker = await startApp()
    const idle = await signIn(worker)
    worker.clock.now += 30 * DAY - 1
    const child = await use(worker, idle.refresh_token)
    expect(child).toHaveLength(50)
    worker.clock.now += 30 * DAY
    expect(await use(worker, child)).toBe('invalid_grant')

    let { refresh_token: last } = await signIn(worker)
    for (let days = 0; days < 170; days += 17) {
      worker.clock.now += 17 * DAY
      last = await use(worker, last)
      expect(last).toHaveLength(50)
    }
    worker.clock.now += 10 * DAY
    expect(await use(worker, last)).toBe('invalid_grant')
  })

  test('a deleted person or client leaves no way in', async () => {
    const worker = await startApp()
    const { refresh_token } = await signIn(worker)
    await write(worker, sql`delete from user where id = 'ann'`)
    expect(await use(worker, refresh_token)).toBe('invalid_grant')
    await write(worker, sql`delete from client where id = 'app'`)
    expect(await use(worker, refresh_token)).toBe('invalid_client')
  })

  test('an access token, a code or nonsense is no refresh token', async () => {
    const worker = await startApp()
    const { access_token } = await signIn(worker)
    const { code } = await addCode(worker)
    for (const text of [access_token, code, 'nonsense']) {
      expect(await use(worker, text)).toBe('invalid_grant')
    }
    expect((await redeem(worker, code)).status).toBe(200)
    const missing = await token(worker, { grant_type: 'refresh_token', client_id: 'app' })
    expect(missing.body.error).toBe('invalid_request')
  })
})
