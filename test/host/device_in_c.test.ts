// The example for small devices, compiled by the C compiler and run at mProxy in front of Mosquitto:
// it is refused with an old token, works with a good one, hands in the next one, and comes back.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'
import { connect } from './mproxy_fixtures/clients.ts'
import { startIssuer, type TestIssuer } from './mproxy_fixtures/issuer.ts'
import {
  type Broker,
  type RunningProxy,
  startBroker,
  startProxy,
  untilReady,
} from './mproxy_fixtures/programs.ts'
import { until } from './mproxy_fixtures/until.ts'

let issuer: TestIssuer
let broker: Broker
let proxy: RunningProxy
const folder = temporaryFolder()
const tokenFile = join(folder.path, 'token.txt')
const program = join(folder.path, 'session')

beforeAll(async () => {
  const source = join(ROOT, 'docs/devices/session.c')
  const strict = ['-std=c99', '-Wall', '-Wextra', '-Wpedantic', '-Werror', '-O2']
  const watched = ['-fsanitize=address,undefined', '-fno-sanitize-recover']
  execFileSync('cc', [...strict, ...watched, '-o', program, source])
  issuer = await startIssuer()
  broker = await startBroker()
  proxy = await startProxy({ issuer: issuer.url, broker: broker.url })
  await untilReady(proxy)
})
afterAll(async () => {
  await proxy.stop()
  await broker.stop()
  await issuer.stop()
  folder.remove()
})

const now = () => Math.floor(Date.now() / 1000)

async function giveToken(exp: number): Promise<void> {
  const acl = [
    { permission: 'allow', action: 'publish', topic: 'things/dev-1/state' },
    { permission: 'allow', action: 'subscribe', topic: 'things/dev-1/set' },
  ]
  writeFileSync(`${tokenFile}.new`, await issuer.mint({ claims: { acl, exp } }))
  renameSync(`${tokenFile}.new`, tokenFile)
}

function startDevice(): { child: ChildProcess; said: (line: string) => number } {
  const args = ['127.0.0.1', String(proxy.port), 'dev-1', tokenFile, '1', 'things/dev-1']
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  return { child, said: (line) => output.split('\n').filter((one) => one === line).length }
}

test('the example in C lives through the end of its token and of its broker', async () => {
  await giveToken(now() - 60)
  const owner = await connect({ url: broker.url, version: 4, id: 'owner', token: 'none' })
  await owner.subscribe(['things/dev-1/state'])
  const { child, said } = startDevice()
  try {
    await until('it is refused with a token that has ended', () => said('refused 4') > 0)
    await giveToken(now() + 600)
    await until('it is let in', () => said('connected') === 1)
    await until('a reading', () => owner.messages.includes('things/dev-1/state reading 1'))
    await owner.publish('things/dev-1/set', 'on')
    await until('the command', () => said('command on') === 1)
    await giveToken(now() + 900)
    await until('the next token', () => said('token handed in') === 1)
    await until(
      'it is taken',
      async () => (await proxy.metric('mproxy_reauthentications_total')) === 1,
    )
    expect(said('disconnected')).toBe(0)
    await broker.kill()
    await until('it notices', () => said('disconnected') === 1)
    await broker.start()
    await until('it comes back', () => said('connected') === 2)
  } finally {
    child.kill('SIGTERM')
    await once(child, 'exit')
    owner.cut()
  }
}, 60_000)
