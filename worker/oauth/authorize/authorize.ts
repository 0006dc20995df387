// The way of a request for authorization: here the state that a decision needs is read, and the
// decision of decision.ts is carried out. Login and consent lead back here; they do not know each
// other. HTTP is routes.ts's.
import { narrowedRightsOf } from '../../access/narrowed_rights.ts'
import { permissionsSomewhere, rightsOf } from '../../access/rights.ts'
import { as, type Context } from '../../context.ts'
import { encodeBase64url, mac, randomId, randomToken, sha256 } from '../../crypto.ts'
import { type Condition, join, type Statement, scalar, sql, TRUE } from '../../db/sql.ts'
import { OAuthError } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import type { Form } from '../../http.ts'
import {
  continuePath,
  firstRequirement,
  meetsRequirements,
  requirementsOf,
  standingIn,
  standingOf,
} from '../../identity/requirements.ts'
import { senderParameters, trustParameters } from '../../identity/return_to.ts'
import {
  findSession,
  isSessionLive,
  noteSession,
  touchSession,
  userOf,
} from '../../identity/sessions.ts'
import { signingKeys } from '../../keys/signing_keys.ts'
import { logRefusal } from '../../refusal_log.ts'
import { loadSettings, type Settings } from '../../settings.ts'
import { acrFor } from '../acr.ts'
import type { Detail } from '../authorization_details.ts'
import {
  type AllowedScope,
  areAllowed,
  insertAllowedScope,
  listAllowedScopes,
} from '../authorizations/allowed_scope_store.ts'
import { codeExists, findCodeHash, insertCode } from '../authorizations/code_store.ts'
import { epochOf } from '../authorizations/store.ts'
import { allowedTo, clientDigest } from '../clients/client_digest.ts'
import { type Client, type ClientRow, findClientById, parseClient } from '../clients/clients.ts'
import { clientDemandsFactor } from '../clients/factor_demand.ts'
import { formTargetOf, matchesRedirectUri } from '../clients/redirect_uris.ts'
import { currentClient } from '../registration/client_id_metadata_document.ts'
import {
  type Allowance,
  amrOf,
  decide,
  isExpected,
  type NextStep,
  type Situation,
  silentRequirement,
  toAllow,
  trustedDays,
  wantedAcr,
} from './decision.ts'
import { assertMayComeDirectly, openPushedRequest } from './pushed_request.ts'
import {
  type AuthorizationRequest,
  checkRequest,
  type KeptRequest,
  REQUEST_URI_PREFIX,
  readClientId,
  readReference,
  readTarget,
  refuse,
} from './request.ts'
import { openRequestObject } from './request_object.ts'
import {
  deleteRequest,
  detailsOfRequest,
  findClientOfRequest,
  findRequest,
  insertRequestWhere,
  isOpen,
} from './request_store.ts'
import { type Outcome, type Target, toClient } from './response.ts'
import { storedText, tooManyUnfinished, unfinishedRequests } from './unfinished_requests.ts'

// --- looking ----------------------------------------------------------------------------------

/**
 * Answers a request at /oauth/authorize. Two round trips at most, two more where the document of a
 * client has to be fetched, one more for a request object of a client that anybody may have
 * registered. Throws OAuthError, which is shown here.
 */
export async function authorize(
  cx: Context,
  form: Form,
  cookie: string | undefined,
): Promise<Outcome> {
  cx.parties.client_id = form.get('client_id') ?? null
  const reference = readReference(form)
  const client_id = readClientId(form)
  if (reference !== null) {
    const situation = await lookAt(cx, reference, cookie)
    if (situation.client.client_id !== client_id) throw requestEnded()
    const { client, request, allowed } = situation
    return tellClient(cx, client, request, allowed, () => proceed(cx, situation))
  }
  // Keys and settings in one round trip when cold, none when warm.
  await signingKeys(cx)
  const settings = await loadSettings(cx)
  const rows = await cx.db.read({
    client: findClientById(client_id),
    session: findSession(cx, cookie),
    allowed: listAllowedScopes(userOf(cx, cookie), scalar`${client_id}`),
    rights: grantsOf(cx, cookie),
    lacking: requirementsOf(cx, standingOf(cx, cookie)),
  })
  const client = usableClient(await currentClient(cx, client_id, rows.client[0]))
  const allowed = allowedTo(client, rows.allowed)
  const opened = await openForm(cx, client, form, allowed, settings)
  if ('to' in opened) return opened
  const target = readTarget(client, opened)
  return tellClient(cx, client, target, allowed, async () => {
    const request = await checkRequest(cx, client, target, opened)
    const [session] = rows.session
    noteSession(cx, session)
    return proceed(cx, {
      client,
      request,
      stored: null,
      session,
      allowed,
      permissions: permissionsSomewhere(rows.rights),
      lacking: rows.lacking,
      isExpected: await isExpected(cx, client, request, session),
      narrowed: null,
    })
  })
}

