// Authorizations: one sign-in of a person to a client. Tokens come from it; its refresh tokens are
// one family.
//   /v1/users/{id}/authorizations here, /account/applications in account_applications_routes.ts
// Owns the tables authorization (store.ts), authorization_code (code_store.ts), refresh_token
// (refresh_token_store.ts) and allowed_scope (allowed_scope_store.ts). authorizations.ts starts and
// ends one and says which scopes and rights it covers; origin_store.ts says whether a token's
// origin lives; user_authorizations.ts lists and withdraws.
// Requests before a code are authorize/'s, redemption is token/grants/'s.
import { idSchema } from '../../access/principals.ts'
import { operation } from '../../api/operation.ts'
import { type Api, createApi, json, listOf, listQuery, nothing, z } from '../../api.ts'
import { CLIENT_URL_MAX } from '../clients/client_url.ts'
import {
  authorizationSchema,
  endUserAuthorization,
  endUserAuthorizations,
  listUserAuthorizations,
} from './user_authorizations.ts'

const params = z.object({ id: idSchema })

/** Database round trips: reads 1, changes 2 at most. */
export function authorizationRoutes(): Api {
  const api = createApi()

  operation(api, {
    id: 'listUserAuthorizations',
    at: 'GET /v1/users/{id}/authorizations',
    summary: 'What a user allowed clients, as far as it is alive',
    scope: 'users:read',
    params,
    query: listQuery,
    answers: { 200: json(listOf(authorizationSchema), 'a page of authorizations') },
    run: async (c, { params, query }) =>
      c.json(await listUserAuthorizations(c.var.cx, params.id, query), 200),
  })

  operation(api, {
    id: 'endUserAuthorization',
    at: 'DELETE /v1/users/{id}/authorizations/{authorization_id}',
    summary: 'End an authorization with its tokens; its client has to ask the user again',
    scope: 'users:write',
    params: params.extend({ authorization_id: z.string().max(64) }),
    answers: nothing('it is over'),
    async run(c, { params }) {
      await endUserAuthorization(c.var.cx, params.id, params.authorization_id)
      return c.body(null, 204)
    },
  })

  operation(api, {
    id: 'endUserAuthorizations',
    at: 'DELETE /v1/users/{id}/authorizations',
    summary: 'End all authorizations of a user, or those for one client',
    scope: 'users:write',
    params,
    query: z.object({ client_id: z.string().min(1).max(CLIENT_URL_MAX).optional() }),
    answers: nothing('nothing of it is left'),
    async run(c, { params, query }) {
      await endUserAuthorizations(c.var.cx, params.id, query.client_id ?? null)
      return c.body(null, 204)
    },
  })

  return api
}
