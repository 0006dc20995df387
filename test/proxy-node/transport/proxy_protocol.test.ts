// Balancers that tell who the client is: headers of the PROXY protocol, X-Forwarded-For, and those
// who only pretend to be balancers.

import { once } from 'node:events'
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net'
import { connect as dialTls } from 'node:tls'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { describeFault, readProxyConfig } from '../../../proxy-node/config.ts'
import { readProxyHeader, writeProxyHeader } from '../../../proxy-node/transport/proxy_header.ts'
import { makeAuthority } from '../../support/certificates.ts'
import {
  buildHouse,
  connectBytes,
  type House,
  makeCertificateFiles,
  type RunningDoor,
} from '../fixtures/door.ts'

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const v2 = (command: number, family: number, body: string, length = body.length / 2) =>
  Buffer.concat([
    SIGNATURE,
    Buffer.from([command, family, length >> 8, length & 0xff]),
    Buffer.from(body, 'hex'),
  ])
const V4 = 'c0000207 c6336401 d431 075b'.replaceAll(' ', '')
const V6 = `${'20010db8000000000000000000000007'.repeat(2)}d431075b`

describe('a header', () => {
  test.each([
    ['v1, IPv4', 'PROXY TCP4 192.0.2.7 198.51.100.1 54321 1883\r\n', '192.0.2.7'],
    ['v1, IPv6', 'PROXY TCP6 2001:db8::7 2001:db8::1 54321 1883\r\n', '2001:db8::7'],
    ['v1, unknown', 'PROXY UNKNOWN\r\n', undefined],
    ['v1, unknown with more', 'PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n', undefined],
    ['v2, IPv4', v2(0x21, 0x11, V4), '192.0.2.7'],
    ['v2, IPv6', v2(0x21, 0x21, V6), '2001:db8::7'],
    ['v2, IPv4 with TLVs', v2(0x21, 0x11, `${V4}040003616263`), '192.0.2.7'],
    ['v2, LOCAL', v2(0x20, 0x00, ''), undefined],
    ['v2, LOCAL with an address, which does not count', v2(0x20, 0x11, V4), undefined],
    ['v2, unspecified', v2(0x21, 0x00, ''), undefined],
    ['v2, a UNIX socket', v2(0x21, 0x31, '00'.repeat(216)), undefined],
  ])(
    '%s tells its client, whatever comes behind, and not before it is whole',
    (_, bytes, address) => {
      const header = Buffer.from(bytes)
      const reading = readProxyHeader(Buffer.concat([header, Buffer.from('behind')]))
      expect(reading).toMatchObject({ length: header.length })
      expect(typeof reading === 'object' && reading.endpoints?.source.address).toBe(address)
      for (let end = 1; end < header.length; end++) {
        expect(readProxyHeader(header.subarray(0, end))).toBe('more')
      }
    },
  )

  test.each([
    ['a line without an end', `PROXY TCP4 ${'1'.repeat(200)}`],
    ['another family', 'PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n'],
    ['an address of the other family', 'PROXY TCP4 2001:db8::7 198.51.100.1 1 2\r\n'],
    ['a name', 'PROXY TCP4 localhost 198.51.100.1 1 2\r\n'],
    ['a zone', 'PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n'],
    ['a port beyond 65535', 'PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n'],
    ['a port with a zero before it', 'PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n'],
    ['two spaces', 'PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n'],
    ['too few parts', 'PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n'],
    ['too many parts', 'PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n'],
    ['version 3', v2(0x31, 0x11, V4)],
    ['an unknown command', v2(0x22, 0x11, V4)],
    ['an unknown family', v2(0x21, 0x41, V4)],
    ['datagrams', v2(0x21, 0x12, V4)],
    ['addresses that are cut', v2(0x21, 0x11, V4.slice(0, 20))],
    ['a length beyond what is read', v2(0x21, 0x11, V4, 60_000)],
  ])('with %s is malformed', (_, bytes) => {
    expect(readProxyHeader(Buffer.from(bytes))).toBe('malformed')
  })

  test('written says what is read again', () => {
    const port = fc.integer({ min: 0, max: 65_535 })
    const v4 = fc.record({ address: fc.ipV4(), port })
    const v6 = fc.record({ address: fc.ipV6().filter((text) => !text.includes('.')), port })
    const pair = (one: typeof v4 | typeof v6) => fc.record({ source: one, destination: one })
    fc.assert(
      fc.property(fc.oneof(pair(v4), pair(v6)), (endpoints) => {
        const header = writeProxyHeader(endpoints)
        const reading = readProxyHeader(header)
        if (typeof reading === 'string') throw new Error(reading)
        expect(reading.length).toBe(header.length)
        expect(reading.endpoints?.source.port).toBe(endpoints.source.port)
        if (reading.endpoints === undefined) throw new Error('no endpoints')
        expect(writeProxyHeader(reading.endpoints)).toEqual(header)
        if (!endpoints.source.address.includes(':')) expect(reading.endpoints).toEqual(endpoints)
      }),
    )
    const mixed = {
      source: { address: '192.0.2.7', port: 1 },
      destination: { address: '::1', port: 2 },
    }
    const reading = readProxyHeader(writeProxyHeader(mixed))
    expect(reading).toMatchObject({ endpoints: { source: { address: '::ffff:c000:207' } } })
    expect(readProxyHeader(writeProxyHeader(undefined))).toEqual({
      length: 16,
      endpoints: undefined,
    })
  })

  test('never makes the reader fail, and never has more bytes than came', () => {
    const tail = fc.uint8Array({ maxLength: 300 })
    const begun = fc.constantFrom(SIGNATURE, Buffer.from('PROXY '), Buffer.alloc(0))
    fc.assert(
      fc.property(begun, tail, (begin, rest) => {
        const bytes = Buffer.concat([begin, rest])
        const reading = readProxyHeader(bytes)
        if (typeof reading === 'object') expect(reading.length).toBeLessThanOrEqual(bytes.length)
      }),
    )
  })
})

