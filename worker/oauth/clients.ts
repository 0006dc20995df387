// Clients: applications that ask for tokens. What one may be, and how it is made, changed and deleted. Its
// secrets are in client_secrets.ts; how a client proves who it is at the token endpoint is told in client_authentication.ts.

import { assertMayEditPrincipal, assertMayHandOnScopes } from '../access/power.ts'
import {
  buryPrincipal,
  findPrincipal,
  idSchema,
  insertPrincipal,
  principalIsMine,
} from '../access/principals.ts'
import { type Plan, z } from '../api.ts'
import type { Context } from '../context.ts'
import { randomId, randomToken } from '../crypto.ts'
import type { Statement } from '../db/sql.ts'
import { type FieldError, OAuthError, Problem } from '../errors.ts'
import { appendEvent } from '../events.ts'
import { ACCESS_TOKEN_TTL_MAX } from '../settings.ts'
import { newSecretRow, secretSchema } from './client_secrets.ts'
import {
  type ClientColumns,
  type ClientRow,
  clientIsAt,
  deleteClientRows,
  findClientById,
  insertClient,
  insertSecret,
  updateClient,
} from './client_store.ts'
import { redirectUriFault } from './redirect_uris.ts'
import { managementAudience, parseScope } from './scopes.ts'

export { verifyClientSecret } from './client_secrets.ts'
export {
  type ClientRow,
  findClientById,
  findClientsByIds,
  type SecretRow,
  secretsOf,
} from './client_store.ts'

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/, 'must be base64url')

const uris = (max: number) => z.array(z.string().min(1).max(2048)).max(max)

/** Members of a public key (RFC 7517, RFC 7518 §6) that are kept; any others are ignored. */
const jwkSchema = z
  .looseObject({
    kty: z.enum(['OKP', 'EC', 'RSA']),
    crv: z.enum(['Ed25519', 'P-256']).optional(),
    x: base64url.length(43).optional(),
    y: base64url.length(43).optional(),
    n: base64url.min(342, 'must have 2048 bits or more').max(1366).optional(),
    e: base64url.max(8).optional(),
    kid: z.string().min(1).max(200).optional(),
    alg: z.string().max(20).optional(),
    use: z.literal('sig').optional(),
  })
  .refine((key) => !('d' in key || 'k' in key || 'p' in key), 'must be a public key')
  .refine(isWholeKey, 'lacks members of its kty, or mixes those of another')
  .transform(({ kty, crv, x, y, n, e, kid, alg, use }) => ({ kty, crv, x, y, n, e, kid, alg, use }))

function isWholeKey(key: {
  kty: string
  crv?: unknown
  x?: unknown
  y?: unknown
  n?: unknown
  e?: unknown
}) {
  if (key.kty === 'OKP') return key.crv === 'Ed25519' && key.x !== undefined
  if (key.kty === 'EC') return key.crv === 'P-256' && key.x !== undefined && key.y !== undefined
  return key.n !== undefined && key.e !== undefined
}

export const AUTH_METHODS = [
  'none',
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
] as const
export const GRANT_TYPES = ['authorization_code', 'refresh_token', 'client_credentials'] as const

const fields = {
  client_name: z
    .string()
    .min(1)
    .max(100)
    .regex(/^[^\p{Cc}\p{Bidi_C}]*$/u, 'must not have control characters'),
  status: z.enum(['active', 'disabled']),
  token_endpoint_auth_method: z.enum(AUTH_METHODS),
  application_type: z.enum(['web', 'native']),
  redirect_uris: uris(50),
  post_logout_redirect_uris: uris(50),
  grant_types: z.array(z.enum(GRANT_TYPES)).min(1).max(GRANT_TYPES.length),
  scope: z.string().max(2048),
  resources: uris(20),
  jwks: z.strictObject({ keys: z.array(jwkSchema).min(1).max(10) }),
  first_party: z.boolean(),
  access_token_ttl: z.int().min(60).max(ACCESS_TOKEN_TTL_MAX),
}

const optional = z.strictObject(fields).partial().shape

/** The body of a create, and an entry of the blueprint. */
export const clientInput = z
  .strictObject({
    client_id: idSchema.optional(),
    client_secret: secretSchema.optional(),
    ...optional,
  })
  .openapi('ClientInput')
export type ClientInput = z.infer<typeof clientInput>

/** The body of an update: a merge patch (RFC 7396), where null takes an optional member away. */
export const clientPatch = z
  .strictObject({
    ...optional,
    client_name: fields.client_name.nullable().optional(),
    jwks: fields.jwks.nullable().optional(),
    access_token_ttl: fields.access_token_ttl.nullable().optional(),
  })
  .openapi('ClientPatch')
