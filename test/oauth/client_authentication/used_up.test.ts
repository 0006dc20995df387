// Assertions and proofs are used up by the request that they came with, also when it is refused; but by nobody who
// did not prove to be the client, and not where the client could not know better (a nonce) or is not at fault (5xx).
import { beforeEach, describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import {
  addApp,
  addClient,
  addCode,
  addDevice,
  addGrant,
  asserted,
  assertion,
  basic,
  count,
  dpopProof,
  makeSigner,
  overtaken,
  type Parameters,
  post,
  REDIRECT,
  redeem,
  type Signer,
  startIssuer,
  token,
  VERIFIER,
} from '../token_fixtures.ts'

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code'
const SECRET = 's'.repeat(40)

let worker: TestWorker
let signer: Signer
let key: Signer

beforeEach(async () => {
  worker = await startIssuer()
  signer = await makeSigner('ES256')
  key = await makeSigner('ES256')
  const jwks = { keys: [signer.jwk as never] }
  const web = {
    token_endpoint_auth_method: 'private_key_jwt',
    jwks,
    redirect_uris: [REDIRECT],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials', EXCHANGE, DEVICE],
    scope: 'openid offline_access orders',
  } as const
  await addClient(worker, {
    ...web,
    client_id: 'web',
    grant_types: [...web.grant_types],
    redirect_uris: [REDIRECT],
  })
  await addClient(worker, {
    ...web,
    client_id: 'bound',
    grant_types: [...web.grant_types],
    redirect_uris: [REDIRECT],
    dpop_bound_access_tokens: true,
  })
  await addClient(worker, {
    client_id: 'job',
    client_secret: SECRET,
    grant_types: ['client_credentials'],
    scope: 'orders',
  })
  await addApp(worker)
  await addDevice(worker, 'dim-1', { jwk: signer.jwk })
})

const GOOD = { grant_type: 'client_credentials', scope: 'orders' }
const used = () => count(worker, sql`from used_assertion`)

type Refused = [string, string, Record<string, string>, string]

const REFUSED: Refused[] = [
  [
    'an unknown code',
    '/oauth/token',
    { grant_type: 'authorization_code', code: 'x', code_verifier: VERIFIER },
    'invalid_grant',
  ],
  [
    'an unknown refresh token',
    '/oauth/token',
    { grant_type: 'refresh_token', refresh_token: 'x' },
    'invalid_grant',
  ],
  [
    'an unknown device code',
    '/oauth/token',
    { grant_type: DEVICE, device_code: 'x' },
    'invalid_grant',
  ],
  [
    'a scope that it may not have',
    '/oauth/token',
    { ...GOOD, scope: 'users:read' },
    'invalid_scope',
  ],
  [
    'a resource that it may not name',
    '/oauth/token',
    { ...GOOD, resource: 'https://x.example/' },
    'invalid_target',
  ],
  [
    'an address that is not its own',
    '/oauth/par',
    { response_type: 'code', redirect_uri: 'https://x.example/' },
    'invalid_request',
  ],
  ['a request by reference', '/oauth/par', { request_uri: 'urn:x' }, 'invalid_request'],
  [
    'a scope that it may not show',
    '/oauth/device_authorization',
    { scope: 'users:read' },
    'invalid_scope',
  ],
]

const ask = (path: string, form: Parameters, headers = {}) => post(worker, path, form, headers)

describe('an assertion', () => {
  test.each(REFUSED)('is used up where %s is refused', async (_, path, form, error) => {
    const proof = asserted(await assertion(worker, signer, 'web'))
    const { value: first, roundTrips } = await countRoundTrips(worker, () =>
      ask(path, { ...form, ...proof }),
    )
    expect([first.body.error, roundTrips <= 2]).toEqual([error, true])
    expect(await used()).toBe(1)
    const second = await token(worker, { ...GOOD, ...proof })
    expect([second.status, second.body.error]).toEqual([401, 'invalid_client'])
    // That it was used before is all that such a request learns.
    expect((await ask(path, { ...form, ...proof })).body.error).toBe('invalid_client')
    expect(await used()).toBe(1)
  })

  test('is used up where the client is not registered for the grant', async () => {
    const jwks = { keys: [signer.jwk as never] }
    await addClient(worker, {
      client_id: 'few',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks,
      grant_types: ['client_credentials'],
      scope: 'orders',
    })
    const proof = asserted(await assertion(worker, signer, 'few'))
    const bad = { grant_type: 'refresh_token', refresh_token: 'x' }
    expect((await token(worker, { ...bad, ...proof })).body.error).toBe('unauthorized_client')
    expect((await token(worker, { ...GOOD, ...proof })).body.error).toBe('invalid_client')
  })

  test('is used up where the client sends no proof of a key, though it has to', async () => {
    const proof = asserted(await assertion(worker, signer, 'bound'))
    expect((await token(worker, { ...GOOD, ...proof })).body.error).toBe('invalid_dpop_proof')
    const dpop = { DPoP: await dpopProof(worker, key) }
    expect((await token(worker, { ...GOOD, ...proof }, dpop)).body.error).toBe('invalid_client')
  })

  test('of a device is used up where its wish is refused', async () => {
    const proof = asserted(await assertion(worker, signer, 'dim-1'))
    expect((await token(worker, { ...GOOD, ...proof })).body.error).toBe('invalid_scope')
    const form = { grant_type: 'client_credentials' }
    expect((await token(worker, { ...form, ...proof })).body.error).toBe('invalid_client')
    const pushed = asserted(await assertion(worker, signer, 'dim-1'))
    expect((await ask('/oauth/par', { response_type: 'code', ...pushed })).body.error).toBe(
      'unauthorized_client',
    )
    expect((await token(worker, { ...form, ...pushed })).body.error).toBe('invalid_client')
  })

  test('is used up by introspection and revocation of nothing', async () => {
    for (const path of ['/oauth/introspect', '/oauth/revoke']) {
      const proof = asserted(await assertion(worker, signer, 'web'))
      expect((await ask(path, { token: 'nothing', ...proof })).status).toBe(200)
      expect((await token(worker, { ...GOOD, ...proof })).body.error).toBe('invalid_client')
    }
  })

  test('that a stranger made up, or that is for others, burns no id and fills no table', async () => {
    const stranger = await makeSigner('ES256')
    const jti = 'the-id-of-the-victim'
    const bad = { grant_type: 'authorization_code', code: 'x', code_verifier: VERIFIER }
    const forged = await assertion(worker, stranger, 'web', { claims: { jti } })
    const foreign = await assertion(worker, signer, 'web', {
      claims: { jti, aud: 'https://x.example' },
    })
    const late = await assertion(worker, signer, 'web', {
      claims: { jti, exp: worker.clock.now - 1 },
    })
    for (const one of [forged, foreign, late]) {
      for (const form of [bad, GOOD]) {
        expect((await token(worker, { ...form, ...asserted(one) })).body.error).toBe(
          'invalid_client',
        )
      }
    }
    expect(await used()).toBe(0)
    const good = asserted(await assertion(worker, signer, 'web', { claims: { jti } }))
    expect((await token(worker, { ...GOOD, ...good })).status).toBe(200)
  })

  test('is not used up where the nonce of a proof is lacking', async () => {
    const proof = asserted(await assertion(worker, signer, 'bound'))
    const old = { DPoP: await dpopProof(worker, key, { claims: { nonce: undefined } }) }
    expect((await token(worker, { ...GOOD, ...proof }, old)).body.error).toBe('use_dpop_nonce')
    const dpop = { DPoP: await dpopProof(worker, key) }
    expect((await token(worker, { ...GOOD, ...proof }, dpop)).status).toBe(200)
  })

  test('is not used up where the server failed', async () => {
    const proof = asserted(await assertion(worker, signer, 'web'))
    const broken = overtaken(worker, () => Promise.reject(new Error('the database is gone')))
    expect((await token(broken, { ...GOOD, ...proof })).status).toBe(500)
    const bad = { grant_type: 'refresh_token', refresh_token: 'x' }
    expect((await token(broken, { ...bad, ...proof })).status).toBe(500)
    expect((await token(worker, { ...GOOD, ...proof })).status).toBe(200)
  })

  test('that was used before lets no other proof of the request be used up', async () => {
    const proof = asserted(await assertion(worker, signer, 'web'))
    expect((await token(worker, { ...GOOD, ...proof })).status).toBe(200)
    const before = await used()
    for (let i = 0; i < 3; i++) {
      const dpop = { DPoP: await dpopProof(worker, await makeSigner('ES256')) }
      expect((await token(worker, { ...GOOD, ...proof }, dpop)).body.error).toBe('invalid_client')
      const bad = { grant_type: 'refresh_token', refresh_token: 'x', ...proof }
      expect((await token(worker, bad, dpop)).body.error).toBe('invalid_client')
    }
    expect(await used()).toBe(before)
  })
})

describe('a DPoP proof', () => {
  const byJob = basic('job', SECRET)

  test('is used up with the request of a client that proved itself', async () => {
    const DPoP = await dpopProof(worker, key)
    const refused = { ...GOOD, scope: 'users:read' }
    expect((await token(worker, refused, { ...byJob, DPoP })).body.error).toBe('invalid_scope')
    const again = await token(worker, GOOD, { ...byJob, DPoP })
    expect([again.status, again.body.error]).toEqual([400, 'invalid_dpop_proof'])
    const pushing = { ...byJob, DPoP: await dpopProof(worker, key, { path: '/oauth/par' }) }
    expect((await ask('/oauth/par', { response_type: 'code' }, pushing)).status).toBe(400)
    expect((await ask('/oauth/par', { response_type: 'code' }, pushing)).body.error).toBe(
      'invalid_dpop_proof',
    )
  })

  test('of somebody who proved nothing is not: strangers fill no table', async () => {
    const DPoP = await dpopProof(worker, key)
    expect((await redeem(worker, 'no code', {}, { DPoP })).body.error).toBe('invalid_grant')
    const wrong = basic('job', 'w'.repeat(40))
    expect((await token(worker, GOOD, { ...wrong, DPoP })).body.error).toBe('invalid_client')
    expect(await used()).toBe(0)
    const { code } = await addCode(worker)
    expect((await redeem(worker, code, {}, { DPoP })).status).toBe(200)
    const { code: next } = await addCode(worker)
    expect((await redeem(worker, next, {}, { DPoP })).body.error).toBe('invalid_dpop_proof')
  })

  test('is used up where its token does not reach: userinfo and /v1', async () => {
    await addGrant(worker, 'ann', { name: 'operator' })
    const tokenFor = async (scope: string) => {
      const { code } = await addCode(worker, { scope })
      const { body } = await redeem(worker, code, {}, { DPoP: await dpopProof(worker, key) })
      return body.access_token ?? ''
    }
    const reach = async (path: string, access_token: string, DPoP: string) => {
      const headers = { Authorization: `DPoP ${access_token}`, DPoP }
      const answer = await worker.request(path, { headers })
      const { reason } = worker.log.at(-1)?.fields ?? {}
      return [answer.status, reason]
    }
    const mqtt = await tokenFor('profile')
    const info = await dpopProof(worker, key, {
      path: '/oauth/userinfo',
      method: 'GET',
      access_token: mqtt,
    })
    expect(await reach('/oauth/userinfo', mqtt, info)).toEqual([403, 'no_openid'])
    expect(await reach('/oauth/userinfo', mqtt, info)).toEqual([401, 'proof_replayed'])
    const users = await tokenFor('users:read')
    const call = await dpopProof(worker, key, {
      path: '/v1/devices',
      method: 'GET',
      access_token: users,
    })
    expect((await reach('/v1/devices', users, call))[0]).toBe(403)
    expect(await reach('/v1/devices', users, call)).toEqual([401, 'proof_replayed'])
  })
})
