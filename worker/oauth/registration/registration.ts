// Clients that software registers (RFC 7591, OpenID Connect Registration) and that look after themselves (RFC 7592).
// What a client may be is clients/client_metadata.ts's; here is what it may say of itself, and who may say it. A client gets
// no power that an operator did not put into the initial access token, and never widens what it has.
import { findPrincipal, ID_PATTERN } from '../../access/principals.ts'
import { fieldErrors } from '../../api.ts'
import { addressKey, limit } from '../../attempts.ts'
import { as, type Context } from '../../context.ts'
import { equalText, randomId, randomToken, sha256 } from '../../crypto.ts'
import { type Condition, type Statement, sql } from '../../db/sql.ts'
import { type FieldError, OAuthError, Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { isObject } from '../../json.ts'
import type { Reason } from '../../refusals.ts'
import { loadSettings } from '../../settings.ts'
import {
  type Client,
  type ClientDefaults,
  type ClientRegistration,
  clientRegistration,
  type Description,
  describeClient,
  parseClient,
  startOver,
  usesSecret,
  withChanges,
} from '../clients/client_metadata.ts'
import { changeOf, creationOf, deletionOf, isChanged } from '../clients/clients.ts'
import { INITIAL } from '../clients/members.ts'
import { newSecretRow, verifyClientSecret } from '../clients/secret_rules.ts'
import {
  type ClientRow,
  clientIsAt,
  deleteSecret,
  findClientById,
  insertSecret,
  listSecretsOf,
  type SecretRow,
} from '../clients/store.ts'
import { sectorFaults, sectorOf } from '../clients/subject_identifier.ts'
import { grantTypesFor, isGrantType } from '../grant_types.ts'
import { IDENTITY_SCOPES, isManagementScope, parseScope } from '../scopes.ts'
import { findInitialAccessTokenByHash, insertInitialAccessTokenUse, isUseMine } from './store.ts'

/** Registrations of the anonymous from one address in an hour. */
export const OPEN_REGISTRATIONS_MAX = 20

/** How often a change is tried when others write the same client at once. */
const ATTEMPTS = 4

export type Registered = {
  client: Client
  registration_access_token: string
  /** Only where it was made just now. */
  client_secret?: string | undefined
}

/** What the registering software may have. */
type Permit = {
  /** Of the initial access token; null for the anonymous. */
  id: string | null
  scope: readonly string[]
  defaults: ClientDefaults
}

const ANONYMOUS: Permit = { id: null, scope: IDENTITY_SCOPES, defaults: {} }

const badToken = (reason: Reason) =>
  new OAuthError('invalid_token', { description: 'the access token is not valid', reason })

const badMetadata = (pointer: string, detail: string) => refusalOf([{ pointer, detail }])

// --- making one -------------------------------------------------------------------------------

/**
 * RFC 7591 §3. `token` is the initial access token, if there is one. Database round trips, warm: 2, without a token
 * 1. Throws OAuthError.
 */
export async function createRegistration(
  cx: Context,
  token: string | undefined,
  metadata: Readonly<Record<string, unknown>>,
): Promise<Registered> {
  const { registration } = await loadSettings(cx)
  if (registration === 'off') {
    throw new OAuthError('access_denied', {
      description: 'registration is not offered',
      reason: 'registration_off',
    })
  }
  if (token === undefined && registration !== 'open') {
    throw new OAuthError('invalid_token', {
      description: 'an initial access token is needed',
      reason: 'no_token',
    })
  }
  const permit = token === undefined ? ANONYMOUS : await permitOf(cx, token)
  const offered = grantTypesFor(permit.id === null ? 'anybody' : 'initial_access_token')
  const said = readMetadata(metadata, [...offered, ...(permit.defaults.grant_types ?? [])])
  const start = { ...INITIAL, scope: permit.scope.filter((one) => !isManagementScope(one)) }
  const client = describeAsRegistered(cx, start, { ...permit.defaults, ...said }, permit.scope)
  if (permit.id === null) assertNoNewSector(INITIAL, client)
  await assertIsOfSector(cx, client)

  const id = randomId(cx, 'cli')
  const registration_access_token = randomToken(cx)
  const client_secret = usesSecret(client.token_endpoint_auth_method) ? randomToken(cx) : undefined
  const { take, condition } = counted(cx, permit)
  const { principals, clients } = await cx.db.write({
    take,
    changes: await creationOf(as(cx, { kind: 'client', id }), id, client, {
      client_secret,
      registration: {
        registration_token_hash: sha256(registration_access_token),
        initial_access_token_id: permit.id,
        metadata_expires_at: null,
      },
      condition,
    }),
    principals: findPrincipal(id),
    clients: findClientById(id),
  })
  const [principal] = principals
  const [row] = clients
  // Of many at once, those beyond the last use or the limit were not made.
  if (principal?.rid !== cx.rid || row === undefined) {
    throw permit.id === null ? tooMany() : badToken('initial_access_token_used_up')
  }
  return { client: parseClient(row), registration_access_token, client_secret }
}

/** Throws OAuthError invalid_token. One round trip. */
async function permitOf(cx: Context, token: string): Promise<Permit> {
  const [row] = await cx.db.read(findInitialAccessTokenByHash(sha256(token)))
  if (row === undefined) throw badToken('unknown_initial_access_token')
  if (row.expires_at !== null && row.expires_at <= cx.now()) {
    throw badToken('initial_access_token_expired')
  }
  // For the answer: what counts is the condition of the write.
  if (row.max_uses !== null && row.uses >= row.max_uses) {
    throw badToken('initial_access_token_used_up')
  }
  return { id: row.id, scope: parseScope(row.scope), defaults: JSON.parse(row.defaults) }
}

/** The statement that counts this registration, and the condition that it was within bounds. */
function counted(cx: Context, permit: Permit): { take: Statement; condition: Condition } {
  if (permit.id !== null) {
    return { take: insertInitialAccessTokenUse(cx, permit.id), condition: isUseMine(cx) }
  }
  const key = { purpose: 'registration', value: addressKey(cx.address) ?? '' }
  const { take, isWithin } = limit(cx, key, { max: OPEN_REGISTRATIONS_MAX, window: 3600 })
  return { take, condition: isWithin }
}

const tooMany = () =>
  new OAuthError('too_many_requests', {
    description: 'too many clients were registered from this address; try again in an hour',
    reason: 'registrations_per_address',
  })

// --- what it may say --------------------------------------------------------------------------

/**
 * What a client says of itself, with what we do not offer left out where something is left (RFC 7591 §3.2.1: the
 * answer tells what was registered). Throws OAuthError.
 */
export function readMetadata(
  metadata: Readonly<Record<string, unknown>>,
  grantTypes: readonly string[],
): ClientRegistration {
  // RFC 7592 §2.2: null is as if absent.
  const said = Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== null))
  const { response_types, grant_types, jwks } = said
  if (response_types !== undefined) assertCode(response_types)
  if (Array.isArray(grant_types)) {
    const offered = grant_types.filter((one) => isGrantType(one) && grantTypes.includes(one))
    if (offered.length === 0) throw badMetadata('/grant_types', 'has none that is offered')
    said['grant_types'] = offered
  }
  if (isObject(jwks) && Array.isArray(jwks['keys'])) {
    said['jwks'] = { keys: jwks['keys'].filter(isOfUse) }
  }
  const read = clientRegistration.safeParse(said)
  if (!read.success) throw refusalOf(fieldErrors(read.error))
  return read.data
}

