// Certificates that this server makes for devices, upon requests that their keys signed.
import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import type { Context } from '../../worker/context.ts'
import { UnsealError } from '../../worker/crypto.ts'
import { sql } from '../../worker/db/sql.ts'
import { issueCertificate } from '../../worker/devices/certificates/issuer.ts'
import { type Certificate, certificatesOfPem, isSignedBy } from '../../worker/keys/certificate.ts'
import { reseal } from '../../worker/keys/resealing.ts'
import type { TestWorker } from '../context.ts'

type SecretKey = Context['config']['secret_keys'][number]

import { asserted, assertion, makeSigner } from '../oauth/token_fixtures.ts'
import {
  connectionBy,
  KINDS_OF_SIGNERS,
  keyUsage,
  makeAuthority,
  makePair,
  makeRequest,
  nameOf,
  pemOfKey,
} from '../support/certificates.ts'
import { PEM_KEYS } from '../support/pem_keys.ts'
import { ask, startWithDevice } from './x509_device.ts'

const ISSUER = '/v1/device-issuer'
const CERTIFICATE = '/v1/devices/dev-1/certificate'
const LIST = '/v1/devices/dev-1/credentials'

const read = (pem: string): Certificate => {
  const found = certificatesOfPem(pem)
  const [one] = 'fault' in found ? [] : found
  if (one === undefined) throw new Error(`no certificate: ${pem}`)
  return one
}

/** A connection by a certificate that was issued. */
const connectionOf = (issued: { certificate: string; chain: string }) => {
  const one = read(issued.certificate)
  return connectionBy(one.der, read(issued.chain).subject_name)
}

async function startWithIssuer() {
  const { worker, api } = await startWithDevice()
  const { status, body } = await api('PUT', ISSUER, { name: 'Lamps' })
  expect(status).toBe(200)
  return { worker, api, issuer: read(body.certificate) }
}

type Issued = { certificate: string; chain: string; credential: Record<string, unknown> }

/** A request of a device itself, with the token that it has by this proof. */
async function ownRequest(
  worker: TestWorker,
  by: Record<string, string>,
  form: Record<string, string>,
  body: object,
) {
  const token = (await ask(worker, by, { ...form, scope: 'self' })).body.access_token
  const answer = await worker.request('/v1/self/certificate', {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...by },
    body: JSON.stringify(body),
  })
  return { status: answer.status, body: (await answer.json()) as Issued }
}

test('a request is answered by a certificate with which the device gets tokens', async () => {
  const { worker, api, issuer } = await startWithIssuer()
  const { status, body } = await api('POST', CERTIFICATE, { csr: await makeRequest() })
  expect(status).toBe(201)
  const made = read(body.certificate)
  const now = worker.clock.now
  expect(made).toMatchObject({
    common_name: 'dev-1',
    san_uri: ['urn:allauth:device:dev-1'],
    issuer: issuer.subject,
    is_ca: false,
    key_usage: 0x80,
    extended_usage: ['1.3.6.1.5.5.7.3.2'],
    not_after: now + 7_776_000,
  })
  expect(made.not_before).toBeLessThan(now)
  expect(made.serial.length).toBeGreaterThan(24)
  expect(await isSignedBy(made, issuer.spki)).toBe(true)
  expect(issuer).toMatchObject({ is_ca: true, key_usage: 0x04 })
  expect(body.credential).toMatchObject({
    kind: 'x509',
    expires_at: made.not_after,
    serial: made.serial,
  })
  const { body: token } = await ask(worker, connectionOf(body))
  expect(decodeJwt(token.access_token ?? '').sub).toBe('dev-1')
  expect(token.credential_expires_in).toBe(7_776_000)
  await api('DELETE', `${LIST}/${body.credential.id}`)
  expect((await ask(worker, connectionOf(body))).status).toBe(401)
})

test.each(['P-256', 'Ed25519', 'RSA'] as const)(
  'a request of OpenSSL with a %s key is answered',
  async (kind) => {
    const { worker, api } = await startWithIssuer()
    const { body } = await api('POST', CERTIFICATE, { csr: PEM_KEYS[kind].request })
    expect((await ask(worker, connectionOf(body))).status).toBe(200)
  },
)

