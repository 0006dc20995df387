// The form for an address to which something is mailed, and the page after it, which is the same
// for every address.
import { html } from 'hono/html'
import type { PlainKey } from '../messages/catalogues.ts'
import type { Messages } from '../messages/messages.ts'
import { alert, csrfField, type Html, hiddenFields, shell } from './shell.ts'

export type AddressFormValues = {
  email: string
  /** Fields that carry the target, sent back as they came. */
  carried: Readonly<Record<string, string>>
  back: string
  csrf: string
  error?: string
}

/** Path to which the form is sent, and the texts of the page. */
export type AddressForm = {
  action: '/recover' | '/sign-up' | '/login/link'
  title: PlainKey
  lead: PlainKey
  submit: PlainKey
  back: PlainKey
}

export function addressFormPage(v: AddressFormValues, form: AddressForm, m: Messages): Html {
  const invalid =
    v.error === undefined ? html`` : html` aria-invalid="true" aria-describedby="alert"`
  const body = html`<h1>${m(form.title)}</h1>
<p class="lead">${m(form.lead)}</p>
${alert(v.error)}
<form method="post" action="${form.action}">
${csrfField(v.csrf)}
${hiddenFields(v.carried)}
<label for="email">${m('sign_in.email')}</label>
<input id="email" name="email" type="text" inputmode="email" value="${v.email}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="254" required autofocus${invalid}>
<div class="actions">
<button class="primary" type="submit" name="action" value="send">${m(form.submit)}</button>
</div>
</form>
<p class="beside after"><a href="${v.back}">${m(form.back)}</a></p>`
  return shell({ title: m(form.title), body }, m)
}

/** The page after it. `sent` is its sentence. */
export function mailSentPage(
  v: { sent: Html; back: string },
  texts: { title: PlainKey; back: PlainKey },
  m: Messages,
): Html {
  const body = html`<h1>${m(texts.title)}</h1>
<p class="lead">${v.sent}</p>
<p class="beside"><a href="${v.back}">${m(texts.back)}</a></p>`
  return shell({ title: m(texts.title), body }, m)
}
