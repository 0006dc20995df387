// The form in which a mail leaves: the one thing that a host is handed to send. Texts of strangers
// (names, addresses) come in here and must not become a header: all that reaches one passes this
// file.
export type MailAddress = { address: string; name: string }

export type OutgoingMail = {
  /** The same at each attempt, so that a recipient or a provider knows a second one. */
  id: string
  from: MailAddress
  to: MailAddress
  subject: string
  text: string
  html: string
}

/**
 * `reason` is a literal for log, event and outbox; `answer` the words of the other side, for the
 * operator who tries.
 */
export type MailOutcome =
  | { outcome: 'sent'; answer: string }
  /** EMAIL_URL is `outbox:`: it goes nowhere. */
  | { outcome: 'kept' }
  /** The network, or a refusal for now. */
  | { outcome: 'again'; reason: string; answer: string }
  /** Refused for good; `is_address` when the reason is that there is no such address. */
  | { outcome: 'refused'; reason: string; answer: string; is_address: boolean }

/** Sends one mail within a time limit. Never throws for a fault of the other side. */
export type SendMail = (mail: OutgoingMail) => Promise<MailOutcome>

const HEADER_MAX = 200

const cut = (text: string): string => [...text.trim()].slice(0, HEADER_MAX).join('')

/**
 * A text of people as one line of a header: without line breaks, control and invisible characters,
 * and cut.
 */
export const headerLine = (text: string): string =>
  cut(text.replace(/[\p{C}\p{Zl}\p{Zp}\p{Zs}]+/gu, ' '))

/**
 * The same for a subject, whose words are those of a language: it keeps the signs that set a name
 * apart in writing of the other direction (Unicode TR9 §2.7).
 */
export const subjectLine = (text: string): string =>
  cut(text.replace(/(?:(?![\u2068\u2069])[\p{C}\p{Zl}\p{Zp}\p{Zs}])+/gu, ' '))

/**
 * RFC 5321 §4.1.2, without quoted local parts and address literals; RFC 6531 for letters beyond
 * ASCII. Every other character would need quoting somewhere on the way, and each program quotes in
 * its own way.
 */
const LOCAL = /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(\.[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u
const DOMAIN = /^[\p{L}\p{M}\p{N}-]+(\.[\p{L}\p{M}\p{N}-]+)*$/u

/** The address as it can be sent to, its domain in A-labels (RFC 5891); null where it cannot be. */
export function sendableAddress(address: string): string | null {
  const at = address.lastIndexOf('@')
  const local = address.slice(0, at)
  const domain = address.slice(at + 1)
  const url = `http://${domain}/`
  // A last label of digits would be read as an IPv4 address.
  const isName = DOMAIN.test(domain) && !/(^|\.)\p{N}+$/u.test(domain)
  if (at < 0) return null
  const isLegible = !/\p{Default_Ignorable_Code_Point}/u.test(address)
  if (!isLegible || !LOCAL.test(local) || !isName || !URL.canParse(url)) return null
  const sendable = `${local}@${new URL(url).hostname}`
  return local.length > 64 || sendable.length > 254 ? null : sendable
}
