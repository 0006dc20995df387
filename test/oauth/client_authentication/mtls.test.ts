// Certificates (RFC 8705): clients that prove themselves by one, and tokens that are worth nothing without it. Which
// certificate a connection has is entry's word; here it is given.

import * as oauth from 'oauth4webapi'
import { describe, expect, test } from 'vitest'
import type { ClientCertificate } from '../../../worker/context.ts'
import { encodeBase64url, sha256OfBytes } from '../../../worker/crypto.ts'
import { sql } from '../../../worker/db/sql.ts'
import type { ClientInput } from '../../../worker/oauth/clients/clients.ts'
import { createClient } from '../../../worker/oauth/clients/clients.ts'
import { ISSUER, startWorker, type TestWorker } from '../../context.ts'
import { reasonOf } from '../../support/log.ts'
import {
  AS,
  addApp,
  addClient,
  addCode,
  addDevice,
  basic,
  claimsOf,
  dpopProof,
  foreignClient,
  makeSigner,
  post,
  redeem,
  refresh,
  type Signer,
  startIssuer,
  token,
  write,
} from '../token_fixtures.ts'

const MTLS = { MTLS: 'cloudflare' }
const own = { grant_type: 'client_credentials', client_id: 'job' }
const JOB: ClientInput = { client_id: 'job', grant_types: ['client_credentials'], scope: 'orders' }

const CERTIFICATE: ClientCertificate = {
  thumbprint: 'A'.repeat(43),
  subject_dn: 'CN=job,O=Example\\, Inc.,C=DE',
  san_dns: ['job.example', 'www.job.example'],
  san_uri: ['urn:example:job'],
  san_ip: ['192.0.2.1', '2001:db8::1'],
  san_email: ['job@example.com'],
  spki: null,
  issuer: null,
  der: null,
  verified: true,
}

const by = (certificate: Partial<ClientCertificate> | null): Record<string, string> =>
  certificate === null
    ? {}
    : { 'x-test-certificate': JSON.stringify({ ...CERTIFICATE, ...certificate }) }

const ask = (worker: TestWorker, certificate: Partial<ClientCertificate> | null, more = {}) =>
  token(worker, { ...own, ...more }, by(certificate))

async function spkiOf({ jwk, alg }: Signer): Promise<string> {
  const algorithm = {
    ES256: { name: 'ECDSA', namedCurve: 'P-256' },
    EdDSA: { name: 'Ed25519' },
    RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  }[alg]
  const key = await crypto.subtle.importKey('jwk', jwk, algorithm as never, true, ['verify'])
  return encodeBase64url(
    new Uint8Array((await crypto.subtle.exportKey('spki', key)) as ArrayBuffer),
  )
}

describe('tls_client_auth', () => {
  test.each<[string, string]>([
    ['subject_dn', 'CN=job,O=Example\\, Inc.,C=DE'],
    ['san_dns', 'www.job.example'],
    ['san_uri', 'urn:example:job'],
    ['san_ip', '2001:db8::1'],
    ['san_email', 'job@example.com'],
  ])('goes by the %s %s and by no other name', async (member, value) => {
    const worker = await startIssuer(MTLS)
    const name = `tls_client_auth_${member}`
    await addClient(worker, {
      ...JOB,
      token_endpoint_auth_method: 'tls_client_auth',
      [name]: value,
    })
    expect((await ask(worker, {})).status).toBe(200)
    const other = member === 'subject_dn' ? `${value},X=y` : [`${value}x`, value.toUpperCase(), '']
    expect((await ask(worker, { [member]: other })).status).toBe(401)
    expect(reasonOf(worker)).toBe('other_certificate_name')
    const elsewhere = { subject_dn: value, san_dns: [value], san_uri: [value], [member]: [] }
    expect((await ask(worker, elsewhere)).status).toBe(401)
  })

  test('needs a certificate, and a chain that was verified', async () => {
    const worker = await startIssuer(MTLS)
    await addClient(worker, {
      ...JOB,
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_san_dns: 'job.example',
    })
    const refusals = { no_certificate: null, chain_not_verified: { verified: false } }
    for (const [reason, certificate] of Object.entries(refusals)) {
      const { status, body } = await ask(worker, certificate)
      expect([status, body.error, reasonOf(worker)]).toEqual([401, 'invalid_client', reason])
    }
    const secret = await token(worker, own, { ...basic('job', 'x'), ...by({}) })
    expect(secret.body.error).toBe('invalid_client')
    const both = await ask(worker, {}, { client_secret: 'x' })
    expect(both.body.error).toBe('invalid_client')
  })

  test('a certificate opens no client that is registered otherwise, and no device', async () => {
    const worker = await startIssuer(MTLS)
    await addClient(worker, JOB)
    await addDevice(worker, 'dim-1', { secret: 'ads_x' })
    expect((await ask(worker, {})).body.error).toBe('invalid_client')
    const device = await ask(worker, { subject_dn: 'CN=dim-1' }, { client_id: 'dim-1' })
    expect(device.body.error).toBe('invalid_client')
  })

  test('a disabled client is refused', async () => {
    const worker = await startIssuer(MTLS)
    await addClient(worker, {
      ...JOB,
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_san_dns: 'job.example',
    })
    await write(worker, sql`update client set status = 'disabled' where id = 'job'`)
    expect((await ask(worker, {})).status).toBe(401)
  })
})

