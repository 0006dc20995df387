// The list of users for operators: all, or those that a search and filters find.
import { idSchema } from '../../access/principals.ts'
import { assertEverywhere } from '../../access/reach/reach.ts'
import { decodeCursor, listQuery, type PageOf, pageOf, z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { emailSchema } from '../../email_address.ts'
import { showUser, statusSchema, type User } from '../users.ts'
import { listUsersAfter } from './user_search_store.ts'

const factorKind = z.enum(['totp', 'passkey', 'any'])
const time = z.coerce.number().int().min(0).max(253_402_300_799)

export const usersQuery = listQuery.extend({
  search: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe(
      'beginnings of words of name, addresses, user name, phones and metadata; all of them',
    ),
  email: emailSchema.optional().describe('an address of the user, proven or not'),
  user_name: z.string().min(1).max(64).optional(),
  status: statusSchema.optional(),
  group: idSchema.optional().describe('a group of which the user is a member'),
  has_factor: factorKind.optional(),
  lacks_factor: factorKind.optional(),
  lacks_consent: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe('key of a consent that the user has not given as it is demanded by now'),
  signed_in_before: time
    .optional()
    .describe('epoch seconds; finds those who never signed in as well'),
  signed_in_after: time.optional().describe('epoch seconds, at this time or later'),
  address_collides: z
    .enum(['true'])
    .optional()
    .describe('those whose address another account came to have'),
})

/** Throws Problem for a forged cursor. One round trip. */
export async function listUsers(
  cx: Context,
  { limit, cursor, ...filter }: z.output<typeof usersQuery>,
): Promise<PageOf<User>> {
  const { email: _email, user_name: _name, status: _status, group: _group, ...others } = filter
  for (const [name, value] of Object.entries(others)) {
    // The answer would tell what is not shown.
    if (value !== undefined) assertEverywhere(cx, `/${name}`, 'is asked by who reaches everything')
  }
  const after = decodeCursor(cx, 'users', cursor)
  const rows = await cx.db.read(listUsersAfter(cx, after, limit, filter))
  return pageOf(
    cx,
    'users',
    rows,
    limit,
    (row) => row.id,
    (row) => showUser(cx, row),
  )
}
