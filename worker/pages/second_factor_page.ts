// The form for the second factor, between the password and the session.
import { html } from 'hono/html'
import { english, type Messages } from './messages.ts'
import { alert, csrfField, type Html, hiddenFields, person, shell } from './shell.ts'

export type SecondFactorValues = {
  email: string
  /** Fields that carry the target, sent back as they came. */
  carried: Readonly<Record<string, string>>
  /** Address of the form for another account. */
  other: string
  csrf: string
  error?: string
}

export function secondFactorPage(v: SecondFactorValues, m: Messages = english): Html {
  const t = m.secondFactor
  const invalid =
    v.error === undefined ? html`` : html` aria-invalid="true" aria-describedby="alert"`
  const body = html`<h1>${t.title}</h1>
<p class="lead">${t.lead}</p>
${person({ label: t.account, email: v.email })}
${alert(v.error)}
<form method="post" action="/login/verify">
${csrfField(v.csrf)}
${hiddenFields(v.carried)}
<label for="code">${t.code}</label>
<input id="code" name="code" type="text" inputmode="text" autocomplete="one-time-code" autocapitalize="none" spellcheck="false" maxlength="40" required autofocus${invalid}>
<div class="actions">
<button class="primary" type="submit" name="action" value="verify">${t.submit}</button>
</div>
</form>
<p class="beside"><a href="${v.other}">${t.other}</a></p>`
  return shell({ title: t.title, body }, m)
}
