// One Hrana stream: its own connection to the file, its stored texts, and the work of each request
// of the protocol. Native calls stop the process while they run. So a stream that meets a lock
// never waits inside SQLite: it steps back, lets the others go on, and tries again.

import Database from 'libsql'
import {
  type Connection,
  type Connections,
  meetsLock,
  type Native,
  prepare,
} from './connections.ts'
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

export class Stream {
  readonly #connections: Connections
  readonly #sqls = new Map<number, string>()
  /** Taken for the first statement, which tells whether the stream writes. */
  #connection: Connection | null = null
  #isClosed = false
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
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Undoes uncommitted work. */
  close(): void {
    this.#isClosed = true
    const connection = this.#connection
    this.#connection = null
    if (connection === null) return
    if (connection.inTransaction && !this.#isSpoilt) connection.native.exec('ROLLBACK')
    if (this.#isReadOnly && connection.role === 'write') allowWrites(connection)
    this.#connections.release(connection, !this.#hasState && !this.#isSpoilt)
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
        return { type, is_autocommit: !this.#isInTransaction() }
    }
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new HranaError('The stream is closed', 'STREAM_CLOSED')
  }

  #isInTransaction(): boolean {
    this.#assertOpen()
    return this.#connection?.inTransaction ?? false
  }

  /** The connection of the stream, which gets one for this statement when it has none. */
  #connectionFor(statement: ScannedStatement): Connection {
    this.#assertOpen()
    this.#connection ??= this.#connections.acquire(isBeginReadOnly(statement) ? 'read' : 'write')
    return this.#connection
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
          return !this.#isInTransaction()
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
      const connection = this.#connectionFor(statement)
      if (this.#isSpoilt) return this.#endSpoilt(connection, statement)
      const wasInTransaction = connection.inTransaction
      try {
        return this.#runNow(connection, statement, args, wantsRows)
      } catch (error) {
        if (!meetsLock(error)) throw error
        if (wasInTransaction) {
          this.#isSpoilt = true
          throw error
        }
        // A BEGIN goes through exec(), which finishes its statement. Anything else left one open.
        const hadState = this.#hasState
        if (!isBegin(statement)) this.#giveUp(connection)
        const isLate = performance.now() > deadline || this.#connections.isClosed
        if (isLate || hadState !== this.#hasState) throw error
      } finally {
        const present = this.#connection
        if (wasInTransaction && present?.inTransaction === false) this.#leftTransaction(present)
      }
      await this.#connections.lockMayBeFree()
    }
  }

  #runNow(
    connection: Connection,
    statement: ScannedStatement,
    args: readonly BoundValue[],
    wantsRows: boolean,
  ): StmtResult {
    const { sql, words } = statement
    if (isBegin(statement)) {
      connection.native.exec(sql)
      // The library begins such a transaction and then allows writes in it.
      if (isBeginReadOnly(statement)) {
        this.#isReadOnly = true
        if (connection.role === 'write') connection.native.exec('PRAGMA query_only = ON')
      }
      return result([], [], 0, null)
    }
    if (/^(PRAGMA|ATTACH|CREATE (TEMP|TEMPORARY)) /.test(words.join(' ') + ' ')) {
      this.#hasState = true
    }
    this.#connections.onStatement(sql)
    const prepared = connection.prepare(statement, args.length)
    const before = connection.counters()
    if (!prepared.reader) {
      prepared.run([...args])
      const after = connection.counters()
      return result([], [], after.total === before.total ? 0 : after.changes, after.rowid)
    }
    // Always to the last row: a statement with RETURNING that is left half-way keeps the lock.
    const rows = prepared
      .safeIntegers(true)
      .raw(true)
      .all([...args]) as unknown[][]
    // After the rows: a kept statement learns of a changed table when it runs.
    const columns = prepared.columns()
    if (words[0] === 'EXPLAIN') prepared.get([...args])
    const after = connection.counters()
    return result(
      columns.map(({ name, type }) => ({ name, decltype: type })),
      wantsRows ? rows.map((row) => row.map(encodeValue)) : [],
      after.total === before.total ? 0 : after.changes,
      after.rowid,
    )
  }

  #leftTransaction(connection: Connection): void {
    if (this.#isReadOnly) {
      if (connection.role === 'read' && !this.#hasState) {
        // The next statement may write, on another connection.
        this.#connection = null
        this.#connections.release(connection, true)
      } else {
        allowWrites(connection)
      }
    }
    this.#isReadOnly = false
    this.#connections.lockFreed()
  }

  #endSpoilt(connection: Connection, { words }: ScannedStatement): StmtResult {
    if (words[0] !== 'ROLLBACK') {
      throw new HranaError('SQLite error: database is locked; roll back', 'SQLITE_BUSY')
    }
    this.#giveUp(connection)
    this.#connections.lockFreed()
    return result([], [], 0, null)
  }

  /** Closes a connection that the library left in disorder; the next statement takes another. */
  #giveUp(connection: Connection): void {
    connection.close()
    this.#connection = null
    this.#hasState = false
    this.#isSpoilt = false
    this.#isReadOnly = false
  }

  #describe(statement: ScannedStatement): object {
    const { sql, parameters, words } = statement
    const { native: db } = this.#connectionFor(statement)
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

const isBeginReadOnly = (statement: ScannedStatement) =>
  isBegin(statement) && statement.words.includes('READONLY')

const allowWrites = ({ native }: Connection) => native.exec('PRAGMA query_only = OFF')

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

/** An error in the form of sqld: the base code, with the sentence of SQLite. */
export function errorMessage(error: unknown): { message: string; code: string } {
  if (error instanceof HranaError) return { message: error.message, code: error.code }
  if (error instanceof Database.SqliteError) {
    const code = error.code.split('_', 2).join('_')
    return { message: `SQLite error: ${error.message}`, code }
  }
  return { message: error instanceof Error ? error.message : String(error), code: 'INTERNAL_ERROR' }
}
