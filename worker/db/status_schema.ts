// The tables of status/, which it alone writes, by triggers of migrations/0059_status_list.sql; the
// other tables and the manners of all are in schema.ts.
import { blob } from 'drizzle-orm/sqlite-core/columns/blob'
import { integer } from 'drizzle-orm/sqlite-core/columns/integer'
import { text } from 'drizzle-orm/sqlite-core/columns/text'
import { index } from 'drizzle-orm/sqlite-core/indexes'
import { sqliteTable } from 'drizzle-orm/sqlite-core/table'

// --- status -----------------------------------------------------------------------------------

/** Token status lists, each of 2^20 entries. */
export const status_list = sqliteTable('status_list', {
  id: integer().primaryKey(),
  key: integer().notNull(), // 50 bits: the order of its places
  upto: integer().notNull().default(0), // the last flip within the snapshot
  snapshot: blob({ mode: 'buffer' }), // two bits for each place, deflated (zlib); null: all valid
})

/** The entry of each origin of tokens at this moment. An origin that may not act has none. */
export const status_entry = sqliteTable(
  'status_entry',
  {
    seq: integer().primaryKey({ autoIncrement: true }), // over all lists; never used again
    kind: text({ enum: ['device', 'client', 'authorization', 'device_token'] }).notNull(),
    origin_id: text().notNull(),
    idx: integer().notNull().default(-1), // place within its list; set by a trigger
  },
  (t) => [index('status_entry_origin').on(t.origin_id, t.kind, t.seq)],
)

/** Entries that were given up and are in no snapshot yet. */
export const status_flip = sqliteTable(
  'status_flip',
  {
    n: integer().primaryKey({ autoIncrement: true }),
    list: integer().notNull(),
    idx: integer().notNull(),
    outcome: integer().notNull(), // 1: ended, 3: superseded
    seq: integer().notNull(), // of the entry
  },
  (t) => [index('status_flip_list').on(t.list, t.n)],
)

/** Changes that took rights from more holders than are flipped at once. */
export const status_change = sqliteTable('status_change', {
  n: integer().primaryKey({ autoIncrement: true }),
  scope: text({
    enum: ['subject', 'object', 'role', 'device_type', 'client', 'actor', 'device_ca'],
  }).notNull(),
  id: text().notNull(), // of the group, role, type, client, authority, or whoever acts for others
  outcome: integer().notNull(),
  upto: integer(), // the last entry that it concerns
  done: integer().notNull().default(0), // the last entry that was looked at
})
