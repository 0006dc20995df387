// The tables of oauth/, which it alone writes; the other tables and the manners of both are in
// schema.ts.
import { sql } from 'drizzle-orm/sql'
import { integer } from 'drizzle-orm/sqlite-core/columns/integer'
import { text } from 'drizzle-orm/sqlite-core/columns/text'
import { index } from 'drizzle-orm/sqlite-core/indexes'
import { primaryKey } from 'drizzle-orm/sqlite-core/primary-keys'
import { sqliteTable } from 'drizzle-orm/sqlite-core/table'
import { principal } from './schema.ts'

// --- oauth ------------------------------------------------------------------------------------

export const client = sqliteTable('client', {
  id: text()
    .primaryKey()
    .references(() => principal.id),
  client_name: text(),
  status: text({ enum: ['active', 'disabled'] }).notNull(),
  token_endpoint_auth_method: text().notNull(),
  application_type: text({ enum: ['web', 'native'] }).notNull(),
  redirect_uris: text().notNull(), // JSON array
  post_logout_redirect_uris: text().notNull(), // JSON array
  grant_types: text().notNull(), // JSON array
  scope: text().notNull(), // space-separated
  resources: text().notNull(), // JSON array: resource servers it may ask for beyond our own
  serves: text().notNull().default('[]'), // JSON array: resource servers that it is
  jwks: text(), // JSON
  first_party: integer().notNull(), // 0 or 1
  access_token_ttl: integer(),
  created_at: integer().notNull(),
  updated_at: integer().notNull(),
  version: integer().notNull(),
  members: text().notNull(), // JSON object: all other members, those at their default left out
  registration_token_hash: text(), // of a client that registered itself (RFC 7592)
  initial_access_token_id: text(), // with which it registered itself
  metadata_expires_at: integer(), // until when its document counts, where the id is the address of one
  epoch: integer().notNull().default(0), // how often it was disabled
})

export const client_secret = sqliteTable(
  'client_secret',
  {
    id: text().primaryKey(),
    client_id: text().notNull(),
    hash: text().notNull(),
    created_at: integer().notNull(),
    expires_at: integer(),
  },
  (t) => [index('client_secret_client').on(t.client_id)],
)

/** A request for authorization on its way through login and consent. */
export const authorization_request = sqliteTable('authorization_request', {
  id_hash: text().primaryKey(),
  client_id: text().notNull(),
  parameters: text().notNull(), // JSON object, as checked
  created_at: integer().notNull(),
  expires_at: integer().notNull(),
  pushed: integer().notNull(), // 1: came by the client itself (RFC 9126) and no browser has opened it yet
})

/** Scopes that a person allowed a client, remembered so that they are asked once. */
export const allowed_scope = sqliteTable(
  'allowed_scope',
  {
    user_id: text().notNull(),
    client_id: text().notNull(),
    resource: text().notNull(), // '' where none was named
    scope: text().notNull(),
    created_at: integer().notNull(),
    client_digest: text(), // of the client as it was shown; null: from before this was kept
  },
  (t) => [
    primaryKey({ columns: [t.user_id, t.client_id, t.resource, t.scope] }),
    index('allowed_scope_unbound').on(t.client_id).where(sql`client_digest is null`),
    index('allowed_scope_client').on(t.client_id),
  ],
)

/**
 * Authorization codes. A spent code is kept as long as its authorization, so that a second use is
 * recognised.
 */
export const authorization_code = sqliteTable(
  'authorization_code',
  {
    hash: text().primaryKey(),
    client_id: text().notNull(),
    user_id: text().notNull(),
    redirect_uri: text().notNull(),
    code_challenge: text(),
    scope: text().notNull(),
    resource: text().notNull(), // JSON array
    nonce: text(),
    auth_time: integer().notNull(),
    amr: text().notNull(), // JSON array
    session_hash: text(),
    authorization_id: text().notNull(), // allotted here, comes to life at redemption
    created_at: integer().notNull(),
    expires_at: integer().notNull(),
    redeemed_by: text(), // rid
    sid: text(), // of the browser session
    acr: text(),
    claims: text(), // JSON object (OpenID Connect Core §5.5), or null
    authorization_details: text(), // JSON array (RFC 9396), or null
    dpop_jkt: text(), // the key it is bound to (RFC 9449 §10), or null
    epoch: integer().notNull().default(0), // as of `authorization`
  },
  (t) => [
    index('authorization_code_authorization').on(t.authorization_id),
    index('authorization_code_client').on(t.client_id),
    index('authorization_code_waiting').on(t.user_id, t.client_id).where(sql`redeemed_by is null`),
  ],
)

