// Mails of tests: noted as rooms note theirs, and the rows of the outbox.
import { type Condition, sql, TRUE } from '../../worker/db/sql.ts'
import { deliver } from '../../worker/deliveries.ts'
import { mails } from '../../worker/identity/mail/mails.ts'
import type { MailRow } from '../../worker/mail/mail_store.ts'
import { type NewMail, noteMail } from '../../worker/mail/outbox.ts'
import type { TestWorker } from '../context.ts'

/** A transport that is named; a test worker answers in its place. */
export const SMTP = { EMAIL_URL: 'smtp://user:password@mail.example.com' }

export const LINK = 'http://localhost:8787/recover/password?token=the-secret-of-the-link'

/** A mail with a link, to the user ann. */
export const recoveryMail = (worker: TestWorker, changes: Partial<NewMail> = {}): NewMail =>
  ({
    kind: 'recovery',
    values: { link: LINK, valid_for: 3600 },
    to: { user_id: 'ann' },
    locale: null,
    expires_at: worker.clock.now + 3600,
    secret_of: 'hash-of-the-link',
    ...changes,
  }) as NewMail

/** Notes a mail in a batch of its own and answers its id. */
export async function note(
  worker: TestWorker,
  mail: NewMail = recoveryMail(worker),
  when: Condition = TRUE,
): Promise<string> {
  const cx = worker.context()
  const { id, statements } = await noteMail(cx, mail, when)
  await cx.db.write(statements)
  return id
}

export const send = (worker: TestWorker) => deliver(worker.context(), [mails])

export const outbox = (worker: TestWorker): Promise<MailRow[]> =>
  worker.context().db.read(sql<MailRow>`select * from mail order by id`)

export async function outboxRow(worker: TestWorker, id: string): Promise<MailRow> {
  const row = (await outbox(worker)).find((one) => one.id === id)
  if (row === undefined) throw new Error(`the outbox has no ${id}`)
  return row
}
