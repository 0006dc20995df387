// /v1/initial-access-tokens: who may let software register clients.
import {
  type Api,
  createApi,
  createRoute,
  decodeCursor,
  json,
  jsonBody,
  listOf,
  listQuery,
  page,
  problems,
  scoped,
  z,
} from '../../api.ts'
import { noStore } from '../../http.ts'
import {
  createInitialAccessToken,
  describeInitialAccessToken,
  initialAccessTokenInput,
  initialAccessTokenSchema,
  removeInitialAccessToken,
  tokenNotFound,
} from './initial_access_tokens.ts'
import { findInitialAccessTokenById, listInitialAccessTokens } from './store.ts'

const path = '/v1/initial-access-tokens'
const tags = ['clients']
const params = z.object({ id: z.string().max(64) })

const createTokenRoute = createRoute({
  method: 'post',
  path,
  operationId: 'createInitialAccessToken',
  tags,
  summary: 'Let software register clients; the token is in this answer only',
  ...scoped('clients:write'),
  request: { body: jsonBody(initialAccessTokenInput) },
  responses: {
    201: json(
      initialAccessTokenSchema
        .extend({ initial_access_token: z.string() })
        .openapi('CreatedInitialAccessToken'),
      'the token',
    ),
    ...problems('invalid_request', 'unauthorized', 'forbidden'),
  },
})

const listTokensRoute = createRoute({
  method: 'get',
  path,
  operationId: 'listInitialAccessTokens',
  tags,
  summary: 'All initial access tokens, without the tokens themselves',
  ...scoped('clients:read'),
  request: { query: listQuery },
  responses: {
    200: json(listOf(initialAccessTokenSchema), 'a page of tokens'),
    ...problems('invalid_request', 'unauthorized', 'forbidden'),
  },
})

const getTokenRoute = createRoute({
  method: 'get',
  path: `${path}/{id}`,
  operationId: 'getInitialAccessToken',
  tags,
  summary: 'One initial access token, without the token itself',
  ...scoped('clients:read'),
  request: { params },
  responses: {
    200: json(initialAccessTokenSchema, 'the token'),
    ...problems('unauthorized', 'forbidden', 'not_found'),
  },
})

const deleteTokenRoute = createRoute({
  method: 'delete',
  path: `${path}/{id}`,
  operationId: 'deleteInitialAccessToken',
  tags,
  summary: 'Delete an initial access token; clients that were made with it stay',
  ...scoped('clients:write'),
  request: { params },
  responses: {
    204: { description: 'deleted' },
    ...problems('unauthorized', 'forbidden', 'not_found'),
  },
})

/** Database round trips: 1, delete 2. */
export function initialAccessTokenRoutes(): Api {
  const api = createApi()

  api.openapi(createTokenRoute, async (c) => {
    const created = await createInitialAccessToken(c.var.cx, c.req.valid('json'))
    noStore(c)
    c.header('Location', `${path}/${created.id}`)
    return c.json(created, 201)
  })

  api.openapi(listTokensRoute, async (c) => {
    const { cx } = c.var
    const { limit, cursor } = c.req.valid('query')
    const kind = 'initial access tokens'
    const rows = await cx.db.read(
      listInitialAccessTokens(decodeCursor(cx, kind, cursor), limit + 1),
    )
    return c.json(
      page(cx, kind, rows, limit, (row) => row.id, describeInitialAccessToken),
      200,
    )
  })

  api.openapi(getTokenRoute, async (c) => {
    const [row] = await c.var.cx.db.read(findInitialAccessTokenById(c.req.valid('param').id))
    if (row === undefined) throw tokenNotFound()
    return c.json(describeInitialAccessToken(row), 200)
  })

  api.openapi(deleteTokenRoute, async (c) => {
    await removeInitialAccessToken(c.var.cx, c.req.valid('param').id)
    return c.body(null, 204)
  })

  return api
}
