// Challenges of passkeys. One is a random text with its end and a MAC over both, and over the
// browser and the step that it was made for; so a page costs no write, and no other browser or step
// can use it. Answered ones are noted, and taken once.
import type { Context } from '../../context.ts'
import { encodeBase64url, mac, randomToken, sha256OfBytes, verifyMac } from '../../crypto.ts'
import { passkey_challenge } from '../../db/schema.ts'
import { type Condition, condition, insertWhere, type Statement, sql, TRUE } from '../../db/sql.ts'
import { PasskeyFault } from './webauthn.ts'

const PURPOSE = 'passkey challenge'
/** Seconds for which the page may be open. */
const TTL = 300

/** The step that a challenge is good for, and the browser, sign-in or session that has it. */
export type PasskeyStep = { purpose: 'sign in' | 'second factor' | 'add'; bound: string }

const boundText = (head: string, { purpose, bound }: PasskeyStep) => `${head} ${purpose} ${bound}`

/** A new challenge, in base64url. */
export function makeChallenge(cx: Context, step: PasskeyStep): string {
  const head = `${randomToken(cx, 16)}.${cx.now() + TTL}`
  const text = `${head}.${mac(cx, PURPOSE, boundText(head, step))}`
  return encodeBase64url(new TextEncoder().encode(text))
}

export type Challenge = { hash: string; expires_at: number }

/** The challenge of a response, if it was made for this step. Throws PasskeyFault. */
export function readChallenge(cx: Context, step: PasskeyStep, bytes: Uint8Array): Challenge {
  const [head, expires, tag] =
    /^([A-Za-z0-9_-]{22}\.([0-9]{1,12}))\.([A-Za-z0-9_-]{43})$/
      .exec(new TextDecoder().decode(bytes))
      ?.slice(1) ?? []
  const expires_at = Number(expires)
  if (head === undefined || tag === undefined || !(expires_at > cx.now())) {
    throw new PasskeyFault('passkey_challenge')
  }
  if (!verifyMac(cx, PURPOSE, boundText(head, step), tag)) {
    throw new PasskeyFault('passkey_challenge')
  }
  return { hash: sha256OfBytes(bytes), expires_at }
}

/** The challenge, if it was answered. */
export const findSpentChallenge = ({ hash }: Challenge): Statement<{ hash: string }> =>
  sql`select hash from passkey_challenge where hash = ${hash}`

/** Notes that this request answers the challenge, unless another one did. */
export const spendChallenge = (cx: Context, { hash, expires_at }: Challenge): Statement =>
  insertWhere(
    passkey_challenge,
    { hash, used_by: cx.rid, expires_at },
    TRUE,
    sql`on conflict (hash) do nothing`,
  )

/** A condition: this request answered the challenge. */
export const challengeIsMine = (cx: Context, { hash }: Challenge): Condition =>
  condition`exists (select 1 from passkey_challenge where hash = ${hash} and used_by = ${cx.rid})`

/** For the timer: their challenges are too old by themselves. */
export const deleteOldChallenges = (cx: Context): Statement =>
  sql`delete from passkey_challenge where expires_at <= ${cx.now()}`
