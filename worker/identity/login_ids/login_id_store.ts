// The table `login_id`, and the columns of `user` that repeat the primary address for the previous
// program. Statements, no rules. Those of `user` stand behind those of `login_id`: then the
// triggers that follow the previous program find nothing to do.
import {
  addressForms,
  findAddressToMail,
  isAddress,
  userWithAddress,
} from '../../access/named_users.ts'
import type { Context } from '../../context.ts'
import { login_id } from '../../db/people_schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  list,
  refuseUnless,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../../db/sql.ts'
import { emailKey, formerEmailKey } from '../../email_address.ts'
import { appendEventOfEach } from '../../events.ts'
import type { UserRow } from '../store.ts'
import { userNameKey } from './user_names.ts'

/** Most names of a user. */
export const NAMES_MAX = 20

export type LoginIdRow = typeof login_id.$inferSelect

/** The reason of `demandAddressFree`. */
export const ADDRESS_TAKEN = 'address_taken'
/** The reason of `demandAddress`. */
export const ADDRESS_LACKS = 'address_lacks'
/** The reason of `demandUserNameFree`. */
export const NAME_TAKEN = 'name_taken'

// --- finding ----------------------------------------------------------------------------------

export const findUserByAddress = (email: string): Statement<UserRow> =>
  sql`select * from user where id = ${userWithAddress(addressForms(email))}`

/** A user, with the name by which it was found. */
export type NamedUser = UserRow & {
  login_id: string
  login_key: string
  login_verified_at: number | null
}

const NAMED = sql<never>`user.*, named.id as login_id, named.key as login_key,
  named.verified_at as login_verified_at`

/**
 * The user to whom mails about this address go. Nobody where two accounts came to have it: they are
 * left to passwords.
 */
export const findUserToMail = (email: string): Statement<NamedUser> =>
  sql`select ${NAMED} from (${findAddressToMail(addressForms(email))}) named
    join user on user.id = named.user_id`

/** The user with this id, a scalar, and whether a second factor is there. */
export const findUserToSignIn = (id: Scalar): Statement<UserRow & { has_factor: number }> =>
  sql`select user.*, exists (select 1 from factor where user_id = user.id) as has_factor
    from user where id = ${id}`

/** The users with these addresses, each with the former key of its address in the list. */
export const findUsersByAddresses = (
  emails: readonly string[],
): Statement<UserRow & { named_key: string }> => {
  const forms = JSON.stringify(emails.map((email) => [emailKey(email), formerEmailKey(email)]))
  const wanted = { key: scalar`k.value ->> 0`, former: scalar`k.value ->> 1` }
  return sql`select user.*, k.value ->> 1 as named_key from json_each(${forms}) k
    join user on user.id = ${userWithAddress(wanted)}`
}

/** The users with these user names, each with the key of its name. */
export const findUsersByUserNames = (
  names: readonly string[],
): Statement<UserRow & { named_key: string }> =>
  sql`select user.*, named.key as named_key from login_id named
    join user on user.id = named.user_id
    where named.kind = 'user_name' and named.key in (${list(names.map(userNameKey))})`

/** The names of a user: addresses first, the primary one before all others. */
export const listLoginIds = (user_id: string): Statement<LoginIdRow> =>
  sql`select * from login_id where user_id = ${user_id}
    order by is_primary desc, kind, created_at, id`

/** A condition: the name is there. */
export const loginIdExists = (id: string): Condition =>
  condition`exists (select 1 from login_id where id = ${id})`

/**
 * The id of the user who signs in with what was typed, or null. No user name has an `@`, and each
 * address has one.
 */
export function userSigningIn(name: string, kinds: readonly LoginIdRow['kind'][]): Scalar {
  const kind = name.includes('@') ? 'email' : 'user_name'
  if (!kinds.includes(kind)) return scalar`null`
  return kind === 'email'
    ? userWithAddress(addressForms(name))
    : scalar`(select user_id from login_id where kind = 'user_name' and key = ${userNameKey(name)})`
}

// --- rewriting keys ---------------------------------------------------------------------------

/** Addresses whose key is of the former form, some at a time. */
export const listFormerAddresses = (limit: number): Statement<LoginIdRow> =>
  sql`select * from login_id where form <> 'current' and form = 'former' order by id limit ${limit}`

/** Addresses that two accounts came to have. */
export const listCollisions = (limit: number): Statement<LoginIdRow> =>
  sql`select * from login_id where form <> 'current' and form = 'collides'
    order by id limit ${limit}`

