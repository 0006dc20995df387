// What becomes of authorizations when the browser session ends in which they were given. `identity` ends sessions
// and knows nothing of clients; so the truth is read from the table: no session has this `sid` any more. Tokens that
// do not outlive the session are revoked, and each client that wants to hear of it is noted for
// backchannel_logout.ts. It runs at once behind a sign-out, and on a timer for every other way a session ends.
import type { Context } from '../../context.ts'
import type { Statement } from '../../db/sql.ts'
import { deliver, insertDelivery } from '../../deliveries.ts'
import { endAuthorization } from '../authorizations/authorizations.ts'
import { logoutTokens } from './backchannel_logout.ts'
import { deleteSid, HANGING_MAX, type Hanging, isHanging, listHanging } from './store.ts'

/** Batches in one run; what is left then waits for the next. */
const BATCHES_MAX = 100

/**
 * The statements that end what hangs on sessions that are no more. Each looks again at whether that is so; for
 * authorizations whose session lives they do nothing.
 */
export function endHanging(cx: Context, rows: readonly Hanging[]): readonly Statement[] {
  if (rows.length === 0) return []
  const told = new Set<string>()
  const statements = rows.flatMap((row) => {
    const { user_id, client_id, sid, offline, revoked_at, is_told } = row
    const condition = isHanging(row)
    // Back-Channel Logout §2.7: refresh tokens with offline_access live on.
    const ends = offline === 0 && revoked_at === null
    const made: Statement[] = ends ? [...endAuthorization(cx, row, 'session_ended', condition)] : []
    const name = `${sid} ${client_id}`
    if (is_told === 1 && !told.has(name)) {
      told.add(name)
      const delivery = { recipient: client_id, about: sid, payload: { user_id } }
      made.push(insertDelivery(cx, logoutTokens, delivery, condition))
    }
    return made
  })
  return [...statements, deleteSid(rows.map(({ id }) => id))]
}

/**
 * Ends what hangs on the ended sessions of a user, or of everybody. Answers whether a client is to hear of it. Two
 * round trips for each hundred, one where nothing hangs.
 */
export async function sweepSessions(cx: Context, user_id: string | null): Promise<boolean> {
  let isTold = false
  for (let i = 0; i < BATCHES_MAX; i++) {
    const rows = await cx.db.read(listHanging(user_id))
    await cx.db.write(endHanging(cx, rows))
    isTold ||= rows.some((row) => row.is_told === 1)
    if (rows.length < HANGING_MAX) break
  }
  return isTold
}

/**
 * Called by whoever ended sessions of a user just now: tokens are dead when it comes back, clients hear of it
 * behind the answer. Never throws: the session is over already, and the timer makes up for what failed here.
 */
export async function afterSessionsEnded(cx: Context, user_id: string): Promise<void> {
  try {
    if (await sweepSessions(cx, user_id)) cx.background(deliver(cx, [logoutTokens]))
  } catch (error) {
    cx.log('error', 'what hangs on an ended session was not ended yet', { error: String(error) })
  }
}
