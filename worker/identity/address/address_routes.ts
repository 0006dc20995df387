// Pages /account/email and /account/password: a person proves or changes the address, undoes a
// change, and sets another password. A GET of a mailed link changes nothing.
import { Hono } from 'hono'
import { emailFault } from '../../email_address.ts'
import { OAuthError } from '../../errors.ts'
import { type Env, type Http, readForm, readQuery } from '../../http.ts'
import {
  addressDonePage,
  addressPage,
  confirmAddressPage,
  newPasswordPage,
  undoAddressPage,
} from '../../pages/account/address_page.ts'
import { errorPage } from '../../pages/error_page.ts'
import { pageMessages } from '../../pages/language.ts'
import { page } from '../../pages/page_headers.ts'
import { logRefusal } from '../../refusal_log.ts'
import type { Reason } from '../../refusals.ts'
import { liveStanding } from '../account.ts'
import { assertCsrf, csrfToken } from '../csrf.ts'
import { readOwnFactors } from '../factors/own_factors.ts'
import { signInFirst } from '../factors/own_factors_routes.ts'
import { readKnownBrowsers } from '../known_browsers/known_browsers.ts'
import { passwordFaultInWords, passwordMinFor } from '../new_passwords/new_password.ts'
import type { EndAccess } from '../recovery.ts'
import { continuePath, firstRequirement } from '../requirements.ts'
import { readSessionCookie, type SessionsEnded } from '../sessions.ts'
import {
  ADDRESS_PATH,
  askForAddress,
  CONFIRM_PATH,
  confirmAddress,
  findOpenLink,
  isAdded,
  UNDO_PATH,
  undoAddress,
} from './address_change.ts'
import { changeOwnPassword } from './own_password.ts'

export const PASSWORD_PATH = '/account/password'
const EMAIL_MAX = 254

export function addressRoutes(surroundings: {
  onSessionsEnded: SessionsEnded
  endAccess: EndAccess
}): Hono<Env> {
  const routes = new Hono<Env>()

  /** Database round trips: 1. */
  routes.get(ADDRESS_PATH, page, async (c) => {
    const own = await readOwnFactors(c.var.cx, readSessionCookie(c))
    if (own === null || !own.isFresh) return signInFirst(c, ADDRESS_PATH, own)
    if (firstRequirement(own.lacking) !== null) return askFirst(c, ADDRESS_PATH)
    return showAddress(c, { email: own.session.user_email, typed: '' }, 200)
  })

  /** Database round trips: 2. */
  routes.post(ADDRESS_PATH, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    const own = await readOwnFactors(cx, readSessionCookie(c))
    if (own === null || !own.isFresh) return signInFirst(c, ADDRESS_PATH, own)
    if (firstRequirement(own.lacking) !== null) return askFirst(c, ADDRESS_PATH)
    const m = await pageMessages(c)
    const email = form.get('email')?.trim() ?? ''
    const shown = { email: own.session.user_email, typed: email.slice(0, EMAIL_MAX) }
    if (emailFault(email) !== null) {
      return showAddress(c, { ...shown, error: m('form.email_invalid') }, 400)
    }
    if (!(await askForAddress(cx, own.session, { email, locale: m.locale }))) {
      refuse(c, m('address.too_many'), 'address_limited')
      return showAddress(c, { ...shown, error: m('address.too_many') }, 429)
    }
    return c.html(addressDonePage({ done: 'sent', email }, m))
  })

  /** Database round trips: 1. */
  routes.get(CONFIRM_PATH, page, async (c) => {
    const token = readQuery(c).get('token') ?? ''
    const link = await findOpenLink(c.var.cx, token, 'confirm')
    if (link === null) return deadLink(c)
    const { email: account, address: email } = link
    const is_further = isAdded(link)
    const values = { account, email, is_further, token, csrf: csrfToken(c) }
    return c.html(confirmAddressPage(values, await pageMessages(c)))
  })

  /** Database round trips: 2. */
  routes.post(CONFIRM_PATH, page, async (c) => {
    const form = await readForm(c)
    assertCsrf(c, form)
    const input = { token: form.get('token') ?? '', cookie: readSessionCookie(c) }
    const result = await confirmAddress(c.var.cx, input, surroundings)
    if (result.outcome === 'dead') return deadLink(c)
    if (result.outcome === 'taken') return takenAddress(c)
    const { email } = result
    const done = result.is_further ? 'added' : 'done'
    return c.html(addressDonePage({ done, email }, await pageMessages(c)))
  })

  /** Database round trips: 1. */
  routes.get(UNDO_PATH, page, async (c) => {
    const token = readQuery(c).get('token') ?? ''
    const link = await findOpenLink(c.var.cx, token, 'undo_address')
    if (link === null) return deadLink(c)
    return showUndo(c, { email: link.address, token }, link.has_factor === 1, 200)
  })

  /** Database round trips: 2, and those of `onSessionsEnded`. */
  routes.post(UNDO_PATH, page, async (c) => {
    const form = await readForm(c)
    assertCsrf(c, form)
    const token = form.get('token') ?? ''
    const input = { token, password: form.get('password') ?? '' }
    const result = await undoAddress(c.var.cx, input, surroundings)
    if (result.outcome === 'dead') return deadLink(c)
    if (result.outcome === 'taken') return takenAddress(c)
    const m = await pageMessages(c)
    const { email } = result
    if (result.outcome === 'refused') {
      const error = passwordFaultInWords(m, result.fault)
      return showUndo(c, { email, token, error }, result.has_factor, 400)
    }
    return c.html(addressDonePage({ done: 'undone', email }, m))
  })

  /** Database round trips: 1. */
  routes.get(PASSWORD_PATH, page, async (c) => {
    const own = await liveStanding(c.var.cx, readSessionCookie(c))
    if (own === null) return signInFirst(c, PASSWORD_PATH)
    if (firstRequirement(own.lacking) !== null) return askFirst(c, PASSWORD_PATH)
    const { session, has_factor } = own
    return showPassword(c, { email: session.user_email, has_factor }, 200)
  })

  /** Database round trips: 3, and those of `onSessionsEnded`. */
  routes.post(PASSWORD_PATH, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    const own = await liveStanding(cx, readSessionCookie(c))
    if (own === null) return signInFirst(c, PASSWORD_PATH)
    if (firstRequirement(own.lacking) !== null) return askFirst(c, PASSWORD_PATH)
    const { session, has_factor } = own
    const m = await pageMessages(c)
    const { user_email: email } = session
    const input = {
      present: form.get('present') ?? '',
      password: form.get('password') ?? '',
      browsers: readKnownBrowsers(c),
      has_factor,
    }
    const result = await changeOwnPassword(cx, session, input, surroundings.onSessionsEnded)
    if (result.outcome === 'bad_password') {
      const error = passwordFaultInWords(m, result.fault)
      return showPassword(c, { email, has_factor, error }, 400)
    }
    if (result.outcome === 'too_many_attempts') {
      c.header('Retry-After', String(result.retry_after))
      refuse(c, m('sign_in.too_many'), 'sign_in_limited')
      return showPassword(c, { email, has_factor, error: m('sign_in.too_many') }, 429)
    }
    if (result.outcome === 'refused') {
      refuse(c, m('new_password.refused'), 'present_password_wrong')
      return showPassword(c, { email, has_factor, error: m('new_password.refused') }, 403)
    }
    return c.redirect('/account', 303)
  })

  return routes
}

