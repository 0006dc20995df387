// OpenID Connect RP-Initiated Logout 1.0: a client sends the browser here so that the person is
// signed out here too. The person is not asked only when the client shows an ID token of this very
// session; otherwise the page asks, so that no link signs anybody out. The answer goes to an
// address that the client registered, or nowhere.
import { as, type Context } from '../../context.ts'
import { seal, UnsealError, unseal } from '../../crypto.ts'
import { deliver } from '../../deliveries.ts'
import { badRequest } from '../../errors.ts'
import type { Form } from '../../http.ts'
import {
  endBrowserSession,
  findSession,
  type LiveSession,
  noteSession,
  sessionHash,
} from '../../identity/sessions.ts'
import { verifyJwt } from '../../keys/jwt.ts'
import { loadSettings } from '../../settings.ts'
import { CLIENT_URL_MAX } from '../clients/client_url.ts'
import { type ClientRow, findClientById, parseClient } from '../clients/clients.ts'
import { formTargetOf, matchesRedirectUri, withAnswer } from '../clients/redirect_uris.ts'
import { subjectFor } from '../clients/subject_identifier.ts'
import { logoutTokens } from './logout_tokens.ts'
import { HANGING_MAX, listHangingOfSession } from './store.ts'
import { afterSessionsEnded, endHanging } from './tokens_of_ended_sessions.ts'

/** The request of a client; the hint is verified already. */
export type LogoutRequest = {
  /** The parameter, or the client that the hint was issued to. */
  client_id: string | null
  post_logout_redirect_uri: string | null
  state: string | null
  hint: { sub: string; sid: string | null } | null
}

export type LogoutOutcome =
  | {
      step: 'ask'
      session: LiveSession
      client_name: string | null
      form_target: string | null
    }
  /** Nobody is signed in any more. `location` is null where the client named no address. */
  | { step: 'done'; location: string | null }
  /** The same, but the person first sees where the address leads. */
  | { step: 'offer'; location: string }

const STATE_MAX = 4096
const HINT_MAX = 8192

function read(form: Form, name: string, max: number): string | null {
  const value = form.get(name)
  if (value !== undefined && value.length > max) {
    throw badRequest(`${name} is too long`, 'parameter_too_long')
  }
  return value ?? null
}

/**
 * The parameters of a client (§2, §3). `logout_hint` is not needed, since the session says who is
 * signed in; `ui_locales` is read by the page. Throws OAuthError, which is shown here.
 */
export async function readLogoutRequest(cx: Context, form: Form): Promise<LogoutRequest> {
  const id_token_hint = read(form, 'id_token_hint', HINT_MAX)
  const client_id = read(form, 'client_id', CLIENT_URL_MAX)
  cx.parties.client_id = client_id
  const post_logout_redirect_uri = read(form, 'post_logout_redirect_uri', 2048)
  const state = read(form, 'state', STATE_MAX)
  if (id_token_hint === null) {
    // §2: without either, the address belongs to no known client.
    if (post_logout_redirect_uri !== null && client_id === null) {
      throw badRequest('client_id or id_token_hint is missing', 'redirect_without_client')
    }
    return { client_id, post_logout_redirect_uri, state, hint: null }
  }
  // §2: an ID token that has run out is still a hint.
  const claims = await verifyJwt(cx, id_token_hint, { typ: 'JWT', ignoreExpiry: true })
  const { sub, aud, sid } = claims ?? {}
  if (typeof sub !== 'string' || typeof aud !== 'string') {
    throw badRequest('id_token_hint is not an ID token of this issuer', 'bad_id_token_hint')
  }
  if (client_id !== null && client_id !== aud) {
    throw badRequest('id_token_hint was issued to another client', 'hint_of_another_client')
  }
  const hint = { sub, sid: typeof sid === 'string' ? sid : null }
  return { client_id: aud, post_logout_redirect_uri, state, hint }
}

const SEALED = 'logout request'