function assertCode(response_types: unknown): void {
  const isCode = Array.isArray(response_types) && response_types.every((one) => one === 'code')
  if (!isCode) throw badMetadata('/response_types', 'must be code alone')
}

/** RFC 7517 §5: keys of kinds that are not understood are ignored; those for encryption we never use. */
const isOfUse = (key: unknown): boolean =>
  !isObject(key) ||
  (key['use'] !== 'enc' &&
    (key['kty'] === 'RSA' || key['crv'] === 'P-256' || key['crv'] === 'Ed25519'))

/** The client as a whole. `most` are the scopes that it may have. Throws OAuthError. */
export function describeAsRegistered(
  cx: Context,
  start: Description,
  said: ClientDefaults & ClientRegistration,
  most: readonly string[],
): Description {
  const { scope, ...rest } = said
  // What an operator eased is for clients that prove themselves: a public one has nothing but PKCE.
  const eased = rest.token_endpoint_auth_method === 'none' ? { require_pkce: true } : {}
  try {
    return withChanges(
      cx,
      { ...start, scope: scope === undefined ? start.scope : narrow(scope, most) },
      { ...rest, ...eased },
    )
  } catch (error) {
    if (error instanceof Problem && error.errors.length > 0) throw refusalOf(error.errors)
    throw error
  }
}

