// The bytes of MQTT 3.1.1 and 5.0: packets found, read and written. Decides nothing about a client.
//   framing.ts: where a packet begins and ends in a stream (MQTT 5.0 §2.1), and primitives
//   *_codec.ts: one packet and its answers each; properties.ts and reason_codes.ts: MQTT 5
// Leaves to gate.ts what may pass, to session/ what is answered, to transport/ the streams.
//
// Fixed headers, types, directions and sizes are checked in this file. Its scanner is pulled, one
// packet at a time, so that its caller can stop between any two. It copies only bytes that a chunk
// boundary cuts, and its memory grows with the bytes that came, never with the length that a header
// claims.

import { isUtf8 } from 'node:buffer'
import { MALFORMED, PACKET_TOO_LARGE, PROTOCOL_ERROR } from './reason_codes.ts'

export const CONNECT = 1
export const CONNACK = 2
export const PUBLISH = 3
export const PUBACK = 4
export const PUBREC = 5
export const PUBREL = 6
export const PUBCOMP = 7
export const SUBSCRIBE = 8
export const SUBACK = 9
export const UNSUBSCRIBE = 10
export const UNSUBACK = 11
export const PINGREQ = 12
export const PINGRESP = 13
export const DISCONNECT = 14
export const AUTH = 15

const bit = (...types: number[]) => types.reduce((bits, type) => bits | (1 << type), 0)
const BOTH_WAYS = bit(PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP)
/** Types a client may send after CONNECT, as bits (MQTT 5.0 §2.1.2). */
export const FROM_CLIENT_3 = BOTH_WAYS | bit(SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT)
export const FROM_CLIENT_5 = FROM_CLIENT_3 | bit(AUTH)
export const FROM_CLIENT = { 4: FROM_CLIENT_3, 5: FROM_CLIENT_5 } as const
const FROM_BROKER_3 = BOTH_WAYS | bit(SUBACK, UNSUBACK, PINGRESP)
export const FROM_BROKER = { 4: FROM_BROKER_3, 5: FROM_BROKER_3 | bit(DISCONNECT, AUTH) } as const
export const ONLY_CONNECT = bit(CONNECT)
export const ONLY_CONNACK = bit(CONNACK)

/** 4-byte Variable Byte Integer, and the largest packet that it allows. */
const REMAINING_MAX = 268_435_455
export const PACKET_LIMIT = REMAINING_MAX + 5

// Results of next().
/** Nothing complete: give it another chunk. */
export const MORE = 0
/** A whole packet in `buffer` from `start` to `end`; its variable header begins at `body`. */
export const WHOLE = 1
/** The same for the beginning of a large PUBLISH: up to and with topic, id and properties. */
export const HEAD = 2
/** More of that PUBLISH; `last` where it ends. */
export const PART = 3
/** Not MQTT, or too large: `fault` is the reason code. Nothing more can be read. */
export const FAULT = 4

const NOTHING = Buffer.alloc(0)
const FIRST_HOLD = 512

export class Scanner {
  buffer: Buffer = NOTHING
  start = 0
  body = 0
  end = 0
  /** Size of the whole packet that `buffer` holds, or begins. */
  total = 0
  last = false
  fault = 0

  /** 0 until the version is known: one more reason to accept nothing but CONNECT. */
  version = 0
  /** Types that may come, as bits. */
  expected: number
  /** Largest packet, fixed header included. */
  limit: number
  /** Largest PUBLISH that is read whole. */
  wholeLimit: number
  /** Largest packet of another type, all of which are read whole, and largest head of a PUBLISH. */
  heldLimit: number
  /** True if a large PUBLISH's properties belong to its HEAD. */
  readsProperties: boolean

  #chunk: Buffer = NOTHING
  #at = 0
  #partial: Buffer = NOTHING
  #partialLength = 0
  #required = 0
  #streaming = 0
  #takesWhole = false

  constructor(expected: number, limit: number, wholeLimit: number, readsProperties: boolean) {
    this.expected = expected
    this.limit = limit
    this.wholeLimit = wholeLimit
    this.heldLimit = limit
    this.readsProperties = readsProperties
  }

  /** Expects other packets from now on. */
  turnTo(expected: number, limit: number, wholeLimit: number, heldLimit: number): void {
    this.expected = expected
    this.limit = limit
    this.wholeLimit = wholeLimit
    this.heldLimit = heldLimit
  }

  /** Call it only after next() said MORE. The chunk belongs to the scanner from then on. */
  push(chunk: Buffer): void {
    this.#chunk = chunk
    this.#at = 0
  }

