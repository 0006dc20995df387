// Missing things of a person, asked and answered: the pages /continue and /account/consents.
// Plain forms that work without script; each leads back to its own page, which looks again. The way
// onward is an opaque path of our own origin.
// Files: continuation.ts has the answers about profile and password; texts are answered in
// consents/.
// Owns no table. Leaves to requirements.ts what lacks, and in which order.
import { Hono } from 'hono'
import type { Context } from '../../context.ts'
import { OAuthError, type OAuthErrorCode } from '../../errors.ts'
import { type Env, type Form, type Http, readForm, readQuery } from '../../http.ts'
import type { PlainKey } from '../../messages/catalogues.ts'
import { english, type Messages } from '../../messages/messages.ts'
import type { AskedField } from '../../pages/account/profile_page.ts'
import { recoveryCodesPage } from '../../pages/account/security_page.ts'
import { consentsPage } from '../../pages/consents/consents_page.ts'
import {
  addressQuestionPage,
  passwordQuestionPage,
  profileQuestionPage,
  renewedWayInPage,
  textQuestionPage,
} from '../../pages/consents/continue_page.ts'
import { factorQuestionPage, mailCodePage } from '../../pages/consents/factor_question_page.ts'
import { localesOfReader, pageMessages } from '../../pages/language.ts'
import { page, pageHeaders } from '../../pages/page_headers.ts'
import { PASSKEY_SCRIPT } from '../../pages/passkey_form.ts'
import { logRefusal } from '../../refusal_log.ts'
import type { Reason } from '../../refusals.ts'
import { askForAddress } from '../address/address_change.ts'
import { acceptText, offerTo, withdrawConsent } from '../consents/decisions.ts'
import { isOldEnough } from '../consents/guardians.ts'
import { assertAction, assertCsrf, csrfToken } from '../csrf.ts'
import { signInFirst } from '../factors/own_factors_routes.ts'
import { readKnownBrowsers } from '../known_browsers/known_browsers.ts'
import { askForMailCode, proveMailCode } from '../mail_codes/mail_codes.ts'
import { passwordFaultInWords, passwordMinFor } from '../new_passwords/new_password.ts'
import { fieldOf } from '../own_profile/profile_fields.ts'
import { sentenceOf } from '../passkeys/own_passkeys_routes.ts'
import { markRenewalSeen, readRenewal } from '../place_accounts/renewals.ts'
import type { EndAccess } from '../recovery.ts'
import { continuePath, firstRequirement } from '../requirements.ts'
import { readFactorDemand, readJourney, withJourney } from '../return_to.ts'
import {
  deleteSessionCookie,
  readSessionCookie,
  type SessionsEnded,
  writeSessionCookie,
} from '../sessions.ts'
import { VERIFY_PATH } from '../sign_in/second_factor_routes.ts'
import {
  type Continuation,
  changeDemandedPassword,
  fillProfile,
  readContinuation,
} from './continuation.ts'
import { addFirstFactor, type FactorOffer, factorlessOf, offerFactor } from './factor_question.ts'

export const CONSENTS_PATH = '/account/consents'
const HOME = '/account'

