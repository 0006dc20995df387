// Statements of MQTT 3.1.1 and 5.0 that no other test of a session holds. docs/mproxy.md has all of
// them, each with its test.

import type { Packet } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { allow, identify } from '../fixtures/proxy.ts'
import { begin, both, knock, marker, ok, open, proxy, scripted, wires } from '../fixtures/stage.ts'
import { connectPacket, dialWire, publish, subscribe, type Version } from '../fixtures/wire.ts'

const text = (value: string) => {
  const bytes = Buffer.from(value)
  return [bytes.length >> 8, bytes.length & 0xff, ...bytes]
}
const packet = (first: number, ...body: number[]) => Buffer.from([first, body.length, ...body])
const codeOf = (answer: Packet) => {
  const { reasonCode, returnCode } = answer as { reasonCode?: number; returnCode?: number }
  return reasonCode ?? returnCode ?? 0
}

describe.each(both)('a CONNECT at level %i', (version) => {
  const section = version === 5 ? [0] : []
  const id = text('dev')
  const noText = [0, 1, 0xff]
  test.each([
    ['without a client id', 0x02, []],
    ['with a Will flag and no Will', 0x06, id],
    ['with a Will and no Will flag', 0x02, [...id, ...section, ...text('w'), 0, 0]],
    ['whose Will topic is no text', 0x06, [...id, ...section, ...noText, 0, 0]],
    ['whose Will ends in its payload', 0x06, [...id, ...section, ...text('w'), 0, 9, 1]],
    ['with a user name flag and no user name', 0x82, id],
    ['with a user name and no flag', 0x02, [...id, ...text('u')]],
    ['whose user name is no text', 0x82, [...id, ...noText]],
    ['with a password flag and no password', 0xc2, [...id, ...text('u')]],
    ['with a password and no flag', 0x82, [...id, ...text('u'), ...text('token')]],
  ])('%s is malformed and no broker is dialled', async (_, flags, payload) => {
    proxy.tokens.set('token', identify('dev', [allow('all', '#')]))
    const client = await dialWire(proxy.port, version)
    wires.push(client)
    client.send(packet(0x10, ...text('MQTT'), version, flags, 0, 60, ...section, ...payload))
    await client.closed()
    const got = [...Buffer.concat(client.bytes)]
    expect(got).toEqual(version === 5 ? [0x20, 3, 0, 0x81, 0] : [])
    expect(scripted.connections).toBe(0)
  })

  test('that ends in its first fields is closed, whatever comes behind it', async () => {
    const client = await dialWire(proxy.port, version)
    wires.push(client)
    const cut = packet(0x10, ...text('MQTT'), version, 0x02)
    client.send(Buffer.concat([cut, Buffer.from([0, 60, ...section, ...id])]))
    await client.closed()
    expect([client.bytes, scripted.connections]).toEqual([[], 0])
  })

  test('that is refused is answered once, and nothing behind it is taken', async () => {
    const client = await dialWire(proxy.port, version)
    wires.push(client)
    client.send(connectPacket(version), marker, connectPacket(version), { cmd: 'pingreq' })
    await client.closed()
    expect(client.packets.map((answer) => answer.cmd)).toEqual(['connack'])
    expect(codeOf(client.packets[0]!)).toBe(version === 5 ? 0x86 : 4)
    expect(scripted.connections).toBe(0)
  })

  test.each([true, false])(
    'says to the broker whether the session begins anew, and hears whether it did: %s',
    async (isResumed) => {
      const { connect, connack } = await open(version, [], {
        connect: { clean: !isResumed },
        connack: { sessionPresent: isResumed },
      })
      expect(connect.clean).toBe(!isResumed)
      expect(connack.sessionPresent).toBe(isResumed)
    },
  )

  /** The client's CONNACK where the broker's is `answer`, with empty properties. */
  const hears = (answer: number[]) => hearsOf(packet(0x20, ...answer, ...section))

  /** The same where the broker sends `bytes`. */
  async function hearsOf(bytes: Buffer) {
    proxy.tokens.set('token', identify('dev', []))
    const client = await knock(version)
    const broker = await scripted.accept(version)
    wires.push(broker)
    await broker.next('connect')
    broker.send(bytes)
    await client.closed()
    expect(client.packets).toHaveLength(1)
    return [...Buffer.concat(client.bytes).subarray(2, 4)]
  }

  test('that the broker refuses never says that a session is present', async () => {
    expect(await hears([1, version === 5 ? 0x97 : 3])).toEqual([0, version === 5 ? 0x97 : 3])
  })

  const twice = [0x21, 0, 1, 0x21, 0, 1]
  test.each([
    ['flags which no CONNACK has', packet(0x20, 2, 0, ...section)],
    ['less than a CONNACK', packet(0x20, 0)],
    ['more than a CONNACK', packet(0x20, 0, 0, 0, 0)],
    ['a PUBLISH before its CONNACK', packet(0x30, ...text('ok'), ...section)],
    ['a property twice', packet(0x20, 0, 0, twice.length, ...twice)],
    ['a property of another packet', packet(0x20, 0, 0, 3, 0x23, 0, 1)],
  ])('that is answered with %s finds no broker', async (_, bytes) => {
    expect(await hearsOf(bytes)).toEqual([0, version === 5 ? 0x88 : 3])
  })

  test('hears CONNACK before messages that came along with it', async () => {
    proxy.tokens.set('token', identify('dev', [ok]))
    const client = await knock(version)
    const broker = await scripted.accept(version)
    wires.push(broker)
    await broker.next('connect')
    broker.send(
      Buffer.concat([packet(0x20, 1, 0, ...section), packet(0x30, ...text('ok'), ...section)]),
    )
    expect((await client.next('connack')).sessionPresent).toBe(true)
    expect((await client.next('publish')).topic).toBe('ok')
  })

  if (version === 5) {
    test.each([
      ['a QoS that the broker has not', 0x9b, 0x9b],
      ['a retained Will at a broker that retains none', 0x9a, 0x9a],
      ['a code that MQTT does not have', 0xc8, 0x80],
      ['a code of another packet', 0x8e, 0x80],
    ])('that is refused for %s hears a code of CONNACK', async (_, code, told) => {
      expect(await hears([0, code])).toEqual([0, told])
    })
  }
})

