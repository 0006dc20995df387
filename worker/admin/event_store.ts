// Statements that read the tables `event` and `event_object`. Each filter has an index; the rest is
// judged row by row, from the newest on.
import { namesOnlyWithin, objectsSince } from '../access/reach/reach_store.ts'
import type { Reach } from '../context.ts'
import type { event } from '../db/event_schema.ts'
import { type Condition, condition, join, type Statement, scalar, sql, TRUE } from '../db/sql.ts'
import type { ObjectKind } from '../events/catalogue_entry.ts'

export type EventRow = typeof event.$inferSelect

/** Demands on events; a member that is undefined demands nothing. */
export type EventFilter = {
  type?: string | undefined
  actor_id?: string | undefined
  subject_id?: string | undefined
  client_id?: string | undefined
  rid?: string | undefined
  outcome?: EventRow['outcome'] | undefined
  /** Id of a thing that the event names, and its kind; absent: a principal. */
  object?: string | undefined
  object_kind?: ObjectKind | undefined
  /** Epoch seconds, both included. */
  from?: number | undefined
  to?: number | undefined
}

/** Seconds by which the clocks of instances may differ: by so much `at` may disagree with `seq`. */
const SKEW = 600

/** Larger than every `seq`. */
const BEYOND = Number.MAX_SAFE_INTEGER

// The plus keeps the planner from an order of its own: `seq` bounds the rows already.
const since = (from: number): Condition =>
  condition`+event.at >= ${from} and event.seq >= coalesce(
    (select first.seq from event first where first.at >= ${from - SKEW}
      order by first.at, first.seq limit 1), ${BEYOND})`

const until = (to: number): Condition =>
  condition`+event.at <= ${to} and event.seq <= coalesce(
    (select last.seq from event last where last.at <= ${to + SKEW}
      order by last.at desc, last.seq desc limit 1), 0)`

/** The newest first; `before` is the last `seq` of the page before, null for the first page. */
export function listEventsBefore(
  filter: EventFilter,
  before: number | null,
  limit: number,
  reach?: Reach,
): Statement<EventRow> {
  const { type, actor_id, subject_id, client_id, rid, outcome, object, from, to } = filter
  const seq = before ?? BEYOND
  const conditions: Condition[] = [TRUE]
  if (type !== undefined) conditions.push(condition`event.type = ${type}`)
  if (actor_id !== undefined) conditions.push(condition`event.actor_id = ${actor_id}`)
  if (subject_id !== undefined) conditions.push(condition`event.subject_id = ${subject_id}`)
  if (client_id !== undefined) conditions.push(condition`event.client_id = ${client_id}`)
  if (rid !== undefined) conditions.push(condition`event.rid = ${rid}`)
  // Failures are few and have an index; a success is never far.
  if (outcome === 'failure') conditions.push(condition`event.outcome = 'failure'`)
  if (outcome === 'success') conditions.push(condition`+event.outcome = 'success'`)
  if (from !== undefined) conditions.push(since(from))
  if (to !== undefined) conditions.push(until(to))
  if (reach !== undefined) {
    if (object !== undefined) {
      conditions.push(condition`exists (select 1 from event_object named
        where named.kind = ${filter.object_kind ?? 'principal'} and named.id = ${object}
          and named.seq = event.seq)`)
    }
    return sql`with recursive ${objectsSince(reach)}
      select distinct event.* from seen
        cross join event_object on event_object.kind = 'principal' and event_object.id = seen.id
          and event_object.seq < ${seq}
        cross join event on event.seq = event_object.seq and event.at >= seen.since
      where ${join(conditions, ' and ')} and event.data ->> 'object' is not '*'
        and ${namesOnlyWithin(reach, scalar`event.objects`)}
      order by event.seq desc limit ${limit}`
  }
  const which = join(conditions, ' and ')
  if (object === undefined) {
    return sql`select event.* from event where event.seq < ${seq} and ${which}
      order by event.seq desc limit ${limit}`
  }
  const kind = filter.object_kind ?? 'principal'
  return sql`select event.* from event_object cross join event on event.seq = event_object.seq
    where event_object.kind = ${kind} and event_object.id = ${object}
      and event_object.seq < ${seq} and ${which}
    order by event_object.seq desc limit ${limit}`
}
