// SIGHUP to mProxy as a program: settings and certificates are read anew, and sessions go on.

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startAccepting } from '../proxy-node/fixtures/wire.ts'
import { type Connection, connect } from './mproxy_fixtures/clients.ts'
import { startIssuer, type TestIssuer } from './mproxy_fixtures/issuer.ts'
import { type RunningProxy, startProxy, untilReady } from './mproxy_fixtures/programs.ts'
import { until } from './mproxy_fixtures/until.ts'

let issuer: TestIssuer
let broker: Awaited<ReturnType<typeof startAccepting>>
let proxy: RunningProxy
const folder = mkdtempSync(join(tmpdir(), 'mproxy-reload-'))
const [cert, key, settings] = ['site.pem', 'site.key', 'settings'].map((name) => join(folder, name))

function makeCertificate(name: string) {
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const subject = ['-subj', `/CN=${name}`]
  const files = ['-keyout', key!, '-out', cert!]
  execFileSync('openssl', ['req', '-x509', ...made, ...subject, ...files], { stdio: 'pipe' })
}

beforeAll(async () => {
  issuer = await startIssuer()
  broker = await startAccepting(0)
  makeCertificate('first')
  writeFileSync(settings!, 'MQTT_KEEPALIVE_MAX=100\n')
  proxy = await startProxy({
    issuer: issuer.url,
    broker: `mqtt://127.0.0.1:${broker.port}`,
    env: {
      SETTINGS_FILE: settings!,
      MQTT_LISTEN: 'mqtt://127.0.0.1:0,mqtts://127.0.0.1:0',
      MQTT_TLS_CERT_FILE: cert!,
      MQTT_TLS_KEY_FILE: key!,
    },
  })
  await untilReady(proxy)
})
afterAll(async () => {
  await proxy?.stop()
  broker?.stop()
  for (const wire of broker?.brokers ?? []) wire.close()
  await issuer?.stop()
  rmSync(folder, { recursive: true })
})

async function enter(id: string): Promise<Connection> {
  const token = await issuer.mint({ claims: { sub: id, acl: [] } })
  return connect({ url: `mqtt://127.0.0.1:${proxy.port}`, version: 5, id, token, keepalive: 600 })
}

async function nameOfCertificate(): Promise<unknown> {
  const url = String(
    proxy.lines('listening').find(({ url }) => String(url).startsWith('mqtts'))?.['url'],
  )
  const socket = connectTls({ port: Number(new URL(url).port), rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { CN } = socket.getPeerCertificate().subject
  socket.destroy()
  return CN
}

const keepAliveOf = ({ packets }: Connection) =>
  packets.find((packet) => packet.cmd === 'connack')?.properties?.serverKeepAlive

test('SIGHUP takes over good settings and certificates, keeps what is bad, and ends no session', async () => {
  const first = await enter('dev-1')
  expect([keepAliveOf(first), await nameOfCertificate()]).toEqual([100, 'first'])

  writeFileSync(settings!, 'MQTT_KEEPALIVE_MAX=200\nMQTT_CONNECT_TIMEOUT=20\n')
  makeCertificate('second')
  proxy.child.kill('SIGHUP')
  await until('both are read', () => proxy.lines('certificates').length === 1)
  expect(proxy.lines('settings')).toMatchObject([
    { outcome: 'loaded', changed: 'MQTT_KEEPALIVE_MAX', restart: 'MQTT_CONNECT_TIMEOUT' },
  ])
  const second = await enter('dev-2')
  expect([keepAliveOf(second), await nameOfCertificate()]).toEqual([200, 'second'])

  writeFileSync(settings!, 'MQTT_KEEPALIVE_MAX=soon\n')
  writeFileSync(key!, 'no key')
  proxy.child.kill('SIGHUP')
  await until('both are kept', () => proxy.lines('certificates').length === 2)
  const problem = proxy.lines('settings').at(-1)?.['problem']
  expect(problem).toContain('MQTT_KEEPALIVE_MAX: "soon" is not a whole number')
  expect(proxy.lines('certificates').at(-1)).toMatchObject({ outcome: 'kept' })
  const third = await enter('dev-3')
  expect([keepAliveOf(third), await nameOfCertificate()]).toEqual([200, 'second'])

  expect(proxy.lines('session_ended')).toEqual([])
  for (const one of [first, second, third]) await one.end()
})
