// /account/applications: a page on which a person sees which applications have access, and
// withdraws it. The account page of identity leads here by the path alone.
import { Hono } from 'hono'
import { OAuthError } from '../../errors.ts'
import { type Env, readForm } from '../../http.ts'
import { liveSession } from '../../identity/account.ts'
import { assertCsrf, csrfToken } from '../../identity/csrf.ts'
import { continuePath, firstRequirement } from '../../identity/requirements.ts'
import { readSessionCookie } from '../../identity/sessions.ts'
import { english } from '../../messages/messages.ts'
import { applicationsPage } from '../../pages/account/applications_page.ts'
import { pageMessages } from '../../pages/language.ts'
import { page, pageHeaders } from '../../pages/page_headers.ts'
import { listOwnApplications, rightAllowed, withdrawOwn } from './user_authorizations.ts'

export const APPLICATIONS = '/account/applications'
const LOGIN = `/login?return_to=${APPLICATIONS}`

/** Database round trips: 1; 2 to withdraw. */
export function applicationRoutes(): Hono<Env> {
  return new Hono<Env>()
    .get(APPLICATIONS, page, async (c) => {
      const { cx } = c.var
      const account = await listOwnApplications(cx, readSessionCookie(c))
      pageHeaders(c)
      if (account === null) return c.redirect(LOGIN, 303)
      if (firstRequirement(account.lacking) !== null) {
        return c.redirect(continuePath(cx, APPLICATIONS), 303)
      }
      const { session, applications } = account
      const m = await pageMessages(c)
      return c.html(
        applicationsPage(
          {
            email: session.user_email,
            name: session.user_name,
            csrf: csrfToken(c),
            applications: applications.map(({ scope, ...application }) => ({
              ...application,
              // The page shows in its own words which applications keep access.
              may: scope.filter((one) => one !== 'offline_access').map(rightAllowed),
            })),
          },
          m,
        ),
      )
    })
    .post(APPLICATIONS, page, async (c) => {
      const { cx } = c.var
      const form = await readForm(c)
      assertCsrf(c, form)
      const client_id = form.get('client_id')
      if (form.get('action') !== 'withdraw' || client_id === undefined) {
        throw new OAuthError('invalid_request', {
          description: english('form.action'),
          reason: 'unknown_action',
        })
      }
      const session = await liveSession(cx, readSessionCookie(c))
      pageHeaders(c)
      if (session === undefined) return c.redirect(LOGIN, 303)
      await withdrawOwn(cx, session.user_id, client_id)
      return c.redirect(APPLICATIONS, 303)
    })
}
