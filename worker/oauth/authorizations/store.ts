// The tables `authorization_code`, `authorization`, `refresh_token` and `used_assertion`: statements, no rules.
// What is single-use is consumed here by one conditional UPDATE that answers its row; whatever else is in
// the same batch hangs on it. All conditions hold again when the batch is repeated with the same `rid`.
import type { Context } from '../../context.ts'
import {
  authorization,
  type authorization_code,
  refresh_token,
  used_assertion,
  type user,
} from '../../db/schema.ts'
import { insertWhere, list, type Statement, sql } from '../../db/sql.ts'
import { ACCESS_TOKEN_TTL_MAX } from '../../settings.ts'
import type { Act, ReadToken } from '../tokens/tokens.ts'

export type CodeRow = typeof authorization_code.$inferSelect
export type AuthorizationRow = typeof authorization.$inferSelect
export type UserRow = typeof user.$inferSelect
/** A refresh token with its family. */
export type RefreshTokenRow = AuthorizationRow & { token_hash: string; parent: string | null }

/**
 * The end of an authorization that has none and is never idle: a link (clients/presets.ts). Null is another thing: no
 * refresh token. 31 December 9999, the last second that everybody can write down.
 */
export const NO_END = 253_402_300_799

/** Whether a family of refresh tokens was not used for too long. */
export const isIdle = (
  { expires_at, last_used_at }: { expires_at: number | null; last_used_at: number },
  now: number,
  idle_ttl: number,
): boolean => expires_at !== NO_END && last_used_at + idle_ttl <= now

/** The user that a scalar statement names. */
export const findUserOf = (subject: Statement<unknown>): Statement<UserRow> =>
  sql`select * from user where id = ${subject}`

// --- assertions -------------------------------------------------------------------------------

/** Something good once: a client assertion, or a DPoP proof. */
export type Assertion = { hash: string; expires_at: number; kind?: 'assertion' | 'dpop' }

export const consumeAssertion = (
  cx: Context,
  { hash, expires_at }: Assertion,
  condition: Statement = sql`1`,
): Statement =>
  insertWhere(
    used_assertion,
    { hash, rid: cx.rid, expires_at },
    condition,
    sql<never>`on conflict (hash) do nothing`,
  )

/** Whether this very request consumed the assertion, as a scalar. */
export const isAssertionMine = (cx: Context, { hash }: Assertion): Statement =>
  sql`exists (select 1 from used_assertion where hash = ${hash} and rid = ${cx.rid})`

/** Consumes several; the last statement answers those that this very request has. */
export const consumeProofs = (cx: Context, proofs: readonly Assertion[]) => [
  ...proofs.map((proof) => consumeAssertion(cx, proof)),
  sql<{ hash: string }>`select hash from used_assertion
    where rid = ${cx.rid} and hash in (${list(proofs.map(({ hash }) => hash))})`,
]

// --- codes ------------------------------------------------------------------------------------

export const findCode = (hash: string): Statement<CodeRow> =>
  sql`select * from authorization_code where hash = ${hash}`

export const detailsOfCode = (hash: string): Statement =>
  sql`(select authorization_details from authorization_code where hash = ${hash})`

export const subjectOfCode = (hash: string): Statement =>
  sql`(select user_id from authorization_code where hash = ${hash})`

/** Answers the row exactly when this request is the one that redeems the code. */
export const consumeCode = (
  cx: Context,
  hash: string,
  now: number,
  isProven: Statement,
): Statement<CodeRow> => sql`
  update authorization_code set redeemed_by = ${cx.rid}
  where hash = ${hash} and (redeemed_by is null or redeemed_by = ${cx.rid}) and expires_at > ${now}
    and exists (select 1 from user where id = authorization_code.user_id and status = 'active')
    and exists (select 1 from client where id = authorization_code.client_id and status = 'active')
    and ${isProven}
  returning *`

/** Whether this request redeemed the code. */
export const isCodeMine = (cx: Context, hash: string): Statement =>
  sql`exists (select 1 from authorization_code where hash = ${hash} and redeemed_by = ${cx.rid})`

