// Values that are kept sealed for good, and the SECRET_KEYs that seal them. Secrets of the system
// itself that must never change, such as the salt of pairwise subjects, are made on first use, one
// row each in `stored_secret`; a cold process reads them together with the signing keys and
// remembers them as long as it lives. A new SECRET_KEY seals an hour after it was first seen, since
// a program that was not restarted yet has only the old one and must open all that is sealed
// meanwhile. Owns `stored_secret`, and `secret_key`, which holds ids and never a key.
import { type Context, recall, remember } from './context.ts'
import {
  decodeBase64url,
  encodeBase64url,
  isSealedBySealer,
  seal,
  sealerOf,
  sealWith,
  secretKeyIds,
  UnsealError,
  unseal,
} from './crypto.ts'
import { secret_key, stored_secret } from './db/schema.ts'
import { condition, insertInto, refuseUnless, type Statement, sql } from './db/sql.ts'

// --- secrets of the system --------------------------------------------------------------------

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

/** The row of one name, as the database has it now: for a secret that operators replace. */
export const findStoredSecret = (name: string): Statement<StoredSecretRow> =>
  sql`select * from stored_secret where name = ${name}`

/** Keeps a text sealed under a name, in the place of another one. Throws UnsealError. */
export async function keepStoredSecret(
  cx: Context,
  name: string,
  text: string,
): Promise<Statement> {
  await proveSecretKey(cx)
  const value = await seal(cx, contextOfStoredSecret(name), text)
  forgetIndispensable(cx)
  return insertInto(
    stored_secret,
    { name, value, created_at: cx.now() },
    sql`on conflict (name) do update set value = excluded.value, created_at = excluded.created_at`,
  )
}

/** The text of a row that was read. Throws UnsealError. */
export const openStoredSecret = (cx: Context, { name, value }: StoredSecretRow): Promise<string> =>
  unseal(cx, contextOfStoredSecret(name), value)

export const deleteStoredSecret = (name: string): Statement =>
  sql`delete from stored_secret where name = ${name}`

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

/**
 * The secret under a name among rows that were just read, for a caller that has a batch of its own
 * anyway. A new one counts once `making` is written, which undoes the batch when another process
 * made it meanwhile (`stored_secret_made`). Throws UnsealError.
 */
