// Clients that software registers (RFC 7591, OpenID Connect Registration) and that look after themselves (RFC 7592).
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { beforeEach, describe, expect, test } from 'vitest'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { sql } from '../../../worker/db/sql.ts'
import { createUser } from '../../../worker/identity/users.ts'
import { FETCHES_MAX } from '../../../worker/oauth/authorize/request_object.ts'
import { changeClient } from '../../../worker/oauth/clients/clients.ts'
import { OPEN_REGISTRATIONS_MAX } from '../../../worker/oauth/registration/registration.ts'
import { countRoundTrips, ISSUER, startWorker, type TestWorker } from '../../context.ts'
import { Browser } from '../../identity/browser.ts'
import { CALLBACK, follow, locationOf, requestPath, signIn } from '../flow.ts'
import {
  type Answer,
  addInitialAccessToken,
  pathOf,
  register,
  send,
  setRegistration,
} from '../registration_fixtures.ts'
import {
  basic,
  claimsOf,
  count,
  losingAnswers,
  makeSigner,
  overtaken,
  row,
  token,
} from '../token_fixtures.ts'

let worker: TestWorker
/** An initial access token for what the anonymous would get, without an end. */
let permit: string

beforeEach(async () => {
  worker = await startWorker()
  permit = (await addInitialAccessToken(worker)).initial_access_token
  await worker.request('/.well-known/openid-configuration')
})

const transport = () => ({
  [oauth.allowInsecureRequests]: true,
  [oauth.customFetch]: async (url: string, init: object) =>
    worker.app.request(url, init as RequestInit),
})

const discover = async () =>
  oauth.processDiscoveryResponse(
    new URL(ISSUER),
    await oauth.discoveryRequest(new URL(ISSUER), transport()),
  )

/** Ann, signed in, allows what the client asks at `url`: where she is sent then. */
async function allow(url: URL): Promise<URL> {
  await createUser(worker.context(), { id: 'ann', email: 'ann@example.com' })
  const browser = new Browser(worker)
  await signIn(worker, browser, 'ann')
  const question = await follow(browser, await browser.get(url.pathname + url.search))
  return locationOf(await browser.submit(question, { action: 'allow' }))
}

