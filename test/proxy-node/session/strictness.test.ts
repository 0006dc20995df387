// Packets that are malformed end the session; topics that a broker would end it for are refused by
// themselves. Both before a byte of them is passed on.

import type { Packet } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { allow, identify } from '../fixtures/proxy.ts'
import { both, knock, marker, open, proxy, scripted } from '../fixtures/stage.ts'
import { publish, subscribe, type Version } from '../fixtures/wire.ts'

const all = [allow('all', '#')]
const text = (value: string) => {
  const bytes = Buffer.from(value)
  return [bytes.length >> 8, bytes.length & 0xff, ...bytes]
}
const packet = (first: number, body: number[]) => Buffer.from([first, body.length, ...body])
/** A SUBSCRIBE or UNSUBSCRIBE, whatever its filters are. */
const ask = (version: Version, type: 8 | 10, ...filters: string[]) =>
  packet((type << 4) | 2, [
    0,
    9,
    ...(version === 5 ? [0] : []),
    ...filters.flatMap((filter) => [...text(filter), ...(type === 8 ? [0] : [])]),
  ])

const MALFORMED_FILTERS = ['', 'a/#/b', 'a#', 'a+/b', '+a', '$share//a', '$share/g', '$share/g/']

describe.each(both)('a malformed filter at level %i', (version) => {
  test.each(
    MALFORMED_FILTERS.flatMap((filter) => [8 as const, 10 as const].map((type) => [filter, type])),
  )(
    '%j ends the session, in a packet of type %i with others that are good',
    async (filter, type) => {
      const { client, broker } = await open(version, all)
      client.send(ask(version, type as 8 | 10, 'a', filter as string, 'b'))
      if (version === 5) expect((await client.next('disconnect')).reasonCode).toBe(0x81)
      await client.closed()
      await broker.closed()
      expect(broker.untaken).toEqual([])
      expect(proxy.ended()).toEqual(['malformed'])
    },
  )
})

const ODD_TEXTS = ['a\x01', '\x1fa', 'a/\x7f', 'a/\x85/b', 'a\ufffe', '\ufdd0', 'a/\u{1ffff}']

describe.each(both)('control characters at level %i', (version) => {
  const code = (of5: number, of3: number) => (version === 5 ? of5 : of3)

  test.each(ODD_TEXTS)('a PUBLISH to %j goes nowhere, and the session goes on', async (topic) => {
    const { client, broker } = await open(version, all)
    client.send(
      publish(topic),
      publish(topic, { qos: 1, messageId: 3 }),
      publish(topic, { qos: 2, messageId: 4 }),
      marker,
    )
    expect((await client.next('puback')).reasonCode ?? 0).toBe(code(0x90, 0))
    expect((await client.next('pubrec')).reasonCode ?? 0).toBe(code(0x90, 0))
    expect((await broker.next('publish')).topic).toBe('ok')
    expect(proxy.counts).toMatchObject({ publishDenied: 3, publishAllowed: 1 })
  })

  test.each(ODD_TEXTS)(
    'a SUBSCRIBE to %j is refused in its place, an UNSUBSCRIBE too',
    async (filter) => {
      const { client, broker } = await open(version, all)
      client.send(subscribe(1, 'a', filter, `$share/g/${filter}`))
      expect((await broker.next('subscribe')).subscriptions.map((s) => s.topic)).toEqual(['a'])
      broker.send({ cmd: 'suback', messageId: 1, granted: [1] })
      const refused = code(0x8f, 0x80)
      expect((await client.next('suback')).granted).toEqual([1, refused, refused])
      client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: [filter, 'a'] })
      expect((await broker.next('unsubscribe')).unsubscriptions).toEqual(['a'])
      broker.send({ cmd: 'unsuback', messageId: 2, granted: version === 5 ? [0] : [] } as Packet)
      const unsuback = await client.next('unsuback')
      if (version === 5) expect(unsuback.granted).toEqual([0x8f, 0])
    },
  )

  test('a Will to such a topic is refused and no broker dialled', async () => {
    proxy.tokens.set('token', identify('dev', all))
    const will = { topic: 'a\x01', payload: Buffer.from('w'), qos: 0 as const, retain: false }
    const connack = await (await knock(version, { will })).next('connack')
    expect(version === 5 ? connack.reasonCode : connack.returnCode).toBe(code(0x90, 5))
    expect(scripted.connections).toBe(0)
  })
})

describe('properties', () => {
  test('a Response Topic with control characters is refused', async () => {
    const { client, broker } = await open(5, all)
    const properties = { responseTopic: 'a\x02' }
    client.send(publish('q', { properties, qos: 1, messageId: 1 }), marker)
    expect((await client.next('puback')).reasonCode).toBe(0x90)
    expect((await broker.next('publish')).topic).toBe('ok')
  })

  test.each([
    ['PUBLISH', packet(0x30, [...text('a'), 3, 0x13, 0, 1]), 0x81],
    ['PUBLISH, a Subscription Identifier', packet(0x30, [...text('a'), 2, 0x0b, 1]), 0x82],
    ['SUBSCRIBE', packet(0x82, [0, 1, 3, 0x23, 0, 1, ...text('a'), 0]), 0x81],
    ['UNSUBSCRIBE', packet(0xa2, [0, 1, 2, 0x0b, 1, ...text('a')]), 0x81],
    ['PUBACK', packet(0x40, [0, 1, 0, 3, 0x23, 0, 1]), 0x81],
    ['DISCONNECT', packet(0xe0, [0, 3, 0x23, 0, 1]), 0x81],
    ['AUTH', packet(0xf0, [0x19, 3, 0x23, 0, 1]), 0x81],
  ])('one that does not belong to %s ends the session', async (_, bytes, code) => {
    const { client, broker } = await open(5, all)
    client.send(bytes)
    expect((await client.next('disconnect')).reasonCode).toBe(code)
    await broker.closed()
    expect(broker.untaken).toEqual([])
  })
})
