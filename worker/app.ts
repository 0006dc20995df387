// The whole worker, wired: prefix -> room, in reading order. The bearer guard stands before /v1 and
// /access; failures.ts turns every failure into its answer. Each room knows only its own paths.
import { OpenAPIHono } from '@hono/zod-openapi'
import type { Hono, MiddlewareHandler } from 'hono'
import { getRuntimeKey } from 'hono/adapter'
import { bodyLimit } from 'hono/body-limit'
import { getPath } from 'hono/utils/url'
import { evaluationRoutes } from './access/decisions/evaluation_routes.ts'
import { accessRoutes } from './access/routes.ts'
import { PLACE_ENDS } from './admin/place_ends.ts'
import { placesRoutes } from './admin/places/routes.ts'
import { adminRoutes } from './admin/routes.ts'
import { idempotency } from './api/idempotency.ts'
import { API_SCOPES, type Api, BODY_MAX, createApi, declaredScope } from './api.ts'
import { type Context, ofRequest, recall, remember } from './context.ts'
import { boundedDatabase } from './db/answer_time.ts'
import { claimPageRoutes } from './devices/claiming/claim_page_routes.ts'
import { connectionRoutes } from './devices/connections/routes.ts'
import { claimRoutes } from './devices/getting_in/claim_routes.ts'
import { policyRoutes } from './devices/policies/routes.ts'
import { deviceRoutes } from './devices/routes.ts'
import { selfRoutes } from './devices/self/routes.ts'
import { badRequest, Problem } from './errors.ts'
import { answerError, notFound } from './failures.ts'
import {
  crossOrigin,
  type Env,
  type Http,
  isHost,
  noStore,
  preflight,
  securityHeaders,
} from './http.ts'
import { consentRoutes } from './identity/consents/routes.ts'
import { CONSENTS_PATH, continueRoutes } from './identity/continue/continue_routes.ts'
import { invitationRoutes } from './identity/invitations/routes.ts'
import { languageRoutes } from './identity/language_routes.ts'
import { loginIdRoutes } from './identity/login_ids/routes.ts'
import { loginRoutes } from './identity/login_routes.ts'
import { mailRoutes } from './identity/mail/routes.ts'
import { placeAccountRoutes } from './identity/place_accounts/routes.ts'
import { userRoutes } from './identity/routes.ts'
import { transferRoutes } from './identity/transfers/routes.ts'
import { transferPages } from './identity/transfers/transfer_page_routes.ts'
import { keysThatCannotSign } from './keys/key_status.ts'
import { jwksRoutes, keyRoutes } from './keys/routes.ts'
import { readSigningKeys } from './keys/signing_keys.ts'
import {
  APPLICATIONS,
  applicationRoutes,
} from './oauth/authorizations/account_applications_routes.ts'
import { authorizationRoutes } from './oauth/authorizations/routes.ts'
import { endAllAccess } from './oauth/authorizations/user_authorizations.ts'
import { introduceSender } from './oauth/authorize/introduction.ts'
import { bearerGuard } from './oauth/bearer.ts'
import { clientRoutes } from './oauth/clients/routes.ts'
import { afterSessionsEnded } from './oauth/logout/tokens_of_ended_sessions.ts'
import { initialAccessTokenRoutes } from './oauth/registration/initial_access_token_routes.ts'
import { protocolRoutes } from './oauth/routes.ts'
import { SELF_SCOPE } from './oauth/scopes.ts'
import { stylesheet } from './pages/stylesheet.ts'
import { loadSettings } from './settings.ts'
import { statusListRoutes, statusRoutes } from './status/routes.ts'
import { below, pathReader } from './web/issuer_path.ts'
import { publicFiles, type ReadPublicFile } from './web/public_files.ts'
import { isServed } from './web/surfaces.ts'

/**
 * Makes the context of one request. `host` is the value that the runtime passes: env on Workers,
 * sockets on Node.
 */
export type Open = (
  request: Request,
  host: unknown,
  waitUntil: (p: Promise<unknown>) => void,
) => Context

const OPENAPI = 'openapi document'

const noFiles: ReadPublicFile = async () => null

