// `npm run bench -- identity`: sign-in with a password and the check of a session, this server
// beside better-auth, both on Node over a SQLite or libSQL file whose commits are on disk when they
// are answered, with the same hash by the same module. One run, alternating. Then the times of
// requests about accounts that are there and about such that are not, which must not differ.
import { type ChildProcess, fork } from 'node:child_process'
import { Agent } from 'node:http'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FormBrowser } from '../host/black_box.ts'
import { startWorkerOn } from '../host/programs.ts'
import { median, statOf } from '../measure/process_stat.ts'
import { temporaryFolder } from '../support/folder.ts'
import { percentile } from './load.ts'
import { installPeers, type Options, PEERS } from './oauth.ts'
import { type Prepared, repeat, send } from './requests.ts'

const OURS = 'AllAuth'
const PEER = 'better-auth'
const EMAIL = 'ann@example.com'
const PASSWORD = 'four words nobody knows'

/** Accounts of which each is asked about once: a mailbox gets few mails in a window. */
const ACCOUNTS = 60

const ROWS = ['sign-in', 'session check'] as const
type Row = (typeof ROWS)[number]

/** Hashing has one core, so more would only wait; a look at a session is short. */
const CONNECTIONS: Record<Row, number> = { 'sign-in': 8, 'session check': 64 }

/** The work of one request, shown beside the figures. */
const DOES: Record<string, Record<Row, string>> = {
  [OURS]: {
    'sign-in':
      'argon2id; counts and gives back the attempt; stores session, known browser and event: 2 commits',
    'session check': 'reads session and person; a page that says who it is (`GET /logout`)',
  },
  [PEER]: {
    'sign-in': 'argon2id; stores the session: 1 commit',
    'session check': 'reads session and person; JSON that says who it is (`/get-session`)',
  },
}

const BLUEPRINT = {
  settings: {
    // All that is measured comes from one address, and most of it is about one account.
    login_attempts_per_account: 1000,
    login_attempts_per_address: 100_000,
    sign_in_links: 'on',
  },
  users: [
    { email: EMAIL, password: PASSWORD, email_verified: true },
    ...Array.from({ length: ACCOUNTS }, (_, i) => ({
      email: there(i),
      password: PASSWORD,
      email_verified: true,
    })),
  ],
}

function there(i: number): string {
  return `person-${i}@example.com`
}

const notThere = (i: number): string => `nobody-${i}@example.com`

type Server = { name: string; pid: number; rows: Record<Row, Prepared> }

const cookieOf = (browser: FormBrowser) =>
  [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')

/** The form of a page as a browser sends it, with what is typed. */
async function formAt(issuer: string, path: string, typed: Record<string, string>) {
  const browser = new FormBrowser()
  const { html } = await browser.follow(`${issuer}${path}`)
  const csrf = /name="csrf" value="([^"]*)"/.exec(html ?? '')?.[1] ?? ''
  return (more: Record<string, string>, status: number, shows = ''): Prepared => ({
    url: `${issuer}${path}`,
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      cookie: cookieOf(browser),
      origin: new URL(issuer).origin,
    },
    body: new URLSearchParams({ csrf, ...typed, ...more }).toString(),
    status,
    shows,
  })
}

async function ourRows(issuer: string): Promise<Record<Row, Prepared>> {
  const login = await formAt(issuer, '/login', { action: 'login' })
  const browser = new FormBrowser()
  const typed = { username: EMAIL, password: PASSWORD, action: 'login' }
  await browser.submit(await browser.follow(`${issuer}/login`), typed)
  return {
    'sign-in': login(typed, 303),
    'session check': {
      url: `${issuer}/logout`,
      method: 'GET',
      headers: { cookie: cookieOf(browser) },
      body: '',
      status: 200,
      shows: EMAIL,
    },
  }
}

async function peerRows(origin: string): Promise<Record<Row, Prepared>> {
  const signIn: Prepared = {
    url: `${origin}/api/auth/sign-in/email`,
    method: 'POST',
    headers: { 'content-type': 'application/json', origin },
    body: JSON.stringify({ email: EMAIL, password: PASSWORD }),
    status: 200,
    shows: '"token"',
  }
  const { url, method, headers, body } = signIn
  const answer = await fetch(url, { method, headers, body })
  const cookie = answer.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ')
  return {
    'sign-in': signIn,
    'session check': {
      url: `${origin}/api/auth/get-session`,
      method: 'GET',
      headers: { cookie },
      body: '',
      status: 200,
      shows: EMAIL,
    },
  }
}

