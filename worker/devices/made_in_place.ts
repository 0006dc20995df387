// Keys and minted tokens of devices that people made who reached some places alone: the owner of a
// place, residents, installers. A device goes on with them when its place changes hands, unless
// somebody chooses to end them.
import { insidePlace } from '../access/places/place_store.ts'
import type { Context } from '../context.ts'
import { type Condition, type Statement, sql } from '../db/sql.ts'
import { appendEventOfEach } from '../events.ts'

/** The maker of a key or token, as far as it reaches some places alone; else null. */
export const makerWithin = ({ actor }: Context): string | null =>
  actor.reach === undefined ? null : actor.id

type MadeRow = { id: string; device_id: string; made_by: string; created_at: number }

/** The keys that are live, of devices in the place. */
export const listKeysMadeIn = (cx: Context, group_id: string): Statement<MadeRow> =>
  sql`with recursive ${insidePlace(group_id)}
    select c.id, c.device_id, c.made_by, c.created_at
    from inside cross join device_credential c on c.device_id = inside.id
    where c.made_by is not null and c.revoked_at is null
      and (c.expires_at is null or c.expires_at > ${cx.now()})`

/** The minted tokens that are live, of devices in the place. */
export const listTokensMadeIn = (cx: Context, group_id: string): Statement<MadeRow> =>
  sql`with recursive ${insidePlace(group_id)}
    select t.id, t.device_id, t.made_by, t.created_at
    from inside cross join device_token t on t.device_id = inside.id
    where t.made_by is not null and t.revoked_at is null and t.expires_at > ${cx.now()}`

/** Those of one device. */
const listKeysMadeFor = (device_id: string): Statement<Pick<MadeRow, 'id' | 'device_id'>> =>
  sql`select id, device_id from device_credential
    where device_id = ${device_id} and made_by is not null and revoked_at is null`

const endKeys = (
  cx: Context,
  keys: Statement<Pick<MadeRow, 'id' | 'device_id'>>,
  when: Condition,
): readonly Statement[] => [
  appendEventOfEach(
    cx,
    { type: 'device_credential.revoked', subject_id: null, data: { credential_id: '' } },
    sql`select 'place_' || id as key, device_id as subject_id,
        json_object('credential_id', id) as data
      from (${keys}) made where ${when}`,
  ),
  sql`update device_credential set revoked_at = ${cx.now()}
    where id in (select id from (${keys})) and ${when}`,
]

/** Ends these keys, with an event about each. */
export const endKeysMadeIn = (
  cx: Context,
  group_id: string,
  when: Condition,
): readonly Statement[] => endKeys(cx, listKeysMadeIn(cx, group_id), when)

export const endKeysMadeFor = (
  cx: Context,
  device_id: string,
  when: Condition,
): readonly Statement[] => endKeys(cx, listKeysMadeFor(device_id), when)

/** Ends these tokens, with an event about each. */
export const endTokensMadeIn = (
  cx: Context,
  group_id: string,
  when: Condition,
): readonly Statement[] => [
  appendEventOfEach(
    cx,
    { type: 'device_token.revoked', subject_id: null, data: { id: '' } },
    sql`select 'place_' || id as key, device_id as subject_id, json_object('id', id) as data
      from (${listTokensMadeIn(cx, group_id)}) made where ${when}`,
  ),
  sql`update device_token set revoked_at = ${cx.now()}
    where id in (select id from (${listTokensMadeIn(cx, group_id)})) and ${when}`,
]