/** Database round trips: /continue 1, its answer 2; /account/consents 1, its answer 2. */
export function continueRoutes(effects: {
  endAccess: EndAccess
  onSessionsEnded: SessionsEnded
}): Hono<Env> {
  return new Hono<Env>()
    .get('/continue', page, async (c) => {
      const way = readWay(c, readQuery(c))
      const found = await readContinuation(c.var.cx, readSessionCookie(c), way)
      if (found === null) return c.redirect(way.login, 303)
      return ask(c, way, found)
    })
    .post('/continue', page, async (c) => {
      const { cx } = c.var
      const form = await readForm(c)
      assertCsrf(c, form)
      const way = readWay(c, form)
      if (form.get('kind') === 'factor') return answerFactor(c, way, form)
      assertAction(form, ['accept', 'save', 'send'])
      if (form.get('kind') === 'password') return answerPassword(c, way, form, effects)
      const found = await readContinuation(cx, readSessionCookie(c), way)
      if (found === null) return c.redirect(way.login, 303)
      const first = firstRequirement(found.lacking)
      // An answer to another question than the present one is none.
      if (first?.kind !== form.get('kind')) return c.redirect(way.here, 303)
      if (first?.kind === 'verify_address') return sendProof(c, way, found)
      if (first?.kind === 'profile' || first?.kind === 'age') {
        const faulty = await fillProfile(cx, found, first.names, (name) => form.get(name))
        if (faulty.length > 0) return ask(c, way, found, { form, faulty })
      }
      if (first?.kind === 'way_in') {
        await markRenewalSeen(cx, found.user.id, Number(form.get('renewed_at')))
      }
      if (first?.kind === 'consent') {
        const row = found.offered.find(({ key }) => key === first.names[0])
        const answer = { shown: form.get('shown'), client_id: way.sender }
        if (row !== undefined) await acceptText(cx, found, row, answer)
      }
      return c.redirect(way.here, 303)
    })
    .get(CONSENTS_PATH, page, async (c) => {
      const { cx } = c.var
      const found = await readContinuation(cx, readSessionCookie(c))
      if (found === null) return c.redirect(`/login?return_to=${CONSENTS_PATH}`, 303)
      if (firstRequirement(found.lacking) !== null) {
        return c.redirect(continuePath(cx, CONSENTS_PATH), 303)
      }
      const { session, offered } = found
      const m = await pageMessages(c)
      const wished = localesOfReader(c, m, [], session.user_locale)
      const consents = offered.map((row) => {
        const offer = offerTo(cx, session.user_id, row, wished)
        const { demanded_from } = offer
        return { ...offer, demanded_from: demanded_from > cx.now() ? demanded_from : null }
      })
      const { user_email: email, user_name: name } = session
      const needsGuardian = !(await isOldEnough(cx, found.user))
      return c.html(consentsPage({ email, name, csrf: csrfToken(c), consents, needsGuardian }, m))
    })
    .post(CONSENTS_PATH, page, async (c) => {
      const { cx } = c.var
      const form = await readForm(c)
      assertCsrf(c, form)
      const action = assertAction(form, ['accept', 'withdraw'])
      const found = await readContinuation(cx, readSessionCookie(c))
      if (found === null) return c.redirect(`/login?return_to=${CONSENTS_PATH}`, 303)
      const { session, offered } = found
      const row = offered.find(({ key }) => key === form.get('key'))
      if (row !== undefined && action === 'accept') {
        await acceptText(cx, found, row, { shown: form.get('shown'), client_id: null })
      }
      if (row !== undefined && action === 'withdraw') {
        if (await withdrawConsent(cx, session, row, effects)) {
          deleteSessionCookie(c)
          return c.redirect('/logout', 303)
        }
      }
      return c.redirect(CONSENTS_PATH, 303)
    })
}

type Way = {
  return_to: string
  /** This page again, and the sign-in that leads here. */
  here: string
  login: string
  /** Fields that carry the way onward alone. */
  onward: Readonly<Record<string, string>>
  /** A demand of a second factor, by the sender of the person. */
  demandsFactor: boolean
  sender: string | null
  form_targets: readonly string[]
  ui_locales: readonly string[]
  carried: Readonly<Record<string, string>>
}

function readWay(c: Http, form: Form): Way {
  const { cx } = c.var
  const journey = readJourney(cx, form)
  const demand = readFactorDemand(cx, form, journey.return_to)
  const carried = { ...journey.carried, ...demand.carried }
  const onward = new URLSearchParams(journey.carried)
  return {
    return_to: journey.return_to ?? HOME,
    here: `/continue?${new URLSearchParams(carried)}`,
    // The place to go to looks for itself what is missing.
    login: `/login${onward.size === 0 ? '' : `?${onward}`}`,
    onward: journey.carried,
    demandsFactor: demand.demandsFactor,
    sender: journey.sender,
    form_targets: journey.form_targets,
    ui_locales: journey.ui_locales,
    carried,
  }
}

