// One connection to the database file, through the native library, which is synchronous: all work
// is done when the call returns. It owns the cache of prepared statements, since preparing costs
// many times more than running. It leaves nothing open: BEGIN and COMMIT are never prepared here
// (one that meets a lock would stay open and swallow later statements), every statement is stepped
// to its last row, and a failed call is rolled back. database.ts has the queue and the retries.

import Database from 'libsql'
import type { Statement } from '../../db/sql.ts'
import { bindable, type PlainRow } from './libsql.ts'
import { UnchangedRows } from './unchanged_rows.ts'

type Native = InstanceType<typeof Database>

interface Prepared {
  readonly statement: ReturnType<Native['prepare']>
  readonly answersRows: boolean
  readonly parameters: number
}

/**
 * Statements kept for each connection. The rooms have some two hundred, and use few of them often.
 */
const CACHED_MAX = 200
/** A longer text, such as a list of thousands of ids, is prepared for this once. */
const CACHED_LENGTH_MAX = 16_384

/**
 * Pages of the file that a connection keeps, in KiB. One question about a fleet of a million reads
 * more than the 2 MB of SQLite's default, and then reads each page again and again. A small file
 * fills no more than it has.
 */
const PAGES = { read: 32_000, write: 16_000 }

export class EmbeddedConnection {
  readonly #db: Native
  readonly #role: 'write' | 'read'
  /** By SQL text; the longest unused comes first. */
  readonly #cache = new Map<string, Prepared>()
  readonly #unchanged = new UnchangedRows()
  #dataVersion: Prepared['statement'] | undefined

  /** `pages`: KiB that it keeps; 0: as SQLite has it, and then nothing of the file is read yet. */
  constructor(path: string, role: 'write' | 'read', lockTimeout: number, pages = PAGES[role]) {
    this.#db = guarded(() => new Database(path, { timeout: lockTimeout }))
    this.#role = role
    try {
      this.script('PRAGMA foreign_keys = ON')
      if (pages > 0) this.script(`PRAGMA cache_size = -${pages}`)
      // An acknowledged write is security state: a spent code, a revoked family. Any setting keeps
      // it when the process is killed, since then the kernel has the write. FULL, one fsync for
      // each commit, keeps it also when the power fails (NORMAL could lose the last commits, not
      // the file).
      this.script(role === 'read' ? 'PRAGMA query_only = ON' : 'PRAGMA synchronous = FULL')
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Number of prepared statements that are kept. */
  get cached(): number {
    return this.#cache.size
  }

  /** Number of answers that are kept until the next commit. */
  get unchanged(): number {
    return this.#unchanged.size
  }

  /**
   * One snapshot for each batch, for a connection that only reads. The rows of each statement of
   * each batch.
   */
  read(batches: readonly (readonly Statement<unknown>[])[]): PlainRow[][][] {
    return guarded(() => {
      this.#unchanged.at(this.#version())
      return batches.map((statements) => this.#unchanged.find(statements) ?? this.#read(statements))
    })
  }

  #read(statements: readonly Statement<unknown>[]): PlainRow[][] {
    return this.#transaction(() => {
      // The first statement of a transaction takes the snapshot, which may be a newer one.
      this.#unchanged.at(this.#version())
      return statements.map((statement) => {
        const rows = this.#rows(statement)
        this.#unchanged.keep(statement, rows)
        return rows
      })
    })
  }

  /** A number that differs from the last one after a commit of another connection. */
  #version(): unknown {
    this.#dataVersion ??= this.#db.prepare('PRAGMA data_version').raw(true)
    return (this.#dataVersion.get([]) as unknown[] | undefined)?.[0]
  }

