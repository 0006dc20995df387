// Bytes that a client sends before its CONNACK is out. Nothing of them is looked at until then
// [MQTT-3.1.4-5], but they are kept, up to a limit: clients need not wait, and may be gone by then.

/** A chunk costs more than its bytes; many small ones must not get around the limit. */
const LEAST_COST = 256

export class Ahead {
  readonly #most: number
  #chunks: Buffer[] = []
  #cost = 0

  constructor(most: number) {
    this.#most = most
  }

  get isEmpty(): boolean {
    return this.#cost === 0
  }

  /** Adds a chunk. False when the client should not be read any more. */
  add(chunk: Buffer): boolean {
    this.#chunks.push(chunk)
    this.#cost += Math.max(chunk.length, LEAST_COST)
    return this.#cost < this.#most
  }

  take(): Buffer {
    const chunks = this.#chunks
    this.#chunks = []
    this.#cost = 0
    return Buffer.concat(chunks)
  }
}
