// Signing keys: made, sealed at rest, and published before they sign; kept until their last token
// has run out. All processes read the same table; none has a key of its own.
import { exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import type { Context } from '../context.ts'
import { recall, remember } from '../context.ts'
import { encodeBase64url, seal, unseal } from '../crypto.ts'
import type { Statement } from '../db/sql.ts'
import { appendEvent } from '../events.ts'
import { ACCESS_TOKEN_TTL_MAX, acceptSettings, listSettings } from '../settings.ts'
import {
  acceptSecretKeys,
  acceptStoredSecrets,
  listIndispensable,
  listSecretKeys,
  listStoredSecrets,
  proveSecretKey,
} from '../stored_secrets.ts'
import { deleteKey, insertKeyUnlessPending, isKey, type KeyRow, listKeys } from './store.ts'

export type Algorithm = KeyRow['alg']

/**
 * ES256 for access tokens, RS256 for ID tokens (OpenID Connect Core §15.1). An EdDSA key is made on
 * demand.
 */
export const FIRST_ALGORITHMS: readonly Algorithm[] = ['ES256', 'RS256']

/** Seconds for which caches may keep the JWKS, and for which a process remembers its keys. */
export const JWKS_MAX_AGE = 300
export const KEY_MEMORY_TTL = 60

/** Seconds from the creation of a key to its first signature: by then everybody has seen it. */
const PUBLISH_AHEAD = JWKS_MAX_AGE + KEY_MEMORY_TTL

const MEMORY = 'signing keys'

/**
 * All keys, oldest first. Warm: no round trip. Cold: one, which brings settings and stored secrets
 * too.
 */
export async function signingKeys(cx: Context): Promise<readonly KeyRow[]> {
  return recall<readonly KeyRow[]>(cx, MEMORY) ?? readSigningKeys(cx)
}

/** All keys, as the database has them now. One round trip. */
export async function readSigningKeys(cx: Context): Promise<readonly KeyRow[]> {
  const { keys, settings, secrets, secret_keys, sealed } = await cx.db.read({
    keys: listKeys(),
    settings: listSettings(),
    secrets: listStoredSecrets(),
    secret_keys: listSecretKeys(),
    sealed: listIndispensable(cx.now()),
  })
  acceptSettings(cx, settings)
  acceptStoredSecrets(cx, secrets)
  // A SECRET_KEY that is new is noted once, with one more round trip.
  const note = await acceptSecretKeys(cx, secret_keys, sealed)
  if (FIRST_ALGORITHMS.every((alg) => currentKey(cx, keys, alg) !== undefined)) {
    if (note !== null) await cx.db.write(note)
    return acceptKeys(cx, keys)
  }
  return makeFirstKeys(cx, note)
}

/** Remembers keys that were read. */
export const acceptKeys = (cx: Context, keys: readonly KeyRow[]): readonly KeyRow[] =>
  remember(cx, MEMORY, keys, KEY_MEMORY_TTL)

/** The key that signs at this moment: the newest of those that may. */
export function currentKey(
  cx: Context,
  keys: readonly KeyRow[],
  alg: Algorithm,
): KeyRow | undefined {
  const now = cx.now()
  return keys.findLast((key) => key.alg === alg && key.signs_at <= now)
}

/** The key that signs now; a sole key that only waits signs too. */
export const signingKeyOf = (
  cx: Context,
  keys: readonly KeyRow[],
  alg: Algorithm,
): KeyRow | undefined => currentKey(cx, keys, alg) ?? keys.find((key) => key.alg === alg)

/**
 * The key to sign with. The first key of an algorithm is made when it is first needed, with one
 * more round trip. It signs at once, since nothing of that algorithm was signed yet; a key that an
 * operator made in advance was published even earlier.
 */
export async function ensureKey(cx: Context, alg: Algorithm): Promise<KeyRow> {
  const keys = await signingKeys(cx)
  const known = signingKeyOf(cx, keys, alg)
  if (known !== undefined) return known
  // Another process may have made it meanwhile: then this insert does nothing, and the answer is
  // that key.
  const { after } = await cx.db.write({
    change: insertFirstKey(await makeKey(cx, alg, cx.now())),
    after: listKeys(),
  })
  const made = acceptKeys(cx, after).find((key) => key.alg === alg)
  if (made === undefined) throw new Error(`no ${alg} key after making one`)
  return made
}

/**
 * The keys that can have signed with `alg`. A first key signs before every process knows it. So a
 * process that knows none looks once more, at most once a second: a sender of forged tokens costs
 * the database no more than that.
 */
export async function keysOf(cx: Context, alg: Algorithm): Promise<readonly KeyRow[]> {
  const ofAlg = (keys: readonly KeyRow[]) => keys.filter((key) => key.alg === alg)
  const known = ofAlg(await signingKeys(cx))
  const looked = `looked for ${alg} keys`
  if (known.length > 0 || recall(cx, looked) !== undefined) return known
  remember(cx, looked, true, 1)
  const keys = await cx.db.read(listKeys())
  return ofAlg(acceptKeys(cx, keys))
}

async function makeFirstKeys(cx: Context, note: Statement | null): Promise<readonly KeyRow[]> {
  const now = cx.now()
  // Nothing is signed yet, so nobody's cache can be behind: the first keys sign at once.
  const made = await Promise.all(FIRST_ALGORITHMS.map((alg) => makeKey(cx, alg, now)))
  const { after } = await cx.db.write({
    note,
    changes: made.map(insertFirstKey),
    after: listKeys(),
  })
  return acceptKeys(cx, after)
}

/** Inserts the first key of an algorithm; of several processes that try at once, one succeeds. */
const insertFirstKey = (row: KeyRow): Statement => insertKeyUnlessPending(row, 0)

/**
 * Statements that make the first keys of the algorithms of a client, so that they are published
 * before it meets them. No round trip warm.
 */
export async function firstKeysFor(cx: Context, algs: readonly Algorithm[]): Promise<Statement[]> {
  const late = algs.filter((alg) => !FIRST_ALGORITHMS.includes(alg))
  if (late.length === 0) return []
  const keys = await signingKeys(cx)
  const missing = new Set(late.filter((alg) => !keys.some((key) => key.alg === alg)))
  if (missing.size === 0) return []
  cx.memory.delete(MEMORY)
  const made = await Promise.all([...missing].map((alg) => makeKey(cx, alg, cx.now())))
  return made.map(insertFirstKey)
}

/**
 * Makes the successor of the current key of an algorithm, unless one is already waiting. Deletes
 * keys of which no valid token can be left. Answers the key that signs next, and whether it is new.
 */
export async function makeSuccessor(
  cx: Context,
  alg: Algorithm,
): Promise<{ key: KeyRow; isNew: boolean }> {
  const keys = await readSigningKeys(cx)
  const row = await makeKey(cx, alg, cx.now() + PUBLISH_AHEAD)
  const outdated = keys.filter((key) => isOutdated(cx, keys, key))
  const { after } = await cx.db.write({
    changes: [
      insertKeyUnlessPending(row, cx.now()),
      ...outdated.map((key) => deleteKey(key.kid)),
      appendEvent(cx, { type: 'key.rotated', subject_id: null, data: { alg } }, isKey(row.kid)),
    ],
    after: listKeys(),
  })
  acceptKeys(cx, after)
  const next = after.findLast((key) => key.alg === alg)
  if (next === undefined) throw new Error(`no ${alg} key after a rotation`)
  return { key: next, isNew: next.kid === row.kid }
}

export const rotateKey = async (cx: Context, alg: Algorithm): Promise<KeyRow> =>
  (await makeSuccessor(cx, alg)).key

/** True when a successor has signed for so long that no token of this key can be valid. */
function isOutdated(cx: Context, keys: readonly KeyRow[], key: KeyRow): boolean {
  const successor = keys.find((other) => other.alg === key.alg && other.signs_at > key.signs_at)
  if (successor === undefined) return false
  const last = successor.signs_at + KEY_MEMORY_TTL + ACCESS_TOKEN_TTL_MAX
  return Math.max(last, key.needed_until) < cx.now()
}

/**
 * A new key, which is stored nowhere yet. `replaced` is a key that is about to go. Throws
 * UnsealError when SECRET_KEY does not open the others.
 */
export async function makeKey(
  cx: Context,
  alg: Algorithm,
  signs_at: number,
  replaced?: KeyRow,
): Promise<KeyRow> {
  await proveSecretKey(cx, replaced && contextOfKey(replaced.kid))
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const kid = encodeBase64url(cx.random(12))
  const public_jwk = JSON.stringify({ ...(await exportJWK(publicKey)), kid, alg, use: 'sig' })
  const secret = JSON.stringify(await exportJWK(privateKey))
  const private_jwk = await seal(cx, contextOfKey(kid), secret)
  return { kid, alg, public_jwk, private_jwk, created_at: cx.now(), signs_at, needed_until: 0 }
}

/** The place of a private key, which its sealed value is bound to. */
export const contextOfKey = (kid: string): string => `signing_key.private_jwk:${kid}`

/** The private key as it is kept. Throws UnsealError when SECRET_KEY does not open it. */
export const privateJwk = async (cx: Context, key: KeyRow): Promise<JWK> =>
  JSON.parse(await unseal(cx, contextOfKey(key.kid), key.private_jwk))

/**
 * The private key, imported once per process. Throws UnsealError when SECRET_KEY does not open it.
 */
export async function privateKey(cx: Context, key: KeyRow): Promise<CryptoKey> {
  const name = `private key ${key.kid}`
  const known = recall<CryptoKey>(cx, name)
  if (known !== undefined) return known
  const imported = await importJWK({ ...(await privateJwk(cx, key)), alg: key.alg }, key.alg)
  if (imported instanceof Uint8Array) throw new Error('a symmetric signing key')
  return remember(cx, name, imported, 3600)
}

export async function publicKey(cx: Context, key: KeyRow): Promise<CryptoKey> {
  const name = `public key ${key.kid}`
  const known = recall<CryptoKey>(cx, name)
  if (known !== undefined) return known
  const imported = await importJWK(JSON.parse(key.public_jwk), key.alg)
  if (imported instanceof Uint8Array) throw new Error('a symmetric signing key')
  return remember(cx, name, imported, 3600)
}

/** The public keys as a JWK Set (RFC 7517 §5), those that only wait to sign included. */
export async function jwks(cx: Context): Promise<{ keys: Record<string, unknown>[] }> {
  const keys = await signingKeys(cx)
  return { keys: keys.map((key) => JSON.parse(key.public_jwk) as Record<string, unknown>) }
}