describe('registering', () => {
  test('oauth4webapi registers a client and gets tokens as it', async () => {
    const server = await discover()
    const answer = await oauth.dynamicClientRegistrationRequest(
      server,
      {
        redirect_uris: [CALLBACK],
        client_name: 'Suite',
        token_endpoint_auth_method: 'client_secret_post',
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        id_token_signed_response_alg: 'RS256',
        subject_type: 'public',
        request_object_signing_alg: 'RS256',
        post_logout_redirect_uris: ['https://app.example/bye'],
        backchannel_logout_uri: 'https://app.example/backchannel',
        default_max_age: 3600,
        contacts: ['dev@app.example'],
      },
      { initialAccessToken: permit, ...transport() },
    )
    expect(answer.status).toBe(201)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    const client = await oauth.processDynamicClientRegistrationResponse(answer)
    expect(client).toMatchObject({
      client_id: expect.stringMatching(/^cli_/),
      client_id_issued_at: worker.clock.now,
      client_secret: expect.stringMatching(/^[\w-]{43}$/),
      client_secret_expires_at: 0,
      registration_client_uri: `${ISSUER}/oauth/register/${client.client_id}`,
      registration_access_token: expect.stringMatching(/^[\w-]{43}$/),
      redirect_uris: [CALLBACK],
      response_types: ['code'],
      scope: 'openid profile email address phone offline_access',
      default_max_age: 3600,
      backchannel_logout_uri: 'https://app.example/backchannel',
      first_party: false,
      require_pkce: true,
    })

    const verifier = oauth.generateRandomCodeVerifier()
    const ask = new URL(server.authorization_endpoint ?? '')
    ask.search = new URLSearchParams({
      client_id: client.client_id,
      redirect_uri: CALLBACK,
      response_type: 'code',
      scope: 'openid email',
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    }).toString()
    const parameters = oauth.validateAuthResponse(server, client, await allow(ask))
    const tokens = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      oauth.ClientSecretPost(String(client['client_secret'])),
      parameters,
      CALLBACK,
      verifier,
      transport(),
    )
    const { id_token, scope } = await tokens.json()
    expect(scope).toBe('openid email')
    expect(claimsOf(id_token)).toMatchObject({ sub: 'ann', aud: client.client_id })
  })

  test('openid-client registers a client and goes the whole code flow', async () => {
    const config = await openid.dynamicClientRegistration(
      new URL(ISSUER),
      { redirect_uris: [CALLBACK], token_endpoint_auth_method: 'client_secret_basic' },
      undefined,
      {
        initialAccessToken: permit,
        execute: [openid.allowInsecureRequests],
        [openid.customFetch]: async (url, init) => worker.app.request(url, init as RequestInit),
      },
    )
    const pkceCodeVerifier = openid.randomPKCECodeVerifier()
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: CALLBACK,
      scope: 'openid',
      code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    })
    const answered = await allow(url)
    const { body } = await token(
      worker,
      {
        grant_type: 'authorization_code',
        code: answered.searchParams.get('code') ?? '',
        redirect_uri: CALLBACK,
        code_verifier: pkceCodeVerifier,
      },
      basic(config.clientMetadata().client_id, String(config.clientMetadata().client_secret)),
    )
    expect(claimsOf(body.id_token)).toMatchObject({ sub: 'ann' })
  })

  test('what is not said is as RFC 7591 has it, and secrets go to those who use one', async () => {
    const { body } = await register(worker, {}, permit)
    expect(body).toMatchObject({
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['authorization_code'],
      response_types: ['code'],
      application_type: 'web',
    })
    const open = await register(worker, { token_endpoint_auth_method: 'none' }, permit)
    expect([open.status, open.body]).toEqual([
      201,
      expect.not.objectContaining({ client_secret: expect.anything() }),
    ])
    expect(open.body).not.toHaveProperty('client_secret_expires_at')
    const { jwk } = await makeSigner('ES256', 'k1')
    const keyed = { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [jwk] } }
    const signer = await register(worker, keyed, permit)
    expect([signer.status, signer.body['jwks']]).toEqual([201, { keys: [jwk] }])
    expect(signer.body).not.toHaveProperty('client_secret')
    const named = {
      token_endpoint_auth_method: 'private_key_jwt',
      jwks_uri: 'https://app.example/jwks',
    }
    expect((await register(worker, named, permit)).body['jwks_uri']).toBe(
      'https://app.example/jwks',
    )
  })

  test('what is not known, null, or not ours to give is left out, and the answer says so', async () => {
    const { status, body } = await register(
      worker,
      {
        client_id: 'mine',
        client_secret: 'Zp3kQ8vT1nL6xR9wB4cY7hJ2mF5sD0gA',
        first_party: true,
        status: 'disabled',
        require_pkce: false,
        access_token_format: 'opaque',
        access_token_ttl: 86_400,
        resources: ['https://api.example'],
        serves: ['https://api.example'],
        authorization_details_types: ['device'],
        profile: 'fapi2',
        scope: 'openid mqtt manage users:read reports',
        grant_types: ['authorization_code', 'implicit', 'urn:example:other'],
        logo_uri: null,
        id_token_encrypted_response_alg: 'RSA-OAEP',
        software_statement: 'a.b.c',
        'client_name#de': 'Probe',
        jwks: { keys: [{ kty: 'OKP', crv: 'X25519', x: 'abc' }, (await makeSigner('ES256')).jwk] },
      },
      permit,
    )
    expect(status).toBe(201)
    expect(body['client_id']).not.toBe('mine')
    expect(body['client_secret']).not.toContain('Zp3k')
    expect(body).toMatchObject({
      first_party: false,
      require_pkce: true,
      access_token_format: 'jwt',
      scope: 'openid',
      grant_types: ['authorization_code'],
    })
    for (const name of [
      'authorization_details_types',
      'profile',
      'resources',
      'serves',
      'logo_uri',
      'id_token_encrypted_response_alg',
      'access_token_ttl',
    ]) {
      expect(body).not.toHaveProperty(name)
    }
    expect(body['jwks'].keys).toHaveLength(1)
    expect(
      await row(worker, sql`select status from client where id = ${body['client_id']}`),
    ).toEqual({ status: 'active' })
  })

  test.each([
    ['no redirect address', { redirect_uris: [] }, 'redirect_uris'],
    [
      'redirect addresses that are no list',
      { redirect_uris: 'https://app.example/' },
      'redirect_uris',
    ],
    [
      'a redirect address with a fragment',
      { redirect_uris: ['https://app.example/#x'] },
      'redirect_uris/0',
    ],
    [
      'a redirect address with javascript:',
      { redirect_uris: [CALLBACK, 'javascript:alert(1)//'] },
      'redirect_uris/1',
    ],
    ['a redirect address with data:', { redirect_uris: ['data:text/html,x'] }, 'redirect_uris/0'],
    ['a redirect address over http', { redirect_uris: ['http://app.example/'] }, 'redirect_uris/0'],
    [
      'a redirect address with a wildcard',
      { redirect_uris: ['https://*.app.example/'] },
      'redirect_uris/0',
    ],
    [
      'a scheme of its own without a dot',
      { application_type: 'native', redirect_uris: ['myapp:/cb'] },
      "redirect_uris/0: has the scheme myapp: but a scheme of one's own needs a dot, as com",
    ],
    [
      'a scheme of its own for a web client',
      { redirect_uris: ['com.example.app:/cb'] },
      'redirect_uris/0',
    ],
    [
      'a redirect address with quotes',
      { redirect_uris: ['https://app.example/"\\ü'] },
      'redirect_uris/0',
    ],
  ])('%s is invalid_redirect_uri', async (_, metadata, member) => {
    const { status, body, headers } = await register(worker, metadata, permit)
    expect([status, body['error']]).toEqual([400, 'invalid_redirect_uri'])
    expect(body['error_description']).toMatch(new RegExp(`^${member}[\\x20-\\x5b\\x5d-\\x7e]+$`))
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('access-control-allow-origin')).toBe('*')
  })

  test.each([
    ['response_types beyond code', { response_types: ['code', 'id_token'] }, 'response_types'],
    ['response_types that are no list', { response_types: 'code' }, 'response_types'],
    ['grants that are not offered', { grant_types: ['implicit', 'password'] }, 'grant_types'],
    ['refresh_token alone', { grant_types: ['refresh_token'] }, 'grant_types'],
    [
      'an unknown authentication',
      { token_endpoint_auth_method: 'client_secret_jwt' },
      'token_endpoint_auth_method',
    ],
    [
      'a public client for itself',
      { token_endpoint_auth_method: 'none', grant_types: ['client_credentials'] },
      'token_endpoint_auth_method',
    ],
    ['private_key_jwt without a key', { token_endpoint_auth_method: 'private_key_jwt' }, 'jwks'],
    [
      'a private key',
      { jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'a'.repeat(43), d: 'b' }] } },
      'jwks/keys/0',
    ],
    ['a symmetric key', { jwks: { keys: [{ kty: 'oct', k: 'abc' }] } }, 'jwks/keys/0'],
    ['no key of use', { jwks: { keys: [{ kty: 'AKP', pub: 'abc' }] } }, 'jwks/keys'],
    [
      'keys in two places',
      {
        jwks_uri: 'https://app.example/jwks',
        jwks: {
          keys: [{ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }],
        },
      },
      'jwks_uri',
    ],
    ['a logo with javascript:', { logo_uri: 'javascript:alert(1)' }, 'logo_uri'],
    ['a logo over http', { logo_uri: 'http://app.example/logo.png' }, 'logo_uri'],
    ['terms with data:', { tos_uri: 'data:text/html,x' }, 'tos_uri'],
    ['keys at file:', { jwks_uri: 'file:///etc/passwd' }, 'jwks_uri'],
    [
      'a logout address with javascript:',
      { post_logout_redirect_uris: ['javascript:alert(1)'] },
      'post_logout_redirect_uris/0',
    ],
    ['a name with a control character', { client_name: 'a\u202eb' }, 'client_name'],
    ['a scope that is none', { scope: 'open"id' }, 'scope'],
    [
      'ID tokens signed with HS256',
      { id_token_signed_response_alg: 'HS256' },
      'id_token_signed_response_alg',
    ],
    ['an age that is none', { default_max_age: -1 }, 'default_max_age'],
  ])('%s is invalid_client_metadata, and the member is named', async (_, metadata, member) => {
    const { status, body } = await register(worker, metadata, permit)
    expect([status, body['error']]).toEqual([400, 'invalid_client_metadata'])
    expect(body['error_description']).toMatch(
      new RegExp(`^${member}: [\\x20-\\x21\\x23-\\x5b\\x5d-\\x7e]+$`),
    )
    expect(await count(worker, sql`from client`)).toBe(0)
  })

  test.each([
    ['a form', 'redirect_uris=x', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['no type', '{}', { 'content-type': '' }],
    ['broken JSON', '{"redirect_uris":', {}],
    ['a list', '[]', {}],
    ['null', 'null', {}],
    ['NUL', `{"redirect_uris":["${CALLBACK}"],"software_id":"a\\u0000"}`, {}],
    ['half a letter', `{"redirect_uris":["${CALLBACK}"],"software_id":"a\\ud800"}`, {}],
    ['too much', JSON.stringify({ client_name: 'x'.repeat(70_000) }), {}],
  ])('a body that is %s is invalid_request', async (_, body, headers) => {
    const answer = await send(worker, 'POST', '/oauth/register', body, permit, headers)
    expect([answer.status, answer.body['error']]).toEqual([400, 'invalid_request'])
  })

  test('a sector is what its address lists, and is fetched for who was vouched for alone', async () => {
    const sector = 'https://sector.example/list.json'
    let listed: string[] = ['https://other.example/']
    let fetches = 0
    const answer = () => {
      fetches++
      return Response.json(listed)
    }
    worker = await startWorker({}, { outside: { [sector]: answer } })
    permit = (await addInitialAccessToken(worker, { scope: 'openid' })).initial_access_token
    await setRegistration(worker, 'open')
    const metadata = { subject_type: 'pairwise', sector_identifier_uri: sector }
    const anonymous = await register(worker, metadata)
    expect([anonymous.status, anonymous.body['error'], fetches]).toEqual([
      400,
      'invalid_client_metadata',
      0,
    ])
    const foreign = await register(worker, metadata, permit)
    expect([foreign.status, foreign.body.error_description]).toEqual([
      400,
      expect.stringMatching(/^sector_identifier_uri: /),
    ])
    listed = [CALLBACK]
    const made = await register(worker, metadata, permit)
    expect([made.status, made.body['subject_type'], fetches]).toEqual([201, 'pairwise', 2])
  })

  test('a sector that the anonymous name in a change is not fetched either', async () => {
    let fetches = 0
    const sector = 'https://sector.example/list.json'
    const answer = () => {
      fetches++
      return Response.json([CALLBACK])
    }
    worker = await startWorker({}, { outside: { [sector]: answer } })
    await setRegistration(worker, 'open')
    const { body } = await register(worker)
    const path = `/oauth/register/${body.client_id}`
    const changed = { ...body, sector_identifier_uri: sector }
    const refused = await send(worker, 'PUT', path, changed, body.registration_access_token)
    expect([refused.status, refused.body['error'], fetches]).toEqual([
      400,
      'invalid_client_metadata',
      0,
    ])
  })

  test('a pairwise client stays in its sector, so that it never learns who people are to another', async () => {
    await setRegistration(worker, 'open')
    const change = async (from: Record<string, unknown>, to: Record<string, unknown>) => {
      const { body } = await register(worker, from)
      const path = `/oauth/register/${body.client_id}`
      const answer = await send(
        worker,
        'PUT',
        path,
        { ...body, ...to },
        body.registration_access_token,
      )
      return [answer.status, answer.body['error']]
    }
    const pairwise = { subject_type: 'pairwise' }
    const elsewhere = { redirect_uris: ['https://bank.example/cb'] }
    const refused = [400, 'invalid_client_metadata']
    expect(await change(pairwise, elsewhere)).toEqual(refused)
    // Nor by way of a time as a public one, in which it may move.
    expect(await change(elsewhere, pairwise)).toEqual(refused)
    const beside = { redirect_uris: [`${CALLBACK}/2`] }
    expect(await change(pairwise, beside)).toEqual([200, undefined])
    expect(await change(pairwise, { subject_type: 'public' })).toEqual([200, undefined])
  })

  test('without a token it gets the scopes and resources that the settings say, and no other', async () => {
    await setRegistration(worker, 'open')
    await changeSettings(worker.context(), {
      self_registered_scopes: ['openid', 'tools'],
      // Our own are led to by scopes, so this one changes nothing.
      self_registered_resources: ['https://tools.example/mcp', `${ISSUER}/v1`],
    })
    const native = { token_endpoint_auth_method: 'none' }
    const { body } = await register(worker, { ...native, scope: 'openid email tools manage' })
    expect(body['scope']).toBe('openid tools')
    expect(body['resources']).toEqual(['https://tools.example/mcp'])
    expect((await register(worker, native)).body['scope']).toBe('openid tools')
    expect((await register(worker, { scope: 'email' })).status).toBe(400)
    await createUser(worker.context(), { id: 'ann', email: 'ann@example.com' })
    const browser = new Browser(worker)
    await signIn(worker, browser, 'ann')
    const { client_id } = body
    const ask = (resource: string) =>
      browser.get(requestPath({ client_id, scope: 'tools', resource }))
    const asked = await follow(browser, await ask('https://tools.example/mcp'))
    expect(asked.html).toContain('https://tools.example/mcp')
    const refused = await ask('https://other.example/mcp')
    expect([refused.status, refused.html]).toEqual([400, expect.stringContaining('resource')])
    // With an initial access token it is the operator's word in there that counts.
    const vouched = await register(worker, { scope: 'openid email' }, permit)
    expect(vouched.body['scope']).toBe('openid email')
    expect(vouched.body).not.toHaveProperty('resources')
  })

  test('it takes two round trips, and one without a token', async () => {
    await setRegistration(worker, 'open')
    const withToken = await countRoundTrips(worker, () => register(worker, {}, permit))
    const without = await countRoundTrips(worker, () => register(worker))
    expect([withToken.value.status, without.value.status]).toEqual([201, 201])
    expect([withToken.roundTrips, without.roundTrips]).toEqual([2, 1])
  })

  test('browsers of any origin may ask, other methods are refused', async () => {
    const preflight = await worker.request('/oauth/register', { method: 'OPTIONS' })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-headers')).toContain('Authorization')
    const one = await worker.request('/oauth/register/x', { method: 'OPTIONS' })
    expect(one.headers.get('access-control-allow-methods')).toBe('GET, PUT, DELETE')
    const get = await send(worker, 'GET', '/oauth/register')
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
    const post = await send(worker, 'POST', '/oauth/register/x')
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, PUT, DELETE'])
  })

  test('no secret or token of it is kept in clear, and its event names it as the one who acts', async () => {
    const { body } = await register(worker, {}, permit)
    const kept = JSON.stringify(
      await Promise.all([
        row(worker, sql`select * from client where id = ${body['client_id']}`),
        row(worker, sql`select * from client_secret`),
        row(worker, sql`select * from initial_access_token`),
      ]),
    )
    for (const secret of [body['client_secret'], body['registration_access_token'], permit]) {
      expect(kept).not.toContain(secret)
      expect(JSON.stringify(worker.log)).not.toContain(secret)
    }
    expect(
      await row(
        worker,
        sql`select actor_kind, actor_id, subject_id from event where type = 'client.created'`,
      ),
    ).toEqual({
      actor_kind: 'client',
      actor_id: body['client_id'],
      subject_id: body['client_id'],
    })
  })
})

