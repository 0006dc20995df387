// A real Mosquitto on a free loopback port, with a configuration of its own in a temporary folder.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Mosquitto = {
  port: number
  /** SIGKILL. */
  kill(): Promise<void>
  /** Again on the same port. */
  start(): Promise<void>
  stop(): Promise<void>
}

export async function startMosquitto(settings = ''): Promise<Mosquitto> {
  const folder = await mkdtemp(join(tmpdir(), 'mproxy-mosquitto-'))
  const port = await freePort()
  const file = join(folder, 'mosquitto.conf')
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence false',
    settings,
  ]
  await writeFile(file, `${lines.join('\n')}\n`)
  let child: ChildProcess
  let gone: Promise<void>

  const start = async () => {
    child = spawn('mosquitto', ['-c', file], { stdio: 'ignore' })
    gone = new Promise((resolve) => child.once('exit', () => resolve()))
    child.once('error', () => {})
    await until(() => isListening(port), 'Mosquitto listens')
  }
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    await gone
  }
  await start()
  return {
    port,
    start,
    kill: () => end('SIGKILL'),
    stop: async () => {
      await end('SIGTERM')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** Waits for a condition, and says which one when it does not come about. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string,
  timeout = 10_000,
): Promise<void> {
  const end = performance.now() + timeout
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${timeout} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 3))
  }
}
