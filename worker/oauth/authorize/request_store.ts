// The tables `authorization_request` and `allowed_scope`, and the making of codes (`authorization_code`), whose
// redemption is authorizations/store.ts's.
import type { Context } from '../../context.ts'
import { allowed_scope, authorization_code, authorization_request } from '../../db/schema.ts'
import { insertInto, insertWhere, list, type Statement, sql } from '../../db/sql.ts'
import type { ClientRow } from '../clients/store.ts'

export type RequestRow = typeof authorization_request.$inferSelect
export type NewCode = Omit<typeof authorization_code.$inferSelect, 'redeemed_by'>

export const insertRequest = (row: RequestRow): Statement =>
  insertInto(authorization_request, row, sql<never>`on conflict (id_hash) do nothing`)

/** Stores a request that its client brings itself, if `condition` holds. */
export const insertRequestWhere = (row: RequestRow, condition: Statement): Statement =>
  insertWhere(authorization_request, row, condition, sql<never>`on conflict (id_hash) do nothing`)

/** Makes a pushed request, which has not run out, one that is on its way: the first browser that comes does. */
export const openPushedRequest = (
  cx: Context,
  id_hash: string,
  parameters: string,
  expires_at: number,
): Statement =>
  sql`update authorization_request
    set pushed = 0, parameters = ${parameters}, created_at = ${cx.now()}, expires_at = ${expires_at}
    where id_hash = ${id_hash} and pushed = 1 and expires_at > ${cx.now()}`

/** The request, while it can still be answered. */
export const findRequest = (cx: Context, id_hash: string): Statement<RequestRow> =>
  sql`select * from authorization_request where id_hash = ${id_hash} and expires_at > ${cx.now()}`

export const findClientOfRequest = (id_hash: string): Statement<ClientRow> =>
  sql`select * from client
    where id = (select client_id from authorization_request where id_hash = ${id_hash})`

/** Its authorization_details as one JSON text, or null. */
export const detailsOfRequest = (id_hash: string): Statement =>
  sql`(select json_extract(parameters, '$.authorization_details') from authorization_request
    where id_hash = ${id_hash})`

/** A condition: nobody has answered the request yet. */
export const isOpen = (cx: Context, id_hash: string): Statement =>
  sql`exists (select 1 from authorization_request
    where id_hash = ${id_hash} and expires_at > ${cx.now()})`

export const deleteRequest = (id_hash: string): Statement =>
  sql`delete from authorization_request where id_hash = ${id_hash}`

/** For the timer. */
export const deleteOldRequests = (cx: Context): Statement =>
  sql`delete from authorization_request where expires_at <= ${cx.now()}`

/** Devices and groups as people know them. */
export const listObjectNames = (
  ids: readonly string[],
): Statement<{ id: string; name: string | null }> =>
  sql`select id, name from device where id in (${list(ids)})
    union all select id, name from "group" where id in (${list(ids)})`

export type AllowedScope = { resource: string; scope: string }

/** What the user (a scalar) allowed the client (a scalar) before. */
export const listAllowedScopes = (
  user_id: Statement,
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

/**
 * Stores a code if `condition` holds. The hash was drawn once, so `findCodeHash` knows the batch's own code
 * also when the batch ran twice and the condition no longer holds.
 */
export const insertCode = (row: NewCode, condition: Statement): Statement =>
  insertWhere(authorization_code, row, condition, sql<never>`on conflict (hash) do nothing`)

export const findCodeHash = (hash: string): Statement<{ hash: string }> =>
  sql`select hash from authorization_code where hash = ${hash}`

/** A condition: the code was stored. */
export const codeExists = (hash: string): Statement =>
  sql`exists (select 1 from authorization_code where hash = ${hash})`
