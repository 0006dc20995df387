// Secrets of factors, encrypted at rest and bound to their row. Their key is a stored secret of the
// system, so a new SECRET_KEY seals that one anew and leaves the rows as they are.
import { type Context, recall, remember } from '../../context.ts'
import {
  type Bytes,
  decodeBase64url,
  decryptWith,
  encodeBase64url,
  encryptWith,
} from '../../crypto.ts'
import { storedSecret } from '../../stored_secrets.ts'

const KEY = 'key of second factors'

const contextOf = (id: string): string => `factor.secret:${id}`

/** Warm: no round trip. */
async function factorKey(cx: Context): Promise<CryptoKey> {
  const known = recall<CryptoKey>(cx, KEY)
  if (known !== undefined) return known
  const secret = new Uint8Array(await storedSecret(cx, 'second factors'))
  const key = await crypto.subtle.importKey('raw', secret, 'AES-GCM', false, ['encrypt', 'decrypt'])
  return remember(cx, KEY, key, Number.MAX_SAFE_INTEGER / 2)
}

export const sealFactor = async (cx: Context, id: string, secret: Uint8Array): Promise<string> =>
  encryptWith(cx, await factorKey(cx), contextOf(id), encodeBase64url(secret))

/** Throws UnsealError when it was altered, or moved from another row. */
export async function openFactor(cx: Context, id: string, sealed: string): Promise<Bytes> {
  const secret = decodeBase64url(await decryptWith(await factorKey(cx), contextOf(id), sealed))
  if (secret === null) throw new Error(`the secret of the factor ${id} is not readable`)
  return secret
}

const contextOfRemoved = (hash: string): string => `removed_factor.sealed:${hash}`

/** The same for a factor that was removed, as JSON, bound to its row. */
export const sealRemoved = async (cx: Context, hash: string, text: string): Promise<string> =>
  encryptWith(cx, await factorKey(cx), contextOfRemoved(hash), text)

export const openRemoved = async (cx: Context, hash: string, sealed: string): Promise<string> =>
  decryptWith(await factorKey(cx), contextOfRemoved(hash), sealed)
