// Clients that nobody registers: their client_id is the address of a document about themselves
// (draft-ietf-oauth-client-id-metadata-document). The document is fetched when it is first needed,
// and again when it has run out. Between the two, the client is a row like others, and the address
// is its id everywhere. An address has characters that ids do not allow, so nothing can be granted
// to it and it is in no group: it acts for people alone.
import { addressKey, limit } from '../../attempts.ts'
import { as, type Context, legible } from '../../context.ts'
import { OAuthError } from '../../errors.ts'
import { parseJsonObject } from '../../http.ts'
import { OutsideRefused } from '../../outside.ts'
import type { Reason } from '../../refusals.ts'
import { loadSettings, type Settings } from '../../settings.ts'
import {
  type Client,
  type Description,
  parseClient,
  startOver,
} from '../clients/client_metadata.ts'
import { isClientUrl } from '../clients/client_url.ts'
import { changeOf, creationOf } from '../clients/clients.ts'
import { INITIAL } from '../clients/members.ts'
import { type ClientRow, findClientById, updateDocumentExpiry } from '../clients/store.ts'
import { grantTypesFor } from '../grant_types.ts'
import {
  assertKeepsSector,
  boundsOfAnybody,
  describeAsRegistered,
  readMetadata,
} from './submitted_metadata.ts'

/**
 * Most documents that are fetched for one address in an hour. Renewals that succeed are not
 * counted.
 */
export const DOCUMENTS_MAX = 60

/** Longest document, in bytes. */
const DOCUMENT_MAX = 10_240

/** Lifetime of a document, in seconds: at least, at most, and where its server does not say. */
const LIFETIME = { min: 60, max: 86_400, default: 3600 }

/**
 * The client as it is now; `row` is its stored row. Answers that row, or the client that the
 * document describes now. Undefined when there is none. No round trip while the document has not
 * run out, else two. Throws OAuthError temporarily_unavailable, too_many_requests.
 */
export async function currentClient(
  cx: Context,
  client_id: string,
  row: ClientRow | undefined,
): Promise<ClientRow | undefined> {
  if (!isClientUrl(client_id)) return row
  const settings = await loadSettings(cx)
  // This also holds for clients that were stored while the setting was on.
  if (!settings.client_id_metadata_documents) return undefined
  if (row === undefined) return renew(cx, settings, client_id, undefined)
  // An operator ended it, or took it over: a document that changes a client which skips consent
  // could collect the tokens of everybody.
  if (row.status !== 'active' || row.first_party === 1) return row
  return (row.metadata_expires_at ?? 0) > cx.now() ? row : renew(cx, settings, client_id, row)
}

async function renew(
  cx: Context,
  settings: Settings,
  url: string,
  row: ClientRow | undefined,
): Promise<ClientRow | undefined> {
  // This server has no clients of its own, and none of its requests should wait for another one of
  // them.
  if (new URL(url).origin === new URL(cx.config.issuer).origin) return undefined
  const attempts = await countFetch(cx)
  const document = await fetchDocument(cx, url, row !== undefined)
  if (document === null) return undefined
  const { client, lifetime } = document
  const metadata_expires_at = cx.now() + lifetime
  const acting = as(cx, { kind: 'client', id: url })
  if (row === undefined) {
    // Where another request was first, or an operator deleted the client, nothing is inserted, and
    // the stored row is read.
    const registration = {
      registration_token_hash: null,
      initial_access_token_id: null,
      metadata_expires_at,
    }
    const next = await judge(cx, settings, url, null, client)
    if (next === null) return undefined
    const { clients } = await cx.db.write({
      changes: await creationOf(acting, url, next, { client_secret: undefined, registration }),
      clients: findClientById(url),
    })
    return clients[0]
  }
  const next = await judge(cx, settings, url, parseClient(row), client)
  if (next === null) return undefined
  const { statements } = await changeOf(acting, row, next)
  const { clients } = await cx.db.write({
    changes: statements,
    lifetime: updateDocumentExpiry(url, metadata_expires_at),
    giveBack: attempts.giveBack,
    clients: findClientById(url),
  })
  return clients[0]
}

/** Anybody may name any address, so this limits how many documents one address makes us fetch. */
async function countFetch(cx: Context) {
  const key = { purpose: 'client document', value: addressKey(cx.address) ?? '' }
  const attempts = limit(cx, key, { max: DOCUMENTS_MAX, window: 3600 })
  const [attempt] = await cx.db.write(attempts.take)
  if ((attempt?.count ?? 0) > attempts.max) {
    throw new OAuthError('too_many_requests', {
      description: 'too many applications were asked for from this address; try again in an hour',
      reason: 'documents_per_address',
    })
  }
  return attempts
}

