// The identifier by which a client knows a person (OpenID Connect Core §8): the user's id or, for a
// `pairwise` client, a name that only the clients of its sector share, so that clients of other
// sectors cannot find out that they know the same person.
import { type Context, legible } from '../../context.ts'
import { hmacSha256 } from '../../crypto.ts'
import type { FieldError } from '../../errors.ts'
import { OutsideRefused } from '../../outside.ts'
import { storedSecret } from '../../stored_secrets.ts'
import { TOKEN_EXCHANGE } from '../grant_types.ts'
import { isManagementScope } from '../scopes.ts'
import type { ClientMembers } from './members.ts'

const SALT = 'pairwise subjects'

type Sectored = Pick<
  ClientMembers,
  'subject_type' | 'sector_identifier_uri' | 'authorization_details_types'
> & {
  redirect_uris: readonly string[]
  scope: readonly string[]
  grant_types: readonly string[]
}

/**
 * The host that stands for the client's sector (§8.1), or null when its addresses do not agree on
 * one.
 */
export function sectorOf({ sector_identifier_uri, redirect_uris }: Sectored): string | null {
  if (sector_identifier_uri !== null) return new URL(sector_identifier_uri).hostname
  const hosts = new Set(redirect_uris.map((uri) => new URL(uri).hostname))
  const [host = ''] = hosts
  return hosts.size === 1 && host !== '' ? host : null
}

/**
 * Whether the host of its sector is part of a scheme of one's own: anybody may write any host
 * there, that of another sector too (RFC 8252 §8.6).
 */
const borrowsHost = ({ sector_identifier_uri, redirect_uris }: Sectored): boolean =>
  sector_identifier_uri === null && redirect_uris.some((uri) => !/^https?:/.test(uri))

/** The `sub` of a user for a client. No round trip warm. */
export async function subjectFor(
  cx: Context,
  client: Sectored & { client_id: string },
  user_id: string,
): Promise<string> {
  if (client.subject_type === 'public') return user_id
  const sector = sectorOf(client)
  if (sector === null) throw new Error(`the pairwise client ${client.client_id} has no sector`)
  return hmacSha256(await storedSecret(cx, SALT), `${sector}\n${user_id}`)
}

/** Members that keep a client from being pairwise. */
export function subjectTypeFaults(client: Sectored): FieldError[] {
  if (client.subject_type !== 'pairwise') return []
  const faults: FieldError[] = []
  // Only addresses without a fault of their own can be judged.
  const canJudge = client.redirect_uris.every((uri) => URL.canParse(uri))
  if (canJudge && (sectorOf(client) === null || borrowsHost(client))) {
    const detail =
      'is missing, but a pairwise client needs it unless all redirect_uris have one https host'
    faults.push({ pointer: '/sector_identifier_uri', detail })
  }
  const telling = client.scope.filter((one) => one === 'mqtt' || isManagementScope(one))
  if (telling.length > 0) {
    const detail = `has ${telling.join(', ')}, whose tokens name the person, but subject_type is pairwise`
    faults.push({ pointer: '/scope', detail })
  }
  if (client.grant_types.includes(TOKEN_EXCHANGE)) {
    const detail =
      'has token-exchange, which is about people by their ids, but subject_type is pairwise'
    faults.push({ pointer: '/grant_types', detail })
  }
  if (client.authorization_details_types.length > 0) {
    const detail = 'leads to tokens that name the person, but subject_type is pairwise'
    faults.push({ pointer: '/authorization_details_types', detail })
  }
  return faults
}

/**
 * Faults of a sector: the document at `sector_identifier_uri` must list every redirect address
 * (OpenID Connect Registration §5), since the owner of its host decides which clients belong to the
 * sector. Without an address nothing is fetched.
 */
export async function sectorFaults(
  cx: Context,
  { sector_identifier_uri, redirect_uris }: Sectored,
): Promise<FieldError[]> {
  if (sector_identifier_uri === null) return []
  const detail = await readSector(cx, sector_identifier_uri, redirect_uris)
  return detail === null ? [] : [{ pointer: '/sector_identifier_uri', detail }]
}

async function readSector(cx: Context, uri: string, redirect_uris: readonly string[]) {
  let addresses: unknown
  try {
    const { status, text } = await cx.fetch(uri, { headers: { Accept: 'application/json' } })
    if (status !== 200) return 'does not answer with 200'
    addresses = JSON.parse(text)
  } catch (error) {
    if (error instanceof OutsideRefused) {
      cx.log('info', 'a sector identifier was not fetched', {
        uri: legible(uri),
        reason: error.reason,
      })
      return 'cannot be fetched'
    }
    if (error instanceof SyntaxError) return 'is not JSON'
    throw error
  }
  if (!Array.isArray(addresses)) return 'is not a JSON array'
  const missing = redirect_uris.filter((one) => !addresses.includes(one))
  return missing.length === 0 ? null : `does not list ${missing.join(', ')}`
}
