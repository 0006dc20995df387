// Requests that nobody has signed in for yet: anybody can cause their rows, by a browser without a
// session or as a public client. So the size of a row is bounded, and how many one address leaves
// unfinished. Requests of people who are signed in, and of clients that authenticate, are not
// counted.
import { addressKey, type Limit, limit } from '../../attempts.ts'
import type { Context } from '../../context.ts'
import { OAuthError } from '../../errors.ts'
import type { Settings } from '../../settings.ts'
import { refuse } from './request.ts'

/** Longest stored form of a request, in characters. */
export const STORED_MAX = 12_288

/** The text of a request to store. Throws OAuthError invalid_request when it is too long. */
export function storedText(request: object): string {
  const text = JSON.stringify(request)
  if (text.length <= STORED_MAX) return text
  throw refuse('invalid_request', 'the request is too long', 'request_too_long')
}

/**
 * The count of requests that this address leaves unfinished. Null for peers that cannot be told
 * apart: they must not lock each other out.
 */
export function unfinishedRequests(
  cx: Context,
  { unfinished_requests_per_address: max, request_ttl: window }: Settings,
): Limit | null {
  const address = addressKey(cx.address)
  return address === null
    ? null
    : limit(cx, { purpose: 'unfinished request', value: address }, { max, window })
}

/** The refusal, once the count is above its limit. */
export const tooManyUnfinished = ({ request_ttl }: Settings) =>
  new OAuthError('temporarily_unavailable', {
    description: 'too many sign-ins were begun from this address and not finished; try again later',
    reason: 'unfinished_requests_per_address',
    status: 429,
    retry_after: request_ttl,
  })
