// Databases for the tests that run inside workerd, which has no files: a control server hands out
// fresh, migrated databases, each behind an endpoint of its own that counts its requests. Most of
// them come with signing keys: making an RSA key takes longer than a whole test, so the keys are
// made once for each run.
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { noParties } from '../worker/context.ts'
import type { Database } from '../worker/db/database.ts'
import { openEmbeddedDatabase } from '../worker/entry/embedded/database.ts'
import { serveHrana } from '../worker/entry/hrana/hrana.ts'
import { migrate, readMigrations } from '../worker/entry/migrate.ts'
import { readEnvironment } from '../worker/environment.ts'
import { signingKeys } from '../worker/keys/signing_keys.ts'
import { guardFetch } from '../worker/outside.ts'
import { findUnprepared, findUnsent, templatesOfStores } from './sql_record.ts'
import { ENVIRONMENT, EPOCH } from './support/environment.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    databaseFarm: string
  }
}

export default async function setup(project: TestProject) {
  const folder = mkdtempSync(join(tmpdir(), 'allauth-farm-'))
  const bare = join(folder, 'bare.db')
  const withKeys = join(folder, 'with_keys.db')
  const migrations = readMigrations(new URL('../migrations/', import.meta.url).pathname)
  for (const template of [bare, withKeys]) {
    const database = await openEmbeddedDatabase(`file:${template}`)
    await migrate(database, migrations)
    if (template === withKeys) await makeKeys(database)
    await database.close()
  }

  const texts = new Set<string>()
  const onStatement = (sql: string) => texts.add(sql)
  const endpoints = new Map<string, Awaited<ReturnType<typeof serveHrana>>>()
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://farm')
    const answer = (value: unknown) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(value))
    }
    const known = endpoints.get(url.searchParams.get('url') ?? '')
    if (url.pathname === '/new') {
      const file = join(folder, `${crypto.randomUUID()}.db`)
      cpSync(url.searchParams.has('keys') ? withKeys : bare, file)
      const endpoint = await serveHrana({ file, isDurable: false, onStatement })
      endpoints.set(endpoint.url, endpoint)
      answer({ url: endpoint.url })
    } else if (url.pathname === '/count') answer({ requests: known?.requests() })
    else if (url.pathname === '/close') {
      endpoints.delete(known?.url ?? '')
      await known?.close()
      answer({})
    } else {
      response.statusCode = 404
      response.end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  project.provide('databaseFarm', `http://127.0.0.1:${(server.address() as AddressInfo).port}`)

  return async () => {
    server.closeAllConnections()
    server.close()
    await Promise.all([...endpoints.values()].map((endpoint) => endpoint.close()))
    const faults = (await isWholeRun(project)) ? faultsOf(bare, texts) : []
    rmSync(folder, { recursive: true, force: true })
    // An error here fails the run, and its message is what is printed.
    if (faults.length > 0) throw new Error(`SQL of the run:\n${faults.join('\n')}`)
  }
}

/** Only a run of every file and every test tells what nothing sends. */
async function isWholeRun(project: TestProject): Promise<boolean> {
  const { config, vitest } = project
  if (vitest.config.watch || config.testNamePattern !== undefined) return false
  const ran = new Set(vitest.state.getFiles().map(({ filepath }) => filepath))
  const { testFiles } = await project.globTestFiles()
  return testFiles.every((file) => ran.has(file))
}

function faultsOf(template: string, texts: ReadonlySet<string>): string[] {
  const templates = templatesOfStores()
  console.log(`SQL of the run: ${texts.size} texts, ${templates.length} templates of stores`)
  return [
    ...findUnprepared(template, texts).map((fault) => `does not prepare: ${fault}`),
    ...findUnsent(templates, texts).map((place) => `was never sent: ${place}`),
  ]
}

/** Makes the first signing keys, as a worker of the tests does at its first request. */
async function makeKeys(database: Database): Promise<void> {
  const { config } = readEnvironment({ ...ENVIRONMENT, DATABASE_URL: 'file:unused' })
  if (config === undefined) throw new Error('ENVIRONMENT is not accepted')
  const argon2 = createRequire(import.meta.url).resolve('@phi-ag/argon2/argon2.wasm')
  await signingKeys({
    config,
    db: database,
    now: () => EPOCH,
    random: (n) => crypto.getRandomValues(new Uint8Array(n)),
    log: () => {},
    pause: async () => {},
    fetch: guardFetch(fetch, false),
    background: () => {},
    address: '192.0.2.1',
    client_certificate: null,
    actor: { kind: 'system', id: null, scopes: new Set(['manage']) },
    memory: new Map(),
    argon2: new WebAssembly.Module(readFileSync(argon2)),
    rid: 'fixture',
    mail: async () => ({ outcome: 'kept' }),
    parties: noParties(),
  })
}
