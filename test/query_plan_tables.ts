// Which tables stay small however large a fleet is, each with the reason; every other one grows. And
// which statements may walk through a table that grows.

export const SMALL: Readonly<Record<string, string>> = {
  batch_refusal: 'never holds a row',
  blueprint_entry: 'the entries of blueprints',
  claim_batch: 'batches, not their devices',
  consent: 'texts of an operator',
  consent_version: 'texts of an operator',
  device_type: 'kinds of devices',
  device_type_rotation: 'one for each kind of devices',
  device_ca: 'operators register a few',
  device_job: 'jobs that people began in 90 days',
  initial_access_token: 'made by operators',
  lease: 'one for each job of the timer',
  message: 'texts of an operator',
  migration: 'the files of migrations',
  mproxy_lease: 'one for each start of an mProxy, for an hour',
  policy_document: 'one for each change of the rules of a kind of devices',
  role: 'words of an operator',
  secret_key: 'keys of a system',
  setting: 'the settings',
  setup_link: 'one, until there is an operator',
  signing_key: 'keys of a system',
  status_change: 'changes that are not spread yet',
  status_list: 'one for each 2^20 entries',
  stored_secret: 'secrets of a system',
}

/** Tables with a row for each device, person, sign-in, or whatever these do. */
export const GROWING: ReadonlySet<string> = new Set([
  'account_link',
  'allowed_scope',
  'attempt',
  'authorization',
  'authorization_code',
  'authorization_request',
  'claim_number',
  'claim_proof',
  'claim_use',
  'client',
  'client_secret',
  'consent_decision',
  'delivery',
  'device',
  'device_authorization',
  'device_claim',
  'device_credential',
  'device_job_line',
  'device_report',
  'device_search',
  'device_tag',
  'device_text',
  'device_token',
  'device_value',
  'event',
  'event_object',
  'factor',
  'failed_sign_in',
  'grant',
  'group',
  'hardware_id',
  'idempotency_key',
  'initial_access_token_use',
  'invitation',
  'known_browser',
  'linked_password',
  'login_id',
  'mail',
  'mail_code',
  'membership',
  'mqtt_refusal',
  'passkey_challenge',
  'place_account',
  'place_transfer',
  'presence',
  'principal',
  'recovery_code',
  'refresh_token',
  'removed_factor',
  'session',
  'sign_in',
  'sign_up',
  'status_entry',
  'status_flip',
  'token_exchange',
  'trusted_browser',
  'undeliverable_address',
  'used_assertion',
  'user',
  'user_search',
  'user_text',
])

/** Columns by which an index finds a large part of its table. */
export const COARSE: Readonly<Record<string, readonly string[]>> = {
  authorization: ['client_id'],
  device: ['type', 'status'],
  grant: ['role'],
  hardware_id: ['kind'],
  group: ['kind'],
  principal: ['kind'],
  status_entry: ['kind'],
  user: ['status'],
}

export type Excuse = {
  /** Part of the statement, with single spaces and without quotation marks. */
  text: string
  tables: readonly string[]
  because: string
}

/** For the timer: whatever runs out within a day or so is all that the table has. */
const SHORT = 'rows live for a day at most, so that most of the table is what is deleted'
const SWEEP = 'for the timer: nobody waits, and the rule has no index that could lead'
const RESTORE = 'begins an epoch after a restore, which is about all rows'
const PAGE = 'a page in the order of the index, with a limit'
const PEOPLE = 'a page of people in the order of their ids, which goes on until it is full'
const COUNT = 'a full count that an operator asks for'
const FIRST = 'stops at the first row'
const OWN_WORK = 'changes each row that it finds'

