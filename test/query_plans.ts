// How the database finds the rows of each statement that a run sent, and of each statement of a
// trigger: planned without running it, as over a fleet of a million devices. None may walk through
// a table that grows; the few that may are named in `EXCUSES`.
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'libsql'
import { COARSE, EXCUSES, EXCUSES_OF_TRIGGERS, type Excuse, SMALL } from './query_plan_tables.ts'
import { isOfTest, type Template, templatesIn } from './sql_record.ts'

const WORKER = fileURLToPath(new URL('../worker', import.meta.url))

type Row = Record<string, string | number | null>

/** Rows of a table that grows. */
const LARGE = 1_000_000

/** A step of a plan that looks at more of a table the larger it is. */
export type Walk = { sql: string; table: string; step: string }

/**
 * A planner over a copy of a database that is migrated. `isAnalyzed`: with statistics that say how
 * large the tables are, as after ANALYZE; nothing of the worker asks for that, so both count.
 */
export class Planner {
  readonly #folder = mkdtempSync(join(tmpdir(), 'allauth-plans-'))
  readonly #db: Database.Database
  readonly #tables: readonly string[]
  readonly #views: ReadonlyMap<string, string>
  /** The table of each page at which a table or an index begins. */
  readonly #roots: ReadonlyMap<unknown, string>

