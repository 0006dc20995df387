// `npm start` in an empty folder, then the commands it printed, typed as printed: with npx mqtt_pub
// and the same with mosquitto_pub. The broker behind is Mosquitto, and aedes where there is none.

import { cpSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import Database from 'libsql'
import mqtt from 'mqtt'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startBroker } from '../../worker/entry/broker/broker.ts'
import { findFreePort } from '../../worker/entry/broker/free_port.ts'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'
import { until } from './mproxy_fixtures/until.ts'
import { run } from './programs.ts'

let folder: ReturnType<typeof temporaryFolder>
beforeEach(() => {
  folder = temporaryFolder()
  // A checkout as far as the commands look: the project's files, npm's modules, nothing made
  // before.
  for (const part of ['worker', 'proxy-node', 'policy', 'migrations', 'docs', 'public']) {
    cpSync(join(ROOT, part), join(folder.path, part), { recursive: true })
  }
  cpSync(join(ROOT, 'package.json'), join(folder.path, 'package.json'))
  symlinkSync(join(ROOT, 'node_modules'), join(folder.path, 'node_modules'))
})
afterEach(() => folder.remove())

async function startAll() {
  const path = process.env['PATH'] ?? ''
  const [http, tcp, ws, metrics] = await Promise.all([
    findFreePort(),
    findFreePort(),
    findFreePort(),
    findFreePort(),
  ])
  const env = {
    PORT: String(http),
    MQTT_LISTEN: `mqtt://127.0.0.1:${tcp},ws://127.0.0.1:${ws}/mqtt`,
    METRICS_LISTEN: `127.0.0.1:${metrics}`,
    PATH: path,
  }
  const program = run('npm', ['start'], { cwd: folder.path, env })
  await program.printed(/is refused:\n\n.*\n/, 60).catch(async (error: unknown) => {
    await program.stop()
    throw error
  })
  return { program, env, tcp }
}

/** The lines meant to be typed: those that are indented and begin with a program. */
const commandsIn = (output: string): string[] =>
  output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^(npm run|npx|TOKEN=)/.test(line))

async function type(lines: readonly string[], env: Record<string, string>) {
  const shell = run('bash', ['-c', lines.join('\n')], { cwd: folder.path, env })
  return { code: await shell.exit, output: shell.output() }
}

const isFree = (port: number) =>
  new Promise<boolean>((done) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      done(false)
    })
    socket.once('error', () => done(true))
  })

test('the printed commands register a device, get it a token and publish; a second topic is refused', async () => {
  const { program, env, tcp } = await startAll()
  try {
    expect(program.output()).toMatch(/\/setup\?token=[\w-]+/)
    expect(program.output()).toContain('in front of mosquitto')
    // Nobody has sessions yet, so applications of a person are kept apart.
    expect(readFileSync(join(folder.path, '.allauth/client_id_rule'), 'utf8')).toBe('application\n')
    const commands = commandsIn(program.output())
    expect(commands).toHaveLength(5)
    // The README's quick start is exactly this.
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
    for (const command of commands) {
      const usual = command.replace(/ --issuer [^\s)]+/, '').replace(/-p \d+/, '-p 1883')
      expect(readme).toContain(`    ${usual}\n`)
    }
    const [apply = '', create = '', token = '', publish = '', other = ''] = commands
    const only = { PATH: env.PATH }
    const made = await type([apply, create], only)
    expect(made.code, made.output).toBe(0)
    const good = await type(['set -e', token, publish], only)
    expect(good.code, good.output).toBe(0)
    expect(good.output).not.toMatch(/error|authorized/i)
    const bad = await type([token, other], only)
    expect(bad.output).toMatch(/not authorized/i)

    // The same with mosquitto_pub.
    const mosquitto = (topic: string) =>
      `mosquitto_pub -p ${tcp} -V 5 -i lamp-1 -u lamp-1 -P "$TOKEN" -q 1 -t ${topic} -m on`
    const third = await type(['set -e', token, mosquitto('sites/home/devices/lamp-1/state')], only)
    expect(third.code, third.output).toBe(0)
    expect(third.output).not.toMatch(/not authorized/i)
    const fourth = await type([token, mosquitto('sites/home/devices/lamp-2/state')], only)
    expect(fourth.output).toMatch(/not authorized/i)

    // An existing key is not made again.
    const created = await type([create], only)
    expect(created.code).toBe(2)
    expect(created.output).toMatch(/the id is taken/)
  } finally {
    await program.stop()
  }
  expect(program.output()).not.toMatch(/Error| {4}at /)
  // mProxy has reported by a client of its own, whose secret is in no other hands.
  const secret = join(folder.path, '.allauth/reports_secret')
  expect(statSync(secret).mode & 0o777).toBe(0o600)
  expect(program.output()).not.toContain(readFileSync(secret, 'utf8'))
  const db = new Database(join(folder.path, '.allauth/allauth.db'), {})
  const told = db.prepare(
    "select event, reason, topic, count > 0 as some from mqtt_refusal where device_id = 'lamp-1'",
  )
  const topic = 'sites/home/devices/lamp-2/state'
  expect(told.all([])).toEqual([
    { event: 'publish_refused', reason: 'not_allowed', topic, some: 1 },
  ])
  expect(db.prepare('select reporter, sessions from mproxy_lease').all([])).toEqual([
    { reporter: 'mproxy', sessions: 0 },
  ])
  db.close()
  // mProxy has its keys after a restart.
  expect(readdirSync(join(folder.path, '.allauth/mproxy')).join()).toMatch(/keys-/)
  // npm's end is noticed, and nothing is left behind.
  for (const port of [tcp, Number(env.PORT)]) {
    await until('the port is free again', () => isFree(port))
  }
}, 120_000)

test.each([
  ['mosquitto', undefined],
  ['aedes', () => null],
])(
  'the broker behind mProxy, here %s, lets nobody in without the password that mProxy is told',
  async (name, find) => {
    const broker = await startBroker(join(folder.path, 'broker'), find)
    try {
      expect(broker.name).toContain(name)
      const { username, password, port } = new URL(broker.upstream)
      const enter = (word: string) =>
        mqtt
          .connectAsync({
            host: '127.0.0.1',
            port: Number(port),
            username,
            password: word,
            reconnectPeriod: 0,
          })
          .then(async (client) => {
            await client.endAsync()
            return true
          })
          .catch(() => false)
      expect(await enter(password)).toBe(true)
      expect(await enter('guess')).toBe(false)
    } finally {
      const ended = new Promise((done) => broker.process.once('exit', done))
      broker.process.kill('SIGTERM')
      await ended
    }
  },
)
