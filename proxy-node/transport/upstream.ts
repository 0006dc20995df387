// The brokers of MQTT_UPSTREAM: which one a client belongs to, which ones are down, and the dial.
// One connection is broker_socket.ts's; packets on it are the session's.
//
// A client belongs to the broker that the hash of its client id ranks first, whatever the order of
// the addresses; when one is down, its clients alone go elsewhere. While a broker is down, one dial
// at a time finds out whether it is back: the others wait for it, so that none that is slow to
// answer is met with a dial for each client.

import type { Socket } from 'node:net'
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
  /**
   * The broker may remember another session of this client than its last one, which was elsewhere:
   * the client has to begin anew.
   */
  beginsAnew?: boolean
}

/** The client for whom a broker is dialled. */
export type DialledFor = { client_id: string; endpoints: ConnectionEnds | undefined }

/** Opens a connection to a broker, or rejects when none is reachable. No `caller`: a look. */
export type Dial = (signal: AbortSignal, caller?: DialledFor) => Promise<Upstream>

export type DialOptions = {
  /** Time for one address. */
  connect_timeout_ms?: number
  /** Whether a PROXY header (v2) tells the broker of the client. */
  tellsEndpoints?: boolean
  /** Options of mqtts at this moment: certificate authorities, client certificate and the like. */
  tls?: () => ConnectionOptions | undefined
  /** Between two looks at each of several brokers; undefined: none. */
  look_interval_ms?: number
  /** Whether all brokers know all sessions. */
  sharesSessions?: boolean
  /** Hears when a broker goes down, and when it is back. */
  onChange?: (broker: string, isUp: boolean) => void
  /** Hears of each client that does not get to its own broker. */
  onFailover?: () => void
}

export type Brokers = {
  dial: Dial
  states(): { broker: string; isUp: boolean }[]
  close(): void
}

type Place = {
  broker: BrokerAddress
  /** host:port */
  name: string
  isDown: boolean
  isLooking: boolean
  /** The dial that finds out whether it is back; false when its client gave up before. */
  trial: Promise<boolean> | undefined
}

/** Clients whose last session was not at their own broker, in the memory of this process. */
const AWAY_MAX = 100_000

/** CONNECT of MQTT 3.1.1 without a client id, in nobody's place: any answer shows a live broker. */
const LOOK = Buffer.from('100c00044d5154540402000a0000', 'hex')
const FAREWELL = Buffer.from('e000', 'hex')

export const createDial = (brokers: readonly BrokerAddress[], options: DialOptions = {}): Dial =>
  openBrokers(brokers, options).dial

export function openBrokers(brokers: readonly BrokerAddress[], options: DialOptions): Brokers {
  if (brokers.length === 0) throw new TypeError('no broker address')
  const timeout = options.connect_timeout_ms ?? 5000
  const places: Place[] = brokers.map((broker) => {
    const { host, port } = broker
    return { broker, name: `${host}:${port}`, isDown: false, isLooking: false, trial: undefined }
  })
  /** By a hash, since ids are long. */
  const away = new Map<number, Place>()

  function note(place: Place, isUp: boolean): void {
    if (place.isDown !== isUp) return
    place.isDown = !isUp
    options.onChange?.(place.name, isUp)
  }

  const open = (place: Place, signal: AbortSignal, caller: DialledFor | undefined) =>
    openBrokerSocket(place.broker, {
      timeout,
      tls: options.tls?.(),
      header: options.tellsEndpoints ? writeProxyHeader(caller?.endpoints) : undefined,
      signal,
    })

  async function attempt(place: Place, signal: AbortSignal, caller: DialledFor | undefined) {
    const opening = open(place, signal, caller)
    if (place.isDown) {
      const trial = opening.then(
        () => true,
        () => !signal.aborted,
      )
      place.trial = trial
      void trial.then(() => {
        if (place.trial === trial) place.trial = undefined
      })
    }
    try {
      const stream = await opening
      note(place, true)
      return stream
    } catch (cause) {
      if (!signal.aborted) note(place, false)
      throw cause
    }
  }

  const dial: Dial = async (signal, caller) => {
    const ranked = rank(places, caller?.client_id)
    const order = ranked.filter(({ isDown }) => !isDown)
    if (order.length < ranked.length) order.push(...ranked.filter(({ isDown }) => isDown))
    let failure: unknown
    for (const place of order) {
      signal.throwIfAborted()
      let isKnown = false
      while (place.trial !== undefined && !isKnown) {
        isKnown = await place.trial
        signal.throwIfAborted()
      }
      if (isKnown && place.isDown) continue
      let stream: Socket
      try {
        stream = await attempt(place, signal, caller)
      } catch (cause) {
        failure = cause
        continue
      }
      const { username, password } = place.broker
      return { stream, username, password, beginsAnew: arrive(place, ranked[0], caller) }
    }
    throw new Error('no broker is reachable', { cause: failure })
  }

  /** Remembers where a client is; says whether it was elsewhere before. */
  function arrive(place: Place, home: Place | undefined, caller: DialledFor | undefined): boolean {
    if (caller === undefined || places.length === 1) return false
    if (place !== home) options.onFailover?.()
    if (options.sharesSessions) return false
    const client = weigh('', caller.client_id)
    const before = away.get(client) ?? home
    away.delete(client)
    if (place !== home) {
      away.set(client, place)
      const [oldest] = away.keys()
      if (away.size > AWAY_MAX && oldest !== undefined) away.delete(oldest)
    }
    return place !== before
  }

  /** A whole exchange of packets: a program that hangs still takes connections. */
  async function look(place: Place): Promise<void> {
    if (place.isLooking) return
    place.isLooking = true
    const signal = AbortSignal.timeout(timeout)
    try {
      const socket = await open(place, signal, undefined)
      await hearAnything(socket, signal)
      note(place, true)
    } catch {
      note(place, false)
    }
    place.isLooking = false
  }

  const { look_interval_ms } = options
  const timer =
    look_interval_ms === undefined || places.length === 1
      ? undefined
      : setInterval(() => {
          for (const place of places) void look(place)
        }, look_interval_ms)
  timer?.unref()
  return {
    dial,
    states: () => places.map(({ name, isDown }) => ({ broker: name, isUp: !isDown })),
    close: () => clearInterval(timer),
  }
}

function hearAnything(socket: Socket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = () => {
      socket.destroy()
      reject(new Error('no answer'))
    }
    signal.addEventListener('abort', fail, { once: true })
    socket.on('error', fail)
    socket.once('close', fail)
    socket.once('data', () => {
      signal.removeEventListener('abort', fail)
      socket.off('close', fail)
      socket.end(FAREWELL)
      socket.resume()
      resolve()
    })
    socket.write(LOOK)
  })
}

/** The places, the client's own first (rendezvous hashing): each client has its own order. */
function rank(places: readonly Place[], client_id: string | undefined): readonly Place[] {
  if (places.length === 1 || client_id === undefined) return places
  const weights = new Map(places.map((place) => [place, weigh(place.name, client_id)]))
  return [...places].sort((a, b) => weights.get(b)! - weights.get(a)! || (a.name < b.name ? -1 : 1))
}

/** FNV-1a over both, mixed once more, since it leaves the high bits of short texts alike. */
function weigh(name: string, client_id: string): number {
  let hash = 0x811c9dc5
  for (const text of [name, '\n', client_id]) {
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
