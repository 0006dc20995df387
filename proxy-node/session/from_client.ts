// What a client sends in an established session: judged, passed on, answered in the broker's place or
// kept here. It owns the topic aliases and the packet ids that the broker never hears of.

import type { Qos } from '../../policy/acl.ts'
import { parseSubscription } from '../../policy/topic_filter.ts'
import { findLost, judgePublish, judgeReplacement, judgeSubscribe, TOKEN_TOPIC } from '../gate.ts'
import type { Verification } from '../tokens/verifier.ts'
import { readAuth, writeAuth } from '../wire/auth_codec.ts'
import { readDisconnect } from '../wire/disconnect_codec.ts'
import {
  DISCONNECT,
  PINGREQ,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  type Scanner,
  SUBSCRIBE,
  UNSUBSCRIBE,
  writeAck,
} from '../wire/framing.ts'
import { AckView, PublishView, writeWithTopic } from '../wire/publish_codec.ts'
import {
  MALFORMED,
  NOT_AUTHORIZED,
  PACKET_ID_NOT_FOUND,
  PROTOCOL_ERROR,
  QUOTA_EXCEEDED,
  REAUTHENTICATE,
  SUBACK_FAILURE_3,
  SUCCESS,
  TOPIC_FILTER_INVALID,
} from '../wire/reason_codes.ts'
import {
  readSubscriptions,
  type SubscriptionType,
  writeAllowed,
  writeAnswer,
} from '../wire/subscribe_codec.ts'
import { type Established, PENDING, VERIFYING } from './established.ts'

export class FromClient {
  readonly #established: Established
  readonly #publish = new PublishView()
  readonly #ack = new AckView()
  #forwardsParts = false
  /** Topic of each alias as the client means it, and as the broker knows it. */
  readonly #clientAliases: (string | undefined)[] = []
  readonly #brokerAliases: (string | undefined)[] = []
  /** Ids of refused QoS 2 messages whose PUBREL is to come, or in MQTT 5 should not come. */
  readonly #localQos2 = new Set<number>()

  constructor(established: Established) {
    this.#established = established
  }

  /** A whole packet. */
  take(found: Scanner): void {
    const type = found.buffer[found.start]! >> 4
    switch (type) {
      case PUBLISH:
        this.publish(found, true)
        break
      case PUBACK:
      case PUBREC:
      case PUBREL:
      case PUBCOMP:
        this.#acknowledge(found, type)
        break
      case SUBSCRIBE:
      case UNSUBSCRIBE:
        this.#subscribe(found, type)
        break
      case PINGREQ:
        if (found.end !== found.body) this.#established.fail(MALFORMED)
        else this.#established.toBroker.pass(found.buffer, found.start, found.end, true)
        break
      case DISCONNECT:
        this.#disconnect(found)
        break
      default:
        this.#authenticate(found)
    }
  }

