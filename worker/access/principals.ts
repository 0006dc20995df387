// The one id space of users, clients, devices and groups (table `principal`). A room that makes a principal adds
// `insertPrincipal` to its batch and hangs all that follows on `principalIsMine`. Rows stay as tombstones, so an
// id is never given twice and a `sub` names one principal for ever.
import { z } from '../api.ts'
import type { Context } from '../context.ts'
import { principal } from '../db/schema.ts'
import { insertWhere, type Statement, sql } from '../db/sql.ts'

export type PrincipalRow = typeof principal.$inferSelect
export type PrincipalKind = PrincipalRow['kind']

/** One MQTT topic level; no `:`, which separates the suffix of an MQTT client id. */
export const ID_PATTERN = /^[A-Za-z0-9._~-]{1,64}$/

export const idSchema = z
  .string()
  .regex(ID_PATTERN, 'must be 1 to 64 characters of A-Z a-z 0-9 . _ ~ -')
  .openapi({ example: 'site-12' })

/** Takes the id unless it is taken, or was. With `condition`, only if that holds: else no id is spent. */
export const insertPrincipal = (
  cx: Context,
  id: string,
  kind: PrincipalKind,
  condition: Statement = sql`true`,
): Statement =>
  insertWhere(
    principal,
    { id, kind, rid: cx.rid, created_at: cx.now(), deleted_at: null },
    condition,
    sql`on conflict (id) do nothing`,
  )

/** A condition: this request made the principal, in this batch or in an earlier run of it. */
export const principalIsMine = (cx: Context, id: string): Statement =>
  sql`exists (select 1 from principal where id = ${id} and rid = ${cx.rid})`

export const findPrincipal = (
  id: string,
): Statement<Pick<PrincipalRow, 'id' | 'kind' | 'rid' | 'deleted_at'>> =>
  sql`select id, kind, rid, deleted_at from principal where id = ${id}`

/** The principal is gone; its id stays taken. `condition` makes it depend on what the batch did before. */
export const buryPrincipal = (
  cx: Context,
  id: string,
  condition: Statement = sql`true`,
): Statement =>
  sql`update principal set deleted_at = coalesce(deleted_at, ${cx.now()})
    where id = ${id} and (${condition})`

/**
 * What else a room adds when it deletes a principal, after `buryPrincipal`: its memberships and every grant to it
 * or on it. Each statement waits for the tombstone, so a deletion that did not happen takes nothing away.
 */
export const forgetRights = (id: string): Statement[] => {
  const buried = sql`exists (select 1 from principal where id = ${id} and deleted_at is not null)`
  return [
    sql`delete from membership where (member_id = ${id} or group_id = ${id}) and ${buried}`,
    sql`delete from "grant" where (subject_id = ${id} or object_id = ${id}) and ${buried}`,
  ]
}
