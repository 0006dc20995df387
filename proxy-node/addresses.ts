// Addresses in the environment of mProxy: where clients come in, where brokers are, where the
// issuer and its keys are. Each reader answers a checked value, or one sentence that says the
// problem. No sentence repeats user or password, nor any text that may be a part of them. Which
// variable has which address is said in config.ts.

export type ListenAddress = {
  transport: 'tcp' | 'tls' | 'ws' | 'wss'
  host: string
  /** 0 asks the system for a free one. */
  port: number
  /** of a WebSocket's URL */
  path: string
}

/** One broker, as MQTT_UPSTREAM names it. */
export type BrokerAddress = {
  host: string
  port: number
  tls: boolean
  username?: string | undefined
  password?: string | undefined
}

export type MetricsAddress = { host: string; port: number }

export type Reading<T> = { value: T } | { problem: string }

/** A value as it may be shown: escaped, bounded. Not for addresses. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}...` : text)
}

/** A host, perhaps with port and path. Behind a scheme, any other text may be user and password. */
const PLAIN = /^([a-z][a-z0-9+.-]*:\/\/)?(\[[0-9a-f:.]*\]|[a-z0-9._-]*)(:\d{1,5})?([/?#].*)?$/i

/** An address as it may be shown: whole where nothing in it can be user or password. */
export function showAddress(text: string): string {
  if (PLAIN.test(text) && !text.includes('@')) return quote(text)
  const [scheme = ''] = /^[a-z][a-z0-9+.-]*:\/\//i.exec(text) ?? []
  return quote(`${scheme}***`)
}

export function readIssuer(text: string): Reading<string> {
  const url = URL.parse(text)
  if (url === null) return { problem: `${showAddress(text)} is not a URL` }
  if (!isSecureUrl(url)) {
    return { problem: `${showAddress(text)} must be https (http is only for a loopback host)` }
  }
  // RFC 8414 §2: an issuer has neither query nor fragment.
  if (/[?#@]/.test(text)) {
    return { problem: `${showAddress(text)} must have no query, no fragment and no user` }
  }
  return { value: text }
}

export function readJwksUri(text: string): Reading<string> {
  const url = URL.parse(text)
  if (url === null) return { problem: `${showAddress(text)} is not a URL` }
  if (!isSecureUrl(url)) {
    return { problem: `${showAddress(text)} must be https (http is only for a loopback host)` }
  }
  if (url.username !== '' || url.password !== '' || text.includes('#')) {
    return { problem: `${showAddress(text)} must have no user and no fragment` }
  }
  return { value: text }
}

/**
 * Comma-separated; every bad entry is named. A password with a comma is written %2C: without that
 * its parts are entries of their own. So entries of a `secret` list, and of any with an `@`, are
 * named by their place alone.
 */
export function readList<T>(
  text: string,
  read: (entry: string, subject: string) => Reading<T>,
  secret = false,
): Reading<T[]> {
  const values: T[] = []
  const problems: string[] = []
  const entries = text.split(',')
  const isHidden = secret || text.includes('@')
  for (const [i, entry] of entries.entries()) {
    const place = entries.length === 1 ? 'the address' : `entry ${i + 1}`
    const reading = read(entry.trim(), isHidden ? place : showAddress(entry.trim()))
    if ('value' in reading) values.push(reading.value)
    else problems.push(reading.problem)
  }
  if (problems.length === 0) return { value: values }
  const hint =
    secret && entries.length > 1
      ? ' (in user and password a comma is written %2C, an @ %40 and a / %2F)'
      : ''
  return { problem: problems.join(', and ') + hint }
}

/** By the scheme of an address, with its usual port. */
const DOORS: Record<string, { transport: ListenAddress['transport']; port: number }> = {
  'mqtt:': { transport: 'tcp', port: 1883 },
  'mqtts:': { transport: 'tls', port: 8883 },
  'ws:': { transport: 'ws', port: 80 },
  'wss:': { transport: 'wss', port: 443 },
}

export function readListenAddress(text: string, subject: string): Reading<ListenAddress> {
  if (text === '') return { problem: `${subject} is empty` }
  const url = URL.parse(text)
  const door = DOORS[url?.protocol ?? '']
  if (url === null || url.hostname === '' || door === undefined) {
    const problem = 'is not an address that begins with mqtt://, mqtts://, ws:// or wss://'
    return { problem: `${subject} ${problem}` }
  }
  if (url.username !== '' || url.password !== '' || /[?#]/.test(text)) {
    return { problem: `${subject} must have no user, no query and no fragment` }
  }
  const { transport } = door
  const hasPath = transport === 'ws' || transport === 'wss'
  if (!hasPath && url.pathname !== '' && url.pathname !== '/') {
    return { problem: `${subject} has a path, which only ws:// and wss:// addresses have` }
  }
  const [host, port] = [bareHost(url), portOf(url, door.port)]
  return { value: { transport, host, port, path: hasPath ? url.pathname : '' } }
}

export function readBrokerAddress(text: string, subject: string): Reading<BrokerAddress> {
  if (text === '') return { problem: `${subject} is empty` }
  const url = URL.parse(text)
  const tls = url?.protocol === 'mqtts:'
  if (url === null || url.hostname === '' || (url.protocol !== 'mqtt:' && !tls)) {
    return { problem: `${subject} is not an address that begins with mqtt:// or mqtts://` }
  }
  if ((url.pathname !== '' && url.pathname !== '/') || /[?#]/.test(text)) {
    return { problem: `${subject} must have no path, no query and no fragment` }
  }
  const port = portOf(url, tls ? 8883 : 1883)
  if (port === 0) return { problem: `${subject} has port 0, where no broker listens` }
  const address: BrokerAddress = { tls, host: bareHost(url), port }
  try {
    if (url.username !== '') address.username = decodeURIComponent(url.username)
    if (url.password !== '') address.password = decodeURIComponent(url.password)
  } catch {
    return { problem: `${subject} has a user or password that is not percent-encoded UTF-8` }
  }
  if (address.password !== undefined && address.username === undefined) {
    return { problem: `${subject} has a password without a user` } // [MQTT-3.1.2-22]
  }
  if (!isMqttString(address.username) || !isMqttString(address.password)) {
    return { problem: `${subject} has a user or password over 65535 bytes or with NUL` }
  }
  return { value: address }
}

const isMqttString = (text: string | undefined): boolean =>
  text === undefined || (Buffer.byteLength(text) <= 65_535 && !text.includes('\0'))

export function readMetricsAddress(text: string): Reading<MetricsAddress | 'off'> {
  if (text === 'off') return { value: 'off' }
  const url = /^[^/?#@\s]+:\d+$/.test(text) ? URL.parse(`mqtt://${text}`) : null
  if (url === null || url.hostname === '') {
    return { problem: `${showAddress(text)} is neither host:port nor off` }
  }
  return { value: { host: bareHost(url), port: portOf(url, 0) } }
}

const bareHost = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '')

/** A URL of the schemes ws and wss drops its port where it is the usual one. */
const portOf = (url: URL, fallback: number): number =>
  url.port === '' ? fallback : Number(url.port)

/** https, or a loopback host, where no network lies in between. */
export function isSecureUrl(url: URL): boolean {
  if (url.protocol === 'https:') return true
  return url.protocol === 'http:' && isLoopback(url.hostname)
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' ||
  host.endsWith('.localhost') ||
  host === '[::1]' ||
  /^127\.\d+\.\d+\.\d+$/.test(host)
