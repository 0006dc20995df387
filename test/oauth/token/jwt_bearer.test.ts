// The jwt-bearer grant (RFC 7523 §2.1): the word of a configured issuer about a person, brought by a client.
import { SignJWT } from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { beforeEach, describe, expect, test } from 'vitest'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { allowed_scope } from '../../../worker/db/oauth_schema.ts'
import { insertInto, sql } from '../../../worker/db/sql.ts'
import { signJwt } from '../../../worker/keys/jwt.ts'
import { changeClient } from '../../../worker/oauth/clients/clients.ts'
import type { TrustedIssuer } from '../../../worker/settings.ts'
import { countRoundTrips, ISSUER, startWorker, type TestWorker } from '../../context.ts'
import { publishTerms } from '../../support/consents.ts'
import { WEAK_KEYS } from '../../support/weak_keys.ts'
import { rowsOf } from '../flow.ts'
import {
  AS,
  addClient,
  addDevice,
  addGrant,
  addUser,
  asserted,
  basic,
  claimsOf,
  assertion as clientAssertion,
  count,
  foreign,
  foreignClient,
  losingAnswers,
  makeSigner,
  overtaken,
  post,
  refresh,
  row,
  type Signer,
  setStatus,
  token,
  write,
} from '../token_fixtures.ts'

const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const PARTNER = 'https://partner.example'
const KEYS = 'https://partner.example/keys'
const SECRET = 's'.repeat(40)
const API = 'https://api.example/'

let worker: TestWorker
let partner: Signer
/** What the partner's key address answers, and how often it was asked. */
let keys: () => Response
let fetched: number

beforeEach(async () => {
  partner = await makeSigner('ES256', 'k1')
  fetched = 0
  keys = () => Response.json({ keys: [partner.jwk] })
  const answer = () => {
    fetched++
    return keys()
  }
  worker = await startWorker({}, { outside: { [KEYS]: answer } })
  await worker.request('/.well-known/jwks.json')
  await addUser(worker, 'ann')
  await addClient(worker, {
    client_id: 'portal',
    client_secret: SECRET,
    grant_types: [GRANT, 'refresh_token'],
    scope: 'openid profile offline_access mqtt users:read',
    resources: [API],
  })
  await trust({ jwks: { keys: [partner.jwk as never] } })
  await allow('openid', 'offline_access', 'mqtt')
})

async function trust(more: Partial<TrustedIssuer> = {}) {
  const issuer = { issuer: PARTNER, subject: 'email', ...more } as TrustedIssuer
  await changeSettings(worker.context(), { trusted_issuers: [issuer] })
}

const allow = (...scopes: string[]) =>
  write(
    worker,
    ...scopes.map((scope) =>
      insertInto(allowed_scope, {
        user_id: 'ann',
        client_id: 'portal',
        resource: '',
        scope,
        created_at: 1,
      }),
    ),
  )

type Given = { claims?: Record<string, unknown>; header?: Record<string, unknown>; by?: Signer }

/** An assertion about Ann; members given as undefined are left out. */
const say = ({ claims = {}, header = {}, by = partner }: Given = {}) => {
  const now = worker.clock.now
  const payload = {
    iss: PARTNER,
    sub: 'partner-user-7',
    aud: ISSUER,
    iat: now,
    exp: now + 300,
    jti: crypto.randomUUID(),
    email: 'Ann@Example.com',
    email_verified: true,
    ...claims,
  }
  return new SignJWT(JSON.parse(JSON.stringify(payload)))
    .setProtectedHeader({ alg: by.alg, kid: 'k1', ...header })
    .sign(by.privateKey, { crit: { x: true } })
}

const bring = async (
  assertion: string,
  more: Record<string, string | undefined> = {},
  at: Pick<TestWorker, 'request'> = worker,
) =>
  token(
    at,
    { grant_type: GRANT, assertion, scope: 'openid offline_access', ...more },
    basic('portal', SECRET),
  )

const DULL = [400, 'invalid_grant', 'the assertion cannot be used']
const told = ({ status, body }: Awaited<ReturnType<typeof bring>>) => [
  status,
  body.error,
  body.error_description,
]

