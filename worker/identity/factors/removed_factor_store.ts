// The table `removed_factor`. Statements, no rules.
import type { Context } from '../../context.ts'
import { removed_factor } from '../../db/factor_schema.ts'
import { factor } from '../../db/schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  type Scalar,
  type Statement,
  sql,
} from '../../db/sql.ts'
import { userExists } from '../store.ts'
import type { FactorRow, RecoveryCodeRow } from './factor_store.ts'

export type RemovedFactorRow = typeof removed_factor.$inferSelect

export const insertRemovedFactor = (row: RemovedFactorRow, when: Condition): Statement =>
  insertWhere(removed_factor, row, when, sql`on conflict (hash) do nothing`)

/** The link with its person, alive or not. */
export const findRemovedFactor = (hash: string): Statement<RemovedFactorRow & { email: string }> =>
  sql`select removed_factor.*, user.email
    from removed_factor join user on user.id = removed_factor.user_id
    where removed_factor.hash = ${hash}`

/** Uses the link for this request; the same request may repeat it. */
export const consumeRemovedFactor = (cx: Context, hash: string): Statement<{ hash: string }> =>
  sql`update removed_factor set used_by = ${cx.rid}
    where hash = ${hash} and (used_by = ${cx.rid}
      or (used_by is null and expires_at > ${cx.now()}))
    returning hash`

/** A condition: this request used the link. */
export const removalIsUndone = (cx: Context, hash: string): Condition =>
  condition`exists (select 1 from removed_factor where hash = ${hash} and used_by = ${cx.rid})`

/** Puts the factor back as it was, where the condition holds. */
export const restoreFactor = (row: FactorRow, when: Condition): Statement =>
  insertWhere(
    factor,
    row,
    condition`${userExists(row.user_id)} and (${when})`,
    sql`on conflict do nothing`,
  )

/** The codes of a person that were not used. */
export const listRecoveryCodes = (user_id: string | Scalar): Statement<RecoveryCodeRow> =>
  sql`select * from recovery_code where user_id = ${user_id} and used_by is null`

export const deleteRemovedFactorsOf = (user_id: string): Statement =>
  sql`delete from removed_factor where user_id = ${user_id}`

export const deleteAllRemovedFactors = (): Statement => sql`delete from removed_factor`

/** For the timer. */
export const deleteOldRemovedFactors = (cx: Context): Statement =>
  sql`delete from removed_factor where expires_at <= ${cx.now()}`
