// Browser sessions. The cookie `session` holds 32 random bytes, the table their hash (attributes of
// the cookie: `writeCookie` in http.ts). A session ends after `session_idle_ttl` without use and at
// the latest after `session_ttl` (settings.ts, read by `findLiveSession` of store.ts), by a
// sign-out, and with its user. The caller decides which person may start one.

import { as, type Context } from '../context.ts'
import { randomToken, sha256 } from '../crypto.ts'
import { type Condition, condition, type Scalar, type Statement, scalar, sql } from '../db/sql.ts'
import { appendEvent } from '../events.ts'
import type { Http } from '../http.ts'
import { readCookie, writeCookie } from '../web/cookies.ts'
import { deleteKnownBrowsersOf } from './known_browsers/known_browser_store.ts'
import {
  type KnownBrowsers,
  makeKnown,
  writeKnownBrowsers,
} from './known_browsers/known_browsers.ts'
import { beginCountAnew } from './sign_in/failed_sign_ins.ts'
import { deleteSignInsOf } from './sign_in/sign_in_store.ts'
import {
  deleteEndedSessions,
  deleteSession,
  deleteSessionsOf,
  findLiveSession,
  insertSession,
  isSessionLive,
  type LiveSession,
  listLiveSessions,
  type SessionRow,
  sessionExists,
  updateSessionSeen,
  userExists,
} from './store.ts'

export { isSessionLive, type LiveSession, type SessionRow }

const COOKIE = 'session'
/** Seconds between two updates of `last_seen_at`. */
const TOUCH_EVERY = 60
const USER_AGENT_MAX = 300

/** The cookies of a browser in which a session starts. */
export type SessionCookies = { session: string; browsers: KnownBrowsers }

/** The session cookie, if there is one of the right form. */
export function readSessionCookie(c: Http): string | undefined {
  const value = readCookie(c, COOKIE)
  return value !== undefined && /^[A-Za-z0-9_-]{43}$/.test(value) ? value : undefined
}

// Without Max-Age: the cookie ends with the browser, the session at the times that the table says.
export function writeSessionCookie(c: Http, { session, browsers }: SessionCookies): void {
  writeCookie(c, COOKIE, session)
  writeKnownBrowsers(c, browsers)
}

export const deleteSessionCookie = (c: Http): void => writeCookie(c, COOKIE, '', 0)

/** Name of a session in the table, in codes and in the API: the hash of its cookie. */
export const sessionHash = (cookie: string): string => sha256(cookie)

/** The session of a cookie with its user, only while it lives and the user is not disabled. */
export const findSession = (cx: Context, cookie: string | undefined): Statement<LiveSession> =>
  findLiveSession(cx, cookie === undefined ? '' : sessionHash(cookie))

/** Notes the session that a request was found to have, for its log, its events and its language. */
export function noteSession(cx: Context, session: LiveSession | undefined): void {
  cx.parties.sub = session?.user_id ?? null
  cx.parties.session_id = session?.id_hash ?? null
  cx.parties.locale = session?.user_locale ?? null
}

/** All live sessions of the person to whom the cookie belongs. */
export const listSessionsOf = (cx: Context, cookie: string | undefined): Statement<SessionRow> =>
  listLiveSessions(cx, scalar`(select user_id from (${findSession(cx, cookie)}))`)

/**
 * Starts a session in place of the one of `replaces` (the present cookie of the browser). When both
 * belong to the same person, the new one keeps the `sid`, so that clients still know it. The last
 * statement answers one row if the session was stored. It was not when the user is disabled or gone
 * by then, or has another password: no sign-in outlives a reset that it ran beside.
 */
