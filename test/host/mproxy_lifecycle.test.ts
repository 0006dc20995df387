// mProxy as a program: how it starts and refuses to, its limits at the door, what it tells, how it
// lives through the death of its broker, and how it stops.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import mqtt from 'mqtt-packet'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { findFreePort } from '../../worker/entry/broker/free_port.ts'
import {
  type Connection,
  type ConnectOptions,
  connect,
  tryConnect,
} from './mproxy_fixtures/clients.ts'
import { startIssuer, type TestIssuer } from './mproxy_fixtures/issuer.ts'
import {
  type Broker,
  type ProxyOptions,
  program,
  type RunningProxy,
  runProxy,
  startBroker,
  startProxy,
  untilReady,
} from './mproxy_fixtures/programs.ts'
import { until } from './mproxy_fixtures/until.ts'

let issuer: TestIssuer
let broker: Broker
const open: { stop: () => unknown }[] = []

beforeAll(async () => {
  issuer = await startIssuer()
  broker = await startBroker()
})
afterAll(async () => {
  await broker.stop()
  await issuer.stop()
})
afterEach(async () => {
  for (const { stop } of open.splice(0).reverse()) await stop()
})

async function start(options: Partial<ProxyOptions> = {}): Promise<RunningProxy> {
  const proxy = await startProxy({ issuer: issuer.url, broker: broker.url, ...options })
  open.push(proxy)
  await untilReady(proxy)
  return proxy
}

const anything = [{ permission: 'allow', action: 'all', topic: '#' }]

async function join(
  proxy: RunningProxy,
  id: string,
  more: Partial<ConnectOptions> = {},
): Promise<Connection> {
  const token = await issuer.mint({ claims: { sub: id, acl: anything } })
  const url = `mqtt://127.0.0.1:${proxy.port}`
  const connection = await connect({ url, version: 5, id, token, ...more })
  open.push({ stop: () => connection.client.end(true) })
  return connection
}

interface RawConnection {
  socket: Socket
  received(): string
  closed: Promise<number>
}

/** Bytes on a socket; tells after how many milliseconds the other side closed it. */
async function raw(port: number): Promise<RawConnection> {
  const socket = connectTcp(port, '127.0.0.1')
  open.push({ stop: () => socket.destroy() })
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', () => {})
  await once(socket, 'connect')
  const started = performance.now()
  // Not once(): a reset, which is a close as well, would reject it.
  const closed = new Promise<number>((resolve) => {
    socket.once('close', () => resolve(performance.now() - started))
  })
  return { socket, received: () => Buffer.concat(chunks).toString('hex'), closed }
}

describe('starting', () => {
  test('settings with several faults are refused all at once, with exit code 2', async () => {
    const { code, stdout, stderr } = await runProxy({
      ISSUER: 'http://id.example.com',
      MQTT_LISTEN: 'http://127.0.0.1:8883',
      METRICS_LISTEN: 'nowhere',
      MQTT_DRAIN_TIMEOUT: 'soon',
    })
    expect(code).toBe(2)
    expect(stdout).toBe('')
    const lines = stderr.trimEnd().split('\n')
    expect(lines.map((line) => line.split(': ')[1]).sort()).toEqual(
      ['ISSUER', 'METRICS_LISTEN', 'MQTT_DRAIN_TIMEOUT', 'MQTT_LISTEN', 'MQTT_UPSTREAM'].sort(),
    )
    for (const line of lines) expect(line).toMatch(/^mProxy: (\w+): .+; for example \1=\S+$/)
  })

  test.each(['MQTT_LISTEN', 'METRICS_LISTEN'])(
    'a port in use for %s is refused in one line, with exit code 2',
    async (name) => {
      const taken = createServer()
      taken.listen(0, '127.0.0.1')
      await once(taken, 'listening')
      open.push({ stop: () => taken.close() })
      const { port } = taken.address() as { port: number }
      const { code, stderr } = await runProxy({
        ISSUER: issuer.url,
        MQTT_UPSTREAM: broker.url,
        MQTT_LISTEN: 'mqtt://127.0.0.1:0',
        METRICS_LISTEN: '127.0.0.1:0',
        [name]: name === 'MQTT_LISTEN' ? `ws://127.0.0.1:${port}/mqtt` : `127.0.0.1:${port}`,
      })
      expect(code).toBe(2)
      expect(stderr).toMatch(new RegExp(`^mProxy: ${name}: .*127\\.0\\.0\\.1:${port}.*\\n$`))
      expect(stderr).toContain('another program already listens there')
    },
  )

  test('a Node that does not tell a program that it is one is refused no start', async () => {
    // As Node 24.0 and older read the file.
    const script = `import { registerHooks } from 'node:module'
      registerHooks({ load(url, context, next) {
        const loaded = next(url, context)
        if (!url.endsWith('/proxy-node/index.ts')) return loaded
        return { ...loaded, source: String(loaded.source).replaceAll('import.meta.main', 'undefined') }
      } })`
    const preload = `data:text/javascript,${encodeURIComponent(script)}`
    const { code, stderr } = await runProxy({ NODE_OPTIONS: `--import=${preload}` })
    expect(code).toBe(2)
    expect(stderr).toContain('MQTT_UPSTREAM: is required')
  })

  test('each listener is told in one line', async () => {
    const proxy = await start()
    const urls = proxy.lines('listening').map((line) => line['url'])
    expect(urls).toEqual([`mqtt://127.0.0.1:${proxy.port}`, proxy.wsUrl, proxy.metricsUrl])
  })
})

