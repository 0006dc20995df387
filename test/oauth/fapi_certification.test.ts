// The plan "FAPI 2.0 Security Profile Final" of the OpenID Foundation's suite, as it is run with private_key_jwt, DPoP,
// plain FAPI and OpenID Connect: what each module looks at. All modules have the prefix fapi2-security-profile-final-.
import { base64url, calculateJwkThumbprint, exportJWK, UnsecuredJWT } from 'jose'
import * as oauth from 'oauth4webapi'
import { describe, expect, test } from 'vitest'
import { CLAIMS_SUPPORTED } from '../../worker/oauth/claims.ts'
import { createClient } from '../../worker/oauth/clients/clients.ts'
import { ISSUER, startWorker } from '../context.ts'
import type { Page } from '../identity/browser.ts'
import {
  answered,
  type Bank,
  type Changes,
  callbackOf,
  openPath,
  PAR,
  type Parameters,
  parametersOf,
  startBanks,
  USERINFO,
} from './fapi_party.ts'
import { CHALLENGE, locationOf, pathOf, requestPath, signIn, startFlow, VERIFIER } from './flow.ts'
import {
  asserted,
  claimsOf,
  dpopProof,
  fapiMembers,
  foreign,
  foreignClient,
  type ProofOptions,
  post,
  token,
} from './token_fixtures.ts'

const {
  worker,
  one,
  two,
  ann,
  stranger,
  get,
  prove,
  push,
  open,
  codeFor,
  redeem,
  refresh,
  proofAt,
  use,
  tokensFor,
} = await startBanks()

test('discovery-end-point-verification: all that the profile asks for is said', async () => {
  const issuer = 'https://op.example'
  const { app } = await startWorker({ ISSUER: issuer, MTLS: 'cloudflare' })
  const answer = await app.request(`${issuer}/.well-known/openid-configuration`)
  const strong = expect.arrayContaining(['PS256', 'ES256', 'EdDSA'])
  expect(await answer.json()).toMatchObject({
    issuer,
    response_types_supported: ['code'],
    authorization_response_iss_parameter_supported: true,
    pushed_authorization_request_endpoint: `${issuer}${PAR}`,
    require_pushed_authorization_requests: false,
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: expect.arrayContaining([
      'private_key_jwt',
      'tls_client_auth',
    ]),
    token_endpoint_auth_signing_alg_values_supported: strong,
    dpop_signing_alg_values_supported: strong,
    tls_client_certificate_bound_access_tokens: true,
    id_token_signing_alg_values_supported: expect.arrayContaining(['ES256']),
    grant_types_supported: expect.arrayContaining(['authorization_code', 'refresh_token']),
    scopes_supported: expect.arrayContaining(['openid']),
    subject_types_supported: expect.arrayContaining(['public']),
    claims_supported: expect.arrayContaining(['sub']),
  })
})

