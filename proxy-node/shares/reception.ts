// Shares that one may have beside others: of time, of room, of tries.
//   reception.ts: those who come in; rates.ts: how often, by name
//   turns.ts, pace.ts, allowance.ts: a session's share of a turn, of a second, of a minute
// Leaves decisions about tokens and topics to gate.ts, and what is done with a share to session/.
//
// The reception says how soon a CONNECT is judged, and whether there is room for one more session
// of its principal. Addresses whose CONNECTs are refused over and over wait longer and longer for
// each; so a guess costs time, and a good client behind the same address gets in all the same.
// Principals are those of an identity, which no two issuers share.

import type { GateRefusal } from '../gate.ts'
import type { ReceptionLimits } from '../limit_variables.ts'
import type { Identity } from '../tokens/verifier.ts'
import { CONNECTION_RATE_EXCEEDED, QUOTA_EXCEEDED } from '../wire/reason_codes.ts'
import { Rates } from './rates.ts'
import { isTurnSpent, untilTurn } from './turns.ts'

/** Longest wait of a CONNECT, in milliseconds: clients wait longer than that for their CONNACK. */
const WAIT_MAX = 2000
const WAIT_FIRST = 100
/** Refusals that double the wait. */
const WAIT_DOUBLES = 4

export class Reception {
  readonly #limits: () => ReceptionLimits
  readonly #refusals: Rates
  readonly #connects: Rates
  /** How many sessions each principal has, and each MQTT client of it. */
  readonly #sessions = new Map<string, number>()
  readonly #clients = new Map<string, number>()
  readonly #onDelay: (source: string) => void

  /** `limits` may change. */
  constructor(limits: () => ReceptionLimits, onDelay: (source: string) => void) {
    this.#limits = limits
    this.#refusals = new Rates(() => limits().refused_connects_per_address)
    this.#connects = new Rates(() => limits().connects_per_principal)
    this.#onDelay = onDelay
  }

  /** Milliseconds that a CONNECT from this address has to wait. */
  waitOf(source: string): number {
    const { refused_connects_per_address: free } = this.#limits()
    if (free === 0) return 0
    const beyond = this.#refusals.level(source) - free
    return beyond <= 0 ? 0 : Math.min(WAIT_MAX, WAIT_FIRST * 2 ** (beyond / WAIT_DOUBLES))
  }

  /** Resolves when it is the turn of this CONNECT. */
  async wait(source: string): Promise<void> {
    const wait = this.waitOf(source)
    if (wait > 0) {
      this.#onDelay(source)
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
    if (isTurnSpent()) await untilTurn()
  }

  noteRefusal(source: string): void {
    if (this.#limits().refused_connects_per_address > 0) this.#refusals.rise(source)
  }

  /** Counts one more session until leave(), or says why there may be none. */
  enter(principal: string, clientId: string): GateRefusal | null {
    const { connects_per_principal, sessions_per_principal } = this.#limits()
    if (connects_per_principal > 0) {
      if (this.#connects.level(principal) + 1 > connects_per_principal) {
        return { ok: false, code: CONNECTION_RATE_EXCEEDED, reason: 'too_many_connects' }
      }
      this.#connects.rise(principal)
    }
    const client = `${principal} ${clientId}`
    const ofClient = this.#clients.get(client) ?? 0
    // The session before, of the same client, ends as soon as the broker hears of this one.
    const counts = ofClient === 1 ? 0 : 1
    const sessions = this.#sessions.get(principal) ?? 0
    if (sessions_per_principal > 0 && sessions + counts > sessions_per_principal) {
      return { ok: false, code: QUOTA_EXCEEDED, reason: 'too_many_sessions' }
    }
    this.#clients.set(client, ofClient + 1)
    this.#sessions.set(principal, sessions + counts)
    return null
  }

  leave(principal: string, clientId: string): void {
    const client = `${principal} ${clientId}`
    const ofClient = this.#clients.get(client) ?? 0
    lower(this.#clients, client, 1)
    lower(this.#sessions, principal, ofClient === 2 ? 0 : 1)
  }
}

function lower(numbers: Map<string, number>, name: string, by: number): void {
  const left = (numbers.get(name) ?? 0) - by
  if (left > 0) numbers.set(name, left)
  else numbers.delete(name)
}

/** One connection at the reception. */
export class Visit {
  readonly #reception: Reception
  readonly #source: string
  readonly #prove: () => void
  #isOver = false
  /** From when it counts as a session. */
  #session: { principal: string; clientId: string } | undefined

  /** `prove` is called when the client was let in. */
  constructor(reception: Reception, source: string, prove: () => void) {
    this.#reception = reception
    this.#source = source
    this.#prove = prove
  }

  /** Resolves when its CONNECT may be judged; false when nobody waits for that any more. */
  async wait(): Promise<boolean> {
    await this.#reception.wait(this.#source)
    return !this.#isOver
  }

  noteRefusal(): void {
    this.#reception.noteRefusal(this.#source)
  }

  /** The session of this client begins, unless a refusal is the answer. */
  enter({ principal }: Identity, clientId: string): GateRefusal | null {
    if (this.#isOver) return null
    const refusal = this.#reception.enter(principal, clientId)
    if (refusal !== null) return refusal
    this.#session = { principal, clientId }
    this.#prove()
    return null
  }

  /** Both of its connections are closed. */
  leave(): void {
    this.#isOver = true
    if (this.#session !== undefined) {
      this.#reception.leave(this.#session.principal, this.#session.clientId)
    }
    this.#session = undefined
  }
}
