// Guesses at secrets of programs. 32 random characters are not guessed, and most requests present
// the right one, which must cost no write. Only wrong guesses are counted, in the database for all
// instances, and in the memory of each before the next secret is compared.
import { type AttemptKey, addressKey, attemptHash, limit } from './attempts.ts'
import { type Context, recall, remember } from './context.ts'
import { type Statement, sql } from './db/sql.ts'
import { OAuthError } from './errors.ts'
import { loadSettings } from './settings.ts'

/** Seconds by which a comparison is put off while many guess at the secrets of one owner. */
const PAUSE = 1

/** Most pairs of owner and address that one process remembers. */
const REMEMBERED_MAX = 1000

/** Seconds for which the names are kept: a new SECRET_KEY gives others. */
const NAMES_TTL = 60

/** Wrong guesses that were counted: those from this address, and those from everywhere. */
export type GuessRow = { from_here: number; count: number }

/**
 * The read that `judgeSecret` needs, for the batch that finds the owner of the secret, which is a
 * client or device.
 */
export function findGuesses(cx: Context, owner: string): Statement<GuessRow> {
  const { all, from_here } = guessHashes(cx, owner)
  return sql`select key <> ${all} as from_here, count from attempt
    where key in (${all}, ${from_here}) and resets_at > ${cx.now()}`
}

/** The names of the counters in the table, made once for each pair of owner and address. */
function guessHashes(cx: Context, owner: string): { all: string; from_here: string } {
  const name = 'counters of guesses at secrets'
  const made =
    recall<Map<string, { all: string; from_here: string }>>(cx, name) ??
    remember(cx, name, new Map(), NAMES_TTL)
  const { here, inAll } = guessKeys(cx, owner)
  const pair = `${owner}\n${here?.value ?? ''}`
  const known = made.get(pair)
  if (known !== undefined) return known
  const hashes = { all: attemptHash(cx, inAll), from_here: attemptHash(cx, here ?? inAll) }
  // A Map keeps the order of insertion: the first is the oldest.
  const [oldest] = made.keys()
  if (made.size >= REMEMBERED_MAX && oldest !== undefined) made.delete(oldest)
  made.set(pair, hashes)
  return hashes
}

/** `here` is null for peers that cannot be told apart: they must not lock each other out. */
function guessKeys(cx: Context, owner: string): { here: AttemptKey | null; inAll: AttemptKey } {
  const address = addressKey(cx.address)
  return {
    here: address === null ? null : { purpose: 'secret by address', value: `${owner}\n${address}` },
    inAll: { purpose: 'secret', value: owner },
  }
}

/**
 * Answers the find of `compare` for a presented secret (false or undefined: none), unless too many
 * wrong ones came from this address. Guesses from elsewhere never refuse anybody, since ids are
 * public; they put the comparison off. One round trip for a wrong secret, none for the right one.
 * Throws OAuthError too_many_requests.
 */
export async function judgeSecret<T>(
  cx: Context,
  owner: string,
  guesses: readonly GuessRow[],
  compare: () => T,
): Promise<T | false> {
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
  const found = compare()
  if (found) return found
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
