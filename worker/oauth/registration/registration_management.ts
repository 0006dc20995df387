// Management of a registration by the client itself, with its registration access token (RFC 7592):
// it reads, changes and removes its registration, and never widens its own power.
import { ID_PATTERN } from '../../access/principals.ts'
import { as, type Context } from '../../context.ts'
import { equalText, randomToken, sha256 } from '../../crypto.ts'
import { unlessRefused } from '../../db/database.ts'
import type { Statement } from '../../db/sql.ts'
import { OAuthError } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { findGuesses, judgeSecret } from '../../secret_guesses.ts'
import { parseClient, startOver, usesSecret } from '../clients/client_metadata.ts'
import { changeOf, deletionOf, isChanged } from '../clients/clients.ts'
import { findLiveSecret, newSecretRow } from '../clients/secret_rules.ts'
import {
  type ClientRow,
  clientIsAt,
  findClientById,
  insertSecret,
  listSecretsOf,
  type SecretRow,
  takeSecret,
} from '../clients/store.ts'
import { badToken, type RegisteredClient } from './registration.ts'
import {
  assertIsOfSector,
  assertKeepsSector,
  assertNoNewSector,
  badMetadata,
  describeAsRegistered,
  readMetadata,
} from './submitted_metadata.ts'

/** Attempts of one change while others write the same client. */
const ATTEMPTS = 4

/**
 * The client that the registration access token is for. Every failure has the same words. Throws
 * OAuthError. One round trip.
 */
async function clientOf(
  cx: Context,
  id: string,
  token: string,
): Promise<{ row: ClientRow; secrets: SecretRow[] }> {
  if (!ID_PATTERN.test(id)) throw badToken('bad_client_id')
  const { clients, secrets, guesses } = await cx.db.read({
    clients: findClientById(id),
    secrets: listSecretsOf(id),
    guesses: findGuesses(cx, id),
  })
  const [row] = clients
  const hash = row?.registration_token_hash
  if (row === undefined || hash == null) throw badToken('not_registered_by_itself')
  const compare = () => equalText(hash, sha256(token))
  if (!(await judgeSecret(cx, id, guesses, compare))) throw badToken('other_registration_token')
  if (row.status !== 'active') throw badToken('client_disabled')
  return { row, secrets }
}

/** RFC 7592 §2.1. One round trip. Throws OAuthError. */
export async function readRegistration(
  cx: Context,
  id: string,
  registration_access_token: string,
): Promise<RegisteredClient> {
  const { row } = await clientOf(cx, id, registration_access_token)
  return { client: parseClient(row), registration_access_token }
}

/**
 * RFC 7592 §2.2: the client gives all its metadata anew. It gets no scope and no grant that it has
 * not, since an operator may have taken them away. It keeps its token; it gets a secret when it now
 * needs one. Two round trips, more only when others write at once. Throws OAuthError.
 */
export async function changeRegistration(
  cx: Context,
  id: string,
  registration_access_token: string,
  metadata: Readonly<Record<string, unknown>>,
): Promise<RegisteredClient> {
  const acting = as(cx, { kind: 'client', id })
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { row, secrets } = await clientOf(cx, id, registration_access_token)
    const current = parseClient(row)
    // A client that skips consent could collect the tokens of everybody, so only an operator
    // changes it.
    if (current.first_party) {
      throw new OAuthError('access_denied', {
        description: 'this client is looked after by its operator',
        reason: 'first_party_client',
      })
    }
    assertSame(cx, id, secrets, metadata)
    const isByToken = row.initial_access_token_id !== null
    const members = readMetadata(metadata, current.grant_types)
    const next = await describeAsRegistered(cx, startOver(current), members, current.scope)
    assertKeepsSector(current, next)
    if (!isByToken) assertNoNewSector(current, next)
    await assertIsOfSector(cx, next)
    const plan = await changeOf(acting, row, next)
    const exchange = exchangeSecrets(acting, row, secrets, next.token_endpoint_auth_method)
    const { client_secret, statements } = exchange
    // Secrets come first: their condition no longer holds after the change.
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

/**
 * RFC 7592 §2.2: the id and, if it is sent, the secret must be the client's own; it cannot choose
 * them.
 */
function assertSame(
  cx: Context,
  id: string,
  secrets: readonly SecretRow[],
  metadata: Readonly<Record<string, unknown>>,
): void {
  if (metadata['client_id'] !== id) throw badMetadata('/client_id', 'must be that of this client')
  const secret = metadata['client_secret'] ?? undefined
  if (secret === undefined) return
  if (typeof secret !== 'string' || findLiveSecret(cx, secrets, secret) === undefined) {
    throw badMetadata('/client_secret', 'is not that of this client')
  }
}

/** A secret for a client that now needs one; a client with another method keeps none. */
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
        ...takeSecret(id, one.id, unchanged),
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
    const write = cx.db.write(deletionOf(as(cx, { kind: 'client', id }), row))
    if ((await unlessRefused(write, () => null)) !== null) return
  }
  throw busy()
}

const busy = () =>
  new OAuthError('temporarily_unavailable', {
    description: 'the client was changed in the meantime; try again',
    reason: 'changed_meanwhile',
  })
