// Every table, with the room that writes it; those of oauth/ are in oauth_schema.ts, events and
// deliveries in event_schema.ts, more of identity/ in factor_schema.ts and people_schema.ts, of
// devices/ in things_schema.ts. Any store may read any table; only the owner writes. Column names
// are the names in TypeScript and on the wire: one grep leads from an RFC to here.
// Times end in `_at` (epoch seconds), durations in `_ttl` (seconds). JSON columns have a comment.
import { sql } from 'drizzle-orm/sql'
// Each from its own file: their index brings the query builders too, 10 MB of memory.
import { check } from 'drizzle-orm/sqlite-core/checks'
import { integer } from 'drizzle-orm/sqlite-core/columns/integer'
import { text } from 'drizzle-orm/sqlite-core/columns/text'
import { index, uniqueIndex } from 'drizzle-orm/sqlite-core/indexes'
import { primaryKey } from 'drizzle-orm/sqlite-core/primary-keys'
import { sqliteTable } from 'drizzle-orm/sqlite-core/table'

// --- ground -----------------------------------------------------------------------------------

export const setting = sqliteTable('setting', {
  name: text().primaryKey(),
  value: text().notNull(), // JSON
  updated_at: integer().notNull(),
})

/** Texts of pages and mails that operators wrote in the place of those of the program. */
export const message = sqliteTable(
  'message',
  {
    locale: text().notNull(),
    key: text().notNull(),
    text: text().notNull(),
    updated_at: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.locale, t.key] })],
)

/** Counters of failed attempts, one row per limited thing, forgotten when the window ends. */
export const attempt = sqliteTable('attempt', {
  key: text().primaryKey(), // HMAC: neither addresses nor account names are kept
  count: integer().notNull(),
  resets_at: integer().notNull(),
})

/** Answers to POSTs that came with an Idempotency-Key, sealed, kept for a day. */
export const idempotency_key = sqliteTable('idempotency_key', {
  hash: text().primaryKey(),
  rid: text().notNull(),
  request_hash: text().notNull(),
  status: integer(),
  response: text(), // sealed
  expires_at: integer().notNull(),
})

/** Holds no row: an insert undoes the batch (`refuseUnless`). */
export const batch_refusal = sqliteTable('batch_refusal', { refused: integer().notNull() }, (t) => [
  check('refused', sql`${t.refused} = 0`),
])

export const lease = sqliteTable('lease', {
  name: text().primaryKey(),
  holder: text().notNull(),
  expires_at: integer().notNull(),
})

/**
 * Secrets of the system itself that must outlive a change of SECRET_KEY, such as the salt of
 * pairwise subjects.
 */
export const stored_secret = sqliteTable('stored_secret', {
  name: text().primaryKey(),
  value: text().notNull(), // sealed
  created_at: integer().notNull(),
})

/** Each SECRET_KEY that was the newest of a program here, by its id; the key itself is nowhere. */
export const secret_key = sqliteTable('secret_key', {
  id: text().primaryKey(),
  first_seen_at: integer().notNull(),
  seals_from: integer().notNull(), // later than first_seen_at while programs may not have it yet
})

// --- keys -------------------------------------------------------------------------------------

export const signing_key = sqliteTable('signing_key', {
  kid: text().primaryKey(),
  alg: text({ enum: ['ES256', 'RS256', 'EdDSA'] }).notNull(),
  public_jwk: text().notNull(), // JSON
  private_jwk: text().notNull(), // sealed
  created_at: integer().notNull(),
  signs_at: integer().notNull(), // published from created_at, signs from here
  needed_until: integer().notNull(), // last `exp` of anything it signed beyond the usual lifetimes
})

// --- access -----------------------------------------------------------------------------------

/** The one id space of users, clients, devices and groups. Rows stay as tombstones. */
export const principal = sqliteTable('principal', {
  id: text().primaryKey(),
  kind: text({ enum: ['user', 'client', 'device', 'group'] }).notNull(),
  rid: text().notNull(), // of the request that made it: a repeated batch knows its own row
  created_at: integer().notNull(),
  deleted_at: integer(),
})

export const group = sqliteTable(
  'group',
  {
    id: text()
      .primaryKey()
      .references(() => principal.id),
    kind: text().notNull(),
    name: text().notNull(),
    parent_id: text(),
    created_at: integer().notNull(),
    updated_at: integer().notNull(),
    version: integer().notNull(),
    require_factor: integer().notNull().default(0), // 0 or 1: of people in it and below
    placed_at: integer().notNull().default(0), // when it came to hang where it does
  },
  (t) => [index('group_parent').on(t.parent_id, t.id), index('group_kind').on(t.kind, t.id)],
)

