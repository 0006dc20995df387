// What all routes of the management API share: one schema for validation, types and OpenAPI; a scope for each
// route; problems; cursors; ETags; Idempotency-Key. Each room's routes.ts builds on it. Knows no room.
import { createRoute, OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi'
import type { MiddlewareHandler } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Context } from './context.ts'
import { decodeBase64url, encodeBase64url, mac, seal, sha256, unseal, verifyMac } from './crypto.ts'
import { type Statement, sql } from './db/sql.ts'
import { type FieldError, PROBLEM_STATUS, Problem, type ProblemType } from './errors.ts'
import type { Env, Http } from './http.ts'

export { createRoute, z }

/** Longest JSON body, in bytes. */
export const BODY_MAX = 1_048_576

const RESOURCES = ['users', 'devices', 'access', 'clients', 'keys', 'events', 'settings'] as const
type Resource = (typeof RESOURCES)[number]
export type ApiScope = `${Resource}:${'read' | 'write'}`

/** The scopes of the management API. `manage` is all of them. */
export const API_SCOPES: readonly ApiScope[] = RESOURCES.flatMap(
  (name) => [`${name}:read`, `${name}:write`] as const,
)

export type Api = OpenAPIHono<Env>

/** A room's part of the API. Validation faults become one Problem with every field error. */
export function createApi(): Api {
  return new OpenAPIHono<Env>({
    defaultHook: (result) => {
      if (!result.success) {
        throw new Problem(
          'invalid_request',
          'the request does not have the form described in /openapi.json',
          fieldErrors(result.error),
        )
      }
    },
  })
}

