// grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer (RFC 7523 §2.1): a client brings the word
// of another issuer about a person, and gets the access that this person allowed it before, or that
// it may have without asking. It becomes an authorization like any sign-in, so it can be seen and
// revoked. The assertion is good once.
import type { Context } from '../../../context.ts'
import { randomId } from '../../../crypto.ts'
import type { Answers } from '../../../db/database.ts'
import { condition, scalar } from '../../../db/sql.ts'
import { OAuthError } from '../../../errors.ts'
import type { Form } from '../../../http.ts'
import {
  firstRequirement,
  meetsRequirements,
  namedPerson,
  type Requirement,
  requirementsOf,
} from '../../../identity/requirements.ts'
import { isUsable } from '../../../identity/users.ts'
import { loadSettings } from '../../../settings.ts'
import { findStatus } from '../../../status/entry_store.ts'
import { tellStatus } from '../../../status/telling.ts'
import { isAllAllowed, listAllowedScopes } from '../../authorizations/allowed_scope_store.ts'
import {
  entitleClient,
  findAuthorization,
  scopesToAllow,
  startAuthorization,
} from '../../authorizations/authorizations.ts'
import { epochOf, findUserOf, isSignInUsable } from '../../authorizations/store.ts'
import { checkResource, checkScope } from '../../authorize/request.ts'
import {
  assertConfidential,
  type Caller,
  isProven,
  usingUp,
  writeAs,
} from '../../client_authentication/client_authentication.ts'
import type { PresentedCredentials } from '../../client_authentication/presented_credentials.ts'
import { allowedTo, clientDigest } from '../../clients/client_digest.ts'
import { clientDemandsFactor } from '../../clients/factor_demand.ts'
import { scopeOfClient } from '../../clients/store.ts'
import { JWT_BEARER } from '../../grant_types.ts'
import { powersReads } from '../../tokens/powers.ts'
import { rightsClaimsReads } from '../../tokens/rights_claims.ts'
import { answerSignIn, type TokenAnswer } from '../../tokens/token_answer.ts'
import {
  type AssertionClaims,
  issuerOf,
  readAssertion,
  refused,
  subjectNamedBy,
  verifyAssertion,
} from '../trusted_issuers.ts'

export const grant_type = JWT_BEARER

/** The scope is asked in the same request; there is nothing to narrow. */
const NO_WISH = { scope: null, resource: [] }

/**
 * Throws OAuthError. The claims of the assertion serve to read by, and are believed only in
 * `redeem`.
 */
export async function parameters(cx: Context, form: Form, presented: PresentedCredentials) {
  const assertion = form.get('assertion')
  if (assertion === undefined) {
    throw new OAuthError('invalid_request', {
      description: 'assertion is needed',
      reason: 'missing_parameter',
    })
  }
  if (form.get('authorization_details') !== undefined) {
    throw new OAuthError('invalid_authorization_details', {
      description: 'this grant has no authorization_details',
      reason: 'details_not_offered',
    })
  }
  const claims = readAssertion(assertion)
  const { trusted_issuers } = await loadSettings(cx)
  const issuer = issuerOf(cx, trusted_issuers, claims)
  const subject = subjectNamedBy(issuer, claims)
  const { client_id } = presented
  const wanted = form.get('scope')
  // Without a scope it is the client's own, where that is the default.
  const scope = wanted === undefined ? scopeOfClient(client_id) : scalar`${wanted}`
  const resource = scalar`${JSON.stringify(form.all('resource'))}`
  const source = { subject, scope, resource, details: scalar`null` }
  const reads = {
    user: findUserOf(subject),
    lacking: requirementsOf(cx, namedPerson(subject), clientDemandsFactor(client_id)),
    allowed: listAllowedScopes(subject, scalar`${client_id}`),
    powers: powersReads(cx, client_id, NO_WISH, source),
    claimRows: rightsClaimsReads(cx, client_id, source),
  }
  return { form, assertion, claims, issuer, reads }
}

type Parameters = Awaited<ReturnType<typeof parameters>>

