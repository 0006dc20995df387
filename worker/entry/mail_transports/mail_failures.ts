// Failures of a transport: which are for good, and which may be over at the next attempt. A failure
// that an operator has to mend (a wrong password, a certificate) is for now: the mails wait.
import type { MailOutcome } from '../../mail/outgoing.ts'

/** Longest text of the other side that is kept. */
const ANSWER_MAX = 300

const legible = (text: string): string =>
  text
    .replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, ANSWER_MAX)

export const later = (reason: string, answer: string): MailOutcome => ({
  outcome: 'again',
  reason,
  answer: legible(answer),
})

export const forGood = (reason: string, answer: string, is_address: boolean): MailOutcome => ({
  outcome: 'refused',
  reason,
  answer: legible(answer),
  is_address,
})

export const accepted = (answer: string): MailOutcome => ({
  outcome: 'sent',
  answer: legible(answer),
})

/** RFC 4954 §6: the server wants a login, or another one. */
const LOGIN = [530, 534, 535, 538]

/** RFC 3463 §3.2: the mailbox or its domain is not there, or has moved. */
const NO_ADDRESS = /\b5\.1\.(1|2|3|6|10)\b/

/**
 * The outcome of a command that was refused. Those about sender, recipient and text judge the mail;
 * a refusal before them is about the connection.
 */
export function smtpRefusal(
  { code, answer }: { code: number; answer: string },
  command: 'connection' | 'sender' | 'recipient' | 'text',
): MailOutcome {
  if (LOGIN.includes(code)) return later('login_refused', answer)
  const reason = `smtp_${code}`
  if (code < 500 || command === 'connection') return later(reason, answer)
  return forGood(reason, answer, command === 'recipient' && NO_ADDRESS.test(answer))
}

/** The outcome where no answer came. */
export function brokenOff(error: unknown, isLate: boolean): MailOutcome {
  const text = error instanceof Error ? error.message : String(error)
  if (isLate) return later('timeout', text)
  const isTls = /certificate|\bTLS\b|\bSSL\b|STARTTLS|self.signed/i.test(text)
  return later(isTls ? 'tls' : 'unreachable', text)
}