/** The parameters of the request, also of one in a request object, or where its refusal goes. */
async function openForm(
  cx: Context,
  client: Client,
  form: Form,
  allowed: readonly AllowedScope[],
  settings: Settings,
): Promise<Form | Outcome> {
  try {
    assertMayComeDirectly(client, settings)
    return await openRequestObject(cx, client, form, { pushed: false })
  } catch (error) {
    // The right address is in the object; the one outside of it will do if it is an address of the
    // client.
    if (!(error instanceof OAuthError) || form.all('redirect_uri').length === 0) throw error
    return tellClient(cx, client, readTarget(client, form), allowed, () => Promise.reject(error))
  }
}

/** A stored request as it stands now. One round trip. Throws OAuthError, which is shown here. */
export async function lookAt(
  cx: Context,
  reference: string,
  cookie: string | undefined,
): Promise<Situation> {
  const id_hash = sha256(reference)
  const user = userOf(cx, cookie)
  const rows = await cx.db.read({
    request: findRequest(cx, id_hash),
    client: findClientOfRequest(id_hash),
    session: findSession(cx, cookie),
    allowed: listAllowedScopes(
      user,
      scalar`(select client_id from authorization_request where id_hash = ${id_hash})`,
    ),
    rights: grantsOf(cx, cookie),
    lacking: requirementsOf(cx, standingOf(cx, cookie)),
    narrowed: { grants: narrowedRightsOf(user, detailsOfRequest(id_hash), cx.now()).grants },
  })
  const [row] = rows.request
  const [session] = rows.session
  noteSession(cx, session)
  if (row === undefined) throw requestEnded()
  cx.parties.client_id = row.client_id
  const client = usableClient(rows.client[0])
  const { session_hash, ...request } = JSON.parse(row.parameters) as KeptRequest
  // The client may have been changed since, for instance because an address was taken over.
  if (!matchesRedirectUri(client, request.redirect_uri)) throw requestEnded()
  const { created_at } = row
  const stored = { reference, id_hash, created_at, session_hash, pushed: row.pushed === 1 }
  return {
    client,
    request,
    stored,
    session,
    allowed: allowedTo(client, rows.allowed),
    permissions: permissionsSomewhere(rows.rights),
    lacking: rows.lacking,
    isExpected: await isExpected(cx, client, request, session),
    narrowed: rows.narrowed,
  }
}

export const requestEnded = () =>
  refuse(
    'invalid_request',
    'this sign-in has ended or was completed already; start again from the application',
    'request_unknown',
  )

function usableClient(row: ClientRow | undefined): Client {
  if (row === undefined || row.status !== 'active') {
    throw refuse('invalid_request', 'the application is not known here', 'unknown_client')
  }
  return parseClient(row)
}

// Of a person's rights the grants are enough here: the rest is for the acl claim.
const grantsOf = (cx: Context, cookie: string | undefined) => ({
  grants: rightsOf(userOf(cx, cookie), cx.now()).grants,
})

// --- going on ---------------------------------------------------------------------------------

/**
 * Runs `work`, and tells its refusals to the client, whose address is known to be its own by now.
 * But when the request was answered in the same moment (null), that is said here: the client has
 * its answer. And so are the faults of a client that anybody may have registered, as long as the
 * person has `allowed` it nothing: a link to us would lead to its address unseen (RFC 9700
 * §4.11.2).
 */
async function tellClient(
  cx: Context,
  client: Client,
  target: Target,
  allowed: readonly AllowedScope[],
  work: () => Promise<Outcome | null>,
): Promise<Outcome> {
  let outcome: Outcome | null
  try {
    outcome = await work()
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error
    if (client.anonymous && allowed.length === 0) throw error
    logRefusal(cx, error)
    const answer = { error: error.error, error_description: error.description }
    return toClient(cx, client, target, answer)
  }
  if (outcome === null) throw requestEnded()
  return outcome
}