/** What the anonymous name is not fetched: anybody could send us anywhere as often as he likes. Throws OAuthError. */
function assertNoNewSector(current: Description, next: Description): void {
  const { sector_identifier_uri } = next
  if (sector_identifier_uri === null) return
  if (sector_identifier_uri === current.sector_identifier_uri) return
  throw badMetadata('/sector_identifier_uri', 'needs an initial access token')
}

/**
 * A client that changes by itself is pairwise from the start or never, and in one sector: with what people allowed it
 * before it would else learn who they are to the clients of any other, whose address it only has to name. Throws
 * OAuthError.
 */
export function assertKeepsSector(current: Description, next: Description): void {
  if (next.subject_type !== 'pairwise') return
  if (current.subject_type === 'pairwise' && sectorOf(current) === sectorOf(next)) return
  throw badMetadata('/subject_type', 'is pairwise, which a client is in one sector from the start')
}

/** OpenID Connect Registration §5. Throws OAuthError. */
async function assertIsOfSector(cx: Context, client: Description): Promise<void> {
  const faults = await sectorFaults(cx, client)
  if (faults.length > 0) throw refusalOf(faults)
}

/** What of the asked scopes may be had. Throws OAuthError when nothing is left. */
function narrow(asked: string, most: readonly string[]): string[] {
  let scopes: string[]
  try {
    scopes = parseScope(asked)
  } catch (error) {
    if (error instanceof OAuthError) throw badMetadata('/scope', error.description)
    throw error
  }
  const mayAll = most.includes('manage')
  const left = scopes.filter((one) => most.includes(one) || (mayAll && isManagementScope(one)))
  if (left.length === 0) throw badMetadata('/scope', 'has none that this client may have')
  return left
}

/** RFC 7591 §3.2.2. */
function refusalOf(faults: readonly FieldError[]): OAuthError {
  const isRedirect = ({ pointer }: FieldError) => /^\/redirect_uris(\/|$)/.test(pointer)
  const told = faults.map(({ pointer, detail }) => `${pointer.slice(1)}: ${detail}`).join('; ')
  return new OAuthError(
    faults.some(isRedirect) ? 'invalid_redirect_uri' : 'invalid_client_metadata',
    {
      // RFC 6749 §5.2: visible ASCII without quotes and backslashes
      description: told
        .replaceAll('"', "'")
        .replaceAll(/[^\x20-\x5b\x5d-\x7e]/g, '?')
        .slice(0, 500),
      reason: 'bad_client_metadata',
    },
  )
}

// --- looking after it (RFC 7592) --------------------------------------------------------------

/** The client that the token is for. The same words for every failure. Throws OAuthError. One round trip. */
async function clientOf(
  cx: Context,
  id: string,
  token: string,
): Promise<{ row: ClientRow; secrets: SecretRow[] }> {
  if (!ID_PATTERN.test(id)) throw badToken('bad_client_id')
  const { clients, secrets } = await cx.db.read({
    clients: findClientById(id),
    secrets: listSecretsOf(id),
  })
  const [row] = clients
  const hash = row?.registration_token_hash
  if (row === undefined || hash == null) throw badToken('not_registered_by_itself')
  if (!equalText(hash, sha256(token))) throw badToken('other_registration_token')
  if (row.status !== 'active') throw badToken('client_disabled')
  return { row, secrets }
}

/** RFC 7592 §2.1. One round trip. Throws OAuthError. */
export async function readRegistration(
  cx: Context,
  id: string,
  registration_access_token: string,
): Promise<Registered> {
  const { row } = await clientOf(cx, id, registration_access_token)
  return { client: parseClient(row), registration_access_token }
}

/**
 * RFC 7592 §2.2: the client says anew all that it is. It keeps its token; a secret is made when it has come to need
 * one. Two round trips, more only when others write at once. Throws OAuthError.
 */
