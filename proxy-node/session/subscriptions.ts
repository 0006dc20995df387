// What a session is subscribed to as far as this connection knows, what the broker was asked and has
// not answered, and how subscriptions are taken back when a narrower token comes. Packets are
// subscribe.ts's; an earlier connection's subscriptions are unknown, so deliveries are judged too.

import type { Qos } from '../../policy/acl.ts'
import { type Scanner, UNSUBSCRIBE, writeUnsubscribe } from '../wire/framing.ts'
import { QUOTA_EXCEEDED } from '../wire/reason_codes.ts'
import { mergeAnswer, type SubscriptionType } from '../wire/subscribe_codec.ts'

/** Filters remembered for one session, in UTF-16 units. */
const LENGTH_MAX = 1_048_576
/** Filters in one UNSUBSCRIBE of our own. */
const AT_ONCE = 64

type Question = { type: SubscriptionType; filters: string[]; qos: Qos[]; codes: Uint8Array }

export class Subscriptions {
  /** SUBSCRIBE and UNSUBSCRIBE of the client, by packet id. */
  readonly #asked = new Map<number, Question>()
  readonly #held = new Map<string, Qos>()
  #length = 0
  /** Ids of our own UNSUBSCRIBE packets, oldest first. */
  readonly #takingBack: number[] = []

  get held(): Iterable<readonly [string, Qos]> {
    return this.#held
  }

  /** How many packets the broker has not answered. */
  get waiting(): number {
    return this.#asked.size
  }

  isWaiting(packetId: number): boolean {
    return this.#asked.has(packetId)
  }

  /** Whether the broker was asked just this and has not answered. */
  isAsked(packetId: number, { type, filters, qos }: Omit<Question, 'codes'>): boolean {
    const asked = this.#asked.get(packetId)
    if (asked?.type !== type || asked.filters.length !== filters.length) return false
    return filters.every((filter, i) => asked.filters[i] === filter && asked.qos[i] === qos[i])
  }

  /** Turns what is more than a session may hold into refusals. */
  limit(filters: readonly string[], codes: Uint8Array, most: number): void {
    let count = this.#held.size
    let length = this.#length
    for (let i = 0; i < codes.length; i++) {
      const filter = filters[i]!
      if (codes[i] !== 0 || this.#held.has(filter)) continue
      count++
      length += filter.length
      if (count > most || length > LENGTH_MAX) codes[i] = QUOTA_EXCEEDED
    }
  }

  ask(packetId: number, question: Question): void {
    this.#asked.set(packetId, question)
  }

  /**
   * The client's answer made of the broker's, and the subscriptions that it brought; null when the
   * broker was not asked that.
   */
  answer(
    scanner: Scanner,
    type: SubscriptionType,
    packetId: number,
  ): { packet: Buffer; granted: [string, Qos][] } | null {
    const question = this.#asked.get(packetId)
    if (question?.type !== type) return null
    this.#asked.delete(packetId)
    const { codes, filters, qos } = question
    const forwarded = codes.slice()
    const packet = mergeAnswer(scanner, type, codes)
    if (packet === null) return null
    const granted: [string, Qos][] = []
    for (let i = 0; i < codes.length; i++) {
      const filter = filters[i]!
      if (forwarded[i] !== 0) continue
      if (codes[i]! >= 0x80) continue // so it is as it was
      if (type === UNSUBSCRIBE) {
        this.#forget(filter)
      } else {
        if (!this.#held.has(filter)) this.#length += filter.length
        this.#held.set(filter, qos[i]!)
        granted.push([filter, qos[i]!])
      }
    }
    return { packet, granted }
  }

  /** UNSUBSCRIBE packets that take these back. `isInFlight` tells the ids the client uses. */
  takeBack(
    filters: readonly string[],
    version: number,
    isInFlight: (packetId: number) => boolean,
  ): Buffer[] {
    const packets: Buffer[] = []
    for (let i = 0; i < filters.length; i += AT_ONCE) {
      const some = filters.slice(i, i + AT_ONCE)
      for (const filter of some) this.#forget(filter)
      let packetId = 65_535
      while (packetId > 1 && (isInFlight(packetId) || this.#isUsed(packetId))) packetId--
      this.#takingBack.push(packetId)
      packets.push(writeUnsubscribe(version, packetId, some))
    }
    return packets
  }

  /** Whether an UNSUBACK answers our own packet, which the client must not see. */
  isTakenBack(packetId: number): boolean {
    if (this.#takingBack[0] !== packetId) return false
    this.#takingBack.shift()
    return true
  }

  #isUsed(packetId: number): boolean {
    return this.#asked.has(packetId) || this.#takingBack.includes(packetId)
  }

  #forget(filter: string): void {
    if (this.#held.delete(filter)) this.#length -= filter.length
  }
}
