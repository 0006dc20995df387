// HAProxy in front of two mProxies, with the configuration of docs/mproxy: the client's address
// arrives, TLS ends in mProxy, and an mProxy that drains gets no new clients.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as dial, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as dialTls } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { PROXY_VARIABLES } from '../../proxy-node/config.ts'
import { findFreePort } from '../../worker/entry/broker/free_port.ts'
import {
  buildHouse,
  connectBytes,
  type House,
  makeCertificateFiles,
  type RunningDoor,
} from '../proxy-node/fixtures/door.ts'
import { makeAuthority } from '../support/certificates.ts'
import { ROOT } from '../support/tree.ts'
import { until } from './mproxy_fixtures/until.ts'

const document = (name: string) => readFileSync(join(ROOT, 'docs/mproxy', name), 'utf8')

let house: House
let doors: RunningDoor[]
let haproxy: ChildProcess
let output = ''
let pem = ''
const ports = { mqtt: 0, mqtts: 0, web: 0 }

beforeAll(async () => {
  house = await buildHouse()
  const authority = await makeAuthority()
  pem = authority.pem
  const made = await makeCertificateFiles(authority, ['mqtt.example.com'])
  const env = {
    MQTT_LISTEN: 'mqtt://127.0.0.1:0,mqtts://127.0.0.1:0,ws://127.0.0.1:0/mqtt',
    MQTT_TLS_CERT_FILE: house.write('site.pem', made.certificate),
    MQTT_TLS_KEY_FILE: house.write('site.key', made.key),
    PROXY_PROTOCOL_FROM: '127.0.0.1',
  }
  doors = [await house.start(env), await house.start(env)]
  for (const name of ['mqtt', 'mqtts', 'web'] as const) ports[name] = await findFreePort()
  // Else HAProxy finds them without keys at its first look, and lets nobody in until the next.
  for (const { proxy } of doors) {
    const ready = `http://127.0.0.1:${proxy.metricsPort}/readyz`
    await until('mProxy is ready', async () => (await fetch(ready)).ok)
  }

  // The file as it is, with the addresses and intervals of the test.
  let text = document('haproxy.cfg').replaceAll('inter 2s', 'inter 500ms fall 2 rise 1')
  text = text.replace('10.0.0.5:1883', `127.0.0.1:${ports.mqtt}`)
  text = text.replace('10.0.0.5:8883', `127.0.0.1:${ports.mqtts}`)
  text = text.replace('10.0.0.5:8083', `127.0.0.1:${ports.web}`)
  for (const [i, door] of doors.entries()) {
    const address = `10.0.0.1${i + 1}`
    for (const [j, port] of [1883, 8883, 8083].entries()) {
      const old = new RegExp(`${address}:${port} check port 9464`, 'g')
      text = text.replaceAll(old, `127.0.0.1:${door.ports[j]} check port ${door.proxy.metricsPort}`)
    }
  }
  text = text.replace('maxconn 200000', 'maxconn 200')
  const file = house.write('haproxy.cfg', text)
  haproxy = spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] })
  for (const stream of [haproxy.stdout, haproxy.stderr])
    stream?.on('data', (chunk) => (output += chunk))
  await until('HAProxy listens', () => isListening(ports.web))
})
afterAll(async () => {
  if (haproxy?.exitCode === null) {
    haproxy.kill('SIGTERM')
    await once(haproxy, 'exit')
  }
  await house?.stop()
})

const isListening = (port: number) =>
  new Promise<boolean>((answer) => {
    const socket = dial(port, '127.0.0.1')
    socket.once('error', () => answer(false)).once('connect', () => answer(true))
    socket.once('connect', () => socket.destroy())
  })

/** Sends CONNECT; the code of its answer. */
async function enter(socket: Socket, id: string): Promise<number | 'closed'> {
  const bytes = await connectBytes(house.issuer, id)
  return new Promise((answer) => {
    socket.on('error', () => {}).once('close', () => answer('closed'))
    socket.once('data', (chunk: Buffer) => answer(chunk[3]!))
    socket.write(bytes)
  })
}

/** Where a client is, and the address that mProxy knows. */
function whereIs(id: string) {
  const started = doors.map((door) =>
    door.lines('session_started').find(({ client_id }) => client_id === id),
  )
  const at = started.findIndex((line) => line !== undefined)
  return { at, remote: started[at]?.['remote'] }
}

const come = (localAddress: string) => dial({ port: ports.mqtt, host: '127.0.0.1', localAddress })

test('each client arrives with its own address, by MQTT, by TLS and by WebSocket', async () => {
  const plain = come('127.0.0.2')
  expect(await enter(plain, 'plain')).toBe(0)
  expect(whereIs('plain').remote).toBe('127.0.0.2')

  const raw = dial({ port: ports.mqtts, host: '127.0.0.1', localAddress: '127.0.0.3' })
  const secure = dialTls({ socket: raw, ca: pem, servername: 'mqtt.example.com' })
  await once(secure, 'secureConnect')
  expect(await enter(secure, 'secure')).toBe(0)
  expect(whereIs('secure').remote).toBe('127.0.0.3')

  const web = new WebSocket(`ws://127.0.0.1:${ports.web}/mqtt`, 'mqtt', {
    localAddress: '127.0.0.4',
    headers: { 'X-Forwarded-For': '203.0.113.1' }, // its own word, which HAProxy replaces
  })
  await once(web, 'open')
  web.send(await connectBytes(house.issuer, 'web'))
  await once(web, 'message')
  expect(whereIs('web').remote).toBe('127.0.0.4')
  plain.destroy()
  secure.destroy()
  web.terminate()
})

test('an mProxy that drains gets no new clients, and those it had come to the other', async () => {
  const ids = ['a', 'b', 'c', 'd']
  const sockets = []
  for (const id of ids) {
    const socket = come('127.0.0.1')
    sockets.push(socket)
    expect(await enter(socket, id)).toBe(0)
  }
  const there = ids.filter((id) => whereIs(id).at === 0)
  expect(there.length).toBeGreaterThan(0)
  expect(there.length).toBeLessThan(ids.length)
  await doors[0]!.proxy.close({ spread: 0, timeout: 2000 })
  for (const id of there) {
    const again = come('127.0.0.1')
    sockets.push(again)
    // HAProxy tries the other one where the first does not answer.
    expect(await enter(again, `${id}-again`)).toBe(0)
    expect(whereIs(`${id}-again`).at).toBe(1)
  }
  for (const socket of sockets) socket.destroy()
  expect(output).not.toMatch(/\[(WARNING|ALERT)\].*(config|parsing)/)
})

test('the unit of systemd starts the program of npm run proxy, and sets variables that are there', () => {
  const unit = document('mproxy.service')
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const [, started] = /^ExecStart=\/opt\/allauth\/node_modules\/\.bin\/(.*)$/m.exec(unit) ?? []
  expect(started).toBe(scripts['proxy'])
  const names = [...unit.matchAll(/^Environment=(\w+)=/gm)].map(([, name]) => name)
  expect(names.length).toBeGreaterThan(1)
  for (const name of names) expect(Object.keys(PROXY_VARIABLES)).toContain(name)
})
