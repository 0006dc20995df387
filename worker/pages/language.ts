// Language of a page: chosen for each request, from what the request, the person and the operator
// wish.
import type { Http } from '../http.ts'
import { chooseLocale } from '../messages/locales.ts'
import { type Messages, messagesIn } from '../messages/messages.ts'

export type LanguageWishes = {
  /** Languages that the request names, the most wanted first (OpenID Connect Core §3.1.2.1). */
  ui_locales?: readonly string[] | undefined
}

/** The texts for the page that answers a request. */
export async function pageMessages(c: Http, { ui_locales = [] }: LanguageWishes = {}) {
  const messages: Messages = messagesIn(chooseLocale(ui_locales) ?? 'en')
  c.header('Content-Language', messages.locale)
  return messages
}
