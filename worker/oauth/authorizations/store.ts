// The table `authorization`: statements, no rules. All conditions hold again when a batch is
// repeated with the same `rid`.
import type { Context } from '../../context.ts'
import { authorization } from '../../db/oauth_schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  type Scalar,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'
import type { UserRow } from '../../identity/users.ts'
import { ACCESS_TOKEN_TTL_MAX } from '../../settings.ts'
import { forgetStatus } from '../../status/entry_store.ts'

export type AuthorizationRow = typeof authorization.$inferSelect

/**
 * Value of `expires_at` for an authorization that has no end and is never idle: a link
 * (clients/presets.ts). Null means another thing: no refresh token. It is the last second of 31
 * December 9999.
 */
export const NO_END = 253_402_300_799

/** Whether a family of refresh tokens was unused for too long. */
export const isIdle = (
  { expires_at, last_used_at }: { expires_at: number | null; last_used_at: number },
  now: number,
  idle_ttl: number,
): boolean => expires_at !== NO_END && last_used_at + idle_ttl <= now

/** The user that a scalar names. */
export const findUserOf = (subject: Scalar): Statement<UserRow> =>
  sql`select * from user where id = ${subject}`

/** A sign-in, or columns of a row that stands for one. */
type SignedIn<Value> = { user_id: Value; client_id: Value; epoch: Value | number }

/**
 * The sum of the epochs of user and client, which a sign-in keeps. An epoch only rises, so the sum
 * is the same while neither was disabled.
 */
export const epochOf = (user: { epoch: number }, client: { epoch: number }): number =>
  user.epoch + client.epoch

/** A condition: user and client may act, and neither was disabled since that epoch. */
export const isSignInUsable = (of: SignedIn<string> | SignedIn<Scalar>): Condition =>
  condition`exists (select 1 from user u join client c on c.id = ${of.client_id}
    where u.id = ${of.user_id} and u.status = 'active' and c.status = 'active'
      and u.epoch + c.epoch = ${of.epoch})`

/** The same of a row of `authorization`. */
export const isAuthorizationUsable: Condition = isSignInUsable({
  user_id: scalar`authorization.user_id`,
  client_id: scalar`authorization.client_id`,
  epoch: scalar`authorization.epoch`,
})

export const insertAuthorization = (row: AuthorizationRow, condition: Condition): Statement =>
  insertWhere(authorization, row, condition, sql<never>`on conflict (id) do nothing`)

export const findAuthorization = (id: string): Statement<AuthorizationRow> =>
  sql`select * from authorization where id = ${id}`

/** The person of an authorization, as a scalar. */
export const subjectOfAuthorization = (id: string): Scalar =>
  scalar`(select user_id from authorization where id = ${id})`

export const revokeAuthorization = (id: string, now: number, condition: Condition): Statement =>
  sql`update authorization set revoked_at = ${now}
    where id = ${id} and revoked_at is null and ${condition}`

export const isAuthorizationLive = (id: string): Condition =>
  condition`exists (select 1 from authorization where id = ${id} and revoked_at is null)`

/** Ends every sign-in, and codes that wait: of a past of which nobody knows what was revoked. */
export const endAllAuthorizations = (cx: Context): readonly Statement[] => [
  sql`update authorization set revoked_at = ${cx.now()} where revoked_at is null`,
  sql`delete from authorization_code where redeemed_by is null`,
]

/**
 * Deletes authorizations that have ended, and ids of assertions that have run out and so cannot be
 * used again.
 */
export function deleteEnded(cx: Context): readonly Statement[] {
  const now = cx.now()
  // A client may still ask about the access token that was issued last.
  const before = now - ACCESS_TOKEN_TTL_MAX
  // While a session goes on, the last sign-in to each client is kept, so that the client hears of
  // the end.
  // Where user or client was disabled since, nobody can ask.
  const isOver = condition`(revoked_at < ${before} or expires_at < ${before}
    or (expires_at is null and created_at < ${before})
    or epoch <> (select u.epoch + c.epoch from user u
      join client c on c.id = authorization.client_id where u.id = authorization.user_id))
    and (sid is null or exists (select 1 from authorization later
      where later.sid = authorization.sid and later.client_id = authorization.client_id
        and later.id > authorization.id))`
  return [
    // Spent codes and tokens are kept as long as their family, so that a second use is recognised.
    sql`delete from authorization_code
      where authorization_id in (select id from authorization where ${isOver})`,
    sql`delete from refresh_token
      where authorization_id in (select id from authorization where ${isOver})`,
    forgetStatus('authorization', sql`select id from authorization where ${isOver}`),
    sql`delete from authorization where ${isOver}`,
    sql`delete from authorization_code where expires_at < ${before}
      and not exists (select 1 from authorization where id = authorization_code.authorization_id)`,
    sql`delete from used_assertion where expires_at <= ${now}`,
  ]
}
