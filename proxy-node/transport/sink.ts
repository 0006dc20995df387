// One peer as a sink of bytes: since when it takes nothing. Progress is bytes, as far as anything
// of them can be seen: a slow reader that does read is no dead one.

import { findUnacknowledged, type PeerStream } from './send_queue.ts'

export class Sink {
  isFull = false
  /** Monotonic ms of the look that last saw progress, or of the first one; 0 before it. */
  stuckSince = 0
  readonly #stream: PeerStream
  /** Bytes that waited in this process and in the system at the last look. */
  #here = 0
  #there: number | undefined

  constructor(stream: PeerStream) {
    this.#stream = stream
  }

  note(isFull: boolean): void {
    this.isFull = isFull
    if (!isFull) this.stuckSince = 0
  }

  /** Looks whether the peer took anything since the last look. The first look is a beginning. */
  look(maxAge_ms: number): void {
    if (!this.isFull) return
    const here = this.#stream.writableLength
    if (this.stuckSince === 0) this.#there = undefined
    if (this.stuckSince === 0 || here < this.#here) this.stuckSince = performance.now()
    this.#here = here
    void findUnacknowledged(this.#stream, maxAge_ms).then((there) => {
      if (this.stuckSince === 0 || there === undefined) return
      // More of it, too, is a sign: the system had room again.
      if (this.#there !== undefined && there !== this.#there) this.stuckSince = performance.now()
      this.#there = there
    })
  }
}