export const EXCUSES: readonly Excuse[] = [
  { text: 'delete from attempt where resets_at <=', tables: ['attempt'], because: SHORT },
  {
    text: 'delete from idempotency_key where expires_at <=',
    tables: ['idempotency_key'],
    because: SHORT,
  },
  {
    text: 'delete from account_link where expires_at <=',
    tables: ['account_link'],
    because: SHORT,
  },
  {
    text: 'delete from authorization_request where expires_at <=',
    tables: ['authorization_request'],
    because: SHORT,
  },
  {
    text: 'delete from device_authorization where expires_at <=',
    tables: ['device_authorization'],
    because: SHORT,
  },
  {
    text: 'delete from used_assertion where expires_at <=',
    tables: ['used_assertion'],
    because: SHORT,
  },
  { text: 'delete from invitation where coalesce(', tables: ['invitation'], because: SWEEP },
  {
    text: 'delete from place_transfer where coalesce(',
    tables: ['place_transfer'],
    because: SWEEP,
  },
  { text: 'delete from session where not (', tables: ['session'], because: SWEEP },
  {
    text: 'delete from client_secret where expires_at <=',
    tables: ['client_secret'],
    because: SWEEP,
  },
  {
    text: 'delete from initial_access_token_use where token_id not in',
    tables: ['initial_access_token_use'],
    because: SWEEP,
  },
  {
    text: 'select id from authorization where revoked_at is not null',
    tables: ['authorization'],
    because: SWEEP,
  },
  {
    text: 'select a.id, a.user_id, a.client_id from authorization a where a.revoked_at is null and',
    tables: ['authorization'],
    because: SWEEP,
  },
  {
    text: 'select user.* from user where ((user.id > ?) and (',
    tables: ['user', 'login_id'],
    because: PEOPLE,
  },
  {
    text: 'select id from authorization where (revoked_at <',
    tables: ['authorization'],
    because: SWEEP,
  },
  {
    text: 'delete from authorization where (revoked_at <',
    tables: ['authorization'],
    because: SWEEP,
  },
  {
    text: 'delete from authorization_code where expires_at <',
    tables: ['authorization_code'],
    because: SWEEP,
  },
  {
    text: 'update mail set secrets = null where secrets is not null and',
    tables: ['mail'],
    because: SWEEP,
  },
  {
    text: 'select list as id from status_flip group by list',
    tables: ['status_flip'],
    because: 'for the timer: flips that no snapshot has yet',
  },
  {
    text: 'select * from undeliverable_address where substr(',
    tables: ['undeliverable_address'],
    because: SWEEP,
  },
  {
    text: 'delete from status_entry where kind = ? and origin_id in (select id from device_token where expires_at <=',
    tables: ['device_token'],
    because: OWN_WORK,
  },
  {
    text: "select * from login_id where form <> 'current' and form =",
    tables: ['login_id'],
    because: 'the index has only addresses in a former form',
  },
  {
    text: 'select id, parent_id from group',
    tables: ['group'],
    because: 'a blueprint may move any group; it is applied at a start or by hand',
  },
  {
    text: 'delete from authorization_request where client_id =',
    tables: ['authorization_request'],
    because: 'requests of the last 30 minutes',
  },
  {
    text: 'update authorization set revoked_at = ? where client_id =',
    tables: ['authorization'],
    because: OWN_WORK,
  },
  { text: 'not exists (select 1 from device where type = ?)', tables: ['device'], because: FIRST },
  {
    text: "g.role = 'operator' and g.object_id = '*'",
    tables: ['grant'],
    because: 'operators are few, and the last one is looked for among them',
  },
  {
    text: 'select * from grant where ((grant.id > ?)) order by id limit ?',
    tables: ['grant'],
    because: PAGE,
  },
  {
    text: 'select * from grant where ((grant.id > ?) and (role = ?)) order by id limit ?',
    tables: ['grant'],
    because: PAGE,
  },
  {
    text: 'select * from group where ((id > ?)) order by id limit ?',
    tables: ['group'],
    because: PAGE,
  },
  {
    text: 't where t.id > ? order by t.id limit (select ids from walk)',
    tables: ['device', 'group', 'user', 'client'],
    because: 'a page of candidates in the order of the index, which are judged one by one',
  },
  {
    text: 'top(id) as materialized (select distinct subject_id as id from ( select subject_id from grant where role = ? limit ?))',
    tables: ['grant'],
    because: 'a preview looks at so many holders and says whether there are more',
  },
  {
    text: 'k cross join grant g on g.role = k.value limit ?',
    tables: ['grant'],
    because: 'a blueprint that changes roles looks at so many of their holders',
  },
  {
    text: 'k cross join device d on d.type = k.value limit ?',
    tables: ['device'],
    because: 'a blueprint that changes types looks at so many of their devices',
  },
  {
    text: 'select id from device where type = ? limit ?',
    tables: ['device'],
    because: 'a preview, and a change of a type, look at so many of its devices',
  },
  {
    text: '(select id from user where false)',
    tables: ['user'],
    because: 'of a token of no person: it never runs',
  },
  {
    text: 'update device_authorization set status =',
    tables: ['device_authorization'],
    because: SHORT,
  },
  {
    text: 'select user.* from user where ((user.id > ?)) order by user.id limit ?',
    tables: ['user'],
    because: PAGE,
  },
  {
    text: 'from invitation i where i.used_by is null',
    tables: ['invitation'],
    because: 'invitations that are open, of a week',
  },
  {
    text: 'select event.* from event where event.seq < ? and ((true)) order by event.seq desc limit ?',
    tables: ['event'],
    because: PAGE,
  },
  {
    text: 'select * from client where id > ? order by id limit ?',
    tables: ['client'],
    because: PAGE,
  },
  {
    text: 'update device_claim set withdrawn_at = ? where used_by is null',
    tables: ['device_claim'],
    because: RESTORE,
  },
  { text: "select 'evt_' || each.key", tables: ['membership'], because: OWN_WORK },
  {
    text: "from mail where (? = '' or id < ?) and",
    tables: ['mail'],
    because: 'a page, newest first, of the mails that the setting mail_ttl leaves',
  },
  {
    text: "select * from invitation where (? = '' or id < ?) and",
    tables: ['invitation'],
    because: 'a page, newest first, of invitations of some weeks',
  },
  {
    text: 'from device_authorization where user_id = ? and rowid > ?',
    tables: ['device_authorization'],
    because: SHORT,
  },
  {
    text: 'substr(response, 4, 8) as sealer, count(*) as count from idempotency_key',
    tables: ['idempotency_key'],
    because: COUNT,
  },
  {
    text: 'substr(secrets, 4, 8) as sealer, count(*) as count from mail',
    tables: ['mail'],
    because: COUNT,
  },
  { text: 'select count(*) as people from user', tables: ['user'], because: COUNT },
  {
    text: 'from mail where secrets is not null and substr(secrets, 4, 8) <> ?',
    tables: ['mail'],
    because: SWEEP,
  },
  {
    text: 'select user_id from sign_in where false',
    tables: ['sign_in'],
    because: 'of no sign-in: it never runs',
  },
  {
    text: "select event.* from event where event.seq < ? and ((true) and (+event.outcome = 'success'))",
    tables: ['event'],
    because: 'a page, newest first; a success is never far',
  },
  {
    text: 'select * from undeliverable_address where address_key > ? order by address_key limit ?',
    tables: ['undeliverable_address'],
    because: PAGE,
  },
  {
    text: '(select first.seq from event first where first.at >= ?',
    tables: ['event'],
    because: FIRST,
  },
  {
    text: '(select last.seq from event last where last.at <= ?',
    tables: ['event'],
    because: FIRST,
  },
  { text: 'not exists (select 1 from grant where role = ?)', tables: ['grant'], because: FIRST },
  {
    text: 'candidate cross join device on device.id = candidate.id where',
    tables: ['device', 'device_credential'],
    because: 'a page examines EXAMINED_MAX of the devices that its filter leads to',
  },
  {
    text: 'select place, place_id from (select',
    tables: ['device', 'device_credential'],
    because: 'the place of the last of EXAMINED_MAX',
  },
  { text: "where a.sid > '' and not exists", tables: ['authorization'], because: SWEEP },
  { text: "from user where status = 'closed' and closes_at <=", tables: ['user'], because: PAGE },
  {
    text: 'update authorization set revoked_at = ? where revoked_at is null',
    tables: ['authorization'],
    because: RESTORE,
  },
  {
    text: 'delete from authorization_code where redeemed_by is null',
    tables: ['authorization_code'],
    because: RESTORE,
  },
  {
    text: 'update invitation set revoked_at = ? where used_by is null and',
    tables: ['invitation'],
    because: RESTORE,
  },
  {
    text: 'update place_transfer set withdrawn_at = ? where used_by is null and',
    tables: ['place_transfer'],
    because: RESTORE,
  },
  { text: 'delete from account_link', tables: ['account_link'], because: RESTORE },
  { text: 'delete from recovery_code', tables: ['recovery_code'], because: RESTORE },
  {
    text: 'update device_token set revoked_at = ? where revoked_at is null',
    tables: ['device_token'],
    because: RESTORE,
  },
  { text: 'update mail set secrets = null, settled_at = case', tables: ['mail'], because: RESTORE },
  {
    text: 'set version = version + ?',
    tables: ['user', 'client', 'device', 'group', 'grant'],
    because: RESTORE,
  },
  {
    text: 'from presence p where (p.sub, p.lease, p.session) >',
    tables: ['presence'],
    because: 'a page of a list in the order of an index, of a number of rows that is fixed',
  },
]

export const EXCUSES_OF_TRIGGERS: readonly Excuse[] = [
  {
    text: 'a.client_id = ?1',
    tables: ['authorization'],
    because: 'a client ends with all its sign-ins; of more than 1,000 none is looked at',
  },
  {
    text: "WHERE ?1 = 'role' AND role = ?1 LIMIT 1001)",
    tables: ['grant'],
    because: 'no more than 1,001 are counted',
  },
  {
    text: "WHERE ?1 = 'device_type' AND type = ?1 LIMIT 1001)",
    tables: ['device'],
    because: 'no more than 1,001 are counted',
  },
  {
    text: 'WITH RECURSIVE few(id) AS (SELECT id FROM status_change WHERE n = ?1 AND upto IS NULL)',
    tables: ['grant', 'device'],
    because: 'none where the change waits for the job, else 1,000 at most',
  },
]
