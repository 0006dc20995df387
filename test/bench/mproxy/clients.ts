// Clients of the load: raw sockets that write packets made beforehand and count what comes, so that
// the load costs less than whatever it measures.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { generate } from 'mqtt-packet'

const HOST = '127.0.0.1'

/** Whether something listens there. */
export const canConnect = (port: number) =>
  new Promise<boolean>((answer) => {
    const socket = connect(port, HOST)
    socket.once('connect', () => answer(true)).once('error', () => answer(false))
    socket.once('connect', () => socket.destroy())
  })

export type Identity = { clientId: string; token: string }

const PUBLISH = 3
const PUBACK = 4

export const connectPacketOf = ({ clientId, token }: Identity): Buffer =>
  generate({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    clientId,
    keepalive: 0,
    username: 'any',
    password: Buffer.from(token),
  })

export const publishPacket = (topic: string, bytes: number, qos: 0 | 1): Buffer =>
  generate({
    cmd: 'publish',
    topic,
    payload: Buffer.alloc(bytes, 'x'),
    qos,
    ...(qos > 0 && { messageId: 1 }),
    dup: false,
    retain: false,
  })

/**
 * Calls `each` with the type of every packet and its first byte's place; answers the bytes after the
 * last whole one.
 */
function eachPacket(
  bytes: Buffer,
  each: (type: number, from: number, body: number, to: number) => void,
): Buffer {
  let from = 0
  for (;;) {
    let at = from + 1
    let length = 0
    let shift = 0
    let isWhole = false
    while (at < bytes.length) {
      const byte = bytes[at++] ?? 0
      length += (byte & 127) << shift
      shift += 7
      if (byte < 128) {
        isWhole = true
        break
      }
    }
    if (!isWhole || at + length > bytes.length) return from === 0 ? bytes : bytes.subarray(from)
    each((bytes[from] ?? 0) >> 4, from, at, at + length)
    from = at + length
  }
}

/** A connected client. `received` counts PUBLISH packets; each of QoS 1 is acknowledged. */
export class LoadClient {
  readonly socket: Socket
  received = 0
  acknowledged = 0
  onMessage: () => void = () => {}
  onAcknowledged: () => void = () => {}
  #rest: Buffer | null = null

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('error', () => {})
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk])
    let acks: number[] | null = null
    const rest = eachPacket(bytes, (type, from, body) => {
      if (type === PUBLISH) {
        this.received++
        if (((bytes[from] ?? 0) & 6) !== 0) {
          const id = body + 2 + bytes.readUInt16BE(body)
          acks ??= []
          acks.push(0x40, 2, bytes[id] ?? 0, bytes[id + 1] ?? 0)
        }
        this.onMessage()
      } else if (type === PUBACK) {
        this.acknowledged++
        this.onAcknowledged()
      }
    })
    this.#rest = rest.length === 0 ? null : rest
    if (acks !== null) this.socket.write(Buffer.from(acks))
  }

  async subscribe(topic: string, qos: 0 | 1): Promise<void> {
    this.socket.write(generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos }] }))
    const [answer] = (await once(this.socket, 'data')) as [Buffer]
    if (answer[0] !== 0x90 || (answer.at(-1) ?? 0x80) > 1) throw new Error(`no SUBACK: ${topic}`)
  }

  close(): void {
    this.socket.destroy()
  }
}

/** A socket whose CONNACK said yes. */
async function admitted(port: number, packet: Buffer): Promise<Socket> {
  const socket = connect({ port, host: HOST, noDelay: true })
  socket.write(packet)
  const [connack] = (await once(socket, 'data')) as [Buffer]
  if (connack[0] !== 0x20 || connack[3] !== 0) throw new Error(`CONNACK ${connack[3]}`)
  return socket
}

export const open = async (port: number, identity: Identity): Promise<LoadClient> =>
  new LoadClient(await admitted(port, connectPacketOf(identity)))

/** In groups, so that no queue of the operating system runs over. */
export async function openMany(
  port: number,
  identities: readonly Identity[],
): Promise<LoadClient[]> {
  const clients: LoadClient[] = []
  for (let from = 0; from < identities.length; from += 50) {
    const group = identities.slice(from, from + 50)
    clients.push(...(await Promise.all(group.map((one) => open(port, one)))))
  }
  return clients
}

/** One connection from dial to CONNACK, and its end. */
export async function connectOnce(port: number, packet: Buffer): Promise<void> {
  const socket = await admitted(port, packet)
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  socket.end(Buffer.of(0xe0, 0))
  await closed
}