const showAddress = async (
  c: Http,
  shown: { email: string; typed: string; error?: string },
  status: 200 | 400 | 429,
) => c.html(addressPage({ ...shown, csrf: csrfToken(c) }, await pageMessages(c)), status)

const showUndo = async (
  c: Http,
  shown: { email: string; token: string; error?: string },
  has_factor: boolean,
  status: 200 | 400,
) => {
  const password_min = await passwordMinFor(c.var.cx, has_factor)
  const values = { ...shown, csrf: csrfToken(c), password_min }
  return c.html(undoAddressPage(values, await pageMessages(c)), status)
}

const showPassword = async (
  c: Http,
  shown: { email: string; has_factor: boolean; error?: string },
  status: 200 | 400 | 403 | 429,
) => {
  const password_min = await passwordMinFor(c.var.cx, shown.has_factor)
  const values = { ...shown, csrf: csrfToken(c), password_min }
  return c.html(newPasswordPage(values, await pageMessages(c)), status)
}

/** To the page that asks for what is missing, and then back. */
const askFirst = (c: Http, return_to: string) => c.redirect(continuePath(c.var.cx, return_to), 303)

function refuse(c: Http, description: string, reason: Reason): void {
  const error = reason.endsWith('limited') ? 'too_many_requests' : 'access_denied'
  logRefusal(c.var.cx, new OAuthError(error, { description, reason }))
}

async function deadLink(c: Http): Promise<Response> {
  const m = await pageMessages(c)
  refuse(c, m('address.dead'), 'address_link_dead')
  const shown = { title: m('address.dead_title'), text: m('address.dead') }
  return c.html(errorPage({ ...shown, request_id: c.var.cx.rid }, m), 403)
}

async function takenAddress(c: Http): Promise<Response> {
  const m = await pageMessages(c)
  refuse(c, m('address.taken'), 'address_taken')
  const shown = { title: m('address.dead_title'), text: m('address.taken') }
  return c.html(errorPage({ ...shown, request_id: c.var.cx.rid }, m), 409)
}
