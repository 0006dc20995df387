// Clients that are named by the address of a document about themselves
// (draft-ietf-oauth-client-id-metadata-document): a whole way as one, what is no such client, and how long it counts.
import * as oauth from 'oauth4webapi'
import { beforeEach, describe, expect, test } from 'vitest'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { sql } from '../../../worker/db/sql.ts'
import { createUser } from '../../../worker/identity/users.ts'
import { isClientUrl } from '../../../worker/oauth/clients/client_url.ts'
import { changeClient, createClient } from '../../../worker/oauth/clients/clients.ts'
import { DOCUMENTS_MAX } from '../../../worker/oauth/registration/client_id_metadata_document.ts'
import { ISSUER, type Outside, startWorker, type TestWorker } from '../../context.ts'
import { Browser, type Page } from '../../identity/browser.ts'
import { answerOf, CALLBACK, follow, locationOf, requestPath, signIn, VERIFIER } from '../flow.ts'
import { send } from '../registration_fixtures.ts'
import {
  asserted,
  assertion,
  basic,
  claimsOf,
  count,
  makeSigner,
  post,
  row,
  token,
} from '../token_fixtures.ts'

const URL_OF_CLIENT = 'https://client.example/oauth/metadata.json'
const DOCUMENT = {
  client_id: URL_OF_CLIENT,
  client_name: 'Agent',
  redirect_uris: [CALLBACK],
  grant_types: ['authorization_code', 'refresh_token'],
  token_endpoint_auth_method: 'none',
}

let worker: TestWorker
let browser: Browser
let outside: Outside
/** Addresses that were fetched. */
let fetched: string[]

/** Puts something at an address outside. */
function serve(url: string, answer: () => Response): void {
  outside[url] = (request) => {
    fetched.push(request.url)
    return answer()
  }
}

const serveJson = (
  document: unknown,
  headers: Record<string, string> = {},
  url = URL_OF_CLIENT,
) => {
  const all = { 'content-type': 'application/json', ...headers }
  serve(url, () => new Response(JSON.stringify(document), { headers: all }))
}

beforeEach(async () => {
  outside = {}
  fetched = []
  worker = await startWorker({}, { outside })
  const cx = worker.context()
  await changeSettings(cx, { client_id_metadata_documents: true })
  await createUser(cx, { id: 'ann', email: 'ann@example.com' })
  browser = new Browser(worker)
  await signIn(worker, browser, 'ann')
  serveJson(DOCUMENT)
})

const ask = (changes: Parameters<typeof requestPath>[0] = {}) =>
  browser.get(requestPath({ client_id: URL_OF_CLIENT, ...changes }))

/** The code when Ann allows what is asked, or did so before. */
async function allow(page: Page): Promise<string> {
  const next = await follow(browser, page)
  const done = next.status === 303 ? next : await browser.submit(next, { action: 'allow' })
  return answerOf(done)['code'] ?? ''
}

const redeem = (code: string, more: Record<string, string> = {}) =>
  token(worker, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: CALLBACK,
    code_verifier: VERIFIER,
    ...more,
  })

/** A refresh token of the client, which is public. */
async function getRefreshToken(): Promise<string> {
  const { body } = await redeem(await allow(await ask({ scope: 'openid offline_access' })), {
    client_id: URL_OF_CLIENT,
  })
  return body.refresh_token ?? ''
}

const refresh = (refresh_token: string, client_id = URL_OF_CLIENT) =>
  token(worker, { grant_type: 'refresh_token', refresh_token, client_id })

const isUnknown = (page: Page) =>
  expect([page.status, page.headers.get('location'), page.html]).toEqual([
    400,
    null,
    expect.stringContaining('The application is not known here'),
  ])

