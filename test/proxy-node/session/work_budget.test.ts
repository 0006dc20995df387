// One client that makes as much work as it can, beside others: nobody waits for more than a turn's
// share of it, its own packets stay in order, and whoever is refused over and over is sent away.

import mqtt, { type Packet } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import type { AclRule } from '../../../policy/acl.ts'
import { until } from '../fixtures/mosquitto.ts'
import { allow, deny, identify } from '../fixtures/proxy.ts'
import { begin, both, marker, ok, open, proxy, scripted, wires } from '../fixtures/stage.ts'
import {
  connectPacket,
  dialWire,
  publish,
  subscribe,
  type Version,
  type Wire,
} from '../fixtures/wire.ts'

const unlimited = { refused_filters_per_minute: 0 }
/** Their first levels are all alike, so that each filter is held against each of them. */
const rules: AclRule[] = Array.from({ length: 100 }, (_, i) => deny('all', `fleet/truck-${i}/+`))
const refused = (count: number) => Array.from({ length: count }, (_, i) => `fleet/truck-99/+/${i}`)

const written = (packet: Packet, version: Version) =>
  mqtt.generate(packet, { protocolVersion: version })

/** A client with the token of another name, beside the one of `open`. */
async function join(name: string, version: Version, own: AclRule[]) {
  proxy.tokens.set(name, identify(name, own))
  const client = await dialWire(proxy.port, version)
  wires.push(client)
  client.send(connectPacket(version, { clientId: name, password: Buffer.from(name) }))
  const broker = await scripted.accept(version)
  wires.push(broker)
  await broker.next('connect')
  const code = version === 5 ? { reasonCode: 0 } : { returnCode: 0 }
  broker.send({ cmd: 'connack', sessionPresent: false, ...code } as Packet)
  await client.next('connack')
  return { client, broker }
}

/** Reads a number at the moment when bytes come from mProxy, however late the test looks. */
function whenBytesCome({ socket }: Wire, read: () => number): Promise<number> {
  return new Promise((resolve) => {
    socket.once('data', () => resolve(read()))
  })
}

describe.each(both)('beside a client that makes work, at level %i', (version) => {
  test('a PINGREQ passes before a flood of refused SUBSCRIBEs is judged', async () => {
    await begin({ ...unlimited })
    const { client } = await open(version, [...rules, ok])
    const near = await join('near', version, [ok])
    const one = written(subscribe(1, ...refused(1000)), version)
    const count = 20
    client.socket.write(Buffer.concat(Array.from({ length: count }, () => one)))
    await until(() => proxy.counts.subscribeDenied > 0, 'the first is judged')
    const seen = whenBytesCome(near.broker, () => proxy.counts.subscribeDenied)
    near.client.send({ cmd: 'pingreq' })
    const judged = await seen
    console.log(`of ${count * 1000} filters ${judged} were judged before the PINGREQ`)
    expect(judged).toBeLessThan((count * 1000) / 2)
    await until(() => proxy.counts.subscribeDenied === count * 1000, 'all are judged')
    await until(() => client.untaken.length === count, 'each is answered')
    expect(proxy.ended()).toEqual([])
  })

  test('a message passes before a flood of refused messages is', async () => {
    const { client } = await open(version, [...rules, ok])
    const near = await join('near', version, [ok])
    // Two topics in turn, so that each is judged anew.
    const two = ['x', 'y'].map((end) => written(publish(`fleet/truck-99/x/${end}`), version))
    const count = 20_000
    client.socket.write(Buffer.concat(Array.from({ length: count / 2 }, () => two).flat()))
    const seen = whenBytesCome(near.broker, () => proxy.counts.publishDenied)
    near.client.send(marker)
    expect(await seen).toBeLessThan(count / 2)
    await until(() => proxy.counts.publishDenied === count, 'all are judged')
  })

  test('a message passes before a flood of deliveries is', async () => {
    const { client, broker } = await open(version, [...rules, allow('all', 'flood')])
    const near = await join('near', version, [ok])
    // Two topics in turn, so that each is judged anew.
    const two = ['x', 'y'].map((end) => written(publish(`fleet/truck-99/${end}`), version))
    const count = 20_000
    broker.socket.write(Buffer.concat(Array.from({ length: count / 2 }, () => two).flat()))
    broker.send(publish('flood'))
    const seen = whenBytesCome(near.broker, () => proxy.counts.deliveryDenied)
    near.client.send(marker)
    expect(await seen).toBeLessThan(count / 2)
    expect((await client.next('publish')).topic).toBe('flood')
    expect(proxy.counts.deliveryDenied).toBe(count)
  })

  test('work that is put off keeps its order, to the last packet before a close', async () => {
    await begin({ ...unlimited, subscriptions_max: 100_000 })
    const { client, broker } = await open(version, [...rules, allow('all', 'mine/#')])
    const filters = refused(1000).map((filter, i) => (i % 3 === 0 ? `mine/${i}` : filter))
    const packets: Packet[] = []
    for (let i = 1; i <= 10; i++) packets.push(subscribe(i, ...filters), publish(`mine/${i}`))
    client.send(...packets)
    client.socket.end()
    for (let i = 1; i <= 10; i++) {
      const question = await broker.next('subscribe')
      expect(question.messageId).toBe(i)
      expect(question.subscriptions.map(({ topic }) => topic)).toEqual(
        filters.filter((filter) => filter.startsWith('mine/')),
      )
      expect((await broker.next('publish')).topic).toBe(`mine/${i}`)
    }
    await broker.closed()
    expect(broker.untaken).toEqual([])
  })

  test('nothing of a SUBSCRIBE passes whose session ended while it was judged', async () => {
    await begin({ ...unlimited })
    const { client, broker } = await open(version, [...rules, allow('all', 'mine/#')])
    const many = subscribe(1, ...refused(1000))
    client.send(...Array.from({ length: 30 }, () => many), subscribe(2, 'mine/last'))
    await until(() => proxy.counts.subscribeDenied > 0, 'the first is judged')
    proxy.sessions[0]!.revoke()
    await broker.closed()
    await client.closed()
    expect(broker.untaken.filter(({ cmd }) => cmd === 'subscribe')).toEqual([])
    expect(proxy.counts.subscribeDenied).toBeLessThan(30_000)
  })
})

