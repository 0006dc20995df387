// Page /account/export: a person gets a copy of the own data. Nothing that the person lacks is
// asked first: the data are the person's, whatever was agreed to.
import { Hono } from 'hono'
import { OAuthError } from '../../errors.ts'
import { type Env, readForm } from '../../http.ts'
import { english } from '../../messages/messages.ts'
import { exportPage } from '../../pages/account/export_page.ts'
import { pageMessages } from '../../pages/language.ts'
import { page } from '../../pages/page_headers.ts'
import { assertCsrf, csrfToken } from '../csrf.ts'
import { readOwnFactors } from '../factors/own_factors.ts'
import { signInFirst } from '../factors/own_factors_routes.ts'
import { readSessionCookie } from '../sessions.ts'
import { EXPORT_PATH, exportOwnData } from './data_export.ts'

/** Buttons of the page, with the form of the copy and how the browser takes it. */
const FORMS = {
  view: { form: 'html', disposition: 'inline', type: 'text/html; charset=UTF-8' },
  html: { form: 'html', disposition: 'attachment', type: 'text/html; charset=UTF-8' },
  json: { form: 'json', disposition: 'attachment', type: 'application/json' },
} as const

export function exportRoutes(): Hono<Env> {
  const routes = new Hono<Env>()

  /** Database round trips: 1. */
  routes.get(EXPORT_PATH, page, async (c) => {
    const own = await readOwnFactors(c.var.cx, readSessionCookie(c))
    if (own === null || !own.isFresh) return signInFirst(c, EXPORT_PATH)
    const { user_email: email, user_name: name } = own.session
    return c.html(exportPage({ email, name, csrf: csrfToken(c) }, await pageMessages(c)))
  })

  /** Database round trips: 2, and one for each piece while it is sent. */
  routes.post(EXPORT_PATH, page, async (c) => {
    const form = await readForm(c)
    assertCsrf(c, form)
    const chosen = Object.entries(FORMS).find(([name]) => name === form.get('action'))?.[1]
    if (chosen === undefined) {
      throw new OAuthError('invalid_request', {
        description: english('form.action'),
        reason: 'unknown_action',
      })
    }
    const own = await readOwnFactors(c.var.cx, readSessionCookie(c))
    if (own === null || !own.isFresh) return signInFirst(c, EXPORT_PATH)
    const m = await pageMessages(c)
    const stream = await exportOwnData(c.var.cx, own.session, chosen.form, m)
    const { type, disposition } = chosen
    c.header('Content-Type', type)
    c.header('Content-Disposition', `${disposition}; filename="my-data.${chosen.form}"`)
    return c.body(stream)
  })

  return routes
}
