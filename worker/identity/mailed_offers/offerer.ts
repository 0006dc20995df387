// The maker of an offer: a secret that somebody makes by power of the own, and that somebody else
// uses later. It is kept as the actor that it was, with its epoch, and judged again when the offer
// is used, so that the offer is dead once its maker was disabled or lost the power.
import { type Lack, nothingLacks } from '../../access/power.ts'
import type { Actor, Context } from '../../context.ts'
import {
  type Condition,
  condition,
  join,
  refuseUnless,
  type Statement,
  sql,
  TRUE,
} from '../../db/sql.ts'

/** The maker of an offer. */
export type Offerer = {
  /** Its id; `inviter` is the actor as it was then, in JSON. */
  invited_by: string | null
  inviter: string
  inviter_epoch: number
}

/** The actor as an offer keeps it. */
export const storedInviter = ({
  actor: { kind, id, scopes, places, reach, acting },
}: Context): string =>
  JSON.stringify({
    kind,
    id,
    scopes: [...scopes],
    ...(acting === undefined ? {} : { acting }),
    ...(reach === undefined ? {} : { places: [...(places ?? [])], reach }),
  })

/**
 * Demands that whoever made the offer still stands as then and holds what it gives. Nothing is
 * demanded of a link that is dead already, or that this request used: `open`.
 */
export const demandOfferer = (
  cx: Context,
  row: Offerer,
  open: Condition,
  lacking: (then: Context) => readonly Statement<Lack>[],
): Statement =>
  refuseUnless(condition`not ${open} or (${offererHolds(cx, row, lacking)})`, 'inviter_powerless')

/** A condition: whoever made the offer still stands as then and holds what it gives. */
export function offererHolds(
  cx: Context,
  row: Offerer,
  lacking: (then: Context) => readonly Statement<Lack>[],
): Condition {
  const inviter = readInviter(row)
  return join(
    [
      ...[inviter.id, ...(inviter.acting ?? [])].map((id) => stands(inviter, id, row)),
      ...lacking({ ...cx, actor: inviter }).map(nothingLacks),
    ],
    ' and ',
  )
}

/** The epoch of whoever makes an offer now, for a read batch; no row of the system. */
export const findMakerEpoch = ({ actor: { id } }: Context): Statement<{ epoch: number }> =>
  sql`select epoch from user where id = ${id} union all select epoch from client where id = ${id}`

/** The actor that made the offer, as it was then. */
export function readInviter({ inviter }: Pick<Offerer, 'inviter'>): Actor {
  const { places, ...actor } = JSON.parse(inviter)
  return {
    ...actor,
    scopes: new Set(actor.scopes),
    ...(places === undefined ? {} : { places: new Map(places) }),
  }
}

/**
 * A condition: the person or client acts still, and was neither disabled nor recovered since; a
 * client is registered for the scopes that its token had.
 */
function stands(
  { kind, scopes }: Actor,
  id: string | null,
  { invited_by, inviter_epoch }: Offerer,
): Condition {
  if (kind === 'system') return TRUE
  const epoch = condition`(epoch = ${inviter_epoch} or ${id} is not ${invited_by})`
  return condition`(exists (select 1 from user
      where id = ${id} and status = 'active' and ${epoch})
    or exists (select 1 from client where id = ${id} and status = 'active' and ${epoch}
      and (${id} is not ${invited_by} or not exists (
        select 1 from json_each(${JSON.stringify([...scopes])}) s
        where instr(' ' || client.scope || ' ', ' ' || s.value || ' ') = 0
          and instr(' ' || client.scope || ' ', ' manage ') = 0))))`
}
