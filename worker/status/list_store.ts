// The tables `status_list`, `status_flip` and `status_change`: statements, no rules.
import { type Condition, condition, type Statement, sql } from '../db/sql.ts'
import type { status_change } from '../db/status_schema.ts'
import { LIST_BITS } from './entry_store.ts'

export type ListHeadRow = { id: number; upto: number; latest: number }

/** The last flip of a list, in its snapshot or after it. */
const latest = (id: number): Statement =>
  sql`select l.id, l.upto, coalesce((select max(n) from status_flip where list = l.id), l.upto)
    as latest from status_list l where l.id = ${id}`

export const findListHead = (id: number): Statement<ListHeadRow> => sql`${latest(id)}`

export const findLastList = (): Statement<{ id: number | null }> =>
  sql`select max(id) as id from status_list`

export const listListIds = (): Statement<{ id: number }> =>
  sql`select id from status_list order by id`

/** The content of a list, unless its last flip is `known`. */
export const listContent = (id: number, known: number | null) => {
  const isNew = condition`exists (select 1 from (${latest(id)}) one
    where one.latest is not ${known})`
  return {
    snapshot: sql<{ snapshot: Uint8Array | null }>`
      select snapshot from status_list where id = ${id} and ${isNew}`,
    flips: flipsOf(id, isNew),
  }
}

export type FlipRow = { n: number; idx: number; outcome: number }

const flipsOf = (id: number, when: Condition): Statement<FlipRow> =>
  sql`select n, idx, outcome from status_flip
    where list = ${id} and n > (select upto from status_list where id = ${id}) and ${when}
    order by n`

/** The lists with so many flips after their snapshot. */
export const listLongLists = (least: number): Statement<{ id: number }> =>
  sql`select list as id from status_flip group by list having count(*) >= ${least}`

/** Stores a snapshot, unless another was stored since `before`, and forgets its flips. */
export const storeSnapshot = (
  id: number,
  { before, upto, snapshot }: { before: number; upto: number; snapshot: Uint8Array },
): readonly Statement[] => [
  sql`update status_list set snapshot = ${snapshot}, upto = ${upto}
    where id = ${id} and upto = ${before}`,
  sql`delete from status_flip where list = ${id} and n <= ${upto}
    and exists (select 1 from status_list where id = ${id} and upto = ${upto})`,
]

// --- status_change ----------------------------------------------------------------------------

export type ChangeRow = { n: number; done: number; bound: number | null }

/** The oldest change that is not spread, with the end of its next page of entries. */
export const findChange = (page: number): Statement<ChangeRow> =>
  sql`select c.n, c.done, (select max(seq) from (select seq from status_entry
      where seq > c.done and seq <= c.upto order by seq limit ${page})) as bound
    from status_change c order by c.n limit 1`

/** One row while a change is not spread. */
export const isAnyWaiting = (): Statement<{ n: number }> => sql`select n from status_change limit 1`

/** Flips the holders of a change on one page, and notes how far it got. */
export const spreadPage = ({ n, done, bound }: ChangeRow & { bound: number }): Statement[] => [
  sql`insert into status_flip (list, idx, outcome, seq)
    select (e.seq - 1) >> ${LIST_BITS}, e.idx, c.outcome, e.seq
    from status_waiting w cross join status_entry e on e.seq = w.seq
      cross join status_change c on c.n = w.n and c.done = ${done}
    where w.n = ${n} and w.seq <= ${bound}`,
  sql`update status_change set done = ${bound} where n = ${n} and done = ${done}`,
]

export const deleteChange = ({ n, done }: ChangeRow): Statement =>
  sql`delete from status_change where n = ${n} and done = ${done}`

/** Counts for an operator: entries that were ever allotted, and those that were given up. */
export type CountsRow = { lists: number; entries: number; flips: number }

export const countStatus = (): Statement<CountsRow> =>
  sql`select (select count(*) from status_list) as lists,
    coalesce((select seq from sqlite_sequence where name = 'status_entry'), 0) as entries,
    coalesce((select seq from sqlite_sequence where name = 'status_flip'), 0) as flips`

export type WaitingRow = {
  scope: (typeof status_change.$inferSelect)['scope']
  id: string
  outcome: number
  done: number
  upto: number
}

/** The oldest changes that are not spread yet. */
export const listChanges = (limit: number): Statement<WaitingRow> =>
  sql`select scope, id, outcome, done, upto from status_change order by n limit ${limit}`

/**
 * Ends every entry of a past of which nobody knows what was revoked, in lists that are known and
 * lists that are not; stands behind the jump of the counters. Origins get new entries, in a list of
 * their own, as their epochs rise.
 */
export const endAllEntries = (ended: Uint8Array): readonly Statement[] => [
  sql`delete from status_entry`,
  sql`delete from status_flip`,
  sql`delete from status_change`,
  sql`update status_list set snapshot = ${ended},
    upto = max(upto + 1, coalesce((select seq from sqlite_sequence where name = 'status_flip'), 0))`,
  sql`update sqlite_sequence set seq = ((seq >> ${LIST_BITS}) + 1) << ${LIST_BITS}
    where name = 'status_entry'`,
]
