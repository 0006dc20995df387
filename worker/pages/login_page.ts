// The form with which people sign in. The refusal is one text for every reason: an account that
// does not exist reads like a wrong password.
import { html } from 'hono/html'
import type { Messages } from '../messages/messages.ts'
import { passkeyForm } from './passkey_form.ts'
import {
  alert,
  csrfField,
  documents,
  type Html,
  hiddenFields,
  type Introduction,
  logo,
  sentence,
  shell,
} from './shell.ts'

export type LoginValues = {
  /** The kinds of names that sign in. */
  names: keyof typeof LABELS
  /** The text that was typed, or the login hint. */
  username: string
  /** Fields that carry the target, sent back as they came. */
  carried: Readonly<Record<string, string>>
  csrf: string
  /** Address of the page for those who have no password at hand. */
  forgotten: string
  /** Address of the page for those who have no account; null where it is not offered. */
  sign_up: string | null
  /** Address of the page that mails a link; null where it is not offered. */
  link: string | null
  /** About what was typed. */
  error?: string
  /** About a passkey: the fields are not marked. */
  passkey_error?: string
  /** The application that sent the person here, if it introduces itself. */
  client?: Introduction | null
  /** The question for a passkey of anybody; null where there can be none. */
  passkey: object | null
}

const LABELS = {
  email: 'sign_in.email',
  user_name: 'sign_in.user_name',
  both: 'sign_in.email_or_user_name',
} as const

export function loginPage(v: LoginValues, m: Messages): Html {
  const failed = v.error !== undefined
  const invalid = failed ? html` aria-invalid="true" aria-describedby="alert"` : html``
  // The cursor stands in the next field to type in.
  const hasUsername = v.username !== ''
  const client = v.client ?? null
  const sender =
    client === null
      ? html``
      : html`${logo(client)}<p class="lead">${sentence(m, 'sign_in.lead', { client: client.client_name })}</p>`
  const { carried, csrf } = v
  const passkey =
    v.passkey === null
      ? html``
      : passkeyForm(
          {
            action: '/login',
            csrf,
            carried,
            publicKey: v.passkey,
            isNew: false,
            button: m('passkey.sign_in'),
            hasAutofill: v.passkey_error === undefined,
          },
          m,
        )
  const body = html`<h1>${m('sign_in.title')}</h1>
${sender}
${alert(v.error ?? v.passkey_error)}
<form method="post" action="/login">
${csrfField(v.csrf)}
${hiddenFields(v.carried)}
<label for="username">${m(LABELS[v.names])}</label>
<input id="username" name="username" type="text" inputmode="${v.names === 'email' ? 'email' : 'text'}" value="${v.username}" autocomplete="username webauthn" autocapitalize="none" spellcheck="false" maxlength="254" required${hasUsername ? '' : ' autofocus'}${invalid}>
<label for="password">${m('sign_in.password')}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required${hasUsername ? ' autofocus' : ''}${invalid}>
<div class="actions">
<button class="primary" type="submit" name="action" value="login">${m('sign_in.submit')}</button>
</div>
</form>
${passkey}
<p class="beside after"><a href="${v.forgotten}">${m('sign_in.forgotten')}</a></p>
${v.link === null ? html`` : html`<p class="beside"><a href="${v.link}">${m('sign_in.link')}</a></p>`}
${v.sign_up === null ? html`` : html`<p class="beside"><a href="${v.sign_up}">${m('sign_in.sign_up')}</a></p>`}
${client === null ? html`` : documents(client, m)}`
  return shell({ title: m('sign_in.title'), body }, m)
}
