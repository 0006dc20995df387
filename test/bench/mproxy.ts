// `npm run bench -- mproxy [--only WORDS]`: mProxy with 20 rules, the matching ones last, beside
// Mosquitto alone, HAProxy in TCP mode and a bare relay in Node. One run, alternating: in each round
// every door has its turn in a row, and the order changes. The figure is the CPU time of the process
// in the way for each message, and its ratio to the bare relay's.
import { generateKeyPairSync, sign } from 'node:crypto'
import { cpus } from 'node:os'
import { exportJWK, importPKCS8 } from 'jose'
import { audience, startIssuer, type TestIssuer } from '../host/mproxy_fixtures/issuer.ts'
import { type Broker, startBroker } from '../host/mproxy_fixtures/programs.ts'
import { median, statOf } from '../measure/process_stat.ts'
import { percentile } from './load.ts'
import { type Identity, openMany } from './mproxy/clients.ts'
import { DIRECT, type Door, memoryNow, OURS, openDoors, RELAY } from './mproxy/doors.ts'
import { type Place, ROWS, type Row } from './mproxy/rows.ts'
import type { Options } from './oauth.ts'

/** As many as a row needs, and as sessions that wait. */
const IDLE_SESSIONS = 9000

type Mint = (sub: string, rules: number) => string

const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Signs tokens as fast as the machine can, with a key that the issuer publishes. */
async function minter(issuer: TestIssuer): Promise<Mint> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const jwk = { ...(await exportJWK(publicKey)), kid: 'bench', alg: 'ES256', use: 'sig' }
  const key = await importPKCS8(pem, 'ES256')
  issuer.keys = [{ kid: 'bench', alg: 'ES256', privateKey: key, jwk }]
  const header = base64url({ alg: 'ES256', typ: 'at+jwt', kid: 'bench' })
  const from = Math.floor(Date.now() / 1000) - 5
  let serial = 0
  return (sub, rules) => {
    const acl = Array.from({ length: rules - 1 }, (_, i) => {
      return { permission: 'allow', action: 'all', topic: `n/${i}/+/state` }
    })
    acl.push({ permission: 'allow', action: 'all', topic: 'm/#' })
    const jti = `bench.${++serial}`
    const claims = { iss: issuer.url, sub, client_id: sub, aud: audience, jti, acl }
    const text = `${header}.${base64url({ ...claims, iat: from, exp: from + 7200 })}`
    const signature = sign('sha256', Buffer.from(text), {
      key: privateKey,
      dsaEncoding: 'ieee-p1363',
    })
    return `${text}.${signature.toString('base64url')}`
  }
}

type Figures = { rate: number[]; cpu: number[]; p50: number[]; p99: number[]; load: number[] }

async function measureRow(
  row: Row,
  doors: readonly Door[],
  placeOf: (door: Door) => Place,
  { rounds, seconds }: Options,
): Promise<Map<string, Figures>> {
  const figures = new Map<string, Figures>()
  const prepared = []
  for (const door of doors) {
    prepared.push({ door, row: await row.prepare(placeOf(door)) })
    figures.set(door.name, { rate: [], cpu: [], p50: [], p99: [], load: [] })
  }
  for (const { row } of prepared) await row.run(Math.min(1, seconds))
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? prepared : prepared.toReversed()
    for (const { door, row } of order) {
      const cpuOf = () => (door.pid === null ? 0 : statOf(door.pid).cpu)
      const own = process.cpuUsage()
      const before = cpuOf()
      const { count, seconds: taken, latencies = [] } = await row.run(seconds)
      const used = cpuOf() - before
      const { user, system } = process.cpuUsage(own)
      const of = figures.get(door.name)
      of?.rate.push(count / taken)
      of?.cpu.push((used * 1000) / count)
      of?.load.push((user + system) / count)
      if (latencies.length > 0) {
        of?.p50.push(percentile(latencies, 0.5))
        of?.p99.push(percentile(latencies, 0.99))
      }
    }
  }
  for (const { row } of prepared) row.close()
  return figures
}

const shown = (value: number | undefined, digits: number) =>
  value === undefined || Number.isNaN(value) ? '' : value.toFixed(digits)

function print(row: Row, doors: readonly Door[], figures: ReadonlyMap<string, Figures>): void {
  const relay = figures.get(RELAY)
  for (const { name, pid } of doors) {
    const of = figures.get(name)
    if (of === undefined) continue
    const ratios = (ours: number[], others: number[] | undefined) =>
      median(ours.map((value, round) => value / (others?.[round] ?? Number.NaN)))
    const cells = [
      row.name,
      name,
      shown(median(of.rate), 0),
      pid === null ? '' : shown(median(of.cpu), 2),
      pid === null || name === RELAY ? '' : shown(ratios(of.cpu, relay?.cpu), 2),
      name === RELAY ? '' : shown(ratios(of.rate, relay?.rate), 2),
      of.p50.length === 0 ? '' : shown(median(of.p50), 2),
      of.p99.length === 0 ? '' : shown(median(of.p99), 2),
      shown(median(of.load), 2),
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
}

/** Bytes of memory for each session that only waits, by what the process has now. */
async function measureIdle(doors: readonly Door[], identities: readonly Identity[]): Promise<void> {
  console.log('| idle sessions | at start, MB | KB for each |\n| --- | --- | --- |')
  for (const { name, port, pid } of doors) {
    if (pid === null) continue
    const before = memoryNow(pid)
    const clients = await openMany(port, identities)
    await new Promise((resolve) => setTimeout(resolve, 2000))
    const each = (memoryNow(pid) - before) / clients.length / 1024
    console.log(`| ${name} | ${shown(before / 1024 / 1024, 0)} | ${shown(each, 1)} |`)
    for (const client of clients) client.close()
    await new Promise((resolve) => setTimeout(resolve, 2000))
  }
  console.log()
}

export async function benchMproxy(options: Options): Promise<void> {
  const [cpu] = cpus()
  console.log(`Node ${process.version}, ${cpus().length} x ${cpu?.model}\n`)
  const issuer = await startIssuer()
  const mint = await minter(issuer)
  const broker: Broker = await startBroker()
  const doors: Door[] = []
  try {
    doors.push(...(await openDoors(broker, issuer, options.against)))
    const identities = Array.from({ length: IDLE_SESSIONS }, (_, i) => {
      const clientId = `dev-${String(i).padStart(5, '0')}`
      return { clientId, token: mint(clientId, 20) }
    })
    const only = options.only ?? ''
    if ('idle sessions'.includes(only)) await measureIdle(doors, identities)
    let serial = 0
    const placeOf = (door: Door): Place => {
      const brokerPort = broker.port
      const at = doors.indexOf(door)
      // Doors have the same broker, where a client id is one session.
      const own = identities.slice(at * 600, (at + 1) * 600)
      const freshIdentity = () => {
        const clientId = `new-${++serial}`
        return { clientId, token: mint(clientId, 20) }
      }
      return { port: door.port, brokerPort, identities: own, freshIdentity }
    }
    console.log(
      '| row | door | a second | CPU µs each | CPU to relay | rate to relay | p50 ms | p99 ms | load µs |',
    )
    console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- |')
    for (const row of ROWS) {
      if (!row.name.includes(only)) continue
      print(row, doors, await measureRow(row, doors, placeOf, options))
    }
    console.log(`\n"load" is the CPU of the generator; ${DIRECT} shows what it reaches alone.`)
    console.log(`${OURS} has 20 rules for each client, of which the last matches.`)
  } finally {
    for (const door of doors) await door.stop()
    await broker.stop()
    await issuer.stop()
  }
}
