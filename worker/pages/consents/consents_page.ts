// The part of the account about texts: each with the person's last word, and the button that
// changes it.
import { html } from 'hono/html'
import type { Messages } from '../../messages/messages.ts'
import { csrfField, day, type Html, hiddenFields, person, sentence, shell } from '../shell.ts'
import { consentText, type TextValues } from './consent_text.ts'

export type ConsentsValues = {
  email: string
  name: string | null
  csrf: string
  /** The person is too young to decide alone. */
  needsGuardian: boolean
  consents: readonly (TextValues & {
    key: string
    required: boolean
    standing: 'none' | 'accepted' | 'outdated' | 'withdrawn'
    /** Epoch seconds, in the future only: from when the newest version is demanded. */
    demanded_from: number | null
    decided_at: number | null
    /** The guardian who decided; null: the person, or nobody. */
    guardian: string | null
    shown: string
  })[]
}

export function consentsPage(v: ConsentsValues, m: Messages): Html {
  const entries = v.consents.map((one) => {
    const { key, required, standing, decided_at, demanded_from, shown, locale, title, guardian } =
      one
    const button = (action: 'accept' | 'withdraw', looks: string) =>
      html`<form method="post" action="/account/consents">
${csrfField(v.csrf)}
${hiddenFields({ key, shown })}
<button class="${looks}" aria-label="${m(`consents.${action}_of`, { title })}" type="submit" name="action" value="${action}">${m(`consents.${action}`)}</button>
</form>`
    const isStanding = standing === 'accepted' || standing === 'outdated'
    const state =
      standing === 'none' || decided_at === null
        ? m('consents.not_accepted')
        : sentence(m, `consents.${standing}`, { day: day(m, decided_at) })
    const newer =
      standing === 'outdated' && demanded_from !== null
        ? html`<span class="quiet">${sentence(m, 'consents.newer', { day: day(m, demanded_from) })}</span>`
        : html``
    return html`<li class="stacked">
<div class="entry">
<span class="entry-name" lang="${locale}" dir="auto">${title}</span>
${required ? html`<span class="badge">${m('consents.required')}</span>` : html``}
<span class="quiet">${state}</span>
${newer}
${guardian === null ? html`` : html`<span class="quiet">${sentence(m, 'consents.by_guardian', { guardian })}</span>`}
</div>
<details class="text"><summary>${m('consents.read')}</summary>${consentText(one, m)}</details>
<div class="choices">
${standing === 'accepted' || v.needsGuardian ? html`` : button('accept', 'small')}
${isStanding ? button('withdraw', 'small danger') : html``}
</div>
${required && isStanding ? html`<p class="hint">${m('consents.withdraw_hint')}</p>` : html``}
</li>`
  })
  const body = html`<h1>${m('consents.title')}</h1>
${person({ label: m('account.signed_in_as'), email: v.email, name: v.name })}
${v.needsGuardian && v.consents.length > 0 ? html`<p class="hint">${m('consents.guardian')}</p>` : html``}
${v.consents.length === 0 ? html`<p>${m('consents.none')}</p>` : html`<ul class="entries">${entries}</ul>`}
<p class="foot"><a href="/account">${m('applications.back')}</a></p>`
  return shell({ title: m('consents.title'), body }, m)
}
