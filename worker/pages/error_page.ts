// Page for a person when something did not work. The text is public and dull; details are in the
// log, where the id of the request leads to them.
import { html } from 'hono/html'
import type { Messages } from '../messages/messages.ts'
import { type Html, shell } from './shell.ts'

export function errorPage(
  v: { title: string; text: string; request_id: string },
  m: Messages,
): Html {
  // A sentence begins with a capital, the name of a parameter stays as it is.
  const isName = /^[a-z]+_/.test(v.text)
  const text = isName ? v.text : v.text.charAt(0).toLocaleUpperCase() + v.text.slice(1)
  const body = html`<h1>${v.title}</h1>
<p class="lead">${/[.!?]$/.test(text) || text === '' ? text : `${text}.`}</p>
<p class="foot">${m('error.footer')}</p>
<p class="quiet">${m('error.request', { id: v.request_id })}</p>`
  return shell({ title: v.title, body }, m)
}