describe('a client of this kind', () => {
  test('goes the whole way with a foreign client, and is called by its address everywhere', async () => {
    const transport = {
      [oauth.allowInsecureRequests]: true,
      [oauth.customFetch]: async (url: string, init: object) =>
        worker.app.request(url, init as RequestInit),
    }
    const server = await oauth.processDiscoveryResponse(
      new URL(ISSUER),
      await oauth.discoveryRequest(new URL(ISSUER), transport),
    )
    expect(server['client_id_metadata_document_supported']).toBe(true)
    const client: oauth.Client = {
      client_id: URL_OF_CLIENT,
      [oauth.clockSkew]: worker.clock.now - Math.floor(Date.now() / 1000),
    }
    const question = await follow(browser, await ask({ scope: 'openid email offline_access' }))
    // Its name is its own word, its address is not.
    expect(question.html).toContain('Agent')
    expect(question.html).toContain(URL_OF_CLIENT)
    const done = await browser.submit(question, { action: 'allow' })
    const parameters = oauth.validateAuthResponse(server, client, locationOf(done), 'state-1')
    const answer = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      oauth.None(),
      parameters,
      CALLBACK,
      VERIFIER,
      transport,
    )
    const tokens = await oauth.processAuthorizationCodeResponse(server, client, answer)
    expect(oauth.getValidatedIdTokenClaims(tokens)).toMatchObject({
      sub: 'ann',
      aud: URL_OF_CLIENT,
    })
    expect(claimsOf(tokens.access_token)).toMatchObject({ sub: 'ann', client_id: URL_OF_CLIENT })
    const info = await oauth.userInfoRequest(server, client, tokens.access_token, transport)
    expect(await oauth.processUserInfoResponse(server, client, 'ann', info)).toMatchObject({
      email: 'ann@example.com',
    })

    const again = await oauth.refreshTokenGrantRequest(
      server,
      client,
      oauth.None(),
      tokens.refresh_token ?? '',
      transport,
    )
    const renewed = await oauth.processRefreshTokenResponse(server, client, again)
    const hinted = await ask({ id_token_hint: renewed.id_token, scope: 'openid', prompt: 'none' })
    expect(answerOf(hinted)).toHaveProperty('code')

    const revoked = await oauth.revocationRequest(
      server,
      client,
      oauth.None(),
      renewed.refresh_token ?? '',
      transport,
    )
    expect(await oauth.processRevocationResponse(revoked)).toBeUndefined()
    expect((await refresh(renewed.refresh_token ?? '')).body.error).toBe('invalid_grant')
    expect(fetched).toEqual([URL_OF_CLIENT])
  })

  test.each([{}, { application_type: 'web' }, { application_type: 'native' }])(
    'a tool whose document has http://localhost/callback comes from any port: %j',
    async (type) => {
      serveJson({ ...DOCUMENT, ...type, redirect_uris: ['http://localhost/callback'] })
      const redirect_uri = 'http://localhost:53682/callback'
      const question = await follow(browser, await ask({ redirect_uri }))
      expect(question.html).toContain('localhost:53682')
      const done = await browser.submit(question, { action: 'allow' })
      const { code = '' } = answerOf(done, redirect_uri)
      const { status } = await redeem(code, { client_id: URL_OF_CLIENT, redirect_uri })
      expect(status).toBe(200)
    },
  )

  test('proves itself by a key of its document, and looks at its own tokens', async () => {
    const signer = await makeSigner('ES256', 'k1')
    const method = { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [signer.jwk] } }
    serveJson({ ...DOCUMENT, ...method })
    const proof = async () => asserted(await assertion(worker, signer, URL_OF_CLIENT))
    const code = await allow(await ask())
    expect((await redeem(code, { client_id: URL_OF_CLIENT })).body.error).toBe('invalid_client')
    const { body } = await redeem(code, await proof())
    expect(claimsOf(body.id_token)).toMatchObject({ aud: URL_OF_CLIENT })
    const seen = { token: body.access_token, ...(await proof()) }
    expect((await post(worker, '/oauth/introspect', seen)).body).toMatchObject({
      active: true,
      client_id: URL_OF_CLIENT,
      sub: 'ann',
    })
    const other = await makeSigner('ES256', 'k1')
    const forged = asserted(await assertion(worker, other, URL_OF_CLIENT))
    expect((await post(worker, '/oauth/introspect', { token: 'x', ...forged })).status).toBe(401)
  })

  test('gets a person’s scopes at most, no grant without a person, and what operators decide is at its default', async () => {
    serveJson({
      ...DOCUMENT,
      scope: 'openid mqtt manage users:read email',
      grant_types: ['authorization_code', 'client_credentials'],
      first_party: true,
      require_pkce: false,
      resources: ['https://api.example'],
      serves: ['https://api.example'],
      authorization_details_types: ['device'],
      access_token_format: 'opaque',
    })
    for (const scope of ['mqtt', 'manage', 'users:read', 'openid profile']) {
      expect((await ask({ scope })).status).toBe(400)
    }
    await allow(await ask({ scope: 'openid email' }))
    expect(
      await row(
        worker,
        sql`select scope, grant_types, first_party, resources, serves, members from client where id = ${URL_OF_CLIENT}`,
      ),
    ).toEqual({
      scope: 'openid email',
      grant_types: '["authorization_code"]',
      first_party: 0,
      resources: '[]',
      serves: '[]',
      members: '{}',
    })
    const alone = { grant_type: 'client_credentials', client_id: URL_OF_CLIENT }
    expect((await token(worker, alone)).body.error).toBe('unauthorized_client')
  })

  test('gets the scopes and resources that the settings say, anew each time its document is read', async () => {
    const resource = 'https://tools.example/mcp'
    const agent = { scope: 'tools', resource: [resource] }
    serveJson({ ...DOCUMENT, scope: 'openid tools' })
    expect((await ask(agent)).status).toBe(400)
    const settings = {
      self_registered_scopes: ['openid', 'tools'],
      self_registered_resources: [resource],
    }
    await changeSettings(worker.context(), settings)
    worker.clock.now += 3600
    const code = await allow(await ask(agent))
    const { body } = await redeem(code, { client_id: URL_OF_CLIENT })
    expect(claimsOf(body.access_token)).toMatchObject({ aud: resource, scope: 'tools' })
    await changeSettings(worker.context(), { self_registered_resources: null })
    worker.clock.now += 3600
    expect((await ask(agent)).headers.get('location')).toContain('error=invalid_target')
  })

  test('does not get back what an operator took away, and widens apart from that', async () => {
    const resource = 'https://tools.example/mcp'
    const other = 'https://other.example/mcp'
    await changeSettings(worker.context(), { self_registered_resources: [resource, other] })
    await allow(await ask({ scope: 'openid email' }))
    const stored = () =>
      row(worker, sql`select scope, grant_types, resources from client where id = ${URL_OF_CLIENT}`)
    const patch = (changes: Parameters<typeof changeClient>[2]) =>
      changeClient(worker.context(), URL_OF_CLIENT, changes, null)
    await patch({
      scope: 'openid profile',
      grant_types: ['authorization_code'],
      resources: [other],
    })
    for (const more of [{}, { client_name: 'Another' }, { scope: 'openid email profile' }]) {
      serveJson({ ...DOCUMENT, ...more })
      worker.clock.now += 86_401
      expect((await ask({ scope: 'openid email' })).status).toBe(400)
      expect((await ask({ scope: 'openid profile' })).status).toBe(303)
      expect(await stored()).toEqual({
        scope: 'openid profile',
        grant_types: '["authorization_code"]',
        resources: `["${other}"]`,
      })
    }
    // The settings give more, and so does the operator again.
    await changeSettings(worker.context(), { self_registered_scopes: ['openid', 'email', 'tools'] })
    await patch({ grant_types: ['authorization_code', 'refresh_token'] })
    serveJson(DOCUMENT)
    worker.clock.now += 86_401
    await ask({ scope: 'openid' })
    expect(await stored()).toMatchObject({
      scope: 'openid tools',
      grant_types: '["authorization_code","refresh_token"]',
    })
    const { withheld } = await patch({ scope: 'openid email tools' })
    expect(withheld.scope).not.toContain('email')
    worker.clock.now += 86_401
    await ask({ scope: 'openid' })
    expect(await stored()).toMatchObject({ scope: 'openid email tools' })
  })

  test('two requests at once make one client', async () => {
    const pages = await Promise.all(Array.from({ length: 8 }, () => ask()))
    for (const page of pages) expect(locationOf(page).pathname).toBe('/consent')
    expect(await count(worker, sql`from client`)).toBe(1)
    expect(await count(worker, sql`from event where type = 'client.created'`)).toBe(1)
  })

  test('its faults are shown here, not sent to an address that nobody vouched for', async () => {
    const stranger = new Browser(worker)
    const path = requestPath({ client_id: URL_OF_CLIENT, prompt: 'none' })
    const page = await stranger.get(path)
    expect([page.status, page.headers.get('location')]).toEqual([400, null])
  })

  test('an operator sees, disables and deletes it, and it does not come back', async () => {
    await allow(await ask())
    const input = {
      client_id: 'ops',
      grant_types: ['client_credentials'] as ['client_credentials'],
    }
    const { client_secret = '' } = await createClient(worker.context(), {
      ...input,
      scope: 'manage',
    })
    const path = `/v1/clients/${encodeURIComponent(URL_OF_CLIENT)}`
    const call = async (method: string, body?: unknown) => {
      const grant = { grant_type: 'client_credentials' }
      const operator = await token(worker, grant, basic('ops', client_secret))
      return send(worker, method, path, body, operator.body.access_token)
    }
    expect((await call('GET')).body).toMatchObject({
      client_id: URL_OF_CLIENT,
      client_name: 'Agent',
    })
    const refresh_token = await getRefreshToken()
    expect((await call('PATCH', { status: 'disabled' })).status).toBe(200)
    worker.clock.now += 3600
    isUnknown(await ask())
    expect((await refresh(refresh_token)).body.error).toBe('invalid_client')
    expect(fetched).toHaveLength(1)
    expect((await call('DELETE')).status).toBe(204)
    isUnknown(await ask())
    expect(await count(worker, sql`from client where id = ${URL_OF_CLIENT}`)).toBe(0)
  })
})

