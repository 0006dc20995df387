// The record of events. Every change by a person or an operator appends one event in the same batch
// as the change; audit and, later, webhooks read from here. `seq` is their order, that of the
// commits. Holds no secret, token or code. events/event_catalogue.ts has the types and their data.
// Owns `event` and, through its triggers, `event_object`.
import type { Context } from './context.ts'
import { randomId, sha256 } from './crypto.ts'
import { event } from './db/event_schema.ts'
import {
  type Condition,
  condition,
  insertInto,
  insertWhere,
  join,
  type Statement,
  sql,
  TRUE,
} from './db/sql.ts'
import type { ObjectKind } from './events/catalogue_entry.ts'
import { CATALOGUE, type Change, type NewEvent } from './events/event_catalogue.ts'

/** Inserts one event; `when` makes it depend on earlier statements of the batch (by `rid`). */
export function appendEvent(cx: Context, entry: NewEvent, when?: Condition): Statement {
  const row = eventRow(cx, entry)
  // The batch may be repeated after a lost answer; the id was drawn once.
  const once = sql<never>`on conflict (id) do nothing`
  return when === undefined ? insertInto(event, row, once) : insertWhere(event, row, when, once)
}

/**
 * Inserts an event like `entry` for each row of `each`, which says about whom and with which data
 * (JSON), and has a `key` of which there is one such event alone.
 */
export function appendEventOfEach(
  cx: Context,
  entry: NewEvent,
  each: Statement<{ key: string; subject_id: string; data: string }>,
): Statement {
  const { at, type, outcome, actor_kind, ...row } = eventRow(cx, entry)
  const { actor_id = null, client_id = null, session_id = null, rid = null, address } = row
  const { subject_is = 'principal', data: members } = CATALOGUE[entry.type]
  const named = Object.entries(members).flatMap(([name, { names }]) =>
    names === undefined
      ? []
      : [
          sql`union select ${names}, value from json_each(each.data, ${`$.${name}`})
          where type = 'text' and value <> '*'`,
        ],
  )
  return sql`insert into event (id, at, type, outcome, actor_kind, actor_id, subject_id, client_id,
      session_id, rid, address, objects, data)
    select 'evt_' || each.key, ${at}, ${type}, ${outcome}, ${actor_kind}, ${actor_id},
      each.subject_id, ${client_id}, ${session_id}, ${rid}, ${address},
      (select json_group_array(json_array(kind, id)) from (
        select ${subject_is} as kind, each.subject_id as id ${join(named, ' ')})), each.data
    from (${each}) each where true
    on conflict (id) do nothing`
}

/** An event that happens so often that one row counts those of a minute. */
type CountedEvent = Extract<
  NewEvent,
  { data: { reason: string; count?: number; last_at?: number } }
>

/**
 * Inserts an event that counts, or adds to the one of the same type, subject, reason and minute;
 * address and request are then those of the last.
 */
export function countEvent(
  cx: Context,
  entry: CountedEvent,
  { count, last_at, minute }: { count: number; last_at: number; minute: number },
  when: Condition = TRUE,
): Statement {
  const { type, subject_id, data } = entry
  const key = JSON.stringify([type, subject_id, data.reason, minute])
  const row = {
    ...eventRow(cx, entry),
    id: `evt_${sha256(key).toLowerCase()}`,
    data: JSON.stringify({ ...data, count, last_at }),
  }
  // A batch that is repeated adds nothing: the request is noted already.
  const add = sql<never>`on conflict (id) do update set rid = excluded.rid,
    address = excluded.address, data = json_set(event.data,
      '$.count', (event.data ->> '$.count') + ${count}, '$.last_at', ${last_at})
    where event.rid <> excluded.rid`
  return insertWhere(event, row, when, add)
}

/** The row of an event that happens now, in this request. */
function eventRow(cx: Context, entry: NewEvent): typeof event.$inferInsert {
  return {
    id: randomId(cx, 'evt'),
    at: cx.now(),
    type: entry.type,
    outcome: entry.outcome ?? 'success',
    actor_kind: cx.actor.kind,
    actor_id: cx.actor.id,
    subject_id: entry.subject_id ?? null,
    client_id: cx.parties.client_id,
    session_id: cx.parties.session_id,
    rid: cx.rid,
    address: cx.address,
    objects: JSON.stringify(objectsOf(entry)),
    data: JSON.stringify(entry.data ?? {}),
    before: 'before' in entry ? JSON.stringify(entry.before) : null,
    after: 'after' in entry ? JSON.stringify(entry.after) : null,
  }
}

/** The subject, and whatever the catalogue says that a member of `data` names. */
function objectsOf({ type, subject_id, data }: NewEvent): [ObjectKind, string][] {
  const { subject_is = 'principal', data: members } = CATALOGUE[type]
  const values: Readonly<Record<string, unknown>> = data ?? {}
  const named = Object.entries(members).flatMap(([name, { names }]) =>
    names === undefined ? [] : [values[name]].flat().map((id) => [names, id] as const),
  )
  const all = [[subject_is, subject_id] as const, ...named].flatMap(
    ([kind, id]): [ObjectKind, string][] =>
      // The star is everything, which is no thing of its own.
      typeof id === 'string' && id !== '*' ? [[kind, id]] : [],
  )
  return [...new Map(all.map((one) => [one.join(' '), one])).values()]
}

/** The changed members of a thing, out of two forms that the API shows of it. */
export const changedValues = (
  before: object,
  after: object,
  fields: readonly string[],
): Change => ({
  before: membersOf(before, fields),
  after: membersOf(after, fields),
})

/** A member that is not there is null, so that its name is seen on both sides. */
const membersOf = (whole: object, fields: readonly string[]) => {
  const members = new Map(Object.entries(whole))
  return Object.fromEntries(fields.map((name) => [name, members.get(name) ?? null]))
}

/** Most events of a kind that one run of the timer deletes. */
const DELETED_AT_ONCE = 5000

/** For the timer: deletes events that were kept as long as the settings say. */
export const deleteOldEvents = (
  cx: Context,
  { event_ttl, failure_event_ttl }: { event_ttl: number; failure_event_ttl: number },
): readonly Statement[] => {
  const old = (ttl: number) => condition`at < ${cx.now() - ttl}`
  return [
    sql`delete from event where seq in (
      select seq from event where ${old(event_ttl)} limit ${DELETED_AT_ONCE})`,
    sql`delete from event where seq in (
      select seq from event indexed by event_failure_at
      where ${old(failure_event_ttl)} and outcome = 'failure' limit ${DELETED_AT_ONCE})`,
  ]
}

/**
 * Deletes from the events what they say of a person who is deleted: the addresses from which the
 * person acted, or somebody in the name of the person, and what stood before and after.
 */
export const forgetPersonInEvents = (user_id: string): readonly Statement[] => [
  sql`update event set address = '' where actor_id = ${user_id} and actor_kind = 'user'`,
  sql`update event set address = '' where actor_kind = 'anonymous' and seq in (
    select seq from event_object where kind = 'principal' and id = ${user_id})`,
  sql`update event set before = null, after = null where subject_id = ${user_id}`,
]
