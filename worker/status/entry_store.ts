// The table `status_entry`: the entry that a token tells, and whether a token still has the one of
// its origin. Triggers allot entries and give them up (migrations/0050_status_list.sql).
import type { Context } from '../context.ts'
import {
  type Condition,
  condition,
  list as listOf,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../db/sql.ts'
import type { status_entry } from '../db/status_schema.ts'

export type StatusKind = (typeof status_entry.$inferSelect)['kind']

/** Entries of one list, as a power of two. */
export const LIST_BITS = 20

/** An entry of a list, as a token tells it. */
export type StatusPlace = { list: number; idx: number }

/** Draft Token Status List §6.1: the claim `status` of a token. */
export type StatusClaim = { status_list: { idx: number; uri: string } }

export type StatusRow = { list: number; idx: number; is_cut: 0 | 1 }

export const listUri = (cx: Context, list: number): string =>
  `${cx.config.issuer}/status-lists/${list}`

export const statusClaimOf = (cx: Context, { list, idx }: StatusPlace): StatusClaim => ({
  status_list: { idx, uri: listUri(cx, list) },
})

/** The place that a claim of this issuer names; null for any other value. */
export function placeOfClaim(cx: Context, claim: unknown): StatusPlace | null {
  const { uri, idx } = (claim as Partial<StatusClaim> | undefined)?.status_list ?? {}
  if (typeof uri !== 'string' || typeof idx !== 'number') return null
  const list = Number(uri.slice(uri.lastIndexOf('/') + 1))
  return Number.isSafeInteger(list) && uri === listUri(cx, list) ? { list, idx } : null
}

/**
 * The principal of an entry `e`: the person of an authorization, the device of a minted token, else
 * the origin itself.
 */
const PRINCIPAL: Scalar = scalar`(case e.kind
  when 'authorization' then (select user_id from authorization where id = e.origin_id)
  when 'device_token' then (select device_id from device_token where id = e.origin_id)
  else e.origin_id end)`

/**
 * A condition on an entry `e`: tokens of its origin may carry rights. All other tokens stay as they
 * are when rights become fewer: /v1 reads the rights anew each time.
 */
const carriesRights: Condition = condition`(case e.kind
  when 'authorization' then exists (select 1 from authorization a where a.id = e.origin_id
    and (instr(' ' || a.scope || ' ', ' mqtt ') or instr(' ' || a.scope || ' ', ' roles ')
      or instr(' ' || a.scope || ' ', ' groups ') or a.resource <> '[]'
      or a.authorization_details is not null))
  when 'client' then exists (select 1 from client k
    where k.id = e.origin_id and instr(' ' || k.scope || ' ', ' mqtt '))
  else true end)`

/**
 * A condition on an entry `e` and a change `c`: the holder of the entry is one of the change. A
 * plus keeps the planner from beginning at all grants of a role or on an object.
 */
export const isHolderOf: Condition = condition`(case c.scope
  when 'client' then e.kind = 'authorization' and exists (
    select 1 from authorization a where a.id = e.origin_id and a.client_id = c.id)
  when 'device_type' then exists (
    select 1 from device d where d.id = ${PRINCIPAL} and d.type = c.id)
  else ${carriesRights} and exists (with recursive above(id) as (
      select ${PRINCIPAL}
      union select m.group_id from above cross join membership m on m.member_id = above.id
      union select g.parent_id from above cross join "group" g on g.id = above.id
        where g.parent_id is not null),
    around(id) as (
      select c.id where c.scope = 'object'
      union select m.group_id from around cross join membership m on m.member_id = around.id
      union select g.parent_id from around cross join "group" g on g.id = around.id
        where g.parent_id is not null)
    select 1 from above where case c.scope
      when 'subject' then above.id = c.id
      when 'role' then exists (
        select 1 from "grant" g where g.subject_id = above.id and +g.role = c.id)
      else exists (select 1 from "grant" g join role r on r.name = g.role
        where g.subject_id = above.id and (instr(r.acl, ${'${device.'})
            or instr(coalesce(g.condition_reads, ''), 'device.'))
          and (+g.object_id = '*' or +g.object_id in (select id from around))) end) end)`

/** A condition on an entry `e`: a change that is not spread yet concerns it. */
const isCut: Condition = condition`exists (
  select 1 from status_change c where c.upto >= e.seq and e.seq > c.done and ${isHolderOf})`

/** Clients and devices, which act for themselves, share one space of ids. */
const KINDS: Record<StatusKind | 'client or device', readonly StatusKind[]> = {
  device: ['device'],
  client: ['client'],
  authorization: ['authorization'],
  device_token: ['device_token'],
  'client or device': ['client', 'device'],
}

/** The entry of an origin, for a token that is made now. One statement. */
export const findStatus = (
  kind: StatusKind | 'client or device',
  origin_id: string | Scalar,
): Statement<StatusRow> =>
  sql`select (e.seq - 1) >> ${LIST_BITS} as list, e.idx, ${isCut} as is_cut from status_entry e
    where e.origin_id = ${origin_id} and e.kind in (${listOf(KINDS[kind])}) order by e.seq desc limit 1`

/** Moves the origin to a new entry, where the one that it has is of a change that is not spread. */
export const supersede = (kind: StatusKind, origin_id: string): Statement =>
  sql`insert into status_flip (list, idx, outcome, seq)
    select (e.seq - 1) >> ${LIST_BITS}, e.idx, 3, e.seq from status_entry e
    where e.origin_id = ${origin_id} and e.kind = ${kind} and ${isCut}`

/** A condition: the token has the entry that its origin has now. Without one it tells nothing. */
export function isStatusPresent(
  kind: StatusKind,
  origin_id: string,
  place: StatusPlace | null,
): Condition {
  if (place === null) return TRUE
  const { list, idx } = place
  return condition`exists (select 1 from status_entry e
    where e.origin_id = ${origin_id} and e.kind = ${kind} and e.idx = ${idx}
      and (e.seq - 1) >> ${LIST_BITS} = ${list} and not ${isCut})`
}

/**
 * Forgets the entries of origins whose tokens have all run out, so that no list gets longer by
 * them. `origins` answers ids. Stands before the statement that deletes the origins.
 */
export const forgetStatus = (kind: StatusKind, origins: Statement): Statement =>
  sql`delete from status_entry where kind = ${kind} and origin_id in (${origins})`
