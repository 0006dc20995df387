// The form behind the one-time link with which the first operator is made.
import { html } from 'hono/html'
import type { Messages } from '../messages/messages.ts'
import { alert, csrfField, type Html, shell } from './shell.ts'

export type SetupValues = {
  token: string
  username: string
  csrf: string
  password_min: number
  error?: string
}

export function setupPage(v: SetupValues, m: Messages): Html {
  const body = html`<h1>${m('setup.title')}</h1>
<p class="lead">${m('setup.lead')}</p>
${alert(v.error)}
<form method="post" action="/setup">
${csrfField(v.csrf)}
<input type="hidden" name="token" value="${v.token}">
<label for="username">${m('setup.email')}</label>
<input id="username" name="username" type="text" inputmode="email" value="${v.username}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="254" required${v.username === '' ? ' autofocus' : ''}>
<label for="password">${m('setup.password')}</label>
<input id="password" name="password" type="password" autocomplete="new-password" minlength="${v.password_min}" aria-describedby="password-hint" required${v.username === '' ? '' : ' autofocus'}>
<p class="hint" id="password-hint">${m('password.hint', { min: v.password_min })}</p>
<div class="actions">
<button class="primary" type="submit" name="action" value="create">${m('setup.submit')}</button>
</div>
</form>`
  return shell({ title: m('setup.title'), body }, m)
}
