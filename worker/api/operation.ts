// One operation of the management API, said in one place: id, method and path, scope, input,
// answers and problems, with its handler beside them. All of /v1 and /access/v1 is made of these:
// each operation has a scope, refuses query parameters that it does not know, and describes each
// answer that can come.
// Owns no route and no table; idempotency.ts owns `idempotency_key`. Leaves the use cases to the
// rooms.
import type { RouteHandler } from '@hono/zod-openapi'
import { type Api, fieldErrors, type OperationScope, pointerTo, problems, type z } from '../api.ts'
import { type Context, placesOf } from '../context.ts'
import { type FieldError, Problem, type ProblemType } from '../errors.ts'
import type { Env, Http } from '../http.ts'

type Answers = {
  [status: number]: {
    description: string
    content?: {
      'application/json'?: { schema: z.ZodType }
      'application/x-ndjson'?: { schema: z.ZodType }
    }
  }
}

/** The response that the answers allow: the body has to fit the schema of its status. */
type ResponseOf<A extends Answers> = ReturnType<
  RouteHandler<{ method: 'get'; path: string; responses: A }, Env>
>

declare const streamed: unique symbol

/** An answer that is sent piece by piece, whose body no type holds against the schema. */
type StreamedAnswer = Response & { readonly [streamed]: true }

/** Answers lines of JSON that are made while they are sent. */
export const streamLines = (c: Http, body: ReadableStream): StreamedAnswer =>
  c.body(body, 200, { 'Content-Type': 'application/x-ndjson' }) as Response as StreamedAnswer

/** Answers JSON that is made while it is sent. */
export const streamJson = (c: Http, body: ReadableStream): StreamedAnswer =>
  c.body(body, 200, { 'Content-Type': 'application/json' }) as Response as StreamedAnswer

type Nothing = z.ZodObject<Record<never, never>>

type Operation<
  P extends z.ZodObject,
  Q extends z.ZodObject,
  B extends z.ZodType,
  A extends Answers,
> = {
  /** The operation id: a name in every SDK, so it stays. */
  id: string
  /** Method and path, such as `GET /v1/groups/{id}`. */
  at: `${'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'} /${string}`
  summary: string
  /** The scope that a token needs. Its noun is the tag too. */
  scope: OperationScope
  /**
   * The operation works within a reach (`cx.actor.reach`), for people who hold the scope on some
   * groups alone. All that it reads and changes is judged there. Any other needs the scope on `*`.
   */
  isWithinReach?: true
  /** The parts of the path. A part that does not fit is answered as not found. */
  params?: P
  /** All parameters that the query may have. */
  query?: Q
  /** Parameters whose names begin so are taken too; the schema judges them as its catch-all. */
  queryPrefix?: string
  /** The JSON body. */
  body?: B
  /** Types of a body that the handler reads itself, piece by piece; app.ts leaves it unread. */
  takes?: readonly string[]
  /** A request without a body is one with `{}`. */
  isBodyOptional?: true
  answers: A
  /** Problems beside those that `usualProblems` derives. */
  problems?: readonly ProblemType[]
  run(
    c: Http,
    input: { params: z.output<P>; query: z.output<Q>; body: z.output<B> },
  ): ResponseOf<A> | Promise<StreamedAnswer>
}

/** Adds an operation to the API of a room: its description, its checks and its answer. */
export function operation<
  A extends Answers,
  P extends z.ZodObject = Nothing,
  Q extends z.ZodObject = Nothing,
  B extends z.ZodType = z.ZodUndefined,
>(api: Api, entry: Operation<P, Q, B, A>): void {
  const [method = '', path = ''] = entry.at.split(' ')
  const { id, summary, scope, params, query, body } = entry
  api.openAPIRegistry.registerPath({
    method: method.toLowerCase() as 'get' | 'post' | 'put' | 'patch' | 'delete',
    path,
    operationId: id,
    tags: [scope.split(':', 1)[0] ?? scope],
    summary,
    security: [{ oauth2: [scope] }],
    ...(entry.isWithinReach === true ? { 'x-within-reach': true } : {}),
    request: {
      ...(params === undefined ? {} : { params }),
      ...(query === undefined ? {} : { query }),
      ...(body === undefined
        ? {}
        : {
            body: {
              required: entry.isBodyOptional !== true,
              content: { 'application/json': { schema: body } },
            },
          }),
      ...(entry.takes === undefined
        ? {}
        : { body: { required: true, content: streamedTypes(entry.takes) } }),
    },
    responses: {
      ...entry.answers,
      ...problems(...usualProblems(method, path, entry), ...(entry.problems ?? [])),
    },
  })
  api.on([method], [path.replaceAll(/\{(\w+)\}/g, ':$1')], async (c: Http) => {
    c.set('cx', withinScope(c.var.cx, scope, entry.isWithinReach === true))
    return entry.run(c, {
      params: await readParams(c, params),
      query: await readQuery(c, query, entry.queryPrefix),
      body: await readBody(c, body, entry.isBodyOptional === true),
    })
  })
}

const streamedTypes = (types: readonly string[]) =>
  Object.fromEntries(types.map((type) => [type, { schema: { type: 'string' as const } }]))

/**
 * The type of a body that the handler reads itself. Throws Problem unsupported_media_type.
 */