describe('who may register', () => {
  test('by default the anonymous are refused', async () => {
    const { status, body, headers } = await register(worker)
    expect([status, body['error'], headers.get('www-authenticate')]).toEqual([
      401,
      'invalid_token',
      expect.stringMatching(/^Bearer(,|$)/),
    ])
    expect((await discover()).registration_endpoint).toBe(`${ISSUER}/oauth/register`)
  })

  test.each(['wrong', 'x'.repeat(43), ''])(
    'the token %j is refused, also where none is needed',
    async (wrong) => {
      for (const setting of ['token', 'open'] as const) {
        await setRegistration(worker, setting)
        const { status, body } = await register(worker, {}, undefined, {
          authorization: `Bearer ${wrong}`,
        })
        expect([status, body['error']]).toEqual([401, 'invalid_token'])
      }
      const other = await register(worker, {}, undefined, { authorization: 'Basic YTpi' })
      expect(other.status).toBe(401)
    },
  )

  test('an access token or a registration access token is no initial access token', async () => {
    const { body } = await register(worker, {}, permit)
    expect((await register(worker, {}, body['registration_access_token'])).status).toBe(401)
  })

  test('where it is off nobody registers, it is not announced, and registered clients go on', async () => {
    const registered = await register(worker, {}, permit)
    await setRegistration(worker, 'off')
    for (const initial of [permit, undefined]) {
      const { status, body } = await register(worker, {}, initial)
      expect([status, body['error']]).toEqual([403, 'access_denied'])
    }
    expect(await discover()).not.toHaveProperty('registration_endpoint')
    const read = await send(
      worker,
      'GET',
      pathOf(registered),
      undefined,
      registered.body['registration_access_token'],
    )
    expect(read.status).toBe(200)
  })

  test('an address registers so many in an hour, also at once, and others go on', async () => {
    await setRegistration(worker, 'open')
    const many = await Promise.all(Array.from({ length: 50 }, () => register(worker)))
    expect(many.filter(({ status }) => status === 201)).toHaveLength(OPEN_REGISTRATIONS_MAX)
    const refused = many.find(({ status }) => status !== 201)
    expect([refused?.status, refused?.body['error']]).toEqual([429, 'too_many_requests'])
    expect(await count(worker, sql`from client`)).toBe(OPEN_REGISTRATIONS_MAX)
    expect(await count(worker, sql`from principal`)).toBe(OPEN_REGISTRATIONS_MAX)
    expect((await register(worker, {}, undefined, { 'x-test-address': '192.0.2.2' })).status).toBe(
      201,
    )
    expect((await register(worker, {}, permit)).status).toBe(201)
    worker.clock.now += 3600
    expect((await register(worker)).status).toBe(201)
  })

  test('the addresses of one IPv6 subscriber count as one', async () => {
    await setRegistration(worker, 'open')
    const from = (address: string) =>
      register(worker, {}, undefined, { 'x-test-address': address }).then(({ status }) => status)
    for (let i = 0; i < OPEN_REGISTRATIONS_MAX; i++) {
      expect(await from(`2001:db8:1:2::${i.toString(16)}`)).toBe(201)
    }
    expect(await from('2001:db8:1:2:ffff::1')).toBe(429)
    expect(await from('2001:db8:1:3::1')).toBe(201)
  })

  test('the anonymous get a person’s scopes at most, and no grant without a person', async () => {
    await setRegistration(worker, 'open')
    const { body } = await register(worker, {
      scope: 'openid email manage clients:write mqtt',
      grant_types: ['client_credentials', 'authorization_code'],
    })
    expect([body['scope'], body['grant_types']]).toEqual(['openid email', ['authorization_code']])
    const alone = await register(worker, { grant_types: ['client_credentials'] })
    expect([alone.status, alone.body['error']]).toEqual([400, 'invalid_client_metadata'])
  })

  test('an error leads to the address that anybody registered only for who allowed the client something', async () => {
    await setRegistration(worker, 'open')
    const address = 'https://who.example/'
    await createUser(worker.context(), { id: 'ann', email: 'ann@example.com' })
    const open = (client_id: string, browser: Browser, more: Record<string, string | undefined>) =>
      browser.get(requestPath({ client_id, redirect_uri: address, scope: 'openid', ...more }))
    const stranger = new Browser(worker)
    const anybody = await register(worker, { redirect_uris: [address] })
    const vouched = await register(worker, { redirect_uris: [address] }, permit)
    for (const fault of [{ prompt: 'none' }, { response_type: 'token' }, { scope: 'mqtt' }]) {
      const shown = await open(anybody.body.client_id, stranger, fault)
      expect([shown.status >= 400, shown.headers.get('location')]).toEqual([true, null])
      const sent = await open(vouched.body.client_id, stranger, fault)
      expect(sent.headers.get('location')).toContain(`${address}?error=`)
    }
    const ann = new Browser(worker)
    await signIn(worker, ann, 'ann')
    const unasked = await open(anybody.body.client_id, ann, { prompt: 'none' })
    expect(unasked.headers.get('location')).toBeNull()
    const question = await follow(ann, await open(anybody.body.client_id, ann, {}))
    const done = await ann.submit(question, { action: 'allow' })
    expect(locationOf(done).searchParams.has('code')).toBe(true)
    const known = await open(anybody.body.client_id, ann, { prompt: 'none', scope: 'openid email' })
    expect(known.headers.get('location')).toContain(`${address}?error=consent_required`)
  })

  test.each([{}, { application_type: 'web' }, { application_type: 'native' }])(
    'a tool that registers http://localhost/callback comes from any port: %j',
    async (type) => {
      await setRegistration(worker, 'open')
      const { body } = await register(worker, {
        ...type,
        token_endpoint_auth_method: 'none',
        redirect_uris: ['http://localhost/callback'],
      })
      await createUser(worker.context(), { id: 'ann', email: 'ann@example.com' })
      const ann = new Browser(worker)
      await signIn(worker, ann, 'ann')
      const redirect_uri = 'http://localhost:53682/callback'
      const path = requestPath({ client_id: body.client_id, redirect_uri })
      const done = await ann.submit(await follow(ann, await ann.get(path)), { action: 'allow' })
      expect(locationOf(done).href).toMatch(/^http:\/\/localhost:53682\/callback\?code=/)
    },
  )

  test('signing out leads to the address that anybody registered only for who sees it', async () => {
    await setRegistration(worker, 'open')
    const bye = 'https://who.example/bye'
    const metadata = { post_logout_redirect_uris: [bye], client_name: 'Who' }
    const path = ({ body }: Answer) =>
      `/oauth/logout?${new URLSearchParams({ client_id: body.client_id, post_logout_redirect_uri: bye })}`
    const anybody = path(await register(worker, metadata))
    const stranger = new Browser(worker)
    const shown = await stranger.get(anybody)
    expect([shown.status, shown.headers.get('location')]).toEqual([200, null])
    expect(shown.html).toContain(`href="${bye}"`)
    const vouched = path(await register(worker, metadata, permit))
    expect((await stranger.get(vouched)).headers.get('location')).toBe(bye)
    await createUser(worker.context(), { id: 'ann', email: 'ann@example.com' })
    const ann = new Browser(worker)
    await signIn(worker, ann, 'ann')
    const done = await ann.submit(await ann.get(anybody), { action: 'logout' })
    expect(done.headers.get('location')).toBe(bye)
  })

  test('an address makes us fetch so many request objects of the anonymous in an hour', async () => {
    const at = 'https://who.example/request.jwt'
    let fetches = 0
    const answer = () => {
      fetches++
      return new Response('none', { status: 404 })
    }
    worker = await startWorker({}, { outside: { [at]: answer } })
    await setRegistration(worker, 'open')
    const { body } = await register(worker, { request_uris: [at] })
    const ask = async (address: string) => {
      const query = new URLSearchParams({ client_id: body.client_id, request_uri: at })
      const headers = { 'x-test-address': address }
      return (await worker.request(`/oauth/authorize?${query}`, { headers })).status
    }
    for (let i = 0; i < FETCHES_MAX; i++) expect(await ask(`2001:db8::${i}`)).toBe(400)
    expect(await ask('2001:db8::ffff')).toBe(429)
    expect(fetches).toBe(FETCHES_MAX)
    expect(await ask('192.0.2.2')).toBe(400)
  })

  test('a registered client cannot reach /v1', async () => {
    const metadata = { grant_types: ['client_credentials'], scope: 'openid' }
    const { body } = await register(worker, metadata, permit)
    const as = basic(body['client_id'], body['client_secret'])
    for (const scope of ['manage', 'users:read', undefined]) {
      const answer = await token(worker, { grant_type: 'client_credentials', scope }, as)
      const access_token = answer.body.access_token
      if (scope !== undefined) expect(answer.body.error).toBe('invalid_scope')
      if (access_token === undefined) continue
      expect((await send(worker, 'GET', '/v1/users', undefined, access_token)).status).toBe(401)
    }
    for (const path of ['/v1/users', '/v1/clients', `/v1/clients/${body['client_id']}`]) {
      const answer = await send(worker, 'GET', path, undefined, body['registration_access_token'])
      expect(answer.status).toBe(401)
    }
  })
})

