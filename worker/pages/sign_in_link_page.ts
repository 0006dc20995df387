// Pages of a sign-in by a mailed link: the address, the page after it, and the one behind the link.
import { html } from 'hono/html'
import type { Messages } from '../messages/messages.ts'
import { alert, csrfField, type Html, hiddenFields, person, sentence, shell } from './shell.ts'

export type LinkRequestValues = {
  email: string
  /** Fields that carry the target, sent back as they came. */
  carried: Readonly<Record<string, string>>
  back: string
  csrf: string
  error?: string
}

export function linkRequestPage(v: LinkRequestValues, m: Messages): Html {
  const invalid =
    v.error === undefined ? html`` : html` aria-invalid="true" aria-describedby="alert"`
  const body = html`<h1>${m('sign_in_link.title')}</h1>
<p class="lead">${m('sign_in_link.lead')}</p>
${alert(v.error)}
<form method="post" action="/login/link">
${csrfField(v.csrf)}
${hiddenFields(v.carried)}
<label for="email">${m('sign_in.email')}</label>
<input id="email" name="email" type="text" inputmode="email" value="${v.email}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="254" required autofocus${invalid}>
<div class="actions">
<button class="primary" type="submit" name="action" value="send">${m('sign_up.submit')}</button>
</div>
</form>
<p class="beside after"><a href="${v.back}">${m('sign_in_link.back')}</a></p>`
  return shell({ title: m('sign_in_link.title'), body }, m)
}

/** The same page for every address, whether it has an account or none. */
export function linkSentPage(v: { email: string; back: string }, m: Messages): Html {
  const body = html`<h1>${m('sign_up.sent_title')}</h1>
<p class="lead">${sentence(m, 'sign_in_link.sent', { email: v.email })}</p>
<p class="beside"><a href="${v.back}">${m('sign_in_link.back')}</a></p>`
  return shell({ title: m('sign_up.sent_title'), body }, m)
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
