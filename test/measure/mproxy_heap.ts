// How much memory mProxy keeps per million forwarded messages, beside a bare Node relay's, in one
// run on one machine. Each message goes through twice: as a client's PUBLISH and as a delivery.
//
//   node test/measure/mproxy_heap.ts [messages, default 500000] [payload bytes, default 128]
//
// After a warm-up, garbage is collected and the heap read at ten points; the median of the slopes
// between them is the growth, so that one late clean-up or compilation does not decide.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { generate, type Packet } from 'mqtt-packet'
import { startIssuer } from '../host/mproxy_fixtures/issuer.ts'
import { startBroker } from '../host/mproxy_fixtures/programs.ts'
import { until } from '../host/mproxy_fixtures/until.ts'

const messages = Number(process.argv[2] ?? 500_000)
const payloadBytes = Number(process.argv[3] ?? 128)
const points = 10
const warmUp = Math.ceil(messages / 5)
const burst = 500
/** Messages under way at once; Mosquitto drops what a slow reader leaves waiting. */
const inFlight = 4 * burst

const fileAt = (path: string) => fileURLToPath(new URL(path, import.meta.url))

interface Memory {
  heapUsed: number
  external: number
  arrayBuffers: number
  rss: number
  cpu: number
}

async function startMeasured(program: string, args: string[], env: Record<string, string>) {
  const probe = fileAt('./heap_probe.ts')
  const child = spawn(process.execPath, ['--import', probe, fileAt(program), ...args], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const [{ ports }] = (await once(child, 'message')) as [{ ports: { mqtt: number[] } }]
  return { child, port: ports.mqtt[0]! }
}

async function readMemory(child: ChildProcess): Promise<Memory> {
  const answer = once(child, 'message')
  child.kill('SIGUSR2')
  const [memory] = (await answer) as [Memory]
  return memory
}

async function openClient(port: number, id: string, token: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  const packet: Packet = {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    clientId: id,
    keepalive: 0,
    username: 'any',
    password: Buffer.from(token),
  }
  socket.write(generate(packet))
  const [connack] = (await once(socket, 'data')) as [Buffer]
  if (connack[3] !== 0) throw new Error(`CONNACK ${connack[3]}`)
  return socket
}

async function measure(name: string, child: ChildProcess, port: number, token: string) {
  const receiver = await openClient(port, 'dev-1:receiver', token)
  receiver.write(
    generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'm/#', qos: 0 }] }),
  )
  await once(receiver, 'data')
  const sender = await openClient(port, 'dev-1:sender', token)
  const message = generate({
    cmd: 'publish',
    topic: 'm/one/two/three',
    payload: Buffer.alloc(payloadBytes, 'x'),
    qos: 0,
    dup: false,
    retain: false,
  })
  const batch = Buffer.concat(Array.from({ length: burst }, () => message))
  let sent = 0
  let receivedBytes = 0
  let wake = () => {}
  receiver.on('data', (chunk: Buffer) => {
    receivedBytes += chunk.length
    wake()
  })
  const underWay = () => sent - receivedBytes / message.length
  const settle = async (most: number) => {
    while (underWay() > most) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  const send = async (count: number) => {
    const goal = sent + count
    while (sent < goal) {
      sender.write(batch)
      sent += burst
      await settle(inFlight)
    }
    await settle(0)
  }

  await send(warmUp)
  const started = performance.now()
  const readings: [number, Memory][] = [[0, await readMemory(child)]]
  const begun = sent
  for (let point = 1; point <= points; point++) {
    await send(Math.ceil(messages / points))
    readings.push([sent - begun, await readMemory(child)])
  }
  const seconds = (performance.now() - started) / 1000
  sender.destroy()
  receiver.destroy()

  const first = readings[0]![1]
  const [total, last] = readings.at(-1)!
  const perMillion = (read: (memory: Memory) => number) =>
    `${((slope(readings, read) * 1e6) / 1024).toFixed(1)} KiB`
  return {
    name,
    messages: total,
    'heap at first': `${(first.heapUsed / 1024).toFixed(0)} KiB`,
    'heap per million': perMillion(({ heapUsed }) => heapUsed),
    'buffers per million': perMillion(({ external }) => external),
    'rss now': `${(last.rss / 1048576).toFixed(0)} MiB`,
    'cpu per message': `${((last.cpu - first.cpu) / total).toFixed(2)} us`,
    'messages per second': Math.round(total / seconds),
  }
}

/** Bytes per message: the median of the slopes between all pairs of readings. */
function slope(readings: [number, Memory][], read: (memory: Memory) => number): number {
  const slopes = readings.flatMap(([count, memory], i) =>
    readings
      .slice(i + 1)
      .map(([later, laterMemory]) => (read(laterMemory) - read(memory)) / (later - count)),
  )
  slopes.sort((a, b) => a - b)
  return slopes[Math.floor(slopes.length / 2)] ?? 0
}

const issuer = await startIssuer()
const broker = await startBroker()
const acl = [{ permission: 'allow', action: 'all', topic: 'm/#' }]
const token = await issuer.mint({ claims: { acl, exp: Math.floor(Date.now() / 1000) + 3600 } })

const relay = await startMeasured('./bare_relay.ts', [String(broker.port)], {})
const proxy = await startMeasured('../../proxy-node/index.ts', [], {
  ISSUER: issuer.url,
  MQTT_UPSTREAM: broker.url,
  MQTT_LISTEN: 'mqtt://127.0.0.1:0',
  METRICS_LISTEN: 'off',
})
try {
  await until('mProxy has its keys', async () => {
    const socket = await openClient(proxy.port, 'dev-1:probe', token).catch(() => undefined)
    socket?.destroy()
    return socket !== undefined
  })
  const rows = [
    await measure('bare relay', relay.child, relay.port, token),
    await measure('mProxy', proxy.child, proxy.port, token),
  ]
  console.log(`${messages} messages of ${payloadBytes} bytes after ${warmUp} to warm up, QoS 0`)
  console.table(rows)
} finally {
  relay.child.kill('SIGTERM')
  proxy.child.kill('SIGTERM')
  await broker.stop()
  await issuer.stop()
}
