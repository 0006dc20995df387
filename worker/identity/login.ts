// Signing in with e-mail and password: the first step of a sign-in, and its end where the person
// has no second factor. Attempts are counted before the hash and given back on success: per account
// and per address or, in a browser in which the person signed in before, per browser. Nothing shows
// whether an account exists: neither the answer, nor the work, nor the count.
import { type AttemptKey, addressKey, limit } from '../attempts.ts'
import type { Context } from '../context.ts'
import { type Condition, condition, type Scalar, type Statement, scalar, sql } from '../db/sql.ts'
import { emailKey } from '../email_address.ts'
import { appendEvent, countEvent } from '../events.ts'
import { loadSettings } from '../settings.ts'
import { canBeKept } from './closing/closing_store.ts'
import { hasFactor } from './factors/factor_store.ts'
import { countedInBrowser, isKnownTo, type KnownBrowsers } from './known_browsers/known_browsers.ts'
import { findUserToSignIn, userSigningIn } from './login_ids/login_id_store.ts'
import { hashPassword, isOutdated, verifyPassword } from './passwords.ts'
import { type SessionCookies, startSession } from './sessions.ts'
import { countFailedSignIn } from './sign_in/failed_sign_ins.ts'
import { beginSignIn, lacksFactor } from './sign_in/sign_in.ts'
import { signInExists, updateSignInPassword } from './sign_in/sign_in_store.ts'
import { sessionExists, type UserRow, updatePassword } from './store.ts'
import { isUsable } from './users.ts'

export type SignInOutcome =
  /** `displaced`: another person who was signed in in this browser before; null without one. */
  | { outcome: 'signed_in'; cookies: SessionCookies; user: UserRow; displaced: string | null }
  /** The password was right, and a second factor is missing; the cookie is that of the sign-in. */
  | { outcome: 'second_factor'; cookie: string }
  /** The sign-in is complete, and the account closed: its person may keep it. */
  | { outcome: 'closed'; cookie: string }
  | { outcome: 'refused' }
  /** `retry_after`: seconds after which the count is certain to begin anew. */
  | { outcome: 'too_many_attempts'; retry_after: number }

/**
 * The counter of guesses at a password. `user_id`: of the person with this name, or null. A person
 * with several names has one counter.
 */
export function loginCounter(
  cx: Context,
  browsers: KnownBrowsers,
  { key, user_id }: { key: string; user_id: string | Scalar },
): AttemptKey {
  const counted = countedInBrowser(cx, { purpose: 'login account', value: key }, browsers, user_id)
  const account = scalar`${'login account of '} || ${user_id}`
  const { instead = account } = counted
  return { ...counted, instead: scalar`coalesce(${instead}, ${account})` }
}

