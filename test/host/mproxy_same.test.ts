// One script of exchanges directly at a broker and through mProxy in front of it, with rules that
// allow all of it: the clients of others see the same, packet by packet.

import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { Aedes } from 'aedes'
import type { Packet } from 'mqtt-packet'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findFreePort } from '../../worker/entry/broker/free_port.ts'
import { until } from '../proxy-node/fixtures/mosquitto.ts'
import { type Connection, type ConnectOptions, connect } from './mproxy_fixtures/clients.ts'
import { startIssuer, type TestIssuer } from './mproxy_fixtures/issuer.ts'
import {
  type Broker,
  publish,
  type RunningProxy,
  startBroker,
  startProxy,
  subscribe,
  untilReady,
} from './mproxy_fixtures/programs.ts'

let issuer: TestIssuer
let mosquitto: Broker
let aedes: { port: number; stop(): Promise<void> }
/** In front of Mosquitto, and of aedes. */
let proxies: RunningProxy[] = []

beforeAll(async () => {
  issuer = await startIssuer()
  ;[mosquitto, aedes] = await Promise.all([startBroker(), startAedes()])
  const brokers = [mosquitto.port, aedes.port]
  proxies = await Promise.all(
    brokers.map((port) => startProxy({ issuer: issuer.url, broker: `mqtt://127.0.0.1:${port}` })),
  )
  await Promise.all(proxies.map(untilReady))
})

afterAll(async () => {
  for (const proxy of proxies) await proxy.stop()
  await aedes?.stop()
  await mosquitto?.stop()
  await issuer?.stop()
})

async function startAedes() {
  const broker = await Aedes.createBroker()
  const server: Server = createServer(broker.handle)
  const port = await findFreePort()
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
  return {
    port,
    stop: async () => {
      server.close()
      await new Promise<void>((done) => broker.close(done))
    },
  }
}

/** Names of one run, of one length in all runs. */
type Run = { name: string; port: number; version: 4 | 5; token(id: string): Promise<string> }

let count = 100
const runs = (version: 4 | 5, ...ports: number[]): Run[] =>
  ports.map((port) => {
    const name = `r${++count}`
    const acl = [{ permission: 'allow', action: 'all', topic: `${name}/#` }]
    const token = (id: string) => issuer.mint({ claims: { sub: id, client_id: id, acl } })
    return { name, port, version, token }
  })

const tcp = ({ port }: Run) => `mqtt://127.0.0.1:${port}`

/** A packet as a client saw it, without the names of the run. */
function seen(packet: Packet, { name }: Run, keepsIds: boolean): unknown {
  const { cmd } = packet
  type Flags = { dup?: boolean; qos?: number; retain?: boolean }
  const { length: _, dup, qos, retain, messageId, ...rest } = packet as Packet & Flags
  const flags = cmd === 'publish' ? { dup, qos, retain, ...(keepsIds ? { messageId } : {}) } : {}
  const text = JSON.stringify({ ...rest, ...flags }, (key, value) => {
    // mProxy tells its own limit, whether the broker has one or not.
    if (key === 'maximumPacketSize') return undefined
    if (value?.type === 'Buffer' && value.data.length > 99) {
      return createHash('sha256').update(Buffer.from(value.data)).digest('hex')
    }
    return value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value
  })
  return JSON.parse(text.replaceAll(name, 'run'))
}

