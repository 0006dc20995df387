// The next step of a request for authorization: sign in first, ask first, refuse, or a code.
// Decided anew at each look, from the stored request, the session and the allowances of before;
// nothing is read or written here.
import type { NarrowedRows } from '../../access/narrowed_rights.ts'
import type { HeldPermissions } from '../../access/rights.ts'
import type { Context } from '../../context.ts'
import { firstRequirement, type Requirement } from '../../identity/requirements.ts'
import type { LiveSession } from '../../identity/sessions.ts'
import { isReachable, meetsAcr } from '../acr.ts'
import { type Detail, digestOf } from '../authorization_details.ts'
import type { AllowedScope } from '../authorizations/allowed_scope_store.ts'
import { scopesToAllow } from '../authorizations/authorizations.ts'
import { acrRequest, claimAsScope, claimsBeyond, subjectRequest } from '../claims.ts'
import type { Client } from '../clients/clients.ts'
import { isTooWeakFor } from '../clients/factor_demand.ts'
import { isLink } from '../clients/presets.ts'
import { mayBeImpersonated } from '../clients/redirect_uris.ts'
import { subjectFor } from '../clients/subject_identifier.ts'
import { assertEntitled, entitlement, type FaultWords } from '../tokens/entitlement.ts'
import { type AuthorizationRequest, refuse } from './request.ts'

/** A request that was stored, and where it stands. */
export type Stored = {
  reference: string
  id_hash: string
  created_at: number
  /** The session that was there when it was stored: it does not count as a new sign-in. */
  session_hash: string | null
  /** Whether the client brought it itself, and no browser came with it yet. */
  pushed: boolean
}

/** All that a decision is made from. */
export type Situation = {
  client: Client
  request: AuthorizationRequest
  stored: Stored | null
  session: LiveSession | undefined
  allowed: readonly AllowedScope[]
  /** Permissions of the user over the whole system. */
  permissions: HeldPermissions
  /** Whatever the person lacks before anything goes on. */
  lacking: readonly Requirement[]
  /** Whether the answer may be about who is signed in; true when nobody is. */
  isExpected: boolean
  /**
   * Grants of the person on whatever `authorization_details` names; null where they were not read.
   */
  narrowed: Pick<NarrowedRows, 'grants'> | null
}

export type NextStep =
  /** `step_up`: nothing but a second factor is missing. */
  | { step: 'login'; step_up: boolean }
  /** `demandsFactor`: the client is among those who demand a second factor. */
  | { step: 'requirement'; demandsFactor: boolean }
  | ({ step: 'consent' } & Allowance)
  | ({ step: 'issue' } & Allowance)

/**
 * A person's allowance: scopes, single claims that no scope brings, and details as far as the
 * person holds them.
 */
export type Allowance = {
  session: LiveSession
  scope: string[]
  claims: string[]
  details: readonly Detail[]
}

/**
 * The next step of a request. Throws OAuthError, which is for the client: with `prompt=none` also
 * where a person would have to do something.
 */
export function decide(cx: Context, situation: Situation): NextStep {
  const { session, request, client } = situation
  const silent = request.prompt.includes('none')
  const other = !situation.isExpected
  const demanded = demandedAcr(request)
  const weak = demanded !== null && session !== undefined && !meetsAcr(amrOf(session), demanded)
  const demandsFactor = session !== undefined && isTooWeakFor(client, amrOf(session))
  if (demandsFactor && !other && !mustSignInAgain(cx, situation, session)) {
    // The person proves a factor, or adds the first one, and comes back.
    if (silent) throw silentRequirement()
    return { step: 'requirement', demandsFactor }
  }
  if (session === undefined || other || weak || mustSignInAgain(cx, situation, session)) {
    if (silent && !weak) {
      throw refuse('login_required', 'the person is not signed in', 'silent_login')
    }
    const hasTried = session !== undefined && hasSignedInSince(situation, session)
    // OpenID Connect Core §3.1.2.2: no answer about a different person than the request names
    if (other && hasTried) {
      throw refuse('login_required', 'another person signed in', 'other_than_hinted')
    }
    // OpenID Connect Core §5.5.1.1: an essential acr that is not met is a failed sign-in
    if (demanded !== null && (!isReachable(demanded) || (weak && hasTried))) {
      throw refuse(
        'unmet_authentication_requirements',
        'the person cannot sign in as strongly as is demanded',
        'acr_not_met',
      )
    }
    if (silent) throw refuse('login_required', 'the person has to sign in anew', 'silent_acr')
    const step_up = session !== undefined && !other && !mustSignInAgain(cx, situation, session)
    return { step: 'login', step_up }
  }
  if (firstRequirement(situation.lacking) !== null) {
    if (silent) throw silentRequirement()
    return { step: 'requirement', demandsFactor }
  }
  const { scope, details } = grantable(cx, situation)
  const allowance = { session, scope, details, claims: claimsBeyond(request.claims, scope) }
  const isAgreed =
    !isAskedAlways(cx, client, request) && (client.first_party || isAllowed(situation, allowance))
  if (!isAgreed || request.prompt.includes('consent')) {
    if (silent) throw refuse('consent_required', 'the person has to be asked', 'silent_consent')
    return { step: 'consent', ...allowance }
  }
  return { step: 'issue', ...allowance }
}