export type ClientPatch = z.infer<typeof clientPatch>

/** A client as the API shows it. */
export const clientSchema = z
  .object({
    client_id: z.string(),
    ...fields,
    client_name: z.string().nullable(),
    redirect_uris: z.array(z.string()),
    post_logout_redirect_uris: z.array(z.string()),
    resources: z.array(z.string()),
    jwks: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }).nullable(),
    access_token_ttl: z.int().nullable(),
    created_at: z.int(),
    updated_at: z.int(),
  })
  .openapi('Client')

export type Jwk = {
  kty: string
  kid?: string
  alg?: string
  use?: string
  crv?: string
  x?: string
  y?: string
  n?: string
  e?: string
}

/** A client with its JSON columns read. */
export type Client = {
  client_id: string
  client_name: string | null
  status: 'active' | 'disabled'
  token_endpoint_auth_method: (typeof AUTH_METHODS)[number]
  application_type: 'web' | 'native'
  redirect_uris: string[]
  post_logout_redirect_uris: string[]
  grant_types: (typeof GRANT_TYPES)[number][]
  scope: string[]
  resources: string[]
  jwks: { keys: Jwk[] } | null
  first_party: boolean
  access_token_ttl: number | null
  created_at: number
  updated_at: number
  version: number
}

export function parseClient(row: ClientRow): Client {
  const { id, scope, ...rest } = row
  return {
    ...rest,
    client_id: id,
    token_endpoint_auth_method:
      rest.token_endpoint_auth_method as Client['token_endpoint_auth_method'],
    redirect_uris: JSON.parse(rest.redirect_uris),
    post_logout_redirect_uris: JSON.parse(rest.post_logout_redirect_uris),
    grant_types: JSON.parse(rest.grant_types),
    scope: parseScope(scope),
    resources: JSON.parse(rest.resources),
    jwks: rest.jwks === null ? null : JSON.parse(rest.jwks),
    first_party: rest.first_party === 1,
  }
}

/** The client as the API shows it. */
export function describeClient(client: Client): z.infer<typeof clientSchema> {
  const { version: _, scope, jwks, ...rest } = client
  return { ...rest, scope: scope.join(' '), jwks: jwks === null ? null : { keys: [...jwks.keys] } }
}

/** What a client is when nothing else is said (RFC 7591 §2). */
const DEFAULTS: Omit<Client, 'client_id' | 'created_at' | 'updated_at' | 'version'> = {
  client_name: null,
  status: 'active',
  token_endpoint_auth_method: 'client_secret_basic',
  application_type: 'web',
  redirect_uris: [],
  post_logout_redirect_uris: [],
  grant_types: ['authorization_code'],
  scope: [],
  resources: [],
  jwks: null,
  first_party: false,
  access_token_ttl: null,
}

type Description = typeof DEFAULTS

const usesSecret = (method: string) =>
  method === 'client_secret_basic' || method === 'client_secret_post'

// --- rules ------------------------------------------------------------------------------------

/** `current` with what `patch` says. Throws Problem with every fault of the whole. */
function describe(cx: Context, current: Description, patch: ClientPatch): Description {
  const errors: FieldError[] = []
  const { scope, ...rest } = patch
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  const next: Description = { ...current, ...given }
  next.grant_types = [...new Set(next.grant_types)]
  if (scope !== undefined) {
    try {
      next.scope = parseScope(scope)
    } catch (error) {
      if (!(error instanceof OAuthError)) throw error
      errors.push({ pointer: '/scope', detail: error.description })
    }
  }
  errors.push(...faultsOf(cx, next))
  if (errors.length > 0) throw new Problem('invalid_request', 'the client cannot be so', errors)
  return next
}

