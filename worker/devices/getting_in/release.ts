// The release of a device: whoever had it gives it up, and it may come in anew. Its credentials,
// groups, grants, tokens, tags and metadata are gone; the numbers of its maker stay.
import { takeRights } from '../../access/principals.ts'
import type { Context } from '../../context.ts'
import { appendEvent } from '../../events.ts'
import { groupsOf, metadataOf } from '../device_schema.ts'
import { getDevice } from '../devices.ts'
import { revokeDeviceTokensOf } from '../minted_token_store.ts'
import {
  demandDevicePower,
  guarded,
  lacking,
  noSuchDevice,
  otherVersion,
  staysRetired,
} from '../refusals.ts'
import {
  type DeviceWithGroups,
  demandDeviceVersion,
  deviceExists,
  findDeviceWithGroups,
} from '../store.ts'
import { releaseDevice } from './claim_store.ts'

/** Round trips: 1 read, 1 write. `version` is the one that If-Match demands. Throws Problem. */
export async function release(
  cx: Context,
  id: string,
  version: number | null,
): Promise<DeviceWithGroups> {
  const current = await getDevice(cx, id)
  if (version !== null && version !== current.version) throw otherVersion()
  if (current.status === 'retired') throw staysRetired()
  const names = Object.keys(metadataOf(current))
  const lacks = lacking(cx, id, {
    metadata: Object.fromEntries(names.map((name) => [name, null])),
    ...(current.mqtt_client_id === null ? {} : { mqtt_client_id: null }),
    groups: [],
    moves: groupsOf(current),
  })
  const there = deviceExists(id)
  const {
    device: [device],
  } = await guarded(cx, lacks, () =>
    cx.db.write({
      changes: [
        ...demandDevicePower(id, lacks),
        // The power was compared for the groups and values that were read.
        demandDeviceVersion(id, version ?? current.version),
        ...takeRights(id, there),
        revokeDeviceTokensOf(cx, id),
        ...releaseDevice(cx, id),
        appendEvent(cx, { type: 'device.released', subject_id: id }, there),
      ],
      device: findDeviceWithGroups(id),
    }),
  )
  if (device === undefined) throw noSuchDevice()
  return device
}
