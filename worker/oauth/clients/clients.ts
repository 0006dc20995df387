// Clients: applications that ask for tokens. Use cases that create, change and delete them, and the
// power that an actor needs for it. Its members and rules are client_metadata.ts's, its secrets
// client_secrets.ts's, its authentication client_authentication/client_authentication.ts's.

import {
  assertNothingLacks,
  demandNothingLacks,
  demandPower,
  type Lack,
  lackingOver,
  lackingToHandOn,
  nameLacks,
} from '../../access/power.ts'
import {
  buryPrincipal,
  demandFreeId,
  forgetRights,
  insertPrincipal,
  principalIsMine,
} from '../../access/principals.ts'
import { decodeCursor, type PageOf, type PageQuery, type Plan, pageOf } from '../../api.ts'
import type { Context } from '../../context.ts'
import { randomId, randomToken } from '../../crypto.ts'
import { unlessRefused } from '../../db/database.ts'
import { type Condition, type Statement, TRUE } from '../../db/sql.ts'
import { type FieldError, Problem } from '../../errors.ts'
import { appendEvent, changedValues } from '../../events.ts'
import { firstKeysFor } from '../../keys/signing_keys.ts'
import { loadSettings, type Settings } from '../../settings.ts'
import { clientDigest } from './client_digest.ts'
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
  withholding,
} from './client_metadata.ts'
import { isClientUrl } from './client_url.ts'
import { changedMembers, INITIAL, type OurAlgorithm, readMembers } from './members.ts'
import { newSecretRow } from './secret_rules.ts'
import {
  bindAllowedScopes,
  type ClientColumns,
  type ClientRow,
  clientExists,
  clientIsAt,
  deleteClientRows,
  demandClientBefore,
  demandClientVersion,
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
 * Lists what the actor lacks to give a client these members: the scopes of the management API, with
 * which it acts for good. A first-party client gets tokens without consent. An actor who shapes one
 * could collect tokens of everybody who is signed in, so this needs `manage`. One that serves a
 * resource needs it too: it turns tokens that people send it into others, for which nobody was
 * asked. Throws Problem forbidden when the token of the actor does not carry that.
 */
function lackingToGive(
  cx: Context,
  { scope, first_party, serves }: Pick<Description, 'scope' | 'first_party' | 'serves'>,
): Statement<Lack> {
  const powerful = [
    ...(first_party ? ['first_party'] : []),
    ...(serves.length > 0 ? ['serves'] : []),
  ]
  if (powerful.length > 0 && !cx.actor.scopes.has('manage')) {
    const detail = first_party
      ? 'a first-party client skips consent, so this needs the scope manage'
      : 'a client that serves a resource acts for all who call it, so this needs the scope manage'
    const errors = powerful.map((one) => ({
      pointer: `/${one}`,
      detail: 'needs the scope manage',
    }))
    throw new Problem('forbidden', detail, errors, 'power_not_held')
  }
  return lackingToHandOn(cx, powerful.length > 0 ? [...scope, 'manage'] : scope)
}

/**
 * The plan for an entry of the blueprint, or for a create. A secret applies at creation only.
 * `coming` are the settings as the same blueprint leaves them.
 */
export async function planClient(
  cx: Context,
  entry: ClientInput,
  current: ClientRow | undefined,
  coming?: Settings,
): Promise<Plan> {
  const settings = coming ?? (await loadSettings(cx))
  if (current !== undefined) {
    const { client_id: _, client_secret: __, ...members } = entry
    return planChange(cx, current, withChanges(cx, settings, parseClient(current), members))
  }
  const { plan } = await planCreation(cx, settings, entry)
  return plan
}

async function planCreation(cx: Context, settings: Settings, entry: ClientInput) {
  const { client_id, client_secret, ...members } = entry
  const client = withChanges(cx, settings, INITIAL, members)
  const lacking = [lackingToGive(cx, client)]
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
  const creation = await creationOf(cx, client_id, client, { client_secret })
  const statements = [
    demandFreeId(cx, client_id),
    ...demandNothingLacks(principalIsMine(cx, client_id), ...lacking),
    ...creation,
  ]
  const plan: Plan = { change: 'created', fields: Object.keys(entry), statements }
  return { plan, lacking }
}

/** Columns of a client that no operator created, beside its members. */
export type Registration = Pick<
  ClientRow,
  'registration_token_hash' | 'initial_access_token_id' | 'metadata_expires_at'
>

const BY_OPERATOR: Registration = {
  registration_token_hash: null,
  initial_access_token_id: null,
  metadata_expires_at: null,
}

/**
 * The statements that create a client, if `condition` holds. `principalIsMine` says whether its id
 * was free.
 */
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
    epoch: 0,
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
  const before = parseClient(current)
  const isMoved =
    next.sector_identifier_uri !== before.sector_identifier_uri ||
    JSON.stringify(next.redirect_uris) !== current.redirect_uris
  if (isMoved) await assertIsOfSector(cx, next)
  const plan = await changeOf(cx, current, next)
  if (plan.change === 'unchanged') return plan
  const demands = [
    demandClientBefore(current, columnsOf(next)),
    ...demandPower([...lackingOver(cx, current.id), lackingToGive(cx, next)]),
  ]
  return { ...plan, statements: [...demands, ...plan.statements] }
}

