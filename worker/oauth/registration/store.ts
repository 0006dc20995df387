// The tables `initial_access_token` and `initial_access_token_use`. Clients themselves are
// clients/store.ts's.
import type { Context } from '../../context.ts'
import { initial_access_token } from '../../db/oauth_schema.ts'
import { type Condition, condition, insertInto, type Statement, sql } from '../../db/sql.ts'

type Row = typeof initial_access_token.$inferSelect

/** A token, and how many clients were made with it. */
export type InitialAccessTokenRow = Row & { uses: number }

const withUses = sql`select t.*,
  (select count(*) from initial_access_token_use where token_id = t.id) as uses
  from initial_access_token t`

export const findInitialAccessTokenByHash = (hash: string): Statement<InitialAccessTokenRow> =>
  sql`${withUses} where t.hash = ${hash}`

export const findInitialAccessTokenById = (id: string): Statement<InitialAccessTokenRow> =>
  sql`${withUses} where t.id = ${id}`

export const listInitialAccessTokensAfter = (
  after: string,
  limit: number,
): Statement<InitialAccessTokenRow> =>
  sql`${withUses} where t.id > ${after} order by t.id limit ${limit}`

export const insertInitialAccessToken = (row: Row): Statement =>
  insertInto(initial_access_token, row, sql<never>`on conflict (id) do nothing`)

/** A condition: the token exists. */
export const initialAccessTokenExists = (id: string): Condition =>
  condition`exists (select 1 from initial_access_token where id = ${id})`

/**
 * Inserts one more use of a token, for this request, if the token exists, has not run out, has a
 * use left, and its maker still holds what it gives. `isUseMine` says whether it did.
 */
export const insertInitialAccessTokenUse = (
  cx: Context,
  id: string,
  makerHolds: Condition,
): Statement =>
  sql`insert into initial_access_token_use (rid, token_id, created_at)
    select ${cx.rid}, id, ${cx.now()} from initial_access_token
    where id = ${id} and (expires_at is null or expires_at > ${cx.now()}) and (${makerHolds})
      and (max_uses is null or max_uses >
        (select count(*) from initial_access_token_use where token_id = ${id}))
    on conflict (rid) do nothing`

/**
 * A condition: this request used an initial access token, in this batch or in an earlier run of it.
 */
export const isUseMine = (cx: Context): Condition =>
  condition`exists (select 1 from initial_access_token_use where rid = ${cx.rid})`

/** Deletes a token; clients that were made with it stay. */
export const deleteInitialAccessToken = (id: string): readonly Statement[] => [
  sql`delete from initial_access_token where id = ${id}`,
  sql`delete from initial_access_token_use where token_id = ${id}`,
]

/** For the timer. */
export const deleteOldInitialAccessTokens = (now: number): readonly Statement[] => [
  sql`delete from initial_access_token where expires_at <= ${now}`,
  sql`delete from initial_access_token_use
    where token_id not in (select id from initial_access_token)`,
]
