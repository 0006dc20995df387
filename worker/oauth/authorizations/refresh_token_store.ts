// The table `refresh_token`, and `head` of its family in `authorization`: statements, no rules.
// Rows are immutable; the one good token of a family is its head, or a child of it. All conditions
// hold again when the batch is repeated.
import { refresh_token } from '../../db/oauth_schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  list,
  type Scalar,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'
import type { Client } from '../clients/client_metadata.ts'
import { clientIsAt } from '../clients/store.ts'
import type { Source } from '../tokens/powers.ts'
import { type AuthorizationRow, isAuthorizationUsable, NO_END } from './store.ts'

/** A refresh token with its family. */
export type RefreshTokenRow = AuthorizationRow & { token_hash: string; parent: string | null }

export const findRefreshToken = (hash: string): Statement<RefreshTokenRow> => sql`
  select a.*, t.hash as token_hash, t.parent
  from refresh_token t join authorization a on a.id = t.authorization_id where t.hash = ${hash}`

/** The family of a refresh token that may be used now. */
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
    and u.status = 'active' and c.status = 'active' and a.epoch = u.epoch + c.epoch`

const ofFamily = (hash: string, column: Statement): Scalar => scalar`(
  select ${column} from refresh_token t join authorization a on a.id = t.authorization_id
  where t.hash = ${hash})`

/** The id of its family as SQL. */
export const idOfFamily = (hash: string): Scalar =>
  scalar`(select authorization_id from refresh_token where hash = ${hash})`

/** Parts of its family as SQL; null where there is none. */
export const sourceOfRefreshToken = (hash: string): Source => ({
  subject: ofFamily(hash, sql`a.user_id`),
  scope: ofFamily(hash, sql`a.scope`),
  resource: ofFamily(hash, sql`a.resource`),
  details: ofFamily(hash, sql`a.authorization_details`),
})

export const insertRefreshToken = (
  row: typeof refresh_token.$inferInsert,
  condition: Condition,
): Statement =>
  insertWhere(refresh_token, row, condition, sql<never>`on conflict (hash) do nothing`)

/** A refresh token that was read, or as SQL before it is. */
type Presented = { id: string | Scalar; token_hash: string; parent: string | null | Scalar }

/** The conditions under which a refresh token may be used, on a row of `authorization`. */
function isGood(token: Presented, now: number, idle_ttl: number, isProven: Condition) {
  return condition`id = ${token.id} and revoked_at is null and expires_at > ${now}
    and (last_used_at > ${now - idle_ttl} or expires_at = ${NO_END})
    and (head = ${token.token_hash} or head = ${token.parent})
    and ${isAuthorizationUsable} and ${isProven}`
}

const findToken = (hash: string | null): Statement<{ hash: string }> =>
  sql`select hash from refresh_token where hash = ${hash}`

const makeHead = ({ token_hash }: Presented, now: number, good: Condition) =>
  sql<{ id: string }>`
    update authorization set head = ${token_hash}, last_used_at = max(last_used_at, ${now})
    where ${good} returning id`

/**
 * The same of a good token in the very batch that reads it, where nothing but the state of its
 * family is left to judge: `isPlain` says on the row of `authorization` that all else is in order.
 * Any other token stays as it is, a stray one too. `child` answers the successor when the token was
 * good, in a repeated batch as well.
 */
export function useUnreadToken(
  hash: string,
  child: string,
  { now, idle_ttl, isPlain }: { now: number; idle_ttl: number; isPlain: Condition },
) {
  const token = {
    id: idOfFamily(hash),
    token_hash: hash,
    parent: scalar`(select parent from refresh_token where hash = ${hash})`,
  }
  const good = isGood(token, now, idle_ttl, isPlain)
  return {
    advance: makeHead(token, now, good),
    insertChild: sql<never>`insert into refresh_token (hash, authorization_id, parent, created_at)
      select ${child}, id, ${hash}, ${now} from authorization where ${good}
      on conflict (hash) do nothing`,
    child: findToken(child),
  }
}

/**
 * The condition `isPlain` of above: a family of this client as it was read lately, whose scope and
 * resources cannot be refused.
 */
export const isOfPlainFamily = (
  { client_id, version, scope }: Pick<Client, 'client_id' | 'version' | 'scope'>,
  resources: readonly string[],
  unfit: readonly string[],
): Condition => condition`client_id = ${client_id} and ${clientIsAt(client_id, version)}
  and cnf is null and authorization_details is null
  and ${hasOneOf(scope)} and not ${hasOneOf(unfit)} and length(authorization.scope) <= 1000
  and length(authorization.resource) <= 1000 and not exists (
    select 1 from json_each(authorization.resource) one where one.value not in (${list(resources)}))`

const hasOneOf = (scope: readonly string[]): Condition =>
  condition`exists (select 1 from json_each(${JSON.stringify(scope)}) one
    where instr(' ' || authorization.scope || ' ', ' ' || one.value || ' '))`

/**
 * Makes a good token the head of its family and, when there is a `child`, adds that successor. Any
 * other genuine token of the family revokes the family: `isReused` is that condition, for the
 * event. Answers the family when the token was good. A repeated batch finds its own child, and so
 * knows that it succeeded before, whatever came after.
 */
export function useRefreshToken(
  token: RefreshTokenRow,
  child: string | null,
  { now, idle_ttl, isProven }: { now: number; idle_ttl: number; isProven: Condition },
) {
  const good = isGood(token, now, idle_ttl, isProven)
  const isMine = condition`exists (${findToken(child)})`
  const isStray = condition`id = ${token.id} and revoked_at is null and head <> ${token.token_hash}
    and head is not ${token.parent} and ${isProven} and not ${isMine}`
  const isReused = condition`exists (select 1 from authorization where ${isStray})`
  return {
    advance: makeHead(token, now, good),
    isUsed: condition`exists (select 1 from authorization where ${good})`,
    insertChild: insertRefreshToken(
      {
        hash: child ?? token.token_hash,
        authorization_id: token.id,
        parent: token.token_hash,
        created_at: now,
      },
      condition`${child !== null} and exists (select 1 from authorization where ${good})`,
    ),
    findChild: findToken(child),
    isReused,
    revokeStray: sql`update authorization set revoked_at = ${now} where ${isStray}`,
  }
}
