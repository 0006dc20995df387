// Page /login/verify: the second factor. It follows the password, with the cookie of the sign-in;
// or it stands alone with `step_up`, where an application wants more of a person who is signed in.
import { Hono } from 'hono'
import { as, type Context } from '../../context.ts'
import { OAuthError } from '../../errors.ts'
import { type Env, type Form, type Http, readForm, readQuery } from '../../http.ts'
import { errorPage } from '../../pages/error_page.ts'
import { pageMessages } from '../../pages/language.ts'
import { page, pageHeaders } from '../../pages/page_headers.ts'
import { secondFactorPage } from '../../pages/second_factor_page.ts'
import { logRefusal } from '../../refusal_log.ts'
import { assertCsrf, csrfToken } from '../csrf.ts'
import { type Journey, readJourney, withJourney } from '../return_to.ts'
import { readSessionCookie, type SessionsEnded, writeSessionCookie } from '../sessions.ts'
import { type ProvedBy, proveSecondFactor, whoProves } from './second_factor.ts'
import { deleteSignInCookie, readSignInCookie } from './sign_in.ts'

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
    return show(c, query, journey, { email: proves.email, status: 200 })
  })

  /** Database round trips: 2. */
  routes.post(VERIFY_PATH, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    const journey = readJourney(cx, form)
    const m = await pageMessages(c, journey)
    const session = readSessionCookie(c)
    const result = await proveSecondFactor(cx, basisOf(c, form), {
      code: form.get('code') ?? '',
      user_agent: c.req.header('user-agent') ?? '',
      session,
    })
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
        email: result.email,
        error: m('second_factor.too_many'),
        status: 429,
      })
    }
    if (result.outcome === 'refused') {
      logRefusal(cx, refusal(m('second_factor.refused'), 'second_factor_refused'))
      return show(c, form, journey, {
        email: result.email,
        error: m('second_factor.refused'),
        status: 403,
      })
    }
    deleteSignInCookie(c)
    writeSessionCookie(c, result.cookie)
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
  { status, ...shown }: { email: string; error?: string; status: 200 | 403 | 429 },
): Promise<Response> {
  pageHeaders(c, journey.form_targets)
  const carried: Record<string, string> =
    form.get('step_up') === '1' ? { ...journey.carried, step_up: '1' } : { ...journey.carried }
  const values = { ...shown, carried, other: withJourney('/login', journey), csrf: csrfToken(c) }
  return c.html(secondFactorPage(values, await pageMessages(c, journey)), status)
}

const refusal = (
  description: string,
  reason: 'sign_in_ended' | 'second_factor_limited' | 'second_factor_refused',
) =>
  new OAuthError(reason === 'second_factor_limited' ? 'too_many_requests' : 'access_denied', {
    description,
    reason,
  })
