// Devices that connect, publish, renew their tokens, leave and are revoked, for as long as is wished,
// through mProxy at a real Mosquitto; and what is left in mProxy afterwards. Every act is held to a
// model (devices.ts), and a subscriber of everything at the broker says what really came there.
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import mqtt from 'mqtt'
import { startIssuer } from '../host/mproxy_fixtures/issuer.ts'
import {
  type RunningProxy,
  startBroker,
  startProxy,
  untilReady,
} from '../host/mproxy_fixtures/programs.ts'
import { publishList } from '../host/mproxy_fixtures/status_list.ts'
import { until } from '../host/mproxy_fixtures/until.ts'
import { SoakDevice, type World } from './devices.ts'

export type SoakOptions = { seconds: number; devices: number; pause: number; seed: number }

/** Things that mProxy holds when nobody is connected; `heap` in bytes. */
type Rest = { sockets: number; timers: number; heap: number }

export type SoakReport = {
  counts: Record<string, number>
  /** Sentences; none where everything was as the model says. */
  faults: string[]
  sessions: number
  before: Rest
  after: Rest
}

const ENTRIES = 16_384

/** Waits until nobody is connected, and reads what is held then. */
async function readRest(proxy: RunningProxy): Promise<Rest> {
  await until('nobody is connected', async () => {
    const open = await proxy.metric('mproxy_connections', 'transport="tcp"')
    return open === 0
  })
  // Connections to the issuer and for metrics are kept for some seconds after their last use.
  await wait(1000)
  const answer = once(proxy.child, 'message')
  proxy.child.kill('SIGUSR2')
  const [{ heapUsed, resources }] = (await answer) as [{ heapUsed: number; resources: string[] }]
  const folder = `/proc/${proxy.child.pid}/fd`
  const sockets = readdirSync(folder).filter((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`).startsWith('socket:')
    } catch {
      return false
    }
  })
  return {
    sockets: sockets.length,
    timers: resources.filter((one) => one === 'Timeout').length,
    heap: heapUsed,
  }
}

export async function soak({ seconds, devices, pause, seed }: SoakOptions): Promise<SoakReport> {
  const issuer = await startIssuer()
  const list = await publishList(issuer, '/status-lists/1', { length: ENTRIES })
  const broker = await startBroker()
  const probe = fileURLToPath(new URL('../measure/heap_probe.ts', import.meta.url))
  const flags = ['--max-semi-space-size=4', '--import', probe]
  const proxy = await startProxy({ issuer: issuer.url, broker: broker.url, flags })
  const watcher = await mqtt.connectAsync(broker.url, { clientId: 'watcher' })
  let ends_at = 0
  const world: World = {
    url: `mqtt://127.0.0.1:${proxy.port}`,
    issuer,
    list,
    ended: {},
    nextIndex: 0,
    entries: ENTRIES,
    seen: new Set(),
    suppressed: new Set(),
    publishAtBroker: async (topic, payload) => {
      await watcher.publishAsync(topic, payload, { qos: 1 })
    },
    counts: {},
    faults: [],
    isOver: () => performance.now() >= ends_at,
  }
  watcher.on('message', (topic, payload) => {
    const text = payload.toString()
    if (text.startsWith('never')) world.faults.push(`${topic} got ${text}`)
    if (/^(may|will) /.test(text)) world.seen.add(text)
  })
  const live = async (time: number, generation: number) => {
    ends_at = performance.now() + time * 1000
    const all = Array.from(
      { length: devices },
      (_, i) => new SoakDevice(world, generation * devices + i, seed),
    )
    await Promise.all(all.map((device) => device.live(pause)))
  }
  try {
    await untilReady(proxy)
    await watcher.subscribeAsync('soak/#', { qos: 1 })
    // The first part makes all that is made once.
    await live(Math.min(5, seconds / 3), 0)
    const before = await readRest(proxy)
    const sessionsBefore = world.counts['connects'] ?? 0
    await live(seconds, 1)
    const after = await readRest(proxy)
    for (const will of world.suppressed) {
      if (world.seen.has(will)) world.faults.push(`${will} was published`)
    }
    const sessions = (world.counts['connects'] ?? 0) - sessionsBefore
    return { counts: world.counts, faults: world.faults, sessions, before, after }
  } finally {
    await watcher.endAsync()
    await proxy.stop()
    await broker.stop()
    await issuer.stop()
  }
}
