// Statements that look up the entries of a blueprint, and the table `blueprint_entry`.
import { userWithAddress } from '../access/named_users.ts'
import { lasts } from '../access/places/membership_ends.ts'
import { isMqttClientId } from '../access/principals.ts'
import type { Context } from '../context.ts'
import {
  type Condition,
  condition,
  refuseUnless,
  type Scalar,
  type Statement,
  scalar,
  sql,
} from '../db/sql.ts'
import { emailKey, formerEmailKey } from '../email_address.ts'
import { userNameKey } from '../identity/login_ids/user_names.ts'

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
  emails: readonly string[],
  userNames: readonly string[],
  now: number,
): Statement<{ group_id: string; member_id: string }> => {
  const forms = JSON.stringify(emails.map((email) => [emailKey(email), formerEmailKey(email)]))
  const one = { key: scalar`k.value ->> 0`, former: scalar`k.value ->> 1` }
  return sql`select group_id, member_id from json_each(${forms}) k
    join membership m on m.member_id = ${userWithAddress(one)} and ${lasts(now)}
    union all select group_id, member_id from login_id named
    join membership m on m.member_id = named.user_id and ${lasts(now)}
    where named.kind = 'user_name' and ${among(scalar`named.key`, userNames.map(userNameKey))}`
}

export const listNamedRoles = (names: readonly string[]): Statement<{ name: string }> =>
  sql`select name from role where ${among(scalar`name`, names)}`

export const listNamedTypes = (names: readonly string[]): Statement<{ name: string }> =>
  sql`select name from device_type where ${among(scalar`name`, names)}`

// --- the record -------------------------------------------------------------------------------

export type RecordedEntry = { key: string; entry: string; members: string; rid: string }

export const listRecordedEntries = (): Statement<RecordedEntry> =>
  sql`select key, entry, members, rid from blueprint_entry`

export type NewRecordedEntry = Omit<RecordedEntry, 'rid'> & {
  /** `rid` of the row that was read, null where there was none. */
  before: string | null
}

/** Demands that nobody else recorded these entries since they were read. */
export const demandRecordedBefore = (cx: Context, rows: readonly NewRecordedEntry[]): Statement =>
  refuseUnless(
    condition`not exists (
      select 1 from json_each(${JSON.stringify(rows.map(({ key, before }) => [key, before]))}) k
        left join blueprint_entry b on b.key = k.value ->> 0
        where b.rid is not (k.value ->> 1) and b.rid is not ${cx.rid})`,
    'blueprint_applied',
  )

export const recordEntries = (cx: Context, rows: readonly NewRecordedEntry[]): Statement =>
  sql`insert into blueprint_entry (key, entry, members, rid, applied_at)
    select value ->> 'key', value ->> 'entry', value ->> 'members', ${cx.rid}, ${cx.now()}
      from json_each(${JSON.stringify(rows)}) where true
    on conflict (key) do update set entry = excluded.entry, members = excluded.members,
      rid = excluded.rid, applied_at = excluded.applied_at`
