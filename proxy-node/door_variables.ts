// Variables of the doors: certificates, and those who come in by them. Their place in the table of
// all variables, and the reading of it, is config.ts's.

import { isIP } from 'node:net'
import {
  type BrokerAddress,
  type ListenAddress,
  type MetricsAddress,
  quote,
  type Reading,
  readList,
} from './addresses.ts'
import { choice, number, oneOf, optional } from './variables.ts'

/** Whether clients are asked for a certificate of their own. */
export type ClientCertificates = 'off' | 'optional' | 'required'

export type CertificatePair = { certificate: string; key: string }

export type DoorConfig = {
  /** Paths of PEM files, the first for clients that name no server or one that is not there. */
  certificates: CertificatePair[]
  clientCertificates: ClientCertificates
  /** Path of a PEM file; undefined: any certificate, as tokens name the very one. */
  clientAuthorities: string | undefined
  /** Pages that may connect; undefined: those of any origin. */
  origins: string[] | undefined
  /** Balancers that tell who the client is. */
  peers: AddressRange[]
}

/** How brokers are reached, beside their addresses. */
export type UpstreamConfig = {
  /** Paths of PEM files, for `mqtts://`. */
  authorities: string | undefined
  certificate: CertificatePair | undefined
  /** Whether all brokers know all sessions. */
  sharesSessions: boolean
  /** milliseconds */
  lookInterval: number
  /** Whether brokers get a PROXY header with the client's address. */
  tellsEndpoints: boolean
}

/** Milliseconds. */
export type DrainTimes = {
  /** Over which the ends of sessions are spread. */
  spread: number
  /** For each session, from when its turn comes. */
  timeout: number
}

/** The addresses whose first `prefix` bits are those of `address`. */
export type AddressRange = { address: string; prefix: number }

export const DOOR_VARIABLES = {
  MQTT_TLS_CERT_FILE: optional('required by `mqtts://` and `wss://`', {
    example: '/etc/mproxy/site.pem',
    meaning:
      "files with mProxy's certificates and their chains, PEM, comma-separated. The one whose name " +
      'the client asks for is used (SNI), else the first. All files of TLS are read anew when they ' +
      'change, or by SIGHUP; a file that is not good changes nothing',
    read: (text) => readList(text, readFile),
  }),
  MQTT_TLS_KEY_FILE: optional('required by `mqtts://` and `wss://`', {
    example: '/etc/mproxy/site.key',
    meaning: 'files with the private keys, PEM, in the order of the certificates',
    read: (text) => readList(text, readFile),
  }),
  MQTT_TLS_CLIENT_CERTIFICATES: optional('`off`, or `optional` with `MQTT_TLS_CLIENT_CA_FILE`', {
    example: 'optional',
    meaning:
      'whether clients are asked for a certificate: `off`, `optional` or `required`. A token that is ' +
      'bound to one (`cnf.x5t#S256`) is only accepted on a connection that proves it',
    read: oneOf<ClientCertificates>(['off', 'optional', 'required']),
  }),
  MQTT_TLS_CLIENT_CA_FILE: optional('any certificate', {
    example: '/etc/mproxy/clients.pem',
    meaning:
      'a file with the authorities, PEM, that certificates of clients must come from. Without it ' +
      'every certificate is let in, since a token names the very one that it is bound to',
    read: readFile,
  }),
  MQTT_WS_ORIGINS: optional('any', {
    example: 'https://app.example.com',
    meaning:
      'the origins, comma-separated, whose pages may connect by `ws://` and `wss://`. Programs, ' +
      'which say no origin, are let in all the same',
    read: (text) => readList(text, readOrigin),
  }),
  PROXY_PROTOCOL_FROM: optional('none', {
    example: '10.0.0.5,10.1.0.0/24,2001:db8::/64',
    meaning:
      'addresses and ranges of the balancers before mProxy, comma-separated. Each of their ' +
      'connections begins with a header of the PROXY protocol (v1 or v2); by `ws://` and `wss://` ' +
      'they may tell the client by `X-Forwarded-For` instead. From others neither is believed',
    read: (text) => readList(text, readRange),
  }),
  MQTT_UPSTREAM_CA_FILE: optional("Node's list", {
    example: '/etc/mproxy/broker_ca.pem',
    meaning: 'a file with the authorities, PEM, that certificates of `mqtts://` brokers come from',
    read: readFile,
  }),
  MQTT_UPSTREAM_CERT_FILE: optional('none', {
    example: '/etc/mproxy/mproxy.pem',
    meaning: "a file with mProxy's own certificate, PEM, that it shows to `mqtts://` brokers",
    read: readFile,
  }),
  MQTT_UPSTREAM_KEY_FILE: optional('none', {
    example: '/etc/mproxy/mproxy.key',
    meaning: 'a file with the private key of that certificate, PEM',
    read: readFile,
  }),
  MQTT_UPSTREAM_SESSIONS: choice(
    ['own', 'shared'],
    'with several brokers: each keeps its `own` sessions, so that a client which comes to another ' +
      'broker than the last time begins anew; or all of them know all sessions (`shared`)',
  ),
  MQTT_UPSTREAM_LOOK_INTERVAL: number(
    5,
    [1, 3600],
    'seconds between two looks at each of several brokers: a CONNECT that any answer is good for',
  ),
  MQTT_UPSTREAM_PROXY_PROTOCOL: choice(
    ['off', 'v2'],
    'whether each connection to a broker begins with a header of the PROXY protocol, which tells the ' +
      'client: `v2` for brokers that are set up to read it',
  ),
  MQTT_DRAIN_TIMEOUT: number(
    10,
    [0, 3600],
    'seconds that an open session has to end when mProxy stops, from when its turn comes',
  ),
  MQTT_DRAIN_SPREAD: number(
    5,
    [0, 3600],
    'seconds over which the ends of many sessions are spread when mProxy stops, so that a fleet does ' +
      'not come back at once; ten in a tenth of a second are no flood',
  ),
  MQTT_SERVER_REFERENCE: optional('none', {
    example: 'mqtt2.example.com:8883',
    meaning:
      'the server that MQTT 5 clients are sent to when mProxy stops (DISCONNECT 0x9C with Server ' +
      'Reference, in place of 0x8B)',
    read: readReference,
  }),
} as const

