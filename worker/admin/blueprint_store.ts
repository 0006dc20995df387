// Statements that look up the entries of a blueprint.
import { isMqttClientId } from '../access/principals.ts'
import { type Condition, condition, type Scalar, type Statement, scalar, sql } from '../db/sql.ts'

const among = (column: Scalar, names: readonly string[]): Condition =>
  condition`${column} in (select value from json_each(${JSON.stringify(names)}))`

export const listPrincipals = (
  ids: readonly string[],
): Statement<{ id: string; kind: string; deleted_at: number | null }> =>
  sql`select id, kind, deleted_at from principal where ${among(scalar`id`, ids)}`

/** Lists those of the ids that are the MQTT client id of a device, or begin the space of one. */
export const listMqttClientIds = (ids: readonly string[]): Statement<{ id: string }> =>
  sql`select value as id from json_each(${JSON.stringify(ids)}) where ${isMqttClientId(scalar`value`)}`

export const listTree = (): Statement<{ id: string; parent_id: string | null }> =>
  sql`select id, parent_id from "group"`

export const listMembershipsOf = (
  email_keys: readonly string[],
): Statement<{ group_id: string; member_id: string }> =>
  sql`select group_id, member_id from membership join user on user.id = member_id
    where ${among(scalar`email_key`, email_keys)}`

export const listNamedRoles = (names: readonly string[]): Statement<{ name: string }> =>
  sql`select name from role where ${among(scalar`name`, names)}`

export const listNamedTypes = (names: readonly string[]): Statement<{ name: string }> =>
  sql`select name from device_type where ${among(scalar`name`, names)}`