describe('self_signed_tls_client_auth', () => {
  const method = { token_endpoint_auth_method: 'self_signed_tls_client_auth' } as const

  test.each(['ES256', 'EdDSA', 'RS256'])('goes by a registered %s key', async (alg) => {
    const worker = await startIssuer(MTLS)
    const [signer, thief] = [await makeSigner(alg), await makeSigner(alg)]
    await addClient(worker, { ...JOB, ...method, jwks: { keys: [signer.jwk as never] } })
    const spki = await spkiOf(signer)
    expect((await ask(worker, { verified: false, spki })).status).toBe(200)
    for (const other of [await spkiOf(thief), '', null]) {
      expect((await ask(worker, { spki: other })).status).toBe(401)
    }
    expect((await ask(worker, null)).status).toBe(401)
    expect(reasonOf(worker)).toBe('no_certificate')
  })

  test('goes by the thumbprint or the certificate that the key names, and then not by the key', async () => {
    const worker = await startIssuer(MTLS)
    const signer = await makeSigner('ES256')
    const spki = await spkiOf(signer)
    const der = new TextEncoder().encode('a certificate')
    const ways = { 'x5t#S256': sha256OfBytes(der), x5c: [btoa('a certificate')] }
    for (const [member, value] of Object.entries(ways)) {
      const client_id = member === 'x5c' ? 'by-x5c' : 'by-x5t'
      const jwks = { keys: [{ ...signer.jwk, [member]: value } as never] }
      await addClient(worker, { ...JOB, ...method, client_id, jwks })
      const thumbprint = sha256OfBytes(der)
      expect((await ask(worker, { thumbprint }, { client_id })).status).toBe(200)
      expect((await ask(worker, { spki }, { client_id })).status).toBe(401)
    }
  })

  test('takes keys from jwks_uri', async () => {
    const signer = await makeSigner('ES256')
    const jwks_uri = 'https://rp.example/jwks'
    const outside = { [jwks_uri]: () => Response.json({ keys: [signer.jwk] }) }
    const worker = await startWorker(MTLS, { outside })
    await addClient(worker, { ...JOB, ...method, jwks_uri })
    expect((await ask(worker, { spki: await spkiOf(signer) })).status).toBe(200)
  })
})

describe('a token bound to a certificate', () => {
  const bound = { tls_client_certificate_bound_access_tokens: true }

  test('a strict foreign client gets one, and it opens /v1 with that certificate alone', async () => {
    const worker = await startIssuer(MTLS)
    await addClient(worker, {
      ...JOB,
      ...bound,
      scope: 'keys:read',
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_subject_dn: CERTIFICATE.subject_dn,
    })
    const client = foreignClient(worker, 'job')
    const answer = await oauth.clientCredentialsGrantRequest(
      AS,
      client,
      oauth.TlsClientAuth(),
      {},
      {
        [oauth.allowInsecureRequests]: true,
        [oauth.customFetch]: async (url, init) => {
          const headers = { ...init.headers, ...by({}) }
          return worker.request(url, { ...init, headers } as RequestInit)
        },
      },
    )
    const result = await oauth.processClientCredentialsResponse(AS, client, answer)
    expect(result.token_type).toBe('bearer')
    const { cnf } = claimsOf(result.access_token)
    expect(cnf).toEqual({ 'x5t#S256': CERTIFICATE.thumbprint })
    const open = async (certificate: Partial<ClientCertificate> | null, scheme = 'Bearer') => {
      const headers = { Authorization: `${scheme} ${result.access_token}`, ...by(certificate) }
      return (await worker.request('/v1/keys', { headers })).status
    }
    expect(await open({})).toBe(200)
    expect(await open({ thumbprint: 'B'.repeat(43) })).toBe(401)
    expect(reasonOf(worker)).toBe('other_certificate')
    expect(await open(null)).toBe(401)
    expect(await open({}, 'DPoP')).toBe(401)
    const look = await post(
      worker,
      '/oauth/introspect',
      { token: result.access_token, client_id: 'job' },
      by({}),
    )
    expect(look.body).toMatchObject({ active: true, token_type: 'Bearer', cnf })
  })

  test('is not issued without a certificate, nor bound to something else', async () => {
    const worker = await startIssuer(MTLS)
    const secret = await addClient(worker, { ...JOB, ...bound })
    const grant = { grant_type: 'client_credentials' }
    const bare = await token(worker, grant, basic('job', secret))
    expect([bare.status, bare.body.error, reasonOf(worker)]).toEqual([
      400,
      'invalid_request',
      'no_certificate',
    ])
    const DPoP = await dpopProof(worker, await makeSigner('ES256'))
    const proven = await token(worker, grant, { ...basic('job', secret), ...by({}), DPoP })
    expect(proven.body.error).toBe('invalid_dpop_proof')
    const good = await token(worker, grant, { ...basic('job', secret), ...by({}) })
    expect(good.status).toBe(200)
  })

  test('of a public client has a refresh token that is bound too, and kept; userinfo asks for the certificate', async () => {
    const worker = await startIssuer(MTLS)
    await addApp(worker, bound)
    const { code } = await addCode(worker)
    const { body } = await redeem(worker, code, {}, by({ verified: false }))
    const other = by({ thumbprint: 'B'.repeat(43) })
    const stolen = await refresh(worker, body.refresh_token ?? '', {}, other)
    expect(stolen.body.error).toBe('invalid_grant')
    const next = await refresh(worker, body.refresh_token ?? '', {}, by({}))
    expect([next.status, next.body.refresh_token]).toEqual([200, undefined])
    const Authorization = `Bearer ${next.body.access_token}`
    const info = async (headers: Record<string, string>) =>
      (await worker.request('/oauth/userinfo', { headers: { Authorization, ...headers } })).status
    expect([await info(by({})), await info(other), await info({})]).toEqual([200, 401, 401])
  })
})

