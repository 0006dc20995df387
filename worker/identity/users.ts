// Accounts of people: schema, creation, change and end. Rights are in access/; proofs of identity
// are in login.ts and passwords.ts.

import {
  assertNothingLacks,
  demandOperatorLeft,
  demandPower,
  lackingOver,
  lastOperator,
  leavesAnOperator,
} from '../access/power.ts'
import { demandFreeId, idSchema, insertPrincipal, principalIsMine } from '../access/principals.ts'
import { isWithinReach } from '../access/reach/reach.ts'
import { lineSchema, type Plan, z } from '../api.ts'
import type { Context } from '../context.ts'
import { randomId } from '../crypto.ts'
import { unlessRefused } from '../db/database.ts'
import { type Condition, condition, type Statement, sql, TRUE } from '../db/sql.ts'
import { emailKey, emailSchema, formerEmailKey } from '../email_address.ts'
import { Problem } from '../errors.ts'
import { appendEvent, changedValues } from '../events.ts'
import { loadSettings, type Settings } from '../settings.ts'
import { noteClosing } from './closing/closing_mail.ts'
import { endOpenWays, userRemoval } from './closing/closing_store.ts'
import { repeatPrimaryAddress } from './login_ids/login_id_store.ts'
import { firstNames, orNameTaken, primaryAddress } from './login_ids/login_ids.ts'
import { userNameKey, userNameSchema } from './login_ids/user_names.ts'
import { sendMails } from './mail/mails.ts'
import { metadataSchema, writeMetadata } from './metadata.ts'
import { assertGoodPassword, passwordInput } from './new_passwords/new_password.ts'
import { hashPassword } from './passwords.ts'
import {
  type Profile,
  profileFaults,
  profilePatch,
  profileSchema,
  readProfile,
  withProfile,
  writeProfile,
} from './profile.ts'
import { type EndAccess, endSessionsOf } from './sessions.ts'
import {
  demandUserBefore,
  demandUserVersion,
  findUserById,
  insertUser,
  type UserRow,
  updateUser,
  userExists,
  userIs,
} from './store.ts'

export { findUserById, type UserRow }

const DAY = 86_400

const fields = {
  email: emailSchema,
  email_verified: z.boolean(),
  name: lineSchema(200),
  locale: z.string().regex(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$/, 'must be a language tag'),
  status: z.enum(['active', 'disabled']),
  must_change_password: z
    .boolean()
    .describe('whether the person has to set another password before going on'),
  metadata: metadataSchema,
}

/** A state of an account. `closed`: it is deleted at `closes_at`, unless its person keeps it. */
export const statusSchema = z.enum(['active', 'disabled', 'closed'])

/** A new user with an address. */
export const userInput = z.strictObject({
  id: idSchema.optional(),
  email: fields.email,
  email_verified: fields.email_verified.optional(),
  name: fields.name.nullish(),
  locale: fields.locale.nullish(),
  password: passwordInput.optional(),
  status: fields.status.optional(),
  must_change_password: fields.must_change_password.optional(),
  metadata: fields.metadata.optional(),
  profile: profileSchema.optional(),
})

const named = userInput.extend({
  email: fields.email.optional(),
  user_name: userNameSchema.optional(),
})

const hasName = ({ email, user_name }: z.infer<typeof named>): boolean =>
  email !== undefined || user_name !== undefined

const NAME_LACKS = { path: ['email'], message: 'is needed where there is no user_name' }

/** The body of a create request: with an address, a user name, or both. */
export const newUserInput = named.refine(hasName, NAME_LACKS).openapi('NewUser')

/** An entry of the blueprint, likewise, with the groups of the user. */
export const userEntry = named
  .extend({ groups: z.array(idSchema).max(100).optional() })
  .refine(hasName, NAME_LACKS)

/** A merge patch. Without a password: operators start a reset of a password and never set one. */
export const userPatch = z
  .strictObject({
    email: fields.email.optional(),
    email_verified: fields.email_verified.optional(),
    name: fields.name.nullish(),
    locale: fields.locale.nullish(),
    status: statusSchema.optional(),
    must_change_password: fields.must_change_password.optional(),
    metadata: fields.metadata.optional(),
    profile: profilePatch.optional(),
  })
  .openapi('UserPatch')

