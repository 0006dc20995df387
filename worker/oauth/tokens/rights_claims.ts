// The claims `roles` and `groups`, which the scopes of these names bring (RFC 9068 §2.2.3.1): roles
// that a person holds on everything, and memberships. Read in the batch that is sent anyway, and
// only for a scope that was granted. A client says in which tokens it wants them and in which form,
// an operator within which group its view ends. They say what is so at this moment; they are no
// proof of a right here, where roles and grants themselves are looked at.
import { type ClaimedRightRow, listClaimedRights } from '../../access/rights_store.ts'
import type { Context } from '../../context.ts'
import type { Answers } from '../../db/database.ts'
import { type Scalar, type Statement, scalar } from '../../db/sql.ts'
import { isWantedClaim, type WantedClaims } from '../claims.ts'
import type { Client } from '../clients/client_metadata.ts'
import { recentClient } from '../clients/recent_clients.ts'
import { groupsWithinOf } from '../clients/store.ts'
import { RIGHTS_SCOPES } from '../scopes.ts'

export type RightsClaims = { roles?: string[]; groups?: (string | { id: string; name: string })[] }

/** For a batch. `scope` is the scope that was granted, as SQL: without these two no row is read. */
export const rightsClaimsOf = (
  subject: Scalar,
  scope: Scalar,
  client_id: string,
  now: number,
): Statement<ClaimedRightRow> => listClaimedRights(subject, scope, groupsWithinOf(client_id), now)

/**
 * The same for a grant. Null where the client, as it was read lately, may have neither scope; what
 * was left out so is not an empty list.
 */
export const rightsClaimsReads = (
  cx: Context,
  client_id: string,
  { subject, scope }: { subject: Scalar; scope: Scalar },
) => {
  const client = recentClient(cx, client_id)
  return client !== undefined && !hasRightsScope(client.scope)
    ? null
    : { read: rightsClaimsOf(subject, scope, client_id, cx.now()) }
}

export type RightsClaimsRows = Answers<ReturnType<typeof rightsClaimsReads>>

/**
 * The rows for a subject of whom this scope is told. Reads them where they were left out and are
 * needed: one round trip more, once after a client was given such a scope.
 */
export async function claimedRightsOf(
  cx: Context,
  { client_id, scope: registered }: Pick<Client, 'client_id' | 'scope'>,
  rows: RightsClaimsRows,
  subject: string,
  scope: readonly string[],
): Promise<readonly ClaimedRightRow[]> {
  if (!Array.isArray(rows)) return rows.read
  const tellable = scope.filter((one) => registered.includes(one))
  if (!hasRightsScope(tellable)) return []
  const statement = rightsClaimsOf(
    scalar`${subject}`,
    scalar`${tellable.join(' ')}`,
    client_id,
    cx.now(),
  )
  return cx.db.read(statement)
}

export const hasRightsScope = (scope: readonly string[]): boolean =>
  scope.some((one) => RIGHTS_SCOPES.includes(one))

/** The claims that these scopes bring, in the form that the client wants. */
export function rightsClaims(
  { groups_claim }: Pick<Client, 'groups_claim'>,
  scope: readonly string[],
  rows: readonly ClaimedRightRow[],
): RightsClaims {
  const roles = rows.filter(({ kind }) => kind === 'role').map(({ name }) => name)
  const groups = rows
    .filter(({ kind }) => kind === 'group')
    .map(({ id, name }) =>
      groups_claim === 'id' ? id : groups_claim === 'name' ? name : { id, name },
    )
  return {
    ...(scope.includes('roles') ? { roles } : {}),
    ...(scope.includes('groups') ? { groups } : {}),
  }
}

/**
 * Those of them that an access token has, as the client says. mProxy has no use for them, and a
 * password has to be short.
 */
export const accessTokenRights = (
  cx: Context,
  client: Pick<Client, 'groups_claim' | 'access_token_claims'>,
  { scope, audience }: { scope: readonly string[]; audience: readonly string[] },
  rows: readonly ClaimedRightRow[],
): RightsClaims =>
  audience.includes(cx.config.mqtt_audience)
    ? {}
    : rightsClaims(client, wantedOf(client.access_token_claims, scope), rows)

/** When the first right ends that an access token tells so; Infinity: never. */
export function accessTokenRightsEnd(told: RightsClaims, rows: readonly ClaimedRightRow[]): number {
  const ends = rows
    .filter(({ kind }) => (kind === 'role' ? told.roles : told.groups) !== undefined)
    .map(({ expires_at }) => expires_at ?? Infinity)
  return Math.min(Infinity, ...ends)
}

/** The claim has the name of its scope. */
export const wantedOf = (wanted: WantedClaims, scope: readonly string[]): string[] =>
  scope.filter((one) => isWantedClaim(wanted, one))
