// Reasons for which a write of this room is undone as a whole (`refuseUnless`), and the Problem for
// each.
import {
  assertNothingLacks,
  type Lack,
  lackingOver,
  lackingToMove,
  lackingToShape,
  lackingToTag,
  lackingWithin,
  nothingLacks,
} from '../access/power.ts'
import { isBelow } from '../access/reach/reach_store.ts'
import type { Context } from '../context.ts'
import { BatchRefused, ConstraintViolation } from '../db/database.ts'
import { type Condition, join, type Statement, scalar } from '../db/sql.ts'
import { Problem } from '../errors.ts'
import {
  type DeviceChange,
  type DeviceRow,
  demandPowerOver,
  deviceExists,
  type ParentFault,
  type References,
} from './store.ts'

export const noSuchDevice = () => new Problem('not_found', 'there is no such device')

export const otherVersion = () =>
  new Problem('precondition_failed', 'the device was changed since this version')

export const staysRetired = () =>
  new Problem('conflict', 'a retired device stays retired', [
    { pointer: '/status', detail: 'register the thing again under a new id' },
  ])

export const retiredTakesNone = () =>
  new Problem('conflict', 'a retired device takes no credentials')

export const missingReferences = (errors: readonly { pointer: string; detail: string }[]) =>
  new Problem('invalid_request', 'the device refers to what is not there', errors)

/** For a credential; `pointer` leads to its kind. */
export const kindNotAllowed = (pointer: string) =>
  new Problem('conflict', 'the device type does not allow such a credential', [
    { pointer, detail: 'is no kind that the type takes (credential_kinds)' },
  ])

export const hardwareIdTaken = () =>
  new Problem('conflict', 'a hardware id is that of another device', [
    { pointer: '/hardware_ids', detail: 'take it from the other device first' },
  ])

const PARENT_FAULTS: Record<ParentFault, string> = {
  missing: 'there is no such device',
  circle: 'a device cannot be its own gateway, nor that of its gateway',
  deep: 'there are too many gateways above each other',
}

const parentRefused = (fault: ParentFault) =>
  new Problem(
    fault === 'missing' ? 'invalid_request' : 'conflict',
    'the device cannot be behind this gateway',
    [{ pointer: '/parent', detail: PARENT_FAULTS[fault] }],
  )

export const clientIdTaken = () =>
  new Problem('conflict', 'an MQTT client id would belong to two principals', [
    {
      pointer: '/mqtt_client_id',
      detail: 'must not be the id of another principal, nor begin with one and a colon',
    },
  ])

/** Throws Problem. `groups` are the ids in the body, in its order. */
export function assertReferences(found: References | undefined, groups: readonly string[]): void {
  if (found === undefined) throw new Error('references were not looked up')
  const missing = JSON.parse(found.missing_groups) as string[]
  const errors = groups.flatMap((id, n) =>
    missing.includes(id) ? [{ pointer: `/groups/${n}`, detail: 'there is no such group' }] : [],
  )
  if (!found.type_exists) {
    errors.unshift({ pointer: '/type', detail: 'there is no such device type' })
  }
  if (errors.length > 0) throw missingReferences(errors)
  if (found.parent_fault !== null) throw parentRefused(found.parent_fault)
  if (found.client_id_is_foreign) throw clientIdTaken()
  if (found.id_is_client_id) {
    throw new Problem('conflict', 'the id is within the MQTT client id of another device', [
      { pointer: '/id', detail: 'choose another id' },
    ])
  }
}

/**
 * The Problem for which a batch with statements of this room was undone, or null for another cause.
 */
export function refusalOf(error: unknown): Problem | null {
  // When several requests claim one MQTT client id at once, the index lets one through.
  const isRival = error instanceof ConstraintViolation && error.kind === 'unique'
  if (isRival && error.constraint === 'device.mqtt_client_id') return clientIdTaken()
  if (!(error instanceof BatchRefused)) return null
  switch (error.reason) {
    case 'device_id_taken':
      return new Problem('conflict', 'the id of the device is taken, or was', [
        { pointer: '/id', detail: 'is that of another principal; ids are never given twice' },
      ])
    case 'device_type_unknown':
      return missingReferences([{ pointer: '/type', detail: 'there is no such device type' }])
    case 'device_retired':
      return staysRetired()
    case 'out_of_reach':
      return noSuchDevice()
    case 'device_version':
      return otherVersion()
    case 'power_not_held':
      return new Problem(
        'forbidden',
        'this would hand on or take away more than the actor holds',
        [],
        'power_not_held',
      )
    case 'mqtt_client_id_taken':
      return clientIdTaken()
    case 'hardware_id_taken':
      return hardwareIdTaken()
    case 'device_parent':
      return new Problem('conflict', 'the device cannot be behind this gateway', [
        { pointer: '/parent', detail: 'must be another device that is there, not one behind it' },
      ])
    default:
      return null
  }
}

