// Logout: clients end the browser session, and hear of sessions that ended.
//   /oauth/logout /oauth/logout/confirm
// Owns no table. end_session.ts is RP-Initiated Logout, tokens_of_ended_sessions.ts revokes the
// tokens that hang on an ended session, logout_tokens.ts tells the clients, store.ts reads
// authorizations by session. Sessions themselves are identity's. Answers are pages and redirects by
// 303, as at authorize.
import { Hono } from 'hono'
import { OAuthError } from '../../errors.ts'
import { type Env, type Http, readForm, readQuery } from '../../http.ts'
import { assertCsrf, csrfToken } from '../../identity/csrf.ts'
import { deleteSessionCookie, readSessionCookie } from '../../identity/sessions.ts'
import { english } from '../../messages/messages.ts'
import { pageMessages } from '../../pages/language.ts'
import { logoutPage, signedOutPage } from '../../pages/logout_page.ts'
import { page, pageHeaders } from '../../pages/page_headers.ts'
import {
  answerLogoutRequest,
  type LogoutOutcome,
  type LogoutRequest,
  openLogoutRequest,
  readLogoutRequest,
  sealLogoutRequest,
} from './end_session.ts'

const CONFIRM = '/oauth/logout/confirm'

/** Database round trips, warm: 2; 1 where nothing ends; 0 for a POST to the endpoint itself. */
export function logoutRoutes(): Hono<Env> {
  return new Hono<Env>()
    .get('/oauth/logout', page, async (c) => {
      const { cx } = c.var
      const query = readQuery(c)
      const sealed = query.get('request')
      const request =
        sealed === undefined
          ? await readLogoutRequest(cx, query)
          : await openLogoutRequest(cx, sealed)
      const cookie = readSessionCookie(c)
      return answer(
        c,
        request,
        await answerLogoutRequest(cx, request, cookie, { confirmed: false }),
      )
    })
    .post('/oauth/logout', page, async (c) => {
      // A form of another site comes without our Lax cookies; the GET that follows brings them. Its
      // address does not hold the ID token, only the sealed request.
      const form = await readForm(c)
      const request = await readLogoutRequest(c.var.cx, form)
      const sealed = await sealLogoutRequest(c.var.cx, request)
      pageHeaders(c)
      const ui_locales = form.get('ui_locales')
      const query = { request: sealed, ...(ui_locales === undefined ? {} : { ui_locales }) }
      return c.redirect(`/oauth/logout?${new URLSearchParams(query)}`, 303)
    })
    .post(CONFIRM, page, async (c) => {
      const { cx } = c.var
      const form = await readForm(c)
      assertCsrf(c, form)
      const action = form.get('action')
      if (action !== 'logout' && action !== 'cancel') {
        throw new OAuthError('invalid_request', {
          description: english('form.action'),
          reason: 'unknown_action',
        })
      }
      const request = await openLogoutRequest(cx, form.get('request') ?? '')
      if (action === 'cancel') {
        pageHeaders(c)
        return c.redirect('/account', 303)
      }
      const cookie = readSessionCookie(c)
      return answer(c, request, await answerLogoutRequest(cx, request, cookie, { confirmed: true }))
    })
}

async function answer(c: Http, request: LogoutRequest, outcome: LogoutOutcome): Promise<Response> {
  if (outcome.step === 'ask') {
    const { session, client_name, form_target } = outcome
    const sealed = await sealLogoutRequest(c.var.cx, request)
    const path = `/oauth/logout?${new URLSearchParams({ request: sealed })}`
    const m = await pageMessages(c, { path })
    pageHeaders(c, form_target === null ? [] : [form_target])
    return c.html(
      logoutPage(
        {
          action: CONFIRM,
          client_name,
          email: session.user_email,
          name: session.user_name,
          carried: { request: sealed },
          csrf: csrfToken(c),
        },
        m,
      ),
    )
  }
  const m = await pageMessages(c, { path: null })
  pageHeaders(c)
  if (readSessionCookie(c) !== undefined) deleteSessionCookie(c)
  if (outcome.step === 'offer') return c.html(signedOutPage(outcome.location, m))
  return outcome.location === null
    ? c.html(signedOutPage(null, m))
    : c.redirect(outcome.location, 303)
}
