// Signing and checking our own PASETOs (v4.public), and the public keys as PASERK. They are signed
// with the Ed25519 key that also signs JWTs as EdDSA. Neither can be taken for the other: the bytes
// that a PASETO signs begin with zeros (the lengths of its pre-authentication encoding), those of a
// JWT with base64url. PASETO has no header for the kind of a token. So the claim `typ` says it (RFC
// 8725 §3.11), and each reader names the one that it accepts: `typ` is no claim of PASETO itself,
// and `purpose` there means "local" or "public".
import { type Claims, PasetoError, PublicProtocol } from 'paseto'
import {
  ImportPublicKeyFactory,
  ImportSecretKeyFactory,
  type PublicKey,
  type SecretKey,
  SignFactory,
  VerifyFactory,
} from 'paseto/v4/public'
import { type Context, recall, remember } from '../context.ts'
import { decodeBase64url, encodeBase64url } from '../crypto.ts'
import { blake2b } from './blake2b.ts'
import { ensureKey, keysOf, privateJwk } from './signing_keys.ts'
import type { KeyRow } from './store.ts'

const v4 = new PublicProtocol(
  SignFactory,
  VerifyFactory,
  ImportSecretKeyFactory,
  ImportPublicKeyFactory,
)

const ascii = new TextEncoder()

/**
 * Seconds by which the clocks of our own processes may differ: the library refuses an `iat` ahead
 * of the present time.
 */
const CLOCK_TOLERANCE = 60

/** Claims with times in epoch seconds, as in a JWT. */
export type PasetoClaims = Record<string, unknown> & { iat: number; exp: number }

/**
 * Signs claims, which must have one `aud`. `iss` and `typ` are added. `kid` is that of the table
 * and of the JWKS.
 */
export async function signPaseto(
  cx: Context,
  typ: string,
  claims: PasetoClaims,
): Promise<{ paseto: string; kid: string }> {
  const key = await ensureKey(cx, 'EdDSA')
  const { iat, exp } = claims
  const payload = { iss: cx.config.issuer, typ, ...claims, iat: rfc3339(iat), exp: rfc3339(exp) }
  const footer = ascii.encode(footerOf(cx, key))
  const paseto = await v4.Sign(await secretKey(cx, key), payload, { footer, addIssuedAt: false })
  return { paseto, kid: key.kid }
}

/**
 * The claims of a PASETO that this issuer made, times in epoch seconds, or null: another version or
 * purpose, wrong signature, key, `typ` or issuer, or run out.
 */
export async function verifyPaseto(
  cx: Context,
  paseto: string,
  expected: { typ: string },
): Promise<PasetoClaims | null> {
  // The footer is not yet authenticated, so it is compared as text and never parsed.
  const footer = paseto.split('.')[3]
  const key = (await keysOf(cx, 'EdDSA')).find(
    (one) => encodeBase64url(ascii.encode(footerOf(cx, one))) === footer,
  )
  if (key === undefined) return null
  try {
    const { claims } = await v4.Verify(await publicKey(cx, key), paseto, {
      now: new Date(cx.now() * 1000),
      clockTolerance: CLOCK_TOLERANCE,
      issuer: cx.config.issuer,
      requiredClaims: ['exp', 'iat', 'sub', 'aud'],
    })
    if (claims['typ'] !== expected.typ) return null
    const iat = seconds(claims, 'iat')
    const exp = seconds(claims, 'exp')
    return exp <= cx.now() ? null : { ...claims, iat, exp }
  } catch (error) {
    if (error instanceof PasetoError) return null
    throw error
  }
}

/** The form of the registered times of PASETO: texts (RFC 3339), to the second. */
const rfc3339 = (at: number): string => new Date(at * 1000).toISOString().replace('.000Z', 'Z')

const seconds = (claims: Claims, name: 'iat' | 'exp'): number =>
  Math.floor(Date.parse(String(claims[name])) / 1000)

/** The public keys that may have signed a PASETO, those that only wait to sign included. */
export async function paserks(cx: Context): Promise<{ keys: { kid: string; paserk: string }[] }> {
  const keys = await keysOf(cx, 'EdDSA')
  return { keys: keys.map((key) => ({ kid: keyId(cx, key), paserk: paserkOf(key) })) }
}

const footerOf = (cx: Context, key: KeyRow): string => JSON.stringify({ kid: keyId(cx, key) })

/** A JWK has the same bytes in the same base64url. */
const paserkOf = (key: KeyRow) => `k4.public.${JSON.parse(key.public_jwk).x}` as const

/** The PASERK id of a public key, which commits to the key itself. */
function keyId(cx: Context, key: KeyRow): string {
  const name = `paserk id ${key.kid}`
  return recall<string>(cx, name) ?? remember(cx, name, pasetoKeyId(paserkOf(key)), 3600)
}

/** `k4.pid`: BLAKE2b of 33 bytes over the type and the key. */
export const pasetoKeyId = (paserk: string): string =>
  `k4.pid.${encodeBase64url(blake2b(ascii.encode(`k4.pid.${paserk}`), 33))}`

async function secretKey(cx: Context, key: KeyRow): Promise<SecretKey> {
  const name = `paseto secret key ${key.kid}`
  const known = recall<SecretKey>(cx, name)
  if (known !== undefined) return known
  const { d = '', x = '' } = await privateJwk(cx, key)
  const seed = decodeBase64url(d) ?? new Uint8Array()
  const point = decodeBase64url(x) ?? new Uint8Array()
  const both = new Uint8Array([...seed, ...point])
  return remember(cx, name, await v4.ImportSecretKey(`k4.secret.${encodeBase64url(both)}`), 3600)
}

async function publicKey(cx: Context, key: KeyRow): Promise<PublicKey> {
  const name = `paseto public key ${key.kid}`
  const known = recall<PublicKey>(cx, name)
  if (known !== undefined) return known
  return remember(cx, name, await v4.ImportPublicKey(paserkOf(key)), 3600)
}
