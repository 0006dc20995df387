// Databases for the tests that run inside workerd, which has no files: a control server hands out fresh,
// migrated databases, each behind an endpoint of its own that counts its requests.
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { openEmbeddedDatabase } from '../worker/entry/embedded/database.ts'
import { serveHrana } from '../worker/entry/hrana/hrana.ts'
import { migrate, readMigrations } from '../worker/entry/migrate.ts'
import { findUnprepared, findUnsent, templatesOfStores } from './sql_record.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    databaseFarm: string
  }
}

export default async function setup(project: TestProject) {
  const folder = mkdtempSync(join(tmpdir(), 'allauth-farm-'))
  const template = join(folder, 'template.db')
  const database = await openEmbeddedDatabase(`file:${template}`)
  await migrate(database, readMigrations(new URL('../migrations/', import.meta.url).pathname))
  await database.close()

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
      cpSync(template, file)
      const endpoint = await serveHrana({ file, onStatement })
      endpoints.set(endpoint.url, endpoint)
      answer({ url: endpoint.url })
    } else if (url.pathname === '/count') answer({ requests: known?.requests() })
    else {
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
    const faults = (await isWholeRun(project)) ? faultsOf(template, texts) : []
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