  /** A PUBLISH, whole or its head. */
  publish(found: Scanner, whole: boolean): void {
    const view = this.#publish
    const fault = view.readFromClient(found, this.#established.agreement.topicAliasMaximum)
    if (fault !== 0) {
      this.#established.fail(fault)
      return
    }
    const { alias, qos, packetId } = view
    let topic: string | undefined
    if (view.topicLength > 0) topic = view.topic(found)
    else topic = this.#clientAliases[alias]
    if (topic === undefined) {
      this.#established.fail(PROTOCOL_ERROR) // MQTT 5.0 §3.3.2.3.4: an alias that was never set
      return
    }

    this.#forwardsParts = false
    let code: number
    const isToken = topic === TOKEN_TOPIC && qos === 1 && !view.retain && whole
    if (isToken) {
      code = SUCCESS
    } else {
      const { acl } = this.#established.identity
      const { topic_levels_max } = this.#established.limits
      code = judgePublish(acl, topic, qos, view.retain, view.responseTopic, topic_levels_max)
      if (code === MALFORMED) {
        this.#established.fail(MALFORMED)
        return
      }
    }
    // Refused or not, from now on the client means this topic by it.
    if (alias !== 0) this.#clientAliases[alias] = topic
    if (isToken) {
      const token = found.buffer.subarray(view.payload, found.end)
      this.#replaceToken(token, true, () =>
        this.#established.toClient.insert(writeAck(PUBACK, packetId, SUCCESS)),
      )
      return
    }

    let bytes: Buffer | null = null
    if (code === SUCCESS && alias !== 0) {
      if (view.topicLength === 0 && this.#brokerAliases[alias] !== topic) {
        // The broker was not told, or was told something else: name the topic.
        bytes = writeWithTopic(found, topic)
        const grown = found.total + bytes.length - (found.end - found.start)
        if (grown > this.#established.agreement.brokerPacketMaximum) code = QUOTA_EXCEEDED
      }
      if (code === SUCCESS) this.#brokerAliases[alias] = topic
    }
    if (code !== SUCCESS) {
      this.#refusePublish(qos, packetId, code)
      return
    }
    this.#established.counts.published++
    this.#established.events.publishAllowed(found.total)
    this.#forwardsParts = !whole
    if (qos !== 0) {
      this.#established.inFlight.add(packetId)
      this.#localQos2.delete(packetId)
    }
    if (bytes) this.#established.toBroker.pass(bytes, 0, bytes.length, whole)
    else this.#established.toBroker.pass(found.buffer, found.start, found.end, whole)
  }

  #refusePublish(qos: Qos, packetId: number, code: number): void {
    this.#established.counts.publishes_refused++
    this.#established.events.publishDenied()
    if (qos === 0) return
    if (this.#established.version === 5) {
      // MQTT 5.0 §4.3.3: a PUBREC of 0x80 and above ends the exchange.
      this.#established.toClient.insert(writeAck(qos === 1 ? PUBACK : PUBREC, packetId, code))
      if (qos === 2) this.#rememberRefused(packetId)
      return
    }
    // 3.1.1 [MQTT-3.3.5-2]: there is no other answer than these two.
    if (this.#established.limits.denied_publish_3 === 'close') {
      this.#established.control.end('publish_denied', NOT_AUTHORIZED)
      return
    }
    if (qos === 1) {
      this.#established.toClient.insert(writeAck(PUBACK, packetId, 0))
      return
    }
    const held = this.#localQos2
    if (!held.has(packetId) && held.size >= this.#established.limits.inflight_qos2_max) {
      this.#established.control.end('quota_exceeded', QUOTA_EXCEEDED)
      return
    }
    held.add(packetId)
    this.#established.toClient.insert(writeAck(PUBREC, packetId, 0))
  }

