// The name of a client on its messages: MQTT_IDENTITY_PROPERTIES=on writes `allauth-sub`, and no client writes it. The
// broker records; mqtt-packet, and not mProxy's own code, reads what came.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readProxyConfig } from '../../../proxy-node/config.ts'
import { allow } from '../fixtures/proxy.ts'
import { begin, marker, ok, open } from '../fixtures/stage.ts'
import { publish, type Wire } from '../fixtures/wire.ts'

const ON = { identity_properties: 'on' } as const
const RULES = [allow('all', 'a/#'), ok]
const own = { 'allauth-sub': 'dev' }

type Published = {
  topic: string
  payload: Buffer | string
  properties?: { userProperties?: Record<string, string | string[]>; [name: string]: unknown }
}
const next = async (broker: Wire) => (await broker.next('publish')) as Published
const userOf = ({ properties }: Published) => ({ ...properties?.userProperties })

describe('on a PUBLISH of MQTT 5', () => {
  test.each([0, 1, 2] as const)('of QoS %i, beside all else that it has', async (qos) => {
    await begin(ON)
    const { client, broker } = await open(5, RULES)
    const properties = {
      contentType: 'text/plain',
      responseTopic: 'a/answers',
      correlationData: Buffer.from([1, 2, 3]),
      messageExpiryInterval: 60,
      userProperties: { one: '1', two: ['x', 'y'] },
    }
    const more = { qos, retain: true, payload: 'text', properties }
    client.send(publish('a/1', { ...more, ...(qos === 0 ? {} : { messageId: 7 }) }), marker)
    const { userProperties, ...others } = properties
    const seen = await next(broker)
    expect(seen).toMatchObject({ topic: 'a/1', qos, retain: true, properties: others })
    expect(String(seen.payload)).toBe('text')
    expect(userOf(seen)).toEqual({ ...userProperties, ...own })
    expect(userOf(await next(broker))).toEqual(own)
  })

  test('in place of all that the client says with such a name', async () => {
    await begin(ON)
    const { client, broker } = await open(5, RULES)
    const userProperties = {
      'allauth-sub': ['root', 'admin'],
      a: '1',
      'allauth-': 'x',
      'allauth-roles': 'operator',
      allauth: 'kept',
      b: '2',
    }
    client.send(publish('a/1', { properties: { userProperties } }))
    expect(userOf(await next(broker))).toEqual({ a: '1', allauth: 'kept', b: '2', ...own })
  })

  test('whose topic is an alias, known to the broker or not', async () => {
    await begin(ON)
    const { client, broker } = await open(5, RULES, {
      connack: { properties: { topicAliasMaximum: 5 } },
    })
    const properties = { topicAlias: 1 }
    client.send(publish('a/1', { properties }), publish('', { properties, payload: 'second' }))
    // A refused one changes what the client means, and not what the broker knows.
    client.send(publish('b', { properties }), publish('a/2', { properties: { topicAlias: 2 } }))
    const first = await next(broker)
    expect([first.topic, first.properties?.['topicAlias'], userOf(first)]).toEqual(['a/1', 1, own])
    const second = await next(broker)
    expect([second.topic, String(second.payload), userOf(second)]).toEqual(['', 'second', own])
    expect(userOf(await next(broker))).toEqual(own)
  })

  test('that is streamed, and after it as before', async () => {
    await begin(ON)
    const { client, broker } = await open(5, RULES)
    const payload = Buffer.alloc(300_000, 'payload')
    client.send(publish('a/large', { payload, qos: 1, messageId: 3 }), publish('a/next'))
    const seen = await next(broker)
    expect(Buffer.compare(Buffer.from(seen.payload), payload)).toBe(0)
    expect(userOf(seen)).toEqual(own)
    expect((await next(broker)).topic).toBe('a/next')
    // The properties alone are more than is read at once.
    const many = Array.from({ length: 30 }, (_, n) => String(n).padEnd(4000, 'x'))
    const userProperties = { many, 'allauth-sub': 'root' }
    client.send(publish('a/many', { payload, properties: { userProperties } }), publish('a/next'))
    const large = await next(broker)
    expect(userOf(large)).toEqual({ many, ...own })
    expect(Buffer.compare(Buffer.from(large.payload), payload)).toBe(0)
    expect((await next(broker)).topic).toBe('a/next')
  })

  test('of any lengths, where the sizes of its parts need another byte', async () => {
    await begin(ON)
    const { client, broker } = await open(5, RULES)
    const length = fc.oneof(
      fc.integer({ min: 0, max: 300 }),
      fc.integer({ min: 16_300, max: 16_400 }),
      fc.integer({ min: 60, max: 128 }),
    )
    await fc.assert(
      fc.asyncProperty(length, length, fc.boolean(), async (size, text, forges) => {
        const userProperties = { k: 'v'.repeat(text), ...(forges ? { 'allauth-sub': 'x' } : {}) }
        const payload = Buffer.alloc(size, 'p')
        client.send(publish('a/1', { payload, properties: { userProperties } }))
        const seen = await next(broker)
        expect(Buffer.compare(Buffer.from(seen.payload), payload)).toBe(0)
        expect(userOf(seen)).toEqual({ k: userProperties.k, ...own })
      }),
      { numRuns: 100 },
    )
  })

  test('has room: a client is told a size that leaves enough of what the broker takes', async () => {
    for (const limits of [ON, {}]) {
      await begin(limits)
      const properties = { maximumPacketSize: 5000 }
      const { client, broker, connack } = await open(5, RULES, { connack: { properties } })
      const most = (connack as { properties: { maximumPacketSize: number } }).properties
        .maximumPacketSize
      expect(most).toBe(limits === ON ? 4680 : 5000)
      // The fixed header has 3 bytes, topic and properties 6.
      client.send(publish('a/1', { payload: 'x'.repeat(most - 9) }))
      expect((await next(broker)).topic).toBe('a/1')
    }
  })

  test('that would be larger than its broker takes is refused', async () => {
    await begin(ON)
    const { client, broker } = await open(5, RULES, {
      connack: { properties: { maximumPacketSize: 100 } },
    })
    client.send(publish('a/1', { payload: 'x'.repeat(85), qos: 1, messageId: 1 }), marker)
    expect((await client.next('puback')).reasonCode).toBe(0x97)
    expect((await next(broker)).topic).toBe('ok')
  })
})