describe('filters that are refused', () => {
  test('many times end the session, after their answer', async () => {
    await begin({ refused_filters_per_minute: 100 })
    const { client, broker } = await open(5, [ok])
    client.send(subscribe(1, ...refused(99)))
    expect((await client.next('suback')).granted).toHaveLength(99)
    client.send(subscribe(2, 'no-1', 'no-2'), marker)
    expect((await client.next('suback')).granted).toEqual([0x87, 0x87])
    expect((await client.next('disconnect')).reasonCode).toBe(0x97)
    await broker.closed()
    expect(broker.untaken).toEqual([])
    expect(proxy.ended()).toEqual(['too_many_refused_filters'])
  })
})

describe('a token in mid-session', () => {
  const method = 'OAUTH2-JWT'
  const auth = (token: string): Packet => ({
    cmd: 'auth',
    reasonCode: 0x19,
    properties: { authenticationMethod: method, authenticationData: Buffer.from(token) },
  })
  const properties = { authenticationMethod: method, authenticationData: Buffer.from('token') }
  const later = (seconds: number) => ({ expires_at: Math.floor(Date.now() / 1000) + seconds })

  test('that comes again and again is verified once, and a neighbour does not wait for it', async () => {
    const { client } = await open(5, [ok], { connect: { properties } })
    const near = await join('near', 5, [ok])
    const before = proxy.verified
    const count = 5000
    const one = written(auth('token'), 5)
    client.socket.write(Buffer.concat(Array.from({ length: count }, () => one)))
    await until(() => client.untaken.length > 0, 'the first is answered')
    const seen = whenBytesCome(near.broker, () => client.untaken.length)
    near.client.send(marker)
    expect(await seen).toBeLessThan(count)
    await until(() => client.untaken.length === count, 'each is answered')
    expect(client.untaken.every(({ cmd }) => cmd === 'auth')).toBe(true)
    expect(proxy.verified - before).toBe(1)
    expect(proxy.events.filter(({ what }) => what === 'reauthenticated')).toHaveLength(1)
  })

  test('of which there are too many ends the session, before it is verified', async () => {
    await begin({ reauthentications_per_minute: 3 })
    const { client, broker } = await open(5, [ok], { connect: { properties } })
    const before = proxy.verified
    for (let i = 1; i <= 5; i++) proxy.tokens.set(`t${i}`, identify('dev', [ok], later(3600 + i)))
    client.send(auth('t1'), auth('t2'), auth('t2'), auth('t3'), auth('t4'), auth('t5'))
    for (let i = 0; i < 4; i++) expect((await client.next('auth')).reasonCode).toBe(0)
    expect((await client.next('disconnect')).reasonCode).toBe(0x97)
    await broker.closed()
    expect(proxy.verified - before).toBe(3)
    expect(proxy.ended()).toEqual(['too_many_tokens'])
  })

  test.each(both)(
    'an old one on the topic for tokens is verified once at level %i',
    async (version) => {
      await begin({ reauthentications_per_minute: 3 })
      const { client, broker } = await open(version, [ok])
      const before = proxy.verified
      proxy.tokens.set('old', identify('dev', [ok], later(60)))
      proxy.tokens.set('new', identify('dev', [ok], later(7200)))
      const hand = (token: string, messageId: number) =>
        publish('$allauth/token', { payload: token, qos: 1, messageId })
      for (let i = 1; i <= 30; i++) client.send(hand('old', i))
      for (let i = 1; i <= 30; i++) expect((await client.next('puback')).messageId).toBe(i)
      client.send(hand('new', 31), hand('new', 32), hand('old', 33), marker)
      for (let i = 31; i <= 33; i++) expect((await client.next('puback')).messageId).toBe(i)
      await broker.next('publish')
      expect(proxy.verified - before).toBe(3)
      expect(proxy.events.filter(({ what }) => what === 'reauthenticated')).toHaveLength(1)
    },
  )
})
