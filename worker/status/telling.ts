// The claim `status` of a token that is made now.
import type { Context } from '../context.ts'
import { OAuthError } from '../errors.ts'
import {
  findStatus,
  type StatusClaim,
  type StatusKind,
  type StatusRow,
  statusClaimOf,
  supersede,
} from './entry_store.ts'

/**
 * The claim for a token of this origin, whose row `findStatus` answered. While a change is spread
 * that concerns it, the origin gets its new entry here, with one more round trip. Throws
 * OAuthError.
 */
export async function tellStatus(
  cx: Context,
  kind: StatusKind,
  origin_id: string,
  [row]: readonly StatusRow[],
): Promise<StatusClaim> {
  // Without an entry the token could not be ended any more; the origin itself has ended meanwhile.
  if (row === undefined) {
    throw new OAuthError('invalid_grant', {
      description: 'this access has ended',
      reason: 'origin_ended',
    })
  }
  if (row.is_cut === 0) return statusClaimOf(cx, row)
  const { rows } = await cx.db.write({
    change: supersede(kind, origin_id),
    rows: findStatus(kind, origin_id),
  })
  return tellStatus(cx, kind, origin_id, rows)
}
