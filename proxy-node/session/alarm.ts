// One timer for all deadlines of a session: it sleeps until the next of them and looks again.

/** A far-away deadline is waited for in steps, well below what setTimeout can do (2^31-1 ms). */
const LONGEST_STEP_MS = 900_000

export class Alarm {
  readonly #wake: () => void
  #timer: NodeJS.Timeout | undefined
  #wakes_at = Infinity

  constructor(wake: () => void) {
    this.#wake = wake
  }

  /** Wakes in `next` milliseconds, or earlier: the one who is woken sets it again. */
  set(next: number): void {
    const delay = Math.max(0, Math.min(next, LONGEST_STEP_MS))
    const wakes_at = performance.now() + delay
    if (this.#timer && wakes_at >= this.#wakes_at) return
    clearTimeout(this.#timer)
    this.#wakes_at = wakes_at
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#wakes_at = Infinity
      this.#wake()
    }, Math.ceil(delay))
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
