// Introspection: who may look at which token, and that it says what holds at this moment.
import * as oauth from 'oauth4webapi'
import { expect, test } from 'vitest'
import * as schema from '../../../worker/db/schema.ts'
import { insertInto, sql } from '../../../worker/db/sql.ts'
import { findLiveOrigin } from '../../../worker/oauth/authorizations/origin_store.ts'
import { mintAccessToken, readAccessToken } from '../../../worker/oauth/tokens/access_token.ts'
import { countRoundTrips, ISSUER, type TestWorker } from '../../context.ts'
import {
  AS,
  addApp,
  addClient,
  addDevice,
  addUser,
  asserted,
  assertion,
  basic,
  claimsOf,
  foreign,
  foreignClient,
  MQTT,
  makeSigner,
  post,
  refresh,
  setStatus,
  signIn,
  startIssuer,
  token,
  write,
} from '../token_fixtures.ts'

const API_OF_SHOP = 'https://shop.example/'

/** A public app, a machine, a resource server that owns API_OF_SHOP, and one that owns nothing. */
async function startShop() {
  const worker = await startIssuer()
  await addApp(worker, { scope: 'orders openid offline_access', resources: [API_OF_SHOP] })
  const machine = { grant_types: ['client_credentials' as const], scope: 'orders' }
  const job = await addClient(worker, {
    ...machine,
    client_id: 'job',
    resources: [API_OF_SHOP],
  })
  const server = await addClient(worker, {
    ...machine,
    client_id: 'shop',
    serves: [API_OF_SHOP],
  })
  const stranger = await addClient(worker, { ...machine, client_id: 'stranger' })
  const who = {
    job: basic('job', job),
    shop: basic('shop', server),
    stranger: basic('stranger', stranger),
  }
  const look = (text: string, by: keyof typeof who, more: Record<string, string> = {}) =>
    post(worker, '/oauth/introspect', { token: text, ...more }, who[by])
  const own = { grant_type: 'client_credentials', resource: API_OF_SHOP }
  const { body } = await token(worker, own, who.job)
  return { worker, who, look, access_token: body.access_token ?? '', server }
}

test('a strict foreign resource server looks at a token whose audience it is, in one round trip', async () => {
  const { worker, access_token, server } = await startShop()
  const client = foreignClient(worker, 'shop')
  const { value, roundTrips } = await countRoundTrips(worker, () =>
    oauth.introspectionRequest(
      AS,
      client,
      oauth.ClientSecretBasic(server),
      access_token,
      foreign(worker),
    ),
  )
  expect(roundTrips).toBe(1)
  expect(value.headers.get('cache-control')).toBe('no-store')
  const result = await oauth.processIntrospectionResponse(AS, client, value)
  expect(result).toEqual({
    active: true,
    iss: ISSUER,
    sub: 'job',
    client_id: 'job',
    aud: API_OF_SHOP,
    scope: 'orders',
    iat: worker.clock.now,
    exp: worker.clock.now + 600,
    jti: claimsOf(access_token).jti,
    status: { status_list: { idx: expect.any(Number), uri: `${ISSUER}/status-lists/0` } },
    token_type: 'Bearer',
  })
})

test('its own client may look too, every other one is told that the token is inactive', async () => {
  const { look, access_token } = await startShop()
  expect((await look(access_token, 'job')).body['active']).toBe(true)
  const other = await look(access_token, 'stranger')
  expect([other.status, other.body]).toEqual([200, { active: false }])
})

test('a client that may only call an API looks at no token of another that is for it', async () => {
  const { worker, access_token } = await startShop()
  const secret = await addClient(worker, {
    client_id: 'caller',
    grant_types: ['client_credentials'],
    scope: 'orders',
    resources: [API_OF_SHOP],
  })
  const look = async (text: string) =>
    (await post(worker, '/oauth/introspect', { token: text }, basic('caller', secret))).body
  expect(await look(access_token)).toEqual({ active: false })
  const person = await signIn(worker, { scope: 'orders', resource: [API_OF_SHOP] })
  expect(await look(person.access_token)).toEqual({ active: false })
  // Its own it may look at.
  const own = { grant_type: 'client_credentials', resource: API_OF_SHOP }
  const { body } = await token(worker, own, basic('caller', secret))
  expect((await look(body.access_token ?? ''))['active']).toBe(true)
})

test('nobody looks at a token without authentication', async () => {
  const { worker, access_token } = await startShop()
  const parameters = { token: access_token }
  for (const answer of [
    await post(worker, '/oauth/introspect', parameters),
    await post(worker, '/oauth/introspect', { ...parameters, client_id: 'app' }),
    await post(worker, '/oauth/introspect', { ...parameters, client_id: 'shop' }),
    await post(worker, '/oauth/introspect', parameters, basic('shop', 'wrong')),
    await post(worker, '/oauth/introspect', parameters, {
      Authorization: `Bearer ${access_token}`,
    }),
  ]) {
    expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client'])
  }
  const signed = claimsOf((await signIn(worker)).access_token)
  expect(signed.sub).toBe('ann')
})

