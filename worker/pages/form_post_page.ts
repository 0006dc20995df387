// A form that the browser sends on by itself to the address of an answer (OAuth Form Post Response
// Mode). The button is for browsers without script. The script is this one text, which the policy
// of the page names by its hash.
import { html, raw } from 'hono/html'
import { sha256 } from '../crypto.ts'
import type { Messages } from '../messages/messages.ts'
import { type Html, hiddenFields, sentence, shell } from './shell.ts'

const SCRIPT = 'document.forms[0].submit()'

/**
 * The script as a source of the Content-Security-Policy (CSP Level 3 §2.3.1), in base64 with
 * padding.
 */
export const FORM_POST_SCRIPT = `'sha256-${sha256(SCRIPT).replaceAll('-', '+').replaceAll('_', '/')}='`

export type FormPostValues = { action: string; fields: Readonly<Record<string, string>> }

export function formPostPage(v: FormPostValues, m: Messages): Html {
  const body = html`<h1>${m('form_post.title')}</h1>
<p class="lead">${sentence(m, 'form_post.lead', { host: new URL(v.action).host })}</p>
<form method="post" action="${v.action}">
${hiddenFields(v.fields)}
<div class="actions">
<button class="primary" type="submit">${m('form_post.submit')}</button>
</div>
</form>
<script>${raw(SCRIPT)}</script>`
  return shell({ title: m('form_post.title'), body }, m)
}
