// Bytes that nobody should send: random ones, and valid packets with bytes changed, cut, doubled or
// put in. mProxy must not fall, and the broker must see only whole packets that the rules allow.

import fc from 'fast-check'
import mqtt, { type Packet } from 'mqtt-packet'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../fixtures/mosquitto.ts'
import { allow, identify, type RunningProxy, startProxy } from '../fixtures/proxy.ts'
import {
  connectPacket,
  dialWire,
  publish,
  startAccepting,
  type Version,
  type Wire,
} from '../fixtures/wire.ts'

let accepting: Awaited<ReturnType<typeof startAccepting>>
let proxy: RunningProxy

beforeAll(async () => {
  accepting = await startAccepting(3)
  proxy = await startProxy(accepting.port, { limits: { close_grace_ms: 200, packet_max: 4000 } })
  proxy.tokens.set('token', identify('dev', [allow('all', 'ok/#')]))
})
afterAll(async () => {
  await proxy.stop()
  accepting.stop()
})

const valid: Packet[] = [
  publish('ok/a', { qos: 1, messageId: 1 }),
  publish('ok/a', { qos: 2, messageId: 2, retain: true }),
  publish('no', { qos: 1, messageId: 3 }),
  publish('ok/b', { properties: { topicAlias: 1, responseTopic: 'ok/r' } }),
  { cmd: 'subscribe', messageId: 4, subscriptions: [{ topic: 'ok/+', qos: 1 }] },
  {
    cmd: 'subscribe',
    messageId: 5,
    subscriptions: [
      { topic: 'no', qos: 1 },
      { topic: 'ok/x', qos: 0 },
    ],
  },
  { cmd: 'unsubscribe', messageId: 6, unsubscriptions: ['ok/+'] },
  { cmd: 'pubrel', messageId: 2 },
  { cmd: 'puback', messageId: 9 },
  { cmd: 'pingreq' },
]

/** Bytes changed, cut out, doubled or put in. */
const mutation = fc.record({
  kind: fc.constantFrom('change', 'cut', 'insert', 'none', 'none', 'none', 'none'),
  place: fc.double({ min: 0, max: 0.999, noNaN: true }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 2 }),
})

function mutate(
  bytes: Buffer,
  { kind, place, bytes: other }: { kind: string; place: number; bytes: Uint8Array },
) {
  const at = Math.floor(place * bytes.length)
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
  if (kind === 'none') return bytes
  if (kind === 'insert') return Buffer.concat([before, other, after])
  if (kind === 'cut') return Buffer.concat([before, after.subarray(other.length)])
  return Buffer.concat([before, other, after.subarray(other.length)])
}

const isAllowed = (topic: string) => topic === 'ok' || topic.startsWith('ok/')