/** Database round trips: 2, one for a blocked attempt, and one more for the settings when cold. */
export async function signIn(
  cx: Context,
  input: {
    username: string
    password: string
    user_agent: string
    /** The session cookie that the browser has now: its session ends. */
    replaces: string | undefined
    /** The cookie of a sign-in that is on its way in the browser: it is dropped. */
    abandons: string | undefined
    browsers: KnownBrowsers
  },
): Promise<SignInOutcome> {
  const settings = await loadSettings(cx)
  const key = emailKey(input.username)
  const person = userSigningIn(input.username, settings.sign_in_names)
  const window = settings.login_attempts_window
  const { browsers } = input
  const isKnown = isKnownTo(cx, browsers, person)
  const limits = [
    limit(cx, loginCounter(cx, browsers, { key, user_id: person }), {
      max: settings.login_attempts_per_account,
      window,
    }),
    limit(
      cx,
      // Peers that cannot be told apart must not lock each other out.
      { purpose: 'login address', value: addressKey(cx.address) ?? `of ${key}` },
      { max: settings.login_attempts_per_address, window },
    ),
  ] as const
  const {
    byAccount,
    byAddress,
    user: [user],
  } = await cx.db.write({
    // In a browser that is known, others from its address do not matter.
    byAddress: limits[1].takeWhen(condition`not ${isKnown}`),
    // Names are made up at will: an address that is blocked fills the table with none.
    byAccount: limits[0].takeWhen(condition`${isKnown} or ${limits[1].isWithin}`),
    user: findUserToSignIn(person),
    // The counters do not say who guessed; those that are refused unread count too.
    failed: countFailedSignIn(
      cx,
      person,
      condition`not ${limits[0].isWithin} or not (${isKnown} or ${limits[1].isWithin})`,
    ),
  })
  const counts = [byAccount[0]?.count ?? Infinity, byAddress[0]?.count ?? 0]
  if (counts.some((count, i) => count > (limits[i]?.max ?? 0))) {
    // One event per window, so that guessing does not fill the record.
    if (counts.some((count, i) => count === (limits[i]?.max ?? 0) + 1)) {
      await cx.db.write(failure(cx, 'login.blocked', user, 'too_many_attempts'))
    }
    return { outcome: 'too_many_attempts', retry_after: window }
  }

  const right = await verifyPassword(cx, input.password, user?.password ?? null)
  const isClosed = user !== undefined && canBeKept(cx, user)
  if (!right || user === undefined || !(isUsable(user) || isClosed)) {
    const reason = user === undefined ? 'unknown_account' : right ? 'disabled' : 'password'
    await cx.db.write([
      failure(cx, 'login.failed', user, reason),
      countFailedSignIn(cx, user?.id ?? ''),
    ])
    return { outcome: 'refused' }
  }

  const giveBack = (pending: Condition) => [
    sql`${limits[0].giveBack} and ${pending}`,
    sql`${limits[1].giveBack} and ${pending} and not ${isKnown}`,
  ]
  const lacks = lacksFactor(['pwd'], user.has_factor === 1)
  if (lacks || isClosed) {
    const { cookie, id_hash, statements, begun } = beginSignIn(cx, {
      user_id: user.id,
      password: user.password,
      methods: ['pwd'],
      replaces: input.abandons,
    })
    const pending = condition`not ${signInExists(id_hash)}`
    const made = await cx.db.write({
      attempts: giveBack(pending),
      signIn: statements,
      password: await strengthened(cx, user, input.password, id_hash),
      begun,
    })
    if (made.begun.length !== 1) return { outcome: 'refused' }
    return { outcome: lacks ? 'second_factor' : 'closed', cookie }
  }

  const session = startSession(cx, {
    user_id: user.id,
    password: user.password,
    amr: ['pwd'],
    user_agent: input.user_agent,
    replaces: input.replaces,
    browsers,
    // One that was added since the first round trip is not passed by.
    when: condition`not ${hasFactor(user.id)}`,
  })
  // Conditional, so that a repeated batch does not give back twice.
  const pending = condition`not ${sessionExists(session.id_hash)}`
  const {
    displaced: [displaced],
    started,
  } = await cx.db.write({
    displaced: session.displaced,
    attempts: giveBack(pending),
    session: session.statements,
    // Behind the session, which starts only under the hash that was compared.
    password: await strengthened(cx, user, input.password),
    started: session.started,
  })
  // The user was disabled or deleted, or got another password or a factor, in the meantime.
  if (started.length !== 1) return { outcome: 'refused' }
  const cookies = session.cookiesOf(started)
  return { outcome: 'signed_in', cookies, user, displaced: displaced?.user_id ?? null }
}

const failure = (
  cx: Context,
  type: 'login.failed' | 'login.blocked',
  user: UserRow | undefined,
  reason: string,
): Statement =>
  user === undefined
    ? // Strangers fill no table with names that nobody has.
      countEvent(
        cx,
        { type, outcome: 'failure', subject_id: null, data: { reason } },
        { count: 1, last_at: cx.now(), minute: cx.now() - (cx.now() % 60) },
      )
    : appendEvent(cx, { type, outcome: 'failure', subject_id: user.id, data: { reason } })

async function strengthened(
  cx: Context,
  user: UserRow,
  password: string,
  signIn?: string,
): Promise<Statement[]> {
  if (user.password === null || !isOutdated(user.password)) return []
  const stronger = await hashPassword(cx, password)
  const update = updatePassword(user.id, user.password, stronger)
  return signIn === undefined
    ? [update]
    : [update, updateSignInPassword(signIn, user.password, stronger)]
}

/** The names that the page asks for, as the setting says. No round trip when warm. */
export async function signInNames(cx: Context): Promise<'email' | 'user_name' | 'both'> {
  const [first = 'email', ...others] = (await loadSettings(cx)).sign_in_names
  return others.length === 0 ? first : 'both'
}
