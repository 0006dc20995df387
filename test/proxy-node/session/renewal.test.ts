// A session's next token, in an AUTH packet or on the reserved topic; and its ends: the token runs
// out or is revoked, the client is silent, the broker is gone, the proxy stops, somebody stalls.

import mqtt, { type Packet } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { until } from '../fixtures/mosquitto.ts'
import { allow, identify, startProxy } from '../fixtures/proxy.ts'
import { begin, both, knock, marker, ok, open, proxy, scripted, wires } from '../fixtures/stage.ts'
import { login, publish, subscribe, type Wire } from '../fixtures/wire.ts'

const inOneHour = () => Math.floor(Date.now() / 1000) + 3600
const soon = (seconds: number) => Math.ceil(Date.now() / 1000) + seconds
const method = { authenticationMethod: 'OAUTH2-JWT' }
const auth = (token: string, properties = {}): Packet => ({
  cmd: 'auth',
  reasonCode: 0x19,
  properties: { ...method, authenticationData: Buffer.from(token), ...properties },
})
const withAuth = {
  connect: { properties: { ...method, authenticationData: Buffer.from('token') } },
}

async function subscribeTo(client: Wire, broker: Wire, ...topics: string[]) {
  client.send(subscribe(1, ...topics))
  await broker.next('subscribe')
  broker.send({ cmd: 'suback', messageId: 1, granted: topics.map(() => 1) })
  await client.next('suback')
}

describe('AUTH', () => {
  test('replaces the token, and takes back the subscriptions it no longer covers', async () => {
    const { client, broker } = await open(5, [allow('subscribe', '#'), ok], withAuth)
    await subscribeTo(client, broker, 'a/1', 'b/1', '$share/g/c')
    client.send(publish('ok', { qos: 1, messageId: 65_535 }))
    await broker.next('publish')
    proxy.tokens.set('next', identify('dev', [allow('subscribe', 'b/#'), allow('publish', 'new')]))
    client.send(auth('next'), publish('new'), publish('ok'))
    expect(await client.next('auth')).toMatchObject({ reasonCode: 0, properties: method })
    const taken = await broker.next('unsubscribe')
    expect(taken.unsubscriptions).toEqual(['a/1', '$share/g/c'])
    expect(taken.messageId).toBe(65_534) // 65,535 is in flight
    expect((await broker.next('publish')).topic).toBe('new')
    broker.send({ cmd: 'unsuback', messageId: taken.messageId!, granted: [0, 0] } as Packet)
    broker.send(publish('a/1'), publish('b/1'))
    expect((await client.next('publish')).topic).toBe('b/1')
    expect(proxy.counts).toMatchObject({ publishDenied: 1, deliveryDenied: 1 })
    expect(proxy.events.map((t) => t.what)).toEqual(['started', 'reauthenticated'])
  })

  test('a subscription granted after the narrower token came is taken back too', async () => {
    const { client, broker } = await open(5, [allow('subscribe', '#')], withAuth)
    client.send(subscribe(1, 'a', 'b'))
    await broker.next('subscribe')
    proxy.tokens.set('next', identify('dev', [allow('subscribe', 'b')]))
    client.send(auth('next'))
    await client.next('auth')
    broker.send({ cmd: 'suback', messageId: 1, granted: [1, 1] })
    expect((await client.next('suback')).granted).toEqual([1, 1])
    expect((await broker.next('unsubscribe')).unsubscriptions).toEqual(['a'])
  })

  test.each([
    ['another subject', () => identify('other', [])],
    ['another issuer', () => identify('dev', [], { iss: 'http://other' })],
    ['a user name that is not the session’s', () => identify('dev', [], { username: 'x' })],
    ['a bad signature', () => 'bad_signature' as const],
    ['an expired token', () => 'expired' as const],
  ])('with %s closes the session with 0x87', async (_, next) => {
    const { client, broker } = await open(5, [], withAuth)
    proxy.tokens.set('next', next())
    client.send(auth('next'), marker)
    expect((await client.next('disconnect')).reasonCode).toBe(0x87)
    await broker.closed()
    expect(broker.untaken).toEqual([])
    expect(proxy.ended()).toEqual(['reauthentication_failed'])
  })

  test('with a token that does not fit the client id closes the session', async () => {
    const { client } = await open(5, [], {
      identity: { mqtt_client_id: 'plc' },
      connect: { clientId: 'plc', properties: withAuth.connect.properties },
    })
    proxy.tokens.set('next', identify('dev', []))
    client.send(auth('next'))
    expect((await client.next('disconnect')).reasonCode).toBe(0x87)
  })

  test('with a token that forbids the stored Will closes the session and the Will is not published', async () => {
    const will = { topic: 'w', payload: Buffer.from('x'), qos: 0 as const, retain: false }
    const { client, broker } = await open(5, [allow('publish', 'w')], {
      connect: { will, properties: withAuth.connect.properties },
    })
    proxy.tokens.set('next', identify('dev', []))
    client.send(auth('next'))
    expect((await client.next('disconnect')).reasonCode).toBe(0x87)
    expect((await broker.next('disconnect')).reasonCode ?? 0).toBe(0)
  })

  test.each([
    ['without a method in CONNECT', {}, auth('token')],
    ['with another method', withAuth, auth('token', { authenticationMethod: 'OTHER' })],
    ['to continue what was not begun', withAuth, { ...auth('token'), reasonCode: 0x18 } as Packet],
    ['without anything', withAuth, Buffer.from([0xf0, 0])],
    ['without a method', withAuth, Buffer.from([0xf0, 2, 0x19, 0])],
  ])('%s is a protocol error', async (_, options, packet) => {
    const { client } = await open(5, [], options)
    client.send(packet)
    expect((await client.next('disconnect')).reasonCode).toBe(0x82)
  })
})

