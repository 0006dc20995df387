// Use cases of operators for the secrets of a client: list them without the secrets themselves, add
// one, delete one. Form, comparison and row of a secret are secret_rules.ts's. A client may have
// several secrets at a time, so that a new one is rolled out before the old one ends.
import { assertNothingLacks, demandPower, lackingOver, nameLacks } from '../../access/power.ts'
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { randomToken } from '../../crypto.ts'
import { unlessRefused } from '../../db/database.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { clientNotFound } from './clients.ts'
import { newSecretRow, secretSchema } from './secret_rules.ts'
import {
  type ClientRow,
  demandClientOfSecret,
  demandRoomForSecret,
  expireOtherSecrets,
  findClientById,
  insertSecret,
  listSecretsOf,
  type SecretRow,
  secretExists,
  takeOtherSecrets,
  takeSecret,
} from './store.ts'

/** Most secrets of one client that are good at a time. */
export const SECRETS_MAX = 5

export const newSecretInput = z
  .strictObject({
    client_secret: secretSchema.optional(),
    expires_at: z.int().positive().nullable().optional(),
    /** When the client's other secrets end; without it they stay as they are. */
    others_expire_at: z.int().positive().optional(),
  })
  .openapi('NewClientSecret')

export const clientSecretSchema = z
  .object({ id: z.string(), created_at: z.int(), expires_at: z.int().nullable() })
  .openapi('ClientSecret')

export const createdSecretSchema = clientSecretSchema
  .extend({ client_secret: z.string() })
  .openapi('CreatedClientSecret')

type Secret = z.infer<typeof clientSecretSchema>

const describe = ({ id, created_at, expires_at }: SecretRow): Secret => ({
  id,
  created_at,
  expires_at,
})

/** All secrets of a client. Throws Problem not_found. One round trip. */
export async function listClientSecrets(cx: Context, id: string): Promise<Secret[]> {
  const {
    client: [client],
    secrets,
  } = await cx.db.read({ client: findClientById(id), secrets: listSecretsOf(id) })
  if (client === undefined) throw clientNotFound()
  return secrets.map(describe)
}

/**
 * Adds a secret, which is in this answer only. A secret lets its holder act as the client, so the
 * actor must hold what the client does. Throws Problem. Two round trips.
 */
export async function createClientSecret(
  cx: Context,
  id: string,
  input: z.infer<typeof newSecretInput>,
): Promise<z.infer<typeof createdSecretSchema>> {
  const {
    client: [client],
    lacks,
  } = await cx.db.read({ client: findClientById(id), lacks: lackingOver(cx, id) })
  if (client === undefined) throw clientNotFound()
  assertNothingLacks(lacks)
  const { secret, client_secret } = await addSecret(cx, client, input)
  return { ...describe(secret), client_secret }
}

/**
 * Deletes a secret at once. Throws Problem not_found, forbidden. Two round trips.
 */
export async function removeClientSecret(
  cx: Context,
  id: string,
  secret_id: string,
): Promise<void> {
  const {
    client: [client],
    secrets,
    lacks,
  } = await cx.db.read({
    client: findClientById(id),
    secrets: listSecretsOf(id),
    lacks: lackingOver(cx, id),
  })
  if (client === undefined) throw clientNotFound()
  assertNothingLacks(lacks)
  const secret = secrets.find((one) => one.id === secret_id)
  if (secret === undefined) throw new Problem('not_found', 'the client has no such secret')
  await removeSecret(cx, secret)
}

/**
 * Adds a secret to a client: that of `input`, or a random one. The answer shows it for the only
 * time. Throws Problem conflict when the client changed meanwhile or has SECRETS_MAX. One round
 * trip.
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
  const endOthersAt = others_expire_at === undefined ? null : Math.max(now, others_expire_at)
  const data = { secret_id: row.id }
  const lacking = lackingOver(cx, client.id)
  const batch = {
    power: demandPower(lacking),
    demands: [
      demandClientOfSecret(row, client.version),
      // If the others end at once, there is room.
      ...(endOthersAt === now ? [] : [demandRoomForSecret(row, SECRETS_MAX, now)]),
    ],
    insert: insertSecret(row),
    others:
      endOthersAt === null
        ? null
        : endOthersAt === now
          ? takeOtherSecrets(client.id, row.id)
          : expireOtherSecrets(client.id, row.id, endOthersAt),
    event: appendEvent(cx, { type: 'client.secret_created', subject_id: client.id, data }),
  }
  const write = nameLacks(cx, lacking, () => cx.db.write(batch))
  await unlessRefused(write, () => {
    throw new Problem(
      'conflict',
      `the client was changed in the meantime, or has ${SECRETS_MAX} secrets: delete one, or let others expire`,
    )
  })
  return { secret: row, client_secret }
}

/** Deletes one secret at once, and ends the tokens that came by it. One round trip. */
export async function removeSecret(cx: Context, { client_id, id }: SecretRow): Promise<void> {
  const event = {
    type: 'client.secret_deleted',
    subject_id: client_id,
    data: { secret_id: id },
  } as const
  const lacking = lackingOver(cx, client_id)
  await nameLacks(cx, lacking, () =>
    cx.db.write({
      power: demandPower(lacking),
      event: appendEvent(cx, event, secretExists(client_id, id)),
      secret: takeSecret(client_id, id),
    }),
  )
}
