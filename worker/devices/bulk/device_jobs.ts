// Jobs over many devices: how they are begun, looked at, cancelled and taken back. The work itself
// is in job_work.ts.
import {
  decodeCursor,
  encodeCursor,
  type PageOf,
  type PageQuery,
  pageOf,
  type z,
} from '../../api.ts'
import type { Context } from '../../context.ts'
import { randomId } from '../../crypto.ts'
import { TRUE } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { describeDevice } from '../device_schema.ts'
import { readSelection, selectDevices } from '../listing/device_list.ts'
import { assertAhead } from '../self/rotation.ts'
import { textOfActor } from './job_actor.ts'
import {
  type BulkChange,
  describeJob,
  describeJobLine,
  type dryRunSchema,
  type jobInput,
  type jobLineSchema,
  type jobSchema,
  type resultOfJob,
} from './job_schema.ts'
import {
  type DeviceJobRow,
  endDeviceJob,
  findDeviceJob,
  insertDeviceJob,
  jobGoesOn,
  lastExaminedLine,
  listDeviceJobsAfter,
  listJobLinesAfter,
} from './job_store.ts'

type JobView = z.infer<typeof jobSchema>

/** Devices that one read of a dry run finds, and how many reads there are at most. */
const COUNTED = 1000
const COUNTS = 10

const noJob = () => new Problem('not_found', 'there is no such job')

/** Throws Problem for a filter that cannot be read, or that would select every device. */
function assertSelection(members: Readonly<Record<string, string>>): void {
  readSelection(members)
  if (Object.keys(members).length === 0) {
    throw new Problem('invalid_request', 'the filter selects every device', [
      { pointer: '/filter', detail: 'must have a member, such as status' },
    ])
  }
}

/** Throws Problem for a date of the past. */
function assertChange(cx: Context, change: BulkChange): void {
  if (change.action === 'rotate') assertAhead(cx, change.before, '/change/before')
}

const asParameters = (filter: z.output<typeof jobInput>['filter']): Record<string, string> =>
  Object.fromEntries(Object.entries(filter).map(([name, value]) => [name, String(value)]))

/** Begins a job. Round trips: 1 write. Throws Problem. */
export async function startJob(
  cx: Context,
  { filter, change }: Omit<z.output<typeof jobInput>, 'dry_run'>,
): Promise<JobView> {
  const members = asParameters(filter)
  assertSelection(members)
  assertChange(cx, change)
  return begin(cx, members, change, null)
}

async function begin(
  cx: Context,
  filter: Readonly<Record<string, string>>,
  change: BulkChange,
  undo_of: string | null,
): Promise<JobView> {
  const row: DeviceJobRow = {
    id: randomId(cx, 'job'),
    state: 'selecting',
    filter: JSON.stringify(filter),
    change: JSON.stringify(change),
    undo_of,
    actor: textOfActor(cx),
    created_by: cx.actor.id,
    place: '',
    total: 0,
    done: 0,
    failed: 0,
    reason: null,
    created_at: cx.now(),
    ended_at: null,
  }
  const data = { action: change.action, filter: row.filter, undo_of }
  await cx.db.write([
    insertDeviceJob(row),
    appendEvent(cx, { type: 'device_job.started', subject_id: row.id, data }),
  ])
  return describeJob(row)
}

/** Says which devices a job would select; counts so many at most. */
export async function tryJob(
  cx: Context,
  { filter, change }: Omit<z.output<typeof jobInput>, 'dry_run'>,
): Promise<z.infer<typeof dryRunSchema>> {
  const members = asParameters(filter)
  assertSelection(members)
  assertChange(cx, change)
  const first: z.infer<typeof dryRunSchema>['first'] = []
  let count = 0
  let place: string | null = ''
  for (let n = 0; n < COUNTS && place !== null; n += 1) {
    const page = await selectDevices(cx, members, place, COUNTED)
    first.push(...page.shown.slice(0, 20 - first.length).map(describeDevice))
    count += page.shown.length
    place = page.end
  }
  return { count, is_complete: place === null, first }
}

async function rowOfJob(cx: Context, id: string): Promise<DeviceJobRow> {
  const [row] = await cx.db.read(findDeviceJob(cx, id))
  if (row === undefined) throw noJob()
  return row
}

/** Round trips: 1 read. */
export const getJob = async (cx: Context, id: string): Promise<JobView> =>
  describeJob(await rowOfJob(cx, id))

export async function listJobs(
  cx: Context,
  { limit, cursor }: PageQuery,
): Promise<PageOf<JobView>> {
  const after = decodeCursor(cx, 'jobs', cursor)
  const rows = await cx.db.read(listDeviceJobsAfter(cx, after, limit))
  return pageOf(cx, 'jobs', rows, limit, (row) => row.id, describeJob)
}

/**
 * The lines of a job, in its order. Within a reach a page may be short, and its cursor goes on.
 * Round trips: 1 read. Throws Problem.
 */
export async function listResults(
  cx: Context,
  id: string,
  {
    limit,
    cursor,
    result,
    device,
  }: PageQuery & { result?: z.infer<typeof resultOfJob> | undefined; device?: string | undefined },
): Promise<PageOf<z.infer<typeof jobLineSchema>>> {
  const kind = `results ${JSON.stringify([id, result, device])}`
  const after = Number(decodeCursor(cx, kind, cursor))
  const { reach } = cx.actor
  const {
    job: [job],
    rows,
    last: [last],
  } = await cx.db.read({
    job: findDeviceJob(cx, id),
    rows: listJobLinesAfter(id, after, limit, { result, device }, reach),
    last: reach === undefined ? null : lastExaminedLine(id, after, { result, device }),
  })
  if (job === undefined) throw noJob()
  const shown = rows.slice(0, limit)
  const end = rows.length > limit ? shown.at(-1) : last
  return {
    items: shown.map(describeJobLine),
    next_cursor: end === undefined ? null : encodeCursor(cx, kind, String(end.id)),
  }
}

/** Ends a job where it is: devices that it has changed stay so. Round trips: 1 read, 1 write. */
export async function cancelJob(cx: Context, id: string): Promise<JobView> {
  const current = await rowOfJob(cx, id)
  if (current.ended_at !== null) {
    throw new Problem('conflict', 'the job is at its end already')
  }
  const { total, done, failed } = current
  const data = { state: 'cancelled', reason: null, total, done, failed }
  const {
    job: [job],
  } = await cx.db.write({
    event: appendEvent(cx, { type: 'device_job.ended', subject_id: id, data }, jobGoesOn(id)),
    change: endDeviceJob(cx, id, 'cancelled', null, TRUE),
    job: findDeviceJob(cx, id),
  })
  if (job === undefined) throw noJob()
  return describeJob(job)
}

/** Begins a job that takes another one back, the last device first. Throws Problem. */
export async function undoJob(cx: Context, id: string): Promise<JobView> {
  const current = await rowOfJob(cx, id)
  if (current.ended_at === null) {
    throw new Problem('conflict', 'the job goes on: cancel it first, or wait for its end')
  }
  return begin(cx, {}, { action: 'undo' }, id)
}