describe.each(both)('$allauth/token at level %i', (version) => {
  const hand = (token: string, more = {}) =>
    publish('$allauth/token', { payload: token, qos: 1, messageId: 77, ...more })

  test('a newer token replaces the session’s and never reaches the broker', async () => {
    const { client, broker } = await open(version, [])
    const next = identify('dev', [ok], { expires_at: inOneHour() + 100 })
    proxy.tokens.set('next', next)
    client.send(marker, hand('next'), marker)
    const puback = await client.next('puback')
    expect([puback.messageId, puback.reasonCode ?? 0]).toEqual([77, 0])
    expect((await broker.next('publish')).topic).toBe('ok')
    expect(broker.untaken).toEqual([])
    expect(proxy.sessions[0]!.identity).toBe(next)
  })

  test('one of 8 KB that comes in pieces does too, though such messages are streamed', async () => {
    const { client, broker } = await open(version, [])
    const token = 'x'.repeat(8000)
    const next = identify('dev', [ok], { expires_at: inOneHour() + 100 })
    proxy.tokens.set(token, next)
    const bytes = mqtt.generate(hand(token), { protocolVersion: version })
    for (let at = 0; at < bytes.length; at += 3000) {
      client.send(bytes.subarray(at, at + 3000))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect((await client.next('puback')).reasonCode ?? 0).toBe(0)
    client.send(marker)
    expect((await broker.next('publish')).topic).toBe('ok')
    expect(broker.untaken).toEqual([])
    expect(proxy.sessions[0]!.identity).toBe(next)
  })

  test.each([
    ['not newer', () => identify('dev', [], { expires_at: inOneHour() - 100 })],
    ['expired', () => 'expired' as const],
  ])('one that is %s is acknowledged and ignored', async (_, next) => {
    const { client, broker } = await open(version, [ok])
    proxy.tokens.set('next', next())
    client.send(hand('next', { dup: true }), hand('next'), marker)
    expect((await client.next('puback')).reasonCode ?? 0).toBe(0)
    expect((await client.next('puback')).reasonCode ?? 0).toBe(0)
    expect((await broker.next('publish')).topic).toBe('ok')
    expect(proxy.events.map((t) => t.what)).toEqual(['started'])
  })

  test.each([
    ['forged', () => 'bad_signature' as const],
    ['of another subject', () => identify('other', [], { expires_at: inOneHour() + 100 })],
  ])('one that is %s is acknowledged, then the session closed', async (_, next) => {
    const { client, broker } = await open(version, [ok])
    proxy.tokens.set('next', next())
    client.send(hand('next'), marker)
    expect((await client.next('puback')).messageId).toBe(77)
    if (version === 5) expect((await client.next('disconnect')).reasonCode).toBe(0x87)
    await client.closed()
    await broker.closed()
    expect(broker.untaken).toEqual([])
  })

  test('an empty one is acknowledged, then the session closed; one too large is refused', async () => {
    const { client, broker } = await open(version, [allow('all', '#')])
    client.send(hand('x'.repeat(100_000)), hand(''), marker)
    expect((await client.next('puback')).reasonCode ?? 0).toBe(version === 5 ? 0x87 : 0)
    expect((await client.next('puback')).reasonCode ?? 0).toBe(0)
    await client.closed()
    await broker.closed()
    expect(broker.untaken).toEqual([])
    expect(proxy.ended()).toEqual(['reauthentication_failed'])
  })

  test('with another QoS, retained, or below it, it is refused whatever the rules say', async () => {
    const { client, broker } = await open(version, [allow('all', '#'), allow('all', '$allauth/#')])
    proxy.tokens.set('next', identify('dev', [], { expires_at: inOneHour() + 100 }))
    client.send(hand('next', { qos: 0 }), hand('next', { retain: true }), hand('next', { qos: 2 }))
    client.send(publish('$allauth/other'), marker)
    await client.next('puback')
    await client.next('pubrec')
    expect((await broker.next('publish')).topic).toBe('ok')
    expect(proxy.counts.publishDenied).toBe(4)
    expect(proxy.events.map((t) => t.what)).toEqual(['started'])
  })
})

test('a token handed in by an alias is taken, and the alias never reaches the broker', async () => {
  const connack = { properties: { topicAliasMaximum: 5 } }
  const { client, broker } = await open(5, [ok], { connack })
  const hand = (topic: string, token: string, messageId: number) =>
    publish(topic, { payload: token, qos: 1, messageId, properties: { topicAlias: 2 } })
  const later = (seconds: number) => ({ expires_at: inOneHour() + seconds })
  proxy.tokens.set('one', identify('dev', [ok], later(100)))
  const two = identify('dev', [ok], later(200))
  proxy.tokens.set('two', two)
  client.send(hand('$allauth/token', 'one', 1), hand('', 'two', 2), hand('ok', 'x', 3))
  expect((await client.next('puback')).messageId).toBe(1)
  expect((await client.next('puback')).messageId).toBe(2)
  expect(await broker.next('publish')).toMatchObject({ topic: 'ok', messageId: 3 })
  expect(proxy.sessions[0]!.identity).toBe(two)
})

test('our own UNSUBSCRIBE takes no id whose PUBREL the broker has not answered', async () => {
  const { client, broker } = await open(5, [allow('all', '#')], {
    ...withAuth,
    connack: { sessionPresent: true },
  })
  await subscribeTo(client, broker, 'a')
  client.send({ cmd: 'pubrel', messageId: 65_535 })
  await broker.next('pubrel')
  proxy.tokens.set('narrow', identify('dev', [ok]))
  client.send(auth('narrow'))
  expect((await broker.next('unsubscribe')).messageId).toBe(65_534)
})

describe.each(both)('the end of a session at level %i', (version) => {
  async function endsWith(client: Wire, code: number) {
    if (version === 5) expect((await client.next('disconnect')).reasonCode).toBe(code)
    await client.closed()
    expect(client.untaken).toEqual([])
  }

  test('a token that runs out ends it, and the broker hears no DISCONNECT', async () => {
    const { client, broker } = await open(version, [ok], { identity: { expires_at: soon(1) } })
    client.send(marker)
    await broker.next('publish')
    await endsWith(client, 0xa0)
    await broker.closed()
    expect(broker.untaken).toEqual([])
    expect(proxy.ended()).toEqual(['token_expired'])
  })

  test('a token that runs out in the year 9999 does not end it now', async () => {
    const { client, broker } = await open(version, [ok], {
      identity: { expires_at: 253_402_300_799 },
    })
    client.send(marker)
    await broker.next('publish')
    expect(client.isClosed).toBe(false)
  })

  test('revoked: the broker gets a DISCONNECT that suppresses the Will and ends its session', async () => {
    const { client, broker } = await open(version, [])
    proxy.sessions[0]!.revoke()
    const disconnect = await broker.next('disconnect')
    if (version === 5) {
      expect(disconnect).toMatchObject({ reasonCode: 0, properties: { sessionExpiryInterval: 0 } })
    }
    await endsWith(client, 0x98)
    await proxy.sessions[0]!.closed
    expect(proxy.ended()).toEqual(['token_revoked'])
  })

  test('revoked while half a large PUBLISH is out, no DISCONNECT is written into it', async () => {
    const { client, broker } = await open(version, [ok])
    const head = [0x30, 0x80, 0x80, 0x20, 0, 2, 0x6f, 0x6b, ...(version === 5 ? [0] : [])]
    client.send(Buffer.concat([Buffer.from(head), Buffer.alloc(100_000, 0xe0)]))
    const arrived = () => Buffer.concat(broker.bytes)
    await until(() => arrived().length > 100_000, 'the head goes on')
    proxy.sessions[0]!.revoke()
    await endsWith(client, 0x98)
    await broker.closed()
    expect(arrived().at(-1)).toBe(0xe0)
  })

  test('a client that is silent beyond 1.5 keep-alives is cut off without a DISCONNECT', async () => {
    const { client, broker } = await open(version, [], { connect: { keepalive: 1 } })
    const begun = performance.now()
    await endsWith(client, 0x8d)
    const took = performance.now() - begun
    expect(took).toBeGreaterThan(1300)
    expect(took).toBeLessThan(4000)
    await broker.closed()
    expect(broker.untaken.every((p) => p.cmd === 'pingreq')).toBe(true)
    expect(proxy.ended()).toEqual(['keep_alive'])
  })

  test('a client whose packets are all refused: the broker is pinged and the answer swallowed', async () => {
    const { client, broker } = await open(version, [], { connect: { keepalive: 1 } })
    const refused = setInterval(() => client.send(publish('no')), 200)
    try {
      for (let i = 0; i < 4; i++) {
        await broker.next('pingreq')
        broker.send({ cmd: 'pingresp' })
      }
    } finally {
      clearInterval(refused)
    }
    expect(client.untaken).toEqual([])
    client.send({ cmd: 'pingreq' })
    await broker.next('pingreq')
    broker.send({ cmd: 'pingresp' })
    await client.next('pingresp')
  })

  test('a broker that does not answer those pings is lost', async () => {
    const { client } = await open(version, [], { connect: { keepalive: 1 } })
    const refused = setInterval(() => client.send(publish('no')), 200)
    await endsWith(client, 0x80)
    clearInterval(refused)
    expect(proxy.ended()).toEqual(['broker_lost'])
  })

  test('a broker that goes away ends it', async () => {
    const { client, broker } = await open(version, [])
    broker.close()
    await endsWith(client, 0x80)
    expect(proxy.ended()).toEqual(['broker_lost'])
  })

  test.each([
    ['a CONNACK again', [0x20, 2, 0, 0]],
    ['a SUBACK nobody asked for', [0x90, 3, 0, 9, 0]],
    ['type 0', [0, 0]],
    ['a SUBSCRIBE', [0x82, 6, 0, 1, 0, 1, 97, 0]],
    ['a PUBACK of one byte', [0x40, 1, 0]],
  ])('a broker that sends %s is no broker', async (_, bytes) => {
    const { client, broker } = await open(version, [])
    broker.send(Buffer.from(bytes))
    await endsWith(client, 0x80)
    expect(proxy.ended()).toEqual(['broker_lost'])
  })

  test('a DISCONNECT of the client goes on and ends both', async () => {
    const { client, broker } = await open(version, [ok])
    client.send(marker, { cmd: 'disconnect' }, publish('ok', { payload: 'late' }))
    await broker.next('publish')
    await broker.next('disconnect')
    await proxy.sessions[0]!.closed
    expect(broker.untaken).toEqual([])
    expect(proxy.ended()).toEqual(['client_disconnect'])
  })

  test('a client that just goes away: the broker gets what it sent, and no DISCONNECT', async () => {
    const { client, broker } = await open(version, [ok])
    client.send(marker)
    client.socket.end()
    await broker.next('publish')
    await broker.closed()
    expect(broker.untaken).toEqual([])
    expect(proxy.ended()).toEqual(['client_gone'])
  })

  test('a stopping proxy waits for what is in flight, then closes without DISCONNECT upstream', async () => {
    const { client, broker } = await open(version, [ok])
    client.send(publish('ok', { qos: 1, messageId: 3 }))
    await broker.next('publish')
    const drained = proxy.sessions[0]!.drain(5000)
    broker.send({ cmd: 'puback', messageId: 3 })
    expect((await client.next('puback')).messageId).toBe(3)
    await endsWith(client, 0x8b)
    await drained
    expect(broker.untaken).toEqual([])
    expect(proxy.ended()).toEqual(['draining'])
  })

  test('a stopping proxy waits no longer than it was told', async () => {
    const { client, broker } = await open(version, [ok])
    client.send(publish('ok', { qos: 1, messageId: 3 }))
    await broker.next('publish')
    const begun = performance.now()
    await proxy.sessions[0]!.drain(200)
    expect(performance.now() - begun).toBeGreaterThan(190)
    await endsWith(client, 0x8b)
  })

  test('a packet left half sent is cut off', async () => {
    await begin({ write_stall_timeout_ms: 200 })
    const { client, broker } = await open(version, [ok], { connect: { keepalive: 0 } })
    client.send(Buffer.from([0x30, 100, 0, 2, 0x6f]))
    await endsWith(client, 0x80)
    await broker.closed()
    expect(proxy.ended()).toEqual(['stalled'])
  })

  test('a client that takes nothing stops the broker’s side, and is cut off in time', async () => {
    await begin({ write_stall_timeout_ms: 1000 })
    const { client, broker } = await open(version, [ok], { connect: { keepalive: 0 } })
    client.socket.pause()
    const payload = Buffer.alloc(1_000_000)
    let sent = 0
    broker.socket.on('drain', () => {})
    for (let i = 0; i < 60; i++) {
      broker.send(publish('ok', { payload }))
      sent += payload.length
    }
    await until(() => proxy.ended().length > 0, 'the stalled client is cut off', 8000)
    expect(proxy.ended()).toEqual(['stalled'])
    const unread = broker.socket.writableLength
    console.log(`stalled client: ${unread} of ${sent} bytes never left the broker`)
    expect(unread).toBeGreaterThan(sent / 3)
  })

  test('a broker that takes nothing stops the client, and is given up in time', async () => {
    await begin({ write_stall_timeout_ms: 1000 })
    const { client, broker } = await open(version, [ok], { connect: { keepalive: 0 } })
    broker.socket.pause()
    const payload = Buffer.alloc(500_000)
    for (let i = 0; i < 80; i++) client.send(publish('ok', { payload }))
    await until(() => proxy.ended().length > 0, 'the session ends', 8000)
    expect(proxy.ended()).toEqual(['broker_lost'])
    const unread = client.socket.writableLength
    console.log(`stalled broker: ${unread} of ${80 * payload.length} bytes never left the client`)
    expect(unread).toBeGreaterThan(10_000_000)
  })

  test('a client that is refused without end and reads no answer is not read either', async () => {
    await begin({ write_stall_timeout_ms: 60_000 })
    const { client } = await open(version, [], { connect: { keepalive: 0 } })
    client.socket.pause()
    const flood: Buffer[] = []
    for (let i = 0; i < 5000; i++) {
      const refused = publish('no', { qos: 1, messageId: 1 + i, payload: '' })
      flood.push(mqtt.generate(refused, { protocolVersion: version }))
    }
    const bytes = Buffer.concat(flood)
    for (let i = 0; i < 400; i++) client.send(bytes)
    let last = -1
    await until(
      async () => {
        const now = proxy.counts.publishDenied
        const same = now === last && now > 0
        last = now
        await new Promise((resolve) => setTimeout(resolve, 100))
        return same
      },
      'mProxy stops reading',
      20_000,
    )
    console.log(`refused flood: ${last} of 2000000 read`)
    expect(last).toBeLessThan(2_000_000)
    expect(client.socket.writableLength).toBeGreaterThan(0)
  }, 40_000)
})

describe('the end of a session', () => {
  test('the broker’s own DISCONNECT is told, but not where else to go', async () => {
    for (const [code, told] of [
      [0x8e, 0x8e],
      [0x9c, 0x80],
    ] as const) {
      const { client, broker } = await open(5, [])
      const properties = code === 0x9c ? { serverReference: 'elsewhere' } : {}
      broker.send({ cmd: 'disconnect', reasonCode: code, properties })
      const disconnect = await client.next('disconnect')
      expect(disconnect.reasonCode).toBe(told)
      expect(disconnect.properties?.serverReference).toBeUndefined()
    }
    expect(proxy.ended()).toEqual(['broker_disconnect', 'broker_disconnect'])
  })

  test('a DISCONNECT may not raise a session expiry of 0, and not exceed the cap', async () => {
    await begin({ session_expiry_max_s: 50 })
    const disconnect: Packet = {
      cmd: 'disconnect',
      reasonCode: 4,
      properties: { sessionExpiryInterval: 500 },
    }
    const first = await open(5, [])
    first.client.send(disconnect)
    expect((await first.client.next('disconnect')).reasonCode).toBe(0x82)
    const second = await open(5, [], {
      connect: { properties: { sessionExpiryInterval: 10 }, clean: false },
    })
    second.client.send(disconnect)
    expect(await second.broker.next('disconnect')).toMatchObject({
      reasonCode: 4,
      properties: { sessionExpiryInterval: 50 },
    })
  })

  test('revoked or stopped before it is open, it is refused and the broker told goodbye', async () => {
    for (const [end, code] of [
      ['revoke', 0x87],
      ['drain', 0x8b],
    ] as const) {
      proxy.tokens.set('token', identify('dev', []))
      const client = await knock(5)
      const broker = await scripted.accept(5)
      wires.push(broker)
      await broker.next('connect')
      const session = proxy.sessions.at(-1)!
      if (end === 'revoke') session.revoke()
      else session.drain(1000)
      expect((await client.next('connack')).reasonCode).toBe(code)
      await broker.next('disconnect')
      await session.closed
    }
    expect(proxy.refused()).toEqual(['revoked', 'draining'])
  })

  test('a verifier that never answers or throws is a service that is not available', async () => {
    for (const verifyDelay of [
      () => new Promise<void>(() => {}),
      () => Promise.reject(new Error('no')),
    ]) {
      const slow = await startProxy(scripted.port, {
        limits: { connect_timeout_ms: 200 },
        verifyDelay,
      })
      const client = await login(slow.port, 5, 'dev')
      wires.push(client)
      expect(client.connack.reasonCode).toBe(0x88)
      await slow.stop()
    }
    expect(scripted.connections).toBe(0)
  })
})