/** The page of the first missing thing, or the way onward where there is none. */
async function ask(
  c: Http,
  way: Way,
  { session, user, lacking, offered, has_factor, byMail }: Continuation,
  again?: { form: Form; faulty: readonly string[] },
): Promise<Response> {
  const { cx } = c.var
  const first = firstRequirement(lacking)
  if (first === null) return c.redirect(way.return_to, 303)
  pageHeaders(c, way.form_targets)
  const m = await messagesOn(c, way)
  const common = { email: session.user_email, csrf: csrfToken(c) }
  const carried = { ...way.carried, kind: first.kind }
  switch (first.kind) {
    case 'factor': {
      if (first.names.includes('prove')) {
        return c.redirect(withJourney(VERIFY_PATH, { carried: way.onward }, { step_up: '1' }), 303)
      }
      const own = factorlessOf(cx, { session, lacking })
      if (!own.isFresh) return signInFirst(c, way.here)
      return showFactor(c, way, m, { session, byMail }, await offerFactor(cx, own))
    }
    case 'consent': {
      const row = offered.find(({ key }) => key === first.names[0])
      if (row === undefined) throw new TypeError('a consent lacks that is not offered')
      const wished = localesOfReader(c, m, way.ui_locales, session.user_locale)
      const { shown, ...offer } = offerTo(cx, session.user_id, row, wished)
      const needsGuardian = !(await isOldEnough(cx, user))
      const values = { ...common, ...offer, carried: { ...carried, shown }, needsGuardian }
      return c.html(textQuestionPage(values, m))
    }
    case 'age':
    case 'profile': {
      const faulty = new Set(again?.faulty)
      const fields = first.names.map((one) => {
        const name = one as AskedField
        const value = (again?.form.get(name) ?? fieldOf(user, name)).slice(0, 200)
        return { name, value, isFaulty: faulty.has(name) }
      })
      const wrong = fields.filter(({ isFaulty }) => isFaulty)
      const names = wrong.map(({ name }) => m(`field.${name}`))
      const error =
        wrong.length === 0 ? {} : { error: m('missing.profile_fault', { fields: m.list(names) }) }
      const status = wrong.length === 0 ? 200 : 400
      return c.html(profileQuestionPage({ ...common, carried, fields, ...error }, m), status)
    }
    case 'way_in': {
      const renewal = await readRenewal(cx, user.id)
      if (renewal === undefined) return c.redirect(way.here, 303)
      const seen = { ...carried, renewed_at: String(renewal.renewed_at) }
      return c.html(renewedWayInPage({ ...common, carried: seen, ...renewal }, m))
    }
    case 'verify_address':
      return c.html(addressQuestionPage({ ...common, carried }, m))
    case 'password': {
      const password_min = await passwordMinFor(cx, has_factor)
      return c.html(passwordQuestionPage({ ...common, carried, password_min }, m))
    }
  }
}

const showFactor = (
  c: Http,
  way: Way,
  m: Messages,
  { session, byMail }: Pick<Continuation, 'session' | 'byMail'>,
  { app, passkey }: FactorOffer,
  error?: string,
) => {
  pageHeaders(c, way.form_targets, { script: PASSKEY_SCRIPT })
  const carried = { ...way.carried, kind: 'factor' }
  const { user_email: email } = session
  const values = { email, csrf: csrfToken(c), carried, app, passkey, byMail }
  const shown = { ...values, ...(error === undefined ? {} : { error }) }
  return c.html(factorQuestionPage(shown, m), error === undefined ? 200 : 400)
}

/** Adds the first factor. The recovery codes lead onward. */
async function answerFactor(c: Http, way: Way, form: Form): Promise<Response> {
  const { cx } = c.var
  const session_cookie = readSessionCookie(c)
  const found = await readContinuation(cx, session_cookie, way)
  if (found === null) return c.redirect(way.login, 303)
  const first = firstRequirement(found.lacking)
  if (first?.kind === 'factor' && first.names.includes('add') && found.byMail) {
    if (form.get('action') === 'send') return sendCode(c, way, found)
    const code = form.get('mail_code')
    if (code !== undefined) return answerMailCode(c, way, found, code)
  }
  const own = factorlessOf(cx, found)
  // Somebody who has a factor proves it, and never adds one here.
  if (first?.kind !== 'factor' || first.names.includes('prove') || !own.isFresh) {
    return c.redirect(way.here, 303)
  }
  const m = await messagesOn(c, way)
  const passkey = form.get('passkey')
  const input =
    passkey === undefined
      ? {
          setup: form.get('setup') ?? '',
          code: form.get('code') ?? '',
          name: m('security.default_name'),
        }
      : {
          response: passkey,
          user_handle: form.get('user_handle') ?? '',
          name: m('security.passkey_name'),
        }
  const added = await addFirstFactor(cx, found, input, {
    replaces: session_cookie,
    user_agent: c.req.header('user-agent') ?? '',
    browsers: readKnownBrowsers(c),
  })
  if (added.outcome === 'added') {
    if (added.cookies !== null) writeSessionCookie(c, added.cookies)
    return c.html(recoveryCodesPage({ codes: added.codes ?? [], onward: way.here }, m))
  }
  const reason =
    'reason' in added
      ? added.reason
      : added.outcome === 'refused'
        ? 'factor_code_wrong'
        : 'factor_setup_expired'
  const error = 'reason' in added ? sentenceOf(m, added.reason) : m(`security.${added.outcome}`)
  logRefusal(cx, new OAuthError('access_denied', { description: error, reason }))
  const app = 'app' in added ? added.app : undefined
  return showFactor(c, way, m, found, await offerFactor(cx, own, app), error)
}

