// Clients that do not wait: all of their bytes in one go, and the connection closed behind them. All
// that came before the close is judged and delivered, in each phase of a session.

import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import mqtt, { type Packet } from 'mqtt-packet'
import { beforeEach, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { createDial } from '../../../proxy-node/transport/upstream.ts'
import { createWebSocketListener } from '../../../proxy-node/transport/websocket.ts'
import { until } from '../fixtures/mosquitto.ts'
import { defaultLimits, identify, startProxy } from '../fixtures/proxy.ts'
import { begin, both, marker, ok, open, proxy, scripted, wires } from '../fixtures/stage.ts'
import { connectPacket, publish, subscribe, type Version, type Wire } from '../fixtures/wire.ts'

const write = (version: Version, ...packets: Packet[]) =>
  Buffer.concat(packets.map((packet) => mqtt.generate(packet, { protocolVersion: version })))
const disconnect: Packet = { cmd: 'disconnect' }
const message = (qos: 0 | 1) => publish('ok', qos === 0 ? {} : { qos, messageId: 7 })

function createGate() {
  let open = () => {}
  const passed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { passed, open }
}

async function connectTo(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Sends bytes and closes at once, as a device does that goes back to sleep. */
async function fire(port: number, pieces: Buffer[], isHalf = false): Promise<Socket> {
  const socket = await connectTo(port)
  for (const piece of pieces) {
    await new Promise<void>((resolve) => socket.write(piece, () => resolve()))
    if (pieces.length > 1) await new Promise((resolve) => setTimeout(resolve, 2))
  }
  if (isHalf) socket.end()
  else socket.destroy()
  return socket
}

/** The connection that mProxy makes to the broker, CONNECT taken and not answered. */
async function acceptBroker(version: Version): Promise<Wire> {
  const broker = await scripted.accept(version)
  wires.push(broker)
  await broker.next('connect')
  return broker
}

function answer(broker: Wire, version: Version) {
  const code = version === 5 ? { reasonCode: 0 } : { returnCode: 0 }
  broker.send({ cmd: 'connack', sessionPresent: false, ...code } as Packet)
}

const commands = (wire: Wire) => wire.packets.map(({ cmd }) => cmd)

describe.each(both)('a client of level %i that closes behind its last byte', (version) => {
  beforeEach(() => {
    proxy.tokens.set('token', identify('dev', [ok]))
  })

  test.each([
    ['closed whole, QoS 0', 0, false, 1],
    ['closed whole, QoS 1', 1, false, 1],
    ['half closed, QoS 0', 0, true, 1],
    ['half closed, QoS 1', 1, true, 1],
    ['closed whole, in pieces', 1, false, 9],
  ] as const)('is heard: %s', async (_, qos, isHalf, size) => {
    const bytes = write(version, connectPacket(version), message(qos), disconnect)
    const step = size === 1 ? bytes.length : size
    const pieces: Buffer[] = []
    for (let at = 0; at < bytes.length; at += step) pieces.push(bytes.subarray(at, at + step))
    const socket = await fire(proxy.port, pieces, isHalf)
    const broker = await acceptBroker(version)
    answer(broker, version)
    await broker.closed()
    expect(commands(broker)).toEqual(['connect', 'publish', 'disconnect'])
    await until(() => proxy.ended().length === 1, 'the session ends')
    expect(proxy.ended()).toEqual(['client_disconnect'])
    if (isHalf) expect(socket.read()).not.toBeNull() // CONNACK
    socket.destroy()
  })

  test.each(['verify', 'dial', 'connack'])(
    'is heard, though it left in the phase %s',
    async (at) => {
      const [verified, dialled] = [createGate(), createGate()]
      const dial = createDial([{ host: '127.0.0.1', port: scripted.port, tls: false }])
      const slow = await startProxy((signal) => dialled.passed.then(() => dial(signal)), {
        verifyDelay: () => verified.passed,
      })
      slow.tokens.set('token', identify('dev', [ok]))
      if (at !== 'verify') verified.open()
      if (at === 'connack') dialled.open()
      const bytes = write(version, connectPacket(version))
      const socket = await connectTo(slow.port)
      socket.write(bytes)
      const early = at === 'connack' ? await acceptBroker(version) : undefined
      for (const packet of [message(0), message(1), disconnect]) {
        await new Promise<void>((resolve) => socket.write(write(version, packet), () => resolve()))
      }
      socket.destroy()
      await until(() => slow.streams[0]?.readableEnded === true, 'mProxy sees that it is gone')
      verified.open()
      dialled.open()
      const broker = early ?? (await acceptBroker(version))
      answer(broker, version)
      await broker.closed()
      expect(commands(broker)).toEqual(['connect', 'publish', 'publish', 'disconnect'])
      await slow.sessions[0]!.closed
      expect([slow.ended(), slow.refused()]).toEqual([['client_disconnect'], []])
      await slow.stop()
    },
  )

  test('is heard, and its Will left to the broker, where there is no DISCONNECT', async () => {
    const will = { topic: 'ok', payload: Buffer.from('w'), qos: 0 as const, retain: false }
    const bytes = write(version, connectPacket(version, { will }), message(0))
    // The last packet is cut: nothing of it is passed on.
    await fire(proxy.port, [Buffer.concat([bytes, write(version, marker).subarray(0, -1)])])
    const broker = await acceptBroker(version)
    answer(broker, version)
    await broker.closed()
    expect(commands(broker)).toEqual(['connect', 'publish'])
    expect(proxy.ended()).toEqual(['client_gone'])
  })

  test('is heard in part: what its token forbids goes nowhere', async () => {
    const refused = publish('no', { qos: 1, messageId: 3 })
    await fire(proxy.port, [write(version, connectPacket(version), refused, marker, disconnect)])
    const broker = await acceptBroker(version)
    answer(broker, version)
    await broker.closed()
    expect(commands(broker)).toEqual(['connect', 'publish', 'disconnect'])
    expect(broker.packets[1]).toMatchObject({ topic: 'ok' })
  })

  test('delivers nothing with a token that is refused, and nobody is dialled', async () => {
    proxy.tokens.set('token', 'expired')
    await fire(proxy.port, [write(version, connectPacket(version), message(1), disconnect)])
    await until(() => proxy.refused().length === 1, 'it is refused')
    await proxy.sessions[0]!.closed
    expect([proxy.refused(), scripted.connections]).toEqual([['expired'], 0])
  })

  test('is not connected where it sent nothing behind CONNECT: it gave up', async () => {
    const slow = await startProxy(scripted.port, {
      verifyDelay: () => new Promise((resolve) => setTimeout(resolve, 30)),
    })
    slow.tokens.set('token', identify('dev', [ok]))
    await fire(slow.port, [write(version, connectPacket(version))])
    await until(() => slow.refused().length === 1, 'it is refused')
    await slow.sessions[0]!.closed
    expect([slow.refused(), scripted.connections]).toEqual([['client_gone'], 0])
    await slow.stop()
  })

  test('is heard in mid-session too, with answers of the broker that nobody reads', async () => {
    const { client, broker } = await open(version, [ok])
    const many = Array.from({ length: 40 }, (_, i) => publish('ok', { qos: 1, messageId: i + 1 }))
    client.socket.write(write(version, ...many, disconnect), () => client.socket.destroy())
    await broker.closed()
    expect(broker.packets.filter(({ cmd }) => cmd === 'publish')).toHaveLength(40)
    expect(commands(broker).at(-1)).toBe('disconnect')
  })

  test('is heard in mid-session, though it was not read at that moment and left with a reset', async () => {
    await begin({ inflight_subscribes_max: 1 })
    const { client, broker } = await open(version, [ok])
    client.send(subscribe(1, 'ok'))
    await broker.next('subscribe')
    // Held back until the broker answers.
    client.socket.write(write(version, message(0), disconnect), () =>
      client.socket.resetAndDestroy(),
    )
    await until(() => proxy.streams[0]!.destroyed, 'mProxy sees that it is gone')
    expect(broker.untaken).toEqual([])
    broker.send({ cmd: 'suback', messageId: 1, granted: [0] })
    await broker.closed()
    expect(broker.untaken.map(({ cmd }) => cmd)).toEqual(['publish', 'disconnect'])
  })

  test('has a broker that takes its time', async () => {
    const broker = createSlowBroker(version)
    await begin({ close_grace_ms: 10 }, async () => broker.upstream)
    proxy.tokens.set('token', identify('dev', [ok]))
    await fire(proxy.port, [write(version, connectPacket(version), message(1), disconnect)])
    await until(() => proxy.ended().length === 1, 'the session ends')
    await until(() => proxy.streams[0]!.destroyed, 'the client is let go')
    await new Promise((resolve) => setTimeout(resolve, 50))
    broker.takeAll()
    await proxy.sessions[0]!.closed
    expect(broker.bytes()).toEqual(write(version, message(1), disconnect))
  })

  test('may send so much ahead, more is read when the broker took it in', async () => {
    await begin({ ahead_max: 1000 })
    proxy.tokens.set('token', identify('dev', [ok]))
    const socket = await connectTo(proxy.port)
    socket.write(write(version, connectPacket(version)))
    const broker = await acceptBroker(version)
    const payload = Buffer.alloc(900_000)
    const large = write(version, publish('ok', { payload }))
    socket.write(Buffer.concat([large, large, large, write(version, marker)]))
    await until(() => proxy.streams[0]!.isPaused(), 'mProxy reads no further')
    answer(broker, version)
    for (let i = 0; i < 3; i++) expect((await broker.next('publish')).payload).toHaveLength(900_000)
    expect((await broker.next('publish')).topic).toBe('ok')
    socket.destroy()
  })

  test('is heard over WebSocket', async () => {
    const server = createWebSocketListener({
      path: '/mqtt',
      upgradeTimeout: 5000,
      messageMax: defaultLimits.packet_max,
      unreadMax: defaultLimits.connect_packet_max,
      bufferSize: defaultLimits.buffer_high_water,
      closeTimeout: defaultLimits.close_grace_ms,
      origins: () => undefined,
      tls: undefined,
      onRefused: () => {},
      placeForwarded: () => true,
      openSession: (stream) => proxy.openSession(stream),
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    for (const isOneMessage of [true, false]) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, 'mqtt')
      await once(socket, 'open')
      const packets = [connectPacket(version), message(0), message(1), disconnect]
      if (isOneMessage) socket.send(write(version, ...packets))
      else for (const packet of packets) socket.send(write(version, packet))
      const closed = once(socket, 'close')
      socket.close()
      const broker = await acceptBroker(version)
      await closed
      answer(broker, version)
      await broker.closed()
      expect(commands(broker)).toEqual(['connect', 'publish', 'publish', 'disconnect'])
    }
    server.close()
  })
})

/** A broker behind a pipe that takes CONNECT and nothing after it, until it is told to. */
function createSlowBroker(version: Version) {
  const taken: Buffer[] = []
  let proceed: (() => void) | undefined
  let isWilling = false
  const stream = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      if (stream.readableDidRead && !isWilling) {
        proceed = () => {
          if (!stream.destroyed) taken.push(chunk)
          done()
        }
      } else {
        if (isWilling) taken.push(chunk)
        else stream.push(Buffer.from(version === 5 ? [0x20, 3, 0, 0, 0] : [0x20, 2, 0, 0]))
        done()
      }
    },
    final(done) {
      stream.push(null)
      done()
    },
  })
  return {
    upstream: { stream, username: undefined, password: undefined },
    takeAll: () => {
      isWilling = true
      proceed?.()
    },
    bytes: () => Buffer.concat(taken),
  }
}
