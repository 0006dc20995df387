// The tables `factor` and `recovery_code`. Statements, no rules.
import { accessDemandsFactor } from '../../access/factor_demand.ts'
import type { Context } from '../../context.ts'
import { factor, recovery_code } from '../../db/schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  type Scalar,
  type Statement,
  sql,
  TRUE,
} from '../../db/sql.ts'
import { DEFAULT_SETTINGS, type Settings } from '../../settings.ts'
import { userExists } from '../store.ts'

export type FactorRow = typeof factor.$inferSelect
export type RecoveryCodeRow = typeof recovery_code.$inferSelect

// --- factor -----------------------------------------------------------------------------------

export const listFactors = (user_id: string | Scalar): Statement<FactorRow> =>
  sql`select * from factor where user_id = ${user_id} order by created_at, id`

/** A condition: the person has a second factor. */
export const hasFactor = (user_id: string | Scalar): Condition =>
  condition`exists (select 1 from factor where user_id = ${user_id})`

/** A row where the person (an id, as a scalar) has a second factor, or needs one. */
export const findFactorOf = (cx: Context, user_id: Scalar): Statement<{ yes: 1 }> =>
  sql`select 1 as yes where ${hasFactor(user_id)} or ${factorIsDemanded(cx, user_id)}`

/**
 * A condition: the setting, a group or a role demands a second factor of the person. It reads the
 * setting itself, so that it costs no round trip, cold or warm.
 */
export const factorIsDemanded = (cx: Context, user_id: Scalar): Condition =>
  condition`(${isRequiredOf('everybody')}
    or ${accessDemandsFactor(user_id, cx.now(), isRequiredOf('operators'))})`

const isRequiredOf = (people: Settings['require_factor']): Condition =>
  condition`coalesce((select value from setting where name = 'require_factor'),
    ${JSON.stringify(DEFAULT_SETTINGS.require_factor)}) = ${JSON.stringify(people)}`

/** A condition: the person has fewer factors, of all kinds. */
export const hasFewerFactors = (user_id: string, max: number): Condition =>
  condition`(select count(*) from factor where user_id = ${user_id}) < ${max}`

/**
 * Inserts the factor of a person who is there, where the condition holds and no other factor has
 * its id or its credential.
 */
export const insertFactor = (row: typeof factor.$inferInsert, when: Condition): Statement =>
  insertWhere(
    factor,
    row,
    condition`${userExists(row.user_id)} and (${when})`,
    sql`on conflict do nothing`,
  )

/** A condition: this request made the factor. */
export const factorIsNew = (cx: Context, id: string): Condition =>
  condition`exists (select 1 from factor where id = ${id} and made_by = ${cx.rid})`

/** A condition: this request made recovery codes of the user. */
export const recoveryCodesAreNew = (cx: Context, user_id: string): Condition =>
  condition`exists (select 1 from recovery_code
    where user_id = ${user_id} and made_by = ${cx.rid})`

/** Uses a code of this time step, if neither it nor a later one was used and `when` holds. */
export const useStep = (
  cx: Context,
  { id, user_id }: Pick<FactorRow, 'id' | 'user_id'>,
  step: number,
  when: Condition,
): Statement<{ id: string }> =>
  sql`update factor set last_step = ${step}, used_by = ${cx.rid}, last_used_at = ${cx.now()}
    where id = ${id} and user_id = ${user_id} and (used_by = ${cx.rid}
      or (last_step < ${step} and (${when})))
    returning id`

/** A condition: this request used the factor. */
export const factorIsUsed = (cx: Context, id: string): Condition =>
  condition`exists (select 1 from factor where id = ${id} and used_by = ${cx.rid})`

export const deleteFactor = (
  user_id: string,
  id: string,
  when: Condition,
): Statement<{ id: string }> =>
  sql`delete from factor where user_id = ${user_id} and id = ${id} and (${when}) returning id`

