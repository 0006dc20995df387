// What comes out of mProxy when what goes in is valid but arrives in any order, size and pieces:
// exactly the allowed packets, byte for byte, each answer in its place; by models, not by examples.

import fc from 'fast-check'
import mqtt, { type Packet } from 'mqtt-packet'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../fixtures/mosquitto.ts'
import { allow, identify, type RunningProxy, startProxy } from '../fixtures/proxy.ts'
import { login, publish, startAccepting, type Version, type Wire } from '../fixtures/wire.ts'

let accepting: Awaited<ReturnType<typeof startAccepting>>
let proxy: RunningProxy

beforeAll(async () => {
  accepting = await startAccepting(3)
  // Almost everything is streamed, and one packet's head is whole where another's is not.
  proxy = await startProxy(accepting.port, { limits: { whole_packet_max: 60 } })
})
afterAll(async () => {
  await proxy.stop()
  accepting.stop()
})

const version = fc.constantFrom<Version>(4, 5)
const cuts = fc.array(fc.integer({ min: 1, max: 120 }), { maxLength: 20 })
const RUNS = 150
let serial = 0

async function start(level: Version) {
  const sub = `dev-${++serial}`
  proxy.tokens.set(sub, identify(sub, [allow('all', 'yes/#'), allow('publish', 'yes')]))
  const client = await login(proxy.port, level, sub)
  const broker = accepting.brokers.at(-1)!
  return { client, broker, begun: Buffer.concat(broker.bytes).length }
}

/** In pieces that reach mProxy one by one. */
async function sendInPieces(wire: Wire, bytes: Buffer, pieces: number[]) {
  let at = 0
  for (const piece of pieces) {
    if (at >= bytes.length) break
    wire.send(bytes.subarray(at, at + piece))
    at += piece
    await new Promise((resolve) => setImmediate(resolve))
  }
  if (at < bytes.length) wire.send(bytes.subarray(at))
}

const message = fc.record({
  topic: fc.constantFrom('yes', 'yes/a', 'yes/é', 'no', 'no/a', 'yess'),
  size: fc.constantFrom(0, 5, 52, 53, 54, 55, 60, 400, 3000),
  qos: fc.constantFrom(0 as const, 1 as const),
  retain: fc.boolean(),
})
const isAllowed = (topic: string) => topic === 'yes' || topic.startsWith('yes/')

function write(
  messages: { topic: string; size: number; qos: 0 | 1; retain: boolean }[],
  level: Version,
) {
  return messages.map(({ topic, size, qos, retain }, i) => {
    const packet = publish(topic, { payload: Buffer.alloc(size, i), qos, retain, messageId: i + 1 })
    return { topic, qos, id: i + 1, bytes: mqtt.generate(packet, { protocolVersion: level }) }
  })
}

test('what a client publishes reaches the broker without what is refused, and nothing else', async () => {
  let [sent, passed] = [0, 0]
  await fc.assert(
    fc.asyncProperty(
      version,
      fc.array(message, { minLength: 1, maxLength: 12 }),
      cuts,
      async (level, messages, pieces) => {
        const { client, broker, begun } = await start(level)
        const packets = write(messages, level)
        const allowed = packets.filter((p) => isAllowed(p.topic))
        const refused = packets.filter((p) => !isAllowed(p.topic) && p.qos === 1)
        await sendInPieces(client, Buffer.concat(packets.map((p) => p.bytes)), pieces)
        const expected = Buffer.concat(allowed.map((p) => p.bytes))
        await until(
          () => Buffer.concat(broker.bytes).length - begun >= expected.length,
          'all comes',
        )
        await until(() => client.untaken.length >= refused.length, 'the refused are answered')
        expect(Buffer.concat(broker.bytes).subarray(begun).equals(expected)).toBe(true)
        expect(client.untaken.map((p) => [p.cmd, p.messageId])).toEqual(
          refused.map((p) => ['puback', p.id]),
        )
        sent += packets.length
        passed += allowed.length
        client.close()
      },
    ),
    { numRuns: RUNS },
  )
  console.log(`passage: ${RUNS} sessions, ${sent} messages sent, ${passed} passed byte for byte`)
}, 60_000)

