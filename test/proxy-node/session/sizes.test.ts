// One limit for all packets of a client, which CONNACK says; and the client's own limit, which mProxy
// obeys in the packets that it writes or makes larger.

import mqtt, { type Packet } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { until } from '../fixtures/mosquitto.ts'
import { allow, identify } from '../fixtures/proxy.ts'
import { begin, both, knock, marker, ok, open, proxy, scripted, wires } from '../fixtures/stage.ts'
import { publish, subscribe, type Version, type Wire } from '../fixtures/wire.ts'

const all = [allow('all', '#')]
const sizeOf = (bytes: Buffer[]) => bytes.reduce((sum, { length }) => sum + length, 0)
const write = (version: Version, packet: Packet) =>
  mqtt.generate(packet, { protocolVersion: version })

/** A packet of exactly `size` bytes, made longer by its one topic or filter. */
function fill(version: Version, size: number, make: (text: string) => Packet): Buffer {
  const packet = write(version, make('x'.repeat(size - write(version, make('x')).length + 1)))
  const shorter = write(
    version,
    make('x'.repeat(2 * size - write(version, make('x')).length - packet.length + 1)),
  )
  return packet.length === size ? packet : shorter
}

describe.each(both)('sizes at level %i', (version) => {
  test('a SUBSCRIBE and an UNSUBSCRIBE of 84 KB pass', async () => {
    const { client, broker } = await open(version, all)
    const filters = Array.from({ length: 800 }, (_, i) => `${i}/`.padEnd(105, 'x'))
    const sent = write(version, subscribe(1, ...filters))
    expect(sent.length).toBeGreaterThan(80_000)
    client.send(sent.subarray(0, 70_000))
    client.send(sent.subarray(70_000))
    expect((await broker.next('subscribe')).subscriptions).toHaveLength(800)
    broker.send({ cmd: 'suback', messageId: 1, granted: filters.map(() => 1) })
    expect((await client.next('suback')).granted).toHaveLength(800)
    client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: filters })
    expect((await broker.next('unsubscribe')).unsubscriptions).toHaveLength(800)
  })

  test.each([
    ['PUBLISH', (topic: string) => publish(topic)],
    ['SUBSCRIBE', (filter: string) => subscribe(1, filter)],
    [
      'UNSUBSCRIBE',
      (filter: string): Packet => ({ cmd: 'unsubscribe', messageId: 1, unsubscriptions: [filter] }),
    ],
  ])(
    'a %s of the size that CONNACK says passes, one byte more ends the session',
    async (_, make) => {
      await begin({ packet_max: 5000, whole_packet_max: 100 })
      const good = await open(version, all)
      if (version === 5) expect(good.connack.properties?.maximumPacketSize).toBe(5000)
      const before = sizeOf(good.broker.bytes)
      good.client.send(fill(version, 5000, make))
      await until(() => sizeOf(good.broker.bytes) - before === 5000, 'all of it comes')
      const bad = await open(version, all)
      bad.client.send(fill(version, 5001, make))
      if (version === 5) expect((await bad.client.next('disconnect')).reasonCode).toBe(0x95)
      await bad.client.closed()
      await bad.broker.closed()
      expect(bad.broker.untaken).toEqual([])
      expect(proxy.ended()).toEqual(['packet_too_large'])
    },
  )

  test('a topic of as many levels as the setting says passes, one of more does not', async () => {
    const { client, broker } = await open(version, all)
    const [deep, tooDeep] = ['a/'.repeat(127), 'a/'.repeat(128)]
    client.send(
      publish(tooDeep, { qos: 1, messageId: 1 }),
      publish(deep),
      subscribe(2, deep, tooDeep),
    )
    expect((await client.next('puback')).reasonCode ?? 0).toBe(version === 5 ? 0x90 : 0)
    expect((await broker.next('publish')).topic).toBe(deep)
    expect((await broker.next('subscribe')).subscriptions.map((s) => s.topic)).toEqual([deep])
  })
})

