// Pages on the way to a new password: the form that asks for a link, the form behind the link, and
// the page after each.
import { html } from 'hono/html'
import type { Messages } from '../messages/messages.ts'
import { alert, csrfField, type Html, hiddenFields, person, sentence, shell } from './shell.ts'

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

export type RecoveryRequestValues = {
  email: string
  /** Fields that carry the target, sent back as they came. */
  carried: Readonly<Record<string, string>>
  back: string
  csrf: string
  error?: string
}

export function recoveryRequestPage(v: RecoveryRequestValues, m: Messages): Html {
  const invalid =
    v.error === undefined ? html`` : html` aria-invalid="true" aria-describedby="alert"`
  const body = html`<h1>${m('recovery_request.title')}</h1>
<p class="lead">${m('recovery_request.lead')}</p>
${alert(v.error)}
<form method="post" action="/recover">
${csrfField(v.csrf)}
${hiddenFields(v.carried)}
<label for="email">${m('recovery_request.email')}</label>
<input id="email" name="email" type="text" inputmode="email" value="${v.email}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="254" required autofocus${invalid}>
<div class="actions">
<button class="primary" type="submit" name="action" value="send">${m('recovery_request.submit')}</button>
</div>
</form>
<p class="beside after"><a href="${v.back}">${m('recovery_request.back')}</a></p>`
  return shell({ title: m('recovery_request.title'), body }, m)
}

/** The same page for every address, whether it has an account or none. */
export function recoverySentPage(v: { email: string; back: string }, m: Messages): Html {
  const body = html`<h1>${m('recovery_request.sent_title')}</h1>
<p class="lead">${sentence(m, 'recovery_request.sent', { email: v.email })}</p>
<p class="beside"><a href="${v.back}">${m('recovery_request.back')}</a></p>`
  return shell({ title: m('recovery_request.sent_title'), body }, m)
}
