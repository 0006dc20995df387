// The authorization request: turns parameters, from a browser that anybody may have sent here, into
// a checked value. First comes the address of the answer (`readTarget`): a wrong redirect_uri is
// refused here and sent nowhere. Only then come all other parameters, whose faults go to the
// client.
import type { Context } from '../../context.ts'
import { OAuthError, type OAuthErrorCode } from '../../errors.ts'
import type { Form } from '../../http.ts'
import { verifyJwt } from '../../keys/jwt.ts'
import type { Reason } from '../../refusals.ts'
import { ACR_VALUES } from '../acr.ts'
import { type Detail, readDetails } from '../authorization_details.ts'
import { CLAIMS_MAX, type ClaimsRequest, readClaimsParameter, withinRegistered } from '../claims.ts'
import { type Client, isResource } from '../clients/client_metadata.ts'
import { CLIENT_URL_MAX } from '../clients/client_url.ts'
import { isLink, localeParameter } from '../clients/presets.ts'
import { matchesRedirectUri } from '../clients/redirect_uris.ts'
import { parseScope } from '../scopes.ts'
import { isRegisteredScope, knownScopes, mayNameResource } from '../tokens/entitlement.ts'
import { type Target, usableResponseMode } from './response.ts'

/** Longest query, in characters; servers in between would not carry a longer one. */
export const REQUEST_MAX = 12_000

/** RFC 9126 §2.2: prefix of the name of a stored request. */
export const REQUEST_URI_PREFIX = 'urn:ietf:params:oauth:request_uri:'

/** Known parameters. All others are ignored (RFC 6749 §3.1). */
export const PARAMETERS = [
  'client_id',
  'redirect_uri',
  'response_type',
  'response_mode',
  'scope',
  'state',
  'nonce',
  'code_challenge',
  'code_challenge_method',
  'resource',
  'authorization_details',
  'prompt',
  'max_age',
  'login_hint',
  'id_token_hint',
  'display',
  'ui_locales',
  'acr_values',
  'claims',
  'dpop_jkt',
  'request',
  'request_uri',
  'user_locale',
] as const
type Parameter = (typeof PARAMETERS)[number]

export const PROMPTS = ['none', 'login', 'consent', 'select_account'] as const
export type Prompt = (typeof PROMPTS)[number]

/** The checked request, as it is kept. */
export type AuthorizationRequest = Target & {
  client_id: string
  scope: string[]
  resource: string[]
  /** Null only for a client that authenticates and may omit it. */
  code_challenge: string | null
  authorization_details?: Detail[]
  nonce?: string
  prompt: Prompt[]
  /** Seconds. */
  max_age?: number
  login_hint?: string
  /** Thumbprint of the key that redeems the code (RFC 9449 §10). */
  dpop_jkt?: string
  /** `sub` of the only person whom the answer may be about, as the client knows them. */
  hinted_sub?: string
  display?: string
  /** BCP 47, most wanted first. */
  ui_locales?: string[]
  /** Wished, in the order of preference. */
  acr_values?: string[]
  claims?: ClaimsRequest
}

/** The stored form: with the session of the browser that brought the request. */
export type KeptRequest = AuthorizationRequest & { session_hash: string | null }

export const refuse = (error: OAuthErrorCode, description: string, reason: Reason) =>
  new OAuthError(error, { description, reason })

/** The value of a parameter that comes once at most. Throws OAuthError. */
function once(form: Form, name: Parameter, max: number): string | undefined {
  const values = form.all(name)
  // RFC 6749 §3.1
  if (values.length > 1) {
    throw refuse('invalid_request', `${name} is given more than once`, 'duplicate_parameter')
  }
  const [value] = values
  if (value !== undefined && value.length > max) {
    throw refuse('invalid_request', `${name} is too long`, 'parameter_too_long')
  }
  return value
}

/**
 * The id of the client that claims to ask. Throws OAuthError, which is shown here and not sent
 * anywhere.
 */
export function readClientId(form: Form): string {
  const client_id = once(form, 'client_id', CLIENT_URL_MAX)
  if (client_id === undefined) {
    throw refuse('invalid_request', 'client_id is missing', 'no_client_id')
  }
  return client_id
}

