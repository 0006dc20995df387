// Requests that come as a JWT (RFC 9101, OpenID Connect Core §6), by value and by reference: whose, signed how, what
// of them counts, and where a refusal goes.
import { SignJWT, UnsecuredJWT } from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { FETCHES_MAX } from '../../../worker/oauth/authorize/request_object.ts'
import { type ClientInput, createClient } from '../../../worker/oauth/clients/clients.ts'
import { ISSUER, type Outside, startWorker } from '../../context.ts'
import { Browser } from '../../identity/browser.ts'
import {
  APP,
  answerOf,
  CALLBACK,
  CHALLENGE,
  locationOf,
  pathOf,
  requestParameters,
  rowsOf,
} from '../flow.ts'
import {
  AS,
  asserted,
  assertion,
  fapiMembers,
  foreignClient,
  makeSigner,
  post,
  type Signer,
} from '../token_fixtures.ts'

const EXPLICIT = 'oauth-authz-req+jwt'
const OBJECT_AT = 'https://app.example/request.jwt'

const signers = Object.fromEntries(
  await Promise.all(
    ['ES256', 'RS256', 'PS256', 'EdDSA'].map(async (alg) => [alg, await makeSigner(alg)] as const),
  ),
) as Record<string, Signer>
const stranger = await makeSigner('ES256')
const es256 = signers['ES256'] as Signer

/** A client with a key of every algorithm. */
async function startSigned(client: Partial<ClientInput> = {}, outside: Outside = {}) {
  const worker = await startWorker({}, { outside })
  await createClient(worker.context(), {
    ...APP,
    scope: 'openid email',
    jwks: { keys: Object.values(signers).map(({ jwk }) => jwk as never) },
    ...client,
  })
  return { worker, browser: new Browser(worker) }
}

const NOW = 1_800_000_000

type Claims = Record<string, unknown>

/** Claims of a good object; members given as undefined are left out. */
const claimsWith = (changes: Claims = {}): Claims =>
  JSON.parse(
    JSON.stringify({
      iss: 'app',
      aud: ISSUER,
      iat: NOW,
      nbf: NOW,
      exp: NOW + 60,
      client_id: 'app',
      response_type: 'code',
      redirect_uri: CALLBACK,
      scope: 'openid email',
      state: 'inside',
      code_challenge: CHALLENGE,
      code_challenge_method: 'S256',
      ...changes,
    }),
  )

const sign = (changes: Claims = {}, header: Claims = {}, signer = es256): Promise<string> =>
  new SignJWT(claimsWith(changes))
    .setProtectedHeader({ alg: signer.alg, ...header })
    .sign(signer.privateKey)

/** As OpenID Connect Core §6.1 has it: what OAuth demands stands outside too. */
const OUTSIDE = { response_type: 'code', scope: 'openid' }

const pathWith = (parameters: Record<string, string>) =>
  `/oauth/authorize?${new URLSearchParams({ client_id: 'app', ...parameters })}`

const kept = async (worker: Parameters<typeof rowsOf>[0]) => {
  const [row] = await rowsOf(worker, 'authorization_request')
  return JSON.parse(String(row?.['parameters'])) as Record<string, unknown>
}

