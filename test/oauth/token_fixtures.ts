// People, clients, things and codes for the tests of the token endpoint and its neighbours, and a way to call
// them. Codes are put into the table as the authorization endpoint would: it has tests of its own.
import { generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import * as oauth from 'oauth4webapi'
import { createApp } from '../../worker/app.ts'
import { ANONYMOUS, type Context } from '../../worker/context.ts'
import { randomId, randomToken, sha256 } from '../../worker/crypto.ts'
import type { Batch } from '../../worker/db/database.ts'
import { authorization_code } from '../../worker/db/oauth_schema.ts'
import * as schema from '../../worker/db/schema.ts'
import { insertInto, isSqlText, type Statement, sql } from '../../worker/db/sql.ts'
import { device_type } from '../../worker/db/things_schema.ts'
import { dpopNonce } from '../../worker/oauth/client_authentication/dpop.ts'
import { type ClientInput, createClient } from '../../worker/oauth/clients/clients.ts'
import { ISSUER, startWorker, type TestWorker } from '../context.ts'

export const MQTT = 'urn:allauth:mqtt'
export const API = `${ISSUER}/v1`
export const REDIRECT = 'https://app.example.com/callback'
/** RFC 7636 Appendix B. */
export const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
export const OTHER_VERIFIER = 'x'.repeat(43)

export const AS: oauth.AuthorizationServer = {
  issuer: ISSUER,
  token_endpoint: `${ISSUER}/oauth/token`,
  introspection_endpoint: `${ISSUER}/oauth/introspect`,
  revocation_endpoint: `${ISSUER}/oauth/revoke`,
  userinfo_endpoint: `${ISSUER}/oauth/userinfo`,
  jwks_uri: `${ISSUER}/.well-known/jwks.json`,
}

export const write = (worker: TestWorker, ...statements: Statement[]) =>
  worker.context().db.write(statements)

/** The first row of a query. */
export async function row<T>(worker: TestWorker, query: Statement<T>): Promise<T> {
  const rows = await worker.context().db.read(query)
  if (rows[0] === undefined) throw new Error(`no row: ${query.sql}`)
  return rows[0]
}

export async function count(worker: TestWorker, query: Statement<unknown>): Promise<number> {
  const rows = await worker.context().db.read(sql<{ n: number }>`select count(*) as n ${query}`)
  return rows[0]?.n ?? 0
}

/** How many events of refused tokens are in the record of a principal. */
export const countRefusals = (worker: TestWorker, id: string): Promise<number> =>
  count(
    worker,
    sql`from event e join event_object o on o.seq = e.seq
      where e.type = 'token.refused' and o.kind = 'principal' and o.id = ${id}`,
  )

/** A running worker, keys and settings warm, with one person `ann`. */
export async function startIssuer(env: Record<string, string> = {}) {
  const worker = await startWorker(env)
  await worker.request('/.well-known/jwks.json')
  await addUser(worker, 'ann')
  return worker
}

export async function addUser(worker: TestWorker, id: string): Promise<void> {
  const now = worker.clock.now
  const principal = { id, kind: 'user', rid: 'fixture', created_at: now } as const
  await write(
    worker,
    insertInto(schema.principal, principal),
    insertInto(schema.user, {
      id,
      email: `${id}@example.com`,
      email_key: `${id}@example.com`,
      email_verified: 1,
      name: 'Ann Ex',
      locale: 'de',
      status: 'active',
      metadata: '{}',
      created_at: now,
      updated_at: now,
      version: 1,
    }),
  )
}

/** Writes a status by hand, which ends nothing for good. */
export const setStatus = (
  worker: TestWorker,
  table: 'user' | 'client' | 'device',
  id: string,
  status: string,
) => {
  const update = {
    user: sql`update user set status = ${status} where id = ${id}`,
    client: sql`update client set status = ${status} where id = ${id}`,
    device: sql`update device set status = ${status} where id = ${id}`,
  }
  return write(worker, update[table])
}

/** A role on an object. Without `permissions` and `acl` the role must be there. */
export async function addGrant(
  worker: TestWorker,
  subject_id: string,
  role: { name: string; permissions?: string[]; acl?: object[]; expires_at?: number },
): Promise<void> {
  const now = worker.clock.now
  const stamp = { created_at: now, updated_at: now, version: 1 }
  const { name, permissions, acl } = role
  await write(
    worker,
    ...(permissions === undefined && acl === undefined
      ? []
      : [
          insertInto(schema.role, {
            name,
            description: '',
            permissions: JSON.stringify(permissions ?? []),
            acl: JSON.stringify(acl ?? []),
            builtin: 0,
            ...stamp,
          }),
        ]),
    insertInto(schema.grant, {
      id: randomId(worker.context(), 'grt'),
      subject_id,
      role: name,
      object_id: '*',
      expires_at: role.expires_at ?? null,
      ...stamp,
    }),
  )
}

export async function addClient(worker: TestWorker, input: ClientInput) {
  const { client_secret } = await createClient(worker.context(), input)
  return client_secret ?? ''
}

/** A public client with code and refresh. */
export const addApp = (worker: TestWorker, input: ClientInput = {}) =>
  addClient(worker, {
    client_id: 'app',
    token_endpoint_auth_method: 'none',
    redirect_uris: [REDIRECT],
    grant_types: ['authorization_code', 'refresh_token'],
    scope: 'openid profile email offline_access mqtt users:read',
    ...input,
  })

export async function addDevice(
  worker: TestWorker,
  id: string,
  given: {
    jwk?: object
    secret?: string
    mqtt_client_id?: string
    acl?: object[]
    expires_at?: number
  },
): Promise<void> {
  const now = worker.clock.now
  const stamp = { created_at: now, updated_at: now, version: 1 }
  await write(
    worker,
    insertInto(schema.principal, { id, kind: 'device', rid: 'fixture', created_at: now }),
    insertInto(device_type, {
      name: `type-of-${id}`,
      description: '',
      acl: JSON.stringify(given.acl ?? []),
      ...stamp,
    }),
    insertInto(schema.device, {
      id,
      type: `type-of-${id}`,
      status: 'active',
      mqtt_client_id: given.mqtt_client_id ?? null,
      metadata: '{}',
      ...stamp,
    }),
    insertInto(schema.device_credential, {
      id: randomId(worker.context(), 'crd'),
      device_id: id,
      kind: given.jwk === undefined ? 'secret' : 'jwk',
      jwk: given.jwk === undefined ? null : JSON.stringify(given.jwk),
      secret_hash: given.secret === undefined ? null : sha256(given.secret),
      expires_at: given.expires_at ?? null,
      created_at: now,
    }),
  )
}

export type CodeOptions = {
  client_id?: string
  user_id?: string
  scope?: string
  resource?: string[]
  code_challenge?: string | null
  nonce?: string
  redirect_uri?: string
  dpop_jkt?: string
}

/** A code as the authorization endpoint makes it, and the id of the authorization it would become. */
export async function addCode(worker: TestWorker, given: CodeOptions = {}) {
  const cx = worker.context()
  const code = randomToken(cx)
  const authorization_id = randomId(cx, 'aut')
  const { client_id = 'app', user_id = 'ann' } = given
  const { epoch } = await row(
    worker,
    sql<{ epoch: number }>`select coalesce(sum(epoch), 0) as epoch from (
      select epoch from user where id = ${user_id}
      union all select epoch from client where id = ${client_id})`,
  )
  await write(
    worker,
    insertInto(authorization_code, {
      hash: sha256(code),
      client_id,
      user_id,
      redirect_uri: given.redirect_uri ?? REDIRECT,
      code_challenge: given.code_challenge === undefined ? sha256(VERIFIER) : given.code_challenge,
      scope: given.scope ?? 'openid offline_access',
      resource: JSON.stringify(given.resource ?? []),
      nonce: given.nonce ?? null,
      dpop_jkt: given.dpop_jkt ?? null,
      auth_time: worker.clock.now - 5,
      amr: '["pwd"]',
      authorization_id,
      created_at: worker.clock.now,
      expires_at: worker.clock.now + 60,
      epoch,
    }),
  )
  return { code, authorization_id }
}

export type Answer = {
  status: number
  body: Record<string, unknown> & {
    access_token?: string
    refresh_token?: string
    id_token?: string
    error?: string
    error_description?: string
    scope?: string
    expires_in?: number
    authorization_details?: unknown
  }
  headers: Headers
}

/** Members that are undefined are left out. */
export type Parameters = { readonly [name: string]: string | undefined } | [string, string][]

export async function post(
  worker: Pick<TestWorker, 'request'>,
  path: string,
  parameters: Parameters,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const pairs = (Array.isArray(parameters) ? parameters : Object.entries(parameters)).filter(
    (pair): pair is [string, string] => pair[1] !== undefined,
  )
  const answer = await worker.request(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(pairs).toString(),
  })
  const text = await answer.text()
  return {
    status: answer.status,
    body: text === '' ? {} : JSON.parse(text),
    headers: answer.headers,
  }
}

