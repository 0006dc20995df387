// State of an open session that both of its directions share: the agreement of CONNECT, the present
// token, the ways out, and the memory that one direction fills and the other consults.

import type { SessionLimits } from '../config.ts'
import type { Judged } from '../gate.ts'
import type { Identity, Verification } from '../tokens/verifier.ts'
import type { DelayedWill, Will } from '../wire/connect_codec.ts'
import { MALFORMED, PACKET_TOO_LARGE, QUOTA_EXCEEDED, UNSPECIFIED } from '../wire/reason_codes.ts'
import type { Ending, SessionCounts, SessionEvents } from './events.ts'
import { InFlight } from './in_flight.ts'
import type { Outlet } from './outlet.ts'
import { RefusedDeliveries } from './refused_deliveries.ts'
import { stampFor } from './stamp.ts'
import { Subscriptions } from './subscriptions.ts'

/** Terms that client, mProxy and broker agreed on at CONNECT. */
export type Agreement = {
  version: 4 | 5
  clientId: string
  /** True if the broker went on with an earlier session. */
  isResumed: boolean
  username: string | undefined
  will: Will | undefined
  delayedWill: DelayedWill | undefined
  /** Seconds, as the client asked for it. */
  sessionExpiry: number
  authenticationMethod: string | undefined
  topicAliasMaximum: number
  /** The broker's, for packets that grow on their way. */
  brokerPacketMaximum: number
}

/** Requests of the two directions to session.ts. */
export type SessionControl = {
  end(reason: Ending, code: number, suppressWill?: boolean): void
  verify(token: Uint8Array): Promise<Verification>
  /** The token was replaced by that of `identity`. */
  noteReplacement(identity: Identity): void
}

// Reasons why the client is not read.
export const SINK_FULL = 1
export const VERIFYING = 2
export const PENDING = 4
export const PUT_OFF = 8
export const IN_FLIGHT = 16
export const PACED = 32

/** Stops and resumes the reading of the client; relay.ts does it. `unblock` lets answers out. */
export type Flow = {
  block(reason: number): void
  unblock(reason: number): void
  /** Counts work, in packets or what costs as much; true if the rest must wait for a later turn. */
  isWorkEnough(units: number): boolean
  /**
   * Calls `goOn` in later turns, until it says that it is done. Meanwhile the client is not read.
   */
  putOff(goOn: () => boolean): void
}

/** PINGREQ packets that the broker has not answered. */
export class Pings {
  /** Those of mProxy, whose answers the client must not see. */
  own = 0
  /** Monotonic ms of the oldest, or 0. */
  since = 0
  #count = 0

  ask(): void {
    if (this.#count++ === 0) this.since = performance.now()
  }

  /** Says whether this answer is for mProxy. */
  answer(): boolean {
    this.#count = Math.max(0, this.#count - 1)
    this.since = this.#count === 0 ? 0 : performance.now()
    if (this.own === 0) return false
    this.own--
    return true
  }
}

export type Ways = {
  toClient: Outlet
  toBroker: Outlet
  limits: SessionLimits
  events: SessionEvents
  counts: SessionCounts
  /** Epoch milliseconds. */
  now: () => number
}

export class SessionState {
  identity: Identity
  isOver = false
  readonly version: 4 | 5
  readonly agreement: Agreement
  readonly control: SessionControl
  readonly flow: Flow
  readonly toClient: Outlet
  readonly toBroker: Outlet
  readonly limits: SessionLimits
  readonly events: SessionEvents
  readonly counts: SessionCounts
  readonly now: () => number
  /** Ids of the client's PUBLISH packets that the broker has not finished with. */
  readonly inFlight = new InFlight()
  /** The client is not read, since the broker has so many of them to answer. */
  isInFlightFull = false
  readonly subscriptions = new Subscriptions()
  readonly refusedDeliveries: RefusedDeliveries
  readonly pings = new Pings()
  /** The user property that goes onto each PUBLISH of the client, if any. */
  readonly stamp: Buffer | null

  constructor(
    ways: Ways,
    agreement: Agreement,
    identity: Identity,
    control: SessionControl,
    flow: Flow,
  ) {
    this.version = agreement.version
    this.agreement = agreement
    this.identity = identity
    this.control = control
    this.flow = flow
    this.toClient = ways.toClient
    this.toBroker = ways.toBroker
    this.limits = ways.limits
    this.events = ways.events
    this.counts = ways.counts
    this.now = ways.now
    this.stamp = stampFor(identity, agreement.version, ways.limits)
    this.refusedDeliveries = new RefusedDeliveries((packet) => ways.toBroker.insert(packet))
  }

  /** The rules by which packets are refused now; null in shadow mode. */
  get rules(): Judged {
    return this.limits.acl_mode === 'shadow' ? null : this.identity.acl
  }

  /** The client broke the protocol: `code` says how. */
  fail(code: number): void {
    const reason: Ending =
      code === PACKET_TOO_LARGE
        ? 'packet_too_large'
        : code === MALFORMED
          ? 'malformed'
          : code === QUOTA_EXCEEDED
            ? 'quota_exceeded'
            : 'protocol_error'
    this.control.end(reason, code)
  }

  /** The broker sent bytes that cannot be read, or a packet that no broker may send. */
  failBroker(): void {
    this.control.end('broker_lost', UNSPECIFIED)
  }

  /** Unsubscribes at the broker from filters that the present token does not allow. */
  takeBack(filters: string[]): void {
    if (filters.length === 0) return
    const isInFlight = (packetId: number) => this.inFlight.has(packetId)
    for (const some of splitBySize(filters, this.agreement.brokerPacketMaximum)) {
      for (const packet of this.subscriptions.takeBack(some, this.version, isInFlight)) {
        this.toBroker.insert(packet)
      }
    }
  }
}

/** Fixed header, packet id and properties of an UNSUBSCRIBE, at most. */
const HEAD_SIZE = 8

/** The filters in parts, each of which fits into one packet of `most` bytes. */
function splitBySize(filters: readonly string[], most: number): string[][] {
  const parts: string[][] = []
  let room = 0
  for (const filter of filters) {
    const size = 2 + Buffer.byteLength(filter)
    const part = parts.at(-1)
    if (part !== undefined && size <= room) {
      part.push(filter)
      room -= size
    } else {
      parts.push([filter])
      room = most - HEAD_SIZE - size
    }
  }
  return parts
}
