// Bodies that come too slowly, on Node. Its own limit is on the time of a whole request, and an
// import of a million rows takes minutes; so here the limit is on bytes within a time.
// The room is HTTP as hosts have it; outside_requests.ts sends what goes outside.
// Tables: none. Leaves slow heads to Node, and the size of a body to app.ts.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'

export type SlowBodyLimit = {
  seconds: number
  /** As many have to come in each time of `seconds`, or the end of the body. */
  bytes: number
}

type Look = { answer: ServerResponse; at: number; bytes: number }

/**
 * Ends requests whose body falls below the limit, with 408 where no answer has begun. A peer that
 * waits until its body is read is not slow. Replaces `requestTimeout`.
 */
export function endSlowBodies(server: Server, { seconds, bytes }: SlowBodyLimit): void {
  server.requestTimeout = 0
  const looks = new Map<IncomingMessage, Look>()
  server.on('request', (request, answer) => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
    if (encoding === undefined && (length === undefined || length === '0')) return
    looks.set(request, { answer, at: Date.now(), bytes: request.socket.bytesRead })
    request.once('close', () => looks.delete(request))
  })
  const timer = setInterval(() => {
    const now = Date.now()
    for (const [request, look] of looks) {
      const { socket } = request
      if (request.complete) {
        looks.delete(request)
      } else if (socket.isPaused() || socket.bytesRead - look.bytes >= bytes) {
        looks.set(request, { ...look, at: now, bytes: socket.bytesRead })
      } else if (now - look.at >= seconds * 1000) {
        looks.delete(request)
        if (!look.answer.headersSent) socket.write(TOO_SLOW)
        socket.destroySoon()
      }
    }
  }, seconds * 250)
  timer.unref()
  server.once('close', () => clearInterval(timer))
}

const TOO_SLOW = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'
