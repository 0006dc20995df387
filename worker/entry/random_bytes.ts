// Random bytes of a host. Each call of the system for them costs more than they do, so they are
// drawn some thousand at a time. Each byte is given out once, and wiped here when it is.

const DRAWN_AT_ONCE = 4096

/** A function that answers `n` random bytes. */
export function drawRandom(): (n: number) => Uint8Array<ArrayBuffer> {
  const drawn = new Uint8Array(DRAWN_AT_ONCE)
  let next = DRAWN_AT_ONCE
  return (n) => {
    if (n > DRAWN_AT_ONCE / 16) return crypto.getRandomValues(new Uint8Array(n))
    if (next + n > DRAWN_AT_ONCE) {
      crypto.getRandomValues(drawn)
      next = 0
    }
    const bytes = drawn.slice(next, next + n)
    drawn.fill(0, next, next + n)
    next += n
    return bytes
  }
}
