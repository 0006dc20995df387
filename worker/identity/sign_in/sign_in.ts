// Sign-ins on their way, of which a session is the end. One begins when the first factor is proven,
// has a row and a cookie of its own, and is no session at any door. Every method ends in `advance`,
// and only when nothing is missing does that start the session, with all methods. A passkey that
// verified its person is two factors: its sign-in ends at once, without a row.
// Files: second_factor.ts proves the second factor, second_factor_routes.ts has its page.
// Owns the table `sign_in` (sign_in_store.ts). Leaves factors to factors/, and passwords to
// login.ts.
import type { Context } from '../../context.ts'
import { randomToken, sha256 } from '../../crypto.ts'
import { type Condition, join, type Statement, sql } from '../../db/sql.ts'
import type { Http } from '../../http.ts'
import { readCookie, writeCookie } from '../../web/cookies.ts'
import type { KnownBrowsers } from '../known_browsers/known_browsers.ts'
import { type LiveSession, startSession } from '../sessions.ts'
import { epochIs, sessionExists } from '../store.ts'
import {
  deleteSignIn,
  hasMethods,
  insertSignIn,
  type OpenSignIn,
  signInIsOpen,
  updateMethods,
} from './sign_in_store.ts'

/** Authentication methods (RFC 8176); `mfa` is among them as soon as two factors are. */
export type Methods = readonly string[]

/** The page to which a complete sign-in to a closed account leads (closing/). */
export const CLOSED_PATH = '/account/closed'

const COOKIE = 'sign_in'
/** Seconds for the second factor, and for finding the phone that has it. */
const TTL = 600

export function readSignInCookie(c: Http): string | undefined {
  const value = readCookie(c, COOKIE)
  return value !== undefined && /^[A-Za-z0-9_-]{43}$/.test(value) ? value : undefined
}

export const writeSignInCookie = (c: Http, cookie: string): void => writeCookie(c, COOKIE, cookie)

export const deleteSignInCookie = (c: Http): void => {
  if (readCookie(c, COOKIE) !== undefined) writeCookie(c, COOKIE, '', 0)
}

export const signInHash = (cookie: string): string => sha256(`sign-in ${cookie}`)

export const methodsOf = ({ methods }: { methods: string }): Methods => JSON.parse(methods)

/**
 * The methods after another factor, which may have several of them. A second factor of another kind
 * makes them several factors.
 */
export function withMethods(methods: Methods, more: Methods): Methods {
  const all = new Set([...methods, ...more])
  if (methods.length > 0 && all.size > methods.length) all.add('mfa')
  return [...all]
}

/** Whether a person who has second factors has yet to prove one. */
export const lacksFactor = (methods: Methods, hasSecond: boolean): boolean =>
  hasSecond && !methods.includes('mfa')

/**
 * Begins a sign-in in the place of the one that the browser has on its way. The last statement
 * answers a row if it was stored: not when the person was disabled, or has another password by now.
 */
export function beginSignIn(
  cx: Context,
  input: {
    user_id: string
    password: string | null
    methods: Methods
    replaces?: string | undefined
    /** It begins only where this holds. */
    when?: Condition
  },
): {
  cookie: string
  id_hash: string
  statements: readonly Statement[]
  begun: Statement<unknown>
} {
  const cookie = randomToken(cx)
  const id_hash = signInHash(cookie)
  const { user_id, password, methods, replaces, when } = input
  const row = {
    id_hash,
    user_id,
    password,
    methods: JSON.stringify(methods),
    created_at: cx.now(),
    expires_at: cx.now() + TTL,
  }
  return {
    cookie,
    id_hash,
    statements: [
      ...(replaces === undefined ? [] : [deleteSignIn(signInHash(replaces))]),
      insertSignIn(row, when),
    ],
    begun: sql`select id_hash from sign_in where id_hash = ${id_hash}`,
  }
}

/** A sign-in on its way, or a session that shall be stronger: a further method is added to it. */
export type Provable = {
  user_id: string
  /** The stored hash under which the session starts. */
  password: string | null
  methods: Methods
  /** Epoch seconds, where a sign-in of before goes on; absent: now. */
  auth_time?: number
  /** The hash of a sign-in to a closed account: no session starts, and it stays, complete. */
  closed?: string
  /** It neither ended nor was spent. */
  isOpen: Condition
  /** Spends it where the condition holds. */
  spend(when: Condition): readonly Statement[]
}

export const ofSignIn = (cx: Context, row: OpenSignIn): Provable => ({
  user_id: row.user_id,
  password: row.password,
  methods: methodsOf(row),
  ...(row.user_status === 'closed' ? { closed: row.id_hash } : {}),
  isOpen: signInIsOpen(cx, row.id_hash),
  spend: (when) => [deleteSignIn(row.id_hash, when)],
})

/** A sign-in that ends as it begins, with a factor that is two. It stands on the person as read. */
export const ofPerson = (row: {
  id: string
  password: string | null
  epoch: number
}): Provable => ({
  user_id: row.id,
  password: row.password,
  methods: [],
  isOpen: epochIs(row.id, row.epoch),
  spend: () => [],
})

/** The session keeps its time of sign-in, which tells other applications nothing new. */
export const ofSession = (row: LiveSession, password: string | null): Provable => ({
  user_id: row.user_id,
  password,
  methods: JSON.parse(row.amr),
  auth_time: row.auth_time,
  isOpen: sessionExists(row.id_hash),
  spend: () => [],
})

/**
 * The end of a sign-in: starts the session with all methods where `proven` holds, once, in the
 * place of the one of `replaces`. The caller has looked that nothing is missing.
 */
export function advance(
  cx: Context,
  standing: Provable,
  input: {
    /** Those of the factor that was proven last. */
    methods: Methods
    proven: Condition
    user_agent: string
    replaces: string | undefined
    browsers: KnownBrowsers
  },
) {
  const { user_id, password, methods, auth_time, isOpen, spend } = standing
  const { proven, user_agent, replaces, browsers } = input
  const session = startSession(cx, {
    user_id,
    password,
    amr: withMethods(methods, input.methods),
    user_agent,
    replaces,
    browsers,
    ...(auth_time === undefined ? {} : { auth_time }),
    when: join([proven, isOpen], ' and '),
  })
  // Behind the session, which stands on it.
  const isDone = sessionExists(session.id_hash)
  return { ...session, isDone, statements: [...session.statements, ...spend(isDone)] }
}

/**
 * The end of a sign-in to a closed account: the row gets all methods where `proven` holds, and
 * waits for the person to keep the account (closing/). In the shape of `advance`, without session.
 */
export function complete(
  closed: string,
  { methods, isOpen }: Provable,
  input: { methods: Methods; proven: Condition },
) {
  const all = JSON.stringify(withMethods(methods, input.methods))
  const isDone = hasMethods(closed, all)
  return {
    cookiesOf: null,
    isDone,
    displaced: sql<{ user_id: string }>`select user_id from sign_in where false`,
    statements: [updateMethods(closed, all, join([input.proven, isOpen], ' and '))],
    started: sql<{ id_hash: string; browser: null }>`select id_hash, null as browser from sign_in
      where id_hash = ${closed} and ${isDone}`,
  }
}
