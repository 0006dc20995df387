// The page /account/names, on which a person sees the names of the account, adds an address,
// chooses where mails go, and removes one; after a sign-in of the last minutes.
import { Hono } from 'hono'
import { emailFault } from '../../email_address.ts'
import { OAuthError } from '../../errors.ts'
import { type Env, type Form, type Http, readForm } from '../../http.ts'
import { addressDonePage } from '../../pages/account/address_page.ts'
import { namesPage } from '../../pages/account/names_page.ts'
import { pageMessages } from '../../pages/language.ts'
import { page } from '../../pages/page_headers.ts'
import { logRefusal } from '../../refusal_log.ts'
import type { Reason } from '../../refusals.ts'
import { askForAddress } from '../address/address_change.ts'
import { assertCsrf, csrfToken } from '../csrf.ts'
import { readOwnFactors } from '../factors/own_factors.ts'
import { continuePath, firstRequirement } from '../requirements.ts'
import { type LiveSession, readSessionCookie } from '../sessions.ts'
import {
  hasRoom,
  makeOwnPrimary,
  type OwnNames,
  readOwnNames,
  removeOwnAddress,
} from './own_names.ts'

export const NAMES_PATH = '/account/names'
const EMAIL_MAX = 254

export function ownNamesRoutes(): Hono<Env> {
  const routes = new Hono<Env>()

  /** Database round trips: 2. */
  routes.get(NAMES_PATH, page, async (c) => {
    const session = await freshSession(c)
    if (session instanceof Response) return session
    return show(c, await readOwnNames(c.var.cx, session.user_id), { typed: '' }, 200)
  })

  /** Database round trips: 3. */
  routes.post(NAMES_PATH, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    const session = await freshSession(c)
    if (session instanceof Response) return session
    const own = await readOwnNames(cx, session.user_id)
    if (form.get('action') === 'send') return add(c, session, own, form)
    const change = form.get('action') === 'primary' ? makeOwnPrimary : removeOwnAddress
    const result = await change(cx, own, form.get('name') ?? '')
    if (result === 'done' || result === 'unknown') return c.redirect(NAMES_PATH, 303)
    const m = await pageMessages(c)
    const error = m(`names.${result}`)
    refuse(c, error, 'own_name_refused')
    return show(c, own, { typed: '', error }, 409)
  })

  return routes
}

/** The session of a person who may change names now, else the way there. */
async function freshSession(c: Http): Promise<LiveSession | Response> {
  const own = await readOwnFactors(c.var.cx, readSessionCookie(c))
  if (own === null || !own.isFresh) {
    return c.redirect(`/login?${new URLSearchParams({ return_to: NAMES_PATH })}`, 303)
  }
  if (firstRequirement(own.lacking) !== null) {
    return c.redirect(continuePath(c.var.cx, NAMES_PATH), 303)
  }
  return own.session
}

async function add(c: Http, session: LiveSession, own: OwnNames, form: Form): Promise<Response> {
  const m = await pageMessages(c)
  const email = form.get('email')?.trim() ?? ''
  const typed = email.slice(0, EMAIL_MAX)
  if (emailFault(email) !== null) {
    return show(c, own, { typed, error: m('form.email_invalid') }, 400)
  }
  if (!hasRoom(own)) {
    refuse(c, m('names.full'), 'own_name_refused')
    return show(c, own, { typed, error: m('names.full') }, 409)
  }
  const input = { email, locale: m.locale, isFurther: true }
  if (!(await askForAddress(c.var.cx, session, input))) {
    refuse(c, m('address.too_many'), 'address_limited')
    return show(c, own, { typed, error: m('address.too_many') }, 429)
  }
  return c.html(addressDonePage({ done: 'sent', email }, m))
}

async function show(
  c: Http,
  { names }: OwnNames,
  shown: { typed: string; error?: string },
  status: 200 | 400 | 409 | 429,
): Promise<Response> {
  const values = {
    ...shown,
    csrf: csrfToken(c),
    names: names.map(({ id, kind, value, verified_at, is_primary }) => ({
      id,
      kind,
      value,
      is_proven: verified_at !== null,
      is_primary: is_primary === 1,
    })),
  }
  return c.html(namesPage(values, await pageMessages(c)), status)
}

function refuse(c: Http, description: string, reason: Reason): void {
  const error = reason.endsWith('limited') ? 'too_many_requests' : 'access_denied'
  logRefusal(c.var.cx, new OAuthError(error, { description, reason }))
}
