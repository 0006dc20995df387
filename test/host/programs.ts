// Starting our own programs in tests: each in a folder of its own, on free ports, stopped by
// process id.
import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findFreePort } from '../../worker/entry/broker/free_port.ts'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'

/** Programs are started by the dozen: what Node compiled is kept, beside npm's modules. */
const COMPILE_CACHE = join(ROOT, 'node_modules/.cache/node')

export type Program = {
  process: ChildProcess
  /** All it has printed so far, standard output and error together. */
  output(): string
  /**
   * Resolves with the match once the output has it; rejects when the program ends or time is up.
   */
  printed(pattern: RegExp, seconds?: number): Promise<RegExpExecArray>
  exit: Promise<number | null>
  /** SIGTERM, and SIGKILL for it and all it started when it does not heed that. */
  stop(): Promise<number | null>
}

/**
 * The environment without any variable of this project, so that the settings of a developer do not
 * reach the tests.
 */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const ours =
    /^(ISSUER|HOST|PORT|DATABASE_|SECRET_KEY|BLUEPRINT|ADMIN_|SURFACE|TRUSTED_PROXY|MTLS|CLIENT_CERTIFICATE_|EMAIL_|MQTT_|JWKS_URI|METRICS_|STATE_DIR|VITEST|NODE_OPTIONS|NODE_ENV)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)))
}

export function run(
  command: string,
  args: readonly string[],
  options: { cwd: string; env?: Record<string, string> },
): Program {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...cleanEnvironment(), NODE_COMPILE_CACHE: COMPILE_CACHE, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that nothing it started can be left behind.
    detached: true,
  })
  let text = ''
  const listeners = new Set<() => void>()
  const take = (chunk: Buffer) => {
    text += chunk.toString()
    for (const listener of listeners) listener()
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  const exit = new Promise<number | null>((done) => {
    child.once('error', (error) => {
      text += String(error)
      done(null)
    })
    child.once('close', (code) => done(code))
  })
  return {
    process: child,
    output: () => text,
    exit,
    printed: (pattern, seconds = 30) =>
      new Promise((done, failed) => {
        const look = () => {
          const match = pattern.exec(text)
          if (match === null) return
          finish()
          done(match)
        }
        const fail = (why: string) => () => {
          finish()
          failed(new Error(`${why} before ${pattern} was printed. Output:\n${text}`))
        }
        const timer = setTimeout(fail(`${seconds} s passed`), seconds * 1000)
        const finish = () => {
          clearTimeout(timer)
          listeners.delete(look)
        }
        listeners.add(look)
        void exit.then(fail('it ended'))
        look()
      }),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return exit
      child.kill('SIGTERM')
      const timer = setTimeout(() => process.kill(-(child.pid ?? 0), 'SIGKILL'), 20_000)
      const code = await exit
      clearTimeout(timer)
      return code
    },
  }
}

export const RUNTIMES = ['node', 'deno', 'bun', 'workerd'] as const
export type Runtime = (typeof RUNTIMES)[number]

const binary = (name: string) => join(ROOT, 'node_modules/.bin', name)

const COMMANDS: Record<Exclude<Runtime, 'workerd'>, [string, ...string[]]> = {
  // The flag of `npm run worker`.
  node: [process.execPath, '--max-semi-space-size=4', join(ROOT, 'worker/entry/node.ts')],
  deno: [
    binary('deno'),
    'run',
    '-A',
    '--node-modules-dir=manual',
    join(ROOT, 'worker/entry/deno.ts'),
  ],
  bun: [binary('bun'), join(ROOT, 'worker/entry/bun.ts')],
}

export type RunningWorker = Program & { issuer: string; folder: string; databaseUrl: string }

/**
 * Starts the worker on a runtime with a fresh database and a blueprint, and waits until it answers.
 */
export async function startWorkerOn(
  runtime: Runtime,
  blueprint: object,
  env: Record<string, string> = {},
  tree = ROOT,
  /** Of the issuer, such as `/auth`. */
  path = '',
): Promise<RunningWorker> {
  const folder = temporaryFolder()
  const port = await findFreePort()
  const issuer = `http://localhost:${port}${path}`
  const file = join(folder.path, 'blueprint.json')
  writeFileSync(file, JSON.stringify(blueprint))
  const settings = { PORT: String(port), ISSUER: issuer, ...env }
  let program: Program
  let databaseUrl = `file:${join(folder.path, '.allauth/allauth.db')}`
  if (runtime === 'workerd') {
    // The command of `npm run dev`. workerd reads no files, so the blueprint goes in by the command
    // line.
    program = run(process.execPath, [join(ROOT, 'worker/entry/dev.ts')], {
      cwd: ROOT,
      env: { ...settings, ALLAUTH_FOLDER: join(folder.path, '.allauth') },
    })
    const [, url = ''] = await program.printed(/endpoint of development is (http:\S+);/)
    databaseUrl = url
    const applied = await runCli(['apply', file], folder.path, { ...settings, DATABASE_URL: url })
    if (applied.code !== 0) throw new Error(applied.output)
    await program.printed(/Ready on/, 60)
  } else {
    const [command, ...args] = COMMANDS[runtime].map((part) => part.replace(ROOT, tree))
    program = run(command ?? '', args, { cwd: folder.path, env: { ...settings, BLUEPRINT: file } })
    await program.printed(/listens on/, 60)
  }
  const stop = async () => {
    const code = await program.stop()
    folder.remove()
    return code
  }
  return { ...program, stop, issuer, folder: folder.path, databaseUrl }
}

/** Runs a command of the command line to its end. */
export async function runCli(
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<{ code: number | null; output: string }> {
  const program = run(process.execPath, [join(ROOT, 'worker/entry/cli.ts'), ...args], { cwd, env })
  const code = await program.exit
  return { code, output: program.output() }
}
