// Token exchange (RFC 8693): a service acts for the person whose token it was sent, with no more than both hold.
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { beforeEach, describe, expect, test } from 'vitest'
import { mintDeviceToken } from '../../../worker/admin/minted_tokens.ts'
import { sql } from '../../../worker/db/sql.ts'
import { changeUser } from '../../../worker/identity/users.ts'
import { signJwt } from '../../../worker/keys/jwt.ts'
import { changeClient } from '../../../worker/oauth/clients/clients.ts'
import { countRoundTrips, ISSUER, type TestWorker } from '../../context.ts'
import { statusOf } from '../../status/status_reader.ts'
import {
  type Answer,
  API,
  AS,
  addApp,
  addClient,
  addCode,
  addDevice,
  addGrant,
  addUser,
  asserted,
  assertion,
  basic,
  claimsOf,
  count,
  countRefusals,
  dpopProof,
  foreign,
  foreignClient,
  MQTT,
  makeSigner,
  post,
  REDIRECT,
  setStatus,
  signIn,
  startIssuer,
  token,
  VERIFIER,
  write,
} from '../token_fixtures.ts'

const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS = 'urn:ietf:params:oauth:token-type:access_token'
const ORDERS = 'https://orders.example/'
const STOCK = 'https://stock.example/'
const secretOf = (id: string) => `secret-of-${id}-`.padEnd(40, 'x')

let worker: TestWorker

beforeEach(async () => {
  worker = await startIssuer()
  await addApp(worker, {
    scope: 'openid profile offline_access mqtt orders:read orders:write users:read',
    resources: [ORDERS],
  })
  const service = (client_id: string, scope: string, resources: string[]) =>
    addClient(worker, {
      client_id,
      client_secret: secretOf(client_id),
      grant_types: [GRANT, 'client_credentials'],
      scope,
      resources,
      serves: [`https://${client_id}.example/`],
    })
  await service('orders', 'orders:read stock:read openid', [ORDERS, STOCK])
  await service('stock', 'orders:read', [STOCK])
  await service('stranger', 'orders:read orders:write openid', ['https://stranger.example/'])
  await addClient(worker, {
    client_id: 'web',
    client_secret: secretOf('web'),
    redirect_uris: [REDIRECT],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials', GRANT],
    scope: 'openid profile offline_access mqtt users:read users:write',
    resources: [ORDERS],
  })
})

/** What the person's app got for the service `orders`. */
const subjectToken = async (scope = 'openid orders:read orders:write') =>
  signIn(worker, { scope, resource: [ORDERS] })

/** A token of the person that `web` got for itself. */
async function ownToken(scope: string, user_id = 'ann', more: Record<string, string> = {}) {
  const { code } = await addCode(worker, { client_id: 'web', scope, user_id })
  const { body } = await token(
    worker,
    {
      grant_type: 'authorization_code',
      code,
      redirect_uri: REDIRECT,
      code_verifier: VERIFIER,
      ...more,
    },
    basic('web', secretOf('web')),
  )
  if (body.access_token === undefined) throw new Error(JSON.stringify(body))
  return body.access_token
}

const exchange = (
  subject_token: string,
  more: Record<string, string | undefined> = {},
  by = 'orders',
): Promise<Answer> =>
  token(
    worker,
    { grant_type: GRANT, subject_token, subject_token_type: ACCESS, ...more },
    basic(by, secretOf(by)),
  )

/** The same token with other claims, signed by us. */
const forge = async (jwt: string, claims: Record<string, unknown>, typ = 'at+jwt') =>
  (await signJwt(worker.context(), 'ES256', typ, { ...claimsOf(jwt), ...claims })).jwt

/** As one of the version before, which a change of rights does not reach. */
const tellingNoStatus = (jwt: string) => forge(jwt, { status: undefined })

const introspect = async (of: string, by = 'orders') =>
  (await post(worker, '/oauth/introspect', { token: of }, basic(by, secretOf(by)))).body

