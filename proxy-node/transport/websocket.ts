// MQTT over WebSocket, up to the byte stream (MQTT 3.1.1 and 5.0 §6): the HTTP server, the upgrade,
// and what a frame may be. Admission of connections is listen.ts's, the MQTT in it the session's.
//
// Any Origin is let in. The rights of a connection hang on its token alone, which no browser
// attaches by itself as it does cookies, so another site's page gains nothing by connecting from
// here.

import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws'
import type { OpenSession } from './byte_stream.ts'

export type WebSocketOptions = {
  path: string
  /** milliseconds for the upgrade request to come in whole */
  upgradeTimeout: number
  /** bytes of one message: the largest packet */
  messageMax: number
  /** bytes before CONNECT was read */
  unreadMax: number
  bufferSize: number
  openSession: OpenSession
}

const SUBPROTOCOL = 'mqtt' // [MQTT-6.0.0-3], [MQTT-6.0.0-4]
const UPGRADE_OVERHEAD = 16 * 1024
const FRAGMENTS_MAX = 4096

/** An HTTP server that turns upgrades on `path` into sessions and answers nothing else. */
export function createWebSocketListener(options: WebSocketOptions): Server {
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false, // memory and time per connection, for payloads that may be no text
    maxPayload: options.messageMax,
    maxFragments: FRAGMENTS_MAX,
    maxBufferedChunks: 65_536,
    handleProtocols: () => SUBPROTOCOL,
  })
  const server = createServer(
    {
      headersTimeout: options.upgradeTimeout,
      requestTimeout: options.upgradeTimeout,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: UPGRADE_OVERHEAD,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
    },
    (_request, response) => {
      response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end()
    },
  )
  server.on('upgrade', (request, socket, head) => {
    const fault = findUpgradeFault(request, options.path)
    if (fault !== undefined) return refuseUpgrade(socket as Socket, fault)
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      openWebSocket(webSocket, socket as Socket, options)
    })
  })
  return server
}

function findUpgradeFault(request: IncomingMessage, path: string): number | undefined {
  const [target] = (request.url ?? '').split('?')
  if (target !== path) return 404
  const offer = request.headers['sec-websocket-protocol'] ?? ''
  if (!offer.split(',').some((name) => name.trim() === SUBPROTOCOL)) return 400
  return undefined
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
  const session = options.openSession(stream, socket.remoteAddress)

  // One message may be as large as the largest packet, but an unknown client may not fill it.
  const allowance = socket.bytesRead + options.unreadMax + UPGRADE_OVERHEAD
  const guard = () => {
    if (session.version !== 0) socket.off('data', guard)
    else if (socket.bytesRead > allowance) socket.destroy()
  }
  socket.on('data', guard)
}
