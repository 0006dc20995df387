// Ends requests whose body comes too slowly. A time for the whole request, as Node has it, would cut
// off an import, whose body is as long as a fleet is large: what counts is how much comes in a while.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'

export type Pace = {
  /** Milliseconds after which is looked. */
  every: number
  /** Bytes that come in that time at least, until the body is whole. */
  least: number
}

/** A quarter of what any operation but an import takes: nothing else goes on for long. */
const PACE: Pace = { every: 30_000, least: 262_144 }

export function endSlowBodies(server: Server, { every, least }: Pace = PACE): void {
  server.requestTimeout = 0
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request
    let before = socket.bytesRead
    let wasWaiting = false
    const timer = setInterval(() => {
      if (request.complete || socket.destroyed) return clearInterval(timer)
      // Where bytes lie here unread, the worker is the slow one, and was until a moment ago.
      const isWaiting = request.readableLength > 0 && !response.writableEnded
      if (!isWaiting && !wasWaiting && socket.bytesRead - before < least) socket.destroy()
      before = socket.bytesRead
      wasWaiting = isWaiting
    }, every)
    timer.unref()
    response.once('close', () => clearInterval(timer))
  })
}
