// The environment of mProxy: one table of its variables, and their reading into one checked value.
// All faults are found before anything is said about them, each with the name of the variable, the
// problem and an example. A fault never repeats a password. An empty variable is as if absent.
//
// A new variable is one entry of PROXY_VARIABLES, and one line where its value goes: in
// `readProxyConfig` or `limitsOf`. The table in docs/environment.md is made from PROXY_VARIABLES,
// and a test compares them.

import { MAX_LEVELS } from '../policy/topic_filter.ts'
import {
  type BrokerAddress,
  type ListenAddress,
  type MetricsAddress,
  quote,
  type Reading,
  readBrokerAddress,
  readIssuer,
  readJwksUri,
  readList,
  readListenAddress,
  readMetricsAddress,
} from './addresses.ts'
import { type ForeignIssuer, readAudience, readIssuersFile } from './issuers_file.ts'

export type ProxyConfig = {
  issuer: string
  /** undefined: the issuer is reached under its name */
  issuerAddress: string | undefined
  jwksUri: string | undefined
  audience: string
  /** Issuers beside the main one. */
  foreignIssuers: ForeignIssuer[]
  listen: ListenAddress[]
  upstream: BrokerAddress[]
  metrics: MetricsAddress | undefined
  /** undefined: as many as the process has descriptors for */
  connectionsMax: number | undefined
  /** 0 is no limit */
  connectionsPerAddress: number
  limits: SessionLimits
  /** milliseconds */
  drainTimeout: number
  /** undefined: keys, lists and policies are kept in memory alone */
  stateFolder: string | undefined
  /** milliseconds */
  statusMaxAge: number
  statusFailOpen: boolean
}

export type SessionLimits = {
  /** From accept to the last byte of CONNECT. */
  connect_timeout_ms: number
  /** Largest CONNECT, fixed header included. */
  connect_packet_max: number
  /** Bytes that are kept of a client that does not wait for its CONNACK. */
  ahead_max: number
  /** Largest packet of a client, fixed header included; MQTT 5 clients learn it from CONNACK. */
  packet_max: number
  /** A PUBLISH up to this size is read whole; a larger one is streamed once it was judged. */
  whole_packet_max: number
  /** Filters in one SUBSCRIBE. Home Assistant sends 500 at once. */
  subscriptions_per_packet: number
  /** Filters a session may hold at once, or give back in one UNSUBSCRIBE. */
  subscriptions_max: number
  /** Filters that are refused in a minute, from which on the session ends; 0: no limit. */
  refused_filters_per_minute: number
  /** Tokens that a session may bring in a minute, each of which is verified; 0: no limit. */
  reauthentications_per_minute: number
  /** SUBSCRIBE and UNSUBSCRIBE packets the broker has not answered; more wait unread. */
  inflight_subscribes_max: number
  topic_levels_max: number
  /** Topic aliases a client may set; the broker's own maximum holds if it is smaller. */
  topic_alias_max: number
  /** QoS 2 packet ids of refused messages that are kept for an MQTT 3.1.1 client. */
  inflight_qos2_max: number
  /** 0: as the client says. */
  keepalive_max_s: number
  /** null: no limit. */
  session_expiry_max_s: number | null
  /** The answer to a refused QoS 1 or 2 PUBLISH of an MQTT 3.1.1 client. */
  denied_publish_3: 'acknowledge' | 'close'
  /**
   * A delivery that the token does not allow, in a session resumed from an earlier, wider one:
   * dropped, or the session cleaned at the broker and the client sent to begin anew. The latter for
   * `$share`, where each message dropped is one that another member does not get. MQTT 3.1.1 knows
   * no way to clean a session in its middle, so there it is always `drop`.
   */
  denied_resumed_delivery: 'drop' | 'clean'
  /** A filter of which the token allows some topics alone. */
  partial_filters: 'refuse' | 'deliver'
  /** Bytes waiting in one direction at which its source is no longer read. */
  buffer_high_water: number
  /** A peer that takes nothing for this long, or leaves a packet half sent, is cut off. */
  write_stall_timeout_ms: number
  /** Time to reach a broker, and then time for its CONNACK. */
  broker_timeout_ms: number
  /** How long a closed connection may take to read the last bytes written to it. */
  close_grace_ms: number
}

