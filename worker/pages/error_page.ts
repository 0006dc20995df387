// Page for a person when something did not work. The text is public and dull; details are in the
// log, where the id of the request leads to them.
import { html } from 'hono/html'
import type { Messages } from '../messages/messages.ts'
import { type Html, shell } from './shell.ts'

export type ErrorValues = {
  title: string
  text: string
  /** The words of the protocol, in English. */
  detail?: string
  request_id: string
}

export function errorPage(v: ErrorValues, m: Messages): Html {
  const detail =
    v.detail === undefined || v.detail === ''
      ? html``
      : html`<p class="quiet" lang="en" dir="ltr">${asSentence(v.detail)}</p>`
  const body = html`<h1>${v.title}</h1>
<p class="lead">${v.text}</p>
${detail}
<p class="foot">${m('error.footer')}</p>
<p class="quiet">${m('error.request', { id: v.request_id })}</p>`
  return shell({ title: v.title, body }, m)
}

/** A sentence begins with a capital, the name of a parameter stays as it is. */
function asSentence(words: string): string {
  const text = /^[a-z]+_/.test(words) ? words : words.charAt(0).toUpperCase() + words.slice(1)
  return /[.!?]$/.test(text) ? text : `${text}.`
}
