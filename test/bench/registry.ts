// `npm run bench -- registry`: import of devices with keys, and what a fleet of 1,000,000 costs
// beside one of 10,000: the same questions to both servers, alternating in one run. Both are this
// server on Node over an embedded file.
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type RunningWorker, startWorkerOn } from '../host/programs.ts'
import { median, statOf } from '../measure/process_stat.ts'
import { deviceLines, type Fleet, fillPlaces, fleetOf } from './fleet.ts'
import { percentile } from './load.ts'
import type { Options } from './oauth.ts'
import { addAsked, BLUEPRINT, operatorToken, questionsOf } from './registry_questions.ts'
import { type Prepared, repeat } from './requests.ts'

const SMALL = 10_000
const LARGE = 1_000_000
/** Devices of the import whose rate is said. */
const TIMED = 100_000

type Server = {
  name: string
  fleet: Fleet
  worker: RunningWorker
  token: string
  isFilled: boolean
  /** The file that says that the fleet is whole; null where it does not stay. */
  whole: string | null
}

/** Bytes of memory that the process had at most, and has (Linux). */
function memoryOf(pid: number): { peak: number; now: number } {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
  return { peak: kb('VmHWM') * 1024, now: kb('VmRSS') * 1024 }
}

/**
 * Imports devices `from` to `to`, with the line `cut` in their midst where there is one, which has
 * to be refused alone. Answers the seconds that it took.
 */
async function importDevices(
  server: Server,
  from: number,
  to: number,
  cut: string | null = null,
): Promise<number> {
  const { worker, token, fleet } = server
  const begun = performance.now()
  const sent = request(`${worker.issuer}/v1/devices/import`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson', authorization: `Bearer ${token}` },
  })
  const middle = Math.floor((from + to) / 2)
  const lines = function* () {
    if (cut === null) return yield* deviceLines(from, to, fleet)
    yield* deviceLines(from, middle, fleet)
    yield `${cut}\n`
    yield* deviceLines(middle, to, fleet)
  }
  // The answer is read while lines are still sent, since each side waits for the other's room.
  const [, { status, end, failed }] = await Promise.all([
    pipeline(Readable.from(lines()), sent),
    endOfAnswer(sent),
  ])
  const created = /"created":\s*(\d+)/.exec(end)?.[1]
  if (status !== 200 || Number(created) !== to - from) {
    throw new Error(`not everything was imported: ${status} ${end}`)
  }
  const refused = failed.map((line) => JSON.parse(line).line)
  const bad = cut === null ? [] : [middle - from + 1]
  if (refused.join() !== bad.join()) throw new Error(`not the bad lines failed: ${failed}`)
  return (performance.now() - begun) / 1000
}

type AnswerOfImport = { status: number; end: string; failed: string[] }

/** A line for each row, of which the refusals are kept, and the summary at the end. */
async function endOfAnswer(sent: ClientRequest): Promise<AnswerOfImport> {
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  let end = ''
  const failed: string[] = []
  for await (const line of createInterface({ input: answer })) {
    if (line.includes('"result":"failed"')) failed.push(line)
    if (line !== '') end = line
  }
  return { status: answer.statusCode ?? 0, end, failed }
}

/** A server with a fleet; `isFilled` where a run before this one left it in the folder. */
async function start(name: string, devices: number, keep: string | undefined): Promise<Server> {
  const fleet = fleetOf(devices)
  const folder = keep === undefined ? null : join(resolve(keep), String(devices))
  const whole = folder === null ? null : join(folder, 'is_filled')
  const isFilled = whole !== null && existsSync(whole)
  if (folder !== null && !isFilled) rmSync(folder, { recursive: true, force: true })
  const kept = folder === null ? {} : { DATABASE_URL: `file:${join(folder, 'allauth.db')}` }
  const env = folder === null ? {} : { ...kept, ALLAUTH_FOLDER: folder }
  const started = await startWorkerOn('node', BLUEPRINT, env)
  const worker = { ...started, databaseUrl: kept.DATABASE_URL ?? started.databaseUrl }
  if (!isFilled) await fillPlaces(worker.databaseUrl, fleet)
  return { name, fleet, worker, whole, isFilled, token: await operatorToken(worker.issuer) }
}

