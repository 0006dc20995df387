// Pages /login, /account, /logout, /setup and /recover: people sign in and out, see their account,
// set up the first operator, and set a new password behind a link. Plain forms that work without
// script. A person comes from an opaque path of our own origin; this room does not know what lies
// behind it.
import { Hono } from 'hono'
import type { Context } from '../context.ts'
import { emailFault } from '../email_address.ts'
import { OAuthError } from '../errors.ts'
import { type Env, type Http, readForm, readQuery } from '../http.ts'
import type { PlainKey } from '../messages/catalogues.ts'
import { english } from '../messages/messages.ts'
import { accountPage } from '../pages/account/account_page.ts'
import { errorPage } from '../pages/error_page.ts'
import { pageMessages } from '../pages/language.ts'
import { loginPage } from '../pages/login_page.ts'
import { logoutPage, signedOutPage } from '../pages/logout_page.ts'
import { imageSources, page, pageHeaders } from '../pages/page_headers.ts'
import { PASSKEY_SCRIPT } from '../pages/passkey_form.ts'
import { recoveredPage, recoveryPage } from '../pages/recovery_page.ts'
import { setupPage } from '../pages/setup_page.ts'
import type { Introduction } from '../pages/shell.ts'
import { logRefusal } from '../refusal_log.ts'
import type { Reason } from '../refusals.ts'
import { endOwnSession, liveSession, readAccount } from './account.ts'
import { addressRoutes } from './address/address_routes.ts'
import { closingRoutes } from './closing/closing_routes.ts'
import { assertAction, assertCsrf, browserOf, csrfToken } from './csrf.ts'
import { exportRoutes } from './export/export_routes.ts'
import { ownFactorsRoutes, SECURITY_PATH } from './factors/own_factors_routes.ts'
import { removedFactorsRoutes } from './factors/removed_factors_routes.ts'
import { acceptanceRoutes } from './invitations/acceptance_routes.ts'
import { readKnownBrowsers } from './known_browsers/known_browsers.ts'
import { signIn, signInNames } from './login.ts'
import { ownNamesRoutes } from './login_ids/own_names_routes.ts'
import { passwordFaultInWords, passwordMinFor } from './new_passwords/new_password.ts'
import { ownProfileRoutes, PROFILE_PATH } from './own_profile/own_profile_routes.ts'
import { ownPasskeysRoutes } from './passkeys/own_passkeys_routes.ts'
import { askToSignIn, signInByPasskey } from './passkeys/passkey_sign_in.ts'
import {
  type EndAccess,
  hasFactorAfter,
  PASSWORD_RESET_PATH,
  passwordLinkState,
  resetPassword,
} from './recovery.ts'
import { RECOVERY_PATH, recoveryRequestRoutes } from './recovery_request_routes.ts'
import { continuePath, firstRequirement } from './requirements.ts'
import { type Journey, readJourney, withJourney } from './return_to.ts'
import {
  deleteSessionCookie,
  readSessionCookie,
  type SessionCookies,
  type SessionsEnded,
  writeSessionCookie,
} from './sessions.ts'
import { isSetupLinkGood, redeemSetupLink } from './setup.ts'
import { whoProves } from './sign_in/second_factor.ts'
import {
  passkeyError,
  secondFactorRoutes,
  tellDisplaced,
  VERIFY_PATH,
} from './sign_in/second_factor_routes.ts'
import {
  CLOSED_PATH,
  deleteSignInCookie,
  readSignInCookie,
  writeSignInCookie,
} from './sign_in/sign_in.ts'
import { isLinkOffered, LINK_PATH } from './sign_in/sign_in_link.ts'
import { signInLinkRoutes } from './sign_in/sign_in_link_routes.ts'
import { isSignUpOpen, SIGN_UP_PATH } from './sign_up/sign_up.ts'
import { signUpRoutes } from './sign_up/sign_up_routes.ts'
import { endTrust, readTrustedBrowser } from './trusted_browsers/trusted_browsers.ts'

const HOME = '/account'

export type Surroundings = {
  onSessionsEnded: SessionsEnded
  endAccess: EndAccess
  /** Path of the page on which a person sees which applications have access. */
  applications: string
  /** Path of the page on which a person sees texts and what was decided about them. */
  consents: string
  /** The introduction that the sender of the person shows. At most one round trip. */
  introduce: (cx: Context, return_to: string) => Promise<Introduction | null>
}

type Shown = {
  username: string
  error?: string
  passkey_error?: string
  status: 200 | 403 | 429
}

