// Issuers whose assertions about a person are accepted (setting `trusted_issuers`). Says whether an
// assertion is by one of them, for this server and valid now, and whom it names (RFC 7521, RFC 7523
// §3). Its grant ensures that it is used once.
import { createLocalJWKSet, decodeJwt, errors, type JSONWebKeySet, type JWK, jwtVerify } from 'jose'
import { addressForms, userWithProvenAddress } from '../../access/named_users.ts'
import type { Context } from '../../context.ts'
import { sha256 } from '../../crypto.ts'
import { type Scalar, scalar } from '../../db/sql.ts'
import { emailFault } from '../../email_address.ts'
import { OAuthError } from '../../errors.ts'
import { isObject } from '../../http.ts'
import { timeFault } from '../../keys/jwt.ts'
import { readJwtHeader } from '../../keys/jwt_header.ts'
import { judgeKeySet } from '../../keys/public_key.ts'
import { type KeySetReader, remoteKeys } from '../../keys/remote_jwks.ts'
import type { Reason } from '../../refusals.ts'
import type { TrustedIssuer } from '../../settings.ts'
import { SIGNING_ALGORITHMS } from '../client_authentication/client_authentication.ts'
import type { Assertion } from '../client_authentication/used_assertion_store.ts'

/** Longest life that an assertion may have left, in seconds; its id is kept as long. */
const TTL_MAX = 3600

/** Seconds that the issuer's clock may be ahead. */
const CLOCK_TOLERANCE = 30

const ASSERTION_MAX = 16_384

/** The one answer to every fault, without a detail. */
export const refused = (reason: Reason) =>
  new OAuthError('invalid_grant', { description: 'the assertion cannot be used', reason })

/** Claims of an assertion. None is believed before `verifyAssertion`. */
export type AssertionClaims = Readonly<Record<string, unknown>>

/** Reads the claims, unverified. Throws OAuthError invalid_grant for text that is no JWT. */
export function readAssertion(assertion: string): AssertionClaims {
  if (assertion.length > ASSERTION_MAX) throw refused('assertion_too_long')
  try {
    return decodeJwt(assertion)
  } catch {
    throw refused('bad_assertion')
  }
}

/**
 * The configured issuer that an assertion claims to come from. Tokens of this server are never
 * assertions.
 */
export const issuerOf = (
  cx: Context,
  issuers: readonly TrustedIssuer[],
  { iss }: AssertionClaims,
): TrustedIssuer | undefined =>
  issuers.find(({ issuer }) => issuer === iss && issuer !== cx.config.issuer)

/** The id of the user whom an assertion of this issuer names, as SQL; null when it names nobody. */
export function subjectNamedBy(issuer: TrustedIssuer | undefined, claims: AssertionClaims): Scalar {
  const { sub, email } = claims
  if (issuer?.subject === 'sub' && typeof sub === 'string' && !sub.includes('\0')) {
    return scalar`(select id from user where id = ${sub})`
  }
  // Logto CVE-2026-15611: an address counts only where both sides know that it is the person's.
  const isVerified = claims['email_verified'] === true && typeof email === 'string'
  if (issuer?.subject === 'email' && isVerified && emailFault(email) === null) {
    return userWithProvenAddress(addressForms(email))
  }
  return scalar`null`
}

/**
 * Verifies an assertion with the keys of its issuer, which may have to be fetched. Answers the
 * single-use value that its grant consumes. Throws OAuthError invalid_grant, or
 * temporarily_unavailable when its keys cannot be read.
 */
