// TLS at the doors: versions, certificates by name and as they change, certificates of clients and
// tokens that are bound to them.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect as dial } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import mqtt, { type Packet } from 'mqtt-packet'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { describeFault, readProxyConfig } from '../../../proxy-node/config.ts'
import { logCertificates } from '../../../proxy-node/operation/reports.ts'
import { makeAuthority } from '../../support/certificates.ts'
import {
  buildHouse,
  connectBytes,
  type House,
  makeCertificateFiles,
  type RunningDoor,
} from '../fixtures/door.ts'
import { until } from '../fixtures/mosquitto.ts'
import { publish } from '../fixtures/wire.ts'

let house: House
let authority: Awaited<ReturnType<typeof makeAuthority>>
let clients: Awaited<ReturnType<typeof makeAuthority>>
let door: RunningDoor
const files = { a: ['', ''], b: ['', ''] }
type Made = Awaited<ReturnType<typeof makeCertificateFiles>>
let own: Made
let stranger: Made
let past: Made

const thumbprintOf = ({ der }: Made) => createHash('sha256').update(der).digest('base64url')

async function replace(name: 'a' | 'b', dns: string[], making = {}) {
  const made = await makeCertificateFiles(authority, dns, making)
  files[name] = [house.write(`${name}.pem`, made.certificate), house.write(`${name}.key`, made.key)]
  return made
}

beforeAll(async () => {
  house = await buildHouse()
  ;[authority, clients] = await Promise.all([makeAuthority(), makeAuthority()])
  await replace('a', ['a.example'])
  await replace('b', ['b.example', '*.b.example', 'localhost'])
  own = await makeCertificateFiles(clients, ['own'])
  stranger = await makeCertificateFiles(authority, ['stranger'])
  past = await makeCertificateFiles(clients, ['past'], { not_after: 1_000_000_000 })
  door = await house.start({
    MQTT_LISTEN: 'mqtts://127.0.0.1:0,wss://127.0.0.1:0/mqtt',
    MQTT_TLS_CERT_FILE: `${files.a[0]},${files.b[0]}`,
    MQTT_TLS_KEY_FILE: `${files.a[1]},${files.b[1]}`,
    MQTT_TLS_CLIENT_CA_FILE: house.write('clients.pem', clients.pem),
  })
})
afterAll(() => house.stop())

const name = (socket: TLSSocket) => socket.getPeerCertificate().subjectaltname

async function open(more: ConnectionOptions = {}, port = door.ports[0]!): Promise<TLSSocket> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    ca: authority.pem,
    servername: 'a.example',
    ...more,
  })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return socket
}

/** The reason code of CONNACK, or that there was none. */
async function enter(socket: TLSSocket, sub: string, claims = {}): Promise<number | 'closed'> {
  const bytes = await connectBytes(house.issuer, sub, claims)
  return new Promise((answer) => {
    socket.once('data', (chunk: Buffer) => answer(chunk[3]!))
    socket.once('close', () => answer('closed'))
    if (socket.destroyed) answer('closed')
    else socket.write(bytes)
  })
}

