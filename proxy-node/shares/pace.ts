// The pace of a client: packets and bytes that are read of it in a second. A client that is faster
// waits, as it would for a slow broker; nothing is lost and nobody is cut off. A second's worth may
// come at once.

const SECOND_MS = 1000

export type PaceLimits = { packets_per_second: number; bytes_per_second: number }

export class Pace {
  readonly #packetMs: number
  readonly #byteMs: number
  /** Monotonic ms until which the packets and bytes so far would have taken, at this pace. */
  #packetsUntil = 0
  #bytesUntil = 0

  constructor({ packets_per_second, bytes_per_second }: PaceLimits) {
    this.#packetMs = packets_per_second > 0 ? SECOND_MS / packets_per_second : 0
    this.#byteMs = bytes_per_second > 0 ? SECOND_MS / bytes_per_second : 0
  }

  /** Milliseconds until more may be read, after so many packets and bytes. */
  take(packets: number, bytes: number): number {
    const now = performance.now()
    const since = now - SECOND_MS
    this.#packetsUntil = Math.max(this.#packetsUntil, since) + packets * this.#packetMs
    this.#bytesUntil = Math.max(this.#bytesUntil, since) + bytes * this.#byteMs
    return Math.max(this.#packetsUntil, this.#bytesUntil) - now
  }
}

/** undefined: as fast as it comes. */
export function paceOf(limits: PaceLimits): Pace | undefined {
  const isLimited = limits.packets_per_second > 0 || limits.bytes_per_second > 0
  return isLimited ? new Pace(limits) : undefined
}