export async function verifyAssertion(
  cx: Context,
  issuer: TrustedIssuer,
  assertion: string,
): Promise<Assertion> {
  const { iss, aud, exp, iat, sub, jti } = await verifySignature(cx, issuer, assertion)
  if (iss !== issuer.issuer) throw refused('assertion_issuer')
  // Every audience must be this server: if it also names another server, that server could replay
  // it.
  const own = [cx.config.issuer, `${cx.config.issuer}/oauth/token`]
  const ours = issuer.audience === undefined ? own : [issuer.audience]
  const audiences = Array.isArray(aud) ? aud : [aud]
  if (audiences.length === 0 || !audiences.every((one) => ours.includes(String(one)))) {
    throw refused('assertion_audience')
  }
  const now = cx.now()
  if (typeof exp !== 'number' || exp <= now) throw refused('assertion_expired')
  if (exp > now + TTL_MAX) throw refused('assertion_lives_too_long')
  if (iat !== undefined && !(typeof iat === 'number' && iat <= now + CLOCK_TOLERANCE)) {
    throw refused('assertion_issued_ahead')
  }
  if (typeof sub !== 'string' || sub === '') throw refused('assertion_subject')
  if (typeof jti !== 'string' || jti === '' || jti.length > 255) throw refused('assertion_jti')
  // No client id has a space: these ids and those of client assertions never meet.
  return {
    hash: sha256(`grant of ${iss}\n${jti}`),
    issued_at: Math.floor(iat ?? exp - TTL_MAX),
    expires_at: Math.ceil(exp),
    kind: 'grant',
  }
}

/** The claims, if one of the issuer's keys signed them. Judges only the signature and `nbf`. */
async function verifySignature(
  cx: Context,
  issuer: TrustedIssuer,
  assertion: string,
): Promise<AssertionClaims> {
  const header = readJwtHeader(assertion)
  if (header === null) throw refused('bad_assertion')
  // RFC 8725 §3.11: access tokens, logout tokens and the like of that issuer are no assertions
  if (header.typ !== undefined && header.typ !== 'jwt') throw refused('assertion_typ')
  const keys = createLocalJWKSet(await keysOf(cx, issuer, header.kid))
  const options = {
    algorithms: [...(issuer.algorithms ?? SIGNING_ALGORITHMS)],
    currentDate: new Date(cx.now() * 1000),
    // Meant for `nbf`; the caller judges `exp` again without tolerance.
    clockTolerance: CLOCK_TOLERANCE,
  }
  try {
    const { payload } = await jwtVerify(assertion, keys, options).catch(async (error: unknown) => {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
      for await (const key of error) {
        const verified = await jwtVerify(assertion, key, options).catch((fault: unknown) => {
          if (timeFault(fault) !== null) throw fault
          return null
        })
        if (verified !== null) return verified
      }
      throw error
    })
    return payload
  } catch (error) {
    const fault = timeFault(error)
    if (fault !== null) throw refused(`assertion_${fault}`)
    if (error instanceof errors.JOSEError) throw refused('bad_signature')
    // WebCrypto throws these for an unusable key.
    if (error instanceof TypeError || error instanceof DOMException) throw refused('bad_key')
    throw error
  }
}

const usableKeys = (keys: readonly unknown[]) => judgeKeySet(keys).usable as JWK[]

const READER: KeySetReader<JWK> = {
  name: 'issuer keys',
  // jose finds the key that fits; one member that is no object makes the whole set unusable.
  read: (keys) => (keys.every(isObject) ? usableKeys(keys) : null),
  // Only authenticated clients cause a request, and to an address that the operator named; so the
  // next one may try again at once.
  remembersFaults: false,
}

/**
 * The issuer's public keys. Throws OAuthError temporarily_unavailable when they cannot be fetched.
 */
async function keysOf(
  cx: Context,
  { jwks, jwks_uri = '' }: TrustedIssuer,
  kid: string | undefined,
): Promise<JSONWebKeySet> {
  // An entry that was stored before keys were judged may have others.
  if (jwks !== undefined) return { keys: usableKeys(jwks.keys) }
  const keySet = await remoteKeys(cx, READER, jwks_uri, kid)
  if ('fault' in keySet) {
    throw new OAuthError('temporarily_unavailable', {
      description: 'the keys of the issuer cannot be had; try again',
      reason: 'issuer_keys',
      cause: new Error(`${jwks_uri}: ${keySet.words ?? keySet.fault}`),
    })
  }
  return { keys: [...keySet.keys] }
}
