// Signing keys for operators: the key that signs, those that wait, those that are retired. Never a
// private part.
import { z } from '../api.ts'
import type { Context } from '../context.ts'
import { currentKey, signingKeys } from './signing_keys.ts'
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