test('what is no token of ours, ran out or was altered is inactive and nothing more', async () => {
  const { worker, look, access_token, who } = await startShop()
  const { id_token = '' } = await signIn(worker)
  const [header, body, signature] = access_token.split('.')
  const wider = btoa(JSON.stringify({ ...claimsOf(access_token), sub: 'ann' }))
  for (const text of [
    'nonsense',
    'a.b.c',
    id_token,
    `${header}.${wider.replaceAll('=', '')}.${signature}`,
    `${btoa('{"alg":"none","typ":"at+jwt"}')}.${body}.`,
    `${access_token}${'x'.repeat(9000)}`,
  ]) {
    expect((await look(text, 'job')).body).toEqual({ active: false })
  }
  expect((await post(worker, '/oauth/introspect', {}, who.job)).body.error).toBe('invalid_request')
  worker.clock.now += 600
  expect((await look(access_token, 'job')).body).toEqual({ active: false })
})

test('a token is inactive as soon as client, person or authorization is', async () => {
  const { worker, look, access_token } = await startShop()
  await setStatus(worker, 'client', 'job', 'disabled')
  expect((await look(access_token, 'shop')).body).toEqual({ active: false })
  await setStatus(worker, 'client', 'job', 'active')
  expect((await look(access_token, 'shop')).body).toEqual({ active: false })

  let person = await signIn(worker, { scope: 'orders', resource: [API_OF_SHOP] })
  const isActive = async () => (await look(person.access_token, 'shop')).body['active'] as boolean
  for (const table of ['user', 'client'] as const) {
    const id = table === 'user' ? 'ann' : 'app'
    expect(await isActive()).toBe(true)
    await setStatus(worker, table, id, 'disabled')
    expect(await isActive()).toBe(false)
    await setStatus(worker, table, id, 'active')
    expect(await isActive()).toBe(false)
    person = await signIn(worker, { scope: 'orders', resource: [API_OF_SHOP] })
  }
  expect(await isActive()).toBe(true)
  await write(worker, sql`update authorization set revoked_at = ${worker.clock.now}`)
  expect(await isActive()).toBe(false)
})

test('a refresh token is shown to its own client alone, and only while it could be used', async () => {
  const worker = await startIssuer()
  const signer = await makeSigner('ES256')
  await addApp(worker, {
    client_id: 'web',
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [signer.jwk as never] },
  })
  const stranger = await addClient(worker, {
    client_id: 'stranger',
    grant_types: ['client_credentials'],
  })
  await write(worker, sql`update client set token_endpoint_auth_method = 'none' where id = 'web'`)
  const { refresh_token } = await signIn(worker, { client_id: 'web' })
  const { body: next } = await refresh(worker, refresh_token, { client_id: 'web' })
  await write(
    worker,
    sql`update client set token_endpoint_auth_method = 'private_key_jwt' where id = 'web'`,
  )
  const look = async (text: string) =>
    post(worker, '/oauth/introspect', {
      token: text,
      token_type_hint: 'refresh_token',
      ...asserted(await assertion(worker, signer, 'web')),
    })
  const { value, roundTrips } = await countRoundTrips(worker, () => look(next.refresh_token!))
  expect(roundTrips).toBe(2)
  expect(value.body).toEqual({
    active: true,
    iss: ISSUER,
    sub: 'ann',
    client_id: 'web',
    scope: 'openid offline_access',
    iat: worker.clock.now,
    exp: worker.clock.now + 30 * 86_400,
  })
  expect((await look(refresh_token)).body['active']).toBe(true) // the head itself
  const other = { token: refresh_token }
  expect(
    (await post(worker, '/oauth/introspect', other, basic('stranger', stranger))).body,
  ).toEqual({ active: false })
  await setStatus(worker, 'user', 'ann', 'disabled')
  expect((await look(refresh_token)).body).toEqual({ active: false })
})

/** A token as an operator mints it. */
async function mintDeviceToken(worker: TestWorker, device_id: string) {
  const now = worker.clock.now
  const { access_token, expires_at, kid } = await mintAccessToken(worker.context(), {
    origin: 'tok_1',
    sub: device_id,
    client_id: device_id,
    audience: [MQTT],
    scope: ['mqtt'],
    ttl: 86_400 * 365,
    acl: [],
  })
  expect(expires_at).toBe(now + 86_400 * 365)
  expect(kid).toMatch(/./)
  const row = { id: 'tok_1', device_id, created_at: now, expires_at }
  await write(worker, insertInto(schema.device_token, row))
  return access_token
}