let house: House
let door: RunningDoor // named: 127.0.0.1 and a network of others
let plain: RunningDoor // named: nobody who comes here
let pem = ''
beforeAll(async () => {
  house = await buildHouse()
  const authority = await makeAuthority()
  const made = await makeCertificateFiles(authority, ['localhost'])
  pem = authority.pem
  const common = {
    MQTT_LISTEN:
      'mqtt://127.0.0.1:0,mqtts://127.0.0.1:0,ws://127.0.0.1:0/mqtt,wss://127.0.0.1:0/mqtt',
    MQTT_TLS_CERT_FILE: house.write('site.pem', made.certificate),
    MQTT_TLS_KEY_FILE: house.write('site.key', made.key),
    MQTT_CONNECTIONS_PER_ADDRESS: '2',
  }
  door = await house.start({ ...common, PROXY_PROTOCOL_FROM: '127.0.0.1, 198.51.100.0/24' })
  plain = await house.start({ ...common, PROXY_PROTOCOL_FROM: '198.51.100.0/24' })
})
afterAll(() => house.stop())

const from = (address: string) => `PROXY TCP4 ${address} 198.51.100.1 54321 1883\r\n`

/** The code of CONNACK, or that there was none. */
function answerOf(socket: Socket): Promise<number | 'closed'> {
  socket.on('error', () => {})
  return new Promise((answer) => {
    socket.once('data', (chunk: Buffer) => answer(chunk[3]!))
    socket.once('close', () => answer('closed'))
  })
}

let last = 0
/** A connection with `head` before its CONNECT, in one write; its address as the log has it. */
async function come(to: RunningDoor, head: string | Buffer) {
  const id = `dev-${++last}`
  const socket = dial(to.ports[0]!, '127.0.0.1')
  socket.write(Buffer.concat([Buffer.from(head), await connectBytes(house.issuer, id)]))
  const code = await answerOf(socket)
  const line = to.lines('session_started').find(({ client_id }) => client_id === id)
  return { socket, code, remote: line?.['remote'] }
}

