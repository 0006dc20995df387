// The token endpoint, and the endpoints that take tokens: introspection, revocation, userinfo. HTTP
// in and out, no rules.
//   /oauth/token /oauth/introspect /oauth/revoke /oauth/userinfo
// Owns no table: codes, refresh tokens and authorizations are authorizations/'s. token_request.ts
// takes a request through its steps; grants/ has one file for each grant_type; trusted_issuers.ts
// verifies assertions of other issuers. Authentication of the caller is client_authentication/'s,
// the content and form of a token tokens/'s.
import { Hono } from 'hono'
import { accepts } from 'hono/accepts'
import { OAuthError } from '../../errors.ts'
import { crossOrigin, type Env, type Http, noStore, readForm, wrongMethod } from '../../http.ts'
import { readCredential } from '../bearer.ts'
import { readProofRequest } from '../client_authentication/dpop.ts'
import { readClientRequest, refuseQuery } from '../client_authentication/presented_credentials.ts'
import type { Credential } from '../client_authentication/sender_constraint.ts'
import { REPEATABLE_PARAMETERS } from '../grant_types.ts'
import { introspectToken, signIntrospection } from './introspection.ts'
import { revokeToken } from './revocation.ts'
import { exchangeToken } from './token_request.ts'
import { readUserInfo } from './userinfo.ts'

const JSON_TYPE = 'application/json'
const SIGNED_TYPE = 'application/token-introspection+jwt' // RFC 9701 §4

/**
 * Database round trips, warm: token 2 (client_credentials with a secret 1), introspect 1, revoke 2,
 * userinfo 1. An assertion or a DPoP proof adds one where nothing else is written, except at
 * userinfo.
 */
export function tokenRoutes(): Hono<Env> {
  return new Hono<Env>()
    .use('/oauth/token', crossOrigin(['POST'], { withCredentials: true }))
    .post('/oauth/token', async (c) => {
      noStore(c)
      const { form, presented } = await readClientRequest(c, ['resource', ...REPEATABLE_PARAMETERS])
      return c.json(await exchangeToken(c.var.cx, form, presented, readProofRequest(c)))
    })
    .all('/oauth/token', (c) => wrongMethod(c, 'POST'))

    .post('/oauth/introspect', async (c) => {
      noStore(c)
      const { cx } = c.var
      const { form, presented } = await readClientRequest(c)
      const { introspection, caller } = await introspectToken(cx, form, presented)
      if (!wantsSigned(c)) return c.json(introspection)
      const jwt = await signIntrospection(cx, caller, introspection)
      return c.body(jwt, 200, { 'Content-Type': SIGNED_TYPE })
    })
    .all('/oauth/introspect', (c) => wrongMethod(c, 'POST'))

    .use('/oauth/revoke', crossOrigin(['POST']))
    .post('/oauth/revoke', async (c) => {
      noStore(c)
      const { form, presented } = await readClientRequest(c)
      await revokeToken(c.var.cx, form, presented)
      return c.body(null, 200) // RFC 7009 §2.2: the body is not looked at
    })
    .all('/oauth/revoke', (c) => wrongMethod(c, 'POST'))

    .use('/oauth/userinfo', crossOrigin(['GET', 'POST']))
    .on(['GET', 'POST'], '/oauth/userinfo', async (c) => {
      noStore(c)
      const answer = await readUserInfo(c.var.cx, await readUserInfoToken(c))
      if ('claims' in answer) return c.json(answer.claims)
      return c.body(answer.jwt, 200, { 'Content-Type': 'application/jwt' }) // Core §5.3.2
    })
    .all('/oauth/userinfo', (c) => wrongMethod(c, 'GET, POST'))
}

const wantsSigned = (c: Http): boolean =>
  accepts(c, { header: 'Accept', supports: [JSON_TYPE, SIGNED_TYPE], default: JSON_TYPE }) ===
  SIGNED_TYPE

/**
 * RFC 6750 §2.1 and §2.2; never the query (§2.3), never two ways at once (§2). Old clients send
 * `?schema=openid`.
 */
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
