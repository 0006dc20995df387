// The endpoints that clients call: pushed requests, token, device authorization, introspection, revocation, userinfo.
// HTTP in and out, no rules.
import { Hono, type MiddlewareHandler } from 'hono'
import { accepts } from 'hono/accepts'
import { OAuthError } from '../../errors.ts'
import { type Env, type Form, type Http, noStore, readForm } from '../../http.ts'
import { pushRequest } from '../authorize/pushed_request.ts'
import { readCredential, readProofRequest } from '../bearer.ts'
import { type Presented, readPresented } from '../client_authentication/client_authentication.ts'
import type { Credential } from '../client_authentication/sender_constraint.ts'
import { startDeviceAuthorization } from '../device_flow/device_authorization.ts'
import { introspectToken, signIntrospection } from './introspection.ts'
import { revokeToken } from './revocation.ts'
import { exchangeToken } from './token_request.ts'
import { readUserInfo } from './userinfo.ts'

const JSON_TYPE = 'application/json'
const SIGNED_TYPE = 'application/token-introspection+jwt' // RFC 9701 §4

/** Database round trips, warm: token 2 (client_credentials with a secret 1), device authorization 2, pushed requests 2,
 *  introspect 1, revoke 2, userinfo 1;
 *  one more for an assertion or a DPoP proof where nothing else is written, but for userinfo. */
export function tokenRoutes(): Hono<Env> {
  return new Hono<Env>()
    .use('/oauth/token', crossOrigin(['POST'], { withCredentials: true }))
    .post('/oauth/token', async (c) => {
      noStore(c)
      const { form, presented } = await readRequest(c, ['resource', 'audience'])
      return c.json(await exchangeToken(c.var.cx, form, presented, readProofRequest(c)))
    })
    .all('/oauth/token', (c) => wrongMethod(c, 'POST'))

    .use('/oauth/par', crossOrigin(['POST']))
    .post('/oauth/par', async (c) => {
      noStore(c)
      const { form, presented } = await readRequest(c, ['resource'])
      return c.json(await pushRequest(c.var.cx, form, presented, readProofRequest(c)), 201)
    })
    .all('/oauth/par', (c) => wrongMethod(c, 'POST'))

    .use('/oauth/device_authorization', crossOrigin(['POST']))
    .post('/oauth/device_authorization', async (c) => {
      noStore(c)
      const { form, presented } = await readRequest(c, ['resource'])
      return c.json(await startDeviceAuthorization(c.var.cx, form, presented))
    })
    .all('/oauth/device_authorization', (c) => wrongMethod(c, 'POST'))

    .post('/oauth/introspect', async (c) => {
      noStore(c)
      const { cx } = c.var
      const { form, presented } = await readRequest(c)
      const { introspection, caller } = await introspectToken(cx, form, presented)
      if (!wantsSigned(c)) return c.json(introspection)
      const jwt = await signIntrospection(cx, caller, introspection)
      return c.body(jwt, 200, { 'Content-Type': SIGNED_TYPE })
    })
    .all('/oauth/introspect', (c) => wrongMethod(c, 'POST'))

    .use('/oauth/revoke', crossOrigin(['POST']))
    .post('/oauth/revoke', async (c) => {
      noStore(c)
      const { form, presented } = await readRequest(c)
      await revokeToken(c.var.cx, form, presented)
      return c.body(null, 200) // RFC 7009 §2.2: the body is not looked at
    })
    .all('/oauth/revoke', (c) => wrongMethod(c, 'POST'))

    .use('/oauth/userinfo', crossOrigin(['GET', 'POST']))
    .on(['GET', 'POST'], '/oauth/userinfo', async (c) => {
      noStore(c)
      const told = await readUserInfo(c.var.cx, await readUserInfoToken(c))
      if ('claims' in told) return c.json(told.claims)
      return c.body(told.jwt, 200, { 'Content-Type': 'application/jwt' }) // Core §5.3.2
    })
    .all('/oauth/userinfo', (c) => wrongMethod(c, 'GET, POST'))
}

const wantsSigned = (c: Http): boolean =>
  accepts(c, { header: 'Accept', supports: [JSON_TYPE, SIGNED_TYPE], default: JSON_TYPE }) ===
  SIGNED_TYPE

/** RFC 6749 §3.2: parameters come in the body, so that no secret is in a URL. */
async function readRequest(
  c: Http,
  repeatable: readonly string[] = [],
): Promise<{ form: Form; presented: Presented }> {
  refuseQuery(c)
  const form = await readForm(c, repeatable)
  return { form, presented: readPresented(c.req.header('authorization'), form) }
}

function refuseQuery(c: Http): void {
  if (new URL(c.req.url).search === '') return
  throw new OAuthError('invalid_request', {
    description: 'parameters belong into the body',
    reason: 'parameters_in_query',
  })
}

/** RFC 6750 §2.1 and §2.2; never the query (§2.3), never two ways at once (§2). Old clients send `?schema=openid`. */
async function readUserInfoToken(c: Http): Promise<Credential> {
  if (new URL(c.req.url).searchParams.has('access_token')) refuseQuery(c)
  const header = c.req.header('authorization')
  const hasForm = c.req.header('content-type')?.startsWith('application/x-www-form-urlencoded')
  const body =
    c.req.method === 'POST' && hasForm ? (await readForm(c)).get('access_token') : undefined
  if (body === undefined) return readCredential(c)
  if (header !== undefined) {
    throw new OAuthError('invalid_request', {
      description: 'the access token is given twice',
      reason: 'several_tokens',
    })
  }
  return { scheme: 'Bearer', token: body, proof: readProofRequest(c) }
}

/**
 * Any origin: what is needed is in the request itself, no cookie is looked at. `withCredentials` because keycloak-js
 * asks the token endpoint so, and browsers then take no star. Headers are set before the handler, so that errors
 * have them too.
 */
export function crossOrigin(
  methods: readonly string[],
  { withCredentials = false } = {},
): MiddlewareHandler<Env> {
  return async (c, next) => {
    // A browser's client certificate is a credential too, and says who calls: its answers are for no other origin.
    const isPlain = c.var.cx.client_certificate === null
    const origin = withCredentials && isPlain ? c.req.header('origin') : undefined
    c.header('Access-Control-Allow-Origin', origin ?? '*')
    if (withCredentials) c.header('Vary', 'Origin')
    if (origin !== undefined) c.header('Access-Control-Allow-Credentials', 'true')
    c.header('Access-Control-Expose-Headers', 'DPoP-Nonce, WWW-Authenticate')
    if (c.req.method !== 'OPTIONS') return next()
    c.header('Access-Control-Allow-Methods', methods.join(', '))
    // Libraries add headers that name themselves. The star does not stand for Authorization (Fetch §3.3.4).
    c.header('Access-Control-Allow-Headers', 'Authorization, Content-Type, DPoP, *')
    c.header('Access-Control-Max-Age', '86400')
    return c.body(null, 204)
  }
}

export function wrongMethod(c: Http, allowed: string): Response {
  noStore(c)
  const error = { error: 'invalid_request', error_description: `use ${allowed}` }
  return c.json(error, 405, { Allow: allowed })
}
