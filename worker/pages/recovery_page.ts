// Pages on the way to a new password: the form that asks for a link, the form behind the link, and
// the page after each.
import { html } from 'hono/html'
import type { Messages } from '../messages/messages.ts'
import { type AddressFormValues, addressFormPage, mailSentPage } from './address_form.ts'
import { alert, csrfField, type Html, person, sentence, shell } from './shell.ts'

export type RecoveryValues = {
  token: string
  email: string
  csrf: string
  password_min: number
  error?: string
}

export function recoveryPage(v: RecoveryValues, m: Messages): Html {
  // The address stands in a field too, so that a password manager knows which account it is.
  const body = html`<h1>${m('recovery.title')}</h1>
<p class="lead">${m('recovery.lead')}</p>
${person({ label: m('recovery.account'), email: v.email })}
${alert(v.error)}
<form method="post" action="/recover/password">
${csrfField(v.csrf)}
<input type="hidden" name="token" value="${v.token}">
<input type="hidden" name="username" value="${v.email}" autocomplete="username">
<label for="password">${m('recovery.password')}</label>
<input id="password" name="password" type="password" autocomplete="new-password" minlength="${v.password_min}" aria-describedby="password-hint${v.error === undefined ? '' : ' alert'}" required autofocus>
<p class="hint" id="password-hint">${m('password.hint', { min: v.password_min })}</p>
<div class="actions">
<button class="primary" type="submit" name="action" value="save">${m('recovery.submit')}</button>
</div>
</form>`
  return shell({ title: m('recovery.title'), body }, m)
}

/** Page after a new password was set. */
export function recoveredPage(m: Messages): Html {
  const body = html`<h1>${m('recovery.done_title')}</h1>
<p class="lead">${m('recovery.done')}</p>
<div class="actions"><a class="button" href="/login">${m('recovery.sign_in')}</a></div>`
  return shell({ title: m('recovery.done_title'), body }, m)
}

const REQUEST_FORM = {
  action: '/recover',
  title: 'recovery_request.title',
  lead: 'recovery_request.lead',
  submit: 'recovery_request.submit',
  back: 'recovery_request.back',
} as const

export const recoveryRequestPage = (v: AddressFormValues, m: Messages): Html =>
  addressFormPage(v, REQUEST_FORM, m)

export function recoverySentPage(v: { email: string; back: string }, m: Messages): Html {
  const sent = html`${sentence(m, 'recovery_request.sent', { email: v.email })}`
  const texts = { title: 'recovery_request.sent_title', back: REQUEST_FORM.back } as const
  return mailSentPage({ sent, back: v.back }, texts, m)
}
