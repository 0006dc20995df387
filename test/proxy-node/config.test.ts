import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import {
  describeFault,
  type ProxyConfig,
  readProxyConfig,
  type SessionLimits,
} from '../../proxy-node/config.ts'
import { temporaryFolder } from '../support/folder.ts'

/** Written out here, so that a change of a default is seen. */
const defaultLimits: SessionLimits = {
  connect_timeout_ms: 10_000,
  connect_packet_max: 65_536,
  ahead_max: 65_536,
  packet_max: 1_048_576,
  whole_packet_max: 4096,
  subscriptions_per_packet: 1024,
  subscriptions_max: 4096,
  refused_filters_per_minute: 5000,
  reauthentications_per_minute: 20,
  packets_per_second: 0,
  bytes_per_second: 0,
  inflight_max: 1024,
  inflight_subscribes_max: 64,
  topic_levels_max: 128,
  topic_alias_max: 64,
  inflight_qos2_max: 100,
  keepalive_max_s: 0,
  session_expiry_max_s: null,
  denied_publish_3: 'acknowledge',
  denied_resumed_delivery: 'drop',
  partial_filters: 'refuse',
  server_reference: undefined,
  acl_mode: 'enforce',
  upstream_dialect: 'mqtt',
  upstream_versions: 'all',
  identity_properties: 'off',
  buffer_high_water: 65_536,
  write_stall_timeout_ms: 60_000,
  broker_timeout_ms: 10_000,
  close_grace_ms: 1000,
}

const upstream = { MQTT_UPSTREAM: 'mqtt://127.0.0.1:1884' }

function read(env: Record<string, string>): ProxyConfig {
  const reading = readProxyConfig({ ...upstream, ...env })
  if (!reading.ok) throw new Error(reading.faults.map(describeFault).join('\n'))
  return reading.config
}

function faultsOf(env: Record<string, string>): string[] {
  const reading = readProxyConfig(env)
  return reading.ok ? [] : reading.faults.map(describeFault)
}

describe('the defaults', () => {
  test('only the broker has to be named', () => {
    expect(read({})).toEqual({
      issuer: 'http://localhost:8787',
      issuerAddress: undefined,
      jwksUri: undefined,
      audience: 'urn:allauth:mqtt',
      clientIdRule: 'subject',
      foreignIssuers: [],
      listen: [
        { transport: 'tcp', host: '127.0.0.1', port: 1883, path: '' },
        { transport: 'ws', host: '127.0.0.1', port: 8083, path: '/mqtt' },
      ],
      door: {
        certificates: [],
        clientCertificates: 'off',
        clientAuthorities: undefined,
        origins: undefined,
        peers: [],
      },
      upstream: [{ tls: false, host: '127.0.0.1', port: 1884 }],
      reach: {
        authorities: undefined,
        certificate: undefined,
        sharesSessions: false,
        lookInterval: 5000,
        tellsEndpoints: false,
      },
      metrics: { host: '127.0.0.1', port: 9464 },
      connectionsMax: undefined,
      connectionsPerAddress: 0,
      reception: {
        refused_connects_per_address: 60,
        connects_per_principal: 300,
        sessions_per_principal: 100,
      },
      limits: defaultLimits,
      drain: { spread: 5000, timeout: 10_000 },
      stateFolder: undefined,
      statusMaxAge: 86_400_000,
      statusFailOpen: false,
    })
  })

  test('an empty or blank setting is as if absent', () => {
    expect(read({ ISSUER: '', MQTT_LISTEN: '  ', JWKS_URI: '' })).toEqual(read({}))
    expect(faultsOf({ MQTT_UPSTREAM: ' ' })).toEqual([
      'MQTT_UPSTREAM: is required and was not set; for example MQTT_UPSTREAM=mqtt://user:pass@10.0.0.5:1883',
    ])
  })
})

