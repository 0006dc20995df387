// One session between a client and a broker that both say exactly what the test wants: what goes
// on, what does not, what is answered in whose place, and how it ends.

import mqtt, { type Packet } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { createDial } from '../../../proxy-node/transport/upstream.ts'
import { until } from '../fixtures/mosquitto.ts'
import { allow, deny, identify } from '../fixtures/proxy.ts'
import { begin, both, knock, marker, ok, open, proxy, scripted, wires } from '../fixtures/stage.ts'
import { connectPacket, dialWire, publish, subscribe, type Wire } from '../fixtures/wire.ts'

describe.each(both)('CONNECT at level %i', (version) => {
  test('the broker gets no token, and sub as the user name', async () => {
    const { connect } = await open(version, [])
    expect(connect).toMatchObject({ clientId: 'dev', username: 'dev', clean: true, keepalive: 60 })
    expect(connect.password ?? null).toBe(null)
    expect(connect.protocolVersion).toBe(version)
  })

  test('the Will goes on as it was when it is allowed', async () => {
    const will = {
      topic: 'will/dev',
      payload: Buffer.from([0, 255]),
      qos: 1 as const,
      retain: true,
    }
    const { connect } = await open(version, [allow('publish', 'will/+')], { connect: { will } })
    expect(connect.will).toMatchObject(will)
  })

  test.each([
    ['its topic', 'other', 0, false],
    ['its QoS', 'will/dev', 2, false],
    ['its retain', 'will/dev', 0, true],
    ['the reserved topic', '$allauth/token', 0, false],
  ])(
    'a Will that is not allowed for %s is refused and no broker dialled',
    async (_, topic, qos, retain) => {
      const rules = [
        allow('publish', 'will/+', { qos: [0, 1], retain: false }),
        allow('publish', '$allauth/#'),
      ]
      proxy.tokens.set('token', identify('dev', rules))
      const will = { topic, payload: Buffer.from('w'), qos: qos as 0 | 2, retain }
      const client = await knock(version, { will })
      const connack = await client.next('connack')
      expect(version === 5 ? connack.reasonCode : connack.returnCode).toBe(version === 5 ? 0x87 : 5)
      await client.closed()
      expect(scripted.connections).toBe(0)
      expect(proxy.refused()).toEqual(['will'])
    },
  )

  test.each([
    ['bad_signature', 0x86, 4],
    ['malformed', 0x86, 4],
    ['expired', 0x86, 4],
    ['unknown_key', 0x86, 4],
    ['wrong_audience', 0x87, 5],
    ['revoked', 0x87, 5],
    ['bound_token', 0x87, 5],
    ['bad_acl', 0x87, 5],
    ['keys_unavailable', 0x88, 3],
  ] as const)(
    'a token that is %s is refused and no broker dialled',
    async (reason, code5, code3) => {
      proxy.tokens.set('token', reason)
      const client = await knock(version)
      const connack = await client.next('connack')
      expect(version === 5 ? connack.reasonCode : connack.returnCode).toBe(
        version === 5 ? code5 : code3,
      )
      await client.closed()
      expect([scripted.connections, proxy.refused()]).toEqual([0, [reason]])
    },
  )

  test.each([
    ['dev', {}, true],
    ['dev:kitchen', {}, true],
    ['dev:' + 'x'.repeat(64), {}, true],
    ['plc-7', { mqtt_client_id: 'plc-7' }, true],
    ['dev:' + 'x'.repeat(65), {}, false],
    ['dev:', {}, false],
    ['dev:a:b', {}, false],
    ['dev:a/b', {}, false],
    ['device', {}, false],
    ['other', {}, false],
    ['DEV', {}, false],
    ['plc-7', {}, false],
  ])('client id %j with %j: %s', async (clientId, more, good) => {
    proxy.tokens.set('token', identify('dev', [], more))
    const client = await knock(version, { clientId })
    if (good) {
      const broker = await scripted.accept(version)
      wires.push(broker)
      expect((await broker.next('connect')).clientId).toBe(clientId)
    } else {
      const connack = await client.next('connack')
      expect(version === 5 ? connack.reasonCode : connack.returnCode).toBe(version === 5 ? 0x85 : 2)
      await client.closed()
      expect(scripted.connections).toBe(0)
    }
  })

  test('a user name that is not the one in the token is refused', async () => {
    proxy.tokens.set('token', identify('dev', [], { username: 'ann' }))
    const client = await knock(version, { username: 'bob' })
    const connack = await client.next('connack')
    expect(version === 5 ? connack.reasonCode : connack.returnCode).toBe(version === 5 ? 0x86 : 4)
    expect(proxy.refused()).toEqual(['user_name'])
  })

  test('without a token it is refused', async () => {
    const client = await knock(version, { username: undefined, password: undefined })
    const connack = await client.next('connack')
    expect(version === 5 ? connack.reasonCode : connack.returnCode).toBe(version === 5 ? 0x86 : 4)
    expect(proxy.refused()).toEqual(['no_token'])
  })

  test.each([
    ['its credentials', version === 5 ? 0x87 : 5, 0x88, 3],
    ['its user name', version === 5 ? 0x86 : 4, 0x88, 3],
    ['the client id', version === 5 ? 0x85 : 2, 0x85, 2],
    ['while it is busy', version === 5 ? 0x89 : 3, version === 5 ? 0x89 : 0x88, 3],
    ['the version', version === 5 ? 0x84 : 1, 0x84, 1],
  ])('a broker that refuses %s', async (_, brokers, code5, code3) => {
    proxy.tokens.set('token', identify('dev', []))
    const client = await knock(version)
    const broker = await scripted.accept(version)
    wires.push(broker)
    await broker.next('connect')
    const code = version === 5 ? { reasonCode: brokers } : { returnCode: brokers }
    broker.send({ cmd: 'connack', sessionPresent: false, ...code } as Packet)
    const connack = await client.next('connack')
    expect(version === 5 ? connack.reasonCode : connack.returnCode).toBe(
      version === 5 ? code5 : code3,
    )
    await client.closed()
    expect(proxy.refused()).toEqual(['broker_refused'])
  })

  test('a broker that closes before CONNACK, or never answers, is not available', async () => {
    await begin({ broker_timeout_ms: 200 })
    for (const silent of [false, true]) {
      proxy.tokens.set('token', identify('dev', []))
      const client = await knock(version)
      const broker = await scripted.accept(version)
      wires.push(broker)
      await broker.next('connect')
      if (!silent) broker.close()
      const connack = await client.next('connack')
      expect(version === 5 ? connack.reasonCode : connack.returnCode).toBe(version === 5 ? 0x88 : 3)
    }
    expect(proxy.refused()).toEqual(['broker_unreachable', 'broker_unreachable'])
  })

  test('what the client does not wait with reaches the broker after CONNACK went out', async () => {
    proxy.tokens.set('token', identify('dev', [ok]))
    const client = await dialWire(proxy.port, version)
    wires.push(client)
    client.send(connectPacket(version), publish('no'), marker)
    const broker = await scripted.accept(version)
    wires.push(broker)
    await broker.next('connect')
    client.send(marker)
    expect(broker.untaken).toEqual([])
    const code = version === 5 ? { reasonCode: 0 } : { returnCode: 0 }
    broker.send({ cmd: 'connack', sessionPresent: false, ...code } as Packet)
    await client.next('connack')
    expect((await broker.next('publish')).topic).toBe('ok')
    expect((await broker.next('publish')).topic).toBe('ok')
  })

  test('a slow CONNECT is closed at its deadline and nothing is dialled', async () => {
    await begin({ connect_timeout_ms: 150 })
    const client = await dialWire(proxy.port, version)
    const bytes = mqtt.generate(connectPacket(version), { protocolVersion: version })
    client.send(bytes.subarray(0, bytes.length - 1))
    await client.closed()
    expect([proxy.refused(), scripted.connections]).toEqual([['connect_timeout'], 0])
  })

  test('its bytes one by one are a CONNECT too', async () => {
    proxy.tokens.set('token', identify('dev', []))
    const client = await dialWire(proxy.port, version)
    wires.push(client)
    for (const byte of mqtt.generate(connectPacket(version), { protocolVersion: version })) {
      client.send(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    const broker = await scripted.accept(version)
    wires.push(broker)
    expect((await broker.next('connect')).clientId).toBe('dev')
  })
})

describe('CONNECT', () => {
  test('an empty client id is assigned and told to an MQTT 5 client', async () => {
    const { connect, connack } = await open(5, [], { connect: { clientId: '' } })
    expect(connect.clientId).toMatch(/^dev:[A-Za-z0-9_-]{12}$/)
    expect(connack.properties?.assignedClientIdentifier).toBe(connect.clientId)
  })

  test('an empty client id in 3.1.1 needs a clean session', async () => {
    const { connect } = await open(4, [], { connect: { clientId: '' } })
    expect(connect.clientId).toMatch(/^dev:/)
    proxy.tokens.set('token', identify('dev', []))
    const client = await dialWire(proxy.port, 4)
    wires.push(client)
    const bytes = mqtt.generate(connectPacket(4, { clientId: '' }))
    bytes[9]! &= ~2 // mqtt-packet does not write this one
    client.send(bytes)
    expect((await client.next('connack')).returnCode).toBe(2)
  })

  test('a sub with a colon is refused from a foreign issuer', async () => {
    proxy.tokens.set('token', identify('dev:x', [], { foreign: true }))
    const client = await knock(5, { clientId: 'dev:x' })
    expect((await client.next('connack')).reasonCode).toBe(0x85)
  })

  test('the token may come as OAUTH2-JWT authentication data, and none of it goes on', async () => {
    const properties = {
      authenticationMethod: 'OAUTH2-JWT',
      authenticationData: Buffer.from('token'),
      topicAliasMaximum: 9,
      receiveMaximum: 7,
      userProperties: { a: 'b' },
    }
    const { connect, connack } = await open(5, [], {
      connect: { password: undefined, username: undefined, properties },
    })
    expect(connack.properties?.authenticationMethod).toBe('OAUTH2-JWT')
    expect(connect.properties).toMatchObject({ receiveMaximum: 7, userProperties: { a: 'b' } })
    expect(connect.properties?.authenticationMethod).toBeUndefined()
    expect(connect.properties?.authenticationData).toBeUndefined()
    expect(connect.properties?.topicAliasMaximum ?? 0).toBe(0)
  })

  test('another authentication method is refused', async () => {
    const client = await knock(5, { properties: { authenticationMethod: 'SCRAM-SHA-1' } })
    expect((await client.next('connack')).reasonCode).toBe(0x8c)
  })

  test('session expiry, keep-alive, packet size and aliases are lowered and told', async () => {
    await begin({
      session_expiry_max_s: 100,
      keepalive_max_s: 30,
      packet_max: 5000,
      topic_alias_max: 4,
    })
    const { connect, connack } = await open(5, [], {
      connect: { keepalive: 0, clean: false, properties: { sessionExpiryInterval: 0xffffffff } },
      connack: { properties: { topicAliasMaximum: 20, maximumPacketSize: 9000 } },
    })
    expect(connect).toMatchObject({ keepalive: 30, properties: { sessionExpiryInterval: 100 } })
    expect(connack.properties).toMatchObject({
      sessionExpiryInterval: 100,
      serverKeepAlive: 30,
      maximumPacketSize: 5000,
      topicAliasMaximum: 4,
    })
  })

  test('a smaller maximum of the broker holds', async () => {
    const { connack } = await open(5, [], {
      connack: {
        properties: {
          topicAliasMaximum: 2,
          maximumPacketSize: 400,
          serverKeepAlive: 20,
          serverReference: 'elsewhere:1883',
          reasonString: 'hello',
        },
      },
    })
    expect(connack.properties).toMatchObject({
      topicAliasMaximum: 2,
      maximumPacketSize: 400,
      serverKeepAlive: 20,
      reasonString: 'hello',
    })
    expect(connack.properties?.serverReference).toBeUndefined()
  })

  test.each([
    ['accepts', 0],
    ['refuses the version', 1],
  ])('a broker that answers in 3.1.1 and %s is of no use to an MQTT 5 client', async (_, code) => {
    proxy.tokens.set('token', identify('dev', []))
    const client = await knock(5)
    const broker = await scripted.accept(5)
    wires.push(broker)
    await broker.next('connect')
    broker.send(Buffer.from([0x20, 2, 0, code]))
    expect((await client.next('connack')).reasonCode).toBe(0x84)
  })

  test('credentials in the broker address are used', async () => {
    const address = { host: '127.0.0.1', port: scripted.port, tls: false }
    await begin({}, createDial([{ ...address, username: 'u', password: 'p' }]))
    const { connect } = await open(5, [])
    expect([connect.username, String(connect.password)]).toEqual(['u', 'p'])
  })

  test('another broker address is tried when the first is down, and a dead one gives 0x88', async () => {
    const dead = { host: '127.0.0.1', port: 1, tls: false }
    await begin({}, createDial([dead, { ...dead, port: scripted.port }]))
    await open(5, [])
    await begin({}, createDial([dead]))
    proxy.tokens.set('token', identify('dev', []))
    const client = await knock(5)
    expect((await client.next('connack')).reasonCode).toBe(0x88)
    expect(proxy.refused()).toEqual(['broker_unreachable'])
  })

  const bytes5 = (flags: number, rest: number[]) => {
    const body = [0, 4, 77, 81, 84, 84, 5, flags, 0, 60, ...rest]
    return Buffer.from([0x10, body.length, ...body])
  }
  const bytes4 = (flags: number, rest: number[]) => {
    const body = [0, 4, 77, 81, 84, 84, 4, flags, 0, 60, ...rest]
    return Buffer.from([0x10, body.length, ...body])
  }
  const id = [0, 3, 100, 101, 118]
  test.each([
    [
      'another protocol name',
      Buffer.from([0x10, 12, 0, 4, 77, 81, 84, 88, 5, 2, 0, 0, 0, 0]),
      null,
    ],
    [
      'MQTT 3.1',
      Buffer.from([0x10, 14, 0, 6, 77, 81, 73, 115, 100, 112, 3, 2, 0, 0, 0, 0]),
      [0x20, 2, 0, 1],
    ],
    [
      'the bridge bit',
      Buffer.from([0x10, 12, 0, 4, 77, 81, 84, 84, 0x84, 2, 0, 0, 0, 0]),
      [0x20, 2, 0, 1],
    ],
    ['level 6', Buffer.from([0x10, 13, 0, 4, 77, 81, 84, 84, 6, 2, 0, 0, 0, 0, 0]), 0x84],
    ['the reserved flag', bytes5(0x03, [0, ...id]), 0x81],
    ['Will QoS 3', bytes5(0x1e, [0, ...id, 0, 0, 1, 97, 0, 0]), 0x81],
    ['Will QoS without a Will', bytes5(0x0a, [0, ...id]), 0x81],
    ['Will Retain without a Will', bytes4(0x22, id), null],
    ['a password without a user name in 3.1.1', bytes4(0x42, [...id, 0, 1, 97]), null],
    ['bytes left over', bytes5(0x02, [0, ...id, 0]), 0x81],
    ['a client id that is no text', bytes5(0x02, [0, 0, 1, 0xff]), 0x81],
    ['a client id with NUL', bytes5(0x02, [0, 0, 1, 0]), 0x81],
    ['a user name cut off', bytes5(0x82, [0, ...id, 0, 9, 97]), 0x81],
    ['a property twice', bytes5(0x02, [6, 0x21, 0, 1, 0x21, 0, 1, ...id]), 0x82],
    ['authentication data without a method', bytes5(0x02, [4, 0x16, 0, 1, 97, ...id]), 0x82],
    [
      'a Will property that Wills have not',
      bytes5(0x06, [0, ...id, 3, 0x23, 0, 1, 0, 1, 97, 0, 0]),
      0x81,
    ],
    [
      'a longer length than needed',
      Buffer.from([0x10, 0x90, 0, ...bytes5(0x02, [0, ...id]).subarray(2)]),
      0x81,
    ],
    ['an empty one', Buffer.from([0x10, 0]), null],
    ['a too large one', Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]), null],
    ['a PUBLISH first', Buffer.from([0x30, 3, 0, 1, 97]), null],
  ])('%s is refused and no broker dialled', async (_, bytes, answer) => {
    const client = await dialWire(proxy.port, 5)
    wires.push(client)
    client.send(bytes)
    await client.closed()
    const got = Buffer.concat(client.bytes)
    if (answer === null) expect(got).toHaveLength(0)
    else if (Array.isArray(answer)) expect([...got]).toEqual(answer)
    else expect([got[0], got[3]]).toEqual([0x20, answer])
    expect(scripted.connections).toBe(0)
  })

  test('a Will whose topic has a wildcard is malformed', async () => {
    proxy.tokens.set('token', identify('dev', [allow('publish', '#')]))
    const body = [0, 4, 77, 81, 84, 84, 5, 0xc6, 0, 60, 0, ...id, 0, 0, 1, 0x23, 0, 0]
    const credentials = [0, 1, 97, 0, 5, 116, 111, 107, 101, 110]
    const client = await dialWire(proxy.port, 5)
    wires.push(client)
    client.send(Buffer.from([0x10, body.length + credentials.length, ...body, ...credentials]))
    expect((await client.next('connack')).reasonCode).toBe(0x81)
    expect(scripted.connections).toBe(0)
  })
})