test('an operator-minted token is inactive once it is revoked or its device suspended', async () => {
  const worker = await startIssuer()
  await addDevice(worker, 'dim-1', { secret: 'ads_x' })
  const text = await mintDeviceToken(worker, 'dim-1')
  const isActive = async () =>
    (await post(worker, '/oauth/introspect', { token: text }, basic('dim-1', 'ads_x'))).body[
      'active'
    ]
  expect(await isActive()).toBe(true)
  await write(worker, sql`update device_token set revoked_at = 1`)
  expect(await isActive()).toBe(false)
  await write(worker, sql`update device_token set revoked_at = null`)
  await setStatus(worker, 'device', 'dim-1', 'suspended')
  const { origin, sub, client_id } = (await readAccessToken(worker.context(), text))!
  const states = async () =>
    await worker
      .context()
      .db.read(findLiveOrigin({ origin, epoch: 0, sub, client_id }, worker.clock.now))
  expect(await states()).toEqual([])
  await setStatus(worker, 'device', 'dim-1', 'active')
  expect(await states()).toEqual([{ kind: 'device_token' }])
  expect(await isActive()).toBe(true)
})

test('an origin counts only for its own subject and client, and a minted one only for its time', async () => {
  const worker = await startIssuer()
  await addApp(worker)
  await addApp(worker, { client_id: 'other' })
  await addUser(worker, 'bob')
  await addDevice(worker, 'dim-1', { secret: 'ads_x' })
  await addDevice(worker, 'dim-2', { secret: 'ads_y' })
  const { authorization_id: azn } = await signIn(worker)
  const minted = (await readAccessToken(worker.context(), await mintDeviceToken(worker, 'dim-1')))!
    .origin
  const kindOf = async (origin: string, sub: string, client_id: string, later = 0) => {
    const origins = findLiveOrigin({ origin, epoch: 0, sub, client_id }, worker.clock.now + later)
    const rows = await worker.context().db.read(origins)
    return rows.map((one) => one.kind).join()
  }
  expect(await kindOf(azn, 'ann', 'app')).toBe('authorization')
  expect(await kindOf(azn, 'bob', 'app')).toBe('')
  expect(await kindOf(azn, 'ann', 'other')).toBe('')
  expect(await kindOf(minted, 'dim-1', 'dim-1')).toBe('device_token')
  expect(await kindOf(minted, 'dim-1', 'dim-1', 400 * 86_400)).toBe('')
  expect(await kindOf(minted, 'dim-2', 'dim-2')).toBe('')
  expect(await kindOf(minted, 'dim-1', 'app')).toBe('')
  expect(await kindOf('app', 'app', 'app')).toBe('client')
  expect(await kindOf('app', 'app', 'other')).toBe('')
  expect(await kindOf('app', 'ann', 'app')).toBe('')
  expect(await kindOf('dim-1', 'dim-1', 'dim-1')).toBe('device')
  expect(await kindOf('dim-1', 'dim-1', 'dim-2')).toBe('')
  expect(await kindOf('ann', 'ann', 'ann')).toBe('')
})

test('a token that was looked at a moment ago is judged anew by time and state, and an altered one is not taken for it', async () => {
  const { worker, look, access_token } = await startShop()
  const { exp } = claimsOf(access_token)
  worker.clock.now = exp - 20
  expect((await look(access_token, 'shop')).body['active']).toBe(true)
  const altered = `${access_token.slice(0, -4)}AAAA`
  expect((await look(altered, 'shop')).body).toEqual({ active: false })
  await setStatus(worker, 'client', 'job', 'disabled')
  expect((await look(access_token, 'shop')).body).toEqual({ active: false })
  await setStatus(worker, 'client', 'job', 'active')
  expect((await look(access_token, 'shop')).body).toEqual({ active: false })
  worker.clock.now = exp
  expect((await look(access_token, 'shop')).body).toEqual({ active: false })
})

test('tokens that were looked at are remembered up to a bound', async () => {
  const { worker, who } = await startShop()
  const cx = worker.context()
  const parameters = { grant_type: 'client_credentials', resource: API_OF_SHOP }
  const { body } = await token(worker, parameters, who.job)
  for (let i = 0; i < 1200; i++) {
    // Unsigned texts leave nothing behind.
    await readAccessToken(cx, `${body.access_token}${i}`)
  }
  const made = await Promise.all(
    Array.from({ length: 1100 }, async (_, i) => {
      const given = { origin: 'job', sub: 'job', client_id: 'job', audience: ['a:b'], scope: [] }
      return (await mintAccessToken(cx, { ...given, ttl: 60 + i })).access_token
    }),
  )
  for (const one of made) await readAccessToken(cx, one)
  const lately = worker.memory.get('tokens read lately')?.value as Map<string, unknown>
  expect(lately.size).toBe(1000)
})
