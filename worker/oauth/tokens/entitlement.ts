// The entitlement of a token: all that it may hold. Scope, audience, details, rules and end come
// together here, for every grant and for the two questions to a person (consent, device approval).
// It decides from what its caller read and knows, and answers a fault by name, which
// `assertEntitled` says in words. Whether the code, token or assertion is good, the grant sees
// before; how the token is written, access_token.ts does after.
import type { AclRule } from '../../../policy/acl.ts'
import { type CompiledAcl, compileAcl, intersectAcl } from '../../access/acl_claim.ts'
import {
  compileNarrowedAcl,
  heldNarrowings,
  type NarrowedRows,
  narrowingsEnd,
} from '../../access/narrowed_rights.ts'
import type { HeldPermissions, RightsRows } from '../../access/rights.ts'
import type { Context } from '../../context.ts'
import { OAuthError } from '../../errors.ts'
import type { Reason } from '../../refusals.ts'
import { type Detail, narrowDetails } from '../authorization_details.ts'
import { isManagementScope, managementAudience, OUR_SCOPES, resolveAudience } from '../scopes.ts'

/** Less than what is covered, never more: the wish of a token request. */
export type Wish = {
  /** Null: all that is covered. */
  scope: readonly string[] | null
  resource: readonly string[]
  authorization_details?: readonly Detail[] | undefined
}

/** The part of a client that bounds what it may have. */
export type ClientBounds = {
  scope: readonly string[]
  resources: readonly string[]
  authorization_details_types: readonly string[]
}

/** A principal whose power bounds the token: the subject, and whoever acts for it. */
export type Party = {
  id: string
  /**
   * Permissions on everything or on some group, and until when; null for one whose power is its
   * registration alone. `not_read`: no scope of the token can hang on them.
   */
  permissions: HeldPermissions | null | 'not_read'
  /** Needed where mProxy may become the audience. */
  rights?: RightsRows | undefined
  /**
   * Grants on what the details name, and the places of those; absent: details do not hang on it.
   */
  narrowed?: { grants: NarrowedRows['grants']; places?: NarrowedRows['places'] } | undefined
  /** The token by which it takes part, which bounds the new one. */
  token?: { scope: readonly string[]; audience: readonly string[] } | undefined
}

export type Basis = {
  /**
   * The most there is. Resource: null where the client may name all that it is registered for;
   * empty where the authorization named none, and covers the resources of this server to which its
   * scope leads.
   */
  covered: {
    scope: readonly string[]
    resource: readonly string[] | null
    authorization_details?: readonly Detail[] | undefined
  }
  wish: Wish
  /** Each has to be registered for a scope; the first is the one that gets the token. */
  clients: readonly [ClientBounds, ...ClientBounds[]]
  /** The subject first, then whoever acts for it. */
  parties: readonly [Party, ...Party[]]
  acl_max_rules: number
  /**
   * Whether a scope of the wish that cannot be had is a fault; else it is left out, and the answer
   * says so.
   */
  isStrict?: boolean
  /** Whether a token for a resource that is named may be without any scope. */
  mayLackScope?: boolean
  /**
   * A question to a person: about all tokens that may come of it, so no audience is chosen and no
   * rule compiled.
   */
  isQuestion?: boolean
  /** Rules beyond which none go, whatever the parties hold. */
  within?: readonly AclRule[] | undefined
}

/** Members of an access token, ready for `accessTokenClaims`. */
export type Entitlement = {
  scope: string[]
  /** The scope before a resource narrowed it: that of an ID token, which goes with `openid`. */
  granted: string[]
  audience: string[]
  authorization_details: Detail[] | undefined
  /** Present exactly when mProxy is an audience. */
  acl: readonly AclRule[] | undefined
  /**
   * When the first of the rights in it ends, or the first denial begins that its rules would have;
   * in epoch seconds; null: never.
   */
  not_after: number | null
}

/**
 * A fault: `max` is the number of rules that a token may have, where there are more, and `scope`
 * has the scopes of the wish that cannot be had.
 */
type Refused = { fault: EntitlementFault; max?: number; scope?: readonly string[] }

