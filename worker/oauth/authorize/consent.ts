// Asking a person whether a client may have what it asks for, and taking the answer. Whether to ask is decided
// in decision.ts; the page is pages/consent_page.ts.
import type { Context } from '../../context.ts'
import { mac, verifyMac } from '../../crypto.ts'
import { OAuthError } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import type { ConsentValues } from '../../pages/consent_page.ts'
import type { LinkingValues } from '../../pages/linking_page.ts'
import { loadSettings } from '../../settings.ts'
import { type Detail, digestOf, isDigest } from '../authorization_details.ts'
import { type Preset, VENDORS } from '../clients/presets.ts'
import { formTargetOf } from '../clients/redirect_uris.ts'
import {
  asUser,
  consentPath,
  issueCode,
  loginPath,
  lookAt,
  pathOf,
  requestEnded,
} from './authorize.ts'
import { claimAllowed, type Decision, decide, type Situation } from './decision.ts'
import { introduce } from './introduction.ts'
import { deleteRequest, isOpen, listObjectNames } from './request_store.ts'
import { type Outcome, toClient } from './response.ts'

/** What scopes mean, for people. */
const MEANING: ReadonlyMap<string, string> = new Map([
  ['openid', 'know who you are'],
  ['profile', 'see your name and language, and what else is in your profile'],
  ['email', 'see your e-mail address'],
  ['address', 'see your postal address'],
  ['phone', 'see your phone number'],
  ['offline_access', 'keep this access while you are away'],
  ['mqtt', 'see and control the devices that you may use'],
  ['manage', 'manage everything here in your name'],
])

const MANAGED: ReadonlyMap<string, string> = new Map([
  ['users', 'people'],
  ['devices', 'devices'],
  ['access', 'groups, roles and who has access'],
  ['clients', 'applications'],
  ['keys', 'signing keys'],
  ['events', 'the record of events'],
  ['settings', 'settings'],
])

/** What a claim asked for by itself tells. */
const TOLD: ReadonlyMap<string, string> = new Map([
  ['name', 'name'],
  ['given_name', 'first name'],
  ['family_name', 'last name'],
  ['middle_name', 'middle name'],
  ['nickname', 'nickname'],
  ['preferred_username', 'user name'],
  ['profile', 'profile page'],
  ['picture', 'picture'],
  ['website', 'web site'],
  ['gender', 'gender'],
  ['birthdate', 'birthdate'],
  ['zoneinfo', 'time zone'],
  ['locale', 'language'],
  ['email', 'e-mail address'],
  ['phone_number', 'phone number'],
  ['address', 'postal address'],
])

const CHECKED: ReadonlyMap<string, string> = new Map([
  ['updated_at', 'see when your profile was changed last'],
  ['email_verified', 'see whether your e-mail address was verified'],
  ['phone_number_verified', 'see whether your phone number was verified'],
])

const meaningOfClaim = (claim: string): string =>
  CHECKED.get(claim) ?? `see your ${TOLD.get(claim) ?? claim}`

/** A scope in words, or whatever else was allowed under a name of its own. */
export function meaningOf(scope: string): string {
  if (isDigest(scope)) return 'use devices and groups that it named when it asked you'
  const claim = claimAllowed(scope)
  if (claim !== null) return meaningOfClaim(claim)
  const [resource = '', verb] = scope.split(':')
  const managed = MANAGED.get(resource)
  if (managed !== undefined && verb === 'read') return `see ${managed} in your name`
  if (managed !== undefined && verb === 'write') return `change ${managed} in your name`
  return MEANING.get(scope) ?? 'use what the application calls'
}

/** mProxy as a named resource gives what `mqtt` gives, so people are told so. */
export const toldScopes = (cx: Context, resource: readonly string[], scope: readonly string[]) =>
  resource.includes(cx.config.mqtt_audience) ? [...new Set([...scope, 'mqtt'])] : scope

export type Asked = {
  form_target: string
  /** Locales that the page may be in, most wanted first. */
  ui_locales: readonly string[]
} & (
  | { page: 'consent'; values: Omit<ConsentValues, 'csrf'> }
  | { page: 'linking'; values: Omit<LinkingValues, 'csrf'> }
)