describe.each(both)('PUBLISH at level %i', (version) => {
  test('an allowed one goes on byte for byte, a refused QoS 0 is dropped', async () => {
    const { client, broker } = await open(version, [allow('publish', 'a/+'), ok])
    const sent = mqtt.generate(publish('a/é', { qos: 2, messageId: 9, retain: true }), {
      protocolVersion: version,
    })
    const before = Buffer.concat(broker.bytes).length
    client.send(sent, publish('b'), marker)
    expect((await broker.next('publish')).topic).toBe('a/é')
    expect((await broker.next('publish')).topic).toBe('ok')
    const after = Buffer.concat(broker.bytes).subarray(before)
    expect(after.subarray(0, sent.length)).toEqual(sent)
    expect(proxy.counts).toMatchObject({ publishAllowed: 2, publishDenied: 1 })
  })

  test('refused QoS 1 and 2 are answered here and no id of theirs reaches the broker', async () => {
    const { client, broker } = await open(version, [ok])
    const refusal = version === 5 ? 0x87 : 0
    client.send(publish('b', { qos: 1, messageId: 11 }))
    const puback = await client.next('puback')
    expect([puback.messageId, puback.reasonCode ?? 0]).toEqual([11, refusal])
    client.send(publish('b', { qos: 2, messageId: 12 }))
    const pubrec = await client.next('pubrec')
    expect([pubrec.messageId, pubrec.reasonCode ?? 0]).toEqual([12, refusal])
    client.send({ cmd: 'pubrel', messageId: 12 })
    const pubcomp = await client.next('pubcomp')
    expect([pubcomp.messageId, pubcomp.reasonCode ?? 0]).toEqual([12, version === 5 ? 0x92 : 0])
    if (version === 4) {
      client.send(
        publish('b', { qos: 2, messageId: 13 }),
        publish('b', { qos: 2, messageId: 13, dup: true }),
      )
      await client.next('pubrec')
      await client.next('pubrec')
    }
    client.send(marker)
    expect((await broker.next('publish')).topic).toBe('ok')
    expect(broker.untaken).toEqual([])
  })

  test('an exchange of QoS 2 passes whole', async () => {
    const { client, broker } = await open(version, [ok])
    client.send(publish('ok', { qos: 2, messageId: 5 }))
    await broker.next('publish')
    broker.send({ cmd: 'pubrec', messageId: 5 })
    await client.next('pubrec')
    client.send({ cmd: 'pubrel', messageId: 5 })
    expect((await broker.next('pubrel')).messageId).toBe(5)
    broker.send({ cmd: 'pubcomp', messageId: 5 })
    expect((await client.next('pubcomp')).messageId).toBe(5)
  })

  test('retain and QoS are permissions of their own', async () => {
    const rules = [allow('publish', 'r', { retain: false, qos: [0, 1] }), ok]
    const { client, broker } = await open(version, rules)
    client.send(publish('r', { retain: true }), publish('r', { qos: 2, messageId: 4 }), marker)
    expect((await broker.next('publish')).topic).toBe('ok')
    expect(proxy.counts.publishDenied).toBe(2)
  })

  test('a large one is judged at its head, and streamed or dropped with all its bytes', async () => {
    const { client, broker } = await open(version, [ok, allow('publish', 'big/yes')])
    const payload = Buffer.alloc(300_000, 7)
    client.send(publish('big/no', { payload, qos: 1, messageId: 8 }))
    client.send(publish('big/yes', { payload }), marker)
    expect((await client.next('puback')).reasonCode ?? 0).toBe(version === 5 ? 0x87 : 0)
    const arrived = await broker.next('publish')
    expect([arrived.topic, Buffer.from(arrived.payload).equals(payload)]).toEqual(['big/yes', true])
    expect((await broker.next('publish')).topic).toBe('ok')
  })

  test('the head of a large one is on its way before its end has come', async () => {
    const { client, broker } = await open(version, [ok])
    const bytes = mqtt.generate(publish('ok', { payload: Buffer.alloc(500_000) }), {
      protocolVersion: version,
    })
    const before = Buffer.concat(broker.bytes).length
    client.send(bytes.subarray(0, 100_000))
    await until(() => Buffer.concat(broker.bytes).length - before === 100_000, 'the head goes on')
    client.send(bytes.subarray(100_000))
    expect((await broker.next('publish')).topic).toBe('ok')
  })

  test('no packet of our own gets into a large one that is half out, in either direction', async () => {
    const { client, broker } = await open(version, [ok])
    const large = mqtt.generate(publish('ok', { payload: Buffer.alloc(200_000, 0xe0) }), {
      protocolVersion: version,
    })
    const [head, rest] = [large.subarray(0, 100_000), large.subarray(100_000)]
    const arrived = (wire: Wire) => Buffer.concat(wire.bytes)
    const begun = [arrived(client).length, arrived(broker).length] as const
    client.send(head)
    broker.send(head)
    await until(() => arrived(client).length - begun[0] >= head.length, 'half is delivered')
    await until(() => arrived(broker).length - begun[1] >= head.length, 'half is published')
    // Refused on one side, which is answered on the same side: behind what is half out there.
    broker.send(rest)
    await client.next('publish')
    broker.send(publish('no', { qos: 1, messageId: 1 }))
    await until(() => proxy.counts.deliveryDenied === 1, 'the delivery is refused')
    broker.send(head)
    client.send(rest)
    await broker.next('publish')
    expect((await broker.next('puback')).messageId).toBe(1)
    await until(() => arrived(client).length - begun[0] >= large.length + head.length, 'half again')
    client.send(publish('no', { qos: 1, messageId: 2 }))
    await until(() => proxy.counts.publishDenied === 1, 'the message is refused')
    broker.send(rest)
    const delivered = await client.next('publish')
    expect((delivered.payload as Buffer).every((byte) => byte === 0xe0)).toBe(true)
    expect((await client.next('puback')).messageId).toBe(2)
  })

  test.each([
    ['a wildcard in the topic', [0x30, 5, 0, 3, 97, 47, 43], 0x81],
    ['NUL in the topic', [0x30, 4, 0, 2, 97, 0], 0x81],
    ['an overlong topic', [0x30, 4, 0, 2, 0xc0, 0xaf], 0x81],
    ['a surrogate in the topic', [0x30, 5, 0, 3, 0xed, 0xa0, 0x80], 0x81],
    ['a topic longer than the packet', [0x30, 3, 0, 9, 97], 0x81],
    ['packet id 0', [0x32, 5, 0, 1, 97, 0, 0], 0x82],
    ['DUP with QoS 0', [0x38, 3, 0, 1, 97], 0x81],
    ['no packet id', [0x32, 3, 0, 1, 97], 0x81],
    ['a second CONNECT', [0x10, 12, 0, 4, 77, 81, 84, 84, 4, 2, 0, 0, 0, 0], 0x82],
    ['a CONNACK', [0x20, 2, 0, 0], 0x82],
    ['a SUBACK', [0x90, 3, 0, 1, 0], 0x82],
    ['a PINGRESP', [0xd0, 0], 0x82],
    ['a PINGREQ with a body', [0xc0, 1, 0], 0x81],
    ['a SUBSCRIBE without filters', [0x82, 2, 0, 1], 0x82],
    ['a PUBACK of id 0', [0x40, 2, 0, 0], 0x82],
    ['a PUBACK of one byte', [0x40, 1, 1], 0x81],
    ['type 0', [0x00, 0], 0x81],
    ['a packet that is too large', [0x30, 0xff, 0xff, 0xff, 0x7f], 0x95],
  ])('%s ends the session and reaches no broker', async (_, bytes, code) => {
    const { client, broker } = await open(version, [allow('all', '#')])
    const five = version === 5 && (bytes[0]! & 0xf0) === 0x30 && bytes[1]! < 0x80
    // An MQTT 5 PUBLISH has a property section too, here an empty one.
    const sent = five ? [bytes[0]!, bytes[1]! + 1, ...bytes.slice(2), 0] : bytes
    if (bytes[0] === 0x82 && version === 5) sent.splice(0, sent.length, 0x82, 3, 0, 1, 0)
    const before = broker.packets.length
    client.send(Buffer.from(sent))
    await client.closed()
    await broker.closed()
    expect(broker.packets.length).toBe(before)
    const last = client.packets.at(-1)!
    if (version === 5)
      expect([last.cmd, (last as { reasonCode?: number }).reasonCode]).toEqual(['disconnect', code])
    else expect(last.cmd).toBe('connack')
  })
})

