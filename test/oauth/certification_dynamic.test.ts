// The Config OP, Dynamic OP (code), RP-Initiated Logout OP and Back-Channel Logout OP plans of the OpenID Foundation's
// suite: what each module looks at.
import { createLocalJWKSet, jwtVerify, SignJWT } from 'jose'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { rotateKey } from '../../worker/keys/signing_keys.ts'
import { ISSUER, startWorker } from '../context.ts'
import {
  CALLBACK,
  type Changes,
  type Party,
  RSA,
  refusal,
  type Suite,
  startSuite,
  type Tokens,
} from './certification.ts'
import { follow, pathOf } from './flow.ts'
import { isGood, verifyLogoutToken } from './session_fixtures.ts'
import { asserted, assertion, makeSigner, token } from './token_fixtures.ts'

const keysOf = async (suite: Pick<Suite, 'worker'>) => {
  const answer = await suite.worker.request('/.well-known/jwks.json')
  return ((await answer.json()) as { keys: Record<string, string>[] }).keys
}

test('oidcc-discovery-endpoint-verification: all that a relying party needs is said, under https', async () => {
  const issuer = 'https://op.example'
  const { app } = await startWorker({ ISSUER: issuer })
  const answer = await app.request(`${issuer}/.well-known/openid-configuration`)
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json'])
  const said = (await answer.json()) as Record<string, unknown>
  expect(said).toMatchObject({
    issuer,
    response_types_supported: ['code'],
    subject_types_supported: expect.arrayContaining(['public', 'pairwise']),
    id_token_signing_alg_values_supported: expect.arrayContaining(['RS256']),
    userinfo_signing_alg_values_supported: expect.arrayContaining(['RS256']),
    request_object_signing_alg_values_supported: expect.arrayContaining(['RS256', 'ES256']),
    token_endpoint_auth_methods_supported: expect.arrayContaining([
      'client_secret_basic',
      'client_secret_post',
      'private_key_jwt',
    ]),
    grant_types_supported: expect.arrayContaining(['authorization_code', 'refresh_token']),
    scopes_supported: expect.arrayContaining(['openid', 'offline_access']),
    claims_supported: expect.arrayContaining(['sub', 'name', 'email', 'address']),
    claims_parameter_supported: true,
    request_parameter_supported: true,
    request_uri_parameter_supported: true,
    code_challenge_methods_supported: ['S256'],
    registration_endpoint: `${issuer}/oauth/register`,
  })
  for (const [name, value] of Object.entries(said)) {
    if (/_(endpoint|uri)$/.test(name)) expect(String(value)).toMatch(/^https:\/\/op\.example\//)
  }
  for (const scope of said['scopes_supported'] as string[]) {
    expect(scope).toMatch(/^[\x21\x23-\x5b\x5d-\x7e]+$/)
  }
  const locales = said['ui_locales_supported'] as string[]
  expect(Intl.getCanonicalLocales(locales)).toEqual(locales)
  const { keys } = (await (await app.request(String(said['jwks_uri']))).json()) as {
    keys: Record<string, string>[]
  }
  expect(new Set(keys.map(({ kid }) => kid)).size).toBe(keys.length)
  for (const key of keys) {
    expect(key['kty']).not.toBe('oct')
    expect(Object.keys(key).filter((name) => 'd p q dp dq qi k'.split(' ').includes(name))).toEqual(
      [],
    )
  }
})

const JWKS_AT = 'https://suite.example/jwks'
const SECTOR_AT = 'https://suite.example/redirect_uris.json'
const OBJECT_AT = 'https://suite.example/request.jwt'
const BACKCHANNEL_AT = 'https://suite.example/backchannel_logout'
const BYE = 'https://suite.example/post_logout_redirect'

let suite: Suite
/** What is at the suite's addresses. */
let keys: object[] = []
let sector: string[] = []
let object = ''
const logouts: Request[] = []
beforeAll(async () => {
  suite = await startSuite({
    outside: {
      [JWKS_AT]: () => Response.json({ keys }),
      [SECTOR_AT]: () => Response.json(sector),
      [OBJECT_AT]: () => new Response(object, { headers: { 'content-type': 'application/jwt' } }),
      [BACKCHANNEL_AT]: (request) => {
        logouts.push(request)
        return new Response(null, { status: 200 })
      },
    },
  })
})

/** As the Dynamic plan has its clients. */
const register = (metadata: Record<string, unknown> = {}) =>
  suite.register({ token_endpoint_auth_method: 'private_key_jwt', ...metadata })

describe('the Dynamic modules', () => {
  test('oidcc-server: a client registers with its keys, signs in, and takes itself away', async () => {
    const party = await register()
    const tokens = await party.signIn()
    expect(await party.userinfo(tokens)).toEqual({ sub: 'ann' })
    const { registration_client_uri, registration_access_token } = party.client()
    const { pathname, origin } = new URL(String(registration_client_uri))
    expect(origin).toBe(ISSUER)
    const headers = { Authorization: `Bearer ${registration_access_token}` }
    const gone = await suite.worker.request(pathname, { method: 'DELETE', headers })
    expect(gone.status).toBe(204)
    expect((await party.open()).page.status).toBe(400)
  })

  test('oidcc-idtoken-rs256: as registered', async () => {
    const party = await register({ id_token_signed_response_alg: 'RS256' })
    expect((await party.signIn()).claims.sub).toBe('ann')
  })

  test('oidcc-userinfo-rs256: is signed, and verified by the published keys', async () => {
    const party = await register({ userinfo_signed_response_alg: 'RS256' })
    const { client_id } = party.client()
    const told = await party.userinfo(await party.signIn())
    expect(told).toMatchObject({ iss: ISSUER, aud: client_id, sub: 'ann' })
  })

  test('oidcc-ensure-redirect-uri-in-authorization-request: without one of two, our own page', async () => {
    const party = await register({ redirect_uris: [CALLBACK, `${CALLBACK}/2`] })
    const { page } = await party.open({ redirect_uri: undefined })
    expect([page.status, page.headers.get('location')]).toEqual([400, null])
    expect(page.html).toContain('redirect_uri is missing')
  })

  test('oidcc-redirect-uri-query-OK: what the address has in its query comes back', async () => {
    const party = await register({ redirect_uris: [`${CALLBACK}?foo=bar`] })
    const visit = await party.open()
    expect(visit.answer?.get('foo')).toBe('bar')
    await party.redeem(visit)
  })

  test.each([
    ['oidcc-redirect-uri-query-mismatch', `${CALLBACK}?foo=bar`, `${CALLBACK}?bar=foo`],
    ['oidcc-redirect-uri-query-added', CALLBACK, `${CALLBACK}?foo=bar`],
  ])('%s: gets our own page', async (_, registered, redirect_uri) => {
    const party = await register({ redirect_uris: [registered] })
    const { page } = await party.open({ redirect_uri })
    expect([page.status, page.headers.get('location')]).toEqual([400, null])
  })

  const refused: [string, Record<string, unknown>, string][] = [
    [
      'oidcc-redirect-uri-regfrag',
      { redirect_uris: [`${CALLBACK}#foobar`] },
      'invalid_redirect_uri',
    ],
    [
      'oidcc-registration-sector-bad',
      { subject_type: 'pairwise', sector_identifier_uri: SECTOR_AT },
      'invalid_client_metadata',
    ],
  ]
  test.each(refused)('%s: is not registered', async (_, metadata, error) => {
    sector = ['https://suite.example/another']
    const answer = await suite.ask(metadata)
    expect(answer.headers.get('content-type')).toContain('application/json')
    expect([answer.status, await answer.json()]).toMatchObject([400, { error }])
  })

  test('oidcc-registration-sector-uri: the subject is one for the sector, and not the id', async () => {
    sector = [CALLBACK, 'https://other.example/callback']
    const pairwise = { subject_type: 'pairwise', sector_identifier_uri: SECTOR_AT }
    const first = (await (await register(pairwise)).signIn()).claims.sub
    const other = (await (await register(pairwise)).signIn()).claims.sub
    expect(first).not.toBe('ann')
    expect(other).toBe(first)
  })

  const shown: [string, string, string, RegExp][] = [
    [
      'oidcc-registration-logo-uri',
      'logo_uri',
      'https://suite.example/logo.png',
      /<img [^>]*src="https:\/\/suite\.example\/logo\.png"/,
    ],
    [
      'oidcc-registration-policy-uri',
      'policy_uri',
      'https://suite.example/policy',
      /<a href="https:\/\/suite\.example\/policy"/,
    ],
    [
      'oidcc-registration-tos-uri',
      'tos_uri',
      'https://suite.example/tos',
      /<a href="https:\/\/suite\.example\/tos"/,
    ],
  ]
  test.each(shown)(
    '%s: stands on the login page, and on the question',
    async (_, name, uri, tag) => {
      const { browser, request, pathWith } = await register({ [name]: uri })
      const login = await browser.get(pathOf(await browser.get(pathWith(request()))))
      expect(login.html).toMatch(tag)
      const values = { username: 'ann@example.com', password: 'correct horse battery staple' }
      expect((await follow(browser, await browser.submit(login, values))).html).toMatch(tag)
    },
  )

  test('oidcc-registration-jwks-uri: the keys are read there', async () => {
    keys = [RSA.jwk]
    const party = await register({ jwks_uri: JWKS_AT })
    expect((await party.signIn()).claims.sub).toBe('ann')
  })

  test('oidcc-refresh-token-rp-key-rotation: a client goes on with a new key, and not with its old one', async () => {
    keys = [RSA.jwk]
    const grant_types = ['authorization_code', 'refresh_token']
    const party = await register({ jwks_uri: JWKS_AT, grant_types })
    const tokens = await party.signIn({ scope: 'openid offline_access', prompt: 'consent' })
    const next = await makeSigner('RS256', 'rp-2')
    keys = [next.jwk]
    suite.worker.clock.now += 60
    party.useKey(next)
    const refreshed = await party.refresh(tokens.refresh_token)
    expect(refreshed.claims.sub).toBe('ann')
    expect(await party.userinfo(refreshed)).toEqual({ sub: 'ann' })
    party.useKey(RSA)
    const { refresh_token = tokens.refresh_token } = refreshed
    expect(await refusal(party.refresh(refresh_token))).toBe('invalid_client')
  })

  test('oidcc-request-uri-signed-rs256: is fetched and verified', async () => {
    const signed = { request_object_signing_alg: 'RS256', request_uris: [OBJECT_AT] }
    const party = await register(signed)
    const inside = party.request({ scope: 'openid email' })
    const { client_id = '', response_type = '', state, nonce } = inside
    object = await new SignJWT({ ...inside, iss: client_id, aud: ISSUER })
      .setProtectedHeader({ alg: 'RS256', kid: 'rp-1' })
      .sign(RSA.privateKey)
    const outside = { client_id, response_type, scope: 'openid', request_uri: OBJECT_AT }
    const tokens = await party.redeem({ ...(await party.openWith(outside)), state, nonce })
    expect(tokens.scope).toBe('openid email')
  })

  test('oidcc-request-uri-unsigned: is fetched too, where no other algorithm is registered', async () => {
    const party = await register({ request_uris: [OBJECT_AT] })
    const inside = party.request({ scope: 'openid email' })
    const { client_id = '', response_type = '', state, nonce } = inside
    const part = (value: object) => btoa(JSON.stringify(value)).replaceAll('=', '')
    object = `${part({ alg: 'none' })}.${part(inside)}.`
    const outside = { client_id, response_type, scope: 'openid', request_uri: OBJECT_AT }
    const tokens = await party.redeem({ ...(await party.openWith(outside)), state, nonce })
    expect(tokens.scope).toBe('openid email')
  })

  test.each([
    ['oidcc-ensure-client-assertion-with-iss-aud-succeeds', ISSUER],
    ['and of the token endpoint', `${ISSUER}/oauth/token`],
  ])('%s: an assertion for it proves the client', async (_, aud) => {
    const party = await register()
    const { answer } = await party.open()
    const { client_id } = party.client()
    const options = { claims: { aud }, header: { kid: 'rp-1' } }
    const { status } = await token(suite.worker, {
      grant_type: 'authorization_code',
      code: answer?.get('code') ?? '',
      redirect_uri: CALLBACK,
      ...asserted(await assertion(suite.worker, RSA, client_id, options)),
    })
    expect(status).toBe(200)
  })

  test('oidcc-server-rotate-keys: the new key is published, the old one stays, and its tokens are good', async () => {
    // Relying parties remember keys: the others are spared.
    const suite = await startSuite()
    const party = await suite.register({ token_endpoint_auth_method: 'private_key_jwt' })
    const tokens = await party.signIn()
    const before = await keysOf(suite)
    for (const alg of ['RS256', 'ES256'] as const) await rotateKey(suite.worker.context(), alg)
    const kids = (list: Record<string, string>[]) => list.map(({ kid }) => kid)
    const after = await keysOf(suite)
    expect(kids(after)).toEqual(expect.arrayContaining(kids(before)))
    const added = after.filter(({ kid }) => !kids(before).includes(kid))
    expect(added.map(({ use }) => use)).toEqual(['sig', 'sig'])
    // Later than readers keep the old list.
    suite.worker.clock.now += 360
    const currentDate = new Date(tokens.claims.iat * 1000)
    const published = createLocalJWKSet({ keys: await keysOf(suite) } as never)
    await jwtVerify(tokens.id_token, published, { issuer: ISSUER, currentDate })
    expect(await isGood(suite.worker, tokens.access_token)).toBe(true)
    const { answer } = await party.open()
    const { client_id } = party.client()
    const { body } = await token(suite.worker, {
      grant_type: 'authorization_code',
      code: answer?.get('code') ?? '',
      redirect_uri: CALLBACK,
      ...asserted(await assertion(suite.worker, RSA, client_id, { header: { kid: 'rp-1' } })),
    })
    const { protectedHeader } = await jwtVerify(String(body.id_token), published, {
      currentDate: new Date(suite.worker.clock.now * 1000),
    })
    expect(kids(added)).toContain(protectedHeader.kid)
  })
})

describe('the logout modules', () => {
  let party: Party
  let tokens: Tokens
  beforeEach(async () => {
    party = await suite.register({ post_logout_redirect_uris: [BYE] })
    tokens = await party.signIn()
  })

  /** Sends the browser to the end session endpoint, and on at our own origin. */
  async function logout(changes: Changes = {}, of = party) {
    const all = {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: BYE,
      state: 'x9'.repeat(64),
      ...changes,
    }
    const told = Object.entries(all).filter(
      (pair): pair is [string, string] => pair[1] !== undefined,
    )
    const endpoint = new URL(String(suite.server.end_session_endpoint))
    const page = await of.browser.get(`${endpoint.pathname}?${new URLSearchParams(told)}`)
    return { page, location: page.headers.get('location') }
  }

  /** Whether the next request with prompt=none finds nobody. */
  const isOut = async (of = party) =>
    (await of.errorOf(await of.open({ prompt: 'none' }))) === 'login_required'

  test('oidcc-rp-initiated-logout-discovery-endpoint-verification: the endpoint is announced', () => {
    expect(suite.server.end_session_endpoint).toBe(`${ISSUER}/oauth/logout`)
  })

  test('oidcc-backchannel-logout-discovery-endpoint-verification: so is that clients hear of it', () => {
    expect(suite.server).toMatchObject({
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
    })
  })

  const led: [string, Changes, string][] = [
    ['oidcc-rp-initiated-logout', {}, `${BYE}?state=${'x9'.repeat(64)}`],
    ['oidcc-rp-initiated-logout-no-state', { state: undefined }, BYE],
  ]
  test.each(led)('%s: signs out and leads back', async (_, changes, expected) => {
    expect(await isOut()).toBe(false)
    expect((await logout(changes)).location).toBe(expected)
    expect(await isOut()).toBe(true)
  })

  test('oidcc-rp-initiated-logout-no-post-logout-redirect-uri: ends at a page of ours', async () => {
    const { page, location } = await logout({ post_logout_redirect_uri: undefined })
    expect([page.status, location]).toEqual([200, null])
    expect(page.html).toContain('You are signed out')
    expect(await isOut()).toBe(true)
  })

  const nothing = { id_token_hint: undefined, post_logout_redirect_uri: undefined }
  const asking: [string, Changes][] = [
    ['oidcc-rp-initiated-logout-no-params', { ...nothing, state: undefined }],
    ['oidcc-rp-initiated-logout-only-state', nothing],
  ]
  test.each(asking)('%s: the person is asked, and then signed out', async (_, changes) => {
    const { page, location } = await logout(changes)
    expect([page.status, location]).toEqual([200, null])
    expect(await isOut()).toBe(false)
    const done = await party.browser.submit(page, { action: 'logout' })
    expect(done.html).toContain('You are signed out')
    expect(await isOut()).toBe(true)
  })

  const bad: [string, () => Promise<Changes> | Changes][] = [
    [
      'oidcc-rp-initiated-logout-bad-post-logout-redirect-uri',
      () => ({ post_logout_redirect_uri: 'https://suite.example/wrong' }),
    ],
    [
      'oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri',
      () => ({ post_logout_redirect_uri: `${BYE}?foo=bar` }),
    ],
    ['oidcc-rp-initiated-logout-no-id-token-hint', () => ({ id_token_hint: undefined })],
    [
      'oidcc-rp-initiated-logout-modified-id-token-hint',
      () => {
        const [head, , tail] = tokens.id_token.split('.')
        const body = btoa(JSON.stringify({ ...tokens.claims, sub: 'bob' })).replaceAll('=', '')
        return { id_token_hint: `${head}.${body}.${tail}` }
      },
    ],
    [
      'oidcc-rp-initiated-logout-bad-id-token-hint',
      async () => ({
        id_token_hint: await new SignJWT({ ...tokens.claims })
          .setProtectedHeader({ alg: 'RS256', kid: 'rp-1' })
          .sign(RSA.privateKey),
      }),
    ],
  ]
  test.each(bad)('%s: is told to the person, who stays signed in', async (_, change) => {
    const { page, location } = await logout(await change())
    expect([page.status, location]).toEqual([400, null])
    expect(await isOut()).toBe(false)
  })

  test('oidcc-backchannel-rp-initiated-logout: the client hears of it, and can verify it', async () => {
    const told = await suite.register({
      post_logout_redirect_uris: [BYE],
      backchannel_logout_uri: BACKCHANNEL_AT,
      backchannel_logout_session_required: true,
    })
    tokens = await told.signIn()
    logouts.length = 0
    expect((await logout({}, told)).location).toContain(`${BYE}?state=`)
    await suite.worker.settled()
    const [request] = logouts
    expect([logouts.length, request?.method]).toEqual([1, 'POST'])
    const form = new URLSearchParams(await request?.text())
    expect([...form.keys()]).toEqual(['logout_token'])
    const { client_id } = told.client()
    const claims = await verifyLogoutToken(suite.worker, client_id, form.get('logout_token') ?? '')
    expect(claims).toMatchObject({
      sub: tokens.claims.sub,
      sid: tokens.claims['sid'],
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
    })
    expect(claims['nonce']).toBeUndefined()
    expect(await isOut(told)).toBe(true)
  })
})
