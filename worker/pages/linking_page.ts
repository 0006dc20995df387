// Asks a person whether an account here may be linked with a voice assistant: the consent page for
// clients with a preset, in the words that vendors demand. Its form goes to the same path, with the
// same buttons.
import { html } from 'hono/html'
import type { Messages } from '../messages/messages.ts'
import { listRights } from './consent_page.ts'
import type { RightToShow } from './rights_in_words.ts'
import { csrfField, type Html, person, sentence, shell } from './shell.ts'

export type LinkingValues = {
  /** The service that has the account, in the name that people know. */
  service_name: string
  /** The vendor of the assistant, and where people unlink there. */
  vendor: { title: string; app: string; privacy_uri: string | null }
  email: string
  /** The requested rights. */
  rights: readonly RightToShow[]
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

export function linkingPage(v: LinkingValues, m: Messages): Html {
  const service = v.service_name
  const title = m('linking.title', { vendor: v.vendor.title })
  // Names of vendors are known: each is text of one direction.
  const [vendor, app] = [html`${v.vendor.title}`, html`${v.vendor.app}`]
  const privacy = [
    { owner: service, uri: v.privacy_uri },
    { owner: v.vendor.title, uri: v.vendor.privacy_uri },
  ].filter(({ uri }) => uri !== null)
  const links = privacy.map(
    ({ owner, uri }) =>
      html`<li><a href="${uri}" rel="noreferrer">${sentence(m, 'linking.privacy', { owner })}</a></li>`,
  )
  const body = html`<h1>${title}</h1>
<p class="lead">${sentence(m, 'linking.lead', { service, vendor })}</p>
${person({ label: m('account.signed_in_as'), email: v.email })}
<p class="beside"><a href="${v.switch_account}">${m('consent.switch_account')}</a></p>
<p>${sentence(m, 'linking.authorize', { vendor, service })}</p>
<h2>${sentence(m, 'linking.may', { vendor })}</h2>
<ul class="scopes">
${listRights(v.rights, m)}
<li>${m('linking.lasting')}</li>
</ul>
<form method="post" action="/consent">
${csrfField(v.csrf)}
<input type="hidden" name="request" value="${v.request}">
<div class="actions">
<button class="primary" type="submit" name="action" value="allow">${m('linking.allow')}</button>
<button type="submit" name="action" value="deny">${m('linking.deny')}</button>
</div>
</form>
<div class="foot">
<p>${sentence(m, 'linking.begun', { app })} ${sentence(m, 'linking.sent_to', { host: v.redirect_host })}</p>
${links.length === 0 ? html`` : html`<ul class="plain">${links}</ul>`}
</div>`
  return shell({ title, body }, m)
}
