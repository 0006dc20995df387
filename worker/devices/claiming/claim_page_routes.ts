// Page /claim: a person types the code of a box, or opens its QR, chooses a place and confirms. A
// GET changes nothing. For the way over the login page the code waits in a cookie, as the links of
// mailed offers do, since the address of that page may be seen.
import { Hono } from 'hono'
import { isLegible } from '../../api/legible_text.ts'
import { OAuthError } from '../../errors.ts'
import { type Env, type Form, type Http, readForm, readQuery } from '../../http.ts'
import { assertAction, assertCsrf, csrfToken } from '../../identity/csrf.ts'
import { continuePath, firstRequirement } from '../../identity/requirements.ts'
import { readSessionCookie } from '../../identity/sessions.ts'
import { english, type Messages } from '../../messages/messages.ts'
import {
  claimCodePage,
  claimedPage,
  claimPage,
  claimSignInPage,
} from '../../pages/account/claim_page.ts'
import { pageMessages } from '../../pages/language.ts'
import { page } from '../../pages/page_headers.ts'
import { logRefusal } from '../../refusal_log.ts'
import type { Reason } from '../../refusals.ts'
import { readCookie, writeCookie } from '../../web/cookies.ts'
import { CLAIM_PATH, readClaimCode } from './claim_code.ts'
import {
  claimDeviceByCode,
  NEW_PLACE,
  type OpenedClaim,
  openClaim,
  type Place,
  type WantedPlace,
} from './person_claims.ts'

const COOKIE = 'claim'
const COOKIE_TTL = 3600
const NAME_MAX = 200

const refusal = (reason: Reason) =>
  new OAuthError('access_denied', { description: english('claim.dead'), reason })

/** Database round trips: 1 for a GET, 2 for a POST (3: see `claimDeviceByCode`). */
export function claimPageRoutes(): Hono<Env> {
  const routes = new Hono<Env>()

  routes.get(CLAIM_PATH, page, async (c) => {
    const query = readQuery(c)
    // The way to another code passes over the one that waits.
    const waiting = query.get('another') === undefined ? readCookie(c, COOKIE) : undefined
    const text = query.get('token') ?? waiting
    if (text === undefined) return typeCode(c)
    const code = readClaimCode(text)
    return code === null ? refuse(c, 'claim_code_dead') : look(c, code)
  })

  routes.post(CLAIM_PATH, page, async (c) => {
    const form = await readForm(c)
    assertCsrf(c, form)
    const action = assertAction(form, ['look', 'login', 'claim'])
    const code = readClaimCode(form.get('token') ?? form.get('code'))
    if (code === null) return refuse(c, 'claim_code_dead')
    if (action === 'look') return look(c, code)
    if (action === 'login') {
      // Others may look at the address bar, so the code is not in it.
      writeCookie(c, COOKIE, code, COOKIE_TTL)
      return c.redirect(`/login?${new URLSearchParams({ return_to: CLAIM_PATH })}`, 303)
    }
    return claim(c, code, form)
  })

  return routes
}

async function look(c: Http, code: string): Promise<Response> {
  const opened = await openClaim(c.var.cx, code, readSessionCookie(c))
  if (opened === null) return refuse(c, 'claim_code_dead')
  return 'own' in opened ? showClaimed(c, opened.own) : show(c, opened, code)
}

/** The place that the form names; null for none that could be. */
function readPlace(form: Form, role: string | null): WantedPlace | null {
  const id = form.get('place')
  if (id !== NEW_PLACE) return id === undefined ? null : { id }
  const name = form.get('name')?.trim() ?? ''
  const isName = name !== '' && [...name].length <= NAME_MAX && isLegible(name)
  return isName && role !== null ? { name, role } : null
}

