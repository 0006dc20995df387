// Tables of admin/, as schema.ts has those of the other rooms.
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

// --- admin ------------------------------------------------------------------------------------

/** Entries of blueprints as they were last applied: HMACs, which can only be compared. */
export const blueprint_entry = sqliteTable('blueprint_entry', {
  key: text().primaryKey(), // of the natural key
  entry: text().notNull(), // of the whole entry; '' when a part of it was left out
  members: text().notNull(), // JSON object: for each member, and each part of some
  rid: text().notNull(), // of the request that wrote it
  applied_at: integer().notNull(),
})
