// The environment of mProxy: one table of its variables, and their reading into one checked value.
// All faults are found before anything is said about them, each with the name of the variable, the
// problem and an example. A fault never repeats a password. An empty variable is as if absent.
//
// A new variable is one entry of PROXY_VARIABLES (of limits and doors: LIMIT_VARIABLES and
// DOOR_VARIABLES), and one line where its value goes: `readProxyConfig`, `limitsOf`, `doorOf`. The
// table in docs/environment.md is made from PROXY_VARIABLES, and a test compares them.

import { hostname } from 'node:os'
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
import {
  DOOR_VARIABLES,
  type DoorConfig,
  type DrainTimes,
  doorOf,
  drainOf,
  findDoorFaults,
  type UpstreamConfig,
  upstreamOf,
} from './door_variables.ts'
import { type ForeignIssuer, readAudience, readIssuersFile } from './issuers_file.ts'
import {
  LIMIT_VARIABLES,
  type ReceptionLimits,
  receptionOf,
  type ShareLimits,
  sharesOf,
} from './limit_variables.ts'
import {
  choice,
  number,
  optional,
  required,
  type Variable,
  wholeNumber,
  withDefault,
} from './variables.ts'

export type ProxyConfig = {
  issuer: string
  /** undefined: the issuer is reached under its name */
  issuerAddress: string | undefined
  jwksUri: string | undefined
  audience: string
  /** Which MQTT client ids an application of a person may have. */
  clientIdRule: 'subject' | 'application'
  /** Issuers beside the main one. */
  foreignIssuers: ForeignIssuer[]
  listen: ListenAddress[]
  door: DoorConfig
  upstream: BrokerAddress[]
  reach: UpstreamConfig
  metrics: MetricsAddress | undefined
  /** undefined: as many as the process has descriptors for */
  connectionsMax: number | undefined
  /** 0 is no limit */
  connectionsPerAddress: number
  /** undefined: as many as connections */
  unprovenMax: number | undefined
  reception: ReceptionLimits
  /** Megabytes; undefined: 90 % of what the process may have. */
  memoryMax: number | undefined
  limits: SessionLimits
  drain: DrainTimes
  /** undefined: keys, lists and policies are kept in memory alone */
  stateFolder: string | undefined
  /** undefined: nothing is reported */
  reports: { client_id: string; client_secret: string; proxy: string } | undefined
  /** milliseconds */
  statusMaxAge: number
  statusFailOpen: boolean
}

export type SessionLimits = ShareLimits & {
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
  /** `shadow`: the rules of tokens refuse nothing; what they would refuse is counted. */
  acl_mode: 'enforce' | 'shadow'
  /** Whether messages get the name of the client that sent them, as a user property. */
  identity_properties: 'off' | 'on'
  /** How the broker reads topics. */
  upstream_dialect: 'mqtt' | 'rabbitmq'
  /** Versions of MQTT that the broker speaks. */
  upstream_versions: 'all' | '3.1.1'
  /** A peer that takes nothing for this long, or leaves a packet half sent, is cut off. */
  write_stall_timeout_ms: number
  /** Time to reach a broker, and then time for its CONNACK. */
  broker_timeout_ms: number
  /** MQTT 5 clients are sent there when mProxy stops. */
  server_reference: string | undefined
  /** How long a closed connection may take to read the last bytes written to it. */
  close_grace_ms: number
}

