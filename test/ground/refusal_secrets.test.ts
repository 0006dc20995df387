// Secrets of all kinds, sent to be refused at every endpoint: the log has the refusal and nothing
// of them.
import { beforeAll, expect, test } from 'vitest'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { sha256 } from '../../worker/crypto.ts'
import { createUser } from '../../worker/identity/users.ts'
import { ISSUER, startWorker, type TestWorker } from '../context.ts'
import { Browser, formFields } from '../identity/browser.ts'
import { CALLBACK, requestParameters } from '../oauth/flow.ts'
import {
  addApp,
  addClient,
  addCode,
  addDevice,
  addGrant,
  asserted,
  assertion,
  dpopProof,
  makeSigner,
  type Signer,
  signIn,
} from '../oauth/token_fixtures.ts'

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code'
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
const PARTNER = 'https://partner.example'
const REDIRECT = 'https://app.example.com/callback'

let worker: TestWorker
let signer: Signer
/** All secrets that were sent, as they came. */
const sent = new Set<string>()
/** Real tokens and the like, which a refusal must not show either. */
let access_token: string
let refresh_token: string
let spent: string
let csrf: Record<string, string>
let browser: Browser

const keep = (secret: string): string => {
  sent.add(secret)
  return secret
}

let made = 0
const secret = (): string => keep(`marked-secret-${made++}-${'z'.repeat(24)}`)

const signed = async (client_id: string, claims: Record<string, unknown> = {}) =>
  keep(await assertion(worker, signer, client_id, { claims: claims as never }))

beforeAll(async () => {
  worker = await startWorker()
  signer = await makeSigner('ES256')
  const cx = worker.context()
  await worker.request('/.well-known/jwks.json')
  await createUser(cx, { id: 'ann', email: 'ann@example.com', password: keep('a right password') })
  await addApp(worker, { redirect_uris: [REDIRECT, CALLBACK] })
  const others = [EXCHANGE, DEVICE_CODE, JWT_BEARER] as const
  for (const [client_id, token_endpoint_auth_method] of [
    ['web', 'client_secret_basic'],
    ['form', 'client_secret_post'],
    ['signs', 'private_key_jwt'],
    ['proves', 'client_secret_post'],
  ] as const) {
    await addClient(worker, {
      client_id,
      token_endpoint_auth_method,
      ...(token_endpoint_auth_method === 'private_key_jwt'
        ? { jwks: { keys: [signer.jwk as never] } }
        : { client_secret: keep(`the-right-secret-of-${client_id}-${'y'.repeat(20)}`) }),
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials', ...others],
      redirect_uris: [CALLBACK],
      dpop_bound_access_tokens: client_id === 'proves',
      scope: 'openid offline_access mqtt users:read',
    })
  }
  await addDevice(worker, 'dim-1', { jwk: signer.jwk })
  const jwks = { keys: [signer.jwk as never] }
  await changeSettings(cx, {
    registration: 'token',
    trusted_issuers: [{ issuer: PARTNER, subject: 'email', jwks }],
  })
  const signedIn = await signIn(worker)
  access_token = keep(signedIn.access_token)
  refresh_token = keep(signedIn.refresh_token)
  keep(String(signedIn.id_token))
  const code = await addCode(worker, { client_id: 'app' })
  spent = keep(code.code)
  browser = new Browser(worker)
  csrf = formFields(await browser.get('/login'))
  keep(csrf['csrf'] ?? '')
  for (const cookie of browser.cookies.values()) keep(cookie)
})

type Sent = { method?: string; headers?: Record<string, string>; form?: object; body?: string }

/** Sends, and answers with how many refusals the log has now more. */
async function refusalsOf(path: string, { method = 'POST', headers, form, body }: Sent) {
  const before = worker.log.length
  const text =
    body ?? (form === undefined ? undefined : new URLSearchParams(form as never).toString())
  const answer = await worker.request(path, {
    method,
    headers: {
      ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      ...headers,
    },
    ...(text === undefined ? {} : { body: text }),
  })
  const location = answer.headers.get('location') ?? ''
  expect(answer.status >= 400 || /[?&]error=/.test(location), `${path}: ${answer.status}`).toBe(
    true,
  )
  await worker.settled()
  return worker.log.slice(before).filter(({ fields }) => fields['reason'] !== undefined).length
}

const BASIC = (id: string, password: string) => `Basic ${keep(btoa(`${id}:${password}`))}`
const bearer = (value: string) => ({ authorization: `Bearer ${value}` })

