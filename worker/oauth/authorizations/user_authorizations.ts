// Authorizations and consents of one person, listed and withdrawn, by the person or by an operator.
// Withdrawing ends the tokens and deletes the answer to the question, so that the client has to ask
// again.

import { assertNothingLacks, demandPower, lackingOver, nameLacks } from '../../access/power.ts'
import { decodeCursor, type PageOf, type PageQuery, pageOf, z } from '../../api.ts'
import { as, type Context } from '../../context.ts'
import { type Condition, condition, join, type Statement, TRUE } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { requirementsOf, standingOf } from '../../identity/requirements.ts'
import { findSession, noteSession, userOf } from '../../identity/sessions.ts'
import { findUserById, noSuchUser } from '../../identity/users.ts'
import type { RightToShow } from '../../pages/rights_in_words.ts'
import { loadSettings } from '../../settings.ts'
import { isDigest } from '../authorization_details.ts'
import { claimAllowed } from '../claims.ts'
import { endAuthorization } from './authorizations.ts'
import { findAuthorization, isAuthorizationLive } from './store.ts'
import {
  type AllowedRow,
  allowsSomething,
  deleteAllowed,
  listAllowedScopesOfUser,
  listLiveAuthorizations,
  revokeAllOfUser,
  type UserAuthorization,
} from './user_authorization_store.ts'

export const authorizationSchema = z
  .object({
    id: z.string(),
    client_id: z.string(),
    client_name: z.string().nullable(),
    scope: z.string(),
    resource: z.array(z.string()),
    /** RFC 9396; null where the client asked for none. */
    authorization_details: z.array(z.record(z.string(), z.unknown())).nullable(),
    created_at: z.int(),
    last_used_at: z.int(),
    offline: z.boolean(),
  })
  .openapi('Authorization')

type Authorization = z.infer<typeof authorizationSchema>

const describe = ({
  resource,
  authorization_details,
  offline,
  ...row
}: UserAuthorization): Authorization => ({
  ...row,
  resource: JSON.parse(resource),
  authorization_details: authorization_details === null ? null : JSON.parse(authorization_details),
  offline: offline === 1,
})

/** An application as a person sees it. */
export type Application = {
  client_id: string
  client_name: string | null
  scope: readonly string[]
  /** Times of the first consent and of the last use; null: no live authorization was used. */
  since: number
  last_used_at: number | null
  /** Whether it keeps access while the person is away. */
  offline: boolean
}

/** Applications by name, from allowed scopes and live authorizations. Pure. */
export function applicationsOf(
  allowed: readonly AllowedRow[],
  live: readonly UserAuthorization[],
): Application[] {
  const applications = new Map<string, Application>()
  const put = (row: AllowedRow, last_used_at: number | null, offline: boolean) => {
    const before = applications.get(row.client_id)
    const scope = row.scope.split(' ').filter((one) => one !== '')
    applications.set(row.client_id, {
      client_id: row.client_id,
      client_name: row.client_name,
      scope: [...new Set([...(before?.scope ?? []), ...scope])],
      since: Math.min(before?.since ?? row.created_at, row.created_at),
      last_used_at:
        last_used_at === null
          ? (before?.last_used_at ?? null)
          : Math.max(before?.last_used_at ?? 0, last_used_at),
      offline: offline || before?.offline === true,
    })
  }
  for (const row of allowed) put(row, null, false)
  for (const row of live) put(row, row.last_used_at, row.offline === 1)
  const nameOf = ({ client_name, client_id }: Application) => client_name ?? client_id
  return [...applications.values()].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}

/**
 * Withdraws all consents and authorizations of one client, or of all where `client_id` is null. The
 * actor is in the event. `when` makes it depend on earlier statements of the batch.
 */
export const withdraw = (
  cx: Context,
  user_id: string,
  client_id: string | null,
  when: Condition = TRUE,
): readonly Statement[] => [
  withdrawalEvent(
    cx,
    user_id,
    client_id,
    join([allowsSomething(user_id, client_id), when], ' and '),
  ),
  ...revokeAllOfUser(cx, user_id, client_id, when),
]

/** Ends all that applications have of a person: `EndAccess` of identity. */
export const endAllAccess = (cx: Context, user_id: string, when: Condition) =>
  withdraw(cx, user_id, null, when)