describe('a well-behaved client', () => {
  test('happy-flow: two strict foreign clients go the whole way, and no key opens the token of the other', async () => {
    const server = await oauth.processDiscoveryResponse(
      new URL(ISSUER),
      await oauth.discoveryRequest(new URL(ISSUER), foreign(worker)),
    )
    const got: string[] = []
    for (const { client_id, signer } of [one, two]) {
      const client = {
        ...foreignClient(worker, client_id),
        id_token_signed_response_alg: 'ES256',
        use_dpop: true,
      }
      const by = oauth.PrivateKeyJwt({ key: signer.privateKey, kid: String(signer.jwk['kid']) })
      const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
      const options = { ...foreign(worker), DPoP }
      const again = async (ask: () => Promise<Response>): Promise<Response> => {
        const first = await ask()
        // The nonce comes with the first refusal.
        return first.status === 400 ? ask() : first
      }
      const verifier = oauth.generateRandomCodeVerifier()
      const nonce = oauth.generateRandomNonce()
      const request = {
        response_type: 'code',
        redirect_uri: callbackOf(client_id),
        scope: 'openid',
        state: 's-1',
        nonce,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      }
      const pushing = () => oauth.pushedAuthorizationRequest(server, client, by, request, options)
      await oauth
        .processPushedAuthorizationResponse(server, client, await pushing())
        .catch((error: unknown) => expect(oauth.isDPoPNonceError(error)).toBe(true))
      const pushed = await oauth.processPushedAuthorizationResponse(server, client, await pushing())
      expect(pushed.expires_in).toBeLessThan(600)
      const back = await open({ client_id } as Bank, { body: pushed })
      const parameters = oauth.validateAuthResponse(server, client, locationOf(back), 's-1')
      const response = await again(() =>
        oauth.authorizationCodeGrantRequest(
          server,
          client,
          by,
          parameters,
          callbackOf(client_id),
          verifier,
          options,
        ),
      )
      const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, {
        expectedNonce: nonce,
        requireIdToken: true,
      })
      await oauth.validateApplicationLevelSignature(server, response, foreign(worker))
      expect(tokens.token_type).toBe('dpop')
      const { access_token } = tokens
      const told = await oauth.userInfoRequest(server, client, access_token, options)
      expect(await oauth.processUserInfoResponse(server, client, 'ann', told)).toEqual({
        sub: 'ann',
      })
      got.push(access_token)
    }
    for (const access_token of got) {
      expect(await use(access_token, await proofAt(one, access_token))).toBe(401)
      const query = await worker.request(`${USERINFO}?access_token=${access_token}`)
      expect(query.status).toBe(400)
    }
  })

  test('ensure-authorization-request-without-state-success: and none comes back', async () => {
    const back = answered(one, await open(one, await push(one, { state: undefined })))
    expect(Object.keys(back).sort()).toEqual(['code', 'iss'])
    expect((await redeem(one, back['code'] ?? '')).status).toBe(200)
  })

  const nonces: [string, string | undefined][] = [
    ['ensure-authorization-request-without-nonce-success', undefined],
    ['ensure-authorization-request-with-64-char-nonce-success', 'n'.repeat(64)],
    ['ensure-authorization-request-with-long-nonce', 'n'.repeat(384)],
  ]
  test.each(nonces)('%s: it comes back in the ID token as it was', async (_, nonce) => {
    expect((await tokensFor(one, { nonce })).claims.nonce).toBe(nonce)
  })

  test('ensure-authorization-request-with-long-state: it comes back as it was', async () => {
    const state = 's'.repeat(1000)
    const back = answered(one, await open(one, await push(one, { state })))
    expect(back).toMatchObject({ state, iss: ISSUER })
  })

  test('ensure-other-scope-order-succeeds: as in the usual order', async () => {
    const { access_token } = await tokensFor(one, { scope: 'email openid' })
    expect(await use(access_token, await proofAt(one, access_token))).toBe(200)
  })

  test('test-claims-parameter-identity-claims: each claim that is announced comes where it was asked for', async () => {
    // Of the server itself, and those that come by their scope alone.
    const own = 'iss sub aud exp iat auth_time amr acr at_hash sid nonce roles groups'.split(' ')
    const names = CLAIMS_SUPPORTED.filter((name) => !own.includes(name))
    const asking = Object.fromEntries(names.map((name) => [name, null]))
    const claims = JSON.stringify({ id_token: asking, userinfo: asking })
    const { access_token, ...tokens } = await tokensFor(one, { claims })
    const DPoP = await proofAt(one, access_token)
    const headers = { Authorization: `DPoP ${access_token}`, DPoP }
    const answer = await worker.request(USERINFO, { headers })
    const userinfo = (await answer.json()) as object
    expect(Object.keys(userinfo)).toEqual(expect.arrayContaining(names))
    expect(Object.keys(tokens.claims)).toEqual(expect.arrayContaining(names))
  })

  test('access-token-type-header-case-sensitivity: the scheme is read in any case', async () => {
    const { access_token } = await tokensFor(one)
    for (const scheme of ['dPOp', 'dpop', 'DPOP']) {
      expect(await use(access_token, await proofAt(one, access_token), scheme)).toBe(200)
    }
  })

  test('user-rejects-authentication: is access_denied at both clients, with state and iss', async () => {
    for (const bank of [one, two]) {
      const pushed = await push(bank, { prompt: 'consent', state: 'kept' })
      const back = answered(bank, await open(bank, pushed, {}, 'deny'))
      expect(back).toMatchObject({ error: 'access_denied', state: 'kept', iss: ISSUER })
      expect(back).not.toHaveProperty('code')
    }
  })

  test('refresh-token: is bound to client and key, needs both proofs, and does not rotate', async () => {
    const asking = { scope: 'openid offline_access', prompt: 'consent' }
    const [first, other] = [await tokensFor(one, asking), await tokensFor(two, asking)]
    worker.clock.now += 1
    for (const [bank, had] of [
      [one, first],
      [two, other],
    ] as const) {
      const { status, body } = await refresh(bank, had.refresh_token)
      expect([status, body['token_type'], body.refresh_token]).toEqual([200, 'DPoP', undefined])
      const { iss, sub, aud } = claimsOf(body.id_token)
      expect([iss, sub, aud]).toEqual([had.claims.iss, had.claims.sub, had.claims.aud])
      const { access_token = '' } = body
      expect(await use(access_token, await proofAt(bank, access_token))).toBe(200)
      const wrong = bank === one ? two : one
      expect(await use(access_token, await proofAt(wrong, access_token))).toBe(401)
    }
    const without = { client_assertion: undefined, client_assertion_type: undefined }
    const unproven = await refresh(one, first.refresh_token, { ...without, client_id: 'one' })
    expect([unproven.status, unproven.body.error]).toEqual([401, 'invalid_client'])
    const unbound = await refresh(one, first.refresh_token, {}, false)
    expect([unbound.status, unbound.body.error]).toEqual([400, 'invalid_dpop_proof'])
    const foreigner = await refresh(one, other.refresh_token)
    expect([foreigner.status, foreigner.body.error]).toEqual([400, 'invalid_grant'])
    expect((await refresh(one, first.refresh_token)).status).toBe(200)
  })

  test('a certificate serves in the place of both proofs: MTLS as client authentication and binding', async () => {
    const { worker, browser } = await startFlow({}, { MTLS: 'cloudflare' })
    await createClient(worker.context(), {
      ...fapiMembers(one.signer),
      client_id: 'one',
      jwks: undefined,
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_san_dns: 'one.example',
      dpop_bound_access_tokens: false,
      tls_client_certificate_bound_access_tokens: true,
      redirect_uris: [callbackOf('one')],
      scope: 'openid',
      first_party: true,
    })
    await signIn(worker, browser, 'ann')
    const certificate = (letter: string) => ({
      'x-test-certificate': JSON.stringify({
        thumbprint: letter.repeat(43),
        subject_dn: 'CN=one',
        san_dns: ['one.example'],
        verified: true,
      }),
    })
    const by = certificate('A')
    const pushed = await post(worker, PAR, parametersOf(one), by)
    expect(pushed.status).toBe(201)
    const page = await browser.get(openPath(pushed.body['request_uri'], 'one'))
    const grant = {
      grant_type: 'authorization_code',
      client_id: 'one',
      code: answered(one, page)['code'],
      redirect_uri: callbackOf('one'),
      code_verifier: VERIFIER,
    }
    // ensure-holder-of-key-required
    expect((await token(worker, grant)).body.error).toBe('invalid_client')
    const { body } = await token(worker, grant, by)
    const Authorization = `Bearer ${body.access_token}`
    const statusWith = async (more: object) =>
      (await worker.request(USERINFO, { headers: { Authorization, ...more } })).status
    expect(await statusWith(by)).toBe(200)
    expect(await statusWith(certificate('B'))).toBe(401)
    expect(await statusWith({})).toBe(401)
  })
})

