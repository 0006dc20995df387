// The page of an offer by a mailed link: with a new account, or with the one that is there. A GET
// of the link changes nothing. For the way over the login page the link waits in a cookie, since
// the address of that page may be seen. Leaves to each kind its words, its page and the use.
import { Hono } from 'hono'
import { isLegible } from '../../api/legible_text.ts'
import type { Context } from '../../context.ts'
import { OAuthError } from '../../errors.ts'
import { type Env, type Form, type Http, readForm, readQuery } from '../../http.ts'
import type { PlainKey } from '../../messages/catalogues.ts'
import { english, type Messages } from '../../messages/messages.ts'
import { errorPage } from '../../pages/error_page.ts'
import { localesOfReader, pageMessages } from '../../pages/language.ts'
import { page } from '../../pages/page_headers.ts'
import type { Html } from '../../pages/shell.ts'
import type { TextToAccept } from '../../pages/sign_up_page.ts'
import { logRefusal } from '../../refusal_log.ts'
import type { Reason } from '../../refusals.ts'
import { loadSettings } from '../../settings.ts'
import { readCookie, writeCookie } from '../../web/cookies.ts'
import { offerOnForm } from '../consents/sign_up_texts.ts'
import { assertCsrf, csrfToken } from '../csrf.ts'
import { readKnownBrowsers } from '../known_browsers/known_browsers.ts'
import { passwordFaultInWords, passwordMinFor } from '../new_passwords/new_password.ts'
import { continuePath, firstRequirement } from '../requirements.ts'
import { type LiveSession, readSessionCookie, writeSessionCookie } from '../sessions.ts'
import type {
  OfferAccepted,
  OfferRow,
  OfferSignUp,
  OfferSignUpInput,
  OpenedOffer,
} from './mailed_offer.ts'

const COOKIE_TTL = 3600
const NAME_MAX = 200

/** Values that each page of an offer shows. */
type Shown<Row> = { row: Row; token: string; csrf: string }

/** A kind of offer, for its page. */
export type OfferKind<Row extends OfferRow, Done> = {
  path: string
  cookie: string
  dead: { title: PlainKey; text: PlainKey; reason: Reason }
  powerless: { text: PlainKey; reason: Reason }
  open(cx: Context, token: string, session: string | undefined): Promise<OpenedOffer<Row> | null>
  accept(cx: Context, row: Row, session: LiveSession, form: Form): Promise<OfferAccepted<Done>>
  signUp(
    cx: Context,
    offer: OpenedOffer<Row>,
    input: OfferSignUpInput,
    form: Form,
  ): Promise<OfferSignUp<Done>>
  /** The name that the form of a new account begins with. */
  nameIn(row: Row): string
  /** For a new account. */
  newPage(
    shown: Shown<Row> & {
      name: string
      password_min: number
      texts: readonly TextToAccept[]
      error?: string
    },
    m: Messages,
  ): Html
  /** For the account of the session; null: there is one, and nobody is signed in. */
  acceptPage(
    shown: Shown<Row> & { account: { email: string; name: string | null } | null },
    m: Messages,
  ): Html
  /** Answers when it was accepted. */
  done(c: Http, row: Row, done: readonly Done[]): Response | Promise<Response>
}

type Fields = (name: string) => string | undefined

