// Databases for the tests that run inside workerd, which has no files: a server hands out migrated
// databases without rows of other tests, each behind an address of its own where its requests are
// counted. An address is used once; its database is lent again.
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { makeTemplates } from './databases/templates.ts'
import { LentDatabase } from './lent_database.ts'
import { judgePlans } from './query_plans.ts'
import { findUnprepared, findUnsent, templatesOfStores } from './sql_record.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    databaseFarm: string
  }
}

export default async function setup(project: TestProject) {
  const folder = mkdtempSync(join(tmpdir(), 'allauth-farm-'))
  const { bare, withKeys } = await makeTemplates(folder)

  const texts = new Set<string>()
  const onStatement = (sql: string) => texts.add(sql)
  /** By the first part of their path. */
  const lent = new Map<string, { database: LentDatabase; template: string }>()
  const resting = new Map<string, LentDatabase[]>([bare, withKeys].map((one) => [one, []]))
  const take = (template: string) =>
    resting.get(template)?.pop() ??
    new LentDatabase(template, join(folder, `${crypto.randomUUID()}.db`), onStatement)
  const giveBack = async (name: string) => {
    const found = lent.get(name)
    lent.delete(name)
    if (found === undefined) return
    const { database, template } = found
    if (await database.renew()) resting.get(template)?.push(database)
    else await database.discard()
  }
  const control = async (url: URL): Promise<object | null> => {
    const name = new URL(url.searchParams.get('url') ?? 'http://farm').pathname.slice(1)
    switch (url.pathname) {
      case '/new': {
        const template = url.searchParams.has('keys') ? withKeys : bare
        const fresh = crypto.randomUUID()
        lent.set(fresh, { database: take(template), template })
        return { url: `${address}/${fresh}` }
      }
      case '/count':
        return { requests: lent.get(name)?.database.service.requests() }
      case '/close':
        await giveBack(name)
        return {}
      default:
        return null
    }
  }
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://farm')
    const [, name = '', ...rest] = url.pathname.split('/')
    const found = lent.get(name)
    if (found !== undefined) {
      found.database.service.answer(request, response, `/${rest.join('/')}`)
      return
    }
    control(url).then(
      (value) => {
        response.writeHead(value === null ? 404 : 200, { 'content-type': 'application/json' })
        response.end(JSON.stringify(value))
      },
      (error: unknown) => response.writeHead(500).end(String(error)),
    )
  })
  // A connection that rests is not closed at the moment at which a test sends its next request.
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  project.provide('databaseFarm', address)

  return async () => {
    server.closeAllConnections()
    server.close()
    const stillLent = [...lent.values()].map(({ database }) => database)
    await Promise.all([...resting.values(), stillLent].flat().map((one) => one.discard()))
    const faults = faultsOf(bare, texts, await isWholeRun(project))
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

function faultsOf(file: string, texts: ReadonlySet<string>, isWhole: boolean): string[] {
  if (texts.size === 0) return []
  const { faults, unused, planned } = judgePlans(file, texts)
  const walks = faults.map((fault) => `walks through a table: ${fault}`)
  if (!isWhole) return walks
  const templates = templatesOfStores()
  console.log(
    `SQL of the run: ${texts.size} texts, ${planned} of the worker, ${templates.length} templates of stores`,
  )
  for (const text of unused) console.log(`needs no excuse any more: ${text}`)
  return [
    ...walks,
    ...findUnprepared(file, texts).map((fault) => `does not prepare: ${fault}`),
    ...findUnsent(templates, texts).map((place) => `was never sent: ${place}`),
  ]
}
