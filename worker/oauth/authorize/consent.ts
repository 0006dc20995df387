// Asking a person whether a client may have what it asks for, and taking the answer. Whether to ask
// is decided in decision.ts; the page is pages/consent_page.ts.
import { as, type Context } from '../../context.ts'
import { mac, verifyMac } from '../../crypto.ts'
import { OAuthError } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { english } from '../../messages/messages.ts'
import type { ConsentValues } from '../../pages/consent_page.ts'
import type { LinkingValues } from '../../pages/linking_page.ts'
import type { RightToShow } from '../../pages/rights_in_words.ts'
import { loadSettings } from '../../settings.ts'
import { type Detail, digestOf } from '../authorization_details.ts'
import { outlivesSession } from '../authorizations/authorizations.ts'
import { clientDigest } from '../clients/client_digest.ts'
import type { Client } from '../clients/clients.ts'
import { isLink, type Preset, VENDORS } from '../clients/presets.ts'
import { formTargetOf, placeOf } from '../clients/redirect_uris.ts'
import {
  consentPath,
  finishRequest,
  issueCode,
  loginPath,
  lookAt,
  pathOf,
  requestEnded,
} from './authorize.ts'
import { decide, type NextStep, type Situation, trustedDays } from './decision.ts'
import { introduce } from './introduction.ts'
import { deleteRequest, isOpen, listObjectNames } from './request_store.ts'
import { type Outcome, toClient } from './response.ts'

/**
 * The scopes that people read: mProxy as a named resource gives what `mqtt` gives, and access that
 * outlives the session is what `offline_access` gives. The page of a link says that in words of its
 * own.
 */
export function toldScopes(
  cx: Context,
  client: Client,
  resource: readonly string[],
  scope: readonly string[],
): readonly string[] {
  const lasts = outlivesSession(client, scope) && !isLink(client)
  return [
    ...new Set([
      ...scope,
      ...(resource.includes(cx.config.mqtt_audience) ? ['mqtt'] : []),
      ...(lasts ? ['offline_access'] : []),
    ]),
  ]
}

export type ConsentQuestion = {
  form_target: string
  /** Locales that the page may be in, most wanted first. */
  ui_locales: readonly string[]
} & (
  | { page: 'consent'; values: Omit<ConsentValues, 'csrf'> }
  | { page: 'linking'; values: Omit<LinkingValues, 'csrf'> }
)

/** RFC 9396 §2: details that the person holds. A round trip when there are any. */
export async function describeDetails(
  cx: Context,
  details: readonly Detail[],
): Promise<RightToShow[]> {
  if (details.length === 0) return []
  const ids = details.flatMap(({ devices, groups }) => [...devices, ...groups])
  const names = await cx.db.read(listObjectNames(ids))
  const nameOf = (id: string) => names.find((row) => row.id === id)?.name ?? id
  return details.map(({ actions, devices, groups }) => ({
    kind: 'detail',
    actions,
    objects: [...devices, ...groups].map(nameOf),
  }))
}

/**
 * The question to ask, or the address to go to when there is none. One round trip, two with
 * `authorization_details`. Throws OAuthError, shown here.
 */
export async function askConsent(
  cx: Context,
  reference: string,
  cookie: string | undefined,
): Promise<ConsentQuestion | Outcome> {
  const situation = await lookAt(cx, reference, cookie)
  const decision = consentDecision(cx, situation)
  if (decision === null) return elsewhere(situation, reference)
  const { client, request } = situation
  const { session, scope, claims } = decision
  const details = await describeDetails(cx, decision.details)
  if (details.length === 0 && scope.length === 0) {
    return toClient(cx, client, request, {
      error: 'access_denied',
      error_description: 'the person may do nothing of what is asked',
    })
  }
  const common = {
    email: session.user_email,
    rights: [
      ...toldScopes(cx, client, request.resource, scope).map((name) => ({
        kind: 'scope' as const,
        name,
      })),
      ...claims.map((name) => ({ kind: 'claim' as const, name })),
      ...details,
    ],
    request: `${reference}.${mac(cx, 'consent', boundTo(cx, reference, situation, decision))}`,
    redirect_host: placeOf(request.redirect_uri),
    switch_account: loginPath(cx, request, reference, {
      step_up: false,
      trust_days: trustedDays(client, request),
    }),
  }
  const form_target = formTargetOf(request.redirect_uri)
  const ui_locales = request.ui_locales ?? []
  if (client.preset !== null) {
    const link = await describeLink(cx, client.preset, client.policy_uri)
    return { page: 'linking', values: { ...common, ...link }, form_target, ui_locales }
  }
  const values = {
    ...common,
    client_name: client.client_name ?? client.client_id,
    client_id: client.client_id,
    resources: request.resource,
    introduction: introduce(client),
  }
  return { page: 'consent', values, form_target, ui_locales }
}