/** Database round trips: those of `open` for a GET; one more for a POST. */
export function mailedOfferRoutes<Row extends OfferRow, Done>(
  kind: OfferKind<Row, Done>,
): Hono<Env> {
  const { path, cookie } = kind
  const routes = new Hono<Env>()

  routes.get(path, page, async (c) => {
    const token = readToken(c, readQuery(c))
    const offer = await kind.open(c.var.cx, token, readSessionCookie(c))
    if (offer === null) return dead(c)
    return show(c, offer, token, kind.nameIn(offer.row))
  })

  routes.post(path, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    const token = readToken(c, form)
    const action = form.get('action')
    if (action === 'login') {
      // Others may look at the address bar, so the link is not in it.
      writeCookie(c, cookie, token, COOKIE_TTL)
      return c.redirect(`/login?${new URLSearchParams({ return_to: path })}`, 303)
    }
    const offer = await kind.open(cx, token, readSessionCookie(c))
    if (offer === null) return dead(c)
    if (action === 'accept') return accept(c, offer, token, form)
    if (action !== 'create') {
      throw new OAuthError('invalid_request', {
        description: english('form.action'),
        reason: 'unknown_action',
      })
    }
    return create(c, offer, token, form)
  })

  return routes

  async function accept(
    c: Http,
    offer: OpenedOffer<Row>,
    token: string,
    form: Form,
  ): Promise<Response> {
    const { row, session, lacking } = offer
    // The session ended while the page was open: the page offers the ways anew.
    if (session === null) return show(c, offer, token, '')
    if (firstRequirement(lacking) !== null) return askFirst(c, token)
    if (offer.isTooWide) return tooWide(c)
    const result = await kind.accept(c.var.cx, row, session, form)
    if (result.outcome === 'dead') return dead(c)
    if (result.outcome === 'powerless') return powerless(c)
    writeCookie(c, cookie, '', 0)
    return kind.done(c, row, result.done)
  }

  async function create(
    c: Http,
    offer: OpenedOffer<Row>,
    token: string,
    form: Form,
  ): Promise<Response> {
    const { cx } = c.var
    if (!(await maySignUp(cx))) return noSignUp(c)
    if (offer.isTooWide) return tooWide(c)
    const m = await pageMessages(c)
    const name = form.get('name')?.trim() ?? ''
    const fields: Fields = (field) => form.get(field)
    const again = (error: string) => showNew(c, offer, token, { name, error }, fields)
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
    const result = await kind.signUp(cx, offer, input, form)
    if (result.outcome === 'refused') {
      const { fault } = result
      return again(
        fault === 'unaccepted' ? m('sign_up.texts_refused') : passwordFaultInWords(m, fault),
      )
    }
    if (result.outcome === 'dead') return dead(c)
    if (result.outcome === 'powerless') return powerless(c)
    // It is the account with which the offer is accepted then.
    if (result.outcome === 'exists') {
      return c.redirect(`${path}?${new URLSearchParams({ token })}`, 303)
    }
    writeCookie(c, cookie, '', 0)
    writeSessionCookie(c, result.cookies)
    return kind.done(c, offer.row, result.done)
  }

  /** The token of the link, of the form, or of the way over the login page. */
  function readToken(c: Http, form: Form): string {
    const token = form.get('token') ?? readCookie(c, cookie) ?? ''
    return /^[A-Za-z0-9_-]{43}$/.test(token) ? token : ''
  }

  /** To the page that asks for what is missing, and then back; the link waits in the cookie. */
  function askFirst(c: Http, token: string): Response {
    writeCookie(c, cookie, token, COOKIE_TTL)
    return c.redirect(continuePath(c.var.cx, path), 303)
  }

  async function show(
    c: Http,
    offer: OpenedOffer<Row>,
    token: string,
    name: string,
  ): Promise<Response> {
    const { row, session, hasAccount, lacking } = offer
    if (session === null && !hasAccount) {
      if (!(await maySignUp(c.var.cx))) return noSignUp(c)
      return showNew(c, offer, token, { name })
    }
    if (session !== null && firstRequirement(lacking) !== null) return askFirst(c, token)
    const account = session === null ? null : { email: session.user_email, name: session.user_name }
    const shown = { row, token, csrf: csrfToken(c), account }
    return c.html(kind.acceptPage(shown, await pageMessages(c, { path: null })), 200)
  }

  async function showNew(
    c: Http,
    { row, texts }: OpenedOffer<Row>,
    token: string,
    shown: { name: string; error?: string },
    fields?: Fields,
  ): Promise<Response> {
    const { cx } = c.var
    const m = await pageMessages(c, { path: null })
    const values = {
      ...{ row, token, csrf: csrfToken(c), ...shown },
      password_min: await passwordMinFor(cx, false),
      texts: offerOnForm(cx, row.hash, texts, localesOfReader(c, m), fields),
    }
    return c.html(kind.newPage(values, m), shown.error === undefined ? 200 : 400)
  }

  function dead(c: Http) {
    return refuse(c, kind.dead, 403)
  }

  function powerless(c: Http) {
    return refuse(c, kind.powerless, 403)
  }

  function tooWide(c: Http) {
    return refuse(c, { text: 'invitation.too_wide', reason: 'too_many_rules' }, 409)
  }

  function noSignUp(c: Http) {
    return refuse(c, { text: 'sign_up.off', reason: 'sign_up_off' }, 404)
  }

  async function refuse(
    c: Http,
    { text, reason }: { text: PlainKey; reason: Reason },
    status: 403 | 404 | 409,
  ): Promise<Response> {
    const { cx } = c.var
    const m = await pageMessages(c, { path: null })
    logRefusal(cx, new OAuthError('access_denied', { description: english(text), reason }))
    const shown = { title: m(kind.dead.title), text: m(text), request_id: cx.rid }
    return c.html(errorPage(shown, m), status)
  }
}

const maySignUp = async (cx: Context): Promise<boolean> =>
  (await loadSettings(cx)).sign_up !== 'off'
