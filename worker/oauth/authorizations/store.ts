// The table `authorization`: statements, no rules. All conditions hold again when a batch is repeated with the same `rid`.
import type { Context } from '../../context.ts'
import { authorization } from '../../db/schema.ts'
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

export type AuthorizationRow = typeof authorization.$inferSelect

/**
 * The end of an authorization that has none and is never idle: a link (clients/presets.ts). Null is another thing: no
 * refresh token. 31 December 9999, the last second that everybody can write down.
 */
export const NO_END = 253_402_300_799

/** Whether a family of refresh tokens was not used for too long. */
export const isIdle = (
  { expires_at, last_used_at }: { expires_at: number | null; last_used_at: number },
  now: number,
  idle_ttl: number,
): boolean => expires_at !== NO_END && last_used_at + idle_ttl <= now

/** The user that a scalar names. */
export const findUserOf = (subject: Scalar): Statement<UserRow> =>
  sql`select * from user where id = ${subject}`

/** A condition: user and client may act. */
export const isSignInUsable = (of: { user_id: string; client_id: string }): Condition =>
  condition`exists (select 1 from user where id = ${of.user_id} and status = 'active')
    and exists (select 1 from client where id = ${of.client_id} and status = 'active')`

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

/** Forgets what has ended, and assertion ids that nobody could use again. */
export function deleteEnded(cx: Context): readonly Statement[] {
  const now = cx.now()
  // An access token that was issued last may still be asked about.
  const before = now - ACCESS_TOKEN_TTL_MAX
  // Of a session that goes on the last sign-in to each client is kept: the client is to hear of the end.
  const isOver = condition`(revoked_at < ${before} or expires_at < ${before}
    or (expires_at is null and created_at < ${before}))
    and (sid is null or exists (select 1 from authorization later
      where later.sid = authorization.sid and later.client_id = authorization.client_id
        and later.id > authorization.id))`
  return [
    // Spent codes and used tokens are kept as long as their family, so that a second use is recognised.
    sql`delete from authorization_code
      where authorization_id in (select id from authorization where ${isOver})`,
    sql`delete from refresh_token
      where authorization_id in (select id from authorization where ${isOver})`,
    sql`delete from authorization where ${isOver}`,
    sql`delete from authorization_code where expires_at < ${before}
      and not exists (select 1 from authorization where id = authorization_code.authorization_id)`,
    sql`delete from used_assertion where expires_at <= ${now}`,
  ]
}