export const userSchema = z
  .object({
    id: z.string(),
    email: z.string().nullable().describe('the address that mails go to'),
    email_verified: z.boolean(),
    user_name: z.string().nullable(),
    last_sign_in_at: z.int().nullable(),
    name: z.string().nullable(),
    locale: z.string().nullable(),
    status: statusSchema,
    closes_at: z.int().nullable().describe('when a closed account is deleted; else null'),
    must_change_password: z.boolean(),
    metadata: z.record(z.string(), z.unknown()),
    profile: profileSchema,
    created_at: z.int(),
    updated_at: z.int(),
  })
  .openapi('User')

export type User = z.infer<typeof userSchema>
export type UserInput = z.infer<typeof userInput>
export type NewUserInput = z.infer<typeof newUserInput>
export type UserPatch = z.infer<typeof userPatch>

/**
 * The user as the API shows it: without the password hash and without anything that could become
 * one.
 */
export const describeUser = (row: UserRow): User => ({
  id: row.id,
  email: row.email === '' ? null : row.email,
  email_verified: row.email_verified === 1,
  user_name: row.user_name,
  last_sign_in_at: row.last_sign_in_at,
  name: row.name,
  locale: row.locale,
  status: row.status,
  closes_at: row.closes_at,
  must_change_password: row.must_change_password === 1,
  metadata: JSON.parse(row.metadata),
  profile: readProfile(row.profile),
  created_at: row.created_at,
  updated_at: row.updated_at,
})

/**
 * The user as its caller sees it. Whoever reaches some places alone sees how the people there are
 * called and whether they may act, and nothing of their profile or of what operators keep.
 */
export const showUser = ({ actor }: Context, row: UserRow): User => ({
  ...describeUser(row),
  ...(actor.reach === undefined
    ? {}
    : {
        last_sign_in_at: null,
        closes_at: null,
        must_change_password: false,
        metadata: {},
        profile: {},
      }),
})

/** True when the person may sign in and get tokens. */
export const isUsable = (row: Pick<UserRow, 'status'>): boolean => row.status === 'active'

/**
 * The row of a new user; hashes the password. Throws Problem for a password that this account may
 * not have. `coming`: the settings that this batch makes.
 */
export async function newUser(
  cx: Context,
  input: NewUserInput,
  coming?: Settings,
): Promise<UserRow> {
  await assertGoodPassword(cx, input, coming)
  return rowOfUser(cx, input)
}

/** The row of a new user whose password was judged; hashes it. Throws Problem for the profile. */
export async function rowOfUser(cx: Context, input: NewUserInput): Promise<UserRow> {
  const now = cx.now()
  return {
    id: input.id ?? randomId(cx, 'usr'),
    email: input.email ?? '',
    email_key: formerEmailKey(input.email ?? ''),
    user_name: input.user_name ?? null,
    last_sign_in_at: null,
    email_verified: input.email_verified === true && input.email !== undefined ? 1 : 0,
    name: input.name ?? null,
    locale: input.locale ?? null,
    password: input.password === undefined ? null : await hashPassword(cx, input.password),
    status: input.status ?? 'active',
    closes_at: null,
    must_change_password: input.must_change_password === true ? 1 : 0,
    metadata: JSON.stringify(input.metadata ?? {}),
    profile: writeProfile(consistent(input.profile ?? {})),
    created_at: now,
    updated_at: now,
    version: 1,
    epoch: 0,
  }
}

/**
 * Principal, user with its address, and event. `when` makes the user depend on earlier statements
 * of the batch. An address that another account has proven undoes the batch (`isAddressTaken`).
 */
export const userCreation = (cx: Context, row: UserRow, when?: Condition): readonly Statement[] => {
  const mine = principalIsMine(cx, row.id)
  return [
    insertPrincipal(cx, row.id, 'user', when),
    ...firstNames(cx, row, mine),
    insertUser(cx, row),
    repeatPrimaryAddress(row, mine),
    appendEvent(cx, { type: 'user.created', subject_id: row.id }, mine),
  ]
}

