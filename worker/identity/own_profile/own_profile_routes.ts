// Page /account/profile.
import { Hono } from 'hono'
import { OAuthError } from '../../errors.ts'
import { type Env, type Http, readForm } from '../../http.ts'
import { english } from '../../messages/messages.ts'
import { type ProfileField, profilePage } from '../../pages/account/profile_page.ts'
import { pageMessages } from '../../pages/language.ts'
import { page } from '../../pages/page_headers.ts'
import { logRefusal } from '../../refusal_log.ts'
import { loadSettings } from '../../settings.ts'
import { assertCsrf, csrfToken } from '../csrf.ts'
import { continuePath, firstRequirement } from '../requirements.ts'
import { readSessionCookie } from '../sessions.ts'
import { changeOwnProfile, type OwnProfile, readOwnProfile } from './own_profile.ts'
import { fieldOf } from './profile_fields.ts'

export const PROFILE_PATH = '/account/profile'

export function ownProfileRoutes(): Hono<Env> {
  const routes = new Hono<Env>()

  /** Database round trips: 1. */
  routes.get(PROFILE_PATH, page, async (c) => {
    const own = await readOwnProfile(c.var.cx, readSessionCookie(c))
    return own === null || firstRequirement(own.lacking) !== null ? elsewhere(c, own) : show(c, own)
  })

  /** Database round trips: 2. */
  routes.post(PROFILE_PATH, page, async (c) => {
    const { cx } = c.var
    const form = await readForm(c)
    assertCsrf(c, form)
    const own = await readOwnProfile(cx, readSessionCookie(c))
    if (own === null || firstRequirement(own.lacking) !== null) return elsewhere(c, own)
    const values = (name: string) => form.get(name)
    const result = await changeOwnProfile(cx, own, values)
    if (result.outcome === 'saved') return show(c, own, { values, state: 'saved' })
    if (result.outcome === 'faulty') {
      return show(c, own, { values, state: 'faulty', faulty: result.names })
    }
    const description = english('profile.outrun')
    logRefusal(cx, new OAuthError('invalid_request', { description, reason: 'profile_outrun' }))
    return show(c, own, { values, state: 'outrun' })
  })

  return routes
}

const elsewhere = (c: Http, own: OwnProfile | null): Response =>
  c.redirect(
    own === null ? `/login?return_to=${PROFILE_PATH}` : continuePath(c.var.cx, PROFILE_PATH),
    303,
  )

type Sent = { values: (name: string) => string | undefined } & (
  | { state: 'saved' | 'outrun' }
  | { state: 'faulty'; faulty: readonly string[] }
)

async function show(c: Http, { session, user }: OwnProfile, sent?: Sent): Promise<Response> {
  const { own_profile_fields, required_profile_fields } = await loadSettings(c.var.cx)
  const m = await pageMessages(c)
  const faulty = sent?.state === 'faulty' ? sent.faulty : []
  const fields = own_profile_fields.map(
    (name): ProfileField => ({
      name,
      value: (sent?.values(name)?.trim() ?? fieldOf(user, name)).slice(0, 200),
      isFaulty: faulty.includes(name),
      isRequired: required_profile_fields.includes(name),
    }),
  )
  const names = fields.filter(({ isFaulty }) => isFaulty).map(({ name }) => m(`field.${name}`))
  const said =
    sent?.state === 'saved'
      ? { saved: m('profile.saved') }
      : sent?.state === 'outrun'
        ? { error: m('profile.outrun') }
        : names.length > 0
          ? { error: m('missing.profile_fault', { fields: m.list(names) }) }
          : {}
  const status = sent === undefined || sent.state === 'saved' ? 200 : 400
  const { user_email: email } = session
  return c.html(profilePage({ email, csrf: csrfToken(c), fields, ...said }, m), status)
}
