// The ways to the broker that `npm run bench -- mproxy` compares: none, HAProxy in TCP mode, a bare
// relay in Node, mProxy, and mGate where `MGATE` names its program. Each is one process of its own in
// front of the same Mosquitto.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findFreePort } from '../../../worker/entry/broker/free_port.ts'
import type { TestIssuer } from '../../host/mproxy_fixtures/issuer.ts'
import { type Broker, startProxy, untilReady } from '../../host/mproxy_fixtures/programs.ts'
import { until } from '../../host/mproxy_fixtures/until.ts'
import { temporaryFolder } from '../../support/folder.ts'
import { ROOT } from '../../support/tree.ts'
import { canConnect } from './clients.ts'

export const DIRECT = 'Mosquitto alone'
export const RELAY = 'bare relay'
export const OURS = 'mProxy'

export type Door = {
  name: string
  port: number
  /** The process that stands in the way; null where none does. */
  pid: number | null
  stop(): Promise<void>
}

/** Bytes of memory that a process has now (Linux). */
export function memoryNow(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

async function programDoor(
  name: string,
  port: number,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Door> {
  const child = spawn(command, args, { stdio: 'ignore', env: { ...process.env, ...env } })
  await until(`${name} listens`, () => canConnect(port))
  return { name, port, pid: child.pid ?? null, stop: () => end(child) }
}

async function haproxy(broker: Broker): Promise<Door> {
  const port = await findFreePort()
  const file = join(temporaryFolder().path, 'haproxy.cfg')
  writeFileSync(
    file,
    `global
  nbthread 1
defaults
  mode tcp
  maxconn 9500
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen mqtt
  bind 127.0.0.1:${port}
  server broker 127.0.0.1:${broker.port}
`,
  )
  return await programDoor('HAProxy', port, 'haproxy', ['-db', '-q', '-f', file])
}

async function bareRelay(broker: Broker): Promise<Door> {
  const program = join(ROOT, 'test/measure/bare_relay.ts')
  const child = spawn(process.execPath, [program, String(broker.port)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const [{ ports }] = (await once(child, 'message')) as [{ ports: { mqtt: [number] } }]
  return { name: RELAY, port: ports.mqtt[0], pid: child.pid ?? null, stop: () => end(child) }
}

async function mGate(broker: Broker, command: string): Promise<Door> {
  const port = await findFreePort()
  const settings = {
    MGATE_MQTT_WITHOUT_TLS_HOST: '127.0.0.1',
    MGATE_MQTT_WITHOUT_TLS_PORT: String(port),
    MGATE_MQTT_WITHOUT_TLS_TARGET_PROTOCOL: 'tcp',
    MGATE_MQTT_WITHOUT_TLS_TARGET_HOST: '127.0.0.1',
    MGATE_MQTT_WITHOUT_TLS_TARGET_PORT: String(broker.port),
  }
  return await programDoor('mGate', port, command, [], settings)
}

/** mProxy with the flags of `npm run proxy`, in `tree`, which is this checkout or another. */
async function mProxy(name: string, tree: string, broker: Broker, issuer: TestIssuer) {
  const program = join(tree, 'proxy-node/index.ts')
  // Few principals from one address, who connect as fast as they can.
  const env = { MQTT_CONNECTIONS_MAX: '9500', MQTT_CONNECTS_PER_PRINCIPAL: '0' }
  const flags = ['--max-semi-space-size=4', '--import', join(tree, 'worker/entry/node_24.mjs')]
  const proxy = await startProxy({ issuer: issuer.url, broker: broker.url, env, program, flags })
  await untilReady(proxy)
  const stop = async () => {
    await proxy.stop()
  }
  return { name, port: proxy.port, pid: proxy.child.pid ?? null, stop }
}

const isInstalled = (command: string) =>
  spawnSync('sh', ['-c', `command -v ${command}`]).status === 0

/** All doors, mProxy last; `against` names another checkout whose mProxy is one more. */
export async function openDoors(
  broker: Broker,
  issuer: TestIssuer,
  against: string | undefined,
): Promise<Door[]> {
  const none = { name: DIRECT, port: broker.port, pid: null, stop: async () => {} }
  const doors: Door[] = [none]
  if (isInstalled('haproxy')) doors.push(await haproxy(broker))
  else console.log('HAProxy is not installed: its rows are left out.\n')
  doors.push(await bareRelay(broker))
  const { MGATE } = process.env
  if (MGATE !== undefined) doors.push(await mGate(broker, MGATE))
  if (against !== undefined) {
    doors.push(await mProxy(`mProxy of ${against}`, against, broker, issuer))
  }
  doors.push(await mProxy(OURS, ROOT, broker, issuer))
  return doors
}