export const membership = sqliteTable(
  'membership',
  {
    group_id: text().notNull(),
    member_id: text().notNull(), // user, device or client
    created_at: integer().notNull(),
    expires_at: integer(), // of people alone
  },
  (t) => [
    primaryKey({ columns: [t.group_id, t.member_id] }),
    index('membership_member').on(t.member_id, t.group_id, t.expires_at),
    index('membership_end').on(t.expires_at).where(sql`${t.expires_at} is not null`),
  ],
)

export const role = sqliteTable('role', {
  name: text().primaryKey(),
  description: text().notNull(),
  permissions: text().notNull(), // JSON array of strings
  acl: text().notNull(), // JSON array of rule templates
  builtin: integer().notNull(), // 0 or 1
  created_at: integer().notNull(),
  updated_at: integer().notNull(),
  version: integer().notNull(),
  require_factor: integer().notNull().default(0), // 0 or 1: of people who hold it
})

export const grant = sqliteTable(
  'grant',
  {
    id: text().primaryKey(),
    subject_id: text().notNull(), // user, device, client or group
    role: text().notNull(),
    object_id: text().notNull(), // device, group or *
    not_before: integer(),
    expires_at: integer(),
    created_at: integer().notNull(),
    updated_at: integer().notNull(),
    version: integer().notNull(),
    condition: text(), // CEL
    condition_reads: text(), // JSON array of strings
  },
  (t) => [
    index('grant_subject').on(t.subject_id, t.role, t.object_id),
    index('grant_object').on(t.object_id, t.id),
    index('grant_role').on(t.role, t.id),
    index('grant_conditional').on(t.object_id).where(sql`condition is not null`),
  ],
)

// --- identity ---------------------------------------------------------------------------------

export const user = sqliteTable(
  'user',
  {
    id: text()
      .primaryKey()
      .references(() => principal.id),
    email: text().notNull(), // the primary address, as in login_id; '' without one
    email_key: text().notNull().unique(), // for the previous program alone: login_id is what counts
    email_verified: integer().notNull(), // 0 or 1
    name: text(),
    locale: text(),
    password: text(), // PHC string
    status: text({ enum: ['active', 'disabled', 'closed'] }).notNull(),
    metadata: text().notNull(), // JSON object
    profile: text().notNull().default('{}'), // JSON object: further standard claims
    created_at: integer().notNull(),
    updated_at: integer().notNull(),
    version: integer().notNull(),
    epoch: integer().notNull().default(0), // how often it was disabled: what was issued before is dead
    must_change_password: integer().notNull().default(0), // 0 or 1
    user_name: text(), // as in login_id
    last_sign_in_at: integer(),
    closes_at: integer(), // of a closed account: when it is deleted
  },
  (t) => [
    index('user_last_sign_in').on(t.last_sign_in_at),
    index('user_closes').on(t.closes_at).where(sql`${t.closes_at} is not null`),
  ],
)

/** Browser sessions. The cookie holds the id's clear text, the table its hash. */
export const session = sqliteTable(
  'session',
  {
    id_hash: text().primaryKey(),
    user_id: text().notNull(),
    auth_time: integer().notNull(),
    amr: text().notNull(), // JSON array, RFC 8176
    created_at: integer().notNull(),
    last_seen_at: integer().notNull(),
    expires_at: integer().notNull(),
    address: text().notNull(),
    user_agent: text().notNull(),
    sid: text().notNull(), // how clients name it; kept when the same person signs in again in its place
  },
  (t) => [
    index('session_user').on(t.user_id),
    index('session_expiry').on(t.expires_at),
    index('session_sid').on(t.sid),
  ],
)

/** One-time link with which the first operator is made. */
export const setup_link = sqliteTable('setup_link', {
  hash: text().primaryKey(),
  created_at: integer().notNull(),
  expires_at: integer().notNull(),
  redeemed_by: text(), // rid
})

/** One-time links by which a person gets back into an account, for each `purpose`. */
export const account_link = sqliteTable(
  'account_link',
  {
    hash: text().primaryKey(),
    user_id: text()
      .notNull()
      .references(() => user.id),
    purpose: text({
      enum: [
        'password_reset',
        'password_recovery',
        'new_address',
        'further_address',
        'undo_address',
        'sign_in',
      ],
    }).notNull(),
    created_at: integer().notNull(),
    expires_at: integer().notNull(),
    used_by: text(), // rid
    used_at: integer(),
    made_by: text(), // JSON object: the actor that made it; null: the person
    address_key: text(), // of a link that was mailed: the address it went to
    address: text(), // that the account gets by the link
    browser: text(), // hash of the cookie of the browser that asked, in which alone it is good
    journey: text(), // JSON object: the fields that lead back
  },
  (t) => [index('account_link_user').on(t.user_id)],
)

