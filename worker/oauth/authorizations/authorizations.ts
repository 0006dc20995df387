// Authorizations: one sign-in of a person to a client, the origin of its tokens and the family of its refresh
// tokens. What one covers, what a token of it may hold at this moment, how it ends and when it is forgotten.
import {
  compileNarrowedAcl,
  heldNarrowings,
  type NarrowedRows,
} from '../../access/narrowed_rights.ts'
import {
  type CompiledAcl,
  compileAcl,
  permissionsEverywhere,
  type RightsRows,
} from '../../access/rights.ts'
import type { Context } from '../../context.ts'
import { sha256 } from '../../crypto.ts'
import { type Condition, join, type Statement, TRUE } from '../../db/sql.ts'
import { OAuthError } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import type { Form } from '../../http.ts'
import type { Settings } from '../../settings.ts'
import {
  type Detail,
  narrowDetails,
  parseDetails,
  storedDetails,
} from '../authorization_details.ts'
import type { Caller } from '../client_authentication/client_authentication.ts'
import { refreshTokenBinding } from '../client_authentication/sender_constraint.ts'
import { type Client, isResource } from '../clients/client_metadata.ts'
import { isLink } from '../clients/presets.ts'
import { isManagementScope, managementAudience, parseScope, resolveAudience } from '../scopes.ts'
import {
  type AccessTokenClaims,
  accessTokenClaims,
  type Confirmation,
} from '../tokens/access_token.ts'
import type { SignIn } from '../tokens/id_token.ts'
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

/** What a token request asks of an authorization: less than it covers, never more. */
export type Asked = {
  scope: readonly string[] | null
  resource: readonly string[]
  authorization_details?: Detail[] | undefined
}