export type DoorReadings = {
  MQTT_LISTEN?: ListenAddress[] | undefined
  METRICS_LISTEN?: MetricsAddress | 'off' | undefined
  MQTT_DRAIN_TIMEOUT?: number | undefined
  MQTT_DRAIN_SPREAD?: number | undefined
  MQTT_TLS_CERT_FILE?: string[] | undefined
  MQTT_TLS_KEY_FILE?: string[] | undefined
  MQTT_TLS_CLIENT_CERTIFICATES?: ClientCertificates | undefined
  MQTT_TLS_CLIENT_CA_FILE?: string | undefined
  MQTT_WS_ORIGINS?: string[] | undefined
  PROXY_PROTOCOL_FROM?: AddressRange[] | undefined
  MQTT_UPSTREAM?: BrokerAddress[] | undefined
  MQTT_UPSTREAM_CA_FILE?: string | undefined
  MQTT_UPSTREAM_CERT_FILE?: string | undefined
  MQTT_UPSTREAM_KEY_FILE?: string | undefined
  MQTT_UPSTREAM_SESSIONS?: 'own' | 'shared' | undefined
  MQTT_UPSTREAM_LOOK_INTERVAL?: number | undefined
  MQTT_UPSTREAM_PROXY_PROTOCOL?: 'off' | 'v2' | undefined
}

const isTls = ({ transport }: ListenAddress) => transport === 'tls' || transport === 'wss'

type DoorFault = {
  name: keyof typeof DOOR_VARIABLES | 'MQTT_LISTEN' | 'METRICS_LISTEN'
  problem: string
}

/** Faults that no variable has by itself. `faulty`: the names of those that have one already. */
export function findDoorFaults(readings: DoorReadings, faulty: readonly string[]): DoorFault[] {
  const { MQTT_LISTEN: listen = [], MQTT_TLS_CERT_FILE, MQTT_TLS_KEY_FILE } = readings
  const others = [...findSharedPorts(readings), ...findUpstreamFaults(readings)]
  if (!listen.some(isTls)) return others
  const named = { MQTT_TLS_CERT_FILE, MQTT_TLS_KEY_FILE }
  const lacking = (['MQTT_TLS_CERT_FILE', 'MQTT_TLS_KEY_FILE'] as const)
    .filter((name) => named[name] === undefined && !faulty.includes(name))
    .map((name): DoorFault => {
      return { name, problem: 'is required by mqtts:// and wss:// in MQTT_LISTEN' }
    })
  const [certificates, keys] = [MQTT_TLS_CERT_FILE?.length, MQTT_TLS_KEY_FILE?.length]
  lacking.push(...others)
  if (certificates === undefined || keys === undefined || certificates === keys) return lacking
  const problem = `names ${keys} files, and MQTT_TLS_CERT_FILE names ${certificates}`
  return [...lacking, { name: 'MQTT_TLS_KEY_FILE', problem }]
}

