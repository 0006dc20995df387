// Page /account/security/undo: the link of the mail about a factor that an operator removed. A GET
// changes nothing.
import { Hono } from 'hono'
import { OAuthError } from '../../errors.ts'
import { type Env, type Http, readForm, readQuery } from '../../http.ts'
import { factorRestoredPage, undoRemovalPage } from '../../pages/account/removed_factor_page.ts'
import { errorPage } from '../../pages/error_page.ts'
import { pageMessages } from '../../pages/language.ts'
import { page } from '../../pages/page_headers.ts'
import { logRefusal } from '../../refusal_log.ts'
import { assertCsrf, csrfToken } from '../csrf.ts'
import type { SessionsEnded } from '../sessions.ts'
import { findRemoval, UNDO_FACTOR_PATH, undoRemoval } from './removed_factors.ts'

export function removedFactorsRoutes({
  onSessionsEnded,
}: {
  onSessionsEnded: SessionsEnded
}): Hono<Env> {
  const routes = new Hono<Env>()

  /** Database round trips: 1. */
  routes.get(UNDO_FACTOR_PATH, page, async (c) => {
    const token = readQuery(c).get('token') ?? ''
    const found = await findRemoval(c.var.cx, token)
    if (found === null) return deadLink(c)
    const { email, factor } = found
    const values = { email, name: factor.name, token, csrf: csrfToken(c) }
    return c.html(undoRemovalPage(values, await pageMessages(c)))
  })

  /** Database round trips: 2, and those of `onSessionsEnded`. */
  routes.post(UNDO_FACTOR_PATH, page, async (c) => {
    const form = await readForm(c)
    assertCsrf(c, form)
    const done = await undoRemoval(c.var.cx, form.get('token') ?? '', onSessionsEnded)
    if (done === null) return deadLink(c)
    return c.html(factorRestoredPage({ name: done.factor.name }, await pageMessages(c)))
  })

  return routes
}

async function deadLink(c: Http): Promise<Response> {
  const { cx } = c.var
  const m = await pageMessages(c)
  const shown = { title: m('address.dead_title'), text: m('address.dead') }
  const description = shown.text
  logRefusal(cx, new OAuthError('access_denied', { description, reason: 'factor_link_dead' }))
  return c.html(errorPage({ ...shown, request_id: cx.rid }, m), 403)
}
