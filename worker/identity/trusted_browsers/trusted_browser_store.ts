// The table `trusted_browser`. Statements, no rules.
import type { Context } from '../../context.ts'
import type { trusted_browser } from '../../db/factor_schema.ts'
import { type Condition, condition, type Scalar, type Statement, sql, TRUE } from '../../db/sql.ts'
import { TRUST_DAYS_MAX } from '../../settings/factor_settings.ts'

export type TrustedBrowserRow = typeof trusted_browser.$inferSelect

const DAY = 86_400

/** A condition on a row and its `user`: it is young enough, and nothing has ended it. */
const isGood = (cx: Context, days: number): Condition =>
  condition`trusted_browser.trusted_at > ${cx.now() - days * DAY}
    and user.epoch = trusted_browser.epoch and user.status = 'active'`

/** A condition: the person proved a second factor in this browser within so many days. */
export const browserIsTrusted = (
  cx: Context,
  { hash, days }: { hash: string; days: number },
  user_id: string | Scalar,
): Condition =>
  condition`exists (select 1 from trusted_browser join user on user.id = trusted_browser.user_id
    where trusted_browser.hash = ${hash} and trusted_browser.user_id = ${user_id}
      and ${isGood(cx, days)})`

/** Those of a person, the newest first. */
export const listTrustedBrowsers = (
  cx: Context,
  user_id: Scalar,
): Statement<Omit<TrustedBrowserRow, 'epoch' | 'user_id'>> =>
  sql`select trusted_browser.hash, trusted_browser.trusted_at, trusted_browser.address,
      trusted_browser.user_agent
    from trusted_browser join user on user.id = trusted_browser.user_id
    where trusted_browser.user_id = ${user_id} and ${isGood(cx, TRUST_DAYS_MAX)}
    order by trusted_browser.trusted_at desc, trusted_browser.hash limit 200`

/** Inserts it with the present epoch of the person, where the condition holds. */
export const insertTrustedBrowser = (
  row: Omit<TrustedBrowserRow, 'epoch'>,
  when: Condition,
): Statement<never> =>
  sql`insert into trusted_browser (hash, user_id, epoch, trusted_at, address, user_agent)
    select ${row.hash}, id, epoch, ${row.trusted_at}, ${row.address}, ${row.user_agent}
    from user where id = ${row.user_id} and (${when})
    on conflict (hash, user_id) do nothing`

/** Gives the rows of other people in the same browser its new value, where the condition holds. */
export const moveTrustOfOthers = (
  { from, to, user_id }: { from: string; to: string; user_id: string },
  when: Condition,
): Statement<never> =>
  sql`update trusted_browser set hash = ${to}
    where hash = ${from} and user_id <> ${user_id} and (${when})`

export const deleteTrustedBrowser = (
  user_id: string,
  hash: string,
  when: Condition = TRUE,
): Statement<{ hash: string }> =>
  sql`delete from trusted_browser where user_id = ${user_id} and hash = ${hash} and (${when})
    returning hash`

/** A condition: the person trusts a browser of this hash. */
export const trustExists = (user_id: string, hash: string): Condition =>
  condition`exists (select 1 from trusted_browser where user_id = ${user_id} and hash = ${hash})`

export const deleteTrustedBrowsersOf = (
  user_id: string,
  when: Condition = TRUE,
): Statement<never> => sql`delete from trusted_browser where user_id = ${user_id} and (${when})`

/** Deletes each, since one may have been ended after the moment of a backup. */
export const deleteAllTrustedBrowsers = (): Statement => sql`delete from trusted_browser`

/** For the timer. */
export const deleteOldTrustedBrowsers = (cx: Context): Statement =>
  sql`delete from trusted_browser where trusted_at <= ${cx.now() - TRUST_DAYS_MAX * DAY}`