describe('a named peer', () => {
  test.each([
    ['v1', from('203.0.113.1'), '203.0.113.1'],
    ['v2', v2(0x21, 0x11, V4), '192.0.2.7'],
    ['v2 for itself', v2(0x20, 0x00, ''), '127.0.0.1'],
  ])('tells the client by %s', async (_, head, address) => {
    const { socket, code, remote } = await come(door, head)
    expect([code, remote]).toEqual([0, address])
    socket.destroy()
  })

  test('may send its header in pieces', async () => {
    const socket = dial(door.ports[0]!, '127.0.0.1')
    socket.setNoDelay(true)
    const whole = Buffer.concat([v2(0x21, 0x21, V6), await connectBytes(house.issuer, 'pieces')])
    for (const byte of whole.subarray(0, 70)) {
      socket.write(Buffer.from([byte]))
      await new Promise(setImmediate)
    }
    socket.write(whole.subarray(70))
    expect(await answerOf(socket)).toBe(0)
    expect(door.lines('session_started').at(-1)?.['remote']).toBe('2001:db8::7')
    socket.destroy()
  })

  test('tells it before TLS', async () => {
    const raw = dial(door.ports[1]!, '127.0.0.1')
    raw.write(from('203.0.113.2'))
    const socket = dialTls({ socket: raw, ca: pem, servername: 'localhost' })
    await once(socket, 'secureConnect')
    socket.write(await connectBytes(house.issuer, 'tls'))
    expect(await answerOf(socket)).toBe(0)
    expect(door.lines('session_started').at(-1)).toMatchObject({ remote: '203.0.113.2' })
    socket.destroy()
  })

  test.each(['mqtts', 'wss'])(
    'may send it in one piece with the first bytes of %s',
    async (scheme) => {
      const relay = createServer((client) => {
        const socket = dial(door.ports[scheme === 'mqtts' ? 1 : 3]!, '127.0.0.1')
        client.on('error', () => {}).once('close', () => socket.destroy())
        socket.on('error', () => {}).once('close', () => client.destroy())
        client.once('data', (chunk) => {
          socket.write(Buffer.concat([Buffer.from(from('203.0.113.3')), chunk]))
          client.pipe(socket).pipe(client)
        })
      })
      await new Promise<void>((ready) => relay.listen(0, '127.0.0.1', ready))
      const { port } = relay.address() as AddressInfo
      const bytes = await connectBytes(house.issuer, `one-piece-${scheme}`)
      if (scheme === 'mqtts') {
        const socket = dialTls({ port, ca: pem, servername: 'localhost' })
        socket.write(bytes)
        expect(await answerOf(socket)).toBe(0)
        socket.destroy()
      } else {
        const web = new WebSocket(`wss://localhost:${port}/mqtt`, 'mqtt', { ca: pem })
        await settled(web)
        web.send(bytes)
        await once(web, 'message')
        web.terminate()
      }
      expect(door.lines('session_started').at(-1)?.['remote']).toBe('203.0.113.3')
      relay.close()
    },
  )

  test('who sends no header, or a malformed one, is refused', async () => {
    for (const head of ['', 'PROXY TCP4 nonsense\r\n', v2(0x21, 0x41, V4)]) {
      expect((await come(door, head)).code).toBe('closed')
    }
    const labels = 'reason="proxy_header"'
    expect(await door.metric('mproxy_connections_dropped_total', labels)).toBe(3)
  })

  test('does not share one limit among its clients', async () => {
    const many = await Promise.all(
      ['203.0.113.8', '203.0.113.8', '203.0.113.8', '203.0.113.9'].map((one) =>
        come(door, from(one)),
      ),
    )
    expect(many.map(({ code }) => code)).toEqual([0, 0, 'closed', 0])
    for (const { socket } of many) socket.destroy()
  })
})

test('a peer that is not named is not believed: its header is no MQTT', async () => {
  for (const head of [from('203.0.113.1'), v2(0x21, 0x11, V4)]) {
    expect((await come(plain, head)).code).toBe('closed')
  }
  expect(plain.lines('connection_refused').map(({ reason, remote }) => [reason, remote])).toEqual([
    ['not_mqtt', '127.0.0.1'],
    ['not_mqtt', '127.0.0.1'],
  ])
  const { socket, remote } = await come(plain, '')
  expect(remote).toBe('127.0.0.1')
  socket.destroy()
})

/** Until it is open, or is closed. */
const settled = (web: WebSocket) =>
  new Promise((over) =>
    web
      .on('error', () => {})
      .once('open', over)
      .once('close', over),
  )

