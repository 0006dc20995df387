// Places: a group of kind site with all groups below it and the devices in them, as far as it
// changes hands. This file has what is inside a place, and the grants and memberships by which
// others reach it. Statements, no rules.
// Tables: writes `grant` and `membership` (of ../store.ts) for a place as a whole. Leaves to
// identity/transfers/ when a place changes hands, and to other rooms what of theirs stands on it.
import type { Context } from '../../context.ts'
import { type Condition, condition, type Statement, scalar, sql } from '../../db/sql.ts'
import { appendEventOfEach } from '../../events.ts'
import type { NeededRow } from '../power_store.ts'
import { lasts } from './membership_ends.ts'

/** CTEs `below(id)`, the groups of the place, and `inside(id)`, these with the devices in them. */
export const insidePlace = (group_id: string): Statement => sql`below(id) as (
    select id from "group" where id = ${group_id}
    union select g.id from below cross join "group" g on g.parent_id = below.id),
  inside(id) as (
    select id from below
    union select m.member_id from below cross join membership m on m.group_id = below.id
      cross join device d on d.id = m.member_id)`

/** A CTE `above(id)`: the group and those above it. */
const abovePlace = (group_id: string): Statement => sql`above(id) as (
  select ${group_id}
  union select g.parent_id from above cross join "group" g on g.id = above.id
    where g.parent_id is not null)`

/** A condition: the object is in a site that is neither this place nor around it. */
const isElsewhere = (id: Statement): Condition => condition`exists (
  with recursive around(id) as (
    select ${id}
    union select at.group_id from device cross join membership at on at.member_id = device.id
      where device.id = ${id}
    union select up.parent_id from around cross join "group" up on up.id = around.id
      where up.parent_id is not null)
  select 1 from around cross join "group" up on up.id = around.id
  where up.kind = 'site' and up.id not in (select id from below)
    and up.id not in (select id from above))`

/**
 * The grants that end with a change of hands: those that others hold on the place or on anything in
 * it, and those that the place holds on another one. Its own devices and groups keep theirs.
 */
const endingGrants = (group_id: string): Statement<{ id: string }> =>
  sql`with recursive ${insidePlace(group_id)}, ${abovePlace(group_id)}
    select g.id from inside cross join "grant" g on g.object_id = inside.id
      where g.subject_id not in (select id from inside)
    union
    select g.id from inside cross join "grant" g on g.subject_id = inside.id
      where g.object_id <> '*' and g.object_id not in (select id from inside)
        and ${isElsewhere(sql`g.object_id`)}`

/** The memberships that end: those of people and clients, in the place and in groups below it. */
const endingMemberships = (group_id: string): Statement<{ rowid: number }> =>
  sql`with recursive ${insidePlace(group_id)}
    select m.rowid from below cross join membership m on m.group_id = below.id
      cross join principal p on p.id = m.member_id and p.kind in ('user', 'client')`

/** A condition: the grant has not run out by then. */
const lastsBeyond = (then: number): Condition =>
  condition`(g.expires_at is null or g.expires_at > ${then})`

/** The people who have one of these, themselves or through a group, that lasts beyond `then`. */
export const listPeopleOf = (group_id: string, then = 0): Statement<{ id: string }> =>
  sql`with recursive holder(id) as (
      select g.subject_id from "grant" g where g.id in (${endingGrants(group_id)})
        and ${lastsBeyond(then)}
      union select c.id from holder cross join "group" c on c.parent_id = holder.id)
    select user.id from holder cross join user on user.id = holder.id
    union
    select user.id from holder cross join membership m on m.group_id = holder.id and ${lasts(then)}
      cross join user on user.id = m.member_id
    union
    select user.id from membership m cross join user on user.id = m.member_id
      where m.rowid in (${endingMemberships(group_id)}) and ${lasts(then)}`

/** The roles that end for others, and those that people lose who were members. */
export const listRolesThatEnd = (group_id: string, now: number): Statement<NeededRow> =>
  sql`select g.role, g.object_id, g.expires_at as until from "grant" g
    where ${lastsBeyond(now)} and (g.id in (${endingGrants(group_id)})
      or g.subject_id in (with recursive ${insidePlace(group_id)} select id from below))`

/** In numbers, the rights that end. What ran out before ended by itself. */
export const rightsThatEnd = (group_id: string, now: number) => ({
  grants: scalar`(select count(*) from "grant" g
    where g.id in (${endingGrants(group_id)}) and ${lastsBeyond(now)})`,
  memberships: scalar`(select count(*) from membership m
    where m.rowid in (${endingMemberships(group_id)}) and ${lasts(now)})`,
  people: scalar`(select count(*) from (${listPeopleOf(group_id, now)}))`,
})

/** A condition: a device of the place is in another place too, whose people reach it there. */
export const isShared = (group_id: string): Condition =>
  condition`exists (${listSharedDevices(group_id)})`

/** Devices of the place that are in another place too. */
export const listSharedDevices = (group_id: string): Statement<{ id: string }> =>
  sql`with recursive ${insidePlace(group_id)}, ${abovePlace(group_id)}
    select distinct inside.id from inside cross join membership m on m.member_id = inside.id
    where inside.id not in (select id from below) and m.group_id not in (select id from below)
      and ${isElsewhere(sql`m.group_id`)}
    limit 20`

/** A condition: members of the place, or of a group around or in it, run the system by that. */
export const makesOperators = (group_id: string): Condition => condition`exists (
  with recursive ${insidePlace(group_id)}, ${abovePlace(group_id)}
  select 1 from (select id from below union select id from above) one
    cross join "grant" g on g.subject_id = one.id
  where g.role = 'operator' and g.object_id = '*')`

/** A condition: there is such a place. */
export const placeExists = (group_id: string): Condition =>
  condition`exists (select 1 from "group" where id = ${group_id} and kind = 'site')`

/** Ends the rights of others in the place, with an event about each. `id` is the transfer's. */
export const endRightsOf = (
  cx: Context,
  { id, group_id }: { id: string; group_id: string },
  when: Condition,
): readonly Statement[] => [
  appendEventOfEach(
    cx,
    { type: 'grant.deleted', subject_id: null, data: { grant: '', role: '', object: '' } },
    sql`select ${id} || '_' || g.id as key, g.subject_id,
        json_object('grant', g.id, 'role', g.role, 'object', g.object_id) as data
      from "grant" g where g.id in (${endingGrants(group_id)}) and ${when}`,
  ),
  appendEventOfEach(
    cx,
    { type: 'group.member_removed', subject_id: null, data: { group_id: '' } },
    sql`select ${id} || '_' || m.rowid as key, m.member_id as subject_id,
        json_object('group_id', m.group_id) as data
      from membership m where m.rowid in (${endingMemberships(group_id)}) and ${when}`,
  ),
  // Memberships last: grants of groups outside are found without them, people of these too.
  sql`delete from "grant" where id in (${endingGrants(group_id)}) and ${when}`,
  sql`delete from membership where rowid in (${endingMemberships(group_id)}) and ${when}`,
]
