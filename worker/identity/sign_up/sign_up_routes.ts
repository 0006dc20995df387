// Pages /sign-up: where the setting `sign_up` is open, a person makes an account. A GET of the
// mailed link changes nothing.
import { Hono } from 'hono'
import { isLegible } from '../../api/legible_text.ts'
import { OAuthError } from '../../errors.ts'
import { type Env, type Http, readForm, readQuery } from '../../http.ts'
import { errorPage } from '../../pages/error_page.ts'
import { localesOfReader, pageMessages } from '../../pages/language.ts'
import { page } from '../../pages/page_headers.ts'
import { newAccountPage, signUpPage, signUpSentPage } from '../../pages/sign_up_page.ts'
import { logRefusal } from '../../refusal_log.ts'
import { loadSettings } from '../../settings.ts'
import { offerOnForm } from '../consents/sign_up_texts.ts'
import { assertCsrf, csrfToken } from '../csrf.ts'
import { readKnownBrowsers } from '../known_browsers/known_browsers.ts'
import {
  type AddressFormRoute,
  showAddressForm,
  takeAddressForm,
} from '../mail/address_form_routes.ts'
import { passwordFaultInWords, passwordMinFor } from '../new_passwords/new_password.ts'
import { readJourney, readKeptJourney } from '../return_to.ts'
import { readSessionCookie, writeSessionCookie } from '../sessions.ts'
import {
  isSignUpOpen,
  type OpenSignUp,
  openSignUp,
  requestSignUp,
  SIGN_UP_CONFIRM_PATH,
  SIGN_UP_PATH,
  signUp,
} from './sign_up.ts'

const NAME_MAX = 200

const FORM: AddressFormRoute = {
  page: signUpPage,
  sentPage: signUpSentPage,
  limited: 'sign_up_limited',
  request: (c, input) => requestSignUp(c.var.cx, { ...input, browsers: readKnownBrowsers(c) }),
}

export function signUpRoutes(): Hono<Env> {
  const routes = new Hono<Env>()

  /** Database round trips: 0. */
  routes.get(SIGN_UP_PATH, page, async (c) => {
    const journey = readJourney(c.var.cx, readQuery(c))
    if (!(await isSignUpOpen(c.var.cx))) return notOffered(c)
    return showAddressForm(c, FORM, journey, { email: '', status: 200 })
  })

  /** Database round trips: 2. */
  routes.post(SIGN_UP_PATH, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    const journey = readJourney(cx, form)
    if (!(await isSignUpOpen(cx))) return notOffered(c)
    return takeAddressForm(c, FORM, form, journey)
  })

  /** Database round trips: 1. */
  routes.get(SIGN_UP_CONFIRM_PATH, page, async (c) => {
    const token = readQuery(c).get('token') ?? ''
    const found = await openSignUp(c.var.cx, token)
    if (found === undefined || !(await isSignUpOpen(c.var.cx))) return deadLink(c)
    return showAccount(c, found, { name: '', token }, 200)
  })

  /** Database round trips: 2. */
  routes.post(SIGN_UP_CONFIRM_PATH, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    if (!(await isSignUpOpen(cx))) return deadLink(c)
    const m = await pageMessages(c)
    const token = form.get('token') ?? ''
    const name = form.get('name')?.trim() ?? ''
    const fields = (field: string) => form.get(field)
    if (name !== '' && ([...name].length > NAME_MAX || !isLegible(name))) {
      const found = await openSignUp(cx, token)
      if (found === undefined) return deadLink(c)
      const error = m('sign_up.name_refused')
      return showAccount(c, found, { name: '', token, error, fields }, 400)
    }
    const result = await signUp(cx, {
      token,
      name: name === '' ? null : name,
      password: form.get('password') ?? '',
      locale: m.locale,
      user_agent: c.req.header('user-agent') ?? '',
      replaces: readSessionCookie(c),
      browsers: readKnownBrowsers(c),
      fields,
    })
    if (result.outcome === 'refused') {
      const { fault } = result
      const error =
        fault === 'unaccepted' ? m('sign_up.texts_refused') : passwordFaultInWords(m, fault)
      return showAccount(c, result.open, { name, token, error, fields }, 400)
    }
    if (result.outcome === 'dead') return deadLink(c)
    if (result.outcome === 'exists') return c.redirect('/login', 303)
    writeSessionCookie(c, result.cookies)
    return c.redirect(readKeptJourney(cx, result.journey).return_to ?? '/account', 303)
  })

  return routes
}

async function showAccount(
  c: Http,
  { row, texts }: OpenSignUp,
  {
    fields,
    ...shown
  }: {
    name: string
    token: string
    error?: string
    /** Fields as they were sent before. */
    fields?: (field: string) => string | undefined
  },
  status: 200 | 400,
): Promise<Response> {
  const { cx } = c.var
  const password_min = await passwordMinFor(cx, false)
  const m = await pageMessages(c)
  const values = {
    ...shown,
    email: row.email,
    csrf: csrfToken(c),
    password_min,
    texts: offerOnForm(cx, row.hash, texts, localesOfReader(c, m), fields),
  }
  return c.html(newAccountPage(values, m), status)
}

async function deadLink(c: Http): Promise<Response> {
  const { cx } = c.var
  const m = await pageMessages(c)
  const text = m('sign_up.dead')
  logRefusal(
    cx,
    new OAuthError('access_denied', { description: text, reason: 'sign_up_link_dead' }),
  )
  return c.html(errorPage({ title: m('address.dead_title'), text, request_id: cx.rid }, m), 403)
}

async function notOffered(c: Http): Promise<Response> {
  const { cx } = c.var
  const m = await pageMessages(c)
  const { sign_up } = await loadSettings(cx)
  const text = m(sign_up === 'by_invitation' ? 'sign_up.by_invitation' : 'sign_up.off')
  logRefusal(cx, new OAuthError('access_denied', { description: text, reason: 'sign_up_off' }))
  return c.html(errorPage({ title: m('error.not_found_title'), text, request_id: cx.rid }, m), 404)
}
