// Memory of the idle worker and of idle mProxy, and the time from their start to their first answer,
// each started by the command that the README names: node test/measure/footprint.ts [rounds]
// The first round of a fresh folder also compiles; later ones find what Node kept.
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { findFreePort } from '../../worker/entry/broker/free_port.ts'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'
import { median } from './process_stat.ts'

/** How long a program is left alone before its memory is read, in milliseconds. */
const REST = 2_000

export type Footprint = {
  /** Megabytes (2^20) of memory that the process holds, shared libraries included (VmRSS). */
  memory: number
  /** Milliseconds from the start of npm to the first answer. */
  start: number
}

/** Starts `npm run SCRIPT`, asks `health` until it answers, lets the program rest, and ends it. */
async function footprint(
  script: string,
  health: string,
  env: Record<string, string>,
): Promise<Footprint> {
  const began = performance.now()
  const npm = spawn('npm', ['run', '--silent', script], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
  })
  const { pid } = npm
  if (pid === undefined) throw new Error('npm did not start')
  const ended = new Promise((done) => npm.once('exit', done))
  try {
    while (
      !(await fetch(health).then(
        ({ ok }) => ok,
        () => false,
      ))
    ) {
      if (npm.exitCode !== null) throw new Error(`npm run ${script} ended`)
      if (performance.now() - began > 60_000) throw new Error(`${health} does not answer`)
      await delay(20)
    }
    const start = performance.now() - began
    await delay(REST)
    return { memory: memoryOf(programBelow(pid)), start }
  } finally {
    process.kill(-pid, 'SIGTERM')
    await ended
  }
}

/** The program that npm started, which is the last of the chain below it. */
function programBelow(pid: number): number {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    let status: string
    try {
      status = readFileSync(`/proc/${entry}/status`, 'utf8')
    } catch {
      continue // it has ended meanwhile
    }
    if (Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]) === pid) return programBelow(Number(entry))
  }
  return pid
}

function memoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024
}

export async function workerFootprint(): Promise<Footprint> {
  const { path, remove } = temporaryFolder()
  const port = await findFreePort()
  try {
    return await footprint('worker', `http://127.0.0.1:${port}/readyz`, {
      PORT: String(port),
      DATABASE_URL: `file:${path}/allauth.db`,
      ALLAUTH_FOLDER: path,
    })
  } finally {
    remove()
  }
}

export async function proxyFootprint(): Promise<Footprint> {
  const [metrics, mqtt, broker] = await Promise.all([
    findFreePort(),
    findFreePort(),
    findFreePort(),
  ])
  return footprint('proxy', `http://127.0.0.1:${metrics}/healthz`, {
    METRICS_LISTEN: `127.0.0.1:${metrics}`,
    MQTT_LISTEN: `mqtt://127.0.0.1:${mqtt}`,
    MQTT_UPSTREAM: `mqtt://127.0.0.1:${broker}`,
  })
}

if (import.meta.main) {
  const rounds = Number(process.argv[2] ?? 5)
  for (const [name, measure] of [
    ['worker', workerFootprint],
    ['mProxy', proxyFootprint],
  ] as const) {
    const seen: Footprint[] = []
    for (let round = 0; round < rounds; round++) seen.push(await measure())
    const of = (member: keyof Footprint) => {
      const all = seen.map((one) => one[member])
      return `median ${median(all).toFixed(0)}, all ${all.map((n) => n.toFixed(0)).join(' ')}`
    }
    console.log(`${name}: memory in MB ${of('memory')}; start in ms ${of('start')}`)
  }
}
