// CPU time of one token request (client_credentials with a secret: one read, one ES256 signature) in workerd and
// on Node, from the operating system's account of the serving process. Both run at once, asked in turn, in rounds:
//   node test/measure/token_cpu.ts [requests per round] [rounds]
// In workerd the database is behind HTTP in another process, whose time is not counted; on Node it is embedded.
import { readdirSync, readFileSync } from 'node:fs'
import { discover, makeBlueprint, operatorToken } from '../host/black_box.ts'
import { startWorkerOn } from '../host/programs.ts'

const requests = Number(process.argv[2] ?? 500)
const rounds = Number(process.argv[3] ?? 5)
const CONNECTIONS = 16
/** Linux accounts in ticks of 10 ms. */
const TICK_MS = 10

/** Fields of /proc/PID/stat behind the name, which may hold spaces. */
const statOf = (pid: number) => {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const name = text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'))
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return {
    name,
    parent: Number(fields[1]),
    cpu: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
  }
}

/** The process itself or, under wrangler, the largest workerd below it. */
function servingProcess(pid: number, name: string): number {
  const all = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        return [{ pid: Number(entry), ...statOf(Number(entry)) }]
      } catch {
        return []
      }
    })
  const below = new Set([pid])
  for (let grown = true; grown; ) {
    const more = all.filter((one) => below.has(one.parent) && !below.has(one.pid))
    for (const one of more) below.add(one.pid)
    grown = more.length > 0
  }
  const found = all.filter((one) => below.has(one.pid) && one.name === name)
  const [largest] = found.sort((a, b) => b.cpu - a.cpu)
  return largest?.pid ?? pid
}

const median = (values: number[]) =>
  values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

const { blueprint } = await makeBlueprint()
const node = await startWorkerOn('node', blueprint)
const workerd = await startWorkerOn('workerd', blueprint)
try {
  const hosts = await Promise.all(
    [
      { name: 'Node', worker: node },
      { name: 'workerd', worker: workerd },
    ].map(async ({ name, worker }) => ({
      name,
      as: await discover(worker.issuer),
      pid: worker.process.pid ?? 0,
      costs: [] as number[],
    })),
  )
  const ask = async (host: (typeof hosts)[number], count: number) => {
    let left = count
    const runner = async () => {
      while (left-- > 0) await operatorToken(host.as, 'devices:read')
    }
    await Promise.all(Array.from({ length: CONNECTIONS }, runner))
  }
  for (const host of hosts) {
    await ask(host, 200)
    if (host.name === 'workerd') host.pid = servingProcess(host.pid, 'workerd')
  }
  for (let round = 0; round < rounds; round++) {
    for (const host of hosts) {
      const before = statOf(host.pid).cpu
      await ask(host, requests)
      host.costs.push((statOf(host.pid).cpu - before) / requests)
    }
  }
  console.log(
    `client_credentials, ${rounds} rounds of ${requests} requests at ${CONNECTIONS} connections`,
  )
  for (const { name, costs } of hosts) {
    const all = costs.map((cost) => cost.toFixed(2)).join(' ')
    console.log(`${name}: median ${median(costs).toFixed(2)} ms CPU per request (${all})`)
  }
} finally {
  await node.stop()
  await workerd.stop()
}
