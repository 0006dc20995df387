// Whether the rules of a device as it would be, and of those who hold roles around it whose rules
// name each device, fit into tokens (access/preview/wide_rights.ts). Reads for the batch that is
// sent anyway, and the judgement of what they answer.
import { listHoldersAround } from '../access/preview/preview_store.ts'
import {
  assertFits,
  assertHoldersFit,
  EXAMINED_MAX,
  lookAtRights,
} from '../access/preview/wide_rights.ts'
import type { Supposition } from '../access/rights_store.ts'
import type { Context } from '../context.ts'
import type { Answers } from '../db/database.ts'
import { type Scalar, scalar, sql } from '../db/sql.ts'
import { Problem } from '../errors.ts'
import type { DevicePatch } from './device_schema.ts'

/** Texts of metadata and tags are JSON, as they are stored. */
export type PlacedDevice = {
  id: string
  type: string
  groups: readonly string[]
  metadata: string
  tags: string
  mqtt_client_id: string | null
}

/** Whether a patch has members that rules may follow from. */
export const isOfRules = (patch: DevicePatch): boolean => isOfOwn(patch) || patch.tags !== undefined

/** Tags are read by rules of others alone. */
export const isOfOwn = ({ type, groups, metadata, mqtt_client_id }: DevicePatch): boolean =>
  [type, groups, metadata, mqtt_client_id].some((member) => member !== undefined)

/** Answers of these reads. */
export type WidthRows = Answers<ReturnType<typeof readsOfWidth>>

/**
 * Reads about a device of this type in these groups, JSON; null: in those that it is in. `id` is
 * empty for a device that comes without any right of before. `around`: groups that are not there
 * yet.
 */
export function readsOfWidth(
  cx: Context,
  id: string,
  type: string | Scalar,
  groups: string | Scalar | null,
  isOwn = true,
  around: Pick<Supposition, 'groups'> = {},
) {
  const own = scalar`(select json_group_array(group_id) from membership where member_id = ${id})`
  const wanted = groups === null ? own : scalar`${groups}`
  return {
    look: isOwn
      ? lookAtRights(cx, id, groups === null ? {} : { leaves: own, joins: groups, ...around })
      : null,
    rules: sql<{ acl: string; by_reference: 0 | 1 }>`
      select acl, acl_by_reference as by_reference from device_type where name = ${type}`,
    holders: listHoldersAround(wanted, 'devices', cx.now(), EXAMINED_MAX),
  }
}

/**
 * Throws Problem where a token of the device, or of a holder, would be too wide. `ending`: grants
 * that end by the same change.
 */
export async function assertDeviceFits(
  cx: Context,
  device: PlacedDevice,
  { look, rules: [rules], holders }: WidthRows,
  pointer: string,
  ending: Pick<Supposition, 'without'> = {},
): Promise<void> {
  const { id, type, groups, tags, metadata, mqtt_client_id } = device
  const own = {
    id,
    type,
    metadata,
    mqtt_client_id,
    type_acl: rules?.acl ?? null,
    token_ttl: null,
    by_reference: rules?.by_reference ?? 0,
  } as const
  const devices = JSON.stringify([{ id, type, groups, tags, metadata }])
  const supposed = { devices, ...ending }
  if (!Array.isArray(look)) {
    const after = { ...look.after, ownDevice: [own] }
    await assertFits(cx, id, { ...look, after }, pointer)
  }
  await assertHoldersFit(cx, holders, supposed, pointer)
}

/** The same as an answer, for somebody who is told no more than that. */
export async function deviceFits(
  cx: Context,
  device: PlacedDevice,
  width: WidthRows,
  ending: Pick<Supposition, 'without'> = {},
): Promise<boolean> {
  try {
    await assertDeviceFits(cx, device, width, '', ending)
    return true
  } catch (error) {
    if (error instanceof Problem) return false
    throw error
  }
}
