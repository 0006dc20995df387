// `node test/soak/crowd.ts [CLIENTS]`: so many clients that dial mProxy at the same moment, a tenth as
// many that stop in the middle of their CONNECT, and beside them twenty sessions that go on
// exchanging messages. Says who was let in, what the twenty noticed, and what is left afterwards.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import {
  connectPacketOf,
  type LoadClient,
  openMany,
  publishPacket,
} from '../bench/mproxy/clients.ts'
import { memoryNow } from '../bench/mproxy/doors.ts'
import { startIssuer } from '../host/mproxy_fixtures/issuer.ts'
import { startBroker, startProxy, untilReady } from '../host/mproxy_fixtures/programs.ts'
import { until } from '../host/mproxy_fixtures/until.ts'

const clients = Number(process.argv[2] ?? 9000)
const issuer = await startIssuer()
const broker = await startBroker()
const probe = fileURLToPath(new URL('../measure/heap_probe.ts', import.meta.url))
const flags = ['--max-semi-space-size=4', '--import', probe]
const proxy = await startProxy({ issuer: issuer.url, broker: broker.url, flags })
const pid = proxy.child.pid ?? 0
const acl = [{ permission: 'allow', action: 'all', topic: 'm/#' }]

async function identities(kind: string, count: number) {
  const made = []
  for (let i = 0; i < count; i++) {
    const clientId = `${kind}-${i}`
    made.push({ clientId, token: await issuer.mint({ claims: { sub: clientId, acl } }) })
  }
  return made
}

/** Bytes that mProxy holds once garbage is collected: its heap, and buffers beside it. */
async function readHeld(): Promise<number> {
  const answer = once(proxy.child, 'message')
  proxy.child.kill('SIGUSR2')
  const [{ heapUsed, external }] = (await answer) as [{ heapUsed: number; external: number }]
  return heapUsed + external
}

/** Sends one message after the other, and keeps the longest wait for its return. */
function exchange(client: LoadClient, packet: Buffer) {
  const seen = { messages: 0, longest: 0, isOver: false }
  let at = performance.now()
  client.onMessage = () => {
    seen.messages++
    seen.longest = Math.max(seen.longest, performance.now() - at)
    if (seen.isOver) return
    setTimeout(() => {
      at = performance.now()
      client.socket.write(packet)
    }, 20)
  }
  client.socket.write(packet)
  return seen
}

/** Dials and sends the bytes; `answer` is the return code of CONNACK, or -1 where there was none. */
function dial(bytes: Buffer): { socket: Socket; answer: Promise<number> } {
  const socket = connect({ port: proxy.port, host: '127.0.0.1' })
  socket.write(bytes)
  const answer = new Promise<number>((done) => {
    socket.once('data', (chunk: Buffer) => done(chunk[3] ?? -1))
    socket.once('close', () => done(-1))
    socket.on('error', () => done(-1))
  })
  return { socket, answer }
}

try {
  await untilReady(proxy)
  const steady = await openMany(proxy.port, await identities('steady', 20))
  await Promise.all(steady.map((client, i) => client.subscribe(`m/steady-${i}/x`, 1)))
  const many = (await identities('dev', clients)).map(connectPacketOf)
  const before = await readHeld()
  const exchanges = steady.map((client, i) => {
    return exchange(client, publishPacket(`m/steady-${i}/x`, 128, 1))
  })
  const begun = performance.now()
  const halves = many.slice(0, clients / 10).map((packet) => dial(packet.subarray(0, 40)))
  const crowd = many.map((packet) => dial(packet))
  const answers = await Promise.all(crowd.map(({ answer }) => answer))
  const seconds = (performance.now() - begun) / 1000
  const codes: Record<string, number> = {}
  for (const code of answers) codes[code] = (codes[code] ?? 0) + 1
  const during = await readHeld()
  const whole = memoryNow(pid)
  for (const one of exchanges) one.isOver = true
  const lost = steady.filter(({ socket }) => socket.destroyed).length
  console.log(`${clients} at once: answered within ${seconds.toFixed(1)} s`)
  console.log('answers by return code of CONNACK (0: let in, -1: closed):', codes)
  console.log(
    `twenty steady sessions: ${lost} lost, ${exchanges.reduce((n, { messages }) => n + messages, 0)} messages, ` +
      `longest wait ${Math.max(...exchanges.map(({ longest }) => longest)).toFixed(0)} ms`,
  )
  for (const { socket } of [...halves, ...crowd]) socket.destroy()
  for (const client of steady) client.close()
  await until(
    'all are gone',
    async () => (await proxy.metric('mproxy_connections', 'transport="tcp"')) === 0,
    60,
  )
  await new Promise((rest) => setTimeout(rest, 5000))
  const mb = (bytes: number) => (bytes / 1024 / 1024).toFixed(0)
  const after = await readHeld()
  console.log(
    `held, MB: ${mb(before)} before, ${mb(during)} with all (process: ${mb(whole)}), ${mb(after)} after`,
  )
} finally {
  await proxy.stop()
  await broker.stop()
  await issuer.stop()
}