  /** Some clients release what was refused all the same; the oldest ids are forgotten. */
  #rememberRefused(packetId: number): void {
    const held = this.#localQos2
    if (held.size >= this.#established.limits.inflight_qos2_max) {
      for (const oldest of held) {
        held.delete(oldest)
        break
      }
    }
    held.add(packetId)
  }

  /** More of a large PUBLISH, which goes the way of its head. */
  passPart(found: Scanner): void {
    if (!this.#forwardsParts) return
    this.#established.toBroker.pass(found.buffer, found.start, found.end, found.last)
  }

  #acknowledge(found: Scanner, type: number): void {
    const ack = this.#ack
    const fault = ack.readFromClient(found, type)
    if (fault !== 0) {
      this.#established.fail(fault)
      return
    }
    if (type === PUBREL && this.#localQos2.delete(ack.packetId)) {
      const code = this.#established.version === 5 ? PACKET_ID_NOT_FOUND : SUCCESS
      this.#established.toClient.insert(writeAck(PUBCOMP, ack.packetId, code))
      return
    }
    this.#established.toBroker.pass(found.buffer, found.start, found.end, true)
    if (type === PUBREL) this.#established.inFlight.add(ack.packetId) // of an earlier connection perhaps
    if (type === PUBACK) this.#established.refused.answer(1)
    else if (type === PUBREC) this.#established.refused.answer(2)
  }

  #subscribe(found: Scanner, type: SubscriptionType): void {
    const read = readSubscriptions(found, type)
    if ('fault' in read) {
      this.#established.fail(read.fault)
      return
    }
    const { packetId, filters, qos } = read
    if (this.#established.subscriptions.isWaiting(packetId)) {
      // Clients that know MQTT 3.1 (ESP-IDF's) send it again when the answer takes a second. The
      // broker has it, and its answer is on the way.
      const isRepeated = this.#established.subscriptions.isAsked(packetId, { type, filters, qos })
      if (this.#established.version === 4 && isRepeated) return
      this.#established.fail(PROTOCOL_ERROR) // [MQTT-2.2.1-3]
      return
    }
    let codes: Uint8Array
    if (type === SUBSCRIBE) {
      codes = judgeSubscribe(this.#established.identity.acl, filters, qos, this.#established.limits)
      this.#established.subscriptions.limit(
        filters,
        codes,
        this.#established.limits.subscriptions_max,
      )
    } else {
      // To give things back is no burden, but what is asked and not answered is remembered.
      if (filters.length > this.#established.limits.subscriptions_max) {
        this.#established.fail(QUOTA_EXCEEDED)
        return
      }
      codes = new Uint8Array(filters.length)
      for (let i = 0; i < codes.length; i++) {
        if (parseSubscription(filters[i]!) === null) codes[i] = TOPIC_FILTER_INVALID
      }
    }
    let refused = 0
    for (let i = 0; i < codes.length; i++) {
      if (codes[i] === 0) continue
      refused++
      if (this.#established.version === 4) codes[i] = SUBACK_FAILURE_3
    }
    if (type === SUBSCRIBE) {
      this.#established.counts.subscriptions_refused += refused
      if (refused > 0) this.#established.events.subscribeDenied(refused)
      if (refused < codes.length) this.#established.events.subscribeAllowed(codes.length - refused)
    }
    if (refused === codes.length) {
      this.#established.toClient.insert(
        writeAnswer(this.#established.version, type, packetId, codes),
      )
      return
    }
    if (refused === 0) {
      this.#established.toBroker.pass(found.buffer, found.start, found.end, true)
    } else {
      const packet = writeAllowed(read, type, codes)
      this.#established.toBroker.pass(packet, 0, packet.length, true)
    }
    this.#established.subscriptions.ask(packetId, { type, filters, qos, codes })
    if (
      this.#established.subscriptions.waiting >= this.#established.limits.inflight_subscribes_max
    ) {
      this.#established.flow.block(PENDING)
    }
  }

  #disconnect(found: Scanner): void {
    const { session_expiry_max_s } = this.#established.limits
    const read = readDisconnect(
      found,
      this.#established.agreement.sessionExpiry,
      session_expiry_max_s,
    )
    if (read !== null && 'fault' in read) {
      this.#established.fail(read.fault)
      return
    }
    if (read !== null) this.#established.toBroker.pass(read, 0, read.length, true)
    else this.#established.toBroker.pass(found.buffer, found.start, found.end, true)
    this.#established.control.end('client_disconnect', SUCCESS)
  }

  #authenticate(found: Scanner): void {
    const method = this.#established.agreement.authenticationMethod
    const read = readAuth(found)
    if ('fault' in read) {
      this.#established.fail(read.fault)
      return
    }
    // [MQTT-4.12.0-6], [MQTT-4.12.1-1]; a token is all it takes, so nothing is ever to be continued.
    if (method === undefined || read.method !== method || read.reason !== REAUTHENTICATE) {
      this.#established.fail(PROTOCOL_ERROR)
      return
    }
    this.#replaceToken(read.data ?? new Uint8Array(), false, (accepted) => {
      if (accepted) this.#established.toClient.insert(writeAuth(SUCCESS, method))
    })
  }

  /** Nothing of the client is looked at until it is known what the token permits. */
  #replaceToken(token: Uint8Array, handedIn: boolean, answer: (accepted: boolean) => void): void {
    this.#established.flow.block(VERIFYING)
    const decide = (next: Verification) => {
      if (this.#established.isOver) return
      const judged = judgeReplacement(
        this.#established.identity,
        next,
        this.#established.agreement,
        handedIn,
        this.#established.limits.topic_levels_max,
      )
      answer(judged.decision === 'replace')
      if (judged.decision === 'close') {
        this.#established.toClient.flush()
        this.#established.control.end(
          'reauthentication_failed',
          NOT_AUTHORIZED,
          judged.suppressWill,
        )
        return
      }
      if (judged.decision === 'replace') {
        this.#established.identity = judged.identity
        this.#established.takeBack(
          findLost(judged.identity.acl, this.#established.subscriptions.held),
        )
        this.#established.control.noteReplacement(judged.identity)
      }
      this.#established.flow.unblock(VERIFYING)
    }
    this.#established.control.verify(token).then(decide)
  }
}
