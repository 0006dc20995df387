// The one id space of users, clients, devices and groups (table `principal`). A room that makes a
// principal adds `insertPrincipal` to its batch and makes all that follows depend on
// `principalIsMine`. Rows stay as tombstones: an id is never given twice, and a `sub` names one
// principal for ever.
import { z } from '../api.ts'
import type { Context } from '../context.ts'
import { principal } from '../db/schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  refuseUnless,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../db/sql.ts'
import { formerEmailKey } from '../email_address.ts'

export type PrincipalRow = typeof principal.$inferSelect
export type PrincipalKind = PrincipalRow['kind']

/**
 * One MQTT topic level and one segment of a path; no `:`, which separates the suffix of an MQTT
 * client id.
 */
export const ID_PATTERN = /^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,64}$/

export const idSchema = z
  .string()
  .regex(ID_PATTERN, 'must be 1 to 64 characters of A-Z a-z 0-9 . _ ~ -, and not . or ..')
  .openapi({ example: 'site-12' })

/** The id of a principal, or the e-mail address of a user. */
export const principalReference = z
  .string()
  .max(254)
  .refine((text) => ID_PATTERN.test(text) || /^[^\s@\0]+@[^\s@\0]+$/.test(text), {
    message: 'must be the id of a user, client, device or group, or the e-mail address of a user',
  })
  .openapi({ example: 'ann@example.com' })

/**
 * The key by which a blueprint knows the e-mail address of a reference, or null for an id. No id
 * has an `@`. The former form, in which entries were recorded.
 */
export const emailKeyOf = (reference: string): string | null =>
  reference.includes('@') ? formerEmailKey(reference) : null

/**
 * A condition: the id is the MQTT client id of a device, or begins the space of one. A principal
 * with such an id could take over the connection of that device. `;` is the character after `:`.
 */
export const isMqttClientId = (id: string | Scalar): Condition => {
  const value = typeof id === 'string' ? scalar`${id}` : id
  return condition`exists (select 1 from device where device.id <> ${value}
    and (device.mqtt_client_id = ${value}
      or (device.mqtt_client_id >= ${value} || ':' and device.mqtt_client_id < ${value} || ';')))`
}

/**
 * Takes the id, unless it is taken, was taken before, or is the MQTT client id of a device (devices
 * judge that themselves). With `when`, only if that holds; else no id is spent.
 */
export const insertPrincipal = (
  cx: Context,
  id: string,
  kind: PrincipalKind,
  when: Condition = TRUE,
): Statement =>
  insertWhere(
    principal,
    { id, kind, rid: cx.rid, created_at: cx.now(), deleted_at: null },
    kind === 'device' ? when : condition`(${when}) and not ${isMqttClientId(id)}`,
    sql`on conflict (id) do nothing`,
  )

/** The same for many new principals at once, which are ids in a JSON array. */
export const insertPrincipals = (
  cx: Context,
  ids: string,
  kind: Extract<PrincipalKind, 'device'>,
): Statement =>
  sql`insert into principal (id, kind, rid, created_at)
    select value, ${kind}, ${cx.rid}, ${cx.now()} from json_each(${ids}) where true
    on conflict (id) do nothing`

/** A condition: this request made the principal, in this batch or in an earlier run of it. */
export const principalIsMine = (cx: Context, id: string): Condition =>
  condition`exists (select 1 from principal where id = ${id} and rid = ${cx.rid})`

/**
 * Demands that the id is free for a new principal (no device), or that this request took it. Stands
 * before `insertPrincipal`.
 */
export const demandFreeId = (cx: Context, id: string): Statement =>
  refuseUnless(
    condition`${principalIsMine(cx, id)} or not (
      exists (select 1 from principal where id = ${id}) or ${isMqttClientId(id)})`,
    'id_taken',
  )

export const findPrincipal = (
  id: string,
  which: Condition = TRUE,
): Statement<Pick<PrincipalRow, 'id' | 'kind' | 'rid' | 'deleted_at'>> =>
  sql`select id, kind, rid, deleted_at from principal where id = ${id} and ${which}`

/**
 * Turns the principal into a tombstone; its id stays taken. `when` makes it depend on earlier
 * statements of the batch.
 */
export const buryPrincipal = (cx: Context, id: string, when: Condition = TRUE): Statement =>
  sql`update principal set deleted_at = coalesce(deleted_at, ${cx.now()})
    where id = ${id} and (${when})`

/** A condition: the principal is gone. */
const isBuried = (id: string): Condition =>
  condition`exists (select 1 from principal where id = ${id} and deleted_at is not null)`

/**
 * Takes from a principal that stays every membership, and every grant to it or on it, where the
 * condition holds.
 */
export const takeRights = (id: string, when: Condition): Statement[] => [
  sql`delete from membership where member_id = ${id} and ${when}`,
  sql`delete from "grant" where (subject_id = ${id} or object_id = ${id}) and ${when}`,
]

/** Ids of the grants that `takeRights` ends, as a JSON array. */
export const grantsOfTaken = (id: Scalar): Scalar => scalar`(select json_group_array(g.id)
  from (select ${id} as id) taken
    cross join "grant" g on g.subject_id = taken.id or g.object_id = taken.id)`

/**
 * Further statements for the batch in which a room deletes a principal, after `buryPrincipal`. They
 * delete its memberships and every grant to it or on it. Each waits for the tombstone, so a
 * deletion that did not happen takes nothing away.
 */
export const forgetRights = (id: string): Statement[] => {
  const buried = isBuried(id)
  return [
    sql`delete from membership where (member_id = ${id} or group_id = ${id}) and ${buried}`,
    sql`delete from "grant" where (subject_id = ${id} or object_id = ${id}) and ${buried}`,
  ]
}
