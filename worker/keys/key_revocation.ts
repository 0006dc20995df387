// Revocation of a signing key, for one that leaked: published no more, and it opens nothing here. The
// successor of the key that signs is made in the same batch and signs at once. That is the one
// exception to the rule that a key is published before it signs: a verifier elsewhere may not know
// it yet.
import { z } from '../api.ts'
import type { Context } from '../context.ts'
import { Problem } from '../errors.ts'
import { appendEvent } from '../events.ts'
import { describeKey, keySchema } from './key_status.ts'
import {
  acceptKeys,
  JWKS_MAX_AGE,
  KEY_MEMORY_TTL,
  makeKey,
  readSigningKeys,
  signingKeyOf,
} from './signing_keys.ts'
import { deleteKey, insertSuccessor, isKey, listKeys } from './store.ts'

export const revokedKeySchema = z
  .object({
    kid: z.string(),
    alg: keySchema.shape.alg,
    successor: keySchema.nullable().openapi({
      description: 'The key that was made to sign in its place; null where it did not sign.',
    }),
    cached_until: z.int().openapi({
      description:
        'Until then caches may have the revoked key and not its successor: a verifier that reads the published keys has both facts by this time.',
    }),
  })
  .openapi('RevokedKey')

/**
 * Revokes a key. Other instances of this program follow within KEY_MEMORY_TTL, verifiers elsewhere
 * within JWKS_MAX_AGE more. Two round trips. Throws Problem not_found.
 */
export async function revokeKey(
  cx: Context,
  kid: string,
): Promise<z.output<typeof revokedKeySchema>> {
  const keys = await readSigningKeys(cx)
  const key = keys.find((one) => one.kid === kid)
  if (key === undefined) throw new Problem('not_found', 'there is no such signing key')
  const { alg } = key
  const isSigning = signingKeyOf(cx, keys, alg)?.kid === kid
  const successor = isSigning ? await makeKey(cx, alg, cx.now()) : null
  const { after } = await cx.db.write({
    changes: [
      ...(successor === null ? [] : [insertSuccessor(successor, kid)]),
      appendEvent(
        cx,
        {
          type: 'key.revoked',
          subject_id: null,
          data: { kid, alg, successor: successor?.kid ?? null },
        },
        isKey(kid),
      ),
      deleteKey(kid),
    ],
    after: listKeys(),
  })
  acceptKeys(cx, after)
  // Two revocations at once make one successor, so the row is looked for among those that are there.
  const signs = successor === null ? undefined : signingKeyOf(cx, after, alg)
  return {
    kid,
    alg,
    successor: signs === undefined ? null : await describeKey(cx, signs),
    cached_until: cx.now() + JWKS_MAX_AGE + KEY_MEMORY_TTL,
  }
}
