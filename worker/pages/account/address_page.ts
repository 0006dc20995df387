// Pages about the address and the password of an account.
import { html } from 'hono/html'
import type { Messages } from '../../messages/messages.ts'
import { alert, csrfField, type Html, hiddenFields, person, sentence, shell } from '../shell.ts'

const invalid = (error: string | undefined, hint = ''): Html => {
  const described = [hint, error === undefined ? '' : 'alert'].filter((one) => one !== '')
  const wrong = error === undefined ? html`` : html` aria-invalid="true"`
  return described.length === 0 ? html`` : html`${wrong} aria-describedby="${described.join(' ')}"`
}

export type AddressValues = { email: string; typed: string; csrf: string; error?: string }

export function addressPage(v: AddressValues, m: Messages): Html {
  const body = html`<h1>${m('address.title')}</h1>
<p class="lead">${m('address.lead')}</p>
${person({ label: m('address.present'), email: v.email })}
${alert(v.error)}
<form method="post" action="/account/email">
${csrfField(v.csrf)}
<label for="email">${m('address.new')}</label>
<input id="email" name="email" type="text" inputmode="email" value="${v.typed}" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="254" required autofocus${invalid(v.error)}>
<div class="actions">
<button class="primary" type="submit" name="action" value="send">${m('address.submit')}</button>
</div>
</form>
<p class="beside after"><a href="/account">${m('security.back')}</a></p>`
  return shell({ title: m('address.title'), body }, m)
}

/** A sentence about an address, after something was done, and a way on. */
export function addressDonePage(
  v: { done: 'sent' | 'done' | 'added' | 'undone'; email: string },
  m: Messages,
): Html {
  const title = m(v.done === 'sent' ? 'address.sent_title' : 'address.done_title')
  const body = html`<h1>${title}</h1>
<p class="lead">${sentence(m, `address.${v.done}`, { email: v.email })}</p>
<div class="actions"><a class="button" href="/account">${m('security.back')}</a></div>`
  return shell({ title, body }, m)
}

export type ConfirmAddressValues = {
  /** The present address of the account. */
  account: string
  email: string
  /** It is added to the present one, and does not take its place. */
  is_further: boolean
  token: string
  csrf: string
  error?: string
}

export function confirmAddressPage(v: ConfirmAddressValues, m: Messages): Html {
  const body = html`<h1>${m('address.confirm_title')}</h1>
${person({ label: m('address.account'), email: v.account })}
<p>${sentence(m, v.is_further ? 'address.confirm_further' : 'address.confirm_lead', { email: v.email })}</p>
${alert(v.error)}
<form method="post" action="/account/email/confirm">
${csrfField(v.csrf)}
${hiddenFields({ token: v.token })}
<div class="actions">
<button class="primary" type="submit" name="action" value="confirm">${m('address.confirm')}</button>
</div>
</form>`
  return shell({ title: m('address.confirm_title'), body }, m)
}

export type UndoAddressValues = {
  email: string
  token: string
  csrf: string
  password_min: number
  error?: string
}

export function undoAddressPage(v: UndoAddressValues, m: Messages): Html {
  const body = html`<h1>${m('address.undo_title')}</h1>
<p class="lead">${sentence(m, 'address.undo_lead', { email: v.email })}</p>
${alert(v.error)}
<form method="post" action="/account/email/undo">
${csrfField(v.csrf)}
${hiddenFields({ token: v.token })}
<input type="hidden" name="username" value="${v.email}" autocomplete="username">
<label for="password">${m('recovery.password')}</label>
<input id="password" name="password" type="password" autocomplete="new-password" minlength="${v.password_min}" required autofocus${invalid(v.error, 'password-hint')}>
<p class="hint" id="password-hint">${m('password.hint', { min: v.password_min })}</p>
<div class="actions">
<button class="primary" type="submit" name="action" value="undo">${m('address.undo')}</button>
</div>
</form>`
  return shell({ title: m('address.undo_title'), body }, m)
}

export type NewPasswordValues = {
  email: string
  csrf: string
  password_min: number
  error?: string
}

export function newPasswordPage(v: NewPasswordValues, m: Messages): Html {
  const body = html`<h1>${m('new_password.title')}</h1>
<p class="lead">${m('new_password.lead')}</p>
${alert(v.error)}
<form method="post" action="/account/password">
${csrfField(v.csrf)}
<input type="hidden" name="username" value="${v.email}" autocomplete="username">
<label for="present">${m('new_password.present')}</label>
<input id="present" name="present" type="password" autocomplete="current-password" required autofocus${invalid(v.error)}>
<label for="password">${m('new_password.new')}</label>
<input id="password" name="password" type="password" autocomplete="new-password" minlength="${v.password_min}" required${invalid(v.error, 'password-hint')}>
<p class="hint" id="password-hint">${m('password.hint', { min: v.password_min })}</p>
<div class="actions">
<button class="primary" type="submit" name="action" value="save">${m('new_password.submit')}</button>
</div>
</form>
<p class="beside after"><a href="/account">${m('security.back')}</a></p>`
  return shell({ title: m('new_password.title'), body }, m)
}
