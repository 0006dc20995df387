// SUBSCRIBE and UNSUBSCRIBE with more filters than are let through: they are counted, since each
// wants its code in the answer, and not read.

import mqtt from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { FROM_CLIENT_5, Scanner, SUBSCRIBE, UNSUBSCRIBE } from '../../../proxy-node/wire/framing.ts'
import { readSubscriptions } from '../../../proxy-node/wire/subscribe_codec.ts'

function scan(packet: Buffer): Scanner {
  const scanner = new Scanner(FROM_CLIENT_5, 2_000_000, 2_000_000, true)
  scanner.version = 5
  scanner.push(packet)
  scanner.next()
  return scanner
}

const topics = (count: number) => Array.from({ length: count }, (_, i) => `topic/${i}`)
const subscribe = (count: number): Buffer =>
  mqtt.generate(
    {
      cmd: 'subscribe',
      messageId: 7,
      subscriptions: topics(count).map((topic) => ({ topic, qos: 1 as const })),
    },
    { protocolVersion: 5 },
  )
const unsubscribe = (count: number): Buffer =>
  mqtt.generate(
    { cmd: 'unsubscribe', messageId: 7, unsubscriptions: topics(count) },
    { protocolVersion: 5 },
  )

describe('filters beyond those that are let through', () => {
  test.each([
    [SUBSCRIBE, subscribe(5000)],
    [UNSUBSCRIBE, unsubscribe(5000)],
  ] as const)('are counted in packet type %i', (type, packet) => {
    const read = readSubscriptions(scan(packet), type, 100)
    expect(read).toMatchObject({ packetId: 7, count: 5000 })
    expect('filters' in read && read.filters).toEqual(topics(100))
  })

  test.each([
    [SUBSCRIBE, subscribe(200)],
    [UNSUBSCRIBE, unsubscribe(200)],
  ] as const)('that are cut off are malformed in packet type %i', (type, packet) => {
    // The last length claims a byte more than there is.
    const at = packet.lastIndexOf('topic/199')
    packet.writeUInt16BE(packet.readUInt16BE(at - 2) + 2, at - 2)
    expect(readSubscriptions(scan(packet), type, 100)).toEqual({ fault: 0x81 })
  })

  test('cost less than those that are read', () => {
    const packet = subscribe(50_000)
    const time = (most: number) => {
      const times = Array.from({ length: 5 }, () => {
        const scanner = scan(packet)
        const begun = performance.now()
        readSubscriptions(scanner, SUBSCRIBE, most)
        return performance.now() - begun
      })
      return times.sort((a, b) => a - b)[2]!
    }
    time(50_000)
    time(100)
    expect(time(100)).toBeLessThan(time(50_000) / 2)
  })
})
