// The page /language, on which a person chooses the language of all pages. It leads back to where
// the person was, with the whole address of that page.
import { Hono } from 'hono'
import { badRequest } from '../errors.ts'
import { type Env, readForm, readQuery } from '../http.ts'
import { isLocale } from '../messages/locales.ts'
import { english } from '../messages/messages.ts'
import { LANGUAGE, pageMessages, writeChoice } from '../pages/language.ts'
import { languagePage } from '../pages/language_page.ts'
import { page } from '../pages/page_headers.ts'
import { keepLanguage } from './account.ts'
import { assertCsrf, csrfToken } from './csrf.ts'
import { safeReturnTo } from './return_to.ts'
import { readSessionCookie } from './sessions.ts'

const HOME = '/account'

/** Database round trips: 0; to choose 1 with a session, 2 where its account names another. */
export function languageRoutes(): Hono<Env> {
  return new Hono<Env>()
    .get(LANGUAGE, page, async (c) => {
      const query = readQuery(c)
      const back = safeReturnTo(c.var.cx, query.get('return_to')) ?? HOME
      const overrules = query.get('overrules')
      const carried = { return_to: back, ...(overrules === undefined ? {} : { overrules }) }
      const m = await pageMessages(c, { path: null })
      const isSignedIn = readSessionCookie(c) !== undefined
      return c.html(languagePage({ carried, back, isSignedIn, csrf: csrfToken(c) }, m))
    })
    .post(LANGUAGE, page, async (c) => {
      const form = await readForm(c)
      assertCsrf(c, form)
      const locale = form.get('action') ?? ''
      // A GET of another site must not choose, and neither may a text that is no language.
      if (!isLocale(locale)) throw badRequest(english('form.action'), 'unknown_action')
      writeChoice(c, locale, form.get('overrules'))
      await keepLanguage(c.var.cx, readSessionCookie(c), locale)
      return c.redirect(safeReturnTo(c.var.cx, form.get('return_to')) ?? HOME, 303)
    })
}
