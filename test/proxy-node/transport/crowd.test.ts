// Crowds at the door: connections that say nothing, bad tokens without end, one principal with many
// sessions. mProxy as a whole, in the process of the test; a good client gets in all the same.

import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import type { Packet } from 'mqtt-packet'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { describeFault, type ProxyConfig, readProxyConfig } from '../../../proxy-node/config.ts'
import { type Proxy as MProxy, startProxy } from '../../../proxy-node/index.ts'
import { startIssuer, type TestIssuer } from '../../host/mproxy_fixtures/issuer.ts'
import { until } from '../fixtures/mosquitto.ts'
import { connectPacket, startAccepting, type Version, Wire } from '../fixtures/wire.ts'

let issuer: TestIssuer
let broker: Awaited<ReturnType<typeof startAccepting>>
let proxy: MProxy
const sockets: Socket[] = []
let tcp = 0
let ws = 0

beforeAll(async () => {
  issuer = await startIssuer()
  broker = await startAccepting(0)
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await proxy.close({ spread: 0, timeout: 0 })
})
afterAll(async () => {
  broker.stop()
  await issuer.stop()
})

function configure(env: Record<string, string>): ProxyConfig {
  const reading = readProxyConfig({
    ISSUER: issuer.url,
    MQTT_UPSTREAM: `mqtt://127.0.0.1:${broker.port}`,
    MQTT_LISTEN: 'mqtt://127.0.0.1:0,ws://127.0.0.1:0/mqtt',
    METRICS_LISTEN: '127.0.0.1:0',
    ...env,
  })
  if (!reading.ok) throw new Error(reading.faults.map(describeFault).join('\n'))
  return reading.config
}

async function start(env: Record<string, string>, isReady = true): Promise<void> {
  proxy = await startProxy(configure(env), () => {})
  ;[tcp, ws] = proxy.listening.map(({ port }) => port) as [number, number]
  const ready = `http://127.0.0.1:${proxy.metricsPort}/readyz`
  if (isReady) await until(async () => (await fetch(ready)).ok, 'mProxy is ready')
}

