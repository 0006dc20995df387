// The settings of mProxy, read from the environment into one checked value. All faults are found
// before anything is told, each with the setting's name, what was wrong and an example. A fault
// never repeats a password. An empty setting is as if absent.
//
// | setting | default | meaning |
// | --- | --- | --- |
// | ISSUER | http://localhost:8787 | whose tokens are believed; https unless loopback |
// | JWKS_URI | from the issuer's metadata | where the issuer's keys are; https unless loopback |
// | MQTT_AUDIENCE | urn:allauth:mqtt | the `aud` that a token must have |
// | MQTT_LISTEN | mqtt://127.0.0.1:1883,ws://127.0.0.1:8083/mqtt | where clients connect |
// | MQTT_UPSTREAM | required | the brokers: mqtt://[user:pass@]host[:port] or mqtts://, tried in turn |
// | METRICS_LISTEN | 127.0.0.1:9464 | /metrics, /healthz, /readyz; `off` for none |
// | MQTT_CONNECT_TIMEOUT | 10 | seconds from accept to a whole CONNECT |
// | MQTT_CONNECT_MAX_BYTES | 65536 | largest CONNECT, Will and token included |
// | MQTT_PACKET_MAX_BYTES | 1048576 | largest packet of a connected client, up to 268435460 |
// | MQTT_CONNECTIONS_MAX | half the descriptors of the process | connections at once |
// | MQTT_CONNECTIONS_PER_ADDRESS | 0 | connections at once from one address; 0 is no such limit |
// | MQTT_SESSION_EXPIRY_MAX | no cap | longest Session Expiry Interval of MQTT 5, in seconds |
// | MQTT_KEEPALIVE_MAX | 0 | longest Keep Alive in seconds, told to MQTT 5 clients; 0 is as they say |
// | MQTT_SUBSCRIPTIONS_MAX | 4096 | topic filters that a session may hold |
// | MQTT_STALL_TIMEOUT | 60 | seconds until a side that takes nothing or stops in mid-packet is cut off |
// | MQTT_DENIED_PUBLISH | acknowledge | a refused PUBLISH of 3.1.1: acknowledge (and drop) or close |
// | MQTT_DENIED_RESUMED_DELIVERY | drop | for a resumed session: drop, or clean the session (MQTT 5) |
// | MQTT_DRAIN_TIMEOUT | 10 | seconds given to open sessions when the program is told to stop |

import { defaultLimits, type SessionLimits } from './session/connection.ts'
import { isSecureUrl } from './tokens/jwks.ts'
import type { BrokerAddress } from './transport/upstream.ts'

export interface ListenAddress {
  transport: 'tcp' | 'ws'
  host: string
  /** 0 asks the system for a free one. */
  port: number
  /** of a WebSocket's URL */
  path: string
}

export interface ProxyConfig {
  issuer: string
  jwksUri: string | undefined
  audience: string
  listen: ListenAddress[]
  upstream: BrokerAddress[]
  metrics: { host: string; port: number } | undefined
  /** undefined: as many as the process has descriptors for */
  connectionsMax: number | undefined
  /** 0 is no limit */
  connectionsPerAddress: number
  limits: SessionLimits
  /** milliseconds */
  drainTimeout: number
}

export interface Fault {
  name: string
  problem: string
  example: string
}

export type ConfigReading = { ok: true; config: ProxyConfig } | { ok: false; faults: Fault[] }

/** One line per fault, for a person. */
export const describeFault = ({ name, problem, example }: Fault): string =>
  `${name}: ${problem}; for example ${name}=${example}`