export type EntitlementFault =
  | 'scope_unknown'
  | 'scope_not_covered'
  | 'scope_not_registered'
  | 'no_scope'
  | 'resource_not_covered'
  | 'resource_not_registered'
  | 'mqtt_not_covered'
  | 'no_management_role'
  | 'too_many_rules'

/** Whether a client is registered for a scope; `manage` stands for all of the management API. */
export const isRegisteredScope = ({ scope }: Pick<ClientBounds, 'scope'>, one: string): boolean =>
  scope.includes(one) || (isManagementScope(one) && scope.includes('manage'))

/**
 * The scopes that mean something here: to this server, or to one of the clients. Others are left
 * out, and the answer says so by its own scope (OpenID Connect Core §3.1.2.1, RFC 6749 §3.3).
 */
export const knownScopes = (
  clients: readonly Pick<ClientBounds, 'scope'>[],
  scope: readonly string[],
): string[] =>
  scope.filter(
    (one) => OUR_SCOPES.includes(one) || clients.some((client) => isRegisteredScope(client, one)),
  )

/**
 * Until when a subject with these permissions, on everything or somewhere, holds a management
 * scope; 0: not at all. How far a token with it reaches is the guard's to say, on each request.
 */
const scopeEnd = (permissions: HeldPermissions, scope: string): number =>
  Math.max(permissions.get(scope) ?? 0, permissions.get('manage') ?? 0)

/** Until when the power of each party, as far as it bounds anything, has the scope. */
const heldUntil = (parties: readonly Party[], scope: string): number =>
  isManagementScope(scope)
    ? Math.min(
        ...parties.map(({ id, permissions }) => {
          if (permissions === 'not_read') {
            throw new TypeError(`the scope ${scope} for ${id}, unread`)
          }
          return permissions === null ? Infinity : scopeEnd(permissions, scope)
        }),
      )
    : Infinity

const isHeld = (parties: readonly Party[], scope: string): boolean => heldUntil(parties, scope) > 0

/**
 * Whether a client may have tokens for a resource. A client that is registered for
 * `authorization_details` alone reaches mProxy with these alone (`isDetailed`): without them its
 * token would hold all the rules of its subject.
 */
export function mayNameResource(
  cx: Context,
  { scope, resources, authorization_details_types }: ClientBounds,
  resource: string,
  isDetailed: boolean,
): boolean {
  if (resource === cx.config.issuer || resources.includes(resource)) return true
  if (resource === cx.config.mqtt_audience) {
    return scope.includes('mqtt') || (isDetailed && authorization_details_types.includes('device'))
  }
  return resource === managementAudience(cx) && scope.some(isManagementScope)
}

/**
 * The entitlement of a token, or the fault for which there is none. Throws OAuthError
 * invalid_authorization_details when the wish has details that are not covered, and invalid_scope
 * or invalid_target when no one audience can hold what is left.
 */
