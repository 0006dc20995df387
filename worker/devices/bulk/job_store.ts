// Statements of `device_job` and `device_job_line`. Triggers count the lines in their job.
import { isBelow } from '../../access/reach/reach_store.ts'
import type { Context, Reach } from '../../context.ts'
import {
  type Condition,
  condition,
  insertInto,
  refuseUnless,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../../db/sql.ts'
import { device_job, type device_job_line } from '../../db/things_schema.ts'

export type DeviceJobRow = typeof device_job.$inferSelect
export type JobLineRow = typeof device_job_line.$inferSelect

export const insertDeviceJob = (row: DeviceJobRow): Statement =>
  insertInto(device_job, row, sql<never>`on conflict (id) do nothing`)

/** Jobs that the actor may know: the own ones, and all for one who reaches everything. */
const isOwn = ({ actor }: Context): Condition =>
  actor.reach === undefined ? TRUE : condition`created_by = ${actor.id}`

export const findDeviceJob = (cx: Context, id: string): Statement<DeviceJobRow> =>
  sql`select * from device_job where id = ${id} and ${isOwn(cx)}`

export const listDeviceJobsAfter = (
  cx: Context,
  after: string,
  limit: number,
): Statement<DeviceJobRow> =>
  sql`select * from device_job where ${isOwn(cx)} and id > ${after} order by id limit ${limit + 1}`

/** The jobs that were begun first of those that are not at their end, but for some. */
export const findOpenJobs = (limit: number, but: readonly string[]): Statement<DeviceJobRow> =>
  sql`select * from device_job where ended_at is null
    and id not in (select value from json_each(${JSON.stringify(but)}))
    order by created_at, id limit ${limit}`

/** Adds the devices of a page to the lines of a job, if no other page came in between. */
export const insertJobLines = (
  { id, place }: DeviceJobRow,
  device_ids: readonly string[],
): Statement =>
  sql`insert into device_job_line (job_id, device_id, result)
    select ${id}, value, 'pending' from json_each(${JSON.stringify(device_ids)})
    where exists (select 1 from device_job j
      where j.id = ${id} and j.state = 'selecting' and j.place = ${place})
    on conflict (job_id, device_id) do nothing`

/** Up to where devices are selected; null: all are, and the changes begin. */
export const updateJobPlace = ({ id, place }: DeviceJobRow, next: string | null): Statement =>
  next === null
    ? sql`update device_job set state = 'running'
        where id = ${id} and state = 'selecting' and place = ${place}`
    : sql`update device_job set place = ${next}
        where id = ${id} and state = 'selecting' and place = ${place}`

/** The lines that changed something, the last first, below a line. */
export const listChangedLinesBefore = (
  job_id: string,
  before: number,
  limit: number,
): Statement<Pick<JobLineRow, 'id' | 'device_id'>> =>
  sql`select id, device_id from device_job_line
    where job_id = ${job_id} and result = 'changed' and id < ${before}
    order by id desc limit ${limit}`

export type PendingLine = Pick<JobLineRow, 'id' | 'job_id' | 'device_id'> & {
  /** Members of the line in the job to take back, and the version that it left behind. */
  undo_before: string | null
  undo_after: string | null
  undo_version: number | null
}

export const listPendingLines = (
  { id, undo_of }: DeviceJobRow,
  limit: number,
): Statement<PendingLine> =>
  sql`select l.id, l.job_id, l.device_id, u.before as undo_before, u.after as undo_after,
      u.version as undo_version
    from device_job_line l left join device_job_line u
      on u.job_id = ${undo_of} and u.device_id = l.device_id
    where l.job_id = ${id} and l.result = 'pending' order by l.id limit ${limit}`

/**
 * Demands that the line is still to be done and its job goes on, or that this very change has been
 * made.
 */
export const demandPendingLine = (cx: Context, { id, job_id }: PendingLine): Statement =>
  refuseUnless(
    condition`exists (select 1 from device_job_line where id = ${id} and (rid = ${cx.rid}
      or (result = 'pending' and exists (
        select 1 from device_job where id = ${job_id} and state = 'running'))))`,
    'job_line_done',
  )

export const updateJobLine = (
  cx: Context,
  { id, device_id }: PendingLine,
  { result, before, after, detail }: Pick<JobLineRow, 'result' | 'before' | 'after' | 'detail'>,
): Statement =>
  sql`update device_job_line set result = ${result}, before = ${before}, after = ${after},
      detail = ${detail}, rid = ${cx.rid},
      version = (select version from device where id = ${device_id})
    where id = ${id} and result = 'pending'
      and exists (select 1 from device_job j where j.id = job_id and j.state = 'running')`

/** Most lines that a page within a reach examines. */
const EXAMINED_MAX = 5000

type LineFilter = { result: JobLineRow['result'] | undefined; device: string | undefined }

const linesAfter = (job_id: string, after: number, { result, device }: LineFilter): Statement =>
  sql`select * from device_job_line where job_id = ${job_id} and id > ${after}
    and ${result === undefined ? TRUE : condition`result = ${result}`}
    and ${device === undefined ? TRUE : condition`device_id = ${device}`} order by id`

/** A page of lines and one more. Within a reach so many are examined at most. */
export const listJobLinesAfter = (
  job_id: string,
  after: number,
  limit: number,
  filter: LineFilter,
  reach: Reach | undefined,
): Statement<JobLineRow> =>
  reach === undefined
    ? sql`${linesAfter(job_id, after, filter)} limit ${limit + 1}`
    : sql`select * from (${linesAfter(job_id, after, filter)} limit ${EXAMINED_MAX}) l
        where ${isBelow(reach, scalar`l.device_id`)} limit ${limit + 1}`

/** The last line that a page within a reach examines, where it may leave others behind. */
export const lastExaminedLine = (
  job_id: string,
  after: number,
  filter: LineFilter,
): Statement<Pick<JobLineRow, 'id'>> =>
  sql`select id from (${linesAfter(job_id, after, filter)} limit 1 offset ${EXAMINED_MAX - 1})`

/** A condition: the job goes on. */
export const jobGoesOn = (id: string): Condition =>
  condition`exists (select 1 from device_job where id = ${id} and ended_at is null)`

/** A condition: all devices of the job are done. */
export const jobIsThrough = (id: string): Condition =>
  condition`exists (select 1 from device_job where id = ${id} and state = 'running'
    and not exists (select 1 from device_job_line where job_id = ${id} and result = 'pending'))`

export const endDeviceJob = (
  cx: Context,
  id: string,
  state: DeviceJobRow['state'],
  reason: string | null,
  when: Condition,
): Statement =>
  sql`update device_job set state = ${state}, reason = ${reason}, ended_at = ${cx.now()}
    where id = ${id} and ended_at is null and ${when}`

/** Seconds for which a job and its lines are kept after its end. */
const KEPT = 90 * 86_400

/** Deletes jobs of the past with their lines, a bounded number of them in one run. */
export const deleteOldDeviceJobs = (cx: Context): Statement[] => {
  const end = cx.now() - KEPT
  return [
    sql`delete from device_job_line where id in (
      select l.id from device_job j cross join device_job_line l on l.job_id = j.id
      where j.ended_at < ${end} limit 20000)`,
    sql`delete from device_job where ended_at < ${end}
      and not exists (select 1 from device_job_line l where l.job_id = device_job.id)`,
  ]
}

export type ActorState = { scope: string | null; is_active: number }

/** The client or person who started a job, as they are now. */
export const findActorState = (kind: string, id: string): Statement<ActorState> =>
  kind === 'client'
    ? sql`select scope, status = 'active' as is_active from client where id = ${id}`
    : sql`select null as scope, status = 'active' as is_active from user where id = ${id}`

/** One row while the sign-in of a person, or the client, stands as when its token was made. */
export const findTokenOrigin = (
  kind: string,
  id: string,
  { origin, epoch }: { origin: string; epoch: number },
): Statement<{ yes: number }> =>
  kind === 'client'
    ? sql`select 1 as yes from client where id = ${id} and status = 'active' and epoch = ${epoch}`
    : sql`select 1 as yes from authorization a join user u on u.id = a.user_id
          join client c on c.id = a.client_id
        where a.id = ${origin} and a.user_id = ${id} and a.revoked_at is null
          and c.status = 'active' and a.epoch = u.epoch + c.epoch`
