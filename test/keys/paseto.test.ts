// Our own PASETOs are read for one use, issuer and time; the hash that names their keys is the one
// of the published vectors of PASERK and RFC 7693, and of another implementation.
import { expect, test } from 'vitest'
import { decodeBase64url, encodeBase64url } from '../../worker/crypto.ts'
import { blake2b } from '../../worker/keys/blake2b.ts'
import { pasetoKeyId, signPaseto, verifyPaseto } from '../../worker/keys/paseto.ts'
import { startWorker } from '../context.ts'

const hex = (bytes: Uint8Array) =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')

test('BLAKE2b of "abc" is as in RFC 7693', () => {
  expect(hex(blake2b(new TextEncoder().encode('abc'), 64))).toBe(
    'ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1' +
      '7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923',
  )
})

// Computed by another implementation (Python's hashlib): every word of the message, one block and
// several.
test.each([
  [0, 33, 'ddca500c4d28f7f2816de1574f840e4878c1c5aa30c149745e0149273b214c359d'],
  [127, 33, 'd79ff136becc2959ef184f31541a7c12787201e293f96d9fc329047969e4fcfa89'],
  [128, 33, 'c0b7e697f255d2a712c6738c74f124be360738dd47b3326625b8a89336e6e46e46'],
  [129, 33, 'f80cf2ae800b46923088c67fbb742935285ad448315c70a2d0b37840cd6b57e049'],
  [1000, 33, '6758b293cbcf30601a65b833bafa4c8a02192cfafabce6534210ced6f95affcc41'],
])('BLAKE2b of %i bytes', (size, length, hash) => {
  const data = new Uint8Array(size).map((_, i) => (i * 7) & 255)
  expect(hex(blake2b(data, length))).toBe(hash)
})

test.each([
  [new Uint8Array(32), 'k4.pid.S_XQmeEwHbbvRmiyfXfHYpLGjXGzjTRSDoT1YtTakWFE'],
  [
    new Uint8Array(32).map((_, i) => 0x70 + i),
    'k4.pid.9ShR3xc8-qVJ_di0tc9nx0IDIqbatdeM2mqLFBJsKRHs',
  ],
])('the id of a key is as in the test vectors of PASERK', (key, id) => {
  expect(pasetoKeyId(`k4.public.${encodeBase64url(key)}`)).toBe(id)
  expect(decodeBase64url(id.slice('k4.pid.'.length))).toHaveLength(33)
})

test('a PASETO of another use or issuer, and one that ran out, is refused', async () => {
  const worker = await startWorker()
  const iat = worker.clock.now
  const claims = { sub: 'x', aud: 'y', iat, exp: iat + 60 }
  const sign = async (changes: object = {}) =>
    (await signPaseto(worker.context(), 'at+paseto', { ...claims, ...changes })).paseto
  const verify = (paseto: string, typ = 'at+paseto') =>
    verifyPaseto(worker.context(), paseto, { typ })
  const good = await sign()
  expect(await verify(good)).toMatchObject(claims)
  expect(await verify(good, 'logout+paseto')).toBeNull()
  expect(await verify(await sign({ iss: 'https://evil.example' }))).toBeNull()
  worker.clock.now += 59
  expect(await verify(good)).not.toBeNull()
  worker.clock.now += 1
  expect(await verify(good)).toBeNull()
})
