// The table `signing_key`.
import { signing_key } from '../db/schema.ts'
import { condition, insertWhere, type Statement, sql } from '../db/sql.ts'

export type KeyRow = typeof signing_key.$inferSelect

export const listKeys = (): Statement<KeyRow> =>
  sql`select * from signing_key order by signs_at, kid`

/**
 * Inserts unless a key of this algorithm will still begin to sign after `after`: racing rotations
 * make one.
 */
export const insertKeyUnlessPending = (row: KeyRow, after: number): Statement =>
  insertWhere(
    signing_key,
    row,
    condition`not exists (select 1 from signing_key where alg = ${row.alg} and signs_at > ${after})`,
  )

/** A token that outlives the usual lifetimes keeps its key published. */
export const keepKeyUntil = (kid: string, expires_at: number): Statement =>
  sql`update signing_key set needed_until = max(needed_until, ${expires_at}) where kid = ${kid}`

export const deleteKey = (kid: string): Statement => sql`delete from signing_key where kid = ${kid}`
