// The statements by which keys take the place of others. Tables: `device_type_rotation`, and the
// columns of `device_credential` that are about it.
import type { Context } from '../../context.ts'
import { type Condition, condition, type Statement, sql } from '../../db/sql.ts'
import type { CredentialRow } from '../store.ts'

/** All keys that a device has or had. */
export const listEveryKeyOf = (
  device_id: string,
): Statement<{ id: string; jwk: string; revoked_at: number | null }> =>
  sql`select id, jwk, revoked_at from device_credential
    where device_id = ${device_id} and jwk is not null`

/**
 * A condition: the credential still counts and its device may act, and no other key took its place
 * but one that was never used. The device may have lost that one before it was kept.
 */
export const mayReplace = (cx: Context, { id, device_id }: CredentialRow): Condition =>
  condition`exists (select 1 from device_credential c join device d on d.id = c.device_id
    where c.id = ${id} and c.device_id = ${device_id} and d.status in ('active', 'unclaimed')
      and c.revoked_at is null and (c.expires_at is null or c.expires_at > ${cx.now()})
      and not exists (select 1 from device_credential n
        where n.id = c.replaced_by and n.last_used_at is not null))`

/**
 * Ends what was replaced before, and the key that took the place of this one and was never used.
 * Stands between the insertion of the new key and `replaceCredential`.
 */
export const endReplaced = (
  cx: Context,
  device_id: string,
  replaced: string,
  by: string,
): Statement =>
  sql`update device_credential set expires_at = ${cx.now()}
    where device_id = ${device_id} and id not in (${replaced}, ${by}) and revoked_at is null
      and (expires_at is null or expires_at > ${cx.now()})
      and (replaced_by is not null
        or id = (select replaced_by from device_credential where id = ${replaced}))
      and exists (select 1 from device_credential where id = ${by})`

export const replaceCredential = (id: string, by: string, until: number): Statement =>
  sql`update device_credential
    set replaced_by = ${by}, expires_at = min(coalesce(expires_at, ${until}), ${until})
    where id = ${id} and exists (select 1 from device_credential where id = ${by})`

/** A condition about `device_credential`: a key of the device that counts and may be replaced. */
export const isKeyInUse = (cx: Context, device_id: string): Condition =>
  condition`device_id = ${device_id} and kind in ('jwk', 'x509') and revoked_at is null
      and replaced_by is null and (expires_at is null or expires_at > ${cx.now()})`

/** Ends the keys that a device has now at a time, unless they end before by themselves. */
export const rotateAll = (
  cx: Context,
  device_id: string,
  rotate_by: number,
  when: Condition,
): Statement => {
  const own = sql`case when rotate_by is null then expires_at else renews_until end`
  return sql`update device_credential
    set renews_until = ${own}, rotate_by = ${rotate_by},
      expires_at = min(coalesce(${own}, ${rotate_by}), ${rotate_by})
    where ${isKeyInUse(cx, device_id)} and ${when}`
}

type TypeRotation = { type: string; demanded_at: number; rotate_by: number }

/** Nothing happens without such a type. */
export const upsertTypeRotation = (cx: Context, type: string, rotate_by: number): Statement =>
  sql`insert into device_type_rotation (type, demanded_at, rotate_by)
    select name, ${cx.now()}, ${rotate_by} from device_type where name = ${type}
    on conflict (type) do update
      set demanded_at = excluded.demanded_at, rotate_by = excluded.rotate_by`

export const findTypeRotation = (type: string): Statement<TypeRotation> =>
  sql`select * from device_type_rotation where type = ${type}
    and exists (select 1 from device_type where name = ${type})`