// --- The variables ---

type Description<T> = {
  /** Words for the page, in Markdown. */
  readonly meaning: string
  /** A value that reads well, for a fault and for the page. */
  readonly example: string
  /** The value of a text, or the problem with it. */
  readonly read: (text: string) => Reading<T>
}

/** One variable: all that mProxy and its page know about it. */
export type Variable<T> = Description<T> & {
  /** The text that counts without one; undefined: none, and `remark` says which value holds. */
  readonly default: string | undefined
  /** In words, beside the default or in its place. */
  readonly remark: string
  /** The value without a text, or the fault. */
  readonly absent: Reading<T>
}

/** `text` counts where the environment says nothing. */
const withDefault = <T>(text: string, remark: string, of: Description<T>): Variable<T> => ({
  ...of,
  default: text,
  remark,
  absent: of.read(text),
})

/** Without a text the value is undefined, whose meaning `remark` says. */
const optional = <T>(remark: string, of: Description<T>): Variable<T | undefined> => ({
  ...of,
  default: undefined,
  remark,
  absent: { value: undefined },
})

const required = <T>(remark: string, of: Description<T>): Variable<T> => ({
  ...of,
  default: undefined,
  remark: `required${remark}`,
  absent: { problem: 'is required and was not set' },
})

/** A whole number; the example of one with a default is the default. */
const wholeNumber =
  (least: number, most: number) =>
  (text: string): Reading<number> => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
    if (value >= least && value <= most) return { value }
    return { problem: `${quote(text)} is not a whole number from ${least} to ${most}` }
  }

const number = (
  value: number,
  [least, most]: readonly [number, number],
  meaning: string,
  remark = '',
): Variable<number> => {
  const text = String(value)
  return withDefault(text, remark, { example: text, meaning, read: wholeNumber(least, most) })
}

/** The first of the two is the default. */
const choice = <T extends string>([usual, other]: readonly [T, T], meaning: string): Variable<T> =>
  withDefault<T>(usual, '', {
    example: usual,
    meaning,
    read: (text) => {
      if (text === usual) return { value: usual }
      if (text === other) return { value: other }
      return { problem: `${quote(text)} is neither ${usual} nor ${other}` }
    },
  })

const LISTEN = 'mqtt://127.0.0.1:1883,ws://127.0.0.1:8083/mqtt'

