// Streams to both sides: clients come in, brokers are dialled.
//   listen.ts: the listeners of MQTT_LISTEN, and room for connections; websocket.ts: ws://, wss://
//   certificates.ts: TLS at the doors; watched_files.ts: files that are read anew when they change
//   upstream.ts: the brokers of MQTT_UPSTREAM; byte_stream.ts: the type that a session is opened on
// Leaves everything that is said on a stream to session/.
//
// Room for connections is counted over all listeners, and for one address.

import { createServer, isIPv6, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import type { ListenAddress } from '../addresses.ts'
import type { DoorConfig } from '../door_variables.ts'
import type { Arrival, OpenSession } from './byte_stream.ts'
import { type DoorCertificates, provedThumbprint } from './certificates.ts'
import { createWebSocketListener, type WebSocketOptions } from './websocket.ts'

export type Transport = ListenAddress['transport']

/** Reasons why a connection was closed before a byte of MQTT was read. */
export type AcceptRefusal =
  | 'too_many'
  | 'too_many_from_address'
  | 'accept_failed'
  | 'tls_handshake'
  | 'client_certificate'
  | 'timeout'
  | 'upgrade'
  | 'origin'

/** Beside the reason: the client, and the code of the fault where the system has one. */
export type AcceptRefused = (reason: AcceptRefusal, remote?: string, fault?: string) => void

export type ListenOptions = {
  connectionsMax: number
  /** 0 is no limit */
  connectionsPerAddress: number
  /** milliseconds from accept to the session, and for its CONNECT */
  connectTimeout: number
  door: DoorConfig
  certificates: DoorCertificates
  webSocket: Omit<WebSocketOptions, 'path' | 'tls' | 'origins' | 'openSession' | 'onRefused'>
  openSession: OpenSession
  onOpened: (transport: Transport) => void
  onClosed: (transport: Transport) => void
  onRefused: AcceptRefused
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
  const { host, port } = address
  const arrivals = createArrivals(options)
  const server = createDoor(address, arrivals, options)
  watchHandshakes(server, address, options)
  const { transport } = address

  // Ahead of the listeners of TLS and HTTP; the socket they get may then be destroyed already.
  server.prependListener('connection', (socket: Socket) => {
    const refusal = capacity.take(socket)
    if (refusal !== undefined) {
      options.onRefused(refusal, socket.remoteAddress)
      socket.on('error', () => {})
      socket.destroy()
      return
    }
    options.onOpened(transport)
    socket.once('close', () => options.onClosed(transport))
    const arrival = { accepted_at: performance.now(), address: socket.remoteAddress }
    if (transport === 'tcp') options.openSession(socket, { ...arrival, thumbprint: undefined })
    else arrivals.add(socket, arrival)
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

/** The server of one address. */
function createDoor(address: ListenAddress, arrivals: Arrivals, options: ListenOptions): Server {
  const { transport, path } = address
  const { certificates, connectTimeout, door, onRefused } = options
  const openSession = (stream: Duplex, socket: Socket) =>
    options.openSession(stream, arrivals.take(socket))
  if (transport === 'ws' || transport === 'wss') {
    const tls = { ...certificates.options, handshakeTimeout: connectTimeout }
    return createWebSocketListener({
      ...options.webSocket,
      path,
      origins: door.origins,
      onRefused,
      tls: transport === 'wss' ? tls : undefined,
      openSession,
    })
  }
  const tcp = {
    allowHalfOpen: true, // a client that has said all it had to say may still read
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
  }
  if (transport === 'tcp') return createServer(tcp)
  return createTlsServer(
    { ...tcp, ...certificates.options, handshakeTimeout: connectTimeout },
    (socket) => {
      if (!socket.destroyed) openSession(socket, socket)
    },
  )
}

/** Keeps the certificates of a server with TLS, and turns away clients whose own is not good. */
function watchHandshakes(server: Server, { transport }: ListenAddress, options: ListenOptions) {
  if (transport !== 'tls' && transport !== 'wss') return
  const { door, certificates, onRefused } = options
  const tlsServer = server as TlsServer
  certificates.serve(tlsServer)
  // Ahead of HTTP's own listener.
  tlsServer.prependListener('secureConnection', (socket) => {
    if (provedThumbprint(socket, door) !== false) return
    socket.on('error', () => {})
    onRefused('client_certificate', socket.remoteAddress, String(socket.authorizationError))
    socket.destroy()
  })
  tlsServer.on('tlsClientError', (error: Error & { code?: string }, socket) => {
    onRefused('tls_handshake', socket.remoteAddress, error.code)
    socket.destroy()
  })
}

/** Connections between accept and their session. */
type Arrivals = {
  add(socket: Socket, arrival: Omit<Arrival, 'thumbprint'>): void
  /** `socket` may be the one that TLS made of it. */
  take(socket: Socket): Arrival
}

function createArrivals({ connectTimeout, door, onRefused }: ListenOptions): Arrivals {
  const waiting = new Map<string, { arrival: Omit<Arrival, 'thumbprint'>; timer: NodeJS.Timeout }>()
  // Both ends of TLS have the same one, and no two connections of a listener do.
  const nameOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`
  return {
    add(socket, arrival) {
      const name = nameOf(socket)
      const timer = setTimeout(() => {
        onRefused('timeout', arrival.address)
        socket.destroy()
      }, connectTimeout)
      waiting.set(name, { arrival, timer })
      socket.once('close', () => {
        clearTimeout(timer)
        if (waiting.get(name)?.timer === timer) waiting.delete(name)
      })
    },
    take(socket) {
      const found = waiting.get(nameOf(socket))
      waiting.delete(nameOf(socket))
      clearTimeout(found?.timer)
      const thumbprint = 'encrypted' in socket ? provedThumbprint(socket as TLSSocket, door) : false
      return {
        accepted_at: found?.arrival.accepted_at ?? performance.now(),
        address: found?.arrival.address,
        thumbprint: thumbprint === false ? undefined : thumbprint,
      }
    },
  }
}

function describe(server: Server, { transport, host, port, path }: ListenAddress): Listener {
  const place = server.address()
  const actual = typeof place === 'object' && place !== null ? place.port : port
  const scheme = { tcp: 'mqtt', tls: 'mqtts', ws: 'ws', wss: 'wss' }[transport]
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
