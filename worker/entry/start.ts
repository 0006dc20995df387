// `npm start`: the whole system on one machine. Starts a broker (unless MQTT_UPSTREAM names one),
// the worker on Node and mProxy, each in a process of its own. Prints the address to open and the
// next command, and stops them together. Spawns processes and imports neither the worker nor
// mProxy.
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startBroker } from './broker/broker.ts'
import { clientIdRule } from './broker/client_id_rule.ts'
import { hostFolder, stateFolderOf } from './broker/host_folder.ts'
import { reportsSecret } from './broker/reports_secret.ts'

type Started = { name: string; process: ChildProcess }
const started: Started[] = []
let stopping: Promise<never> | null = null

/** Stops all programs, last first: mProxy drains before its broker goes. */
function stop(code: number): Promise<never> {
  stopping ??= (async () => {
    for (const { process: child } of started.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const exit = new Promise((done) => child.once('exit', done))
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 12_000)
      await exit
      clearTimeout(timer)
    }
    process.exit(code)
  })()
  return stopping
}

function watch(one: Started): void {
  started.push(one)
  one.process.once('exit', (code, signal) => {
    if (stopping !== null) return
    // A child that exits 2 has already printed the remedy.
    if (code !== 2)
      console.error(`${one.name} ended (${signal ?? `code ${code}`}); stopping the rest.`)
    void stop(code === 2 ? 2 : 1)
  })
}

type Ready = { ready: true; port?: number; setup_link?: string | null; ports?: unknown }

/** Starts a program of this project and waits until it is ready. */
function start(name: string, file: string, env: NodeJS.ProcessEnv): Promise<Ready> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), {
    env,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  watch({ name, process: child })
  return new Promise((done) => {
    child.on('message', (message) => {
      if (typeof message === 'object' && message !== null && 'ready' in message)
        done(message as Ready)
    })
  })
}

// npm starts this through a shell, which does not pass on a signal: a killed npm is noticed when
// its process is gone. (Ctrl-C reaches all of them.)
const parent = process.ppid
setInterval(() => {
  if (process.ppid !== parent) void stop(0)
}, 500).unref()
process.on('SIGINT', () => void stop(0))
process.on('SIGTERM', () => void stop(0))

try {
  const env = { ...process.env }
  env['ISSUER'] ??= `http://localhost:${env['PORT'] ?? '8787'}`
  const { rule, keep } = clientIdRule(env)
  const secret = reportsSecret(env)
  if (secret !== undefined) env['REPORTS_CLIENT_SECRET'] = secret
  const worker = await start('the worker', './node.ts', env)
  keep()
  if (rule !== undefined) env['MQTT_CLIENT_ID_RULE'] = rule

  let behind = 'the broker of MQTT_UPSTREAM'
  let speaks5 = true
  if ((env['MQTT_UPSTREAM'] ?? '').trim() === '') {
    const broker = await startBroker(join(hostFolder(env), 'broker'))
    watch({ name: `the broker ${broker.name}`, process: broker.process })
    env['MQTT_UPSTREAM'] = broker.upstream
    behind = broker.name
    speaks5 = broker.speaks5
  }
  env['MQTT_LISTEN'] ??= 'mqtt://127.0.0.1:1883,ws://127.0.0.1:8083/mqtt'
  env['STATE_DIR'] = stateFolderOf(env)
  await start('mProxy', '../../proxy-node/index.ts', env)
  announce(env, worker, behind, speaks5)
  await noteMissingBroker(env)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  await stop(1)
}

/**
 * Warns when the broker of the user is down or its address misspelt; without this only a device
 * would find out.
 */
async function noteMissingBroker(env: NodeJS.ProcessEnv): Promise<void> {
  const metrics = env['METRICS_LISTEN'] ?? '127.0.0.1:9464'
  await new Promise((done) => setTimeout(done, 2000))
  try {
    const answer = await fetch(`http://${metrics}/readyz`, { signal: AbortSignal.timeout(2000) })
    const { broker } = (await answer.json()) as { broker?: boolean }
    if (broker === false) {
      console.error(
        'The broker that MQTT_UPSTREAM names does not answer; until it does, mProxy lets nobody in.',
      )
    }
  } catch {
    // metrics are off, or elsewhere: then there is nothing to ask
  }
}

function announce(env: NodeJS.ProcessEnv, worker: Ready, behind: string, speaks5: boolean): void {
  const issuer = env['ISSUER'] ?? ''
  const listen = (env['MQTT_LISTEN'] ?? '').split(',').map((one) => one.trim())
  const tcp = listen.find((one) => one.startsWith('mqtt://'))
  const url = tcp === undefined ? null : new URL(tcp)
  const port = url === null || url.port === '' ? '1883' : url.port
  const operator = worker.setup_link ?? `${issuer}/login`
  // The command line uses the default issuer; any other has to be named.
  const elsewhere = issuer === 'http://localhost:8787' ? '' : ` --issuer ${issuer}`
  const version = speaks5 ? ' --protocolVersion 5' : ''
  const publish = (topic: string) =>
    `npx mqtt_pub -p ${port} -i lamp-1 -u lamp-1 -P "$TOKEN" -q 1${version} -t ${topic} -m on`
  // MQTT 3.1.1 cannot answer that a publish is refused; it is acknowledged and dropped.
  const outcome = speaks5
    ? 'is refused'
    : 'is refused (with MQTT 3.1.1 silently: the line in the log at the end of the session tells)'
  console.log(`
AllAuth is running. Ctrl-C stops it.

  Open           ${operator}
                 ${worker.setup_link ? 'within an hour, to make the first operator' : 'to sign in'}
  Identity       ${issuer}
  MQTT           ${listen.join('  ')}
                 (mProxy, in front of ${behind})

Next, in another terminal in this folder: a site and a lamp, the lamp's token, and what it may do.

  npm run -s allauth -- apply docs/quickstart.yaml
  npm run -s allauth -- device create lamp-1 --type lamp --group home --key-file lamp-1.key
  TOKEN=$(npm run -s allauth -- device token lamp-1 --key-file lamp-1.key${elsewhere})
  ${publish('sites/home/devices/lamp-1/state')}

Saying nothing, it was accepted. Another lamp's topic ${outcome}:

  ${publish('sites/home/devices/lamp-2/state')}
`)
}
