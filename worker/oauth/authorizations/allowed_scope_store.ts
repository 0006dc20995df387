// The table `allowed_scope`: scopes that a person allowed a client, remembered so that the person
// is asked once.
import { allowed_scope } from '../../db/oauth_schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  list,
  type Scalar,
  type Statement,
  sql,
} from '../../db/sql.ts'

export type AllowedScope = { resource: string; scope: string }

/** With the digest of the client as it was shown; null: from before this was kept. */
type AllowedRow = AllowedScope & { client_digest: string | null }

/**
 * The scopes that the user (a scalar) allowed the client (a scalar) before, in any form of it;
 * `allowedTo` finds those that count.
 */
export const listAllowedScopes = (user_id: Scalar, client_id: Scalar): Statement<AllowedRow> =>
  sql`select resource, scope, client_digest from allowed_scope
    where user_id = ${user_id} and client_id = ${client_id}`

/**
 * A condition: the user still allows this form of the client each of these scopes, for each
 * resource or for none.
 */
export const isAllAllowed = (consent: {
  user_id: string
  client_id: string
  client_digest: string
  resource: readonly string[]
  scope: readonly string[]
}): Condition => {
  const resources = consent.resource.length === 0 ? [''] : consent.resource
  return condition`(select count(*) from allowed_scope
    where user_id = ${consent.user_id} and client_id = ${consent.client_id}
      and (client_digest is null or client_digest = ${consent.client_digest})
      and resource in (${list(resources)}) and scope in (${list(consent.scope)})
  ) = ${resources.length * consent.scope.length}`
}

/** A condition: the user still allows this form of the client each of these. */
export const areAllowed = (
  consent: { user_id: string; client_id: string; client_digest: string },
  wanted: readonly AllowedScope[],
): Condition =>
  condition`not exists (select 1 from json_each(${JSON.stringify(wanted)}) wanted
    where not exists (select 1 from allowed_scope
      where user_id = ${consent.user_id} and client_id = ${consent.client_id}
        and (client_digest = ${consent.client_digest} or client_digest is null)
        and resource = json_extract(wanted.value, '$.resource')
        and scope = json_extract(wanted.value, '$.scope')))`

/** Where the scope was allowed before, it is bound to the client as it is shown now. */
export const insertAllowedScope = (
  row: typeof allowed_scope.$inferSelect,
  condition: Condition,
): Statement =>
  insertWhere(
    allowed_scope,
    row,
    condition,
    sql<never>`on conflict (user_id, client_id, resource, scope)
      do update set client_digest = excluded.client_digest`,
  )