describe('an exchanged token', () => {
  test('names who acts, hangs on the person’s sign-in, ends with the subject token, and writes once who acts', async () => {
    const { access_token, authorization_id } = await subjectToken()
    const subject = claimsOf(access_token)
    const events = await count(worker, sql`from event`)
    worker.clock.now += 50
    const { value, roundTrips } = await countRoundTrips(worker, () => exchange(access_token))
    const { status, body, headers } = value
    // That the client acts for this sign-in is noted once.
    expect([status, roundTrips]).toEqual([200, 2])
    const again = await countRoundTrips(worker, () => exchange(access_token))
    expect([again.value.status, again.roundTrips]).toEqual([200, 1])
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toEqual({
      access_token: expect.any(String),
      issued_token_type: ACCESS,
      token_type: 'Bearer',
      expires_in: 550,
      scope: 'orders:read',
    })
    const claims = claimsOf(body.access_token)
    expect(claims).toMatchObject({
      iss: ISSUER,
      sub: 'ann',
      client_id: 'orders',
      aud: ISSUER,
      scope: 'orders:read',
      exp: subject.exp,
      act: { sub: 'orders' },
    })
    expect(claims.jti.startsWith(`${authorization_id}.`)).toBe(true)
    expect(claims.jti).not.toBe(subject.jti)
    expect(await count(worker, sql`from event`)).toBe(events)
    expect(await count(worker, sql`from authorization`)).toBe(1)
  })

  test('goes on to the next service, whose predecessors stand within act', async () => {
    const first = (await exchange((await subjectToken()).access_token, { resource: STOCK })).body
    expect(claimsOf(first.access_token)).toMatchObject({ aud: STOCK, act: { sub: 'orders' } })
    const second = (await exchange(first.access_token ?? '', { resource: STOCK }, 'stock')).body
    expect(claimsOf(second.access_token)).toMatchObject({
      sub: 'ann',
      client_id: 'stock',
      act: { sub: 'stock', act: { sub: 'orders' } },
    })
    expect(await introspect(second.access_token ?? '', 'stock')).toMatchObject({
      active: true,
      sub: 'ann',
      client_id: 'stock',
      act: { sub: 'stock', act: { sub: 'orders' } },
    })
  })

  test('is for the audiences and resources that are named, which may be several', async () => {
    const { access_token } = await subjectToken()
    const pairs = (names: [string, string][]): [string, string][] => [
      ['grant_type', GRANT],
      ['subject_token', access_token],
      ['subject_token_type', ACCESS],
      ...names,
    ]
    const headers = basic('orders', secretOf('orders'))
    const both = await token(
      worker,
      pairs([
        ['audience', STOCK],
        ['audience', ORDERS],
        ['resource', STOCK],
      ]),
      headers,
    )
    expect(claimsOf(both.body.access_token).aud).toEqual([STOCK, ORDERS])
    const asIssuer = await exchange(access_token, { audience: ISSUER, scope: 'orders:read' })
    expect(claimsOf(asIssuer.body.access_token)).toMatchObject({ aud: ISSUER, scope: '' })
  })

  test.each([
    ['the person’s sign-in is revoked', sql`update authorization set revoked_at = 1`],
    ['the person is disabled', sql`update user set status = 'disabled'`],
    ['the app is disabled', sql`update client set status = 'disabled' where id = 'app'`],
    [
      'the service that acts is disabled',
      sql`update client set status = 'disabled' where id = 'stock'`,
    ],
    [
      'the service before it is disabled',
      sql`update client set status = 'disabled' where id = 'orders'`,
    ],
    ['the service that acts is deleted', sql`delete from client where id = 'stock'`],
  ])('is dead as soon as %s', async (_, end) => {
    const first = (await exchange((await subjectToken()).access_token, { resource: STOCK })).body
    const second = (await exchange(first.access_token ?? '', { resource: STOCK }, 'stock')).body
    await addClient(worker, {
      client_id: 'watch',
      client_secret: secretOf('watch'),
      grant_types: ['client_credentials'],
      scope: 'x',
      serves: [STOCK],
    })
    expect((await introspect(second.access_token ?? '', 'watch'))['active']).toBe(true)
    await write(worker, end)
    expect(await introspect(second.access_token ?? '', 'watch')).toEqual({ active: false })
  })

  test('without act no other client may have it, whatever the origin', async () => {
    const { access_token } = await subjectToken()
    const forged = await forge(access_token, { client_id: 'orders' })
    expect(await introspect(forged)).toEqual({ active: false })
  })

  test('tells userinfo no more than its scope, and only with openid', async () => {
    const own = await ownToken('openid profile')
    const read = async (jwt: string | undefined) =>
      worker.request('/oauth/userinfo', { headers: { authorization: `Bearer ${jwt}` } })
    const narrow = (await exchange(own, { scope: 'openid' }, 'web')).body
    const answer = await read(narrow.access_token)
    expect(await answer.json()).toEqual({ sub: 'ann' })
    const none = (await exchange(own, { scope: 'profile' }, 'web')).body
    expect((await read(none.access_token)).status).toBe(403)
    expect(narrow).not.toHaveProperty('id_token')
    expect(narrow).not.toHaveProperty('refresh_token')
  })

  test('tells userinfo no claim that was asked for by itself, for the client that asked', async () => {
    // What a client may know at all is what it is registered for.
    await changeClient(worker.context(), 'web', { scope: 'openid email' }, null)
    const own = await ownToken('openid')
    const claims = JSON.stringify({ userinfo: { email: { essential: false } }, id_token: {} })
    await write(worker, sql`update authorization set claims = ${claims}`)
    const read = async (jwt: string | undefined) => {
      const headers = { authorization: `Bearer ${jwt}` }
      return (await worker.request('/oauth/userinfo', { headers })).json()
    }
    expect(await read(own)).toEqual({ sub: 'ann', email: 'ann@example.com' })
    const { body } = await exchange(own, { scope: 'openid' }, 'web')
    expect(await read(body.access_token)).toEqual({ sub: 'ann' })
  })

  test('of a pairwise client’s token says its name of the person, and dies with it as others do', async () => {
    await addClient(worker, {
      client_id: 'diary',
      token_endpoint_auth_method: 'none',
      redirect_uris: [REDIRECT],
      scope: 'openid orders:read',
      resources: [ORDERS],
      subject_type: 'pairwise',
    })
    const given = { client_id: 'diary', scope: 'openid orders:read', resource: [ORDERS] }
    const { access_token, id_token } = await signIn(worker, given)
    const { body } = await exchange(access_token)
    const { sub } = claimsOf(id_token)
    expect(sub).not.toBe('ann')
    expect(claimsOf(body.access_token)).toMatchObject({ sub, client_id: 'orders' })
    expect(await introspect(body.access_token ?? '')).toMatchObject({ active: true, sub })
    // A refusal is in the record of the person, who is not known by the name in the token.
    const tooMuch = await exchange(access_token, { scope: 'orders:write' })
    expect(tooMuch.body).toMatchObject({ error: 'invalid_scope' })
    await worker.settled()
    expect(await countRefusals(worker, 'ann')).toBe(1)
    await setStatus(worker, 'user', 'ann', 'disabled')
    expect(await introspect(body.access_token ?? '')).toEqual({ active: false })
  })

  test('of a service’s own token acts for that service', async () => {
    const own = await token(
      worker,
      { grant_type: 'client_credentials', resource: STOCK },
      basic('orders', secretOf('orders')),
    )
    const { body } = await exchange(own.body.access_token ?? '', {}, 'stock')
    expect(claimsOf(body.access_token)).toMatchObject({
      sub: 'orders',
      client_id: 'stock',
      act: { sub: 'stock' },
    })
    expect((await introspect(body.access_token ?? '', 'stock'))['active']).toBe(true)
    await setStatus(worker, 'client', 'orders', 'disabled')
    expect((await introspect(body.access_token ?? '', 'stock'))['active']).toBe(false)
  })
})

