// The table `place_transfer`. Statements, no rules.
import { insidePlace } from '../../access/places/place_store.ts'
import type { Context } from '../../context.ts'
import { place_transfer } from '../../db/people_schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  type Scalar,
  type Statement,
  sql,
  TRUE,
} from '../../db/sql.ts'

export type TransferRow = typeof place_transfer.$inferSelect

/** A transfer as its page shows it. */
export type OpenTransfer = TransferRow & { inviter_name: string | null; place: string }

/** Seconds for which a transfer is kept after its end, so that operators see it. */
const KEPT = 365 * 86_400

export const insertTransfer = (row: TransferRow): Statement =>
  insertWhere(place_transfer, row, TRUE, sql`on conflict (id) do nothing`)

/** A condition: the transfer has this link. */
export const transferHas = (hash: string): Condition =>
  condition`exists (select 1 from place_transfer where hash = ${hash})`

const isOpen = (cx: Context): Condition =>
  condition`used_by is null and withdrawn_at is null and expires_at > ${cx.now()}`

/** A condition: the transfer of the link can be accepted. */
export const isOpenTransfer = (cx: Context, hash: string): Condition =>
  condition`exists (select 1 from place_transfer where hash = ${hash} and ${isOpen(cx)})`

/** The transfer of a link, while it can be accepted. */
export const findOpenTransfer = (cx: Context, hash: string): Statement<OpenTransfer> =>
  sql`select place_transfer.*, "group".name as place,
      (select name from user where id = place_transfer.invited_by) as inviter_name
    from place_transfer join "group" on "group".id = place_transfer.group_id
    where hash = ${hash} and ${isOpen(cx)}`

/** The last transfer of the place, in whichever state. */
export const findTransferOf = (group_id: string, which: Condition = TRUE): Statement<TransferRow> =>
  sql`select * from place_transfer where group_id = ${group_id} and ${which}
    order by id desc limit 1`

/** Uses the link for this request where the condition holds; the same request may repeat it. */
export const consumeTransfer = (
  cx: Context,
  hash: string,
  user_id: string,
  when: Condition,
): Statement<{ id: string }> =>
  sql`update place_transfer set used_by = ${cx.rid}, accepted_at = ${cx.now()},
      accepted_by = ${user_id}
    where hash = ${hash} and (used_by = ${cx.rid} or (${isOpen(cx)} and (${when})))
    returning id`

/** A condition: this request used the link. */
export const transferIsMine = (cx: Context, hash: string): Condition =>
  condition`exists (select 1 from place_transfer where hash = ${hash} and used_by = ${cx.rid})`

/** A condition: this request used the link, and has not ended anything yet. */
export const transferEnds = (cx: Context, hash: string): Condition =>
  condition`exists (select 1 from place_transfer
    where hash = ${hash} and used_by = ${cx.rid} and done = 0)`

/** Notes in numbers what ends, before it does. */
export const noteEnded = (cx: Context, hash: string, ended: Scalar): Statement =>
  sql`update place_transfer set ended = ${ended}
    where hash = ${hash} and used_by = ${cx.rid} and ended is null`

/** The numbers that this request noted. */
export const findEnded = (cx: Context, hash: string): Statement<{ ended: string }> =>
  sql`select ended from place_transfer
    where hash = ${hash} and used_by = ${cx.rid} and ended is not null`

export const markDone = (cx: Context, hash: string): Statement =>
  sql`update place_transfer set done = 1 where hash = ${hash} and used_by = ${cx.rid}`

/** Takes back what is on its way for the place, and for places in it. */
export const withdrawTransfersOf = (cx: Context, group_id: string, when: Condition): Statement =>
  sql`update place_transfer set withdrawn_at = ${cx.now()}
    where used_by is null and withdrawn_at is null and ${when}
      and group_id in (with recursive ${insidePlace(group_id)} select id from below)`

/** Takes back the offers of before of the place. */
export const replaceTransfersOf = (cx: Context, group_id: string, when: Condition): Statement =>
  sql`update place_transfer set withdrawn_at = ${cx.now()}
    where group_id = ${group_id} and used_by is null and withdrawn_at is null and ${when}`

/** Takes one back. */
export const withdrawTransfer = (cx: Context, id: string): Statement<{ id: string }> =>
  sql`update place_transfer set withdrawn_at = ${cx.now()}
    where id = ${id} and used_by is null and withdrawn_at is null returning id`

/** A condition: nobody accepted the transfer, and nobody took it back. */
export const isPendingTransfer = (id: string): Condition =>
  condition`exists (select 1 from place_transfer
    where id = ${id} and used_by is null and withdrawn_at is null)`

/** Ends every transfer on its way, since one may have been accepted after the moment of a backup. */
export const withdrawAllTransfers = (cx: Context): Statement =>
  sql`update place_transfer set withdrawn_at = ${cx.now()}
    where used_by is null and withdrawn_at is null`

/** Deletes what a person accepted, and what the person still had on its way. */
export const deleteTransfersOf = (user_id: string): Statement =>
  sql`delete from place_transfer where accepted_by = ${user_id}
    or (invited_by = ${user_id} and accepted_at is null)`

/** For the timer. */
export const deleteOldTransfers = (cx: Context): Statement =>
  sql`delete from place_transfer
    where coalesce(accepted_at, withdrawn_at, expires_at) <= ${cx.now() - KEPT}`