export const listAddressesByKeys = (keys: readonly string[]): Statement<LoginIdRow> =>
  sql`select * from login_id where kind = 'email' and key in (${list(keys)})`

/** A condition: the row stands as it was read. */
const isAsRead = ({ id, key, form }: LoginIdRow): Condition =>
  condition`login_id.id = ${id} and login_id.key = ${key} and login_id.form = ${form}`

/** A condition: the row stands as it was read, and is not marked yet. */
export const isToMark = (row: LoginIdRow): Condition =>
  condition`${row.form} <> 'collides' and exists (select 1 from login_id where ${isAsRead(row)})`

/** Marks an address that another account has too; `key` is the former one. */
export const markCollision = (row: LoginIdRow, key: string): Statement =>
  sql`update login_id set form = 'collides', key = ${key} where ${isAsRead(row)}`

/** Gives the address its present key, unless another account has that; its links follow. */
export const rewriteKey = (row: LoginIdRow, key: string): readonly Statement[] => [
  sql`update login_id set form = 'current', key = ${key} where ${isAsRead(row)}
    and not exists (select 1 from login_id other where other.kind = 'email' and other.key = ${key}
      and other.id <> ${row.id} and other.form <> 'collides')`,
  sql`update account_link set address_key = ${key}
    where user_id = ${row.user_id} and address_key = ${row.key} and used_by is null
      and exists (select 1 from login_id where id = ${row.id} and key = ${key})`,
]

// --- writing ----------------------------------------------------------------------------------

const isOfOthers = (user_id: string, email: string): Condition =>
  condition`${isAddress(addressForms(email))} and login_id.user_id <> ${user_id}`

/** Demands that nobody else has proven the address, where the condition holds. */
export const demandAddressFree = (
  user_id: string,
  email: string,
  when: Condition = TRUE,
): Statement =>
  refuseUnless(
    condition`not (${when}) or not exists (select 1 from login_id
      where ${isOfOthers(user_id, email)} and login_id.verified_at is not null)`,
    ADDRESS_TAKEN,
  )

/** Demands that nobody else has the address, proven or not, where the condition holds. */
export const demandAddressUnknown = (user_id: string, email: string, when: Condition): Statement =>
  refuseUnless(
    condition`not (${when}) or not exists (select 1 from login_id
      where ${isOfOthers(user_id, email)})`,
    ADDRESS_TAKEN,
  )

/**
 * Takes the address from accounts that have not proven it, where the condition holds: its owner
 * has. Each loss is an event.
 */
export const dropUnprovenOfOthers = (
  cx: Context,
  user_id: string,
  email: string,
  when: Condition = TRUE,
): readonly Statement[] => {
  const unproven = condition`${isOfOthers(user_id, email)} and login_id.verified_at is null`
  return [
    appendEventOfEach(
      cx,
      {
        ...{ type: 'user.login_id_lost', outcome: 'failure', subject_id: null },
        data: { login_id: '', kind: 'email' },
      },
      sql`select substr(id, 5) as key, user_id as subject_id,
          json_object('login_id', id, 'kind', 'email') as data
        from login_id where ${unproven} and (${when})`,
    ),
    sql`update user set email = '', email_key = '@' || id, email_verified = 0,
        version = version + 1, updated_at = ${cx.now()}
      where id in (select user_id from login_id where ${unproven} and login_id.is_primary = 1)
        and (${when})`,
    sql`delete from login_id where ${unproven} and (${when})`,
  ]
}

/** Demands that the user, if there is one, has an address that mails go to. */
export const demandAddress = (user_id: string): Statement =>
  refuseUnless(
    condition`not exists (select 1 from user where id = ${user_id} and email = '')`,
    ADDRESS_LACKS,
  )

/** Demands that nobody else has the user name, where the condition holds. */
export const demandUserNameFree = (
  user_id: string,
  name: string,
  when: Condition = TRUE,
): Statement =>
  refuseUnless(
    condition`not (${when}) or not exists (select 1 from login_id
      where kind = 'user_name' and key = ${userNameKey(name)} and user_id <> ${user_id})`,
    NAME_TAKEN,
  )

/** Demands that the user stands as it was read, or that the change is done. */
export const demandUserAt = (
  { id, version }: Pick<UserRow, 'id' | 'version'>,
  isDone: Condition,
): Statement =>
  refuseUnless(
    condition`${isDone} or exists (select 1 from user where id = ${id} and version = ${version})`,
    'user_version',
  )

