// Further tables of devices/, which it alone writes; the others, and the manners of all, are in
// schema.ts.
import { sql } from 'drizzle-orm/sql'
import { integer } from 'drizzle-orm/sqlite-core/columns/integer'
import { text } from 'drizzle-orm/sqlite-core/columns/text'
import { index, uniqueIndex } from 'drizzle-orm/sqlite-core/indexes'
import { primaryKey } from 'drizzle-orm/sqlite-core/primary-keys'
import { sqliteTable } from 'drizzle-orm/sqlite-core/table'

/** Kinds of refusals that mProxy reports. */
export const REFUSAL_EVENTS = [
  'connect_refused',
  'publish_refused',
  'subscribe_refused',
  'delivery_refused',
] as const

// --- devices ----------------------------------------------------------------------------------

export const device_type = sqliteTable('device_type', {
  name: text().primaryKey(),
  description: text().notNull(),
  acl: text().notNull(), // JSON array of rule templates
  created_at: integer().notNull(),
  updated_at: integer().notNull(),
  version: integer().notNull(),
  names: text().notNull().default('{}'), // JSON object: for people, by language
  permissions: text().notNull().default('[]'), // JSON array: what may be asked of its devices
  token_ttl: integer(),
  credential_kinds: text(), // JSON array; null: each kind
  claim: text({ enum: ['never', 'once', 'again'] })
    .notNull()
    .default('never'),
  fields: text(), // JSON Schema of metadata; null: texts alone
  acl_by_reference: integer().$type<0 | 1>().notNull().default(0),
})

/**
 * Tokens that an operator minted for a device. Not the tokens: their ids, so that they can be
 * revoked.
 */
export const device_token = sqliteTable(
  'device_token',
  {
    id: text().primaryKey(), // the origin in the token's jti
    device_id: text().notNull(),
    created_at: integer().notNull(),
    expires_at: integer().notNull(),
    revoked_at: integer(),
    revoked_by: text(), // rid of the change that suspended or retired the device, if that did it
    made_by: text(), // as of a credential
  },
  (t) => [index('device_token_device').on(t.device_id), index('device_token_end').on(t.expires_at)],
)

/** Templates of types that tokens name by their hash. */
export const policy_document = sqliteTable('policy_document', {
  sha256: text().primaryKey(), // of the content, base64url
  content: text().notNull().unique(), // JSON array of rule templates
  created_at: integer().notNull(),
})

/** Numbers that makers gave to devices. A row outlives its device. */
export const hardware_id = sqliteTable(
  'hardware_id',
  {
    kind: text().notNull(), // serial, mac, imei, or another word
    key: text().notNull(), // one for all ways to write the value
    value: text().notNull(),
    device_id: text().notNull(),
    created_at: integer().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.kind, t.key] }),
    index('hardware_id_device').on(t.device_id, t.kind, t.key),
  ],
)

/** The tags of devices, by which they are found. Triggers write it. */
export const device_tag = sqliteTable(
  'device_tag',
  { tag: text().notNull(), device_id: text().notNull() },
  (t) => [
    primaryKey({ columns: [t.tag, t.device_id] }),
    index('device_tag_device').on(t.device_id),
  ],
)

/** The metadata of devices that are one value, by which they are found. Triggers write it. */
export const device_value = sqliteTable(
  'device_value',
  { name: text().notNull(), value: text().notNull(), device_id: text().notNull() },
  (t) => [
    primaryKey({ columns: [t.name, t.value, t.device_id] }),
    index('device_value_device').on(t.device_id),
  ],
)

/** The words of devices; the FTS5 table `device_search` stands over it. Triggers write it. */
export const device_text = sqliteTable(
  'device_text',
  {
    id: integer().primaryKey(),
    device_id: text().notNull(),
    name: text().notNull(),
    ids: text().notNull(),
    words: text().notNull(),
  },
  (t) => [uniqueIndex('device_text_device').on(t.device_id)],
)

