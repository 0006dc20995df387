// How commands about devices and access read their words and options, and show what they found.
import { existsSync, readFileSync } from 'node:fs'
import type { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { CannotStart } from '../cannot_start.ts'
import type { CommandAnswer } from './answer.ts'

export type RegistryOptions = {
  filter?: string[] | undefined
  limit?: string | undefined
  cursor?: string | undefined
  tag?: string[] | undefined
  untag?: string[] | undefined
  from?: string | undefined
  to?: string | undefined
  by?: string | undefined
  kind?: string | undefined
  name?: string | undefined
  parent?: string | undefined
  type?: string | undefined
  group?: string[] | undefined
  again?: string | undefined
  role?: string | undefined
  locale?: string | undefined
  file?: string | undefined
  resume?: string | undefined
  keep?: boolean | undefined
  'max-uses'?: string | undefined
  'expires-in'?: string | undefined
  'end-keys'?: boolean | undefined
  'end-tokens'?: boolean | undefined
  'dry-run'?: boolean | undefined
}

export type Command = (
  cx: Context,
  words: readonly string[],
  options: RegistryOptions,
) => Promise<CommandAnswer>

export const done: CommandAnswer = { text: 'done', json: {} }

/** The members of an item that say something, as words. */
const membersOf = (item: object): [name: string, value: string][] =>
  Object.entries(item).flatMap(([name, value]: [string, unknown]) => {
    const isPlain = Array.isArray(value) && value.every((one) => typeof one !== 'object')
    const text = isPlain
      ? value.join(',')
      : typeof value === 'object' && value !== null
        ? JSON.stringify(value)
        : String(value ?? '')
    return ['', '{}', '[]'].includes(text) ? [] : [[name, text] as const satisfies [string, string]]
  })

export const shown = (item: object): CommandAnswer => ({
  text: membersOf(item)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n'),
  json: item,
})

const line = (item: object): string =>
  membersOf(item)
    .map(([name, value]) => `${name}=${value}`)
    .join('  ')

/** A page: a line for each item, then how to go on. */
export const paged = (page: {
  items: readonly object[]
  next_cursor: string | null
}): CommandAnswer => ({
  text: [
    ...page.items.map(line),
    ...(page.next_cursor === null ? [] : [`more: --cursor ${page.next_cursor}`]),
  ].join('\n'),
  json: page,
})

export function idIn(words: readonly string[]): string {
  const [first, ...surplus] = words
  if (first === undefined || surplus.length > 0) {
    throw new CannotStart('Say one of them: its name comes behind the command.')
  }
  return first
}

export function noneIn(words: readonly string[]): void {
  if (words.length > 0) throw new CannotStart(`"${words.join(' ')}" is not understood here.`)
}

export function pairIn([group, member, ...surplus]: readonly string[]): [string, string] {
  if (group === undefined || member === undefined || surplus.length > 0) {
    throw new CannotStart('Say GROUP and MEMBER.')
  }
  return [group, member]
}

export function said(value: string | undefined, option: string): string {
  if (value === undefined) throw new CannotStart(`Say ${option}.`)
  return value
}

/** Epoch seconds of `--by`: a number of them, or a time of ISO 8601. */
export function timeIn({ by }: RegistryOptions): number {
  const text = said(by, '--by TIME')
  const at = /^\d{1,12}$/.test(text) ? Number(text) : Math.floor(Date.parse(text) / 1000)
  if (Number.isNaN(at)) throw new CannotStart(`--by ${text} is no time, such as 2030-01-31.`)
  return at
}

/** A whole number of an option; undefined where it is not said. */
export function numberIn(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,10}$/.test(text)) throw new CannotStart(`--${name} ${text} is no whole number.`)
  return Number(text)
}

/** The JSON of `--file`; undefined where none is said. */
export function fileIn({ file }: RegistryOptions): unknown {
  if (file === undefined) return undefined
  if (!existsSync(file)) throw new CannotStart(`There is no file ${file}.`)
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    throw new CannotStart(`${file} is no JSON.`)
  }
}

/**
 * Reads `--filter NAME=VALUE`, as often as there are filters. A name that is not in `known` is
 * refused: to pass over it would find more than was asked for. One that ends with a dot begins
 * names.
 */
export const filterOf = (
  { filter = [] }: Pick<RegistryOptions, 'filter'>,
  known: readonly string[],
): Record<string, string> =>
  Object.fromEntries(
    filter.map((text) => {
      const at = text.indexOf('=')
      if (at < 1) throw new CannotStart(`--filter ${text} is no NAME=VALUE.`)
      const name = text.slice(0, at)
      if (!known.some((one) => (one.endsWith('.') ? name.startsWith(one) : name === one))) {
        throw new CannotStart(`--filter ${name} is no filter. There are: ${known.join(' ')}`)
      }
      return [name, text.slice(at + 1)]
    }),
  )

export function pageIn({ limit = '50', cursor }: RegistryOptions) {
  const number = Number(limit)
  if (!(Number.isInteger(number) && number >= 1 && number <= 200)) {
    throw new CannotStart('--limit is a number from 1 to 200.')
  }
  return { limit: number, ...(cursor === undefined ? {} : { cursor }) }
}

export function judged<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const found = schema.safeParse(value)
  if (found.success) return found.data
  const faults = found.error.issues.map((one) => `  ${one.path.join('.')}: ${one.message}`)
  throw new CannotStart(`This cannot be done:\n${faults.join('\n')}`)
}
