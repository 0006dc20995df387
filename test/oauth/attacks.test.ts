// Attacks that no single endpoint answers for: JWTs of one kind in the place of another, key ids and algorithms of an
// attacker's choice, parameters that readers understand differently, pages in frames, forms that are sent on.
// Attacks on one thing stand with that thing: docs/conformance.md, "Attacks", lists them all.
import { SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { createSetupLink } from '../../worker/identity/setup.ts'
import { signJwt } from '../../worker/keys/jwt.ts'
import { keysOf, privateKey } from '../../worker/keys/signing_keys.ts'
import { createClient } from '../../worker/oauth/clients/clients.ts'
import { countRoundTrips, ISSUER, type TestWorker } from '../context.ts'
import { Browser, type Page } from '../identity/browser.ts'
import { startWithAnn } from '../identity/people.ts'
import { ANN, PASSWORD } from '../support/people.ts'
import { answerOf, CALLBACK, follow, pathOf, requestParameters, requestPath } from './flow.ts'
import { google, question } from './linking.ts'
import {
  addApp,
  addClient,
  addDevice,
  asserted,
  assertion,
  claimsOf,
  dpopProof,
  makeSigner,
  signIn,
  startIssuer,
  token,
} from './token_fixtures.ts'

const own = { grant_type: 'client_credentials' }

const errorsOf = (worker: TestWorker) => worker.log.filter(({ level }) => level === 'error')

// --- JWTs -------------------------------------------------------------------------------------

const TYPES = [
  'JWT',
  'at+jwt',
  'logout+jwt',
  'token-introspection+jwt',
  'dpop+jwt',
  'client-authentication+jwt',
  'oauth-authz-req+jwt',
  'secevent+jwt',
]

const withBearer = (worker: TestWorker, path: string, jwt: string) =>
  worker.request(path, { headers: { Authorization: `Bearer ${jwt}` } })

test('each place takes its own kind of our JWTs alone, whatever else it says', async () => {
  const worker = await startIssuer()
  await addApp(worker)
  const { access_token, id_token } = await signIn(worker)
  // All that any of them says, for every place at once.
  const claims = { ...claimsOf(id_token), ...claimsOf(access_token) }
  const query = (aud: string, id_token_hint: string) => ({
    path: `/oauth/${aud}?${requestParameters({ prompt: 'none', redirect_uri: undefined, id_token_hint })}`,
  })
  const places: Record<string, { aud: string; takes: string; isTaken: (jwt: string) => unknown }> =
    {
      userinfo: {
        aud: ISSUER,
        takes: 'at+jwt',
        isTaken: async (jwt) => (await withBearer(worker, '/oauth/userinfo', jwt)).status === 200,
      },
      'the management API': {
        aud: `${ISSUER}/v1`,
        takes: 'at+jwt',
        // Ann holds no role, so a good token is forbidden.
        isTaken: async (jwt) => (await withBearer(worker, '/v1/users', jwt)).status === 403,
      },
      'a hint at sign-in': {
        aud: 'app',
        takes: 'JWT',
        isTaken: async (jwt) => {
          const answer = await worker.request(query('authorize', jwt).path)
          return answer.headers.get('location')?.includes('error=login_required')
        },
      },
      'a hint at sign-out': {
        aud: 'app',
        takes: 'JWT',
        isTaken: async (jwt) => {
          const path = `/oauth/logout?${new URLSearchParams({ id_token_hint: jwt })}`
          return (await worker.request(path)).status === 200
        },
      },
    }
  for (const [place, { aud, takes, isTaken }] of Object.entries(places)) {
    for (const typ of TYPES) {
      const { jwt } = await signJwt(worker.context(), 'ES256', typ, { ...claims, aud })
      expect([place, typ, await isTaken(jwt)]).toEqual([place, typ, typ === takes])
    }
  }
})

test('a JWT of another kind by a client’s own key is no assertion', async () => {
  const worker = await startIssuer()
  const signer = await makeSigner('ES256')
  await addClient(worker, {
    client_id: 'job',
    grant_types: ['client_credentials'],
    scope: 'users:read',
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [signer.jwk as never] },
  })
  const taken: string[] = []
  for (const typ of TYPES) {
    const header = { typ, jwk: signer.jwk }
    const { status } = await token(worker, {
      ...own,
      ...asserted(await assertion(worker, signer, 'job', { header })),
    })
    if (status === 200) taken.push(typ)
    else expect([typ, status]).toEqual([typ, 401])
  }
  expect(taken).toEqual(['JWT', 'client-authentication+jwt'])
})

