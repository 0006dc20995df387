// The form behind a one-time link with which a person sets a new password, and the page after it.
import { html } from 'hono/html'
import { english, type Messages } from './messages.ts'
import { alert, csrfField, type Html, person, shell } from './shell.ts'

export type RecoveryValues = {
  token: string
  email: string
  csrf: string
  password_min: number
  error?: string
}

export function recoveryPage(v: RecoveryValues, m: Messages = english): Html {
  const t = m.recovery
  // The address stands in a field too, so that a password manager knows which account it is.
  const body = html`<h1>${t.title}</h1>
<p class="lead">${t.lead}</p>
${person({ label: t.account, email: v.email })}
${alert(v.error)}
<form method="post" action="/recover/password">
${csrfField(v.csrf)}
<input type="hidden" name="token" value="${v.token}">
<input type="hidden" name="username" value="${v.email}" autocomplete="username">
<label for="password">${t.password}</label>
<input id="password" name="password" type="password" autocomplete="new-password" minlength="${v.password_min}" aria-describedby="password-hint${v.error === undefined ? '' : ' alert'}" required autofocus>
<p class="hint" id="password-hint">${t.hint(v.password_min)}</p>
<div class="actions">
<button class="primary" type="submit" name="action" value="save">${t.submit}</button>
</div>
</form>`
  return shell({ title: t.title, body }, m)
}

/** Page after a new password was set. */
export function recoveredPage(m: Messages = english): Html {
  const t = m.recovery
  const body = html`<h1>${t.doneTitle}</h1>
<p class="lead">${t.done}</p>
<div class="actions"><a class="button" href="/login">${t.signIn}</a></div>`
  return shell({ title: t.doneTitle, body }, m)
}
