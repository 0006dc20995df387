// The table `used_assertion`: ids of used assertions and DPoP proofs, so that none is used twice.
import type { Context } from '../../context.ts'
import { used_assertion } from '../../db/oauth_schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  join,
  list,
  type Statement,
  sql,
} from '../../db/sql.ts'

/**
 * A single-use value: a client assertion, a DPoP proof, or the assertion of a jwt-bearer grant.
 * `issued_at` is the earliest time at which it may have been used.
 */
export type Assertion = {
  hash: string
  issued_at: number
  expires_at: number
  kind?: 'assertion' | 'dpop' | 'grant'
  /** Set when a batch that consumes it was sent. */
  isSent?: boolean
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

const consumeAssertion = (
  cx: Context,
  { hash, issued_at, expires_at }: Assertion,
  when: Condition,
): Statement =>
  insertWhere(
    used_assertion,
    { hash, rid: cx.rid, expires_at },
    condition`(${when}) and not exists (select 1 from used_assertion past
      where past.hash = ${OF_THE_PAST} and past.expires_at >= ${issued_at + LIFE_MAX})`,
    sql<never>`on conflict (hash) do nothing`,
  )

/** A condition: this very request consumed all of them. */
export const areMine = (cx: Context, proofs: readonly Assertion[]): Condition =>
  join(
    proofs.map(
      ({ hash }) =>
        condition`exists (select 1 from used_assertion where hash = ${hash} and rid = ${cx.rid})`,
    ),
    ' and ',
  )

/**
 * Consumes several, in order: none behind one that was used before, by which the caller proves
 * nothing. `mine` answers those that this very request consumed.
 */
export const consumeProofs = (cx: Context, proofs: readonly Assertion[]) => ({
  changes: proofs.map((proof, i) => consumeAssertion(cx, proof, areMine(cx, proofs.slice(0, i)))),
  mine: sql<{ hash: string }>`select hash from used_assertion
    where rid = ${cx.rid} and hash in (${list(proofs.map(({ hash }) => hash))})`,
})
