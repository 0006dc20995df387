// Page /login/verify: the second factor. It follows the password, with the cookie of the sign-in;
// or it stands alone with `step_up`, where an application wants more of a person who is signed in.
import { Hono } from 'hono'
import { as, type Context } from '../../context.ts'
import { OAuthError } from '../../errors.ts'
import { type Env, type Form, type Http, readForm, readQuery } from '../../http.ts'
import type { Messages } from '../../messages/messages.ts'
import { errorPage } from '../../pages/error_page.ts'
import { pageMessages } from '../../pages/language.ts'
import { page, pageHeaders } from '../../pages/page_headers.ts'
import { PASSKEY_SCRIPT } from '../../pages/passkey_form.ts'
import { secondFactorPage } from '../../pages/second_factor_page.ts'
import { logRefusal } from '../../refusal_log.ts'
import type { Reason } from '../../refusals.ts'
import { assertCsrf, csrfToken } from '../csrf.ts'
import { readKnownBrowsers } from '../known_browsers/known_browsers.ts'
import { type Journey, readJourney, withJourney } from '../return_to.ts'
import { readSessionCookie, type SessionsEnded, writeSessionCookie } from '../sessions.ts'
import { type ProvedBy, type Proving, proveSecondFactor, whoProves } from './second_factor.ts'
import { CLOSED_PATH, deleteSignInCookie, readSignInCookie } from './sign_in.ts'

export const VERIFY_PATH = '/login/verify'
const HOME = '/account'

export function secondFactorRoutes({
  onSessionsEnded,
}: {
  onSessionsEnded: SessionsEnded
}): Hono<Env> {
  const routes = new Hono<Env>()

  /** Database round trips: 1. */
  routes.get(VERIFY_PATH, page, async (c) => {
    const query = readQuery(c)
    const journey = readJourney(c.var.cx, query)
    const proves = await whoProves(c.var.cx, basisOf(c, query))
    if (proves === null) return c.redirect(withJourney('/login', journey), 303)
    return show(c, query, journey, { ...proves, status: 200 })
  })

  /** Database round trips: 2. */
  routes.post(VERIFY_PATH, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    const journey = readJourney(cx, form)
    const session = readSessionCookie(c)
    const passkey = form.get('passkey')
    const result = await proveSecondFactor(cx, basisOf(c, form), {
      proof: passkey === undefined ? { code: form.get('code') ?? '' } : { passkey },
      user_agent: c.req.header('user-agent') ?? '',
      session,
      browsers: readKnownBrowsers(c),
    })
    const m = await messagesOf(c, form, journey)
    if (result.outcome === 'ended') {
      logRefusal(cx, refusal(m('second_factor.ended'), 'sign_in_ended'))
      deleteSignInCookie(c)
      return c.html(
        errorPage(
          {
            title: m('second_factor.ended_title'),
            text: m('second_factor.ended'),
            request_id: cx.rid,
          },
          m,
        ),
        403,
      )
    }
    if (result.outcome === 'too_many_attempts') {
      c.header('Retry-After', String(result.retry_after))
      logRefusal(cx, refusal(m('second_factor.too_many'), 'second_factor_limited'))
      return show(c, form, journey, {
        ...result.proving,
        error: m('second_factor.too_many'),
        status: 429,
      })
    }
    if (result.outcome === 'refused') {
      const { reason, proving } = result
      if (reason !== 'second_factor_refused') {
        const error = passkeyError(cx, m, reason)
        return show(c, form, journey, { ...proving, error, status: 403 })
      }
      const error = m('second_factor.refused')
      logRefusal(cx, refusal(error, reason))
      return show(c, form, journey, { ...proving, error, status: 403 })
    }
    if (result.outcome === 'closed') return c.redirect(withJourney(CLOSED_PATH, journey), 303)
    deleteSignInCookie(c)
    writeSessionCookie(c, result.cookies)
    tellDisplaced(cx, result.displaced, onSessionsEnded)
    return c.redirect(journey.return_to ?? HOME, 303)
  })

  return routes
}

/** Behind the answer: a sign-in has few round trips, and this is about another person. */
export function tellDisplaced(
  cx: Context,
  displaced: string | null,
  onSessionsEnded: SessionsEnded,
): void {
  if (displaced === null) return
  cx.background(onSessionsEnded(as(cx, { kind: 'user', id: displaced }), displaced))
}

const basisOf = (c: Http, form: Form): ProvedBy =>
  form.get('step_up') === '1'
    ? { kind: 'session', cookie: readSessionCookie(c) }
    : { kind: 'sign_in', cookie: readSignInCookie(c) }

async function show(
  c: Http,
  form: Form,
  journey: Journey,
  { status, ...shown }: Proving & { error?: string; status: 200 | 403 | 429 },
): Promise<Response> {
  pageHeaders(c, journey.form_targets, shown.passkey === null ? {} : { script: PASSKEY_SCRIPT })
  const carried: Record<string, string> =
    form.get('step_up') === '1' ? { ...journey.carried, step_up: '1' } : { ...journey.carried }
  const values = { ...shown, carried, other: withJourney('/login', journey), csrf: csrfToken(c) }
  return c.html(secondFactorPage(values, await messagesOf(c, form, journey)), status)
}

/** The texts of the page, which a GET of the same journey shows again. */
function messagesOf(c: Http, form: Form, journey: Journey): Promise<Messages> {
  const more: Record<string, string> = form.get('step_up') === '1' ? { step_up: '1' } : {}
  const path = withJourney(VERIFY_PATH, journey, more)
  return pageMessages(c, { ui_locales: journey.ui_locales, path })
}

/** Logs why a passkey was refused; answers the sentence for the person. */
export function passkeyError(cx: Context, m: Messages, reason: Reason): string {
  const description = reason === 'passkey_challenge' ? m('passkey.expired') : m('passkey.refused')
  logRefusal(cx, new OAuthError('access_denied', { description, reason }))
  return description
}

const refusal = (
  description: string,
  reason: 'sign_in_ended' | 'second_factor_limited' | 'second_factor_refused',
) =>
  new OAuthError(reason === 'second_factor_limited' ? 'too_many_requests' : 'access_denied', {
    description,
    reason,
  })