export function entitlement(cx: Context, basis: Basis): Entitlement | Refused {
  const { covered, wish, clients, parties } = basis
  // A client asks again for all that it asked for first. A scope that was once covered is known.
  const askedScope =
    wish.scope === null ? null : knownScopes([...clients, { scope: covered.scope }], wish.scope)
  // RFC 6749 §6: nothing that was not granted originally
  const uncovered = askedScope?.filter((one) => !covered.scope.includes(one)) ?? []
  if (uncovered.length > 0) return { fault: 'scope_not_covered', scope: uncovered }
  const wanted = (askedScope ?? covered.scope).filter(
    (one) =>
      clients.every((client) => isRegisteredScope(client, one)) &&
      parties.every(({ token }) => token === undefined || token.scope.includes(one)),
  )
  const lacking = askedScope?.filter((one) => !wanted.includes(one)) ?? []
  if (basis.isStrict && lacking.length > 0) {
    return { fault: 'scope_not_registered', scope: lacking }
  }
  const details = heldDetails(basis)
  // A wish of which nothing is left is none for everything.
  const isUnknown = askedScope?.length === 0 && wish.scope !== null && wish.scope.length > 0
  if (isUnknown && details === undefined) return { fault: 'scope_unknown' }
  if (basis.isQuestion) return askable(cx, basis, wanted, details)
  const isFree = basis.mayLackScope === true && wish.resource.length > 0
  if (wanted.length === 0 && details === undefined && !isFree) return { fault: 'no_scope' }

  const resource = coveredResource(cx, basis)
  if (resource === null) return { fault: 'resource_not_covered' }
  const { mqtt_audience } = cx.config
  const reachesMqtt = parties.every(
    ({ token }) =>
      token === undefined || token.scope.includes('mqtt') || token.audience.includes(mqtt_audience),
  )
  // Details are about devices: without a resource they lead to mProxy as the scope mqtt does.
  const leads = details !== undefined && resource.length === 0 && reachesMqtt
  const leading = leads ? [...new Set([...wanted, 'mqtt'])] : wanted
  const resolved = resolveAudience(cx, leading, resource)
  const { audience } = resolved
  const scope = resolved.scope.filter((one) => wanted.includes(one) && isHeld(parties, one))
  const [client] = clients
  if (!audience.every((one) => mayNameResource(cx, client, one, details !== undefined))) {
    return { fault: 'resource_not_registered' }
  }
  if (audience.includes(managementAudience(cx)) && !scope.some(isManagementScope)) {
    return { fault: 'no_management_role' }
  }
  const bounds = { scope, granted: wanted, audience, authorization_details: details }
  const ends = [
    ...scope.map((one) => heldUntil(parties, one)),
    ...parties.map(({ narrowed }) =>
      narrowed === undefined ? Infinity : narrowingsEnd(details ?? [], narrowed),
    ),
  ]
  if (!audience.includes(mqtt_audience)) {
    return { ...bounds, acl: undefined, not_after: earliest(...ends) }
  }
  if (!reachesMqtt) return { fault: 'mqtt_not_covered' }
  const compiled = rulesOf(cx, basis, details)
  if ('fault' in compiled) return { fault: compiled.fault, max: basis.acl_max_rules }
  return { ...bounds, acl: compiled.rules, not_after: earliest(compiled.expires_at, ...ends) }
}

/** The first of these ends, in epoch seconds; null, in and out: none. */
export function earliest(...ends: readonly (number | null)[]): number | null {
  const end = Math.min(...ends.map((one) => one ?? Infinity))
  return end === Infinity ? null : end
}

/**
 * For a person to allow: resources that the client may name, and of the scopes those that the
 * person holds.
 */
function askable(
  cx: Context,
  { covered, clients: [client], parties }: Basis,
  wanted: readonly string[],
  details: Detail[] | undefined,
): Entitlement | Refused {
  const audience = [...(covered.resource ?? [])]
  if (!audience.every((one) => mayNameResource(cx, client, one, details !== undefined))) {
    return { fault: 'resource_not_registered' }
  }
  const scope = wanted.filter((one) => isHeld(parties, one))
  const isManaged = covered.scope.some(isManagementScope)
  if (isManaged && !scope.some(isManagementScope)) return { fault: 'no_management_role' }
  if (scope.length === 0 && details === undefined) return { fault: 'no_scope' }
  return {
    scope,
    granted: scope,
    audience,
    authorization_details: details,
    acl: undefined,
    not_after: null,
  }
}

/** The details of the wish, or all that are covered, as far as each party holds them. */
function heldDetails({ covered, wish, parties, isQuestion }: Basis): Detail[] | undefined {
  const details = narrowDetails(covered.authorization_details, wish.authorization_details)
  if (details === undefined) return undefined
  return parties.reduce<Detail[]>(
    (left, { id, narrowed }) => {
      if (narrowed !== undefined) return heldNarrowings(left, narrowed)
      // A question may come before they are read; a token never.
      if (isQuestion) return left
      throw new TypeError(`details without what ${id} holds of them`)
    },
    [...details],
  )
}

/** The resources that the token is for, or else all that are covered; null when one is not. */
function coveredResource(cx: Context, { covered, wish }: Basis): readonly string[] | null {
  const { scope, resource, authorization_details } = covered
  if (resource === null) return wish.resource
  if (wish.resource.length === 0) return resource
  const { issuer, mqtt_audience } = cx.config
  const reachesMqtt = scope.includes('mqtt') || authorization_details !== undefined
  const reachable =
    resource.length > 0
      ? resource
      : [
          issuer,
          ...(reachesMqtt ? [mqtt_audience] : []),
          ...(scope.some(isManagementScope) ? [managementAudience(cx)] : []),
        ]
  return wish.resource.every((one) => reachable.includes(one)) ? wish.resource : null
}

