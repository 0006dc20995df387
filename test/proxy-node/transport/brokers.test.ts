// Several brokers of one cluster: whose is a client, what becomes of it while its broker is down or
// hangs, and how a broker is reached by TLS.

import { once } from 'node:events'
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import mqtt, { type Packet } from 'mqtt-packet'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { describeFault, readProxyConfig } from '../../../proxy-node/config.ts'
import { readProxyHeader } from '../../../proxy-node/transport/proxy_header.ts'
import { type DialOptions, openBrokers } from '../../../proxy-node/transport/upstream.ts'
import { makeAuthority } from '../../support/certificates.ts'
import {
  buildHouse,
  connectBytes,
  type House,
  makeCertificateFiles,
  type RunningDoor,
} from '../fixtures/door.ts'
import { until } from '../fixtures/mosquitto.ts'
import { dialWire } from '../fixtures/wire.ts'

type Connect = Extract<Packet, { cmd: 'connect' }>
const open: { stop: () => unknown }[] = []
afterEach(async () => {
  for (const { stop } of open.splice(0).reverse()) await stop()
})

/** Answers every CONNECT, until it is told to hang; keeps those of clients. */
async function startOne(port = 0) {
  const sockets = new Set<Socket>()
  const one = { connects: [] as Connect[], looks: 0, connections: 0, hangs: false }
  const server = createServer((socket) => {
    one.connections++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    const parser = mqtt.parser()
    parser.on('packet', (packet) => {
      if (packet.cmd !== 'connect' || one.hangs) return
      if (packet.clientId === '') one.looks++
      else one.connects.push(packet)
      socket.write(
        packet.protocolVersion === 5
          ? '\u0020\u0003\u0000\u0000\u0000'
          : '\u0020\u0002\u0000\u0000',
      )
    })
    socket.on('data', (chunk) => parser.parse(chunk))
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = { host: '127.0.0.1', port: (server.address() as AddressInfo).port, tls: false }
  const stop = async () => {
    for (const socket of sockets) socket.destroy()
    if (server.listening) await new Promise((closed) => server.close(closed))
  }
  open.push({ stop })
  return Object.assign(one, { address, url: `mqtt://127.0.0.1:${address.port}`, stop, sockets })
}

type One = Awaited<ReturnType<typeof startOne>>
const never = new AbortController().signal
const caller = (client_id: string) => ({ client_id, endpoints: undefined })

function openCluster(brokers: One[], options: DialOptions = {}) {
  const cluster = openBrokers(
    brokers.map(({ address }) => address),
    options,
  )
  open.push({ stop: () => cluster.close() })
  const find = async (id: string) => {
    const { stream, beginsAnew } = await cluster.dial(never, caller(id))
    const { remotePort } = stream as Socket
    stream.destroy()
    return { at: brokers.findIndex(({ address }) => address.port === remotePort), beginsAnew }
  }
  return { ...cluster, find }
}

const ids = Array.from({ length: 60 }, (_, i) => `dev-${i}`)
const homesIn = async (cluster: ReturnType<typeof openCluster>) => {
  const homes = new Map<string, number>()
  for (const id of ids) homes.set(id, (await cluster.find(id)).at)
  return homes
}

describe('a client', () => {
  test('has a broker of its own, whatever the order of the addresses, and each broker its share', async () => {
    const brokers = [await startOne(), await startOne(), await startOne()]
    const homes = await homesIn(openCluster(brokers))
    const shares = [0, 1, 2].map((at) => [...homes.values()].filter((home) => home === at).length)
    expect(Math.min(...shares)).toBeGreaterThan(5)
    const turned = await homesIn(openCluster([...brokers].reverse()))
    for (const [id, home] of homes) expect(turned.get(id)).toBe(2 - home)
    expect(await homesIn(openCluster(brokers))).toEqual(homes)
  })

  test('of another broker than the one that is down stays where it is', async () => {
    const brokers = [await startOne(), await startOne(), await startOne()]
    const changes: [string, boolean][] = []
    let failovers = 0
    const cluster = openCluster(brokers, {
      onChange: (...change) => changes.push(change),
      onFailover: () => failovers++,
    })
    const before = await homesIn(cluster)
    expect(failovers).toBe(0)
    await brokers[1]!.stop()
    const after = await homesIn(cluster)
    for (const [id, home] of before) {
      if (home === 1) expect(after.get(id)).not.toBe(1)
      else expect(after.get(id)).toBe(home)
    }
    const moved = [...before.values()].filter((home) => home === 1).length
    expect(failovers).toBe(moved)
    expect(
      new Set([...before].filter(([, home]) => home === 1).map(([id]) => after.get(id))).size,
    ).toBe(2)
    expect(changes).toEqual([[`127.0.0.1:${brokers[1]!.address.port}`, false]])
    expect(cluster.states().map(({ isUp }) => isUp)).toEqual([true, false, true])
  })

  test('begins anew where it was not last, and goes on where it was', async () => {
    const brokers = [await startOne(), await startOne()]
    const cluster = openCluster(brokers, { look_interval_ms: 20 })
    const shared = openCluster(brokers, { sharesSessions: true })
    const { at: home, beginsAnew } = await cluster.find('dev-1')
    expect(beginsAnew).toBe(false)
    const { address } = brokers[home]!
    await brokers[home]!.stop()
    expect(await cluster.find('dev-1')).toEqual({ at: 1 - home, beginsAnew: true })
    expect(await cluster.find('dev-1')).toEqual({ at: 1 - home, beginsAnew: false })
    expect(await shared.find('dev-1')).toEqual({ at: 1 - home, beginsAnew: false })
    await startOne(address.port)
    await until(() => cluster.states().every(({ isUp }) => isUp), 'the broker is up')
    expect(await cluster.find('dev-1')).toEqual({ at: home, beginsAnew: true })
    expect(await cluster.find('dev-1')).toEqual({ at: home, beginsAnew: false })
  })
})

describe('a broker', () => {
  test('that takes connections and says nothing is found out, and found again', async () => {
    const brokers = [await startOne(), await startOne()]
    const cluster = openCluster(brokers, { look_interval_ms: 30, connect_timeout_ms: 1000 })
    await until(() => brokers.every(({ looks }) => looks > 0), 'all are looked at')
    brokers[0]!.hangs = true
    await until(() => cluster.states()[0]?.isUp === false, 'it is down')
    for (const id of ids.slice(0, 10)) expect((await cluster.find(id)).at).toBe(1)
    brokers[0]!.hangs = false
    await until(() => cluster.states()[0]?.isUp === true, 'it is up')
    // Looks leave no connection behind.
    cluster.close()
    await until(() => brokers.every(({ sockets }) => sockets.size === 0), 'no connection is left')
  })

  test('that is down is tried by one dial at a time', async () => {
    const { promise: late, resolve } = Promise.withResolvers<void>()
    let attempts = 0
    const tls = createServer((socket) => {
      attempts++ // no handshake comes
      socket.on('error', () => {})
      void late.then(() => socket.destroy())
    })
    tls.listen(0, '127.0.0.1')
    await once(tls, 'listening')
    open.push({ stop: () => tls.close() })
    const { port } = tls.address() as AddressInfo
    const cluster = openBrokers([{ host: '127.0.0.1', port, tls: true }], {
      connect_timeout_ms: 500,
    })
    await expect(cluster.dial(never)).rejects.toThrow()
    expect(attempts).toBe(1)
    const dials = Array.from({ length: 50 }, () =>
      cluster.dial(never, caller('x')).catch(() => 'down'),
    )
    expect(new Set(await Promise.all(dials))).toEqual(new Set(['down']))
    // One that comes in late, behind all the others, ends the counting.
    const last = connectTcp(port, '127.0.0.1')
    await until(() => attempts > 2, 'the last one is counted')
    last.destroy()
    expect(attempts).toBe(3)
    resolve()
  })

  test('that is tried for a client who gives up is tried for the next one', async () => {
    const authority = await makeAuthority()
    const site = await makeCertificateFiles(authority, ['localhost'])
    const secure = createTlsServer({ cert: site.certificate, key: site.key }, (socket) => {
      socket.on('error', () => {})
    })
    secure.on('tlsClientError', () => {})
    let count = 0
    const server = createServer((socket) => {
      count++
      socket.on('error', () => {})
      if (count === 1) socket.destroy()
      if (count > 2) secure.emit('connection', socket) // no word to the second
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    open.push({ stop: () => server.close() })
    const { port } = server.address() as AddressInfo
    const tls = () => ({ ca: authority.pem })
    const cluster = openBrokers([{ host: 'localhost', port, tls: true }], { tls })
    await expect(cluster.dial(never)).rejects.toThrow()
    const leaver = new AbortController()
    const left = cluster.dial(leaver.signal, caller('leaves')).catch(() => 'left')
    await until(() => count === 2, 'it is tried')
    const others = [caller('stays'), caller('stays too')].map((one) => cluster.dial(never, one))
    leaver.abort()
    expect(await left).toBe('left')
    for (const { stream } of await Promise.all(others)) stream.destroy()
    expect(count).toBe(4)
  })

  test('that is back lets all in who waited for the one that tried', async () => {
    const one = await startOne()
    const { port } = one.address
    await one.stop()
    const cluster = openBrokers([one.address], {})
    await expect(cluster.dial(never)).rejects.toThrow()
    const back = await startOne(port)
    const dials = await Promise.all(
      Array.from({ length: 20 }, () => cluster.dial(never, caller('x'))),
    )
    expect(dials).toHaveLength(20)
    await until(() => back.connections === 20, 'all are there')
    for (const { stream } of dials) stream.destroy()
  })
})

describe('through mProxy', () => {
  let house: House
  beforeAll(async () => {
    house = await buildHouse()
  })
  afterAll(() => house.stop())

  async function enter(door: RunningDoor, version: 4 | 5, sub: string) {
    const wire = await dialWire(door.ports[0]!, version)
    open.push({ stop: () => wire.close() })
    wire.send(await connectBytes(house.issuer, sub, {}, version, { clean: false }))
    await wire.next('connack')
    return wire
  }

  test.each([4, 5] as const)(
    'a session that failed over begins anew, and is not moved back: %i',
    async (version) => {
      const brokers = [await startOne(), await startOne()]
      const door = await house.start({
        MQTT_LISTEN: 'mqtt://127.0.0.1:0',
        MQTT_UPSTREAM: brokers.map(({ url }) => url.replace('//', '//user:secret@')).join(','),
        MQTT_UPSTREAM_LOOK_INTERVAL: '1',
      })
      const sub = `roams-${version}`
      const first = await enter(door, version, sub)
      const [home, other] = brokers[0]!.connects.length > 0 ? brokers : [brokers[1]!, brokers[0]!]
      expect(home!.connects).toMatchObject([{ clean: false, clientId: sub, username: 'user' }])
      await home!.stop()
      await first.closed()
      const second = await enter(door, version, sub)
      expect(other!.connects).toMatchObject([{ clean: true, clientId: sub }])
      const name = `127.0.0.1:${home!.address.port}`
      expect(await door.metric('mproxy_upstream_up', `broker="${name}"`)).toBe(0)
      expect(await door.metric('mproxy_upstream_failovers_total')).toBe(1)
      await startOne(home!.address.port)
      await until(() => door.lines('broker').length === 2, 'it is up again')
      expect(door.lines('broker')).toEqual([
        { event: 'broker', broker: name, state: 'down' },
        { event: 'broker', broker: name, state: 'up' },
      ])
      expect(second.isClosed).toBe(false)
    },
  )

  test('mqtts: the authority, a certificate of its own, and files that change', async () => {
    const [authority, others] = await Promise.all([makeAuthority(), makeAuthority()])
    const site = await makeCertificateFiles(authority, ['localhost'])
    const own = await makeCertificateFiles(authority, ['mproxy'])
    const shown: unknown[] = []
    const server = createTlsServer(
      { cert: site.certificate, key: site.key, ca: authority.pem, requestCert: true },
      (socket) => {
        shown.push(socket.getPeerCertificate().subjectaltname)
        socket.on('error', () => {})
        socket.on('data', () => socket.write(Buffer.from([0x20, 3, 0, 0, 0])))
      },
    )
    server.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    open.push({ stop: () => server.close() })
    const ca = house.write('ca.pem', authority.pem)
    const door = await house.start({
      MQTT_LISTEN: 'mqtt://127.0.0.1:0',
      MQTT_UPSTREAM: `mqtts://localhost:${(server.address() as AddressInfo).port}`,
      MQTT_UPSTREAM_CA_FILE: ca,
      MQTT_UPSTREAM_CERT_FILE: house.write('own.pem', own.certificate),
      MQTT_UPSTREAM_KEY_FILE: house.write('own.key', own.key),
    })
    const wire = await enter(door, 5, 'dev-tls')
    expect(shown.at(-1)).toBe('DNS:mproxy')
    house.write('ca.pem', others.pem)
    door.proxy.reload()
    const refused = await dialWire(door.ports[0]!, 5)
    open.push({ stop: () => refused.close() })
    refused.send(await connectBytes(house.issuer, 'dev-2'))
    expect(await refused.next('connack')).toMatchObject({ reasonCode: 0x88 })
    expect(wire.isClosed).toBe(false)
  })

  test('mqtts behind a PROXY header: the name is verified, and a dial that fails harms nobody', async () => {
    const authority = await makeAuthority()
    const site = await makeCertificateFiles(authority, ['localhost'])
    const server = createServer((raw) => {
      raw.on('error', () => {})
      raw.once('data', (bytes: Buffer) => {
        const reading = readProxyHeader(bytes)
        if (typeof reading === 'string') return raw.destroy()
        raw.pause()
        raw.unshift(bytes.subarray(reading.length))
        secure.emit('connection', raw)
      })
    })
    const secure = createTlsServer({ cert: site.certificate, key: site.key }, (socket) => {
      socket.on('error', () => {}).write('hello')
    })
    secure.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    open.push({ stop: () => server.close() })
    const { port } = server.address() as AddressInfo
    const options = { tellsEndpoints: true, tls: () => ({ ca: authority.pem }) }
    const dial = (host: string, at: number) =>
      openBrokers([{ host, port: at, tls: true }], options).dial(never, caller('x'))
    const { stream } = await dial('localhost', port)
    expect(String((await once(stream, 'data'))[0])).toBe('hello')
    stream.destroy()
    // Its certificate is not for this name.
    await expect(dial('127.0.0.1', port)).rejects.toThrow('no broker is reachable')
    await expect(dial('localhost', 1)).rejects.toThrow('no broker is reachable')
  })

  test('files that are not good are named at the start', async () => {
    const started = house.start({
      MQTT_LISTEN: 'mqtt://127.0.0.1:0',
      MQTT_UPSTREAM: 'mqtts://localhost:1',
      MQTT_UPSTREAM_CA_FILE: '/nowhere/ca.pem',
      MQTT_UPSTREAM_CERT_FILE: '/nowhere/own.pem',
      MQTT_UPSTREAM_KEY_FILE: '/nowhere/own.key',
    })
    await expect(started).rejects.toThrow(
      /^MQTT_UPSTREAM_CA_FILE: .*ca.pem.*\nMQTT_UPSTREAM_CERT_FILE: .*own.pem: cannot be read/,
    )
    const env = { MQTT_UPSTREAM: 'mqtts://h', MQTT_UPSTREAM_KEY_FILE: 'own.key' }
    const reading = readProxyConfig(env)
    expect(reading.ok ? [] : reading.faults.map(describeFault)).toEqual([
      expect.stringMatching(/^MQTT_UPSTREAM_CERT_FILE: is required with MQTT_UPSTREAM_KEY_FILE/),
    ])
  })
})
