// UserInfo: claims by scope, and every token that must not get them.
import * as oauth from 'oauth4webapi'
import { describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { signJwt } from '../../../worker/keys/jwt.ts'
import { countRoundTrips, ISSUER } from '../../context.ts'
import {
  AS,
  addApp,
  addClient,
  basic,
  claimsOf,
  foreign,
  foreignClient,
  post,
  setStatus,
  signIn,
  startIssuer,
  token,
  write,
} from '../token_fixtures.ts'

/** Both ways of presenting a token, and no error code. */
const BARE_CHALLENGE = 'Bearer, DPoP algs="ES256 Ed25519 EdDSA RS256 PS256"'

async function startApp() {
  const worker = await startIssuer()
  await addApp(worker, { scope: 'openid profile email offline_access mqtt' })
  const ask = (access_token: string) =>
    worker.request('/oauth/userinfo', { headers: { Authorization: `Bearer ${access_token}` } })
  return { worker, ask }
}

test('a strict foreign client gets the claims of its scopes in one round trip', async () => {
  const { worker } = await startApp()
  const { access_token } = await signIn(worker, { scope: 'openid profile email' })
  const client = foreignClient(worker, 'app')
  const { value, roundTrips } = await countRoundTrips(worker, () =>
    oauth.userInfoRequest(AS, client, access_token, foreign(worker)),
  )
  expect(roundTrips).toBe(1)
  expect(value.headers.get('cache-control')).toBe('no-store')
  expect(value.headers.get('access-control-allow-origin')).toBe('*')
  expect(await oauth.processUserInfoResponse(AS, client, 'ann', value)).toEqual({
    sub: 'ann',
    name: 'Ann Ex',
    locale: 'de',
    updated_at: worker.clock.now,
    email: 'ann@example.com',
    email_verified: true,
  })
})

test('openid alone tells the subject and nothing else, and what is not known is left out', async () => {
  const { worker, ask } = await startApp()
  const bare = await signIn(worker, { scope: 'openid' })
  expect(await (await ask(bare.access_token)).json()).toEqual({ sub: 'ann' })
  const mqtt = await signIn(worker, { scope: 'openid mqtt' })
  expect(await (await ask(mqtt.access_token)).json()).toEqual({ sub: 'ann' })
  await write(worker, sql`update user set name = null, locale = null, email_verified = 0`)
  const more = await signIn(worker, { scope: 'openid profile email' })
  expect(await (await ask(more.access_token)).json()).toEqual({
    sub: 'ann',
    updated_at: worker.clock.now,
    email: 'ann@example.com',
    email_verified: false,
  })
})

test('POST takes the token from the header or the form, never from both or the query', async () => {
  const { worker } = await startApp()
  const { access_token } = await signIn(worker)
  const header = { Authorization: `Bearer ${access_token}` }
  const path = '/oauth/userinfo'
  expect((await post(worker, path, { access_token })).body).toEqual({ sub: 'ann' })
  expect((await post(worker, path, {}, header)).body).toEqual({ sub: 'ann' })
  const bare = await worker.request(path, { method: 'POST', headers: header })
  expect(await bare.json()).toEqual({ sub: 'ann' })
  expect((await post(worker, path, { access_token }, header)).body.error).toBe('invalid_request')
  const query = await worker.request(`${path}?access_token=${access_token}`)
  expect(query.status).toBe(400)
  const old = await worker.request(`${path}?schema=openid`, { headers: header })
  expect(await old.json()).toEqual({ sub: 'ann' })
})

test('a request without a token is told no error code, every other one invalid_token', async () => {
  const { worker, ask } = await startApp()
  const none = await worker.request('/oauth/userinfo')
  expect([none.status, none.headers.get('www-authenticate')]).toEqual([401, BARE_CHALLENGE])
  expect(none.headers.get('access-control-expose-headers')).toContain('WWW-Authenticate')

  const { access_token, id_token = '', refresh_token } = await signIn(worker)
  const cx = worker.context()
  const claims = claimsOf(access_token)
  const sign = async (changes: object, typ = 'at+jwt') =>
    (await signJwt(cx, 'ES256', typ, { ...claims, ...changes })).jwt
  const unsigned = `${btoa('{"alg":"none","typ":"at+jwt"}').replaceAll('=', '')}.${access_token.split('.')[1]}.`
  for (const [name, text] of Object.entries({
    nonsense: 'nonsense',
    'an ID token': id_token,
    'a refresh token': refresh_token,
    'an unsigned token': unsigned,
    'another type': await sign({}, 'JWT'),
    'a type that is no text': await sign({}, 1 as never),
    'another audience': await sign({ aud: 'https://api.example.com/' }),
    'the management audience': await sign({ aud: `${ISSUER}/v1` }),
    'another issuer': await sign({ iss: 'https://evil.example' }),
    'a token that ran out': await sign({ exp: worker.clock.now }),
    'an unknown authorization': await sign({ jti: 'aut_x.random' }),
    'a jti without origin': await sign({ jti: 'random' }),
    'another person in the same authorization': await sign({ sub: 'bob' }),
    'another client in the same authorization': await sign({ client_id: 'other' }),
    'the person as its own origin': await sign({ jti: 'ann.x', client_id: 'ann' }),
  })) {
    const answer = await ask(text)
    const challenge = answer.headers.get('www-authenticate')
    expect({ name, status: answer.status, challenge }).toEqual({
      name,
      status: 401,
      challenge: 'Bearer error="invalid_token"',
    })
  }
  expect((await ask(access_token)).status).toBe(200)
})

test('a token without openid is refused with insufficient_scope, also a client’s own', async () => {
  const { worker, ask } = await startApp()
  const secret = await addClient(worker, {
    client_id: 'job',
    grant_types: ['client_credentials'],
    scope: 'orders',
  })
  const own = await token(worker, { grant_type: 'client_credentials' }, basic('job', secret))
  const answer = await ask(own.body.access_token!)
  expect(answer.status).toBe(403)
  expect(answer.headers.get('www-authenticate')).toBe('Bearer error="insufficient_scope"')
})

test('a token dies with the person, the client and the authorization at once', async () => {
  const { worker, ask } = await startApp()
  let { access_token } = await signIn(worker)
  const status = async () => (await ask(access_token)).status
  for (const [table, id] of [
    ['user', 'ann'],
    ['client', 'app'],
  ] as const) {
    expect(await status()).toBe(200)
    await setStatus(worker, table, id, 'disabled')
    expect(await status()).toBe(401)
    await setStatus(worker, table, id, 'active')
    expect(await status()).toBe(401)
    access_token = (await signIn(worker)).access_token
  }
  expect(await status()).toBe(200)
  await write(worker, sql`update authorization set revoked_at = 1`)
  expect(await status()).toBe(401)
})

describe('signed userinfo', () => {
  const ask = async (alg: 'RS256' | 'ES256' | 'EdDSA', path: 'GET' | 'POST' = 'GET') => {
    const worker = await startIssuer()
    await addApp(worker, { userinfo_signed_response_alg: alg })
    const { access_token } = await signIn(worker, { scope: 'openid email' })
    const headers = { Authorization: `Bearer ${access_token}` }
    const answer = await worker.request('/oauth/userinfo', { method: path, headers })
    return { worker, answer, access_token }
  }

  test.each(['RS256', 'ES256', 'EdDSA'] as const)(
    'by %s is verified by a strict client',
    async (alg) => {
      const { worker, answer } = await ask(alg)
      expect(answer.headers.get('content-type')).toBe('application/jwt')
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(answer.headers.get('access-control-allow-origin')).toBe('*')
      // It keeps keys by this object, and those of the other issuers are others.
      const server = { ...AS }
      const client = { ...foreignClient(worker, 'app'), userinfo_signed_response_alg: alg }
      const claims = await oauth.processUserInfoResponse(server, client, 'ann', answer)
      expect(claims).toEqual({
        iss: ISSUER,
        aud: 'app',
        sub: 'ann',
        email: 'ann@example.com',
        email_verified: true,
      })
      await oauth.validateApplicationLevelSignature(server, answer, foreign(worker))
    },
  )

  test('comes to POST as well, and a refusal stays plain JSON with its challenge', async () => {
    const { worker, answer, access_token } = await ask('ES256', 'POST')
    expect(answer.headers.get('content-type')).toBe('application/jwt')
    await setStatus(worker, 'user', 'ann', 'disabled')
    const refused = await worker.request('/oauth/userinfo', {
      headers: { Authorization: `Bearer ${access_token}` },
    })
    expect(refused.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
    expect(await refused.json()).toMatchObject({ error: 'invalid_token' })
  })

  test('cannot be used where a token is asked for: it has no exp', async () => {
    const { worker, answer } = await ask('ES256')
    const jwt = await answer.text()
    expect(claimsOf(jwt)).not.toHaveProperty('exp')
    const again = await worker.request('/oauth/userinfo', {
      headers: { Authorization: `Bearer ${jwt}` },
    })
    expect(again.status).toBe(401)
  })
})
