// The tables of events and deliveries; schema.ts has all others.
import { sql } from 'drizzle-orm/sql'
// Each from its own file, as in schema.ts.
import { integer } from 'drizzle-orm/sqlite-core/columns/integer'
import { text } from 'drizzle-orm/sqlite-core/columns/text'
import { index, uniqueIndex } from 'drizzle-orm/sqlite-core/indexes'
import { primaryKey } from 'drizzle-orm/sqlite-core/primary-keys'
import { sqliteTable } from 'drizzle-orm/sqlite-core/table'

// --- ground -----------------------------------------------------------------------------------

/**
 * Events: one row for every change by a person or an operator. Two triggers keep `event_object` as
 * `objects` says.
 */
export const event = sqliteTable(
  'event',
  {
    seq: integer().primaryKey({ autoIncrement: true }), // the order of commits
    id: text().notNull(),
    at: integer().notNull(),
    type: text().notNull(),
    outcome: text({ enum: ['success', 'failure'] }).notNull(),
    actor_kind: text({ enum: ['user', 'client', 'device', 'system', 'anonymous'] }).notNull(),
    actor_id: text(),
    subject_id: text(),
    client_id: text(), // through which it was asked for
    session_id: text(), // hash of the cookie
    rid: text(), // null in events from before there were such columns
    address: text().notNull(),
    objects: text().notNull(), // JSON list of pairs: kind, id
    data: text().notNull(), // JSON object
    before: text(), // JSON object
    after: text(), // JSON object
  },
  (t) => [
    uniqueIndex('event_id').on(t.id),
    index('event_at').on(t.at),
    index('event_type').on(t.type),
    index('event_actor').on(t.actor_id),
    index('event_subject').on(t.subject_id),
    index('event_client').on(t.client_id),
    index('event_rid').on(t.rid),
    index('event_failure').on(t.outcome).where(sql`${t.outcome} = 'failure'`),
    index('event_failure_at').on(t.at).where(sql`${t.outcome} = 'failure'`),
  ],
)

/** The things that an event names, by which it is found. Written by triggers of `event` alone. */
export const event_object = sqliteTable(
  'event_object',
  { kind: text().notNull(), id: text().notNull(), seq: integer().notNull() },
  (t) => [primaryKey({ columns: [t.kind, t.id, t.seq] }), index('event_object_seq').on(t.seq)],
)

/** A message that somebody has yet to receive; deliveries.ts says how each kind is sent. */
export const delivery = sqliteTable(
  'delivery',
  {
    id: text().primaryKey(),
    kind: text().notNull(), // the name of an entry, such as `logout_token`
    recipient: text().notNull(), // of a logout token the client
    about: text().notNull(), // of a logout token the `sid`
    payload: text().notNull(), // JSON object, without secrets
    attempts: integer().notNull(),
    taken_by: text(), // the lease under which it is being sent
    next_at: integer().notNull(),
    created_at: integer().notNull(),
  },
  (t) => [
    index('delivery_due').on(t.kind, t.next_at),
    uniqueIndex('delivery_once').on(t.recipient, t.kind, t.about),
  ],
)