describe('the door', () => {
  test('a silent connection is closed at the deadline, so is one that never ends its CONNECT', async () => {
    const proxy = await start({ env: { MQTT_CONNECT_TIMEOUT: '1' } })
    const silent = await raw(proxy.port)
    const slow = await raw(proxy.port)
    slow.socket.write(Buffer.from([0x10, 0x7f]))
    const drip = setInterval(() => {
      if (slow.socket.writable) slow.socket.write('\0')
    }, 100)
    open.push({ stop: () => clearInterval(drip) })
    const webSocket = await raw(Number(new URL(proxy.wsUrl).port))
    webSocket.socket.write('GET /mqtt HTTP/1.1\r\n')
    for (const { closed } of [silent, slow]) {
      const ms = await closed
      expect(ms).toBeGreaterThan(900)
      expect(ms).toBeLessThan(3000)
    }
    expect(await webSocket.closed).toBeLessThan(5000)
    const upgraded = new WebSocket(proxy.wsUrl, ['mqtt'])
    upgraded.on('error', () => {})
    await once(upgraded, 'open')
    await once(upgraded, 'close')
    expect([silent.received(), slow.received()]).toEqual(['', ''])
    expect(
      await proxy.metric('mproxy_connects_total', 'result="connect_timeout",protocol="none"'),
    ).toBe(3)
  })

  test('what is not MQTT is closed at its first byte', async () => {
    const proxy = await start()
    for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\u0016\u0003\u0001', '\u0030\u0002']) {
      const connection = await raw(proxy.port)
      connection.socket.write(bytes, 'latin1')
      expect(await connection.closed).toBeLessThan(2000)
      expect(connection.received()).toBe('')
    }
  })

  test('connections beyond the limit are refused, and let in again when others have left', async () => {
    const proxy = await start({ env: { MQTT_CONNECTIONS_MAX: '3' } })
    const held = [await join(proxy, 'dev-1'), await join(proxy, 'dev-2')]
    const third = await join(proxy, 'dev-3', { url: proxy.wsUrl })
    const fourth = await raw(proxy.port)
    expect(await fourth.closed).toBeLessThan(2000)
    const dropped = await proxy.metric('mproxy_connections_dropped_total', 'reason="too_many"')
    expect(dropped).toBe(1)
    for (const { client } of [...held, third]) client.end(true)
    await until(
      'room',
      async () => (await proxy.metric('mproxy_connections', 'transport="tcp"')) === 0,
    )
    await join(proxy, 'dev-1')
  })

  test('connections beyond the limit of one address are refused', async () => {
    const proxy = await start({ env: { MQTT_CONNECTIONS_PER_ADDRESS: '2' } })
    await join(proxy, 'dev-1')
    await join(proxy, 'dev-2')
    expect(await (await raw(proxy.port)).closed).toBeLessThan(2000)
    const labels = 'reason="too_many_from_address"'
    expect(await proxy.metric('mproxy_connections_dropped_total', labels)).toBe(1)
  })

  test('a flood beyond the descriptors of the process is refused without harm or haste', async () => {
    const proxy = await start({ descriptors: 100, env: { MQTT_CONNECTIONS_MAX: '5000' } })
    const flood = await Promise.all(Array.from({ length: 200 }, () => raw(proxy.port)))
    const cpuBefore = await cpuOf(proxy)
    await new Promise((over) => setTimeout(over, 1000))
    const cpu = (await cpuOf(proxy)) - cpuBefore
    expect(cpu).toBeLessThan(50)
    for (const { socket } of flood) socket.destroy()
    await until(
      'room',
      async () => (await proxy.metric('mproxy_connections', 'transport="tcp"')) === 0,
    )
    await join(proxy, 'dev-1')
    const dropped = await proxy.metric('mproxy_connections_dropped_total', 'reason="crowded_out"')
    console.log(`200 connections, 100 descriptors: ${dropped} refused, ${cpu} ticks of CPU in 1 s`)
    expect(dropped).toBeGreaterThan(100)
    expect(proxy.lines('connections_limited')).toHaveLength(1)
    expect(proxy.lines('connections_dropped').length).toBeLessThan(5)
  })
})

