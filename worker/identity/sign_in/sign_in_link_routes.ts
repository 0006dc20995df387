// Pages /login/link: where the setting `sign_in_links` is on, a person signs in by a mailed link. A
// GET of the link changes nothing.
import { Hono } from 'hono'
import { randomToken } from '../../crypto.ts'
import { OAuthError } from '../../errors.ts'
import { type Env, type Http, readForm, readQuery } from '../../http.ts'
import { errorPage } from '../../pages/error_page.ts'
import { pageMessages } from '../../pages/language.ts'
import { page } from '../../pages/page_headers.ts'
import { linkRequestPage, linkSentPage, openLinkPage } from '../../pages/sign_in_link_page.ts'
import { logRefusal } from '../../refusal_log.ts'
import { readCookie, writeCookie } from '../../web/cookies.ts'
import { assertCsrf, csrfToken } from '../csrf.ts'
import { readKnownBrowsers } from '../known_browsers/known_browsers.ts'
import {
  type AddressFormRoute,
  showAddressForm,
  takeAddressForm,
} from '../mail/address_form_routes.ts'
import type { EndAccess } from '../recovery.ts'
import { readJourney, readKeptJourney, withJourney } from '../return_to.ts'
import { readSessionCookie, type SessionsEnded, writeSessionCookie } from '../sessions.ts'
import { tellDisplaced, VERIFY_PATH } from './second_factor_routes.ts'
import { CLOSED_PATH, deleteSignInCookie, readSignInCookie, writeSignInCookie } from './sign_in.ts'
import {
  isLinkOffered,
  LINK_PATH,
  requestSignInLink,
  signInByLink,
  signInLinkState,
} from './sign_in_link.ts'

const COOKIE = 'link'
const HOME = '/account'

const FORM: AddressFormRoute = {
  page: linkRequestPage,
  sentPage: linkSentPage,
  limited: 'link_limited',
  request(c, input) {
    const { cx } = c.var
    // Several links of one browser are all good.
    const browser = readBrowser(c) ?? randomToken(cx)
    writeCookie(c, COOKIE, browser)
    return requestSignInLink(cx, { ...input, browser, browsers: readKnownBrowsers(c) })
  },
}

export function signInLinkRoutes({
  onSessionsEnded,
  endAccess,
}: {
  onSessionsEnded: SessionsEnded
  endAccess: EndAccess
}): Hono<Env> {
  const routes = new Hono<Env>()

  /** Database round trips: 0 for the form, 1 for a link. */
  routes.get(LINK_PATH, page, async (c) => {
    const { cx } = c.var
    const query = readQuery(c)
    const isOffered = await isLinkOffered(cx)
    const token = query.get('token')
    if (token === undefined) {
      if (!isOffered) return notOffered(c)
      const email = query.get('login_hint') ?? ''
      return showAddressForm(c, FORM, readJourney(cx, query), { email, status: 200 })
    }
    const link = await signInLinkState(cx, token, readBrowser(c))
    // Links that operators make are good where people may not ask for any.
    if (link.state === 'dead' && !isOffered) return notOffered(c)
    if (link.state !== 'good') return unusable(c, link.state)
    const values = { email: link.email, token, csrf: csrfToken(c) }
    return c.html(openLinkPage(values, await pageMessages(c)))
  })

  /** Database round trips: 2. */
  routes.post(LINK_PATH, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    const journey = readJourney(cx, form)
    if (!(await isLinkOffered(cx))) return notOffered(c)
    return takeAddressForm(c, FORM, form, journey)
  })

  /** Database round trips: 2. */
  routes.post(`${LINK_PATH}/open`, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    const input = {
      token: form.get('token') ?? '',
      browser: readBrowser(c),
      user_agent: c.req.header('user-agent') ?? '',
      replaces: readSessionCookie(c),
      abandons: readSignInCookie(c),
      browsers: readKnownBrowsers(c),
    }
    const result = await signInByLink(cx, input, endAccess)
    const journey = readKeptJourney(cx, result.journey)
    if (result.outcome === 'second_factor' || result.outcome === 'closed') {
      writeSignInCookie(c, result.cookie)
      const next = result.outcome === 'closed' ? CLOSED_PATH : VERIFY_PATH
      return c.redirect(withJourney(next, journey), 303)
    }
    if (result.outcome === 'dead' && !(await isLinkOffered(cx))) return notOffered(c)
    if (result.outcome !== 'signed_in') return unusable(c, result.outcome)
    deleteSignInCookie(c)
    writeSessionCookie(c, result.cookies)
    tellDisplaced(cx, result.displaced, onSessionsEnded)
    return c.redirect(journey.return_to ?? HOME, 303)
  })

  return routes
}

function readBrowser(c: Http): string | undefined {
  const value = readCookie(c, COOKIE)
  return value !== undefined && /^[A-Za-z0-9_-]{43}$/.test(value) ? value : undefined
}

const UNUSABLE = {
  dead: { text: 'sign_in_link.dead', reason: 'sign_in_link_dead' },
  elsewhere: { text: 'sign_in_link.elsewhere', reason: 'sign_in_link_elsewhere' },
} as const

async function unusable(c: Http, why: keyof typeof UNUSABLE): Promise<Response> {
  const { text: key, reason } = UNUSABLE[why]
  return refuse(c, key, 'address.dead_title', reason, 403)
}

const notOffered = (c: Http): Promise<Response> =>
  refuse(c, 'sign_in_link.off', 'error.not_found_title', 'sign_in_links_off', 404)

async function refuse(
  c: Http,
  text: 'sign_in_link.dead' | 'sign_in_link.elsewhere' | 'sign_in_link.off',
  title: 'address.dead_title' | 'error.not_found_title',
  reason: 'sign_in_link_dead' | 'sign_in_link_elsewhere' | 'sign_in_links_off',
  status: 403 | 404,
): Promise<Response> {
  const { cx } = c.var
  const m = await pageMessages(c)
  logRefusal(cx, new OAuthError('access_denied', { description: m(text), reason }))
  return c.html(errorPage({ title: m(title), text: m(text), request_id: cx.rid }, m), status)
}
