// The log line of a refused request: the one place where it is written, and where its event begins.
import { type Context, legible } from './context.ts'
import { OAuthError, type Problem } from './errors.ts'
import { noteRefusal } from './events/refusal_events.ts'

/**
 * Logs and counts a refusal: its reason, the parties of the request, and the words of its cause,
 * such as those of the database. No parameter, header or body goes into the log.
 */
export function logRefusal(cx: Context, failure: OAuthError | Problem): void {
  const { status, reason, cause } = failure
  const { client_id, sub } = cx.parties
  const isBug = reason === 'bug'
  const level = isBug ? 'error' : status >= 500 ? 'warn' : 'info'
  cx.log(level, isBug ? 'a request failed' : 'a request was refused', {
    status,
    error: failure instanceof OAuthError ? failure.error : failure.type,
    reason,
    ...(client_id === null ? {} : { client_id: legible(client_id) }),
    ...(sub === null ? {} : { sub }),
    ...(cause === undefined ? {} : { cause: wordsOf(cause) }),
    ...(isBug && cause instanceof Error ? { stack: cause.stack } : {}),
  })
  noteRefusal(cx, failure)
}

/** Most characters of the words of a cause in the log. */
const WORDS_MAX = 1000

/** Most errors of a chain of causes that are read; a cause may lead back to itself. */
const CAUSES_MAX = 8

/** The words of an error and of all its causes. */
function wordsOf(error: unknown): string {
  const words: string[] = []
  let one = error
  for (let count = 0; one !== undefined && count < CAUSES_MAX; count++) {
    const text = one instanceof Error ? one.message : String(one)
    // Drivers often repeat the words of the error that they wrap.
    if (!words.some((earlier) => earlier.includes(text))) words.push(text)
    one = one instanceof Error ? one.cause : undefined
  }
  return legible(words.join(': '), WORDS_MAX)
}
