// Packets of the broker in an open session: deliveries judged by the present token, answers passed
// on, and those swallowed that answer packets of mProxy itself.

import type { Qos } from '../../policy/acl.ts'
import { findLost, judgeDelivery } from '../gate.ts'
import {
  AUTH,
  DISCONNECT,
  PINGRESP,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  type Scanner,
  SUBACK,
  SUBSCRIBE,
  UNSUBACK,
  UNSUBSCRIBE,
} from '../wire/framing.ts'
import { AckView, PublishView } from '../wire/publish_codec.ts'
import { disconnectFromBroker, NOT_AUTHORIZED, SUCCESS } from '../wire/reason_codes.ts'
import { type SubscriptionType, withoutProperties } from '../wire/subscribe_codec.ts'
import { deliverInShadow } from './shadow.ts'
import { IN_FLIGHT, PENDING, type SessionState } from './state.ts'
import { TopicMemory } from './topic_memory.ts'

export class FromBroker {
  readonly #state: SessionState
  readonly #delivery = new PublishView()
  readonly #ack = new AckView()
  readonly #lastTopic = new TopicMemory<boolean>()
  #deliversParts = false
  /** Acknowledgement of a refused delivery whose bytes are still coming. */
  #dueAck: { qos: Qos; packetId: number } | null = null

  constructor(state: SessionState) {
    this.#state = state
  }

  /** A whole packet. */
  take(scanner: Scanner): void {
    const type = scanner.buffer[scanner.start]! >> 4
    const ack = this.#ack
    if (
      type !== PINGRESP &&
      type < DISCONNECT &&
      type !== PUBLISH &&
      !ack.readFromBroker(scanner)
    ) {
      this.#state.failBroker()
      return
    }
    switch (type) {
      case PUBLISH:
        this.deliver(scanner, true)
        return
      case PUBACK:
      case PUBCOMP:
        this.#state.inFlight.delete(ack.packetId)
        break
      case PUBREC:
        if (ack.code >= 0x80) this.#state.inFlight.delete(ack.packetId)
        else this.#state.inFlight.receive(ack.packetId)
        break
      case PUBREL:
        if (this.#state.refusedDeliveries.release(ack.packetId)) return
        break
      case SUBACK:
        this.#answerSubscription(scanner, SUBSCRIBE, ack.packetId)
        return
      case UNSUBACK:
        if (!this.#state.subscriptions.isTakenBack(ack.packetId)) {
          this.#answerSubscription(scanner, UNSUBSCRIBE, ack.packetId)
        }
        return
      case PINGRESP:
        if (this.#state.pings.answer()) return
        break
      case DISCONNECT: {
        const code = scanner.end > scanner.body ? scanner.buffer[scanner.body]! : SUCCESS
        this.#state.control.end('broker_disconnect', disconnectFromBroker(code))
        return
      }
      case AUTH: // no method was named to the broker
        this.#state.failBroker()
        return
    }
    this.#state.toClient.pass(scanner.buffer, scanner.start, scanner.end, true)
    if (this.#state.isInFlightFull) this.#goOnWithClient()
  }

  /** By halves, so that not each answer of the broker stops and resumes the client. */
  #goOnWithClient(): void {
    const { inFlight, limits, flow } = this.#state
    if (inFlight.awaiting > limits.inflight_max / 2) return
    this.#state.isInFlightFull = false
    flow.unblock(IN_FLIGHT)
  }

  /** A PUBLISH, whole or its head. */
  deliver(scanner: Scanner, whole: boolean): void {
    const view = this.#delivery
    if (view.readFromBroker(scanner) !== 0) {
      this.#state.failBroker()
      return
    }
    const { qos, packetId } = view
    let allowed = this.#judge(scanner)
    if (!allowed && this.#state.limits.acl_mode === 'shadow' && view.isTopicText(scanner)) {
      allowed = deliverInShadow(this.#state, view.topic(scanner), view)
    }
    this.#deliversParts = allowed && !whole
    if (allowed) {
      if (qos !== 0) this.#state.refusedDeliveries.pass(qos)
      this.#state.counts.delivered++
      this.#state.events.deliveryAllowed(scanner.total)
      this.#state.toClient.pass(scanner.buffer, scanner.start, scanner.end, whole)
      return
    }
    this.#state.counts.deliveries_refused++
    this.#state.events.deliveryDenied()
    const { agreement, limits, version, counts } = this.#state
    // The topic is one that the client may not know, and with `deliver` each is a matter of course.
    if (limits.partial_filters === 'refuse') {
      this.#state.events.refused(counts, 'delivery_refused', '', NOT_AUTHORIZED)
    }
    if (agreement.isResumed && limits.denied_resumed_delivery === 'clean' && version === 5) {
      this.#state.control.end('delivery_denied', NOT_AUTHORIZED, true)
      return
    }
    if (qos === 0) return
    if (whole) this.#state.refusedDeliveries.refuse(qos, packetId)
    else this.#dueAck = { qos, packetId }
  }

  #judge(scanner: Scanner): boolean {
    const { acl } = this.#state.identity
    const topic = this.#delivery.topicBy(scanner, this.#lastTopic)
    const known = this.#lastTopic.recall(acl, 0)
    if (known !== undefined) return known
    // Bytes that are no text would be judged as another topic than the one delivered.
    const allowed = this.#delivery.isTopicText(scanner) && judgeDelivery(acl, topic)
    this.#lastTopic.remember(acl, 0, allowed)
    return allowed
  }

  /** More of a large PUBLISH, which goes the way of its head. */
  deliverPart(scanner: Scanner): void {
    if (this.#deliversParts) {
      this.#state.toClient.pass(scanner.buffer, scanner.start, scanner.end, scanner.last)
    } else if (scanner.last && this.#dueAck) {
      const { qos, packetId } = this.#dueAck
      this.#dueAck = null
      this.#state.refusedDeliveries.refuse(qos, packetId)
    }
  }

  #answerSubscription(scanner: Scanner, type: SubscriptionType, packetId: number): void {
    const answer = this.#state.subscriptions.answer(scanner, type, packetId)
    if (answer === null) {
      this.#state.failBroker()
      return
    }
    const { toClient } = this.#state
    // Refusals make it larger than the broker made it.
    const isTooLarge = answer.packet.length > toClient.packetMaximum
    toClient.insert(isTooLarge ? withoutProperties(answer.packet) : answer.packet)
    // The token may have been replaced while the broker made up its mind.
    const { rules, identity, limits } = this.#state
    if (answer.acl !== identity.acl) this.#state.takeBack(findLost(rules, answer.added, limits))
    this.#state.flow.unblock(PENDING)
  }
}