/** A condition: the person has this factor, of this kind. */
export const factorIsOfKind = (user_id: string, id: string, kind: FactorRow['kind']): Condition =>
  condition`exists (select 1 from factor
    where user_id = ${user_id} and id = ${id} and kind = ${kind})`

/** Gives a factor of the person, of this kind, another name where the condition holds. */
export const updateFactorName = (
  { user_id, id, kind }: Pick<FactorRow, 'user_id' | 'id' | 'kind'>,
  name: string,
  when: Condition,
): Statement<{ id: string }> =>
  sql`update factor set name = ${name}
    where user_id = ${user_id} and id = ${id} and kind = ${kind} and (${when}) returning id`

/** A condition: the person has this factor and no other one. */
export const isLastFactor = (user_id: string, id: string): Condition =>
  condition`exists (select 1 from factor where user_id = ${user_id} and id = ${id})
    and not exists (select 1 from factor where user_id = ${user_id} and id <> ${id})`

/** A condition: without this factor the person could not sign in any more. */
export const isLastWayIn = (user_id: string, id: string): Condition =>
  condition`exists (select 1 from factor where id = ${id} and kind = 'passkey')
    and exists (select 1 from user where id = ${user_id} and password is null)
    and not exists (select 1 from factor
      where user_id = ${user_id} and kind = 'passkey' and id <> ${id})`

// --- recovery_code ----------------------------------------------------------------------------

/** The code, if it is the person's and was not used. */
export const findRecoveryCode = (
  user_id: string | Scalar,
  hash: string,
): Statement<RecoveryCodeRow> =>
  sql`select * from recovery_code
    where user_id = ${user_id} and hash = ${hash} and used_by is null`

/** How many codes of the person are left. */
export const countRecoveryCodes = (user_id: string | Scalar): Statement<{ left: number }> =>
  sql`select count(*) as left from recovery_code where user_id = ${user_id} and used_by is null`

export const insertRecoveryCode = (row: RecoveryCodeRow, when: Condition): Statement =>
  insertWhere(recovery_code, row, when, sql`on conflict (hash) do nothing`)

/** Uses the code, if nobody has and `when` holds; the same request may repeat it. */
export const consumeRecoveryCode = (
  cx: Context,
  { user_id, hash }: Pick<RecoveryCodeRow, 'user_id' | 'hash'>,
  when: Condition,
): Statement<{ hash: string }> =>
  sql`update recovery_code set used_by = ${cx.rid}, used_at = ${cx.now()}
    where hash = ${hash} and user_id = ${user_id} and (used_by = ${cx.rid}
      or (used_by is null and (${when})))
    returning hash`

/** A condition: this request used the code. */
export const recoveryCodeIsMine = (cx: Context, hash: string): Condition =>
  condition`exists (select 1 from recovery_code where hash = ${hash} and used_by = ${cx.rid})`

/** Deletes the codes of the person, but for those of this request, where the condition holds. */
export const deleteRecoveryCodes = (cx: Context, user_id: string, when: Condition): Statement =>
  sql`delete from recovery_code
    where user_id = ${user_id} and made_by <> ${cx.rid} and (${when})`

// --- both -------------------------------------------------------------------------------------

/** Deletes factors and recovery codes of the person, where the condition holds. */
export const dropFactors = (user_id: string, when: Condition): readonly Statement[] => [
  sql`delete from factor where user_id = ${user_id} and (${when})`,
  sql`delete from recovery_code where user_id = ${user_id} and (${when})`,
]

/** The same of those that were made at a time or later. */
export const dropFactorsSince = (
  user_id: string,
  since: number,
  when: Condition,
): readonly Statement[] => [
  sql`delete from factor where user_id = ${user_id} and created_at >= ${since} and (${when})`,
  sql`delete from recovery_code
    where user_id = ${user_id} and created_at >= ${since} and (${when})`,
]

export const deleteFactorsOf = (user_id: string): readonly Statement[] => dropFactors(user_id, TRUE)

/** Deletes every recovery code, since one may have been used after the moment of a backup. */
export const deleteAllRecoveryCodes = (): Statement => sql`delete from recovery_code`
