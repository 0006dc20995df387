// Rates for many names, of events in a minute: CONNECTs of a principal, refusals of an address.
// Each name has a level that sinks by the rate, so nothing has to be counted anew at the turn of a
// minute. Names that sank to the ground are forgotten, and their number has a bound.

const MINUTE_MS = 60_000
const NAMES_MAX = 10_000

type Level = { level: number; at: number }

export class Rates {
  readonly #perMinute: () => number
  /** The one that rose last is the last one. */
  readonly #levels = new Map<string, Level>()

  constructor(perMinute: () => number) {
    this.#perMinute = perMinute
  }

  /** How many of this minute's are used up; beyond the rate, how many were too many. */
  level(name: string): number {
    const found = this.#levels.get(name)
    return found === undefined ? 0 : this.#sink(found)
  }

  /** One more. A level rises to twice the rate, so that it is low again after a minute or two. */
  rise(name: string): void {
    const level = Math.min(this.level(name) + 1, 2 * this.#perMinute())
    this.#levels.delete(name)
    this.#levels.set(name, { level, at: performance.now() })
    // Two for one: so those that are at the ground cannot pile up.
    for (let i = 0; i < 2; i++) this.#forgetFirst()
  }

  #forgetFirst(): void {
    for (const [name, found] of this.#levels) {
      if (this.#levels.size > NAMES_MAX || this.#sink(found) === 0) this.#levels.delete(name)
      return
    }
  }

  #sink({ level, at }: Level): number {
    return Math.max(0, level - ((performance.now() - at) * this.#perMinute()) / MINUTE_MS)
  }
}
