// Passwords that are known from leaks, looked up by a range (k-anonymity, as Have I Been Pwned
// offers it): five hexadecimal digits of the SHA-1 go out, and all that begin so come back. The
// service learns neither the password nor whose it is, and the padding hides how many there are.
// A service that is slow, silent or wrong stops nobody: the password is taken, and the event counts
// how often it was so.
import { sha1 } from '@oslojs/crypto/sha1'
import { encodeHexUpperCase } from '@oslojs/encoding'
import type { Context } from '../../context.ts'
import { countEvent } from '../../events.ts'
import { OutsideRefused } from '../../outside.ts'

const TIMEOUT_MS = 1000
/** Some 2,000 lines; a range with its padding has about half of that. */
const MAX_BYTES = 131_072
const PREFIX = 5

/** The rest of a SHA-1, and how often it was seen; 0 for lines that only fill up. */
const LINE = /^([0-9A-F]{35}):(\d{1,12})$/i

/** `url` is the address before the five digits; '' where nothing is asked. */
export async function isBreached(cx: Context, url: string, bytes: Uint8Array): Promise<boolean> {
  if (url === '') return false
  const digest = encodeHexUpperCase(sha1(bytes))
  const range = await fetchRange(cx, `${url.replace(/\/$/, '')}/${digest.slice(0, PREFIX)}`)
  return range?.get(digest.slice(PREFIX)) ?? false
}

/** The rests that come back, and whether each was seen; null where nothing usable did. */
async function fetchRange(cx: Context, url: string): Promise<Map<string, boolean> | null> {
  try {
    const { status, text } = await cx.fetch(url, {
      headers: { 'Add-Padding': 'true', Accept: 'text/plain' },
      max_bytes: MAX_BYTES,
      timeout_ms: TIMEOUT_MS,
    })
    if (status !== 200) throw new RangeUnusable('status')
    return readRange(text)
  } catch (error) {
    const isExpected = error instanceof OutsideRefused || error instanceof RangeUnusable
    if (!isExpected) throw error
    noteUnavailable(cx, error.reason)
    return null
  }
}

class RangeUnusable extends Error {
  readonly reason: string

  constructor(reason: string) {
    super(`the range of breached passwords is unusable: ${reason}`)
    this.reason = reason
  }
}

function readRange(text: string): Map<string, boolean> {
  const range = new Map<string, boolean>()
  for (const line of text.split(/\r?\n/)) {
    if (line === '') continue
    const [, rest, count] = LINE.exec(line) ?? []
    if (rest === undefined || count === undefined) throw new RangeUnusable('not_a_range')
    range.set(rest.toUpperCase(), Number(count) > 0)
  }
  // Every range of the real service has hundreds.
  if (range.size === 0) throw new RangeUnusable('empty')
  return range
}

/** Behind the answer: the person does not wait for it. */
function noteUnavailable(cx: Context, reason: string): void {
  cx.log('warn', 'breached passwords could not be looked up', { reason })
  const event = {
    type: 'breached_passwords.unavailable',
    outcome: 'failure',
    subject_id: null,
    data: { reason },
  } as const
  const minute = cx.now() - (cx.now() % 60)
  cx.background(cx.db.write(countEvent(cx, event, { count: 1, last_at: cx.now(), minute })))
}
