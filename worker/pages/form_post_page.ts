// A form that the browser sends on by itself to the address of an answer (OAuth Form Post Response
// Mode). The button is for browsers without script. The script is this one text, which the policy
// of the page names by its hash.
import { html, raw } from 'hono/html'
import { sha256 } from '../crypto.ts'
import { english, type Messages } from './messages.ts'
import { type Html, hiddenFields, shell } from './shell.ts'

const SCRIPT = 'document.forms[0].submit()'

/**
 * The script as a source of the Content-Security-Policy (CSP Level 3 §2.3.1), in base64 with
 * padding.
 */
export const FORM_POST_SCRIPT = `'sha256-${sha256(SCRIPT).replaceAll('-', '+').replaceAll('_', '/')}='`

export type FormPostValues = { action: string; fields: Readonly<Record<string, string>> }

export function formPostPage(v: FormPostValues, m: Messages = english): Html {
  const t = m.formPost
  const body = html`<h1>${t.title}</h1>
<p class="lead">${t.lead(new URL(v.action).host)}</p>
<form method="post" action="${v.action}">
${hiddenFields(v.fields)}
<div class="actions">
<button class="primary" type="submit">${t.submit}</button>
</div>
</form>
<script>${raw(SCRIPT)}</script>`
  return shell({ title: t.title, body }, m)
}
