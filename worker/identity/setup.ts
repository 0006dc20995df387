// Makes the first operator: through a one-time link that a fresh system prints, or from ADMIN_EMAIL
// and ADMIN_PASSWORD. Both ways are closed while there is an operator (access/operator_store.ts),
// and neither promotes an account that is there.

import { grantCreation } from '../access/grants.ts'
import { operatorExists } from '../access/operator_store.ts'
import { firstRoles } from '../access/places/owner_role.ts'
import { fieldErrors } from '../api.ts'
import type { Context } from '../context.ts'
import { randomToken, sha256 } from '../crypto.ts'
import { condition, type Statement, sql } from '../db/sql.ts'
import { Problem } from '../errors.ts'
import type { KnownBrowsers } from './known_browsers/known_browsers.ts'
import { demandAddressUnknown, findUserByAddress } from './login_ids/login_id_store.ts'
import { isAddressTaken } from './login_ids/login_ids.ts'
import {
  judgeNewPassword,
  type PasswordFault,
  passwordFaultText,
} from './new_passwords/new_password.ts'
import { type SessionCookies, startSession } from './sessions.ts'
import {
  consumeSetupLink,
  deleteOldSetupLinks,
  findSetupLink,
  insertSetupLink,
  setupLinkIsMine,
} from './store.ts'
import { rowOfUser, userCreation, userInput } from './users.ts'

/** Lifetime of a set-up link, in seconds. */
const LINK_TTL = 3600

const UNACCEPTABLE = 'ADMIN_EMAIL or ADMIN_PASSWORD is not acceptable'

/**
 * Makes a set-up link and answers its URL; null when an operator exists. Only its hash is kept. The
 * first roles come with it: a blueprint may be applied before the link is opened.
 */
export async function createSetupLink(cx: Context): Promise<string | null> {
  const token = randomToken(cx)
  const hash = sha256(token)
  const { made } = await cx.db.write({
    changes: [
      deleteOldSetupLinks(cx),
      insertSetupLink(cx, hash, LINK_TTL),
      ...firstRoles(cx, condition`exists (select 1 from setup_link where hash = ${hash})`),
    ],
    made: findSetupLink(cx, hash),
  })
  return made.length === 0 ? null : `${cx.config.issuer}/setup?token=${token}`
}

/** True while the link can be redeemed. */
export async function isSetupLinkGood(cx: Context, token: string): Promise<boolean> {
  const rows = await cx.db.read(findSetupLink(cx, sha256(token)))
  return rows.length === 1
}

export type Redemption =
  | { outcome: 'redeemed'; cookies: SessionCookies }
  | { outcome: 'dead' }
  | { outcome: 'email_taken' }
  | { outcome: 'refused'; fault: PasswordFault }

/**
 * Makes the first operator and signs the person in. One batch: of any number of parallel
 * redemptions only one makes an operator. The rules of `userInput` hold for e-mail and password.
 * Database round trips: 2.
 */
export async function redeemSetupLink(
  cx: Context,
  form: {
    token: string
    email: string
    password: string
    user_agent: string
    replaces: string | undefined
    browsers: KnownBrowsers
  },
): Promise<Redemption> {
  // Stands before the hash: a caller without a link causes no work.
  if (!(await isSetupLinkGood(cx, form.token))) return { outcome: 'dead' }
  const { email, password } = form
  const fault = await judgeNewPassword(cx, password, { email, has_factor: false })
  if (fault !== null) return { outcome: 'refused', fault }
  const hash = sha256(form.token)
  const row = await rowOfUser(cx, { email, password })
  const session = startSession(cx, {
    user_id: row.id,
    password: row.password,
    amr: ['pwd'],
    user_agent: form.user_agent,
    replaces: form.replaces,
    browsers: form.browsers,
  })
  try {
    const { started } = await cx.db.write({
      link: consumeSetupLink(cx, hash),
      // Not even unproven at another account: it would be asked for in the place of this one.
      free: demandAddressUnknown(row.id, form.email, setupLinkIsMine(cx, hash)),
      user: userCreation(cx, row, setupLinkIsMine(cx, hash)),
      grant: operatorGrant(cx, row.id),
      session: session.statements,
      started: session.started,
    })
    return started.length === 1
      ? { outcome: 'redeemed', cookies: session.cookiesOf(started) }
      : { outcome: 'dead' }
  } catch (error) {
    // The batch is undone as a whole, so the link can still be redeemed.
    if (isAddressTaken(error)) return { outcome: 'email_taken' }
    throw error
  }
}

/**
 * Makes the operator that the environment names, unless there is one already. Answers whether it
 * did. An account that exists stays as it is: a restart undoes nothing. `hasOwnRoles`: a blueprint
 * follows, which says which roles there are. Throws Problem invalid_request.
 */
export async function ensureFirstOperator(
  cx: Context,
  email: string,
  password: string,
  hasOwnRoles = false,
): Promise<boolean> {
  const input = userInput.safeParse({ email, password, email_verified: true })
  if (!input.success) {
    throw new Problem('invalid_request', UNACCEPTABLE, fieldErrors(input.error))
  }
  const {
    operators,
    account: [account],
  } = await cx.db.read({
    operators: sql<{ found: number }>`select ${operatorExists(cx.now())} as found`,
    account: findUserByAddress(input.data.email),
  })
  if (operators[0]?.found === 1) return false
  if (account !== undefined) {
    cx.log('warn', 'there is no operator, and ADMIN_EMAIL names a user who is none', {
      user_id: account.id,
    })
    return false
  }
  const fault = await judgeNewPassword(cx, password, { email, has_factor: false })
  if (fault !== null) {
    throw new Problem('invalid_request', UNACCEPTABLE, [
      { pointer: '/password', detail: passwordFaultText(fault) },
    ])
  }
  const row = await rowOfUser(cx, input.data)
  try {
    const { made } = await cx.db.write({
      user: userCreation(cx, row, condition`not ${operatorExists(cx.now())}`),
      grant: operatorGrant(cx, row.id),
      roles: hasOwnRoles
        ? []
        : firstRoles(cx, condition`exists (select 1 from user where id = ${row.id})`),
      made: sql<{ id: string }>`select id from user where id = ${row.id}`,
    })
    return made.length === 1
  } catch (error) {
    if (isAddressTaken(error)) return false // another instance was quicker
    throw error
  }
}

// The batch looks the subject up when it runs: without the user there is no grant.
const operatorGrant = (cx: Context, user_id: string): readonly Statement[] =>
  grantCreation(cx, { subject: user_id, role: 'operator', object: '*' })
