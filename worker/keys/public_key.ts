// The judgement of public keys that others bring (RFC 7517): keys of devices, of clients and of
// other issuers, at each place where one is taken. A key that anybody could sign for, or that could
// never verify a signature here, has faults. In a set, keys that are not for this server are
// passed over. Pure.
import { decodeBase64url, encodeBase64url } from '../crypto.ts'
import { isObject } from '../http.ts'

/** RFC 7518 §6.2.2, §6.3.2, §6.4.1. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

/** Kinds of keys: the curve, the members that make the key (RFC 7638 §3.2), its algorithms. */
export const KEY_KINDS = {
  OKP: { crv: 'Ed25519', members: ['crv', 'kty', 'x'], algorithms: ['EdDSA', 'Ed25519'] },
  EC: { crv: 'P-256', members: ['crv', 'kty', 'x', 'y'], algorithms: ['ES256'] },
  RSA: { crv: undefined, members: ['e', 'kty', 'n'], algorithms: ['RS256', 'PS256'] },
} as const

const ALGORITHMS: readonly string[] = Object.values(KEY_KINDS).flatMap((kind) => kind.algorithms)

const RSA_BITS = { min: 2048, max: 8192 } as const

/** `member` is '' for a fault of the key as a whole. */
export type KeyFault = { member: string; message: string }

type Key = Readonly<Record<string, unknown>>

export const isKeyKind = (kty: unknown): kty is keyof typeof KEY_KINDS =>
  typeof kty === 'string' && Object.hasOwn(KEY_KINDS, kty)

/** The faults of one key. */
export function faultsOfKey(jwk: Key): KeyFault[] {
  // Stands before all else: a caller that sends a private key must learn that the key is disclosed.
  if (isSecret(jwk)) {
    return [
      {
        member: '',
        message:
          'holds a private or secret key, which must now be regarded as disclosed: ' +
          'make a new pair where it is used and send the public key alone',
      },
    ]
  }
  const { kty, alg, use } = jwk
  if (!isKeyKind(kty)) return [{ member: 'kty', message: 'must be OKP, EC or RSA' }]
  const faults: KeyFault[] = []
  const { algorithms } = KEY_KINDS[kty]
  if (alg !== undefined && !algorithms.some((one) => one === alg)) {
    faults.push({ member: 'alg', message: `must be one of ${algorithms.join(', ')}` })
  }
  if (use !== undefined && use !== 'sig') {
    faults.push({ member: 'use', message: 'must be sig: the key signs' })
  }
  return [...faults, ...(kty === 'RSA' ? rsaFaults(jwk) : curveFaults(kty, jwk))]
}

const isSecret = (jwk: Key): boolean => PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name))

/**
 * Whether a key is none for this server (RFC 7517 §5): of another kind, or for another use. What
 * is private is never so, since its owner has to learn of it.
 */
function isForeign(jwk: Key): boolean {
  if (isSecret(jwk)) return false
  const { kty, crv, use, alg, key_ops } = jwk
  if (!isKeyKind(kty)) return true
  if (typeof crv === 'string' && kty !== 'RSA' && crv !== KEY_KINDS[kty].crv) return true
  if (typeof use === 'string' && use !== 'sig') return true
  if (typeof alg === 'string' && !ALGORITHMS.includes(alg)) return true
  return Array.isArray(key_ops) && !key_ops.includes('verify')
}

/**
 * The keys of a set that are of use, and the faults of others with their place. Keys that are none
 * for this server are in neither.
 */
