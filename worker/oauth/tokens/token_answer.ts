// Answers of the token endpoint (RFC 6749 §5.1): signed access token, refresh token and ID token
// together.
import type { Context } from '../../context.ts'
import { randomToken } from '../../crypto.ts'
import type { UserRow } from '../../identity/users.ts'
import type { Settings } from '../../settings.ts'
import type { StatusClaim } from '../../status/entry_store.ts'
import type { Detail } from '../authorization_details.ts'
import type { Client } from '../clients/client_metadata.ts'
import { subjectFor } from '../clients/subject_identifier.ts'
import {
  type AccessTokenClaims,
  mqttClientIdPrefix,
  signAccessToken,
  tokenTypeOf,
} from './access_token.ts'
import { mintIdToken, type SignIn } from './id_token.ts'
import type { RightsClaims } from './rights_claims.ts'

/**
 * A new refresh token. It says nothing and is looked up by its hash; but keycloak-js reads the
 * second part of every token as JSON, so that is there, empty (`{}`).
 */
export const newRefreshToken = (cx: Context): string => `rt.e30.${randomToken(cx)}`

/** RFC 6749 §5.1. `scope` is always told: it may be less than what was asked. */
export type TokenAnswer = {
  access_token: string
  token_type: 'Bearer' | 'DPoP'
  expires_in: number
  scope: string
  refresh_token?: string
  id_token?: string
  authorization_details?: readonly Detail[]
  /** Seconds until the key or secret of a device ends by which it fetched this token. */
  credential_expires_in?: number
  /** RFC 8693 §2.2.1. */
  issued_token_type?: string
  /** Beginning of the MQTT client identifiers that a person's token for mProxy may be used with. */
  mqtt_client_id_prefix?: string
}

/**
 * Signs the access token with its entry of a status list, and answers with it. The type follows
 * from what it is bound to.
 */
export async function answerToken(
  cx: Context,
  claims: AccessTokenClaims,
  status: StatusClaim | null,
): Promise<TokenAnswer> {
  const whole = status === null ? claims : { ...claims, status }
  const { access_token, expires_in } = await signAccessToken(cx, whole)
  const token_type = tokenTypeOf(claims.cnf)
  const { scope, authorization_details } = claims
  const mqtt_client_id_prefix = mqttClientIdPrefix(claims)
  return {
    access_token,
    token_type,
    expires_in,
    scope,
    // RFC 9396 §7: as it was granted, which may be less than what was asked
    ...(authorization_details === undefined ? {} : { authorization_details }),
    ...(mqtt_client_id_prefix === undefined ? {} : { mqtt_client_id_prefix }),
  }
}

/** The answer to a person's sign-in: an access token and, with `openid`, an ID token. */
export async function answerSignIn(
  cx: Context,
  settings: Settings,
  {
    claims,
    granted,
    rights_claims,
    client,
  }: {
    claims: AccessTokenClaims
    granted: readonly string[]
    rights_claims: RightsClaims
    client: Client
  },
  sign_in: SignIn,
  {
    user,
    refresh_token,
    status,
    nonce = null,
  }: {
    user: UserRow
    refresh_token: string | null
    status: StatusClaim
    nonce?: string | null
  },
): Promise<TokenAnswer> {
  const sub = await subjectFor(cx, client, sign_in.user_id)
  const answer = await answerToken(cx, { ...claims, sub }, status)
  const { access_token } = answer
  return {
    ...answer,
    ...(refresh_token === null ? {} : { refresh_token }),
    ...(granted.includes('openid')
      ? {
          id_token: await mintIdToken(cx, settings, sign_in, {
            client,
            sub,
            user,
            access_token,
            nonce,
            granted,
            rights_claims,
          }),
        }
      : {}),
  }
}