describe.each(both)('a packet at level %i', (version) => {
  const section = version === 5 ? [0] : []
  const malformed = (name: string, ...bytes: number[]) => [name, Buffer.from(bytes), 0x81] as const
  const wrong = (name: string, ...bytes: number[]) => [name, Buffer.from(bytes), 0x82] as const
  const filter = [...section, ...text('a')]

  test.each([
    malformed('PUBACK with flags', 0x41, 2, 0, 1),
    malformed('PUBREC with flags', 0x54, 2, 0, 1),
    malformed('PUBREL without its flags', 0x60, 2, 0, 1),
    malformed('PUBCOMP with flags', 0x72, 2, 0, 1),
    malformed('SUBSCRIBE without its flags', ...packet(0x80, 0, 1, ...filter, 0)),
    malformed('UNSUBSCRIBE without its flags', ...packet(0xa0, 0, 1, ...filter)),
    malformed('PINGREQ with flags', 0xc1, 0),
    malformed('DISCONNECT with flags', 0xe1, 0),
    malformed('AUTH with flags', 0xf1, 0),
    malformed('SUBSCRIBE of one byte', ...packet(0x82, 0)),
    malformed('DISCONNECT with more than it has', ...packet(0xe0, 0, 0, 0)),
    malformed('PUBREL with more than it has', ...packet(0x62, 0, 1, 0, 0, 0)),
    malformed('UNSUBSCRIBE of what is no text', ...packet(0xa2, 0, 1, ...section, 0, 1, 0xff)),
    wrong('UNSUBSCRIBE without a filter', ...packet(0xa2, 0, 1, ...section)),
    wrong('UNSUBSCRIBE of id 0', ...packet(0xa2, 0, 0, ...filter)),
    wrong('PUBREL of id 0', 0x62, 2, 0, 0),
  ])('%s ends the session and reaches no broker', async (_, bytes, code) => {
    await endsSession(version, bytes, code)
  })

  test('keeps its DUP, in both directions', async () => {
    const { client, broker } = await open(version, [ok])
    client.send(publish('ok', { qos: 1, messageId: 7, dup: true }))
    expect(await broker.next('publish')).toMatchObject({ messageId: 7, dup: true })
    broker.send(publish('ok', { qos: 2, messageId: 8, dup: true }))
    expect(await client.next('publish')).toMatchObject({ messageId: 8, dup: true })
  })

  test('whose topic has a mark at its front or other letters that look alike is judged as it is', async () => {
    const [marked, composed, decomposed] = ['\ufeffb', 'caf\u00e9', 'cafe\u0301']
    const rules = [allow('publish', marked), allow('publish', composed), ok]
    const { client, broker } = await open(version, rules)
    for (const topic of ['b', decomposed, '\ufeffok', marked, composed]) {
      client.send(packet(0x30, ...text(topic), ...section))
    }
    for (const topic of [marked, composed]) {
      expect((await broker.next('publish')).topic).toBe(topic)
    }
    expect(proxy.counts).toMatchObject({ publishAllowed: 2, publishDenied: 3 })
  })

  test('of a refused exchange leaves its id to the next one', async () => {
    const { client, broker } = await open(version, [ok])
    client.send(publish('no', { qos: 2, messageId: 12 }))
    expect(codeOf(await client.next('pubrec'))).toBe(version === 5 ? 0x87 : 0)
    if (version === 4) {
      client.send({ cmd: 'pubrel', messageId: 12 })
      expect((await client.next('pubcomp')).messageId).toBe(12)
    }
    client.send(publish('ok', { qos: 2, messageId: 12 }))
    expect((await broker.next('publish')).messageId).toBe(12)
    broker.send({ cmd: 'pubrec', messageId: 12 })
    await client.next('pubrec')
    client.send({ cmd: 'pubrel', messageId: 12 })
    expect((await broker.next('pubrel')).messageId).toBe(12)
    broker.send({ cmd: 'pubcomp', messageId: 12 })
    expect(codeOf(await client.next('pubcomp'))).toBe(0)
  })

  test('that ends an exchange of an earlier connection passes, in both directions', async () => {
    const { client, broker } = await open(version, [ok], {
      connect: { clean: false },
      connack: { sessionPresent: true },
    })
    client.send({ cmd: 'pubrel', messageId: 40 })
    expect((await broker.next('pubrel')).messageId).toBe(40)
    broker.send({ cmd: 'pubcomp', messageId: 40 }, { cmd: 'pubrel', messageId: 41 })
    expect((await client.next('pubcomp')).messageId).toBe(40)
    expect((await client.next('pubrel')).messageId).toBe(41)
    client.send({ cmd: 'pubcomp', messageId: 41 })
    expect((await broker.next('pubcomp')).messageId).toBe(41)
  })
})

