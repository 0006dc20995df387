// Numbers that makers gave to a device: what may be said, and the key that is one for all common
// ways to write a value. Pure.
import { lineSchema, z } from '../api.ts'

const MAX_HARDWARE_IDS = 10

const kindSchema = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,31}$/, 'must be a word in lower case, such as serial, mac or imei')

export type HardwareId = { kind: string; value: string }

export const hardwareIdSchema = z
  .strictObject({ kind: kindSchema, value: lineSchema(128) })
  .superRefine((one, refinement) => {
    if (hardwareKey(one) !== null) return
    const message =
      one.kind === 'mac'
        ? 'must be 6 or 8 bytes in hexadecimal, such as 00:1b:44:11:3a:b7'
        : 'must be the 14 to 16 digits of an IMEI'
    refinement.addIssue({ code: 'custom', path: ['value'], message })
  })
  .openapi('HardwareId', { example: { kind: 'mac', value: '00:1b:44:11:3a:b7' } })

export const hardwareIdsSchema = z
  .array(hardwareIdSchema)
  .max(MAX_HARDWARE_IDS)
  .refine(
    (all) => new Set(all.map((one) => `${one.kind} ${hardwareKey(one)}`)).size === all.length,
    'must not name one number twice',
  )

/** The key of a number, or null where the value is none of its kind. Keys are unique in a kind. */
export function hardwareKey({ kind, value }: HardwareId): string | null {
  const plain = value.normalize('NFC').trim()
  if (kind === 'mac') {
    const bytes = plain.replaceAll(/[\s:.-]/g, '').toLowerCase()
    return /^(?:[0-9a-f]{12}|[0-9a-f]{16})$/.test(bytes) ? bytes : null
  }
  if (kind === 'imei') return imeiKey(plain.replaceAll(/[\s./-]/g, ''))
  return kind === 'serial' ? plain.replaceAll(/\s/g, '').toUpperCase() : plain
}

/** 3GPP TS 23.003 §6.2: 14 digits, then a check digit or two of the software. */
function imeiKey(digits: string): string | null {
  if (!/^\d{14,16}$/.test(digits)) return null
  if (digits.length === 15) return digits
  const body = digits.slice(0, 14)
  const sum = [...body].reduce((total, digit, i) => {
    const value = Number(digit) * (i % 2 === 1 ? 2 : 1)
    return total + (value > 9 ? value - 9 : value)
  }, 0)
  return `${body}${(10 - (sum % 10)) % 10}`
}

/** The numbers with their keys, as the store takes them. */
export const withKeys = (ids: readonly HardwareId[]) =>
  ids.map((one) => ({ kind: one.kind, value: one.value.trim(), key: hardwareKey(one) ?? '' }))