describe('registration and metadata', () => {
  const refusal = (worker: TestWorker, input: ClientInput) =>
    createClient(worker.context(), { ...JOB, ...input }).then(
      () => null,
      (problem: { errors?: { pointer: string }[] }) => problem.errors?.map((one) => one.pointer),
    )

  test('a client cannot be registered for certificates where there are none', async () => {
    const worker = await startWorker()
    const faults = await refusal(worker, {
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_san_dns: 'job.example',
      tls_client_certificate_bound_access_tokens: true,
    })
    expect(faults).toEqual([
      '/token_endpoint_auth_method',
      '/tls_client_certificate_bound_access_tokens',
    ])
    await write(worker, sql`select 1`)
  })

  test('tls_client_auth needs exactly one name, self-signed a key, and a token has one binding', async () => {
    const worker = await startWorker(MTLS)
    const method = { token_endpoint_auth_method: 'tls_client_auth' } as const
    expect(await refusal(worker, method)).toEqual(['/token_endpoint_auth_method'])
    const two = { tls_client_auth_san_dns: 'a.example', tls_client_auth_san_uri: 'urn:a' }
    expect(await refusal(worker, { ...method, ...two })).toEqual(['/token_endpoint_auth_method'])
    expect(
      await refusal(worker, { token_endpoint_auth_method: 'self_signed_tls_client_auth' }),
    ).toEqual(['/jwks'])
    expect(
      await refusal(worker, {
        dpop_bound_access_tokens: true,
        tls_client_certificate_bound_access_tokens: true,
      }),
    ).toEqual(['/dpop_bound_access_tokens'])
  })

  const HEADER = { TRUSTED_PROXY: 'loopback', CLIENT_CERTIFICATE_HEADER: 'Client-Cert' }
  test.each<[string, Record<string, string>, string[]]>([
    ['nothing is set', {}, []],
    ['Cloudflare ends TLS', MTLS, ['tls_client_auth', 'self_signed_tls_client_auth']],
    ['a proxy tells no verification', HEADER, ['self_signed_tls_client_auth']],
    [
      'a proxy tells whether it verified',
      { ...HEADER, CLIENT_CERTIFICATE_VERIFIED_HEADER: 'X-Verified' },
      ['tls_client_auth', 'self_signed_tls_client_auth'],
    ],
  ])('where %s the metadata name just these methods: %j %j', async (_, env, expected) => {
    const worker = await startWorker(env)
    const body = (await (
      await worker.request(`${ISSUER}/.well-known/openid-configuration`)
    ).json()) as Record<string, unknown>
    for (const endpoint of ['token', 'introspection', 'revocation']) {
      const methods = body[`${endpoint}_endpoint_auth_methods_supported`] as string[]
      expect(methods.filter((one) => one.includes('tls'))).toEqual(expected)
    }
    const announced = body['tls_client_certificate_bound_access_tokens']
    expect(announced).toBe(expected.length > 0 ? true : undefined)
  })
})
