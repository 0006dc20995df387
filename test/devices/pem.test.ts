import fc from 'fast-check'
import { calculateJwkThumbprint } from 'jose'
import { expect, test } from 'vitest'
import { isSelfSigned, readPem } from '../../worker/devices/pem.ts'
import { PEM_KEYS } from '../support/pem_keys.ts'
import { newJwk, startDevices } from './device_api.ts'

const LIST = '/v1/devices/d/credentials'

async function startDevice() {
  const { worker, api } = await startDevices()
  await api('POST', '/v1/devices', { id: 'd', type: 'dimmer' })
  return { worker, api }
}

const bytesOf = (pem: string) =>
  Uint8Array.from(atob(pem.replaceAll(/-----[^-]+-----|\s/g, '')), (char) => char.charCodeAt(0))

const pemOf = (label: string, der: Uint8Array) =>
  `-----BEGIN ${label}-----\n${btoa(String.fromCharCode(...der))}\n-----END ${label}-----\n`

test('a key, a certificate and a request in PEM are each the same key as jwk credential', async () => {
  for (const kind of ['P-256', 'Ed25519', 'RSA'] as const) {
    const { api } = await startDevice()
    const spki = bytesOf(PEM_KEYS[kind].key)
    const algorithm =
      kind === 'P-256'
        ? { name: 'ECDSA', namedCurve: 'P-256' }
        : { name: kind === 'RSA' ? 'RSASSA-PKCS1-v1_5' : kind, hash: 'SHA-256' }
    const imported = await crypto.subtle.importKey('spki', spki, algorithm, true, ['verify'])
    const { kty, crv, x, y, n, e } = await crypto.subtle.exportKey('jwk', imported)
    const jwk = JSON.parse(JSON.stringify({ kty, crv, x, y, n, e }))
    const kid = await calculateJwkThumbprint(jwk)
    for (const form of ['key', 'certificate', 'request'] as const) {
      const pem = `explanatory text of a tool\n${PEM_KEYS[kind][form]}`
      const { status, body } = await api('POST', LIST, { kind: 'pem', pem })
      expect([form, status], JSON.stringify(body)).toEqual([form, 201])
      expect(body).toMatchObject({ kind: 'jwk', jwk: { ...jwk, kid } })
      await api('DELETE', `${LIST}/${body.id}`)
    }
  }
})

test('a device is registered with PEM, and times go with it', async () => {
  const { api, worker } = await startDevice()
  const expires_at = worker.context().now() + 3600
  const credential = { kind: 'pem', pem: PEM_KEYS['P-256'].certificate, expires_at }
  const { status, body } = await api('POST', '/v1/devices', {
    id: 'e',
    type: 'dimmer',
    credentials: [credential],
  })
  expect([status, body.credentials[0].kind, body.credentials[0].expires_at]).toEqual([
    201,
    'jwk',
    expires_at,
  ])
})

test('a private key in PEM is refused, and the answer says that it must be regarded as disclosed', async () => {
  const { api, worker } = await startDevice()
  for (const label of [
    'PRIVATE',
    'EC PRIVATE',
    'RSA PRIVATE',
    'ENCRYPTED PRIVATE',
    'OPENSSH PRIVATE',
  ]) {
    for (const before of ['', PEM_KEYS.Ed25519.key]) {
      const pem = `${before}-----BEGIN ${label} KEY-----\nAAAA`
      const { status, body } = await api('POST', LIST, { kind: 'pem', pem })
      expect(status).toBe(400)
      expect(body.errors).toEqual([
        { pointer: '/pem', detail: expect.stringMatching(/^holds a private key.*disclosed/) },
      ])
    }
  }
  expect(JSON.stringify(worker.log)).not.toContain('AAAA')
})

