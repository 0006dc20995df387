// The question before signing out, so that no link or image signs anybody out; and the page
// afterwards.
import { html } from 'hono/html'
import { english, type Messages } from './messages.ts'
import { csrfField, type Html, hiddenFields, person, shell } from './shell.ts'

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

export function logoutPage(v: LogoutValues, m: Messages = english): Html {
  const t = m.logout
  // Isolated: a name in writing of the other direction must not reorder the sentence around it.
  const [before, after] = t.clientAsks.split('{client}')
  const question =
    v.client_name === null
      ? html``
      : html`<p class="lead">${before}<bdi>${v.client_name}</bdi>${after}</p>`
  const body = html`<h1>${t.title}</h1>
${person({ label: t.signedInAs, email: v.email, name: v.name })}
${question}
<p class="lead">${t.lead}</p>
<form method="post" action="${v.action}">
${csrfField(v.csrf)}
${hiddenFields(v.carried)}
<div class="actions">
<button class="primary" type="submit" name="action" value="logout">${t.submit}</button>
<button type="submit" name="action" value="cancel">${t.cancel}</button>
</div>
</form>`
  return shell({ title: t.title, body }, m)
}

/** The page afterwards. `back`: address of an application to which the person may go on. */
export function signedOutPage(back: string | null = null, m: Messages = english): Html {
  const t = m.signedOut
  const link = (to: string) => {
    const { host, protocol } = new URL(to)
    return html`<p class="foot"><a href="${to}" rel="noreferrer">${t.back(host === '' ? protocol : host)}</a></p>`
  }
  const body = html`<h1>${t.title}</h1>
<p class="lead">${t.text}</p>
<div class="actions"><a class="button" href="/login">${t.signIn}</a></div>
${back === null ? html`` : link(back)}`
  return shell({ title: t.title, body }, m)
}
