// People with a password. Hashing one takes longer than many a test, so each password is hashed
// once, with the parameters of the product; tests about hashing make their people through the use
// case alone.
import type { Context } from '../../worker/context.ts'
import { sql } from '../../worker/db/sql.ts'
import { hashPassword } from '../../worker/identity/passwords.ts'
import { createUser, type NewUserInput } from '../../worker/identity/users.ts'

const hashes = new Map<string, Promise<string>>()

/** Creates a user whose password signs in. */
export async function createPerson(
  cx: Context,
  { password, ...input }: NewUserInput & { password: string },
) {
  const known = hashes.get(password) ?? hashPassword(cx, password)
  hashes.set(password, known)
  const user = await createUser(cx, input)
  const hash = await known
  await cx.db.write(sql`update user set password = ${hash} where id = ${user.id}`)
  return { ...user, password: hash }
}

export const ANN = 'ann@example.com'

export const PASSWORD = 'correct horse battery staple'
