// Devices as principals, from registration to end. Suspended and retired are states of the row;
// each issuer and reader of tokens checks them.
import { deleteMembership, insertMembership } from '../access/groups.ts'
import type { Lack } from '../access/power.ts'
import {
  buryPrincipal,
  findPrincipal,
  forgetRights,
  insertPrincipal,
  principalIsMine,
} from '../access/principals.ts'
import { assertEverywhere, demandWithinReach } from '../access/reach/reach.ts'
import { decodeCursor, type Plan, pageOf } from '../api.ts'
import type { Context } from '../context.ts'
import { randomId } from '../crypto.ts'
import { condition, type Statement } from '../db/sql.ts'
import { Problem } from '../errors.ts'
import type { EventData, NewEvent } from '../events/event_catalogue.ts'
import { appendEvent, changedValues } from '../events.ts'
import {
  assertNotOver,
  assertSoundCredentials,
  credentialAddition,
  MAX_CREDENTIALS,
  type NewCredential,
  newCredential,
} from './credentials.ts'
import {
  type DeviceInput,
  type DevicePatch,
  describeDevice,
  groupsOf,
  MAX_METADATA,
  metadataOf,
} from './device_schema.ts'
import { type DeviceJwk, thumbprintOf } from './jwk.ts'
import { countTokensRevoked, revokeDeviceTokensOf } from './minted_token_store.ts'
import {
  assertReferences,
  demandDevicePower,
  guarded,
  lacking,
  lackingToRegister,
  noSuchDevice,
  otherVersion,
  retiredTakesNone,
  staysRetired,
  type Wanted,
} from './refusals.ts'
import {
  type DeviceChange,
  type DeviceFilter,
  type DeviceRow,
  type DeviceWithGroups,
  deleteDevice,
  demandDeviceVersion,
  demandOfChange,
  demandOfNewDevice,
  deviceExists,
  findDeviceWithGroups,
  findReferences,
  groupIsThere,
  insertCredential,
  insertDevice,
  listDevicesAfter,
  PLAIN_COLUMNS,
  type References,
  updateDevice,
  type WholeDeviceRow,
} from './store.ts'

export {
  type DeviceRow,
  findDeviceById,
  findDevicesByIds,
  type WholeDeviceRow,
} from './store.ts'

const CURSOR = 'devices'

// --- plans ------------------------------------------------------------------------------------

/**
 * Plans an entry: the changes from the stored device (undefined: there is none) to the entry.
 * Members that the entry leaves out stay as they are. A key of the entry is added when the device
 * never had it, a secret at creation only, and no credential is removed: so a second start undoes
 * no revocation. Throws Problem.
 */
export async function planDevice(
  cx: Context,
  entry: DeviceInput,
  current: WholeDeviceRow | undefined,
): Promise<Plan> {
  const { id } = entry
  if (id === undefined) {
    throw new Problem('invalid_request', 'the device has no id', [
      { pointer: '/id', detail: 'is needed, or each start would make another device' },
    ])
  }
  const credentials = entry.credentials ?? []
  const secretless = credentials.findIndex((one) => one.kind === 'secret' && !one.secret)
  if (secretless >= 0) {
    throw new Problem('invalid_request', 'a secret is not given', [
      {
        pointer: `${placeOf(secretless)}/secret`,
        detail: 'is needed here: nobody would be shown a generated one',
      },
    ])
  }
  await assertSoundCredentials(credentials, placeOf)
  if (current === undefined) return planCreation(cx, { ...entry, id }).plan
  const change = changeOf(current, { ...entry, metadata: replacing(current, entry.metadata) })
  const added = missingKeys(cx, entry, current)
  if (added.length > 0 && current.status === 'retired') throw retiredTakesNone()
  const fields = [...change.fields, ...(added.length > 0 ? ['credentials'] : [])]
  if (fields.length === 0) return { change: 'unchanged', fields, statements: [] }
  return {
    change: 'updated',
    fields,
    statements: [
      ...statementsOf(cx, current, change, null, lacking(cx, id, wantedBy(change))),
      ...added.flatMap((made) => credentialAddition(cx, made)),
    ],
  }
}

const placeOf = (n: number) => `/credentials/${n}`

