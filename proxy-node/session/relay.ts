// The two pumps of an open session: which source is read when, how far, and when its bytes go out.
// Each packet is treated in from_client.ts or from_broker.ts; deadlines and the end are
// session.ts's.

import { type Pace, paceOf } from '../shares/pace.ts'
import { isTurnSpent, putOff } from '../shares/turns.ts'
import type { Identity } from '../tokens/verifier.ts'
import { Sink } from '../transport/sink.ts'
import { FAULT, HEAD, MORE, PART, PING_REQUEST, type Scanner } from '../wire/framing.ts'
import { FromBroker } from './from_broker.ts'
import { FromClient } from './from_client.ts'
import { writeLateWill } from './late_will.ts'
import type { Outlet } from './outlet.ts'
import {
  type Agreement,
  type Flow,
  IN_FLIGHT,
  PACED,
  PENDING,
  PUT_OFF,
  type SessionControl,
  SessionState,
  SINK_FULL,
  type Ways,
} from './state.ts'

/** Reasons of a client's pause that only an answer of the broker ends. */
const AWAITS_BROKER = PENDING | IN_FLIGHT

/** Packets, or what costs as much, after which it is asked whether the turn is spent. */
const WORK_UNITS = 64
const DONE = () => true
/** One for the packet, and one for each KiB that may have to be read of it. */
const unitsOf = (scanner: Scanner) => 1 + ((scanner.end - scanner.start) >> 10)
const LONGEST_WAIT_MS = 60_000

export class Relay implements Flow {
  /** Monotonic ms of the client's last bytes, and of the last bytes to the broker. */
  heardFromClient_at: number
  wroteToBroker_at: number
  heardFromBroker_at: number
  /** Monotonic ms since when the client waits for an answer of the broker, or 0. */
  clientWaitsSince = 0
  readonly clientSink: Sink
  readonly brokerSink: Sink

  readonly #state: SessionState
  readonly #clientScanner: Scanner
  readonly #brokerScanner: Scanner
  readonly #fromClient: FromClient
  readonly #fromBroker: FromBroker
  readonly #toClient: Outlet
  readonly #toBroker: Outlet
  #clientBlocked = 0
  #brokerBlocked = 0
  #work = 0
  readonly #pace: Pace | undefined
  #paceTimer: NodeJS.Timeout | undefined
  #whenQuiet: (() => void) | null = null
  #whenRead: (() => void) | null = null

  constructor(
    scanners: { fromClient: Scanner; fromBroker: Scanner },
    ways: Ways,
    agreement: Agreement,
    identity: Identity,
    control: SessionControl,
  ) {
    this.#state = new SessionState(ways, agreement, identity, control, this)
    this.#clientScanner = scanners.fromClient
    this.#brokerScanner = scanners.fromBroker
    this.#fromClient = new FromClient(this.#state)
    this.#fromBroker = new FromBroker(this.#state)
    this.#toClient = ways.toClient
    this.#toBroker = ways.toBroker
    this.clientSink = new Sink(ways.toClient.stream)
    this.brokerSink = new Sink(ways.toBroker.stream)
    this.#pace = paceOf(ways.limits)
    this.heardFromClient_at = this.wroteToBroker_at = performance.now()
    this.heardFromBroker_at = this.heardFromClient_at
  }

  get identity(): Identity {
    return this.#state.identity
  }