describe('addresses', () => {
  test('several brokers, with and without TLS, user and port', () => {
    const { upstream } = read({
      MQTT_UPSTREAM: 'mqtt://a%40b:p%2C%3A%2f@broker.example, mqtts://[2001:db8::1]:8884,mqtts://h',
    })
    expect(upstream).toEqual([
      { tls: false, host: 'broker.example', port: 1883, username: 'a@b', password: 'p,:/' },
      { tls: true, host: '2001:db8::1', port: 8884 },
      { tls: true, host: 'h', port: 8883 },
    ])
  })

  test('listeners with TLS, and their usual ports', () => {
    const [MQTT_TLS_CERT_FILE, MQTT_TLS_KEY_FILE] = ['a.pem, b.pem', 'a.key,b.key']
    const { listen, door } = read({
      MQTT_LISTEN: 'mqtts://h,wss://h/mqtt',
      MQTT_TLS_CERT_FILE,
      MQTT_TLS_KEY_FILE,
    })
    expect(listen).toEqual([
      { transport: 'tls', host: 'h', port: 8883, path: '' },
      { transport: 'wss', host: 'h', port: 443, path: '/mqtt' },
    ])
    expect(door.certificates).toEqual([
      { certificate: 'a.pem', key: 'a.key' },
      { certificate: 'b.pem', key: 'b.key' },
    ])
    expect(read({ MQTT_TLS_CLIENT_CA_FILE: 'c' }).door.clientCertificates).toBe('optional')
  })

  test('listeners of both kinds, on free ports and on IPv6', () => {
    const { listen } = read({ MQTT_LISTEN: 'mqtt://[::1]:0,ws://0.0.0.0:0/a/b,ws://h,mqtt://h' })
    expect(listen).toEqual([
      { transport: 'tcp', host: '::1', port: 0, path: '' },
      { transport: 'ws', host: '0.0.0.0', port: 0, path: '/a/b' },
      { transport: 'ws', host: 'h', port: 80, path: '/' },
      { transport: 'tcp', host: 'h', port: 1883, path: '' },
    ])
  })

  test('a port of a WebSocket that is the default of its scheme is kept', () => {
    expect(read({ MQTT_LISTEN: 'ws://h:80/mqtt' }).listen[0]?.port).toBe(80)
  })

  test('metrics can be moved and switched off', () => {
    expect(read({ METRICS_LISTEN: '[::]:80' }).metrics).toEqual({ host: '::', port: 80 })
    expect(read({ METRICS_LISTEN: 'off' }).metrics).toBeUndefined()
  })

  test.each([
    ['MQTT_LISTEN', '127.0.0.1:1883', 'ws:// or wss://'],
    ['MQTT_LISTEN', 'http://127.0.0.1:1883', 'ws:// or wss://'],
    ['MQTT_LISTEN', 'mqtt://:1883', 'ws:// or wss://'],
    ['MQTT_LISTEN', 'mqtt://h:65536', 'ws:// or wss://'],
    ['MQTT_LISTEN', 'mqtts://h:1/x', 'path'],
    ['MQTT_LISTEN', 'mqtt://h:1/x', 'path'],
    ['MQTT_LISTEN', 'mqtt://h:1?x', 'no query'],
    ['MQTT_LISTEN', 'mqtt://u@h:1', 'no user'],
    ['MQTT_LISTEN', 'mqtt://h:1,,mqtt://h:2', 'empty'],
    ['MQTT_LISTEN', 'mqtt://h:1,ws://h:1/mqtt', 'already taken'],
    ['MQTT_UPSTREAM', 'ws://h', 'mqtt:// or mqtts://'],
    ['MQTT_UPSTREAM', 'mqtt://h:0', 'port 0'],
    ['MQTT_UPSTREAM', 'mqtt://:secret@h', 'without a user'],
    ['MQTT_UPSTREAM', 'mqtt://u:%ff@h', 'percent-encoded'],
    ['MQTT_UPSTREAM', 'mqtt://u:a%00b@h', 'NUL'],
    ['MQTT_UPSTREAM', 'mqtt://h/path', 'path'],
    ['METRICS_LISTEN', '9464', 'host:port'],
    ['METRICS_LISTEN', 'http://h:9464', 'host:port'],
    ['METRICS_LISTEN', 'h:99999', 'host:port'],
  ])('%s=%s is refused: %s', (name, value, problem) => {
    const faults = faultsOf({ ...upstream, [name]: value })
    expect(faults).toHaveLength(1)
    expect(faults[0]).toContain(`${name}: `)
    expect(faults[0]).toContain(problem)
    expect(faults[0]).toContain(`; for example ${name}=`)
  })

  test('metrics on the port of a listener is refused', () => {
    expect(faultsOf({ ...upstream, METRICS_LISTEN: '127.0.0.1:1883' })).toEqual([
      expect.stringContaining('METRICS_LISTEN: 127.0.0.1:1883 is already taken'),
    ])
  })
})