/** Throws OAuthError. One write. */
export async function redeem(
  cx: Context,
  caller: Caller,
  { form, assertion, claims, issuer }: Parameters,
  rows: Answers<Parameters['reads']>,
): Promise<TokenAnswer> {
  assertConfidential(caller)
  if (issuer === undefined) throw refused('unknown_issuer')
  if (issuer.clients?.includes(caller.id) === false) throw refused('issuer_not_for_client')
  const proof = await verifyAssertion(cx, issuer, assertion)
  // From here on the assertion is used up as the client's own proofs are.
  const bearer = { ...caller, proofs: [...caller.proofs, proof] }
  return usingUp(cx, bearer, () => begin(cx, bearer, { form, claims }, rows))
}

/** The authorization that an assertion gives, which is the last of the caller's proofs. */
async function begin(
  cx: Context,
  caller: Extract<Caller, { kind: 'client' }>,
  { form, claims }: Pick<Parameters, 'form' | 'claims'>,
  { user: users, lacking, allowed, powers, claimRows }: Answers<Parameters['reads']>,
): Promise<TokenAnswer> {
  const { client } = caller
  const { client_id } = client
  const [user] = users
  if (user === undefined) throw refused('unknown_person')
  cx.parties.sub = user.id
  if (!isUsable(user)) throw refused('user_not_usable')
  assertLacksNothing(lacking)

  const { scope } = checkScope(cx, client, form)
  const { resource } = checkResource(cx, client, form)
  const client_digest = clientDigest(client)
  // A refresh token comes with it where the client gets one, so that is asked about too.
  const wanted = scopesToAllow(client, scope)
  const consent = { user_id: user.id, client_id, client_digest, resource, scope: wanted }
  if (!client.first_party && !covers(allowedTo(client, allowed), consent)) {
    throw new OAuthError('consent_required', {
      description: 'the person has not allowed the client this scope',
      reason: 'not_allowed_before',
    })
  }
  const settings = await loadSettings(cx)
  const signIn = {
    id: randomId(cx, 'azn'),
    user_id: user.id,
    client_id,
    scope: scope.join(' '),
    resource: JSON.stringify(resource),
    auth_time: signedInAt(cx, claims),
    // How the person proved it there is not known here.
    amr: '[]',
    acr: null,
    sid: null,
    session_hash: null,
    claims: null,
    authorization_details: null,
    epoch: epochOf(user, client),
  }
  const rows = { powers, claimRows }
  const entitled = await entitleClient(cx, signIn, NO_WISH, caller, settings, rows)
  // No second factor was proven here, whatever the other issuer saw.
  const standing = namedPerson(scalar`${user.id}`)
  const demandsFactor = clientDemandsFactor(client_id)
  const isMine = condition`${isProven(cx, caller)} and ${isSignInUsable(signIn)}
    and ${meetsRequirements(cx, standing, demandsFactor)} and (${client.first_party} or ${isAllAllowed(consent)})`
  const started = startAuthorization(cx, caller, signIn, settings, isMine)
  const { authorization, lackingNow, entry } = await writeAs(cx, caller, {
    changes: started.statements,
    authorization: findAuthorization(signIn.id),
    entry: findStatus('authorization', signIn.id),
    lackingNow: requirementsOf(cx, standing, demandsFactor),
  })
  if (authorization.length === 0) assertLacksNothing(lackingNow)
  if (authorization.length !== 1) throw refused('assertion_not_consumed')
  const { refresh_token } = started
  const status = await tellStatus(cx, 'authorization', signIn.id, entry)
  return answerSignIn(cx, settings, entitled, signIn, { user, refresh_token, status })
}

/** Nobody is there who could be asked. Throws OAuthError. */
function assertLacksNothing(lacking: readonly Requirement[]): void {
  if (firstRequirement(lacking) === null) return
  throw new OAuthError('interaction_required', {
    description: 'the person has to sign in here and do something first',
    reason: 'requirement_open',
  })
}

function covers(
  allowed: readonly { resource: string; scope: string }[],
  wanted: { resource: readonly string[]; scope: readonly string[] },
): boolean {
  const known = new Set(allowed.map((row) => `${row.resource} ${row.scope}`))
  const resources = wanted.resource.length === 0 ? [''] : wanted.resource
  return resources.every((one) => wanted.scope.every((scope) => known.has(`${one} ${scope}`)))
}

/** When the person signed in at the other issuer, as far as it says so. */
function signedInAt(cx: Context, { auth_time, iat }: AssertionClaims): number {
  const seconds = [auth_time, iat].find((one) => typeof one === 'number' && one > 0)
  return Math.min(cx.now(), Math.floor((seconds as number | undefined) ?? cx.now()))
}