/** Withdraws one authorization, and what its client was allowed. */
export const withdrawOne = (
  cx: Context,
  authorization: { id: string; user_id: string; client_id: string },
): readonly Statement[] => {
  const { id, user_id, client_id } = authorization
  return [
    withdrawalEvent(cx, user_id, client_id, isAuthorizationLive(id)),
    ...endAuthorization(cx, authorization, 'withdrawn'),
    ...deleteAllowed(user_id, condition`client_id = ${client_id}`),
  ]
}

const withdrawalEvent = (
  cx: Context,
  user_id: string,
  client_id: string | null,
  condition: Condition,
): Statement =>
  appendEvent(
    cx,
    { type: 'authorization.withdrawn', subject_id: user_id, data: { client_id } },
    condition,
  )

/** An allowed entry as people read it: a scope, a single claim or details. */
export function rightAllowed(allowed: string): RightToShow {
  if (isDigest(allowed)) return { kind: 'allowed_detail' }
  const claim = claimAllowed(allowed)
  return claim === null ? { kind: 'scope', name: allowed } : { kind: 'claim', name: claim }
}

// --- for operators ----------------------------------------------------------------------------

/** The live authorizations of a user. Throws Problem. One round trip. */
export async function listUserAuthorizations(
  cx: Context,
  id: string,
  { limit, cursor }: PageQuery,
): Promise<PageOf<Authorization>> {
  const kind = `authorizations of ${id}`
  const after = decodeCursor(cx, kind, cursor)
  const { refresh_token_idle_ttl: idle_ttl } = await loadSettings(cx)
  const { users, live } = await cx.db.read({
    users: findUserById(id),
    live: listLiveAuthorizations(cx, id, { after, limit: limit + 1, idle_ttl }),
  })
  if (users.length === 0) throw noSuchUser()
  return pageOf(cx, kind, live, limit, (row) => row.id, describe)
}

/** Ends one authorization. Throws Problem not_found, forbidden. */
export async function endUserAuthorization(
  cx: Context,
  id: string,
  authorization_id: string,
): Promise<void> {
  const lacking = lackingOver(cx, id)
  const {
    row: [row],
    lacks,
  } = await cx.db.read({ row: findAuthorization(authorization_id), lacks: lacking })
  assertNothingLacks(lacks)
  if (row === undefined || row.user_id !== id || row.revoked_at !== null) {
    throw new Problem('not_found', 'this user has no such authorization')
  }
  await nameLacks(cx, lacking, () =>
    cx.db.write([...demandPower(lacking), ...withdrawOne(cx, row)]),
  )
}

/**
 * Ends the authorizations for one client, or all where `client_id` is null. Throws Problem
 * not_found, forbidden.
 */
export async function endUserAuthorizations(
  cx: Context,
  id: string,
  client_id: string | null,
): Promise<void> {
  const lacking = lackingOver(cx, id)
  const { users } = await nameLacks(cx, lacking, () =>
    cx.db.write({
      power: demandPower(lacking),
      changes: withdraw(cx, id, client_id),
      users: findUserById(id),
    }),
  )
  if (users.length !== 1) throw noSuchUser()
}

/** Most authorizations that are read for a person: many may be of one application. */
const AUTHORIZATIONS_MAX = 1000

/**
 * The session of a cookie with the applications that its person allowed, and what the person lacks;
 * or null. One round trip.
 */
export async function listOwnApplications(cx: Context, cookie: string | undefined) {
  const { refresh_token_idle_ttl: idle_ttl } = await loadSettings(cx)
  const user_id = userOf(cx, cookie)
  const {
    session: [session],
    lacking,
    allowed,
    live,
  } = await cx.db.read({
    session: findSession(cx, cookie),
    lacking: requirementsOf(cx, standingOf(cx, cookie)),
    allowed: listAllowedScopesOfUser(user_id),
    live: listLiveAuthorizations(cx, user_id, { after: '', limit: AUTHORIZATIONS_MAX, idle_ttl }),
  })
  noteSession(cx, session)
  if (session === undefined) return null
  return { session, lacking, applications: applicationsOf(allowed, live) }
}

/** Takes back all that a person allowed a client, at the person's own word. One round trip. */
export async function withdrawOwn(cx: Context, user_id: string, client_id: string): Promise<void> {
  await cx.db.write(withdraw(as(cx, { kind: 'user', id: user_id }), user_id, client_id))
}
