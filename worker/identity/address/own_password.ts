// Another password, set by the person who is signed in and knows the present one. Guesses at it are
// counted as those of the login page are. The other browsers are signed out; applications go on.
import { limit } from '../../attempts.ts'
import { as, type Context } from '../../context.ts'
import { condition, sql } from '../../db/sql.ts'
import { emailKey } from '../../email_address.ts'
import { appendEvent } from '../../events.ts'
import { loadSettings } from '../../settings.ts'
import { deleteOtherBrowsers } from '../known_browsers/known_browser_store.ts'
import { browserHashes, type KnownBrowsers } from '../known_browsers/known_browsers.ts'
import { loginCounter } from '../login.ts'
import { judgeNewPassword, type PasswordFault } from '../new_passwords/new_password.ts'
import { hashPassword, verifyPassword } from '../passwords.ts'
import { dropOpenLinks } from '../recovery_store.ts'
import type { LiveSession, SessionsEnded } from '../sessions.ts'
import { deleteSignInsOf } from '../sign_in/sign_in_store.ts'
import { deleteOtherSessions, findUserById, setPassword } from '../store.ts'

export type PasswordChange =
  | { outcome: 'done' }
  | { outcome: 'refused' }
  | { outcome: 'too_many_attempts'; retry_after: number }
  /** The rule that the new password breaks, in words for people. */
  | { outcome: 'bad_password'; fault: PasswordFault }

/** Database round trips: 2, and those of `onSessionsEnded`. */
export async function changeOwnPassword(
  cx: Context,
  { user_id, id_hash, user_email }: LiveSession,
  input: { present: string; password: string; browsers: KnownBrowsers; has_factor: boolean },
  onSessionsEnded: SessionsEnded,
): Promise<PasswordChange> {
  const { has_factor } = input
  const owner = { email: user_email, has_factor }
  const fault = await judgeNewPassword(cx, input.password, owner)
  if (fault !== null) return { outcome: 'bad_password', fault }
  const settings = await loadSettings(cx)
  const window = settings.login_attempts_window
  const { take, giveBack, max } = limit(
    cx,
    loginCounter(cx, input.browsers, { key: emailKey(user_email), user_id }),
    { max: settings.login_attempts_per_account, window },
  )
  const {
    count: [count],
    user: [user],
  } = await cx.db.write({ count: take, user: findUserById(user_id) })
  if ((count?.count ?? Infinity) > max) return { outcome: 'too_many_attempts', retry_after: window }
  const isRight = await verifyPassword(cx, input.present, user?.password ?? null)
  if (!isRight || user === undefined || user.password === null) {
    await cx.db.write(
      appendEvent(cx, {
        type: 'login.failed',
        outcome: 'failure',
        subject_id: user_id,
        data: { reason: 'password' },
      }),
    )
    return { outcome: 'refused' }
  }
  const acting = as(cx, { kind: 'user', id: user_id })
  const hash = await hashPassword(cx, input.password)
  const isMine = condition`exists (select 1 from user where id = ${user_id} and password = ${hash})`
  const { done } = await cx.db.write({
    back: sql`${giveBack} and not ${isMine}`,
    // Under the hash that was compared, and while the session goes on.
    password: setPassword(user_id, { from: user.password, to: hash }, id_hash),
    sessions: deleteOtherSessions(user_id, id_hash, isMine),
    signIns: deleteSignInsOf(user_id, isMine),
    browsers: deleteOtherBrowsers(user_id, browserHashes(input.browsers), isMine),
    links: dropOpenLinks(user_id, isMine),
    event: appendEvent(acting, { type: 'user.password_changed', subject_id: user_id }, isMine),
    done: sql<{ id: string }>`select id from user where id = ${user_id} and ${isMine}`,
  })
  if (done.length === 0) return { outcome: 'refused' }
  await onSessionsEnded(acting, user_id)
  return { outcome: 'done' }
}
