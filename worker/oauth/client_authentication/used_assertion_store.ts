// The table `used_assertion`: ids of used assertions and DPoP proofs, so that none is used twice.
import type { Context } from '../../context.ts'
import { used_assertion } from '../../db/schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  list,
  type Statement,
  sql,
  TRUE,
} from '../../db/sql.ts'

/**
 * A single-use value: a client assertion, or a DPoP proof. `issued_at` is the earliest time at
 * which it may have been used.
 */
export type Assertion = {
  hash: string
  issued_at: number
  expires_at: number
  kind?: 'assertion' | 'dpop'
}

/** Longest lifetime of any of them, in seconds. */
const LIFE_MAX = 3600

/** Stands for all that was used before the database was put back to an earlier moment. */
const OF_THE_PAST = 'restored'

/**
 * Refuses whatever was issued before now, as if each were used: after a restore nobody knows which
 * were. The row lives as long as any of them could.
 */
export const consumeAllIssuedBefore = (cx: Context): Statement =>
  sql`insert into used_assertion (hash, rid, expires_at)
    values (${OF_THE_PAST}, ${cx.rid}, ${cx.now() + LIFE_MAX})
    on conflict (hash) do update set rid = excluded.rid, expires_at = excluded.expires_at`

export const consumeAssertion = (
  cx: Context,
  { hash, issued_at, expires_at }: Assertion,
  when: Condition = TRUE,
): Statement =>
  insertWhere(
    used_assertion,
    { hash, rid: cx.rid, expires_at },
    condition`(${when}) and not exists (select 1 from used_assertion past
      where past.hash = ${OF_THE_PAST} and past.expires_at >= ${issued_at + LIFE_MAX})`,
    sql<never>`on conflict (hash) do nothing`,
  )

/** A condition: this very request consumed the assertion. */
export const isAssertionMine = (cx: Context, { hash }: Assertion): Condition =>
  condition`exists (select 1 from used_assertion where hash = ${hash} and rid = ${cx.rid})`

/** Consumes several; `mine` answers those that this very request consumed. */
export const consumeProofs = (cx: Context, proofs: readonly Assertion[]) => ({
  changes: proofs.map((proof) => consumeAssertion(cx, proof)),
  mine: sql<{ hash: string }>`select hash from used_assertion
    where rid = ${cx.rid} and hash in (${list(proofs.map(({ hash }) => hash))})`,
})
