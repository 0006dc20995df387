// The account of the person who is signed in: the browsers that are signed in, sign-out, and the
// language.
// Sessions themselves are sessions.ts's; operators have user_sessions.ts.
import { as, type Context } from '../context.ts'
import { appendEvent } from '../events.ts'
import type { Locale } from '../messages/catalogues.ts'
import { chooseLocale } from '../messages/locales.ts'
import { findFactorOf } from './factors/factor_store.ts'
import { requirementsOf, standingOf } from './requirements.ts'
import {
  endAllSessions,
  endBrowserSession,
  findSession,
  type LiveSession,
  listSessionsOf,
  noteSession,
  type SessionsEnded,
  touchSession,
  userOf,
} from './sessions.ts'
import { findFailedSignIns } from './sign_in/failed_sign_ins.ts'
import { isLocaleOf, updateLocale } from './store.ts'

/** The session of a cookie while it lives. No round trip without a cookie, else one. */
export async function liveSession(
  cx: Context,
  cookie: string | undefined,
): Promise<LiveSession | undefined> {
  if (cookie === undefined) return undefined
  const [session] = await cx.db.read(findSession(cx, cookie))
  noteSession(cx, session)
  return session
}

/**
 * The session of a cookie, what its person lacks, and whether a second factor is there; null
 * without one. At most one round trip.
 */
export async function liveStanding(cx: Context, cookie: string | undefined) {
  if (cookie === undefined) return null
  const {
    session: [session],
    lacking,
    factors,
  } = await cx.db.read({
    session: findSession(cx, cookie),
    lacking: requirementsOf(cx, standingOf(cx, cookie)),
    factors: findFactorOf(cx, userOf(cx, cookie)),
  })
  noteSession(cx, session)
  return session === undefined ? null : { session, lacking, has_factor: factors.length > 0 }
}

/**
 * The session of a cookie with all sessions of its person, what the person lacks, and sign-ins that
 * failed, or null. One round trip, two once a minute.
 */
export async function readAccount(cx: Context, cookie: string | undefined) {
  const {
    session: [session],
    sessions,
    lacking,
    failed: [failed],
  } = await cx.db.read({
    session: cookie === undefined ? null : findSession(cx, cookie),
    sessions: cookie === undefined ? null : listSessionsOf(cx, cookie),
    lacking: cookie === undefined ? null : requirementsOf(cx, standingOf(cx, cookie)),
    failed: cookie === undefined ? null : findFailedSignIns(userOf(cx, cookie)),
  })
  noteSession(cx, session)
  if (session === undefined) return null
  const touch = touchSession(cx, session)
  if (touch !== null) await cx.db.write(touch)
  return { session, sessions, lacking, failed: failed ?? null }
}

/**
 * Ends one session of a person, or all where `id_hash` is null. A session of somebody else is left
 * alone.
 */
export async function endOwnSession(
  cx: Context,
  user_id: string,
  id_hash: string | null,
  onSessionsEnded: SessionsEnded,
): Promise<void> {
  const acting = as(cx, { kind: 'user', id: user_id })
  await cx.db.write(
    id_hash === null
      ? endAllSessions(acting, user_id)
      : endBrowserSession(acting, user_id, id_hash),
  )
  await onSessionsEnded(acting, user_id)
}

/**
 * Keeps the language that a person chose on a page, if one is signed in: mails come in it too. No
 * round trip without a cookie, else one, two where the account names another.
 */
export async function keepLanguage(
  cx: Context,
  cookie: string | undefined,
  locale: Locale,
): Promise<void> {
  const session = await liveSession(cx, cookie)
  if (session === undefined) return
  const { user_id, user_locale: before } = session
  // A region of it is the same language here.
  if (chooseLocale([before ?? '']) === locale) return
  await cx.db.write({
    // The event first: its condition ends with the change.
    event: appendEvent(
      as(cx, { kind: 'user', id: user_id }),
      {
        type: 'user.updated',
        subject_id: user_id,
        data: { fields: ['locale'] },
        before: { locale: before },
        after: { locale },
      },
      isLocaleOf(user_id, before),
    ),
    change: updateLocale(cx, user_id, { from: before, to: locale }),
  })
}
