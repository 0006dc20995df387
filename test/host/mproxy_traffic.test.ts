// mProxy as a program between real clients and a real Mosquitto: what a token permits goes through,
// what it does not permit is refused, and nothing else changes.

import { createHash, randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import {
  type Connection,
  type ConnectOptions,
  connect,
  tryConnect,
} from './mproxy_fixtures/clients.ts'
import { startIssuer, type TestIssuer } from './mproxy_fixtures/issuer.ts'
import {
  type Broker,
  type ClientOptions,
  publish,
  type RunningProxy,
  type Subscriber,
  startBroker,
  startProxy,
  subscribe,
  untilReady,
} from './mproxy_fixtures/programs.ts'
import { until } from './mproxy_fixtures/until.ts'

let issuer: TestIssuer
let broker: Broker
let proxy: RunningProxy
const open: { end: () => Promise<void> }[] = []

beforeAll(async () => {
  issuer = await startIssuer()
  broker = await startBroker()
  proxy = await startProxy({ issuer: issuer.url, broker: broker.url })
  await untilReady(proxy)
})

afterEach(async () => {
  for (const { end } of open.splice(0)) await end()
})

afterAll(async () => {
  expect(await proxy.stop()).toBe(0)
  await broker.stop()
  await issuer.stop()
})

const rule = (action: string, topic: string, more: object = {}) => {
  return { permission: 'allow', action, topic, ...more }
}

/** A thing that tells its state and listens for commands. */
const deviceAcl = (id: string) => [
  rule('publish', `sites/1/devices/${id}/state`),
  rule('subscribe', `sites/1/devices/${id}/set`),
]
/** A person who sees all states and commands all things. */
const residentAcl = [
  rule('subscribe', 'sites/1/devices/+/state'),
  rule('publish', 'sites/1/devices/+/set', { retain: false }),
]

const mintFor = (sub: string, acl: object[], claims: object = {}) =>
  issuer.mint({ claims: { sub, client_id: sub, acl, ...claims } })

let count = 0
/** Ids of their own for each test, so that retained messages and sessions do not meet. */
const freshId = (name: string) => `${name}-${++count}`

async function opened(options: ConnectOptions): Promise<Connection> {
  const connection = await connect(options)
  open.push(connection)
  return connection
}

async function listening(options: ClientOptions): Promise<Subscriber> {
  const subscriber = await subscribe(options)
  open.push({ end: () => subscriber.stop() })
  return subscriber
}

const tcp = () => `mqtt://127.0.0.1:${proxy.port}`
const ways = [
  ['MQTT 3.1.1 over TCP', 4, () => tcp()],
  ['MQTT 5 over TCP', 5, () => tcp()],
  ['MQTT 3.1.1 over WebSocket', 4, () => proxy.wsUrl],
  ['MQTT 5 over WebSocket', 5, () => proxy.wsUrl],
] as const

describe.each(['311', '5'] as const)("mosquitto's clients, -V %s", (version) => {
  test('an allowed message arrives, a refused one does not, and both clients live on', async () => {
    const device = freshId('dev')
    const port = proxy.port
    const ann = await listening({
      port,
      version,
      id: 'ann',
      token: await mintFor('ann', residentAcl),
      args: ['-t', 'sites/1/devices/+/state', '-q', '1'],
    })
    const token = await mintFor(device, deviceAcl(device))
    const pub = (topic: string, message: string, ...args: string[]) =>
      publish({ port, version, id: device, token, args: ['-t', topic, '-m', message, ...args] })
    const state = `sites/1/devices/${device}/state`
    for (const qos of ['0', '1', '2']) {
      expect(await pub(state, `on${qos}`, '-q', qos)).toMatchObject({ code: 0 })
    }
    for (const qos of ['0', '1', '2']) {
      const refused = await pub('sites/1/devices/other/state', 'forged', '-q', qos)
      if (version === '5' && qos !== '0') {
        expect(refused.stdout + refused.stderr).toMatch(/not authori[sz]ed/i)
      }
    }
    expect(await pub(state, 'off', '-q', '1')).toMatchObject({ code: 0 })
    await until('the last message', () => ann.messages().includes(`${state} off`))
    await ann.stop()
    expect(ann.messages()).toEqual(['on0', 'on1', 'on2', 'off'].map((text) => `${state} ${text}`))
  })

  test('a subscription beyond the rules is refused', async () => {
    const token = await mintFor('ann', residentAcl)
    for (const filter of ['#', 'sites/1/devices/#', 'sites/+/devices/+/state', '$SYS/#']) {
      const ann = await listening({
        port: proxy.port,
        version,
        id: 'ann',
        token,
        args: ['-t', filter],
      })
      expect(ann.output()).toMatch(version === '5' ? /135/ : /128/)
      await ann.stop()
    }
  })

  test('a token of another issuer is refused at CONNECT', async () => {
    const token = await mintFor('dev-x', [], { iss: 'https://other.example' })
    const args = ['-t', 'a', '-m', 'b']
    const result = await publish({ port: proxy.port, version, id: 'dev-x', token, args })
    expect(result.code).toBe(version === '5' ? 0x87 : 5)
  })
})

describe.each(ways)('mqtt.js, %s', (_, version, url) => {
  const denied = version === 5 ? 0x87 : 0x80

  test('a SUBSCRIBE that is partly allowed is answered in its places', async () => {
    const ann = await opened({
      url: url(),
      version,
      id: 'ann:1',
      token: await mintFor('ann', residentAcl),
    })
    const granted = await ann.subscribe([
      'secret/#',
      'sites/1/devices/a/state',
      'sites/1/devices/+/set',
      'sites/1/devices/+/state',
      '#',
    ])
    expect(granted).toEqual([denied, 1, denied, 1, denied])
    expect(await ann.subscribe(['x', 'y'])).toEqual([denied, denied])
  })

  test('commands go one way, states the other, refused ones nowhere', async () => {
    const id = freshId('dev')
    const device = await opened({
      url: url(),
      version,
      id,
      token: await mintFor(id, deviceAcl(id)),
    })
    const ann = await opened({
      url: url(),
      version,
      id: 'ann',
      token: await mintFor('ann', residentAcl),
    })
    expect(await device.subscribe([`sites/1/devices/${id}/set`], 2)).toEqual([2])
    expect(await ann.subscribe([`sites/1/devices/${id}/state`], 1)).toEqual([1])
    await ann.publish(`sites/1/devices/${id}/set`, 'on', { qos: 2 })
    await ann.publish(`sites/1/devices/${id}/state`, 'forged', { qos: 0 })
    await until('the command', () => device.messages.length > 0)
    await device.publish(`sites/1/devices/${id}/state`, 'is on')
    await until('the state', () => ann.messages.length > 0)
    expect(device.messages).toEqual([`sites/1/devices/${id}/set on`])
    expect(ann.messages).toEqual([`sites/1/devices/${id}/state is on`])
  })

  test('a retained message is kept by the broker; retaining is refused where the rule says so', async () => {
    const id = freshId('dev')
    const state = `sites/1/devices/${id}/state`
    const device = await opened({
      url: url(),
      version,
      id,
      token: await mintFor(id, deviceAcl(id)),
    })
    await device.publish(state, 'kept', { retain: true })
    const ann = await opened({
      url: url(),
      version,
      id: 'ann',
      token: await mintFor('ann', residentAcl),
    })
    await ann.subscribe([state])
    await until('the retained message', () => ann.messages.length > 0)
    expect(ann.messages).toEqual([`${state} kept`])

    const set = `sites/1/devices/${id}/set`
    await ann.publish(set, 'not kept', { retain: true }).catch(() => {})
    await device.subscribe([set])
    await ann.publish(set, 'live')
    await until('the command', () => device.messages.length > 0)
    expect(device.messages).toEqual([`${set} live`])
  })

  test('the Will of a connection that breaks is published, one that is not allowed is refused', async () => {
    const id = freshId('dev')
    const state = `sites/1/devices/${id}/state`
    const token = await mintFor(id, deviceAcl(id))
    const will = { topic: state, payload: Buffer.from('gone'), qos: 1 as const, retain: false }
    const ann = await opened({
      url: url(),
      version,
      id: 'ann',
      token: await mintFor('ann', residentAcl),
    })
    await ann.subscribe([state])
    const device = await opened({ url: url(), version, id, token, will })
    device.cut()
    await until('the Will', () => ann.messages.includes(`${state} gone`))

    const elsewhere = { ...will, topic: 'sites/1/devices/other/state' }
    const answer = await tryConnect({ url: url(), version, id, token, will: elsewhere })
    expect(answer).toBe(version === 5 ? 0x87 : 5)
  })

  test('the session ends when its token does, with its Will', async () => {
    const id = freshId('dev')
    const state = `sites/1/devices/${id}/state`
    const ann = await opened({
      url: url(),
      version,
      id: 'ann',
      token: await mintFor('ann', residentAcl),
    })
    await ann.subscribe([state])
    const exp = Math.floor(Date.now() / 1000) + 2
    const device = await opened({
      url: url(),
      version,
      id,
      token: await mintFor(id, deviceAcl(id), { exp }),
      will: { topic: state, payload: Buffer.from('expired'), qos: 1, retain: false },
    })
    await device.publish(state, 'still here')
    const reason = await device.untilClosed()
    expect(Date.now() / 1000).toBeGreaterThanOrEqual(exp - 0.01)
    expect(Date.now() / 1000).toBeLessThan(exp + 2)
    expect(reason).toBe(version === 5 ? 0xa0 : undefined)
    await until('the Will', () => ann.messages.length === 2)
    expect(ann.messages).toEqual([`${state} still here`, `${state} expired`])
  })

  test('a session resumed with narrower rights is refused what only the old ones gave', async () => {
    const id = freshId('usr')
    const session = { clean: false, properties: version === 5 ? { sessionExpiryInterval: 60 } : {} }
    const wide = [rule('subscribe', `rooms/${id}/#`)]
    const before = await connect({
      url: url(),
      version,
      id,
      token: await mintFor(id, wide),
      ...session,
    })
    expect(await before.subscribe([`rooms/${id}/#`])).toEqual([1])
    await before.end()

    const publisher = await opened({
      url: url(),
      version,
      id: 'pub',
      token: await mintFor('pub', [rule('publish', 'rooms/#')]),
    })
    const topics = ['hall', 'safe', 'hall', 'safe', 'hall']
    for (const [i, room] of topics.entries()) await publisher.publish(`rooms/${id}/${room}`, `${i}`)

    const after = await opened({
      url: url(),
      version,
      id,
      token: await mintFor(id, [rule('subscribe', `rooms/${id}/hall`)]),
      ...session,
    })
    await publisher.publish(`rooms/${id}/safe`, '5')
    await publisher.publish(`rooms/${id}/hall`, '6')
    await until('the last message', () => after.messages.includes(`rooms/${id}/hall 6`))
    expect(after.messages).toEqual(['0', '2', '4', '6'].map((n) => `rooms/${id}/hall ${n}`))
  })

  test('payloads from nothing to 900 KB arrive unchanged, both ways at once', async () => {
    const id = freshId('big')
    const acl = [rule('all', `${id}/#`)]
    const one = await opened({ url: url(), version, id, token: await mintFor(id, acl) })
    const sums: string[] = []
    one.client.on('message', (_topic, payload) => sums.push(sum(payload)))
    await one.subscribe([`${id}/x`])
    const sizes = [0, 1, 127, 128, 16_383, 16_384, 65_535, 65_536, 200_000, 900_000]
    const payloads = sizes.map((size) => randomBytes(size))
    await Promise.all(payloads.map((payload) => one.publish(`${id}/x`, payload)))
    await until('all payloads', () => sums.length === sizes.length, 20)
    expect(sums).toEqual(payloads.map(sum))
    console.log(`payload sizes ${sizes.join(', ')}: ${sums.length} of ${sizes.length} unchanged`)
  })

  test('2,000 messages of each QoS arrive once and in order', async () => {
    const id = freshId('many')
    const acl = [rule('all', `${id}/#`)]
    const sender = await opened({ url: url(), version, id, token: await mintFor(id, acl) })
    const receiver = await opened({
      url: url(),
      version,
      id: `${id}:r`,
      token: await mintFor(id, acl),
    })
    await receiver.subscribe([`${id}/+`], 2)
    for (const qos of [1, 2] as const) {
      receiver.messages.length = 0
      const sent = Array.from({ length: 2000 }, (_unused, n) => `${id}/${qos} ${n}`)
      // Mosquitto takes 20 unacknowledged messages from one client.
      for (let first = 0; first < sent.length; first += 20) {
        const window = Array.from({ length: 20 }, (_unused, i) => `${first + i}`)
        await Promise.all(window.map((n) => sender.publish(`${id}/${qos}`, n, { qos })))
      }
      await until('all messages', () => receiver.messages.length >= sent.length, 30)
      expect(receiver.messages).toEqual(sent)
      console.log(`QoS ${qos}: ${receiver.messages.length} of ${sent.length} messages in order`)
    }
  }, 90_000)
})

const sum = (payload: Buffer) => createHash('sha256').update(payload).digest('hex')

describe('names', () => {
  test.each([
    ['another subject', 'eve', {}],
    ['the subject and an empty suffix', 'ann:', {}],
    ['the subject with more letters', 'anna', {}],
    ['a suffix with a slash', 'ann:a/b', {}],
    ['a wildcard', '#', {}],
  ])('the client id of %s is refused', async (_, id) => {
    const token = await mintFor('ann', residentAcl)
    expect(await tryConnect({ url: tcp(), version: 5, id, token })).toBe(0x85)
    expect(await tryConnect({ url: tcp(), version: 4, id, token })).toBe(2)
  })

  test('an empty client id is replaced, and told', async () => {
    const token = await mintFor('ann', residentAcl)
    const ann = await opened({ url: tcp(), version: 5, id: '', token })
    expect(ann.packets[0]).toMatchObject({
      properties: { assignedClientIdentifier: expect.stringMatching(/^ann:.+/) },
    })
  })

  test('mqtt_client_id of the token is let in', async () => {
    const token = await mintFor('ann', residentAcl, { mqtt_client_id: 'meter-7' })
    await opened({ url: tcp(), version: 5, id: 'meter-7', token })
  })

  test('a user name that is not the one in the token is refused', async () => {
    const token = await mintFor('ann', residentAcl, { username: 'ann@example.com' })
    const options = { url: tcp(), version: 5 as const, id: 'ann', token }
    expect(await tryConnect({ ...options, username: 'eve' })).toBeGreaterThanOrEqual(0x86)
    await opened({ ...options, username: 'ann@example.com' })
  })
})

describe('WebSocket', () => {
  const ask = (url: string, protocols: string[]) =>
    new Promise<string>((answer) => {
      const socket = new WebSocket(url, protocols)
      socket.on('unexpected-response', (_request, response) => {
        socket.terminate()
        answer(`status ${response.statusCode}`)
      })
      socket.on('error', (error) => answer(error.message))
      socket.on('open', () => {
        answer(`open ${socket.protocol} ${socket.extensions}`)
        socket.terminate()
      })
    })

  test('the subprotocol mqtt is chosen and nothing is compressed', async () => {
    expect(await ask(proxy.wsUrl, ['mqtt'])).toBe('open mqtt ')
    expect(await ask(proxy.wsUrl, ['mqttv3.1', 'mqtt'])).toBe('open mqtt ')
  })

  test('without the subprotocol, or on another path, an upgrade is refused', async () => {
    expect(await ask(proxy.wsUrl, [])).toBe('status 400')
    expect(await ask(proxy.wsUrl, ['mqttv3.1'])).toBe('status 400')
    expect(await ask(`${proxy.wsUrl}/more`, ['mqtt'])).toBe('status 404')
    expect(await ask(proxy.wsUrl.replace('/mqtt', '/'), ['mqtt'])).toBe('status 404')
  })

  test('a plain request is refused: 426', async () => {
    expect((await fetch(proxy.wsUrl.replace('ws:', 'http:'))).status).toBe(426)
  })

  const closing = (send: (socket: WebSocket) => void) =>
    new Promise<number>((answer) => {
      const socket = new WebSocket(proxy.wsUrl, ['mqtt'])
      socket.on('error', () => {})
      socket.on('open', () => send(socket))
      socket.on('close', (code) => answer(code))
    })

  test('a text message is refused by a close, even one that spells a CONNECT', async () => {
    const connectBytes = '\u0010\u000c\u0000\u0004MQTT\u0004\u0002\u0000\u003c\u0000\u0000'
    const code = await closing((socket) => socket.send(connectBytes))
    expect(code).toBe(1006)
  })

  test('a message larger than the largest packet is refused', async () => {
    const code = await closing((socket) => socket.send(Buffer.alloc(1_048_577, 0x10)))
    expect([1006, 1009]).toContain(code)
  })

  test('one who is unknown is refused to fill a message slowly', async () => {
    const sent: number[] = []
    const code = await closing((socket) => {
      const send = () => {
        if (socket.readyState !== WebSocket.OPEN) return
        sent.push(8192)
        socket.send(Buffer.alloc(8192), { fin: false }, () => setTimeout(send, 2))
      }
      send()
    })
    expect(code).toBe(1006)
    console.log(`cut off after ${sent.length} fragments of 8192 bytes`)
    expect(sent.length * 8192).toBeLessThan(1_048_576)
  })

  test('packets may be spread over frames in any way', async () => {
    const { generate } = await import('mqtt-packet')
    const token = await mintFor('ann', residentAcl)
    const bytes = generate({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      clientId: 'ann',
      keepalive: 0,
      username: 'x',
      password: Buffer.from(token),
    })
    const ping = Buffer.from([0xc0, 0])
    const received: Buffer[] = []
    const socket = new WebSocket(proxy.wsUrl, ['mqtt'])
    socket.on('message', (data: Buffer) => received.push(data))
    await new Promise((done) => socket.once('open', done))
    for (const byte of bytes) socket.send(Buffer.from([byte]))
    await until('CONNACK', () => Buffer.concat(received).length === 4)
    socket.send(Buffer.concat([ping, ping, ping]))
    await until('three PINGRESP', () => Buffer.concat(received).length === 10)
    expect(Buffer.concat(received).toString('hex')).toBe('20020000d000d000d000')
    socket.terminate()
  })
})
