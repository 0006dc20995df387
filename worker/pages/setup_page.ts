// The form behind the one-time link with which the first operator is made.
import { html } from 'hono/html'
import { english, type Messages } from './messages.ts'
import { alert, csrfField, type Html, shell } from './shell.ts'

export type SetupValues = {
  token: string
  username: string
  csrf: string
  password_min: number
  error?: string
}

export function setupPage(v: SetupValues, m: Messages = english): Html {
  const t = m.setup
  const body = html`<h1>${t.title}</h1>
<p class="lead">${t.lead}</p>
${alert(v.error)}
<form method="post" action="/setup">
${csrfField(v.csrf)}
<input type="hidden" name="token" value="${v.token}">
<label for="username">${t.email}</label>
<input id="username" name="username" type="text" inputmode="email" value="${v.username}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="254" required${v.username === '' ? ' autofocus' : ''}>
<label for="password">${t.password}</label>
<input id="password" name="password" type="password" autocomplete="new-password" minlength="${v.password_min}" aria-describedby="password-hint" required${v.username === '' ? '' : ' autofocus'}>
<p class="hint" id="password-hint">${t.hint(v.password_min)}</p>
<div class="actions">
<button class="primary" type="submit" name="action" value="create">${t.submit}</button>
</div>
</form>`
  return shell({ title: t.title, body }, m)
}
