// One connection to one broker: TCP or TLS, with a PROXY header before it where that is wanted, in
// bounded time. The name is looked up anew each time. Which broker it is is upstream.ts's.

import { connect as connectTcp, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { BrokerAddress } from '../addresses.ts'

export type SocketOptions = {
  /** milliseconds until it stands, handshake included */
  timeout: number
  /** Options of mqtts: certificate authorities, client certificate and the like. */
  tls: ConnectionOptions | undefined
  /** Bytes before all others. */
  header: Buffer | undefined
  signal: AbortSignal
}

export function openBrokerSocket(
  { host, port, tls }: BrokerAddress,
  options: SocketOptions,
): Promise<Socket> {
  const { timeout, header, signal } = options
  return new Promise((resolve, reject) => {
    const tcp = header === undefined && tls ? undefined : connectTcp({ host, port })
    if (header !== undefined) tcp?.write(header) // kept until it stands
    // The certificate is for `host`, on a socket that is there already too.
    const named = { host, port, servername: serverName(host), ...options.tls }
    const socket = tls ? connectTls(tcp === undefined ? named : { ...named, socket: tcp }) : tcp!
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
      socket.off(tls ? 'secureConnect' : 'connect', succeed)
    }
    socket.once('error', fail)
    socket.once('close', close)
    socket.once(tls ? 'secureConnect' : 'connect', succeed)
    signal.addEventListener('abort', abort, { once: true })
  })
}

/** RFC 6066 §3: an address is no server name. */
function serverName(host: string): string {
  return /^[\d.]+$|:/.test(host) ? '' : host
}
