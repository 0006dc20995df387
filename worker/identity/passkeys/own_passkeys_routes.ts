// Page /account/security/passkey: a person adds a passkey. The one page that needs script.
import { Hono } from 'hono'
import { OAuthError } from '../../errors.ts'
import { type Env, type Http, readForm } from '../../http.ts'
import type { Messages } from '../../messages/messages.ts'
import { newPasskeyPage, recoveryCodesPage } from '../../pages/account/security_page.ts'
import { pageMessages } from '../../pages/language.ts'
import { page, pageHeaders } from '../../pages/page_headers.ts'
import { PASSKEY_SCRIPT } from '../../pages/passkey_form.ts'
import { logRefusal } from '../../refusal_log.ts'
import type { Reason } from '../../refusals.ts'
import { assertCsrf, csrfToken } from '../csrf.ts'
import { type OwnFactors, readOwnFactors } from '../factors/own_factors.ts'
import { askFirst, SECURITY_PATH, signInFirst } from '../factors/own_factors_routes.ts'
import { firstRequirement } from '../requirements.ts'
import { readSessionCookie } from '../sessions.ts'
import { addPasskey, offerPasskey } from './own_passkeys.ts'

const PATH = `${SECURITY_PATH}/passkey`

export function ownPasskeysRoutes(): Hono<Env> {
  const routes = new Hono<Env>()

  /** Database round trips: 1. */
  routes.get(PATH, page, async (c) => {
    const own = await readOwnFactors(c.var.cx, readSessionCookie(c))
    if (own === null || !own.isFresh) return signInFirst(c, PATH, own)
    if (firstRequirement(own.lacking) !== null) return askFirst(c, PATH)
    return show(c, own)
  })

  /** Database round trips: 2. */
  routes.post(PATH, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    const own = await readOwnFactors(cx, readSessionCookie(c))
    if (own === null || !own.isFresh) return signInFirst(c, PATH, own)
    if (firstRequirement(own.lacking) !== null) return askFirst(c, PATH)
    const m = await pageMessages(c)
    const added = await addPasskey(cx, own, {
      response: form.get('passkey') ?? '',
      user_handle: form.get('user_handle') ?? '',
      name: m('security.passkey_name'),
    })
    if (added.outcome === 'added') {
      return added.codes === null
        ? c.redirect(SECURITY_PATH, 303)
        : c.html(recoveryCodesPage({ codes: added.codes, onward: SECURITY_PATH }, m))
    }
    const description = sentenceOf(m, added.reason)
    logRefusal(cx, new OAuthError('access_denied', { description, reason: added.reason }))
    return show(c, own, description)
  })

  return routes
}

export function sentenceOf(m: Messages, reason: Reason): string {
  if (reason === 'passkey_challenge') return m('passkey.expired')
  if (reason === 'passkey_many') return m('security.passkey_many')
  return reason === 'passkey_taken' ? m('security.passkey_taken') : m('security.passkey_refused')
}

async function show(c: Http, own: OwnFactors, error?: string) {
  const passkey = await offerPasskey(c.var.cx, own)
  pageHeaders(c, [], { script: PASSKEY_SCRIPT })
  const shown = { csrf: csrfToken(c), passkey, ...(error === undefined ? {} : { error }) }
  return c.html(newPasskeyPage(shown, await pageMessages(c)), error === undefined ? 200 : 400)
}
