// A broker behind mProxy for `npm start`, when MQTT_UPSTREAM names none: mosquitto from the PATH,
// else the embedded aedes. It listens on a free loopback port, with a password that only mProxy
// gets, so that no program on the machine can bypass mProxy. embedded_broker.ts is aedes as a
// program.
// Owns no table, but the folder that `npm start` names. Leaves rules to mProxy.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { userInfo } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findFreePort } from './free_port.ts'

export type Broker = {
  name: string
  upstream: string
  process: ChildProcess
  /** True when it speaks MQTT 5 too. */
  speaks5: boolean
}

/**
 * Starts a broker that keeps its state in `folder`; `find` answers the path of a program, or null.
 */
export async function startBroker(folder: string, find = findProgram): Promise<Broker> {
  const port = await findFreePort()
  const password = randomBytes(24).toString('base64url')
  const upstream = `mqtt://mproxy:${password}@127.0.0.1:${port}`
  const mosquitto = find('mosquitto')
  const passwd = find('mosquitto_passwd')
  const broker =
    mosquitto !== null && passwd !== null
      ? {
          name: 'mosquitto',
          speaks5: true,
          process: startMosquitto(mosquitto, passwd, folder, port, password),
        }
      : {
          name: 'aedes (embedded, MQTT 3.1.1 only)',
          speaks5: false,
          process: startAedes(port, password),
        }
  await reachable(port, broker.process)
  return { ...broker, upstream }
}

function startMosquitto(
  program: string,
  passwd: string,
  folder: string,
  port: number,
  password: string,
): ChildProcess {
  const home = resolve(folder)
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const passwords = join(home, 'passwords')
  writeFileSync(passwords, `mproxy:${password}\n`, { mode: 0o600 })
  spawnSync(passwd, ['-U', passwords])
  const config = join(home, 'mosquitto.conf')
  writeFileSync(
    config,
    [
      `listener ${port} 127.0.0.1`,
      'allow_anonymous false',
      `password_file ${passwords}`,
      'persistence true',
      `persistence_location ${home}/`,
      // As root it would change to its own user, who may not read this folder.
      `user ${userInfo().username}`,
      'log_dest stderr',
      'log_type error',
      'log_type warning',
      '',
    ].join('\n'),
    { mode: 0o600 },
  )
  return spawn(program, ['-c', config], { stdio: ['ignore', 'inherit', 'inherit'] })
}

function startAedes(port: number, password: string): ChildProcess {
  const file = fileURLToPath(new URL('./embedded_broker.ts', import.meta.url))
  return spawn(process.execPath, [file, String(port)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, BROKER_PASSWORD: password },
  })
}

function findProgram(name: string): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file)) ?? null
}

/** Resolves when a program accepts connections on the port; rejects when the program has ended. */
async function reachable(port: number, program: ChildProcess): Promise<void> {
  const deadline = Date.now() + 15_000
  while (Date.now() < deadline) {
    if (program.exitCode !== null) {
      throw new Error(`the broker ended at once with code ${program.exitCode}`)
    }
    const open = await new Promise<boolean>((done) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => {
        socket.destroy()
        done(true)
      })
      socket.once('error', () => done(false))
    })
    if (open) return
    await new Promise((done) => setTimeout(done, 50))
  }
  throw new Error('the broker does not accept connections')
}