describe('issuer, keys and audience', () => {
  test.each([
    'https://id.example.com',
    'https://id.example.com/tenant',
    'http://localhost:8787',
    'http://127.1.2.3',
    'http://[::1]:1',
    'http://a.localhost',
  ])('ISSUER=%s is kept to the letter', (issuer) => {
    expect(read({ ISSUER: issuer }).issuer).toBe(issuer)
  })

  test.each([
    ['ISSUER', 'http://id.example.com', 'https'],
    ['ISSUER', 'http://127.0.0.1.example.com', 'https'],
    ['ISSUER', 'http://localhost.example.com', 'https'],
    ['ISSUER', 'ftp://localhost', 'https'],
    ['ISSUER', 'id.example.com', 'not a URL'],
    ['ISSUER', 'https://id.example.com?x=1', 'no query'],
    ['ISSUER', 'https://id.example.com#x', 'no query'],
    ['ISSUER', 'https://u:p@id.example.com', 'no user'],
    ['JWKS_URI', 'http://id.example.com/jwks', 'https'],
    ['JWKS_URI', 'https://u:p@id.example.com/jwks', 'no user'],
    ['JWKS_URI', '/jwks', 'not a URL'],
    ['ISSUER_ADDRESS', 'http://worker:8787', 'https'],
    ['ISSUER_ADDRESS', 'https://id.example.com/?a', 'no query'],
    ['MQTT_AUDIENCE', 'two words', 'one name'],
    ['MQTT_AUDIENCE', 'x'.repeat(256), 'one name'],
  ])('%s=%s is refused: %s', (name, value, problem) => {
    const faults = faultsOf({ ...upstream, [name]: value })
    expect(faults).toEqual([expect.stringContaining(problem)])
  })
})