describe('PUBLISH', () => {
  test('a setting closes a 3.1.1 client that publishes what it may not', async () => {
    await begin({ denied_publish_3: 'close' })
    const { client } = await open(4, [ok])
    client.send(publish('b'), publish('b', { qos: 1, messageId: 1 }))
    await client.closed()
    expect(proxy.ended()).toEqual(['publish_denied'])
  })

  test('ids of refused QoS 2 messages are held up to a bound', async () => {
    await begin({ inflight_qos2_max: 3 })
    const { client } = await open(4, [ok])
    for (let i = 1; i <= 4; i++) client.send(publish('b', { qos: 2, messageId: i }))
    await client.closed()
    expect(client.packets.filter((p) => p.cmd === 'pubrec')).toHaveLength(3)
    expect(proxy.ended()).toEqual(['quota_exceeded'])
  })

  test('a Response Topic must be one the sender may receive', async () => {
    const rules = [allow('publish', 'q'), allow('subscribe', 'r/#'), ok]
    const { client, broker } = await open(5, rules)
    client.send(
      publish('q', { properties: { responseTopic: 'secret' }, qos: 1, messageId: 1 }),
      publish('q', { properties: { responseTopic: '$allauth/token' }, qos: 1, messageId: 2 }),
      publish('q', { properties: { responseTopic: 'r/1' }, qos: 1, messageId: 3 }),
    )
    expect((await client.next('puback')).reasonCode).toBe(0x87)
    expect((await client.next('puback')).reasonCode).toBe(0x87)
    expect((await broker.next('publish')).messageId).toBe(3)
    client.send(publish('q', { properties: { responseTopic: 'r/#' } }))
    expect((await client.next('disconnect')).reasonCode).toBe(0x81)
  })

  test('a topic of too many levels is answered 0x90 and the session goes on', async () => {
    await begin({ topic_levels_max: 3 })
    const { client, broker } = await open(5, [allow('all', '#')])
    client.send(publish('a/b/c/d', { qos: 1, messageId: 1 }), publish('a/b/c'))
    expect((await client.next('puback')).reasonCode).toBe(0x90)
    expect((await broker.next('publish')).topic).toBe('a/b/c')
  })
})