/** The handle in a `request_uri` of this server, or null when there is none. */
export function readReference(form: Form): string | null {
  const values = form.all('request_uri')
  const own = values.find((value) => value.startsWith(REQUEST_URI_PREFIX))
  if (own === undefined) return null
  if (values.length > 1) {
    throw refuse('invalid_request', 'request_uri is given more than once', 'duplicate_parameter')
  }
  // RFC 9101 §5
  if (form.all('request').length > 0) {
    throw refuse('invalid_request', 'give one request or request_uri', 'several_request_objects')
  }
  return own.slice(REQUEST_URI_PREFIX.length)
}

/**
 * The address that the answer may go to: only one that the client registered. Throws OAuthError,
 * which is shown here and not sent anywhere (RFC 6749 §4.1.2.1).
 */
export function readTarget(client: Client, form: Form): Target {
  const requested = once(form, 'redirect_uri', 2048)
  const [first, ...others] = client.redirect_uris
  // RFC 6749 §3.1.2.3: it may be left out only where the client has one address; FAPI 2.0 §5.3.2.2:
  // never.
  const mayLack = others.length === 0 && client.profile !== 'fapi2'
  const redirect_uri = requested ?? (mayLack ? first : undefined)
  if (redirect_uri === undefined) {
    throw refuse('invalid_request', 'redirect_uri is missing', 'no_redirect_uri')
  }
  if (!matchesRedirectUri(client, redirect_uri)) {
    throw refuse(
      'invalid_request',
      'redirect_uri is not one that this client registered',
      'redirect_uri_mismatch',
    )
  }
  const [state, second] = form.all('state')
  // A state that may not be the client's own is not sent back; `checkRequest` then refuses it.
  const clear = state !== undefined && second === undefined && state.length <= STATE_MAX
  const modes = form.all('response_mode')
  const mode = modes.length === 1 ? usableResponseMode(modes[0], redirect_uri) : undefined
  return {
    redirect_uri,
    ...(clear ? { state } : {}),
    ...(mode === undefined || mode === 'query' ? {} : { response_mode: mode }),
  }
}

const STATE_MAX = 4096

type Check = (
  cx: Context,
  client: Client,
  form: Form,
  target: Target,
) => Partial<AuthorizationRequest>

/** Checks of a request whose answers have an address to go to, in this order. */
const CHECKS: readonly Check[] = [
  checkState,
  checkResponse,
  checkClientMayAsk,
  checkCodeChallenge,
  checkDpopKey,
  checkDetails,
  checkScope,
  checkResource,
  checkInteraction,
  checkAuthenticationContext,
  checkClaims,
  checkLocale,
]

/** The request, checked. Throws OAuthError, which is for the client. */
export async function checkRequest(
  cx: Context,
  client: Client,
  target: Target,
  form: Form,
): Promise<AuthorizationRequest> {
  const request = {
    ...target,
    client_id: client.client_id,
    scope: [],
    resource: [],
    code_challenge: null,
    prompt: [],
  }
  const checked = CHECKS.map((check) => check(cx, client, form, target))
  return Object.assign(request, ...checked, await readIdTokenHint(cx, client, form))
}

function checkState(_cx: Context, _client: Client, form: Form) {
  once(form, 'state', STATE_MAX)
  return {}
}

function checkResponse(_cx: Context, _client: Client, form: Form, { redirect_uri }: Target) {
  const response_type = once(form, 'response_type', 100)
  if (response_type === undefined) {
    throw refuse('invalid_request', 'response_type is missing', 'no_response_type')
  }
  if (response_type !== 'code') {
    throw refuse('unsupported_response_type', 'response_type must be code', 'response_type')
  }
  const response_mode = once(form, 'response_mode', 100)
  if (response_mode !== undefined && !usableResponseMode(response_mode, redirect_uri)) {
    throw refuse('invalid_request', 'response_mode is not one for a code', 'response_mode')
  }
  return {}
}

function checkClientMayAsk(_cx: Context, client: Client) {
  if (!client.grant_types.includes('authorization_code')) {
    throw refuse(
      'unauthorized_client',
      'this client is not registered for authorization_code',
      'grant_type_not_registered',
    )
  }
  return {}
}

