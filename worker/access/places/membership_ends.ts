// Ends of memberships. People are members of a group for good or until a time. A membership that
// has ended gives nothing from that second on, though its row is there until the timer removes it:
// so each statement that follows memberships of people has `lasts`. Devices and clients are members
// for good. test/membership_readers.test.ts lists each statement.
import type { Context } from '../../context.ts'
import {
  type Condition,
  condition,
  type Scalar,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'
import { appendEventOfEach } from '../../events.ts'

/** A condition on `m`, a row of `membership`: it has not ended. */
export const lasts = (now: number): Condition =>
  condition`(m.expires_at is null or m.expires_at > ${now})`

/** Stands for "without an end" where ends are compared in SQL. */
export const FOREVER: Scalar = scalar`9007199254740991`

/** The later of two ends of a membership, as SQL; each null for "without an end". */
export const laterEnd = (one: Scalar, other: Scalar): Scalar =>
  scalar`nullif(max(coalesce(${one}, ${FOREVER}), coalesce(${other}, ${FOREVER})), ${FOREVER})`

/** Most memberships that one run of the timer removes. */
const ENDED_MAX = 1000

/** Removes memberships that have ended, with an event about each. One write. */
export async function removeEndedMemberships(cx: Context): Promise<void> {
  const rowsOver: Statement<{ rowid: number }> = sql`select rowid from membership
    where expires_at <= ${cx.now()} order by expires_at limit ${ENDED_MAX}`
  await cx.db.write([
    appendEventOfEach(
      cx,
      { type: 'group.member_removed', subject_id: null, data: { group_id: '' } },
      sql`select ${cx.rid} || '_' || m.rowid as key, m.member_id as subject_id,
          json_object('group_id', m.group_id) as data
        from membership m where m.rowid in (${rowsOver})`,
    ),
    sql`delete from membership where rowid in (${rowsOver})`,
  ])
}
