// Accepts forms only from our own pages. Each form carries a token bound to the session cookie or,
// before there is a session, to a cookie made for the visit. So another site can neither send the
// form nor sign a person in as somebody else. The headers in which browsers name the origin of a
// request are checked as well, and the button that was pressed is one of the page.
import type { Context } from '../context.ts'
import { encodeBase64url, mac, randomToken, verifyMac } from '../crypto.ts'
import { OAuthError } from '../errors.ts'
import type { Form, Http } from '../http.ts'
import { english } from '../messages/messages.ts'
import type { Reason } from '../refusals.ts'
import { readCookie, writeCookie } from '../web/cookies.ts'
import { readSessionCookie } from './sessions.ts'

const COOKIE = 'visit'
const PURPOSE = 'csrf'

/**
 * A token for the field `csrf`. Sets the cookie of the visit when there is nothing to bind it to.
 */
export const csrfToken = (c: Http, browser: string = browserOf(c)): string =>
  mint(c.var.cx, browser)

/** The session or visit that this browser has; the cookie of a visit is set when there is none. */
export function browserOf(c: Http): string {
  const bound = boundTo(c)
  if (bound !== undefined) return bound
  const visit = randomToken(c.var.cx)
  writeCookie(c, COOKIE, visit)
  return `visit ${visit}`
}

// Differs on every page, so that compression reveals nothing about it.
function mint(cx: Context, bound: string): string {
  const salt = encodeBase64url(cx.random(12))
  return `${salt}.${mac(cx, PURPOSE, `${salt} ${bound}`)}`
}

/**
 * Refuses a form that did not come from a page given to this browser. Throws OAuthError
 * access_denied.
 */
export function assertCsrf(c: Http, form: Form): void {
  assertOwnOrigin(c)
  const [salt = '', tag = ''] = (form.get('csrf') ?? '').split('.')
  const bound = boundTo(c)
  if (bound === undefined) throw refusal('csrf_no_cookie')
  if (!verifyMac(c.var.cx, PURPOSE, `${salt} ${bound}`, tag)) throw refusal('csrf_token')
}

function boundTo(c: Http): string | undefined {
  const session = readSessionCookie(c)
  if (session !== undefined) return `session ${session}`
  const visit = readCookie(c, COOKIE)
  return visit !== undefined && /^[A-Za-z0-9_-]{43}$/.test(visit) ? `visit ${visit}` : undefined
}

function assertOwnOrigin(c: Http): void {
  const site = c.req.header('sec-fetch-site')
  if (site !== undefined && site !== 'same-origin' && site !== 'none') {
    throw refusal('csrf_fetch_site')
  }
  // A sandboxed frame and a data: page send "null"; our own pages have an origin.
  const origin = c.req.header('origin')
  if (origin !== undefined && origin !== new URL(c.var.cx.config.issuer).origin) {
    throw refusal('csrf_origin')
  }
}

const refusal = (reason: Reason) =>
  new OAuthError('access_denied', { description: english('form.out_of_date'), reason })

/** The button that was pressed; `undefined` stands for a form that was sent without one. */
export function assertAction<const A extends string | undefined>(
  form: Form,
  actions: readonly A[],
): A {
  const pressed = form.get('action')
  const action = actions.find((one) => one === pressed)
  if (!actions.includes(pressed as A)) {
    throw new OAuthError('invalid_request', {
      description: english('form.action'),
      reason: 'unknown_action',
    })
  }
  return action as A
}
