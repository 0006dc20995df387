// The public keys of a client: those it is registered with, or those at its `jwks_uri`, fetched and kept for a minute.
// Whoever verifies what a client signed (assertions, request objects) asks here and nowhere else.

import { type Context, recall, remember } from '../../context.ts'
import { OAuthError } from '../../errors.ts'
import { OutsideRefused } from '../../outside.ts'
import type { Reason } from '../../refusals.ts'
import type { Client } from './metadata.ts'
import { type Jwk, jwkSchema } from './public_jwk.ts'

/** How long keys are kept, in seconds: a key that a client took away counts that much longer. */
const KEYS_TTL = 60

/**
 * How soon a key that is not there, or a document that could not be had, is looked for again, in seconds. Whoever makes up
 * key ids cannot make us ask the client's server more often.
 */
const RETRY_AFTER = 10

const DOCUMENT_MAX = 65_536
const KEYS_MAX = 50

type Answer = { keys: readonly Jwk[] } | { fault: Reason; words?: string }
/** `until` is when it counts no longer. */
type Fetched = Answer & { fetched_at: number; until: number }

/**
 * The keys of a client; with `kid` those that may be meant by it, which is when a document is fetched again that does not
 * have it yet. No database. Throws OAuthError invalid_client when the document cannot be had or is none; why is its reason.
 */
export async function clientKeys(
  cx: Context,
  client: Pick<Client, 'jwks' | 'jwks_uri'>,
  kid?: string,
): Promise<readonly Jwk[]> {
  const named = (keys: readonly Jwk[]) =>
    kid === undefined ? keys : keys.filter((key) => key.kid === undefined || key.kid === kid)
  const { jwks, jwks_uri } = client
  if (jwks_uri === null) return named(jwks?.keys ?? [])

  const name = `client keys ${jwks_uri}`
  let known = recall<Fetched>(cx, name)
  const isOld = known !== undefined && known.fetched_at + RETRY_AFTER <= cx.now()
  const isLacking = known === undefined || 'fault' in known || named(known.keys).length === 0
  if (known === undefined || (isOld && isLacking)) {
    known = renewed(cx, known, await fetchKeys(cx, jwks_uri))
    remember(cx, name, known, known.until - cx.now())
  }
  if ('fault' in known) {
    throw new OAuthError('invalid_client', {
      description: 'client authentication failed',
      reason: known.fault,
      ...(known.words === undefined ? {} : { cause: new Error(known.words) }),
    })
  }
  return named(known.keys)
}

/**
 * What is kept of an attempt. Anybody can have us look again, by a key id of his own: what fails then takes no good keys
 * away, and they are kept no longer for it.
 */
function renewed(cx: Context, known: Fetched | undefined, found: Answer): Fetched {
  const fetched_at = cx.now()
  const isWorse = 'fault' in found && known !== undefined && 'keys' in known
  return isWorse ? { ...known, fetched_at } : { ...found, fetched_at, until: fetched_at + KEYS_TTL }
}

async function fetchKeys(cx: Context, jwks_uri: string): Promise<Answer> {
  let text: string
  try {
    const headers = { Accept: 'application/jwk-set+json, application/json' }
    const answer = await cx.fetch(jwks_uri, { headers, max_bytes: DOCUMENT_MAX })
    if (answer.status !== 200)
      return { fault: 'jwks_uri_status', words: `it answered ${answer.status}` }
    text = answer.text
  } catch (error) {
    if (error instanceof OutsideRefused) return { fault: `jwks_uri_${error.reason}` }
    throw error
  }
  const keys = readKeys(text)
  return keys === null ? { fault: 'jwks_uri_no_jwk_set' } : { keys }
}

/** The keys of a JWK Set that are of use; others are passed over (RFC 7517 §5). Null for what is no such set. */
function readKeys(text: string): readonly Jwk[] | null {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof document !== 'object' || document === null || !('keys' in document)) return null
  const { keys } = document
  if (!Array.isArray(keys) || keys.length > KEYS_MAX) return null
  return keys.flatMap((key) => {
    const { data } = jwkSchema.safeParse(key)
    return data === undefined ? [] : [data as Jwk]
  })
}
