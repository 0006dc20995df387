// The form that asks for an address to which something is mailed, shown and taken: for a new
// password, an account, and a link that signs in. The answer is one for every address.
import { emailFault } from '../../email_address.ts'
import { OAuthError } from '../../errors.ts'
import type { Form, Http } from '../../http.ts'
import type { Messages } from '../../messages/messages.ts'
import type { AddressFormValues } from '../../pages/address_form.ts'
import { pageMessages } from '../../pages/language.ts'
import type { Html } from '../../pages/shell.ts'
import { logRefusal } from '../../refusal_log.ts'
import type { Reason } from '../../refusals.ts'
import { csrfToken } from '../csrf.ts'
import { type Journey, withJourney } from '../return_to.ts'

const EMAIL_MAX = 254

export type AddressFormRoute = {
  page(values: AddressFormValues, m: Messages): Html
  sentPage(values: { email: string; back: string }, m: Messages): Html
  /** The reason in the log where a network address asks for too many. */
  limited: Reason
  request(
    c: Http,
    input: { email: string; locale: string; journey: Readonly<Record<string, string>> },
  ): Promise<{ outcome: 'taken' } | { outcome: 'too_many_requests'; retry_after: number }>
}

/** Shows the form. No round trip when warm. */
export async function showAddressForm(
  c: Http,
  route: AddressFormRoute,
  journey: Journey,
  { status, email, error }: { email: string; error?: string; status: 200 | 400 | 429 },
): Promise<Response> {
  const values = {
    email: email.slice(0, EMAIL_MAX),
    carried: journey.carried,
    back: withJourney('/login', journey),
    csrf: csrfToken(c),
    ...(error === undefined ? {} : { error }),
  }
  return c.html(route.page(values, await pageMessages(c, journey)), status)
}

/** Takes the form, whose token the caller has checked. Round trips: those of `request`. */
export async function takeAddressForm(
  c: Http,
  route: AddressFormRoute,
  form: Form,
  journey: Journey,
): Promise<Response> {
  const m = await pageMessages(c, journey)
  const email = form.get('email')?.trim() ?? ''
  if (emailFault(email) !== null) {
    const error = m('form.email_invalid')
    return showAddressForm(c, route, journey, { email, error, status: 400 })
  }
  const taken = await route.request(c, { email, locale: m.locale, journey: journey.carried })
  if (taken.outcome === 'too_many_requests') {
    const description = m('recovery_request.too_many')
    c.header('Retry-After', String(taken.retry_after))
    logRefusal(
      c.var.cx,
      new OAuthError('too_many_requests', { description, reason: route.limited }),
    )
    return showAddressForm(c, route, journey, { email, error: description, status: 429 })
  }
  return c.html(route.sentPage({ email, back: withJourney('/login', journey) }, m))
}
