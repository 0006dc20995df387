// Bytes that are no MQTT, sent in an established session through the real program in front of a
// real Mosquitto: the sender is closed, nothing of it is heard by anybody, and the others go on.

import { connect as dial, type Socket } from 'node:net'
import mqttPacket from 'mqtt-packet'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Connection, connect } from './mproxy_fixtures/clients.ts'
import { startIssuer, type TestIssuer } from './mproxy_fixtures/issuer.ts'
import {
  type Broker,
  type RunningProxy,
  startBroker,
  startProxy,
  untilReady,
} from './mproxy_fixtures/programs.ts'
import { until } from './mproxy_fixtures/until.ts'

let issuer: TestIssuer
let broker: Broker
let proxy: RunningProxy
let listener: Connection

const mint = (sub: string) =>
  issuer.mint({
    claims: { sub, client_id: sub, acl: [{ permission: 'allow', action: 'all', topic: '#' }] },
  })

beforeAll(async () => {
  issuer = await startIssuer()
  broker = await startBroker()
  proxy = await startProxy({ issuer: issuer.url, broker: broker.url })
  await untilReady(proxy)
  listener = await connect({
    url: `mqtt://127.0.0.1:${proxy.port}`,
    version: 5,
    id: 'listener',
    token: await mint('listener'),
  })
  await listener.subscribe(['#'])
})

afterAll(async () => {
  await listener?.end()
  await proxy?.stop()
  await broker?.stop()
  await issuer?.stop()
})

let count = 0

/** A session as raw bytes: what is written and what comes back are looked at as they are. */
async function openRaw(version: 4 | 5) {
  const id = `raw-${++count}`
  const socket: Socket = dial(proxy.port, '127.0.0.1')
  const received: Buffer[] = []
  let closed = false
  socket.on('data', (chunk) => received.push(chunk))
  socket.on('error', () => {})
  socket.on('close', () => {
    closed = true
  })
  const packet = {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: version,
    clean: true,
    clientId: id,
    keepalive: 60,
    username: id,
    password: Buffer.from(await mint(id)),
  } as const
  socket.write(mqttPacket.generate(packet))
  await until('CONNACK', () => received.length > 0)
  const connack = Buffer.concat(received.splice(0))
  expect([connack[0], connack[3]]).toEqual([0x20, 0])
  return { socket, received, isClosed: () => closed }
}

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

/**
 * Name, packet for 3.1.1, packet for 5.0 ('' where the fault is the other's), reason of the
 * DISCONNECT in 5.0.
 */
const packets: readonly [string, string, string, number][] = [
  ['a reserved packet type', '00 00', '00 00', 0x81],
  [
    'a second CONNECT',
    '10 0c 00044d515454 04 02 003c 0000',
    '10 0d 00044d515454 05 02 003c 00 0000',
    0x82,
  ],
  ['a CONNACK, which only a server sends', '20 02 0000', '20 03 0000 00', 0x82],
  ['a length of five bytes', '30 ff ff ff ff 01', '30 ff ff ff ff 01', 0x81],
  ['a packet larger than is allowed', '30 ff ff ff 7f', '30 ff ff ff 7f', 0x95],
  ['a PUBLISH with QoS 3', '36 06 0001 61 0001 00', '36 07 0001 61 0001 00 00', 0x81],
  ['a topic with a wildcard', '30 04 0002 612b', '30 05 0002 612b 00', 0x81],
  ['an empty topic', '30 02 0000', '30 03 0000 00', 0x82],
  ['a topic with NUL', '30 05 0003 610062', '30 06 0003 610062 00', 0x81],
  ['a topic of invalid UTF-8', '30 05 0003 61ff62', '30 06 0003 61ff62 00', 0x81],
  ['an overlong form', '30 05 0003 61c0af', '30 06 0003 61c0af 00', 0x81],
  ['a surrogate', '30 05 0003 eda080', '30 06 0003 eda080 00', 0x81],
  ['a topic longer than its packet', '30 04 0009 6161', '30 04 0009 6161', 0x81],
  ['a PUBLISH with packet id 0', '32 05 0001 61 0000', '32 06 0001 61 0000 00', 0x82],
  ['a SUBSCRIBE without filter', '82 02 0001', '82 03 0001 00', 0x82],
  ['a SUBSCRIBE with wrong flags', '80 06 0001 0001 61 00', '80 07 0001 00 0001 61 00', 0x81],
  ['a property given twice', '', '30 0a 0001 61 04 01 00 01 00 0000', 0x82],
  ['properties longer than the packet', '', '30 04 0001 61 7f', 0x81],
  ['a topic alias of 0', '', '30 07 0001 61 03 23 0000', 0x94],
  ['an AUTH that nothing asked for', '', 'f0 02 18 00', 0x82],
]

describe.each([4, 5] as const)('malformed bytes at level %i', (version) => {
  const cases = packets
    .map(([name, three, five, reason]) => ({ name, bytes: version === 4 ? three : five, reason }))
    .filter(({ bytes }) => bytes !== '')

  test.each(cases)('$name is refused by the end of the session', async ({ bytes, reason }) => {
    const before = listener.messages.length
    const { socket, received, isClosed } = await openRaw(version)
    // A packet behind it in the same write is not processed either.
    const after = mqttPacket.generate(
      { cmd: 'publish', topic: 'after', payload: 'x', qos: 0, dup: false, retain: false },
      { protocolVersion: version },
    )
    socket.write(Buffer.concat([hex(bytes), after]))
    await until('the end of the session', isClosed)
    const answer = Buffer.concat(received)
    if (version === 4) expect(answer.length).toBe(0)
    else {
      expect(answer[0]).toBe(0xe0)
      expect(answer[2]?.toString(16)).toBe(reason.toString(16))
    }
    // The others go on, and heard nothing of it.
    await listener.publish('marker', `${count}`)
    await until('the marker', () => listener.messages.at(-1) === `marker ${count}`)
    expect(listener.messages.slice(before)).toEqual([`marker ${count}`])
  })
})
