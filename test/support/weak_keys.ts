// Public keys that nobody should take: anybody could sign for them, or no signature could ever be
// verified with them. And keys of a set that are none for this server (RFC 7517 §5).
import { generateKeyPair } from 'jose'

export type AnyJwk = Record<string, unknown>

export async function publicJwk(alg: string): Promise<AnyJwk> {
  const { publicKey } = await generateKeyPair(alg, { extractable: true })
  const exported = (await crypto.subtle.exportKey('jwk', publicKey)) as AnyJwk
  const { kty, crv, x, y, n, e } = exported
  return JSON.parse(JSON.stringify({ kty, crv, x, y, n, e }))
}

const encoded = (bytes: number[]) =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')

/** An odd number of `bits` that three divides. */
const timesThree = (bits: number) => {
  const hex = (3n * (2n ** BigInt(bits - 2) + 1n)).toString(16)
  return encoded((hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16)))
}

const [ed, ec, rsa] = await Promise.all(['EdDSA', 'ES256', 'RS256'].map(publicJwk))

/** A name, the key, and the member that is at fault ('' for the key as a whole). */
export const WEAK_KEYS: readonly [string, AnyJwk, string][] = [
  ['a private key', { ...ed, d: 'A'.repeat(43) }, ''],
  ['a private RSA key', { ...rsa, dp: 'AQAB' }, ''],
  ['a symmetric key', { kty: 'oct', k: 'AAAA' }, ''],
  ['RSA of 1024 bits', { ...rsa, n: `${'3'.repeat(170)}M` }, 'n'],
  ['an even RSA modulus', { ...rsa, n: `${'3'.repeat(341)}A` }, 'n'],
  ['an RSA modulus with a small factor', { ...rsa, n: timesThree(2048) }, 'n'],
  ['RSA with e = 1', { ...rsa, e: 'AQ' }, 'e'],
  ['RSA with e = 3', { ...rsa, e: 'Aw' }, 'e'],
  ['RSA with an even e', { ...rsa, e: 'AQAA' }, 'e'],
  ['RSA without e', { ...rsa, e: undefined }, 'e'],
  ['a point that is not on P-256', { ...ec, y: ec?.['x'] }, ''],
  ['the point at infinity', { ...ec, x: 'A'.repeat(43), y: 'A'.repeat(43) }, ''],
  ['a short coordinate', { ...ec, x: 'AAAA' }, 'x'],
  ['an Ed25519 point of order 4', { ...ed, x: 'A'.repeat(43) }, 'x'],
  ['an Ed25519 point of order 1', { ...ed, x: `AQ${'A'.repeat(41)}` }, 'x'],
  ['bytes that are no Ed25519 point', { ...ed, x: `Ag${'A'.repeat(41)}` }, 'x'],
  ['alg of another kind', { ...ec, alg: 'RS256' }, 'alg'],
  ['alg of another curve', { ...ed, alg: 'ES256' }, 'alg'],
]

export const FOREIGN_KEYS: readonly [string, AnyJwk][] = [
  ['of an unknown kind', { kty: 'AKP', alg: 'ML-DSA-44', pub: 'AAAA' }],
  ['of another curve', { kty: 'EC', crv: 'P-384', x: 'AA', y: 'AA' }],
  ['of the curve of encryption', { kty: 'OKP', crv: 'X25519', x: 'AA' }],
  ['for encryption', { ...rsa, use: 'enc' }],
  ['for an operation that is not verifying', { ...rsa, key_ops: ['wrapKey'] }],
  ['for an algorithm of encryption', { ...rsa, alg: 'RSA-OAEP-256' }],
  ['for an algorithm that is not offered', { ...rsa, alg: 'RS512' }],
]
