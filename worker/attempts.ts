// Limits on failed attempts, counted in the database so that all isolates share them. An attempt is
// counted before the work that costs time or reveals something, in one statement, and given back
// when it succeeded. So parallel guesses cannot slip through, and only failures count.
// Guesses at secrets of programs are another case: secret_guesses.ts.
import type { Context } from './context.ts'
import { mac } from './crypto.ts'
import {
  type Condition,
  condition,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from './db/sql.ts'

export type AttemptKey = {
  purpose: string
  value: string
  /** Name of the counter that stands in its place, where this is not null. */
  instead?: Scalar
}

/** The key as the table has it. */
export const attemptHash = (cx: Context, { purpose, value }: AttemptKey): string =>
  mac(cx, `attempt ${purpose}`, value)

export type Limit = {
  max: number
  /** Counts one attempt and answers how many there are now, this one included. */
  take: Statement<{ count: number }>
  /** The same if the condition holds; else it counts nothing and answers no row. */
  takeWhen(condition: Condition): Statement<{ count: number }>
  /** A condition for the statements after `take` in its batch: the attempt was within the limit. */
  isWithin: Condition
  /** Gives the attempt back after success. */
  giveBack: Statement<never>
}

/**
 * A limit of `max` failures in `window` seconds for `key` (purpose and value; only its HMAC is
 * stored).
 */
export function limit(
  cx: Context,
  key: AttemptKey,
  { max, window }: { max: number; window: number },
): Limit {
  const now = cx.now()
  const own = attemptHash(cx, key)
  const hashed = key.instead === undefined ? own : scalar`coalesce(${key.instead}, ${own})`
  const takeWhen = (when: Condition) => sql<{ count: number }>`
    insert into attempt (key, count, resets_at) select ${hashed}, 1, ${now + window} where ${when}
      on conflict (key) do update set
        count = case when resets_at <= ${now} then 1 else count + 1 end,
        resets_at = case when resets_at <= ${now} then ${now + window} else resets_at end
      returning count`
  return {
    max,
    take: takeWhen(TRUE),
    takeWhen,
    isWithin: condition`exists (select 1 from attempt where key = ${hashed} and count <= ${max})`,
    giveBack: sql`update attempt set count = count - 1 where key = ${hashed} and count > 0`,
  }
}

/**
 * The peer as limits per address count it: an IPv4 address, or the /64 of one IPv6 subscriber. Null
 * when the address is unknown.
 */
export function addressKey(address: string): string | null {
  if (address === '') return null
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped?.[1] !== undefined) return mapped[1]
  if (!address.includes(':')) return address
  const [head = '', tail] = (address.split('%')[0] ?? '').toLowerCase().split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const gap = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length)
  const groups = [...left, ...Array<string>(gap).fill('0'), ...right]
  return groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')
}

/** For the timer: forgets counters whose window has ended. */
export const deleteOldAttempts = (cx: Context): Statement =>
  sql`delete from attempt where resets_at <= ${cx.now()}`