// --- The variables ---

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
  MQTT_CLIENT_ID_RULE: choice(
    ['subject', 'application'],
    'which MQTT client ids an application of a person may have: `subject`, any id of that person; ' +
      '`application`, those that begin with its own prefix, unless it is `first_party` ([mqtt](mqtt.md)). ' +
      '`npm start` of a new folder sets `application`, and keeps that in `client_id_rule` there',
  ),
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
      'where clients connect: `mqtt://`, `mqtts://`, `ws://` and `wss://` addresses, comma-separated',
    read: (text) => readList(text, readListenAddress),
  }),
  MQTT_UPSTREAM: required(' (`npm start` brings a broker)', {
    example: 'mqtt://user:pass@10.0.0.5:1883',
    meaning:
      'the broker: an `mqtt://` or `mqtts://` address, with user and password where it wants one. ' +
      'Several, comma-separated, are the brokers **of one cluster**, between which messages pass: each ' +
      'client has its own, by its client id, and another one while that is down',
    read: (text) => readList(text, readBrokerAddress, true),
  }),
  MQTT_UPSTREAM_DIALECT: choice(
    ['mqtt', 'rabbitmq'],
    'how the broker reads topics: `rabbitmq` refuses topics, filters and Wills with `.` or `*`, which RabbitMQ ' +
      'reads as `/` and `+` ([mqtt](mqtt.md#brokers))',
  ),
  MQTT_IDENTITY_PROPERTIES: choice(
    ['off', 'on'],
    'whether each PUBLISH and Will of a client of MQTT 5 gets the user property `allauth-sub`, and loses all of the ' +
      "client's own that begin with `allauth-`",
  ),
  MQTT_UPSTREAM_VERSIONS: choice(
    ['all', '3.1.1'],
    'the versions of MQTT that the broker speaks: with `3.1.1` a client of MQTT 5 is told so at once',
  ),
  ...DOOR_VARIABLES,
  METRICS_LISTEN: withDefault('127.0.0.1:9464', '', {
    example: '127.0.0.1:9464',
    meaning:
      'where `/metrics`, `/healthz` and `/readyz` (`ready`, `keys`, `broker`, `memory`, `draining`) are; ' +
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
  ...LIMIT_VARIABLES,
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
  SETTINGS_FILE: optional('none', {
    example: '/etc/mproxy/settings',
    meaning:
      'a file of lines NAME=value, which count before the environment. It is read anew when it ' +
      'changes, or by SIGHUP ([which take effect](running_mproxy.md#settings-that-change))',
    read: readFolder,
  }),
  MQTT_ACL_MODE: choice(
    ['enforce', 'shadow'],
    'whether the rules of tokens refuse something: with `shadow` PUBLISH, SUBSCRIBE, deliveries and Wills pass ' +
      'whatever the rules say, and what they would refuse is counted ([mqtt](mqtt.md#shadow-mode)); for moving a fleet ' +
      'over, never for good',
  ),
  REPORTS_CLIENT_ID: withDefault('mproxy', '', {
    example: 'mproxy',
    meaning: 'the client of the issuer by which mProxy reports, with the scope `mproxy:report`',
    read: readName,
  }),
  REPORTS_CLIENT_SECRET: optional('no reports', {
    example: 'the-secret-of-the-client',
    meaning:
      'its secret. With it mProxy tells the issuer who is connected and what was refused ' +
      '([mqtt](mqtt.md#who-is-connected-and-why-something-was-refused)); the issuer, or `ISSUER_ADDRESS`, ' +
      'answers at `/oauth/token` and `/v1/reports`',
    read: readSecret,
  }),
  REPORTS_NAME: optional('host and port', {
    example: 'door-1',
    meaning: 'the name of this mProxy in its reports, which no other one has',
    read: readName,
  }),
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
} as const

type Values = {
  readonly [Name in keyof typeof TABLE]: (typeof TABLE)[Name] extends Variable<infer T> ? T : never
}
type VariableName = keyof Values

/** Each variable of mProxy by its name. */
export const PROXY_VARIABLES: { readonly [Name in VariableName]: Variable<Values[Name]> } = TABLE

/** Limits of a session that no variable changes. */
const FIXED_LIMITS = {
  whole_packet_max: 4096,
  inflight_subscribes_max: 64,
  topic_alias_max: 64,
  inflight_qos2_max: 100,
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
  const faulty = faults.map(({ name }) => name)
  faults.push(
    ...findDoorFaults(readings, faulty).map(({ name, problem }) => {
      return { name, problem, example: PROXY_VARIABLES[name].example }
    }),
  )
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
      clientIdRule: values.MQTT_CLIENT_ID_RULE,
      foreignIssuers: values.ISSUERS_FILE ?? [],
      listen: values.MQTT_LISTEN,
      door: doorOf(values),
      upstream: values.MQTT_UPSTREAM,
      reach: upstreamOf(values),
      metrics: values.METRICS_LISTEN === 'off' ? undefined : values.METRICS_LISTEN,
      connectionsMax: values.MQTT_CONNECTIONS_MAX,
      connectionsPerAddress: values.MQTT_CONNECTIONS_PER_ADDRESS,
      unprovenMax: values.MQTT_CONNECTIONS_UNPROVEN_MAX,
      reception: receptionOf(values),
      memoryMax: values.MQTT_MEMORY_MAX,
      limits: limitsOf(values),
      drain: drainOf(values),
      reports: reportsOf(values),
      stateFolder: values.STATE_DIR,
      statusMaxAge: 1000 * values.MQTT_STATUS_MAX_AGE,
      statusFailOpen: values.MQTT_STATUS_FAIL_OPEN === 'yes',
    },
  }
}

