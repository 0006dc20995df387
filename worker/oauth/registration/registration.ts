// Registration of clients by software (RFC 7591, OpenID Connect Registration), with an initial
// access token or, where the setting allows it, without one. A client gets no power that an
// operator did not put into the token. Metadata that it may submit are submitted_metadata.ts's,
// later changes registration_management.ts's.
import { findPrincipal } from '../../access/principals.ts'
import { addressKey, limit } from '../../attempts.ts'
import { as, type Context } from '../../context.ts'
import { randomId, randomToken, sha256 } from '../../crypto.ts'
import { type Condition, type Statement, TRUE } from '../../db/sql.ts'
import { OAuthError } from '../../errors.ts'
import type { Reason } from '../../refusals.ts'
import { findGuesses, judgeSecret } from '../../secret_guesses.ts'
import { loadSettings, type Settings } from '../../settings.ts'
import {
  type Client,
  type ClientDefaults,
  describeClient,
  parseClient,
  usesSecret,
} from '../clients/client_metadata.ts'
import { creationOf } from '../clients/clients.ts'
import { INITIAL } from '../clients/members.ts'
import { findClientById } from '../clients/store.ts'
import { grantTypesFor } from '../grant_types.ts'
import { isManagementScope, parseScope } from '../scopes.ts'
import { makerHolds } from './initial_access_tokens.ts'
import { findInitialAccessTokenByHash, insertInitialAccessTokenUse, isUseMine } from './store.ts'
import {
  assertIsOfSector,
  assertNoNewSector,
  boundsOfAnybody,
  describeAsRegistered,
  readMetadata,
} from './submitted_metadata.ts'

/** Most registrations without a token from one address in an hour. */
export const OPEN_REGISTRATIONS_MAX = 20

export type RegisteredClient = {
  client: Client
  registration_access_token: string
  /** Present only where it was created just now. */
  client_secret?: string | undefined
}

/** Permit of the software that registers a client. */
type Permit = {
  /** Id of the initial access token; null without one. */
  id: string | null
  scope: readonly string[]
  defaults: ClientDefaults
  /** A condition: whoever made it may still give it. */
  holds: Condition
}

function permitOfAnybody(cx: Context, settings: Settings): Permit {
  const { scope, resources } = boundsOfAnybody(cx, settings)
  return { id: null, scope, defaults: { resources }, holds: TRUE }
}

export const badToken = (reason: Reason) =>
  new OAuthError('invalid_token', { description: 'the access token is not valid', reason })

/**
 * RFC 7591 §3. `token` is the initial access token, if there is one. Database round trips, warm: 2,
 * without a token 1. Throws OAuthError.
 */
export async function createRegistration(
  cx: Context,
  token: string | undefined,
  metadata: Readonly<Record<string, unknown>>,
): Promise<RegisteredClient> {
  const settings = await loadSettings(cx)
  const { registration } = settings
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
  const permit = token === undefined ? permitOfAnybody(cx, settings) : await permitOf(cx, token)
  const grantTypes = grantTypesFor(permit.id === null ? 'anybody' : 'initial_access_token')
  const members = readMetadata(metadata, [...grantTypes, ...(permit.defaults.grant_types ?? [])])
  const start = { ...INITIAL, scope: permit.scope.filter((one) => !isManagementScope(one)) }
  const client = await describeAsRegistered(
    cx,
    start,
    { ...permit.defaults, ...members },
    permit.scope,
  )
  if (permit.id === null) assertNoNewSector(INITIAL, client)
  await assertIsOfSector(cx, client)

  const id = randomId(cx, 'cli')
  const registration_access_token = randomToken(cx)
  const client_secret = usesSecret(client.token_endpoint_auth_method) ? randomToken(cx) : undefined
  const { take, condition } = counting(cx, permit)
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
  // Of many registrations at once, those beyond the last use or the limit were not inserted.
  if (principal?.rid !== cx.rid || row === undefined) {
    throw permit.id === null ? tooMany() : badToken('initial_access_token_used_up')
  }
  return { client: parseClient(row), registration_access_token, client_secret }
}

/** Owner of all initial access tokens where wrong ones are counted: they belong to no client. */
const GUESSED = 'initial access tokens'

/** Throws OAuthError invalid_token, too_many_requests. One round trip, two for a wrong token. */
async function permitOf(cx: Context, token: string): Promise<Permit> {
  const { rows, guesses } = await cx.db.read({
    rows: findInitialAccessTokenByHash(sha256(token)),
    guesses: findGuesses(cx, GUESSED),
  })
  const [row] = rows
  const isRight = await judgeSecret(cx, GUESSED, guesses, () => row !== undefined)
  if (!isRight || row === undefined) throw badToken('unknown_initial_access_token')
  if (row.expires_at !== null && row.expires_at <= cx.now()) {
    throw badToken('initial_access_token_expired')
  }
  // This is for the answer only; the condition of the write decides.
  if (row.max_uses !== null && row.uses >= row.max_uses) {
    throw badToken('initial_access_token_used_up')
  }
  const holds = makerHolds(cx, row)
  return { id: row.id, scope: parseScope(row.scope), defaults: JSON.parse(row.defaults), holds }
}

/** The statement that counts this registration, and the condition that it is within its limit. */
function counting(cx: Context, permit: Permit): { take: Statement; condition: Condition } {
  if (permit.id !== null) {
    return {
      take: insertInitialAccessTokenUse(cx, permit.id, permit.holds),
      condition: isUseMine(cx),
    }
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

// --- the answer -------------------------------------------------------------------------------

/** RFC 7591 §3.2.1, RFC 7592 §3: all that is registered, even where it differs from the request. */
export function describeRegistration(
  cx: Context,
  { client, registration_access_token, client_secret }: RegisteredClient,
): Record<string, unknown> {
  const {
    client_id,
    created_at,
    updated_at: _,
    status: _status,
    ...members
  } = describeClient(client)
  const shown = Object.entries(members).filter(
    ([, value]) => value !== null && !(Array.isArray(value) && value.length === 0),
  )
  return {
    client_id,
    client_id_issued_at: created_at,
    ...(client_secret === undefined ? {} : { client_secret, client_secret_expires_at: 0 }),
    registration_client_uri: `${cx.config.issuer}/oauth/register/${client_id}`,
    registration_access_token,
    response_types: client.grant_types.includes('authorization_code') ? ['code'] : [],
    ...Object.fromEntries(shown),
  }
}
