// The table `account_link`: one-time links by which a person gets back into an account. Statements,
// no rules.
import type { Context } from '../context.ts'
import { account_link } from '../db/schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  list,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../db/sql.ts'
import { factorIsDemanded, hasFactor } from './factors/factor_store.ts'
import { maySignIn } from './sign_in/sign_in_store.ts'
import { PERSON_LABEL, type UserRow, userExists } from './store.ts'

export type AccountLinkRow = typeof account_link.$inferSelect
export type LinkPurpose = AccountLinkRow['purpose']

/** Seconds for which a link is kept after it ran out, so that its page can say why it is dead. */
const KEPT = 7 * 86_400

/** Inserts the link where its person is there. */
export const insertAccountLink = (row: AccountLinkRow, when: Condition = TRUE): Statement =>
  insertWhere(
    account_link,
    row,
    condition`${userExists(row.user_id)} and (${when})`,
    sql`on conflict (hash) do nothing`,
  )

/**
 * Inserts a link that an operator makes, where its person may sign in. One that is mailed is bound
 * to the address that it goes to.
 */
export const insertOperatorLink = (
  row: Pick<
    AccountLinkRow,
    'hash' | 'user_id' | 'purpose' | 'created_at' | 'expires_at' | 'made_by'
  >,
  { isMailed }: { isMailed: boolean },
): Statement =>
  sql`insert into account_link (hash, user_id, purpose, created_at, expires_at, made_by, address_key)
    select ${row.hash}, id, ${row.purpose}, ${row.created_at}, ${row.expires_at}, ${row.made_by},
      case when ${isMailed} then (select key from login_id where login_id.user_id = user.id
        and login_id.kind = 'email' and login_id.value = user.email) end
    from user where id = ${row.user_id} and status = 'active'
    on conflict (hash) do nothing`

/** Notes with a link that an operator made the epoch under which that one stands. */
export const noteMakerEpoch = (hash: string): Statement =>
  sql`update account_link set made_by = json_set(made_by, '$.epoch', coalesce(
      (select epoch from user where id = made_by ->> 'id'),
      (select epoch from client where id = made_by ->> 'id'), 0))
    where hash = ${hash} and made_by ->> 'epoch' is null`

export type LinkToPassword = AccountLinkRow & {
  /** The address that it was mailed to, else the primary one. */
  email: string
  /** Null: not proven, or not the account's any more. */
  verified_at: number | null
  /** 1: the account still has the address that it was mailed to, or it was not mailed to one. */
  is_current: number
  user_locale: string | null
  has_factor: number
}

/** The row of `login_id` of the address that a link was mailed to. */
const MAILED_TO = sql<never>`login_id as mailed_to on mailed_to.user_id = account_link.user_id
  and mailed_to.kind = 'email' and mailed_to.key = account_link.address_key`

/** A condition about a row of `account_link`: the account has the address that it was mailed to. */
const IS_MAILED_TO_OWN = condition`exists (select 1 from login_id
  where login_id.user_id = account_link.user_id and login_id.kind = 'email'
    and login_id.key = account_link.address_key)`

/** A condition about a row of `user`: the person has a second factor, or needs one. */
const hasOrNeedsFactor = (cx: Context): Condition => {
  const person = scalar`user.id`
  return condition`(${hasFactor(person)} or ${factorIsDemanded(cx, person)})`
}

/** A link to a new password with its person, alive or not. */
export const findPasswordLink = (cx: Context, hash: string): Statement<LinkToPassword> =>
  sql`select account_link.*, coalesce(mailed_to.value, ${PERSON_LABEL}) as email, mailed_to.verified_at,
      account_link.address_key is null or mailed_to.id is not null as is_current,
      user.locale as user_locale, ${hasOrNeedsFactor(cx)} as has_factor
    from account_link join user on user.id = account_link.user_id left join ${MAILED_TO}
    where account_link.hash = ${hash}
      and account_link.purpose in ('password_reset', 'password_recovery')`

export type LinkToSignIn = AccountLinkRow & {
  email: string
  verified_at: number | null
  password: string | null
  status: UserRow['status']
  has_factor: number
}

