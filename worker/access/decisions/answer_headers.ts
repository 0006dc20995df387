// Headers of every answer at /access/v1.
import type { Http } from '../../http.ts'

/**
 * Forbids storing, since a decision holds for this moment only. Echoes the request id that a caller
 * sent.
 */
export function setAnswerHeaders(c: Http): void {
  c.header('Cache-Control', 'no-store')
  const id = c.req.header('x-request-id')
  if (id !== undefined && /^[\x20-\x7e]{1,200}$/.test(id)) c.header('X-Request-ID', id)
}
