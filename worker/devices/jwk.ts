// The public key of a device as a JWK (RFC 7517): the kinds that are taken, the check that it is
// public, and the thumbprint that tells keys apart (RFC 7638).
import { z } from '../api.ts'
import { decodeBase64url, encodeBase64url, sha256 } from '../crypto.ts'
import { Problem } from '../errors.ts'

/**
 * The stored form: the members of RFC 7638 in their order, then `kid` and, when the key is bound to
 * one, `alg`.
 */
export type DeviceJwk = (
  | { crv: 'Ed25519'; kty: 'OKP'; x: string }
  | { crv: 'P-256'; kty: 'EC'; x: string; y: string }
  | { e: string; kty: 'RSA'; n: string }
) & { kid: string; alg?: string }

/** RFC 7518 §6.2.2, §6.3.2, §6.4.1. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
/** Members that demand nothing from this program. */
const IGNORED_MEMBERS = ['ext', 'key_ops', 'x5c', 'x5t', 'x5t#S256', 'x5u']

const KINDS = {
  OKP: { members: ['crv', 'kty', 'x'], algorithms: ['EdDSA', 'Ed25519'] },
  EC: { members: ['crv', 'kty', 'x', 'y'], algorithms: ['ES256'] },
  RSA: {
    members: ['e', 'kty', 'n'],
    algorithms: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  },
} as const

const RSA_BITS = { min: 2048, max: 8192 } as const

type Fault = { member: string; message: string }

/** A public key, checked as far as that needs no cryptography; `assertSoundKey` does the rest. */
export const deviceJwkSchema = z
  .looseObject({
    kty: z.string(),
    crv: z.string().optional(),
    x: z.string().optional(),
    y: z.string().optional(),
    n: z.string().optional(),
    e: z.string().optional(),
    kid: z
      .string()
      .regex(/^[\x21-\x7e]{1,128}$/, 'must be 1 to 128 visible ASCII characters')
      .optional(),
    alg: z.string().optional(),
    use: z.literal('sig', 'must be sig: the key signs assertions').optional(),
  })
  .superRefine((jwk, refinement) => {
    for (const { member, message } of faultsOf(jwk)) {
      refinement.addIssue({ code: 'custom', path: member === '' ? [] : [member], message })
    }
  })
  .openapi('DeviceJwk', {
    description: 'Public key: Ed25519, P-256 or RSA of at least 2048 bits. `kid` may be left out.',
    example: { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' },
  })

export type JwkInput = z.infer<typeof deviceJwkSchema>

function faultsOf(jwk: Record<string, unknown>): Fault[] {
  // Stands before all else: a caller that sends a private key must learn that the key is disclosed.
  if (PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member))) {
    return [
      {
        member: '',
        message:
          'holds a private or secret key, which must now be regarded as disclosed: ' +
          'make a new pair on the device and send the public key alone',
      },
    ]
  }
  if (!isKind(jwk['kty'])) return [{ member: 'kty', message: 'must be OKP, EC or RSA' }]
  const kind = jwk['kty']
  const { members, algorithms } = KINDS[kind]
  const allowedMembers: readonly string[] = [...members, 'kid', 'alg', 'use', ...IGNORED_MEMBERS]
  const faults: Fault[] = Object.keys(jwk)
    .filter((member) => !allowedMembers.includes(member))
    .map((member) => ({ member, message: `is not a member of a public ${kind} key` }))
  if (jwk['alg'] !== undefined && !algorithms.some((alg) => alg === jwk['alg'])) {
    faults.push({ member: 'alg', message: `must be one of ${algorithms.join(', ')}` })
  }
  const text = (member: string) => (typeof jwk[member] === 'string' ? jwk[member] : '')
  if (kind === 'RSA') return [...faults, ...rsaFaults(text('n'), text('e'))]
  const crv = kind === 'OKP' ? 'Ed25519' : 'P-256'
  if (jwk['crv'] !== crv) faults.push({ member: 'crv', message: `must be ${crv}` })
  for (const member of kind === 'OKP' ? ['x'] : ['x', 'y']) {
    if (octets(text(member))?.length !== 32) {
      faults.push({ member, message: 'must be 32 bytes in base64url' })
    } else if (kind === 'OKP' && !isSafeEd25519(text(member))) {
      faults.push({ member, message: 'is not a key that anybody can hold: signatures are forged' })
    }
  }
  return faults
}

