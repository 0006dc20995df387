// The tables `mproxy_lease`, `presence` and `mqtt_refusal`: statements, no rules.
import { membersBelow, objectsSince } from '../../access/reach/reach_store.ts'
import type { Context, Reach } from '../../context.ts'
import { type Condition, condition, type Statement, sql } from '../../db/sql.ts'
import type { mproxy_lease, mqtt_refusal, presence } from '../../db/things_schema.ts'

export type LeaseRow = typeof mproxy_lease.$inferSelect
export type PresenceRow = typeof presence.$inferSelect
export type RefusalRow = typeof mqtt_refusal.$inferSelect

/** Seconds for which sessions are open after a report. mProxy reports more often. */
export const LEASE_TTL = 30

/** Seconds for which a lease that is over, and its sessions, are kept. */
const KEPT = 3600

/** Most sessions of leases that are over which one run of the timer deletes. */
const PRESENCE_AT_ONCE = 20_000

/** Most refusals that are kept of a device: the last ones. */
const REFUSALS_MAX = 100

/** Seconds for which a refusal is kept. */
const REFUSALS_KEPT = 7 * 86_400

/** A condition: this request is the one that renewed the lease last. */
export const leaseIsMine = (cx: Context, id: string): Condition =>
  condition`exists (select 1 from mproxy_lease where id = ${id} and rid = ${cx.rid})`

/**
 * Begins the lease, with its first report alone, or renews it with a later one than the last; the
 * same request may repeat it. One that another took the place of is not renewed.
 */
export const renewLease = (cx: Context, row: LeaseRow): Statement =>
  sql`insert into mproxy_lease (id, proxy, reporter, started_at, sessions, key_age, list_age,
      dropped, seq, seen_at, expires_at, rid)
    select ${row.id}, ${row.proxy}, ${row.reporter}, ${row.started_at}, ${row.sessions},
      ${row.key_age}, ${row.list_age}, ${row.dropped}, ${row.seq}, ${row.seen_at},
      ${row.expires_at}, ${cx.rid}
    where ${row.seq} = 1 or exists (select 1 from mproxy_lease where id = ${row.id})
    on conflict (id) do update set sessions = excluded.sessions, key_age = excluded.key_age,
      list_age = excluded.list_age, dropped = excluded.dropped, seq = excluded.seq,
      seen_at = excluded.seen_at, expires_at = excluded.expires_at, rid = excluded.rid
      where mproxy_lease.reporter = excluded.reporter and mproxy_lease.expires_at > 0
        and (mproxy_lease.seq < excluded.seq or mproxy_lease.rid = excluded.rid)`

/** Ends the other leases of this name, whose process, or reports, of before are gone. */
export const endOtherLeases = ({ id, proxy }: LeaseRow, when: Condition): Statement =>
  sql`update mproxy_lease set expires_at = 0
    where proxy = ${proxy} and id <> ${id} and expires_at > 0 and ${when}`

export const findLease = (id: string): Statement<LeaseRow> =>
  sql`select * from mproxy_lease where id = ${id}`

export const listLeases = (cx: Context, after: string, limit: number): Statement<LeaseRow> =>
  sql`select l.* from mproxy_lease l where l.id > ${after} and l.expires_at > ${cx.now()}
    order by l.id limit ${limit}`

/** `entries`: JSON array of `{ session, sub, client_id, since }`. */
export const insertPresence = (lease: string, entries: string, when: Condition): Statement =>
  sql`insert into presence (lease, session, sub, client_id, since)
    select ${lease}, value ->> 'session', value ->> 'sub', value ->> 'client_id',
      value ->> 'since'
    from json_each(${entries}) where ${when}
    on conflict (lease, session) do nothing`

/** `sessions`: JSON array of numbers. */
export const deletePresence = (lease: string, sessions: string, when: Condition): Statement =>
  sql`delete from presence where lease = ${lease} and ${when}
    and session in (select value from json_each(${sessions}))`

/** Notes devices that connected as seen, each once a minute at most. `ids`: JSON array. */
export const noteConnected = (cx: Context, ids: string, when: Condition): Statement =>
  sql`update device set last_seen_at = ${cx.now()},
      first_seen_at = case first_seen_at when 0 then ${cx.now()} else first_seen_at end
    where id in (select value from json_each(${ids})) and last_seen_at <= ${cx.now() - 60}
      and ${when}`