test('PEM without a key that can verify here is refused in words', async () => {
  const { api } = await startDevice()
  const ec = PEM_KEYS['P-256']
  const faults: [string, RegExp][] = [
    ['', /no PEM block/],
    ['lamp', /no PEM block/],
    [ec.key + ec.certificate, /several blocks/],
    [pemOf('X509 CRL', bytesOf(ec.key)), /is X509 CRL: take PUBLIC KEY/],
    [pemOf('CERTIFICATE', bytesOf(ec.key)), /no well-formed CERTIFICATE/],
    [pemOf('PUBLIC KEY', bytesOf(ec.key).slice(0, 40)), /no well-formed PUBLIC KEY/],
    [pemOf('PUBLIC KEY', new Uint8Array([...bytesOf(ec.key), 0])), /no well-formed/],
    ['-----BEGIN PUBLIC KEY-----\n!!\n-----END PUBLIC KEY-----', /no well-formed PUBLIC KEY/],
    [PEM_KEYS['P-384'].key, /curve 1\.3\.132\.0\.34.*take Ed25519, P-256 or RSA/],
    [PEM_KEYS['P-384'].certificate, /curve/],
    [PEM_KEYS['P-384'].request, /curve/],
  ]
  for (const [pem, words] of faults) {
    const { status, body } = await api('POST', LIST, { kind: 'pem', pem })
    expect([pem, status, body.errors.length]).toEqual([pem, 400, 1])
    expect(body.errors[0].pointer).toBe('/pem')
    expect(body.errors[0].detail).toMatch(words)
  }
  const offCurve = bytesOf(ec.key)
  offCurve[offCurve.length - 1] = (offCurve.at(-1) ?? 0) ^ 1
  const { body } = await api('POST', LIST, { kind: 'pem', pem: pemOf('PUBLIC KEY', offCurve) })
  expect(body.errors[0].detail).toMatch(/not a point of its curve/)
})

test('a request that its own key did not sign is refused', async () => {
  for (const kind of ['P-256', 'Ed25519', 'RSA'] as const) {
    const { api } = await startDevice()
    const der = bytesOf(PEM_KEYS[kind].request)
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1
    const pem = pemOf('CERTIFICATE REQUEST', der)
    const { status, body } = await api('POST', LIST, { kind: 'pem', pem })
    expect([status, body.errors]).toEqual([
      400,
      [{ pointer: '/pem', detail: 'has a signature that its own key did not make' }],
    ])
  }
  const read = readPem(PEM_KEYS['P-256'].request)
  if ('fault' in read || read.request === null) throw new Error('no request')
  expect(await isSelfSigned(read.jwk, read.request)).toBe(true)
  const other = { ...(await newJwk('P-256')) }
  expect(await isSelfSigned(other, read.request)).toBe(false)
})

test('an algorithm that authenticates nobody is refused at registration, in words', async () => {
  const { api } = await startDevice()
  const rsa = await newJwk('RSA')
  for (const alg of ['RS384', 'RS512', 'PS384', 'HS256', 'none', 'ES256']) {
    const { status, body } = await api('POST', LIST, { kind: 'jwk', jwk: { ...rsa, alg } })
    expect([alg, status, body.errors]).toEqual([
      alg,
      400,
      [{ pointer: '/jwk/alg', detail: 'must be one of RS256, PS256' }],
    ])
  }
  const ec = { ...(await newJwk('P-256')), alg: 'ES384' }
  expect((await api('POST', LIST, { kind: 'jwk', jwk: ec })).status).toBe(400)
})

test('whatever bytes come as PEM, there is a key or a fault and never an error', () => {
  const samples = Object.values(PEM_KEYS).flatMap((forms) => [
    ['PUBLIC KEY', bytesOf(forms.key)] as const,
    ['CERTIFICATE', bytesOf(forms.certificate)] as const,
    ['CERTIFICATE REQUEST', bytesOf(forms.request)] as const,
  ])
  const change = fc.record({ at: fc.nat(2000), value: fc.nat(255) })
  fc.assert(
    fc.property(
      fc.constantFrom(...samples),
      fc.array(change, { maxLength: 4 }),
      fc.nat(2000),
      ([label, der], changes, length) => {
        const bytes = der.slice()
        for (const { at, value } of changes) bytes[at % bytes.length] = value
        const read = readPem(pemOf(label, length % 3 === 0 ? bytes.slice(0, length) : bytes))
        expect('fault' in read ? read.fault : Object.keys(read.jwk).sort()).toBeTruthy()
      },
    ),
    { numRuns: 2000 },
  )
  fc.assert(
    fc.property(fc.string({ maxLength: 400, unit: 'binary' }), (text) => {
      readPem(text)
    }),
  )
})
