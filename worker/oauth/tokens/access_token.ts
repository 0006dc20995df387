// Access tokens: the one place where their claims come together before signing, and where they are
// read back. The sub-room writes and reads tokens and owns no table: formats.ts has an entry for
// each format, id_token.ts ID tokens, token_answer.ts puts an answer of the token endpoint
// together, entitlement.ts says what a token may hold. Whether a token is still good is the word of
// authorizations/origin_store.ts.
import type { AclRule } from '../../../policy/acl.ts'
import type { Context } from '../../context.ts'
import { randomToken, sha256 } from '../../crypto.ts'
import { OAuthError } from '../../errors.ts'
import { placeOfClaim, type StatusClaim, type StatusPlace } from '../../status/entry_store.ts'
import type { Detail } from '../authorization_details.ts'
import { issueToken, readToken, type TokenFormat } from './formats.ts'
import { type PolicyReference, readReferenceToken, signReferenceToken } from './reference_token.ts'
import type { RightsClaims } from './rights_claims.ts'

/** Longest access token, in characters: brokers and proxies stop reading a password somewhere. */
export const ACCESS_TOKEN_MAX = 8192

/**
 * The key that a token is bound to (RFC 7800 §3): by DPoP (RFC 9449 §6) or by certificate (RFC 8705
 * §3.1).
 */
export type Confirmation = { jkt: string } | { 'x5t#S256': string }

/** The principal that acts for the subject, and those that acted before it (RFC 8693 §4.1). */
export type Act = { sub: string; act?: Act }

/** The content of an access token. */
export type AccessToken = {
  /** Id of the authorization or operator-minted token; else of the client or device itself. */
  origin: string
  /**
   * Sum of the epochs of the principals that it rests on; absent: an authorization alone, which has
   * a sum of its own.
   */
  epoch?: number | undefined
  sub: string
  client_id: string
  audience: readonly string[]
  scope: readonly string[]
  /** Seconds. */
  ttl: number
  /** When the first of the rights in it ends, which no token outlives; null or absent: never. */
  not_after?: number | null | undefined
  /** Given exactly when mProxy is an audience. */
  acl?: readonly AclRule[] | undefined
  /** Names the same rules in fewer bytes. */
  reference?: PolicyReference | null | undefined
  /** The MQTT client identifier that a device has for good. */
  mqtt_client_id?: string | null | undefined
  /** Whether nobody is asked about its client, nor about those that it was exchanged from. */
  first_party?: boolean | undefined
  /** Null or absent: whoever bears the token may use it. */
  cnf?: Confirmation | null | undefined
  /** RFC 9396 §9.1. */
  authorization_details?: readonly Detail[] | undefined
  /** Roles and groups of the person, as the client wants them. */
  rights_claims?: RightsClaims | undefined
  /** Absent: the subject's client acts for itself or for the person who signed in to it. */
  act?: Act | undefined
  /** The client's `access_token_format`; absent: jwt. */
  format?: TokenFormat | undefined
}

/** RFC 9068 §2.2; `iss` is added when signing. */
export type AccessTokenClaims = {
  /** How they are to be written. No claim: it is taken out. */
  format: TokenFormat
  /** Instead of `acl`, in a small token. No claim: reference_token.ts writes it. */
  reference?: PolicyReference
  sub: string
  client_id: string
  aud: string | string[]
  iat: number
  exp: number
  jti: string
  scope: string
  acl?: readonly AclRule[]
  mqtt_client_id?: string
  /** In tokens of people for mProxy, which keeps the sessions of applications apart by it. */
  first_party?: boolean
  cnf?: Confirmation
  authorization_details?: readonly Detail[]
  act?: Act
  /** Draft Token Status List §6.1: the entry of its origin, added when it is signed. */
  status?: StatusClaim
} & RightsClaims

/**
 * The claims of an access token, before anything is consumed for it. Throws OAuthError
 * invalid_scope when the token would be longer than ACCESS_TOKEN_MAX, and invalid_scope or
 * invalid_target when its format cannot be for the audience.
 */
