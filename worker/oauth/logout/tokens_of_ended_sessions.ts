// Revocation of tokens whose browser session has ended. `identity` ends sessions and knows nothing
// of clients; so the table decides: no session has this `sid` any more. Tokens that do not outlive
// the session are revoked, and each client that wants to hear of it is noted for
// logout_tokens.ts. This runs at once after a sign-out, and on a timer for every other way in
// which a session ends.
import type { Context } from '../../context.ts'
import type { Statement } from '../../db/sql.ts'
import { deliver, insertDelivery } from '../../deliveries.ts'
import { endAuthorization } from '../authorizations/authorizations.ts'
import { logoutTokens } from './logout_tokens.ts'
import {
  deleteSid,
  HANGING_MAX,
  type HangingAuthorization,
  isHanging,
  listHanging,
} from './store.ts'

/** Most batches in one run; the rest waits for the next run. */
const BATCHES_MAX = 100

/**
 * The statements that end authorizations whose session is gone. Each checks again that it is gone;
 * for an authorization whose session lives they do nothing.
 */
export function endHanging(
  cx: Context,
  rows: readonly HangingAuthorization[],
): readonly Statement[] {
  if (rows.length === 0) return []
  const notedClients = new Set<string>()
  const endings = rows.flatMap((row) => {
    const { user_id, client_id, sid, offline, revoked_at, is_notified } = row
    const condition = isHanging(row)
    // Back-Channel Logout §2.7: refresh tokens with offline_access live on.
    const ends = offline === 0 && revoked_at === null
    const statements: Statement[] = ends
      ? [...endAuthorization(cx, row, 'session_ended', condition)]
      : []
    const name = `${sid} ${client_id}`
    if (is_notified === 1 && !notedClients.has(name)) {
      notedClients.add(name)
      const delivery = { recipient: client_id, about: sid, payload: { user_id } }
      statements.push(insertDelivery(cx, logoutTokens, delivery, condition))
    }
    return statements
  })
  return [...endings, deleteSid(rows.map(({ id }) => id))]
}

/**
 * Ends the authorizations of ended sessions, of one user or of all. Answers whether a client is to
 * hear of it. Two round trips for each hundred, one where there are none.
 */
export async function sweepSessions(cx: Context, user_id: string | null): Promise<boolean> {
  let isNotified = false
  for (let i = 0; i < BATCHES_MAX; i++) {
    const rows = await cx.db.read(listHanging(user_id))
    await cx.db.write(endHanging(cx, rows))
    isNotified ||= rows.some((row) => row.is_notified === 1)
    if (rows.length < HANGING_MAX) break
  }
  return isNotified
}

/**
 * Called right after sessions of a user ended. Tokens are dead when it returns; clients hear of it
 * after the answer was sent. Never throws: the session is over already, and the timer repeats what
 * failed here.
 */
export async function afterSessionsEnded(cx: Context, user_id: string): Promise<void> {
  try {
    if (await sweepSessions(cx, user_id)) cx.background(deliver(cx, [logoutTokens]))
  } catch (error) {
    cx.log('error', 'what hangs on an ended session was not ended yet', { error: String(error) })
  }
}