/** The values of a device after a change, as far as rules follow from them. */
export type Wanted = Pick<DeviceChange, 'type' | 'tags' | 'metadata' | 'mqtt_client_id'> & {
  /** All of its groups; absent: they stay. */
  groups?: readonly string[]
  /** The groups that it enters or leaves. */
  moves: readonly string[]
}

/** The groups after a change, with those that the actor does not reach, which stay. */
const groupsAfter = ({ actor: { reach } }: Context, id: string, groups: readonly string[]) =>
  reach === undefined
    ? scalar`${JSON.stringify(groups)}`
    : scalar`(select json_group_array(id) from (
        select value as id from json_each(${JSON.stringify(groups)})
        union select group_id from membership
          where member_id = ${id} and not ${isBelow(reach, scalar`membership.group_id`)}))`

/** Lists what the actor lacks to change a device: over the device as it is, and as it would be. */
export function lacking(cx: Context, id: string, wanted: Wanted): readonly Statement<Lack>[] {
  const { type, metadata, mqtt_client_id, groups, moves } = wanted
  const followsRules =
    [type, metadata, mqtt_client_id].some((value) => value !== undefined) || moves.length > 0
  const shape = {
    ...(type === undefined ? {} : { type: scalar`${type}` }),
    ...(mqtt_client_id === undefined ? {} : { mqtt_client_id: scalar`${mqtt_client_id}` }),
    ...(groups === undefined ? {} : { groups: groupsAfter(cx, id, groups) }),
    ...(metadata === undefined
      ? {}
      : {
          metadata: scalar`(select json_patch(metadata, ${JSON.stringify(metadata)})
            from device where id = ${id})`,
        }),
  }
  const changed = {
    metadata: Object.keys(metadata ?? {}),
    mqtt_client_id: mqtt_client_id !== undefined,
  }
  return [
    ...lackingOver(cx, id),
    ...moves.map((group) => lackingToMove(cx, group, id)),
    ...(followsRules ? lackingToShape(cx, id, shape, changed) : []),
    ...(wanted.tags === undefined ? [] : [lackingToTag(cx, id)]),
  ]
}

/**
 * Lists where an actor within a reach may not take the device out: it may be in a place of others
 * too, who would lose it.
 */
export const lackingToLeave = (
  cx: Context,
  id: string,
  groups: readonly string[],
): readonly Statement<Lack>[] =>
  [id, ...groups].flatMap((one) => lackingWithin(cx, 'devices:write', one, cx.now()))

/**
 * Lists what the actor lacks to let a new device begin so. Rights over the new device are judged on
 * its groups.
 */
export function lackingToRegister(
  cx: Context,
  { id, type, metadata, mqtt_client_id, tags }: DeviceRow,
  groups: readonly string[],
): readonly Statement<Lack>[] {
  const shape = {
    type: scalar`${type}`,
    metadata: scalar`${metadata}`,
    mqtt_client_id: scalar`${mqtt_client_id}`,
    groups: scalar`${JSON.stringify(groups)}`,
  }
  const changed = {
    metadata: Object.keys(JSON.parse(metadata)),
    mqtt_client_id: mqtt_client_id !== null,
  }
  return [
    ...groups.map((group) => lackingToMove(cx, group, group)),
    ...lackingToShape(cx, id, shape, changed),
    ...(tags === '[]' ? [] : [lackingToTag(cx, id, shape.groups)]),
  ]
}

/** Undoes the batch when anything lacks. Stands where the device is in the state to judge. */
export const demandDevicePower = (
  id: string,
  lacks: readonly Statement<Lack>[],
  isThere: Condition = deviceExists(id),
): Statement[] =>
  lacks.length === 0 ? [] : [demandPowerOver(isThere, join(lacks.map(nothingLacks), ' and '))]

/** Runs a write. If it was undone, asks what lacks, to name it, and throws the Problem. */
export async function guarded<T>(
  cx: Context,
  lacks: readonly Statement<Lack>[],
  write: () => Promise<T>,
): Promise<T> {
  try {
    return await write()
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal?.type === 'forbidden' && lacks.length > 0) {
      assertNothingLacks(await cx.db.read(lacks))
    }
    throw refusal ?? error
  }
}
