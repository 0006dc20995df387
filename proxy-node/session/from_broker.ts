// What the broker sends in an established session: deliveries judged by the present token, answers
// passed on, and those swallowed that answer packets of our own.

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
import {
  NOT_AUTHORIZED,
  SERVER_MOVED,
  SUCCESS,
  UNSPECIFIED,
  USE_ANOTHER_SERVER,
} from '../wire/reason_codes.ts'
import type { SubscriptionType } from '../wire/subscribe_codec.ts'
import { type Established, PENDING } from './established.ts'

export class FromBroker {
  readonly #established: Established
  readonly #delivery = new PublishView()
  readonly #ack = new AckView()
  #deliversParts = false
  /** Acknowledgement of a refused delivery whose bytes are still coming. */
  #dueAck: { qos: Qos; packetId: number } | null = null

  constructor(established: Established) {
    this.#established = established
  }

  /** A whole packet. */
  take(found: Scanner): void {
    const type = found.buffer[found.start]! >> 4
    const ack = this.#ack
    if (type !== PINGRESP && type < DISCONNECT && type !== PUBLISH && !ack.readFromBroker(found)) {
      this.#established.failBroker()
      return
    }
    switch (type) {
      case PUBLISH:
        this.deliver(found, true)
        return
      case PUBACK:
      case PUBCOMP:
        this.#established.inFlight.delete(ack.packetId)
        break
      case PUBREC:
        if (ack.code >= 0x80) this.#established.inFlight.delete(ack.packetId)
        break
      case PUBREL:
        if (this.#established.refused.release(ack.packetId)) return
        break
      case SUBACK:
        this.#answerSubscription(found, SUBSCRIBE, ack.packetId)
        return
      case UNSUBACK:
        if (!this.#established.subscriptions.isTakenBack(ack.packetId)) {
          this.#answerSubscription(found, UNSUBSCRIBE, ack.packetId)
        }
        return
      case PINGRESP:
        if (this.#established.ownPings > 0) {
          this.#established.ownPings--
          return
        }
        break
      case DISCONNECT: {
        const code = found.end > found.body ? found.buffer[found.body]! : SUCCESS
        // Elsewhere is past mProxy.
        const elsewhere = code === USE_ANOTHER_SERVER || code === SERVER_MOVED
        this.#established.control.end('broker_disconnect', elsewhere ? UNSPECIFIED : code)
        return
      }
      case AUTH: // no method was named to the broker
        this.#established.failBroker()
        return
    }
    this.#established.toClient.pass(found.buffer, found.start, found.end, true)
  }

  /** A PUBLISH, whole or its head. */
  deliver(found: Scanner, whole: boolean): void {
    const view = this.#delivery
    if (view.readFromBroker(found) !== 0) {
      this.#established.failBroker()
      return
    }
    const { qos, packetId } = view
    // Bytes that are no text would be judged as another topic than the one delivered.
    const allowed =
      view.isTopicText(found) && judgeDelivery(this.#established.identity.acl, view.topic(found))
    this.#deliversParts = allowed && !whole
    if (allowed) {
      if (qos !== 0) this.#established.refused.pass(qos)
      this.#established.counts.delivered++
      this.#established.events.deliveryAllowed(found.total)
      this.#established.toClient.pass(found.buffer, found.start, found.end, whole)
      return
    }
    this.#established.counts.deliveries_refused++
    this.#established.events.deliveryDenied()
    const { agreement, limits, version } = this.#established
    if (agreement.resumed && limits.denied_resumed_delivery === 'clean' && version === 5) {
      this.#established.control.end('delivery_denied', NOT_AUTHORIZED, true)
      return
    }
    if (qos === 0) return
    if (whole) this.#established.refused.refuse(qos, packetId)
    else this.#dueAck = { qos, packetId }
  }

  /** More of a large PUBLISH, which goes the way of its head. */
  deliverPart(found: Scanner): void {
    if (this.#deliversParts) {
      this.#established.toClient.pass(found.buffer, found.start, found.end, found.last)
    } else if (found.last && this.#dueAck) {
      const { qos, packetId } = this.#dueAck
      this.#dueAck = null
      this.#established.refused.refuse(qos, packetId)
    }
  }

  #answerSubscription(found: Scanner, type: SubscriptionType, packetId: number): void {
    const answer = this.#established.subscriptions.answer(found, type, packetId)
    if (answer === null) {
      this.#established.failBroker()
      return
    }
    this.#established.toClient.insert(answer.packet)
    // The token may have been replaced while the broker made up its mind.
    this.#established.takeBack(findLost(this.#established.identity.acl, answer.granted))
    this.#established.flow.unblock(PENDING)
  }
}
