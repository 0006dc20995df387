// The table `signing_key`.
import { signing_key } from '../db/schema.ts'
import { type Condition, condition, insertWhere, type Statement, sql } from '../db/sql.ts'

export type KeyRow = typeof signing_key.$inferSelect

export const listKeys = (): Statement<KeyRow> =>
  sql`select * from signing_key order by signs_at, kid`

/**
 * Inserts the key, unless a key of this algorithm begins to sign after `after`: rotations at once
 * make one key.
 */
export const insertKeyUnlessPending = (row: KeyRow, after: number): Statement =>
  insertWhere(
    signing_key,
    row,
    condition`not exists (select 1 from signing_key where alg = ${row.alg} and signs_at > ${after})`,
  )

/** Keeps a key published for a token that outlives the usual lifetimes. */
export const keepKeyUntil = (kid: string, expires_at: number): Statement =>
  sql`update signing_key set needed_until = max(needed_until, ${expires_at}) where kid = ${kid}`

export const isKey = (kid: string): Condition =>
  condition`exists (select 1 from signing_key where kid = ${kid})`

export const deleteKey = (kid: string): Statement => sql`delete from signing_key where kid = ${kid}`

/** Replaces the sealed private part by another one of the same key. */
export const resealKey = ({ kid, private_jwk }: KeyRow, resealed: string): Statement =>
  sql`update signing_key set private_jwk = ${resealed}
    where kid = ${kid} and private_jwk = ${private_jwk}`

/** Inserts the key as long as `predecessor` is there, which the same batch deletes. */
export const insertSuccessor = (row: KeyRow, predecessor: string): Statement =>
  insertWhere(signing_key, row, isKey(predecessor))
