// Packets of the client in an open session: judged by gate.ts, passed on, answered in the broker's
// place or kept here. Owns the topic aliases. Refused PUBLISHes are answered in
// refused_publishes.ts.

import { hash } from 'node:crypto'
import { MAX_LEVELS } from '../../policy/topic_filter.ts'
import {
  findLost,
  isAcceptable,
  judgePublish,
  judgeReplacement,
  judgeSubscribe,
  TOKEN_TOPIC,
} from '../gate.ts'
import { MinuteAllowance } from '../shares/allowance.ts'
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
  DISCONNECT_WITH_WILL,
  MALFORMED,
  NOT_AUTHORIZED,
  PROTOCOL_ERROR,
  QUOTA_EXCEEDED,
  REAUTHENTICATE,
  SUBACK_FAILURE_3,
  SUCCESS,
  TOPIC_FILTER_INVALID,
} from '../wire/reason_codes.ts'
import {
  readSubscriptions,
  type SubscriptionPacket,
  type SubscriptionType,
  writeAllowed,
  writeAnswer,
} from '../wire/subscribe_codec.ts'
import { writeLateWill } from './late_will.ts'
import { RefusedPublishes } from './refused_publishes.ts'
import { publishInShadow, subscribeInShadow } from './shadow.ts'
import { STAMP_PREFIX } from './stamp.ts'
import { IN_FLIGHT, PENDING, type SessionState, VERIFYING } from './state.ts'
import { TopicMemory } from './topic_memory.ts'

/** A PUBLISH with a token is read whole up to this size. */
const TOKEN_PACKET_MAX = 16_384

/** Filters that are judged between two looks at the clock. */
const FILTERS_AT_ONCE = 16

/** A SUBSCRIBE or UNSUBSCRIBE, the answer as far as it is known, and where its packet stands. */
type OpenQuestion = SubscriptionPacket & {
  type: SubscriptionType
  codes: Uint8Array
  start: number
  end: number
  /** Filters of the SUBSCRIBE that were judged so far. */
  judged: number
}

export class FromClient {
  readonly #state: SessionState
  readonly #publish = new PublishView()
  readonly #ack = new AckView()
  readonly #lastTopic = new TopicMemory<number>()
  #forwardsParts = false
  /** Topic of each alias as the client means it, and as the broker knows it. */
  readonly #clientAliases: (string | undefined)[] = []
  readonly #brokerAliases: (string | undefined)[] = []
  readonly #refusedPublishes: RefusedPublishes
  /** Of topic filters that are refused, and of tokens that are verified. */
  #refusals: MinuteAllowance | undefined
  #verifications: MinuteAllowance | undefined
  /** Digests of the present token, once it came in mid-session, and of one that changed nothing. */
  #presentToken: string | undefined
  #ignoredToken: string | undefined

  constructor(state: SessionState) {
    this.#state = state
    this.#refusedPublishes = new RefusedPublishes(state)
  }

  /** A whole packet. */
  take(scanner: Scanner): void {
    const type = scanner.buffer[scanner.start]! >> 4
    switch (type) {
      case PUBLISH:
        this.publish(scanner, true)
        break
      case PUBACK:
      case PUBREC:
      case PUBREL:
      case PUBCOMP:
        this.#acknowledge(scanner, type)
        break
      case SUBSCRIBE:
      case UNSUBSCRIBE:
        this.#subscribe(scanner, type)
        break
      case PINGREQ:
        this.#ping(scanner)
        break
      case DISCONNECT:
        this.#disconnect(scanner)
        break
      default:
        this.#authenticate(scanner)
    }
  }

