// Messages: all texts that people read, in every language: pages, names of rights, faults.
// Tables: `message` (store.ts). Owns no route.
// Files: a folder like `en/` holds the texts of a language, catalogues.ts brings them together,
// message_format.ts reads and fills them, locales.ts chooses a language, this file answers texts,
// texts.ts with those of operators (store.ts), fault_in_words.ts a failure.
// Knows neither HTML nor requests: pages/ escapes texts, and chooses the language of a request.
// Leaves texts of the API and of the protocol, which are English, to where they are used.
import { CATALOGUES, type Locale, type MessageKey, type ValuesOf } from './catalogues.ts'
import { type Direction, directionOf, LOCALES } from './locales.ts'
import { argumentsOf, type Message, type Part, readMessage } from './message_format.ts'

/** The values of a text, of which those that are no numbers may be parts of a page. */
export type Filling<values, element> = {
  readonly [name in keyof values]: values[name] extends number ? number : string | element
}

/** The texts in one language. With a key and its values it answers plain text. */
export type Messages = {
  <key extends MessageKey>(
    key: key,
    ...values: keyof ValuesOf<key> extends never ? [] : [values: Readonly<ValuesOf<key>>]
  ): string
  readonly locale: Locale
  readonly direction: Direction
  /** Path of the page on which the reader changes the language, if there is a way back from it. */
  readonly switch_path: string | null
  withSwitch(path: string): Messages
  /** A time (epoch seconds) to the minute, in UTC: the time zone of the reader is not known. */
  moment(at: number): string
  /** The day of a time (epoch seconds), in UTC. */
  day(at: number): string
  list(items: readonly string[]): string
  /** The words of a text, and its values each as `element` makes them. */
  parts<key extends MessageKey, element>(
    key: key,
    values: Filling<ValuesOf<key>, element>,
    element: (value: string | element) => element,
  ): (string | element)[]
}

/** Letters written from right to left. */
const RIGHT_TO_LEFT =
  /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u

// Unicode TR9 §2.7: a name in writing of the other direction must not reorder the text around it.
const isolated = (text: string, direction: Direction): string =>
  direction === 'rtl' || RIGHT_TO_LEFT.test(text) ? `\u2068${text}\u2069` : text

/**
 * The texts in a language, of which some stand in the place of the program's. One of those that no
 * longer takes the values of its key, as after an upgrade, does not count.
 */
export function messagesWith(locale: Locale, own: ReadonlyMap<string, string>): Messages {
  const direction = directionOf(locale)
  const texts: Readonly<Record<MessageKey, string>> = CATALOGUES[locale]
  const read = new Map<MessageKey, Message>()
  const messageOf = (key: MessageKey): Message => {
    const known = read.get(key)
    if (known !== undefined) return known
    const written = own.get(key)
    const isGood = written !== undefined && faultOfText(locale, key, written) === null
    const message = readMessage(locale, isGood ? written : texts[key])
    read.set(key, message)
    return message
  }
  const fill = (key: MessageKey, values: Readonly<Record<string, unknown>> = {}): Part[] =>
    messageOf(key)(values)
  const text = (key: MessageKey, values?: Readonly<Record<string, unknown>>): string =>
    fill(key, values)
      .map((part) => (typeof part === 'string' ? part : isolated(String(part), direction)))
      .join('')
  const parts = <element>(
    key: MessageKey,
    values: Readonly<Record<string, unknown>>,
    element: (value: string | element) => element,
  ): (string | element)[] =>
    fill(key, values).map((part) =>
      typeof part === 'string' ? part : element(part.value as string | element),
    )
  const forms = formsOf(locale)
  const withSwitch = (switch_path: string | null): Messages =>
    Object.assign((...values: Parameters<typeof text>) => text(...values), {
      ...{ locale, direction, switch_path, withSwitch, parts, ...forms },
    })
  return withSwitch(null)
}

/** Longest text that takes the place of another. */
export const TEXT_MAX = 2000

/** The fault of a text in the place of another, in words of the API, or null. */
export function faultOfText(locale: Locale, key: MessageKey, text: string): string | null {
  if (text.length > TEXT_MAX) return `must have at most ${TEXT_MAX} characters`
  const wanted = argumentsOf('en', CATALOGUES.en[key])
  const say = (values: ReadonlyMap<string, string>) =>
    values.size === 0
      ? 'no value'
      : [...values].map(([name, kind]) => `${name} (${kind})`).join(', ')
  try {
    const found = argumentsOf(locale, text)
    const same =
      found.size === wanted.size && [...found].every(([name, kind]) => wanted.get(name) === kind)
    return same ? null : `takes ${say(found)}, and must take ${say(wanted)}`
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) {
      return `is no ICU message: ${error.message}`
    }
    throw error
  }
}

/** Dates and lists in the manner of a language. Their formatters are slow to make. */
function formsOf(locale: Locale): Pick<Messages, 'moment' | 'day' | 'list'> {
  const region = REGIONS[locale] ?? locale
  const dates = (timeStyle: 'short' | undefined) => {
    let format: Intl.DateTimeFormat | undefined
    return (at: number) => {
      format ??= new Intl.DateTimeFormat(region, { dateStyle: 'long', timeStyle, timeZone: 'UTC' })
      return format.format(at * 1000)
    }
  }
  const [day, moment] = [dates(undefined), dates('short')]
  let list: Intl.ListFormat | undefined
  return {
    day,
    moment: (at) => `${moment(at)} UTC`,
    list: (items) => {
      list ??= new Intl.ListFormat(region, { type: 'unit', style: 'short' })
      return list.format(items)
    },
  }
}

/** Where a language alone stands for one country's dates, which others misread. */
const REGIONS: { readonly [locale in Locale]?: string } = { en: 'en-GB' }

const MESSAGES = Object.fromEntries(
  LOCALES.map((locale) => [locale, messagesWith(locale, new Map())]),
) as Readonly<Record<Locale, Messages>>

export const messagesIn = (locale: Locale): Messages => MESSAGES[locale]

export const english: Messages = messagesIn('en')
