// Parts that every HTTP room shares: strict reading of forms, security headers, no-store.
// Knows Hono and the context; knows no room.
import type { Context as HonoContext, MiddlewareHandler } from 'hono'
import type { Context } from './context.ts'
import { badRequest, OAuthError } from './errors.ts'
import { logRefusal } from './refusal_log.ts'
import type { Reason } from './refusals.ts'

/** The values in `c.var` of every handler. */
export type Env = {
  Variables: {
    cx: Context
    /** True when people look here, so that errors are pages too. */
    isPage?: boolean
  }
}
export type Http = HonoContext<Env>

/** Longest body of a form, in bytes. */
export const FORM_MAX = 65_536

export type Form = {
  /** The one value of a parameter, or undefined when it is absent or empty (RFC 6749 §3.1). */
  get(name: string): string | undefined
  /** All values of a parameter that may be repeated. */
  all(name: string): readonly string[]
  names(): readonly string[]
}

/**
 * Reads `application/x-www-form-urlencoded` text strictly: a duplicate parameter, invalid UTF-8 and
 * NUL are refused, an empty value counts as absent. `repeatable` names may come more than once.
 * Throws OAuthError invalid_request.
 */
export function parseForm(text: string, repeatable: readonly string[] = []): Form {
  const found = new Map<string, string[]>()
  for (const pair of text.split('&')) {
    if (pair === '') continue
    const at = pair.indexOf('=')
    const name = decode(at < 0 ? pair : pair.slice(0, at))
    const value = at < 0 ? '' : decode(pair.slice(at + 1))
    if (value === '') continue
    const values = found.get(name)
    if (values === undefined) found.set(name, [value])
    else if (repeatable.includes(name)) values.push(value)
    // RFC 6749 §3.1, §3.2: parameters must not be included more than once
    else throw badRequest('a parameter is given more than once', 'duplicate_parameter')
  }
  return formOf(found)
}

/** A Form from parameters that came in another way, or not only as a form. */
export const formOf = (values: ReadonlyMap<string, readonly string[]>): Form => ({
  get: (name) => values.get(name)?.[0],
  all: (name) => values.get(name) ?? [],
  names: () => [...values.keys()],
})

function decode(text: string): string {
  let value: string
  try {
    value = decodeURIComponent(text.replaceAll('+', ' '))
  } catch (cause) {
    throw new OAuthError('invalid_request', {
      description: 'a parameter is not valid percent-encoded UTF-8',
      reason: 'bad_encoding',
      cause,
    })
  }
  if (value.includes('\0')) throw badRequest('a parameter contains NUL', 'nul_in_parameter')
  return value
}

/** The form in the body of a POST. Throws OAuthError invalid_request. */
export async function readForm(c: Http, repeatable: readonly string[] = []): Promise<Form> {
  const type = (c.req.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') {
    throw badRequest(
      'the body must be application/x-www-form-urlencoded',
      'unsupported_content_type',
    )
  }
  const bytes = await readBody(c.req.raw, FORM_MAX)
  if (bytes === null) throw badRequest('the body is too large', 'body_too_large')
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new OAuthError('invalid_request', {
      description: 'the body is not valid UTF-8',
      reason: 'bad_encoding',
      cause,
    })
  }
  return parseForm(text, repeatable)
}

/**
 * The JSON object in the body of a POST or PUT, without NUL or lone surrogate anywhere. Throws
 * OAuthError invalid_request.
 */
export async function readJson(c: Http): Promise<Record<string, unknown>> {
  const type = (c.req.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') {
    throw badRequest('the body must be application/json', 'unsupported_content_type')
  }
  const bytes = await readBody(c.req.raw, FORM_MAX)
  if (bytes === null) throw badRequest('the body is too large', 'body_too_large')
  const value = parseJsonObject(bytes)
  if (value === null) throw badRequest('the body is not a JSON object', 'no_json_object')
  return value
}

/** A JSON object, in UTF-8 and without NUL or lone surrogate in it, or null for anything else. */
export function parseJsonObject(source: string | Uint8Array): Record<string, unknown> | null {
  try {
    const text =
      typeof source === 'string' ? source : new TextDecoder('utf-8', { fatal: true }).decode(source)
    const value: unknown = JSON.parse(text, (_, one) => {
      // SQLite would read a text only up to NUL, and UTF-8 has no lone surrogate: neither could be
      // read back unchanged.
      if (typeof one === 'string' && (one.includes('\0') || !one.isWellFormed())) {
        throw new SyntaxError('no text that can be kept')
      }
      return one
    })
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

/** The parameters of the query string, read as strictly as a form. */
export function readQuery(c: Http, repeatable: readonly string[] = []): Form {
  const query = new URL(c.req.url).search.slice(1)
  if (query.length > FORM_MAX) throw badRequest('the query is too large', 'query_too_large')
  return parseForm(query, repeatable)
}

/** The whole body, or null as soon as it is larger than `max` bytes. */
export async function readBody(request: Request, max: number): Promise<Uint8Array | null> {
  const declared = request.headers.get('content-length')
  if (Number(declared ?? 0) > max) return null
  // HTTP delivers no more than was declared, and reading a whole body costs far less than a stream.
  if (declared !== null) return new Uint8Array(await request.arrayBuffer())
  if (request.body === null) return new Uint8Array(0)
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = request.body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.byteLength
    if (size > max) {
      await reader.cancel()
      return null
    }
    chunks.push(value)
  }
  const whole = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.byteLength
  }
  return whole
}

