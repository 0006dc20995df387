// The form for the second factor, between the password and the session.
import { html } from 'hono/html'
import type { Messages } from '../messages/messages.ts'
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
  /** Days for which the browser may be trusted; 0: not offered. */
  trust_days: number
  error?: string
}

export function secondFactorPage(v: SecondFactorValues, m: Messages): Html {
  const invalid =
    v.error === undefined ? html`` : html` aria-invalid="true" aria-describedby="alert"`
  const hasPasskey = v.passkey !== null
  const lead = !hasPasskey
    ? m('second_factor.lead')
    : v.hasApp
      ? m('second_factor.lead_both')
      : m('second_factor.lead_passkey')
  const { carried, csrf } = v
  const trust = (id: string) =>
    v.trust_days === 0
      ? html``
      : html`<p class="check"><input id="${id}" name="trust" type="checkbox" value="1" autocomplete="off"><label for="${id}">${m('second_factor.trust', { days: v.trust_days })}</label></p>`
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
            button: m('passkey.use'),
            isPrimary: true,
            fields: trust('trust-passkey'),
          },
          m,
        )
  const body = html`<h1>${m('second_factor.title')}</h1>
<p class="lead">${lead}</p>
${person({ label: m('second_factor.account'), email: v.email })}
${alert(v.error)}
${passkey}
<form method="post" action="/login/verify">
${csrfField(v.csrf)}
${hiddenFields(v.carried)}
<label for="code">${v.hasApp ? m('second_factor.code') : m('second_factor.recovery_code')}</label>
<input id="code" name="code" type="text" inputmode="text" autocomplete="one-time-code" autocapitalize="none" spellcheck="false" maxlength="40" required${hasPasskey ? '' : ' autofocus'}${invalid}>
${trust('trust')}
<div class="actions">
<button${hasPasskey ? html`` : html` class="primary"`} type="submit" name="action" value="verify">${m('second_factor.submit')}</button>
</div>
</form>
<p class="beside after"><a href="${v.other}">${m('second_factor.other')}</a></p>`
  return shell({ title: m('second_factor.title'), body }, m)
}
