// The core of mProxy in front of a real Mosquitto, with mqtt.js and with raw sockets.

import { createHash } from 'node:crypto'
import mqttjs, { type IClientOptions, type MqttClient } from 'mqtt'
import mqttPacket from 'mqtt-packet'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { AclRule } from '../../../policy/acl.ts'
import type { Identity } from '../../../proxy-node/tokens/verifier.ts'
import { type Mosquitto, startMosquitto, until } from '../fixtures/mosquitto.ts'
import { allow, deny, identify, type RunningProxy, startProxy } from '../fixtures/proxy.ts'
import { login, type Version, type Wire } from '../fixtures/wire.ts'

let broker: Mosquitto
let proxy: RunningProxy
let clients: MqttClient[] = []
let wires: Wire[] = []
let serial = 0

beforeAll(async () => {
  broker = await startMosquitto()
  proxy = await startProxy(broker.port, { limits: { packet_max: 20_000_000 } })
})
afterEach(async () => {
  for (const client of clients) client.end(true)
  for (const wire of wires) wire.close()
  clients = []
  wires = []
})
afterAll(async () => {
  await proxy.stop()
  await broker.stop()
})

/** A subject of its own for each test, so that no message of another test meets it. */
function enrol(rules: (sub: string) => AclRule[], more: Partial<Identity> = {}): string {
  const sub = `dev-${++serial}`
  proxy.tokens.set(sub, identify(sub, rules(sub), more))
  return sub
}

/** A connected mqtt.js client, whose token is named like its subject. */
async function connect(version: Version, sub: string, more: IClientOptions = {}) {
  const client = mqttjs.connect(`mqtt://127.0.0.1:${proxy.port}`, {
    protocolVersion: version,
    clientId: sub,
    username: 'any',
    password: sub,
    reconnectPeriod: 0,
    ...more,
  })
  clients.push(client)
  const messages: { topic: string; text: string; retain: boolean }[] = []
  client.on('message', (topic, payload, packet) =>
    messages.push({ topic, text: payload.toString(), retain: packet.retain }),
  )
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => resolve())
    client.once('error', reject)
  })
  client.on('error', () => {})
  return Object.assign(client, { messages, closed })
}

async function wire(version: Version, sub: string, more = {}) {
  const made = await login(proxy.port, version, sub, more)
  wires.push(made)
  return made
}

const codeOf = (failure: unknown) => (failure as { code?: number }).code
/** Somebody who may do everything. */
const observe = async () =>
  connect(
    5,
    enrol(() => [allow('all', '#')]),
  )

