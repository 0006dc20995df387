// Connections to the broker: which of the addresses in MQTT_UPSTREAM, over TCP or TLS, and for how
// long one that failed is passed over. Packets on the connection are the session's.

import type { Duplex } from 'node:stream'
import type { ConnectionOptions } from 'node:tls'
import type { BrokerAddress } from '../addresses.ts'
import { openBrokerSocket } from './broker_socket.ts'
import { type ConnectionEnds, writeProxyHeader } from './proxy_header.ts'

/** A connection to a broker, with the credentials that its address in MQTT_UPSTREAM names. */
export type Upstream = {
  stream: Duplex
  username: string | undefined
  password: string | undefined
}

/** The client for whom a broker is dialled. */
export type DialledFor = { endpoints: ConnectionEnds | undefined }

/** Opens a connection to a broker, or rejects when none is reachable. No `caller`: a look. */
export type Dial = (signal: AbortSignal, caller?: DialledFor) => Promise<Upstream>

export type DialOptions = {
  /** Time for one address. */
  connect_timeout_ms?: number
  /** An address that failed is tried last for this long. */
  cool_down_ms?: number
  /** Whether a PROXY header (v2) tells the broker of the client. */
  tellsEndpoints?: boolean
  /** Options of mqtts: certificate authorities, client certificate and the like. */
  tls?: ConnectionOptions
  /** Monotonic milliseconds. */
  clock?: () => number
}

/**
 * Dials the brokers in their order, those that failed lately last. Every address is tried before
 * a dial fails, so a broker that is back is found at once.
 */
export function createDial(brokers: readonly BrokerAddress[], options: DialOptions = {}): Dial {
  if (brokers.length === 0) throw new TypeError('no broker address')
  const timeout = options.connect_timeout_ms ?? 5000
  const coolDown = options.cool_down_ms ?? 10_000
  const clock = options.clock ?? (() => performance.now())
  const failed_at = brokers.map(() => -Infinity)

  return async (signal, caller) => {
    const header = options.tellsEndpoints ? writeProxyHeader(caller?.endpoints) : undefined
    const socket = { timeout, tls: options.tls, header, signal }
    const since = clock() - coolDown
    const good = brokers.filter((_, i) => failed_at[i]! <= since)
    const order = [...good, ...brokers.filter((broker) => !good.includes(broker))]
    let failure: unknown
    for (const broker of order) {
      signal.throwIfAborted()
      const place = brokers.indexOf(broker)
      try {
        const stream = await openBrokerSocket(broker, socket)
        failed_at[place] = -Infinity
        return { stream, username: broker.username, password: broker.password } satisfies Upstream
      } catch (cause) {
        if (!signal.aborted) failed_at[place] = clock()
        failure = cause
      }
    }
    throw new Error('no broker is reachable', { cause: failure })
  }
}
