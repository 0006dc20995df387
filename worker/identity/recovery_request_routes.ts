// Page /recover: a person asks for a link to a new password.
import { Hono } from 'hono'
import { type Env, readForm, readQuery } from '../http.ts'
import { page } from '../pages/page_headers.ts'
import { recoveryRequestPage, recoverySentPage } from '../pages/recovery_page.ts'
import { assertCsrf } from './csrf.ts'
import { readKnownBrowsers } from './known_browsers/known_browsers.ts'
import {
  type AddressFormRoute,
  showAddressForm,
  takeAddressForm,
} from './mail/address_form_routes.ts'
import { requestRecovery } from './recovery_request.ts'
import { readJourney } from './return_to.ts'

export const RECOVERY_PATH = '/recover'

const FORM: AddressFormRoute = {
  page: recoveryRequestPage,
  sentPage: recoverySentPage,
  limited: 'recovery_limited',
  request: (c, input) => requestRecovery(c.var.cx, { ...input, browsers: readKnownBrowsers(c) }),
}

export function recoveryRequestRoutes(): Hono<Env> {
  const routes = new Hono<Env>()

  /** Database round trips: 0. */
  routes.get(RECOVERY_PATH, page, (c) => {
    const query = readQuery(c)
    const email = query.get('login_hint') ?? ''
    return showAddressForm(c, FORM, readJourney(c.var.cx, query), { email, status: 200 })
  })

  /** Database round trips: 2. */
  routes.post(RECOVERY_PATH, page, async (c) => {
    const form = await readForm(c)
    assertCsrf(c, form)
    return takeAddressForm(c, FORM, form, readJourney(c.var.cx, form))
  })

  return routes
}
