// Key sets that others publish at an address (RFC 7517): one way to fetch and to remember them, for
// every check of a foreign signature. A set is kept for a minute. It is fetched again for a key id
// that it lacks, but not more often than every ten seconds. While the address cannot be read, a
// stored set counts on until its minute is over. The caller says which keys are of use, and which
// refusal a fault becomes.
import { type Context, recall, remember } from '../context.ts'
import { isObject } from '../http.ts'
import { type OutsideReason, OutsideRefused } from '../outside.ts'

/** Seconds for which a set is kept. A key that its owner withdrew counts that much longer. */
const SET_TTL = 60

/**
 * Seconds until an address is asked again for a key that its set lacks, or after a fault that is
 * remembered. A stranger with invented key ids cannot cause more requests.
 */
const RETRY_AFTER = 10

/** Longest document, in bytes, and most keys in it. */
const DOCUMENT_MAX = 65_536
const KEYS_MAX = 50

/** Fault for which there are no keys: a literal, and perhaps words for the log. */
export type KeySetFault = { fault: OutsideReason | 'status' | 'no_jwk_set'; words?: string }

export type KeySetAnswer<Key> = { keys: readonly Key[] } | KeySetFault

/** Reading of the sets of one kind of owner. */
export type KeySetReader<Key extends { readonly kid?: unknown }> = {
  /** Sets are remembered under this name, so that no reader meets the keys of another. */
  name: string
  /** The usable keys of a set; null when it does not count as a set. */
  read(keys: readonly unknown[]): readonly Key[] | null
  /**
   * False: an address that failed is asked again by the next request. True: only after RETRY_AFTER.
   */
  remembersFaults: boolean
}

/** `until`: time at which it stops counting. */
type Fetched<Key> = KeySetAnswer<Key> & { fetched_at: number; until: number }

/** The keys that a key id may mean: those of this id, and those without an id. */
export const keysNamed = <Key extends { readonly kid?: unknown }>(
  keys: readonly Key[],
  kid: string | undefined,
): readonly Key[] =>
  kid === undefined ? keys : keys.filter((key) => key.kid === undefined || key.kid === kid)

/**
 * All usable keys at an address. With `kid` the set is fetched again when it has no key of that id
 * yet. No database.
 */
export async function remoteKeys<Key extends { readonly kid?: unknown }>(
  cx: Context,
  reader: KeySetReader<Key>,
  jwks_uri: string,
  kid: string | undefined,
): Promise<KeySetAnswer<Key>> {
  const name = `${reader.name} ${jwks_uri}`
  let known = recall<Fetched<Key>>(cx, name)
  const isOld = known !== undefined && known.fetched_at + RETRY_AFTER <= cx.now()
  const isLacking =
    known === undefined || 'fault' in known || keysNamed(known.keys, kid).length === 0
  if (known === undefined || (isOld && isLacking)) {
    known = renewed(cx, known, await fetchKeys(cx, reader, jwks_uri))
    if (!('fault' in known) || reader.remembersFaults) {
      remember(cx, name, known, known.until - cx.now())
    }
  }
  return known
}

/**
 * Answers the set to remember. A failed fetch takes no good keys away and does not keep them
 * longer, since anybody can cause one with an invented key id.
 */
function renewed<Key>(
  cx: Context,
  known: Fetched<Key> | undefined,
  found: KeySetAnswer<Key>,
): Fetched<Key> {
  const fetched_at = cx.now()
  const isWorse = 'fault' in found && known !== undefined && 'keys' in known
  return isWorse ? { ...known, fetched_at } : { ...found, fetched_at, until: fetched_at + SET_TTL }
}

async function fetchKeys<Key extends { readonly kid?: unknown }>(
  cx: Context,
  reader: KeySetReader<Key>,
  jwks_uri: string,
): Promise<KeySetAnswer<Key>> {
  let text: string
  try {
    const headers = { Accept: 'application/jwk-set+json, application/json' }
    const answer = await cx.fetch(jwks_uri, { headers, max_bytes: DOCUMENT_MAX })
    if (answer.status !== 200) return { fault: 'status', words: `it answered ${answer.status}` }
    text = answer.text
  } catch (error) {
    if (error instanceof OutsideRefused) return { fault: error.reason }
    throw error
  }
  const all = readSet(text)
  const keys = all === null ? null : reader.read(all)
  return keys === null ? { fault: 'no_jwk_set' } : { keys }
}

/** The members of `keys`, unjudged; null for a text that is no JWK Set. */
function readSet(text: string): readonly unknown[] | null {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return null
  }
  const keys = isObject(document) ? document['keys'] : undefined
  return Array.isArray(keys) && keys.length <= KEYS_MAX ? keys : null
}