describe.each([4, 5] as Version[])('through mProxy at level %i', (version) => {
  test('an allowed message arrives in each QoS, a refused one does not', async () => {
    const sub = enrol((s) => [allow('publish', `${s}/out`), allow('subscribe', `${s}/#`)])
    const client = await connect(version, sub)
    await client.subscribeAsync(`${sub}/#`, { qos: 2 })
    for (const qos of [0, 1, 2] as const) {
      const refused = client.publishAsync(`${sub}/other`, `no ${qos}`, { qos })
      if (version === 5 && qos > 0) expect(codeOf(await refused.catch((e) => e))).toBe(0x87)
      else await refused
      await client.publishAsync(`${sub}/out`, `yes ${qos}`, { qos })
    }
    await until(() => client.messages.length >= 3, 'three messages come')
    expect(client.messages.map((m) => m.text)).toEqual(['yes 0', 'yes 1', 'yes 2'])
  })

  test('a partly allowed SUBSCRIBE is granted in part', async () => {
    const sub = enrol((s) => [deny('subscribe', `${s}/secret`), allow('all', `${s}/+`)])
    const client = await connect(version, sub)
    const asked = [`${sub}/a`, `${sub}/secret`, `${sub}/#`, `${sub}/b`]
    const failed = client.subscribeAsync(asked).catch((e) => e)
    await failed
    await client.publishAsync(`${sub}/a`, '1', { qos: 1 })
    await client.publishAsync(`${sub}/b`, '2', { qos: 1 })
    await client.publishAsync(`${sub}/secret`, '3', { qos: 1 })
    await client.publishAsync(`${sub}/a`, '4', { qos: 1 })
    await until(() => client.messages.length >= 3, 'three messages come')
    expect(client.messages.map((m) => m.text)).toEqual(['1', '2', '4'])
  })

  test('a refused connection gets its code', async () => {
    const code = await connect(version, 'nobody').catch(codeOf)
    expect(code).toBe(version === 5 ? 0x86 : 4)
  })

  test('a Will is published when the client is gone, and when its token runs out', async () => {
    const observer = await observe()
    const gone = enrol((s) => [allow('publish', `will/${s}`)])
    const late = enrol((s) => [allow('publish', `will/${s}`)], {
      expires_at: Math.ceil(Date.now() / 1000) + 1,
    })
    await observer.subscribeAsync([`will/${gone}`, `will/${late}`])
    const will = (s: string) => ({
      will: { topic: `will/${s}`, payload: Buffer.from(s), qos: 1 as const, retain: false },
    })
    ;(await wire(version, gone, will(gone))).close()
    const expiring = await wire(version, late, will(late))
    await until(() => observer.messages.length === 2, 'both Wills come')
    expect(observer.messages.map((m) => m.text).sort()).toEqual([gone, late].sort())
    await expiring.closed()
    const last = expiring.packets.at(-1)
    if (version === 5) expect(last).toMatchObject({ cmd: 'disconnect', reasonCode: 0xa0 })
  })

  test('a Will is suppressed when the client is revoked', async () => {
    const observer = await observe()
    const sub = enrol((s) => [allow('publish', `will/${s}`)])
    await observer.subscribeAsync(`will/${sub}`)
    const client = await wire(version, sub, {
      will: { topic: `will/${sub}`, payload: Buffer.from('x'), qos: 0, retain: false },
    })
    proxy.sessions.at(-1)!.revoke()
    await client.closed()
    await proxy.sessions.at(-1)!.closed
    await observer.publishAsync(`will/${sub}`, 'marker')
    await until(() => observer.messages.length > 0, 'the marker comes')
    expect(observer.messages.map((m) => m.text)).toEqual(['marker'])
  })

  test('a retained message needs its permission, and comes to who subscribes later', async () => {
    const sub = enrol((s) => [
      allow('publish', `${s}/kept`, { retain: true }),
      allow('publish', `${s}/live`, { retain: false }),
      allow('subscribe', `${s}/#`),
    ])
    const client = await connect(version, sub)
    await client.publishAsync(`${sub}/kept`, 'kept', { qos: 1, retain: true })
    await client.publishAsync(`${sub}/live`, 'live', { qos: 1, retain: true }).catch(() => {})
    await client.subscribeAsync(`${sub}/#`)
    await client.publishAsync(`${sub}/live`, 'now', { qos: 1 })
    await until(() => client.messages.length >= 2, 'two messages come')
    expect(client.messages.map((m) => [m.text, m.retain])).toEqual([
      ['kept', true],
      ['now', false],
    ])
  })

  test('a resumed session with a narrower token gets only what that allows, and stalls nothing', async () => {
    const sub = enrol((s) => [allow('subscribe', `${s}/#`)])
    const persistent = {
      clean: false,
      ...(version === 5 ? { properties: { sessionExpiryInterval: 600 } } : {}),
    }
    const first = await wire(version, sub, persistent)
    first.send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [
        { topic: `${sub}/a`, qos: 2 },
        { topic: `${sub}/b`, qos: 2 },
      ],
    })
    await first.next('suback')
    first.send({ cmd: 'disconnect' })
    await first.closed()
    const other = await observe()
    const rounds = 40 // twice the window of Mosquitto
    for (let i = 0; i < rounds; i++) {
      const qos = i % 2 === 0 ? 1 : 2
      await other.publishAsync(`${sub}/a`, `a${i}`, { qos })
      await other.publishAsync(`${sub}/b`, `b${i}`, { qos })
    }
    const denied = proxy.counts.deliveryDenied
    proxy.tokens.set(sub, identify(sub, [allow('subscribe', `${sub}/b`)]))
    const narrow = await connect(version, sub, persistent)
    await until(() => narrow.messages.length >= rounds, 'the allowed messages come')
    await until(() => proxy.counts.deliveryDenied - denied === rounds, 'the others are refused')
    expect(narrow.messages.map((m) => m.topic)).toEqual(Array(rounds).fill(`${sub}/b`))
    await narrow.endAsync()
    console.log(`resumed: ${rounds} delivered, ${rounds} refused`)

    // They were acknowledged: a wide token does not find them again.
    proxy.tokens.set(sub, identify(sub, [allow('all', `${sub}/#`)]))
    const wide = await connect(version, sub, persistent)
    await wide.publishAsync(`${sub}/a`, 'after', { qos: 1 })
    await until(() => wide.messages.length > 0, 'the new message comes')
    expect(wide.messages.map((m) => m.text)).toEqual(['after'])
    await wide.endAsync()
  })

  test('a client whose packets are all refused lives beyond the broker’s patience', async () => {
    const sub = enrol((s) => [allow('subscribe', s)])
    const client = await wire(version, sub, { keepalive: 1 })
    const begun = performance.now()
    let refused = 0
    while (performance.now() - begun < 4000) {
      client.send({ cmd: 'publish', topic: 'no', payload: '', qos: 0, dup: false, retain: false })
      refused++
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: sub, qos: 0 }] })
    expect((await client.next('suback')).granted).toEqual([0])
    expect(client.untaken).toEqual([])
    console.log(`kept alive for 4 s at keep-alive 1 s, ${refused} packets refused`)
  })

  test('a shared subscription works, and its filter is judged', async () => {
    const subs = [0, 1].map(() => enrol(() => [allow('subscribe', `jobs-${version}/#`)]))
    const members = await Promise.all(subs.map((s) => connect(version, s)))
    for (const member of members) {
      await member.subscribeAsync(`$share/g/jobs-${version}/+`, { qos: 1 })
      const refused = await member.subscribeAsync('$share/g/other').catch((e) => e)
      expect(Array.isArray(refused) ? refused[0]?.qos : (codeOf(refused) ?? 0x80)).toBeGreaterThan(
        2,
      )
    }
    const other = await observe()
    for (let i = 0; i < 20; i++) await other.publishAsync(`jobs-${version}/1`, `${i}`, { qos: 1 })
    const all = () => members.flatMap((m) => m.messages.map((x) => Number(x.text)))
    await until(() => all().length >= 20, 'all jobs come')
    expect(all().sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i))
  })

  test('large messages pass whole through a subscriber that reads slowly', async () => {
    const sub = enrol((s) => [allow('all', `${s}/#`)])
    const slow = await wire(version, sub)
    slow.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `${sub}/big`, qos: 0 }] })
    await slow.next('suback')
    const publisherId = enrol(() => [allow('publish', `${sub}/big`)])
    const publisher = await connect(version, publisherId)
    const count = 6
    const payloads = Array.from({ length: count }, (_, i) => Buffer.alloc(4_000_000, i + 1))
    // One chunk every few milliseconds.
    slow.socket.on('data', () => slow.socket.pause())
    const slowly = setInterval(() => slow.socket.resume(), 3)
    const begun = performance.now()
    const before = process.memoryUsage().rss
    for (const payload of payloads) await publisher.publishAsync(`${sub}/big`, payload, { qos: 1 })
    await until(() => slow.untaken.length === count, 'the large messages come', 25_000)
    clearInterval(slowly)
    const took = Math.round(performance.now() - begun)
    const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
    for (const payload of payloads) {
      const got = await slow.next('publish')
      expect(hash(got.payload as Buffer)).toBe(hash(payload))
    }
    const grown = Math.round((process.memoryUsage().rss - before) / 1e6)
    console.log(`${count} messages of 4 MB to a slow reader in ${took} ms; grew ${grown} MB`)
    expect(took).toBeGreaterThan(300)
  })

  test('many messages keep their order and number under load', async () => {
    const sub = enrol((s) => [allow('all', `${s}/yes`), allow('subscribe', `${s}/no`)])
    const client = await wire(version, sub)
    client.send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [{ topic: `${sub}/yes`, qos: 0 }],
    })
    await client.next('suback')
    const count = 5000
    const counted = { ...proxy.counts }
    const packets = []
    for (let i = 0; i < count; i++) {
      const more = { qos: 0 as const, dup: false, retain: false }
      packets.push({ cmd: 'publish' as const, topic: `${sub}/yes`, payload: `${i}`, ...more })
      if (i % 3 === 0)
        packets.push({ cmd: 'publish' as const, topic: `${sub}/no`, payload: `${i}`, ...more })
    }
    client.send(...packets)
    await until(() => client.untaken.length >= count, 'all come', 20_000)
    const texts = client.untaken.map((p) =>
      p.cmd === 'publish' ? Number(p.payload.toString()) : -1,
    )
    expect(texts).toEqual(Array.from({ length: count }, (_, i) => i))
    const denied = proxy.counts.publishDenied - counted.publishDenied
    console.log(`load: ${count} delivered in order, ${denied} refused in between`)
    expect(denied).toBe(Math.ceil(count / 3))
  })
})