/** Ways in which a client authenticates, each with something secret that is wrong. */
const methods: Record<string, () => Promise<Sent>> = {
  basic: async () => ({ headers: { authorization: BASIC('web', secret()) } }),
  'a broken Basic header': async () => ({ headers: { authorization: `Basic ${secret()}!` } }),
  'basic without colon': async () => ({
    headers: { authorization: `Basic ${keep(btoa(secret()))}` },
  }),
  post: async () => ({ form: { client_id: 'form', client_secret: secret() } }),
  'both at once': async () => ({
    headers: { authorization: BASIC('web', secret()) },
    form: { client_id: 'web', client_secret: secret() },
  }),
  'an assertion that ran out': async () => ({
    form: asserted(await signed('signs', { exp: worker.clock.now - 60 })),
  }),
  'an assertion of another key': async () => ({
    form: asserted(keep(await assertion(worker, await makeSigner('ES256'), 'signs'))),
  }),
  'an assertion of a device': async () => ({ form: asserted(await signed('dim-1', { aud: 'x' })) }),
  'an assertion that is none': async () => ({ form: asserted(secret()) }),
  'a secret of a device': async () => ({ form: { client_id: 'dim-1', client_secret: secret() } }),
  'an unknown client': async () => ({ form: { client_id: 'nobody', client_secret: secret() } }),
  'a DPoP proof that is none': async () => ({
    headers: { dpop: secret() },
    form: { client_id: 'proves', client_secret: secret() },
  }),
  'a DPoP proof that is old': async () => ({
    headers: { dpop: keep(await dpopProof(worker, signer, { claims: { iat: 1 } })) },
    form: { client_id: 'proves', client_secret: secret() },
  }),
}

const grants: Record<string, () => Record<string, string>> = {
  authorization_code: () => ({ code: secret(), code_verifier: secret(), redirect_uri: CALLBACK }),
  refresh_token: () => ({ refresh_token: secret() }),
  client_credentials: () => ({ scope: 'mqtt' }),
  [EXCHANGE]: () => ({
    subject_token: secret(),
    subject_token_type: ACCESS_TOKEN,
    actor_token: secret(),
    actor_token_type: ACCESS_TOKEN,
  }),
  [DEVICE_CODE]: () => ({ device_code: secret() }),
  [JWT_BEARER]: () => ({ assertion: secret() }),
}

const TOKEN_REQUESTS = Object.keys(grants).flatMap((grant) =>
  Object.keys(methods).map((method) => [grant, method] as const),
)

test.each(TOKEN_REQUESTS)('the token endpoint, %s with %s', async (grant_type, method) => {
  const { headers, form } = (await methods[method]?.()) ?? {}
  const parameters = { grant_type, ...grants[grant_type]?.(), ...form }
  const request = headers === undefined ? {} : { headers }
  expect(await refusalsOf('/oauth/token', { ...request, form: parameters })).toBe(1)
})

test.each(
  ['introspect', 'revoke', 'par', 'device_authorization'].flatMap((endpoint) =>
    Object.keys(methods)
      .filter((method) => endpoint === 'par' || !method.includes('DPoP'))
      .map((method) => [endpoint, method] as const),
  ),
)('/oauth/%s with %s', async (endpoint, method) => {
  const { headers, form } = (await methods[method]?.()) ?? {}
  const parameters = { token: secret(), request: secret(), ...form }
  const request = headers === undefined ? {} : { headers }
  expect(await refusalsOf(`/oauth/${endpoint}`, { ...request, form: parameters })).toBe(1)
})

