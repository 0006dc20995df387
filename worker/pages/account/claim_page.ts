// Pages of a device that a person claims: typing the code of its box, the place into which the
// device goes, and the result.
import { html } from 'hono/html'
import type { Messages } from '../../messages/messages.ts'
import { alert, csrfField, type Html, hiddenFields, person, sentence, shell } from '../shell.ts'

export function claimCodePage(v: { csrf: string; error?: string }, m: Messages): Html {
  const invalid =
    v.error === undefined ? html`` : html` aria-invalid="true" aria-describedby="alert"`
  const body = html`<h1>${m('claim.title')}</h1>
<p class="lead">${m('claim.lead')}</p>
${alert(v.error)}
<form method="post" action="/claim">
${csrfField(v.csrf)}
<label for="code">${m('claim.code')}</label>
<input id="code" name="code" type="text" dir="ltr" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="80" required autofocus${invalid}>
<div class="actions">
<button class="primary" type="submit" name="action" value="look">${m('claim.continue')}</button>
</div>
</form>`
  return shell({ title: m('claim.title'), body }, m)
}

type Claimed = {
  /** Name of the type, for people. */
  type: string
  name: string | null
  serial: string | null
  token: string
  csrf: string
}

function device({ type, name, serial }: Claimed, m: Messages): Html {
  const lines = [
    html`<bdi>${name ?? type}</bdi>`,
    ...(name === null ? [] : [html`<bdi>${type}</bdi>`]),
    ...(serial === null ? [] : [sentence(m, 'claim.serial', { serial })]),
  ]
  return html`<h1>${m('claim.ask')}</h1>
<p class="lead">${lines.map((line, n) => (n === 0 ? line : html`<br>${line}`))}</p>`
}

const wayToLogin = ({ csrf, token }: Claimed, text: string): Html =>
  html`<form method="post" action="/claim">
${csrfField(csrf)}
${hiddenFields({ token })}
<div class="actions below"><button type="submit" name="action" value="login">${text}</button></div>
</form>`

const anotherCode = (m: Messages): Html =>
  html`<p class="beside after"><a href="/claim?another=1">${m('claim.another')}</a></p>`

/** For somebody who is not signed in. */
export function claimSignInPage(v: Claimed, m: Messages): Html {
  const body = html`${device(v, m)}
<p>${m('claim.sign_in')}</p>
${wayToLogin(v, m('invitation.sign_in'))}
${anotherCode(m)}`
  return shell({ title: m('claim.title'), body }, m)
}

export type ClaimValues = Claimed & {
  account: { email: string; name: string | null }
  places: readonly { id: string; name: string }[]
  /** The value of a new place; null where nobody makes one. */
  newPlace: string | null
  /** The place and the name that were sent before. */
  chosen: string
  newName: string
  error?: string
}

const choice = (id: string, value: string, chosen: string, text: string): Html =>
  html`<p class="check"><input id="${id}" name="place" type="radio" value="${value}" autocomplete="off"${value === chosen ? html` checked` : html``}><label for="${id}"><bdi>${text}</bdi></label></p>`

/** The places, and a new one; one that is the only choice is none. */
function choices(v: ClaimValues, m: Messages): Html {
  const { places, newPlace, chosen } = v
  const name = html`<label for="name">${m('claim.new_name')}</label>
<input id="name" name="name" type="text" value="${v.newName}" autocomplete="off" maxlength="200">`
  if (places.length === 0) {
    return newPlace === null ? html`` : html`${hiddenFields({ place: newPlace })}${name}`
  }
  return html`<fieldset>
<legend>${m('claim.place')}</legend>
${places.map(({ id, name: text }, n) => choice(`place-${n}`, id, chosen, text))}
${
  newPlace === null
    ? html``
    : html`${choice('place-new', newPlace, chosen, m('claim.new_place'))}
${name}`
}
</fieldset>`
}

export function claimPage(v: ClaimValues, m: Messages): Html {
  const { email, name } = v.account
  const isOpen = v.places.length > 0 || v.newPlace !== null
  const form = html`<p>${m('claim.what')}</p>
${alert(v.error)}
<form method="post" action="/claim">
${csrfField(v.csrf)}
${hiddenFields({ token: v.token })}
${choices(v, m)}
<div class="actions">
<button class="primary" type="submit" name="action" value="claim">${m('claim.submit')}</button>
</div>
</form>`
  const body = html`${device(v, m)}
${person({ label: m('account.signed_in_as'), email, name })}
${isOpen ? form : html`<p class="alert">${m('claim.no_place')}</p>`}
${wayToLogin(v, m('invitation.other_account'))}
${anotherCode(m)}`
  return shell({ title: m('claim.title'), body }, m)
}

export function claimedPage(v: { place: string }, m: Messages): Html {
  const body = html`<h1>${m('claim.done_title')}</h1>
<p class="lead">${sentence(m, 'claim.done', { place: v.place })}</p>
<p class="beside after"><a href="/account">${m('security.back')}</a></p>`
  return shell({ title: m('claim.done_title'), body }, m)
}