async function startPeer(file: string) {
  const wasm = fileURLToPath(import.meta.resolve('@phi-ag/argon2/argon2.wasm'))
  const script = 'better_auth_identity.mjs'
  const child: ChildProcess = fork(join(PEERS, script), [file, wasm, EMAIL, PASSWORD], {
    execArgv: [],
    cwd: PEERS,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const origin = await new Promise<string>((resolve, reject) => {
    child.once('message', (message) => resolve((message as { origin: string }).origin))
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code}`)))
  })
  return { origin, pid: child.pid ?? 0, stop: async () => void child.kill() }
}

export async function benchIdentity({ rounds, seconds, against }: Options): Promise<void> {
  if (against !== undefined) throw new Error('identity is measured beside its peer alone')
  installPeers()
  const folder = temporaryFolder()
  const stops: (() => Promise<unknown>)[] = []
  try {
    const worker = await startWorkerOn('node', BLUEPRINT)
    stops.push(worker.stop)
    const peer = await startPeer(join(folder.path, 'better-auth.db'))
    stops.push(peer.stop)
    const servers: Server[] = [
      { name: OURS, pid: worker.process.pid ?? 0, rows: await ourRows(worker.issuer) },
      { name: PEER, pid: peer.pid, rows: await peerRows(peer.origin) },
    ]
    const [cpu] = cpus()
    console.log(
      `${rounds} rounds of ${seconds} s for each server and row, Node ${process.version}, ${cpus().length} x ${cpu?.model}\n`,
    )
    await compare(servers, { rounds, seconds })
    await peer.stop()
    await compareAccounts(worker.issuer)
  } finally {
    for (const stop of stops) await stop()
    folder.remove()
  }
}

async function compare(
  servers: readonly Server[],
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<void> {
  type Figure = { rate: number; p50: number; p99: number; cpu: number }
  const figures = new Map<string, Figure[]>()
  const of = (row: Row, name: string) => figures.get(`${row} ${name}`) ?? []
  for (const row of ROWS) {
    for (const { rows } of servers) {
      await repeat(rows[row], { connections: CONNECTIONS[row], seconds: 1 })
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const row of ROWS) {
      for (const { name, pid, rows } of round % 2 === 0 ? servers : servers.toReversed()) {
        const before = statOf(pid).cpu
        const measured = await repeat(rows[row], { connections: CONNECTIONS[row], seconds })
        const figure = {
          rate: measured.requests / measured.seconds,
          p50: percentile(measured.latencies, 0.5),
          p99: percentile(measured.latencies, 0.99),
          cpu: (statOf(pid).cpu - before) / measured.requests,
        }
        figures.set(`${row} ${name}`, [...of(row, name), figure])
      }
    }
  }
  console.log('| row | server | requests/s | p50 ms | p99 ms | CPU ms/request | ratio | does |')
  console.log('| --- | --- | --- | --- | --- | --- | --- | --- |')
  for (const row of ROWS) {
    const own = of(row, OURS)
    for (const { name } of servers) {
      const all = of(row, name)
      const middle = (value: (figure: Figure) => number, digits: number) =>
        median(all.map(value)).toFixed(digits)
      // Rounds are compared pairwise, so that what slows the machine slows both.
      const ratio = median(all.map(({ rate }, i) => (own[i]?.rate ?? 0) / rate)).toFixed(2)
      const cells = [
        row,
        name,
        middle((f) => f.rate, 0),
        middle((f) => f.p50, 1),
        middle((f) => f.p99, 1),
        middle((f) => f.cpu, 2),
        name === OURS ? '' : `${OURS} is ${ratio} times as fast`,
        DOES[name]?.[row] ?? '',
      ]
      console.log(`| ${cells.join(' | ')} |`)
    }
  }
}

/**
 * One request after the other, in turn about an account that is there and about one that is not.
 */
async function compareAccounts(issuer: string): Promise<void> {
  const login = await formAt(issuer, '/login', { action: 'login', password: 'not the password' })
  const recovery = await formAt(issuer, '/recover', { action: 'send' })
  const link = await formAt(issuer, '/login/link', { action: 'send' })
  const forms: readonly [string, (email: string) => Prepared][] = [
    ['sign-in with a wrong password', (username) => login({ username }, 403)],
    ['recovery', (email) => recovery({ email }, 200)],
    ['sign-in link', (email) => link({ email }, 200)],
  ]
  console.log('\n| request | account is there, ms | is not, ms | ratio of the medians |')
  console.log('| --- | --- | --- | --- |')
  for (const [name, prepare] of forms) {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const times = { there: [] as number[], not: [] as number[] }
    for (let i = 0; i < ACCOUNTS; i++) {
      const pair = [
        ['there', there(i)],
        ['not', notThere(i)],
      ] as const
      for (const [which, email] of i % 2 === 0 ? pair : pair.toReversed()) {
        const prepared = prepare(email)
        const at = performance.now()
        await send(agent, prepared)
        times[which].push(performance.now() - at)
        // Mails are written on behind the answer.
        await new Promise((done) => setTimeout(done, 20))
      }
    }
    agent.destroy()
    const [known, unknown] = [median(times.there), median(times.not)]
    const cells = [name, known.toFixed(2), unknown.toFixed(2), (known / unknown).toFixed(3)]
    console.log(`| ${cells.join(' | ')} |`)
  }
}
