// The tables `mail_code` and `linked_password`. Statements, no rules.
import type { Context } from '../../context.ts'
import type { mail_code } from '../../db/factor_schema.ts'
import { type Condition, condition, type Scalar, type Statement, sql, TRUE } from '../../db/sql.ts'
import { DEFAULT_SETTINGS } from '../../settings.ts'
import { hasFactor } from '../factors/factor_store.ts'
import { userExists } from '../store.ts'

export type MailCodeRow = typeof mail_code.$inferSelect

/**
 * A condition: a mailed code is a second factor of the person, where the session is one of a
 * password. The setting says so; there is no other factor; the mailbox is proven and was that of
 * the account for as long as a change of address can be undone; and the password did not come by a
 * mailed link, since then one mailbox would be both.
 */
export const mailCodeCounts = (cx: Context, user_id: string | Scalar): Condition =>
  condition`coalesce((select value from setting where name = 'mail_codes'),
      ${JSON.stringify(DEFAULT_SETTINGS.mail_codes)}) = '"on"'
    and not ${hasFactor(user_id)}
    and exists (select 1 from user where id = ${user_id} and email_verified = 1)
    and not exists (select 1 from linked_password where user_id = ${user_id})
    and not exists (select 1 from account_link where user_id = ${user_id}
      and purpose = 'undo_address' and used_by is null and expires_at > ${cx.now()})`

/** Puts the code in the place of the one that the session had, where the condition holds. */
export const replaceMailCode = (
  row: Omit<MailCodeRow, 'used_by'>,
  when: Condition,
): Statement<never> =>
  sql`insert into mail_code (session_hash, user_id, code_mac, expires_at)
    select ${row.session_hash}, ${row.user_id}, ${row.code_mac}, ${row.expires_at} where (${when})
    on conflict (session_hash) do update set code_mac = excluded.code_mac,
      expires_at = excluded.expires_at, used_by = null`

/** A condition: the session has this code. */
export const mailCodeExists = (session_hash: string, code_mac: string): Condition =>
  condition`exists (select 1 from mail_code
    where session_hash = ${session_hash} and code_mac = ${code_mac})`

/** The last code of the session, good or not. */
export const findMailCode = (session_hash: string): Statement<MailCodeRow> =>
  sql`select * from mail_code where session_hash = ${session_hash}`

/** Uses the code, if nobody has and `when` holds; the same request may repeat it. */
export const consumeMailCode = (
  cx: Context,
  { session_hash, code_mac }: Pick<MailCodeRow, 'session_hash' | 'code_mac'>,
  when: Condition,
): Statement<{ session_hash: string }> =>
  sql`update mail_code set used_by = ${cx.rid}
    where session_hash = ${session_hash} and code_mac = ${code_mac} and (used_by = ${cx.rid}
      or (used_by is null and expires_at > ${cx.now()} and (${when})))
    returning session_hash`

/** A condition: this request used the code. */
export const mailCodeIsMine = (cx: Context, session_hash: string): Condition =>
  condition`exists (select 1 from mail_code
    where session_hash = ${session_hash} and used_by = ${cx.rid})`

export const deleteMailCodesOf = (user_id: string): readonly Statement[] => [
  sql`delete from mail_code where user_id = ${user_id}`,
  sql`delete from linked_password where user_id = ${user_id}`,
]

export const deleteAllMailCodes = (): Statement => sql`delete from mail_code`

/** For the timer. */
export const deleteOldMailCodes = (cx: Context): Statement =>
  sql`delete from mail_code where expires_at <= ${cx.now()}`

// --- linked_password --------------------------------------------------------------------------

/** Notes that the password came by a mailed link, where the condition holds. */
export const noteLinkedPassword = (
  cx: Context,
  user_id: string,
  when: Condition,
): Statement<never> =>
  sql`insert into linked_password (user_id, set_at) select ${user_id}, ${cx.now()}
    where ${userExists(user_id)} and (${when})
    on conflict (user_id) do update set set_at = excluded.set_at`

/** The password came by a person who proved a factor that is no mailbox. */
export const forgetLinkedPassword = (user_id: string, when: Condition = TRUE): Statement<never> =>
  sql`delete from linked_password where user_id = ${user_id} and (${when})`
