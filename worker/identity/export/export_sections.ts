// The parts of a copy of a person's data: for each the statement that lists it, page by page.
// Secrets, hashes and codes are in none. A table that names people is in `tables` of a part, or
// test/identity/export.test.ts has the reason why not.
import { type Statement, scalar, sql } from '../../db/sql.ts'
import type { ExportSectionName } from '../../pages/account/export_page.ts'

/** A row as the table has it; `cursor` is its place in the list. */
export type ExportedRow = { cursor: number } & Record<string, string | number | null>

export type ExportSection = {
  name: ExportSectionName
  /** Tables that are read for the sake of the person. */
  tables: readonly string[]
  list(user_id: string, after: number, limit: number): Statement<ExportedRow>
}

/** Columns that are JSON texts. */
const JSON_COLUMNS = new Set([
  ...['metadata', 'profile', 'amr', 'resource', 'authorization_details'],
  ...['data', 'before', 'after', 'grants', 'groups'],
])
/** Columns that are 0 or 1. */
const FLAGS = new Set([
  ...['email_verified', 'must_change_password', 'has_password', 'undeliverable'],
  ...['is_synced', 'offline', 'has_factor', 'is_primary'],
])

/** The row as it is shown, without its place. */
export const describeExported = ({ cursor: _, ...row }: ExportedRow): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      if (value === null) return [name, null]
      if (FLAGS.has(name)) return [name, value === 1]
      return [name, JSON_COLUMNS.has(name) ? JSON.parse(String(value)) : value]
    }),
  )

const emailKeyOfUser = (user_id: string) =>
  scalar`(select key from login_id where user_id = ${user_id} and is_primary = 1)`

