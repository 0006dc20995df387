// Ids of the client's QoS 1 and 2 PUBLISH packets that the broker has not finished with. Those
// whose next packet is the client's own (PUBREL) are told apart: to wait for the broker with them
// would be to wait for ever.

export class InFlight {
  readonly #ids = new Set<number>()
  /** Of these, those that the broker received (PUBREC) and the client has not released. */
  #received: Set<number> | undefined

  get size(): number {
    return this.#ids.size
  }

  /** How many the broker has to answer. */
  get awaiting(): number {
    return this.#ids.size - (this.#received?.size ?? 0)
  }

  has(packetId: number): boolean {
    return this.#ids.has(packetId)
  }

  /** The broker has to answer this one: a PUBLISH or a PUBREL. */
  add(packetId: number): void {
    this.#ids.add(packetId)
    this.#received?.delete(packetId)
  }

  /** The broker received it, and the client has to release it. */
  receive(packetId: number): void {
    if (!this.#ids.has(packetId)) return
    this.#received ??= new Set()
    this.#received.add(packetId)
  }

  delete(packetId: number): void {
    this.#ids.delete(packetId)
    this.#received?.delete(packetId)
  }
}