test('a PUBLISH with 100 KB of properties passes byte for byte', async () => {
  const { client, broker } = await open(5, [ok])
  const userProperties = { a: Array.from({ length: 100 }, () => 'x'.repeat(1000)) }
  const packets = [1, 200_000].map((length) =>
    write(5, publish('ok', { payload: Buffer.alloc(length, 1), properties: { userProperties } })),
  )
  const before = sizeOf(broker.bytes)
  const sent = Buffer.concat(packets)
  client.send(sent.subarray(0, 90_000))
  client.send(sent.subarray(90_000))
  await until(() => sizeOf(broker.bytes) - before >= sent.length, 'all of it comes')
  expect(Buffer.concat(broker.bytes).subarray(before).equals(sent)).toBe(true)
})

describe('a client that takes small packets', () => {
  /** A SUBACK with ten refusals, and the broker's own properties. */
  async function answer(maximumPacketSize: number): Promise<{ client: Wire; begun: number }> {
    const { client, broker } = await open(5, [ok], {
      connect: { properties: { maximumPacketSize } },
    })
    const begun = sizeOf(client.bytes)
    client.send(subscribe(1, 'ok', ...Array.from({ length: 10 }, (_, i) => `no/${i}`)))
    await broker.next('subscribe')
    const properties = { reasonString: 'fine', userProperties: { a: 'b' } }
    broker.send({ cmd: 'suback', messageId: 1, granted: [1], properties } as Packet, marker)
    return { client, begun }
  }
  const granted = [1, ...Array.from({ length: 10 }, () => 0x87)]

  test('gets a whole SUBACK where there is room', async () => {
    const { client } = await answer(30)
    const suback = await client.next('suback')
    expect([suback.granted, suback.properties?.reasonString]).toEqual([granted, 'fine'])
  })

  test('gets it without Reason String and user properties where there is less', async () => {
    const { client } = await answer(29)
    const suback = await client.next('suback')
    expect([suback.granted, suback.properties?.reasonString]).toEqual([granted, undefined])
    expect((await client.next('publish')).topic).toBe('ok')
  })

  test('gets none where there is no room for it, and the session goes on', async () => {
    const { client, begun } = await answer(15)
    expect((await client.next('publish')).topic).toBe('ok')
    expect(sizeOf(client.bytes) - begun).toBe(write(5, marker).length)
  })

  test.each([
    [5, [0x20, 3, 0, 0x86, 0]],
    [4, []],
  ])('of at most %i bytes gets so much of a refusal', async (maximumPacketSize, bytes) => {
    const client = await knock(5, { properties: { maximumPacketSize } })
    await client.closed()
    expect([...Buffer.concat(client.bytes)]).toEqual(bytes)
  })

  test('is refused without a word where no CONNACK fits', async () => {
    proxy.tokens.set('token', identify('dev', [ok]))
    const client = await knock(5, { properties: { maximumPacketSize: 4 } })
    const broker = await scripted.accept(5)
    wires.push(broker)
    await broker.next('connect')
    broker.send({ cmd: 'connack', sessionPresent: false, reasonCode: 0 })
    await client.closed()
    expect(client.bytes).toEqual([])
    expect(proxy.refused()).toEqual(['packet_too_large'])
  })
})

test('subscriptions are taken back in packets that the broker takes', async () => {
  const method = { authenticationMethod: 'OAUTH2-JWT' }
  const { client, broker } = await open(5, all, {
    connect: { properties: { ...method, authenticationData: Buffer.from('token') } },
    connack: { properties: { maximumPacketSize: 200 } },
  })
  const filters = Array.from({ length: 9 }, (_, i) => `${i}`.repeat(50))
  for (const [i, filter] of filters.entries()) {
    client.send(subscribe(i + 1, filter))
    await broker.next('subscribe')
    broker.send({ cmd: 'suback', messageId: i + 1, granted: [1] })
    await client.next('suback')
  }
  proxy.tokens.set('narrow', identify('dev', [ok]))
  const properties = { ...method, authenticationData: Buffer.from('narrow') }
  const before = broker.bytes.length
  client.send({ cmd: 'auth', reasonCode: 0x19, properties })
  const taken: string[] = []
  while (taken.length < 9) taken.push(...(await broker.next('unsubscribe')).unsubscriptions)
  expect(taken).toEqual(filters)
  const packets = broker.packets.filter(({ cmd }) => cmd === 'unsubscribe')
  expect(packets).toHaveLength(3)
  for (const packet of packets) expect(write(5, packet).length).toBeLessThanOrEqual(200)
  expect(sizeOf(broker.bytes.slice(before))).toBe(sizeOf(packets.map((one) => write(5, one))))
})