/** Types whose devices have to take other keys: those before `demanded_at` end at `rotate_by`. */
export const device_type_rotation = sqliteTable(
  'device_type_rotation',
  {
    type: text().primaryKey(),
    demanded_at: integer().notNull(),
    rotate_by: integer().notNull(),
  },
  (t) => [uniqueIndex('device_type_rotation_end').on(t.rotate_by, t.type)],
)

/** Authorities whose certificates devices authenticate with. */
export const device_ca = sqliteTable(
  'device_ca',
  {
    id: text().primaryKey(),
    name: text().notNull().unique(),
    certificate: text().notNull(), // DER form, base64
    thumbprint: text().notNull(), // SHA-256 of it, base64url
    subject: text().notNull(), // SHA-256 of the DER form of its name
    names: text({ enum: ['id', 'serial'] }).notNull(), // by which its certificates name devices
    device_type: text(), // null: of each type
    group_id: text(), // the place of its devices; null: each
    enabled: integer().$type<0 | 1>().notNull(),
    not_before: integer().notNull(),
    not_after: integer().notNull(),
    created_by: text(),
    created_at: integer().notNull(),
    updated_at: integer().notNull(),
    version: integer().notNull(),
  },
  (t) => [index('device_ca_subject').on(t.subject)],
)

/** The last report of each device about itself. */
export const device_report = sqliteTable('device_report', {
  device_id: text().primaryKey(),
  firmware: text().notNull(),
  model: text(),
  hardware: text(),
  reported_at: integer().notNull(),
})

/** Claim tokens: each is the secret of a batch of devices, by which they register their keys. */
export const claim_batch = sqliteTable('claim_batch', {
  id: text().primaryKey(),
  hash: text().notNull().unique(), // of the token
  name: text(),
  type: text().notNull(),
  group_id: text(), // the place of its devices
  uses: integer().notNull(),
  used: integer().notNull(),
  again: text({ enum: ['keep', 'reset'] }).notNull(),
  is_listed: integer().notNull(), // 1: only the numbers of `claim_number`
  is_wide: integer().notNull(), // 1: made by an actor that may give each device everything
  created_by: text(),
  created_at: integer().notNull(),
  expires_at: integer().notNull(),
  revoked_at: integer(),
  maker: text(), // JSON: the actor that made it; null: of before there was this column
  maker_epoch: integer().notNull().default(0),
  made_by: text(), // the maker, where it reached some places alone
})

/** The hardware ids to which a claim token is limited. */
export const claim_number = sqliteTable(
  'claim_number',
  { batch_id: text().notNull(), kind: text().notNull(), key: text().notNull() },
  (t) => [primaryKey({ columns: [t.batch_id, t.kind, t.key] })],
)

/** Devices that came in by a claim token. */
export const claim_use = sqliteTable(
  'claim_use',
  {
    rid: text().primaryKey(), // of the request: a repeated batch counts once
    batch_id: text().notNull(),
    device_id: text().notNull(),
    created_at: integer().notNull(),
  },
  (t) => [
    index('claim_use_batch').on(t.batch_id, t.device_id),
    index('claim_use_device').on(t.device_id),
  ],
)

/** Proofs that devices signed for a claim, so that none counts twice. */
export const claim_proof = sqliteTable(
  'claim_proof',
  { hash: text().primaryKey(), rid: text().notNull(), expires_at: integer().notNull() },
  (t) => [index('claim_proof_end').on(t.expires_at)],
)

/** Codes by which people claim devices; a device has one that is open at most. */
export const device_claim = sqliteTable(
  'device_claim',
  {
    id: text().primaryKey(),
    hash: text().notNull().unique(), // keyed, of the code
    device_id: text().notNull(),
    made_by: text(), // id of the person or client; null: the system
    maker: text().notNull(), // JSON object: the actor, by whose power the device is given away
    maker_epoch: integer().notNull(), // of that person or client, when the code was made
    created_at: integer().notNull(),
    expires_at: integer().notNull(),
    used_by: text(), // rid
    claimed_at: integer(),
    withdrawn_at: integer(),
  },
  (t) => [
    index('device_claim_device').on(t.device_id, t.id),
    uniqueIndex('device_claim_open')
      .on(t.device_id)
      .where(sql`${t.used_by} is null and ${t.withdrawn_at} is null`),
    index('device_claim_end').on(t.expires_at),
  ],
)