export const fieldErrors = (error: z.ZodError): FieldError[] =>
  error.issues.map((issue) => ({
    pointer: issue.path
      .map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`)
      .join(''),
    detail: issue.message,
  }))

/** Spread into a route: declares its scope in OpenAPI and enforces it. */
export function scoped(scope: ApiScope) {
  return { security: [{ oauth2: [scope] }], middleware: requireScope(scope) }
}

function requireScope(scope: ApiScope): MiddlewareHandler<Env> {
  return async (c, next) => {
    const { scopes } = c.var.cx.actor
    if (!scopes.has(scope) && !scopes.has('manage')) {
      throw new Problem('forbidden', `this needs the scope ${scope}`)
    }
    await next()
  }
}

/** The scope that a route declared, or undefined: the application refuses to start over such a route. */
export const declaredScope = (route: RouteConfig): string | undefined =>
  route.security?.[0]?.['oauth2']?.[0]

const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
  })
  .openapi('Problem')

/** The responses of a route that are problems, for its description. */
export function problems<const T extends readonly ProblemType[]>(...types: T) {
  const responses: Record<number, { description: string; content: object }> = {}
  for (const type of types) {
    const status = PROBLEM_STATUS[type]
    responses[status] = {
      description: type,
      content: { 'application/problem+json': { schema: problemSchema } },
    }
  }
  return responses
}

export const json = <T extends z.ZodType>(schema: T, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})

/** A required JSON request body. */
export const jsonBody = <T extends z.ZodType>(schema: T) => ({
  required: true,
  content: { 'application/json': { schema } },
})

/** RFC 9457. */
export function problemBody(problem: Problem) {
  return {
    type: `urn:allauth:problem:${problem.type}`,
    title: problem.type.replaceAll('_', ' '),
    status: problem.status as number,
    detail: problem.detail,
    ...(problem.errors.length > 0 ? { errors: problem.errors } : {}),
  }
}

export function problemResponse(c: Http, problem: Problem): Response {
  if (problem.type === 'unavailable') c.header('Retry-After', '2')
  return c.body(JSON.stringify(problemBody(problem)), problem.status, {
    'Content-Type': 'application/problem+json',
    'Cache-Control': 'no-store',
  })
}

/**
 * What applying an entry (of the blueprint or of the API) would do: the rooms plan, the caller writes all plans
 * in one batch. `fields` names what an update changes.
 */
export type Plan = {
  change: 'created' | 'updated' | 'unchanged'
  fields: readonly string[]
  statements: readonly Statement[]
}

// --- lists ------------------------------------------------------------------------------------

export const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(500).optional(),
})

export const listOf = <T extends z.ZodType>(schema: T) =>
  z.object({ items: z.array(schema), next_cursor: z.string().nullable() })

/** An opaque cursor that names the last item of a page; authenticated, and good for one `kind` of list. */
export function encodeCursor(cx: Context, kind: string, last: string): string {
  return `${encodeBase64url(new TextEncoder().encode(last))}.${mac(cx, 'cursor', named(kind, last))}`
}

// The kind may name what a caller asked for: as a purpose, each would leave a derived key in memory for good.
const named = (kind: string, last: string): string => JSON.stringify([kind, last])

/** The item named by a cursor, '' without one (all ids sort behind it). Throws Problem for a forged one. */
export function decodeCursor(cx: Context, kind: string, cursor: string | undefined): string {
  if (cursor === undefined) return ''
  const [body = '', tag = ''] = cursor.split('.')
  const bytes = decodeBase64url(body)
  const last = bytes === null ? null : new TextDecoder().decode(bytes)
  if (last === null || !verifyMac(cx, 'cursor', named(kind, last), tag)) {
    throw new Problem('invalid_request', 'the cursor is not one that this list gave out', [
      { pointer: '/cursor', detail: 'use next_cursor of the page before, or leave it out' },
    ])
  }
  return last
}

/** A page from `limit + 1` rows: the surplus row only tells that there is more. */
export function page<Row, Item>(
  cx: Context,
  kind: string,
  rows: readonly Row[],
  limit: number,
  key: (row: Row) => string,
  item: (row: Row) => Item,
): { items: Item[]; next_cursor: string | null } {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  const more = rows.length > limit && last !== undefined
  return { items: shown.map(item), next_cursor: more ? encodeCursor(cx, kind, key(last)) : null }
}

// --- versions ---------------------------------------------------------------------------------

export const etagOf = (version: number): string => `"${version}"`

/** Sets the ETag of a resource. */
export function tag(c: Http, version: number): void {
  c.header('ETag', etagOf(version))
}

/**
 * The version that If-Match demands, or null when any will do (RFC 9110 §13.1.1). The update's own condition
 * must use it, so that two writers cannot pass at once. Throws Problem precondition_failed when unreadable.
 */
export function demandedVersion(c: Http): number | null {
  const header = c.req.header('if-match')
  if (header === undefined || header.trim() === '*') return null
  const match = /^"(\d{1,15})"$/.exec(header.trim())
  if (match === null) {
    throw new Problem('precondition_failed', 'If-Match does not name a version that was given out')
  }
  return Number(match[1])
}

// --- Idempotency-Key --------------------------------------------------------------------------

const DAY = 86_400
/** Longer than a request is let run. */
const PENDING = 60

type Remembered = {
  rid: string
  request_hash: string
  status: number | null
  response: string | null
}

type Answer = { scopes: string[]; headers: [string, string][]; body: string }

const rememberRequest = (cx: Context, hash: string, request_hash: string): Statement<Remembered> =>
  // An entry that has run out is taken over as if it were new. One without an answer soon does: whoever worked on it
  // is gone, or could not reach the database any more.
  sql`insert into idempotency_key (hash, rid, request_hash, expires_at)
    values (${hash}, ${cx.rid}, ${request_hash}, ${cx.now() + PENDING})
    on conflict (hash) do update set
      rid = case when expires_at <= ${cx.now()} then ${cx.rid} else rid end,
      request_hash = case when expires_at <= ${cx.now()} then ${request_hash} else request_hash end,
      status = case when expires_at <= ${cx.now()} then null else status end,
      response = case when expires_at <= ${cx.now()} then null else response end,
      expires_at = case when expires_at <= ${cx.now()} then ${cx.now() + PENDING} else expires_at end
    returning rid, request_hash, status, response`

/**
 * Repeats the first answer to a POST that comes again with the same Idempotency-Key from the same actor.
 * The answer is kept sealed, since it may hold a secret that is shown once; a token with fewer scopes than the
 * first one's does not get it. A failed request is not kept.
 */
export const idempotency: MiddlewareHandler<Env> = async (c, next) => {
  const key = c.req.header('idempotency-key')
  if (key === undefined || c.req.method !== 'POST') return next()
  const cx = c.var.cx
  if (key.length === 0 || key.length > 255) {
    throw new Problem('invalid_request', 'Idempotency-Key must have 1 to 255 characters')
  }
  // Bounded before this by app.ts; Hono keeps what was read for the handler.
  const body = await c.req.arrayBuffer()
  const path = new URL(c.req.url).pathname
  const hash = sha256([cx.actor.kind, cx.actor.id, path, key].join('\n'))
  const request_hash = mac(cx, 'idempotency', new TextDecoder().decode(body))
  const [known] = await cx.db.write(rememberRequest(cx, hash, request_hash))
  if (known === undefined) throw new Error('the idempotency key was not stored')
  if (known.request_hash !== request_hash) {
    throw new Problem('idempotency_mismatch', 'this Idempotency-Key came with another body before')
  }
  if (known.rid !== cx.rid) {
    if (known.status === null || known.response === null) {
      throw new Problem('conflict', 'a request with this Idempotency-Key is still being worked on')
    }
    const text = await unseal(cx, `idempotency_key.response:${hash}`, known.response)
    const { scopes, headers, body } = JSON.parse(text) as Answer
    if (!scopes.every((scope) => cx.actor.scopes.has(scope))) {
      throw new Problem('forbidden', 'the first answer was given to a token with more scopes')
    }
    for (const [name, value] of headers) c.header(name, value)
    c.header('Idempotent-Replayed', 'true')
    if (known.status === 204) return c.body(null, 204)
    return c.body(body, known.status as ContentfulStatusCode)
  }
  await next()
  if (c.res.ok) {
    const headers = [...c.res.headers].filter(([name]) =>
      ['cache-control', 'content-type', 'etag', 'location'].includes(name),
    )
    const response = await seal(
      cx,
      `idempotency_key.response:${hash}`,
      JSON.stringify({
        scopes: [...cx.actor.scopes],
        headers,
        body: await c.res.clone().text(),
      } satisfies Answer),
    )
    await cx.db.write(sql`update idempotency_key
      set status = ${c.res.status}, response = ${response}, expires_at = ${cx.now() + DAY}
      where hash = ${hash} and rid = ${cx.rid}`)
  } else {
    await cx.db.write(sql`delete from idempotency_key where hash = ${hash} and rid = ${cx.rid}`)
  }
}

/** For the timer. */
export const deleteOldIdempotencyKeys = (cx: Context): Statement =>
  sql`delete from idempotency_key where expires_at <= ${cx.now()}`