describe('a door with TLS', () => {
  test('shows the certificate of the name that is asked for, else the first', async () => {
    const names = ['a.example', 'b.example', 'x.b.example', undefined, 'other.example']
    const shown = await Promise.all(
      names.map(async (servername) => {
        const socket = await open({
          servername: servername ?? '',
          checkServerIdentity: () => undefined,
        })
        const own = name(socket)
        socket.destroy()
        return own
      }),
    )
    const [a, b] = ['DNS:a.example', 'DNS:b.example, DNS:*.b.example, DNS:localhost']
    expect(shown).toEqual([a, b, b, a, a])
  })

  test('speaks TLS 1.2 and 1.3 and nothing older', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const socket = await open({ minVersion: version, maxVersion: version })
      expect(socket.getProtocol()).toBe(version)
      socket.destroy()
    }
    const ciphers = 'DEFAULT@SECLEVEL=0'
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers } as const
    await expect(open(old)).rejects.toThrow()
    const labels = 'reason="tls_handshake"'
    expect(await door.metric('mproxy_connections_dropped_total', labels)).toBeGreaterThan(0)
  })

  test('carries a session, over mqtts and over wss', async () => {
    const socket = await open()
    expect(await enter(socket, 'dev-tcp')).toBe(0)
    const web = new WebSocket(`wss://localhost:${door.ports[1]}/mqtt`, 'mqtt', {
      ca: authority.pem,
    })
    await once(web, 'open')
    web.send(await connectBytes(house.issuer, 'dev-web'))
    const [answer] = (await once(web, 'message')) as [Buffer]
    expect([answer[0], answer[3]]).toEqual([0x20, 0])
    const remotes = door
      .lines('session_started')
      .map(({ client_id, remote }) => [client_id, remote])
    expect(remotes).toEqual(
      expect.arrayContaining([
        ['dev-tcp', '127.0.0.1'],
        ['dev-web', '127.0.0.1'],
      ]),
    )
    socket.destroy()
    web.terminate()
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'hears what came before a close, in one write: %s',
    async (version) => {
      const topic = `said/${version}`
      const packets: Packet[] = [publish(topic, { qos: 1, messageId: 1 }), { cmd: 'disconnect' }]
      const bytes = [
        await connectBytes(house.issuer, `brief-${version}`),
        ...packets.map((packet) => mqtt.generate(packet, { protocolVersion: 5 })),
      ]
      const socket = await open({ minVersion: version, maxVersion: version })
      const closed = once(socket.resume(), 'close')
      socket.end(Buffer.concat(bytes))
      const heard = () =>
        house.broker.brokers.some(({ packets: all }) =>
          all.some((packet) => packet.cmd === 'publish' && packet.topic === topic),
        )
      await until(heard, 'the broker hears it')
      await closed
      const ended = () => door.lines('session_ended').at(-1)?.['client_id']
      await until(() => ended() === `brief-${version}`, 'the session ends')
    },
  )

  test('closes whoever does not get through the handshake and CONNECT in its time', async () => {
    const impatient = await house.start({
      MQTT_LISTEN: 'mqtts://127.0.0.1:0,wss://127.0.0.1:0/mqtt',
      MQTT_TLS_CERT_FILE: files.a[0]!,
      MQTT_TLS_KEY_FILE: files.a[1]!,
      MQTT_CONNECT_TIMEOUT: '1',
    })
    const silent = dial(impatient.ports[0]!, '127.0.0.1')
    const half = dial(impatient.ports[1]!, '127.0.0.1')
    const [closed] = [Promise.all([once(silent, 'close'), once(half, 'close')])]
    half.write(Buffer.from('1603010200', 'hex')) // a ClientHello that does not go on
    await closed
    const dropped = 'mproxy_connections_dropped_total'
    expect(await impatient.metric(dropped, 'reason="timeout"')).toBe(2)
    expect(await impatient.metric('mproxy_connections', 'transport="tls"')).toBe(0)
  })

  test('refuses plain MQTT', async () => {
    const plain = dial(door.ports[0]!, '127.0.0.1')
    plain.on('error', () => {}).resume()
    plain.write(await connectBytes(house.issuer, 'dev-1'))
    await once(plain, 'close')
    expect(door.lines('session_started').some(({ client_id }) => client_id === 'dev-1')).toBe(false)
  })
})

describe('files that change', () => {
  test('are obeyed while sessions stand, and bad ones change nothing', async () => {
    const stays = await open()
    expect(await enter(stays, 'dev-stays')).toBe(0)
    await replace('a', ['a.example', 'new.example'])
    door.proxy.reload()
    for (const servername of ['a.example', '']) {
      const next = await open({ servername, checkServerIdentity: () => undefined })
      expect(name(next)).toBe('DNS:a.example, DNS:new.example')
      next.destroy()
    }
    house.write('a.key', 'no key')
    house.write('b.pem', 'no certificate')
    door.proxy.reload()
    const { problem } = door.lines('certificates').at(-1)!
    expect(problem).toContain('a.key: holds no private key')
    expect(problem).toContain('b.pem: holds no certificate')
    const still = await open()
    expect(name(still)).toBe('DNS:a.example, DNS:new.example')
    still.destroy()
    await replace('b', ['b.example', '*.b.example', 'localhost'])
    await replace('a', ['a.example'], { not_after: 1_000_000_000 })
    door.proxy.reload()
    expect(door.lines('certificates').at(-1)?.['problem']).toContain('ran out at 2001-09-09')
    expect(await door.metric('mproxy_tls_reloads_total', 'outcome="kept"')).toBe(2)
    expect(await door.metric('mproxy_tls_reloads_total', 'outcome="loaded"')).toBe(1)
    await replace('a', ['a.example'])
    door.proxy.reload()
    expect(stays.destroyed).toBe(false)
    const expiry = 'mproxy_tls_certificate_expiry_timestamp_seconds'
    expect(await door.metric(expiry, `file="${files.a[0]}"`)).toBe(4_000_000_000)
    stays.destroy()
  })
})

