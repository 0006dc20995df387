// The secrets of a client as operators see them: listed without the secrets themselves, added, deleted. How one is
// made and compared is in secrets.ts.
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { Problem } from '../../errors.ts'
import { assertMayShape, clientNotFound } from './clients.ts'
import { addSecret, type newSecretInput, removeSecret } from './secrets.ts'
import { findClientById, listSecretsOf, type SecretRow } from './store.ts'

export const secretShape = z
  .object({ id: z.string(), created_at: z.int(), expires_at: z.int().nullable() })
  .openapi('ClientSecret')

export const createdSecretSchema = secretShape
  .extend({ client_secret: z.string() })
  .openapi('CreatedClientSecret')

type Secret = z.infer<typeof secretShape>

const describe = ({ id, created_at, expires_at }: SecretRow): Secret => ({
  id,
  created_at,
  expires_at,
})

/** All of them. Throws Problem not_found. One round trip. */
export async function listClientSecrets(cx: Context, id: string): Promise<Secret[]> {
  const {
    client: [client],
    secrets,
  } = await cx.db.read({ client: findClientById(id), secrets: listSecretsOf(id) })
  if (client === undefined) throw clientNotFound()
  return secrets.map(describe)
}

/**
 * Adds one, which is in this answer only. To know a secret of a client is to act as it, so the actor must be allowed
 * to shape the client. Throws Problem. Two round trips, one more for an actor without `manage`.
 */
export async function createClientSecret(
  cx: Context,
  id: string,
  input: z.infer<typeof newSecretInput>,
): Promise<z.infer<typeof createdSecretSchema>> {
  const [client] = await cx.db.read(findClientById(id))
  if (client === undefined) throw clientNotFound()
  await assertMayShape(cx, client)
  const { secret, client_secret } = await addSecret(cx, client, input)
  return { ...describe(secret), client_secret }
}

/** Throws Problem not_found, forbidden. Two round trips, one more for an actor without `manage`. */
export async function removeClientSecret(
  cx: Context,
  id: string,
  secret_id: string,
): Promise<void> {
  const {
    client: [client],
    secrets,
  } = await cx.db.read({ client: findClientById(id), secrets: listSecretsOf(id) })
  if (client === undefined) throw clientNotFound()
  await assertMayShape(cx, client)
  const secret = secrets.find((one) => one.id === secret_id)
  if (secret === undefined) throw new Problem('not_found', 'the client has no such secret')
  await removeSecret(cx, secret)
}
