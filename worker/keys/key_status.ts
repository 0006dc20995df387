// Signing keys for operators: the key that signs, those that wait, those that are retired, and
// whether SECRET_KEY opens them. Never a private part.
import { z } from '../api.ts'
import type { Context } from '../context.ts'
import { isOpened } from '../stored_secrets.ts'
import { contextOfKey, currentKey, signingKeyOf, signingKeys } from './signing_keys.ts'
import type { KeyRow } from './store.ts'

export const keySchema = z
  .object({
    kid: z.string(),
    alg: z.enum(['ES256', 'RS256', 'EdDSA']),
    status: z.enum(['waiting', 'current', 'retired']),
    created_at: z.int(),
    signs_at: z.int(),
  })
  .openapi('Key')

type Key = z.infer<typeof keySchema>

export async function describeKeys(cx: Context): Promise<Key[]> {
  const keys = await signingKeys(cx)
  return keys.map((key) => describe(key, currentKey(cx, keys, key.alg)))
}

export const describeKey = async (cx: Context, key: KeyRow): Promise<Key> =>
  describe(key, currentKey(cx, await signingKeys(cx), key.alg))

function describe({ kid, alg, created_at, signs_at }: KeyRow, current: KeyRow | undefined): Key {
  const status =
    kid === current?.kid ? 'current' : signs_at > (current?.signs_at ?? 0) ? 'waiting' : 'retired'
  return { kid, alg, status, created_at, signs_at }
}

/** True when the private part can be had, as it is stored now. */
export const isKeyOpened = (cx: Context, { kid, private_jwk }: KeyRow): Promise<boolean> =>
  isOpened(cx, { context: contextOfKey(kid), value: private_jwk })

/** The keys that should sign now, or will, and that SECRET_KEY does not open. */
export async function keysThatCannotSign(
  cx: Context,
  keys: readonly KeyRow[],
): Promise<{ now: KeyRow[]; later: KeyRow[] }> {
  const now: KeyRow[] = []
  const later: KeyRow[] = []
  for (const key of keys) {
    const signing = signingKeyOf(cx, keys, key.alg)
    const isNow = key.kid === signing?.kid
    const isLater = key.signs_at > (signing?.signs_at ?? 0)
    if (!(isNow || isLater) || (await isKeyOpened(cx, key))) continue
    const list = isNow ? now : later
    list.push(key)
  }
  return { now, later }
}
