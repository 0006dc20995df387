// The report of a device about itself: firmware, model, hardware. The last one is kept. Table:
// `device_report`.
import { lineSchema, z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { condition, type Statement, sql } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { noSuchDevice } from '../refusals.ts'
import { deviceExists, findDeviceWithGroups } from '../store.ts'

export const reportInput = z
  .strictObject({
    firmware: lineSchema(100),
    model: lineSchema(100).nullish(),
    hardware: lineSchema(100).nullish().openapi({ description: 'Revision of the hardware.' }),
  })
  .openapi('NewDeviceReport')

export const reportSchema = z
  .object({
    firmware: z.string(),
    model: z.string().nullable(),
    hardware: z.string().nullable(),
    reported_at: z.int(),
  })
  .openapi('DeviceReport')

export type DeviceReport = z.infer<typeof reportSchema>

export const findReport = (device_id: string): Statement<DeviceReport> =>
  sql`select firmware, model, hardware, reported_at from device_report
    where device_id = ${device_id}`

/** Keeps the report. An event follows where firmware or model are others. Round trips: 1 write. */
export async function keepReport(
  cx: Context,
  device_id: string,
  { firmware, model = null, hardware = null }: z.output<typeof reportInput>,
): Promise<DeviceReport> {
  const isNews = condition`${deviceExists(device_id)} and not exists (select 1 from device_report
    where device_id = ${device_id} and firmware = ${firmware} and model is ${model})`
  const {
    report: [report],
  } = await cx.db.write({
    changes: [
      appendEvent(
        cx,
        { type: 'device.reported', subject_id: device_id, data: { firmware, model } },
        isNews,
      ),
      sql`insert into device_report (device_id, firmware, model, hardware, reported_at)
        select id, ${firmware}, ${model}, ${hardware}, ${cx.now()} from device
        where id = ${device_id}
        on conflict (device_id) do update set firmware = excluded.firmware, model = excluded.model,
          hardware = excluded.hardware, reported_at = excluded.reported_at`,
    ] satisfies Statement[],
    report: findReport(device_id),
  })
  if (report === undefined) throw noSuchDevice()
  return report
}

/** The last report of a device, for operators. Round trips: 1 read. Throws Problem. */
export async function getReport(cx: Context, device_id: string): Promise<DeviceReport> {
  const {
    device,
    report: [report],
  } = await cx.db.read({
    device: findDeviceWithGroups(device_id, cx.actor.reach),
    report: findReport(device_id),
  })
  if (device.length === 0) throw noSuchDevice()
  if (report === undefined) throw new Problem('not_found', 'the device has reported nothing yet')
  return report
}