function planCreation(cx: Context, entry: DeviceInput & { id: string }) {
  const { id, type, groups = [] } = entry
  const made = (entry.credentials ?? []).map((input) => newCredential(cx, id, input))
  const row: DeviceRow = {
    id,
    type,
    name: entry.name ?? null,
    status: entry.status ?? 'active',
    mqtt_client_id: entry.mqtt_client_id ?? null,
    metadata: JSON.stringify(entry.metadata ?? {}),
    created_at: cx.now(),
    updated_at: cx.now(),
    version: 1,
    epoch: 0,
  }
  const mine = principalIsMine(cx, id)
  const lacks = lackingToRegister(cx, row, groups)
  const statements: Statement[] = [
    insertPrincipal(cx, id, 'device'),
    ...demandOfNewDevice(cx, row),
    insertDevice(cx, row),
    ...demandDevicePower(id, lacks),
    ...groups.map((group_id) => insertMembership(cx, group_id, id, groupIsThere(group_id, mine))),
    ...made.map((credential) => insertCredential(credential.row, mine)),
    appendEvent(
      cx,
      {
        type: 'device.created',
        subject_id: id,
        data: { type, groups, credentials: made.map((credential) => credential.row.id) },
      },
      mine,
    ),
  ]
  const plan: Plan = { change: 'created', fields: Object.keys(entry), statements }
  return { plan, made, lacks }
}

/** The keys of the entry that the device never had; a revoked key counts as had. */
function missingKeys(cx: Context, entry: DeviceInput, current: WholeDeviceRow): NewCredential[] {
  type KeptCredential = {
    jwk: DeviceJwk | null
    expires_at: number | null
    revoked_at: number | null
  }
  const credentials = JSON.parse(current.credentials) as KeptCredential[]
  const thumbprints = credentials.flatMap(({ jwk }) => (jwk === null ? [] : [thumbprintOf(jwk)]))
  const present = credentials.filter(
    ({ expires_at, revoked_at }) => revoked_at === null && (expires_at ?? Infinity) > cx.now(),
  )
  const kids = present.flatMap(({ jwk }) => (jwk === null ? [] : [jwk.kid]))
  const added: NewCredential[] = []
  for (const [n, input] of (entry.credentials ?? []).entries()) {
    if (input.kind !== 'jwk' || thumbprints.includes(thumbprintOf(input.jwk))) continue
    if (input.jwk.kid !== undefined && kids.includes(input.jwk.kid)) {
      throw new Problem('conflict', 'the device has another key of this kid', [
        { pointer: `${placeOf(n)}/jwk/kid`, detail: 'is the kid of another key of the device' },
      ])
    }
    added.push(newCredential(cx, current.id, input))
  }
  if (added.length > 0 && present.length + added.length > MAX_CREDENTIALS) {
    throw new Problem('conflict', `a device has at most ${MAX_CREDENTIALS} credentials`, [
      { pointer: '/credentials', detail: 'revoke one of the stored credentials first' },
    ])
  }
  return added
}

/** The metadata after a change. */
const merged = (current: DeviceRow, { metadata }: DeviceChange): Record<string, string> =>
  Object.fromEntries(
    Object.entries({ ...metadataOf(current), ...metadata }).filter(
      (member): member is [string, string] => member[1] !== null,
    ),
  )

/** The merge patch after which only `metadata` is left. */
function replacing(
  current: DeviceRow,
  metadata: Record<string, string> | undefined,
): Record<string, string | null> | undefined {
  if (metadata === undefined) return undefined
  const removed = Object.keys(metadataOf(current)).map((key) => [key, null] as const)
  return { ...Object.fromEntries(removed), ...metadata }
}

type Change = {
  fields: readonly string[]
  row: DeviceChange
  groups: { all: readonly string[]; added: readonly string[]; removed: readonly string[] }
}

const wantedBy = ({ row, groups }: Change): Wanted => ({
  ...row,
  groups: groups.all,
  moves: [...groups.added, ...groups.removed],
})

/**
 * The changes from the present device to the wanted one. Throws Problem for a state that no device
 * may get.
 */
