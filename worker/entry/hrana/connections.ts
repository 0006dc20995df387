// Connections of the endpoint to its file: those that read and those that also write, in use and at
// rest, with their prepared statements, and the queue for the lock of the file. Preparing costs ten
// times as much as running, so statements are kept. A PRAGMA that turns writing off or on would
// make SQLite prepare each of them anew; hence readers are connections of their own.

import Database from 'libsql'
import { HranaError } from './protocol.ts'
import type { ScannedStatement } from './sql_text.ts'

export type Native = InstanceType<typeof Database>
export type Prepared = ReturnType<Native['prepare']>
export type Role = 'write' | 'read'

/** Most statements that a connection keeps. */
const CACHED_MAX = 500
/** A longer text is prepared for this once. */
const CACHED_LENGTH_MAX = 16_384
/**
 * Statements that begin so are kept: SQLite prepares them anew by itself when the schema changes,
 * and they are at their end after their last row.
 */
const CACHED_WORDS = new Set(['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'REPLACE', 'VALUES', 'WITH'])

/** Rows that a connection changed: by its last statement, since it was opened, and the last one. */
export interface Counters {
  readonly changes: number
  readonly total: number
  readonly rowid: string | null
}

/** Counters of a connection that only reads. */
const UNCHANGED: Counters = { changes: 0, total: 0, rowid: '0' }

export class Connection {
  readonly native: Native
  readonly role: Role
  /** By SQL text; the longest unused comes first. */
  readonly #cache = new Map<string, { prepared: Prepared; parameters: number }>()
  /** Prepared once, since it is asked around each statement. */
  #counters: Prepared | null = null

  constructor(native: Native, role: Role) {
    this.native = native
    this.role = role
  }

  get inTransaction(): boolean {
    return this.native.inTransaction
  }

  prepare({ sql, words }: ScannedStatement, parameters: number): Prepared {
    const cached = this.#cache.get(sql)
    this.#cache.delete(sql)
    // A statement keeps its bound values: with fewer arguments than the last time, an old value
    // would take the place of the missing one.
    const isUsable = cached !== undefined && cached.parameters === parameters
    const prepared = isUsable ? cached.prepared : prepare(this.native, sql)
    if (CACHED_WORDS.has(words[0] ?? '') && sql.length <= CACHED_LENGTH_MAX) {
      this.#cache.set(sql, { prepared, parameters })
      if (this.#cache.size > CACHED_MAX) {
        const [longestUnused = ''] = this.#cache.keys()
        this.#cache.delete(longestUnused)
      }
    }
    return prepared
  }

  counters(): Counters {
    if (this.role === 'read') return UNCHANGED
    this.#counters ??= prepare(
      this.native,
      'SELECT changes(), total_changes(), last_insert_rowid()',
    )
      .safeIntegers(true)
      .raw(true)
    const [row] = this.#counters.all([]) as bigint[][]
    const [changes = 0n, total = 0n, rowid] = row ?? []
    return { changes: Number(changes), total: Number(total), rowid: rowid?.toString() ?? null }
  }

  close(): void {
    this.#cache.clear()
    this.#counters = null
    this.native.close()
  }
}

export class Connections {
  readonly lockTimeout: number
  readonly #file: string
  readonly #synchronous: 'NORMAL' | 'OFF'
  readonly #idle: Record<Role, Connection[]> = { write: [], read: [] }
  readonly #waiting: (() => void)[] = []
  #isClosed = false
  /** Called with each text before it runs. */
  readonly onStatement: (sql: string) => void

  constructor(
    file: string,
    lockTimeout: number,
    isDurable: boolean,
    onStatement: (sql: string) => void = () => {},
  ) {
    this.#file = file
    this.#synchronous = isDurable ? 'NORMAL' : 'OFF'
    this.lockTimeout = lockTimeout
    this.onStatement = onStatement
    // Kept open: when the last connection of a file goes, SQLite folds and deletes the log.
    const first = this.acquire('write')
    first.native.exec('PRAGMA journal_mode = WAL')
    first.native.prepare('SELECT count(*) FROM sqlite_schema').all([])
    this.#idle.write.push(first)
  }

  acquire(role: Role): Connection {
    const idle = this.#idle[role].pop()
    if (idle !== undefined) return idle
    const native = new Database(this.#file, { timeout: 0 })
    native.exec('PRAGMA foreign_keys = ON')
    // Development and tests: no fsync for each commit.
    native.exec(`PRAGMA synchronous = ${this.#synchronous}`)
    if (role === 'read') native.exec('PRAGMA query_only = ON')
    return new Connection(native, role)
  }

  /** Takes a connection back; one with any state of its stream is closed instead. */
  release(connection: Connection, isAsNew: boolean): void {
    const idle = this.#idle[connection.role]
    const isReusable = isAsNew && !this.#isClosed && !connection.inTransaction && idle.length < 32
    if (isReusable) idle.push(connection)
    else connection.close()
    this.lockFreed()
  }

  lockFreed(): void {
    this.#waiting.shift()?.()
  }

  /**
   * Resolves when this process gives the lock up, or after a moment, in case another process has
   * it.
   */
  lockMayBeFree(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(wake, 10 + Math.random() * 20)
      const waiting = this.#waiting
      function wake() {
        clearTimeout(timer)
        const i = waiting.indexOf(wake)
        if (i >= 0) waiting.splice(i, 1)
        resolve()
      }
      waiting.push(wake)
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  close(): void {
    this.#isClosed = true
    for (const wake of [...this.#waiting]) wake()
    for (const idle of Object.values(this.#idle)) {
      for (const connection of idle.splice(0)) connection.close()
    }
  }
}

export function prepare(native: Native, sql: string): Prepared {
  try {
    return native.prepare(sql)
  } catch (error) {
    if (meetsLock(error)) throw error
    const message = error instanceof Error ? error.message : String(error)
    throw new HranaError(`SQL input error: ${message}`, 'SQL_INPUT_ERROR')
  }
}

export function meetsLock(error: unknown): boolean {
  return error instanceof Database.SqliteError && /^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(error.code)
}
