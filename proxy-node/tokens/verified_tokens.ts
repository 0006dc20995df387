// Tokens whose signature was checked lately, by their hash: a fleet that comes back brings the
// tokens that mProxy has seen. Nothing is judged here, and nothing counts for longer because it is
// here: verifier.ts looks at times and status of each use, and empties it whenever keys or lists
// change. Only tokens that counted get in, so nobody without one fills it.

type Sized = { readonly acl: { readonly rules: readonly unknown[] } }

export type VerifiedToken<I extends Sized> = {
  readonly identity: I
  /** Epoch seconds. */
  readonly not_before: number
}

const TOKENS_MAX = 10_000
const BYTES_MAX = 8 * 1024 * 1024
/** Rough bytes in memory, of an identity and of each of its rules. */
const SIZE = { identity: 768, rule: 256 }

const sizeOf = ({ identity }: VerifiedToken<Sized>): number =>
  SIZE.identity + SIZE.rule * identity.acl.rules.length

export class VerifiedTokens<I extends Sized> {
  readonly #tokens = new Map<string, VerifiedToken<I>>()
  readonly #tokensMax: number
  readonly #bytesMax: number
  #bytes = 0

  constructor(tokensMax = TOKENS_MAX, bytesMax = BYTES_MAX) {
    this.#tokensMax = tokensMax
    this.#bytesMax = bytesMax
  }

  get count(): number {
    return this.#tokens.size
  }

  find(hash: string): VerifiedToken<I> | undefined {
    const found = this.#tokens.get(hash)
    if (found === undefined) return undefined
    // To the end of the order, at whose beginning is the one that was unused for the longest.
    this.#tokens.delete(hash)
    this.#tokens.set(hash, found)
    return found
  }

  add(hash: string, token: VerifiedToken<I>): void {
    this.delete(hash)
    this.#tokens.set(hash, token)
    this.#bytes += sizeOf(token)
    while (this.#tokens.size > this.#tokensMax || this.#bytes > this.#bytesMax) {
      const [oldest] = this.#tokens.keys()
      if (oldest === undefined) return
      this.delete(oldest)
    }
  }

  delete(hash: string): void {
    const token = this.#tokens.get(hash)
    if (token === undefined) return
    this.#tokens.delete(hash)
    this.#bytes -= sizeOf(token)
  }

  clear(): void {
    this.#tokens.clear()
    this.#bytes = 0
  }
}
