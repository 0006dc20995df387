// The removal of a device. Its id stays taken.
import { buryPrincipal, forgetRights } from '../access/principals.ts'
import type { Context } from '../context.ts'
import { appendEvent } from '../events.ts'
import { getDevice } from './devices.ts'
import { demandDevicePower, guarded, lacking, otherVersion } from './refusals.ts'
import { deleteDevice, demandDeviceVersion, deviceExists } from './store.ts'

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
