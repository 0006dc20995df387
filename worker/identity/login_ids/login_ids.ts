// Names by which people are known: e-mail addresses, user names, phones. An address belongs to
// whoever has proven it; one that is not proven is kept for an account, and keeps nobody else away.
// Owns the table `login_id` (login_id_store.ts), and repeats the primary address in `user`. Leaves
// how a name is looked up to access/named_users.ts, since rooms below look people up too.
import type { Context } from '../../context.ts'
import { randomId } from '../../crypto.ts'
import { BatchRefused, ConstraintViolation } from '../../db/database.ts'
import { type Condition, condition, type Statement } from '../../db/sql.ts'
import { emailKey } from '../../email_address.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { touchUser } from '../store.ts'
import {
  ADDRESS_LACKS,
  ADDRESS_TAKEN,
  addAddress,
  demandAddressFree,
  demandUserNameFree,
  dropUnprovenOfOthers,
  insertLoginId,
  type LoginIdRow,
  loginIdExists,
  NAME_TAKEN,
  proveAddress,
  setPrimaryAddress,
} from './login_id_store.ts'
import { userNameKey } from './user_names.ts'

/**
 * The names that a new user begins with: an address, a user name. One that another has undoes the
 * batch. `repeatPrimaryAddress` has to follow.
 */
export const firstNames = (
  cx: Context,
  user: { id: string; email: string; email_verified: number; user_name: string | null },
  when: Condition,
): readonly Statement[] => [
  ...(user.email === '' ? [] : primaryAddress(cx, user, when)),
  ...(user.user_name === null ? [] : givenUserName(cx, user.id, user.user_name, when)),
]

/** The row of a name that somebody gets, which mails do not go to. */
const newName = (
  cx: Context,
  name: { user_id: string; kind: 'email' | 'user_name'; value: string; is_proven: boolean },
): LoginIdRow => ({
  id: randomId(cx, 'lid'),
  user_id: name.user_id,
  kind: name.kind,
  key: name.kind === 'email' ? emailKey(name.value) : userNameKey(name.value),
  form: 'current',
  value: name.value,
  verified_at: name.is_proven ? cx.now() : null,
  is_primary: 0,
  created_at: cx.now(),
})

const givenUserName = (
  cx: Context,
  user_id: string,
  value: string,
  when: Condition,
): readonly Statement[] => {
  const row = newName(cx, { user_id, kind: 'user_name', value, is_proven: true })
  return [
    demandUserNameFree(user_id, value, when),
    insertLoginId(
      row,
      condition`${when} and not exists (select 1 from user where id = ${user_id})`,
    ),
  ]
}

/**
 * Gives the user this address as the primary one, where the condition holds. One that another
 * account has proven undoes the batch. `repeatPrimaryAddress` has to follow.
 */
export function primaryAddress(
  cx: Context,
  { id: user_id, email, email_verified }: { id: string; email: string; email_verified: number },
  when: Condition,
): readonly Statement[] {
  const is_proven = email_verified === 1
  const name = newName(cx, { user_id, kind: 'email', value: email, is_proven })
  const row = { ...name, is_primary: 1 }
  return [
    demandAddressFree(user_id, email, when),
    ...(email_verified === 1 ? dropUnprovenOfOthers(cx, user_id, email, when) : []),
    ...setPrimaryAddress(row, when),
  ]
}

/** Adds a proven address to the user, beside the primary one, where the condition holds. */
export function furtherAddress(
  cx: Context,
  { user_id, email }: { user_id: string; email: string },
  when: Condition,
): readonly Statement[] {
  const row = newName(cx, { user_id, kind: 'email', value: email, is_proven: true })
  return [
    demandAddressFree(user_id, email, when),
    ...dropUnprovenOfOthers(cx, user_id, email, when),
    ...addAddress(row, when),
    touchUser(user_id, cx.now(), when),
    appendEvent(
      cx,
      {
        type: 'user.login_id_added',
        subject_id: user_id,
        data: { login_id: row.id, kind: 'email' },
      },
      condition`${when} and ${loginIdExists(row.id)}`,
    ),
  ]
}

/**
 * The user has proven this address, where the condition holds: it is nobody else's from now on.
 */
export const addressProof = (
  cx: Context,
  { user_id, email, key }: { user_id: string; email: string; key: string },
  when: Condition,
): readonly Statement[] => [
  demandAddressFree(user_id, email, when),
  ...dropUnprovenOfOthers(cx, user_id, email, when),
  ...proveAddress(cx, { user_id, key }, when),
]

/** Whether a batch was undone since the user has no address. */
export const isAddressLacking = (error: unknown): boolean =>
  error instanceof BatchRefused && error.reason === ADDRESS_LACKS

/** Whether a batch was undone since another account has proven the address. */
export const isAddressTaken = (error: unknown): boolean =>
  (error instanceof BatchRefused && error.reason === ADDRESS_TAKEN) ||
  // Two batches at once, one of them of the previous program.
  (error instanceof ConstraintViolation && error.constraint === 'login_id.kind, login_id.key')

/** The answer to a write; throws Problem conflict where another user has the name. */
export async function orNameTaken<T>(write: Promise<T>): Promise<T> {
  try {
    return await write
  } catch (error) {
    if (isAddressTaken(error)) {
      throw new Problem('conflict', 'there is a user with this e-mail address', [
        { pointer: '/email', detail: 'another user has this address' },
      ])
    }
    if (error instanceof BatchRefused && error.reason === NAME_TAKEN) {
      throw new Problem('conflict', 'there is a user with this user name', [
        { pointer: '/user_name', detail: 'another user has this name' },
      ])
    }
    throw error
  }
}