/** OpenID Connect Core §3.1.2.6: the person would have to do something. */
export const silentRequirement = () =>
  refuse('interaction_required', 'the person has something to do first', 'silent_requirement')

/**
 * Whether no earlier word of the person counts. A person who was lured here must see that this
 * links the account to an assistant, perhaps another person's; or that a program asks which may be
 * any (RFC 8252 §8.6).
 */
const isAskedAlways = (cx: Context, client: Client, { redirect_uri }: AuthorizationRequest) =>
  isLink(client) || mayBeImpersonated(cx.config.issuer, client, redirect_uri)

export const amrOf = (session: LiveSession): string[] => JSON.parse(session.amr)

/** The classes one of which the sign-in has to meet, or null. */
function demandedAcr({ claims }: AuthorizationRequest): string[] | null {
  const request = acrRequest(claims)
  return request?.essential === true ? request.values : null
}

/**
 * Days for which a browser that the person trusts is not asked for the second factor at a sign-in
 * for this request; null: as the setting says. A request for a new sign-in or for two factors means
 * that it is asked.
 */
export function trustedDays(client: Client, request: AuthorizationRequest): number | null {
  const { prompt, max_age } = request
  const isAnew = prompt.includes('login') || prompt.includes('select_account')
  const isDemanded = client.require_acr !== null || demandedAcr(request) !== null
  return isAnew || max_age !== undefined || isDemanded ? 0 : client.remember_browser_days
}

/** The classes that are wished: by the claim, or else by `acr_values` or the client's default. */
export const wantedAcr = ({ claims, acr_values }: AuthorizationRequest): readonly string[] =>
  acrRequest(claims)?.values ?? acr_values ?? []

/** Whether the person is one whom id_token_hint and the claim `sub` permit. */
export async function isExpected(
  cx: Context,
  client: Client,
  { hinted_sub, claims }: AuthorizationRequest,
  session: LiveSession | undefined,
): Promise<boolean> {
  const named = subjectRequest(claims)
  if (session === undefined || (hinted_sub === undefined && named === null)) return true
  const sub = await subjectFor(cx, client, session.user_id)
  return sub === (hinted_sub ?? sub) && (named?.includes(sub) ?? true)
}

/** OpenID Connect Core §3.1.2.1: `prompt=login` (here also `select_account`) and `max_age`. */
function mustSignInAgain(cx: Context, situation: Situation, session: LiveSession): boolean {
  if (hasSignedInSince(situation, session)) return false
  const { prompt, max_age } = situation.request
  // max_age=0 is prompt=login in other words.
  if (prompt.includes('login') || prompt.includes('select_account') || max_age === 0) return true
  return max_age !== undefined && cx.now() - session.auth_time > max_age
}

/**
 * Since the request came: the time has whole seconds only, hence the look at the session itself.
 */
const hasSignedInSince = ({ stored }: Situation, session: LiveSession): boolean =>
  stored !== null &&
  !stored.pushed &&
  session.auth_time >= stored.created_at &&
  session.id_hash !== stored.session_hash

/**
 * The part of the request that can be granted. Of the scopes these are those the client is still
 * registered for and, of the management API, those the person holds. The rest is left out and the
 * answer of the token endpoint says so (RFC 6749 §3.3), so that a console can ask for all and a
 * helper gets the helper's part. Throws OAuthError when nothing is left.
 */
function grantable(cx: Context, { request, client, permissions, narrowed, session }: Situation) {
  const { scope, resource, authorization_details } = request
  const found = entitlement(cx, {
    covered: { scope, resource, authorization_details },
    wish: { scope: null, resource: [] },
    clients: [client],
    parties: [
      {
        id: session?.user_id ?? '',
        permissions,
        narrowed: narrowed === null ? undefined : narrowed,
      },
    ],
    acl_max_rules: 0,
    isQuestion: true,
  })
  const NOT_HELD: FaultWords = {
    description: 'the account does not hold what is asked for',
    reason: 'power_not_held',
  }
  const { scope: left, authorization_details: details = [] } = assertEntitled(found, {
    resource_not_registered: {
      description: 'this client may not name this resource',
      reason: 'foreign_resource',
    },
    no_management_role: NOT_HELD,
    no_scope: NOT_HELD,
  })
  return { scope: left, details }
}

/** Where consent is kept: for each resource that was named, or for none. */
const consentResources = (request: AuthorizationRequest): readonly string[] =>
  request.resource.length === 0 ? [''] : request.resource

/** The question to the person, as rows of the table of allowed scopes. */
export const toAllow = (
  client: Client,
  request: AuthorizationRequest,
  { scope, claims }: Allowance,
  details: readonly Detail[] = [],
): AllowedScope[] => {
  // RFC 9396 §2: what is remembered of details is that the very same ones were allowed.
  const digest = details.length === 0 ? [] : [digestOf(details)]
  const named = [...scopesToAllow(client, scope), ...claims.map(claimAsScope), ...digest]
  return consentResources(request).flatMap((resource) =>
    named.map((one) => ({ resource, scope: one })),
  )
}

function isAllowed({ client, request, allowed }: Situation, allowance: Allowance): boolean {
  const keyOf = ({ resource, scope }: AllowedScope) => JSON.stringify([resource, scope])
  const known = new Set(allowed.map(keyOf))
  return toAllow(client, request, allowance, request.authorization_details).every((one) =>
    known.has(keyOf(one)),
  )
}