/** The script, and all packets that its clients saw. */
async function play(run: Run, can: { share: boolean; ids: boolean }, url: string) {
  const { name, version } = run
  const is5 = version === 5
  const record: [string, unknown][] = []
  const open: Connection[] = []
  const join = async (who: string, more: Partial<ConnectOptions> = {}) => {
    const id = `${name}-${who}`
    const token = await run.token(id)
    const connection = await connect({ url, version, id, token, ...more })
    open.push(connection)
    return connection
  }
  const note = (who: string, { packets }: Connection) => {
    // A broker that only closes is told to an MQTT 5 client: unspecified error.
    const all = packets.filter((one) => one.cmd !== 'disconnect' || one.reasonCode !== 0x80)
    record.push(...all.map((one): [string, unknown] => [who, seen(one, run, can.ids)]))
  }
  const heard = (who: Connection, many: number) =>
    until(() => who.messages.length >= many, `${many} messages come`)

  // Each QoS, empty and large payloads, one message for filters that overlap.
  const listener = await join('listener', is5 ? { properties: { topicAliasMaximum: 5 } } : {})
  expect(await listener.subscribe([`${name}/a/+`], 2)).toEqual([2])
  await listener.client.subscribeAsync(`${name}/b/#`, {
    qos: 1,
    ...(is5 ? { rap: true, rh: 1, nl: true, properties: { subscriptionIdentifier: 7 } } : {}),
  })
  const sender = await join('sender')
  let many = 0
  const say = async (topic: string, payload: string | Buffer, more = {}) => {
    await sender.client.publishAsync(`${name}/${topic}`, payload, { qos: 1, ...more })
    if (!topic.startsWith('nobody')) await heard(listener, ++many)
  }
  for (const qos of [0, 1, 2] as const) await say('a/1', `qos ${qos}`, { qos })
  await say('a/é', '')
  await say('b/large', Buffer.alloc(300_000, 7), { qos: 2 })
  await say('nobody', 'hears it')
  await say('nobody', 'hears it', { qos: 2 })
  if (is5) {
    const properties = {
      payloadFormatIndicator: true,
      contentType: 'text/plain',
      responseTopic: `${name}/a/answer`,
      correlationData: Buffer.from([0, 1, 2]),
      userProperties: { one: '1', two: ['2', 'zwei'] },
    }
    await say('b/properties', 'with them', { properties })
    await say('b/alias', 'named', { properties: { topicAlias: 3 } })
    await sender.client.publishAsync('', 'by alias', { qos: 1, properties: { topicAlias: 3 } })
    await heard(listener, ++many)
  }

  // A retained message, for whom subscribes before it, after it, and when it is gone.
  await say('a/kept', 'kept', { retain: true })
  await say('b/kept', 'kept', { retain: true })
  const late = await join('late')
  await late.subscribe([`${name}/+/kept`], 1)
  await heard(late, 2)
  await say('a/kept', '', { retain: true })
  await heard(late, 3)
  await late.client.unsubscribeAsync(`${name}/+/kept`)
  await late.client.unsubscribeAsync(`${name}/never`)
  await late.subscribe([`${name}/a/kept`, `${name}/b/kept`], 0)
  await heard(late, 4)
  late.client.sendPing()
  await until(() => late.packets.some(({ cmd }) => cmd === 'pingresp'), 'the answer to a ping')
  await say('b/kept', '', { retain: true })
  await heard(late, 5)
  note('late', late)

  // Wills: of a connection that breaks, of one that says goodbye.
  const will = {
    topic: `${name}/a/will`,
    payload: Buffer.from('gone'),
    qos: 1 as const,
    retain: false,
    ...(is5 ? { properties: { contentType: 'text/will', userProperties: { of: 'whom' } } } : {}),
  }
  for (const end of ['cut', 'end'] as const) {
    const mortal = await join('mortal', { will })
    await mortal[end]()
    if (end === 'cut') await heard(listener, ++many)
    note('mortal', mortal)
  }

  // A session: its messages wait for it, and one without an answer is sent again.
  const session = { clean: false, properties: is5 ? { sessionExpiryInterval: 60 } : {} }
  const before = await join('sleeper', { ...session, customHandleAcks: () => {} })
  await before.subscribe([`${name}/#`], 2)
  await say('a/again', 'without an answer')
  await until(() => before.packets.some(({ cmd }) => cmd === 'publish'), 'a delivery')
  before.cut()
  await before.untilClosed()
  for (const qos of [0, 1, 2] as const) await say('a/slept', `while it slept, qos ${qos}`, { qos })
  note('sleeper', before)
  const after = await join('sleeper', session)
  await until(() => after.messages.some((text) => text.endsWith('qos 2')), 'what it missed')
  await say('a/awake', 'again')
  await until(() => after.messages.some((text) => text.endsWith('awake again')), 'the next')
  const successor = await join('sleeper', { clean: true })
  await after.untilClosed()
  note('sleeper', after)
  note('sleeper', successor)

  if (can.share) {
    const members = [await join('one'), await join('two')]
    for (const member of members) await member.subscribe([`$share/g/${name}/b/jobs`], 1)
    for (let i = 0; i < 6; i++) await say('b/jobs', `job ${i}`)
    const done = () => members.flatMap(({ messages }) => messages)
    await until(() => done().length === 6, 'all jobs')
    record.push([
      'members',
      done()
        .sort()
        .map((text) => text.replace(name, 'run')),
    ])
  }
  note('listener', listener)
  note('sender', sender)
  for (const connection of open) await connection.end().catch(() => {})
  return record
}