const TABLE = {
  ISSUER: withDefault('http://localhost:8787', '', {
    example: 'https://id.example.com',
    meaning: 'whose tokens are accepted: the issuer identifier; https unless its host is loopback',
    read: readIssuer,
  }),
  ISSUER_ADDRESS: optional('`ISSUER`', {
    example: 'https://id.internal.example.com',
    meaning:
      'where mProxy reaches the issuer, if not under its name: metadata, keys, status lists and policies below ' +
      '`ISSUER` are fetched from here. Names in tokens and documents stay those of `ISSUER`. https unless the host is loopback',
    read: readIssuer,
  }),
  JWKS_URI: optional("from the issuer's metadata", {
    example: 'https://id.example.com/.well-known/jwks.json',
    meaning: "where the issuer's keys are; https unless the host is loopback",
    read: readJwksUri,
  }),
  MQTT_AUDIENCE: withDefault('urn:allauth:mqtt', '', {
    example: 'urn:allauth:mqtt',
    meaning: 'the `aud` that a token must have',
    read: readAudience,
  }),
  ISSUERS_FILE: optional('none', {
    example: 'docs/issuers.json',
    meaning:
      'a JSON file with further issuers whose tokens count, each within client ids and topics of its own ' +
      '([several issuers](mqtt.md#several-issuers))',
    read: readIssuersFile,
  }),
  MQTT_LISTEN: withDefault(LISTEN, '', {
    example: LISTEN,
    meaning:
      'where clients connect: `mqtt://` and `ws://` addresses, comma-separated. ' +
      'mProxy does not end TLS: a TLS proxy stands in front of it',
    read: (text) => readList(text, readListenAddress),
  }),
  MQTT_UPSTREAM: required(' (`npm start` brings a broker)', {
    example: 'mqtt://user:pass@10.0.0.5:1883',
    meaning:
      'the brokers: `mqtt://` or `mqtts://` addresses, comma-separated, tried in turn, ' +
      'with user and password where they want one',
    read: (text) => readList(text, readBrokerAddress, true),
  }),
  METRICS_LISTEN: withDefault('127.0.0.1:9464', '', {
    example: '127.0.0.1:9464',
    meaning:
      'where `/metrics`, `/healthz` and `/readyz` (`ready`, `keys`, `broker`, `draining`) are; ' +
      '`off` for nowhere',
    read: readMetricsAddress,
  }),
  MQTT_CONNECT_TIMEOUT: number(10, [1, 300], 'seconds from accept to a whole CONNECT'),
  MQTT_CONNECT_MAX_BYTES: number(
    65_536,
    [1024, 1_048_576],
    'largest CONNECT, Will and token included',
  ),
  MQTT_AHEAD_MAX_BYTES: number(
    65_536,
    [1024, 1_048_576],
    'bytes that a client may send before its CONNACK and that count although it closes then; ' +
      'more is read when CONNACK is out',
  ),
  MQTT_PACKET_MAX_BYTES: number(
    1_048_576,
    [1024, 268_435_460],
    'largest packet of a connected client, up to 268435460',
  ),
  MQTT_CONNECTIONS_MAX: optional("half the process's descriptors", {
    example: '10000',
    meaning: 'connections at once',
    read: wholeNumber(1, 1_000_000),
  }),
  MQTT_CONNECTIONS_PER_ADDRESS: number(
    0,
    [0, 1_000_000],
    'connections at once from one address',
    'no limit',
  ),
  MQTT_SESSION_EXPIRY_MAX: optional('no limit', {
    example: '86400',
    meaning: 'longest Session Expiry Interval that a client of MQTT 5 gets, in seconds',
    read: wholeNumber(0, 4_294_967_295),
  }),
  MQTT_KEEPALIVE_MAX: number(
    0,
    [0, 65_535],
    'longest Keep Alive, in seconds; MQTT 5 clients learn it from CONNACK',
    'as clients say',
  ),
  MQTT_SUBSCRIPTIONS_MAX: number(
    4096,
    [1, 1_000_000],
    'topic filters that one session may ask for and hold',
  ),
  MQTT_REFUSED_FILTERS_PER_MINUTE: number(
    5000,
    [0, 1_000_000],
    'topic filters that one session may be refused in a minute; more end it (0x97). 0: no limit',
  ),
  MQTT_REAUTHENTICATIONS_PER_MINUTE: number(
    20,
    [0, 100_000],
    'new tokens that one session may bring in a minute, by AUTH or `$allauth/token`; more end it ' +
      '(0x97). 0: no limit',
  ),
  MQTT_FILTERS_PER_SUBSCRIBE: number(
    1024,
    [1, 65_535],
    'topic filters in one SUBSCRIBE; one with more is refused whole (0x97)',
  ),
  MQTT_TOPIC_LEVELS_MAX: number(
    MAX_LEVELS,
    [1, MAX_LEVELS],
    'levels that a topic or filter of a client may have; deeper ones are refused (0x90, 0x8F)',
  ),
  MQTT_STALL_TIMEOUT: number(
    60,
    [1, 3600],
    'seconds after which a client or broker is cut off that is seen to take nothing (three times as ' +
      'many while it still sends), or stops in the middle of a packet; and a broker that answers ' +
      'no PINGREQ or SUBSCRIBE',
  ),
  MQTT_DENIED_PUBLISH: choice(
    ['acknowledge', 'close'],
    'the answer to a refused QoS 1 or 2 PUBLISH of a 3.1.1 client: `acknowledge` (and drop it) ' +
      'or `close`',
  ),
  MQTT_DENIED_RESUMED_DELIVERY: choice(
    ['drop', 'clean'],
    'what becomes of a delivery that a resumed session may no longer get: `drop`, or `clean` ' +
      '(MQTT 5: end the session at the broker; for `$share`, where a dropped message is lost ' +
      'to the group)',
  ),
  MQTT_PARTIAL_FILTERS: choice(
    ['refuse', 'deliver'],
    'what becomes of a filter of which the token allows some topics alone: `refuse` it, or ' +
      '`deliver` those topics and drop the others (never for `$share` and below `$`)',
  ),
  STATE_DIR: optional('none', {
    example: '/var/lib/mproxy',
    meaning:
      'a folder where keys, status lists and policies are kept, so that mProxy lets devices in after a ' +
      'restart while the issuer is away ([how long](mqtt.md#without-the-issuer)). Nobody else may write there',
    read: readFolder,
  }),
  MQTT_STATUS_MAX_AGE: number(
    86_400,
    [60, 86_400],
    'seconds for which a status list counts that the issuer did not confirm',
  ),
  MQTT_STATUS_FAIL_OPEN: choice(
    ['no', 'yes'],
    'whether tokens are let in whose status list is too old: `no` (they are refused as unavailable), or `yes` ' +
      '(whoever is revoked meanwhile gets in)',
  ),
  MQTT_DRAIN_TIMEOUT: number(
    10,
    [0, 3600],
    'seconds that open sessions have to end when mProxy stops',
  ),
} as const