describe('a signed request', () => {
  test('of a strict foreign client is taken, with each of the algorithms', async () => {
    const { worker, browser } = await startSigned()
    for (const [alg, { privateKey }] of Object.entries(signers)) {
      const request = await oauth.issueRequestObject(
        AS,
        foreignClient(worker, 'app'),
        requestParameters({ state: `by ${alg}`, max_age: '99', resource: ISSUER }),
        privateKey,
      )
      expect(pathOf(await browser.get(pathWith({ request })))).toMatch(/^\/login\?/)
    }
    const states = (await rowsOf(worker, 'authorization_request')).map(({ parameters }) =>
      JSON.parse(String(parameters)),
    )
    expect(states.map(({ state }) => state)).toEqual(Object.keys(signers).map((alg) => `by ${alg}`))
    expect(states[0]).toMatchObject({ max_age: 99, resource: [ISSUER] })
  })

  test('of openid-client is taken at the authorization endpoint, and pushed', async () => {
    const { worker, browser } = await startSigned({
      token_endpoint_auth_method: 'client_secret_post',
      client_secret: 'a secret of more than thirty characters',
    })
    const config = await openid.discovery(
      new URL(ISSUER),
      'app',
      { [openid.clockSkew]: NOW - Math.floor(Date.now() / 1000) },
      openid.ClientSecretPost('a secret of more than thirty characters'),
      {
        execute: [openid.allowInsecureRequests],
        [openid.customFetch]: (url, init) => worker.request(url, init as RequestInit),
      },
    )
    const signed = await openid.buildAuthorizationUrlWithJAR(
      config,
      Object.fromEntries(requestParameters()),
      es256.privateKey,
    )
    expect(pathOf(await browser.get(signed.pathname + signed.search))).toMatch(/^\/login\?/)
    const pushed = await openid.buildAuthorizationUrlWithPAR(
      config,
      Object.fromEntries(signed.searchParams),
    )
    expect(pushed.searchParams.get('request_uri')).toMatch(/^urn:ietf:params:oauth:request_uri:/)
    expect(pathOf(await browser.get(pushed.pathname + pushed.search))).toMatch(/^\/login\?/)
  })

  test('pushed counts alone, whatever its type, and has to be of who pushes', async () => {
    const { worker } = await startSigned()
    const push = async (request: string) =>
      post(worker, '/oauth/par', { client_id: 'app', state: 'outside', prompt: 'none', request })
    expect((await push(await sign())).status).toBe(201)
    expect(await kept(worker)).toMatchObject({ state: 'inside', prompt: [] })
    const other = await push(await sign({ client_id: 'other' }))
    expect([other.status, other.body.error]).toEqual([400, 'invalid_request_object'])
    // RFC 9126 §3: also what OpenID Connect lets stand outside
    const part = await push(await sign({ scope: undefined }))
    expect(part.body.error).toBe('invalid_scope')
  })

  const good: [string, Claims, Claims][] = [
    ['without claims about itself', { iss: undefined, aud: undefined, exp: undefined }, {}],
    ['for several audiences', { aud: ['https://other.example', ISSUER] }, {}],
    ['of a clock that is 30 seconds ahead', { nbf: NOW + 30, iat: NOW + 30 }, {}],
    ['with typ JWT', {}, { typ: 'JWT' }],
    ['with the explicit typ', {}, { typ: EXPLICIT }],
    ['with the whole media type', {}, { typ: `application/${EXPLICIT}` }],
    ['with members of others', { foo: { bar: 1 }, n: 3 }, {}],
    ['with claims as an object', { claims: { userinfo: { email: null } } }, {}],
  ]
  test.each(good)('%s is taken', async (_, claims, header) => {
    const { browser } = await startSigned()
    const request = await sign(claims, header)
    expect(pathOf(await browser.get(pathWith({ request, ...OUTSIDE })))).toMatch(/^\/login\?/)
  })
})

