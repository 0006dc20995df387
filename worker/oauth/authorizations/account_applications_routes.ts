// /account/applications: a page on which a person sees which applications have access, and
// withdraws it. The account page of identity leads here by the path alone.
import { Hono } from 'hono'
import { as } from '../../context.ts'
import { OAuthError } from '../../errors.ts'
import { type Env, readForm } from '../../http.ts'
import { assertCsrf, csrfToken } from '../../identity/csrf.ts'
import { findSession, readSessionCookie, userOf } from '../../identity/sessions.ts'
import { applicationsPage } from '../../pages/applications_page.ts'
import { english } from '../../pages/messages.ts'
import { page, pageHeaders } from '../../pages/page_headers.ts'
import { loadSettings } from '../../settings.ts'
import { listAllowedScopesOfUser, listLiveAuthorizations } from './user_authorization_store.ts'
import { allowedInWords, applicationsOf, withdraw } from './user_authorizations.ts'

export const APPLICATIONS = '/account/applications'
const LOGIN = `/login?return_to=${APPLICATIONS}`

/** Most authorizations that are read for the page: many may be of one application. */
const AUTHORIZATIONS_MAX = 1000

/** Database round trips: 1; 2 to withdraw. */
export function applicationRoutes(): Hono<Env> {
  return new Hono<Env>()
    .get(APPLICATIONS, page, async (c) => {
      const { cx } = c.var
      const cookie = readSessionCookie(c)
      const { refresh_token_idle_ttl: idle_ttl } = await loadSettings(cx)
      const user_id = userOf(cx, cookie)
      const { sessions, allowed, live } = await cx.db.read({
        sessions: findSession(cx, cookie),
        allowed: listAllowedScopesOfUser(user_id),
        live: listLiveAuthorizations(cx, user_id, {
          after: '',
          limit: AUTHORIZATIONS_MAX,
          idle_ttl,
        }),
      })
      const [session] = sessions
      pageHeaders(c)
      if (session === undefined) return c.redirect(LOGIN, 303)
      return c.html(
        applicationsPage({
          email: session.user_email,
          name: session.user_name,
          csrf: csrfToken(c),
          applications: applicationsOf(allowed, live).map(({ scope, ...application }) => ({
            ...application,
            // The page shows in its own words which applications keep access.
            may: [...new Set(scope.filter((one) => one !== 'offline_access').map(allowedInWords))],
          })),
        }),
      )
    })
    .post(APPLICATIONS, page, async (c) => {
      const { cx } = c.var
      const form = await readForm(c)
      assertCsrf(c, form)
      const client_id = form.get('client_id')
      if (form.get('action') !== 'withdraw' || client_id === undefined) {
        throw new OAuthError('invalid_request', {
          description: english.form.action,
          reason: 'unknown_action',
        })
      }
      const [session] = await cx.db.read(findSession(cx, readSessionCookie(c)))
      pageHeaders(c)
      if (session === undefined) return c.redirect(LOGIN, 303)
      const { user_id } = session
      await cx.db.write(withdraw(as(cx, { kind: 'user', id: user_id }), user_id, client_id))
      return c.redirect(APPLICATIONS, 303)
    })
}
