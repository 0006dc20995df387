// Pages behind the mail about a factor that an operator removed: putting it back, and that it is
// done.
import { html } from 'hono/html'
import type { Messages } from '../../messages/messages.ts'
import { csrfField, type Html, hiddenFields, person, sentence, shell } from '../shell.ts'

export type UndoRemovalValues = { email: string; name: string; token: string; csrf: string }

export function undoRemovalPage(v: UndoRemovalValues, m: Messages): Html {
  const body = html`<h1>${m('removed_factor.title')}</h1>
<p class="lead">${sentence(m, 'removed_factor.lead', { factor: v.name })}</p>
${person({ label: m('address.account'), email: v.email })}
<form method="post" action="/account/security/undo">
${csrfField(v.csrf)}
${hiddenFields({ token: v.token })}
<div class="actions">
<button class="primary" type="submit" name="action" value="undo">${m('address.undo')}</button>
</div>
</form>`
  return shell({ title: m('removed_factor.title'), body }, m)
}

export function factorRestoredPage(v: { name: string }, m: Messages): Html {
  const body = html`<h1>${m('removed_factor.done_title')}</h1>
<p class="lead">${sentence(m, 'removed_factor.done', { factor: v.name })}</p>
<div class="actions"><a class="button" href="/account">${m('security.back')}</a></div>`
  return shell({ title: m('removed_factor.done_title'), body }, m)
}