/** `base` is the path of the issuer, see issuer_path.ts; `read` reads the files of `public/`. */
export function createApp(open: Open, base = '', read: ReadPublicFile = noFiles): Hono<Env> {
  const app = new OpenAPIHono<Env>({ getPath: pathReader(base, getPath) })

  app.use(async (c, next) => {
    const waitUntil = (promise: Promise<unknown>) => {
      if (hasExecutionContext(c)) c.executionCtx.waitUntil(promise)
    }
    const cx = ofRequest(open(c.req.raw, c.env, waitUntil), c.req.path)
    // The rest of the time is for the answer itself.
    const { db, lift } = boundedDatabase(cx.db, cx.config.database_timeout * 900)
    c.set('cx', { ...cx, db })
    await next()
    lift()
    if (base !== '') {
      const answer = await below(base, c.res)
      c.res = undefined // Hono would put the headers of the former answer over those of this one
      c.res = answer
    }
  })
  app.use(securityHeaders)
  app.use(refuseHost)

  // OPTIONS too: HAProxy checks with it unless it is told otherwise.
  app.on(['GET', 'OPTIONS'], '/healthz', (c) => c.json({ status: 'ok', runtime: getRuntimeKey() }))
  app.on(['GET', 'OPTIONS'], '/readyz', async (c) => {
    const { cx } = c.var
    const { now, later } = await keysThatCannotSign(cx, await readSigningKeys(cx))
    const kids = [...now, ...later].map(({ kid }) => kid)
    if (kids.length === 0) return c.json({ status: 'ok' })
    cx.log('error', 'SECRET_KEY does not open a signing key', { kids: kids.join(' ') })
    // A key that only waits cannot sign when its time comes, and until then all goes on.
    const answer = { reason: 'sealed_with_another_key', keys: kids }
    if (now.length === 0) return c.json({ status: 'ok', ...answer })
    c.header('Retry-After', '60')
    return c.json({ status: 'unavailable', ...answer }, 503)
  })

  app.use(surfaceGuard)
  app.get('/style.css', (c) =>
    c.body(stylesheet, 200, {
      'Content-Type': 'text/css; charset=utf-8',
      'Cache-Control': 'public, max-age=3600',
    }),
  )
  app.get('/', (c) => c.redirect('/account', 303))
  app.route('/', jwksRoutes())
  app.route('/', statusRoutes())
  app.route('/', policyRoutes())
  app.route('/', protocolRoutes())
  app.route('/', claimRoutes())
  app.route('/', claimPageRoutes())
  // oauth/ knows what hangs on a session and which application sends a person to sign in; identity/
  // does not know it.
  const onSessionsEnded = afterSessionsEnded
  const endAccess = endAllAccess
  app.route(
    '/',
    loginRoutes({
      onSessionsEnded,
      endAccess,
      applications: APPLICATIONS,
      consents: CONSENTS_PATH,
      introduce: introduceSender,
    }),
  )
  app.route('/', continueRoutes({ endAccess, onSessionsEnded }))
  app.route('/', transferPages(PLACE_ENDS))
  app.route('/', placesRoutes())
  app.route('/', languageRoutes())
  app.route('/', applicationRoutes())

  // For a device without a clock, which cannot authenticate before it has the time.
  app.get('/v1/time', (c) => {
    noStore(c)
    const now = c.var.cx.now()
    c.header('Date', new Date(now * 1000).toUTCString())
    return c.json({ now })
  })
  const v1 = createApi()
  for (const room of [
    () => userRoutes({ onSessionsEnded, endAccess }),
    loginIdRoutes,
    () => consentRoutes({ endAccess, onSessionsEnded }),
    invitationRoutes,
    () => transferRoutes(PLACE_ENDS),
    placeAccountRoutes,
    mailRoutes,
    authorizationRoutes,
    deviceRoutes,
    selfRoutes,
    connectionRoutes,
    accessRoutes,
    clientRoutes,
    initialAccessTokenRoutes,
    keyRoutes,
    statusListRoutes,
    adminRoutes,
  ]) {
    v1.route('/', room())
  }
  const api = new OpenAPIHono<Env>()
  api.use('/v1/*', neverStored)
  api.use('/v1/*', preflight)
  api.use(
    '/v1/*',
    bearerGuard,
    limitedGuard,
    ...[limitBody, refuseNul, idempotency].map(unlessStreamed),
  )
  api.use('/access/v1/*', bearerGuard, limitBody, refuseNul)
  api.route('/', v1)
  api.route('/', evaluationRoutes())
  assertScopes(api)
  app.route('/', api)
  app.use('/openapi.json', crossOrigin(['GET', 'HEAD']))
  app.get('/openapi.json', (c) => {
    const { cx } = c.var
    // Building it takes far longer than a token: once per process and day.
    const text =
      recall<string>(cx, OPENAPI) ??
      remember(cx, OPENAPI, JSON.stringify(describeApi(api, cx), withoutFlags), 86_400)
    c.header('Cache-Control', 'public, max-age=300')
    return c.body(text, 200, { 'Content-Type': 'application/json' })
  })

  app.get('*', publicFiles(read))

  app.notFound((c) => notFound(c))
  app.onError((error, c) => answerError(error, c))
  return app
}

/**
 * Refuses a request whose Host is none (RFC 9112 §3.2). Runtimes make the address of a request from
 * it, so that `Host: a/b` would be another path than the one that was asked for.
 */
async function refuseHost(c: Http, next: () => Promise<void>) {
  const host = c.req.raw.headers.get('host')
  if (host !== null && !isHost(host)) throw badRequest('Host is not a host', 'bad_host')
  return next()
}