/** Texts that people decide about, such as terms; consent_version has the words. */
export const consent = sqliteTable('consent', {
  key: text().primaryKey(),
  required: integer().notNull(), // 0 or 1
  round: integer().notNull(), // raised when everybody is asked again
  created_at: integer().notNull(),
  updated_at: integer().notNull(),
  version: integer().notNull(), // of the row, for ETags; raised by its versions too
  rid: text().notNull(), // of the request that wrote it last
})

export const consent_version = sqliteTable(
  'consent_version',
  {
    key: text().notNull(),
    version: text().notNull(), // the operator's name for it
    position: integer().notNull(), // the order of the versions, from 1
    texts: text().notNull(), // JSON object: language tag -> { title, text or url }
    demanded_from: integer().notNull(),
    revision: integer().notNull(), // raised when the texts change, which no decision allows
    is_decided: integer().notNull(), // 0 or 1: somebody accepted it once
    created_at: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.key, t.version] })],
)

/** Decisions of people about texts. The last one of a person about a key counts. */
export const consent_decision = sqliteTable(
  'consent_decision',
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    id: text().notNull(),
    user_id: text().notNull(),
    key: text().notNull(),
    version: text().notNull(),
    round: integer().notNull(), // of the consent, when it was decided
    locale: text().notNull(), // the language in which it was shown
    decision: text({ enum: ['accepted', 'withdrawn'] }).notNull(),
    decided_at: integer().notNull(),
    address: text().notNull(),
    client_id: text(), // the application that had sent the person
    guardian: text(), // who decided for a person who is too young; null: the person
    noted_by: text(), // JSON object: the operator who noted a guardian's decision
  },
  (t) => [
    uniqueIndex('consent_decision_id').on(t.id),
    index('consent_decision_user').on(t.user_id, t.key, t.seq),
    index('consent_decision_key').on(t.key, t.seq),
  ],
)

/** Somebody who wants an account: it is made behind a mailed link. */
export const sign_up = sqliteTable(
  'sign_up',
  {
    hash: text().primaryKey(),
    email: text().notNull(),
    journey: text().notNull(), // JSON object: the fields that lead back
    created_at: integer().notNull(),
    expires_at: integer().notNull(),
    used_by: text(), // rid
  },
  (t) => [index('sign_up_expiry').on(t.expires_at)],
)

/** Sign-ins that are not complete yet. The cookie holds the id's clear text. None is a session. */
export const sign_in = sqliteTable(
  'sign_in',
  {
    id_hash: text().primaryKey(),
    user_id: text()
      .notNull()
      .references(() => user.id),
    password: text(), // the hash that was compared: a session starts only under it
    epoch: integer().notNull(), // of the person, when it began
    methods: text().notNull(), // JSON array, RFC 8176: what was proven so far
    created_at: integer().notNull(),
    expires_at: integer().notNull(),
  },
  (t) => [index('sign_in_user').on(t.user_id), index('sign_in_expiry').on(t.expires_at)],
)

/**
 * Browsers in which a person completed a sign-in, by the hash of a cookie. What is guessed there is
 * counted apart.
 */
export const known_browser = sqliteTable(
  'known_browser',
  {
    hash: text().primaryKey(),
    user_id: text().notNull(),
    has_factor: integer().notNull(), // 0 or 1: a second factor was proven there
    last_at: integer().notNull(),
    expires_at: integer().notNull(),
  },
  (t) => [
    index('known_browser_user').on(t.user_id, t.last_at),
    index('known_browser_expiry').on(t.expires_at),
  ],
)

