// PUBLISH as it stands in the bytes (MQTT 3.1.1 and 5.0 §3.3), read without copying anything but
// the topic, and its acknowledgements. One view per direction is used again for every packet.

import type { Qos } from '../../policy/acl.ts'
import {
  isText,
  PUBACK,
  PUBLISH,
  PUBREC,
  type Scanner,
  variableIntegerSize,
  writeText,
  writeVariableInteger,
} from './framing.ts'
import { Properties, RESPONSE_TOPIC, TOPIC_ALIAS, writeSection } from './properties.ts'
import {
  isAckCode,
  isReleaseCode,
  MALFORMED,
  PROTOCOL_ERROR,
  TOPIC_ALIAS_INVALID,
} from './reason_codes.ts'

export class PublishView {
  qos: Qos = 0
  retain = false
  /** 0 for QoS 0. */
  packetId = 0
  /** Bytes of the topic in the packet; 0 where an alias stands for it. */
  topicLength = 0
  /** 0: none. */
  alias = 0
  responseTopic: string | undefined = undefined
  payload = 0
  #topicStart = 0
  readonly #properties = new Properties()

  /** Reads a client's PUBLISH, whole or its head; 0, or the reason code to end with. */
  readFromClient(scanner: Scanner, aliasMaximum: number): number {
    const fault = this.#readHeader(scanner)
    if (fault !== 0) return fault
    const { buffer, start, end, version } = scanner
    if ((buffer[start]! & 0x0e) === 0x08) return MALFORMED // [MQTT-3.3.1-2]: DUP with QoS 0
    const topicEnd = this.#topicStart + this.topicLength
    // [MQTT-3.3.2-1]; whether it is a topic *name* is judged where its string is.
    if (!isText(buffer, this.#topicStart, topicEnd)) return MALFORMED
    if (version === 4) return this.topicLength === 0 ? MALFORMED : 0
    const properties = this.#properties
    const code = properties.read(buffer, this.payload, end, PUBLISH)
    if (code !== 0) return code
    this.payload = properties.end
    this.alias = 0
    this.responseTopic = undefined
    if (properties.has(TOPIC_ALIAS)) {
      this.alias = buffer.readUInt16BE(properties.offset(TOPIC_ALIAS))
      // [MQTT-3.3.2-8], [MQTT-3.3.2-9]
      if (this.alias === 0 || this.alias > aliasMaximum) return TOPIC_ALIAS_INVALID
    } else if (this.topicLength === 0) {
      return PROTOCOL_ERROR // MQTT 5.0 §3.3.2.1
    }
    if (properties.has(RESPONSE_TOPIC)) this.responseTopic = properties.text(RESPONSE_TOPIC)
    return 0
  }

  /** Reads the fields that judge a delivery; 0, or the reason code of the broker's fault. */
  readFromBroker(scanner: Scanner): number {
    const fault = this.#readHeader(scanner)
    // No alias was offered to the broker, so it has to name every topic.
    return fault === 0 && this.topicLength === 0 ? PROTOCOL_ERROR : fault
  }

  #readHeader({ buffer, start, body, end }: Scanner): number {
    const first = buffer[start]!
    this.qos = ((first >> 1) & 3) as Qos
    this.retain = (first & 1) !== 0
    if (body + 2 > end) return MALFORMED
    this.topicLength = (buffer[body]! << 8) | buffer[body + 1]!
    this.#topicStart = body + 2
    let at = this.#topicStart + this.topicLength
    if (this.qos === 0) {
      this.packetId = 0
    } else {
      if (at + 2 > end) return MALFORMED
      this.packetId = (buffer[at]! << 8) | buffer[at + 1]!
      if (this.packetId === 0) return PROTOCOL_ERROR // [MQTT-2.2.1-3]
      at += 2
    }
    if (at > end) return MALFORMED
    this.payload = at
    return 0
  }

  /** Lets go of the packet, which had a token in it. */
  forget(): void {
    this.#properties.forget()
  }

  topic(scanner: Scanner): string {
    return scanner.buffer.toString('utf8', this.#topicStart, this.#topicStart + this.topicLength)
  }

  /**
   * The packet, or its head, that was read from a client of MQTT 5, with the user property `stamp`
   * in place of all whose key begins with `prefix`; and with `topic` in place of its own, if given.
   */
  withStamp(scanner: Scanner, topic: string | undefined, prefix: Buffer, stamp: Buffer): Buffer {
    const { buffer, start, body, end, total } = scanner
    const topicEnd = this.#topicStart + this.topicLength
    const name = topic === undefined ? buffer.subarray(body, topicEnd) : writeText(topic)
    const id = buffer.subarray(topicEnd, topicEnd + (this.qos === 0 ? 0 : 2))
    const section = writeSection([this.#properties.withoutUserKeys(prefix), stamp])
    const before = this.payload - body
    const after = name.length + id.length + section.length
    const remaining = total - (body - start) - before + after
    const header = 1 + variableIntegerSize(remaining)
    const packet = Buffer.allocUnsafe(header + after + end - this.payload)
    packet[0] = buffer[start]!
    let at = writeVariableInteger(packet, 1, remaining)
    for (const part of [name, id, section]) {
      packet.set(part, at)
      at += part.length
    }
    buffer.copy(packet, at, this.payload, end)
    return packet
  }

  /** The topic by a memory, which need not decode the same bytes again. */
  topicBy(
    scanner: Scanner,
    memory: { read(buffer: Buffer, start: number, length: number): string },
  ): string {
    return memory.read(scanner.buffer, this.#topicStart, this.topicLength)
  }

  isTopicText(scanner: Scanner): boolean {
    return isText(scanner.buffer, this.#topicStart, this.#topicStart + this.topicLength)
  }
}

/**
 * The packet, or its head, with `topic` in place of the empty one. `total` is the size of the whole
 * packet as it came.
 */
export function writeWithTopic(scanner: Scanner, topic: string): Buffer {
  const { buffer, start, body, end, total } = scanner
  const length = Buffer.byteLength(topic)
  const remaining = total - (body - start) + length
  const header = 1 + variableIntegerSize(remaining)
  const packet = Buffer.allocUnsafe(header + length + end - body)
  packet[0] = buffer[start]!
  const at = writeVariableInteger(packet, 1, remaining)
  packet.writeUInt16BE(length, at)
  packet.write(topic, at + 2)
  buffer.copy(packet, at + 2 + length, body + 2, end)
  return packet
}

/** PUBACK, PUBREC, PUBREL and PUBCOMP, and the other packets that begin with an id. */
export class AckView {
  packetId = 0
  code = 0
  readonly #properties = new Properties()

  /** Checks a client's acknowledgement; 0, or the reason code to end with. */
  readFromClient({ buffer, body, end, version }: Scanner, type: number): number {
    const length = end - body
    this.code = 0
    if (length < 2 || (version === 4 && length > 2)) return MALFORMED
    this.packetId = (buffer[body]! << 8) | buffer[body + 1]!
    if (this.packetId === 0) return PROTOCOL_ERROR
    if (length === 2) return 0
    this.code = buffer[body + 2]!
    const isKnown =
      type === PUBACK || type === PUBREC ? isAckCode(this.code) : isReleaseCode(this.code)
    if (!isKnown) return MALFORMED
    if (length === 3) return 0
    const code = this.#properties.read(buffer, body + 3, end, type)
    if (code !== 0) return code
    return this.#properties.end === end ? 0 : MALFORMED
  }

  /** The broker's, which is believed but for its length. */
  readFromBroker({ buffer, body, end }: Scanner): boolean {
    if (end - body < 2) return false
    this.packetId = (buffer[body]! << 8) | buffer[body + 1]!
    this.code = end - body > 2 ? buffer[body + 2]! : 0
    return true
  }
}
