// The tables of identity/ that stand beside factors: trusted browsers, codes by mail, removed
// factors. Factors themselves, and the manners of all tables, are in schema.ts.
import { integer } from 'drizzle-orm/sqlite-core/columns/integer'
import { text } from 'drizzle-orm/sqlite-core/columns/text'
import { index } from 'drizzle-orm/sqlite-core/indexes'
import { primaryKey } from 'drizzle-orm/sqlite-core/primary-keys'
import { sqliteTable } from 'drizzle-orm/sqlite-core/table'

// --- identity ---------------------------------------------------------------------------------

/** Browsers in which a person is not asked for the second factor for some days. */
export const trusted_browser = sqliteTable(
  'trusted_browser',
  {
    hash: text().notNull(), // of the cookie
    user_id: text().notNull(),
    epoch: integer().notNull(), // of the person, when the factor was proven
    trusted_at: integer().notNull(),
    address: text().notNull(),
    user_agent: text().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.hash, t.user_id] }),
    index('trusted_browser_user').on(t.user_id, t.trusted_at),
    index('trusted_browser_age').on(t.trusted_at),
  ],
)

/** Codes that were mailed as a second factor, one for each session. */
export const mail_code = sqliteTable(
  'mail_code',
  {
    session_hash: text().primaryKey(),
    user_id: text().notNull(),
    code_mac: text().notNull(),
    expires_at: integer().notNull(),
    used_by: text(), // rid
  },
  (t) => [index('mail_code_user').on(t.user_id), index('mail_code_expiry').on(t.expires_at)],
)

/** People whose password came by a mailed link. */
export const linked_password = sqliteTable('linked_password', {
  user_id: text().primaryKey(),
  set_at: integer().notNull(),
})

/** Factors that an operator removed, while a mailed link can put them back. */
export const removed_factor = sqliteTable(
  'removed_factor',
  {
    hash: text().primaryKey(), // of the link
    user_id: text().notNull(),
    sealed: text().notNull(), // the factor and recovery codes that went with it, as JSON
    removed_at: integer().notNull(),
    expires_at: integer().notNull(),
    used_by: text(), // rid
  },
  (t) => [
    index('removed_factor_user').on(t.user_id),
    index('removed_factor_expiry').on(t.expires_at),
  ],
)
