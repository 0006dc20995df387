// Clients and brokers that are right in an unusual way, or slow at an unlucky moment: large packets
// half out while answers pile up, packets sent again, many filters at once, answers that never come.

import mqtt, { type Packet } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { until } from '../fixtures/mosquitto.ts'
import { allow, defaultLimits, identify } from '../fixtures/proxy.ts'
import { begin, both, knock, marker, ok, open, proxy, scripted, wires } from '../fixtures/stage.ts'
import { publish, subscribe, type Wire } from '../fixtures/wire.ts'

const arrived = (wire: Wire) => Buffer.concat(wire.bytes).length
describe.each(both)('while half a large PUBLISH is out, at level %i', (version) => {
  const large = mqtt.generate(publish('ok', { payload: Buffer.alloc(200_000, 0xe0) }), {
    protocolVersion: version,
  })
  const [head, rest] = [large.subarray(0, 100_000), large.subarray(100_000)]
  const count = 300 // answers of 4 or 5 bytes: more than the high water, less than there is room for
  const refused = Array.from({ length: count }, (_, i) =>
    publish('no', { qos: 1, messageId: i + 1 }),
  )

  test('a client that is refused much still gets the rest of it', async () => {
    await begin({ buffer_high_water: 1000 })
    const { client, broker } = await open(version, [ok])
    const begun = arrived(client)
    broker.send(head)
    await until(() => arrived(client) - begun >= head.length, 'half is delivered')
    client.send(...refused)
    await until(() => proxy.counts.publishDenied === count, 'all are refused')
    broker.send(rest)
    expect((await client.next('publish')).topic).toBe('ok')
    await until(() => client.untaken.length === count, 'every answer comes')
  })

  test('a broker whose deliveries are refused still gets the rest of it', async () => {
    await begin({ buffer_high_water: 1000 })
    const { client, broker } = await open(version, [ok])
    const begun = arrived(broker)
    client.send(head)
    await until(() => arrived(broker) - begun >= head.length, 'half is published')
    broker.send(...refused)
    await until(() => proxy.counts.deliveryDenied === count, 'all are refused')
    client.send(rest)
    expect((await broker.next('publish')).topic).toBe('ok')
    await until(() => broker.untaken.length === count, 'every acknowledgement comes')
  })
})

describe.each(both)('SUBSCRIBE at level %i', (version) => {
  const all = [allow('all', '#')]

  test('500 filters at once pass, in SUBSCRIBE and in UNSUBSCRIBE', async () => {
    const { client, broker } = await open(version, all)
    const filters = Array.from({ length: 500 }, (_, i) => `home/${i}/state`)
    client.send(subscribe(1, ...filters))
    expect((await broker.next('subscribe')).subscriptions).toHaveLength(500)
    broker.send({ cmd: 'suback', messageId: 1, granted: filters.map(() => 1) })
    expect(new Set((await client.next('suback')).granted)).toEqual(new Set([1]))
    client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: filters })
    expect((await broker.next('unsubscribe')).unsubscriptions).toHaveLength(500)
    console.log(`filters at once: up to ${defaultLimits.subscriptions_per_packet}`)
  })

  test('an UNSUBSCRIBE of more than a session may hold ends it', async () => {
    await begin({ subscriptions_max: 3 })
    const { client, broker } = await open(version, all)
    client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['a', 'b', 'c', 'd'] })
    await client.closed()
    await broker.closed()
    expect(broker.untaken).toEqual([])
    expect(proxy.ended()).toEqual(['quota_exceeded'])
  })

  test('a broker that never answers it is given up, though the client waits patiently', async () => {
    await begin({ inflight_subscribes_max: 1, write_stall_timeout_ms: 200 })
    const { client, broker } = await open(version, all, { connect: { keepalive: 0 } })
    client.send(subscribe(1, 'a'))
    await broker.next('subscribe')
    await client.closed()
    await broker.closed()
    expect(proxy.ended()).toEqual(['broker_lost'])
  })
})

