// mProxy as a program, a real Mosquitto, and the issuer's token status lists: which sessions end
// when a list says so, how they end at the broker, and who is let in afterwards.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  type Connection,
  type ConnectOptions,
  connect,
  tryConnect,
} from './mproxy_fixtures/clients.ts'
import { startIssuer, type TestIssuer } from './mproxy_fixtures/issuer.ts'
import {
  type Broker,
  type RunningProxy,
  startBroker,
  startProxy,
  untilReady,
} from './mproxy_fixtures/programs.ts'
import { type PublishedList, publishList } from './mproxy_fixtures/status_list.ts'
import { until } from './mproxy_fixtures/until.ts'

let broker: Broker
let issuer: TestIssuer
let proxy: RunningProxy
let list: PublishedList
let values: Record<number, number> = {}
const connections: Connection[] = []

beforeAll(async () => {
  broker = await startBroker()
  issuer = await startIssuer()
  list = await publishList(issuer)
  proxy = await startProxy({ issuer: issuer.url, broker: broker.url })
  await untilReady(proxy)
})
afterAll(async () => {
  await proxy.stop()
  await issuer.stop()
  await broker.stop()
})
afterEach(() => {
  for (const connection of connections.splice(0)) connection.cut()
})

const acl = [{ permission: 'allow', action: 'all', topic: '#' }]
const minted = (sub: string, idx?: number, claims = {}) =>
  issuer.mint({
    claims: { sub, client_id: sub, acl, ...(idx === undefined ? {} : list.at(idx)), ...claims },
  })

async function session(
  sub: string,
  idx: number | undefined,
  version: 4 | 5,
  more: Partial<ConnectOptions> = {},
): Promise<Connection> {
  const token = await minted(sub, idx)
  const url = `mqtt://127.0.0.1:${proxy.port}`
  const connection = await connect({ url, version, id: sub, token, ...more })
  connections.push(connection)
  return connection
}

const knock = async (sub: string, token: string, version: 4 | 5 = 5) =>
  tryConnect({ url: `mqtt://127.0.0.1:${proxy.port}`, version, id: sub, token })

/** Indices are used for one test each: what a list says of one stays. */
async function flip(changes: Record<number, number>): Promise<void> {
  values = { ...values, ...changes }
  await list.publish({ values })
}

const will = (topic: string) => ({
  will: { topic, payload: Buffer.from('gone'), qos: 1 as const, retain: false },
})
const kept = { clean: false, properties: { sessionExpiryInterval: 3600 } }

/** A subscriber whose token has no status, and therefore stays. */
async function listen(topic: string): Promise<Connection> {
  const other = await session(`listener-${topic}`, undefined, 5)
  await other.subscribe([topic])
  return other
}

const isPresent = ({ packets }: Connection) =>
  packets.some((packet) => packet.cmd === 'connack' && packet.sessionPresent)

describe.each([5, 4] as const)('in MQTT %i, a session', (version) => {
  const base = version * 10

  test('whose token is ended ends for good: no Will, and nothing is kept at the broker', async () => {
    const sub = `ended-${version}`
    const other = await listen(`will/${sub}`)
    const neighbour = await session(`${sub}-neighbour`, base + 1, version)
    const ended = await session(sub, base, version, { ...kept, ...will(`will/${sub}`) })
    await ended.subscribe(['inbox'])
    await flip({ [base]: 1 })
    expect(await ended.untilClosed()).toBe(version === 5 ? 0x98 : undefined)
    expect(await knock(sub, await minted(sub, base), version)).toBe(version === 5 ? 0x87 : 5)
    // After what the broker did by then, this is what comes next.
    await neighbour.publish(`will/${sub}`, 'still here')
    await until('the next message', () => other.messages.length > 0)
    expect(other.messages).toEqual([`will/${sub} still here`])
    const again = await session(sub, base + 2, version, kept)
    // MQTT 3.1.1 knows no way to end a kept session in a DISCONNECT.
    expect(isPresent(again)).toBe(version === 4)
  })

  test('whose token is superseded ends as a token does: its Will is published, and it is resumed', async () => {
    const sub = `superseded-${version}`
    const other = await listen(`will/${sub}`)
    const old = await session(sub, base + 3, version, { ...kept, ...will(`will/${sub}`) })
    await old.subscribe([`inbox/${sub}`])
    await flip({ [base + 3]: 3 })
    expect(await old.untilClosed()).toBe(version === 5 ? 0xa0 : undefined)
    await until('the Will', () => other.messages.length > 0)
    expect(other.messages).toEqual([`will/${sub} gone`])
    await other.publish(`inbox/${sub}`, 'meanwhile')
    expect(await knock(sub, await minted(sub, base + 3), version)).toBe(version === 5 ? 0x86 : 4)
    const again = await session(sub, base + 4, version, kept)
    expect(isPresent(again)).toBe(true)
    await until('the message', () => again.messages.length > 0)
    expect(again.messages).toEqual([`inbox/${sub} meanwhile`])
  })

  test('hands in its next token, and only that one counts', async () => {
    const sub = `renewed-${version}`
    const renewed = await session(sub, base + 5, version)
    const exp = Math.floor(Date.now() / 1000) + 900
    await renewed.publish('$allauth/token', await minted(sub, base + 6, { exp }))
    await flip({ [base + 5]: 3 })
    await list.asked(2)
    // The old one, sent again late, changes nothing.
    const old = await minted(sub, base + 5, { exp: exp + 900 })
    await renewed.publish('$allauth/token', old)
    expect(renewed.isClosed()).toBe(false)
    await flip({ [base + 6]: 1 })
    expect(await renewed.untilClosed()).toBe(version === 5 ? 0x98 : undefined)
  })

  test('that hands in an ended token ends', async () => {
    const sub = `poisoned-${version}`
    const poisoned = await session(sub, base + 7, version)
    await flip({ [base + 8]: 1 })
    await list.asked(2)
    const exp = Math.floor(Date.now() / 1000) + 900
    const token = await minted(sub, base + 8, { exp })
    poisoned.client.publish('$allauth/token', token, { qos: 1 }, () => {})
    expect(await poisoned.untilClosed()).toBe(version === 5 ? 0x87 : undefined)
  })
})

