// The maker of a claim token: it gives to each device that comes in what its maker may give, so it
// is good only while the maker stands as then and holds that power still, as with an offer by mail.
import { type Lack, lackingToHandOn, lackingToMove, lackingToShape } from '../../access/power.ts'
import type { Context } from '../../context.ts'
import { condition, refuseUnless, type Statement, scalar, sql } from '../../db/sql.ts'
import { demandOfferer, storedInviter } from '../../identity/mailed_offers/offerer.ts'
import { makerWithin } from '../made_in_place.ts'
import { type ClaimBatchRow, isCounted } from './claim_store.ts'

/** The power that the actor lacks to let devices of this type come into this place. */
export const lackingForBatch = (
  cx: Context,
  { id, type, group_id }: Pick<ClaimBatchRow, 'id' | 'type' | 'group_id'>,
): readonly Statement<Lack>[] => [
  ...(group_id === null ? [] : [lackingToMove(cx, group_id, group_id)]),
  ...lackingToShape(
    cx,
    id,
    {
      type: scalar`${type}`,
      metadata: scalar`'{}'`,
      mqtt_client_id: scalar`null`,
      groups: scalar`${JSON.stringify(group_id === null ? [] : [group_id])}`,
    },
    { metadata: [], mqtt_client_id: false },
  ),
]

/** The part of a new token that says by whom it is made. */
export const madeNow = (cx: Context, [found]: readonly { epoch: number }[]) => ({
  created_by: cx.actor.id,
  maker: storedInviter(cx),
  maker_epoch: found?.epoch ?? 0,
  made_by: makerWithin(cx),
})

/** Demands that the maker of the token may still let a device in by it, unless it has come in. */
export function demandMaker(cx: Context, batch: ClaimBatchRow): Statement {
  const open = condition`not ${isCounted(cx)}`
  const { created_by, maker } = batch
  // Of a token of before it was kept how its maker stood, the maker is to be there still.
  if (maker === null) {
    return refuseUnless(
      condition`not ${open} or ${created_by} is null
        or exists (select 1 from user where id = ${created_by} and status = 'active')
        or exists (select 1 from client where id = ${created_by} and status = 'active')`,
      'inviter_powerless',
    )
  }
  const row = { invited_by: created_by, inviter: maker, inviter_epoch: batch.maker_epoch }
  return demandOfferer(cx, row, open, (then) => [
    ...lackingForBatch(then, batch),
    lackingToHandOn(then, ['devices:write'], cx.now()),
  ])
}

/** Notes the maker with the key of a device that came in, for when its place changes hands. */
export const noteMaker = ({ made_by }: ClaimBatchRow, device_id: string): readonly Statement[] =>
  made_by === null
    ? []
    : [
        sql`update device_credential set made_by = ${made_by}
          where device_id = ${device_id} and made_by is null and revoked_at is null`,
      ]