/** Whether another request did, and what it issued is still alive. */
export const isCodeReused = (cx: Context, hash: string): Statement => sql`exists (
  select 1 from authorization_code c join authorization a on a.id = c.authorization_id
  where c.hash = ${hash} and c.redeemed_by <> ${cx.rid} and a.revoked_at is null)`

/** A condition: user and client may act. */
export const isSignInUsable = (of: { user_id: string; client_id: string }): Statement =>
  sql`exists (select 1 from user where id = ${of.user_id} and status = 'active')
    and exists (select 1 from client where id = ${of.client_id} and status = 'active')`

// --- authorizations ---------------------------------------------------------------------------

export const insertAuthorization = (row: AuthorizationRow, condition: Statement): Statement =>
  insertWhere(authorization, row, condition, sql<never>`on conflict (id) do nothing`)

export const findAuthorization = (id: string): Statement<AuthorizationRow> =>
  sql`select * from authorization where id = ${id}`

/** The person of an authorization, as a scalar. */
export const subjectOfAuthorization = (id: string): Statement =>
  sql`(select user_id from authorization where id = ${id})`

export const revokeAuthorization = (id: string, now: number, condition: Statement): Statement =>
  sql`update authorization set revoked_at = ${now}
    where id = ${id} and revoked_at is null and ${condition}`

export const isAuthorizationLive = (id: string): Statement =>
  sql`exists (select 1 from authorization where id = ${id} and revoked_at is null)`

// --- refresh tokens ---------------------------------------------------------------------------

export const findRefreshToken = (hash: string): Statement<RefreshTokenRow> => sql`
  select a.*, t.hash as token_hash, t.parent
  from refresh_token t join authorization a on a.id = t.authorization_id where t.hash = ${hash}`

/** The family of a refresh token that could be used now. */
export const findLiveRefreshToken = (
  hash: string,
  now: number,
  idle_ttl: number,
): Statement<AuthorizationRow & { token_created_at: number }> => sql`
  select a.*, t.created_at as token_created_at
  from refresh_token t join authorization a on a.id = t.authorization_id
    join user u on u.id = a.user_id join client c on c.id = a.client_id
  where t.hash = ${hash} and (a.head = t.hash or a.head = t.parent) and a.revoked_at is null
    and a.expires_at > ${now}
    and (a.last_used_at > ${now - idle_ttl} or a.expires_at = ${NO_END})
    and u.status = 'active' and c.status = 'active'`

export const detailsOfRefreshToken = (hash: string): Statement => sql`(
  select a.authorization_details from refresh_token t join authorization a
    on a.id = t.authorization_id where t.hash = ${hash})`

export const subjectOfRefreshToken = (hash: string): Statement => sql`(
  select a.user_id from refresh_token t join authorization a on a.id = t.authorization_id
  where t.hash = ${hash})`

export const insertRefreshToken = (
  row: typeof refresh_token.$inferInsert,
  condition: Statement,
): Statement =>
  insertWhere(refresh_token, row, condition, sql<never>`on conflict (hash) do nothing`)

/** The conditions under which a refresh token may be used, on a row of `authorization`. */
function isGood(token: RefreshTokenRow, now: number, idle_ttl: number, isProven: Statement) {
  return sql`id = ${token.id} and revoked_at is null and expires_at > ${now}
    and (last_used_at > ${now - idle_ttl} or expires_at = ${NO_END})
    and (head = ${token.token_hash} or head = ${token.parent})
    and exists (select 1 from user where id = authorization.user_id and status = 'active')
    and exists (select 1 from client where id = authorization.client_id and status = 'active')
    and ${isProven}`
}

/**
 * Makes a good token the head of its family and, when `child` is given, adds that successor. Any other genuine
 * token of the family revokes the family: `isReused` is that condition, for the event. Answers the family when
 * the token was good. A repeated batch knows by its child that it went through before, whatever came after.
 */