test.each(KINDS_OF_SIGNERS)(
  'an issuer that operators bring signs with its %s key, and names those above',
  async (kind) => {
    const { worker, api } = await startWithDevice()
    const root = await makeAuthority('P-256', { subject: nameOf('Root') })
    const own = await makeAuthority(
      kind,
      { subject: nameOf('Works'), issuer: nameOf('Root') },
      root.pair,
    )
    const certificate = own.pem + root.pem
    const private_key = await pemOfKey(own.pair)
    expect((await api('PUT', ISSUER, { certificate, private_key })).status).toBe(200)
    const { body } = await api('POST', CERTIFICATE, { csr: await makeRequest() })
    expect(await isSignedBy(read(body.certificate), new Uint8Array(own.pair.spki))).toBe(true)
    expect(body.chain).toBe(certificate)
    expect((await ask(worker, connectionOf(body))).status).toBe(200)
    expect(JSON.stringify((await api('GET', ISSUER)).body)).not.toContain('PRIVATE')
  },
)

test('what is no issuer, and what is no request, is refused with the member that is wrong', async () => {
  const { api } = await startWithIssuer()
  const [one, other] = [await makeAuthority(), await makeAuthority()]
  const leaf = await makeAuthority('P-256', { extensions: [keyUsage(0x80)] })
  const cases: [object, string][] = [
    [{ certificate: one.pem, private_key: await pemOfKey(other.pair) }, '/private_key'],
    [{ certificate: one.pem, private_key: 'x' }, '/private_key'],
    [{ certificate: leaf.pem, private_key: await pemOfKey(leaf.pair) }, '/certificate'],
    [{ certificate: one.pem + other.pem, private_key: await pemOfKey(one.pair) }, '/certificate'],
  ]
  for (const [body, pointer] of cases) {
    const answer = await api('PUT', ISSUER, body)
    expect([answer.status, answer.body.errors?.[0]?.pointer]).toEqual([400, pointer])
  }
  const csr = await makeRequest()
  for (const bad of [
    '',
    PEM_KEYS.Ed25519.key,
    PEM_KEYS.Ed25519.certificate,
    csr.replace('MI', 'MA'),
    await makeRequest(await makePair(), await makePair()),
  ]) {
    const answer = await api('POST', CERTIFICATE, { csr: bad })
    expect([answer.status, answer.body.errors?.[0]?.pointer]).toEqual([400, '/csr'])
  }
  expect((await api('POST', '/v1/devices/none/certificate', { csr })).status).toBe(404)
  await api('PATCH', '/v1/device-types/meter', { credential_kinds: ['jwk'] })
  expect((await api('POST', CERTIFICATE, { csr })).status).toBe(409)
  expect((await api('DELETE', ISSUER)).status).toBe(204)
  expect((await api('POST', CERTIFICATE, { csr })).status).toBe(404)
  expect((await api('GET', ISSUER)).status).toBe(404)
})

test('a certificate ends with the issuer at the latest', async () => {
  const { worker, api } = await startWithDevice()
  const end = worker.clock.now + 500
  const own = await makeAuthority('P-256', { not_after: end })
  await api('PUT', ISSUER, { certificate: own.pem, private_key: await pemOfKey(own.pair) })
  const { body } = await api('POST', CERTIFICATE, { csr: await makeRequest() })
  expect(body.credential.expires_at).toBe(end)
  worker.clock.now = end
  expect((await api('POST', CERTIFICATE, { csr: await makeRequest() })).status).toBe(409)
})

test('the key of the issuer is sealed, bound to its place, and sealed anew with a new SECRET_KEY', async () => {
  const { worker, api } = await startWithIssuer()
  const [old] = worker.config.secret_keys
  const fresh: SecretKey = new Uint8Array(32).fill(7)
  if (old === undefined) throw new Error('there is no SECRET_KEY')
  const start = (...secret_keys: SecretKey[]): Context => ({
    ...worker.context(),
    config: { ...worker.config, secret_keys },
    memory: new Map(),
  })
  const [row] = await worker
    .context()
    .db.read(sql<{ value: string }>`select value from stored_secret where name = 'device_issuer'`)
  expect(row?.value).toMatch(/^v1\./)
  const before = start(fresh, old)
  await reseal(before)
  const csr = await makeRequest()
  await expect(issueCertificate(start(old), 'dev-1', { csr })).rejects.toThrow(UnsealError)
  const issued = await issueCertificate(start(fresh), 'dev-1', { csr })
  expect((await ask(worker, connectionOf(issued))).status).toBe(200)
  expect((await api('GET', LIST)).body.items).toHaveLength(1)
})

