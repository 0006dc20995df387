// A Token Status List (draft-ietf-oauth-status-list) as a value: the claim of a token that points
// into one, the reading of one, and what it says at an index. Pure; which lists are kept, and from
// where they come, is status_lists.ts's.

import { inflateSync } from 'node:zlib'
import { isJsonObject } from './jwks.ts'
import { isTime, isTimeOrAbsent, readBase64url } from './jws.ts'

/** 16 million entries of two bits. A small answer could inflate to gigabytes. */
const INFLATED_MAX = 4 * 1024 * 1024
const URI_MAX = 512
/** Seconds that a list without `exp` counts from `iat` on. */
const UNSAID_LIFE = 86_400
const TTL = { least: 1, most: 300, unsaid: 10 } // seconds
const LEEWAY = 30 // seconds, for clocks that run apart

/** Place of a token in a list; `iat` is the token's, since an older list may not know it yet. */
export type StatusReference = { readonly uri: string; readonly idx: number; readonly iat: number }

/** `beyond`: the list ends before that index, so it says nothing about the token. */
export type StatusValue = 'valid' | 'ended' | 'superseded' | 'beyond'

export type StatusList = {
  readonly bits: 1 | 2 | 4 | 8
  readonly bytes: Uint8Array
  /** Epoch seconds. */
  readonly iat: number
  readonly exp: number
  /** Seconds until it is asked for again. */
  readonly ttl: number
}

/** §6.2 of the draft. A token that says something here that is not understood does not count. */
export function readStatusClaim(
  claim: unknown,
  issuer: string,
  iat: number,
): StatusReference | undefined | 'malformed' {
  if (claim === undefined) return undefined
  if (!isJsonObject(claim) || !isJsonObject(claim['status_list'])) return 'malformed'
  const { idx, uri } = claim['status_list']
  if (typeof idx !== 'number' || !Number.isSafeInteger(idx) || idx < 0) return 'malformed'
  if (typeof uri !== 'string' || !isBelowIssuer(uri, issuer)) return 'malformed'
  return { uri, idx, iat }
}

/** True for an address of the issuer's own server, spelled in one way: no `..`, no query. */
export function isBelowIssuer(uri: string, issuer: string): boolean {
  if (uri.length > URI_MAX || !URL.canParse(uri)) return false
  const { href, origin, pathname, search, hash, username, password } = new URL(uri)
  if (href !== uri || search + hash + username + password !== '' || /[?#%]/.test(uri)) return false
  const base = new URL(issuer)
  return origin === base.origin && pathname.startsWith(`${base.pathname.replace(/\/$/, '')}/`)
}

export type ListFault =
  | 'malformed'
  | 'wrong_subject'
  | 'wrong_issuer'
  | 'not_yet_valid'
  | 'expired'
  | 'too_large'

/** §5.1 and §8.3 of the draft, behind the signature. `at` is in epoch seconds. */
export function readStatusList(
  claims: Record<string, unknown>,
  uri: string,
  issuer: string,
  at: number,
): StatusList | ListFault {
  const { sub, iss, iat, exp, ttl, status_list } = claims
  if (sub !== uri) return 'wrong_subject'
  if (iss !== undefined && iss !== issuer) return 'wrong_issuer'
  if (!isTime(iat) || !isTimeOrAbsent(exp) || !isJsonObject(status_list)) return 'malformed'
  if (ttl !== undefined && !(typeof ttl === 'number' && ttl > 0)) return 'malformed'
  if (iat > at + LEEWAY) return 'not_yet_valid'
  const end = exp ?? iat + UNSAID_LIFE
  if (end <= at) return 'expired'
  const { bits, lst } = status_list
  if (bits !== 1 && bits !== 2 && bits !== 4 && bits !== 8) return 'malformed'
  const deflated = typeof lst === 'string' ? readBase64url(lst) : undefined
  if (deflated === undefined) return 'malformed'
  let bytes: Uint8Array
  try {
    bytes = inflateSync(deflated, { maxOutputLength: INFLATED_MAX })
  } catch (error) {
    const { code } = error as { code?: string }
    return code === 'ERR_BUFFER_TOO_LARGE' ? 'too_large' : 'malformed'
  }
  const seconds = Math.min(Math.max(ttl ?? TTL.unsaid, TTL.least), TTL.most)
  return { bits, bytes, iat, exp: end, ttl: seconds }
}

/** §4.1 of the draft: entries fill a byte from its least significant bits on. */
export function statusAt({ bits, bytes }: StatusList, idx: number): StatusValue {
  const perByte = 8 / bits
  const byte = bytes[Math.floor(idx / perByte)]
  if (byte === undefined) return 'beyond'
  const value = (byte >> ((idx % perByte) * bits)) & ((1 << bits) - 1)
  if (value === 0) return 'valid'
  // §7.1 of the draft: 1 is "invalid". Any other value says that the token counts no more, and
  // not that its owner ended.
  return value === 1 ? 'ended' : 'superseded'
}

/** Indices whose byte is another one than before; all where nothing is known of before. */
export function* changedIndices(
  before: StatusList | undefined,
  after: StatusList,
  watched: Iterable<number>,
): Generator<number> {
  if (before === undefined || before.bits !== after.bits) {
    yield* watched
    return
  }
  const perByte = 8 / after.bits
  const length = Math.max(before.bytes.length, after.bytes.length)
  for (let at = 0; at < length; at++) {
    if (before.bytes[at] === after.bytes[at]) continue
    for (let entry = 0; entry < perByte; entry++) yield at * perByte + entry
  }
}
