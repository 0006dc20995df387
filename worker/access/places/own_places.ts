// Places as their people see them: the scopes that a person holds on a place, all that one has in
// places, and leaving a place. Whoever runs a place does not leave it here: it is handed over, or
// another owner ends it. Nobody leaves by this what binds them, such as a denial.
import { API_SCOPES } from '../../api.ts'
import { as, type Context, type Reach } from '../../context.ts'
import { unlessRefused } from '../../db/database.ts'
import {
  type Condition,
  condition,
  join,
  list,
  refuseUnless,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'
import { appendEventOfEach } from '../../events.ts'
import { grantsHeld, within } from '../rights_store.ts'
import { lasts } from './membership_ends.ts'
import { insidePlace, makesOperators, placeExists } from './place_store.ts'

const RESERVED = ['manage', ...API_SCOPES]

/** The scopes that roles on the place, or on groups above it, give; those on `*` do not count. */
export const listScopesOn = (
  user_id: string,
  group_id: string,
  now: number,
): Statement<{ scope: string; since: number }> => {
  const who = scalar`${user_id}`
  return sql`with recursive ${within(who, now)}, ${grantsHeld(who, now)},
    above(id) as (
      select id from "group" where id = ${group_id} and kind = 'site'
      union select g.parent_id from above join "group" g on g.id = above.id
        where g.parent_id is not null)
    select p.value as scope, min(held.since) as since
    from held join role r on r.name = held.role, json_each(r.permissions) p
    where held.object_id in (select id from above) and p.value in (${list(RESERVED)})
    group by p.value`
}

/** The same as the part of an actor that acts in this place alone. */
export function placesOfActor(
  group_id: string,
  rows: readonly { scope: string; since: number }[],
): ReadonlyMap<string, Reach> {
  const all = rows.find(({ scope }) => scope === 'manage')
  const scopes = all === undefined ? rows : RESERVED.map((scope) => ({ ...all, scope }))
  return new Map(scopes.map(({ scope, since }) => [scope, [{ group_id, since }]]))
}

/** Something that a person has in a place: a role, or a membership where `role` is null. */
export type OwnPart = {
  place_id: string
  place: string
  role: string | null
  description: string | null
  expires_at: number | null
  not_before: number | null
}

/** All that a person has itself in places: roles on them and on what is in them, memberships. */
export const listOwnParts = (user_id: string, now: number): Statement<OwnPart> =>
  sql`with recursive mine(n, object_id, role, not_before, expires_at) as materialized (
      select m.rowid, m.group_id, null, null, m.expires_at from membership m
        where m.member_id = ${user_id} and ${lasts(now)}
      union all
      select -g.rowid, g.object_id, g.role, g.not_before, g.expires_at from "grant" g
        where g.subject_id = ${user_id} and g.object_id <> '*'
          and (g.expires_at is null or g.expires_at > ${now})
      limit 500),
    up(n, id) as (
      select n, object_id from mine
      union select up.n, m.group_id from up cross join membership m on m.member_id = up.id
        cross join device d on d.id = up.id
      union select up.n, g.parent_id from up cross join "group" g on g.id = up.id
        where g.parent_id is not null and g.kind <> 'site')
    select distinct s.id as place_id, s.name as place, mine.role, r.description, mine.not_before,
      mine.expires_at
    from mine cross join up on up.n = mine.n
      cross join "group" s on s.id = up.id and s.kind = 'site'
      left join role r on r.name = mine.role
    order by s.id, mine.role is null, mine.role limit 200`

/** CTEs `gone(id)`, the own grants in the place, and `left_group(id)`, the groups that are left. */
const leaving = (user_id: string, group_id: string): Statement => sql`${insidePlace(group_id)},
  gone(id) as (select g.id from inside cross join "grant" g on g.object_id = inside.id
    where g.subject_id = ${user_id}),
  left_group(id) as (select m.group_id from below cross join membership m
    on m.group_id = below.id and m.member_id = ${user_id}),
  bound(id) as (
    select id from left_group
    union select g.parent_id from bound cross join "group" g on g.id = bound.id
      where g.parent_id is not null)`

/** A condition: a role that goes with it denies something. */
const isBound = (user_id: string, group_id: string): Condition => condition`exists (
  with recursive ${leaving(user_id, group_id)}
  select 1 from (select g.role from gone cross join "grant" g on g.id = gone.id
      union all
      select g.role from bound cross join "grant" g on g.subject_id = bound.id) one
    cross join role r on r.name = one.role
  where instr(r.acl, '"deny"'))`

/** Lets a person leave a place. One write. Answers false where the person cannot. */
export async function leavePlace(cx: Context, user_id: string, group_id: string): Promise<boolean> {
  const acting = as(cx, { kind: 'user', id: user_id })
  const runsIt = condition`exists (select 1 from (${listScopesOn(user_id, group_id, cx.now())})
    where scope in ('manage', 'access:write'))`
  const may = join(
    [
      placeExists(group_id),
      condition`not ${runsIt}`,
      condition`not ${isBound(user_id, group_id)}`,
      condition`not ${makesOperators(group_id)}`,
    ],
    ' and ',
  )
  const there = sql`with recursive ${leaving(user_id, group_id)}`
  const write = cx.db.write([
    refuseUnless(may, 'place_left'),
    appendEventOfEach(
      acting,
      { type: 'grant.deleted', subject_id: null, data: { grant: '', role: '', object: '' } },
      sql`select ${cx.rid} || '_' || g.id as key, g.subject_id,
          json_object('grant', g.id, 'role', g.role, 'object', g.object_id) as data
        from "grant" g where g.id in (${there} select id from gone)`,
    ),
    appendEventOfEach(
      acting,
      { type: 'group.member_removed', subject_id: null, data: { group_id: '' } },
      sql`select ${cx.rid} || '_' || m.rowid as key, m.member_id as subject_id,
          json_object('group_id', m.group_id) as data
        from membership m where m.member_id = ${user_id}
          and m.group_id in (${there} select id from left_group)`,
    ),
    sql`delete from "grant" where id in (${there} select id from gone)`,
    sql`delete from membership where member_id = ${user_id}
      and group_id in (${there} select id from left_group)`,
  ])
  return unlessRefused(
    write.then(() => true),
    () => false,
  )
}
