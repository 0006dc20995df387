// Pages of a sign-up: the address, the page after it, and the account behind the link.
import { html } from 'hono/html'
import type { Messages } from '../messages/messages.ts'
import { type AddressFormValues, addressFormPage, mailSentPage } from './address_form.ts'
import { consentText, type TextValues } from './consents/consent_text.ts'
import { alert, csrfField, type Html, hiddenFields, person, sentence, shell } from './shell.ts'

const SIGN_UP_FORM = {
  action: '/sign-up',
  title: 'sign_up.title',
  lead: 'sign_up.lead',
  submit: 'sign_up.submit',
  back: 'sign_up.back',
} as const

export const signUpPage = (v: AddressFormValues, m: Messages): Html =>
  addressFormPage(v, SIGN_UP_FORM, m)

export function signUpSentPage(v: { email: string; back: string }, m: Messages): Html {
  const sent = html`${sentence(m, 'sign_up.sent', { email: v.email })}`
  const texts = { title: 'sign_up.sent_title', back: SIGN_UP_FORM.back } as const
  return mailSentPage({ sent, back: v.back }, texts, m)
}

/** A required text with its box. */
export type TextToAccept = TextValues & { box: string; shown: string; isTicked: boolean }

export type NewAccountValues = {
  email: string
  name: string
  token: string
  csrf: string
  password_min: number
  texts: readonly TextToAccept[]
  error?: string
}

export function newAccountPage(v: NewAccountValues, m: Messages): Html {
  const body = html`<h1>${m('sign_up.account_title')}</h1>
${person({ label: m('sign_in.email'), email: v.email })}
${alert(v.error)}
${newAccountForm(v, '/sign-up/confirm', m)}`
  return shell({ title: m('sign_up.account_title'), body }, m)
}

/** The form in which an account is made, sent to the path of `action`; `more` are further fields. */
export function newAccountForm(
  v: NewAccountValues,
  action: string,
  m: Messages,
  more: Html = html``,
): Html {
  const described = v.error === undefined ? '' : ' alert'
  return html`<form method="post" action="${action}">
${csrfField(v.csrf)}
${hiddenFields({ token: v.token })}
<input type="hidden" name="username" value="${v.email}" autocomplete="username">
<label for="name">${m('sign_up.name')}</label>
<input id="name" name="name" type="text" value="${v.name}" autocomplete="off" maxlength="200" autofocus>
<label for="password">${m('sign_in.password')}</label>
<input id="password" name="password" type="password" autocomplete="new-password" minlength="${v.password_min}" aria-describedby="password-hint${described}" required>
<p class="hint" id="password-hint">${m('password.hint', { min: v.password_min })}</p>
${v.texts.map((one) => textToAccept(one, m))}
${more}
<div class="actions">
<button class="primary" type="submit" name="action" value="create">${m('sign_up.create')}</button>
</div>
</form>`
}

/** Title, words or link, and the box without which the form is not taken. */
function textToAccept(v: TextToAccept, m: Messages): Html {
  const title = html`<bdi lang="${v.locale}">${v.title}</bdi>`
  const text =
    v.url === undefined
      ? html`<details class="text">
<summary>${sentence(m, 'missing.read', { title })}</summary>
${consentText(v, m)}
</details>`
      : consentText(v, m)
  return html`<div class="to-accept">
${text}
<p class="check"><input id="${v.box}" name="${v.box}" type="checkbox" value="${v.shown}" autocomplete="off" required${v.isTicked ? ' checked' : ''}><label for="${v.box}">${sentence(m, 'sign_up.accept', { title })}</label></p>
</div>`
}
