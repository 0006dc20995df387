// `npm run bench -- oauth`: this server beside oidc-provider and better-auth, all on Node over a
// SQLite or libSQL file whose commits are on disk when they are answered. One run, alternating: in
// each round every server has its turn in every row, and the order changes. Then the CPU time of a
// request in workerd and on Node.

import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import * as oauth from 'oauth4webapi'
import { discover, FormBrowser } from '../host/black_box.ts'
import { type RunningWorker, startWorkerOn } from '../host/programs.ts'
import { median, servingProcess, statOf } from '../measure/process_stat.ts'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'
import { clientOfRow, load, percentile, ROWS, type Row, type Target } from './load.ts'

const CONNECTIONS = 64
export const PEERS = join(ROOT, 'test/bench/peers')

export type Options = {
  rounds: number
  seconds: number
  against?: string | undefined
  /** A folder in which the fleets of the registry stay. */
  keep?: string | undefined
  /** Words of the rows of mProxy that are run. */
  only?: string | undefined
}

const OURS = 'AllAuth'

const KEPT =
  'nothing, as the token is kept and was used within the hour; signs a JWT (ES256) and an ID token'
const PEER_KEPT =
  'nothing, as the token is kept (not its default); signs a JWT (ES256) and an ID token'
const PEER_STORED = 'the access token (opaque), 1 commit; signs an ID token; refresh token kept'

/**
 * The rows that each stores for one request, shown beside the figures; null where it has no part in
 * a row. A JWT cannot be introspected at oidc-provider.
 */
const STORES: Record<string, Record<Row, string | null>> = {
  [OURS]: {
    client_credentials: 'nothing: the token is a JWT (ES256)',
    'refresh_token, RS256': KEPT,
    'refresh_token, ES256': KEPT,
    introspection: 'nothing; signature and state are looked at',
  },
  'oidc-provider, JWT': {
    client_credentials: 'nothing: the token is a JWT (ES256)',
    'refresh_token, RS256': PEER_KEPT,
    'refresh_token, ES256': PEER_KEPT,
    introspection: null,
  },
  'oidc-provider': {
    client_credentials: 'the access token (opaque), 1 commit',
    'refresh_token, RS256': PEER_STORED,
    'refresh_token, ES256': PEER_STORED,
    introspection: 'nothing; the token is a row',
  },
  'better-auth': {
    client_credentials: 'the access token (opaque), 1 commit',
    'refresh_token, RS256': 'access token and the next refresh token (always rotates); ID token',
    'refresh_token, ES256': null,
    introspection: 'nothing; the token is a row',
  },
}

const PEER_PROGRAMS = [
  ['oidc-provider, JWT', 'oidc_provider.mjs', 'jwt'],
  ['oidc-provider', 'oidc_provider.mjs', 'opaque'],
  ['better-auth', 'better_auth.mjs', ''],
] as const

const PASSWORD = 'four words nobody knows'
const SECRET = 'bench-secret-of-at-least-32-characters-01'
const REDIRECT = 'https://app.example/callback'

export const BLUEPRINT = {
  users: [{ email: 'ann@example.com', password: PASSWORD, email_verified: true }],
  clients: (['RS256', 'ES256'] as const).map((alg) => ({
    client_id: `bench-${alg}`,
    client_secret: SECRET,
    first_party: true,
    redirect_uris: [REDIRECT],
    grant_types: ['client_credentials', 'authorization_code', 'refresh_token'],
    scope: 'openid offline_access api',
    id_token_signed_response_alg: alg,
  })),
}

/**
 * Our server as a target: each refresh token is from a code flow of its own, through the login
 * page.
 */
export async function targetOf(worker: RunningWorker): Promise<Target> {
  const as = await discover(worker.issuer)
  const clients = { RS256: await clientAt(as, 'RS256'), ES256: await clientAt(as, 'ES256') }
  const paths = { token: as.token_endpoint ?? '', introspect: as.introspection_endpoint ?? '' }
  return { paths, scope: 'api', clients }
}