/** Real things where they do not belong, and made-up ones where they do. */
const requests: Record<string, () => Promise<[string, Sent]>> = {
  'a code with a wrong verifier': async () => [
    '/oauth/token',
    {
      form: {
        grant_type: 'authorization_code',
        client_id: 'app',
        code: spent,
        redirect_uri: REDIRECT,
        code_verifier: secret(),
      },
    },
  ],
  'a refresh token of another client': async () => [
    '/oauth/token',
    {
      headers: { authorization: BASIC('web', `the-right-secret-of-web-${'y'.repeat(20)}`) },
      form: { grant_type: 'refresh_token', refresh_token },
    },
  ],
  'a token in the address of the token endpoint': async () => [
    `/oauth/token?access_token=${access_token}&client_secret=${secret()}`,
    { form: {} },
  ],
  'a secret as grant type': async () => [
    '/oauth/token',
    { form: { grant_type: secret(), client_id: 'app' } },
  ],
  'a body of another type': async () => [
    '/oauth/token',
    {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ client_secret: secret() }),
    },
  ],
  'a broken percent-encoding': async () => [
    '/oauth/token',
    {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `client_secret=${secret()}%zz`,
    },
  ],
  'a token at userinfo that is none': async () => [
    '/oauth/userinfo',
    { method: 'GET', headers: bearer(secret()) },
  ],
  'an ID token at userinfo': async () => [
    '/oauth/userinfo',
    { method: 'GET', headers: bearer(await signed('app')) },
  ],
  'two tokens at userinfo': async () => [
    '/oauth/userinfo',
    { headers: bearer(secret()), form: { access_token } },
  ],
  'a token in the address of userinfo': async () => [
    `/oauth/userinfo?access_token=${access_token}`,
    { method: 'GET' },
  ],
  'a bearer token as DPoP': async () => [
    '/oauth/userinfo',
    {
      method: 'GET',
      headers: {
        authorization: `DPoP ${access_token}`,
        dpop: keep(
          await dpopProof(worker, signer, { path: '/oauth/userinfo', method: 'GET', access_token }),
        ),
      },
    },
  ],
  'an unknown client at authorize': async () => [
    `/oauth/authorize?${requestParameters({ client_id: 'nobody', state: secret(), nonce: secret() })}`,
    { method: 'GET' },
  ],
  'a request object that is none': async () => [
    `/oauth/authorize?${requestParameters({ request: secret(), state: secret() })}`,
    { method: 'GET' },
  ],
  'authorization details that are no JSON': async () => [
    `/oauth/authorize?${requestParameters({ authorization_details: secret(), state: secret() })}`,
    { method: 'GET' },
  ],
  'authorization details of a token request that are no JSON': async () => [
    '/oauth/token',
    {
      headers: { authorization: BASIC('web', `the-right-secret-of-web-${'y'.repeat(20)}`) },
      form: { grant_type: 'refresh_token', refresh_token, authorization_details: secret() },
    },
  ],
  'an ID token as hint that is none': async () => [
    `/oauth/authorize?${requestParameters({ id_token_hint: secret(), state: secret() })}`,
    { method: 'GET' },
  ],
  'a refusal that goes to the client': async () => [
    `/oauth/authorize?${requestParameters({ prompt: 'none', state: secret(), nonce: secret() })}`,
    { method: 'GET' },
  ],
  'a handle that is none': async () => [
    `/oauth/authorize?client_id=app&request_uri=urn:ietf:params:oauth:request_uri:${secret()}`,
    { method: 'GET' },
  ],
  'consent to nothing': async () => [`/consent?request=${secret()}`, { method: 'GET' }],
  'an answer to nothing': async () => [
    '/consent',
    { form: { request: secret(), csrf: secret(), action: 'allow' } },
  ],
  'an answer to nothing, with a right form': async () => [
    '/consent',
    { headers: inBrowser(), form: { ...csrf, request: secret(), action: 'allow' } },
  ],
  'a forged code of a device': async () => [
    '/device',
    { form: { code: secret(), csrf: secret(), action: 'continue' } },
  ],
  'a sign-in with a wrong password': async () => [
    '/login',
    {
      headers: inBrowser(),
      form: { ...csrf, username: 'ann@example.com', password: secret(), action: 'login' },
    },
  ],
  'a password as user name': async () => [
    '/login',
    { headers: inBrowser(), form: { ...csrf, username: secret(), password: secret() } },
  ],
  'a sign-in from another site': async () => [
    '/login',
    {
      headers: { ...inBrowser(), origin: 'https://evil.example' },
      form: { ...csrf, username: 'ann@example.com', password: secret() },
    },
  ],
  'a sign-out without form': async () => [
    '/logout',
    { headers: { cookie: `session=${secret()}` }, form: { csrf: secret(), action: 'logout' } },
  ],
  'a set-up link that is none': async () => [`/setup?token=${secret()}`, { method: 'GET' }],
  'a set-up that is none': async () => [
    '/setup',
    {
      headers: inBrowser(),
      form: { ...csrf, token: secret(), username: 'x@example.com', password: secret() },
    },
  ],
  'sessions that end from another site': async () => [
    '/account/sessions',
    { headers: { cookie: `session=${secret()}` }, form: { csrf: secret(), session: secret() } },
  ],
  'an application that is taken access from': async () => [
    '/account/applications',
    { headers: { cookie: `session=${secret()}` }, form: { csrf: secret(), client_id: 'app' } },
  ],
  'a logout with a forged hint': async () => [
    `/oauth/logout?id_token_hint=${await signed('app')}&state=${secret()}`,
    { method: 'GET' },
  ],
  'a logout with a sealed request that is none': async () => [
    `/oauth/logout?request=${secret()}`,
    { method: 'GET' },
  ],
  'a logout that is confirmed by nobody': async () => [
    '/oauth/logout/confirm',
    { form: { request: secret(), csrf: secret(), action: 'logout' } },
  ],
  'registration with a token that is none': async () => [
    '/oauth/register',
    { headers: { ...bearer(secret()), ...JSON_TYPE }, body: JSON.stringify({ client_name: 'x' }) },
  ],
  'registration without token': async () => [
    '/oauth/register',
    { headers: JSON_TYPE, body: JSON.stringify({ client_secret: secret() }) },
  ],
  'a registration that is not its own': async () => [
    '/oauth/register/app',
    { method: 'GET', headers: bearer(secret()) },
  ],
  'the management API without token': async () => ['/v1/users', { method: 'GET' }],
  'the management API with a token that is none': async () => [
    `/v1/users?cursor=${secret()}`,
    { method: 'GET', headers: bearer(secret()) },
  ],
  'the management API with a token for others': async () => [
    '/v1/users',
    { headers: { ...bearer(access_token), ...JSON_TYPE }, body: `{"password":"${secret()}"}` },
  ],
  'decisions with a token that is none': async () => [
    '/access/v1/evaluation',
    { headers: { ...bearer(secret()), ...JSON_TYPE }, body: '{}' },
  ],
}