/** The settings in `env`, or everything that is wrong with them. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): ConfigReading {
  const faults: Fault[] = []
  const said = (name: string): string | undefined => {
    const value = env[name]?.trim()
    return value === '' ? undefined : value
  }

  /** `read` returns a value or a sentence that says what is wrong. */
  function setting<T>(
    name: string,
    fallback: string | undefined,
    example: string,
    read: (value: string) => Reading<T>,
  ): T | undefined {
    const text = said(name) ?? fallback
    if (text === undefined) {
      faults.push({ name, problem: 'is required and was not set', example })
      return undefined
    }
    const reading = read(text)
    if ('value' in reading) return reading.value
    faults.push({ name, problem: reading.problem, example })
    return undefined
  }

  const number = (name: string, fallback: number, least: number, most: number) =>
    setting(name, String(fallback), String(fallback), (text) => {
      const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
      if (value >= least && value <= most) return { value }
      return { problem: `${quote(text)} is not a whole number from ${least} to ${most}` }
    }) ?? fallback

  /** The first one is the default. */
  const choice = <T extends string>(name: string, [usual, other]: readonly [T, T]): T =>
    setting<T>(name, usual, other, (text) => {
      if (text === usual) return { value: usual }
      if (text === other) return { value: other }
      return { problem: `${quote(text)} is neither ${usual} nor ${other}` }
    }) ?? usual

  const listenExample = 'mqtt://127.0.0.1:1883,ws://127.0.0.1:8083/mqtt'
  const metrics = setting('METRICS_LISTEN', '127.0.0.1:9464', '127.0.0.1:9464', readMetricsAddress)
  const config: { [name in keyof ProxyConfig]: ProxyConfig[name] | undefined } = {
    issuer: setting('ISSUER', 'http://localhost:8787', 'https://id.example.com', readIssuer),
    jwksUri:
      said('JWKS_URI') === undefined
        ? undefined
        : setting('JWKS_URI', '', 'https://id.example.com/.well-known/jwks.json', readJwksUri),
    audience: setting('MQTT_AUDIENCE', 'urn:allauth:mqtt', 'urn:allauth:mqtt', readAudience),
    listen: setting('MQTT_LISTEN', listenExample, listenExample, (text) =>
      readList(text, readListenAddress),
    ),
    upstream: setting('MQTT_UPSTREAM', undefined, 'mqtt://user:pass@10.0.0.5:1883', (text) =>
      readList(text, readBrokerAddress),
    ),
    metrics: metrics === 'off' ? undefined : metrics,
    connectionsMax:
      said('MQTT_CONNECTIONS_MAX') === undefined
        ? undefined
        : number('MQTT_CONNECTIONS_MAX', 10_000, 1, 1_000_000),
    connectionsPerAddress: number('MQTT_CONNECTIONS_PER_ADDRESS', 0, 0, 1_000_000),
    limits: {
      ...defaultLimits,
      connect_timeout_ms: 1000 * number('MQTT_CONNECT_TIMEOUT', 10, 1, 300),
      connect_packet_max: number('MQTT_CONNECT_MAX_BYTES', 65_536, 1024, 1_048_576),
      packet_max: number('MQTT_PACKET_MAX_BYTES', 1_048_576, 1024, 268_435_460),
      session_expiry_max_s:
        said('MQTT_SESSION_EXPIRY_MAX') === undefined
          ? null
          : number('MQTT_SESSION_EXPIRY_MAX', 86_400, 0, 4_294_967_295),
      keepalive_max_s: number('MQTT_KEEPALIVE_MAX', 0, 0, 65_535),
      subscriptions_max: number('MQTT_SUBSCRIPTIONS_MAX', 4096, 1, 1_000_000),
      write_stall_timeout_ms: 1000 * number('MQTT_STALL_TIMEOUT', 60, 1, 3600),
      denied_publish_3: choice('MQTT_DENIED_PUBLISH', ['acknowledge', 'close']),
      denied_resumed_delivery: choice('MQTT_DENIED_RESUMED_DELIVERY', ['drop', 'clean']),
    },
    drainTimeout: 1000 * number('MQTT_DRAIN_TIMEOUT', 10, 0, 3600),
  }
  faults.push(...findSharedPorts(config.listen ?? [], config.metrics))
  if (faults.length > 0) return { ok: false, faults }
  return { ok: true, config: config as ProxyConfig } // without a fault, each setting was read
}

type Reading<T> = { value: T } | { problem: string }

/** A value as it may be shown: without what stands before an `@`, escaped, bounded. */
function quote(text: string): string {
  const at = text.lastIndexOf('@')
  const shown =
    at < 0
      ? text
      : `${text.slice(0, text.indexOf('://') < 0 ? 0 : text.indexOf('://') + 3)}***${text.slice(at)}`
  return JSON.stringify(shown.length > 100 ? `${shown.slice(0, 100)}...` : shown)
}

