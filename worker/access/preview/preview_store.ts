// The principals that a change concerns: those who hold, themselves or by their groups. One
// statement each. preview.ts says what the change does to them.

import { type Scalar, type Statement, scalar, sql } from '../../db/sql.ts'
import { lasts } from '../places/membership_ends.ts'

/** Subjects of grants, before groups are opened: a statement that answers ids. */
export const subjectOfGrant = (id: string): Statement<{ id: string }> =>
  sql`select subject_id as id from "grant" where id = ${id}`

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
export const groupOf = (id: string): Statement<{ id: string }> =>
  sql`select id from "group" where id = ${scalar`${id}`}`
