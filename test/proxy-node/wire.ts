// A client or a broker that says exactly what a test wants it to, down to the byte. mqtt-packet
// writes and reads the packets here, so that mProxy's own framing is not its own witness.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import mqtt, { type Packet } from 'mqtt-packet'
import { until } from './mosquitto.ts'

export type Version = 4 | 5
type Connect = Extract<Packet, { cmd: 'connect' }>

export const connectPacket = (version: Version, more: Partial<Connect> = {}): Packet => ({
  cmd: 'connect',
  protocolId: 'MQTT',
  protocolVersion: version,
  clean: true,
  keepalive: 60,
  clientId: 'dev',
  username: 'any',
  password: Buffer.from('token'),
  ...more,
})

export const publish = (
  topic: string,
  more: Partial<Extract<Packet, { cmd: 'publish' }>> = {},
): Packet => ({
  cmd: 'publish',
  topic,
  payload: 'x',
  qos: 0,
  dup: false,
  retain: false,
  ...more,
})

export class Wire {
  readonly socket: Socket
  readonly packets: Packet[] = []
  readonly bytes: Buffer[] = []
  version: Version
  isClosed = false
  onConnect: () => void = () => {}
  #read = 0
  readonly #parser: ReturnType<typeof mqtt.parser>

  constructor(socket: Socket, version: Version) {
    this.socket = socket
    this.version = version
    this.#parser = mqtt.parser({ protocolVersion: version })
    this.#parser.on('packet', (packet) => {
      this.packets.push(packet)
      if (packet.cmd === 'connect') {
        this.version = packet.protocolVersion as Version
        this.onConnect()
      }
    })
    this.#parser.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      this.bytes.push(chunk)
      this.#parser.parse(chunk)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isClosed = true
    })
  }

  send(...packets: (Packet | Buffer)[]): void {
    const bytes = packets.map((packet) =>
      Buffer.isBuffer(packet) ? packet : mqtt.generate(packet, { protocolVersion: this.version }),
    )
    this.socket.write(Buffer.concat(bytes))
  }

  /** The next packet not yet taken. */
  async next<C extends Packet['cmd']>(cmd: C): Promise<Extract<Packet, { cmd: C }>> {
    await until(() => this.packets.length > this.#read, `a ${cmd} comes`)
    const packet = this.packets[this.#read++]!
    if (packet.cmd !== cmd) throw new Error(`${packet.cmd} came, not ${cmd}`)
    return packet as Extract<Packet, { cmd: C }>
  }

  get untaken(): Packet[] {
    return this.packets.slice(this.#read)
  }

  async closed(): Promise<void> {
    await until(() => this.isClosed, 'the connection closes')
  }

  close(): void {
    this.socket.destroy()
  }
}

export async function dialWire(port: number, version: Version): Promise<Wire> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.setNoDelay(true)
  return new Wire(socket, version)
}

/** Connected, with the CONNACK taken. */
export async function login(
  port: number,
  version: Version,
  clientId: string,
  more: Partial<Connect> = {},
) {
  const wire = await dialWire(port, version)
  wire.send(connectPacket(version, { clientId, password: Buffer.from(clientId), ...more }))
  const connack = await wire.next('connack')
  return Object.assign(wire, { connack })
}

/** A broker that only does what the test says. */
export async function startScripted(): Promise<{
  port: number
  accept(version: Version): Promise<Wire>
  connections: number
  stop(): void
}> {
  const waiting: Wire[] = []
  const server = createServer((socket) => {
    waiting.push(new Wire(socket, 5)) // from the first byte on
    scripted.connections++
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const scripted = {
    port: (server.address() as AddressInfo).port,
    connections: 0,
    accept: async (version: Version) => {
      await until(() => waiting.length > 0, 'mProxy dials the broker')
      return Object.assign(waiting.shift()!, { version })
    },
    stop: () => {
      server.close()
    },
  }
  return scripted
}

/** A broker that accepts every CONNECT and then only listens. */
export async function startAccepting(topicAliasMaximum: number) {
  const brokers: Wire[] = []
  const server = createServer((socket) => {
    const wire = new Wire(socket, 5)
    brokers.push(wire)
    wire.onConnect = () => {
      const code = wire.version === 5 ? { reasonCode: 0 } : { returnCode: 0 }
      const properties = { topicAliasMaximum }
      wire.send({ cmd: 'connack', sessionPresent: false, ...code, properties } as Packet)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    brokers,
    allClosed: () => until(() => brokers.every((wire) => wire.isClosed), 'the broker side closes'),
    stop: () => {
      server.close()
    },
  }
}
