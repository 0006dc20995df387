// The client profile of the FAPI 2.0 Security Profile, at registration and at the token endpoint.

import { importJWK, type JWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { type ClientInput, createClient } from '../../worker/oauth/clients/clients.ts'
import { ISSUER, startWorker, type TestWorker } from '../context.ts'
import { reasonOf } from '../support/log.ts'
import {
  type AssertionOptions,
  addClient,
  addCode,
  asserted,
  assertion,
  basic,
  claimsOf,
  dpopProof,
  makeSigner,
  REDIRECT,
  redeem,
  refresh,
  type Signer,
  startIssuer,
  token,
  write,
} from './token_fixtures.ts'

const own = { grant_type: 'client_credentials' }

const BANK: ClientInput = {
  client_id: 'bank',
  profile: 'fapi2',
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  redirect_uris: [REDIRECT],
  scope: 'openid offline_access payments',
  token_endpoint_auth_method: 'private_key_jwt',
  dpop_bound_access_tokens: true,
  id_token_signed_response_alg: 'ES256',
}

const withKeys = (...signers: Signer[]): ClientInput => ({
  ...BANK,
  jwks: { keys: signers.map(({ jwk }) => jwk as never) },
})

async function ask(
  worker: TestWorker,
  signer: Signer,
  options: AssertionOptions = {},
  proofBy: Signer | null = signer,
) {
  const signed = asserted(await assertion(worker, signer, 'bank', options))
  const headers: Record<string, string> =
    proofBy === null ? {} : { DPoP: await dpopProof(worker, proofBy) }
  return token(worker, { ...own, scope: 'payments', ...signed }, headers)
}

describe('registration', () => {
  const faultsOf = (worker: TestWorker, input: ClientInput) =>
    createClient(worker.context(), { ...BANK, ...input }).then(
      () => [],
      (problem: { errors: { pointer: string }[] }) => problem.errors.map(({ pointer }) => pointer),
    )

  test('a client that keeps to the profile can be registered', async () => {
    const worker = await startWorker()
    expect(await faultsOf(worker, withKeys(await makeSigner('ES256')))).toEqual([])
  })

  test.each<[string, ClientInput, string[]]>([
    [
      'a secret',
      { token_endpoint_auth_method: 'client_secret_basic' },
      ['token_endpoint_auth_method'],
    ],
    [
      'no authentication',
      {
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code'],
      },
      ['token_endpoint_auth_method'],
    ],
    ['bearer tokens', { dpop_bound_access_tokens: false }, ['dpop_bound_access_tokens']],
    ['no PKCE', { require_pkce: false }, ['require_pkce']],
    [
      'a loopback address',
      {
        application_type: 'native',
        redirect_uris: [REDIRECT, 'http://127.0.0.1/cb'],
      },
      ['redirect_uris/1'],
    ],
    [
      'an address of its own scheme',
      {
        application_type: 'native',
        redirect_uris: ['com.example.app:/cb'],
      },
      ['redirect_uris/0'],
    ],
    [
      'RS256 assertions',
      { token_endpoint_auth_signing_alg: 'RS256' },
      ['token_endpoint_auth_signing_alg'],
    ],
    [
      'unsigned request objects',
      { request_object_signing_alg: 'none' },
      ['request_object_signing_alg'],
    ],
    [
      'RS256 answers',
      { authorization_signed_response_alg: 'RS256' },
      ['authorization_signed_response_alg'],
    ],
    [
      'RS256 ID tokens',
      { id_token_signed_response_alg: 'RS256' },
      ['id_token_signed_response_alg'],
    ],
  ])('a client cannot have the profile with %s', async (_, input, expected) => {
    const worker = await startWorker()
    const keys = withKeys(await makeSigner('ES256'))
    const faults = await faultsOf(worker, { ...keys, ...input })
    expect(faults).toEqual(expected.map((name) => `/${name}`))
  })
})

describe('at the token endpoint', () => {
  test.each(['PS256', 'ES256', 'EdDSA', 'Ed25519'])('assertion and proof by %s', async (alg) => {
    const worker = await startIssuer()
    const signer = await makeSigner(alg)
    await addClient(worker, withKeys(signer))
    const { status, body } = await ask(worker, signer)
    expect([status, body['token_type']]).toEqual([200, 'DPoP'])
  })

  test('RS256 is refused, for the assertion and for the proof', async () => {
    const worker = await startIssuer()
    const [rsa, ec] = [await makeSigner('RS256', 'r'), await makeSigner('ES256', 'e')]
    await addClient(worker, withKeys(rsa, ec))
    expect((await ask(worker, rsa, {}, ec)).body.error).toBe('invalid_client')
    expect(reasonOf(worker)).toBe('assertion_alg')
    expect((await ask(worker, ec, {}, rsa)).body.error).toBe('invalid_dpop_proof')
    expect(reasonOf(worker)).toBe('proof_alg')
    expect((await ask(worker, ec)).status).toBe(200)
  })

  const NOW = 1_800_000_000
  test.each<[string, AssertionOptions, number]>([
    ['the issuer alone', {}, 200],
    ['iat ten seconds ahead', { claims: { iat: NOW + 10 } }, 200],
    ['nbf ten seconds ahead', { claims: { nbf: NOW + 10 } }, 200],
    ['the issuer in a list', { claims: { aud: [ISSUER] } }, 401],
    ['the token endpoint', { claims: { aud: `${ISSUER}/oauth/token` } }, 401],
    ['both', { claims: { aud: [ISSUER, `${ISSUER}/oauth/token`] } }, 401],
    ['iat more than a minute ahead', { claims: { iat: NOW + 61 } }, 401],
    ['nbf more than a minute ahead', { claims: { nbf: NOW + 61 } }, 401],
  ])('an assertion with %s: %j gives %i', async (_, options, status) => {
    const worker = await startIssuer()
    const signer = await makeSigner('ES256')
    await addClient(worker, withKeys(signer))
    expect((await ask(worker, signer, options)).status).toBe(status)
  })

  test('a token is bound, whatever the row of the client says', async () => {
    const worker = await startIssuer()
    const signer = await makeSigner('ES256')
    await addClient(worker, withKeys(signer))
    expect((await ask(worker, signer, {}, null)).body.error).toBe('invalid_dpop_proof')
    await write(worker, sql`update client set members = ${'{"profile":"fapi2"}'} where id = 'bank'`)
    expect((await ask(worker, signer, {}, null)).body.error).toBe('invalid_dpop_proof')
    expect(reasonOf(worker)).toBe('no_proof')
  })

  test('a secret is refused, whatever the row of the client says', async () => {
    const worker = await startIssuer()
    const secret = await addClient(worker, {
      client_id: 'old',
      grant_types: ['client_credentials'],
      scope: 'payments',
    })
    await write(worker, sql`update client set members = ${'{"profile":"fapi2"}'} where id = 'old'`)
    const DPoP = await dpopProof(worker, await makeSigner('ES256'))
    const answer = await token(worker, own, { ...basic('old', secret), DPoP })
    expect([answer.body.error, reasonOf(worker)]).toEqual(['invalid_client', 'method_of_profile'])
  })

  test('a certificate serves for both: it proves the client and binds its tokens', async () => {
    const worker = await startIssuer({ MTLS: 'cloudflare' })
    await addClient(worker, {
      ...BANK,
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_san_dns: 'bank.example',
      dpop_bound_access_tokens: false,
      tls_client_certificate_bound_access_tokens: true,
    })
    const certificate = {
      thumbprint: 'A'.repeat(43),
      subject_dn: 'CN=bank',
      san_dns: ['bank.example'],
      verified: true,
    }
    const by = { 'x-test-certificate': JSON.stringify(certificate) }
    const parameters = { ...own, scope: 'payments', client_id: 'bank' }
    const { status, body } = await token(worker, parameters, by)
    expect([status, claimsOf(body.access_token)['cnf']]).toEqual([
      200,
      { 'x5t#S256': certificate.thumbprint },
    ])
    expect((await token(worker, parameters)).body.error).toBe('invalid_client')
  })

  test('refresh tokens do not rotate', async () => {
    const worker = await startIssuer()
    const signer = await makeSigner('ES256')
    await addClient(worker, withKeys(signer))
    const { code } = await addCode(worker, { client_id: 'bank' })
    const prove = async () => ({
      client_id: 'bank',
      ...asserted(await assertion(worker, signer, 'bank')),
    })
    const first = await redeem(worker, code, await prove(), {
      DPoP: await dpopProof(worker, signer),
    })
    const { refresh_token = '' } = first.body
    expect(first.status).toBe(200)
    for (let i = 0; i < 2; i++) {
      const DPoP = await dpopProof(worker, signer)
      const next = await refresh(worker, refresh_token, await prove(), { DPoP })
      expect([next.status, next.body['token_type'], next.body.refresh_token]).toEqual([
        200,
        'DPoP',
        undefined,
      ])
    }
  })
})

describe('at protected resources', () => {
  /** The same pair of keys for another algorithm: RSA keys serve RS256 and PS256 alike. */
  async function asAlgorithm(signer: Signer, alg: string): Promise<Signer> {
    const jwk = (await crypto.subtle.exportKey('jwk', signer.privateKey)) as JWK
    const { alg: _, key_ops: __, ...key } = jwk
    return { ...signer, alg, privateKey: (await importJWK(key, alg)) as CryptoKey }
  }

  test.each(['/oauth/userinfo', '/v1/keys', '/access/v1/evaluation'])(
    'a proof by RS256 is refused at %s, to clients of the profile alone',
    async (path) => {
      const worker = await startIssuer()
      const signer = await makeSigner('PS256')
      const method = path.startsWith('/access') ? 'POST' : 'GET'
      const scope = path === '/oauth/userinfo' ? 'openid' : 'keys:read access:read'
      await addClient(worker, { ...withKeys(signer), scope: 'openid keys:read access:read' })
      const signed = async () => asserted(await assertion(worker, signer, 'bank'))
      const DPoP = await dpopProof(worker, signer)
      const { code } = await addCode(worker, { client_id: 'bank', scope })
      const { body } =
        scope === 'openid'
          ? await redeem(worker, code, { ...(await signed()), client_id: 'bank' }, { DPoP })
          : await token(worker, { ...own, ...(await signed()), scope }, { DPoP })
      const { access_token = '' } = body
      const by = async (alg: string) => {
        const key = await asAlgorithm(signer, alg)
        const proof = await dpopProof(worker, key, { path, method, access_token })
        const headers = { Authorization: `DPoP ${access_token}`, DPoP: proof }
        return worker.request(path, { method, headers })
      }
      const refused = await by('RS256')
      expect([refused.status, reasonOf(worker)]).toEqual([401, 'proof_alg'])
      expect(refused.headers.get('www-authenticate')).toMatch(/^DPoP error="invalid_dpop_proof"/)
      expect((await by('PS256')).status).toBe(method === 'POST' ? 400 : 200)
      await write(worker, sql`update client set members = ${'{}'} where id = 'bank'`)
      if (method === 'GET') expect((await by('RS256')).status).toBe(200)
    },
  )
})