/** Plans an entry, under the settings to come. A password counts at creation only. */
export async function planUser(
  cx: Context,
  input: NewUserInput,
  current: UserRow | undefined,
  coming?: Settings,
): Promise<Plan> {
  if (current === undefined) {
    const row = await newUser(cx, input, coming)
    const names = Object.keys(input).filter((name) => name !== 'password')
    const statements = [demandFreeId(cx, row.id), ...userCreation(cx, row)]
    return { change: 'created', fields: names, statements }
  }
  if (input.id !== undefined && input.id !== current.id) {
    throw new Problem('conflict', 'the account with this name has another id', [
      { pointer: '/id', detail: 'an id cannot be changed' },
    ])
  }
  const { id: _id, password: _password, user_name, ...patch } = input
  if (user_name !== undefined && userNameKey(user_name) !== userNameKey(current.user_name ?? '')) {
    throw new Problem('conflict', 'the account has another user name', [
      { pointer: '/user_name', detail: 'change it at /v1/users/{id}/login_ids' },
    ])
  }
  const { row, changed } = applyPatch(cx, current, patch, 'replace')
  if (changed.length === 0) return { change: 'unchanged', fields: [], statements: [] }
  return { change: 'updated', fields: changed, statements: userChange(cx, current, row, changed) }
}

const notActive = () =>
  new Problem('conflict', 'only an active account is closed: enable it first, or delete it', [
    { pointer: '/status', detail: 'the account is not active' },
  ])

export const noSuchUser = () => new Problem('not_found', 'there is no such user')

/** Throws Problem not_found. */
export async function getUser(cx: Context, id: string): Promise<UserRow> {
  const [row] = await cx.db.read(findUserById(id, isWithinReach(cx, id)))
  if (row === undefined) throw noSuchUser()
  return row
}

/** Creates a user. Throws Problem conflict when the id or the e-mail address is taken. */
export async function createUser(cx: Context, input: NewUserInput): Promise<UserRow> {
  const row = await newUser(cx, input)
  const write = cx.db.write([demandFreeId(cx, row.id), ...userCreation(cx, row)])
  await unlessRefused(orNameTaken(write), () => {
    throw new Problem('conflict', 'this id is taken, or was', [
      { pointer: '/id', detail: 'choose another id, or leave it out' },
    ])
  })
  return row
}

/**
 * Changes a user. `demanded` is the version that the caller saw, or null. Disabling ends all
 * sessions. Throws Problem not_found, forbidden, precondition_failed, conflict. Round trips: 1
 * read, 1 write; again when others write at the same time.
 */
export async function changeUser(
  cx: Context,
  id: string,
  patch: UserPatch,
  demanded: number | null,
): Promise<UserRow> {
  const over = standingOver(cx, id)
  return whileOthersWrite(cx, id, demanded, over, async (current, remains) => {
    const { row, changed } = applyPatch(cx, current, patch, 'merge')
    if (changed.length === 0) return current
    const closes = changed.includes('status') && row.status === 'closed'
    if (closes) {
      // Else a person who was stopped could come back by keeping the account.
      if (!isUsable(current)) throw notActive()
      row.closes_at = cx.now() + (await loadSettings(cx)).closing_grace * DAY
      changed.push('closes_at')
    }
    const disables = changed.includes('status') && !isUsable(row)
    if (disables && !remains) throw lastOperator()
    const write = cx.db.write([
      ...demandPower(over.lacking),
      ...(disables ? [demandOperatorLeft(userIs(row), over.remains)] : []),
      ...userChange(cx, current, row, changed),
      ...(closes ? [...endOpenWays(cx, id, userIs(row)), ...(await noteClosing(cx, row))] : []),
    ])
    return unlessRefused(
      orNameTaken(write).then(() => {
        if (closes) sendMails(cx)
        return row
      }),
      () => null,
    )
  })
}

/** Deletes a user: the row and the sessions go, the id stays taken. */
export async function removeUser(
  cx: Context,
  id: string,
  demanded: number | null,
  endAccess?: EndAccess,
): Promise<void> {
  const over = standingOver(cx, id)
  await whileOthersWrite(cx, id, demanded, over, async (current, remains) => {
    if (!remains) throw lastOperator()
    const isGone = condition`not ${userExists(id)}`
    const write = cx.db.write([
      demandUserVersion(id, current.version),
      ...demandPower(over.lacking),
      demandOperatorLeft(isGone, over.remains),
      ...userRemoval(cx, id, endAccess),
    ])
    return unlessRefused(
      write.then(() => current),
      () => null,
    )
  })
}

