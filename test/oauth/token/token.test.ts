// The token endpoint: codes and client credentials, as real clients and attackers use it.
import * as oauth from 'oauth4webapi'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../../../worker/crypto.ts'
import { sql } from '../../../worker/db/sql.ts'
import { countRoundTrips, ISSUER } from '../../context.ts'
import {
  API,
  AS,
  addApp,
  addClient,
  addCode,
  addDevice,
  addGrant,
  addUser,
  basic,
  claimsOf,
  count,
  countingReads,
  foreign,
  foreignClient,
  headerOf,
  losingAnswers,
  MQTT,
  OTHER_VERIFIER,
  type Parameters,
  REDIRECT,
  redeem,
  refresh,
  row,
  setStatus,
  signIn,
  startIssuer,
  token,
  VERIFIER,
} from '../token_fixtures.ts'

const ALLOW = { permission: 'allow', action: 'publish', topic: 'things/${subject.id}/state' }

describe('authorization_code', () => {
  test('a strict foreign client redeems a code and accepts both tokens', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const { code, authorization_id } = await addCode(worker, {
      scope: 'openid profile offline_access',
      nonce: 'n-0S6',
    })
    const client = foreignClient(worker, 'app')
    const parameters = oauth.validateAuthResponse(
      AS,
      client,
      new URLSearchParams({ code, state: 's' }),
      's',
    )
    const answer = await oauth.authorizationCodeGrantRequest(
      AS,
      client,
      oauth.None(),
      parameters,
      REDIRECT,
      VERIFIER,
      foreign(worker),
    )
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('content-type')).toBe('application/json')
    const result = await oauth.processAuthorizationCodeResponse(AS, client, answer, {
      expectedNonce: 'n-0S6',
      maxAge: 60,
      requireIdToken: true,
    })
    await oauth.validateApplicationLevelSignature(AS, answer, foreign(worker))

    expect(result.token_type).toBe('bearer')
    expect(result.expires_in).toBe(600)
    expect(result.scope).toBe('openid profile offline_access')
    expect(result.refresh_token).toMatch(/^rt\.e30\.[A-Za-z0-9_-]{43}$/)
    const { now } = worker.clock
    const access = claimsOf(result.access_token)
    expect(headerOf(result.access_token)).toMatchObject({ alg: 'ES256', typ: 'at+jwt' })
    expect(access).toEqual({
      iss: ISSUER,
      sub: 'ann',
      client_id: 'app',
      aud: ISSUER,
      iat: now,
      exp: now + 600,
      jti: expect.stringMatching(new RegExp(`^${authorization_id}\\.[A-Za-z0-9_-]{22}$`)),
      scope: 'openid profile offline_access',
      status: { status_list: { idx: expect.any(Number), uri: `${ISSUER}/status-lists/0` } },
    })
    expect(headerOf(result.id_token)).toMatchObject({ alg: 'RS256' })
    expect(claimsOf(result.id_token)).toMatchObject({
      iss: ISSUER,
      sub: 'ann',
      aud: 'app',
      exp: now + 300,
      auth_time: now - 5,
      amr: ['pwd'],
      nonce: 'n-0S6',
      at_hash: expect.stringMatching(/^[A-Za-z0-9_-]{22}$/),
    })
    const event = await row(
      worker,
      sql<{ actor_id: string; subject_id: string; data: string }>`
        select * from event where type = 'authorization.created'`,
    )
    expect(event).toMatchObject({ actor_id: 'app', subject_id: 'ann' })
    expect(event.data).toContain(authorization_id)
    expect(JSON.stringify(event)).not.toContain(code)
  })

  test('a code costs two database round trips, and one that is unknown one', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const { code } = await addCode(worker)
    const good = await countRoundTrips(worker, () => redeem(worker, code))
    expect(good.value.status).toBe(200)
    expect(good.roundTrips).toBe(2)
    const bad = await countRoundTrips(worker, () => redeem(worker, 'nonsense'))
    expect(bad.value.body.error).toBe('invalid_grant')
    expect(bad.roundTrips).toBe(1)
  })

  test.each<[string, Record<string, string>, string]>([
    ['another client', { client_id: 'other' }, 'invalid_grant'],
    ['no verifier', { code_verifier: '' }, 'invalid_grant'],
    ['a wrong verifier', { code_verifier: OTHER_VERIFIER }, 'invalid_grant'],
    ['a verifier that is too short', { code_verifier: VERIFIER.slice(1) }, 'invalid_grant'],
    ['another redirect address', { redirect_uri: `${REDIRECT}/` }, 'invalid_grant'],
    ['no code', { code: '' }, 'invalid_request'],
    ['no grant type', { grant_type: '' }, 'invalid_request'],
    ['an unknown grant type', { grant_type: 'password' }, 'unsupported_grant_type'],
    ['a grant type it is not registered for', { client_id: 'machine' }, 'invalid_client'],
    ['a resource that was not given', { resource: 'https://api.example.com/' }, 'invalid_target'],
    ['mProxy as resource, not given', { resource: MQTT }, 'invalid_target'],
    ['a resource that is no URI', { resource: 'api' }, 'invalid_target'],
    ['an unknown client', { client_id: 'nobody' }, 'invalid_client'],
  ])('a code is refused with %s, and is not burned by it', async (_, change, error) => {
    const worker = await startIssuer()
    await addApp(worker)
    await addApp(worker, { client_id: 'other' })
    await addClient(worker, { client_id: 'machine', grant_types: ['client_credentials'] })
    const { code } = await addCode(worker)
    const bad = await redeem(worker, code, change)
    expect(bad.body).toMatchObject({ error })
    expect(bad.body.access_token).toBeUndefined()
    expect(bad.headers.get('cache-control')).toBe('no-store')
    expect((await redeem(worker, code)).status).toBe(200)
  })

  test.each([
    ['shorter than 43 characters', 'x'.repeat(42)],
    ['longer than 128 characters', 'x'.repeat(129)],
    ['with a character that is none of its own', `${'x'.repeat(42)}+`],
  ])('a verifier %s is refused, though its challenge fits', async (_, code_verifier) => {
    const worker = await startIssuer()
    await addApp(worker)
    const { code } = await addCode(worker, { code_challenge: sha256(code_verifier) })
    const answer = await redeem(worker, code, { code_verifier })
    expect(answer.body.error).toBe('invalid_grant') // RFC 7636 §4.1
  })

  test('a client with several addresses has to name the one of the code', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    await addApp(worker, { client_id: 'two', redirect_uris: [REDIRECT, `${REDIRECT}/b`] })
    const only = await addCode(worker)
    expect((await redeem(worker, only.code, { redirect_uri: '' })).status).toBe(200)
    const { code } = await addCode(worker, { client_id: 'two' })
    const bad = await redeem(worker, code, { client_id: 'two', redirect_uri: '' })
    expect(bad.body.error).toBe('invalid_grant')
  })

  test('a code that has run out, or whose person or client may not act, is refused', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const late = await addCode(worker)
    worker.clock.now += 60
    expect((await redeem(worker, late.code)).body.error).toBe('invalid_grant')

    const { code } = await addCode(worker)
    await setStatus(worker, 'user', 'ann', 'disabled')
    expect((await redeem(worker, code)).body.error).toBe('invalid_grant')
    await setStatus(worker, 'user', 'ann', 'active')
    await setStatus(worker, 'client', 'app', 'disabled')
    expect((await redeem(worker, code)).body.error).toBe('invalid_client')
    await setStatus(worker, 'client', 'app', 'active')
    expect((await redeem(worker, code)).status).toBe(200)
  })

  test('a code without challenge is refused to a public client, and with a verifier to any', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const client_secret = await addApp(worker, {
      client_id: 'web',
      token_endpoint_auth_method: 'client_secret_post',
    })
    const open = await addCode(worker, { code_challenge: null })
    expect((await redeem(worker, open.code, { code_verifier: '' })).body.error).toBe(
      'invalid_grant',
    )
    const { code } = await addCode(worker, { client_id: 'web', code_challenge: null })
    const web = { client_id: 'web', client_secret }
    expect((await redeem(worker, code, web)).body.error).toBe('invalid_grant')
    expect((await redeem(worker, code, { ...web, code_verifier: '' })).status).toBe(200)
  })

  test('a code presented twice is refused and revokes what it issued', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const { code, authorization_id } = await addCode(worker)
    const first = await redeem(worker, code)
    expect((await redeem(worker, code)).body.error).toBe('invalid_grant')
    const { revoked_at } = await row(
      worker,
      sql<{ revoked_at: number }>`select * from authorization where id = ${authorization_id}`,
    )
    expect(revoked_at).toBe(worker.clock.now)
    expect((await refresh(worker, first.body.refresh_token!)).body.error).toBe('invalid_grant')
    await redeem(worker, code)
    const events = sql`from event where type = 'authorization.revoked' and data like '%code_reused%'`
    expect(await count(worker, events)).toBe(1)
  })

  test('a leaked spent code without its verifier or its client revokes nothing', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    await addApp(worker, { client_id: 'other' })
    const { code } = await addCode(worker)
    const first = await redeem(worker, code)
    await redeem(worker, code, { code_verifier: OTHER_VERIFIER })
    await redeem(worker, code, { client_id: 'other' })
    expect((await refresh(worker, first.body.refresh_token!)).status).toBe(200)
  })

  test('two hundred parallel redemptions of one code give exactly one success', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const { code, authorization_id } = await addCode(worker)
    const answers = await Promise.all(Array.from({ length: 200 }, () => redeem(worker, code)))
    const good = answers.filter((answer) => answer.status === 200)
    const refused = answers.filter((answer) => answer.body.error === 'invalid_grant')
    console.log(`code: 200 parallel redemptions, ${good.length} success, ${refused.length} refused`)
    expect([good.length, refused.length]).toEqual([1, 199])
    expect(await count(worker, sql`from authorization where id = ${authorization_id}`)).toBe(1)
    expect(await count(worker, sql`from refresh_token`)).toBe(1)
  })

  test('a redemption whose answer the database lost succeeds when it is repeated, once', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const { code } = await addCode(worker)
    const answer = await redeem(losingAnswers(worker), code)
    expect(answer.status).toBe(200)
    expect(await count(worker, sql`from authorization where revoked_at is null`)).toBe(1)
    expect(await count(worker, sql`from refresh_token`)).toBe(1)
    expect(await count(worker, sql`from event where type = 'authorization.created'`)).toBe(1)
    expect((await refresh(worker, answer.body.refresh_token!)).status).toBe(200)
  })

  test.each<[string, string[] | undefined, boolean]>([
    ['openid', undefined, false],
    ['openid offline_access', undefined, true],
    ['mqtt', undefined, true],
    ['openid offline_access', ['authorization_code'], false],
  ])('scope "%s" of a client with %s: refresh token %s', async (scope, grants, expected) => {
    const worker = await startIssuer()
    await addApp(worker, grants === undefined ? {} : { grant_types: ['authorization_code'] })
    const { code } = await addCode(worker, { scope })
    const { body } = await redeem(worker, code)
    expect(body.refresh_token !== undefined).toBe(expected)
  })

  test('openid with mqtt gives one token for mProxy and userinfo, with the rules of the person', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    await addGrant(worker, 'ann', { name: 'resident', acl: [ALLOW] })
    const { access_token, id_token } = await signIn(worker, { scope: 'openid mqtt' })
    const claims = claimsOf(access_token)
    expect(claims.aud).toEqual([MQTT, ISSUER])
    expect(claims.acl).toEqual([{ ...ALLOW, topic: 'things/ann/state' }])
    expect(id_token).toBeDefined()
  })

  test('a resource narrows the token, and the ID token still comes', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const { code } = await addCode(worker, { scope: 'openid mqtt offline_access' })
    const { body } = await redeem(worker, code, { resource: MQTT })
    expect(claimsOf(body.access_token)).toMatchObject({ aud: MQTT, scope: 'mqtt', acl: [] })
    expect(body.scope).toBe('mqtt')
    expect(body.id_token).toBeDefined()
  })

  test('a token ends with the first grant behind its rules', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const expires_at = worker.clock.now + 100
    await addGrant(worker, 'ann', { name: 'installer', acl: [ALLOW], expires_at })
    const { access_token, expires_in } = await signIn(worker, { scope: 'mqtt' })
    expect(expires_in).toBe(100)
    expect(claimsOf(access_token).exp).toBe(expires_at)
  })

  test('more rules than a token may have are an error that says so, and the code is not burned', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const acl = (n: number, size: number) =>
      Array.from({ length: n }, (_, i) => ({ ...ALLOW, topic: `t/${i}/${'x'.repeat(size)}` }))
    await addGrant(worker, 'ann', { name: 'many', acl: acl(101, 1) })
    const { code } = await addCode(worker, { scope: 'mqtt' })
    const many = await redeem(worker, code)
    expect(many.body).toMatchObject({ error: 'invalid_scope' })
    expect(many.body.error_description).toContain('100 access rules')
    await addUser(worker, 'bob')
    await addGrant(worker, 'bob', { name: 'long', acl: acl(60, 100) })
    const long = await addCode(worker, { scope: 'mqtt', user_id: 'bob' })
    const large = await redeem(worker, long.code)
    expect(large.body.error).toBe('invalid_scope')
    expect(large.body.error_description).toContain('8192')
    await addUser(worker, 'eve')
    await addGrant(worker, 'eve', { name: 'fits', acl: acl(50, 20) })
    const fits = await signIn(worker, { scope: 'mqtt', user_id: 'eve' })
    expect(claimsOf(fits.access_token).acl).toHaveLength(50)
    expect(fits.access_token.length).toBeLessThanOrEqual(8192)
    expect(await count(worker, sql`from authorization_code where redeemed_by is null`)).toBe(2)
  })

  test('management scopes are given only as far as the person holds a role that gives them', async () => {
    const worker = await startIssuer()
    await addApp(worker, { scope: 'users:read keys:read' })
    const scope = 'users:read keys:read'
    const { code } = await addCode(worker, { scope })
    expect((await redeem(worker, code)).body.error).toBe('invalid_scope')
    await addGrant(worker, 'ann', { name: 'clerk', permissions: ['users:read', 'users:write'] })
    const some = await redeem(worker, code)
    expect(some.body.scope).toBe('users:read')
    expect(claimsOf(some.body.access_token).aud).toBe(API)
    await addGrant(worker, 'ann', { name: 'operator' })
    expect((await signIn(worker, { scope })).scope).toBe(scope)
  })
})

