// Requests that a client pushes (RFC 9126): who may, what is refused, how long the reference is good and for whom.
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { describe, expect, test } from 'vitest'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { type ClientInput, createClient } from '../../../worker/oauth/clients/clients.ts'
import { countRoundTrips, ISSUER, type TestWorker } from '../../context.ts'
import { Browser } from '../../identity/browser.ts'
import {
  answerOf,
  CALLBACK,
  CHALLENGE,
  follow,
  locationOf,
  pathOf,
  requestParameters,
  requestPath,
  returnTo,
  rowsOf,
  signIn,
  startFlow,
} from '../flow.ts'
import {
  AS,
  asserted,
  assertion,
  basic,
  fapiMembers,
  foreign,
  foreignClient,
  losingAnswers,
  makeSigner,
  overtaken,
  post,
  setStatus,
} from '../token_fixtures.ts'

const SECRET = 'a secret of more than thirty characters'
const SERVER = { ...AS, pushed_authorization_request_endpoint: `${ISSUER}/oauth/par` }

const WEB: ClientInput = {
  client_id: 'web',
  client_secret: SECRET,
  token_endpoint_auth_method: 'client_secret_basic',
  redirect_uris: [CALLBACK],
  grant_types: ['authorization_code', 'refresh_token'],
  scope: 'openid email',
  first_party: true,
}

async function startWeb(client: Partial<ClientInput> = {}) {
  const flow = await startFlow()
  const cx = flow.worker.context()
  await createClient(cx, { ...WEB, ...client })
  await flow.worker.request('/.well-known/jwks.json')
  return flow
}

type Changes = Parameters<typeof requestParameters>[0]

const push = (worker: Pick<TestWorker, 'request'>, changes: Changes = {}, headers = webBasic) =>
  post(worker, '/oauth/par', [...requestParameters({ client_id: 'web', ...changes })], headers)

const webBasic: Record<string, string> = basic('web', SECRET)

/** Where a browser opens a pushed request. */
const openPath = (request_uri: unknown, client_id = 'web') =>
  `/oauth/authorize?${new URLSearchParams({ client_id, request_uri: String(request_uri) })}`

const pushed = async (worker: TestWorker, changes: Changes = {}, headers = webBasic) =>
  openPath((await push(worker, changes, headers)).body['request_uri'])

const signer = await makeSigner('ES256')

/** How a client with profile fapi2 proves itself: by these parameters, and no header. */
const proven = async (worker: TestWorker) => asserted(await assertion(worker, signer, 'web'))

test('a strict foreign client pushes with an assertion, and a person signs in by it', async () => {
  const signer = await makeSigner('ES256', 'k1')
  const { worker, browser } = await startFlow()
  await createClient(worker.context(), {
    ...WEB,
    client_secret: undefined,
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [signer.jwk as never] },
  })
  await signIn(worker, browser, 'ann')
  const client = foreignClient(worker, 'web')
  const by = oauth.PrivateKeyJwt({ key: signer.privateKey, kid: 'k1' })
  const verifier = oauth.generateRandomCodeVerifier()
  const answer = await oauth.pushedAuthorizationRequest(
    SERVER,
    client,
    by,
    {
      response_type: 'code',
      redirect_uri: CALLBACK,
      scope: 'openid email',
      state: 'of the client',
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    },
    foreign(worker),
  )
  expect([answer.status, answer.headers.get('cache-control')]).toEqual([201, 'no-store'])
  const { request_uri, expires_in } = await oauth.processPushedAuthorizationResponse(
    SERVER,
    client,
    answer,
  )
  expect(request_uri).toMatch(/^urn:ietf:params:oauth:request_uri:[A-Za-z0-9_-]{43}$/)
  expect(expires_in).toBe(90)

  const done = locationOf(await browser.get(openPath(request_uri)))
  const parameters = oauth.validateAuthResponse(SERVER, client, done, 'of the client')
  const tokens = await oauth.authorizationCodeGrantRequest(
    SERVER,
    client,
    by,
    parameters,
    CALLBACK,
    verifier,
    foreign(worker),
  )
  const { scope } = await oauth.processAuthorizationCodeResponse(SERVER, client, tokens)
  expect(scope).toBe('openid email')
})