test.each([
  ['PUBACK', packet(0x40, 0, 1, 0)],
  ['DISCONNECT', packet(0xe0, 0)],
])('%s with a code, which MQTT 3.1.1 has not, ends the session', async (_, bytes) => {
  await endsSession(4, bytes, 0x81)
})

/** Sends `bytes` in an open session. The client hears `code` alone, the broker nothing. */
async function endsSession(version: Version, bytes: Buffer, code: number) {
  const { client, broker } = await open(version, [allow('all', '#')])
  const heard = () => Buffer.concat(broker.bytes).length
  const before = heard()
  client.send(Buffer.concat([bytes, packet(0xc0)]))
  await client.closed()
  await broker.closed()
  expect(heard()).toBe(before)
  const answer = client.untaken.map((one) => [one.cmd, codeOf(one)])
  expect(answer).toEqual(version === 5 ? [['disconnect', code]] : [])
}

describe('a packet of MQTT 5', () => {
  test.each([
    ['PUBACK with a code that it has not', packet(0x40, 0, 1, 0x01), 0x81],
    ['PUBREC with a code of PUBREL', packet(0x50, 0, 1, 0x92), 0x81],
    ['PUBREL with a code of PUBREC', packet(0x62, 0, 1, 0x87), 0x81],
    ['PUBCOMP with a code of PUBREC', packet(0x70, 0, 1, 0x10), 0x81],
    ['DISCONNECT with a code that it has not', packet(0xe0, 0x03), 0x82],
    ['DISCONNECT with a code of servers', packet(0xe0, 0x8b), 0x82],
    ['DISCONNECT with a Server Reference', packet(0xe0, 0, 4, 0x1c, 0, 1, 97), 0x82],
    ['SUBSCRIBE with Retain Handling 3', packet(0x82, 0, 1, 0, ...text('a'), 0x30), 0x82],
    ['SUBSCRIBE with No Local to a share', packet(0x82, 0, 1, 0, ...text('$share/g/a'), 4), 0x82],
    [
      'PUBLISH whose properties go on in the next packet',
      Buffer.concat([packet(0x30, 0, 1, 97, 7, 0x26, 0, 1), Buffer.from([97, 0, 1, 98])]),
      0x81,
    ],
    ['PUBLISH whose Content Type is no text', packet(0x30, 0, 1, 97, 4, 3, 0, 1, 0xff), 0x81],
    ['PUBLISH by an alias where none was offered', packet(0x30, 0, 1, 97, 3, 0x23, 0, 1), 0x94],
  ])('%s ends the session and reaches no broker', async (_, bytes, code) => {
    await endsSession(5, bytes, code)
  })

  test.each([
    ['DISCONNECT', 'disconnect', 0, packet(0xe0)],
    ['DISCONNECT with a code', 'disconnect', 4, packet(0xe0, 4)],
    ['PUBREL', 'pubrel', 0, packet(0x62, 0, 9)],
    ['PUBREL with a code', 'pubrel', 0x92, packet(0x62, 0, 9, 0x92)],
  ] as const)('may be as short as a %s', async (_, cmd, code, bytes) => {
    const { client, broker } = await open(5, [])
    client.send(bytes)
    expect(codeOf(await broker.next(cmd))).toBe(code)
  })

  test('by an alias of an earlier connection ends the session', async () => {
    const aliases = { connack: { properties: { topicAliasMaximum: 5 } } }
    const first = await open(5, [ok], aliases)
    first.client.send(publish('ok', { properties: { topicAlias: 1 } }))
    await first.broker.next('publish')
    const second = await open(5, [ok], aliases)
    second.client.send(packet(0x30, 0, 0, 3, 0x23, 0, 1))
    expect(codeOf(await second.client.next('disconnect'))).toBe(0x82)
    await second.broker.closed()
    expect(second.broker.untaken).toEqual([])
  })

  test('that answers one who wants no reasons has none, and the broker hears of it', async () => {
    const { client, broker, connect } = await open(5, [ok], {
      connect: { properties: { requestProblemInformation: false } },
    })
    expect(connect.properties?.requestProblemInformation).toBe(false)
    const before = Buffer.concat(client.bytes).length
    client.send(publish('no', { qos: 1, messageId: 1 }), subscribe(2, 'no'), marker)
    await broker.next('publish')
    await client.next('puback')
    await client.next('suback')
    expect(Buffer.concat(client.bytes).subarray(before).toString('hex')).toBe(
      `${'4003000187'}${'900400020087'}`,
    )
  })

  test('CONNECT brings wishes to the broker, and back how far it can do them', async () => {
    const wishes = { requestResponseInformation: true, sessionExpiryInterval: 9 }
    const means = { maximumQoS: 1, retainAvailable: false, responseInformation: 'answers/here' }
    const { connect, connack } = await open(5, [], {
      connect: { properties: wishes },
      connack: { properties: means },
    })
    expect(connect.properties).toMatchObject(wishes)
    expect(connack.properties).toMatchObject(means)
    expect(connack.properties).not.toHaveProperty('authenticationMethod')
    const plain = await open(5, [])
    expect(plain.connack.properties).not.toHaveProperty('responseInformation')
  })

  test('that the topic of its alias would make too large for the broker is refused', async () => {
    const topic = 't'.repeat(200)
    const rules = [ok, allow('publish', topic, { qos: [2] })]
    const { client, broker } = await open(5, rules, {
      connack: { properties: { maximumPacketSize: 300, topicAliasMaximum: 1 } },
    })
    // Refused, so that the broker knows no topic of the alias.
    const properties = { topicAlias: 1 }
    client.send(publish(topic, { qos: 1, messageId: 1, properties }))
    expect(codeOf(await client.next('puback'))).toBe(0x87)
    const payload = 'p'.repeat(100)
    client.send(publish('', { qos: 2, messageId: 2, payload, properties }), marker)
    expect(codeOf(await client.next('pubrec'))).toBe(0x97)
    expect((await broker.next('publish')).topic).toBe('ok')
  })

  test('CONNACK with another Keep Alive is obeyed on both sides', async () => {
    const { client, broker } = await open(5, [], {
      connect: { keepalive: 600 },
      connack: { properties: { serverKeepAlive: 1 } },
    })
    await broker.next('pingreq')
    broker.send({ cmd: 'pingresp' })
    expect(codeOf(await client.next('disconnect'))).toBe(0x8d)
  })

  test.each([
    ['a Session Expiry Interval', packet(0xe0, 0x8b, 5, 0x11, 0, 0, 0, 9), 0x8b],
    ['a code of clients', packet(0xe0, 0x04), 0x80],
    ['a code that MQTT does not have', packet(0xe0, 0xc8), 0x80],
    ['nothing at all, which clients alone may say', packet(0xe0), 0x80],
  ])('DISCONNECT of a broker with %s is told as a server may tell it', async (_, bytes, told) => {
    const { client, broker } = await open(5, [])
    const before = Buffer.concat(client.bytes).length
    broker.send(bytes)
    await client.closed()
    expect([...Buffer.concat(client.bytes).subarray(before)]).toEqual([0xe0, 1, told])
  })

  test('DISCONNECT that has no room for another server comes without it', async () => {
    const server_reference = 'another.example.com:8883'
    await begin({ server_reference })
    for (const [maximumPacketSize, bytes] of [
      [40, [0xe0, 29, 0x9c, 27, 0x1c, ...text(server_reference)]],
      [30, [0xe0, 1, 0x8b]],
    ] as const) {
      const { client } = await open(5, [], { connect: { properties: { maximumPacketSize } } })
      const before = Buffer.concat(client.bytes).length
      await proxy.sessions.at(-1)!.drain(1000)
      expect([...Buffer.concat(client.bytes).subarray(before)]).toEqual(bytes)
    }
  })

  test('CONNECT keeps the properties of its Will, in their order', async () => {
    proxy.tokens.set('token', identify('dev', [allow('all', '#')]))
    const pair = (key: string, value: string) => [0x26, ...text(key), ...text(value)]
    const properties = [...pair('b', '1'), ...pair('a', '2'), ...pair('b', '1'), 3, ...text('t')]
    const will = [properties.length, ...properties, ...text('w'), ...text('gone')]
    const head = [...text('MQTT'), 5, 0xce, 0, 60, 0, ...text('dev')]
    const client = await dialWire(proxy.port, 5)
    wires.push(client)
    client.send(packet(0x10, ...head, ...will, ...text('u'), ...text('token')))
    const broker = await scripted.accept(5)
    wires.push(broker)
    await broker.next('connect')
    expect(Buffer.concat(broker.bytes).includes(Buffer.from(will))).toBe(true)
  })
})
