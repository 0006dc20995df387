// Asks a person whether a client may have the rights that it asks for. All comes as values: this
// page knows neither protocol nor tables. Names were chosen by others, so the redirect host and the
// id of the client stand beside them.
import { html } from 'hono/html'
import { english, type Messages } from './messages.ts'
import { csrfField, documents, type Html, type Introduction, logo, person, shell } from './shell.ts'

export type ConsentValues = {
  client_name: string
  client_id: string
  email: string
  /** The requested rights: `name` as in the protocol, `text` for people. */
  scopes: readonly { name: string; text: string }[]
  /** Resource servers named by the request, shown as they are. */
  resources: readonly string[]
  /** The handle of the stored request, sent back in the field `request`. */
  request: string
  csrf: string
  /** Host to which the browser goes afterwards. */
  redirect_host: string
  /** Address under which another account can be chosen, if there is one. */
  switch_account?: string
  /** Introduction of the client, where an operator stands behind it. */
  introduction?: Introduction | null
}

export function consentPage(v: ConsentValues, m: Messages = english): Html {
  const t = m.consent
  const scopes =
    v.scopes.length === 0
      ? html`<li>${t.nothing}</li>`
      : v.scopes.map((scope) => html`<li>${scope.text} <code>${scope.name}</code></li>`)
  const resources =
    v.resources.length === 0
      ? html``
      : html`<h2>${t.at}</h2><ul class="plain">${v.resources.map((one) => html`<li><code>${one}</code></li>`)}</ul>`
  const change =
    v.switch_account === undefined
      ? html``
      : html`<p class="beside"><a href="${v.switch_account}">${t.switchAccount}</a></p>`
  // Isolated: a name in writing of the other direction must not reorder the sentence around it.
  const [before, after] = t.lead.split('{client}')
  const introduction = v.introduction ?? null
  const body = html`${introduction === null ? html`` : logo(introduction)}<h1>${before}<bdi>${v.client_name}</bdi>${after}</h1>
${person({ label: t.signedInAs, email: v.email })}${change}
<h2>${t.may}</h2>
<ul class="scopes">${scopes}</ul>
${resources}
<form method="post" action="/consent">
${csrfField(v.csrf)}
<input type="hidden" name="request" value="${v.request}">
<div class="actions">
<button class="primary" type="submit" name="action" value="allow">${t.allow}</button>
<button type="submit" name="action" value="deny">${t.deny}</button>
</div>
</form>
<p class="foot">${t.sentTo(v.redirect_host)} ${t.client}: <code>${v.client_id}</code></p>
${introduction === null ? html`` : documents(introduction, m)}`
  return shell({ title: t.title(v.client_name), body }, m)
}
