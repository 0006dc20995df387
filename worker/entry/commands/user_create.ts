// `allauth user create`: a person, with a role where one is named, and the way in: a link to a
// first password, which is mailed where mails go out, and printed where none do.
import { planGrant } from '../../access/grants.ts'
import { listRoles } from '../../access/roles.ts'
import type { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { BatchRefused } from '../../db/database.ts'
import { TRUE } from '../../db/sql.ts'
import { demandAddressUnknown } from '../../identity/login_ids/login_id_store.ts'
import { isAddressTaken } from '../../identity/login_ids/login_ids.ts'
import { createPasswordLink } from '../../identity/recovery.ts'
import { newUser, userCreation, userInput } from '../../identity/users.ts'
import { CannotStart } from '../cannot_start.ts'
import type { CommandAnswer } from './answer.ts'

type Options = {
  name?: string | undefined
  role?: string | undefined
  locale?: string | undefined
}

/** Round trips: 2 writes; a refusal reads what it names. */
export async function userCreate(
  cx: Context,
  email: string,
  { name, role, locale }: Options,
): Promise<CommandAnswer> {
  const judged = userInput.safeParse({ email, name, locale })
  if (!judged.success) throw new CannotStart(faultsIn(judged.error))
  const row = await newUser(cx, judged.data)
  const grant =
    role === undefined
      ? null
      : await planGrant(cx, { subject: row.id, role, object: '*' }, undefined)
  // One batch: a person without the role that was named would be half of what was asked.
  try {
    await cx.db.write([
      // Not even unproven at another account: nobody could tell the two apart by it.
      demandAddressUnknown(row.id, email, TRUE),
      ...userCreation(cx, row),
      ...(grant?.statements ?? []),
    ])
  } catch (error) {
    if (isAddressTaken(error)) {
      throw new CannotStart(
        `There is a user with the address ${email} already. A link to a new password: ` +
          `npm run allauth -- user reset ${email}`,
      )
    }
    // The role is all else that the batch demands.
    if (!(error instanceof BatchRefused)) throw error
    const names = await roleNames(cx)
    throw new CannotStart(`There is no role ${role}. There are: ${names.join(', ')}.`)
  }
  const send = cx.config.email.via !== 'outbox'
  const { url, mail_id, expires_at } = await createPasswordLink(cx, row.id, { send })
  return {
    text:
      url === null
        ? `${row.id} is created; a link to a first password is in the outbox as ${mail_id}, and goes to ${email}`
        : url,
    json: { user_id: row.id, url, mail_id, expires_at },
  }
}

/** As the shell has the values: `--name: ...`. */
const faultsIn = (error: z.ZodError): string =>
  error.issues
    .map(({ path, message }) => {
      const [member] = path
      return `${member === 'email' ? 'the address' : `--${String(member)}`}: ${message}`
    })
    .join('\n')

async function roleNames(cx: Context): Promise<string[]> {
  const { items } = await listRoles(cx, { limit: 200 })
  return items.map((one) => one.name)
}