/** RFC 7636 §4.3, without `plain` (RFC 9700 §2.1.1). */
function checkCodeChallenge(_cx: Context, client: Client, form: Form) {
  const code_challenge = once(form, 'code_challenge', 128)
  const method = once(form, 'code_challenge_method', 20)
  if (code_challenge === undefined) {
    // RFC 9700 §2.1.1: nothing else binds the code of a public client to it. FAPI 2.0 §5.3.2.2.
    const isNeeded =
      client.require_pkce ||
      client.token_endpoint_auth_method === 'none' ||
      client.profile === 'fapi2'
    if (!isNeeded && method === undefined) return { code_challenge: null }
    throw refuse('invalid_request', 'code_challenge is missing', 'no_code_challenge')
  }
  // RFC 7636 §4.3: without a method it would be plain.
  if (method !== 'S256') {
    throw refuse('invalid_request', 'code_challenge_method must be S256', 'challenge_method')
  }
  if (!/^[A-Za-z0-9_-]{43}$/.test(code_challenge)) {
    throw refuse('invalid_request', 'code_challenge is not a SHA-256', 'bad_code_challenge')
  }
  return { code_challenge }
}

/** RFC 9449 §10 */
function checkDpopKey(_cx: Context, _client: Client, form: Form) {
  const dpop_jkt = once(form, 'dpop_jkt', 128)
  if (dpop_jkt === undefined) return {}
  if (!/^[A-Za-z0-9_-]{43}$/.test(dpop_jkt)) {
    throw refuse('invalid_request', 'dpop_jkt is not a SHA-256 thumbprint', 'bad_dpop_jkt')
  }
  return { dpop_jkt }
}

/** RFC 9396 §2. */
export function checkDetails(_cx: Context, client: Client, form: Form) {
  const authorization_details = readDetails(client, once(form, 'authorization_details', 8192))
  return authorization_details === undefined ? {} : { authorization_details }
}

export function checkScope(_cx: Context, client: Client, form: Form) {
  const refreshes = client.grant_types.includes('refresh_token')
  const requested = once(form, 'scope', 2048)
  // RFC 6749 §3.3: for a link, the client's own scope is the default; vendors may send none.
  if (requested === undefined && isLink(client)) return { scope: client.scope }
  // OpenID Connect Core §11: offline_access is ignored where the client gets no refresh token.
  const askedScope = parseScope(requested).filter((one) => one !== 'offline_access' || refreshes)
  // OpenID Connect Core §3.1.2.1: a scope that nobody knows is left out, and the token's scope says
  // so.
  const scope = knownScopes([client], askedScope)
  if (scope.length === 0 && form.get('authorization_details') === undefined) {
    // RFC 6749 §3.3: there is no default, since a client should get only what it asks for.
    throw askedScope.length === 0
      ? refuse('invalid_scope', 'scope is missing', 'no_scope')
      : refuse('invalid_scope', 'none of these scopes is known here', 'unknown_scope')
  }
  const lacking = scope.filter((one) => !isRegisteredScope(client, one))
  if (lacking.length > 0) {
    const words = `this client is not registered for: ${lacking.join(' ')}`
    throw refuse('invalid_scope', words, 'scope_not_registered')
  }
  return { scope }
}

/**
 * RFC 8707 §2. A request may name several resources, and scopes of several audiences, even where
 * one token cannot have them all: each token request then names its own.
 */
export function checkResource(cx: Context, client: Client, form: Form) {
  const resource = [...new Set(form.all('resource'))]
  if (resource.length > 20) {
    throw refuse('invalid_target', 'too many resources', 'too_many_resources')
  }
  const hasDetails = form.get('authorization_details') !== undefined
  for (const one of resource) {
    if (!isResource(one)) {
      throw refuse(
        'invalid_target',
        'resource must be an absolute URI without fragment',
        'bad_resource',
      )
    }
    if (!mayNameResource(cx, client, one, hasDetails)) {
      throw refuse('invalid_target', 'this client may not name this resource', 'foreign_resource')
    }
  }
  return { resource }
}

