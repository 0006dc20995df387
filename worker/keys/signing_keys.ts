// Signing keys: made, sealed at rest, published before they sign, kept until the last token they signed has
// run out. All processes read the same table; none has a key of its own.
import { exportJWK, generateKeyPair, importJWK } from 'jose'
import type { Context } from '../context.ts'
import { recall, remember } from '../context.ts'
import { encodeBase64url, seal, unseal } from '../crypto.ts'
import type { Statement } from '../db/sql.ts'
import { appendEvent } from '../events.ts'
import { ACCESS_TOKEN_TTL_MAX, acceptSettings, listSettings } from '../settings.ts'
import { acceptStoredSecrets, listStoredSecrets } from '../stored_secrets.ts'
import {
  deleteKey,
  insertFirstKey,
  insertKeyUnlessPending,
  type KeyRow,
  listKeys,
} from './store.ts'

export type Algorithm = KeyRow['alg']

/** ES256 for access tokens, RS256 for ID tokens (OpenID Connect Core §15.1). EdDSA is made when asked for. */
export const FIRST_ALGORITHMS: readonly Algorithm[] = ['ES256', 'RS256']

/** How long caches may keep the JWKS, in seconds, and how long a process remembers its keys. */
export const JWKS_MAX_AGE = 300
export const KEY_MEMORY_TTL = 60

/** A key made now signs from when everybody has had the time to see it. */
const PUBLISH_AHEAD = JWKS_MAX_AGE + KEY_MEMORY_TTL

const MEMORY = 'signing keys'

/** All keys, oldest first. Warm: no round trip. Cold: one, which brings settings and stored secrets too. */
export async function signingKeys(cx: Context): Promise<readonly KeyRow[]> {
  const known = recall<readonly KeyRow[]>(cx, MEMORY)
  if (known !== undefined) return known
  const [keys, settings, secrets] = await cx.db.read(
    listKeys(),
    listSettings(),
    listStoredSecrets(),
  )
  acceptSettings(cx, settings)
  acceptStoredSecrets(cx, secrets)
  if (FIRST_ALGORITHMS.every((alg) => currentKey(cx, keys, alg) !== undefined)) {
    return remember(cx, MEMORY, keys, KEY_MEMORY_TTL)
  }
  return makeFirstKeys(cx, FIRST_ALGORITHMS)
}

/** The key that signs at this moment: of those that may, the newest. */
export function currentKey(
  cx: Context,
  keys: readonly KeyRow[],
  alg: Algorithm,
): KeyRow | undefined {
  const now = cx.now()
  return keys.findLast((key) => key.alg === alg && key.signs_at <= now)
}

/** The key that signs, made when there is none of this algorithm yet. One round trip then, else none warm. */
export async function signingKey(cx: Context, alg: Algorithm): Promise<KeyRow> {
  const key =
    currentKey(cx, await signingKeys(cx), alg) ??
    currentKey(cx, await makeFirstKeys(cx, [alg]), alg)
  if (key === undefined) throw new Error(`there is no ${alg} key to sign with`)
  return key
}

async function makeFirstKeys(cx: Context, algs: readonly Algorithm[]): Promise<readonly KeyRow[]> {
  const now = cx.now()
  // Nothing is signed with them yet, so nobody's cache can be behind: first keys sign at once.
  const made = await Promise.all(algs.map((alg) => makeKey(cx, alg, now)))
  const answers = await cx.db.write(...made.map(insertFirstKey), listKeys())
  return remember(cx, MEMORY, answers.at(-1) as KeyRow[], KEY_MEMORY_TTL)
}

/**
 * Statements that make the first keys of algorithms which a client asks for, so that they are published before it
 * meets them. No round trip warm.
 */
export async function firstKeysFor(cx: Context, algs: readonly Algorithm[]): Promise<Statement[]> {
  const late = algs.filter((alg) => !FIRST_ALGORITHMS.includes(alg))
  if (late.length === 0) return []
  const keys = await signingKeys(cx)
  const missing = new Set(late.filter((alg) => currentKey(cx, keys, alg) === undefined))
  if (missing.size === 0) return []
  cx.memory.delete(MEMORY)
  const made = await Promise.all([...missing].map((alg) => makeKey(cx, alg, cx.now())))
  return made.map(insertFirstKey)
}

/**
 * Makes the successor of the current key of an algorithm, unless one is already waiting, and deletes keys that
 * nothing valid can have been signed with any more. Answers the key that signs next.
 */
export async function rotateKey(cx: Context, alg: Algorithm): Promise<KeyRow> {
  const keys = await signingKeys(cx)
  const row = await makeKey(cx, alg, cx.now() + PUBLISH_AHEAD)
  const outdated = keys.filter((key) => isOutdated(cx, keys, key))
  const answers = await cx.db.write(
    insertKeyUnlessPending(row, cx.now()),
    ...outdated.map((key) => deleteKey(key.kid)),
    appendEvent(cx, { type: 'key.rotated', subject_id: null, data: { alg } }),
    listKeys(),
  )
  const after = answers.at(-1) as KeyRow[]
  remember(cx, MEMORY, after, KEY_MEMORY_TTL)
  const next = after.findLast((key) => key.alg === alg)
  if (next === undefined) throw new Error(`no ${alg} key after a rotation`)
  return next
}

/** Whether a successor has signed for so long that no token of this key can be valid. */
function isOutdated(cx: Context, keys: readonly KeyRow[], key: KeyRow): boolean {
  const successor = keys.find((other) => other.alg === key.alg && other.signs_at > key.signs_at)
  if (successor === undefined) return false
  const last = successor.signs_at + KEY_MEMORY_TTL + ACCESS_TOKEN_TTL_MAX
  return Math.max(last, key.needed_until) < cx.now()
}

async function makeKey(cx: Context, alg: Algorithm, signs_at: number): Promise<KeyRow> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const kid = encodeBase64url(cx.random(12))
  const public_jwk = JSON.stringify({ ...(await exportJWK(publicKey)), kid, alg, use: 'sig' })
  const secret = JSON.stringify(await exportJWK(privateKey))
  const private_jwk = await seal(cx, `signing_key.private_jwk:${kid}`, secret)
  return { kid, alg, public_jwk, private_jwk, created_at: cx.now(), signs_at, needed_until: 0 }
}

/** The private key, imported once per process. Throws UnsealError when SECRET_KEY does not open it. */
export async function privateKey(cx: Context, key: KeyRow): Promise<CryptoKey> {
  const name = `private key ${key.kid}`
  const known = recall<CryptoKey>(cx, name)
  if (known !== undefined) return known
  const jwk = JSON.parse(await unseal(cx, `signing_key.private_jwk:${key.kid}`, key.private_jwk))
  const imported = await importJWK({ ...jwk, alg: key.alg }, key.alg)
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
