// The mail to a person whose account was closed: until when it can be kept, and how.
import type { Context } from '../../context.ts'
import { type Condition, condition, type Statement } from '../../db/sql.ts'
import { noteMail } from '../../mail/outbox.ts'
import { type UserRow, userIs } from '../store.ts'

/** Statements that note it where the condition holds. `locale`: for who has chosen none. */
export async function noteClosedMail(
  cx: Context,
  { user_id, closes_at, locale }: { user_id: string; closes_at: number; locale: string | null },
  when: Condition,
): Promise<readonly Statement[]> {
  const { statements } = await noteMail(
    cx,
    {
      kind: 'account_closed',
      values: { until: closes_at, link: `${cx.config.issuer}/login` },
      to: { user_id },
      locale,
      expires_at: null,
      secret_of: null,
    },
    when,
  )
  return statements
}

/** The same after the change of an operator; nothing where the account is deleted at once. */
export const noteClosing = async (cx: Context, row: UserRow): Promise<readonly Statement[]> =>
  row.closes_at === null || row.closes_at <= cx.now()
    ? []
    : noteClosedMail(
        cx,
        { user_id: row.id, closes_at: row.closes_at, locale: null },
        condition`${userIs(row)}`,
      )
