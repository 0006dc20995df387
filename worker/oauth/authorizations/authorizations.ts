// Authorizations: one sign-in of a person to a client, the origin of its tokens and the family of
// its refresh tokens. How one begins, which access token it gives at this moment, and how it ends.
import { permissionsSomewhere } from '../../access/rights.ts'
import type { Context } from '../../context.ts'
import { sha256 } from '../../crypto.ts'
import { type Condition, join, type Statement, TRUE } from '../../db/sql.ts'
import { OAuthError } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import type { Form } from '../../http.ts'
import type { Settings } from '../../settings.ts'
import { parseDetails, storedDetails } from '../authorization_details.ts'
import type { Caller } from '../client_authentication/client_authentication.ts'
import { refreshTokenBinding } from '../client_authentication/sender_constraint.ts'
import { type Client, isResource } from '../clients/client_metadata.ts'
import { isLink } from '../clients/presets.ts'
import { parseScope } from '../scopes.ts'
import {
  type AccessTokenClaims,
  accessTokenClaims,
  type Confirmation,
} from '../tokens/access_token.ts'
import { assertEntitled, earliest, entitlement, type Wish } from '../tokens/entitlement.ts'
import type { SignIn } from '../tokens/id_token.ts'
import { type PowersRows, powersOf, usesPowers } from '../tokens/powers.ts'
import {
  accessTokenRights,
  accessTokenRightsEnd,
  claimedRightsOf,
  type RightsClaims,
  type RightsClaimsRows,
  rightsClaims,
  wantedOf,
} from '../tokens/rights_claims.ts'
import { newRefreshToken } from '../tokens/token_answer.ts'
import { insertRefreshToken } from './refresh_token_store.ts'
import {
  findAuthorization,
  insertAuthorization,
  isAuthorizationLive,
  NO_END,
  revokeAuthorization,
} from './store.ts'

export { findAuthorization }

/**
 * The wish of a token request, as its parameters say. Throws OAuthError invalid_scope or
 * invalid_target.
 */
export function readWish(form: Form): Wish {
  const scope = form.get('scope')
  const resource = [...new Set(form.all('resource'))]
  if (!resource.every(isResource)) {
    throw new OAuthError('invalid_target', {
      description: 'resource must be an absolute URI without fragment', // RFC 8707 §2
      reason: 'bad_resource',
    })
  }
  return {
    scope: scope === undefined ? null : parseScope(scope),
    resource,
    authorization_details: parseDetails(form.get('authorization_details')),
  }
}

/** The part of a code or an authorization that decides what its tokens may hold. */
type Covered = {
  id: string
  user_id: string
  client_id: string
  scope: string
  resource: string
  authorization_details: string | null
}

/** Access token claims, all that an ID token beside them may tell, and whom they are for. */
export type Entitled = {
  claims: AccessTokenClaims
  granted: readonly string[]
  /** Of an ID token. */
  rights_claims: RightsClaims
  client: Client
}

/**
 * The access token that an authorization gives now, narrowed to the wish. Management scopes last
 * only as long as the person holds a role that gives them, and every scope as long as the client is
 * registered for it. `powers` answer `powersReads` about the person; where these were left out and
 * are needed, they cost one round trip more. Throws OAuthError invalid_scope, invalid_target or
 * invalid_authorization_details.
 */
export async function entitleClient(
  cx: Context,
  { id, user_id, client_id, scope, resource, authorization_details }: Covered,
  wish: Wish,
  { client, cnf, until }: { client: Client; cnf: Confirmation | null; until: number | null },
  settings: Settings,
  rows: { powers: PowersRows; claimRows: RightsClaimsRows },
): Promise<Entitled> {
  const covered = {
    scope: parseScope(scope),
    resource: JSON.parse(resource) as string[],
    authorization_details: storedDetails(authorization_details),
  }
  const isNeeded = usesPowers(cx, [client], covered, wish)
  const claimRows = await claimedRightsOf(cx, client, rows.claimRows, user_id, covered.scope)
  const subject = { subject: user_id, details: authorization_details }
  const powers = await powersOf(cx, isNeeded, rows.powers, subject)
  const permissions = powers === null ? 'not_read' : permissionsSomewhere(powers.rights)
  const found = entitlement(cx, {
    covered,
    wish,
    clients: [client],
    parties: [{ id: user_id, permissions, ...powers }],
    acl_max_rules: settings.acl_max_rules,
  })
  const { granted, ...content } = assertEntitled(found)
  const claimedRights = accessTokenRights(cx, client, content, claimRows)
  const claims = accessTokenClaims(cx, {
    origin: id,
    sub: user_id,
    client_id,
    ttl: client.access_token_ttl ?? settings.access_token_ttl,
    format: client.access_token_format,
    cnf,
    first_party: client.first_party,
    ...content,
    rights_claims: claimedRights,
    not_after: earliest(content.not_after, until, accessTokenRightsEnd(claimedRights, claimRows)),
  })
  const rights_claims = rightsClaims(client, wantedOf(client.id_token_claims, granted), claimRows)
  return { claims, granted, rights_claims, client }
}