describe('looking after itself', () => {
  let registered: Answer
  let path: string
  let key: string

  beforeEach(async () => {
    registered = await register(
      worker,
      { client_name: 'Before', logo_uri: 'https://app.example/l.png' },
      permit,
    )
    path = pathOf(registered)
    key = registered.body['registration_access_token']
  })

  const id = () => registered.body['client_id'] as string
  const put = (metadata: Record<string, unknown>, as = key) =>
    send(worker, 'PUT', path, { client_id: id(), redirect_uris: [CALLBACK], ...metadata }, as)

  test('GET answers with what is registered, but not with the secret, which nobody knows any more', async () => {
    const { client_secret: _, client_secret_expires_at: __, ...rest } = registered.body
    const { value, roundTrips } = await countRoundTrips(worker, () =>
      send(worker, 'GET', path, undefined, key),
    )
    expect([value.status, value.body]).toEqual([200, rest])
    expect(value.headers.get('cache-control')).toBe('no-store')
    expect(roundTrips).toBe(1)
  })

  test('PUT replaces all of it: what is left out is gone', async () => {
    const { value, roundTrips } = await countRoundTrips(worker, () =>
      put({ client_name: 'After', client_secret: registered.body['client_secret'] }),
    )
    expect(value.status).toBe(200)
    expect(value.body).toMatchObject({ client_name: 'After', registration_access_token: key })
    expect(value.body).not.toHaveProperty('logo_uri')
    expect(value.body).not.toHaveProperty('client_secret')
    expect(roundTrips).toBe(2)
    expect((await send(worker, 'GET', path, undefined, key)).body).toEqual(value.body)
    expect(
      await row(worker, sql`select actor_kind, actor_id from event where type = 'client.updated'`),
    ).toEqual({
      actor_kind: 'client',
      actor_id: id(),
    })
    expect((await put({ client_name: 'After' })).body).toEqual(value.body)
  })

  test('the answer to a GET may be sent back as it is', async () => {
    const read = await send(worker, 'GET', path, undefined, key)
    const same = await send(worker, 'PUT', path, read.body, key)
    expect([same.status, same.body]).toEqual([200, read.body])
  })

  test('PUT with another client_id, without one, or with a wrong secret is refused', async () => {
    for (const metadata of [
      { client_id: 'other' },
      { client_id: undefined },
      { client_secret: 'x'.repeat(43) },
      { client_secret: 7 },
    ]) {
      const { status, body } = await put(metadata)
      expect([status, body['error']]).toEqual([400, 'invalid_client_metadata'])
      expect(body['error_description']).toMatch(/^client_(id|secret): /)
    }
    const bad = await put({ redirect_uris: ['javascript:alert(1)'] })
    expect(bad.body['error']).toBe('invalid_redirect_uri')
    expect((await send(worker, 'GET', path, undefined, key)).body['client_name']).toBe('Before')
  })

  test('PUT never widens scopes or takes what only an operator decides', async () => {
    await changeClient(worker.context(), id(), { scope: 'openid email', require_pkce: false }, null)
    const { body } = await put({
      scope: 'openid profile mqtt manage',
      require_pkce: true,
      first_party: true,
      resources: ['https://api.example'],
      serves: ['https://api.example'],
    })
    expect(body).toMatchObject({ scope: 'openid', require_pkce: false, first_party: false })
    expect(body).not.toHaveProperty('resources')
    expect(body).not.toHaveProperty('serves')
    const wide = await put({ scope: 'openid email' })
    expect(wide.body['scope']).toBe('openid')
    expect((await put({ scope: 'mqtt' })).status).toBe(400)
  })

  test('PUT brings back no grant that the client has not, nor one that it leaves out', async () => {
    const all = ['authorization_code', 'refresh_token', 'client_credentials'] as const
    const change = (grant_types: (typeof all)[number][]) =>
      changeClient(worker.context(), id(), { grant_types }, null)
    await change([...all])
    expect((await put({ client_name: 'Same' })).body['grant_types']).toEqual(all)
    await change(['authorization_code'])
    for (const grant_types of [all, undefined, ['authorization_code', 'client_credentials']]) {
      const { status, body } = await put({ grant_types })
      expect([status, body['grant_types']]).toEqual([200, ['authorization_code']])
    }
    const none = await put({ grant_types: ['client_credentials'] })
    expect([none.status, none.body['error']]).toEqual([400, 'invalid_client_metadata'])
    await change([...all])
    const fewer = await put({ grant_types: ['authorization_code', 'refresh_token'] })
    expect(fewer.body['grant_types']).toEqual(['authorization_code', 'refresh_token'])
    expect((await put({ grant_types: all })).body['grant_types']).toEqual(fewer.body['grant_types'])
  })

  test('a client that comes to need a secret gets one, and one that needs none keeps none', async () => {
    const { jwk } = await makeSigner('ES256')
    const keyed = await put({
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [jwk] },
    })
    expect(keyed.body).not.toHaveProperty('client_secret')
    expect(await count(worker, sql`from client_secret`)).toBe(0)
    const grant_types: 'client_credentials'[] = ['client_credentials']
    await changeClient(worker.context(), id(), { grant_types }, null)
    const again = await put({ grant_types })
    expect(again.body).toMatchObject({
      client_secret: expect.stringMatching(/^[\w-]{43}$/),
      client_secret_expires_at: 0,
    })
    expect(again.body['client_secret']).not.toBe(registered.body['client_secret'])
    const ask = { grant_type: 'client_credentials', scope: 'openid' }
    expect((await token(worker, ask, basic(id(), registered.body['client_secret']))).status).toBe(
      401,
    )
    expect(
      (await token(worker, ask, basic(id(), again.body['client_secret']))).body.error,
    ).not.toBe('invalid_client')
  })

  test('DELETE ends it: its token, its secret and what people allowed', async () => {
    const { value, roundTrips } = await countRoundTrips(worker, () =>
      send(worker, 'DELETE', path, undefined, key),
    )
    expect([value.status, roundTrips]).toEqual([204, 2])
    expect(await count(worker, sql`from client`)).toBe(0)
    expect(await count(worker, sql`from client_secret`)).toBe(0)
    expect(
      await count(worker, sql`from principal where id = ${id()} and deleted_at is not null`),
    ).toBe(1)
    expect((await send(worker, 'GET', path, undefined, key)).status).toBe(401)
    expect(
      await row(worker, sql`select actor_id from event where type = 'client.deleted'`),
    ).toEqual({ actor_id: id() })
  })

  test('a wrong token, that of another client, or none is 401 for every method', async () => {
    const other = await register(worker, {}, permit)
    for (const wrong of [
      'x'.repeat(43),
      other.body['registration_access_token'],
      registered.body['client_secret'],
      permit,
      undefined,
    ]) {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const body = method === 'PUT' ? { client_id: id(), redirect_uris: [CALLBACK] } : undefined
        const answer = await send(worker, method, path, body, wrong)
        expect([answer.status, answer.body['error']]).toEqual([401, 'invalid_token'])
      }
    }
    expect((await send(worker, 'GET', path, undefined, key)).body['client_name']).toBe('Before')
  })

  test('a client that an operator made, a device, or nobody at all is answered alike', async () => {
    await worker
      .context()
      .db.write(sql`update client set registration_token_hash = null where id = ${id()}`)
    const wanted = await send(worker, 'GET', '/oauth/register/nobody', undefined, key)
    expect(wanted.status).toBe(401)
    for (const where of [
      path,
      '/oauth/register/a%00b',
      '/oauth/register/%2e%2e%2fx',
      `/oauth/register/${'x'.repeat(100)}`,
    ]) {
      const answer = await send(worker, 'GET', where, undefined, key)
      expect([answer.status, answer.body]).toEqual([401, wanted.body])
    }
  })

  test('a disabled client is refused, at the last moment too', async () => {
    const disable = () => changeClient(worker.context(), id(), { status: 'disabled' }, null)
    const late = overtaken(worker, disable)
    const metadata = { client_id: id(), redirect_uris: ['https://evil.example/'] }
    expect((await send(late, 'PUT', path, metadata, key)).status).toBe(401)
    expect((await send(worker, 'PUT', path, metadata, key)).status).toBe(401)
    expect((await send(worker, 'GET', path, undefined, key)).status).toBe(401)
    expect((await send(worker, 'DELETE', path, undefined, key)).status).toBe(401)
    expect(await row(worker, sql`select redirect_uris from client`)).toEqual({
      redirect_uris: JSON.stringify([CALLBACK]),
    })
  })

  test('a client that skips consent is its operator’s to change', async () => {
    await changeClient(worker.context(), id(), { first_party: true }, null)
    const { status, body } = await put({ redirect_uris: ['https://evil.example/'] })
    expect([status, body['error']]).toEqual([403, 'access_denied'])
  })

  test('a change whose answer the database lost is made once', async () => {
    const metadata = {
      client_id: id(),
      redirect_uris: [CALLBACK],
      client_name: 'Once',
      token_endpoint_auth_method: 'none',
    }
    const answer = await send(losingAnswers(worker), 'PUT', path, metadata, key)
    expect([answer.status, answer.body['client_name']]).toEqual([200, 'Once'])
    expect(await row(worker, sql`select version from client`)).toEqual({ version: 2 })
    expect(await count(worker, sql`from event where type = 'client.updated'`)).toBe(1)
    expect((await send(losingAnswers(worker), 'DELETE', path, undefined, key)).status).toBe(204)
  })

  test('of changes at once each finds the client as the other left it', async () => {
    const names = ['One', 'Two', 'Three']
    const answers = await Promise.all(names.map((client_name) => put({ client_name })))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(answers.map(({ body }) => body['client_name'])).toEqual(names)
    expect(await row(worker, sql`select version from client`)).toEqual({ version: 4 })
  })
})