type Values = {
  readonly [Name in keyof typeof TABLE]: (typeof TABLE)[Name] extends Variable<infer T> ? T : never
}
type VariableName = keyof Values

/** Each variable of mProxy by its name. */
export const PROXY_VARIABLES: { readonly [Name in VariableName]: Variable<Values[Name]> } = TABLE

/** Limits of a session that no variable changes. */
const FIXED_LIMITS = {
  whole_packet_max: 65_536,
  inflight_subscribes_max: 64,
  topic_alias_max: 64,
  inflight_qos2_max: 100,
  buffer_high_water: 65_536,
  broker_timeout_ms: 10_000,
  close_grace_ms: 1000,
}

// --- Reading them ---

export type VariableFault = { name: string; problem: string; example: string }

export type ConfigReading =
  | { ok: true; config: ProxyConfig }
  | { ok: false; faults: VariableFault[] }

/** One line per fault, for a person. */
export const describeFault = ({ name, problem, example }: VariableFault): string =>
  `${name}: ${problem}; for example ${name}=${example}`

/** The configuration that `env` describes, or everything that is wrong with it. */
export function readProxyConfig(env: Readonly<Record<string, string | undefined>>): ConfigReading {
  const faults: VariableFault[] = []
  function take<Name extends VariableName>(name: Name): Values[Name] | undefined {
    const variable: Variable<Values[Name]> = PROXY_VARIABLES[name]
    const text = env[name]?.trim() ?? ''
    const reading = text === '' ? variable.absent : variable.read(text)
    if ('value' in reading) return reading.value
    faults.push({ name, problem: reading.problem, example: variable.example })
    return undefined
  }

  const names = Object.keys(PROXY_VARIABLES) as VariableName[]
  const readings = Object.fromEntries(names.map((name) => [name, take(name)])) as Partial<Values>
  faults.push(...findSharedPorts(readings.MQTT_LISTEN ?? [], readings.METRICS_LISTEN))
  if (
    readings.MQTT_PARTIAL_FILTERS === 'deliver' &&
    readings.MQTT_DENIED_RESUMED_DELIVERY === 'clean'
  ) {
    const problem = 'deliver drops what clean would end a session for: set one of the two'
    faults.push({ name: 'MQTT_PARTIAL_FILTERS', problem, example: 'refuse' })
  }
  if (readings.ISSUERS_FILE?.some(({ issuer }) => issuer === readings.ISSUER)) {
    const problem = 'it names the issuer of ISSUER, which has no bound'
    faults.push({ name: 'ISSUERS_FILE', problem, example: PROXY_VARIABLES.ISSUERS_FILE.example })
  }
  if (faults.length > 0) return { ok: false, faults }
  const values = readings as Values // without a fault, each variable was read
  return {
    ok: true,
    config: {
      issuer: values.ISSUER,
      issuerAddress: values.ISSUER_ADDRESS,
      jwksUri: values.JWKS_URI,
      audience: values.MQTT_AUDIENCE,
      foreignIssuers: values.ISSUERS_FILE ?? [],
      listen: values.MQTT_LISTEN,
      upstream: values.MQTT_UPSTREAM,
      metrics: values.METRICS_LISTEN === 'off' ? undefined : values.METRICS_LISTEN,
      connectionsMax: values.MQTT_CONNECTIONS_MAX,
      connectionsPerAddress: values.MQTT_CONNECTIONS_PER_ADDRESS,
      limits: limitsOf(values),
      drainTimeout: 1000 * values.MQTT_DRAIN_TIMEOUT,
      stateFolder: values.STATE_DIR,
      statusMaxAge: 1000 * values.MQTT_STATUS_MAX_AGE,
      statusFailOpen: values.MQTT_STATUS_FAIL_OPEN === 'yes',
    },
  }
}

