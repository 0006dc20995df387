// The table `status_entry`: the entry that a token tells, and whether a token still has the one of
// its origin. Triggers allot entries and give them up (migrations/0059_status_list.sql).
import type { Context } from '../context.ts'
import {
  type Condition,
  condition,
  list as listOf,
  type Scalar,
  type Statement,
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

/** A condition on an entry `e`: a change that is not spread yet concerns it. */
const isCut: Condition = condition`exists (select 1 from status_waiting w where w.seq = e.seq)`

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

/** The entry that an origin has now; none where all of its tokens ended. */
export const listEntriesOf = (origin_id: string): Statement<StatusRow & { kind: StatusKind }> =>
  sql`select e.kind, (e.seq - 1) >> ${LIST_BITS} as list, e.idx, ${isCut} as is_cut
    from status_entry e where e.origin_id = ${origin_id} order by e.kind, e.seq`

/** Moves the origin to a new entry, where the one that it has is of a change that is not spread. */
export const supersede = (kind: StatusKind, origin_id: string): Statement =>
  sql`insert into status_flip (list, idx, outcome, seq)
    select (e.seq - 1) >> ${LIST_BITS}, e.idx, 3, e.seq from status_entry e
    where e.origin_id = ${origin_id} and e.kind = ${kind} and ${isCut}`

/** A condition: the token has the entry that its origin has now. Without one it tells nothing. */
export function isStatusPresent(
  kind: Scalar,
  origin_id: string | Scalar,
  place: StatusPlace | null,
): Condition {
  return place === null ? TRUE : hasEntry(kind, origin_id, place, condition`not ${isCut}`)
}

/** A condition: the place is that of an entry of the origin, for which `which` holds. */
export const hasEntry = (
  kind: Scalar | StatusKind,
  origin_id: string | Scalar,
  { list, idx }: StatusPlace,
  which: Condition = TRUE,
): Condition =>
  condition`exists (select 1 from status_entry e
    where e.origin_id = ${origin_id} and e.kind = ${kind} and e.idx = ${idx}
      and (e.seq - 1) >> ${LIST_BITS} = ${list} and ${which})`

/**
 * Forgets the entries of origins whose tokens have all run out, so that no list gets longer by
 * them. `origins` answers ids. Stands before the statement that deletes the origins.
 */
export const forgetStatus = (kind: StatusKind, origins: Statement): Statement =>
  sql`delete from status_entry where kind = ${kind} and origin_id in (${origins})`
