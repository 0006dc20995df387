// What the parts of mProxy say to each other about one MQTT connection: who it is, what limits it,
// what is told about it. Types and the default limits only; no behaviour.
// Whoever accepts connections (listen.ts) gives these to session.ts; the verifier gives identities.

import type { Duplex } from 'node:stream'
import type { Acl } from '../../policy/acl.ts'

/** Who a token speaks for, and what it permits until when. */
export type Identity = {
  sub: string
  client_id: string
  username?: string
  mqtt_client_id?: string
  acl: Acl
  /** Epoch seconds. */
  expires_at: number
  jti: string
  iss: string
  /** Not from the main issuer. */
  foreign: boolean
}

export type VerificationFailure =
  | 'malformed'
  | 'expired'
  | 'not_yet_valid'
  | 'bad_signature'
  | 'unknown_key'
  | 'wrong_issuer'
  | 'wrong_audience'
  | 'wrong_type'
  | 'bound_token'
  | 'bad_acl'
  | 'revoked'
  | 'keys_unavailable'
  | 'too_large'

export type Verification =
  | { ok: true; identity: Identity }
  | { ok: false; reason: VerificationFailure }

export interface Verifier {
  /** `clientCertificate` is the DER of the certificate that the TLS connection proved, if any. */
  verify(
    token: string | Uint8Array,
    clientCertificate?: Uint8Array,
  ): Verification | Promise<Verification>
}

export type SessionLimits = {
  /** From accept to the last byte of CONNECT. */
  connect_timeout_ms: number
  /** Largest CONNECT, fixed header included. */
  connect_packet_max: number
  /** Largest packet of a client, fixed header included; told to MQTT 5 clients. */
  packet_max: number
  /** Packets up to this size are read whole; a larger PUBLISH is streamed once it was judged. */
  whole_packet_max: number
  /** Filters in one SUBSCRIBE. Home Assistant sends 500 at once. */
  subscriptions_per_packet: number
  /** Filters a session may hold at once, or give back in one UNSUBSCRIBE. */
  subscriptions_max: number
  /** SUBSCRIBE and UNSUBSCRIBE packets the broker has not answered; more wait unread. */
  inflight_subscribes_max: number
  topic_levels_max: number
  /** Topic aliases a client may set; the broker's own maximum holds if it is smaller. */
  topic_alias_max: number
  /** QoS 2 packet ids of refused messages held for an MQTT 3.1.1 client. */
  inflight_qos2_max: number
  /** 0: as the client says. */
  keepalive_max_s: number
  session_expiry_max_s: number | null
  /** What a refused QoS 1 or 2 PUBLISH of an MQTT 3.1.1 client gets. */
  denied_publish_3: 'acknowledge' | 'close'
  /**
   * A delivery that the token does not allow, in a session resumed from an earlier, wider one:
   * dropped, or the session cleaned at the broker and the client sent to begin anew. The latter for
   * `$share`, where each message dropped is one that another member does not get. MQTT 3.1.1 knows
   * no way to clean a session in its middle, so there it is always `drop`.
   */
  denied_resumed_delivery: 'drop' | 'clean'
  /** Bytes waiting in one direction at which its source is no longer read. */
  buffer_high_water: number
  /** A peer that takes nothing for this long, or leaves a packet half sent, is cut off. */
  write_stall_timeout_ms: number
  /** For reaching a broker, and then for its CONNACK. */
  broker_timeout_ms: number
  /** How long a closed connection may take to read what was written to it. */
  close_grace_ms: number
}

export const defaultLimits: SessionLimits = {
  connect_timeout_ms: 10_000,
  connect_packet_max: 65_536,
  packet_max: 1_048_576,
  whole_packet_max: 65_536,
  subscriptions_per_packet: 1024,
  subscriptions_max: 4096,
  inflight_subscribes_max: 64,
  topic_levels_max: 64,
  topic_alias_max: 64,
  inflight_qos2_max: 100,
  keepalive_max_s: 0,
  session_expiry_max_s: null,
  denied_publish_3: 'acknowledge',
  denied_resumed_delivery: 'drop',
  buffer_high_water: 65_536,
  write_stall_timeout_ms: 60_000,
  broker_timeout_ms: 10_000,
  close_grace_ms: 1000,
}