export function judgeKeySet(keys: readonly unknown[]): {
  usable: Key[]
  faults: (KeyFault & { place: number })[]
} {
  const usable: Key[] = []
  const faults: (KeyFault & { place: number })[] = []
  for (const [place, key] of keys.entries()) {
    if (!isObject(key)) {
      faults.push({ place, member: '', message: 'must be a key' })
    } else if (!isForeign(key)) {
      const found = faultsOfKey(key)
      if (found.length === 0) usable.push(key)
      faults.push(...found.map((fault) => ({ ...fault, place })))
    }
  }
  return { usable, faults }
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Bytes of canonical base64url; null for padding, other alphabets and stray bits. */
function octets(value: string): Uint8Array | null {
  const bytes = decodeBase64url(value)
  return bytes !== null && encodeBase64url(bytes) === value ? bytes : null
}

/** The number that the bytes are, the first one most significant. */
const numberOf = (bytes: Uint8Array): bigint => {
  let hex = '0x0'
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0')
  return BigInt(hex)
}

// --- RSA --------------------------------------------------------------------------------------

/** Odd primes below 256: a modulus that one of them divides was not made by a generator. */
const SMALL_PRIMES = Array.from({ length: 127 }, (_, i) => 2 * i + 3)
  .filter((n) => [3, 5, 7, 11, 13].every((prime) => n === prime || n % prime !== 0))
  .map(BigInt)

function rsaFaults(jwk: Key): KeyFault[] {
  const faults: KeyFault[] = []
  const modulus = octets(text(jwk['n']))
  // RFC 7518 §2: Base64urlUInt has no leading zero octets.
  if (modulus === null || !((modulus[0] ?? 0) > 0) || ((modulus.at(-1) ?? 0) & 1) === 0) {
    faults.push({ member: 'n', message: 'must be an odd number in base64url, no leading zeros' })
  } else {
    const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24
    if (bits < RSA_BITS.min || bits > RSA_BITS.max) {
      const message = `has ${bits} bits: ${RSA_BITS.min} to ${RSA_BITS.max} are taken`
      faults.push({ member: 'n', message })
    } else if (SMALL_PRIMES.some((prime) => numberOf(modulus) % prime === 0n)) {
      faults.push({ member: 'n', message: 'has a small factor: signatures are forged' })
    }
  }
  // FIPS 186-5 §5.4: 2^16 < e; longer than four bytes only makes verifying slow.
  const exponent = octets(text(jwk['e']))?.reduce((sum, byte) => sum * 256 + byte, 0) ?? 0
  if (!(exponent > 65_536 && exponent < 2 ** 32 && exponent % 2 === 1)) {
    faults.push({ member: 'e', message: 'must be an odd number above 65536, usually AQAB' })
  }
  return faults
}

// --- curves -----------------------------------------------------------------------------------

function curveFaults(kty: 'OKP' | 'EC', jwk: Key): KeyFault[] {
  const faults: KeyFault[] = []
  const { crv } = KEY_KINDS[kty]
  if (jwk['crv'] !== crv) faults.push({ member: 'crv', message: `must be ${crv}` })
  const [x, y] = [octets(text(jwk['x'])), octets(text(jwk['y']))]
  const coordinates = kty === 'OKP' ? { x } : { x, y }
  for (const [member, bytes] of Object.entries(coordinates)) {
    if (bytes?.length !== 32) faults.push({ member, message: 'must be 32 bytes in base64url' })
  }
  if (faults.length > 0 || x === null) return faults
  if (kty === 'OKP') {
    const fault = ed25519Fault(x)
    return fault === null ? [] : [{ member: 'x', message: fault }]
  }
  return y !== null && isOnP256(numberOf(x), numberOf(y))
    ? []
    : [{ member: '', message: OFF_CURVE }]
}

const OFF_CURVE = 'is not a point of its curve: no signature could ever be verified with it'

/** FIPS 186-4 §D.1.2.3. */
const P256 = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n
const P256_B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn

const isOnP256 = (x: bigint, y: bigint): boolean =>
  x < P256 && y < P256 && (y * y - (x * x * x - 3n * x + P256_B)) % P256 === 0n

const P25519 = 2n ** 255n - 19n
/** RFC 8032 §5.1: d of the curve. */
const ED25519_D = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n

/**
 * The y coordinates of the points of order 1, 2, 4 and 8: such "keys" verify signatures that nobody
 * made.
 */
const SMALL_ORDER = [
  0n,
  1n,
  P25519 - 1n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
]

/** RFC 8032 §5.1.3: y in little-endian, canonical; the top bit is the sign of x. */
function ed25519Fault(x: Uint8Array): string | null {
  const y = numberOf(x.toReversed()) & (2n ** 255n - 1n)
  if (y >= P25519 || SMALL_ORDER.includes(y)) {
    return 'is not a key that anybody can hold: signatures are forged'
  }
  // x² = (y² - 1) / (dy² + 1), which is a square where the product of both is one (Euler).
  const product = ((y * y - 1n) * (ED25519_D * y * y + 1n)) % P25519
  return power(product, (P25519 - 1n) / 2n, P25519) === 1n ? null : OFF_CURVE
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  for (let factor = base, rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * factor) % modulus
    factor = (factor * factor) % modulus
  }
  return result
}
