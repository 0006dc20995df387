// The texts of all languages: whether each is there, is used, and takes the values of the English
// one.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { IntlMessageFormat } from 'intl-messageformat'
import { describe, expect, test } from 'vitest'
import { CATALOGUES, isMessageKey, MESSAGE_KEYS } from '../../worker/messages/catalogues.ts'
import { LOCALES } from '../../worker/messages/locales.ts'
import { argumentsOf } from '../../worker/messages/message_format.ts'
import { english } from '../../worker/messages/messages.ts'
import { ROOT } from '../support/tree.ts'

const others = LOCALES.map((locale) => locale as string).filter((locale) => locale !== 'en')
const texts: Readonly<Record<string, Readonly<Record<string, string>>>> = CATALOGUES

/** The source of the worker without the texts themselves. */
const source = readdirSync(join(ROOT, 'worker'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !/^messages\/[a-z]{2}\//.test(file))
  .map((file) => readFileSync(join(ROOT, 'worker', file), 'utf8'))
  .join('\n')

test('each text is used: its key stands in the source, or the beginning of it before a part', () => {
  const literal = new Set([...source.matchAll(/'([a-z_]+\.[a-z_]+)'/g)].map(([, key]) => key))
  const composed = [...source.matchAll(/`([a-z_]+\.[a-z_]*)\$\{[^}]*\}([a-z_]*)`/g)]
  const unused = MESSAGE_KEYS.filter(
    (key) =>
      !literal.has(key) &&
      !composed.some(([, head = '', tail = '']) => key.startsWith(head) && key.endsWith(tail)),
  )
  expect(MESSAGE_KEYS.length).toBeGreaterThan(100)
  expect(unused).toEqual([])
})

test('a key is an area, a point and a name', () => {
  expect(MESSAGE_KEYS.filter((key) => !/^[a-z_]+\.[a-z_]+$/.test(key))).toEqual([])
  expect(isMessageKey('sign_in.title')).toBe(true)
  for (const text of ['', 'sign_in', '__proto__', 'constructor', 'sign_in.nothing']) {
    expect(isMessageKey(text), text).toBe(false)
  }
})

// As the types of `ValuesOf` read a text, which cannot be looked at here.
test('the values that the types find in an English text are those that the parser finds', () => {
  for (const key of MESSAGE_KEYS) {
    const text = CATALOGUES.en[key]
    const typed = [...text.matchAll(/\{([^}]*)\}/g)].flatMap(([, inner = '']) => {
      const [name = '', kind] = inner.split(/, (.*)/s)
      if (name === '' || name.includes(' ')) return []
      return [[name, /^(?:plural,|selectordinal,|number$)/.test(kind ?? '') ? 'number' : 'text']]
    })
    expect(Object.fromEntries(argumentsOf('en', text)), key).toEqual(Object.fromEntries(typed))
  }
})

describe.each(others)('the texts in %s', (locale) => {
  test('are those of English: none is missing, none is left over', () => {
    expect(Object.keys(texts[locale] ?? {}).sort()).toEqual([...MESSAGE_KEYS].sort())
  })

  test.each(MESSAGE_KEYS)('%s takes the values of the English one', (key) => {
    const text = texts[locale]?.[key] ?? ''
    expect(text.trim()).toBe(text)
    expect(argumentsOf(locale, text)).toEqual(argumentsOf('en', CATALOGUES.en[key]))
  })
})

test('no text has an apostrophe of ASCII, which quotes what follows in ICU MessageFormat', () => {
  for (const [locale, all] of Object.entries(texts)) {
    const quoting = Object.entries(all).filter(([, text]) => text.includes("'"))
    expect(quoting, locale).toEqual([])
  }
})

test('a text that counts has a form for each number in its language', () => {
  const missing: string[] = []
  let counted = 0
  for (const [locale, all] of Object.entries(texts)) {
    const rules = new Intl.PluralRules(locale)
    // A million has a form of its own in French and Spanish, which nothing here reaches.
    const forms = new Set(Array.from({ length: 1000 }, (_, n) => rules.select(n)))
    for (const [key, text] of Object.entries(all)) {
      if (!text.includes(', plural,')) continue
      counted++
      const tree = new IntlMessageFormat(text, locale, undefined, { ignoreTag: true }).getAst()
      for (const element of tree) {
        if (!('options' in element)) continue
        const lacking = [...forms].filter((form) => !(form in element.options))
        if (lacking.length > 0) missing.push(`${locale} ${key}: ${lacking.join(' ')}`)
      }
    }
  }
  expect(counted).toBeGreaterThan(30)
  expect(missing).toEqual([])
})

test('a text that is not there, or that lacks a value, does not compile', () => {
  // Each line would be an error for `tsc`, which says so as well when one is none.
  const compiled = () => [
    // @ts-expect-error no such key
    english('sign_in.nothing'),
    // @ts-expect-error the text takes `client`
    english('sign_in.lead'),
    // @ts-expect-error `client` is text
    english('sign_in.lead', { client: 1 }),
    // @ts-expect-error the text takes a number
    english('password.hint', { min: 'many' }),
    // @ts-expect-error the text takes nothing
    english('sign_in.title', { client: 'x' }),
    english('sign_in.lead', { client: 'x' }),
    english('password.hint', { min: 1 }),
  ]
  expect(compiled).toBeTypeOf('function')
})

test('a text is filled with its values as they are', () => {
  expect(english('sign_in.lead', { client: '{evil} <b>#</b>' })).toBe('to go on to {evil} <b>#</b>')
  expect(english('password.hint', { min: 1 })).toMatch(/^At least 1 character\. /)
  expect(english('password.hint', { min: 1500 })).toMatch(/^At least 1,500 characters\. /)
})

test('a name in writing of the other direction stands isolated in plain text', () => {
  expect(english('consent.title', { client: 'Garden' })).toBe('Allow access for Garden')
  expect(english('consent.title', { client: 'حديقة' })).toBe('Allow access for \u2068حديقة\u2069')
})
