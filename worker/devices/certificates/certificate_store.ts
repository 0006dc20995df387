// The statements about certificates of devices: the table `device_ca`, and the columns of
// `device_credential` that are about them.
import type { Context } from '../../context.ts'
import {
  type Condition,
  condition,
  insertInto,
  join,
  refuseUnless,
  type Statement,
  sql,
} from '../../db/sql.ts'
import { device_ca } from '../../db/things_schema.ts'
import { typeTakesCredential } from '../store.ts'

export type AuthorityRow = typeof device_ca.$inferSelect

// --- a certificate that is presented ----------------------------------------------------------

/** The certificates of a device that count no more, by each mark that is known of them. */
export type RefusedRow = { thumbprint: string | null; issuer: string | null; serial: string | null }

export const listRefused = (device_id: string): Statement<RefusedRow> =>
  sql`select thumbprint, issuer, serial from device_credential
    where device_id = ${device_id} and kind = 'x509' and revoked_at is not null`

/** A condition on `device_ca a`: it vouches for the device. */
const vouchesFor = (device_id: string): Condition =>
  condition`a.enabled = 1
    and (a.device_type is null or a.device_type = (select type from device where id = ${device_id}))
    and (a.group_id is null or exists (
      with recursive up(id) as (
        select group_id from membership where member_id = ${device_id}
        union select g.parent_id from up cross join "group" g on g.id = up.id
          where g.parent_id is not null)
      select 1 from up where up.id = a.group_id))`

/** The authorities of this name that vouch for the device. */
export const listVouching = (device_id: string, issuer: string): Statement<AuthorityRow> =>
  sql`select a.* from device_ca a where a.subject = ${issuer} and ${vouchesFor(device_id)}
    order by a.id`

/** The serial numbers of a device, in the form in which they are one for all ways to write them. */
export const listSerials = (device_id: string): Statement<{ key: string }> =>
  sql`select key from hardware_id where device_id = ${device_id} and kind = 'serial'`

type Arriving = { device_id: string; ca_id: string; issuer: string; serial: string }

/** Demands, for a certificate that is seen for the first time, that all is still as it was read. */
export const demandArrival = ({ device_id, ca_id, issuer, serial }: Arriving): Statement =>
  refuseUnless(
    condition`exists (select 1 from device where id = ${device_id}
        and status in ('active', 'unclaimed'))
      and exists (select 1 from device_ca a where a.id = ${ca_id} and ${vouchesFor(device_id)})
      and ${typeTakesCredential(device_id, 'x509')}
      and not exists (select 1 from device_credential where device_id = ${device_id}
        and issuer = ${issuer} and serial = ${serial} and revoked_at is not null)`,
    'certificate_not_taken',
  )

/** A condition: no other request has stored the certificate. */
export const isFirst = ({ device_id, ca_id, issuer, serial }: Arriving): Condition =>
  condition`not exists (select 1 from device_credential where device_id = ${device_id}
    and ca_id = ${ca_id} and issuer = ${issuer} and serial = ${serial})`

/** Forgets the certificates of a device by an authority that have run out themselves. */
export const forgetOutdated = (cx: Context, device_id: string, ca_id: string): Statement =>
  sql`delete from device_credential where device_id = ${device_id} and ca_id = ${ca_id}
    and not_after < ${cx.now()}`

/**
 * Ends the certificates that a device got of this server upon one of an authority, when it gets
 * another: at once those that were never used.
 */
export const endEnrolled = (
  cx: Context,
  one: { device_id: string; ca_id: string | null; by: string; until: number },
): Statement =>
  sql`update device_credential
    set expires_at = min(coalesce(expires_at, ${one.until}),
      case when last_used_at is null then ${cx.now()} else ${one.until} end)
    where device_id = ${one.device_id} and ca_id = ${one.ca_id} and id <> ${one.by}
      and revoked_at is null
      and issuer is not (select subject from device_ca where id = ${one.ca_id})
      and exists (select 1 from device_credential where id = ${one.by})`

// --- authorities ------------------------------------------------------------------------------

export const findAuthority = (id: string): Statement<AuthorityRow> =>
  sql`select * from device_ca where id = ${id}`

export const findAuthoritiesByNames = (names: readonly string[]): Statement<AuthorityRow> =>
  sql`select * from device_ca where name in (
    select value from json_each(${JSON.stringify(names)}))`

export const listAuthoritiesAfter = (after: string, limit: number): Statement<AuthorityRow> =>
  sql`select * from device_ca where id > ${after} order by id limit ${limit + 1}`

/** With `tail` empty, a name that is taken violates `device_ca.name`. */
export const insertAuthority = (row: AuthorityRow, tail?: Statement<never>): Statement =>
  insertInto(device_ca, row, tail)

export type AuthorityChange = { name?: string; enabled?: 0 | 1 }

export const updateAuthority = (
  cx: Context,
  id: string,
  { name, enabled }: AuthorityChange,
): Statement => {
  const sets = [sql`version = version + 1`, sql`updated_at = ${cx.now()}`]
  if (name !== undefined) sets.push(sql`name = ${name}`)
  if (enabled !== undefined) sets.push(sql`enabled = ${enabled}`)
  return sql`update device_ca set ${join(sets, ', ')} where id = ${id}`
}

export const deleteAuthority = (id: string): Statement =>
  sql`delete from device_ca where id = ${id}`

export const authorityExists = (id: string): Condition =>
  condition`exists (select 1 from device_ca where id = ${id})`

/** Demands that the authority is at this version, or gone. */
export const demandAuthorityVersion = (id: string, version: number): Statement =>
  refuseUnless(
    condition`not exists (select 1 from device_ca where id = ${id} and version <> ${version})`,
    'device_ca_version',
  )

/** Demands that the type and the place to which an authority is limited are there. */
export const demandBounds = ({
  device_type,
  group_id,
}: Pick<AuthorityRow, 'device_type' | 'group_id'>): Statement[] => [
  refuseUnless(
    condition`${device_type} is null
      or exists (select 1 from device_type where name = ${device_type})`,
    'device_ca_type',
  ),
  refuseUnless(
    condition`${group_id} is null or exists (select 1 from "group" where id = ${group_id})`,
    'device_ca_group',
  ),
]
