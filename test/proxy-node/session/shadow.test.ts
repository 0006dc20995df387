// Shadow mode: the rules of a token refuse nothing and are told; everything else is enforced. The broker records.
import type { Packet } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { readProxyConfig } from '../../../proxy-node/config.ts'
import { allow, deny, identify } from '../fixtures/proxy.ts'
import { begin, both, knock, marker, ok, open, proxy, scripted } from '../fixtures/stage.ts'
import { publish, subscribe, type Version } from '../fixtures/wire.ts'

const SHADOW = { acl_mode: 'shadow' } as const
const RULES = [deny('all', 'secret/#'), allow('all', 'a/#'), ok]

/** The observations so far, a line for each. */
const seen = () =>
  proxy.observations.map(
    ({ identity, clientId, action, topic, qos, retain, isAllowed }) =>
      `${identity.sub} ${clientId} ${action} ${topic} ${qos}${retain ? ' retain' : ''}${isAllowed ? '' : ' !'}`,
  )

describe.each(both)('in shadow mode, at level %i', (version: Version) => {
  test('a PUBLISH that the rules deny passes and is told, and so is one that they allow', async () => {
    await begin(SHADOW)
    const { client, broker } = await open(version, RULES)
    client.send(publish('secret/1'), publish('b', { qos: 1, messageId: 1, retain: true }))
    client.send(publish('a/1'), marker)
    const topics = []
    for (let i = 0; i < 4; i++) topics.push((await broker.next('publish')).topic)
    expect(topics).toEqual(['secret/1', 'b', 'a/1', 'ok'])
    expect(seen()).toEqual([
      'dev dev publish secret/1 0 !',
      'dev dev publish b 1 retain !',
      'dev dev publish a/1 0',
      'dev dev publish ok 0',
    ])
    expect(proxy.counts).toMatchObject({ publishAllowed: 4, publishDenied: 0 })
  })

  test('filters and deliveries that the rules deny pass, and none is taken back', async () => {
    await begin(SHADOW)
    const { client, broker } = await open(version, RULES)
    client.send(subscribe(7, '#', 'a/+'))
    expect((await broker.next('subscribe')).subscriptions).toHaveLength(2)
    broker.send({ cmd: 'suback', messageId: 7, granted: [1, 1] } as Packet)
    expect((await client.next('suback')).granted).toEqual([1, 1])
    broker.send(publish('secret/2'), publish('a/2'))
    expect((await client.next('publish')).topic).toBe('secret/2')
    expect((await client.next('publish')).topic).toBe('a/2')
    // A narrower token comes: what it does not allow stays.
    proxy.tokens.set(
      'next',
      identify('dev', [], { expires_at: Math.floor(Date.now() / 1000) + 9999 }),
    )
    client.send(publish('$allauth/token', { qos: 1, messageId: 9, payload: 'next' }))
    await client.next('puback')
    client.send(publish('c'))
    expect((await broker.next('publish')).topic).toBe('c')
    expect(seen()).toEqual([
      'dev dev subscribe # 1 !',
      'dev dev subscribe a/+ 1',
      'dev dev delivery secret/2 0 !',
      'dev dev publish c 0 !',
    ])
  })

  test('a Will that the rules deny passes, also under the next token', async () => {
    await begin(SHADOW)
    const will = { topic: 'secret/w', payload: Buffer.from('x'), qos: 1 as const, retain: true }
    const { client, broker, connect } = await open(version, RULES, { connect: { will } })
    expect(connect.will?.topic).toBe('secret/w')
    expect(seen()).toEqual(['dev dev will secret/w 1 retain !'])
    proxy.tokens.set(
      'next',
      identify('dev', [], { expires_at: Math.floor(Date.now() / 1000) + 9999 }),
    )
    client.send(publish('$allauth/token', { qos: 1, messageId: 9, payload: 'next' }))
    await client.next('puback')
    client.send(publish('still'))
    expect((await broker.next('publish')).topic).toBe('still')
  })

  test('token, client id and the form of packets are enforced', async () => {
    await begin({ ...SHADOW, upstream_dialect: 'rabbitmq', topic_levels_max: 3 })
    const bad = await knock(version, { password: Buffer.from('forged') })
    await bad.closed()
    proxy.tokens.set('token', identify('dev', RULES))
    const other = await knock(version, { clientId: 'another' })
    await other.closed()
    const will = { topic: '$allauth/x', payload: Buffer.from('x'), qos: 0 as const, retain: false }
    await (await knock(version, { will })).closed()
    expect(proxy.refused()).toEqual(['bad_signature', 'client_id', 'will'])
    expect(scripted.connections).toBe(0)

    const { client, broker } = await open(version, RULES)
    client.send(publish('$allauth/x'), publish('a.b'), publish('1/2/3/4'), marker)
    expect((await broker.next('publish')).topic).toBe('ok')
    client.send(subscribe(7, 'a.b', '1/2/3/4', '#'))
    expect((await broker.next('subscribe')).subscriptions).toHaveLength(1)
    client.send(Buffer.from([0x30, 5, 0, 3, 0x61, 0x2f, 0x23])) // a/#
    await client.closed()
    expect(seen()).toEqual(['dev dev publish ok 0', 'dev dev subscribe # 1 !'])
  })
})

test('outside of it nothing is observed and the rules refuse', async () => {
  const { client, broker } = await open(5, RULES)
  client.send(publish('b', { qos: 1, messageId: 1 }), marker)
  expect((await client.next('puback')).reasonCode).toBe(0x87)
  expect((await broker.next('publish')).topic).toBe('ok')
  expect(proxy.observations).toEqual([])
})

test('it is off where nothing is said', () => {
  const modeOf = (env: Record<string, string>) => {
    const reading = readProxyConfig({ MQTT_UPSTREAM: 'mqtt://h', ...env })
    return reading.ok ? reading.config.limits.acl_mode : reading.faults[0]?.name
  }
  expect(modeOf({})).toBe('enforce')
  expect(modeOf({ MQTT_ACL_MODE: 'shadow' })).toBe('shadow')
  expect(modeOf({ MQTT_ACL_MODE: 'off' })).toBe('MQTT_ACL_MODE')
})
