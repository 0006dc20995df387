// SUBSCRIBE and UNSUBSCRIBE of a client (MQTT 3.1.1 and 5.0 §3.8 to §3.11): read, written again
// with the filters that were allowed, and the broker's answer put together with the refusals.

import type { Qos } from '../../policy/acl.ts'
import { parseSubscription } from '../../policy/topic_filter.ts'
import {
  endOfBinary,
  endOfText,
  readVariableInteger,
  type Scanner,
  SUBSCRIBE,
  UNSUBSCRIBE,
  variableIntegerSize,
  writePacket,
} from './framing.ts'
import { Properties } from './properties.ts'
import { MALFORMED, PROTOCOL_ERROR } from './reason_codes.ts'

export type SubscriptionType = typeof SUBSCRIBE | typeof UNSUBSCRIBE

export type SubscriptionPacket = {
  packetId: number
  /** How many filters the packet has. */
  count: number
  filters: string[]
  /** QoS of each filter; all 0 for UNSUBSCRIBE. */
  qos: Qos[]
  /** Offset in `bytes` of each filter, with its length and options; one more for the end. */
  places: number[]
  /** The packet's variable header: id and properties. */
  head: Buffer
  bytes: Buffer
}

/**
 * Reads a SUBSCRIBE or UNSUBSCRIBE that the scanner found whole. Filters beyond `most` are counted
 * and not read: a packet may have a quarter of a million of them.
 */
export function readSubscriptions(
  { buffer, body, end, version }: Scanner,
  type: SubscriptionType,
  most = Infinity,
): SubscriptionPacket | { fault: number } {
  if (end - body < 2) return { fault: MALFORMED }
  const packetId = buffer.readUInt16BE(body)
  if (packetId === 0) return { fault: PROTOCOL_ERROR } // [MQTT-2.2.1-3]
  let at = body + 2
  if (version === 5) {
    const properties = new Properties()
    const fault = properties.read(buffer, at, end, type)
    if (fault !== 0) return { fault }
    at = properties.end
  }
  const head = buffer.subarray(body, at)
  if (at === end) return { fault: PROTOCOL_ERROR } // [MQTT-3.8.3-2], [MQTT-3.10.3-2]
  const filters: string[] = []
  const qos: Qos[] = []
  const places: number[] = []
  while (at < end && filters.length < most) {
    const filterEnd = endOfText(buffer, at, end)
    if (filterEnd < 0) return { fault: MALFORMED } // [MQTT-3.8.3-1]
    const filter = buffer.toString('utf8', at + 2, filterEnd)
    // [MQTT-4.7.3-1], [MQTT-4.7.1-1], [MQTT-4.8.2-1], [MQTT-4.13.1-1]
    if (parseSubscription(filter, Infinity) === null) return { fault: MALFORMED }
    filters.push(filter)
    places.push(at)
    at = filterEnd
    if (type === SUBSCRIBE) {
      if (at === end) return { fault: MALFORMED }
      const options = buffer[at]!
      at++
      // [MQTT-3.8.3-5], 3.1.1 [MQTT-3.8.3-4]
      if ((options & (version === 5 ? 0xc0 : 0xfc)) !== 0) return { fault: MALFORMED }
      if ((options & 3) === 3) return { fault: version === 5 ? PROTOCOL_ERROR : MALFORMED }
      if ((options & 0x30) === 0x30) return { fault: PROTOCOL_ERROR } // Retain Handling 3
      // [MQTT-3.8.3-4]
      if ((options & 0x04) !== 0 && filter.startsWith('$share/')) return { fault: PROTOCOL_ERROR }
      qos.push((options & 3) as Qos)
    } else {
      qos.push(0)
    }
  }
  let count = filters.length
  for (const more = type === SUBSCRIBE ? 1 : 0; at < end; count++) {
    at = endOfBinary(buffer, at, end)
    if (at < 0 || at + more > end) return { fault: MALFORMED }
    at += more
  }
  places.push(end)
  return { packetId, count, filters, qos, places, head, bytes: buffer }
}

/** The packet with only the filters whose code is 0. */
export function writeAllowed(
  { bytes, places, head }: SubscriptionPacket,
  type: SubscriptionType,
  codes: Uint8Array,
): Buffer {
  const parts: Buffer[] = [head]
  for (let i = 0; i < codes.length; i++) {
    if (codes[i] === 0) parts.push(bytes.subarray(places[i], places[i + 1]))
  }
  return writePacket((type << 4) | 2, parts)
}

/**
 * The broker's SUBACK or UNSUBACK with the refusals in their places; null when it does not answer
 * the question. `codes` has 0 for each filter that went to the broker, and then holds the
 * whole answer.
 */
export function mergeAnswer(
  { buffer, body, end, version }: Scanner,
  type: SubscriptionType,
  codes: Uint8Array,
): Buffer | null {
  let at = body + 2
  const ackType = type + 1
  if (version === 5) {
    const properties = new Properties()
    if (at > end || properties.read(buffer, at, end, ackType) !== 0) return null
    at = properties.end
  } else if (type === UNSUBSCRIBE) {
    return at === end ? writePacket(ackType << 4, [buffer.subarray(body, at)]) : null // no codes
  }
  const head = buffer.subarray(body, at)
  for (let i = 0; i < codes.length; i++) {
    if (codes[i] !== 0) continue
    if (at >= end) return null
    codes[i] = buffer[at]!
    at++
  }
  return at === end ? writePacket(ackType << 4, [head, codes]) : null
}

/** An MQTT 5 SUBACK or UNSUBACK without Reason String and user properties: it has no others. */
export function withoutProperties(answer: Buffer): Buffer {
  const body = 1 + variableIntegerSize(readVariableInteger(answer, 1, answer.length))
  const length = readVariableInteger(answer, body + 2, answer.length)
  const codes = answer.subarray(body + 2 + variableIntegerSize(length) + length)
  return writePacket(answer[0]!, [answer.subarray(body, body + 2), Uint8Array.of(0), codes])
}

/** The answer to a packet none of whose filters went to the broker. */
export function writeAnswer(
  version: number,
  type: SubscriptionType,
  packetId: number,
  codes: Uint8Array,
): Buffer {
  const id = Buffer.from([packetId >> 8, packetId & 0xff])
  const parts =
    version === 5 ? [id, Buffer.from([0]), codes] : type === SUBSCRIBE ? [id, codes] : [id]
  return writePacket((type + 1) << 4, parts)
}
