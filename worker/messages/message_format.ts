// ICU MessageFormat: reading a text, filling it, and telling which values it takes. A text is read
// when it is first needed, and most need no reading. Dates come as values, formatted by the caller,
// so that a text chooses neither their form nor the time zone.
import { IntlMessageFormat } from 'intl-messageformat'

/** A value in a filled text, kept apart from the words around it. */
export type ValueApart = { readonly value: unknown; toString(): string }
export type Part = string | ValueApart

/** Fills a text: numbers become words of it, every other value a part of its own. */
export type Message = (values: Readonly<Record<string, unknown>>) => Part[]

/** Kind of a value: an element of the parser's tree by its number. */
const LITERAL = 0
const ARGUMENT = 1
const NUMBER = 2
const SELECT = 5
const PLURAL = 6
const POUND = 7

const read = (locale: string, text: string) =>
  new IntlMessageFormat(text, locale, undefined, { ignoreTag: true })

// An object, since the formatter would melt a text into the words around it. It has the text's own
// choice of `select`.
const apart = (value: unknown): unknown =>
  typeof value === 'number' ? value : { value, toString: () => String(value) }

/** Reads a text. Throws SyntaxError for one that is no ICU MessageFormat. */
export function readMessage(locale: string, text: string): Message {
  // Nothing in it is syntax.
  if (!/[{}']/.test(text)) return () => [text]
  const format = read(locale, text)
  return (values) => {
    const entries = Object.entries(values).map(([name, value]) => [name, apart(value)] as const)
    return format
      .formatToParts<ValueApart>(Object.fromEntries(entries) as Record<string, ValueApart>)
      .map(({ value }) => value)
  }
}

/** Most choices (`plural`, `select`) within each other. */
const DEPTH_MAX = 3

/**
 * The values that a text takes, by name: `text` or `number`. Throws SyntaxError for a text that is
 * none, or that has a date or a style of number, which no text here may have.
 */
export function argumentsOf(locale: string, text: string): ReadonlyMap<string, 'text' | 'number'> {
  const found = new Map<string, 'text' | 'number'>()
  const visit = (elements: ReturnType<IntlMessageFormat['getAst']>, depth: number): void => {
    if (depth > DEPTH_MAX) throw new SyntaxError('a text nests choices without need')
    for (const element of elements) {
      if (element.type === LITERAL || element.type === POUND) continue
      if (element.type === ARGUMENT) {
        if (!found.has(element.value)) found.set(element.value, 'text')
      } else if (element.type === SELECT || element.type === PLURAL) {
        found.set(element.value, element.type === PLURAL ? 'number' : 'text')
        for (const { value } of Object.values(element.options)) visit(value, depth + 1)
      } else if (element.type === NUMBER && element.style == null) {
        found.set(element.value, 'number')
      } else throw new SyntaxError('a text may have no dates and no styles of numbers')
    }
  }
  visit(read(locale, text).getAst(), 0)
  return found
}