describe('an assertion', () => {
  test('gives what the person allowed: access, refresh and ID token, and an authorization to revoke', async () => {
    const auth_time = worker.clock.now - 100
    const jwt = await say({ claims: { auth_time } })
    const { value, roundTrips } = await countRoundTrips(worker, () => bring(jwt))
    const { status, body, headers } = value
    expect([status, roundTrips]).toEqual([200, 2])
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body.scope).toBe('openid offline_access')
    expect(claimsOf(body.access_token)).toMatchObject({ sub: 'ann', client_id: 'portal' })
    expect(claimsOf(body.id_token)).toMatchObject({ sub: 'ann', aud: 'portal', auth_time, amr: [] })
    expect(await row(worker, sql`select * from authorization`)).toMatchObject({
      user_id: 'ann',
      client_id: 'portal',
      session_hash: null,
      offline: 1,
    })
    expect((await rowsOf(worker, 'event')).at(-1)).toMatchObject({
      type: 'authorization.created',
      actor_id: 'portal',
      subject_id: 'ann',
    })
    const headersOf = basic('portal', SECRET)
    const refreshed = await token(
      worker,
      { grant_type: 'refresh_token', refresh_token: body.refresh_token },
      headersOf,
    )
    expect(refreshed.status).toBe(200)
    await post(worker, '/oauth/revoke', { token: body.access_token }, headersOf)
    const state = await post(worker, '/oauth/introspect', { token: body.access_token }, headersOf)
    expect(state.body).toEqual({ active: false })
  })

  test('without the grant refresh_token gives none', async () => {
    await changeClient(worker.context(), 'portal', { grant_types: [GRANT] }, null)
    const { body } = await bring(await say(), { scope: 'mqtt' })
    expect(Object.keys(body).sort()).toEqual([
      'access_token',
      'expires_in',
      'mqtt_client_id_prefix',
      'scope',
      'token_type',
    ])
  })

  test('may name the person by our own id', async () => {
    await trust({ jwks: { keys: [partner.jwk as never] }, subject: 'sub' })
    const { body } = await bring(await say({ claims: { sub: 'ann', email: undefined } }))
    expect(claimsOf(body.access_token).sub).toBe('ann')
    // Then an address says nothing.
    expect(told(await bring(await say()))).toEqual(DULL)
  })

  test.each([
    ['the token endpoint', `${ISSUER}/oauth/token`],
    ['the issuer in a list', [ISSUER]],
    ['the issuer and its token endpoint', [ISSUER, `${ISSUER}/oauth/token`]],
  ])('may be for %s', async (_, aud) => {
    expect((await bring(await say({ claims: { aud } }))).status).toBe(200)
  })

  test('is for the audience that is configured, and then for no other', async () => {
    await trust({ jwks: { keys: [partner.jwk as never] }, audience: 'urn:us' })
    expect((await bring(await say({ claims: { aud: 'urn:us' } }))).status).toBe(200)
    expect(told(await bring(await say()))).toEqual(DULL)
  })

  test.each(['RS256', 'PS256', 'EdDSA', 'ES256'])('may be signed by %s', async (alg) => {
    const by = await makeSigner(alg, 'k1')
    await trust({ jwks: { keys: [by.jwk as never] } })
    expect((await bring(await say({ by }))).status).toBe(200)
  })

  test('is tried with each key that fits where it names none', async () => {
    const other = await makeSigner('ES256')
    const { kid: _, ...bare } = partner.jwk
    await trust({ jwks: { keys: [other.jwk, bare] as never } })
    expect((await bring(await say({ header: { kid: undefined } }))).status).toBe(200)
    const stranger = await makeSigner('ES256')
    const forged = await say({ by: stranger, header: { kid: undefined } })
    expect(told(await bring(forged))).toEqual(DULL)
  })

  test('is good once, also in two hundred parallel requests, by whichever client', async () => {
    await addClient(worker, {
      client_id: 'second',
      client_secret: SECRET,
      grant_types: [GRANT],
      scope: 'openid',
      first_party: true,
    })
    const jwt = await say()
    const answers = await Promise.all(Array.from({ length: 200 }, () => bring(jwt)))
    const good = answers.filter(({ status }) => status === 200).length
    const refused = answers.filter(({ body }) => body.error === 'invalid_grant').length
    // A machine that has much else to do may tell some to come again.
    const busy = answers.filter(({ status }) => status === 503).length
    console.log(`assertion: 200 parallel, ${good} success, ${refused} refused, ${busy} busy`)
    expect([good, refused + busy]).toEqual([1, 199])
    expect(await count(worker, sql`from authorization`)).toBe(1)
    expect(await count(worker, sql`from refresh_token`)).toBe(1)
    expect(told(await bring(jwt))).toEqual(DULL)
    const elsewhere = await token(
      worker,
      { grant_type: GRANT, assertion: jwt, scope: 'openid' },
      basic('second', SECRET),
    )
    expect(told(elsewhere)).toEqual(DULL)
  })

  test('about somebody who cannot sign in is used up too', async () => {
    const jwt = await say()
    await setStatus(worker, 'user', 'ann', 'disabled')
    expect(told(await bring(jwt))).toEqual(DULL)
    await setStatus(worker, 'user', 'ann', 'active')
    expect(told(await bring(jwt))).toEqual(DULL)
  })

  test('that is none is not used up: its id is free for a good one', async () => {
    const stranger = await makeSigner('ES256', 'k1')
    const claims = { jti: 'one-id' }
    expect(told(await bring(await say({ by: stranger, claims })))).toEqual(DULL)
    expect(
      told(await bring(await say({ claims: { ...claims, aud: 'https://x.example' } }))),
    ).toEqual(DULL)
    expect(await count(worker, sql`from used_assertion`)).toBe(0)
    expect((await bring(await say({ claims }))).status).toBe(200)
  })

  test('of a client is not used up while the keys of the issuer cannot be had', async () => {
    const signer = await makeSigner('ES256')
    await addClient(worker, {
      client_id: 'signed',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [signer.jwk as never] },
      grant_types: [GRANT],
      scope: 'openid',
      first_party: true,
    })
    await trust({ jwks_uri: KEYS })
    const own = asserted(await clientAssertion(worker, signer, 'signed'))
    const assertion = await say()
    const send = () => token(worker, { grant_type: GRANT, assertion, scope: 'openid', ...own })
    keys = () => new Response(null, { status: 500 })
    expect((await send()).status).toBe(503)
    keys = () => Response.json({ keys: [partner.jwk] })
    expect((await send()).status).toBe(200)
  })

  test('whose answer the database lost is no replay', async () => {
    const { status, body } = await bring(await say(), {}, losingAnswers(worker))
    expect(status).toBe(200)
    expect(await count(worker, sql`from authorization`)).toBe(1)
    expect(await count(worker, sql`from event where type = 'authorization.created'`)).toBe(1)
    expect(typeof body.refresh_token).toBe('string')
  })

  test('of a client whose own assertion was used before is not used up', async () => {
    const signer = await makeSigner('ES256')
    await addClient(worker, {
      client_id: 'signed',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [signer.jwk as never] },
      grant_types: [GRANT],
      scope: 'openid',
      first_party: true,
    })
    const send = async (assertion: string, own: string) =>
      token(worker, { grant_type: GRANT, assertion, scope: 'openid', ...asserted(own) })
    const [used, fresh] = [
      await clientAssertion(worker, signer, 'signed'),
      await clientAssertion(worker, signer, 'signed'),
    ]
    expect((await send(await say(), used)).status).toBe(200)
    const jwt = await say()
    expect((await send(jwt, used)).body.error).toBe('invalid_client')
    expect((await send(jwt, fresh)).status).toBe(200)
    expect(await count(worker, sql`from authorization`)).toBe(2)
  })
})

