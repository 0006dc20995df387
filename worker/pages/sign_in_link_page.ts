// Pages of a sign-in by a mailed link: the address, the page after it, and the one behind the link.
import { html } from 'hono/html'
import type { Messages } from '../messages/messages.ts'
import { type AddressFormValues, addressFormPage, mailSentPage } from './address_form.ts'
import { csrfField, type Html, hiddenFields, person, sentence, shell } from './shell.ts'

const LINK_FORM = {
  action: '/login/link',
  title: 'sign_in_link.title',
  lead: 'sign_in_link.lead',
  submit: 'sign_up.submit',
  back: 'sign_in_link.back',
} as const

export const linkRequestPage = (v: AddressFormValues, m: Messages): Html =>
  addressFormPage(v, LINK_FORM, m)

export function linkSentPage(v: { email: string; back: string }, m: Messages): Html {
  const sent = html`${sentence(m, 'sign_in_link.sent', { email: v.email })}`
  const texts = { title: 'sign_up.sent_title', back: LINK_FORM.back } as const
  return mailSentPage({ sent, back: v.back }, texts, m)
}

export function openLinkPage(v: { email: string; token: string; csrf: string }, m: Messages): Html {
  const body = html`<h1>${m('sign_in.title')}</h1>
${person({ label: m('sign_in.email'), email: v.email })}
<form method="post" action="/login/link/open">
${csrfField(v.csrf)}
${hiddenFields({ token: v.token })}
<div class="actions">
<button class="primary" type="submit" name="action" value="login">${m('sign_in.submit')}</button>
</div>
</form>`
  return shell({ title: m('sign_in.title'), body }, m)
}
