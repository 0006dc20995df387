// /v1/clients: what a client may be, how it is changed and ended, and that nobody makes one stronger than himself.
import { beforeAll, describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import {
  changeClient,
  createClient,
  findClientById,
  planClient,
} from '../../../worker/oauth/clients/clients.ts'
import { countRoundTrips, startWorker, type TestWorker } from '../../context.ts'
import { Browser } from '../../identity/browser.ts'
import { callApi, newClientToken } from '../../support/operator.ts'
import {
  APP,
  answerOf,
  CALLBACK,
  giveRole,
  requestPath,
  rowsOf,
  signIn,
  startFlow,
  VERIFIER,
} from '../flow.ts'

const SECRET = 'Zp3kQ8vT1nL6xR9wB4cY7hJ2mF5sD0gA'
let worker: TestWorker
let operator: string

beforeAll(async () => {
  worker = await startWorker()
  operator = await bearer('ops', 'manage')
})

const bearer = (client_id: string, scope: string) => newClientToken(worker, scope, client_id)

async function tokenOf(client_id: string, client_secret: string) {
  const answer = await worker.request('/oauth/token', {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Basic ${btoa(`${client_id}:${encodeURIComponent(client_secret)}`)}`,
    },
    body: 'grant_type=client_credentials',
  })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

const call = (
  method: string,
  path: string,
  body?: unknown,
  { token = operator, headers = {} }: { token?: string; headers?: Record<string, string> } = {},
) => callApi(worker, token, method, path, body, headers)

const pointers = (body: Record<string, unknown>) =>
  ((body['errors'] ?? []) as { pointer: string }[]).map((one) => one.pointer)

describe('a client', () => {
  test('is created with its secret, which is shown once and kept as a hash', async () => {
    const made = await call('POST', '/v1/clients', {
      client_name: 'Garden',
      redirect_uris: [CALLBACK],
      scope: 'openid  openid email',
    })
    expect(made.status).toBe(201)
    expect(made.body).toMatchObject({
      client_id: expect.stringMatching(/^cli_[0-9a-z]{26}$/),
      client_secret: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
      token_endpoint_auth_method: 'client_secret_basic',
      application_type: 'web',
      grant_types: ['authorization_code'],
      scope: 'openid email',
      status: 'active',
      first_party: false,
      access_token_ttl: null,
    })
    const path = made.headers.get('location') ?? ''
    expect(made.headers.get('etag')).toBe('"1"')
    expect(made.headers.get('cache-control')).toBe('no-store')
    const read = await call('GET', path)
    const { client_secret, ...shown } = made.body
    expect(read.body).toEqual(shown)
    expect(JSON.stringify(await rowsOf(worker, 'client_secret'))).not.toContain(client_secret)
    expect(JSON.stringify(await rowsOf(worker, 'event'))).not.toContain(client_secret)
  })

  test('can have its id and secret given', async () => {
    const given = {
      client_id: 'given',
      client_secret: SECRET,
      grant_types: ['client_credentials'],
      scope: 'mqtt',
    }
    expect((await call('POST', '/v1/clients', given)).status).toBe(201)
    expect((await tokenOf('given', SECRET)).status).toBe(200)
    expect((await tokenOf('given', SECRET.toLowerCase())).status).toBe(401)
    const again = await call('POST', '/v1/clients', given)
    expect(again.status).toBe(409)
    expect(pointers(again.body)).toEqual(['/client_id'])
  })

  test('is changed by a merge patch, where null takes an optional member away', async () => {
    await createClient(worker.context(), { ...APP, client_id: 'patched', client_name: 'Old' })
    const changed = await call('PATCH', '/v1/clients/patched', {
      scope: 'openid',
      access_token_ttl: 120,
    })
    expect(changed.body).toMatchObject({
      scope: 'openid',
      access_token_ttl: 120,
      client_name: 'Old',
    })
    expect(changed.headers.get('etag')).toBe('"2"')
    const taken = await call('PATCH', '/v1/clients/patched', {
      access_token_ttl: null,
      client_name: null,
    })
    expect(taken.body).toMatchObject({ access_token_ttl: null, client_name: null, scope: 'openid' })
    const same = await call('PATCH', '/v1/clients/patched', { scope: 'openid' })
    expect(same.headers.get('etag')).toBe('"3"')
    const events = (await rowsOf(worker, 'event')).filter((one) => one['subject_id'] === 'patched')
    expect(events.map((one) => one['type']).sort()).toEqual([
      'client.created',
      'client.updated',
      'client.updated',
    ])
  })

  test('becomes another kind of application, with the addresses of that kind', async () => {
    const redirect_uris = ['com.example.app:/cb']
    const { body } = await call('POST', '/v1/clients', { redirect_uris: [CALLBACK] })
    const path = `/v1/clients/${body.client_id}`
    expect((await call('PATCH', path, { redirect_uris })).status).toBe(400)
    const changed = await call('PATCH', path, { application_type: 'native', redirect_uris })
    expect(changed.body).toMatchObject({ application_type: 'native', redirect_uris })
  })

  test('is not changed against If-Match', async () => {
    await createClient(worker.context(), { ...APP, client_id: 'matched' })
    const patch = (tag: string) =>
      call('PATCH', '/v1/clients/matched', { client_name: tag }, { headers: { 'if-match': tag } })
    expect((await patch('"2"')).status).toBe(412)
    expect((await patch('W/"2"')).status).toBe(412)
    expect((await patch('"1"')).status).toBe(200)
    expect((await patch('"1"')).status).toBe(412)
    expect((await patch('*')).status).toBe(200)
    const remove = (tag: string) =>
      call('DELETE', '/v1/clients/matched', undefined, { headers: { 'if-match': tag } })
    expect((await remove('"1"')).status).toBe(412)
    expect((await remove('"3"')).status).toBe(204)
  })

  test('keeps both of two patches that come at once', async () => {
    await createClient(worker.context(), { ...APP, client_id: 'raced' })
    const answers = await Promise.all([
      call('PATCH', '/v1/clients/raced', { client_name: 'Both' }),
      call('PATCH', '/v1/clients/raced', { access_token_ttl: 300 }),
    ])
    expect(answers.map((one) => one.status)).toEqual([200, 200])
    const { body } = await call('GET', '/v1/clients/raced')
    expect(body).toMatchObject({ client_name: 'Both', access_token_ttl: 300 })
  })

  test('is listed in pages by authenticated cursors', async () => {
    const seen: string[] = []
    let query = '?limit=2'
    for (let i = 0; i < 50; i++) {
      const { body } = await call('GET', `/v1/clients${query}`)
      const items = body['items'] as { client_id: string }[]
      expect(items.length).toBeLessThanOrEqual(2)
      seen.push(...items.map((one) => one.client_id))
      if (body['next_cursor'] === null) break
      query = `?limit=2&cursor=${body['next_cursor']}`
    }
    expect(seen).toEqual([...new Set(seen)].sort())
    expect(seen).toContain('given')
    expect(JSON.stringify(seen)).not.toContain('client_secret')
    for (const bad of ['?limit=0', '?limit=201', '?limit=x', '?cursor=YQ.YQ', '?cursor=']) {
      expect((await call('GET', `/v1/clients${bad}`)).status).toBe(400)
    }
  })

  test('that is not there is not_found', async () => {
    for (const [method, path, body] of [
      ['GET', '/v1/clients/nobody'],
      ['PATCH', '/v1/clients/nobody', { scope: 'openid' }],
      ['DELETE', '/v1/clients/nobody'],
      ['GET', '/v1/clients/nobody/secrets'],
      ['POST', '/v1/clients/nobody/secrets', {}],
      ['DELETE', '/v1/clients/given/secrets/sec_none'],
    ] as const) {
      expect([path, (await call(method, path, body)).status]).toEqual([path, 404])
    }
  })
})

describe('a client cannot be', () => {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }
  const assertion = { token_endpoint_auth_method: 'private_key_jwt', redirect_uris: [CALLBACK] }
  const uri = (one: string) => ({ redirect_uris: [one] })
  const native = (one: string) => ({ application_type: 'native', redirect_uris: [one] })
  const cases: [string, Record<string, unknown>, string][] = [
    ['with an unknown member', { foo: 1 }, ''],
    ['with an id with a colon', { client_id: 'https://api.example' }, '/client_id'],
    ['with an oversized id', { client_id: 'a'.repeat(65) }, '/client_id'],
    ['with an empty id', { client_id: '' }, '/client_id'],
    ['with a control character in its name', { client_name: 'a\x1bb' }, '/client_name'],
    ['with a name that turns text around', { client_name: 'a\u202eb' }, '/client_name'],
    ['with an oversized name', { client_name: 'n'.repeat(101) }, '/client_name'],
    ['with a number for a name', { client_name: 5 }, '/client_name'],
    ['with null for a name', { client_name: null }, '/client_name'],
    ['with a short secret', { client_secret: 'hunter2' }, '/client_secret'],
    ['with a secret of 31 characters', { client_secret: SECRET.slice(1) }, '/client_secret'],
    ['with a secret of one character', { client_secret: 'a'.repeat(40) }, '/client_secret'],
    ['with a secret with a space', { client_secret: `${SECRET} x` }, '/client_secret'],
    [
      'with a secret it does not use',
      { token_endpoint_auth_method: 'none', client_secret: SECRET },
      '/client_secret',
    ],
    [
      'with an unknown method',
      { token_endpoint_auth_method: 'client_secret_jwt' },
      '/token_endpoint_auth_method',
    ],
    ['with an unknown grant type', { grant_types: ['implicit'] }, '/grant_types/0'],
    ['without grant types', { grant_types: [] }, '/grant_types'],
    ['with a string for grant types', { grant_types: 'authorization_code' }, '/grant_types'],
    ['without address for authorization_code', { redirect_uris: [] }, '/redirect_uris'],
    ['refreshing what it cannot get', { grant_types: ['refresh_token'] }, '/grant_types'],
    [
      'public with client_credentials',
      { token_endpoint_auth_method: 'none', grant_types: ['client_credentials'] },
      '/token_endpoint_auth_method',
    ],
    ['with private_key_jwt without key', assertion, '/jwks'],
    ['with an empty key set', { ...assertion, jwks: { keys: [] } }, '/jwks/keys'],
    [
      'with a private key',
      { ...assertion, jwks: { keys: [{ ...jwk, d: 'A'.repeat(43) }] } },
      '/jwks/keys/0',
    ],
    [
      'with a symmetric key',
      { ...assertion, jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } },
      '/jwks/keys/0',
    ],
    [
      'with a key without its members',
      { ...assertion, jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: jwk.x }] } },
      '/jwks/keys/0/y',
    ],
    [
      'with a short RSA key',
      { ...assertion, jwks: { keys: [{ kty: 'RSA', n: 'A'.repeat(171), e: 'AQAB' }] } },
      '/jwks/keys/0/n',
    ],
    [
      'with a key that is no base64url',
      { ...assertion, jwks: { keys: [{ ...jwk, x: '+'.repeat(43) }] } },
      '/jwks/keys/0/x',
    ],
    [
      'with a jwks_uri that is not https',
      { ...assertion, jwks_uri: 'http://169.254.169.254/' },
      '/jwks_uri',
    ],
    [
      'with keys both given and fetched',
      { ...assertion, jwks: { keys: [jwk] }, jwks_uri: 'https://app.example/jwks.json' },
      '/jwks_uri',
    ],
    [
      'with a request_uri that is not https',
      { request_uris: ['http://app.example/r.jwt#x'] },
      '/request_uris/0',
    ],
    [
      'public and without PKCE',
      { token_endpoint_auth_method: 'none', require_pkce: false },
      '/require_pkce',
    ],
    ['with a scope with a quote', { scope: 'a"b' }, '/scope'],
    ['with an oversized scope', { scope: 's'.repeat(2049) }, '/scope'],
    ['with a relative resource', { resources: ['/v1'] }, '/resources/0'],
    ['with a resource with a fragment', { resources: ['https://api.example/#x'] }, '/resources/0'],
    ['with a resource like an id', { resources: ['app'] }, '/resources/0'],
    ['with our own resource', { resources: ['urn:allauth:mqtt'] }, '/resources/0'],
    ['that serves what is no resource', { serves: ['app'] }, '/serves/0'],
    ['that serves what is ours', { serves: ['urn:allauth:mqtt'] }, '/serves/0'],
    [
      'that serves and proves nothing',
      { token_endpoint_auth_method: 'none', serves: ['https://api.example'] },
      '/serves',
    ],
    ['with a short access_token_ttl', { access_token_ttl: 59 }, '/access_token_ttl'],
    ['with a long access_token_ttl', { access_token_ttl: 86_401 }, '/access_token_ttl'],
    ['with a broken access_token_ttl', { access_token_ttl: 60.5 }, '/access_token_ttl'],
    ['with first_party as text', { first_party: 'true' }, '/first_party'],
    ['with a relative address', uri('/callback'), '/redirect_uris/0'],
    ['with http', uri('http://app.example/callback'), '/redirect_uris/0'],
    ['with http to an address', uri('http://192.0.2.1/callback'), '/redirect_uris/0'],
    [
      'with http to a name like a loopback one',
      uri('http://127.0.0.1.evil.example/'),
      '/redirect_uris/0',
    ],
    ['with a fragment', uri(`${CALLBACK}#x`), '/redirect_uris/0'],
    ['with an empty fragment', uri(`${CALLBACK}#`), '/redirect_uris/0'],
    [
      'with a host that would end a CSP source',
      uri('https://a;sandbox.example/'),
      '/redirect_uris/0',
    ],
    ['with a host that would end a CSP', uri('https://a,b.example/'), '/redirect_uris/0'],
    [
      'with a host in a scheme of its own that would',
      native('com.example.app://a;b/'),
      '/redirect_uris/0',
    ],
    ['with a user', uri('https://user@app.example/'), '/redirect_uris/0'],
    ['with an empty user', uri('https://@app.example/'), '/redirect_uris/0'],
    ['with a wildcard host', uri('https://*.app.example/'), '/redirect_uris/0'],
    ['with a wildcard path', uri('https://app.example/*'), '/redirect_uris/0'],
    ['with a dot segment', uri('https://app.example/a/../b'), '/redirect_uris/0'],
    ['with an encoded dot segment', uri('https://app.example/a/%2E%2e/b'), '/redirect_uris/0'],
    ['with upper case in the host', uri('https://App.example/'), '/redirect_uris/0'],
    ['with the default port', uri('https://app.example:443/'), '/redirect_uris/0'],
    ['with a backslash', uri('https://app.example\\@evil.example/'), '/redirect_uris/0'],
    ['with another script', uri('https://аpp.example/'), '/redirect_uris/0'],
    ['with a space', uri('https://app.example/a b'), '/redirect_uris/0'],
    ['with a query that answers use', uri(`${CALLBACK}?code=1`), '/redirect_uris/0'],
    ['with an oversized address', uri(`${CALLBACK}?${'x'.repeat(2048)}`), '/redirect_uris/0'],
    [
      'with too many addresses',
      { redirect_uris: Array.from({ length: 51 }, (_, i) => `${CALLBACK}/${i}`) },
      '/redirect_uris',
    ],
    ['with javascript:', native('javascript:alert(1)'), '/redirect_uris/0'],
    ['with javascript: and a dot', native('javascript:alert(document.cookie)'), '/redirect_uris/0'],
    ['with data:', native('data:text/html,x'), '/redirect_uris/0'],
    ['with vbscript:', native('vbscript:x'), '/redirect_uris/0'],
    ['with blob:', native('blob:https://app.example/x'), '/redirect_uris/0'],
    ['with file:', native('file:///etc/passwd'), '/redirect_uris/0'],
    ['with a scheme without a dot', native('myapp:/cb'), '/redirect_uris/0'],
    ['web with a scheme of its own', uri('com.example.app:/cb'), '/redirect_uris/0'],
    [
      'with a bad address after logout',
      { post_logout_redirect_uris: ['http://app.example/'] },
      '/post_logout_redirect_uris/0',
    ],
  ]
  console.log(`clients refused: ${cases.length}`)
  test.each(cases)('%s', async (_, wrong, pointer) => {
    const { status, body } = await call('POST', '/v1/clients', {
      redirect_uris: [CALLBACK],
      ...wrong,
    })
    expect(status).toBe(400)
    expect(pointers(body)).toContain(pointer)
  })

  test.each([
    ['myapp:/cb', 'native', "a scheme of one's own needs a dot"],
    ['myapp:/cb', 'web', "a scheme of one's own needs a dot"],
    ['home-assistant://auth/cb', 'native', "a scheme of one's own needs a dot"],
    ['com.example.app:/cb', 'web', 'application_type must be native'],
    ['javascript:alert(1)', 'native', 'must use https'],
    ['http://app.example/cb', 'native', 'must use https'],
  ] as const)('what %s of a %s client lacks is said: %s', async (uri, application_type, words) => {
    const entry = { application_type, token_endpoint_auth_method: 'none', scope: 'openid' }
    for (const member of ['redirect_uris', 'post_logout_redirect_uris']) {
      const given = { ...entry, redirect_uris: [CALLBACK], [member]: [uri] }
      const { status, body } = await call('POST', '/v1/clients', given)
      expect(status).toBe(400)
      const [error] = body['errors'] as { pointer: string; detail: string }[]
      expect(error?.pointer).toBe(`/${member}/0`)
      expect(error?.detail).toContain(words)
      expect(error?.detail.includes('must use https')).toBe(words === 'must use https')
    }
  })

  test('what it is not when created, by a patch', async () => {
    await createClient(worker.context(), { ...APP, client_id: 'kept' })
    for (const patch of [
      { redirect_uris: [] },
      { redirect_uris: null },
      { scope: null },
      { client_id: 'other' },
      { client_secret: SECRET },
      { token_endpoint_auth_method: 'private_key_jwt' },
      { grant_types: ['client_credentials'] },
      { version: 9 },
    ]) {
      const { status } = await call('PATCH', '/v1/clients/kept', patch)
      expect([patch, status]).toEqual([patch, 400])
    }
    expect((await call('GET', '/v1/clients/kept')).headers.get('etag')).toBe('"1"')
  })

  test('what is no JSON object, and all faults are told at once', async () => {
    for (const body of ['', '{', '[]', 'null', '"x"', '{"client_name":"a\\u0000b"}']) {
      expect([body, (await call('POST', '/v1/clients', body)).status]).toEqual([body, 400])
    }
    const { body } = await call('POST', '/v1/clients', {
      redirect_uris: ['http://a.example/', CALLBACK, `${CALLBACK}#x`],
      resources: ['x'],
    })
    expect(pointers(body)).toEqual(['/redirect_uris/0', '/redirect_uris/2', '/resources/0'])
  })
})

test.each([
  'https://app.example',
  'https://app.example/',
  'https://app.example:8443/cb?x=1',
  'https://xn--pp-8ja.example/cb',
  'http://localhost:5173/callback',
  'http://127.0.0.1/cb',
  'http://[::1]:3000/cb',
  'com.example.app:/cb',
  'com.example.app://cb/x',
])('%s can be registered, and is taken as it is', async (redirect_uri) => {
  const made = await call('POST', '/v1/clients', {
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    redirect_uris: [redirect_uri],
    scope: 'openid',
  })
  expect(made.status).toBe(201)
  const client_id = made.body['client_id'] as string
  const page = await new Browser(worker).get(requestPath({ client_id, redirect_uri }))
  expect(page.status).toBe(303)
})

describe('power', () => {
  let weak: string
  let reader: string
  beforeAll(async () => {
    weak = await bearer('weak', 'clients:write clients:read devices:read')
    reader = await bearer('reader', 'clients:read')
    await createClient(worker.context(), { ...APP, client_id: 'strong', scope: 'openid manage' })
  })

  test('a client is not given scopes that the actor does not hold', async () => {
    const make = (scope: string) =>
      call('POST', '/v1/clients', { redirect_uris: [CALLBACK], scope }, { token: weak })
    for (const scope of ['manage', 'users:read', 'openid clients:read users:write']) {
      const { status, body } = await make(scope)
      expect([scope, status]).toEqual([scope, 403])
      expect(pointers(body)).toContain('/scope')
    }
    const made = await make('openid devices:read clients:write')
    expect(made.status).toBe(201)
    const path = made.headers.get('location') ?? ''
    expect((await call('PATCH', path, { scope: 'manage' }, { token: weak })).status).toBe(403)
    expect((await call('PATCH', path, { client_name: 'x' }, { token: weak })).status).toBe(200)
  })

  test('a client that would skip consent is neither made, made from another, nor changed without manage', async () => {
    const entry = { redirect_uris: [CALLBACK], scope: 'openid', first_party: true }
    expect((await call('POST', '/v1/clients', entry, { token: weak })).status).toBe(403)
    await createClient(worker.context(), { ...APP, ...entry, client_id: 'house' })
    const evil = { redirect_uris: ['https://evil.example/'] }
    for (const patch of [evil, { first_party: false }, { client_name: 'x' }]) {
      expect((await call('PATCH', '/v1/clients/house', patch, { token: weak })).status).toBe(403)
    }
    const plain = { ...entry, first_party: false }
    const made = await call('POST', '/v1/clients', plain, { token: weak })
    const path = made.headers.get('location') ?? ''
    expect((await call('PATCH', path, { first_party: true }, { token: weak })).status).toBe(403)
    expect((await call('PATCH', path, { first_party: true })).status).toBe(200)
  })

  test('a client that serves a resource is neither made, made from another, nor changed without manage', async () => {
    const serves = ['https://orders.example/']
    const resources = ['https://stock.example/']
    const entry = { grant_types: ['client_credentials'], resources }
    const refused = await call('POST', '/v1/clients', { ...entry, serves }, { token: weak })
    expect([refused.status, pointers(refused.body)]).toEqual([403, ['/serves']])
    const made = await call('POST', '/v1/clients', entry, { token: weak })
    expect(made.body).toMatchObject({ resources, serves: [] })
    const path = made.headers.get('location') ?? ''
    expect((await call('PATCH', path, { serves }, { token: weak })).status).toBe(403)
    const changed = await call('PATCH', path, { serves })
    expect([changed.status, changed.body]).toEqual([200, expect.objectContaining({ serves })])
    expect((await call('GET', path)).body).toMatchObject({ resources, serves })
    for (const patch of [{ resources: [] }, { serves: [] }, { client_name: 'x' }]) {
      expect((await call('PATCH', path, patch, { token: weak })).status).toBe(403)
    }
    expect((await call('POST', `${path}/secrets`, {}, { token: weak })).status).toBe(403)
    expect((await call('DELETE', path, undefined, { token: weak })).status).toBe(403)
  })

  test.each([
    ['its addresses', 'PATCH', '', { redirect_uris: ['https://evil.example/'] }],
    ['its keys', 'PATCH', '', { jwks: null }],
    ['its scope, to less', 'PATCH', '', { scope: 'openid' }],
    ['its status', 'PATCH', '', { status: 'disabled' }],
    ['itself', 'DELETE', '', undefined],
    ['its secrets', 'POST', '/secrets', {}],
  ] as const)(
    'a client that holds more than the actor does not lose or get %s',
    async (_, method, path, body) => {
      const before = await call('GET', '/v1/clients/strong')
      const { status } = await call(method, `/v1/clients/strong${path}`, body, { token: weak })
      expect(status).toBe(403)
      expect((await call('GET', '/v1/clients/strong')).body).toEqual(before.body)
    },
  )

  test('a client that holds a role beyond the actor’s is not taken over', async () => {
    const { client_secret } = await createClient(worker.context(), {
      client_id: 'robot',
      grant_types: ['client_credentials'],
      scope: 'mqtt',
    })
    await giveRole(worker, 'robot', 'operator')
    const secrets = (await rowsOf(worker, 'client_secret')).filter(
      (one) => one['client_id'] === 'robot',
    )
    const { status } = await call('POST', '/v1/clients/robot/secrets', {}, { token: weak })
    expect(status).toBe(403)
    const path = `/v1/clients/robot/secrets/${secrets[0]?.['id']}`
    expect((await call('DELETE', path, undefined, { token: weak })).status).toBe(403)
    expect((await tokenOf('robot', client_secret ?? '')).status).toBe(200)
  })

  test('reading does not write, and nothing goes without a token', async () => {
    const body = { redirect_uris: [CALLBACK] }
    expect((await call('POST', '/v1/clients', body, { token: reader })).status).toBe(403)
    expect((await call('DELETE', '/v1/clients/given', undefined, { token: reader })).status).toBe(
      403,
    )
    expect((await call('POST', '/v1/clients/given/secrets', {}, { token: reader })).status).toBe(
      403,
    )
    expect((await worker.request('/v1/clients')).status).toBe(401)
    expect((await worker.request('/v1/clients', { method: 'POST' })).status).toBe(401)
  })
})

describe('secrets', () => {
  const add = (id: string, body: unknown = {}) => call('POST', `/v1/clients/${id}/secrets`, body)
  // Secrets are listed by age, in whole seconds.
  const age = () => {
    worker.clock.now += 1
  }
  const make = async (client_id: string) => {
    const input = { client_id, grant_types: ['client_credentials' as const], scope: 'mqtt' }
    const { client_secret = '' } = await createClient(worker.context(), input)
    return client_secret
  }

  test('overlap: the old one is good until it runs out', async () => {
    const old = await make('rolled')
    age()
    const others_expire_at = worker.clock.now + 100
    const added = await add('rolled', { others_expire_at })
    expect(added.status).toBe(201)
    const fresh = added.body['client_secret'] as string
    expect((await tokenOf('rolled', old)).status).toBe(200)
    expect((await tokenOf('rolled', fresh)).status).toBe(200)
    worker.clock.now += 100
    expect((await tokenOf('rolled', old)).status).toBe(401)
    expect((await tokenOf('rolled', fresh)).status).toBe(200)
    const { body } = await call('GET', '/v1/clients/rolled/secrets')
    expect(body['items']).toMatchObject([{ expires_at: others_expire_at }, { expires_at: null }])
    expect(JSON.stringify(body)).not.toMatch(/hash|client_secret/)
  })

  test('one that is deleted is refused at once', async () => {
    const old = await make('dropped')
    age()
    await add('dropped', { client_secret: SECRET })
    const { body } = await call('GET', '/v1/clients/dropped/secrets')
    const [first] = body['items'] as { id: string }[]
    const path = `/v1/clients/dropped/secrets/${first?.id}`
    expect((await call('DELETE', path)).status).toBe(204)
    expect((await call('DELETE', path)).status).toBe(404)
    expect((await tokenOf('dropped', old)).status).toBe(401)
    expect((await tokenOf('dropped', SECRET)).status).toBe(200)
  })

  test('one of another client is not found, and stays', async () => {
    const mine = await make('mine')
    await make('theirs')
    const { body } = await call('GET', '/v1/clients/mine/secrets')
    const [first] = body['items'] as { id: string }[]
    expect((await call('DELETE', `/v1/clients/theirs/secrets/${first?.id}`)).status).toBe(404)
    expect((await tokenOf('mine', mine)).status).toBe(200)
  })

  test('there are five at a time, unless the others end at once', async () => {
    const first = await make('many')
    for (let i = 0; i < 4; i++) expect((await add('many')).status).toBe(201)
    expect((await add('many')).status).toBe(409)
    expect((await add('many', { others_expire_at: worker.clock.now + 50 })).status).toBe(409)
    expect((await tokenOf('many', first)).status).toBe(200)
    const only = await add('many', { others_expire_at: worker.clock.now })
    expect(only.status).toBe(201)
    expect((await tokenOf('many', first)).status).toBe(401)
    expect((await tokenOf('many', only.body['client_secret'] as string)).status).toBe(200)
  })

  test('of parallel additions no more than five are stored', async () => {
    await make('crowd')
    const answers = await Promise.all(Array.from({ length: 10 }, () => add('crowd')))
    const stored = answers.filter((one) => one.status === 201).length
    console.log('parallel secrets', { parallel: answers.length, stored })
    expect(stored).toBe(4)
    const { body } = await call('GET', '/v1/clients/crowd/secrets')
    expect((body['items'] as unknown[]).length).toBe(5)
  })

  test.each([
    ['an unknown member', { secret: SECRET }],
    ['a short secret', { client_secret: 'x' }],
    ['an end in the past', { expires_at: 1 }],
    ['an end that is no time', { expires_at: 'soon' }],
  ])('with %s are refused', async (_, body) => {
    expect((await add('given', body)).status).toBe(400)
  })
})

test('a deleted client ends what people allowed it and what it was given, and its id is never given again', async () => {
  const flow = await startFlow({ first_party: true })
  const browser = new Browser(flow.worker)
  await signIn(flow.worker, browser, 'ann')
  const redeem = (code: string) =>
    flow.worker.request('/oauth/token', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        client_id: 'app',
        redirect_uri: CALLBACK,
        code,
        code_verifier: VERIFIER,
      }).toString(),
    })
  const path = requestPath({ scope: 'openid offline_access' })
  const first = await redeem(answerOf(await browser.get(path))['code'] ?? '')
  const { access_token } = (await first.json()) as { access_token: string }
  const userinfo = () =>
    flow.worker.request('/oauth/userinfo', { headers: { authorization: `Bearer ${access_token}` } })
  expect((await userinfo()).status).toBe(200)
  const { code = '' } = answerOf(await browser.get(path))
  await giveRole(flow.worker, 'app', 'operator')

  const cx = flow.worker.context()
  const { removeClient } = await import('../../../worker/oauth/clients/clients.ts')
  await removeClient(cx, 'app', null)
  expect((await userinfo()).status).toBe(401)
  expect((await redeem(code)).status).toBe(401)
  expect((await browser.get(path)).status).toBe(400)
  expect((await rowsOf(flow.worker, 'authorization'))[0]?.['revoked_at']).toBe(
    flow.worker.clock.now,
  )
  expect(await rowsOf(flow.worker, 'authorization_code')).toEqual([])
  const grants = await flow.worker.context().db.read(sql`select * from "grant"`)
  expect(grants).toEqual([])
  await expect(createClient(flow.worker.context(), APP)).rejects.toMatchObject({ type: 'conflict' })
})

