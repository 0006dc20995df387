// The guard before /v1 and /access (RFC 6750, RFC 9449 §7): a token for the management API in the
// Authorization header. Origin, principals and rights are looked at anew on each request, so that
// revocation works at once; a person's scope reaches as far as the roles that give it. Which scope
// a route needs is the route's own word.
import type { MiddlewareHandler } from 'hono'
import { listHeldScopes, reachOfPeople } from '../access/reach/reach.ts'
import type { Actor, Context } from '../context.ts'
import { OAuthError } from '../errors.ts'
import { allowOriginsOf, type Env, type Http, readBearer } from '../http.ts'
import { signingKeys } from '../keys/signing_keys.ts'
import type { Reason } from '../refusals.ts'
import { actorsOf, findLiveOrigin, mayBeOfPerson } from './authorizations/origin_store.ts'
import { readProofRequest } from './client_authentication/dpop.ts'
import {
  assertProofsOfProfile,
  type Credential,
  proveHolder,
  readOnce,
} from './client_authentication/sender_constraint.ts'
import type { Client } from './clients/client_metadata.ts'
import { findClientById } from './clients/clients.ts'
import { clientOf } from './clients/recent_clients.ts'
import { isManagementScope, managementAudience, SELF_SCOPE } from './scopes.ts'
import { judgeAccessToken } from './tokens/access_token.ts'
import { isRegisteredScope } from './tokens/entitlement.ts'

/**
 * The access token of a request, as bearer token or with a DPoP proof (RFC 9449 §7.1). Throws
 * OAuthError invalid_token.
 */
export function readCredential(c: Http): Credential {
  const authorization = c.req.header('authorization')
  const proof = readProofRequest(c)
  const match = /^DPoP +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization ?? '')
  if (match?.[1] !== undefined) return { scheme: 'DPoP', token: match[1], proof }
  return { scheme: 'Bearer', token: readBearer(authorization), proof }
}

/** Sets the actor. Database round trips, warm: 1. Throws OAuthError invalid_token. */
export const bearerGuard: MiddlewareHandler<Env> = async (c, next) => {
  const { cx } = c.var
  const allow = (client: Pick<Client, 'redirect_uris'>) => allowOriginsOf(c, client.redirect_uris)
  c.set('cx', { ...cx, actor: await actorOf(cx, readCredential(c), allow, isSelf(c.req.path)) })
  await next()
}

const isSelf = (path: string): boolean => path === '/v1/self' || path.startsWith('/v1/self/')

/** `onClient` hears of the client of a token that is good. */
async function actorOf(
  cx: Context,
  credential: Credential,
  onClient: (client: Client) => void,
  isAboutSelf: boolean,
): Promise<Actor> {
  await signingKeys(cx)
  const { scheme } = credential
  const invalid = (reason: Reason) =>
    new OAuthError('invalid_token', {
      description: 'the access token is not valid',
      reason,
      scheme,
    })
  const read = await judgeAccessToken(cx, credential.token, managementAudience(cx))
  if ('fault' in read) throw invalid(read.fault)
  const now = cx.now()
  cx.parties.client_id = read.client_id
  const proofs = await proveHolder(cx, credential, read)
  cx.parties.sub = read.sub
  // People alone: of clients none but the token's own acts here (RFC 8693).
  const acting = actorsOf(read.act).filter((one) => one !== read.client_id)
  const rows = await readOnce(cx, proofs, {
    origin: findLiveOrigin(read, now),
    client: findClientById(read.client_id),
    people: mayBeOfPerson(read)
      ? {
          subject: listHeldScopes(read.sub, now),
          acting: Object.fromEntries(acting.map((one) => [one, listHeldScopes(one, now)] as const)),
        }
      : null,
  })
  const [origin] = rows.origin
  const [row] = rows.client
  if (origin?.kind === 'device') {
    // The one place of the API that is about the caller itself.
    if (!isAboutSelf || !read.scope.includes(SELF_SCOPE)) throw invalid('token_of_device')
    return { kind: 'device', id: read.sub, scopes: new Set([SELF_SCOPE]) }
  }
  if (origin === undefined || row === undefined) throw invalid('origin_ended')
  const client = clientOf(cx, row)
  assertProofsOfProfile(client, proofs)
  onClient(client)
  // The registration of the client bounds its own tokens, and those that people gave it.
  const scopes = read.scope.filter(
    (one) => isManagementScope(one) && isRegisteredScope(client, one),
  )
  const token = { origin: read.origin, epoch: read.epoch }
  if (origin.kind === 'client') {
    // Of two clients, one acting for the other, the registration of one alone would be looked at
    // here.
    if (read.act !== null) throw invalid('client_for_client')
    return { kind: 'client', id: read.sub, scopes: new Set(scopes), token }
  }
  // Without a look at what the people hold nobody is one.
  if (origin.kind !== 'authorization' || Array.isArray(rows.people)) {
    throw invalid('token_of_device')
  }
  const { subject, acting: others } = rows.people
  const reached = reachOfPeople([subject, ...Object.values(others)], scopes)
  return { kind: 'user', id: read.sub, ...reached, acting, token }
}