/**
 * The rules of all parties together: denials of each, and allowances that one allowance of every
 * other covers.
 */
function rulesOf(
  cx: Context,
  { parties, within, acl_max_rules }: Basis,
  details: readonly Detail[] | undefined,
): CompiledAcl {
  const compiled = parties.map(({ id, rights, narrowed }, i): CompiledAcl => {
    if (rights === undefined) throw new TypeError(`rules for ${id} without its rights`)
    // Details bound the subject. Whoever acts for it is bounded by what the subject has left.
    return details === undefined || i > 0
      ? compileAcl(cx, id, rights, acl_max_rules)
      : compileNarrowedAcl(cx, id, details, rights, placesOf(id, narrowed), acl_max_rules)
  })
  const bound: CompiledAcl[] =
    within === undefined ? [] : [{ rules: [...within], expires_at: null }]
  return [...compiled, ...bound].reduce((a, b) => intersect(a, b, acl_max_rules))
}

function placesOf(id: string, narrowed: Party['narrowed']): NarrowedRows {
  if (narrowed?.places === undefined) throw new TypeError(`details of ${id} without their places`)
  return { grants: narrowed.grants, places: narrowed.places }
}

function intersect(a: CompiledAcl, b: CompiledAcl, max: number): CompiledAcl {
  if ('fault' in a) return a
  if ('fault' in b) return b
  const rules = intersectAcl(a.rules, b.rules)
  if (rules.length > max) return { fault: 'too_many_rules' }
  return { rules, expires_at: earliest(a.expires_at, b.expires_at) }
}

// --- in words ---------------------------------------------------------------------------------

/** A fault as the wire has it, and the reason for the log. */
export type FaultWords = { description: string; reason: Reason }

const WORDS: Readonly<
  Record<EntitlementFault, FaultWords & { error: 'invalid_scope' | 'invalid_target' }>
> = {
  scope_unknown: {
    error: 'invalid_scope',
    description: 'none of these scopes is known here',
    reason: 'unknown_scope',
  },
  scope_not_covered: {
    error: 'invalid_scope',
    description: 'the authorization does not cover this scope',
    reason: 'scope_not_covered',
  },
  scope_not_registered: {
    error: 'invalid_scope',
    description: 'the client is not registered for this scope',
    reason: 'scope_not_registered',
  },
  no_scope: {
    error: 'invalid_scope',
    description: 'the client is not registered for this scope any more',
    reason: 'scope_not_registered',
  },
  resource_not_covered: {
    error: 'invalid_target',
    description: 'the authorization does not cover this resource',
    reason: 'resource_not_covered',
  },
  resource_not_registered: {
    error: 'invalid_target',
    description: 'the client is not registered for this resource',
    reason: 'resource_not_registered',
  },
  mqtt_not_covered: {
    error: 'invalid_target',
    description: 'a token for this resource or audience cannot be had so',
    reason: 'mqtt_not_covered',
  },
  no_management_role: {
    error: 'invalid_scope',
    description: 'the subject holds none of the management scopes',
    reason: 'no_management_role',
  },
  too_many_rules: {
    error: 'invalid_scope',
    description: 'the subject has too many access rules: grant on groups instead of single devices',
    reason: 'too_many_rules',
  },
}

/**
 * The entitlement, or OAuthError invalid_scope or invalid_target, in the grant's own `words` where
 * it has some.
 */
export function assertEntitled(
  found: Entitlement | Refused,
  words: Partial<Record<EntitlementFault, FaultWords>> = {},
): Entitlement {
  if (!('fault' in found)) return found
  const { fault, max, scope } = found
  const { error, ...common } = WORDS[fault]
  const { description, reason } = words[fault] ?? common
  const text = max === undefined ? description : description.replace('too many', `more than ${max}`)
  throw new OAuthError(error, {
    reason,
    // Known scopes alone, so nothing comes back that the caller made up.
    description: scope === undefined ? text : `${text}: ${scope.join(' ')}`,
  })
}
