// Passkeys in the table `factor`. Statements, no rules.
import type { Context } from '../../context.ts'
import { type Condition, type Statement, sql } from '../../db/sql.ts'
import type { FactorRow } from '../factors/factor_store.ts'
import type { UserRow } from '../store.ts'

export type PasskeyRow = FactorRow & {
  credential_id: string
  public_key: string
  user_handle: string
  sign_count: number
  transports: string
  aaguid: string
  is_synced: number
  is_backed_up: number
}

export const isPasskey = (row: FactorRow): row is PasskeyRow => row.kind === 'passkey'

/** A passkey with its person. */
export type PasskeyToSignIn = PasskeyRow & {
  user_status: UserRow['status']
  user_closes_at: number | null
  user_password: string | null
  user_epoch: number
}

export const findPasskey = (credential_id: string): Statement<PasskeyToSignIn> =>
  sql`select factor.*, user.status as user_status, user.closes_at as user_closes_at,
      user.password as user_password, user.epoch as user_epoch
    from factor join user on user.id = factor.user_id
    where factor.credential_id = ${credential_id} and factor.kind = 'passkey'`

/**
 * Uses the passkey while it is there, if `when` holds and no use that the authenticator counted
 * later came before.
 */
export const updatePasskeyUse = (
  cx: Context,
  { id, user_id }: Pick<PasskeyRow, 'id' | 'user_id'>,
  { sign_count, is_backed_up }: { sign_count: number; is_backed_up: boolean },
  when: Condition,
): Statement<{ id: string }> =>
  sql`update factor set sign_count = ${sign_count}, is_backed_up = ${Number(is_backed_up)},
      used_by = ${cx.rid}, last_used_at = ${cx.now()}
    where id = ${id} and user_id = ${user_id} and (used_by = ${cx.rid}
      or ((sign_count < ${sign_count} or (sign_count = 0 and ${sign_count} = 0)) and (${when})))
    returning id`
