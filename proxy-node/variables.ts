// Forms of a variable of the environment: with a default or without, required, numbers, choices.
// The tables of variables are config.ts's and door_variables.ts's.

import { quote, type Reading } from './addresses.ts'

type Description<T> = {
  /** Words for the page, in Markdown. */
  readonly meaning: string
  /** A value that reads well, for a fault and for the page. */
  readonly example: string
  /** The value of a text, or the problem with it. */
  readonly read: (text: string) => Reading<T>
}

/** One variable: all that mProxy and its page know about it. */
export type Variable<T> = Description<T> & {
  /** The text that counts without one; undefined: none, and `remark` says which value holds. */
  readonly default: string | undefined
  /** In words, beside the default or in its place. */
  readonly remark: string
  /** The value without a text, or the fault. */
  readonly absent: Reading<T>
}

/** `text` counts where the environment says nothing. */
export const withDefault = <T>(text: string, remark: string, of: Description<T>): Variable<T> => ({
  ...of,
  default: text,
  remark,
  absent: of.read(text),
})

/** Without a text the value is undefined, whose meaning `remark` says. */
export const optional = <T>(remark: string, of: Description<T>): Variable<T | undefined> => ({
  ...of,
  default: undefined,
  remark,
  absent: { value: undefined },
})

export const required = <T>(remark: string, of: Description<T>): Variable<T> => ({
  ...of,
  default: undefined,
  remark: `required${remark}`,
  absent: { problem: 'is required and was not set' },
})

/** A whole number; the example of one with a default is the default. */
export const wholeNumber =
  (least: number, most: number) =>
  (text: string): Reading<number> => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
    if (value >= least && value <= most) return { value }
    return { problem: `${quote(text)} is not a whole number from ${least} to ${most}` }
  }

export const number = (
  value: number,
  [least, most]: readonly [number, number],
  meaning: string,
  remark = '',
): Variable<number> => {
  const text = String(value)
  return withDefault(text, remark, { example: text, meaning, read: wholeNumber(least, most) })
}

/** The first is the default. */
export const choice = <T extends string>(
  values: readonly [T, ...T[]],
  meaning: string,
): Variable<T> =>
  withDefault<T>(values[0], '', { example: values[0], meaning, read: oneOf(values) })

/** Reads one of a few words. */
export const oneOf =
  <T extends string>(values: readonly [T, ...T[]]) =>
  (text: string): Reading<T> => {
    const value = values.find((one) => one === text)
    if (value !== undefined) return { value }
    const [first, second, ...more] = values
    const problem =
      second !== undefined && more.length === 0
        ? `is neither ${first} nor ${second}`
        : `is none of ${values.join(', ')}`
    return { problem: `${quote(text)} ${problem}` }
  }