describe('refused alike, by dull words, is an assertion', () => {
  const now = () => worker.clock.now
  const REFUSED: [string, () => Promise<string>][] = [
    ['that is no JWT', async () => 'nonsense'],
    ['that is too long', async () => say({ claims: { more: 'x'.repeat(20_000) } })],
    ['of an unknown issuer', () => say({ claims: { iss: 'https://evil.example' } })],
    ['without issuer', () => say({ claims: { iss: undefined } })],
    ['signed by another key', async () => say({ by: await makeSigner('ES256') })],
    ['that names a key the issuer does not have', () => say({ header: { kid: 'k2' } })],
    [
      'that brings its own key',
      async () => {
        const by = await makeSigner('ES256')
        return say({ by, header: { jwk: by.jwk, jku: 'https://evil.example/keys', kid: 'k2' } })
      },
    ],
    [
      'by alg none',
      async () => {
        const [, payload] = (await say()).split('.')
        return `${btoa('{"alg":"none"}').replaceAll('=', '')}.${payload}.`
      },
    ],
    [
      'by an HMAC with the public key',
      async () => {
        const [, payload] = (await say()).split('.')
        const header = btoa('{"alg":"HS256","kid":"k1"}').replaceAll('=', '')
        const key = await crypto.subtle.importKey(
          'raw',
          new TextEncoder().encode(JSON.stringify(partner.jwk)),
          { name: 'HMAC', hash: 'SHA-256' },
          false,
          ['sign'],
        )
        const data = new TextEncoder().encode(`${header}.${payload}`)
        const signed = new Uint8Array(await crypto.subtle.sign('HMAC', key, data))
        const text = btoa(String.fromCharCode(...signed))
        return `${header}.${payload}.${text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`
      },
    ],
    ['for somebody else', () => say({ claims: { aud: 'https://other.example' } })],
    [
      'for somebody else as well',
      () => say({ claims: { aud: [ISSUER, 'https://other.example'] } }),
    ],
    ['for nobody', () => say({ claims: { aud: undefined } })],
    ['for an empty list', () => say({ claims: { aud: [] } })],
    ['for a resource of ours', () => say({ claims: { aud: `${ISSUER}/v1` } })],
    ['that has run out', () => say({ claims: { exp: now() } })],
    ['without end', () => say({ claims: { exp: undefined } })],
    ['that lives longer than an hour', () => say({ claims: { exp: now() + 3601 } })],
    ['whose end is no number', () => say({ claims: { exp: 'tomorrow' } })],
    ['not good yet', () => say({ claims: { nbf: now() + 60 } })],
    ['made in the future', () => say({ claims: { iat: now() + 60 } })],
    ['without id', () => say({ claims: { jti: undefined } })],
    ['with an empty id', () => say({ claims: { jti: '' } })],
    ['with an endless id', () => say({ claims: { jti: 'x'.repeat(256) } })],
    ['without subject', () => say({ claims: { sub: undefined } })],
    ['of the type of access tokens', () => say({ header: { typ: 'at+jwt' } })],
    ['of a type that is no text', () => say({ header: { typ: 1 } })],
    ['of the type null', () => say({ header: { typ: null } })],
    ['with a key id that is no text', () => say({ header: { kid: [1] } })],
    ['of the type of logout tokens', () => say({ header: { typ: 'logout+jwt' } })],
    ['with a header that must be understood', () => say({ header: { crit: ['x'], x: 1 } })],
    [
      'that another client may bring',
      async () => {
        await trust({ jwks: { keys: [partner.jwk as never] }, clients: ['other'] })
        return say()
      },
    ],
    [
      'by an algorithm that the issuer does not use',
      async () => {
        await trust({ jwks: { keys: [partner.jwk as never] }, algorithms: ['RS256'] })
        return say()
      },
    ],
    [
      'that is an ID token of our own',
      async () => {
        const claims = { ...claimsOf(await say()), iss: ISSUER }
        return (await signJwt(worker.context(), 'ES256', 'JWT', claims)).jwt
      },
    ],
  ]

  /** Genuine, and of no use. */
  const OF_NOBODY: typeof REFUSED = [
    [
      'about an address that the issuer did not verify',
      () => say({ claims: { email_verified: false } }),
    ],
    ['about an address verified in words', () => say({ claims: { email_verified: 'true' } })],
    ['about an address without a word on it', () => say({ claims: { email_verified: undefined } })],
    ['without address', () => say({ claims: { email: undefined } })],
    ['about an address with NUL', () => say({ claims: { email: 'ann@example.com\0' } })],
    ['about a list of addresses', () => say({ claims: { email: ['ann@example.com'] } })],
    ['about a stranger', () => say({ claims: { email: 'eve@example.com' } })],
    [
      'about an address that is not verified here',
      async () => {
        await write(worker, sql`update user set email_verified = 0`)
        return say()
      },
    ],
    [
      'about a person who is disabled',
      async () => {
        await setStatus(worker, 'user', 'ann', 'disabled')
        return say()
      },
    ],
    [
      'about a person who was deleted',
      async () => {
        await write(worker, sql`delete from user`)
        return say()
      },
    ],
  ]

  const expectDull = async (assertion: string, used: number) => {
    expect(told(await bring(assertion))).toEqual(DULL)
    expect(await count(worker, sql`from authorization`)).toBe(0)
    expect(await count(worker, sql`from used_assertion`)).toBe(used)
  }

  test.each(REFUSED)('%s', async (_, make) => expectDull(await make(), 0))
  test.each(OF_NOBODY)('%s, and used up', async (_, make) => expectDull(await make(), 1))

  test('of our own even where somebody wrote us into the settings', async () => {
    const own = { issuer: ISSUER, subject: 'email', jwks_uri: `${ISSUER}/.well-known/jwks.json` }
    await expect(
      changeSettings(worker.context(), { trusted_issuers: [own as TrustedIssuer] }),
    ).rejects.toMatchObject({ errors: [{ pointer: '/trusted_issuers' }] })
    const stored = JSON.stringify([{ ...own, jwks_uri: undefined, jwks: { keys: [partner.jwk] } }])
    await write(worker, sql`update setting set value = ${stored} where name = 'trusted_issuers'`)
    worker.memory.delete('settings')
    expect(told(await bring(await say({ claims: { iss: ISSUER } })))).toEqual(DULL)
  })

  test.each([
    ['the person is disabled', () => setStatus(worker, 'user', 'ann', 'disabled')],
    ['the person is deleted', () => write(worker, sql`delete from user`)],
    ['the client is disabled', () => setStatus(worker, 'client', 'portal', 'disabled')],
    ['what was allowed is withdrawn', () => write(worker, sql`delete from allowed_scope`)],
    [
      'it is allowed to another form of the client',
      () => write(worker, sql`update allowed_scope set client_digest = 'other'`),
    ],
  ])('when meanwhile %s', async (_, end) => {
    expect(told(await bring(await say(), {}, overtaken(worker, end)))).toEqual(DULL)
    expect(await count(worker, sql`from authorization`)).toBe(0)
    expect(await count(worker, sql`from refresh_token`)).toBe(0)
  })
})

