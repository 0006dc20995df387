// A JWS in compact form (RFC 7515 §3.1), read strictly: access tokens, and the documents that the
// issuer signs. Says whose signature it has; the claims are left to the callers.

import {
  isJsonObject,
  isKnownAlgorithm,
  isSignatureGood,
  type Jwks,
  type VerificationKey,
} from './jwks.ts'

export type Jws = {
  alg: string
  kid: string | undefined
  /** In lower case, without `application/`. */
  typ: string
  /** Header, dot and payload, as they were signed. */
  signed: Buffer
  payload: Buffer
  signature: Buffer
}

export type JwsFault = 'malformed' | 'wrong_type' | 'bad_signature' | 'too_large'

/**
 * RFC 7515 §5.2, compact form, up to but not including the signature. `types` are the values of
 * `typ` that the caller reads.
 */
export function readJws(
  token: string | Uint8Array,
  types: readonly string[],
  bytes_max: number,
): Jws | JwsFault {
  if (token.length > bytes_max) return 'too_large'
  const text = typeof token === 'string' ? token : Buffer.from(token).toString('latin1')
  const [encodedHeader, encodedPayload, encodedSignature, more] = text.split('.', 4)
  if (encodedSignature === undefined || more !== undefined) return 'malformed'
  const header = parseObject(readBase64url(encodedHeader))
  const payload = readBase64url(encodedPayload)
  const signature = readBase64url(encodedSignature)
  if (header === undefined || payload === undefined || signature === undefined) return 'malformed'
  const { alg, kid } = header
  if (typeof alg !== 'string' || !(kid === undefined || typeof kid === 'string')) return 'malformed'
  // RFC 9068 §4, RFC 7515 §4.1.9: without regard to case, `application/` may be left out.
  if (typeof header['typ'] !== 'string') return 'wrong_type'
  const typ = header['typ'].toLowerCase().replace(/^application\//, '')
  if (!types.includes(typ)) return 'wrong_type'
  // RFC 7515 §4.1.11: no extension is understood here. The others would let a token bring its key.
  for (const name of ['crit', 'jwk', 'jku', 'x5u']) {
    if (Object.hasOwn(header, name)) return 'malformed'
  }
  if (!isKnownAlgorithm(alg)) return 'bad_signature' // RFC 9068 §4: `none` never; RFC 8725 §3.1
  const signed = Buffer.from(`${encodedHeader}.${encodedPayload}`, 'latin1')
  return { alg, kid, typ, signed, payload, signature }
}

/** The key of this moment that signed; 'unknown_key' and 'keys_unavailable' may pass. */
export function findSigner(
  jwks: Jwks,
  { kid, alg, signed, signature }: Jws,
): VerificationKey | 'keys_unavailable' | 'unknown_key' | 'bad_signature' {
  if (!jwks.isUsable()) return 'keys_unavailable'
  const keys = jwks.find(kid, alg)
  if (keys.length === 0) return jwks.isCurrent() ? 'unknown_key' : 'keys_unavailable'
  return keys.find((key) => isSignatureGood(key, alg, signed, signature)) ?? 'bad_signature'
}

/** RFC 7515 §2: the one spelling of these bytes; no padding, no white space, no stray bits. */
export function readBase64url(text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function parseObject(bytes: Buffer | undefined): Record<string, unknown> | undefined {
  if (bytes === undefined) return undefined
  try {
    const value: unknown = JSON.parse(utf8.decode(bytes))
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** RFC 7519 §2: a NumericDate, here never before 1970 nor beyond the last Date. */
export const isTime = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value <= 8.64e12
export const isTimeOrAbsent = (value: unknown): value is number | undefined =>
  value === undefined || isTime(value)
