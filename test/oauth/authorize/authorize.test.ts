// The request: what is refused on a page of our own, what is told to the client, and where no answer ever goes.
import { describe, expect, test } from 'vitest'
import { createClient } from '../../../worker/oauth/clients/clients.ts'
import { countRoundTrips, ISSUER } from '../../context.ts'
import { Browser } from '../../identity/browser.ts'
import {
  APP,
  answerOf,
  CALLBACK,
  CHALLENGE,
  locationOf,
  pathOf,
  requestParameters,
  requestPath,
  returnTo,
  rowsOf,
  signIn,
  startFlow,
} from '../flow.ts'

const flow = await startFlow({ resources: ['https://api.example/'] })
const { worker } = flow
await createClient(worker.context(), {
  client_id: 'two',
  token_endpoint_auth_method: 'none',
  redirect_uris: [CALLBACK, 'https://app.example/other'],
  scope: 'openid',
})
await createClient(worker.context(), {
  client_id: 'native',
  token_endpoint_auth_method: 'none',
  application_type: 'native',
  redirect_uris: [
    'http://127.0.0.1/cb',
    'http://[::1]:4000/cb?x=1',
    'http://localhost:4000/cb',
    'com.example.app:/cb',
  ],
  scope: 'openid',
})
await createClient(worker.context(), {
  client_id: 'service',
  token_endpoint_auth_method: 'client_secret_basic',
  redirect_uris: [CALLBACK],
  grant_types: ['client_credentials'],
  scope: 'openid mqtt',
})
await createClient(worker.context(), {
  client_id: 'stopped',
  token_endpoint_auth_method: 'none',
  redirect_uris: [CALLBACK],
  scope: 'openid',
  status: 'disabled',
})
await createClient(worker.context(), {
  client_id: 'queried',
  token_endpoint_auth_method: 'none',
  redirect_uris: ['https://app.example/callback?tenant=a%20b&x'],
  scope: 'openid',
})

const get = (path: string) => new Browser(worker).get(path)