describe('SUBSCRIBE', () => {
  test('the same one sent again before its answer goes on once; another of its id ends the session', async () => {
    const { client, broker } = await open(4, [allow('all', '#')])
    client.send(subscribe(7, 'a', 'b'), subscribe(7, 'a', 'b'), marker)
    expect((await broker.next('subscribe')).messageId).toBe(7)
    expect((await broker.next('publish')).topic).toBe('ok')
    broker.send({ cmd: 'suback', messageId: 7, granted: [1, 0] })
    expect((await client.next('suback')).granted).toEqual([1, 0])
    client.send(subscribe(8, 'a'), subscribe(8, 'c'))
    expect((await broker.next('subscribe')).messageId).toBe(8)
    await client.closed()
    expect(proxy.ended()).toEqual(['protocol_error'])
  })

  test('an MQTT 5 client may not send it again', async () => {
    const { client, broker } = await open(5, [allow('all', '#')])
    client.send(subscribe(7, 'a'), subscribe(7, 'a'))
    expect((await client.next('disconnect')).reasonCode).toBe(0x82)
    await broker.closed()
  })

  test('what the broker did not unsubscribe is still taken back by a narrower token', async () => {
    const method = { authenticationMethod: 'OAUTH2-JWT' }
    const { client, broker } = await open(5, [allow('all', '#')], {
      connect: { properties: { ...method, authenticationData: Buffer.from('token') } },
    })
    client.send(subscribe(1, 'a'))
    await broker.next('subscribe')
    broker.send({ cmd: 'suback', messageId: 1, granted: [1] })
    await client.next('suback')
    client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['a'] })
    await broker.next('unsubscribe')
    broker.send({ cmd: 'unsuback', messageId: 2, granted: [0x80] } as Packet)
    expect((await client.next('unsuback')).granted).toEqual([0x80])
    proxy.tokens.set('narrow', identify('dev', [ok]))
    const properties = { ...method, authenticationData: Buffer.from('narrow') }
    client.send({ cmd: 'auth', reasonCode: 0x19, properties })
    expect((await broker.next('unsubscribe')).unsubscriptions).toEqual(['a'])
  })
})

describe('a CONNACK that the client is too small for', () => {
  const reasonString = 'x'.repeat(200)

  async function answerTo(maximumPacketSize: number) {
    proxy.tokens.set('token', identify('d'.repeat(64), []))
    const client = await knock(5, { clientId: '', properties: { maximumPacketSize } })
    const broker = await scripted.accept(5)
    wires.push(broker)
    await broker.next('connect')
    const properties = { reasonString, userProperties: { a: 'b' } }
    broker.send({ cmd: 'connack', sessionPresent: false, reasonCode: 0, properties })
    const connack = await client.next('connack')
    expect(arrived(client)).toBeLessThanOrEqual(maximumPacketSize)
    return { client, broker, connack }
  }

  test('comes without what may be left out', async () => {
    const { connack } = await answerTo(150)
    expect(connack.reasonCode).toBe(0)
    expect(connack.properties?.assignedClientIdentifier).toMatch(/^d{64}:/)
    expect(connack.properties?.reasonString).toBeUndefined()
    expect(connack.properties?.userProperties).toBeUndefined()
  })

  test('is refused: packet too large, where that does not help', async () => {
    const { client, broker, connack } = await answerTo(50)
    expect(connack.reasonCode).toBe(0x95)
    await client.closed()
    expect((await broker.next('disconnect')).reasonCode).toBe(0)
    expect(proxy.refused()).toEqual(['packet_too_large'])
  })
})

test('a 3.1.1 client that reads slowly is not taken for a broker that does not answer', async () => {
  await begin({ keepalive_max_s: 1, write_stall_timeout_ms: 3000 })
  const { client, broker } = await open(4, [ok], { connect: { keepalive: 0 } })
  client.socket.pause()
  const payload = Buffer.alloc(1_000_000)
  for (let i = 0; i < 30; i++) broker.send(publish('ok', { payload }))
  await until(() => proxy.ended().length > 0, 'the stalled client is cut off', 8000)
  expect(proxy.ended()).toEqual(['stalled'])
})
