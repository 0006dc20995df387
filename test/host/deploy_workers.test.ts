// A deployment to Workers as docs/deploy_workers.md says, as far as it goes without an account: both
// environments of wrangler.toml in workerd, over a remote database that the command line set up.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findFreePort } from '../../worker/entry/broker/free_port.ts'
import { serveHrana } from '../../worker/entry/hrana/hrana.ts'
import { ENVIRONMENT } from '../support/environment.ts'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'
import { type Program, run, runCli } from './programs.ts'

const PAGE = readFileSync(join(ROOT, 'docs/deploy_workers.md'), 'utf8')
const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js')
const ISSUER = 'https://id.example.com'

const wrangler = (args: readonly string[]): Program =>
  run(process.execPath, [WRANGLER, ...args], {
    cwd: ROOT,
    env: { WRANGLER_SEND_METRICS: 'false' },
  })

const folder = temporaryFolder()
const programs: Program[] = []
let database: Awaited<ReturnType<typeof serveHrana>>

beforeAll(async () => {
  database = await serveHrana({ file: join(folder.path, 'remote.db') })
})
afterAll(async () => {
  await Promise.all(programs.map((program) => program.stop()))
  await database.close()
  folder.remove()
})

/** The command line on the remote database, from a machine without SECRET_KEY. */
const allauth = (...args: string[]) =>
  runCli(args, folder.path, { ISSUER, DATABASE_URL: database.url })

/** Starts an environment of wrangler.toml with these secrets; answers where it listens. */
async function deploy(environment: string, secrets: Record<string, string>): Promise<string> {
  const file = join(folder.path, `${environment}.${programs.length}.secrets`)
  const lines = Object.entries(secrets).map(([name, value]) => `${name}="${value}"\n`)
  writeFileSync(file, lines.join(''))
  const port = String(await findFreePort())
  const listen = ['--ip', '127.0.0.1', '--port', port, '--inspector-port', '0']
  const program = wrangler(['dev', '--env', environment, ...listen, '--env-file', file])
  programs.push(program)
  await program.printed(/Ready on/, 60)
  return `http://127.0.0.1:${port}`
}

const statusOf = async (url: string) => (await fetch(url, { redirect: 'manual' })).status

describe('step by step', () => {
  let link: URL

  test('the database is migrated and an operator invited from a machine without SECRET_KEY', async () => {
    const first = await allauth('migrate')
    expect(first.code, first.output).toBe(0)
    expect(first.output).toContain('applied 0001_')
    expect((await allauth('migrate')).output.trim()).toBe('no changes')
    const invited = await allauth('setup-link')
    expect(invited.code, invited.output).toBe(0)
    link = new URL(invited.output.trim())
    expect(link.origin + link.pathname).toBe(`${ISSUER}/setup`)
  })

  test('the public Worker is ready, takes the link, and has no API of operators', async () => {
    const { SECRET_KEY } = ENVIRONMENT
    const origin = await deploy('public', { SECRET_KEY, DATABASE_URL: database.url })
    expect(await (await fetch(`${origin}/readyz`)).json()).toEqual({ status: 'ok' })
    const metadata = await fetch(`${origin}/.well-known/openid-configuration`)
    expect(await metadata.json()).toMatchObject({ issuer: ISSUER })
    const page = await fetch(`${origin}/setup${link.search}`)
    expect(page.status).toBe(200)
    expect(page.headers.get('strict-transport-security')).toBeTruthy()
    expect(await page.text()).toContain('name="password"')
    for (const path of ['/v1/users', '/openapi.json', '/console/']) {
      expect(await statusOf(origin + path), path).toBe(404)
    }
  }, 90_000)

  test('the internal Worker has the API and the console, and no page of people', async () => {
    const { SECRET_KEY } = ENVIRONMENT
    const origin = await deploy('internal', { SECRET_KEY, DATABASE_URL: database.url })
    expect(await statusOf(`${origin}/readyz`)).toBe(200)
    expect(await statusOf(`${origin}/v1/users`)).toBe(401)
    expect(await statusOf(`${origin}/openapi.json`)).toBe(200)
    expect(await statusOf(`${origin}/console/`)).toBe(200)
    for (const path of ['/login', '/setup', '/oauth/token', '/account']) {
      expect(await statusOf(origin + path), path).toBe(404)
    }
  }, 90_000)

  test('a Worker without secrets answers 503, and one line of its log names them all', async () => {
    const origin = await deploy('public', {})
    expect(await statusOf(`${origin}/readyz`)).toBe(503)
    const [line = ''] = await (programs.at(-1) as Program).printed(/.*environment is faulty.*/)
    expect(line).toContain('SECRET_KEY is missing')
    expect(line).toContain('DATABASE_URL is missing')
    expect(line).not.toContain('ISSUER')
  }, 90_000)
})

test.each(['public', 'internal'])(
  'the environment %s is bundled, with its files',
  async (name) => {
    expect(PAGE).toContain(`npm run deploy -- --env ${name} --dry-run`)
    const program = wrangler(['deploy', '--env', name, '--dry-run', '--outdir', folder.path])
    expect(await program.exit, program.output()).toBe(0)
    expect(program.output()).toContain('env.ASSETS')
    expect(program.output()).toContain(`env.SURFACE ("${name}")`)
    expect(program.output()).toContain(`env.ISSUER ("${ISSUER}")`)
    expect(program.output()).not.toMatch(/WARNING|local/)
  },
  60_000,
)
