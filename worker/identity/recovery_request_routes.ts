// Page /recover: a person asks for a link to a new password. The page after it is one for every
// address.
import { Hono } from 'hono'
import { emailFault } from '../email_address.ts'
import { OAuthError } from '../errors.ts'
import { type Env, type Http, readForm, readQuery } from '../http.ts'
import { pageMessages } from '../pages/language.ts'
import { page } from '../pages/page_headers.ts'
import { recoveryRequestPage, recoverySentPage } from '../pages/recovery_page.ts'
import { logRefusal } from '../refusal_log.ts'
import { assertCsrf, csrfToken } from './csrf.ts'
import { requestRecovery } from './recovery_request.ts'
import { type Journey, readJourney, withJourney } from './return_to.ts'

export const RECOVERY_PATH = '/recover'
const EMAIL_MAX = 254

export function recoveryRequestRoutes(): Hono<Env> {
  const routes = new Hono<Env>()

  /** Database round trips: 0. */
  routes.get(RECOVERY_PATH, page, async (c) => {
    const query = readQuery(c)
    const email = query.get('login_hint')?.slice(0, EMAIL_MAX) ?? ''
    return show(c, readJourney(c.var.cx, query), { email, status: 200 })
  })

  /** Database round trips: 2. */
  routes.post(RECOVERY_PATH, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    const journey = readJourney(cx, form)
    const m = await pageMessages(c, journey)
    const email = form.get('email')?.trim() ?? ''
    if (emailFault(email) !== null) {
      const shown = email.slice(0, EMAIL_MAX)
      return show(c, journey, { email: shown, error: m('form.email_invalid'), status: 400 })
    }
    const taken = await requestRecovery(cx, { email, locale: m.locale })
    if (taken.outcome === 'too_many_requests') {
      const description = m('recovery_request.too_many')
      c.header('Retry-After', String(taken.retry_after))
      logRefusal(
        cx,
        new OAuthError('too_many_requests', { description, reason: 'recovery_limited' }),
      )
      return show(c, journey, { email, error: description, status: 429 })
    }
    return c.html(recoverySentPage({ email, back: withJourney('/login', journey) }, m))
  })

  return routes
}

async function show(
  c: Http,
  journey: Journey,
  { status, ...shown }: { email: string; error?: string; status: 200 | 400 | 429 },
): Promise<Response> {
  const { carried } = journey
  const values = { ...shown, carried, back: withJourney('/login', journey), csrf: csrfToken(c) }
  return c.html(recoveryRequestPage(values, await pageMessages(c, journey)), status)
}
