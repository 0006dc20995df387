// Further tables of identity/, which it alone writes; the others, and the manners of all, are in
// schema.ts.
import { integer } from 'drizzle-orm/sqlite-core/columns/integer'
import { text } from 'drizzle-orm/sqlite-core/columns/text'
import { index } from 'drizzle-orm/sqlite-core/indexes'
import { sqliteTable } from 'drizzle-orm/sqlite-core/table'

// --- identity ---------------------------------------------------------------------------------

/** Somebody who is invited to make an account, or to get rights with the one that there is. */
export const invitation = sqliteTable(
  'invitation',
  {
    id: text().primaryKey(),
    hash: text().notNull().unique(), // of the link
    address: text().notNull(),
    address_key: text().notNull(), // as `user.email_key`
    name: text(),
    locale: text(),
    invited_by: text(), // id of the person or client; null: the system
    inviter: text().notNull(), // JSON object: the actor, by whose power it is judged
    inviter_epoch: integer().notNull(), // of that person or client, when it was made
    grants: text().notNull(), // JSON array: role, object, expires_at
    groups: text().notNull(), // JSON array of ids
    valid_for: integer().notNull(), // seconds from each sending
    created_at: integer().notNull(),
    expires_at: integer().notNull(),
    used_by: text(), // rid
    accepted_at: integer(),
    accepted_by: text(), // id of the user
    revoked_at: integer(),
  },
  (t) => [
    index('invitation_address').on(t.address_key),
    index('invitation_accepted_by').on(t.accepted_by),
    index('invitation_invited_by').on(t.invited_by),
  ],
)

/** How many sign-ins at an account failed. Neither addresses nor browsers are kept here. */
export const failed_sign_in = sqliteTable('failed_sign_in', {
  user_id: text().primaryKey(),
  count: integer().notNull(), // since the person signed in last
  last_at: integer().notNull(), // of these; 0: there are none
  before_count: integer().notNull(), // between the sign-in before and the last one
  before_at: integer().notNull(),
  session: text(), // hash of the session that the last sign-in started
  rid: text().notNull(), // of the request that was counted last
})