/** Parts on which a change of a user depends: the actor's power, and that an operator remains. */
const standingOver = (cx: Context, id: string) => ({
  lacking: lackingOver(cx, id),
  remains: leavesAnOperator(cx.now(), { user: id }),
})

const ATTEMPTS = 3

/**
 * Reads, lets `write` try, and reads again when another writer was quicker (`write` answers null).
 */
async function whileOthersWrite(
  cx: Context,
  id: string,
  demanded: number | null,
  { lacking, remains }: ReturnType<typeof standingOver>,
  write: (current: UserRow, remains: boolean) => Promise<UserRow | null>,
): Promise<UserRow> {
  for (let i = 0; i < ATTEMPTS; i++) {
    const {
      user: [current],
      lacks,
      state: [state],
    } = await cx.db.read({
      user: findUserById(id),
      lacks: lacking,
      state: sql<{ remains: number }>`select ${remains} as remains`,
    })
    assertNothingLacks(lacks)
    if (current === undefined) throw noSuchUser()
    if (demanded !== null && demanded !== current.version) break
    const row = await write(current, state?.remains === 1)
    if (row !== null) return row
  }
  if (demanded !== null) {
    throw new Problem('precondition_failed', 'the user was changed since this version')
  }
  throw new Problem('conflict', 'the user is being changed by others; try again')
}

export const userChange = (
  cx: Context,
  current: UserRow,
  row: UserRow,
  changed: readonly string[],
): readonly Statement[] => [
  demandUserBefore(row),
  appendEvent(cx, {
    type: 'user.updated',
    subject_id: row.id,
    data: { fields: changed, ...(changed.includes('status') ? { status: row.status } : {}) },
    ...changedValues(describeUser(current), describeUser(row), changed),
  }),
  updateUser(row),
  ...(changed.includes('email') || changed.includes('email_verified')
    ? [...primaryAddress(cx, row, TRUE), repeatPrimaryAddress(row)]
    : []),
  ...(isUsable(row) ? [] : endSessionsOf(row.id)),
]

const MEMBERS = [
  'email',
  'email_verified',
  'name',
  'locale',
  'status',
  'closes_at',
  'must_change_password',
  'metadata',
  'profile',
] as const

/** The row after the patch, and the names of the changed members. */
export function applyPatch(
  cx: Context,
  current: UserRow,
  patch: UserPatch,
  how: 'merge' | 'replace',
): { row: UserRow; changed: string[] } {
  const row: UserRow = { ...current }
  if (patch.email !== undefined && patch.email !== current.email) {
    row.email = patch.email
    row.email_key = formerEmailKey(patch.email)
    // Only the old address was verified.
    if (emailKey(patch.email) !== emailKey(current.email)) row.email_verified = 0
  }
  if (patch.email_verified !== undefined) row.email_verified = patch.email_verified ? 1 : 0
  if (patch.name !== undefined) row.name = patch.name
  if (patch.locale !== undefined) row.locale = patch.locale
  if (patch.status !== undefined) row.status = patch.status
  if (row.status !== 'closed') row.closes_at = null
  if (patch.must_change_password !== undefined) {
    row.must_change_password = patch.must_change_password ? 1 : 0
  }
  if (patch.metadata !== undefined) {
    row.metadata = writeMetadata(current.metadata, patch.metadata, how)
  }
  if (patch.profile !== undefined) {
    const before = how === 'merge' ? current.profile : '{}'
    row.profile = writeProfile(consistent(withProfile(before, patch.profile)))
  }
  const changed = MEMBERS.filter((name) => row[name] !== current[name])
  if (changed.length > 0) {
    row.version = current.version + 1
    row.updated_at = cx.now()
  }
  return { row, changed }
}

/** Answers the profile. Throws Problem for members that contradict each other. */
function consistent(profile: Profile): Profile {
  const errors = profileFaults(profile)
  if (errors.length > 0) throw new Problem('invalid_request', 'the profile cannot be so', errors)
  return profile
}
