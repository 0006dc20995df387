// The table `hardware_id`. A row outlives its device: only a request that registers or changes a
// device as an operator takes over the number of one that is gone.
import type { Context } from '../context.ts'
import { type Condition, condition, refuseUnless, type Statement, sql } from '../db/sql.ts'

export type KeyedHardwareId = { kind: string; key: string; value: string }

/** A condition: the row `hardware_id` belongs to another device that is there. */
const isAnothers = (device_id: string): Condition =>
  condition`hardware_id.device_id <> ${device_id}
    and exists (select 1 from device where device.id = hardware_id.device_id)`

/**
 * Gives numbers to a device, before its own row where it is new. Those of another device that is
 * there stay with that one, for which `demandHardwareIds` undoes the batch.
 */
export const insertHardwareIds = (
  cx: Context,
  device_id: string,
  ids: readonly KeyedHardwareId[],
  when: Condition,
): Statement[] =>
  ids.length === 0
    ? []
    : [
        sql`insert into hardware_id (kind, key, value, device_id, created_at)
          select value ->> 'kind', value ->> 'key', value ->> 'value', ${device_id}, ${cx.now()}
          from json_each(${JSON.stringify(ids)}) where ${when}
          on conflict (kind, key) do update set value = excluded.value,
            device_id = excluded.device_id, created_at = excluded.created_at
          where not (${isAnothers(device_id)})
            and (device_id <> excluded.device_id or value <> excluded.value)`,
      ]

/** Demands that each number is the device's, or that the condition does not hold. */
export const demandHardwareIds = (
  device_id: string,
  ids: readonly KeyedHardwareId[],
  when: Condition,
): Statement[] =>
  ids.length === 0
    ? []
    : [
        refuseUnless(
          condition`not (${when}) or not exists (
            select 1 from json_each(${JSON.stringify(ids)}) j where not exists (
              select 1 from hardware_id h where h.kind = j.value ->> 'kind'
                and h.key = j.value ->> 'key' and h.device_id = ${device_id}))`,
          'hardware_id_taken',
        ),
      ]

/** Takes from a device the numbers that are not among these. */
export const deleteOtherHardwareIds = (
  device_id: string,
  ids: readonly KeyedHardwareId[],
): Statement =>
  sql`delete from hardware_id where device_id = ${device_id} and not exists (
    select 1 from json_each(${JSON.stringify(ids)}) j
    where j.value ->> 'kind' = hardware_id.kind and j.value ->> 'key' = hardware_id.key)`

/** The numbers of the device in `device`, as the API shows them: a JSON array. */
export const hardwareIdsOfDevice = sql`(select json_group_array(json_object(
    'kind', kind, 'value', value)) from (
      select kind, value from hardware_id where device_id = device.id order by kind, key))
  as hardware_ids`