export async function changeRegistration(
  cx: Context,
  id: string,
  registration_access_token: string,
  metadata: Readonly<Record<string, unknown>>,
): Promise<Registered> {
  const acting = as(cx, { kind: 'client', id })
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { row, secrets } = await clientOf(cx, id, registration_access_token)
    const current = parseClient(row)
    // Whoever shapes a client that skips consent could collect the tokens of everybody: an operator's matter.
    if (current.first_party) {
      throw new OAuthError('access_denied', {
        description: 'this client is looked after by its operator',
        reason: 'first_party_client',
      })
    }
    assertSame(cx, id, secrets, metadata)
    const isByToken = row.initial_access_token_id !== null
    const offered = grantTypesFor(isByToken ? 'initial_access_token' : 'anybody')
    const said = readMetadata(metadata, [...offered, ...current.grant_types])
    const next = describeAsRegistered(cx, startOver(current), said, current.scope)
    assertKeepsSector(current, next)
    if (!isByToken) assertNoNewSector(current, next)
    await assertIsOfSector(cx, next)
    const plan = await changeOf(acting, row, next)
    const exchange = exchangeSecrets(acting, row, secrets, next.token_endpoint_auth_method)
    const { client_secret, statements } = exchange
    // Secrets first: what they hang on no longer holds after the change.
    if (statements.length + plan.statements.length === 0) {
      return { client: current, registration_access_token }
    }
    const { clients } = await cx.db.write({
      secrets: statements,
      changes: plan.statements,
      clients: findClientById(id),
    })
    const [after] = clients
    if (after === undefined) continue
    const done =
      plan.change === 'unchanged' ? after.version === row.version : isChanged(row, next, after)
    if (done) return { client: parseClient(after), registration_access_token, client_secret }
  }
  throw busy()
}

/** RFC 7592 §2.2: the id, and the secret if it is sent, are the client's own and not to be chosen. */
function assertSame(
  cx: Context,
  id: string,
  secrets: readonly SecretRow[],
  metadata: Readonly<Record<string, unknown>>,
): void {
  if (metadata['client_id'] !== id) throw badMetadata('/client_id', 'must be that of this client')
  const secret = metadata['client_secret'] ?? undefined
  if (secret === undefined) return
  if (typeof secret !== 'string' || !verifyClientSecret(cx, secrets, secret)) {
    throw badMetadata('/client_secret', 'is not that of this client')
  }
}

/** A secret for a client that comes to need one; none is left to a client that proves itself otherwise. */
function exchangeSecrets(
  cx: Context,
  { id, version }: ClientRow,
  secrets: readonly SecretRow[],
  method: string,
): { client_secret: string | undefined; statements: readonly Statement[] } {
  const unchanged = clientIsAt(id, version)
  const event = (type: 'client.secret_created' | 'client.secret_deleted', secret_id: string) =>
    appendEvent(cx, { type, subject_id: id, data: { secret_id } }, unchanged)
  if (!usesSecret(method)) {
    return {
      client_secret: undefined,
      statements: secrets.flatMap((one) => [
        event('client.secret_deleted', one.id),
        sql`${deleteSecret(id, one.id)} and ${unchanged}`,
      ]),
    }
  }
  const now = cx.now()
  if (secrets.some(({ expires_at }) => expires_at === null || expires_at > now)) {
    return { client_secret: undefined, statements: [] }
  }
  const client_secret = randomToken(cx)
  const row = newSecretRow(cx, id, client_secret, null)
  return {
    client_secret,
    statements: [event('client.secret_created', row.id), insertSecret(row, unchanged)],
  }
}

/** RFC 7592 §2.3. Two round trips, more only when others write at once. Throws OAuthError. */
export async function removeRegistration(cx: Context, id: string, token: string): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { row } = await clientOf(cx, id, token)
    const { clients } = await cx.db.write({
      changes: deletionOf(as(cx, { kind: 'client', id }), row),
      clients: findClientById(id),
    })
    if (clients.length === 0) return
  }
  throw busy()
}

const busy = () =>
  new OAuthError('temporarily_unavailable', {
    description: 'the client was changed in the meantime; try again',
    reason: 'changed_meanwhile',
  })

// --- the answer -------------------------------------------------------------------------------

/** RFC 7591 §3.2.1, RFC 7592 §3: all that is registered, also where it is not what was asked. */
export function describeRegistration(
  cx: Context,
  { client, registration_access_token, client_secret }: Registered,
): Record<string, unknown> {
  const {
    client_id,
    created_at,
    updated_at: _,
    status: _status,
    ...members
  } = describeClient(client)
  const told = Object.entries(members).filter(
    ([, value]) => value !== null && !(Array.isArray(value) && value.length === 0),
  )
  return {
    client_id,
    client_id_issued_at: created_at,
    ...(client_secret === undefined ? {} : { client_secret, client_secret_expires_at: 0 }),
    registration_client_uri: `${cx.config.issuer}/oauth/register/${client_id}`,
    registration_access_token,
    response_types: client.grant_types.includes('authorization_code') ? ['code'] : [],
    ...Object.fromEntries(told),
  }
}
