// Tokens of ours: the one place where their claims come together before signing, and where they are read back.
// What somebody may have is decided by the grants; whether a token is still good by authorization_store.
import type { AclRule } from '../../../policy/acl.ts'
import type { Context } from '../../context.ts'
import { leftHalf, randomToken } from '../../crypto.ts'
import { OAuthError } from '../../errors.ts'
import type { UserRow } from '../../identity/users.ts'
import { signJwt } from '../../keys/jwt.ts'
import type { Settings } from '../../settings.ts'
import type { Detail } from '../authorization_details.ts'
import { claimsAbout, readClaims } from '../claims.ts'
import type { Client } from '../clients/metadata.ts'
import { subjectFor } from '../clients/subject_identifier.ts'
import { issueToken, readToken, type TokenFormat } from './formats.ts'

/** Longest access token, in characters: brokers and proxies stop reading a password somewhere. */
export const ACCESS_TOKEN_MAX = 8192

/** The key that a token is bound to (RFC 7800 §3): by DPoP (RFC 9449 §6) or by certificate (RFC 8705 §3.1). */
export type Confirmation = { jkt: string } | { 'x5t#S256': string }

/** Who acts for the subject, and for whom that one acted before (RFC 8693 §4.1). */
export type Act = { sub: string; act?: Act }

/** What an access token is to say. */
export type AccessToken = {
  /** Id of the authorization or operator-minted token; else of the client or device itself. */
  origin: string
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
  /** The MQTT client identifier that a device has for good. */
  mqtt_client_id?: string | null | undefined
  /** Null or absent: whoever bears the token may use it. */
  cnf?: Confirmation | null | undefined
  /** RFC 9396 §9.1. */
  authorization_details?: readonly Detail[] | undefined
  /** Absent: the subject's client acts for itself or for the person who signed in to it. */
  act?: Act | undefined
  /** The client's `access_token_format`; absent: jwt. */
  format?: TokenFormat | undefined
}

/** RFC 9068 §2.2; `iss` is added when signing. */
export type AccessTokenClaims = {
  /** How they are to be written. No claim: it is taken out. */
  format: TokenFormat
  sub: string
  client_id: string
  aud: string | string[]
  iat: number
  exp: number
  jti: string
  scope: string
  acl?: readonly AclRule[]
  mqtt_client_id?: string
  cnf?: Confirmation
  authorization_details?: readonly Detail[]
  act?: Act
}

/**
 * The claims of an access token, before anything is consumed for it.
 * Throws OAuthError invalid_scope when the token would be longer than ACCESS_TOKEN_MAX, and invalid_scope or
 * invalid_target when its format cannot be for the audience.
 */
export function accessTokenClaims(cx: Context, token: AccessToken): AccessTokenClaims {
  const iat = cx.now()
  const { sub, client_id, audience, acl, mqtt_client_id, cnf, authorization_details, act } = token
  const { format = 'jwt' } = token
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
    jti: `${token.origin}.${randomToken(cx, 16)}`,
    scope: token.scope.join(' '),
    ...(acl === undefined ? {} : { acl }),
    ...(mqtt_client_id == null ? {} : { mqtt_client_id }),
    ...(cnf == null ? {} : { cnf }),
    ...(authorization_details === undefined ? {} : { authorization_details }),
    ...(act === undefined ? {} : { act }),
  }
  // Header or footer, signature, `iss` and dots come to less than 300 characters beside the issuer's own.
  const bytes = new TextEncoder().encode(JSON.stringify(claims)).length + cx.config.issuer.length
  if (Math.ceil((bytes * 4) / 3) + 300 > ACCESS_TOKEN_MAX) {
    throw new OAuthError('invalid_scope', {
      description: `the access rules do not fit into a token of ${ACCESS_TOKEN_MAX} characters: grant on groups instead of single devices, or ask for less`,
      reason: 'token_too_large',
    })
  }
  return claims
}

function assertFormatFits(
  cx: Context,
  format: TokenFormat,
  { audience, scope }: AccessToken,
): void {
  // mProxy reads JWTs alone. Registration refuses this pair; here it meets clients registered before it did.
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
  /** The key that signed, for `keepKeyUntil` when the token outlives the usual lifetimes; '' for opaque ones. */
  kid: string
}

export async function signAccessToken(cx: Context, claims: AccessTokenClaims): Promise<Minted> {
  const { format, ...said } = claims
  const { access_token, kid } = await issueToken(cx, format, said)
  const { iat, exp } = said
  return { access_token, expires_in: exp - iat, expires_at: exp, kid }
}

/** Throws OAuthError invalid_scope when the token would be too long. */
export const mintAccessToken = async (cx: Context, token: AccessToken): Promise<Minted> =>
  signAccessToken(cx, accessTokenClaims(cx, token))

/**
 * A new refresh token. It says nothing and is looked up by its hash; but keycloak-js reads the second part of every
 * token as JSON, so that is there, empty (`{}`).
 */
export const newRefreshToken = (cx: Context): string => `rt.e30.${randomToken(cx)}`

/** One sign-in of a person, as a code or an authorization keeps it. */
export type SignIn = {
  user_id: string
  auth_time: number
  /** JSON array (RFC 8176). */
  amr: string
  acr: string | null
  /** Of the browser session, if there was one. */
  sid: string | null
  /** JSON: what the `claims` parameter asked for. */
  claims: string | null
}

