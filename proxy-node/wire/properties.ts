// The properties of MQTT 5 packets (MQTT 5.0 §2.2.2): checked where they stand, found by id, and
// rewritten where mProxy says something else than it read. Which values a packet may have is said
// by the reader of that packet.

import {
  AUTH,
  CONNACK,
  CONNECT,
  DISCONNECT,
  endOfBinary,
  endOfText,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  readVariableInteger,
  SUBACK,
  SUBSCRIBE,
  UNSUBACK,
  UNSUBSCRIBE,
  variableIntegerSize,
  writeVariableInteger,
} from './framing.ts'
import { MALFORMED, PROTOCOL_ERROR } from './reason_codes.ts'

export const PAYLOAD_FORMAT_INDICATOR = 0x01
export const RESPONSE_TOPIC = 0x08
export const SUBSCRIPTION_IDENTIFIER = 0x0b
export const SESSION_EXPIRY_INTERVAL = 0x11
export const ASSIGNED_CLIENT_IDENTIFIER = 0x12
export const SERVER_KEEP_ALIVE = 0x13
export const AUTHENTICATION_METHOD = 0x15
export const AUTHENTICATION_DATA = 0x16
export const REQUEST_PROBLEM_INFORMATION = 0x17
export const WILL_DELAY_INTERVAL = 0x18
export const REQUEST_RESPONSE_INFORMATION = 0x19
export const SERVER_REFERENCE = 0x1c
export const REASON_STRING = 0x1f
export const RECEIVE_MAXIMUM = 0x21
export const TOPIC_ALIAS_MAXIMUM = 0x22
export const TOPIC_ALIAS = 0x23
export const USER_PROPERTY = 0x26
export const MAXIMUM_PACKET_SIZE = 0x27

/** The place of a Will's properties, which is not a packet. */
export const WILL = 0

const BYTE = 1
const UINT16 = 2
const UINT32 = 3
const VARIABLE = 4
const TEXT = 5
const BINARY = 6
const PAIR = 7

// MQTT 5.0 Table 2-4: type, and the packets it may stand in.
const KINDS = new Uint8Array(0x2b)
const PLACES = new Uint32Array(0x2b)
const define = (id: number, kind: number, ...packets: number[]) => {
  KINDS[id] = kind
  for (const packet of packets) PLACES[id] = PLACES[id]! | (1 << packet)
}
define(PAYLOAD_FORMAT_INDICATOR, BYTE, PUBLISH, WILL)
define(0x02, UINT32, PUBLISH, WILL) // Message Expiry Interval
define(0x03, TEXT, PUBLISH, WILL) // Content Type
define(RESPONSE_TOPIC, TEXT, PUBLISH, WILL)
define(0x09, BINARY, PUBLISH, WILL) // Correlation Data
define(SUBSCRIPTION_IDENTIFIER, VARIABLE, SUBSCRIBE) // a client's PUBLISH has none [MQTT-3.3.4-6]
define(SESSION_EXPIRY_INTERVAL, UINT32, CONNECT, CONNACK, DISCONNECT)
define(ASSIGNED_CLIENT_IDENTIFIER, TEXT, CONNACK)
define(SERVER_KEEP_ALIVE, UINT16, CONNACK)
define(AUTHENTICATION_METHOD, TEXT, CONNECT, CONNACK, AUTH)
define(AUTHENTICATION_DATA, BINARY, CONNECT, CONNACK, AUTH)
define(REQUEST_PROBLEM_INFORMATION, BYTE, CONNECT)
define(WILL_DELAY_INTERVAL, UINT32, WILL)
define(REQUEST_RESPONSE_INFORMATION, BYTE, CONNECT)
define(0x1a, TEXT, CONNACK) // Response Information
define(SERVER_REFERENCE, TEXT, CONNACK, DISCONNECT)
define(
  REASON_STRING,
  TEXT,
  CONNACK,
  PUBACK,
  PUBREC,
  PUBREL,
  PUBCOMP,
  SUBACK,
  UNSUBACK,
  DISCONNECT,
  AUTH,
)
define(RECEIVE_MAXIMUM, UINT16, CONNECT, CONNACK)
define(TOPIC_ALIAS_MAXIMUM, UINT16, CONNECT, CONNACK)
define(TOPIC_ALIAS, UINT16, PUBLISH)
define(0x24, BYTE, CONNACK) // Maximum QoS
define(0x25, BYTE, CONNACK) // Retain Available
define(
  USER_PROPERTY,
  PAIR,
  CONNECT,
  CONNACK,
  PUBLISH,
  WILL,
  PUBACK,
  PUBREC,
  PUBREL,
  PUBCOMP,
  SUBSCRIBE,
  SUBACK,
  UNSUBSCRIBE,
  UNSUBACK,
  DISCONNECT,
  AUTH,
)
define(MAXIMUM_PACKET_SIZE, UINT32, CONNECT, CONNACK)
define(0x28, BYTE, CONNACK) // Wildcard Subscription Available
define(0x29, BYTE, CONNACK) // Subscription Identifier Available
define(0x2a, BYTE, CONNACK) // Shared Subscription Available

