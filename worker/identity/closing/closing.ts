// Closing an account, and keeping it. A person closes the own account after a fresh sign-in; all
// that was issued ends at once. For the days of the setting `closing_grace` a sign-in, by whatever
// method, leads to a page that offers to keep the account, and starts no session before. Then a job
// deletes it, by the statements of a deletion by an operator (`userRemoval`).
// Owns no table: `user` is closing_store.ts's here. Leaves the pages to closing_routes.ts, and what
// hangs on a session or on access to the rooms above.
import { demandOperatorLeft, leavesAnOperator } from '../../access/power.ts'
import { as, type Context } from '../../context.ts'
import { unlessRefused } from '../../db/database.ts'
import { condition, join, refuseUnless, sql } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import { loadSettings } from '../../settings.ts'
import { hasFactor } from '../factors/factor_store.ts'
import type { KnownBrowsers } from '../known_browsers/known_browsers.ts'
import { sendMails } from '../mail/mails.ts'
import type { EndAccess } from '../recovery.ts'
import {
  endSessionsOf,
  type LiveSession,
  type SessionCookies,
  type SessionsEnded,
} from '../sessions.ts'
import { advance, lacksFactor, type Methods, methodsOf, signInHash } from '../sign_in/sign_in.ts'
import { deleteSignIn, signInIsOpen } from '../sign_in/sign_in_store.ts'
import { sessionExists, userExists } from '../store.ts'
import { noteClosedMail } from './closing_mail.ts'
import {
  type ClosedSignIn,
  closeUser,
  endOpenWays,
  findClosedSignIn,
  isActive,
  isClosed,
  isDueOrGone,
  listDueAccounts,
  reopenUser,
  userRemoval,
} from './closing_store.ts'

export const CLOSE_PATH = '/account/close'

const DAY = 86_400

export type Closing =
  /** `until`: when the account is deleted; null: it is already. */
  | { outcome: 'closed'; until: number | null }
  /** Nobody could run the system any more. */
  | { outcome: 'last_operator' }
  /** The session ended meanwhile. */
  | { outcome: 'ended' }

/** How many days a closed account can be kept. No round trip when warm. */
export const graceOf = async (cx: Context): Promise<number> =>
  (await loadSettings(cx)).closing_grace

/** Closes the account of the session. One write, and those of `onSessionsEnded`. */
export async function closeOwnAccount(
  cx: Context,
  session: LiveSession,
  locale: string,
  { endAccess, onSessionsEnded }: { endAccess: EndAccess; onSessionsEnded: SessionsEnded },
): Promise<Closing> {
  const { user_id, id_hash, user_locale } = session
  const acting = as(cx, { kind: 'user', id: user_id })
  const grace = await graceOf(cx)
  const closes_at = cx.now() + grace * DAY
  const isLeft = leavesAnOperator(cx.now(), { user: user_id })
  // True before the change alone, so that whatever is noted is noted once.
  const mayClose = join([isActive(user_id), sessionExists(id_hash)], ' and ')
  const closed = isClosed(user_id)
  const isGone = condition`not ${userExists(user_id)}`
  const write: Promise<{ done: readonly unknown[] }> =
    grace === 0
      ? cx.db.write({
          last: demandOperatorLeft(isGone, isLeft),
          live: refuseUnless(condition`${isGone} or ${mayClose}`, 'session_ended'),
          removal: userRemoval(acting, user_id, endAccess),
          done: sql<{ yes: 1 }>`select 1 as yes where ${isGone}`,
        })
      : cx.db.write({
          last: demandOperatorLeft(closed, isLeft),
          live: refuseUnless(condition`${closed} or ${mayClose}`, 'session_ended'),
          event: appendEvent(
            acting,
            { type: 'user.closed', subject_id: user_id, data: { closes_at } },
            mayClose,
          ),
          mail: await noteClosedMail(
            cx,
            { user_id, closes_at, locale: user_locale ?? locale },
            mayClose,
          ),
          access: endAccess(acting, user_id, mayClose),
          change: closeUser(cx, user_id, closes_at, mayClose),
          ways: endOpenWays(cx, user_id, closed),
          sessions: endSessionsOf(user_id, closed),
          done: sql<{ yes: 1 }>`select 1 as yes where ${closed}`,
        })
  const result = await unlessRefused(write, (reason) => reason)
  if (result === 'last_operator') return { outcome: 'last_operator' }
  if (typeof result === 'string' || result.done.length === 0) return { outcome: 'ended' }
  if (grace > 0) sendMails(cx)
  await onSessionsEnded(acting, user_id)
  return { outcome: 'closed', until: grace === 0 ? null : closes_at }
}

/** A person who signed in to a closed account; null where a factor lacks, or it took too long. */
export async function closedStanding(
  cx: Context,
  cookie: string | undefined,
): Promise<ClosedSignIn | null> {
  if (cookie === undefined) return null
  const [found] = await cx.db.read(findClosedSignIn(cx, signInHash(cookie)))
  if (found === undefined || lacksFactor(methodsOf(found), found.has_factor === 1)) return null
  // The page is in the language of the account.
  cx.parties.locale = found.locale
  return found
}

/**
 * Keeps the account: it is active again, and the sign-in ends in its session. Null where it is too
 * late. Round trips: 2.
 */
export async function keepAccount(
  cx: Context,
  cookie: string | undefined,
  input: { user_agent: string; replaces: string | undefined; browsers: KnownBrowsers },
): Promise<{ cookies: SessionCookies; displaced: string | null } | null> {
  const found = await closedStanding(cx, cookie)
  if (found === null) return null
  const { id_hash, user_id, password } = found
  const methods: Methods = methodsOf(found)
  const acting = as(cx, { kind: 'user', id: user_id })
  const open = signInIsOpen(cx, id_hash)
  // A factor that was added since it was looked at is not passed by.
  const isWhole = methods.includes('mfa') ? open : condition`${open} and not ${hasFactor(user_id)}`
  const session = advance(
    cx,
    { user_id, password, methods, isOpen: open, spend: (when) => [deleteSignIn(id_hash, when)] },
    { methods: [], proven: join([isActive(user_id), isWhole], ' and '), ...input },
  )
  const { displaced, started } = await cx.db.write({
    displaced: session.displaced,
    event: appendEvent(
      acting,
      { type: 'user.kept', subject_id: user_id },
      join([isClosed(user_id), isWhole], ' and '),
    ),
    change: reopenUser(cx, user_id, isWhole),
    session: session.statements,
    started: session.started,
  })
  if (started.length === 0) return null
  return { cookies: session.cookiesOf(started), displaced: displaced[0]?.user_id ?? null }
}

const AT_ONCE = 50
const BATCHES_MAX = 20

/**
 * For the timer: deletes accounts that are due, each in a batch of its own, which another instance
 * may have done before. One that was kept meanwhile stays. One round trip where none is due.
 */
export async function deleteDueAccounts(cx: Context, endAccess: EndAccess): Promise<void> {
  for (let i = 0; i < BATCHES_MAX; i++) {
    const due = await cx.db.read(listDueAccounts(cx, AT_ONCE))
    for (const { id } of due) {
      const write = cx.db.write([
        refuseUnless(isDueOrGone(cx, id), 'account_kept'),
        ...userRemoval(cx, id, endAccess),
      ])
      await unlessRefused(write, () => null)
    }
    if (due.length < AT_ONCE) return
  }
}
