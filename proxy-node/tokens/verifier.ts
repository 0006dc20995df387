// Access tokens (RFC 9068): who is connecting, with which rules, until when.
//   verifier.ts: every check on the token itself; jwks.ts: the issuer's keys and their algorithms
// Leaves the rule of client identifiers and the judging of packets to gate.ts.
//
// The signature comes first: no claim is looked at before it holds. `exp` is exact, because the
// session ends at that second too; only `nbf` and `iat` get 30 s for clocks that run apart.

import { type Acl, parseAcl } from '../../policy/acl.ts'
import { isKnownAlgorithm, isSignatureGood, type Jwks } from './jwks.ts'

const TOKEN_MAX = 8 * 1024
const NAME_MAX = 255
const LEEWAY = 30 // seconds, for `nbf` and `iat`

/** In whose name a token speaks, and what it permits until when. */
export type Identity = {
  sub: string
  client_id: string
  username?: string
  mqtt_client_id?: string
  acl: Acl
  /** Epoch seconds. */
  expires_at: number
  jti: string
  iss: string
  /** Thumbprint of the key that signed: the session ends when the issuer withdraws that key. */
  signed_by: string
  /** Reserved: whether another issuer than the main one signed it. The verifier knows none yet. */
  foreign: boolean
}

export type VerificationFailure =
  | 'malformed'
  | 'expired'
  | 'not_yet_valid'
  | 'bad_signature'
  | 'unknown_key'
  | 'wrong_issuer'
  | 'wrong_audience'
  | 'wrong_type'
  | 'bound_token'
  | 'bad_acl'
  | 'revoked'
  | 'keys_unavailable'
  | 'too_large'

export type Verification =
  | { ok: true; identity: Identity }
  | { ok: false; reason: VerificationFailure }

export type Verifier = {
  /**
   * `clientCertificate` is the DER of the certificate that the TLS connection proved, if any.
   * Reserved for bound tokens: no listener ends TLS yet, and this verifier does not look at it.
   */
  verify(
    token: string | Uint8Array,
    clientCertificate?: Uint8Array,
  ): Verification | Promise<Verification>
}

export type VerifierOptions = {
  issuer: string
  audience: string
  jwks: Jwks
  /** Epoch milliseconds. */
  now: () => number
}

export function createVerifier({ issuer, audience, jwks, now }: VerifierOptions): Verifier {
  /** With the keys of this moment; 'unknown_key' and 'keys_unavailable' may pass. */
  function judge(jws: Jws): Verification {
    if (!jwks.isUsable()) return refuse('keys_unavailable')
    const key = jwks.find(jws.kid, jws.alg)
    if (key === undefined) return refuse(jwks.isCurrent() ? 'unknown_key' : 'keys_unavailable')
    if (!isSignatureGood(key, jws.alg, jws.signed, jws.signature)) return refuse('bad_signature')
    const claims = parseObject(jws.payload)
    if (claims === undefined) return refuse('malformed')
    return judgeClaims(claims, issuer, audience, now() / 1000, key.thumbprint)
  }

  return {
    verify(token) {
      const jws = readJws(token)
      if (typeof jws === 'string') return refuse(jws)
      const verification = judge(jws)
      if (verification.ok) return verification
      if (verification.reason !== 'unknown_key' && verification.reason !== 'keys_unavailable') {
        return verification
      }
      return jwks
        .refreshForUnknownKey()
        .then((wasRefreshed) => (wasRefreshed ? judge(jws) : verification))
    },
  }
}

const refuse = (reason: VerificationFailure): Verification => ({ ok: false, reason })

type Jws = {
  alg: string
  kid: string | undefined
  /** Header, dot and payload, as they were signed. */
  signed: Buffer
  payload: Buffer
  signature: Buffer
}