export function accessTokenClaims(cx: Context, token: AccessToken): AccessTokenClaims {
  const iat = cx.now()
  const { sub, client_id, audience, acl, mqtt_client_id, cnf, authorization_details, act } = token
  const { format = 'jwt', first_party } = token
  const [first, ...others] = audience
  if (first === undefined) throw new TypeError('an access token without audience')
  assertFormatFits(cx, format, token)
  const claims: AccessTokenClaims = {
    format,
    sub,
    client_id,
    aud: others.length === 0 ? first : [first, ...others],
    iat,
    exp: Math.min(iat + token.ttl, token.not_after ?? Number.MAX_SAFE_INTEGER),
    jti: `${token.origin}.${inJti(token.epoch)}${randomToken(cx, 16)}`,
    scope: token.scope.join(' '),
    ...(acl === undefined ? {} : { acl }),
    ...(token.reference == null || cnf != null ? {} : { reference: token.reference }),
    ...(mqtt_client_id == null ? {} : { mqtt_client_id }),
    // A client that speaks for itself has no other's sessions beside its own.
    ...(acl === undefined || first_party === undefined || sub === client_id ? {} : { first_party }),
    ...(cnf == null ? {} : { cnf }),
    ...(authorization_details === undefined ? {} : { authorization_details }),
    ...(act === undefined ? {} : { act }),
    ...token.rights_claims,
  }
  // Header or footer, signature, `iss`, dots and `status` come to less than 430 characters beside
  // the issuer, which stands in two of them.
  const { length } = new TextEncoder().encode(JSON.stringify(claims))
  const bytes = length + 2 * cx.config.issuer.length
  if (Math.ceil((bytes * 4) / 3) + 430 > ACCESS_TOKEN_MAX) {
    throw new OAuthError('invalid_scope', {
      description: `the access rules and groups do not fit into a token of ${ACCESS_TOKEN_MAX} characters: grant on groups instead of single devices, or ask for less`,
      reason: 'token_too_large',
    })
  }
  return claims
}

/**
 * The beginning of the MQTT client identifiers that a token may be used with whichever rule mProxy
 * has (docs/mqtt.md); undefined: the token is for no person at mProxy. Of a client that is not
 * first party it names the client, so that none takes the session of another.
 */
export function mqttClientIdPrefix(
  claims: Pick<AccessTokenClaims, 'sub' | 'client_id' | 'first_party'>,
): string | undefined {
  const { sub, client_id, first_party } = claims
  if (first_party === undefined) return undefined
  return first_party ? `${sub}:` : `${sub}:${sha256(client_id).slice(0, 10)}`
}

// The random part of a `jti` has no `~`. Of epoch 0, as of tokens of before there were epochs,
// nothing is told.
const inJti = (epoch = 0): string => (epoch === 0 ? '' : `${epoch}~`)

const readEpoch = (jti: string): number => Number(/\.(\d{1,15})~[^.~]*$/.exec(jti)?.[1] ?? 0)

function assertFormatFits(
  cx: Context,
  format: TokenFormat,
  { audience, scope }: AccessToken,
): void {
  // mProxy reads JWTs alone. Registration refuses this pair; here it meets clients registered
  // before it did.
  if (format !== 'jwt' && audience.includes(cx.config.mqtt_audience)) {
    throw new OAuthError(scope.includes('mqtt') ? 'invalid_scope' : 'invalid_target', {
      description: 'tokens for devices are JWTs, and the client has another access_token_format',
      reason: 'format_without_mqtt',
    })
  }
  if (format === 'paseto' && audience.length > 1) {
    throw new OAuthError('invalid_target', {
      description: 'a PASETO has one audience: name one resource',
      reason: 'several_audiences',
    })
  }
}

export type Minted = {
  access_token: string
  /** Seconds. */
  expires_in: number
  /** Epoch seconds. */
  expires_at: number
  /**
   * The key that signed, for `keepKeyUntil` when the token outlives the usual lifetimes; '' for
   * opaque ones.
   */
  kid: string
}

export async function signAccessToken(cx: Context, claims: AccessTokenClaims): Promise<Minted> {
  const { format, reference, ...content } = claims
  if (reference !== undefined) {
    const { jwt, kid } = await signReferenceToken(cx, content, reference)
    return {
      access_token: jwt,
      expires_in: content.exp - content.iat,
      expires_at: content.exp,
      kid,
    }
  }
  const { access_token, kid } = await issueToken(cx, format, content)
  const { iat, exp } = content
  return { access_token, expires_in: exp - iat, expires_at: exp, kid }
}

