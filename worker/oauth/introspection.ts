// Token introspection (RFC 7662): whether a token is good at this moment, by signature and by state.
// A caller may look at its own tokens and at those whose audience it is: its id, or one of its `resources`.
// Every other token, and all that is no token of ours, is inactive and nothing more.
import type { Context } from '../context.ts'
import { sha256 } from '../crypto.ts'
import { OAuthError } from '../errors.ts'
import type { Form } from '../http.ts'
import { signingKeys } from '../keys/signing_keys.ts'
import { loadSettings, type Settings } from '../settings.ts'
import { findLiveOrigin, findLiveRefreshToken, NO_END } from './authorization_store.ts'
import {
  authenticate,
  CALLER_READS,
  type Caller,
  type CallerRows,
  callerReads,
  type Presented,
  writeAs,
} from './client_authentication.ts'
import { type ReadToken, readAccessToken } from './tokens.ts'

export type Introspection =
  | { active: false }
  | {
      active: true
      iss: string
      sub: string
      client_id: string
      scope: string
      exp?: number
      iat: number
      aud?: string | readonly string[]
      jti?: string
      token_type?: 'Bearer'
    }

/** Database round trips, warm: 1; with an assertion 2. Throws OAuthError. */
export async function introspectToken(
  cx: Context,
  form: Form,
  presented: Presented,
): Promise<Introspection> {
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
  const now = cx.now()
  const [origins, families, ...rows] = await cx.db.read(
    findLiveOrigin(read ?? { origin: '', sub: '', client_id: '' }, now),
    findLiveRefreshToken(read === null ? sha256(token) : '', now, settings.refresh_token_idle_ttl),
    ...callerReads(presented.client_id),
  )
  const caller = await authenticate(cx, presented, rows.slice(0, CALLER_READS) as CallerRows)
  // RFC 7662 §2.1: to whoever does not prove itself nothing is told
  if (caller.method === 'none') {
    throw new OAuthError('invalid_client', {
      description: 'client authentication failed',
      reason: 'public_client',
    })
  }
  await writeAs(cx, caller)

  if (read !== null) {
    if (origins.length === 0 || !mayLookAt(caller, read)) return { active: false }
    const { sub, client_id, audience, scope, exp, iat, jti } = read
    return {
      active: true,
      iss: cx.config.issuer,
      sub,
      client_id,
      aud: audience.length === 1 ? (audience[0] as string) : audience,
      scope: scope.join(' '),
      exp,
      iat,
      jti,
      token_type: 'Bearer',
    }
  }
  const [family] = families
  if (family === undefined || family.client_id !== caller.id) return { active: false }
  return {
    active: true,
    iss: cx.config.issuer,
    sub: family.user_id,
    client_id: family.client_id,
    scope: family.scope,
    // A link has no end that could be told.
    ...(family.expires_at === NO_END ? {} : { exp: endOf(family, now, settings) }),
    iat: family.token_created_at,
  }
}

const endOf = (
  { expires_at, last_used_at }: { expires_at: number | null; last_used_at: number },
  now: number,
  { refresh_token_idle_ttl }: Settings,
): number => Math.min(expires_at ?? now, last_used_at + refresh_token_idle_ttl)

function mayLookAt(caller: Caller, { client_id, audience }: ReadToken): boolean {
  if (client_id === caller.id || audience.includes(caller.id)) return true
  return caller.kind === 'client' && caller.client.resources.some((one) => audience.includes(one))
}
