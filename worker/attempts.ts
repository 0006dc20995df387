// Limits on failed attempts, counted in the database so that all isolates share them. An attempt is
// counted before the work that costs time or reveals something, in one statement, and given back
// when it succeeded. So parallel guesses cannot slip through, and only failures count.
//
// Secrets of programs are another case: 32 random characters are not guessed, and most requests
// present the right one, which must cost no write. Only wrong guesses are counted, in the database
// for all instances, and in the memory of each before the next secret is compared.
import { type Context, recall, remember } from './context.ts'
import { mac } from './crypto.ts'
import { type Condition, condition, type Statement, sql } from './db/sql.ts'
import { OAuthError } from './errors.ts'
import { loadSettings } from './settings.ts'

type Key = { purpose: string; value: string }

const hashOf = (cx: Context, { purpose, value }: Key): string =>
  mac(cx, `attempt ${purpose}`, value)

export type Limit = {
  max: number
  /** Counts one attempt and answers how many there are now, this one included. */
  take: Statement<{ count: number }>
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
  key: Key,
  { max, window }: { max: number; window: number },
): Limit {
  const now = cx.now()
  const hashed = hashOf(cx, key)
  return {
    max,
    take: sql`insert into attempt (key, count, resets_at) values (${hashed}, 1, ${now + window})
      on conflict (key) do update set
        count = case when resets_at <= ${now} then 1 else count + 1 end,
        resets_at = case when resets_at <= ${now} then ${now + window} else resets_at end
      returning count`,
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

// --- guesses at secrets of programs -----------------------------------------------------------

/** Seconds by which a comparison is put off while many guess at the secrets of one owner. */
const PAUSE = 1

/** Most pairs of owner and address that one process remembers. */
const REMEMBERED_MAX = 1000

/** Wrong guesses that were counted: those from this address, and those from everywhere. */
export type GuessRow = { from_here: number; count: number }

/**
 * The read that `judgeSecret` needs, for the batch that finds the owner of the secret, which is a
 * client or device.
 */
export function findGuesses(cx: Context, owner: string): Statement<GuessRow> {
  const { here, inAll } = guessKeys(cx, owner)
  const all = hashOf(cx, inAll)
  const from_here = hashOf(cx, here ?? inAll)
  return sql`select key <> ${all} as from_here, count from attempt
    where key in (${all}, ${from_here}) and resets_at > ${cx.now()}`
}

/** `here` is null for peers that cannot be told apart: they must not lock each other out. */
function guessKeys(cx: Context, owner: string): { here: Key | null; inAll: Key } {
  const address = addressKey(cx.address)
  return {
    here: address === null ? null : { purpose: 'secret by address', value: `${owner}\n${address}` },
    inAll: { purpose: 'secret', value: owner },
  }
}

/**
 * Whether a presented secret is right: `compare` says so, unless too many wrong ones came from this
 * address. Guesses from elsewhere never refuse anybody, since ids are public; they put the
 * comparison off. One round trip for a wrong secret, none for the right one. Throws OAuthError
 * too_many_requests.
 */
export async function judgeSecret(
  cx: Context,
  owner: string,
  guesses: readonly GuessRow[],
  compare: () => boolean,
): Promise<boolean> {
  const settings = await loadSettings(cx)
  const { secret_attempts_per_address: max, login_attempts_window: window } = settings
  const counted = (from_here: number) =>
    guesses.find((row) => row.from_here === from_here)?.count ?? 0
  if (counted(0) >= settings.secret_attempts_per_client) await cx.pause(PAUSE)
  const { here, inAll } = guessKeys(cx, owner)
  const seen = here === null ? null : wrongGuesses(cx, here.value)
  // From here to the comparison nothing waits, so parallel guesses are counted one by one.
  if (seen !== null && Math.max(counted(1), seen.count) >= max) {
    throw new OAuthError('too_many_requests', {
      description: 'too many wrong secrets came from this address; try again later',
      reason: 'too_many_wrong_secrets',
      retry_after: window,
    })
  }
  if (compare()) return true
  seen?.add(window)
  await cx.db.write(
    [here, inAll].flatMap((key) => (key === null ? [] : [limit(cx, key, { max, window }).take])),
  )
  return false
}

/** The wrong guesses that this process saw under a key. */
function wrongGuesses(cx: Context, key: string): { count: number; add(window: number): void } {
  const name = 'wrong guesses at secrets'
  const seen =
    recall<Map<string, { count: number; until: number }>>(cx, name) ??
    remember(cx, name, new Map(), Number.MAX_SAFE_INTEGER / 2)
  const known = seen.get(key)
  const count = known !== undefined && known.until > cx.now() ? known.count : 0
  return {
    count,
    add(window) {
      // A Map keeps the order of insertion: the first is the oldest.
      const [oldest] = seen.keys()
      if (seen.size >= REMEMBERED_MAX && oldest !== undefined) seen.delete(oldest)
      const until = count === 0 ? cx.now() + window : (known?.until ?? 0)
      seen.set(key, { count: count + 1, until })
    },
  }
}

/** For the timer: forgets counters whose window has ended. */
export const deleteOldAttempts = (cx: Context): Statement =>
  sql`delete from attempt where resets_at <= ${cx.now()}`
