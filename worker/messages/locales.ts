// Languages (BCP 47): which of those that are there fits a wish. Wishes come from requests, so any
// text may be one.
import { CATALOGUES, type Locale } from './catalogues.ts'

export const LOCALES = Object.keys(CATALOGUES) as readonly Locale[]

export const isLocale = (text: string): text is Locale => Object.hasOwn(CATALOGUES, text)

/** Each language by its own name. */
export const NAMES: Readonly<Record<Locale, string>> = {
  en: 'English',
  de: 'Deutsch',
  es: 'Español',
  fr: 'Français',
  pl: 'Polski',
  ar: 'العربية',
}

/** Languages written from right to left. */
const RIGHT_TO_LEFT: readonly string[] = ['ar']

export type Direction = 'ltr' | 'rtl'

export const directionOf = (locale: Locale): Direction =>
  RIGHT_TO_LEFT.includes(locale) ? 'rtl' : 'ltr'

/** Longest list of wishes that is read. */
const WISHES_MAX = 20

/**
 * The first wished language that is there; a region or script counts as its language (RFC 4647
 * §3.4). Null when there is none.
 */
export function chooseLocale(wishes: readonly string[]): Locale | null {
  for (const wish of wishes.slice(0, WISHES_MAX)) {
    const [language = ''] = wish.slice(0, 100).toLowerCase().split(/[-_]/)
    if (isLocale(language)) return language
  }
  return null
}
