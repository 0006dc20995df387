// Transports of mail: one for each form of EMAIL_URL, behind the one function of the context.
// Files: node_smtp.ts sends by nodemailer on Node, Deno and Bun, smtp_session.ts over the sockets
// of Workers; providers.ts has the interfaces of Resend, Postmark and SES, aws_signature.ts a part
// of the last; mime_message.ts writes a mail as text, mail_failures.ts says what is for good;
// layout_file.ts reads EMAIL_LAYOUT.
// Tables: none. Leaves to the ground when a mail is sent, and sent again.
import type { Config } from '../../environment.ts'
import type { EmailTransport } from '../../mail/email_url.ts'
import type { MailOutcome, OutgoingMail, SendMail } from '../../mail/outgoing.ts'
import { sendByProvider } from './providers.ts'

/** Shows a mail of `outbox:` to a person who develops. */
export type ShowMail = (mail: OutgoingMail, config: Config) => void

export type SmtpServer = Extract<EmailTransport, { via: 'smtp' }>

/** Milliseconds within which a mail is taken, or tried again later. */
const TIMEOUT_MS = 20_000

/** `smtp` differs from runtime to runtime; its promise ends within `timeout_ms`. */
export function mailTransport(
  config: Config,
  smtp: (server: SmtpServer, mail: OutgoingMail, timeout_ms: number) => Promise<MailOutcome>,
  { show, timeout_ms = TIMEOUT_MS }: { show?: ShowMail | undefined; timeout_ms?: number } = {},
): SendMail {
  const { email } = config
  switch (email.via) {
    case 'outbox':
      return async (mail) => {
        show?.(mail, config)
        return { outcome: 'kept' }
      }
    case 'smtp':
      return (mail) => smtp(email, mail, timeout_ms)
    default:
      return (mail) => sendByProvider(email, mail, timeout_ms)
  }
}
