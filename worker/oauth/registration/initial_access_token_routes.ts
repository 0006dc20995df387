// /v1/initial-access-tokens: tokens with which software registers clients.
import { operation } from '../../api/operation.ts'
import { type Api, createApi, json, listOf, listQuery, nothing, z } from '../../api.ts'
import { noStore } from '../../http.ts'
import {
  createInitialAccessToken,
  getInitialAccessToken,
  initialAccessTokenInput,
  initialAccessTokenSchema,
  listInitialAccessTokens,
  removeInitialAccessToken,
} from './initial_access_tokens.ts'

const path = '/v1/initial-access-tokens'
const params = z.object({ id: z.string().max(64) })

/** Database round trips: 1, delete 2. */
export function initialAccessTokenRoutes(): Api {
  const api = createApi()

  operation(api, {
    id: 'createInitialAccessToken',
    at: `POST ${path}`,
    summary: 'Let software register clients; the token is in this answer only',
    scope: 'clients:write',
    body: initialAccessTokenInput,
    answers: {
      201: json(
        initialAccessTokenSchema
          .extend({ initial_access_token: z.string() })
          .openapi('CreatedInitialAccessToken'),
        'the token',
      ),
    },
    async run(c, { body }) {
      const created = await createInitialAccessToken(c.var.cx, body)
      noStore(c)
      c.header('Location', `${path}/${created.id}`)
      return c.json(created, 201)
    },
  })

  operation(api, {
    id: 'listInitialAccessTokens',
    at: `GET ${path}`,
    summary: 'All initial access tokens, without the tokens themselves',
    scope: 'clients:read',
    query: listQuery,
    answers: { 200: json(listOf(initialAccessTokenSchema), 'a page of tokens') },
    run: async (c, { query }) => c.json(await listInitialAccessTokens(c.var.cx, query), 200),
  })

  operation(api, {
    id: 'getInitialAccessToken',
    at: `GET ${path}/{id}`,
    summary: 'One initial access token, without the token itself',
    scope: 'clients:read',
    params,
    answers: { 200: json(initialAccessTokenSchema, 'the token') },
    run: async (c, { params }) => c.json(await getInitialAccessToken(c.var.cx, params.id), 200),
  })

  operation(api, {
    id: 'deleteInitialAccessToken',
    at: `DELETE ${path}/{id}`,
    summary: 'Delete an initial access token; clients that were made with it stay',
    scope: 'clients:write',
    params,
    answers: nothing('deleted'),
    async run(c, { params }) {
      await removeInitialAccessToken(c.var.cx, params.id)
      return c.body(null, 204)
    },
  })

  return api
}
