// Rows of `npm run bench -- mproxy`: each prepares its clients at one door, and then runs for some
// seconds whenever that door has its turn.
import {
  connectOnce,
  connectPacketOf,
  type Identity,
  type LoadClient,
  open,
  openMany,
  publishPacket,
} from './clients.ts'

/** Work done, and each latency in milliseconds where the row is about them. */
export type Turn = { count: number; seconds: number; latencies?: number[] }

export type Prepared = { run(seconds: number): Promise<Turn>; close(): void }

export type Place = {
  /** Of the door, and of the broker behind it. */
  port: number
  brokerPort: number
  /** Names and tokens of the clients of this door. */
  identities: readonly Identity[]
  /** A token that no door has seen. */
  freshIdentity(): Identity
}

export type Row = { name: string; unit: string; prepare(place: Place): Promise<Prepared> }

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

function closeAll(clients: readonly LoadClient[]): void {
  for (const client of clients) client.close()
}

/** Publishes until the time is over, each client with `window` of its own messages under way. */
function echoRun(clients: readonly LoadClient[], packets: readonly Buffer[], window: number) {
  return async (seconds: number): Promise<Turn> => {
    const before = clients.reduce((sum, { received }) => sum + received, 0)
    const latencies: number[] = []
    const begun = performance.now()
    const end = begun + seconds * 1000
    await Promise.all(
      clients.map(
        (client, i) =>
          new Promise<void>((done) => {
            const packet = packets[i] ?? Buffer.alloc(0)
            let underWay = 0
            let sentAt = 0
            const send = () => {
              underWay++
              if (window === 1) sentAt = performance.now()
              client.socket.write(packet)
            }
            client.onMessage = () => {
              underWay--
              const at = performance.now()
              if (window === 1) latencies.push(at - sentAt)
              if (at < end) send()
              else if (underWay === 0) done()
            }
            while (underWay < window) send()
          }),
      ),
    )
    const count = clients.reduce((sum, { received }) => sum + received, 0) - before
    return { count, seconds: (performance.now() - begun) / 1000, latencies }
  }
}

type Echo = { clients: number; window: number; bytes: number; qos: 0 | 1 }

/** Each client hears its own topic. A message is counted once, and passes the door twice. */
function echo(name: string, { clients: count, window, bytes, qos }: Echo): Row {
  return {
    name,
    unit: 'message',
    async prepare({ port, identities }) {
      const chosen = identities.slice(0, count)
      const clients = await openMany(port, chosen)
      const topics = chosen.map(({ clientId }) => `m/${clientId}/x`)
      await Promise.all(clients.map((client, i) => client.subscribe(topics[i] ?? '', qos)))
      const packets = topics.map((topic) => publishPacket(topic, bytes, qos))
      return { run: echoRun(clients, packets, window), close: () => closeAll(clients) }
    },
  }
}

/** One client publishes in pieces of 500; its messages are heard at the broker. */
const burst: Row = {
  name: 'bursts one way, QoS 0, 128 bytes',
  unit: 'message',
  async prepare({ port, brokerPort, identities }) {
    const PIECE = 500
    const [first] = identities as [Identity]
    const topic = `m/${first.clientId}/x`
    const reader = await open(brokerPort, { ...first, clientId: `${first.clientId}-reader` })
    await reader.subscribe(topic, 0)
    const sender = await open(port, first)
    const piece = Buffer.concat(Array.from({ length: PIECE }, () => publishPacket(topic, 128, 0)))
    const run = async (seconds: number): Promise<Turn> => {
      const before = reader.received
      let sent = 0
      const begun = performance.now()
      const end = begun + seconds * 1000
      await new Promise<void>((done) => {
        const fill = () => {
          const arrived = reader.received - before
          while (performance.now() < end && sent - arrived < 4 * PIECE) {
            sender.socket.write(piece)
            sent += PIECE
          }
          if (arrived === sent) done()
        }
        reader.onMessage = () => {
          if ((reader.received - before) % PIECE === 0) fill()
        }
        fill()
      })
      return { count: sent, seconds: (performance.now() - begun) / 1000 }
    }
    return { run, close: () => closeAll([reader, sender]) }
  },
}