/** RFC 7515 §5.2, compact form, up to but not including the signature. */
function readJws(token: string | Uint8Array): Jws | VerificationFailure {
  if (token.length > TOKEN_MAX) return 'too_large'
  const text = typeof token === 'string' ? token : Buffer.from(token).toString('latin1')
  const [encodedHeader, encodedPayload, encodedSignature, more] = text.split('.', 4)
  if (encodedSignature === undefined || more !== undefined) return 'malformed'
  const header = parseObject(decodeBase64url(encodedHeader))
  const payload = decodeBase64url(encodedPayload)
  const signature = decodeBase64url(encodedSignature)
  if (header === undefined || payload === undefined || signature === undefined) return 'malformed'
  const { alg, kid, typ } = header
  if (typeof alg !== 'string' || !(kid === undefined || typeof kid === 'string')) return 'malformed'
  // RFC 9068 §4, RFC 7515 §4.1.9: without regard to case, `application/` may be left out.
  if (typeof typ !== 'string') return 'wrong_type'
  const type = typ.toLowerCase()
  if (type !== 'at+jwt' && type !== 'application/at+jwt') return 'wrong_type'
  // RFC 7515 §4.1.11: no extension is understood here. The others would let a token bring its key.
  for (const name of ['crit', 'jwk', 'jku', 'x5u']) {
    if (Object.hasOwn(header, name)) return 'malformed'
  }
  if (!isKnownAlgorithm(alg)) return 'bad_signature' // RFC 9068 §4: `none` never; RFC 8725 §3.1
  const signed = Buffer.from(`${encodedHeader}.${encodedPayload}`, 'latin1')
  return { alg, kid, signed, payload, signature }
}

/** RFC 9068 §4, and the demands of mProxy beyond it. `at` is in epoch seconds. */
function judgeClaims(
  claims: Record<string, unknown>,
  issuer: string,
  audience: string,
  at: number,
  signed_by: string,
): Verification {
  const { iss, aud, exp, nbf, iat, sub, client_id, jti, username, mqtt_client_id } = claims
  if (iss !== issuer) return refuse('wrong_issuer')
  if (!(aud === audience || (Array.isArray(aud) && aud.includes(audience)))) {
    return refuse('wrong_audience')
  }
  if (!isTime(exp) || !isTimeOrAbsent(nbf) || !isTimeOrAbsent(iat)) return refuse('malformed')
  if (exp <= at) return refuse('expired')
  if ((nbf ?? 0) > at + LEEWAY || (iat ?? 0) > at + LEEWAY) return refuse('not_yet_valid')
  // A colon separates the suffix of an MQTT client id: `a:b` would stand in the space of `a`.
  if (!isName(sub) || sub.includes(':')) return refuse('malformed')
  if (!isNameOrAbsent(client_id) || !isNameOrAbsent(jti)) return refuse('malformed')
  if (!isNameOrAbsent(username) || !isNameOrAbsent(mqtt_client_id)) return refuse('malformed')
  if (claims['cnf'] !== undefined) return refuse('bound_token') // RFC 7800 §3: nothing proves it
  const reading = parseAcl(claims['acl'])
  if ('fault' in reading) return refuse('bad_acl')
  return {
    ok: true,
    identity: {
      sub,
      client_id: client_id ?? '',
      ...(username === undefined ? {} : { username }),
      ...(mqtt_client_id === undefined ? {} : { mqtt_client_id }),
      acl: reading.acl,
      expires_at: exp,
      jti: jti ?? '',
      iss: issuer,
      signed_by,
      foreign: false,
    },
  }
}

/** RFC 7519 §2: a NumericDate, here never before 1970 nor beyond the last Date. */
const isTime = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value <= 8.64e12
const isTimeOrAbsent = (value: unknown): value is number | undefined =>
  value === undefined || isTime(value)

/** A string fit for MQTT and for a log line: [MQTT-1.5.4-1], [MQTT-1.5.4-2]. */
const isName = (value: unknown): value is string =>
  typeof value === 'string' &&
  value !== '' &&
  value.isWellFormed() &&
  Buffer.byteLength(value) <= NAME_MAX &&
  !/[\u0000-\u001f\u007f-\u009f]/.test(value)
const isNameOrAbsent = (value: unknown): value is string | undefined =>
  value === undefined || isName(value)

/** RFC 7515 §2: the one spelling of these bytes; no padding, no white space, no stray bits. */
function decodeBase64url(text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function parseObject(bytes: Buffer | undefined): Record<string, unknown> | undefined {
  if (bytes === undefined) return undefined
  try {
    const value: unknown = JSON.parse(utf8.decode(bytes))
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