export function startSession(
  cx: Context,
  input: {
    user_id: string
    /** The hash that the password of this sign-in was compared with. */
    password: string | null
    /** RFC 8176. */
    amr: readonly string[]
    user_agent: string
    replaces?: string | undefined
    /** The browser becomes known to the person (known_browsers/). */
    browsers: KnownBrowsers
    /** Epoch seconds; absent: now. */
    auth_time?: number
    /** The session starts only where this holds. */
    when?: Condition
  },
): {
  id_hash: string
  /** Goes before the statements: the other person whose session ends by this one. */
  displaced: Statement<{ user_id: string }>
  statements: readonly Statement[]
  started: Statement<Started>
  /** The cookies, from what the last statement answered. */
  cookiesOf(started: readonly Started[]): SessionCookies
} {
  const cookie = randomToken(cx)
  const id_hash = sessionHash(cookie)
  const now = cx.now()
  const { user_id, password, amr, user_agent, auth_time = now, when } = input
  const replaces = input.replaces === undefined ? null : sessionHash(input.replaces)
  const row = {
    id_hash,
    user_id,
    auth_time,
    amr: JSON.stringify(amr),
    created_at: now,
    last_seen_at: now,
    address: cx.address,
    user_agent: [...user_agent.replaceAll('\0', '')].slice(0, USER_AGENT_MAX).join(''),
    sid: randomToken(cx, 16),
  }
  const known = makeKnown(
    cx,
    input.browsers,
    { user_id, has_factor: amr.includes('mfa') },
    sessionExists(id_hash),
  )
  const statements = [
    insertSession(row, password, replaces, when),
    ...(replaces === null ? [] : [deleteSession(replaces, sessionExists(id_hash))]),
    appendEvent(
      { ...as(cx, { kind: 'user', id: user_id }), parties: { ...cx.parties, session_id: id_hash } },
      { type: 'session.started', subject_id: user_id, data: { amr } },
      sessionExists(id_hash),
    ),
    ...known.statements,
    // A session that is made stronger is no further visit.
    ...(input.auth_time === undefined
      ? [beginCountAnew(user_id, id_hash, sessionExists(id_hash))]
      : []),
  ]
  return {
    id_hash,
    displaced: sql`select user_id from session where id_hash = ${replaces} and user_id <> ${user_id}`,
    statements,
    started: sql`select id_hash, ${known.known} as browser from session where id_hash = ${id_hash}`,
    cookiesOf: ([row]) => ({ session: cookie, browsers: known.valuesAfter(row?.browser ?? null) }),
  }
}

/** The session as it was stored, and the hash by which its browser is known. */
type Started = { id_hash: string; browser: string | null }

/** Keeps the session from idling out; null when that was done less than a minute ago. */
export const touchSession = (
  cx: Context,
  row: Pick<SessionRow, 'id_hash' | 'last_seen_at'>,
): Statement | null =>
  cx.now() - row.last_seen_at < TOUCH_EVERY ? null : updateSessionSeen(row.id_hash, cx.now())

/**
 * Ends one session, with its event. `user_id` is the owner; another user's session is left alone.
 */
export const endBrowserSession = (
  cx: Context,
  user_id: string,
  id_hash: string,
): readonly Statement[] => {
  const is = condition`exists (select 1 from session where id_hash = ${id_hash} and user_id = ${user_id})`
  return [
    appendEvent(cx, { type: 'session.ended', subject_id: user_id }, is),
    sql`delete from session where id_hash = ${id_hash} and user_id = ${user_id}`,
  ]
}

/**
 * Called after sessions of a user ended, with the id of the user. This room does not know what
 * hangs on a session. Never throws.
 */
export type SessionsEnded = (cx: Context, user_id: string) => Promise<void>

/**
 * Ends all that applications hold of a person, where the condition holds. This room knows of no
 * applications.
 */
export type EndAccess = (cx: Context, user_id: string, when: Condition) => readonly Statement[]

/** The same as `endSessionsOf`, with one event. */
export const endAllSessions = (cx: Context, user_id: string): readonly Statement[] => [
  appendEvent(cx, { type: 'user.sessions_ended', subject_id: user_id }, userExists(user_id)),
  ...endSessionsOf(user_id),
]

/**
 * Ends all sessions of a user, and sign-ins on their way, and makes each browser unknown. `when`
 * makes it depend on earlier statements of the batch.
 */
export const endSessionsOf = (user_id: string, when?: Condition): readonly Statement[] => [
  deleteSessionsOf(user_id, when),
  deleteSignInsOf(user_id, when),
  deleteKnownBrowsersOf(user_id, when),
]

/** Deletes sessions that ended by themselves. For the timer. */
export const deleteOldSessions = (cx: Context): Statement => deleteEndedSessions(cx)

export const userOf = (cx: Context, cookie: string | undefined): Scalar =>
  scalar`(select user_id from (${findSession(cx, cookie)}))`
