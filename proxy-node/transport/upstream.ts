// Connections to the broker: which of the addresses in MQTT_UPSTREAM, over TCP or TLS, and for how
// long one that failed is passed over. Packets on the connection are the session's.

import { connect as connectTcp, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { BrokerAddress } from '../addresses.ts'

/** A connection to a broker, with the credentials that its address in MQTT_UPSTREAM names. */
export type Upstream = {
  stream: Duplex
  username: string | undefined
  password: string | undefined
}

/** Opens a connection to a broker, or rejects when none is reachable. */
export type Dial = (signal: AbortSignal) => Promise<Upstream>

export type DialOptions = {
  /** Time for one address. */
  connect_timeout_ms?: number
  /** An address that failed is tried last for this long. */
  cool_down_ms?: number
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

  return async (signal) => {
    const since = clock() - coolDown
    const good = brokers.filter((_, i) => failed_at[i]! <= since)
    const order = [...good, ...brokers.filter((broker) => !good.includes(broker))]
    let failure: unknown
    for (const broker of order) {
      signal.throwIfAborted()
      const place = brokers.indexOf(broker)
      try {
        const stream = await open(broker, timeout, options.tls, signal)
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

function open(
  broker: BrokerAddress,
  timeout: number,
  tls: ConnectionOptions | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const { host, port } = broker
  return new Promise((resolve, reject) => {
    const socket = broker.tls
      ? connectTls({ ...tls, host, port, servername: tls?.servername ?? serverName(host) })
      : connectTcp({ host, port })
    const fail = (cause: Error) => {
      release()
      socket.on('error', () => {}) // one that comes after the decision has no listener else
      socket.destroy()
      reject(cause)
    }
    const abort = () => fail(new Error('dial given up'))
    const close = () => fail(new Error('closed'))
    const timer = setTimeout(() => fail(new Error('connect timed out')), timeout)
    const succeed = () => {
      release()
      socket.setNoDelay(true)
      socket.setKeepAlive(true, 60_000)
      resolve(socket)
    }
    const release = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      socket.off('error', fail)
      socket.off('close', close)
      socket.off(broker.tls ? 'secureConnect' : 'connect', succeed)
    }
    socket.once('error', fail)
    socket.once('close', close)
    socket.once(broker.tls ? 'secureConnect' : 'connect', succeed)
    signal.addEventListener('abort', abort, { once: true })
  })
}

/** RFC 6066 §3: an address is no server name. */
function serverName(host: string): string {
  return /^[\d.]+$|:/.test(host) ? '' : host
}