/**
 * OpenID Connect Core §3.1.2.1: `prompt`, `max_age`, `login_hint`, `nonce`, `display`,
 * `ui_locales`.
 */
function checkInteraction(_cx: Context, client: Client, form: Form) {
  const prompt = (once(form, 'prompt', 100) ?? '').split(' ').filter((one) => one !== '')
  if (!prompt.every(isPrompt)) {
    throw refuse('invalid_request', 'prompt has a value that is not supported', 'unknown_prompt')
  }
  if (prompt.includes('none') && prompt.length > 1) {
    throw refuse('invalid_request', 'prompt has none beside another value', 'prompt_none_mixed')
  }
  const max_age = once(form, 'max_age', 20)
  if (max_age !== undefined && !/^\d{1,9}$/.test(max_age)) {
    throw refuse('invalid_request', 'max_age is not a number of seconds', 'bad_max_age')
  }
  const nonce = once(form, 'nonce', 1024)
  const login_hint = once(form, 'login_hint', 320)
  // OpenID Connect Registration §2: the request overrides what is registered.
  const seconds = max_age === undefined ? client.default_max_age : Number(max_age)
  return {
    prompt,
    ...(seconds === null ? {} : { max_age: seconds }),
    ...(nonce === undefined ? {} : { nonce }),
    ...(login_hint === undefined ? {} : { login_hint }),
    ...readWishes(form),
  }
}

/** A vendor's own parameter for `ui_locales`: a wish as well. */
function checkLocale(_cx: Context, client: Client, form: Form) {
  const parameter = localeParameter(client)
  if (form.get('ui_locales') !== undefined) return {}
  const locale = parameter === null ? undefined : once(form, parameter, 100)
  return locale !== undefined && LANGUAGE_TAG.test(locale) ? { ui_locales: [locale] } : {}
}

const LANGUAGE_TAG = /^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}$/

/** Wishes about the pages: unknown values are no fault. */
function readWishes(form: Form): Pick<AuthorizationRequest, 'display' | 'ui_locales'> {
  const wish = once(form, 'display', 100)
  const display = DISPLAYS.find((one) => one === wish)
  const ui_locales = (once(form, 'ui_locales', 1000) ?? '')
    .split(' ')
    .filter((one) => /^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$/.test(one))
    .slice(0, 20)
  return {
    ...(display === undefined ? {} : { display }),
    ...(ui_locales.length === 0 ? {} : { ui_locales }),
  }
}

const DISPLAYS = ['page', 'popup', 'touch', 'wap']

/** OpenID Connect Core §3.1.2.1: `acr_values` is a wish. Unknown values have no effect. */
function checkAuthenticationContext(_cx: Context, client: Client, form: Form) {
  const acr_values = once(form, 'acr_values', 1000)
    ?.split(' ')
    .filter((one) => ACR_VALUES.includes(one))
  return { acr_values: acr_values ?? client.default_acr_values }
}

function checkClaims(_cx: Context, client: Client, form: Form) {
  const claims = once(form, 'claims', CLAIMS_MAX)
  if (claims === undefined) return {}
  return { claims: withinRegistered(readClaimsParameter(claims), client.scope) }
}

/**
 * The person whom `id_token_hint` names: the subject of an ID token that this client got, which may
 * have run out (OpenID Connect Core §3.1.2.1). Throws OAuthError, which is for the client.
 */
async function readIdTokenHint(
  cx: Context,
  client: Client,
  form: Form,
): Promise<Pick<AuthorizationRequest, 'hinted_sub'>> {
  const hint = once(form, 'id_token_hint', 4096)
  if (hint === undefined) return {}
  const expected = { typ: 'JWT', audience: client.client_id, ignoreExpiry: true }
  const sub = (await verifyJwt(cx, hint, expected))?.sub
  if (sub === undefined) {
    throw refuse(
      'invalid_request',
      'id_token_hint is not an ID token of this client',
      'bad_id_token_hint',
    )
  }
  return { hinted_sub: sub }
}

const isPrompt = (text: string): text is Prompt => PROMPTS.some((one) => one === text)
