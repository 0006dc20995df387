// The pages of the device grant: typing the code that a device shows, comparing and deciding, and
// the result. The one danger is a code that somebody else sent, so the question names it before
// anything else.
import { html } from 'hono/html'
import type { Messages } from '../messages/messages.ts'
import { listRights } from './consent_page.ts'
import type { RightToShow } from './rights_in_words.ts'
import { alert, csrfField, type Html, person, sentence, shell } from './shell.ts'

export type DeviceValues = {
  /** Filled in already, but the person has to send it. */
  code: string
  csrf: string
  error?: string
}

export function devicePage(v: DeviceValues, m: Messages): Html {
  const invalid =
    v.error === undefined ? html`` : html` aria-invalid="true" aria-describedby="alert"`
  const body = html`<h1>${m('device.title')}</h1>
<p class="lead">${m('device.lead')}</p>
${alert(v.error)}
<form method="post" action="/device">
${csrfField(v.csrf)}
<label for="code">${m('device.code')}</label>
<input id="code" class="code" name="code" type="text" value="${v.code}" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="40" required autofocus${invalid}>
<div class="actions">
<button class="primary" type="submit" name="action" value="continue">${m('device.continue')}</button>
</div>
</form>`
  return shell({ title: m('device.title'), body }, m)
}

export type DeviceConsentValues = {
  client_name: string
  client_id: string
  email: string
  /** The requested rights. */
  rights: readonly RightToShow[]
  /** Resource servers named by the device, shown as they are. */
  resources: readonly string[]
  /** The code as the device shows it. */
  code: string
  /** Proof that this question was asked, sent back in the field `request`. */
  request: string
  csrf: string
  /** Address under which another account can be chosen. */
  switch_account: string
}

export function deviceConsentPage(v: DeviceConsentValues, m: Messages): Html {
  const resources =
    v.resources.length === 0
      ? html``
      : html`<h2>${m('consent.at')}</h2><ul class="plain">${v.resources.map((one) => html`<li><code>${one}</code></li>`)}</ul>`
  const body = html`<h1>${sentence(m, 'device.ask', { client: v.client_name })}</h1>
<p class="user-code">${v.code}</p>
<p class="alert">${m('device.warning')}</p>
${person({ label: m('account.signed_in_as'), email: v.email })}
<p class="beside"><a href="${v.switch_account}">${m('consent.switch_account')}</a></p>
<h2>${m('device.may')}</h2>
<ul class="scopes">${listRights(v.rights, m)}</ul>
${resources}
<form method="post" action="/device">
${csrfField(v.csrf)}
<input type="hidden" name="code" value="${v.code}">
<input type="hidden" name="request" value="${v.request}">
<div class="actions">
<button class="primary" type="submit" name="action" value="allow">${m('consent.allow')}</button>
<button type="submit" name="action" value="deny">${m('consent.deny')}</button>
</div>
</form>
<p class="foot">${sentence(m, 'consent.client', { client_id: html`<code>${v.client_id}</code>` })}</p>`
  return shell({ title: m('device.ask_title', { client: v.client_name }), body }, m)
}

export function deviceDonePage(v: { decision: 'allowed' | 'denied' }, m: Messages): Html {
  const title = m(`device.${v.decision}_title`)
  const body = html`<h1>${title}</h1>
<p class="lead">${m(`device.${v.decision}`)}</p>`
  return shell({ title, body }, m)
}
