// Pages /account/close and /account/closed: a person closes the own account, or keeps it. Nothing
// that a person lacks is asked here first: nobody has to agree to anything in order to leave.
import { Hono } from 'hono'
import { OAuthError } from '../../errors.ts'
import { type Env, type Http, readForm, readQuery } from '../../http.ts'
import { closedPage, closingPage, keepPage } from '../../pages/account/closing_page.ts'
import { pageMessages } from '../../pages/language.ts'
import { page, pageHeaders } from '../../pages/page_headers.ts'
import { logRefusal } from '../../refusal_log.ts'
import { assertAction, assertCsrf, csrfToken } from '../csrf.ts'
import { type OwnFactors, readOwnFactors } from '../factors/own_factors.ts'
import { signInFirst } from '../factors/own_factors_routes.ts'
import { readKnownBrowsers } from '../known_browsers/known_browsers.ts'
import type { EndAccess } from '../recovery.ts'
import { readJourney, withJourney } from '../return_to.ts'
import {
  deleteSessionCookie,
  readSessionCookie,
  type SessionsEnded,
  writeSessionCookie,
} from '../sessions.ts'
import { tellDisplaced } from '../sign_in/second_factor_routes.ts'
import { CLOSED_PATH, deleteSignInCookie, readSignInCookie } from '../sign_in/sign_in.ts'
import { CLOSE_PATH, closedStanding, closeOwnAccount, graceOf, keepAccount } from './closing.ts'

const HOME = '/account'

export function closingRoutes(surroundings: {
  onSessionsEnded: SessionsEnded
  endAccess: EndAccess
}): Hono<Env> {
  const routes = new Hono<Env>()

  /** Database round trips: 1. */
  routes.get(CLOSE_PATH, page, async (c) => {
    const own = await readOwnFactors(c.var.cx, readSessionCookie(c))
    if (own === null || !own.isFresh) return signInFirst(c, CLOSE_PATH)
    return showClosing(c, own)
  })

  /** Database round trips: 2, and those of `onSessionsEnded`. */
  routes.post(CLOSE_PATH, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    assertAction(form, ['close'])
    const own = await readOwnFactors(cx, readSessionCookie(c))
    if (own === null || !own.isFresh) return signInFirst(c, CLOSE_PATH)
    const m = await pageMessages(c)
    const result = await closeOwnAccount(cx, own.session, m.locale, surroundings)
    if (result.outcome === 'ended') return signInFirst(c, CLOSE_PATH)
    if (result.outcome === 'last_operator') {
      const description = m('closing.last_operator')
      logRefusal(cx, new OAuthError('access_denied', { description, reason: 'last_operator' }))
      return showClosing(c, own, description)
    }
    deleteSessionCookie(c)
    return c.html(closedPage({ until: result.until }, m))
  })

  /** Database round trips: 1. */
  routes.get(CLOSED_PATH, page, async (c) => {
    const { cx } = c.var
    const journey = readJourney(cx, readQuery(c))
    const found = await closedStanding(cx, readSignInCookie(c))
    if (found === null) return c.redirect(withJourney('/login', journey), 303)
    pageHeaders(c, journey.form_targets)
    const { email, name, closes_at: until } = found
    const values = { email, name, until, carried: journey.carried, csrf: csrfToken(c) }
    const { ui_locales } = journey
    return c.html(keepPage(values, await pageMessages(c, { ui_locales })))
  })

  /** Database round trips: 2. */
  routes.post(CLOSED_PATH, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    const action = assertAction(form, ['keep', 'leave'])
    const journey = readJourney(cx, form)
    const cookie = readSignInCookie(c)
    if (action === 'leave') {
      deleteSignInCookie(c)
      return c.redirect('/login', 303)
    }
    const kept = await keepAccount(cx, cookie, {
      user_agent: c.req.header('user-agent') ?? '',
      replaces: readSessionCookie(c),
      browsers: readKnownBrowsers(c),
    })
    if (kept === null) return c.redirect(withJourney('/login', journey), 303)
    deleteSignInCookie(c)
    writeSessionCookie(c, kept.cookies)
    tellDisplaced(cx, kept.displaced, surroundings.onSessionsEnded)
    return c.redirect(journey.return_to ?? HOME, 303)
  })

  return routes
}

async function showClosing(c: Http, { session }: OwnFactors, error?: string): Promise<Response> {
  const { user_email: email, user_name: name } = session
  const grace = await graceOf(c.var.cx)
  const values = { email, name, grace, csrf: csrfToken(c) }
  const m = await pageMessages(c)
  return c.html(
    closingPage(error === undefined ? values : { ...values, error }, m),
    error === undefined ? 200 : 409,
  )
}
