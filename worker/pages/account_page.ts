// Where a person lands who signed in without being on the way to an application.
import { html } from 'hono/html'
import { english, type Messages } from './messages.ts'
import { csrfField, type Html, person, shell } from './shell.ts'

export type AccountValues = {
  email: string
  name: string | null
  /** Epoch seconds. */
  auth_time: number
  csrf: string
}

export function accountPage(v: AccountValues, m: Messages = english): Html {
  const t = m.account
  const moment = new Date(v.auth_time * 1000).toISOString()
  const body = html`<h1>${t.title}</h1>
${person({ label: t.signedInAs, email: v.email, name: v.name })}
<dl class="facts">
<div><dt>${t.since}</dt><dd><time datetime="${moment}">${moment.slice(0, 16).replace('T', ' ')} UTC</time></dd></div>
</dl>
<form method="post" action="/logout">
${csrfField(v.csrf)}
<div class="actions">
<button type="submit" name="action" value="logout">${t.signOut}</button>
</div>
</form>`
  return shell({ title: t.title, body }, m)
}
