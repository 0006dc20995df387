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

/** A single-use value: a client assertion, or a DPoP proof. */
export type Assertion = { hash: string; expires_at: number; kind?: 'assertion' | 'dpop' }

export const consumeAssertion = (
  cx: Context,
  { hash, expires_at }: Assertion,
  condition: Condition = TRUE,
): Statement =>
  insertWhere(
    used_assertion,
    { hash, rid: cx.rid, expires_at },
    condition,
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
