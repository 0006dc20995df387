// The table `place_account`: accounts that owners of places made. Statements, and the one condition
// under which an owner may renew the way in of such an account.

import { lasts } from '../../access/places/membership_ends.ts'
import { insidePlace } from '../../access/places/place_store.ts'
import { isBelow } from '../../access/reach/reach_store.ts'
import { within } from '../../access/rights_store.ts'
import type { Context } from '../../context.ts'
import { place_account } from '../../db/people_schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  refuseUnless,
  type Scalar,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'

export type PlaceAccountRow = typeof place_account.$inferSelect

/** Most accounts that owners make in one place. */
export const ACCOUNTS_MAX = 50

export const insertPlaceAccount = (row: PlaceAccountRow, when: Condition): Statement =>
  insertWhere(place_account, row, when, sql`on conflict (user_id) do nothing`)

/** Demands that there is room for one account more in the place, or that it is there. */
export const demandRoom = (group_id: string, user_id: string): Statement =>
  refuseUnless(
    condition`exists (select 1 from place_account where user_id = ${user_id})
      or (select count(*) from place_account where group_id = ${group_id}) < ${ACCOUNTS_MAX}`,
    'place_accounts',
  )

/**
 * A condition about the account `a.user_id`: it is nobody's but the place's. It has no name but a
 * user name, no passkey, and each right and membership of it is in the place.
 */
const isOfThePlace = (group_id: string, now: number): Condition => {
  // From what the person has upwards: a place may have many devices.
  const isInside = (id: Scalar) => isBelow([{ group_id, since: 0 }], id)
  const membership = sql`select 1 from membership m
    where m.member_id = a.user_id and ${lasts(now)} and`
  return condition`(
    not exists (select 1 from login_id l where l.user_id = a.user_id and l.kind <> 'user_name')
    and not exists (select 1 from factor f where f.user_id = a.user_id and f.kind = 'passkey')
    and exists (${membership} ${isInside(scalar`m.group_id`)})
    and not exists (${membership} not ${isInside(scalar`m.group_id`)})
    and not exists (with recursive ${within(scalar`a.user_id`, now)}
      select 1 from (select a.user_id as id union all select id from within) holder
        cross join "grant" g on g.subject_id = holder.id
        where (g.expires_at is null or g.expires_at > ${now})
          and not ${isInside(scalar`g.object_id`)}))`
}

/** A condition: an owner of the place may renew the way in of this account. */
export const mayBeRenewed = (group_id: string, user_id: string, now: number): Condition =>
  condition`exists (select 1 from place_account a join user u on u.id = a.user_id
    where a.user_id = ${user_id} and a.group_id = ${group_id} and u.status = 'active'
      and ${isOfThePlace(group_id, now)})`

export type ShownAccountRow = PlaceAccountRow & {
  user_name: string | null
  name: string | null
  can_renew: number
}

/** Accounts that were made in the place, with whether their way in may be renewed. */
export const listPlaceAccounts = (
  group_id: string,
  after: string,
  limit: number,
  which: Condition,
  now: number,
): Statement<ShownAccountRow> =>
  sql`select a.*, u.user_name, u.name, u.status = 'active' and ${isOfThePlace(group_id, now)}
      as can_renew
    from place_account a cross join user u on u.id = a.user_id
    where a.group_id = ${group_id} and a.user_id > ${after} and ${which}
    order by a.user_id limit ${limit + 1}`

/** Notes who renewed the way in, so that the person is told at the next sign-in. */
export const noteRenewal = (cx: Context, user_id: string, when: Condition): Statement =>
  sql`update place_account set renewed_by = ${cx.actor.id}, renewed_at = ${cx.now()}, seen_at = null
    where user_id = ${user_id} and ${when}`

/** The renewal that the person was not told of yet. */
export const findUnseenRenewal = (
  user_id: string,
): Statement<{ renewed_at: number; renewed_by: string; place: string }> =>
  sql`select a.renewed_at, coalesce(u.name, nullif(u.email, ''), u.user_name, a.renewed_by, a.group_id)
      as renewed_by, coalesce(g.name, a.group_id) as place
    from place_account a left join user u on u.id = a.renewed_by
      left join "group" g on g.id = a.group_id
    where a.user_id = ${user_id} and a.renewed_at is not null and a.seen_at is null`

export const noteRenewalSeen = (cx: Context, user_id: string, renewed_at: number): Statement =>
  sql`update place_account set seen_at = ${cx.now()}
    where user_id = ${user_id} and renewed_at = ${renewed_at} and seen_at is null`

/** With a change of hands nobody renews the accounts that the former owners made any more. */
export const forgetPlaceAccounts = (group_id: string, when: Condition): Statement =>
  sql`delete from place_account where group_id in (
    with recursive ${insidePlace(group_id)} select id from below) and ${when}`

/** Deletes what is known of a person here, also as the one who made or renewed. */
export const deletePlaceAccountsOf = (id: string): readonly Statement[] => [
  sql`delete from place_account where user_id = ${id}`,
  sql`update place_account set made_by = null where made_by = ${id}`,
  sql`update place_account set renewed_by = null where renewed_by = ${id}`,
]
