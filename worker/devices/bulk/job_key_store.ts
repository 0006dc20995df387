// Statements of lines of jobs that demand other keys: a line keeps the ends of the keys before and
// after, as the database has them in the batch of the change.
import type { Context } from '../../context.ts'
import {
  type Condition,
  condition,
  type Scalar,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'
import { isKeyInUse } from '../self/rotation_store.ts'
import type { PendingLine } from './job_store.ts'

/** The ends of the credentials of which the condition holds. */
const endsOf = (which: Condition): Scalar =>
  scalar`(select json_object('keys', json_group_array(json_object('id', id,
      'expires_at', expires_at, 'rotate_by', rotate_by, 'renews_until', renews_until)))
    from (select * from device_credential where ${which} order by id))`

/** A condition about `device_credential`: this demand moves its end, or its date. */
const isKeyToMove = (cx: Context, device_id: string, rotate_by: number): Condition =>
  condition`${isKeyInUse(cx, device_id)} and rotate_by is not ${rotate_by}`

/**
 * A condition about `device_credential`: it is as the job to take back left it, counts, and would
 * count with the end that it had before.
 */
const isKeyToRestore = (cx: Context, line: PendingLine): Condition =>
  condition`${isKeyInUse(cx, line.device_id)}
    and exists (select 1 from json_each(${line.undo_after}, '$.keys') k
      where k.value ->> 'id' = device_credential.id
        and k.value ->> 'expires_at' is device_credential.expires_at
        and k.value ->> 'rotate_by' is device_credential.rotate_by
        and k.value ->> 'renews_until' is device_credential.renews_until)
    and exists (select 1 from json_each(${line.undo_before}, '$.keys') k
      where k.value ->> 'id' = device_credential.id
        and (k.value ->> 'expires_at' is null or k.value ->> 'expires_at' > ${cx.now()}))`

/** Stands before the change: what comes of the line, and the ends of its keys. */
const updateKeyLine = (
  cx: Context,
  { id }: PendingLine,
  which: Condition,
  otherwise: { result: 'unchanged' | 'failed'; detail: string | null },
): Statement => {
  const isAny = condition`exists (select 1 from device_credential where ${which})`
  return sql`update device_job_line set rid = ${cx.rid},
      result = case when ${isAny} then 'changed' else ${otherwise.result} end,
      detail = case when ${isAny} then null else ${otherwise.detail} end,
      before = case when ${isAny} then ${endsOf(which)} end
    where id = ${id} and result = 'pending'
      and exists (select 1 from device_job j where j.id = job_id and j.state = 'running')`
}

/** For a demand; without a key whose end it moves the line is unchanged. */
export const updateLineOfDemand = (cx: Context, line: PendingLine, rotate_by: number): Statement =>
  updateKeyLine(cx, line, isKeyToMove(cx, line.device_id, rotate_by), {
    result: 'unchanged',
    detail: null,
  })

/** For the demand of a job that is taken back; without a key to restore the line failed. */
export const updateLineOfRestoring = (cx: Context, line: PendingLine): Statement =>
  updateKeyLine(cx, line, isKeyToRestore(cx, line), {
    result: 'failed',
    detail: 'its keys were changed since, or are over',
  })

/** A condition: the line says that this request changes its device. */
export const lineChanges = (cx: Context, { id }: PendingLine): Condition =>
  condition`exists (select 1 from device_job_line
    where id = ${id} and rid = ${cx.rid} and result = 'changed')`

/** Gives the keys of a line the ends that they had before the job to take back. */
export const restoreKeys = (cx: Context, line: PendingLine): Statement => {
  const before = (name: string): Scalar =>
    scalar`(select k.value ->> ${name} from json_each(${line.undo_before}, '$.keys') k
      where k.value ->> 'id' = device_credential.id)`
  return sql`update device_credential set expires_at = ${before('expires_at')},
      rotate_by = ${before('rotate_by')}, renews_until = ${before('renews_until')}
    where ${isKeyToRestore(cx, line)} and ${lineChanges(cx, line)}`
}

/** Stands behind the change: the ends that the keys have now. A second run leaves the first. */
export const updateKeysAfter = (cx: Context, line: PendingLine): Statement =>
  sql`update device_job_line
    set after = ${endsOf(condition`id in (
      select k.value ->> 'id' from json_each(device_job_line.before, '$.keys') k)`)}
    where id = ${line.id} and after is null and ${lineChanges(cx, line)}`
