// CONNECT as a client sent it, CONNECT as the broker gets it, and the CONNACK that goes back
// (MQTT 3.1.1 and 5.0 §3.1, §3.2). The token ends here: nothing of it is written upstream.
// gate.ts says whether a client may connect.

import type { Qos } from '../../policy/acl.ts'
import {
  CONNACK,
  CONNECT,
  endOfBinary,
  endOfText,
  type Scanner,
  variableIntegerSize,
  writePacket,
  writeText,
} from './framing.ts'
import {
  ASSIGNED_CLIENT_IDENTIFIER,
  AUTHENTICATION_DATA,
  AUTHENTICATION_METHOD,
  MAXIMUM_PACKET_SIZE,
  Properties,
  REASON_STRING,
  RESPONSE_TOPIC,
  SERVER_KEEP_ALIVE,
  SERVER_REFERENCE,
  SESSION_EXPIRY_INTERVAL,
  TOPIC_ALIAS_MAXIMUM,
  USER_PROPERTY,
  WILL,
  writeSection,
  writeTextProperty,
  writeUint16Property,
  writeUint32Property,
} from './properties.ts'
import {
  connackReturnCode,
  MALFORMED,
  PROTOCOL_ERROR,
  UNSUPPORTED_VERSION,
} from './reason_codes.ts'

export type Will = {
  topic: string
  qos: Qos
  retain: boolean
  responseTopic: string | undefined
  /** Will Properties (MQTT 5), Will Topic and Will Payload as they stood in the packet. */
  bytes: Buffer
}

/** A Will with a delay, as the broker has it. */
export type DelayedWill = Pick<Will, 'bytes' | 'qos' | 'retain'> & {
  /** Seconds. */
  delay: number
}

export type Connect = {
  version: 4 | 5
  /** Clean Session, or Clean Start. */
  clean: boolean
  keepAlive: number
  clientId: string
  username: string | undefined
  password: Buffer | undefined
  will: Will | undefined
  /** Seconds; 0xFFFFFFFF never ends. For MQTT 3.1.1, its Clean Session in those terms. */
  sessionExpiry: number
  /** The largest packet that the client takes. */
  maximumPacketSize: number
  authenticationMethod: string | undefined
  authenticationData: Buffer | undefined
  /** Properties that go on to the broker as they are. */
  properties: Buffer
}

/** `version` says in which format an answer is possible; 0: only a bare close is. */
export type ConnectFault = { fault: number; version: 0 | 4 | 5 }

/** As a Session Expiry Interval: the session never ends. As a size: no limit. */
export const NEVER = 0xffffffff
const PROTOCOL_NAME = Buffer.from('\0\x04MQTT')
const OLD_PROTOCOL_NAME = Buffer.from('\0\x06MQIsdp')

