// The work on jobs, for the timer: first the devices are selected and written down, page by page,
// then each is changed by the use case that changes one device. The line of a device is written in
// the batch of its change, so a run that breaks off is taken up where it was, and of two runs at
// once one changes a device.
import type { Context } from '../../context.ts'
import { randomId } from '../../crypto.ts'
import { BatchRefused } from '../../db/database.ts'
import type { Statement } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { type DevicePatch, groupsOf } from '../device_schema.ts'
import { changeDevice } from '../devices.ts'
import { selectDevices } from '../listing/device_list.ts'
import { type DeviceWithGroups, findDeviceWithGroups } from '../store.ts'
import { contextOfJob } from './job_actor.ts'
import { demandInJob, isAboutKeys, takeBackInJob } from './job_keys.ts'
import type { BulkChange, ChangedMembers } from './job_schema.ts'
import {
  type DeviceJobRow,
  demandPendingLine,
  endDeviceJob,
  findDeviceJob,
  findOpenJobs,
  insertJobLines,
  jobGoesOn,
  jobIsThrough,
  listChangedLinesBefore,
  listPendingLines,
  type PendingLine,
  updateJobLine,
  updateJobPlace,
} from './job_store.ts'

/** Devices that are selected at once, and that are changed between two looks at the actor. */
const SELECTED = 1000
const CHANGED = 50
/** Pages of one run; what is left waits for the next. */
const PAGES = 400
/** Seconds after which a run begins no other page. */
const LASTING = 40

/**
 * One run: the open jobs in turn, page by page, each by itself. One that fails is left out of the
 * run, and throws at its end.
 */
export async function workOnJobs(cx: Context): Promise<void> {
  const from = cx.now()
  const failed = new Map<string, unknown>()
  for (let page = 0; page < PAGES && cx.now() - from < LASTING; ) {
    const jobs = await cx.db.read(findOpenJobs(10, [...failed.keys()]))
    if (jobs.length === 0) break
    for (const job of jobs) {
      try {
        await workOnJob(cx, job)
      } catch (error) {
        // Its filter cannot be read any more.
        if (error instanceof Problem) await endJob(cx, job.id, 'stopped', error.detail)
        else failed.set(job.id, error)
      }
    }
    page += jobs.length
  }
  const [first] = failed.values()
  if (first !== undefined) throw first
}

async function workOnJob(cx: Context, job: DeviceJobRow): Promise<void> {
  const own = await contextOfJob(cx, job.actor)
  if (own === null) return endJob(cx, job.id, 'stopped', 'its actor may change devices no more')
  if (job.state === 'selecting') return selectPage(own, job)
  const lines = await cx.db.read(listPendingLines(job, CHANGED))
  if (lines.length === 0) return endJob(cx, job.id, 'done', null)
  const { action } = JSON.parse(job.change) as BulkChange
  const devices = await cx.db.read(
    Object.fromEntries(
      lines.map((line) => [line.device_id, findDeviceWithGroups(line.device_id, own.actor.reach)]),
    ),
  )
  for (const line of lines) {
    const [device] =
      action === 'move' || action === 'undo'
        ? // Memberships have no version, so they are read right before they are replaced.
          await cx.db.read(findDeviceWithGroups(line.device_id, own.actor.reach))
        : (devices[line.device_id] ?? [])
    await workOnLine(own, job, line, device)
  }
}

async function selectPage(cx: Context, job: DeviceJobRow): Promise<void> {
  if (job.undo_of === null) {
    const { shown, end } = await selectDevices(cx, JSON.parse(job.filter), job.place, SELECTED)
    const ids = shown.map(({ id }) => id)
    await cx.db.write([insertJobLines(job, ids), updateJobPlace(job, end)])
    return
  }
  const before = job.place === '' ? Number.MAX_SAFE_INTEGER : Number(job.place)
  const lines = await cx.db.read(listChangedLinesBefore(job.undo_of, before, SELECTED))
  const last = lines.length < SELECTED ? undefined : lines.at(-1)
  const ids = lines.map(({ device_id }) => device_id)
  await cx.db.write([
    insertJobLines(job, ids),
    updateJobPlace(job, last === undefined ? null : String(last.id)),
  ])
}

