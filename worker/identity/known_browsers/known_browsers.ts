// Browsers in which a person completed a sign-in (device cookies of OWASP's "Slow Down Online
// Guessing Attacks with Device Cookies"). A guess in such a browser is counted under its cookie,
// any other under the account. So nobody else can stop a person in a browser that was used before,
// and whoever steals the cookie gets a small count and nothing more: it is neither a session nor a
// factor, names no account, and is of no use with another one.
// The cookie is random and the table has its hash, since a row can be ended: a cookie that proves
// itself by a MAC would need a counter of the account to end, and its name where it is read.
// Owns the table `known_browser` (known_browser_store.ts). Leaves the counting to attempts.ts.
import type { AttemptKey } from '../../attempts.ts'
import type { Context } from '../../context.ts'
import { randomToken, sha256 } from '../../crypto.ts'
import { type Condition, type Scalar, type Statement, scalar } from '../../db/sql.ts'
import type { Http } from '../../http.ts'
import { readCookie, writeCookie } from '../../web/cookies.ts'
import {
  deleteSurplusBrowsers,
  insertKnownBrowser,
  isKnownBrowser,
  knownBrowserOf,
  updateKnownBrowser,
} from './known_browser_store.ts'

const COOKIE = 'known_browser'
/** Seconds since the last sign-in. */
const TTL = 365 * 86_400
/** People who share a browser and are known in it. */
const PEOPLE_MAX = 5

/** Values of the cookie, one for each person who signed in; which is whose is not said. */
export type KnownBrowsers = readonly string[]

/** The values that the browser has. They may be made up: only the table says that one counts. */
export function readKnownBrowsers(c: Http): KnownBrowsers {
  const values = (readCookie(c, COOKIE) ?? '').split('.')
  const isFormed = values.every((value) => /^[A-Za-z0-9_-]{43}$/.test(value))
  return isFormed && values.length <= PEOPLE_MAX ? values : []
}

export const writeKnownBrowsers = (c: Http, values: KnownBrowsers): void =>
  writeCookie(c, COOKIE, values.join('.'), TTL)

const hashOf = (value: string): string => sha256(`known browser ${value}`)

/** Hashes of the values, for statements. */
export const browserHashes = (browsers: KnownBrowsers): readonly string[] => browsers.map(hashOf)

/** A condition: the browser is known as that of the person. */
export const isKnownTo = (
  cx: Context,
  browsers: KnownBrowsers,
  user_id: string | Scalar,
): Condition => isKnownBrowser(cx, browserHashes(browsers), user_id)

/**
 * The counter of the browser in place of `key` where the browser is known as that of the person.
 * `has_factor`: for guesses at a second factor, only where one was proven there before, since
 * whoever has the password may have made many browsers known before the person had a factor.
 */
export function countedInBrowser(
  cx: Context,
  key: AttemptKey,
  browsers: KnownBrowsers,
  user_id: string | Scalar,
  { has_factor }: { has_factor: boolean } = { has_factor: false },
): AttemptKey {
  if (browsers.length === 0) return key
  const known = knownBrowserOf(cx, browserHashes(browsers), user_id, { has_factor })
  return { ...key, instead: scalar`${`${key.purpose} in browser `} || ${known}` }
}

/**
 * Makes the browser known to the person, where the condition holds: behind a sign-in that is
 * complete. A value that somebody else put into the browser never becomes that of the person.
 */
export function makeKnown(
  cx: Context,
  browsers: KnownBrowsers,
  person: { user_id: string; has_factor: boolean },
  when: Condition,
): {
  statements: readonly Statement[]
  /** The hash of the value that is the person's now. */
  known: Scalar
  /** The values that the browser keeps, once `known` was answered. */
  valuesAfter(known: string | null): KnownBrowsers
} {
  const { user_id } = person
  const value = randomToken(cx)
  const hash = hashOf(value)
  const hashes = browserHashes(browsers)
  const row = {
    user_id,
    has_factor: person.has_factor ? 1 : 0,
    last_at: cx.now(),
    expires_at: cx.now() + TTL,
  }
  return {
    statements: [
      ...(hashes.length === 0 ? [] : [updateKnownBrowser(cx, hashes, row, when)]),
      insertKnownBrowser(cx, { hash, ...row }, hashes, when),
      deleteSurplusBrowsers(user_id),
    ],
    known: knownBrowserOf(cx, [...hashes, hash], user_id, { has_factor: false }),
    valuesAfter(known) {
      const own = [value, ...browsers].find((one) => hashOf(one) === known)
      if (own === undefined) return browsers
      return [own, ...browsers.filter((one) => one !== own)].slice(0, PEOPLE_MAX)
    },
  }
}
