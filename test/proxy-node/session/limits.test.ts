// Limits of one session, however its packets are put: at once, in pieces, before any answer.

import type { Packet } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { IN_FLIGHT, PACED } from '../../../proxy-node/session/state.ts'
import { until } from '../fixtures/mosquitto.ts'
import { allow } from '../fixtures/proxy.ts'
import { begin, both, marker, open, proxy } from '../fixtures/stage.ts'
import { publish, subscribe } from '../fixtures/wire.ts'

const all = [allow('all', '#')]

describe.each(both)('topic filters at level %i', (version) => {
  const refusal = version === 5 ? 0x97 : 0x80
  const suback = (messageId: number, ...granted: number[]): Packet => ({
    cmd: 'suback',
    messageId,
    granted,
  })

  test('count when they are asked for, not when they are granted', async () => {
    await begin({ subscriptions_max: 5 })
    const { client, broker } = await open(version, all)
    client.send(
      subscribe(1, 'a', 'b', 'c'),
      subscribe(2, 'd', 'a', 'e', 'f'),
      subscribe(3, 'g', 'b'),
    )
    expect((await broker.next('subscribe')).subscriptions).toHaveLength(3)
    expect((await broker.next('subscribe')).subscriptions.map(({ topic }) => topic)).toEqual([
      ...['d', 'a', 'e'],
    ])
    expect((await broker.next('subscribe')).subscriptions.map(({ topic }) => topic)).toEqual(['b'])
    broker.send(suback(1, 1, 1, 1), suback(2, 1, 1, 1), suback(3, 1))
    expect((await client.next('suback')).granted).toEqual([1, 1, 1])
    expect((await client.next('suback')).granted).toEqual([1, 1, 1, refusal])
    expect((await client.next('suback')).granted).toEqual([refusal, 1])
  })

  test('that are refused or given back make room for others', async () => {
    await begin({ subscriptions_max: 2 })
    const { client, broker } = await open(version, all)
    client.send(subscribe(1, 'a', 'b'))
    await broker.next('subscribe')
    broker.send(suback(1, 1, 0x80))
    await client.next('suback')
    client.send(subscribe(2, 'c', 'd'))
    expect((await broker.next('subscribe')).subscriptions).toHaveLength(1)
    broker.send(suback(2, 1))
    expect((await client.next('suback')).granted).toEqual([1, refusal])
    client.send({ cmd: 'unsubscribe', messageId: 3, unsubscriptions: ['a', 'c'] })
    await broker.next('unsubscribe')
    broker.send({ cmd: 'unsuback', messageId: 3, granted: version === 5 ? [0, 0] : [] } as Packet)
    await client.next('unsuback')
    client.send(subscribe(4, 'e', 'f'), marker)
    expect((await broker.next('subscribe')).subscriptions).toHaveLength(2)
    expect(proxy.ended()).toEqual([])
  })

  test('asked for twice at once count once', async () => {
    await begin({ subscriptions_max: 2 })
    const { client, broker } = await open(version, all)
    client.send(subscribe(1, 'a', 'a'), subscribe(2, 'a', 'b'), subscribe(3, 'c'))
    broker.send(suback(1, 1, 1), suback(2, 0x80, 1))
    expect((await client.next('suback')).granted).toEqual([refusal])
    expect((await client.next('suback')).granted).toEqual([1, 1])
    expect((await client.next('suback')).granted).toEqual([0x80, 1])
    client.send(subscribe(4, 'c'))
    expect((await client.next('suback')).granted).toEqual([refusal])
  })
})

describe.each(both)('a client that is too fast, at level %i', (version) => {
  test('waits for its packets, and none is lost', async () => {
    await begin({ packets_per_second: 400, write_stall_timeout_ms: 200 })
    const { client, broker } = await open(version, all)
    const count = 600
    client.send(...Array.from({ length: count }, (_, i) => publish('a', { payload: `${i}` })))
    await until(() => proxy.pauses.includes(PACED), 'it waits')
    expect(proxy.counts.publishAllowed).toBeLessThan(count)
    await until(() => broker.untaken.length === count, 'all arrive')
    const texts = broker.untaken.map((packet) => 'payload' in packet && String(packet.payload))
    expect(texts).toEqual(texts.map((_, i) => `${i}`))
    expect(proxy.ended()).toEqual([])
  })

  test('waits for its bytes, longer than a broker may stall', async () => {
    await begin({ bytes_per_second: 100_000, write_stall_timeout_ms: 150 })
    const { client, broker } = await open(version, all)
    const large = publish('large', { payload: Buffer.alloc(60_000) })
    client.send(large, large, large, marker)
    await until(() => proxy.pauses.includes(PACED), 'it waits')
    expect(proxy.counts.publishAllowed).toBe(2)
    for (let i = 0; i < 3; i++)
      expect(await broker.next('publish')).toMatchObject({ topic: 'large' })
    expect(await broker.next('publish')).toMatchObject({ topic: 'ok' })
    expect(proxy.ended()).toEqual([])
  })

  test('may have so many messages in flight, more wait for the broker', async () => {
    await begin({ inflight_max: 4 })
    const { client, broker } = await open(version, all)
    const qos1 = Array.from({ length: 10 }, (_, i) => publish('a', { qos: 1, messageId: i + 1 }))
    client.send(...qos1)
    await until(() => proxy.pauses.includes(IN_FLIGHT), 'it waits')
    for (let i = 1; i <= 4; i++) expect((await broker.next('publish')).messageId).toBe(i)
    expect(proxy.counts.publishAllowed).toBe(4)
    broker.send({ cmd: 'puback', messageId: 1 }, { cmd: 'puback', messageId: 2 })
    await broker.next('publish')
    expect((await broker.next('publish')).messageId).toBe(6)
    for (let i = 3; i <= 10; i++) broker.send({ cmd: 'puback', messageId: i })
    for (let i = 1; i <= 10; i++) expect((await client.next('puback')).messageId).toBe(i)
  })

  test('releases the QoS 2 messages that the broker received, however many are in flight', async () => {
    await begin({ inflight_max: 2 })
    const { client, broker } = await open(version, all)
    for (let i = 1; i <= 6; i++) client.send(publish('a', { qos: 2, messageId: i }))
    for (let i = 1; i <= 6; i++) {
      expect((await broker.next('publish')).messageId).toBe(i)
      broker.send({ cmd: 'pubrec', messageId: i })
      expect((await client.next('pubrec')).messageId).toBe(i)
    }
    for (let i = 1; i <= 6; i++) {
      client.send({ cmd: 'pubrel', messageId: i })
      expect((await broker.next('pubrel')).messageId).toBe(i)
      broker.send({ cmd: 'pubcomp', messageId: i })
      expect((await client.next('pubcomp')).messageId).toBe(i)
    }
    expect(proxy.ended()).toEqual([])
  })
})
