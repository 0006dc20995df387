// Hashes, sealed values and random names, made with @oslojs/crypto and WebCrypto. All keys that
// come from SECRET_KEY are derived here, one per purpose (HKDF, RFC 5869). Knows no table and no
// protocol.
import { hmac } from '@oslojs/crypto/hmac'
import { SHA256, sha256 as sha256Bytes, sha512 as sha512Bytes } from '@oslojs/crypto/sha2'
import { constantTimeEqual } from '@oslojs/crypto/subtle'
import { decodeBase64urlIgnorePadding, encodeBase64urlNoPadding } from '@oslojs/encoding'
import type { Context } from './context.ts'
import { recall, remember } from './context.ts'

const utf8 = new TextEncoder()
const fromUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz'

export type Bytes = Uint8Array<ArrayBuffer>

export const encodeBase64url = (bytes: Uint8Array): string => encodeBase64urlNoPadding(bytes)

/** Bytes of a base64url text, or null when it is none. */
export function decodeBase64url(text: string): Bytes | null {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) return null
  try {
    return decodeBase64urlIgnorePadding(text) as Bytes
  } catch {
    return null
  }
}

/** RFC 4648 §4. */
export const encodeBase64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))

/** Bytes of a base64 text (RFC 4648 §4), or null when it is none. */
export function decodeBase64(text: string): Bytes | null {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return null
  try {
    const binary = atob(text)
    const bytes = new Uint8Array(binary.length)
    for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i)
    return bytes
  } catch {
    return null
  }
}

/** A random secret of `n` bytes in base64url: 32 bytes are 43 characters. */
export const randomToken = (cx: Context, n = 32): string => encodeBase64url(cx.random(n))

/**
 * A new id: the prefix and 26 characters, ordered by time (48 bits of milliseconds, 80 random
 * bits). Lower-case Crockford base32, so it fits the id alphabet of principals. The clock gives
 * seconds; the rest of the milliseconds counts, so that the ids of one process keep their order
 * within a second.
 */
export function randomId(cx: Context, prefix: string): string {
  const second = cx.now()
  const last = recall<{ second: number; count: number }>(cx, 'last id')
  const count = last?.second === second ? Math.min(last.count + 1, 999) : 0
  remember(cx, 'last id', { second, count }, 60)
  let milliseconds = second * 1000 + count
  let time = ''
  for (let i = 0; i < 10; i++) {
    time = CROCKFORD[milliseconds % 32] + time
    milliseconds = Math.floor(milliseconds / 32)
  }
  let rest = ''
  for (const byte of cx.random(16)) rest += CROCKFORD[byte & 31]
  return `${prefix}_${time}${rest}`
}

/** Base64url of SHA-256 of a text: the stored form of tokens with enough randomness. */
export const sha256 = (text: string): string => sha256OfBytes(utf8.encode(text))

export const sha256OfBytes = (bytes: Uint8Array): string => encodeBase64url(sha256Bytes(bytes))

/** Base64url of the left half of a hash of a text (OpenID Connect Core §3.1.3.6). */
export function leftHalf(hash: 'SHA-256' | 'SHA-512', text: string): string {
  const bytes = (hash === 'SHA-256' ? sha256Bytes : sha512Bytes)(utf8.encode(text))
  return encodeBase64url(bytes.slice(0, bytes.length / 2))
}

/** HMAC-SHA-256 under a key of its own, base64url. */
export const hmacSha256 = (key: Uint8Array, text: string): string =>
  encodeBase64url(hmac(SHA256, key, utf8.encode(text)))

/** Compares two texts in a time that depends only on their length. */
export function equalText(a: string, b: string): boolean {
  return constantTimeEqual(utf8.encode(a), utf8.encode(b))
}

/**
 * HMAC-SHA-256 under the key of a purpose, base64url. For values with too few bits for a plain
 * hash.
 */
export function mac(cx: Context, purpose: string, text: string): string {
  const secret = sealingSecret(cx)
  return encodeBase64url(hmac(SHA256, derive(cx, secret, `mac ${purpose}`), utf8.encode(text)))
}

/** The MACs of a text under each of the present secret keys, for a look-up by MAC. */
export const macs = (cx: Context, purpose: string, text: string): string[] =>
  cx.config.secret_keys.map((secret) =>
    encodeBase64url(hmac(SHA256, derive(cx, secret, `mac ${purpose}`), utf8.encode(text))),
  )

/** True when `mac` made `tag` with any of the present secret keys. */
export const verifyMac = (cx: Context, purpose: string, text: string, tag: string): boolean =>
  macs(cx, purpose, text).some((one) => equalText(one, tag))

export type SealPurpose = 'seal' | 'seal tokens'

/**
 * Seals a text with AES-256-GCM under SECRET_KEY. `context` is `table.column:id` (or the purpose of
 * a token) and is authenticated, so that a sealed value cannot be moved to another place. Format:
 * `v1.<key id>.<base64url of iv and ciphertext>`. The initialization vectors are random, which
 * bounds how often one key may seal. So values that are sealed per request have the purpose `seal
 * tokens` with a key of its own: no number of tokens endangers the keys and secrets at rest.
 */
export async function seal(
  cx: Context,
  context: string,
  text: string,
  purpose: SealPurpose = 'seal',
): Promise<string> {
  const secret = sealingSecret(cx)
  const key = await sealingKey(cx, secret, purpose)
  return `v1.${keyId(cx, secret)}.${await encryptWith(cx, key, context, text)}`
}

/** The text under AES-256-GCM and a random initialization vector, which stands first; base64url. */
export async function encryptWith(
  cx: Context,
  key: CryptoKey,
  context: string,
  text: string,
): Promise<string> {
  const iv = cx.random(12)
  const sealed = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData: utf8.encode(context) },
    key,
    utf8.encode(text),
  )
  const blob = new Uint8Array(12 + sealed.byteLength)
  blob.set(iv)
  blob.set(new Uint8Array(sealed), 12)
  return encodeBase64url(blob)
}