/** Throws OAuthError invalid_scope when the token would be too long. */
export const mintAccessToken = async (cx: Context, token: AccessToken): Promise<Minted> =>
  signAccessToken(cx, accessTokenClaims(cx, token))

/** An access token after reading: good by signature, issuer and time, not yet by state. */
export type ReadToken = {
  origin: string
  /** Sum of the epochs that it was made under: see `AccessToken`. */
  epoch: number
  sub: string
  client_id: string
  audience: readonly string[]
  scope: readonly string[]
  jti: string
  iat: number
  exp: number
  /**
   * Null: the client is that of the origin. Else the client is another, that acts for the subject.
   */
  act: Act | null
  /** The one principal that may act for the subject, if the token names one (RFC 8693 §4.4). */
  may_act: { sub?: unknown } | null
  /** The key it is bound to, or null. */
  cnf: Confirmation | null
  /** Its entry of a status list; null where it tells none, as those of the version before. */
  status: StatusPlace | null
  authorization_details: Detail[] | undefined
  /** All that it says, for introspection. */
  claims: Readonly<Record<string, unknown>>
}

/**
 * Reads an access token of this issuer in any format; null for anything else. Without `audience`
 * any is accepted.
 */
export async function readAccessToken(
  cx: Context,
  token: string,
  audience?: string,
): Promise<ReadToken | null> {
  const judged = await judge(cx, token, audience)
  return 'fault' in judged ? null : judged
}

type TokenFault = 'not_our_token' | 'token_expired' | 'token_for_others'

/**
 * The same for an endpoint that is the audience, with the reason where it is none. A small token is
 * for mProxy alone.
 */
export async function judgeAccessToken(
  cx: Context,
  token: string,
  audience: string,
): Promise<ReadToken | { fault: TokenFault }> {
  const judged = await judge(cx, token, audience)
  if (!('fault' in judged) || judged.fault !== 'not_our_token') return judged
  return (await readReferenceToken(cx, token)) === null ? judged : { fault: 'token_for_others' }
}

async function judge(
  cx: Context,
  token: string,
  audience?: string,
): Promise<ReadToken | { fault: TokenFault }> {
  if (token.length > ACCESS_TOKEN_MAX) return { fault: 'not_our_token' }
  const claims = await readToken(cx, token)
  if (claims === null) return { fault: 'not_our_token' }
  const { sub, client_id, aud, jti, iat, exp, scope } = claims
  if (
    typeof sub !== 'string' ||
    typeof client_id !== 'string' ||
    typeof jti !== 'string' ||
    typeof scope !== 'string' ||
    typeof iat !== 'number' ||
    typeof exp !== 'number'
  ) {
    return { fault: 'not_our_token' }
  }
  if (exp <= cx.now()) return { fault: 'token_expired' }
  const audiences = typeof aud === 'string' ? [aud] : Array.isArray(aud) ? (aud as string[]) : []
  if (audiences.length === 0) return { fault: 'not_our_token' }
  if (audience !== undefined && !audiences.includes(audience)) return { fault: 'token_for_others' }
  const status = placeOfClaim(cx, claims['status'])
  if (status === null && claims['status'] !== undefined) return { fault: 'not_our_token' }
  return {
    // Ids may have dots, the random part has none.
    origin: jti.slice(0, Math.max(0, jti.lastIndexOf('.'))),
    epoch: readEpoch(jti),
    sub,
    client_id,
    audience: audiences,
    scope: scope.split(' ').filter((one) => one !== ''),
    jti,
    iat,
    exp,
    // The signature is ours, and so is the form of what follows.
    act: (claims['act'] as Act | undefined) ?? null,
    may_act: (claims['may_act'] as { sub?: unknown } | undefined) ?? null,
    cnf: (claims['cnf'] as Confirmation | undefined) ?? null,
    status,
    authorization_details: claims['authorization_details'] as Detail[] | undefined,
    claims,
  }
}

/** RFC 9449 §5; a certificate-bound token is of type Bearer (RFC 8705 §3). */
export const tokenTypeOf = (cnf: Confirmation | null | undefined): 'Bearer' | 'DPoP' =>
  cnf != null && 'jkt' in cnf ? 'DPoP' : 'Bearer'
