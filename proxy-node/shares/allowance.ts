// An allowance for each minute: of refused filters, of tokens to verify. A client that needs more
// of them than any good one does costs work that others wait for.

const MINUTE_MS = 60_000

export class MinuteAllowance {
  #since = -Infinity
  #used = 0

  /** Says whether `count` more are within `most` for this minute; 0 is no limit. */
  take(count: number, most: number): boolean {
    if (most === 0) return true
    const now = performance.now()
    if (now - this.#since >= MINUTE_MS) {
      this.#since = now
      this.#used = 0
    }
    this.#used += count
    return this.#used <= most
  }
}