/** The ID token of a sign-in (OpenID Connect Core §2) for a client. */
async function mintIdToken(
  cx: Context,
  settings: Settings,
  { auth_time, amr, acr, sid, claims }: SignIn,
  {
    client,
    sub,
    user,
    access_token,
    nonce,
  }: { client: Client; sub: string; user: UserRow; access_token: string; nonce: string | null },
): Promise<string> {
  const alg = client.id_token_signed_response_alg
  const iat = cx.now()
  const { jwt } = await signJwt(cx, alg, 'JWT', {
    // What scopes bring is for userinfo (OpenID Connect Core §5.4).
    ...claimsAbout(user, [], readClaims(claims, client.scope).id_token),
    sub,
    aud: client.client_id,
    iat,
    exp: iat + settings.id_token_ttl,
    auth_time,
    amr: JSON.parse(amr),
    // OpenID Connect Core §3.1.3.6: with the hash of the signature's algorithm, which for Ed25519 is SHA-512.
    at_hash: leftHalf(alg === 'EdDSA' ? 'SHA-512' : 'SHA-256', access_token),
    ...(nonce === null ? {} : { nonce }),
    ...(acr === null ? {} : { acr }),
    ...(sid === null ? {} : { sid }),
  })
  return jwt
}

/** RFC 6749 §5.1. `scope` is always told: it may be less than what was asked. */
export type TokenAnswer = {
  access_token: string
  token_type: 'Bearer' | 'DPoP'
  expires_in: number
  scope: string
  refresh_token?: string
  id_token?: string
  authorization_details?: readonly Detail[]
  /** RFC 8693 §2.2.1. */
  issued_token_type?: string
}

/** Signs the access token and answers with it. The type follows from what it is bound to. */
export async function answerToken(cx: Context, claims: AccessTokenClaims): Promise<TokenAnswer> {
  const { access_token, expires_in } = await signAccessToken(cx, claims)
  const token_type = tokenTypeOf(claims.cnf)
  const { scope, authorization_details } = claims
  return {
    access_token,
    token_type,
    expires_in,
    scope,
    // RFC 9396 §7: as it was granted, which may be less than what was asked
    ...(authorization_details === undefined ? {} : { authorization_details }),
  }
}

/** What a person's sign-in gives a client: an access token and, with `openid`, an ID token. */
export async function answerSignIn(
  cx: Context,
  settings: Settings,
  { claims, openid, client }: { claims: AccessTokenClaims; openid: boolean; client: Client },
  sign_in: SignIn,
  {
    user,
    refresh_token,
    nonce = null,
  }: { user: UserRow; refresh_token: string | null; nonce?: string | null },
): Promise<TokenAnswer> {
  const sub = await subjectFor(cx, client, sign_in.user_id)
  const answer = await answerToken(cx, { ...claims, sub })
  const { access_token } = answer
  return {
    ...answer,
    ...(refresh_token === null ? {} : { refresh_token }),
    ...(openid
      ? {
          id_token: await mintIdToken(cx, settings, sign_in, {
            client,
            sub,
            user,
            access_token,
            nonce,
          }),
        }
      : {}),
  }
}

/** An access token of ours that was read: good by signature, issuer and time, not yet by state. */
export type ReadToken = {
  origin: string
  sub: string
  client_id: string
  audience: readonly string[]
  scope: readonly string[]
  jti: string
  iat: number
  exp: number
  /** Null: the client is that of the origin. Else the client is another, that acts for the subject. */
  act: Act | null
  /** Who alone may act for the subject, if the token says so (RFC 8693 §4.4). */
  may_act: { sub?: unknown } | null
  /** The key it is bound to, or null. */
  cnf: Confirmation | null
  authorization_details: Detail[] | undefined
  /** All that it says, for introspection. */
  claims: Readonly<Record<string, unknown>>
}

/** An access token of ours in any format, or null for anything else. Without `audience` any is accepted. */
export async function readAccessToken(
  cx: Context,
  token: string,
  audience?: string,
): Promise<ReadToken | null> {
  if (token.length > ACCESS_TOKEN_MAX) return null
  const claims = await readToken(cx, token)
  if (claims === null) return null
  const { sub, client_id, aud, jti, iat, exp, scope } = claims
  if (
    typeof sub !== 'string' ||
    typeof client_id !== 'string' ||
    typeof jti !== 'string' ||
    typeof scope !== 'string' ||
    typeof iat !== 'number' ||
    typeof exp !== 'number' ||
    exp <= cx.now()
  ) {
    return null
  }
  const audiences = typeof aud === 'string' ? [aud] : Array.isArray(aud) ? (aud as string[]) : []
  if (audiences.length === 0) return null
  if (audience !== undefined && !audiences.includes(audience)) return null
  return {
    // Ids may have dots, the random part has none.
    origin: jti.slice(0, Math.max(0, jti.lastIndexOf('.'))),
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
    authorization_details: claims['authorization_details'] as Detail[] | undefined,
    claims,
  }
}

/** RFC 9449 §5; a certificate-bound token is of type Bearer (RFC 8705 §3). */
export const tokenTypeOf = (cnf: Confirmation | null | undefined): 'Bearer' | 'DPoP' =>
  cnf != null && 'jkt' in cnf ? 'DPoP' : 'Bearer'
