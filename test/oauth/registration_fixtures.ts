// How software registers clients, for the tests of registration and its neighbours.

import { changeSettings } from '../../worker/admin/settings_change.ts'
import {
  createInitialAccessToken,
  type InitialAccessTokenInput,
} from '../../worker/oauth/registration/initial_access_tokens.ts'
import type { Settings } from '../../worker/settings.ts'
import type { TestWorker } from '../context.ts'
import { CALLBACK } from './flow.ts'

/** What a client, an initial access token or a refusal is told in; a test reads what it got. */
type Body = {
  [member: string]: unknown
  client_id: string
  client_secret: string
  registration_access_token: string
  registration_client_uri: string
  id: string
  initial_access_token: string
  error_description: string
  errors: { pointer: string }[]
  jwks: { keys: unknown[] }
}

export type Answer = { status: number; headers: Headers; body: Body }

type Requests = Pick<TestWorker, 'request'>

/** Sends JSON, with a bearer token unless that is undefined. */
export async function send(
  worker: Requests,
  method: string,
  path: string,
  body?: unknown,
  token?: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await worker.request(path, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await answer.text()
  return {
    status: answer.status,
    headers: answer.headers,
    body: text === '' ? {} : JSON.parse(text),
  }
}

/** Registers a client with one redirect address, as the anonymous without `token`. */
export const register = (
  worker: Requests,
  metadata: Record<string, unknown> = {},
  token?: string,
  headers: Record<string, string> = {},
) =>
  send(
    worker,
    'POST',
    '/oauth/register',
    { redirect_uris: [CALLBACK], ...metadata },
    token,
    headers,
  )

/** A new initial access token. */
export const addInitialAccessToken = async (
  worker: TestWorker,
  input: InitialAccessTokenInput = {},
) => createInitialAccessToken(worker.context(), input)

export const setRegistration = (worker: TestWorker, registration: Settings['registration']) =>
  changeSettings(worker.context(), { registration })

export const pathOf = (registered: Answer) =>
  new URL(registered.body['registration_client_uri']).pathname
