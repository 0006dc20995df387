// The text of a mail, for development and for a system without mail. A link in it is the account of
// its person, so it is shown only where EMAIL_URL is `outbox:`, only to an actor who holds `manage`
// without an end, and each reading is an event.
import { demandPower, lackingToHandOn } from '../../access/power.ts'
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { UnsealError } from '../../crypto.ts'
import { unlessRefused } from '../../db/database.ts'
import { type Condition, condition } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import { composeMail, openContent } from '../../mail/mail_delivery.ts'
import { findListedMail, findMail, type MailRow } from '../../mail/mail_store.ts'
import { mailLanguages } from './mails.ts'
import { describeMail, mailSchema, noSuchMail } from './outbox_list.ts'

export const mailTextSchema = z
  .object({ subject: z.string(), text: z.string(), html: z.string() })
  .openapi('MailText')

export const wholeMailSchema = mailSchema
  .extend({
    content: mailTextSchema
      .nullable()
      .describe(
        'null unless EMAIL_URL is `outbox:`, the token has `manage`, and link or code are still of use',
      ),
  })
  .openapi('WholeMail')

type WholeMail = z.infer<typeof wholeMailSchema>

/** A mail, with its text where that is permitted. Throws Problem not_found. Round trips: 2. */
export async function readMail(cx: Context, id: string): Promise<WholeMail> {
  const {
    listed: [listed],
    row: [row],
  } = await cx.db.read({ listed: findListedMail(id), row: findMail(id) })
  if (listed === undefined || row === undefined) throw noSuchMail()
  const mail = describeMail(listed)
  const isPermitted = cx.config.email.via === 'outbox' && cx.actor.scopes.has('manage')
  const content = isPermitted ? await textOf(cx, row) : null
  if (content === null) return { ...mail, content }
  // The reading is noted before the text goes out, and power is judged with it.
  const write = cx.db.write([
    ...demandPower([lackingToHandOn(cx, ['manage'])]),
    appendEvent(
      cx,
      { type: 'mail.read', subject_id: row.user_id, data: { mail_id: id, kind: row.kind } },
      stillThere(row),
    ),
  ])
  return unlessRefused(
    write.then(() => ({ ...mail, content })),
    () => ({ ...mail, content: null }),
  )
}

const stillThere = ({ id }: MailRow): Condition =>
  condition`exists (select 1 from mail where id = ${id})`

async function textOf(cx: Context, row: MailRow): Promise<WholeMail['content']> {
  const isOver = row.expires_at !== null && row.expires_at <= cx.now()
  if (isOver || !['waiting', 'kept'].includes(row.state)) return null
  try {
    const content = await openContent(cx, row)
    if (content === null) return null
    const words = (await mailLanguages(cx, [row.locale]))(row.locale)
    const mail = composeMail(cx, row, words(content, row.name))
    if (mail === null) return null
    const { subject, text, html } = mail
    return { subject, text, html }
  } catch (error) {
    if (error instanceof UnsealError) return null
    throw error
  }
}
