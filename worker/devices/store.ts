// The tables `device_type`, `device` and `device_credential`. Memberships belong to access/; minted
// tokens have a file of their own. `demand...` statements undo their whole batch; refusals.ts reads
// their reasons.
import { principalIsMine } from '../access/principals.ts'
import { isBelow } from '../access/reach/reach_store.ts'
import type { Context, Reach } from '../context.ts'
import { device, device_credential } from '../db/schema.ts'
import {
  COUNTER_JUMP,
  type Condition,
  condition,
  insertInto,
  insertWhere,
  join,
  refuseUnless,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../db/sql.ts'
import { device_type } from '../db/things_schema.ts'
import { hardwareIdsOfDevice } from './hardware_id_store.ts'

export type DeviceTypeRow = typeof device_type.$inferSelect
export type DeviceRow = typeof device.$inferSelect
export type CredentialRow = typeof device_credential.$inferSelect
/**
 * With `type_rotate_by`: when it ends since its type demands another key in its place; and
 * `ca_state`: what has become of the authority with which it ends. `issuer` has issued this
 * certificate, `behind` vouched for the device when it got it.
 */
export type LiveCredentialRow = CredentialRow & {
  type_rotate_by?: number | null
  ca_state?: 'issuer' | 'behind' | 'off' | 'gone' | null
}

/**
 * With `groups`, a JSON array of the ids of the groups that the device itself is a member of, and
 * `hardware_ids`, a JSON array of `{ kind, value }`. `parent_seen`: 0 for a gateway that is out of
 * reach.
 */
export type DeviceWithGroups = DeviceRow & {
  groups: string
  hardware_ids: string
  parent_seen?: number
}
/**
 * With `credentials` too: a JSON array of `{ kind, jwk, thumbprint, expires_at, revoked_at }`,
 * revoked ones included.
 */
export type WholeDeviceRow = DeviceWithGroups & { credentials: string }

// --- device -----------------------------------------------------------------------------------

export const findDeviceById = (id: string, which: Condition = TRUE): Statement<DeviceRow> =>
  sql`select * from device where id = ${id} and ${which}`

/** The further columns of `DeviceWithGroups`: the groups of the device that a reach contains. */
export const withGroups = (reach?: Reach): Statement =>
  sql`(select json_group_array(group_id) from membership where member_id = device.id
    and ${reach === undefined ? TRUE : isBelow(reach, scalar`membership.group_id`)}) as "groups",
    ${reach === undefined ? TRUE : isBelow(reach, scalar`device.parent_id`)} as parent_seen,
    ${hardwareIdsOfDevice}`

export const findDeviceWithGroups = (id: string, reach?: Reach): Statement<DeviceWithGroups> =>
  sql`select device.*, ${withGroups(reach)} from device
    where id = ${id} and ${reach === undefined ? TRUE : isBelow(reach, scalar`device.id`)}`

/** The further column of `WholeDeviceRow`. */
export const withCredentials = sql`(
  select json_group_array(json_object('kind', kind, 'jwk', json(jwk), 'thumbprint', thumbprint,
    'expires_at', expires_at, 'revoked_at', revoked_at))
  from device_credential where device_id = device.id) as credentials`

/** All rows that planning needs, for any number of devices: their ids are one argument. */
export const findDevicesByIds = (ids: readonly string[]): Statement<WholeDeviceRow> =>
  sql`select device.*, ${withGroups()}, ${withCredentials}
    from device where id in (select value from json_each(${JSON.stringify(ids)}))`

export type References = {
  type_exists: 0 | 1
  /** Of the type: its JSON Schema of metadata, and the kinds of credentials, a JSON array. */
  fields: string | null
  credential_kinds: string | null
  /** JSON array of ids. */
  missing_groups: string
  parent_fault: ParentFault | null
  client_id_is_foreign: 0 | 1
  id_is_client_id: 0 | 1
}

export type ParentFault = 'missing' | 'circle' | 'deep'

/**
 * Finds whether all things exist to which a device refers, and whether its MQTT client id would
 * come too near to another principal.
 */
export const findReferences = (
  id: string,
  type: string | Scalar,
  groups: readonly string[],
  mqtt_client_id: string | null,
  parent_id: string | null,
  reach?: Reach,
): Statement<References> =>
  sql`select exists (select 1 from device_type where name = ${type}) as type_exists,
    (select fields from device_type where name = ${type}) as fields,
    (select credential_kinds from device_type where name = ${type}) as credential_kinds,
    ${faultOfParent(id, parent_id, reach)} as parent_fault,
    (select json_group_array(value) from json_each(${JSON.stringify(groups)})
      where not exists (select 1 from "group" where id = value)
        or not ${reach === undefined ? TRUE : isBelow(reach, scalar`value`)}) as missing_groups,
    ${clientIdIsForeign(id, mqtt_client_id)} as client_id_is_foreign,
    ${idIsClientId(id)} as id_is_client_id`

/** Most devices above each other. */
const PARENTS_MAX = 8

const faultOfParent = (id: string, parent_id: string | null, reach?: Reach): Scalar =>
  parent_id === null
    ? scalar`null`
    : scalar`(with recursive up(id, height) as (
        select ${parent_id}, 1
        union select d.parent_id, up.height + 1 from up join device d on d.id = up.id
          where d.parent_id is not null and up.height <= ${PARENTS_MAX})
      select case
        when not exists (select 1 from device where id = ${parent_id})
          or not ${reach === undefined ? TRUE : isBelow(reach, scalar`${parent_id}`)} then 'missing'
        when exists (select 1 from up where id = ${id}) then 'circle'
        when (select max(height) from up) > ${PARENTS_MAX} then 'deep' end)`

/** Demands a gateway that is there, and not the device itself nor behind it. */
export const demandParent = (
  id: string,
  parent_id: string | null | undefined,
  when: Condition,
): Statement[] =>
  parent_id === null || parent_id === undefined
    ? []
    : [
        refuseUnless(
          condition`not (${when}) or ${faultOfParent(id, parent_id)} is null`,
          'device_parent',
        ),
      ]

// mProxy lets a principal connect as its `sub`, as `sub:suffix` or as its mqtt_client_id. If two
// principals shared such a name, one would take over the session of the other.
function clientIdIsForeign(id: string, mqtt_client_id: string | null): Condition {
  const space = mqtt_client_id?.split(':', 1)[0] ?? ''
  return condition`exists (select 1 from principal where id = ${space} and id <> ${id})`
}

/** `;` is the character after `:`, so the range is everything within the space of the id. */
const idIsClientId = (id: string): Condition =>
  condition`exists (select 1 from device where id <> ${id} and (mqtt_client_id = ${id}
    or (mqtt_client_id >= ${id + ':'} and mqtt_client_id < ${id + ';'})))`

/**
 * Demands for `insertDevice`, unless the device exists already: this request made the principal,
 * the type exists, and no MQTT client id belongs to another.
 */
export const demandOfNewDevice = (cx: Context, row: DeviceRow): Statement[] => {
  const isThere = deviceExists(row.id)
  const isClear = condition`not ${clientIdIsForeign(row.id, row.mqtt_client_id)}
    and not ${idIsClientId(row.id)}`
  return [
    refuseUnless(condition`${isThere} or ${principalIsMine(cx, row.id)}`, 'device_id_taken'),
    refuseUnless(condition`${isThere} or ${deviceTypeExists(row.type)}`, 'device_type_unknown'),
    refuseUnless(condition`${isThere} or (${isClear})`, 'mqtt_client_id_taken'),
  ]
}

/**
 * Inserts the row of a principal that this request made. Does nothing when there is such a device
 * already.
 */
export const insertDevice = (cx: Context, row: DeviceRow): Statement =>
  insertWhere(
    device,
    row,
    condition`${principalIsMine(cx, row.id)} and not ${deviceExists(row.id)}`,
  )

/** Columns that a change sets to a new value; `metadata` is merged. */
type PlainColumns = Omit<
  DeviceRow,
  | 'id'
  | 'metadata'
  | 'created_at'
  | 'updated_at'
  | 'version'
  | 'epoch'
  | 'first_seen_at'
  | 'last_seen_at'
  | 'released_at'
>

export type DeviceChange = Partial<PlainColumns> & {
  /** A merge patch: null removes the member. */
  metadata?: Record<string, unknown>
}

const ASSIGN: Record<keyof PlainColumns, (value: string | number | null) => Statement> = {
  type: (value) => sql`type = ${value}`,
  name: (value) => sql`name = ${value}`,
  mqtt_client_id: (value) => sql`mqtt_client_id = ${value}`,
  parent_id: (value) => sql`parent_id = ${value}`,
  tags: (value) => sql`tags = ${value}`,
  // Suspending or retiring raises the epoch: whatever was issued to the device before is dead, also
  // when it is activated again.
  status: (value) =>
    sql`epoch = epoch + (status = 'active' and ${value} <> 'active'), status = ${value}`,
}

export const PLAIN_COLUMNS = Object.keys(ASSIGN) as (keyof PlainColumns)[]

/**
 * Demands for `updateDevice`: a retired device stays retired, the type exists, and no MQTT client
 * id belongs to another.
 */
export const demandOfChange = (
  id: string,
  { type, status, mqtt_client_id }: DeviceChange,
): Statement[] => {
  const demands: Statement[] = []
  if (status !== undefined && status !== 'retired') {
    const isRetired = condition`exists (select 1 from device where id = ${id} and status = 'retired')`
    demands.push(refuseUnless(condition`not ${isRetired}`, 'device_retired'))
  }
  if (type !== undefined) demands.push(refuseUnless(deviceTypeExists(type), 'device_type_unknown'))
  if (mqtt_client_id !== undefined) {
    const isForeign = clientIdIsForeign(id, mqtt_client_id)
    demands.push(refuseUnless(condition`not ${isForeign}`, 'mqtt_client_id_taken'))
  }
  return demands
}

export const updateDevice = (cx: Context, id: string, change: DeviceChange): Statement => {
  const { metadata } = change
  const sets = [sql`version = version + 1`, sql`updated_at = ${cx.now()}`]
  for (const name of PLAIN_COLUMNS) {
    const value = change[name]
    if (value !== undefined) sets.push(ASSIGN[name](value))
  }
  if (metadata !== undefined) {
    sets.push(sql`metadata = json_patch(metadata, ${JSON.stringify(metadata)})`)
  }
  return sql`update device set ${join(sets, ', ')} where id = ${id}`
}

/** Demands that the device is at this version, or gone. */
export const demandDeviceVersion = (id: string, version: number): Statement =>
  refuseUnless(
    condition`not exists (select 1 from device where id = ${id} and version <> ${version})`,
    'device_version',
  )

/** Demands that the actor lacks nothing, or that the device is gone, or not there for the actor. */
export const demandPowerOver = (isThere: Condition, nothingLacks: Condition): Statement =>
  refuseUnless(condition`not (${isThere}) or ${nothingLacks}`, 'power_not_held')

export const deviceExists = (id: string): Condition =>
  condition`exists (select 1 from device where id = ${id})`

/** A condition: the group still exists, and the condition of the batch holds. */
export const groupIsThere = (group_id: string, when: Condition): Condition =>
  condition`exists (select 1 from "group" where id = ${group_id}) and ${when}`

export const deleteDevice = (id: string): readonly Statement[] => [
  sql`delete from device_credential where device_id = ${id}`,
  sql`update device set parent_id = null, version = version + 1 where parent_id = ${id}`,
  sql`delete from device_report where device_id = ${id}`,
  sql`delete from mqtt_refusal where device_id = ${id}`,
  sql`delete from device_token where device_id = ${id}`,
  sql`delete from device_claim where device_id = ${id}`,
  sql`delete from device where id = ${id}`,
]

// --- device_credential ------------------------------------------------------------------------

/** The state of the authority with which a credential ends. */
const ca_state = scalar`case when device_credential.ca_id is not null then coalesce(
  (select case when a.enabled = 0 then 'off' when a.subject = device_credential.issuer
    then 'issuer' else 'behind' end from device_ca a where a.id = device_credential.ca_id), 'gone')
  end`

/** A certificate may have been made long before it was first shown. */
const made_at = scalar`case when device_credential.ca_id is null
  then device_credential.created_at else min(device_credential.created_at,
    coalesce(device_credential.not_before, device_credential.created_at)) end`

/** The further columns of `LiveCredentialRow`. */
const withTypeDemand = sql`(select r.rotate_by from device d
    join device_type_rotation r on r.type = d.type
    where device_credential.kind in ('jwk', 'x509') and d.id = device_credential.device_id
      and r.demanded_at >= ${made_at}) as type_rotate_by, ${ca_state} as ca_state`

/** The credentials of a device that were not revoked, oldest first. */
export const credentialsOf = (device_id: string): Statement<LiveCredentialRow> =>
  sql`select *, ${withTypeDemand}
    from device_credential where device_id = ${device_id} and revoked_at is null
    order by created_at, id`

export const listCredentialsAfter = (
  device_id: string,
  after: string,
  limit: number,
): Statement<LiveCredentialRow> =>
  sql`select *, ${withTypeDemand}
    from device_credential where device_id = ${device_id} and id > ${after}
    order by id limit ${limit + 1}`

export const findCredential = (
  device_id: string,
  id: string,
  which: Condition = TRUE,
): Statement<CredentialRow> =>
  sql`select * from device_credential where id = ${id} and device_id = ${device_id} and ${which}`

export const insertCredential = (row: CredentialRow, when: Condition): Statement =>
  insertWhere(device_credential, row, when, sql`on conflict (id) do nothing`)

/**
 * A condition: the device exists and is not retired, has fewer than `max` credentials that were
 * neither revoked nor have run out, and none of them has this `kid` or this key (`key_text` from
 * `keyText`), or is this certificate. Those that came with an authority have no part in the number:
 * how many it makes is its affair.
 */
export const hasRoomForCredential = (
  cx: Context,
  device_id: string,
  max: number,
  key: { kid: string; key_text: string } | { thumbprint: string | null },
  kind: CredentialRow['kind'],
): Condition => {
  const present = condition`device_id = ${device_id} and revoked_at is null
    and (expires_at is null or expires_at > ${cx.now()})`
  const isNew =
    'kid' in key
      ? condition`not exists (select 1 from device_credential where ${present}
          and (json_extract(jwk, '$.kid') = ${key.kid}
            or json_remove(jwk, '$.kid', '$.alg') = ${key.key_text}))`
      : key.thumbprint === null
        ? TRUE
        : condition`not exists (select 1 from device_credential where ${present}
            and thumbprint = ${key.thumbprint})`
  return condition`exists (select 1 from device where id = ${device_id} and status <> 'retired')
    and ${typeTakesCredential(device_id, kind)}
    and (select count(*) from device_credential where ${present} and ca_id is null) < ${max}
    and ${isNew}`
}

/** A condition: the type of the device has no list of kinds of credentials, or this one in it. */
export const typeTakesCredential = (device_id: string, kind: string): Condition =>
  condition`not exists (select 1 from device d join device_type t on t.name = d.type
    where d.id = ${device_id} and t.credential_kinds is not null
      and not exists (select 1 from json_each(t.credential_kinds) k where k.value = ${kind}))`

/** One row when the type of the device takes credentials of this kind. */
export const typeTakes = (device_id: string, kind: CredentialRow['kind']): Statement =>
  sql`select 1 where ${typeTakesCredential(device_id, kind)}`

export const credentialExists = (id: string): Condition =>
  condition`exists (select 1 from device_credential where id = ${id})`

export const credentialIsUnrevoked = (device_id: string, id: string): Condition =>
  condition`exists (select 1 from device_credential
    where id = ${id} and device_id = ${device_id} and revoked_at is null)`

export const updateCredentialRevocation = (
  cx: Context,
  device_id: string,
  id: string,
  when: Condition,
): Statement =>
  sql`update device_credential set revoked_at = ${cx.now()}
    where id = ${id} and device_id = ${device_id} and revoked_at is null and ${when}`

// --- device_type ------------------------------------------------------------------------------

export const findDeviceTypesByNames = (names: readonly string[]): Statement<DeviceTypeRow> =>
  sql`select * from device_type where name in (select value from json_each(${JSON.stringify(names)}))`

export const listDeviceTypesAfter = (after: string, limit: number): Statement<DeviceTypeRow> =>
  sql`select * from device_type where name > ${after} order by name limit ${limit + 1}`

export const deviceTypeExists = (name: string): Condition =>
  condition`exists (select 1 from device_type where name = ${name})`

/** With `tail` empty, a type of this name violates `device_type.name`. */
export const insertDeviceType = (row: DeviceTypeRow, tail?: Statement<never>): Statement =>
  insertInto(device_type, row, tail)

export type DeviceTypeChange = Partial<
  Omit<DeviceTypeRow, 'name' | 'created_at' | 'updated_at' | 'version'>
>

const ASSIGN_OF_TYPE: Record<keyof DeviceTypeChange, (value: string | number | null) => Statement> =
  {
    description: (value) => sql`description = ${value}`,
    acl: (value) => sql`acl = ${value}`,
    names: (value) => sql`names = ${value}`,
    permissions: (value) => sql`permissions = ${value}`,
    token_ttl: (value) => sql`token_ttl = ${value}`,
    credential_kinds: (value) => sql`credential_kinds = ${value}`,
    claim: (value) => sql`claim = ${value}`,
    fields: (value) => sql`fields = ${value}`,
    acl_by_reference: (value) => sql`acl_by_reference = ${value}`,
  }

/** The members of a type that may change, as they are stored. */
export const TYPE_MEMBERS = Object.keys(ASSIGN_OF_TYPE) as (keyof DeviceTypeChange)[]

export const updateDeviceType = (
  cx: Context,
  name: string,
  change: DeviceTypeChange,
): Statement => {
  const sets = [sql`version = version + 1`, sql`updated_at = ${cx.now()}`]
  for (const member of TYPE_MEMBERS) {
    const value = change[member]
    if (value !== undefined) sets.push(ASSIGN_OF_TYPE[member](value))
  }
  return sql`update device_type set ${join(sets, ', ')} where name = ${name}`
}

/** Demands that the type is at this version, or gone. */
export const demandDeviceTypeVersion = (name: string, version: number): Statement =>
  refuseUnless(
    condition`not exists (select 1 from device_type where name = ${name} and version <> ${version})`,
    'device_type_version',
  )

/** A condition: the type exists, no device is of it, and no authority is for such devices. */
export const deviceTypeIsUnused = (name: string): Condition =>
  condition`${deviceTypeExists(name)} and not exists (select 1 from device where type = ${name})
    and not exists (select 1 from device_ca where device_type = ${name})`

export const deleteDeviceType = (name: string): readonly Statement[] => [
  sql`delete from device_type_rotation where type = ${name} and ${deviceTypeIsUnused(name)}`,
  sql`delete from device_type where name = ${name} and ${deviceTypeIsUnused(name)}`,
]

/** Moves the counters of all devices and types ahead, as `jumpUsers` does those of people. */
export const jumpDevices = (): readonly Statement[] => [
  sql`update device set version = version + ${COUNTER_JUMP}, epoch = epoch + ${COUNTER_JUMP}`,
  sql`update device_type set version = version + ${COUNTER_JUMP}`,
]