describe('scopes', () => {
  test.each([
    ['that were not allowed before', { scope: 'openid profile' }, 'consent_required'],
    ['allowed for no resource, where one is named', { resource: API }, 'consent_required'],
    ['that the client is not registered for', { scope: 'openid email' }, 'invalid_scope'],
    ['none', { scope: '' }, 'invalid_scope'],
    ['with a resource of others', { resource: 'https://bank.example/' }, 'invalid_target'],
  ])('%s are refused, and the assertion is used up', async (_, more, error) => {
    const jwt = await say()
    const { value, roundTrips } = await countRoundTrips(worker, () => bring(jwt, more))
    expect([value.status, value.body.error, roundTrips]).toEqual([400, error, 2])
    await allow('profile')
    expect(told(await bring(jwt))).toEqual(DULL)
    expect(told(await bring(jwt, more))).toEqual(DULL)
    expect((await bring(await say())).status).toBe(200)
  })

  test('with authorization_details are refused before anybody looks at the assertion', async () => {
    const jwt = await say()
    const authorization_details = '[{"type":"device","actions":["x"],"devices":["y"]}]'
    const { status, body } = await bring(jwt, { authorization_details })
    expect([status, body.error]).toEqual([400, 'invalid_authorization_details'])
    expect((await bring(jwt)).status).toBe(200)
  })

  test('that nobody knows are left out, and one that the client may not have is named', async () => {
    const { body } = await bring(await say(), { scope: 'openid frobnicate' })
    expect(body.scope).toBe('openid')
    const known = await bring(await say(), { scope: 'openid email frobnicate' })
    expect(known.body).toMatchObject({
      error: 'invalid_scope',
      error_description: expect.stringMatching(/: email$/),
    })
    expect((await bring(await say(), { scope: 'frobnicate' })).body.error).toBe('invalid_scope')
  })

  test('that were allowed to the client with another key are refused', async () => {
    await changeClient(worker.context(), 'portal', { jwks: { keys: [partner.jwk as never] } }, null)
    expect((await bring(await say())).body.error).toBe('consent_required')
    await changeClient(worker.context(), 'portal', { jwks: null }, null)
    expect((await bring(await say())).status).toBe(200)
  })

  test('with a refresh token need that lasting access was allowed, named or not', async () => {
    await write(worker, sql`delete from allowed_scope where scope = 'offline_access'`)
    // Without openid the client gets a refresh token whatever it asks for.
    const jwt = await say()
    expect((await bring(jwt, { scope: 'mqtt' })).body.error).toBe('consent_required')
    expect(await count(worker, sql`from refresh_token`)).toBe(0)
    expect((await bring(await say(), { scope: 'openid' })).body.refresh_token).toBeUndefined()
    await allow('offline_access')
    const { body } = await bring(await say(), { scope: 'mqtt' })
    expect(body.refresh_token).toEqual(expect.any(String))
    const withdraw = () =>
      write(worker, sql`delete from allowed_scope where scope = 'offline_access'`)
    const late = await bring(await say(), { scope: 'mqtt' }, overtaken(worker, withdraw))
    expect(told(late)).toEqual(DULL)
    expect(await count(worker, sql`from refresh_token`)).toBe(1)
  })

  test('need no consent for a first-party client', async () => {
    await changeClient(worker.context(), 'portal', { first_party: true }, null)
    const { body } = await bring(await say(), { scope: 'openid profile', resource: API })
    expect(claimsOf(body.access_token)).toMatchObject({ aud: API })
  })

  test('of the management API are given as far as the person holds them', async () => {
    await changeClient(worker.context(), 'portal', { first_party: true }, null)
    const refused = await bring(await say(), { scope: 'users:read' })
    expect(refused.body.error).toBe('invalid_scope')
    await addGrant(worker, 'ann', { name: 'helper', permissions: ['users:read'] })
    const { body } = await bring(await say(), { scope: 'users:read' })
    expect(claimsOf(body.access_token)).toMatchObject({ aud: `${ISSUER}/v1`, scope: 'users:read' })
  })

  test('for devices bring the person’s rules', async () => {
    const acl = [{ permission: 'allow', action: 'publish', topic: 'home/#' }]
    await addGrant(worker, 'ann', { name: 'resident', acl })
    const { body } = await bring(await say(), { scope: 'mqtt' })
    expect(claimsOf(body.access_token)).toMatchObject({ aud: 'urn:allauth:mqtt', acl })
  })
})