function changeOf(
  current: DeviceWithGroups,
  wanted: DeviceChange & { groups?: readonly string[] | null | undefined },
): Change {
  const changed = PLAIN_COLUMNS.filter(
    (name) => wanted[name] !== undefined && wanted[name] !== current[name],
  )
  const row: DeviceChange = Object.fromEntries(changed.map((name) => [name, wanted[name]]))
  if (row.status !== undefined && current.status === 'retired') throw staysRetired()
  const before = metadataOf(current)
  const metadata = Object.entries(wanted.metadata ?? {}).filter(
    ([key, value]) => (before[key] ?? null) !== value,
  )
  if (metadata.length > 0) {
    row.metadata = Object.fromEntries(metadata)
    if (Object.keys(merged(current, row)).length > MAX_METADATA) {
      throw new Problem('invalid_request', 'there is too much metadata', [
        { pointer: '/metadata', detail: `at most ${MAX_METADATA} members` },
      ])
    }
  }
  const present = groupsOf(current)
  const groups = wanted.groups === undefined ? present : (wanted.groups ?? [])
  const added = groups.filter((id) => !present.includes(id))
  const removed = present.filter((id) => !groups.includes(id))
  const fields = Object.keys(row)
  if (added.length + removed.length > 0) fields.push('groups')
  return { fields, row, groups: { all: groups, added, removed } }
}

const STATUS_EVENT = {
  active: 'device.activated',
  suspended: 'device.suspended',
  retired: 'device.retired',
} as const

/** Whether a change ends what was issued to the device. */
const ends = ({ status }: DeviceChange): boolean => status !== undefined && status !== 'active'

function statementsOf(
  cx: Context,
  current: DeviceWithGroups,
  { fields, row, groups }: Change,
  version: number | null,
  lacks: readonly Statement<Lack>[],
): Statement[] {
  const { id } = current
  const there = deviceExists(id)
  const events: NewEvent[] = []
  const others = fields.filter((field) => field !== 'status')
  if (others.length > 0) {
    const data: EventData<'device.updated'> = { fields: others }
    if (fields.includes('groups')) {
      data.groups_added = groups.added
      data.groups_removed = groups.removed
    }
    const next = {
      ...current,
      ...row,
      metadata: JSON.stringify(merged(current, row)),
      groups: JSON.stringify(
        [...groupsOf(current), ...groups.added].filter((one) => !groups.removed.includes(one)),
      ),
    }
    const values = changedValues(describeDevice(current), describeDevice(next), others)
    events.push({ type: 'device.updated', subject_id: id, data, ...values })
  }
  if (row.status !== undefined) events.push({ type: STATUS_EVENT[row.status], subject_id: id })
  return [
    ...demandWithinReach(cx, condition`not ${there}`, id, ...groups.added),
    ...demandDevicePower(id, lacks),
    ...(version === null ? [] : [demandDeviceVersion(id, version)]),
    ...demandOfChange(id, row),
    ...(fields.length === 0 ? [] : [updateDevice(cx, id, row)]),
    ...groups.added.map((group_id) =>
      insertMembership(cx, group_id, id, groupIsThere(group_id, there)),
    ),
    ...groups.removed.map((group_id) => deleteMembership(group_id, id)),
    ...(ends(row) ? [revokeDeviceTokensOf(cx, id)] : []),
    ...events.map((event) => appendEvent(cx, event, there)),
  ]
}

// --- use cases --------------------------------------------------------------------------------

/**
 * Registers a device. Generated secrets are in `made`, and nowhere else. Round trips: 1 read, 1
 * write. Throws Problem.
 */
export async function createDevice(
  cx: Context,
  input: DeviceInput,
): Promise<{ device: DeviceWithGroups; made: readonly NewCredential[] }> {
  const id = input.id ?? randomId(cx, 'dev')
  const { type, groups = [], mqtt_client_id = null, credentials = [] } = input
  assertNotOver(cx, credentials, placeOf)
  await assertSoundCredentials(credentials, placeOf)
  if (input.status === 'retired' && credentials.length > 0) throw retiredTakesNone()
  const [references] = await cx.db.read(findReferences(id, type, groups, mqtt_client_id))
  assertReferences(references, groups)
  const { plan, made, lacks } = planCreation(cx, { ...input, id })
  const {
    principal: [principal],
    device: [device],
  } = await guarded(cx, lacks, () =>
    cx.db.write({
      changes: plan.statements,
      principal: findPrincipal(id),
      device: findDeviceWithGroups(id),
    }),
  )
  if (principal?.rid !== cx.rid || device === undefined) {
    throw new Problem('conflict', 'the id is taken, or was', [
      { pointer: '/id', detail: 'choose another id, or leave it out' },
    ])
  }
  return { device, made }
}

