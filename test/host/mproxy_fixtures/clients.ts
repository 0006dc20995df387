// mqtt.js as the tests use it: over TCP or WebSocket, in both versions, never reconnecting by
// itself, with every packet it was sent kept.

import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import type { IConnackPacket, IDisconnectPacket, ISubackPacket, Packet } from 'mqtt-packet'
import { until } from './until.ts'

export interface Connection {
  readonly client: MqttClient
  readonly packets: Packet[]
  /** Received so far, as `topic payload`. */
  readonly messages: string[]
  isClosed(): boolean
  /** Reason codes of the SUBACK. */
  subscribe(filters: string[], qos?: 0 | 1 | 2): Promise<number[]>
  publish(topic: string, payload: string | Buffer, options?: PublishOptions): Promise<void>
  /** The reason code of the DISCONNECT that the server sent before it closed, if it did. */
  untilClosed(seconds?: number): Promise<number | undefined>
  /** Without DISCONNECT. */
  cut(): void
  end(): Promise<void>
}

export interface PublishOptions {
  qos?: 0 | 1 | 2
  retain?: boolean
}

export type ConnectOptions = Pick<
  IClientOptions,
  'clean' | 'will' | 'properties' | 'keepalive' | 'username' | 'customHandleAcks'
> & { url: string; version: 4 | 5; id: string; token: string }

/** The answer to CONNECT: its code, or that there was none. */
export async function tryConnect(options: ConnectOptions): Promise<number | 'closed'> {
  const connection = open(options)
  const { client, packets } = connection
  try {
    return await until('an answer to CONNECT', () => {
      const connack = packets.find((packet): packet is IConnackPacket => packet.cmd === 'connack')
      if (connack !== undefined) return { code: connack.reasonCode ?? connack.returnCode ?? -1 }
      return connection.isClosed() && { code: 'closed' as const }
    }).then(({ code }) => code)
  } finally {
    client.end(true)
  }
}

export async function connect(options: ConnectOptions): Promise<Connection> {
  const connection = open(options)
  await until('the connection', () => {
    if (connection.client.connected) return true
    if (!connection.isClosed()) return false
    throw new Error(`refused: ${JSON.stringify(connection.packets)}`)
  })
  return connection
}

function open({ url, version, id, token, ...options }: ConnectOptions): Connection {
  const client = mqtt.connect(url, {
    protocolVersion: version,
    clientId: id,
    username: 'any',
    password: token,
    reconnectPeriod: 0,
    connectTimeout: 15_000,
    ...options,
  })
  const packets: Packet[] = []
  const messages: string[] = []
  let closed = false
  client.on('packetreceive', (packet) => packets.push(packet))
  client.on('message', (topic, payload) => messages.push(`${topic} ${payload}`))
  client.on('close', () => {
    closed = true
  })
  client.on('error', () => {})
  return {
    client,
    packets,
    messages,
    isClosed: () => closed,
    async subscribe(filters, qos = 1) {
      const before = packets.length
      client.subscribe(filters, { qos }, () => {})
      const suback = await until('SUBACK', () =>
        packets.slice(before).find((packet): packet is ISubackPacket => packet.cmd === 'suback'),
      )
      return suback.granted as number[]
    },
    async publish(topic, payload, publishOptions = {}) {
      await client.publishAsync(topic, payload, { qos: 1, ...publishOptions })
    },
    async untilClosed(seconds = 10) {
      await until('the connection to close', () => closed, seconds)
      const last = packets.find(
        (packet): packet is IDisconnectPacket => packet.cmd === 'disconnect',
      )
      return last?.reasonCode
    },
    cut() {
      client.stream.destroy()
    },
    async end() {
      await client.endAsync()
    },
  }
}