/** Factors of people: authenticator apps, and passkeys, which have the columns after the times. */
export const factor = sqliteTable(
  'factor',
  {
    id: text().primaryKey(),
    user_id: text()
      .notNull()
      .references(() => user.id),
    kind: text({ enum: ['totp', 'passkey'] }).notNull(),
    name: text().notNull(),
    secret: text(), // of an app, encrypted under a stored secret
    last_step: integer().notNull(), // of the last code that was used (RFC 6238 §5.2); 0: no app
    used_by: text(), // rid of that use
    made_by: text().notNull(), // rid
    created_at: integer().notNull(),
    last_used_at: integer(),
    credential_id: text(), // base64url
    public_key: text(), // JWK
    user_handle: text(), // name of the person in the authenticator, base64url; random
    sign_count: integer(),
    transports: text(), // JSON array
    aaguid: text(), // model of the authenticator, as it says itself
    is_synced: integer(), // 1: may be on several devices of the person (backup eligible)
    is_backed_up: integer(),
  },
  (t) => [index('factor_user').on(t.user_id), uniqueIndex('factor_credential').on(t.credential_id)],
)

/** Challenges of passkeys that were answered; none is taken twice. Others are not stored. */
export const passkey_challenge = sqliteTable(
  'passkey_challenge',
  {
    hash: text().primaryKey(),
    used_by: text().notNull(), // rid
    expires_at: integer().notNull(), // of the challenge
  },
  (t) => [index('passkey_challenge_expiry').on(t.expires_at)],
)

/** One-time codes that stand in for a second factor. */
export const recovery_code = sqliteTable(
  'recovery_code',
  {
    hash: text().primaryKey(),
    user_id: text()
      .notNull()
      .references(() => user.id),
    made_by: text().notNull(), // rid
    created_at: integer().notNull(),
    used_by: text(), // rid
    used_at: integer(),
  },
  (t) => [index('recovery_code_user').on(t.user_id)],
)

// --- devices ----------------------------------------------------------------------------------

export const CREDENTIAL_KINDS = ['jwk', 'secret', 'x509'] as const

export const device = sqliteTable(
  'device',
  {
    id: text()
      .primaryKey()
      .references(() => principal.id),
    type: text().notNull(),
    name: text(),
    status: text({ enum: ['unclaimed', 'active', 'suspended', 'retired'] }).notNull(),
    mqtt_client_id: text().unique(),
    metadata: text().notNull(), // JSON object; of strings where its type has no fields
    created_at: integer().notNull(),
    updated_at: integer().notNull(),
    version: integer().notNull(),
    epoch: integer().notNull().default(0), // how often it ceased to be active
    parent_id: text(), // the gateway before it
    tags: text().notNull().default('[]'), // JSON array of words, sorted
    first_seen_at: integer().notNull().default(0), // 0: never
    last_seen_at: integer().notNull().default(0), // of once a minute
    released_at: integer(), // and not claimed since
  },
  (t) => [
    index('device_by_type').on(t.type, t.id),
    index('device_by_parent').on(t.parent_id, t.id).where(sql`${t.parent_id} is not null`),
    index('device_by_status').on(t.status, t.id),
    index('device_by_silence').on(t.last_seen_at, t.id),
  ],
)

export const device_credential = sqliteTable(
  'device_credential',
  {
    id: text().primaryKey(),
    device_id: text().notNull(),
    kind: text({ enum: CREDENTIAL_KINDS }).notNull(),
    jwk: text(), // JSON, public
    secret_hash: text(),
    not_before: integer(),
    expires_at: integer(),
    revoked_at: integer(),
    created_at: integer().notNull(),
    made_by: text(), // id of the person or client that reached some places alone
    last_used_at: integer(), // of once a minute
    replaced_by: text(), // the credential that took its place
    rotate_by: integer(), // by when another key was demanded in its place
    renews_until: integer(), // with rotate_by: the end that the next key takes over
    thumbprint: text(), // of a certificate (x509): SHA-256 of its DER form, base64url
    issuer: text(), // SHA-256 of the name of its issuer
    serial: text(), // its number, hexadecimal
    not_after: integer(), // its own end
    ca_id: text(), // counts only while this authority does
  },
  (t) => [
    index('device_credential_device').on(t.device_id),
    index('device_credential_ca').on(t.ca_id, t.device_id).where(sql`${t.ca_id} is not null`),
    index('device_credential_ending')
      .on(t.expires_at, t.device_id, t.id)
      .where(sql`${t.expires_at} is not null and ${t.revoked_at} is null`),
  ],
)

// --- admin ------------------------------------------------------------------------------------

/** Entries of blueprints as they were last applied: HMACs, which can only be compared. */
export const blueprint_entry = sqliteTable('blueprint_entry', {
  key: text().primaryKey(), // of the natural key
  entry: text().notNull(), // of the whole entry; '' when a part of it was left out
  members: text().notNull(), // JSON object: for each member, and each part of some
  rid: text().notNull(), // of the request that wrote it
  applied_at: integer().notNull(),
})