/** Inserts a name, where the condition holds. */
export const insertLoginId = (row: LoginIdRow, when: Condition = TRUE): Statement =>
  insertWhere(login_id, row, when, sql`on conflict (id) do nothing`)

/**
 * Makes this the primary address of the user in place of the one that is there, where the condition
 * holds.
 */
export const setPrimaryAddress = (row: LoginIdRow, when: Condition): readonly Statement[] => {
  const { id, user_id, value, verified_at } = row
  const mine = condition`login_id.user_id = ${user_id}`
  const is = condition`${mine} and ${isAddress(addressForms(value))}`
  return [
    sql`delete from login_id where ${mine} and login_id.is_primary = 1 and not (${is})
      and (${when})`,
    sql`update login_id set value = ${value}, is_primary = 1,
        key = case form when 'collides' then key else ${row.key} end,
        form = case form when 'collides' then form else 'current' end,
        verified_at = case when ${verified_at} is null then null
          else coalesce(verified_at, ${verified_at}) end
      where ${is} and (${when})`,
    insertWhere(
      login_id,
      row,
      condition`(${when}) and not exists (select 1 from login_id where ${is} and id <> ${id})`,
      sql`on conflict (id) do nothing`,
    ),
  ]
}

/** Adds a proven address, or proves it where the user has it, where the condition holds. */
export const addAddress = (row: LoginIdRow, when: Condition): readonly Statement[] => {
  const mine = condition`login_id.user_id = ${row.user_id}`
  const is = condition`${mine} and ${isAddress(addressForms(row.value))}`
  return [
    sql`update login_id set verified_at = ${row.verified_at}
      where ${is} and verified_at is null and (${when})`,
    insertWhere(
      login_id,
      row,
      condition`(${when}) and not exists (select 1 from login_id where ${is})
        and (select count(*) from login_id where ${mine}) < ${NAMES_MAX}`,
      sql`on conflict (id) do nothing`,
    ),
  ]
}

/** Deletes addresses that were added since, but for the primary one, where the condition holds. */
export const dropNamesSince = (user_id: string, since: number, when: Condition): Statement =>
  sql`delete from login_id where user_id = ${user_id} and kind = 'email' and is_primary = 0
    and created_at >= ${since} and (${when})`

/** The account has proven the address with this key, where the condition holds. */
export const proveAddress = (
  cx: Context,
  { user_id, key }: Pick<LoginIdRow, 'user_id' | 'key'>,
  when: Condition,
): readonly Statement[] => [
  sql`update login_id set verified_at = ${cx.now()} where user_id = ${user_id} and kind = 'email'
    and key = ${key} and verified_at is null and (${when})`,
  sql`update user set email_verified = 1, version = version + 1
    where id = ${user_id} and email_verified = 0 and (${when})
      and exists (select 1 from login_id where user_id = ${user_id} and is_primary = 1
        and key = ${key})`,
]

export const deleteLoginId = (user_id: string, id: string): Statement =>
  sql`delete from login_id where user_id = ${user_id} and id = ${id}`

/** Makes one of the user's addresses the primary one, and no other. */
export const makePrimary = ({ id, user_id }: LoginIdRow): readonly Statement[] => [
  sql`update login_id set is_primary = 0
    where user_id = ${user_id} and is_primary = 1 and id <> ${id}`,
  sql`update login_id set is_primary = 1 where user_id = ${user_id} and id = ${id}`,
]

/** Repeats the user name in the column of `user`. */
export const repeatUserName = (id: string, user_name: string | null): Statement =>
  sql`update user set user_name = ${user_name} where id = ${id}`

/**
 * Repeats the primary address of the user in the columns of `user`, where the condition holds. The
 * column `email_key` is unique there: who shares an unproven address gets a key that nobody types.
 */
export const repeatPrimaryAddress = (
  { id, email, email_verified }: Pick<UserRow, 'id' | 'email' | 'email_verified'>,
  when: Condition = TRUE,
): Statement => {
  const former = formerEmailKey(email)
  return sql`update user set email = ${email}, email_verified = ${email_verified},
      email_key = case when ${email === ''} or exists (select 1 from user one
        where one.email_key = ${former} and one.id <> ${id}) then '@' || id else ${former} end
    where id = ${id} and (${when})`
}
