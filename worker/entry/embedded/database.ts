// The database as a file of this process, on Node, Deno and Bun; only this file opens it. Plain use
// of the library loses acknowledged writes: after SQLITE_BUSY a statement stays open on the
// connection, and later statements there are acknowledged and never reach the disk. So all writes
// go through one connection behind one queue. A connection that met anything but a constraint is
// thrown away, with its statements, before the next attempt. Writes of the same moment share a
// commit. For that, constraints must be checked at each statement: one DEFERRED to the commit could
// be met by the batch of another.
// Owns no table. Leaves statements to connection.ts, and values and errors to libsql.ts.

import { accessSync, closeSync, constants, mkdirSync, openSync, readSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import {
  type CallOptions,
  type Database,
  DatabaseUnavailable,
  databaseOver,
} from '../../db/database.ts'
import type { Statement } from '../../db/sql.ts'
import { EmbeddedConnection } from './connection.ts'
import {
  asConstraintViolation,
  backOff,
  codeOf,
  isLockedOut,
  type PlainRow,
  type ScriptRunner,
} from './libsql.ts'

export interface EmbeddedDatabase extends Database, ScriptRunner {
  /** The file, as an absolute path. */
  readonly path: string
  /** Waits for work that has begun, then gives the file back. */
  close(): Promise<void>
}

export interface EmbeddedDatabaseOptions {
  /**
   * Milliseconds that SQLite waits for the lock of another process, each time that it is tried. The
   * wait stops the whole process, since native calls are synchronous; only another process can
   * cause it.
   */
  lockTimeout?: number
  /** For how many milliseconds a call is tried again; the caller of a call may say less. */
  patience?: number
}

/** Thrown when the file cannot be used and waiting will not help. The message says the remedy. */
export class DatabaseUnusable extends Error {
  override readonly name = 'DatabaseUnusable'
}

/**
 * Opens the file of a `file:` URL; makes it, folder included, where it does not exist. Throws
 * DatabaseUnusable, with nothing changed, if the file is not a database that this program may use.
 */
export async function openEmbeddedDatabase(
  url: string,
  { lockTimeout = 200, patience = 15_000 }: EmbeddedDatabaseOptions = {},
): Promise<EmbeddedDatabase> {
  const path = databasePath(url)
  makeFile(path)
  const open = (role: 'write' | 'read') =>
    Line.open(path, () => new EmbeddedConnection(path, role, lockTimeout), role, patience)
  const writer = await open('write')
  const reader = await open('read').catch(async (error: unknown) => {
    await writer.close()
    throw error
  })

  return {
    path,
    ...databaseOver({
      read: (statements, options) => reader.share(statements, options),
      write: (statements, options) => writer.share(statements, options),
    }),
    runScript: (script) =>
      writer.run((connection) => {
        connection.scriptInTransaction(script)
        // Scripts are migrations, which go through whole tables: their pages are not needed again.
        connection.script('PRAGMA shrink_memory')
      }),
    async close() {
      await reader.close()
      await writer.fold()
      await writer.close()
    },
  }
}

/** Batches that go together, with the callers that wait for their answers. */
interface Group {
  readonly batches: WaitingBatch[]
  statements: number
}

interface WaitingBatch {
  readonly statements: readonly Statement<unknown>[]
  /** When its caller gives up, by `performance.now()`. */
  readonly until: number
  readonly resolve: (rows: PlainRow[][]) => void
  readonly reject: (error: unknown) => void
}

/** Most statements that go together: bounds the time for which the process stands still. */
const SHARED_MAX = 100

/** Queue for one connection and its successors: one call after the other. */
class Line {
  readonly #connect: () => EmbeddedConnection
  readonly #role: 'write' | 'read'
  readonly #patience: number
  #connection: EmbeddedConnection | null
  #last: Promise<unknown> = Promise.resolve()
  /** The last place of the queue, when it is a group that other batches may still join. */
  #group: Group | null = null
  #loopTurnedAt = 0
  #isClosed = false

  private constructor(
    connection: EmbeddedConnection,
    connect: () => EmbeddedConnection,
    role: 'write' | 'read',
    patience: number,
  ) {
    this.#connection = connection
    this.#connect = connect
    this.#role = role
    this.#patience = patience
  }

  static async open(
    path: string,
    connect: () => EmbeddedConnection,
    role: 'write' | 'read',
    patience: number,
  ): Promise<Line> {
    // Two processes that start at once can lock each other out of the set-up, in which SQLite does
    // not wait its timeout. Hence there are more and quicker attempts than later.
    for (let attempt = 0; ; attempt++) {
      let connection: EmbeddedConnection | undefined
      try {
        connection = connect()
        if (role === 'write') connection.script('PRAGMA journal_mode = WAL')
        connection.script('SELECT count(*) FROM sqlite_schema') // reads the file's first pages
        return new Line(connection, connect, role, patience)
      } catch (error) {
        connection?.close()
        if (!isLockedOut(error)) throw unusable(path, error)
        if (attempt === 20) throw new DatabaseUnavailable(`${path} is locked`, { cause: error })
        await backOff(attempt)
      }
    }
  }

  /** When a call gives up that begins now. */
  #until({ patience = this.#patience }: CallOptions = {}): number {
    return performance.now() + patience
  }

  run<T>(work: (connection: EmbeddedConnection) => T, options?: CallOptions): Promise<T> {
    if (this.#isClosed) return Promise.reject(closedError())
    this.#group = null // later batches come after this one
    const until = this.#until(options)
    const answer = this.#last.then(() => this.#try(work, until))
    this.#last = answer.catch(() => undefined)
    return answer
  }

  /**
   * One batch: a snapshot, or a transaction that is answered when it is on the disk. Batches of the
   * same turn of the event loop go together: writes share a commit, since its fsync costs more than
   * the rest, and reads share the question whether anything was committed since the last ones.
   */
  share(statements: readonly Statement<unknown>[], options?: CallOptions): Promise<PlainRow[][]> {
    if (this.#isClosed) return Promise.reject(closedError())
    let group = this.#group
    if (group === null || group.statements + statements.length > SHARED_MAX) {
      const opened: Group = { batches: [], statements: 0 }
      this.#last = this.#last.then(() => this.#commit(opened))
      group = this.#group = opened
    }
    group.statements += statements.length
    const { batches } = group
    const until = this.#until(options)
    return new Promise((resolve, reject) => {
      batches.push({ statements, until, resolve, reject })
    })
  }

  async #commit(group: Group): Promise<void> {
    await new Promise(setImmediate)
    this.#loopTurnedAt = performance.now()
    if (this.#group === group) this.#group = null
    const batches = group.batches.filter(({ until, reject }) => {
      const isLate = performance.now() >= until
      if (isLate) reject(lateError())
      return !isLate
    })
    if (batches.length > 1) {
      try {
        const all = batches.map(({ statements }) => statements)
        const until = Math.max(...batches.map((batch) => batch.until))
        const answers = await this.#try((connection) => connection[this.#role](all), until)
        for (const [i, { resolve }] of batches.entries()) resolve(answers[i] ?? [])
        return
      } catch (error) {
        // Nothing of the group was stored. A lock or a full disk ends it for all. For any other
        // fault each batch runs alone, which shows the one at fault, so that no batch suffers from
        // another.
        if (error instanceof DatabaseUnavailable) {
          for (const { reject } of batches) reject(error)
          return
        }
      }
    }
    for (const { statements, until, resolve, reject } of batches) {
      await this.#try((connection) => connection[this.#role]([statements]), until).then(
        ([answer = []]) => resolve(answer),
        reject,
      )
    }
  }

  async #try<T>(work: (connection: EmbeddedConnection) => T, until: number): Promise<T> {
    // Native calls end when they return, so a long import would keep timers and sockets waiting
    // until its last row. Every few milliseconds they get their turn.
    if (performance.now() - this.#loopTurnedAt >= 5) {
      await new Promise(setImmediate)
      this.#loopTurnedAt = performance.now()
    }
    if (performance.now() >= until) throw lateError() // its caller has given up
    for (let attempt = 1; ; attempt++) {
      try {
        this.#connection ??= this.#connect()
        return work(this.#connection)
      } catch (error) {
        const violation = asConstraintViolation(error)
        if (violation !== null) throw violation
        this.#connection?.close()
        this.#connection = null
        if (!isLockedOut(error)) throw atRunTime(error)
        if (performance.now() >= until) {
          throw new DatabaseUnavailable('the database stayed locked', { cause: error })
        }
        await backOff(attempt)
      }
    }
  }

  /** Writes the write-ahead log into the file, so that a copy of the file alone is complete. */
  async fold(): Promise<void> {
    // PASSIVE waits for no other process; parts that another process still reads stay in the log.
    await this.run((connection) => connection.script('PRAGMA wal_checkpoint(PASSIVE)')).catch(
      () => null,
    )
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#last
    this.#connection?.close()
    this.#connection = null
  }
}

const lateError = () => new DatabaseUnavailable('the database does not keep up with the calls')

const closedError = () => new DatabaseUnavailable('the database is closed')

function atRunTime(error: unknown): unknown {
  return /^SQLITE_(BUSY|FULL|IOERR|CANTOPEN|NOMEM)/.test(codeOf(error))
    ? new DatabaseUnavailable(`the database cannot work: ${messageOf(error)}`, { cause: error })
    : error
}

/** The absolute path of a `file:` URL. Throws DatabaseUnusable. */
export function databasePath(url: string): string {
  const shape = /^file:(?:\/\/(?:localhost)?(?=\/))?([^?#]+)$/i.exec(url)
  let path: string | undefined
  try {
    path = shape?.[1] && decodeURIComponent(shape[1])
  } catch {
    // a lone % is as wrong as the rest
  }
  if (!path || path.includes('\0') || path.startsWith('//') || path.startsWith(':memory:')) {
    throw new DatabaseUnusable(
      `${url} names no database file; write for example file:.allauth/allauth.db`,
    )
  }
  return resolve(path)
}

/** Asserts that the file is empty or looks like one of SQLite, before the driver may touch it. */
function makeFile(path: string): void {
  const folder = dirname(path)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new DatabaseUnusable(
      `the folder ${folder} of the database cannot be made (${messageOf(error)}); ` +
        'make it, or let DATABASE_URL name another one',
      { cause: error },
    )
  }
  try {
    // The file has keys and password hashes, so only its owner may read it. The write-ahead log
    // gets the same mode.
    closeSync(openSync(path, 'a', 0o600))
    accessSync(path, constants.R_OK | constants.W_OK)
    accessSync(folder, constants.W_OK) // the write-ahead log is made beside it
  } catch (error) {
    throw statSync(path, { throwIfNoEntry: false })?.isDirectory()
      ? new DatabaseUnusable(`${path} is a folder; let DATABASE_URL name a file in it`)
      : new DatabaseUnusable(
          `the database ${path} cannot be read and written (${messageOf(error)}); ` +
            'give this user the right to, for the file and its folder',
          { cause: error },
        )
  }
  if (!statSync(path).isFile()) {
    throw new DatabaseUnusable(`${path} is not a file; let DATABASE_URL name one`)
  }
  const start = new Uint8Array(16)
  const descriptor = openSync(path, 'r')
  const length = readSync(descriptor, start, 0, 16, 0)
  closeSync(descriptor)
  if (length > 0 && new TextDecoder('latin1').decode(start) !== 'SQLite format 3\0') {
    throw new DatabaseUnusable(
      `${path} is not a database; it was left as it is: let DATABASE_URL name another file`,
    )
  }
}

function unusable(path: string, error: unknown): Error {
  return new DatabaseUnusable(
    `the database ${path} cannot be used (${messageOf(error)}); it was left as it is: ` +
      'bring back a backup, or let DATABASE_URL name another file',
    { cause: error },
  )
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
