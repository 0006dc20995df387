// The room's routes behind an actor that the test chooses, in place of the bearer guard; and the
// rows of people, things and clients that other rooms write.
import { Hono } from 'hono'
import { evaluationRoutes } from '../../worker/access/decisions/evaluation_routes.ts'
import { insertPrincipal } from '../../worker/access/principals.ts'
import { accessRoutes } from '../../worker/access/routes.ts'
import { problemResponse } from '../../worker/api.ts'
import type { Actor, Context } from '../../worker/context.ts'
import { client } from '../../worker/db/oauth_schema.ts'
import { device, user } from '../../worker/db/schema.ts'
import { insertInto, sql } from '../../worker/db/sql.ts'
import { device_type } from '../../worker/db/things_schema.ts'
import { Problem } from '../../worker/errors.ts'
import type { Env } from '../../worker/http.ts'
import { ISSUER, SYSTEM, startWorker } from '../context.ts'

export type Answer = { status: number; headers: Headers; body: Record<string, unknown> }
export type House = Awaited<ReturnType<typeof startHouse>>

export const actor = (kind: Actor['kind'], id: string, ...scopes: string[]): Actor => ({
  kind,
  id,
  scopes: new Set(scopes),
})

/** The routes, built once; a request brings its context. */
const app = new Hono<Env>()
app.use(async (c, next) => {
  c.set('cx', (c.env as { cx: Context }).cx)
  await next()
})
app.route('/', accessRoutes())
app.route('/', evaluationRoutes())
app.onError((error, c) => {
  if (error instanceof Problem) return problemResponse(c, error)
  throw error
})

export async function startHouse() {
  const worker = await startWorker()

  /** `call('POST /v1/groups', body)`, as the system unless told otherwise. */
  const call = async (
    what: string,
    body?: unknown,
    { as = SYSTEM, headers = {} }: { as?: Actor; headers?: Record<string, string> } = {},
  ): Promise<Answer> => {
    const [method = '', path = ''] = what.split(' ')
    const init = {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }
    const cx = worker.context(as)
    const response = await app.request(new URL(path, ISSUER).href, init, { cx })
    const text = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? {} : JSON.parse(text),
    }
  }

  /** A call that has to work; the test fails with the answer otherwise. */
  const make = async (what: string, body?: unknown, options?: Parameters<typeof call>[2]) => {
    const answer = await call(what, body, options)
    if (answer.status >= 300) {
      throw new Error(`${what} answered ${answer.status} ${JSON.stringify(answer.body)}`)
    }
    return answer.body
  }

  const stamps = () => ({
    created_at: worker.clock.now,
    updated_at: worker.clock.now,
    version: 1,
  })

  return {
    worker,
    call,
    make,
    async user(id: string, status: 'active' | 'disabled' = 'active') {
      const cx = worker.context()
      const email = `${id}@example.com`
      await cx.db.write([
        insertPrincipal(cx, id, 'user'),
        insertInto(user, {
          id,
          email,
          email_key: email.toLowerCase(),
          email_verified: 1,
          password: 'a hash', // without one nobody signs in, and counts as an operator
          status,
          metadata: '{}',
          ...stamps(),
        }),
      ])
    },
    async client(id: string, scope = '', status: 'active' | 'disabled' = 'active') {
      const cx = worker.context()
      await cx.db.write([
        insertPrincipal(cx, id, 'client'),
        insertInto(client, {
          id,
          status,
          token_endpoint_auth_method: 'none',
          application_type: 'web',
          redirect_uris: '[]',
          post_logout_redirect_uris: '[]',
          grant_types: '[]',
          scope,
          resources: '[]',
          members: '{}',
          first_party: 0,
          ...stamps(),
        }),
      ])
    },
    async deviceType(name: string, acl: unknown[]) {
      const cx = worker.context()
      await cx.db.write(
        insertInto(device_type, { name, description: '', acl: JSON.stringify(acl), ...stamps() }),
      )
    },
    async device(
      id: string,
      given: {
        type?: string
        groups?: string[]
        metadata?: Record<string, string>
        mqtt_client_id?: string
        status?: 'active' | 'suspended' | 'retired'
      } = {},
    ) {
      const cx = worker.context()
      await cx.db.write([
        insertPrincipal(cx, id, 'device'),
        insertInto(device, {
          id,
          type: given.type ?? 'plain',
          status: given.status ?? 'active',
          metadata: JSON.stringify(given.metadata ?? {}),
          mqtt_client_id: given.mqtt_client_id ?? null,
          ...stamps(),
        }),
      ])
      for (const group of given.groups ?? []) await make(`POST /v1/groups/${group}/members`, { id })
    },
    async events(type: string) {
      const rows = await worker.context().db.read(
        sql<{ subject_id: string | null; data: string }>`select subject_id, data from event
            where type = ${type} order by rowid`,
      )
      return rows
    },
  }
}

/** The details of a problem's errors, in one text. */
export const details = (answer: Answer): string =>
  JSON.stringify([answer.body['detail'], answer.body['errors']])
