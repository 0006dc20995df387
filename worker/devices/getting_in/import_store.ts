// Statements that look up and store many devices at once: the rows are one argument, so that their
// number changes no statement.
import { insertManyMemberships } from '../../access/groups.ts'
import { insertPrincipals } from '../../access/principals.ts'
import type { Context } from '../../context.ts'
import { type Condition, condition, refuseUnless, type Statement, sql } from '../../db/sql.ts'
import {
  type CredentialRow,
  type DeviceRow,
  type WholeDeviceRow,
  withCredentials,
  withGroups,
} from '../store.ts'

/** A number of a maker, with the device that has it. */
export type OwnedHardwareId = { kind: string; key: string; value: string; device_id: string }

/** All devices that have one of these ids, or one of these numbers. */
export const findDevicesOf = (
  ids: readonly string[],
  numbers: readonly { kind: string; key: string }[],
): Statement<WholeDeviceRow> =>
  sql`select device.*, ${withGroups()}, ${withCredentials} from device where id in (
    select value from json_each(${JSON.stringify(ids)})
    union select h.device_id from json_each(${JSON.stringify(numbers)}) j
      cross join hardware_id h on h.kind = j.value ->> 'kind' and h.key = j.value ->> 'key')`

/** The numbers among these that a device has which is there. */
export const findOwnersOf = (
  numbers: readonly { kind: string; key: string }[],
): Statement<OwnedHardwareId> =>
  sql`select h.kind, h.key, h.value, h.device_id from json_each(${JSON.stringify(numbers)}) j
    cross join hardware_id h on h.kind = j.value ->> 'kind' and h.key = j.value ->> 'key'
    cross join device d on d.id = h.device_id`

/** The ids among these that a principal has or had. */
export const findTakenIds = (ids: readonly string[]): Statement<{ id: string }> =>
  sql`select id from principal where id in (select value from json_each(${JSON.stringify(ids)}))`

/** The groups among these that are there. */
export const findKnownGroups = (ids: readonly string[]): Statement<{ id: string }> =>
  sql`select id from "group" where id in (select value from json_each(${JSON.stringify(ids)}))`

export type NewDevices = {
  rows: readonly DeviceRow[]
  numbers: readonly OwnedHardwareId[]
  memberships: readonly { group_id: string; member_id: string }[]
  credentials: readonly CredentialRow[]
}

/**
 * Stores devices, none of which has an MQTT client id or a gateway. Undone as a whole when an id or
 * a number is taken, or a type is gone. A batch that is repeated changes nothing.
 */
export function insertDevices(cx: Context, devices: NewDevices): Statement[] {
  const { rows, numbers, memberships, credentials } = devices
  const ids = JSON.stringify(rows.map(({ id }) => id))
  const types = JSON.stringify([...new Set(rows.map(({ type }) => type))])
  return [
    insertPrincipals(cx, ids, 'device'),
    refuseUnless(
      none(sql`select 1 from json_each(${ids}) j where not exists (
        select 1 from principal p where p.id = j.value and p.rid = ${cx.rid})`),
      'device_id_taken',
    ),
    refuseUnless(
      none(sql`select 1 from json_each(${types}) j where not exists (
        select 1 from device_type t where t.name = j.value)`),
      'device_type_unknown',
    ),
    refuseUnless(
      none(sql`select 1 from json_each(${ids}) j cross join device d
        on d.mqtt_client_id >= j.value and d.mqtt_client_id < j.value || ';' and d.id <> j.value
        where d.mqtt_client_id = j.value or d.mqtt_client_id >= j.value || ':'`),
      'mqtt_client_id_taken',
    ),
    // Before their devices, so that the words of each are written once.
    sql`insert into hardware_id (kind, key, value, device_id, created_at)
      select value ->> 'kind', value ->> 'key', value ->> 'value', value ->> 'device_id', ${cx.now()}
      from json_each(${JSON.stringify(numbers)}) where true
      on conflict (kind, key) do update set value = excluded.value,
        device_id = excluded.device_id, created_at = excluded.created_at
      where device_id <> excluded.device_id
        and not exists (select 1 from device where device.id = hardware_id.device_id)`,
    refuseUnless(
      none(sql`select 1 from json_each(${JSON.stringify(numbers)}) j where not exists (
        select 1 from hardware_id h where h.kind = j.value ->> 'kind'
          and h.key = j.value ->> 'key' and h.device_id = j.value ->> 'device_id')`),
      'hardware_id_taken',
    ),
    sql`insert into device (id, type, name, status, metadata, tags, created_at, updated_at, version)
      select value ->> 'id', value ->> 'type', value ->> 'name', value ->> 'status',
        value ->> 'metadata', value ->> 'tags', ${cx.now()}, ${cx.now()}, 1
      from json_each(${JSON.stringify(
        rows.map(({ id, type, name, status, metadata, tags }) => ({
          id,
          type,
          name,
          status,
          metadata,
          tags,
        })),
      )}) where true on conflict (id) do nothing`,
    insertManyMemberships(cx, JSON.stringify(memberships)),
    sql`insert into device_credential (id, device_id, kind, jwk, secret_hash, not_before,
        expires_at, created_at, thumbprint, issuer, serial, not_after)
      select value ->> 'id', value ->> 'device_id', value ->> 'kind', value ->> 'jwk',
        value ->> 'secret_hash', value ->> 'not_before', value ->> 'expires_at', ${cx.now()},
        value ->> 'thumbprint', value ->> 'issuer', value ->> 'serial', value ->> 'not_after'
      from json_each(${JSON.stringify(credentials)}) where true on conflict (id) do nothing`,
  ]
}

const none = (found: Statement): Condition => condition`not exists (${found})`