describe('certificates of clients', () => {
  const withOwn = () => ({ cert: own.certificate, key: own.key })
  const cnf = (thumbprint: string) => ({ cnf: { 'x5t#S256': thumbprint } })

  test('a bound token is accepted on the connection that proves its certificate, and no other', async () => {
    const bound = cnf(thumbprintOf(own))
    expect(await enter(await open(withOwn()), 'dev-1', bound)).toBe(0)
    expect(await enter(await open(), 'dev-1', bound)).toBe(0x87)
    const other = cnf(thumbprintOf(stranger))
    expect(await enter(await open(withOwn()), 'dev-1', other)).toBe(0x87)
    const twice = { cnf: { ...bound.cnf, jkt: 'x' } }
    expect(await enter(await open(withOwn()), 'dev-1', twice)).toBe(0x87)
    expect(await enter(await open(withOwn()), 'dev-1')).toBe(0)
    const reasons = door.lines('connection_refused').map(({ reason }) => reason)
    expect(reasons.filter((reason) => reason === 'bound_token')).toHaveLength(3)
  })

  test('the next token of a session is held to the same', async () => {
    const claims = cnf(thumbprintOf(own))
    const ends: unknown[] = []
    for (const [sub, shown] of [
      ['proves', withOwn()],
      ['proves-not', {}],
    ] as const) {
      const socket = await open(shown)
      expect(await enter(socket, sub)).toBe(0)
      const exp = Math.floor(Date.now() / 1000) + 900
      const token = await house.issuer.mint({
        claims: { sub, client_id: sub, acl: [], exp, ...claims },
      })
      const packet = mqtt.generate(
        {
          cmd: 'publish',
          topic: '$allauth/token',
          payload: token,
          qos: 1,
          messageId: 1,
          dup: false,
          retain: false,
        },
        { protocolVersion: 5 },
      )
      const first = once(socket, 'data')
      socket.write(packet)
      await first
      await until(
        () =>
          door.lines('session_reauthenticated').some(({ client_id }) => client_id === sub) ||
          door.lines('session_ended').some(({ client_id }) => client_id === sub),
        'a verdict',
      )
      ends.push(door.lines('session_ended').find(({ client_id }) => client_id === sub)?.['reason'])
      socket.destroy()
    }
    expect(ends).toEqual([undefined, 'reauthentication_failed'])
  })

  test('also over wss', async () => {
    const claims = cnf(thumbprintOf(own))
    const codes = []
    for (const shown of [withOwn(), {}]) {
      const options = { ca: authority.pem, ...shown }
      const web = new WebSocket(`wss://localhost:${door.ports[1]}/mqtt`, 'mqtt', options)
      await once(web, 'open')
      web.send(await connectBytes(house.issuer, 'dev-1', claims))
      const [answer] = (await once(web, 'message')) as [Buffer]
      codes.push(answer[3])
      web.terminate()
    }
    expect(codes).toEqual([0, 0x87])
  })

  test('a certificate of another authority, or one that ran out, does not come in', async () => {
    for (const made of [stranger, past]) {
      const shown = { cert: made.certificate, key: made.key }
      const claims = cnf(thumbprintOf(made))
      const entered = open(shown).then((socket) => enter(socket, 'dev-1', claims))
      expect(await entered.catch(() => 'closed')).toBe('closed')
    }
    const labels = 'reason="client_certificate"'
    expect(await door.metric('mproxy_connections_dropped_total', labels)).toBe(2)
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a resumed handshake proves the certificate of the first: %s',
    async (version) => {
      const options = {
        ...withOwn(),
        minVersion: version,
        maxVersion: version,
        servername: 'b.example',
      }
      const first = await open(options)
      const tickets: Buffer[] = []
      first.on('session', (ticket) => tickets.push(ticket))
      const claims = cnf(thumbprintOf(own))
      expect(await enter(first, 'dev-1', claims)).toBe(0)
      const session = tickets[0] ?? first.getSession()
      const again = await open({ ...options, session })
      expect(again.isSessionReused()).toBe(true)
      expect(await enter(again, 'dev-1', claims)).toBe(0)
    },
  )

  test('without an authority any certificate is proved, and with `required` none is no way in', async () => {
    const any = await house.start({
      MQTT_LISTEN: 'mqtts://127.0.0.1:0',
      MQTT_TLS_CERT_FILE: files.a[0]!,
      MQTT_TLS_KEY_FILE: files.a[1]!,
      MQTT_TLS_CLIENT_CERTIFICATES: 'required',
    })
    const shown = { cert: stranger.certificate, key: stranger.key }
    const claims = cnf(thumbprintOf(stranger))
    expect(await enter(await open(shown, any.ports[0]), 'dev-1', claims)).toBe(0)
    expect(await enter(await open({}, any.ports[0]), 'dev-1')).toBe('closed')
  })
})

describe('faults in the settings', () => {
  const listen = { MQTT_UPSTREAM: 'mqtt://127.0.0.1:1', MQTT_LISTEN: 'mqtts://127.0.0.1:0' }
  const faultsOf = (env: Record<string, string>) => {
    const reading = readProxyConfig({ ...listen, ...env })
    return reading.ok ? [] : reading.faults.map(describeFault)
  }

  test('certificate and key are required, and as many of each', () => {
    expect(faultsOf({})).toEqual([
      expect.stringMatching(/^MQTT_TLS_CERT_FILE: is required by mqtts/),
      expect.stringMatching(/^MQTT_TLS_KEY_FILE: is required by mqtts/),
    ])
    expect(faultsOf({ MQTT_TLS_CERT_FILE: 'a,b', MQTT_TLS_KEY_FILE: 'a' })).toEqual([
      expect.stringMatching(/^MQTT_TLS_KEY_FILE: names 1 files, and MQTT_TLS_CERT_FILE names 2;/),
    ])
    expect(faultsOf({ MQTT_TLS_CERT_FILE: 'a,', MQTT_TLS_KEY_FILE: 'a,b' })).toEqual([
      expect.stringMatching(/^MQTT_TLS_CERT_FILE: an entry is empty;/),
    ])
  })

  test('every file that is not good is named at the start', async () => {
    const started = house.start({
      MQTT_LISTEN: 'mqtts://127.0.0.1:0',
      MQTT_TLS_CERT_FILE: `${files.a[0]},/nowhere.pem`,
      MQTT_TLS_KEY_FILE: `${files.b[1]},${files.b[1]}`,
      MQTT_TLS_CLIENT_CA_FILE: house.write('empty.pem', ''),
    })
    const { message } = await started.then(
      () => new Error('it started'),
      (error: Error) => error,
    )
    expect(message).toMatch(/^MQTT_TLS_CLIENT_CA_FILE: .*empty.pem: holds no certificate in PEM;/m)
    expect(message).toMatch(/^MQTT_TLS_KEY_FILE: .*b.key: is not the key of .*a.pem;/m)
    expect(message).toMatch(
      /^MQTT_TLS_CERT_FILE: \/nowhere.pem: cannot be read: there is no such file/m,
    )
  })
})

test('a certificate is told of when it is new, and again and again in its last days', () => {
  const days: [unknown, unknown][] = []
  let now = 0
  let expires_at = 30 * 86_400
  const certificates = { inForce: () => [{ file: 'a.pem', expires_at }] }
  const log = (_: string, fields: Record<string, unknown> = {}) => {
    days.push([fields['file'], fields['days']])
  }
  const look = logCertificates(certificates, log, () => now)
  for (const day of [10, 17, 20, 31]) {
    now = day * 86_400_000
    look()
  }
  expires_at += 60 * 86_400
  look()
  look()
  expect(days).toEqual([30, 13, 10, -1, 59].map((left) => ['a.pem', left]))
})

test('files that change are noticed by themselves, once they look the same twice', async () => {
  const { watchFiles } = await import('../../../proxy-node/transport/watched_files.ts')
  const file = house.write('watched', 'one')
  const reloads: string[] = []
  const { readFileSync } = await import('node:fs')
  const watched = watchFiles(
    [file],
    () => readFileSync(file, 'utf8'),
    ({ outcome }) => reloads.push(outcome),
    20,
  )
  await new Promise((later) => setTimeout(later, 60))
  house.write('watched', 'two, longer')
  await until(() => watched.value === 'two, longer', 'the change is noticed')
  await new Promise((later) => setTimeout(later, 60))
  expect(reloads).toEqual(['loaded'])
  watched.close()
})
