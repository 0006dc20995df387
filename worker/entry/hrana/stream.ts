// One Hrana stream: its own connection to the file, its stored texts, and the work of each request
// of the protocol. Native calls stop the process while they run. So a stream that meets a lock
// never waits inside SQLite: it steps back, lets the others go on, and tries again.

import Database from 'libsql'
import {
  type BatchCond,
  type BoundValue,
  encodeValue,
  type HranaBatch,
  HranaError,
  type Stmt,
  type StreamRequest,
} from './protocol.ts'
import { type ScannedStatement, scanSql } from './sql_text.ts'

type Native = InstanceType<typeof Database>

/** The connections to one file, those in use and those at rest, and the queue for its lock. */
export class Connections {
  readonly lockTimeout: number
  readonly #file: string
  readonly #synchronous: 'NORMAL' | 'OFF'
  readonly #idle: Native[] = []
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
    const first = this.acquire()
    first.exec('PRAGMA journal_mode = WAL')
    first.prepare('SELECT count(*) FROM sqlite_schema').all([])
    this.#idle.push(first)
  }

  acquire(): Native {
    const idle = this.#idle.pop()
    if (idle !== undefined) return idle
    const db = new Database(this.#file, { timeout: 0 })
    db.exec('PRAGMA foreign_keys = ON')
    // Development and tests: no fsync for each commit.
    db.exec(`PRAGMA synchronous = ${this.#synchronous}`)
    return db
  }

  /** Takes a connection back; one with any state of its stream is closed instead. */
  release(db: Native, isAsNew: boolean): void {
    const isReusable = isAsNew && !this.#isClosed && !db.inTransaction && this.#idle.length < 32
    if (isReusable) this.#idle.push(db)
    else db.close()
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
    for (const db of this.#idle.splice(0)) db.close()
  }
}

export class Stream {
  readonly #connections: Connections
  readonly #sqls = new Map<number, string>()
  #db: Native | null
  /**
   * True when the connection may carry PRAGMAs, temporary tables or attached files, which its next
   * user would see.
   */
  #hasState = false
  /** A lock was met in a transaction. The statement stays open in the library, so nothing that is
   *  done on this connection can be relied on, until it is replaced after the rollback. */
  #isSpoilt = false
  #isReadOnly = false

  constructor(connections: Connections) {
    this.#connections = connections
    this.#db = connections.acquire()
  }

  get isClosed(): boolean {
    return this.#db === null
  }

  /** Undoes uncommitted work. */
  close(): void {
    const db = this.#db
    this.#db = null
    if (db === null) return
    if (db.inTransaction && !this.#isSpoilt) db.exec('ROLLBACK')
    if (this.#isReadOnly) db.exec('PRAGMA query_only = OFF')
    this.#connections.release(db, !this.#hasState && !this.#isSpoilt)
  }

  /** Answers the `response` of the protocol. Throws HranaError. */
  async answer(request: StreamRequest): Promise<object> {
    const { type } = request
    switch (type) {
      case 'close':
        this.close()
        return { type }
      case 'execute':
        return { type, result: await this.#execute(request.stmt) }
      case 'batch':
        return { type, result: await this.#batch(request.batch) }
      case 'sequence':
        for (const statement of scanSql(this.#sqlOf(request))) await this.#run(statement, [], false)
        return { type }
      case 'describe':
        return { type, result: this.#describe(this.#only(request)) }
      case 'store_sql':
        if (this.#sqls.has(request.sql_id)) {
          throw new HranaError(`SQL text ${request.sql_id} is already stored`, 'SQL_STORE_EXISTS')
        }
        if (this.#sqls.size >= 1000) {
          throw new HranaError('Too many SQL texts are stored', 'SQL_STORE_TOO_MANY')
        }
        this.#sqls.set(request.sql_id, request.sql)
        return { type }
      case 'close_sql':
        this.#sqls.delete(request.sql_id)
        return { type }
      case 'get_autocommit':
        return { type, is_autocommit: !this.#native().inTransaction }
    }
  }

  #native(): Native {
    if (this.#db === null) throw new HranaError('The stream is closed', 'STREAM_CLOSED')
    return this.#db
  }

  #sqlOf({ sql, sql_id: id }: { sql?: string | null; sql_id?: number | null }): string {
    if (typeof sql === 'string' && typeof id !== 'number') return sql
    const stored =
      typeof id === 'number' && typeof sql !== 'string' ? this.#sqls.get(id) : undefined
    if (stored === undefined) {
      throw new HranaError('Exactly one of sql and a stored sql_id is needed', 'SQL_NOT_FOUND')
    }
    return stored
  }

  #only(named: { sql?: string | null; sql_id?: number | null }): ScannedStatement {
    const [statement, second] = scanSql(this.#sqlOf(named))
    if (statement === undefined) {
      throw new HranaError('SQL string does not contain any statement', 'SQL_NO_STATEMENT')
    }
    if (second !== undefined) {
      throw new HranaError('SQL string contains more than one statement', 'SQL_MANY_STATEMENTS')
    }
    return statement
  }

  #execute(stmt: Stmt): Promise<StmtResult> {
    const statement = this.#only(stmt)
    return this.#run(statement, argumentsOf(stmt, statement.parameters), stmt.want_rows ?? true)
  }

  /** The entries of a cursor over the batch, in the order in which its steps ran. */
  async cursor(batch: HranaBatch): Promise<object[]> {
    const { step_results, step_errors } = await this.#batch(batch)
    return step_results.flatMap((result, step): object[] => {
      const error = step_errors[step]
      if (error != null) return [{ type: 'step_error', step, error }]
      if (result === null) return []
      const { cols, rows, affected_row_count, last_insert_rowid } = result
      return [
        { type: 'step_begin', step, cols },
        ...rows.map((row) => ({ type: 'row', row })),
        { type: 'step_end', affected_row_count, last_insert_rowid },
      ]
    })
  }

  async #batch({ steps }: HranaBatch): Promise<BatchResult> {
    const results: (StmtResult | null)[] = []
    const errors: (object | null)[] = []
    const holds = (condition: BatchCond): boolean => {
      switch (condition.type) {
        case 'ok':
          return results[condition.step] != null
        case 'error':
          return errors[condition.step] != null
        case 'not':
          return !holds(condition.cond)
        case 'and':
          return condition.conds.every(holds)
        case 'or':
          return condition.conds.some(holds)
        case 'is_autocommit':
          return !this.#native().inTransaction
      }
    }
    for (const { condition, stmt } of steps) {
      let result: StmtResult | null = null
      let error: object | null = null
      if (!condition || holds(condition)) {
        try {
          result = await this.#execute(stmt)
        } catch (thrown) {
          error = errorMessage(thrown)
        }
      }
      results.push(result)
      errors.push(error)
    }
    const further = { replication_index: null }
    return { step_results: results, step_errors: errors, ...further }
  }

  async #run(
    statement: ScannedStatement,
    args: readonly BoundValue[],
    wantsRows: boolean,
  ): Promise<StmtResult> {
    const deadline = performance.now() + this.#connections.lockTimeout
    for (;;) {
      const db = this.#native()
      if (this.#isSpoilt) return this.#endSpoilt(db, statement)
      const wasInTransaction = db.inTransaction
      try {
        return this.#runNow(db, statement, args, wantsRows)
      } catch (error) {
        if (!isLockedOut(error)) throw error
        if (wasInTransaction) {
          this.#isSpoilt = true
          throw error
        }
        // A BEGIN goes through exec(), which finishes its statement. Anything else left one open.
        const hadState = this.#hasState
        if (!isBegin(statement)) this.#replace(db)
        const isLate = performance.now() > deadline || this.#connections.isClosed
        if (isLate || hadState !== this.#hasState) throw error
      } finally {
        if (wasInTransaction && this.#db?.inTransaction === false) this.#leftTransaction(this.#db)
      }
      await this.#connections.lockMayBeFree()
    }
  }

  #runNow(
    db: Native,
    { sql, words }: ScannedStatement,
    args: readonly BoundValue[],
    wantsRows: boolean,
  ): StmtResult {
    if (isBegin({ words })) {
      db.exec(sql)
      // The library begins such a transaction and then allows writes in it.
      if (words.includes('READONLY')) {
        this.#isReadOnly = true
        db.exec('PRAGMA query_only = ON')
      }
      return result([], [], 0, null)
    }
    if (/^(PRAGMA|ATTACH|CREATE (TEMP|TEMPORARY)) /.test(words.join(' ') + ' ')) {
      this.#hasState = true
    }
    this.#connections.onStatement(sql)
    const prepared = prepare(db, sql)
    const before = counters(db)
    if (!prepared.reader) {
      prepared.run([...args])
    } else {
      // Always to the last row: a statement with RETURNING that is left half-way keeps the lock.
      const columns = prepared.columns()
      const rows = prepared
        .safeIntegers(true)
        .raw(true)
        .all([...args]) as unknown[][]
      if (words[0] === 'EXPLAIN') prepared.get([...args])
      const after = counters(db)
      return result(
        columns.map(({ name, type }) => ({ name, decltype: type })),
        wantsRows ? rows.map((row) => row.map(encodeValue)) : [],
        after.total === before.total ? 0 : after.changes,
        after.rowid,
      )
    }
    const after = counters(db)
    return result([], [], after.total === before.total ? 0 : after.changes, after.rowid)
  }

  #leftTransaction(db: Native): void {
    if (this.#isReadOnly) db.exec('PRAGMA query_only = OFF')
    this.#isReadOnly = false
    this.#connections.lockFreed()
  }

  #endSpoilt(db: Native, { words }: ScannedStatement): StmtResult {
    if (words[0] !== 'ROLLBACK') {
      throw new HranaError('SQLite error: database is locked; roll back', 'SQLITE_BUSY')
    }
    this.#replace(db)
    this.#connections.lockFreed()
    return result([], [], 0, null)
  }

  /** A fresh connection in place of one that the library left in disorder. */
  #replace(db: Native): void {
    db.close()
    this.#db = this.#connections.acquire()
    this.#hasState = false
    this.#isSpoilt = false
    this.#isReadOnly = false
  }

  #describe({ sql, parameters, words }: ScannedStatement): object {
    const db = this.#native()
    this.#connections.onStatement(sql)
    const prepared = prepare(db, sql)
    const isExplain = words[0] === 'EXPLAIN'
    const program = isExplain ? [] : programOf(db, sql)
    return {
      params: parameters.map((name) => ({ name })),
      cols: prepared.reader
        ? prepared.columns().map(({ name, type }) => ({ name, decltype: type }))
        : [],
      is_explain: isExplain,
      // A statement that writes opens a transaction with a non-zero P2.
      // https://www.sqlite.org/opcode.html
      is_readonly: !program.some(({ opcode, p2 }) => opcode === 'Transaction' && p2 !== 0),
    }
  }
}

interface StmtResult {
  readonly cols: readonly object[]
  readonly rows: readonly unknown[]
  readonly affected_row_count: number
  readonly last_insert_rowid: string | null
}

interface BatchResult {
  readonly step_results: readonly (StmtResult | null)[]
  readonly step_errors: readonly (object | null)[]
}

interface Opcode {
  opcode: string
  p2: number
}

/** The opcodes of a statement, which is not run. */
function programOf(db: Native, sql: string): Opcode[] {
  const explain = prepare(db, `EXPLAIN ${sql}`)
  const program = explain.all([]) as Opcode[]
  // Read to its end, an EXPLAIN still counts as a running statement of the kind that it explains,
  // so that no write of the connection could commit. Of the calls of the library only `get` resets
  // it.
  explain.get([])
  return program
}

function result(
  cols: readonly object[],
  rows: readonly unknown[],
  changes: number,
  rowid: string | null,
): StmtResult {
  // Members that sqld adds.
  const further = { replication_index: null, rows_read: 0, rows_written: 0, query_duration_ms: 0 }
  return { cols, rows, affected_row_count: changes, last_insert_rowid: rowid, ...further }
}

function isBegin({ words }: { words: readonly string[] }): boolean {
  return words[0] === 'BEGIN'
}

function prepare(db: Native, sql: string) {
  try {
    return db.prepare<unknown[]>(sql)
  } catch (error) {
    if (isLockedOut(error)) throw error
    const message = error instanceof Error ? error.message : String(error)
    throw new HranaError(`SQL input error: ${message}`, 'SQL_INPUT_ERROR')
  }
}

/**
 * The question of `counters`, prepared once for each connection: it is asked around each statement.
 */
const COUNTERS = new WeakMap<Native, ReturnType<typeof prepareCounters>>()

const prepareCounters = (db: Native) =>
  db
    .prepare<unknown[]>('SELECT changes(), total_changes(), last_insert_rowid()')
    .safeIntegers(true)
    .raw(true)

function counters(db: Native): { changes: number; total: number; rowid: string | null } {
  const prepared = COUNTERS.get(db) ?? prepareCounters(db)
  COUNTERS.set(db, prepared)
  const [row] = prepared.all([]) as bigint[][]
  const [changes = 0n, total = 0n, rowid] = row ?? []
  return { changes: Number(changes), total: Number(total), rowid: rowid?.toString() ?? null }
}

function argumentsOf(stmt: Stmt, parameters: readonly (string | null)[]): BoundValue[] {
  if (stmt.named_args.length === 0) return stmt.args
  if (stmt.args.length > 0) {
    throw new HranaError(
      'Specifying both positional and named arguments is not supported',
      'ARGS_BOTH_POSITIONAL_AND_NAMED',
    )
  }
  const named = new Map(stmt.named_args.map((argument) => [argument.name, argument.value]))
  return parameters.map((name) =>
    name === null ? null : (named.get(name) ?? named.get(name.slice(1)) ?? null),
  )
}

function isLockedOut(error: unknown): boolean {
  return error instanceof Database.SqliteError && /^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(error.code)
}

/** An error in the form of sqld: the base code, with the sentence of SQLite. */
export function errorMessage(error: unknown): { message: string; code: string } {
  if (error instanceof HranaError) return { message: error.message, code: error.code }
  if (error instanceof Database.SqliteError) {
    const code = error.code.split('_', 2).join('_')
    return { message: `SQLite error: ${error.message}`, code }
  }
  return { message: error instanceof Error ? error.message : String(error), code: 'INTERNAL_ERROR' }
}