  /** Adds bytes behind those that next() has not read. */
  append(chunk: Buffer): void {
    this.push(this.hasBytes ? Buffer.concat([this.#chunk.subarray(this.#at), chunk]) : chunk)
  }

  /** True if a packet has begun and not ended. */
  get isMidPacket(): boolean {
    return this.#partialLength > 0 || this.#streaming > 0
  }

  /** True if bytes wait that next() has not read. */
  get hasBytes(): boolean {
    return this.#at < this.#chunk.length
  }

  /** Bytes kept of a packet that a chunk boundary cut. */
  get partialBytes(): number {
    return this.#partial.length
  }

  /** Reads the PUBLISH whole whose HEAD came last, though it is larger than such are read. */
  takeWhole(): void {
    this.#partialLength = this.end - this.start
    this.#partial = Buffer.allocUnsafeSlow(this.#partialLength)
    this.buffer.copy(this.#partial, 0, this.start, this.end)
    this.#required = this.total
    this.#streaming = 0
    this.#takesWhole = true
  }

  next(): number {
    if (this.fault !== 0) return FAULT
    const available = this.#chunk.length - this.#at
    if (available === 0) return this.#more()
    if (this.#streaming > 0) {
      const length = Math.min(available, this.#streaming)
      this.buffer = this.#chunk
      this.start = this.#at
      this.end = this.#at + length
      this.#at += length
      this.#streaming -= length
      this.last = this.#streaming === 0
      return PART
    }
    if (this.#partialLength === 0) {
      const what = this.#measure(this.#chunk, this.#at, this.#chunk.length)
      if (what !== MORE) {
        this.#at = this.end
        return what
      }
      this.#hold(this.#chunk.length)
      return this.#more()
    }
    for (;;) {
      this.#hold(this.#at + this.#required - this.#partialLength)
      if (this.#partialLength < this.#required) return this.#more()
      const what = this.#measure(this.#partial, 0, this.#partialLength)
      if (what === MORE) continue
      this.#partial = NOTHING
      this.#partialLength = 0
      this.#takesWhole = false
      return what
    }
  }

  #more(): number {
    // A packet that was read may have had a token in it.
    this.buffer = NOTHING
    this.#chunk = NOTHING
    this.#at = 0
    return MORE
  }

  /** Moves the chunk's bytes up to `until`, or its end, to the partial packet. */
  #hold(until: number): void {
    const end = Math.min(until, this.#chunk.length)
    const length = this.#partialLength + end - this.#at
    if (length > this.#partial.length) {
      // Doubling, but not beyond what is needed: at most twice the bytes that the peer has sent.
      const size = Math.max(length, Math.min(this.#required, this.#partial.length * 2))
      const larger = Buffer.allocUnsafeSlow(Math.max(size, FIRST_HOLD))
      this.#partial.copy(larger, 0, 0, this.#partialLength)
      this.#partial = larger
    }
    this.#chunk.copy(this.#partial, this.#partialLength, this.#at, end)
    this.#partialLength = length
    this.#at = end
  }

  #fail(code: number): number {
    this.fault = code
    return FAULT
  }

  /** Looks at a packet from its first byte on; MORE sets how many bytes it takes to say more. */
  #measure(buffer: Buffer, start: number, end: number): number {
    const available = end - start
    const first = buffer[start]!
    const type = first >> 4
    if (type === 0 || (type === AUTH && this.version === 4)) return this.#fail(MALFORMED)
    // [MQTT-2.1.3-1], and QoS 3 [MQTT-3.3.1-4]
    const flags = first & 0x0f
    if (type === PUBLISH ? (flags & 6) === 6 : flags !== requiredFlags(type)) {
      return this.#fail(MALFORMED)
    }
    if ((this.expected & (1 << type)) === 0) return this.#fail(PROTOCOL_ERROR)

    let remaining = 0
    let header = 1
    for (let shift = 0; ; shift += 7) {
      if (header >= available) return this.#require(header + 1)
      const byte = buffer[start + header]!
      header++
      remaining |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        // [MQTT-1.5.5-1]; MQTT 3.1.1 does not ask for the shortest form.
        if (byte === 0 && shift > 0 && this.version === 5) return this.#fail(MALFORMED)
        break
      }
      if (shift === 21) return this.#fail(MALFORMED) // a fifth byte
    }

    const total = header + remaining
    this.total = total
    if (total > this.limit) return this.#fail(PACKET_TOO_LARGE)
    if (total <= this.wholeLimit || type !== PUBLISH || this.#takesWhole) {
      if (total > this.heldLimit && type !== PUBLISH) return this.#fail(PACKET_TOO_LARGE)
      if (available < total) return this.#require(total)
      return this.#point(WHOLE, buffer, start, header, total)
    }

    let head = header + 2
    if (available < head) return this.#require(head)
    head += buffer.readUInt16BE(start + header)
    if ((first & 6) !== 0) head += 2
    if (this.version === 5 && this.readsProperties) {
      if (head >= total) return this.#fail(MALFORMED)
      if (available <= head) return this.#require(head + 1)
      const at = start + head
      const length = readVariableInteger(buffer, at, end)
      if (length < 0) {
        if (length === MALFORMED_INTEGER || available - head >= 4) return this.#fail(MALFORMED)
        return this.#require(available + 1)
      }
      // The rest may be streamed, properties may not: they are read before anything goes on.
      if (length > this.heldLimit) return this.#fail(PACKET_TOO_LARGE)
      head += variableIntegerSize(length) + length
    }
    if (head > total) return this.#fail(MALFORMED)
    if (available < head) return this.#require(head)
    this.#streaming = total - head
    // Without a payload nothing is left to be streamed.
    return this.#point(head === total ? WHOLE : HEAD, buffer, start, header, head)
  }

  #require(bytes: number): number {
    this.#required = bytes
    return MORE
  }

  #point(what: number, buffer: Buffer, start: number, header: number, length: number): number {
    this.buffer = buffer
    this.start = start
    this.body = start + header
    this.end = start + length
    this.last = this.#streaming === 0
    return what
  }
}

function requiredFlags(type: number): number {
  return type === PUBREL || type === SUBSCRIBE || type === UNSUBSCRIBE ? 2 : 0
}

const INCOMPLETE_INTEGER = -1
const MALFORMED_INTEGER = -2

/** A Variable Byte Integer (MQTT 5.0 §1.5.5), or a negative number: cut off, or malformed. */
export function readVariableInteger(buffer: Buffer, at: number, end: number): number {
  let value = 0
  for (let i = 0; i < 4; i++) {
    if (at + i >= end) return INCOMPLETE_INTEGER
    const byte = buffer[at + i]!
    value |= (byte & 0x7f) << (7 * i)
    if (byte < 0x80) return byte === 0 && i > 0 ? MALFORMED_INTEGER : value
  }
  return MALFORMED_INTEGER
}

export function variableIntegerSize(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : 4
}

export function writeVariableInteger(buffer: Buffer, at: number, value: number): number {
  let rest = value
  let i = at
  do {
    buffer[i++] = rest < 0x80 ? rest : (rest & 0x7f) | 0x80
    rest >>>= 7
  } while (rest > 0)
  return i
}

/** Strict UTF-8 without NUL: [MQTT-1.5.4-1], [MQTT-1.5.4-2]. A BOM is a character like others. */
export function isText(buffer: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = buffer[i]!
    if (byte === 0) return false
    if (byte >= 0x80) {
      // isUtf8 refuses overlong forms, surrogates and characters that are cut off.
      return buffer.subarray(i, end).indexOf(0) < 0 && isUtf8(buffer.subarray(i, end))
    }
  }
  return true
}

/** A length, then that many bytes of text: where it ends, or -1. */
export function endOfText(buffer: Buffer, at: number, end: number): number {
  if (at + 2 > end) return -1
  const stop = at + 2 + ((buffer[at]! << 8) | buffer[at + 1]!)
  return stop <= end && isText(buffer, at + 2, stop) ? stop : -1
}

/** A length, then that many bytes of anything: where it ends, or -1. */
export function endOfBinary(buffer: Buffer, at: number, end: number): number {
  if (at + 2 > end) return -1
  const stop = at + 2 + ((buffer[at]! << 8) | buffer[at + 1]!)
  return stop <= end ? stop : -1
}

// --- Packets that mProxy writes ---

/** A packet of `type` (with its flags in the low bits) around the parts of its body. */
export function writePacket(firstByte: number, parts: readonly Uint8Array[]): Buffer {
  let remaining = 0
  for (const part of parts) remaining += part.length
  const packet = Buffer.allocUnsafe(1 + variableIntegerSize(remaining) + remaining)
  packet[0] = firstByte
  let at = writeVariableInteger(packet, 1, remaining)
  for (const part of parts) {
    packet.set(part, at)
    at += part.length
  }
  return packet
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP. `code` is for MQTT 5; 0 is left out, as both versions do. */
export function writeAck(type: number, packetId: number, code: number): Buffer {
  const packet = Buffer.allocUnsafe(code === 0 ? 4 : 5)
  packet[0] = (type << 4) | requiredFlags(type)
  packet[1] = code === 0 ? 2 : 3
  packet[2] = packetId >> 8
  packet[3] = packetId & 0xff
  if (code !== 0) packet[4] = code
  return packet
}

export function writeText(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const bytes = Buffer.allocUnsafe(2 + length)
  bytes.writeUInt16BE(length, 0)
  bytes.write(text, 2)
  return bytes
}

export function writeUnsubscribe(version: number, packetId: number, filters: string[]): Buffer {
  const id = [packetId >> 8, packetId & 0xff]
  const head = Uint8Array.from(version === 5 ? [...id, 0] : id)
  return writePacket((UNSUBSCRIBE << 4) | 2, [head, ...filters.map(writeText)])
}

export const PING_REQUEST = Buffer.from([PINGREQ << 4, 0])