/**
 * Whether the client gets a refresh token for these scopes, and so keeps its access when the
 * browser session ends. People are told so before.
 */
export const outlivesSession = (client: Client, scope: readonly string[]): boolean =>
  client.grant_types.includes('refresh_token') &&
  (isLink(client) || scope.includes('offline_access') || !scope.includes('openid'))

/**
 * The scopes that a person allows with these: access that lasts is one of them, whether it was
 * named or not.
 */
export const scopesToAllow = (client: Client, scope: readonly string[]): string[] => [
  ...new Set([...scope, ...(outlivesSession(client, scope) ? ['offline_access'] : [])]),
]

/** The grant of a person to a client that is to become an authorization. */
export type Approval = Covered &
  SignIn & {
    /** Null where no browser session is behind it. */
    session_hash: string | null
    claims: string | null
    /** As of user and client when it was given (`epochOf`). */
    epoch: number
  }

/**
 * The statements by which it does, with a refresh token where the client may have one. `condition`
 * is that this request consumed what the authorization is made from: it holds again when the batch
 * is repeated.
 */
export function startAuthorization(
  cx: Context,
  { client, method, cnf }: { client: Client } & Pick<Caller, 'method' | 'cnf'>,
  approval: Approval,
  settings: Settings,
  condition: Condition,
): { refresh_token: string | null; statements: readonly Statement[] } {
  const { id, user_id, client_id } = approval
  const isLasting = outlivesSession(client, parseScope(approval.scope))
  const refresh_token = isLasting ? newRefreshToken(cx) : null
  const head = refresh_token === null ? null : sha256(refresh_token)
  const now = cx.now()
  const statements = [
    insertAuthorization(
      {
        id,
        user_id,
        client_id,
        scope: approval.scope,
        resource: approval.resource,
        auth_time: approval.auth_time,
        amr: approval.amr,
        session_hash: approval.session_hash,
        head,
        created_at: now,
        last_used_at: now,
        expires_at: head === null ? null : endOf(client, now, settings),
        revoked_at: null,
        sid: approval.sid,
        acr: approval.acr,
        claims: approval.claims,
        authorization_details: approval.authorization_details,
        cnf: refreshTokenBinding({ method, cnf }),
        offline: isLasting || approval.session_hash === null ? 1 : 0,
        epoch: approval.epoch,
      },
      condition,
    ),
    ...(head === null
      ? []
      : [
          insertRefreshToken(
            { hash: head, authorization_id: id, parent: null, created_at: now },
            condition,
          ),
        ]),
    appendEvent(
      cx,
      {
        type: 'authorization.created',
        subject_id: user_id,
        data: { authorization_id: id, client_id, scope: approval.scope },
      },
      condition,
    ),
  ]
  return { refresh_token, statements }
}

const endOf = (client: Client, now: number, { refresh_token_ttl }: Settings): number =>
  isLink(client) ? NO_END : now + refresh_token_ttl

/**
 * Ends an authorization with all its tokens. Its event comes first: its condition holds until then.
 */
export function endAuthorization(
  cx: Context,
  authorization: { id: string; user_id: string; client_id: string },
  reason:
    | 'code_reused'
    | 'refresh_token_reused'
    | 'token_revoked'
    | 'withdrawn'
    | 'session_ended'
    | 'consent_lapsed',
  condition: Condition = TRUE,
): readonly Statement[] {
  const { id } = authorization
  return [
    endedEvent(cx, authorization, reason, join([isAuthorizationLive(id), condition], ' and ')),
    revokeAuthorization(id, cx.now(), condition),
  ]
}

export const endedEvent = (
  cx: Context,
  { id, user_id, client_id }: { id: string; user_id: string; client_id: string },
  reason: string,
  condition: Condition,
): Statement =>
  appendEvent(
    cx,
    {
      type: 'authorization.revoked',
      subject_id: user_id,
      data: { authorization_id: id, client_id, reason },
    },
    condition,
  )
