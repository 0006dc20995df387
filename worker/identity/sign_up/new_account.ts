// The account that a person makes behind a mailed link, which has proven the address, with the
// session in which it begins: by a sign-up, or by an invitation.
import { as, type Context } from '../../context.ts'
import type { KnownBrowsers } from '../known_browsers/known_browsers.ts'
import { judgeNewPassword, type PasswordFault } from '../new_passwords/new_password.ts'
import { startSession } from '../sessions.ts'
import type { UserRow } from '../store.ts'
import { rowOfUser } from '../users.ts'

/** Fields of the form, and the browser that sent it. */
export type NewAccountInput = {
  name: string | null
  password: string
  locale: string
  user_agent: string
  /** The session cookie that the browser has now: its session ends. */
  replaces: string | undefined
  browsers: KnownBrowsers
}

export type NewAccount =
  | { fault: PasswordFault }
  | { fault: null; row: UserRow; acting: Context; session: ReturnType<typeof startSession> }

/** Judges the password, and hashes it. Writes nothing. */
export async function newAccount(
  cx: Context,
  email: string,
  { name, password, locale, user_agent, replaces, browsers }: NewAccountInput,
): Promise<NewAccount> {
  const fault = await judgeNewPassword(cx, password, { email, has_factor: false })
  if (fault !== null) return { fault }
  const row = await rowOfUser(cx, { email, email_verified: true, name, password, locale })
  const acting = as(cx, { kind: 'user', id: row.id })
  const session = startSession(cx, {
    user_id: row.id,
    password: row.password,
    amr: ['pwd'],
    user_agent,
    replaces,
    browsers,
  })
  return { fault: null, row, acting, session }
}
