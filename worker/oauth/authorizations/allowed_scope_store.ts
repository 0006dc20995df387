// The table `allowed_scope`: scopes that a person allowed a client, remembered so that they are asked once.
import { allowed_scope } from '../../db/schema.ts'
import { insertWhere, list, type Scalar, type Statement, sql } from '../../db/sql.ts'

export type AllowedScope = { resource: string; scope: string }

/** What the user (a scalar) allowed the client (a scalar) before. */
export const listAllowedScopes = (
  user_id: Scalar | Statement,
  client_id: Statement,
): Statement<AllowedScope> =>
  sql`select resource, scope from allowed_scope
    where user_id = ${user_id} and client_id = ${client_id}`

/** A condition: the user still allows the client each of these scopes, for each resource or for none. */
export const isAllAllowed = (asked: {
  user_id: string
  client_id: string
  resource: readonly string[]
  scope: readonly string[]
}): Statement => {
  const resources = asked.resource.length === 0 ? [''] : asked.resource
  return sql`(select count(*) from allowed_scope
    where user_id = ${asked.user_id} and client_id = ${asked.client_id}
      and resource in (${list(resources)}) and scope in (${list(asked.scope)})
  ) = ${resources.length * asked.scope.length}`
}

export const insertAllowedScope = (
  row: typeof allowed_scope.$inferSelect,
  condition: Statement,
): Statement => insertWhere(allowed_scope, row, condition, sql<never>`on conflict do nothing`)