function faultsOf(cx: Context, client: Description): FieldError[] {
  const faults: FieldError[] = []
  const fault = (pointer: string, detail: string) => {
    faults.push({ pointer, detail })
  }
  for (const member of ['redirect_uris', 'post_logout_redirect_uris'] as const) {
    for (const [i, uri] of client[member].entries()) {
      const detail = redirectUriFault(uri, client.application_type)
      if (detail !== null) fault(`/${member}/${i}`, detail)
    }
  }
  const { grant_types, token_endpoint_auth_method: method } = client
  if (grant_types.includes('authorization_code') && client.redirect_uris.length === 0) {
    fault('/redirect_uris', 'is empty, but authorization_code needs one')
  }
  if (grant_types.includes('refresh_token') && !grant_types.includes('authorization_code')) {
    fault('/grant_types', 'has refresh_token without authorization_code')
  }
  // RFC 6749 §4.4: only confidential clients
  if (grant_types.includes('client_credentials') && method === 'none') {
    fault(
      '/token_endpoint_auth_method',
      'is none, but client_credentials needs a client that proves itself',
    )
  }
  if (method === 'private_key_jwt' && client.jwks === null) {
    fault('/jwks', 'is missing, but private_key_jwt needs a key')
  }
  const own = [cx.config.issuer, cx.config.mqtt_audience, managementAudience(cx)]
  for (const [i, resource] of client.resources.entries()) {
    // RFC 8707 §2. An absolute URI has a colon and an id has none: no client id equals a resource.
    if (!isResource(resource)) fault(`/resources/${i}`, 'is not an absolute URI without fragment')
    // Also because who has a resource may introspect the tokens for it.
    if (own.includes(resource)) fault(`/resources/${i}`, 'is our own: its scopes lead there')
  }
  return faults
}

/** RFC 8707 §2: an absolute URI without fragment. */
export const isResource = (text: string): boolean =>
  text.length <= 2048 &&
  /^[A-Za-z][A-Za-z0-9+.-]*:[\x21\x22\x24-\x7e]+$/.test(text) &&
  URL.canParse(text)

/**
 * Nobody makes or changes a client that can do more over the system than the actor: who sets its redirect
 * addresses, keys or secrets has its power. `current` is the client as it was read, which the write must hang
 * on. No round trip for an actor with `manage`, else one. Throws Problem forbidden.
 */
export async function assertMayShape(cx: Context, current: ClientRow): Promise<void> {
  assertMayHandOnScopes(cx, parseScope(current.scope))
  await assertMayEditPrincipal(cx, current.id)
}

function columnsOf(client: Description): ClientColumns {
  return {
    client_name: client.client_name,
    status: client.status,
    token_endpoint_auth_method: client.token_endpoint_auth_method,
    application_type: client.application_type,
    redirect_uris: JSON.stringify(client.redirect_uris),
    post_logout_redirect_uris: JSON.stringify(client.post_logout_redirect_uris),
    grant_types: JSON.stringify(client.grant_types),
    scope: client.scope.join(' '),
    resources: JSON.stringify(client.resources),
    jwks: client.jwks === null ? null : JSON.stringify(client.jwks),
    first_party: client.first_party ? 1 : 0,
    access_token_ttl: client.access_token_ttl,
  }
}

// --- making and changing ----------------------------------------------------------------------

/** What an entry of the blueprint, or a create, would do. A secret applies at creation only. */
export async function planClient(
  cx: Context,
  entry: ClientInput,
  current: ClientRow | undefined,
): Promise<Plan> {
  const { client_id, client_secret, ...said } = entry
  if (current !== undefined) {
    return planChange(cx, current, describe(cx, parseClient(current), said))
  }
  const client = describe(cx, DEFAULTS, said)
  assertMayHandOnScopes(cx, client.scope)
  const errors: FieldError[] = []
  const wantsSecret = usesSecret(client.token_endpoint_auth_method)
  if (client_id === undefined) errors.push({ pointer: '/client_id', detail: 'is missing' })
  if (wantsSecret && client_secret === undefined) {
    errors.push({ pointer: '/client_secret', detail: 'is missing' })
  }
  if (!wantsSecret && client_secret !== undefined) {
    const detail = `is of no use with ${client.token_endpoint_auth_method}`
    errors.push({ pointer: '/client_secret', detail })
  }
  if (errors.length > 0 || client_id === undefined) {
    throw new Problem('invalid_request', 'the client cannot be so', errors)
  }
  const now = cx.now()
  const mine = principalIsMine(cx, client_id)
  const row: ClientRow = {
    id: client_id,
    ...columnsOf(client),
    created_at: now,
    updated_at: now,
    version: 1,
  }
  const statements: Statement[] = [
    insertPrincipal(cx, client_id, 'client'),
    insertClient(row, mine),
    appendEvent(cx, { type: 'client.created', subject_id: client_id }, mine),
  ]
  if (client_secret !== undefined) {
    statements.push(insertSecret(newSecretRow(cx, client_id, client_secret, null), mine))
  }
  return { change: 'created', fields: Object.keys(entry), statements }
}

