// Pages of a sign-up: the address, the page after it, and the account behind the link.
import { html } from 'hono/html'
import type { Messages } from '../messages/messages.ts'
import { alert, csrfField, type Html, hiddenFields, person, sentence, shell } from './shell.ts'

export type SignUpValues = {
  email: string
  /** Fields that carry the target, sent back as they came. */
  carried: Readonly<Record<string, string>>
  back: string
  csrf: string
  error?: string
}

export function signUpPage(v: SignUpValues, m: Messages): Html {
  const invalid =
    v.error === undefined ? html`` : html` aria-invalid="true" aria-describedby="alert"`
  const body = html`<h1>${m('sign_up.title')}</h1>
<p class="lead">${m('sign_up.lead')}</p>
${alert(v.error)}
<form method="post" action="/sign-up">
${csrfField(v.csrf)}
${hiddenFields(v.carried)}
<label for="email">${m('sign_in.email')}</label>
<input id="email" name="email" type="text" inputmode="email" value="${v.email}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="254" required autofocus${invalid}>
<div class="actions">
<button class="primary" type="submit" name="action" value="send">${m('sign_up.submit')}</button>
</div>
</form>
<p class="beside after"><a href="${v.back}">${m('sign_up.back')}</a></p>`
  return shell({ title: m('sign_up.title'), body }, m)
}

/** The same page for every address, whether it has an account or none. */
export function signUpSentPage(v: { email: string; back: string }, m: Messages): Html {
  const body = html`<h1>${m('sign_up.sent_title')}</h1>
<p class="lead">${sentence(m, 'sign_up.sent', { email: v.email })}</p>
<p class="beside"><a href="${v.back}">${m('sign_up.back')}</a></p>`
  return shell({ title: m('sign_up.sent_title'), body }, m)
}

export type NewAccountValues = {
  email: string
  name: string
  token: string
  csrf: string
  password_min: number
  error?: string
}

export function newAccountPage(v: NewAccountValues, m: Messages): Html {
  const described = v.error === undefined ? '' : ' alert'
  const body = html`<h1>${m('sign_up.account_title')}</h1>
${person({ label: m('sign_in.email'), email: v.email })}
${alert(v.error)}
<form method="post" action="/sign-up/confirm">
${csrfField(v.csrf)}
${hiddenFields({ token: v.token })}
<input type="hidden" name="username" value="${v.email}" autocomplete="username">
<label for="name">${m('sign_up.name')}</label>
<input id="name" name="name" type="text" value="${v.name}" autocomplete="off" maxlength="200" autofocus>
<label for="password">${m('sign_in.password')}</label>
<input id="password" name="password" type="password" autocomplete="new-password" minlength="${v.password_min}" aria-describedby="password-hint${described}" required>
<p class="hint" id="password-hint">${m('password.hint', { min: v.password_min })}</p>
<div class="actions">
<button class="primary" type="submit" name="action" value="create">${m('sign_up.create')}</button>
</div>
</form>`
  return shell({ title: m('sign_up.account_title'), body }, m)
}
