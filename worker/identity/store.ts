// The tables `user`, `session` and `setup_link`. Functions answer statements; use cases put them
// together.
import { operatorExists } from '../access/operator_store.ts'
import { principalIsMine } from '../access/principals.ts'
import type { Context } from '../context.ts'
import { type session, setup_link, user } from '../db/schema.ts'
import {
  COUNTER_JUMP,
  type Condition,
  condition,
  insertWhere,
  refuseUnless,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../db/sql.ts'
import { DEFAULT_SETTINGS, type NumberSetting } from '../settings.ts'

export type UserRow = typeof user.$inferSelect
export type SessionRow = typeof session.$inferSelect

/** A live session with its person. */
export type LiveSession = SessionRow & {
  /** The address by which pages call the person; without one the user name, else the id. */
  user_email: string
  user_email_verified: number
  user_name: string | null
  user_locale: string | null
  user_status: UserRow['status']
  user_created_at: number
  user_updated_at: number
  user_epoch: number
}

/** The address of a row of `user`; without one the user name, else the id. */
export const PERSON_LABEL = scalar`coalesce(nullif(user.email, ''), user.user_name, user.id)`

// --- user -------------------------------------------------------------------------------------

export const findUserById = (id: string | Scalar, which: Condition = TRUE): Statement<UserRow> =>
  sql`select * from user where id = ${id} and ${which}`

/** Notes a sign-in, where the condition holds. */
export const noteSignIn = (id: string, now: number, when: Condition): Statement =>
  sql`update user set last_sign_in_at = ${now} where id = ${id} and (${when})`

/**
 * Inserts the user if this request made the principal. A repeated batch finds its row and inserts
 * nothing. `repeatPrimaryAddress` sets `email_key` behind it.
 */
export const insertUser = (cx: Context, row: UserRow): Statement =>
  insertWhere(
    user,
    { ...row, email_key: `@${row.id}` },
    condition`${principalIsMine(cx, row.id)} and not exists (select 1 from user where id = ${row.id})`,
  )

/** A condition: the user exists. */
export const userExists = (id: string): Condition =>
  condition`exists (select 1 from user where id = ${id})`

/** A condition: what was issued to the person at this epoch has not ended. */
export const epochIs = (id: string, epoch: number): Condition =>
  condition`exists (select 1 from user where id = ${id} and epoch = ${epoch})`

/** A condition: the user stands as wanted. The password is not compared. */
export const userIs = (row: UserRow): Condition =>
  condition`exists (select 1 from user where id = ${row.id} and version = ${row.version}
    and updated_at = ${row.updated_at} and email = ${row.email}
    and email_verified = ${row.email_verified} and name is ${row.name} and locale is ${row.locale}
    and status = ${row.status} and closes_at is ${row.closes_at}
    and must_change_password = ${row.must_change_password}
    and metadata = ${row.metadata} and profile = ${row.profile})`

/** Demands that the user stands one version before `row`, or as `row` already. */
export const demandUserBefore = (row: UserRow): Statement =>
  refuseUnless(
    condition`${userIs(row)}
      or exists (select 1 from user where id = ${row.id} and version = ${row.version - 1})`,
    'user_version',
  )

/** Demands that the user is at this version, or gone. */
export const demandUserVersion = (id: string, version: number): Statement =>
  refuseUnless(
    condition`not exists (select 1 from user where id = ${id} and version <> ${version})`,
    'user_version',
  )

/**
 * Writes the columns of `row`, but for password and address, over the user's. Disabling raises the
 * epoch, which `row` does not say: whatever was issued to the person before is dead, also when the
 * person is enabled again.
 */
export const updateUser = (row: UserRow): Statement =>
  sql`update user set name = ${row.name}, locale = ${row.locale},
      epoch = epoch + (status = 'active' and ${row.status} <> 'active'),
      status = ${row.status}, closes_at = ${row.closes_at},
      must_change_password = ${row.must_change_password}, metadata = ${row.metadata},
      profile = ${row.profile}, updated_at = ${row.updated_at}, version = ${row.version}
    where id = ${row.id}`

/** Replaces a password hash by a stronger one of the same password. */
export const updatePassword = (id: string, from: string, to: string): Statement<never> =>
  sql`update user set password = ${to} where id = ${id} and password = ${from}`

/**
 * Sets the password, whatever it was, where the condition holds; nothing demands another one then.
 * Raises the epoch: whatever was issued to the person before is dead.
 */
export const replacePassword = (id: string, password: string, when: Condition): Statement =>
  sql`update user set password = ${password}, epoch = epoch + 1, must_change_password = 0
    where id = ${id} and (${when})`

/** Raises the version of a user whose names changed, where the condition holds. */
export const touchUser = (id: string, now: number, when: Condition): Statement =>
  sql`update user set version = version + 1, updated_at = ${now} where id = ${id} and (${when})`

/** Takes the password away, where the condition holds; whatever was issued before is dead. */
export const clearPassword = (id: string, when: Condition): Statement =>
  sql`update user set password = null, epoch = epoch + 1, must_change_password = 0
    where id = ${id} and (${when})`

/** A condition: the user's language is this one. */
export const isLocaleOf = (id: string, locale: string | null): Condition =>
  condition`exists (select 1 from user where id = ${id} and locale is ${locale})`

/** Sets the language that a person chose, where it is still the one that was read. */
export const updateLocale = (
  cx: Context,
  id: string,
  { from, to }: { from: string | null; to: string },
): Statement =>
  sql`update user set locale = ${to}, updated_at = ${cx.now()}, version = version + 1
    where id = ${id} and locale is ${from}`

/** Sets another password in place of the one that was compared, while the session goes on. */
export const setPassword = (
  id: string,
  { from, to }: { from: string; to: string },
  session: string,
): Statement =>
  sql`update user set password = ${to} where id = ${id} and password = ${from}
    and status = 'active' and ${sessionExists(session)}`

export const deleteUser = (id: string): Statement => sql`delete from user where id = ${id}`

// --- session ----------------------------------------------------------------------------------

// The statement reads the settings itself, so a session costs no extra round trip, cold or warm.
const duration = (name: NumberSetting): Scalar =>
  scalar`coalesce((select cast(value as integer) from setting where name = ${name}),
    ${DEFAULT_SETTINGS[name]})`

const live = (cx: Context): Condition =>
  condition`session.expires_at > ${cx.now()}
    and session.created_at + ${duration('session_ttl')} > ${cx.now()}
    and session.last_seen_at + ${duration('session_idle_ttl')} > ${cx.now()}`

/** The session, if it was neither idle too long nor is too old, and its user may use it. */
export const findLiveSession = (cx: Context, id_hash: string): Statement<LiveSession> =>
  sql`select session.*, ${PERSON_LABEL} as user_email, user.email_verified as user_email_verified,
      user.name as user_name, user.locale as user_locale, user.status as user_status,
      user.created_at as user_created_at, user.updated_at as user_updated_at,
      user.epoch as user_epoch
    from session join user on user.id = session.user_id
    where session.id_hash = ${id_hash} and user.status = 'active' and ${live(cx)}`

/**
 * A condition: the user is signed in in the session that clients know by this `sid`, which neither
 * ended nor ran out.
 */
export const isSessionLive = (
  cx: Context,
  { sid, user_id }: { sid: string | Scalar; user_id: string | Scalar },
): Condition =>
  condition`exists (select 1 from session
    where session.sid = ${sid} and session.user_id = ${user_id} and ${live(cx)})`

/** The live sessions of a user (a scalar), newest first. */
export const listLiveSessions = (cx: Context, user_id: string | Scalar): Statement<SessionRow> =>
  sql`select session.* from session where session.user_id = ${user_id} and ${live(cx)}
    order by session.created_at desc, session.id_hash limit 200`

/**
 * Starts a session if the user exists, is not disabled and has this password (its stored hash) at
 * this moment, and `when` holds. `replaces` is the hash of the session whose `sid` goes on when it
 * belongs to the same user.
 */
export const insertSession = (
  row: Omit<SessionRow, 'expires_at'>,
  password: string | null,
  replaces: string | null,
  when: Condition = TRUE,
): Statement<never> =>
  sql`insert into session (id_hash, user_id, auth_time, amr, created_at, last_seen_at, expires_at,
      address, user_agent, sid)
    select ${row.id_hash}, id, ${row.auth_time}, ${row.amr}, ${row.created_at}, ${row.last_seen_at},
      ${row.created_at} + ${duration('session_ttl')}, ${row.address}, ${row.user_agent},
      coalesce((select sid from session where id_hash = ${replaces} and user_id = ${row.user_id}),
        ${row.sid})
    from user where id = ${row.user_id} and status = 'active' and password is ${password}
      and (${when})
    on conflict (id_hash) do nothing`

/** A condition: the session is stored. */
export const sessionExists = (id_hash: string): Condition =>
  condition`exists (select 1 from session where id_hash = ${id_hash})`

export const updateSessionSeen = (id_hash: string, now: number): Statement =>
  sql`update session set last_seen_at = ${now} where id_hash = ${id_hash} and last_seen_at < ${now}`

export const deleteSession = (id_hash: string, when: Condition): Statement =>
  sql`delete from session where id_hash = ${id_hash} and (${when})`

export const deleteSessionsOf = (user_id: string, when: Condition = TRUE): Statement =>
  sql`delete from session where user_id = ${user_id} and (${when})`

/** Deletes all sessions of a user but one, where the condition holds. */
export const deleteOtherSessions = (user_id: string, id_hash: string, when: Condition): Statement =>
  sql`delete from session where user_id = ${user_id} and id_hash <> ${id_hash} and (${when})`

/** Deletes sessions that ended by themselves. */
export const deleteEndedSessions = (cx: Context): Statement =>
  sql`delete from session where not (${live(cx)})`

// --- setup_link -------------------------------------------------------------------------------

export const insertSetupLink = (cx: Context, hash: string, ttl: number): Statement =>
  insertWhere(
    setup_link,
    { hash, created_at: cx.now(), expires_at: cx.now() + ttl, redeemed_by: null },
    condition`not ${operatorExists(cx.now())}`,
    sql`on conflict (hash) do nothing`,
  )

/** The link, if it can be redeemed. */
export const findSetupLink = (cx: Context, hash: string): Statement<{ hash: string }> =>
  sql`select hash from setup_link where hash = ${hash} and redeemed_by is null
    and expires_at > ${cx.now()} and not ${operatorExists(cx.now())}`

/** Consumes the link for this request; the same request may repeat it. */
export const consumeSetupLink = (cx: Context, hash: string): Statement<{ hash: string }> =>
  sql`update setup_link set redeemed_by = ${cx.rid}
    where hash = ${hash} and (redeemed_by = ${cx.rid} or (redeemed_by is null
      and expires_at > ${cx.now()} and not ${operatorExists(cx.now())}))
    returning hash`

/** A condition: this request consumed the link. */
export const setupLinkIsMine = (cx: Context, hash: string): Condition =>
  condition`exists (select 1 from setup_link where hash = ${hash} and redeemed_by = ${cx.rid})`

/**
 * Moves the counters of all users ahead: a version that was seen once names nothing else, and
 * whatever was issued to somebody before is dead.
 */
export const jumpUsers = (): Statement =>
  sql`update user set version = version + ${COUNTER_JUMP}, epoch = epoch + ${COUNTER_JUMP}`

/** Sessions and set-up links: whoever had one has it no more. */
export const deleteAllSessions = (): readonly Statement[] => [
  sql`delete from session`,
  sql`delete from setup_link`,
]

export const deleteOldSetupLinks = (cx: Context): Statement =>
  sql`delete from setup_link where expires_at <= ${cx.now()}`