/** Reads the CONNECT that the scanner found whole. */
export function readConnect({ buffer, body, end, start }: Scanner): Connect | ConnectFault {
  const close = (fault: number): ConnectFault => ({ fault, version: 0 })
  if (beginsWith(buffer, body, end, OLD_PROTOCOL_NAME)) {
    return { fault: UNSUPPORTED_VERSION, version: 4 } // MQTT 3.1
  }
  if (!beginsWith(buffer, body, end, PROTOCOL_NAME)) return close(MALFORMED) // [MQTT-3.1.2-1]
  let at = body + PROTOCOL_NAME.length
  if (at + 4 > end) return close(MALFORMED)
  const version = buffer[at]!
  if (version !== 4 && version !== 5) {
    // [MQTT-3.1.2-2]; a level with the bit 0x80 is a bridge's, which has no business here.
    return { fault: UNSUPPORTED_VERSION, version: version < 4 || version === 0x84 ? 4 : 5 }
  }
  const fault = (code: number): ConnectFault => ({ fault: code, version })
  // [MQTT-1.5.5-1]: the scanner did not know the version yet.
  if (version === 5 && body - start - 1 !== variableIntegerSize(end - body)) return fault(MALFORMED)

  const flags = buffer[at + 1]!
  const hasWill = (flags & 0x04) !== 0
  const willQos = (flags >> 3) & 3
  const hasPassword = (flags & 0x40) !== 0
  const hasUsername = (flags & 0x80) !== 0
  if ((flags & 0x01) !== 0) return fault(MALFORMED) // [MQTT-3.1.2-3]
  if (!hasWill && (flags & 0x38) !== 0) return fault(MALFORMED) // [MQTT-3.1.2-11], [-13], [-15]
  if (willQos === 3) return fault(MALFORMED) // [MQTT-3.1.2-12]
  if (version === 4 && hasPassword && !hasUsername) return fault(MALFORMED) // 3.1.1 [MQTT-3.1.2-22]
  const clean = (flags & 0x02) !== 0
  const keepAlive = buffer.readUInt16BE(at + 2)
  at += 4

  const properties = new Properties()
  if (version === 5) {
    const code = properties.read(buffer, at, end, CONNECT)
    if (code !== 0) return fault(code)
    at = properties.end
    // MQTT 5.0 §3.1.2.11.10
    if (properties.has(AUTHENTICATION_DATA) && !properties.has(AUTHENTICATION_METHOD)) {
      return fault(PROTOCOL_ERROR)
    }
  }

  const clientIdEnd = endOfText(buffer, at, end)
  if (clientIdEnd < 0) return fault(MALFORMED) // [MQTT-3.1.3-3], [MQTT-3.1.3-4]
  const clientId = buffer.toString('utf8', at + 2, clientIdEnd)
  at = clientIdEnd

  let will: Will | undefined
  if (hasWill) {
    const willStart = at
    let responseTopic: string | undefined
    if (version === 5) {
      const willProperties = new Properties()
      const code = willProperties.read(buffer, at, end, WILL)
      if (code !== 0) return fault(code)
      responseTopic = willProperties.text(RESPONSE_TOPIC)
      at = willProperties.end
    }
    const topicEnd = endOfText(buffer, at, end) // [MQTT-3.1.3-11]
    if (topicEnd < 0) return fault(MALFORMED)
    const topic = buffer.toString('utf8', at + 2, topicEnd)
    at = endOfBinary(buffer, topicEnd, end)
    if (at < 0) return fault(MALFORMED)
    will = {
      topic,
      qos: willQos as Qos,
      retain: (flags & 0x20) !== 0,
      responseTopic,
      bytes: buffer.subarray(willStart, at),
    }
  }

  let username: string | undefined
  if (hasUsername) {
    const usernameEnd = endOfText(buffer, at, end) // [MQTT-3.1.3-12]
    if (usernameEnd < 0) return fault(MALFORMED)
    username = buffer.toString('utf8', at + 2, usernameEnd)
    at = usernameEnd
  }
  let password: Buffer | undefined
  if (hasPassword) {
    const passwordEnd = endOfBinary(buffer, at, end)
    if (passwordEnd < 0) return fault(MALFORMED)
    password = buffer.subarray(at + 2, passwordEnd)
    at = passwordEnd
  }
  if (at !== end) return fault(MALFORMED)

  return {
    version,
    clean,
    keepAlive,
    clientId,
    username,
    password,
    will,
    sessionExpiry:
      version === 5 ? (properties.uint32(SESSION_EXPIRY_INTERVAL) ?? 0) : clean ? 0 : NEVER,
    maximumPacketSize: (version === 5 && properties.uint32(MAXIMUM_PACKET_SIZE)) || NEVER,
    authenticationMethod: version === 5 ? properties.text(AUTHENTICATION_METHOD) : undefined,
    authenticationData: version === 5 ? properties.binary(AUTHENTICATION_DATA) : undefined,
    properties:
      version === 5
        ? properties.without(
            AUTHENTICATION_METHOD,
            AUTHENTICATION_DATA,
            SESSION_EXPIRY_INTERVAL,
            // Left out is 0: a delivery that is dropped cannot be the one that set an alias.
            TOPIC_ALIAS_MAXIMUM,
          )
        : Buffer.alloc(0),
  }
}

function beginsWith(buffer: Buffer, at: number, end: number, prefix: Buffer): boolean {
  return at + prefix.length <= end && prefix.compare(buffer, at, at + prefix.length) === 0
}

/** The CONNECT that the broker gets in place of the client's. */
export function writeConnect(
  connect: Connect,
  replacement: {
    clientId: string
    username: string
    password: string | undefined
    clean: boolean
    keepAlive: number
    sessionExpiry: number
  },
): Buffer {
  const { version, will } = connect
  const flags =
    (replacement.clean ? 0x02 : 0) |
    (will ? 0x04 | (will.qos << 3) | (will.retain ? 0x20 : 0) : 0) |
    (replacement.password === undefined ? 0 : 0x40) |
    0x80
  const { keepAlive } = replacement
  const parts: Buffer[] = [
    PROTOCOL_NAME,
    Buffer.from([version, flags, keepAlive >> 8, keepAlive & 0xff]),
  ]
  if (version === 5) {
    const expiry =
      replacement.sessionExpiry === 0
        ? Buffer.alloc(0)
        : writeUint32Property(SESSION_EXPIRY_INTERVAL, replacement.sessionExpiry)
    parts.push(writeSection([connect.properties, expiry]))
  }
  parts.push(writeText(replacement.clientId))
  if (will) parts.push(will.bytes)
  parts.push(writeText(replacement.username))
  if (replacement.password !== undefined) parts.push(writeText(replacement.password))
  return writePacket(CONNECT << 4, parts)
}

