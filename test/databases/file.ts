// Databases as files of the process, as on Node: each a copy of a template that the run has made, and
// lent again with the rows of the template, since its connections know their statements by then.
import { cpSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import Libsql from 'libsql'
import { inject } from 'vitest'
import { type Database, type Driver, databaseOver } from '../../worker/db/database.ts'
import type { Statement } from '../../worker/db/sql.ts'
import {
  type EmbeddedDatabase,
  openEmbeddedDatabase,
} from '../../worker/entry/embedded/database.ts'
import { bindable } from '../../worker/entry/embedded/libsql.ts'
import { openRenewal, type Renewal } from '../lent_database.ts'
import type { Lender } from './lender.ts'

type Open = { database: EmbeddedDatabase; renewal: Renewal; template: string }
type Loan = Open & { giveBack(): Promise<void> }

/** Those of the present test file, and those that wait for the next one. */
const loans = new Set<Loan>()
const idle = new Map<string, Open[]>()
/** Most that wait: each holds three connections. */
const IDLE_MAX = 30

/** The statements of a batch that has come apart, as a batch with their places as names. */
const inPlaces = (statements: readonly Statement<unknown>[]) =>
  Object.fromEntries(statements.map((statement, i) => [`at_${i}`, statement]))

type Rows = Record<string, unknown>[]

/** The same database for one worker: how many batches went to it, and none after the end. */
function forOneWorker(database: EmbeddedDatabase) {
  const running = new Set<Promise<unknown>>()
  let batches = 0
  let isOver = false
  const count =
    (call: Database['read']): Driver['read'] =>
    async (statements, options) => {
      if (isOver) throw new Error('the test that had this database is over')
      batches++
      if (statements.every(({ sql }) => sql.startsWith('explain'))) {
        return statements.map((statement) => explain(database.path, statement))
      }
      const answer = call(inPlaces(statements), options)
      running.add(answer)
      try {
        return Object.values(await answer) as Rows[]
      } finally {
        running.delete(answer)
      }
    }
  return {
    over: databaseOver({ read: count(database.read), write: count(database.write) }),
    batches: () => batches,
    async end() {
      isOver = true
      await Promise.allSettled(running)
    },
  }
}

/**
 * Plan of a statement, by a connection of its own: the library leaves the plan of a change open, so
 * that no transaction ends behind it. Programs ask for no plans.
 */
function explain(path: string, { sql, args }: Statement<unknown>): Rows {
  const db = new Libsql(path, {})
  const rows = db.prepare(sql).all(args.map(bindable)) as Rows
  db.close()
  return rows
}

export const lender: Lender = {
  argon2: new WebAssembly.Module(
    readFileSync(createRequire(import.meta.url).resolve('@phi-ag/argon2/argon2.wasm')),
  ),
  async lendDatabase(withKeys) {
    const { folder, bare, withKeys: keyed } = inject('databaseTemplates')
    const template = withKeys ? keyed : bare
    const open = idle.get(template)?.pop() ?? (await openCopy(template, folder))
    const { over, batches, end } = forOneWorker(open.database)
    loans.add({ ...open, giveBack: end })
    return {
      url: `file:${open.database.path}`,
      open: () => over,
      roundTrips: async () => batches(),
    }
  },
  async closeDatabases() {
    const used = [...loans]
    loans.clear()
    for (const { database, renewal, template, giveBack } of used) {
      await giveBack()
      const waiting = idle.get(template) ?? []
      idle.set(template, waiting)
      if (waiting.length < IDLE_MAX && renewal.run()) {
        waiting.push({ database, renewal, template })
        continue
      }
      renewal.close()
      await database.close()
    }
  },
}

async function openCopy(template: string, folder: string): Promise<Open> {
  const path = join(folder, `${crypto.randomUUID()}.db`)
  cpSync(template, path)
  const database = await openEmbeddedDatabase(`file:${path}`)
  return { database, renewal: openRenewal(path, template), template }
}