describe('topic aliases', () => {
  const aliases = { connack: { properties: { topicAliasMaximum: 5 } } }
  const alias = (topic: string, topicAlias: number, more = {}) =>
    publish(topic, { properties: { topicAlias }, ...more })

  test('an alias is judged by its topic, and passes as it is where both sides know it', async () => {
    const { client, broker } = await open(5, [allow('publish', 'a')], aliases)
    client.send(alias('a', 1), alias('', 1))
    expect(await broker.next('publish')).toMatchObject({
      topic: 'a',
      properties: { topicAlias: 1 },
    })
    expect(await broker.next('publish')).toMatchObject({ topic: '', properties: { topicAlias: 1 } })
  })

  test('the trap: an alias that a refused PUBLISH took over never delivers to the old topic', async () => {
    const { client, broker } = await open(5, [allow('publish', 'a'), ok], aliases)
    client.send(alias('a', 1), alias('b', 1), alias('', 1, { qos: 1, messageId: 6 }), marker)
    expect((await broker.next('publish')).topic).toBe('a')
    expect((await client.next('puback')).reasonCode).toBe(0x87)
    expect((await broker.next('publish')).topic).toBe('ok')
    // Back to the allowed topic: the broker's alias was never changed, and is named again anyway.
    client.send(alias('a', 1), alias('', 1))
    expect((await broker.next('publish')).topic).toBe('a')
    expect((await broker.next('publish')).topic).toBe('')
  })

  test('an alias known only from a refused PUBLISH goes out with its topic', async () => {
    const { client, broker } = await open(5, [allow('publish', 'a', { qos: [0] })], aliases)
    client.send(alias('a', 2, { qos: 1, messageId: 1 }))
    expect((await client.next('puback')).reasonCode).toBe(0x87)
    client.send(alias('', 2, { payload: 'p' }), alias('', 2))
    expect(await broker.next('publish')).toMatchObject({
      topic: 'a',
      properties: { topicAlias: 2 },
    })
    expect((await broker.next('publish')).topic).toBe('')
  })

  test('a large PUBLISH by such an alias is streamed with its topic', async () => {
    const { client, broker } = await open(5, [allow('publish', 'a', { qos: [0] })], aliases)
    client.send(alias('a', 2, { qos: 1, messageId: 1 }))
    const payload = Buffer.alloc(200_000, 3)
    client.send(alias('', 2, { payload }), alias('', 2))
    const large = await broker.next('publish')
    expect([large.topic, Buffer.from(large.payload).equals(payload)]).toEqual(['a', true])
    expect((await broker.next('publish')).topic).toBe('')
  })

  test.each([
    ['never set', '', 3, 0x82],
    ['0', 'a', 0, 0x94],
    ['above the maximum', 'a', 6, 0x94],
  ])('an alias that is %s ends the session', async (_, topic, topicAlias, code) => {
    const { client, broker } = await open(5, [allow('publish', '#')], aliases)
    const section = [3, 0x23, 0, topicAlias]
    const body = [0, topic.length, ...Buffer.from(topic), ...section]
    client.send(Buffer.from([0x30, body.length, ...body]))
    expect((await client.next('disconnect')).reasonCode).toBe(code)
    await broker.closed()
    expect(broker.untaken).toEqual([])
  })

  test('an empty topic without an alias ends the session', async () => {
    const { client } = await open(5, [allow('publish', '#')], aliases)
    client.send(Buffer.from([0x30, 3, 0, 0, 0]))
    expect((await client.next('disconnect')).reasonCode).toBe(0x82)
  })

  test('a broker that uses an alias, though none was offered, is cut off', async () => {
    const { client, broker } = await open(5, [allow('subscribe', '#')], aliases)
    broker.send(Buffer.from([0x30, 6, 0, 0, 3, 0x23, 0, 1]))
    expect((await client.next('disconnect')).reasonCode).toBe(0x80)
  })
})