/** The difference between the stored client and `next`, conditional on the version that was read. */
async function planChange(cx: Context, current: ClientRow, next: Description): Promise<Plan> {
  await assertMayShape(cx, current)
  assertMayHandOnScopes(cx, next.scope)
  const columns = columnsOf(next)
  const names = (Object.keys(columns) as (keyof ClientColumns)[]).filter(
    (name) => columns[name] !== current[name],
  )
  if (names.length === 0) return { change: 'unchanged', fields: [], statements: [] }
  const changes = Object.fromEntries(names.map((name) => [name, columns[name]]))
  return {
    change: 'updated',
    fields: names,
    statements: [
      // Before the update, whose condition no longer holds after it.
      appendEvent(
        cx,
        { type: 'client.updated', subject_id: current.id, data: { fields: names } },
        clientIsAt(current.id, current.version),
      ),
      updateClient(current.id, current.version, changes, cx.now()),
    ],
  }
}

/**
 * Makes a client. `client_secret` is in the answer when the client authenticates with one, and is shown only
 * here. Throws Problem invalid_request, forbidden, or conflict when the id is taken or was. One round trip.
 */
export async function createClient(
  cx: Context,
  input: ClientInput,
): Promise<{ client: Client; client_secret?: string }> {
  const client_id = input.client_id ?? randomId(cx, 'cli')
  const method = input.token_endpoint_auth_method ?? DEFAULTS.token_endpoint_auth_method
  const client_secret = input.client_secret ?? (usesSecret(method) ? randomToken(cx) : undefined)
  const entry = { ...input, client_id, ...(client_secret === undefined ? {} : { client_secret }) }
  const plan = await planClient(cx, entry, undefined)
  const answers = await cx.db.write(
    ...plan.statements,
    findPrincipal(client_id),
    findClientById(client_id),
  )
  const [principal] = answers.at(-2) as { rid: string }[]
  const [row] = answers.at(-1) as ClientRow[]
  if (principal?.rid !== cx.rid || row === undefined) {
    throw new Problem('conflict', 'this id is taken, or was', [
      { pointer: '/client_id', detail: 'is taken, or was' },
    ])
  }
  return { client: parseClient(row), ...(client_secret === undefined ? {} : { client_secret }) }
}

/**
 * Applies a merge patch. `demanded` is the version of If-Match, or null. Throws Problem not_found,
 * precondition_failed, conflict, invalid_request, forbidden. Two round trips, more only when others write at once.
 */
export async function changeClient(
  cx: Context,
  id: string,
  patch: ClientPatch,
  demanded: number | null,
): Promise<Client> {
  for (let attempt = 0; attempt < 4; attempt++) {
    const [[current]] = await cx.db.read(findClientById(id))
    if (current === undefined) throw clientNotFound()
    if (demanded !== null && current.version !== demanded) break
    const before = parseClient(current)
    const next = describe(cx, before, patch)
    const plan = await planChange(cx, current, next)
    if (plan.change === 'unchanged') return before
    const answers = await cx.db.write(...plan.statements, findClientById(id))
    const [after] = answers.at(-1) as ClientRow[]
    if (after === undefined) throw clientNotFound()
    // Ours, or that of another who wanted the very same: also right when the batch ran twice.
    const wanted = columnsOf(next)
    const same = (Object.keys(wanted) as (keyof ClientColumns)[]).every(
      (name) => after[name] === wanted[name],
    )
    if (same && after.version === current.version + 1) return parseClient(after)
  }
  throw changedMeanwhile(demanded)
}

const changedMeanwhile = (demanded: number | null) =>
  new Problem(
    demanded === null ? 'conflict' : 'precondition_failed',
    'the client was changed in the meantime: read it again',
  )

export const clientNotFound = () => new Problem('not_found', 'there is no such client')

/**
 * Deletes a client with its secrets, and ends what people allowed it: its tokens are good no longer. Throws
 * Problem not_found, forbidden, precondition_failed, conflict. Two round trips.
 */
export async function deleteClient(
  cx: Context,
  id: string,
  demanded: number | null,
): Promise<void> {
  const [[current]] = await cx.db.read(findClientById(id))
  if (current === undefined) throw clientNotFound()
  if (demanded !== null && current.version !== demanded) throw changedMeanwhile(demanded)
  await assertMayShape(cx, current)
  // At the version that was judged: another one may hold more.
  const judged = clientIsAt(id, current.version)
  const answers = await cx.db.write(
    appendEvent(cx, { type: 'client.deleted', subject_id: id }, judged),
    buryPrincipal(cx, id, judged),
    ...deleteClientRows(id, current.version, cx.now()),
    findClientById(id),
  )
  if (answers.at(-1)?.length !== 0) throw changedMeanwhile(demanded)
}
