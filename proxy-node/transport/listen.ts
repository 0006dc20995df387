// Streams to both sides: clients come in, brokers are dialled.
//   listen.ts: the listeners of MQTT_LISTEN, and room for connections; websocket.ts: ws://, wss://
//   certificates.ts: TLS at the doors; watched_files.ts: files that are read anew when they change
//   peers.ts, proxy_header.ts: balancers that tell who the client is; arrivals.ts: before a session
//   upstream.ts: the brokers of MQTT_UPSTREAM, broker_socket.ts: one connection to one of them
//   byte_stream.ts: the type that a session is opened on
// Leaves everything that is said on a stream to session/. Room for connections is counted over all
// listeners, and for one address.

import { createServer, isIPv6, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import type { ListenAddress } from '../addresses.ts'
import type { DoorConfig } from '../door_variables.ts'
import { type Arrivals, createArrivals } from './arrivals.ts'
import type { Arrival, OpenSession } from './byte_stream.ts'
import { type DoorCertificates, provedThumbprint } from './certificates.ts'
import { followNamedPeers, takeProxyHeader } from './peers.ts'
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
  | 'proxy_header'
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
  const { transport, host, port } = address
  const peers = followNamedPeers(options.door)
  const arrivals = createArrivals(options)
  const isWeb = transport === 'ws' || transport === 'wss'

  /** Makes room for the client of `socket`; false when there is none and it was closed. */
  function place(socket: Socket, client: string | undefined): boolean {
    const refusal = capacity.place(socket, client)
    if (refusal === undefined) return true
    refuse(socket, refusal, client)
    return false
  }

  function refuse(socket: Socket, reason: AcceptRefusal, remote: string | undefined): void {
    options.onRefused(reason, remote)
    socket.on('error', () => {})
    socket.destroy()
  }

  /** The client behind a balancer that speaks HTTP; false when there is no room for it. */
  function placeForwarded(socket: Socket, header: string | undefined): boolean {
    const known = arrivals.find(socket)
    if (!peers.has(known?.address)) return true // it has its place already
    if (known?.address === undefined || header === undefined) return place(socket, known?.address)
    const client = peers.forwardedFor(known.address, header)
    arrivals.rename(socket, client)
    return place(socket, client)
  }

  const server = createDoor(address, arrivals, placeForwarded, options)
  watchHandshakes(server, address, options)
  // Those of TLS and HTTP, which come behind a PROXY header.
  const own = server.listeners('connection')
  server.removeAllListeners('connection')

  function goOn(socket: Socket, arrival: Arrival): void {
    const isTold = isWeb && peers.has(arrival.address)
    if (!isTold && !place(socket, arrival.address)) return
    if (transport === 'tcp') options.openSession(socket, arrivals.take(socket))
    for (const listener of own) listener.call(server, socket)
  }

  server.on('connection', (socket: Socket) => {
    const refusal = capacity.take(socket)
    if (refusal !== undefined) return refuse(socket, refusal, socket.remoteAddress)
    options.onOpened(transport)
    socket.once('close', () => options.onClosed(transport))
    if (transport === 'tcp' && !peers.has(socket.remoteAddress)) {
      const { remoteAddress } = socket
      if (place(socket, remoteAddress)) options.openSession(socket, arrivals.describe(socket))
      return
    }
    const arrival = arrivals.add(socket)
    if (!peers.has(arrival.address)) return goOn(socket, arrival)
    socket.on('error', () => {})
    takeProxyHeader(socket, (found) => {
      if (socket.destroyed) return
      if (found === 'malformed' || (found === 'none' && !isWeb)) {
        return refuse(socket, 'proxy_header', arrival.address)
      }
      const endpoints = found === 'none' ? undefined : found.endpoints
      goOn(socket, endpoints === undefined ? arrival : arrivals.replace(socket, endpoints))
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
  const openSession = (stream: Duplex, socket: Socket) =>
    options.openSession(stream, arrivals.take(socket))
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

/** Room for connections, over all listeners. */
type Capacity = {
  /** Counts the connection until it closes, or says why there is no room for it. */
  take(socket: Socket): AcceptRefusal | undefined
  /** The same among those of the client's address, as soon as that is known. */
  place(socket: Socket, client: string | undefined): AcceptRefusal | undefined
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
      open++
      socket.once('close', () => {
        open--
      })
      return undefined
    },
    place(socket, client) {
      const source = sourceOf(client ?? '')
      const fromThere = byAddress.get(source) ?? 0
      if (connectionsPerAddress > 0 && fromThere >= connectionsPerAddress) {
        return 'too_many_from_address'
      }
      byAddress.set(source, fromThere + 1)
      socket.once('close', () => {
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