test('openid-client finds the endpoint and goes the whole way through login and consent', async () => {
  const { worker, browser } = await startWeb({ first_party: false })
  const config = await openid.discovery(
    new URL(ISSUER),
    'web',
    { [openid.clockSkew]: worker.clock.now - Math.floor(Date.now() / 1000) },
    openid.ClientSecretBasic(SECRET),
    {
      execute: [openid.allowInsecureRequests],
      [openid.customFetch]: (url, init) => worker.request(url, init as RequestInit),
    },
  )
  const pkceCodeVerifier = openid.randomPKCECodeVerifier()
  const url = await openid.buildAuthorizationUrlWithPAR(config, {
    redirect_uri: CALLBACK,
    scope: 'openid',
    state: 's',
    nonce: 'n',
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  })
  const login = await browser.get(url.pathname + url.search)
  expect(pathOf(login)).toMatch(/^\/login\?/)
  await signIn(worker, browser, 'ann')
  const question = await follow(browser, await browser.get(returnTo(login)))
  const done = await browser.submit(question, { action: 'allow' })
  const tokens = await openid.authorizationCodeGrant(config, locationOf(done), {
    pkceCodeVerifier,
    expectedState: 's',
    expectedNonce: 'n',
  })
  expect(tokens.claims()).toMatchObject({ sub: 'ann', aud: 'web' })
})

describe('a push', () => {
  const refused: [string, Changes, string][] = [
    [
      'with a request_uri',
      { request_uri: 'urn:ietf:params:oauth:request_uri:x' },
      'invalid_request',
    ],
    ['for an address of another', { redirect_uri: 'https://evil.example/' }, 'invalid_request'],
    ['without response_type', { response_type: undefined }, 'invalid_request'],
    ['for a token', { response_type: 'token' }, 'unsupported_response_type'],
    ['in the fragment', { response_mode: 'fragment' }, 'invalid_request'],
    ['without scope', { scope: undefined }, 'invalid_scope'],
    ['for a scope of others', { scope: 'openid mqtt' }, 'invalid_scope'],
    ['for a foreign resource', { resource: 'https://api.example/' }, 'invalid_target'],
    ['without challenge', { code_challenge: undefined }, 'invalid_request'],
    ['with a plain challenge', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['with an unknown prompt', { prompt: 'x' }, 'invalid_request'],
    ['with a bad id_token_hint', { id_token_hint: 'x' }, 'invalid_request'],
    ['with a state twice', { state: ['a', 'b'] }, 'invalid_request'],
    ['with the client_id of another', { client_id: 'app' }, 'invalid_client'],
    ['with a request that is no JWT', { request: 'x' }, 'invalid_request_object'],
  ]
  test.each(refused)('%s is refused, and nothing is kept', async (_, changes, error) => {
    const { worker } = await startWeb()
    const answer = await push(worker, changes)
    expect([answer.status, answer.body.error]).toEqual([
      error === 'invalid_client' ? 401 : 400,
      error,
    ])
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(await rowsOf(worker, 'authorization_request')).toEqual([])
  })

  test('with a scope that nobody knows is taken without it, and a known one that it may not have is named', async () => {
    const { worker } = await startWeb()
    expect((await push(worker, { scope: 'openid frobnicate' })).status).toBe(201)
    const [{ parameters } = { parameters: '{}' }] = await rowsOf(worker, 'authorization_request')
    expect(JSON.parse(String(parameters)).scope).toEqual(['openid'])
    const refused = await push(worker, { scope: 'openid mqtt frobnicate' })
    expect(refused.body).toMatchObject({
      error: 'invalid_scope',
      error_description: expect.stringMatching(/: mqtt$/),
    })
    expect((await push(worker, { scope: 'frobnicate' })).body.error).toBe('invalid_scope')
  })

  test('without the client’s proof is refused', async () => {
    const { worker } = await startWeb()
    for (const headers of [{}, basic('web', 'wrong'), basic('nobody', SECRET)]) {
      const answer = await push(worker, { client_id: undefined }, headers)
      expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client'])
    }
    expect((await push(worker, {}, {})).body.error).toBe('invalid_client')
    await setStatus(worker, 'client', 'web', 'disabled')
    expect((await push(worker)).body.error).toBe('invalid_client')
    expect(await rowsOf(worker, 'authorization_request')).toEqual([])
  })

  test('of a client that is not registered for codes is refused', async () => {
    const { worker } = await startWeb({ grant_types: ['client_credentials'] })
    expect((await push(worker)).body.error).toBe('unauthorized_client')
  })

  test('of a public client needs its id alone', async () => {
    const { worker } = await startWeb()
    expect((await push(worker, { client_id: 'app' }, {})).status).toBe(201)
  })

  test('is taken by POST alone, from a body, and from browsers of any origin', async () => {
    const { worker } = await startWeb()
    const answer = await push(worker)
    expect(answer.status).toBe(201)
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    const preflight = await worker.request('/oauth/par', { method: 'OPTIONS' })
    expect([preflight.status, preflight.headers.get('access-control-allow-methods')]).toEqual([
      204,
      'POST',
    ])
    const got = await worker.request('/oauth/par')
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST'])
    const queried = await post(worker, '/oauth/par?scope=openid', [['client_id', 'app']])
    expect(queried.body.error).toBe('invalid_request')
  })

  test('takes 2 round trips and leaves a hash of the reference', async () => {
    const { worker } = await startWeb()
    const { value, roundTrips } = await countRoundTrips(worker, () => push(worker))
    console.log('round trips of par', roundTrips)
    expect(roundTrips).toBe(2)
    const handle = String(value.body['request_uri']).split(':').at(-1)
    expect(JSON.stringify(await rowsOf(worker, 'authorization_request'))).not.toContain(handle)
  })

  test('with an assertion is good once, also when its answer was lost', async () => {
    const signer = await makeSigner('ES256')
    const { worker } = await startFlow()
    await createClient(worker.context(), {
      ...WEB,
      client_secret: undefined,
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [signer.jwk as never] },
    })
    const bring = async (by: Pick<TestWorker, 'request'>, text: string) =>
      post(by, '/oauth/par', [
        ...requestParameters({ client_id: 'web' }),
        ...Object.entries(asserted(text)),
      ])
    // RFC 9126 §2: the endpoint itself is an audience that a client may name.
    const aud = `${ISSUER}/oauth/par`
    const first = await assertion(worker, signer, 'web', { claims: { aud } })
    expect((await bring(losingAnswers(worker), first)).status).toBe(201)
    const again = await bring(worker, first)
    expect([again.status, again.body.error]).toEqual([401, 'invalid_client'])
    expect(await rowsOf(worker, 'authorization_request')).toHaveLength(1)
  })
})