describe('client_credentials', () => {
  const own = { grant_type: 'client_credentials' }

  test('a strict foreign client gets a token in one round trip that writes nothing', async () => {
    const worker = await startIssuer()
    const secret = await addClient(worker, {
      client_id: 'ops',
      grant_types: ['client_credentials'],
      scope: 'manage',
    })
    const client = foreignClient(worker, 'ops')
    const { value, roundTrips } = await countRoundTrips(worker, () =>
      oauth.clientCredentialsGrantRequest(
        AS,
        client,
        oauth.ClientSecretBasic(secret),
        { scope: 'users:read' },
        foreign(worker),
      ),
    )
    expect(roundTrips).toBe(1)
    const result = await oauth.processClientCredentialsResponse(AS, client, value)
    expect(result).toMatchObject({ scope: 'users:read', expires_in: 600 })
    expect(result.refresh_token).toBeUndefined()
    const claims = claimsOf(result.access_token)
    expect(claims).toMatchObject({ sub: 'ops', client_id: 'ops', aud: API })
    expect(claims.jti).toMatch(/^ops\.[A-Za-z0-9_-]{22}$/)
    expect(await count(worker, sql`from authorization`)).toBe(0)
    expect(await count(worker, sql`from used_assertion`)).toBe(0)
  })

  test.each<[string, string[], Record<string, string>, object]>([
    ['manage', [], {}, { scope: 'manage', aud: API }],
    ['manage', [], { scope: 'devices:read' }, { scope: 'devices:read', aud: API }],
    ['mqtt users:read', [], {}, { scope: 'mqtt', aud: MQTT }],
    ['mqtt users:read', [], { resource: API }, { scope: 'users:read', aud: API }],
    ['mqtt users:read', [], { scope: 'mqtt users:read' }, { error: 'invalid_scope' }],
    ['mqtt', [], { resource: API }, { error: 'invalid_target' }],
    ['users:read', [], { resource: MQTT }, { error: 'invalid_target' }],
    [
      'users:read',
      [],
      { scope: 'users:write' },
      { error: 'invalid_scope', error_description: expect.stringMatching(/: users:write$/) },
    ],
    ['mqtt users:read', [], { scope: 'mqtt frobnicate' }, { scope: 'mqtt', aud: MQTT }],
    ['mqtt', [], { scope: 'frobnicate' }, { error: 'invalid_scope' }],
    [
      'orders',
      ['https://a.example/'],
      { scope: 'frobnicate', resource: 'https://a.example/' },
      { error: 'invalid_scope' },
    ],
    ['openid offline_access mqtt', [], {}, { scope: 'mqtt', aud: MQTT }],
    ['openid mqtt', [], { scope: 'openid' }, { error: 'invalid_scope' }],
    ['openid offline_access', [], { scope: 'offline_access' }, { error: 'invalid_scope' }],
    ['', [], {}, { error: 'invalid_scope' }],
    ['orders', [], {}, { scope: 'orders', aud: ISSUER }],
    ['orders', ['https://a.example/'], { resource: 'https://a.example/' }, { scope: 'orders' }],
    ['', ['https://a.example/'], { resource: 'https://a.example/' }, { scope: '' }],
    ['', ['https://a.example/'], { resource: 'https://b.example/' }, { error: 'invalid_target' }],
  ])('registered "%s" %j, asks %j: %j', async (scope, resources, asked, expected) => {
    const worker = await startIssuer()
    const secret = await addClient(worker, {
      client_id: 'job',
      grant_types: ['client_credentials'],
      scope,
      resources,
    })
    const { body } = await token(worker, { ...own, ...asked }, basic('job', secret))
    const claims = body.access_token === undefined ? body : claimsOf(body.access_token)
    expect(claims).toMatchObject(expected)
    if (body.access_token !== undefined) expect(body.scope).toBe(claims.scope)
  })

  test('a device gets mqtt with the rules of its type, for an hour, and nothing else', async () => {
    const worker = await startIssuer()
    const secret = 'ads_secret'
    await addDevice(worker, 'dim-1', { secret, mqtt_client_id: 'meter:7', acl: [ALLOW] })
    const headers = basic('dim-1', secret)
    // The first one in a minute is noted behind its answer.
    await token(worker, own, headers)
    const { value, roundTrips } = await countRoundTrips(worker, () => token(worker, own, headers))
    expect(roundTrips).toBe(1)
    expect(value.body).toMatchObject({ token_type: 'Bearer', expires_in: 3600, scope: 'mqtt' })
    const claims = claimsOf(value.body.access_token)
    expect(claims).toMatchObject({
      sub: 'dim-1',
      client_id: 'dim-1',
      aud: MQTT,
      mqtt_client_id: 'meter:7',
      acl: [{ ...ALLOW, topic: 'things/dim-1/state' }],
    })
    expect(claims.jti.startsWith('dim-1.')).toBe(true)
    for (const [asked, error] of [
      [{ scope: 'manage' }, 'invalid_scope'],
      [{ scope: 'mqtt openid' }, 'invalid_scope'],
      [{ scope: 'frobnicate' }, 'invalid_scope'],
      [{ resource: API, scope: 'mqtt' }, 'invalid_scope'],
      [{ resource: 'https://shop.example/' }, 'invalid_target'],
      [{ grant_type: 'refresh_token', refresh_token: 'x' }, 'unauthorized_client'],
      [{ grant_type: 'authorization_code', code: 'x' }, 'unauthorized_client'],
    ] as const) {
      expect((await token(worker, { ...own, ...asked }, headers)).body.error).toBe(error)
    }
    const wide = await token(worker, { ...own, scope: 'mqtt frobnicate' }, headers)
    expect(wide.body.scope).toBe('mqtt')
    for (const status of ['suspended', 'retired']) {
      await setStatus(worker, 'device', 'dim-1', status)
      expect((await token(worker, own, headers)).body.error).toBe('invalid_client')
    }
  })

  test('rules are read, and then in the token, exactly where mProxy is its audience', async () => {
    const worker = await startIssuer()
    const shop = 'https://shop.example/'
    const secret = await addClient(worker, {
      client_id: 'job',
      grant_types: ['client_credentials'],
      scope: 'mqtt orders users:read',
      resources: [shop],
    })
    await addGrant(worker, 'job', { name: 'reader', acl: [ALLOW] })
    await addDevice(worker, 'dim-1', { secret: 'ads_secret', acl: [ALLOW] })
    const through = countingReads(worker)
    const seen: Record<string, number> = {}
    for (const [caller, headers] of Object.entries({
      job: basic('job', secret),
      'dim-1': basic('dim-1', 'ads_secret'),
    })) {
      for (const scope of [undefined, ' ', 'mqtt', 'orders', 'users:read', 'mqtt orders']) {
        for (const resource of [undefined, MQTT, API, shop]) {
          const { status, body } = await token(through, { ...own, scope, resource }, headers)
          const asked = `${caller} ${scope} ${resource}`
          expect([asked, [200, 400].includes(status)]).toEqual([asked, true])
          if (status !== 200) continue
          const claims = claimsOf(body.access_token)
          const isMqtt = claims.aud === MQTT
          const acl = isMqtt ? [{ ...ALLOW, topic: `things/${caller}/state` }] : undefined
          expect({ asked, acl: claims.acl }).toEqual({ asked, acl })
          if (scope === undefined && resource === undefined) continue
          const isAboutItself = claims.scope === 'self'
          seen[isMqtt ? 'mqtt' : isAboutItself ? 'self' : 'other'] = through.statements()
        }
      }
    }
    console.log('statements of the read batch', seen)
    // A client that was read lately is no device; a device may be a client.
    expect(seen).toEqual({ mqtt: 12, other: 4, self: 6 })
  })

  test('a client that is not registered for the grant, or that is public, is refused', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const answer = await token(worker, { ...own, client_id: 'app', scope: 'mqtt' })
    expect(answer.body.error).toBe('unauthorized_client')
  })
})