const NOTHING = Buffer.alloc(0)

/** Reads one property section after another into the same object. */
export class Properties {
  /** First byte after the section, or 0. */
  end = 0
  buffer: Buffer = NOTHING
  #start = 0
  #seenLow = 0
  #seenHigh = 0
  readonly #offsets = new Uint32Array(0x2b)

  /** Checks the section at `at` for its packet; 0, or the reason code to end with. */
  read(buffer: Buffer, at: number, end: number, packet: number): number {
    this.buffer = buffer
    this.#seenLow = 0
    this.#seenHigh = 0
    const length = readVariableInteger(buffer, at, end)
    if (length < 0) return MALFORMED
    let i = at + variableIntegerSize(length)
    const stop = i + length
    if (stop > end) return MALFORMED
    this.#start = i
    this.end = stop
    while (i < stop) {
      const id = buffer[i]!
      i++
      // No id needs more than one byte of its Variable Byte Integer.
      if (id >= KINDS.length || KINDS[id] === 0) return MALFORMED
      if ((PLACES[id]! & (1 << packet)) === 0) {
        // §2.2.2.2; a PUBLISH may have that one, if it is not a client's.
        return id === SUBSCRIPTION_IDENTIFIER && packet === PUBLISH ? PROTOCOL_ERROR : MALFORMED
      }
      if (id !== USER_PROPERTY) {
        if (this.has(id)) return PROTOCOL_ERROR
        if (id < 32) this.#seenLow |= 1 << id
        else this.#seenHigh |= 1 << (id - 32)
        this.#offsets[id] = i
      }
      const next = endOfValue(buffer, i, stop, KINDS[id]!)
      if (next < 0) return MALFORMED
      if (!isPermittedValue(buffer, i, id)) return PROTOCOL_ERROR
      i = next
    }
    return 0
  }

  /** Lets go of the bytes that were read. */
  forget(): void {
    this.buffer = NOTHING
    this.#seenLow = 0
    this.#seenHigh = 0
  }

