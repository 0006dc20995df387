// AUTH (MQTT 5.0 §3.15), by which a client hands in its next token: read and written.

import { AUTH, type Scanner, writePacket } from './framing.ts'
import {
  AUTHENTICATION_DATA,
  AUTHENTICATION_METHOD,
  Properties,
  writeSection,
  writeTextProperty,
} from './properties.ts'
import { MALFORMED, PROTOCOL_ERROR } from './reason_codes.ts'

/** An AUTH packet's reason and data (MQTT 5.0 §3.15), or the reason code to end with. */
export type Auth = { reason: number; method: string | undefined; data: Buffer | undefined }

export function readAuth({ buffer, body, end }: Scanner): Auth | { fault: number } {
  // §3.15.2.1: no reason and no properties is 0x00, which only servers send.
  if (end === body) return { fault: PROTOCOL_ERROR }
  if (end - body === 1) return { reason: buffer[body]!, method: undefined, data: undefined }
  const properties = new Properties()
  const code = properties.read(buffer, body + 1, end, AUTH)
  if (code !== 0) return { fault: code }
  if (properties.end !== end) return { fault: MALFORMED }
  return {
    reason: buffer[body]!,
    method: properties.text(AUTHENTICATION_METHOD),
    data: properties.binary(AUTHENTICATION_DATA),
  }
}

export function writeAuth(reason: number, method: string): Buffer {
  const section = writeSection([writeTextProperty(AUTHENTICATION_METHOD, method)])
  return writePacket(AUTH << 4, [Uint8Array.from([reason]), section])
}