export const token = (
  worker: Pick<TestWorker, 'request'>,
  parameters: Parameters,
  headers: Record<string, string> = {},
) => post(worker, '/oauth/token', parameters, headers)

export const basic = (id: string, secret: string) => ({
  Authorization: `Basic ${btoa(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`)}`,
})

/** Redeems a code of the public client `app`. */
export const redeem = (
  worker: Pick<TestWorker, 'request'>,
  code: string,
  more: Record<string, string> = {},
  headers: Record<string, string> = {},
) =>
  token(
    worker,
    {
      grant_type: 'authorization_code',
      code,
      redirect_uri: REDIRECT,
      code_verifier: VERIFIER,
      client_id: 'app',
      ...more,
    },
    headers,
  )

/** Signs in `ann` to a public client: a code made and redeemed. */
export async function signIn(worker: TestWorker, given: CodeOptions = {}) {
  const { code, authorization_id } = await addCode(worker, given)
  const answer = await redeem(worker, code, { client_id: given.client_id ?? 'app' })
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
  const { access_token = '', refresh_token = '' } = answer.body
  return { ...answer.body, access_token, refresh_token, authorization_id }
}

export const refresh = (
  worker: Pick<TestWorker, 'request'>,
  refresh_token: string,
  more: Record<string, string> = {},
  headers: Record<string, string> = {},
) =>
  token(worker, { grant_type: 'refresh_token', refresh_token, client_id: 'app', ...more }, headers)

export const claimsOf = (jwt: string | undefined) =>
  JSON.parse(atob((jwt ?? '').split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/')))

export const headerOf = (jwt: string | undefined) =>
  JSON.parse(atob((jwt ?? '').split('.')[0]!.replaceAll('-', '+').replaceAll('_', '/')))

type Send = () => Promise<unknown>
type Around = <Answer>(send: () => Promise<Answer>) => Promise<Answer>

/** The same worker, with something around each write before the answer. */
function aroundWrites(worker: TestWorker, around: Around): Pick<TestWorker, 'request'> {
  const answered = new WeakSet<Request>()
  const app = createApp((request) => {
    const cx = worker.context(ANONYMOUS)
    const write: Context['db']['write'] = (batch) =>
      answered.has(request) ? cx.db.write(batch) : around(() => cx.db.write(batch))
    return { ...cx, db: { ...cx.db, write } }
  })
  return {
    async request(path, init) {
      const request = new Request(new URL(path, ISSUER), init)
      const answer = await app.request(request)
      answered.add(request)
      return answer
    },
  }
}

/**
 * The same worker, but the answer of every write is lost once: its batch is sent again, after what happens
 * `between`.
 */
export const losingAnswers = (worker: TestWorker, between: Send = async () => {}) =>
  aroundWrites(worker, async (send) => {
    await send()
    await between()
    return send()
  })

/** The same worker, but something happens between what a request reads and what it writes. */
export const overtaken = (worker: TestWorker, before: Send) =>
  aroundWrites(worker, async (send) => {
    await before()
    return send()
  })

const countStatements = (batch: Batch): number =>
  batch === null
    ? 0
    : isSqlText(batch)
      ? 1
      : Object.values<Batch>(batch).reduce((sum, part) => sum + countStatements(part), 0)

/** The same worker, which says how many statements the last batch had that was read. */
export function countingReads(worker: TestWorker) {
  let statements = 0
  const app = createApp(() => {
    const cx = worker.context(ANONYMOUS)
    const read: Context['db']['read'] = (batch) => {
      statements = countStatements(batch)
      return cx.db.read(batch)
    }
    return { ...cx, db: { ...cx.db, read } }
  })
  return {
    request: async (path: string, init?: RequestInit) =>
      app.request(new URL(path, ISSUER).href, init),
    statements: () => statements,
  }
}

/** For oauth4webapi: requests go to the worker, times are the worker's. */
export const foreign = (worker: TestWorker) => ({
  [oauth.customFetch]: async (url: string, init: object) => worker.request(url, init),
  [oauth.allowInsecureRequests]: true,
})

export const foreignClient = (worker: TestWorker, client_id: string): oauth.Client => ({
  client_id,
  [oauth.clockSkew]: worker.clock.now - Math.floor(Date.now() / 1000),
})

export type Signer = { alg: string; privateKey: CryptoKey; jwk: Record<string, unknown> }

export async function makeSigner(alg: string, kid?: string): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const exported = (await crypto.subtle.exportKey('jwk', publicKey)) as Record<string, unknown>
  const { kty, crv, x, y, n, e } = exported
  const jwk = { kty, crv, x, y, n, e, ...(kid === undefined ? {} : { kid }) }
  return { alg, privateKey, jwk: JSON.parse(JSON.stringify(jwk)) }
}

export type AssertionOptions = { claims?: JWTPayload; header?: Record<string, unknown> }

/** A client assertion; members given as undefined are left out. */
export function assertion(
  worker: TestWorker,
  signer: Signer,
  client_id: string,
  { claims = {}, header = {} }: AssertionOptions = {},
): Promise<string> {
  const now = worker.clock.now
  const payload = {
    iss: client_id,
    sub: client_id,
    aud: ISSUER,
    iat: now,
    exp: now + 60,
    jti: crypto.randomUUID(),
    ...claims,
  }
  return new SignJWT(JSON.parse(JSON.stringify(payload)))
    .setProtectedHeader({ alg: signer.alg, ...header })
    .sign(signer.privateKey)
}

export const asserted = (client_assertion: string) => ({
  client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  client_assertion,
})

export type ProofOptions = {
  path?: string
  method?: string
  access_token?: string
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
}

/** A DPoP proof, with the nonce of the moment; members given as undefined are left out. */
export function dpopProof(
  worker: TestWorker,
  signer: Signer,
  { path = '/oauth/token', method = 'POST', access_token, claims, header }: ProofOptions = {},
): Promise<string> {
  const payload = {
    jti: crypto.randomUUID(),
    htm: method,
    htu: `${ISSUER}${path}`,
    iat: worker.clock.now,
    nonce: dpopNonce(worker.context()),
    ...(access_token === undefined ? {} : { ath: sha256(access_token) }),
    ...claims,
  }
  return new SignJWT(JSON.parse(JSON.stringify(payload)))
    .setProtectedHeader({ typ: 'dpop+jwt', alg: signer.alg, jwk: signer.jwk, ...header })
    .sign(signer.privateKey)
}

/** What a client with profile fapi2 has to be registered with, beyond redirect addresses and scope. */
export const fapiMembers = (...signers: Signer[]): ClientInput => ({
  profile: 'fapi2',
  client_secret: undefined,
  token_endpoint_auth_method: 'private_key_jwt',
  jwks: { keys: signers.map(({ jwk }) => jwk as never) },
  dpop_bound_access_tokens: true,
  id_token_signed_response_alg: 'ES256',
  require_pkce: true,
})
