// Authorizations: one sign-in of a person to a client, origin of its tokens and family of its refresh tokens.
//   /v1/users/{id}/authorizations here, /account/applications in application_routes.ts
// Owns the tables authorization (store.ts), authorization_code (code_store.ts), refresh_token (refresh_token_store.ts)
// and allowed_scope (allowed_scope_store.ts). authorizations.ts starts and ends one and says what it covers,
// origin_store.ts whether a token's origin lives, user_authorizations.ts lists and withdraws.
// Requests before a code are authorize/'s, redemption is token/grants/'s.
import { assertMayEditPrincipal } from '../../access/power.ts'
import { idSchema } from '../../access/principals.ts'
import {
  type Api,
  createApi,
  createRoute,
  decodeCursor,
  json,
  listOf,
  listQuery,
  page,
  problems,
  scoped,
  z,
} from '../../api.ts'
import { Problem } from '../../errors.ts'
import { findUserById } from '../../identity/users.ts'
import { loadSettings } from '../../settings.ts'
import { CLIENT_URL_MAX } from '../clients/client_url.ts'
import { findAuthorization } from './store.ts'
import { listLiveAuthorizations, type UserAuthorization } from './user_authorization_store.ts'
import { withdraw, withdrawOne } from './user_authorizations.ts'

const tags = ['users']
const params = z.object({ id: idSchema })

const authorizationSchema = z
  .object({
    id: z.string(),
    client_id: z.string(),
    client_name: z.string().nullable(),
    scope: z.string(),
    resource: z.array(z.string()),
    /** RFC 9396; null where none were asked. */
    authorization_details: z.array(z.record(z.string(), z.unknown())).nullable(),
    created_at: z.int(),
    last_used_at: z.int(),
    offline: z.boolean(),
  })
  .openapi('Authorization')

const listAuthorizationsRoute = createRoute({
  method: 'get',
  path: '/v1/users/{id}/authorizations',
  operationId: 'listUserAuthorizations',
  tags,
  summary: 'What a user allowed clients, as far as it is alive',
  ...scoped('users:read'),
  request: { params, query: listQuery },
  responses: {
    200: json(listOf(authorizationSchema), 'a page of authorizations'),
    ...problems('invalid_request', 'unauthorized', 'forbidden', 'not_found'),
  },
})

const endAuthorizationRoute = createRoute({
  method: 'delete',
  path: '/v1/users/{id}/authorizations/{authorization_id}',
  operationId: 'endUserAuthorization',
  tags,
  summary: 'End an authorization with its tokens; its client has to ask the user again',
  ...scoped('users:write'),
  request: { params: params.extend({ authorization_id: z.string().max(64) }) },
  responses: {
    204: { description: 'it is over' },
    ...problems('unauthorized', 'forbidden', 'not_found'),
  },
})

const endAuthorizationsRoute = createRoute({
  method: 'delete',
  path: '/v1/users/{id}/authorizations',
  operationId: 'endUserAuthorizations',
  tags,
  summary: 'End all authorizations of a user, or those for one client',
  ...scoped('users:write'),
  request: {
    params,
    query: z.object({ client_id: z.string().min(1).max(CLIENT_URL_MAX).optional() }),
  },
  responses: {
    204: { description: 'nothing of it is left' },
    ...problems('invalid_request', 'unauthorized', 'forbidden', 'not_found'),
  },
})

/** Database round trips: reads 1, changes 2, one more for an actor without `manage`. */
export function authorizationRoutes(): Api {
  const api = createApi()

  api.openapi(listAuthorizationsRoute, async (c) => {
    const { cx } = c.var
    const { id } = c.req.valid('param')
    const { limit, cursor } = c.req.valid('query')
    const kind = `authorizations of ${id}`
    const after = decodeCursor(cx, kind, cursor)
    const { refresh_token_idle_ttl: idle_ttl } = await loadSettings(cx)
    const { users, live } = await cx.db.read({
      users: findUserById(id),
      live: listLiveAuthorizations(cx, id, { after, limit: limit + 1, idle_ttl }),
    })
    if (users.length === 0) throw noSuchUser()
    return c.json(
      page(cx, kind, live, limit, (row) => row.id, describe),
      200,
    )
  })

  api.openapi(endAuthorizationRoute, async (c) => {
    const { cx } = c.var
    const { id, authorization_id } = c.req.valid('param')
    await assertMayEditPrincipal(cx, id)
    const [row] = await cx.db.read(findAuthorization(authorization_id))
    if (row === undefined || row.user_id !== id || row.revoked_at !== null) {
      throw new Problem('not_found', 'this user has no such authorization')
    }
    await cx.db.write(withdrawOne(cx, row))
    return c.body(null, 204)
  })

  api.openapi(endAuthorizationsRoute, async (c) => {
    const { cx } = c.var
    const { id } = c.req.valid('param')
    await assertMayEditPrincipal(cx, id)
    const { client_id = null } = c.req.valid('query')
    const { users } = await cx.db.write({
      changes: withdraw(cx, id, client_id),
      users: findUserById(id),
    })
    if (users.length !== 1) throw noSuchUser()
    return c.body(null, 204)
  })

  return api
}

const noSuchUser = () => new Problem('not_found', 'there is no such user')

const describe = ({
  resource,
  authorization_details,
  offline,
  ...row
}: UserAuthorization): z.infer<typeof authorizationSchema> => ({
  ...row,
  resource: JSON.parse(resource),
  authorization_details: authorization_details === null ? null : JSON.parse(authorization_details),
  offline: offline === 1,
})
