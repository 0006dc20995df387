// Clients: what one may be, how it is made, changed and deleted, its secrets and keys.
//   /v1/clients
// Owns the tables client and client_secret (store.ts). metadata.ts and members.ts have the members, clients.ts the changes.
// Registration by software is registration/'s, how a client proves who it is client_authentication/'s.
import {
  type Api,
  createApi,
  createRoute,
  decodeCursor,
  demandedVersion,
  json,
  jsonBody,
  listOf,
  listQuery,
  page,
  problems,
  scoped,
  tag,
  z,
} from '../../api.ts'
import type { Context } from '../../context.ts'
import { Problem } from '../../errors.ts'
import { noStore } from '../../http.ts'
import { CLIENT_URL_MAX } from './client_url.ts'
import {
  assertMayShape,
  changeClient,
  clientNotFound,
  createClient,
  deleteClient,
} from './clients.ts'
import { clientInput, clientPatch, clientSchema, describeClient, parseClient } from './metadata.ts'
import { addSecret, newSecretInput, removeSecret } from './secrets.ts'
import { type ClientRow, findClientById, listClients, secretsOf } from './store.ts'

const tags = ['clients']
const params = z.object({ id: z.string().max(CLIENT_URL_MAX) })

const createdClient = clientSchema
  .extend({ client_secret: z.string().optional() })
  .openapi('CreatedClient')

const secretShape = z
  .object({ id: z.string(), created_at: z.int(), expires_at: z.int().nullable() })
  .openapi('ClientSecret')

const createdSecret = secretShape
  .extend({ client_secret: z.string() })
  .openapi('CreatedClientSecret')

const createClientRoute = createRoute({
  method: 'post',
  path: '/v1/clients',
  operationId: 'createClient',
  tags,
  summary: 'Register a client; its secret is in this answer only',
  ...scoped('clients:write'),
  request: { body: jsonBody(clientInput) },
  responses: {
    201: json(createdClient, 'the client'),
    ...problems('invalid_request', 'unauthorized', 'forbidden', 'conflict'),
  },
})

const listClientsRoute = createRoute({
  method: 'get',
  path: '/v1/clients',
  operationId: 'listClients',
  tags,
  summary: 'All clients, by id',
  ...scoped('clients:read'),
  request: { query: listQuery },
  responses: {
    200: json(listOf(clientSchema), 'a page of clients'),
    ...problems('invalid_request', 'unauthorized', 'forbidden'),
  },
})

const getClientRoute = createRoute({
  method: 'get',
  path: '/v1/clients/{id}',
  operationId: 'getClient',
  tags,
  summary: 'One client',
  ...scoped('clients:read'),
  request: { params },
  responses: {
    200: json(clientSchema, 'the client'),
    ...problems('unauthorized', 'forbidden', 'not_found'),
  },
})

const updateClientRoute = createRoute({
  method: 'patch',
  path: '/v1/clients/{id}',
  operationId: 'updateClient',
  tags,
  summary: 'Change a client by a merge patch',
  ...scoped('clients:write'),
  request: { params, body: jsonBody(clientPatch) },
  responses: {
    200: json(clientSchema, 'the client as it is now'),
    ...problems(
      'invalid_request',
      'unauthorized',
      'forbidden',
      'not_found',
      'conflict',
      'precondition_failed',
    ),
  },
})

const deleteClientRoute = createRoute({
  method: 'delete',
  path: '/v1/clients/{id}',
  operationId: 'deleteClient',
  tags,
  summary: 'Delete a client and end everything that people allowed it',
  ...scoped('clients:write'),
  request: { params },
  responses: {
    204: { description: 'deleted' },
    ...problems('unauthorized', 'forbidden', 'not_found', 'conflict', 'precondition_failed'),
  },
})

const createSecretRoute = createRoute({
  method: 'post',
  path: '/v1/clients/{id}/secrets',
  operationId: 'createClientSecret',
  tags,
  summary: 'Add a secret beside the present ones; it is in this answer only',
  ...scoped('clients:write'),
  request: { params, body: jsonBody(newSecretInput) },
  responses: {
    201: json(createdSecret, 'the secret'),
    ...problems('invalid_request', 'unauthorized', 'forbidden', 'not_found', 'conflict'),
  },
})

