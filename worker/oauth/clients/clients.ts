// Clients: applications that ask for tokens. How they are made, changed and deleted, and by whom. What one may be is
// in client_metadata.ts, its secrets in client_secrets.ts; how it proves who it is in client_authentication/client_authentication.ts.

import { assertMayEditPrincipal, assertMayHandOnScopes } from '../../access/power.ts'
import {
  buryPrincipal,
  findPrincipal,
  forgetRights,
  insertPrincipal,
  principalIsMine,
} from '../../access/principals.ts'
import { decodeCursor, type PageOf, type PageQuery, type Plan, pageOf } from '../../api.ts'
import type { Context } from '../../context.ts'
import { randomId, randomToken } from '../../crypto.ts'
import { type Condition, type Statement, TRUE } from '../../db/sql.ts'
import { type FieldError, Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { firstKeysFor } from '../../keys/signing_keys.ts'
import { parseScope } from '../scopes.ts'
import {
  type Client,
  type ClientInput,
  type ClientPatch,
  columnsOf,
  type Description,
  describeClient,
  parseClient,
  usesSecret,
  withChanges,
} from './client_metadata.ts'
import { changedMembers, INITIAL, type OurAlgorithm, readMembers } from './members.ts'
import { newSecretRow } from './secret_rules.ts'
import {
  type ClientColumns,
  type ClientRow,
  clientIsAt,
  deleteClientRows,
  findClientById,
  insertClient,
  insertSecret,
  listClientsAfter,
  updateClient,
} from './store.ts'
import { sectorFaults } from './subject_identifier.ts'

export { type Client, type ClientInput, clientInput, parseClient } from './client_metadata.ts'
export {
  type ClientRow,
  findClientById,
  findClientsByIds,
  listSecretsOf,
  type SecretRow,
} from './store.ts'

/**
 * Nobody makes or changes a client that can do more over the system than the actor: who sets its redirect
 * addresses, keys or secrets has its power. `current` is the client as it was read, which the write must hang
 * on. No round trip for an actor with `manage`, else one. Throws Problem forbidden.
 */
export async function assertMayShape(cx: Context, current: ClientRow): Promise<void> {
  assertMayHandOnScopes(cx, parseScope(current.scope))
  assertMayBeFirstParty(cx, current.first_party === 1)
  await assertMayEditPrincipal(cx, current.id)
}

/**
 * A first-party client is given tokens without anybody's consent, so who shapes one could collect those of
 * everybody who is signed in: that takes `manage`. Throws Problem forbidden.
 */
function assertMayBeFirstParty(cx: Context, first_party: boolean): void {
  if (!first_party || cx.actor.kind === 'system' || cx.actor.scopes.has('manage')) return
  throw new Problem(
    'forbidden',
    'a first-party client skips consent, so this needs the scope manage',
    [{ pointer: '/first_party', detail: 'needs the scope manage' }],
  )
}

/** What an entry of the blueprint, or a create, would do. A secret applies at creation only. */
export async function planClient(
  cx: Context,
  entry: ClientInput,
  current: ClientRow | undefined,
): Promise<Plan> {
  const { client_id, client_secret, ...said } = entry
  if (current !== undefined) {
    return planChange(cx, current, withChanges(cx, parseClient(current), said))
  }
  const client = withChanges(cx, INITIAL, said)
  assertMayHandOnScopes(cx, client.scope)
  assertMayBeFirstParty(cx, client.first_party)
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
  await assertIsOfSector(cx, client)
  const statements = await creationOf(cx, client_id, client, { client_secret })
  return { change: 'created', fields: Object.keys(entry), statements }
}

/** What a client that no operator made has beside its members. */
export type Registration = Pick<
  ClientRow,
  'registration_token_hash' | 'initial_access_token_id' | 'metadata_expires_at'
>

const BY_OPERATOR: Registration = {
  registration_token_hash: null,
  initial_access_token_id: null,
  metadata_expires_at: null,
}

/** The statements that make a client, if `condition` holds. That its id was free is told by `principalIsMine`. */
export async function creationOf(
  cx: Context,
  client_id: string,
  client: Description,
  {
    client_secret,
    registration = BY_OPERATOR,
    condition = TRUE,
  }: {
    client_secret: string | undefined
    registration?: Registration
    condition?: Condition
  },
): Promise<readonly Statement[]> {
  const now = cx.now()
  const mine = principalIsMine(cx, client_id)
  const row: ClientRow = {
    id: client_id,
    ...columnsOf(client),
    created_at: now,
    updated_at: now,
    version: 1,
    ...registration,
  }
  return [
    insertPrincipal(cx, client_id, 'client', condition),
    insertClient(row, mine),
    appendEvent(cx, { type: 'client.created', subject_id: client_id }, mine),
    ...(client_secret === undefined
      ? []
      : [insertSecret(newSecretRow(cx, client_id, client_secret, null), mine)]),
    ...(await firstKeysFor(cx, algorithmsOf(client))),
  ]
}

async function planChange(cx: Context, current: ClientRow, next: Description): Promise<Plan> {
  await assertMayShape(cx, current)
  assertMayHandOnScopes(cx, next.scope)
  assertMayBeFirstParty(cx, next.first_party)
  const before = parseClient(current)
  const isMoved =
    next.sector_identifier_uri !== before.sector_identifier_uri ||
    JSON.stringify(next.redirect_uris) !== current.redirect_uris
  if (isMoved) await assertIsOfSector(cx, next)
  return changeOf(cx, current, next)
}

/** The difference between the stored client and `next`, conditional on the version that was read. */
export async function changeOf(cx: Context, current: ClientRow, next: Description): Promise<Plan> {
  const columns = columnsOf(next)
  const names = (Object.keys(columns) as (keyof ClientColumns)[]).filter(
    (name) => columns[name] !== current[name],
  )
  if (names.length === 0) return { change: 'unchanged', fields: [], statements: [] }
  const changes = Object.fromEntries(names.map((name) => [name, columns[name]]))
  const fields = names.flatMap((name) =>
    name === 'members' ? changedMembers(readMembers(current.members), next) : [name],
  )
  return {
    change: 'updated',
    fields,
    statements: [
      // Before the update, whose condition no longer holds after it.
      appendEvent(
        cx,
        { type: 'client.updated', subject_id: current.id, data: { fields } },
        clientIsAt(current.id, current.version),
      ),
      updateClient(current.id, current.version, changes, cx.now()),
      ...(await firstKeysFor(cx, algorithmsOf(next))),
    ],
  }
}

/** Fetches what the client names as its sector. Throws Problem. */
async function assertIsOfSector(cx: Context, client: Description): Promise<void> {
  const errors = await sectorFaults(cx, client)
  if (errors.length > 0) throw new Problem('invalid_request', 'the client cannot be so', errors)
}

/** The algorithms with which it wants us to sign. */
const algorithmsOf = (client: Description): OurAlgorithm[] =>
  [
    client.id_token_signed_response_alg,
    client.userinfo_signed_response_alg,
    client.introspection_signed_response_alg,
    client.authorization_signed_response_alg,
  ].filter((alg) => alg !== null)

/**
 * Makes a client. `client_secret` is in the answer when the client authenticates with one, and is shown only
 * here. Throws Problem invalid_request, forbidden, or conflict when the id is taken or was. One round trip.
 */
export async function createClient(
  cx: Context,
  input: ClientInput,
): Promise<{ client: Client; client_secret?: string }> {
  const client_id = input.client_id ?? randomId(cx, 'cli')
  const method = input.token_endpoint_auth_method ?? INITIAL.token_endpoint_auth_method
  const client_secret = input.client_secret ?? (usesSecret(method) ? randomToken(cx) : undefined)
  const entry = { ...input, client_id, ...(client_secret === undefined ? {} : { client_secret }) }
  const plan = await planClient(cx, entry, undefined)
  const { principals, clients } = await cx.db.write({
    changes: plan.statements,
    principals: findPrincipal(client_id),
    clients: findClientById(client_id),
  })
  const [principal] = principals
  const [row] = clients
  if (principal?.rid !== cx.rid || row === undefined) {
    throw new Problem('conflict', 'this id is taken, or was', [
      { pointer: '/client_id', detail: 'is taken, or was' },
    ])
  }
  return { client: parseClient(row), ...(client_secret === undefined ? {} : { client_secret }) }
}

/** Throws Problem not_found. One round trip. */
export async function getClient(cx: Context, id: string): Promise<Client> {
  const [row] = await cx.db.read(findClientById(id))
  if (row === undefined) throw clientNotFound()
  return parseClient(row)
}

/** Throws Problem for a forged cursor. One round trip. */
export async function listClients(
  cx: Context,
  { limit, cursor }: PageQuery,
): Promise<PageOf<ReturnType<typeof describeClient>>> {
  const after = decodeCursor(cx, 'clients', cursor)
  const rows = await cx.db.read(listClientsAfter(after, limit + 1))
  const item = (row: ClientRow) => describeClient(parseClient(row))
  return pageOf(cx, 'clients', rows, limit, (row) => row.id, item)
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
    const [current] = await cx.db.read(findClientById(id))
    if (current === undefined) throw clientNotFound()
    if (demanded !== null && current.version !== demanded) break
    const before = parseClient(current)
    const next = withChanges(cx, before, patch)
    const plan = await planChange(cx, current, next)
    if (plan.change === 'unchanged') return before
    const { clients } = await cx.db.write({
      changes: plan.statements,
      clients: findClientById(id),
    })
    const [after] = clients
    if (after === undefined) throw clientNotFound()
    if (isChanged(current, next, after)) return parseClient(after)
  }
  throw changedMeanwhile(demanded)
}

