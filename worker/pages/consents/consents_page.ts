// The part of the account about texts: each with the person's last word, and the button that
// changes it.
import { html } from 'hono/html'
import { english, type Messages } from '../messages.ts'
import { csrfField, day, type Html, hiddenFields, person, shell } from '../shell.ts'
import { consentText, type TextValues } from './consent_text.ts'

export type ConsentsValues = {
  email: string
  name: string | null
  csrf: string
  consents: readonly (TextValues & {
    key: string
    required: boolean
    standing: 'none' | 'accepted' | 'outdated' | 'withdrawn'
    /** Epoch seconds, in the future only: from when the newest version is demanded. */
    demanded_from: number | null
    decided_at: number | null
    shown: string
  })[]
}

export function consentsPage(v: ConsentsValues, m: Messages = english): Html {
  const t = m.consents
  const entries = v.consents.map((one) => {
    const { key, required, standing, decided_at, demanded_from, shown, locale, title } = one
    const button = (action: 'accept' | 'withdraw', text: string, looks: string) =>
      html`<form method="post" action="/account/consents">
${csrfField(v.csrf)}
${hiddenFields({ key, shown })}
<button class="${looks}" aria-label="${text}: ${title}" type="submit" name="action" value="${action}">${text}</button>
</form>`
    const isStanding = standing === 'accepted' || standing === 'outdated'
    const time = decided_at === null ? html`` : html` ${day(decided_at)}`
    const newer =
      standing === 'outdated' && demanded_from !== null
        ? html`<span class="quiet">${t.newer} ${day(demanded_from)}</span>`
        : html``
    return html`<li class="stacked">
<div class="entry">
<span class="entry-name" lang="${locale}" dir="auto">${title}</span>
${required ? html`<span class="badge">${t.required}</span>` : html``}
<span class="quiet">${t.standing[standing]}${time}</span>
${newer}
</div>
<details class="text"><summary>${t.read}</summary>${consentText(one, m)}</details>
<div class="choices">
${standing === 'accepted' ? html`` : button('accept', t.accept, 'small')}
${isStanding ? button('withdraw', t.withdraw, 'small danger') : html``}
</div>
${required && isStanding ? html`<p class="hint">${t.withdrawHint}</p>` : html``}
</li>`
  })
  const body = html`<h1>${t.title}</h1>
${person({ label: m.account.signedInAs, email: v.email, name: v.name })}
${v.consents.length === 0 ? html`<p>${t.none}</p>` : html`<ul class="entries">${entries}</ul>`}
<p class="foot"><a href="/account">${m.applications.back}</a></p>`
  return shell({ title: t.title, body }, m)
}