const isKind = (kty: unknown): kty is keyof typeof KINDS =>
  typeof kty === 'string' && Object.hasOwn(KINDS, kty)

/** Bytes of canonical base64url; null for padding, other alphabets and stray bits. */
function octets(text: string): Uint8Array | null {
  const bytes = decodeBase64url(text)
  return bytes !== null && encodeBase64url(bytes) === text ? bytes : null
}

function rsaFaults(n: string, e: string): Fault[] {
  const faults: Fault[] = []
  const modulus = octets(n)
  // RFC 7518 §2: Base64urlUInt has no leading zero octets.
  if (modulus === null || !((modulus[0] ?? 0) > 0) || ((modulus.at(-1) ?? 0) & 1) === 0) {
    faults.push({ member: 'n', message: 'must be an odd number in base64url, no leading zeros' })
  } else {
    const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24
    if (bits < RSA_BITS.min || bits > RSA_BITS.max) {
      const message = `has ${bits} bits: ${RSA_BITS.min} to ${RSA_BITS.max} are taken`
      faults.push({ member: 'n', message })
    }
  }
  // FIPS 186-5 §5.4: 2^16 < e; longer than four bytes only makes verifying slow.
  const exponent = octets(e)?.reduce((sum, byte) => sum * 256 + byte, 0) ?? 0
  if (!(exponent > 65_536 && exponent < 2 ** 32 && exponent % 2 === 1)) {
    faults.push({ member: 'e', message: 'must be an odd number above 65536, usually AQAB' })
  }
  return faults
}

const P25519 = 2n ** 255n - 19n
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
function isSafeEd25519(x: string): boolean {
  const bytes = octets(x) ?? new Uint8Array(0)
  let y = 0n
  for (const [i, byte] of bytes.entries())
    y |= BigInt(i === 31 ? byte & 0x7f : byte) << BigInt(8 * i)
  return y < P25519 && !SMALL_ORDER.includes(y)
}

/** The stored form of the key. `kid` is its thumbprint unless it came with one. */
export function keptJwk(jwk: JwkInput): DeviceJwk {
  const { kid, alg } = jwk
  return {
    ...required(jwk),
    kid: kid ?? thumbprintOf(jwk),
    ...(alg === undefined ? {} : { alg }),
  }
}

function required(jwk: Readonly<Record<string, unknown>>): DeviceJwk {
  const { members } = KINDS[jwk['kty'] as keyof typeof KINDS]
  return Object.fromEntries(members.map((member) => [member, jwk[member]])) as DeviceJwk
}

/** The required members as JSON without spaces: the text of a thumbprint. */
export const keyText = (jwk: JwkInput | DeviceJwk): string => JSON.stringify(required(jwk))

/** RFC 7638 §3, SHA-256. */
export const thumbprintOf = (jwk: JwkInput | DeviceJwk): string => sha256(keyText(jwk))

/**
 * Throws Problem when the cryptography of the runtime refuses the key, such as a point that is not
 * on its curve.
 */
export async function assertSoundKey(jwk: JwkInput, pointer: string): Promise<void> {
  const algorithm =
    jwk.kty === 'OKP'
      ? { name: 'Ed25519' }
      : jwk.kty === 'EC'
        ? { name: 'ECDSA', namedCurve: 'P-256' }
        : { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  try {
    await crypto.subtle.importKey('jwk', required(jwk), algorithm, true, ['verify'])
  } catch {
    throw new Problem('invalid_request', 'a credential holds what is not a public key', [
      { pointer, detail: 'is not a public key: no signature could ever be verified with it' },
    ])
  }
}