describe('X-Forwarded-For', () => {
  async function visit(to: RunningDoor, forwarded: string | undefined, head = '') {
    const id = `web-${++last}`
    const socket = dial(to.ports[2]!, '127.0.0.1')
    socket.write(head)
    const web = new WebSocket(`ws://127.0.0.1:${to.ports[2]}/mqtt`, 'mqtt', {
      createConnection: () => socket,
      headers: forwarded === undefined ? {} : { 'X-Forwarded-For': forwarded },
    })
    await settled(web)
    if (web.readyState !== WebSocket.OPEN) return 'closed'
    web.send(await connectBytes(house.issuer, id))
    await once(web, 'message')
    web.terminate()
    return to.lines('session_started').find(({ client_id }) => client_id === id)?.['remote']
  }

  test.each([
    ['203.0.113.20', '203.0.113.20'],
    ['192.0.2.66, 203.0.113.21', '203.0.113.21'],
    ['192.0.2.66, 203.0.113.22, 198.51.100.9', '203.0.113.22'],
    ['203.0.113.23:4711', '203.0.113.23'],
    ['[2001:db8::9]:4711', '2001:db8::9'],
    ['2001:db8::8', '2001:db8::8'],
    ['nonsense', '127.0.0.1'],
    ['192.0.2.66, nonsense, 198.51.100.9', '198.51.100.9'],
    ['', '127.0.0.1'],
  ])('of a named peer, %j, tells the last who is no named peer', async (header, address) => {
    expect(await visit(door, header)).toBe(address)
  })

  test('of others is not believed', async () => {
    expect(await visit(plain, '203.0.113.20')).toBe('127.0.0.1')
    // Behind a balancer that passes bytes through, it is the client's own.
    expect(await visit(door, '203.0.113.20', from('203.0.113.30'))).toBe('203.0.113.30')
  })

  test('of a named balancer behind another one counts', async () => {
    expect(await visit(door, '203.0.113.31', from('198.51.100.7'))).toBe('203.0.113.31')
  })

  test('counts for the limit of an address', async () => {
    const sockets = []
    const states = []
    for (let i = 0; i < 3; i++) {
      const web = new WebSocket(`ws://127.0.0.1:${door.ports[2]}/mqtt`, 'mqtt', {
        headers: { 'X-Forwarded-For': '203.0.113.40' },
      })
      await settled(web)
      states.push(web.readyState === WebSocket.OPEN)
      if (i === 2) break
      // Those who proved nothing yet would make room.
      web.send(await connectBytes(house.issuer, `forwarded-${i}`))
      await once(web, 'message')
      sockets.push(web)
    }
    expect(states).toEqual([true, true, false])
    for (const web of sockets) web.terminate()
  })
})

describe('to the broker', () => {
  /** A broker behind something that reads the header, and the bytes of its first connection. */
  async function startTold() {
    const heard: Buffer[] = []
    const server = createServer((socket) => {
      const chunks: Buffer[] = []
      socket.on('error', () => {})
      socket.on('data', (chunk) => {
        chunks.push(chunk)
        const bytes = Buffer.concat(chunks)
        const reading = readProxyHeader(bytes)
        if (typeof reading === 'string' || bytes[reading.length] !== 0x10) return
        heard.push(bytes)
        socket.write(Buffer.from([0x20, 3, 0, 0, 0]))
      })
    })
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
    const { port } = server.address() as AddressInfo
    return { heard, url: `mqtt://127.0.0.1:${port}`, stop: () => server.close() }
  }

  test('the client and its door are told, with v2, before CONNECT', async () => {
    const broker = await startTold()
    const told = await house.start({
      MQTT_LISTEN: 'mqtt://127.0.0.1:0,ws://127.0.0.1:0/mqtt',
      MQTT_UPSTREAM: broker.url,
      MQTT_UPSTREAM_PROXY_PROTOCOL: 'v2',
      PROXY_PROTOCOL_FROM: '127.0.0.1',
    })
    const { socket, code } = await come(told, from('203.0.113.50'))
    expect(code).toBe(0)
    expect(readProxyHeader(broker.heard[0]!)).toMatchObject({
      endpoints: {
        source: { address: '203.0.113.50', port: 54321 },
        destination: { address: '198.51.100.1', port: 1883 },
      },
    })
    const web = new WebSocket(`ws://127.0.0.1:${told.ports[1]}/mqtt`, 'mqtt', {
      headers: { 'X-Forwarded-For': '203.0.113.51' },
    })
    await settled(web)
    web.send(await connectBytes(house.issuer, 'web'))
    await once(web, 'message')
    expect(readProxyHeader(broker.heard[1]!)).toMatchObject({
      endpoints: { source: { address: '203.0.113.51', port: 0 } },
    })
    socket.destroy()
    web.terminate()
    broker.stop()
  })
})

test.each([
  ['10.0.0.0/33', 'neither an IP address nor a range'],
  ['10.0.0', 'neither an IP address nor a range'],
  ['balancer.example', 'neither an IP address nor a range'],
  ['fe80::1%eth0', 'neither an IP address nor a range'],
  ['10.0.0.1,', 'is empty'],
])('PROXY_PROTOCOL_FROM=%s is refused', (value, problem) => {
  const env = { MQTT_UPSTREAM: 'mqtt://127.0.0.1:1', PROXY_PROTOCOL_FROM: value }
  const reading = readProxyConfig(env)
  const faults = reading.ok ? [] : reading.faults.map(describeFault)
  expect(faults).toEqual([expect.stringContaining(problem)])
})