describe('proofs', () => {
  const good: [string, () => Record<string, unknown>][] = [
    ['check-dpop-proof-nbf-exp', () => ({ nbf: worker.clock.now, exp: worker.clock.now + 300 })],
    ['ensure-dpopproof-with-iat-10seconds-before-succeeds', () => ({ iat: worker.clock.now - 10 })],
    ['ensure-dpopproof-with-iat-10seconds-after-succeeds', () => ({ iat: worker.clock.now + 10 })],
  ]
  test.each(good)('%s: at PAR, the token endpoint and a resource', async (_, claims) => {
    const at = (path: string) => dpopProof(worker, one.key, { path, claims: claims() })
    const code = await codeFor(one, {}, await at(PAR))
    const { body } = await redeem(one, code, {}, await at('/oauth/token'))
    const { access_token = '' } = body
    expect(await use(access_token, await proofAt(one, access_token, { claims: claims() }))).toBe(
      200,
    )
  })

  test('ensure-mismatched-dpop-jkt-fails: a key that is not that of the proof cannot be pushed', async () => {
    const proof = await dpopProof(worker, one.key, { path: PAR })
    const { status, body } = await push(one, { dpop_jkt: 'k'.repeat(43) }, proof)
    expect([status, body.error]).toEqual([400, 'invalid_dpop_proof'])
  })

  const jktOf = ({ key }: Bank) => calculateJwkThumbprint(key.jwk as never)
  const proofForPar = ({ key }: Bank) => dpopProof(worker, key, { path: PAR })

  const bound: [string, () => Promise<string>][] = [
    [
      'ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt',
      async () => codeFor(one, {}, await proofForPar(two)),
    ],
    [
      'ensure-token-endpoint-fails-with-mismatched-dpop-jkt',
      async () => codeFor(one, { dpop_jkt: await jktOf(two) }),
    ],
  ]
  test.each(bound)('%s: the code is not for this key', async (_, make) => {
    const { status, body } = await redeem(one, await make())
    expect([status, body.error]).toEqual([400, 'invalid_grant'])
  })

  const fitting: [string, () => Promise<string>][] = [
    [
      'ensure-dpopproof-at-par-endpoint-binding-success',
      async () => codeFor(one, {}, await proofForPar(one)),
    ],
    [
      'ensure-dpop-auth-code-binding-success',
      async () => codeFor(one, { dpop_jkt: await jktOf(one) }, await proofForPar(one)),
    ],
  ]
  test.each(fitting)('%s: the code is for this key', async (_, make) => {
    expect((await redeem(one, await make())).status).toBe(200)
  })

  test('ensure-holder-of-key-required: without a proof there is no token', async () => {
    const { status, body } = await redeem(one, await codeFor(one), {}, null)
    expect([status, body.error]).toEqual([400, 'invalid_dpop_proof'])
  })

  test('dpop-negative-tests: a resource refuses whatever is wrong with a proof, and takes what is not', async () => {
    const { access_token } = await tokensFor(one)
    const at = (more: ProofOptions = {}) => proofAt(one, access_token, more)
    const claims = async (changes: Record<string, unknown>) => at({ claims: changes })
    const header = async (changes: Record<string, unknown>) => at({ header: changes })
    const proof = await at()
    const [, body, signature] = proof.split('.')
    const part = (value: object) => base64url.encode(JSON.stringify(value))
    const jwk = one.key.jwk
    const { now } = worker.clock
    const { d } = await exportJWK(one.key.privateKey)
    const cases: [string, string, number][] = [
      ['two proofs', `${await at()}, ${await at()}`, 401],
      ['no JWT', `${proof.split('.')[0]}.${body}`, 401],
      ['no typ', await header({ typ: undefined }), 401],
      ['another typ', await header({ typ: 'JWT' }), 401],
      ['no alg', `${part({ typ: 'dpop+jwt', jwk })}.${body}.${signature}`, 401],
      ['alg none', `${part({ typ: 'dpop+jwt', alg: 'none', jwk })}.${body}.`, 401],
      ['no jwk', await header({ jwk: undefined }), 401],
      ['a private jwk', await header({ jwk: { ...jwk, d } }), 401],
      ['no jti', await claims({ jti: undefined }), 401],
      ['no htm', await claims({ htm: undefined }), 401],
      ['another htm', await claims({ htm: 'PUT' }), 401],
      ['no htu', await claims({ htu: undefined }), 401],
      ['another htu', await claims({ htu: 'https://www.example.com/' }), 401],
      ['no iat', await claims({ iat: undefined }), 401],
      ['iat an hour ahead', await claims({ iat: now + 3600 }), 401],
      ['iat an hour ago', await claims({ iat: now - 3600 }), 401],
      ['no ath', await claims({ ath: undefined }), 401],
      ['another ath', await claims({ ath: 'x'.repeat(43) }), 401],
      ['an altered signature', `${proof.slice(0, -8)}AAAAAAAA`, 401],
      ['another key', await proofAt(two, access_token), 401],
      ['a query and a fragment at htu', await claims({ htu: `${ISSUER}${USERINFO}?a=b#c` }), 200],
      ['a host in capitals at htu', await claims({ htu: `HTTP://LOCALHOST:8787${USERINFO}` }), 200],
      ['further claims', await claims({ extra: 1 }), 200],
      ['a further header', await header({ extra: 'x' }), 200],
    ]
    for (const [name, one, status] of cases) {
      expect([name, await use(access_token, one)]).toEqual([name, status])
    }
    expect(await use(access_token, proof)).toBe(200)
    expect(await use(access_token, proof)).toBe(401) // once
    expect(await use(access_token, await at(), 'Bearer')).toBe(401)
  })
})

