// E-mail addresses as names of accounts: the accepted ones, and the comparison of two.
import { z } from './api.ts'

const MAX = 254

/**
 * The form for comparing: NFKC, lower case, trimmed. Lower-casing can leave a text that NFKC would
 * change again, so it is applied twice. Look-alikes such as full-width letters or the Kelvin sign
 * are the same account.
 */
export const emailKey = (email: string): string =>
  email.normalize('NFKC').toLowerCase().normalize('NFKC').trim()

/** Fault of an address in words for people, or null. */
export function emailFault(email: string): string | null {
  if (email.length > MAX || emailKey(email).length > MAX) return `must not exceed ${MAX} characters`
  // Invisible characters make two accounts look like one. Normalising can produce spaces and `@`,
  // so the key is checked too.
  for (const text of [email, emailKey(email)]) {
    if (/[\p{C}\p{Default_Ignorable_Code_Point}]/u.test(text)) {
      return 'must not contain control characters or invisible ones'
    }
    if (!/^[^\s@]+@[^\s@]+$/.test(text)) return 'must be an e-mail address such as ann@example.com'
  }
  return null
}

export const emailSchema = z
  .string()
  .trim()
  .superRefine((email, refinement) => {
    const fault = emailFault(email)
    if (fault !== null) refinement.addIssue({ code: 'custom', message: fault })
  })
  .openapi({ type: 'string', format: 'email', maxLength: MAX, example: 'ann@example.com' })
