// What a client sends in an established session: judged, passed on, answered in the broker's place or
// kept here. It owns the topic aliases and the packet ids that the broker never hears of.

import { parseSubscription } from '../../policy/topic_filter.ts'
import { findLost, judgePublish, judgeReplacement, judgeSubscribe, TOKEN_TOPIC } from '../gate.ts'
import { type Qos, readAuth, readDisconnect, writeAuth } from '../wire/connect_codec.ts'
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
import type { Verification } from './connection.ts'
import { type Established, PENDING, VERIFYING } from './established.ts'

export class FromClient {
  readonly #session: Established
  readonly #publish = new PublishView()
  readonly #ack = new AckView()
  #forwardsParts = false
  /** Topic of each alias as the client means it, and as the broker knows it. */
  readonly #clientAliases: (string | undefined)[] = []
  readonly #brokerAliases: (string | undefined)[] = []
  /** Ids of refused QoS 2 messages whose PUBREL is to come, or in MQTT 5 should not come. */
  readonly #localQos2 = new Set<number>()

  constructor(session: Established) {
    this.#session = session
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
        if (found.end !== found.body) this.#session.fail(MALFORMED)
        else this.#session.toBroker.pass(found.buffer, found.start, found.end, true)
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
    const fault = view.readFromClient(found, this.#session.agreement.topicAliasMaximum)
    if (fault !== 0) {
      this.#session.fail(fault)
      return
    }
    const { alias, qos, packetId } = view
    let topic: string | undefined
    if (view.topicLength > 0) topic = view.topic(found)
    else topic = this.#clientAliases[alias]
    if (topic === undefined) {
      this.#session.fail(PROTOCOL_ERROR) // MQTT 5.0 §3.3.2.3.4: an alias that was never set
      return
    }

    this.#forwardsParts = false
    let code: number
    const isToken = topic === TOKEN_TOPIC && qos === 1 && !view.retain && whole
    if (isToken) {
      code = SUCCESS
    } else {
      const { acl } = this.#session.identity
      const { topic_levels_max } = this.#session.limits
      code = judgePublish(acl, topic, qos, view.retain, view.responseTopic, topic_levels_max)
      if (code === MALFORMED) {
        this.#session.fail(MALFORMED)
        return
      }
    }
    // Refused or not, from now on the client means this topic by it.
    if (alias !== 0) this.#clientAliases[alias] = topic
    if (isToken) {
      const token = found.buffer.subarray(view.payload, found.end)
      this.#replaceToken(token, true, () =>
        this.#session.toClient.insert(writeAck(PUBACK, packetId, SUCCESS)),
      )
      return
    }

    let bytes: Buffer | null = null
    if (code === SUCCESS && alias !== 0) {
      if (view.topicLength === 0 && this.#brokerAliases[alias] !== topic) {
        // The broker was not told, or was told something else: name the topic.
        bytes = writeWithTopic(found, topic)
        const grown = found.total + bytes.length - (found.end - found.start)
        if (grown > this.#session.agreement.brokerPacketMaximum) code = QUOTA_EXCEEDED
      }
      if (code === SUCCESS) this.#brokerAliases[alias] = topic
    }
    if (code !== SUCCESS) {
      this.#refusePublish(qos, packetId, code)
      return
    }
    this.#session.counts.published++
    this.#session.events.publishAllowed(found.total)
    this.#forwardsParts = !whole
    if (qos !== 0) {
      this.#session.inFlight.add(packetId)
      this.#localQos2.delete(packetId)
    }
    if (bytes) this.#session.toBroker.pass(bytes, 0, bytes.length, whole)
    else this.#session.toBroker.pass(found.buffer, found.start, found.end, whole)
  }

  #refusePublish(qos: Qos, packetId: number, code: number): void {
    this.#session.counts.publishes_refused++
    this.#session.events.publishDenied()
    if (qos === 0) return
    if (this.#session.version === 5) {
      // MQTT 5.0 §4.3.3: a PUBREC of 0x80 and above ends the exchange.
      this.#session.toClient.insert(writeAck(qos === 1 ? PUBACK : PUBREC, packetId, code))
      if (qos === 2) this.#rememberRefused(packetId)
      return
    }
    // 3.1.1 [MQTT-3.3.5-2]: there is no other answer than these two.
    if (this.#session.limits.denied_publish_3 === 'close') {
      this.#session.host.end('publish_denied', NOT_AUTHORIZED)
      return
    }
    if (qos === 1) {
      this.#session.toClient.insert(writeAck(PUBACK, packetId, 0))
      return
    }
    const held = this.#localQos2
    if (!held.has(packetId) && held.size >= this.#session.limits.inflight_qos2_max) {
      this.#session.host.end('quota_exceeded', QUOTA_EXCEEDED)
      return
    }
    held.add(packetId)
    this.#session.toClient.insert(writeAck(PUBREC, packetId, 0))
  }

  /** Some clients release what was refused all the same; the oldest ids are forgotten. */
  #rememberRefused(packetId: number): void {
    const held = this.#localQos2
    if (held.size >= this.#session.limits.inflight_qos2_max) {
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
    this.#session.toBroker.pass(found.buffer, found.start, found.end, found.last)
  }