const JSON_TYPE = { 'content-type': 'application/json' }

const inBrowser = () => ({
  origin: ISSUER,
  'sec-fetch-site': 'same-origin',
  cookie: [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
})

test.each(Object.keys(requests))('%s', async (name) => {
  const [path, request] = (await requests[name]?.()) ?? ['', {}]
  expect(await refusalsOf(path, request)).toBe(1)
})

/**
 * Routes of the management API with a body or query that is wrong, for a client that may do
 * everything.
 */
const calls: Record<string, () => Sent & { path: string }> = {
  'a user with a short password': () => ({
    path: '/v1/users',
    body: JSON.stringify({ email: 'x@example.com', password: keep('zq-marked') }),
  }),
  'a user with a member that there is not': () => ({
    path: '/v1/users',
    body: JSON.stringify({ email: 'x@example.com', [secret()]: secret() }),
  }),
  'a client with a weak secret': () => ({
    path: '/v1/clients',
    body: JSON.stringify({ client_id: 'weak', client_secret: keep('zq-weak') }),
  }),
  'a client with a private key': () => ({
    path: '/v1/clients',
    body: JSON.stringify({
      client_id: 'open',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'AAAA', d: secret() }] },
    }),
  }),
  'a body that is no JSON': () => ({ path: '/v1/users', body: `{"password":"${secret()}"` }),
  'a body with NUL': () => ({ path: '/v1/users', body: `{"password":"${secret()}\\u0000"}` }),
  'a body that is not UTF-8': () => ({ path: '/v1/devices', body: `"${secret()}` }),
  'a body of another type': () => ({
    path: '/v1/users',
    headers: { 'content-type': 'text/plain' },
    body: secret(),
  }),
  'a device with a private key': () => ({
    path: '/v1/devices',
    body: JSON.stringify({
      id: 'lamp',
      type: 'type-of-dim-1',
      credentials: [{ kind: 'jwk', jwk: { kty: 'OKP', crv: 'Ed25519', x: 'AA', d: secret() } }],
    }),
  }),
  'a forged cursor': () => ({ path: `/v1/users?cursor=${secret()}`, method: 'GET' }),
  'an Idempotency-Key that is too long': () => ({
    path: '/v1/users',
    headers: { 'idempotency-key': secret().repeat(20) },
    body: '{}',
  }),
}

test('the management API, for a client that may do everything', async () => {
  const right = keep(`the-secret-of-an-operator-${'y'.repeat(20)}`)
  await addClient(worker, {
    client_id: 'ops',
    client_secret: right,
    grant_types: ['client_credentials'],
    scope: 'manage',
  })
  await addGrant(worker, 'ops', { name: 'all', permissions: ['manage'] })
  const answer = await worker.request('/oauth/token', {
    method: 'POST',
    headers: { authorization: BASIC('ops', right) },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource: `${ISSUER}/v1` }),
  })
  const token = keep(String(((await answer.json()) as { access_token: string }).access_token))
  for (const [name, call] of Object.entries(calls)) {
    const { path, headers, ...request } = call()
    const all = { ...bearer(token), ...JSON_TYPE, ...headers }
    expect(await refusalsOf(path, { ...request, headers: all }), name).toBe(1)
    const { sub, client_id } = worker.log.at(-1)?.fields ?? {}
    expect([sub, client_id], name).toEqual(['ops', 'ops'])
  }
})

test('of all that was sent nothing is in the log, neither as it came nor as a digest', () => {
  const log = JSON.stringify(worker.log)
  expect(sent.size).toBeGreaterThan(150)
  expect(worker.log.length).toBeGreaterThan(150)
  const shown = [...sent].flatMap((one) =>
    [one, encodeURIComponent(one), btoa(one), sha256(one)].filter((form) => log.includes(form)),
  )
  expect(shown).toEqual([])
  // Parsers quote no more than the beginning.
  expect(log).not.toContain('marked-')
  expect(log).not.toContain('eyJ')
})