test('connections that come and go, let in, refused or cut short, leave nothing behind', async () => {
  const proxy = await start({ env: { MQTT_CONNECTS_PER_PRINCIPAL: '0' } })
  const token = await issuer.mint({ claims: { acl: anything } })
  const visit = async (i: number) => {
    const password = Buffer.from(i % 4 === 1 ? 'no token' : token)
    const options = { protocolVersion: i % 2 === 0 ? (5 as const) : (4 as const) }
    const bytes = mqtt.generate(
      {
        cmd: 'connect',
        protocolId: 'MQTT',
        clean: true,
        keepalive: 60,
        clientId: `dev-1:${i}`,
        username: 'any',
        password,
        ...options,
      },
      options,
    )
    const connection = await raw(proxy.port)
    if (i % 4 === 3) {
      connection.socket.end(bytes.subarray(0, 20))
    } else {
      connection.socket.write(bytes)
      await until('an answer', () => connection.received() !== '')
      connection.socket.destroy()
    }
    await connection.closed
  }
  const visitAll = async (count: number) => {
    let i = 0
    const next = async (): Promise<void> => {
      while (i < count) await visit(i++)
    }
    await Promise.all(Array.from({ length: 20 }, next))
    await until('all are gone', async () => {
      return (await proxy.metric('mproxy_connections', 'transport="tcp"')) === 0
    })
  }
  const kept = async () => [
    await proxy.metric('process_open_fds'),
    await proxy.metric('nodejs_active_handles_total'),
  ]
  await visitAll(40)
  const [descriptors, handles] = await kept()
  const count = 600
  await visitAll(count)
  // The scrapes have connections of their own, which may be one more or less.
  await until('the descriptors are given back', async () => (await kept())[0]! <= descriptors! + 2)
  expect((await kept())[1]).toBeLessThanOrEqual(handles! + 2)
  for (const protocol of ['3.1.1', '5.0']) {
    expect(await proxy.metric('mproxy_sessions', `protocol="${protocol}"`)).toBe(0)
  }
  console.log(`${count} connections came and went: ${descriptors} descriptors, ${handles} handles`)
})

describe('running out of descriptors', () => {
  test('connections that cannot be accepted are closed, without a busy loop, and later ones let in', async () => {
    const proxy = await start()
    const steady = await join(proxy, 'dev-0')
    await steady.client.subscribeAsync('echo', { qos: 1 })
    const limit = async (descriptors: number) => {
      const args = ['--pid', `${proxy.child.pid}`, `--nofile=${descriptors}:20000`]
      const [code] = await once(spawn('prlimit', args, { stdio: 'ignore' }), 'exit')
      expect(code).toBe(0)
    }
    const inUse = (await readdir(`/proc/${proxy.child.pid}/fd`)).length
    await limit(inUse + 10)
    const flood = await Promise.all(Array.from({ length: 100 }, () => raw(proxy.port)))
    let closed = 0
    for (const connection of flood) void connection.closed.then(() => closed++)
    const before = await cpuOf(proxy)
    await new Promise((over) => setTimeout(over, 1000))
    const cpu = (await cpuOf(proxy)) - before
    console.log(`100 connections, 10 descriptors: ${closed} closed, ${cpu} ticks of CPU in 1 s`)
    expect(cpu).toBeLessThan(50)
    expect(closed).toBeGreaterThanOrEqual(80)
    // The session that is open goes on.
    await steady.client.publishAsync('echo', 'still here', { qos: 1 })
    await until('its message', () => steady.messages.length > 0)
    for (const { socket } of flood) socket.destroy()
    await limit(20_000)
    await join(proxy, 'dev-1')
    expect(proxy.lines('connections_dropped').length).toBeLessThan(5)
  })
})