describe('a pushed request', () => {
  const refused: [string, Changes, string][] = [
    [
      'par-ensure-pkce-required',
      { code_challenge: undefined, code_challenge_method: undefined },
      'invalid_request',
    ],
    [
      'par-plain-pkce-rejected',
      { code_challenge: CHALLENGE, code_challenge_method: 'plain' },
      'invalid_request',
    ],
    [
      'ensure-request-object-without-redirect-uri-fails',
      { redirect_uri: undefined },
      'invalid_request',
    ],
    [
      'plain-fapi-tolerate-unregistered-redirect-uri',
      { redirect_uri: 'https://one.example/another' },
      'invalid_request',
    ],
    [
      'par-authorization-request-containing-request_uri-form-param',
      { request_uri: 'urn:ietf:params:oauth:request_uri:x' },
      'invalid_request',
    ],
    [
      'ensure-response-type-code-idtoken-fails',
      { response_type: 'code id_token' },
      'unsupported_response_type',
    ],
    ['ensure-response-type-token-fails', { response_type: 'token' }, 'unsupported_response_type'],
    ['a parameter that comes twice', { state: ['a', 'b'] }, 'invalid_request'],
  ]
  test.each(refused)('%s: is refused at once', async (_, changes, error) => {
    const { status, body } = await push(one, changes)
    expect([status, body.error]).toEqual([400, error])
  })

  test('par-attempt-invalid-http-method: PUT is refused', async () => {
    const body = new URLSearchParams([...parametersOf(one), ...Object.entries(await prove(one))])
    const answer = await worker.request(PAR, { method: 'PUT', body })
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(answer.status).toBeLessThan(500)
  })

  test('ensure-unsigned-authorization-request-without-using-par-fails: is told to the client', async () => {
    const path = requestPath({ client_id: 'one', redirect_uri: callbackOf('one') })
    expect(answered(one, await get(path))).toMatchObject({
      error: 'invalid_request',
      iss: ISSUER,
    })
  })

  test('par-without-duplicate-parameters: client_id and request_uri are enough', async () => {
    expect((await redeem(one, await codeFor(one))).status).toBe(200)
  })

  const outside: [string, Changes, Record<string, string>][] = [
    ['ensure-different-nonce-inside-and-outside-request-object', {}, { nonce: 'outside' }],
    ['ensure-different-state-inside-and-outside-request-object', {}, { state: 'outside' }],
    ['state-only-outside-request-object-not-used', { state: undefined }, { state: 'outside' }],
  ]
  test.each(outside)('%s: what stands outside does not count', async (_, changes, more) => {
    const back = answered(one, await open(one, await push(one, changes), more))
    expect(back['state']).toBe('state' in changes ? undefined : 'state-1')
    const { body } = await redeem(one, back['code'] ?? '')
    expect(claimsOf(body.id_token)).toMatchObject({ nonce: 'n-1' })
    expect(claimsOf(body.id_token)['s_hash']).toBeUndefined()
  })

  test('par-ensure-reused-request-uri-prior-to-auth-completion-succeeds: a page may be left and come back to', async () => {
    stranger()
    const pushed = await push(one)
    const path = openPath(pushed.body['request_uri'], 'one')
    expect(pathOf(await get(path))).toMatch(/^\/login\?/)
    await ann()
    expect(answered(one, await open(one, pushed))).toHaveProperty('code')
  })

  /** Our own page, and nothing that leads to the client. */
  const expectPage = ({ status, headers, html }: Page) => {
    expect([status, headers.get('location')]).toEqual([400, null])
    expect(html).toContain('This did not work')
  }

  test('par-attempt-reuse-request_uri: after a code there is no other', async () => {
    const pushed = await push(one)
    expect(answered(one, await open(one, pushed))).toHaveProperty('code')
    expectPage(await open(one, pushed))
  })

  test('par-attempt-to-use-expired-request_uri: it is good for as long as was said', async () => {
    const pushed = await push(one)
    worker.clock.now += Number(pushed.body.expires_in)
    expectPage(await open(one, pushed))
  })

  test('par-attempt-to-use-request_uri-for-different-client: it is of who pushed it', async () => {
    expectPage(await open(two, await push(one)))
  })

  test('ensure-redirect-uri-in-authorization-request: it is not taken from the registration', async () => {
    const { status, body } = await push(one, { redirect_uri: '' })
    expect([status, body.error]).toEqual([400, 'invalid_request'])
  })
})