describe.each(both)('SUBSCRIBE at level %i', (version) => {
  const failure = (code: number) => (version === 5 ? code : 0x80)
  test('a partly allowed one is forwarded in part and answered once, in order', async () => {
    const { client, broker } = await open(version, [allow('subscribe', 'a/#', { qos: [0, 1] })])
    client.send(subscribe(21, 'b', 'a/1', '#', 'a/\x01', 'a/2', '$share/g/a/3', 'a/'.repeat(130)))
    const forwarded = await broker.next('subscribe')
    expect(forwarded.messageId).toBe(21)
    expect(forwarded.subscriptions.map((s) => s.topic)).toEqual(['a/1', 'a/2', '$share/g/a/3'])
    broker.send({ cmd: 'suback', messageId: 21, granted: [1, failure(0x97), 0] } as Packet)
    const suback = await client.next('suback')
    expect(suback.messageId).toBe(21)
    expect(suback.granted).toEqual([
      failure(0x87),
      1,
      failure(0x87),
      failure(0x8f),
      failure(0x97),
      0,
      failure(0x8f),
    ])
    expect(proxy.counts).toMatchObject({ subscribeAllowed: 3, subscribeDenied: 4 })
  })

  test('one refused whole is answered here', async () => {
    const { client, broker } = await open(version, [
      deny('subscribe', 'secret/#'),
      allow('all', '#'),
    ])
    client.send(subscribe(22, '#', 'secret/1'), marker)
    expect((await client.next('suback')).granted).toEqual([failure(0x87), failure(0x87)])
    expect((await broker.next('publish')).topic).toBe('ok')
  })

  test('one with too many filters is refused and the session goes on', async () => {
    await begin({ subscriptions_per_packet: 2 })
    const { client, broker } = await open(version, [allow('all', '#')])
    client.send(subscribe(23, 'a', 'b', 'c'), subscribe(24, 'a', 'b'))
    expect((await client.next('suback')).granted).toEqual(Array(3).fill(failure(0x97)))
    expect((await broker.next('subscribe')).messageId).toBe(24)
  })

  test('an UNSUBSCRIBE passes, without the filters that no broker should see', async () => {
    const { client, broker } = await open(version, [])
    client.send({
      cmd: 'unsubscribe',
      messageId: 30,
      unsubscriptions: ['a', 'b/\x01/c', '$share/g/b'],
    })
    expect((await broker.next('unsubscribe')).unsubscriptions).toEqual(['a', '$share/g/b'])
    broker.send({ cmd: 'unsuback', messageId: 30, granted: version === 5 ? [0, 17] : [] } as Packet)
    const unsuback = await client.next('unsuback')
    expect(unsuback.messageId).toBe(30)
    if (version === 5) expect(unsuback.granted).toEqual([0, 0x8f, 17])
  })

  test('more than the broker has answered wait unread', async () => {
    await begin({ inflight_subscribes_max: 2 })
    const { client, broker } = await open(version, [allow('all', '#')])
    client.send(subscribe(1, 'a'), subscribe(2, 'b'), subscribe(3, 'c'))
    await broker.next('subscribe')
    await broker.next('subscribe')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(broker.untaken).toEqual([])
    broker.send({ cmd: 'suback', messageId: 1, granted: [0] })
    expect((await broker.next('subscribe')).messageId).toBe(3)
  })

  test.each([
    ['a filter that is no text', [0x82, 6, 0, 1, 0, 1, 0xff, 0], 0x81],
    ['QoS 3', [0x82, 6, 0, 1, 0, 1, 97, 3], version === 5 ? 0x82 : 0x81],
    ['reserved options', [0x82, 6, 0, 1, 0, 1, 97, 0xc0], 0x81],
    ['options cut off', [0x82, 5, 0, 1, 0, 1, 97], 0x81],
    ['id 0', [0x82, 6, 0, 0, 0, 1, 97, 0], 0x82],
  ])('%s ends the session', async (_, bytes, code) => {
    const { client, broker } = await open(version, [allow('all', '#')])
    const sent =
      version === 5 ? [0x82, bytes[1]! + 1, bytes[2]!, bytes[3]!, 0, ...bytes.slice(4)] : bytes
    client.send(Buffer.from(sent))
    await client.closed()
    await broker.closed()
    expect(broker.untaken).toEqual([])
    if (version === 5) expect((await client.next('disconnect')).reasonCode).toBe(code)
  })
})