/** `refusals`: JSON array of rows. Those that are about no device are left out. */
export const insertRefusals = (refusals: string, when: Condition): Statement =>
  sql`insert into mqtt_refusal (device_id, event, reason, topic, client_id, count, first_at,
      last_at)
    select d.id, value ->> 'event', value ->> 'reason', value ->> 'topic', value ->> 'client_id',
      value ->> 'count', value ->> 'first_at', value ->> 'last_at'
    from json_each(${refusals}) cross join device d on d.id = value ->> 'device_id'
    where ${when}
    on conflict (device_id, event, reason, topic) do update set count = count + excluded.count,
      client_id = excluded.client_id, last_at = max(last_at, excluded.last_at)`

/** Forgets the oldest refusals of these devices (JSON array), where there are too many. */
export const trimRefusals = (ids: string, when: Condition): Statement =>
  sql`delete from mqtt_refusal where ${when} and rowid in (
    select old.id from json_each(${ids}) one cross join (
      select r.rowid as id, r.device_id,
        row_number() over (partition by r.device_id order by r.last_at desc, r.rowid desc) as place
      from mqtt_refusal r where r.device_id in (select value from json_each(${ids}))) old
      on old.device_id = one.value and old.place > ${REFUSALS_MAX})`

/** A condition on `r`: the refusal is of a time at which the device was within the reach. */
export const isRefusedSince = (reach: Reach, device_id: string): Condition =>
  condition`r.last_at >= (with recursive ${objectsSince(reach)}
    select min(since) from seen where id = ${device_id})`

/** Refusals of a device, the last first, before a place in that order. `which`: about `r`. */
export const listRefusals = (
  device_id: string,
  [last_at, rowid]: readonly [number, number],
  which: Condition,
  limit: number,
): Statement<RefusalRow & { place: number }> =>
  sql`select r.*, r.rowid as place from mqtt_refusal r
    where r.device_id = ${device_id} and (r.last_at, r.rowid) < (${last_at}, ${rowid})
      and (${which})
    order by r.last_at desc, r.rowid desc limit ${limit}`

export type PresencePlace = readonly [sub: string, lease: string, session: number]

/** A row of a page of sessions; one of a lease that is over has no `proxy`. */
export type ListedPresence = PresenceRow & { proxy: string | null }

const listed = (cx: Context): Statement => sql`p.*, (select l.proxy from mproxy_lease l
  where l.id = p.lease and l.expires_at > ${cx.now()}) as proxy`

/** Sessions behind a place in the order of principals, those too that are over: `limit` rows. */
export const listPresence = (
  cx: Context,
  [sub, lease, session]: PresencePlace,
  limit: number,
): Statement<ListedPresence> =>
  sql`select ${listed(cx)} from presence p
    where (p.sub, p.lease, p.session) > (${sub}, ${lease}, ${session})
    order by p.sub, p.lease, p.session limit ${limit}`

/** The same of one principal, where the condition holds. */
export const listPresenceOf = (
  cx: Context,
  [sub, lease, session]: PresencePlace,
  which: Condition,
  limit: number,
): Statement<ListedPresence> =>
  sql`select ${listed(cx)} from presence p
    where p.sub = ${sub} and (p.lease, p.session) > (${lease}, ${session}) and ${which}
    order by p.lease, p.session limit ${limit}`

/** The same of the devices within a reach. */
export const listPresenceWithin = (
  cx: Context,
  reach: Reach,
  [sub, lease, session]: PresencePlace,
  limit: number,
): Statement<ListedPresence> =>
  sql`with recursive ${membersBelow(reach, cx.now())}
    select ${listed(cx)} from reached cross join device d on d.id = reached.id
      cross join presence p on p.sub = d.id
    where (p.sub, p.lease, p.session) > (${sub}, ${lease}, ${session})
    order by p.sub, p.lease, p.session limit ${limit}`

/** For the timer: what leases that are over left behind, and old refusals. */
export const deleteOldReports = (cx: Context): readonly Statement[] => {
  const over = cx.now() - KEPT
  return [
    sql`delete from presence where rowid in (
      select p.rowid from mproxy_lease l cross join presence p on p.lease = l.id
      where l.expires_at <= ${over} limit ${PRESENCE_AT_ONCE})`,
    sql`delete from mproxy_lease where expires_at <= ${over}
      and not exists (select 1 from presence p where p.lease = mproxy_lease.id)`,
    sql`delete from mqtt_refusal where last_at <= ${cx.now() - REFUSALS_KEPT}`,
  ]
}
