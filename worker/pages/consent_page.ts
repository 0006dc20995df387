// Asks a person whether a client may have the rights that it asks for. All comes as values: this
// page knows neither protocol nor tables. Names were chosen by others, so the redirect host and the
// id of the client stand beside them.
import { html } from 'hono/html'
import type { Messages } from '../messages/messages.ts'
import { nameOfRight, type RightToShow, rightInWords } from './rights_in_words.ts'
import {
  csrfField,
  documents,
  type Html,
  type Introduction,
  logo,
  person,
  sentence,
  shell,
} from './shell.ts'

export type ConsentValues = {
  client_name: string
  client_id: string
  email: string
  /** The requested rights. */
  rights: readonly RightToShow[]
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

/** The rights as entries of a list, each with its name in the protocol. */
export const listRights = (rights: readonly RightToShow[], m: Messages): Html =>
  html`${rights.map(
    (right) => html`<li>${rightInWords(m, right)} <code>${nameOfRight(right)}</code></li>`,
  )}`

export function consentPage(v: ConsentValues, m: Messages): Html {
  const rights =
    v.rights.length === 0 ? html`<li>${m('consent.nothing')}</li>` : listRights(v.rights, m)
  const resources =
    v.resources.length === 0
      ? html``
      : html`<h2>${m('consent.at')}</h2><ul class="plain">${v.resources.map((one) => html`<li><code>${one}</code></li>`)}</ul>`
  const change =
    v.switch_account === undefined
      ? html``
      : html`<p class="beside"><a href="${v.switch_account}">${m('consent.switch_account')}</a></p>`
  const introduction = v.introduction ?? null
  const body = html`${introduction === null ? html`` : logo(introduction)}<h1>${sentence(m, 'consent.lead', { client: v.client_name })}</h1>
${person({ label: m('account.signed_in_as'), email: v.email })}${change}
<h2>${m('consent.may')}</h2>
<ul class="scopes">${rights}</ul>
${resources}
<form method="post" action="/consent">
${csrfField(v.csrf)}
<input type="hidden" name="request" value="${v.request}">
<div class="actions">
<button class="primary" type="submit" name="action" value="allow">${m('consent.allow')}</button>
<button type="submit" name="action" value="deny">${m('consent.deny')}</button>
</div>
</form>
<p class="foot">${sentence(m, 'consent.sent_to', { host: v.redirect_host })} ${sentence(m, 'consent.client', { client_id: html`<code>${v.client_id}</code>` })}</p>
${introduction === null ? html`` : documents(introduction, m)}`
  return shell({ title: m('consent.title', { client: v.client_name }), body }, m)
}
