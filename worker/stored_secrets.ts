// Secrets of the system itself that must never change, such as the salt of pairwise subjects: made
// on first use, sealed under SECRET_KEY, one row each in `stored_secret`. A cold process reads them
// together with the signing keys and remembers them as long as it lives.
import { type Context, recall, remember } from './context.ts'
import { decodeBase64url, encodeBase64url, isSealedBySealer, seal, unseal } from './crypto.ts'
import { stored_secret } from './db/schema.ts'
import { insertInto, type Statement, sql } from './db/sql.ts'
import { proveSecretKey } from './secret_keys.ts'

export type StoredSecretRow = typeof stored_secret.$inferSelect

const MEMORY = 'stored secrets'
const FOR_GOOD = Number.MAX_SAFE_INTEGER / 2

export const listStoredSecrets = (): Statement<StoredSecretRow> => sql`select * from stored_secret`

/** Remembers rows that were read. */
export function acceptStoredSecrets(
  cx: Context,
  rows: readonly StoredSecretRow[],
): readonly StoredSecretRow[] {
  return remember(cx, MEMORY, rows, FOR_GOOD)
}

/** The place of a stored secret, which its sealed value is bound to. */
export const contextOfStoredSecret = (name: string): string => `stored_secret.value:${name}`

/** Replaces the sealed value by another one of the same secret. */
export const resealStoredSecret = ({ name, value }: StoredSecretRow, resealed: string): Statement =>
  sql`update stored_secret set value = ${resealed} where name = ${name} and value = ${value}`

/** 32 bytes under a name. Warm: no round trip. Throws UnsealError when no SECRET_KEY opens them. */
export async function storedSecret(cx: Context, name: string): Promise<Uint8Array> {
  const memory = `stored secret ${name}`
  const known = recall<Uint8Array>(cx, memory)
  if (known !== undefined) return known
  const context = contextOfStoredSecret(name)
  const row = await findOrMake(cx, name, context)
  const secret = decodeBase64url(await unseal(cx, context, row.value))
  if (secret === null) throw new Error(`the stored secret ${name} is not readable`)
  if (!isSealedBySealer(cx, row.value)) {
    // Otherwise it would be lost with the old SECRET_KEY. Of several processes that do so, one
    // succeeds.
    await cx.db.write(resealStoredSecret(row, await seal(cx, context, encodeBase64url(secret))))
  }
  return remember(cx, memory, secret, FOR_GOOD)
}

async function findOrMake(cx: Context, name: string, context: string): Promise<StoredSecretRow> {
  const isIt = (row: StoredSecretRow) => row.name === name
  const known =
    recall<readonly StoredSecretRow[]>(cx, MEMORY) ??
    acceptStoredSecrets(cx, await cx.db.read(listStoredSecrets()))
  const remembered = known.find(isIt)
  if (remembered !== undefined) return remembered
  await proveSecretKey(cx)
  const value = await seal(cx, context, encodeBase64url(cx.random(32)))
  const created_at = cx.now()
  const { rows } = await cx.db.write({
    // The first process makes it, also when this batch runs twice.
    change: insertInto(
      stored_secret,
      { name, value, created_at },
      sql`on conflict (name) do nothing`,
    ),
    rows: listStoredSecrets(),
  })
  const made = acceptStoredSecrets(cx, rows).find(isIt)
  if (made === undefined) throw new Error(`the stored secret ${name} was not stored`)
  return made
}
