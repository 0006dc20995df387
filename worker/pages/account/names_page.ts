// The page on which a person sees and changes the names of the account.
import { html } from 'hono/html'
import type { Messages } from '../../messages/messages.ts'
import { alert, csrfField, type Html, hiddenFields, shell } from '../shell.ts'

export type NamesValues = {
  names: readonly {
    id: string
    kind: 'email' | 'user_name' | 'phone'
    value: string
    is_proven: boolean
    is_primary: boolean
  }[]
  typed: string
  csrf: string
  error?: string
}

export function namesPage(v: NamesValues, m: Messages): Html {
  const form = (id: string, value: string, action: 'primary' | 'remove') =>
    html`<form method="post" action="/account/names">
${csrfField(v.csrf)}
${hiddenFields({ name: id })}
<button class="small" aria-label="${m(`names.${action}_button`)}: ${value}" type="submit" name="action" value="${action}">${m(`names.${action}_button`)}</button>
</form>`
  const entry = ({ id, kind, value, is_proven, is_primary }: NamesValues['names'][number]) => {
    const isFurther = kind === 'email' && !is_primary
    return html`<li class="stacked">
<div class="entry">
<span class="entry-name" dir="auto">${value}</span>
${is_primary ? html`<span class="badge">${m('names.is_primary')}</span>` : html``}
<span class="quiet">${m(`names.kind_${kind}`)}</span>
${kind === 'email' && !is_proven ? html`<span class="quiet">${m('names.is_unproven')}</span>` : html``}
</div>
${isFurther ? html`<div class="choices">${is_proven ? form(id, value, 'primary') : html``}${form(id, value, 'remove')}</div>` : html``}
</li>`
  }
  const isInvalid = v.error !== undefined && v.typed !== ''
  const invalid = isInvalid ? html` aria-invalid="true" aria-describedby="alert"` : html``
  const body = html`<h1>${m('names.title')}</h1>
<p class="lead">${m('names.lead')}</p>
${alert(v.error)}
<ul class="entries">${v.names.map(entry)}</ul>
<h2>${m('names.add')}</h2>
<form method="post" action="/account/names">
${csrfField(v.csrf)}
<label for="email">${m('address.new')}</label>
<input id="email" name="email" type="text" inputmode="email" value="${v.typed}" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="254" required${invalid}>
<div class="actions">
<button class="primary" type="submit" name="action" value="send">${m('address.submit')}</button>
</div>
</form>
<p class="beside after"><a href="/account/email">${m('account.change_email')}</a></p>
<p class="beside after"><a href="/account">${m('security.back')}</a></p>`
  return shell({ title: m('names.title'), body }, m)
}
