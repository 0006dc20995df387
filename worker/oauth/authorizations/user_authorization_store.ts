// Authorizations and consents of one person, read and withdrawn as a whole: the tables
// `authorization`, `allowed_scope`, `authorization_code` and `device_authorization` by user.
// Statements, no rules.
import type { Context } from '../../context.ts'
import {
  type Condition,
  condition,
  join,
  type Scalar,
  type Statement,
  sql,
  TRUE,
} from '../../db/sql.ts'
import { ACCESS_TOKEN_TTL_MAX } from '../../settings.ts'
import { NO_END } from './store.ts'

export type UserAuthorization = {
  id: string
  client_id: string
  client_name: string | null
  scope: string
  resource: string
  authorization_details: string | null
  created_at: number
  last_used_at: number
  offline: number
}

export type AllowedRow = {
  client_id: string
  client_name: string | null
  scope: string
  created_at: number
}

/** A condition on `a`: it can still lead to a token or, within its session, to the next sign-in. */
const isLive = (cx: Context, idle_ttl: number): Condition => condition`a.revoked_at is null and (
  (a.expires_at > ${cx.now()}
    and (a.last_used_at > ${cx.now() - idle_ttl} or a.expires_at = ${NO_END}))
  or (a.expires_at is null and (a.sid > '' or a.created_at > ${cx.now() - ACCESS_TOKEN_TTL_MAX})))
  and a.epoch = (select u.epoch + c.epoch from user u join client c on c.id = a.client_id
    where u.id = a.user_id)`

/** A page of a user's (a scalar) live authorizations behind the id `after`. */
export const listLiveAuthorizations = (
  cx: Context,
  user_id: string | Scalar,
  { after, limit, idle_ttl }: { after: string; limit: number; idle_ttl: number },
): Statement<UserAuthorization> => sql`
  select a.id, a.client_id, c.client_name, a.scope, a.resource, a.authorization_details,
    a.created_at, a.last_used_at, a.offline
  from authorization a left join client c on c.id = a.client_id
  where a.user_id = ${user_id} and a.id > ${after} and ${isLive(cx, idle_ttl)}
  order by a.id limit ${limit}`

/** The scopes that a user (a scalar) allowed, of all clients. */
export const listAllowedScopesOfUser = (user_id: Scalar): Statement<AllowedRow> => sql`
  select s.client_id, c.client_name, s.scope, s.created_at
  from allowed_scope s join client c on c.id = s.client_id
  where s.user_id = ${user_id} order by s.client_id, s.scope limit 2000`

/**
 * A condition: the user allowed the client something that can be withdrawn; any client where it is
 * null.
 */
export const allowsSomething = (user_id: string, client_id: string | null): Condition =>
  client_id === null
    ? condition`exists (select 1 from authorization
          where user_id = ${user_id} and revoked_at is null)
        or exists (select 1 from allowed_scope where user_id = ${user_id})`
    : condition`exists (select 1 from authorization
          where user_id = ${user_id} and client_id = ${client_id} and revoked_at is null)
        or exists (select 1 from allowed_scope
          where user_id = ${user_id} and client_id = ${client_id})`

/**
 * Withdraws all that the user allowed the client, or all clients where it is null; codes that wait
 * too. `when` makes it depend on earlier statements of the batch.
 */
export function revokeAllOfUser(
  cx: Context,
  user_id: string,
  client_id: string | null,
  when: Condition = TRUE,
): Statement[] {
  const its = join([client_id === null ? TRUE : condition`client_id = ${client_id}`, when], ' and ')
  return [
    sql`update authorization set revoked_at = ${cx.now()}
      where user_id = ${user_id} and ${its} and revoked_at is null`,
    ...deleteAllowed(user_id, its),
  ]
}

/**
 * Deletes what was allowed, so that the client has to ask again, and ends codes that wait, those of
 * devices too.
 */
export const deleteAllowed = (user_id: string, its: Condition): Statement[] => [
  sql`delete from allowed_scope where user_id = ${user_id} and ${its}`,
  sql`delete from authorization_code
    where user_id = ${user_id} and ${its} and redeemed_by is null`,
  sql`update device_authorization set status = 'denied'
    where user_id = ${user_id} and ${its} and status = 'allowed' and redeemed_by is null`,
]