  /** A PUBLISH, whole or its head. */
  publish(scanner: Scanner, whole: boolean): void {
    const view = this.#publish
    const fault = view.readFromClient(scanner, this.#state.agreement.topicAliasMaximum)
    if (fault !== 0) {
      this.#state.fail(fault)
      return
    }
    const { alias, qos, packetId } = view
    let topic: string | undefined
    if (view.topicLength > 0) topic = view.topicBy(scanner, this.#lastTopic)
    else topic = this.#clientAliases[alias]
    if (topic === undefined) {
      this.#state.fail(PROTOCOL_ERROR) // MQTT 5.0 §3.3.2.3.4: an alias that was never set
      return
    }

    this.#forwardsParts = false
    if (!whole && topic === TOKEN_TOPIC && scanner.total <= TOKEN_PACKET_MAX) {
      scanner.takeWhole()
      return
    }
    let code: number
    const isToken = topic === TOKEN_TOPIC && qos === 1 && !view.retain && whole
    if (isToken) {
      code = SUCCESS
    } else {
      const { limits } = this.#state
      code = this.#judgePublish(view, topic)
      if (limits.acl_mode === 'shadow') {
        const { retain, responseTopic } = view
        code = publishInShadow(this.#state, { topic, qos, retain, responseTopic }, code)
      }
      if (code === MALFORMED) {
        this.#state.fail(MALFORMED)
        return
      }
    }
    // Refused or not, from now on the client means this topic by it.
    if (alias !== 0) this.#clientAliases[alias] = topic
    if (isToken) {
      const token = scanner.buffer.subarray(view.payload, scanner.end)
      view.forget()
      this.#replaceToken(token, true, () =>
        this.#state.toClient.insert(writeAck(PUBACK, packetId, SUCCESS)),
      )
      return
    }

    // The broker may know no topic of this alias, or another one: then the topic is named.
    const isUnknownAlias = view.topicLength === 0 && this.#brokerAliases[alias] !== topic
    const name = isUnknownAlias ? topic : undefined
    const { stamp } = this.#state
    let bytes: Buffer | null = null
    if (code === SUCCESS && (stamp !== null || name !== undefined)) {
      if (stamp !== null) bytes = view.withStamp(scanner, name, STAMP_PREFIX, stamp)
      else bytes = writeWithTopic(scanner, topic)
      const size = scanner.total + bytes.length - (scanner.end - scanner.start)
      if (size > this.#state.agreement.brokerPacketMaximum) code = QUOTA_EXCEEDED
    }
    if (code === SUCCESS && alias !== 0) this.#brokerAliases[alias] = topic
    if (code !== SUCCESS) {
      this.#state.events.refused(this.#state.counts, 'publish_refused', topic, code)
      this.#refusedPublishes.refuse(qos, packetId, code)
      return
    }
    this.#state.counts.published++
    this.#state.events.publishAllowed(scanner.total)
    this.#forwardsParts = !whole
    if (qos !== 0) {
      this.#state.inFlight.add(packetId)
      this.#refusedPublishes.forget(packetId)
      this.#watchInFlight()
    }
    if (bytes) this.#state.toBroker.pass(bytes, 0, bytes.length, whole)
    else this.#state.toBroker.pass(scanner.buffer, scanner.start, scanner.end, whole)
  }

  #judgePublish({ qos, retain, responseTopic }: PublishView, topic: string): number {
    const { acl } = this.#state.identity
    const { limits } = this.#state
    const last = this.#lastTopic
    if (responseTopic !== undefined || topic !== last.topic) {
      return judgePublish(acl, topic, qos, retain, responseTopic, limits)
    }
    const kind = qos | (retain ? 4 : 0)
    const known = last.recall(acl, kind)
    if (known !== undefined) return known
    const code = judgePublish(acl, topic, qos, retain, undefined, limits)
    last.remember(acl, kind, code)
    return code
  }

  /** More of a large PUBLISH, which goes the way of its head. */
  passPart(scanner: Scanner): void {
    if (!this.#forwardsParts) return
    this.#state.toBroker.pass(scanner.buffer, scanner.start, scanner.end, scanner.last)
  }

  #ping(scanner: Scanner): void {
    if (scanner.end !== scanner.body) {
      this.#state.fail(MALFORMED)
      return
    }
    this.#state.pings.ask()
    this.#state.toBroker.pass(scanner.buffer, scanner.start, scanner.end, true)
  }

  /** More waits unread until the broker has answered some. */
  #watchInFlight(): void {
    if (this.#state.inFlight.awaiting < this.#state.limits.inflight_max) return
    this.#state.isInFlightFull = true
    this.#state.flow.block(IN_FLIGHT)
  }

  #acknowledge(scanner: Scanner, type: number): void {
    const ack = this.#ack
    const fault = ack.readFromClient(scanner, type)
    if (fault !== 0) {
      this.#state.fail(fault)
      return
    }
    if (type === PUBREL && this.#refusedPublishes.release(ack.packetId)) return
    this.#state.toBroker.pass(scanner.buffer, scanner.start, scanner.end, true)
    if (type === PUBREL) {
      this.#state.inFlight.add(ack.packetId) // of an earlier connection perhaps
      this.#watchInFlight()
    }
    if (type === PUBACK) this.#state.refusedDeliveries.answer(1)
    else if (type === PUBREC) this.#state.refusedDeliveries.answer(2)
  }

  #subscribe(scanner: Scanner, type: SubscriptionType): void {
    const { limits } = this.#state
    const isAsking = type === SUBSCRIBE
    const most = isAsking ? limits.subscriptions_per_packet : limits.subscriptions_max
    const request = readSubscriptions(scanner, type, most)
    if ('fault' in request) {
      this.#state.fail(request.fault)
      return
    }
    const { packetId, count, filters, qos } = request
    if (this.#state.subscriptions.isWaiting(packetId)) {
      // Clients that know MQTT 3.1 (ESP-IDF's) send it again when the answer takes a second. The
      // broker has it, and its answer is on the way.
      const isRepeated = this.#state.subscriptions.isSameQuestion(packetId, { type, filters, qos })
      if (this.#state.version === 4 && isRepeated) return
      this.#state.fail(PROTOCOL_ERROR) // [MQTT-2.2.1-3]
      return
    }
    const { start, end } = scanner
    const question = {
      ...request,
      type,
      start,
      end,
      codes: new Uint8Array(count),
      judged: 0,
    }
    if (count > most && !isAsking) {
      // Giving filters back is no burden, but each question without an answer is remembered.
      this.#state.fail(QUOTA_EXCEEDED)
      return
    }
    if (count > most) {
      question.codes.fill(QUOTA_EXCEEDED)
      this.#passQuestion(question)
      return
    }
    if (isAsking) {
      if (!this.#judge(question)) this.#state.flow.putOff(() => this.#judge(question))
      return
    }
    for (let i = 0; i < filters.length; i++) {
      if (!isAcceptable(filters[i]!, MAX_LEVELS)) question.codes[i] = TOPIC_FILTER_INVALID
    }
    this.#passQuestion(question)
  }

  /** Judges a SUBSCRIBE as far as this turn has time for it; true when it went its way. */
  #judge(question: OpenQuestion): boolean {
    const { limits, identity, flow } = this.#state
    const { filters, qos, codes } = question
    while (question.judged < codes.length) {
      const to = Math.min(question.judged + FILTERS_AT_ONCE, codes.length)
      judgeSubscribe(identity.acl, filters, qos, limits, codes, question.judged, to)
      if (limits.acl_mode === 'shadow') subscribeInShadow(this.#state, question, to)
      question.judged = to
      if (flow.isWorkEnough(FILTERS_AT_ONCE) && to < codes.length) return false
    }
    this.#state.subscriptions.limit(filters, codes, limits.subscriptions_max)
    this.#passQuestion(question)
    return true
  }

  /** Passes on what is allowed of a SUBSCRIBE or UNSUBSCRIBE, or answers one that is refused. */
  #passQuestion(question: OpenQuestion): void {
    const { type, packetId, filters, qos, codes } = question
    let refused = 0
    for (let i = 0; i < codes.length; i++) {
      if (codes[i] === 0) continue
      refused++
      if (type === SUBSCRIBE) {
        this.#state.events.refused(this.#state.counts, 'subscribe_refused', filters[i]!, codes[i]!)
      }
      if (this.#state.version === 4) codes[i] = SUBACK_FAILURE_3
    }
    if (type === SUBSCRIBE) {
      this.#state.counts.subscriptions_refused += refused
      if (refused > 0) this.#state.events.subscribeDenied(refused)
      if (refused < codes.length) this.#state.events.subscribeAllowed(codes.length - refused)
    }
    if (refused === codes.length) {
      this.#state.toClient.insert(writeAnswer(this.#state.version, type, packetId, codes))
    } else {
      if (refused === 0) {
        this.#state.toBroker.pass(question.bytes, question.start, question.end, true)
      } else {
        const packet = writeAllowed(question, type, codes)
        this.#state.toBroker.pass(packet, 0, packet.length, true)
      }
      const { acl } = this.#state.identity
      this.#state.subscriptions.ask(packetId, { type, filters, qos, codes, acl })
      if (this.#state.subscriptions.waiting >= this.#state.limits.inflight_subscribes_max) {
        this.#state.flow.block(PENDING)
      }
    }
    if (type !== SUBSCRIBE || refused === 0) return
    // Asking again will not get it, and others wait for the answer.
    this.#refusals ??= new MinuteAllowance()
    const most = this.#state.limits.refused_filters_per_minute
    if (this.#refusals.take(refused, most)) return
    this.#state.control.end('too_many_refused_filters', QUOTA_EXCEEDED)
  }

  #disconnect(scanner: Scanner): void {
    const { session_expiry_max_s } = this.#state.limits
    const disconnect = readDisconnect(
      scanner,
      this.#state.agreement.sessionExpiry,
      session_expiry_max_s,
    )
    if (disconnect !== null && 'fault' in disconnect) {
      this.#state.fail(disconnect.fault)
      return
    }
    const { buffer, body, end } = scanner
    const asksForWill = end > body && buffer[body] === DISCONNECT_WITH_WILL
    const lateWill = asksForWill ? writeLateWill(this.#state) : null
    if (lateWill !== null) {
      this.#state.toBroker.insert(lateWill)
      buffer[body] = SUCCESS
      if (disconnect !== null) disconnect[2] = SUCCESS
    }
    if (disconnect !== null) this.#state.toBroker.pass(disconnect, 0, disconnect.length, true)
    else this.#state.toBroker.pass(scanner.buffer, scanner.start, scanner.end, true)
    this.#state.control.end('client_disconnect', SUCCESS)
  }

  #authenticate(scanner: Scanner): void {
    const method = this.#state.agreement.authenticationMethod
    const auth = readAuth(scanner)
    if ('fault' in auth) {
      this.#state.fail(auth.fault)
      return
    }
    // [MQTT-4.12.0-7], [MQTT-4.12.1-1]; one token is enough, so no exchange is ever continued.
    if (method === undefined || auth.method !== method || auth.reason !== REAUTHENTICATE) {
      this.#state.fail(PROTOCOL_ERROR)
      return
    }
    this.#replaceToken(auth.data ?? new Uint8Array(), false, (isAccepted) => {
      if (isAccepted) this.#state.toClient.insert(writeAuth(SUCCESS, method))
    })
  }

  /**
   * No packet of the client is read until the rules of the new token are known. The same token
   * again is answered as before: what may have ended it meanwhile would have ended the session.
   */
  #replaceToken(
    token: Uint8Array,
    isHandedIn: boolean,
    answer: (isAccepted: boolean) => void,
  ): void {
    const digest = hash('sha256', token, 'base64')
    if (digest === this.#presentToken || (isHandedIn && digest === this.#ignoredToken)) {
      answer(true)
      return
    }
    this.#verifications ??= new MinuteAllowance()
    if (!this.#verifications.take(1, this.#state.limits.reauthentications_per_minute)) {
      this.#state.control.end('too_many_tokens', QUOTA_EXCEEDED)
      return
    }
    this.#state.flow.block(VERIFYING)
    const decide = (next: Verification) => {
      if (this.#state.isOver) return
      const judgement = judgeReplacement(
        this.#state.identity,
        next,
        this.#state.agreement,
        isHandedIn,
        this.#state.limits,
      )
      answer(judgement.decision === 'replace')
      if (judgement.decision === 'close') {
        this.#state.toClient.flush()
        this.#state.control.end('reauthentication_failed', NOT_AUTHORIZED, judgement.suppressWill)
        return
      }
      const isSettled = next.ok || next.reason === 'expired' || next.reason === 'superseded'
      if (judgement.decision === 'ignore' && isSettled) this.#ignoredToken = digest
      if (judgement.decision === 'replace') {
        this.#presentToken = digest
        this.#ignoredToken = undefined
        this.#state.identity = judgement.identity
        const { subscriptions, limits } = this.#state
        this.#state.takeBack(findLost(this.#state.rules, subscriptions.current, limits))
        this.#state.control.noteReplacement(judgement.identity)
      }
      this.#state.flow.unblock(VERIFYING)
    }
    this.#state.control.verify(token).then(decide)
  }
}
