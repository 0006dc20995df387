// Signing keys that are taken out. One that leaked is revoked: published no more, and it opens
// nothing here. The successor of the key that signs is made in the same batch and signs at once.
// That is the one exception to the rule that a key is published before it signs: a verifier
// elsewhere may not know it yet. One that SECRET_KEY does not open is deleted.
import { z } from '../api.ts'
import type { Context } from '../context.ts'
import { secretKeyIds } from '../crypto.ts'
import { Problem } from '../errors.ts'
import { appendEvent } from '../events.ts'
import {
  findUnopened,
  forgetIndispensable,
  listIndispensable,
  type SealedValue,
} from '../stored_secrets.ts'
import { describeKey, isKeyOpened, keySchema } from './key_status.ts'
import {
  acceptKeys,
  contextOfKey,
  JWKS_MAX_AGE,
  KEY_MEMORY_TTL,
  makeKey,
  readSigningKeys,
  signingKeyOf,
} from './signing_keys.ts'
import { deleteKey, insertSuccessor, isKey, type KeyRow, listKeys } from './store.ts'

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
  const successor = isSigning ? await makeKey(cx, alg, cx.now(), key) : null
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
  forgetIndispensable(cx)
  // Two revocations at once make one successor, so the row is looked for among those there.
  const signs = successor === null ? undefined : signingKeyOf(cx, after, alg)
  return {
    kid,
    alg,
    successor: signs === undefined ? null : await describeKey(cx, signs),
    cached_until: cx.now() + JWKS_MAX_AGE + KEY_MEMORY_TTL,
  }
}

/**
 * Deletes a key that SECRET_KEY does not open, so that the one before it signs again, or the next
 * first key. `isForced` for who knows that no SECRET_KEY opens it any more. Two round trips. Throws
 * Problem.
 */
export async function deleteUnopenedKey(
  cx: Context,
  kid: string,
  { isForced }: { isForced: boolean },
): Promise<KeyRow> {
  const { keys, sealed } = await cx.db.read({
    keys: listKeys(),
    sealed: listIndispensable(cx.now()),
  })
  const key = keys.find((one) => one.kid === kid)
  if (key === undefined) throw new Problem('not_found', 'there is no such signing key')
  if (!isForced) await refuseGoodKey(cx, key, sealed)
  const { alg } = key
  const { after } = await cx.db.write({
    changes: [
      appendEvent(cx, { type: 'key.deleted', data: { kid, alg } }, isKey(kid)),
      deleteKey(kid),
    ],
    after: listKeys(),
  })
  acceptKeys(cx, after)
  forgetIndispensable(cx)
  return key
}

/** Refuses where SECRET_KEY opens the key, and where it opens nothing: then it is the wrong one. */
async function refuseGoodKey(cx: Context, key: KeyRow, sealed: readonly SealedValue[]) {
  if (secretKeyIds(cx).length === 0) {
    throw new Problem(
      'conflict',
      'without SECRET_KEY nobody can tell whether this key can be opened; give SECRET_KEY, or say --force',
    )
  }
  if (await isKeyOpened(cx, key)) {
    throw new Problem(
      'conflict',
      'SECRET_KEY opens this key, so it can sign; to take it out all the same: allauth key revoke KID',
    )
  }
  const others = sealed.filter(({ context }) => context !== contextOfKey(key.kid))
  const unopened = await findUnopened(cx, others)
  if (unopened.length === others.length) {
    throw new Problem(
      'conflict',
      'SECRET_KEY opens nothing else in this database either, so it is probably the wrong one; else say --force',
    )
  }
}
