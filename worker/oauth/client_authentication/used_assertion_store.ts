// The table `used_assertion`: ids of assertions and DPoP proofs that were used, so that none is used twice.
import type { Context } from '../../context.ts'
import { used_assertion } from '../../db/schema.ts'
import { insertWhere, list, type Statement, sql } from '../../db/sql.ts'

/** A single-use value: a client assertion, or a DPoP proof. */
export type Assertion = { hash: string; expires_at: number; kind?: 'assertion' | 'dpop' }

export const consumeAssertion = (
  cx: Context,
  { hash, expires_at }: Assertion,
  condition: Statement = sql`1`,
): Statement =>
  insertWhere(
    used_assertion,
    { hash, rid: cx.rid, expires_at },
    condition,
    sql<never>`on conflict (hash) do nothing`,
  )

/** Whether this very request consumed the assertion, as a scalar. */
export const isAssertionMine = (cx: Context, { hash }: Assertion): Statement =>
  sql`exists (select 1 from used_assertion where hash = ${hash} and rid = ${cx.rid})`

/** Consumes several; `mine` answers those that this very request has. */
export const consumeProofs = (cx: Context, proofs: readonly Assertion[]) => ({
  changes: proofs.map((proof) => consumeAssertion(cx, proof)),
  mine: sql<{ hash: string }>`select hash from used_assertion
    where rid = ${cx.rid} and hash in (${list(proofs.map(({ hash }) => hash))})`,
})