test('a signature by an algorithm that is not offered is refused, though the key would do', async () => {
  const worker = await startIssuer()
  const job = {
    grant_types: ['client_credentials'] as const,
    scope: 'users:read',
    token_endpoint_auth_method: 'private_key_jwt' as const,
  }
  const [strong, usual] = [await makeSigner('RS512'), await makeSigner('RS256')]
  const clients: [string, typeof strong, object, number][] = [
    ['rs256', usual, usual.jwk, 200],
    ['rs512', strong, strong.jwk, 401],
    // RFC 7517 §4.4: a key that is set apart for PS256
    ['ps256', usual, { ...usual.jwk, alg: 'PS256' }, 401],
  ]
  for (const [client_id, signer, jwk, status] of clients) {
    const jwks = { keys: [jwk as never] }
    await addClient(worker, { ...job, grant_types: [...job.grant_types], client_id, jwks })
    const proof = asserted(await assertion(worker, signer, client_id))
    expect([client_id, (await token(worker, { ...own, ...proof })).status]).toEqual([
      client_id,
      status,
    ])
  }
  for (const [signer, status] of [
    [usual, 200],
    [strong, 400],
  ] as const) {
    const proof = asserted(await assertion(worker, usual, 'rs256'))
    const DPoP = await dpopProof(worker, signer)
    expect((await token(worker, { ...own, ...proof }, { DPoP })).status).toBe(status)
  }
})

const KIDS = [
  '../../../../../../dev/null',
  "x' union select 'AAAA' -- ",
  'http://evil.example/key',
  'a\0b',
  '',
  'x'.repeat(5000),
]

test('a kid that is a path, SQL or of another key verifies nothing of ours, though the signature is good', async () => {
  const worker = await startIssuer()
  await addApp(worker)
  const cx = worker.context()
  const { access_token } = await signIn(worker)
  const [key] = await keysOf(cx, 'ES256')
  const [other] = await keysOf(cx, 'RS256')
  if (key === undefined || other === undefined) throw new Error('no keys')
  const ask = async (kid: unknown) => {
    const jwt = await new SignJWT(claimsOf(access_token))
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: kid as string })
      .sign(await privateKey(cx, key))
    return (await withBearer(worker, '/oauth/userinfo', jwt)).status
  }
  expect(await ask(key.kid)).toBe(200)
  for (const kid of [...KIDS, other.kid, undefined, 7, [key.kid], { kid: key.kid }]) {
    expect([kid, await ask(kid)]).toEqual([kid, 401])
  }
  expect(errorsOf(worker)).toEqual([])
})

test('a kid that names no registered key verifies nothing of a client or device, though the signature is good', async () => {
  const worker = await startIssuer()
  const signer = await makeSigner('ES256', 'k1')
  const jwks = { keys: [signer.jwk as never] }
  await addDevice(worker, 'lamp', { jwk: signer.jwk })
  await addApp(worker, {
    redirect_uris: [CALLBACK],
    request_object_signing_alg: 'ES256',
    jwks,
  } as Parameters<typeof addApp>[1])
  const ask = async (kid: string) => {
    const header = { kid }
    const ofDevice = asserted(await assertion(worker, signer, 'lamp', { header }))
    const claims = Object.fromEntries(requestParameters())
    const request = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid })
      .sign(signer.privateKey)
    const query = new URLSearchParams({ client_id: 'app', response_type: 'code', scope: 'openid' })
    query.set('request', request)
    const answer = await worker.request(`/oauth/authorize?${query}`)
    return [(await token(worker, { ...own, ...ofDevice })).status, answer.status]
  }
  expect(await ask('k1')).toEqual([200, 303])
  for (const kid of KIDS) expect([kid, await ask(kid)]).toEqual([kid, [401, 400]])
  expect(errorsOf(worker)).toEqual([])
})

// --- parameters -------------------------------------------------------------------------------