/** Reads `scope` and `resource`. Throws OAuthError invalid_scope or invalid_target. */
export function readAsked(form: Form): Asked {
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

/** Whether a client is registered for a scope; `manage` stands for all of the management API. */
export const isRegisteredScope = (client: Client, scope: string): boolean =>
  client.scope.includes(scope) || (isManagementScope(scope) && client.scope.includes('manage'))

/** Whether a subject with these permissions on everything holds a management scope. */
export const holdsScope = (permissions: ReadonlySet<string>, scope: string): boolean =>
  permissions.has(scope) || permissions.has('manage')

/** The rules for the `acl` claim and when the first of them ends. Throws OAuthError invalid_scope for too many. */
export function aclClaim(settings: Settings, compile: (maxRules: number) => CompiledAcl) {
  const compiled = compile(settings.acl_max_rules)
  if ('rules' in compiled) return { acl: compiled.rules, not_after: compiled.expires_at }
  throw new OAuthError('invalid_scope', {
    description: `the subject has more than ${settings.acl_max_rules} access rules: grant on groups instead of single devices`,
    reason: compiled.fault,
  })
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

/** Access token claims, whether an ID token goes with them, and whom they are for. */
export type Entitled = { claims: AccessTokenClaims; openid: boolean; client: Client }

/**
 * The access token that an authorization gives now, narrowed to what is asked. Management scopes last only as
 * long as the person holds a role that gives them, and every scope as long as the client is registered for it.
 * `narrowed` is what the person holds of the covered authorization_details, needed where there are any.
 * Throws OAuthError invalid_scope, invalid_target or invalid_authorization_details.
 */
export function entitle(
  cx: Context,
  covered: Covered,
  asked: Asked,
  { client, cnf }: { client: Client; cnf: Confirmation | null },
  rights: RightsRows,
  settings: Settings,
  narrowed: NarrowedRows = { grants: [], places: [] },
): Entitled {
  const asked_details = narrowDetails(
    storedDetails(covered.authorization_details),
    asked.authorization_details,
  )
  const details = asked_details === undefined ? undefined : heldNarrowings(asked_details, narrowed)
  const given = parseScope(covered.scope)
  // RFC 6749 §6: nothing that was not granted originally
  if (asked.scope?.some((one) => !given.includes(one))) {
    throw new OAuthError('invalid_scope', {
      description: 'the authorization does not cover this scope',
      reason: 'scope_not_covered',
    })
  }
  const wanted = (asked.scope ?? given).filter((one) => isRegisteredScope(client, one))
  if (wanted.length === 0 && details === undefined) {
    throw new OAuthError('invalid_scope', {
      description: 'the client is not registered for this scope any more',
      reason: 'scope_not_registered',
    })
  }
  const resource = coveredResource(cx, covered, given, asked.resource)
  // Details are about devices: without a resource they lead to mProxy as the scope mqtt does.
  const leading =
    details === undefined || resource.length > 0 ? wanted : [...new Set([...wanted, 'mqtt'])]
  const resolved = resolveAudience(cx, leading, resource)
  const { audience } = resolved
  let scope = resolved.scope.filter((one) => wanted.includes(one))

  const { mqtt_audience } = cx.config
  if (!audience.every((one) => mayNameResource(cx, client, one, details !== undefined))) {
    throw new OAuthError('invalid_target', {
      description: 'the client is not registered for this resource',
      reason: 'resource_not_registered',
    })
  }
  if (audience.includes(managementAudience(cx))) {
    const held = permissionsEverywhere(rights)
    scope = scope.filter((one) => !isManagementScope(one) || holdsScope(held, one))
    if (!scope.some(isManagementScope)) {
      throw new OAuthError('invalid_scope', {
        description: 'the subject holds none of the management scopes',
        reason: 'no_management_role',
      })
    }
  }
  const claims = accessTokenClaims(cx, {
    origin: covered.id,
    sub: covered.user_id,
    client_id: covered.client_id,
    audience,
    scope,
    ttl: client.access_token_ttl ?? settings.access_token_ttl,
    format: client.access_token_format,
    cnf,
    authorization_details: details,
    ...(audience.includes(mqtt_audience)
      ? aclClaim(settings, (max) =>
          details === undefined
            ? compileAcl(cx, covered.user_id, rights, max)
            : compileNarrowedAcl(cx, covered.user_id, details, rights, narrowed, max),
        )
      : {}),
  })
  return { claims, openid: wanted.includes('openid'), client }
}

/**
 * Whether a client may have tokens for a resource. What is registered for `authorization_details` alone reaches mProxy
 * with these alone (`detailed`): without them its token would hold all the rules of its subject.
 */
export function mayNameResource(
  cx: Context,
  client: Client,
  resource: string,
  detailed: boolean,
): boolean {
  if (resource === cx.config.issuer || client.resources.includes(resource)) return true
  if (resource === cx.config.mqtt_audience) {
    const { scope, authorization_details_types } = client
    return scope.includes('mqtt') || (detailed && authorization_details_types.includes('device'))
  }
  return resource === managementAudience(cx) && client.scope.some(isManagementScope)
}

/** The resource that is asked, or else all that was given. Throws OAuthError invalid_target. */
function coveredResource(
  cx: Context,
  covered: Covered,
  given: readonly string[],
  asked: readonly string[],
): readonly string[] {
  const named = JSON.parse(covered.resource) as string[]
  if (asked.length === 0) return named
  // An authorization that names no resource covers those of ours that its scope leads to.
  const { issuer, mqtt_audience } = cx.config
  const reachable =
    named.length > 0
      ? named
      : [
          issuer,
          ...(given.includes('mqtt') || covered.authorization_details !== null
            ? [mqtt_audience]
            : []),
          ...(given.some(isManagementScope) ? [managementAudience(cx)] : []),
        ]
  if (!asked.every((one) => reachable.includes(one))) {
    throw new OAuthError('invalid_target', {
      description: 'the authorization does not cover this resource',
      reason: 'resource_not_covered',
    })
  }
  return asked
}

/** What a person gave a client, and is to become an authorization. */
export type Given = Covered &
  SignIn & {
    /** Null where no browser session is behind it. */
    session_hash: string | null
    claims: string | null
  }

/**
 * The statements by which it does, with a refresh token where the client may have one. `condition` is that this
 * request consumed what the authorization is made from: it holds again when the batch is repeated.
 */
export function startAuthorization(
  cx: Context,
  { client, method, cnf }: { client: Client } & Pick<Caller, 'method' | 'cnf'>,
  given: Given,
  settings: Settings,
  condition: Condition,
): { refresh_token: string | null; statements: readonly Statement[] } {
  const { id, user_id, client_id } = given
  const scope = parseScope(given.scope)
  const isLasting =
    client.grant_types.includes('refresh_token') &&
    (isLink(client) || scope.includes('offline_access') || !scope.includes('openid'))
  const refresh_token = isLasting ? newRefreshToken(cx) : null
  const head = refresh_token === null ? null : sha256(refresh_token)
  const now = cx.now()
  const statements = [
    insertAuthorization(
      {
        id,
        user_id,
        client_id,
        scope: given.scope,
        resource: given.resource,
        auth_time: given.auth_time,
        amr: given.amr,
        session_hash: given.session_hash,
        head,
        created_at: now,
        last_used_at: now,
        expires_at: head === null ? null : endOf(client, now, settings),
        revoked_at: null,
        sid: given.sid,
        acr: given.acr,
        claims: given.claims,
        authorization_details: given.authorization_details,
        cnf: refreshTokenBinding({ method, cnf }),
        offline: isLasting || given.session_hash === null ? 1 : 0,
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
        data: { authorization_id: id, client_id, scope: given.scope },
      },
      condition,
    ),
  ]
  return { refresh_token, statements }
}

const endOf = (client: Client, now: number, { refresh_token_ttl }: Settings): number =>
  isLink(client) ? NO_END : now + refresh_token_ttl

/** Ends an authorization with all its tokens. Its event comes first: its condition holds until then. */
export function endAuthorization(
  cx: Context,
  authorization: { id: string; user_id: string; client_id: string },
  reason: 'code_reused' | 'refresh_token_reused' | 'token_revoked' | 'withdrawn' | 'session_ended',
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
