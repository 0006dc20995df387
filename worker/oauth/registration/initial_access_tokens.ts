// Initial access tokens (RFC 7591 §3): with one, software registers clients of its own. An operator
// says how often, until when, for which scopes and with which members. Registration itself is
// registration.ts's.

import { demandPower, lackingToHandOn, nameLacks } from '../../access/power.ts'
import { decodeCursor, type PageOf, type PageQuery, pageOf, z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { randomId, randomToken, sha256 } from '../../crypto.ts'
import { type Condition, TRUE } from '../../db/sql.ts'
import { OAuthError, Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import {
  findMakerEpoch,
  offererHolds,
  storedInviter,
} from '../../identity/mailed_offers/offerer.ts'
import { loadSettings } from '../../settings.ts'
import { type ClientDefaults, clientDefaults, withChanges } from '../clients/client_metadata.ts'
import { INITIAL } from '../clients/members.ts'
import { IDENTITY_SCOPES, parseScope } from '../scopes.ts'
import {
  deleteInitialAccessToken,
  findInitialAccessTokenById,
  type InitialAccessTokenRow,
  initialAccessTokenExists,
  insertInitialAccessToken,
  listInitialAccessTokensAfter,
} from './store.ts'

const fields = {
  description: z.string().min(1).max(200).nullable(),
  max_uses: z.int().min(1).max(1_000_000).nullable(),
  expires_at: z.int().positive().nullable(),
  scope: z.string().max(2048),
  defaults: clientDefaults,
}

/**
 * Null or absent: no description, no limit of uses, no end. Without `scope`: the scopes about a
 * person.
 */
export const initialAccessTokenInput = z
  .strictObject(fields)
  .partial()
  .openapi('InitialAccessTokenInput')
export type InitialAccessTokenInput = z.infer<typeof initialAccessTokenInput>

export const initialAccessTokenSchema = z
  .object({ id: z.string(), ...fields, uses: z.int(), created_at: z.int() })
  .openapi('InitialAccessToken')
export type InitialAccessToken = z.infer<typeof initialAccessTokenSchema>

export function describeInitialAccessToken(row: InitialAccessTokenRow): InitialAccessToken {
  const { hash: _, defaults, created_by: _by, maker: _maker, maker_epoch: _epoch, ...rest } = row
  return { ...rest, defaults: JSON.parse(defaults) as ClientDefaults }
}

const tokenNotFound = () =>
  new Problem('not_found', 'there is no such initial access token, or it has run out')

const invalid = (pointer: string, detail: string) =>
  new Problem('invalid_request', 'the initial access token cannot be so', [{ pointer, detail }])

/**
 * Creates a token, which is shown only here. An actor cannot create one that hands out scopes of
 * the management API which the actor does not hold. Throws Problem invalid_request, forbidden. Two
 * round trips.
 */
export async function createInitialAccessToken(
  cx: Context,
  input: InitialAccessTokenInput,
): Promise<InitialAccessToken & { initial_access_token: string }> {
  const { description = null, max_uses = null, expires_at = null, defaults = {} } = input
  if (expires_at !== null && expires_at <= cx.now()) {
    throw invalid('/expires_at', 'is not in the future')
  }
  const scope = input.scope === undefined ? IDENTITY_SCOPES : readScope(input.scope)
  // Clients that are made with it act for good.
  const lacking = [lackingToHandOn(cx, scope)]
  // Contradictions between members are found later, when a client gives the other members.
  const { resources = [] } = defaults
  withChanges(cx, await loadSettings(cx), { ...INITIAL, grant_types: [] }, { resources })
  const [maker] = await cx.db.read(findMakerEpoch(cx))
  const initial_access_token = randomToken(cx)
  const row = {
    id: randomId(cx, 'iat'),
    hash: sha256(initial_access_token),
    description,
    max_uses,
    scope: scope.join(' '),
    defaults: JSON.stringify(defaults),
    created_at: cx.now(),
    expires_at,
    created_by: cx.actor.id,
    maker: storedInviter(cx),
    maker_epoch: maker?.epoch ?? 0,
  }
  await nameLacks(cx, lacking, () =>
    cx.db.write({
      power: demandPower(lacking),
      token: insertInitialAccessToken(row),
      event: appendEvent(cx, {
        type: 'initial_access_token.created',
        subject_id: row.id,
        data: { scope, max_uses, expires_at },
      }),
    }),
  )
  return { ...describeInitialAccessToken({ ...row, uses: 0 }), initial_access_token }
}

/**
 * A condition: the maker of the token still stands as then, and may hand its scopes on. Of a token
 * of before it was kept who made it, nothing is known.
 */
export const makerHolds = (cx: Context, row: InitialAccessTokenRow): Condition =>
  row.maker === null
    ? TRUE
    : offererHolds(
        cx,
        { invited_by: row.created_by, inviter: row.maker, inviter_epoch: row.maker_epoch },
        (then) => [
          lackingToHandOn(then, parseScope(row.scope)),
          lackingToHandOn(then, ['clients:write'], cx.now()),
        ],
      )

function readScope(text: string): string[] {
  try {
    return parseScope(text)
  } catch (error) {
    if (error instanceof OAuthError) throw invalid('/scope', error.description)
    throw error
  }
}

/** Throws Problem not_found. One round trip. */
export async function getInitialAccessToken(cx: Context, id: string): Promise<InitialAccessToken> {
  const [row] = await cx.db.read(findInitialAccessTokenById(id))
  if (row === undefined) throw tokenNotFound()
  return describeInitialAccessToken(row)
}

/** Throws Problem for a forged cursor. One round trip. */
export async function listInitialAccessTokens(
  cx: Context,
  { limit, cursor }: PageQuery,
): Promise<PageOf<InitialAccessToken>> {
  const kind = 'initial access tokens'
  const after = decodeCursor(cx, kind, cursor)
  const rows = await cx.db.read(listInitialAccessTokensAfter(after, limit + 1))
  return pageOf(cx, kind, rows, limit, (row) => row.id, describeInitialAccessToken)
}

/**
 * Deletes a token; clients that were made with it stay. Needs the same power as creating it. Throws
 * Problem not_found, forbidden. Two round trips.
 */
export async function removeInitialAccessToken(cx: Context, id: string): Promise<void> {
  const [row] = await cx.db.read(findInitialAccessTokenById(id))
  if (row === undefined) throw tokenNotFound()
  const lacking = [lackingToHandOn(cx, parseScope(row.scope))]
  await nameLacks(cx, lacking, () =>
    cx.db.write({
      power: demandPower(lacking),
      event: appendEvent(
        cx,
        { type: 'initial_access_token.deleted', subject_id: id },
        initialAccessTokenExists(id),
      ),
      changes: deleteInitialAccessToken(id),
    }),
  )
}
