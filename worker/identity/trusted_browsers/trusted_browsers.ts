// Browsers that are not asked for the second factor for some days, since the person proved it there
// and said so. It counts after a password alone, for people of whom nothing demands a factor, and
// proves nothing: the session that begins so has one method, and whoever demands two asks for the
// second (`require_acr`, an essential `acr`, the setting, a group, a role, the pages that change
// factors). The cookie is random, renewed with each proof, and the table has its hash.
// Ended by another password, a factor that is removed, the end of all sessions, the epoch of the
// person, and by the person on the page of the account.
// Owns the table `trusted_browser` (trusted_browser_store.ts). Leaves the question to sign_in/.
import { as, type Context } from '../../context.ts'
import { randomToken, sha256 } from '../../crypto.ts'
import { type Condition, condition, type Scalar, type Statement, scalar } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import type { Http } from '../../http.ts'
import { TRUST_DAYS_MAX } from '../../settings/factor_settings.ts'
import { readCookie, writeCookie } from '../../web/cookies.ts'
import { factorIsDemanded } from '../factors/factor_store.ts'
import {
  browserIsTrusted,
  deleteTrustedBrowser,
  insertTrustedBrowser,
  moveTrustOfOthers,
  trustExists,
} from './trusted_browser_store.ts'

const COOKIE = 'trusted_browser'
const USER_AGENT_MAX = 300

/** The value of the cookie, which may be made up. */
export function readTrustedBrowser(c: Http): string | undefined {
  const value = readCookie(c, COOKIE)
  return value !== undefined && /^[A-Za-z0-9_-]{43}$/.test(value) ? value : undefined
}

export const writeTrustedBrowser = (c: Http, value: string): void =>
  writeCookie(c, COOKIE, value, TRUST_DAYS_MAX * 86_400)

const hashOf = (value: string): string => sha256(`trusted browser ${value}`)

/** A condition: the person need not prove the second factor in this browser. */
export const skipsFactor = (
  cx: Context,
  { browser, days }: { browser: string | undefined; days: number },
  user_id: string | Scalar,
): Condition =>
  browser === undefined || days === 0
    ? condition`false`
    : condition`${browserIsTrusted(cx, { hash: hashOf(browser), days }, user_id)}
        and not ${factorIsDemanded(cx, scalar`${user_id}`)}`

/** Trusts the browser from now on, where the condition holds, under a new value. */
export function trustBrowser(
  cx: Context,
  {
    user_id,
    browser,
    user_agent,
  }: {
    user_id: string
    /** The value that the browser has. */
    browser: string | undefined
    user_agent: string
  },
  when: Condition,
): { value: string; statements: readonly Statement[] } {
  const value = randomToken(cx)
  const hash = hashOf(value)
  const row = {
    hash,
    user_id,
    trusted_at: cx.now(),
    address: cx.address,
    user_agent: [...user_agent.replaceAll('\0', '')].slice(0, USER_AGENT_MAX).join(''),
  }
  const before = browser === undefined ? null : hashOf(browser)
  const isTrusted = trustExists(user_id, hash)
  return {
    value,
    statements: [
      insertTrustedBrowser(row, when),
      ...(before === null
        ? []
        : [
            deleteTrustedBrowser(user_id, before, isTrusted),
            moveTrustOfOthers({ from: before, to: hash, user_id }, isTrusted),
          ]),
      appendEvent(
        as(cx, { kind: 'user', id: user_id }),
        { type: 'browser.trusted', subject_id: user_id },
        isTrusted,
      ),
    ],
  }
}

/** Asks for the second factor again in that browser. One write. */
export async function endTrust(cx: Context, user_id: string, hash: string): Promise<void> {
  await cx.db.write([
    appendEvent(
      as(cx, { kind: 'user', id: user_id }),
      { type: 'browser.trust_ended', subject_id: user_id },
      trustExists(user_id, hash),
    ),
    deleteTrustedBrowser(user_id, hash),
  ])
}
