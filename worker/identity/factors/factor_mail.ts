// The mail to a person whose account got another factor, or new recovery codes: whoever sits in an
// open browser for a moment could add one, and the person learns of it elsewhere.
import type { Context } from '../../context.ts'
import type { Condition, Statement } from '../../db/sql.ts'
import { noteMail } from '../../mail/outbox.ts'

export type AddedFactor = { how: 'app' | 'passkey'; factor: string } | { how: 'codes' }

/** The statements that note the mail where the condition holds; `sendMails` follows the batch. */
export const factorAddedMail = async (
  cx: Context,
  user_id: string,
  values: AddedFactor,
  when: Condition,
): Promise<readonly Statement[]> => {
  const about = { locale: null, expires_at: null, secret_of: null }
  const mail = { kind: 'factor_added', values, to: { user_id }, ...about } as const
  return (await noteMail(cx, mail, when)).statements
}
