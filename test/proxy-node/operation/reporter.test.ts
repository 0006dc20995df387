// Reports of mProxy to an issuer that records them: what it tells, and what it does while nobody listens.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Packet } from 'mqtt-packet'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ReportEntry } from '../../../proxy-node/operation/report_queue.ts'
import { ReportQueue } from '../../../proxy-node/operation/report_queue.ts'
import { openReporter, type Reporter } from '../../../proxy-node/operation/reporter.ts'
import {
  type SessionCounts,
  type SessionEvents,
  type SessionFacts,
  startCounts,
} from '../../../proxy-node/session/events.ts'
import { NOT_AUTHORIZED, QUOTA_EXCEEDED } from '../../../proxy-node/wire/reason_codes.ts'
import { allow } from '../fixtures/proxy.ts'
import { begin, both, marker, ok, open, proxy } from '../fixtures/stage.ts'
import { publish, subscribe } from '../fixtures/wire.ts'

const SECRET = 'a-secret-that-no-line-of-the-log-has'

type Body = { epoch: string; seq: number; entries: ReportEntry[]; [name: string]: unknown }

let server: Server
let issuer: string
let bodies: Body[]
let tokens: string[]
/** Statuses of the next reports; 200 behind them. */
let statuses: number[]
let answer: object
let isDown: boolean
let reporter: Reporter | undefined
let lines: string[]
let outcomes: string[]