describe('through mProxy', () => {
  test('aliases: what an alias stands for at the broker is never what was refused', async () => {
    const observer = await observe()
    const sub = enrol((s) => [allow('publish', `${s}/a`), allow('publish', `${s}/c`)])
    await observer.subscribeAsync(`${sub}/#`)
    const client = await wire(5, sub)
    expect(client.connack.properties?.topicAliasMaximum).toBeGreaterThan(1)
    const send = (topic: string, payload: string, topicAlias = 1) =>
      client.send({
        cmd: 'publish',
        topic,
        payload,
        qos: 0,
        dup: false,
        retain: false,
        properties: { topicAlias },
      })
    send(`${sub}/a`, 'a1')
    send('', 'a2')
    send(`${sub}/b`, 'refused')
    send('', 'refused too')
    send(`${sub}/c`, 'c1', 2)
    send(`${sub}/c`, 'c2', 1)
    send('', 'c3', 1)
    await until(() => observer.messages.length >= 5, 'five messages come')
    expect(observer.messages.map((m) => [m.topic.slice(sub.length + 1), m.text])).toEqual([
      ['a', 'a1'],
      ['a', 'a2'],
      ['c', 'c1'],
      ['c', 'c2'],
      ['c', 'c3'],
    ])
  })

  test('mqtt.js replaces its token by AUTH in mid-session', async () => {
    const sub = enrol((s) => [allow('all', `${s}/#`)])
    const properties = { authenticationMethod: 'OAUTH2-JWT', authenticationData: Buffer.from(sub) }
    const client = await connect(5, sub, { password: undefined, username: undefined, properties })
    await client.subscribeAsync([`${sub}/a`, `${sub}/b`])
    proxy.tokens.set('narrow', identify(sub, [allow('all', `${sub}/b`)]))
    // mqtt.js answers the server's AUTH but has no call to begin one.
    const packet = {
      cmd: 'auth' as const,
      reasonCode: 0x19,
      properties: { ...properties, authenticationData: Buffer.from('narrow') },
    }
    client.stream.write(mqttPacket.generate(packet, { protocolVersion: 5 }))
    await until(
      () => proxy.events.some((t) => t.what === 'reauthenticated'),
      'the token is replaced',
    )
    const other = await observe()
    await other.publishAsync(`${sub}/a`, 'no', { qos: 1 })
    await other.publishAsync(`${sub}/b`, 'yes', { qos: 1 })
    await until(() => client.messages.length > 0, 'a message comes')
    expect(client.messages.map((m) => m.text)).toEqual(['yes'])
  })

  test('a broker killed with SIGKILL ends sessions, and new ones work when it is back', async () => {
    const sub = enrol((s) => [allow('all', `${s}/#`)])
    const five = await wire(5, sub)
    const sub4 = enrol((s) => [allow('all', `${s}/#`)])
    const three = await wire(4, sub4)
    await broker.kill()
    expect((await five.next('disconnect')).reasonCode).toBe(0x80)
    await five.closed()
    await three.closed()
    expect((await wire(5, sub)).connack.reasonCode).toBe(0x88)
    expect((await wire(4, sub4)).connack.returnCode).toBe(3)
    await broker.start()
    const again = await connect(5, sub)
    await again.subscribeAsync(`${sub}/x`)
    await again.publishAsync(`${sub}/x`, 'back', { qos: 1 })
    await until(() => again.messages.length > 0, 'a message comes')
  })
})
