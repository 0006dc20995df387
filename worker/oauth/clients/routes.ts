// Clients: members, rules, creation, changes and deletion; secrets and keys.
//   /v1/clients
// Owns the tables client and client_secret (store.ts). members.ts has the members,
// client_metadata.ts the rules for the whole client, clients.ts its use cases, client_secrets.ts
// those of its secrets, client_keys.ts its keys, redirect_uris.ts its addresses, client_digest.ts
// the form of it that consents are bound to, presets.ts voice assistants.
// Registration by software is registration/'s, authentication of a client client_authentication/'s.
import { operation } from '../../api/operation.ts'
import {
  type Api,
  createApi,
  demandedVersion,
  json,
  listOf,
  listQuery,
  nothing,
  tag,
  z,
} from '../../api.ts'
import { noStore } from '../../http.ts'
import { clientInput, clientPatch, clientSchema, describeClient } from './client_metadata.ts'
import {
  clientSecretSchema,
  createClientSecret,
  createdSecretSchema,
  listClientSecrets,
  newSecretInput,
  removeClientSecret,
} from './client_secrets.ts'
import { CLIENT_URL_MAX } from './client_url.ts'
import { changeClient, createClient, getClient, listClients, removeClient } from './clients.ts'

const params = z.object({ id: z.string().max(CLIENT_URL_MAX) })

const createdClient = clientSchema
  .extend({ client_secret: z.string().optional() })
  .openapi('CreatedClient')

/**
 * Database round trips: reads and create 1, the others 2.
 */
export function clientRoutes(): Api {
  const api = createApi()

  operation(api, {
    id: 'createClient',
    at: 'POST /v1/clients',
    summary: 'Register a client; its secret is in this answer only',
    scope: 'clients:write',
    body: clientInput,
    answers: { 201: json(createdClient, 'the client') },
    async run(c, { body }) {
      const { client, client_secret } = await createClient(c.var.cx, body)
      noStore(c)
      tag(c, client.version)
      c.header('Location', `/v1/clients/${client.client_id}`)
      const shown = client_secret === undefined ? {} : { client_secret }
      return c.json({ ...describeClient(client), ...shown }, 201)
    },
  })

  operation(api, {
    id: 'listClients',
    at: 'GET /v1/clients',
    summary: 'All clients, by id',
    scope: 'clients:read',
    query: listQuery,
    answers: { 200: json(listOf(clientSchema), 'a page of clients') },
    run: async (c, { query }) => c.json(await listClients(c.var.cx, query), 200),
  })

  operation(api, {
    id: 'getClient',
    at: 'GET /v1/clients/{id}',
    summary: 'One client',
    scope: 'clients:read',
    params,
    answers: { 200: json(clientSchema, 'the client') },
    async run(c, { params }) {
      const client = await getClient(c.var.cx, params.id)
      tag(c, client.version)
      return c.json(describeClient(client), 200)
    },
  })

  operation(api, {
    id: 'updateClient',
    at: 'PATCH /v1/clients/{id}',
    summary: 'Change a client by a merge patch',
    scope: 'clients:write',
    params,
    body: clientPatch,
    answers: { 200: json(clientSchema, 'the client as it is now') },
    problems: ['conflict', 'precondition_failed'],
    async run(c, { params: { id }, body }) {
      const client = await changeClient(c.var.cx, id, body, demandedVersion(c))
      tag(c, client.version)
      return c.json(describeClient(client), 200)
    },
  })

  operation(api, {
    id: 'deleteClient',
    at: 'DELETE /v1/clients/{id}',
    summary: 'Delete a client and end everything that people allowed it',
    scope: 'clients:write',
    params,
    answers: nothing('deleted'),
    problems: ['conflict', 'precondition_failed'],
    async run(c, { params }) {
      await removeClient(c.var.cx, params.id, demandedVersion(c))
      return c.body(null, 204)
    },
  })

  operation(api, {
    id: 'createClientSecret',
    at: 'POST /v1/clients/{id}/secrets',
    summary: 'Add a secret beside the present ones; it is in this answer only',
    scope: 'clients:write',
    params,
    body: newSecretInput,
    answers: { 201: json(createdSecretSchema, 'the secret') },
    async run(c, { params, body }) {
      const created = await createClientSecret(c.var.cx, params.id, body)
      noStore(c)
      c.header('Location', `/v1/clients/${params.id}/secrets/${created.id}`)
      return c.json(created, 201)
    },
  })

  operation(api, {
    id: 'listClientSecrets',
    at: 'GET /v1/clients/{id}/secrets',
    summary: 'The secrets of a client, without the secrets themselves',
    scope: 'clients:read',
    params,
    answers: { 200: json(listOf(clientSecretSchema), 'all of them') },
    async run(c, { params }) {
      const items = await listClientSecrets(c.var.cx, params.id)
      return c.json({ items, next_cursor: null }, 200)
    },
  })

  operation(api, {
    id: 'deleteClientSecret',
    at: 'DELETE /v1/clients/{id}/secrets/{secret_id}',
    summary: 'Delete a secret; it is refused from now on',
    scope: 'clients:write',
    params: params.extend({ secret_id: z.string().max(64) }),
    answers: nothing('deleted'),
    async run(c, { params }) {
      await removeClientSecret(c.var.cx, params.id, params.secret_id)
      return c.body(null, 204)
    },
  })

  return api
}
