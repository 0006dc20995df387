// The release of a device: whoever had it gives it up, and it may come in anew. Its credentials,
// groups, grants, tokens, tags and metadata are gone; the numbers of its maker stay.
import { takeRights } from '../../access/principals.ts'
import { demandWithinReach, isWithinReach } from '../../access/reach/reach.ts'
import type { Context } from '../../context.ts'
import { condition } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import { withdrawClaimCodeOf } from '../claiming/claim_code_store.ts'
import { groupsOf, metadataOf } from '../device_schema.ts'
import { revokeDeviceTokensOf } from '../minted_token_store.ts'
import {
  demandDevicePower,
  guarded,
  lacking,
  lackingToLeave,
  noSuchDevice,
  otherVersion,
  staysRetired,
} from '../refusals.ts'
import {
  type DeviceWithGroups,
  demandDeviceVersion,
  deviceExists,
  findDeviceById,
  findDeviceWithGroups,
} from '../store.ts'
import { releaseDevice } from './claim_store.ts'

/** Round trips: 1 read, 1 write. `version` is the one that If-Match demands. Throws Problem. */
export async function release(
  cx: Context,
  id: string,
  version: number | null,
): Promise<DeviceWithGroups> {
  const read = await cx.db.read({
    seen: findDeviceById(id, isWithinReach(cx, id)),
    // It leaves groups too that are out of reach.
    whole: findDeviceWithGroups(id),
  })
  const [current] = read.whole
  if (current === undefined || read.seen.length === 0) throw noSuchDevice()
  if (version !== null && version !== current.version) throw otherVersion()
  if (current.status === 'retired') throw staysRetired()
  const names = Object.keys(metadataOf(current))
  const groups = groupsOf(current)
  const lacks = [
    ...lacking(cx, id, {
      metadata: Object.fromEntries(names.map((name) => [name, null])),
      ...(current.mqtt_client_id === null ? {} : { mqtt_client_id: null }),
      groups: [],
      moves: groups,
    }),
    ...lackingToLeave(cx, id, groups),
  ]
  const there = deviceExists(id)
  const {
    device: [device],
  } = await guarded(cx, lacks, () =>
    cx.db.write({
      changes: [
        ...demandDevicePower(id, lacks),
        ...demandWithinReach(cx, condition`not ${there}`, id),
        // The power was compared for the groups and values that were read.
        demandDeviceVersion(id, version ?? current.version),
        ...takeRights(id, there),
        revokeDeviceTokensOf(cx, id),
        ...releaseDevice(cx, id),
        withdrawClaimCodeOf(cx, id, there),
        appendEvent(cx, { type: 'device.released', subject_id: id }, there),
      ],
      device: findDeviceWithGroups(id),
    }),
  )
  if (device === undefined) throw noSuchDevice()
  return device
}
