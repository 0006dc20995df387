// Peers that stand before mProxy and tell who the client is: balancers of PROXY_PROTOCOL_FROM. From
// anybody else neither a PROXY header nor X-Forwarded-For is believed.

import { BlockList, isIP, isIPv4, type Socket } from 'node:net'
import type { AddressRange } from '../door_variables.ts'
import { type ConnectionEnds, readProxyHeader } from './proxy_header.ts'

export type NamedPeers = {
  has(address: string | undefined): boolean
  /**
   * The client that `header` tells (X-Forwarded-For) at a request of the named peer `address`: the
   * last one that is no named peer itself.
   */
  forwardedFor(address: string, header: string): string
}

/** Entries of X-Forwarded-For that are looked at, from its end. */
const HOPS_MAX = 32

/** The peers that `door` names at each moment. */
export function followNamedPeers(door: { readonly peers: readonly AddressRange[] }): NamedPeers {
  let { peers } = door
  let named = createNamedPeers(peers)
  const now = (): NamedPeers => {
    if (door.peers !== peers) {
      peers = door.peers
      named = createNamedPeers(peers)
    }
    return named
  }
  return {
    has: (address) => now().has(address),
    forwardedFor: (address, header) => now().forwardedFor(address, header),
  }
}

function createNamedPeers(ranges: readonly AddressRange[]): NamedPeers {
  const list = new BlockList()
  for (const { address, prefix } of ranges) {
    list.addSubnet(address, prefix, isIPv4(address) ? 'ipv4' : 'ipv6')
  }
  const has = (address: string | undefined): boolean => {
    const [plain = ''] = (address ?? '').split('%')
    const family = isIP(plain)
    return family !== 0 && list.check(plain, family === 4 ? 'ipv4' : 'ipv6')
  }
  return {
    has: ranges.length === 0 ? () => false : has,
    forwardedFor(address, header) {
      let client = address
      for (const entry of header.split(',').slice(-HOPS_MAX).reverse()) {
        const hop = withoutPort(entry.trim())
        if (isIP(hop) === 0) return client // what lies behind it is hearsay
        client = hop
        if (!has(hop)) return client
      }
      return client
    },
  }
}

/** `192.0.2.1:1234` and `[2001:db8::1]:1234` are written by some balancers. */
function withoutPort(entry: string): string {
  const [, v4, v6] = /^(?:([\d.]+):\d+|\[([^\]]+)\](?::\d+)?)$/.exec(entry) ?? []
  return v4 ?? v6 ?? entry
}

export type HeaderFound = { endpoints: ConnectionEnds | undefined } | 'none' | 'malformed'

/**
 * Reads the PROXY header at the beginning of a connection. The bytes behind it are left in the
 * socket, and so are those of a connection that begins otherwise.
 */
export function takeProxyHeader(socket: Socket, onHeader: (found: HeaderFound) => void): void {
  let bytes: Buffer = Buffer.alloc(0)
  const look = () => {
    const chunk: Buffer | null = socket.read()
    if (chunk === null) return
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    const reading = readProxyHeader(bytes)
    if (reading === 'more') return
    socket.off('readable', look)
    if (reading === 'malformed') return onHeader(reading)
    const rest = reading === 'none' ? bytes : bytes.subarray(reading.length)
    if (rest.length > 0) socket.unshift(rest)
    // The stream notices a tick later that nobody waits for `readable` any more.
    process.nextTick(onHeader, reading)
  }
  socket.on('readable', look)
}