/** At most one round trip. Throws OAuthError, which is for the client. */
async function proceed(cx: Context, situation: Situation): Promise<Outcome | null> {
  const decision = decide(cx, situation)
  if (decision.step === 'issue') return issueCode(cx, situation, decision, { remember: false })
  return askPerson(cx, situation, decision)
}

/** The page of a step at which the person has to do something. At most one round trip. */
async function askPerson(
  cx: Context,
  situation: Situation,
  decision: Exclude<NextStep, { step: 'issue' }>,
): Promise<Outcome | null> {
  const reference = await storeRequest(cx, situation)
  if (reference === null) return null
  return { to: 'page', path: pathOfStep(cx, situation, reference, decision) }
}

/**
 * The handle of the request as one on its way, null when it ended. No round trip when it is one,
 * else one.
 */
async function storeRequest(
  cx: Context,
  { request, stored, session }: Situation,
): Promise<string | null> {
  if (stored !== null && !stored.pushed) return stored.reference
  const settings = await loadSettings(cx)
  const kept: KeptRequest = { ...request, session_hash: session?.id_hash ?? null }
  if (stored !== null) {
    const wasBrought = await openPushedRequest(cx, stored.id_hash, kept, settings)
    return wasBrought ? stored.reference : null
  }
  const reference = randomToken(cx)
  const id_hash = sha256(reference)
  const created_at = cx.now()
  const row = {
    id_hash,
    client_id: request.client_id,
    parameters: storedText(kept),
    created_at,
    expires_at: created_at + settings.request_ttl,
    pushed: 0,
  }
  const unfinished = session === undefined ? unfinishedRequests(cx, settings) : null
  const { count } = await cx.db.write({
    count: unfinished?.take ?? null,
    insert: insertRequestWhere(row, unfinished?.isWithin ?? TRUE),
  })
  if ((count[0]?.count ?? 0) > (unfinished?.max ?? 0)) throw tooManyUnfinished(settings)
  return reference
}

/**
 * Takes a request out of the count of unfinished ones: goes before its deletion, whose repetition
 * then gives nothing back. Of the address that finishes it, which is mostly the one that began.
 */
export function finishRequest(
  cx: Context,
  id_hash: string,
  settings: Settings,
  condition: Condition = TRUE,
): Statement | null {
  const unfinished = unfinishedRequests(cx, settings)
  return unfinished === null
    ? null
    : sql`${unfinished.giveBack} and ${isOpen(cx, id_hash)} and ${condition}`
}

/** The path at which a stored request goes on. */
export function pathOf(client_id: string, reference: string): string {
  const request_uri = `${REQUEST_URI_PREFIX}${reference}`
  return `/oauth/authorize?${new URLSearchParams({ client_id, request_uri })}`
}

export const consentPath = (reference: string): string =>
  `/consent?${new URLSearchParams({ request: reference })}`

/** The page that asks for what is missing learns who sent the person, and where that may end. */
const requirementPath = (
  cx: Context,
  { client_id, redirect_uri, ui_locales }: AuthorizationRequest,
  reference: string,
  demandsFactor: boolean,
): string =>
  continuePath(cx, pathOf(client_id, reference), {
    form_target: formTargetOf(redirect_uri),
    sender: client_id,
    demandsFactor,
    ui_locales,
  })

/** The login page learns where to go on, whom to expect, and where that may end (for its CSP). */
export function loginPath(
  cx: Context,
  { client_id, redirect_uri, login_hint, ui_locales }: AuthorizationRequest,
  reference: string,
  { step_up, trust_days }: { step_up: boolean; trust_days: number | null },
): string {
  const form_target = formTargetOf(redirect_uri)
  const return_to = pathOf(client_id, reference)
  const parameters = new URLSearchParams({
    return_to,
    form_target,
    form_target_mac: mac(cx, 'form target', form_target),
    ...senderParameters(cx, return_to, client_id),
    ...(step_up ? { step_up: '1' } : {}),
    ...(trust_days === null ? {} : trustParameters(cx, return_to, trust_days)),
    ...(login_hint === undefined ? {} : { login_hint }),
    ...(ui_locales === undefined ? {} : { ui_locales: ui_locales.join(' ') }),
  })
  return `/login?${parameters}`
}

function pathOfStep(
  cx: Context,
  { client, request }: Pick<Situation, 'client' | 'request'>,
  reference: string,
  decision: Exclude<NextStep, { step: 'issue' }>,
): string {
  switch (decision.step) {
    case 'login':
      return loginPath(cx, request, reference, {
        step_up: decision.step_up,
        trust_days: trustedDays(client, request),
      })
    case 'requirement':
      return requirementPath(cx, request, reference, decision.demandsFactor)
    case 'consent':
      return consentPath(reference)
  }
}