const limitsOf = (values: Values): SessionLimits => ({
  ...FIXED_LIMITS,
  connect_timeout_ms: 1000 * values.MQTT_CONNECT_TIMEOUT,
  connect_packet_max: values.MQTT_CONNECT_MAX_BYTES,
  ahead_max: values.MQTT_AHEAD_MAX_BYTES,
  packet_max: values.MQTT_PACKET_MAX_BYTES,
  session_expiry_max_s: values.MQTT_SESSION_EXPIRY_MAX ?? null,
  keepalive_max_s: values.MQTT_KEEPALIVE_MAX,
  subscriptions_max: values.MQTT_SUBSCRIPTIONS_MAX,
  subscriptions_per_packet: values.MQTT_FILTERS_PER_SUBSCRIBE,
  topic_levels_max: values.MQTT_TOPIC_LEVELS_MAX,
  refused_filters_per_minute: values.MQTT_REFUSED_FILTERS_PER_MINUTE,
  reauthentications_per_minute: values.MQTT_REAUTHENTICATIONS_PER_MINUTE,
  write_stall_timeout_ms: 1000 * values.MQTT_STALL_TIMEOUT,
  denied_publish_3: values.MQTT_DENIED_PUBLISH,
  denied_resumed_delivery: values.MQTT_DENIED_RESUMED_DELIVERY,
  partial_filters: values.MQTT_PARTIAL_FILTERS,
})

function readFolder(text: string): Reading<string> {
  return text.length > 1024 || text.includes('\0')
    ? { problem: `${quote(text)} is not the path of a folder` }
    : { value: text }
}

/** Two listeners on one port would fail one after the other at start; this says it in one go. */
function findSharedPorts(
  listen: readonly ListenAddress[],
  metrics: MetricsAddress | 'off' | undefined,
): VariableFault[] {
  const addresses = new Set<string>()
  const faults: VariableFault[] = []
  const claim = (name: VariableName, host: string, port: number) => {
    const address = `${host}:${port}`
    if (port !== 0 && addresses.has(address)) {
      const problem = `${address} is already taken by another listener`
      faults.push({ name, problem, example: PROXY_VARIABLES[name].example })
    }
    addresses.add(address)
  }
  for (const { host, port } of listen) claim('MQTT_LISTEN', host, port)
  if (metrics !== undefined && metrics !== 'off') {
    claim('METRICS_LISTEN', metrics.host, metrics.port)
  }
  return faults
}