async function claim(c: Http, code: string, form: Form, tries = 2): Promise<Response> {
  const { cx } = c.var
  const opened = await openClaim(cx, code, readSessionCookie(c), form.get('place'))
  if (opened === null) return refuse(c, 'claim_code_dead')
  if ('own' in opened) return showClaimed(c, opened.own)
  const { session, lacking } = opened
  // The session ended while the page was open: the page offers the way anew.
  if (session === null) return show(c, opened, code)
  if (firstRequirement(lacking) !== null) return askFirst(c, code)
  const place = readPlace(form, opened.role)
  if (place === null) return show(c, opened, code, { form, error: 'claim.place_needed' })
  const result = await claimDeviceByCode(cx, opened, session, place)
  if (result.outcome === 'dead') {
    // The same form may have been quicker.
    const again = await openClaim(cx, code, readSessionCookie(c))
    const isOwn = again !== null && 'own' in again
    return isOwn ? showClaimed(c, again.own) : refuse(c, result.reason)
  }
  if (result.outcome === 'changed' && tries > 1) return claim(c, code, form, tries - 1)
  if (result.outcome === 'no_place' || result.outcome === 'changed') {
    logRefusal(cx, refusal('claim_code_place'))
    return show(c, opened, code, { form, error: 'claim.place_refused' })
  }
  if (result.outcome === 'too_wide') {
    logRefusal(cx, refusal('too_many_rules'))
    return show(c, opened, code, { form, error: 'claim.too_wide' })
  }
  return showClaimed(c, result.place)
}

async function showClaimed(c: Http, { name }: Place): Promise<Response> {
  writeCookie(c, COOKIE, '', 0)
  const m = await pageMessages(c, { path: null })
  return c.html(claimedPage({ place: name }, m))
}

/** To the page that asks for what is missing, and then back; the code waits in the cookie. */
function askFirst(c: Http, code: string): Response {
  writeCookie(c, COOKIE, code, COOKIE_TTL)
  return c.redirect(continuePath(c.var.cx, CLAIM_PATH), 303)
}

async function show(
  c: Http,
  { code, session, lacking, places, role }: OpenedClaim,
  token: string,
  refused?: { form: Form; error: 'claim.place_needed' | 'claim.place_refused' | 'claim.too_wide' },
): Promise<Response> {
  if (session !== null && firstRequirement(lacking) !== null) return askFirst(c, token)
  const m = await pageMessages(c, { path: null })
  const device = {
    type: typeInWords(code, m),
    name: code.name,
    serial: code.serial,
    token,
    csrf: csrfToken(c),
  }
  if (session === null) return c.html(claimSignInPage(device, m))
  const newPlace = role === null ? null : NEW_PLACE
  const values = {
    ...device,
    account: { email: session.user_email, name: session.user_name },
    places,
    newPlace,
    chosen: refused?.form.get('place') ?? places[0]?.id ?? NEW_PLACE,
    newName: refused?.form.get('name') ?? '',
    ...(refused === undefined ? {} : { error: m(refused.error) }),
  }
  return c.html(claimPage(values, m), refused === undefined ? 200 : 400)
}

/** The name of the type in the language of the page, as far as there is one. */
function typeInWords({ type, type_names }: OpenedClaim['code'], { locale }: Messages): string {
  const names = JSON.parse(type_names) as Record<string, string>
  return names[locale] ?? names['en'] ?? Object.values(names)[0] ?? type
}

async function typeCode(c: Http): Promise<Response> {
  const m = await pageMessages(c, { path: CLAIM_PATH })
  return c.html(claimCodePage({ csrf: csrfToken(c) }, m))
}

/** The same words whyever: a stranger learns nothing about a device that has an owner. */
async function refuse(c: Http, reason: Reason): Promise<Response> {
  logRefusal(c.var.cx, refusal(reason))
  writeCookie(c, COOKIE, '', 0)
  const m = await pageMessages(c, { path: CLAIM_PATH })
  return c.html(claimCodePage({ csrf: csrfToken(c), error: m('claim.dead') }, m), 403)
}