/** The change from the stored client to `next`, conditional on the version that was read. */
export async function changeOf(cx: Context, current: ClientRow, next: Description): Promise<Plan> {
  const columns = columnsOf(next)
  const names = (Object.keys(columns) as (keyof ClientColumns)[]).filter(
    (name) => columns[name] !== current[name],
  )
  if (names.length === 0) return { change: 'unchanged', fields: [], statements: [] }
  const changes = Object.fromEntries(names.map((name) => [name, columns[name]]))
  const before = parseClient(current)
  const fields = names.flatMap((name) =>
    name === 'members' ? changedMembers(readMembers(current.members), next) : [name],
  )
  const digest = clientDigest(parseClient(current))
  return {
    change: 'updated',
    fields,
    statements: [
      // These stand before the update, since their condition no longer holds afterwards.
      ...(digest === clientDigest(next)
        ? []
        : [bindAllowedScopes(current.id, current.version, digest)]),
      appendEvent(
        cx,
        {
          type: 'client.updated',
          subject_id: current.id,
          data: { fields },
          ...changedValues(describeClient(before), describeClient({ ...before, ...next }), fields),
        },
        clientIsAt(current.id, current.version),
      ),
      updateClient(current.id, current.version, changes, cx.now()),
      ...(await firstKeysFor(cx, algorithmsOf(next))),
    ],
  }
}

/** Fetches the document that the client names as its sector. Throws Problem. */
async function assertIsOfSector(cx: Context, client: Description): Promise<void> {
  const errors = await sectorFaults(cx, client)
  if (errors.length > 0) throw new Problem('invalid_request', 'the client cannot be so', errors)
}

/** The algorithms with which this server signs for the client. */
const algorithmsOf = (client: Description): OurAlgorithm[] =>
  [
    client.id_token_signed_response_alg,
    client.userinfo_signed_response_alg,
    client.introspection_signed_response_alg,
    client.authorization_signed_response_alg,
  ].filter((alg) => alg !== null)

/**
 * Creates a client. `client_secret` is in the answer when the client authenticates with one, and is
 * shown only here. Throws Problem invalid_request, forbidden, or conflict when the id is or was
 * taken. One round trip.
 */
