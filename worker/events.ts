// The record of events. Every change by a person or an operator appends one event in the same batch
// as the change; audit and, later, webhooks read from here. Holds no secret, token or code. The
// types and their data stand in event_catalogue.ts.
import type { Context } from './context.ts'
import { randomId } from './crypto.ts'
import { event } from './db/schema.ts'
import { type Condition, insertInto, insertWhere, type Statement, sql } from './db/sql.ts'
import type { NewEvent } from './event_catalogue.ts'

/** Inserts one event; `when` makes it depend on earlier statements of the batch (by `rid`). */
export function appendEvent(cx: Context, entry: NewEvent, when?: Condition): Statement {
  const row = {
    id: randomId(cx, 'evt'),
    at: cx.now(),
    type: entry.type,
    outcome: entry.outcome ?? 'success',
    actor_kind: cx.actor.kind,
    actor_id: cx.actor.id,
    subject_id: entry.subject_id ?? null,
    address: cx.address,
    data: JSON.stringify(entry.data ?? {}),
  } as const
  // The batch may be repeated after a lost answer; the id was drawn once.
  const once = sql<never>`on conflict (id) do nothing`
  return when === undefined ? insertInto(event, row, once) : insertWhere(event, row, when, once)
}
