// The power of a subject that a token may hold: its rights, and the part of them that
// authorization_details name. They are dear to read, and most tokens cannot use them: a grant reads
// them with the rest only where the scope, the resource or the details lead to mProxy or to the
// management API. Powers that were not read are `null` and never an empty list, so that they cannot
// be taken for a subject without rights.
import { type NarrowedRows, narrowedRightsOf } from '../../access/narrowed_rights.ts'
import { type RightsRows, rightsOf } from '../../access/rights.ts'
import type { Context } from '../../context.ts'
import type { Answers } from '../../db/database.ts'
import { type Condition, condition, type Scalar, scalar, sql } from '../../db/sql.ts'
import type { Detail } from '../authorization_details.ts'
import { recentClient } from '../clients/recent_clients.ts'
import { MANAGEMENT_SCOPES } from '../scopes.ts'
import { type ClientBounds, isRegisteredScope, type Wish } from './entitlement.ts'

export type Powers = { rights: RightsRows; narrowed: NarrowedRows }

/** A code, a family of refresh tokens or the like as SQL: parts of a row that may not be there. */
export type Source = { subject: Scalar; scope: Scalar; resource: Scalar; details: Scalar }

/** Scopes that lead to mProxy or to the management API. */
export const POWERFUL_SCOPES: readonly string[] = ['mqtt', ...MANAGEMENT_SCOPES]

export const isPowerfulScope = (scope: string): boolean => POWERFUL_SCOPES.includes(scope)

/** Whether a token of these clients, with no more than what is covered, can hold any power. */
export function usesPowers(
  cx: Context,
  clients: readonly ClientBounds[],
  covered: {
    scope: readonly string[]
    resource: readonly string[] | null
    authorization_details?: readonly Detail[] | undefined
  },
  wish: Wish,
): boolean {
  if (covered.authorization_details !== undefined || wish.authorization_details !== undefined) {
    return true
  }
  const isRegistered = (one: string) => clients.every((client) => isRegisteredScope(client, one))
  if (covered.scope.some((one) => isPowerfulScope(one) && isRegistered(one))) return true
  const resources = [...(covered.resource ?? []), ...wish.resource]
  return resources.includes(cx.config.mqtt_audience) && isRegistered('mqtt')
}

/** The same of a row that is read in this very batch, or laxer: the client is not looked at. */
const mayUsePowers = (cx: Context, { scope, resource, details }: Source): Condition =>
  condition`(${details}) is not null or instr(${resource}, ${cx.config.mqtt_audience}) or exists (
    select 1 from (select ' ' || (${scope}) || ' ' as scope) of, json_each(${JSON.stringify(POWERFUL_SCOPES)}) one
    where instr(of.scope, ' ' || one.value || ' '))`

/**
 * For the read batch of a grant. Nothing where the wish leads elsewhere and the client, as it was
 * read lately, is registered for nothing of the kind; no rows where the row of the source covers
 * nothing of the kind.
 */
export function powersReads(cx: Context, client_id: string, wish: Wish, source: Source) {
  const client = recentClient(cx, client_id)
  const isUnlikely =
    client !== undefined &&
    !client.scope.some(isPowerfulScope) &&
    client.authorization_details_types.length === 0 &&
    wish.authorization_details === undefined
  return isUnlikely ? null : statementsOf(cx, source, mayUsePowers(cx, source))
}

const statementsOf = (cx: Context, { subject, details }: Source, isNeeded: Condition) => {
  const who = scalar`(select (${subject}) where ${isNeeded})`
  const named = scalar`(select (${details}) where ${isNeeded})`
  return {
    /** The other statements looked for what they are about. */
    isRead: sql<{ is_read: number }>`select 1 as is_read where ${isNeeded}`,
    rights: rightsOf(who, cx.now()),
    narrowed: narrowedRightsOf(who, named, cx.now()),
  }
}

export type PowersRows = Answers<ReturnType<typeof powersReads>>

/**
 * The powers of the subject, or null where the token cannot use them. Reads them where the hint was
 * wrong by which they were left out: one round trip more, once after a client was changed.
 */
export async function powersOf(
  cx: Context,
  isNeeded: boolean,
  rows: PowersRows,
  { subject, details }: { subject: string; details: string | null },
): Promise<Powers | null> {
  if (!isNeeded) return null
  if (!Array.isArray(rows) && rows.isRead.length > 0) return rows
  return cx.db.read({
    rights: rightsOf(subject, cx.now()),
    narrowed: narrowedRightsOf(scalar`${subject}`, scalar`${details}`, cx.now()),
  })
}
