// Reading events, and writing what operators set and mint. (The tables event and setting belong to the ground;
// their only other writer is appendEvent.)
import type { Context } from '../context.ts'
import type { device_token, event } from '../db/schema.ts'
import type { Statement } from '../db/sql.ts'
import { join, sql } from '../db/sql.ts'

export type EventRow = typeof event.$inferSelect
export type DeviceTokenRow = typeof device_token.$inferSelect

/** The newest first; `before` is the last id of the page before, '' for the first page. */
export function listEvents(
  filter: { type?: string | undefined; subject_id?: string | undefined; before: string },
  limit: number,
): Statement<EventRow> {
  const conditions = [sql`1`]
  if (filter.before !== '') conditions.push(sql`id < ${filter.before}`)
  if (filter.type !== undefined) conditions.push(sql`type = ${filter.type}`)
  if (filter.subject_id !== undefined) conditions.push(sql`subject_id = ${filter.subject_id}`)
  return sql`select * from event where ${join(conditions, ' and ')} order by id desc limit ${limit}`
}

/** `value` undefined: back to the default. */
export const putSetting = (cx: Context, name: string, value: unknown): Statement =>
  value === undefined
    ? sql`delete from setting where name = ${name}`
    : sql`insert into setting (name, value, updated_at) values (${name}, ${JSON.stringify(value)}, ${cx.now()})
        on conflict (name) do update set value = excluded.value, updated_at = excluded.updated_at`

export const listDeviceTokens = (
  device_id: string,
  after: string,
  limit: number,
): Statement<DeviceTokenRow> =>
  sql`select * from device_token where device_id = ${device_id} and id > ${after} order by id limit ${limit}`

export const findDeviceToken = (device_id: string, id: string): Statement<DeviceTokenRow> =>
  sql`select * from device_token where device_id = ${device_id} and id = ${id}`

export const revokeDeviceToken = (cx: Context, id: string): Statement =>
  sql`update device_token set revoked_at = ${cx.now()} where id = ${id} and revoked_at is null`

// --- what a blueprint may name -----------------------------------------------------------------

const among = (column: Statement, names: readonly string[]): Statement =>
  sql`${column} in (select value from json_each(${JSON.stringify(names)}))`

export const listPrincipals = (
  ids: readonly string[],
): Statement<{ id: string; kind: string; deleted_at: number | null }> =>
  sql`select id, kind, deleted_at from principal where ${among(sql`id`, ids)}`

export const listTree = (): Statement<{ id: string; parent_id: string | null }> =>
  sql`select id, parent_id from "group"`

export const listMembershipsOf = (
  email_keys: readonly string[],
): Statement<{ group_id: string; member_id: string }> =>
  sql`select group_id, member_id from membership join user on user.id = member_id
    where ${among(sql`email_key`, email_keys)}`

export const listNamedRoles = (names: readonly string[]): Statement<{ name: string }> =>
  sql`select name from role where ${among(sql`name`, names)}`

export const listNamedTypes = (names: readonly string[]): Statement<{ name: string }> =>
  sql`select name from device_type where ${among(sql`name`, names)}`

/** For the timer: a minted token that has run out says nothing any more, nor one of a device that is gone. */
export const deleteOldDeviceTokens = (cx: Context): Statement =>
  sql`delete from device_token where expires_at <= ${cx.now()}
    or device_id not in (select id from device)`
