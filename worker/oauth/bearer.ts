// The guard before /v1 and /access (RFC 6750): a token for the management API in the Authorization header.
// Origin, principals and rights are looked at anew on each request, so that revocation works at once.
// Which scope a route needs is the route's own word.
import type { MiddlewareHandler } from 'hono'
import { permissionsEverywhere, type RightsRows, rightsOf } from '../access/rights.ts'
import type { Actor, Context } from '../context.ts'
import { OAuthError } from '../errors.ts'
import type { Env } from '../http.ts'
import { signingKeys } from '../keys/signing_keys.ts'
import { findLiveOrigin } from './authorization_store.ts'
import { holdsScope, isRegisteredScope } from './authorizations.ts'
import { findClientById, parseClient } from './clients.ts'
import { isManagementScope, managementAudience } from './scopes.ts'
import { readAccessToken } from './tokens.ts'

const refused = (description: string, reason: string) =>
  new OAuthError('invalid_token', { description, reason })

/** The token of an Authorization header (RFC 6750 §2.1). Throws OAuthError invalid_token. */
export function readBearer(authorization: string | undefined): string {
  if (authorization === undefined) throw refused('an access token is needed', 'no_token')
  const match = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization)
  if (match?.[1] === undefined) throw refused('the access token is not valid', 'bad_header')
  return match[1]
}

/** Sets the actor. Database round trips, warm: 1. Throws OAuthError invalid_token. */
export const bearerGuard: MiddlewareHandler<Env> = async (c, next) => {
  const { cx } = c.var
  const token = readBearer(c.req.header('authorization'))
  c.set('cx', { ...cx, actor: await actorOf(cx, token) })
  await next()
}

async function actorOf(cx: Context, token: string): Promise<Actor> {
  await signingKeys(cx)
  const invalid = (reason: string) => refused('the access token is not valid', reason)
  const read = await readAccessToken(cx, token, managementAudience(cx))
  if (read === null) throw invalid('not_our_token')
  const now = cx.now()
  const [[origin], [row], ...rights] = await cx.db.read(
    findLiveOrigin(read, now),
    findClientById(read.client_id),
    ...rightsOf(read.sub, now),
  )
  if (origin === undefined || row === undefined) throw invalid('origin_ended')
  const client = parseClient(row)
  // What the client is registered for bounds its own tokens, and those that people gave it.
  const scopes = read.scope.filter(
    (one) => isManagementScope(one) && isRegisteredScope(client, one),
  )
  if (origin.kind === 'client') {
    // Of two clients, one acting for the other, the registration of one alone would be looked at here.
    if (read.act !== null) throw invalid('client_for_client')
    return { kind: 'client', id: read.sub, scopes: new Set(scopes) }
  }
  if (origin.kind !== 'authorization') throw invalid('device')
  const held = permissionsEverywhere(rights as RightsRows)
  const left = scopes.filter((one) => holdsScope(held, one))
  return { kind: 'user', id: read.sub, scopes: new Set(left) }
}