test('a Will has it too', async () => {
  await begin(ON)
  const userProperties = { a: '1', 'allauth-sub': 'root' }
  const properties = { willDelayInterval: 5, userProperties }
  const will = {
    topic: 'a/w',
    payload: Buffer.from('gone'),
    qos: 1 as const,
    retain: false,
    properties,
  }
  const { connect } = await open(5, RULES, { connect: { will } })
  expect(connect.will).toMatchObject({ topic: 'a/w', qos: 1, properties: { willDelayInterval: 5 } })
  expect(String(connect.will?.payload)).toBe('gone')
  expect({ ...connect.will?.properties?.userProperties }).toEqual({ a: '1', ...own })
})

test('deliveries to the client keep what others were given', async () => {
  await begin(ON)
  const { client, broker } = await open(5, RULES)
  broker.send(publish('a/1', { properties: { userProperties: { 'allauth-sub': 'other' } } }))
  expect(userOf(await next(client))).toEqual({ 'allauth-sub': 'other' })
})

test('MQTT 3.1.1 has no properties, and where it is off none is touched', async () => {
  await begin(ON)
  const old = await open(4, RULES)
  old.client.send(publish('a/1', { payload: 'same' }))
  expect(await next(old.broker)).toMatchObject({ topic: 'a/1', length: 9 })
  await begin({})
  const { client, broker } = await open(5, RULES)
  client.send(publish('a/1', { properties: { userProperties: { 'allauth-sub': 'root' } } }))
  expect(userOf(await next(broker))).toEqual({ 'allauth-sub': 'root' })
  const reading = readProxyConfig({ MQTT_UPSTREAM: 'mqtt://h', MQTT_IDENTITY_PROPERTIES: 'on' })
  expect(reading).toMatchObject({ config: { limits: ON } })
})
