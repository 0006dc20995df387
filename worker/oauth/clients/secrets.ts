// Secrets of clients: what one may be, and how they are added, compared and taken away. A client may have
// several at a time, so that a new one is rolled out before the old one ends.
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { equalText, randomId, randomToken, sha256 } from '../../crypto.ts'
import { join, TRUE } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import {
  type ClientRow,
  clientIsAt,
  deleteSecret,
  expireOtherSecrets,
  hasRoomForSecret,
  insertSecret,
  listSecretsOf,
  type SecretRow,
  secretExists,
} from './store.ts'

/** Secrets of one client that are good at a time. */
export const SECRETS_MAX = 5

// An operator's own secret is held to the length of a random one. 32 characters that are not a few repeated
// ones cannot be searched for, so a fast hash keeps them as well as a slow one would, and no request to the
// token endpoint pays for a password hash. What people think up to remember never goes through here.
export const secretSchema = z
  .string()
  .min(32)
  .max(512)
  .regex(/^[\x21-\x7e]+$/, 'must be visible ASCII without spaces')
  .refine((text) => new Set(text).size >= 8, 'must look random: take openssl rand -base64 32')

export const newSecretInput = z
  .strictObject({
    client_secret: secretSchema.optional(),
    expires_at: z.int().positive().nullable().optional(),
    /** When the client's other secrets end; without it they stay as they are. */
    others_expire_at: z.int().positive().optional(),
  })
  .openapi('NewClientSecret')

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

/**
 * Adds a secret to a client, given or drawn; the answer shows it for the only time. Throws Problem conflict
 * when the client changed meanwhile or has SECRETS_MAX. One round trip.
 */
export async function addSecret(
  cx: Context,
  client: ClientRow,
  input: z.infer<typeof newSecretInput>,
): Promise<{ secret: SecretRow; client_secret: string }> {
  const now = cx.now()
  const { expires_at = null, others_expire_at } = input
  if (expires_at !== null && expires_at <= now) {
    throw new Problem('invalid_request', 'the secret would have run out already', [
      { pointer: '/expires_at', detail: 'is not in the future' },
    ])
  }
  const client_secret = input.client_secret ?? randomToken(cx)
  const row = newSecretRow(cx, client.id, client_secret, expires_at)
  const stored = secretExists(client.id, row.id)
  const endOthersAt = others_expire_at === undefined ? null : Math.max(now, others_expire_at)
  // Where the others end at once there is room.
  const room = endOthersAt === now ? TRUE : hasRoomForSecret(client.id, SECRETS_MAX, now)
  const { secrets } = await cx.db.write({
    insert: insertSecret(row, join([clientIsAt(client.id, client.version), room], ' and ')),
    expireOthers: endOthersAt === null ? null : expireOtherSecrets(client.id, row.id, endOthersAt),
    event: appendEvent(
      cx,
      { type: 'client.secret_created', subject_id: client.id, data: { secret_id: row.id } },
      stored,
    ),
    secrets: listSecretsOf(client.id),
  })
  const secret = secrets.find((one) => one.id === row.id)
  if (secret === undefined) {
    throw new Problem(
      'conflict',
      `the client was changed in the meantime, or has ${SECRETS_MAX} secrets: delete one, or let others expire`,
    )
  }
  return { secret, client_secret }
}

/** Deletes one secret at once. One round trip. */
export async function removeSecret(cx: Context, { client_id, id }: SecretRow): Promise<void> {
  const event = {
    type: 'client.secret_deleted',
    subject_id: client_id,
    data: { secret_id: id },
  } as const
  await cx.db.write({
    event: appendEvent(cx, event, secretExists(client_id, id)),
    secret: deleteSecret(client_id, id),
  })
}