describe('a request whose answer has no proven place to go to gets a page and no redirect', () => {
  const long = `${CALLBACK}?${'x'.repeat(3000)}`
  const cases: [string, Parameters<typeof requestPath>[0]][] = [
    ['without client_id', { client_id: undefined }],
    ['with an empty client_id', { client_id: '' }],
    ['with an unknown client_id', { client_id: 'nobody' }],
    ['with client_id twice', { client_id: ['app', 'app'] }],
    ['with an oversized client_id', { client_id: 'a'.repeat(65) }],
    ['with SQL in client_id', { client_id: "app' or '1'='1" }],
    ['of a disabled client', { client_id: 'stopped' }],
    [
      'without redirect_uri where several are registered',
      { client_id: 'two', redirect_uri: undefined },
    ],
    ['with redirect_uri twice', { redirect_uri: [CALLBACK, CALLBACK] }],
    ['with another redirect_uri second', { redirect_uri: [CALLBACK, 'https://evil.example/'] }],
    ['with an oversized redirect_uri', { redirect_uri: long }],
    ['with another client’s redirect_uri', { redirect_uri: 'https://app.example/other' }],
    ['with a longer path', { redirect_uri: `${CALLBACK}/more` }],
    ['with a longer path after ;', { redirect_uri: `${CALLBACK};x` }],
    ['with a shorter path', { redirect_uri: 'https://app.example/callbac' }],
    ['with a trailing slash', { redirect_uri: `${CALLBACK}/` }],
    ['with a trailing dot', { redirect_uri: `${CALLBACK}.` }],
    ['with a query', { redirect_uri: `${CALLBACK}?x=1` }],
    ['with an empty query', { redirect_uri: `${CALLBACK}?` }],
    ['with a fragment', { redirect_uri: `${CALLBACK}#x` }],
    ['with upper case in the path', { redirect_uri: 'https://app.example/Callback' }],
    ['with upper case in the host', { redirect_uri: 'https://APP.example/callback' }],
    ['with upper case in the scheme', { redirect_uri: 'HTTPS://app.example/callback' }],
    ['with another scheme', { redirect_uri: 'http://app.example/callback' }],
    ['with a port', { redirect_uri: 'https://app.example:443/callback' }],
    ['with another port', { redirect_uri: 'https://app.example:8443/callback' }],
    ['with a dot segment', { redirect_uri: 'https://app.example/x/../callback' }],
    ['with an encoded dot segment', { redirect_uri: 'https://app.example/x/%2e%2e/callback' }],
    ['with ..;/', { redirect_uri: 'https://app.example/callback/..;/evil' }],
    ['with any character for the dot', { redirect_uri: 'https://appxexample/callback' }],
    ['with the host as prefix', { redirect_uri: 'https://app.example.evil.example/callback' }],
    ['with the host as user', { redirect_uri: 'https://app.example@evil.example/callback' }],
    ['with a password', { redirect_uri: 'https://app.example:x@evil.example/callback' }],
    ['with a backslash', { redirect_uri: 'https://evil.example\\@app.example/callback' }],
    ['with a space before', { redirect_uri: ` ${CALLBACK}` }],
    ['with a line break after', { redirect_uri: `${CALLBACK}\r\nSet-Cookie: x=y` }],
    ['with a tab within', { redirect_uri: 'https://app.exa\tmple/callback' }],
    ['with a relative address', { redirect_uri: '/callback' }],
    ['with //', { redirect_uri: '//app.example/callback' }],
    ['with javascript:', { redirect_uri: 'javascript:alert(1)//https://app.example/callback' }],
    ['with data:', { redirect_uri: 'data:text/html,https://app.example/callback' }],
    ['with a homograph', { redirect_uri: 'https://аpp.example/callback' }],
    [
      'with a request_uri of ours twice',
      { request_uri: [`urn:ietf:params:oauth:request_uri:a`, 'b'] },
    ],
    [
      'with a request_uri of ours nobody stored',
      { request_uri: 'urn:ietf:params:oauth:request_uri:abc' },
    ],
  ]
  console.log(`refused without redirect: ${cases.length} requests`)
  test.each(cases)('%s', async (_, changes) => {
    const page = await get(requestPath(changes))
    expect(page.status).toBe(400)
    expect(page.headers.get('location')).toBeNull()
    expect(page.headers.get('content-type')).toContain('text/html')
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect(page.headers.get('www-authenticate')).toBeNull()
  })

  const raw: [string, string][] = [
    ['NUL', requestPath().replace('state-1', 'a%00b')],
    ['invalid UTF-8', requestPath().replace('state-1', '%ff')],
    ['broken percent encoding', requestPath().replace('state-1', '%zz')],
    ['an oversized query', `${requestPath()}&x=${'y'.repeat(12_000)}`],
  ]
  test.each(raw)('with %s', async (_, path) => {
    const page = await get(path)
    expect(page.status).toBe(400)
    expect(page.headers.get('location')).toBeNull()
  })
})

