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

/** A single-use value: a client assertion, a DPoP proof, or the assertion of a jwt-bearer grant. */
export type Assertion = {
  hash: string
  expires_at: number
  kind?: 'assertion' | 'dpop' | 'grant'
  /** Set when a batch that consumes it was sent. */
  isSent?: boolean
}

const consumeAssertion = (
  cx: Context,
  { hash, expires_at }: Assertion,
  condition: Condition,
): Statement =>
  insertWhere(
    used_assertion,
    { hash, rid: cx.rid, expires_at },
    condition,
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
