// The principals that a change concerns: those who hold, themselves or by their groups. One
// statement each. preview.ts says what the change does to them.

import {
  type Condition,
  condition,
  type Scalar,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'
import { lasts } from '../places/membership_ends.ts'
import { grantsHeld, listsDevices, within } from '../rights_store.ts'

/** Subjects of grants, before groups are opened: a statement that answers ids. */
export const subjectOfGrant = (id: string, isSeen: Condition): Statement<{ id: string }> =>
  sql`select subject_id as id from "grant" where id = ${id} and ${isSeen}`

export const subjectsOfRole = (name: string, limit: number): Statement<{ id: string }> =>
  sql`select distinct subject_id as id from (
    select subject_id from "grant" where role = ${name} limit ${limit * 10})`

export const devicesOfType = (type: string, limit: number): Statement<{ id: string }> =>
  sql`select id from device where type = ${type} limit ${limit}`

export const oneSubject = (id: Scalar): Statement<{ id: string }> =>
  sql`select id from principal where id = ${id} and deleted_at is null`

/** Lists the people, clients and devices among these and in the groups among these. */
export const listConcerned = (
  subjects: Statement<{ id: string }>,
  limit: number,
  now: number,
): Statement<{ id: string }> =>
  sql`with recursive top(id) as materialized (${subjects}),
    below(id) as (
      select g.id from top cross join "group" g on g.id = top.id
      union
      select g.id from below cross join "group" g on g.parent_id = below.id limit ${limit * 10})
    select p.id from top cross join principal p on p.id = top.id
    where p.kind <> 'group' and p.deleted_at is null
    union
    select m.member_id from below cross join membership m on m.group_id = below.id
      and ${lasts(now)}
    limit ${limit}`

export const roleContent = (name: string): Statement<{ permissions: string; acl: string }> =>
  sql`select permissions, acl from role where name = ${name}`

/** A group that is there. */
export const groupOf = (id: string, isSeen: Condition): Statement<{ id: string }> =>
  sql`select id from "group" where id = ${id} and ${isSeen}`

// --- whose rights a change of places makes wider ----------------------------------------------

/** Most grants on the groups around a place that are looked through. */
const GRANTS_MAX = 2000

const ROOM_BY_ROOM = condition`(instr(held.condition_reads, '"group.') or exists (
  select 1 from json_each(role.acl) t where instr(t.value, ${'${group.id}'})
    and (not instr(t.value, ${'${site.id}'}) or held.object_id not in (
        select s.id from "group" s where s.id = held.object_id and s.kind = 'site')
      or not instr('/' || (t.value ->> 'topic') || '/', ${'/${group.id}/'}))))`

/** Templates that get more rules by more rooms, by more devices, or by another kind of group. */
const NAMING: Record<'rooms' | 'devices' | 'houses', Condition> = {
  rooms: ROOM_BY_ROOM,
  devices: listsDevices,
  houses: condition`instr(role.acl, ${'${'})`,
}

/**
 * Lists those who hold a role on one of the groups (JSON) or above, with templates that name these
 * one by one.
 */
export const listHoldersAround = (
  groups: Scalar,
  named: keyof typeof NAMING,
  now: number,
  limit: number,
): Statement<{ id: string }> =>
  listConcerned(
    sql<{ id: string }>`select distinct subject_id as id from (
      with recursive around(id) as (
        select value from json_each(${groups})
        union select g.parent_id from around join "group" g on g.id = around.id
          where g.parent_id is not null),
      held as (
        select g.subject_id, g.object_id, g.role, 'group' as object_kind,
          coalesce(g.condition_reads, '') as condition_reads
        from around cross join "grant" g on g.object_id = around.id
        where (g.not_before is null or g.not_before <= ${now})
          and (g.expires_at is null or g.expires_at > ${now}) limit ${GRANTS_MAX})
      select held.subject_id from held join role on role.name = held.role
      where ${NAMING[named]}) limit ${limit * 10}`,
    limit,
    now,
  )

/** Lists the members in and below a group where the group that it enters gives them rules. */
export const listMovedMembers = (
  id: string,
  parent_id: Scalar,
  limit: number,
  now: number,
): Statement<{ id: string }> =>
  sql`select id from (${listConcerned(sql<{ id: string }>`select ${id} as id`, limit, now)})
    where exists (
      with recursive up(id) as (
        select (${parent_id})
        union select g.parent_id from up join "group" g on g.id = up.id
          where g.parent_id is not null)
      select 1 from up cross join "grant" g on g.subject_id = up.id
        cross join role r on r.name = g.role and r.acl <> '[]')`

/**
 * A text that is another one once the subject has other grants, roles with other content, other
 * groups of its own, or is a device of another type or with other values.
 */
export const rightsMark = (subject: Scalar, now: number): Scalar => scalar`(
  with recursive ${within(subject, now)}, ${grantsHeld(subject, now, 'withConditional')}
  select json_array(
    (select json_group_array(one.id || ' ' || g.version || ' ' || r.version)
      from (select id, role from held order by id) one
        cross join "grant" g on g.id = one.id cross join role r on r.name = one.role),
    (select json_group_array(group_id) from (
      select group_id from membership where member_id = ${subject} order by group_id)),
    (select json_array(d.type, d.metadata, t.version)
      from device d left join device_type t on t.name = d.type where d.id = ${subject})))`