export function loginRoutes({
  onSessionsEnded,
  endAccess,
  applications,
  consents,
  introduce,
}: Surroundings): Hono<Env> {
  const routes = new Hono<Env>()
  routes.route('/', secondFactorRoutes({ onSessionsEnded }))
  routes.route('/', ownFactorsRoutes())
  routes.route('/', removedFactorsRoutes({ onSessionsEnded }))
  routes.route('/', ownNamesRoutes())
  routes.route('/', ownPasskeysRoutes())
  routes.route('/', ownProfileRoutes())
  routes.route('/', recoveryRequestRoutes())
  routes.route('/', signInLinkRoutes({ onSessionsEnded, endAccess }))
  routes.route('/', signUpRoutes())
  routes.route('/', addressRoutes({ onSessionsEnded, endAccess }))
  routes.route('/', acceptanceRoutes())
  routes.route('/', exportRoutes())
  routes.route('/', closingRoutes({ onSessionsEnded, endAccess }))

  /** The texts of the form, which a GET of the same journey shows again. */
  const messagesOf = (c: Http, { ui_locales, carried }: Journey) =>
    pageMessages(c, { ui_locales, path: `/login?${new URLSearchParams(carried)}` })

  /** The form, with the introduction of the sender. */
  const showLogin = async (c: Http, journey: Journey, { status, ...shown }: Shown) => {
    const { return_to, form_targets, carried } = journey
    const m = await messagesOf(c, journey)
    const client = return_to === undefined ? null : await introduce(c.var.cx, return_to)
    const browser = browserOf(c)
    const passkey = askToSignIn(c.var.cx, browser)
    pageHeaders(c, form_targets, { script: PASSKEY_SCRIPT, images: imageSources(client) })
    const forgotten = withJourney(
      RECOVERY_PATH,
      { carried },
      shown.username === '' ? {} : { login_hint: shown.username },
    )
    const isOpen = await isSignUpOpen(c.var.cx)
    const isByLink = await isLinkOffered(c.var.cx)
    const link = isByLink ? withJourney(LINK_PATH, journey) : null
    const sign_up = isOpen ? withJourney(SIGN_UP_PATH, journey) : null
    const csrf = csrfToken(c, browser)
    const names = await signInNames(c.var.cx)
    const values = { ...shown, names, carried, csrf, client, forgotten, sign_up, link, passkey }
    return c.html(loginPage(values, m), status)
  }

  /**
   * Database round trips: 0, or 1 for a person who comes from an application or who has a cookie
   * and no target; one more where an application wants a second factor.
   */
  routes.get('/login', page, async (c) => {
    const query = readQuery(c)
    const journey = readJourney(c.var.cx, query)
    // A person with a target was sent to sign in (again); others who are signed in need no form.
    if (
      journey.return_to === undefined &&
      (await liveSession(c.var.cx, readSessionCookie(c))) !== undefined
    ) {
      return c.redirect(HOME, 303)
    }
    if (query.get('step_up') === '1') {
      const basis = { kind: 'session' as const, cookie: readSessionCookie(c) }
      if ((await whoProves(c.var.cx, basis)) !== null) {
        return c.redirect(withJourney(VERIFY_PATH, journey, { step_up: '1' }), 303)
      }
    }
    const username = query.get('login_hint')?.slice(0, 254) ?? ''
    return showLogin(c, journey, { username, status: 200 })
  })

  /**
   * Database round trips: 2, one more when the settings are not remembered, or when a person from
   * an application has to try again.
   */
  routes.post('/login', page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    assertAction(form, ['login', undefined])
    const journey = readJourney(cx, form)
    const m = await messagesOf(c, journey)
    const browsers = readKnownBrowsers(c)
    const end = ({ cookies, displaced }: { cookies: SessionCookies; displaced: string | null }) => {
      deleteSignInCookie(c)
      writeSessionCookie(c, cookies)
      tellDisplaced(cx, displaced, onSessionsEnded)
      return c.redirect(journey.return_to ?? HOME, 303)
    }
    const response = form.get('passkey')
    if (response !== undefined) {
      const result = await signInByPasskey(cx, {
        response,
        browser: browserOf(c),
        user_agent: c.req.header('user-agent') ?? '',
        replaces: readSessionCookie(c),
        browsers,
      })
      if (result.outcome === 'signed_in') return end(result)
      if (result.outcome === 'closed') {
        writeSignInCookie(c, result.cookie)
        return c.redirect(withJourney(CLOSED_PATH, journey), 303)
      }
      const passkey_error = passkeyError(cx, m, result.reason)
      return showLogin(c, journey, { username: '', passkey_error, status: 403 })
    }
    const username = form.get('username') ?? ''
    const password = form.get('password') ?? ''
    const again = (description: string, status: 403 | 429) => {
      const refusal =
        status === 429
          ? new OAuthError('too_many_requests', { description, reason: 'sign_in_limited' })
          : new OAuthError('access_denied', { description, reason: 'sign_in_refused' })
      logRefusal(cx, refusal)
      return showLogin(c, journey, { username: username.slice(0, 254), error: description, status })
    }
    const result = await signIn(cx, {
      username,
      password,
      user_agent: c.req.header('user-agent') ?? '',
      replaces: readSessionCookie(c),
      abandons: readSignInCookie(c),
      trust: { browser: readTrustedBrowser(c), days: journey.trust_days },
      browsers,
    })
    if (result.outcome === 'too_many_attempts') {
      c.header('Retry-After', String(result.retry_after))
      return again(m('sign_in.too_many'), 429)
    }
    if (result.outcome === 'refused') return again(m('sign_in.refused'), 403)
    if (result.outcome === 'second_factor' || result.outcome === 'closed') {
      writeSignInCookie(c, result.cookie)
      const next = result.outcome === 'closed' ? CLOSED_PATH : VERIFY_PATH
      return c.redirect(withJourney(next, journey), 303)
    }
    return end(result)
  })

  /** Database round trips: 1; 2 once a minute. */
  routes.get('/account', page, async (c) => {
    const { cx } = c.var
    const cookie = readSessionCookie(c)
    const account = await readAccount(cx, cookie)
    if (account === null) return c.redirect(`/login?return_to=${HOME}`, 303)
    if (firstRequirement(account.lacking) !== null) return c.redirect(continuePath(cx, HOME), 303)
    const { session, sessions, trusted, failed } = account
    const { user_email: email, user_name: name } = session
    const m = await pageMessages(c)
    return c.html(
      accountPage(
        {
          email,
          name,
          csrf: csrfToken(c),
          applications,
          security: SECURITY_PATH,
          profile: PROFILE_PATH,
          consents,
          trusted: trusted.map(({ hash, trusted_at, address, user_agent }) => ({
            id: hash,
            since: trusted_at,
            address,
            user_agent,
          })),
          failed,
          sessions: sessions.map(({ id_hash, auth_time, address, user_agent }) => ({
            id: id_hash,
            is_this: id_hash === session.id_hash,
            since: auth_time,
            address,
            user_agent,
          })),
        },
        m,
      ),
    )
  })

  /** Database round trips: 2, and those of `ended`. */
  routes.post('/account/sessions', page, async (c) => {
    const form = await readForm(c)
    assertCsrf(c, form)
    const action = assertAction(form, ['end', 'everywhere', 'forget'])
    const { cx } = c.var
    const session = await liveSession(cx, readSessionCookie(c))
    if (session === undefined) return c.redirect(`/login?return_to=${HOME}`, 303)
    const id_hash = form.get('session') ?? ''
    if (action === 'forget') {
      await endTrust(cx, session.user_id, form.get('browser') ?? '')
      return c.redirect(HOME, 303)
    }
    const everywhere = action === 'everywhere'
    await endOwnSession(cx, session.user_id, everywhere ? null : id_hash, onSessionsEnded)
    if (!everywhere && id_hash !== session.id_hash) return c.redirect(HOME, 303)
    deleteSessionCookie(c)
    return c.redirect('/logout', 303)
  })

  /** Database round trips: 0 without a cookie, else 1. */
  routes.get('/logout', page, async (c) => {
    const { return_to, form_targets, carried } = readJourney(c.var.cx, readQuery(c))
    const session = await liveSession(c.var.cx, readSessionCookie(c))
    if (session === undefined) {
      if (return_to !== undefined) return c.redirect(return_to, 303)
      return c.html(signedOutPage(null, await pageMessages(c)))
    }
    const { user_email: email, user_name: name } = session
    pageHeaders(c, form_targets)
    const shown = { action: '/logout', client_name: null, email, name, carried }
    const m = await pageMessages(c)
    return c.html(logoutPage({ ...shown, csrf: csrfToken(c) }, m))
  })

  /** Database round trips: 2, and those of `ended`. */
  routes.post('/logout', page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    const action = assertAction(form, ['logout', 'cancel'])
    const { return_to } = readJourney(cx, form)
    if (action === 'cancel') return c.redirect(return_to ?? HOME, 303)
    const session = await liveSession(cx, readSessionCookie(c))
    if (session !== undefined) {
      await endOwnSession(cx, session.user_id, session.id_hash, onSessionsEnded)
    }
    deleteSessionCookie(c)
    return c.redirect(return_to ?? '/logout', 303)
  })

  /** Database round trips: 1. */
  routes.get('/setup', page, async (c) => {
    const token = readQuery(c).get('token') ?? ''
    if (!(await isSetupLinkGood(c.var.cx, token))) return deadSetupLink(c)
    const password_min = await passwordMinFor(c.var.cx, false)
    const values = { token, username: '', csrf: csrfToken(c), password_min }
    return c.html(setupPage(values, await pageMessages(c)))
  })

  /** Database round trips: 2. */
  routes.post('/setup', page, async (c) => {
    const form = await readForm(c)
    assertCsrf(c, form)
    assertAction(form, ['create', undefined])
    const token = form.get('token') ?? ''
    const username = form.get('username')?.trim() ?? ''
    const password = form.get('password') ?? ''
    const m = await pageMessages(c)
    const password_min = await passwordMinFor(c.var.cx, false)
    const again = (error: string, status: 400 | 409) => {
      const values = { token, username, csrf: csrfToken(c), password_min, error }
      return c.html(setupPage(values, m), status)
    }
    if (emailFault(username) !== null) return again(m('form.email_invalid'), 400)
    const result = await redeemSetupLink(c.var.cx, {
      token,
      email: username,
      password,
      user_agent: c.req.header('user-agent') ?? '',
      replaces: readSessionCookie(c),
      browsers: readKnownBrowsers(c),
    })
    if (result.outcome === 'dead') return deadSetupLink(c)
    if (result.outcome === 'refused') return again(passwordFaultInWords(m, result.fault), 400)
    if (result.outcome === 'email_taken') return again(m('form.email_taken'), 409)
    writeSessionCookie(c, result.cookies)
    return c.redirect(HOME, 303)
  })

  /** Database round trips: 1. It changes nothing: mail programs open links by themselves. */
  routes.get(PASSWORD_RESET_PATH, page, async (c) => {
    const token = readQuery(c).get('token') ?? ''
    const link = await passwordLinkState(c.var.cx, token)
    if (link.state !== 'good') return deadPasswordLink(c, link.state)
    const { email } = link.link
    const password_min = await passwordMinFor(c.var.cx, hasFactorAfter(link.link))
    const values = { token, email, csrf: csrfToken(c), password_min }
    return c.html(recoveryPage(values, await pageMessages(c)))
  })

  /** Database round trips: 2, and those of `onSessionsEnded`. */
  routes.post(PASSWORD_RESET_PATH, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    assertAction(form, ['save', undefined])
    const token = form.get('token') ?? ''
    const input = { token, password: form.get('password') ?? '' }
    const result = await resetPassword(cx, input, { endAccess, onSessionsEnded })
    if (result.outcome === 'dead') return deadPasswordLink(c, result.state)
    if (result.outcome === 'refused') {
      const m = await pageMessages(c)
      const error = passwordFaultInWords(m, result.fault)
      const { email, has_factor } = result
      const password_min = await passwordMinFor(cx, has_factor)
      const values = { token, email, csrf: csrfToken(c), password_min, error }
      return c.html(recoveryPage(values, m), 400)
    }
    return c.redirect('/recover/done', 303)
  })

  routes.get('/recover/done', page, async (c) => c.html(recoveredPage(await pageMessages(c))))

  return routes
}

const deadSetupLink = (c: Http): Promise<Response> =>
  deadLink(c, 'setup.dead_title', 'setup.dead', 'setup_link_dead')

const DEAD = {
  unknown: 'password_link_unknown',
  used: 'password_link_used',
  expired: 'password_link_expired',
} as const

const deadPasswordLink = (c: Http, state: keyof typeof DEAD): Promise<Response> =>
  deadLink(c, 'recovery.dead_title', `recovery.dead_${state}`, DEAD[state])

async function deadLink(
  c: Http,
  title: PlainKey,
  text: PlainKey,
  reason: Reason,
): Promise<Response> {
  const { cx } = c.var
  logRefusal(cx, new OAuthError('access_denied', { description: english(text), reason }))
  const m = await pageMessages(c)
  return c.html(errorPage({ title: m(title), text: m(text), request_id: cx.rid }, m), 403)
}
