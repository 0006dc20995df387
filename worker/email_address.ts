// E-mail addresses as names of accounts: the accepted ones, and the comparison of two.
import { z } from './api.ts'

const MAX = 254

/**
 * The form in which addresses were compared before domains became ASCII: NFKC, lower case, trimmed.
 * Lower-casing can leave a text that NFKC would change again, so it is applied twice. Look-alikes
 * such as full-width letters or the Kelvin sign are the same account.
 */
export const formerEmailKey = (email: string): string =>
  email.normalize('NFKC').toLowerCase().normalize('NFKC').trim()

/**
 * The form for comparing: the former one, with the domain in ASCII (RFC 5890), so that
 * `ann@müller.example` and `ann@xn--mller-kva.example` are one. The part before the `@` is
 * not folded further: `groß@` and `gross@` are two.
 */
export function emailKey(email: string): string {
  const former = formerEmailKey(email)
  const at = former.lastIndexOf('@')
  return at < 0 ? former : former.slice(0, at + 1) + asciiDomain(former.slice(at + 1))
}

/** A domain that is no domain name, or in ASCII already, stays as it is. */
function asciiDomain(domain: string): string {
  // The reader of URLs would find a port, a path or an escape in these.
  if (!/[^\x20-\x7e]/.test(domain) || /[\s/?#@:\\%[\]]/.test(domain)) return domain
  try {
    const { hostname } = new URL(`http://${domain}`)
    // It would make an IPv4 address of digits.
    return /^[\d.]*$/.test(hostname) ? domain : hostname
  } catch {
    return domain
  }
}

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
