// Events of a session, for metrics and logs: why it was refused or ended, and its counts. The
// session itself logs and measures nothing.

import type { Qos } from '../../policy/acl.ts'
import type { GateReason } from '../gate.ts'
import type { Identity } from '../tokens/verifier.ts'

/** Reasons why a connection never became a session. */
export type ConnectRefusal =
  | GateReason
  | 'not_mqtt'
  | 'connect_timeout'
  | 'malformed_connect'
  | 'packet_too_large'
  | 'broker_unreachable'
  | 'broker_refused'
  | 'client_gone'
  | 'draining'

/** Reasons why a session ended. */
export type Ending =
  | 'client_disconnect'
  | 'client_gone'
  | 'broker_disconnect'
  | 'broker_lost'
  | 'token_expired'
  | 'token_revoked'
  | 'token_superseded'
  | 'reauthentication_failed'
  | 'publish_denied'
  | 'delivery_denied'
  | 'keep_alive'
  | 'malformed'
  | 'protocol_error'
  | 'packet_too_large'
  | 'quota_exceeded'
  | 'too_many_refused_filters'
  | 'too_many_tokens'
  | 'stalled'
  | 'draining'

/** Numbers of one session, for an operator who wants to know why a device is silent. */
export type SessionCounts = {
  /** PUBLISH packets of the client that went on to the broker, and those that did not. */
  published: number
  publishes_refused: number
  /** PUBLISH packets of the broker that went on to the client, and those that did not. */
  delivered: number
  deliveries_refused: number
  /** Topic filters. */
  subscriptions_refused: number
}

export const startCounts = (): SessionCounts => ({
  published: 0,
  publishes_refused: 0,
  delivered: 0,
  deliveries_refused: 0,
  subscriptions_refused: 0,
})

/** One client's connection, as it is known from accept on. */
export type SessionFacts = {
  /** Unique in this process. */
  readonly id: number
  readonly remoteAddress: string | undefined
  /** 4, 5, or 0 before CONNECT. */
  readonly version: number
  /** The MQTT client identifier in use; empty before it was judged. */
  readonly mqttClientId: string
  /** Identity of the present token; undefined until it was verified. */
  readonly identity: Identity | undefined
  /** Principal among all issuers. */
  readonly sub: string | undefined
  /** Epoch milliseconds of accept. */
  readonly opened_at: number
  readonly counts: Readonly<SessionCounts>
}

/** Facts about a connection that was refused. Nothing that the client sent is trusted yet. */
export type RefusedConnection = {
  remoteAddress: string | undefined
  version: number
  client_id: string | undefined
  sub: string | undefined
}

/** Kinds of refusals about a topic. */
export type RefusedTopic = 'publish_refused' | 'subscribe_refused' | 'delivery_refused'

/** A topic or filter of a client, and the word of its rules on it, in shadow mode. */
export type Observation = {
  identity: Identity
  clientId: string
  action: 'publish' | 'subscribe' | 'delivery' | 'will'
  topic: string
  qos: Qos
  retain: boolean
  /** False: without shadow mode it would have been refused. */
  isAllowed: boolean
}

/**
 * Called as it happens. Those below the line are called for every packet or chunk, with numbers
 * only; they must return quickly and must not throw.
 */
export type SessionEvents = {
  sessionStarted(session: SessionFacts): void
  connectRefused(reason: ConnectRefusal, connection: RefusedConnection): void
  sessionEnded(session: SessionFacts, reason: Ending): void
  /** In mid-session. */
  tokenReplaced(session: SessionFacts): void
  /** In shadow mode alone; of deliveries those alone that the rules do not allow. */
  observed(seen: Observation): void
  // ---
  /** The client is not read from now on; `why` is a reason of state.ts. */
  clientPaused(why: number): void
  publishAllowed(bytes: number): void
  publishDenied(): void
  subscribeAllowed(filters: number): void
  subscribeDenied(filters: number): void
  deliveryAllowed(bytes: number): void
  deliveryDenied(): void
  /** One topic or filter; of a delivery ''. `counts` are those of the session. */
  refused(counts: SessionCounts, event: RefusedTopic, topic: string, code: number): void
  bytesFromClient(bytes: number): void
  bytesFromBroker(bytes: number): void
}