/** A link that signs in, while it can be used, with its person. */
export const findSignInLink = (cx: Context, hash: string): Statement<LinkToSignIn> =>
  sql`select account_link.*, coalesce(mailed_to.value, ${PERSON_LABEL}) as email,
      mailed_to.verified_at, user.password, user.status,
      exists (select 1 from factor where factor.user_id = user.id) as has_factor
    from account_link join user on user.id = account_link.user_id left join ${MAILED_TO}
    where account_link.hash = ${hash} and account_link.purpose = 'sign_in'
      and account_link.used_by is null and account_link.expires_at > ${cx.now()}
      and ${maySignIn(cx.now())}
      and (account_link.address_key is null or mailed_to.id is not null)`

/** `confirm`: a link that gives the account an address, the primary one or a further one. */
export type AddressPurpose = 'confirm' | 'undo_address'

/**
 * A link about an address, alive or not, with its person, and whether a second factor is there that
 * is older than the link.
 */
export const findAddressLink = (
  hash: string,
  purpose: AddressPurpose,
): Statement<AccountLinkRow & { email: string; email_verified: number; has_factor: number }> =>
  sql`select account_link.*, user.email, user.email_verified,
      exists (select 1 from factor where factor.user_id = user.id
        and factor.created_at < account_link.created_at) as has_factor
    from account_link join user on user.id = account_link.user_id
    where account_link.hash = ${hash} and account_link.purpose in (${list(
      purpose === 'confirm' ? ['new_address', 'further_address'] : [purpose],
    )})`

/**
 * Consumes the link for this request, if `when` holds and a mailed one went to a present address;
 * the same request may repeat it.
 */
export const consumeAccountLink = (
  cx: Context,
  { hash, purpose }: Pick<AccountLinkRow, 'hash' | 'purpose'>,
  when: Condition = TRUE,
): Statement<{ user_id: string }> =>
  sql`update account_link set used_by = ${cx.rid}, used_at = ${cx.now()}
    where hash = ${hash} and purpose = ${purpose} and (used_by = ${cx.rid}
      or (used_by is null and expires_at > ${cx.now()} and (${when})
        and (address_key is null or ${IS_MAILED_TO_OWN})))
    returning user_id`

/** A condition: this request consumed the link. */
export const accountLinkIsMine = (cx: Context, hash: string): Condition =>
  condition`exists (select 1 from account_link where hash = ${hash} and used_by = ${cx.rid})`

/** A condition: the link is stored. */
export const accountLinkExists = (hash: string): Condition =>
  condition`exists (select 1 from account_link where hash = ${hash})`

/** Deletes the links that are not used yet, but for `hash`: a newer link takes their place. */
export const deleteOpenLinks = (user_id: string, purpose: LinkPurpose, hash: string): Statement =>
  sql`delete from account_link where user_id = ${user_id} and purpose = ${purpose}
    and used_by is null and hash <> ${hash}`

/** The same for links that operators made: those that the person asked for stay. */
export const deleteOpenLinksOfOperators = (
  user_id: string,
  purpose: LinkPurpose,
  hash: string,
): Statement =>
  sql`delete from account_link where user_id = ${user_id} and purpose = ${purpose}
    and used_by is null and made_by is not null and hash <> ${hash}`

/**
 * Deletes the links of the person that are not used yet, where the condition holds. Those that put
 * an address back stay: whoever took the account over must not get rid of them.
 */
export const dropOpenLinks = (user_id: string, when: Condition): Statement =>
  sql`delete from account_link where user_id = ${user_id} and used_by is null
    and purpose <> 'undo_address' and (${when})`

/** The same, and those that put an address back: nobody who has one proved an address so far. */
export const dropAllLinks = (user_id: string, when: Condition): Statement =>
  sql`delete from account_link where user_id = ${user_id} and used_by is null and (${when})`

/** Deletes links of the same kind that are not older than this one. */
export const dropLaterUndoLinks = (
  { user_id, hash, created_at }: AccountLinkRow,
  when: Condition,
): Statement =>
  sql`delete from account_link where user_id = ${user_id} and purpose = 'undo_address'
    and hash <> ${hash} and created_at >= ${created_at} and (${when})`

export const deleteAccountLinksOf = (user_id: string): Statement =>
  sql`delete from account_link where user_id = ${user_id}`

/** Deletes every link, since one may have been used after the moment of a backup. */
export const deleteAllAccountLinks = (): Statement => sql`delete from account_link`

/** For the timer. */
export const deleteOldAccountLinks = (cx: Context): Statement =>
  sql`delete from account_link where expires_at <= ${cx.now() - KEPT}`