async function endJob(
  cx: Context,
  id: string,
  state: 'done' | 'stopped',
  reason: string | null,
): Promise<void> {
  const [job] = await cx.db.read(findDeviceJob(cx, id))
  if (job === undefined) return
  const { total, done, failed } = job
  const data = { state, reason, total, done, failed }
  const when = state === 'done' ? jobIsThrough(id) : jobGoesOn(id)
  await cx.db.write([
    appendEvent(cx, { type: 'device_job.ended', subject_id: id, data }, when),
    endDeviceJob(cx, id, state, reason, when),
  ])
}

/** The wish for one device: the members to set, none where it is so already, or why not. */
type Wish = { patch: DevicePatch & ChangedMembers } | { fault: string }

async function workOnLine(
  page: Context,
  job: DeviceJobRow,
  line: PendingLine,
  device: DeviceWithGroups | undefined,
): Promise<void> {
  const cx = { ...page, rid: randomId(page, 'req') }
  const note = (
    result: 'unchanged' | 'failed',
    detail: string | null,
  ): Promise<readonly unknown[]> =>
    cx.db.write([updateJobLine(cx, line, { result, before: null, after: null, detail })])
  if (device === undefined) {
    await note('failed', 'there is no such device')
    return
  }
  const change = JSON.parse(job.change) as BulkChange
  const attempt = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      // Cancelled, or done by another run.
      if (error instanceof BatchRefused && error.reason === 'job_line_done') return
      if (!(error instanceof Problem)) throw error
      await note('failed', [error.detail, ...error.errors.map(({ detail }) => detail)].join('; '))
    }
  }
  if (change.action === 'rotate') return attempt(() => demandInJob(cx, line, change.before))
  if (isAboutKeys(line)) return attempt(() => takeBackInJob(cx, line))
  const wish = wishFor(device, change, line)
  if ('fault' in wish) {
    await note('failed', wish.fault)
    return
  }
  const { patch } = wish
  if (Object.keys(patch).length === 0) {
    await note('unchanged', null)
    return
  }
  const before = JSON.stringify(membersOf(device, patch))
  const changed = { result: 'changed', before, after: JSON.stringify(patch), detail: null } as const
  const also: readonly Statement[] = [demandPendingLine(cx, line), updateJobLine(cx, line, changed)]
  await attempt(() => changeDevice(cx, device.id, patch, device.version, also))
}

const membersOf = (device: DeviceWithGroups, patch: ChangedMembers): ChangedMembers => ({
  ...(patch.status === undefined ? {} : { status: device.status }),
  ...(patch.tags === undefined ? {} : { tags: JSON.parse(device.tags) }),
  ...(patch.groups === undefined ? {} : { groups: groupsOf(device) }),
})

function wishFor(
  device: DeviceWithGroups,
  change: Exclude<BulkChange, { action: 'rotate' }>,
  line: PendingLine,
): Wish {
  const tags = JSON.parse(device.tags) as string[]
  const groups = groupsOf(device)
  switch (change.action) {
    case 'suspend':
    case 'activate': {
      const status = change.action === 'suspend' ? 'suspended' : 'active'
      if (device.status === status) return { patch: {} }
      // The way back would be closed: no change of a device makes it unclaimed.
      if (device.status === 'unclaimed') return { fault: 'the device is unclaimed' }
      return { patch: { status } }
    }
    case 'tag': {
      const added = change.tags.filter((one) => !tags.includes(one))
      if (tags.length + added.length > 32) return { fault: 'the device has too many tags' }
      return { patch: added.length === 0 ? {} : { tags: [...tags, ...added].sort() } }
    }
    case 'untag': {
      const left = tags.filter((one) => !change.tags.includes(one))
      return { patch: left.length === tags.length ? {} : { tags: left } }
    }
    case 'move': {
      const { from, to } = change
      if (!groups.includes(from) || from === to) return { patch: {} }
      const others = groups.filter((one) => one !== from && one !== to)
      return { patch: { groups: [...others, to].sort() } }
    }
    case 'undo': {
      if (line.undo_before === null) return { fault: 'there is nothing to take back' }
      const after = JSON.parse(line.undo_after ?? '{}') as ChangedMembers
      // Memberships may change by themselves, which leaves the version as it is.
      const isMoved =
        after.groups !== undefined && JSON.stringify(after.groups) !== JSON.stringify(groups)
      if (isMoved || line.undo_version !== device.version) return { fault: 'it was changed since' }
      return { patch: JSON.parse(line.undo_before) }
    }
  }
}
