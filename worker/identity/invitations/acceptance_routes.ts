// Page /invitation: a person accepts an invitation, with a new account or the one that is there. A
// GET of the mailed link changes nothing. For the way over the login page the link waits in a
// cookie, since the address of that page may be seen.
import { Hono } from 'hono'
import { isLegible } from '../../api/legible_text.ts'
import type { Context } from '../../context.ts'
import { OAuthError } from '../../errors.ts'
import { type Env, type Form, type Http, readForm, readQuery } from '../../http.ts'
import type { PlainKey } from '../../messages/catalogues.ts'
import { english } from '../../messages/messages.ts'
import { acceptInvitationPage, newInvitedPage } from '../../pages/account/invitation_page.ts'
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
import { acceptInvitation, type Invited, openInvitation, signUpInvited } from './acceptance.ts'
import { INVITATION_PATH } from './invitations.ts'

const COOKIE = 'invitation'
const COOKIE_TTL = 3600
const HOME = '/account'
const NAME_MAX = 200

export function acceptanceRoutes(): Hono<Env> {
  const routes = new Hono<Env>()

  /** Database round trips: 1. */
  routes.get(INVITATION_PATH, page, async (c) => {
    const token = readToken(c, readQuery(c))
    const invited = await openInvitation(c.var.cx, token, readSessionCookie(c))
    if (invited === null) return dead(c)
    return show(c, invited, token, { name: invited.invitation.name ?? '' }, 200)
  })

  /** Database round trips: 2. */
  routes.post(INVITATION_PATH, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    const token = readToken(c, form)
    const action = form.get('action')
    if (action === 'login') {
      // Others may look at the address bar, so the link is not in it.
      writeCookie(c, COOKIE, token, COOKIE_TTL)
      return c.redirect(`/login?${new URLSearchParams({ return_to: INVITATION_PATH })}`, 303)
    }
    const invited = await openInvitation(cx, token, readSessionCookie(c))
    if (invited === null) return dead(c)
    if (action === 'accept') return accept(c, invited, token)
    if (action !== 'create') {
      throw new OAuthError('invalid_request', {
        description: english('form.action'),
        reason: 'unknown_action',
      })
    }
    return create(c, invited, token, form)
  })

  return routes
}

async function accept(c: Http, invited: Invited, token: string): Promise<Response> {
  const { cx } = c.var
  const { session, lacking } = invited
  // The session ended while the page was open: the page offers the ways anew.
  if (session === null) return show(c, invited, token, { name: '' }, 200)
  if (firstRequirement(lacking) !== null) return askFirst(c, token)
  const result = await acceptInvitation(cx, invited, session)
  if (result.outcome === 'dead') return dead(c)
  if (result.outcome === 'powerless') return powerless(c)
  writeCookie(c, COOKIE, '', 0)
  return c.redirect(HOME, 303)
}

async function create(c: Http, invited: Invited, token: string, form: Form): Promise<Response> {
  const { cx } = c.var
  if (!(await maySignUp(cx))) return noSignUp(c)
  const m = await pageMessages(c)
  const name = form.get('name')?.trim() ?? ''
  const fields = (field: string) => form.get(field)
  const again = (error: string) => showNew(c, invited, token, { name, error, fields }, 400)
  if (name !== '' && ([...name].length > NAME_MAX || !isLegible(name))) {
    return again(m('sign_up.name_refused'))
  }
  const result = await signUpInvited(cx, invited, {
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
  return c.redirect(HOME, 303)
}

/** The token of the link, of the form, or of the way over the login page. */
function readToken(c: Http, form: Form): string {
  const token = form.get('token') ?? readCookie(c, COOKIE) ?? ''
  return /^[A-Za-z0-9_-]{43}$/.test(token) ? token : ''
}

const withToken = (token: string) => `${INVITATION_PATH}?${new URLSearchParams({ token })}`

const maySignUp = async (cx: Context): Promise<boolean> =>
  (await loadSettings(cx)).sign_up !== 'off'

/** To the page that asks for what is missing, and then back; the link waits in the cookie. */
function askFirst(c: Http, token: string): Response {
  writeCookie(c, COOKIE, token, COOKIE_TTL)
  return c.redirect(continuePath(c.var.cx, INVITATION_PATH), 303)
}

async function show(
  c: Http,
  invited: Invited,
  token: string,
  shown: { name: string },
  status: 200,
): Promise<Response> {
  const { invitation, session, hasAccount, lacking } = invited
  if (session === null && !hasAccount) {
    if (!(await maySignUp(c.var.cx))) return noSignUp(c)
    return showNew(c, invited, token, shown, status)
  }
  if (session !== null && firstRequirement(lacking) !== null) return askFirst(c, token)
  const { inviter_name: inviter, place, address } = invitation
  const values = {
    ...{ inviter, place, address, token, csrf: csrfToken(c) },
    account: session === null ? null : { email: session.user_email, name: session.user_name },
  }
  return c.html(acceptInvitationPage(values, await pageMessages(c, { path: null })), status)
}

async function showNew(
  c: Http,
  { invitation, texts }: Invited,
  token: string,
  {
    fields,
    ...shown
  }: { name: string; error?: string; fields?: (field: string) => string | undefined },
  status: 200 | 400,
): Promise<Response> {
  const { inviter_name: inviter, place, address } = invitation
  const values = { inviter, place, address, token, ...shown }
  const { cx } = c.var
  const m = await pageMessages(c, { path: null })
  const more = {
    csrf: csrfToken(c),
    password_min: await passwordMinFor(cx, false),
    texts: offerOnForm(cx, invitation.hash, texts, localesOfReader(c, m), fields),
  }
  return c.html(newInvitedPage({ ...values, ...more }, m), status)
}

const dead = (c: Http) => refuse(c, 'invitation.dead', 'invitation_dead', 403)
const powerless = (c: Http) => refuse(c, 'invitation.powerless', 'inviter_powerless', 403)
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
  const shown = { title: m('invitation.dead_title'), text: m(key), request_id: cx.rid }
  return c.html(errorPage(shown, m), status)
}