/** Where programs send forms, and where pages do. */
const FOR_CLIENTS = [
  '/oauth/token',
  '/oauth/par',
  '/oauth/device_authorization',
  '/oauth/introspect',
  '/oauth/revoke',
  '/oauth/userinfo',
]
const FOR_PEOPLE = [
  '/login',
  '/logout',
  '/setup',
  '/account/sessions',
  '/account/applications',
  '/consent',
  '/device',
  '/oauth/authorize',
  '/oauth/logout',
  '/oauth/logout/confirm',
]
const BY_ADDRESS = [
  '/login',
  '/logout',
  '/setup',
  '/consent',
  '/device',
  '/oauth/authorize',
  '/oauth/logout',
]

const FORM = 'application/x-www-form-urlencoded'

const sendForm = (worker: TestWorker, path: string, body: string | Uint8Array) =>
  worker.request(path, { method: 'POST', headers: { 'content-type': FORM }, body: body as string })

/** Each is refused with 400, before the database is asked, and is no fault of ours. */
async function expectRefused(worker: TestWorker, cases: [string, () => Promise<Response>][]) {
  for (const [name, send] of cases) {
    const { value, roundTrips } = await countRoundTrips(worker, send)
    expect([name, value.status, roundTrips]).toEqual([name, 400, 0])
    expect(value.headers.get('location')).toBeNull()
  }
  expect(errorsOf(worker)).toEqual([])
}

describe('everywhere', () => {
  test('a parameter given twice is refused, also in another spelling and with one value', async () => {
    const worker = await startIssuer()
    const twice = ['x=1&x=2', 'x=1&x=1', '%78=1&x=2']
    await expectRefused(worker, [
      ...[...FOR_CLIENTS, ...FOR_PEOPLE].flatMap((path) =>
        twice.map((body) => [`${path} ${body}`, () => sendForm(worker, path, body)] as const),
      ),
      ...BY_ADDRESS.flatMap((path) =>
        twice.map(
          (query) => [`${path}?${query}`, () => worker.request(`${path}?${query}`)] as const,
        ),
      ),
    ] as [string, () => Promise<Response>][])
  })

  test('a parameter in the query beside the body is refused to clients', async () => {
    const worker = await startIssuer()
    await expectRefused(
      worker,
      FOR_CLIENTS.flatMap((path) =>
        // Old clients send a query to userinfo that says nothing.
        (path === '/oauth/userinfo'
          ? ['access_token=x', '%61ccess_token=x']
          : ['client_id=app', 'x=1', 'x']
        ).map((query) => [
          `${path}?${query}`,
          () => sendForm(worker, `${path}?${query}`, 'client_id=app&token=x&access_token=x'),
        ]),
      ),
    )
  })

  test('a query beside the body is not looked at where pages send their forms', async () => {
    const { browser, asked } = await askedAnn()
    const evil = new URLSearchParams({ redirect_uri: 'https://evil.example/', client_id: 'x' })
    const bare = await browser.submit(asked, {})
    expect(bare.status).toBe(400)
    const { csrf = '', request = '' } = Object.fromEntries(fieldsOf(asked))
    const beside = await browser.post('/consent?action=allow', { csrf, request })
    expect(beside.status).toBe(400)
    const good = Object.fromEntries(requestParameters())
    const led = await browser.post(`/oauth/authorize?${evil}`, good)
    expect(pathOf(led)).toBe(`/oauth/authorize?${requestParameters()}`)
  })

  test('NUL and overlong UTF-8 are refused', async () => {
    const worker = await startIssuer()
    const bad = ['%00', 'a%00b', '%C0%AF', '%E0%80%AF', '%F0%80%80%AF', '%ED%A0%80', '%F4%90%80%80']
    const bytes = [[0], [0xc0, 0xaf], [0xe0, 0x80, 0xaf], [0xed, 0xa0, 0x80], [0xff]]
    const raw = (more: number[]) => new Uint8Array([0x78, 0x3d, ...more])
    await expectRefused(worker, [
      ...[...FOR_CLIENTS, ...FOR_PEOPLE].flatMap((path) => [
        ...bad.map((text) => [`${path} ${text}`, () => sendForm(worker, path, `x=${text}`)]),
        ...bytes.map((some) => [`${path} ${some}`, () => sendForm(worker, path, raw(some))]),
        [`${path} in a name`, () => sendForm(worker, path, '%00=x')],
      ]),
      ...BY_ADDRESS.flatMap((path) =>
        [...bad, '%ff'].map((text) => [
          `${path}?x=${text}`,
          () => worker.request(`${path}?x=${text}`),
        ]),
      ),
    ] as [string, () => Promise<Response>][])
  })

  test('1 MB is refused, and a body not read to its end', async () => {
    const worker = await startIssuer()
    const long = 'x'.repeat(1_000_000)
    /** 16 times 64 KB, without saying so before. */
    const endless = () => {
      let read = 0
      const chunk = new TextEncoder().encode('x'.repeat(65_536))
      const body = new ReadableStream({
        pull(controller) {
          read++
          controller.enqueue(chunk)
          if (read === 16) controller.close()
        },
      })
      return { body, read: () => read }
    }
    const post = (path: string, type = FORM) => {
      const { body, read } = endless()
      const init = { method: 'POST', headers: { 'content-type': type }, body, duplex: 'half' }
      return async () => {
        const answer = await worker.request(path, init as RequestInit)
        expect([path, read() < 8]).toEqual([path, true])
        return answer
      }
    }
    await expectRefused(worker, [
      ...[...FOR_CLIENTS, ...FOR_PEOPLE].flatMap((path) => [
        [`${path}, declared`, () => sendForm(worker, path, `x=${long}`)],
        [`${path}, endless`, post(path)],
      ]),
      ['/oauth/register', post('/oauth/register', 'application/json')],
      ...[...BY_ADDRESS, '/authorize'].map((path) => [
        `${path}?`,
        () => worker.request(`${path}?x=${long}`),
      ]),
    ] as [string, () => Promise<Response>][])
    const credentials: Record<string, string>[] = [
      { authorization: `Bearer ${long}` },
      { authorization: `DPoP ${long}`, dpop: long },
      { authorization: `Basic ${btoa(long)}` },
    ]
    for (const headers of credentials) {
      expect((await worker.request('/oauth/userinfo', { headers })).status).toBe(401)
      expect((await worker.request('/v1/users', { headers })).status).toBe(401)
      const init = {
        method: 'POST',
        headers: { ...headers, 'content-type': FORM },
        body: 'token=x',
      }
      expect([400, 401]).toContain((await worker.request('/oauth/introspect', init)).status)
    }
    const { status } = await worker.request('/account', { headers: { cookie: `session=${long}` } })
    expect(status).toBe(303)
    expect(errorsOf(worker)).toEqual([])
  })
})

