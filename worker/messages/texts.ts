// The texts of this installation: those of the program, and in their place those that operators
// wrote. Remembered for a minute, like settings. Every room may use them, for pages and for mails:
// `(await loadTexts(cx))('pl')('sign_in.lead', { client })`.
import { type Context, recall, remember } from '../context.ts'
import type { Database } from '../db/database.ts'
import { acceptSettings, listSettings, type Settings } from '../settings.ts'
import type { Locale } from './catalogues.ts'
import { isLocale } from './locales.ts'
import { type Messages, messagesIn, messagesWith } from './messages.ts'
import { listOverrides, type OverrideRow } from './store.ts'

/** The texts in a language, which must be one that is there. */
export type Texts = (locale: Locale) => Messages

const MEMORY = 'texts'

/** Remembers texts that were read. A row of a language or key that is no more is passed over. */
export function acceptTexts(cx: Context, rows: readonly OverrideRow[]): Texts {
  const own = new Map<Locale, Map<string, string>>()
  for (const { locale, key, text } of rows) {
    if (!isLocale(locale)) continue
    const texts = own.get(locale) ?? new Map<string, string>()
    own.set(locale, texts.set(key, text))
  }
  const messages = new Map([...own].map(([locale, texts]) => [locale, messagesWith(locale, texts)]))
  const texts: Texts = (locale) => messages.get(locale) ?? messagesIn(locale)
  return remember(cx, MEMORY, texts, 60)
}

/** The texts as far as they are remembered; else those of the program. */
export const rememberedTexts = (cx: Context): Texts => recall<Texts>(cx, MEMORY) ?? messagesIn

const known = (cx: Context): boolean =>
  recall(cx, MEMORY) !== undefined && recall<Settings>(cx, 'settings') !== undefined

const reads = () => ({ settings: listSettings(), overrides: listOverrides() })

/** Texts and, in the same round trip, settings: remembered, or one round trip. */
export async function loadTexts(cx: Context): Promise<Texts> {
  if (known(cx)) return rememberedTexts(cx)
  const { settings, overrides } = await cx.db.read(reads())
  acceptSettings(cx, settings)
  return acceptTexts(cx, overrides)
}

/**
 * The same context, whose first read brings texts and settings too where they are not remembered:
 * then they cost no round trip of their own.
 */
export function bringTexts(cx: Context): Context {
  if (known(cx)) return cx
  const { db } = cx
  let isBrought = false
  const read: Database['read'] = async (batch, options) => {
    if (isBrought) return db.read(batch, options)
    isBrought = true
    const { page, texts } = await db.read({ page: batch, texts: reads() }, options)
    acceptSettings(cx, texts.settings)
    acceptTexts(cx, texts.overrides)
    return page
  }
  return { ...cx, db: { ...db, read } }
}