test('AUTH with a superseded token is refused', async () => {
  const method = { authenticationMethod: 'OAUTH2-JWT' }
  const token = await minted('auth', 70)
  const open = await session('auth', 70, 5, {
    properties: { ...method, authenticationData: Buffer.from(token) },
  })
  await flip({ 71: 3 })
  await list.asked(2)
  const authenticationData = Buffer.from(await minted('auth', 71))
  const properties = { ...method, authenticationData }
  const packet = { cmd: 'auth' as const, reasonCode: 0x19, properties }
  // mqtt.js has no call for it.
  Reflect.apply(Reflect.get(open.client, '_writePacket'), open.client, [packet, () => {}])
  expect(await open.untilClosed()).toBe(0x87)
})

test('a CONNECT whose list is not here is let in, and ends as soon as the list says so', async () => {
  const late = await publishList(issuer, '/status-lists/late', { values: { 1: 1 } })
  const mint = (sub: string, idx: number) =>
    issuer.mint({ claims: { sub, client_id: sub, acl, ...late.at(idx) } })
  const url = `mqtt://127.0.0.1:${proxy.port}`
  const good = await connect({ url, version: 5, id: 'good', token: await mint('good', 2) })
  connections.push(good)
  // Either the list came first, or the session ends.
  const bad = await tryConnect({ url, version: 5, id: 'bad', token: await mint('bad', 1) })
  const isOver = () => proxy.lines('session_ended').some(({ sub }) => sub === 'bad')
  if (bad === 0) await until('its end', isOver)
  expect(await knock('bad', await mint('bad', 1))).toBe(0x87)
  expect(good.isClosed()).toBe(false)
})

test('a list that fails is logged once for each fault, counted, and its sessions go on', async () => {
  const flaky = await publishList(issuer, '/status-lists/flaky')
  const claims = { sub: 'flaky', client_id: 'flaky', acl, ...flaky.at(1) }
  const url = `mqtt://127.0.0.1:${proxy.port}`
  const token = await issuer.mint({ claims })
  const open = await connect({ url, version: 5, id: 'flaky', token })
  connections.push(open)
  const lines = () => proxy.lines('status_list').filter(({ uri }) => uri === flaky.uri)
  flaky.serve((_request, response) => {
    response.writeHead(500).end()
  })
  await flaky.asked(2)
  flaky.serve('no list')
  await flaky.asked(1)
  await until('the line', () => lines().length === 2)
  await flaky.publish({})
  await until('the line', () => lines().length === 3)
  expect(lines().map(({ outcome }) => outcome)).toEqual(['status', 'malformed', 'ok'])
  expect(open.isClosed()).toBe(false)
  const counted = await proxy.metric('mproxy_status_list_refreshes_total', 'outcome="status"')
  expect(counted).toBeGreaterThanOrEqual(2)
  expect(
    await proxy.metric('mproxy_status_lists', `issuer="${issuer.url}"`),
  ).toBeGreaterThanOrEqual(2)
  await flaky.publish({ values: { 1: 1 } })
  expect(await open.untilClosed()).toBe(0x98)
  const reasons = proxy.lines('session_ended').map(({ reason }) => reason)
  expect(reasons).toContain('token_revoked')
  expect(reasons).toContain('token_superseded')
})

test('a session whose token names no list goes on whatever the lists say', async () => {
  const plain = await session('plain', undefined, 5)
  await list.publish({ values: Object.fromEntries(Array.from({ length: 1024 }, (_, i) => [i, 1])) })
  await list.asked(2)
  expect(plain.isClosed()).toBe(false)
  expect(await knock('plain', await minted('plain'))).toBe(0)
})