/**
 * Seals the request as a text for our own form or address: nobody can read or change it, and it
 * runs out.
 */
export async function sealLogoutRequest(cx: Context, request: LogoutRequest): Promise<string> {
  const { request_ttl } = await loadSettings(cx)
  return seal(cx, SEALED, JSON.stringify({ request, expires_at: cx.now() + request_ttl }))
}

/** Throws OAuthError, which is shown here. */
export async function openLogoutRequest(cx: Context, sealed: string): Promise<LogoutRequest> {
  const refusal = badRequest('this sign-out has ended; start again', 'request_unknown')
  try {
    const { request, expires_at } = JSON.parse(await unseal(cx, SEALED, sealed))
    if (expires_at <= cx.now()) throw refusal
    return request
  } catch (error) {
    throw error instanceof UnsealError ? refusal : error
  }
}

/**
 * Ends the session of the browser, or answers that the person has to be asked first. `confirmed`:
 * the person was asked and agreed. Two round trips, one where nothing ends. Throws OAuthError,
 * which is shown here.
 */
export async function answerLogoutRequest(
  cx: Context,
  request: LogoutRequest,
  cookie: string | undefined,
  { confirmed }: { confirmed: boolean },
): Promise<LogoutOutcome> {
  const { sessions, clients, hanging } = await cx.db.read({
    sessions: findSession(cx, cookie),
    clients: findClientById(request.client_id ?? ''),
    hanging: listHangingOfSession(cookie === undefined ? '' : sessionHash(cookie)),
  })
  const [session] = sessions
  const [client] = clients
  noteSession(cx, session)
  const location = locationOf(request, client)
  if (session === undefined) {
    // RFC 9700 §4.11.2: otherwise a link to this server would lead, unseen, to an address that
    // anybody may have registered.
    const unseen = location !== null && client !== undefined && parseClient(client).anonymous
    return unseen ? { step: 'offer', location } : { step: 'done', location }
  }
  if (!confirmed && !(await isOf(cx, request, client, session))) {
    return {
      step: 'ask',
      session,
      client_name: nameOf(client),
      form_target: location === null ? null : formTargetOf(location),
    }
  }
  const { user_id, id_hash } = session
  const acting = as(cx, { kind: 'user', id: user_id })
  await cx.db.write({
    session: endBrowserSession(acting, user_id, id_hash),
    hanging: endHanging(acting, hanging),
  })
  if (hanging.length === HANGING_MAX) await afterSessionsEnded(acting, user_id)
  else if (hanging.some((row) => row.is_notified === 1)) cx.background(deliver(cx, [logoutTokens]))
  return { step: 'done', location }
}

/**
 * §2: whether the hint names the person who is signed in and, where it names a session, this one.
 */
async function isOf(
  cx: Context,
  { hint }: LogoutRequest,
  row: ClientRow | undefined,
  session: LiveSession,
): Promise<boolean> {
  if (hint === null || row === undefined) return false
  // The identifier by which the client knows the person.
  const sub = await subjectFor(cx, parseClient(row), session.user_id)
  return hint.sub === sub && (hint.sid === null || hint.sid === session.sid)
}

const nameOf = (row: ClientRow | undefined): string | null =>
  row === undefined || row.status !== 'active' ? null : (row.client_name ?? row.id)

/** §3: an address that the client registered, compared like a redirect address, or null. */
function locationOf(request: LogoutRequest, row: ClientRow | undefined): string | null {
  const { post_logout_redirect_uri: uri, state } = request
  if (uri === null) return null
  if (row === undefined || row.status !== 'active') {
    throw badRequest('the application is not known here', 'unknown_client')
  }
  const client = parseClient(row)
  const registered = { ...client, redirect_uris: client.post_logout_redirect_uris }
  if (!matchesRedirectUri(registered, uri)) {
    throw badRequest(
      'post_logout_redirect_uri is not one that this client registered',
      'redirect_uri_mismatch',
    )
  }
  return state === null ? uri : withAnswer(uri, { state })
}