describe('what is no such client', () => {
  test.each([
    'http://client.example/a',
    'https://client.example',
    'https://client.example/',
    'https://client.example/?a=b',
    'https://client.example/a#b',
    'https://client.example/a#',
    'https://ann@client.example/a',
    'https://ann:pw@client.example/a',
    'https://@client.example/a',
    'https://client.example/a/../b',
    'https://client.example/./a',
    'https://client.example/a/%2e%2e/b',
    'https://client.example/a/..',
    'https://client.example\\a',
    'https://Client.example/a',
    'https://client.example:443/a',
    'https:client.example/a',
    'https:///client.example/a',
    'HTTPS://client.example/a',
    'https://client.example/ä',
    'https://client.example/a b',
    `https://client.example/${'a'.repeat(512)}`,
    'javascript:alert(1)',
    `${ISSUER}/v1`,
  ])('%s is no address of one, and is not fetched', async (client_id) => {
    expect(isClientUrl(client_id)).toBe(false)
    outside[client_id] = () => {
      throw new Error('fetched')
    }
    const page = await ask({ client_id })
    expect([page.status, page.headers.get('location')]).toEqual([400, null])
    const { body } = await token(worker, {
      grant_type: 'refresh_token',
      refresh_token: 'x',
      client_id,
    })
    expect(body.error).toBe('invalid_client')
    expect(fetched).toEqual([])
  })

  test('an address on our own origin is not fetched', async () => {
    const own = await startWorker({ ISSUER: 'https://id.example' }, { outside })
    await changeSettings(own.context(), { client_id_metadata_documents: true })
    const client_id = 'https://id.example/v1'
    serveJson({ ...DOCUMENT, client_id }, {}, client_id)
    isUnknown(await new Browser(own).get(requestPath({ client_id })))
    expect(fetched).toEqual([])
  })

  test.each([
    'https://localhost/a',
    'https://127.0.0.1/a',
    'https://10.0.0.1/a',
    'https://[::1]/a',
    'https://169.254.169.254/latest/meta-data',
    'https://printer.local/a',
  ])('%s is private, and is not fetched', async (client_id) => {
    serveJson({ ...DOCUMENT, client_id }, {}, client_id)
    isUnknown(await ask({ client_id }))
    expect(fetched).toEqual([])
  })

  const json = { 'content-type': 'application/json' }
  test.each([
    ['nothing there', () => new Response(JSON.stringify(DOCUMENT), { status: 404, headers: json })],
    ['201', () => new Response(JSON.stringify(DOCUMENT), { status: 201, headers: json })],
    [
      'a redirect',
      () => new Response(null, { status: 302, headers: { location: 'https://other.example/a' } }),
    ],
    [
      'a page',
      () => new Response(JSON.stringify(DOCUMENT), { headers: { 'content-type': 'text/html' } }),
    ],
    ['no type', () => new Response(new TextEncoder().encode(JSON.stringify(DOCUMENT)))],
    ['no JSON', () => new Response('{', { headers: json })],
    ['a list', () => Response.json([DOCUMENT])],
    ['NUL', () => Response.json({ ...DOCUMENT, software_id: 'a\0' })],
    ['too much', () => Response.json({ ...DOCUMENT, pad: 'x'.repeat(20_000) })],
    ['no client_id', () => Response.json({ ...DOCUMENT, client_id: undefined })],
    ['another client_id', () => Response.json({ ...DOCUMENT, client_id: `${URL_OF_CLIENT}/` })],
    [
      'a secret',
      () => Response.json({ ...DOCUMENT, client_secret: 'Zp3kQ8vT1nL6xR9wB4cY7hJ2mF5sD0gA' }),
    ],
    ['the end of a secret', () => Response.json({ ...DOCUMENT, client_secret_expires_at: 0 })],
    [
      'client_secret_basic',
      () => Response.json({ ...DOCUMENT, token_endpoint_auth_method: 'client_secret_basic' }),
    ],
    [
      'client_secret_post',
      () => Response.json({ ...DOCUMENT, token_endpoint_auth_method: 'client_secret_post' }),
    ],
    [
      'private_key_jwt without a key',
      () => Response.json({ ...DOCUMENT, token_endpoint_auth_method: 'private_key_jwt' }),
    ],
    ['no redirect address', () => Response.json({ ...DOCUMENT, redirect_uris: undefined })],
    [
      'a redirect address with javascript:',
      () => Response.json({ ...DOCUMENT, redirect_uris: [CALLBACK, 'javascript:alert(1)'] }),
    ],
    [
      'a logo with javascript:',
      () => Response.json({ ...DOCUMENT, logo_uri: 'javascript:alert(1)' }),
    ],
    ['another response type', () => Response.json({ ...DOCUMENT, response_types: ['token'] })],
    ['no scope of a person', () => Response.json({ ...DOCUMENT, scope: 'manage mqtt' })],
  ])('a document with %s makes none, and all are answered alike', async (_, answer) => {
    serve(URL_OF_CLIENT, answer)
    isUnknown(await ask())
    const { status, body } = await refresh('x')
    expect([status, body]).toEqual([
      401,
      { error: 'invalid_client', error_description: 'client authentication failed' },
    ])
    expect(fetched).toHaveLength(2)
    expect(await count(worker, sql`from client`)).toBe(0)
    expect(await count(worker, sql`from principal where id = ${URL_OF_CLIENT}`)).toBe(0)
  })

  test('by default there are none: nothing is fetched, the metadata are silent, and known ones are out', async () => {
    const refresh_token = await getRefreshToken()
    const code = await allow(await ask())
    await changeSettings(worker.context(), { client_id_metadata_documents: null })
    isUnknown(await ask())
    expect((await refresh(refresh_token)).body.error).toBe('invalid_client')
    expect((await redeem(code, { client_id: URL_OF_CLIENT })).body.error).toBe('invalid_client')
    expect(fetched).toHaveLength(1)
    const metadata = await worker.request('/.well-known/openid-configuration')
    expect(await metadata.json()).not.toHaveProperty('client_id_metadata_document_supported')
  })

  test('an address makes us fetch so many documents in an hour', async () => {
    expect((await ask()).status).toBe(303)
    expect(await row(worker, sql`select count from attempt`)).toEqual({ count: 1 })
    await worker.context().db.write(sql`update attempt set count = ${DOCUMENTS_MAX - 2}`)
    const more = Array.from({ length: 5 }, (_, i) => `https://client.example/${i}`)
    for (const client_id of more) serveJson({ ...DOCUMENT, client_id }, {}, client_id)
    const pages = await Promise.all(more.map((client_id) => ask({ client_id })))
    expect(pages.map(({ status }) => status).sort()).toEqual([303, 303, 429, 429, 429])
    expect(fetched).toHaveLength(3)
    expect((await ask()).status).toBe(303)
    worker.clock.now += 3600
    expect((await ask()).status).toBe(303)
  })
})

