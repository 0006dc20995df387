// Token introspection (RFC 7662): whether a token is good at this moment, by signature and by
// state. A caller may look at its own tokens and at those for a resource that it `serves`. Any
// other token, and text that is no token of this server, is answered as inactive and nothing more.
// For an access token the answer holds all its claims, in every token format. It is plain JSON or,
// when the caller asks for it, signed (RFC 9701).
import type { Context } from '../../context.ts'
import { sha256 } from '../../crypto.ts'
import { OAuthError } from '../../errors.ts'
import type { Form } from '../../http.ts'
import { signJwt } from '../../keys/jwt.ts'
import { signingKeys } from '../../keys/signing_keys.ts'
import { loadSettings, type Settings } from '../../settings.ts'
import { findLiveOrigin, findLiveReference } from '../authorizations/origin_store.ts'
import { findLiveRefreshToken } from '../authorizations/refresh_token_store.ts'
import { NO_END } from '../authorizations/store.ts'
import {
  authenticate,
  type Caller,
  callerReads,
  writeAs,
} from '../client_authentication/client_authentication.ts'
import type { PresentedCredentials } from '../client_authentication/presented_credentials.ts'
import { isServedBy } from '../clients/client_metadata.ts'
import { subjectFor } from '../clients/subject_identifier.ts'
import {
  type Confirmation,
  type ReadToken,
  readAccessToken,
  tokenTypeOf,
} from '../tokens/access_token.ts'
import { type ReadReference, readReferenceToken } from '../tokens/reference_token.ts'

/** RFC 7662 §2.2. Beyond the members named here there may be any other claim of the token. */
export type Introspection =
  | { active: false }
  | {
      active: true
      iss: string
      sub: string
      client_id: string
      scope: string
      exp?: number
      /** Of every token but a small one. */
      iat?: number
      token_type?: 'Bearer' | 'DPoP'
      [claim: string]: unknown
    }

/** Database round trips, warm: 1; with an assertion 2. Throws OAuthError. */
export async function introspectToken(
  cx: Context,
  form: Form,
  presented: PresentedCredentials,
): Promise<{ introspection: Introspection; caller: Caller }> {
  const token = form.get('token')
  if (token === undefined) {
    throw new OAuthError('invalid_request', {
      description: 'token is needed',
      reason: 'missing_parameter',
    })
  }
  await signingKeys(cx)
  const settings = await loadSettings(cx)
  const read = await readAccessToken(cx, token)
  const small = read === null ? await readReferenceToken(cx, token) : null
  const now = cx.now()
  const rows = await cx.db.read({
    // Each kind of token is looked up where it can be.
    origin: read === null ? null : findLiveOrigin(read, now),
    reference: small === null ? null : findLiveReference(small.sub, small.status, now),
    family:
      read === null && small === null
        ? findLiveRefreshToken(sha256(token), now, settings.refresh_token_idle_ttl)
        : null,
    caller: callerReads(cx, presented),
  })
  const caller = await authenticate(cx, presented, rows.caller)
  // RFC 7662 §2.1: a caller that does not authenticate learns nothing
  if (caller.method === 'none') {
    throw new OAuthError('invalid_client', {
      description: 'client authentication failed',
      reason: 'public_client',
    })
  }
  await writeAs(cx, caller, null)

  if (read !== null) {
    const isGood = rows.origin.length > 0 && mayLookAt(caller, read)
    return { introspection: isGood ? describe(caller, read) : { active: false }, caller }
  }
  if (small !== null) {
    const isGood =
      rows.reference.length > 0 && mayLookAt(caller, { ...small, client_id: small.sub })
    return { introspection: isGood ? describeSmall(small) : { active: false }, caller }
  }
  const [family] = rows.family
  if (family === undefined || caller.kind !== 'client' || family.client_id !== caller.id) {
    return { introspection: { active: false }, caller }
  }
  const introspection: Introspection = {
    active: true,
    iss: cx.config.issuer,
    sub: await subjectFor(cx, caller.client, family.user_id),
    client_id: family.client_id,
    scope: family.scope,
    // A link has no end.
    ...(family.expires_at === NO_END ? {} : { exp: endOf(family, now, settings) }),
    iat: family.token_created_at,
    ...(family.cnf === null ? {} : { cnf: JSON.parse(family.cnf) }),
  }
  return { introspection, caller }
}

const endOf = (
  { expires_at, last_used_at }: { expires_at: number | null; last_used_at: number },
  now: number,
  { refresh_token_idle_ttl }: Settings,
): number => Math.min(expires_at ?? now, last_used_at + refresh_token_idle_ttl)

const mayLookAt = (caller: Caller, read: Pick<ReadToken, 'client_id' | 'audience'>): boolean =>
  read.client_id === caller.id || isAudience(caller, read)

/** `resources` of a client do not count: it may ask for these, and is none of them. */
const isAudience = (caller: Caller, { audience }: Pick<ReadToken, 'audience'>): boolean =>
  caller.kind === 'client' && isServedBy(caller.client, audience)

/** A small token says its `typ`, and names its rules by `acl_ref`. */
const describeSmall = ({ sub, exp, audience, claims }: ReadReference): Introspection => ({
  ...claims,
  active: true,
  iss: String(claims['iss']),
  sub,
  client_id: sub,
  aud: audience[0],
  scope: 'mqtt',
  exp,
  token_type: 'Bearer',
})

/** The claims of a good access token. The claim `acl` is only for callers that are its audience. */
function describe(caller: Caller, read: ReadToken): Introspection {
  const { acl, ...claims } = read.claims
  const { sub, client_id, exp, iat } = read
  const cnf = claims['cnf'] as Confirmation | undefined
  return {
    ...claims,
    ...(acl !== undefined && isAudience(caller, read) ? { acl } : {}),
    active: true,
    iss: String(claims['iss']),
    sub,
    client_id,
    scope: read.scope.join(' '),
    exp,
    iat,
    token_type: tokenTypeOf(cnf), // RFC 9449 §6.2
  }
}

/**
 * The answer as a JWT for the caller alone (RFC 9701 §5). It has a type of its own and no `sub` and
 * `exp` beside the inner ones, so that nobody takes it for a token (§8.1).
 */
export async function signIntrospection(
  cx: Context,
  caller: Caller,
  token_introspection: Introspection,
): Promise<string> {
  const registered =
    caller.kind === 'client' ? caller.client.introspection_signed_response_alg : null
  const claims = { aud: caller.id, iat: cx.now(), token_introspection }
  // RFC 9701 §6: RS256 unless the client is registered for another
  const { jwt } = await signJwt(cx, registered ?? 'RS256', 'token-introspection+jwt', claims)
  return jwt
}
