// A database that one test after another borrows. Given back, it gets the rows of its template
// again, which costs less than a fresh file: its connections stay open, and with them their
// prepared statements.
import { cpSync, rmSync } from 'node:fs'
import Database from 'libsql'
import { type HranaService, openHrana } from '../worker/entry/hrana/hrana.ts'

export class LentDatabase {
  readonly service: HranaService
  readonly #file: string
  readonly #template: string
  #renewal: Renewal | null = null

  constructor(template: string, file: string, onStatement: (sql: string) => void = () => {}) {
    cpSync(template, file)
    this.#template = template
    this.#file = file
    this.service = openHrana({ file, isDurable: false, onStatement })
  }

  /** Makes the rows those of the template. False when tables or triggers are others by now. */
  async renew(): Promise<boolean> {
    await this.service.settle()
    this.service.resetRequests()
    this.#renewal ??= openRenewal(this.#file, this.#template)
    return this.#renewal.run()
  }

  async discard(): Promise<void> {
    this.#renewal?.close()
    await this.service.close()
    for (const end of ['', '-wal', '-shm']) rmSync(this.#file + end, { force: true })
  }
}

/**
 * Tables whose triggers write others come first, then those of status lists, which nearly all of them
 * write, and the counters of all tables come last.
 */
const TABLES = `
  select name from template.sqlite_schema as one where type = 'table'
  order by name = 'sqlite_sequence', case name when 'status_change' then 1
    when 'status_list' then 2 when 'status_entry' then 3 when 'status_flip' then 4 else 0 end, not exists (
    select 1 from template.sqlite_schema where type = 'trigger' and tbl_name = one.name
  )`

export type Renewal = {
  /** Makes the rows those of the template. False when tables or triggers are others by now. */
  run(): boolean
  close(): void
}

export function openRenewal(file: string, template: string): Renewal {
  const db = new Database(file, { timeout: 1000 })
  db.exec('PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF')
  db.prepare('ATTACH ? AS template').run([template])
  const rows = (sql: string) => db.prepare(sql).raw(true).all([]) as unknown[][]
  const version = (schema: string) => String(rows(`PRAGMA ${schema}.schema_version`))
  const versionThen = version('template')
  const statements = () =>
    rows(TABLES).flatMap(([name]) => {
      const clear = db.prepare(`delete from main."${name}"`)
      if (rows(`select 1 from template."${name}" limit 1`).length === 0) return [clear]
      return [clear, db.prepare(`insert into main."${name}" select * from template."${name}"`)]
    })
  let prepared: ReturnType<typeof statements> | null = null
  return {
    run(): boolean {
      if (version('main') !== versionThen) return false
      prepared ??= statements()
      db.exec('BEGIN IMMEDIATE')
      for (const statement of prepared) statement.run([])
      db.exec('COMMIT')
      return true
    },
    close: () => db.close(),
  }
}
