// mProxy starts alone: the worker and then mProxy are killed, and mProxy comes back without the
// worker. Devices with good tokens go on at a real Mosquitto; those that were revoked stay out.

import type { ChildProcess } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
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
  topic: `\${group.id}/\${device.id}/${last}`,
})
const acl = [own('publish', 'state'), own('subscribe', 'set'), own('all', 'log')]
const blueprint = {
  clients: [OPERATOR],
  groups: [{ id: 'site', kind: 'site', name: 'Site' }],
  device_types: [
    { name: 'lamp', acl },
    { name: 'small', acl, acl_by_reference: true },
  ],
  devices: [
    { id: 'lamp-1', type: 'lamp', groups: ['site'] },
    { id: 'lamp-2', type: 'lamp', groups: ['site'] },
    { id: 'dim-1', type: 'small', groups: ['site'] },
  ],
}

let worker: Awaited<ReturnType<typeof startWorkerOn>>
let broker: Broker
let proxy: RunningProxy
const place = temporaryFolder()
const folder = join(place.path, 'state')
const open: Connection[] = []

const start = () =>
  startProxy({ issuer: worker.issuer, broker: broker.url, env: { STATE_DIR: folder } })

beforeAll(async () => {
  worker = await startWorkerOn('node', blueprint)
  broker = await startBroker()
  proxy = await start()
  await untilReady(proxy)
})
afterAll(async () => {
  for (const { client } of open) client.end(true)
  await proxy.stop()
  await broker.stop()
  await worker.stop()
  place.remove()
})

const call = (method: string, path: string, body?: Json) =>
  callAsOperator(worker.issuer, method, path, body)
const mint = (device: string) => mintFor(worker.issuer, device)

const at = () => `mqtt://127.0.0.1:${proxy.port}`
const knock = (id: string, token: string) => tryConnect({ url: at(), version: 5, id, token })
async function session(id: string, token: string): Promise<Connection> {
  const connection = await connect({ url: at(), version: 5, id, token })
  open.push(connection)
  return connection
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = new Promise((done) => child.once('exit', done))
  child.kill('SIGKILL')
  await exit
}

test('the worker and then mProxy are killed: good tokens open what they may, revoked ones nothing', async () => {
  const [good, revoked, small] = await Promise.all(['lamp-1', 'lamp-2', 'dim-1'].map(mint))
  await call('PATCH', '/v1/devices/lamp-2', { status: 'suspended' })
  await session('dim-1', small!)
  // The first that comes makes mProxy read the list, which says it from then on.
  await until('the list', async () => (await knock('lamp-2', revoked!)) === 0x87)
  await until('all is kept', async () => {
    const kept = await proxy.metric('mproxy_state_writes_total', 'outcome="ok"')
    return kept >= 3
  })

  await kill(worker.process)
  await kill(proxy.child)
  proxy = await start()
  await until('the line', () => proxy.lines('state').length > 0)
  expect(proxy.lines('state')).toMatchObject([{ keys: expect.any(Number), lists: 1, policies: 1 }])
  expect(proxy.lines('state_passed_over')).toEqual([])

  const device = await session('lamp-1', good!)
  expect(await device.subscribe(['site/lamp-1/log'])).toEqual([1])
  await device.publish('site/lamp-1/log', 'still')
  await until('the message', () => device.messages.includes('site/lamp-1/log still'))
  expect(await device.subscribe(['site/lamp-2/set', '#'])).toEqual([0x87, 0x87])
  await expect(device.publish('site/lamp-2/state', 'on')).rejects.toThrow()
  const dim = await session('dim-1:b', small!)
  await dim.publish('site/dim-1/state', 'on')
  await expect(dim.publish('site/lamp-1/state', 'on')).rejects.toThrow()

  expect(await knock('lamp-2', revoked!)).toBe(0x87)
  expect(proxy.lines('keys')[0]).toMatchObject({ outcome: 'unreachable' })
  const age = await proxy.metric('mproxy_jwks_age_seconds', `issuer="${worker.issuer}"`)
  expect(age).toBeGreaterThan(0)

  // Nothing of this without the folder.
  await kill(proxy.child)
  rmSync(folder, { recursive: true })
  proxy = await start()
  expect(await knock('lamp-1', good!)).toBe(0x88)
})
