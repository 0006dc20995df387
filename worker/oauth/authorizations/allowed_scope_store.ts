// The table `allowed_scope`: scopes that a person allowed a client, remembered so that the person
// is asked once.
import { allowed_scope } from '../../db/schema.ts'
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

/** The scopes that the user (a scalar) allowed the client (a scalar) before. */
export const listAllowedScopes = (user_id: Scalar, client_id: Scalar): Statement<AllowedScope> =>
  sql`select resource, scope from allowed_scope
    where user_id = ${user_id} and client_id = ${client_id}`

/**
 * A condition: the user still allows the client each of these scopes, for each resource or for
 * none.
 */
export const isAllAllowed = (consent: {
  user_id: string
  client_id: string
  resource: readonly string[]
  scope: readonly string[]
}): Condition => {
  const resources = consent.resource.length === 0 ? [''] : consent.resource
  return condition`(select count(*) from allowed_scope
    where user_id = ${consent.user_id} and client_id = ${consent.client_id}
      and resource in (${list(resources)}) and scope in (${list(consent.scope)})
  ) = ${resources.length * consent.scope.length}`
}

/** A condition: the user still allows the client each of these. */
export const areAllowed = (
  user_id: string,
  client_id: string,
  wanted: readonly AllowedScope[],
): Condition =>
  condition`not exists (select 1 from json_each(${JSON.stringify(wanted)}) wanted
    where not exists (select 1 from allowed_scope
      where user_id = ${user_id} and client_id = ${client_id}
        and resource = json_extract(wanted.value, '$.resource')
        and scope = json_extract(wanted.value, '$.scope')))`

export const insertAllowedScope = (
  row: typeof allowed_scope.$inferSelect,
  condition: Condition,
): Statement => insertWhere(allowed_scope, row, condition, sql<never>`on conflict do nothing`)
