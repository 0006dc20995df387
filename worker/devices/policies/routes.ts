// Policy documents: the rules of a type's devices, which small tokens name by their hash. mProxy
// reads them, and keeps them for good, as a document never changes.
// Routes: /policies lists those of today, /policies/{hash} is one.
// Tables: `policy_document` (policy_store.ts).
// Leaves the tokens that name one to oauth/tokens/reference_token.ts, the filling in to policy/.
import { Hono } from 'hono'
import { crossOrigin, type Env } from '../../http.ts'
import { listPolicies, POLICIES, POLICY_TYPE, signedPolicy } from './policy_documents.ts'

/** Database round trips: 1. */
export function policyRoutes(): Hono<Env> {
  return new Hono<Env>()
    .use(POLICIES, crossOrigin(['GET', 'HEAD']))
    .use(`${POLICIES}/*`, crossOrigin(['GET', 'HEAD']))
    .get(POLICIES, async (c) => {
      c.header('Cache-Control', 'public, max-age=60')
      return c.json({ policies: await listPolicies(c.var.cx) })
    })
    .get(`${POLICIES}/:hash`, async (c) => {
      const jwt = await signedPolicy(c.var.cx, c.req.param('hash'))
      // The signature is of a key that is replaced now and then; the content never changes.
      c.header('Cache-Control', 'public, max-age=86400')
      return c.body(jwt, 200, { 'Content-Type': `application/${POLICY_TYPE}` })
    })
}