/** User and system time in ticks of 10 ms. */
async function cpuOf({ child }: RunningProxy): Promise<number> {
  const fields = (await readFile(`/proc/${child.pid}/stat`, 'utf8')).split(') ')[1]!.split(' ')
  return Number(fields[11]) + Number(fields[12])
}

describe('the broker', () => {
  test('killed: sessions end and new ones are refused as unavailable; when it is back all recovers', async () => {
    const own = await startBroker()
    open.push(own)
    const proxy = await start({ broker: own.url })
    const five = await join(proxy, 'dev-5')
    const three = await join(proxy, 'dev-3', { version: 4 })
    await own.kill()
    expect(await five.untilClosed()).toBe(0x80)
    await three.untilClosed()
    const token = await issuer.mint()
    const knock = (version: 4 | 5) =>
      tryConnect({ url: `mqtt://127.0.0.1:${proxy.port}`, version, id: 'dev-1', token })
    expect(await knock(5)).toBe(0x88)
    expect(await knock(4)).toBe(3)
    expect(JSON.parse((await proxy.fetch('/readyz')).body)).toMatchObject({
      ready: false,
      keys: true,
      broker: false,
    })
    await own.start()
    await untilReady(proxy)
    const again = await join(proxy, 'dev-5')
    await again.subscribe(['back'])
    await again.publish('back', 'yes')
    await until('the message', () => again.messages.length === 1)
    const reasons = proxy.lines('session_ended').map((line) => line['reason'])
    expect(reasons).toEqual(['broker_lost', 'broker_lost'])
  })

  test('the second address is used when the first does not answer', async () => {
    const nobody = await findFreePort()
    const proxy = await start({ broker: `mqtt://127.0.0.1:${nobody},${broker.url}` })
    await join(proxy, 'dev-1')
  })
})