/** What the broker was sent, against the rules, by another parser than mProxy's. */
function examine(wire: Wire): number {
  const all = Buffer.concat(wire.bytes)
  const aliases = new Map<number, string>()
  let end = 0
  for (let at = 0; at < all.length; at = end) {
    let remaining = 0
    let i = at + 1
    for (let shift = 0; ; shift += 7) {
      const byte = all[i++]!
      remaining |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    end = i + remaining
    if (end > all.length) break // a PUBLISH that was being streamed
  }
  for (const packet of wire.packets) {
    if (packet.cmd === 'publish') {
      const alias = packet.properties?.topicAlias
      const topic = packet.topic !== '' ? packet.topic : (aliases.get(alias ?? 0) ?? '')
      if (alias !== undefined) aliases.set(alias, topic)
      expect(isAllowed(topic)).toBe(true)
      expect(topic).not.toMatch(/[+#\0\ufffd]/)
      const response = packet.properties?.responseTopic
      if (response !== undefined) expect(isAllowed(response)).toBe(true)
    } else if (packet.cmd === 'subscribe') {
      for (const { topic } of packet.subscriptions) {
        expect(isAllowed(topic.replace(/^\$share\/[^/]+\//, ''))).toBe(true)
      }
    } else if (packet.cmd === 'connect') {
      expect(packet).toMatchObject({ clientId: 'dev', username: 'dev' })
      expect(packet.password ?? null).toBe(null)
      if (packet.will) expect(isAllowed(packet.will.topic)).toBe(true)
    } else {
      expect([
        'unsubscribe',
        'pubrel',
        'puback',
        'pubrec',
        'pubcomp',
        'pingreq',
        'disconnect',
        'auth',
      ]).toContain(packet.cmd)
    }
  }
  return wire.packets.length
}

/** One connection: the first bytes, and once they were answered, or not, the rest. */
async function run(version: Version, first: Buffer, rest?: Buffer) {
  const client = await dialWire(proxy.port, version)
  client.send(first)
  const isAnswered = () => client.packets.length > 0 || client.isClosed
  // What is cut short gets no answer; its deadline is another test's.
  if (rest) await until(isAnswered, 'CONNACK comes')
  else await until(isAnswered, '', 100).catch(() => {})
  if (rest) client.send(rest)
  client.socket.end()
  await client.closed()
}

const AT_ONCE = 20
const level = fc.constantFrom(4 as const, 5 as const)
const batch = <T>(each: fc.Arbitrary<T>) =>
  fc.array(each, { minLength: AT_ONCE, maxLength: AT_ONCE })

test('mutated packets after CONNECT never reach the broker but as the rules allow', async () => {
  const runs = 75
  let reached = 0
  const before = accepting.brokers.length
  const packets = fc.array(fc.tuple(fc.constantFrom(...valid), mutation), {
    minLength: 1,
    maxLength: 6,
  })
  await fc.assert(
    fc.asyncProperty(batch(fc.tuple(level, packets)), async (sessions) => {
      const each = sessions.map(([protocolVersion, sent]) => {
        const bytes = sent.map(([packet, m]) =>
          mutate(mqtt.generate(packet, { protocolVersion }), m),
        )
        const connect = mqtt.generate(connectPacket(protocolVersion), { protocolVersion })
        return run(protocolVersion, connect, Buffer.concat(bytes))
      })
      await Promise.all(each)
    }),
    { numRuns: runs, endOnFailure: true },
  )
  await accepting.allClosed()
  for (const wire of accepting.brokers.slice(before)) reached += examine(wire)
  const sessions = accepting.brokers.length - before
  console.log(
    `fuzz: ${sessions} sessions of mutated packets, ${reached} packets reached the broker`,
  )
  expect(sessions).toBe(runs * AT_ONCE)
  expect(reached).toBeGreaterThan(1.5 * sessions)
}, 120_000)

test('mutated CONNECTs are refused or rewritten, never passed on', async () => {
  const runs = 50
  const before = accepting.brokers.length
  const will = { topic: 'ok/will', payload: Buffer.from('w'), qos: 1 as const, retain: true }
  await fc.assert(
    fc.asyncProperty(batch(fc.tuple(level, mutation)), async (sessions) => {
      const each = sessions.map(([protocolVersion, change]) => {
        const properties = { sessionExpiryInterval: 5, userProperties: { a: 'b' } }
        const more = protocolVersion === 5 ? { will, properties } : { will }
        const connect = mqtt.generate(connectPacket(protocolVersion, more), { protocolVersion })
        return run(protocolVersion, mutate(connect, change))
      })
      await Promise.all(each)
    }),
    { numRuns: runs, endOnFailure: true },
  )
  await accepting.allClosed()
  for (const wire of accepting.brokers.slice(before)) examine(wire)
  const dialled = accepting.brokers.length - before
  console.log(`fuzz: ${runs * AT_ONCE} mutated CONNECTs, ${dialled} of them reached the broker`)
  expect(dialled).toBeGreaterThan((runs * AT_ONCE) / 10)
  expect(dialled).toBeLessThan(runs * AT_ONCE)
}, 120_000)

test('random bytes reach no broker, and mProxy serves on', async () => {
  const runs = 40
  const before = accepting.brokers.length
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 300 })
  await fc.assert(
    fc.asyncProperty(batch(bytes), (sessions) =>
      Promise.all(sessions.map((sent) => run(5, Buffer.from(sent)))).then(() => {}),
    ),
    { numRuns: runs, endOnFailure: true },
  )
  expect(accepting.brokers.length).toBe(before)
  const client = await dialWire(proxy.port, 5)
  client.send(connectPacket(5))
  expect((await client.next('connack')).reasonCode).toBe(0)
  client.close()
  console.log(`fuzz: ${runs * AT_ONCE} connections of random bytes, none dialled`)
}, 60_000)