  /** One transaction, all batches or nothing. The rows of each statement of each batch. */
  write(batches: readonly (readonly Statement<unknown>[])[]): PlainRow[][][] {
    const rows = (statement: Statement<unknown>, place: number) => {
      // After a statement that ends it, such as COMMIT, the rest would be outside.
      if (!this.#db.inTransaction) throw new Error('a statement ended the transaction')
      try {
        return this.#rows(statement)
      } catch (error) {
        // The name that the client of a remote database uses too.
        if (error instanceof Error) Object.assign(error, { statementIndex: place })
        throw error
      }
    }
    return guarded(() => this.#transaction(() => batches.map((batch) => batch.map(rows))))
  }

  /** Runs several statements without arguments and answers, as they stand. */
  script(text: string): void {
    guarded(() => this.#db.exec(text))
  }

  /** Runs several statements without arguments and answers, all or nothing. */
  scriptInTransaction(text: string): void {
    guarded(() => this.#transaction(() => this.#db.exec(text)))
  }

  /** Reads the whole file, and answers what is wrong with it, a line for each fault. */
  check(): string[] {
    return guarded(() => {
      const pages = this.#db.prepare('PRAGMA integrity_check').all() as Record<string, unknown>[]
      const references = this.#db.prepare('PRAGMA foreign_key_check').all()
      const lines = pages.map((row) => String(row['integrity_check'])).filter((one) => one !== 'ok')
      return [...lines, ...references.map(() => 'a row refers to one that is not there')]
    })
  }

  close(): void {
    this.#cache.clear()
    this.#db.close()
  }

  #transaction<T>(work: () => T): T {
    this.#db.exec(this.#role === 'write' ? 'BEGIN IMMEDIATE' : 'BEGIN')
    try {
      const result = work()
      this.#db.exec('COMMIT')
      return result
    } catch (error) {
      // SQLite may have rolled back already. The library has not: closed in a transaction, it keeps
      // the lock until its last statement is garbage, so this comes before everything else.
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK')
      throw error
    }
  }

  #rows({ sql, args }: Statement<unknown>): PlainRow[] {
    const { statement, answersRows } = this.#prepare(sql, args.length)
    const values = args.map(bindable)
    if (!answersRows) {
      statement.run(values)
      return []
    }
    // To the last row, always: run() would leave `... RETURNING` half-way, and its lock with it.
    const rows = statement.all(values) as NativeRow[]
    return rows.map(plainRow)
  }

  #prepare(sql: string, parameters: number): Prepared {
    const cached = this.#cache.get(sql)
    // A statement keeps its bound values: with fewer arguments than the last time, a value of
    // another request would take the place of the missing one.
    if (cached !== undefined && cached.parameters === parameters) {
      this.#cache.delete(sql)
      this.#cache.set(sql, cached)
      return cached
    }
    const statement = this.#db.prepare(sql).safeIntegers(true)
    const prepared = { statement, answersRows: statement.reader, parameters }
    if (sql.length > CACHED_LENGTH_MAX) return prepared
    this.#cache.delete(sql)
    this.#cache.set(sql, prepared)
    if (this.#cache.size > CACHED_MAX) {
      const [longestUnused] = this.#cache.keys()
      if (longestUnused !== undefined) this.#cache.delete(longestUnused)
    }
    return prepared
  }
}

type NativeRow = Record<string, PlainRow[string] | ArrayBuffer>

/**
 * The row in the form that the rooms know: a plain object, with integers as numbers. Frozen, since
 * several requests may get it.
 */
function plainRow(row: NativeRow): PlainRow {
  for (const column in row) {
    const value = row[column]
    if (typeof value === 'bigint') {
      const number = Number(value)
      if (!Number.isSafeInteger(number)) {
        throw new RangeError('an integer beyond 2^53 cannot be answered as a number')
      }
      row[column] = number
    } else if (value instanceof ArrayBuffer) {
      row[column] = new Uint8Array(value)
    }
  }
  return Object.freeze(row as PlainRow)
}

/** The library names some codes by number only. Their base code says the right reaction. */
function guarded<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof Database.SqliteError && error.code.startsWith('UNKNOWN')) {
      error.code = baseCodes.get((error.rawCode ?? 0) & 0xff) ?? error.code
    }
    throw error
  }
}

const baseCodes = new Map([
  [5, 'SQLITE_BUSY'],
  [6, 'SQLITE_LOCKED'],
  [7, 'SQLITE_NOMEM'],
  [8, 'SQLITE_READONLY'],
  [10, 'SQLITE_IOERR'],
  [11, 'SQLITE_CORRUPT'],
  [13, 'SQLITE_FULL'],
  [14, 'SQLITE_CANTOPEN'],
  [15, 'SQLITE_PROTOCOL'],
  [19, 'SQLITE_CONSTRAINT'],
])