function reportsOf(values: Values): ProxyConfig['reports'] {
  const { REPORTS_CLIENT_ID: client_id, REPORTS_CLIENT_SECRET: client_secret } = values
  if (client_secret === undefined) return undefined
  const port = values.MQTT_LISTEN[0]?.port ?? 0
  return { client_id, client_secret, proxy: values.REPORTS_NAME ?? `${hostname()}:${port}` }
}

const limitsOf = (values: Values): SessionLimits => ({
  ...FIXED_LIMITS,
  ...sharesOf(values),
  connect_timeout_ms: 1000 * values.MQTT_CONNECT_TIMEOUT,
  connect_packet_max: values.MQTT_CONNECT_MAX_BYTES,
  ahead_max: values.MQTT_AHEAD_MAX_BYTES,
  packet_max: values.MQTT_PACKET_MAX_BYTES,
  session_expiry_max_s: values.MQTT_SESSION_EXPIRY_MAX ?? null,
  keepalive_max_s: values.MQTT_KEEPALIVE_MAX,
  subscriptions_max: values.MQTT_SUBSCRIPTIONS_MAX,
  subscriptions_per_packet: values.MQTT_FILTERS_PER_SUBSCRIBE,
  topic_levels_max: values.MQTT_TOPIC_LEVELS_MAX,
  write_stall_timeout_ms: 1000 * values.MQTT_STALL_TIMEOUT,
  denied_publish_3: values.MQTT_DENIED_PUBLISH,
  denied_resumed_delivery: values.MQTT_DENIED_RESUMED_DELIVERY,
  partial_filters: values.MQTT_PARTIAL_FILTERS,
  server_reference: values.MQTT_SERVER_REFERENCE,
  acl_mode: values.MQTT_ACL_MODE,
  upstream_dialect: values.MQTT_UPSTREAM_DIALECT,
  upstream_versions: values.MQTT_UPSTREAM_VERSIONS,
  identity_properties: values.MQTT_IDENTITY_PROPERTIES,
})

function readName(text: string): Reading<string> {
  return /^[\x21-\x7e]{1,100}$/.test(text)
    ? { value: text }
    : { problem: `${quote(text)} is not a name of 1 to 100 visible ASCII characters` }
}

/** Never repeated in a fault. */
function readSecret(text: string): Reading<string> {
  return /^[\x21-\x7e]{1,400}$/.test(text)
    ? { value: text }
    : { problem: 'is not a secret of 1 to 400 visible ASCII characters' }
}

function readFolder(text: string): Reading<string> {
  return text.length > 1024 || text.includes('\0')
    ? { problem: `${quote(text)} is not a path` }
    : { value: text }
}
