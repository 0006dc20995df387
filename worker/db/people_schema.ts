// Further tables of identity/, which it alone writes; the others, and the manners of all, are in
// schema.ts.
import { sql } from 'drizzle-orm/sql'
import { integer } from 'drizzle-orm/sqlite-core/columns/integer'
import { text } from 'drizzle-orm/sqlite-core/columns/text'
import { index, uniqueIndex } from 'drizzle-orm/sqlite-core/indexes'
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
    groups_expire_at: integer(), // of the memberships
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
    index('invitation_open')
      .on(t.expires_at)
      .where(sql`${t.used_by} is null and ${t.revoked_at} is null`),
  ],
)

/** Offers of a place to a new owner, and what ended by those that were accepted. */
export const place_transfer = sqliteTable(
  'place_transfer',
  {
    id: text().primaryKey(),
    hash: text().notNull().unique(), // of the link
    group_id: text().notNull(),
    address: text().notNull(),
    address_key: text().notNull(), // as `user.email_key`
    locale: text(),
    role: text().notNull(), // of the new owner
    end_credentials: integer().notNull(), // 0 or 1
    end_tokens: integer().notNull(), // 0 or 1
    invited_by: text(), // id of the person or client that offers; null: the system
    inviter: text().notNull(), // JSON object: the actor, by whose power it is judged
    inviter_epoch: integer().notNull(), // of that person or client, when it was made
    created_at: integer().notNull(),
    expires_at: integer().notNull(),
    used_by: text(), // rid
    accepted_at: integer(),
    accepted_by: text(), // id of the user
    withdrawn_at: integer(),
    ended: text(), // JSON object: in numbers, once it was accepted
    done: integer().notNull().default(0), // 1: all has ended, so that a repeated batch ends no more
  },
  (t) => [
    index('place_transfer_group').on(t.group_id, t.id),
    index('place_transfer_accepted_by').on(t.accepted_by),
    index('place_transfer_invited_by').on(t.invited_by),
    index('place_transfer_open')
      .on(t.expires_at)
      .where(sql`${t.used_by} is null and ${t.withdrawn_at} is null`),
  ],
)

/** Names by which people are known. Only proven ones are unique. */
export const login_id = sqliteTable(
  'login_id',
  {
    id: text().primaryKey(),
    user_id: text().notNull(),
    kind: text({ enum: ['email', 'user_name', 'phone'] }).notNull(),
    key: text().notNull(), // what is compared
    // The former form has a domain that is not in ASCII; `collides`: else two accounts would meet.
    form: text({ enum: ['current', 'former', 'collides'] }).notNull(),
    value: text().notNull(), // as it was given
    verified_at: integer(),
    is_primary: integer().notNull(), // 1: the address that mails go to
    created_at: integer().notNull(),
  },
  (t) => [
    uniqueIndex('login_id_verified').on(t.kind, t.key).where(sql`${t.verified_at} is not null`),
    uniqueIndex('login_id_primary').on(t.user_id).where(sql`${t.is_primary} = 1`),
    index('login_id_key').on(t.kind, t.key),
    index('login_id_user').on(t.user_id),
    index('login_id_former').on(t.id).where(sql`${t.form} <> 'current'`),
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

/** The words by which a user is searched. Triggers keep it, and `user_search` (FTS5) over it. */
export const user_text = sqliteTable(
  'user_text',
  {
    id: integer().primaryKey(),
    user_id: text().notNull(),
    name: text().notNull(),
    names: text().notNull(),
    metadata: text().notNull(), // the values
  },
  (t) => [uniqueIndex('user_text_user').on(t.user_id)],
)

/** Accounts that owners of places made, for people without an address. */
export const place_account = sqliteTable(
  'place_account',
  {
    user_id: text().primaryKey(),
    group_id: text().notNull(), // the place
    made_by: text(), // id of the person or client
    created_at: integer().notNull(),
    renewed_by: text(), // who made the last link to a password after the first
    renewed_at: integer(),
    seen_at: integer(), // when the person was told of that
  },
  (t) => [
    index('place_account_group').on(t.group_id, t.user_id),
    index('place_account_made_by').on(t.made_by),
    index('place_account_renewed_by').on(t.renewed_by),
  ],
)