/**
 * Issues a code for a decision, and consumes the stored request, all or nothing: of two answers to
 * one request, one gets a code, and null is for the other, as where session or consent has ended.
 * `remember` keeps what the person just allowed: of details those that were shown, so that what the
 * person comes to hold later is asked about then. Where the person lacks something since the
 * decision, that is asked for instead of a code. One round trip; one more in that case.
 */
export async function issueCode(
  cx: Context,
  situation: Situation,
  allowance: Allowance,
  { remember }: { remember: boolean },
): Promise<Outcome | null> {
  const { client, request, stored } = situation
  const code = encodeBase64url(cx.random(32))
  // Before the code is stored: if it cannot be signed, nothing is lost.
  const outcome = await toClient(cx, client, request, { code })
  const settings = await loadSettings(cx)
  const now = cx.now()
  const hash = sha256(code)
  const { session, scope } = allowance
  const { user_id } = session
  const requested = request.authorization_details
  const details = remember && requested !== undefined ? allowance.details : requested
  const row = {
    hash,
    client_id: client.client_id,
    user_id,
    redirect_uri: request.redirect_uri,
    code_challenge: request.code_challenge,
    scope: scope.join(' '),
    resource: JSON.stringify(request.resource),
    nonce: request.nonce ?? null,
    auth_time: session.auth_time,
    amr: session.amr,
    session_hash: session.id_hash,
    authorization_id: randomId(cx, 'azn'),
    created_at: now,
    expires_at: now + settings.code_ttl,
    sid: session.sid,
    acr: acrFor(amrOf(session), wantedAcr(request)),
    claims:
      request.claims === undefined || !scope.includes('openid')
        ? null
        : JSON.stringify(request.claims),
    authorization_details: details === undefined ? null : JSON.stringify(details),
    dpop_jkt: request.dpop_jkt ?? null,
    epoch: epochOf({ epoch: session.user_epoch }, client),
  }
  const issued = codeExists(hash)
  const { client_id } = client
  const consent = { user_id, client_id, client_digest: clientDigest(client) }
  const standing = standingIn(session)
  const demandsFactor = clientDemandsFactor(client_id)
  const mayIssue = join(
    [
      ...(stored === null ? [] : [isOpen(cx, stored.id_hash)]),
      isSessionLive(cx, session),
      // Also of what was published or demanded since the decision.
      meetsRequirements(cx, standing, demandsFactor),
      // The person is asked by this very answer, or was before and has not withdrawn it since.
      ...(remember || client.first_party
        ? []
        : [areAllowed(consent, toAllow(client, request, allowance, requested))]),
    ],
    ' and ',
  )
  const touch = touchSession(cx, session)
  const answers = await cx.db.write({
    insert: insertCode(row, mayIssue),
    remember: remember ? rememberAllowed(cx, client, request, allowance, details, issued) : null,
    finished: stored === null ? null : finishRequest(cx, stored.id_hash, settings, issued),
    request: stored === null ? null : deleteRequest(stored.id_hash, issued),
    touch,
    code: findCodeHash(hash),
    lacking: requirementsOf(cx, standing, demandsFactor),
  })
  if (answers.code.length === 1) return outcome
  if (firstRequirement(answers.lacking) === null) return null
  if (request.prompt.includes('none')) throw silentRequirement()
  const lacksFactor = answers.lacking.some(({ kind }) => kind === 'factor')
  return askPerson(cx, situation, { step: 'requirement', demandsFactor: lacksFactor })
}

function rememberAllowed(
  cx: Context,
  client: Client,
  request: AuthorizationRequest,
  allowance: Allowance,
  details: readonly Detail[] | undefined,
  issued: Condition,
): Statement[] {
  const { client_id } = request
  const { scope, claims } = allowance
  const { user_id } = allowance.session
  const row = { user_id, client_id, created_at: cx.now(), client_digest: clientDigest(client) }
  return [
    ...toAllow(client, request, allowance, details).map((one) =>
      insertAllowedScope({ ...row, ...one }, issued),
    ),
    appendEvent(
      as(cx, { kind: 'user', id: user_id }),
      {
        type: 'authorization.allowed',
        subject_id: user_id,
        data: { client_id, scope, ...(claims.length === 0 ? {} : { claims }) },
      },
      issued,
    ),
  ]
}
