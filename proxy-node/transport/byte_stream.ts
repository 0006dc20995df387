// The client's side of a connection, as a listener hands it to the session that it opens.

import type { ConnectionEnds } from './proxy_header.ts'
import type { PeerStream } from './send_queue.ts'

/**
 * A net.Socket, a tls.TLSSocket, or the stream that `createWebSocketStream` of `ws` makes. A Duplex
 * already has backpressure in both directions, so no adapter stands between.
 */
export type ByteStream = PeerStream

/** Facts about a connection from accept on. */
export type Arrival = {
  /** Monotonic milliseconds. */
  readonly accepted_at: number
  /** The true client's. */
  readonly address: string | undefined
  /** Both ends as the client sees them, where they are known. */
  readonly endpoints: ConnectionEnds | undefined
  /** Thumbprint (`x5t#S256`) of the certificate that the client proved. */
  readonly thumbprint: string | undefined
}

/**
 * Opens a session on `stream`. Its `version` stays 0 until a CONNECT was read; `prove` is called
 * once the client was let in.
 */
export type OpenSession = (
  stream: ByteStream,
  arrival: Arrival,
  prove: () => void,
) => { readonly version: number }
