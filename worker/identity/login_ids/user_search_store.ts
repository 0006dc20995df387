// The index by which people are searched: `user_text` and the FTS5 table `user_search` over it.
// Triggers of the migration write both, so that a person who is deleted, renamed or restored is
// there as in `user`, whichever statement did it. Statements, no rules.
import { addressForms, isAddress } from '../../access/named_users.ts'
import { lasts } from '../../access/places/membership_ends.ts'
import { isBelow, membersBelow } from '../../access/reach/reach_store.ts'
import type { Context } from '../../context.ts'
import { type Condition, condition, join, type Statement, scalar, sql } from '../../db/sql.ts'
import { lacksConsent } from '../consents/consent_store.ts'
import type { FactorRow } from '../factors/factor_store.ts'
import type { UserRow } from '../store.ts'
import { userNameKey } from './user_names.ts'

export type UserFilter = {
  search?: string | undefined
  email?: string | undefined
  user_name?: string | undefined
  status?: UserRow['status'] | undefined
  group?: string | undefined
  has_factor?: FactorRow['kind'] | 'any' | undefined
  lacks_factor?: FactorRow['kind'] | 'any' | undefined
  lacks_consent?: string | undefined
  /** Epoch seconds; whoever never signed in did so before all times. */
  signed_in_before?: number | undefined
  signed_in_after?: number | undefined
  address_collides?: 'true' | undefined
}

/** Words of a search that count. */
const WORDS_MAX = 10

/**
 * Makes a query of FTS5 from typed text: each word begins a word that is there. Words are quoted,
 * so nothing of the language of queries gets through. Null for a text without a word.
 */
export function searchQuery(text: string): string | null {
  const words = text
    .normalize('NFC')
    .split(/\s+/u)
    .filter((word) => /[\p{L}\p{N}]/u.test(word))
    .slice(0, WORDS_MAX)
  if (words.length === 0) return null
  return words.map((word) => `"${word.replaceAll('"', '""')}"*`).join(' ')
}

const isFound = (text: string): Condition => {
  const query = searchQuery(text)
  return query === null
    ? condition`false`
    : condition`user.id in (select user_id from user_text
        where id in (select rowid from user_search where user_search match ${query}))`
}

const hasFactorOf = (kind: FactorRow['kind'] | 'any'): Condition =>
  condition`exists (select 1 from factor where factor.user_id = user.id
    and (${kind} = 'any' or factor.kind = ${kind}))`

/** A condition about a row of `user` for each member that is there. */
function conditionsOf(cx: Context, filter: UserFilter): Condition[] {
  const { search, email, user_name, status, group, has_factor, lacks_factor } = filter
  const { lacks_consent, signed_in_before, signed_in_after, address_collides } = filter
  return [
    search === undefined ? null : isFound(search),
    email === undefined
      ? null
      : condition`user.id in (select user_id from login_id where ${isAddress(addressForms(email))})`,
    user_name === undefined
      ? null
      : condition`user.id in (select user_id from login_id
          where kind = 'user_name' and key = ${userNameKey(user_name)})`,
    status === undefined ? null : condition`user.status = ${status}`,
    group === undefined
      ? null
      : condition`user.id in (
          select m.member_id from membership m where m.group_id = ${group} and ${lasts(cx.now())})`,
    has_factor === undefined ? null : hasFactorOf(has_factor),
    lacks_factor === undefined ? null : condition`not ${hasFactorOf(lacks_factor)}`,
    lacks_consent === undefined ? null : lacksConsent(cx, scalar`user.id`, lacks_consent),
    signed_in_before === undefined
      ? null
      : condition`coalesce(user.last_sign_in_at, 0) < ${signed_in_before}`,
    signed_in_after === undefined ? null : condition`user.last_sign_in_at >= ${signed_in_after}`,
    address_collides === undefined
      ? null
      : condition`user.id in (select user_id from login_id
          where form <> 'current' and form = 'collides')`,
  ].filter((one) => one !== null)
}

/** A page of users after the id `after`, and one more. */
export const listUsersAfter = (
  cx: Context,
  after: string,
  limit: number,
  filter: UserFilter,
): Statement<UserRow> => {
  const { reach } = cx.actor
  const conditions = [condition`user.id > ${after}`, ...conditionsOf(cx, filter)]
  if (reach === undefined) {
    return sql`select user.* from user where ${join(conditions, ' and ')}
      order by user.id limit ${limit + 1}`
  }
  if (filter.group !== undefined) conditions.push(isBelow(reach, scalar`${filter.group}`))
  return sql`with recursive ${membersBelow(reach, cx.now())}
    select user.* from reached cross join user on user.id = reached.id
    where ${join(conditions, ' and ')} order by user.id limit ${limit + 1}`
}