/** Whether a client is as `next` now. By us, or by another who wanted the very same: also right after a repeated batch. */
export function isChanged(before: ClientRow, next: Description, after: ClientRow): boolean {
  const wanted = columnsOf(next)
  const names = Object.keys(wanted) as (keyof ClientColumns)[]
  return names.every((name) => after[name] === wanted[name]) && after.version === before.version + 1
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
export async function removeClient(
  cx: Context,
  id: string,
  demanded: number | null,
): Promise<void> {
  const [current] = await cx.db.read(findClientById(id))
  if (current === undefined) throw clientNotFound()
  if (demanded !== null && current.version !== demanded) throw changedMeanwhile(demanded)
  await assertMayShape(cx, current)
  const { clients } = await cx.db.write({
    changes: deletionOf(cx, current),
    clients: findClientById(id),
  })
  if (clients.length !== 0) throw changedMeanwhile(demanded)
}

/** The statements that delete a client, at the version that was judged: another one may hold more. */
export function deletionOf(cx: Context, { id, version }: ClientRow): readonly Statement[] {
  const judged = clientIsAt(id, version)
  return [
    appendEvent(cx, { type: 'client.deleted', subject_id: id }, judged),
    buryPrincipal(cx, id, judged),
    ...deleteClientRows(id, version, cx.now()),
    ...forgetRights(id),
  ]
}
