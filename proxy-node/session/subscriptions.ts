// Subscriptions of a session as far as this connection knows them, questions that the broker has
// not answered, and how subscriptions are taken back when a narrower token comes. Packets are those
// of wire/subscribe_codec.ts. Subscriptions of an earlier connection are unknown, so deliveries are
// judged too.

import type { Qos } from '../../policy/acl.ts'
import { type Scanner, UNSUBSCRIBE, writeUnsubscribe } from '../wire/framing.ts'
import { QUOTA_EXCEEDED } from '../wire/reason_codes.ts'
import { mergeAnswer, type SubscriptionType } from '../wire/subscribe_codec.ts'

/** Filters remembered for one session, in UTF-16 units. */
const LENGTH_MAX = 1_048_576
/** Filters in one UNSUBSCRIBE of mProxy. */
const AT_ONCE = 64

type Question = { type: SubscriptionType; filters: string[]; qos: Qos[]; codes: Uint8Array }

export class Subscriptions {
  /** SUBSCRIBE and UNSUBSCRIBE of the client, by packet id. */
  readonly #questions = new Map<number, Question>()
  readonly #filters = new Map<string, Qos>()
  #length = 0
  /** Ids of UNSUBSCRIBE packets of mProxy, oldest first. */
  readonly #takingBack: number[] = []

  get current(): Iterable<readonly [string, Qos]> {
    return this.#filters
  }

  /** How many packets the broker has not answered. */
  get waiting(): number {
    return this.#questions.size
  }

  isWaiting(packetId: number): boolean {
    return this.#questions.has(packetId)
  }

  /** Says whether the broker has this very question and has not answered. */
  isSameQuestion(packetId: number, { type, filters, qos }: Omit<Question, 'codes'>): boolean {
    const earlier = this.#questions.get(packetId)
    if (earlier?.type !== type || earlier.filters.length !== filters.length) return false
    return filters.every((filter, i) => earlier.filters[i] === filter && earlier.qos[i] === qos[i])
  }

  /** Refuses the filters that are more than a session may hold. */
  limit(filters: readonly string[], codes: Uint8Array, most: number): void {
    let count = this.#filters.size
    let length = this.#length
    for (let i = 0; i < codes.length; i++) {
      const filter = filters[i]!
      if (codes[i] !== 0 || this.#filters.has(filter)) continue
      count++
      length += filter.length
      if (count > most || length > LENGTH_MAX) codes[i] = QUOTA_EXCEEDED
    }
  }

  ask(packetId: number, question: Question): void {
    this.#questions.set(packetId, question)
  }

  /**
   * The client's answer made of the broker's, and the subscriptions that it brought; null when the
   * broker has no such question.
   */
  answer(
    scanner: Scanner,
    type: SubscriptionType,
    packetId: number,
  ): { packet: Buffer; added: [string, Qos][] } | null {
    const question = this.#questions.get(packetId)
    if (question?.type !== type) return null
    this.#questions.delete(packetId)
    const { codes, filters, qos } = question
    const before = codes.slice()
    const packet = mergeAnswer(scanner, type, codes)
    if (packet === null) return null
    const added: [string, Qos][] = []
    for (let i = 0; i < codes.length; i++) {
      const filter = filters[i]!
      if (before[i] !== 0) continue
      if (codes[i]! >= 0x80) continue // so it is as it was
      if (type === UNSUBSCRIBE) {
        this.#forget(filter)
      } else {
        if (!this.#filters.has(filter)) this.#length += filter.length
        this.#filters.set(filter, qos[i]!)
        added.push([filter, qos[i]!])
      }
    }
    return { packet, added }
  }

  /** UNSUBSCRIBE packets that take these back. `isInFlight`: does the client use this id. */
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

  /** Says whether an UNSUBACK answers a packet of mProxy, so that the client must not see it. */
  isTakenBack(packetId: number): boolean {
    if (this.#takingBack[0] !== packetId) return false
    this.#takingBack.shift()
    return true
  }

  #isUsed(packetId: number): boolean {
    return this.#questions.has(packetId) || this.#takingBack.includes(packetId)
  }

  #forget(filter: string): void {
    if (this.#filters.delete(filter)) this.#length -= filter.length
  }
}
