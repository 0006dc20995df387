// A broker that closes, resets, pauses and takes its time, at random: whatever a client was told is
// taken was taken by it. Its own reading of packets is mqtt-packet's.
import { createServer, type Socket } from 'node:net'
import mqtt, { type Packet } from 'mqtt-packet'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, identify, type RunningProxy, startProxy } from '../fixtures/proxy.ts'
import { connectPacket, dialWire, publish, type Version } from '../fixtures/wire.ts'

type Publish = Extract<Packet, { cmd: 'publish' }>

const taken = new Set<string>()
const moods = { closed: 0, reset: 0, paused: 0, late: 0 }
let proxy: RunningProxy

const wait = (ms: number) => new Promise<void>((go) => setTimeout(go, ms))

function serve(socket: Socket): void {
  let version: Version = 4
  const parser = mqtt.parser({ protocolVersion: 5 })
  const send = (packet: Packet) => {
    if (socket.writable) socket.write(mqtt.generate(packet, { protocolVersion: version }))
  }
  const answer = ({ qos, messageId, payload }: Publish) => {
    taken.add(payload.toString())
    const code = version === 5 ? { reasonCode: 0 } : {}
    send({ cmd: qos === 1 ? 'puback' : 'pubrec', messageId, ...code } as Packet)
  }
  parser.on('packet', (packet) => {
    if (packet.cmd === 'connect') {
      version = packet.protocolVersion as Version
      if (Math.random() < 0.1) return void socket.destroy()
      const code = version === 5 ? { reasonCode: 0 } : { returnCode: 0 }
      return send({ cmd: 'connack', sessionPresent: false, ...code } as Packet)
    }
    if (packet.cmd === 'pubrel') {
      const code = version === 5 ? { reasonCode: 0 } : {}
      return send({ cmd: 'pubcomp', messageId: packet.messageId, ...code } as Packet)
    }
    if (packet.cmd !== 'publish') return
    const mood = Math.random()
    if (mood < 0.03) {
      moods.closed++
      socket.end()
    } else if (mood < 0.06) {
      moods.reset++
      socket.resetAndDestroy()
    } else if (mood < 0.16) {
      moods.paused++
      socket.pause()
      setTimeout(() => socket.resume(), 15)
      answer(packet)
    } else if (mood < 0.3) {
      moods.late++
      setTimeout(() => answer(packet), 10)
    } else {
      answer(packet)
    }
  })
  socket.on('data', (chunk: Buffer) => parser.parse(chunk))
  socket.on('error', () => {})
}

const broker = createServer({ noDelay: true }, serve)

beforeAll(async () => {
  await new Promise<void>((go) => broker.listen(0, '127.0.0.1', go))
  const address = broker.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  proxy = await startProxy(address.port)
})
afterAll(async () => {
  await proxy.stop()
  broker.close()
})

/** One connection: three messages at a time, until it is closed or has sent twenty. */
async function connection(client: string, first: number, told: Set<string>): Promise<void> {
  const version: Version = first % 80 === 0 ? 5 : 4
  const wire = await dialWire(proxy.port, version)
  wire.send(connectPacket(version, { clientId: client, password: Buffer.from(client) }))
  const seen = () => wire.packets.length
  for (let n = 0; n < 20 && !wire.isClosed; ) {
    const before = seen()
    const ids = [n + 1, n + 2, n + 3]
    n += 3
    if (wire.packets.some(({ cmd }) => cmd === 'connack')) {
      wire.send(
        ...ids.map((messageId) => {
          const qos = messageId % 2 === 0 ? (2 as const) : (1 as const)
          return publish('ok', { payload: `${client} ${first + messageId}`, qos, messageId })
        }),
      )
    } else {
      n -= 3
    }
    for (let waits = 0; waits < 100 && !wire.isClosed && seen() < before + 3; waits++) await wait(2)
  }
  for (const packet of wire.packets) {
    if (packet.cmd !== 'puback' && packet.cmd !== 'pubrec') continue
    if ((packet.reasonCode ?? 0) < 0x80) told.add(`${client} ${first + (packet.messageId ?? 0)}`)
  }
  wire.close()
}

test('every message whose client was told that it is taken, was taken', async () => {
  const told = new Set<string>()
  const clients = Array.from({ length: 10 }, (_, i) => `dev-${i}`)
  for (const client of clients) proxy.tokens.set(client, identify(client, [allow('all', 'ok')]))
  await Promise.all(
    clients.map(async (client) => {
      for (let first = 0; first < 800; first += 40) await connection(client, first, told)
    }),
  )
  console.log(`moody broker: ${told.size} messages acknowledged, ${taken.size} taken`, moods)
  expect([...told].filter((payload) => !taken.has(payload))).toEqual([])
  expect(told.size).toBeGreaterThan(200)
  for (const count of Object.values(moods)) expect(count).toBeGreaterThan(5)
  // Nothing of all these connections is left at the door.
  await expect.poll(() => proxy.ended().length + proxy.refused().length).toBe(proxy.sessions.length)
}, 60_000)