export const EXPORT_SECTIONS: readonly ExportSection[] = [
  {
    name: 'account',
    tables: ['user', 'undeliverable_address'],
    list: (
      user_id,
      after,
      limit,
    ) => sql`select rowid as cursor, id, nullif(email, '') as email, email_verified,
        exists (select 1 from undeliverable_address u where u.address_key = ${emailKeyOfUser(user_id)})
          as undeliverable,
        user_name, name, locale, status, closes_at, last_sign_in_at, password is not null as has_password,
        must_change_password, profile, metadata, created_at, updated_at
      from user where id = ${user_id} and rowid > ${after} limit ${limit}`,
  },
  {
    name: 'login_ids',
    tables: ['login_id'],
    list: (user_id, after, limit) => sql`select rowid as cursor, id, kind, value, is_primary,
        verified_at, created_at
      from login_id where user_id = ${user_id} and rowid > ${after} order by rowid limit ${limit}`,
  },
  {
    name: 'sessions',
    tables: ['session'],
    list: (user_id, after, limit) => sql`select rowid as cursor, auth_time, amr, created_at,
        last_seen_at, expires_at, address, user_agent
      from session where user_id = ${user_id} and rowid > ${after} order by rowid limit ${limit}`,
  },
  {
    name: 'known_browsers',
    tables: ['known_browser'],
    list: (user_id, after, limit) => sql`select rowid as cursor, has_factor, last_at, expires_at
      from known_browser where user_id = ${user_id} and rowid > ${after}
      order by rowid limit ${limit}`,
  },
  {
    name: 'trusted_browsers',
    tables: ['trusted_browser'],
    list: (user_id, after, limit) => sql`select rowid as cursor, trusted_at as created_at, address,
        user_agent
      from trusted_browser where user_id = ${user_id} and rowid > ${after}
      order by rowid limit ${limit}`,
  },
  {
    name: 'failed_sign_ins',
    tables: ['failed_sign_in'],
    list: (user_id, after, limit) => sql`select rowid as cursor, count + before_count as count,
        nullif(max(last_at, before_at), 0) as last_at
      from failed_sign_in where user_id = ${user_id} and rowid > ${after} limit ${limit}`,
  },
  {
    name: 'factors',
    tables: ['factor'],
    list: (user_id, after, limit) => sql`select rowid as cursor, id, kind, name, created_at,
        last_used_at, is_synced
      from factor where user_id = ${user_id} and rowid > ${after} order by rowid limit ${limit}`,
  },
  {
    name: 'recovery_codes',
    tables: ['recovery_code'],
    list: (user_id, after, limit) => sql`select rowid as cursor, created_at, used_at
      from recovery_code where user_id = ${user_id} and rowid > ${after}
      order by rowid limit ${limit}`,
  },
  {
    name: 'links',
    tables: ['account_link'],
    list: (user_id, after, limit) => sql`select rowid as cursor, purpose, address, created_at,
        expires_at, used_at
      from account_link where user_id = ${user_id} and rowid > ${after}
      order by rowid limit ${limit}`,
  },
  {
    name: 'consents',
    tables: ['consent_decision'],
    list: (user_id, after, limit) => sql`select seq as cursor, id, key, version, locale, decision,
        decided_at, address, client_id, guardian
      from consent_decision where user_id = ${user_id} and seq > ${after}
      order by seq limit ${limit}`,
  },
  {
    name: 'applications',
    tables: ['authorization'],
    list: (user_id, after, limit) => sql`select a.rowid as cursor, a.id, a.client_id,
        c.client_name, a.scope, a.resource, a.authorization_details, a.auth_time, a.amr, a.acr,
        a.offline, a.created_at, a.last_used_at, a.expires_at, a.revoked_at
      from authorization a left join client c on c.id = a.client_id
      where a.user_id = ${user_id} and a.rowid > ${after} order by a.rowid limit ${limit}`,
  },
  {
    name: 'allowed',
    tables: ['allowed_scope'],
    list: (user_id, after, limit) => sql`select s.rowid as cursor, s.client_id, c.client_name,
        s.scope, json_array(s.resource) as resource, s.created_at
      from allowed_scope s left join client c on c.id = s.client_id
      where s.user_id = ${user_id} and s.rowid > ${after} order by s.rowid limit ${limit}`,
  },
  {
    name: 'device_codes',
    tables: ['device_authorization'],
    list: (user_id, after, limit) => sql`select rowid as cursor, client_id, scope, resource,
        status, created_at, expires_at
      from device_authorization where user_id = ${user_id} and rowid > ${after}
      order by rowid limit ${limit}`,
  },
  {
    name: 'groups',
    tables: ['membership'],
    list: (user_id, after, limit) => sql`select m.rowid as cursor, m.group_id, g.name, g.kind,
        m.created_at, m.expires_at
      from membership m left join "group" g on g.id = m.group_id
      where m.member_id = ${user_id} and m.rowid > ${after} order by m.rowid limit ${limit}`,
  },
  {
    name: 'grants',
    tables: ['grant'],
    list: (user_id, after, limit) => sql`select rowid as cursor, id, role, object_id, not_before,
        expires_at, condition, created_at
      from "grant" where subject_id = ${user_id} and rowid > ${after}
      order by rowid limit ${limit}`,
  },
  {
    // Devices on which, or on a group around which, the person holds a role of their own.
    name: 'devices',
    tables: [],
    list: (user_id, after, limit) => sql`with recursive below(id) as (
        select object_id from "grant" where subject_id = ${user_id}
        union select g.id from below join "group" g on g.parent_id = below.id)
      select d.rowid as cursor, d.id, d.type, d.name, d.status, d.mqtt_client_id, d.metadata,
        d.created_at
      from device d where d.rowid > ${after} and (d.id in (select id from below) or exists (
        select 1 from membership m where m.member_id = d.id and m.group_id in (
          select id from below)))
      order by d.rowid limit ${limit}`,
  },
  {
    // Of events that somebody else caused: neither that person nor the address.
    name: 'events',
    tables: ['event'],
    list: (user_id, after, limit) => sql`select seq as cursor, at, type, outcome, actor_kind,
        case when actor_id = ${user_id} or actor_kind = 'anonymous' then address end as address,
        client_id, data, case when subject_id = ${user_id} then before end as before,
        case when subject_id = ${user_id} then after end as after
      from event where (subject_id = ${user_id} or (actor_id = ${user_id} and actor_kind = 'user'))
        and seq > ${after}
      order by seq limit ${limit}`,
  },
  {
    name: 'mails',
    tables: ['mail'],
    list: (user_id, after, limit) => sql`select rowid as cursor, id, kind, address, locale, state,
        created_at, settled_at
      from mail where (user_id = ${user_id} or (user_id is null
        and address_key = ${emailKeyOfUser(user_id)})) and rowid > ${after}
      order by rowid limit ${limit}`,
  },
  {
    // Of those that the person sent: not whom.
    name: 'invitations',
    tables: ['invitation'],
    list: (user_id, after, limit) => sql`select rowid as cursor, id,
        case when accepted_by = ${user_id} then address end as address, grants, "groups",
        created_at, expires_at, accepted_at, revoked_at
      from invitation where (accepted_by = ${user_id} or invited_by = ${user_id})
        and rowid > ${after}
      order by rowid limit ${limit}`,
  },
  {
    name: 'place_accounts',
    tables: ['place_account'],
    list: (user_id, after, limit) => sql`select rowid as cursor, group_id, created_at,
        renewed_at as updated_at
      from place_account where user_id = ${user_id} and rowid > ${after}
      order by rowid limit ${limit}`,
  },
  {
    // Of those that the person offered: not to whom.
    name: 'transfers',
    tables: ['place_transfer'],
    list: (user_id, after, limit) => sql`select rowid as cursor, id, role, group_id,
        case when accepted_by = ${user_id} then address end as address,
        created_at, expires_at, accepted_at, withdrawn_at as revoked_at
      from place_transfer where (accepted_by = ${user_id} or invited_by = ${user_id})
        and rowid > ${after}
      order by rowid limit ${limit}`,
  },
]