  /** Nothing more is read or passed on. */
  stop(): void {
    this.#state.isOver = true
    clearTimeout(this.#paceTimer)
  }

  /** Says whether both sides may be cut off without an answer getting lost. */
  get isQuiet(): boolean {
    return (
      this.#state.inFlight.size === 0 &&
      this.#state.subscriptions.waiting === 0 &&
      this.#clientBlocked === 0 &&
      !this.#clientScanner.isMidPacket &&
      !this.#toClient.isMidPacket
    )
  }

  /** Calls back once, at the end of the first round of a pump that leaves it quiet. */
  whenQuiet(ready: () => void): void {
    this.#whenQuiet = ready
    this.#flush()
  }

  /** Calls back, now or later, when every byte of the client was read. */
  whenRead(ready: () => void): void {
    if (this.#clientBlocked === 0) ready()
    else this.#whenRead = ready
  }

  get isClientPaused(): boolean {
    return this.#clientBlocked !== 0
  }

  get isBrokerPaused(): boolean {
    return this.#brokerBlocked !== 0
  }

  get isClientMidPacket(): boolean {
    return this.#clientScanner.isMidPacket
  }

  get isBrokerMidPacket(): boolean {
    return this.#brokerScanner.isMidPacket
  }

  get awaitsPing(): boolean {
    return this.#state.pings.own > 0
  }

  /** Monotonic ms of the first PINGREQ, of whomever, that the broker has not answered, or 0. */
  get pingedSince(): number {
    return this.#state.pings.since
  }

  /** The Will, where the broker would publish it too late, so that it has to go out now. */
  get lateWill(): Buffer | null {
    return writeLateWill(this.#state)
  }

  /** Shows the broker that the session lives, though nothing of the client reaches it. */
  ping(): void {
    const { pings } = this.#state
    if (pings.own > 0 || this.#toBroker.isMidPacket) return
    pings.own++
    pings.ask()
    this.#toBroker.insert(PING_REQUEST)
    this.#flush()
  }

  // --- The pumps ---

  takeFromClient(chunk: Buffer): void {
    if (this.#state.isOver) return
    this.heardFromClient_at = performance.now()
    this.#state.events.bytesFromClient(chunk.length)
    this.#clientScanner.push(chunk)
    this.pumpClient()
  }

  /** Bytes that came although the client was not read: before it was open, or before a reset. */
  takeLate(chunk: Buffer): void {
    if (this.#state.isOver) return
    this.#clientScanner.append(chunk)
    this.pumpClient()
  }

  takeFromBroker(chunk: Buffer): void {
    if (this.#state.isOver) return
    this.heardFromBroker_at = performance.now()
    this.#state.events.bytesFromBroker(chunk.length)
    this.#brokerScanner.push(chunk)
    this.pumpBroker()
  }

  pumpClient(): void {
    const scanner = this.#clientScanner
    while (!this.#state.isOver && this.#clientBlocked === 0) {
      const what = scanner.next()
      if (what === MORE) break
      if (what === PART) this.#fromClient.passPart(scanner)
      else if (what === FAULT) this.#state.fail(scanner.fault)
      else if (what === HEAD) this.#fromClient.publish(scanner, false)
      else this.#fromClient.take(scanner)
      if (this.isWorkEnough(unitsOf(scanner)) && this.#clientBlocked === 0) this.putOff(DONE)
      if (this.#pace !== undefined) this.#keepPace(this.#pace, what)
    }
    this.#flush()
  }

  pumpBroker(): void {
    const scanner = this.#brokerScanner
    while (!this.#state.isOver && this.#brokerBlocked === 0) {
      const what = scanner.next()
      if (what === MORE) break
      if (what === PART) this.#fromBroker.deliverPart(scanner)
      else if (what === FAULT) this.#state.failBroker()
      else if (what === HEAD) this.#fromBroker.deliver(scanner, false)
      else this.#fromBroker.take(scanner)
      if (this.isWorkEnough(unitsOf(scanner))) this.#putOffBroker()
    }
    this.#flush()
  }

  // --- The share of a turn of the event loop ---

  isWorkEnough(units: number): boolean {
    this.#work += units
    if (this.#work < WORK_UNITS) return false
    this.#work = 0
    return isTurnSpent()
  }

  putOff(goOn: () => boolean): void {
    this.#blockClient(PUT_OFF)
    const later = () => {
      if (this.#state.isOver) return
      if (goOn()) {
        this.unblock(PUT_OFF)
      } else {
        putOff(later)
        this.#flush()
      }
    }
    putOff(later)
  }

  #keepPace(pace: Pace, what: number): void {
    const scanner = this.#clientScanner
    const wait = pace.take(what === PART ? 0 : 1, scanner.end - scanner.start)
    if (wait <= 0 || this.#state.isOver) return
    this.#blockClient(PACED)
    this.#waitFor(pace, wait)
  }

  /** A long wait is waited for in steps, as long as a timer can. */
  #waitFor(pace: Pace, wait: number): void {
    this.#paceTimer = setTimeout(
      () => {
        const more = pace.take(0, 0)
        if (more > 0) this.#waitFor(pace, more)
        else this.unblock(PACED)
      },
      Math.min(wait, LONGEST_WAIT_MS),
    )
  }

  #putOffBroker(): void {
    this.#blockBroker(PUT_OFF)
    putOff(() => {
      if (!this.#state.isOver) this.#unblockBroker(PUT_OFF)
    })
  }

  /** Lets out what was written, and stops or goes on reading. */
  #flush(): void {
    this.#toClient.flush()
    if (this.#toBroker.flush()) this.wroteToBroker_at = performance.now()
    if (this.#state.isOver) return
    this.watchSinks()
    if (this.#whenQuiet !== null && this.isQuiet) this.#whenQuiet()
  }

  /** Stops and resumes the sources; called too when a stream has drained. */
  watchSinks(): void {
    if (this.#state.isOver) return
    const { buffer_high_water: high } = this.#state.limits
    const clientFull = this.#toClient.isFull(high)
    const brokerFull = this.#toBroker.isFull(high)
    this.clientSink.note(clientFull)
    this.brokerSink.note(brokerFull)
    // Each pump also answers its own source. Answers have more room than bytes that are passed on,
    // so that a slow reader can still acknowledge, but not room without end.
    const room = 2 * high + 65_536
    if (brokerFull || this.#toClient.isFullOfAnswers(room)) this.#blockClient(SINK_FULL)
    else this.#unblockClient(SINK_FULL)
    if (clientFull || this.#toBroker.isFullOfAnswers(room)) this.#blockBroker(SINK_FULL)
    else this.#unblockBroker(SINK_FULL)
  }

  #blockBroker(reason: number): void {
    this.#brokerBlocked |= reason
    this.#toBroker.stream.pause()
  }

  #unblockBroker(reason: number): void {
    const was = this.#brokerBlocked
    this.#brokerBlocked &= ~reason
    if (was === 0 || this.#brokerBlocked !== 0) return
    // The broker was not silent, it was not read.
    this.heardFromBroker_at = performance.now()
    if (reason === SINK_FULL && this.clientWaitsSince > 0) {
      this.clientWaitsSince = this.heardFromBroker_at
    }
    this.pumpBroker()
    if (this.#brokerBlocked === 0 && !this.#state.isOver) this.#toBroker.stream.resume()
  }

  block(reason: number): void {
    this.#blockClient(reason)
  }

  unblock(reason: number): void {
    this.#unblockClient(reason)
    this.#flush() // also answers, while it stays blocked for another reason
  }

  #blockClient(reason: number): void {
    if ((this.#clientBlocked & reason) === 0) this.#state.events.clientPaused(reason)
    this.#clientBlocked |= reason
    if ((reason & AWAITS_BROKER) !== 0) this.clientWaitsSince ||= performance.now()
    this.#toClient.stream.pause()
  }

  #unblockClient(reason: number): void {
    const was = this.#clientBlocked
    this.#clientBlocked &= ~reason
    if ((this.#clientBlocked & AWAITS_BROKER) === 0) this.clientWaitsSince = 0
    if (was === 0 || this.#clientBlocked !== 0) return
    // The client was not silent, it was not read.
    this.heardFromClient_at = performance.now()
    this.pumpClient()
    if (this.#clientBlocked !== 0 || this.#state.isOver) return
    if (this.#whenRead) this.#whenRead()
    else this.#toClient.stream.resume()
  }
}