/** Why a connection never became a session. */
export type Refusal =
  | VerificationFailure
  | 'not_mqtt'
  | 'connect_timeout'
  | 'malformed_connect'
  | 'packet_too_large'
  | 'unsupported_version'
  | 'bad_authentication_method'
  | 'no_token'
  | 'user_name'
  | 'client_id'
  | 'will'
  | 'broker_unreachable'
  | 'broker_refused'
  | 'client_gone'
  | 'draining'

/** Why a session ended. */
export type Ending =
  | 'client_disconnect'
  | 'client_gone'
  | 'broker_disconnect'
  | 'broker_lost'
  | 'token_expired'
  | 'token_revoked'
  | 'reauthentication_failed'
  | 'publish_denied'
  | 'delivery_denied'
  | 'keep_alive'
  | 'malformed'
  | 'protocol_error'
  | 'packet_too_large'
  | 'quota_exceeded'
  | 'stalled'
  | 'draining'

/** What a session did, for whoever wants to know why a device is silent. */
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

/** What is known of a connection that was refused. Whatever the client sent is not yet trusted. */
export type RefusedConnection = {
  remoteAddress: string | undefined
  version: number
  client_id: string | undefined
  sub: string | undefined
}

/**
 * Told as it happens, for metrics and logs. Those below the line are called for every packet or
 * chunk, with numbers only; they must return quickly and must not throw.
 */
export interface SessionEvents {
  started(session: Session): void
  refused(reason: Refusal, connection: RefusedConnection): void
  ended(session: Session, reason: Ending): void
  /** The token was replaced in mid-session. */
  reauthenticated(session: Session): void
  // ---
  publishAllowed(bytes: number): void
  publishDenied(): void
  subscribeAllowed(filters: number): void
  subscribeDenied(filters: number): void
  deliveryAllowed(bytes: number): void
  deliveryDenied(): void
  bytesFromClient(bytes: number): void
  bytesFromBroker(bytes: number): void
}

/**
 * The client's side: a net.Socket, a tls.TLSSocket, or what `createWebSocketStream` of `ws` gives.
 * A Duplex already has backpressure in both directions, so no adapter of our own stands between.
 */
export type ByteStream = Duplex & { readonly remoteAddress?: string | undefined }

/** A connection to a broker, with the credentials that its address in MQTT_UPSTREAM names. */
export type Upstream = {
  stream: Duplex
  username: string | undefined
  password: string | undefined
}

/** Opens a connection to a broker, or rejects when none is reachable. */
export type Dial = (signal: AbortSignal) => Promise<Upstream>

export type SessionParts = {
  verifier: Verifier
  dial: Dial
  limits: SessionLimits
  events: SessionEvents
  /** Epoch milliseconds. */
  now: () => number
  /** For the ids that mProxy assigns. */
  random: (bytes: number) => Uint8Array
  /** DER of the certificate that the TLS connection proved. */
  clientCertificate?: Uint8Array
  /** Where the stream itself does not know it (WebSocket). */
  remoteAddress?: string
}

/** One client's connection, from accept on. */
export interface Session {
  /** Unique in this process. */
  readonly id: number
  readonly remoteAddress: string | undefined
  /** 4, 5, or 0 before CONNECT. */
  readonly version: number
  /** The MQTT client identifier in use; empty before it was judged. */
  readonly mqttClientId: string
  /** Of the present token; undefined until it was verified. */
  readonly identity: Identity | undefined
  readonly sub: string | undefined
  /** Epoch milliseconds of accept. */
  readonly opened_at: number
  readonly counts: Readonly<SessionCounts>
  /**
   * Ends it for a stop of the proxy: after what is in flight was answered, or after `timeout_ms`.
   * Resolves when both connections are closed.
   */
  drain(timeout_ms: number): Promise<void>
  /** Ends it because its token, or the one it belongs to, was revoked. Suppresses the Will. */
  revoke(): void
  /** Resolves when both connections are closed. */
  readonly closed: Promise<void>
}