async function clientAt(as: oauth.AuthorizationServer, alg: 'RS256' | 'ES256') {
  const client: oauth.Client = { client_id: `bench-${alg}`, id_token_signed_response_alg: alg }
  const insecure = { [oauth.allowInsecureRequests]: true }
  const browser = new FormBrowser()
  const refresh_tokens: string[] = []
  while (refresh_tokens.length < CONNECTIONS) {
    const verifier = oauth.generateRandomCodeVerifier()
    const start = new URL(as.authorization_endpoint ?? '')
    start.search = new URLSearchParams({
      client_id: client.client_id,
      redirect_uri: REDIRECT,
      response_type: 'code',
      scope: 'openid offline_access',
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    }).toString()
    let page = await browser.follow(start.href)
    if (page.html !== null) {
      const typed = { username: 'ann@example.com', password: PASSWORD, action: 'login' }
      page = await browser.submit(page, typed)
    }
    const parameters = oauth.validateAuthResponse(as, client, page.url, oauth.expectNoState)
    const secret = oauth.ClientSecretBasic(SECRET)
    const answer = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      secret,
      parameters,
      REDIRECT,
      verifier,
      insecure,
    )
    const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer)
    refresh_tokens.push(tokens.refresh_token ?? '')
  }
  return { authorization: `Basic ${btoa(`${client.client_id}:${SECRET}`)}`, refresh_tokens }
}

