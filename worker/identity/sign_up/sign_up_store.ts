// The table `sign_up`. Statements, no rules.
import type { Context } from '../../context.ts'
import { sign_up } from '../../db/schema.ts'
import { type Condition, condition, insertWhere, type Statement, sql } from '../../db/sql.ts'

export type SignUpRow = typeof sign_up.$inferSelect

export const insertSignUp = (row: SignUpRow, when: Condition): Statement =>
  insertWhere(sign_up, row, when, sql`on conflict (hash) do nothing`)

/** The sign-up, while it can go on. */
export const findSignUp = (cx: Context, hash: string): Statement<SignUpRow> =>
  sql`select * from sign_up
    where hash = ${hash} and used_by is null and expires_at > ${cx.now()}`

/** A condition: the sign-up is stored. */
export const signUpExists = (hash: string): Condition =>
  condition`exists (select 1 from sign_up where hash = ${hash})`

/** Uses the link for this request; the same request may repeat it. */
export const consumeSignUp = (cx: Context, hash: string): Statement<{ hash: string }> =>
  sql`update sign_up set used_by = ${cx.rid} where hash = ${hash}
    and (used_by = ${cx.rid} or (used_by is null and expires_at > ${cx.now()})) returning hash`

/** A condition: this request used the link. */
export const signUpIsMine = (cx: Context, hash: string): Condition =>
  condition`exists (select 1 from sign_up where hash = ${hash} and used_by = ${cx.rid})`

/** Deletes every sign-up on its way. */
export const deleteAllSignUps = (): Statement => sql`delete from sign_up`

/** For the timer. */
export const deleteOldSignUps = (cx: Context): Statement =>
  sql`delete from sign_up where expires_at <= ${cx.now()}`
