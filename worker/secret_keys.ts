// The SECRET_KEYs of the programs on this database: which one seals, and whether it opens what is
// there. A new one seals an hour after it was first seen, since a program that was not restarted
// yet has only the old one and must be able to open all that is sealed meanwhile. Owns the table
// `secret_key`, which holds ids and never a key. What is sealed is in tables of other rooms.
import { type Context, recall, remember } from './context.ts'
import { sealerOf, sealWith, secretKeyIds, UnsealError, unseal } from './crypto.ts'
import { secret_key } from './db/schema.ts'
import { insertInto, type Statement, sql } from './db/sql.ts'

export type SecretKeyRow = typeof secret_key.$inferSelect

/** A value that is sealed at rest; `context` is the one it was sealed with. */
export type SealedValue = { context: string; value: string }

/** Seconds that a new SECRET_KEY waits, so that every program can be restarted with it. */
export const SEALS_AFTER = 3600

const MEMORY = 'sealed values that must open'
const MEMORY_TTL = 60

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
  sql`update secret_key set seals_from = min(seals_from, ${now}) where id = ${id}`

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
  remember(cx, MEMORY, values, MEMORY_TTL)
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
    note = insertInto(secret_key, row, sql<never>`on conflict (id) do nothing`)
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
  const known = recall<readonly SealedValue[]>(cx, MEMORY)
  const values =
    known ?? remember(cx, MEMORY, await cx.db.read(listIndispensable(cx.now())), MEMORY_TTL)
  for (const { context, value } of values) {
    if (context !== except) await unseal(cx, context, value)
  }
}

/** To be called where such a value was deleted. */
export function forgetIndispensable(cx: Context): void {
  cx.memory.delete(MEMORY)
}