function readIssuer(text: string): Reading<string> {
  const url = URL.parse(text)
  if (url === null) return { problem: `${quote(text)} is not a URL` }
  if (!isSecureUrl(url)) {
    return { problem: `${quote(text)} must be https (http is only for a loopback host)` }
  }
  // RFC 8414 §2: an issuer has neither query nor fragment.
  if (/[?#@]/.test(text)) {
    return { problem: `${quote(text)} must have no query, no fragment and no user` }
  }
  return { value: text }
}

function readJwksUri(text: string): Reading<string> {
  const url = URL.parse(text)
  if (url === null) return { problem: `${quote(text)} is not a URL` }
  if (!isSecureUrl(url)) {
    return { problem: `${quote(text)} must be https (http is only for a loopback host)` }
  }
  if (url.username !== '' || url.password !== '' || text.includes('#')) {
    return { problem: `${quote(text)} must have no user and no fragment` }
  }
  return { value: text }
}

function readAudience(text: string): Reading<string> {
  if (text.length > 255 || !/^[\x21-\x7e]+$/.test(text)) {
    return { problem: `${quote(text)} is not one name of 1 to 255 printable characters` }
  }
  return { value: text }
}

/** Comma-separated; every bad entry is named. A password with a comma is written %2C. */
function readList<T>(text: string, read: (entry: string) => Reading<T>): Reading<T[]> {
  const values: T[] = []
  const problems: string[] = []
  for (const entry of text.split(',')) {
    const reading = read(entry.trim())
    if ('value' in reading) values.push(reading.value)
    else problems.push(reading.problem)
  }
  return problems.length > 0 ? { problem: problems.join(', and ') } : { value: values }
}

function readListenAddress(text: string): Reading<ListenAddress> {
  if (text === '') return { problem: 'an entry is empty' }
  const url = URL.parse(text)
  const scheme = url?.protocol
  if (scheme === 'mqtts:' || scheme === 'wss:') {
    return {
      problem:
        `${quote(text)} asks for TLS, which this version cannot listen with: ` +
        'end TLS in front of mProxy and use mqtt:// or ws:// here',
    }
  }
  if (url === null || url.hostname === '' || (scheme !== 'mqtt:' && scheme !== 'ws:')) {
    return { problem: `${quote(text)} is not an address that begins with mqtt:// or ws://` }
  }
  if (url.username !== '' || url.password !== '' || /[?#]/.test(text)) {
    return { problem: `${quote(text)} must have no user, no query and no fragment` }
  }
  const host = bareHost(url)
  if (scheme === 'ws:') {
    return { value: { transport: 'ws', host, port: portOf(url, 80), path: url.pathname } }
  }
  if (url.pathname !== '' && url.pathname !== '/') {
    return { problem: `${quote(text)} has a path, which only ws:// addresses have` }
  }
  return { value: { transport: 'tcp', host, port: portOf(url, 1883), path: '' } }
}

function readBrokerAddress(text: string): Reading<BrokerAddress> {
  if (text === '') return { problem: 'an entry is empty' }
  const url = URL.parse(text)
  const tls = url?.protocol === 'mqtts:'
  if (url === null || url.hostname === '' || (url.protocol !== 'mqtt:' && !tls)) {
    return { problem: `${quote(text)} is not an address that begins with mqtt:// or mqtts://` }
  }
  if ((url.pathname !== '' && url.pathname !== '/') || /[?#]/.test(text)) {
    return { problem: `${quote(text)} must have no path, no query and no fragment` }
  }
  const port = portOf(url, tls ? 8883 : 1883)
  if (port === 0) return { problem: `${quote(text)} has port 0, where no broker listens` }
  const address: BrokerAddress = { tls, host: bareHost(url), port }
  try {
    if (url.username !== '') address.username = decodeURIComponent(url.username)
    if (url.password !== '') address.password = decodeURIComponent(url.password)
  } catch {
    return { problem: `${quote(text)} has a user or password that is not percent-encoded UTF-8` }
  }
  if (address.password !== undefined && address.username === undefined) {
    return { problem: `${quote(text)} has a password without a user` } // [MQTT-3.1.2-22]
  }
  if (!isMqttString(address.username) || !isMqttString(address.password)) {
    return { problem: `${quote(text)} has a user or password over 65535 bytes or with NUL` }
  }
  return { value: address }
}

const isMqttString = (text: string | undefined): boolean =>
  text === undefined || (Buffer.byteLength(text) <= 65_535 && !text.includes('\0'))

function readMetricsAddress(text: string): Reading<{ host: string; port: number } | 'off'> {
  if (text === 'off') return { value: 'off' }
  const url = /^[^/?#@\s]+:\d+$/.test(text) ? URL.parse(`mqtt://${text}`) : null
  if (url === null || url.hostname === '') {
    return { problem: `${quote(text)} is neither host:port nor off` }
  }
  return { value: { host: bareHost(url), port: portOf(url, 0) } }
}

const bareHost = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '')

/** A URL of the scheme ws drops its port where it is 80. */
const portOf = (url: URL, fallback: number): number =>
  url.port === '' ? fallback : Number(url.port)

/** Two listeners on one port would fail one after the other at start; this tells it in one go. */
function findSharedPorts(
  listen: readonly ListenAddress[],
  metrics: { host: string; port: number } | undefined,
): Fault[] {
  const taken = new Set<string>()
  const faults: Fault[] = []
  const claim = (name: string, host: string, port: number, example: string) => {
    const address = `${host}:${port}`
    if (port !== 0 && taken.has(address)) {
      faults.push({ name, problem: `${address} is already taken by another listener`, example })
    }
    taken.add(address)
  }
  for (const { host, port } of listen) {
    claim('MQTT_LISTEN', host, port, 'mqtt://127.0.0.1:1883,ws://127.0.0.1:8083/mqtt')
  }
  if (metrics !== undefined) {
    claim('METRICS_LISTEN', metrics.host, metrics.port, '127.0.0.1:9464')
  }
  return faults
}
