// Page /transfer: a person accepts a place, with a new account or the one that is there, and sees
// what ended. A GET of the mailed link changes nothing. As with an invitation, the link waits in a
// cookie for the way over the login page.
import { Hono } from 'hono'
import { isLegible } from '../../api/legible_text.ts'
import type { Context } from '../../context.ts'
import { OAuthError } from '../../errors.ts'
import { type Env, type Form, type Http, readForm, readQuery } from '../../http.ts'
import type { PlainKey } from '../../messages/catalogues.ts'
import { english } from '../../messages/messages.ts'
import {
  acceptTransferPage,
  newOwnerPage,
  transferredPage,
} from '../../pages/account/transfer_page.ts'
import { errorPage } from '../../pages/error_page.ts'
import { localesOfReader, pageMessages } from '../../pages/language.ts'
import { page } from '../../pages/page_headers.ts'
import { logRefusal } from '../../refusal_log.ts'
import type { Reason } from '../../refusals.ts'
import { loadSettings } from '../../settings.ts'
import { readCookie, writeCookie } from '../../web/cookies.ts'
import { offerOnForm } from '../consents/sign_up_texts.ts'
import { assertCsrf, csrfToken } from '../csrf.ts'
import { readKnownBrowsers } from '../known_browsers/known_browsers.ts'
import { passwordFaultInWords, passwordMinFor } from '../new_passwords/new_password.ts'
import { continuePath, firstRequirement } from '../requirements.ts'
import { readSessionCookie, writeSessionCookie } from '../sessions.ts'
import {
  acceptTransfer,
  type Choice,
  type Offered,
  openTransfer,
  signUpAsOwner,
} from './transfer_acceptance.ts'
import { type Numbers, type PlaceEnds, TRANSFER_PATH } from './transfers.ts'

const COOKIE = 'transfer'
const COOKIE_TTL = 3600
const NAME_MAX = 200

export function transferPages(ends: PlaceEnds): Hono<Env> {
  const routes = new Hono<Env>()

  /** Database round trips: 2. */
  routes.get(TRANSFER_PATH, page, async (c) => {
    const token = readToken(c, readQuery(c))
    const offered = await openTransfer(c.var.cx, token, readSessionCookie(c), ends)
    if (offered === null) return dead(c)
    return show(c, offered, token, { name: '' }, 200)
  })

  /** Database round trips: 3. */
  routes.post(TRANSFER_PATH, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    const token = readToken(c, form)
    const action = form.get('action')
    if (action === 'login') {
      // Others may look at the address bar, so the link is not in it.
      writeCookie(c, COOKIE, token, COOKIE_TTL)
      return c.redirect(`/login?${new URLSearchParams({ return_to: TRANSFER_PATH })}`, 303)
    }
    const offered = await openTransfer(cx, token, readSessionCookie(c), ends)
    if (offered === null) return dead(c)
    if (action === 'accept') return accept(c, offered, token, form, ends)
    if (action !== 'create') {
      throw new OAuthError('invalid_request', {
        description: english('form.action'),
        reason: 'unknown_action',
      })
    }
    return create(c, offered, token, form, ends)
  })

  return routes
}

const choiceOf = (form: Form): Choice => ({
  end_credentials: form.get('end_credentials') === '1',
  end_tokens: form.get('end_tokens') === '1',
})

async function showDone(c: Http, place: string, ended: Numbers): Promise<Response> {
  const m = await pageMessages(c, { path: null })
  return c.html(transferredPage({ place, ended }, m), 200)
}

async function accept(
  c: Http,
  offered: Offered,
  token: string,
  form: Form,
  ends: PlaceEnds,
): Promise<Response> {
  const { cx } = c.var
  const { session, lacking } = offered
  // The session ended while the page was open: the page offers the ways anew.
  if (session === null) return show(c, offered, token, { name: '' }, 200)
  if (firstRequirement(lacking) !== null) return askFirst(c, token)
  const result = await acceptTransfer(cx, offered, session, choiceOf(form), ends)
  if (result.outcome === 'dead') return dead(c)
  if (result.outcome === 'powerless') return powerless(c)
  writeCookie(c, COOKIE, '', 0)
  return showDone(c, offered.transfer.place, result.ended)
}