describe('what both hold', () => {
  test.each([
    ['a scope that the subject token lacks', { scope: 'stock:read' }, 'invalid_scope'],
    ['a scope that the client is not registered for', { scope: 'orders:write' }, 'invalid_scope'],
    [
      'a resource that it is not registered for',
      { resource: 'https://bank.example/' },
      'invalid_target',
    ],
    ['an audience that it is not registered for', { audience: 'app' }, 'invalid_target'],
    ['another client as audience', { audience: 'stock' }, 'invalid_target'],
    ['a resource that is no URI', { resource: 'stock' }, 'invalid_target'],
    ['mProxy', { resource: MQTT }, 'invalid_target'],
    ['the management API', { resource: API }, 'invalid_target'],
    [
      'a refresh token',
      { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
      'invalid_request',
    ],
    [
      'an ID token',
      { requested_token_type: 'urn:ietf:params:oauth:token-type:id_token' },
      'invalid_request',
    ],
    [
      'a JWT of any kind',
      { requested_token_type: 'urn:ietf:params:oauth:token-type:jwt' },
      'invalid_request',
    ],
  ])('does not reach to %s', async (_, more, error) => {
    const { access_token } = await subjectToken()
    const { status, body } = await exchange(access_token, more)
    expect([status, body.error]).toEqual([400, error])
  })

  test('leaves out a scope that nobody knows, and names one that cannot be had', async () => {
    const { access_token } = await subjectToken()
    const { body } = await exchange(access_token, { scope: 'orders:read frobnicate' })
    expect(body.scope).toBe('orders:read')
    for (const [scope, named] of [
      ['orders:read orders:write frobnicate', 'orders:write'],
      ['stock:read', 'stock:read'],
      ['email frobnicate', 'email'],
    ] as const) {
      const refused = await exchange(access_token, { scope })
      expect(refused.body.error).toBe('invalid_scope')
      expect(refused.body.error_description).toMatch(new RegExp(`: ${named}$`))
    }
    // Nothing is left of the wish, which is not the same as no wish.
    const none = await exchange(access_token, { scope: 'frobnicate', resource: STOCK })
    expect(none.body.error).toBe('invalid_scope')
  })

  test('does not reach mProxy by a token that does not, though the client is registered for it', async () => {
    const { status, body } = await exchange(await ownToken('openid'), { resource: MQTT }, 'web')
    expect([status, body.error]).toEqual([400, 'invalid_target'])
  })

  test('shrinks with the registration of either client', async () => {
    const { access_token: present } = await subjectToken()
    const access_token = await tellingNoStatus(present)
    await changeClient(worker.context(), 'app', { scope: 'openid' }, null)
    expect((await exchange(present)).body.error).toBe('invalid_request')
    expect((await exchange(access_token)).body.error).toBe('invalid_scope')
    expect((await exchange(access_token, { resource: STOCK })).body.scope).toBe('')
    expect((await exchange(access_token, { scope: 'orders:read' })).body.error).toBe(
      'invalid_scope',
    )
  })

  test('in the management API is what the person holds and both clients are registered for', async () => {
    await addGrant(worker, 'ann', { name: 'helper', permissions: ['users:read'] })
    await changeClient(
      worker.context(),
      'web',
      { scope: 'openid mqtt users:read users:write devices:read' },
      null,
    )
    const own = await tellingNoStatus(await ownToken('users:read'))
    const { body } = await exchange(own, {}, 'web')
    expect(claimsOf(body.access_token)).toMatchObject({
      aud: API,
      scope: 'users:read',
      act: { sub: 'web' },
    })
    const read = async () =>
      (
        await worker.request('/v1/users', {
          headers: { authorization: `Bearer ${body.access_token}` },
        })
      ).status
    expect(await read()).toBe(200)
    const wider = await exchange(own, { scope: 'users:read devices:read' }, 'web')
    expect(wider.body.error).toBe('invalid_scope')
    await changeClient(worker.context(), 'web', { scope: 'openid mqtt' }, null)
    expect(await read()).toBe(403)
    expect((await exchange(own, {}, 'web')).body.error).toBe('invalid_scope')
    await changeClient(worker.context(), 'web', { scope: 'users:read' }, null)
    await write(worker, sql`delete from "grant"`)
    expect(await read()).toBe(403)
    expect((await exchange(own, {}, 'web')).body.error).toBe('invalid_scope')
  })

  test('of a client acting for a client is nothing in the management API', async () => {
    await addGrant(worker, 'web', { name: 'helper', permissions: ['users:read'] })
    const headers = basic('web', secretOf('web'))
    const grant_type = 'client_credentials'
    const own = await token(worker, { grant_type, scope: 'users:read' }, headers)
    const refused = await exchange(own.body.access_token ?? '', {}, 'web')
    expect(refused.body.error).toBe('invalid_scope')
    const forged = await forge(own.body.access_token ?? '', { act: { sub: 'web' } })
    const answer = await worker.request('/v1/users', {
      headers: { authorization: `Bearer ${forged}` },
    })
    expect(answer.status).toBe(401)
  })

  const rule = (permission: string, action: string, topic: string) => ({
    permission,
    action,
    topic,
  })
  const aclOf = (answer: Answer) => claimsOf(answer.body.access_token).acl

  test('at mProxy is what the rules of both allow, and the denials of both', async () => {
    await addGrant(worker, 'ann', {
      name: 'resident',
      acl: [
        rule('deny', 'publish', 'home/boiler/#'),
        rule('allow', 'all', 'home/#'),
        rule('allow', 'subscribe', 'street/lamp'),
        rule('allow', 'publish', 'mine/+'),
      ],
    })
    const own = await tellingNoStatus(await ownToken('openid mqtt'))
    const alone = await exchange(own, { scope: 'mqtt' }, 'web')
    // A client without rights of its own adds none, and takes all.
    expect(claimsOf(alone.body.access_token)).toMatchObject({ aud: MQTT, acl: [] })
    await addGrant(worker, 'web', {
      name: 'voice',
      acl: [
        rule('deny', 'subscribe', 'home/cellar'),
        rule('allow', 'publish', 'home/+/set'),
        rule('allow', 'all', 'street/#'),
        rule('allow', 'publish', '+/a'),
      ],
    })
    expect(aclOf(await exchange(own, { scope: 'mqtt' }, 'web'))).toEqual([
      rule('deny', 'publish', 'home/boiler/#'),
      rule('deny', 'subscribe', 'home/cellar'),
      rule('allow', 'subscribe', 'street/lamp'),
      rule('allow', 'publish', 'home/+/set'),
    ])
    expect(aclOf(await exchange(own, { resource: MQTT }, 'web'))).toHaveLength(4)
  })

  test('at mProxy ends with the first grant of either', async () => {
    const acl = [rule('allow', 'all', 'home/#')]
    const end = worker.clock.now + 70
    await addGrant(worker, 'ann', { name: 'resident', acl })
    await addGrant(worker, 'web', { name: 'voice', acl, expires_at: end })
    const own = await ownToken('mqtt')
    expect((await exchange(own, {}, 'web')).body.expires_in).toBe(70)
  })

  test('with authorization_details is no more than they name', async () => {
    await addDevice(worker, 'lamp-1', { secret: 'x' })
    await addDevice(worker, 'lamp-2', { secret: 'y' })
    const acl = [rule('allow', 'publish', 'd/${device.id}/set')]
    await addGrant(worker, 'ann', { name: 'resident', permissions: ['device:command'], acl })
    const detail = { type: 'device', actions: ['device:command'], devices: ['lamp-1'], groups: [] }
    const own = await forge(await ownToken('mqtt'), { authorization_details: [detail] })
    await changeClient(worker.context(), 'web', { authorization_details_types: ['device'] }, null)
    // Neither in the rules nor in words, while the client holds nothing itself.
    const nothing = await exchange(own, {}, 'web')
    expect(claimsOf(nothing.body.access_token)).toMatchObject({
      acl: [],
      authorization_details: [],
    })
    await addGrant(worker, 'web', { name: 'resident' })
    const { body } = await exchange(own, {}, 'web')
    expect(claimsOf(body.access_token)).toMatchObject({
      acl: [rule('allow', 'publish', 'd/lamp-1/set')],
      authorization_details: [detail],
    })
    const wider = JSON.stringify([{ ...detail, devices: ['lamp-2'] }])
    const refused = await exchange(own, { authorization_details: wider }, 'web')
    expect(refused.body.error).toBe('invalid_authorization_details')
  })
})

describe('a subject token is refused', () => {
  const REFUSED: [string, (good: string) => Promise<[string, string?]>][] = [
    ['that is for another service', async (good) => [good, 'stranger']],
    ['that is for a service which the client may only call', async (good) => [good, 'web']],
    [
      'that is for the issuer, to another client than its own',
      async () => [(await signIn(worker, { scope: 'openid orders:read' })).access_token],
    ],
    [
      'that ran out',
      async (good) => {
        worker.clock.now += 601
        return [good]
      },
    ],
    ['that is no token', async () => ['nonsense']],
    [
      'that another issuer signed',
      async (good) => [await forge(good, { iss: 'https://evil.example' })],
    ],
    [
      'that is an ID token',
      async () => [(await signIn(worker, { scope: 'openid' })).id_token ?? ''],
    ],
    ['of the type of ID tokens', async (good) => [await forge(good, {}, 'JWT')]],
    ['that is a refresh token', async () => [(await subjectToken('orders:read')).refresh_token]],
    [
      'whose sign-in was revoked',
      async (good) => {
        await write(worker, sql`update authorization set revoked_at = 1`)
        return [good]
      },
    ],
    [
      'of a person who is disabled',
      async (good) => {
        await setStatus(worker, 'user', 'ann', 'disabled')
        return [good]
      },
    ],
    [
      'of a client that is disabled',
      async (good) => {
        await setStatus(worker, 'client', 'app', 'disabled')
        return [good]
      },
    ],
    [
      'bound to a key that the caller does not prove',
      async (good) => [await forge(good, { cnf: { jkt: 'k'.repeat(43) } })],
    ],
    [
      'bound to a certificate that the caller does not prove',
      async (good) => [await forge(good, { cnf: { 'x5t#S256': 'k'.repeat(43) } })],
    ],
    [
      'that another one alone may act for',
      async (good) => [await forge(good, { may_act: { sub: 'stock' } })],
    ],
    ['that names nobody who may act', async (good) => [await forge(good, { may_act: {} })]],
    [
      'of a device',
      async () => {
        await addDevice(worker, 'dim-1', { secret: 'of-dim-1' })
        const { body } = await token(
          worker,
          { grant_type: 'client_credentials' },
          basic('dim-1', 'of-dim-1'),
        )
        return [await forge(body.access_token ?? '', { aud: ORDERS })]
      },
    ],
    [
      'that was minted for a device',
      async () => {
        await addDevice(worker, 'dim-1', { secret: 'of-dim-1' })
        const { access_token } = await mintedFor('dim-1')
        return [await forge(access_token, { aud: ORDERS })]
      },
    ],
  ]
  const mintedFor = async (id: string) =>
    mintDeviceToken(worker.context(), id, { expires_in: 3600 }) as Promise<{ access_token: string }>

  test.each(REFUSED)('%s', async (_, make) => {
    const [jwt, by = 'orders'] = await make((await subjectToken()).access_token)
    const { status, body } = await exchange(jwt, {}, by)
    expect([status, body.error, body.error_description]).toEqual([
      400,
      'invalid_request',
      'the subject token cannot be used',
    ])
  })

  test.each([
    ['without a token', { subject_token: undefined }],
    ['without its type', { subject_token_type: undefined }],
    ['with the type of JWTs', { subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' }],
    [
      'with the type of ID tokens',
      { subject_token_type: 'urn:ietf:params:oauth:token-type:id_token' },
    ],
    ['with neither', { subject_token: undefined, subject_token_type: undefined }],
    ['with an actor’s type without its token', { actor_token_type: ACCESS }],
    ['with an actor’s token without its type', { actor_token: 'x' }],
  ])('%s', async (_, more) => {
    const { access_token } = await subjectToken()
    const { status, body } = await exchange(access_token, more)
    expect([status, body.error]).toEqual([400, 'invalid_request'])
  })

  test('bound to a key is good with the proof of that key, and stays bound', async () => {
    const [signer, thief] = [await makeSigner('ES256'), await makeSigner('ES256')]
    const { code } = await addCode(worker, { client_id: 'web', scope: 'openid profile' })
    const send = async (body: Record<string, string>, by: typeof signer | null) =>
      token(worker, body, {
        ...basic('web', secretOf('web')),
        ...(by === null ? {} : { DPoP: await dpopProof(worker, by) }),
      })
    const grant_type = 'authorization_code'
    const own = await send(
      { grant_type, code, redirect_uri: REDIRECT, code_verifier: VERIFIER },
      signer,
    )
    const { cnf } = claimsOf(own.body.access_token)
    const body = {
      grant_type: GRANT,
      subject_token: own.body.access_token ?? '',
      subject_token_type: ACCESS,
    }
    expect((await send(body, null)).body.error).toBe('invalid_request')
    expect((await send(body, thief)).body.error).toBe('invalid_request')
    const { body: exchanged } = await send(body, signer)
    expect(exchanged['token_type']).toBe('DPoP')
    expect(claimsOf(exchanged.access_token)).toMatchObject({ cnf, act: { sub: 'web' } })
  })

  test('may_act lets through the one it names', async () => {
    const { access_token } = await subjectToken()
    const named = await forge(access_token, { may_act: { sub: 'orders' } })
    expect((await exchange(named)).status).toBe(200)
  })
})

describe('a token that the client got itself', () => {
  const refused = { status: 400, body: { error: 'invalid_target' } }

  test('reaches no resource that the person did not allow, though the client is registered for it', async () => {
    await changeClient(worker.context(), 'web', { resources: [ORDERS, STOCK] }, null)
    const scope = 'openid profile'
    const plain = await ownToken(scope)
    expect(await exchange(plain, { resource: STOCK }, 'web')).toMatchObject(refused)
    // Nor by a second exchange.
    const first = await exchange(plain, { scope: 'openid' }, 'web')
    expect(first.status).toBe(200)
    const again = await exchange(first.body.access_token ?? '', { resource: STOCK }, 'web')
    expect(again).toMatchObject(refused)
  })

  test('reaches those that the person did allow', async () => {
    await changeClient(worker.context(), 'web', { resources: [ORDERS, STOCK] }, null)
    const { code } = await addCode(worker, {
      client_id: 'web',
      scope: 'openid profile',
      resource: [ORDERS, ISSUER],
    })
    const { body } = await token(
      worker,
      {
        grant_type: 'authorization_code',
        code,
        redirect_uri: REDIRECT,
        code_verifier: VERIFIER,
        resource: ISSUER,
      },
      basic('web', secretOf('web')),
    )
    const own = body.access_token ?? ''
    const orders = await exchange(own, { resource: ORDERS }, 'web')
    expect(claimsOf(orders.body.access_token)).toMatchObject({ aud: ORDERS, act: { sub: 'web' } })
    expect(await exchange(own, { resource: STOCK }, 'web')).toMatchObject(refused)
    expect(
      await exchange(orders.body.access_token ?? '', { resource: STOCK }, 'web'),
    ).toMatchObject(refused)
  })
})

describe('when one of the parties was disabled and enabled', () => {
  const clientOff = async (id: string) => {
    await changeClient(worker.context(), id, { status: 'disabled' }, null)
    await changeClient(worker.context(), id, { status: 'active' }, null)
  }
  const isActive = async (jwt: string, by: string) => (await introspect(jwt, by)).active
  const exchanged = async (...how: Parameters<typeof exchange>) =>
    (await exchange(...how)).body.access_token ?? ''

  test.each([['orders'], ['stock']])(
    '(%s), the tokens of the exchange stay dead, and new ones are good',
    async (id) => {
      const chain = async () => {
        const { access_token } = await subjectToken('openid orders:read')
        const first = await exchanged(access_token, { resource: STOCK })
        const second = await exchanged(first, { resource: STOCK }, 'stock')
        return { first, second }
      }
      const before = await chain()
      const isGood = async ({ first, second }: typeof before) => [
        await isActive(first, 'orders'),
        await isActive(second, 'stock'),
      ]
      expect(await isGood(before)).toEqual([true, true])
      const lists = async ({ first, second }: typeof before) => [
        await statusOf(worker, first),
        await statusOf(worker, second),
      ]
      await clientOff(id)
      // They have one entry, that of the sign-in, which goes on with another one.
      expect(await isGood(before)).toEqual([false, false])
      expect(await lists(before)).toEqual([3, 3])
      expect((await exchange(before.first, { resource: STOCK }, 'stock')).status).toBe(400)
      const after = await chain()
      expect(await isGood(after)).toEqual([true, true])
      expect(await lists(after)).toEqual([0, 0])
      await clientOff(id)
      expect(await isGood(after)).toEqual([false, false])
    },
  )

  test('(the person), they stay dead too', async () => {
    const { access_token } = await subjectToken('openid orders:read')
    const first = await exchanged(access_token)
    await changeUser(worker.context(), 'ann', { status: 'disabled' }, null)
    await changeUser(worker.context(), 'ann', { status: 'active' }, null)
    expect(await isActive(first, 'orders')).toBe(false)
  })

  test('(a client that got the subject token for itself, or a person who acts), they stay dead too', async () => {
    const own = async () =>
      (
        await token(
          worker,
          { grant_type: 'client_credentials', scope: 'orders:read', resource: ORDERS },
          basic('orders', secretOf('orders')),
        )
      ).body.access_token ?? ''
    await clientOff('stock')
    const first = await exchanged(await own(), { scope: 'orders:read' })
    expect(await isActive(first, 'orders')).toBe(true)
    await clientOff('orders')
    expect(await isActive(first, 'orders')).toBe(false)
    expect(await isActive(await exchanged(await own(), { scope: 'orders:read' }), 'orders')).toBe(
      true,
    )
    await addUser(worker, 'bob')
    const acting = { actor_token: await ownToken('openid', 'bob'), actor_token_type: ACCESS }
    const second = await exchanged(await ownToken('openid'), acting, 'web')
    expect(await isActive(second, 'web')).toBe(true)
    await changeUser(worker.context(), 'bob', { status: 'disabled' }, null)
    await changeUser(worker.context(), 'bob', { status: 'active' }, null)
    expect(await isActive(second, 'web')).toBe(false)
  })
})

describe('the actor', () => {
  const credentials = async (by: string) =>
    (
      await token(
        worker,
        { grant_type: 'client_credentials', resource: ORDERS },
        basic(by, secretOf(by)),
      )
    ).body.access_token ?? ''
  const acted = (actor_token: string) => ({ actor_token, actor_token_type: ACCESS })

  test('may be the client itself, by a token of its own', async () => {
    const { access_token } = await subjectToken()
    const { body } = await exchange(access_token, acted(await credentials('orders')))
    expect(claimsOf(body.access_token)).toMatchObject({ sub: 'ann', act: { sub: 'orders' } })
  })

  test('may be a person who signed in to the client, whose rights then bound the token too', async () => {
    await addUser(worker, 'bob')
    const acl = [{ permission: 'allow', action: 'all', topic: 'home/#' }]
    await addGrant(worker, 'ann', { name: 'resident', permissions: ['users:read'], acl })
    await addGrant(worker, 'web', { name: 'resident' })
    const bob = await ownToken('openid mqtt', 'bob')
    const first = await exchange(await ownToken('openid mqtt profile'), acted(bob), 'web')
    expect(claimsOf(first.body.access_token)).toMatchObject({
      sub: 'ann',
      scope: 'openid mqtt',
      acl: [],
      act: { sub: 'bob' },
    })
    const managing = acted(await ownToken('users:read', 'bob').catch(() => bob))
    const refused = await exchange(await ownToken('users:read'), managing, 'web')
    expect(refused.status).toBe(400)
    await addGrant(worker, 'bob', { name: 'resident' })
    const second = await exchange(await ownToken('mqtt'), acted(bob), 'web')
    expect(claimsOf(second.body.access_token).acl).toEqual(acl)
    const third = await exchange(
      await ownToken('users:read'),
      acted(await ownToken('users:read', 'bob')),
      'web',
    )
    expect(claimsOf(third.body.access_token)).toMatchObject({ aud: API, scope: 'users:read' })
    await setStatus(worker, 'user', 'bob', 'disabled')
    expect(await introspect(second.body.access_token ?? '', 'web')).toEqual({ active: false })
  })

  test('who is a person and lost a role has lost it in the management API at once', async () => {
    await addUser(worker, 'bob')
    await addGrant(worker, 'ann', { name: 'helper', permissions: ['users:read', 'users:write'] })
    await addGrant(worker, 'bob', { name: 'reader', permissions: ['users:read'] })
    const bob = await ownToken('users:read', 'bob')
    const first = await exchange(await ownToken('users:read'), acted(bob), 'web')
    const again = await exchange(first.body.access_token ?? '', {}, 'web')
    const read = async ({ body }: Answer) =>
      (
        await worker.request('/v1/users', {
          headers: { authorization: `Bearer ${body.access_token}` },
        })
      ).status
    const { value, roundTrips } = await countRoundTrips(worker, () => read(first))
    // One is the guard's.
    expect([value, roundTrips]).toEqual([200, 2])
    expect(await read(again)).toBe(200)
    await write(worker, sql`delete from "grant" where subject_id = 'bob'`)
    expect([await read(first), await read(again)]).toEqual([403, 403])
  })

  test('who is a person hands on no more than both hold', async () => {
    await addUser(worker, 'bob')
    await changeClient(worker.context(), 'web', { scope: 'openid access:write' }, null)
    await addGrant(worker, 'ann', { name: 'helper', permissions: ['access:write'] })
    await addGrant(worker, 'ann', { name: 'viewer', permissions: ['device:read'] })
    await addGrant(worker, 'bob', { name: 'keeper', permissions: ['access:write'] })
    const own = await ownToken('access:write')
    const { body } = await exchange(own, acted(await ownToken('access:write', 'bob')), 'web')
    const give = async (access_token: string | undefined) =>
      (
        await worker.request('/v1/grants', {
          method: 'POST',
          headers: { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' },
          body: JSON.stringify({ subject: 'bob', role: 'viewer', object: '*' }),
        })
      ).status
    expect([await give(body.access_token), await give(own)]).toEqual([403, 201])
  })

  test('who is a person bounds the token also when it is exchanged once more', async () => {
    await addUser(worker, 'bob')
    const rules = (topic: string) => [{ permission: 'allow', action: 'all', topic }]
    await addGrant(worker, 'ann', { name: 'resident', acl: rules('home/#') })
    await addGrant(worker, 'web', { name: 'resident' })
    await addGrant(worker, 'bob', { name: 'guest', acl: rules('home/hall') })
    const own = await ownToken('mqtt')
    const bounded = await exchange(own, acted(await ownToken('mqtt', 'bob')), 'web')
    expect(claimsOf(bounded.body.access_token).acl).toEqual(rules('home/hall'))
    const again = await exchange(bounded.body.access_token ?? '', {}, 'web')
    expect(claimsOf(again.body.access_token)).toMatchObject({
      acl: rules('home/hall'),
      act: { sub: 'web', act: { sub: 'bob' } },
    })
    // Ann's own rules alone still are what both hold now.
    expect(claimsOf((await exchange(own, {}, 'web')).body.access_token).acl).toEqual(
      rules('home/#'),
    )
  })

  test('who is a person reaches mProxy only by a token that does', async () => {
    await addUser(worker, 'bob')
    const bob = acted(await ownToken('openid', 'bob'))
    const { body } = await exchange(await ownToken('mqtt'), { ...bob, resource: MQTT }, 'web')
    expect(body.error).toBe('invalid_target')
  })

  test('who is a person bounds authorization_details too', async () => {
    await addUser(worker, 'bob')
    await addDevice(worker, 'lamp-1', { secret: 'x' })
    for (const who of ['ann', 'web', 'bob']) {
      const permissions = ['device:read', ...(who === 'bob' ? [] : ['device:command'])]
      await addGrant(worker, who, { name: `role-of-${who}`, permissions })
    }
    const detail = { type: 'device', devices: ['lamp-1'], groups: [] }
    const both = { ...detail, actions: ['device:command', 'device:read'] }
    const own = await forge(await ownToken('mqtt'), { authorization_details: [both] })
    const bob = await ownToken('mqtt', 'bob')
    const { body } = await exchange(own, acted(bob), 'web')
    expect(body.authorization_details).toEqual([{ ...detail, actions: ['device:read'] }])
  })

  test('who is a person and the subject each keep to the rules of their own', async () => {
    await addUser(worker, 'bob')
    const rules = (topic: string) => [{ permission: 'allow', action: 'all', topic }]
    await addGrant(worker, 'ann', { name: 'tenant', acl: rules('flat/${subject.id}/#') })
    await addGrant(worker, 'web', { name: 'voice', acl: rules('flat/#') })
    await addGrant(worker, 'bob', { name: 'porter', acl: rules('flat/#') })
    const bob = acted(await ownToken('mqtt', 'bob'))
    const { body } = await exchange(await ownToken('mqtt'), bob, 'web')
    expect(claimsOf(body.access_token).acl).toEqual(rules('flat/ann/#'))
  })

  test('who is a person takes no rule of details from the subject, and adds none', async () => {
    await addUser(worker, 'bob')
    await addDevice(worker, 'lamp-1', { secret: 'x' })
    const permissions = ['device:command']
    const denial = { permission: 'deny', action: 'subscribe', topic: 'd/secret' }
    const set = { permission: 'allow', action: 'publish', topic: 'd/${device.id}/set' }
    // Their rules name no device, so that of details alone neither would have any.
    const wide = [{ permission: 'allow', action: 'all', topic: 'd/#' }]
    await addGrant(worker, 'ann', { name: 'resident', permissions, acl: [denial, set] })
    await addGrant(worker, 'web', { name: 'voice', permissions, acl: wide })
    await addGrant(worker, 'bob', { name: 'porter', permissions, acl: wide })
    const detail = { type: 'device', actions: permissions, devices: ['lamp-1'], groups: [] }
    const own = await forge(await ownToken('mqtt'), { authorization_details: [detail] })
    const { body } = await exchange(own, acted(await ownToken('mqtt', 'bob')), 'web')
    expect(claimsOf(body.access_token)).toMatchObject({
      acl: [denial, { ...set, topic: 'd/lamp-1/set' }],
      authorization_details: [detail],
    })
  })

  test.each(['ann', 'bob'])('gives nothing of the management API that %s has lost', async (who) => {
    await addUser(worker, 'bob')
    const permissions = ['users:read', 'users:write']
    await addGrant(worker, 'ann', { name: 'helper', permissions })
    await addGrant(worker, 'bob', { name: 'helper' })
    const own = await ownToken('users:read users:write')
    const bob = acted(await ownToken('users:read users:write', 'bob'))
    const before = await exchange(own, bob, 'web')
    expect(claimsOf(before.body.access_token)).toMatchObject({ scope: 'users:read users:write' })
    await write(worker, sql`delete from "grant" where subject_id = ${who}`)
    await addGrant(worker, who, { name: 'reader', permissions: ['users:read'] })
    const after = await exchange(own, bob, 'web')
    expect(claimsOf(after.body.access_token)).toMatchObject({ scope: 'users:read' })
  })

  test('bounds the life of the token', async () => {
    const early = await credentials('orders')
    worker.clock.now += 300
    const { body } = await exchange((await subjectToken()).access_token, acted(early))
    expect(body.expires_in).toBe(300)
  })

  test.each<[string, () => Promise<string>]>([
    ['another client', () => credentials('web')],
    ['a person of another client', async () => (await subjectToken()).access_token],
    [
      'a device',
      async () => {
        await addDevice(worker, 'dim-1', { secret: 'of-dim-1' })
        const headers = basic('dim-1', 'of-dim-1')
        const { body } = await token(worker, { grant_type: 'client_credentials' }, headers)
        return forge(body.access_token ?? '', { client_id: 'orders' })
      },
    ],
    [
      'one who acts for somebody',
      async () => forge(await credentials('orders'), { act: { sub: 'orders' } }),
    ],
    [
      'a holder of a key that is not proven',
      async () => forge(await credentials('orders'), { cnf: { jkt: 'k'.repeat(43) } }),
    ],
    [
      'one whose token is narrowed to authorization_details',
      async () => forge(await credentials('orders'), { authorization_details: [] }),
    ],
    [
      'one whose token ran out',
      async () => forge(await credentials('orders'), { exp: worker.clock.now }),
    ],
    ['a stranger', async () => 'nonsense'],
  ])('cannot be %s', async (_, make) => {
    const { access_token } = await subjectToken()
    const { status, body } = await exchange(access_token, acted(await make()))
    expect([status, body.error, body.error_description]).toEqual([
      400,
      'invalid_request',
      'the actor token cannot be used',
    ])
  })
})

describe('the client', () => {
  test('has to prove itself, and to be registered for it', async () => {
    const { access_token } = await subjectToken()
    const body = { grant_type: GRANT, subject_token: access_token, subject_token_type: ACCESS }
    const wrong = await token(worker, body, basic('orders', 'wrong'))
    expect([wrong.status, wrong.body.error]).toEqual([401, 'invalid_client'])
    const unproven = await token(worker, { ...body, client_id: 'orders' })
    expect(unproven.body.error).toBe('invalid_client')
    const app = await token(worker, { ...body, client_id: 'app' })
    expect(app.body.error).toBe('unauthorized_client')
    // Not by a registration that was made otherwise either.
    await write(worker, sql`update client set grant_types = ${JSON.stringify([GRANT])}`)
    const open = await token(worker, { ...body, client_id: 'app' })
    expect(open.body.error).toBe('unauthorized_client')
    await addDevice(worker, 'dim-1', { secret: 'of-dim-1' })
    const device = await token(worker, body, basic('dim-1', 'of-dim-1'))
    expect(device.body.error).toBe('unauthorized_client')
  })

  test('cannot be a public one by registration', async () => {
    const made = addClient(worker, {
      client_id: 'open',
      token_endpoint_auth_method: 'none',
      grant_types: [GRANT],
      scope: 'x',
    })
    await expect(made).rejects.toMatchObject({
      errors: [{ pointer: '/token_endpoint_auth_method' }],
    })
  })

  test('with an assertion uses it up', async () => {
    const signer = await makeSigner('ES256')
    await addClient(worker, {
      client_id: 'signed',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [signer.jwk as never] },
      grant_types: [GRANT],
      scope: 'orders:read',
      serves: [ORDERS],
    })
    const { access_token } = await subjectToken()
    const used = await assertion(worker, signer, 'signed')
    const send = () =>
      token(worker, {
        grant_type: GRANT,
        subject_token: access_token,
        subject_token_type: ACCESS,
        ...asserted(used),
      })
    const answers = await Promise.all(Array.from({ length: 50 }, send))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ body }) => body.error === 'invalid_client')).toHaveLength(49)
  })

  test('names an audience once in every other grant', async () => {
    const answer = await token(
      worker,
      [
        ['grant_type', 'client_credentials'],
        ['audience', 'a'],
        ['audience', 'b'],
      ],
      basic('orders', secretOf('orders')),
    )
    expect(answer.body.error).toBe('invalid_request')
  })
})

