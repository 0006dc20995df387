// Pages: values in, HTML out. This file has the frame of every page, and the parts that pages
// share.
// Files: one `..._page.ts` for each page; all looks in stylesheet.ts; language.ts chooses the
// language of a request, rights_in_words.ts the texts of scopes, claims and actions.
// No inline style, and no script but those of passkey_form.ts and form_post_page.ts, which the
// policy of page_headers.ts names by their hash; all but passkeys works without. Values are escaped
// by hono/html.
// Owns no route and no table. Leaves texts to messages/, and to the rooms above where values come
// from.
import { html } from 'hono/html'
import type { MessageKey, ValuesOf } from '../messages/catalogues.ts'
import { NAMES } from '../messages/locales.ts'
import type { Filling, Messages } from '../messages/messages.ts'

export type Html = ReturnType<typeof html>

/**
 * A text with its values as elements of the page. A value that is text stands isolated: a name in
 * writing of the other direction must not reorder the sentence around it.
 */
export const sentence = <key extends MessageKey>(
  m: Messages,
  key: key,
  values: Filling<ValuesOf<key>, Html>,
): Html =>
  html`${m.parts<key, Html>(key, values, (value) =>
    // Elements are objects, though their type says text.
    typeof value === 'string' ? html`<bdi>${value}</bdi>` : value,
  )}`

/** A whole document around `body`; `title` names the page in the tab. */
export function shell(v: { title: string; body: Html }, m: Messages): Html {
  return html`<!doctype html>
<html lang="${m.locale}" dir="${m.direction}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${v.title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<main class="card">
${MARK}
${v.body}
</main>
${languageSwitch(m)}
</body>
</html>
`
}

const MARK = html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
<rect class="mark-ground" width="32" height="32" rx="9"></rect>
<path class="mark-line" d="M9.5 23 16 9l6.5 14M12.2 18h7.6"></path>
</svg>`

const GLOBE = html`<svg class="globe" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
<circle cx="12" cy="12" r="9"></circle>
<path d="M3 12h18M12 3c5 5.5 5 12.500 0 18M12 3c-5 5.500-5 12.500 0 18"></path>
</svg>`

/** The way to another language, where there is a way back. */
function languageSwitch(m: Messages): Html {
  if (m.switch_path === null) return html``
  const language = NAMES[m.locale]
  return html`<footer class="under"><a href="${m.switch_path}" aria-label="${m('language.change', { language })}">${GLOBE}${language}</a></footer>`
}

/** The fault, which screen readers read out at once; nothing when `text` is undefined. */
export const alert = (text: string | undefined): Html =>
  text === undefined ? html`` : html`<p class="alert" role="alert" id="alert">${text}</p>`

/** Introduction that an application gives of itself (OpenID Connect Registration §2). */
export type Introduction = {
  client_name: string
  logo_uri: string | null
  policy_uri: string | null
  tos_uri: string | null
}

/**
 * The logo of the application that asks, if it has one. Its name stands beside it, so it needs no
 * text of its own.
 */
export const logo = ({ logo_uri }: Introduction): Html =>
  logo_uri === null
    ? html``
    : html`<img class="logo" src="${logo_uri}" alt="" referrerpolicy="no-referrer">`

/** Links to the pages of the application about data and terms, if it has such. */
export function documents(v: Introduction, m: Messages): Html {
  const links = [
    { uri: v.policy_uri, text: sentence(m, 'client.policy', { client: v.client_name }) },
    { uri: v.tos_uri, text: sentence(m, 'client.terms', { client: v.client_name }) },
  ].filter(({ uri }) => uri !== null)
  if (links.length === 0) return html``
  return html`<ul class="plain foot">${links.map(
    ({ uri, text }) => html`<li><a href="${uri}" rel="noreferrer">${text}</a></li>`,
  )}</ul>`
}

/** Fields that the form sends back as they came. */
export const hiddenFields = (fields: Readonly<Record<string, string>>): Html =>
  html`${Object.entries(fields).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`,
  )}`

/** A time (epoch seconds), to the minute. */
export const moment = (m: Messages, at: number): Html =>
  html`<time datetime="${new Date(at * 1000).toISOString()}">${m.moment(at)}</time>`

/** The day of a time (epoch seconds). */
export const day = (m: Messages, at: number): Html =>
  html`<time datetime="${new Date(at * 1000).toISOString().slice(0, 10)}">${m.day(at)}</time>`

export const csrfField = (csrf: string): Html =>
  html`<input type="hidden" name="csrf" value="${csrf}">`

/** The person of the session: a round initial, the name if there is one, the e-mail. */
export function person(v: { label: string; email: string; name?: string | null }): Html {
  const initial = [...(v.name ?? v.email)][0]?.toLocaleUpperCase() ?? ''
  const name = v.name ? html`<span class="person-name" dir="auto">${v.name}</span>` : html``
  return html`<div class="person">
<span class="avatar" aria-hidden="true">${initial}</span>
<span class="person-text"><span class="quiet">${v.label}</span>${name}<span class="person-email" dir="auto">${v.email}</span></span>
</div>`
}
