// Room for connections: in all, for one address, and for those whose CONNECT was not judged yet.
// The last have proved nothing, so they never keep anybody out: when there is no room, one of
// theirs is made free, of the address that has most of them. A client that is let in gives up its
// place among them. The sockets are listen.ts's.

/** Reasons for which a connection finds no room. */
export type CapacityRefusal = 'too_many' | 'too_many_from_address' | 'memory_full'

export type CapacityLimits = {
  connectionsMax: number
  /** 0 is no limit. May change, as the next one may. */
  connectionsPerAddress: () => number
  /** Connections whose CONNECT was not judged yet. */
  unprovenMax: () => number
  isMemoryFull: () => boolean
}

/** A connection, as far as it can be closed. */
type Closable = { destroy(): void }

export class Capacity {
  readonly limits: CapacityLimits
  /** A place was given to somebody else, and its connection closed. */
  readonly #onVacated: (address: string) => void
  #open = 0
  readonly #bySource = new Map<string, number>()
  readonly #unproven = new Unproven()

  constructor(limits: CapacityLimits, onVacated: (address: string) => void) {
    this.limits = limits
    this.#onVacated = onVacated
  }

  /**
   * A place for the connection, or the reason why there is none. `isBalancer`: it is known later
   * whose it is, by `move`; the limit of one address is not for the balancer's.
   */
  take(address: string, connection: Closable, isBalancer = false): Seat | CapacityRefusal {
    const { connectionsMax, unprovenMax } = this.limits
    if (this.limits.isMemoryFull()) return 'memory_full'
    const source = sourceOf(address)
    if (!isBalancer && !this.#admits(source)) return 'too_many_from_address'
    // More than one, where a limit was lowered since.
    while (this.#open >= connectionsMax || this.#unproven.count >= unprovenMax()) {
      if (!this.#vacate(this.#unproven.oldestOfMost())) return 'too_many'
    }
    const seat = new Seat(this, source, connection)
    this.#open++
    this.#count(source, 1)
    this.#unproven.add(seat)
    return seat
  }

  /** Counts it for the client of whom a balancer tells; false when that one has no room. */
  move(seat: Seat, address: string): boolean {
    const source = sourceOf(address)
    if (source === seat.source) return true
    if (!this.#admits(source)) return false
    const isUnproven = this.#unproven.delete(seat)
    this.#count(seat.source, -1)
    seat.source = source
    this.#count(source, 1)
    if (isUnproven) this.#unproven.add(seat)
    return true
  }

  /** Makes room among the connections of an address, where there is a limit and it is reached. */
  #admits(source: string): boolean {
    const connectionsPerAddress = this.limits.connectionsPerAddress()
    if (connectionsPerAddress === 0) return true
    while ((this.#bySource.get(source) ?? 0) >= connectionsPerAddress) {
      if (!this.#vacate(this.#unproven.oldestOf(source))) return false
    }
    return true
  }

  #count(source: string, by: number): void {
    const count = (this.#bySource.get(source) ?? 0) + by
    if (count > 0) this.#bySource.set(source, count)
    else this.#bySource.delete(source)
  }

  prove(seat: Seat): void {
    this.#unproven.delete(seat)
  }

  leave({ source }: Seat): void {
    this.#open--
    this.#count(source, -1)
  }

  get unproven(): number {
    return this.#unproven.count
  }

  #vacate(seat: Seat | undefined): boolean {
    if (seat === undefined) return false
    const { connection, source } = seat
    seat.leave()
    this.#onVacated(source)
    connection?.destroy()
    return true
  }
}

/** The place of one connection. */
export class Seat {
  source: string
  /** Until it has proved something. */
  connection: Closable | undefined
  #capacity: Capacity | undefined

  constructor(capacity: Capacity, source: string, connection: Closable) {
    this.source = source
    this.connection = connection
    this.#capacity = capacity
  }

  /** Its CONNECT was judged, and it was let in. */
  prove(): void {
    this.#capacity?.prove(this)
    this.connection = undefined
  }

  /** Counts it for another address; false when that one has no room, or it gave up its place. */
  move(address: string): boolean {
    return this.#capacity?.move(this, address) ?? false
  }

  /** It is closed. */
  leave(): void {
    const capacity = this.#capacity
    this.#capacity = undefined
    capacity?.prove(this)
    capacity?.leave(this)
  }
}

/** Places of connections that proved nothing, so kept that the greatest crowd is found at once. */
class Unproven {
  count = 0
  /** Of each source, the oldest first. */
  readonly #seats = new Map<string, Set<Seat>>()
  /** Sources by the number of their places. */
  readonly #crowds = new Map<number, Set<string>>()
  #greatest = 0

  add(seat: Seat): void {
    const seats = this.#seats.get(seat.source) ?? new Set()
    this.#seats.set(seat.source, seats.add(seat))
    this.#move(seat.source, seats.size - 1, seats.size)
    this.count++
  }

  /** False when it was not there. */
  delete(seat: Seat): boolean {
    const seats = this.#seats.get(seat.source)
    if (seats === undefined || !seats.delete(seat)) return false
    this.#move(seat.source, seats.size + 1, seats.size)
    if (seats.size === 0) this.#seats.delete(seat.source)
    this.count--
    return true
  }

  oldestOf(source: string): Seat | undefined {
    return this.#seats.get(source)?.values().next().value
  }

  oldestOfMost(): Seat | undefined {
    const source = this.#crowds.get(this.#greatest)?.values().next().value
    return source === undefined ? undefined : this.oldestOf(source)
  }

  #move(source: string, from: number, to: number): void {
    const left = this.#crowds.get(from)
    left?.delete(source)
    if (left?.size === 0) this.#crowds.delete(from)
    if (to > 0) {
      const crowd = this.#crowds.get(to) ?? new Set()
      this.#crowds.set(to, crowd.add(source))
    }
    if (to > this.#greatest || !this.#crowds.has(this.#greatest)) this.#greatest = to
  }
}

/** The source that limits count: of IPv6 the network, since one host may use all of its 2^64. */
export function sourceOf(address: string): string {
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice(7)
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('%')[0]!.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const after = tail === '' ? [] : tail.split(':')
    while (groups.length + after.length < 8) groups.push('0')
    groups.push(...after)
  }
  return `${groups.slice(0, 4).join(':')}::/64`
}

/**
 * A session holds two descriptors, the client's and the broker's. To run out of them would fail at
 * random places; to refuse connections a little earlier does not.
 */
export function findConnectionLimit(
  maximum: number | undefined,
  onLimited: (limited: { wanted: number; possible: number; descriptors: number }) => void,
): number {
  const spare = 64
  Object.assign(process.report, { excludeNetwork: true }) // no names looked up for the report
  const report = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } }
  const descriptors = report.userLimits?.open_files?.soft
  if (typeof descriptors !== 'number') return maximum ?? Number.POSITIVE_INFINITY
  const possible = Math.max(1, Math.floor((descriptors - spare) / 2))
  if (maximum === undefined || maximum <= possible) return maximum ?? possible
  onLimited({ wanted: maximum, possible, descriptors })
  return possible
}
