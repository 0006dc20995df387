// The real programs of the tests: mProxy, Mosquitto and Mosquitto's clients, each a child process
// on 127.0.0.1 that is ended by its own id.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findFreePort } from '../../../worker/entry/broker/free_port.ts'
import { until } from './until.ts'

const isListening = (port: number) =>
  new Promise<boolean>((answer) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => answer(true)).once('error', () => answer(false))
    socket.once('connect', () => socket.destroy())
  })

async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill(signal)
    await once(child, 'exit')
  }
  return child.exitCode
}

export interface Broker {
  readonly port: number
  readonly url: string
  /** As a power cut would: no farewell to anybody. */
  kill(): Promise<void>
  start(): Promise<void>
  /** It lives and answers nothing. */
  pause(): void
  resume(): void
  stop(): Promise<void>
}

/** Mosquitto, with `settings` added to its configuration. */
export async function startBroker(settings = ''): Promise<Broker> {
  const port = await findFreePort()
  const folder = await mkdtemp(join(tmpdir(), 'mproxy-broker-'))
  const configuration = join(folder, 'mosquitto.conf')
  await writeFile(
    configuration,
    `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\nlog_type none\n${settings}\n`,
  )
  let child: ChildProcess
  const broker: Broker = {
    port,
    url: `mqtt://127.0.0.1:${port}`,
    async start() {
      child = spawn('mosquitto', ['-c', configuration], { stdio: 'ignore' })
      await until('the broker listens', () => isListening(port))
    },
    async kill() {
      await endProcess(child, 'SIGKILL')
    },
    pause() {
      child.kill('SIGSTOP')
    },
    resume() {
      child.kill('SIGCONT')
    },
    async stop() {
      await endProcess(child, 'SIGTERM')
      await rm(folder, { recursive: true, force: true })
    },
  }
  await broker.start()
  return broker
}

export type LogLine = Record<string, unknown> & { event: string }

export interface RunningProxy {
  readonly child: ChildProcess
  readonly port: number
  readonly wsUrl: string
  readonly metricsUrl: string
  /** All of stdout and stderr. */
  output(): string
  lines(event?: string): LogLine[]
  /** The value of a sample of /metrics; `labels` as it prints them. 0 where there is none. */
  metric(name: string, labels?: string): Promise<number>
  fetch(path: string): Promise<{ status: number; body: string }>
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null>
}

export const program = fileURLToPath(new URL('../../../proxy-node/index.ts', import.meta.url))

export interface ProgramResult {
  code: number | null
  stdout: string
  stderr: string
}

/** mProxy that is expected to end by itself, like one with bad settings. */
export async function runProxy(env: Record<string, string>): Promise<ProgramResult> {
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return collect(child, 15)
}

async function collect(child: ChildProcess, seconds: number): Promise<ProgramResult> {
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text) => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000)
  await once(child, 'close')
  clearTimeout(timer)
  return { code: child.exitCode, stdout, stderr }
}

interface ReadyMessage {
  ready: true
  ports: { mqtt: number[]; ws: number[]; metrics: number }
  urls: string[]
}

export interface ProxyOptions {
  issuer: string
  broker: string
  env?: Record<string, string>
  /** Descriptors that the process may have. */
  descriptors?: number
  /** The program of another checkout. */
  program?: string
  /** Flags of Node. */
  flags?: readonly string[]
}