/** One message at the broker, and 500 clients behind the door that hear it. */
const fanOut: Row = {
  name: 'fan-out 1:500, QoS 0, 128 bytes',
  unit: 'delivery',
  async prepare({ port, brokerPort, identities }) {
    const readers = await openMany(port, identities.slice(0, 500))
    const topic = 'm/all/x'
    await Promise.all(readers.map((reader) => reader.subscribe(topic, 0)))
    const [first] = identities as [Identity]
    const sender = await open(brokerPort, { ...first, clientId: `${first.clientId}-sender` })
    const packet = publishPacket(topic, 128, 0)
    const run = async (seconds: number): Promise<Turn> => {
      let count = 0
      const begun = performance.now()
      while (performance.now() - begun < seconds * 1000) {
        await new Promise<void>((done) => {
          let left = readers.length
          const heard = () => {
            count++
            if (--left === 0) done()
          }
          for (const reader of readers) reader.onMessage = heard
          sender.socket.write(packet)
        })
      }
      return { count, seconds: (performance.now() - begun) / 1000 }
    }
    return { run, close: () => closeAll([...readers, sender]) }
  },
}

/** Sixteen at a time: dial, CONNECT, CONNACK, DISCONNECT. */
function connects(name: string, isNew: boolean): Row {
  return {
    name,
    unit: 'connection',
    async prepare({ port, identities, freshIdentity }) {
      const seen = identities.slice(0, 16).map(connectPacketOf)
      const run = async (seconds: number): Promise<Turn> => {
        // Signing costs more than connecting, so tokens are made before the clock runs.
        const most = Math.ceil(seconds * 4000)
        const fresh = isNew ? Array.from({ length: most }, freshIdentity).map(connectPacketOf) : []
        let count = 0
        const begun = performance.now()
        const end = begun + seconds * 1000
        const one = async (own: Buffer) => {
          while (performance.now() < end) {
            const packet = isNew ? fresh.pop() : own
            if (packet === undefined) return
            await connectOnce(port, packet)
            count++
          }
        }
        await Promise.all(seen.map(one))
        return { count, seconds: (performance.now() - begun) / 1000 }
      }
      return { run, close: () => {} }
    },
  }
}

/** 100 readers that keep up; beside 100 that take 2 KiB a second, where `slow` says so. */
function readers(name: string, slow: number): Row {
  return {
    name,
    unit: 'delivery',
    async prepare({ port, brokerPort, identities }) {
      const topic = 'm/all/x'
      const fast = await openMany(port, identities.slice(0, 100))
      const behind = await openMany(port, identities.slice(100, 100 + slow))
      const all = [...fast, ...behind]
      await Promise.all(all.map((reader) => reader.subscribe(topic, 0)))
      for (const { socket } of behind) socket.pause()
      const trickle = setInterval(() => {
        for (const { socket } of behind) socket.read(512)
      }, 250)
      const [first] = identities as [Identity]
      const sender = await open(brokerPort, { ...first, clientId: `${first.clientId}-sender` })
      const packet = publishPacket(topic, 4096, 0)
      const run = async (seconds: number): Promise<Turn> => {
        const latencies: number[] = []
        const begun = performance.now()
        while (performance.now() - begun < seconds * 1000) {
          const sentAt = performance.now()
          await new Promise<void>((done) => {
            let left = fast.length
            const heard = () => {
              latencies.push(performance.now() - sentAt)
              if (--left === 0) done()
            }
            for (const reader of fast) reader.onMessage = heard
            sender.socket.write(packet)
          })
          await wait(10)
        }
        return { count: latencies.length, seconds: (performance.now() - begun) / 1000, latencies }
      }
      const close = () => {
        clearInterval(trickle)
        closeAll([...all, sender])
      }
      return { run, close }
    },
  }
}

export const ROWS: readonly Row[] = [
  echo('echo, 1 client, one at a time', { clients: 1, window: 1, bytes: 128, qos: 0 }),
  echo('echo, 50 clients, QoS 0', { clients: 50, window: 8, bytes: 128, qos: 0 }),
  echo('echo, 50 clients, QoS 1', { clients: 50, window: 8, bytes: 128, qos: 1 }),
  echo('echo, 500 clients, QoS 0', { clients: 500, window: 8, bytes: 128, qos: 0 }),
  echo('echo, 500 clients, QoS 1', { clients: 500, window: 8, bytes: 128, qos: 1 }),
  echo('echo, 500 clients, one at a time', { clients: 500, window: 1, bytes: 128, qos: 0 }),
  echo('echo, 50 clients, 16 KB, QoS 0', { clients: 50, window: 4, bytes: 16_384, qos: 0 }),
  echo('echo, 50 clients, 16 KB, QoS 1', { clients: 50, window: 4, bytes: 16_384, qos: 1 }),
  burst,
  fanOut,
  connects('connect, token never seen', true),
  connects('connect, token seen', false),
  readers('100 fast readers, 4 KB', 0),
  readers('100 fast readers beside 100 slow ones, 4 KB', 100),
]
