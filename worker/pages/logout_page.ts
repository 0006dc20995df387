// The question before signing out, so that no link or image signs anybody out; and the page
// afterwards.
import { html } from 'hono/html'
import type { Messages } from '../messages/messages.ts'
import { csrfField, type Html, hiddenFields, person, sentence, shell } from './shell.ts'

export type LogoutValues = {
  /** Path to which the form is sent. */
  action: string
  /** The application that asks to sign out, if one does. */
  client_name: string | null
  email: string
  name: string | null
  /** Fields that carry the target, sent back as they came. */
  carried: Readonly<Record<string, string>>
  csrf: string
}

export function logoutPage(v: LogoutValues, m: Messages): Html {
  const question =
    v.client_name === null
      ? html``
      : html`<p class="lead">${sentence(m, 'logout.client_asks', { client: v.client_name })}</p>`
  const body = html`<h1>${m('logout.title')}</h1>
${person({ label: m('account.signed_in_as'), email: v.email, name: v.name })}
${question}
<p class="lead">${m('logout.lead')}</p>
<form method="post" action="${v.action}">
${csrfField(v.csrf)}
${hiddenFields(v.carried)}
<div class="actions">
<button class="primary" type="submit" name="action" value="logout">${m('logout.submit')}</button>
<button type="submit" name="action" value="cancel">${m('logout.cancel')}</button>
</div>
</form>`
  return shell({ title: m('logout.title'), body }, m)
}

/** The page afterwards. `back`: address of an application to which the person may go on. */
export function signedOutPage(back: string | null, m: Messages): Html {
  const link = (to: string) => {
    const { host, protocol } = new URL(to)
    return html`<p class="foot"><a href="${to}" rel="noreferrer">${sentence(m, 'signed_out.back', { host: host === '' ? protocol : host })}</a></p>`
  }
  const body = html`<h1>${m('signed_out.title')}</h1>
<p class="lead">${m('signed_out.text')}</p>
<div class="actions"><a class="button" href="/login">${m('signed_out.sign_in')}</a></div>
${back === null ? html`` : link(back)}`
  return shell({ title: m('signed_out.title'), body }, m)
}
