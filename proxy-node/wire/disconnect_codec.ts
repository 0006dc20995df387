// DISCONNECT (MQTT 3.1.1 and 5.0 §3.14): a client's read, and those of mProxy written.

import { DISCONNECT, type Scanner, writePacket } from './framing.ts'
import {
  Properties,
  SERVER_REFERENCE,
  SESSION_EXPIRY_INTERVAL,
  writeSection,
  writeTextProperty,
} from './properties.ts'
import {
  isClientDisconnectCode,
  MALFORMED,
  PROTOCOL_ERROR,
  USE_ANOTHER_SERVER,
} from './reason_codes.ts'

/**
 * A client's DISCONNECT (§3.14): the packet to write in its place because it asks for more than
 * `cap` seconds, null to pass it on as it is, or the reason code to end with.
 */
export function readDisconnect(
  { buffer, body, end, version }: Scanner,
  sessionExpiry: number,
  cap: number | null,
): Buffer | null | { fault: number } {
  if (end === body) return null
  if (version === 4) return { fault: MALFORMED }
  const code = buffer[body]!
  if (!isClientDisconnectCode(code)) return { fault: PROTOCOL_ERROR }
  if (end - body === 1) return null
  const properties = new Properties()
  const fault = properties.read(buffer, body + 1, end, DISCONNECT)
  if (fault !== 0) return { fault }
  if (properties.end !== end) return { fault: MALFORMED }
  const expiry = properties.uint32(SESSION_EXPIRY_INTERVAL) ?? 0
  // §3.14.2.2.2, §3.14.2.2.5
  const isRaised = sessionExpiry === 0 && expiry !== 0
  if (isRaised || properties.has(SERVER_REFERENCE)) return { fault: PROTOCOL_ERROR }
  return cap !== null && expiry > cap ? writeDisconnect5(code, cap) : null
}

/** MQTT 5 DISCONNECT with a reason alone, or with a Session Expiry Interval too. */
export function writeDisconnect5(code: number, sessionExpiry?: number): Buffer {
  if (sessionExpiry === undefined) return Buffer.from([DISCONNECT << 4, 1, code])
  const packet = Buffer.from([DISCONNECT << 4, 7, code, 5, 0x11, 0, 0, 0, 0])
  packet.writeUInt32BE(sessionExpiry, 5)
  return packet
}

/**
 * MQTT 5 DISCONNECT with `code`, or one that sends to another server (§3.14.2.2.5, §4.11), where
 * the client takes so much.
 */
export function writeFarewell5(code: number, server: string | undefined, most: number): Buffer {
  if (server === undefined) return writeDisconnect5(code)
  const section = writeSection([writeTextProperty(SERVER_REFERENCE, server)])
  const packet = writePacket(DISCONNECT << 4, [Uint8Array.of(USE_ANOTHER_SERVER), section])
  return packet.length <= most ? packet : writeDisconnect5(code) // [MQTT-3.1.2-24]
}

export const DISCONNECT_3 = Buffer.from([DISCONNECT << 4, 0])