  #acknowledge(found: Scanner, type: number): void {
    const ack = this.#ack
    const fault = ack.readFromClient(found, type)
    if (fault !== 0) {
      this.#session.fail(fault)
      return
    }
    if (type === PUBREL && this.#localQos2.delete(ack.packetId)) {
      const code = this.#session.version === 5 ? PACKET_ID_NOT_FOUND : SUCCESS
      this.#session.toClient.insert(writeAck(PUBCOMP, ack.packetId, code))
      return
    }
    this.#session.toBroker.pass(found.buffer, found.start, found.end, true)
    if (type === PUBREL) this.#session.inFlight.add(ack.packetId) // of an earlier connection perhaps
    if (type === PUBACK) this.#session.refused.answer(1)
    else if (type === PUBREC) this.#session.refused.answer(2)
  }

  #subscribe(found: Scanner, type: SubscriptionType): void {
    const read = readSubscriptions(found, type)
    if ('fault' in read) {
      this.#session.fail(read.fault)
      return
    }
    const { packetId, filters, qos } = read
    if (this.#session.subscriptions.isWaiting(packetId)) {
      // Clients that know MQTT 3.1 (ESP-IDF's) send it again when the answer takes a second. The
      // broker has it, and its answer is on the way.
      const isRepeated = this.#session.subscriptions.isAsked(packetId, { type, filters, qos })
      if (this.#session.version === 4 && isRepeated) return
      this.#session.fail(PROTOCOL_ERROR) // [MQTT-2.2.1-3]
      return
    }
    let codes: Uint8Array
    if (type === SUBSCRIBE) {
      codes = judgeSubscribe(this.#session.identity.acl, filters, qos, this.#session.limits)
      this.#session.subscriptions.limit(filters, codes, this.#session.limits.subscriptions_max)
    } else {
      // To give things back is no burden, but what is asked and not answered is remembered.
      if (filters.length > this.#session.limits.subscriptions_max) {
        this.#session.fail(QUOTA_EXCEEDED)
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
      if (this.#session.version === 4) codes[i] = SUBACK_FAILURE_3
    }
    if (type === SUBSCRIBE) {
      this.#session.counts.subscriptions_refused += refused
      if (refused > 0) this.#session.events.subscribeDenied(refused)
      if (refused < codes.length) this.#session.events.subscribeAllowed(codes.length - refused)
    }
    if (refused === codes.length) {
      this.#session.toClient.insert(writeAnswer(this.#session.version, type, packetId, codes))
      return
    }
    if (refused === 0) {
      this.#session.toBroker.pass(found.buffer, found.start, found.end, true)
    } else {
      const packet = writeAllowed(read, type, codes)
      this.#session.toBroker.pass(packet, 0, packet.length, true)
    }
    this.#session.subscriptions.ask(packetId, { type, filters, qos, codes })
    if (this.#session.subscriptions.waiting >= this.#session.limits.inflight_subscribes_max) {
      this.#session.flow.block(PENDING)
    }
  }

  #disconnect(found: Scanner): void {
    const { session_expiry_max_s } = this.#session.limits
    const read = readDisconnect(found, this.#session.agreement.sessionExpiry, session_expiry_max_s)
    if (read !== null && 'fault' in read) {
      this.#session.fail(read.fault)
      return
    }
    if (read !== null) this.#session.toBroker.pass(read, 0, read.length, true)
    else this.#session.toBroker.pass(found.buffer, found.start, found.end, true)
    this.#session.host.end('client_disconnect', SUCCESS)
  }

  #authenticate(found: Scanner): void {
    const method = this.#session.agreement.authenticationMethod
    const read = readAuth(found)
    if ('fault' in read) {
      this.#session.fail(read.fault)
      return
    }
    // [MQTT-4.12.0-6], [MQTT-4.12.1-1]; a token is all it takes, so nothing is ever to be continued.
    if (method === undefined || read.method !== method || read.reason !== REAUTHENTICATE) {
      this.#session.fail(PROTOCOL_ERROR)
      return
    }
    this.#replaceToken(read.data ?? new Uint8Array(), false, (accepted) => {
      if (accepted) this.#session.toClient.insert(writeAuth(SUCCESS, method))
    })
  }

  /** Nothing of the client is looked at until it is known what the token permits. */
  #replaceToken(token: Uint8Array, handedIn: boolean, answer: (accepted: boolean) => void): void {
    this.#session.flow.block(VERIFYING)
    const decide = (next: Verification) => {
      if (this.#session.isOver) return
      const judged = judgeReplacement(
        this.#session.identity,
        next,
        this.#session.agreement,
        handedIn,
        this.#session.limits.topic_levels_max,
      )
      answer(judged.decision === 'replace')
      if (judged.decision === 'close') {
        this.#session.toClient.flush()
        this.#session.host.end('reauthentication_failed', NOT_AUTHORIZED, judged.suppressWill)
        return
      }
      if (judged.decision === 'replace') {
        this.#session.identity = judged.identity
        this.#session.takeBack(findLost(judged.identity.acl, this.#session.subscriptions.held))
        this.#session.host.replaced(judged.identity)
      }
      this.#session.flow.unblock(VERIFYING)
    }
    this.#session.host.verify(token).then(decide)
  }
}