const listSecretsRoute = createRoute({
  method: 'get',
  path: '/v1/clients/{id}/secrets',
  operationId: 'listClientSecrets',
  tags,
  summary: 'The secrets of a client, without the secrets themselves',
  ...scoped('clients:read'),
  request: { params },
  responses: {
    200: json(listOf(secretShape), 'all of them'),
    ...problems('unauthorized', 'forbidden', 'not_found'),
  },
})

const deleteSecretRoute = createRoute({
  method: 'delete',
  path: '/v1/clients/{id}/secrets/{secret_id}',
  operationId: 'deleteClientSecret',
  tags,
  summary: 'Delete a secret; it is refused from now on',
  ...scoped('clients:write'),
  request: { params: params.extend({ secret_id: z.string().max(64) }) },
  responses: {
    204: { description: 'deleted' },
    ...problems('unauthorized', 'forbidden', 'not_found'),
  },
})

/** Database round trips: reads and create 1, the others 2, one more for an actor without `manage`. */
export function clientRoutes(): Api {
  const api = createApi()

  api.openapi(createClientRoute, async (c) => {
    const { client, client_secret } = await createClient(c.var.cx, c.req.valid('json'))
    noStore(c)
    tag(c, client.version)
    c.header('Location', `/v1/clients/${client.client_id}`)
    const shown = client_secret === undefined ? {} : { client_secret }
    return c.json({ ...describeClient(client), ...shown }, 201)
  })

  api.openapi(listClientsRoute, async (c) => {
    const { cx } = c.var
    const { limit, cursor } = c.req.valid('query')
    const rows = await cx.db.read(listClients(decodeCursor(cx, 'clients', cursor), limit + 1))
    const item = (row: ClientRow) => describeClient(parseClient(row))
    return c.json(
      page(cx, 'clients', rows, limit, (row) => row.id, item),
      200,
    )
  })

  api.openapi(getClientRoute, async (c) => {
    const [row] = await c.var.cx.db.read(findClientById(c.req.valid('param').id))
    if (row === undefined) throw clientNotFound()
    tag(c, row.version)
    return c.json(describeClient(parseClient(row)), 200)
  })

  api.openapi(updateClientRoute, async (c) => {
    const { id } = c.req.valid('param')
    const client = await changeClient(c.var.cx, id, c.req.valid('json'), demandedVersion(c))
    tag(c, client.version)
    return c.json(describeClient(client), 200)
  })

  api.openapi(deleteClientRoute, async (c) => {
    await deleteClient(c.var.cx, c.req.valid('param').id, demandedVersion(c))
    return c.body(null, 204)
  })

  api.openapi(createSecretRoute, async (c) => {
    const { cx } = c.var
    const client = await clientToShape(cx, c.req.valid('param').id)
    const { secret, client_secret } = await addSecret(cx, client, c.req.valid('json'))
    noStore(c)
    const { id, created_at, expires_at } = secret
    c.header('Location', `/v1/clients/${client.id}/secrets/${id}`)
    return c.json({ id, created_at, expires_at, client_secret }, 201)
  })

  api.openapi(listSecretsRoute, async (c) => {
    const { id } = c.req.valid('param')
    const { clients, secrets } = await c.var.cx.db.read(withSecrets(id))
    if (clients.length === 0) throw clientNotFound()
    const items = secrets.map(({ id, created_at, expires_at }) => ({ id, created_at, expires_at }))
    return c.json({ items, next_cursor: null }, 200)
  })

  api.openapi(deleteSecretRoute, async (c) => {
    const { cx } = c.var
    const { id, secret_id } = c.req.valid('param')
    const { clients, secrets } = await cx.db.read(withSecrets(id))
    const [client] = clients
    if (client === undefined) throw clientNotFound()
    await assertMayShape(cx, client)
    const secret = secrets.find((one) => one.id === secret_id)
    if (secret === undefined) throw new Problem('not_found', 'the client has no such secret')
    await removeSecret(cx, secret)
    return c.body(null, 204)
  })

  return api
}

const withSecrets = (id: string) => ({ clients: findClientById(id), secrets: secretsOf(id) })

/** The client, if the actor may give it a secret: whoever knows a secret of a client can act as it. */
async function clientToShape(cx: Context, id: string): Promise<ClientRow> {
  const [client] = await cx.db.read(findClientById(id))
  if (client === undefined) throw clientNotFound()
  await assertMayShape(cx, client)
  return client
}
