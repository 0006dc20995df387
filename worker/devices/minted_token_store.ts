// The table `device_token`: ids of tokens that operators minted for devices. admin/ mints, since
// minting needs oauth/; oauth/ revokes too (RFC 7009).
import type { Context } from '../context.ts'
import {
  type Condition,
  condition,
  insertInto,
  refuseUnless,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../db/sql.ts'
import { device_token } from '../db/things_schema.ts'
import { forgetStatus, hasEntry, type StatusPlace } from '../status/entry_store.ts'
import type { DeviceRow } from './store.ts'

export type DeviceTokenRow = typeof device_token.$inferSelect

export const insertDeviceToken = (row: DeviceTokenRow): Statement =>
  insertInto(device_token, row, sql<never>`on conflict (id) do nothing`)

export const listDeviceTokens = (
  device_id: string,
  after: string,
  limit: number,
): Statement<DeviceTokenRow> =>
  sql`select * from device_token where device_id = ${device_id} and id > ${after} order by id limit ${limit}`

export const findDeviceToken = (
  device_id: string,
  id: string,
  which: Condition = TRUE,
): Statement<DeviceTokenRow> =>
  sql`select * from device_token where device_id = ${device_id} and id = ${id} and ${which}`

/** A small token does not name the minted token, but its entry of a status list. */
export const findDeviceTokenOfEntry = (
  device_id: string,
  place: StatusPlace,
): Statement<DeviceTokenRow> =>
  sql`select t.* from device_token t where t.device_id = ${device_id}
    and ${hasEntry('device_token', scalar`t.id`, place)}`

export const revokeDeviceToken = (cx: Context, id: string, when: Condition = TRUE): Statement =>
  sql`update device_token set revoked_at = ${cx.now()}
    where id = ${id} and revoked_at is null and (${when})`

/** Revokes all of a device. */
export const revokeDeviceTokensOf = (cx: Context, device_id: string): Statement =>
  sql`update device_token set revoked_at = ${cx.now()}, revoked_by = ${cx.rid}
    where device_id = ${device_id} and revoked_at is null`

/** Counts those of a device that this request revoked so and that would still be good. */
export const countTokensRevoked = (cx: Context, device_id: string): Statement<{ n: number }> =>
  sql`select count(*) as n from device_token
    where device_id = ${device_id} and revoked_by = ${cx.rid} and expires_at > ${cx.now()}`

/** Demands that the token is stored, or that its device is active and was not suspended since. */
export const demandDeviceOfToken = ({ id }: DeviceTokenRow, device: DeviceRow): Statement =>
  refuseUnless(
    condition`exists (select 1 from device_token where id = ${id})
      or exists (select 1 from device
        where id = ${device.id} and status = 'active' and epoch = ${device.epoch})`,
    'device_not_active',
  )

export const revokeAllDeviceTokens = (cx: Context): Statement =>
  sql`update device_token set revoked_at = ${cx.now()} where revoked_at is null`

/** Deletes tokens that have run out. For the timer. */
export const deleteOldDeviceTokens = (cx: Context): readonly Statement[] => [
  forgetStatus('device_token', sql`select id from device_token where expires_at <= ${cx.now()}`),
  sql`delete from device_token where expires_at <= ${cx.now()}`,
]
