// The first proof of an account's address. The account may have been made by somebody else in the
// name of the owner of that address, who would then share it: whatever was set before goes.
import type { Context } from '../../context.ts'
import { type Condition, condition, type Statement } from '../../db/sql.ts'
import { withdrawMails } from '../../mail/mail_store.ts'
import { dropFactors } from '../factors/factor_store.ts'
import type { EndAccess } from '../recovery.ts'
import { dropAllLinks } from '../recovery_store.ts'
import { endSessionsOf } from '../sessions.ts'
import { clearPassword } from '../store.ts'

/**
 * Drops password, factors, access of applications, sessions and links of the account, where the
 * condition holds.
 */
export const dropAllSetBefore = (
  cx: Context,
  user_id: string,
  endAccess: EndAccess,
  when: Condition,
): readonly Statement[] => [
  clearPassword(user_id, when),
  ...dropFactors(user_id, when),
  ...endAccess(cx, user_id, when),
  ...endSessionsOf(user_id, when),
  dropAllLinks(user_id, when),
  withdrawMails(cx, condition`user_id = ${user_id} and ${when}`),
]
