// The real worker over HTTP, mProxy and Mosquitto: what an operator ends ends at the broker too,
// within the `ttl` of the status lists and two seconds more, and nothing else does.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Connection, connect, tryConnect } from './mproxy_fixtures/clients.ts'
import {
  type Broker,
  type RunningProxy,
  startBroker,
  startProxy,
  untilReady,
} from './mproxy_fixtures/programs.ts'
import { until } from './mproxy_fixtures/until.ts'
import { startWorkerOn } from './programs.ts'

/** `ttl` and two seconds, with the time that a request takes on a machine that is busy. */
const SOON = 12 + 6

const secret = 'ops-secret-of-at-least-32-characters-0001'
const blueprint = {
  clients: [
    {
      client_id: 'ops',
      client_secret: secret,
      grant_types: ['client_credentials'],
      scope: 'manage',
    },
    { client_id: 'app', client_secret: secret, grant_types: ['client_credentials'], scope: 'mqtt' },
  ],
  groups: [{ id: 'site', kind: 'site', name: 'Site' }],
  roles: [
    {
      name: 'reader',
      permissions: ['device:read'],
      acl: [{ permission: 'allow', action: 'all', topic: '${group.id}/+' }],
    },
  ],
  device_types: [
    {
      name: 'lamp',
      acl: [{ permission: 'allow', action: 'all', topic: '${group.id}/${device.id}' }],
    },
  ],
  devices: ['lamp-1', 'lamp-2', 'lamp-3'].map((id) => ({ id, type: 'lamp', groups: ['site'] })),
}

let worker: Awaited<ReturnType<typeof startWorkerOn>>
let broker: Broker
let proxy: RunningProxy

beforeAll(async () => {
  worker = await startWorkerOn('node', blueprint)
  broker = await startBroker()
  proxy = await startProxy({ issuer: worker.issuer, broker: broker.url })
  await untilReady(proxy)
})
afterAll(async () => {
  await proxy.stop()
  await broker.stop()
  await worker.stop()
})

type Json = Record<string, unknown>

async function tokenOf(client_id: string, scope: string): Promise<string> {
  const answer = await fetch(`${worker.issuer}/oauth/token`, {
    method: 'POST',
    headers: { Authorization: `Basic ${btoa(`${client_id}:${secret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
  })
  const { access_token } = (await answer.json()) as Json
  return String(access_token)
}

async function call(method: string, path: string, body?: Json): Promise<Json> {
  const answer = await fetch(`${worker.issuer}${path}`, {
    method,
    headers: {
      Authorization: `Bearer ${await tokenOf('ops', 'manage')}`,
      'Content-Type': 'application/json',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  expect(answer.ok, text).toBe(true)
  return text === '' ? {} : (JSON.parse(text) as Json)
}

const mint = (device: string) =>
  call('POST', `/v1/devices/${device}/tokens`, { expires_in: 86_400 }) as Promise<
    Json & { id: string; access_token: string }
  >

const url = () => `mqtt://127.0.0.1:${proxy.port}`
const join = (id: string, token: string, topic?: string): Promise<Connection> => {
  const payload = Buffer.from('gone')
  const will =
    topic === undefined ? {} : { will: { topic, payload, qos: 1 as const, retain: false } }
  const kept = { clean: false, properties: { sessionExpiryInterval: 3600 } }
  return connect({ url: url(), version: 5, id, token, ...kept, ...will })
}
const knock = (id: string, token: string) => tryConnect({ url: url(), version: 5, id, token })

test('a suspended device, a revoked token and a grant that ended end their sessions, and no other', async () => {
  const role = { subject: 'app', role: 'reader', object: 'site' }
  const grant = (await call('POST', '/v1/grants', role)) as { id: string }
  const tokens = {
    suspended: await mint('lamp-1'),
    revoked: await mint('lamp-2'),
    sibling: await mint('lamp-2'),
    other: await mint('lamp-3'),
  }
  const app = await tokenOf('app', 'mqtt')
  const sessions = {
    suspended: await join('lamp-1', tokens.suspended.access_token, 'site/lamp-1'),
    revoked: await join('lamp-2:a', tokens.revoked.access_token),
    sibling: await join('lamp-2:b', tokens.sibling.access_token),
    other: await join('lamp-3', tokens.other.access_token),
    app: await join('app', app, 'site/lamp-3'),
  }
  await sessions.other.subscribe(['site/lamp-3'])
  await until('the list', () => proxy.lines('session_started').length === 5)

  await call('PATCH', '/v1/devices/lamp-1', { status: 'suspended' })
  await call('DELETE', `/v1/devices/lamp-2/tokens/${tokens.revoked.id}`)
  await call('DELETE', `/v1/grants/${grant.id}`)

  expect(await sessions.suspended.untilClosed(SOON)).toBe(0x98)
  expect(await sessions.revoked.untilClosed(SOON)).toBe(0x98)
  expect(await sessions.app.untilClosed(SOON)).toBe(0xa0)
  await until('the Will of the app', () => sessions.other.messages.length > 0)
  expect(sessions.other.messages).toEqual(['site/lamp-3 gone'])
  expect([sessions.sibling.isClosed(), sessions.other.isClosed()]).toEqual([false, false])

  expect(await knock('lamp-1', tokens.suspended.access_token)).toBe(0x87)
  expect(await knock('lamp-2:a', tokens.revoked.access_token)).toBe(0x87)
  expect(await knock('app', app)).toBe(0x86)
  // The app comes back with a new token and to its session, without the rights that ended.
  const again = await join('app', await tokenOf('app', 'mqtt'))
  expect(again.packets[0]).toMatchObject({ cmd: 'connack', sessionPresent: true })
  expect(await again.subscribe(['site/lamp-3'])).toEqual([0x87])

  // A device that is active again has tokens of its own; the one that ended stays ended.
  await call('PATCH', '/v1/devices/lamp-1', { status: 'active' })
  expect(await knock('lamp-1', tokens.suspended.access_token)).toBe(0x87)
  expect(await knock('lamp-1', (await mint('lamp-1')).access_token)).toBe(0)
  for (const session of Object.values(sessions)) session.client.end(true)
  again.client.end(true)
})
