import { calculateJwkThumbprint } from 'jose'
import { expect, test } from 'vitest'
import { deviceJwkSchema, keptJwk, keyText, thumbprintOf } from '../../worker/devices/jwk.ts'
import { newJwk } from './device_api.ts'

const P = 2n ** 255n - 19n

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let b = base % P, e = exponent; e > 0n; e >>= 1n, b = (b * b) % P) {
    if (e & 1n) result = (result * b) % P
  }
  return result
}

const mod = (n: bigint) => ((n % P) + P) % P
const inverse = (n: bigint) => power(mod(n), P - 2n)
const D = mod(-121665n * inverse(121666n))

/** y of twice the point with this y: RFC 8032 §5.1.4 in affine form, x only through its square. */
function doubled(y: bigint): bigint {
  const yy = mod(y * y)
  const xx = mod((yy - 1n) * inverse(D * yy + 1n))
  const t = mod(D * xx * yy)
  return mod((yy + xx) * inverse(1n - t))
}

const encoded = (y: bigint, sign: 0 | 1) => {
  const bytes = Array.from({ length: 32 }, (_, i) => Number((y >> BigInt(8 * i)) & 255n))
  bytes[31] = (bytes[31] ?? 0) | (sign << 7)
  const text = btoa(String.fromCharCode(...bytes))
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

const isTaken = (y: bigint, sign: 0 | 1) =>
  deviceJwkSchema.safeParse({ kty: 'OKP', crv: 'Ed25519', x: encoded(y, sign) }).success

test('Ed25519 points of small order, for which anybody can sign, are refused; others are not', () => {
  const eighth = BigInt('0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7')
  // The doubles of y are those of points of order 4 (y = 0), 2 (y = -1) and 1 (y = 1).
  expect([doubled(eighth), doubled(P - eighth), doubled(0n), doubled(P - 1n)]).toEqual([
    0n,
    0n,
    P - 1n,
    1n,
  ])
  const small = [0n, 1n, P - 1n, eighth, P - eighth]
  const unreduced = [P, P + 1n, P + 5n, 2n ** 255n - 1n]
  for (const y of [...small, ...unreduced]) {
    expect(isTaken(y, 0), `${y}`).toBe(false)
    expect(isTaken(y, 1), `${y}`).toBe(false)
  }
  console.log(`${(small.length + unreduced.length) * 2} encodings refused`)
  const base = mod(4n * inverse(5n))
  expect(isTaken(base, 0)).toBe(true)
  expect(isTaken(base, 1)).toBe(true)
})

test('thumbprints are those of RFC 7638, whatever the order and company of the members', async () => {
  const example = {
    kty: 'RSA',
    n: '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
    e: 'AQAB',
    alg: 'RS256',
    kid: '2011-04-29',
  }
  // RFC 7638 §3.1
  expect(thumbprintOf(example)).toBe('NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs')
  for (const kind of ['Ed25519', 'P-256', 'RSA'] as const) {
    const jwk = deviceJwkSchema.parse(await newJwk(kind))
    const turned = deviceJwkSchema.parse(Object.fromEntries(Object.entries(jwk).reverse()))
    expect(thumbprintOf(turned)).toBe(await calculateJwkThumbprint(jwk as never))
    const { kid, alg: _, ...rest } = keptJwk({ ...turned, alg: 'x' })
    expect(kid).toBe(thumbprintOf(jwk))
    // The database takes `kid` and `alg` away and compares what is left as text.
    expect(JSON.stringify(rest)).toBe(keyText(jwk))
  }
})
