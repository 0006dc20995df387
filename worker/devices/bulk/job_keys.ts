// The line of a job that demands other keys of a device by a date, as the demand for one device
// does; and of one that takes such a demand back. A key that is over by then stays so.
import { demandWithinReach } from '../../access/reach/reach.ts'
import type { Context } from '../../context.ts'
import { condition } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import { demandDevicePower, guarded, lacking } from '../refusals.ts'
import { demandRotation } from '../self/rotation.ts'
import { deviceExists } from '../store.ts'
import {
  lineChanges,
  restoreKeys,
  updateKeysAfter,
  updateLineOfDemand,
  updateLineOfRestoring,
} from './job_key_store.ts'
import type { PendingLine } from './job_store.ts'

/** Whether the line takes back what was demanded of keys. */
export const isAboutKeys = ({ undo_before }: PendingLine): boolean =>
  undo_before !== null && 'keys' in JSON.parse(undo_before)

const demandReached = (cx: Context, { device_id }: PendingLine) =>
  demandWithinReach(cx, condition`not ${deviceExists(device_id)}`, device_id)

/** Does nothing for a line that is done. Round trips: 1 write. Throws Problem. */
export async function demandInJob(cx: Context, line: PendingLine, rotate_by: number) {
  await demandRotation(
    cx,
    line.device_id,
    { rotate_by },
    {
      first: [...demandReached(cx, line), updateLineOfDemand(cx, line, rotate_by)],
      when: lineChanges(cx, line),
      last: [updateKeysAfter(cx, line)],
    },
  )
}

/** As `demandInJob`. */
export async function takeBackInJob(cx: Context, line: PendingLine) {
  const { device_id } = line
  const lacks = lacking(cx, device_id, { moves: [] })
  const event = { type: 'device.rotation_taken_back', subject_id: device_id } as const
  await guarded(cx, lacks, () =>
    cx.db.write([
      ...demandDevicePower(device_id, lacks),
      ...demandReached(cx, line),
      updateLineOfRestoring(cx, line),
      restoreKeys(cx, line),
      updateKeysAfter(cx, line),
      appendEvent(cx, event, lineChanges(cx, line)),
    ]),
  )
}