describe('foreign clients', () => {
  test('oauth4webapi, strict, exchanges a token', async () => {
    const { access_token } = await subjectToken()
    const orders = foreignClient(worker, 'orders')
    const response = await oauth.genericTokenEndpointRequest(
      AS,
      orders,
      oauth.ClientSecretBasic(secretOf('orders')),
      GRANT,
      { subject_token: access_token, subject_token_type: ACCESS, resource: STOCK },
      foreign(worker) as oauth.TokenEndpointRequestOptions,
    )
    const tokens = await oauth.processGenericTokenEndpointResponse(AS, orders, response)
    expect(tokens).toMatchObject({ issued_token_type: ACCESS, token_type: 'bearer' })
    const request = new Request('https://stock.example/shelf', {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    })
    const claims = await oauth.validateJwtAccessToken(AS, request, STOCK, {
      ...foreign(worker),
      [oauth.clockSkew]: worker.clock.now - Math.floor(Date.now() / 1000),
    } as oauth.ValidateJWTAccessTokenOptions)
    expect(claims).toMatchObject({ sub: 'ann', client_id: 'orders', act: { sub: 'orders' } })
  })

  test('openid-client exchanges a token', async () => {
    const { access_token } = await subjectToken()
    const config = await client.discovery(
      new URL(ISSUER),
      'orders',
      undefined,
      client.ClientSecretPost(secretOf('orders')),
      {
        execute: [client.allowInsecureRequests],
        [client.customFetch]: async (url, init) => worker.request(url, init as RequestInit),
      },
    )
    await write(
      worker,
      sql`update client set token_endpoint_auth_method = 'client_secret_post' where id = 'orders'`,
    )
    const tokens = await client.genericGrantRequest(config, GRANT, {
      subject_token: access_token,
      subject_token_type: ACCESS,
    })
    expect(claimsOf(tokens.access_token).act).toEqual({ sub: 'orders' })
  })
})
