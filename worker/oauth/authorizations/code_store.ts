// The table `authorization_code`: statements, no rules. authorize/authorize.ts inserts a code (its
// lifetime is the setting `code_ttl`); token/grants/authorization_code.ts consumes it with one
// conditional UPDATE that answers the row. All other statements of that batch depend on it. All
// conditions hold again when the batch is repeated with the same `rid`.

import type { Context } from '../../context.ts'
import { authorization_code } from '../../db/oauth_schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'
import { isSessionLive } from '../../identity/sessions.ts'
import type { Source } from '../tokens/powers.ts'
import { isSignInUsable } from './store.ts'

export type NewCode = Omit<typeof authorization_code.$inferSelect, 'redeemed_by'>

/**
 * Stores a code if `condition` holds. The hash belongs to this batch alone, so `findCodeHash` finds
 * the batch's own code even when the batch ran twice and the condition no longer holds.
 */
export const insertCode = (row: NewCode, condition: Condition): Statement =>
  insertWhere(authorization_code, row, condition, sql<never>`on conflict (hash) do nothing`)

export const findCodeHash = (hash: string): Statement<{ hash: string }> =>
  sql`select hash from authorization_code where hash = ${hash}`

/** A condition: the code was stored. */
export const codeExists = (hash: string): Condition =>
  condition`exists (select 1 from authorization_code where hash = ${hash})`

export type CodeRow = typeof authorization_code.$inferSelect

/** The code, and whether the session that it came from goes on. */
export const findCode = (
  cx: Context,
  hash: string,
): Statement<CodeRow & { is_in_session: 0 | 1 }> =>
  sql`select *, ${isInSession(cx)} as is_in_session from authorization_code where hash = ${hash}`

/** A condition on a row: its session goes on. Codes of before sessions had names have none. */
const isInSession = (cx: Context): Condition =>
  condition`(authorization_code.sid is null or ${isSessionLive(cx, {
    sid: scalar`authorization_code.sid`,
    user_id: scalar`authorization_code.user_id`,
  })})`

/** Parts of the code as SQL; null where there is none. */
export const sourceOfCode = (hash: string): Source => ({
  subject: scalar`(select user_id from authorization_code where hash = ${hash})`,
  scope: scalar`(select scope from authorization_code where hash = ${hash})`,
  resource: scalar`(select resource from authorization_code where hash = ${hash})`,
  details: scalar`(select authorization_details from authorization_code where hash = ${hash})`,
})

const isCodeUsable = isSignInUsable({
  user_id: scalar`authorization_code.user_id`,
  client_id: scalar`authorization_code.client_id`,
  epoch: scalar`authorization_code.epoch`,
})

/**
 * Answers the row exactly when this request is the one that redeems the code, in the session from
 * which it came. Of a consent that was withdrawn no code is left.
 */
export const consumeCode = (
  cx: Context,
  hash: string,
  now: number,
  isProven: Condition,
): Statement<CodeRow> => sql`
  update authorization_code set redeemed_by = ${cx.rid}
  where hash = ${hash} and (redeemed_by is null or redeemed_by = ${cx.rid}) and expires_at > ${now}
    and ${isInSession(cx)} and ${isCodeUsable} and ${isProven}
  returning *`

/** Whether this request redeemed the code. */
export const isCodeMine = (cx: Context, hash: string): Condition =>
  condition`exists (select 1 from authorization_code
    where hash = ${hash} and redeemed_by = ${cx.rid})`

/** Whether another request redeemed it, and the authorization that came of it still lives. */
export const isCodeReused = (cx: Context, hash: string): Condition => condition`exists (
  select 1 from authorization_code c join authorization a on a.id = c.authorization_id
  where c.hash = ${hash} and c.redeemed_by <> ${cx.rid} and a.revoked_at is null)`
