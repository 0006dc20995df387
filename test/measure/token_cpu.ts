// CPU time of one token request (client_credentials with a secret: one read, one ES256 signature)
// in workerd and on Node, from the operating system's account of the serving process. Both run at
// once, asked in turn, in rounds: node test/measure/token_cpu.ts [requests per round] [rounds] In
// workerd the database is behind HTTP in another process, whose time is not counted; on Node it is
// embedded.
import { discover, makeBlueprint, operatorToken } from '../host/black_box.ts'
import { startWorkerOn } from '../host/programs.ts'
import { median, servingProcess, statOf } from './process_stat.ts'

const requests = Number(process.argv[2] ?? 500)
const rounds = Number(process.argv[3] ?? 5)
const CONNECTIONS = 16
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
