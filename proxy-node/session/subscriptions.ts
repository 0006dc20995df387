// Subscriptions of a session as far as this connection knows them, questions that the broker has
// not answered, and how subscriptions are taken back when a narrower token comes. Packets are those
// of wire/subscribe_codec.ts. Subscriptions of an earlier connection are unknown, so deliveries are
// judged too.

import type { Acl, Qos } from '../../policy/acl.ts'
import { type Scanner, SUBSCRIBE, UNSUBSCRIBE, writeUnsubscribe } from '../wire/framing.ts'
import { QUOTA_EXCEEDED } from '../wire/reason_codes.ts'
import { mergeAnswer, type SubscriptionType } from '../wire/subscribe_codec.ts'

/** Filters remembered for one session, in UTF-16 units. */
const LENGTH_MAX = 1_048_576
/** Filters in one UNSUBSCRIBE of mProxy. */
const AT_ONCE = 64

/** `acl`: rules by which it was judged. */
type Question = {
  type: SubscriptionType
  filters: string[]
  qos: Qos[]
  codes: Uint8Array
  acl: Acl
}

export class Subscriptions {
  /** SUBSCRIBE and UNSUBSCRIBE of the client, by packet id. */
  readonly #questions = new Map<number, Question>()
  readonly #filters = new Map<string, Qos>()
  /** How often SUBSCRIBEs without an answer ask for a filter. */
  #pending: Map<string, number> | undefined
  /** Of filters that are there or asked for: their number and their length. */
  #count = 0
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
  isSameQuestion(
    packetId: number,
    { type, filters, qos }: Omit<Question, 'codes' | 'acl'>,
  ): boolean {
    const earlier = this.#questions.get(packetId)
    if (earlier?.type !== type || earlier.filters.length !== filters.length) return false
    return filters.every((filter, i) => earlier.filters[i] === filter && earlier.qos[i] === qos[i])
  }

  /**
   * Refuses the filters that are more than a session may hold. Those it has asked for count, since
   * nothing says when the broker will answer.
   */
  limit(filters: readonly string[], codes: Uint8Array, most: number): void {
    let count = this.#count
    let length = this.#length
    for (let i = 0; i < codes.length; i++) {
      const filter = filters[i]!
      if (codes[i] !== 0 || this.#isCounted(filter)) continue
      if (count + 1 > most || length + filter.length > LENGTH_MAX) {
        codes[i] = QUOTA_EXCEEDED
        continue
      }
      count++
      length += filter.length
    }
  }

  ask(packetId: number, question: Question): void {
    this.#questions.set(packetId, question)
    if (question.type !== SUBSCRIBE) return
    this.#pending ??= new Map()
    const pending = this.#pending
    for (const [i, filter] of question.filters.entries()) {
      if (question.codes[i] !== 0) continue
      if (!this.#isCounted(filter)) this.#tally(filter, 1)
      pending.set(filter, (pending.get(filter) ?? 0) + 1)
    }
  }

  /**
   * The client's answer made of the broker's, and the subscriptions that it brought; null when the
   * broker has no such question.
   */
  answer(
    scanner: Scanner,
    type: SubscriptionType,
    packetId: number,
  ): { packet: Buffer; added: [string, Qos][]; acl: Acl } | null {
    const question = this.#questions.get(packetId)
    if (question?.type !== type) return null
    this.#questions.delete(packetId)
    const { codes, filters, qos, acl } = question
    const before = codes.slice()
    const packet = mergeAnswer(scanner, type, codes)
    if (packet === null) return null
    const added: [string, Qos][] = []
    for (let i = 0; i < codes.length; i++) {
      const filter = filters[i]!
      if (before[i] !== 0) continue
      const isDone = codes[i]! < 0x80 // else it is as it was
      if (type === UNSUBSCRIBE) {
        if (isDone) this.#forget(filter)
        continue
      }
      if (isDone) {
        this.#filters.set(filter, qos[i]!)
        added.push([filter, qos[i]!])
      }
      this.#settle(filter)
    }
    return { packet, added, acl }
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
    if (this.#filters.delete(filter) && !this.#pending?.has(filter)) this.#tally(filter, -1)
  }

  /** One SUBSCRIBE that asked for it was answered. */
  #settle(filter: string): void {
    const left = (this.#pending?.get(filter) ?? 1) - 1
    if (left > 0) this.#pending?.set(filter, left)
    else this.#pending?.delete(filter)
    if (this.#pending?.size === 0) this.#pending = undefined
    if (!this.#isCounted(filter)) this.#tally(filter, -1)
  }

  #isCounted(filter: string): boolean {
    return this.#filters.has(filter) || this.#pending?.has(filter) === true
  }

  #tally(filter: string, by: 1 | -1): void {
    this.#count += by
    this.#length += by * filter.length
  }
}