export function assertType<T extends string>(c: Http, types: readonly T[]): T {
  const type = (c.req.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase()
  const found = types.find((one) => one === type)
  if (found !== undefined) return found
  const detail = `send ${types.join(' or ')}`
  throw new Problem('unsupported_media_type', detail, [], 'unsupported_content_type')
}

/**
 * The problems of the parts before a handler: the guards of app.ts, the readers below, the
 * database.
 */
function usualProblems(
  method: string,
  path: string,
  { params, body }: { params?: unknown; body?: unknown },
): ProblemType[] {
  return [
    ...(['invalid_request', 'unauthorized', 'forbidden', 'internal', 'unavailable'] as const),
    ...(params === undefined ? [] : (['not_found'] as const)),
    ...(method === 'GET' ? [] : (['too_large'] as const)),
    ...(body === undefined ? [] : (['unsupported_media_type'] as const)),
    // Idempotency-Key
    ...(method === 'POST' && path.startsWith('/v1/')
      ? (['conflict', 'idempotency_mismatch'] as const)
      : []),
  ]
}

/** `manage` does not stand for `self`: it is about the one who calls. Throws Problem forbidden. */
function aboutItself(cx: Context): Context {
  if (cx.actor.kind === 'device' && cx.actor.scopes.has('self')) return cx
  throw new Problem('forbidden', 'this is for devices, with the scope self', [], 'scope_not_held')
}

/**
 * The context in which the operation runs: everywhere, or within the reach that the actor has for
 * the scope. Throws Problem forbidden.
 */
export function withinScope(cx: Context, scope: OperationScope, worksWithin: boolean): Context {
  if (scope === 'self') return aboutItself(cx)
  const { scopes, places } = cx.actor
  if (scopes.has(scope) || scopes.has('manage')) return cx
  const reach = placesOf(cx.actor, scope)
  if (worksWithin && reach.length > 0) return { ...cx, actor: { ...cx.actor, reach } }
  const isElsewhere = places !== undefined && reach.length > 0
  const detail = isElsewhere
    ? `this needs the scope ${scope} on everything`
    : `this needs the scope ${scope}`
  throw new Problem('forbidden', detail, [], 'scope_not_held')
}

/**
 * The parts of the path. A text that cannot be an id names no resource. Throws Problem not_found.
 */
async function readParams<P extends z.ZodType>(
  c: Http,
  schema: P | undefined,
): Promise<z.output<P>> {
  if (schema === undefined) return {} as z.output<P>
  const read = await schema.safeParseAsync(c.req.param())
  if (!read.success) throw new Problem('not_found', 'there is nothing at this path')
  return read.data
}

/**
 * The parameters of the query: each known, and once. An ignored parameter would turn a misspelt
 * filter into a list of everything, or into a deletion of everything. Throws Problem
 * invalid_request, which names each wrong one.
 */
async function readQuery<Q extends z.ZodObject>(
  c: Http,
  schema: Q | undefined,
  prefix?: string,
): Promise<z.output<Q>> {
  const shape = schema?.shape ?? {}
  const values = new Map<string, string>()
  const faults = new Map<string, FieldError>()
  for (const [name, value] of new URL(c.req.url).searchParams) {
    const refuse = (detail: string) => faults.set(name, { pointer: pointerTo([name]), detail })
    const isKnown = Object.hasOwn(shape, name) || (prefix !== undefined && name.startsWith(prefix))
    if (!isKnown) refuse('is no query parameter of this operation')
    else if (values.has(name)) refuse('is given more than once')
    values.set(name, value)
  }
  if (faults.size > 0) throw misformed([...faults.values()])
  return schema === undefined ? ({} as z.output<Q>) : accept(schema, Object.fromEntries(values))
}

/** JSON in a Content-Type header, with or without parameters such as charset. */
const JSON_TYPE = /^application\/([a-z.-]+\+)?json(;\s*[a-z0-9-]+=[^;]+)*$/i

/**
 * The JSON body. A request without body and Content-Type counts as an empty object, and where the
 * body is optional one with the type too. Undefined where the operation takes no body. Throws
 * Problem invalid_request, unsupported_media_type.
 */
async function readBody<B extends z.ZodType>(
  c: Http,
  schema: B | undefined,
  isOptional: boolean,
): Promise<z.output<B>> {
  if (schema === undefined) return undefined as z.output<B>
  const type = c.req.header('content-type') ?? ''
  const mayBeAbsent = type === '' || (isOptional && JSON_TYPE.test(type))
  const isAbsent = mayBeAbsent && (await c.req.arrayBuffer()).byteLength === 0
  if (isAbsent) return accept(schema, {})
  if (!JSON_TYPE.test(type)) {
    const detail = 'send JSON, with Content-Type: application/json'
    throw new Problem('unsupported_media_type', detail, [], 'unsupported_content_type')
  }
  let value: unknown
  try {
    value = await c.req.json()
  } catch {
    throw new Problem('invalid_request', 'the body is not valid JSON', [], 'no_json_object')
  }
  return accept(schema, value)
}

async function accept<S extends z.ZodType>(schema: S, value: unknown): Promise<z.output<S>> {
  const read = await schema.safeParseAsync(value)
  if (!read.success) throw misformed(fieldErrors(read.error))
  return read.data
}

const misformed = (errors: readonly FieldError[]) =>
  new Problem(
    'invalid_request',
    'the request does not have the form described in /openapi.json',
    errors,
  )
