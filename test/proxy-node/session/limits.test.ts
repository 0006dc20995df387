// Limits of one session, however its packets are put: at once, in pieces, before any answer.

import type { Packet } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { allow } from '../fixtures/proxy.ts'
import { begin, both, marker, open, proxy } from '../fixtures/stage.ts'
import { subscribe } from '../fixtures/wire.ts'

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
