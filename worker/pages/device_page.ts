// The pages of the device grant: typing the code that a device shows, comparing and deciding, and
// the result. The one danger is a code that somebody else sent, so the question names it before
// anything else.
import { html } from 'hono/html'
import { english, type Messages } from './messages.ts'
import { alert, csrfField, type Html, person, shell } from './shell.ts'

export type DeviceValues = {
  /** Filled in already, but the person has to send it. */
  code: string
  csrf: string
  error?: string
}

export function devicePage(v: DeviceValues, m: Messages = english): Html {
  const t = m.device
  const invalid =
    v.error === undefined ? html`` : html` aria-invalid="true" aria-describedby="alert"`
  const body = html`<h1>${t.title}</h1>
<p class="lead">${t.lead}</p>
${alert(v.error)}
<form method="post" action="/device">
${csrfField(v.csrf)}
<label for="code">${t.code}</label>
<input id="code" class="code" name="code" type="text" value="${v.code}" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="40" required autofocus${invalid}>
<div class="actions">
<button class="primary" type="submit" name="action" value="continue">${t.continue}</button>
</div>
</form>`
  return shell({ title: t.title, body }, m)
}

export type DeviceConsentValues = {
  client_name: string
  client_id: string
  email: string
  /** The requested rights: `name` as in the protocol, `text` for people. */
  scopes: readonly { name: string; text: string }[]
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

export function deviceConsentPage(v: DeviceConsentValues, m: Messages = english): Html {
  const t = m.device
  const resources =
    v.resources.length === 0
      ? html``
      : html`<h2>${m.consent.at}</h2><ul class="plain">${v.resources.map((one) => html`<li><code>${one}</code></li>`)}</ul>`
  // Isolated: a name in writing of the other direction must not reorder the sentence around it.
  const [before, after] = t.ask.split('{client}')
  const body = html`<h1>${before}<bdi>${v.client_name}</bdi>${after}</h1>
<p class="user-code">${v.code}</p>
<p class="alert">${t.warning}</p>
${person({ label: m.consent.signedInAs, email: v.email })}
<p class="beside"><a href="${v.switch_account}">${m.consent.switchAccount}</a></p>
<h2>${t.may}</h2>
<ul class="scopes">${v.scopes.map((one) => html`<li>${one.text} <code>${one.name}</code></li>`)}</ul>
${resources}
<form method="post" action="/device">
${csrfField(v.csrf)}
<input type="hidden" name="code" value="${v.code}">
<input type="hidden" name="request" value="${v.request}">
<div class="actions">
<button class="primary" type="submit" name="action" value="allow">${m.consent.allow}</button>
<button type="submit" name="action" value="deny">${m.consent.deny}</button>
</div>
</form>
<p class="foot">${m.consent.client}: <code>${v.client_id}</code></p>`
  return shell({ title: t.askTitle(v.client_name), body }, m)
}

export function deviceDonePage(v: { decision: 'allowed' | 'denied' }, m: Messages = english): Html {
  const t = m.device[v.decision]
  const body = html`<h1>${t.title}</h1>
<p class="lead">${t.text}</p>`
  return shell({ title: t.title, body }, m)
}