describe('a reference', () => {
  test('is good for 90 seconds, and once opened as long as any request', async () => {
    const { worker, browser } = await startWeb()
    const [late, opened] = [await pushed(worker), await pushed(worker)]
    worker.clock.now += 89
    const login = await browser.get(opened)
    expect(pathOf(login)).toMatch(/^\/login\?/)
    worker.clock.now += 1
    expect((await browser.get(late)).status).toBe(400)
    worker.clock.now += 1700
    await signIn(worker, browser, 'ann')
    expect(answerOf(await browser.get(returnTo(login)))).toHaveProperty('code')
  })

  test('lives as long as the setting par_ttl says', async () => {
    const { worker, browser } = await startWeb()
    await changeSettings(worker.context(), { par_ttl: 20 })
    const { body } = await push(worker)
    expect(body.expires_in).toBe(20)
    worker.clock.now += 20
    expect((await browser.get(openPath(body['request_uri']))).status).toBe(400)
  })

  test('that another browser used up between reading and opening is refused', async () => {
    const { worker, browser } = await startWeb()
    const path = await pushed(worker)
    await signIn(worker, browser, 'ann')
    const late = overtaken(worker, () => browser.get(path))
    expect((await late.request(path)).status).toBe(400)
    expect(await rowsOf(worker, 'authorization_request')).toEqual([])
  })

  test('survives reloading, and is refused once a code was issued', async () => {
    const { worker, browser } = await startWeb()
    const path = await pushed(worker)
    for (let i = 0; i < 3; i++) {
      expect(returnTo(await browser.get(path))).toBe(path)
    }
    await signIn(worker, browser, 'ann')
    expect(answerOf(await browser.get(path))).toHaveProperty('code')
    const again = await browser.get(path)
    expect([again.status, again.headers.get('location')]).toEqual([400, null])
    expect(await rowsOf(worker, 'authorization_code')).toHaveLength(1)
  })

  test('is good for its own client alone', async () => {
    const { worker, browser } = await startWeb()
    const { body } = await push(worker)
    await signIn(worker, browser, 'ann')
    const other = await browser.get(openPath(body['request_uri'], 'app'))
    expect([other.status, other.headers.get('location')]).toEqual([400, null])
    expect(answerOf(await browser.get(openPath(body['request_uri'])))).toHaveProperty('code')
  })

  test('counts alone: what stands beside it is not looked at, and a request object is refused', async () => {
    const { worker, browser } = await startWeb()
    await signIn(worker, browser, 'ann')
    const path = await pushed(worker)
    const beside = new URLSearchParams({ scope: 'openid email', state: 'x', redirect_uri: 'x:y' })
    expect((await browser.get(`${path}&request=a.b.c`)).status).toBe(400)
    expect(answerOf(await browser.get(`${path}&${beside}`))).toMatchObject({ state: 'state-1' })
    expect(await rowsOf(worker, 'authorization_code')).toMatchObject([{ scope: 'openid' }])
  })

  test('does not count a sign-in before it was opened as a new one', async () => {
    const { worker, browser } = await startWeb()
    const path = await pushed(worker, { prompt: 'login' })
    worker.clock.now += 5
    await signIn(worker, browser, 'ann')
    worker.clock.now += 5
    const login = await browser.get(path)
    expect(pathOf(login)).toMatch(/^\/login\?/)
    // Nor the same session when it comes back without having signed in.
    expect(pathOf(await browser.get(returnTo(login)))).toMatch(/^\/login\?/)
    worker.clock.now += 5
    await signIn(worker, browser, 'ann')
    expect(answerOf(await browser.get(returnTo(login)))).toHaveProperty('code')
  })

  test('gives one code to 200 answers at once', async () => {
    const { worker } = await startWeb()
    const path = await pushed(worker)
    const browser = new Browser(worker)
    await signIn(worker, browser, 'ann')
    const pages = await Promise.all(Array.from({ length: 200 }, () => browser.get(path)))
    const led = pages.filter((page) => page.status === 303)
    console.log('200 answers to one pushed request', { codes: led.length })
    expect(led.map((page) => answerOf(page)['code']?.length)).toEqual([43])
    expect(pages.filter((page) => page.status === 400)).toHaveLength(199)
    expect(await rowsOf(worker, 'authorization_code')).toHaveLength(1)
    expect(await rowsOf(worker, 'authorization_request')).toEqual([])
  }, 60_000)

  test('opened by 200 browsers at once is one request on its way', async () => {
    const { worker } = await startWeb()
    const path = await pushed(worker)
    const pages = await Promise.all(
      Array.from({ length: 200 }, () => new Browser(worker).get(path)),
    )
    expect(pages.every((page) => page.status === 303)).toBe(true)
    expect(await rowsOf(worker, 'authorization_request')).toMatchObject([
      { pushed: 0, expires_at: worker.clock.now + 1800 },
    ])
  }, 60_000)

  test('takes authorize at most 2 round trips: to login 2, reloaded 1, to a code 2', async () => {
    const { worker, browser } = await startWeb()
    const path = await pushed(worker)
    const other = await pushed(worker)
    const counted = async (at: string) =>
      (await countRoundTrips(worker, () => browser.get(at))).roundTrips
    const counts = { login: await counted(path), reloaded: await counted(path), code: 0 }
    await signIn(worker, browser, 'ann')
    counts.code = await counted(other)
    console.log('round trips of authorize by a pushed request', counts)
    expect(counts).toEqual({ login: 2, reloaded: 1, code: 2 })
  })
})

