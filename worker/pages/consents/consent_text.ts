// Pages about texts that people decide about, and about whatever else a person lacks.
// Files: continue_page.ts asks for the next missing thing, consents_page.ts is the part of the
// account; this file has the text itself. Values are escaped by hono/html, and texts are plain.
// Owns no route and no table. Leaves to identity which text a person is shown, and when.
import { html } from 'hono/html'
import type { Messages } from '../../messages/messages.ts'
import { type Html, sentence } from '../shell.ts'

/** A text in the language in which it is shown: its words, or where they are. */
export type TextValues = {
  locale: string
  title: string
  text: string | undefined
  url: string | undefined
}

/** The words in paragraphs, or a link to them, which opens beside the page. */
export function consentText(v: TextValues, m: Messages): Html {
  if (v.url !== undefined) {
    return html`<p class="beside"><a href="${v.url}" target="_blank" rel="noreferrer" hreflang="${v.locale}">${sentence(m, 'missing.read', { title: html`<bdi lang="${v.locale}">${v.title}</bdi>` })}</a></p>`
  }
  const paragraphs = (v.text ?? '').split(/\r?\n(?:\s*\r?\n)+/)
  return html`<div class="words" lang="${v.locale}" dir="auto" tabindex="0" role="region" aria-label="${v.title}">${paragraphs.map(
    (one) => html`<p dir="auto">${one}</p>`,
  )}</div>`
}
