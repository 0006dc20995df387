// Pages about the end of an account: closing it, after it, and keeping it.
import { html } from 'hono/html'
import type { Messages } from '../../messages/messages.ts'
import {
  alert,
  csrfField,
  day,
  type Html,
  hiddenFields,
  person,
  sentence,
  shell,
} from '../shell.ts'

export type ClosingValues = {
  email: string
  name: string | null
  csrf: string
  /** Days for which the account can be kept; 0: it is deleted at once. */
  grace: number
  error?: string
}

export function closingPage(v: ClosingValues, m: Messages): Html {
  const end = v.grace === 0 ? m('closing.at_once') : m('closing.grace', { days: v.grace })
  const body = html`<h1>${m('closing.title')}</h1>
<p class="lead">${m('closing.lead')}</p>
${person({ label: m('account.signed_in_as'), email: v.email, name: v.name })}
<p>${end}</p>
<p><a href="/account/export">${m('closing.copy')}</a></p>
${alert(v.error)}
<form method="post" action="/account/close">
${csrfField(v.csrf)}
<div class="actions">
<button class="danger" type="submit" name="action" value="close">${m('closing.submit')}</button>
</div>
</form>
<p class="beside after"><a href="/account">${m('security.back')}</a></p>`
  return shell({ title: m('closing.title'), body }, m)
}

/** `until`: when the account is deleted, in epoch seconds; null: it is already. */
export function closedPage(v: { until: number | null }, m: Messages): Html {
  if (v.until === null) {
    const body = html`<h1>${m('closing.deleted_title')}</h1>
<p class="lead">${m('closing.deleted')}</p>`
    return shell({ title: m('closing.deleted_title'), body }, m)
  }
  const body = html`<h1>${m('closing.done_title')}</h1>
<p class="lead">${sentence(m, 'closing.done', { day: day(m, v.until) })}</p>
<div class="actions"><a class="button" href="/login">${m('closing.sign_in')}</a></div>`
  return shell({ title: m('closing.done_title'), body }, m)
}

export type KeepValues = {
  email: string
  name: string | null
  csrf: string
  carried: Readonly<Record<string, string>>
  until: number
}

export function keepPage(v: KeepValues, m: Messages): Html {
  const body = html`<h1>${m('keep.title')}</h1>
<p class="lead">${sentence(m, 'keep.lead', { day: day(m, v.until) })}</p>
${person({ label: m('address.account'), email: v.email, name: v.name })}
<form method="post" action="/account/closed">
${csrfField(v.csrf)}
${hiddenFields(v.carried)}
<div class="actions">
<button class="primary" type="submit" name="action" value="keep">${m('keep.submit')}</button>
<button type="submit" name="action" value="leave">${m('keep.leave')}</button>
</div>
</form>
<p class="hint">${m('keep.hint')}</p>`
  return shell({ title: m('keep.title'), body }, m)
}