test.each([4, 5] as const)(
  'mqtt.js: clients at level %i see the same at Mosquitto',
  async (version) => {
    const can = { share: true, ids: true }
    const { port, wsUrl } = proxies[0]!
    const [one, two, three] = runs(version, mosquitto.port, port, port)
    const [direct, through, overWebSocket] = await Promise.all([
      play(one!, can, tcp(one!)),
      play(two!, can, tcp(two!)),
      play(three!, can, wsUrl),
    ])
    expect(through).toEqual(direct)
    expect(overWebSocket).toEqual(direct)
    console.log(`level ${version}: ${direct!.length} packets are the same at Mosquitto`)
    expect(direct!.length).toBeGreaterThan(70)
  },
)

test('mqtt.js: clients see the same at aedes', async () => {
  const can = { share: false, ids: false }
  const [direct, through] = await Promise.all(
    runs(4, aedes.port, proxies[1]!.port).map((run) => play(run, can, tcp(run))),
  )
  expect(through).toEqual(direct)
  console.log(`${direct!.length} packets are the same at aedes`)
  expect(direct!.length).toBeGreaterThan(60)
})

/** All that both of Mosquitto's programs print of what they sent and got. */
async function playPrograms({ name, port, token }: Run, version: '311' | '5') {
  const tell = async (id: string, args: string[]) => {
    return { port, version, id, token: await token(id), args }
  }
  const hear = (args: string[]) => tell(`${name}-sub`, args).then(subscribe)
  const say = (args: string[]) => tell(`${name}-pub`, ['-d', ...args]).then(publish)
  const five = version === '5' ? ['-D', 'publish', 'content-type', 'text/x'] : []
  const sub = await hear(['-t', `${name}/+`, '-q', '2'])
  const said = []
  for (const qos of ['0', '1', '2']) {
    said.push(await say(['-t', `${name}/a`, '-m', `on ${qos}`, '-q', qos, ...five]))
    await until(() => sub.messages().length === said.length, 'the message comes')
  }
  said.push(await say(['-t', `${name}/kept`, '-m', 'kept', '-r', '-q', '1']))
  await until(() => sub.messages().length === said.length, 'the message comes')
  await sub.stop()
  const again = await hear(['-t', `${name}/#`, '-q', '1'])
  await until(() => again.messages().length === 1, 'the retained one comes')
  await again.stop()
  said.push(await say(['-t', `${name}/kept`, '-n', '-r', '-q', '2']))
  const all = JSON.stringify({ said, heard: [sub.output(), again.output()] })
  return all.replaceAll(name, 'run').split('\\n')
}

test.each(['311', '5'] as const)(
  'mosquitto_pub and mosquitto_sub see the same, -V %s',
  async (version) => {
    const [direct, through] = await Promise.all(
      runs(4, mosquitto.port, proxies[0]!.port).map((run) => playPrograms(run, version)),
    )
    expect(through).toEqual(direct)
    console.log(`-V ${version}: ${direct!.length} lines of both programs are the same`)
    expect(direct!.length).toBeGreaterThan(50)
  },
)

const PYTHON = '/usr/bin/python3'
const hasPaho = spawnSync(PYTHON, ['-c', 'import paho.mqtt.client']).status === 0

/** All that the callbacks of paho's clients were told. */
async function playPaho({ name, port, version, token }: Run) {
  const script = new URL('fixtures/mqtt_script.py', import.meta.url).pathname
  const child = spawn(PYTHON, [script, `${port}`, `${version}`, name])
  const [listener, sender] = [await token(`${name}-listener`), await token(`${name}-sender`)]
  child.stdin.end(JSON.stringify({ listener, sender }))
  const ended = once(child, 'close')
  const [out, err] = await Promise.all([readText(child.stdout), readText(child.stderr)])
  await ended
  expect([child.exitCode, err]).toEqual([0, ''])
  return out.replaceAll(name, 'run').split('\n')
}

// test/prepare.ts gets it, or says that it could not.
test.runIf(hasPaho).each([4, 5] as const)(
  'paho (Python) at level %i sees the same',
  async (version) => {
    const [direct, through] = await Promise.all(
      runs(version, mosquitto.port, proxies[0]!.port).map(playPaho),
    )
    expect(through).toEqual(direct)
    console.log(`level ${version}: ${direct!.length} callbacks of paho are the same`)
    expect(direct!.length).toBeGreaterThan(25)
  },
)
