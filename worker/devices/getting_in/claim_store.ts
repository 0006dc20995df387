// The tables of claim tokens: `claim_batch`, `claim_number`, `claim_use` and `claim_proof`.
import { insidePlace } from '../../access/places/place_store.ts'
import type { Context } from '../../context.ts'
import {
  type Condition,
  condition,
  insertInto,
  insertWhere,
  refuseUnless,
  type Scalar,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'
import { claim_batch, claim_proof, claim_use } from '../../db/things_schema.ts'
import { appendEventOfEach } from '../../events.ts'
import type { KeyedHardwareId } from '../hardware_id_store.ts'
import type { DeviceRow } from '../store.ts'

export type ClaimBatchRow = typeof claim_batch.$inferSelect

export const insertClaimBatch = (
  row: ClaimBatchRow,
  numbers: readonly KeyedHardwareId[],
): Statement[] => [
  insertInto(claim_batch, row, sql`on conflict (id) do nothing`),
  sql`insert into claim_number (batch_id, kind, key)
    select ${row.id}, value ->> 'kind', value ->> 'key' from json_each(${JSON.stringify(numbers)})
    where true on conflict do nothing`,
]

export const findClaimBatch = (id: string): Statement<ClaimBatchRow> =>
  sql`select * from claim_batch where id = ${id}`

export const findClaimBatchByHash = (hash: string): Statement<ClaimBatchRow> =>
  sql`select * from claim_batch where hash = ${hash}`

export const listClaimBatchesAfter = (after: string, limit: number): Statement<ClaimBatchRow> =>
  sql`select * from claim_batch where id > ${after} order by id limit ${limit + 1}`

/** Ends a token, once. */
export const updateClaimRevocation = (cx: Context, id: string): Statement =>
  sql`update claim_batch set revoked_at = ${cx.now()} where id = ${id} and revoked_at is null`

/** A condition on a token that is good: its devices come into the place. */
const opensInto = (cx: Context, group_id: string): Condition =>
  condition`revoked_at is null and expires_at > ${cx.now()} and group_id in (
    with recursive ${insidePlace(group_id)} select id from below)`

/** Ends the tokens by which devices come into the place, with an event about each. */
export const endClaimTokensOf = (
  cx: Context,
  group_id: string,
  when: Condition,
): readonly Statement[] => {
  const open = condition`${opensInto(cx, group_id)} and ${when}`
  return [
    appendEventOfEach(
      cx,
      { type: 'claim_batch.revoked', subject_id: null, data: { devices: 0 } },
      sql`select 'place_' || id as key, id as subject_id, json_object('devices', 0) as data
        from claim_batch where ${open}`,
    ),
    sql`update claim_batch set revoked_at = ${cx.now()} where ${open}`,
  ]
}

/** Counts the tokens by which devices come into the place. */
export const countClaimTokensOf = (cx: Context, group_id: string): Scalar =>
  scalar`(select count(*) from claim_batch where ${opensInto(cx, group_id)})`

/** The devices of a batch that may still act. */
const ofBatch = (id: string): Condition =>
  condition`id in (select device_id from claim_use where batch_id = ${id})
    and status in ('active', 'unclaimed')`

/**
 * The event of a revocation, with the number of devices that it suspends; none where the token had
 * ended and no device is left. Stands before the changes.
 */
export const appendClaimRevocation = (cx: Context, id: string, suspends: boolean): Statement => {
  const n = suspends ? sql`(select count(*) from device where ${ofBatch(id)})` : sql`0`
  return appendEventOfEach(
    cx,
    { type: 'claim_batch.revoked', subject_id: null, data: { devices: 0 } },
    sql`select ${`revoked_${id}_${cx.rid}`} as key, id as subject_id,
        json_object('devices', n) as data
      from (select id, revoked_at, ${n} as n from claim_batch where id = ${id})
      where revoked_at is null or n > 0`,
  )
}

export const countDevicesOfBatch = (id: string): Statement<{ n: number }> =>
  sql`select count(*) as n from device where ${ofBatch(id)}`

/** Suspends all devices of a batch that may still act; what was issued to them is dead. */
export const suspendDevicesOfBatch = (cx: Context, id: string): Statement[] => [
  sql`update device_token set revoked_at = ${cx.now()}, revoked_by = ${cx.rid}
    where revoked_at is null and device_id in (select id from device where ${ofBatch(id)})`,
  sql`update device set epoch = epoch + 1, status = 'suspended', version = version + 1,
    updated_at = ${cx.now()} where ${ofBatch(id)}`,
]

/**
 * Demands that no device of the batch got rights or places beside those of the batch: to take these
 * needs another comparison for each.
 */
export const demandPlainDevices = (id: string): Statement =>
  refuseUnless(
    condition`not exists (select 1 from claim_use u cross join "grant" g
        on g.subject_id = u.device_id where u.batch_id = ${id})
      and not exists (select 1 from claim_use u cross join membership m
        on m.member_id = u.device_id where u.batch_id = ${id} and m.group_id is not (
          select group_id from claim_batch where id = ${id}))`,
    'power_not_held',
  )

// --- claims -----------------------------------------------------------------------------------

/** One row when the type of the batch is there and takes keys, and its place is there. */
export const takesKeys = (hash: string): Statement =>
  sql`select 1 from claim_batch b join device_type t on t.name = b.type where b.hash = ${hash}
    and (t.credential_kinds is null
      or exists (select 1 from json_each(t.credential_kinds) k where k.value = 'jwk'))
    and (b.group_id is null or exists (select 1 from "group" where id = b.group_id))`

/** How many of these numbers are in the list of the token. */
export const countListed = (
  hash: string,
  numbers: readonly KeyedHardwareId[],
): Statement<{ n: number }> =>
  sql`select count(*) as n from json_each(${JSON.stringify(numbers)}) j
    cross join claim_batch b on b.hash = ${hash} cross join claim_number c
      on c.batch_id = b.id and c.kind = j.value ->> 'kind' and c.key = j.value ->> 'key'`

/** A device that has one of the numbers, or only its id where it is gone. */
export type ClaimedRow = {
  device_id: string
  status: DeviceRow['status'] | null
  type: string | null
  metadata: string | null
  released_at: number | null
  version: number | null
  came_by: 0 | 1
  /** It has serial numbers, and none of them is in the list of the token. */
  is_unlisted: 0 | 1
}

export const findClaimedDevices = (
  hash: string,
  numbers: readonly KeyedHardwareId[],
): Statement<ClaimedRow> =>
  sql`select distinct h.device_id, d.status, d.type, d.metadata, d.released_at, d.version,
      exists (select 1 from claim_use u join claim_batch b on b.id = u.batch_id
        where u.device_id = h.device_id and b.hash = ${hash}) as came_by,
      exists (select 1 from hardware_id s where s.device_id = h.device_id and s.kind = 'serial')
        and not exists (select 1 from hardware_id s cross join claim_batch b on b.hash = ${hash}
          cross join claim_number c on c.batch_id = b.id and c.kind = s.kind and c.key = s.key
          where s.device_id = h.device_id) as is_unlisted
    from json_each(${JSON.stringify(numbers)}) j
      cross join hardware_id h on h.kind = j.value ->> 'kind' and h.key = j.value ->> 'key'
      left join device d on d.id = h.device_id`

/**
 * The credentials of the devices that have one of the numbers, also those that are over or not yet
 * in force.
 */
export const listKeysOf = (
  numbers: readonly KeyedHardwareId[],
): Statement<{
  id: string
  device_id: string
  jwk: string | null
  not_before: number | null
  expires_at: number | null
}> =>
  sql`select distinct c.id, c.device_id, c.jwk, c.not_before, c.expires_at
    from json_each(${JSON.stringify(numbers)}) j
      cross join hardware_id h on h.kind = j.value ->> 'kind' and h.key = j.value ->> 'key'
      cross join device_credential c on c.device_id = h.device_id
    where c.revoked_at is null`

/** Uses up a proof; undoes the batch when another request used it. */
export const useClaimProof = (cx: Context, hash: string, expires_at: number): Statement[] => [
  insertInto(claim_proof, { hash, rid: cx.rid, expires_at }, sql`on conflict (hash) do nothing`),
  refuseUnless(
    condition`exists (select 1 from claim_proof where hash = ${hash} and rid = ${cx.rid})`,
    'claim_proof_used',
  ),
]

/** A condition: this request has counted its use already, in an earlier run of its batch. */
export const isCounted = (cx: Context): Condition =>
  condition`exists (select 1 from claim_use where rid = ${cx.rid})`

/** Demands that the device waits for its claim as it was read, with the same keys. */
export const demandUnclaimed = (
  cx: Context,
  device_id: string,
  { version, keys }: { version: number | null; keys: readonly string[] },
): Statement => {
  const present = sql`select id from device_credential
    where device_id = ${device_id} and revoked_at is null`
  const known = sql`select value from json_each(${JSON.stringify(keys)})`
  return refuseUnless(
    condition`${isCounted(cx)} or (exists (select 1 from device
        where id = ${device_id} and status = 'unclaimed' and version = ${version})
      and not exists (${present} except ${known}) and not exists (${known} except ${present}))`,
    'claim_again',
  )
}

/** Demands that nobody has one of the numbers, not even a device that is gone. */
export const demandNewNumbers = (cx: Context, numbers: readonly KeyedHardwareId[]): Statement =>
  refuseUnless(
    condition`${isCounted(cx)} or not exists (
      select 1 from json_each(${JSON.stringify(numbers)}) j cross join hardware_id h
        on h.kind = j.value ->> 'kind' and h.key = j.value ->> 'key')`,
    'claim_again',
  )

/** Counts one use of a token that is good; undoes the batch where it is not, or has none left. */
export const useClaimToken = (cx: Context, batch_id: string, device_id: string): Statement[] => [
  refuseUnless(
    condition`${isCounted(cx)} or exists (select 1 from claim_batch where id = ${batch_id}
      and used < uses and revoked_at is null and expires_at > ${cx.now()})`,
    'claim_over',
  ),
  sql`update claim_batch set used = used + 1 where id = ${batch_id} and not ${isCounted(cx)}`,
  insertWhere(
    claim_use,
    { rid: cx.rid, batch_id, device_id, created_at: cx.now() },
    condition`not ${isCounted(cx)}`,
  ),
]

/** Makes an unclaimed device an active one. */
export const activateClaimed = (cx: Context, id: string): Statement =>
  sql`update device set status = 'active', released_at = null, version = version + 1,
      updated_at = ${cx.now()} where id = ${id} and status = 'unclaimed'`

/** For the timer. */
export const deleteOldClaimProofs = (cx: Context): Statement =>
  sql`delete from claim_proof where expires_at <= ${cx.now()}`

// --- release ----------------------------------------------------------------------------------

/** Takes from a device all that its owner gave it; the numbers of its maker stay. */
export const releaseDevice = (cx: Context, id: string): Statement[] => [
  sql`update device_credential set revoked_at = ${cx.now()}
    where device_id = ${id} and revoked_at is null`,
  sql`update device set epoch = epoch + (status <> 'suspended'), status = 'unclaimed', name = null,
      mqtt_client_id = null, metadata = '{}', tags = '[]', parent_id = null,
      released_at = ${cx.now()}, version = version + 1, updated_at = ${cx.now()} where id = ${id}`,
]
