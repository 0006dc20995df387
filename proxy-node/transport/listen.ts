// Streams to both sides: clients come in, brokers are dialled.
//   listen.ts: the listeners of MQTT_LISTEN; capacity.ts: room for connections; websocket.ts: ws://
//   upstream.ts: the brokers of MQTT_UPSTREAM; byte_stream.ts: the type that a session is opened on
// Leaves everything that is said on a stream to session/.
//
// Room for connections is counted over all listeners, and for one address.

import { createServer, isIPv6, type Server, type Socket } from 'node:net'
import type { ListenAddress } from '../addresses.ts'
import type { ByteStream, OpenSession } from './byte_stream.ts'
import type { Capacity, CapacityRefusal, Seat } from './capacity.ts'
import { createWebSocketListener, type WebSocketOptions } from './websocket.ts'

export type Transport = ListenAddress['transport']

/** Reasons why a connection was closed before a byte of it was read. */
export type AcceptRefusal = CapacityRefusal | 'crowded_out' | 'accept_failed'

export type ListenOptions = {
  capacity: Capacity
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
  const listeners: Listener[] = []
  try {
    for (const address of addresses) {
      listeners.push(await openListener(address, options))
    }
  } catch (error) {
    for (const listener of listeners) listener.close()
    throw error
  }
  return listeners
}

function openListener(address: ListenAddress, options: ListenOptions): Promise<Listener> {
  const { transport, host, port, path } = address
  const seats = new WeakMap<Socket, Seat>()
  const openSession = (stream: ByteStream, socket: Socket) =>
    options.openSession(stream, socket.remoteAddress, () => seats.get(socket)?.prove())
  const server =
    transport === 'ws'
      ? createWebSocketListener({ ...options.webSocket, path, openSession })
      : createServer({
          allowHalfOpen: true, // a client that has said all it had to say may still read
          noDelay: true,
          keepAlive: true,
          keepAliveInitialDelay: 60_000,
        })

  // Ahead of the HTTP server's own listener; the socket it gets may then be destroyed already.
  server.prependListener('connection', (socket: Socket) => {
    const seat = options.capacity.take(socket.remoteAddress ?? '', socket)
    if (typeof seat === 'string') {
      options.onRefused(seat)
      socket.on('error', () => {})
      socket.destroy()
      return
    }
    options.onOpened(transport)
    socket.once('close', () => {
      seat.leave()
      options.onClosed(transport)
    })
    seats.set(socket, seat)
    if (transport === 'tcp') openSession(socket, socket)
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
