// The Basic OP plan of the OpenID Foundation's suite, and the Form Post OP plan, which is the same with
// response_mode=form_post: what each module looks at, by a client that the suite registers itself.

import { createLocalJWKSet, decodeProtectedHeader, jwtVerify, UnsecuredJWT } from 'jose'
import * as oauth from 'oauth4webapi'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ISSUER } from '../context.ts'
import { formFields } from '../identity/browser.ts'
import { ANN } from '../support/people.ts'
import {
  CALLBACK,
  type Changes,
  type Mode,
  type Party,
  PROFILE,
  refusal,
  type Suite,
  startSuite,
} from './certification.ts'
import { pathOf } from './flow.ts'
import { isGood } from './session_fixtures.ts'

const { address, phone_number, ...rest } = PROFILE
const profile = { name: 'Ann Ex', locale: 'de-AT', updated_at: 1_800_000_000, ...rest }
const email = { email: ANN, email_verified: false }
const phone = { phone_number, phone_number_verified: false }

const OBJECT_AT = 'https://suite.example/request.jwt'

describe.each<[Mode]>([['query'], ['form_post']])('the Basic modules by %s', (mode) => {
  let suite: Suite
  let party: Party
  /** What is at the address of a request object. */
  let object: () => string
  beforeAll(async () => {
    const outside = { [OBJECT_AT]: () => new Response(object()) }
    suite = await startSuite({ mode, outside })
  })
  beforeEach(async () => {
    party = await suite.register({ request_uris: [OBJECT_AT] })
  })

  test('oidcc-server: a code comes back, and its tokens are right in every point', async () => {
    const visit = await party.open()
    expect(visit.shown).toEqual(['login', 'consent'])
    const code = visit.answer?.get('code') ?? ''
    expect(code).toMatch(/^[\w-]{43}$/)
    const tokens = await party.redeem(visit)
    expect(tokens).toMatchObject({ token_type: 'bearer', expires_in: 600, scope: 'openid' })
    expect(tokens.claims).toMatchObject({ iss: ISSUER, nonce: visit.nonce, sub: 'ann' })
    expect(tokens.claims['at_hash']).toMatch(/^[\w-]{22}$/)
    expect(await party.userinfo(tokens)).toEqual({ sub: 'ann' })
  })

  test('oidcc-response-type-missing: is invalid_request, told to the client', async () => {
    const visit = await party.open({ response_type: undefined })
    expect(await party.errorOf(visit)).toBe('invalid_request')
  })

  test('oidcc-idtoken-signature: RS256, by the one published key that its kid names', async () => {
    const { id_token } = await party.signIn()
    const answer = await suite.worker.request('/.well-known/jwks.json')
    const { keys } = (await answer.json()) as { keys: { kid: string }[] }
    const { kid, alg } = decodeProtectedHeader(id_token)
    expect(alg).toBe('RS256')
    const named = keys.filter((key) => key.kid === kid)
    expect(named).toHaveLength(1)
    const currentDate = new Date(suite.worker.clock.now * 1000)
    await jwtVerify(id_token, createLocalJWKSet({ keys: named } as never), { currentDate })
  })

  test('oidcc-idtoken-unsigned: is not offered, and not registered', async () => {
    expect(suite.server['id_token_signing_alg_values_supported']).not.toContain('none')
    const answer = await suite.ask({ id_token_signed_response_alg: 'none' })
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      { error: 'invalid_client_metadata' },
    ])
  })

  test('oidcc-userinfo-get, oidcc-userinfo-post-header and oidcc-userinfo-post-body: by each way the same', async () => {
    const { access_token } = await party.signIn({ scope: 'openid email' })
    const Authorization = `Bearer ${access_token}`
    const method = 'POST'
    const type = { 'Content-Type': 'application/x-www-form-urlencoded' }
    for (const init of [
      { headers: { Authorization } },
      { method, headers: { Authorization } },
      { method, headers: type, body: `access_token=${encodeURIComponent(access_token)}` },
    ]) {
      const answer = await suite.worker.request('/oauth/userinfo', init)
      expect([answer.status, await answer.json()]).toEqual([200, { sub: 'ann', ...email }])
      expect(answer.headers.get('content-type')).toContain('application/json')
    }
  })

  test('oidcc-ensure-request-without-nonce-succeeds-for-code-flow: and the ID token has none', async () => {
    const { claims } = await party.signIn({ nonce: undefined })
    expect(claims.nonce).toBeUndefined()
  })

  const scopes: [string, string, object][] = [
    ['oidcc-scope-profile', 'openid profile', profile],
    ['oidcc-scope-email', 'openid email', email],
    ['oidcc-scope-address', 'openid address', { address }],
    ['oidcc-scope-phone', 'openid phone', phone],
    [
      'oidcc-scope-all',
      'openid profile email address phone',
      { ...profile, ...email, address, ...phone },
    ],
    ['oidcc-ensure-other-scope-order-succeeds', 'email openid', email],
  ]
  test.each(scopes)('%s: its claims are at userinfo', async (_, scope, claims) => {
    const tokens = await party.signIn({ scope })
    expect(await party.userinfo(tokens)).toEqual({ sub: 'ann', ...claims })
  })

  test('oidcc-alternate-happy-flow: parameters and scopes come in any order', async () => {
    const parameters = Object.entries(party.request({ scope: 'email openid' })).reverse()
    const tokens = await party.redeem(await party.openWith(Object.fromEntries(parameters)))
    expect(await party.userinfo(tokens)).toEqual({ sub: 'ann', ...email })
  })

  const wishes: [string, Changes][] = [
    ['oidcc-display-page', { display: 'page' }],
    ['oidcc-display-popup', { display: 'popup' }],
    ['oidcc-ensure-request-with-unknown-parameter-succeeds', { extra: 'foobar' }],
    ['oidcc-ui-locales', { ui_locales: 'se' }],
    ['oidcc-claims-locales', { claims_locales: 'se' }],
    ['an unknown acr_values', { acr_values: 'urn:suite:gold 1' }],
  ]
  test.each(wishes)('%s: is no fault, and the pages are shown', async (_, changes) => {
    const visit = await party.open(changes)
    expect(visit.shown).toEqual(['login', 'consent'])
    await party.redeem(visit)
  })

  test('oidcc-ensure-request-with-acr-values-succeeds: and the ID token names one of the values', async () => {
    const [acr] = (suite.server['acr_values_supported'] as string[]).slice(-1)
    const { claims } = await party.signIn({ acr_values: `urn:suite:gold ${acr}` })
    expect(claims['acr']).toBe(acr)
  })

  test('oidcc-prompt-login: the password is asked for again, and auth_time is later', async () => {
    const first = await party.signIn()
    suite.worker.clock.now += 5
    const again = await party.open({ prompt: 'login' })
    expect(again.shown).toEqual(['login'])
    const { claims } = await party.redeem(again)
    expect(claims.sub).toBe(first.claims.sub)
    expect(claims.auth_time).toBe(Number(first.claims.auth_time) + 5)
  })

  test('oidcc-prompt-none-not-logged-in: is login_required at the client, with a long state', async () => {
    const visit = await party.open({ prompt: 'none', state: 'a1B2'.repeat(32) })
    expect(visit.shown).toEqual([])
    expect(await party.errorOf(visit)).toBe('login_required')
  })

  test('oidcc-prompt-none-logged-in: a code comes without a page, for the same sign-in', async () => {
    const first = await party.signIn()
    suite.worker.clock.now += 5
    const silent = await party.open({ prompt: 'none' })
    expect(silent.shown).toEqual([])
    const { claims } = await party.redeem(silent)
    expect([claims.sub, claims.auth_time]).toEqual([first.claims.sub, first.claims.auth_time])
  })

  test('oidcc-max-age-1: an older sign-in is asked for anew', async () => {
    const first = await party.signIn()
    suite.worker.clock.now += 2
    const again = await party.open({ max_age: '1' })
    expect(again.shown).toEqual(['login'])
    const { claims } = await party.redeem(again)
    expect(claims.auth_time).toBe(Number(first.claims.auth_time) + 2)
  })

  test('oidcc-max-age-10000: a younger sign-in is good, and its auth_time told', async () => {
    const first = await party.signIn()
    suite.worker.clock.now += 2
    const again = await party.open({ max_age: '10000' })
    expect(again.shown).toEqual([])
    expect((await party.redeem(again)).claims.auth_time).toBe(first.claims.auth_time)
  })

  test('oidcc-id-token-hint: of who is signed in, with prompt=none, gives a code', async () => {
    const { id_token } = await party.signIn()
    const silent = await party.open({ prompt: 'none', id_token_hint: id_token })
    expect(silent.shown).toEqual([])
    expect((await party.redeem(silent)).claims.sub).toBe('ann')
  })

  test('oidcc-login-hint: stands in the form', async () => {
    const asked = party.request({ login_hint: 'bob@example.com' })
    const login = await party.browser.get(pathOf(await party.browser.get(party.pathWith(asked))))
    expect(formFields(login)['username']).toBe('bob@example.com')
    const visit = { ...(await party.follow(login)), state: asked['state'], nonce: asked['nonce'] }
    await party.redeem(visit)
  })

  test('oidcc-codereuse: a code is good once', async () => {
    const visit = await party.open()
    await party.redeem(visit)
    expect(await refusal(party.redeem(visit))).toBe('invalid_grant')
  })

  test('oidcc-codereuse-30seconds: it is refused later too, and ends the access token', async () => {
    const visit = await party.open()
    const { access_token } = await party.redeem(visit)
    expect(await isGood(suite.worker, access_token)).toBe(true)
    suite.worker.clock.now += 30
    expect(await refusal(party.redeem(visit))).toBe('invalid_grant')
    expect(await isGood(suite.worker, access_token)).toBe(false)
  })

  test('oidcc-ensure-registered-redirect-uri: another address gets our own page', async () => {
    const { page, answer } = await party.open({ redirect_uri: `${CALLBACK}/other` })
    expect([page.status, page.headers.get('location'), answer]).toEqual([400, null, null])
    expect(page.html).toContain('redirect_uri is not one that this client registered')
  })

  test('oidcc-ensure-post-request-succeeds: from the site of the client', async () => {
    const parameters = party.request()
    const page = await party.browser.post('/oauth/authorize', parameters, {
      origin: 'https://suite.example',
      'sec-fetch-site': 'cross-site',
    })
    const visit = await party.follow(page)
    expect(visit.shown).toEqual(['login', 'consent'])
    await party.redeem({ ...visit, state: parameters['state'], nonce: parameters['nonce'] })
  })

  test('oidcc-server-client-secret-post: the secret comes in the body', async () => {
    const post = await suite.register({ token_endpoint_auth_method: 'client_secret_post' })
    expect((await post.signIn()).claims.aud).toBe(post.client().client_id)
  })

  /** What stands in a request object, and what has to stand beside it (OpenID Connect Core §6.1). */
  function unsigned() {
    const inside = party.request({ scope: 'openid email' })
    const { client_id = '', response_type = '' } = inside
    const jwt = new UnsecuredJWT(inside).encode()
    return { inside, jwt, outside: { client_id, response_type, scope: 'openid' } }
  }
  const asked = ({ inside }: ReturnType<typeof unsigned>) => ({
    state: inside['state'],
    nonce: inside['nonce'],
  })

  test('oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported: what it says counts', async () => {
    const request = unsigned()
    const visit = await party.openWith({ ...request.outside, request: request.jwt })
    const tokens = await party.redeem({ ...visit, ...asked(request) })
    expect(tokens.scope).toBe('openid email')
  })

  test('oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported: it is fetched', async () => {
    const request = unsigned()
    object = () => request.jwt
    const visit = await party.openWith({ ...request.outside, request_uri: OBJECT_AT })
    const tokens = await party.redeem({ ...visit, ...asked(request) })
    expect(tokens.scope).toBe('openid email')
  })

  test('oidcc-ensure-request-object-with-redirect-uri: its address goes before the one outside', async () => {
    const request = unsigned()
    const outside = { ...request.outside, redirect_uri: `${CALLBACK}/other` }
    const visit = await party.openWith({ ...outside, request: request.jwt })
    await party.redeem({ ...visit, ...asked(request) })
  })

  test('oidcc-claims-essential: name comes at userinfo', async () => {
    const claims = JSON.stringify({ userinfo: { name: { essential: true } } })
    const tokens = await party.signIn({ claims })
    expect(await party.userinfo(tokens)).toEqual({ sub: 'ann', name: 'Ann Ex' })
  })

  test('oidcc-refresh-token: works for its own client, with a new ID token about the same', async () => {
    const grant_types = ['authorization_code', 'refresh_token']
    const [one, two] = [
      await suite.register({ grant_types }),
      await suite.register({ grant_types }),
    ]
    const asking = { scope: 'openid offline_access', prompt: 'consent' }
    const first = await one.signIn(asking)
    expect(first.refresh_token).toMatch(/^[\x20-\x7e]+$/)
    suite.worker.clock.now += 10
    const next = await one.refresh(first.refresh_token)
    const same = ({ claims: { iss, sub, aud, auth_time } }: typeof next) => [
      iss,
      sub,
      aud,
      auth_time,
    ]
    expect(same(next)).toEqual(same(first))
    expect(next.claims.iat).toBe(first.claims.iat + 10)
    expect(next.access_token).not.toBe(first.access_token)
    expect(await one.userinfo(next)).toEqual({ sub: 'ann' })
    const other = await two.signIn(asking)
    expect(await refusal(one.refresh(other.refresh_token))).toBe('invalid_grant')
    expect((await two.refresh(other.refresh_token)).claims.sub).toBe('ann')
  })

  test('oidcc-ensure-request-with-valid-pkce-succeeds: and the verifier is needed then', async () => {
    const verifier = oauth.generateRandomCodeVerifier()
    const visit = await party.open({
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    })
    expect(await refusal(party.redeem(visit))).toBe('invalid_grant')
    expect((await party.redeem(visit, { verifier })).claims.sub).toBe('ann')
  })
})