// --- browsers ---------------------------------------------------------------------------------

const fieldsOf = ({ html }: Page): [string, string][] =>
  [...html.matchAll(/<input\b[^>]*name="([^"]*)"[^>]*value="([^"]*)"/g)].map((match) => [
    match[1] ?? '',
    match[2] ?? '',
  ])

/** Ann, not signed in, and a client that asks. */
async function startPages() {
  const { worker, browser } = await startWithAnn()
  await createClient(worker.context(), {
    client_id: 'app',
    token_endpoint_auth_method: 'none',
    redirect_uris: [CALLBACK],
    post_logout_redirect_uris: ['https://app.example/bye'],
    grant_types: [
      'authorization_code',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:device_code',
    ],
    scope: 'openid profile',
  })
  return { worker, browser }
}

async function askedAnn() {
  const { browser } = await startPages()
  const login = pathOf(await browser.get(requestPath()))
  const asked = await follow(browser, await browser.signIn(ANN, PASSWORD, login))
  return { browser, asked }
}

test('no page can be framed', async () => {
  const { worker, browser } = await startPages()
  const html = { accept: 'text/html' }
  const pages: Record<string, Page> = {}
  const { pathname, search } = new URL((await createSetupLink(worker.context())) ?? '')
  pages['set-up'] = await browser.get(pathname + search)
  const login = pathOf(await browser.get(requestPath()))
  pages['login'] = await browser.get(login)
  pages['a wrong password'] = await browser.signIn(ANN, `${PASSWORD}x`, login)
  pages['a form of nobody'] = await browser.post('/login', {})
  pages['a dead set-up link'] = await browser.get('/setup?token=x')
  pages['consent'] = await follow(browser, await browser.signIn(ANN, PASSWORD, login))
  await addClient(worker, { client_id: 'google', preset: google.preset, scope: 'openid email' })
  pages['linking'] = await question(browser, google)
  pages['the account'] = await browser.get('/account')
  pages['applications'] = await browser.get('/account/applications')
  pages['sign-out'] = await browser.get('/logout')
  pages['sign-out for a client'] = await browser.get('/oauth/logout?client_id=app')
  pages['a device'] = await browser.get('/device')
  const device = await worker.request('/oauth/device_authorization', {
    method: 'POST',
    headers: { 'content-type': FORM },
    body: 'client_id=app&scope=openid',
  })
  const { user_code: code } = (await device.json()) as { user_code: string }
  pages['the question of a device'] = await browser.submit(pages['a device'], {
    code,
    action: 'continue',
  })
  pages['a device that is connected'] = await browser.submit(pages['the question of a device'], {
    action: 'allow',
  })
  pages['a code that nobody has'] = await browser.submit(pages['a device'], {
    code: 'BBBB-BBBB',
    action: 'continue',
  })
  await browser.submit(pages['consent'], { action: 'allow' })
  pages['an answer by form'] = await browser.get(requestPath({ response_mode: 'form_post' }))
  pages['an answer by signed form'] = await browser.get(
    requestPath({ response_mode: 'form_post.jwt' }),
  )
  pages['a fault at authorize'] = await browser.get('/oauth/authorize')
  pages['a fault at consent'] = await browser.get('/consent?request=x')
  pages['a fault at sign-out'] = await browser.get('/oauth/logout?id_token_hint=x')
  pages['nothing'] = await browser.get('/nothing', html)
  pages['signed out'] = await browser.submit(pages['sign-out'], { action: 'logout' })
  pages['after signing out'] = await browser.get('/logout')
  for (const [name, { headers, status, html }] of Object.entries(pages)) {
    if (name !== 'signed out') expect([name, html.includes('<html')]).toEqual([name, true])
    expect([name, status, headers.get('x-frame-options')]).toEqual([name, status, 'DENY'])
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
  }
})