export async function storedSecretAmong(
  cx: Context,
  name: string,
  rows: readonly StoredSecretRow[],
): Promise<{ secret: Uint8Array; making: readonly Statement[] }> {
  const context = contextOfStoredSecret(name)
  const row = acceptStoredSecrets(cx, rows).find((one) => one.name === name)
  const text =
    row === undefined ? encodeBase64url(cx.random(32)) : await unseal(cx, context, row.value)
  const secret = decodeBase64url(text)
  if (secret === null) throw new Error(`the stored secret ${name} is not readable`)
  if (row !== undefined) return { secret, making: [] }
  await proveSecretKey(cx)
  const value = await seal(cx, context, text)
  const isMine = condition`exists (
    select 1 from stored_secret where name = ${name} and value = ${value})`
  return {
    secret,
    making: [
      insertInto(
        stored_secret,
        { name, value, created_at: cx.now() },
        sql`on conflict (name) do nothing`,
      ),
      refuseUnless(isMine, 'stored_secret_made'),
    ],
  }
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

// --- the SECRET_KEYs --------------------------------------------------------------------------

export type SecretKeyRow = typeof secret_key.$inferSelect

/** A value that is sealed at rest; `context` is the one it was sealed with. */
export type SealedValue = { context: string; value: string }

/** Seconds that a new SECRET_KEY waits, so that every program can be restarted with it. */
export const SEALS_AFTER = 3600

const INDISPENSABLE = 'sealed values that must open'
const INDISPENSABLE_TTL = 60

export const listSecretKeys = (): Statement<SecretKeyRow> =>
  sql`select * from secret_key order by first_seen_at, id`

/**
 * The sealed values without which this system cannot go on: stored secrets, and the signing keys
 * that sign or will. A key that is retired only verifies, by its public part.
 */
export const listIndispensable = (now: number): Statement<SealedValue> =>
  sql`select 'stored_secret.value:' || name as context, value from stored_secret
    union all
    select 'signing_key.private_jwk:' || kid as context, private_jwk as value from signing_key
      where not exists (select 1 from signing_key newer where newer.alg = signing_key.alg
        and newer.signs_at > signing_key.signs_at and newer.signs_at <= ${now})`

/** From now on the SECRET_KEY of this id seals, in every program that reads the table again. */
export const sealFromNow = (id: string, now: number): Statement =>
  insertInto(
    secret_key,
    { id, first_seen_at: now, seals_from: now },
    sql<never>`on conflict (id) do update set seals_from = min(seals_from, excluded.seals_from)`,
  )

const UNNOTED = 'secret keys are not noted'

/**
 * For the command line, which is no server: an operator who uses a new SECRET_KEY there before any
 * server has it does not begin its hour.
 */
export function leaveSecretKeysUnnoted(cx: Context): void {
  remember(cx, UNNOTED, true, FOR_GOOD)
}

/**
 * Chooses the SECRET_KEY that seals in this process. Answers the statement that notes the newest
 * one, where it was never seen before. One that opens nothing of what is there seals nothing, and
 * is not noted.
 */
export async function acceptSecretKeys(
  cx: Context,
  rows: readonly SecretKeyRow[],
  values: readonly SealedValue[],
): Promise<Statement | null> {
  remember(cx, INDISPENSABLE, values, INDISPENSABLE_TTL)
  const ids = secretKeyIds(cx)
  const [newest] = ids
  if (newest === undefined) return null
  let known = rows
  let note: Statement | null = null
  if (!rows.some(({ id }) => id === newest)) {
    const unopened = await findUnopened(cx, values)
    if (unopened.length > 0 && unopened.length === values.length) {
      sealWith(cx, null)
      return null
    }
    const isAlone = values.every(({ value }) => sealerOf(value) === newest)
    const first_seen_at = cx.now()
    const row = {
      id: newest,
      first_seen_at,
      seals_from: first_seen_at + (isAlone ? 0 : SEALS_AFTER),
    }
    known = [...rows, row]
    if (recall(cx, UNNOTED) !== true) {
      note = insertInto(secret_key, row, sql<never>`on conflict (id) do nothing`)
    }
  }
  const seals = (id: string) => known.some((row) => row.id === id && row.seals_from <= cx.now())
  sealWith(cx, ids.find(seals) ?? ids.at(-1) ?? newest)
  return note
}

/** The values that no present SECRET_KEY opens. */
export async function findUnopened<Value extends SealedValue>(
  cx: Context,
  values: readonly Value[],
): Promise<Value[]> {
  const unopened: Value[] = []
  for (const one of values) if (!(await isOpened(cx, one))) unopened.push(one)
  return unopened
}

export async function isOpened(cx: Context, { context, value }: SealedValue): Promise<boolean> {
  try {
    await unseal(cx, context, value)
    return true
  } catch (error) {
    if (error instanceof UnsealError) return false
    throw error
  }
}

/**
 * Proves, before something is sealed for good, that this process opens what is there already: other
 * programs would not open what it seals otherwise. `except` is a value that is about to go. No
 * round trip where the signing keys were read lately. Throws UnsealError.
 */
export async function proveSecretKey(cx: Context, except?: string): Promise<void> {
  const known = recall<readonly SealedValue[]>(cx, INDISPENSABLE)
  const values =
    known ??
    remember(cx, INDISPENSABLE, await cx.db.read(listIndispensable(cx.now())), INDISPENSABLE_TTL)
  for (const { context, value } of values) {
    if (context !== except) await unseal(cx, context, value)
  }
}

/** To be called where such a value was deleted. */
export function forgetIndispensable(cx: Context): void {
  cx.memory.delete(INDISPENSABLE)
}