describe('a fault behind a proven address is told to the client with state and iss', () => {
  const cases: [string, Parameters<typeof requestPath>[0], string][] = [
    ['no response_type', { response_type: undefined }, 'invalid_request'],
    ['an empty response_type', { response_type: '' }, 'invalid_request'],
    ['response_type twice', { response_type: ['code', 'code'] }, 'invalid_request'],
    ['response_type=token', { response_type: 'token' }, 'unsupported_response_type'],
    [
      'response_type=code id_token',
      { response_type: 'code id_token' },
      'unsupported_response_type',
    ],
    ['response_type=Code', { response_type: 'Code' }, 'unsupported_response_type'],
    ['response_mode=fragment', { response_mode: 'fragment' }, 'invalid_request'],
    ['a request object', { request: 'eyJhbGciOiJub25lIn0.e30.' }, 'invalid_request_object'],
    ['a request_uri', { request_uri: 'https://evil.example/r' }, 'invalid_request_uri'],
    ['no code_challenge', { code_challenge: undefined }, 'invalid_request'],
    [
      'nothing of PKCE',
      { code_challenge: undefined, code_challenge_method: undefined },
      'invalid_request',
    ],
    ['an empty code_challenge', { code_challenge: '' }, 'invalid_request'],
    ['no code_challenge_method', { code_challenge_method: undefined }, 'invalid_request'],
    ['code_challenge_method=plain', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['code_challenge_method=s256', { code_challenge_method: 's256' }, 'invalid_request'],
    ['code_challenge twice', { code_challenge: [CHALLENGE, CHALLENGE] }, 'invalid_request'],
    ['a padded code_challenge', { code_challenge: `${CHALLENGE}=` }, 'invalid_request'],
    ['a short code_challenge', { code_challenge: CHALLENGE.slice(1) }, 'invalid_request'],
    ['a long code_challenge', { code_challenge: 'a'.repeat(129) }, 'invalid_request'],
    ['no scope', { scope: undefined }, 'invalid_scope'],
    ['an empty scope', { scope: '' }, 'invalid_scope'],
    ['a scope of blanks', { scope: '   ' }, 'invalid_scope'],
    ['a scope that is not registered', { scope: 'openid users:read' }, 'invalid_scope'],
    ['the scope manage', { scope: 'manage' }, 'invalid_scope'],
    ['a scope in other case', { scope: 'OpenID' }, 'invalid_scope'],
    ['a scope with a quote', { scope: 'open"id' }, 'invalid_scope'],
    ['a scope in another script', { scope: 'öpenid' }, 'invalid_scope'],
    ['an oversized scope', { scope: `openid ${'x'.repeat(2048)}` }, 'invalid_request'],
    ['scope twice', { scope: ['openid', 'openid'] }, 'invalid_request'],
    ['a resource that is foreign', { resource: 'https://other.example/' }, 'invalid_target'],
    ['a resource by its prefix', { resource: 'https://api.example/x' }, 'invalid_target'],
    ['a relative resource', { resource: '/v1' }, 'invalid_target'],
    ['a resource with a fragment', { resource: 'https://api.example/#x' }, 'invalid_target'],
    ['the management API without its scopes', { resource: `${ISSUER}/v1` }, 'invalid_target'],
    [
      'one good and one foreign resource',
      { resource: ['https://api.example/', 'https://b.example/'] },
      'invalid_target',
    ],
    [
      'too many resources',
      { resource: Array.from({ length: 21 }, (_, i) => `https://api.example/${i}`) },
      'invalid_target',
    ],
    ['prompt=none with login', { prompt: 'none login' }, 'invalid_request'],
    ['an unknown prompt', { prompt: 'login create' }, 'invalid_request'],
    ['a prompt in upper case', { prompt: 'Login' }, 'invalid_request'],
    ['prompt twice', { prompt: ['login', 'consent'] }, 'invalid_request'],
    ['a negative max_age', { max_age: '-1' }, 'invalid_request'],
    ['a max_age that is no number', { max_age: '1e3' }, 'invalid_request'],
    ['an endless max_age', { max_age: '9'.repeat(21) }, 'invalid_request'],
    ['an oversized nonce', { nonce: 'n'.repeat(1025) }, 'invalid_request'],
    ['nonce twice', { nonce: ['a', 'b'] }, 'invalid_request'],
    ['an oversized login_hint', { login_hint: 'x'.repeat(321) }, 'invalid_request'],
    ['a client without authorization_code', { client_id: 'service' }, 'unauthorized_client'],
  ]
  console.log(`told to the client: ${cases.length} requests`)
  test.each(cases)('%s', async (_, changes, error) => {
    const answer = answerOf(await get(requestPath(changes)))
    expect(answer).toEqual({
      error,
      error_description: expect.stringMatching(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/),
      state: 'state-1',
      iss: ISSUER,
    })
  })

  test('a state that comes twice, or is too long, is refused and not given back', async () => {
    for (const state of [['a', 'b'], 'x'.repeat(4097)]) {
      const answer = answerOf(await get(requestPath({ state })))
      expect(answer).toMatchObject({ error: 'invalid_request', iss: ISSUER })
      expect(answer).not.toHaveProperty('state')
    }
  })

  test('without state there is none in the answer', async () => {
    const answer = answerOf(await get(requestPath({ state: undefined, response_type: 'token' })))
    expect(Object.keys(answer).sort()).toEqual(['error', 'error_description', 'iss'])
  })

  test('a state with markup and other scripts comes back as it was', async () => {
    const state = '"><script>alert(1)</script>&code=x#\u2028 ñ'
    const page = await get(requestPath({ state, response_type: 'token' }))
    expect(answerOf(page)['state']).toBe(state)
    expect(page.headers.get('location')).toMatch(/^[\x21-\x7e]+$/)
    expect(answerOf(page)).not.toHaveProperty('code')
  })

  test('what a registered address has in its query stays as it was', async () => {
    const redirect_uri = 'https://app.example/callback?tenant=a%20b&x'
    const page = await get(requestPath({ client_id: 'queried', redirect_uri, response_type: 'x' }))
    expect(page.headers.get('location')).toMatch(
      /^https:\/\/app\.example\/callback\?tenant=a%20b&x&error=/,
    )
  })
})

describe('a good request', () => {
  const good: [string, Parameters<typeof requestPath>[0]][] = [
    ['as it is', {}],
    [
      'with empty parameters, which are as if absent',
      { prompt: '', max_age: '', response_mode: '' },
    ],
    [
      'with unknown parameters, which are ignored',
      { audience: 'x', foo: 'bar', display: 'wap', ui_locales: 'tlh' },
    ],
    ['without redirect_uri where one is registered', { redirect_uri: undefined }],
    ['with response_mode=query', { response_mode: 'query' }],
    ['with resources of its own', { resource: ['https://api.example/', ISSUER] }],
    ['with mProxy as resource', { scope: 'mqtt', resource: 'urn:allauth:mqtt' }],
    ['with the longest state', { state: 's'.repeat(4096) }],
    ['with a scope twice in one value', { scope: 'openid  openid' }],
  ]
  test.each(good)('%s goes to login', async (_, changes) => {
    expect(pathOf(await get(requestPath(changes)))).toMatch(/^\/login\?/)
  })

  test('leaves nothing of itself in the address but a handle, of which a hash is kept', async () => {
    const page = await get(requestPath({ state: 'secret-state', nonce: 'secret-nonce' }))
    const target = new URL(returnTo(page), ISSUER)
    expect([...target.searchParams.keys()]).toEqual(['client_id', 'request_uri'])
    const handle = target.searchParams.get('request_uri')?.split(':').at(-1) ?? ''
    expect(handle).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(pathOf(page)).not.toContain('secret')
    const rows = await rowsOf(worker, 'authorization_request')
    expect(JSON.stringify(rows)).not.toContain(handle)
  })

  test('tells the login page whom to expect and where the form may end', async () => {
    const page = await get(requestPath({ login_hint: 'ann@example.com' }))
    const query = locationOf(page).searchParams
    expect(query.get('login_hint')).toBe('ann@example.com')
    expect(query.get('form_target')).toBe('https://app.example')
    expect(query.get('form_target_mac')).toMatch(/^[A-Za-z0-9_-]{43}$/)
  })

  test('by POST becomes a GET by 303, so that Lax cookies come along', async () => {
    const page = await new Browser(worker).post(
      '/oauth/authorize',
      Object.fromEntries(requestParameters()),
      { origin: 'https://app.example', 'sec-fetch-site': 'cross-site' },
    )
    const url = locationOf(page)
    expect(url.origin + url.pathname).toBe(`${ISSUER}/oauth/authorize`)
    expect(url.search.slice(1)).toBe(requestParameters().toString())
    const next = await get(url.pathname + url.search)
    expect(pathOf(next)).toMatch(/^\/login\?/)
  })

  test.each([
    ['application/json', JSON.stringify(Object.fromEntries(requestParameters()))],
    ['text/plain', requestParameters().toString()],
    ['application/x-www-form-urlencoded', `${requestParameters()}&x=${'y'.repeat(70_000)}`],
    ['application/x-www-form-urlencoded', `${requestParameters()}&state=%ff`],
  ])('by POST as %s with a bad body is refused', async (type, body) => {
    const answer = await worker.request('/oauth/authorize', {
      method: 'POST',
      headers: { 'content-type': type },
      body,
    })
    expect(answer.status).toBe(400)
    expect(answer.headers.get('location')).toBeNull()
  })

  test('is never answered to scripts of other origins', async () => {
    for (const method of ['GET', 'OPTIONS']) {
      const answer = await worker.request(requestPath(), {
        method,
        headers: { origin: 'https://app.example', 'access-control-request-method': 'GET' },
      })
      expect(answer.headers.get('access-control-allow-origin')).toBeNull()
    }
  })
})

describe('addresses of native clients and of others that are public', () => {
  const native = (redirect_uri: string) => requestPath({ client_id: 'native', redirect_uri })
  const cases: [string, boolean][] = [
    ['http://127.0.0.1/cb', true],
    ['http://127.0.0.1:51234/cb', true],
    ['http://[::1]:51234/cb?x=1', true],
    ['http://[::1]/cb?x=1', true],
    ['http://localhost:4000/cb', true],
    ['com.example.app:/cb', true],
    ['http://localhost:51234/cb', true],
    ['http://localhost/cb', true],
    ['http://localhost:0/cb', false],
    ['http://localhost:51234/', false],
    ['http://localhost.evil.example:51234/cb', false],
    ['http://app.localhost:51234/cb', false],
    ['http://LOCALHOST:51234/cb', false],
    ['https://localhost:51234/cb', false],
    ['http://127.0.0.1:0/cb', false],
    ['http://127.0.0.1:65536/cb', false],
    ['http://127.0.0.1:51234/cb/', false],
    ['http://127.0.0.1:51234/CB', false],
    ['http://127.0.0.1:51234/cb?x', false],
    ['http://127.0.0.1:x@evil.example/cb', false],
    ['http://127.0.0.1:80@evil.example/cb', false],
    ['http://127.0.0.1:51234@evil.example/cb', false],
    ['http://127.0.0.1.evil.example/cb', false],
    ['http://127.0.0.2:51234/cb', false],
    ['http://127.1:51234/cb', false],
    ['https://127.0.0.1:51234/cb', false],
    ['http://[::1]:51234/cb', false],
    ['com.example.app:/cb2', false],
    ['com.example.app://cb', false],
    ['COM.example.app:/cb', false],
  ]
  test.each(cases)('%s is taken: %s', async (redirect_uri, taken) => {
    const page = await get(native(redirect_uri))
    expect(page.status).toBe(taken ? 303 : 400)
  })

  test.each(['http://127.0.0.1/cb', 'http://[::1]/cb', 'http://localhost/cb'])(
    'of a public client %s has any port, whatever its application_type',
    async (registered) => {
      const client_id = `tool-${new URL(registered).hostname.replaceAll(/\W/g, '')}`
      const redirect_uris = [registered]
      await createClient(worker.context(), {
        ...APP,
        client_id,
        application_type: 'web',
        redirect_uris,
      })
      const at = (redirect_uri: string) => get(requestPath({ client_id, redirect_uri }))
      expect((await at(registered)).status).toBe(303)
      expect((await at(registered.replace('/cb', ':51234/cb'))).status).toBe(303)
      expect((await at(registered.replace('/cb', ':51234/other'))).status).toBe(400)
    },
  )

  test.each(['web', 'native'] as const)(
    'of a %s client that proves itself count with their port',
    async (application_type) => {
      const client_id = `secret-${application_type}`
      await createClient(worker.context(), {
        ...APP,
        client_id,
        application_type,
        token_endpoint_auth_method: 'client_secret_basic',
        redirect_uris: ['http://127.0.0.1:3000/cb'],
      })
      const at = (port: number) =>
        get(requestPath({ client_id, redirect_uri: `http://127.0.0.1:${port}/cb` }))
      expect((await at(3000)).status).toBe(303)
      expect((await at(3001)).status).toBe(400)
    },
  )

  test('the form’s target is the origin, or the scheme where a CSP cannot name the host', async () => {
    const target = async (redirect_uri: string) =>
      locationOf(await get(native(redirect_uri))).searchParams.get('form_target')
    expect(await target('http://127.0.0.1:51234/cb')).toBe('http://127.0.0.1:51234')
    expect(await target('http://[::1]:51234/cb?x=1')).toBe('http:')
    expect(await target('com.example.app:/cb')).toBe('com.example.app:')
  })
})

test('a handle is bound to its client', async () => {
  const page = await get(requestPath())
  const other = returnTo(page).replace('client_id=app', 'client_id=two')
  const browser = new Browser(worker)
  await signIn(worker, browser, 'ann')
  const refused = await browser.get(other)
  expect(refused.status).toBe(400)
  expect(refused.headers.get('location')).toBeNull()
})

test('authorize takes at most 2 round trips: refused 1, to login 2, by handle without session 1', async () => {
  await get(requestPath())
  const counted = async (path: string) =>
    (await countRoundTrips(worker, () => get(path))).roundTrips
  const login = await countRoundTrips(worker, () => get(requestPath()))
  const counts = {
    noClient: await counted(requestPath({ client_id: undefined })),
    unknownClient: await counted(requestPath({ client_id: 'nobody' })),
    refused: await counted(requestPath({ response_type: 'token' })),
    login: login.roundTrips,
    byHandle: await counted(returnTo(login.value)),
  }
  console.log('round trips of authorize', counts)
  expect(counts).toEqual({ noClient: 0, unknownClient: 1, refused: 1, login: 2, byHandle: 1 })
})
