// One client's connection from accept to close.
//   session.ts: its phases (CONNECT, verification, dial, CONNACK, open); admission.ts: is it let in
//   relay.ts: two pumps; from_client.ts, from_broker.ts: each packet judged (topic_memory.ts)
//   refused_publishes.ts, refused_deliveries.ts: answers to what a token forbids, or shadow.ts
//   state.ts, subscriptions.ts, in_flight.ts: memory of both; outlet.ts: the way out
//   ahead.ts: bytes before CONNACK; stamp.ts: the sender named; late_will.ts: delays of Wills
//   terms.ts: terms of both; deadlines.ts, alarm.ts: what is due; events.ts: what others hear
// Leaves decisions to gate.ts, how much is done at once to shares/, bytes to wire/, tokens to
// tokens/, streams to transport/, log lines and numbers to operation/, which hears of a session
// through its events.

import type { Withdrawal } from '../tokens/status_lists.ts'
import type { Identity } from '../tokens/verifier.ts'
import type { Arrival, ByteStream } from '../transport/byte_stream.ts'
import { closeInTime } from '../transport/closing.ts'
import type { Dial, Upstream } from '../transport/upstream.ts'
import {
  type Connack,
  type Connect,
  readConnack,
  readConnect,
  writeConnack,
} from '../wire/connect_codec.ts'
import { DISCONNECT_3, writeDisconnect5, writeFarewell5 } from '../wire/disconnect_codec.ts'
import {
  FAULT,
  FROM_BROKER,
  FROM_CLIENT,
  MORE,
  ONLY_CONNACK,
  ONLY_CONNECT,
  PACKET_LIMIT,
  Scanner,
} from '../wire/framing.ts'
import {
  ADMINISTRATIVE_ACTION,
  BAD_USER_NAME_OR_PASSWORD,
  connackFromBroker,
  MAXIMUM_CONNECT_TIME,
  NOT_AUTHORIZED,
  PACKET_TOO_LARGE,
  SERVER_SHUTTING_DOWN,
  SERVER_UNAVAILABLE,
  SUCCESS,
  UNSPECIFIED,
  UNSUPPORTED_VERSION,
} from '../wire/reason_codes.ts'
import {
  type AdmissionParts,
  admit,
  answerRefusal,
  type ClientName,
  verifyInTime,
} from './admission.ts'
import { Ahead } from './ahead.ts'
import { Alarm } from './alarm.ts'
import { Deadlines } from './deadlines.ts'
import {
  type ConnectRefusal,
  type Ending,
  type SessionEvents,
  type SessionFacts,
  startCounts,
} from './events.ts'
import { Outlet } from './outlet.ts'
import { Relay } from './relay.ts'
import { agree, agreementOf, keepAliveFor, writeConnectFor } from './terms.ts'

type Phase = 'connect' | 'verify' | 'dial' | 'connack' | 'open' | 'over'

export type SessionParts = AdmissionParts & {
  dial: Dial
  events: SessionEvents
  /** Epoch milliseconds. */
  now: () => number
  /** Calls back once when the token of the session counts no more; the answer takes it back. */
  watchStatus: (identity: Identity, withdraw: (why: Withdrawal) => void) => () => void
  /** undefined: the stream knows the address, and came in just now. */
  arrival?: Arrival
}

let lastId = 0

export class Session implements SessionFacts {
  readonly id = ++lastId
  readonly remoteAddress: string | undefined
  readonly opened_at: number
  readonly counts = startCounts()
  /** Resolves when both connections are closed. */
  readonly closed: Promise<void>
  version: 0 | 4 | 5 = 0
  mqttClientId = ''
  #assignedId: string | undefined
  #identity: Identity | undefined

  readonly #parts: SessionParts
  readonly #client: ByteStream
  readonly #fromClient: Scanner
  readonly #toClient: Outlet
  readonly #ahead: Ahead
  #broker: Upstream['stream'] | null = null
  #toBroker: Outlet | null = null
  #fromBroker: Scanner | null = null
  #relay: Relay | null = null
  #connect: Connect | null = null