export async function benchRegistry({ rounds, seconds, against, keep }: Options): Promise<void> {
  if (against !== undefined) throw new Error('the registry is measured beside itself alone')
  const servers: Server[] = []
  try {
    const [cpu] = cpus()
    console.log(`Node ${process.version}, ${cpus().length} x ${cpu?.model}\n`)
    const large = await start('1,000,000 devices', LARGE, keep)
    servers.push(large)
    if (large.isFilled) console.log('The fleets are those of a run before.\n')
    else await measureImport(large)
    const small = await start('10,000 devices', SMALL, keep)
    servers.push(small)
    if (!small.isFilled) await importDevices(small, 0, SMALL)
    for (const server of servers) {
      if (server.isFilled) continue
      await addAsked(server.worker.issuer, server.token, server.fleet)
      if (server.whole !== null) writeFileSync(server.whole, '')
    }
    await compare(small, large, { rounds, seconds })
  } finally {
    for (const { worker } of servers) await worker.stop()
  }
}

async function measureImport(server: Server): Promise<void> {
  const pid = server.worker.process.pid ?? 0
  await importDevices(server, 0, SMALL)
  const { peak: before } = memoryOf(pid)
  const taken = await importDevices(server, SMALL, SMALL + TIMED)
  await importDevices(server, SMALL + TIMED, LARGE, '{"id":"cut-in-half","type')
  const { peak: after } = memoryOf(pid)
  const megabytes = (bytes: number) => (bytes / 1024 / 1024).toFixed(0)
  console.log('| import | |')
  console.log('| --- | --- |')
  console.log(`| devices with keys a minute, of ${TIMED} | ${((TIMED / taken) * 60).toFixed(0)} |`)
  console.log(`| peak memory after ${SMALL} rows, MB | ${megabytes(before)} |`)
  console.log(`| peak memory after ${LARGE} rows, MB | ${megabytes(after)} |\n`)
}

async function compare(
  small: Server,
  large: Server,
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<void> {
  const pair = [small, large] as const
  const rows = new Map<Server, Record<string, Prepared>>()
  for (const server of pair) {
    rows.set(server, await questionsOf(server.worker.issuer, server.token, server.fleet))
  }
  const names = Object.keys(rows.get(small) ?? {})
  type Figure = { p50: number; p99: number; cpu: number }
  const figures = new Map<string, Figure[]>()
  const of = (row: string, { name }: Server) => figures.get(`${row} ${name}`) ?? []
  const prepared = (server: Server, row: string) => {
    const found = rows.get(server)?.[row]
    if (found === undefined) throw new Error(`no such row: ${row}`)
    return found
  }
  for (const row of names) {
    for (const server of pair) await repeat(prepared(server, row), { connections: 4, seconds: 1 })
  }
  for (let round = 0; round < rounds; round++) {
    for (const row of names) {
      for (const server of round % 2 === 0 ? pair : pair.toReversed()) {
        const pid = server.worker.process.pid ?? 0
        const before = statOf(pid).cpu
        const measured = await repeat(prepared(server, row), { connections: 4, seconds })
        const figure = {
          p50: percentile(measured.latencies, 0.5),
          p99: percentile(measured.latencies, 0.99),
          cpu: (statOf(pid).cpu - before) / measured.requests,
        }
        figures.set(`${row} ${server.name}`, [...of(row, server), figure])
      }
    }
  }
  console.log('| row | fleet | p50 ms | p99 ms | CPU ms/request | takes |')
  console.log('| --- | --- | --- | --- | --- | --- |')
  for (const row of names) {
    for (const server of pair) {
      const all = of(row, server)
      const middle = (value: (figure: Figure) => number) => median(all.map(value)).toFixed(2)
      const ratio = median(all.map(({ p50 }, i) => p50 / (of(row, small)[i]?.p50 ?? 1))).toFixed(2)
      const cells = [
        row,
        server.name,
        middle(({ p50 }) => p50),
        middle(({ p99 }) => p99),
        middle(({ cpu }) => cpu),
        server === small ? '' : `${ratio} times as long`,
      ]
      console.log(`| ${cells.join(' | ')} |`)
    }
  }
}
