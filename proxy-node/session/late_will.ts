// A Will with a delay (MQTT 5.0 §3.1.3.2.2), which a broker may publish long after the token that
// allowed it has run out. The delay is bounded by the life of the token at CONNECT; and where a
// session ends so late that the delay would go beyond it, mProxy publishes the Will at once, in the
// broker's place, and ends the connection without one.

import type { Connect, DelayedWill } from '../wire/connect_codec.ts'
import { PUBLISH, writePacket } from '../wire/framing.ts'
import {
  Properties,
  WILL,
  WILL_DELAY_INTERVAL,
  writeSection,
  writeUint32Property,
} from '../wire/properties.ts'
import type { SessionState } from './state.ts'

/** No id of a client's, and none of UNSUBSCRIBEs of mProxy, is likely to be near it. */
const FIRST_PACKET_ID = 60_000

/** Bounds the delay of the Will by the time that the token has left, in seconds. */
export function boundWillDelay(connect: Connect, left: number): void {
  const delayed = findDelay(connect)
  if (delayed === null || delayed.delay <= left) return
  const { properties, will } = delayed
  const bounded = writeUint32Property(WILL_DELAY_INTERVAL, Math.max(0, Math.floor(left)))
  const section = writeSection([properties.without(WILL_DELAY_INTERVAL), bounded])
  connect.will = { ...will, bytes: Buffer.concat([section, will.bytes.subarray(properties.end)]) }
}

/** A copy for the session, where the Will has a delay. Nothing of the packet stays in memory. */
export function keepDelayedWill(connect: Connect): DelayedWill | undefined {
  const delayed = findDelay(connect)
  if (delayed === null) return undefined
  const { bytes, qos, retain } = delayed.will
  return { bytes: Buffer.from(bytes), qos, retain, delay: delayed.delay }
}

function findDelay({ version, will }: Connect) {
  if (version !== 5 || will === undefined) return null
  const properties = new Properties()
  properties.read(will.bytes, 0, will.bytes.length, WILL)
  const delay = properties.uint32(WILL_DELAY_INTERVAL) ?? 0
  return delay > 0 ? { will, delay, properties } : null
}

/** The PUBLISH of a Will that the broker would publish beyond the end of the token, or null. */
export function writeLateWill(state: SessionState): Buffer | null {
  const { delayedWill: will, sessionExpiry } = state.agreement
  if (will === undefined) return null
  // With the end of the session the Will comes too.
  const delay = Math.min(will.delay, sessionExpiry, state.limits.session_expiry_max_s ?? Infinity)
  if (state.now() + 1000 * delay <= 1000 * state.identity.expires_at) return null
  const { bytes } = will
  const properties = new Properties()
  properties.read(bytes, 0, bytes.length, WILL)
  const topicEnd = properties.end + 2 + bytes.readUInt16BE(properties.end)
  const parts = [bytes.subarray(properties.end, topicEnd)]
  // An exchange of QoS 2 would need the broker's answer.
  if (will.qos > 0) {
    let packetId = FIRST_PACKET_ID
    while (state.inFlight.has(packetId) || state.subscriptions.isWaiting(packetId)) packetId--
    parts.push(Buffer.from([packetId >> 8, packetId & 0xff]))
  }
  parts.push(writeSection([properties.without(WILL_DELAY_INTERVAL)]), bytes.subarray(topicEnd + 2))
  const flags = (will.qos > 0 ? 2 : 0) | (will.retain ? 1 : 0)
  return writePacket((PUBLISH << 4) | flags, parts)
}