test('what the broker delivers reaches the client without what is refused, each acknowledged in order', async () => {
  let [sent, passed] = [0, 0]
  await fc.assert(
    fc.asyncProperty(
      version,
      fc.array(message, { minLength: 1, maxLength: 12 }),
      cuts,
      async (level, messages, pieces) => {
        const { client, broker } = await start(level)
        const before = Buffer.concat(client.bytes).length
        const packets = write(messages, level)
        const allowed = packets.filter((p) => isAllowed(p.topic))
        const expected = Buffer.concat(allowed.map((p) => p.bytes))
        await sendInPieces(broker, Buffer.concat(packets.map((p) => p.bytes)), pieces)
        await until(
          () => Buffer.concat(client.bytes).length - before >= expected.length,
          'all comes',
        )
        expect(Buffer.concat(client.bytes).subarray(before).equals(expected)).toBe(true)
        for (const p of allowed) if (p.qos === 1) client.send({ cmd: 'puback', messageId: p.id })
        const acknowledged = packets.filter((p) => p.qos === 1).map((p) => p.id)
        const acks = () => broker.packets.flatMap((p) => (p.cmd === 'puback' ? [p.messageId] : []))
        await until(() => acks().length >= acknowledged.length, 'all are acknowledged')
        expect(acks()).toEqual(acknowledged)
        sent += packets.length
        passed += allowed.length
        client.close()
      },
    ),
    { numRuns: RUNS },
  )
  console.log(
    `passage: ${RUNS} sessions, ${sent} deliveries, ${passed} passed, all acknowledged in order`,
  )
}, 60_000)

test('whatever aliases a client sets and uses, the broker understands the topics that were judged', async () => {
  let [used, trapped] = [0, 0]
  const step = fc.record({
    alias: fc.integer({ min: 0, max: 3 }),
    topic: fc.constantFrom('', '', 'yes/a', 'yes/b', 'no/c'),
    large: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      const { client, broker } = await start(5)
      const meant = new Map<number, string>()
      const expected: string[] = []
      for (const [i, { alias, topic, large }] of steps.entries()) {
        const name = topic !== '' ? topic : meant.get(alias)
        if (name === undefined || (alias === 0 && topic === '')) continue // would end the session
        if (alias > 0) meant.set(alias, name)
        const payload = `${i}`.padEnd(large ? 500 : 1)
        const properties = alias > 0 ? { topicAlias: alias } : {}
        client.send(publish(topic, { payload, properties }))
        if (isAllowed(name)) expected.push(`${name} ${i}`)
        if (topic === '') used++
      }
      client.send(publish('yes/end', { payload: 'end' }))
      expected.push('yes/end end')
      const known = new Map<number, string>()
      const isEnd = (p: Packet) => p.cmd === 'publish' && String(p.payload) === 'end'
      await until(() => broker.packets.some(isEnd), 'the end comes')
      const understood = broker.packets.flatMap((packet) => {
        if (packet.cmd !== 'publish') return []
        const alias = packet.properties?.topicAlias
        if (alias !== undefined && packet.topic !== '') known.set(alias, packet.topic)
        const topic = packet.topic !== '' ? packet.topic : known.get(alias ?? 0)
        return [`${topic} ${String(packet.payload).trim()}`]
      })
      expect(understood).toEqual(expected)
      if (new Set(known.values()).size < new Set(meant.values()).size) trapped++
      client.close()
    }),
    { numRuns: RUNS },
  )
  console.log(
    `aliases: ${RUNS} sessions, ${used} uses, in ${trapped} the two sides knew different ones`,
  )
  expect(trapped).toBeGreaterThan(10)
}, 60_000)