async function startPeer(script: string, file: string, format: string) {
  const child: ChildProcess = fork(join(PEERS, script), [file, String(CONNECTIONS), format], {
    execArgv: [],
    cwd: PEERS,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const target = await new Promise<Target>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Target))
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code}`)))
  })
  return { target, pid: child.pid ?? 0, stop: async () => void child.kill() }
}

const takesPart = ({ name, target }: { name: string; target: Target }, row: Row): boolean =>
  clientOfRow(target, row) !== null && STORES[name]?.[row] !== null

export function installPeers(): void {
  if (existsSync(join(PEERS, 'node_modules/oidc-provider'))) return
  console.log('Installing the peers (oidc-provider, better-auth) from npm ...')
  const options = { cwd: PEERS, stdio: 'inherit' } as const
  const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund'], options)
  if (status !== 0) throw new Error(`npm install in ${PEERS} failed: the benchmark needs its peers`)
}

export async function benchOauth({ rounds, seconds, against }: Options): Promise<void> {
  if (against === undefined) installPeers()
  const folder = temporaryFolder()
  const stops: (() => Promise<unknown>)[] = []
  try {
    const node = await startWorkerOn('node', BLUEPRINT)
    stops.push(node.stop)
    const ours = { name: OURS, target: await targetOf(node), pid: node.process.pid ?? 0 }
    const servers = [ours]
    if (against !== undefined) {
      const before = await startWorkerOn('node', BLUEPRINT, {}, `${resolve(against)}/`)
      stops.push(before.stop)
      const target = await targetOf(before)
      servers.push({ name: 'before', target, pid: before.process.pid ?? 0 })
    }
    for (const [name, script, format] of against === undefined ? PEER_PROGRAMS : []) {
      const peer = await startPeer(script, join(folder.path, `${name}.db`), format)
      stops.push(peer.stop)
      servers.push({ name, ...peer })
    }

    const [cpu] = cpus()
    console.log(
      `${rounds} rounds of ${seconds} s for each server and row, ${CONNECTIONS} connections, Node ${process.version}, ${cpus().length} x ${cpu?.model}\n`,
    )
    type Figure = { rate: number; p50: number; p99: number; cpu: number }
    const figures = new Map<string, Figure[]>()
    for (const row of ROWS) {
      for (const { target } of servers.filter((one) => takesPart(one, row)))
        await load(target, row, { connections: CONNECTIONS, seconds: 1 })
    }
    for (let round = 0; round < rounds; round++) {
      for (const row of ROWS) {
        for (let i = 0; i < servers.length; i++) {
          const server = servers[(i + round) % servers.length]
          if (server === undefined || !takesPart(server, row)) continue
          const before = statOf(server.pid).cpu
          const measured = await load(server.target, row, { connections: CONNECTIONS, seconds })
          const figure = {
            rate: measured.requests / measured.seconds,
            p50: percentile(measured.latencies, 0.5),
            p99: percentile(measured.latencies, 0.99),
            cpu: (statOf(server.pid).cpu - before) / measured.requests,
          }
          const key = `${row} ${server.name}`
          figures.set(key, [...(figures.get(key) ?? []), figure])
        }
      }
    }

    console.log(
      '| row | server | requests/s | p50 ms | p99 ms | p99/p50 | CPU ms/request | ratio |',
    )
    console.log('| --- | --- | --- | --- | --- | --- | --- | --- |')
    for (const row of ROWS) {
      const all = (name: string, value: (figure: Figure, i: number) => number) =>
        (figures.get(`${row} ${name}`) ?? []).map(value)
      for (const { name } of servers.filter((one) => takesPart(one, row))) {
        const middle = (value: (figure: Figure, i: number) => number) => median(all(name, value))
        // Rounds are compared pairwise, so that what slows the machine slows both.
        const own = figures.get(`${row} ${OURS}`) ?? []
        const ratio = median(all(name, (figure, i) => (own[i]?.rate ?? 0) / figure.rate))
        const [rate, p50, p99, cost] = [
          middle((f) => f.rate),
          middle((f) => f.p50),
          middle((f) => f.p99),
          middle((f) => f.cpu),
        ]
        console.log(
          `| ${row} | ${name} | ${rate.toFixed(0)} | ${p50.toFixed(1)} | ${p99.toFixed(1)} | ${middle((f) => f.p99 / f.p50).toFixed(1)} | ${cost.toFixed(2)} | ${name === OURS ? '' : `${OURS} is ${ratio.toFixed(2)} times as fast`} |`,
        )
      }
    }
    if (against !== undefined) return
    console.log('\n| row | server | stores |\n| --- | --- | --- |')
    for (const row of ROWS) {
      for (const { name } of servers.filter((one) => takesPart(one, row)))
        console.log(`| ${row} | ${name} | ${STORES[name]?.[row]} |`)
    }
    for (const stop of stops.splice(0)) await stop()
    await measureWorkerd({ rounds, stops })
  } finally {
    for (const stop of stops) await stop()
    folder.remove()
  }
}

/**
 * CPU per request in workerd (wrangler's development mode; the database is another process) and on
 * Node.
 */
async function measureWorkerd({
  rounds,
  stops,
}: {
  rounds: number
  stops: (() => Promise<unknown>)[]
}): Promise<void> {
  const hosts = []
  for (const runtime of ['workerd', 'node'] as const) {
    const worker = await startWorkerOn(runtime, BLUEPRINT)
    stops.push(worker.stop)
    const target = await targetOf(worker)
    const pid = worker.process.pid ?? 0
    hosts.push({
      runtime,
      target,
      pid: runtime === 'workerd' ? servingProcess(pid, 'workerd') : pid,
    })
  }
  const costs = new Map<string, number[]>()
  for (let round = 0; round < rounds; round++) {
    for (const row of ROWS) {
      for (const { runtime, target, pid } of hosts) {
        const before = statOf(pid).cpu
        const { requests } = await load(target, row, { connections: 16, seconds: 2 })
        const cost = (statOf(pid).cpu - before) / requests
        const key = `${row} ${runtime}`
        costs.set(key, [...(costs.get(key) ?? []), cost])
      }
    }
  }
  console.log('\n| row | CPU ms/request in workerd | on Node |\n| --- | --- | --- |')
  for (const row of ROWS) {
    const of = (runtime: string) => median(costs.get(`${row} ${runtime}`) ?? []).toFixed(2)
    console.log(`| ${row} | ${of('workerd')} | ${of('node')} |`)
  }
}
