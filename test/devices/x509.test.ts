// Certificates as credentials of devices, by their thumbprint (RFC 8705 §2.2).
import { decodeJwt } from 'jose'
import { describe, expect, test } from 'vitest'
import { createDeviceType } from '../../worker/devices/device_types.ts'
import { startWorker } from '../context.ts'
import { API } from '../oauth/token_fixtures.ts'
import { statusOf } from '../status/status_reader.ts'
import {
  connectionBy,
  extension,
  makeCertificate,
  makePair,
  nameOf,
  pemOfCertificate,
} from '../support/certificates.ts'
import { deviceApi } from './device_api.ts'
import { ask, refusalOf, startWithDevice } from './x509_device.ts'

const LIST = '/v1/devices/dev-1/credentials'

const selfSigned = async (given = {}) => {
  const pair = await makePair()
  const der = await makeCertificate(pair, pair, { issuer: nameOf('dev-1'), ...given })
  return { pair, der, pem: pemOfCertificate(der), by: connectionBy(der, nameOf('dev-1')) }
}

test('a device gets tokens by a certificate that was registered in PEM, and by no other one', async () => {
  const { worker, api } = await startWithDevice()
  const [own, other] = [await selfSigned(), await selfSigned()]
  const made = await api('POST', LIST, { kind: 'x509', certificate: own.pem })
  expect([made.status, made.body]).toEqual([201, expect.objectContaining({ kind: 'x509' })])
  const { thumbprint } = JSON.parse(own.by['x-test-certificate'])
  expect(made.body).toMatchObject({ thumbprint, ca: null, expires_at: 4_000_000_000 })
  const { status, body } = await ask(worker, own.by)
  expect([status, decodeJwt(body.access_token ?? '').sub]).toEqual([200, 'dev-1'])
  expect(body.credential_expires_in).toBe(4_000_000_000 - worker.clock.now)
  expect(await refusalOf(worker, other.by)).toEqual([
    401,
    'invalid_client',
    'certificate_not_registered',
  ])
  expect(await refusalOf(worker, {})).toEqual([401, 'invalid_client', 'device_without_proof'])
  await worker.settled()
  const [listed] = (await api('GET', LIST)).body.items
  expect(listed.last_used_at).toBe(worker.clock.now)
})

test('a thumbprint is taken in hexadecimal, as OpenSSL writes it, and in base64url', async () => {
  const { worker, api } = await startWithDevice()
  const own = await selfSigned({ not_after: worker.clock.now + 500 })
  const { thumbprint } = JSON.parse(own.by['x-test-certificate'])
  const hex = Array.from(atob(thumbprint.replaceAll('-', '+').replaceAll('_', '/')), (one) =>
    one.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase(),
  )
  for (const text of [thumbprint, hex.join(''), hex.join(':').toLowerCase()]) {
    const made = await api('POST', LIST, { kind: 'x509', thumbprint: text })
    expect(made.body).toMatchObject({ thumbprint, expires_at: null })
    const { body } = await ask(worker, own.by)
    // The certificate itself says when it ends, and so does the token.
    expect(body.credential_expires_in).toBe(500)
    expect(decodeJwt(body.access_token ?? '').exp).toBe(worker.clock.now + 500)
    await api('DELETE', `${LIST}/${made.body.id}`)
  }
  for (const bad of [
    '',
    'x',
    hex.join('').slice(2),
    `${thumbprint}=`,
    `${thumbprint.slice(0, -1)}B`,
  ]) {
    expect((await api('POST', LIST, { kind: 'x509', thumbprint: bad })).status).toBe(400)
  }
})

test('a certificate counts in its own times alone, and until the end that an operator sets', async () => {
  const { worker, api } = await startWithDevice()
  const now = worker.clock.now
  const early = await selfSigned({ not_before: now + 100, not_after: now + 200 })
  await api('POST', LIST, { kind: 'x509', certificate: early.pem })
  expect((await refusalOf(worker, early.by))[2]).toBe('certificate_over')
  worker.clock.now = now + 150
  expect((await ask(worker, early.by)).status).toBe(200)
  worker.clock.now = now + 201
  expect((await refusalOf(worker, early.by))[2]).toBe('certificate_over')
  const over = await api('POST', LIST, { kind: 'x509', certificate: early.pem })
  expect(over.status).toBe(400)
  const ended = await selfSigned()
  const made = { kind: 'x509', certificate: ended.pem, expires_at: worker.clock.now + 10 }
  expect((await api('POST', LIST, made)).body.expires_at).toBe(worker.clock.now + 10)
  expect((await ask(worker, ended.by)).body.credential_expires_in).toBe(10)
  worker.clock.now += 10
  expect((await ask(worker, ended.by)).status).toBe(401)
})

test('a certificate that is revoked proves nothing, and its tokens are ended', async () => {
  const { worker, api } = await startWithDevice()
  const own = await selfSigned()
  const { body } = await api('POST', LIST, { kind: 'x509', certificate: own.pem })
  const before = (await ask(worker, own.by)).body.access_token ?? ''
  expect(await statusOf(worker, before)).toBe(0)
  expect((await api('DELETE', `${LIST}/${body.id}`)).status).toBe(204)
  expect(await statusOf(worker, before)).toBe(1)
  expect((await refusalOf(worker, own.by))[2]).toBe('certificate_revoked')
})

