// Devices in the order in which their keys end: by an end of the key's own, or by that which its
// type demands. Two orders are merged, each that of an index, so that a page costs the same however
// many devices a type has.
import { type Condition, condition, type Statement, sql } from '../../db/sql.ts'

type Place = { place: string | number; place_id: string }

/**
 * The devices whose keys may end before a time, after a place. Those of a type come by its demand
 * whether they have such a key or not, and some come twice: `isFirstEnd` is judged for each.
 */
export function endingKeys(before: number, after: Place | null): Statement<never> {
  const at = typeof after?.place === 'number' ? after.place : -1
  // A key's own end: device and credential; that of a type: type and device.
  const [first = '', second = ''] = (after?.place_id ?? '').split(' ')
  const devicesOf = sql`select d.id, r.rotate_by, r.type, d.id from device_type_rotation r
    cross join device d on d.type = r.type`
  return sql`select id, place, first || ' ' || second as place_id from (
    select c.device_id as id, c.expires_at as place, c.device_id as first, c.id as second
      from device_credential c where c.expires_at is not null and c.revoked_at is null
        and c.expires_at < ${before} and (c.expires_at, c.device_id, c.id) > (${at}, ${first}, ${second})
        and not exists (select 1 from device_credential o where o.device_id = c.device_id
          and o.revoked_at is null and (o.expires_at, o.id) < (c.expires_at, c.id))
    union all
    ${devicesOf} where r.rotate_by < ${before} and (r.rotate_by, r.type) > (${at}, ${first})
    union all
    ${devicesOf} and d.id > ${second}
      where r.rotate_by < ${before} and r.rotate_by = ${at} and r.type = ${first}
    order by 2, 3, 4)`
}

/** A condition about `device_type_rotation r` and `device`: the device has a key that it ends. */
const endsKey = condition`r.type = device.type and exists (
  select 1 from device_credential c where c.device_id = device.id and c.kind in ('jwk', 'x509')
    and c.revoked_at is null and c.created_at <= r.demanded_at)`

/** A condition about `candidate` and `device`: the device stands at its first end alone. */
export const isFirstEnd: Condition = condition`case
  when candidate.place_id = device.type || ' ' || device.id then
    exists (select 1 from device_type_rotation r
      where r.rotate_by = candidate.place and ${endsKey})
    and not exists (select 1 from device_credential o where o.device_id = device.id
      and o.revoked_at is null and o.expires_at <= candidate.place)
  else not exists (select 1 from device_type_rotation r
    where r.rotate_by < candidate.place and ${endsKey}) end`

/** A condition about `device`: it has a credential that ends before. */
export const hasKeyEnding = (before: number): Condition =>
  condition`(exists (select 1 from device_credential c where c.device_id = device.id
      and c.revoked_at is null and c.expires_at < ${before})
    or exists (select 1 from device_type_rotation r where r.rotate_by < ${before} and ${endsKey}))`
