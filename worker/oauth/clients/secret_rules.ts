// Rules of a client's secret: its form, its comparison and its row. Operators add and delete
// secrets through client_secrets.ts.
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { equalText, looksRandom, randomId, sha256 } from '../../crypto.ts'
import type { SecretRow } from './store.ts'

// A secret that an operator chooses must be as long as a random one, and look like one. 32 random
// characters cannot be guessed, so a fast hash protects them as well as a slow one would, and no
// request to the token endpoint pays for a password hash. Passwords that people remember never go
// through here.
export const secretSchema = z
  .string()
  .min(32)
  .max(512)
  .regex(/^[\x21-\x7e]+$/, 'must be visible ASCII without spaces')
  .refine(looksRandom, 'must look random: take openssl rand -base64 32')

/** The secret of the client that was presented and has not run out; else undefined. */
export function findLiveSecret(
  cx: Context,
  rows: readonly SecretRow[],
  presented: string,
): SecretRow | undefined {
  const hash = sha256(presented)
  const now = cx.now()
  let found: SecretRow | undefined
  for (const row of rows) {
    const isLive = row.expires_at === null || row.expires_at > now
    // Every row is compared, so that the time does not reveal which one matched.
    if (equalText(row.hash, hash) && isLive) found = row
  }
  return found
}

export function newSecretRow(
  cx: Context,
  client_id: string,
  secret: string,
  expires_at: number | null,
): SecretRow {
  const id = randomId(cx, 'sec')
  return { id, client_id, hash: sha256(secret), created_at: cx.now(), expires_at }
}