  has(id: number): boolean {
    return id < 32 ? (this.#seenLow & (1 << id)) !== 0 : (this.#seenHigh & (1 << (id - 32))) !== 0
  }

  /** The place where the value of a property begins that is there. */
  offset(id: number): number {
    return this.#offsets[id]!
  }

  byte(id: number): number | undefined {
    return this.has(id) ? this.buffer[this.#offsets[id]!] : undefined
  }

  uint16(id: number): number | undefined {
    return this.has(id) ? this.buffer.readUInt16BE(this.#offsets[id]!) : undefined
  }

  uint32(id: number): number | undefined {
    return this.has(id) ? this.buffer.readUInt32BE(this.#offsets[id]!) : undefined
  }

  binary(id: number): Buffer | undefined {
    if (!this.has(id)) return undefined
    const at = this.#offsets[id]!
    return this.buffer.subarray(at + 2, at + 2 + this.buffer.readUInt16BE(at))
  }

  text(id: number): string | undefined {
    return this.binary(id)?.toString('utf8')
  }

  /** The section's own bytes without the properties named, in their order. */
  without(...ids: number[]): Buffer {
    const rest: Buffer[] = []
    for (let i = this.#start; i < this.end; ) {
      const id = this.buffer[i]!
      const next = endOfValue(this.buffer, i + 1, this.end, KINDS[id]!)
      if (!ids.includes(id)) rest.push(this.buffer.subarray(i, next))
      i = next
    }
    return Buffer.concat(rest)
  }

  /** The section's own bytes without the user properties whose key begins with `prefix`. */
  withoutUserKeys(prefix: Buffer): Buffer {
    let rest: Buffer[] | null = null
    let from = this.#start
    for (let i = from; i < this.end; ) {
      const next = endOfValue(this.buffer, i + 1, this.end, KINDS[this.buffer[i]!]!)
      if (this.buffer[i] === USER_PROPERTY && this.#hasKey(i + 1, prefix)) {
        rest ??= []
        rest.push(this.buffer.subarray(from, i))
        from = next
      }
      i = next
    }
    const last = this.buffer.subarray(from, this.end)
    return rest === null ? last : Buffer.concat([...rest, last])
  }

  #hasKey(at: number, prefix: Buffer): boolean {
    const length = this.buffer.readUInt16BE(at)
    const { length: least } = prefix
    return length >= least && prefix.compare(this.buffer, at + 2, at + 2 + least) === 0
  }
}

function endOfValue(buffer: Buffer, at: number, end: number, kind: number): number {
  switch (kind) {
    case BYTE:
      return at + 1 <= end ? at + 1 : -1
    case UINT16:
      return at + 2 <= end ? at + 2 : -1
    case UINT32:
      return at + 4 <= end ? at + 4 : -1
    case VARIABLE: {
      const value = readVariableInteger(buffer, at, end)
      return value < 0 ? -1 : at + variableIntegerSize(value)
    }
    case TEXT:
      return endOfText(buffer, at, end)
    case BINARY:
      return endOfBinary(buffer, at, end)
    default: {
      const key = endOfText(buffer, at, end)
      return key < 0 ? -1 : endOfText(buffer, key, end)
    }
  }
}

function isPermittedValue(buffer: Buffer, at: number, id: number): boolean {
  switch (id) {
    case SUBSCRIPTION_IDENTIFIER: // MQTT 5.0 §3.8.2.1.2
      return buffer[at] !== 0
    case RECEIVE_MAXIMUM: // §3.1.2.11.3
    case TOPIC_ALIAS: // §3.3.2.3.4; the code is 0x94, which publish_codec.ts gives
      return id === TOPIC_ALIAS || (buffer[at]! | buffer[at + 1]!) !== 0
    case MAXIMUM_PACKET_SIZE: // §3.1.2.11.4
      return buffer.readUInt32BE(at) !== 0
    default:
      return KINDS[id] !== BYTE || buffer[at]! <= 1
  }
}

/** A user property (MQTT 5.0 §3.3.2.3.7). */
export function writeUserProperty(key: string, value: string): Buffer {
  const text = Buffer.from(value)
  const first = writeTextProperty(USER_PROPERTY, key)
  const bytes = Buffer.allocUnsafe(first.length + 2 + text.length)
  first.copy(bytes)
  bytes.writeUInt16BE(text.length, first.length)
  text.copy(bytes, first.length + 2)
  return bytes
}

/** A property section: its length, then its parts. */
export function writeSection(parts: readonly Buffer[]): Buffer {
  let length = 0
  for (const part of parts) length += part.length
  const size = variableIntegerSize(length)
  const section = Buffer.allocUnsafe(size + length)
  let at = writeVariableInteger(section, 0, length)
  for (const part of parts) {
    section.set(part, at)
    at += part.length
  }
  return section
}

export function writeUint16Property(id: number, value: number): Buffer {
  return Buffer.from([id, value >> 8, value & 0xff])
}

export function writeUint32Property(id: number, value: number): Buffer {
  const bytes = Buffer.from([id, 0, 0, 0, 0])
  bytes.writeUInt32BE(value, 1)
  return bytes
}

export function writeTextProperty(id: number, value: string | Buffer): Buffer {
  const text = typeof value === 'string' ? Buffer.from(value) : value
  const bytes = Buffer.allocUnsafe(3 + text.length)
  bytes[0] = id
  bytes.writeUInt16BE(text.length, 1)
  text.copy(bytes, 3)
  return bytes
}
