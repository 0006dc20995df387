// Clients that call the management API, with the tokens that they really get.
import { createClient } from '../../worker/oauth/clients/clients.ts'
import type { TestWorker } from '../context.ts'

type Json = Record<string, unknown>

/** `body` is empty where nothing was sent. */
export type ApiAnswer = { status: number; headers: Headers; body: Json & { items: Json[] } }

/** A token of a client that has a secret. */
export async function clientToken(
  worker: TestWorker,
  client_id: string,
  client_secret: string,
  scope: string,
): Promise<string> {
  const answer = await worker.request('/oauth/token', {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
    headers: { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` },
  })
  const body = (await answer.json()) as { access_token?: string }
  if (body.access_token === undefined) throw new Error(JSON.stringify(body))
  return body.access_token
}

/** A token of a new client with this scope. */
export async function newClientToken(
  worker: TestWorker,
  scope = 'manage',
  client_id = `ops-${crypto.randomUUID()}`,
): Promise<string> {
  const { client_secret = '' } = await createClient(worker.context(), {
    client_id,
    grant_types: ['client_credentials'],
    scope,
  })
  return clientToken(worker, client_id, client_secret, scope)
}

/**
 * Calls the API with a token. A body that is a string is sent as it is, everything else as JSON.
 */
export async function callApi(
  worker: TestWorker,
  access_token: string,
  method: string,
  path: string,
  body?: unknown,
  headers: HeadersInit = {},
): Promise<ApiAnswer> {
  const answer = await worker.request(path, {
    method,
    headers: {
      authorization: `Bearer ${access_token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(headers as Record<string, string>),
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await answer.text()
  const parsed = (text === '' ? {} : JSON.parse(text)) as ApiAnswer['body']
  return { status: answer.status, headers: answer.headers, body: parsed }
}
