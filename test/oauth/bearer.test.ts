// The guard before the management API: whose token opens it, how far, and how soon it closes.
import { expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { signJwt } from '../../worker/keys/jwt.ts'
import { countRoundTrips, ISSUER, type TestWorker } from '../context.ts'
import {
  API,
  addApp,
  addClient,
  addDevice,
  addGrant,
  basic,
  claimsOf,
  MQTT,
  setStatus,
  signIn,
  startIssuer,
  token,
  write,
} from './token_fixtures.ts'

/** Both ways of presenting a token, and no error code. */
const BARE_CHALLENGE =
  /^Bearer resource_metadata="[^"]+", DPoP algs="ES256 Ed25519 EdDSA RS256 PS256"$/

const PATH = '/v1/keys' // keys:read

const get = async (worker: TestWorker, access_token: string) =>
  worker.request(PATH, { headers: { Authorization: `Bearer ${access_token}` } })

async function startOps(scope = 'manage') {
  const worker = await startIssuer()
  const secret = await addClient(worker, {
    client_id: 'ops',
    grant_types: ['client_credentials'],
    scope,
  })
  const { body } = await token(worker, { grant_type: 'client_credentials' }, basic('ops', secret))
  return { worker, access_token: body.access_token ?? '' }
}

test('a client with manage may do everything, in one round trip for the guard', async () => {
  const { worker, access_token } = await startOps()
  const { value, roundTrips } = await countRoundTrips(worker, () => get(worker, access_token))
  expect(value.status).toBe(200)
  expect(roundTrips).toBe(1)
})

test('a token with another scope is forbidden, and a scope the client lost no longer counts', async () => {
  const some = await startOps('users:read')
  expect((await get(some.worker, some.access_token)).status).toBe(403)
  const { worker, access_token } = await startOps('keys:read users:read')
  expect((await get(worker, access_token)).status).toBe(200)
  await write(worker, sql`update client set scope = 'users:read' where id = 'ops'`)
  // The token is superseded; one of before there were status lists has less from then on.
  expect((await get(worker, access_token)).status).toBe(401)
  const older = { ...claimsOf(access_token), status: undefined }
  const { jwt } = await signJwt(worker.context(), 'ES256', 'at+jwt', older)
  expect((await get(worker, jwt)).status).toBe(403)
})

test('without a token there is no error code, with a bad header or token invalid_token', async () => {
  const { worker, access_token } = await startOps()
  const claims = claimsOf(access_token)
  const sign = async (changes: object, typ = 'at+jwt') =>
    (await signJwt(worker.context(), 'ES256', typ, { ...claims, ...changes })).jwt
  const none = await worker.request(PATH)
  expect(none.status).toBe(401)
  expect(none.headers.get('www-authenticate')).toMatch(BARE_CHALLENGE)
  expect(none.headers.get('content-type')).toBe('application/problem+json')
  const headers = {
    'another scheme': `Basic ${access_token}`,
    'no token': 'Bearer',
    'two tokens': `Bearer ${access_token}, Bearer ${access_token}`,
    'a token with a space': `Bearer ${access_token} x`,
    nonsense: 'Bearer nonsense',
    'the type of an ID token': `Bearer ${await sign({}, 'JWT')}`,
    'the audience of userinfo': `Bearer ${await sign({ aud: ISSUER })}`,
    'the audience of mProxy': `Bearer ${await sign({ aud: MQTT })}`,
    'an audience that begins alike': `Bearer ${await sign({ aud: `${API}/keys` })}`,
    'a token that ran out': `Bearer ${await sign({ exp: worker.clock.now })}`,
    'another origin': `Bearer ${await sign({ jti: 'other.x' })}`,
    'an unknown client': `Bearer ${await sign({ sub: 'x', client_id: 'x', jti: 'x.x' })}`,
  }
  for (const [name, Authorization] of Object.entries(headers)) {
    const answer = await worker.request(PATH, { headers: { Authorization } })
    const challenge = answer.headers.get('www-authenticate')
    expect({ name, status: answer.status, challenge }).toEqual({
      name,
      status: 401,
      challenge: expect.stringMatching(/^Bearer error="invalid_token", resource_metadata=/),
    })
  }
  const query = await worker.request(`${PATH}?access_token=${access_token}`)
  expect(query.status).toBe(401)
  const form = await worker.request('/v1/keys/ES256/rotate', {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: `access_token=${access_token}`,
  })
  expect(form.status).toBe(401)
})

test('a client that is disabled or deleted is out at once', async () => {
  const { worker, access_token } = await startOps()
  await setStatus(worker, 'client', 'ops', 'disabled')
  expect((await get(worker, access_token)).status).toBe(401)
  await write(worker, sql`delete from client where id = 'ops'`)
  expect((await get(worker, access_token)).status).toBe(401)
})

test('a person has the scopes of the token only while a role gives them, and keys only on everything', async () => {
  const worker = await startIssuer()
  await addApp(worker, { scope: 'keys:read users:read' })
  await addGrant(worker, 'ann', { name: 'operator' })
  const { access_token } = await signIn(worker, { scope: 'keys:read' })
  const status = async () => (await get(worker, access_token)).status
  expect(await status()).toBe(200)
  const { roundTrips } = await countRoundTrips(worker, () => get(worker, access_token))
  expect(roundTrips).toBe(1)
  await write(worker, sql`update "grant" set expires_at = ${worker.clock.now}`)
  expect(await status()).toBe(403)
  await write(worker, sql`update "grant" set expires_at = null, object_id = 'site-1'`)
  expect(await status()).toBe(403)
  await write(worker, sql`update "grant" set object_id = '*'`)
  expect(await status()).toBe(200)
  await setStatus(worker, 'user', 'ann', 'disabled')
  expect(await status()).toBe(401)
  await setStatus(worker, 'user', 'ann', 'active')
  await write(worker, sql`update authorization set revoked_at = 1`)
  expect(await status()).toBe(401)
})

test('a device has no way in, whatever its token says', async () => {
  const worker = await startIssuer()
  await addDevice(worker, 'dim-1', { secret: 'ads_x' })
  const now = worker.clock.now
  const { jwt } = await signJwt(worker.context(), 'ES256', 'at+jwt', {
    sub: 'dim-1',
    client_id: 'dim-1',
    aud: API,
    iat: now,
    exp: now + 60,
    jti: 'dim-1.x',
    scope: 'manage',
  })
  expect((await get(worker, jwt)).status).toBe(401)
})