type Document = { client: Record<string, unknown>; lifetime: number }

/** The document at the address, or null when it is none about the client of this address. */
async function fetchDocument(cx: Context, url: string, isKnown: boolean): Promise<Document | null> {
  const unusable = (reason: Reason) => {
    const client_id = legible(url)
    cx.log('info', 'a client metadata document is not usable', { client_id, reason })
    return null
  }
  try {
    const headers = { accept: 'application/json' }
    const answer = await cx.fetch(url, { headers, max_bytes: DOCUMENT_MAX })
    const type = (answer.headers.get('content-type') ?? '').split(';')[0]?.trim() ?? ''
    if (answer.status !== 200) return unusable('document_status')
    if (!/^application\/(?:[\w.+-]+\+)?json$/i.test(type)) return unusable('document_content_type')
    const client = parseJsonObject(answer.text)
    if (client === null) return unusable('document_no_json_object')
    if (client['client_id'] !== url) return unusable('document_other_client_id')
    return { client, lifetime: lifetimeOf(answer.headers) }
  } catch (error) {
    if (!(error instanceof OutsideRefused)) throw error
    // The client is not at fault, and its document was good before: it should try again, not give
    // up.
    if (isKnown && (error.reason === 'timeout' || error.reason === 'unreachable')) {
      throw new OAuthError('temporarily_unavailable', {
        description: 'what the application says about itself cannot be read; try again',
        reason: 'document_unreachable',
        cause: error,
      })
    }
    return unusable(`document_${error.reason}`)
  }
}

/** The client that the document describes, in place of `current`; null when it is not valid. */
async function judge(
  cx: Context,
  settings: Settings,
  url: string,
  current: Client | null,
  document: Record<string, unknown>,
): Promise<Description | null> {
  const { token_endpoint_auth_method = 'none' } = document
  const fault =
    'client_secret' in document || 'client_secret_expires_at' in document
      ? 'has a secret, which everybody could read'
      : token_endpoint_auth_method !== 'none' && token_endpoint_auth_method !== 'private_key_jwt'
        ? 'token_endpoint_auth_method: needs a secret'
        : null
  try {
    if (fault !== null) {
      throw new OAuthError('invalid_client_metadata', {
        description: fault,
        reason: 'document_with_secret',
      })
    }
    // Its sector is the host of its addresses; no second document is fetched for it.
    const own = { ...document, token_endpoint_auth_method, sector_identifier_uri: null }
    // Settings bound a document, each time that it is read: nobody vouches for it in any other way.
    // What an operator took away it does not bring back.
    const kept = current === null ? INITIAL : startOver(current)
    const isLeft = (member: keyof typeof kept.withheld) => (one: string) =>
      !kept.withheld[member].some((other) => other === one)
    const most = boundsOfAnybody(cx, settings)
    const bounds = {
      grant_types: INITIAL.grant_types.filter(isLeft('grant_types')),
      scope: most.scope.filter(isLeft('scope')),
      resources: most.resources.filter(isLeft('resources')),
    }
    const metadata = readMetadata(own, grantTypesFor('anybody').filter(isLeft('grant_types')))
    const next = await describeAsRegistered(cx, { ...kept, ...bounds }, metadata, bounds.scope)
    if (current !== null) assertKeepsSector(current, next)
    return next
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error
    const { reason, description } = error
    cx.log('info', 'a client metadata document is not usable', {
      client_id: legible(url),
      reason,
      description,
    })
    return null
  }
}

/**
 * RFC 9111 §4.2, within LIFETIME: a document that must not be cached counts for a minute all the
 * same.
 */
function lifetimeOf(headers: Headers): number {
  const directives = (headers.get('cache-control') ?? '').toLowerCase()
  const [, max_age] = /(?:^|[\s,])max-age="?(\d{1,12})/.exec(directives) ?? []
  const age = Number(headers.get('age') ?? 0) || 0
  const until = Date.parse(headers.get('expires') ?? '') - Date.parse(headers.get('date') ?? '')
  const lifetime = /(?:^|[\s,])no-(?:store|cache)\b/.test(directives)
    ? 0
    : max_age !== undefined
      ? Number(max_age) - age
      : Number.isNaN(until)
        ? LIFETIME.default
        : Math.floor(until / 1000) - age
  return Math.min(LIFETIME.max, Math.max(LIFETIME.min, lifetime))
}
