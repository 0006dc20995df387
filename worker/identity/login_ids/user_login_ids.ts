// The names of a user for operators: listing, adding, removing, and which address mails go to. A
// name that takes mails or signs in is power over the account, so nobody gives one to somebody who
// holds more.
import { assertNothingLacks, demandPower, lackingOver, nameLacks } from '../../access/power.ts'
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { randomId } from '../../crypto.ts'
import { unlessRefused } from '../../db/database.ts'
import { type Condition, condition, type Statement } from '../../db/sql.ts'
import { emailKey, emailSchema } from '../../email_address.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { findUserById, touchUser, type UserRow } from '../store.ts'
import { noSuchUser } from '../users.ts'
import {
  deleteLoginId,
  demandAddressFree,
  demandUserAt,
  demandUserNameFree,
  dropUnprovenOfOthers,
  insertLoginId,
  type LoginIdRow,
  listLoginIds,
  loginIdExists,
  makePrimary,
  NAME_TAKEN,
  NAMES_MAX,
  repeatPrimaryAddress,
  repeatUserName,
} from './login_id_store.ts'
import { isAddressTaken } from './login_ids.ts'
import { userNameKey, userNameSchema } from './user_names.ts'

const phoneSchema = z
  .string()
  .regex(/^\+[1-9][0-9]{6,14}$/, 'must be a phone number in the form of E.164')
  .openapi({ example: '+442071838750' })

export const loginIdInput = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('email'),
      value: emailSchema,
      verified: z
        .boolean()
        .optional()
        .describe(
          'whether you know that it is the person’s; others who have not proven it lose it',
        ),
    }),
    z.strictObject({ kind: z.literal('user_name'), value: userNameSchema }),
    z.strictObject({ kind: z.literal('phone'), value: phoneSchema }),
  ])
  .openapi('NewLoginId')

type LoginIdInput = z.infer<typeof loginIdInput>

export const loginIdSchema = z
  .object({
    id: z.string(),
    kind: z.enum(['email', 'user_name', 'phone']),
    value: z.string(),
    verified: z.boolean(),
    is_primary: z.boolean().describe('whether it is the address that mails go to'),
    collides: z
      .boolean()
      .describe('whether another account came to have this address; it takes no mails then'),
    created_at: z.int(),
  })
  .openapi('LoginId')

export const describeLoginId = (row: LoginIdRow): z.infer<typeof loginIdSchema> => ({
  id: row.id,
  kind: row.kind,
  value: row.value,
  verified: row.verified_at !== null,
  is_primary: row.is_primary === 1,
  collides: row.form === 'collides',
  created_at: row.created_at,
})

const noSuchName = () => new Problem('not_found', 'this user has no such name')

/** Throws Problem not_found. One round trip. */
export async function listUserLoginIds(cx: Context, id: string) {
  const { users, names } = await cx.db.read({ users: findUserById(id), names: listLoginIds(id) })
  if (users.length === 0) throw noSuchUser()
  return names.map(describeLoginId)
}

/** Reads the user with the names and asserts the actor's power. Throws Problem. One round trip. */
async function readNames(cx: Context, id: string, lacking: ReturnType<typeof lackingOver>) {
  const {
    users: [user],
    names,
    lacks,
  } = await cx.db.read({ users: findUserById(id), names: listLoginIds(id), lacks: lacking })
  assertNothingLacks(lacks)
  if (user === undefined) throw noSuchUser()
  return { user, names }
}

/** Sends the changes, with power and version demanded. Throws Problem forbidden, conflict. */
async function write(
  cx: Context,
  user: UserRow,
  lacking: ReturnType<typeof lackingOver>,
  changes: readonly Statement[],
  isDone: Condition,
): Promise<void> {
  const batch = nameLacks(cx, lacking, () =>
    cx.db.write([
      ...demandPower(lacking),
      demandUserAt(user, isDone),
      ...changes,
      touchUser(user.id, cx.now(), condition`version = ${user.version}`),
    ]),
  )
  const answer = batch.catch((error: unknown) => {
    if (isAddressTaken(error)) throw nameTaken()
    throw error
  })
  await unlessRefused(answer, (reason) => {
    if (reason === NAME_TAKEN) throw nameTaken()
    throw new Problem('conflict', 'the user is being changed by others; try again')
  })
}

const nameTaken = () =>
  new Problem('conflict', 'there is a user with this name', [
    { pointer: '/value', detail: 'another user has this name' },
  ])