/**
 * Headers of every answer. Set before the answer is made: afterwards it would have to be made anew.
 */
export const securityHeaders: MiddlewareHandler<Env> = (c, next) => {
  c.header('X-Content-Type-Options', 'nosniff')
  // Only the `rid` of this request: single use depends on it, so no request may choose it.
  c.header('X-Request-Id', c.var.cx.rid)
  if (secure(c.var.cx)) {
    c.header('Strict-Transport-Security', 'max-age=31536000; includeSubDomains')
  }
  return next()
}

/** Marks an answer that carries a token or personal data (RFC 6749 §5.1). */
export function noStore(c: Http): void {
  c.header('Cache-Control', 'no-store')
  c.header('Pragma', 'no-cache')
}

/**
 * Allows any origin: all that is needed is in the request itself, and no cookie is read.
 * `withCredentials` is there because keycloak-js calls the token endpoint with credentials, and
 * browsers then accept no star. Headers are set before the handler, so that errors have them too.
 */
export function crossOrigin(
  methods: readonly string[],
  { withCredentials = false } = {},
): MiddlewareHandler<Env> {
  return async (c, next) => {
    // A client certificate of a browser is a credential too, and names the caller: its answers are
    // for no other origin.
    const isPlain = c.var.cx.client_certificate === null
    const origin = withCredentials && isPlain ? c.req.header('origin') : undefined
    c.header('Access-Control-Allow-Origin', origin ?? '*')
    if (withCredentials) c.header('Vary', 'Origin')
    if (origin !== undefined) c.header('Access-Control-Allow-Credentials', 'true')
    c.header('Access-Control-Expose-Headers', 'DPoP-Nonce, WWW-Authenticate, X-Request-Id')
    if (c.req.method !== 'OPTIONS') return next()
    c.header('Access-Control-Allow-Methods', methods.join(', '))
    // Libraries add headers that name themselves. The star does not stand for Authorization (Fetch
    // §3.3.4).
    c.header('Access-Control-Allow-Headers', 'Authorization, Content-Type, DPoP, *')
    c.header('Access-Control-Max-Age', '86400')
    return c.body(null, 204)
  }
}

/**
 * Answers the question of a browser before a call of /v1 from another origin. It has no token yet,
 * so it is answered for every origin; the answer to the call itself is for those of the token's
 * client (`allowOriginsOf`).
 */
export const preflight: MiddlewareHandler<Env> = async (c, next) => {
  const isPreflight =
    c.req.method === 'OPTIONS' && c.req.header('access-control-request-method') !== undefined
  if (!isPreflight) return next()
  c.header('Access-Control-Allow-Origin', c.req.header('origin') ?? '*')
  c.header('Vary', 'Origin')
  c.header('Access-Control-Allow-Methods', 'GET, POST, PUT, PATCH, DELETE')
  c.header('Access-Control-Allow-Headers', 'Authorization, Content-Type, DPoP, If-Match, *')
  c.header('Access-Control-Max-Age', '7200')
  return c.body(null, 204)
}

/** Lets scripts of the origins to which a client redirects read the answer, and no others. */
export function allowOriginsOf(c: Http, redirect_uris: readonly string[]): void {
  const origin = c.req.header('origin')
  c.header('Vary', 'Origin')
  if (origin === undefined || !redirect_uris.some((uri) => originOf(uri) === origin)) return
  c.header('Access-Control-Allow-Origin', origin)
  c.header(
    'Access-Control-Expose-Headers',
    'DPoP-Nonce, ETag, Idempotent-Replayed, Location, Retry-After, WWW-Authenticate, X-Request-Id',
  )
}

/** The origin of a web address; null for an address of another kind, which has none. */
function originOf(uri: string): string | null {
  if (!/^https?:/i.test(uri) || !URL.canParse(uri)) return null
  return new URL(uri).origin
}

export function wrongMethod(c: Http, allowed: string): Response {
  noStore(c)
  const error = 'invalid_request'
  const description = `use ${allowed}`
  logRefusal(c.var.cx, new OAuthError(error, { description, reason: 'wrong_method', status: 405 }))
  return c.json({ error, error_description: description }, 405, { Allow: allowed })
}

/** The token of an Authorization header (RFC 6750 §2.1). Throws OAuthError invalid_token. */
export function readBearer(authorization: string | undefined): string {
  const refused = (description: string, reason: Reason) =>
    new OAuthError('invalid_token', { description, reason, scheme: 'Bearer' })
  if (authorization === undefined) throw refused('an access token is needed', 'no_token')
  const match = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization)
  if (match?.[1] === undefined) throw refused('the access token is not valid', 'bad_header')
  return match[1]
}

/** Whether a Host header names a host (RFC 9110 §7.2): a name or an address, and perhaps a port. */
export const isHost = (host: string): boolean =>
  /^(?:[a-z0-9_](?:[a-z0-9._-]*)|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.test(host)

/** True for a JSON object; an array and null are none. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** True when the issuer is reached over https: then cookies are `__Host-` and Secure. */
export const secure = (cx: Context): boolean => cx.config.issuer.startsWith('https:')