test('a pairwise client whose document moves to another sector is none any more', async () => {
  const pairwise = { ...DOCUMENT, subject_type: 'pairwise' }
  serveJson(pairwise, { 'cache-control': 'no-store' })
  expect((await ask()).status).toBe(303)
  const redirect_uri = 'https://bank.example/cb'
  serveJson({ ...pairwise, redirect_uris: [redirect_uri] }, { 'cache-control': 'no-store' })
  worker.clock.now += 60
  expect((await ask({ redirect_uri })).status).toBe(400)
  serveJson(pairwise)
  expect((await ask()).status).toBe(303)
})

describe('how long a document counts', () => {
  test.each([
    ['what it says', { 'cache-control': 'public, max-age=600' }, 600],
    ['less what it is old already', { 'cache-control': 'max-age=600', age: '200' }, 400],
    ['a minute at least', { 'cache-control': 'max-age=5' }, 60],
    ['a minute where it is not to be kept', { 'cache-control': 'no-store, max-age=600' }, 60],
    ['a day at most', { 'cache-control': 'max-age=99999999' }, 86_400],
    [
      'until Expires',
      { date: 'Wed, 25 Nov 2026 10:00:00 GMT', expires: 'Wed, 25 Nov 2026 10:20:00 GMT' },
      1200,
    ],
    [
      'a minute where Expires is past',
      { date: 'Wed, 25 Nov 2026 10:00:00 GMT', expires: 'Wed, 25 Nov 2026 09:00:00 GMT' },
      60,
    ],
    ['an hour where it does not say', {}, 3600],
  ])('%s', async (_, headers, lifetime) => {
    serveJson(DOCUMENT, headers as Record<string, string>)
    await ask()
    worker.clock.now += lifetime - 1
    expect((await ask()).status).toBe(303)
    expect(fetched).toHaveLength(1)
    worker.clock.now += 1
    await ask()
    expect(fetched).toHaveLength(2)
  })

  test('then a new one counts at both endpoints: what it took away is gone', async () => {
    const refresh_token = await getRefreshToken()
    const code = await allow(await ask())
    const { jwk } = await makeSigner('ES256')
    const method = { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [jwk] } }
    serveJson({ ...DOCUMENT, ...method, redirect_uris: ['https://app.example/new'] })
    worker.clock.now += 3600
    expect((await refresh(refresh_token)).body.error).toBe('invalid_client')
    expect((await redeem(code, { client_id: URL_OF_CLIENT })).body.error).toBe('invalid_client')
    const page = await ask()
    expect([page.status, page.html]).toEqual([400, expect.stringContaining('redirect_uri')])
    expect(fetched).toHaveLength(2)
    expect(await count(worker, sql`from event where type = 'client.updated'`)).toBe(1)
  })

  test('one that has become unusable ends the client, one that cannot be read is tried again', async () => {
    const refresh_token = await getRefreshToken()
    worker.clock.now += 3600
    const was = outside[URL_OF_CLIENT]
    delete outside[URL_OF_CLIENT]
    const answer = await refresh(refresh_token)
    expect([answer.status, answer.body.error]).toEqual([503, 'temporarily_unavailable'])
    expect((await ask()).status).toBe(503)
    serveJson({ ...DOCUMENT, client_id: 'https://client.example/moved' })
    expect((await refresh(refresh_token)).body.error).toBe('invalid_client')
    isUnknown(await ask())
    if (was !== undefined) outside[URL_OF_CLIENT] = was
    expect((await refresh(refresh_token)).status).toBe(200)
  })

  test('a client that an operator lets skip consent is not changed by its document any more', async () => {
    await ask()
    await worker.context().db.write(sql`update client set first_party = 1`)
    serveJson({ ...DOCUMENT, redirect_uris: ['https://evil.example/'] })
    worker.clock.now += 3600
    expect((await ask({ redirect_uri: 'https://evil.example/' })).status).toBe(400)
    expect((await ask()).status).toBe(303)
    expect(fetched).toHaveLength(1)
  })
})