/** Adds a name. Throws Problem not_found, forbidden, conflict. Round trips: 1 read, 1 write. */
export async function addUserLoginId(
  cx: Context,
  user_id: string,
  input: LoginIdInput,
): Promise<z.infer<typeof loginIdSchema>> {
  const lacking = lackingOver(cx, user_id)
  const { user, names } = await readNames(cx, user_id, lacking)
  const { kind, value } = input
  const verified = kind === 'email' ? input.verified === true : kind === 'user_name'
  const row: LoginIdRow = {
    id: randomId(cx, 'lid'),
    user_id,
    kind,
    key: kind === 'email' ? emailKey(value) : kind === 'user_name' ? userNameKey(value) : value,
    form: 'current',
    value,
    verified_at: verified ? cx.now() : null,
    // The first address is the one that mails go to.
    is_primary: kind === 'email' && user.email === '' ? 1 : 0,
    created_at: cx.now(),
  }
  if (names.some((name) => name.kind === kind && name.key === row.key)) {
    throw new Problem('conflict', 'the user has this name already')
  }
  if (kind === 'user_name' && user.user_name !== null) {
    throw new Problem('conflict', 'the user has a user name; remove it first')
  }
  if (names.length >= NAMES_MAX) throw new Problem('conflict', `a user has ${NAMES_MAX} names`)
  const isThere = loginIdExists(row.id)
  const changes = [
    ...(kind === 'email' && (verified || row.is_primary === 1)
      ? [demandAddressFree(user_id, value)]
      : []),
    ...(kind === 'user_name' ? [demandUserNameFree(user_id, value)] : []),
    insertLoginId(row),
    ...(kind === 'email' && verified ? dropUnprovenOfOthers(cx, user_id, value) : []),
    ...(row.is_primary === 1
      ? [repeatPrimaryAddress({ id: user_id, email: value, email_verified: verified ? 1 : 0 })]
      : []),
    ...(kind === 'user_name' ? [repeatUserName(user_id, value)] : []),
    appendEvent(cx, {
      type: 'user.login_id_added',
      subject_id: user_id,
      data: { login_id: row.id, kind },
    }),
  ]
  await write(cx, user, lacking, changes, isThere)
  return describeLoginId(row)
}

/** Removes a name. Throws Problem not_found, forbidden, conflict. Round trips: 1 read, 1 write. */
export async function removeUserLoginId(
  cx: Context,
  user_id: string,
  login_id: string,
): Promise<void> {
  const lacking = lackingOver(cx, user_id)
  const { user, names } = await readNames(cx, user_id, lacking)
  const row = names.find(({ id }) => id === login_id)
  if (row === undefined) throw noSuchName()
  const others = names.filter(({ id }) => id !== login_id)
  if (row.kind !== 'phone' && !others.some(({ kind }) => kind !== 'phone')) {
    throw new Problem('conflict', 'this is the last name by which the user can sign in')
  }
  if (row.is_primary === 1 && others.some(({ kind }) => kind === 'email')) {
    throw new Problem('conflict', 'mails go to this address; make another one primary first')
  }
  const changes = [
    deleteLoginId(user_id, login_id),
    ...(row.is_primary === 1
      ? [repeatPrimaryAddress({ id: user_id, email: '', email_verified: 0 })]
      : []),
    ...(row.kind === 'user_name' ? [repeatUserName(user_id, null)] : []),
    appendEvent(cx, {
      type: 'user.login_id_removed',
      subject_id: user_id,
      data: { login_id, kind: row.kind },
    }),
  ]
  await write(cx, user, lacking, changes, condition`not ${loginIdExists(login_id)}`)
}

/**
 * Makes an address of the user the one that mails go to. Throws Problem not_found, forbidden,
 * conflict. Round trips: 1 read, 1 write.
 */
export async function makeUserLoginIdPrimary(
  cx: Context,
  user_id: string,
  login_id: string,
): Promise<z.infer<typeof loginIdSchema>> {
  const lacking = lackingOver(cx, user_id)
  const { user, names } = await readNames(cx, user_id, lacking)
  const row = names.find(({ id }) => id === login_id)
  if (row === undefined) throw noSuchName()
  if (row.kind !== 'email') throw new Problem('conflict', 'mails go to an address alone')
  const done = { ...row, is_primary: 1 }
  if (row.is_primary === 1) return describeLoginId(row)
  await write(
    cx,
    user,
    lacking,
    primaryChange(cx, user, row),
    condition`exists (select 1 from login_id where id = ${login_id} and is_primary = 1)`,
  )
  return describeLoginId(done)
}

/** The statements that make one of the user's addresses the primary one, with the event. */
export const primaryChange = (
  cx: Context,
  { id: user_id, email }: Pick<UserRow, 'id' | 'email'>,
  row: LoginIdRow,
): readonly Statement[] => {
  const email_verified = row.verified_at === null ? 0 : 1
  return [
    demandAddressFree(user_id, row.value),
    ...makePrimary(row),
    repeatPrimaryAddress({ id: user_id, email: row.value, email_verified }),
    appendEvent(cx, {
      type: 'user.updated',
      subject_id: user_id,
      data: { fields: ['email', 'email_verified'] },
      before: { email: email === '' ? null : email },
      after: { email: row.value, email_verified: email_verified === 1 },
    }),
  ]
}
