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
import {
  ADDRESS_LACKS,
  ADDRESS_TAKEN,
  demandAddressFree,
  demandUserNameFree,
  dropUnprovenOfOthers,
  insertLoginId,
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

const givenUserName = (
  cx: Context,
  user_id: string,
  value: string,
  when: Condition,
): readonly Statement[] => {
  const row = {
    id: randomId(cx, 'lid'),
    user_id,
    kind: 'user_name',
    key: userNameKey(value),
    form: 'current',
    value,
    verified_at: cx.now(),
    is_primary: 0,
    created_at: cx.now(),
  } as const
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
  const row = {
    id: randomId(cx, 'lid'),
    user_id,
    kind: 'email',
    key: emailKey(email),
    form: 'current',
    value: email,
    verified_at: email_verified === 1 ? cx.now() : null,
    is_primary: 1,
    created_at: cx.now(),
  } as const
  return [
    demandAddressFree(user_id, email, when),
    ...(email_verified === 1 ? dropUnprovenOfOthers(cx, user_id, email, when) : []),
    ...setPrimaryAddress(row, when),
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
