// Pages of a place that gets a new owner: the offer, with a new account or the one that is there,
// and what has ended.
import { html } from 'hono/html'
import type { Messages } from '../../messages/messages.ts'
import { alert, csrfField, type Html, hiddenFields, person, sentence, shell } from '../shell.ts'
import { newAccountForm, type TextToAccept } from '../sign_up_page.ts'

export type EndedNumbers = {
  people: number
  grants: number
  memberships: number
  invitations: number
  authorizations: number
  claim_tokens: number
  credentials: number
  tokens: number
}

type OfferValues = {
  /** Name of the person who offers the place. */
  inviter: string | null
  place: string
  /** The address to which it is offered. */
  address: string
  token: string
  csrf: string
  numbers: EndedNumbers
}

/** All that ends, in numbers. */
export function endingsInWords(v: EndedNumbers, m: Messages): Html {
  const lines = [
    { count: v.people, text: m('transfer.people', { count: v.people }) },
    {
      count: v.grants + v.memberships,
      text: m('transfer.grants', { count: v.grants + v.memberships }),
    },
    { count: v.invitations, text: m('transfer.invitations', { count: v.invitations }) },
    { count: v.authorizations, text: m('transfer.links', { count: v.authorizations }) },
    { count: v.claim_tokens, text: m('transfer.claim_tokens', { count: v.claim_tokens }) },
    { count: v.credentials, text: m('transfer.credentials', { count: v.credentials }) },
    { count: v.tokens, text: m('transfer.tokens', { count: v.tokens }) },
  ].filter(({ count }) => count > 0)
  return html`<ul>${lines.map(({ text }) => html`<li>${text}</li>`)}</ul>`
}

/** All that ends whichever way the person chooses. */
const endsAnyway = ({ numbers }: OfferValues, m: Messages): Html => {
  const shown = { ...numbers, credentials: 0, tokens: 0 }
  return Object.values(shown).every((count) => count === 0)
    ? html``
    : html`<p>${m('transfer.ends')}</p>
${endingsInWords(shown, m)}`
}

const box = (name: string, text: string): Html =>
  html`<p class="check"><input id="${name}" name="${name}" type="checkbox" value="1" autocomplete="off"><label for="${name}">${text}</label></p>`

/** The boxes for keys and tokens that people made for devices. */
const choices = ({ numbers: { credentials, tokens } }: OfferValues, m: Messages): Html => html`${
  credentials === 0
    ? html``
    : box('end_credentials', m('transfer.end_credentials', { count: credentials }))
}
${tokens === 0 ? html`` : box('end_tokens', m('transfer.end_tokens', { count: tokens }))}`

function introduction(v: OfferValues, m: Messages): Html {
  const { inviter, place } = v
  const by = inviter === null ? html`` : sentence(m, 'transfer.inviter', { inviter })
  return html`<h1>${m('transfer.title')}</h1>
<p class="lead">${sentence(m, 'transfer.place', { place })} ${by}</p>
<p>${m('transfer.what')}</p>
${endsAnyway(v, m)}`
}

const wayToLogin = (v: OfferValues, text: string): Html =>
  html`<form method="post" action="/transfer">
${csrfField(v.csrf)}
${hiddenFields({ token: v.token })}
<div class="actions below"><button type="submit" name="action" value="login">${text}</button></div>
</form>`

export type NewOwnerValues = OfferValues & {
  name: string
  password_min: number
  texts: readonly TextToAccept[]
  error?: string
}

export function newOwnerPage(v: NewOwnerValues, m: Messages): Html {
  const body = html`${introduction(v, m)}
${person({ label: m('sign_in.email'), email: v.address })}
<p>${m('invitation.new')}</p>
${alert(v.error)}
${newAccountForm({ ...v, email: v.address }, '/transfer', m, choices(v, m))}
${wayToLogin(v, m('invitation.have_account'))}`
  return shell({ title: m('transfer.title'), body }, m)
}

export type AcceptTransferValues = OfferValues & {
  /** The person who is signed in; null: nobody, and there is an account with the address. */
  account: { email: string; name: string | null } | null
}

export function acceptTransferPage(v: AcceptTransferValues, m: Messages): Html {
  if (v.account === null) {
    const body = html`${introduction(v, m)}
${person({ label: m('sign_in.email'), email: v.address })}
<p>${m('transfer.there_is_account')}</p>
${wayToLogin(v, m('invitation.sign_in'))}`
    return shell({ title: m('transfer.title'), body }, m)
  }
  const { email, name } = v.account
  const body = html`${introduction(v, m)}
${person({ label: m('account.signed_in_as'), email, name })}
<p>${sentence(m, 'transfer.accept_lead', { address: v.address })}</p>
<form method="post" action="/transfer">
${csrfField(v.csrf)}
${hiddenFields({ token: v.token })}
${choices(v, m)}
<div class="actions">
<button class="primary" type="submit" name="action" value="accept">${m('transfer.accept')}</button>
</div>
</form>
${wayToLogin(v, m('invitation.other_account'))}`
  return shell({ title: m('transfer.title'), body }, m)
}

export function transferredPage(v: { place: string; ended: EndedNumbers }, m: Messages): Html {
  const body = html`<h1>${m('transfer.done_title')}</h1>
<p class="lead">${sentence(m, 'transfer.done', { place: v.place })}</p>
${endingsInWords(v.ended, m)}
<p class="beside after"><a href="/account">${m('security.back')}</a></p>`
  return shell({ title: m('transfer.done_title'), body }, m)
}
