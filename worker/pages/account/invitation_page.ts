// Pages behind an invitation: a new account, or the one that is there.
import { html } from 'hono/html'
import type { Messages } from '../../messages/messages.ts'
import { alert, csrfField, type Html, hiddenFields, person, sentence, shell } from '../shell.ts'
import { newAccountForm, type TextToAccept } from '../sign_up_page.ts'

type InvitationValues = {
  /** Name of the person who invites. */
  inviter: string | null
  /** Name of the group that it leads into. */
  place: string | null
  /** The address that was invited. */
  address: string
  token: string
  csrf: string
}

function introduction({ inviter, place }: InvitationValues, m: Messages): Html {
  const by = inviter === null ? html`` : sentence(m, 'invitation.inviter', { inviter })
  const to = place === null ? html`` : sentence(m, 'invitation.place', { place })
  return html`<h1>${m('invitation.title')}</h1>
${inviter === null && place === null ? html`` : html`<p class="lead">${by} ${to}</p>`}`
}

const wayToLogin = (v: InvitationValues, text: string): Html =>
  html`<form method="post" action="/invitation">
${csrfField(v.csrf)}
${hiddenFields({ token: v.token })}
<div class="actions below"><button type="submit" name="action" value="login">${text}</button></div>
</form>`

export type NewInvitedValues = InvitationValues & {
  name: string
  password_min: number
  texts: readonly TextToAccept[]
  error?: string
}

export function newInvitedPage(v: NewInvitedValues, m: Messages): Html {
  const body = html`${introduction(v, m)}
${person({ label: m('sign_in.email'), email: v.address })}
<p>${m('invitation.new')}</p>
${alert(v.error)}
${newAccountForm({ ...v, email: v.address }, '/invitation', m)}
${wayToLogin(v, m('invitation.have_account'))}`
  return shell({ title: m('invitation.title'), body }, m)
}

export type AcceptInvitationValues = InvitationValues & {
  /** The person who is signed in; null: nobody, and there is an account with the address. */
  account: { email: string; name: string | null } | null
}

export function acceptInvitationPage(v: AcceptInvitationValues, m: Messages): Html {
  if (v.account === null) {
    const body = html`${introduction(v, m)}
${person({ label: m('sign_in.email'), email: v.address })}
<p>${m('invitation.there_is_account')}</p>
${wayToLogin(v, m('invitation.sign_in'))}`
    return shell({ title: m('invitation.title'), body }, m)
  }
  const { email, name } = v.account
  const body = html`${introduction(v, m)}
${person({ label: m('account.signed_in_as'), email, name })}
<p>${sentence(m, 'invitation.accept_lead', { address: v.address })}</p>
<form method="post" action="/invitation">
${csrfField(v.csrf)}
${hiddenFields({ token: v.token })}
<div class="actions">
<button class="primary" type="submit" name="action" value="accept">${m('invitation.accept')}</button>
</div>
</form>
${wayToLogin(v, m('invitation.other_account'))}`
  return shell({ title: m('invitation.title'), body }, m)
}
