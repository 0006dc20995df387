// All languages that pages can be in, each by its own name: one button each.
import { html } from 'hono/html'
import { directionOf, LOCALES, NAMES } from '../messages/locales.ts'
import type { Messages } from '../messages/messages.ts'
import { csrfField, type Html, hiddenFields, shell } from './shell.ts'

export type LanguageValues = {
  /** Fields that carry the way back, sent back as they came. */
  carried: Readonly<Record<string, string>>
  /** Path of the page from which the person comes. */
  back: string
  /** The account takes the language too. */
  isSignedIn: boolean
  csrf: string
}

export function languagePage(v: LanguageValues, m: Messages): Html {
  const buttons = LOCALES.map(
    (locale) =>
      html`<button lang="${locale}" dir="${directionOf(locale)}"${locale === m.locale ? html` class="primary" aria-current="true"` : html``} type="submit" name="action" value="${locale}">${NAMES[locale]}</button>`,
  )
  const body = html`<h1>${m('language.title')}</h1>
<form method="post" action="/language">
${csrfField(v.csrf)}
${hiddenFields(v.carried)}
<div class="actions">
${buttons}
</div>
</form>
${v.isSignedIn ? html`<p class="hint">${m('language.account')}</p>` : html``}
<p class="foot"><a href="${v.back}">${m('language.back')}</a></p>`
  return shell({ title: m('language.title'), body }, m)
}
