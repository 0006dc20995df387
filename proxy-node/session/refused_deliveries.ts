// Deliveries that the token does not permit are acknowledged to the broker in the client's place,
// or its window would stall; and in their order [MQTT-4.6.0-2], [MQTT-4.6.0-3], so after those
// passed on before them. Which ones are refused is decided by gate.ts.

import type { Qos } from '../../policy/acl.ts'
import { PUBACK, PUBCOMP, PUBREC, writeAck } from '../wire/framing.ts'

/** Order within one kind of acknowledgement: PUBACK for QoS 1, PUBREC for QoS 2. */
class Order {
  /** Deliveries passed on, and those of them that the client has answered. */
  passes = 0
  answers = 0
  /** Refused deliveries, each due when the client has answered `after`. */
  readonly waiting: { packetId: number; after: number }[] = []
}

export class RefusedDeliveries {
  readonly #write: (packet: Buffer) => void
  readonly #pubacks = new Order()
  readonly #pubrecs = new Order()
  /** QoS 2: ids whose PUBREL is to come. */
  readonly #received = new Set<number>()

  constructor(write: (packet: Buffer) => void) {
    this.#write = write
  }

  /** A delivery of QoS 1 or 2 goes on to the client. */
  pass(qos: Qos): void {
    this.#order(qos).passes++
  }

  /** The client's PUBACK (QoS 1) or PUBREC (QoS 2) goes on to the broker. */
  answer(qos: Qos): void {
    const order = this.#order(qos)
    order.answers++
    while (order.waiting.length > 0 && order.waiting[0]!.after <= order.answers) {
      this.#acknowledge(qos, order.waiting.shift()!.packetId)
    }
  }

  refuse(qos: Qos, packetId: number): void {
    const order = this.#order(qos)
    if (order.answers >= order.passes) this.#acknowledge(qos, packetId)
    else order.waiting.push({ packetId, after: order.passes })
  }

  /** Answers the broker's PUBREL of a refused delivery; false if it is of another one. */
  release(packetId: number): boolean {
    if (!this.#received.delete(packetId)) return false
    this.#write(writeAck(PUBCOMP, packetId, 0))
    return true
  }

  #order(qos: Qos): Order {
    return qos === 1 ? this.#pubacks : this.#pubrecs
  }

  #acknowledge(qos: Qos, packetId: number): void {
    if (qos === 2) this.#received.add(packetId)
    this.#write(writeAck(qos === 1 ? PUBACK : PUBREC, packetId, 0))
  }
}
