// Parts that all of the management API shares: schemas for validation, types and OpenAPI; scopes;
// problems; cursors; ETags. api/operation.ts makes operations of them, in the routes.ts of each
// room. Knows no room.
import { OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi'
import { isLegible } from './api/legible_text.ts'
import type { Context } from './context.ts'
import { decodeBase64url, encodeBase64url, mac, verifyMac } from './crypto.ts'
import type { Statement } from './db/sql.ts'
import { type FieldError, PROBLEM_STATUS, Problem, type ProblemType } from './errors.ts'
import type { Env, Http } from './http.ts'

export { z }

/** Longest JSON body, in bytes. */
export const BODY_MAX = 1_048_576

const RESOURCES = ['users', 'devices', 'access', 'clients', 'keys', 'events', 'settings'] as const
type Resource = (typeof RESOURCES)[number]
/** `mproxy:report` is that of mProxy, which reports its sessions. */
export type ApiScope = `${Resource}:${'read' | 'write'}` | 'mproxy:report'

/** The scope of an operation: `self` is that of a device about itself, and part of no other. */
export type OperationScope = ApiScope | 'self'

/** The scopes of the management API. `manage` is all of them. */
export const API_SCOPES: readonly ApiScope[] = [
  ...RESOURCES.flatMap((name) => [`${name}:read`, `${name}:write`] as const),
  'mproxy:report',
]

export type Api = OpenAPIHono<Env>

/** The part of a room in the API, to which `operation` adds. */
export const createApi = (): Api => new OpenAPIHono<Env>()

export const fieldErrors = (error: z.ZodError): FieldError[] =>
  error.issues.map((issue) => ({
    pointer: pointerTo(issue.path),
    detail: issue.message,
  }))

/** One line of text for people, such as a name: each character of it can be seen. */
export const lineSchema = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    // An empty text has its own fault.
    .refine(
      (text) => text === '' || isLegible(text),
      'must be visible text, without control and invisible characters',
    )

/** RFC 6901. */
export const pointerTo = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

/**
 * The scope that a route declared, or undefined; the application does not start with such a route.
 */
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

/** The responses of an operation that are problems, for its description. */
export function problems(...types: readonly ProblemType[]) {
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

/** The answer of an operation that only says that it is done. */
export const nothing = (description: string) => ({ 204: { description } })

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
 * Result of planning an entry (of the blueprint or of the API): the rooms plan, the caller writes
 * all plans in one batch. `fields` names the members that an update changes.
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

/** The page that a request asks for. */
export type PageQuery = z.output<typeof listQuery>

export type PageOf<Item> = { items: Item[]; next_cursor: string | null }

export const listOf = <T extends z.ZodType>(schema: T) =>
  z.object({ items: z.array(schema), next_cursor: z.string().nullable() })

/**
 * An opaque cursor that names the last item of a page. It is authenticated, and valid for one
 * `kind` of list.
 */
export function encodeCursor(cx: Context, kind: string, last: string): string {
  return `${encodeBase64url(new TextEncoder().encode(last))}.${mac(cx, 'cursor', named(kind, last))}`
}

// The kind may contain a text of the caller. As a purpose of `mac`, each would leave a derived key
// in memory for good.
const named = (kind: string, last: string): string => JSON.stringify([kind, last])

/**
 * The item that a cursor names, '' without one (all ids sort after it). Throws Problem for a forged
 * cursor.
 */
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

/** A page from `limit + 1` rows: the surplus row only shows that there are more. */
export function pageOf<Row, Item>(
  cx: Context,
  kind: string,
  rows: readonly Row[],
  limit: number,
  key: (row: Row) => string,
  item: (row: Row) => Item,
): PageOf<Item> {
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
 * The version that If-Match demands, or null when any version will do (RFC 9110 §13.1.1). The
 * condition of the update must use it too, so that two writers cannot pass at once. Throws Problem
 * precondition_failed when it cannot be read.
 */
export function demandedVersion(c: Http): number | null {
  const header = c.req.header('if-match')
  if (header === undefined || header.trim() === '*') return null
  // A proxy that compresses makes our tags weak, although the resource is the same.
  const match = /^(?:W\/)?"(\d{1,15})"$/.exec(header.trim())
  if (match === null) {
    throw new Problem('precondition_failed', 'If-Match does not name a version that was given out')
  }
  return Number(match[1])
}
