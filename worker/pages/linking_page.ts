// Asks a person whether an account here may be linked with a voice assistant: the consent page for
// clients with a preset, in the words that vendors demand. Its form goes to the same path, with the
// same buttons.
import { html } from 'hono/html'
import { english, type Messages } from './messages.ts'
import { csrfField, type Html, person, shell } from './shell.ts'

export type LinkingValues = {
  /** The service that has the account, in the name that people know. */
  service_name: string
  /** The vendor of the assistant, and where people unlink there. */
  vendor: { title: string; app: string; privacy_uri: string | null }
  email: string
  /** The requested rights: `name` as in the protocol, `text` for people. */
  scopes: readonly { name: string; text: string }[]
  /** Page on which the service says what it does with data, if there is one. */
  privacy_uri: string | null
  /** The handle of the stored request, sent back in the field `request`. */
  request: string
  csrf: string
  /** Host to which the browser goes afterwards. */
  redirect_host: string
  /** Address under which another account can be chosen. */
  switch_account: string
}

export function linkingPage(v: LinkingValues, m: Messages = english): Html {
  const t = m.linking
  const { title } = v.vendor
  // Isolated: a name in writing of the other direction must not reorder the sentence around it.
  const [before, between, after] = t.lead.split(/\{service\}|\{vendor\}/)
  const privacy = [
    { whose: v.service_name, uri: v.privacy_uri },
    { whose: title, uri: v.vendor.privacy_uri },
  ].filter(({ uri }) => uri !== null)
  const links = privacy.map(
    ({ whose, uri }) => html`<li><a href="${uri}" rel="noreferrer">${t.privacy(whose)}</a></li>`,
  )
  const body = html`<h1>${t.title(title)}</h1>
<p class="lead">${before}<bdi>${v.service_name}</bdi>${between}${title}${after}</p>
${person({ label: m.consent.signedInAs, email: v.email })}
<p class="beside"><a href="${v.switch_account}">${m.consent.switchAccount}</a></p>
<p>${t.authorize(title, v.service_name)}</p>
<h2>${t.may(title)}</h2>
<ul class="scopes">
${v.scopes.map((scope) => html`<li>${scope.text} <code>${scope.name}</code></li>`)}
<li>${t.lasting}</li>
</ul>
<form method="post" action="/consent">
${csrfField(v.csrf)}
<input type="hidden" name="request" value="${v.request}">
<div class="actions">
<button class="primary" type="submit" name="action" value="allow">${t.allow}</button>
<button type="submit" name="action" value="deny">${t.deny}</button>
</div>
</form>
<div class="foot">
<p>${t.begun(v.vendor.app)} ${t.sentTo(v.redirect_host)}</p>
${links.length === 0 ? html`` : html`<ul class="plain">${links}</ul>`}
</div>`
  return shell({ title: t.title(title), body }, m)
}