describe('a request that has to be pushed', () => {
  const direct = requestPath({ client_id: 'web' })

  async function expectRefused(browser: Browser) {
    expect(answerOf(await browser.get(direct))).toMatchObject({
      error: 'invalid_request',
      error_description: 'the request has to be pushed first',
      state: 'state-1',
      iss: ISSUER,
    })
  }

  test.each([
    ['require_pushed_authorization_requests', { require_pushed_authorization_requests: true }],
    ['profile fapi2', fapiMembers(signer)],
  ])('by %s of its client is refused when it comes directly', async (_, client) => {
    const { worker, browser } = await startWeb(client)
    await expectRefused(browser)
    const isFapi = 'profile' in client
    const way = isFapi ? await pushed(worker, await proven(worker), {}) : await pushed(worker)
    expect(pathOf(await browser.get(way))).toMatch(/^\/login\?/)
    // Others are free.
    expect(pathOf(await browser.get(requestPath()))).toMatch(/^\/login\?/)
  })

  test('by the setting for all is refused when it comes directly', async () => {
    const { worker, browser } = await startWeb()
    await changeSettings(worker.context(), { require_pushed_authorization_requests: true })
    await expectRefused(browser)
    expect(pathOf(await browser.get(await pushed(worker)))).toMatch(/^\/login\?/)
  })

  test('with profile fapi2 needs an S256 challenge and its redirect_uri', async () => {
    const { worker } = await startWeb(fapiMembers(signer))
    const bring = async (changes: Changes) =>
      push(worker, { ...changes, ...(await proven(worker)) }, {})
    for (const changes of [
      { code_challenge: undefined, code_challenge_method: undefined },
      { code_challenge: CHALLENGE, code_challenge_method: 'plain' },
      { redirect_uri: undefined },
    ]) {
      const answer = await bring(changes)
      expect([answer.status, answer.body.error]).toEqual([400, 'invalid_request'])
    }
    expect((await bring({})).status).toBe(201)
  })
})