describe.each(both)('deliveries at level %i', (version) => {
  test('those that the token does not allow are dropped, and answered in the client’s place', async () => {
    const { client, broker } = await open(version, [ok])
    broker.send(publish('no'), publish('no', { qos: 1, messageId: 1 }))
    broker.send(publish('no', { qos: 2, messageId: 2 }), marker)
    expect((await broker.next('puback')).messageId).toBe(1)
    expect((await broker.next('pubrec')).messageId).toBe(2)
    broker.send({ cmd: 'pubrel', messageId: 2 })
    expect((await broker.next('pubcomp')).messageId).toBe(2)
    expect((await client.next('publish')).topic).toBe('ok')
    expect(client.untaken).toEqual([])
    expect(proxy.counts).toMatchObject({ deliveryDenied: 3, deliveryAllowed: 1 })
  })

  test('a refused one is acknowledged after those that came before it', async () => {
    const { client, broker } = await open(version, [ok])
    broker.send(
      publish('ok', { qos: 1, messageId: 1 }),
      publish('no', { qos: 1, messageId: 2 }),
      publish('ok', { qos: 1, messageId: 3 }),
      publish('no', { qos: 1, messageId: 4 }),
    )
    await client.next('publish')
    await client.next('publish')
    client.send({ cmd: 'puback', messageId: 1 })
    expect((await broker.next('puback')).messageId).toBe(1)
    expect((await broker.next('puback')).messageId).toBe(2)
    expect(broker.untaken).toEqual([])
    client.send({ cmd: 'puback', messageId: 3 })
    expect((await broker.next('puback')).messageId).toBe(3)
    expect((await broker.next('puback')).messageId).toBe(4)
  })

  test('a large refused one is dropped with all its bytes', async () => {
    const { client, broker } = await open(version, [ok])
    broker.send(publish('no', { payload: Buffer.alloc(300_000), qos: 1, messageId: 1 }), marker)
    expect((await broker.next('puback')).messageId).toBe(1)
    expect((await client.next('publish')).topic).toBe('ok')
  })

  test('a topic that is no text, the reserved one, or $SYS without a rule goes to nobody', async () => {
    const { client, broker } = await open(version, [
      allow('subscribe', '#'),
      allow('subscribe', '$allauth/#'),
    ])
    const section = version === 5 ? [0] : []
    broker.send(Buffer.from([0x30, 4 + section.length, 0, 2, 0xc0, 0xaf, ...section]))
    broker.send(publish('$allauth/token'), publish('$SYS/x'), marker)
    expect((await client.next('publish')).topic).toBe('ok')
    expect(client.packets.filter((p) => p.cmd === 'publish')).toHaveLength(1)
  })
})

describe('deliveries', () => {
  test('by setting, a refused one in a resumed session cleans it at the broker', async () => {
    await begin({ denied_resumed_delivery: 'clean' })
    const fresh = await open(5, [ok])
    fresh.broker.send(publish('no'), marker)
    await fresh.client.next('publish')
    const resumed = await open(5, [ok], { connack: { sessionPresent: true } })
    resumed.broker.send(marker, publish('no', { qos: 1, messageId: 1 }), marker)
    expect((await resumed.client.next('publish')).topic).toBe('ok')
    expect((await resumed.client.next('disconnect')).reasonCode).toBe(0x87)
    expect(await resumed.broker.next('disconnect')).toMatchObject({
      reasonCode: 0,
      properties: { sessionExpiryInterval: 0 },
    })
    expect(proxy.ended()).toEqual(['delivery_denied'])
  })
})
