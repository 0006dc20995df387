// Streams to both sides: clients come in, brokers are dialled.
//   listen.ts: the listeners of MQTT_LISTEN, and room for connections; websocket.ts: ws://
//   upstream.ts: the brokers of MQTT_UPSTREAM; byte_stream.ts: the type that a session is opened on
//   send_queue.ts: bytes that a peer has not acknowledged
// Leaves everything that is said on a stream to session/.
//
// Room for connections is counted over all listeners, and for one address.

import { createServer, isIPv6, type Server, type Socket } from 'node:net'
import type { ListenAddress } from '../addresses.ts'
import type { OpenSession } from './byte_stream.ts'
import { createWebSocketListener, type WebSocketOptions } from './websocket.ts'

export type Transport = ListenAddress['transport']

/** Reasons why a connection was closed before a byte of it was read. */
export type AcceptRefusal = 'too_many' | 'too_many_from_address' | 'accept_failed'

export type ListenOptions = {
  connectionsMax: number
  /** 0 is no limit */
  connectionsPerAddress: number
  webSocket: Omit<WebSocketOptions, 'path' | 'openSession'>
  openSession: OpenSession
  onOpened: (transport: Transport) => void
  onClosed: (transport: Transport) => void
  onRefused: (reason: AcceptRefusal) => void
}

export type Listener = {
  transport: Transport
  /** With the port that was really taken. */
  url: string
  port: number
  /** No new connections; those that are open stay. */
  close(): void
}

/** One of the listeners could not be opened; none is left open. */
export class ListenError extends Error {
  readonly address: ListenAddress
  readonly code: string
  constructor(address: ListenAddress, cause: Error & { code?: string }) {
    super(cause.message, { cause })
    this.address = address
    this.code = cause.code ?? 'unknown'
  }
}

export async function listen(
  addresses: readonly ListenAddress[],
  options: ListenOptions,
): Promise<Listener[]> {
  const capacity = createCapacity(options)
  const listeners: Listener[] = []
  try {
    for (const address of addresses) {
      listeners.push(await openListener(address, capacity, options))
    }
  } catch (error) {
    for (const listener of listeners) listener.close()
    throw error
  }
  return listeners
}

function openListener(
  address: ListenAddress,
  capacity: Capacity,
  options: ListenOptions,
): Promise<Listener> {
  const { transport, host, port, path } = address
  const server =
    transport === 'ws'
      ? createWebSocketListener({ ...options.webSocket, path, openSession: options.openSession })
      : createServer({
          allowHalfOpen: true, // a client that has said all it had to say may still read
          noDelay: true,
          keepAlive: true,
          keepAliveInitialDelay: 60_000,
        })

  // Ahead of the HTTP server's own listener; the socket it gets may then be destroyed already.
  server.prependListener('connection', (socket: Socket) => {
    const refusal = capacity.take(socket)
    if (refusal !== undefined) {
      options.onRefused(refusal)
      socket.on('error', () => {})
      socket.destroy()
      return
    }
    options.onOpened(transport)
    socket.once('close', () => options.onClosed(transport))
    if (transport === 'tcp') options.openSession(socket, socket.remoteAddress)
  })
  // Too many clients at once must wait in the system's queue, not be turned away by it.
  const backlog = 4096

  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(new ListenError(address, error))
    server.once('error', fail)
    server.listen({ port, host, backlog }, () => {
      server.off('error', fail)
      // EMFILE and the like. libuv takes what waits with a descriptor kept for that and closes it,
      // so nothing comes back in a loop; this hears of those it could not close that way.
      server.on('error', () => options.onRefused('accept_failed'))
      resolve(describe(server, address))
    })
  })
}

function describe(server: Server, { transport, host, port, path }: ListenAddress): Listener {
  const place = server.address()
  const actual = typeof place === 'object' && place !== null ? place.port : port
  const scheme = transport === 'ws' ? 'ws' : 'mqtt'
  return {
    transport,
    url: `${scheme}://${isIPv6(host) ? `[${host}]` : host}:${actual}${path}`,
    port: actual,
    close: () => server.close(),
  }
}

/** Room for connections, over all listeners. */
type Capacity = {
  /** Counts the connection until it closes, or says why there is no room for it. */
  take(socket: Socket): AcceptRefusal | undefined
}

function createCapacity({
  connectionsMax,
  connectionsPerAddress,
}: Pick<ListenOptions, 'connectionsMax' | 'connectionsPerAddress'>): Capacity {
  let open = 0
  const byAddress = new Map<string, number>()
  return {
    take(socket) {
      if (open >= connectionsMax) return 'too_many'
      const source = sourceOf(socket.remoteAddress ?? '')
      const fromThere = byAddress.get(source) ?? 0
      if (connectionsPerAddress > 0 && fromThere >= connectionsPerAddress) {
        return 'too_many_from_address'
      }
      open++
      byAddress.set(source, fromThere + 1)
      socket.once('close', () => {
        open--
        const left = (byAddress.get(source) ?? 1) - 1
        if (left > 0) byAddress.set(source, left)
        else byAddress.delete(source)
      })
      return undefined
    },
  }
}

/** The source that limits count: of IPv6 the network, since one host may use all of its 2^64. */
export function sourceOf(address: string): string {
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice(7)
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('%')[0]!.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const after = tail === '' ? [] : tail.split(':')
    while (groups.length + after.length < 8) groups.push('0')
    groups.push(...after)
  }
  return `${groups.slice(0, 4).join(':')}::/64`
}
