// Devices as principals, from registration to end. Suspended and retired are states of the row;
// each issuer and reader of tokens checks them.
import { deleteMembership, insertMembership } from '../access/groups.ts'
import type { Lack } from '../access/power.ts'
import { findPrincipal, insertPrincipal, principalIsMine } from '../access/principals.ts'
import { assertEverywhere, demandWithinReach } from '../access/reach/reach.ts'
import type { Plan } from '../api.ts'
import type { Context } from '../context.ts'
import { randomId } from '../crypto.ts'
import { condition, type Statement, scalar } from '../db/sql.ts'
import { Problem } from '../errors.ts'
import type { EventData, NewEvent } from '../events/event_catalogue.ts'
import { appendEvent, changedValues } from '../events.ts'
import {
  assertKinds,
  assertNotOver,
  assertSoundCredentials,
  credentialAddition,
  MAX_CREDENTIALS,
  markOf,
  type NewCredential,
  newCredential,
  type TypeRules,
} from './credentials.ts'
import { assertMetadata, type Metadata, mergedMetadata, patchBetween } from './device_metadata.ts'
import {
  type DeviceInput,
  type DevicePatch,
  describeDevice,
  groupsOf,
  hardwareIdsOf,
  metadataOf,
  storedTags,
} from './device_schema.ts'
import {
  deleteOtherHardwareIds,
  demandHardwareIds,
  insertHardwareIds,
} from './hardware_id_store.ts'
import { type HardwareId, hardwareKey, withKeys } from './hardware_ids.ts'
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
  type DeviceRow,
  type DeviceWithGroups,
  demandDeviceVersion,
  demandOfChange,
  demandOfNewDevice,
  demandParent,
  deviceExists,
  findDeviceWithGroups,
  findReferences,
  groupIsThere,
  insertCredential,
  insertDevice,
  PLAIN_COLUMNS,
  type References,
  updateDevice,
  type WholeDeviceRow,
} from './store.ts'
import { assertDeviceFits, isOfOwn, isOfRules, readsOfWidth } from './width.ts'

export {
  type DeviceRow,
  findDeviceById,
  findDevicesByIds,
  type WholeDeviceRow,
} from './store.ts'

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
  rules: TypeRules | undefined = undefined,
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
  if (current === undefined) {
    assertKinds(credentials, rules)
    await assertMetadata(entry.metadata ?? {}, rules?.fields ?? null)
    return planCreation(cx, { ...entry, id }).plan
  }
  // It says how a device begins: one that was claimed stays so.
  const { status: wished, ...others } = entry
  const status = wished === 'unclaimed' ? undefined : wished
  const metadata = replacing(current, entry.metadata)
  const change = changeOf(current, { ...others, ...(status && { status }), metadata })
  await assertMetadataAfter(current, change, rules)
  const added = missingKeys(cx, entry, current)
  assertKinds(added.length > 0 ? credentials : [], rules)
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

/** Metadata are judged where they change, or the type does. */
async function assertMetadataAfter(
  current: DeviceRow,
  { row }: Change,
  rules: TypeRules | undefined,
): Promise<void> {
  if (row.metadata === undefined && row.type === undefined) return
  await assertMetadata(mergedMetadata(metadataOf(current), row.metadata), rules?.fields ?? null)
}

const placeOf = (n: number) => `/credentials/${n}`

/** The row of a new device. */
export function rowOfNew(cx: Context, entry: DeviceInput & { id: string }): DeviceRow {
  return {
    id: entry.id,
    type: entry.type,
    name: entry.name ?? null,
    status: entry.status ?? 'active',
    mqtt_client_id: entry.mqtt_client_id ?? null,
    metadata: JSON.stringify(entry.metadata ?? {}),
    created_at: cx.now(),
    updated_at: cx.now(),
    version: 1,
    epoch: 0,
    parent_id: entry.parent ?? null,
    tags: storedTags(entry.tags ?? []),
    first_seen_at: 0,
    last_seen_at: 0,
    released_at: null,
  }
}