describe('a plan', () => {
  const planFor = async (entry: Parameters<typeof planClient>[1]) => {
    const cx = worker.context()
    const [current] = await cx.db.read(findClientById(entry.client_id ?? ''))
    return planClient(cx, entry, current)
  }

  test('creates, then changes nothing, then only what differs; a secret counts at creation only', async () => {
    const entry = {
      ...APP,
      client_id: 'planned',
      token_endpoint_auth_method: 'client_secret_post' as const,
      client_secret: SECRET,
    }
    const created = await planFor(entry)
    expect(created.change).toBe('created')
    await worker.context().db.write(created.statements)
    // Made by another request's rid: the statements carry their own, so they can be written by any.
    expect(await planFor(entry)).toEqual({ change: 'unchanged', fields: [], statements: [] })
    const other = { ...entry, client_secret: `${SECRET}x`, scope: 'openid', client_name: 'P' }
    const changed = await planFor(other)
    expect(changed).toMatchObject({ change: 'updated', fields: ['client_name', 'scope'] })
    await worker.context().db.write(changed.statements)
    // Written again, as after a lost answer, it changes nothing more.
    await worker.context().db.write(changed.statements)
    const [row] = await worker.context().db.read(findClientById('planned'))
    expect(row).toMatchObject({ scope: 'openid', client_name: 'P', version: 2 })
    const secrets = (await rowsOf(worker, 'client_secret')).filter(
      (one) => one['client_id'] === 'planned',
    )
    expect(secrets.length).toBe(1)
  })

  test('without client_id, or without a secret that nobody could be shown, is refused', async () => {
    await expect(planFor({ redirect_uris: [CALLBACK] })).rejects.toMatchObject({
      errors: [{ pointer: '/client_id' }, { pointer: '/client_secret' }],
    })
  })

  test('members that an entry does not name stay as they are', async () => {
    await createClient(worker.context(), { ...APP, client_id: 'partly', client_name: 'By hand' })
    expect(await planFor({ ...APP, client_id: 'partly' })).toMatchObject({ change: 'unchanged' })
  })
})

test('round trips: create 1, change 2, unchanged 1', async () => {
  const cx = worker.context()
  const created = await countRoundTrips(worker, () =>
    createClient(cx, { ...APP, client_id: 'counted' }),
  )
  const changed = await countRoundTrips(worker, () =>
    changeClient(worker.context(), 'counted', { scope: 'openid' }, null),
  )
  const same = await countRoundTrips(worker, () =>
    changeClient(worker.context(), 'counted', { scope: 'openid' }, null),
  )
  const counts = {
    create: created.roundTrips,
    change: changed.roundTrips,
    unchanged: same.roundTrips,
  }
  console.log('round trips of clients', counts)
  expect(counts).toEqual({ create: 1, change: 2, unchanged: 1 })
  const [row] = await cx.db.read(
    sql<{ kind: string }>`select kind from principal where id = 'counted'`,
  )
  expect(row?.kind).toBe('client')
})
