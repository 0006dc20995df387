// Metadata that a client submits of itself (RFC 7591 §2), by registration, by a change (RFC 7592)
// or in a document at its address: the members and scopes that it may have, and the refusal of
// others. Rules for the client as a whole are clients/client_metadata.ts's.
import { fieldErrors } from '../../api.ts'
import type { Context } from '../../context.ts'
import { type FieldError, OAuthError, Problem } from '../../errors.ts'
import { loadSettings, type Settings } from '../../settings.ts'
import {
  type ClientDefaults,
  type ClientRegistration,
  clientRegistration,
  type Description,
  ownResources,
  withChanges,
} from '../clients/client_metadata.ts'
import { sectorFaults, sectorOf } from '../clients/subject_identifier.ts'
import { isGrantType } from '../grant_types.ts'
import { isManagementScope, parseScope } from '../scopes.ts'

export const badMetadata = (pointer: string, detail: string) => refusalOf([{ pointer, detail }])

/**
 * Reads the metadata that a client gives. Values that this server does not offer are left out where
 * others remain (RFC 7591 §3.2.1: the answer says what was registered). Throws OAuthError.
 */
export function readMetadata(
  metadata: Readonly<Record<string, unknown>>,
  grantTypes: readonly string[],
): ClientRegistration {
  // RFC 7592 §2.2: null is as if absent.
  const members = Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== null))
  const { response_types, grant_types } = members
  if (response_types !== undefined) assertCode(response_types)
  if (Array.isArray(grant_types)) {
    const usable = grant_types.filter((one) => isGrantType(one) && grantTypes.includes(one))
    if (usable.length === 0) throw badMetadata('/grant_types', 'has none that is offered')
    members['grant_types'] = usable
  }
  const read = clientRegistration.safeParse(members)
  if (!read.success) throw refusalOf(fieldErrors(read.error))
  return read.data
}

/**
 * The most that a client may ask for which nobody vouches for, as the settings say. Scopes lead to
 * the resources of this server, so these are left out.
 */
export const boundsOfAnybody = (
  cx: Context,
  { self_registered_scopes, self_registered_resources }: Settings,
): Pick<Description, 'scope' | 'resources'> => ({
  scope: [...new Set(self_registered_scopes)],
  resources: self_registered_resources.filter((one) => !ownResources(cx).includes(one)),
})

function assertCode(response_types: unknown): void {
  const isCode = Array.isArray(response_types) && response_types.every((one) => one === 'code')
  if (!isCode) throw badMetadata('/response_types', 'must be code alone')
}

/**
 * The client as a whole: `start` with the members that it gives. `most` are the scopes that it may
 * have. Throws OAuthError.
 */
export async function describeAsRegistered(
  cx: Context,
  start: Description,
  members: ClientDefaults & ClientRegistration,
  most: readonly string[],
): Promise<Description> {
  const { scope, ...rest } = members
  // An operator may waive PKCE for clients that authenticate; a public client has nothing but PKCE.
  const withPkce = rest.token_endpoint_auth_method === 'none' ? { require_pkce: true } : {}
  const settings = await loadSettings(cx)
  try {
    return withChanges(
      cx,
      settings,
      { ...start, scope: scope === undefined ? start.scope : narrow(scope, most) },
      { ...rest, ...withPkce },
    )
  } catch (error) {
    if (error instanceof Problem && error.errors.length > 0) throw refusalOf(error.errors)
    throw error
  }
}

/**
 * Refuses a new sector address without an initial access token: otherwise anybody could make us
 * fetch any address, as often as they like. Throws OAuthError.
 */
export function assertNoNewSector(current: Description, next: Description): void {
  const { sector_identifier_uri } = next
  if (sector_identifier_uri === null) return
  if (sector_identifier_uri === current.sector_identifier_uri) return
  throw badMetadata('/sector_identifier_uri', 'needs an initial access token')
}

/**
 * A client that changes itself is pairwise from the start or never, and stays in one sector.
 * Otherwise it could name the address of any other sector and, with the consents that it already
 * has, learn by which ids the clients there know these people. Throws OAuthError.
 */
export function assertKeepsSector(current: Description, next: Description): void {
  if (next.subject_type !== 'pairwise') return
  if (current.subject_type === 'pairwise' && sectorOf(current) === sectorOf(next)) return
  throw badMetadata('/subject_type', 'is pairwise, which a client is in one sector from the start')
}

/** OpenID Connect Registration §5. Throws OAuthError. */
export async function assertIsOfSector(cx: Context, client: Description): Promise<void> {
  const faults = await sectorFaults(cx, client)
  if (faults.length > 0) throw refusalOf(faults)
}

/** The requested scopes that the client may have. Throws OAuthError when none is left. */
function narrow(scope: string, most: readonly string[]): string[] {
  let scopes: string[]
  try {
    scopes = parseScope(scope)
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
  const words = faults.map(({ pointer, detail }) => `${pointer.slice(1)}: ${detail}`).join('; ')
  return new OAuthError(
    faults.some(isRedirect) ? 'invalid_redirect_uri' : 'invalid_client_metadata',
    {
      // RFC 6749 §5.2: visible ASCII without quotes and backslashes
      description: words
        .replaceAll('"', "'")
        .replaceAll(/[^\x20-\x5b\x5d-\x7e]/g, '?')
        .slice(0, 500),
      reason: 'bad_client_metadata',
    },
  )
}
