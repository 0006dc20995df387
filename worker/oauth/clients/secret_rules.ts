// Rules of a client's secret: its form, its comparison and its row. Operators add and delete secrets through
// client_secrets.ts.
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { equalText, randomId, sha256 } from '../../crypto.ts'
import type { SecretRow } from './store.ts'

// An operator's own secret is held to the length of a random one. 32 characters that are not a few repeated
// ones cannot be searched for, so a fast hash keeps them as well as a slow one would, and no request to the
// token endpoint pays for a password hash. What people think up to remember never goes through here.
export const secretSchema = z
  .string()
  .min(32)
  .max(512)
  .regex(/^[\x21-\x7e]+$/, 'must be visible ASCII without spaces')
  .refine((text) => new Set(text).size >= 8, 'must look random: take openssl rand -base64 32')

/** Whether a presented secret is one of the client's that have not run out. */
export function verifyClientSecret(
  cx: Context,
  rows: readonly SecretRow[],
  presented: string,
): boolean {
  const hash = sha256(presented)
  const now = cx.now()
  let found = false
  for (const row of rows) {
    const live = row.expires_at === null || row.expires_at > now
    // Every row is compared, so that the time does not tell which one matched.
    if (equalText(row.hash, hash) && live) found = true
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