async function metric(sample: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${proxy.metricsPort}/metrics`)).text()
  const line = text.split('\n').find((one) => one.startsWith(`${sample} `))
  return line === undefined ? 0 : Number(line.slice(sample.length + 1))
}

/** A connection from an address of this machine, which says nothing yet. */
async function dial(from = '127.0.0.1', port = tcp): Promise<Socket> {
  const socket = connectTcp({ port, host: '127.0.0.1', localAddress: from })
  sockets.push(socket)
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

const acl = [{ permission: 'allow', action: 'all', topic: '#' }]

/** Gives the CONNACK's code, or undefined where the connection is closed without one. */
async function knock(
  visitor: {
    sub?: string
    clientId?: string
    token?: string
    from?: string
    version?: Version
  } = {},
) {
  const { sub = 'good', clientId = sub, from, version = 5 } = visitor
  const token = visitor.token ?? (await issuer.mint({ claims: { sub, client_id: sub, acl } }))
  const wire = new Wire(await dial(from), version)
  wire.send(connectPacket(version, { clientId, password: Buffer.from(token) }))
  await until(() => wire.packets.length > 0 || wire.isClosed, 'it is answered')
  const [answer] = wire.packets as (Packet & { reasonCode?: number; returnCode?: number })[]
  return { wire, code: version === 5 ? answer?.reasonCode : answer?.returnCode }
}

describe('connections that say nothing', () => {
  test.each([
    ['of one address, over TCP', () => tcp, ''],
    [
      'of one address, over WebSocket before the upgrade is whole',
      () => ws,
      'GET /mqtt HTTP/1.1\r\n',
    ],
  ])('%s, keep no good client out', async (_, port, bytes) => {
    await start({ MQTT_CONNECTIONS_MAX: '20' })
    const good = await knock({ sub: 'first' })
    for (let i = 0; i < 50; i++) (await dial('127.0.0.2', port())).write(bytes)
    for (let i = 0; i < 5; i++) expect((await knock({ sub: `good-${i}` })).code).toBe(0)
    expect((await knock({ sub: 'near', from: '127.0.0.2' })).code).toBe(0)
    expect(good.wire.isClosed).toBe(false)
    const crowded = await metric('mproxy_connections_dropped_total{reason="crowded_out"}')
    expect(crowded).toBeGreaterThanOrEqual(50 - 10)
    expect(await metric('mproxy_connections_unproven')).toBeLessThanOrEqual(10)
  })

  test('the oldest of the address that has most of them goes, and of others none', async () => {
    await start({ MQTT_CONNECTIONS_MAX: '100', MQTT_CONNECTIONS_UNPROVEN_MAX: '10' })
    const few = [await dial('127.0.0.3'), await dial('127.0.0.4'), await dial('127.0.0.4')]
    const many: Socket[] = []
    for (let i = 0; i < 30; i++) many.push(await dial('127.0.0.5'))
    await until(
      () => many.filter(({ closed }) => closed).length === 23,
      'those too many are closed',
    )
    expect(many.map(({ closed }) => closed)).toEqual(many.map((_, i) => i < 23))
    expect(few.map(({ closed }) => closed)).toEqual([false, false, false])
  })

  test('behind one address with a limit of its own, they keep no good client out either', async () => {
    await start({ MQTT_CONNECTIONS_PER_ADDRESS: '5' })
    for (let i = 0; i < 10; i++) await dial('127.0.0.2')
    for (let i = 0; i < 5; i++) {
      expect((await knock({ sub: `good-${i}`, from: '127.0.0.2' })).code).toBe(0)
    }
    const late = await knock({ from: '127.0.0.2' })
    expect(late.code).toBeUndefined()
    expect(await metric('mproxy_connections_dropped_total{reason="too_many_from_address"}')).toBe(1)
    expect((await knock()).code).toBe(0)
  })
})

describe('sessions of one principal', () => {
  test.each([4, 5] as Version[])('are so many and no more, at level %i', async (version) => {
    await start({ MQTT_SESSIONS_PER_PRINCIPAL: '3' })
    const join = (clientId: string, sub = 'dev') => knock({ sub, clientId, version })
    const held = [await join('dev'), await join('dev:a'), await join('dev:b')]
    expect(held.map(({ code }) => code)).toEqual([0, 0, 0])
    expect((await join('dev:c')).code).toBe(version === 5 ? 0x97 : 3)
    expect((await join('other', 'other')).code).toBe(0)
    // Its own client id again: the session before ends, and is not counted twice.
    expect((await join('dev:a')).code).toBe(0)
    expect((await join('dev:c')).code).toBe(version === 5 ? 0x97 : 3)
    held[0]!.wire.close()
    await until(async () => (await join('dev:c')).code === 0, 'one that left makes room')
    const refused = `result="too_many_sessions",protocol="${version === 5 ? '5.0' : '3.1.1'}"`
    expect(await metric(`mproxy_connects_total{${refused}}`)).toBeGreaterThanOrEqual(2)
  })

  test('count once each, however often one is taken over', async () => {
    await start({ MQTT_SESSIONS_PER_PRINCIPAL: '1' })
    for (let i = 0; i < 5; i++) {
      const { code, wire } = await knock({ sub: 'dev' })
      expect(code).toBe(0)
      const next = await knock({ sub: 'dev' })
      expect(next.code).toBe(0)
      wire.close()
      next.wire.close()
      const sessions = 'mproxy_sessions{protocol="5.0"}'
      await until(async () => (await metric(sessions)) === 0, 'both are gone')
    }
    // Two connections of one client are one takeover; three are more than that.
    const all = await Promise.all([1, 2, 3].map(() => knock({ sub: 'dev' })))
    expect(all.map(({ code }) => code).sort()).toEqual([0, 0, 0x97])
  })

  test('come so often in a minute and no oftener', async () => {
    await start({ MQTT_CONNECTS_PER_PRINCIPAL: '4', MQTT_SESSIONS_PER_PRINCIPAL: '0' })
    const codes: unknown[] = []
    for (let i = 0; i < 8; i++) codes.push((await knock({ sub: 'dev', clientId: `dev:${i}` })).code)
    expect(codes).toEqual([0, 0, 0, 0, 0x9f, 0x9f, 0x9f, 0x9f])
    expect((await knock({ sub: 'other' })).code).toBe(0)
    expect((await knock({ sub: 'dev', version: 4 })).code).toBe(3)
  })
})

describe('bad tokens', () => {
  test('of one address are answered, and too many of them wait longer and longer', async () => {
    await start({ MQTT_REFUSED_CONNECTS_PER_ADDRESS: '20' })
    const bad = { token: 'bad', from: '127.0.0.2' }
    for (let i = 0; i < 20; i++) expect((await knock(bad)).code).toBe(0x86)
    expect(await metric('mproxy_connects_delayed_total')).toBe(0)
    const more = await Promise.all(Array.from({ length: 12 }, () => knock(bad)))
    expect(more.map(({ code }) => code)).toEqual(more.map(() => 0x86))
    // A good client behind the same address gets in, later; those of others at once.
    const order: string[] = []
    await Promise.all([
      knock({ sub: 'same', from: '127.0.0.2' }).then(({ code }) => order.push(`same ${code}`)),
      knock({ sub: 'other', from: '127.0.0.3' }).then(({ code }) => order.push(`other ${code}`)),
    ])
    expect(order).toEqual(['other 0', 'same 0'])
    expect(await metric('mproxy_connects_delayed_total')).toBeGreaterThan(0)
  })

  test('with made-up key ids wait too, although nobody can say yet that they are bad', async () => {
    await start({ MQTT_REFUSED_CONNECTS_PER_ADDRESS: '4' })
    const codes: unknown[] = []
    for (let i = 0; i < 8; i++) {
      const token = await issuer.mint({ header: { kid: `k${i}` } })
      codes.push((await knock({ token, from: '127.0.0.2' })).code)
    }
    expect(codes).toEqual([0x86, ...Array(7).fill(0x88)])
    expect(await metric('mproxy_connects_delayed_total')).toBeGreaterThan(0)
  })
})

test('memory that is full lets nobody in, and /readyz says so', async () => {
  await start({ MQTT_MEMORY_MAX: '64' }, false)
  const { port } = proxy.listening[0]!
  const late = new Wire(await dial('127.0.0.1', port), 5)
  await late.closed()
  expect(late.packets).toEqual([])
  expect(await metric('mproxy_connections_dropped_total{reason="memory_full"}')).toBe(1)
  expect(await metric('mproxy_memory_full')).toBe(1)
  const ready = await fetch(`http://127.0.0.1:${proxy.metricsPort}/readyz`)
  expect(ready.status).toBe(503)
  expect(await ready.json()).toMatchObject({ ready: false, memory: false })
})

test('limits may change while sessions are open', async () => {
  await start({})
  expect((await knock({ sub: 'dev', clientId: 'dev:a' })).code).toBe(0)
  proxy.take(configure({ MQTT_SESSIONS_PER_PRINCIPAL: '1', MQTT_CONNECTIONS_PER_ADDRESS: '2' }))
  expect((await knock({ sub: 'dev', clientId: 'dev:b' })).code).toBe(0x97)
  expect((await knock({ sub: 'other', from: '127.0.0.6' })).code).toBe(0)
  expect((await knock({ sub: 'one-more', from: '127.0.0.6' })).code).toBe(0)
  expect((await knock({ sub: 'too-many', from: '127.0.0.6' })).code).toBeUndefined()
  proxy.take(configure({ MQTT_SESSIONS_PER_PRINCIPAL: '0' }))
  expect((await knock({ sub: 'dev', clientId: 'dev:b' })).code).toBe(0)
})
