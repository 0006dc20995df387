// MQTT over WebSocket, up to the byte stream (MQTT 3.1.1 and 5.0 §6): the HTTP server, the upgrade,
// and what a frame may be. Admission of connections is listen.ts's, the MQTT in it the session's.
//
// Without a list any Origin is let in: the rights of a connection hang on its token alone, which no
// browser attaches by itself as it does cookies, so another site's page gains nothing by it.

import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TlsOptions } from 'node:tls'
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws'

export type WebSocketOptions = {
  path: string
  /** milliseconds for the upgrade request to come in whole */
  upgradeTimeout: number
  /** bytes of one message: the largest packet */
  messageMax: number
  /** bytes before CONNECT was read */
  unreadMax: number
  bufferSize: number
  /** milliseconds */
  closeTimeout: number
  /** undefined: any */
  origins: () => readonly string[] | undefined
  onRefused: (reason: 'upgrade' | 'origin', remote: string | undefined, fault: string) => void
  /** undefined: without TLS */
  tls: TlsOptions | undefined
  /** Gives the client its place, with the value of X-Forwarded-For; false when it has none. */
  placeForwarded: (socket: Socket, header: string | undefined) => boolean
  openSession: (stream: Duplex, socket: Socket) => { readonly version: number }
}

const SUBPROTOCOL = 'mqtt' // [MQTT-6.0.0-3], [MQTT-6.0.0-4]
const UPGRADE_OVERHEAD = 16 * 1024
const FRAGMENTS_MAX = 4096
const FORBIDDEN = 403

/** An HTTP server that turns upgrades on `path` into sessions and answers nothing else. */
export function createWebSocketListener(options: WebSocketOptions): Server {
  const bounds = {
    maxPayload: options.messageMax,
    maxFragments: FRAGMENTS_MAX,
    maxBufferedChunks: 65_536,
    maxPendingAutoPongs: 60, // beyond it, a peer that sends pings does not read
    closeTimeout: options.closeTimeout, // for the other side to agree to a close
  }
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false, // memory and time per connection, for payloads that may be no text
    handleProtocols: () => SUBPROTOCOL,
    ...bounds,
  })
  const http = {
    headersTimeout: options.upgradeTimeout,
    requestTimeout: options.upgradeTimeout,
    connectionsCheckingInterval: 1000,
    maxHeaderSize: UPGRADE_OVERHEAD,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
  }
  const answer = (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end()
  }
  const server =
    options.tls === undefined
      ? createServer(http, answer)
      : createSecureServer({ ...http, ...options.tls }, answer)
  server.on('upgrade', (request, socket, head) => {
    const fault = findUpgradeFault(request, options)
    if (fault !== undefined) {
      const reason = fault === FORBIDDEN ? 'origin' : 'upgrade'
      options.onRefused(reason, (socket as Socket).remoteAddress, String(fault))
      return refuseUpgrade(socket as Socket, fault)
    }
    const value = request.headers['x-forwarded-for']
    const header = Array.isArray(value) ? value.join(',') : value
    if (!options.placeForwarded(socket as Socket, header)) return
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      openWebSocket(webSocket, socket as Socket, options)
    })
  })
  return server
}

function findUpgradeFault(
  request: IncomingMessage,
  { path, origins }: Pick<WebSocketOptions, 'path' | 'origins'>,
): number | undefined {
  const [target] = (request.url ?? '').split('?')
  if (target !== path) return 404
  const offer = request.headers['sec-websocket-protocol'] ?? ''
  if (!offer.split(',').some((name) => name.trim() === SUBPROTOCOL)) return 400
  const { origin } = request.headers
  const allowed = origins()
  return allowed === undefined || origin === undefined || allowed.includes(origin)
    ? undefined
    : FORBIDDEN
}

function refuseUpgrade(socket: Socket, status: number): void {
  socket.on('error', () => {})
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    () => socket.destroy(),
  )
}

function openWebSocket(webSocket: WebSocket, socket: Socket, options: WebSocketOptions): void {
  // Before the stream's own listener, so that nothing of a text message gets into it.
  webSocket.on('message', (_data, isBinary) => {
    if (!isBinary) stream.destroy() // [MQTT-6.0.0-1]
  })
  const stream = createWebSocketStream(webSocket, { highWaterMark: options.bufferSize })
  const { remoteAddress, remotePort, localPort } = socket
  Object.assign(stream, { remoteAddress, remotePort, localPort })
  // The session listens too; this one stays, because a broken frame may come after its end.
  stream.on('error', () => {})
  const session = options.openSession(stream, socket)

  // One message may be as large as the largest packet, but an unknown client may not fill it.
  const allowance = socket.bytesRead + options.unreadMax + UPGRADE_OVERHEAD
  const guard = () => {
    if (session.version !== 0) socket.off('data', guard)
    else if (socket.bytesRead > allowance) socket.destroy()
  }
  socket.on('data', guard)
}
