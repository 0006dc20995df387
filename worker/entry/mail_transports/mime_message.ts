// A mail as text (RFC 5322, RFC 2045): for transports that have nobody who writes it. Everything
// beyond ASCII is encoded, so that each line is short and plain on every way.
import type { MailAddress, OutgoingMail } from '../../mail/outgoing.ts'

const utf8 = new TextEncoder()

export const base64 = (text: string): string => {
  let binary = ''
  for (const byte of utf8.encode(text)) binary += String.fromCharCode(byte)
  return btoa(binary)
}

/**
 * RFC 2047 §2: text as encoded words of at most 75 characters, each with whole characters; ASCII
 * stays as it is.
 */
export function encodedWords(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text) && !text.includes('=?')) return text
  const words: string[] = []
  let word = ''
  for (const character of text) {
    // 45 bytes become 60 characters, with 12 around them.
    if (utf8.encode(word + character).length > 45) {
      words.push(word)
      word = ''
    }
    word += character
  }
  return [...words, word].map((one) => `=?UTF-8?B?${base64(one)}?=`).join('\r\n ')
}

/** RFC 5322 §3.4: an address with its name, quoted or encoded. */
export function mailbox({ address, name }: MailAddress): string {
  if (name === '') return address
  const isPlain = /^[\x20-\x7e]*$/.test(name) && !name.includes('=?')
  const phrase = isPlain ? `"${name.replace(/["\\]/g, '\\$&')}"` : encodedWords(name)
  return `${phrase} <${address}>`
}

const lines76 = (text: string): string => (text.match(/.{1,76}/g) ?? []).join('\r\n')

const part = (type: string, text: string): string =>
  [
    `Content-Type: ${type}; charset=utf-8`,
    'Content-Transfer-Encoding: base64',
    '',
    lines76(base64(text.replace(/\r?\n/g, '\r\n'))),
  ].join('\r\n')

/** The whole message, lines ended by CR LF; no line of it begins with a dot. */
export function mimeMessage({ id, from, to, subject, text, html }: OutgoingMail, at: Date): string {
  const boundary = `=_${id}`
  return [
    `From: ${mailbox(from)}`,
    `To: ${mailbox(to)}`,
    `Subject: ${encodedWords(subject)}`,
    `Date: ${at.toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${id}@${from.address.slice(from.address.lastIndexOf('@') + 1)}>`,
    'Auto-Submitted: auto-generated', // RFC 3834 §5
    'MIME-Version: 1.0',
    `Content-Type: multipart/alternative; boundary="${boundary}"`,
    '',
    `--${boundary}`,
    part('text/plain', text),
    `--${boundary}`,
    part('text/html', html),
    `--${boundary}--`,
    '',
  ].join('\r\n')
}