beforeEach(async () => {
  bodies = []
  tokens = []
  statuses = []
  lines = []
  outcomes = []
  answer = { lease: 30, resync: false }
  isDown = false
  server = createServer(async (request, response) => {
    if (isDown) return void request.socket.destroy()
    let text = ''
    for await (const chunk of request) text += chunk
    const send = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (request.url?.endsWith('/openid-configuration')) {
      return void send(200, { issuer, token_endpoint: `${issuer}/oauth/token` })
    }
    if (request.url === '/oauth/token') {
      tokens.push(`${request.headers.authorization} ${text}`)
      return void send(200, { access_token: `t-${tokens.length}`, expires_in: 600 })
    }
    expect(request.url).toBe('/v1/reports')
    const status = statuses.shift() ?? 200
    bodies.push({ ...JSON.parse(text), status, token: request.headers.authorization })
    send(status, answer)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterEach(async () => {
  await reporter?.close()
  reporter = undefined
  server.closeAllConnections()
  server.close()
})

const NO_EVENTS = new Proxy({}, { get: () => () => {} }) as SessionEvents

function start(waiting_max?: number): SessionEvents {
  let counters = { dropped: () => 0, waiting: () => 0 }
  reporter = openReporter({
    issuer,
    address: undefined,
    reports: { client_id: 'mproxy', client_secret: SECRET, proxy: 'door-1' },
    ages: () => ({ key_age: 7.9, list_age: undefined }),
    metrics: {
      reportSent: (outcome) => outcomes.push(outcome),
      watchReports: (dropped, waiting) => {
        counters = { dropped, waiting }
      },
    },
    log: (event, fields) => lines.push(JSON.stringify({ event, ...fields })),
    every_ms: 20,
    ...(waiting_max === undefined ? {} : { waiting_max }),
  })
  void counters
  return reporter.watch(NO_EVENTS)
}

let lastId = 0
function session(sub: string): SessionFacts & { counts: SessionCounts } {
  return {
    id: ++lastId,
    remoteAddress: undefined,
    version: 5,
    mqttClientId: sub,
    identity: undefined,
    sub,
    opened_at: 1_700_000_000_500,
    counts: startCounts(),
  }
}

const entries = () => bodies.filter(({ status }) => status === 200).flatMap((one) => one.entries)
const told = (event: string) => entries().filter((one) => one.event === event)
const until = (holds: () => boolean) => vi.waitUntil(holds, { timeout: 5000, interval: 5 })

describe('a reporter', () => {
  test('tells who comes and goes, with its name, its epoch and the ages of its keys', async () => {
    const events = start()
    const [one, other] = [session('dev-1'), session('dev-2')]
    events.sessionStarted(one)
    events.sessionStarted(other)
    events.sessionEnded(one, 'client_gone')
    events.connectRefused('will_not_allowed' as never, {
      ...{ remoteAddress: undefined, version: 5, client_id: 'dev-3', sub: 'dev-3' },
    })
    events.connectRefused('bad_signature', {
      ...{ remoteAddress: undefined, version: 5, client_id: 'dev-4', sub: undefined },
    })
    await until(() => entries().length >= 4)
    expect(bodies[0]).toMatchObject({
      ...{ proxy: 'door-1', seq: 1, sessions: 1, key_age: 7, list_age: null, dropped: 0 },
      token: 'Bearer t-1',
    })
    expect(entries().map(({ event, sub, reason }) => [event, sub, reason])).toEqual([
      ['connected', 'dev-1', undefined],
      ['connected', 'dev-2', undefined],
      ['disconnected', 'dev-1', 'client_gone'],
      ['connect_refused', 'dev-3', 'will_not_allowed'],
    ])
    expect(told('connected')[0]?.at).toBe(1_700_000_000)
    const basic = Buffer.from(`mproxy:${SECRET}`).toString('base64')
    expect(tokens).toEqual([`Basic ${basic} grant_type=client_credentials&scope=mproxy%3Areport`])
    expect(lines.join()).not.toContain(SECRET)
  })

  test('tells the first 20 topics of a session, and numbers for the rest', async () => {
    const events = start()
    const one = session('dev-1')
    events.sessionStarted(one)
    for (let n = 0; n < 30; n++) {
      const topic = n === 0 ? 'x'.repeat(5000) : `t/${n}`
      for (let i = 0; i < 10; i++)
        events.refused(one.counts, 'publish_refused', topic, NOT_AUTHORIZED)
    }
    events.refused(one.counts, 'subscribe_refused', 'many', QUOTA_EXCEEDED)
    events.refused(one.counts, 'delivery_refused', '', NOT_AUTHORIZED)
    events.refused(startCounts(), 'publish_refused', 'of nobody', NOT_AUTHORIZED)
    await until(() => told('delivery_refused').length > 0)
    const published = told('publish_refused')
    expect(published).toHaveLength(21)
    expect(published.filter(({ topic }) => topic !== undefined).map(({ count }) => count)).toEqual(
      Array(20).fill(10),
    )
    expect(published.find(({ topic }) => topic?.startsWith('xx'))?.topic).toHaveLength(200)
    expect(published.find(({ topic }) => topic === undefined)?.count).toBe(100)
    expect(told('subscribe_refused')).toMatchObject([{ count: 1, reason: 'quota_exceeded' }])
    // Only what came since is told again.
    events.refused(one.counts, 'publish_refused', 't/1', NOT_AUTHORIZED)
    await until(() => told('publish_refused').length > 21)
    expect(told('publish_refused').at(-1)).toMatchObject({ topic: 't/1', count: 1 })
  })

  test('sends a report again as it is, where nobody took it, with another token where that was refused', async () => {
    statuses = [503, 401]
    const events = start()
    events.sessionStarted(session('dev-1'))
    await until(() => told('connected').length > 0)
    events.sessionStarted(session('dev-2'))
    await until(() => told('connected').length > 1)
    expect(bodies.map(({ status, seq, token }) => [status, seq, token])).toEqual([
      [503, 1, 'Bearer t-1'],
      [401, 1, 'Bearer t-1'],
      [200, 1, 'Bearer t-2'],
      [200, 2, 'Bearer t-2'],
    ])
    expect(lines.map((line) => JSON.parse(line).outcome)).toEqual(['unreachable', 'refused', 'ok'])
  })

  test('drops and counts what does not fit while nobody is there, and then begins anew with all', async () => {
    const events = start(4)
    const sessions = [...Array(10).keys()].map((n) => session(`dev-${n}`))
    events.sessionStarted(sessions[0] as never)
    await until(() => told('connected').length === 1)
    isDown = true
    for (const one of sessions.slice(1, 3)) events.sessionStarted(one)
    await until(() => outcomes.includes('unreachable'))
    for (const one of sessions.slice(3)) events.sessionStarted(one)
    events.sessionEnded(sessions[0] as never, 'client_gone')
    isDown = false
    await until(() => told('connected').length >= 12)
    const anew = bodies.filter(({ epoch }) => epoch !== bodies[0]?.epoch)
    expect(anew[0]).toMatchObject({ seq: 1, dropped: 4, sessions: 9 })
    const names = anew.flatMap((one) => one.entries).filter(({ event }) => event === 'connected')
    expect(names.map(({ sub }) => sub)).toEqual(sessions.slice(1).map(({ sub }) => sub))
  })

  test('begins anew where the issuer does not know it, and asks no more often for that', async () => {
    answer = { lease: 30, resync: true }
    const events = start()
    events.sessionStarted(session('dev-1'))
    await until(() => bodies.length > 2)
    const epochs = bodies.map(({ epoch, seq }) => [epoch, seq])
    expect(new Set(epochs.map(([epoch]) => epoch)).size).toBe(epochs.length)
    for (const { entries: some, seq } of bodies) {
      expect([seq, some.map(({ sub }) => sub)]).toEqual([1, ['dev-1']])
    }
  })

  test('gives up a report that is refused, and says what was lost', async () => {
    statuses = [400]
    const events = start()
    events.sessionStarted(session('dev-1'))
    await until(() => told('connected').length > 0)
    const [refused, next] = bodies
    expect(refused).toMatchObject({ status: 400, dropped: 0 })
    expect(next).toMatchObject({ status: 200, seq: 1, dropped: 1 })
    expect(next?.epoch).not.toBe(refused?.epoch)
  })

  test('tells who was there at the end when mProxy stops, and does not wait for an issuer that is away', async () => {
    const events = start()
    const one = session('dev-1')
    events.sessionStarted(one)
    await until(() => told('connected').length > 0)
    events.sessionEnded(one, 'draining')
    await reporter?.close()
    expect(told('disconnected')).toMatchObject([{ sub: 'dev-1', reason: 'draining' }])
    isDown = true
    start()
    await reporter?.close()
  })
})

test('a queue forgets the topics of a session with it', () => {
  const queue = new ReportQueue()
  for (let n = 0; n < 2000; n++) {
    const one = session(`dev-${n}`)
    queue.began(one)
    for (let i = 0; i < 20; i++) queue.refused(one.counts, 'publish_refused', `t/${i}`, 0x87)
    queue.ended(one, 'client_gone')
    while (queue.take().length > 0);
  }
  const last = session('last')
  queue.began(last)
  queue.refused(last.counts, 'publish_refused', 'topic', 0x87)
  expect(queue.take().at(-1)).toMatchObject({ topic: 'topic' })
})

describe.each(both)('a session, at level %i', (version) => {
  test('tells the topic of a refused PUBLISH and the filter of a SUBSCRIBE, and of deliveries that there were some', async () => {
    const { client, broker } = await open(version, [allow('all', 'a/#'), ok])
    client.send(publish('b/1'), subscribe(3, 'c/+', 'a/1'), marker)
    await broker.next('subscribe')
    expect((await broker.next('publish')).topic).toBe('ok')
    broker.send(publish('secret/of/others'), publish('ok'))
    expect((await client.next('publish')).topic).toBe('ok')
    expect(proxy.refusals).toEqual([
      ['publish_refused', 'b/1', 0x87],
      ['subscribe_refused', 'c/+', 0x87],
      ['delivery_refused', '', 0x87],
    ])
  })

  test('tells of no delivery where dropping some is a matter of course', async () => {
    await begin({ partial_filters: 'deliver' })
    const { client, broker } = await open(version, [ok])
    broker.send({ ...publish('secret') } as Packet, publish('ok'))
    expect((await client.next('publish')).topic).toBe('ok')
    expect(proxy.refusals).toEqual([])
  })
})
