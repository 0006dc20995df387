// Pages /account/security: a person's passkeys, authenticator apps and recovery codes. Plain forms;
// adding a passkey is passkeys/'s.
import { Hono } from 'hono'
import { isLegible } from '../../api/legible_text.ts'
import { OAuthError } from '../../errors.ts'
import { type Env, type Http, readForm } from '../../http.ts'
import type { PlainKey } from '../../messages/catalogues.ts'
import { english, type Messages } from '../../messages/messages.ts'
import { newAppPage, recoveryCodesPage, securityPage } from '../../pages/account/security_page.ts'
import { pageMessages } from '../../pages/language.ts'
import { page } from '../../pages/page_headers.ts'
import { logRefusal } from '../../refusal_log.ts'
import type { Reason } from '../../refusals.ts'
import { assertCsrf, csrfToken } from '../csrf.ts'
import { continuePath, firstRequirement } from '../requirements.ts'
import { readSessionCookie } from '../sessions.ts'
import {
  addApp,
  isJustSignedIn,
  type NewApp,
  type OwnFactors,
  offerApp,
  readOwnFactors,
  removeOwnFactor,
  renameOwnPasskey,
  renewRecoveryCodes,
} from './own_factors.ts'

export const SECURITY_PATH = '/account/security'
const ADD = `${SECURITY_PATH}/add`
const NAME_MAX = 60

export function ownFactorsRoutes(): Hono<Env> {
  const routes = new Hono<Env>()

  /** Database round trips: 1. */
  routes.get(SECURITY_PATH, page, async (c) => {
    const own = await readOwnFactors(c.var.cx, readSessionCookie(c))
    if (own === null) return signInFirst(c, SECURITY_PATH, own)
    if (firstRequirement(own.lacking) !== null) return askFirst(c, SECURITY_PATH)
    return showSecurity(c, own)
  })

  /** Database round trips: 2. */
  routes.post(SECURITY_PATH, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    const action = form.get('action')
    const own = await readOwnFactors(cx, readSessionCookie(c))
    if (own === null || !own.isFresh) return signInFirst(c, SECURITY_PATH, own)
    if (firstRequirement(own.lacking) !== null) return askFirst(c, SECURITY_PATH)
    const id = form.get('factor') ?? ''
    if (action === 'remove') {
      const result = await removeOwnFactor(cx, own, id)
      if (result === 'removed') return c.redirect(SECURITY_PATH, 303)
      return refuse(c, own, `security.${result}`, result)
    }
    if (action === 'rename') {
      const name = form.get('name')?.trim() ?? ''
      if (!isName(name)) return refuse(c, own, 'security.name_refused', 'factor_name')
      await renameOwnPasskey(cx, own, { id, name })
      return c.redirect(SECURITY_PATH, 303)
    }
    if (action !== 'codes') throw unknownAction()
    const codes = await renewRecoveryCodes(cx, own)
    return codes === null
      ? c.redirect(SECURITY_PATH, 303)
      : c.html(recoveryCodesPage({ codes, onward: SECURITY_PATH }, await pageMessages(c)))
  })

  /** Database round trips: 1. */
  routes.get(ADD, page, async (c) => {
    const { cx } = c.var
    const own = await readOwnFactors(cx, readSessionCookie(c))
    if (own === null || !own.isFresh) return signInFirst(c, ADD, own)
    if (firstRequirement(own.lacking) !== null) return askFirst(c, ADD)
    const m = await pageMessages(c)
    return offer(c, m, await offerApp(cx, own.session), m('security.default_name'), 200)
  })

  /** Database round trips: 2. */
  routes.post(ADD, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    if (form.get('action') !== 'add' && form.get('action') !== undefined) throw unknownAction()
    const own = await readOwnFactors(cx, readSessionCookie(c))
    if (own === null || !own.isFresh) return signInFirst(c, ADD, own)
    if (firstRequirement(own.lacking) !== null) return askFirst(c, ADD)
    const m = await pageMessages(c)
    const name = form.get('name')?.trim() || m('security.default_name')
    const input = { setup: form.get('setup') ?? '', code: form.get('code') ?? '', name }
    if (!isName(name)) {
      // A key is shown again only with the code that it was checked with, so a new one is offered.
      return offer(
        c,
        m,
        await offerApp(cx, own.session),
        m('security.default_name'),
        400,
        m('security.name_refused'),
      )
    }
    const added = await addApp(cx, own, input)
    if (added.outcome === 'added') {
      return added.codes === null
        ? c.redirect(SECURITY_PATH, 303)
        : c.html(recoveryCodesPage({ codes: added.codes, onward: SECURITY_PATH }, m))
    }
    const refusal = new OAuthError('access_denied', {
      description: added.outcome === 'refused' ? m('security.refused') : m('security.expired'),
      reason: added.outcome === 'refused' ? 'factor_code_wrong' : 'factor_setup_expired',
    })
    logRefusal(cx, refusal)
    const app = added.outcome === 'refused' ? added.app : await offerApp(cx, own.session)
    return offer(c, m, app, name, 400, refusal.description)
  })

  return routes
}

const isName = (name: string): boolean =>
  name !== '' && [...name].length <= NAME_MAX && isLegible(name)

const showSecurity = async (c: Http, own: OwnFactors, error?: string) =>
  c.html(
    securityPage(
      {
        email: own.session.user_email,
        csrf: csrfToken(c),
        factors: own.factors,
        codes_left: own.codes_left,
        ...(error === undefined ? {} : { error }),
      },
      await pageMessages(c),
    ),
    error === undefined ? 200 : 400,
  )

async function refuse(c: Http, own: OwnFactors, key: PlainKey, reason: Reason) {
  const description = (await pageMessages(c))(key)
  logRefusal(c.var.cx, new OAuthError('invalid_request', { description, reason }))
  return showSecurity(c, own, description)
}

const offer = (
  c: Http,
  m: Messages,
  app: NewApp,
  name: string,
  status: 200 | 400,
  error?: string,
) =>
  c.html(
    newAppPage({ ...app, name, csrf: csrfToken(c), ...(error === undefined ? {} : { error }) }, m),
    status,
  )

/**
 * The person comes back to where the sign-in was missing; a form that was sent is sent anew. Where
 * the sign-in is of the last minutes, the second factor alone is asked for: a browser that is
 * trusted brings none.
 */
export const signInFirst = (c: Http, return_to: string, own: OwnFactors | null = null) => {
  const isJust = own !== null && isJustSignedIn(c.var.cx, own.session)
  const query = new URLSearchParams({ return_to })
  if (isJust && own.factors.length > 0) query.set('step_up', '1')
  return c.redirect(`/login?${query}`, 303)
}

/** To the page that asks for what is missing, and then back. */
export const askFirst = (c: Http, return_to: string) =>
  c.redirect(continuePath(c.var.cx, return_to), 303)

const unknownAction = () =>
  new OAuthError('invalid_request', {
    description: english('form.action'),
    reason: 'unknown_action',
  })