  #phase: Phase = 'connect'
  /** Gives up the dial; there is none in other phases. */
  #dialling: AbortController | undefined
  readonly #alarm = new Alarm(() => this.#wake())
  /** Deadline of the phases before `open`, monotonic ms. */
  #deadline_at: number
  /** Deadlines of the phase `open`. */
  readonly #deadlines: Deadlines
  #unwatchStatus: () => void = () => {}
  #resolveClosed: () => void = () => {}
  /** The client sends nothing more: half of its connection is closed, or all. */
  #isClientGone = false
  #isClientClosed = false
  #isBrokerClosed = true

  constructor(stream: ByteStream, parts: SessionParts) {
    const { limits } = parts
    this.#parts = parts
    this.#client = stream
    this.remoteAddress = parts.arrival?.address ?? stream.remoteAddress
    this.opened_at = parts.now()
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    const { connect_packet_max } = limits
    this.#fromClient = new Scanner(ONLY_CONNECT, connect_packet_max, connect_packet_max, true)
    this.#toClient = new Outlet(stream)
    this.#ahead = new Ahead(limits.ahead_max)
    this.#deadline_at =
      limits.connect_timeout_ms + (parts.arrival?.accepted_at ?? performance.now())
    this.#deadlines = new Deadlines(limits, parts.now)
    stream.on('error', () => {}) // `close` follows
    stream.once('close', () => this.#clientClosed())
    stream.once('end', () => this.#clientGone())
    stream.on('data', this.#takeFromClient)
    this.#schedule()
  }

  get identity(): Identity | undefined {
    return this.#identity
  }

  get sub(): string | undefined {
    return this.#identity?.principal
  }

  // --- Before the session is open ---

  #takeFromClient = (chunk: Buffer): void => {
    if (this.#phase === 'open') {
      this.#relay?.takeFromClient(chunk)
      return
    }
    if (this.#phase === 'over') return
    this.#parts.events.bytesFromClient(chunk.length)
    if (this.#phase !== 'connect') {
      if (!this.#ahead.add(chunk)) this.#client.pause()
      return
    }
    const scanner = this.#fromClient
    scanner.push(chunk)
    const what = scanner.next()
    if (what === MORE) return
    if (what === FAULT) {
      // [MQTT-3.1.0-1]: too large, or no CONNECT at all, so no format to answer in is known.
      this.#refuse(scanner.fault === PACKET_TOO_LARGE ? 'packet_too_large' : 'not_mqtt', 0)
      return
    }
    this.#phase = 'verify' // [MQTT-3.1.4-5]: later bytes wait until CONNACK is out
    const connect = readConnect(scanner)
    if ('fault' in connect) {
      this.version = connect.version
      const reason =
        connect.fault === UNSUPPORTED_VERSION ? 'unsupported_version' : 'malformed_connect'
      this.#refuse(reason, connect.version === 0 ? 0 : connect.fault)
      return
    }
    this.version = connect.version
    this.#connect = connect
    this.#toClient.packetMaximum = connect.maximumPacketSize
    this.#admitAndDial(connect).catch(() => this.#refuse('broker_unreachable', SERVER_UNAVAILABLE))
  }

  async #admitAndDial(connect: Connect): Promise<void> {
    const { limits, dial } = this.#parts
    this.#deadline_at = Infinity // the verifier's own holds
    const admission = await admit(connect, this.#parts)
    if (this.#phase !== 'verify') return
    this.#identity = admission.identity
    if (!admission.ok) return this.#refuse(admission.reason, admission.code)
    this.mqttClientId = admission.clientId

    this.#phase = 'dial'
    this.#deadline_at = performance.now() + limits.broker_timeout_ms
    this.#schedule()
    let upstream: Upstream
    this.#dialling = new AbortController()
    try {
      const { clientId: client_id } = admission
      const endpoints = this.#parts.arrival?.endpoints
      upstream = await dial(this.#dialling.signal, { client_id, endpoints })
      this.#dialling = undefined
    } catch {
      return this.#refuse('broker_unreachable', SERVER_UNAVAILABLE)
    }
    if (this.#phase !== 'dial') {
      upstream.stream.on('error', () => {})
      upstream.stream.destroy()
      return
    }
    this.#greetBroker(connect, admission.identity, upstream, admission)
  }

  #takeFromBroker = (chunk: Buffer): void => {
    if (this.#phase === 'open') this.#relay?.takeFromBroker(chunk)
    else if (this.#phase === 'connack') this.#takeConnack(chunk, this.#connect!, this.#identity!)
  }

  #greetBroker(connect: Connect, identity: Identity, upstream: Upstream, name: ClientName): void {
    const { limits } = this.#parts
    const { stream } = upstream
    this.#phase = 'connack'
    this.#deadline_at = performance.now() + limits.broker_timeout_ms
    this.#schedule()
    this.#broker = stream
    this.#isBrokerClosed = false
    const { connect_packet_max: most } = limits
    const scanner = new Scanner(ONLY_CONNACK, most, most, false)
    this.#fromBroker = scanner
    scanner.version = connect.version
    this.#toBroker = new Outlet(stream)
    stream.on('error', () => {})
    stream.once('close', () => this.#brokerClosed())
    stream.once('end', () => this.#brokerGone())
    this.#assignedId = name.isAssigned ? name.clientId : undefined
    stream.on('data', this.#takeFromBroker) // a closure would keep CONNECT, and the token in it

    this.#deadlines.clientKeepAlive = connect.keepAlive
    this.#deadlines.brokerKeepAlive = keepAliveFor(connect, limits)
    const now_s = this.#parts.now() / 1000
    const packet = writeConnectFor(connect, identity, upstream, this.mqttClientId, limits, now_s)
    this.#toBroker.insert(packet)
    this.#toBroker.flush()
  }

  #takeConnack(chunk: Buffer, connect: Connect, identity: Identity): void {
    this.#parts.events.bytesFromBroker(chunk.length)
    const scanner = this.#fromBroker!
    scanner.push(chunk)
    const what = scanner.next()
    if (what === MORE) return
    const connack = what === FAULT ? null : readConnack(scanner, connect.version)
    if (connack === null) {
      this.#refuse('broker_refused', SERVER_UNAVAILABLE)
    } else if (connack.code !== SUCCESS || connack.version !== connect.version) {
      this.#refuse('broker_refused', connackFromBroker(connack.code, connack.version))
    } else {
      this.#open(connack, connect, identity)
    }
  }

  #open(connack: Connack, connect: Connect, identity: Identity): void {
    const { limits, events, now } = this.#parts
    const { version } = connect
    const terms = agree(connack, connect, limits, this.#assignedId)
    if (terms.serverKeepAlive !== undefined) {
      this.#deadlines.clientKeepAlive = terms.serverKeepAlive
      this.#deadlines.brokerKeepAlive = terms.serverKeepAlive
    }
    const answer = writeConnack(connack, terms, connect.maximumPacketSize)
    if (answer === null) {
      this.#refuse('packet_too_large', PACKET_TOO_LARGE)
      return
    }
    this.#toClient.insert(answer)
    this.#toClient.flush()

    const { whole_packet_max: whole, packet_max } = limits
    const most = terms.maximumPacketSize
    const fromClient = this.#fromClient
    fromClient.version = version
    fromClient.turnTo(FROM_CLIENT[version], most, whole, most)
    const fromBroker = this.#fromBroker!
    fromBroker.turnTo(FROM_BROKER[version], PACKET_LIMIT, whole, packet_max)

    const { counts } = this
    const relay = new Relay(
      { fromClient, fromBroker },
      { toClient: this.#toClient, toBroker: this.#toBroker!, limits, events, counts, now },
      agreementOf(connect, connack, terms, this.mqttClientId),
      identity,
      {
        end: (reason, code, suppressWill) => this.#end(reason, code, suppressWill),
        verify: (token) => verifyInTime(this.#parts, token),
        noteReplacement: (next) => {
          this.#identity = next
          this.#watchStatus(next)
          events.tokenReplaced(this)
          this.#schedule()
        },
      },
    )
    this.#relay = relay
    this.#connect = null // and with it the token
    this.#phase = 'open'
    this.#client.on('drain', () => relay.watchSinks())
    this.#broker!.on('drain', () => relay.watchSinks())
    this.#schedule()
    events.sessionStarted(this)
    this.#watchStatus(identity)
    relay.pumpBroker() // bytes that came along with CONNACK
    relay.takeLate(this.#ahead.take()) // bytes that the client did not hold back
    if (this.#isClientGone) this.#clientGone()
    else if (this.#isOpen() && !relay.isClientPaused) this.#client.resume()
  }

  #watchStatus(identity: Identity): void {
    this.#unwatchStatus()
    const withdraw = (why: Withdrawal) => (why === 'ended' ? this.revoke() : this.supersede())
    this.#unwatchStatus = this.#parts.watchStatus(identity, withdraw)
  }

  #isOpen(): boolean {
    return this.#phase === 'open'
  }

  // --- Deadlines ---

  #schedule(): void {
    if (this.#phase === 'over') return
    const next = this.#relay
      ? this.#deadlines.untilNext(this.#relay)
      : this.#deadline_at - performance.now()
    this.#alarm.set(next)
  }

  #wake(): void {
    const relay = this.#relay
    if (relay) {
      const due = this.#deadlines.findEnd(relay)
      if (due) this.#end(due.reason, due.code)
      else if (this.#deadlines.isPingDue(relay)) relay.ping()
      this.#deadlines.lookAtSinks(relay)
    } else if (performance.now() >= this.#deadline_at) {
      this.#giveUp()
    }
    this.#schedule()
  }

  #giveUp(): void {
    if (this.#phase === 'connect') this.#refuse('connect_timeout', 0)
    else this.#refuse('broker_unreachable', SERVER_UNAVAILABLE)
  }

  // --- Ends ---

  /** Ends it before it is open: CONNACK with `code`, or with 0 nothing but a close. */
  #refuse(reason: ConnectRefusal, code: number): void {
    if (this.#phase === 'over' || this.#phase === 'open') return
    const connect = this.#connect
    this.#finish()
    if (code !== 0 && this.#client.writable) {
      const answer = answerRefusal(this.version, code, connect)
      if (answer) this.#client.write(answer)
    }
    if (this.version === 0 || code === 0) this.#client.destroy()
    else this.#close(this.#client)
    if (this.#broker) {
      // It may have accepted a session, with a Will, that its client never heard of.
      this.#toBroker!.insert(this.version === 5 ? writeDisconnect5(SUCCESS) : DISCONNECT_3)
      this.#toBroker!.flush()
      this.#close(this.#broker)
    }
    this.#parts.events.connectRefused(reason, {
      remoteAddress: this.remoteAddress,
      version: this.version,
      client_id: connect?.clientId,
      sub: this.sub,
    })
    this.#settle()
  }

  /** Ends it later: DISCONNECT with `code` to an MQTT 5 client, and the Will published or not. */
  #end(reason: Ending, code: number, suppressWill = false): void {
    if (this.#phase !== 'open') return
    const toClient = this.#toClient
    const toBroker = this.#toBroker!
    const lateWill = reason === 'client_disconnect' ? null : this.#relay!.lateWill
    this.#finish()
    // While half a PUBLISH is out there is no place for another packet: the outlet keeps it.
    if (suppressWill) {
      // [MQTT-3.14.4-3]; and no message is kept for a client that may not have it.
      toBroker.insert(this.version === 5 ? writeDisconnect5(SUCCESS, 0) : DISCONNECT_3)
    } else if (lateWill !== null) {
      toBroker.insert(lateWill)
      toBroker.insert(writeDisconnect5(SUCCESS))
    }
    const isDue = reason !== 'client_disconnect' && reason !== 'client_gone'
    const server = reason === 'draining' ? this.#parts.limits.server_reference : undefined
    const most = toClient.packetMaximum
    if (this.version === 5 && isDue) toClient.insert(writeFarewell5(code, server, most))
    toClient.flush()
    toBroker.flush()
    this.#close(this.#client)
    // Without DISCONNECT, the broker publishes the Will [MQTT-3.1.2-8].
    if (this.#broker) this.#close(this.#broker)
    this.#parts.events.sessionEnded(this, reason)
    this.#settle()
  }

  #finish(): void {
    this.#phase = 'over'
    this.#connect = null
    this.#relay?.stop()
    this.#unwatchStatus()
    this.#dialling?.abort()
    this.#alarm.stop()
  }

  #close(stream: ByteStream | Upstream['stream']): void {
    const { close_grace_ms, write_stall_timeout_ms } = this.#parts.limits
    // Messages wait for the broker; a client that reads nothing misses its own end alone.
    const patience_ms = stream === this.#broker ? write_stall_timeout_ms : close_grace_ms
    closeInTime(stream, patience_ms, close_grace_ms)
  }

  #clientGone(): void {
    this.#isClientGone = true
    // Earlier bytes, a DISCONNECT perhaps, may still wait to be read.
    if (this.#phase === 'open') this.#relay!.whenRead(() => this.#end('client_gone', SUCCESS))
    // A client that said all it had to say need not wait; one that only came in gave up.
    else if (this.#phase === 'connect' || !this.#isAhead()) this.#refuse('client_gone', 0)
  }

  #isAhead(): boolean {
    return !this.#ahead.isEmpty || this.#fromClient.hasBytes
  }

  #brokerGone(): void {
    if (this.#phase === 'open') this.#end('broker_lost', UNSPECIFIED)
    else this.#refuse('broker_unreachable', SERVER_UNAVAILABLE)
  }

  #clientClosed(): void {
    this.#isClientClosed = true
    // Bytes that were read before a reset and not yet looked at.
    for (let rest = this.#client.read(); rest !== null; rest = this.#client.read()) {
      if (this.#phase === 'open') this.#relay!.takeLate(rest)
      else this.#ahead.add(rest)
    }
    this.#clientGone()
    this.#settle()
  }

  #brokerClosed(): void {
    this.#isBrokerClosed = true
    this.#brokerGone()
    this.#settle()
  }

  #settle(): void {
    if (this.#phase !== 'over') return
    if (this.#isClientClosed && this.#isBrokerClosed) this.#resolveClosed()
  }

  /**
   * Ends it for a stop of the proxy: when every packet in flight was answered, or after
   * `timeout_ms`. Resolves when both connections are closed.
   */
  drain(timeout_ms: number): Promise<void> {
    const relay = this.#relay
    if (!relay) {
      this.#refuse('draining', this.version === 0 ? 0 : SERVER_SHUTTING_DOWN)
    } else if (this.#isOpen()) {
      this.#deadlines.drains_at = performance.now() + timeout_ms
      relay.whenQuiet(() => this.#end('draining', SERVER_SHUTTING_DOWN))
      this.#schedule()
    }
    return this.closed
  }

  /** Ends it because its token, or the one it belongs to, was revoked. Suppresses the Will. */
  revoke(): void {
    if (this.#phase === 'open') this.#end('token_revoked', ADMINISTRATIVE_ACTION, true)
    else this.#refuse('revoked', this.version === 0 ? 0 : NOT_AUTHORIZED)
  }

  /** Ends it as the end of its token does: the client comes back to its session with a new one. */
  supersede(): void {
    if (this.#phase === 'open') this.#end('token_superseded', MAXIMUM_CONNECT_TIME)
    else this.#refuse('superseded', this.version === 0 ? 0 : BAD_USER_NAME_OR_PASSWORD)
  }
}
