// The table `sign_in`. Statements, no rules.
import type { Context } from '../../context.ts'
import type { sign_in } from '../../db/schema.ts'
import { type Condition, condition, type Statement, sql, TRUE } from '../../db/sql.ts'
import { PERSON_LABEL } from '../store.ts'

export type SignInRow = typeof sign_in.$inferSelect

/** A sign-in on its way, with its person. */
export type OpenSignIn = SignInRow & { email: string; locale: string | null }

/** The sign-in, while neither its time nor what it stands on has ended. */
export const findSignIn = (cx: Context, id_hash: string): Statement<OpenSignIn> =>
  sql`select sign_in.*, ${PERSON_LABEL} as email, user.locale from sign_in join user on user.id = sign_in.user_id
    where sign_in.id_hash = ${id_hash} and ${isOpen(cx)}`

/** A condition about a row of `sign_in` with its `user`. */
const isOpen = (cx: Context): Condition =>
  condition`sign_in.expires_at > ${cx.now()} and user.status = 'active'
    and user.epoch = sign_in.epoch and user.password is sign_in.password`

/** A condition: the sign-in goes on. */
export const signInIsOpen = (cx: Context, id_hash: string): Condition =>
  condition`exists (select 1 from sign_in join user on user.id = sign_in.user_id
    where sign_in.id_hash = ${id_hash} and ${isOpen(cx)})`

/** Begins it for a person who may sign in and has this password (its stored hash). */
export const insertSignIn = (row: Omit<SignInRow, 'epoch'>, when: Condition = TRUE): Statement =>
  sql`insert into sign_in (id_hash, user_id, password, epoch, methods, created_at, expires_at)
    select ${row.id_hash}, id, password, epoch, ${row.methods}, ${row.created_at}, ${row.expires_at}
    from user where id = ${row.user_id} and status = 'active' and password is ${row.password}
      and (${when})
    on conflict (id_hash) do nothing`

/** Follows a password that was hashed anew in this batch. */
export const updateSignInPassword = (id_hash: string, from: string, to: string): Statement =>
  sql`update sign_in set password = ${to} where id_hash = ${id_hash} and password = ${from}`

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