async function create(
  c: Http,
  offered: Offered,
  token: string,
  form: Form,
  ends: PlaceEnds,
): Promise<Response> {
  const { cx } = c.var
  if (!(await maySignUp(cx))) return noSignUp(c)
  const m = await pageMessages(c)
  const name = form.get('name')?.trim() ?? ''
  const fields = (field: string) => form.get(field)
  const again = (error: string) => showNew(c, offered, token, { name, error, fields }, 400)
  if (name !== '' && ([...name].length > NAME_MAX || !isLegible(name))) {
    return again(m('sign_up.name_refused'))
  }
  const input = {
    name: name === '' ? null : name,
    password: form.get('password') ?? '',
    locale: m.locale,
    user_agent: c.req.header('user-agent') ?? '',
    replaces: readSessionCookie(c),
    browsers: readKnownBrowsers(c),
    fields,
  }
  const result = await signUpAsOwner(cx, offered, input, choiceOf(form), ends)
  if (result.outcome === 'refused') {
    const { fault } = result
    return again(
      fault === 'unaccepted' ? m('sign_up.texts_refused') : passwordFaultInWords(m, fault),
    )
  }
  if (result.outcome === 'dead') return dead(c)
  if (result.outcome === 'powerless') return powerless(c)
  // It is the account with which the invitation is accepted then.
  if (result.outcome === 'exists') return c.redirect(withToken(token), 303)
  writeCookie(c, COOKIE, '', 0)
  writeSessionCookie(c, result.cookies)
  return showDone(c, offered.transfer.place, result.ended)
}

/** The token of the link, of the form, or of the way over the login page. */
function readToken(c: Http, form: Form): string {
  const token = form.get('token') ?? readCookie(c, COOKIE) ?? ''
  return /^[A-Za-z0-9_-]{43}$/.test(token) ? token : ''
}

const withToken = (token: string) => `${TRANSFER_PATH}?${new URLSearchParams({ token })}`

const maySignUp = async (cx: Context): Promise<boolean> =>
  (await loadSettings(cx)).sign_up !== 'off'

/** To the page that asks for what is missing, and then back; the link waits in the cookie. */
function askFirst(c: Http, token: string): Response {
  writeCookie(c, COOKIE, token, COOKIE_TTL)
  return c.redirect(continuePath(c.var.cx, TRANSFER_PATH), 303)
}

async function show(
  c: Http,
  offered: Offered,
  token: string,
  shown: { name: string },
  status: 200,
): Promise<Response> {
  const { transfer, session, hasAccount, lacking, numbers } = offered
  if (session === null && !hasAccount) {
    if (!(await maySignUp(c.var.cx))) return noSignUp(c)
    return showNew(c, offered, token, shown, status)
  }
  if (session !== null && firstRequirement(lacking) !== null) return askFirst(c, token)
  const { inviter_name: inviter, place, address } = transfer
  const values = {
    ...{ inviter, place, address, token, numbers, csrf: csrfToken(c) },
    account: session === null ? null : { email: session.user_email, name: session.user_name },
  }
  return c.html(acceptTransferPage(values, await pageMessages(c, { path: null })), status)
}

async function showNew(
  c: Http,
  { transfer, texts, numbers }: Offered,
  token: string,
  {
    fields,
    ...shown
  }: { name: string; error?: string; fields?: (field: string) => string | undefined },
  status: 200 | 400,
): Promise<Response> {
  const { inviter_name: inviter, place, address } = transfer
  const values = { inviter, place, address, token, numbers, ...shown }
  const { cx } = c.var
  const m = await pageMessages(c, { path: null })
  const more = {
    csrf: csrfToken(c),
    password_min: await passwordMinFor(cx, false),
    texts: offerOnForm(cx, transfer.hash, texts, localesOfReader(c, m), fields),
  }
  return c.html(newOwnerPage({ ...values, ...more }, m), status)
}

const dead = (c: Http) => refuse(c, 'transfer.dead', 'transfer_dead', 403)
const powerless = (c: Http) => refuse(c, 'transfer.powerless', 'transfer_powerless', 403)
const noSignUp = (c: Http) => refuse(c, 'sign_up.off', 'sign_up_off', 404)

async function refuse(
  c: Http,
  key: PlainKey,
  reason: Reason,
  status: 403 | 404,
): Promise<Response> {
  const { cx } = c.var
  const m = await pageMessages(c, { path: null })
  logRefusal(cx, new OAuthError('access_denied', { description: english(key), reason }))
  const shown = { title: m('transfer.dead_title'), text: m(key), request_id: cx.rid }
  return c.html(errorPage(shown, m), status)
}
