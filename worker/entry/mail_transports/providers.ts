// Providers that take mails over HTTP: Resend (resend.com/docs), Postmark
// (postmarkapp.com/developer) and Amazon SES (API v2, SendEmail). Each gets the mail in its own
// shape; the rest is one.
import type { EmailTransport } from '../../mail/email_url.ts'
import type { MailOutcome, OutgoingMail } from '../../mail/outgoing.ts'
import { signedHeaders } from './aws_signature.ts'
import { accepted, brokenOff, forGood, later } from './mail_failures.ts'
import { mailbox } from './mime_message.ts'

type Provider = Extract<EmailTransport, { via: 'resend' | 'postmark' | 'ses' }>

type ProviderRequest = { url: string; headers: Record<string, string>; body: string }

const ANSWER_MAX = 10_000
/** RFC 3834 §5: no program answers the mail. */
const AUTOMATIC = { name: 'Auto-Submitted', value: 'auto-generated' }

/** Sends a mail by its provider. Never throws for a fault of the other side. */
export async function sendByProvider(
  provider: Provider,
  mail: OutgoingMail,
  timeout_ms: number,
): Promise<MailOutcome> {
  const { url, headers, body } = await requestFor(provider, mail)
  const signal = AbortSignal.timeout(timeout_ms)
  try {
    // A redirect would carry the key to somebody else.
    const init = { method: 'POST', headers, body, redirect: 'manual', signal } as const
    const answer = await fetch(url, init)
    const text = (await answer.text()).slice(0, ANSWER_MAX)
    return outcomeOf(answer.status, text)
  } catch (error) {
    return brokenOff(error, signal.aborted)
  }
}

function outcomeOf(status: number, text: string): MailOutcome {
  if (status >= 200 && status < 300) return accepted(text)
  if (status === 401 || status === 403) return later('login_refused', text)
  const reason = `http_${status}`
  // 409 of Resend: the same mail is on its way at this moment.
  const isForNow = status < 400 || status >= 500 || [408, 409, 425, 429].includes(status)
  if (isForNow) return later(reason, text)
  return forGood(reason, text, isInactive(text))
}

/** Postmark: 406 says that mails to this recipient came back, or that it complained. */
const isInactive = (text: string): boolean => /"ErrorCode"\s*:\s*406\b/.test(text)

async function requestFor(provider: Provider, mail: OutgoingMail): Promise<ProviderRequest> {
  const { id, from, to, subject, text, html } = mail
  switch (provider.via) {
    case 'resend':
      return {
        url: `${provider.url}/emails`,
        headers: {
          'Content-Type': 'application/json',
          Authorization: `Bearer ${provider.key}`,
          'Idempotency-Key': id,
        },
        body: JSON.stringify({
          from: plainMailbox(from),
          to: [plainMailbox(to)],
          subject,
          text,
          html,
          headers: { [AUTOMATIC.name]: AUTOMATIC.value },
        }),
      }
    case 'postmark':
      return {
        url: `${provider.url}/email`,
        headers: {
          'Content-Type': 'application/json',
          Accept: 'application/json',
          'X-Postmark-Server-Token': provider.key,
        },
        body: JSON.stringify({
          From: plainMailbox(from),
          To: plainMailbox(to),
          Subject: subject,
          TextBody: text,
          HtmlBody: html,
          MessageStream: 'outbound',
          Headers: [{ Name: AUTOMATIC.name, Value: AUTOMATIC.value }],
        }),
      }
    case 'ses': {
      const url = new URL(`${provider.url}/v2/email/outbound-emails`)
      const body = JSON.stringify({
        FromEmailAddress: unfolded(mailbox(from)),
        Destination: { ToAddresses: [unfolded(mailbox(to))] },
        Content: {
          Simple: {
            Subject: { Data: subject, Charset: 'UTF-8' },
            Body: {
              Text: { Data: text, Charset: 'UTF-8' },
              Html: { Data: html, Charset: 'UTF-8' },
            },
            Headers: [{ Name: AUTOMATIC.name, Value: AUTOMATIC.value }],
          },
        },
      })
      const headers = await signedHeaders(provider, 'ses', url, body, new Date())
      return { url: url.href, headers, body }
    }
  }
}

/** The name as it is, quoted: these two take UTF-8. */
const plainMailbox = ({ address, name }: OutgoingMail['to']): string =>
  name === '' ? address : `"${name.replace(/["\\]/g, '\\$&')}" <${address}>`

/** In a member of JSON nothing is folded. */
const unfolded = (text: string): string => text.replaceAll('\r\n', '')
