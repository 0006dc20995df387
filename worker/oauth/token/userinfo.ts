// The UserInfo endpoint (OpenID Connect Core §5.3): the claims that a token with `openid` gives
// about its person, by scope and by the `claims` parameter; signed where the client registered
// that.
import type { Context } from '../../context.ts'
import { scalar } from '../../db/sql.ts'
import { OAuthError } from '../../errors.ts'
import { signJwt } from '../../keys/jwt.ts'
import { signingKeys } from '../../keys/signing_keys.ts'
import type { Reason } from '../../refusals.ts'
import { findLiveOrigin } from '../authorizations/origin_store.ts'
import { findAuthorization, findUserOf, subjectOfAuthorization } from '../authorizations/store.ts'
import { claimsAbout, readClaims } from '../claims.ts'
import {
  assertProofsOfProfile,
  type Credential,
  proveHolder,
  readOnce,
} from '../client_authentication/sender_constraint.ts'
import { findClientById } from '../clients/clients.ts'
import { clientOf } from '../clients/recent_clients.ts'
import { judgeAccessToken } from '../tokens/access_token.ts'
import { hasRightsScope, rightsClaims, rightsClaimsOf } from '../tokens/rights_claims.ts'

/** OpenID Connect Core §5.3.2: JSON, or a JWT with the same claims. */
export type UserInfo = { claims: Record<string, unknown> } | { jwt: string }

/** Database round trips, warm: 1. Throws OAuthError invalid_token or insufficient_scope. */
export async function readUserInfo(cx: Context, credential: Credential): Promise<UserInfo> {
  await signingKeys(cx)
  const { scheme, token } = credential
  const refused = (reason: Reason) =>
    new OAuthError('invalid_token', {
      description: 'the access token is not valid',
      reason,
      scheme,
    })
  const read = await judgeAccessToken(cx, token, cx.config.issuer)
  if ('fault' in read) throw refused(read.fault)
  cx.parties.client_id = read.client_id
  const proofs = await proveHolder(cx, credential, read)
  cx.parties.sub = read.sub
  const rows = await readOnce(cx, proofs, {
    origin: findLiveOrigin(read, cx.now()),
    authorization: findAuthorization(read.origin),
    // Found by the authorization, since the subject of a pairwise client's token is no user's id.
    user: findUserOf(subjectOfAuthorization(read.origin)),
    client: findClientById(read.client_id),
    claimRows: hasRightsScope(read.scope)
      ? rightsClaimsOf(
          subjectOfAuthorization(read.origin),
          scalar`${read.scope.join(' ')}`,
          read.client_id,
          cx.now(),
        )
      : null,
  })
  // The record of events knows a person by the id alone, also where the token has another name.
  cx.parties.sub = rows.user[0]?.id ?? read.sub
  // Behind the read, which uses up the proof.
  if (!read.scope.includes('openid')) {
    throw new OAuthError('insufficient_scope', {
      description: 'this needs the scope openid',
      reason: 'no_openid',
      scheme,
    })
  }
  const [origin] = rows.origin
  const [authorization] = rows.authorization
  const [user] = rows.user
  const [row] = rows.client
  if (origin?.kind !== 'authorization') throw refused('origin_ended')
  if (authorization === undefined || user === undefined || row === undefined) {
    throw refused('origin_ended')
  }
  const client = clientOf(cx, row)
  assertProofsOfProfile(client, proofs)
  // Single claims were allowed to the client that asked for them, not to another that acts (RFC
  // 8693).
  const requests = read.act === null ? readClaims(authorization.claims, client.scope).userinfo : {}
  // The subject equals that of the ID token (§5.3.2), which came with this very token.
  const claims = {
    ...claimsAbout(user, read.scope, requests),
    ...rightsClaims(client, read.scope, rows.claimRows),
    sub: read.sub,
  }
  const alg = client.userinfo_signed_response_alg
  if (alg === null) return { claims }
  // Without `exp`, so that nobody takes it for an ID token.
  const { jwt } = await signJwt(cx, alg, 'JWT', { ...claims, aud: client.client_id })
  return { jwt }
}