describe('the token endpoint', () => {
  const verifiers: [string, string | undefined][] = [
    ['ensure-pkce-code-verifier-required', undefined],
    ['incorrect-pkce-code-verifier-rejected', 'x'.repeat(43)],
  ]
  test.each(verifiers)('%s: is invalid_grant', async (_, code_verifier) => {
    const { status, body } = await redeem(one, await codeFor(one), { code_verifier })
    expect([status, body.error]).toEqual([400, 'invalid_grant'])
  })

  test('ensure-authorization-code-is-bound-to-client: another one cannot redeem it', async () => {
    const code = await codeFor(one)
    const { status, body } = await redeem(two, code, { redirect_uri: callbackOf('one') })
    expect([status, body.error]).toEqual([400, 'invalid_grant'])
    expect((await redeem(one, code)).status).toBe(200)
  })

  test('ensure-client-id-in-token-endpoint: the name of one with the key of another is nobody', async () => {
    const posing = { ...(await prove({ ...two, signer: one.signer })), client_id: 'two' }
    const { status, body } = await redeem(one, await codeFor(one), posing)
    expect([status, body.error]).toEqual([401, 'invalid_client'])
  })

  test('ensure-client-assertion-in-token-endpoint: the name alone is nothing', async () => {
    const bare = { client_assertion: undefined, client_assertion_type: undefined, client_id: 'one' }
    const { status, body } = await redeem(one, await codeFor(one), bare)
    expect([status, body.error]).toEqual([401, 'invalid_client'])
  })

  test('attempt-reuse-authorization-code-after-one-second: is invalid_grant, and ends the access token', async () => {
    const code = await codeFor(one)
    const { access_token = '' } = (await redeem(one, code)).body
    expect(await use(access_token, await proofAt(one, access_token))).toBe(200)
    worker.clock.now += 1
    const { status, body } = await redeem(one, code)
    expect([status, body.error]).toEqual([400, 'invalid_grant'])
    expect(await use(access_token, await proofAt(one, access_token))).toBe(401)
  })

  test('ensure-token-endpoint-fails-with-expired-auth-code: after 62 seconds', async () => {
    const code = await codeFor(one)
    worker.clock.now += 62
    const { status, body } = await redeem(one, code)
    expect([status, body.error]).toEqual([400, 'invalid_grant'])
  })
})

