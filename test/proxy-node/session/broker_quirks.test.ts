// Brokers that read topics in another way: RabbitMQ reads `.` as `/` and `*` as `+`. mProxy refuses
// such topics. And brokers that know MQTT 3.1.1 alone. The broker here records each packet.
import type { Packet } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { readProxyConfig, type SessionLimits } from '../../../proxy-node/config.ts'
import { allow, deny, identify } from '../fixtures/proxy.ts'
import { begin, both, knock, marker, ok, open, proxy, scripted } from '../fixtures/stage.ts'
import { publish, subscribe, type Version } from '../fixtures/wire.ts'

const RABBIT: Partial<SessionLimits> = { upstream_dialect: 'rabbitmq' }
/** The first rule means nothing at a broker where `secret.door` is `secret/door`. */
const RULES = [deny('all', 'secret/#'), allow('all', '#')]
const REWRITTEN = ['secret.door', 'a/b.c', '.', 'secret*', '*', 'a/*/c']

const codeOf = (packet: Packet) => (packet as { reasonCode?: number }).reasonCode ?? 0

describe.each(both)('MQTT_UPSTREAM_DIALECT=rabbitmq, at level %i', (version: Version) => {
  test('no topic with . or * reaches the broker, and the others do', async () => {
    await begin(RABBIT)
    const { client, broker } = await open(version, RULES)
    for (const [i, topic] of REWRITTEN.entries()) {
      client.send(publish(topic), publish(topic, { qos: 1, messageId: 1 + i, retain: true }))
      client.send(publish(topic, { qos: 2, messageId: 101 + i }))
    }
    client.send(publish('secret'), publish('a/b-c'), marker)
    // `secret` is denied by the rules, in every dialect.
    expect((await broker.next('publish')).topic).toBe('a/b-c')
    expect((await broker.next('publish')).topic).toBe('ok')
    for (const _ of REWRITTEN) {
      const codes = [codeOf(await client.next('puback')), codeOf(await client.next('pubrec'))]
      expect(codes).toEqual(version === 5 ? [0x90, 0x90] : [0, 0])
    }
  })

  test('no filter with . or * does, within a shared subscription neither', async () => {
    await begin(RABBIT)
    const { client, broker } = await open(version, [allow('subscribe', '#')])
    const bad = [...REWRITTEN, '$share/g/secret.door', '$share/g/+/*']
    client.send(subscribe(7, 'a', ...bad, '+/b'))
    const { subscriptions } = await broker.next('subscribe')
    expect(subscriptions.map(({ topic }) => topic)).toEqual(['a', '+/b'])
    broker.send({ cmd: 'suback', messageId: 7, granted: [1, 1] } as Packet)
    const { granted } = await client.next('suback')
    const refused = version === 5 ? 0x8f : 0x80
    expect(granted).toEqual([1, ...bad.map(() => refused), 1])
  })

  test('no Will with . or * does, and no broker is dialled for it', async () => {
    await begin(RABBIT)
    proxy.tokens.set('token', identify('dev', RULES))
    const will = { topic: 'secret.door', payload: Buffer.from('x'), qos: 0 as const, retain: false }
    const client = await knock(version, { will })
    const connack = await client.next('connack')
    expect(version === 5 ? connack.reasonCode : connack.returnCode).toBe(version === 5 ? 0x90 : 5)
    expect(proxy.refused()).toEqual(['will'])
    expect(scripted.connections).toBe(0)
  })

  test('in the dialect of MQTT they are topics like others', async () => {
    const { client, broker } = await open(version, RULES)
    client.send(publish('secret.door'), publish('a/*'))
    expect((await broker.next('publish')).topic).toBe('secret.door')
    expect((await broker.next('publish')).topic).toBe('a/*')
    client.send(subscribe(7, 'a.b'))
    expect((await broker.next('subscribe')).subscriptions).toHaveLength(1)
  })
})

test('a Response Topic with . or * leads nobody there, nor does an alias', async () => {
  await begin(RABBIT)
  const connack = { properties: { topicAliasMaximum: 5 } }
  const { client, broker } = await open(5, RULES, { connack })
  const properties = { responseTopic: 'secret.door' }
  client.send(publish('a', { qos: 1, messageId: 1, properties }))
  expect(codeOf(await client.next('puback'))).toBe(0x90)
  client.send(publish('a.b', { properties: { topicAlias: 1 } }))
  client.send(publish('', { qos: 1, messageId: 2, properties: { topicAlias: 1 } }), marker)
  expect(codeOf(await client.next('puback'))).toBe(0x90)
  expect((await broker.next('publish')).topic).toBe('ok')
})

describe('MQTT_UPSTREAM_VERSIONS=3.1.1', () => {
  test('tells a client of MQTT 5 so, before a broker is asked, and lets the others in', async () => {
    await begin({ upstream_versions: '3.1.1' })
    proxy.tokens.set('token', identify('dev', [ok]))
    const client = await knock(5)
    const connack = await client.next('connack')
    expect(connack.reasonCode).toBe(0x84)
    expect(
      (connack as { properties?: { reasonString?: string } }).properties?.reasonString,
    ).toMatch(/MQTT 3\.1\.1/)
    expect(proxy.refused()).toEqual(['unsupported_version'])
    expect(scripted.connections).toBe(0)
    await open(4, [ok])
  })

  test('a broker that answers a CONNECT of MQTT 5 in 3.1.1 has said so itself', async () => {
    proxy.tokens.set('token', identify('dev', [ok]))
    const client = await knock(5)
    const broker = await scripted.accept(5)
    await broker.next('connect')
    broker.send(Buffer.from([0x20, 2, 0, 1]))
    expect((await client.next('connack')).reasonCode).toBe(0x84)
  })
})

test('both are settings, as MQTT has it where nothing is said', () => {
  const read = (env: Record<string, string>) => {
    const reading = readProxyConfig({ MQTT_UPSTREAM: 'mqtt://h', ...env })
    if (!reading.ok) return reading.faults.map(({ name }) => name)
    const { upstream_dialect, upstream_versions } = reading.config.limits
    return [upstream_dialect, upstream_versions]
  }
  expect(read({})).toEqual(['mqtt', 'all'])
  expect(read({ MQTT_UPSTREAM_DIALECT: 'rabbitmq', MQTT_UPSTREAM_VERSIONS: '3.1.1' })).toEqual([
    'rabbitmq',
    '3.1.1',
  ])
  expect(read({ MQTT_UPSTREAM_DIALECT: 'amqp', MQTT_UPSTREAM_VERSIONS: '5' })).toEqual([
    'MQTT_UPSTREAM_DIALECT',
    'MQTT_UPSTREAM_VERSIONS',
  ])
})
