// The sessions of a user for operators: listing and ending.
import { assertNothingLacks, demandPower, lackingOver, nameLacks } from '../access/power.ts'
import { z } from '../api.ts'
import type { Context } from '../context.ts'
import { Problem } from '../errors.ts'
import {
  endAllSessions,
  endBrowserSession,
  type SessionRow,
  type SessionsEnded,
} from './sessions.ts'
import { findUserById, listLiveSessions } from './store.ts'
import { noSuchUser } from './users.ts'

export const sessionSchema = z
  .object({
    id: z.string(),
    auth_time: z.int(),
    amr: z.array(z.string()),
    created_at: z.int(),
    last_seen_at: z.int(),
    expires_at: z.int(),
    address: z.string(),
    user_agent: z.string(),
  })
  .openapi('Session')

type Session = z.infer<typeof sessionSchema>

const describeSession = (row: SessionRow): Session => ({
  id: row.id_hash,
  auth_time: row.auth_time,
  amr: JSON.parse(row.amr),
  created_at: row.created_at,
  last_seen_at: row.last_seen_at,
  expires_at: row.expires_at,
  address: row.address,
  user_agent: row.user_agent,
})

/** The live sessions, newest first. Throws Problem not_found. One round trip. */
export async function listUserSessions(cx: Context, id: string): Promise<Session[]> {
  const { users, sessions } = await cx.db.read({
    users: findUserById(id),
    sessions: listLiveSessions(cx, id),
  })
  if (users.length === 0) throw noSuchUser()
  return sessions.map(describeSession)
}

/** Ends all of them. Throws Problem not_found, forbidden. */
export async function endUserSessions(
  cx: Context,
  id: string,
  onSessionsEnded: SessionsEnded,
): Promise<void> {
  const lacking = lackingOver(cx, id)
  const { users } = await nameLacks(cx, lacking, () =>
    cx.db.write({
      power: demandPower(lacking),
      changes: endAllSessions(cx, id),
      users: findUserById(id),
    }),
  )
  if (users.length !== 1) throw noSuchUser()
  await onSessionsEnded(cx, id)
}

/** Ends one of them. Throws Problem not_found, forbidden. */
export async function endUserSession(
  cx: Context,
  id: string,
  session_id: string,
  onSessionsEnded: SessionsEnded,
): Promise<void> {
  const lacking = lackingOver(cx, id)
  const { live, lacks } = await cx.db.read({ live: listLiveSessions(cx, id), lacks: lacking })
  assertNothingLacks(lacks)
  if (!live.some((row) => row.id_hash === session_id)) {
    throw new Problem('not_found', 'this user has no such session')
  }
  await nameLacks(cx, lacking, () =>
    cx.db.write([...demandPower(lacking), ...endBrowserSession(cx, id, session_id)]),
  )
  await onSessionsEnded(cx, id)
}
