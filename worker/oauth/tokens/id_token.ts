// ID tokens (OpenID Connect Core §2): the sign-in of a person, told to one client.
import type { Context } from '../../context.ts'
import { leftHalf } from '../../crypto.ts'
import type { UserRow } from '../../identity/users.ts'
import { signJwt } from '../../keys/jwt.ts'
import type { Settings } from '../../settings.ts'
import { claimsAbout, readClaims } from '../claims.ts'
import type { Client } from '../clients/client_metadata.ts'
import type { RightsClaims } from './rights_claims.ts'

/** One sign-in of a person, as a code or an authorization keeps it. */
export type SignIn = {
  user_id: string
  auth_time: number
  /** JSON array (RFC 8176). */
  amr: string
  acr: string | null
  /** Of the browser session, if there was one. */
  sid: string | null
  /** JSON: the `claims` parameter of the request. */
  claims: string | null
}

/**
 * The ID token of a sign-in (OpenID Connect Core §2) for a client. `granted` is the scope that it
 * may tell about. The claims of scopes are for userinfo (§5.4); those that the client names in
 * `id_token_claims` stand here too.
 */
export async function mintIdToken(
  cx: Context,
  settings: Settings,
  { auth_time, amr, acr, sid, claims }: SignIn,
  {
    client,
    sub,
    user,
    access_token,
    nonce,
    granted,
    rights_claims,
  }: {
    client: Client
    sub: string
    user: UserRow
    access_token: string
    nonce: string | null
    granted: readonly string[]
    rights_claims: RightsClaims
  },
): Promise<string> {
  const alg = client.id_token_signed_response_alg
  const iat = cx.now()
  const { jwt } = await signJwt(cx, alg, 'JWT', {
    ...claimsAbout(
      user,
      granted,
      readClaims(claims, client.scope).id_token,
      client.id_token_claims,
    ),
    ...rights_claims,
    sub,
    aud: client.client_id,
    iat,
    exp: iat + settings.id_token_ttl,
    auth_time,
    amr: JSON.parse(amr),
    // OpenID Connect Core §3.1.3.6: with the hash of the signature's algorithm, which for Ed25519
    // is SHA-512.
    at_hash: leftHalf(alg === 'EdDSA' ? 'SHA-512' : 'SHA-256', access_token),
    ...(nonce === null ? {} : { nonce }),
    ...(acr === null ? {} : { acr }),
    ...(sid === null ? {} : { sid }),
  })
  return jwt
}