/** Answers of the API are about people and things, and hold for this moment. */
async function neverStored(c: Http, next: () => Promise<void>) {
  noStore(c)
  return next()
}

const limitBody = bodyLimit({
  maxSize: BODY_MAX,
  onError: () => {
    throw new Problem('too_large', `a body may have ${BODY_MAX} bytes`, [], 'body_too_large')
  },
})

/** Operations whose handler reads the body piece by piece, and judges the pieces itself. */
const STREAMED = ['POST /v1/devices/import']

const unlessStreamed =
  (guard: MiddlewareHandler<Env>): MiddlewareHandler<Env> =>
  (c, next) =>
    STREAMED.includes(`${c.req.method} ${c.req.path}`) ? next() : guard(c, next)

/**
 * Refuses NUL, and bytes that are no UTF-8: SQLite and MQTT would each read them in their own way.
 */
async function refuseNul(c: Http, next: () => Promise<void>) {
  if (/%00/.test(c.req.url)) {
    throw new Problem(
      'invalid_request',
      'the address contains NUL, which nothing here may',
      [],
      'nul_in_parameter',
    )
  }
  let text: string
  try {
    // Hono keeps the bytes, so the handler reads them again from memory.
    text = new TextDecoder('utf-8', { fatal: true }).decode(await c.req.arrayBuffer())
  } catch {
    throw new Problem('invalid_request', 'the body is not valid UTF-8', [], 'bad_encoding')
  }
  if (/(?<!\\)(?:\\\\)*\\u0000/.test(text) || text.includes('\0')) {
    throw new Problem(
      'invalid_request',
      'the body contains NUL (\\u0000), which no text here may',
      [],
      'nul_in_parameter',
    )
  }
  return next()
}

function hasExecutionContext(c: Http): boolean {
  try {
    return c.executionCtx !== undefined
  } catch {
    return false // outside Workers Hono throws
  }
}

/** SURFACE: the paths that this instance serves. */
async function surfaceGuard(c: Http, next: () => Promise<void>) {
  const { cx } = c.var
  const served = isServed(cx.config.surface, c.req.path)
  const isOpen = served === 'limited' ? (await loadSettings(cx)).public_api : served
  return isOpen ? next() : notFound(c)
}

/**
 * On the public surface /v1 is there for people who reach some places alone. Nobody else's token
 * opens anything, so that one which was stolen there has no power over the installation.
 */
async function limitedGuard(c: Http, next: () => Promise<void>) {
  const { actor, config } = c.var.cx
  const isLimited = actor.kind === 'user' && actor.scopes.size === 0
  if (isLimited || isServed(config.surface, c.req.path) === true) return next()
  return notFound(c)
}

/**
 * Refuses to start with a route without a scope of the API, which would be open to every token. The
 * metadata of AuthZEN is for everybody.
 */
function assertScopes(api: Api): void {
  for (const definition of api.openAPIRegistry.definitions) {
    if (definition.type !== 'route') continue
    const scope = declaredScope(definition.route)
    if (scope !== SELF_SCOPE && !API_SCOPES.some((one) => one === scope)) {
      const { method, path } = definition.route
      throw new Error(`the route ${method} ${path} declares no scope`)
    }
  }
  const described = new Set(
    api.openAPIRegistry.definitions.map((one) =>
      one.type === 'route'
        ? `${one.route.method.toUpperCase()} ${one.route.path.replaceAll(/\{(\w+)\}/g, ':$1')}`
        : '',
    ),
  )
  for (const { method, path } of api.routes) {
    if (path.startsWith('/.well-known/')) continue
    if (method !== 'ALL' && !described.has(`${method} ${path}`)) {
      throw new Error(`the route ${method} ${path} is not described, so it has no scope`)
    }
  }
}

/**
 * Patterns in JSON Schema have no flags (they are always Unicode); zod writes flags after a slash.
 */
const withoutFlags = (name: string, value: unknown) =>
  name === 'pattern' && typeof value === 'string' ? value.replace(/\/[a-z]+$/, '') : value

/** OpenAPI 3.1. SDKs are made from it: operation ids and schema names are public. */
function describeApi(api: Api, cx: Context) {
  const { issuer } = cx.config
  const document = api.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'AllAuth management API',
      version: '1',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: issuer }],
  })
  const scopes = Object.fromEntries([...API_SCOPES, SELF_SCOPE].map((scope) => [scope, scope]))
  const urls = { tokenUrl: `${issuer}/oauth/token`, scopes }
  const oauth2 = {
    type: 'oauth2' as const,
    description: `Access tokens with the audience ${issuer}/v1. The scope manage is all of them.`,
    flows: {
      clientCredentials: urls,
      authorizationCode: { ...urls, authorizationUrl: `${issuer}/oauth/authorize` },
    },
  }
  return { ...document, components: { ...document.components, securitySchemes: { oauth2 } } }
}
