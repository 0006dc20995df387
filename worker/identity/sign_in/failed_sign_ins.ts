// Sign-ins at an account that failed, as its person sees them: how many since the sign-in before
// the present one, and when the last one was. Counters and no log, in the table `failed_sign_in`.
// Written in batches that are sent anyway, by the same statements whether or not there is an
// account; only the person who is signed in reads them.
import type { Context } from '../../context.ts'
import { type Condition, type Scalar, type Statement, sql, TRUE } from '../../db/sql.ts'

/** Counts a failure at the account of the user, where there is one and the condition holds. */
export const countFailedSignIn = (
  cx: Context,
  user_id: string | Scalar,
  when: Condition = TRUE,
): Statement<never> =>
  sql`insert into failed_sign_in (user_id, count, last_at, before_count, before_at, session, rid)
    select id, 1, ${cx.now()}, 0, 0, null, ${cx.rid} from user where id = ${user_id} and (${when})
    on conflict (user_id) do update set count = count + 1, last_at = excluded.last_at,
      rid = excluded.rid
    where failed_sign_in.rid <> excluded.rid`

/**
 * Begins to count anew behind a sign-in, where the condition holds, once for a session; what was
 * counted until then is kept for its person to see.
 */
export const beginCountAnew = (
  user_id: string,
  session: string,
  when: Condition,
): Statement<never> =>
  sql`update failed_sign_in set before_count = count, before_at = last_at, count = 0, last_at = 0,
      session = ${session}
    where user_id = ${user_id} and session is not ${session} and (${when})`

export type FailedSignIns = { count: number; last_at: number }

/** The failures since the sign-in before the last one; no row without any. */
export const findFailedSignIns = (user_id: Scalar): Statement<FailedSignIns> =>
  sql`select count + before_count as count, max(last_at, before_at) as last_at
    from failed_sign_in where user_id = ${user_id} and count + before_count > 0`

export const deleteFailedSignInsOf = (user_id: string): Statement<never> =>
  sql`delete from failed_sign_in where user_id = ${user_id}`
