// The form for the second factor, between the password and the session.
import { html } from 'hono/html'
import { english, type Messages } from './messages.ts'
import { passkeyForm } from './passkey_form.ts'
import { alert, csrfField, type Html, hiddenFields, person, shell } from './shell.ts'

export type SecondFactorValues = {
  email: string
  /** Fields that carry the target, sent back as they came. */
  carried: Readonly<Record<string, string>>
  /** Address of the form for another account. */
  other: string
  csrf: string
  hasApp: boolean
  /** The question for a passkey of the person; null without one. */
  passkey: object | null
  error?: string
}

export function secondFactorPage(v: SecondFactorValues, m: Messages = english): Html {
  const t = m.secondFactor
  const invalid =
    v.error === undefined ? html`` : html` aria-invalid="true" aria-describedby="alert"`
  const lead = v.passkey === null ? t.lead : v.hasApp ? t.leadBoth : t.leadPasskey
  const { carried, csrf } = v
  const passkey =
    v.passkey === null
      ? html``
      : passkeyForm(
          {
            action: '/login/verify',
            csrf,
            carried,
            publicKey: v.passkey,
            isNew: false,
            button: m.passkey.use,
            isPrimary: true,
          },
          m,
        )
  const isPrimary = v.passkey === null
  const body = html`<h1>${t.title}</h1>
<p class="lead">${lead}</p>
${person({ label: t.account, email: v.email })}
${alert(v.error)}
${passkey}
<form method="post" action="/login/verify">
${csrfField(v.csrf)}
${hiddenFields(v.carried)}
<label for="code">${v.hasApp ? t.code : t.recoveryCode}</label>
<input id="code" name="code" type="text" inputmode="text" autocomplete="one-time-code" autocapitalize="none" spellcheck="false" maxlength="40" required${isPrimary ? ' autofocus' : ''}${invalid}>
<div class="actions">
<button${isPrimary ? html` class="primary"` : html``} type="submit" name="action" value="verify">${t.submit}</button>
</div>
</form>
<p class="beside"><a href="${v.other}">${t.other}</a></p>`
  return shell({ title: t.title, body }, m)
}
