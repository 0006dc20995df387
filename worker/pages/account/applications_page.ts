// Page of the applications that have access to the account of a person: their rights, and a button
// for each that takes the access away.
import { html } from 'hono/html'
import type { Messages } from '../../messages/messages.ts'
import { type RightToShow, rightInWords } from '../rights_in_words.ts'
import {
  csrfField,
  day,
  type Html,
  hiddenFields,
  moment,
  person,
  sentence,
  shell,
} from '../shell.ts'

export type ApplicationsValues = {
  email: string
  name: string | null
  csrf: string
  applications: readonly {
    client_id: string
    client_name: string | null
    may: readonly RightToShow[]
    /** Epoch seconds. */
    since: number
    last_used_at: number | null
    /** True when it keeps access while the person is away. */
    offline: boolean
  }[]
}

export function applicationsPage(v: ApplicationsValues, m: Messages): Html {
  const entries = v.applications.map((one) => {
    // Several rights may have the same words.
    const may = [...new Set(one.may.map((right) => rightInWords(m, right)))]
    const name = one.client_name ?? one.client_id
    const since = day(m, one.since)
    const times =
      one.last_used_at === null
        ? sentence(m, 'applications.since', { day: since })
        : sentence(m, 'applications.since_and_used', {
            day: since,
            time: moment(m, one.last_used_at),
          })
    return html`<li class="stacked">
<div class="entry">
<span class="entry-name" dir="auto">${name}</span>
${one.offline ? html`<span class="badge">${m('applications.offline')}</span>` : html``}
<code>${one.client_id}</code>
<ul class="dashes">${may.map((text) => html`<li>${text}</li>`)}</ul>
<span class="quiet">${times}</span>
</div>
<form method="post" action="/account/applications">
${csrfField(v.csrf)}
${hiddenFields({ client_id: one.client_id })}
<button class="small" aria-label="${m('applications.withdraw_of', { client: name })}" type="submit" name="action" value="withdraw">${m('applications.withdraw')}</button>
</form>
</li>`
  })
  const list =
    entries.length === 0
      ? html`<p class="lead">${m('applications.none')}</p>`
      : html`<p class="lead">${m('applications.lead')}</p>
<ul class="entries">${entries}</ul>
<p class="hint">${m('applications.hint')}</p>`
  const body = html`<h1>${m('applications.title')}</h1>
${person({ label: m('account.signed_in_as'), email: v.email, name: v.name })}
${list}
<p class="foot"><a href="/account">${m('applications.back')}</a></p>`
  return shell({ title: m('applications.title'), body }, m)
}