describe('the keys of an issuer', () => {
  test('are fetched, and remembered for a minute', async () => {
    await trust({ jwks_uri: KEYS })
    for (let i = 0; i < 3; i++) expect((await bring(await say())).status).toBe(200)
    expect(fetched).toBe(1)
    // A key that was withdrawn is good for no longer than that.
    const old = partner
    partner = await makeSigner('ES256', 'k1')
    worker.clock.now += 60
    expect(told(await bring(await say({ by: old })))).toEqual(DULL)
    expect((await bring(await say())).status).toBe(200)
    expect(fetched).toBe(2)
  })

  test.each<[string, () => Response]>([
    ['not there', () => new Response('no', { status: 404 })],
    ['not JSON', () => new Response('<html>')],
    ['no key set', () => Response.json({ key: [] })],
    ['a set of no keys', () => Response.json({ keys: [null, 7, 'x'] })],
    ['moved', () => Response.redirect('https://evil.example/keys', 302)],
    ['too large', () => new Response(`{"keys":[],"x":"${'x'.repeat(70_000)}"}`)],
  ])('that are %s let nobody in, and use nothing up', async (_, answer) => {
    await trust({ jwks_uri: KEYS })
    const good = keys
    keys = answer
    const jwt = await say()
    const { status, body } = await bring(jwt)
    expect([status, body.error]).toEqual([503, 'temporarily_unavailable'])
    keys = good
    expect((await bring(jwt)).status).toBe(200)
  })

  test.each<[string, unknown]>([
    ['an empty set', []],
    ['a broken key', [{ kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', kid: 'k1' }]],
    ['a secret', [{ kty: 'oct', k: 'AAAA', kid: 'k1' }]],
    ['weak', WEAK_KEYS.map(([, jwk]) => ({ ...jwk, kid: 'k1' }))],
    ['nothing we know', [{}]],
  ])('that are %s let nobody in', async (_, set) => {
    await trust({ jwks_uri: KEYS })
    keys = () => Response.json({ keys: set })
    expect(told(await bring(await say()))).toEqual(DULL)
    expect(await count(worker, sql`from authorization`)).toBe(0)
  })

  test('are fetched again for a new key id, but not at the pace of made-up ones', async () => {
    await trust({ jwks_uri: KEYS })
    expect((await bring(await say())).status).toBe(200)
    const next = await makeSigner('ES256', 'k2')
    keys = () => Response.json({ keys: [partner.jwk, next.jwk] })
    for (let i = 0; i < 3; i++) {
      expect(told(await bring(await say({ header: { kid: `made-up-${i}` } })))).toEqual(DULL)
    }
    expect(fetched).toBe(1)
    worker.clock.now += 10
    expect((await bring(await say({ by: next, header: { kid: 'k2' } }))).status).toBe(200)
    expect(fetched).toBe(2)
  })

  test('count on for their minute while the address cannot be read, and no longer', async () => {
    await trust({ jwks_uri: KEYS })
    expect((await bring(await say())).status).toBe(200)
    keys = () => new Response('slow down', { status: 429 })
    worker.clock.now += 50
    expect(told(await bring(await say({ header: { kid: 'made-up' } })))).toEqual(DULL)
    expect((await bring(await say())).status).toBe(200)
    expect(fetched).toBe(2)
    worker.clock.now += 10
    expect((await bring(await say())).body.error).toBe('temporarily_unavailable')
  })

  test('are not fetched for callers that did not prove themselves, nor for issuers nobody configured', async () => {
    await trust({ jwks_uri: KEYS })
    const body = { grant_type: GRANT, assertion: await say(), scope: 'openid' }
    expect((await token(worker, body, basic('portal', 'wrong'))).status).toBe(401)
    const strange = await say({ claims: { iss: 'https://evil.example', jku: KEYS } })
    expect(told(await bring(strange))).toEqual(DULL)
    expect(fetched).toBe(0)
  })
})

describe('the client', () => {
  test('has to prove itself, and to be registered for the grant', async () => {
    await addClient(worker, {
      client_id: 'plain',
      client_secret: SECRET,
      grant_types: ['client_credentials'],
      scope: 'openid',
    })
    await addDevice(worker, 'dim-1', { secret: 'of-dim-1' })
    const body = { grant_type: GRANT, assertion: await say(), scope: 'openid' }
    const errorOf = async (more: object, headers: Record<string, string> = {}) =>
      (await token(worker, { ...body, ...more }, headers)).body.error
    expect(await errorOf({ client_id: 'portal' })).toBe('invalid_client')
    expect(await errorOf({}, basic('plain', SECRET))).toBe('unauthorized_client')
    expect(await errorOf({}, basic('dim-1', 'of-dim-1'))).toBe('unauthorized_client')
    expect(await errorOf({ assertion: undefined }, basic('portal', SECRET))).toBe('invalid_request')
    // Not by a registration that was made otherwise either.
    await write(
      worker,
      sql`update client set token_endpoint_auth_method = 'none' where id = 'portal'`,
    )
    expect(await errorOf({ client_id: 'portal' })).toBe('unauthorized_client')
    expect((await count(worker, sql`from authorization`)) as number).toBe(0)
  })

  test('cannot be a public one by registration', async () => {
    const made = addClient(worker, {
      client_id: 'open',
      token_endpoint_auth_method: 'none',
      grant_types: [GRANT],
      scope: 'openid',
    })
    await expect(made).rejects.toMatchObject({
      errors: [{ pointer: '/token_endpoint_auth_method' }],
    })
  })
})

describe('the setting', () => {
  const entry = { issuer: PARTNER, subject: 'email', jwks_uri: KEYS }
  const put = async (trusted_issuers: unknown) => {
    await addClient(worker, {
      client_id: `ops-${crypto.randomUUID()}`,
      client_secret: SECRET,
      grant_types: ['client_credentials'],
      scope: 'manage',
    })
    const [ops] = await worker
      .context()
      .db.read(sql<{ id: string }>`select id from client where id like 'ops-%'`)
    const { body } = await token(
      worker,
      { grant_type: 'client_credentials' },
      basic(ops?.id ?? '', SECRET),
    )
    const answer = await worker.request('/v1/settings', {
      method: 'PATCH',
      headers: {
        authorization: `Bearer ${body.access_token}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ trusted_issuers }),
    })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }

  test('is changed over the API, and by null back to nobody', async () => {
    const changed = await put([entry])
    expect([changed.status, changed.body['trusted_issuers']]).toEqual([200, [entry]])
    const events = await count(worker, sql`from event where type = 'settings.updated'`)
    expect((await put([{ jwks_uri: KEYS, subject: 'email', issuer: PARTNER }])).status).toBe(200)
    expect(await count(worker, sql`from event where type = 'settings.updated'`)).toBe(events)
    await changeSettings(worker.context(), { trusted_issuers: null })
    expect(told(await bring(await say()))).toEqual(DULL)
  })

  test.each<[string, unknown]>([
    ['without keys', [{ issuer: PARTNER, subject: 'email' }]],
    ['with keys twice', [{ ...entry, jwks: { keys: [{ kty: 'EC' }] } }]],
    [
      'with a private key',
      [{ issuer: PARTNER, subject: 'sub', jwks: { keys: [{ kty: 'EC', d: 'x' }] } }],
    ],
    [
      'with a shared secret',
      [{ issuer: PARTNER, subject: 'sub', jwks: { keys: [{ kty: 'oct', k: 'x' }] } }],
    ],
    ['with alg none', [{ ...entry, algorithms: ['none'] }]],
    ['with HS256', [{ ...entry, algorithms: ['HS256'] }]],
    ['with an address that is none', [{ ...entry, jwks_uri: 'file:///etc/passwd' }]],
    ['twice the same', [entry, entry]],
    ['with another way to name people', [{ ...entry, subject: 'phone' }]],
    ['of our own', [{ ...entry, issuer: ISSUER }]],
  ])('cannot have an issuer %s', async (_, value) => {
    expect((await put(value)).status).toBe(400)
  })
})

describe('a person who lacks something', () => {
  const LACKING = [
    400,
    'interaction_required',
    'the person has to sign in here and do something first',
  ]
  const authorizations = () => count(worker, sql`from authorization`)

  test('gets nothing by an assertion, whatever it is that lacks', async () => {
    await publishTerms(worker)
    const { value, roundTrips } = await countRoundTrips(worker, async () => bring(await say()))
    expect([told(value), roundTrips]).toEqual([LACKING, 2])
    await worker.context().db.write(sql`delete from consent`)
    await changeSettings(worker.context(), { required_profile_fields: ['birthdate'] })
    expect(told(await bring(await say()))).toEqual(LACKING)
    await changeSettings(worker.context(), { required_profile_fields: [] })
    await write(worker, sql`update user set must_change_password = 1, password = 'x'`)
    expect(told(await bring(await say()))).toEqual(LACKING)
    expect(await authorizations()).toBe(0)
    await write(worker, sql`update user set must_change_password = 0`)
    expect((await bring(await say())).status).toBe(200)
  })

  test('gets nothing where a second factor is demanded, which no assertion proves', async () => {
    await changeSettings(worker.context(), { require_factor: 'everybody' })
    expect(told(await bring(await say()))).toEqual(LACKING)
    await changeSettings(worker.context(), { require_factor: 'nobody' })
    const demand = { require_acr: 'urn:allauth:acr:mfa' } as const
    const meanwhile = overtaken(worker, async () => {
      await changeClient(worker.context(), 'portal', demand, null)
    })
    expect(told(await bring(await say(), {}, meanwhile))).toEqual(LACKING)
    expect(told(await bring(await say()))).toEqual(LACKING)
    expect(await authorizations()).toBe(0)
  })

  test('gets nothing either when a text is published while the assertion is judged', async () => {
    const assertion = await say()
    const answer = await bring(
      assertion,
      {},
      overtaken(worker, () => publishTerms(worker)),
    )
    expect(told(answer)).toEqual(LACKING)
    expect(await authorizations()).toBe(0)
  })
})

describe('foreign clients', () => {
  test('oauth4webapi, strict, brings an assertion', async () => {
    const portal = foreignClient(worker, 'portal')
    const response = await oauth.genericTokenEndpointRequest(
      AS,
      portal,
      oauth.ClientSecretBasic(SECRET),
      GRANT,
      { assertion: await say(), scope: 'openid offline_access' },
      foreign(worker) as oauth.TokenEndpointRequestOptions,
    )
    const tokens = await oauth.processGenericTokenEndpointResponse(AS, portal, response)
    expect(oauth.getValidatedIdTokenClaims(tokens)?.sub).toBe('ann')
    const kept = tokens.refresh_token ?? ''
    expect((await refresh(worker, kept, { client_id: 'portal' })).body.error).toBe('invalid_client')
  })

  test('openid-client brings an assertion', async () => {
    const config = await client.discovery(
      new URL(ISSUER),
      'portal',
      { [client.clockSkew]: worker.clock.now - Math.floor(Date.now() / 1000) },
      client.ClientSecretBasic(SECRET),
      {
        execute: [client.allowInsecureRequests],
        [client.customFetch]: async (url, init) => worker.request(url, init as RequestInit),
      },
    )
    expect(config.serverMetadata().grant_types_supported).toContain(GRANT)
    const tokens = await client.genericGrantRequest(config, GRANT, {
      assertion: await say(),
      scope: 'mqtt',
    })
    expect(tokens.token_type).toBe('bearer')
  })
})