/** mProxy as `node proxy-node/index.ts`, on free ports, once it says that it is ready. */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const command = [process.execPath, ...(options.flags ?? []), options.program ?? program]
  if (options.descriptors !== undefined) {
    command.unshift('prlimit', `--nofile=${options.descriptors}:${options.descriptors}`)
  }
  const child = spawn(command[0]!, command.slice(1), {
    env: {
      PATH: process.env['PATH'],
      ISSUER: options.issuer,
      MQTT_UPSTREAM: options.broker,
      MQTT_LISTEN: 'mqtt://127.0.0.1:0,ws://127.0.0.1:0/mqtt',
      METRICS_LISTEN: '127.0.0.1:0',
      // All clients of a test come from one address, and many of them are refused.
      MQTT_REFUSED_CONNECTS_PER_ADDRESS: '0',
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout!.setEncoding('utf8').on('data', (text) => {
    stdout += text
  })
  child.stderr!.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  const message = await Promise.race([
    once(child, 'message').then(([first]) => first as ReadyMessage),
    once(child, 'exit').then(([code]) => {
      throw new Error(`mProxy exited with ${code}: ${stderr}`)
    }),
  ])
  const { ports } = message
  const proxy: RunningProxy = {
    child,
    port: ports.mqtt[0]!,
    wsUrl: message.urls.find((url) => url.startsWith('ws:'))!,
    metricsUrl: `http://127.0.0.1:${ports.metrics}`,
    output: () => stdout + stderr,
    lines(event) {
      const whole = stdout.slice(0, stdout.lastIndexOf('\n') + 1)
      const lines = whole.split('\n').filter((line) => line !== '')
      return lines
        .map((line) => JSON.parse(line) as LogLine)
        .filter((line) => event === undefined || line.event === event)
    },
    async metric(name, labels = '') {
      const { body } = await proxy.fetch('/metrics')
      const sample = `${name}${labels === '' ? '' : `{${labels}}`} `
      const line = body.split('\n').find((text) => text.startsWith(sample))
      return line === undefined ? 0 : Number(line.slice(sample.length))
    },
    async fetch(path) {
      const response = await fetch(proxy.metricsUrl + path)
      return { status: response.status, body: await response.text() }
    },
    stop: () => endProcess(child, 'SIGTERM'),
  }
  return proxy
}

/** Until mProxy has keys and reaches the broker. */
export async function untilReady(proxy: RunningProxy): Promise<void> {
  await until('mProxy is ready', async () => (await proxy.fetch('/readyz')).status === 200)
}

export interface ClientOptions {
  port: number
  /** As mosquitto's clients name it. */
  version: '311' | '5'
  id: string
  token: string
  args: string[]
}

const clientArgs = ({ port, version, id, token, args }: ClientOptions): string[] => {
  return [
    '-h',
    '127.0.0.1',
    '-p',
    `${port}`,
    '-V',
    version,
    '-i',
    id,
    '-u',
    'any',
    '-P',
    token,
    ...args,
  ]
}

/** mosquitto_pub, until it ends. */
export function publish(options: ClientOptions): Promise<ProgramResult> {
  const child = spawn('mosquitto_pub', clientArgs(options), { stdio: ['ignore', 'pipe', 'pipe'] })
  return collect(child, 15)
}

export interface Subscriber {
  /** Received so far, as `topic payload`. */
  messages(): string[]
  output(): string
  readonly ended: Promise<ProgramResult>
  stop(): Promise<void>
}

/** mosquitto_sub, once its subscriptions are answered or it has ended. */
export async function subscribe(options: ClientOptions): Promise<Subscriber> {
  const args = [...clientArgs(options), '-v', '-d', '-F', 'MSG %t %p']
  // Into a pipe it would keep its lines to itself for long.
  const child = spawn('stdbuf', ['-oL', 'mosquitto_sub', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (text) => {
    output += text
  })
  child.stderr.on('data', (text) => {
    output += text
  })
  const ended = collect(child, 60)
  const isOver = () => child.exitCode !== null || child.signalCode !== null
  try {
    await until('mosquitto_sub is answered', () => output.includes('Subscribed (mid') || isOver())
  } catch (error) {
    await endProcess(child, 'SIGTERM')
    throw error
  }
  return {
    messages: () =>
      output
        .split('\n')
        .filter((line) => line.startsWith('MSG '))
        .map((line) => line.slice(4)),
    output: () => output,
    ended,
    async stop() {
      await endProcess(child, 'SIGTERM')
    },
  }
}