/** Round trips: 1 read. */
export async function getDevice(cx: Context, id: string): Promise<DeviceWithGroups> {
  const [row] = await cx.db.read(findDeviceWithGroups(id, cx.actor.reach))
  if (row === undefined) throw noSuchDevice()
  return row
}

/**
 * A page of devices by id. `group` means its members, not those of groups below. Round trips: 1
 * read.
 */
export async function listDevices(
  cx: Context,
  query: DeviceFilter & { limit: number; cursor?: string | undefined },
) {
  const after = decodeCursor(cx, CURSOR, query.cursor)
  const rows = await cx.db.read(listDevicesAfter(after, query.limit, query, cx.actor.reach))
  return pageOf(cx, CURSOR, rows, query.limit, (row) => row.id, describeDevice)
}

/**
 * Changes a device. `version` is the one that If-Match demands; without it the last of several
 * writers wins, field by field. A change that suspends or retires it answers how many minted tokens
 * it ended for good. Round trips: 1 read, 1 write. Throws Problem.
 */
export async function changeDevice(
  cx: Context,
  id: string,
  patch: DevicePatch,
  version: number | null,
): Promise<DeviceWithGroups & { tokens_ended?: number }> {
  const {
    current: [current],
    references: [references],
  } = await cx.db.read({
    current: findDeviceWithGroups(id, cx.actor.reach),
    references: findReferences(
      id,
      patch.type ?? '',
      patch.groups ?? [],
      patch.mqtt_client_id ?? null,
      cx.actor.reach,
    ),
  })
  if (current === undefined) throw noSuchDevice()
  if (version !== null && version !== current.version) throw otherVersion()
  const metadata = patch.metadata === null ? replacing(current, {}) : patch.metadata
  const change = changeOf(current, { ...patch, metadata })
  if (change.fields.length === 0) return current
  if (change.row.mqtt_client_id !== undefined) {
    // The answer would tell whether it is the id of somebody else.
    assertEverywhere(cx, '/mqtt_client_id', 'is changed by who reaches everything')
  }
  if (change.groups.all.length === 0 && change.groups.removed.length > 0) {
    assertEverywhere(cx, '/groups', 'must have a group that the actor reaches')
  }
  const found: References | undefined = references && {
    ...references,
    type_exists: change.row.type === undefined ? 1 : references.type_exists,
    id_is_client_id: 0,
  }
  assertReferences(found, patch.groups ?? [])
  const lacks = lacking(cx, id, wantedBy(change))
  const {
    device: [device],
    tokens: [tokens],
  } = await guarded(cx, lacks, () =>
    cx.db.write({
      changes: statementsOf(cx, current, change, version, lacks),
      device: findDeviceWithGroups(id, cx.actor.reach),
      tokens: ends(change.row) ? countTokensRevoked(cx, id) : null,
    }),
  )
  if (device === undefined) throw noSuchDevice()
  return tokens === undefined ? device : { ...device, tokens_ended: tokens.n }
}

/** Removes a device; its id stays taken. Round trips: 1 read, 1 write. Throws Problem. */
export async function removeDevice(cx: Context, id: string, version: number | null): Promise<void> {
  const current = await getDevice(cx, id)
  if (version !== null && version !== current.version) throw otherVersion()
  const deleted = { type: 'device.deleted', subject_id: id, data: { type: current.type } } as const
  const lacks = lacking(cx, id, { moves: [] })
  await guarded(cx, lacks, () =>
    cx.db.write([
      ...demandDevicePower(id, lacks),
      ...(version === null ? [] : [demandDeviceVersion(id, version)]),
      appendEvent(cx, deleted, deviceExists(id)),
      ...deleteDevice(id),
      buryPrincipal(cx, id),
      ...forgetRights(id),
    ]),
  )
}
