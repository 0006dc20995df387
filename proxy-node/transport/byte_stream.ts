// The client's side of a connection, as a listener hands it to the session that it opens.

import type { Endpoint } from './send_queue.ts'

/**
 * A net.Socket, a tls.TLSSocket, or the stream that `createWebSocketStream` of `ws` makes. A Duplex
 * already has backpressure in both directions, so no adapter stands between.
 */
export type ByteStream = Endpoint

/** Opens a session on `stream`. Its `version` stays 0 until a CONNECT was read. */
export type OpenSession = (
  stream: ByteStream,
  remoteAddress: string | undefined,
) => { readonly version: number }