const mailCodeValues = (c: Http, way: Way, { session }: Continuation) => {
  pageHeaders(c, way.form_targets)
  const carried = { ...way.carried, kind: 'factor' }
  return { email: session.user_email, csrf: csrfToken(c), carried, other: way.here }
}

/** Mails a code as the second factor, and asks for it. */
async function sendCode(c: Http, way: Way, found: Continuation): Promise<Response> {
  const { cx } = c.var
  const m = await messagesOn(c, way)
  const wasSent = await askForMailCode(cx, found.session, m.locale)
  const values = mailCodeValues(c, way, found)
  if (wasSent) return c.html(mailCodePage(values, m))
  refuse(cx, 'too_many_requests', 'address.too_many', 'mail_code_limited')
  return c.html(mailCodePage({ ...values, error: m('address.too_many') }, m), 429)
}

async function answerMailCode(
  c: Http,
  way: Way,
  found: Continuation,
  code: string,
): Promise<Response> {
  const { cx } = c.var
  const result = await proveMailCode(cx, found, {
    code,
    replaces: readSessionCookie(c),
    user_agent: c.req.header('user-agent') ?? '',
    browsers: readKnownBrowsers(c),
  })
  if (result.outcome === 'proven') {
    writeSessionCookie(c, result.cookies)
    return c.redirect(way.here, 303)
  }
  const m = await messagesOn(c, way)
  const values = mailCodeValues(c, way, found)
  if (result.outcome === 'too_many_attempts') {
    c.header('Retry-After', String(result.retry_after))
    refuse(cx, 'too_many_requests', 'second_factor.too_many', 'second_factor_limited')
    return c.html(mailCodePage({ ...values, error: m('second_factor.too_many') }, m), 429)
  }
  refuse(cx, 'access_denied', 'missing.code_refused', 'second_factor_refused')
  return c.html(mailCodePage({ ...values, error: m('missing.code_refused') }, m), 403)
}

/** Mails the link that proves the address, and shows the way onward for when that is done. */
async function sendProof(c: Http, way: Way, { session }: Continuation): Promise<Response> {
  const { cx } = c.var
  const m = await messagesOn(c, way)
  pageHeaders(c, way.form_targets)
  const { user_email: email } = session
  const values = { email, csrf: csrfToken(c), carried: { ...way.carried, kind: 'verify_address' } }
  if (!(await askForAddress(cx, session, { email, locale: m.locale }))) {
    refuse(cx, 'too_many_requests', 'address.too_many', 'address_limited')
    return c.html(addressQuestionPage({ ...values, error: m('address.too_many') }, m), 429)
  }
  return c.html(addressQuestionPage({ ...values, onward: way.here }, m))
}

async function answerPassword(
  c: Http,
  way: Way,
  form: Form,
  effects: { endAccess: EndAccess; onSessionsEnded: SessionsEnded },
): Promise<Response> {
  const { cx } = c.var
  const input = {
    password: form.get('password') ?? '',
    new_password: form.get('new_password') ?? '',
    browsers: readKnownBrowsers(c),
  }
  const result = await changeDemandedPassword(cx, readSessionCookie(c), input, effects)
  if (result.outcome === 'done' || result.outcome === 'not_asked') return c.redirect(way.here, 303)
  const { session, has_factor } = result
  const m = await messagesOn(c, way)
  const password_min = await passwordMinFor(cx, has_factor)
  const again = (error: string, status: 400 | 403 | 429) => {
    pageHeaders(c, way.form_targets)
    const carried = { ...way.carried, kind: 'password' }
    const common = { email: session.user_email, csrf: csrfToken(c), carried, error }
    return c.html(passwordQuestionPage({ ...common, password_min }, m), status)
  }
  if (result.outcome === 'too_many_attempts') {
    refuse(cx, 'too_many_requests', 'missing.too_many', 'sign_in_limited')
    c.header('Retry-After', String(result.retry_after))
    return again(m('missing.too_many'), 429)
  }
  const { fault } = result
  if (fault === 'wrong') {
    refuse(cx, 'access_denied', 'missing.wrong_password', 'present_password_wrong')
    return again(m('missing.wrong_password'), 403)
  }
  const rule = fault === 'same' ? m('missing.same_password') : passwordFaultInWords(m, fault)
  return again(rule, 400)
}

/** Logs a refusal, in English. */
const refuse = (cx: Context, error: OAuthErrorCode, text: PlainKey, reason: Reason): void =>
  logRefusal(cx, new OAuthError(error, { description: english(text), reason }))

/** Texts of the page. A form that was sent is not asked for again, so the switch leads here. */
const messagesOn = (c: Http, { ui_locales, here }: Way) =>
  pageMessages(c, { ui_locales, path: here })