  constructor(file: string, { isAnalyzed = false } = {}) {
    const copy = join(this.#folder, 'plans.db')
    copyFileSync(file, copy)
    if (isAnalyzed) {
      const db = new Database(copy, {})
      db.exec('analyze')
      db.exec('delete from sqlite_stat1')
      const insert = db.prepare('insert into sqlite_stat1 (tbl, idx, stat) values (?, ?, ?)')
      for (const row of statistics(db)) insert.run(row)
      db.close()
    }
    this.#db = new Database(copy, {})
    this.#tables = this.rows("select name from sqlite_schema where type = 'table'").map(
      ({ name }) => `${name}`,
    )
    this.#roots = new Map(
      this.rows('select rootpage, tbl_name from sqlite_schema').map(({ rootpage, tbl_name }) => [
        rootpage,
        `${tbl_name}`,
      ]),
    )
    this.#views = new Map(
      this.rows("select name, sql from sqlite_schema where type = 'view'").map(({ name, sql }) => [
        `${name}`,
        `${sql}`,
      ]),
    )
  }

  #rootsOf(sql: string): Set<string> {
    const walked = new Set<string>()
    const cursors = new Map<unknown, string>()
    for (const { opcode, p1, p2, p3 } of this.rows(`explain ${sql}`)) {
      const isStored = /^(Open|Reopen)/.test(`${opcode}`) && /(Read|Write|Idx)$/.test(`${opcode}`)
      if (isStored && p3 === 0) cursors.set(p1, this.#roots.get(p2) ?? '')
      else if (/Open/.test(`${opcode}`)) cursors.set(p1, '')
      if (/^(Rewind|Last)$/.test(`${opcode}`)) walked.add(cursors.get(p1) ?? '')
    }
    return walked
  }

  rows(sql: string): Row[] {
    return this.#db.prepare(sql).all([]) as Row[]
  }

  /** The steps of the plan that walk, each once. Throws where the text does not prepare. */
  walks(sql: string): Walk[] {
    const names = this.#namesIn(sql)
    const found = new Map<string, Walk>()
    // Nothing is looked for in a list without an element, which says nothing of the others.
    const filled = sql.replaceAll('in ()', 'in (?)')
    for (const { detail } of this.rows(`explain query plan ${filled}`)) {
      const step = `${detail}`
      const [, name = ''] = /^(?:SCAN|SEARCH) (\S+)/.exec(step) ?? []
      const tables = [...(names.get(name) ?? [])]
      for (const table of tables) {
        if (table === '' || isSmall(table) || !isWalk(step, table, sql)) continue
        // A name that stands for several tables: the program says which it goes through.
        const isOther = /^SCAN |AUTOMATIC/.test(step) && tables.length > 1
        if (isOther && !this.#rootsOf(filled).has(table)) continue
        found.set(`${table} ${step}`, { sql, table, step })
      }
    }
    return [...found.values()]
  }

  close(): void {
    this.#db.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** The tables under each name that the text gives them. */
  #namesIn(sql: string): Map<string, Set<string>> {
    const views = [...this.#views].filter(([name]) => sql.includes(name))
    const text = [sql, ...views.map(([, view]) => view)].join(' ')
    const found = new Map<string, Set<string>>()
    const add = (name: string, table: string) =>
      found.set(name, (found.get(name) ?? new Set()).add(table))
    for (const table of this.#tables) add(table, table)
    // A name of a table of the statement itself, such as one of `with`, is not that of a table.
    const own = new Set(
      [...text.matchAll(/"?(\w+)"?(?:\s*\([^()]*\))?\s+as\s+(?:materialized\s+)?\(/gi)].map(
        ([, name]) => name,
      ),
    )
    for (const [, table = '', alias = ''] of text.matchAll(
      /(?:\b(?:from|join|update|into)|,)\s+"?(\w+)"?\s+(?:as\s+)?"?(\w+)"?/gi,
    )) {
      if (this.#tables.includes(table) && !own.has(table)) add(alias, table)
      else add(alias, '')
    }
    for (const [, alias = ''] of text.matchAll(/\)\s+(?:as\s+)?"?(\w+)"?/gi)) add(alias, '')
    return found
  }
}

const isSmall = (table: string) =>
  table in SMALL || /^(sqlite_|device_search|user_search)/.test(table)

/**
 * Whether a step looks at more rows the larger its table is: at all of them, at all from one on, or
 * at those with a value that many have.
 */
function isWalk(step: string, table: string, sql: string): boolean {
  if (/VIRTUAL TABLE/.test(step)) return false
  if (/^SCAN |AUTOMATIC/.test(step)) return true
  // Without what it looks for: the least or the greatest of an index.
  const [, found] = /\((.*)\)$/.exec(step) ?? []
  if (found === undefined) return false
  const parts = found.split(' AND ')
  const equal = parts.flatMap((one) => /^(\w+)=\?$/.exec(one)?.[1] ?? [])
  if (equal.some((column) => !(COARSE[table] ?? []).includes(column))) return false
  if (equal.length === 0) {
    const names = parts.map((one) => one.split(/[<>]/)[0])
    if (parts.length === 2 && names[0] === names[1]) return false
    // All that it finds is deleted, so that the next one finds less.
    const [, deleted] = /^\s*delete from "?(\w+)/i.exec(sql) ?? []
    if (deleted === table && /^\w+<\?$/.test(found)) return false
  }
  return true
}

/** What ANALYZE would say of tables that grow and are large, and of the others, which are not. */
function statistics(db: Database.Database): [string, string, string][] {
  const all = (sql: string) => db.prepare(sql).all([]) as Row[]
  const tables = all(
    "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'",
  )
  return tables.flatMap(({ name: tbl }) => {
    const table = `${tbl}`
    return all(`pragma index_list("${table}")`).map(({ name: index, unique, partial }) => {
      const size = isSmall(table) ? 50 : partial === 1 ? LARGE / 100 : LARGE
      const columns = all(`pragma index_info("${index}")`).map(({ name }) => `${name}`)
      const rows = columns.map((_, i) => {
        if (unique === 1 && i === columns.length - 1) return 1
        const isCoarse = columns.slice(0, i + 1).every((one) => COARSE[table]?.includes(one))
        return isCoarse ? Math.ceil(size / 4) : Math.min(10, size)
      })
      return [table, `${index}`, [size, ...rows].join(' ')] as [string, string, string]
    })
  })
}

// --- the texts of a run -------------------------------------------------------------------------

/** Templates of all files of the worker that say enough to know a text by. */
export function templatesOfWorker(): Template[] {
  return readdirSync(WORKER, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => templatesIn(readFileSync(join(WORKER, file), 'utf8'), file))
    .filter(({ parts }) => lengthOf(parts) >= 24)
    .sort((a, b) => lengthOf(b.parts) - lengthOf(a.parts))
}

const lengthOf = (parts: readonly string[]) => parts.join('').replace(/\s+/g, ' ').length

/** The place of the template that a text is, or has in it; null for a text of the tests. */
function placeOf(text: string, templates: readonly Template[]): string | null {
  const found = templates.find(({ parts }) => {
    const [first = ''] = parts
    let at = 0
    for (const [i, part] of [first.trimStart(), ...parts.slice(1)].entries()) {
      const next = text.indexOf(part, at)
      if (next < 0 || (i === 0 && next > 0 && lengthOf(parts) < 60)) return false
      // The worker binds its values; a number in the text is a test's.
      if (i > 0 && /^\d/.test(text.slice(at, next))) return false
      at = next + part.length
    }
    return true
  })
  return found?.place ?? null
}

export type PlansOfRun = {
  /** What walks, with its place, without an excuse. */
  faults: string[]
  /** Excuses that no text needed. */
  unused: string[]
  /** How many texts of the worker were planned. */
  planned: number
}

export function judgePlans(file: string, texts: Iterable<string>): PlansOfRun {
  const templates = templatesOfWorker()
  const placed = [...texts].flatMap((sql) => {
    const place = isOfTest(sql) ? null : placeOf(sql, templates)
    return place === null ? [] : [{ sql, place }]
  })
  const faults = new Set<string>()
  const used = new Set<object>()
  for (const isAnalyzed of [false, true]) {
    const planner = new Planner(file, { isAnalyzed })
    for (const { sql, place } of placed) {
      for (const walk of walksOf(planner, sql)) {
        const excuse = excuseOf(EXCUSES, walk)
        if (excuse !== undefined) used.add(excuse)
        else faults.add(describe(place, walk))
      }
    }
    planner.close()
  }
  const unused = EXCUSES.filter((one) => !used.has(one)).map(({ text }) => text)
  return { faults: [...faults], unused, planned: placed.length }
}

/** A text that does not prepare is told of elsewhere. */
function walksOf(planner: Planner, sql: string): Walk[] {
  try {
    return planner.walks(sql)
  } catch {
    return []
  }
}

const flat = (sql: string) => sql.replaceAll('"', '').replace(/\s+/g, ' ').trim()

const excuseOf = (excuses: readonly Excuse[], { sql, table }: Walk) =>
  excuses.find((one) => one.tables.includes(table) && flat(sql).includes(one.text))

const describe = (place: string, { sql, table, step }: Walk) =>
  `${place}: ${step} (${table}): ${flat(sql).slice(0, 160)}`

// --- triggers -----------------------------------------------------------------------------------

/** The walks of all triggers of a database without an excuse, and the excuses that were needed. */
export function walksOfTriggers(planner: Planner): { faults: string[]; used: Set<Excuse> } {
  const used = new Set<Excuse>()
  const triggers = planner.rows("select name, sql from sqlite_schema where type = 'trigger'")
  const faults = triggers.flatMap(({ name, sql }) =>
    statementsOfTrigger(`${sql}`)
      .flatMap((one) => planner.walks(one))
      .filter((walk) => {
        const excuse = excuseOf(EXCUSES_OF_TRIGGERS, walk)
        if (excuse !== undefined) used.add(excuse)
        return excuse === undefined
      })
      .map((walk) => describe(`${name}`, walk)),
  )
  return { faults, used }
}

/** The condition and the statements of a trigger, with parameters in the place of its row. */
export function statementsOfTrigger(sql: string): string[] {
  const [, head = '', body = ''] = /^([\s\S]*?)\bBEGIN\b([\s\S]*)\bEND\s*;?\s*$/i.exec(sql) ?? []
  const [, when] = /\bWHEN\b([\s\S]*)$/i.exec(head) ?? []
  return [...(when === undefined ? [] : [`select (${when})`]), ...body.split(/;\s*(?:\n|$)/)]
    .map((one) => one.replace(/\b(?:new|old)\.("?)\w+\1/gi, '?1').trim())
    .filter((one) => one !== '')
}
