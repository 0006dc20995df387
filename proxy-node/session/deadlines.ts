// Deadlines of an open session: the end of its token, of a keep-alive, of the patience with a side
// that stalls, of draining; and the ping that shows the broker that it lives. Only says what is
// due; session.ts sets the timer and acts.

import type { SessionLimits } from '../config.ts'
import {
  KEEP_ALIVE_TIMEOUT,
  MAXIMUM_CONNECT_TIME,
  SERVER_SHUTTING_DOWN,
  UNSPECIFIED,
} from '../wire/reason_codes.ts'
import type { Ending } from './events.ts'
import type { Relay } from './relay.ts'

/** Looks at a sink that takes nothing, within the time that it has. */
const LOOKS = 4
/** Times as long for a peer that takes nothing and still sends. */
const STEPS = 3

export class Deadlines {
  /** Seconds; 0: none. */
  clientKeepAlive = 0
  brokerKeepAlive = 0
  /** Monotonic ms. */
  drains_at = Infinity
  readonly #stall: number
  /** Epoch milliseconds. */
  readonly #now: () => number

  constructor({ write_stall_timeout_ms }: SessionLimits, now: () => number) {
    this.#stall = write_stall_timeout_ms
    this.#now = now
  }

  /** Milliseconds until anything may be due. */
  untilNext(relay: Relay): number {
    const now = performance.now()
    const isFull = relay.clientSink.isFull || relay.brokerSink.isFull
    let next = Math.min(this.drains_at, now + (isFull ? this.#stall / LOOKS : this.#stall))
    if (this.clientKeepAlive > 0) {
      const lastHeard_at = relay.isClientPaused ? now : relay.heardFromClient_at
      next = Math.min(next, lastHeard_at + 1500 * this.clientKeepAlive)
    }
    if (this.brokerKeepAlive > 0) {
      const half = 500 * this.brokerKeepAlive
      next = Math.min(next, Math.max(relay.wroteToBroker_at, now - half / 2) + half)
    }
    for (const since of this.#waitsOf(relay, now)) {
      if (since > 0) next = Math.min(next, since + this.#stall)
    }
    return Math.min(next - now, relay.identity.expires_at * 1000 - this.#now())
  }

  /** Gives the reason to end the session now, and the code for an MQTT 5 client; or null. */
  findEnd(relay: Relay): { reason: Ending; code: number } | null {
    const now = performance.now()
    const isStalled = (since: number) => since > 0 && now - since >= this.#stall
    if (this.#now() >= relay.identity.expires_at * 1000) {
      return { reason: 'token_expired', code: MAXIMUM_CONNECT_TIME }
    }
    if (now >= this.drains_at) return { reason: 'draining', code: SERVER_SHUTTING_DOWN }
    // The systems on the way tell of progress in large steps: a peer that is heard gets more time.
    const isStuck = (since: number, heard_at: number) =>
      since > 0 && now - since >= this.#stall * (now - heard_at < this.#stall ? STEPS : 1)
    if (isStuck(relay.clientSink.stuckSince, relay.heardFromClient_at)) {
      return { reason: 'stalled', code: UNSPECIFIED }
    }
    const isBrokerStuck = isStuck(relay.brokerSink.stuckSince, relay.heardFromBroker_at)
    if (isBrokerStuck || this.#waitsOf(relay, now).some(isStalled)) {
      return { reason: 'broker_lost', code: UNSPECIFIED }
    }
    if (!relay.isClientPaused) {
      const silence = now - relay.heardFromClient_at
      // [MQTT-3.1.2-22]
      if (this.clientKeepAlive > 0 && silence >= 1500 * this.clientKeepAlive) {
        return { reason: 'keep_alive', code: KEEP_ALIVE_TIMEOUT }
      }
      if (relay.isClientMidPacket && silence >= this.#stall) {
        return { reason: 'stalled', code: UNSPECIFIED }
      }
    }
    // A PINGRESP that has not come for a whole keep-alive never will, unless nobody reads it.
    if (relay.awaitsPing && !relay.isBrokerPaused && this.#isQuiet(relay, now, 1000)) {
      return { reason: 'broker_lost', code: UNSPECIFIED }
    }
    return null
  }

  /** Looks whether sinks that are full take anything. Called after each findEnd. */
  lookAtSinks(relay: Relay): void {
    const maxAge_ms = Math.min(this.#stall / (2 * LOOKS), 1000)
    relay.clientSink.look(maxAge_ms)
    relay.brokerSink.look(maxAge_ms)
  }

  /**
   * Times since when the broker owes something: answers that the client waits for, the rest of a
   * packet, PINGRESP. For the latter two any byte is an answer; it owes none while nobody reads it.
   */
  #waitsOf(relay: Relay, now: number): [number, number, number] {
    const { clientWaitsSince, heardFromBroker_at, pingedSince, isBrokerPaused } = relay
    if (isBrokerPaused) return [0, 0, 0]
    return [
      clientWaitsSince,
      relay.isBrokerMidPacket ? heardFromBroker_at : 0,
      pingedSince > 0 ? Math.min(Math.max(pingedSince, heardFromBroker_at), now) : 0,
    ]
  }

  /** Says whether the broker has heard nothing for half its keep-alive. */
  isPingDue(relay: Relay): boolean {
    return this.#isQuiet(relay, performance.now(), 500)
  }

  #isQuiet(relay: Relay, now: number, perSecond: number): boolean {
    if (this.brokerKeepAlive === 0) return false
    return now - relay.wroteToBroker_at >= perSecond * this.brokerKeepAlive
  }
}
