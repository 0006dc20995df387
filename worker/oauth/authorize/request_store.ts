// The table `authorization_request`: requests on their way through login and consent. Statements,
// no rules.
import type { Context } from '../../context.ts'
import { authorization_request } from '../../db/oauth_schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  list,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../../db/sql.ts'
import type { ClientRow } from '../clients/store.ts'

export type RequestRow = typeof authorization_request.$inferSelect

/** Stores a request, if `condition` holds. */
export const insertRequestWhere = (row: RequestRow, condition: Condition): Statement =>
  insertWhere(authorization_request, row, condition, sql<never>`on conflict (id_hash) do nothing`)

/**
 * Turns a pushed request, which has not run out, into an open one; only the first browser does so.
 */
export const updatePushedRequest = (
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

/** The authorization_details of a request as one JSON text, or null. */
export const detailsOfRequest = (id_hash: string): Scalar =>
  scalar`(select json_extract(parameters, '$.authorization_details') from authorization_request
    where id_hash = ${id_hash})`

/** A condition: nobody has answered the request yet. */
export const isOpen = (cx: Context, id_hash: string): Condition =>
  condition`exists (select 1 from authorization_request
    where id_hash = ${id_hash} and expires_at > ${cx.now()})`

export const deleteRequest = (id_hash: string, when: Condition = TRUE): Statement =>
  sql`delete from authorization_request where id_hash = ${id_hash} and ${when}`

export const deleteAllRequests = (): Statement => sql`delete from authorization_request`

/** For the timer. */
export const deleteOldRequests = (cx: Context): Statement =>
  sql`delete from authorization_request where expires_at <= ${cx.now()}`

/** Names of devices and groups, as people know them. */
export const listObjectNames = (
  ids: readonly string[],
): Statement<{ id: string; name: string | null }> =>
  sql`select id, name from device where id in (${list(ids)})
    union all select id, name from "group" where id in (${list(ids)})`