export function useRefreshToken(
  token: RefreshTokenRow,
  child: string | null,
  { now, idle_ttl, isProven }: { now: number; idle_ttl: number; isProven: Statement },
) {
  const good = isGood(token, now, idle_ttl, isProven)
  const isMine = sql`exists (select 1 from refresh_token where hash = ${child})`
  const isStray = sql`id = ${token.id} and revoked_at is null and head <> ${token.token_hash}
    and head is not ${token.parent} and ${isProven} and not ${isMine}`
  const advance: Statement<{ id: string }> = sql`
    update authorization set head = ${token.token_hash}, last_used_at = max(last_used_at, ${now})
    where ${good} returning id`
  const isReused = sql`exists (select 1 from authorization where ${isStray})`
  return {
    advance,
    isUsed: sql`exists (select 1 from authorization where ${good})`,
    insertChild: insertRefreshToken(
      {
        hash: child ?? token.token_hash,
        authorization_id: token.id,
        parent: token.token_hash,
        created_at: now,
      },
      sql`${child !== null} and exists (select 1 from authorization where ${good})`,
    ),
    findChild: sql<{ hash: string }>`select hash from refresh_token where hash = ${child}`,
    isReused,
    revokeStray: sql`update authorization set revoked_at = ${now} where ${isStray}`,
  }
}

// --- state ------------------------------------------------------------------------------------

/**
 * The state of what a token comes from, looked at now: answers one row, with its kind, only while the origin is
 * not revoked and user, client or device may act. A token with `act` was exchanged by another client than that of
 * its origin (RFC 8693): then that one, and whoever acted before it, must be active too. The token of a pairwise
 * client does not name the person.
 */
export const findLiveOrigin = (
  token: Pick<ReadToken, 'origin' | 'sub' | 'client_id'> & { act?: Act | null },
  now: number,
): Statement<{ kind: 'authorization' | 'device_token' | 'client' | 'device' }> => {
  const { origin, sub, client_id, act = null } = token
  const self = origin === sub && sub === client_id
  const exchanged = act !== null
  const parties = JSON.stringify(exchanged ? [client_id, ...actorsOf(act)] : [])
  return sql`
    select kind from (
      select 'authorization' as kind from authorization a
        join user u on u.id = a.user_id join client c on c.id = a.client_id
        where a.id = ${origin} and (${exchanged} or a.client_id = ${client_id})
          and (a.user_id = ${sub} or json_extract(c.members, '$.subject_type') = 'pairwise')
          and a.revoked_at is null and u.status = 'active' and c.status = 'active'
      union all
      select 'device_token' from device_token t join device d on d.id = t.device_id
        where t.id = ${origin} and d.id = ${sub} and d.id = ${client_id} and not ${exchanged}
          and t.revoked_at is null and t.expires_at > ${now} and d.status = 'active'
      union all
      select 'client' from client
        where ${self || (exchanged && origin === sub)} and id = ${sub} and status = 'active'
      union all
      select 'device' from device where ${self && !exchanged} and id = ${sub} and status = 'active')
    where not exists (select 1 from json_each(${parties}) party
      where not exists (select 1 from client where id = party.value and status = 'active')
        and not exists (select 1 from user where id = party.value and status = 'active'))`
}

/** What is not there. */
export const NO_TOKEN = { origin: '', sub: '', client_id: '' }

/** Who acts for the subject of a token, and who did before. */
export const actorsOf = (act: Act | null | undefined): string[] =>
  act == null ? [] : [act.sub, ...actorsOf(act.act)]

/** Forgets what has ended, and assertion ids that nobody could use again. */
export function deleteEnded(cx: Context): readonly Statement[] {
  const now = cx.now()
  // An access token that was issued last may still be asked about.
  const before = now - ACCESS_TOKEN_TTL_MAX
  // Of a session that goes on the last sign-in to each client is kept: the client is to hear of the end.
  const ended = sql`(revoked_at < ${before} or expires_at < ${before}
    or (expires_at is null and created_at < ${before}))
    and (sid is null or exists (select 1 from authorization later
      where later.sid = authorization.sid and later.client_id = authorization.client_id
        and later.id > authorization.id))`
  return [
    // Spent codes and used tokens are kept as long as their family, so that a second use is recognised.
    sql`delete from authorization_code
      where authorization_id in (select id from authorization where ${ended})`,
    sql`delete from refresh_token
      where authorization_id in (select id from authorization where ${ended})`,
    sql`delete from authorization where ${ended}`,
    sql`delete from authorization_code where expires_at < ${before}
      and not exists (select 1 from authorization where id = authorization_code.authorization_id)`,
    sql`delete from used_assertion where expires_at <= ${now}`,
  ]
}