describe('what is told', () => {
  test('the scrape counts what happened, and no line contains a token', async () => {
    const proxy = await start()
    const acl = [{ permission: 'allow', action: 'all', topic: 'ok/#' }]
    const token = await issuer.mint({ claims: { acl } })
    const url = `mqtt://127.0.0.1:${proxy.port}`
    const five = await connect({ url, version: 5, id: 'dev-1', token })
    const three = await connect({ url: proxy.wsUrl, version: 4, id: 'dev-1:ws', token })
    expect(await five.subscribe(['ok/#', 'no/#', 'ok/a'])).toEqual([1, 0x87, 1])
    await three.publish('ok/b', 'x'.repeat(1000))
    await three.publish('no/b', 'y')
    await until('the delivery', () => five.messages.length === 1)
    await tryConnect({ url, version: 5, id: 'somebody', token })
    await tryConnect({ url, version: 4, id: 'dev-1', token: `${token}x` })

    expect(await proxy.metric('mproxy_sessions', 'protocol="5.0"')).toBe(1)
    expect(await proxy.metric('mproxy_sessions', 'protocol="3.1.1"')).toBe(1)
    expect(await proxy.metric('mproxy_connections', 'transport="ws"')).toBe(1)
    await five.end()
    await three.end()
    await until('two ends', () => proxy.lines('session_ended').length === 2)
    const samples: [string, string, number][] = [
      ['mproxy_connects_total', 'result="accepted",protocol="5.0"', 1],
      ['mproxy_connects_total', 'result="accepted",protocol="3.1.1"', 1],
      ['mproxy_connects_total', 'result="client_id",protocol="5.0"', 1],
      ['mproxy_sessions', 'protocol="5.0"', 0],
      ['mproxy_sessions_ended_total', 'reason="client_disconnect",protocol="5.0"', 1],
      ['mproxy_sessions_ended_total', 'reason="client_disconnect",protocol="3.1.1"', 1],
      ['mproxy_publishes_total', 'decision="allowed"', 1],
      ['mproxy_publishes_total', 'decision="denied"', 1],
      ['mproxy_subscriptions_total', 'decision="allowed"', 2],
      ['mproxy_subscriptions_total', 'decision="denied"', 1],
      ['mproxy_deliveries_total', 'decision="allowed"', 1],
      ['mproxy_deliveries_total', 'decision="denied"', 0],
      ['mproxy_jwks_refreshes_total', 'outcome="ok"', 1],
      ['mproxy_jwks_keys', `issuer="${issuer.url}"`, 1],
      ['mproxy_token_verification_seconds_count', 'result="ok"', 3],
      ['mproxy_token_verification_seconds_count', 'result="refused"', 1],
    ]
    for (const [name, labels, value] of samples) {
      expect([name, labels, await proxy.metric(name, labels)]).toEqual([name, labels, value])
    }
    const fromClient = await proxy.metric('mproxy_received_bytes_total', 'from="client"')
    expect(fromClient).toBeGreaterThan(1000 + 2 * token.length)
    expect(await proxy.metric('mproxy_received_bytes_total', 'from="broker"')).toBeGreaterThan(1000)

    expect(proxy.lines('session_started')).toMatchObject([
      { sub: 'dev-1', client_id: 'dev-1', protocol: '5.0', remote: '127.0.0.1' },
      { sub: 'dev-1', client_id: 'dev-1:ws', protocol: '3.1.1', remote: '127.0.0.1' },
    ])
    const ends = new Map(proxy.lines('session_ended').map((line) => [line['client_id'], line]))
    expect(ends.get('dev-1')).toMatchObject({
      published: 0,
      delivered: 1,
      publishes_refused: 0,
      subscriptions_refused: 1,
      deliveries_refused: 0,
    })
    expect(ends.get('dev-1:ws')).toMatchObject({
      published: 1,
      delivered: 0,
      publishes_refused: 1,
      subscriptions_refused: 0,
      deliveries_refused: 0,
    })
    expect(proxy.lines('connection_refused')).toMatchObject([
      { reason: 'client_id', client_id: 'somebody' },
      { reason: 'malformed' },
    ])
    for (const part of token.split('.')) expect(proxy.output()).not.toContain(part)
    const { body } = await proxy.fetch('/metrics')
    expect(body).not.toMatch(/dev-1|somebody|ok\//)
  })

  test("a client's name cannot break a log line or fill it", async () => {
    const proxy = await start()
    const token = await issuer.mint()
    const url = `mqtt://127.0.0.1:${proxy.port}`
    const id = `evil"}\u2028{"event":"session_started\u202e${'x'.repeat(5000)}`
    expect(await tryConnect({ url, version: 5, id, token })).toBe(0x85)
    await until('the line', () => proxy.lines('connection_refused').length === 1)
    const line = proxy
      .output()
      .split('\n')
      .find((text) => text.includes('connection_refused'))!
    expect(line.length).toBeLessThan(1000)
    expect(line).not.toMatch(/[\u2028\u202e]/)
    expect(proxy.lines('session_started')).toEqual([])
  })

  test('many who are refused do not fill the log: they are counted, and a number is told', async () => {
    const proxy = await start()
    const knock = async () => (await raw(proxy.port)).socket.write('GET / HTTP/1.1')
    const count = 600
    await Promise.all(Array.from({ length: count }, knock))
    const labels = 'result="not_mqtt",protocol="none"'
    await until('all are refused', async () => {
      return (await proxy.metric('mproxy_connects_total', labels)) === count
    })
    const told = proxy.lines('connection_refused').length
    expect(told).toBeLessThan(count)
    // The next line of the log, a second later, has the number of those left out.
    await until('the rest', async () => {
      await knock()
      return proxy.lines('connection_refused').some((line) => line['untold'] !== undefined)
    })
    const untold = proxy.lines('connection_refused').map((line) => Number(line['untold'] ?? 0))
    console.log(`${count} refused at once: ${told} lines`)
    expect(untold.reduce((sum, each) => sum + each)).toBeGreaterThanOrEqual(count - told)
  })

  test('other paths and methods are refused at the metrics port', async () => {
    const proxy = await start()
    expect((await proxy.fetch('/')).status).toBe(404)
    expect((await fetch(`${proxy.metricsUrl}/metrics`, { method: 'POST' })).status).toBe(405)
    expect((await fetch(`${proxy.metricsUrl}/healthz`, { method: 'HEAD' })).status).toBe(200)
  })
})

describe('stopping', () => {
  test('SIGTERM: sessions are told 0x8B, Wills are published, exit code 0', async () => {
    const proxy = await start()
    const other = await start()
    const watcher = await join(other, 'watcher')
    await watcher.subscribe(['wills/+'])
    const will = (topic: string) => ({
      topic,
      payload: Buffer.from('!'),
      qos: 1 as const,
      retain: false,
    })
    const five = await join(proxy, 'dev-5', { will: will('wills/5') })
    const three = await join(proxy, 'dev-3', { version: 4, will: will('wills/3') })
    const web = await join(proxy, 'dev-w', { url: proxy.wsUrl })
    const early = await raw(proxy.port)
    const started = performance.now()
    expect(await proxy.stop()).toBe(0)
    const ms = performance.now() - started
    expect(await five.untilClosed()).toBe(0x8b)
    expect(await web.untilClosed()).toBe(0x8b)
    expect(await three.untilClosed()).toBe(undefined)
    expect(early.received()).toBe('')
    await until('both Wills', () => watcher.messages.length === 2)
    expect(watcher.messages.sort()).toEqual(['wills/3 !', 'wills/5 !'])
    expect(ms).toBeLessThan(12_000)
    expect(proxy.lines().at(-1)?.event).toBe('stopped')
    const ended = proxy.lines('session_ended').map((line) => line['reason'])
    expect(ended).toEqual(['draining', 'draining', 'draining'])
    console.log(`four connections drained in ${Math.round(ms)} ms`)
  })

  /** Half of a PUBLISH: what came of it is in flight until the rest does. */
  const sendHalf = (connection: Connection) =>
    connection.client.stream.write(Buffer.from([0x32, 0x7f, 0x00, 0x01, 0x61]))

  test('what is in flight does not hold up the stop beyond its time', async () => {
    const proxy = await start({ env: { MQTT_DRAIN_TIMEOUT: '1' } })
    const half = await join(proxy, 'half')
    const read = () => proxy.metric('mproxy_received_bytes_total', 'from="client"')
    const before = await read()
    sendHalf(half)
    await until('the half is read', async () => (await read()) > before)
    const started = performance.now()
    expect(await proxy.stop()).toBe(0)
    const ms = performance.now() - started
    expect(ms).toBeGreaterThan(900)
    expect(ms).toBeLessThan(6000)
    expect(proxy.lines('session_ended').map((line) => line['reason'])).toEqual(['draining'])
  })

  test('a client that reads nothing does not hold it up either', async () => {
    const proxy = await start({ env: { MQTT_DRAIN_TIMEOUT: '1' } })
    const stuck = await join(proxy, 'stuck')
    await stuck.subscribe(['flood'])
    stuck.client.stream.pause()
    const sender = await join(proxy, 'sender')
    for (let i = 0; i < 20; i++) {
      await sender.publish('flood', Buffer.alloc(500_000), { qos: 0 })
    }
    const started = performance.now()
    expect(await proxy.stop()).toBe(0)
    expect(performance.now() - started).toBeLessThan(8000)
  })

  test('while it drains it is not ready and lets nobody in', async () => {
    const proxy = await start({ env: { MQTT_DRAIN_TIMEOUT: '60' } })
    sendHalf(await join(proxy, 'half'))
    proxy.child.kill('SIGTERM')
    await until('draining', () => proxy.lines('draining').length === 1)
    const { status, body } = await proxy.fetch('/readyz')
    expect([status, JSON.parse(body)]).toEqual([
      503,
      { ready: false, keys: true, broker: true, memory: true, draining: true },
    ])
    await expect(raw(proxy.port)).rejects.toThrow('ECONNREFUSED')
    proxy.child.kill('SIGKILL')
  })

  test('a second signal ends it at once', async () => {
    const proxy = await start({ env: { MQTT_DRAIN_TIMEOUT: '60' } })
    sendHalf(await join(proxy, 'half'))
    proxy.child.kill('SIGTERM')
    await until('draining', () => proxy.lines('draining').length === 1)
    proxy.child.kill('SIGINT')
    await until('the end', () => proxy.child.exitCode !== null, 3)
    expect(proxy.child.exitCode).toBe(130)
  })

  test('when the program that started it is gone, it stops too', async () => {
    const script = `
      const { fork } = require('node:child_process')
      const child = fork(process.argv[1], { stdio: 'ignore' })
      child.on('exit', () => console.log(0))
      child.on('message', () => console.log(child.pid))`
    const parent = spawn(process.execPath, ['-e', script, program], {
      env: {
        PATH: process.env['PATH'],
        ISSUER: issuer.url,
        MQTT_UPSTREAM: broker.url,
        MQTT_LISTEN: 'mqtt://127.0.0.1:0',
        METRICS_LISTEN: 'off',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(parent.stdout, 'data')) as [Buffer]
    const pid = Number(line)
    expect(pid).toBeGreaterThan(1)
    parent.kill('SIGKILL')
    const isGone = () =>
      readFile(`/proc/${pid}/stat`, 'utf8').then(
        (stat) => stat.includes(') Z '),
        () => true,
      )
    await until('the end', isGone)
  })

  test.each([
    ['an error nobody caught', "throw new Error('boom')"],
    ['a rejection nobody caught', "Promise.reject(new Error('boom'))"],
  ])('%s is told, and ends it with exit code 1', async (_, statement) => {
    const script = `process.on('SIGUSR2',()=>{${statement}})`
    const preload = `data:text/javascript,${encodeURIComponent(script)}`
    const proxy = await start({ env: { NODE_OPTIONS: `--import=${preload}` } })
    proxy.child.kill('SIGUSR2')
    await once(proxy.child, 'close')
    expect(proxy.child.exitCode).toBe(1)
    expect(proxy.output()).toContain('mProxy: Error: boom')
    expect(proxy.lines().at(-1)).toMatchObject({ event: 'crashed', error: 'Error' })
  })
})

describe('a side that does not read', () => {
  const flood = 60
  const residentBytes = (proxy: RunningProxy) => proxy.metric('process_resident_memory_bytes')

  test.each(['TCP', 'WebSocket'])(
    'a stuck client does not fill the memory of mProxy: %s',
    async (way) => {
      const proxy = await start()
      const url = way === 'TCP' ? `mqtt://127.0.0.1:${proxy.port}` : proxy.wsUrl
      const stuck = await join(proxy, 'stuck', { url })
      await stuck.subscribe(['flood'])
      stuck.client.stream.pause()
      const sender = await join(proxy, 'sender')
      const before = await residentBytes(proxy)
      for (let i = 0; i < flood; i++) {
        await sender.publish('flood', Buffer.alloc(1_000_000), { qos: 1 })
      }
      const growth = ((await residentBytes(proxy)) - before) / 1e6
      // It cannot hold packets that it does not take from the broker; the rest is garbage of the
      // sender's way through.
      const taken = (await proxy.metric('mproxy_received_bytes_total', 'from="broker"')) / 1e6
      console.log(
        `${flood} MB to a stuck client: ${Math.round(taken)} MB read, grew by ${Math.round(growth)} MB`,
      )
      expect(taken).toBeLessThan(flood / 3)
      expect(growth).toBeLessThan(flood * 1.5)
    },
  )

  test.each(['TCP', 'WebSocket'])(
    'a stuck broker does not fill the memory of mProxy: %s',
    async (way) => {
      const own = await startBroker()
      open.push(own)
      const proxy = await start({ broker: own.url })
      const url = way === 'TCP' ? `mqtt://127.0.0.1:${proxy.port}` : proxy.wsUrl
      const sender = await join(proxy, 'sender', { url })
      const before = await residentBytes(proxy)
      own.pause()
      for (let i = 0; i < flood; i++) {
        sender.client.publish('flood', Buffer.alloc(1_000_000), { qos: 0 })
      }
      // Until nothing moves any more: what mProxy read stays the same from look to look.
      let read = -1
      await until('a standstill', async () => {
        const now = await proxy.metric('mproxy_received_bytes_total', 'from="client"')
        const isStill = now === read && now > 0
        read = now
        await new Promise((later) => setTimeout(later, 200))
        return isStill
      })
      const growth = ((await residentBytes(proxy)) - before) / 1e6
      console.log(
        `${flood} MB to a stuck broker: ${Math.round(read / 1e6)} MB read, grew by ${Math.round(growth)} MB`,
      )
      expect(read).toBeLessThan((flood / 2) * 1e6)
      expect(growth).toBeLessThan(flood / 2)
      own.resume()
    },
  )
})
