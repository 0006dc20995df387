// The client's side of a connection, as a listener hands it to the session that it opens.

import type { Duplex } from 'node:stream'

/**
 * A net.Socket, a tls.TLSSocket, or the stream that `createWebSocketStream` of `ws` makes. A Duplex
 * already has backpressure in both directions, so no adapter stands between.
 */
export type ByteStream = Duplex & { readonly remoteAddress?: string | undefined }

/**
 * Opens a session on `stream`. Its `version` stays 0 until a CONNECT was read; `prove` is called
 * once the client was let in.
 */
export type OpenSession = (
  stream: ByteStream,
  remoteAddress: string | undefined,
  prove: () => void,
) => { readonly version: number }
