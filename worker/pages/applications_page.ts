// Page of the applications that have access to the account of a person: their rights, and a button
// for each that takes the access away.
import { html } from 'hono/html'
import { english, type Messages } from './messages.ts'
import { csrfField, day, type Html, hiddenFields, moment, person, shell } from './shell.ts'

export type ApplicationsValues = {
  email: string
  name: string | null
  csrf: string
  applications: readonly {
    client_id: string
    client_name: string | null
    /** Rights of the application, in words. */
    may: readonly string[]
    /** Epoch seconds. */
    since: number
    last_used_at: number | null
    /** True when it keeps access while the person is away. */
    offline: boolean
  }[]
}

export function applicationsPage(v: ApplicationsValues, m: Messages = english): Html {
  const t = m.applications
  const entries = v.applications.map((one) => {
    const name = one.client_name ?? one.client_id
    const used =
      one.last_used_at === null ? html`` : html`, ${t.lastUsed} ${moment(one.last_used_at)}`
    return html`<li class="stacked">
<div class="entry">
<span class="entry-name" dir="auto">${name}</span>
${one.offline ? html`<span class="badge">${t.offline}</span>` : html``}
<code>${one.client_id}</code>
<ul class="dashes">${one.may.map((text) => html`<li>${text}</li>`)}</ul>
<span class="quiet">${t.since} ${day(one.since)}${used}</span>
</div>
<form method="post" action="/account/applications">
${csrfField(v.csrf)}
${hiddenFields({ client_id: one.client_id })}
<button class="small" aria-label="${t.withdraw}: ${name}" type="submit" name="action" value="withdraw">${t.withdraw}</button>
</form>
</li>`
  })
  const list =
    entries.length === 0
      ? html`<p class="lead">${t.none}</p>`
      : html`<p class="lead">${t.lead}</p>
<ul class="entries">${entries}</ul>
<p class="hint">${t.hint}</p>`
  const body = html`<h1>${t.title}</h1>
${person({ label: t.signedInAs, email: v.email, name: v.name })}
${list}
<p class="foot"><a href="/account">${t.back}</a></p>`
  return shell({ title: t.title, body }, m)
}