/** Jobs over many devices. Triggers of `device_job_line` count in it. */
export const device_job = sqliteTable(
  'device_job',
  {
    id: text().primaryKey(),
    state: text({ enum: ['selecting', 'running', 'done', 'stopped', 'cancelled'] }).notNull(),
    filter: text().notNull(), // JSON object: parameters of the list of devices
    change: text().notNull(), // JSON object
    undo_of: text(), // the job that it takes back
    actor: text().notNull(), // JSON object: the actor who started it, with the scopes of the token
    created_by: text(),
    place: text().notNull(), // JSON: up to where devices are selected; '' at the beginning
    total: integer().notNull(),
    done: integer().notNull(), // with those that failed
    failed: integer().notNull(),
    reason: text(), // why it stopped
    created_at: integer().notNull(),
    ended_at: integer(),
  },
  (t) => [
    index('device_job_open').on(t.created_at, t.id).where(sql`${t.ended_at} is null`),
    index('device_job_end').on(t.ended_at).where(sql`${t.ended_at} is not null`),
    index('device_job_creator').on(t.created_by, t.id),
  ],
)

/** One device of a job: what is to be done, then what was done. */
export const device_job_line = sqliteTable(
  'device_job_line',
  {
    id: integer().primaryKey(),
    job_id: text().notNull(),
    device_id: text().notNull(),
    result: text({ enum: ['pending', 'changed', 'unchanged', 'failed'] }).notNull(),
    before: text(), // JSON object: the members that were changed
    after: text(),
    version: integer(), // of the device after the change
    detail: text(), // why it failed
    rid: text(), // of the change: a repeated batch counts once
  },
  (t) => [
    uniqueIndex('device_job_line_device').on(t.job_id, t.device_id),
    index('device_job_line_result').on(t.job_id, t.result, t.id),
    index('device_job_line_order').on(t.job_id, t.id),
  ],
)

// --- devices/connections ----------------------------------------------------------------------

/** Each run of an mProxy that reports, or part of one between two gaps in its reports. */
export const mproxy_lease = sqliteTable(
  'mproxy_lease',
  {
    id: text().primaryKey(), // drawn by mProxy
    proxy: text().notNull(), // its name
    reporter: text().notNull(), // id of the client that reports
    started_at: integer().notNull(),
    sessions: integer().notNull(),
    key_age: integer(), // seconds; null: it has no keys
    list_age: integer(), // seconds; null: it has no lists
    dropped: integer().notNull(), // entries that it could not report since its start
    seq: integer().notNull(), // of the last report
    seen_at: integer().notNull(),
    expires_at: integer().notNull(), // 0: another one took its place
    rid: text().notNull(), // of the last report
  },
  (t) => [
    index('mproxy_lease_proxy').on(t.proxy),
    index('mproxy_lease_expires_at').on(t.expires_at),
  ],
)

/** Sessions at mProxy, each open while its lease is. */
export const presence = sqliteTable(
  'presence',
  {
    lease: text().notNull(),
    session: integer().notNull(),
    sub: text().notNull(), // a principal, or one of another issuer
    client_id: text().notNull(), // of MQTT
    since: integer().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.lease, t.session] }),
    index('presence_sub').on(t.sub, t.lease, t.session),
  ],
)

/** Samples of what mProxy refused to devices. */
export const mqtt_refusal = sqliteTable(
  'mqtt_refusal',
  {
    device_id: text().notNull(),
    event: text({ enum: REFUSAL_EVENTS }).notNull(),
    reason: text().notNull(),
    topic: text().notNull(), // '': none
    client_id: text().notNull(), // of MQTT, of the last one
    count: integer().notNull(),
    first_at: integer().notNull(),
    last_at: integer().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.device_id, t.event, t.reason, t.topic] }),
    index('mqtt_refusal_last').on(t.device_id, t.last_at),
    index('mqtt_refusal_last_at').on(t.last_at),
  ],
)
