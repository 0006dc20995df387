// Streams to both sides: clients come in, brokers are dialled.
//   listen.ts: the listeners of MQTT_LISTEN; capacity.ts: room for connections; websocket.ts: ws://
//   certificates.ts: TLS at the doors; watched_files.ts: files that are read anew when they change
//   peers.ts, proxy_header.ts: balancers that tell who the client is; arrivals.ts: before a session
//   upstream.ts: the brokers of MQTT_UPSTREAM, broker_socket.ts: one connection to one of them
//   byte_stream.ts: the type that a session is opened on; closing.ts: the last bytes
//   sink.ts: since when a peer takes nothing; send_queue.ts: bytes that it has not acknowledged
// Leaves everything that is said on a stream to session/. Room for connections is counted over all
// listeners, and for one address.

import { createServer, isIPv6, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import type { ListenAddress } from '../addresses.ts'
import type { DoorConfig } from '../door_variables.ts'
import { type Arrivals, createArrivals } from './arrivals.ts'
import type { OpenSession } from './byte_stream.ts'
import type { Capacity, CapacityRefusal, Seat } from './capacity.ts'
import { type DoorCertificates, provedThumbprint } from './certificates.ts'
import { followNamedPeers, takeProxyHeader } from './peers.ts'
import { createWebSocketListener, type WebSocketOptions } from './websocket.ts'

export type Transport = ListenAddress['transport']

/** Reasons why a connection was closed before a byte of MQTT was read. */
export type AcceptRefusal =
  | CapacityRefusal
  | 'crowded_out'
  | 'accept_failed'
  | 'tls_handshake'
  | 'client_certificate'
  | 'timeout'
  | 'proxy_header'
  | 'upgrade'
  | 'origin'

/** Beside the reason: the client, and the code of the fault where the system has one. */
export type AcceptRefused = (reason: AcceptRefusal, remote?: string, fault?: string) => void

export type ListenOptions = {
  capacity: Capacity
  /** milliseconds from accept to the session, and for its CONNECT */
  connectTimeout: number
  door: DoorConfig
  certificates: DoorCertificates
  webSocket: Omit<
    WebSocketOptions,
    'path' | 'tls' | 'origins' | 'placeForwarded' | 'openSession' | 'onRefused'
  >
  /** Whether brokers are told both ends of a connection. */
  tellsEndpoints: boolean
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
  const { transport, host, port } = address
  const { capacity, onRefused } = options
  const peers = followNamedPeers(options.door)
  const arrivals = createArrivals(options)
  const isWeb = transport === 'ws' || transport === 'wss'

  function refuse(socket: Socket, reason: AcceptRefusal, remote: string | undefined): void {
    onRefused(reason, remote)
    socket.on('error', () => {})
    socket.destroy()
  }

  /** Counts the connection for the client of whom a balancer tells; closes it where it may not. */
  function move(socket: Socket, seat: Seat | undefined, client: string): boolean {
    if (seat?.move(client)) return true
    refuse(socket, 'too_many_from_address', client)
    return false
  }

  /** The client behind a balancer that speaks HTTP; false when there is no room for it. */
  function placeForwarded(socket: Socket, header: string | undefined): boolean {
    const known = arrivals.find(socket)
    const { address: balancer } = known?.arrival ?? {}
    if (header === undefined || balancer === undefined || !peers.has(balancer)) return true
    const client = peers.forwardedFor(balancer, header)
    arrivals.rename(socket, client)
    return client === balancer || move(socket, known?.seat, client)
  }

  const server = createDoor(address, arrivals, placeForwarded, options)
  watchHandshakes(server, address, options)
  // Those of TLS and HTTP, which come behind a PROXY header.
  const own = server.listeners('connection')
  server.removeAllListeners('connection')

  function goOn(socket: Socket): void {
    if (transport === 'tcp') {
      const { arrival, prove } = arrivals.take(socket)
      options.openSession(socket, arrival, prove)
    }
    for (const listener of own) listener.call(server, socket)
  }

  server.on('connection', (socket: Socket) => {
    const { remoteAddress } = socket
    const isNamed = peers.has(remoteAddress)
    const seat = capacity.take(remoteAddress ?? '', socket, isNamed)
    if (typeof seat === 'string') return refuse(socket, seat, remoteAddress)
    options.onOpened(transport)
    socket.once('close', () => {
      seat.leave()
      options.onClosed(transport)
    })
    if (transport === 'tcp' && !isNamed) {
      options.openSession(socket, arrivals.describe(socket), () => seat.prove())
      return
    }
    arrivals.add(socket, seat)
    if (!isNamed) return goOn(socket)
    socket.on('error', () => {})
    takeProxyHeader(socket, (found) => {
      if (socket.destroyed) return
      if (found === 'malformed' || (found === 'none' && !isWeb)) {
        return refuse(socket, 'proxy_header', remoteAddress)
      }
      if (found !== 'none' && found.endpoints !== undefined) {
        arrivals.replace(socket, found.endpoints)
        if (!move(socket, seat, found.endpoints.source.address)) return
      }
      goOn(socket)
    })
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
function createDoor(
  { transport, path }: ListenAddress,
  arrivals: Arrivals,
  placeForwarded: (socket: Socket, header: string | undefined) => boolean,
  options: ListenOptions,
): Server {
  const { certificates, connectTimeout, door, onRefused } = options
  const openSession = (stream: Duplex, socket: Socket) => {
    const { arrival, prove } = arrivals.take(socket)
    return options.openSession(stream, arrival, prove)
  }
  if (transport === 'ws' || transport === 'wss') {
    const tls = { ...certificates.options, handshakeTimeout: connectTimeout }
    return createWebSocketListener({
      ...options.webSocket,
      path,
      origins: () => door.origins,
      onRefused,
      tls: transport === 'wss' ? tls : undefined,
      placeForwarded,
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