/** What actions of `authorization_details` mean, for people; others are shown as they are. */
const ACTIONS: ReadonlyMap<string, string> = new Map([
  ['device:read', 'see'],
  ['device:command', 'control'],
  ['subscribe', 'receive messages of'],
  ['publish', 'send messages for'],
])

/** RFC 9396 §2: details that the person holds, in words. A round trip when there are any. */
export async function describeDetails(cx: Context, held: readonly Detail[]) {
  if (held.length === 0) return []
  const ids = held.flatMap(({ devices, groups }) => [...devices, ...groups])
  const [names] = await cx.db.read(listObjectNames(ids))
  const nameOf = (id: string) => names.find((row) => row.id === id)?.name ?? id
  return held.map(({ actions, devices, groups }) => ({
    name: actions.join(' '),
    text: `${actions.map((one) => ACTIONS.get(one) ?? one).join(', ')}: ${[...devices, ...groups].map(nameOf).join(', ')}`,
  }))
}

/**
 * What to ask, or where to go when there is nothing to ask. One round trip, two with `authorization_details`.
 * Throws OAuthError, shown here.
 */
export async function askConsent(
  cx: Context,
  reference: string,
  cookie: string | undefined,
): Promise<Asked | Outcome> {
  const situation = await lookAt(cx, reference, cookie)
  const decision = consentDecision(cx, situation)
  if (decision === null) return elsewhere(situation, reference)
  const { client, request, held } = situation
  const { session, scope, claims } = decision
  const { protocol, host } = new URL(request.redirect_uri)
  const details = await describeDetails(cx, held)
  if (details.length === 0 && scope.length === 0) {
    return toClient(cx, client, request, {
      error: 'access_denied',
      error_description: 'the person may do nothing of what is asked',
    })
  }
  const common = {
    email: session.user_email,
    scopes: [
      ...toldScopes(cx, request.resource, scope).map((name) => ({ name, text: meaningOf(name) })),
      ...claims.map((name) => ({ name, text: meaningOfClaim(name) })),
      ...details,
    ],
    request: `${reference}.${mac(cx, 'consent', boundTo(reference, decision, held))}`,
    redirect_host: host === '' ? protocol : host,
    switch_account: loginPath(cx, request, reference),
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

/** Who is linked with whom, in the words of the vendor and of the operator. */
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
      description: 'the form was sent without a known button',
      reason: 'unknown_action',
    })
  }
  const situation = await lookAt(cx, reference, cookie)
  const decision = consentDecision(cx, situation)
  if (decision === null) return elsewhere(situation, reference)
  // The answer is that of the person it was shown to, about what was shown; else it is shown anew.
  if (!verifyMac(cx, 'consent', boundTo(reference, decision, situation.held), tag)) {
    return { to: 'page', path: consentPath(reference) }
  }
  if (action === 'deny') return deny(cx, situation, decision)
  const outcome = await issueCode(cx, situation, decision, { remember: true })
  if (outcome === null) throw requestEnded()
  return outcome
}

type ToAsk = Extract<Decision, { step: 'consent' }>

/** The decision, if it is to ask. Everything else, errors for the client included, is authorize's to tell. */
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
const boundTo = (reference: string, { session, scope }: ToAsk, held: readonly Detail[]): string =>
  [reference, session.user_id, digestOf(held), ...scope].join('\n')

async function deny(cx: Context, { client, request, stored }: Situation, { session }: ToAsk) {
  if (stored === null) throw new TypeError('a consent without a stored request')
  const { user_id } = session
  const { client_id } = request
  await cx.db.write(
    appendEvent(
      asUser(cx, user_id),
      { type: 'authorization.denied', subject_id: user_id, data: { client_id } },
      isOpen(cx, stored.id_hash),
    ),
    deleteRequest(stored.id_hash),
  )
  return toClient(cx, client, request, {
    error: 'access_denied',
    error_description: 'the person did not allow it',
  })
}