test('no answer to a form makes the browser send it on', async () => {
  const { worker, browser } = await startPages()
  const sent: Record<string, Page> = {}
  sent['a request'] = await browser.post(
    '/oauth/authorize',
    Object.fromEntries(requestParameters()),
  )
  const login = pathOf(await browser.get(requestPath()))
  sent['the password'] = await browser.signIn(ANN, PASSWORD, login)
  const asks = await follow(browser, sent['the password'])
  sent['consent'] = await browser.submit(asks, { action: 'allow' })
  expect(answerOf(sent['consent'])).toHaveProperty('code')
  const applications = await browser.get('/account/applications')
  sent['withdrawal'] = await browser.submit(applications, { client_id: 'app', action: 'withdraw' })
  const again = await follow(browser, await browser.get(requestPath()))
  sent['denial'] = await browser.submit(again, { action: 'deny' })
  sent['a request to sign out'] = await browser.post('/oauth/logout', { client_id: 'app' })
  const asked = await browser.get(
    `/oauth/logout?${new URLSearchParams({
      client_id: 'app',
      post_logout_redirect_uri: 'https://app.example/bye',
    })}`,
  )
  sent['staying'] = await browser.submit(asked, { action: 'cancel' })
  sent['sign-out for a client'] = await browser.submit(asked, { action: 'logout' })
  const other = new Browser(worker)
  await other.signIn(ANN, PASSWORD)
  sent['sign-out everywhere'] = await other.post('/account/sessions', {
    csrf: Object.fromEntries(fieldsOf(await other.get('/account')))['csrf'] ?? '',
    action: 'everywhere',
  })
  await other.signIn(ANN, PASSWORD)
  sent['sign-out'] = await other.submit(await other.get('/logout'), { action: 'logout' })
  // RFC 9110 §15.4.4: what follows is a GET, without the form.
  for (const [name, { status }] of Object.entries(sent)) expect([name, status]).toEqual([name, 303])
})