/** A certificate has a key, where brokers are asked for by mqtts://. */
function findUpstreamFaults(readings: DoorReadings): DoorFault[] {
  const { MQTT_UPSTREAM = [], MQTT_UPSTREAM_CERT_FILE, MQTT_UPSTREAM_KEY_FILE } = readings
  const isWhole = (MQTT_UPSTREAM_CERT_FILE === undefined) === (MQTT_UPSTREAM_KEY_FILE === undefined)
  if (isWhole || !MQTT_UPSTREAM.some(({ tls }) => tls)) return []
  return MQTT_UPSTREAM_KEY_FILE === undefined
    ? [{ name: 'MQTT_UPSTREAM_KEY_FILE', problem: 'is required with MQTT_UPSTREAM_CERT_FILE' }]
    : [{ name: 'MQTT_UPSTREAM_CERT_FILE', problem: 'is required with MQTT_UPSTREAM_KEY_FILE' }]
}

/** Two listeners on one port would fail one after the other at start; this says it in one go. */
function findSharedPorts({ MQTT_LISTEN = [], METRICS_LISTEN }: DoorReadings): DoorFault[] {
  const addresses = new Set<string>()
  const faults: DoorFault[] = []
  const claim = (name: 'MQTT_LISTEN' | 'METRICS_LISTEN', { host, port }: MetricsAddress) => {
    const address = `${host}:${port}`
    if (port !== 0 && addresses.has(address)) {
      faults.push({ name, problem: `${address} is already taken by another listener` })
    }
    addresses.add(address)
  }
  for (const one of MQTT_LISTEN) claim('MQTT_LISTEN', one)
  if (METRICS_LISTEN !== undefined && METRICS_LISTEN !== 'off') {
    claim('METRICS_LISTEN', METRICS_LISTEN)
  }
  return faults
}

export const drainOf = (readings: DoorReadings): DrainTimes => ({
  spread: 1000 * (readings.MQTT_DRAIN_SPREAD ?? 5),
  timeout: 1000 * (readings.MQTT_DRAIN_TIMEOUT ?? 10),
})

export function upstreamOf(readings: DoorReadings): UpstreamConfig {
  const { MQTT_UPSTREAM_CERT_FILE: certificate, MQTT_UPSTREAM_KEY_FILE: key } = readings
  return {
    authorities: readings.MQTT_UPSTREAM_CA_FILE,
    certificate: certificate === undefined || key === undefined ? undefined : { certificate, key },
    sharesSessions: readings.MQTT_UPSTREAM_SESSIONS === 'shared',
    lookInterval: 1000 * (readings.MQTT_UPSTREAM_LOOK_INTERVAL ?? 5),
    tellsEndpoints: readings.MQTT_UPSTREAM_PROXY_PROTOCOL === 'v2',
  }
}

export function doorOf(readings: DoorReadings): DoorConfig {
  const keys = readings.MQTT_TLS_KEY_FILE ?? []
  const clientAuthorities = readings.MQTT_TLS_CLIENT_CA_FILE
  return {
    certificates: (readings.MQTT_TLS_CERT_FILE ?? []).flatMap((certificate, i) => {
      const key = keys[i]
      return key === undefined ? [] : [{ certificate, key }]
    }),
    clientCertificates:
      readings.MQTT_TLS_CLIENT_CERTIFICATES ??
      (clientAuthorities === undefined ? 'off' : 'optional'),
    clientAuthorities,
    origins: readings.MQTT_WS_ORIGINS,
    peers: readings.PROXY_PROTOCOL_FROM ?? [],
  }
}

function readRange(text: string, subject: string): Reading<AddressRange> {
  if (text === '') return { problem: `${subject} is empty` }
  const [address = '', bits, ...more] = text.split('/')
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1
  const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : -1
  if (most < 0 || prefix < 0 || prefix > most || more.length > 0 || address.includes('%')) {
    return { problem: `${subject} is neither an IP address nor a range such as 10.1.0.0/24` }
  }
  return { value: { address, prefix } }
}

function readOrigin(text: string, subject: string): Reading<string> {
  if (text === '') return { problem: `${subject} is empty` }
  const url = URL.parse(text)
  const isOrigin = url !== null && /^https?:$/.test(url.protocol) && !/[?#@]/.test(text)
  if (!isOrigin || url.pathname !== '/' || text.endsWith('/')) {
    return { problem: `${subject} is not an origin that begins with https:// or http://` }
  }
  return { value: url.origin }
}

function readFile(text: string): Reading<string> {
  if (text === '') return { problem: 'an entry is empty' }
  return text.length > 1024 || text.includes('\0')
    ? { problem: `${quote(text)} is not the path of a file` }
    : { value: text }
}

function readReference(text: string): Reading<string> {
  return /^[\x21-\x7e]{1,200}$/.test(text)
    ? { value: text }
    : { problem: `${quote(text)} is not a server, of 1 to 200 printable characters` }
}