/** The text that `encryptWith` was given. Throws UnsealError. */
export async function decryptWith(
  key: CryptoKey,
  context: string,
  encrypted: string,
): Promise<string> {
  const blob = decodeBase64url(encrypted) ?? new Uint8Array(0)
  try {
    const text = await crypto.subtle.decrypt(
      { name: 'AES-GCM', iv: blob.slice(0, 12), additionalData: utf8.encode(context) },
      key,
      blob.slice(12),
    )
    return fromUtf8.decode(text)
  } catch (cause) {
    throw new UnsealError(`the value of ${context} was altered`, { cause })
  }
}

/** Thrown for a sealed value that was changed, or whose SECRET_KEY is no longer there. */
export class UnsealError extends Error {}

/** Thrown where a SECRET_KEY is needed and none is given: the command line may do without. */
export class SecretKeyMissing extends UnsealError {}

/** The text of a sealed value. Throws UnsealError. */
export async function unseal(
  cx: Context,
  context: string,
  sealed: string,
  purpose: SealPurpose = 'seal',
): Promise<string> {
  if (cx.config.secret_keys.length === 0) throw new SecretKeyMissing('there is no SECRET_KEY')
  const [version, id, body] = sealed.split('.')
  const secret = cx.config.secret_keys.find((candidate) => keyId(cx, candidate) === id)
  const blob = decodeBase64url(body ?? '')
  // A value has one text only: trailing parts and unused bits are refused.
  const isOurs = version === 'v1' && blob !== null && sealed === `v1.${id}.${encodeBase64url(blob)}`
  if (!isOurs || secret === undefined || blob.length < 28) {
    throw new UnsealError(`no present SECRET_KEY opens the value of ${context}`)
  }
  return decryptWith(await sealingKey(cx, secret, purpose), context, body ?? '')
}

/** The id of the SECRET_KEY that sealed a value. */
export const sealerOf = (sealed: string): string => sealed.split('.')[1] ?? ''

/** True when the SECRET_KEY that seals now has sealed the value. */
export const isSealedBySealer = (cx: Context, sealed: string): boolean =>
  sealerOf(sealed) === keyId(cx, sealingSecret(cx))

/** The ids of the present secret keys, newest first. */
export const secretKeyIds = (cx: Context): string[] =>
  cx.config.secret_keys.map((secret) => keyId(cx, secret))

const SEALING = 'id of the secret key that seals'

/** From now on the secret key of this id seals and makes MACs in this process; null: none may. */
export function sealWith(cx: Context, id: string | null): void {
  remember(cx, SEALING, id, Number.MAX_SAFE_INTEGER / 2)
}

/** The newest as long as nothing else is known. Throws UnsealError, SecretKeyMissing. */
function sealingSecret(cx: Context): Bytes {
  const id = recall<string | null>(cx, SEALING)
  if (id === null)
    throw new UnsealError('SECRET_KEY opens nothing of the database, so it seals nothing')
  const [newest] = cx.config.secret_keys
  if (newest === undefined) throw new SecretKeyMissing('there is no SECRET_KEY')
  return cx.config.secret_keys.find((secret) => keyId(cx, secret) === id) ?? newest
}

function derive(cx: Context, secret: Bytes, info: string): Bytes {
  const name = `derived ${info} ${cx.config.secret_keys.indexOf(secret)}`
  const known = recall<Bytes>(cx, name)
  if (known !== undefined) return known
  // RFC 5869 with an empty salt; one block of SHA-256 is the 32 bytes wanted, so Expand is one
  // HMAC.
  const extracted = hmac(SHA256, new Uint8Array(32), secret)
  const key = hmac(SHA256, extracted, utf8.encode(`allauth ${info}\x01`)) as Bytes
  return remember(cx, name, key, Number.MAX_SAFE_INTEGER / 2)
}

const keyId = (cx: Context, secret: Bytes): string =>
  encodeBase64url(derive(cx, secret, 'key id').slice(0, 6))

async function sealingKey(cx: Context, secret: Bytes, purpose: SealPurpose): Promise<CryptoKey> {
  const name = `sealing key ${purpose} ${keyId(cx, secret)}`
  const known = recall<CryptoKey>(cx, name)
  if (known !== undefined) return known
  const key = await crypto.subtle.importKey('raw', derive(cx, secret, purpose), 'AES-GCM', false, [
    'encrypt',
    'decrypt',
  ])
  return remember(cx, name, key, Number.MAX_SAFE_INTEGER / 2)
}

/** Fewest characters of a chosen secret that do not follow from those before them. */
const SURPRISES_MIN = 20

/**
 * Whether a secret that somebody chose looks random: neither a short text again and again, nor a
 * row of neighbours such as `abcdef` or `0123`, nor few different characters. It judges no words: a
 * sentence passes, so a limit on guesses stands beside it.
 */
export function looksRandom(secret: string): boolean {
  if (new Set(secret).size < 8) return false
  const text = secret.toLowerCase()
  const seen = new Set<string>()
  let surprises = 0
  for (let i = 0; i < text.length; i++) {
    const three = text.slice(Math.max(0, i - 2), i + 1)
    const step = text.charCodeAt(i) - text.charCodeAt(i - 1)
    const isNeighbour =
      Math.abs(step) <= 1 && step === text.charCodeAt(i - 1) - text.charCodeAt(i - 2)
    if (!seen.has(three) && !isNeighbour) surprises++
    seen.add(three)
  }
  return surprises >= SURPRISES_MIN
}
