// The table `account_link`: one-time links by which a person gets back into an account. Statements,
// no rules.
import type { Context } from '../context.ts'
import { account_link } from '../db/schema.ts'
import { type Condition, condition, insertWhere, type Statement, sql, TRUE } from '../db/sql.ts'
import { userExists } from './store.ts'

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
      case when ${isMailed} then email_key end
    from user where id = ${row.user_id} and status = 'active'
    on conflict (hash) do nothing`

export type LinkToPassword = AccountLinkRow & {
  email: string
  email_key: string
  email_verified: number
  user_locale: string | null
  has_factor: number
}

/** A link to a new password with its person, alive or not. */
export const findPasswordLink = (hash: string): Statement<LinkToPassword> =>
  sql`select account_link.*, user.email, user.email_key, user.email_verified,
      user.locale as user_locale,
      exists (select 1 from factor where factor.user_id = user.id) as has_factor
    from account_link join user on user.id = account_link.user_id
    where account_link.hash = ${hash}
      and account_link.purpose in ('password_reset', 'password_recovery')`

/** A link that signs in, while it can be used, with its person. */
export const findSignInLink = (
  cx: Context,
  hash: string,
): Statement<AccountLinkRow & { email: string; password: string | null; has_factor: number }> =>
  sql`select account_link.*, user.email, user.password,
      exists (select 1 from factor where factor.user_id = user.id) as has_factor
    from account_link join user on user.id = account_link.user_id
    where account_link.hash = ${hash} and account_link.purpose = 'sign_in'
      and account_link.used_by is null and account_link.expires_at > ${cx.now()}
      and user.status = 'active'
      and (account_link.address_key is null or user.email_key = account_link.address_key)`

/**
 * A link about an address, alive or not, with its person, and whether a second factor is there that
 * is older than the link.
 */
export const findAddressLink = (
  hash: string,
  purpose: 'new_address' | 'undo_address',
): Statement<AccountLinkRow & { email: string; email_key: string; has_factor: number }> =>
  sql`select account_link.*, user.email, user.email_key,
      exists (select 1 from factor where factor.user_id = user.id
        and factor.created_at < account_link.created_at) as has_factor
    from account_link join user on user.id = account_link.user_id
    where account_link.hash = ${hash} and account_link.purpose = ${purpose}`

/**
 * Consumes the link for this request, if `when` holds and a mailed one went to the present address;
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
        and (address_key is null or exists (select 1 from user
          where user.id = account_link.user_id and user.email_key = account_link.address_key))))
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
