// Small tokens, which name the rules of their type by reference: from the real worker over HTTP,
// through mProxy, at a real Mosquitto. The sizes in docs/mqtt.md are those that are measured here.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Connection, connect, tryConnect } from './mproxy_fixtures/clients.ts'
import { callAsOperator, type Json, mintFor, OPERATOR } from './mproxy_fixtures/operator.ts'
import {
  type Broker,
  type RunningProxy,
  startBroker,
  startProxy,
  untilReady,
} from './mproxy_fixtures/programs.ts'
import { until } from './mproxy_fixtures/until.ts'
import { startWorkerOn } from './programs.ts'

const own = (action: string, last: string) => ({
  permission: 'allow',
  action,
  topic: `sites/\${group.id}/devices/\${device.id}/${last}`,
})
const state = own('publish', 'state')
const ten = Array.from({ length: 10 }, (_, i) => own('subscribe', `set-${i}`))
const types = { none: [], one: [state], ten, small: [state, own('subscribe', 'set')] }
const blueprint = {
  clients: [OPERATOR],
  groups: [{ id: 'site-12', kind: 'site', name: '12 Garden Street' }],
  roles: [{ name: 'bridge', permissions: [], acl: [own('subscribe', 'extra')] }],
  device_types: Object.entries(types).map(([name, acl]) => ({
    name,
    acl,
    acl_by_reference: name === 'small',
  })),
  devices: [
    ...Object.keys(types).map((type) => ({ id: `dim-${type}`, type, groups: ['site-12'] })),
    { id: 'dim-granted', type: 'small', groups: ['site-12'] },
  ],
  grants: [{ subject: 'dim-granted', role: 'bridge', object: 'site-12' }],
}

let worker: Awaited<ReturnType<typeof startWorkerOn>>
let broker: Broker
let proxy: RunningProxy
const folder = mkdtempSync(join(tmpdir(), 'mproxy-state-'))
const open: Connection[] = []

beforeAll(async () => {
  worker = await startWorkerOn('node', blueprint)
  broker = await startBroker()
  proxy = await startProxy({
    issuer: worker.issuer,
    broker: broker.url,
    env: { STATE_DIR: folder },
  })
  await untilReady(proxy)
})
afterAll(async () => {
  for (const { client } of open) client.end(true)
  await proxy.stop()
  await broker.stop()
  await worker.stop()
  rmSync(folder, { recursive: true })
})

const call = (method: string, path: string, body?: Json) =>
  callAsOperator(worker.issuer, method, path, body)
const mint = (device: string) => mintFor(worker.issuer, device)

async function session(id: string, token: string, of = proxy): Promise<Connection> {
  const url = `mqtt://127.0.0.1:${of.port}`
  const connection = await connect({ url, version: 5, id, token })
  open.push(connection)
  return connection
}

test('a small token is below 400 bytes, and gives the rules of the type', async () => {
  const token = await mint('dim-small')
  expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'ES256', typ: 'atr+jwt' })
  expect(Object.keys(decodeJwt(token)).sort()).toEqual(
    ['acl_ref', 'entry', 'exp', 'iss', 'places', 'sub'].sort(),
  )
  expect(token.length).toBeLessThan(400)
  const device = await session('dim-small', token)
  expect(await device.subscribe(['sites/site-12/devices/dim-small/set'])).toEqual([1])
  const others = ['sites/site-12/devices/dim-one/set', 'sites/+/devices/dim-small/set', '#']
  expect(await device.subscribe(others)).toEqual([0x87, 0x87, 0x87])
  await device.publish('sites/site-12/devices/dim-small/state', 'on')
  await expect(device.publish('sites/site-12/devices/dim-one/state', 'on')).rejects.toThrow()
  // Read ahead when mProxy started, so no CONNECT waited for it.
  expect(proxy.lines('policy')).toMatchObject([{ outcome: 'ok' }])
})

test('a device with rights beyond its type has a token with acl', async () => {
  const token = await mint('dim-granted')
  expect(decodeProtectedHeader(token)).toMatchObject({ typ: 'at+jwt' })
  const device = await session('dim-granted', token)
  const topics = ['sites/site-12/devices/dim-granted/set', 'sites/site-12/devices/+/extra']
  expect(await device.subscribe(topics)).toEqual([1, 1])
})

test('rules that change have a document of their own, and older tokens keep theirs', async () => {
  const before = await mint('dim-small')
  await call('PATCH', '/v1/device-types/small', {
    acl: [state, own('subscribe', 'set'), own('subscribe', 'more')],
  })
  const after = await mint('dim-small')
  expect(decodeJwt(after)['acl_ref']).not.toBe(decodeJwt(before)['acl_ref'])
  const more = ['sites/site-12/devices/dim-small/more']
  expect(await (await session('dim-small:a', before)).subscribe(more)).toEqual([0x87])
  expect(await (await session('dim-small:b', after)).subscribe(more)).toEqual([1])
  const isPolicy = (name: string) => name.startsWith('policy-')
  await until('both on disk', () => readdirSync(folder).filter(isPolicy).length === 2)

  // Another mProxy has the documents of both tokens: it asks for the older one, or has it on disk.
  for (const isKept of [false, true]) {
    const parts = { issuer: worker.issuer, broker: broker.url }
    const other = await startProxy(isKept ? { ...parts, env: { STATE_DIR: folder } } : parts)
    await untilReady(other)
    const id = 'dim-small:c'
    expect(await (await session(id, before, other)).subscribe(more)).toEqual([0x87])
    await other.stop()
  }
})

test('a suspended device loses its session with a small token, too', async () => {
  const token = await mint('dim-small')
  const device = await session('dim-small:d', token)
  await call('PATCH', '/v1/devices/dim-small', { status: 'suspended' })
  expect(await device.untilClosed(18)).toBe(0x98)
  const url = `mqtt://127.0.0.1:${proxy.port}`
  expect(await tryConnect({ url, version: 5, id: 'dim-small:d', token })).toBe(0x87)
  await call('PATCH', '/v1/devices/dim-small', { status: 'active' })
})

test('docs/mqtt.md has the sizes of tokens', async () => {
  const page = readFileSync(new URL('../../docs/mqtt.md', import.meta.url), 'utf8')
  const rows = {
    'no rule': await mint('dim-none'),
    'one rule': await mint('dim-one'),
    'ten rules': await mint('dim-ten'),
    'rules by reference': await mint('dim-small'),
  }
  const sizes = Object.entries(rows).map(([name, { length }]) => ({ name, length }))
  for (const { name, length } of sizes) {
    const [, said] = new RegExp(`\\| ${name} \\| (\\d+) \\|`).exec(page) ?? []
    // Numbers within a status list have more digits or fewer.
    expect(Math.abs(Number(said) - length), JSON.stringify(sizes)).toBeLessThan(20)
  }
})
