// Frames and upgrades at the door of WebSocket, byte by byte: what a browser never sends.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect as dial, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeFault, readProxyConfig } from '../../../proxy-node/config.ts'
import { buildHouse, connectBytes, type House, type RunningDoor } from '../fixtures/door.ts'
import { until } from '../fixtures/mosquitto.ts'

let house: House
let door: RunningDoor
beforeAll(async () => {
  house = await buildHouse()
  door = await house.start({
    MQTT_LISTEN: 'ws://127.0.0.1:0/mqtt',
    MQTT_WS_ORIGINS: 'https://app.example.com, http://localhost:5173',
  })
})
afterAll(() => house.stop())

type Peer = { socket: Socket; received(): Buffer; isClosed(): boolean; closed: Promise<unknown> }

/** The answer to an upgrade, and the connection. */
async function upgrade(headers: string[] = [], path = '/mqtt'): Promise<Peer & { status: number }> {
  const socket = dial(door.ports[0]!, '127.0.0.1')
  const chunks: Buffer[] = []
  let isClosed = false
  socket.on('error', () => {})
  socket.on('data', (chunk) => chunks.push(chunk))
  const closed = new Promise((over) => {
    socket.once('close', () => {
      isClosed = true
      over(undefined)
    })
  })
  socket.write(
    [
      `GET ${path} HTTP/1.1`,
      'Host: localhost',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      'Sec-WebSocket-Protocol: mqtt',
      ...headers,
      '\r\n',
    ].join('\r\n'),
  )
  await until(() => Buffer.concat(chunks).includes('\r\n\r\n') || isClosed, 'an answer')
  const text = Buffer.concat(chunks).toString('latin1')
  const head = text.slice(0, text.indexOf('\r\n\r\n') + 4)
  expect(head).not.toMatch(/sec-websocket-extensions/i)
  const status = Number(head.split(' ')[1])
  const received = () => Buffer.concat(chunks).subarray(head.length)
  return { socket, received, isClosed: () => isClosed, closed, status }
}

/** `first`: the byte with FIN, RSV and opcode. */
function frame(first: number, payload: Buffer, isMasked = true): Buffer {
  const { length } = payload
  const size = length < 126 ? [length] : [126, length >> 8, length & 0xff]
  const head = Buffer.from([first, (isMasked ? 0x80 : 0) | size[0]!, ...size.slice(1)])
  // A mask of zeros leaves the payload as it is.
  return Buffer.concat([head, ...(isMasked ? [Buffer.alloc(4)] : []), payload])
}

const BINARY = 0x82

describe('an upgrade', () => {
  test('of a page of another origin is refused: 403', async () => {
    const statuses = []
    for (const origin of [
      'https://app.example.com',
      'http://localhost:5173',
      'https://evil.example.com',
      'https://app.example.com.evil.example',
      'https://app.example.com:8443',
      'http://app.example.com',
      'null',
      '',
    ]) {
      const { status, socket } = await upgrade([`Origin: ${origin}`])
      statuses.push(status)
      socket.destroy()
    }
    expect(statuses).toEqual([101, 101, 403, 403, 403, 403, 403, 403])
    const labels = 'reason="origin"'
    expect(await door.metric('mproxy_connections_dropped_total', labels)).toBe(6)
  })

  test('of a program, which says no origin, is taken', async () => {
    const { status, socket } = await upgrade()
    expect(status).toBe(101)
    socket.destroy()
  })

  test('gets no compression, though it offers it', async () => {
    const offer = 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits'
    const { status, socket } = await upgrade([offer])
    expect(status).toBe(101)
    socket.destroy()
  })

  test('elsewhere is refused and counted', async () => {
    const { status, closed } = await upgrade([], '/other')
    await closed
    expect(status).toBe(404)
    const labels = 'reason="upgrade"'
    expect(await door.metric('mproxy_connections_dropped_total', labels)).toBe(1)
  })
})

describe('a frame', () => {
  const faults: [string, () => Buffer][] = [
    ['that is compressed', () => frame(BINARY | 0x40, Buffer.from([0x10]))],
    ['that is not masked', () => frame(BINARY, Buffer.from([0x10]), false)],
    ['of a text', () => frame(0x81, Buffer.from([0x10]))],
    ['of an unknown kind', () => frame(0x83, Buffer.from([0x10]))],
    ['of control that is too long', () => frame(0x89, Buffer.alloc(126))],
    ['of control in pieces', () => frame(0x09, Buffer.alloc(1))],
    ['that goes on with nothing', () => frame(0x80, Buffer.from([0x10]))],
    [
      'in more pieces than are taken',
      () => {
        const pieces = Array.from({ length: 5000 }, () => frame(0x00, Buffer.alloc(0)))
        return Buffer.concat([frame(0x02, Buffer.alloc(0)), ...pieces])
      },
    ],
    [
      'longer than the largest packet',
      () => {
        const head = Buffer.from([BINARY, 0x80 | 127, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff])
        return Buffer.concat([head, Buffer.alloc(4)])
      },
    ],
  ]

  test.each(faults)('%s ends the connection, and a session that is open', async (_, make) => {
    const early = await upgrade()
    early.socket.write(make())
    const late = await upgrade()
    late.socket.write(frame(BINARY, await connectBytes(house.issuer, 'dev-1')))
    await until(() => late.received().length > 4, 'CONNACK')
    late.socket.write(make())
    // Neither waits for the other side to agree to the close.
    await Promise.all([early.closed, late.closed])
    expect(early.received().length).toBeLessThan(8)
  })

  test('of control is answered between packets, and many that are not read end it', async () => {
    const peer = await upgrade()
    const connect = await connectBytes(house.issuer, 'dev-1')
    const half = connect.length >> 1
    peer.socket.write(frame(0x02, connect.subarray(0, half)))
    peer.socket.write(frame(0x89, Buffer.from('alive')))
    await until(() => peer.received().includes('alive'), 'a pong')
    peer.socket.write(frame(0x80, connect.subarray(half)))
    await until(() => peer.received().length > 12, 'CONNACK')
    peer.socket.pause()
    const pings = Buffer.concat(Array.from({ length: 4000 }, () => frame(0x89, Buffer.alloc(125))))
    const ended = 'mproxy_sessions_ended_total'
    const isOver = () => door.lines('session_ended').some(({ client_id }) => client_id === 'dev-1')
    for (let i = 0; i < 400 && !isOver() && !peer.isClosed(); i++) {
      if (!peer.socket.write(pings)) await Promise.race([once(peer.socket, 'drain'), peer.closed])
    }
    await until(isOver, 'the end of the session')
    expect(await door.metric(ended, 'reason="client_gone",protocol="5.0"')).toBeGreaterThan(0)
    peer.socket.destroy()
  })
})

test.each([
  ['app.example.com', 'is not an origin'],
  ['https://app.example.com/path', 'is not an origin'],
  ['ftp://app.example.com', 'is not an origin'],
  ['https://u@app.example.com', 'is not an origin'],
  ['https://a.example,', '"" is empty'],
  ['*', 'is not an origin'],
])('MQTT_WS_ORIGINS=%s is refused', (value, problem) => {
  const env = { MQTT_UPSTREAM: 'mqtt://127.0.0.1:1', MQTT_WS_ORIGINS: value }
  const reading = readProxyConfig(env)
  const faults = reading.ok ? [] : reading.faults.map(describeFault)
  expect(faults).toEqual([expect.stringContaining(problem)])
})
