// The tables of events, deliveries and mails; schema.ts has all others.
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

/** A mail to a person. Its text is made when it is sent, from `details` and `secrets`. */
export const mail = sqliteTable(
  'mail',
  {
    id: text().primaryKey(),
    kind: text().notNull(), // the name of an entry in mail/mail_kinds.ts
    user_id: text(), // null: the address has no account
    address: text().notNull(),
    address_key: text().notNull(), // as `user.email_key`
    name: text(),
    locale: text(),
    details: text().notNull(), // JSON object: the values that are no secret
    secrets: text(), // JSON object, sealed: link and code; null without any, and once they are no more use
    secret_of: text(), // hash that the owner of link or code knows it by
    expires_at: integer(), // when link or code runs out
    state: text({
      enum: ['waiting', 'sent', 'kept', 'abandoned', 'suppressed', 'withdrawn'],
    }).notNull(),
    attempts: integer().notNull(),
    fault: text(), // of the last attempt, a literal
    created_at: integer().notNull(),
    settled_at: integer(), // when it ceased to wait
  },
  (t) => [
    index('mail_user').on(t.user_id),
    index('mail_address').on(t.address_key),
    index('mail_created').on(t.created_at),
    index('mail_secrets').on(t.secret_of).where(sql`${t.secrets} is not null`),
  ],
)

/** An address whose mail came back, or whose owner complained: nothing is sent there. */
export const undeliverable_address = sqliteTable('undeliverable_address', {
  address_key: text().primaryKey(),
  address: text().notNull(),
  reason: text({ enum: ['bounce', 'complaint'] }).notNull(),
  detail: text(),
  reported_at: integer().notNull(),
})
