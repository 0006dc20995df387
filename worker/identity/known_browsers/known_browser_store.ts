// The table `known_browser`. Statements, no rules.
import type { Context } from '../../context.ts'
import type { known_browser } from '../../db/schema.ts'
import {
  type Condition,
  condition,
  list,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../../db/sql.ts'

export type KnownBrowserRow = typeof known_browser.$inferSelect

/** Browsers that one person has; the one that was used least lately makes room. */
const BROWSERS_MAX = 20

/** A condition about a row: it is one of these browsers, and known as that of the person. */
const isOne = (cx: Context, hashes: readonly string[], user_id: string | Scalar): Condition =>
  condition`hash in (${list(hashes)}) and user_id = ${user_id} and expires_at > ${cx.now()}`

/** A condition: one of the browsers is known as that of the person. */
export const isKnownBrowser = (
  cx: Context,
  hashes: readonly string[],
  user_id: string | Scalar,
): Condition => condition`exists (select 1 from known_browser where ${isOne(cx, hashes, user_id)})`

/**
 * The one of the browsers that is known as that of the person, or null. `has_factor`: only one in
 * which a second factor was proven.
 */
export const knownBrowserOf = (
  cx: Context,
  hashes: readonly string[],
  user_id: string | Scalar,
  { has_factor }: { has_factor: boolean },
): Scalar =>
  scalar`(select hash from known_browser where ${isOne(cx, hashes, user_id)}
    and has_factor >= ${has_factor} order by hash limit 1)`

/** Notes another sign-in in one of the browsers, where the condition holds. */
export const updateKnownBrowser = (
  cx: Context,
  hashes: readonly string[],
  { user_id, has_factor, last_at, expires_at }: Omit<KnownBrowserRow, 'hash'>,
  when: Condition,
): Statement<never> =>
  sql`update known_browser set last_at = ${last_at}, expires_at = ${expires_at},
      has_factor = max(has_factor, ${has_factor})
    where ${isOne(cx, hashes, user_id)} and (${when})`

/** Inserts the browser in place of none of `hashes`, where the condition holds. */
export const insertKnownBrowser = (
  cx: Context,
  row: KnownBrowserRow,
  hashes: readonly string[],
  when: Condition,
): Statement<never> =>
  sql`insert into known_browser (hash, user_id, has_factor, last_at, expires_at)
    select ${row.hash}, ${row.user_id}, ${row.has_factor}, ${row.last_at}, ${row.expires_at}
    where not ${isKnownBrowser(cx, hashes, row.user_id)} and (${when})
    on conflict (hash) do nothing`

/** Deletes those that were not used for the longest time, beyond the number that is kept. */
export const deleteSurplusBrowsers = (user_id: string): Statement<never> =>
  sql`delete from known_browser where hash in (select hash from known_browser
    where user_id = ${user_id} order by last_at desc, hash limit -1 offset ${BROWSERS_MAX})`

export const deleteKnownBrowsersOf = (user_id: string, when: Condition = TRUE): Statement<never> =>
  sql`delete from known_browser where user_id = ${user_id} and (${when})`

/** Deletes all browsers of a person but these, where the condition holds. */
export const deleteOtherBrowsers = (
  user_id: string,
  hashes: readonly string[],
  when: Condition,
): Statement<never> =>
  sql`delete from known_browser where user_id = ${user_id} and hash not in (${list(hashes)})
    and (${when})`

/** The browser of a person could be one that ended after the moment of a backup. */
export const deleteAllKnownBrowsers = (): Statement => sql`delete from known_browser`

/** For the timer. */
export const deleteOldBrowsers = (cx: Context): Statement =>
  sql`delete from known_browser where expires_at <= ${cx.now()}`
