// The answers to whatever a person lacks after a sign-in (requirements.ts says what): fields of the
// profile, and another password. Texts are answered in consents/decisions.ts. Every answer is that
// of a live session, and changes nothing that was not asked.
import { limit } from '../../attempts.ts'
import { as, type Context } from '../../context.ts'
import { unlessRefused } from '../../db/database.ts'
import { type Condition, condition, join, refuseUnless, sql } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import { loadSettings } from '../../settings.ts'
import { listOffered, type OfferedRow } from '../consents/decisions.ts'
import { findFactorOf } from '../factors/factor_store.ts'
import { deleteOtherBrowsers } from '../known_browsers/known_browser_store.ts'
import { browserHashes, type KnownBrowsers } from '../known_browsers/known_browsers.ts'
import { judgeNewPassword, type PasswordFault } from '../new_passwords/new_password.ts'
import { faultyFields, patchOf, readFields } from '../own_profile/profile_fields.ts'
import { hashPassword, verifyPassword } from '../passwords.ts'
import type { EndAccess } from '../recovery.ts'
import { dropOpenLinks } from '../recovery_store.ts'
import { firstRequirement, type Requirement, requirementsOf, standingOf } from '../requirements.ts'
import {
  findSession,
  isSessionLive,
  type LiveSession,
  noteSession,
  type SessionsEnded,
  sessionHash,
  userOf,
} from '../sessions.ts'
import { deleteSignInsOf } from '../sign_in/sign_in_store.ts'
import { deleteOtherSessions, findUserById, replacePassword, type UserRow } from '../store.ts'
import { applyPatch, userChange } from '../users.ts'

/** A person who is signed in, and what is missing. */
export type Continuation = {
  session: LiveSession
  user: UserRow
  lacking: readonly Requirement[]
  /** Every text, as it is offered now. */
  offered: readonly OfferedRow[]
  /** A second factor is there. */
  has_factor: boolean
}

/** `demandsFactor`: whoever sent the person demands a second factor. */
const readsFor = (cx: Context, cookie: string, demandsFactor: boolean) => {
  const person = userOf(cx, cookie)
  return {
    session: findSession(cx, cookie),
    user: findUserById(person),
    lacking: requirementsOf(cx, standingOf(cx, cookie), condition`${demandsFactor}`),
    offered: listOffered(person),
    factors: findFactorOf(cx, person),
  }
}

/** Null where nobody is signed in. One round trip, none without a cookie. */
export async function readContinuation(
  cx: Context,
  cookie: string | undefined,
  { demandsFactor }: { demandsFactor: boolean } = { demandsFactor: false },
): Promise<Continuation | null> {
  if (cookie === undefined) return null
  const {
    session: [session],
    user: [user],
    lacking,
    offered,
    factors,
  } = await cx.db.read(readsFor(cx, cookie, demandsFactor))
  noteSession(cx, session)
  if (session === undefined || user === undefined) return null
  return { session, user, lacking, offered, has_factor: factors.length > 0 }
}

/**
 * Fills in fields that were asked. Answers the names of those that cannot be so; then nothing is
 * written. One write.
 */
export async function fillProfile(
  cx: Context,
  { session, user }: Continuation,
  asked: readonly string[],
  values: (name: string) => string | undefined,
): Promise<readonly string[]> {
  const typed = readFields(asked, values)
  const faulty = faultyFields(typed, asked)
  if (faulty.length > 0) return faulty
  const { row, changed } = applyPatch(cx, user, patchOf(typed), 'merge')
  if (changed.length === 0) return []
  const acting = as(cx, { kind: 'user', id: user.id })
  // When another change was quicker, the page asks for whatever is still missing.
  await unlessRefused(
    cx.db.write([
      refuseUnless(isSessionLive(cx, session), 'session_ended'),
      ...userChange(acting, user, row, changed),
    ]),
    () => [],
  )
  return []
}

export type DemandedPasswordChange =
  | { outcome: 'done' }
  /** Nobody is signed in, or nothing demands another password. */
  | { outcome: 'not_asked' }
  | ({ outcome: 'too_many_attempts'; retry_after: number } & PersonToAsk)
  | ({ outcome: 'refused'; fault: 'wrong' | 'same' | PasswordFault } & PersonToAsk)

/** The person who is asked for another password, and whether a second factor is there. */
type PersonToAsk = { session: LiveSession; has_factor: boolean }

/**
 * Sets another password where one is demanded. The session alone is not enough: its holder may have
 * found the browser open, so the present password is asked, and wrong ones are counted before the
 * hash. It ends every other session and every access of applications, since somebody else may know
 * the old password. Round trips: 2, one more when the settings are not remembered, and those of
 * `onSessionsEnded`.
 */
export async function changeDemandedPassword(
  cx: Context,
  cookie: string | undefined,
  {
    password,
    new_password,
    browsers,
  }: { password: string; new_password: string; browsers: KnownBrowsers },
  { endAccess, onSessionsEnded }: { endAccess: EndAccess; onSessionsEnded: SessionsEnded },
): Promise<DemandedPasswordChange> {
  if (cookie === undefined) return { outcome: 'not_asked' }
  const { login_attempts_per_account: max, login_attempts_window: window } = await loadSettings(cx)
  const id_hash = sessionHash(cookie)
  const attempts = limit(cx, { purpose: 'password of session', value: id_hash }, { max, window })
  const {
    session: [session],
    user: [user],
    lacking,
    count,
    factors,
  } = await cx.db.write({
    ...readsFor(cx, cookie, false),
    // A cookie is made up at will: one without a session fills no table.
    count: attempts.takeWhen(condition`exists (${findSession(cx, cookie)})`),
  })
  noteSession(cx, session)
  const isAsked = firstRequirement(lacking)?.kind === 'password'
  if (session === undefined || user === undefined || user.password === null || !isAsked) {
    return { outcome: 'not_asked' }
  }
  const question = { session, has_factor: factors.length > 0 }
  if ((count[0]?.count ?? Infinity) > max) {
    return { outcome: 'too_many_attempts', retry_after: window, ...question }
  }
  if (!(await verifyPassword(cx, password, user.password))) {
    return { outcome: 'refused', fault: 'wrong', ...question }
  }
  const owner = { email: user.email, has_factor: question.has_factor }
  const fault = new_password === password ? 'same' : await judgeNewPassword(cx, new_password, owner)
  if (fault !== null) {
    await cx.db.write(attempts.giveBack)
    return { outcome: 'refused', fault, ...question }
  }
  const hash = await hashPassword(cx, new_password)
  const acting = as(cx, { kind: 'user', id: user.id })
  const isMine = hasPassword(user.id, hash)
  await cx.db.write({
    // Before the change, so that a repeated batch gives back once.
    attempts: sql`${attempts.giveBack} and not ${isMine}`,
    password: replacePassword(
      user.id,
      hash,
      join([isSessionLive(cx, session), hasPassword(user.id, user.password)], ' and '),
    ),
    access: endAccess(acting, user.id, isMine),
    sessions: deleteOtherSessions(user.id, id_hash, isMine),
    signIns: deleteSignInsOf(user.id, isMine),
    browsers: deleteOtherBrowsers(user.id, browserHashes(browsers), isMine),
    links: dropOpenLinks(user.id, isMine),
    event: appendEvent(acting, { type: 'user.password_changed', subject_id: user.id }, isMine),
  })
  await onSessionsEnded(acting, user.id)
  return { outcome: 'done' }
}

const hasPassword = (id: string, password: string): Condition =>
  condition`exists (select 1 from user where id = ${id} and password = ${password})`
