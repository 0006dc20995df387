// Clients that software registers (RFC 7591), that manage themselves (RFC 7592), or that are a
// document at an address.
//   /oauth/register /oauth/register/{client_id} /v1/initial-access-tokens
// Owns the tables initial_access_token and initial_access_token_use (store.ts). registration.ts
// registers, registration_management.ts changes a registration, submitted_metadata.ts judges what a
// client says of itself, initial_access_tokens.ts has the tokens that operators make,
// client_id_metadata_document.ts reads documents. The client itself is clients/'s.
import { Hono } from 'hono'
import {
  crossOrigin,
  type Env,
  type Http,
  noStore,
  readBearer,
  readJson,
  wrongMethod,
} from '../../http.ts'
import { createRegistration, describeRegistration } from './registration.ts'
import {
  changeRegistration,
  readRegistration,
  removeRegistration,
} from './registration_management.ts'

const ONE = '/oauth/register/:client_id'

/** Database round trips, warm: register 2, without a token 1; read 1, replace 2, delete 2. */
export function registrationRoutes(): Hono<Env> {
  return new Hono<Env>()
    .use('/oauth/register', crossOrigin(['POST']))
    .post('/oauth/register', async (c) => {
      noStore(c)
      const header = c.req.header('authorization')
      const token = header === undefined ? undefined : readBearer(header)
      const { cx } = c.var
      const registered = await createRegistration(cx, token, await readJson(c))
      return c.json(describeRegistration(cx, registered), 201)
    })
    .all('/oauth/register', (c) => wrongMethod(c, 'POST'))

    .use(ONE, crossOrigin(['GET', 'PUT', 'DELETE']))
    .get(ONE, async (c) => {
      noStore(c)
      const { cx } = c.var
      const registered = await readRegistration(cx, clientOf(c), tokenOf(c))
      return c.json(describeRegistration(cx, registered))
    })
    .put(ONE, async (c) => {
      noStore(c)
      const { cx } = c.var
      const id = clientOf(c)
      const registered = await changeRegistration(cx, id, tokenOf(c), await readJson(c))
      return c.json(describeRegistration(cx, registered))
    })
    .delete(ONE, async (c) => {
      noStore(c)
      await removeRegistration(c.var.cx, clientOf(c), tokenOf(c))
      return c.body(null, 204)
    })
    .all(ONE, (c) => wrongMethod(c, 'GET, PUT, DELETE'))
}

const tokenOf = (c: Http): string => readBearer(c.req.header('authorization'))

/** The client in the path, noted for the log while nothing proves it. */
function clientOf(c: Http): string {
  const client_id = c.req.param('client_id') ?? ''
  c.var.cx.parties.client_id = client_id
  return client_id
}
