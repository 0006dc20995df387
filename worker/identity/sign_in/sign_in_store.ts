// The table `sign_in`. Statements, no rules.
import type { Context } from '../../context.ts'
import type { sign_in } from '../../db/schema.ts'
import { type Condition, condition, type Statement, sql, TRUE } from '../../db/sql.ts'
import { PERSON_LABEL, type UserRow } from '../store.ts'

export type SignInRow = typeof sign_in.$inferSelect

/** A sign-in on its way, with its person. */
export type OpenSignIn = SignInRow & {
  email: string
  locale: string | null
  user_status: UserRow['status']
}

/** The sign-in, while neither its time nor what it stands on has ended. */
export const findSignIn = (cx: Context, id_hash: string): Statement<OpenSignIn> =>
  sql`select sign_in.*, ${PERSON_LABEL} as email, user.locale, user.status as user_status
    from sign_in join user on user.id = sign_in.user_id
    where sign_in.id_hash = ${id_hash} and ${isOpenSignIn(cx)}`

/**
 * A condition on a row of `user`: its person may sign in. For a closed account that leads to the
 * offer to keep it, and never to a session: only an active user has one.
 */
export const maySignIn = (now: number): Condition =>
  condition`(user.status = 'active' or (user.status = 'closed' and user.closes_at > ${now}))`

/** A condition on a row of `sign_in` with its `user`. */
export const isOpenSignIn = (cx: Context): Condition =>
  condition`sign_in.expires_at > ${cx.now()} and ${maySignIn(cx.now())}
    and user.epoch = sign_in.epoch and user.password is sign_in.password`

/** A condition: the sign-in goes on. */
export const signInIsOpen = (cx: Context, id_hash: string): Condition =>
  condition`exists (select 1 from sign_in join user on user.id = sign_in.user_id
    where sign_in.id_hash = ${id_hash} and ${isOpenSignIn(cx)})`

/** Begins it for a person who may sign in and has this password (its stored hash). */
export const insertSignIn = (row: Omit<SignInRow, 'epoch'>, when: Condition = TRUE): Statement =>
  sql`insert into sign_in (id_hash, user_id, password, epoch, methods, created_at, expires_at)
    select ${row.id_hash}, id, password, epoch, ${row.methods}, ${row.created_at}, ${row.expires_at}
    from user where id = ${row.user_id} and ${maySignIn(row.created_at)}
      and password is ${row.password} and (${when})
    on conflict (id_hash) do nothing`

/** Follows a password that was hashed anew in this batch. */
export const updateSignInPassword = (id_hash: string, from: string, to: string): Statement =>
  sql`update sign_in set password = ${to} where id_hash = ${id_hash} and password = ${from}`

/** Notes further methods of a sign-in, where the condition holds. */
export const updateMethods = (id_hash: string, methods: string, when: Condition): Statement =>
  sql`update sign_in set methods = ${methods} where id_hash = ${id_hash} and (${when})`

/** A condition: the sign-in has these methods. */
export const hasMethods = (id_hash: string, methods: string): Condition =>
  condition`exists (select 1 from sign_in where id_hash = ${id_hash} and methods = ${methods})`

/** A condition: the sign-in is stored. */
export const signInExists = (id_hash: string): Condition =>
  condition`exists (select 1 from sign_in where id_hash = ${id_hash})`

export const deleteSignIn = (id_hash: string, when: Condition = TRUE): Statement =>
  sql`delete from sign_in where id_hash = ${id_hash} and (${when})`

export const deleteSignInsOf = (user_id: string, when: Condition = TRUE): Statement =>
  sql`delete from sign_in where user_id = ${user_id} and (${when})`

export const deleteAllSignIns = (): Statement => sql`delete from sign_in`

/** For the timer. */
export const deleteOldSignIns = (cx: Context): Statement =>
  sql`delete from sign_in where expires_at <= ${cx.now()}`