describe('further issuers', () => {
  const place = temporaryFolder()
  afterAll(() => place.remove())
  const file = join(place.path, 'issuers.json')
  const good = { issuer: 'https://id.example', client_id_prefix: 'b', topics: ['b/#'] }
  const write = (content: unknown) => {
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
    return { ISSUERS_FILE: file }
  }

  test('are read from a file', () => {
    const whole = { ...good, issuer_address: 'https://in.example', audience: 'urn:x' }
    expect(
      read(write([good, { ...whole, issuer: 'https://c.example', client_id_prefix: 'c' }])),
    ).toMatchObject({
      foreignIssuers: [
        { ...good, audience: undefined, issuerAddress: undefined },
        { issuer: 'https://c.example', audience: 'urn:x', issuerAddress: 'https://in.example' },
      ],
    })
    expect(read(write([]))).toMatchObject({ foreignIssuers: [] })
  })

  test.each<[string, unknown, RegExp]>([
    ['that is not there', undefined, /cannot be read \(ENOENT\)/],
    ['that is a folder', 'folder', /is not a file/],
    ['that is not JSON', '{', /is not JSON/],
    ['that is no list', { issuers: [] }, /is not a list/],
    ['with too many', Array(17).fill(good), /is not a list of at most 16/],
    ['with a number', [7], /in entry 1 there is no object/],
    ['with nothing in an entry', [{}], /issuer is required.*prefix is required.*topics is req/],
    ['with a misspelt bound', [{ ...good, topic: ['b/#'] }], /"topic" is no member/],
    ['with http', [{ ...good, issuer: 'http://id.example' }], /issuer: .* must be https/],
    ['with http keys', [{ ...good, jwks_uri: 'http://id.example' }], /jwks_uri: .* must be https/],
    ['with a colon', [{ ...good, client_id_prefix: 'b:' }], /client_id_prefix: "b:" is not/],
    ['with no prefix', [{ ...good, client_id_prefix: '' }], /client_id_prefix: "" is not/],
    ['with a prefix that is a number', [{ ...good, client_id_prefix: 7 }], /is not a text/],
    ['without a topic', [{ ...good, topics: [] }], /is not a list of 1 to 32/],
    ['with one topic as a text', [{ ...good, topics: 'b/#' }], /is not a list of 1 to 32/],
    [
      'with a topic that is none',
      [{ ...good, topics: ['b/#/c'] }],
      /a topic is not a topic filter/,
    ],
    ['with a shared one', [{ ...good, topics: ['$share/g/b'] }], /is a shared subscription/],
    [
      'with one twice',
      [good, { ...good, client_id_prefix: 'c' }],
      /entry 2 the issuer is there tw/,
    ],
    ['with a prefix twice', [good, { ...good, issuer: 'https://c.example' }], /of another issuer/],
    [
      'with the main one',
      [{ ...good, issuer: 'http://localhost:8787' }],
      /names the issuer of ISS/,
    ],
  ])('%s are refused', (_, content, problem) => {
    const env = content === undefined ? { ISSUERS_FILE: '/nowhere' } : write(content)
    const faults = faultsOf({
      ...upstream,
      ...(content === 'folder' ? { ISSUERS_FILE: place.path } : env),
    })
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatch(/^ISSUERS_FILE: .*; for example ISSUERS_FILE=/)
    expect(faults[0]).toMatch(problem)
  })
})

describe('numbers and choices', () => {
  test.each([
    ['MQTT_CONNECT_TIMEOUT', '0'],
    ['MQTT_CONNECT_TIMEOUT', '1.5'],
    ['MQTT_CONNECT_MAX_BYTES', '64k'],
    ['MQTT_PACKET_MAX_BYTES', '268435461'],
    ['MQTT_CONNECTIONS_MAX', '-1'],
    ['MQTT_CONNECTIONS_PER_ADDRESS', '1e3'],
    ['MQTT_SESSION_EXPIRY_MAX', '4294967296'],
    ['MQTT_DRAIN_TIMEOUT', 'forever'],
    ['MQTT_DRAIN_SPREAD', '3601'],
    ['MQTT_SERVER_REFERENCE', 'two servers'],
    ['MQTT_DENIED_PUBLISH', 'ignore'],
    ['MQTT_DENIED_RESUMED_DELIVERY', 'close'],
    ['MQTT_TLS_CLIENT_CERTIFICATES', 'yes'],
    ['MQTT_UPSTREAM_PROXY_PROTOCOL', 'v1'],
    ['MQTT_UPSTREAM_SESSIONS', 'none'],
    ['MQTT_UPSTREAM_LOOK_INTERVAL', '0'],
    ['MQTT_KEEPALIVE_MAX', '65536'],
    ['MQTT_SUBSCRIPTIONS_MAX', '0'],
    ['MQTT_STALL_TIMEOUT', '0'],
  ])('%s=%s is refused', (name, value) => {
    const faults = faultsOf({ ...upstream, [name]: value })
    expect(faults).toEqual([expect.stringContaining(`${name}: ${JSON.stringify(value)} is n`)])
  })

  test('bounds are allowed', () => {
    const { limits } = read({
      MQTT_SESSION_EXPIRY_MAX: '0',
      MQTT_DENIED_PUBLISH: 'close',
      MQTT_DENIED_RESUMED_DELIVERY: 'clean',
      MQTT_KEEPALIVE_MAX: '300',
      MQTT_SUBSCRIPTIONS_MAX: '1',
      MQTT_STALL_TIMEOUT: '3600',
      MQTT_CONNECT_TIMEOUT: '1',
      MQTT_CONNECT_MAX_BYTES: '1024',
      MQTT_PACKET_MAX_BYTES: '268435460',
    })
    expect(limits).toEqual({
      ...defaultLimits,
      session_expiry_max_s: 0,
      denied_publish_3: 'close',
      denied_resumed_delivery: 'clean',
      keepalive_max_s: 300,
      subscriptions_max: 1,
      write_stall_timeout_ms: 3_600_000,
      connect_timeout_ms: 1000,
      connect_packet_max: 1024,
      packet_max: 268_435_460,
    })
  })
})