test('the token about itself is bound to the certificate, that for topics is not', async () => {
  const { worker, api } = await startWithDevice()
  const [own, other] = [await selfSigned(), await selfSigned()]
  await api('POST', LIST, { kind: 'x509', certificate: own.pem })
  const { body } = await ask(worker, own.by, { scope: 'self' })
  const { thumbprint } = JSON.parse(own.by['x-test-certificate'])
  expect(decodeJwt(body.access_token ?? '')['cnf']).toEqual({ 'x5t#S256': thumbprint })
  const look = (headers: Record<string, string>) =>
    worker.request(`${API}/self`, {
      headers: { authorization: `Bearer ${body.access_token}`, ...headers },
    })
  expect((await look(own.by)).status).toBe(200)
  expect((await look(other.by)).status).toBe(401)
  expect((await look({})).status).toBe(401)
  const { body: topics } = await ask(worker, own.by)
  expect(decodeJwt(topics.access_token ?? '')['cnf']).toBeUndefined()
})

test('a device that is suspended or retired is refused with its certificate', async () => {
  const { worker, api } = await startWithDevice()
  const own = await selfSigned()
  await api('POST', LIST, { kind: 'x509', certificate: own.pem })
  for (const status of ['suspended', 'retired']) {
    await api('PATCH', '/v1/devices/dev-1', { status })
    expect((await refusalOf(worker, own.by))[2]).toBe('device_not_active')
  }
})

describe('what is no certificate of a device', () => {
  test('is refused with the member that is wrong', async () => {
    const { api } = await startWithDevice()
    const own = await selfSigned()
    const odd = await selfSigned({ extensions: [extension('1.2.3.4', Uint8Array.of(5, 0), true)] })
    const p384 = await makePair('P-384')
    const cases: [object, string, RegExp][] = [
      [{}, '/certificate', /one of the two/],
      [{ certificate: own.pem, thumbprint: 'x' }, '/certificate', /one of the two/],
      [{ certificate: 'x' }, '/certificate', /no PEM block/],
      [{ certificate: own.pem + own.pem }, '/certificate', /several/],
      [{ certificate: own.pem.replace('MII', 'MIA') }, '/certificate', /well-formed/],
      [{ certificate: odd.pem }, '/certificate', /critical/],
      [
        { certificate: pemOfCertificate(await makeCertificate(p384, p384)) },
        '/certificate',
        /curve/,
      ],
      [
        { certificate: `-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n${own.pem}` },
        '/certificate',
        /disclosed/,
      ],
    ]
    for (const [members, pointer, detail] of cases) {
      const { status, body } = await api('POST', LIST, { kind: 'x509', ...members })
      expect([status, body.errors], JSON.stringify(members)).toEqual([
        400,
        [expect.objectContaining({ pointer, detail: expect.stringMatching(detail) })],
      ])
    }
    const twice = {
      id: 'dev-2',
      type: 'meter',
      credentials: Array(2).fill({ kind: 'x509', certificate: own.pem }),
    }
    expect((await api('POST', '/v1/devices', twice)).status).toBe(400)
    expect((await api('POST', LIST, { kind: 'x509', certificate: own.pem })).status).toBe(201)
    expect((await api('POST', LIST, { kind: 'x509', certificate: own.pem })).status).toBe(409)
  })
})

test('a certificate is registered ahead where mutual TLS is not set up, and the answer says so', async () => {
  const WORDS = expect.stringContaining('set MTLS or CLIENT_CERTIFICATE_HEADER')
  const own = await selfSigned()
  const shownBy = async (env: Record<string, string>) => {
    const worker = await startWorker(env)
    await createDeviceType(worker.context(), { name: 'meter' })
    const api = deviceApi(worker)
    const certificate = { kind: 'x509', certificate: own.pem }
    const key = { kind: 'secret' }
    const credentials = [certificate, key]
    const made = await api('POST', '/v1/devices', { id: 'dev-1', type: 'meter', credentials })
    expect(made.status).toBe(201)
    const listed = (await api('GET', LIST)).body.items
    await api('POST', '/v1/devices', { id: 'dev-2', type: 'meter' })
    const later = (await api('POST', '/v1/devices/dev-2/credentials', certificate)).body
    const all = [...made.body.credentials, ...listed, later]
    expect(all.filter(({ kind }) => kind === 'secret')).toHaveLength(2)
    for (const one of all.filter(({ kind }) => kind === 'secret')) {
      expect(one).not.toHaveProperty('unusable')
    }
    return all.filter(({ kind }) => kind === 'x509')
  }
  const without = await shownBy({})
  expect(without).toHaveLength(3)
  for (const one of without) {
    expect(one).toMatchObject({ unusable: true, unusable_because: WORDS })
  }
  // How the public surface is set, an internal one does not know.
  for (const [name, value] of [
    ['MTLS', 'cloudflare'],
    ['SURFACE', 'internal'],
  ] as const) {
    for (const one of await shownBy({ [name]: value })) expect(one).not.toHaveProperty('unusable')
  }
})