describe('a request object', () => {
  const b64 = (value: object) =>
    btoa(JSON.stringify(value)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')

  const bad: [string, () => Promise<string> | string][] = [
    ['that is no JWT', () => 'abc'],
    ['that is signed by a stranger', () => sign({}, {}, stranger)],
    [
      'that was changed',
      async () => (await sign()).replace(/\.[^.]+\./, `.${b64(claimsWith({ state: 'x' }))}.`),
    ],
    ['that is not signed', () => new UnsecuredJWT(claimsWith()).encode()],
    [
      'that is signed with the public key as a secret',
      async () => {
        const secret = new TextEncoder().encode(JSON.stringify(es256.jwk))
        return new SignJWT(claimsWith()).setProtectedHeader({ alg: 'HS256' }).sign(secret)
      },
    ],
    ['that brings its own key', async () => sign({}, { jwk: stranger.jwk }, stranger)],
    ['with the kid of no key', () => sign({}, { kid: '../../etc/passwd' }, stranger)],
    [
      'with a critical extension',
      () =>
        sign({}, { crit: ['x'], x: 1 }).catch(
          () => `${b64({ alg: 'ES256', crit: ['x'], x: 1 })}.${b64(claimsWith())}.AA`,
        ),
    ],
    ...['at+jwt', 'dpop+jwt', 'logout+jwt', 'client-authentication+jwt', 'secevent+jwt'].map(
      (typ) => [`with typ ${typ}`, () => sign({}, { typ })] as [string, () => Promise<string>],
    ),
    ['with a typ that is no text', () => sign({}, { typ: 1 })],
    ['with null as typ', () => sign({}, { typ: null })],
    ['with a kid that is no text', () => sign({}, { kid: {} })],
    [
      'with a list as alg',
      async () => (await sign()).replace(/^[^.]*/, b64({ alg: ['ES256'], typ: 'JWT' })),
    ],
    ['of another issuer', () => sign({ iss: 'other' })],
    ['for another audience', () => sign({ aud: 'https://other.example' })],
    ['that ran out', () => sign({ exp: NOW })],
    ['that is not good yet', () => sign({ nbf: NOW + 31 })],
    ['with a text for its end', () => sign({ exp: 'never' })],
    ['that could be a client assertion', () => sign({ sub: 'app' })],
    ['of another client', () => sign({ client_id: 'other' })],
    ['with another object in it', async () => sign({ request: await sign() })],
    ['with a reference in it', () => sign({ request_uri: OBJECT_AT })],
    ['with another response_type than outside', () => sign({ response_type: 'token' })],
    ['with true for a parameter', () => sign({ prompt: true })],
    ['with null for a parameter', () => sign({ state: null })],
    ['with NUL', () => sign({ state: 'a\0b' })],
    ['with resources that are no text', () => sign({ resource: [1] })],
  ]
  test.each(bad)('%s is refused, and the refusal goes to the address outside', async (_, make) => {
    const { worker, browser } = await startSigned()
    const path = pathWith({
      ...OUTSIDE,
      redirect_uri: CALLBACK,
      state: 'outside',
      request: await make(),
    })
    expect(answerOf(await browser.get(path))).toMatchObject({
      error: 'invalid_request_object',
      state: 'outside',
      iss: ISSUER,
    })
    expect(await rowsOf(worker, 'authorization_request')).toEqual([])
  })

  test('that is refused is told here where no address is outside, or not one of the client', async () => {
    const { browser } = await startSigned()
    const request = await sign({}, {}, stranger)
    for (const outside of [{}, { redirect_uri: 'https://evil.example/' }] as Record<
      string,
      string
    >[]) {
      const page = await browser.get(pathWith({ ...OUTSIDE, ...outside, request }))
      expect([page.status, page.headers.get('location')]).toEqual([400, null])
    }
  })

  test('with an address that is not the client’s is told here, whatever stands outside', async () => {
    const { browser } = await startSigned()
    const request = await sign({ redirect_uri: 'https://evil.example/' })
    for (const outside of [{}, { redirect_uri: CALLBACK }] as Record<string, string>[]) {
      const page = await browser.get(pathWith({ ...OUTSIDE, ...outside, request }))
      expect([page.status, page.headers.get('location')]).toEqual([400, null])
    }
  })

  test('goes before what stands outside, and is completed by it', async () => {
    const { worker, browser } = await startSigned()
    const outside = {
      ...OUTSIDE,
      redirect_uri: 'https://evil.example/',
      state: 'outside',
      nonce: 'n',
    }
    const login = await browser.get(pathWith({ ...outside, request: await sign() }))
    expect(pathOf(login)).toMatch(/^\/login\?/)
    expect(await kept(worker)).toMatchObject({
      redirect_uri: CALLBACK,
      state: 'inside',
      scope: ['openid', 'email'],
      nonce: 'n',
    })
  })

  const whole: [string, Partial<ClientInput>, Claims][] = [
    ['with the explicit typ', {}, { typ: EXPLICIT }],
    ['of a client that has to sign', { require_signed_request_object: true }, {}],
  ]
  test.each(whole)('%s counts alone', async (_, client, header) => {
    const { worker, browser } = await startSigned(client)
    const outside = { ...OUTSIDE, state: 'outside', nonce: 'n', prompt: 'none', login_hint: 'x' }
    const login = await browser.get(pathWith({ ...outside, request: await sign({}, header) }))
    expect(pathOf(login)).toMatch(/^\/login\?/)
    const request = await kept(worker)
    expect(request).toMatchObject({ state: 'inside', prompt: [] })
    expect([request['nonce'], request['login_hint']]).toEqual([undefined, undefined])
    // Then it has to say whose it is.
    const nobody = await sign({ client_id: undefined }, header)
    const path = pathWith({ redirect_uri: CALLBACK, request: nobody })
    expect(answerOf(await browser.get(path))).toMatchObject({ error: 'invalid_request_object' })
    // And what is missing in it is missing.
    const lacking = await sign({ scope: undefined }, header)
    const answer = answerOf(await browser.get(pathWith({ ...outside, request: lacking })))
    expect(answer).toMatchObject({ error: 'invalid_scope', state: 'inside' })
  })

  test('may have members within its claims, where a form has JSON', async () => {
    const { worker, browser } = await startSigned({ authorization_details_types: ['device'] })
    const authorization_details = [{ type: 'device', actions: ['device:read'], devices: ['lamp'] }]
    const request = await sign({ authorization_details })
    expect(pathOf(await browser.get(pathWith({ ...OUTSIDE, request })))).toMatch(/^\/login\?/)
    const details = (await kept(worker))['authorization_details']
    expect(details).toMatchObject(authorization_details)
  })

  test('is needed where the client has to sign', async () => {
    const { worker, browser } = await startSigned({ require_signed_request_object: true })
    const plain = await browser.get(`/oauth/authorize?${requestParameters()}`)
    expect(answerOf(plain)).toMatchObject({ error: 'invalid_request' })
    const pushed = await post(worker, '/oauth/par', [...requestParameters()])
    expect(pushed.body.error).toBe('invalid_request')
  })

  test('beside another, or beside a reference, is refused', async () => {
    const { browser } = await startSigned()
    const path = pathWith({ ...OUTSIDE, redirect_uri: CALLBACK, request: await sign() })
    for (const more of [`&request=${await sign()}`, `&request_uri=${OBJECT_AT}`]) {
      expect(answerOf(await browser.get(path + more))).toMatchObject({ error: 'invalid_request' })
    }
  })

  test('is signed by the registered algorithm alone', async () => {
    const { browser } = await startSigned({ request_object_signing_alg: 'RS256' })
    const answered = async (signer: Signer) =>
      browser.get(
        pathWith({ ...OUTSIDE, redirect_uri: CALLBACK, request: await sign({}, {}, signer) }),
      )
    expect(pathOf(await answered(signers['RS256'] as Signer))).toMatch(/^\/login\?/)
    for (const alg of ['ES256', 'PS256', 'EdDSA']) {
      expect(answerOf(await answered(signers[alg] as Signer))).toMatchObject({
        error: 'invalid_request_object',
      })
    }
  })

  test('is not signed only where the client registered none', async () => {
    const none = { request_object_signing_alg: 'none' as const }
    const { worker, browser } = await startSigned(none)
    const outside = { ...OUTSIDE, redirect_uri: CALLBACK }
    const at = async (request: string) => browser.get(pathWith({ ...outside, request }))
    const unsigned = new UnsecuredJWT(claimsWith()).encode()
    expect(pathOf(await at(unsigned))).toMatch(/^\/login\?/)
    expect(await kept(worker)).toMatchObject({ state: 'inside' })
    // Not with a signature of anything, nor when it ran out, nor signed after all.
    const late = new UnsecuredJWT(claimsWith({ exp: NOW })).encode()
    const demanding = unsigned.replace(/^[^.]*/, b64({ alg: 'none', crit: ['x'], x: 1 }))
    const typeless = unsigned.replace(/^[^.]*/, b64({ alg: 'none', typ: 1 }))
    for (const request of [`${unsigned}AAAA`, late, await sign(), demanding, typeless]) {
      expect(answerOf(await at(request))).toMatchObject({ error: 'invalid_request_object' })
    }
    const strict = await startSigned({ ...none, require_signed_request_object: true })
    const path = pathWith({ ...outside, request: unsigned })
    expect(answerOf(await strict.browser.get(path))).toMatchObject({
      error: 'invalid_request_object',
    })
  })

  test('is verified with keys from jwks_uri, and refused when they cannot be had', async () => {
    const jwks_uri = 'https://app.example/jwks'
    let answer = () => Response.json({ keys: [es256.jwk] })
    const { worker, browser } = await startSigned(
      { jwks: undefined, jwks_uri },
      { [jwks_uri]: () => answer() },
    )
    const outside = { ...OUTSIDE, redirect_uri: CALLBACK }
    const get = async () => browser.get(pathWith({ ...outside, request: await sign() }))
    expect(pathOf(await get())).toMatch(/^\/login\?/)
    answer = () => Response.json({}, { status: 500 })
    worker.clock.now += 60
    expect(answerOf(await get())).toMatchObject({ error: 'invalid_request_object' })
    expect(worker.log.at(-1)?.fields['reason']).toBe('jwks_uri_status')
  })

  test('of a client with profile fapi2 says who, for whom and until when, within an hour', async () => {
    const { worker } = await startSigned(fapiMembers(...Object.values(signers)))
    const bring = async (request: string) => {
      const proven = asserted(await assertion(worker, es256, 'app'))
      return (await post(worker, '/oauth/par', { client_id: 'app', request, ...proven })).status
    }
    const push = async (claims: Claims) => bring(await sign(claims))
    for (const [alg, signer] of Object.entries(signers)) {
      // FAPI 2.0 §5.4.1
      const status = alg === 'RS256' ? 400 : 201
      expect([alg, await bring(await sign({}, {}, signer))]).toEqual([alg, status])
    }
    expect(await push({ exp: NOW + 3600 })).toBe(201)
    for (const claims of [
      { iss: undefined },
      { aud: undefined },
      { exp: undefined },
      { nbf: undefined },
      { exp: NOW + 3601 },
      { nbf: NOW - 3601 },
    ]) {
      expect([claims, await push(claims)]).toEqual([claims, 400])
    }
  })
})

describe('a request_uri', () => {
  /** A client that registered addresses, and what was fetched from them. */
  async function startReferenced(request_uris: string[], answer: (request: Request) => Response) {
    const fetched: string[] = []
    const outside = (request: Request) => {
      fetched.push(request.url)
      return answer(request)
    }
    const flow = await startSigned(
      { request_uris },
      {
        [OBJECT_AT]: outside,
        'https://evil.example/': outside,
        'https://app.example/other': outside,
      },
    )
    return { ...flow, fetched }
  }

  const outer = { ...OUTSIDE, redirect_uri: CALLBACK, state: 'outside' }

  test('of the client is fetched, whatever hash it has, and anew each time', async () => {
    let state = 'first'
    const jwts = { first: await sign({ state: 'first' }), second: await sign({ state: 'second' }) }
    const { worker, browser, fetched } = await startReferenced(
      [`${OBJECT_AT}#old`],
      () => new Response(`${jwts[state as 'first']}\n`),
    )
    const at = async (request_uri: string) => {
      const login = await browser.get(pathWith({ ...outer, request_uri }))
      expect(pathOf(login)).toMatch(/^\/login\?/)
    }
    await at(`${OBJECT_AT}#one`)
    state = 'second'
    await at(`${OBJECT_AT}#two`)
    await at(OBJECT_AT)
    expect(fetched).toEqual([OBJECT_AT, OBJECT_AT, OBJECT_AT])
    const rows = await rowsOf(worker, 'authorization_request')
    expect(rows.map(({ parameters }) => JSON.parse(String(parameters)).state)).toEqual([
      'first',
      'second',
      'second',
    ])
  })

  test.each([
    ['https://evil.example/'],
    ['https://app.example/other'],
    [`${OBJECT_AT}?x=1`],
    [`${OBJECT_AT}/`],
    ['https://app.example/%72equest.jwt'],
    ['http://app.example/request.jwt'],
    ['urn:example:request'],
    ['#'],
  ])('%s, which is not registered, is never fetched', async (request_uri) => {
    const jwt = await sign()
    const { browser, fetched } = await startReferenced([OBJECT_AT], () => new Response(jwt))
    const page = await browser.get(pathWith({ ...outer, request_uri }))
    expect(answerOf(page)).toMatchObject({ error: 'invalid_request_uri', state: 'outside' })
    expect(fetched).toEqual([])
  })

  const useless: [string, () => Response, string][] = [
    ['answers 404', () => new Response('x', { status: 404 }), 'invalid_request_uri'],
    [
      'leads elsewhere',
      () => Response.redirect('https://evil.example/', 302),
      'invalid_request_uri',
    ],
    ['answers too much', () => new Response('x'.repeat(65_537)), 'invalid_request_uri'],
    ['answers no JWT', () => new Response('<html>'), 'invalid_request_object'],
  ]
  test.each(useless)('that %s is refused', async (_, answer, error) => {
    const { browser, fetched } = await startReferenced([OBJECT_AT], answer)
    const page = await browser.get(pathWith({ ...outer, request_uri: OBJECT_AT }))
    expect(answerOf(page)).toMatchObject({ error, state: 'outside' })
    expect(fetched).toEqual([OBJECT_AT])
  })

  test('of a client that anybody may have registered is fetched so often for one address', async () => {
    const jwt = await sign()
    let isGood = true
    const { worker, browser, fetched } = await startReferenced([OBJECT_AT], () =>
      isGood ? new Response(jwt) : new Response('another server', { status: 404 }),
    )
    const open = (headers: Record<string, string> = {}) =>
      worker.request(pathWith({ ...outer, request_uri: OBJECT_AT }), { headers })
    const { db } = worker.context()
    const many = async (times: number) => {
      for (let i = 0; i < times; i++) await open()
    }
    // An operator's own client is not counted.
    isGood = false
    await many(FETCHES_MAX + 2)
    await db.write(sql`update client set registration_token_hash = 'x' where id = 'app'`)
    fetched.length = 0
    // Nor is what turned out to be a request.
    isGood = true
    await many(2)
    isGood = false
    await many(FETCHES_MAX + 3)
    expect(fetched).toHaveLength(2 + FETCHES_MAX)
    isGood = true
    const refused = await browser.get(pathWith({ ...outer, request_uri: OBJECT_AT }))
    expect(refused.status).toBe(429)
    expect((await open({ 'x-test-address': '192.0.2.2' })).status).toBe(303)
    worker.clock.now += 3600
    await open()
    expect(fetched).toHaveLength(2 + FETCHES_MAX + 2)
  })

  test('is not fetched for a client that has to push its requests', async () => {
    const fetched: string[] = []
    const { browser } = await startSigned(
      { request_uris: [OBJECT_AT], require_pushed_authorization_requests: true },
      { [OBJECT_AT]: ({ url }) => new Response(String(fetched.push(url))) },
    )
    const page = await browser.get(pathWith({ ...outer, request_uri: OBJECT_AT }))
    expect(answerOf(page)).toMatchObject({ error: 'invalid_request' })
    expect(fetched).toEqual([])
  })

  test('leaves a request that goes on by a handle of ours, without being fetched again', async () => {
    const jwt = await sign()
    const { browser, fetched } = await startReferenced([OBJECT_AT], () => new Response(jwt))
    const login = locationOf(await browser.get(pathWith({ ...outer, request_uri: OBJECT_AT })))
    await browser.get(login.searchParams.get('return_to') ?? '')
    expect(fetched).toHaveLength(1)
  })
})

test('an assertion is no request object, and a request object no assertion', async () => {
  const { worker, browser } = await startSigned({
    token_endpoint_auth_method: 'private_key_jwt',
    grant_types: ['authorization_code', 'client_credentials'],
  })
  const client_assertion = await sign({ jti: 'j' }, { typ: EXPLICIT })
  const used = await post(worker, '/oauth/token', {
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion,
  })
  expect(used.body.error).toBe('invalid_client')
  const assertion = await sign({ sub: 'app', jti: 'j' })
  const path = pathWith({ ...OUTSIDE, redirect_uri: CALLBACK, request: assertion })
  expect(answerOf(await browser.get(path))).toMatchObject({ error: 'invalid_request_object' })
})