export async function createClient(
  cx: Context,
  input: ClientInput,
): Promise<{ client: Client; client_secret?: string }> {
  const client_id = input.client_id ?? randomId(cx, 'cli')
  const method = input.token_endpoint_auth_method ?? INITIAL.token_endpoint_auth_method
  const client_secret = input.client_secret ?? (usesSecret(method) ? randomToken(cx) : undefined)
  const entry = { ...input, client_id, ...(client_secret === undefined ? {} : { client_secret }) }
  const { plan, lacking } = await planCreation(cx, await loadSettings(cx), entry)
  const write = nameLacks(cx, lacking, () =>
    cx.db.write({ changes: plan.statements, clients: findClientById(client_id) }),
  )
  const { clients } = await unlessRefused(write, () => {
    throw new Problem('conflict', 'this id is taken, or was', [
      { pointer: '/client_id', detail: 'is taken, or was' },
    ])
  })
  const [row] = clients
  if (row === undefined) throw clientNotFound()
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
 * precondition_failed, conflict, invalid_request, forbidden. Two round trips, more only when others
 * write at once.
 */
export async function changeClient(
  cx: Context,
  id: string,
  patch: ClientPatch,
  demanded: number | null,
): Promise<Client> {
  for (let attempt = 0; attempt < 4; attempt++) {
    const over = lackingOver(cx, id)
    const {
      client: [current],
      lacks,
    } = await cx.db.read({ client: findClientById(id), lacks: over })
    if (current === undefined) throw clientNotFound()
    if (demanded !== null && current.version !== demanded) break
    assertNothingLacks(lacks)
    const before = parseClient(current)
    const changed = withChanges(cx, await loadSettings(cx), before, patch)
    const next = isClientUrl(id) ? withholding(before, changed) : changed
    const plan = await planChange(cx, current, next)
    if (plan.change === 'unchanged') return before
    const write = nameLacks(cx, [...over, lackingToGive(cx, next)], () =>
      cx.db.write({ changes: plan.statements, clients: findClientById(id) }),
    )
    const written = await unlessRefused(write, () => null)
    const after = written?.clients[0]
    if (after !== undefined) return parseClient(after)
  }
  throw changedMeanwhile(demanded)
}

/**
 * Whether a client is as `next` now, by this request or by another one with the same change. It is
 * right after a repeated batch too.
 */
export function isChanged(before: ClientRow, next: Description, after: ClientRow): boolean {
  const columns = columnsOf(next)
  const names = Object.keys(columns) as (keyof ClientColumns)[]
  return (
    names.every((name) => after[name] === columns[name]) && after.version === before.version + 1
  )
}

const changedMeanwhile = (demanded: number | null) =>
  new Problem(
    demanded === null ? 'conflict' : 'precondition_failed',
    'the client was changed in the meantime: read it again',
  )

export const clientNotFound = () => new Problem('not_found', 'there is no such client')

/**
 * Deletes a client with its secrets, and ends its authorizations, so that its tokens are no longer
 * good. Throws Problem not_found, forbidden, precondition_failed, conflict. Two round trips.
 */
export async function removeClient(
  cx: Context,
  id: string,
  demanded: number | null,
): Promise<void> {
  const lacking = lackingOver(cx, id)
  const {
    client: [current],
    lacks,
  } = await cx.db.read({ client: findClientById(id), lacks: lacking })
  if (current === undefined) throw clientNotFound()
  if (demanded !== null && current.version !== demanded) throw changedMeanwhile(demanded)
  assertNothingLacks(lacks)
  const write = nameLacks(cx, lacking, () =>
    cx.db.write([...demandPower(lacking), ...deletionOf(cx, current)]),
  )
  await unlessRefused(write, () => {
    throw changedMeanwhile(demanded)
  })
}

/**
 * The statements that delete a client at the version that was judged; a later version may have more
 * power.
 */
export function deletionOf(cx: Context, { id, version }: ClientRow): readonly Statement[] {
  return [
    demandClientVersion(id, version),
    appendEvent(cx, { type: 'client.deleted', subject_id: id }, clientExists(id)),
    buryPrincipal(cx, id),
    ...deleteClientRows(id, cx.now()),
    ...forgetRights(id),
  ]
}