describe('ensure-invalid-client-assertions-fail: at PAR and the token endpoint', () => {
  const type = { client_assertion_type: asserted('')['client_assertion_type'] }
  const claims = (make: () => Record<string, unknown>) => () => prove(one, { claims: make() })
  const later = (seconds: number) => () => ({
    iat: worker.clock.now + seconds,
    nbf: worker.clock.now + seconds,
    exp: worker.clock.now + seconds + 60,
  })
  const cases: [string, () => Promise<Parameters> | Parameters, boolean][] = [
    ['no assertion', () => ({ client_id: 'one' }), false],
    ['no type', async () => ({ ...(await prove(one)), client_assertion_type: undefined }), false],
    ['another type', async () => ({ ...(await prove(one)), client_assertion_type: 'x' }), false],
    ['ensure-client-assertion-with-no-sub-fails', claims(() => ({ sub: undefined })), false],
    ['another sub', claims(() => ({ sub: 'two' })), false],
    ['no iss', claims(() => ({ iss: undefined })), false],
    ['another iss', claims(() => ({ iss: 'two' })), false],
    ['no aud', claims(() => ({ aud: undefined })), false],
    [
      'ensure-client-assertion-with-wrong-aud-fails',
      claims(() => ({ aud: 'https://other.example' })),
      false,
    ],
    ['the PAR endpoint as aud', claims(() => ({ aud: `${ISSUER}${PAR}` })), false],
    ['the token endpoint as aud', claims(() => ({ aud: `${ISSUER}/oauth/token` })), false],
    ['a list as aud', claims(() => ({ aud: [ISSUER, 'https://other.example'] })), false],
    ['a list of the issuer alone as aud', claims(() => ({ aud: [ISSUER] })), false],
    [
      'ensure-client-assertion-with-exp-is-5-minutes-in-past-fails',
      claims(() => ({ exp: worker.clock.now - 300 })),
      false,
    ],
    ['iat and nbf 65 seconds ahead', claims(later(65)), false],
    [
      'ensure-signed-client-assertion-with-RS256-fails',
      async () => {
        // The same key, for the algorithm that the profile does not permit.
        const { privateKey } = one.signer
        const pkcs8 = await crypto.subtle.exportKey('pkcs8', privateKey)
        const hash = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
        const rs256 = await crypto.subtle.importKey('pkcs8', pkcs8 as never, hash, false, ['sign'])
        return prove({ ...one, signer: { ...one.signer, alg: 'RS256', privateKey: rs256 } })
      },
      false,
    ],
    [
      'alg none',
      async () => {
        const payload = claimsOf((await prove(one)).client_assertion)
        return { ...type, client_assertion: new UnsecuredJWT(payload).encode() }
      },
      false,
    ],
    [
      'an altered signature',
      async () => {
        const { client_assertion } = await prove(one)
        return { ...type, client_assertion: `${client_assertion.slice(0, -8)}AAAAAAAA` }
      },
      false,
    ],
    ['iat and nbf 8 seconds ahead, which is taken', claims(later(8)), true],
    ['nothing wrong, which is taken', () => prove(one), true],
  ]
  test.each(cases)('%s', async (about, make, taken) => {
    // The request has the client's name already.
    const { client_id: _name, ...proof } = await make()
    const pushed = await post(worker, PAR, [
      ...parametersOf(one),
      ...Object.entries(proof).filter((pair): pair is [string, string] => pair[1] !== undefined),
    ])
    const without = { client_assertion: undefined, client_assertion_type: undefined }
    const redeemed = await redeem(one, await codeFor(one), { ...without, ...(await make()) })
    if (taken) return expect([pushed.status, redeemed.status]).toEqual([201, 200])
    for (const { status, body } of [pushed, redeemed]) {
      // With another name in it than beside it, an assertion contradicts the request.
      const expected =
        about === 'another sub' && status === 400 ? 'invalid_request' : 'invalid_client'
      expect([status, body.error]).toEqual([expected === 'invalid_request' ? 400 : 401, expected])
    }
  })
})