/** Plans a device that is not there, with demands for all that it refers to. */
export function planCreation(
  cx: Context,
  entry: DeviceInput & { id: string },
  needed?: readonly Statement<Lack>[],
) {
  const { id, type, groups = [] } = entry
  const made = (entry.credentials ?? []).map((input) => newCredential(cx, id, input))
  const row = rowOfNew(cx, entry)
  const mine = principalIsMine(cx, id)
  const ids = withKeys(entry.hardware_ids ?? [])
  const lacks = needed ?? lackingToRegister(cx, row, groups)
  const statements: Statement[] = [
    insertPrincipal(cx, id, 'device'),
    ...demandOfNewDevice(cx, row),
    ...demandParent(id, row.parent_id, mine),
    ...insertHardwareIds(cx, id, ids, mine),
    ...demandHardwareIds(id, ids, mine),
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

/** Keys and certificates of the entry that the device never had; a revoked one counts as had. */
function missingKeys(cx: Context, entry: DeviceInput, current: WholeDeviceRow): NewCredential[] {
  type KeptCredential = {
    jwk: DeviceJwk | null
    thumbprint: string | null
    expires_at: number | null
    revoked_at: number | null
  }
  const credentials = JSON.parse(current.credentials) as KeptCredential[]
  const thumbprints = credentials.flatMap(({ jwk, thumbprint }) =>
    jwk === null ? (thumbprint ?? []) : [thumbprintOf(jwk)],
  )
  const present = credentials.filter(
    ({ expires_at, revoked_at }) => revoked_at === null && (expires_at ?? Infinity) > cx.now(),
  )
  const kids = present.flatMap(({ jwk }) => (jwk === null ? [] : [jwk.kid]))
  const added: NewCredential[] = []
  for (const [n, input] of (entry.credentials ?? []).entries()) {
    if (input.kind === 'secret' || thumbprints.includes(markOf(input))) continue
    if (input.kind === 'jwk' && input.jwk.kid !== undefined && kids.includes(input.jwk.kid)) {
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

/** The merge patch after which only `metadata` is left. */
const replacing = (current: DeviceRow, metadata: Metadata | undefined): Metadata | undefined =>
  metadata === undefined ? undefined : patchBetween(metadataOf(current), metadata)

type Change = {
  fields: readonly string[]
  row: DeviceChange
  groups: { all: readonly string[]; added: readonly string[]; removed: readonly string[] }
  /** All of its numbers where they change, else null. */
  hardware: readonly HardwareId[] | null
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
  entry: Omit<DevicePatch, 'metadata'> & { metadata?: Metadata | undefined },
): Change {
  const { parent, tags, hardware_ids, ...plain } = entry
  const wanted = {
    ...plain,
    ...(parent === undefined ? {} : { parent_id: parent }),
    ...(tags === undefined ? {} : { tags: storedTags(tags ?? []) }),
  }
  const changed = PLAIN_COLUMNS.filter(
    (name) => wanted[name] !== undefined && wanted[name] !== current[name],
  )
  const row: DeviceChange = Object.fromEntries(changed.map((name) => [name, wanted[name]]))
  if (row.status !== undefined && current.status === 'retired') throw staysRetired()
  const before = metadataOf(current)
  const metadata = patchBetween(before, mergedMetadata(before, wanted.metadata))
  if (Object.keys(metadata).length > 0) row.metadata = metadata
  const present = groupsOf(current)
  const groups = wanted.groups === undefined ? present : (wanted.groups ?? [])
  const added = groups.filter((id) => !present.includes(id))
  const removed = present.filter((id) => !groups.includes(id))
  const fields = Object.keys(row).map((name) => (name === 'parent_id' ? 'parent' : name))
  if (added.length + removed.length > 0) fields.push('groups')
  const numbers = hardware_ids === null ? [] : hardware_ids
  const isOther = numbers !== undefined && numbersOf(numbers) !== numbersOf(hardwareIdsOf(current))
  if (isOther) fields.push('hardware_ids')
  return {
    fields,
    row,
    groups: { all: groups, added, removed },
    hardware: isOther ? numbers : null,
  }
}

const numbersOf = (ids: readonly HardwareId[]): string =>
  JSON.stringify(ids.map((one) => [one.kind, hardwareKey(one), one.value]).sort())

const STATUS_EVENT = {
  unclaimed: 'device.released',
  active: 'device.activated',
  suspended: 'device.suspended',
  retired: 'device.retired',
} as const

/** Whether a change ends what was issued to the device. */
const ends = ({ status }: DeviceChange): boolean => status !== undefined && status !== 'active'

function statementsOf(
  cx: Context,
  current: DeviceWithGroups,
  { fields, row, groups, hardware }: Change,
  version: number | null,
  lacks: readonly Statement<Lack>[],
): Statement[] {
  const { id } = current
  const there = deviceExists(id)
  const ids = hardware === null ? null : withKeys(hardware)
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
      metadata: JSON.stringify(mergedMetadata(metadataOf(current), row.metadata)),
      hardware_ids: JSON.stringify(hardware ?? hardwareIdsOf(current)),
      groups: JSON.stringify(
        [...groupsOf(current), ...groups.added].filter((one) => !groups.removed.includes(one)),
      ),
    }
    const values = changedValues(describeDevice(current), describeDevice(next), others)
    events.push({ type: 'device.updated', subject_id: id, data, ...values })
  }
  if (row.status !== undefined) events.push({ type: STATUS_EVENT[row.status], subject_id: id })
  return [
    ...demandWithinReach(
      cx,
      condition`not ${there}`,
      ...[id, ...groups.added, ...(row.parent_id === null ? [] : [row.parent_id ?? id])],
    ),
    ...demandDevicePower(id, lacks),
    ...(version === null ? [] : [demandDeviceVersion(id, version)]),
    ...demandOfChange(id, row),
    ...demandParent(id, row.parent_id, there),
    ...(ids === null
      ? []
      : [
          deleteOtherHardwareIds(id, ids),
          ...insertHardwareIds(cx, id, ids, there),
          ...demandHardwareIds(id, ids, there),
        ]),
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
  const { type, groups = [], mqtt_client_id = null, credentials = [], parent = null } = input
  assertNotOver(cx, credentials, placeOf)
  await assertSoundCredentials(credentials, placeOf)
  if (input.status === 'retired' && credentials.length > 0) throw retiredTakesNone()
  const {
    references: [references],
    width,
  } = await cx.db.read({
    references: findReferences(id, type, groups, mqtt_client_id, parent),
    width: readsOfWidth(cx, id, type, JSON.stringify(groups)),
  })
  assertReferences(references, groups)
  assertKinds(credentials, references)
  await assertMetadata(input.metadata ?? {}, references?.fields ?? null)
  const { plan, made, lacks } = planCreation(cx, { ...input, id })
  await assertDeviceFits(cx, { ...rowOfNew(cx, { ...input, id }), groups }, width, '/groups')
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
 * Changes a device. `version` is the one that If-Match demands; without it the last of several
 * writers wins, field by field. A change that suspends or retires it answers how many minted tokens
 * it ended for good. `also` goes into the same batch where anything changes. Round trips: 1 read, 1
 * write. Throws Problem.
 */
export async function changeDevice(
  cx: Context,
  id: string,
  patch: DevicePatch,
  version: number | null,
  also: readonly Statement[] = [],
): Promise<DeviceWithGroups & { tokens_ended?: number }> {
  const type = patch.type ?? scalar`(select type from device where id = ${id})`
  const groups = patch.groups === undefined ? null : JSON.stringify(patch.groups ?? [])
  const {
    current: [current],
    references: [references],
    width,
  } = await cx.db.read({
    current: findDeviceWithGroups(id, cx.actor.reach),
    references: findReferences(
      id,
      type,
      patch.groups ?? [],
      patch.mqtt_client_id ?? null,
      patch.parent ?? null,
      cx.actor.reach,
    ),
    width: isOfRules(patch) ? readsOfWidth(cx, id, type, groups, isOfOwn(patch)) : null,
  })
  if (current === undefined) throw noSuchDevice()
  if (version !== null && version !== current.version) throw otherVersion()
  const metadata = patch.metadata === null ? replacing(current, {}) : patch.metadata
  const change = changeOf(current, { ...patch, metadata })
  if (change.fields.length === 0) return current
  for (const name of ['mqtt_client_id', 'hardware_ids']) {
    // The answer would tell whether it is the id of somebody else.
    if (!change.fields.includes(name)) continue
    assertEverywhere(cx, `/${name}`, 'is changed by who reaches everything')
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
  await assertMetadataAfter(current, change, references)
  if (!Array.isArray(width)) {
    const metadata = JSON.stringify(mergedMetadata(metadataOf(current), change.row.metadata))
    const placed = { ...current, ...change.row, groups: change.groups.all, metadata }
    await assertDeviceFits(cx, placed, width, `/${change.fields[0]}`)
  }
  const lacks = lacking(cx, id, wantedBy(change))
  const {
    device: [device],
    tokens: [tokens],
  } = await guarded(cx, lacks, () =>
    cx.db.write({
      changes: [...statementsOf(cx, current, change, version, lacks), ...also],
      device: findDeviceWithGroups(id, cx.actor.reach),
      tokens: ends(change.row) ? countTokensRevoked(cx, id) : null,
    }),
  )
  if (device === undefined) throw noSuchDevice()
  return tokens === undefined ? device : { ...device, tokens_ended: tokens.n }
}
