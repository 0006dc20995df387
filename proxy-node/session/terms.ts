// Terms of a session: what CONNECT says to the broker, and what holds for both sides after the
// broker's CONNACK. Pure; limits come from config.ts, packets are written by wire/connect_codec.ts.

import type { SessionLimits } from '../config.ts'
import type { Identity } from '../tokens/verifier.ts'
import type { Upstream } from '../transport/upstream.ts'
import {
  type Connack,
  type Connect,
  NEVER,
  type StatedTerms,
  writeConnect,
} from '../wire/connect_codec.ts'
import { PACKET_LIMIT } from '../wire/framing.ts'
import {
  MAXIMUM_PACKET_SIZE,
  SERVER_KEEP_ALIVE,
  SESSION_EXPIRY_INTERVAL,
  TOPIC_ALIAS_MAXIMUM,
} from '../wire/properties.ts'
import { boundWillDelay, keepDelayedWill } from './late_will.ts'
import type { Agreement } from './state.ts'

const NOTHING = Buffer.alloc(0)

type Caps = Pick<
  SessionLimits,
  | 'keepalive_max_s'
  | 'session_expiry_max_s'
  | 'packet_max'
  | 'topic_alias_max'
  | 'identity_properties'
>

/** The longest name of a sender, with its key and the growth of lengths (stamp.ts). */
const STAMP_MAX = 320

/** Bytes by which a PUBLISH may grow on its way; a broker of tiny packets has no room for them. */
const roomOfStamp = (most: number, { identity_properties }: Caps): number =>
  identity_properties === 'on' && most > 2 * STAMP_MAX ? STAMP_MAX : 0

/** Seconds for the broker, and for an MQTT 5 client too if they are not its own. */
export function keepAliveFor({ keepAlive }: Connect, { keepalive_max_s: most }: Caps): number {
  return most > 0 && (keepAlive === 0 || keepAlive > most) ? most : keepAlive
}

export function sessionExpiryFor({ sessionExpiry }: Connect, caps: Caps): number {
  return Math.min(sessionExpiry, caps.session_expiry_max_s ?? NEVER)
}

/** The CONNECT for the broker. Its Will comes no later than the token allows. */
export function writeConnectFor(
  connect: Connect,
  identity: Identity,
  { username, password, beginsAnew }: Upstream,
  clientId: string,
  caps: Caps,
  now_s: number,
): Buffer {
  boundWillDelay(connect, identity.expires_at - now_s)
  return writeConnect(connect, {
    clientId,
    username: username ?? identity.principal,
    password,
    clean: connect.clean || beginsAnew === true,
    keepAlive: keepAliveFor(connect, caps),
    sessionExpiry: sessionExpiryFor(connect, caps),
  })
}

/** `brokerPacketMaximum` is the largest packet that the broker takes. */
export type Terms = StatedTerms & { brokerPacketMaximum: number }

export function agree(
  { properties, version }: Connack,
  connect: Connect,
  caps: Caps,
  assignedClientId: string | undefined,
): Terms {
  const is5 = version === 5
  const brokerPacketMaximum = (is5 && properties.uint32(MAXIMUM_PACKET_SIZE)) || PACKET_LIMIT
  const brokerAliases = (is5 && properties.uint16(TOPIC_ALIAS_MAXIMUM)) || 0
  const keepAlive = keepAliveFor(connect, caps)
  const brokersOwn = is5 ? properties.uint16(SERVER_KEEP_ALIVE) : undefined
  let serverKeepAlive: number | undefined
  if (brokersOwn) {
    const most = caps.keepalive_max_s
    serverKeepAlive = most > 0 ? Math.min(brokersOwn, most) : brokersOwn // [MQTT-3.2.2-21]
  } else if (is5 && (brokersOwn === 0 || keepAlive !== connect.keepAlive)) {
    serverKeepAlive = keepAlive
  }
  const sessionExpiry = sessionExpiryFor(connect, caps)
  const isCapped = is5 && sessionExpiry !== connect.sessionExpiry
  return {
    assignedClientId,
    authenticationMethod: connect.authenticationMethod,
    sessionExpiry:
      (is5 ? properties.uint32(SESSION_EXPIRY_INTERVAL) : undefined) ??
      (isCapped ? sessionExpiry : undefined),
    serverKeepAlive,
    maximumPacketSize: Math.min(
      brokerPacketMaximum - roomOfStamp(brokerPacketMaximum, caps),
      caps.packet_max,
    ),
    brokerPacketMaximum,
    topicAliasMaximum: Math.min(brokerAliases, caps.topic_alias_max),
  }
}

/** Terms as both directions of the session remember them. Nothing of the token is in them. */
export function agreementOf(
  connect: Connect,
  { sessionPresent }: Connack,
  terms: Terms,
  clientId: string,
): Agreement {
  const { version, username, will, sessionExpiry, authenticationMethod } = connect
  return {
    version,
    clientId,
    isResumed: sessionPresent,
    username,
    will: will && { ...will, bytes: NOTHING },
    delayedWill: keepDelayedWill(connect),
    sessionExpiry,
    authenticationMethod,
    topicAliasMaximum: terms.topicAliasMaximum,
    brokerPacketMaximum: terms.brokerPacketMaximum,
  }
}