/** A CONNACK that refuses; null where there is only a close: no code of MQTT 3.1.1, no room. */
export function writeRefusal(
  version: number,
  code: number,
  reason: string | undefined,
  maximumPacketSize = NEVER,
): Buffer | null {
  if (version === 4) {
    const returnCode = connackReturnCode(code)
    return returnCode === 0 ? null : Buffer.from([CONNACK << 4, 2, 0, returnCode])
  }
  if (version !== 5) return null
  const section = writeSection(reason ? [writeTextProperty(REASON_STRING, reason)] : [])
  const packet = writePacket(CONNACK << 4, [Uint8Array.from([0, code]), section])
  if (packet.length <= maximumPacketSize) return packet
  const smallest = Buffer.from([CONNACK << 4, 3, 0, code, 0]) // [MQTT-3.2.2-19]
  return smallest.length <= maximumPacketSize ? smallest : null
}

export type Connack = {
  sessionPresent: boolean
  /** Return code of MQTT 3.1.1, or reason code of MQTT 5: see `version`. */
  code: number
  /** Version of the packet: a broker that knows no MQTT 5 answers in 3.1.1. */
  version: 4 | 5
  properties: Properties
}

/** Reads the CONNACK that the scanner found whole; null when it is none a broker may send. */
export function readConnack({ buffer, body, end }: Scanner, version: 4 | 5): Connack | null {
  if (end - body < 2) return null
  const flags = buffer[body]!
  const code = buffer[body + 1]!
  if (flags > 1) return null // [MQTT-3.2.2-1]
  const properties = new Properties()
  const connack = { sessionPresent: flags === 1, code, properties }
  if (end - body === 2) return { ...connack, version: 4 }
  if (version === 4) return null
  if (properties.read(buffer, body + 2, end, CONNACK) !== 0) return null
  return properties.end === end ? { ...connack, version: 5 } : null
}

/** Terms of a session that a CONNACK states. session/terms.ts makes them. */
export type StatedTerms = {
  assignedClientId: string | undefined
  authenticationMethod: string | undefined
  /** Only where it differs from the client's own, or the broker named it. */
  sessionExpiry: number | undefined
  serverKeepAlive: number | undefined
  /** The largest packet that the client may send. */
  maximumPacketSize: number
  topicAliasMaximum: number
}

/** The CONNACK of a client that is connected; null when the client takes none so large. */
export function writeConnack(
  connack: Connack,
  terms: StatedTerms,
  maximumPacketSize = NEVER,
): Buffer | null {
  if (connack.version === 4) {
    return Buffer.from([CONNACK << 4, 2, connack.sessionPresent ? 1 : 0, connack.code])
  }
  const packet = writeConnack5(connack, terms)
  if (packet.length <= maximumPacketSize) return packet // [MQTT-3.1.2-24]
  // [MQTT-3.2.2-19], [MQTT-3.2.2-20]
  const smaller = writeConnack5(connack, terms, REASON_STRING, USER_PROPERTY)
  return smaller.length <= maximumPacketSize ? smaller : null
}

function writeConnack5(connack: Connack, terms: StatedTerms, ...leftOut: number[]): Buffer {
  const parts = [
    connack.properties.without(
      ...leftOut,
      ASSIGNED_CLIENT_IDENTIFIER,
      AUTHENTICATION_METHOD,
      AUTHENTICATION_DATA,
      SESSION_EXPIRY_INTERVAL,
      SERVER_KEEP_ALIVE,
      SERVER_REFERENCE,
      MAXIMUM_PACKET_SIZE,
      TOPIC_ALIAS_MAXIMUM,
    ),
    writeUint32Property(MAXIMUM_PACKET_SIZE, terms.maximumPacketSize),
  ]
  if (terms.assignedClientId !== undefined) {
    parts.push(writeTextProperty(ASSIGNED_CLIENT_IDENTIFIER, terms.assignedClientId))
  }
  if (terms.authenticationMethod !== undefined) {
    parts.push(writeTextProperty(AUTHENTICATION_METHOD, terms.authenticationMethod))
  }
  if (terms.sessionExpiry !== undefined) {
    parts.push(writeUint32Property(SESSION_EXPIRY_INTERVAL, terms.sessionExpiry))
  }
  if (terms.serverKeepAlive !== undefined) {
    parts.push(writeUint16Property(SERVER_KEEP_ALIVE, terms.serverKeepAlive))
  }
  if (terms.topicAliasMaximum > 0) {
    parts.push(writeUint16Property(TOPIC_ALIAS_MAXIMUM, terms.topicAliasMaximum))
  }
  const flags = connack.sessionPresent ? 1 : 0
  return writePacket(CONNACK << 4, [Uint8Array.from([flags, connack.code]), writeSection(parts)])
}
