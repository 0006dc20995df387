// The close of a stream on which nothing more will be said: its last bytes get out, as long as the
// peer goes on taking them.

import type { Duplex } from 'node:stream'

/**
 * Flushes the stream and reads no more of it. It is destroyed when the peer took nothing for
 * `patience_ms`, or has taken everything and does not close its side within `grace_ms`.
 */
export function closeInTime(stream: Duplex, patience_ms: number, grace_ms: number): void {
  if (stream.destroyed) return
  let left = stream.writableLength
  const wait = () => setTimeout(look, left > 0 ? patience_ms : grace_ms)
  const look = () => {
    const before = left
    left = stream.writableLength
    if (left < before) timer = wait()
    else stream.destroy()
  }
  let timer = wait()
  stream.once('close', () => clearTimeout(timer))
  stream.end()
  // Bytes left unread would turn the close into a reset, and that into the loss of the answer.
  stream.resume()
}
