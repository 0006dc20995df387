// The table `invitation`. Statements, no rules.

import { insidePlace } from '../../access/places/place_store.ts'
import { isWithinReach } from '../../access/reach/reach.ts'
import type { Context } from '../../context.ts'
import { invitation } from '../../db/people_schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../../db/sql.ts'

export type InvitationRow = typeof invitation.$inferSelect

/** An invitation as its page shows it. */
export type OpenInvitation = InvitationRow & { inviter_name: string | null; place: string | null }

/** Seconds for which an invitation is kept after its end, so that operators see it. */
const KEPT = 30 * 86_400

/** The name of the group that an invitation leads into, or of what its first grant is on. */
const placeOf = (groups: Scalar, grants: Scalar): Scalar =>
  scalar`coalesce(
    (select name from "group" where id = json_extract(${groups}, '$[0]')),
    (select name from "group" where id = json_extract(${grants}, '$[0].object')),
    (select name from device where id = json_extract(${grants}, '$[0].object')))`

/** How the one who invites is called, and the place, before there is an invitation. */
export const findIntroduction = (
  invited_by: string | null,
  groups: string,
  grants: string,
): Statement<{ inviter: string | null; place: string | null }> =>
  sql`select (select name from user where id = ${invited_by}) as inviter,
    ${placeOf(scalar`${groups}`, scalar`${grants}`)} as place`

export const insertInvitation = (row: InvitationRow): Statement =>
  insertWhere(invitation, row, TRUE, sql`on conflict (id) do nothing`)

/** A condition: the invitation has this link. */
export const invitationHas = (hash: string): Condition =>
  condition`exists (select 1 from invitation where hash = ${hash})`

const isOpen = (cx: Context): Condition =>
  condition`used_by is null and revoked_at is null and expires_at > ${cx.now()}`

/** A condition: the invitation of the link can be accepted. */
export const isOpenInvitation = (cx: Context, hash: string): Condition =>
  condition`exists (select 1 from invitation where hash = ${hash} and ${isOpen(cx)})`

/** The invitation of a link, while it can be accepted. */
export const findOpenInvitation = (cx: Context, hash: string): Statement<OpenInvitation> =>
  sql`select invitation.*, (select name from user where id = invitation.invited_by) as inviter_name,
      ${placeOf(scalar`invitation."groups"`, scalar`invitation.grants`)} as place
    from invitation where hash = ${hash} and ${isOpen(cx)}`

/** Uses the link for this request where the condition holds; the same request may repeat it. */
export const consumeInvitation = (
  cx: Context,
  hash: string,
  user_id: string,
  when: Condition,
): Statement<{ id: string }> =>
  sql`update invitation set used_by = ${cx.rid}, accepted_at = ${cx.now()},
      accepted_by = ${user_id}
    where hash = ${hash} and (used_by = ${cx.rid} or (${isOpen(cx)} and (${when})))
    returning id`

/** A condition: this request used the link. */
export const invitationIsMine = (cx: Context, hash: string): Condition =>
  condition`exists (select 1 from invitation where hash = ${hash} and used_by = ${cx.rid})`

/**
 * A condition: within a reach, an invitation that is about places there alone, and that the actor
 * made or that is on its way.
 */
export const isInvitationWithin = (cx: Context): Condition =>
  isSeenWithin(
    cx,
    condition`(invitation.invited_by = ${cx.actor.id} or (invitation.used_by is null
      and invitation.revoked_at is null and invitation.expires_at > ${cx.now()}))`,
  )

/** The same, for a list: those on their way are found by an index of their own. */
export const isInvitationListed = (cx: Context): Condition =>
  isSeenWithin(
    cx,
    condition`invitation.id in (
      select mine.id from invitation mine where mine.invited_by = ${cx.actor.id}
      union all select open.id from invitation open
        where open.used_by is null and open.revoked_at is null and open.expires_at > ${cx.now()})`,
  )

/** The same for those on their way alone. */
export const isOpenInvitationListed = (cx: Context): Condition =>
  isSeenWithin(
    cx,
    condition`invitation.id in (select open.id from invitation open
      where open.used_by is null and open.revoked_at is null and open.expires_at > ${cx.now()})`,
  )

const isSeenWithin = (cx: Context, isSeen: Condition): Condition =>
  cx.actor.reach === undefined
    ? TRUE
    : condition`${isSeen} and invitation."groups" <> '[]'
        and not exists (select 1 from json_each(invitation."groups")
          where not ${isWithinReach(cx, scalar`value`)})
        and not exists (select 1 from json_each(invitation.grants)
          where not ${isWithinReach(cx, scalar`value ->> 'object'`)})`

export const findInvitation = (id: string, which: Condition): Statement<InvitationRow> =>
  sql`select * from invitation where id = ${id} and ${which}`

/** A page of invitations before the id `before`, and one more; the newest first. */
export const listInvitationsBefore = (
  before: string,
  limit: number,
  address_key: string | null,
  which: Condition,
): Statement<InvitationRow> =>
  sql`select * from invitation where (${before} = '' or id < ${before})
    and ${address_key === null ? TRUE : condition`address_key = ${address_key}`} and ${which}
    order by id desc limit ${limit + 1}`

/** A condition: nobody accepted the invitation, and nobody took it back. */
export const isPending = (id: string): Condition =>
  condition`exists (select 1 from invitation
    where id = ${id} and used_by is null and revoked_at is null)`

/** Gives it another link and another end, where it is neither accepted nor taken back. */
export const renewInvitation = (
  id: string,
  { hash, expires_at }: Pick<InvitationRow, 'hash' | 'expires_at'>,
): Statement =>
  sql`update invitation set hash = ${hash}, expires_at = ${expires_at}
    where id = ${id} and used_by is null and revoked_at is null`

export const revokeInvitation = (cx: Context, id: string): Statement =>
  sql`update invitation set revoked_at = ${cx.now()}
    where id = ${id} and used_by is null and revoked_at is null`

/** The invitations on their way that name a place, or something in it. */
const openInvitationsTo = (cx: Context, group_id: string): Statement<{ id: string }> =>
  sql`with recursive ${insidePlace(group_id)}
    select i.id from invitation i
    where i.used_by is null and i.revoked_at is null and i.expires_at > ${cx.now()}
      and (exists (select 1 from json_each(i."groups") one where one.value in (select id from inside))
        or exists (select 1 from json_each(i.grants) one
          where one.value ->> 'object' in (select id from inside)))`

/** How many these are. */
export const countInvitationsTo = (cx: Context, group_id: string): Scalar =>
  scalar`(select count(*) from (${openInvitationsTo(cx, group_id)}))`

/** Takes them back. */
export const revokeInvitationsTo = (cx: Context, group_id: string, when: Condition): Statement =>
  sql`update invitation set revoked_at = ${cx.now()}
    where id in (${openInvitationsTo(cx, group_id)}) and ${when}`

/** Ends every invitation on its way, since one may have been used after the moment of a backup. */
export const revokeAllInvitations = (cx: Context): Statement =>
  sql`update invitation set revoked_at = ${cx.now()} where used_by is null and revoked_at is null`

/** Deletes what a person accepted, and what the person still had on its way. */
export const deleteInvitationsOf = (user_id: string): Statement =>
  sql`delete from invitation where accepted_by = ${user_id}
    or (invited_by = ${user_id} and accepted_at is null)`

/** For the timer. */
export const deleteOldInvitations = (cx: Context): Statement =>
  sql`delete from invitation
    where coalesce(accepted_at, revoked_at, expires_at) <= ${cx.now() - KEPT}`
