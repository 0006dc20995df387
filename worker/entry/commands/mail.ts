// The commands about mails: `allauth mail preview | test`.
import type { Context } from '../../context.ts'
import { previewMail, previewQuery, sendTestMail } from '../../identity/mail/mail_preview.ts'
import { CannotStart } from '../cannot_start.ts'
import type { CommandAnswer } from './answer.ts'

export async function answerPreview(
  cx: Context,
  kind: string,
  { locale, user }: { locale?: string | undefined; user?: string | undefined },
): Promise<CommandAnswer> {
  const judged = previewQuery.safeParse({ kind, locale, user })
  if (!judged.success) {
    throw new CannotStart(
      judged.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'),
    )
  }
  const mail = await previewMail(cx, judged.data)
  return { text: `Subject: ${mail.subject}\n\n${mail.text}\n${mail.html}`, json: mail }
}

/** Exit code 1 when the mail did not go. */
export async function answerTest(cx: Context, address: string): Promise<CommandAnswer> {
  const result = await sendTestMail(cx, address)
  const { via } = cx.config.email
  if (result.outcome === 'kept') {
    throw new CannotStart('EMAIL_URL is outbox:, so no mail goes anywhere. Set it to try one.')
  }
  const isSent = result.outcome === 'sent'
  const words = isSent ? 'taken' : `not taken (${result.reason})`
  return {
    text: `${via}: ${words}: ${result.answer}`,
    json: { via, ...result },
    code: isSent ? 0 : 1,
  }
}
