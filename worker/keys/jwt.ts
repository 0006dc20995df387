// Signing and checking our own JWTs. The rooms above decide the claims; here a token gets `kid` and
// `typ`, and is accepted only with the `typ`, issuer and audience that its reader names (RFC 8725
// §3.11).
import { CompactSign, errors, type JWTPayload, jwtVerify } from 'jose'
import type { Context } from '../context.ts'
import { readJwtHeader } from './jwt_header.ts'
import { type Algorithm, ensureKey, keysOf, privateKey, publicKey } from './signing_keys.ts'

/**
 * The fault of a JWT that jose refused for its time alone, which jose judges after the signature;
 * else null.
 */
export function timeFault(error: unknown): 'expired' | 'not_yet_valid' | null {
  if (error instanceof errors.JWTExpired) return 'expired'
  const isEarly =
    error instanceof errors.JWTClaimValidationFailed &&
    error.claim === 'nbf' &&
    error.reason === 'check_failed'
  return isEarly ? 'not_yet_valid' : null
}

const encoder = new TextEncoder()

export type Signed = { jwt: string; kid: string }

/**
 * Signs claims with the current key of `alg`; the first key is made when there is none. `iss` is
 * added; the caller sets the times.
 */
export async function signJwt(
  cx: Context,
  alg: Algorithm,
  typ: string,
  claims: JWTPayload,
): Promise<Signed> {
  const key = await ensureKey(cx, alg)
  const payload = encoder.encode(JSON.stringify({ iss: cx.config.issuer, ...claims }))
  const jwt = await new CompactSign(payload)
    .setProtectedHeader({ alg, typ, kid: key.kid })
    .sign(await privateKey(cx, key))
  return { jwt, kid: key.kid }
}

/**
 * The claims of a JWT that this issuer made, or null: wrong signature, type, issuer, audience or
 * time. `audience` undefined accepts any (for introspection, which judges the audience itself).
 * `ignoreExpiry` is for id_token_hint, which may have run out (RP-Initiated Logout §2), `lacksIat`
 * for small tokens.
 */
export async function verifyJwt(
  cx: Context,
  jwt: string,
  expected: { typ: string; audience?: string; ignoreExpiry?: boolean; lacksIat?: boolean },
): Promise<JWTPayload | null> {
  const header = readJwtHeader(jwt)
  if (header === null || header.typ !== expected.typ.toLowerCase()) return null
  try {
    const { payload } = await jwtVerify(
      jwt,
      async () => {
        // `alg` is one of `algorithms` below: jose checks that before it asks for the key.
        const keys = await keysOf(cx, header.alg as Algorithm)
        const key = keys.find((one) => one.kid === header.kid)
        if (key === undefined) throw new errors.JWKSNoMatchingKey()
        return publicKey(cx, key)
      },
      {
        typ: expected.typ,
        issuer: cx.config.issuer,
        ...(expected.audience === undefined ? {} : { audience: expected.audience }),
        algorithms: ['ES256', 'RS256', 'EdDSA'],
        requiredClaims: ['exp', 'sub', ...(expected.lacksIat ? [] : ['iat'])],
        currentDate: new Date(cx.now() * 1000),
        clockTolerance: expected.ignoreExpiry ? Number.MAX_SAFE_INTEGER / 2000 : 0,
      },
    )
    return payload
  } catch (error) {
    if (error instanceof errors.JOSEError) return null
    throw error
  }
}
