// Connections between accept and their session: when each came, who it is, the time that it has.

import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { DoorConfig } from '../door_variables.ts'
import type { Arrival } from './byte_stream.ts'
import type { Seat } from './capacity.ts'
import { provedThumbprint } from './certificates.ts'
import type { ConnectionEnds } from './proxy_header.ts'

/** A socket may be given as it came, or as the one that TLS made of it. */
export type Arrivals = {
  add(socket: Socket, seat: Seat): void
  find(socket: Socket): Readonly<Waiting> | undefined
  /** Says who the client is, as a balancer tells it. */
  replace(socket: Socket, endpoints: ConnectionEnds): void
  rename(socket: Socket, address: string): void
  /** One that does not wait. */
  describe(socket: Socket): Arrival
  /** Ends the waiting: a session begins. */
  take(socket: Socket): { arrival: Arrival; prove: () => void }
}

type Waiting = { arrival: Arrival; seat: Seat; timer: NodeJS.Timeout }

export function createArrivals({
  connectTimeout,
  door,
  tellsEndpoints,
  onRefused,
}: {
  connectTimeout: number
  door: DoorConfig
  /** Else nobody asks for them, and they are left out. */
  tellsEndpoints: boolean
  onRefused: (reason: 'timeout', remote: string | undefined) => void
}): Arrivals {
  const waiting = new Map<string, Waiting>()
  // Both ends of TLS have the same one, and no two connections of a listener do.
  const nameOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`
  function arrivalOf(socket: Socket): Arrival {
    const accepted_at = performance.now()
    const endpoints = tellsEndpoints ? endpointsOf(socket) : undefined
    return { accepted_at, address: socket.remoteAddress, endpoints, thumbprint: undefined }
  }
  function change(socket: Socket, of: Partial<Arrival>): Arrival {
    const found = waiting.get(nameOf(socket))
    const arrival = { ...(found?.arrival ?? arrivalOf(socket)), ...of }
    if (found !== undefined) found.arrival = arrival
    return arrival
  }
  return {
    describe: arrivalOf,
    add(socket, seat) {
      const name = nameOf(socket)
      const arrival = arrivalOf(socket)
      const timer = setTimeout(() => {
        onRefused('timeout', waiting.get(name)?.arrival.address)
        socket.destroy()
      }, connectTimeout)
      waiting.set(name, { arrival, seat, timer })
      socket.once('close', () => {
        clearTimeout(timer)
        if (waiting.get(name)?.timer === timer) waiting.delete(name)
      })
    },
    find: (socket) => waiting.get(nameOf(socket)),
    replace: (socket, endpoints) =>
      change(socket, { endpoints, address: endpoints.source.address }),
    rename(socket, address) {
      const { endpoints } = change(socket, { address })
      if (endpoints !== undefined) {
        change(socket, { endpoints: { ...endpoints, source: { address, port: 0 } } })
      }
    },
    take(socket) {
      const name = nameOf(socket)
      const found = waiting.get(name)
      waiting.delete(name)
      clearTimeout(found?.timer)
      const prove = () => found?.seat.prove()
      const arrival = found?.arrival ?? arrivalOf(socket)
      if (!('encrypted' in socket)) return { arrival, prove }
      const thumbprint = provedThumbprint(socket as TLSSocket, door)
      if (thumbprint === false || thumbprint === undefined) return { arrival, prove }
      return { arrival: { ...arrival, thumbprint }, prove }
    },
  }
}

function endpointsOf(socket: Socket): ConnectionEnds | undefined {
  const { remoteAddress, remotePort = 0, localAddress, localPort = 0 } = socket
  if (remoteAddress === undefined || localAddress === undefined) return undefined
  return {
    source: { address: remoteAddress, port: remotePort },
    destination: { address: localAddress, port: localPort },
  }
}