/** The two sides of the link, in the words of the vendor and of the operator. */
async function describeLink(cx: Context, preset: Preset, policy_uri: string | null) {
  const settings = await loadSettings(cx)
  return {
    service_name: settings.service_name || new URL(cx.config.issuer).host,
    vendor: VENDORS[preset.name],
    privacy_uri: policy_uri ?? (settings.privacy_uri || null),
  }
}

/** Takes the answer. Two round trips at most. Throws OAuthError, which is shown here. */
export async function answerConsent(
  cx: Context,
  { request, action }: { request: string | undefined; action: string | undefined },
  cookie: string | undefined,
): Promise<Outcome> {
  const [reference = '', tag = ''] = (request ?? '').split('.')
  if (action !== 'allow' && action !== 'deny') {
    throw new OAuthError('invalid_request', {
      description: english('form.action'),
      reason: 'unknown_action',
    })
  }
  const situation = await lookAt(cx, reference, cookie)
  const decision = consentDecision(cx, situation)
  if (decision === null) return elsewhere(situation, reference)
  // The answer is that of the person it was shown to, about what was shown; else it is shown anew.
  if (!verifyMac(cx, 'consent', boundTo(cx, reference, situation, decision), tag)) {
    return { to: 'page', path: consentPath(reference) }
  }
  if (action === 'deny') return deny(cx, situation, decision)
  const outcome = await issueCode(cx, situation, decision, { remember: true })
  if (outcome === null) throw requestEnded()
  return outcome
}

type ToAsk = Extract<NextStep, { step: 'consent' }>

/**
 * The decision, if it is to ask. Everything else, errors for the client included, is authorize's to
 * tell.
 */
function consentDecision(cx: Context, situation: Situation): ToAsk | null {
  try {
    const decision = decide(cx, situation)
    return decision.step === 'consent' ? decision : null
  } catch (error) {
    if (error instanceof OAuthError) return null
    throw error
  }
}

const elsewhere = ({ client }: Situation, reference: string): Outcome => ({
  to: 'page',
  path: pathOf(client.client_id, reference),
})

// Which claims are told follows from the request and the scopes.
const boundTo = (
  cx: Context,
  reference: string,
  { client, request }: Situation,
  { session, scope, details }: ToAsk,
): string => {
  const scopes = toldScopes(cx, client, request.resource, scope)
  const shown = [clientDigest(client), digestOf(details), ...scopes]
  return [reference, session.user_id, ...shown].join('\n')
}

async function deny(cx: Context, { client, request, stored }: Situation, { session }: ToAsk) {
  if (stored === null) throw new TypeError('a consent without a stored request')
  const { user_id } = session
  const { client_id } = request
  await cx.db.write({
    // The event first: its condition ends with the request.
    event: appendEvent(
      as(cx, { kind: 'user', id: user_id }),
      { type: 'authorization.denied', subject_id: user_id, data: { client_id } },
      isOpen(cx, stored.id_hash),
    ),
    finished: finishRequest(cx, stored.id_hash, await loadSettings(cx)),
    request: deleteRequest(stored.id_hash),
  })
  return toClient(cx, client, request, {
    error: 'access_denied',
    error_description: 'the person did not allow it',
  })
}
