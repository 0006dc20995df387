// The table `device_claim`: codes by which people claim devices. Statements, no rules.
import { insidePlace } from '../../access/places/place_store.ts'
import type { Context } from '../../context.ts'
import {
  type Condition,
  condition,
  type Scalar,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'
import type { device_claim } from '../../db/things_schema.ts'

export type DeviceClaimRow = typeof device_claim.$inferSelect

/** Seconds for which a code is kept after its end, so that operators see it. */
const KEPT = 365 * 86_400

const isOpen = (cx: Context): Condition =>
  condition`used_by is null and withdrawn_at is null and expires_at > ${cx.now()}`

/** A condition: people may claim the device now. `once` is over with the first release. */
export const isClaimable = (device_id: string | Scalar): Condition =>
  condition`exists (select 1 from device one join device_type t on t.name = one.type
    where one.id = ${device_id} and one.status = 'unclaimed'
      and (t.claim = 'again' or (t.claim = 'once' and one.released_at is null)))`

/** Inserts codes that are new. */
export const insertClaimCodes = (rows: readonly DeviceClaimRow[]): Statement =>
  sql`insert into device_claim (id, hash, device_id, made_by, maker, maker_epoch, created_at,
      expires_at)
    select value ->> 'id', value ->> 'hash', value ->> 'device_id', value ->> 'made_by',
      value ->> 'maker', value ->> 'maker_epoch', value ->> 'created_at', value ->> 'expires_at'
    from json_each(${JSON.stringify(rows)}) where true on conflict (id) do nothing`

/** Takes back the codes of before of these devices. */
export const replaceClaimCodes = (cx: Context, rows: readonly DeviceClaimRow[]): Statement =>
  sql`update device_claim set withdrawn_at = ${cx.now()}
    where used_by is null and withdrawn_at is null
      and device_id in (
        select value from json_each(${JSON.stringify(rows.map(({ device_id }) => device_id))}))
      and id not in (select value from json_each(${JSON.stringify(rows.map(({ id }) => id))}))`

/** The last code of a device, in whichever state. */
export const findClaimCodeOf = (device_id: string, which: Condition): Statement<DeviceClaimRow> =>
  sql`select * from device_claim where device_id = ${device_id} and ${which}
    order by id desc limit 1`

/** A condition: the device has a code that is good. */
export const hasOpenCode = (cx: Context, device_id: string): Condition =>
  condition`exists (select 1 from device_claim where device_id = ${device_id} and ${isOpen(cx)})`

/** A code that is good, with the device as people see it and as its maker is judged by. */
export type OpenClaimCode = DeviceClaimRow & {
  type: string
  name: string | null
  /** JSON object: names of the type, by language. */
  type_names: string
  serial: string | null
  /** JSON texts, of which rules may be made. */
  metadata: string
  tags: string
  mqtt_client_id: string | null
  /** JSON array of ids. */
  groups: string
}

const groupsOfDevice = (device_id: string | Statement): Statement =>
  sql`(select json_group_array(group_id) from (
    select group_id from membership where member_id = ${device_id} order by group_id))`

export const findOpenClaimCode = (cx: Context, hash: string): Statement<OpenClaimCode> =>
  sql`select c.*, d.type, d.name, d.metadata, d.tags, d.mqtt_client_id, t.names as type_names,
      ${groupsOfDevice(sql`d.id`)} as "groups",
      (select value from hardware_id where device_id = d.id and kind = 'serial' limit 1) as serial
    from device_claim c join device d on d.id = c.device_id join device_type t on t.name = d.type
    where c.hash = ${hash} and c.used_by is null and c.withdrawn_at is null
      and c.expires_at > ${cx.now()} and ${isClaimable(scalar`d.id`)}`

/** The type of the device with the code. */
export const typeOfClaimed = (hash: string): Scalar => scalar`(
  select d.type from device_claim c cross join device d on d.id = c.device_id
  where c.hash = ${hash})`

/** The device with the code. */
export const claimedDevice = (hash: string): Scalar => scalar`(
  select device_id from device_claim where hash = ${hash})`

/** The device with the code as it would be in a group: a JSON array, for a supposition. */
export const claimedInto = (hash: string, group_id: string): Scalar => scalar`(
  select json_array(json_object('id', d.id, 'type', d.type, 'tags', d.tags,
    'metadata', d.metadata, 'groups', json_array(${group_id})))
  from device_claim c cross join device d on d.id = c.device_id where c.hash = ${hash})`

/** Whether there is such a code, in whichever state: a guess is none. */
export const findAnyClaimCode = (hash: string): Statement<{ id: string }> =>
  sql`select id from device_claim where hash = ${hash}`

/** Seconds for which the one who used a code is told so again. */
const REPEAT_TTL = 3600

/** The place into which this person has put the device with the code, while it is there. */
export const findOwnClaim = (
  cx: Context,
  hash: string,
  user_id: Scalar,
): Statement<{ id: string; name: string }> =>
  sql`select g.id, g.name from device_claim c
      cross join event_object o on o.kind = 'principal' and o.id = c.device_id
      cross join event e on e.seq = o.seq and e.type = 'device.claimed_by_person'
        and e.actor_id = ${user_id} and e.data ->> 'code' = c.id
      cross join membership m on m.member_id = c.device_id and m.group_id = e.data ->> 'group'
      cross join "group" g on g.id = m.group_id
    where c.hash = ${hash} and c.claimed_at > ${cx.now() - REPEAT_TTL} limit 1`

/** A condition: the code can be used. */
export const isOpenClaimCode = (cx: Context, hash: string): Condition =>
  condition`exists (select 1 from device_claim where hash = ${hash} and ${isOpen(cx)})`

/** Uses the code for this request where the condition holds; the same request may repeat it. */
export const consumeClaimCode = (
  cx: Context,
  { hash, device_id }: Pick<DeviceClaimRow, 'hash' | 'device_id'>,
  when: Condition,
): Statement<{ id: string }> =>
  sql`update device_claim set used_by = ${cx.rid}, claimed_at = ${cx.now()}
    where hash = ${hash} and (used_by = ${cx.rid}
      or (${isOpen(cx)} and ${isClaimable(device_id)} and (${when})))
    returning id`

/** A condition: this request used the code. */
export const claimIsMine = (cx: Context, hash: string): Condition =>
  condition`exists (select 1 from device_claim where hash = ${hash} and used_by = ${cx.rid})`

/** A condition: the device is in these groups (a JSON array in order) and in no other. */
export const isInGroups = (device_id: string, groups: string): Condition =>
  condition`${groupsOfDevice(device_id)} = ${groups}`

/** Takes the code of a device back, and that of one that is released. */
export const withdrawClaimCodeOf = (cx: Context, device_id: string, when: Condition): Statement =>
  sql`update device_claim set withdrawn_at = ${cx.now()}
    where device_id = ${device_id} and used_by is null and withdrawn_at is null and ${when}`

/** Takes back the codes of the devices in a place. */
export const withdrawClaimCodesIn = (cx: Context, group_id: string, when: Condition): Statement =>
  sql`update device_claim set withdrawn_at = ${cx.now()}
    where used_by is null and withdrawn_at is null and ${when}
      and device_id in (with recursive ${insidePlace(group_id)} select id from inside)`

/** Ends all codes, since one may have been used after the moment of a backup. */
export const withdrawAllClaimCodes = (cx: Context): Statement =>
  sql`update device_claim set withdrawn_at = ${cx.now()}
    where used_by is null and withdrawn_at is null`

/** For the timer. */
export const deleteOldClaimCodes = (cx: Context): Statement =>
  sql`delete from device_claim where expires_at <= ${cx.now() - KEPT}`
