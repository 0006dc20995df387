// How principals, names and times are written in requests to this room.
import { z } from '../api.ts'
import { ID_PATTERN } from './principals.ts'

/** A name for people: one line. */
export const nameSchema = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\p{Cc}]*$/u, 'must be one line without control characters')

export const descriptionSchema = z
  .string()
  .max(1000)
  .regex(/^[^\0]*$/, 'must not contain NUL')

/** The id of a principal, or of a user the e-mail address. */
export const principalReference = z
  .string()
  .max(254)
  .refine((text) => ID_PATTERN.test(text) || /^[^\s@\0]+@[^\s@\0]+$/.test(text), {
    message: 'must be the id of a user, client, device or group, or the e-mail address of a user',
  })
  .openapi({ example: 'ann@example.com' })

/**
 * The key by which identity keeps the e-mail address, or null for an id. No id has an `@`. The rule is
 * identity's `emailKey`, which this floor cannot import; a test holds the two together.
 */
export const emailKeyOf = (reference: string): string | null =>
  reference.includes('@')
    ? reference.normalize('NFKC').toLowerCase().normalize('NFKC').trim()
    : null

/** Epoch seconds. */
export const timeSchema = z.int().min(0).max(253_402_300_799).openapi({ example: 1_800_000_000 })