describe('manners', () => {
  const long = 'x'.repeat(1_000_000)

  test.each<[string, string, string, string]>([
    ['a parameter given twice', 'grant_type=a&grant_type=a', '', 'invalid_request'],
    [
      'client_id given twice',
      'grant_type=refresh_token&client_id=app&client_id=app',
      '',
      'invalid_request',
    ],
    [
      'a parameter in the query',
      'grant_type=refresh_token&client_id=app',
      '?refresh_token=x',
      'invalid_request',
    ],
    [
      'a parameter in query and body',
      'client_id=app&grant_type=x',
      '?grant_type=x',
      'invalid_request',
    ],
    ['NUL', 'grant_type=refresh_token&client_id=app&refresh_token=%00', '', 'invalid_request'],
    [
      'overlong UTF-8',
      'grant_type=refresh_token&client_id=app&refresh_token=%C0%AF',
      '',
      'invalid_request',
    ],
    [
      'half an escape',
      'grant_type=refresh_token&client_id=app&refresh_token=%4',
      '',
      'invalid_request',
    ],
    [
      'a parameter of 1 MB',
      `grant_type=refresh_token&client_id=app&refresh_token=${long}`,
      '',
      'invalid_request',
    ],
    [
      'a client id of 60 KB',
      `grant_type=refresh_token&refresh_token=x&client_id=${long.slice(0, 60_000)}`,
      '',
      'invalid_client',
    ],
    [
      'a client id with a colon',
      'grant_type=refresh_token&refresh_token=x&client_id=a:b',
      '',
      'invalid_client',
    ],
    [
      'a scope with a quotation mark',
      'grant_type=refresh_token&refresh_token=x&client_id=app&scope=%22',
      '',
      'invalid_scope',
    ],
    ['nothing', '', '', 'invalid_client'],
  ])('%s is refused', async (_, body, query, error) => {
    const worker = await startIssuer()
    await addApp(worker)
    const answer = await worker.request(`/oauth/token${query}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body,
    })
    expect(await answer.json()).toMatchObject({ error })
    expect(answer.status).toBe(error === 'invalid_client' ? 401 : 400)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    // RFC 6749 §5.2: a challenge is for those who tried the Authorization header
    expect(answer.headers.get('www-authenticate')).toBeNull()
  })

  test('JSON, a missing type, and other methods are refused', async () => {
    const worker = await startIssuer()
    const json = await worker.request('/oauth/token', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"grant_type":"client_credentials"}',
    })
    expect([json.status, ((await json.json()) as { error: string }).error]).toEqual([
      400,
      'invalid_request',
    ])
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
      const answer = await worker.request('/oauth/token', { method })
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST'])
    }
  })

  test('unknown parameters are ignored and empty ones are as if absent', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const { code } = await addCode(worker)
    const answer = await redeem(worker, code, { color: 'blue', scope: '', client_secret: '' })
    expect(answer.status).toBe(200)
  })

  test('browsers of any origin may call token, revocation and userinfo, and not introspection', async () => {
    const worker = await startIssuer()
    const preflight = (path: string) =>
      worker.request(path, {
        method: 'OPTIONS',
        headers: { Origin: 'https://spa.example', 'Access-Control-Request-Method': 'POST' },
      })
    for (const path of ['/oauth/token', '/oauth/revoke', '/oauth/userinfo']) {
      const answer = await preflight(path)
      expect(answer.status).toBe(204)
      // keycloak-js asks the token endpoint with credentials, for which browsers take no star.
      const named = path === '/oauth/token'
      expect(answer.headers.get('access-control-allow-origin')).toBe(
        named ? 'https://spa.example' : '*',
      )
      expect(answer.headers.get('access-control-allow-headers')).toContain('Authorization')
      expect(answer.headers.get('access-control-expose-headers')).toBe(
        'DPoP-Nonce, WWW-Authenticate, X-Request-Id',
      )
      expect(answer.headers.get('access-control-allow-credentials')).toBe(named ? 'true' : null)
    }
    const introspect = await preflight('/oauth/introspect')
    expect(introspect.headers.get('access-control-allow-origin')).toBeNull()
  })

  test('several resources may be named, and a management one shares no token', async () => {
    const worker = await startIssuer()
    const [a, b] = ['https://a.example/', 'https://b.example/']
    const secret = await addClient(worker, {
      client_id: 'job',
      grant_types: ['client_credentials'],
      scope: 'orders users:read',
      resources: [a, b],
    })
    const ask = (...resources: string[]) => {
      const parameters: Parameters = [['grant_type', 'client_credentials']]
      for (const resource of resources) parameters.push(['resource', resource])
      return token(worker, parameters, basic('job', secret))
    }
    const both = await ask(a, b)
    expect(claimsOf(both.body.access_token)).toMatchObject({ aud: [a, b], scope: 'orders' })
    expect((await ask(a, API)).body.error).toBe('invalid_target')
  })
})