test('a device with a certificate renews it over that connection, and the one before ends after a while', async () => {
  const { worker, api } = await startWithIssuer()
  const first = (await api('POST', CERTIFICATE, { csr: await makeRequest() })).body
  const by = connectionOf(first)
  worker.clock.now += 1000
  const { status, body } = await ownRequest(worker, by, {}, { csr: await makeRequest() })
  expect(status).toBe(201)
  expect(body.credential.expires_at).toBe(worker.clock.now + 7_776_000)
  expect((await ask(worker, connectionOf(body))).status).toBe(200)
  expect((await ask(worker, by)).body.credential_expires_in).toBe(86_400)
  worker.clock.now += 86_400
  expect((await ask(worker, by)).status).toBe(401)
  expect((await ask(worker, connectionOf(body))).status).toBe(200)
})

test('a token alone gets no certificate: the device proves a key that it has', async () => {
  const { worker, api } = await startWithIssuer()
  const signer = await makeSigner('ES256')
  await api('POST', LIST, { kind: 'jwk', jwk: signer.jwk })
  const pair = await makePair()
  const csr = await makeRequest(pair)
  const form = async () => asserted(await assertion(worker, signer, 'dev-1'))
  const prove = async (claims: object, typ = 'device-rotation+jwt') =>
    assertion(worker, signer, 'dev-1', {
      claims: {
        aud: `${worker.config.issuer}/v1/self/certificate`,
        jkt: await thumbprint(pair),
        ...claims,
      },
      header: { typ },
    })
  const other = { aud: `${worker.config.issuer}/v1/self/rotate` }
  const strange = connectionBy(read((await makeAuthority()).pem).der)
  for (const body of [
    { csr },
    { csr, proof: 'x' },
    { csr, proof: await prove(other) },
    { csr, proof: await prove({ jkt: 'A'.repeat(43) }) },
    { csr, proof: await prove({}, 'jwt') },
    { csr: await makeRequest(), proof: await prove({}) },
  ]) {
    expect((await ownRequest(worker, strange, await form(), body)).status).toBe(403)
  }
  const right = await ownRequest(worker, {}, await form(), { csr, proof: await prove({}) })
  expect(right.status).toBe(201)
  expect((await ask(worker, connectionOf(right.body))).status).toBe(200)
  // As in a rotation, the key before goes after a while.
  worker.clock.now += 86_400
  expect((await ask(worker, {}, await form())).status).toBe(401)
})

test('an end that an operator has set passes to the next certificate', async () => {
  const { worker, api } = await startWithIssuer()
  const end = worker.clock.now + 5000
  const signer = await makeSigner('ES256')
  await api('POST', LIST, { kind: 'jwk', jwk: signer.jwk, expires_at: end })
  const pair = await makePair()
  const proof = await assertion(worker, signer, 'dev-1', {
    claims: { aud: `${worker.config.issuer}/v1/self/certificate`, jkt: await thumbprint(pair) },
    header: { typ: 'device-rotation+jwt' },
  })
  const form = asserted(await assertion(worker, signer, 'dev-1'))
  const first = await ownRequest(worker, {}, form, { csr: await makeRequest(pair), proof })
  expect([first.status, first.body.credential.expires_at]).toEqual([201, end])
})

test('a certificate that a device got upon one of an authority ends with that authority', async () => {
  const { worker, api } = await startWithIssuer()
  const authority = await makeAuthority()
  const { body: ca } = await api('POST', '/v1/device-cas', {
    name: 'works',
    certificate: authority.pem,
  })
  const birth = connectionBy(await authority.sign(await makePair()))
  const [first, second] = [
    await ownRequest(worker, birth, {}, { csr: await makeRequest() }),
    await ownRequest(worker, birth, {}, { csr: await makeRequest() }),
  ]
  expect([first.status, second.status]).toEqual([201, 201])
  expect(second.body.credential).toMatchObject({ ca: ca.id })
  // The first was never used: the device has lost it. That of the factory stays.
  expect((await ask(worker, connectionOf(first.body))).status).toBe(401)
  expect((await ask(worker, birth)).status).toBe(200)
  const by = connectionOf(second.body)
  expect((await ask(worker, by)).status).toBe(200)
  const renewed = await ownRequest(worker, by, {}, { csr: await makeRequest() })
  expect(renewed.body.credential).toMatchObject({ ca: ca.id })
  await api('PATCH', `/v1/device-cas/${ca.id}`, { enabled: false })
  for (const one of [birth, by, connectionOf(renewed.body)]) {
    expect((await ask(worker, one)).status).toBe(401)
  }
})

async function thumbprint({ keys }: { keys: CryptoKeyPair }): Promise<string> {
  const { crv, kty, x, y } = await crypto.subtle.exportKey('jwk', keys.publicKey)
  const text = new TextEncoder().encode(JSON.stringify({ crv, kty, x, y }))
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', text))
  return btoa(String.fromCharCode(...hash))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