describe('faults', () => {
  test('filters in part and the end of a session by a dropped delivery exclude each other', () => {
    expect(read({ MQTT_PARTIAL_FILTERS: 'deliver' }).limits.partial_filters).toBe('deliver')
    const both = { MQTT_PARTIAL_FILTERS: 'deliver', MQTT_DENIED_RESUMED_DELIVERY: 'clean' }
    expect(faultsOf({ ...upstream, ...both })).toEqual([
      expect.stringContaining('MQTT_PARTIAL_FILTERS'),
    ])
  })

  test('are told all together', () => {
    const faults = faultsOf({
      ISSUER: 'x',
      JWKS_URI: 'y',
      MQTT_LISTEN: 'yyy,zzz',
      METRICS_LISTEN: '?',
      MQTT_DRAIN_TIMEOUT: '?',
    })
    const names = faults.map((fault) => fault.split(':')[0])
    expect(names.sort()).toEqual(
      ['ISSUER', 'JWKS_URI', 'METRICS_LISTEN', 'MQTT_DRAIN_TIMEOUT', 'MQTT_LISTEN', 'MQTT_UPSTREAM'] //
        .sort(),
    )
    expect(faults.find((fault) => fault.startsWith('MQTT_LISTEN'))).toMatch(/yyy.*, and "zzz"/)
  })

  // Parts of a password are short words that no sentence has by itself.
  test.each([
    'mqtt://wuser:xqz1@h/path',
    'mqtt://wuser:xqz1@',
    'wuser:xqz1@h',
    'mqtt://wuser:xqz1@x@h:99999',
    'http://wuser:xqz1@h',
    'mqtt://wuser:xqz1,xqz2@h',
    'mqtt://wuser:xqz1@xqz2,xqz3,xqz4@h',
    'mqtt://h,mqtt://wuser:12345/xqz1,xqz2:xqz3@h',
    'mqtt://wuser:xqz1',
    'mqtt://wuser:xqz1:1883',
    'mqtts://wuser:xqz1#xqz2?xqz3',
    'wuser:xqz1',
    'mqtt://wuser:%ff@h',
  ])('never repeat user or password of %s, whichever variable it is put into', (value) => {
    const names = ['ISSUER', 'ISSUER_ADDRESS', 'JWKS_URI', 'MQTT_LISTEN', 'METRICS_LISTEN']
    for (const name of ['MQTT_UPSTREAM', ...names]) {
      const faults = faultsOf({ ...upstream, [name]: value })
      expect(faults).toHaveLength(1)
      expect(faults[0]).toContain(`${name}: `)
      expect(faults[0]).not.toMatch(/wuser|xqz|12345/)
    }
  })

  test('never do so for a name that is an address either', () => {
    expect(faultsOf({ ...upstream, MQTT_AUDIENCE: 'https://wuser:xqz1@h h2' })).toEqual([
      expect.not.stringMatching(/wuser|xqz/),
    ])
  })

  test('name the entry of a list, and say how a comma in a password is written', () => {
    expect(faultsOf({ MQTT_UPSTREAM: 'mqtt://h,mqtt://u:a,b@h' })).toEqual([
      expect.stringMatching(/entry 2 is not .*, and entry 3 is not .*%2C/),
    ])
  })

  test('stay one short line whatever the value is', () => {
    const [fault] = faultsOf({ MQTT_UPSTREAM: `a\nb\u001b[2J${'x'.repeat(10_000)}` })
    expect(fault).toMatch(/^[^\n\u001b]{1,400}$/)
  })
})
