// Language of a page: chosen for each request from the wishes of the application, the person, the
// account, the browser and the operator, in this order. The person's own is a cookie, set by the
// page /language, to which the foot of each page leads.
import { recall } from '../context.ts'
import { sha256 } from '../crypto.ts'
import type { Http } from '../http.ts'
import type { Locale } from '../messages/catalogues.ts'
import { chooseLocale, isLocale } from '../messages/locales.ts'
import type { Messages } from '../messages/messages.ts'
import { loadTexts, rememberedTexts } from '../messages/texts.ts'
import { DEFAULT_SETTINGS, type Settings } from '../settings.ts'
import { readCookie, writeCookie } from '../web/cookies.ts'

export const LANGUAGE = '/language'

export type LanguageWishes = {
  /**
   * Languages that the request names, the most wanted first (OpenID Connect Core §3.1.2.1); those
   * of the query where it is not said.
   */
  ui_locales?: readonly string[] | undefined
  /** Path that shows the same page again, where it is not that of the request; null: none does. */
  path?: string | null | undefined
}

/** The texts for the page that answers a request. No round trip when warm. */
export async function pageMessages(c: Http, wishes: LanguageWishes = {}): Promise<Messages> {
  await loadTexts(c.var.cx)
  return choose(c, wishes)
}

/**
 * The texts for an error, from what is remembered alone: the database may be the fault. The address
 * of such a page may be anybody's, so it stands in no link.
 */
export const errorMessages = (c: Http): Messages => choose(c, { path: null })

function choose(c: Http, wishes: LanguageWishes): Messages {
  const { cx } = c.var
  const { default_locale } = recall<Settings>(cx, 'settings') ?? DEFAULT_SETTINGS
  const ui_locales = wishes.ui_locales ?? localesOfQuery(c)
  const own = readChoice(c)
  const wish = ui_locales.length === 0 ? undefined : digestOfWish(ui_locales)
  const locale =
    // An application repeats its wish at each visit: once the person overruled it, it counts no
    // more until it changes.
    (wish !== undefined && own?.overrules === wish ? own.locale : null) ??
    chooseLocale(ui_locales) ??
    own?.locale ??
    chooseLocale([cx.parties.locale ?? '']) ??
    chooseLocale(readAcceptLanguage(c.req.header('accept-language') ?? '')) ??
    default_locale
  c.header('Content-Language', locale)
  c.header('Vary', 'Accept-Language, Cookie')
  const path = wishes.path === undefined ? pathOfRequest(c) : wishes.path
  // The address of a one-time link is the secret itself, and goes into no other address.
  const isSecret = path !== null && /token(?:=|%3d|%253d)/i.test(path)
  const messages = rememberedTexts(cx)(locale)
  if (path === null || isSecret) return messages
  return messages.withSwitch(
    `${LANGUAGE}?${new URLSearchParams({
      return_to: path,
      ui_locales: locale,
      ...(wish === undefined ? {} : { overrules: wish }),
    })}`,
  )
}

const WISH_MAX = 1000

/** Read leniently: a wish is never a fault. */
const localesOfQuery = (c: Http): readonly string[] =>
  (c.req.query('ui_locales') ?? '')
    .slice(0, WISH_MAX)
    .split(' ')
    .filter((one) => one !== '')

const pathOfRequest = (c: Http): string | null =>
  c.req.method === 'GET' ? c.req.path + new URL(c.req.url).search : null

/** Languages of an Accept-Language header, the most wanted first (RFC 9110 §12.5.4). */
export function readAcceptLanguage(header: string): string[] {
  return header
    .slice(0, WISH_MAX)
    .split(',')
    .map((one) => {
      const [tag = '', weight] = one.split(';').map((part) => part.trim())
      const q = weight === undefined ? 1 : Number(/^q=([01](?:\.\d{0,3})?)$/i.exec(weight)?.[1])
      return { tag, q: Number.isNaN(q) ? 0 : q }
    })
    .filter(({ q }) => q > 0)
    .sort((a, b) => b.q - a.q)
    .map(({ tag }) => tag)
}

/**
 * The languages in which the reader understands a text, most wanted first. There are texts in more
 * languages than pages; the one of the page comes first where the person chose it against the rest.
 */
export function localesOfReader(
  c: Http,
  m: Messages,
  ui_locales: readonly string[] = [],
  user_locale: string | null = null,
): readonly string[] {
  const wishes = [
    ...ui_locales,
    ...(user_locale === null ? [] : [user_locale]),
    ...readAcceptLanguage(c.req.header('accept-language') ?? ''),
  ]
  const isAgreed = (chooseLocale(wishes) ?? m.locale) === m.locale
  return isAgreed ? [...wishes, m.locale] : [m.locale, ...wishes]
}

// --- the choice of the person -----------------------------------------------------------------

const COOKIE = 'locale'
const YEAR = 365 * 86_400

type Choice = { locale: Locale; overrules: string | undefined }

const digestOfWish = (ui_locales: readonly string[]): string =>
  sha256(ui_locales.join(' ')).slice(0, 8)

const DIGEST = /^[A-Za-z0-9_-]{8}$/

function readChoice(c: Http): Choice | null {
  const [locale = '', overrules] = (readCookie(c, COOKIE) ?? '').split('.')
  return isLocale(locale) ? { locale, overrules } : null
}

/** Keeps the choice; `overrules` is the wish against which it was made, as its page wrote it. */
export function writeChoice(c: Http, locale: Locale, overrules: string | undefined): void {
  const wish = overrules !== undefined && DIGEST.test(overrules) ? `.${overrules}` : ''
  writeCookie(c, COOKIE, `${locale}${wish}`, YEAR)
}