/**
 * One sign-in of a person to a client: the origin of its tokens and the family of its refresh
 * tokens.
 */
export const authorization = sqliteTable(
  'authorization',
  {
    id: text().primaryKey(),
    user_id: text().notNull(),
    client_id: text().notNull(),
    scope: text().notNull(),
    resource: text().notNull(), // JSON array
    auth_time: integer().notNull(),
    amr: text().notNull(), // JSON array
    session_hash: text(),
    head: text(), // hash of the refresh token that is good now (as is a child of it)
    created_at: integer().notNull(),
    last_used_at: integer().notNull(),
    expires_at: integer(), // absolute end of the refresh token family; null: no refresh token
    revoked_at: integer(),
    sid: text(), // of the browser session
    acr: text(),
    claims: text(), // JSON object (OpenID Connect Core §5.5), or null
    authorization_details: text(), // JSON array (RFC 9396), or null
    cnf: text(), // JSON object (RFC 7800): the key its refresh token is bound to, or null
    offline: integer().notNull(), // 1: outlives the browser session
    epoch: integer().notNull().default(0), // sum of the epochs of user and client when it was given
  },
  (t) => [
    index('authorization_user').on(t.user_id, t.client_id),
    index('authorization_client').on(t.client_id),
    index('authorization_sid').on(t.sid),
  ],
)

/** Principals that act for others by exchanged tokens, with the origin of these (RFC 8693). */
export const token_exchange = sqliteTable(
  'token_exchange',
  {
    origin_id: text().notNull(), // of an authorization or a client
    actor_id: text().notNull(), // of a client or a person
  },
  (t) => [
    primaryKey({ columns: [t.origin_id, t.actor_id] }),
    index('token_exchange_actor').on(t.actor_id),
  ],
)

/** Immutable rows: a refresh token and its parent. Which one is good is the family's `head`. */
export const refresh_token = sqliteTable(
  'refresh_token',
  {
    hash: text().primaryKey(),
    authorization_id: text().notNull(),
    parent: text(), // hash
    created_at: integer().notNull(),
  },
  (t) => [index('refresh_token_authorization').on(t.authorization_id)],
)

/**
 * Ids of assertions and DPoP proofs already used, until they have run out (RFC 7523 §3, RFC 9449
 * §11.1).
 */
export const used_assertion = sqliteTable('used_assertion', {
  hash: text().primaryKey(),
  rid: text().notNull(),
  expires_at: integer().notNull(),
})

/** A device without a browser waits for a person to allow it on another one (RFC 8628). */
export const device_authorization = sqliteTable('device_authorization', {
  hash: text().primaryKey(), // of the device code
  user_code_mac: text().notNull().unique(), // HMAC: a user code has few bits
  client_id: text().notNull(),
  scope: text().notNull(),
  resource: text().notNull(), // JSON array
  authorization_details: text(), // JSON array, or null
  status: text({ enum: ['pending', 'allowed', 'denied'] }).notNull(),
  user_id: text(),
  auth_time: integer(),
  amr: text(), // JSON array
  acr: text(),
  sid: text(),
  authorization_id: text().notNull(), // allotted here, comes to life at redemption
  interval: integer().notNull(), // seconds between two polls
  polled_at: integer(),
  created_at: integer().notNull(),
  expires_at: integer().notNull(),
  redeemed_by: text(), // rid
  epoch: integer().notNull().default(0), // as of `authorization`, from the decision on
})

/** Tokens with which software registers clients (RFC 7591 §3). */
export const initial_access_token = sqliteTable('initial_access_token', {
  id: text().primaryKey(),
  hash: text().notNull().unique(),
  description: text(),
  max_uses: integer(),
  scope: text().notNull(), // the most that a client made with it may have
  defaults: text().notNull(), // JSON object: members of clients made with it
  created_at: integer().notNull(),
  expires_at: integer(),
  created_by: text(),
  maker: text(), // JSON: the actor that made it; null: of before there was this column
  maker_epoch: integer().notNull().default(0),
})

/** One row for each client that was registered with one. */
export const initial_access_token_use = sqliteTable(
  'initial_access_token_use',
  {
    rid: text().primaryKey(),
    token_id: text().notNull(),
    created_at: integer().notNull(),
  },
  (t) => [index('initial_access_token_use_token').on(t.token_id)],
)
