// Answers to a client whose PUBLISH its token does not permit. gate.ts decides that it is refused
// and with which code. The client hears nothing (QoS 0), or PUBACK or PUBREC with the code (MQTT
// 5); in MQTT 3.1.1, as MQTT_DENIED_PUBLISH says, a plain acknowledgement or the end of the
// session.

import type { Qos } from '../../policy/acl.ts'
import { PUBACK, PUBCOMP, PUBREC, writeAck } from '../wire/framing.ts'
import {
  NOT_AUTHORIZED,
  PACKET_ID_NOT_FOUND,
  QUOTA_EXCEEDED,
  SUCCESS,
} from '../wire/reason_codes.ts'
import type { SessionState } from './state.ts'

export class RefusedPublishes {
  readonly #state: SessionState
  /** Ids of refused QoS 2 messages whose PUBREL is to come, or in MQTT 5 should not come. */
  readonly #awaitsRelease = new Set<number>()

  constructor(state: SessionState) {
    this.#state = state
  }

  /** Counts the PUBLISH and answers it. */
  refuse(qos: Qos, packetId: number, code: number): void {
    const { toClient, version, limits, control } = this.#state
    this.#state.counts.publishes_refused++
    this.#state.events.publishDenied()
    if (qos === 0) return
    if (version === 5) {
      // MQTT 5.0 §4.3.3: a PUBREC of 0x80 and above ends the exchange.
      toClient.insert(writeAck(qos === 1 ? PUBACK : PUBREC, packetId, code))
      if (qos === 2) this.#remember(packetId)
      return
    }
    // 3.1.1 [MQTT-3.3.5-2]: there is no other answer than these two.
    if (limits.denied_publish_3 === 'close') {
      control.end('publish_denied', NOT_AUTHORIZED)
      return
    }
    if (qos === 1) {
      toClient.insert(writeAck(PUBACK, packetId, 0))
      return
    }
    const ids = this.#awaitsRelease
    if (!ids.has(packetId) && ids.size >= limits.inflight_qos2_max) {
      control.end('quota_exceeded', QUOTA_EXCEEDED)
      return
    }
    ids.add(packetId)
    toClient.insert(writeAck(PUBREC, packetId, 0))
  }

  /** Answers the client's PUBREL of a refused message; false if it is of another one. */
  release(packetId: number): boolean {
    if (!this.#awaitsRelease.delete(packetId)) return false
    const code = this.#state.version === 5 ? PACKET_ID_NOT_FOUND : SUCCESS
    this.#state.toClient.insert(writeAck(PUBCOMP, packetId, code))
    return true
  }

  /** The client uses the id again, for a message that is allowed. */
  forget(packetId: number): void {
    this.#awaitsRelease.delete(packetId)
  }

  /** Some clients release what was refused all the same; the oldest ids are forgotten. */
  #remember(packetId: number): void {
    const ids = this.#awaitsRelease
    if (ids.size >= this.#state.limits.inflight_qos2_max) {
      for (const oldest of ids) {
        ids.delete(oldest)
        break
      }
    }
    ids.add(packetId)
  }
}
